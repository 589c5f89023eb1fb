//! What devices ask, over TLS as it is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

mod certificates;
mod check_ins;
mod client;
mod declarative;
mod documents;
mod enrolment;
mod groups;
mod lives;
mod merged;
mod posture;
mod server;
