//! Refit on the endpoint.
//!
//! [`machine`] decides what a device does of what its server asks for: it is pure, and believes nothing that the organisation
//! did not sign. [`providers`] read and change what is installed, through the device's own package manager. Nothing here knows
//! a policy: what to change is decided elsewhere, and this crate says what the machine has, what it can get, what a change
//! would do, and what it did. It never links the policy engine, the planner or the server.
// Only the machine is pure: see its own attributes, and clippy.toml.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod inventory;
pub mod machine;
#[cfg(feature = "program")]
pub mod program;
pub mod providers;
