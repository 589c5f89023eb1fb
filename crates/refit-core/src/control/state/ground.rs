//! What events are read against: the catalog, and the contents that they name.
//!
//! Some contents have many megabytes. Whoever must not be kept for as long as reading them takes has them read beforehand
//! ([`Prepared`]); that gives the same as reading them when the event is taken, as a replay does.

use super::ApplyError;
use crate::{
    control::entry::AdvisoryEntry,
    policy::{
        diagnostic::Files,
        load::load,
        repository::Repository,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// Content by its SHA-256 in hexadecimal: policy files, lists of advisories.
pub trait Contents {
    /// The bytes; `None` where they are not there.
    fn content(&self, sha256: &str) -> Option<Arc<[u8]>>;

    /// What was read of it beforehand.
    fn prepared(&self, sha256: &str) -> Option<&Prepared> {
        let _ = sha256;
        None
    }
}

impl Contents for BTreeMap<SmolStr, Arc<[u8]>> {
    fn content(&self, sha256: &str) -> Option<Arc<[u8]>> {
        self.get(sha256).cloned()
    }
}

/// A content that was read before the event that names it is taken. It says nothing but what the bytes say.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// What decisions read of policy files.
    Repository(Arc<Repository>),
    /// A list of advisories.
    Advisories(Arc<Vec<AdvisoryEntry>>),
}

impl Prepared {
    /// Reads policy files; `None` where they are none.
    pub fn repository(bytes: &[u8], catalog: &Titles) -> Option<Prepared> {
        read_repository(bytes, catalog).map(Prepared::Repository)
    }

    /// Reads a list of advisories, a JSON array; `None` where it is none.
    pub fn advisories(bytes: &[u8]) -> Option<Prepared> {
        read_advisories(bytes).map(Prepared::Advisories)
    }
}

/// What events are read against.
#[derive(Clone, Copy)]
pub struct Ground<'g> {
    /// The catalog's titles.
    pub catalog: &'g Titles,
    /// Content that events name.
    pub contents: &'g dyn Contents,
}

impl Ground<'_> {
    /// What decisions read of the policy files that a content holds.
    pub(super) fn repository(&self, content: &str) -> Result<Arc<Repository>, ApplyError> {
        if let Some(Prepared::Repository(repository)) = self.contents.prepared(content) {
            return Ok(repository.clone());
        }
        let read = self.contents.content(content).and_then(|bytes| read_repository(&bytes, self.catalog));
        read.ok_or_else(|| ApplyError::Content(content.to_owned()))
    }

    /// The advisories that a content lists.
    pub(super) fn advisories(&self, content: &str) -> Result<Arc<Vec<AdvisoryEntry>>, ApplyError> {
        if let Some(Prepared::Advisories(advisories)) = self.contents.prepared(content) {
            return Ok(advisories.clone());
        }
        let read = self.contents.content(content).and_then(|bytes| read_advisories(&bytes));
        read.ok_or_else(|| ApplyError::Content(content.to_owned()))
    }
}

fn read_repository(bytes: &[u8], catalog: &Titles) -> Option<Arc<Repository>> {
    let files: PolicyFiles = serde_json::from_slice(bytes).ok()?;
    let files = files.files();
    let (documents, _) = load(&files, &Limits::default());
    let (repository, _) = resolve(&documents, &files, catalog);
    Some(Arc::new(repository))
}

fn read_advisories(bytes: &[u8]) -> Option<Arc<Vec<AdvisoryEntry>>> {
    serde_json::from_slice(bytes).ok().map(Arc::new)
}

/// The files of a policy repository as content: path and text, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFiles(pub BTreeMap<String, String>);

impl PolicyFiles {
    /// As [`Files`], for the loader.
    pub fn files(&self) -> Files {
        let mut files = Files::default();
        let limits = Limits::default();
        for (path, text) in &self.0 {
            // What is too large or no text was refused when the plan was made.
            let _ = files.add(path.clone(), text.as_bytes(), &limits);
        }
        files
    }
}
