//! Ranges of releases, as documents write them.

use refit_model::{Scheme, Version, VersionRange};
use smol_str::SmolStr;

/// A range as it is written, read in every scheme in which it makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeText {
    /// The text.
    pub text: SmolStr,
    /// The same for packages, where the text is one of upstream versions.
    packages: Option<SmolStr>,
    ranges: Vec<VersionRange>,
}

impl RangeText {
    /// Reads a range in every scheme in which it makes sense; it may be none.
    pub fn new(text: &str) -> RangeText {
        let ranges = Scheme::ALL.into_iter().filter_map(|scheme| VersionRange::parse(scheme, text).ok()).collect();
        RangeText { text: text.into(), packages: None, ranges }
    }

    /// The same, of a title that packages carry: `=130.0.6723.58` holds the package's `130.0.6723.58-1` as well, whose last part only
    /// says how often the package was built.
    pub fn upstream(text: &str) -> RangeText {
        let packages = for_packages(text);
        let read = |scheme| VersionRange::parse(scheme, if is_packaged(scheme) { &packages } else { text }).ok();
        let ranges = Scheme::ALL.into_iter().filter_map(read).collect();
        RangeText { text: text.into(), packages: Some(packages.into()), ranges }
    }

    /// The text in a scheme.
    pub fn text_in(&self, scheme: Scheme) -> &SmolStr {
        self.packages.as_ref().filter(|_| is_packaged(scheme)).unwrap_or(&self.text)
    }

    /// Whether it holds a version; false where it makes no sense in the version's scheme.
    pub fn contains(&self, version: &Version) -> bool {
        self.ranges.iter().any(|range| range.contains(version) == Some(true))
    }

    /// Whether it makes sense in a scheme.
    pub fn reads_as(&self, scheme: Scheme) -> bool {
        self.ranges.iter().any(|range| range.scheme() == scheme)
    }
}

/// A range of upstream versions as one of packages; `None` where it makes no sense there.
pub(super) fn of_packages(scheme: Scheme, range: &VersionRange) -> Option<VersionRange> {
    VersionRange::parse(scheme, &for_packages(&range.to_string())).ok()
}

/// Whether versions of a scheme are those of packages, with a revision.
pub(super) fn is_packaged(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::Dpkg | Scheme::Rpm)
}

/// A range of upstream versions as one of packages: behind every version with a revision, and before the next version, which has
/// one part more at the least.
fn for_packages(text: &str) -> String {
    let parts = text.split(',').map(str::trim).map(|part| {
        let bound = part.trim_start_matches(['<', '>', '=']).trim();
        let sign = &part[..part.len() - part.trim_start_matches(['<', '>', '=']).len()];
        match sign {
            _ if bound.contains('-') => part.to_owned(),
            "=" => format!(">={bound}, <{bound}.0"),
            "<=" => format!("<{bound}.0"),
            ">" => format!(">={bound}.0"),
            _ => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_versions_is_one_of_packages() {
        let range = |text: &str| VersionRange::parse(Scheme::Chrome, text).unwrap();
        let holds = |text: &str, version: &str| {
            let version = Version::parse(Scheme::Dpkg, version).unwrap();
            of_packages(Scheme::Dpkg, &range(text)).unwrap().contains(&version) == Some(true)
        };
        assert!(holds(">=130.0.0.0, <131.0.6778.86", "131.0.6778.85-1") && !holds("<131.0.6778.86", "131.0.6778.86-1"));
        assert!(holds("<=131.0.6778.86", "131.0.6778.86-1") && !holds("<=131.0.6778.86", "131.0.6778.87-1"));
        let everything = VersionRange::between(Scheme::Chrome, None, None);
        let nothing_runs = Version::parse(Scheme::Dpkg, "0~~").unwrap();
        assert_eq!(of_packages(Scheme::Dpkg, &everything).unwrap().contains(&nothing_runs), Some(true));
    }

    #[test]
    fn a_range_of_a_title_holds_its_packages_whatever_their_revision() {
        let holds = |range: &str, scheme, version: &str| {
            RangeText::upstream(range).contains(&Version::parse(scheme, version).unwrap())
        };
        for (scheme, version) in [(Scheme::Dpkg, "130.0.6723.58-1"), (Scheme::Rpm, "130.0.6723.58-1")] {
            for range in ["=130.0.6723.58", "<=130.0.6723.58", ">=130, <131", ">=130.0.6723.58", "<130.0.6723.59"] {
                assert!(holds(range, scheme, version), "{range} {scheme:?}");
            }
            for range in [">130.0.6723.58", "=130.0.6723.5", "<130.0.6723.58", "<=130.0.6723.57", "=130.0.6723.59"] {
                assert!(!holds(range, scheme, version), "{range} {scheme:?}");
            }
        }
        assert!(holds("=130.0.6723.58", Scheme::Chrome, "130.0.6723.58"));
        // What names a revision means it.
        assert!(!holds("=130.0.6723.58-2", Scheme::Dpkg, "130.0.6723.58-1"));
        // A range that is written for packages is read as before.
        assert!(!RangeText::new("=1.2").contains(&Version::parse(Scheme::Dpkg, "1.2-1").unwrap()));
    }
}
