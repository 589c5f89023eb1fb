//! The fleet engine: what it keeps, whom it selects, and that it decides as the plain decision does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod compare;
mod devices;
#[path = "../documents/mod.rs"]
mod documents;
mod edges;
mod equality;
mod fleet;
mod fleets;
mod live;
mod memories;
mod plans;
mod reasons;
mod scenarios;
mod selection;
mod snapshot;

#[allow(dead_code, reason = "shared with the laws of decisions, which use all of it")]
#[path = "../laws/worlds.rs"]
mod worlds;
