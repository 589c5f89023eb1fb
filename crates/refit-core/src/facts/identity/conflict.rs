//! Joins that were not made, and what a person can do about each.

use super::{Contradiction, Node, RecordId, node::Lives};
use crate::facts::mapping::{KeyKind, document::Subject};
use serde::Serialize;
use smol_str::SmolStr;

/// Records that have keys in common and can't be one. They are held apart until a person has settled it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Conflict {
    /// Of what.
    pub of: Subject,
    /// The keys that they have in common, sorted.
    pub keys: Vec<(KeyKind, SmolStr)>,
    /// What each of them is called, and its records.
    pub parties: Vec<Party>,
    /// Why they can't be one.
    pub because: Contradiction,
    /// What it looks like.
    pub suggestion: Suggestion,
}

/// One of those that are held apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Party {
    /// What it is called.
    pub entity: SmolStr,
    /// Its records that have the keys.
    pub records: Vec<RecordId>,
}

/// What a conflict looks like, and how it is settled for good.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Suggestion {
    /// Whether they look like one.
    pub same: bool,
    /// What it looks like, in words.
    pub looks_like: &'static str,
    /// The line of an `identities:` document that says so.
    pub settle: String,
}

/// What a conflict looks like. `parties` are the records of each of those that are held apart.
pub(super) fn suggest(of: Subject, because: &Contradiction, parties: &[Vec<&Node>]) -> Suggestion {
    let (same, looks_like) = match (of, because) {
        (_, Contradiction::Crowd { .. }) => (false, "a word that many have in place of a number"),
        (_, Contradiction::Settled { .. }) => {
            (false, "records of which nobody has said to which of the two they belong")
        }
        (Subject::Device, Contradiction::Values { kind, .. }) => match (kind, one_after_the_other(parties)) {
            (KeyKind::Serial | KeyKind::HardwareUuid, true) => (true, "a mainboard that was changed"),
            (KeyKind::Serial, false) => (false, "devices that were cloned from one image"),
            _ => (false, "a serial number that two devices have"),
        },
        (Subject::Device, Contradiction::Platforms { .. }) => {
            (false, "two systems on one machine, each of which is patched by itself")
        }
        (Subject::Device, _) => (false, "devices that were cloned from one image"),
        (Subject::Person, Contradiction::Values { .. }) => match called_the_same(parties) {
            true => (true, "a person with a new number, such as a contractor who became an employee"),
            false => (false, "an address that somebody else has now"),
        },
        (Subject::Person, Contradiction::HandedOn { .. }) => match called_the_same(parties) {
            true => (true, "a person who has an account again, such as in the system that took over from another"),
            false => (false, "an address that somebody else has now"),
        },
        (Subject::Person, _) => match called_the_same(parties) {
            true => (true, "a second account of one person"),
            false => (false, "an address that several people use"),
        },
    };
    let named: Vec<String> = parties
        .iter()
        .filter_map(|party| party.iter().map(|node| &node.record).min())
        .map(|record| format!("\"id:{record}\""))
        .collect();
    let list = if same { "same" } else { "different" };
    Suggestion { same, looks_like, settle: format!("{list}: [[{}]]", named.join(", ")) }
}

/// Whether the signs of life of one end before those of the other begin.
fn one_after_the_other(parties: &[Vec<&Node>]) -> bool {
    let mut found = false;
    for (at, one) in parties.iter().enumerate() {
        for other in parties.iter().skip(at + 1) {
            for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (a, b))) {
                match a.lives_with(b) {
                    Lives::Together => return false,
                    Lives::Apart => found = true,
                    Lives::Unknown => {}
                }
            }
        }
    }
    found
}

fn called_the_same(parties: &[Vec<&Node>]) -> bool {
    let Some((first, rest)) = parties.split_first() else { return false };
    rest.iter().all(|party| party.iter().any(|node| first.iter().any(|one| one.same_name(&node.keys))))
}

/// In words, with what to write to settle it.
impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(|(kind, value)| format!("{} {value}", kind.words())).collect();
        writeln!(f, "{}: {}", keys.join(", "), self.because)?;
        for party in &self.parties {
            let records: Vec<String> = party.records.iter().map(RecordId::to_string).collect();
            writeln!(f, "  {}: {}", party.entity, records.join(", "))?;
        }
        writeln!(f, "  looks like {}", self.suggestion.looks_like)?;
        writeln!(f, "  to settle it: {}", self.suggestion.settle)
    }
}
