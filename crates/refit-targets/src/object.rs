//! What is written to other systems.

use crate::intent::Intent;
use refit_core::policy::repository::{Origin, Policy};
use refit_model::TitleId;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The marker in the identity of everything that Refit owns in another system. Nothing without it is ever changed or taken away.
pub const MARKER: &str = "refit";

/// The fields of an object, in the other system's own schema. What is nested keeps its own keys.
pub type Fields = BTreeMap<String, Value>;

/// What an object is called in the other system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// What sort of object it is there.
    pub kind: SmolStr,
    /// Its name there.
    pub name: String,
}

/// One object of another system.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Object {
    /// What it is called there.
    pub id: Identity,
    /// What it does, in a line for people.
    pub about: String,
    /// Its fields.
    pub fields: Fields,
    /// The policies that it comes from.
    pub from: BTreeSet<Source>,
    /// What the policies say and it does not.
    pub losses: BTreeSet<Loss>,
    /// The titles that it moves on its devices.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub moves: BTreeSet<TitleId>,
    /// The devices that it is for, by their numbers.
    #[serde(serialize_with = "counted")]
    pub devices: RoaringBitmap,
}

/// A policy, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Source {
    /// Its name.
    pub policy: SmolStr,
    /// Where it is written.
    pub origin: Origin,
}

/// What a policy says and a system can't do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Loss {
    /// What is said.
    pub intent: Intent,
    /// As it is written: `defer: 3 × 8h`.
    pub said: String,
    /// What becomes of it.
    pub becomes: SmolStr,
}

impl Identity {
    /// An object that Refit owns, by the end of its name.
    pub fn new(kind: &str, name: String) -> Identity {
        Identity { kind: kind.into(), name }
    }

    /// Whether Refit made it: the marker is a part of its name, between dots, slashes, hyphens or digits.
    pub fn is_owned(&self) -> bool {
        let mut parts = self.name.split(|c: char| !c.is_ascii_alphabetic());
        parts.any(|part| part == MARKER)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl Object {
    /// An object of which only identity and purpose are known yet.
    pub fn new(id: Identity, about: String) -> Object {
        Object {
            id,
            about,
            fields: Fields::new(),
            from: BTreeSet::new(),
            losses: BTreeSet::new(),
            moves: BTreeSet::new(),
            devices: RoaringBitmap::new(),
        }
    }

    /// With a field.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Object {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// The names of the policies that it comes from.
    pub fn policies(&self) -> BTreeSet<SmolStr> {
        self.from.iter().map(|source| source.policy.clone()).collect()
    }

    /// How many bytes it has, as JSON without blanks.
    pub fn bytes(&self) -> u64 {
        serde_json::to_vec(&self.fields).map_or(0, |bytes| bytes.len() as u64)
    }
}

impl From<&Policy> for Source {
    fn from(policy: &Policy) -> Source {
        Source { policy: policy.name.clone(), origin: policy.origin.clone() }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.policy, self.origin.file, self.origin.line)
    }
}

fn counted<S: serde::Serializer>(devices: &RoaringBitmap, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(devices.len())
}

/// A word that any system takes in a name: small letters, digits and hyphens, of `most` letters at the most.
pub fn word(text: &str, most: usize) -> String {
    let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let word: String = letters.take(most).collect();
    word.trim_matches('-').to_owned()
}

/// A short name of several texts together: they differ where one of the texts does.
pub fn fingerprint<'t>(texts: impl IntoIterator<Item = &'t str>, digits: usize) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hex.chars().take(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refit_owns_is_told_by_its_name() {
        for name in ["refit.enforce.macos", "/etc/apt/apt.conf.d/52refit-updates", "com.acme.refit.chrome"] {
            assert!(Identity::new("x", name.to_owned()).is_owned(), "{name}");
        }
        for name in ["benefits.refitting", "prefit", "/etc/apt/apt.conf.d/50unattended-upgrades", ""] {
            assert!(!Identity::new("x", name.to_owned()).is_owned(), "{name}");
        }
    }

    #[test]
    fn a_word_is_short_and_plain() {
        assert_eq!(word("Remote control — Support", 14), "remote-control");
        assert_eq!(word("", 8), "");
    }

    #[test]
    fn a_fingerprint_keeps_texts_apart() {
        assert_ne!(fingerprint(["ab", "c"], 8), fingerprint(["a", "bc"], 8));
        assert_eq!(fingerprint(["a"], 8).len(), 8);
    }
}
