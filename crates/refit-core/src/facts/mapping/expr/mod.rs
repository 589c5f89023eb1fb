//! Expressions of mappings: CEL's syntax over the JSON of a record.
//!
//! Records have no types that anybody promises, so what policies' expressions check beforehand is looked at here while a record is
//! read: a missing key is [`Item::Missing`] and goes through functions as it is; a value of the wrong kind is a [`Fault`] that
//! names the place in the record. The parser is that of the policies' expressions. What is compiled is walked without looking
//! up a name and without copying a text.

mod calls;
mod compile;
mod evaluate;
mod functions;
mod item;
mod node;
#[cfg(test)]
mod tests;
mod times;

pub use compile::{Expr, Names};
pub use evaluate::{Fault, STEPS_MAX, Scope};
pub use functions::{Function, TABLE};
pub use item::Item;
pub(super) use times::{TimeFormat, never};
