//! Conditions and names in documents whose meaning belongs to other parts of Refit.

use super::{Resolver, Scope, Titles};
use crate::policy::{
    expr::Compiler,
    load::Documents,
    repository::{Repository, TargetSystem},
};
use crate::{calendar::Window, steps};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

impl Resolver<'_> {
    /// Conditions and names in documents whose meaning belongs to other parts of Refit. Returns the systems that configuration is
    /// written to.
    pub(super) fn outside(
        &mut self,
        documents: &Documents,
        compiler: &mut Compiler<'_>,
        windows: &BTreeMap<SmolStr, Window>,
        titles: &Titles,
    ) -> Vec<TargetSystem> {
        let repository = Repository { titles: Arc::clone(titles), ..Repository::default() };
        let mut targets = Vec::new();
        for target in &documents.targets {
            let document = &target.document;
            let text = document.condition.as_ref();
            let condition =
                text.and_then(|text| self.condition(target, steps!["where"], text, compiler, Scope::Device));
            // Of a condition that can't be read nobody knows whom it means.
            if text.is_some() && condition.is_none() {
                continue;
            }
            targets.push(TargetSystem {
                name: document.target.as_str().into(),
                kind: document.kind.as_str().into(),
                owner: document.owner.as_deref().map(SmolStr::from),
                condition,
                drift: document.drift,
                settings: document.settings.clone(),
                origin: target.origin(steps!["target"], self.files),
            });
        }
        targets.sort_by(|a, b| a.name.cmp(&b.name));
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
        targets
    }
}
