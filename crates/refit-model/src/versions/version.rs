//! A version, and why a text is none.

use super::Scheme;
use serde::{Serialize, Serializer};
use smol_str::{SmolStr, format_smolstr};
use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The longest text in bytes that is read as a version. The longest real ones have about a hundred.
const LENGTH_MAX: usize = 512;

/// How much of a refused text an error repeats, in characters.
const SHOWN_MAX: usize = 80;

/// A version in its scheme.
///
/// Equality and order are those of the scheme: `1.0` and `1.0-0` are one version to dpkg. The order between schemes is that
/// of [`Scheme`] and means nothing, no more than that of Apple's product versions before builds; it only makes sorted
/// containers possible. To ask, use [`Version::compare`].
#[derive(Clone)]
pub struct Version {
    scheme: Scheme,
    text: SmolStr,
    /// Orders it within its scheme.
    key: Arc<[u8]>,
}

/// Why a text is no version of a scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {} {} version: {why}", shown(text), article(*scheme), scheme.name())]
pub struct VersionError {
    /// The scheme that was asked for.
    pub scheme: Scheme,
    /// The text as given; cut where it is longer than any version.
    pub text: SmolStr,
    /// What is wrong with it.
    pub why: SmolStr,
}

impl Version {
    /// Reads `text` as a version of `scheme`.
    ///
    /// Blanks around it are ignored where the scheme's own tool ignores them (dpkg), and refused elsewhere.
    pub fn parse(scheme: Scheme, text: &str) -> Result<Version, VersionError> {
        let refused = |why: SmolStr| VersionError { scheme, text: cut(text), why };
        let text = if scheme == Scheme::Dpkg { text.trim_matches([' ', '\t']) } else { text };
        if text.is_empty() {
            return Err(refused("it is empty".into()));
        }
        if text.len() > LENGTH_MAX {
            return Err(refused(format_smolstr!("it is longer than {LENGTH_MAX} bytes")));
        }
        let key = scheme.key(text).map_err(refused)?;
        Ok(Version { scheme, text: text.into(), key: key.into_bytes().into() })
    }

    /// The scheme that it is written in.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands for an install of a package that is not in order: a little older than the version that it says, and newer than what
    /// was published before that. It does not run, so that what that version closes stays open, and finishing it is a way on; nothing older is.
    /// `None` in schemes that know no such version.
    pub fn unfinished(&self) -> Option<Version> {
        // After a tilde dpkg has a dot behind every letter and number, and rpm a number behind every letter.
        let suffix = match self.scheme {
            Scheme::Dpkg => "~..",
            Scheme::Rpm => "~99999999999999999999",
            _ => return None,
        };
        Version::parse(self.scheme, &format!("{}{suffix}", self.text)).ok()
    }

    /// A package's version without its epoch; `None` where it has none.
    pub fn without_epoch(&self) -> Option<Version> {
        let (_, rest) = self.text.split_once(':').filter(|_| matches!(self.scheme, Scheme::Dpkg | Scheme::Rpm))?;
        Version::parse(self.scheme, rest).ok()
    }

    /// The order within one scheme; `None` between schemes, and between a product version and a build of Apple's.
    pub fn compare(&self, other: &Version) -> Option<Ordering> {
        (self.scheme == other.scheme && self.scheme.orders(&self.key, &other.key)).then(|| self.key.cmp(&other.key))
    }
}

/// How two texts compare as versions of `scheme`.
///
/// An error names the first of them that is no version. Where both are versions but have no order between them, which only
/// Apple's builds and product versions are, it names the second.
pub fn compare_text(scheme: Scheme, a: &str, b: &str) -> Result<Ordering, VersionError> {
    let (a, b) = (Version::parse(scheme, a)?, Version::parse(scheme, b)?);
    a.compare(&b).ok_or_else(|| VersionError {
        scheme,
        text: cut(b.as_str()),
        why: format_smolstr!("it has no order with `{a}`: one is a build, the other a product version"),
    })
}

/// The sign for how two versions compare: `<`, `=`, `>`, or `?` where they have no order.
pub fn sign(order: Option<Ordering>) -> char {
    match order {
        Some(Ordering::Less) => '<',
        Some(Ordering::Equal) => '=',
        Some(Ordering::Greater) => '>',
        None => '?',
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.scheme.cmp(&other.scheme).then_with(|| self.key.cmp(&other.key))
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

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.scheme, &self.key).hash(state);
    }
}

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

fn article(scheme: Scheme) -> &'static str {
    if matches!(scheme, Scheme::Apple | Scheme::Rpm) { "an" } else { "a" }
}

/// `text`, or as much of it as an error should hold on to.
fn cut(text: &str) -> SmolStr {
    if text.len() <= LENGTH_MAX { text.into() } else { text.chars().take(SHOWN_MAX).chain(['…']).collect() }
}

/// `text` without anything that a terminal would obey.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (i, c) in text.chars().enumerate() {
        if i > SHOWN_MAX {
            shown.push('…');
            break;
        }
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}
