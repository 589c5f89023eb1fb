//! When waiting is dangerous too.

use super::super::evidence::on_platform;
use crate::control::{board::Board, evaluate::SlotOutcome, state::State};
use refit_model::TitleId;

/// Whether waiting is dangerous too: somebody expedited the release, or the condition of a deadline brought somebody who has to get rid
/// of what he has of the title into this rollout. Who goes that way anyhow is in no hurry, whatever other titles do.
pub(super) fn is_urgent(
    state: &State,
    board: &Board,
    title: &TitleId,
    platform: Option<&str>,
    (rollout, version): (&str, &str),
) -> bool {
    // What is urgent moves in no snapshot, whose title is another.
    let is_hurried = |outcome: &SlotOutcome| {
        let way = outcome.key.as_ref().and_then(|key| key.rollout.as_deref());
        outcome.hurried && outcome.slot.title == *title && way == Some(rollout)
    };
    let here = on_platform(state, platform);
    state.rollouts.is_expedited(title, version, platform)
        || board.cohorts().any(|(outcome, devices)| is_hurried(outcome) && devices.common(&here) > 0)
}
