//! Disruption groups: how many of those who belong together may be away at one time.
//!
//! Whoever wants to begin a session asks for a [`Lease`] of all groups that limit it, and gets one for all of them or for none. A
//! lease lasts for the whole session, with its restart, and for the time to settle after it. Those who are silent count as away
//! too. Every "no" says who has the group.
//!
//! Nothing here knows devices, policies or a log: `control/disruption/` says who is silent, and when a session has ended.

use jiff::{SignedDuration, Timestamp};
use refit_model::DeviceId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Those who have the same value of a field. A value that is personal stands here as a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// The field: `device.cluster`; `person` for the devices of one person.
    #[schemars(with = "String")]
    pub field: SmolStr,
    /// Its value.
    #[schemars(with = "String")]
    pub value: SmolStr,
}

/// How many of a group may be away at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Most {
    /// So many.
    Of(u32),
    /// All but one of those that are there; one that is alone is not limited.
    AllButOne,
}

/// What limits a session: a group, and the terms of the policy that names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The group.
    pub group: Group,
    /// How many of it may be away.
    pub most: Most,
    /// How long to wait after a session before the next, in seconds.
    pub settle_seconds: u64,
    /// The hook that has to agree before anything begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<SmolStr>,
    /// The hook that has to agree before the lease is given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<SmolStr>,
    /// The signal that has to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<HealthSignal>,
}

/// A signal that has to say nothing bad of a holder before its lease is given back. It is asked under its name in words, which no
/// webhook can have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HealthSignal {
    /// The source that gives it.
    pub source: SmolStr,
    /// Its name.
    pub name: SmolStr,
}

impl fmt::Display for HealthSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signal {} from {}", self.name, self.source)
    }
}

/// Who has a lease.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A device.
    Device(DeviceId),
    /// Somebody else, by the name that it gives itself (the FleetLock protocol).
    Client(#[schemars(with = "String")] SmolStr),
}

/// A lease of one or more groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// What it is of.
    pub places: BTreeSet<Place>,
    /// Since when.
    pub since: Timestamp,
    /// The event that gave it.
    pub by_event: u64,
    /// The event that changed it last.
    pub revised: u64,
    /// How far its session is.
    pub phase: Phase,
    /// What a hook said that did not agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<SmolStr>,
}

/// How far a session is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing may begin before these hooks have agreed. The place is taken: they may have begun.
    Draining {
        /// Those who have not agreed.
        yet: BTreeSet<SmolStr>,
    },
    /// It may make its changes, and restart.
    Session,
    /// All was done and seen.
    Settling {
        /// From when on it may be given back.
        until: Timestamp,
    },
    /// It has settled, and these hooks have to agree.
    Checking {
        /// Those who have not agreed.
        yet: BTreeSet<SmolStr>,
        /// Since when: what a signal said before that says nothing; `None` in logs from before signals were asked.
        #[serde(default)]
        since: Option<Timestamp>,
    },
    /// A person has given it back. What the device was told lasts until then.
    Withdrawn {
        /// From when on it surely begins nothing any more.
        until: Timestamp,
        /// Why.
        why: SmolStr,
    },
}

/// What a hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Whether nothing depends on the holder any more, so that its session may begin.
    Drain,
    /// Whether it is well, so that the next may begin.
    Health,
}

/// Why a transition is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {is}")]
pub struct NotNow {
    /// What the lease is instead.
    pub is: &'static str,
}

impl Group {
    /// The field of the group that all devices of one person are.
    pub const PERSON: &'static str = "person";

    /// The group of a field's value.
    pub fn new(field: impl Into<SmolStr>, value: impl Into<SmolStr>) -> Group {
        Group { field: field.into(), value: value.into() }
    }

    /// Whether it is the devices of one person.
    pub fn is_of_a_person(&self) -> bool {
        self.field == Group::PERSON
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.field, self.value)
    }
}

impl Holder {
    /// The device that it is.
    pub fn device(&self) -> Option<&DeviceId> {
        match self {
            Holder::Device(device) => Some(device),
            Holder::Client(_) => None,
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        match self {
            Holder::Device(device) => device.as_str(),
            Holder::Client(name) => name,
        }
    }
}

impl Phase {
    /// In a word.
    pub fn word(&self) -> &'static str {
        match self {
            Phase::Draining { .. } => "draining",
            Phase::Session => "session",
            Phase::Settling { .. } => "settling",
            Phase::Checking { .. } => "checking",
            Phase::Withdrawn { .. } => "withdrawn",
        }
    }
}

impl Lease {
    /// A lease that begins.
    pub fn taken(places: BTreeSet<Place>, at: Timestamp, seq: u64) -> Lease {
        let phase = beginning(&places);
        Lease { places, since: at, by_event: seq, revised: seq, phase, problem: None }
    }

    /// More places for a session that goes on: its hooks have to agree before it begins anything more.
    pub fn extended(&mut self, places: &BTreeSet<Place>) -> Result<(), NotNow> {
        let Phase::Session = self.phase else { return Err(self.not_now()) };
        self.phase = beginning(places);
        self.places.extend(places.iter().cloned());
        Ok(())
    }

    /// A hook agrees that the session begins.
    pub fn drained(&mut self, hook: &str) -> Result<(), NotNow> {
        let Phase::Draining { yet } = &mut self.phase else { return Err(self.not_now()) };
        yet.remove(hook);
        if yet.is_empty() {
            self.phase = Phase::Session;
        }
        self.problem = None;
        Ok(())
    }

    /// All was done and seen, or nothing has to be done any more. What has changed nothing has nothing to settle.
    pub fn ended(&mut self, at: Timestamp, changed: bool) -> Result<(), NotNow> {
        let (Phase::Session | Phase::Draining { .. }) = self.phase else { return Err(self.not_now()) };
        let settle = if changed { self.settle() } else { SignedDuration::ZERO };
        self.phase = Phase::Settling { until: at.checked_add(settle).unwrap_or(Timestamp::MAX) };
        self.problem = None;
        Ok(())
    }

    /// It was not over after all. What was drained for it may be in use again: the hooks have to agree once more.
    pub fn resumed(&mut self) -> Result<(), NotNow> {
        self.resumed_as(beginning(&self.places))
    }

    /// As [`Self::resumed`], in logs from before hooks were asked again.
    pub fn resumed_at_once(&mut self) -> Result<(), NotNow> {
        self.resumed_as(Phase::Session)
    }

    fn resumed_as(&mut self, phase: Phase) -> Result<(), NotNow> {
        let (Phase::Settling { .. } | Phase::Checking { .. }) = self.phase else { return Err(self.not_now()) };
        self.phase = phase;
        self.problem = None;
        Ok(())
    }

    /// It has settled; the hooks have to agree. Without any it is given back instead.
    pub fn checked(&mut self, at: Timestamp) -> Result<(), NotNow> {
        let Phase::Settling { .. } = self.phase else { return Err(self.not_now()) };
        self.phase = Phase::Checking { yet: self.hooks(Question::Health), since: Some(at) };
        Ok(())
    }

    /// A hook agrees that it is well. It is given back once all have.
    pub fn healthy(&mut self, hook: &str) -> Result<(), NotNow> {
        let Phase::Checking { yet, .. } = &mut self.phase else { return Err(self.not_now()) };
        yet.remove(hook);
        self.problem = None;
        Ok(())
    }

    /// A person gives it back: nothing that the device was told counts after `until`.
    pub fn withdrawn(&mut self, until: Timestamp, why: SmolStr) -> Result<(), NotNow> {
        if let Phase::Withdrawn { .. } = self.phase {
            return Err(self.not_now());
        }
        self.phase = Phase::Withdrawn { until, why };
        self.problem = None;
        Ok(())
    }

    /// Whether it can be given back at a time.
    pub fn is_over(&self, at: Timestamp) -> bool {
        match &self.phase {
            Phase::Draining { .. } | Phase::Session => false,
            Phase::Settling { until } => *until <= at && self.hooks(Question::Health).is_empty(),
            Phase::Checking { yet, .. } => yet.is_empty(),
            Phase::Withdrawn { until, .. } => *until <= at,
        }
    }

    /// Whether a session may begin changes that all of these limit.
    pub fn permits(&self, places: &BTreeSet<Place>) -> bool {
        self.phase == Phase::Session && places.iter().all(|place| self.has(&place.group))
    }

    /// Whether it is of a group.
    pub fn has(&self, group: &Group) -> bool {
        self.places.iter().any(|place| place.group == *group)
    }

    /// The hooks that have a say.
    pub fn hooks(&self, question: Question) -> BTreeSet<SmolStr> {
        hooks(&self.places, question)
    }

    /// Who is asked what now.
    pub fn asks(&self) -> Option<(Question, &BTreeSet<SmolStr>)> {
        match &self.phase {
            Phase::Draining { yet } => Some((Question::Drain, yet)),
            Phase::Checking { yet, .. } => Some((Question::Health, yet)),
            Phase::Session | Phase::Settling { .. } | Phase::Withdrawn { .. } => None,
        }
    }

    fn settle(&self) -> SignedDuration {
        let longest = self.places.iter().map(|place| place.settle_seconds).max().unwrap_or(0);
        SignedDuration::from_secs(i64::try_from(longest).unwrap_or(i64::MAX))
    }

    fn not_now(&self) -> NotNow {
        NotNow { is: self.phase.word() }
    }
}

fn beginning(places: &BTreeSet<Place>) -> Phase {
    let yet = hooks(places, Question::Drain);
    if yet.is_empty() { Phase::Session } else { Phase::Draining { yet } }
}

fn hooks(places: &BTreeSet<Place>, question: Question) -> BTreeSet<SmolStr> {
    let named = places.iter().flat_map(|place| match question {
        Question::Drain => [place.drain.clone(), None],
        Question::Health => [place.health.clone(), place.signal.as_ref().map(|signal| format_smolstr!("{signal}"))],
    });
    named.flatten().collect()
}

/// Who is around in a group, besides those who have a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Members that are silent, with the time since when.
    pub silent: BTreeMap<DeviceId, Timestamp>,
    /// How many members there are that are not silent, or have a lease; whoever asks is one of them.
    pub present: u32,
}

/// Why somebody gets no lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct No {
    /// The group that is full.
    pub group: Group,
    /// How many of it may be away.
    pub most: u32,
    /// Those who are.
    pub away: Vec<Away>,
}

/// Somebody who is away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Away {
    /// Since when.
    pub since: Timestamp,
    /// Who.
    pub who: Holder,
    /// Whether it has no lease, and is silent.
    pub silent: bool,
}

/// All leases.
pub trait Leases {
    /// Those of a group, with who has them.
    fn of_group<'l>(&'l self, group: &Group) -> impl Iterator<Item = (&'l Holder, &'l Lease)>;

    /// Whether somebody may have a lease of all these places, beside those that they have.
    fn ask(&self, who: &Holder, places: &[(Place, Around)]) -> Result<(), No> {
        for (place, around) in places {
            room(who, place, around, self.of_group(&place.group))?;
        }
        Ok(())
    }
}

/// Whether there is room in a group for one more who is away.
fn room<'l>(
    who: &Holder,
    place: &Place,
    around: &Around,
    leases: impl Iterator<Item = (&'l Holder, &'l Lease)>,
) -> Result<(), No> {
    let mut most = match place.most {
        Most::Of(most) => most,
        Most::AllButOne if around.present <= 1 => 1,
        Most::AllButOne => around.present - 1,
    };
    let mut away = Vec::new();
    for (holder, lease) in leases {
        let terms = lease.places.iter().filter(|known| known.group == place.group);
        // Who was promised to be alone is.
        terms.for_each(|known| match known.most {
            Most::Of(theirs) if *holder != *who => most = most.min(theirs),
            Most::Of(_) | Most::AllButOne => {}
        });
        if holder == who {
            return Ok(());
        }
        away.push(Away { since: lease.since, who: holder.clone(), silent: false });
    }
    // All but one of those that are there: who is silent is not there.
    if matches!(place.most, Most::Of(_)) {
        for (device, since) in &around.silent {
            let silent = Holder::Device(device.clone());
            if silent != *who && away.iter().all(|away| away.who != silent) {
                away.push(Away { since: *since, who: silent, silent: true });
            }
        }
    }
    if u32::try_from(away.len()).is_ok_and(|away| away < most) {
        return Ok(());
    }
    away.sort();
    Err(No { group: place.group.clone(), most, away })
}

#[cfg(test)]
mod tests;
