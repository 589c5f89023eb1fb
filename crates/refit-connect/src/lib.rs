//! Refit's input and output with other systems.
//!
//! What is here does IO, and nothing here decides: it fetches, checks, keeps and reads, and hands values of `refit-model`
//! to those who decide.

pub mod feeds;
pub mod outbound;
pub mod prometheus;
mod retry;
pub mod sign_in;
pub mod systems;
pub mod targets;
pub mod webhook;
