//! Plans: what would change on a device, when and why; and what would not, and why not.
//!
//! A plan is made from decisions and from what the package manager says it would really do. It leaves no choice to whoever
//! applies it: every package has the version that it will have afterwards.

mod build;
pub mod mandate;
#[cfg(test)]
mod tests;
pub mod world;

pub use build::{Extra, Findings, Obstacle, Subject, Unfinished, build, held_in_words, moment};

use crate::{
    decide::{Compliance, Hold, Mark, Progress},
    policy::{document::policy::Mode, repository::Origin},
};
use jiff::Timestamp;
use refit_model::{AdvisoryId, TitleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The version of the format of [`Plan`].
pub const FORMAT: u32 = 1;

/// What would change on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The version of this format.
    pub format: u32,
    /// When it was made.
    #[schemars(with = "String")]
    pub made_at: Timestamp,
    /// SHA-256 of the policy repository, in hexadecimal.
    pub policy_hash: String,
    /// The folder of the policy repository.
    pub policy_folder: String,
    /// Facts that somebody gave by hand, as `FIELD=VALUE`: they hold when it is applied, too.
    #[serde(default)]
    pub facts: Vec<String>,
    /// The device's id.
    pub device: String,
    /// The device's name.
    pub hostname: String,
    /// What the policies ask for, the most urgent policy first.
    pub groups: Vec<Group>,
    /// What limits the answer: missing feeds, sources that could not be read.
    pub notes: Vec<String>,
    /// The figures at its end.
    pub summary: Summary,
}

/// What one policy asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// The policy.
    #[schemars(with = "String")]
    pub policy: SmolStr,
    /// Where it is written.
    pub origin: Origin,
    /// What Refit does about it.
    pub mode: Mode,
    /// What would be changed now, the most urgent first.
    pub changes: Vec<Item>,
    /// What is asked for and would not be changed now.
    pub later: Vec<Item>,
}

/// One title.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// The title.
    #[serde(rename = "device_title")]
    #[schemars(with = "String")]
    pub title: TitleId,
    /// What is done with it.
    pub action: Action,
    /// The version before; `None` where it is not there.
    pub from: Option<String>,
    /// The package manager's word for what is there where that is not in order: `half-configured`.
    pub state: Option<String>,
    /// The version afterwards; `None` where it goes, or where none is admitted.
    pub to: Option<String>,
    /// How it stands.
    pub compliance: Compliance,
    /// From when on it is overdue.
    #[schemars(with = "Option<String>")]
    pub due: Option<Timestamp>,
    /// How far it has come.
    pub progress: Progress,
    /// What holds it.
    pub holds: Vec<Hold>,
    /// What has to be known about it.
    pub marks: Vec<Mark>,
    /// The exposures that the change closes, the worst first.
    pub closes: Vec<Closed>,
    /// Why, other than by exposures, in words.
    pub because: Option<String>,
    /// The title that needs this change, where no policy asks for it.
    #[schemars(with = "Option<String>")]
    pub needed_by: Option<TitleId>,
    /// Why it would not be changed now, in words; empty where it would.
    pub not_now: Vec<String>,
}

/// What is done with a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is added.
    Install,
    /// Another version takes its place.
    Upgrade,
    /// An older version takes its place.
    Downgrade,
    /// The version stays, and is put in order: dpkg was interrupted, or a script failed.
    Repair,
    /// It goes.
    Remove,
    /// Nothing.
    None,
}

/// An exposure that a change closes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Closed {
    /// The advisory.
    #[schemars(with = "String")]
    pub id: AdvisoryId,
    /// Whether it is known to be exploited.
    pub kev: bool,
    /// Its CVSS base score.
    pub cvss: Option<f64>,
    /// Its EPSS probability.
    pub epss: Option<f64>,
}

/// The figures at the end of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Titles added.
    pub install: usize,
    /// Titles changed.
    pub upgrade: usize,
    /// Titles removed.
    pub remove: usize,
    /// Of the changes, those that no policy asks for and that another needs.
    pub needed_by_others: usize,
    /// Exposures closed, each once.
    pub closes: usize,
    /// Of these, those known to be exploited.
    pub closes_kev: usize,
    /// Titles whose time has come, changed now or not.
    pub overdue: usize,
    /// Titles that are asked to change and are not changed now.
    pub later: usize,
    /// Titles that some policy speaks of and that are as it wants them.
    pub compliant: usize,
    /// Installed titles that no policy speaks of.
    pub unmanaged: usize,
    /// Titles of which it is unknown whether a policy speaks of them, for want of facts: a note names these.
    #[serde(default)]
    pub undetermined: usize,
}

impl Plan {
    /// All that would be changed now.
    pub fn changes(&self) -> impl Iterator<Item = &Item> {
        self.groups.iter().flat_map(|group| &group.changes)
    }

    /// Whether nothing would be changed.
    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none()
    }
}
