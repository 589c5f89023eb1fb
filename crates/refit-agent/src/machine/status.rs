//! What `refit-agent status` shows.

use super::{Clock, Machine};
use jiff::Timestamp;
use refit_model::DeviceId;
use refit_wire::{
    lease::Brake,
    protocol::{Problem, Standing, WaitsFor},
    state::Busy,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// How the agent is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The organisation.
    pub organization: SmolStr,
    /// The device.
    pub device: DeviceId,
    /// The number of the root.
    pub root: u64,
    /// The number of the mandate; `None` where there is none.
    pub mandate: Option<u64>,
    /// Epoch and sequence of the state; `None` where there is none.
    pub state: Option<(u64, u64)>,
    /// When the server last confirmed the state.
    pub confirmed: Timestamp,
    /// The kill switch, if it is in force.
    pub brake: Option<Brake>,
    /// Why the server could not be reached when it was last asked; `None` where it answered.
    #[serde(default)]
    pub unreached: Option<String>,
    /// When the device checks in next by itself; `None` while it does.
    #[serde(default)]
    pub next_check_in: Option<Timestamp>,
    /// What keeps everything from being begun; `None` where nothing does.
    pub waits_for: Option<WaitsFor>,
    /// Whether a conversation with the server is under way.
    pub talking: bool,
    /// Whether a session is under way.
    pub in_session: bool,
    /// Why the machine has to restart; empty where it has not.
    pub restart: Vec<SmolStr>,
    /// Where each directive stands that is not done.
    pub standing: Vec<Standing>,
    /// What was refused or could not be done, also some time ago.
    pub problems: Vec<Problem>,
    /// Whether something was refused or has failed since somebody last asked for a check-in, or since the agent started.
    #[serde(default)]
    pub refused: bool,
    /// How many receipts the server has not confirmed.
    pub receipts_unconfirmed: usize,
}

impl Status {
    /// Whether the answer to a check-in is no: something was refused or has failed, or what the organisation wants is not done
    /// because of that. What was wrong earlier, and has passed, does not count; nor does what waits for its time.
    pub fn is_no(&self) -> bool {
        let stands_still =
            |standing: &Standing| matches!(standing.waits_for, WaitsFor::Mandate | WaitsFor::PackageManager);
        self.refused || self.standing.iter().any(stands_still)
    }
}

impl Machine {
    /// What some policy wants people to be left alone for: only that has to be found out about them.
    pub fn respects(&self) -> BTreeSet<Busy> {
        let wanted = self.trust.state.iter().flat_map(|state| &state.terms);
        let waiting = self.journal.restart.iter().map(|pending| &pending.terms);
        wanted.chain(waiting).flat_map(|terms| terms.relaunch.not_while.iter().copied()).collect()
    }

    /// How the agent is.
    pub fn status(&self, now: Clock) -> Status {
        let problems = self.journal.problems.iter();
        Status {
            organization: self.trust.root.organization.clone(),
            device: self.journal.device.clone(),
            root: self.trust.root.version,
            mandate: self.trust.mandate.as_ref().map(|mandate| mandate.number),
            state: self.trust.state.as_ref().map(refit_wire::State::order),
            confirmed: self.journal.confirmed,
            brake: self.journal.brake.clone(),
            unreached: self.life.as_ref().and_then(|life| life.unreached.clone()),
            next_check_in: self.life.as_ref().filter(|life| life.exchange == super::exchange::Exchange::Idle).map(
                |life| {
                    let wait = life.next_check_in.saturating_sub(now.monotonic);
                    super::after(now.wall, wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
                },
            ),
            waits_for: self.may_start(now).err().map(|(waits_for, _)| waits_for),
            talking: self.life.as_ref().is_some_and(|life| life.exchange != super::exchange::Exchange::Idle),
            in_session: self.journal.session.is_some(),
            restart: self.restart_reasons().to_vec(),
            standing: self.standing(now),
            problems: problems
                .map(|known| Problem { code: known.code.clone(), what: known.what.clone(), since: known.since })
                .collect(),
            refused: self.life.as_ref().is_some_and(|life| life.refused),
            receipts_unconfirmed: self.journal.receipts.len(),
        }
    }
}
