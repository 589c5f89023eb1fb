//! `refit` on real Debian devices: real apt and dpkg in throw-away roots, and what a person reads there.
//!
//! Each test ends with a transcript in `snapshots/`, which reads like documentation: what was typed, what was answered, how
//! it ended, and what dpkg says afterwards.
//!
//! - `machine`: a device with `refit` on it, its policy, and the transcript
//! - `archive`: a real archive's root, more than a hundred packages behind
//! - `documented`: JSON output against docs/reference/json.md
//! - `upgrades`: what goes well, and what is held back with a reason
//! - `families`: what is the same with apt and with dnf
//! - `failures`: scripts that fail, full disks, locks, a run that is killed
//! - `signals`: a run that is asked to end, or killed, half-way
//! - `sources`: package sources that are gone, expired, unsigned, tampered with
//! - `guards`: what `refit apply` refuses

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

mod archive;
mod documented;
mod failures;
mod families;
mod guards;
mod machine;
mod signals;
mod sources;
mod upgrades;
