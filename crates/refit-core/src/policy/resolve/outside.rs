//! Conditions and names in documents whose meaning belongs to other parts of Refit.

use super::{Resolver, Scope, Titles};
use crate::policy::{expr::Compiler, load::Documents, repository::Repository};
use crate::{calendar::Window, steps};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

impl Resolver<'_> {
    /// Conditions and names in documents whose meaning belongs to other parts of Refit.
    pub(super) fn outside(
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
}
