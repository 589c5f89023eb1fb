//! Decisions compiled into the configuration of other systems.
//!
//! Decisions and the state of rollouts in ([`Cohorts`](refit_core::cohorts::Cohorts)), typed objects in the other system's own schema out
//! ([`Object`]), and beside them what could not be said there ([`Loss`]). Nothing here does IO, reads a clock or draws a random number:
//! whoever writes to a system observes it first, and hands in what it found.
//!
//! - [`object`] What is written, with its identity there, its owner's marker, and the policy and line that it comes from.
//! - [`intent`] All that a policy can say. [`target`] What one system makes of it: the one shape of all targets, and their registry.
//! - [`terms`] Windows and restarts as they count for some devices, exceptions included.
//! - [`time`] Times with their meaning. Each target turns them into its system's own model, in one place (`targets/*/time.rs`).
//! - [`plan`] All targets of a repository at once: objects and fields to add, change and take away, and who would be patched twice.
//! - [`import`] The other way round: what a system was configured to do, as policy.
//! - [`shadow`] Where another tool, which still does the work, and the policies differ.
//! - [`files`] Targets whose configuration is files: what is found in a folder, and what has to be done there.
//! - [`api`] Targets whose configuration is kept by a system with an API: what is asked, what is there, and what has to be called.
//! - [`removals`] How much one run may take away of what was written before.
//! - [`cost`] How many calls and bytes that takes.
//! - [`targets`] One module for each system.
//! - [`pages`] `docs/targets/`, from the matrices.

pub mod api;
pub mod cost;
pub mod diff;
pub mod files;
pub mod import;
pub mod intent;
pub mod object;
pub mod pages;
pub mod plan;
pub mod removals;
pub mod render;
pub mod shadow;
mod stated;
pub mod target;
pub mod targets;
pub mod terms;
pub mod time;

pub use cost::{Cost, Load};
pub use diff::{Change, FieldChange, Observed, diff};
pub use intent::Intent;
pub use object::{Fields, Identity, Loss, MARKER, Object, Source};
pub use plan::{Compiled, TargetPlan, compile};
pub use removals::{Removals, TooMany};
pub use stated::{Stated, Subject, stated};
pub use target::{Answer, Awaiting, Desired, Input, Lost, Offered, Refusal, Target, Withheld, registry};
pub use terms::Terms;
pub use time::Time;
