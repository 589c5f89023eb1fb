//! Asking systems for their records: who we are, page after page, no more often than they want to be asked.
//!
//! How a system is asked is data ([`System`], [`Question`]), which a connector's document says; what the answers mean is not known
//! here. [`Client::read`] hands one page after the other to whoever asked, as text. A page that can't be had is tried again where
//! that makes sense; if it can't be had at all the reading fails as a whole, so that half a list is never taken for a whole one.
//!
//! Databases ([`Database`]) are asked for the rows of a query in the same way, in batches that stand for pages.
//!
//! What changes something is one request ([`Client::call`]): it is told whether it was taken, surely was not, or whether nobody knows.
//!
//! Requests are made one after the other.

mod address;
mod authentication;
mod call;
mod client;
mod database;
mod error;
mod jwt;
mod pace;
mod paging;
mod question;
mod secret;

pub use authentication::{Authentication, ClientPlace, Grant, Signature};
pub use call::{CallError, Method, Reply, Request};
pub use client::{Answered, Client, PageReader};
pub use database::{Database, Place};
pub use error::AskError;
pub use pace::{Limits, Reset};
pub use paging::{Number, Paging, Size};
pub use question::{Body, Question, System};
pub use secret::Secret;
