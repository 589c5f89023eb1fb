//! Asking systems, against servers on loopback that behave as real ones do: pages, tokens that end, limits, failures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

mod databases;
mod failures;
mod graphql;
mod identity;
mod pages;
mod postgres;
mod server;
