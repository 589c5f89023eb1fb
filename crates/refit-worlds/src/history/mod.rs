//! Thirty days of a company that is made up: June 2026 at Acme, as a server's log.
//!
//! The log is what the server's own logic ([`refit_core::control`]) makes of inputs in virtual time: nothing in it is written by hand. Releases,
//! advisories and listings are real ones of that month (`data/README.md`); people, devices and mishaps are not.
//!
//! - `stage.rs` The server around the logic, in memory, with a clock that is set.
//! - `company.rs` Who works at Acme, and on what.
//! - `machine.rs` What a device does when it checks in: it reports, and installs what it is given.
//! - `catalogue.rs` Releases, advisories and listings, from files.
//! - `diary.rs` What else happens, day by day.

mod catalogue;
mod company;
mod diary;
mod machine;
mod stage;

use jiff::Timestamp;
use refit_core::{
    business::{CloudEvent, concerns, derive},
    control::{DecodeError, Refusal, decode},
    policy::resolve::Titles,
};
use smol_str::SmolStr;
use stage::Stage;
use std::{collections::BTreeMap, sync::Arc};

/// When the history begins.
pub const BEGINS: &str = "2026-06-01T00:00:00Z";
/// When it ends, thirty days later.
pub const ENDS: &str = "2026-07-01T00:00:00Z";
/// The days that finance's calendar closes, as `refit import calendar` prints them.
pub const FINANCE_FREEZES: &str = include_str!("data/finance-freezes.yaml");
/// The calendar of the finance department.
pub const FINANCE_CALENDAR: &str = include_str!("data/finance.ics");

/// A history: all that a server's store would hold.
#[derive(Debug)]
pub struct History {
    /// The entries of the log, in order, from number 1 on.
    pub entries: Vec<Entry>,
    /// Content that entries name, by its SHA-256.
    pub contents: BTreeMap<SmolStr, Arc<[u8]>>,
    /// Personal values, which lie beside the log: reference, person, value as JSON.
    pub personal: Vec<(SmolStr, SmolStr, Vec<u8>)>,
    /// When it ends.
    pub ends: Timestamp,
    /// The ids of devices by index.
    devices: imbl::Vector<refit_model::DeviceId>,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Its kind.
    pub kind: &'static str,
    /// The version of its body.
    pub version: u16,
    /// Who did it.
    pub actor: SmolStr,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The repository has mistakes.
    #[error("the history is one of examples/acme, and this repository can't be applied:\n{0}")]
    Policy(String),
    /// The server refused what the diary has.
    #[error("{at}: {what} was refused: {refusal}")]
    Refused {
        /// When.
        at: Timestamp,
        /// What.
        what: &'static str,
        /// Why.
        refusal: Refusal,
    },
    /// Something is not as the diary expects it.
    #[error("{at}: {what}")]
    Unexpected {
        /// When.
        at: Timestamp,
        /// What.
        what: String,
    },
    /// A file of the history can't be read.
    #[error("data of the history: {0}")]
    Data(String),
    /// An entry can't be written or read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Something can't be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A time is none.
    #[error(transparent)]
    Time(#[from] jiff::Error),
}

impl History {
    /// The thirty days under a policy repository: path and text of its files. The same seed gives the same history; another one gives devices other
    /// habits: at which minute they check in, how long an installation takes.
    ///
    /// # Errors
    ///
    /// The repository is not the one of Acme: what the diary speaks of is not there.
    pub fn generate(files: BTreeMap<String, String>, catalog: &Titles, seed: u64) -> Result<History, HistoryError> {
        let stage = Stage::new(BEGINS.parse()?, catalog.clone(), seed);
        let mut month = diary::Month::new(stage, files)?;
        month.live(ENDS.parse()?)?;
        let Stage { state, log, contents, personal, now, .. } = month.stage;
        Ok(History { entries: log, contents, personal, ends: now, devices: state.by_index })
    }

    /// Its business events, in order.
    ///
    /// # Errors
    ///
    /// None, unless an entry is damaged.
    pub fn stream(&self) -> Result<Vec<CloudEvent>, HistoryError> {
        let mut stream = Vec::new();
        for entry in self.entries.iter().filter(|entry| concerns(entry.kind)) {
            let event = decode(entry.kind, entry.version, &entry.body)?;
            for (index, derived) in (0..).zip(derive(&event, &self.devices)) {
                stream.push(CloudEvent::new(entry.seq, index, entry.at, &derived)?);
            }
        }
        Ok(stream)
    }
}
