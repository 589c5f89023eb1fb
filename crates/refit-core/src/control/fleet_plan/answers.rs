//! What the fleet engine answers, as a server says it.

use crate::{
    control::{
        entry::SlotName,
        publication::{CohortKey, Wanted},
    },
    decide,
    engine::{self, Outcome},
    world::SlotKey,
};
use refit_model::Version;

/// What would be published for a slot, as a server has it; `None` where no policy decides.
pub(crate) fn key_of(slot: &SlotKey, outcome: &Outcome) -> Option<CohortKey> {
    let release = |version: &Version| Wanted::Release(version.as_str().into());
    let goal = match &outcome.goal {
        None => Wanted::Nothing,
        Some(engine::Goal::Absent) => Wanted::Absent,
        Some(engine::Goal::Release { version, .. }) => release(version),
    };
    // What is not outstanding asks for nothing, and what is not forced removes nothing.
    let asks = outcome.progress == engine::Progress::Scheduled;
    let unsure = outcome.marks.contains(&engine::Mark::Conflict) || outcome.marks.contains(&engine::Mark::Undetermined);
    let admitted = match (&goal, &outcome.admitted) {
        (Wanted::Absent, None) if asks && !unsure => Wanted::Absent,
        (_, Some(version)) if asks => release(version),
        _ => Wanted::Nothing,
    };
    Some(CohortKey {
        slot: SlotName::from(slot),
        policy: outcome.policy.clone()?,
        mode: outcome.mode,
        goal,
        admitted,
        rollout: outcome.rollout.clone(),
        ring: outcome.ring.clone(),
    })
}

/// How a slot stands.
pub(super) fn compliance(compliance: engine::Compliance) -> decide::Compliance {
    match compliance {
        engine::Compliance::Compliant => decide::Compliance::Compliant,
        engine::Compliance::Due => decide::Compliance::Due,
        engine::Compliance::Overdue => decide::Compliance::Overdue,
        engine::Compliance::Unsupported => decide::Compliance::Unsupported,
        engine::Compliance::Unseen => decide::Compliance::Unseen,
        engine::Compliance::Undetermined => decide::Compliance::Undetermined,
        engine::Compliance::NotApplicable => decide::Compliance::NotApplicable,
        engine::Compliance::Unmanaged => decide::Compliance::Unmanaged,
    }
}

/// How far a change has come.
pub(super) fn progress(outcome: &Outcome) -> decide::Progress {
    match outcome.progress {
        engine::Progress::None => decide::Progress::None,
        engine::Progress::Waiting => decide::Progress::Waiting,
        engine::Progress::Scheduled => decide::Progress::Scheduled,
    }
}

/// What holds it.
pub(super) fn holds(outcome: &Outcome) -> Vec<decide::Hold> {
    let hold = |hold: &engine::Hold| match hold {
        engine::Hold::Block => decide::Hold::Block,
        engine::Hold::FailedGate => decide::Hold::FailedGate,
        engine::Hold::Freeze => decide::Hold::Freeze,
        engine::Hold::Provisioning => decide::Hold::Provisioning,
        engine::Hold::Grace => decide::Hold::Grace,
        engine::Hold::Window => decide::Hold::Window,
    };
    outcome.holds.iter().map(hold).collect()
}

/// What has to be known about it.
pub(super) fn marks(outcome: &Outcome) -> Vec<decide::Mark> {
    let mark = |mark: &engine::Mark| match mark {
        engine::Mark::AboveTarget => decide::Mark::AboveTarget,
        engine::Mark::Provisional => decide::Mark::Provisional,
        engine::Mark::Undetermined => decide::Mark::Undetermined,
        engine::Mark::Conflict => decide::Mark::Conflict,
    };
    outcome.marks.iter().map(mark).collect()
}
