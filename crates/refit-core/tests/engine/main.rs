//! The fleet engine: what it keeps, whom it selects, and that it decides as the plain decision does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod devices;
mod fleet;
mod selection;
