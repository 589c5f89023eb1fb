//! Invariants of time: due times, `phase_in`, absences, and what time alone changes.

use super::{
    Truth,
    fold::{Fold, FoldPublished},
};
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::{
        DueBy, DueCause, Evaluation, Evaluator, MovesPublished, PublishedCohort, SlotName, SlotOutcome, State, Terms,
    },
    decide::Mark,
};
use refit_model::DeviceId;
use smol_str::SmolStr;
use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

/// A due time that was published moves later only with a cause that the rules permit, and the cause is so.
pub fn due_times_do_not_slide(fold: &Fold, truth: &Truth, moves: &MovesPublished) -> Option<String> {
    for cohort in &moves.cohorts {
        if cohort.later_because == Some(DueCause::Unexplained) {
            let before = cohort.devices.iter().next().and_then(|index| fold.devices.get(index as usize));
            let before = before.and_then(|device| device.published.get(&cohort.key.slot));
            return Some(format!("unexplained: before {before:?}, now {cohort:?}"));
        }
        for index in cohort.devices.iter() {
            let Some(device) = fold.devices.get(index as usize) else { continue };
            let Some(before) = device.published.get(&cohort.key.slot) else { continue };
            let later = matches!((before.due, cohort.due), (Some(before), Some(due)) if due > before);
            if later && !permitted(fold, truth, moves.revision, before, cohort) {
                return Some(format!("{}: before {before:?}, now {cohort:?}", device.id));
            }
        }
    }
    None
}

fn permitted(fold: &Fold, truth: &Truth, revision: u64, before: &FoldPublished, cohort: &PublishedCohort) -> bool {
    let obligation = before.due_by.as_ref().map(|by| by.obligation.as_str());
    match cohort.later_because {
        None | Some(DueCause::Unexplained) => false,
        Some(DueCause::Policy) => before.revision != revision || before.key.policy != cohort.key.policy,
        Some(DueCause::AdvisoryWithdrawn) => {
            obligation.is_some_and(|id| fold.withdrawn.contains(&(cohort.key.slot.title.clone(), id.into())))
        }
        // Another obligation gives the due time now, or the same kind of one for another release, or after the device complied.
        Some(DueCause::ObligationEnded) => {
            let other = cohort.due_by.as_ref().map(|by| by.obligation.as_str()) != obligation;
            let release = |by: &Option<DueBy>| by.as_ref().and_then(|by| by.release.clone());
            let another = obligation == Some("stale") && release(&before.due_by) != release(&cohort.due_by);
            before.over || other || another
        }
        Some(DueCause::Exception) => {
            let spec = fold.policy.as_ref().and_then(|(_, _, files)| truth.specs.get(files));
            spec.is_some_and(|spec| spec.has_exceptions)
        }
        Some(DueCause::ProvisionalEnded) => before.due_by.as_ref().is_some_and(|by| by.provisional),
    }
}

/// Nobody who was there before a policy has a due time before its `phase_in` is over.
pub fn phase_in_forces_nobody(fold: &Fold, truth: &Truth, moves: &MovesPublished) -> Option<String> {
    let (_, _, files) = fold.policy.as_ref()?;
    let spec = truth.specs.get(files)?;
    for cohort in &moves.cohorts {
        let Some(due) = cohort.due else { continue };
        if cohort.due_by.as_ref().is_some_and(|by| by.exception.is_some()) {
            continue;
        }
        let policy = cohort.key.policy.as_str();
        let (Some(days), Some(since)) = (spec.phase_in_days.get(policy), fold.applies_since.get(policy)) else {
            continue;
        };
        let phased_in = since.checked_add(SignedDuration::from_hours(days * 24)).ok()?;
        let devices = cohort.devices.iter().filter_map(|index| fold.devices.get(index as usize));
        let forced = devices.filter(|device| device.enrolled < *since).find(|_| due < phased_in);
        if let Some(device) = forced {
            return Some(format!(
                "{} is due {due} by {policy}, which applies since {since} and forces nobody for {days}d",
                device.id
            ));
        }
    }
    None
}

/// What is known of an obligation at its last decision.
#[derive(Clone, Debug)]
struct Known {
    due: Timestamp,
    revision: u64,
    policy: Option<SmolStr>,
    installed: Option<SmolStr>,
    uncertain: bool,
    excepted: bool,
}

/// Due times of obligations, as they were last decided.
#[derive(Clone, Debug, Default)]
pub struct Obliged(BTreeMap<DeviceId, BTreeMap<(SlotName, SmolStr), Known>>);

/// The due time of one obligation moves later only with a cause that the rules permit: another revision or policy, an exception,
/// a provisional answer that has ended, or another release that does not satisfy.
pub fn obligations_do_not_slide(
    obliged: &mut Obliged,
    truth: &Truth,
    state: &State,
    evaluations: &[Evaluation],
) -> Option<String> {
    let spec = state.policy.as_ref().and_then(|policy| truth.specs.get(&policy.files));
    let excepted = spec.is_some_and(|spec| spec.has_exceptions);
    let mut found = None;
    for evaluation in evaluations {
        let last = obliged.0.entry(evaluation.device.clone()).or_default();
        let mut now = BTreeMap::new();
        for outcome in &evaluation.slots {
            let uncertain = outcome.marks.iter().any(|mark| matches!(mark, Mark::Provisional | Mark::Undetermined));
            for (name, due) in &outcome.obligations {
                let Some(due) = *due else { continue };
                let known = Known {
                    due,
                    revision: evaluation.revision,
                    policy: outcome.key.as_ref().map(|key| key.policy.clone()),
                    installed: outcome.installed.clone(),
                    uncertain: uncertain || lacks_a_score(state, &outcome.slot, name),
                    excepted,
                };
                let key = (outcome.slot.clone(), name.clone());
                if let Some(before) = last.get(&key)
                    && before.due < due
                    && !may_be_later(before, &known, name)
                {
                    let device = &evaluation.device;
                    found = found.or_else(|| Some(format!("{device} {key:?}: before {before:?}, now {known:?}")));
                }
                now.insert(key, known);
            }
        }
        *last = now;
    }
    found
}

/// Whether nobody has given one of an advisory's scores, so that what conditions say of it is provisional. (A slot is marked so
/// only where that obligation gives the slot's due time.)
fn lacks_a_score(state: &State, slot: &SlotName, name: &str) -> bool {
    let everywhere = state.advisories.get(&slot.title).into_iter().flat_map(|list| list.values());
    let packages = state.distributions.values().flat_map(|distribution| distribution.advisories.iter());
    let mut named = everywhere.chain(packages).filter(|advisory| advisory.id.as_str() == name);
    named.any(|advisory| advisory.cvss.is_none() || advisory.epss.is_none())
}

fn may_be_later(before: &Known, now: &Known, name: &str) -> bool {
    before.revision != now.revision
        || before.policy != now.policy
        || before.uncertain
        || before.excepted
        || now.excepted
        || (name == "stale" && before.installed != now.installed)
}

/// Until the time that a decision names, time alone does not change it: decided at a time in between, it is the same but for what
/// the clock itself says (how far it has come, whether a window is open).
pub fn nothing_changes_early(
    evaluator: &mut Evaluator,
    state: &State,
    evaluation: &Evaluation,
    at: Timestamp,
) -> Option<String> {
    let terms = Terms::in_force(state)?;
    let record = state.device(&evaluation.device)?;
    if at >= evaluation.next_change? {
        return None;
    }
    let then = evaluator.evaluate(state, &terms, record, at);
    let lasting = |slots: &[Arc<SlotOutcome>]| {
        let one = |slot: &Arc<SlotOutcome>| {
            (
                slot.key.clone(),
                slot.compliance,
                slot.due,
                slot.due_by.clone(),
                slot.obligations.clone(),
                slot.exposures.clone(),
            )
        };
        slots.iter().map(one).collect::<Vec<_>>()
    };
    let (now, then) = (lasting(&evaluation.slots), lasting(&then.slots));
    let first = now.iter().zip(&then).find(|(now, then)| now != then);
    (now != then).then(|| {
        format!(
            "{} decided at {} is said to stay until {:?}, and differs at {at}: {first:?}",
            evaluation.device, evaluation.at, evaluation.next_change
        )
    })
}

/// Who was really heard when, and when somebody listened.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    last: BTreeMap<DeviceId, Timestamp>,
    since: BTreeMap<DeviceId, Timestamp>,
    unsure: BTreeSet<DeviceId>,
    /// Times in which the server did not listen.
    pub downtimes: Vec<(Timestamp, Timestamp)>,
}

/// How far bookkeeping in quarters of an hour, and clocks that are set, may be from the truth.
const SLACK: SignedDuration = SignedDuration::from_hours(4);
/// What a server that was started does not know of who came before it went down: up to a quarter of an hour.
const UNSURE: SignedDuration = SignedDuration::from_mins(15);
/// The length of an absence.
const ABSENCE: SignedDuration = SignedDuration::from_hours(72);

impl Heard {
    /// A device was heard.
    pub fn heard(&mut self, device: &DeviceId, now: Timestamp) {
        self.since.entry(device.clone()).or_insert(now);
    }

    /// A device is first known.
    pub fn enrolled(&mut self, device: &DeviceId, now: Timestamp) {
        self.last.entry(device.clone()).or_insert(now);
    }

    /// The server was lost, and with it what it had gathered.
    pub fn lost(&mut self) {
        self.unsure.extend(std::mem::take(&mut self.since).into_keys());
    }

    /// An earlier log is in force.
    pub fn restored(&mut self, now: Timestamp) {
        self.lost();
        self.unsure.extend(self.last.keys().cloned());
        self.last.values_mut().for_each(|last| *last = now);
    }

    /// Three days of silence are an absence, and time in which nobody listened is none. Looked at when presence was written.
    pub fn downtime_is_no_absence(&mut self, state: &State, devices: &[DeviceId], to: Timestamp) -> Option<String> {
        let mut found = None;
        for device in devices {
            let (Some(heard), Some(last)) = (self.since.remove(device), self.last.insert(device.clone(), to)) else {
                continue;
            };
            if self.unsure.remove(device) {
                continue;
            }
            let listening = self.downtimes.iter().fold(heard.duration_since(last), |silence, (from, until)| {
                let (from, until) = ((*from).max(last), (*until).min(heard));
                if until > from { silence - until.duration_since(from) } else { silence }
            });
            let Some(record) = state.devices.get(device) else { continue };
            let newest = record.absences.last();
            // An absence that ended before the last sign is another one.
            let noted =
                newest.is_some_and(|absence| absence.back > last && absence.back.duration_since(heard).abs() < SLACK);
            if noted && listening < ABSENCE - SLACK {
                found = found.or_else(|| {
                    Some(format!("{device} was silent for {listening:#} while somebody listened: {newest:?}"))
                });
            }
            let starts = self.downtimes.iter().filter(|(from, until)| *until > last && *from < heard).count();
            let unsure = UNSURE * i32::try_from(starts).unwrap_or(i32::MAX);
            if !noted && listening > ABSENCE + SLACK + unsure {
                found = found.or_else(|| {
                    Some(format!("{device} was silent from {last} to {heard}, which is no absence: {newest:?}"))
                });
            }
        }
        found
    }
}
