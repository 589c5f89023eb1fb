//! Feeds from end to end: synced from a server that misbehaves or from a folder, kept, and matched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

mod conformance;
mod debsecan;
mod http;
mod matching;
mod server;
mod store;
