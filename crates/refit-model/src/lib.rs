//! Refit's vocabulary as types: ids, versions, releases, advisories, and what server and agent have to work out alike
//! (windows, what repeats, positions in rollouts).
//!
//! Everything else in the workspace stands on this crate, and it stands on nothing that does IO. It knows what a
//! version is and how two compare; it does not know what a policy wants of them.

pub mod advisory;
pub mod entry;
pub mod ids;
mod position;
mod recurrence;
pub mod release;
pub mod versions;
mod window;

pub use advisory::Advisory;
pub use ids::{AdvisoryId, BranchName, DeviceId, PersonId, PlanId, TitleId, TokenId};
pub use position::position;
pub use recurrence::{Recurrence, RecurrenceError};
pub use release::{Offer, Release};
pub use versions::{Scheme, Version, VersionError, VersionRange};
pub use window::{Window, WindowError};
