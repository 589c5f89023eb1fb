//! What is known of a device, from the server's state.

use crate::{
    control::{DeviceRecord, Quarantine, SlotOutcome, State},
    decide::{Compliance, Hold, Progress},
};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::DeviceId;
use smol_str::SmolStr;
use std::sync::Arc;

/// What is known of a device.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its id.
    pub device: DeviceId,
    /// What people call it.
    pub name: Option<SmolStr>,
    /// Where it is; UTC where nobody says.
    pub zone: TimeZone,
    /// That two machines report as this device.
    pub quarantined: Option<Quarantine>,
    /// What the policies say of it.
    pub decided: Result<Decided, Undecided>,
}

/// What the policies say of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// When it was decided.
    pub at: Timestamp,
    /// Whether something has changed since that is not taken into account.
    pub behind: bool,
    /// When time alone may change it.
    pub next_change: Option<Timestamp>,
    /// Its titles of which something is to be done, or not known, by slot.
    pub open: Vec<Open>,
}

/// A title of a device of which something is to be done, or not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// What the policies say of it.
    pub outcome: Arc<SlotOutcome>,
    /// How far it has come, with what the device said of it last.
    pub progress: Progress,
    /// What keeps it from being done, the server's own holds among them.
    pub holds: Vec<Hold>,
}

/// Why nothing is decided of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// No policy is in force.
    NoPolicy,
    /// The server has just started, or the device has just arrived, and there are too many to be decided at once.
    NotYet,
    /// Deciding it has failed: a mistake in the program.
    Failed,
}

impl Known {
    /// What is known of a device, with what is decided of it.
    pub fn of(state: &State, record: &DeviceRecord, decided: Result<Decided, Undecided>) -> Known {
        let zone = state.plain_fact(record, "device.timezone").and_then(|name| TimeZone::get(&name).ok());
        Known {
            device: record.id.clone(),
            name: record.name.clone(),
            zone: zone.unwrap_or(TimeZone::UTC),
            quarantined: record.quarantined.clone(),
            decided,
        }
    }
}

impl Decided {
    /// What is decided of a device, of all its slots.
    pub fn of(
        state: &State,
        record: &DeviceRecord,
        slots: &[Arc<SlotOutcome>],
        at: Timestamp,
        next_change: Option<Timestamp>,
    ) -> Decided {
        let is_open = |outcome: &&Arc<SlotOutcome>| match outcome.compliance {
            Compliance::Due
            | Compliance::Overdue
            | Compliance::Unsupported
            | Compliance::Unseen
            | Compliance::Undetermined => true,
            Compliance::Compliant | Compliance::NotApplicable | Compliance::Unmanaged => false,
        };
        let open = slots.iter().filter(is_open).map(|outcome| {
            let by_server = state.server_holds(record, &outcome.slot, !outcome.obligations.is_empty());
            let mut holds: Vec<Hold> =
                by_server.iter().map(|held| held.hold).chain(outcome.holds.iter().copied()).collect();
            holds.sort();
            Open { outcome: outcome.clone(), progress: record.progress(outcome), holds }
        });
        Decided { at, behind: false, next_change, open: open.collect() }
    }
}
