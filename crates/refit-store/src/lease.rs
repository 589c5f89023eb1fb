//! The lease: one server writes, and one that has lost its lease can't.

use crate::error::LeaseError;
use jiff::Timestamp;
use std::{fmt, time::Duration};

/// The fencing token of a lease: each new lease has a higher one, and only the newest may append. So a server that slept
/// through the end of its lease does no harm when it wakes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub(crate) u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The lease as a store holds it. All stores decide by this type, whatever they keep it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The newest token; 0 before the first lease.
    pub fence: u64,
    /// Who has it; nobody after a release.
    pub holder: Option<Holder>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub name: String,
    pub until: Timestamp,
}

impl Lease {
    /// Whether this token may append: it is the newest and was not given back. Time plays no part. A lease that has run
    /// out and that nobody else took is still the only one.
    pub fn permits(&self, fence: Fence) -> bool {
        self.holder.is_some() && self.fence == fence.0
    }

    /// The lease of a new holder. The same holder may take it again at once: it has restarted, and its earlier self is
    /// fenced off.
    pub fn acquired(&self, name: &str, now: Timestamp, ttl: Duration) -> Result<Self, LeaseError> {
        if let Some(held) = &self.holder
            && held.name != name
            && held.until > now
        {
            return Err(LeaseError::HeldBy { holder: held.name.clone(), until: held.until });
        }
        Ok(Self { fence: self.fence + 1, holder: Some(Holder { name: name.to_owned(), until: end(now, ttl)? }) })
    }

    pub fn renewed(&self, fence: Fence, now: Timestamp, ttl: Duration) -> Result<Self, LeaseError> {
        match &self.holder {
            Some(held) if self.permits(fence) => {
                Ok(Self { fence: self.fence, holder: Some(Holder { name: held.name.clone(), until: end(now, ttl)? }) })
            }
            _ => Err(LeaseError::Lost),
        }
    }

    /// Nothing happens to a lease that somebody else has meanwhile.
    pub fn released(&self, fence: Fence) -> Self {
        if self.permits(fence) { Self { fence: self.fence, holder: None } } else { self.clone() }
    }
}

fn end(now: Timestamp, ttl: Duration) -> Result<Timestamp, LeaseError> {
    let end = now.checked_add(ttl).ok().filter(|end| crate::batch::nanoseconds(*end).is_some());
    end.ok_or(LeaseError::TimeOutOfRange { now, ttl })
}
