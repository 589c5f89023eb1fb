//! One module for each system, all of one shape ([`crate::target::Target`]).
//!
//! A module says what it makes of every intent (`matrix.rs`), how times are written there (`time.rs`), and what should be there
//! (`mod.rs`). [`graph`] is what two of them have in common. A system of which a policy says no time has no `time.rs`. How objects differ from what is found, and whatever is lost, is the same for all and stands outside.

pub mod apple;
pub mod apt;
pub mod browsers;
pub mod dnf;
pub mod graph;
pub mod ini;
pub mod intune;
pub mod intune_apps;
pub mod jamf;
pub mod linux;
pub mod munki;
pub mod okta;
pub mod okta_hooks;
pub mod okta_signals;
pub mod plist;
