//! What signals say of those whose session has settled.

use crate::{
    control::{event::LeaseAnswered, state::State},
    rollout::disruption::{HealthSignal, Holder, Lease, Phase, Question},
};
use jiff::Timestamp;
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeSet;

/// What a signal answers for somebody whose lease waits for it; `None` where it has said nothing since. Of several signals one after
/// the other: the last that agrees gives the lease back.
pub(in crate::control) fn said(state: &State, holder: &Holder, lease: &Lease) -> Option<LeaseAnswered> {
    let Phase::Checking { yet, since } = &lease.phase else { return None };
    let signals = lease.places.iter().filter_map(|place| place.signal.as_ref());
    signals.map(|signal| (signal, format_smolstr!("{signal}"))).filter(|(_, hook)| yet.contains(hook)).find_map(
        |(signal, hook)| {
            let (at, bad) = reading(state, holder, signal).filter(|(at, _)| since.is_none_or(|since| *at >= since))?;
            let said =
                if bad { format_smolstr!("{hook} said something bad of it at {at:.0}") } else { SmolStr::default() };
            // What is bad stays so until something else is said: that is written down once.
            let known = bad && lease.problem.as_ref().is_some_and(|problem| problem.starts_with(hook.as_str()));
            (!known).then(|| LeaseAnswered {
                holder: holder.clone(),
                question: Question::Health,
                hook,
                agrees: !bad,
                said,
            })
        },
    )
}

/// What a signal said last of somebody. Signals speak of devices; somebody else is one where it has the name of one.
fn reading(state: &State, holder: &Holder, signal: &HealthSignal) -> Option<(Timestamp, bool)> {
    let record = match holder {
        Holder::Device(device) => state.device(device),
        Holder::Client(name) => state.device_called(name),
    };
    state.rollouts.signals.get(&signal.source, &signal.name)?.of(record?.index)
}

/// The signals that leases wait for, or soon will: each as its source and its name.
pub fn awaited(state: &State) -> BTreeSet<(SmolStr, SmolStr)> {
    let come =
        state.leases.all().filter(|(_, lease)| matches!(lease.phase, Phase::Settling { .. } | Phase::Checking { .. }));
    let signals = come.flat_map(|(_, lease)| lease.places.iter().filter_map(|place| place.signal.as_ref()));
    signals.map(|signal| (signal.source.clone(), signal.name.clone())).collect()
}
