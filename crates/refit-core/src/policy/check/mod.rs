//! What can be said of a policy repository as a whole, once every document by itself is in order.
//!
//! One check, one file; each looks at the [`Subject`] and adds what it finds. A check copies its neighbour and adds one line
//! to [`CHECKS`]. An *error* is something that can't be carried out as it is written, or that keeps a promise from being kept
//! (two policies that contradict each other, a deadline before the release may be installed); a *warning* is probably not what
//! was meant; a *note* is worth knowing.

mod blocks;
mod branches;
mod conditions;
mod conflicts;
mod deadlines;
mod exceptions;
mod freezes;
mod gates;
mod mandate;
mod measures;
mod meetings;
mod modes;
mod pace;
mod platforms;
mod ranges;
mod right;
mod rings;
mod shadows;
mod sources;
mod subject;
mod terms;
mod unused;
mod values;
mod windows;

#[cfg(test)]
pub(super) mod trial;

pub use gates::{GateNeeds, MeasureNeeds, RingSize, gate_needs};
pub use platforms::RingCounts;

use super::{
    diagnostic::{Diagnostic, Files, Severity, sort},
    load::Documents,
    repository::Repository,
};
use crate::facts::FieldRef;
use jiff::Timestamp;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use subject::Subject;

/// What is known of the fleet; everything may be left out, and then less can be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckWorld {
    /// How many devices there are; `None` where nobody has said. Zero is taken as unknown.
    pub devices: Option<u64>,
    /// How many devices are in a ring, by rollout and ring, where somebody has counted.
    pub rings: BTreeMap<(SmolStr, SmolStr), u64>,
    /// How many devices are in each ring, by rollout, policy and platform, where somebody has counted ([`CheckWorld::count`]).
    pub platforms: RingCounts,
    /// Values that sources have given for fields whose values are texts, so that a text that no fact has is found.
    pub values: BTreeMap<FieldRef, BTreeSet<SmolStr>>,
}

/// Looks over a repository that [`load`](super::load::load) has read and [`resolve`](super::resolve::resolve) has resolved,
/// and returns what those could not see, in the order of the files.
///
/// `files` and `documents` are those that `repository` was made of. `now` decides what has run out. Time grows linearly with
/// the number of documents, and with the number of pairs of policies that one device could meet.
pub fn check(
    documents: &Documents,
    files: &Files,
    repository: &Repository,
    world: &CheckWorld,
    now: Timestamp,
) -> Vec<Diagnostic> {
    let subject = Subject::new(documents, files, repository, world, now);
    let mut found = Vec::new();
    for (check, _) in CHECKS {
        check(&subject, &mut found);
    }
    sort(&mut found, files);
    found
}

/// As [`check`], where `before` has mistakes: looks over what has none, and leaves out what depends on the rest.
///
/// Documents with errors are left out, and policies that extend them; what speaks of rollouts, gates, windows and defaults where
/// refit.yaml has one; and what is only right if nothing is missing, such as that nothing names a rollout.
pub fn check_what_is_right(
    documents: &Documents,
    files: &Files,
    repository: &Repository,
    world: &CheckWorld,
    now: Timestamp,
    before: &[Diagnostic],
) -> Vec<Diagnostic> {
    if !documents.broken_file && before.iter().all(|found| found.severity != Severity::Error) {
        return check(documents, files, repository, world, now);
    }
    let right = right::Right::of(documents, repository, before);
    let subject = Subject::new(&right.documents, files, &right.repository, world, now);
    let mut found = Vec::new();
    for (check, _) in CHECKS.iter().filter(|(_, needs)| right.has(*needs)) {
        check(&subject, &mut found);
    }
    sort(&mut found, files);
    found
}

/// A check: adds what it finds.
type Check = fn(&Subject<'_>, &mut Vec<Diagnostic>);

/// What has to be without mistakes for a check to be right about the rest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Only what it speaks of.
    Itself,
    /// Titles and sources.
    Titles,
    /// refit.yaml, titles and sources.
    Organization,
    /// Everything: it speaks of what is nowhere.
    All,
}

/// All checks.
const CHECKS: &[(Check, Needs)] = &[
    (blocks::check, Needs::Itself),
    (branches::check, Needs::Titles),
    (conditions::check, Needs::Itself),
    (conflicts::check, Needs::Itself),
    (deadlines::check, Needs::Itself),
    (exceptions::check, Needs::Itself),
    (freezes::check, Needs::Itself),
    (gates::check, Needs::Itself),
    (mandate::check, Needs::Organization),
    (modes::check, Needs::Organization),
    (pace::check, Needs::Itself),
    (platforms::check, Needs::Itself),
    (ranges::check, Needs::Titles),
    (rings::check, Needs::Itself),
    (shadows::check, Needs::Itself),
    (sources::check, Needs::Organization),
    (unused::check, Needs::All),
    (values::check, Needs::Titles),
    (windows::check, Needs::Organization),
];
