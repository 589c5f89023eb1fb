//! Refit on the endpoint.
//!
//! [`providers`] read and change what is installed, through the device's own package manager. Nothing here knows a policy:
//! what to change is decided elsewhere, and this crate says what the machine has, what it can get, what a change would
//! do, and what it did. It never links the policy engine, the planner or the server.

pub mod providers;
