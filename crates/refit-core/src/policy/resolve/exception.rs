//! Blocks and exceptions.

use super::{Context, Resolver, Scope, terms::schemes};
use crate::policy::{
    diagnostic::Diagnostic,
    load::Written,
    repository::{Block, Exception, Repository},
};
use crate::steps;
use refit_model::TitleId;
use smol_str::SmolStr;
use std::collections::BTreeSet;

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
