//! Titles and their branches.

use super::{Resolver, Titles};
use crate::policy::{
    diagnostic::Diagnostic,
    document::title::TitleDocument,
    load::{Documents, Written},
    repository::{Branch, Repository, Title},
};
use crate::steps;
use refit_model::{BranchName, TitleId, VersionRange};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

impl Resolver<'_> {
    pub(super) fn titles(&mut self, documents: &Documents, catalog: &Titles) -> Titles {
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

    pub(super) fn title(&mut self, written: &Written<TitleDocument>) -> Title {
        let document = &written.document;
        for (index, name) in document.vendor_packages.iter().enumerate() {
            let (package, place) = (TitleId::new(name), written.place(steps!["vendor_packages", index]));
            if package.package().is_some() {
                self.known_title(&package, &Repository::default(), place);
            } else {
                self.report(
                    Diagnostic::error("policy/unknown-title", "no package")
                        .at(place)
                        .label(format!("`{name}` does not say of which package manager"))
                        .with_help(format!("write `deb/{name}` or `rpm/{name}`")),
                );
            }
        }
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
}
