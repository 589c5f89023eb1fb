//! What is believed, in which order it is checked, and what time it is.
//!
//! Roots come first, then the lease, the mandate, and the state, as in The Update Framework (section 5). A document that is
//! refused changes nothing that is kept. Nothing goes back: not the root's number, not the mandate's, not (epoch, sequence), not
//! the newest signed time.

use super::{Clock, Effect, Held, Kind, Machine, after, before, between, exchange::Exchange};
use jiff::Timestamp;
use refit_wire::{
    Digest, Document, Envelope, Lease, Mandate, Rejected, Root, State,
    mandate::Limits,
    protocol::WaitsFor,
    root::{RoleKeys, RootError, SignedBy},
};
use std::time::Duration;

/// How far the device's clock may be from the server's, in seconds.
pub const CLOCK_TOLERANCE_SECONDS: u64 = 600;

/// What is believed.
#[derive(Debug)]
pub(super) struct Trust {
    pub root: Root,
    pub mandate: Option<Mandate>,
    pub state: Option<State>,
    /// The newest lease's word on the time; of this life of the agent.
    pub anchor: Option<Anchor>,
    /// Until when the newest lease lasts. It counts once the state is confirmed that came with it.
    pub newest_lease_until: Option<Timestamp>,
    /// Until when the lease lasts together with which the held state was confirmed; of this life of the agent.
    pub lease_until: Option<Timestamp>,
}

/// A lease's word on the time, and what the device's clocks said when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    issued: Timestamp,
    wall: Timestamp,
    monotonic: Duration,
}

/// Why a document is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code: `signature`, `rollback`, `mixed`, `expired`, `limit`.
    pub code: &'static str,
    /// In words.
    pub what: String,
}

impl Refusal {
    pub(super) fn new(code: &'static str, what: impl Into<String>) -> Refusal {
        Refusal { code, what: what.into() }
    }
}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Refusal {
        let code = if matches!(rejected, Rejected::TooLarge { .. }) { "limit" } else { "signature" };
        Refusal::new(code, rejected.to_string())
    }
}

impl From<RootError> for Refusal {
    fn from(error: RootError) -> Refusal {
        match error {
            RootError::Rejected(rejected) => rejected.into(),
            RootError::OtherNumber { .. } => Refusal::new("rollback", error.to_string()),
            other => Refusal::new("signature", other.to_string()),
        }
    }
}

impl Machine {
    /// The next root, if it follows.
    pub(super) fn accept_root(&mut self, bytes: &[u8], now: Clock) -> Result<(), Refusal> {
        let envelope = Envelope::parse::<Root>(bytes)?;
        let next = self.trust.root.next(&envelope)?;
        // What others signed is believed only as long as their keys stay; an attacker who had one may have signed the
        // highest number that there is, so that the count begins anew where a key was taken away.
        if next.policy != self.trust.root.policy {
            self.trust.mandate = None;
            if loses_keys(&self.trust.root.policy, &next.policy) {
                self.journal.mandate = None;
            }
        }
        if next.server != self.trust.root.server {
            self.trust.state = None;
            self.trust.lease_until = None;
            if loses_keys(&self.trust.root.server, &next.server) {
                self.journal.state = None;
                self.journal.epoch = 0;
                self.journal.lease = None;
                self.journal.brake_released = None;
            }
        }
        self.journal.root = Held { digest: envelope.digest(), order: next.version, keys_until: None };
        self.raise_newest(next.issued, now);
        self.trust.root = next;
        self.keep(Kind::Root, envelope);
        Ok(())
    }

    /// What a lease says of the kill switch, before anything else of the answer is believed.
    ///
    /// Whoever may sign leases may stop everything: a brake counts also where the lease that has it is older than one that is known
    /// (the server's clock was set back), lasts for too long, or comes with a root that is none. Nothing of that lets anything go on:
    /// for that a lease has to be newer than all others ([`Machine::accept_lease`]). A brake that was let go is not pulled again by
    /// an old lease, since brakes have an order of their own: the server's log gives none an earlier time than the one before.
    pub(super) fn heed_brake(&mut self, envelope: &Envelope, now: Clock) {
        if envelope.payload.len() > Lease::LIMIT {
            return;
        }
        let Ok(lease) = self.opened::<Lease>(envelope, now) else { return };
        if self.of_us("lease", &lease.organization).is_err() || lease.epoch < self.journal.epoch {
            return;
        }
        let newest = self.journal.brake.as_ref().map(|brake| brake.since).max(self.journal.brake_released);
        if let Some(brake) = lease.brake.filter(|brake| newest.is_none_or(|newest| newest < brake.since)) {
            self.journal.brake = Some(brake);
            self.step.changed = true;
        }
    }

    /// A lease: the server's word on the time and on the kill switch.
    pub(super) fn accept_lease(&mut self, envelope: &Envelope, now: Clock) -> Result<(), Refusal> {
        if envelope.payload.len() > Lease::LIMIT {
            return Err(Rejected::TooLarge { name: Lease::NAME, limit: Lease::LIMIT }.into());
        }
        let lease: Lease = self.opened(envelope, now)?;
        self.of_us("lease", &lease.organization)?;
        if lease.epoch < self.journal.epoch {
            let what = format!("the lease is of epoch {}, and epoch {} has begun", lease.epoch, self.journal.epoch);
            return Err(Refusal::new("rollback", what));
        }
        // Leases are cached for moments, and several servers may stand behind one address.
        if self.journal.lease.is_some_and(|newest| lease.issued < before(newest, LEASE_SHUFFLE_SECONDS)) {
            let newest = self.journal.lease.unwrap_or(lease.issued);
            let what = format!("the lease was issued at {}, and one of {newest} is known", lease.issued);
            return Err(Refusal::new("rollback", what));
        }
        let longest = self.limits().lease_seconds;
        if lease.until > after(lease.issued, longest) {
            let what = format!("the lease lasts until {}, and the mandate allows {longest} s", lease.until);
            return Err(Refusal::new("limit", what));
        }
        if lease.epoch > self.journal.epoch && self.journal.epoch > 0 {
            // The server has gone back to a backup: what it was told since may be gone.
            self.journal.offers = None;
        }
        self.journal.epoch = lease.epoch;
        // A lease from the future must not stand in the way of those that are right.
        let counted = lease.issued.min(after(now.wall, CLOCK_TOLERANCE_SECONDS));
        if self.journal.lease.is_none_or(|newest| newest <= counted) {
            self.journal.lease = Some(counted);
            let before = std::mem::replace(&mut self.journal.brake, lease.brake);
            if let (Some(released), None) = (before, &self.journal.brake) {
                self.journal.brake_released = self.journal.brake_released.max(Some(released.since));
            }
            self.trust.newest_lease_until = Some(lease.until);
            self.trust.anchor = Some(Anchor { issued: lease.issued, wall: now.wall, monotonic: now.monotonic });
        }
        self.raise_newest(lease.issued, now);
        self.step.changed = true;
        Ok(())
    }

    /// The mandate that the server named.
    pub(super) fn accept_mandate(&mut self, bytes: &[u8], named: Digest, now: Clock) -> Result<(), Refusal> {
        let envelope = Envelope::parse::<Mandate>(bytes)?;
        let mandate: Mandate = self.opened(&envelope, now)?;
        self.of_us("mandate", &mandate.organization)?;
        let digest = envelope.digest();
        if digest != named {
            return Err(Refusal::new("mixed", "the server named one mandate and sent another"));
        }
        if let Some(held) = &self.journal.mandate {
            follows("mandate", (mandate.number, digest), (held.order, held.digest))?;
        }
        if mandate.expires <= now.wall {
            return Err(Refusal::new("expired", format!("the mandate has expired at {}", mandate.expires)));
        }
        let keys_until = self.keys_until::<Mandate>(&envelope, now);
        self.journal.mandate = Some(Held { digest, order: mandate.number, keys_until });
        self.raise_newest(mandate.issued, now);
        self.trust.mandate = Some(mandate);
        self.keep(Kind::Mandate, envelope);
        Ok(())
    }

    /// The device's state.
    pub(super) fn accept_state(&mut self, bytes: &[u8], now: Clock) -> Result<Digest, Refusal> {
        let envelope = Envelope::parse::<State>(bytes)?;
        let state: State = self.opened(&envelope, now)?;
        self.of_us("state", &state.organization)?;
        if state.device != self.journal.device {
            let what = format!("the state is for the device `{}`", super::shortened(state.device.as_str(), 80));
            return Err(Refusal::new("mixed", what));
        }
        let digest = envelope.digest();
        if let Some(held) = &self.journal.state {
            follows("state", (state.order(), digest), (held.order, held.digest))?;
        }
        if state.expires <= now.wall {
            return Err(Refusal::new("expired", format!("the state has expired at {}", state.expires)));
        }
        let mandate = self.journal.mandate.as_ref().filter(|_| self.trust.mandate.is_some()).map(|held| held.digest);
        if state.mandate != mandate {
            return Err(Refusal::new(
                "mixed",
                "the state was made under another mandate than the one that is in force",
            ));
        }
        let keys_until = self.keys_until::<State>(&envelope, now);
        self.journal.epoch = self.journal.epoch.max(state.epoch);
        self.journal.state = Some(Held { digest, order: state.order(), keys_until });
        self.trust.state = Some(state);
        self.trust.lease_until = None;
        self.forget_directives(now);
        self.keep(Kind::State, envelope);
        Ok(digest)
    }

    /// Whether the time is known: the clock agrees with what was signed.
    pub(super) fn time(&self, now: Clock) -> Result<(), Refusal> {
        let wrong = |what: String| Err(Refusal::new("clock", what));
        let tolerance = Duration::from_secs(CLOCK_TOLERANCE_SECONDS);
        if now.wall < self.journal.newest_signed {
            let newest = self.journal.newest_signed;
            return wrong(format!("the clock says {}, and something was signed at {newest}", now.wall));
        }
        let Some(Anchor { issued, wall, monotonic }) = self.trust.anchor else {
            return wrong("no lease has said what time it is since the agent started".into());
        };
        if apart(wall, issued) > tolerance {
            return wrong(format!("the clock said {wall} when the server's said {issued}"));
        }
        let passed = now.monotonic.saturating_sub(monotonic);
        let expected = after(wall, passed.as_secs());
        if apart(now.wall, expected) > tolerance {
            return wrong(format!("the clock was set: it says {}, and it is about {expected}", now.wall));
        }
        Ok(())
    }

    /// Whether anything may be begun at all.
    pub(super) fn may_start(&self, now: Clock) -> Result<(), (WaitsFor, Option<Refusal>)> {
        if self.journal.brake.is_some() {
            return Err((WaitsFor::KillSwitch, None));
        }
        if let Err(refusal) = self.time(now) {
            // Before the first lease there is nothing to report, but for a clock that is behind what was signed.
            let is_known = self.trust.anchor.is_some() || now.wall < self.journal.newest_signed;
            return Err((WaitsFor::Lease, Some(refusal).filter(|_| is_known)));
        }
        let expired =
            |name: &str, at: Timestamp| Some(Refusal::new("expired", format!("the {name} has expired at {at}")));
        if self.trust.root.expires <= now.wall {
            return Err((WaitsFor::Mandate, expired("root", self.trust.root.expires)));
        }
        let (Some(mandate), Some(held)) = (&self.trust.mandate, &self.journal.mandate) else {
            return Err((WaitsFor::Mandate, None));
        };
        if let Some(at) = [Some(mandate.expires), held.keys_until].into_iter().flatten().find(|at| *at <= now.wall) {
            return Err((WaitsFor::Mandate, expired("mandate, or a key that signed it,", at)));
        }
        let (Some(state), Some(of_state)) = (&self.trust.state, &self.journal.state) else {
            return Err((WaitsFor::Lease, None));
        };
        if state.mandate != Some(held.digest) {
            // Between a new mandate and the state that is made under it nothing is wrong.
            let fetching = self.life.as_ref().is_some_and(|life| life.exchange != Exchange::Idle);
            let refusal = Refusal::new("mixed", "state and mandate do not belong together");
            return Err((WaitsFor::Mandate, Some(refusal).filter(|_| !fetching)));
        }
        if let Some(at) = [Some(state.expires), of_state.keys_until].into_iter().flatten().find(|at| *at <= now.wall) {
            return Err((WaitsFor::Lease, expired("state, or the key that signed it,", at)));
        }
        let lasts = self.trust.lease_until.is_some_and(|until| now.wall < until);
        if lasts { Ok(()) } else { Err((WaitsFor::Lease, None)) }
    }

    /// The mandate's limits; the defaults where there is no mandate.
    pub(super) fn limits(&self) -> Limits {
        self.trust.mandate.as_ref().map(|mandate| mandate.limits.clone()).unwrap_or_default()
    }

    fn opened<T: SignedBy>(&self, envelope: &Envelope, now: Clock) -> Result<T, Refusal> {
        // A clock that is behind makes no key count again.
        Ok(self.trust.root.open(envelope, now.wall.max(self.journal.newest_signed))?)
    }

    fn of_us(&self, name: &str, organization: &str) -> Result<(), Refusal> {
        if organization == self.trust.root.organization {
            return Ok(());
        }
        Err(Refusal::new("mixed", format!("the {name} is that of `{}`", super::shortened(organization, 80))))
    }

    /// From when on too few of the keys that signed it count; `None` is never.
    fn keys_until<T: SignedBy>(&self, envelope: &Envelope, now: Clock) -> Option<Timestamp> {
        let mut ends: Vec<Timestamp> = self.trust.root.role(T::ROLE).keys.values().flatten().copied().collect();
        ends.retain(|end| *end > now.wall);
        ends.sort();
        ends.into_iter().find(|end| self.trust.root.open::<T>(envelope, *end).is_err())
    }

    /// A clock that is behind must not be moved by one document that was signed far in the future.
    fn raise_newest(&mut self, signed: Timestamp, now: Clock) {
        let most = after(now.wall, CLOCK_TOLERANCE_SECONDS);
        self.journal.newest_signed = self.journal.newest_signed.max(signed.min(most));
        self.step.changed = true;
    }

    fn keep(&mut self, kind: Kind, envelope: Envelope) {
        self.step.keeps.push(Effect::Keep(kind, envelope));
        self.step.changed = true;
    }
}

/// By how much leases may come in another order than they were signed, in seconds.
const LEASE_SHUFFLE_SECONDS: u64 = 60;

/// Whether a document may take the place of the one that is held.
fn follows<O: PartialOrd + std::fmt::Debug>(name: &str, new: (O, Digest), held: (O, Digest)) -> Result<(), Refusal> {
    if new.0 < held.0 {
        let what = format!("the {name} is number {:?}, and number {:?} is known", new.0, held.0);
        return Err(Refusal::new("rollback", what));
    }
    if new.0 == held.0 && new.1 != held.1 {
        return Err(Refusal::new("mixed", format!("there are two {name}s of the number {:?}", new.0)));
    }
    Ok(())
}

fn loses_keys(old: &RoleKeys, new: &RoleKeys) -> bool {
    old.keys.keys().any(|id| !new.keys.contains_key(id))
}

fn apart(a: Timestamp, b: Timestamp) -> Duration {
    if a < b { between(a, b) } else { between(b, a) }
}
