//! Questions to people: gates that have not answered for too long, and due times that have come behind a gate that has not.
//!
//! A question is written down once. It is open until somebody answers the gate, or the next ring opens whoever let it; and nobody has
//! to answer what has no more to do with anybody: [`State::open_questions`] says which those are.

use super::{
    super::{
        event::{GateAnswered, GateAsked, RingOpened},
        state::State,
    },
    record::{Happened, Moment, RolloutRecord, Rollouts},
};
use crate::{decide::rough, policy::document::test::GateAnswer};
use jiff::Timestamp;
use refit_model::TitleId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// Why a person is asked whether a release goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedFor {
    /// The gate has not been clear for longer than its patience.
    Patience {
        /// Since when it has not.
        #[schemars(with = "String")]
        since: Timestamp,
    },
    /// Devices behind the gate are overdue, and what gives their due time says `at_due: ask`.
    Due {
        /// How many were when it was asked.
        devices: u64,
        /// The first of their due times.
        #[schemars(with = "String")]
        since: Timestamp,
    },
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateQuestion {
    /// The release.
    pub version: SmolStr,
    /// The rollout in which the gate stands.
    pub rollout: SmolStr,
    /// The ring before the gate.
    pub after: SmolStr,
    /// The platform; `None` is every platform.
    pub platform: Option<SmolStr>,
    /// When it was asked.
    pub at: Timestamp,
    /// Why.
    pub because: AskedFor,
}

impl AskedFor {
    /// Whether it is the same question, whatever its figures.
    pub fn is_like(self, other: AskedFor) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// In words, at a time: `not clear for 7 days`.
    pub fn sentence(self, now: Timestamp) -> String {
        match self {
            AskedFor::Patience { since } => format!("not clear for {}", rough(now.duration_since(since))),
            AskedFor::Due { devices: 1, since } => format!("1 device behind it was due on {since:.0}"),
            AskedFor::Due { devices, since } => {
                format!("{devices} devices behind it are overdue, the first since {since:.0}")
            }
        }
    }
}

impl State {
    /// What a person has to say about a release in a rollout: what was asked and is not answered, while that rollout is in the policy and
    /// has a ring before the release, the release is not halted there, and no later one has taken its place.
    pub fn open_questions<'s>(
        &'s self,
        title: &TitleId,
        record: &'s RolloutRecord,
    ) -> impl Iterator<Item = &'s GateQuestion> {
        let mut asked = self.rollouts.asks(title, record).peekable();
        let is_open = asked.peek().is_some() && self.waits_for_a_gate(title, record);
        asked.filter(move |_| is_open)
    }

    /// How many releases wait for a person, in each rollout and on each platform.
    pub fn waiting_for_people(&self) -> usize {
        let asked = self.rollouts.asked.keys();
        let records = asked.flat_map(|title| self.rollouts.of(title).iter().map(move |record| (title, record)));
        records.filter(|(title, record)| self.open_questions(title, record).next().is_some()).count()
    }

    fn waits_for_a_gate(&self, title: &TitleId, record: &RolloutRecord) -> bool {
        let rollout = self.policy.as_ref().and_then(|policy| policy.repository.rollouts.get(&record.rollout));
        let stands_before_a_ring = rollout.is_some_and(|rollout| {
            record.furthest(rollout).is_some() && rollout.rings.iter().any(|ring| record.ring(&ring.name).is_none())
        });
        stands_before_a_ring
            && self.rollouts.halt(title, &record.version, record.platform.as_deref()).is_none()
            && !self.is_succeeded(title, record)
    }
}

impl Rollouts {
    /// What was asked of a title's releases and is not answered.
    pub fn questions(&self, title: &TitleId) -> &[GateQuestion] {
        self.asked.get(title).map_or(&[], |list| list.as_slice())
    }

    /// What was asked about the gates of a release in a rollout, and is not answered: a ring that opens ends all of that. Whether a person
    /// still has to say anything is what [`State::open_questions`] knows.
    pub fn asks<'s>(&'s self, title: &TitleId, record: &'s RolloutRecord) -> impl Iterator<Item = &'s GateQuestion> {
        let questions = self.questions(title).iter();
        questions.filter(|question| record.is_of(&question.rollout, &question.version, question.platform.as_deref()))
    }

    /// Since when the gate after an open ring has been able to answer and has not: that ring opened, or somebody took back what
    /// it had said, or the release was halted, by whatever gate, and goes on.
    pub fn unclear_since(&self, title: &TitleId, record: &RolloutRecord, ring: &str) -> Timestamp {
        let opened = record.ring(ring).map_or(Timestamp::MIN, |open| open.at);
        let moments = self.timelines.get(title).into_iter().flat_map(|moments| moments.iter());
        let taken_back = moments.filter(|moment| {
            let Happened::Answered { rollout, after, answer: None, .. } = &moment.what else { return false };
            let of_gate = after == ring && rollout.as_ref().is_none_or(|of| *of == record.rollout);
            let of_release =
                moment.version == record.version && (moment.platform.is_none() || moment.platform == record.platform);
            of_gate && of_release
        });
        let goes_on = self.last_halt_ended(title, &record.version, record.platform.as_deref());
        taken_back.map(|moment| moment.at).chain(goes_on).fold(opened, Timestamp::max)
    }

    pub(in super::super) fn gate_asked(&mut self, seq: u64, at: Timestamp, asked: &GateAsked) {
        let GateAsked { title, version, rollout, after, platform, because, evidence, .. } = asked.clone();
        let what = Happened::Asked { rollout: rollout.clone(), after: after.clone(), because, evidence };
        self.note(&title, Moment { seq, at, version: version.clone(), platform: platform.clone(), what });
        let list = Arc::make_mut(self.asked.entry(title).or_default());
        list.push(GateQuestion { version, rollout, after, platform, at, because });
    }

    /// A gate was answered, or its answer taken back: what was asked about it has been heard.
    pub(in super::super) fn heard(&mut self, answered: &GateAnswered) {
        let GateAnswered { title, version, rollout, after, platform, answer, .. } = answered;
        self.forget_questions(title, |question| {
            let of_release = question.version == *version && (platform.is_none() || *platform == question.platform);
            let of_gate = question.after == *after && rollout.as_ref().is_none_or(|of| *of == question.rollout);
            // What is halted is halted everywhere.
            of_release && (of_gate || *answer == Some(GateAnswer::Halt))
        });
    }

    /// A ring opened: the gates before it are passed, whoever let it.
    pub(in super::super) fn goes_on(&mut self, opened: &RingOpened) {
        let RingOpened { title, version, rollout, platform, .. } = opened;
        self.forget_questions(title, |question| {
            (&question.version, &question.rollout, &question.platform) == (version, rollout, platform)
        });
    }

    fn forget_questions(&mut self, title: &TitleId, forgets: impl Fn(&GateQuestion) -> bool) {
        let Some(list) = self.asked.get_mut(title).filter(|list| list.iter().any(&forgets)) else { return };
        let left: Vec<GateQuestion> = list.iter().filter(|question| !forgets(question)).cloned().collect();
        if left.is_empty() {
            self.asked.remove(title);
        } else {
            *list = Arc::new(left);
        }
    }
}

#[cfg(test)]
#[path = "asked_tests.rs"]
mod tests;
