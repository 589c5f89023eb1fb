//! Which records are one device or one person.
//!
//! A record joins others by strong keys only: a serial number, a hardware UUID, ids of management systems, the number of an
//! employee, a verified address. A join that would put together what can't be one (two serial numbers, two devices that a source
//! sees at the same time) is not made: it is a [`Conflict`], which a person settles with an `identities:` document.
//!
//! What is one is a function of what the records say, never of the order in which they came. What it is *called* is a matter of
//! history: each record is given an id of its own when it is first known, and what is one goes by the oldest of them. So a merge
//! keeps the older id, and what is separated again has the id back that it had before.
//!
//! [`Registry`] holds the records and says what changes; `partition.rs` decides, for records that have keys in common, which are
//! one; `contradiction.rs` knows what can't be.

mod change;
mod conflict;
mod contradiction;
mod node;
mod partition;
mod record;
mod registry;
mod settled;
#[cfg(test)]
mod tests;

pub use change::Change;
pub use conflict::{Conflict, Party, Suggestion};
pub use contradiction::Contradiction;
pub use node::{Anchor, Life, Node, Span};
pub use record::{RecordId, Sighting};
pub use registry::Registry;
pub use settled::{Named, NamedError, Settled};

use super::mapping::{KeyKind, document::Subject};

/// Kinds of keys of which a device or a person has one, so that two values are two devices or two people.
fn exclusive(of: Subject) -> &'static [KeyKind] {
    match of {
        Subject::Device => &[KeyKind::Serial, KeyKind::HardwareUuid],
        Subject::Person => &[KeyKind::EmployeeId],
    }
}

/// Kinds of keys that join, those first that are hardest to get wrong: what they join is what the later ones are held against.
fn joining(of: Subject) -> &'static [KeyKind] {
    match of {
        Subject::Device => {
            &[KeyKind::Serial, KeyKind::HardwareUuid, KeyKind::Imei, KeyKind::EntraDeviceId, KeyKind::ManagementId]
        }
        Subject::Person => &[KeyKind::EmployeeId, KeyKind::Email],
    }
}

/// More records than this with one value are no device and no person: it is a word that somebody filled in.
const CROWD: usize = 64;
