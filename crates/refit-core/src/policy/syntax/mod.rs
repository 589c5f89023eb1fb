//! From text to a tree with places, and from the tree to typed documents.
//!
//! [`parse()`] reads YAML (and JSON, which is YAML in flow style) into [`Node`]s that know their place. [`Shape`] is what a
//! type expects, taken from the type's own JSON Schema; [`Shape::decode`] compares the two and reports every mistake, then
//! builds the value. What the values mean (does this title exist?) is checked later, elsewhere.
//!
//! Input may be hostile: every step is bounded by [`Limits`], and nothing here panics on bad input.

mod check;
mod choose;
mod compile;
mod decode;
mod explain;
mod format;
mod limits;
mod node;
mod parse;
mod place;
mod scalar;
mod schema;
mod value;

pub use check::Mistakes;
pub use decode::{Decoded, Shape};
pub use format::Format;
pub use limits::Limits;
pub use node::{Kind, Node, Scalar, Step, Style};
pub use parse::parse;

#[cfg(test)]
mod tests;
