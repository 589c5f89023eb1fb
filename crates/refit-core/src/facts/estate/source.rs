//! One source: its last good state, and whether a new reading is believed.

use super::{Kept, Unfit};
use crate::facts::FieldRef;
use crate::facts::mapping::{Record, Unlisted, document::Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How much smaller a reading may be than the last where a source has no `shrink_limit`, as a share.
pub const SHRINK_LIMIT: f64 = 0.1;
/// So few records may be missing in any case, as long as not all are: in a small company two leavers are a tenth.
const FEW: usize = 3;

/// One source, as it was last read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its records, by their id and kind.
    #[serde(with = "as_list")]
    pub records: BTreeMap<(SmolStr, SmolStr), Kept>,
    /// When it was last read and believed; what it says without a time of its own is of this time.
    pub read: Option<Timestamp>,
    /// When kinds of records were last asked for that have not been asked for since, as their lists want to rest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rested: BTreeMap<SmolStr, Timestamp>,
    /// The fields of which it keeps an answer alone, since what they are read from is sensitive, and what that is kept for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub purposes: BTreeMap<FieldRef, SmolStr>,
    /// What holds of whom its lists do not name, by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unlisted: BTreeMap<FieldRef, Unlisted>,
    /// What of its records did not fit when they were last read, by list; `""` is a file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unfit: BTreeMap<SmolStr, Unfit>,
    /// How many of its records could not be read at all when none was missing of which that may be the reason.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unread: usize,
    /// Why it is not believed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Alarm>,
}

/// What a reading takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Records that the source does not have any more, in none of its kinds.
    pub gone: BTreeSet<(Subject, SmolStr)>,
}

/// Why a source keeps its last good state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "alarm")]
pub enum Alarm {
    /// It can't be read.
    Failed {
        /// Since when.
        since: Timestamp,
        /// When it was last tried.
        last: Timestamp,
        /// Why.
        why: String,
    },
    /// It suddenly has far fewer records.
    Shrunk {
        /// Since when.
        since: Timestamp,
        /// When it was last tried.
        last: Timestamp,
        /// The kind of records.
        records: SmolStr,
        /// How many there were.
        before: usize,
        /// How many of these are missing.
        missing: usize,
        /// How many records it gives that were set aside as a whole.
        #[serde(default, skip_serializing_if = "is_none")]
        unread: usize,
    },
}

impl Alarm {
    /// Since when.
    pub fn since(&self) -> Timestamp {
        match self {
            Alarm::Failed { since, .. } | Alarm::Shrunk { since, .. } => *since,
        }
    }
}

impl Source {
    /// Takes in a reading, unless it is not to be believed: then everything stays as it was. `unread` is how many of its records were set aside
    /// as a whole.
    #[allow(clippy::too_many_arguments, reason = "all of it is one reading")]
    pub fn take(
        &mut self,
        records: Vec<Record>,
        whole: &BTreeSet<SmolStr>,
        partial: &BTreeSet<SmolStr>,
        resting: &BTreeSet<SmolStr>,
        at: Timestamp,
        unread: usize,
        shrink_limit: Option<f64>,
    ) -> Result<Taken, Alarm> {
        let now: BTreeSet<(&SmolStr, &SmolStr)> = records.iter().map(|record| (&record.id, &record.records)).collect();
        let missing = |(id, kind): &(SmolStr, SmolStr)| whole.contains(kind) && !now.contains(&(id, kind));
        let mut missing: Vec<(SmolStr, SmolStr)> = self.records.keys().filter(|key| missing(key)).cloned().collect();
        if let Some(limit) = shrink_limit {
            // Who is on call, or away, changes from one hour to the next: such a list is as long as it is.
            let lasting = |kind: &&SmolStr| !self.unlisted.values().any(|unlisted| unlisted.records == **kind);
            for kind in whole.iter().filter(lasting) {
                let before = self.records.keys().filter(|(_, known)| known == kind).count();
                let lost = missing.iter().filter(|(_, known)| known == kind).count();
                let all = lost == before && lost > 0;
                if all || (lost > FEW && lost as f64 > before as f64 * limit) {
                    let since = self.alarm.as_ref().map_or(at, Alarm::since);
                    let alarm = Alarm::Shrunk { since, last: at, records: kind.clone(), before, missing: lost, unread };
                    self.alarm = Some(alarm.clone());
                    return Err(alarm);
                }
            }
        }
        // A line that can't be read any more is no word that something is gone. Where more is missing than such lines, something is.
        let newly = unread.saturating_sub(self.unread);
        if shrink_limit.is_some() && !missing.is_empty() && missing.len() <= newly {
            missing.clear();
        } else if !whole.is_empty() && resting.is_empty() {
            self.unread = unread;
        }
        let mut gone = BTreeSet::new();
        for key in missing {
            gone.extend(self.records.remove(&key).map(|kept| (kept.of, kept.id)));
        }
        let mut told: BTreeSet<(SmolStr, SmolStr)> = BTreeSet::new();
        for record in records {
            let key = (record.id.clone(), record.records.clone());
            let kept = Kept::from(record);
            let again = !told.insert(key.clone());
            match self.records.get_mut(&key) {
                Some(known) if partial.contains(&known.records) => known.amend(kept),
                Some(known) if again => known.add(kept),
                _ => {
                    self.records.insert(key, kept);
                }
            }
        }
        // A system may have several kinds of records of one device; it is gone with the last of them.
        if !gone.is_empty() {
            let there: BTreeSet<(Subject, &SmolStr)> = self.records.values().map(|kept| (kept.of, &kept.id)).collect();
            gone.retain(|(of, id)| !there.contains(&(*of, id)));
        }
        self.rested.retain(|kind, _| resting.contains(kind));
        if let Some(before) = self.read {
            for kind in resting {
                self.rested.entry(kind.clone()).or_insert(before);
            }
        }
        self.read = Some(self.read.map_or(at, |read| read.max(at)));
        self.alarm = None;
        Ok(Taken { gone })
    }

    /// When it last said what it says of a kind of records.
    pub fn said(&self, kind: &SmolStr) -> Option<Timestamp> {
        self.rested.get(kind).copied().or(self.read)
    }

    /// Notes what of a list did not fit that was read as a whole, or in what has changed of it.
    pub fn note_unfit(&mut self, list: &SmolStr, unfit: Unfit, whole: bool) {
        if whole {
            self.unfit.remove(list);
        }
        if !unfit.is_empty() {
            self.unfit.entry(list.clone()).or_default().add(unfit);
        }
    }

    /// How much of its records was set aside, and how many values no map covers.
    pub fn unfit_counts(&self) -> (usize, usize) {
        let counts = self.unfit.values().map(|unfit| (unfit.set_aside, unfit.uncovered.len()));
        counts.fold((0, 0), |all, (set_aside, uncovered)| (all.0 + set_aside, all.1 + uncovered))
    }

    /// Notes that it can't be read.
    pub fn fail(&mut self, at: Timestamp, why: String) {
        let since = self.alarm.as_ref().map_or(at, Alarm::since);
        self.alarm = Some(Alarm::Failed { since, last: at, why });
    }

    /// All that is kept of a record, in each kind that the source has of it.
    pub fn of<'s>(&'s self, of: Subject, id: &'s SmolStr) -> impl Iterator<Item = &'s Kept> {
        let from = self.records.range((id.clone(), SmolStr::default())..);
        from.take_while(move |((known, _), _)| known == id).map(|(_, kept)| kept).filter(move |kept| kept.of == of)
    }

    /// How many records of each kind it has.
    pub fn counts(&self) -> BTreeMap<&SmolStr, usize> {
        let mut counts = BTreeMap::new();
        for (_, kind) in self.records.keys() {
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Alarm::Failed { why, .. } => write!(f, "it can't be read: {why}"),
            Alarm::Shrunk { records, before, missing, unread, .. } => {
                write!(f, "{missing} of {before} {records} are missing, which is too many at once to be believed")?;
                match unread {
                    0 if missing == before => write!(f, ": it can be read, and has none any more"),
                    0 => Ok(()),
                    1 => write!(f, "; 1 record that it has could not be read"),
                    _ => write!(f, "; {unread} records that it has could not be read"),
                }
            }
        }
    }
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// Records as a list: their keys are in them.
mod as_list {
    use super::Kept;
    use serde::{Deserialize, Deserializer, Serializer};
    use smol_str::SmolStr;
    use std::collections::BTreeMap;

    type Records = BTreeMap<(SmolStr, SmolStr), Kept>;

    pub fn serialize<S: Serializer>(records: &Records, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(records.values())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Records, D::Error> {
        let records = Vec::<Kept>::deserialize(deserializer)?;
        Ok(records.into_iter().map(|kept| ((kept.id.clone(), kept.records.clone()), kept)).collect())
    }
}
