//! Questions to people about releases that wait.

use super::super::{
    event::{ApprovalAnswered, GateAsked},
    input::{Outcome, Refusal},
    state::State,
};
use super::{
    catalogue::{readable, repository},
    operations::one,
};

/// Asks once, about a gate that stands and that nobody has answered: what the director saw may have changed since.
pub(super) fn ask(state: &State, asked: GateAsked) -> Result<Outcome, Refusal> {
    readable(state, &asked.title, &asked.version)?;
    let GateAsked { title, version, rollout, after, platform, because, .. } = &asked;
    if !repository(state)?.rollouts.contains_key(rollout) {
        return Err(Refusal::Missing { what: "rollout", id: rollout.clone() });
    }
    let rollouts = &state.rollouts;
    let platform = platform.as_deref();
    let record = rollouts.of(title).iter().find(|record| record.is_of(rollout, version, platform));
    let waits = record.filter(|record| {
        record.ring(after).is_some()
            && rollouts.answer(title, version, platform, (rollout, after)).is_none()
            && rollouts.halt(title, version, platform).is_none()
    });
    let new =
        waits.is_some_and(|record| rollouts.asks(title, record).all(|question| !question.because.is_like(*because)));
    Ok(if new { one(asked) } else { Outcome::default() })
}

/// People answered in another system whether a release goes on. The same answer again says nothing new.
pub(super) fn approval(state: &State, answered: ApprovalAnswered) -> Result<Outcome, Refusal> {
    let ApprovalAnswered { title, version, rollout, platform, process, agrees, .. } = &answered;
    if !repository(state)?.rollouts.contains_key(rollout) {
        return Err(Refusal::Missing { what: "rollout", id: rollout.clone() });
    }
    let known = state.rollouts.approval((title, version), (rollout, platform.as_deref()), process);
    let same = known.is_some_and(|known| known.agrees == *agrees);
    Ok(if same { Outcome::default() } else { one(answered) })
}
