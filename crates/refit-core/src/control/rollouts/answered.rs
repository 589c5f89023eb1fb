//! What gates said, and which of it counts.

use super::{
    super::{device_set::DeviceSet, event::GateAnswered},
    record::{Happened, Moment, Rollouts},
};
use crate::{
    policy::document::test::GateAnswer,
    rollout::{Evidence, HaltedBy, Measure, Verdict},
};
use jiff::Timestamp;
use refit_model::TitleId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

/// What a gate said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateRecord {
    /// The release.
    pub version: SmolStr,
    /// The rollout in which the gate stands; `None` is every rollout with such a ring. A halt counts in all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<SmolStr>,
    /// The ring before the gate.
    pub after: SmolStr,
    /// The platform that it speaks of.
    pub platform: Option<SmolStr>,
    /// The answer.
    pub answer: GateAnswer,
    /// When it answered.
    pub at: Timestamp,
    /// Until when that counts; `None` is: until somebody takes it back.
    pub until: Option<Timestamp>,
    /// Why, where the evidence answered.
    pub verdict: Option<Verdict>,
    /// What it went by.
    pub evidence: Option<Evidence>,
    /// Why, where a person answered.
    pub why: Option<SmolStr>,
}

impl GateRecord {
    /// Whether it speaks of a release on a platform.
    pub fn speaks_of(&self, version: &str, platform: Option<&str>) -> bool {
        self.version == version && (self.platform.is_none() || self.platform.as_deref() == platform)
    }

    /// Whether another answer takes its place: one of the same gate, or of the gates after such rings of all rollouts. What is said
    /// of every platform takes the place of what was said of one; but a halt stays until it is taken back, or answered on its own
    /// platform, and it leaves what others said as it was.
    pub(in super::super) fn gives_way_to(&self, other: &GateAnswered) -> bool {
        let speaks_of_more = other.platform.is_none()
            && matches!(other.answer, Some(GateAnswer::Pass | GateAnswer::Inconclusive))
            && self.answer != GateAnswer::Halt;
        (&self.version, &self.after) == (&other.version, &other.after)
            && (other.rollout.is_none() || self.rollout == other.rollout)
            && (self.platform == other.platform || speaks_of_more)
    }

    /// Which of several answers to a gate counts: the least. A halt does; else the one that says most exactly of what it speaks, by
    /// rollout and platform, and of several as exact the most careful. Decisions go by the same rule.
    fn precedence(&self) -> (usize, u8) {
        let left_open = usize::from(self.rollout.is_none()) + usize::from(self.platform.is_none());
        match self.answer {
            GateAnswer::Halt => (0, 0),
            GateAnswer::Inconclusive => (left_open, 1),
            GateAnswer::Pass => (left_open, 2),
        }
    }
}

impl Rollouts {
    /// What gates said of a title.
    pub fn answers(&self, title: &TitleId) -> &[GateRecord] {
        self.gates.get(title).map_or(&[], |list| list.as_slice())
    }

    /// The halts of a release, and of the snapshots that it moves with, each with the title that it speaks of.
    pub fn halts_of(&self, title: &TitleId, version: &str) -> impl Iterator<Item = (TitleId, &GateRecord)> {
        let trial = self.trials.get(title).and_then(|trials| trials.get(version));
        let snapshots = trial.into_iter().flat_map(|trial| &trial.snapshots);
        let sets = std::iter::once((title.clone(), SmolStr::from(version))).chain(snapshots.cloned());
        sets.flat_map(|(title, version)| {
            let halts = move |gate: &&GateRecord| gate.answer == GateAnswer::Halt && gate.version == version;
            let found: Vec<_> = self.answers(&title).iter().filter(halts).collect();
            found.into_iter().map(move |gate| (title.clone(), gate))
        })
    }

    /// The halt of a release on a platform; of several the one that lasts longest.
    pub fn halt(&self, title: &TitleId, version: &str, platform: Option<&str>) -> Option<&GateRecord> {
        let halts = |gate: &&GateRecord| gate.answer == GateAnswer::Halt && gate.speaks_of(version, platform);
        self.answers(title).iter().filter(halts).min_by_key(|gate| Reverse(gate.until.unwrap_or(Timestamp::MAX)))
    }

    /// The platforms on which halts hold a release when something is taken back, by themselves or with a snapshot; `None` is every
    /// platform.
    fn halts_beside(&self, taken_back: &GateAnswered) -> Vec<Option<SmolStr>> {
        let halts = self.halts_of(&taken_back.title, &taken_back.version);
        let stay = halts.filter(|(title, halt)| *title != taken_back.title || !halt.gives_way_to(taken_back));
        stay.map(|(_, halt)| halt.platform.clone()).collect()
    }

    /// What the gate after a ring of a rollout said of a release on a platform. Two rollouts may have rings of one name: what is enough
    /// for an urgent one is not for the other. Where several answers stand it is the one that decisions go by.
    pub fn answer(
        &self,
        title: &TitleId,
        version: &str,
        platform: Option<&str>,
        (rollout, after): (&str, &str),
    ) -> Option<&GateRecord> {
        let said = self.answers(title).iter().filter(|gate| {
            let here = gate.rollout.as_deref().is_none_or(|of| of == rollout);
            here && gate.after == after && gate.speaks_of(version, platform)
        });
        said.min_by_key(|gate| gate.precedence())
    }

    /// `here` are the devices of the platform that it speaks of, where it speaks of one.
    pub(in super::super) fn gate_answered(
        &mut self,
        seq: u64,
        at: Timestamp,
        answered: &GateAnswered,
        here: Option<&DeviceSet>,
    ) {
        let GateAnswered { title, version, rollout, after, platform, answer, verdict, evidence, why, .. } =
            answered.clone();
        let stay = if answer.is_none() { self.halts_beside(answered) } else { Vec::new() };
        let is_ended =
            |known: &&GateRecord| answer.is_none() && known.answer == GateAnswer::Halt && known.gives_way_to(answered);
        let ends = self.answers(&title).iter().any(|known| is_ended(&known));
        let people = Some(Verdict::Halts(HaltedBy::Measure(Measure::Reports)));
        let by_people = self.answers(&title).iter().filter(is_ended).any(|halt| halt.verdict == people);
        let is_all_held = stay.iter().any(|on| on.is_none() || *on == platform);
        let on: BTreeSet<SmolStr> = match is_all_held || platform.is_some() {
            true => BTreeSet::new(),
            false => stay.into_iter().flatten().collect(),
        };
        let is_held_on = is_all_held || !on.is_empty();
        // What ends by itself excuses nothing; what people alone had said has had its time, unless somebody has confirmed it: then it is
        // weighed when that halt ends.
        if answer.is_none() && why.is_some() {
            self.went_on((&title, &version), platform.as_ref(), here, at);
        } else if by_people && !is_held_on {
            self.change_trials(&title, &version, |trial| trial.complained.take_out(here));
        }
        let what = match ends && is_held_on {
            true => Happened::HaltEnded { rollout, after, why, on },
            false => Happened::Answered { rollout, after, answer, verdict, evidence, why },
        };
        self.note(&title, Moment { seq, at, version, platform, what });
        let list = Arc::make_mut(self.gates.entry(answered.title.clone()).or_default());
        list.retain(|known| !known.gives_way_to(answered));
        if let Some(answer) = answered.answer {
            list.push(GateRecord {
                version: answered.version.clone(),
                rollout: answered.rollout.clone(),
                after: answered.after.clone(),
                platform: answered.platform.clone(),
                answer,
                at,
                until: answered.until,
                verdict: answered.verdict.clone(),
                evidence: answered.evidence.clone(),
                why: answered.why.clone(),
            });
        }
    }
}

#[cfg(test)]
#[path = "answered_tests.rs"]
mod tests;
