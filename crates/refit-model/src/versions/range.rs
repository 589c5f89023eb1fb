//! Ranges of versions, as policies and advisories write them: `<3.0.21`, `>=128, <130`, `=1.2`.

use super::{Scheme, Version, VersionError};
use serde::{Serialize, Serializer};
use std::fmt;

/// A set of versions: those for which every comparison holds. Without a comparison it holds every version.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionRange {
    scheme: Scheme,
    comparisons: Vec<(Comparator, Version)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// Why a text is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// A comparison does not start with one of `<`, `<=`, `=`, `>=`, `>`.
    #[error("`{0}` is no comparison: write `<`, `<=`, `=`, `>=` or `>` before a version")]
    NoComparator(String),
    /// What follows the sign is no version of the scheme.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl VersionRange {
    /// Reads comparisons that are separated by commas. `>=0` holds every version of every scheme.
    pub fn parse(scheme: Scheme, text: &str) -> Result<VersionRange, RangeError> {
        let mut comparisons = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (comparator, rest) = if let Some(rest) = part.strip_prefix("<=") {
                (Comparator::LessOrEqual, rest)
            } else if let Some(rest) = part.strip_prefix(">=") {
                (Comparator::GreaterOrEqual, rest)
            } else if let Some(rest) = part.strip_prefix('<') {
                (Comparator::Less, rest)
            } else if let Some(rest) = part.strip_prefix('>') {
                (Comparator::Greater, rest)
            } else if let Some(rest) = part.strip_prefix('=') {
                (Comparator::Equal, rest)
            } else {
                return Err(RangeError::NoComparator(part.to_owned()));
            };
            let rest = rest.trim();
            if comparator == Comparator::GreaterOrEqual && rest == "0" {
                continue;
            }
            comparisons.push((comparator, Version::parse(scheme, rest)?));
        }
        Ok(VersionRange { scheme, comparisons })
    }

    /// From `introduced` (inclusive; `None` is from the first) up to `fixed` (exclusive; `None` is without end).
    pub fn between(scheme: Scheme, introduced: Option<Version>, fixed: Option<Version>) -> VersionRange {
        let mut comparisons = Vec::new();
        comparisons.extend(introduced.map(|version| (Comparator::GreaterOrEqual, version)));
        comparisons.extend(fixed.map(|version| (Comparator::Less, version)));
        VersionRange { scheme, comparisons }
    }

    /// Whether it holds `version`; `None` where the two are of different schemes.
    pub fn contains(&self, version: &Version) -> Option<bool> {
        if version.scheme() != self.scheme {
            return None;
        }
        Some(self.comparisons.iter().all(|(comparator, bound)| match comparator {
            Comparator::Less => version < bound,
            Comparator::LessOrEqual => version <= bound,
            Comparator::Equal => version == bound,
            Comparator::GreaterOrEqual => version >= bound,
            Comparator::Greater => version > bound,
        }))
    }

    /// The scheme of its versions.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.comparisons.is_empty() {
            return f.write_str(">=0");
        }
        for (i, (comparator, version)) in self.comparisons.iter().enumerate() {
            let sign = match comparator {
                Comparator::Less => "<",
                Comparator::LessOrEqual => "<=",
                Comparator::Equal => "=",
                Comparator::GreaterOrEqual => ">=",
                Comparator::Greater => ">",
            };
            write!(f, "{}{sign}{version}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Serialize for VersionRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
