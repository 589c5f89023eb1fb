//! How systems that configuration is written to were found.

use super::super::{event::TargetObserved, input::Outcome, state::State};
use super::operations::one;
use jiff::SignedDuration;

/// How often a target that stands as before is written down all the same.
const CONFIRM_EVERY: SignedDuration = SignedDuration::from_hours(6);

pub(super) fn observed(state: &State, said: TargetObserved) -> Outcome {
    let known = state.targets.get(&said.target);
    let was = known.map(|known| known.drifted.clone()).unwrap_or_default();
    let mut said = TargetObserved { was, ..said };
    said.drifted.sort();
    said.undone.sort();
    let Some(known) = known else { return one(said) };
    // Of what could not be looked at nothing new is known.
    if said.observed.is_none() {
        said.observed = known.observed;
        said.drifted.clone_from(&known.drifted);
    }
    let grows_old = match (known.observed, said.observed) {
        (Some(before), Some(now)) => now.duration_since(before) >= CONFIRM_EVERY,
        (before, now) => before != now,
    };
    // Each try of a system that is not there says it in words of its own.
    let same = known.kind == said.kind
        && known.drifted == said.drifted
        && said.undone.is_empty()
        && known.trouble.is_some() == said.trouble.is_some();
    if same && !grows_old { Outcome::default() } else { one(said) }
}
