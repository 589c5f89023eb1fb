//! Business events: what happens, in words that mean something to each department, as CloudEvents 1.0
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>).
//!
//! They follow from the log: [`derive()`] takes one entry and returns what it means, and knows nothing else but the ids of devices by
//! index. The same entry gives the same events at any time, so that a reader may go on from any [`Position`]
//! (docs/decisions/0160-business-events-follow-from-one-entry-of-the-log.md).
//!
//! - `kinds.rs` The catalogue: every type with its version, its trigger, what clears it, and the department that owns it.
//! - `data.rs` What there is to say of each, with its JSON Schema.
//! - `derive.rs`, `standing.rs` What an entry of the log means.
//! - `cloud.rs` The envelope, and positions.
//! - `filter.rs` Conditions on events.
//! - `describe.rs` The documents that are generated from the catalogue: schemas, AsyncAPI, the page of the reference.

mod cloud;
mod data;
mod derive;
mod describe;
mod filter;
mod kinds;
mod standing;

pub use cloud::{CloudEvent, Position, PositionError, SOURCE};
pub use data::*;
pub use derive::{Derived, concerns, derive};
pub use describe::{asyncapi, event_schema, page};
pub use filter::{Filter, FilterError};
pub use kinds::{Department, Kind};
