//! What is remembered of a folder: what Refit wrote there, and what it was about to do when it last began.

use super::{BrokenOff, Shared};
use crate::object::{Fields, Identity};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Raised when what is remembered changes its meaning.
pub const FORMAT: u32 = 1;

/// What is remembered of a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// [`FORMAT`] of whoever wrote it.
    pub format: u32,
    /// What Refit wrote and has not taken away, by path.
    #[serde(default)]
    pub written: BTreeMap<String, Wrote>,
    /// What was to be done by a run that has not come to its end: what a file should be, `None` where it should be gone. What of it was done
    /// is seen in the folder, since each file is written whole or not at all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub begun: BTreeMap<String, Option<Wrote>>,
}

/// What Refit wrote into a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrote {
    /// The object.
    pub id: Identity,
    /// Its fields.
    pub fields: Fields,
    /// The policies that asked for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub policies: BTreeSet<SmolStr>,
    /// How it was written where others write into the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Shared>,
    /// In a file that others write into as well, what stood there for these fields before: it comes back when Refit goes.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub displaced: Fields,
    /// Whether a file that others write into as well was not there before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { format: FORMAT, written: BTreeMap::new(), begun: BTreeMap::new() }
    }
}

impl Wrote {
    /// Whether it stands as it was written in a file with these fields.
    pub fn stands_in(&self, fields: &Fields) -> bool {
        match self.shared {
            Some(_) => self.fields.iter().all(|(name, value)| fields.get(name) == Some(value)),
            None => self.fields == *fields,
        }
    }
}

impl Memory {
    /// All paths that are spoken of.
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.written.keys().chain(self.begun.keys())
    }

    /// What a path was last meant to be.
    pub fn meant(&self, path: &str) -> Option<&Wrote> {
        self.begun.get(path).and_then(Option::as_ref).or_else(|| self.written.get(path))
    }

    /// Takes what a run that was broken off had done for written. `is` gives the fields of a file; `None` where it is not there.
    pub(super) fn settle<'f>(&mut self, is: impl Fn(&str) -> Option<&'f Fields>) -> Option<BrokenOff> {
        if self.begun.is_empty() {
            return None;
        }
        let mut told = BrokenOff { done: 0, of: self.begun.len() };
        for (path, after) in std::mem::take(&mut self.begun) {
            let there = is(&path);
            match after {
                Some(after) if there.is_some_and(|fields| after.stands_in(fields)) => {
                    self.written.insert(path, after);
                }
                None if there.is_none_or(|fields| self.is_gone_from(&path, fields)) => drop(self.written.remove(&path)),
                _ => continue,
            }
            told.done += 1;
        }
        Some(told)
    }

    /// Whether what Refit wrote into a file that others write into as well is gone from it.
    fn is_gone_from(&self, path: &str, fields: &Fields) -> bool {
        self.written.get(path).is_some_and(|wrote| wrote.shared.is_some() && !wrote.stands_in(fields))
    }
}
