//! Targets whose configuration is files: what should be in a folder, what is found there, and what has to be done.
//!
//! Whoever does IO hands in the texts that it read and what was remembered of the last run, and gets steps back. What Refit wrote is known by
//! its name and by its [`Memory`]: a file that has the name and is not remembered is never taken away.

mod memory;
mod plan;
mod shared;

pub use memory::{FORMAT, Memory, Wrote};
pub use plan::{BrokenOff, ByHand, FolderPlan, ForeignValue, Hand, Rules, Step, Texts, plan};
pub use shared::Shared;

use crate::{
    object::{Fields, Identity, Object},
    target::{Desired, Target},
    targets,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// How the files of a target are found and read again.
pub trait Files: Sync {
    /// The object that a file is, by its path in the folder; `None` where it is none of Refit's.
    fn identity(&self, path: &str) -> Option<Identity>;

    /// The fields of a file, by the kind of its object: what [`Target::document`] wrote, read back.
    fn fields(&self, kind: &str, text: &str) -> Result<Fields, NoFields>;

    /// Below which folders its files are; empty where that is the whole folder.
    fn below(&self) -> &'static [&'static str] {
        &[]
    }

    /// An object as it stands in the root of one machine; `None` where it has no place there.
    fn in_root(&self, _object: &Object) -> Option<Placed> {
        None
    }

    /// Whether the folder is somebody else's, and has to be there before anything is written.
    fn is_of_others(&self) -> bool {
        false
    }

    /// What has to be done by hand after files have changed.
    fn afterwards(&self) -> Option<&'static str> {
        None
    }
}

/// An object in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The object, called by its place.
    pub object: Object,
    /// How it is written where others write into the same file.
    pub shared: Option<Shared>,
}

/// Why a text is no file of Refit's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoFields(pub String);

/// The fields of a file of JSON.
pub(crate) fn json(text: &str) -> Result<Fields, NoFields> {
    serde_json::from_str(text).map_err(|error| NoFields(format!("it is no JSON object: {error}")))
}

/// The fields of a property list.
pub(crate) fn plist(text: &str) -> Result<Fields, NoFields> {
    match targets::plist::read(text) {
        Ok(Value::Object(fields)) => Ok(fields.into_iter().collect()),
        Ok(_) => Err(NoFields("it is no dictionary".to_owned())),
        Err(error) => Err(NoFields(format!("it is no property list: {error}"))),
    }
}

/// Why objects can't be laid into a folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayError {
    /// The system's configuration is no files.
    #[error("its configuration is no files: nothing can be written to a folder")]
    NoFiles,
    /// An object has no place in a machine's root.
    #[error("{0} has no place in the root of a machine: write it into a folder, without `root: true`")]
    NoPlace(Identity),
    /// Two objects would be one file.
    #[error(
        "{path} would be written for two groups of machines ({one}; {other}): a root is one machine's. Let `where` of the target choose \
         machines of one group, or write folders for all groups, without `root: true`"
    )]
    Twice {
        /// The file.
        path: String,
        /// One group, in words.
        one: String,
        /// The other.
        other: String,
    },
}

/// What should be in a folder, by path. `root` is the root of one machine.
pub fn laid(target: &dyn Target, desired: &Desired, root: bool) -> Result<BTreeMap<String, Placed>, LayError> {
    let files = target.files().ok_or(LayError::NoFiles)?;
    let mut laid: BTreeMap<String, Placed> = BTreeMap::new();
    for object in desired.objects.values() {
        let (path, placed) = match root {
            false => (target.document(object).path, Placed { object: object.clone(), shared: None }),
            true => {
                let placed = files.in_root(object).ok_or_else(|| LayError::NoPlace(object.id.clone()))?;
                (placed.object.id.name.trim_start_matches('/').to_owned(), placed)
            }
        };
        if let Some(known) = laid.get(&path) {
            let (one, other) = (known.object.about.clone(), placed.object.about);
            return Err(LayError::Twice { path, one, other });
        }
        laid.insert(path, placed);
    }
    Ok(laid)
}
