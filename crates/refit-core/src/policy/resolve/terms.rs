//! What documents of several kinds have in common: titles, releases, windows, conditions.

use super::{Context, Resolver, Scope, package};
use crate::policy::{
    diagnostic::{Diagnostic, Place, did_you_mean},
    document::{
        self,
        policy::{WindowUse, WindowUseDocument},
        scalars::Expression,
    },
    expr::{Compiler, Expr, ExprError},
    load::Written,
    ranges::is_packaged,
    repository::{RangeText, Repository, Selector, UsedWindow, WantedBranch, WantedRelease},
    syntax::Step,
};
use crate::steps;
use refit_model::{BranchName, Scheme, TitleId, VersionRange};
use smol_str::SmolStr;
use std::{collections::BTreeSet, sync::Arc};

impl Resolver<'_> {
    pub(super) fn software<T>(
        &mut self,
        written: &Written<T>,
        lines: &[String],
        repository: &Repository,
    ) -> Vec<Selector> {
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
                Selector::Packages { namespace, prefix } => {
                    if let Some(mistake) = package::start_mistake(namespace, prefix) {
                        self.no_package(mistake, place);
                        continue;
                    }
                }
                _ => {}
            }
            selectors.push(selector);
        }
        selectors
    }

    pub(super) fn known_title(&mut self, title: &TitleId, repository: &Repository, place: Place) -> bool {
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
            if let Some(mistake) = package::mistake(namespace, name) {
                self.no_package(mistake, place);
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

    pub(super) fn unknown_namespace(&mut self, namespace: &str, place: Place) {
        self.report(
            Diagnostic::error("policy/unknown-title", "unknown title")
                .at(place)
                .label(format!("no packages are named `{namespace}/…`"))
                .with_help(match namespace {
                    "snapshot" => {
                        "a snapshot is halted (`refit halt`); a policy names the packages that move in it: `deb/NAME`"
                    }
                    _ => "write `deb/NAME` or `rpm/NAME`",
                }),
        );
    }

    /// What can be the name of no package.
    fn no_package(&mut self, (label, help): (String, String), place: Place) {
        self.report(
            Diagnostic::error("policy/unknown-title", "no name of a package").at(place).label(label).with_help(help),
        );
    }

    pub(super) fn rollout<T>(
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

    pub(super) fn window<T>(
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

    pub(super) fn branch(&mut self, text: &str) -> WantedBranch {
        match text {
            "installed" => WantedBranch::Installed,
            _ => latest(text).map_or_else(|| WantedBranch::Named(BranchName::new(text)), WantedBranch::Latest),
        }
    }

    pub(super) fn release<T>(
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
    pub(super) fn range<T>(
        &mut self,
        written: &Written<T>,
        path: &[Step<'_>],
        text: &str,
        schemes: &BTreeSet<Scheme>,
    ) -> RangeText {
        // Where a title is named, its packages have its versions, each with a revision.
        let (packaged, upstream): (Vec<Scheme>, Vec<Scheme>) = schemes.iter().partition(|scheme| is_packaged(**scheme));
        let range = if upstream.is_empty() { RangeText::new(text) } else { RangeText::upstream(text) };
        for scheme in if upstream.is_empty() { &packaged } else { &upstream } {
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

    pub(super) fn condition<T>(
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

/// How many titles are shown that have the name of one that is not known as a part.
const NEAR_SHOWN: usize = 4;

/// Namespaces of distribution packages.
const NAMESPACES: [&str; 2] = ["deb", "rpm"];

/// `latest` is 0, `latest-1` is 1.
pub(super) fn latest(text: &str) -> Option<usize> {
    match text.strip_prefix("latest")? {
        "" => Some(0),
        back => back.strip_prefix('-')?.parse().ok().filter(|back| (1..=100).contains(back)),
    }
}

pub(super) fn schemes(software: &[Selector], repository: &Repository) -> BTreeSet<Scheme> {
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

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::mistakes;

    #[test]
    fn who_blocks_a_snapshot_is_told_what_to_do_instead() {
        let block = "block: bad\ntitle: snapshot/linux\nreleases: '=2026-11-23'\nwhy: it breaks\n";
        let said = mistakes(&format!("organization: acme\n---\n{block}"));
        assert!(said.contains("no packages are named `snapshot/…`"), "{said}");
        assert!(said.contains("a snapshot is halted (`refit halt`)"), "{said}");
    }
}
