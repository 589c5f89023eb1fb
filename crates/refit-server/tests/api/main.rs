//! The HTTP API, in one process with a log in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

mod audit;
mod authorization;
mod client;
mod conditional;
mod declarative;
mod description;
mod devices;
mod events;
mod feedback;
mod fleet;
mod foreign;
mod idempotency;
mod limits;
mod okta;
mod okta_workflows;
mod paging;
mod past;
mod people;
mod plans;
mod posture;
mod rollouts;
#[path = "../../../refit-targets/tests/compile/schema.rs"]
mod schema;
mod schemathesis;
mod scim;
mod scim_groups;
mod scim_samples;
mod server;
mod sign_in;
mod sources;
mod ssf;
mod stream;
mod subscriptions;
mod tokens;
