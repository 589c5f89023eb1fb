//! Mandates: what the policies permit agents to do, as a document that somebody signs.
//!
//! The same repository, devices and versions give the same mandate. What differs between two is put into words by
//! [`difference()`], and whether one permits more than another is told by [`wider()`].

mod build;
mod difference;
mod members;
#[cfg(test)]
mod tests;
mod wider;

pub use build::{CantSign, Signing, mandate};
pub use difference::{Difference, Sign, difference};
pub use members::{Members, members};
pub use wider::wider;
