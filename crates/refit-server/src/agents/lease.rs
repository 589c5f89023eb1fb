//! Leases: signed once a second at the most, and the same for all devices.

use super::{Agents, organization};
use crate::shell::View;
use jiff::Timestamp;
use refit_wire::{Envelope, Lease, lease::Brake};
use smol_str::SmolStr;
use std::sync::{Arc, PoisonError, RwLock};

/// How long a lease lasts, in seconds, unless the mandate permits less.
const LASTS: u64 = 3_600;

/// The newest lease.
#[derive(Default)]
pub(super) struct Leases(RwLock<Option<Arc<Signed>>>);

/// A lease in its envelope, ready to be sent.
pub(super) struct Signed {
    lease: Lease,
    pub bytes: Vec<u8>,
}

impl Agents {
    /// A lease of this second.
    pub(super) fn lease(&self, view: &View, now: Timestamp) -> Arc<Signed> {
        let issued = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let known = self.inner.lease.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let brake = view.state.brake.as_ref();
        let fits = |signed: &Arc<Signed>| {
            signed.lease.issued == issued
                && signed.lease.epoch == view.state.agents.epoch
                && signed.lease.brake.as_ref().map(|brake| brake.since) == brake.map(|(_, since)| *since)
        };
        if let Some(known) = known.filter(fits) {
            return known;
        }
        let longest = view.state.agents.mandate().map_or(LASTS, |(_, mandate)| mandate.lease_seconds.min(LASTS));
        let seconds = i64::try_from(longest).unwrap_or(i64::MAX);
        let lease = Lease {
            organization: organization(view),
            epoch: view.state.agents.epoch,
            issued,
            until: Timestamp::from_second(issued.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX),
            brake: brake.map(|(why, since)| Brake { since: *since, why: shortened(why) }),
        };
        let bytes = Envelope::sign(&lease, &[self.key()]).map(|envelope| envelope.to_bytes()).unwrap_or_default();
        let signed = Arc::new(Signed { lease, bytes });
        *self.inner.lease.0.write().unwrap_or_else(PoisonError::into_inner) = Some(signed.clone());
        signed
    }
}

/// A lease goes to everybody with each check-in: long explanations are for people.
fn shortened(why: &str) -> SmolStr {
    why.chars().take(200).collect()
}
