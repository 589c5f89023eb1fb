//! From the payloads of other systems to facts: connectors.
//!
//! A connector is data ([`document`]): what a system is called, how it is asked, and how its records become facts. Loading one
//! ([`load()`]) types its fields and compiles its expressions ([`expr`]); reading a payload with it ([`read`]) never fails as a whole
//! for the sake of one record: what does not fit is set aside with its path and the reason.

mod apply;
mod compile;
mod convert;
pub mod document;
mod draft;
pub mod expr;
mod json;
mod keys;
mod load;
mod model;
mod names;
mod payload;
mod reading;
#[cfg(test)]
mod tests;

pub use apply::{read, read_page, try_out};
pub use compile::Connector;
pub use draft::{Draft, Operation, draft, draft_operation, form, operations, sample};
pub use json::Json;
pub use keys::{Key, KeyKind, Strength};
pub use load::load;
pub use model::model_pages;
pub use names::plain_name;
pub use payload::{Unreadable, decoded};
pub use reading::{Install, Maps, Quarantined, Reading, Record, Relation, Said, SetAside, Uncovered, Unlisted};
