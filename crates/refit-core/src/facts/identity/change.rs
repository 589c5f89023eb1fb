//! What has changed of who is who.

use super::RecordId;
use crate::facts::mapping::document::Subject;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;

/// A change of who is who. All of them together, in their order, are the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// Records that were not known are a device or a person that was not known.
    Known {
        /// Of what.
        of: Subject,
        /// What it is called from now on.
        entity: SmolStr,
        /// The records.
        records: Vec<RecordId>,
    },
    /// Records that were not known are of one that was.
    Joined {
        /// Of what.
        of: Subject,
        /// It.
        entity: SmolStr,
        /// The records.
        records: Vec<RecordId>,
    },
    /// Two are one. The older id stays; the other leads to it.
    Merged {
        /// Of what.
        of: Subject,
        /// The one that is no more.
        from: SmolStr,
        /// The one that it is now.
        into: SmolStr,
        /// The records that it had.
        records: Vec<RecordId>,
    },
    /// Records of one are of another that was known.
    Moved {
        /// Of what.
        of: Subject,
        /// The one that had them.
        from: SmolStr,
        /// The one that has them.
        into: SmolStr,
        /// The records.
        records: Vec<RecordId>,
    },
    /// One is two. What had been merged has its former id back.
    Split {
        /// Of what.
        of: Subject,
        /// The one that had the records.
        from: SmolStr,
        /// The one that is by itself from now on.
        into: SmolStr,
        /// The records that it has.
        records: Vec<RecordId>,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, records: &[RecordId]| -> fmt::Result {
            for (index, record) in records.iter().enumerate() {
                write!(f, "{}{record}", if index == 0 { "" } else { ", " })?;
            }
            Ok(())
        };
        match self {
            Change::Known { entity, records, .. } => {
                write!(f, "{entity} is new: ")?;
                list(f, records)
            }
            Change::Joined { entity, records, .. } => {
                write!(f, "{entity} has more records: ")?;
                list(f, records)
            }
            Change::Merged { from, into, records, .. } => {
                write!(f, "{from} is {into}: ")?;
                list(f, records)
            }
            Change::Moved { from, into, records, .. } => {
                write!(f, "{from} gave records to {into}: ")?;
                list(f, records)
            }
            Change::Split { from, into, records, .. } => {
                write!(f, "{from} is two, and {into} is by itself: ")?;
                list(f, records)
            }
        }
    }
}
