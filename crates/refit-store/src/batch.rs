//! What is appended to the log in one step, and what is read back.

use crate::error::AppendError;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeSet, fmt};

/// A position in the log: 1 for the first event. 0 stands before it.
pub type Seq = u64;

/// The largest body of one event, one answer, one personal value or one blob. What is larger belongs into a file that an
/// event names. It bounds how long one write can keep the others waiting.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An event that is to be appended. The store does not know what it means.
#[derive(Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// When it happened, by the clock of the one who appends.
    pub at: Timestamp,
    /// What happened: `policy.applied`.
    pub kind: String,
    /// The version of this kind's body.
    pub version: u16,
    /// Who did it, as an opaque id.
    pub actor: String,
    /// What there is to say of it; JSON, but nothing here reads it.
    pub body: Vec<u8>,
}

/// An event of the log.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its position.
    pub seq: Seq,
    /// When it happened.
    pub at: Timestamp,
    /// What happened: `policy.applied`.
    pub kind: String,
    /// The version of this kind's body.
    pub version: u16,
    /// Who did it, as an opaque id.
    pub actor: String,
    /// What there is to say of it.
    pub body: Vec<u8>,
}

/// A value that belongs to a person and can be erased. Events name it by its reference only.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonalValue {
    /// What events call it: opaque, and used once.
    pub reference: String,
    /// Whose it is: the person's opaque id.
    pub person: String,
    /// The value itself.
    pub value: Vec<u8>,
}

/// The answer that a request with an idempotency key was given. It is appended together with the events that the request
/// caused: either both are there or neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Answered {
    /// The key that the client chose.
    pub key: String,
    /// A fingerprint of the whole request, to tell a repetition from another request under the same key.
    pub fingerprint: String,
    /// The HTTP status.
    pub status: u16,
    /// The body of the answer.
    pub body: Vec<u8>,
    /// When it was answered.
    pub at: Timestamp,
}

/// Bytes under their own SHA-256. It is computed here, so that the two can't differ.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    digest: String,
    body: Vec<u8>,
}

/// All that is appended in one step: it is in the log as a whole, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The events, in their order.
    pub events: Vec<NewEvent>,
    /// Personal values that the events refer to.
    pub personal: Vec<PersonalValue>,
    /// Blobs that the events refer to. One that is there already is left as it is.
    pub blobs: Vec<Blob>,
    /// Answers to the requests that caused the events.
    pub answers: Vec<Answered>,
}

impl Blob {
    /// Names bytes by their SHA-256.
    pub fn new(body: Vec<u8>) -> Self {
        Self { digest: digest_of(&body), body }
    }

    /// SHA-256 of the body, in lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The bytes, for good.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}

impl Batch {
    /// A batch of events alone.
    pub fn of(events: impl IntoIterator<Item = NewEvent>) -> Self {
        Self { events: events.into_iter().collect(), ..Self::default() }
    }

    /// Whether there is nothing to append.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.personal.is_empty() && self.blobs.is_empty() && self.answers.is_empty()
    }

    /// What every store refuses, whatever it holds: too large bodies, times that it could not give back exactly, and a key
    /// or reference that is in the batch twice.
    pub(crate) fn check(&self) -> Result<(), AppendError> {
        let bodies = self.events.iter().map(|event| ("event", &*event.kind, event.body.len()));
        let bodies =
            bodies.chain(self.personal.iter().map(|value| ("personal value", &*value.reference, value.value.len())));
        let bodies = bodies.chain(self.blobs.iter().map(|blob| ("blob", &*blob.digest, blob.body.len())));
        let mut bodies = bodies.chain(self.answers.iter().map(|answer| ("answer", &*answer.key, answer.body.len())));
        if let Some((what, name, bytes)) = bodies.find(|(_, _, bytes)| *bytes > BODY_BYTES_MAX) {
            return Err(AppendError::TooLarge { what, name: name.to_owned(), bytes });
        }
        for at in self.events.iter().map(|event| event.at).chain(self.answers.iter().map(|answer| answer.at)) {
            if nanoseconds(at).is_none() {
                return Err(AppendError::TimeOutOfRange(at));
            }
        }
        for (n, answer) in self.answers.iter().enumerate() {
            if let Some(earlier) = self.answers[..n].iter().find(|earlier| earlier.key == answer.key) {
                return Err(AppendError::answered(earlier, answer));
            }
        }
        let mut references = BTreeSet::new();
        for value in &self.personal {
            if !references.insert(value.reference.as_str()) {
                return Err(AppendError::ReferenceTaken { reference: value.reference.clone() });
            }
        }
        Ok(())
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A time as it is stored: nanoseconds since 1970 in 64 bits, which reaches from 1677 to 2262.
pub(crate) fn nanoseconds(at: Timestamp) -> Option<i64> {
    i64::try_from(at.as_nanosecond()).ok()
}

// What people wrote, and who they are, does not belong into logs of the program: only sizes are shown.

impl fmt::Debug for NewEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, kind, version, actor, body } = self;
        write!(f, "NewEvent({kind} v{version} at {at} by {actor}, {} bytes)", body.len())
    }
}

impl fmt::Debug for StoredEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, at, kind, version, actor, body } = self;
        write!(f, "StoredEvent({seq}: {kind} v{version} at {at} by {actor}, {} bytes)", body.len())
    }
}

impl fmt::Debug for PersonalValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonalValue({} of {}, {} bytes)", self.reference, self.person, self.value.len())
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answered({}: {} at {}, {} bytes)", self.key, self.status, self.at, self.body.len())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({}, {} bytes)", self.digest, self.body.len())
    }
}
