//! Affected ranges in the versions of a binary package.
//!
//! Feeds give fixed versions of source packages. Where the binary has its source's version, with or without the mark of a
//! rebuild (`+b1`), the range holds for both. Where it does not (`gcc` 4:12.2.0-3 is built from `gcc-defaults` 1.203), the
//! range is carried over by the builds that are known, the installed one and those which are offered: each is judged by
//! its source's version, and the range runs from affected to unaffected ones. Beyond the newest known build nothing is
//! claimed to be affected; after an upgrade, matching asks again with what is then installed.

use crate::feeds::{
    installed::{Build, InstalledPackage, Lineage},
    statement::{Bounds, End},
};
use refit_model::{Scheme, Version, VersionRange};
use std::cmp::Ordering;

/// How ranges of the source become ranges of one binary package.
pub(super) struct Ranges {
    scheme: Scheme,
    prefix: Option<&'static str>,
    /// Whether every known build has exactly its source's version.
    same: bool,
    /// Known builds as (binary, source), ascending by the binary's version.
    builds: Vec<(Version, Version)>,
}

impl Ranges {
    /// For a package and how its versions relate to its source's.
    pub fn of(package: &InstalledPackage, lineage: Lineage, scheme: Scheme) -> Ranges {
        let parse = |text: &str| Version::parse(scheme, text).ok();
        let all = || std::iter::once(&package.build).chain(&package.offered);
        let source = |build: &Build| match scheme {
            Scheme::Rpm => parse(&build.version),
            _ => lineage.source_version(build).and_then(parse),
        };
        let mut builds: Vec<_> = all().filter_map(|build| Some((parse(&build.version)?, source(build)?))).collect();
        builds.sort();
        builds.dedup();
        let same = builds.iter().all(|(binary, of)| binary.as_str() == of.as_str());
        let prefix = match lineage {
            Lineage::Signed { prefix, .. } => Some(prefix),
            Lineage::Own if scheme == Scheme::Rpm => Some(""),
            Lineage::Own if all().all(shares_version) => Some(""),
            Lineage::Own => None,
        };
        Ranges { scheme, prefix, same, builds }
    }

    /// The ranges of the binary that `bounds` of the source mean; `installed` is the affected binary version.
    pub fn carry(&self, bounds: &[Bounds<&str>], installed: &Version) -> Vec<VersionRange> {
        let source = direct(bounds, self.scheme, "");
        if self.prefix == Some("") && self.same {
            return source;
        }
        if bounds.iter().any(|bounds| bounds.introduced.is_none() && bounds.end == End::Never) {
            return source;
        }
        let holds = |ranges: &[VersionRange], version: &Version| {
            ranges.iter().any(|range| range.contains(version) == Some(true))
        };
        if let Some(prefix) = self.prefix {
            let ranges = direct(bounds, self.scheme, prefix);
            // A rebuild's mark may sort on the other side of a fix: then only the builds themselves tell.
            if self.builds.iter().all(|(binary, of)| holds(&ranges, binary) == holds(&source, of)) {
                return ranges;
            }
        }
        let mut carried = Vec::new();
        let mut run: Option<(Option<&Version>, &Version)> = None;
        let mut unaffected_below = false;
        for (binary, of) in &self.builds {
            if holds(&source, of) {
                let first = unaffected_below.then_some(binary);
                run = Some((run.map_or(first, |(first, _)| first), binary));
            } else {
                unaffected_below = true;
                if let Some((first, _)) = run.take() {
                    carried.extend(range(self.scheme, first, "<", binary));
                }
            }
        }
        if let Some((first, last)) = run {
            carried.extend(range(self.scheme, first, "<=", last));
        }
        if !holds(&carried, installed) {
            carried.extend(range(self.scheme, Some(installed), "<=", installed));
        }
        carried
    }
}

/// Bounds as ranges of the same versions, with `prefix` before each.
pub(super) fn direct(bounds: &[Bounds<&str>], scheme: Scheme, prefix: &str) -> Vec<VersionRange> {
    let text = |bounds: &Bounds<&str>| {
        let from = bounds.introduced.map(|version| format!(">={prefix}{version}"));
        let to = match &bounds.end {
            End::Fixed(version) => Some(format!("<{prefix}{version}")),
            End::Last(version) => Some(format!("<={prefix}{version}")),
            End::Never => None,
        };
        match (from, to) {
            (Some(from), Some(to)) => format!("{from}, {to}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => ">=0".to_owned(),
        }
    };
    bounds.iter().filter_map(|bounds| VersionRange::parse(scheme, &text(bounds)).ok()).collect()
}

fn range(scheme: Scheme, from: Option<&Version>, sign: &str, to: &Version) -> Option<VersionRange> {
    let text = match from {
        Some(from) if from.cmp(to) == Ordering::Equal => format!("={to}"),
        Some(from) => format!(">={from}, {sign}{to}"),
        None => format!("{sign}{to}"),
    };
    VersionRange::parse(scheme, &text).ok()
}

/// Whether the binary's version is its source's, or that of a rebuild of it for some architectures.
fn shares_version(build: &Build) -> bool {
    let rest = build.version.strip_prefix(build.source_version.as_str());
    rest.is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix("+b").is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(installed: (&str, &str), offered: &[(&str, &str)], fixed: &str) -> String {
        let mut package = InstalledPackage::new("gcc", installed.0, "amd64").built_from("gcc-defaults", installed.1);
        let build =
            |(version, source): &(&str, &str)| Build { version: (*version).into(), source_version: (*source).into() };
        package.offered = offered.iter().map(build).collect();
        let ranges = Ranges::of(&package, Lineage::Own, Scheme::Dpkg);
        let installed = Version::parse(Scheme::Dpkg, installed.0).unwrap();
        let bounds = Bounds { introduced: None, end: End::Fixed(fixed) };
        ranges.carry(&[bounds], &installed).iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_binary_with_its_sources_version_has_its_sources_range() {
        assert_eq!(carried(("1.0-1", "1.0-1"), &[("1.0-2", "1.0-2")], "1.0-2"), "<1.0-2");
        assert_eq!(carried(("1.0-1+b3", "1.0-1"), &[], "1.0-1+deb12u1"), "<1.0-1+deb12u1");
    }

    #[test]
    fn a_rebuild_that_sorts_after_the_fix_is_still_affected() {
        assert_eq!(carried(("1.0-1+b1", "1.0-1"), &[("1.0-1+a1", "1.0-1+a1")], "1.0-1+a1"), "=1.0-1+b1");
    }

    #[test]
    fn a_binary_with_versions_of_its_own_is_judged_by_known_builds() {
        assert_eq!(carried(("4:12.2.0-3", "1.203"), &[("4:12.2.0-4", "1.204")], "1.204"), "<4:12.2.0-4");
        // The offered build does not have the fix yet.
        assert_eq!(carried(("4:12.2.0-3", "1.203"), &[("4:12.2.0-4", "1.204")], "1.205"), "<=4:12.2.0-4");
        assert_eq!(carried(("4:12.2.0-3", "1.203"), &[], "1.204"), "<=4:12.2.0-3");
    }

    #[test]
    fn a_signed_bootloader_has_its_range_behind_its_prefix() {
        let package = InstalledPackage::new("grub-efi-amd64-signed", "1+2.06-13", "amd64")
            .built_from("grub-efi-amd64-signed", "1+2.06+13");
        let lineage = Lineage::of(&package.source);
        let ranges = Ranges::of(&package, lineage, Scheme::Dpkg);
        let bounds = Bounds { introduced: None, end: End::Fixed("2.06-13+deb12u1") };
        let installed = Version::parse(Scheme::Dpkg, "1+2.06-13").unwrap();
        assert_eq!(ranges.carry(&[bounds], &installed)[0].to_string(), "<1+2.06-13+deb12u1");
    }
}
