//! Signals: what monitoring systems say of devices.

use super::super::{device_set::DeviceSet, event::SignalRead};
use imbl::OrdMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// How long what a signal says of a device counts, where its source has no `stale_after`.
pub const SIGNAL_STALE_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The signals that were ever read, by source and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signals(OrdMap<(SmolStr, SmolStr), Arc<SignalRecord>>);

/// What a signal said last. What comes for single devices is kept apart from what comes for all at once, so that a reading of a
/// million devices costs no more than its bitmaps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SignalRecord {
    /// The last reading of all devices that the signal knows.
    pub whole: Option<Reading>,
    /// The last readings of single devices.
    pub single: OrdMap<u32, (Timestamp, bool)>,
}

/// What was said of devices at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// Devices of which it says something bad.
    pub bad: DeviceSet,
    /// Devices of which it says nothing bad.
    pub fine: DeviceSet,
}

impl Signals {
    /// A signal, where it was ever read.
    pub fn get(&self, source: &SmolStr, name: &SmolStr) -> Option<&SignalRecord> {
        self.0.get(&(source.clone(), name.clone())).map(Arc::as_ref)
    }

    /// All of them, with source and name.
    pub fn iter(&self) -> impl Iterator<Item = (&SmolStr, &SmolStr, &SignalRecord)> {
        self.0.iter().map(|((source, name), record)| (source, name, record.as_ref()))
    }

    /// Takes a reading.
    pub(in super::super) fn read(&mut self, read: &SignalRead) {
        let record = Arc::make_mut(self.0.entry((read.source.clone(), read.signal.clone())).or_default());
        if read.whole {
            // What was said of single devices before is superseded, also where nothing is said of them now.
            record.single =
                std::mem::take(&mut record.single).into_iter().filter(|(_, (at, _))| *at > read.at).collect();
            record.whole = Some(Reading { at: read.at, bad: read.bad.clone(), fine: read.fine.clone() });
            return;
        }
        for (devices, bad) in [(&read.fine, false), (&read.bad, true)] {
            for index in devices.iter() {
                if record.of(index).is_none_or(|(at, _)| at <= read.at) {
                    record.single.insert(index, (read.at, bad));
                }
            }
        }
    }
}

impl SignalRecord {
    /// What was said of a device last, and when; `true` is bad.
    pub fn of(&self, index: u32) -> Option<(Timestamp, bool)> {
        let whole = self.whole.as_ref().and_then(|whole| {
            let bad = whole.bad.contains(index);
            (bad || whole.fine.contains(index)).then_some((whole.at, bad))
        });
        let single = self.single.get(&index).copied();
        match (whole, single) {
            (Some(whole), Some(single)) => Some(if single.0 >= whole.0 { single } else { whole }),
            (whole, single) => whole.or(single),
        }
    }

    /// When anything was said last.
    pub fn newest(&self) -> Option<Timestamp> {
        self.single.values().map(|(at, _)| *at).chain(self.whole.as_ref().map(|whole| whole.at)).max()
    }

    /// The devices of which it says something bad, and those of which it says nothing bad, by what came last.
    pub fn devices(&self) -> (DeviceSet, DeviceSet) {
        let (mut bad, mut fine) =
            self.whole.as_ref().map(|whole| (whole.bad.clone(), whole.fine.clone())).unwrap_or_default();
        for index in self.single.keys() {
            let Some((_, is_bad)) = self.of(*index) else { continue };
            bad.remove(*index);
            fine.remove(*index);
            if is_bad { bad.insert(*index) } else { fine.insert(*index) }
        }
        (bad, fine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn read(at: Timestamp, whole: bool, bad: &[u32], fine: &[u32]) -> SignalRead {
        let set = |devices: &[u32]| devices.iter().copied().collect();
        SignalRead { source: "mon".into(), signal: "crashes".into(), at, whole, bad: set(bad), fine: set(fine) }
    }

    fn after(reads: &[SignalRead]) -> SignalRecord {
        let mut signals = Signals::default();
        reads.iter().for_each(|it| signals.read(it));
        signals.get(&"mon".into(), &"crashes".into()).unwrap().clone()
    }

    #[test]
    fn what_came_last_counts_whichever_way_it_came() {
        let record = after(&[read(at(10), true, &[1], &[2, 3]), read(at(20), false, &[2], &[])]);
        assert_eq!(record.of(1), Some((at(10), true)));
        assert_eq!(record.of(2), Some((at(20), true)));
        assert_eq!(record.of(3), Some((at(10), false)));
        assert_eq!(record.of(4), None);
        let (bad, fine) = record.devices();
        assert_eq!((bad.iter().collect::<Vec<_>>(), fine.iter().collect::<Vec<_>>()), (vec![1, 2], vec![3]));
        assert_eq!(record.newest(), Some(at(20)));
    }

    #[test]
    fn what_comes_late_takes_nothing_back() {
        let record = after(&[read(at(20), false, &[2], &[]), read(at(10), false, &[], &[2])]);
        assert_eq!(record.of(2), Some((at(20), true)));
        let record = after(&[read(at(20), false, &[2], &[]), read(at(10), true, &[], &[2, 3])]);
        assert_eq!(record.of(2), Some((at(20), true)));
        assert_eq!(record.of(3), Some((at(10), false)));
    }

    #[test]
    fn a_whole_reading_says_nothing_of_whom_it_leaves_out() {
        let record = after(&[read(at(10), false, &[2], &[]), read(at(20), true, &[], &[3])]);
        assert_eq!(record.of(2), None);
        assert_eq!(record.of(3), Some((at(20), false)));
        let record = after(&[read(at(20), false, &[2], &[]), read(at(20), true, &[], &[3])]);
        assert_eq!(record.of(2), None, "of what was said at the same time, the whole counts");
    }
}
