//! Versions: one file per scheme, registered in [`Scheme`].
//!
//! A version is parsed once, in the scheme of its title, and from then on only compared. A text that is no version of its
//! scheme is an error value, never an arbitrary order; two versions of different schemes have no order.

mod range;

pub use range::{RangeError, VersionRange};

use serde::{Deserialize, Serialize, Serializer};
use smol_str::SmolStr;
use std::{cmp::Ordering, fmt};

/// How the versions of a title are written and ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Debian and Ubuntu packages: `1:2.3~rc1-4+deb12u1`.
    Dpkg,
    /// RPM's epoch, version and release: `1:2.3~rc1-4.el9`.
    Rpm,
    /// Semantic Versioning 2.0.0.
    Semver,
    /// Apple's products: `14.2.1 (a)`, builds `23C71`.
    Apple,
    /// Windows builds: `10.0.26100.2314`.
    Windows,
    /// Chrome and its kin: four numbers.
    Chrome,
    /// Everything else: numbers and words.
    Generic,
}

impl Scheme {
    /// All schemes, in the order in which help texts list them.
    pub const ALL: [Scheme; 7] =
        [Scheme::Dpkg, Scheme::Rpm, Scheme::Semver, Scheme::Apple, Scheme::Windows, Scheme::Chrome, Scheme::Generic];

    /// The name under which people write it: `dpkg`.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Dpkg => "dpkg",
            Scheme::Rpm => "rpm",
            Scheme::Semver => "semver",
            Scheme::Apple => "apple",
            Scheme::Windows => "windows",
            Scheme::Chrome => "chrome",
            Scheme::Generic => "generic",
        }
    }

    /// The scheme of that name.
    pub fn from_name(name: &str) -> Option<Scheme> {
        Scheme::ALL.into_iter().find(|scheme| scheme.name() == name)
    }
}

/// A version in its scheme.
///
/// Equality and order are those of the scheme: `1.0` and `1.0-0` are one version to dpkg. The order between schemes is that
/// of [`Scheme`] and means nothing; it only makes sorted containers possible. To ask, use [`Version::compare`].
#[derive(Clone)]
pub struct Version {
    scheme: Scheme,
    text: SmolStr,
}

/// Why a text is no version of a scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {} version: {why}", scheme.name())]
pub struct VersionError {
    /// The scheme that was asked for.
    pub scheme: Scheme,
    /// The text as given.
    pub text: SmolStr,
    /// What is wrong with it.
    pub why: SmolStr,
}

impl Version {
    /// Reads `text` as a version of `scheme`.
    pub fn parse(scheme: Scheme, text: &str) -> Result<Version, VersionError> {
        if text.is_empty() || !text.contains(|c: char| c.is_ascii_digit()) {
            return Err(VersionError { scheme, text: text.into(), why: "it has no number".into() });
        }
        Ok(Version { scheme, text: text.into() })
    }

    /// The scheme that it is written in.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The order within one scheme; `None` between schemes.
    pub fn compare(&self, other: &Version) -> Option<Ordering> {
        (self.scheme == other.scheme).then(|| self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let parts = |v: &Version| -> Vec<u64> {
            v.text.split(|c: char| !c.is_ascii_digit()).filter_map(|p| p.parse().ok()).collect()
        };
        self.scheme.cmp(&other.scheme).then_with(|| parts(self).cmp(&parts(other)))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme.name(), self.text)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
