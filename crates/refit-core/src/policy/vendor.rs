//! Packages that only their vendor builds: who names a title means them, and what is known of the title is so of them.
//!
//! A distribution's package is not the vendor's: its versions and its fixes are the distribution's own.

use super::{
    document::policy::Presence,
    ranges::of_packages,
    repository::{Policy, Repository, Selector},
};
use refit_model::{Advisory, TitleId};
use std::collections::BTreeSet;

impl Repository {
    /// The packages that are always the vendor's own build of a title, whatever device has them: who names the title means them.
    pub fn vendor_packages(&self, title: &TitleId) -> Vec<TitleId> {
        let known = self.titles.get(title).into_iter();
        known.flat_map(|known| &known.document.vendor_packages).map(TitleId::new).collect()
    }

    /// The titles of which a package is the vendor's own build.
    pub fn vendor_titles<'r>(&'r self, package: &'r TitleId) -> impl Iterator<Item = &'r TitleId> {
        let builds = move |name: &String| name.as_str() == package.as_str();
        let titles = self.titles.iter().filter(|_| package.package().is_some());
        titles.filter(move |(_, known)| known.document.vendor_packages.iter().any(builds)).map(|(title, _)| title)
    }

    /// The selectors with the packages that those of titles mean too.
    pub(super) fn with_vendor_packages(&self, mut selectors: Vec<Selector>) -> Vec<Selector> {
        for index in 0..selectors.len() {
            let Selector::Title(title) = &selectors[index] else { continue };
            for package in self.vendor_packages(title) {
                let package = Selector::Title(package);
                if !selectors.contains(&package) {
                    selectors.push(package);
                }
            }
        }
        selectors
    }

    /// The advisories, and those of titles once more for the packages that only the vendor builds. What is known of such a package itself
    /// under the same id stands.
    pub fn with_vendor_advisories(&self, mut advisories: Vec<Advisory>) -> Vec<Advisory> {
        let mut more = Vec::new();
        for advisory in &advisories {
            for package in self.vendor_packages(&advisory.title) {
                let scheme = self.scheme(&package);
                let affected = advisory.affected.iter().map(|range| of_packages(scheme, range));
                let Some(affected) = affected.collect::<Option<Vec<_>>>() else { continue };
                let upstream = Some(advisory.title.clone());
                more.push(Advisory { title: package, upstream, affected, ..advisory.clone() });
            }
        }
        if !more.is_empty() {
            let known: BTreeSet<_> = advisories.iter().map(|known| (known.title.clone(), known.id.clone())).collect();
            more.retain(|advisory| !known.contains(&(advisory.title.clone(), advisory.id.clone())));
            advisories.extend(more);
        }
        advisories
    }

    /// Whether a policy, which requires what it names, requires this title on a device with that package manager (`deb`, `rpm`) that
    /// has what `has` says. A title that is a package there is required as the package, and a package only where it can be.
    pub fn requires(
        &self,
        policy: &Policy,
        title: &TitleId,
        manager: Option<&str>,
        has: impl Fn(&TitleId) -> bool,
    ) -> bool {
        if policy.presence != Presence::Required {
            return false;
        }
        let package_here = |title: &TitleId| {
            let packages = self.vendor_packages(title);
            packages.into_iter().find(|package| package.package().map(|(space, _)| space) == manager)
        };
        if !policy.meant.contains(title) {
            return manager.is_none() || package_here(title).is_none();
        }
        let mut named = policy.software.iter().filter_map(|selector| match selector {
            Selector::Title(named) if !policy.meant.contains(named) && !has(named) => Some(named),
            _ => None,
        });
        manager.is_some() && named.any(|named| package_here(named).as_ref() == Some(title))
    }
}
