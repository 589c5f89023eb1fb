//! Asking systems, against servers on loopback that behave as real ones do: pages, tokens that end, limits, failures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

mod failures;
mod identity;
mod pages;
mod server;
