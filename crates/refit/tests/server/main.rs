//! `refit serve` as a process, and the command line against it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

mod agent;
mod booted;
mod commands;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../../../refit-connect/tests/systems/server.rs"]
mod double;
mod faults;
mod feedback;
mod fleet;
mod hosts;
mod kill;
mod lab;
mod monitoring;
mod notice;
mod package;
mod processes;
mod rotation;
mod running;
mod scim;
mod sign_in;
mod signing;
mod sources;
mod withheld;
