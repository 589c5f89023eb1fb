//! From documents to the repository that decisions read: names are looked up, expressions compiled, defaults filled in.

use super::{
    diagnostic::{Diagnostic, Files, Place, did_you_mean},
    document::{
        self,
        organization::{FieldType, FreezeDocument, OrganizationDocument},
        policy::{
            AcceptDocument, BranchAndReleaseDocument, PolicyDocument, RolloutUseDocument, TargetDocument, WindowUse,
            WindowUseDocument,
        },
        scalars::{Duration, Expression},
        title::TitleDocument,
    },
    expr::{Compiler, Expr, ExprError},
    load::{Documents, Written},
    repository::{
        Accepted, Block, Branch, Deadline, Exception, Freeze, Gate, Origin, Policy, RangeText, Repository, Ring,
        Rollout, Selector, Title, UsedWindow, Wanted, WantedBranch, WantedRelease,
    },
    syntax::Step,
};
use crate::{
    calendar::Window,
    facts::{Authority, FieldRef, Fields, Kind, Staleness},
    steps,
};
use jiff::SignedDuration;
use refit_model::{BranchName, Scheme, TitleId, VersionRange};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Titles by id.
pub type Titles = Arc<BTreeMap<TitleId, Title>>;

/// Resolves documents against the titles of the catalog. What is wrong is left out of the repository and reported.
pub fn resolve(documents: &Documents, files: &Files, catalog: &Titles) -> (Repository, Vec<Diagnostic>) {
    let mut resolver = Resolver { files, unread: &documents.unread, diagnostics: Vec::new() };
    let mut repository = Repository { titles: resolver.titles(documents, catalog), ..Repository::default() };
    let organization = resolver.single_organization(documents);
    if let Some(written) = organization {
        repository.organization = written.document.organization.as_str().into();
        repository.budgets = written.document.budgets.clone();
        repository.fields = resolver.fields(documents, written);
        repository.authority = resolver.authority(written, &repository.fields);
    }
    repository.staleness = staleness(documents);
    resolver.unique(&documents.sources, |source| &source.source, "source");
    resolver.unique(&documents.targets, |target| &target.target, "target");
    resolver.unique(&documents.identities, |list| &list.identities, "identities");
    resolver.unique(&documents.goals, |goal| &goal.goal, "goal");
    resolver.unique(&documents.guarantees, |guarantee| &guarantee.guarantee, "guarantee");
    resolver.unique(&documents.tests, |test| &test.test, "test");

    let fields = repository.fields.clone();
    let mut compiler = Compiler::new(&fields);
    let mut windows = BTreeMap::new();
    if let Some(written) = organization {
        windows = resolver.windows(written);
        repository.rollouts = resolver.rollouts(written, &mut compiler);
        repository.freezes = resolver.freezes(written, &mut compiler);
    }
    resolver.outside(documents, &mut compiler, &windows, &repository.titles);
    let mut context = Context { compiler, windows, rollouts: repository.rollouts.keys().cloned().collect() };
    let default_mode = organization.and_then(|written| written.document.defaults.as_ref()?.mode).unwrap_or_default();
    for written in resolver.unique(&documents.policies, |policy| &policy.policy, "policy") {
        if let Some(merged) = resolver.extended(written, &documents.policies) {
            let policy = resolver.policy(written, &merged, default_mode, &mut context, &repository);
            repository.policies.push(policy);
        }
    }
    for written in resolver.unique(&documents.blocks, |block| &block.block, "block") {
        let block = resolver.block(written, &mut context, &repository);
        repository.blocks.push(block);
    }
    for written in resolver.unique(&documents.exceptions, |exception| &exception.exception, "exception") {
        let exception = resolver.exception(written, &mut context, &repository);
        repository.exceptions.extend(exception);
    }
    // Neither the order of files nor that of documents may matter.
    repository.policies.sort_by(|a, b| a.name.cmp(&b.name));
    repository.blocks.sort_by(|a, b| a.name.cmp(&b.name));
    repository.exceptions.sort_by(|a, b| a.name.cmp(&b.name));
    // Where refit.yaml itself has a mistake, what it would have defined is not missing.
    if documents.organization_unread() {
        let defined = ["unknown rollout", "unknown window", "unknown gate"];
        let defined_there = |found: &Diagnostic| match found.code {
            "expr/unknown-field" => {
                // Organizations add fields to devices and persons.
                let of_exposures = found.label.starts_with("`exposure`");
                let near = found.help.as_ref().is_some_and(|help| help.starts_with("did you mean"));
                !of_exposures && !near
            }
            _ => defined.contains(&found.message.as_str()),
        };
        resolver.diagnostics.retain(|found| !defined_there(found));
    }
    (repository, resolver.diagnostics)
}

/// Reads title documents on their own: the catalog.
pub fn resolve_titles(documents: &Documents, files: &Files) -> (Titles, Vec<Diagnostic>) {
    let mut resolver = Resolver { files, unread: &documents.unread, diagnostics: Vec::new() };
    let titles = resolver.titles(documents, &Titles::default());
    (titles, resolver.diagnostics)
}

/// How many names are shown where none is near: more are not read.
const KNOWN_SHOWN: usize = 10;

/// How many titles are shown that have the name of one that is not known as a part.
const NEAR_SHOWN: usize = 4;

/// What policies, blocks and exceptions are resolved against.
struct Context<'f> {
    compiler: Compiler<'f>,
    windows: BTreeMap<SmolStr, Window>,
    rollouts: BTreeSet<SmolStr>,
}

struct Resolver<'a> {
    files: &'a Files,
    /// Documents that are there, and were not read for their own mistakes.
    unread: &'a BTreeSet<(document::Kind, SmolStr)>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Resolver<'a> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn single_organization<'d>(&mut self, documents: &'d Documents) -> Option<&'d Written<OrganizationDocument>> {
        let (first, others) = documents.organizations.split_first()?;
        let origin = first.origin(steps![], self.files);
        for other in others {
            self.report(
                Diagnostic::error("policy/second-organization", "second organization")
                    .at(other.key_place(steps!["organization"]))
                    .label("a repository has one `organization:` document")
                    .with_note(format!("the first is in {}:{}", origin.file, origin.line))
                    .with_help("move what it says to the first one"),
            );
        }
        Some(first)
    }

    /// Documents with a name of their own; each second one of a name is reported and left out.
    fn unique<'d, T>(
        &mut self,
        documents: &'d [Written<T>],
        name: impl Fn(&T) -> &String,
        kind: &str,
    ) -> Vec<&'d Written<T>> {
        let mut seen: BTreeMap<&str, Origin> = BTreeMap::new();
        let mut kept = Vec::new();
        for written in documents {
            let this = name(&written.document);
            if this.trim().is_empty() {
                self.report(
                    Diagnostic::error("policy/empty-name", "empty name")
                        .at(written.place(steps![kind]))
                        .label(format!("a {kind} needs a name")),
                );
                continue;
            }
            if let Some(first) = seen.get(this.as_str()) {
                let note = format!("the first is in {}:{}", first.file, first.line);
                self.report(
                    Diagnostic::error("policy/duplicate-name", "duplicate name")
                        .at(written.place(steps![kind]))
                        .label(format!("there is already a {kind} of this name"))
                        .with_note(note)
                        .with_help("give one of them another name"),
                );
                continue;
            }
            seen.insert(this, written.origin(steps![], self.files));
            kept.push(written);
        }
        kept
    }

    fn unknown_name(&mut self, what: &str, name: &str, known: &[&str], place: Place) {
        let mut diagnostic = Diagnostic::error("policy/unknown-name", format!("unknown {what}"))
            .at(place)
            .label(format!("there is no {what} `{name}`"));
        if let Some(near) = did_you_mean(name, known.iter().copied()) {
            diagnostic = diagnostic.with_help(format!("did you mean `{near}`?"));
        } else if known.is_empty() {
            diagnostic = diagnostic.with_help(match what {
                "policy" => "write the name of another policy of this repository".to_owned(),
                _ => format!("define it in refit.yaml, under `{what}s:`"),
            });
        } else {
            let known: BTreeSet<&str> = known.iter().copied().collect();
            let first: Vec<&str> = known.iter().copied().take(KNOWN_SHOWN).collect();
            let more = known.len() - first.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            diagnostic = diagnostic.with_help(format!("known: {}{more}", first.join(", ")));
        }
        self.report(diagnostic);
    }

    fn titles(&mut self, documents: &Documents, catalog: &Titles) -> Titles {
        let own = self.unique(&documents.titles, |title| &title.title, "title");
        if own.is_empty() {
            return Arc::clone(catalog);
        }
        let mut titles: BTreeMap<TitleId, Title> = (**catalog).clone();
        for written in own {
            titles.insert(TitleId::new(&written.document.title), self.title(written));
        }
        Arc::new(titles)
    }

    fn title(&mut self, written: &Written<TitleDocument>) -> Title {
        let document = &written.document;
        let mut names = BTreeSet::new();
        let mut branches = Vec::new();
        for (index, branch) in document.branches.iter().enumerate() {
            if !names.insert(&branch.name) {
                self.report(
                    Diagnostic::error("policy/duplicate-name", "duplicate name")
                        .at(written.place(steps!["branches", index, "name"]))
                        .label("there is already a branch of this name"),
                );
            }
            let versions = branch.versions.as_ref().and_then(|text| match VersionRange::parse(document.scheme, text) {
                Ok(range) => Some(range),
                Err(error) => {
                    self.report(
                        Diagnostic::error("policy/bad-range", "not a range of versions")
                            .at(written.place(steps!["branches", index, "versions"]))
                            .label(error.to_string()),
                    );
                    None
                }
            });
            branches.push(Branch {
                name: BranchName::new(&branch.name),
                versions,
                supported_until: branch.supported_until,
            });
        }
        Title { document: Arc::new(document.clone()), branches }
    }

    fn fields(&mut self, documents: &Documents, written: &Written<OrganizationDocument>) -> Fields {
        let mut fields = Fields::builtin();
        for (name, kind) in &written.document.fields {
            if let Err(error) = fields.add(name, kind_of(*kind)) {
                self.report(
                    Diagnostic::error("policy/bad-field", "not a field that can be added")
                        .at(written.key_place(steps!["fields", name]))
                        .label(error.to_string()),
                );
            }
        }
        for (name, values) in &written.document.values {
            let values = values.iter().map(SmolStr::new);
            let added = name.parse::<FieldRef>().and_then(|field| fields.add_values(&field, values));
            if let Err(error) = added {
                self.report(
                    Diagnostic::error("policy/unknown-field", "unknown field")
                        .at(written.key_place(steps!["values", name]))
                        .label(error.to_string()),
                );
            }
        }
        for source in &documents.sources {
            for (name, map) in &source.document.maps {
                let values = map.values().map(SmolStr::new);
                let added = name.parse::<FieldRef>().and_then(|field| fields.add_values(&field, values));
                if let Err(error) = added {
                    self.report(
                        Diagnostic::error("policy/unknown-field", "unknown field")
                            .at(source.key_place(steps!["maps", name]))
                            .label(error.to_string()),
                    );
                }
            }
        }
        fields
    }

    fn authority(&mut self, written: &Written<OrganizationDocument>, fields: &Fields) -> Authority {
        let mut authority = Authority::default();
        for (name, sources) in &written.document.authority {
            match name.parse::<FieldRef>() {
                Ok(field) if fields.get(&field).is_some() => {
                    authority.order.insert(field, sources.iter().map(SmolStr::new).collect());
                }
                _ => {
                    let names: Vec<String> = fields.iter().map(|field| field.name.to_string()).collect();
                    let mut diagnostic = Diagnostic::error("policy/unknown-field", "unknown field")
                        .at(written.key_place(steps!["authority", name]))
                        .label(format!("there is no field `{name}`"));
                    if let Some(near) = did_you_mean(name, names.iter().map(String::as_str)) {
                        diagnostic = diagnostic.with_help(format!("did you mean `{near}`?"));
                    }
                    self.report(diagnostic);
                }
            }
        }
        authority
    }

    fn windows(&mut self, written: &Written<OrganizationDocument>) -> BTreeMap<SmolStr, Window> {
        let mut windows = BTreeMap::new();
        for (name, document) in &written.document.windows {
            match Window::parse(&document.rrule, document.lasts.0) {
                Ok(window) => {
                    windows.insert(SmolStr::new(name), window);
                }
                Err(error) => self.report(
                    Diagnostic::error("policy/bad-window", "not a window")
                        .at(written.place(steps!["windows", name, "rrule"]))
                        .label(error.to_string())
                        .with_help("write a recurrence rule (RFC 5545), such as `FREQ=DAILY;BYHOUR=19`"),
                ),
            }
        }
        windows
    }

    fn rollouts(
        &mut self,
        written: &Written<OrganizationDocument>,
        compiler: &mut Compiler<'_>,
    ) -> BTreeMap<SmolStr, Rollout> {
        let gates: Vec<&str> = written.document.gates.keys().map(String::as_str).collect();
        let mut rollouts = BTreeMap::new();
        for (name, document) in &written.document.rollouts {
            let gate = document.gate.as_ref().and_then(|gate| {
                let found = written.document.gates.get(gate);
                if found.is_none() {
                    self.unknown_name("gate", gate, &gates, written.place(steps!["rollouts", name, "gate"]));
                }
                found.map(|found| Gate {
                    name: gate.as_str().into(),
                    failure_rate: found.failure_rate.map_or(DEFAULT_FAILURE_RATE, |share| share.0),
                    confidence: found.confidence.map_or(DEFAULT_CONFIDENCE, |share| share.0),
                    enough: found.enough.map(|share| share.0),
                    patience: found.patience.map(|duration| duration.0),
                })
            });
            let mut names = BTreeSet::new();
            let mut rings = Vec::new();
            for (index, ring) in document.rings.iter().enumerate() {
                if !names.insert(ring.name.as_str()) {
                    self.report(
                        Diagnostic::error("policy/duplicate-name", "duplicate name")
                            .at(written.place(steps!["rollouts", name, "rings", index, "name"]))
                            .label("there is already a ring of this name in this rollout"),
                    );
                    continue;
                }
                let path = ["rollouts", name, "rings"];
                let at: Vec<Step<'_>> =
                    path.iter().map(|key| Step::Key(key)).chain([Step::Index(index), Step::Key("where")]).collect();
                let condition = ring
                    .condition
                    .as_ref()
                    .and_then(|text| self.condition(written, &at, text, compiler, Scope::Device));
                rings.push(Ring {
                    name: ring.name.as_str().into(),
                    condition,
                    share: ring.share,
                    soak: ring.soak.map_or(SignedDuration::ZERO, |soak| soak.0),
                });
            }
            rollouts.insert(SmolStr::new(name), Rollout { name: name.as_str().into(), gate, rings });
        }
        rollouts
    }

    fn freezes(&mut self, written: &Written<OrganizationDocument>, compiler: &mut Compiler<'_>) -> Vec<Freeze> {
        let mut freezes = Vec::new();
        let mut names = BTreeSet::new();
        for (index, document) in written.document.freezes.iter().enumerate() {
            let FreezeDocument { name, from, to, condition, unless } = document;
            if !names.insert(name.as_str()) {
                self.report(
                    Diagnostic::error("policy/duplicate-name", "duplicate name")
                        .at(written.place(steps!["freezes", index, "name"]))
                        .label("there is already a freeze of this name"),
                );
            }
            if to < from {
                self.report(
                    Diagnostic::error("policy/bad-freeze", "freeze that ends before it begins")
                        .at(written.place(steps!["freezes", index, "to"]))
                        .label(format!("before its first day, {from}")),
                );
                continue;
            }
            let mut read = |text: &Option<Expression>, key, scope| {
                text.as_ref().map(|text| self.condition(written, steps!["freezes", index, key], text, compiler, scope))
            };
            let (condition, unless) =
                (read(condition, "where", Scope::Device), read(unless, "unless", Scope::Exposure));
            // A freeze whose condition can't be read would hold everybody.
            let (None | Some(Some(_)), None | Some(Some(_))) = (&condition, &unless) else { continue };
            freezes.push(Freeze {
                name: name.as_str().into(),
                from: *from,
                to: *to,
                condition: condition.flatten(),
                unless: unless.flatten(),
                origin: written.origin(steps!["freezes", index], self.files),
            });
        }
        freezes
    }

    /// A policy with the terms of those that it extends; `None` where they go in a circle or do not exist.
    fn extended(
        &mut self,
        written: &Written<PolicyDocument>,
        all: &[Written<PolicyDocument>],
    ) -> Option<PolicyDocument> {
        let mut merged = written.document.clone();
        let mut seen = BTreeSet::from([written.document.policy.as_str()]);
        let mut next = written.document.extends.as_deref();
        while let Some(name) = next {
            let place = written.place(steps!["extends"]);
            let Some(parent) = all.iter().find(|other| other.document.policy == name) else {
                if !self.unread.contains(&(document::Kind::Policy, name.into())) {
                    let others = all.iter().map(|other| other.document.policy.as_str());
                    let known: Vec<&str> = others.filter(|other| *other != written.document.policy).collect();
                    self.unknown_name("policy", name, &known, place);
                }
                return None;
            };
            if !seen.insert(name) {
                self.report(
                    Diagnostic::error("policy/extends-itself", "policy that extends itself")
                        .at(place)
                        .label(format!("comes back to `{name}`")),
                );
                return None;
            }
            merged = inherit(merged, &parent.document);
            next = parent.document.extends.as_deref();
        }
        Some(merged)
    }

    fn policy(
        &mut self,
        written: &Written<PolicyDocument>,
        document: &PolicyDocument,
        default_mode: super::document::policy::Mode,
        context: &mut Context<'_>,
        repository: &Repository,
    ) -> Policy {
        let software = match &document.software {
            Some(software) if !software.is_empty() => self.software(written, software, repository),
            _ => {
                self.report(
                    Diagnostic::error("policy/no-software", "policy without software")
                        .at(written.key_place(steps!["policy"]))
                        .label("it names no title")
                        .with_help("add `software: [google-chrome]`, or `software: [\"os/security\"]`"),
                );
                Vec::new()
            }
        };
        let schemes = schemes(&software, repository);
        let presence = document.presence.unwrap_or_default();
        let wildcard = software.iter().any(|selector| !matches!(selector, Selector::Title(_)));
        if wildcard && presence != super::document::policy::Presence::IfPresent {
            self.report(
                Diagnostic::error("policy/bad-presence", "presence of titles that are not named")
                    .at(written.place(steps!["presence"]))
                    .label("only titles that are named can be required or forbidden"),
            );
        }
        let condition = document.condition.as_ref().and_then(|text| {
            self.condition(written, steps!["where"], text, &mut context.compiler, Scope::Device).or_else(never)
        });
        let target = match &document.target {
            Some(TargetDocument::Release(text)) => Wanted {
                branch: WantedBranch::Installed,
                release: self.release(written, steps!["target"], text, &schemes),
            },
            Some(TargetDocument::BranchAndRelease(BranchAndReleaseDocument { branch, release })) => Wanted {
                branch: self.branch(branch),
                release: match release {
                    Some(text) => self.release(written, steps!["target", "release"], text, &schemes),
                    None => WantedRelease::Latest(0),
                },
            },
            None => Wanted { branch: WantedBranch::Installed, release: WantedRelease::Latest(0) },
        };
        let accept = document
            .accept
            .iter()
            .flatten()
            .enumerate()
            .map(|(index, accepted)| match accepted {
                AcceptDocument::Release(text) => Accepted {
                    wanted: Wanted {
                        branch: WantedBranch::Any,
                        release: self.release(written, steps!["accept", index], text, &schemes),
                    },
                    until: None,
                },
                AcceptDocument::Branch(entry) => Accepted {
                    wanted: Wanted {
                        branch: self.branch(&entry.branch),
                        release: match &entry.release {
                            Some(text) => self.release(written, steps!["accept", index, "release"], text, &schemes),
                            None => target.release.clone(),
                        },
                    },
                    until: entry.until,
                },
            })
            .collect();
        let (rollout, snapshot_every) = match &document.rollout {
            Some(RolloutUseDocument::Name(name)) => (Some((name, &["rollout"][..])), None),
            Some(RolloutUseDocument::Snapshot(snapshot)) => {
                (Some((&snapshot.name, &["rollout", "use"][..])), snapshot.every.map(|every| every.0))
            }
            None => (None, None),
        };
        let rollout = rollout.and_then(|(name, path)| {
            let path: Vec<Step<'_>> = path.iter().map(|key| Step::Key(key)).collect();
            self.rollout(written, &path, name, context)
        });
        let deadline = self.deadline(written, document, context);
        if let Some(disruption) = &document.disruption {
            let known = disruption.group_by.parse::<FieldRef>().ok().and_then(|field| repository.fields.get(&field));
            if known.is_none() {
                self.report(
                    Diagnostic::error("policy/unknown-field", "unknown field")
                        .at(written.place(steps!["disruption", "group_by"]))
                        .label(format!("there is no field `{}`", disruption.group_by)),
                );
            }
        }
        Policy {
            name: document.policy.as_str().into(),
            origin: written.origin(steps![], self.files),
            owner: document.owner.as_ref().map(SmolStr::new),
            why: document.why.as_ref().map(SmolStr::new),
            mode: document.mode.unwrap_or(default_mode),
            priority: document.priority.unwrap_or(0),
            condition,
            software,
            presence,
            target,
            accept,
            allow_downgrade: document.allow_downgrade.unwrap_or(false),
            min_age: document.min_age.map_or(SignedDuration::ZERO, |age| age.0),
            deadline,
            phase_in: document.phase_in.map(|phase_in| phase_in.0),
            rollout,
            snapshot_every,
            window: document.window.as_ref().and_then(|window| self.window(written, steps!["window"], window, context)),
            experience: document.experience.clone().unwrap_or_default(),
            disruption: document.disruption.clone(),
            packages: document.packages.unwrap_or_default(),
            provisioning: document.provisioning.unwrap_or(false),
        }
    }

    fn deadline(
        &mut self,
        written: &Written<PolicyDocument>,
        document: &PolicyDocument,
        context: &mut Context<'_>,
    ) -> Vec<Deadline> {
        let mut entries = Vec::new();
        for (index, entry) in document.deadline.iter().flatten().enumerate() {
            let condition = match &entry.condition {
                Some(text) => {
                    let at = steps!["deadline", index, "if"];
                    match self.condition(written, at, text, &mut context.compiler, Scope::Exposure) {
                        Some(condition) => Some(condition),
                        None => continue,
                    }
                }
                None => None,
            };
            let rollout = entry
                .rollout
                .as_ref()
                .and_then(|name| self.rollout(written, steps!["deadline", index, "rollout"], name, context));
            entries.push(Deadline {
                condition,
                within: entry.within.0,
                min_age: entry.min_age.map(|age| age.0),
                rollout,
                at_due: entry.at_due.unwrap_or_default(),
                text: serde_json::to_string(entry).unwrap_or_default().into(),
                origin: written.origin(steps!["deadline", index], self.files),
            });
        }
        entries
    }

    fn block(
        &mut self,
        written: &Written<super::document::policy::BlockDocument>,
        context: &mut Context<'_>,
        repository: &Repository,
    ) -> Block {
        let document = &written.document;
        let title = TitleId::new(&document.title);
        self.known_title(&title, repository, written.place(steps!["title"]));
        let releases =
            self.range(written, steps!["releases"], &document.releases, &BTreeSet::from([repository.scheme(&title)]));
        // A block whose condition can't be read holds everywhere: that errs on the safe side.
        let condition = document
            .condition
            .as_ref()
            .and_then(|text| self.condition(written, steps!["where"], text, &mut context.compiler, Scope::Device));
        Block {
            name: document.block.as_str().into(),
            title,
            releases,
            condition,
            why: document.why.as_ref().map(SmolStr::new),
            until: document.until,
            origin: written.origin(steps![], self.files),
        }
    }

    fn exception(
        &mut self,
        written: &Written<super::document::policy::ExceptionDocument>,
        context: &mut Context<'_>,
        repository: &Repository,
    ) -> Option<Exception> {
        let document = &written.document;
        let software = self.software(written, &document.software, repository);
        let schemes = schemes(&software, repository);
        let condition = match &document.condition {
            Some(text) => Some(self.condition(written, steps!["where"], text, &mut context.compiler, Scope::Device)?),
            None => None,
        };
        let unless = match &document.unless {
            Some(text) => self.condition(written, steps!["unless"], text, &mut context.compiler, Scope::Exposure)?,
            None => context.compiler.exposure("exposure.kev").ok()?,
        };
        if document.due.is_none()
            && document.hold_at.is_none()
            && document.window.is_none()
            && document.restart.is_none()
        {
            self.report(
                Diagnostic::error("policy/empty-exception", "exception that changes nothing")
                    .at(written.key_place(steps!["exception"]))
                    .label("it names none of `due`, `hold_at`, `window`, `restart`"),
            );
        }
        Some(Exception {
            name: document.exception.as_str().into(),
            software,
            condition,
            due: document.due,
            hold_at: document.hold_at.as_ref().map(|text| self.range(written, steps!["hold_at"], text, &schemes)),
            window: document.window.as_ref().and_then(|window| self.window(written, steps!["window"], window, context)),
            restart: document.restart,
            until: document.until,
            unless,
            why: document.why.as_ref().map(SmolStr::new),
            origin: written.origin(steps![], self.files),
        })
    }

    /// Conditions and names in documents whose meaning belongs to other parts of Refit.
    fn outside(
        &mut self,
        documents: &Documents,
        compiler: &mut Compiler<'_>,
        windows: &BTreeMap<SmolStr, Window>,
        titles: &Titles,
    ) {
        let repository = Repository { titles: Arc::clone(titles), ..Repository::default() };
        for target in &documents.targets {
            if let Some(text) = &target.document.condition {
                self.condition(target, steps!["where"], text, compiler, Scope::Device);
            }
        }
        for goal in &documents.goals {
            if let Some(text) = &goal.document.condition {
                self.condition(goal, steps!["where"], text, compiler, Scope::Device);
            }
            self.software(goal, &goal.document.software, &repository);
        }
        for guarantee in &documents.guarantees {
            if let Some(text) = &guarantee.document.condition {
                self.condition(guarantee, steps!["where"], text, compiler, Scope::Device);
            }
            if let Some(text) = &guarantee.document.exposure {
                self.condition(guarantee, steps!["if"], text, compiler, Scope::Exposure);
            }
            if let Some(name) = guarantee.document.only_in.as_ref().filter(|name| !windows.contains_key(name.as_str()))
            {
                let known: Vec<&str> = windows.keys().map(SmolStr::as_str).collect();
                self.unknown_name("window", name, &known, guarantee.place(steps!["only_in"]));
            }
            self.software(guarantee, &guarantee.document.software, &repository);
        }
    }

    fn software<T>(&mut self, written: &Written<T>, lines: &[String], repository: &Repository) -> Vec<Selector> {
        let mut selectors: Vec<Selector> = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let selector = Selector::parse(line);
            let place = written.place(steps!["software", index]);
            if selectors.contains(&selector) {
                self.report(
                    Diagnostic::warning("policy/named-twice", "title named twice")
                        .at(place)
                        .label(format!("`{line}` is already in this list")),
                );
                continue;
            }
            match &selector {
                Selector::Title(title) if !self.known_title(title, repository, place.clone()) => continue,
                Selector::Packages { namespace, .. } if !NAMESPACES.contains(&namespace.as_str()) => {
                    self.unknown_namespace(namespace, place);
                    continue;
                }
                _ => {}
            }
            selectors.push(selector);
        }
        selectors
    }

    fn known_title(&mut self, title: &TitleId, repository: &Repository, place: Place) -> bool {
        if let Some((namespace, name)) = title.package() {
            if namespace == "os" {
                self.report(
                    Diagnostic::error("policy/unknown-title", "unknown title")
                        .at(place)
                        .label(format!("`os/{name}` selects nothing"))
                        .with_help("write `os/security` or `os/*`"),
                );
                return false;
            }
            if !NAMESPACES.contains(&namespace) {
                self.unknown_namespace(namespace, place);
                return false;
            }
            if name.is_empty() {
                self.report(
                    Diagnostic::error("policy/unknown-title", "unknown title")
                        .at(place)
                        .label("the name of the package is missing")
                        .with_help(format!("write `{namespace}/NAME`, or `{namespace}/NAME-*` for several")),
                );
                return false;
            }
            return true;
        }
        if repository.titles.contains_key(title) {
            return true;
        }
        if self.unread.contains(&(document::Kind::Title, title.as_str().into())) {
            return false;
        }
        let mut diagnostic = Diagnostic::error("policy/unknown-title", "unknown title")
            .at(place)
            .label(format!("no title `{title}` is in the catalog or in this repository"));
        let titles = || repository.titles.keys().map(TitleId::as_str);
        // `chrome` is part of `google-chrome`, and not near it.
        let parts = |id: &&str| id.split('-').any(|part| part == title.as_str());
        let longer: Vec<String> = titles().filter(parts).map(|id| format!("`{id}`")).take(NEAR_SHOWN).collect();
        diagnostic = match did_you_mean(title.as_str(), titles()) {
            _ if !longer.is_empty() => diagnostic.with_help(format!("did you mean {}?", longer.join(" or "))),
            Some(near) => diagnostic.with_help(format!("did you mean `{near}`?")),
            None => diagnostic.with_help(format!(
                "add a `title: {title}` document; a distribution's package is written `deb/{title}` or `rpm/{title}`"
            )),
        };
        self.report(diagnostic);
        false
    }

    fn unknown_namespace(&mut self, namespace: &str, place: Place) {
        self.report(
            Diagnostic::error("policy/unknown-title", "unknown title")
                .at(place)
                .label(format!("no packages are named `{namespace}/…`"))
                .with_help("write `deb/NAME` or `rpm/NAME`"),
        );
    }

    fn rollout<T>(
        &mut self,
        written: &Written<T>,
        path: &[Step<'_>],
        name: &str,
        context: &Context<'_>,
    ) -> Option<SmolStr> {
        if let Some(known) = context.rollouts.get(name) {
            return Some(known.clone());
        }
        let known: Vec<&str> = context.rollouts.iter().map(SmolStr::as_str).collect();
        self.unknown_name("rollout", name, &known, written.place(path));
        None
    }

    fn window<T>(
        &mut self,
        written: &Written<T>,
        path: &[Step<'_>],
        used: &WindowUseDocument,
        context: &Context<'_>,
    ) -> Option<UsedWindow> {
        let (name, after_due) = match used {
            WindowUseDocument::Name(name) => (name, None),
            WindowUseDocument::Use(WindowUse { name, after_due }) => (name, *after_due),
        };
        match context.windows.get(name.as_str()) {
            Some(window) => Some(UsedWindow { name: name.as_str().into(), window: window.clone(), after_due }),
            None => {
                let known: Vec<&str> = context.windows.keys().map(SmolStr::as_str).collect();
                let path: Vec<Step<'_>> = path.iter().copied().chain([Step::Key("use")]).collect();
                self.unknown_name("window", name, &known, written.place(&path));
                None
            }
        }
    }

    fn branch(&mut self, text: &str) -> WantedBranch {
        match text {
            "installed" => WantedBranch::Installed,
            _ => latest(text).map_or_else(|| WantedBranch::Named(BranchName::new(text)), WantedBranch::Latest),
        }
    }

    fn release<T>(
        &mut self,
        written: &Written<T>,
        path: &[Step<'_>],
        text: &str,
        schemes: &BTreeSet<Scheme>,
    ) -> WantedRelease {
        match latest(text) {
            Some(back) => WantedRelease::Latest(back),
            None => WantedRelease::Range(self.range(written, path, text, schemes)),
        }
    }

    /// A range, which has to make sense in every scheme of the titles that it is for.
    fn range<T>(
        &mut self,
        written: &Written<T>,
        path: &[Step<'_>],
        text: &str,
        schemes: &BTreeSet<Scheme>,
    ) -> RangeText {
        let range = RangeText::new(text);
        for scheme in schemes {
            if let Err(error) = VersionRange::parse(*scheme, text) {
                self.report(
                    Diagnostic::error("policy/bad-range", "not a range of versions")
                        .at(written.place(path))
                        .label(error.to_string())
                        .with_help("write `latest`, `latest-1`, or comparisons such as `>=128, <130` or `=1.2.3`"),
                );
                break;
            }
        }
        range
    }

    fn condition<T>(
        &mut self,
        written: &Written<T>,
        path: &[Step<'_>],
        text: &Expression,
        compiler: &mut Compiler<'_>,
        scope: Scope,
    ) -> Option<Arc<Expr>> {
        let compiled = match scope {
            Scope::Device => compiler.device(&text.0),
            Scope::Exposure => compiler.exposure(&text.0),
        };
        let found: &[ExprError] = match &compiled {
            Ok(expr) => expr.warnings(),
            Err(errors) => errors,
        };
        for error in found {
            let mut diagnostic = if error.is_error() {
                Diagnostic::error(error.code, error.message)
            } else {
                Diagnostic::warning(error.code, error.message)
            };
            diagnostic =
                diagnostic.at(written.place_within(path, error.range.clone(), self.files)).label(error.label.clone());
            diagnostic.help = error.help.clone();
            self.report(diagnostic);
        }
        compiled.ok()
    }
}

/// What an expression may speak of.
#[derive(Clone, Copy)]
enum Scope {
    Device,
    Exposure,
}

/// Namespaces of distribution packages.
const NAMESPACES: [&str; 2] = ["deb", "rpm"];

/// The failure rate of a gate that names none: what people expect of a bad release, well above the noise of installers.
const DEFAULT_FAILURE_RATE: f64 = 0.02;
/// The confidence of a gate that names none.
const DEFAULT_CONFIDENCE: f64 = 0.95;

/// A condition that can't be read makes its policy apply to nobody: the repository is refused anyway.
fn never() -> Option<Arc<Expr>> {
    Compiler::new(&Fields::builtin()).device("false").ok()
}

fn kind_of(kind: FieldType) -> Kind {
    match kind {
        FieldType::Bool => Kind::Bool,
        FieldType::Int => Kind::Int,
        FieldType::Float => Kind::Float,
        FieldType::Text => Kind::Text,
        FieldType::Time => Kind::Time,
        FieldType::Version => Kind::Version,
        FieldType::List => Kind::List,
    }
}

fn staleness(documents: &Documents) -> Staleness {
    let mut staleness = Staleness::default();
    for source in &documents.sources {
        if let Some(Duration(limit)) = source.document.stale_after {
            staleness.stale_after.insert(source.document.source.as_str().into(), limit);
        }
    }
    staleness
}

/// `latest` is 0, `latest-1` is 1.
fn latest(text: &str) -> Option<usize> {
    match text.strip_prefix("latest")? {
        "" => Some(0),
        back => back.strip_prefix('-')?.parse().ok().filter(|back| (1..=100).contains(back)),
    }
}

fn schemes(software: &[Selector], repository: &Repository) -> BTreeSet<Scheme> {
    software
        .iter()
        .filter_map(|selector| match selector {
            Selector::Title(title) => Some(repository.scheme(title)),
            Selector::Packages { namespace, .. } if namespace == "deb" => Some(Scheme::Dpkg),
            Selector::Packages { namespace, .. } if namespace == "rpm" => Some(Scheme::Rpm),
            _ => None,
        })
        .collect()
}

/// What `child` says, and where it says nothing what `parent` says. Names are never inherited.
fn inherit(child: PolicyDocument, parent: &PolicyDocument) -> PolicyDocument {
    let parent = parent.clone();
    PolicyDocument {
        policy: child.policy,
        extends: child.extends,
        owner: child.owner.or(parent.owner),
        why: child.why.or(parent.why),
        mode: child.mode.or(parent.mode),
        priority: child.priority.or(parent.priority),
        condition: child.condition.or(parent.condition),
        software: child.software.or(parent.software),
        presence: child.presence.or(parent.presence),
        target: child.target.or(parent.target),
        accept: child.accept.or(parent.accept),
        allow_downgrade: child.allow_downgrade.or(parent.allow_downgrade),
        min_age: child.min_age.or(parent.min_age),
        deadline: child.deadline.or(parent.deadline),
        phase_in: child.phase_in.or(parent.phase_in),
        rollout: child.rollout.or(parent.rollout),
        window: child.window.or(parent.window),
        experience: child.experience.or(parent.experience),
        disruption: child.disruption.or(parent.disruption),
        packages: child.packages.or(parent.packages),
        provisioning: child.provisioning.or(parent.provisioning),
    }
}
