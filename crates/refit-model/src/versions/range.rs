//! Ranges of versions, as policies and advisories write them: `<3.0.21`, `>=128, <130`, `=1.2`.

use super::{Scheme, Version, VersionError};
use serde::{Serialize, Serializer};
use std::{cmp::Ordering, fmt};

/// A set of versions: those for which every comparison holds. Without a comparison it holds every version.
///
/// `=` means the scheme's equality, so `=3.0` holds `3.0.0` where those are equal. Bounds are single versions: `<=1.2` does
/// not hold `1.2.1`, and where a scheme has revisions, `<=1.2` does not hold `1.2-1`.
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
    /// Nothing stands before, after or between commas.
    #[error("a comparison is missing{0}: a range is written as `>=1.2, <2`, and `>=0` holds every version")]
    Empty(String),
    /// A comparison does not start with one of `<`, `<=`, `=`, `>=`, `>`.
    #[error("`{0}` is no comparison: write `<`, `<=`, `=`, `>=` or `>` before a version")]
    NoComparator(String),
    /// A comparison starts with a sign that other languages have: the part, and what to write instead.
    #[error("`{0}` is no comparison here: {1}")]
    OtherSign(String, &'static str),
    /// What follows the sign is no version of the scheme.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl VersionRange {
    /// Reads comparisons that are separated by commas. `>=0` holds every version of every scheme.
    pub fn parse(scheme: Scheme, text: &str) -> Result<VersionRange, RangeError> {
        let mut comparisons = Vec::new();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() {
                let place = if text.trim().is_empty() { String::new() } else { format!(" in `{}`", text.trim()) };
                return Err(RangeError::Empty(place));
            }
            if let Some(instead) = other_sign(part) {
                return Err(RangeError::OtherSign(part.to_owned(), instead));
            }
            let Some((comparator, bound)) = Comparator::ALL
                .into_iter()
                .find_map(|comparator| Some((comparator, part.strip_prefix(comparator.sign())?.trim())))
            else {
                return Err(RangeError::NoComparator(part.to_owned()));
            };
            if comparator == Comparator::GreaterOrEqual && bound == "0" {
                continue;
            }
            comparisons.push((comparator, Version::parse(scheme, bound)?));
        }
        Ok(VersionRange { scheme, comparisons })
    }

    /// From `introduced` (inclusive; `None` and `0` are from the first) up to `fixed` (exclusive; `None` is without end).
    pub fn between(scheme: Scheme, introduced: Option<Version>, fixed: Option<Version>) -> VersionRange {
        let introduced = introduced.filter(|version| version.as_str() != "0");
        let mut comparisons = Vec::new();
        comparisons.extend(introduced.map(|version| (Comparator::GreaterOrEqual, version)));
        comparisons.extend(fixed.map(|version| (Comparator::Less, version)));
        VersionRange { scheme, comparisons }
    }

    /// Whether it holds `version`; `None` where the version has no order with the range's.
    pub fn contains(&self, version: &Version) -> Option<bool> {
        if version.scheme() != self.scheme {
            return None;
        }
        let mut holds = true;
        for (comparator, bound) in &self.comparisons {
            holds &= comparator.holds(version.compare(bound)?);
        }
        Some(holds)
    }

    /// The scheme of its versions.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl Comparator {
    /// Longer signs before those that they start with.
    const ALL: [Comparator; 5] =
        [Comparator::LessOrEqual, Comparator::GreaterOrEqual, Comparator::Less, Comparator::Greater, Comparator::Equal];

    fn sign(self) -> &'static str {
        match self {
            Comparator::Less => "<",
            Comparator::LessOrEqual => "<=",
            Comparator::Equal => "=",
            Comparator::GreaterOrEqual => ">=",
            Comparator::Greater => ">",
        }
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparator::Less => order.is_lt(),
            Comparator::LessOrEqual => order.is_le(),
            Comparator::Equal => order.is_eq(),
            Comparator::GreaterOrEqual => order.is_ge(),
            Comparator::Greater => order.is_gt(),
        }
    }
}

/// What to write instead, where `part` starts with a sign of another language of ranges.
fn other_sign(part: &str) -> Option<&'static str> {
    let signs = [
        ("==", "write `=`"),
        ("=<", "write `<=`"),
        ("=>", "write `>=`"),
        ("<>", "there is no `not`; write two ranges"),
        ("!=", "there is no `not`; write two ranges"),
        ("<<", "write `<`"),
        (">>", "write `>`"),
        ("^", "write both bounds, such as `>=1.2, <2`"),
        ("~", "write both bounds, such as `>=1.2, <1.3`"),
    ];
    signs.into_iter().find(|(sign, _)| part.starts_with(sign)).map(|(_, instead)| instead)
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.comparisons.is_empty() {
            return f.write_str(">=0");
        }
        for (i, (comparator, version)) in self.comparisons.iter().enumerate() {
            write!(f, "{}{}{version}", if i == 0 { "" } else { ", " }, comparator.sign())?;
        }
        Ok(())
    }
}

impl Serialize for VersionRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
