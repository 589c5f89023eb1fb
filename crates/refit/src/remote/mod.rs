//! A Refit server, as the command line talks to it: where it is, and its answers as people read them.

mod client;
mod feedback;
mod fleet_plan;
mod groups;
pub mod inputs;
mod lists;
mod names;
mod rollouts;
mod signed_in;

pub use client::{connect, device, is_meant, no_title};
pub use feedback::{exception, exceptions, report, reports};
pub use fleet_plan::{devices_in, devices_of, fleet_changes, fleet_plan, preview};
pub use groups::groups;
pub use lists::{device_text, devices, enrolments, event, exposures, plans, reach, tokens};
pub use names::Names;
pub use rollouts::{rollouts, signals, stopped, timeline};
pub use signed_in::SignedIn;

/// A value's name as the API writes it, with blanks: `restart pending`.
pub fn word(value: &impl serde::Serialize) -> String {
    let name = serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned));
    name.unwrap_or_default().replace('_', " ")
}
