//! What comes next: rings that open, gates that answer, halts that end.
//!
//! It reads the state and what is said of every device, and proposes inputs. It decides when all is decided that was to be
//! decided, so that a ring's members are known when it opens.

mod asks;
mod urgent;

use super::{
    super::{board::Board, device_set::DeviceSet, input::Input, publication::CohortKey, state::State},
    answered::GateRecord,
    evidence::{evidence, on_platform},
    record::RolloutRecord,
};
use crate::{
    policy::{
        document::{policy::Mode, test::GateAnswer},
        repository::{Ring, Rollout},
    },
    rollout::{Evidence, HaltedBy, Measure, Verdict, Wants, judge, snapshot_policy, snapshot_title},
};
use jiff::{SignedDuration, Timestamp};
use refit_model::TitleId;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use urgent::is_urgent;

/// Looks at all releases under way, and at what devices wait for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Director;

/// What came of a look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// What the server is to be told.
    pub inputs: Vec<Input>,
    /// When to look again though nothing happens.
    pub next: Option<Timestamp>,
}

/// How long people alone stop an urgent release: one person with many friends must not keep a fleet open to attack.
const URGENT_HALT: SignedDuration = SignedDuration::from_hours(4);

/// A release set in a rollout: its title, the rollout, and its version.
type Moving = (TitleId, SmolStr, SmolStr);

/// Who waits for a release set.
#[derive(Default)]
struct Waiting {
    /// By ring.
    rings: BTreeMap<SmolStr, DeviceSet>,
    /// For which releases, where it is a snapshot.
    releases: BTreeSet<(TitleId, SmolStr)>,
    /// Who of them is overdue, and is to ask a person.
    overdue: asks::Overdue,
}

impl Director {
    /// What comes next. While everything is stopped nothing opens and no gate passes; halts are found all the same.
    pub fn look(self, state: &State, board: &Board, now: Timestamp) -> Look {
        let Some(policy) = &state.policy else { return Look::default() };
        let waiting = waiting(state, board);
        let begun = state.rollouts.under_way.iter().flat_map(|(title, records)| {
            records.iter().map(|record| (title.clone(), record.rollout.clone(), record.version.clone()))
        });
        let releases: BTreeSet<Moving> = waiting.keys().cloned().chain(begun).collect();
        let mut look = Look::default();
        ends(state, board, now, &mut look);
        for release in &releases {
            let (title, rollout, version) = release;
            let Some(rollout) = policy.repository.rollouts.get(rollout) else { continue };
            let nobody = Waiting::default();
            let Waiting { rings, releases, overdue } = waiting.get(release).unwrap_or(&nobody);
            for platform in platforms(state, release, rings) {
                let here = on_platform(state, Some(&platform));
                let waiting = rings.iter().map(|(ring, devices)| (ring.clone(), here.both(devices))).collect();
                let overdue = overdue.iter().map(|(since, devices)| (*since, here.both(devices)));
                let overdue = overdue.filter(|(_, devices)| !devices.is_empty()).collect();
                let platform = &platform;
                let one = One { state, board, now, title, version, rollout, platform, waiting, releases, overdue };
                one.look(&mut look);
            }
        }
        look
    }

    /// What must not wait until everything is decided: the halts that the evidence asks for.
    pub fn halts(self, state: &State, board: &Board, now: Timestamp) -> Vec<Input> {
        let halts = |input: &Input| matches!(input, Input::AnswerGate { answer: Some(GateAnswer::Halt), .. });
        self.look(state, board, now).inputs.into_iter().filter(halts).collect()
    }
}

/// Halts whose time is over end, whatever has become of their rollouts; but what has come in since may halt the release by itself: it
/// is given to nobody in between.
fn ends(state: &State, board: &Board, now: Timestamp, look: &mut Look) {
    for (title, gates) in &state.rollouts.gates {
        for halt in gates.iter().filter(|gate| gate.answer == GateAnswer::Halt) {
            match halt.until {
                Some(until) if until <= now => look.inputs.extend(end(state, board, title, halt, now)),
                Some(until) => look.wake(until),
                None => {}
            }
        }
    }
}

/// What follows a halt whose time is over.
fn end(state: &State, board: &Board, title: &TitleId, halt: &GateRecord, now: Timestamp) -> Vec<Input> {
    let records = state.rollouts.of(title).iter().filter(|record| record.version == halt.version);
    let here = records.filter(|record| halt.platform.is_none() || record.platform == halt.platform);
    let mut halting = here.filter_map(|record| Some((record, halts_by_itself(state, title, record, halt, now)?)));
    let answer = |rollout, after, platform, found: Option<(Found, Option<Timestamp>)>| {
        let (found, until) = found.unzip();
        Input::AnswerGate {
            title: title.clone(),
            version: halt.version.clone(),
            rollout,
            after,
            platform,
            answer: found.as_ref().map(|(verdict, _)| verdict.answer()),
            until: until.flatten(),
            why: None,
            found: found.map(Box::new),
        }
    };
    let same_gate = |found| answer(halt.rollout.clone(), halt.after.clone(), halt.platform.clone(), found);
    let with_end = |record: &RolloutRecord, found: Found| {
        let (platform, release) = (record.platform.as_deref(), (record.rollout.as_str(), record.version.as_str()));
        let until = end_of_halt(state, board, title, platform, release, &found.0, now);
        (found, until)
    };
    if halt.platform.is_some() {
        // One answer takes the place of the other.
        return vec![same_gate(halting.next().map(|(record, (_, found))| with_end(record, found)))];
    }
    // On some platforms it stays halted, before it ends on all.
    let mut inputs: Vec<Input> = halting
        .map(|(record, (after, found))| {
            answer(Some(record.rollout.clone()), after, record.platform.clone(), Some(with_end(record, found)))
        })
        .collect();
    inputs.push(same_gate(None));
    inputs
}

/// What a gate says, and what it goes by.
type Found = (Verdict, Evidence);

/// When a halt by the evidence ends by itself: where people alone stop what is urgent.
fn end_of_halt(
    state: &State,
    board: &Board,
    title: &TitleId,
    platform: Option<&str>,
    (rollout, version): (&str, &str),
    verdict: &Verdict,
    now: Timestamp,
) -> Option<Timestamp> {
    let by_people = *verdict == Verdict::Halts(HaltedBy::Measure(Measure::Reports));
    (by_people && is_urgent(state, board, title, platform, (rollout, version)))
        .then(|| now.checked_add(URGENT_HALT).ok())
        .flatten()
}

/// Whether the evidence halts what a halt held, with the ring that the gate stands after. What people said has had its time, where
/// that was the halt.
fn halts_by_itself(
    state: &State,
    title: &TitleId,
    record: &RolloutRecord,
    halt: &GateRecord,
    now: Timestamp,
) -> Option<(SmolStr, Found)> {
    let rollout = state.policy.as_ref()?.repository.rollouts.get(&record.rollout)?;
    let (gate, open) = (rollout.gate.as_ref()?, record.furthest(rollout)?.1);
    let mut evidence = evidence(state, title, record, &open.name, gate, now)?;
    if halt.verdict == Some(Verdict::Halts(HaltedBy::Measure(Measure::Reports))) {
        evidence.compared.retain(|compared| compared.measure != Measure::Reports);
    }
    let verdict = judge(gate, open.soak, &evidence, now);
    matches!(verdict, Verdict::Halts(_)).then(|| (open.name.clone(), (verdict, evidence)))
}

/// The devices that nothing but their ring keeps from a release, by what moves as one, and ring.
fn waiting(state: &State, board: &Board) -> BTreeMap<Moving, Waiting> {
    let managed = state.found.managed();
    let mut waiting: BTreeMap<Moving, Waiting> = BTreeMap::new();
    for (outcome, devices) in board.cohorts() {
        let Some(key) = outcome.key.as_ref().filter(|key| key.mode != Mode::Observe) else { continue };
        for awaited in &outcome.awaits {
            let devices = managed.both(devices);
            if devices.is_empty() {
                continue;
            }
            let title = outcome.slot.title.clone();
            let (release, part) = match awaited.snapshot.clone() {
                None => ((title, awaited.rollout.clone(), awaited.version.clone()), None),
                Some(snapshot) => {
                    let part = (title, awaited.version.clone());
                    ((snapshot_title(&key.policy), awaited.rollout.clone(), snapshot), Some(part))
                }
            };
            let waiting = waiting.entry(release).or_default();
            if let Some(since) = awaited.asks {
                waiting.overdue.entry(since).or_default().0 |= &devices.0;
            }
            waiting.rings.entry(awaited.ring.clone()).or_default().0 |= devices.0;
            waiting.releases.extend(part);
        }
    }
    waiting
}

/// The platforms on which a release is under way or waited for. A device whose platform nobody knows waits.
fn platforms(state: &State, release: &Moving, waiting: &BTreeMap<SmolStr, DeviceSet>) -> BTreeSet<SmolStr> {
    let (title, rollout, version) = release;
    let records = state.rollouts.of(title).iter();
    let begun = records.filter(|record| record.rollout == *rollout && record.version == *version);
    let mut platforms: BTreeSet<SmolStr> = begun.filter_map(|record| record.platform.clone()).collect();
    let waits = |platform: &&SmolStr| {
        let here = state.found.on_platform(platform);
        waiting.values().any(|devices| devices.common(&here) > 0)
    };
    platforms.extend(state.found.platforms().filter(waits).cloned());
    platforms
}

/// One release set in one rollout on one platform.
struct One<'s> {
    state: &'s State,
    board: &'s Board,
    now: Timestamp,
    title: &'s TitleId,
    version: &'s SmolStr,
    rollout: &'s Rollout,
    platform: &'s SmolStr,
    /// Who waits for it, by ring.
    waiting: BTreeMap<SmolStr, DeviceSet>,
    /// The releases that are waited for, where it is a snapshot.
    releases: &'s BTreeSet<(TitleId, SmolStr)>,
    /// Who waits for it and is overdue.
    overdue: asks::Overdue,
}

impl One<'_> {
    fn look(&self, look: &mut Look) {
        let rollouts = &self.state.rollouts;
        if rollouts.halt(self.title, self.version, Some(self.platform)).is_some() {
            return;
        }
        let records = rollouts.of(self.title);
        let record = records.iter().find(|it| it.is_of(&self.rollout.name, self.version, Some(self.platform)));
        let Some((ring, record)) = record.and_then(|record| Some((record.furthest(self.rollout)?.1, record))) else {
            return self.open(0, look);
        };
        // The policy may have got rings since: those before one that has opened wait for nothing more than that had to.
        let rings = &self.rollout.rings;
        let next = rings.iter().position(|ring| record.ring(&ring.name).is_none()).unwrap_or(rings.len());
        let inserted = rings.iter().skip(next).any(|later| later.name == ring.name);
        let answered = rollouts.answer(self.title, self.version, Some(self.platform), (&self.rollout.name, &ring.name));
        let said = answered.map(|gate| gate.answer);
        // What has passed may still turn out to be bad: evidence is heard until the next release has gone all the way.
        if self.is_superseded(record) {
            return;
        }
        let verdict = self.verdict(record, ring, look);
        let expedited = rollouts.is_expedited(self.title, self.version, Some(self.platform));
        let goes_on = inserted || said == Some(GateAnswer::Pass) || expedited;
        match verdict {
            Some(found @ (Verdict::Halts(_), _)) => look.inputs.push(self.answer(&ring.name, found)),
            _ if self.state.brake.is_some() => {}
            // A person has said that it is not clear: until that is taken back nothing passes.
            _ if said == Some(GateAnswer::Inconclusive) => {}
            _ if goes_on => self.open(next, look),
            Some(found @ (Verdict::Passes(_), _)) if next < rings.len() => {
                look.inputs.push(self.answer(&ring.name, found));
            }
            None if self.soaked(record, ring, look) => self.open(next, look),
            found if next < rings.len() => self.ask(record, ring, found, look),
            _ => {}
        }
    }

    /// Whether a release that follows it in its branch has gone all the way, and nobody waits for this one: each look would otherwise
    /// weigh all releases that there ever were.
    fn is_superseded(&self, record: &RolloutRecord) -> bool {
        self.waiting.values().all(DeviceSet::is_empty) && self.state.is_succeeded(self.title, record)
    }

    /// What the gate says now; `None` where the rollout has none.
    fn verdict(&self, record: &RolloutRecord, ring: &Ring, look: &mut Look) -> Option<Found> {
        let gate = self.rollout.gate.as_ref()?;
        let evidence = evidence(self.state, self.title, record, &ring.name, gate, self.now)?;
        let verdict = judge(gate, ring.soak, &evidence, self.now);
        match &verdict {
            Verdict::Waits(Wants::Soak(until)) => look.wake(*until),
            // Silence grows by itself.
            _ if gate.silence.is_some() => {
                look.wake(self.now.checked_add(gate.silent_after / 8).unwrap_or(Timestamp::MAX))
            }
            _ => {}
        }
        Some((verdict, evidence))
    }

    /// Without a gate a ring opens when the one before has soaked: from its first result on, or from when it opened where nobody is in it.
    fn soaked(&self, record: &RolloutRecord, ring: &Ring, look: &mut Look) -> bool {
        let first = record.ring(&ring.name).and_then(|open| {
            let nobody = open.members.as_ref().is_some_and(DeviceSet::is_empty);
            open.first_result.or(nobody.then_some(open.at))
        });
        let Some(over) = first.and_then(|first| first.checked_add(ring.soak).ok()) else { return false };
        if over > self.now {
            look.wake(over);
        }
        over <= self.now
    }

    /// Opens a ring, where somebody waits for it or for a later one.
    fn open(&self, index: usize, look: &mut Look) {
        let later = self.rollout.rings.get(index..).unwrap_or_default();
        let Some(ring) = later.first().filter(|_| self.state.brake.is_none()) else { return };
        if !self.is_approved(ring) {
            return;
        }
        let waits = |ring: &Ring| self.waiting.get(&ring.name).is_some_and(|devices| !devices.is_empty());
        if !later.iter().any(waits) {
            return;
        }
        look.inputs.push(Input::OpenRing {
            title: self.title.clone(),
            version: self.version.clone(),
            rollout: self.rollout.name.clone(),
            ring: ring.name.clone(),
            platform: Some(self.platform.clone()),
            members: Some(self.members_or_those_ahead(&ring.name)),
            releases: self.releases.iter().cloned().collect(),
        });
    }

    /// Whether people have agreed that a ring opens, where the policy has them asked. Who lets a release wait for no gate answers in their place.
    fn is_approved(&self, ring: &Ring) -> bool {
        let rollouts = &self.state.rollouts;
        ring.approval.as_ref().is_none_or(|process| {
            let release = (self.title, self.version.as_str());
            let place = (self.rollout.name.as_str(), Some(self.platform.as_str()));
            rollouts.approval(release, place, process).is_some_and(|answer| answer.agrees)
                || rollouts.is_expedited(self.title, self.version, Some(self.platform))
        })
    }

    /// The members of a ring; where that is nobody, those that another rollout has brought the release to. An urgent rollout that
    /// takes over in the middle of a slow one begins with what the devices say that are ahead, not with an empty ring. Who has it by
    /// themselves makes no ring: it would pass by one laptop that somebody updated.
    fn members_or_those_ahead(&self, ring: &SmolStr) -> DeviceSet {
        let members = self.members(ring);
        if !members.is_empty() {
            return members;
        }
        let rollouts = &self.state.rollouts;
        let Some(trial) = rollouts.trial(self.title, self.version) else { return members };
        let records = rollouts.of(self.title).iter().filter(|it| it.version == *self.version);
        let (own, others): (Vec<_>, Vec<_>) = records.partition(|it| it.rollout == self.rollout.name);
        let reached = |records: &[&RolloutRecord]| {
            let each: Vec<DeviceSet> = records.iter().map(|record| record.reached()).collect();
            DeviceSet::union(each.iter())
        };
        let ahead = trial.results().both(&DeviceSet(reached(&others).0 - reached(&own).0));
        ahead.both(&on_platform(self.state, Some(self.platform)))
    }

    /// Who waits for the release in a ring, and who is in it and has it, or a newer one.
    fn members(&self, ring: &SmolStr) -> DeviceSet {
        let mut members = self.waiting.get(ring).cloned().unwrap_or_default();
        let ours = |key: &CohortKey| match snapshot_policy(self.title) {
            Some(policy) => key.policy == policy,
            None => key.slot.title == *self.title,
        };
        let is_in = |key: &CohortKey| {
            ours(key) && key.rollout.as_ref() == Some(&self.rollout.name) && key.ring.as_ref() == Some(ring)
        };
        let counts = |key: &CohortKey| key.mode != Mode::Observe && is_in(key);
        let inside = self.board.cohorts().filter(|(outcome, _)| outcome.key.as_ref().is_some_and(counts));
        inside.for_each(|(_, devices)| members.0 |= &devices.0);
        members.both(&on_platform(self.state, Some(self.platform)))
    }

    fn answer(&self, after: &SmolStr, (verdict, evidence): Found) -> Input {
        let release = (self.rollout.name.as_str(), self.version.as_str());
        let until = end_of_halt(self.state, self.board, self.title, Some(self.platform), release, &verdict, self.now);
        Input::AnswerGate {
            title: self.title.clone(),
            version: self.version.clone(),
            rollout: Some(self.rollout.name.clone()),
            after: after.clone(),
            platform: Some(self.platform.clone()),
            answer: Some(verdict.answer()),
            until,
            why: None,
            found: Some(Box::new((verdict, evidence))),
        }
    }
}

impl Look {
    fn wake(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}
