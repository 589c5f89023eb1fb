//! Versions: one file per scheme, registered in [`Scheme`].
//!
//! A version is read once, in the scheme of its title. Reading checks it and turns it into a key: bytes whose plain order
//! is the scheme's order. From then on comparing is comparing bytes, so every scheme's order is total and transitive by
//! construction. A text that is no version of its scheme is an error value, never an arbitrary order; two versions of
//! different schemes have no order.
//!
//! A new scheme is a file with a function `key`, and one line in each `match` of `scheme.rs`.

mod apple;
mod chrome;
mod dpkg;
mod generic;
mod key;
mod range;
mod rpm;
mod scheme;
mod semver;
mod version;
mod windows;

#[cfg(test)]
mod tests;

pub use range::{RangeError, VersionRange};
pub use scheme::Scheme;
pub use version::{Version, VersionError, compare_text, sign};
