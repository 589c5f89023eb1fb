//! What all checks look at: the repository with its documents, their places, and a memory of what can hold together.

use super::{
    CheckWorld,
    freezes::is_over,
    meetings::{Item, Meetings},
    windows::Rhythm,
};
use crate::{
    facts::{FieldRef, Value},
    policy::{
        diagnostic::{Files, Place},
        document::{
            organization::OrganizationDocument,
            policy::{BlockDocument, ExceptionDocument, PolicyDocument},
            scalars::Duration,
        },
        expr::{Compiler, Confinement, Expr, Satisfiability, Text, satisfiable},
        load::{Documents, Written},
        repository::{Origin, Policy, Repository, Selector},
        syntax::Step,
    },
    steps,
};
use jiff::{SignedDuration, Timestamp};
use smol_str::SmolStr;
use std::{
    borrow::Cow,
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The repository as checks look at it.
pub(super) struct Subject<'a> {
    pub documents: &'a Documents,
    pub files: &'a Files,
    pub repository: &'a Repository,
    pub world: &'a CheckWorld,
    pub now: Timestamp,
    /// `organization:`, where there is one.
    pub organization: Option<&'a Written<OrganizationDocument>>,
    policies: BTreeMap<&'a str, &'a Written<PolicyDocument>>,
    blocks: BTreeMap<&'a str, &'a Written<BlockDocument>>,
    exceptions: BTreeMap<&'a str, &'a Written<ExceptionDocument>>,
    pub rhythms: RefCell<BTreeMap<SmolStr, Rhythm>>,
    known: RefCell<HashMap<Vec<(Text, bool)>, Satisfiability>>,
    meetings: OnceCell<Meetings>,
    on_deb: Option<Arc<Expr>>,
    on_rpm: Option<Arc<Expr>>,
    /// `device.kind == "server"`
    pub server: Option<Arc<Expr>>,
}

impl<'a> Subject<'a> {
    pub fn new(
        documents: &'a Documents,
        files: &'a Files,
        repository: &'a Repository,
        world: &'a CheckWorld,
        now: Timestamp,
    ) -> Self {
        let policies = by_name(&documents.policies, |policy| &policy.policy);
        let blocks = by_name(&documents.blocks, |block| &block.block);
        let exceptions = by_name(&documents.exceptions, |exception| &exception.exception);
        let mut compiler = Compiler::new(&repository.fields);
        Self {
            documents,
            files,
            repository,
            world,
            now,
            organization: documents.organizations.first(),
            policies,
            blocks,
            exceptions,
            rhythms: RefCell::default(),
            known: RefCell::default(),
            meetings: OnceCell::new(),
            on_deb: compiler.device(ON_DEB).ok(),
            on_rpm: compiler.device(ON_RPM).ok(),
            server: compiler.device(r#"device.kind == "server""#).ok(),
        }
    }

    /// Pairs of policies, exceptions and blocks that name a common title.
    pub fn meetings(&self) -> &Meetings {
        self.meetings.get_or_init(|| {
            let repository = self.repository;
            let policies = repository.policies.iter().enumerate().map(|(index, policy)| {
                (Item::Policy(index), Cow::Borrowed(&policy.software[..]), policy.condition.as_deref())
            });
            let standing = repository.exceptions.iter().enumerate().filter(|(_, exception)| {
                // What is over meets nothing any more.
                !is_over(exception.until, self.now)
            });
            let exceptions = standing.map(|(index, exception)| {
                (Item::Exception(index), Cow::Borrowed(&exception.software[..]), exception.condition.as_deref())
            });
            let blocks = repository.blocks.iter().enumerate().map(|(index, block)| {
                let software = vec![Selector::Title(block.title.clone())];
                (Item::Block(index), Cow::Owned(software), block.condition.as_deref())
            });
            let items: Vec<_> = policies.chain(exceptions).chain(blocks).collect();
            Meetings::find(items.iter().map(|(item, software, condition)| (*item, software.as_ref(), *condition)))
        })
    }

    /// Pairs of policies that name a common title, as indices, with the titles.
    pub fn policy_meetings(&self) -> impl Iterator<Item = (usize, usize, &[Selector])> {
        self.meetings().pairs.iter().filter_map(|(pair, shared)| match pair {
            (Item::Policy(one), Item::Policy(other)) => Some((*one, *other, shared.as_slice())),
            _ => None,
        })
    }

    /// The document of a policy.
    pub fn document(&self, policy: &Policy) -> Option<&'a Written<PolicyDocument>> {
        self.policies.get(policy.name.as_str()).copied()
    }

    /// The name of a policy, where it is written.
    pub fn policy_place(&self, policy: &Policy) -> Option<Place> {
        self.document(policy).map(|written| written.place(steps!["policy"]))
    }

    /// The place of a term of a policy: in its own document, in the one that it extends, else its name.
    pub fn term_place(&self, policy: &Policy, path: &[Step<'_>]) -> Option<Place> {
        let own = self.document(policy)?;
        let Some(Step::Key(key)) = path.first() else { return self.policy_place(policy) };
        let mut written = own;
        // Bounded, since policies may extend each other in a circle.
        for _ in 0..EXTENDS_MOST {
            if written.node.get(key).is_some() {
                return Some(written.place(path));
            }
            match written.document.extends.as_deref().and_then(|name| self.policies.get(name)) {
                Some(parent) => written = parent,
                None => break,
            }
        }
        self.policy_place(policy)
    }

    /// Whether a policy itself says something of a term, or leaves it to the one that it extends or to a default.
    pub fn says_itself(&self, policy: &Policy, key: &str) -> bool {
        self.document(policy).is_some_and(|written| written.node.get(key).is_some())
    }

    /// The document of a block.
    pub fn block(&self, name: &str) -> Option<&'a Written<BlockDocument>> {
        self.blocks.get(name).copied()
    }

    /// The document of an exception.
    pub fn exception(&self, name: &str) -> Option<&'a Written<ExceptionDocument>> {
        self.exceptions.get(name).copied()
    }

    /// Whether conditions can hold (`true`) or surely fail to hold (`false`) together.
    pub fn together(&self, conditions: &[(&Expr, bool)]) -> Satisfiability {
        let mut groups = independent(conditions);
        let Some(last) = groups.pop() else {
            return Satisfiability::Yes { example: BTreeMap::new(), now: self.now };
        };
        // What speaks of other fields can't contradict: each group is searched, and remembered, by itself.
        let mut answer = self.searched(&last);
        for group in groups {
            answer = match (answer, self.searched(&group)) {
                (Satisfiability::No, _) | (_, Satisfiability::No) => return Satisfiability::No,
                (Satisfiability::Unknown, _) | (_, Satisfiability::Unknown) => Satisfiability::Unknown,
                (Satisfiability::Yes { mut example, now }, Satisfiability::Yes { example: more, .. }) => {
                    example.extend(more);
                    Satisfiability::Yes { example, now }
                }
            };
        }
        answer
    }

    fn searched(&self, conditions: &[(&Expr, bool)]) -> Satisfiability {
        let mut key: Vec<(Text, bool)> = conditions.iter().map(|(expr, holds)| (expr.text().clone(), *holds)).collect();
        key.sort();
        key.dedup();
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let answer = satisfiable(conditions, &self.repository.fields);
        self.known.borrow_mut().insert(key, answer.clone());
        answer
    }

    /// Whether conditions, of which those that are left out always hold, can hold together.
    pub fn all_hold<'e>(&self, conditions: impl IntoIterator<Item = Option<&'e Expr>>) -> Satisfiability {
        let conditions: Vec<_> = conditions.into_iter().flatten().map(|expr| (expr, true)).collect();
        self.together(&conditions)
    }

    /// What has to hold of a device that has the titles of a line of `software`; `None` where nothing follows.
    pub fn implied_by(&self, selector: &Selector) -> Option<&Expr> {
        let namespace = match selector {
            Selector::Packages { namespace, .. } => namespace.as_str(),
            Selector::Title(title) => title.package()?.0,
            Selector::OsAll | Selector::OsSecurity => return None,
        };
        match namespace {
            "deb" => self.on_deb.as_deref(),
            "rpm" => self.on_rpm.as_deref(),
            _ => None,
        }
    }
}

/// Conditions in groups of which no two name a common field. Those that time alone may change stay together, since there is only
/// one now.
fn independent<'e>(conditions: &[(&'e Expr, bool)]) -> Vec<Vec<(&'e Expr, bool)>> {
    let of_time = |expr: &Expr| expr.text().contains("since") || expr.text().contains("until");
    let touch = |one: &Expr, other: &Expr| {
        (of_time(one) && of_time(other)) || one.fields().iter().any(|field| other.fields().contains(field))
    };
    let mut groups: Vec<Vec<(&Expr, bool)>> = Vec::new();
    for condition in conditions {
        let (joined, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|(other, _)| touch(condition.0, other)));
        groups = apart;
        groups.push(joined.into_iter().flatten().chain([*condition]).collect());
    }
    groups
}

/// Documents by name. The first of a name counts; resolving has reported the others.
fn by_name<T>(documents: &[Written<T>], name: impl Fn(&T) -> &String) -> BTreeMap<&str, &Written<T>> {
    let mut named = BTreeMap::new();
    for written in documents {
        named.entry(name(&written.document).as_str()).or_insert(written);
    }
    named
}

/// Longest chain of `extends` that is followed to find a place.
const EXTENDS_MOST: usize = 64;

/// Systems that are known not to have packages of a kind: two policies do not meet on a title that a device can't have.
const ON_DEB: &str = r#"!(device.os in ["macos", "windows", "fedora", "rhel", "centos", "rocky", "almalinux", "opensuse", "sles", "amazon", "oracle", "arch", "alpine", "ios", "ipados", "android", "chromeos"]) && !(device.platform in ["macos", "windows", "ios", "ipados", "android", "chromeos"])"#;
const ON_RPM: &str = r#"!(device.os in ["macos", "windows", "debian", "ubuntu", "arch", "alpine", "ios", "ipados", "android", "chromeos"]) && !(device.platform in ["macos", "windows", "ios", "ipados", "android", "chromeos"])"#;

/// `a device with device.platform = "macos"`; `every device` where nothing matters.
pub(super) fn example_device(example: &BTreeMap<FieldRef, Value>) -> String {
    if example.is_empty() {
        return "every device".to_owned();
    }
    let values: Vec<String> = example.iter().map(|(field, value)| format!("{field} = {value}")).collect();
    format!("a device with {}", values.join(", "))
}

/// A length of time as policies write it: `2d`, `1h30m`.
pub(super) fn length(duration: SignedDuration) -> String {
    Duration(duration.max(SignedDuration::ZERO)).to_string()
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`.
pub(super) fn enumeration<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.len() > NAMED_MOST {
        let more = items.len() - (NAMED_MOST - 1);
        items.truncate(NAMED_MOST - 1);
        items.push(format!("{more} more"));
    }
    match items.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// Most things that a message names one by one.
const NAMED_MOST: usize = 4;

/// `patch/browsers.yaml:3`.
pub(super) fn written_at(origin: &Origin) -> String {
    format!("{}:{}", origin.file, origin.line)
}

/// The number with its noun: `1 device`, `30 devices`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Whether two confinements leave no value for a common field.
pub(super) fn apart(one: &Confinement, other: &Confinement) -> bool {
    one.iter().any(|(field, texts)| other.get(field).is_some_and(|others| texts.is_disjoint(others)))
}

/// A name in its quotes.
pub(super) fn quoted(name: &SmolStr) -> String {
    format!("`{name}`")
}
