//! The server's logic, driven by hand: inputs in, events out, and the state that they add up to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

mod budgets;
mod clocks;
mod clones;
mod cohorts;
mod disruption;
mod documents;
mod exceptions;
mod fleet;
mod found;
mod lookout;
mod plans;
mod presence;
mod rollouts;
mod shell;
mod sources;
mod standing;
mod targets;
