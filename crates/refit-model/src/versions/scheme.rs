//! The registry of version schemes.

use super::{apple, chrome, dpkg, generic, key::Key, rpm, semver, windows};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

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

    /// The bytes that order `text` among the versions of this scheme, or why it is none of them.
    pub(super) fn key(self, text: &str) -> Result<Key, SmolStr> {
        match self {
            Scheme::Dpkg => dpkg::key(text),
            Scheme::Rpm => rpm::key(text),
            Scheme::Semver => semver::key(text),
            Scheme::Apple => apple::key(text),
            Scheme::Windows => windows::key(text),
            Scheme::Chrome => chrome::key(text),
            Scheme::Generic => generic::key(text),
        }
    }

    /// Whether two keys of this scheme have an order that means something.
    pub(super) fn orders(self, a: &[u8], b: &[u8]) -> bool {
        match self {
            Scheme::Apple => apple::same_kind(a, b),
            _ => true,
        }
    }
}
