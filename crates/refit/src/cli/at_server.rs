//! The options of commands that ask a server.

use super::number;
use clap::{Args, Subcommand};
use jiff::Timestamp;

/// `refit devices`
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// One device, by its id.
    pub device: Option<String>,
    /// Only devices that have this title.
    #[arg(long, value_name = "TITLE")]
    pub title: Option<String>,
    /// Only devices of which something stands so: `overdue`, `due`, `unsupported`.
    #[arg(long, value_name = "STANDING")]
    pub compliance: Option<String>,
    /// Only devices of which something is held so: `budget`, `envelope`, `mandate`, `kill_switch`, `freeze`, `window`.
    #[arg(long, value_name = "CAUSE")]
    pub hold: Option<String>,
    /// Only devices of this platform.
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Of one device, list also what has nothing to do.
    #[arg(long)]
    pub all: bool,
}

/// `refit plans`
#[derive(Debug, Subcommand)]
pub enum PlansCommand {
    /// List them, the oldest first.
    List,
    /// Show one.
    Show {
        /// Its id, or a file that `refit plan --world … --out` wrote.
        plan: String,
        /// List every change, also where there are many.
        #[arg(long)]
        all: bool,
    },
    /// Approve one that somebody else made, or let go what a budget holds.
    Approve {
        /// Its id.
        plan: String,
    },
    /// Reject one.
    Reject {
        /// Its id.
        plan: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

/// `refit events`
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Go on as the log grows.
    #[arg(long, short)]
    pub follow: bool,
    /// Begin after this entry; without it with the last ones.
    #[arg(long, value_name = "N", value_parser = number)]
    pub after: Option<u64>,
    /// How many of the last entries.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = number)]
    pub last: u64,
    /// Only entries of these kinds, with commas: `moves.published`; `plan.` is all that begin so.
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
}

/// `refit settings`
#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// How many people, other than its author, have to approve a plan before it is applied.
    Approvals {
        /// How many; 0 is none.
        people: u32,
    },
    /// The webhooks that policies may name in `disruption`, with their addresses.
    Webhooks,
    /// Bind the name of a webhook to an address.
    Webhook {
        /// The name.
        name: String,
        /// The address.
        #[arg(required_unless_present = "remove")]
        url: Option<String>,
        /// Bind it to none any more.
        #[arg(long, conflicts_with = "url")]
        remove: bool,
    },
}

/// `refit tokens`
#[derive(Debug, Subcommand)]
pub enum TokensCommand {
    /// List them; secrets are not kept.
    List,
    /// Make one. Its secret is printed this once.
    Create {
        /// What it is for.
        name: String,
        /// Who answers for it: nobody approves a plan that they made, with whatever token.
        #[arg(long)]
        owner: String,
        /// It is for a person, who can approve; else for a program.
        #[arg(long)]
        person: bool,
        /// What it permits, with commas: read, facts, catalogue, plan, approve, apply, rollouts, fleet_lock, posture,
        /// declarative_management, hooks, shared_signals, brake, admin; or less than read: read_fleet, read_exposures. What is personal
        /// is read_personal, or less: read_people, read_sensitive; who has read it is audit.
        #[arg(long = "scope", value_delimiter = ',', required = true)]
        scopes: Vec<String>,
        /// How many days it lasts.
        #[arg(long, default_value_t = 90)]
        days: u16,
        /// How many requests it may make in a minute [default: as many as any].
        #[arg(long = "per-minute", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        per_minute: Option<u32>,
    },
    /// Revoke one.
    Revoke {
        /// Its id.
        token: String,
    },
}

/// `refit enrolment`
#[derive(Debug, Subcommand)]
pub enum EnrolmentCommand {
    /// List enrolment tokens; secrets are not kept.
    List,
    /// Make one: a line for `refit-agent enroll`. It is printed this once.
    Create {
        /// What it is for.
        name: String,
        /// How many days it lasts.
        #[arg(long, default_value_t = 7)]
        days: u16,
        /// How many devices may enrol with it.
        #[arg(long, value_name = "N", default_value_t = 1)]
        uses: u32,
        /// The address at which the devices reach the server [default: the one that the server knows].
        #[arg(long, value_name = "URL")]
        address: Option<String>,
    },
    /// Revoke one. Devices that it has enrolled stay.
    Revoke {
        /// Its id.
        enrolment: String,
    },
    /// Lock out a device: none of its certificates counts any more, until it enrols again.
    LockOut {
        /// The device: its id, or its name where only one has it.
        device: String,
        /// Why; it stands in the log.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

/// `refit quarantine`
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Lift it, once there is one machine of that id again. Only a person can. Whichever machine reports next is the device.
    Lift {
        /// The device: its id, or its name where only one has it.
        device: String,
        /// Why; it stands in the log.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

/// `refit people`
#[derive(Debug, Subcommand)]
pub enum PeopleCommand {
    /// Erase all personal values of a person; the log goes on without them.
    Erase {
        /// The person's id.
        person: String,
    },
}

/// A time with its zone, or the beginning of a day in UTC.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let day = || text.parse::<jiff::civil::Date>().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC));
    text.parse()
        .or_else(|_| day().map(|day| day.timestamp()))
        .map_err(|_| "write a time as 2026-11-23T12:00:00Z, or a day as 2026-11-23".to_owned())
}
