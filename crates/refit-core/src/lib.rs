//! Refit's pure core: the policy language, facts, decisions, rollouts, plans.
//!
//! Values in, values out. Nothing here does IO, reads a clock, draws a random number, starts a thread or waits: time is an
//! argument, and the same inputs give the same bytes. That is what makes planning, simulation, replay and testing the same
//! code as production (docs/ARCHITECTURE.md).

pub mod business;
pub mod calendar;
pub mod cohorts;
pub mod control;
pub mod decide;
pub mod delivery;
pub mod engine;
pub mod facts;
pub mod plan;
pub mod policy;
pub mod posture;
pub mod process;
pub mod rollout;
pub mod world;
