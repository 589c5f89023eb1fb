//! How sources were read.

use super::super::{event::SourceRead, input::Outcome, state::State};
use super::operations::one;
use jiff::SignedDuration;

/// How often a source that has as much as before, and is believed as before, is written down all the same.
const CONFIRM_EVERY: SignedDuration = SignedDuration::from_hours(6);

pub(super) fn read(state: &State, said: SourceRead) -> Outcome {
    let known = state.readings.get(&said.source);
    let was = known.and_then(|known| known.alarm.as_ref()).map(|alarm| alarm.kind);
    let said = SourceRead { was, ..said };
    let Some(known) = known else { return one(said) };
    // Each try of a source that fails says it in words of its own: it is the same alarm.
    let alarm = |read: &SourceRead| read.alarm.as_ref().map(|alarm| (alarm.kind, alarm.since));
    let grows_old = match (known.read, said.read) {
        (Some(before), Some(now)) => now.duration_since(before) >= CONFIRM_EVERY,
        (before, now) => before != now,
    };
    let counts = |read: &SourceRead| (read.records, read.set_aside, read.uncovered);
    let same = alarm(known) == alarm(&said) && counts(known) == counts(&said) && known.purposes == said.purposes;
    let same = same && !grows_old;
    if same { Outcome::default() } else { one(said) }
}
