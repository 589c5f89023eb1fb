//! Refit's vocabulary as types: ids, versions, releases, advisories.
//!
//! Everything else in the workspace stands on this crate, and it stands on nothing that does IO. It knows what a
//! version is and how two compare; it does not know what a policy wants of them.

pub mod advisory;
pub mod ids;
pub mod release;
pub mod versions;

pub use advisory::Advisory;
pub use ids::{AdvisoryId, BranchName, DeviceId, TitleId};
pub use release::{Offer, Release};
pub use versions::{Scheme, Version, VersionError, VersionRange};
