//! What has opened, and what came of a release on devices.

use super::{
    super::{
        device_set::DeviceSet,
        event::{ReleaseExpedited, RingOpened},
    },
    answered::GateRecord,
    approved::ApprovalRecord,
    asked::{AskedFor, GateQuestion},
    signals::Signals,
};
use crate::{
    policy::{
        document::test::GateAnswer,
        repository::{Ring, Rollout},
    },
    rollout::{Evidence, Verdict, snapshot_policy},
};
use imbl::{OrdMap, Vector};
use jiff::Timestamp;
use refit_model::{TitleId, Version};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// All that the log says of releases under way, by title.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rollouts {
    /// What has opened.
    pub under_way: OrdMap<TitleId, Arc<Vec<RolloutRecord>>>,
    /// What gates said.
    pub gates: OrdMap<TitleId, Arc<Vec<GateRecord>>>,
    /// What came of releases that have begun, by version.
    pub trials: OrdMap<TitleId, Arc<BTreeMap<SmolStr, Trial>>>,
    /// Releases that wait for no gate, with the platform; `None` is every platform.
    pub expedited: OrdMap<TitleId, BTreeMap<(SmolStr, Option<SmolStr>), Expedited>>,
    /// What people are asked about and have not answered.
    #[serde(default)]
    pub asked: OrdMap<TitleId, Arc<Vec<GateQuestion>>>,
    /// What people answered of releases in other systems.
    #[serde(default)]
    pub approvals: OrdMap<TitleId, Arc<Vec<ApprovalRecord>>>,
    /// What monitoring systems say of devices.
    #[serde(default)]
    pub signals: Signals,
    /// What has happened to a title's releases, oldest first.
    pub timelines: OrdMap<TitleId, Vector<Arc<Moment>>>,
}

/// That somebody asked for a release to wait for no gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expedited {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: SmolStr,
}

/// Something that happened to a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// The event.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The release.
    pub version: SmolStr,
    /// The platform; `None` is every platform.
    pub platform: Option<SmolStr>,
    /// What.
    pub what: Happened,
}

/// What happened to a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Happened {
    /// A ring opened.
    Opened {
        /// The rollout.
        rollout: SmolStr,
        /// The ring.
        ring: SmolStr,
        /// How many devices were in it, where that was fixed.
        devices: Option<u64>,
    },
    /// A gate answered, or its answer was taken back.
    Answered {
        /// The rollout in which the gate stands; `None` is every rollout with such a ring.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<SmolStr>,
        /// The ring before the gate.
        after: SmolStr,
        /// The answer; `None` takes it back.
        answer: Option<GateAnswer>,
        /// Why, where the evidence answered.
        verdict: Option<Verdict>,
        /// What it went by.
        evidence: Option<Evidence>,
        /// Why, where a person answered.
        why: Option<SmolStr>,
    },
    /// One halt of several ended: another still holds the release.
    HaltEnded {
        /// The rollout whose gate it was; `None` is every rollout with such a ring.
        rollout: Option<SmolStr>,
        /// The ring before the gate.
        after: SmolStr,
        /// Why, where a person took it back.
        why: Option<SmolStr>,
        /// The platforms on which another holds it, where it ended on all and goes on on the rest.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        on: BTreeSet<SmolStr>,
    },
    /// A person was asked whether it goes on.
    Asked {
        /// The rollout.
        rollout: SmolStr,
        /// The ring before the gate.
        after: SmolStr,
        /// Why.
        because: AskedFor,
        /// What the gate went by.
        evidence: Option<Evidence>,
    },
    /// It was to wait for no gate.
    Expedited {
        /// Why.
        why: SmolStr,
    },
    /// People answered in another system whether it goes on.
    Approved {
        /// The rollout.
        rollout: SmolStr,
        /// The process in which they answered.
        process: SmolStr,
        /// Whether they agree.
        agrees: bool,
        /// What is written down of it there.
        why: SmolStr,
    },
}

/// How many moments of a title are kept.
const MOMENTS_MOST: usize = 256;

/// How far one release has come in one rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutRecord {
    /// The rollout.
    pub rollout: SmolStr,
    /// The release.
    pub version: SmolStr,
    /// The platform; `None` is every platform.
    pub platform: Option<SmolStr>,
    /// The rings that have opened, in the order in which they did.
    pub open: Vec<RingRecord>,
    /// The releases that move as one, where it is a snapshot; empty where it is a release by itself.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub releases: BTreeSet<(TitleId, SmolStr)>,
}

/// A ring that has opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RingRecord {
    /// Its name.
    pub ring: SmolStr,
    /// When it opened.
    pub at: Timestamp,
    /// Who was in it, where that was fixed.
    pub members: Option<DeviceSet>,
    /// When the first of its devices reported.
    pub first_result: Option<Timestamp>,
}

/// What came of a release on devices, whatever moved it. A device that has gone on to another release since stays in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Devices that were seen running it.
    pub fine: DeviceSet,
    /// Devices on which it failed, by what they said last.
    pub failed: DeviceSet,
    /// Devices on which it was fine, and that were then seen with an earlier release: nobody does that without a reason. They have said
    /// nothing, whatever they go on to.
    #[serde(default, skip_serializing_if = "DeviceSet::is_empty")]
    pub put_back: DeviceSet,
    /// Devices of which somebody said within three days of the change that something broke.
    pub complained: DeviceSet,
    /// When a person last said that it goes on in spite of what was said until then, by platform; `None` is every platform.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub went_on: Vec<(Option<SmolStr>, Timestamp)>,
    /// The snapshots that it moves with.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub snapshots: BTreeSet<(TitleId, SmolStr)>,
}

impl Trial {
    /// Devices that have said what came of it.
    pub fn results(&self) -> DeviceSet {
        DeviceSet(&self.fine.0 | &self.failed.0)
    }

    /// When a person last said, of a platform, that it goes on in spite of what was said until then.
    pub fn went_on(&self, platform: Option<&str>) -> Option<Timestamp> {
        let here = self.went_on.iter().filter(|(on, _)| on.is_none() || on.as_deref() == platform);
        here.map(|(_, at)| *at).max()
    }
}

impl RolloutRecord {
    /// The ring, where it has opened.
    pub fn ring(&self, name: &str) -> Option<&RingRecord> {
        self.open.iter().find(|open| open.ring == name)
    }

    /// The ring that the release has come to: of those that the rollout has now the last one that is open, in the order of the
    /// policy. One that a policy got before it opened later, and is behind it all the same.
    pub fn furthest<'r>(&self, rollout: &'r Rollout) -> Option<(&RingRecord, &'r Ring)> {
        rollout.rings.iter().rev().find_map(|ring| Some((self.ring(&ring.name)?, ring)))
    }

    /// The devices of all rings that have opened.
    pub fn reached(&self) -> DeviceSet {
        DeviceSet::union(self.open.iter().filter_map(|open| open.members.as_ref()))
    }

    /// Whether a release moves with it; `title` is its own.
    pub fn moves(&self, title: &TitleId, other: &TitleId, version: &str) -> bool {
        match self.releases.is_empty() {
            true => title == other && self.version == version,
            false => self.releases.contains(&(other.clone(), version.into())),
        }
    }

    /// The titles that move with it; `title` is its own.
    pub fn titles<'s>(&'s self, title: &'s TitleId) -> impl Iterator<Item = &'s TitleId> {
        let alone = self.releases.is_empty().then_some(title);
        alone.into_iter().chain(self.releases.iter().map(|(moved, _)| moved))
    }

    /// Whether it speaks of a release in a rollout on a platform.
    pub fn is_of(&self, rollout: &str, version: &str, platform: Option<&str>) -> bool {
        self.rollout == rollout && self.version == version && self.platform.as_deref() == platform
    }
}

impl Rollouts {
    /// What has opened of a title.
    pub fn of(&self, title: &TitleId) -> &[RolloutRecord] {
        self.under_way.get(title).map_or(&[], |list| list.as_slice())
    }

    /// Whether a rollout let a device have a release only after `since`, by itself or with a snapshot: its ring opened, or a halt
    /// ended.
    pub fn let_go_since(
        &self,
        (title, version): (&TitleId, &str),
        (rollout, ring): (&str, &str),
        device: u32,
        since: Timestamp,
    ) -> bool {
        let trial = self.trials.get(title).and_then(|trials| trials.get(version));
        let snapshots = trial
            .into_iter()
            .flat_map(|trial| trial.snapshots.iter().map(|(title, version)| (title, version.as_str())));
        std::iter::once((title, version)).chain(snapshots).any(|(title, version)| {
            let of_rollout = |record: &&RolloutRecord| record.version == version && record.rollout == rollout;
            self.of(title).iter().filter(of_rollout).any(|record| {
                let Some(open) = record.ring(ring) else { return false };
                let is_member = open.members.as_ref().is_none_or(|members| members.contains(device));
                let let_go = || self.last_halt_ended(title, version, record.platform.as_deref());
                is_member && (open.at > since || let_go().is_some_and(|ended| ended > since))
            })
        })
    }

    /// When a release on a platform was last halted no more: a halt of it ended, and no other held it. Of what the timeline has
    /// forgotten it knows nothing.
    pub(super) fn last_halt_ended(&self, title: &TitleId, version: &str, platform: Option<&str>) -> Option<Timestamp> {
        let (mut halted, mut ended) = (BTreeSet::new(), None);
        let moments = self.timelines.get(title).into_iter().flat_map(|moments| moments.iter());
        let of_release = moments.filter(|moment| {
            moment.version == version && (moment.platform.is_none() || moment.platform.as_deref() == platform)
        });
        for moment in of_release {
            let (rollout, after, answer) = match &moment.what {
                Happened::Answered { rollout, after, answer, .. } => (rollout, after, *answer),
                Happened::HaltEnded { rollout, after, .. } => (rollout, after, None),
                _ => continue,
            };
            // The other halt may be that of a snapshot.
            let is_held_on = matches!(&moment.what, Happened::HaltEnded { on, .. }
                if on.is_empty() || platform.is_some_and(|platform| on.contains(platform)));
            let before = halted.len();
            halted.retain(|(of, ring, platform)| {
                (*ring, *platform) != (after, &moment.platform) || (rollout.is_some() && *of != rollout)
            });
            if answer == Some(GateAnswer::Halt) {
                halted.insert((rollout, after, &moment.platform));
            } else if halted.len() < before && halted.is_empty() && !is_held_on {
                ended = ended.max(Some(moment.at));
            }
        }
        ended
    }

    /// What came of a release, where it has begun. What came of a snapshot is what came of the releases that move with it: it failed
    /// on a device where one of them did.
    pub fn trial(&self, title: &TitleId, version: &str) -> Option<Cow<'_, Trial>> {
        if snapshot_policy(title).is_none() {
            return self.trials.get(title)?.get(version).map(Cow::Borrowed);
        }
        let mut all = Trial::default();
        let mut went_on: Option<Vec<(Option<SmolStr>, Timestamp)>> = None;
        for (title, version) in self.parts(title, version) {
            let Some(trial) = self.trials.get(&title).and_then(|trials| trials.get(&version)) else { continue };
            all.fine.0 |= &trial.fine.0;
            all.failed.0 |= &trial.failed.0;
            all.put_back.0 |= &trial.put_back.0;
            all.complained.0 |= &trial.complained.0;
            // What a person said of one release alone is not said of the others.
            let of_all = went_on.get_or_insert_with(|| trial.went_on.clone());
            of_all.retain(|said| trial.went_on.contains(said));
        }
        all.went_on = went_on.unwrap_or_default();
        all.fine.0 -= &all.failed.0 | &all.put_back.0;
        Some(Cow::Owned(all))
    }

    /// The releases that move as one under a title and a version: those of a snapshot, or the release itself.
    pub fn parts(&self, title: &TitleId, version: &str) -> BTreeSet<(TitleId, SmolStr)> {
        if snapshot_policy(title).is_none() {
            return BTreeSet::from([(title.clone(), version.into())]);
        }
        let records = self.of(title).iter().filter(|record| record.version == version);
        records.flat_map(|record| record.releases.iter().cloned()).collect()
    }

    /// A release begins: from now on what comes of it on devices counts. `already` are devices that have it: they are results, whatever
    /// moved them.
    pub(in super::super) fn begins(
        &mut self,
        (title, version): &(TitleId, SmolStr),
        snapshot: Option<(TitleId, SmolStr)>,
        already: DeviceSet,
    ) {
        let trials = Arc::make_mut(self.trials.entry(title.clone()).or_default());
        let trial = trials.entry(version.clone()).or_insert_with(|| Trial { fine: already, ..Trial::default() });
        trial.snapshots.extend(snapshot);
    }

    pub(in super::super) fn ring_opened(&mut self, seq: u64, at: Timestamp, opened: &RingOpened) {
        let RingOpened { title, version, rollout, ring, platform, members, .. } = opened.clone();
        let devices = members.map(|members| members.len());
        let what = Happened::Opened { rollout, ring, devices };
        self.note(&title, Moment { seq, at, version, platform, what });
        let ring = RingRecord { ring: opened.ring.clone(), at, members: opened.members.clone(), first_result: None };
        let list = Arc::make_mut(self.under_way.entry(opened.title.clone()).or_default());
        let (rollout, version, platform) = (&opened.rollout, &opened.version, opened.platform.as_deref());
        match list.iter_mut().find(|known| known.is_of(rollout, version, platform)) {
            Some(known) => known.open.push(ring),
            None => list.push(RolloutRecord {
                rollout: rollout.clone(),
                version: version.clone(),
                platform: opened.platform.clone(),
                open: vec![ring],
                releases: opened.releases.iter().cloned().collect(),
            }),
        }
        let results = self.trial(&opened.title, version).map(|trial| trial.results()).unwrap_or_default();
        if opened.members.as_ref().is_some_and(|members| members.common(&results) > 0)
            && let Some(list) = self.under_way.get_mut(&opened.title)
            && let Some(known) = Arc::make_mut(list).iter_mut().find(|known| known.is_of(rollout, version, platform))
            && let Some(ring) = known.open.last_mut()
        {
            ring.first_result = Some(at);
        }
    }

    /// Whether a release waits for no gate on a platform.
    pub fn is_expedited(&self, title: &TitleId, version: &str, platform: Option<&str>) -> bool {
        let known = self.expedited.get(title);
        known.is_some_and(|known| {
            known.keys().any(|(of, on)| of == version && (on.is_none() || on.as_deref() == platform))
        })
    }

    pub(in super::super) fn release_expedited(&mut self, seq: u64, at: Timestamp, expedited: &ReleaseExpedited) {
        let ReleaseExpedited { title, version, platform, why } = expedited;
        let of = self.expedited.entry(title.clone()).or_default();
        of.insert((version.clone(), platform.clone()), Expedited { at, why: why.clone() });
        let what = Happened::Expedited { why: why.clone() };
        self.note(title, Moment { seq, at, version: version.clone(), platform: platform.clone(), what });
    }

    pub(super) fn note(&mut self, title: &TitleId, moment: Moment) {
        let timeline = self.timelines.entry(title.clone()).or_default();
        timeline.push_back(Arc::new(moment));
        while timeline.len() > MOMENTS_MOST {
            timeline.pop_front();
        }
    }

    /// A person lets a release go on: what came of it until now no longer speaks against it.
    pub(super) fn went_on(
        &mut self,
        (title, version): (&TitleId, &str),
        platform: Option<&SmolStr>,
        here: Option<&DeviceSet>,
        at: Timestamp,
    ) {
        self.change_trials(title, version, |trial| {
            trial.went_on.retain(|(on, _)| on.as_ref() != platform);
            trial.went_on.push((platform.cloned(), at));
            trial.failed.take_out(here);
            trial.complained.take_out(here);
        });
    }

    /// Changes what came of the releases that move as one.
    pub(super) fn change_trials(&mut self, title: &TitleId, version: &str, change: impl Fn(&mut Trial)) {
        for (title, version) in self.parts(title, version) {
            let Some(trials) = self.trials.get_mut(&title).filter(|trials| trials.contains_key(&version)) else {
                continue;
            };
            if let Some(trial) = Arc::make_mut(trials).get_mut(&version) {
                change(trial);
            }
        }
    }

    /// What came of a release on a device: `None` is that what was said no longer counts.
    pub(in super::super) fn result(
        &mut self,
        title: &TitleId,
        version: &str,
        index: u32,
        at: Timestamp,
        failed: Option<bool>,
    ) {
        let Some(trial) = self.trials.get_mut(title).filter(|trials| trials.contains_key(version)) else { return };
        let Some(trial) = Arc::make_mut(trial).get_mut(version) else { return };
        trial.fine.remove(index);
        trial.failed.remove(index);
        trial.put_back.remove(index);
        match failed {
            Some(true) => trial.failed.insert(index),
            Some(false) => trial.fine.insert(index),
            None => return,
        }
        let snapshots = trial.snapshots.clone();
        self.first_result(title, version, index, at);
        snapshots.iter().for_each(|(title, version)| self.first_result(title, version, index, at));
    }

    /// A device was seen with no newer release of a title than `newest`, which is asked for only where one was fine on it: a first
    /// inventory has a thousand titles.
    pub(in super::super) fn put_back(&mut self, title: &TitleId, index: u32, newest: impl FnOnce() -> Option<Version>) {
        let Some(trials) = self.trials.get_mut(title) else { return };
        if !trials.values().any(|trial| trial.fine.contains(index)) {
            return;
        }
        let Some(newest) = newest() else { return };
        let was_later = |(version, trial): (&SmolStr, &Trial)| {
            let later = || Version::parse(newest.scheme(), version).is_ok_and(|version| newest < version);
            (trial.fine.contains(index) && later()).then(|| version.clone())
        };
        let later: Vec<SmolStr> = trials.iter().filter_map(was_later).collect();
        if later.is_empty() {
            return;
        }
        let trials = Arc::make_mut(trials);
        for (_, trial) in trials.iter_mut().filter(|(version, _)| later.contains(version)) {
            trial.fine.remove(index);
            trial.put_back.insert(index);
        }
    }

    fn first_result(&mut self, title: &TitleId, version: &str, index: u32, at: Timestamp) {
        let Some(list) = self.under_way.get_mut(title) else { return };
        let first = |open: &RingRecord| {
            let member = open.members.as_ref().is_some_and(|members| members.contains(index));
            member && open.first_result.is_none_or(|known| at < known)
        };
        if !list.iter().any(|record| record.version == version && record.open.iter().any(first)) {
            return;
        }
        for record in Arc::make_mut(list).iter_mut().filter(|record| record.version == version) {
            for open in record.open.iter_mut().filter(|open| first(open)) {
                // A device's clock may say that it was done before the ring opened.
                open.first_result = Some(at.max(open.at));
            }
        }
    }

    /// Somebody said that something broke on a device, on which these releases had come within three days.
    pub(in super::super) fn complaint(&mut self, index: u32, changed: &[(TitleId, SmolStr)]) {
        for (title, version) in changed {
            let Some(trials) = self.trials.get_mut(title).filter(|trials| trials.contains_key(version)) else {
                continue;
            };
            if let Some(trial) = Arc::make_mut(trials).get_mut(version) {
                trial.complained.insert(index);
            }
        }
    }

    /// What was said of a release on a device turned out to be no fault of it.
    pub(in super::super) fn no_complaint(&mut self, index: u32, title: &TitleId, version: &str) {
        let trials = self.trials.get_mut(title).filter(|trials| trials.contains_key(version));
        if let Some(trial) = trials.and_then(|trials| Arc::make_mut(trials).get_mut(version)) {
            trial.complained.remove(index);
        }
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
