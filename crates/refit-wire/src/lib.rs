//! What Refit's agent and server say to each other, and what an organisation signs.
//!
//! Two kinds of values are here. Signed documents ([`Root`], [`Mandate`], [`Lease`], [`State`]) travel as [`Envelope`]s and
//! are believed only after [`Envelope::open`] has checked them against keys that the reader trusts already. Bodies
//! ([`protocol`]) travel over mutual TLS, and decide nothing on a device. The protocol is written down for strangers in
//! `docs/protocols/agent.md`. What programs of others check is signed as they expect it ([`jws`]).
//!
//! The crate is pure: no IO, no clock, no randomness.

mod digest;
pub mod enrolment;
pub mod envelope;
pub mod jws;
pub mod key;
pub mod lease;
pub mod limits;
pub mod mandate;
pub mod protocol;
pub mod root;
mod schema;
pub mod state;

pub use digest::{Digest, WrongDigest};
pub use enrolment::EnrolmentToken;
pub use envelope::{Document, Envelope, Rejected};
pub use key::{KeyId, PublicKey, SigningKey};
pub use lease::Lease;
pub use mandate::Mandate;
pub use root::{Role, Root};
pub use schema::schemas;
pub use state::State;
