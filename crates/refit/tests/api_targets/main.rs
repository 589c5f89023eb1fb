//! `refit compile --systems` against doubles of systems with an API: made, changed and taken away, on good days and on bad ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

#[path = "../../../refit-connect/tests/systems/server.rs"]
#[allow(dead_code, reason = "the tests of the client use all of it")]
mod server;

mod apps;
mod bad_days;
mod company;
mod graph;
mod hands;
mod hooks;
mod jamf;
mod kept;
mod okta;
mod refusals;
mod rings;
mod serving;
mod signals;
mod verify;
