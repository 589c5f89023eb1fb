//! Checksums of rows. Each event's covers the one before, so that a row that was changed, taken out or put in shows.
//!
//! The chain finds damage and careless edits. Somebody who can write the file can compute it anew.

use crate::batch::{Answered, NewEvent, PersonalValue, Seq, StoredEvent, hex, nanoseconds};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// SHA-256 over the chain of the event before, and the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// The chain before the first event.
    pub const START: Self = Self([0; 32]);

    /// The chain after an event that is to become number `seq`.
    pub fn then_new(self, seq: Seq, event: &NewEvent) -> Self {
        let NewEvent { at, kind, version, actor, body } = event;
        self.then(seq, *at, kind, *version, actor, body)
    }

    /// The chain after an event.
    pub fn then_stored(self, event: &StoredEvent) -> Self {
        let StoredEvent { seq, at, kind, version, actor, body } = event;
        self.then(*seq, *at, kind, *version, actor, body)
    }

    fn then(self, seq: Seq, at: Timestamp, kind: &str, version: u16, actor: &str, body: &[u8]) -> Self {
        let mut sum = Sum::default();
        sum.bytes(&self.0);
        sum.number(seq);
        sum.time(at);
        sum.bytes(kind.as_bytes());
        sum.number(version.into());
        sum.bytes(actor.as_bytes());
        sum.bytes(body);
        Self(sum.0.finalize().into())
    }

    /// The chain as a column holds it.
    pub fn read(column: &[u8]) -> Option<Self> {
        column.try_into().ok().map(Self)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

pub fn sum_of_value(value: &PersonalValue) -> [u8; 32] {
    let PersonalValue { reference, person, value } = value;
    let mut sum = Sum::default();
    sum.bytes(reference.as_bytes());
    sum.bytes(person.as_bytes());
    sum.bytes(value);
    sum.0.finalize().into()
}

pub fn sum_of_answer(answer: &Answered) -> [u8; 32] {
    let Answered { key, fingerprint, status, body, at } = answer;
    let mut sum = Sum::default();
    sum.bytes(key.as_bytes());
    sum.bytes(fingerprint.as_bytes());
    sum.number((*status).into());
    sum.bytes(body);
    sum.time(*at);
    sum.0.finalize().into()
}

/// Fields one after another; whatever varies in length has its length before it, so that no two rows look alike.
#[derive(Default)]
struct Sum(Sha256);

impl Sum {
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    fn time(&mut self, at: Timestamp) {
        self.0.update(nanoseconds(at).unwrap_or_default().to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_never_changes_its_formula() {
        let at = Timestamp::from_nanosecond(1_764_000_000_123_456_789).unwrap();
        let event = NewEvent {
            at,
            kind: "policy.applied".into(),
            version: 1,
            actor: "person/7".into(),
            body: br#"{"revision":"3f2a"}"#.to_vec(),
        };
        // Computed by another program from the same fields.
        let expected = "45b6ec1cbd65733a5b75c967c1db394aed2639506323bf9230ddd4a385a123a8";
        assert_eq!(Chain::START.then_new(1, &event).to_string(), expected);
    }

    #[test]
    fn what_moves_between_fields_shows() {
        let value = |reference: &str, person: &str| PersonalValue {
            reference: reference.into(),
            person: person.into(),
            value: vec![1],
        };
        assert_ne!(sum_of_value(&value("ab", "c")), sum_of_value(&value("a", "bc")));
    }
}
