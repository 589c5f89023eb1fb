//! The conversation with the server: a check-in, and what has to be fetched after it.

use super::{Ask, Clock, Effect, Failure, Machine, report::Sent, trust::Refusal};
use refit_wire::{
    Digest, limits,
    protocol::{CheckInAnswer, History, Want},
    state::PackageName,
};
use std::time::Duration;

/// How far the conversation is.
#[derive(Debug, PartialEq)]
pub(super) enum Exchange {
    /// Nothing is under way.
    Idle,
    /// The machine is read first. It is looked for whether these packages wait for a restart; of one that was changed since, the answer
    /// says nothing.
    Reading { restarting: Vec<PackageName> },
    /// A call is out.
    Asked { call: u64, stage: Stage },
}

#[derive(Debug, PartialEq)]
pub(super) enum Stage {
    CheckIn(Box<Sent>),
    Root { answer: Box<CheckInAnswer>, followed: usize },
    Mandate { answer: Box<CheckInAnswer>, digest: Digest },
    State { answer: Box<CheckInAnswer> },
    Certificate,
}

impl Machine {
    /// Begins a check-in where its time has come.
    pub(super) fn begin_exchange(&mut self, now: Clock) {
        let idle = self.life.as_ref().is_some_and(|life| life.exchange == Exchange::Idle);
        let due = self.life.as_ref().is_some_and(|life| life.next_check_in <= now.monotonic);
        // While packages are changed the machine can't be read, but the server may hear of it.
        if idle && due {
            self.read_inventory(now);
        }
    }

    fn read_inventory(&mut self, now: Clock) {
        let age = self.settings.lists_age;
        let refresh = self.journal.session.is_none()
            && self.journal.refreshed.is_none_or(|at| {
                let old = super::between(at, now.wall) >= age;
                old || at > now.wall
            });
        let wanted = self.wanted_packages();
        let restarting = self.restarting_packages();
        self.set_exchange(Exchange::Reading { restarting: restarting.clone() });
        self.emit(Effect::ReadInventory { refresh, wanted, restarting });
    }

    /// The machine has been read: what it says goes to the server.
    pub(super) fn check_in(&mut self, now: Clock) {
        let Some((check_in, sent)) = self.write_check_in(now) else { return };
        self.ask(Ask::CheckIn(Box::new(check_in)), Stage::CheckIn(Box::new(sent)));
    }

    /// Whether the machine is being read for a check-in.
    pub(super) fn is_reading(&self) -> bool {
        self.life.as_ref().is_some_and(|life| matches!(life.exchange, Exchange::Reading { .. }))
    }

    fn ask(&mut self, ask: Ask, stage: Stage) {
        let Some(life) = &mut self.life else { return };
        life.calls += 1;
        let call = life.calls;
        life.exchange = Exchange::Asked { call, stage };
        self.emit(Effect::Ask { call, ask });
    }

    fn set_exchange(&mut self, exchange: Exchange) {
        if let Some(life) = &mut self.life {
            life.exchange = exchange;
        }
    }

    /// [`super::Input::Answered`].
    pub(super) fn answered(&mut self, to: u64, result: Result<Vec<u8>, Failure>, now: Clock) {
        let Some(life) = &mut self.life else { return };
        let Exchange::Asked { call, .. } = &life.exchange else { return };
        if *call != to {
            return;
        }
        let Exchange::Asked { stage, .. } = std::mem::replace(&mut life.exchange, Exchange::Idle) else { return };
        if result.is_ok() {
            life.unreached = None;
        }
        let went = match stage {
            Stage::CheckIn(sent) => self.checked_in(*sent, result, now),
            Stage::Root { answer, followed } => self.root_came(answer, followed, result, now),
            Stage::Mandate { answer, digest } => match self.body("mandate", limits::MANDATE, result) {
                Ok(bytes) => self.accept_mandate(&bytes, digest, now).and_then(|()| self.go_on_with_state(answer, now)),
                Err(refusal) => Err(refusal),
            },
            Stage::State { answer } => match self.body("state", limits::STATE, result) {
                Ok(bytes) => self.accept_state(&bytes, now).map(|digest| self.confirm(&answer, digest, now)),
                Err(refusal) => Err(refusal),
            },
            Stage::Certificate => self.certificate_came(result),
        };
        if let Err(refusal) = went {
            self.exchange_failed(refusal, now);
        }
        let idle = self.life.as_ref().is_some_and(|life| life.exchange == Exchange::Idle);
        if idle && self.life.as_mut().is_some_and(|life| std::mem::take(&mut life.renewal)) {
            self.ask(Ask::Certificate, Stage::Certificate);
        }
    }

    fn checked_in(&mut self, sent: Sent, result: Result<Vec<u8>, Failure>, now: Clock) -> Result<(), Refusal> {
        let bytes = match result {
            // The server's wish to hear everything is an answer, not a fault.
            Err(Failure::Refused { status: 409, code, detail }) => {
                self.set_want(Want::All);
                if code == "replayed" {
                    self.skip_ahead();
                }
                return Err(Refusal::new("refused", detail));
            }
            result => self.body("answer", limits::ANSWER, result)?,
        };
        let answer: CheckInAnswer = serde_json::from_slice(&bytes)
            .map_err(|error| Refusal::new("answer", format!("the server's answer can't be read: {error}")))?;
        self.note_answer(sent, &answer, now);
        self.heed_brake(&answer.lease, now);
        let answer = Box::new(answer);
        if answer.root > self.trust.root.version {
            let next = self.trust.root.version.saturating_add(1);
            self.ask(Ask::Root(next), Stage::Root { answer, followed: 0 });
            return Ok(());
        }
        self.go_on_with_lease(answer, now)
    }

    /// Somebody has heard this device say a later check-in, which it does not know of: its disk, or the whole machine, was put back.
    ///
    /// Nobody can tell that from a message that is late, as long as it counts below what the server knows; so it counts beyond, at once,
    /// instead of going there by one check-in in vain after the other. What the server makes of the two histories is its affair.
    fn skip_ahead(&mut self) {
        for _ in 0..History::LINKS_MOST {
            self.journal.history.answered(false);
            let link = self.draw_link();
            self.journal.history.next(link);
        }
        self.journal.history.answered(false);
        self.journal.counter = self.journal.counter.saturating_add(COUNTERS_SKIPPED);
        self.step.changed = true;
    }

    fn root_came(
        &mut self,
        answer: Box<CheckInAnswer>,
        followed: usize,
        result: Result<Vec<u8>, Failure>,
        now: Clock,
    ) -> Result<(), Refusal> {
        match result {
            Err(Failure::NotFound) => {}
            result => {
                let bytes = self.body("root", limits::ROOT, result)?;
                self.accept_root(&bytes, now)?;
                if answer.root > self.trust.root.version && followed + 1 < limits::ROOTS {
                    let next = self.trust.root.version.saturating_add(1);
                    self.ask(Ask::Root(next), Stage::Root { answer, followed: followed + 1 });
                    return Ok(());
                }
            }
        }
        self.go_on_with_lease(answer, now)
    }

    fn go_on_with_lease(&mut self, answer: Box<CheckInAnswer>, now: Clock) -> Result<(), Refusal> {
        self.accept_lease(&answer.lease, now)?;
        if Some(answer.state) != self.held_state() {
            // What the server no longer names may have been taken back; whatever lease it had, nothing of it begins any more.
            self.trust.lease_until = None;
        }
        let held = self.journal.mandate.as_ref().filter(|_| self.trust.mandate.is_some()).map(|held| held.digest);
        match answer.mandate {
            Some(digest) if Some(digest) != held => {
                self.ask(Ask::Mandate(digest), Stage::Mandate { answer, digest });
                Ok(())
            }
            _ => self.go_on_with_state(answer, now),
        }
    }

    fn go_on_with_state(&mut self, answer: Box<CheckInAnswer>, now: Clock) -> Result<(), Refusal> {
        if Some(answer.state) == self.held_state() {
            self.confirm(&answer, answer.state, now);
        } else {
            self.ask(Ask::State, Stage::State { answer });
        }
        Ok(())
    }

    fn held_state(&self) -> Option<Digest> {
        self.journal.state.as_ref().filter(|_| self.trust.state.is_some()).map(|held| held.digest)
    }

    /// The held state is the one that the server named beside the lease.
    fn confirm(&mut self, answer: &CheckInAnswer, held: Digest, now: Clock) {
        if let Some(life) = &mut self.life {
            life.unanswered = 0;
        }
        if answer.state != held {
            // It has changed in between: the next check-in confirms it.
            let soon = now.monotonic.saturating_add(self.settings.least_interval);
            self.set_next_check_in(soon);
            return;
        }
        self.trust.lease_until = self.trust.newest_lease_until;
        if let Some(life) = &mut self.life {
            life.heard = now.monotonic;
        }
        self.journal.confirmed = now.wall;
        self.journal.silence_told = None;
        self.step.changed = true;
    }

    fn certificate_came(&mut self, result: Result<Vec<u8>, Failure>) -> Result<(), Refusal> {
        self.body("certificate", limits::ANSWER, result).map(|_| ())
    }

    /// The body of an answer; the shell's limit is checked once more.
    fn body(&self, name: &str, limit: usize, result: Result<Vec<u8>, Failure>) -> Result<Vec<u8>, Refusal> {
        let too_large = || Refusal::new("limit", format!("the server's {name} is larger than {limit} bytes"));
        match result {
            Ok(bytes) if bytes.len() > limit => Err(too_large()),
            Ok(bytes) => Ok(bytes),
            Err(Failure::TooLarge) => Err(too_large()),
            Err(Failure::NotFound) => Err(Refusal::new("missing", format!("the server has no {name}"))),
            Err(Failure::Refused { status, code, detail }) => {
                let said = super::shortened(&detail, 200);
                Err(Refusal::new("refused", format!("the server refuses ({status} {code}): {said}")))
            }
            Err(Failure::Unreachable(why)) => Err(Refusal::new("unreachable", super::shortened(&why, 400))),
        }
    }

    /// Nothing that was held has changed. The next attempt waits longer each time.
    fn exchange_failed(&mut self, refusal: Refusal, now: Clock) {
        if let Some(life) = &mut self.life {
            life.unanswered = life.unanswered.saturating_add(1);
        }
        let unanswered = self.life.as_ref().map_or(1, |life| life.unanswered);
        // Half of it is fixed and half is drawn, so that a fleet does not come back as one.
        let longest = RETRY.saturating_mul(2_u32.saturating_pow(unanswered.min(16))).min(self.settings.most_interval);
        let half = longest.as_secs() / 2;
        let wait = half + self.draw(half + 1);
        let next = now.monotonic.saturating_add(Duration::from_secs(wait).max(self.settings.least_interval));
        self.set_next_check_in(next);
        // A device that is not managed any more asks whether it is once a day.
        if refusal.what.contains(" retired)") {
            self.set_next_check_in(now.monotonic.saturating_add(Duration::from_secs(86_400)));
        }
        // That nobody is reached says nothing about the server, and is no problem to report to it: silence is counted
        // elsewhere. Who asks on the device is told.
        if refusal.code == "unreachable" {
            if let Some(life) = &mut self.life {
                life.unreached = Some(refusal.what);
            }
        } else {
            self.problem(refusal.code, refusal.what, now);
        }
    }

    fn set_want(&mut self, want: Want) {
        if let Some(life) = &mut self.life {
            life.want = want;
            if want == Want::All {
                life.agreed = None;
            }
        }
    }
}

/// How many numbers are left out by a device that was put back: more check-ins than one makes while a snapshot of it is kept.
const COUNTERS_SKIPPED: u64 = 1 << 20;
/// The shortest wait after a failure; it doubles.
const RETRY: Duration = Duration::from_secs(15);
