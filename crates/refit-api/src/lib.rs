//! The public API of a Refit server: the types that go over the wire, and a blocking client (feature `client`).
//!
//! Requests refuse fields that they don't know; answers may get more fields with time. [`schemas`] gives the JSON Schema of
//! every type, from the types themselves: the OpenAPI document is made of them.

mod advice;
mod audit;
mod catalogue;
#[cfg(feature = "client")]
pub mod client;
mod declarative;
mod device;
mod event;
mod exception;
mod group;
mod operation;
mod page;
mod person;
mod plan;
mod policy;
mod posture;
mod problem;
mod report;
mod rollout;
mod schema;
mod sign_in;
mod signal;
mod source;
mod stream;
mod subscription;
mod target;
mod token;
mod trust;

pub use advice::*;
pub use audit::*;
pub use catalogue::*;
pub use declarative::*;
pub use device::*;
pub use event::*;
pub use exception::*;
pub use group::*;
pub use operation::*;
pub use page::*;
pub use person::*;
pub use plan::*;
pub use policy::*;
pub use posture::*;
pub use problem::{Finding, InvalidField, Problem};
pub use report::*;
pub use rollout::*;
pub use schema::schemas;
pub use sign_in::*;
pub use signal::*;
pub use source::*;
pub use stream::*;
pub use subscription::*;
pub use target::*;
pub use token::*;
pub use trust::*;
