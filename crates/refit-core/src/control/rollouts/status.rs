//! How a release stands on its way, for people.

use super::{
    super::state::State,
    answered::GateRecord,
    approved::ApprovalRecord,
    asked::{AskedFor, GateQuestion},
    evidence::evidence,
    record::{Happened, Moment, RolloutRecord},
};
use crate::{
    decide::rough,
    policy::document::test::GateAnswer,
    rollout::{
        Evidence, Measure, Verdict, Wants,
        commands::NamedGate,
        judge,
        words::{halted_because, halted_by, looks, outstanding, watched},
    },
};
use jiff::{SignedDuration, Timestamp};
use refit_model::TitleId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;

/// How a release stands in a rollout on a platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// How far it is.
    pub course: Course,
    /// The last ring that has opened.
    pub ring: SmolStr,
    /// What the gate after the last open ring goes by now; `None` where the rollout has no gate, or is no longer in the policy.
    pub evidence: Option<Evidence>,
    /// What it says.
    pub verdict: Option<Verdict>,
    /// How long the ring has to soak.
    pub soak: SignedDuration,
    /// The process in which people have to agree before the next ring opens, and what they answered, where they did not agree.
    pub approval: Option<(SmolStr, Option<ApprovalRecord>)>,
    /// What people are asked about its gate; also where it is halted, since that may end.
    pub asks: Vec<GateQuestion>,
}

/// How far a release is, each with what there is to know of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Course {
    /// It is on its way.
    UnderWay {
        /// The ring that comes next.
        next: SmolStr,
        /// That a person keeps its gate from passing.
        kept: Option<KeptWaiting>,
    },
    /// A person has to say.
    Asks {
        /// The ring that comes next.
        next: SmolStr,
    },
    /// It is halted.
    Halted(Box<GateRecord>),
    /// All rings have opened.
    Complete,
    /// The policy no longer has this rollout.
    Gone,
}

/// A person's word that a gate is not clear: nothing passes there until it is taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptWaiting {
    /// When it was said.
    pub at: Timestamp,
    /// Why.
    pub why: Option<SmolStr>,
    /// What takes it back, as somebody types it.
    pub back: String,
}

/// How far a release is, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is on its way.
    UnderWay,
    /// The gate has been inconclusive for longer than its patience, or somebody behind it is overdue: a person has to say.
    Asks,
    /// It is halted.
    Halted,
    /// All rings have opened.
    Complete,
    /// The policy no longer has this rollout.
    Gone,
}

impl Course {
    /// It as a word.
    pub fn stage(&self) -> Stage {
        match self {
            Course::UnderWay { .. } => Stage::UnderWay,
            Course::Asks { .. } => Stage::Asks,
            Course::Halted(_) => Stage::Halted,
            Course::Complete => Stage::Complete,
            Course::Gone => Stage::Gone,
        }
    }
}

impl Status {
    /// How a release stands at `now`; `None` where nothing has opened.
    pub fn of(state: &State, title: &TitleId, record: &RolloutRecord, now: Timestamp) -> Option<Status> {
        let platform = record.platform.as_deref();
        let rollout = state.policy.as_ref().and_then(|policy| policy.repository.rollouts.get(&record.rollout));
        let known = rollout.and_then(|rollout| record.furthest(rollout).map(|(open, ring)| (rollout, open, ring)));
        let open = known.map(|(_, open, _)| open).or(record.open.last())?;
        let mut status = Status {
            course: Course::Gone,
            ring: open.ring.clone(),
            evidence: None,
            verdict: None,
            soak: SignedDuration::ZERO,
            approval: None,
            asks: state.open_questions(title, record).cloned().collect(),
        };
        if let Some((rollout, _, ring)) = known {
            status.soak = ring.soak;
            if let Some(gate) = &rollout.gate {
                status.evidence = evidence(state, title, record, &open.ring, gate, now);
                status.verdict = status.evidence.as_ref().map(|evidence| judge(gate, ring.soak, evidence, now));
            }
            let next = rollout.rings.iter().find(|ring| record.ring(&ring.name).is_none());
            status.approval = next.and_then(|ring| ring.approval.as_ref()).and_then(|process| {
                let release = (title, record.version.as_str());
                let answer = state.rollouts.approval(release, (&record.rollout, platform), process).cloned();
                let agrees = answer.as_ref().is_some_and(|answer| answer.agrees);
                let waits = !agrees && !state.rollouts.is_expedited(title, &record.version, platform);
                waits.then(|| (process.clone(), answer))
            });
            let next = next.map(|ring| ring.name.clone());
            status.course = match next {
                None => Course::Complete,
                Some(next) if !status.asks.is_empty() => Course::Asks { next },
                Some(next) => {
                    let gate = (record.rollout.as_str(), open.ring.as_str());
                    let said = state.rollouts.answer(title, &record.version, platform, gate);
                    let kept = said.filter(|said| said.answer == GateAnswer::Inconclusive);
                    let kept = kept.map(|said| KeptWaiting {
                        at: said.at,
                        why: said.why.clone(),
                        back: said.named(title).back(),
                    });
                    Course::UnderWay { next, kept }
                }
            };
        }
        if let Some(halt) = state.rollouts.halt(title, &record.version, platform) {
            status.course = Course::Halted(Box::new(halt.clone()));
        }
        Some(status)
    }

    /// One sentence for people.
    pub fn sentence(&self, now: Timestamp) -> String {
        let ring = &self.ring;
        let results_after = |mark: &str| {
            let evidence = self.evidence.as_ref();
            evidence.map_or_else(String::new, |evidence| format!("{mark} {}", self.results(evidence, now)))
        };
        let results = results_after(":");
        match &self.course {
            Course::Halted(halt) => {
                let until = halt.until.map_or_else(String::new, |until| format!(", until {until:.0}"));
                format!("halted after {}: {}{until}", halt.after, because(halt))
            }
            Course::Gone => format!("{ring} is open, and the policy no longer has this rollout"),
            Course::Complete => format!("all rings are open{results}"),
            Course::Asks { next } => {
                let why: String = self.asks.iter().map(|asked| format!("; {}", asked.because.sentence(now))).collect();
                format!("a person has to say whether {next} opens{results}{why}")
            }
            Course::UnderWay { next, kept: None } => match &self.approval {
                None => format!("{next} opens when {ring} has passed{results}"),
                Some((process, None)) => {
                    format!("{next} opens when {ring} has passed and people have agreed in {process}{results}")
                }
                Some((process, Some(answer))) => {
                    let results = results_after(";");
                    format!("{next} does not open: people refused it in {process} ({}){results}", answer.why)
                }
            },
            Course::UnderWay { next, kept: Some(KeptWaiting { at, why, back }) } => {
                let why = why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
                let results = results_after(";");
                format!(
                    "{next} waits because a person said at {at:.0} that {ring} is not clear{why}, until `{back}` takes that \
                     back{results}"
                )
            }
        }
    }

    fn results(&self, evidence: &Evidence, now: Timestamp) -> String {
        let failed = match evidence.failed {
            0 => "none failed".to_owned(),
            failed => format!("{failed} failed"),
        };
        let reported = match evidence.devices {
            0 => "nobody in it has the title or waits for the release".to_owned(),
            devices => format!("{} of {devices} reported, {failed}", evidence.reported),
        };
        let soaked = evidence.first_result.map(|first| now.duration_since(first));
        let soaked = match soaked {
            _ if self.soak.is_zero() => String::new(),
            Some(soaked) if soaked >= self.soak => ", soaked".to_owned(),
            Some(soaked) => format!(", {} of {} soaked", rough(soaked), rough(self.soak)),
            None => String::new(),
        };
        let wants = match &self.verdict {
            Some(Verdict::Waits(Wants::Measure(measure))) => format!("; {}", looks(measure, evidence)),
            Some(Verdict::Waits(Wants::Watching(measure))) => {
                let watched = watched(measure, evidence);
                match measure {
                    Measure::Signal(name) => format!("; signal {name} speaks of {watched} of them since the change"),
                    _ => format!("; {watched} watched for long enough to fall silent"),
                }
            }
            _ => String::new(),
        };
        format!("{reported}{soaked}{wants}{}", outstanding(evidence))
    }
}

/// Why a release is halted.
pub fn because(halt: &GateRecord) -> String {
    let because = halted_because(halt.why.as_ref(), halt.verdict.as_ref(), halt.evidence.as_ref());
    because.unwrap_or_else(|| match (halt.answer, &halt.verdict) {
        (GateAnswer::Halt, Some(_)) => "its gate said so".to_owned(),
        (GateAnswer::Halt, None) => "a person said so".to_owned(),
        _ => String::new(),
    })
}

impl GateRecord {
    /// The gate as people name it, where this was said; `title` is that of the release.
    pub fn named<'s>(&'s self, title: &'s TitleId) -> NamedGate<'s> {
        NamedGate {
            title: title.as_str(),
            version: &self.version,
            after: &self.after,
            rollout: self.rollout.as_deref(),
            platform: self.platform.as_deref(),
        }
    }
}

impl Moment {
    /// It in words. What it is that was taken back is known by what had been said: `before` are the moments of the same title that came
    /// before it, oldest first.
    pub fn says<'m>(&self, before: impl IntoIterator<Item = &'m Moment>) -> String {
        let Happened::Answered { rollout, after, answer: None, why, .. } = &self.what else {
            return self.what.to_string();
        };
        let mut said: Vec<(Option<&SmolStr>, GateAnswer)> = Vec::new();
        for moment in before {
            let Happened::Answered { rollout, after: ring, answer, .. } = &moment.what else { continue };
            if (&moment.version, ring, &moment.platform) == (&self.version, after, &self.platform) {
                let rollout = rollout.as_ref();
                said.retain(|(of, _)| rollout.is_some() && *of != rollout);
                said.extend(answer.map(|answer| (rollout, answer)));
            }
        }
        let rollout = rollout.as_ref();
        said.retain(|(of, _)| rollout.is_none() || *of == rollout);
        let was = |answer: GateAnswer| said.iter().any(|(_, said)| *said == answer);
        if was(GateAnswer::Halt) {
            return self.what.to_string();
        }
        let where_it = if was(GateAnswer::Inconclusive) {
            ", where a person kept it waiting"
        } else if was(GateAnswer::Pass) {
            ", where it had passed"
        } else {
            // It was said before the oldest moment that is kept.
            ""
        };
        let of = rollout.map_or_else(String::new, |rollout| format!(" of {rollout}"));
        let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        format!("taken back after ring {after}{of}{where_it}{why}")
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happened::Opened { rollout, ring, devices: Some(1) } => {
                write!(f, "ring {ring} of {rollout} opened for 1 device")
            }
            Happened::Opened { rollout, ring, devices: Some(devices) } => {
                write!(f, "ring {ring} of {rollout} opened for {devices} devices")
            }
            Happened::Opened { rollout, ring, devices: None } => write!(f, "ring {ring} of {rollout} opened"),
            Happened::Answered { rollout, after, answer, verdict, evidence, why } => {
                let said = match answer {
                    Some(GateAnswer::Pass) => "passed",
                    Some(GateAnswer::Halt) => "halted",
                    Some(GateAnswer::Inconclusive) => "kept waiting",
                    None => "let go on",
                };
                let by = match (why, verdict, evidence) {
                    (Some(why), ..) => why.to_string(),
                    (None, Some(Verdict::Halts(by)), Some(evidence)) => halted_by(by, evidence),
                    (None, _, Some(evidence)) => {
                        format!("{} of {} reported, {} failed", evidence.reported, evidence.devices, evidence.failed)
                    }
                    (None, ..) if answer.is_none() => "the halt has ended".to_owned(),
                    (None, ..) => "by hand".to_owned(),
                };
                let of = rollout.as_ref().map_or_else(String::new, |rollout| format!(" of {rollout}"));
                write!(f, "{said} after ring {after}{of}: {by}")
            }
            Happened::HaltEnded { rollout, after, why, on } => {
                let of = rollout.as_ref().map_or_else(String::new, |rollout| format!(" of {rollout}"));
                let how = why.as_ref().map_or_else(|| "has ended".to_owned(), |why| format!("was taken back ({why})"));
                let on: Vec<&str> = on.iter().map(SmolStr::as_str).collect();
                let (on, there) = match on.is_empty() {
                    true => (String::new(), ""),
                    false => (format!(" on {}", on.join(", ")), " there"),
                };
                write!(f, "still halted{on}: the halt after ring {after}{of} {how}, and another holds it{there}")
            }
            Happened::Asked { rollout, after, because, evidence } => {
                let why = match because {
                    AskedFor::Patience { since } => format!("not clear since {since:.0}"),
                    due @ AskedFor::Due { since, .. } => due.sentence(*since),
                };
                let results = evidence.as_ref().map_or_else(String::new, |evidence| {
                    format!("; {} of {} reported, {} failed", evidence.reported, evidence.devices, evidence.failed)
                });
                write!(f, "a person is asked whether it goes on after ring {after} of {rollout}: {why}{results}")
            }
            Happened::Expedited { why } => write!(f, "it waits for no gate: {why}"),
            Happened::Approved { rollout, process, agrees, why } => {
                let said = if *agrees { "agreed" } else { "refused" };
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                write!(f, "people {said} in {process} that it goes on in {rollout}{why}")
            }
        }
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
