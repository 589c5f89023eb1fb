//! The policy repository: from text to checked documents.
//!
//! Text becomes a tree with places ([`syntax`]), the tree becomes typed documents ([`document`]), expressions are typed and
//! compiled ([`expr`]), the whole is looked over ([`check`]); every mistake on the way is a [`diagnostic::Diagnostic`], and all of them are reported at once.

pub mod check;
pub mod diagnostic;
pub mod document;
pub mod expr;
pub mod load;
mod ranges;
pub mod repository;
pub mod resolve;
pub mod syntax;
pub mod testing;
mod vendor;
