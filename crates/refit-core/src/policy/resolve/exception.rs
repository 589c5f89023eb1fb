//! Blocks and exceptions.

use super::{Context, Resolver, Scope, terms::schemes};
use crate::policy::{
    diagnostic::{Diagnostic, Files, Severity},
    expr::Compiler,
    load::{Written, load},
    repository::{Block, Exception, Origin, Repository},
    syntax::Limits,
};
use crate::steps;
use refit_model::TitleId;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Reads an `exception:` document by itself, as it would mean in a repository. Windows that the repository defines are not known to it.
///
/// The error is the first thing that is wrong with it, in words.
pub fn resolve_exception(text: &str, repository: &Repository) -> Result<Exception, String> {
    let mut files = Files::default();
    let said = |found: &Diagnostic| match (&found.label, &found.help) {
        (label, Some(help)) if !label.is_empty() => format!("{}: {label}; {help}", found.message),
        (label, None) if !label.is_empty() => format!("{}: {label}", found.message),
        _ => found.message.clone(),
    };
    files.add("exception.yaml", text.as_bytes(), &Limits::default()).map_err(|found| said(&found))?;
    let (documents, mut found) = load(&files, &Limits::default());
    let unread = BTreeSet::new();
    let mut resolver =
        Resolver { files: &files, bad_windows: BTreeSet::new(), unread: &unread, diagnostics: Vec::new() };
    let fields = repository.fields.clone();
    let mut context = Context { compiler: Compiler::new(&fields), windows: BTreeMap::new(), rollouts: BTreeSet::new() };
    let read = documents.exceptions.first().and_then(|written| resolver.exception(written, &mut context, repository));
    found.append(&mut resolver.diagnostics);
    if let Some(wrong) = found.iter().find(|found| found.severity == Severity::Error) {
        return Err(said(wrong));
    }
    let read = read.ok_or_else(|| "this is no exception".to_owned())?;
    Ok(Exception { origin: Origin::granted(), ..read })
}

impl Resolver<'_> {
    pub(super) fn block(
        &mut self,
        written: &Written<super::document::policy::BlockDocument>,
        context: &mut Context<'_>,
        repository: &Repository,
    ) -> Vec<Block> {
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
        let packages = repository.vendor_packages(&title);
        let blocks = std::iter::once(title).chain(packages).map(|title| Block {
            name: document.block.as_str().into(),
            title,
            releases: releases.clone(),
            condition: condition.clone(),
            why: document.why.as_ref().map(SmolStr::new),
            until: document.until,
            origin: written.origin(steps![], self.files),
        });
        blocks.collect()
    }

    pub(super) fn exception(
        &mut self,
        written: &Written<super::document::policy::ExceptionDocument>,
        context: &mut Context<'_>,
        repository: &Repository,
    ) -> Option<Exception> {
        let document = &written.document;
        let software = self.software(written, &document.software, repository);
        let software = repository.with_vendor_packages(software);
        let schemes = schemes(&software, repository);
        let condition = match &document.condition {
            Some(text) => {
                self.condition(written, steps!["where"], text, &mut context.compiler, Scope::Device).map(Some)
            }
            None => Some(None),
        };
        let unless = match &document.unless {
            Some(text) => self.condition(written, steps!["unless"], text, &mut context.compiler, Scope::Exposure),
            None => context.compiler.exposure("exposure.kev").ok(),
        };
        if written.mistakes.is_empty()
            && document.due.is_none()
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
        let hold_at = document.hold_at.as_ref().map(|text| self.range(written, steps!["hold_at"], text, &schemes));
        let window =
            document.window.as_ref().and_then(|window| self.window(written, steps!["window"], window, context));
        let (condition, unless) = (condition?, unless?);
        Some(Exception {
            name: document.exception.as_str().into(),
            software,
            condition,
            due: document.due,
            hold_at,
            window,
            restart: document.restart,
            until: document.until,
            unless,
            why: document.why.as_ref().map(SmolStr::new),
            origin: written.origin(steps![], self.files),
        })
    }
}
