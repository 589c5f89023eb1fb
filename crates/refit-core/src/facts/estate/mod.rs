//! What all sources say, and what it adds up to: devices and people, each field with who says it.
//!
//! [`Estate::take`] takes in a reading of a source. A reading that has far fewer records than the last is not believed, and a
//! source that can't be read keeps its last good state; either raises an [`Alarm`], and nothing that was known is lost. What is
//! said in the end only grows old: a field is unknown once its source's `stale_after` is over.
//!
//! [`Estate::device`] and [`Estate::person`] give what is known of one, with what every source says and which one is believed.

mod assigned;
mod chain;
mod derived;
mod installed;
mod kept;
mod profile;
mod source;
#[cfg(test)]
mod tests;
mod told;
mod tree;
mod unfit;

pub use assigned::Assigned;
pub use chain::{Chain, ChainEnd};
pub use derived::{FOLLOWS, REFIT};
pub use kept::Kept;
pub use profile::{FieldSaid, Of, Profile, RecordSaid, Rules, SaidBy, Standing};
pub use source::{Alarm, SHRINK_LIMIT, Source, Taken};
pub use told::{Entity, Told};
pub use tree::Departments;
pub use unfit::{Aside, UncoveredValue, Unfit};

use super::identity::{Change, RecordId, Registry, Settled, Sighting};
use super::mapping::{KeyKind, Record, document::Subject};
use jiff::Timestamp;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// All sources, and who is who in them.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// Who is who.
    pub registry: Registry,
    /// What each source says, by its name.
    pub sources: BTreeMap<SmolStr, Source>,
}

/// A reading of a source.
#[derive(Clone, Debug)]
pub struct Incoming<'r> {
    /// The source.
    pub source: &'r str,
    /// What it says.
    pub records: Vec<Record>,
    /// The kinds of records that were read as a whole: what is not among them is gone. Of others only what has changed was read.
    pub whole: BTreeSet<SmolStr>,
    /// The kinds of which records say only what has changed of them: what they do not speak of is as before.
    pub partial: BTreeSet<SmolStr>,
    /// The kinds of records that were not asked for: what is said of them grows old.
    pub resting: BTreeSet<SmolStr>,
    /// When it was read.
    pub at: Timestamp,
    /// How many records were set aside as a whole: nobody knows of which things, so that as many as are new among them may be missing and still be there.
    pub unread: usize,
    /// How much smaller it may be than the last, as a share; `None` believes it whatever is missing.
    pub shrink_limit: Option<f64>,
}

impl Estate {
    /// What was known before, with what people have settled by now.
    pub fn restore(nodes: Vec<super::identity::Node>, sources: BTreeMap<SmolStr, Source>, settled: Settled) -> Estate {
        Estate { registry: Registry::restore(nodes, settled), sources }
    }

    /// Takes in a reading, and gives what changes of who is who. `mint` is as in [`Registry::observe`].
    pub fn take(
        &mut self,
        incoming: Incoming<'_>,
        mint: impl FnMut(&RecordId, u32) -> SmolStr,
    ) -> Result<Vec<Change>, Alarm> {
        let Incoming { source, records, whole, partial, resting, at, unread, shrink_limit } = incoming;
        let sighting = |record: &Record| Sighting {
            partial: partial.contains(&record.records),
            ..Sighting::of(source, record, at)
        };
        let sightings: Vec<(SmolStr, Sighting)> =
            records.iter().map(|record| (record.records.clone(), sighting(record))).collect();
        let state = self.sources.entry(source.into()).or_default();
        let Taken { gone } = state.take(records, &whole, &partial, &resting, at, unread, shrink_limit)?;
        // Of several kinds of records that a system has of one person, each names some of the keys: what one does not name, another does.
        let sightings: Vec<Sighting> = sightings
            .into_iter()
            .map(|(kind, mut sighting)| {
                let names_others = |kept: &Kept| kept.records != kind && kept.keyed;
                sighting.partial |= state.of(sighting.record.of, &sighting.record.id).any(names_others);
                sighting
            })
            .collect();
        let gone: Vec<RecordId> = gone.into_iter().map(|(of, id)| RecordId { of, source: source.into(), id }).collect();
        let mut changes = self.registry.observe(sightings, at, mint);
        changes.extend(self.registry.gone(&gone));
        Ok(changes)
    }

    /// Notes that a source can't be read. What it said stays, and grows old.
    pub fn fail(&mut self, source: &str, at: Timestamp, why: String) {
        self.sources.entry(source.into()).or_default().fail(at, why);
    }

    /// The devices or people that a text names: an id of Refit's, a record (`jamf-pro/123`), or any key, strong or weak.
    pub fn find(&self, of: Subject, text: &str) -> BTreeSet<SmolStr> {
        if let Some(id) = self.registry.leads_to(text)
            && self.registry.records(id).iter().any(|node| node.record.of == of)
        {
            return BTreeSet::from([id.clone()]);
        }
        if let Some((source, id)) = text.split_once('/')
            && let Some(id) = self.registry.entity(&RecordId { of, source: source.into(), id: id.into() })
        {
            return BTreeSet::from([id.clone()]);
        }
        let kinds = KeyKind::ALL.into_iter().filter(|kind| kind.is_of(of) && *kind != KeyKind::Id);
        let written = kinds.filter_map(|kind| Some((kind, kind.written(text).ok()?)));
        written.flat_map(|(kind, value)| self.registry.find(of, kind, &value)).cloned().collect()
    }
}
