//! From documents to the repository that decisions read: names are looked up, expressions compiled, defaults filled in.

mod exception;
mod identities;
mod mandate;
mod organization;
mod outside;
mod package;
mod policy;
mod posture;
mod process;
mod rules;
mod terms;
mod title;

pub use exception::resolve_exception;
pub use rules::NOTICE;

use super::{
    diagnostic::{Diagnostic, Files, Place, did_you_mean},
    document::{self},
    expr::Compiler,
    load::{Documents, Written},
    repository::{Origin, Repository, Title},
};
use crate::{calendar::Window, steps};
use refit_model::TitleId;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Titles by id.
pub type Titles = Arc<BTreeMap<TitleId, Title>>;

/// Resolves documents against the titles of the catalog. What is wrong is left out of the repository and reported.
pub fn resolve(documents: &Documents, files: &Files, catalog: &Titles) -> (Repository, Vec<Diagnostic>) {
    let mut resolver =
        Resolver { files, bad_windows: BTreeSet::new(), unread: &documents.unread, diagnostics: Vec::new() };
    let mut repository = Repository { titles: resolver.titles(documents, catalog), ..Repository::default() };
    let organization = resolver.single_organization(documents);
    if let Some(written) = organization {
        repository.organization = written.document.organization.as_str().into();
        repository.budgets = written.document.budgets.clone();
        repository.exceptions_longest = written.document.exceptions.as_ref().map(|limits| limits.longest.0);
        repository.fields = resolver.fields(documents, written);
        repository.authority = resolver.authority(written, &repository.fields);
        repository.zones = resolver.zones(written);
    }
    repository.staleness = organization::staleness(documents);
    repository.monitoring = organization::monitoring(documents);
    resolver.unique(&documents.sources, |source| &source.source, "source");
    resolver.unique(&documents.targets, |target| &target.target, "target");
    resolver.unique(&documents.identities, |list| &list.identities, "identities");
    repository.identities = resolver.identities(&documents.identities);
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
    repository.targets = resolver.outside(documents, &mut compiler, &windows, &repository.titles);
    let mut context = Context { compiler, windows, rollouts: repository.rollouts.keys().cloned().collect() };
    let default_mode = organization.and_then(|written| written.document.defaults.as_ref()?.mode).unwrap_or_default();
    for written in resolver.unique(&documents.policies, |policy| &policy.policy, "policy") {
        let extended = resolver.extended(written, &documents.policies);
        let policy = resolver.policy(written, &extended, default_mode, &mut context, &repository);
        // What is not read as a whole says something else than was meant.
        repository.policies.extend(Some(policy).filter(|_| extended.mistakes.is_empty()));
    }
    for written in resolver.unique(&documents.blocks, |block| &block.block, "block") {
        let blocks = resolver.block(written, &mut context, &repository);
        repository.blocks.extend(blocks.into_iter().filter(|_| written.mistakes.is_empty()));
    }
    for written in resolver.unique(&documents.exceptions, |exception| &exception.exception, "exception") {
        let exception = resolver.exception(written, &mut context, &repository);
        repository.exceptions.extend(exception.filter(|_| written.mistakes.is_empty()));
    }
    repository.mandate = resolver.mandate(documents, &repository);
    repository.postures = resolver.postures(documents);
    resolver.processes(documents, organization);
    repository.exception_rules = resolver.exception_rules(documents, &repository);
    // Neither the order of files nor that of documents may matter.
    repository.policies.sort_by(|a, b| a.name.cmp(&b.name));
    repository.blocks.sort_by(|a, b| a.name.cmp(&b.name));
    repository.exceptions.sort_by(|a, b| a.name.cmp(&b.name));
    // Where refit.yaml itself has a mistake, what it would have defined is not missing.
    let unclear = |field: &str| documents.organization_unclear(field);
    let defined_there = |found: &Diagnostic| match (found.code, found.message.as_str()) {
        ("expr/unknown-field", _) => {
            // Organizations add fields to devices and persons.
            let of_exposures = found.label.starts_with("`exposure`");
            let near = found.help.as_ref().is_some_and(|help| help.starts_with("did you mean"));
            !of_exposures && !near && unclear("fields")
        }
        (_, "unknown rollout") => unclear("rollouts"),
        (_, "unknown window") => unclear("windows"),
        (_, "unknown gate") => unclear("gates"),
        _ => false,
    };
    resolver.diagnostics.retain(|found| !defined_there(found));
    if organization.is_some_and(|written| !written.mistakes.is_empty()) {
        let read = std::mem::take(&mut repository);
        repository = Repository {
            fields: read.fields,
            identities: read.identities,
            titles: read.titles,
            policies: read.policies,
            blocks: read.blocks,
            exceptions: read.exceptions,
            mandate: read.mandate,
            postures: read.postures,
            exception_rules: read.exception_rules,
            exceptions_longest: read.exceptions_longest,
            targets: read.targets,
            ..Repository::default()
        };
    }
    (repository, resolver.diagnostics)
}

/// Reads title documents on their own: the catalog.
pub fn resolve_titles(documents: &Documents, files: &Files) -> (Titles, Vec<Diagnostic>) {
    let mut resolver =
        Resolver { files, bad_windows: BTreeSet::new(), unread: &documents.unread, diagnostics: Vec::new() };
    let titles = resolver.titles(documents, &Titles::default());
    (titles, resolver.diagnostics)
}

/// How many names are shown where none is near: more are not read.
const KNOWN_SHOWN: usize = 10;

/// What policies, blocks and exceptions are resolved against.
struct Context<'f> {
    compiler: Compiler<'f>,
    windows: BTreeMap<SmolStr, Window>,
    rollouts: BTreeSet<SmolStr>,
}

struct Resolver<'a> {
    files: &'a Files,
    /// Windows that are defined, and not as windows can be.
    bad_windows: BTreeSet<SmolStr>,
    /// Documents that are there, and were not read for their own mistakes.
    unread: &'a BTreeSet<(document::Kind, SmolStr)>,
    diagnostics: Vec<Diagnostic>,
}

impl Resolver<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
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
        if what == "window" && self.bad_windows.contains(name) {
            return;
        }
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
}

/// What an expression may speak of.
#[derive(Clone, Copy)]
enum Scope {
    Device,
    Exposure,
}
