//! Exceptions that are asked for through the API: what is asked, what the rules of the repository say of it, and what acts.
//!
//! What was granted is an [`Exception`] of the repository that decisions read, put there whenever what acts changes
//! ([`ExceptionBook::granted_into`]): the plain decision and the engine can't tell it from one that is written in a file. One of the same
//! name in the repository itself goes before it, so that a patch that was taken over changes nothing.

use super::{
    event::{
        Event, ExceptionApproved, ExceptionExpired, ExceptionExpiring, ExceptionGranted, ExceptionRefused,
        ExceptionRequested, ExceptionWithdrawn,
    },
    reading,
    state::State,
};
use crate::policy::{
    document::{
        policy::RestartMode,
        rules::{Decided, ExceptionTerm},
        scalars::{Day, When},
    },
    expr::{Expr, Truth},
    repository::{Exception, ExceptionRule, Repository, Selector},
    resolve::resolve_exception,
};
use imbl::OrdMap;
use jiff::{
    SignedDuration, Timestamp,
    tz::{TimeZone, offset},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr as _};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// All exceptions that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExceptionBook {
    by_name: OrdMap<SmolStr, Arc<AskedException>>,
    /// The last event by which what acts has changed.
    pub revised: u64,
}

/// An exception that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskedException {
    /// What is asked for.
    pub terms: ExceptionTerms,
    /// Who asks.
    pub by: SmolStr,
    /// When it was asked for.
    pub at: Timestamp,
    /// The rule that permits it.
    pub rule: SmolStr,
    /// How far it is.
    pub status: ExceptionStatus,
    /// Who agreed, and when.
    pub approvals: BTreeMap<SmolStr, Timestamp>,
    /// When it was granted, refused or withdrawn.
    pub decided: Option<Timestamp>,
    /// Who refused or withdrew it, and why.
    pub said: Option<(SmolStr, SmolStr)>,
    /// Whether something that is known to be exploited was open when it was granted.
    pub kev: bool,
    /// The document that acts; empty while it is not granted.
    pub document: SmolStr,
}

/// What an exception is to change, for which devices and titles, until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionTerms {
    /// The titles, as policies write them.
    pub software: Vec<String>,
    /// The condition on devices; `None` is all.
    pub condition: Option<String>,
    /// The due time in place of the obligation's.
    pub due: Option<String>,
    /// The releases to stay in.
    pub hold_at: Option<String>,
    /// When the machine is restarted.
    pub restart: Option<RestartMode>,
    /// The last day.
    pub until: SmolStr,
    /// Whether it counts for what is known to be exploited as well.
    pub exploited_too: bool,
    /// Why.
    pub why: SmolStr,
}

/// How far an exception is that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionStatus {
    /// It waits for a person.
    Requested,
    /// It acts.
    Granted,
    /// It acts, and ends soon.
    Expiring,
    /// A person refused it.
    Refused,
    /// It has ended.
    Expired,
    /// Whoever asked for it, or an approver, took it back.
    Withdrawn,
}

impl ExceptionStatus {
    /// Whether it acts.
    pub fn acts(self) -> bool {
        matches!(self, ExceptionStatus::Granted | ExceptionStatus::Expiring)
    }

    /// Whether nothing comes of it any more.
    pub fn is_over(self) -> bool {
        matches!(self, ExceptionStatus::Refused | ExceptionStatus::Expired | ExceptionStatus::Withdrawn)
    }
}

/// What the server is told of exceptions. What they concern was looked up beside the writer ([`concerned`]).
#[derive(Clone, Debug, PartialEq)]
pub enum ExceptionInput {
    /// Somebody asks for one.
    Request {
        /// Its name.
        exception: SmolStr,
        /// What is asked for.
        terms: ExceptionTerms,
        /// What it concerns now.
        concerned: Concerned,
    },
    /// A person agrees.
    Approve {
        /// Its name.
        exception: SmolStr,
        /// What it concerns by now.
        concerned: Concerned,
    },
    /// A person does not agree.
    Refuse {
        /// Its name.
        exception: SmolStr,
        /// Why.
        why: SmolStr,
    },
    /// It is not wanted any more.
    Withdraw {
        /// Its name.
        exception: SmolStr,
        /// Why.
        why: SmolStr,
    },
}

/// What an exception concerns at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concerned {
    /// How many managed devices have one of its titles, or may be meant.
    pub devices: u64,
    /// What is known to be exploited and open on them: some of it, by id.
    pub exploited: BTreeSet<SmolStr>,
}

/// The longest name of an exception, in characters.
pub const NAME_LONGEST: usize = 64;
/// How many exceptions that are over are kept.
const OVER_MOST: usize = 1_000;
/// How many ids of advisories are named.
const EXPLOITED_MOST: usize = 10;

impl ExceptionBook {
    /// The exception of a name, where it was asked for.
    pub fn get(&self, name: &str) -> Option<&Arc<AskedException>> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = (&SmolStr, &Arc<AskedException>)> {
        self.by_name.iter()
    }

    /// Those that act, by name.
    pub fn acting(&self) -> impl Iterator<Item = (&SmolStr, &Arc<AskedException>)> {
        self.by_name.iter().filter(|(_, asked)| asked.status.acts())
    }

    /// A repository with those that act; what it says itself under the same name goes before.
    pub fn granted_into(&self, repository: Arc<Repository>) -> Arc<Repository> {
        let stale = repository.exceptions.iter().any(|exception| exception.origin.is_granted());
        if !stale && self.acting().next().is_none() {
            return repository;
        }
        let mut whole = Repository::clone(&repository);
        whole.exceptions.retain(|exception| !exception.origin.is_granted());
        let mut granted = Vec::new();
        for (name, asked) in self.acting() {
            if whole.exceptions.iter().all(|exception| exception.name != *name) {
                // A title or a field that is no more makes an exception that changes nothing.
                granted.extend(resolve_exception(&asked.document, &whole));
            }
        }
        whole.exceptions.append(&mut granted);
        whole.exceptions.sort_by(|a, b| a.name.cmp(&b.name));
        Arc::new(whole)
    }

    pub(super) fn apply(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::ExceptionRequested(ExceptionRequested { exception, terms, by, rule }) => {
                let asked = AskedException {
                    terms: terms.clone(),
                    by: by.clone(),
                    at,
                    rule: rule.clone(),
                    status: ExceptionStatus::Requested,
                    approvals: BTreeMap::new(),
                    decided: None,
                    said: None,
                    kev: false,
                    document: SmolStr::default(),
                };
                self.forget_old();
                self.by_name.insert(exception.clone(), Arc::new(asked));
            }
            Event::ExceptionApproved(ExceptionApproved { exception, by }) => {
                self.change(exception, |asked| {
                    asked.approvals.insert(by.clone(), at);
                });
            }
            Event::ExceptionGranted(ExceptionGranted { exception, document, kev }) => self.change(exception, |asked| {
                asked.status = ExceptionStatus::Granted;
                asked.decided = Some(at);
                (asked.document, asked.kev) = (document.clone(), *kev);
            }),
            Event::ExceptionRefused(ExceptionRefused { exception, by, why }) => {
                self.end(exception, ExceptionStatus::Refused, at, Some((by.clone(), why.clone())));
            }
            Event::ExceptionWithdrawn(ExceptionWithdrawn { exception, by, why }) => {
                self.end(exception, ExceptionStatus::Withdrawn, at, Some((by.clone(), why.clone())));
            }
            Event::ExceptionExpiring(ExceptionExpiring { exception, .. }) => {
                self.change(exception, |asked| asked.status = ExceptionStatus::Expiring);
            }
            Event::ExceptionExpired(ExceptionExpired { exception }) => {
                self.change(exception, |asked| asked.status = ExceptionStatus::Expired);
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &SmolStr, status: ExceptionStatus, at: Timestamp, said: Option<(SmolStr, SmolStr)>) {
        self.change(name, |asked| {
            asked.status = status;
            asked.decided = Some(at);
            asked.said = said;
        });
    }

    fn change(&mut self, name: &SmolStr, change: impl FnOnce(&mut AskedException)) {
        if let Some(asked) = self.by_name.get_mut(name) {
            change(Arc::make_mut(asked));
        }
    }

    /// Of what is over, the oldest goes where there is too much of it.
    fn forget_old(&mut self) {
        if self.by_name.len() < OVER_MOST {
            return;
        }
        let over = self.by_name.iter().filter(|(_, asked)| asked.status.is_over());
        if let Some(oldest) = over.min_by_key(|(_, asked)| asked.at).map(|(name, _)| name.clone()) {
            self.by_name.remove(&oldest);
        }
    }
}

impl AskedException {
    /// From when on it has ended wherever a device is.
    pub fn over_at(&self) -> Timestamp {
        let day = Day::parse(&self.terms.until);
        day.map_or(Timestamp::MIN, |day| day.end_in(&TimeZone::fixed(offset(-12))))
    }

    /// From when on it ends soon; `notice` is how long before.
    pub fn expires_soon_at(&self, notice: SignedDuration) -> Timestamp {
        let day = Day::parse(&self.terms.until);
        let end = day.map_or(Timestamp::MIN, |day| day.end_in(&TimeZone::UTC));
        end.checked_sub(notice).unwrap_or(Timestamp::MIN)
    }
}

impl ExceptionTerms {
    /// The terms that it changes.
    pub fn changed(&self) -> BTreeSet<ExceptionTerm> {
        let named = [
            (ExceptionTerm::Due, self.due.is_some()),
            (ExceptionTerm::HoldAt, self.hold_at.is_some()),
            (ExceptionTerm::Restart, self.restart.is_some()),
        ];
        named.into_iter().filter(|(_, is_named)| *is_named).map(|(term, _)| term).collect()
    }

    /// What is wrong with it by itself; the rest is for [`concerned`] to say.
    pub fn mistake(&self, now: Timestamp) -> Option<String> {
        let Ok(until) = Day::parse(&self.until) else {
            return Some(format!("`{}` is no day: write `2026-12-31`", self.until));
        };
        if until.end_in(&TimeZone::fixed(offset(-12))) <= now {
            return Some(format!("{until} is over"));
        }
        if self.software.is_empty() {
            return Some("name the titles that it is for".into());
        }
        if self.changed().is_empty() {
            return Some("it changes nothing: name `due`, `hold_at` or `restart`".into());
        }
        match self.due.as_deref().map(When::parse) {
            Some(Err(why)) => Some(format!("{why}: write `2026-12-31T17:00:00Z`")),
            _ => None,
        }
    }
}

/// What the rules say of a request that they permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The rule.
    pub rule: SmolStr,
    /// How many people have to agree.
    pub approvals: usize,
    /// Whether something that is known to be exploited is open, or is asked for too: then two people decide.
    pub kev: bool,
}

/// How many people agree to what is known to be exploited.
const TWO: usize = 2;

/// What the rules of a repository say of a request by `asker` at `now`: the rule that asks the fewest people, of these the first by name. The
/// error is why each of them does not permit it.
///
/// Nothing is permitted for longer than the rule and the organisation say, or to nobody who may ask for it; and where something that is known
/// to be exploited is concerned, two people decide.
pub fn judge(
    repository: &Repository,
    asker: &str,
    terms: &ExceptionTerms,
    concerned: &Concerned,
    now: Timestamp,
) -> Result<Ruling, Vec<String>> {
    let asked: Vec<Selector> = terms.software.iter().map(|line| Selector::parse(line)).collect();
    let mut refused = Vec::new();
    let mut permitted: Vec<Ruling> = Vec::new();
    for rule in &repository.exception_rules {
        match permits(rule, repository.exceptions_longest, asker, (terms, &asked), concerned, now) {
            Ok(ruling) => permitted.push(ruling),
            Err(why) => refused.push(format!("`{}`: {why}", rule.name)),
        }
    }
    let least = permitted.into_iter().min_by(|a, b| (a.approvals, &a.rule).cmp(&(b.approvals, &b.rule)));
    least.ok_or_else(|| match refused.is_empty() {
        true => {
            vec!["no `exception_rules:` document of the policy in force says who may ask for exceptions".to_owned()]
        }
        false => refused,
    })
}

fn permits(
    rule: &ExceptionRule,
    limit: Option<SignedDuration>,
    asker: &str,
    (terms, asked): (&ExceptionTerms, &[Selector]),
    concerned: &Concerned,
    now: Timestamp,
) -> Result<Ruling, String> {
    if rule.askers.as_ref().is_some_and(|askers| !ExceptionRule::names(askers, asker)) {
        return Err(format!("{asker} may not ask by it"));
    }
    if let Some(software) = &rule.software
        && let Some(other) = asked.iter().find(|selector| !software.iter().any(|permitted| covers(permitted, selector)))
    {
        return Err(format!("it is not for {other}"));
    }
    if let Some(term) = terms.changed().into_iter().find(|term| !rule.terms.contains(term)) {
        return Err(format!("it lets nobody change `{}`", term.name()));
    }
    let longest = limit.map_or(rule.longest, |limit| limit.min(rule.longest));
    let until = Day::parse(&terms.until)?;
    let last = now.checked_add(longest).map(|end| TimeZone::UTC.to_datetime(end).date()).ok();
    if let Some(last) = last.filter(|last| until.0 > *last) {
        return Err(format!("{until} is too late: {last} is the last day that it permits today"));
    }
    if let Some(most) = rule.devices_most.filter(|most| concerned.devices > *most) {
        return Err(format!("it is for {most} devices at most, and {} are concerned", concerned.devices));
    }
    let kev = terms.exploited_too || !concerned.exploited.is_empty();
    let approvals = match (kev, rule.decided) {
        (true, _) => TWO,
        (false, Decided::ByApprover) => 1,
        (false, Decided::AtOnce) => 0,
    };
    // Of one who is written by name, and no others, there are not two.
    let one = matches!(rule.approvers.as_slice(), [one] if !one.starts_with('*'));
    if rule.approvers.is_empty() && approvals > 0 || one && approvals > 1 {
        let open: Vec<&str> = concerned.exploited.iter().map(SmolStr::as_str).collect();
        let open = if open.is_empty() { String::new() } else { format!(" ({})", open.join(", ")) };
        return Err(format!(
            "it is about what is known to be exploited{open}, which two people decide, and it does not name two"
        ));
    }
    Ok(Ruling { rule: rule.name.clone(), approvals, kev })
}

/// Whether everything that a line of `software` asks for is permitted by another.
fn covers(permitted: &Selector, asked: &Selector) -> bool {
    match (permitted, asked) {
        (one, other) if one == other => true,
        (_, Selector::Title(title)) => permitted.selects(title, || false),
        (Selector::OsAll, Selector::OsSecurity | Selector::Packages { .. }) => true,
        (Selector::Packages { namespace, prefix }, Selector::Packages { namespace: of, prefix: start }) => {
            namespace == of && start.starts_with(prefix.as_str())
        }
        _ => false,
    }
}

/// What an exception concerns now. It looks at every device, and is for whoever asks the writer: `Err` is what is wrong with the request.
pub fn concerned(state: &State, name: &str, terms: &ExceptionTerms, now: Timestamp) -> Result<Concerned, String> {
    if let Some(mistake) = terms.mistake(now) {
        return Err(mistake);
    }
    let Some(policy) = &state.policy else { return Err("no policy is in force".into()) };
    let repository = &policy.repository;
    let exception = resolve_exception(&document_of(name, terms, "", &[]), repository)?;
    let others: Vec<&Exception> =
        repository.exceptions.iter().filter(|other| other.name != name && contradicts(other, &exception)).collect();
    // What has ended wherever a device is changes nothing any more.
    let others: Vec<&Exception> = others
        .into_iter()
        .filter(|other: &&Exception| other.until.end_in(&TimeZone::fixed(offset(-12))) > now)
        .collect();
    let mut concerned = Concerned::default();
    for record in state.managed() {
        let titles = record.installs.keys().any(|slot| selects(&exception, &slot.title));
        let stands = record.stands.keys().any(|slot| selects(&exception, &slot.title));
        if !titles && !stands {
            continue;
        }
        let needs_facts = exception.condition.is_some() || !others.is_empty();
        let device = needs_facts.then(|| reading::device(state, repository, record, now));
        // What is not known may be so.
        let meant = |condition: Option<&Expr>| match (condition, &device) {
            (Some(condition), Some(device)) => {
                let view = device.facts.view(&repository.authority, &repository.staleness, now);
                // What depends on the time may be meant tomorrow.
                condition.asks_the_time() || condition.truth(&view, now) != Truth::False
            }
            _ => true,
        };
        if !meant(exception.condition.as_deref()) {
            continue;
        }
        if let Some(other) = others.iter().find(|other| meant(other.condition.as_deref())) {
            return Err(format!(
                "the exception `{}` changes the same otherwise on {}: it has to end first, or this one has to leave the device out",
                other.name, record.id
            ));
        }
        concerned.devices += 1;
        let ours = record.stands.iter().filter(|(slot, _)| selects(&exception, &slot.title));
        let exploited = ours.flat_map(|(_, standing)| &standing.exposures).filter(|(_, exploited)| *exploited);
        for (advisory, _) in exploited {
            if concerned.exploited.len() < EXPLOITED_MOST {
                concerned.exploited.insert(advisory.as_str().into());
            }
        }
    }
    Ok(concerned)
}

fn selects(exception: &Exception, title: &refit_model::TitleId) -> bool {
    exception.software.iter().any(|selector| selector.selects(title, || true))
}

/// Whether two exceptions change the same term of something that both may select to something else.
fn contradicts(one: &Exception, other: &Exception) -> bool {
    let meet = one.software.iter().any(|a| {
        other.software.iter().any(|b| ["deb", "rpm"].iter().any(|namespace| a.common(b, namespace).is_some()))
    });
    let due = one.due.is_some() && other.due.is_some() && one.due != other.due;
    let hold = matches!((&one.hold_at, &other.hold_at), (Some(a), Some(b)) if a.text != b.text);
    let restart = one.restart.is_some() && other.restart.is_some() && one.restart != other.restart;
    meet && (due || hold || restart)
}

/// An exception as a document of the policy repository. `by` asked for it, and `granted` agreed.
pub fn document_of(name: &str, terms: &ExceptionTerms, by: &str, granted: &[SmolStr]) -> String {
    let mut lines = Vec::new();
    if !by.is_empty() {
        let by_whom: Vec<&str> = granted.iter().map(SmolStr::as_str).collect();
        let granted = if by_whom.is_empty() { "its rule".to_owned() } else { by_whom.join(" and ") };
        let said = format!("Asked for by {by} through the API, granted by {granted}.");
        lines.push(format!("# {}", said.chars().filter(|c| !c.is_control()).collect::<String>()));
    }
    lines.push(format!("exception: {}", quoted(name)));
    let software: Vec<String> = terms.software.iter().map(|line| quoted(line)).collect();
    lines.push(format!("software: [{}]", software.join(", ")));
    if let Some(condition) = &terms.condition {
        lines.push(format!("where: {}", quoted(condition)));
    }
    if !by.is_empty() {
        lines.push(format!("owner: {}", quoted(by)));
    }
    if !terms.why.is_empty() {
        lines.push(format!("why: {}", quoted(&terms.why)));
    }
    if let Some(due) = &terms.due {
        lines.push(format!("due: {}", quoted(due)));
    }
    if let Some(hold_at) = &terms.hold_at {
        lines.push(format!("hold_at: {}", quoted(hold_at)));
    }
    if let Some(restart) = &terms.restart {
        let word = serde_json::to_value(restart).ok().and_then(|word| word.as_str().map(str::to_owned));
        lines.push(format!("restart: {}", word.unwrap_or_default()));
    }
    lines.push(format!("until: {}", terms.until));
    if terms.exploited_too {
        lines.push("unless: \"false\"".into());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A text as a scalar of YAML: in double quotes, which read it as JSON does.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// A text as the name of a file.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().take(NAME_LONGEST) {
        match c {
            c if c.is_ascii_alphanumeric() || c == '.' => slug.push(c.to_ascii_lowercase()),
            _ if !slug.ends_with('-') && !slug.is_empty() => slug.push('-'),
            _ => {}
        }
    }
    let slug = slug.trim_matches(|c| c == '-' || c == '.').to_owned();
    if slug.is_empty() { "unnamed".into() } else { slug }
}

/// The path of a new file in a folder of the repository; `taken` says whether there is one of a path.
pub fn new_file(folder: &str, slug: &str, taken: impl Fn(&str) -> bool) -> String {
    let first = format!("{folder}/{slug}.yaml");
    let others = (2..=1_000).map(|number| format!("{folder}/{slug}-{number}.yaml"));
    std::iter::once(first.clone()).chain(others).find(|path| !taken(path)).unwrap_or(first)
}

/// A unified diff that adds a file, as `git apply` and `patch -p1` take it.
pub fn patch_of(path: &str, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut patch = format!(
        "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{} @@\n",
        lines.len()
    );
    for line in lines {
        patch.push('+');
        patch.push_str(line);
        patch.push('\n');
    }
    patch
}

impl State {
    /// How long before its end notice of an exception is given: as its rule says, or would have.
    pub(super) fn notice_of(&self, asked: &AskedException) -> SignedDuration {
        let rules = self.policy.iter().flat_map(|policy| &policy.repository.exception_rules);
        let mut rule = rules.filter(|rule| rule.name == asked.rule);
        rule.next().map_or(crate::policy::resolve::NOTICE, |rule| rule.notice)
    }

    /// The document of an exception as it is granted, or would be.
    pub fn exception_document(&self, name: &str, asked: &AskedException) -> String {
        match asked.document.is_empty() {
            true => {
                let granted: Vec<SmolStr> = asked.approvals.keys().map(|who| who.to_smolstr()).collect();
                document_of(name, &asked.terms, &asked.by, &granted)
            }
            false => asked.document.to_string(),
        }
    }
}
