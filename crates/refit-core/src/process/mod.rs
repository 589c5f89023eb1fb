//! Business processes: what other systems are told of what happens here, and what they answer. A change in ServiceNow for each rollout, a
//! ticket in Jira for each campaign and owner, a comment on a pull request.
//!
//! A process is data, as connectors are ([`document`]): what it is about, and which calls make, change and close one object of another
//! system for each such thing. Nothing is told of events one by one: what is so now ([`situations()`]) is held against what the other system
//! was last told ([`Line`]), so that events that come twice, late or never change nothing
//! (docs/decisions/0203-processes-hold-what-is-so-against-what-was-told.md).
//!
//! - `document/` `template.yaml`, as it is written. `compile.rs`, `load.rs` From there to a [`Process`], with all that is wrong.
//! - `text.rs` Texts and bodies with expressions in them. `call.rs` A call, and what is read from its answer.
//! - `line.rs`, `object.rs` The machine: what is there, what should be, which call comes next. It knows of lost answers, restarts and limits.
//! - `situation.rs`, `situations.rs` What is so, of rollouts, campaigns and devices.

mod call;
mod compile;
pub mod document;
mod line;
mod load;
mod object;
mod situation;
mod situations;
#[cfg(test)]
mod tests;
mod text;

pub use call::{Answer, Call, Verb};
pub use compile::{Process, compile_condition};
pub use line::{Approval, Doing, Ended, Line, Next, RestsUntil};
pub use load::load;
pub use object::{Object, Stands};
pub use situation::Situation;
pub use situations::{rollout_key, situations};
