//! What executor and network process say to each other: a line of JSON, then as many bytes as it says.

use crate::machine::{Ask, Failure};
use refit_wire::{Digest, limits};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use smol_str::SmolStr;
use std::io::{self, BufRead, Read as _, Write};

/// The longest line, in bytes.
const LINE: u64 = 64 << 10;
/// The longest body: a mandate, or a check-in.
const BODY: usize = if limits::MANDATE > limits::CHECK_IN { limits::MANDATE } else { limits::CHECK_IN };

/// The executor asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Check in; the body is the check-in.
    CheckIn,
    /// The root of a number.
    Root(u64),
    /// The mandate of a digest.
    Mandate(Digest),
    /// The device's state.
    State,
    /// Renew the certificate.
    Certificate,
}

/// A call, on its way to the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its number.
    pub call: u64,
    /// What for.
    pub wanted: Wanted,
    /// How long the answer may be, in bytes.
    pub limit: usize,
}

/// An answer, on its way to the executor; the body follows where it went well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The number of the call.
    pub call: u64,
    /// Why there is none.
    pub failure: Option<WireFailure>,
}

/// [`Failure`], as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireFailure {
    NotFound,
    TooLarge,
    Refused { status: u16, code: SmolStr, detail: String },
    Unreachable(String),
}

impl From<WireFailure> for Failure {
    fn from(failure: WireFailure) -> Failure {
        match failure {
            WireFailure::NotFound => Failure::NotFound,
            WireFailure::TooLarge => Failure::TooLarge,
            WireFailure::Refused { status, code, detail } => Failure::Refused { status, code, detail },
            WireFailure::Unreachable(why) => Failure::Unreachable(why),
        }
    }
}

impl Call {
    /// The call for something that the machine asks, and its body.
    pub fn of(call: u64, ask: &Ask) -> serde_json::Result<(Call, Vec<u8>)> {
        let (wanted, body) = match ask {
            Ask::CheckIn(check_in) => (Wanted::CheckIn, serde_json::to_vec(check_in)?),
            Ask::Root(version) => (Wanted::Root(*version), Vec::new()),
            Ask::Mandate(digest) => (Wanted::Mandate(*digest), Vec::new()),
            Ask::State => (Wanted::State, Vec::new()),
            Ask::Certificate => (Wanted::Certificate, Vec::new()),
        };
        Ok((Call { call, wanted, limit: ask.limit() }, body))
    }
}

#[derive(Serialize, Deserialize)]
struct Frame<T> {
    head: T,
    body_bytes: usize,
}

/// Sends a head and a body.
pub fn send<T: Serialize>(to: &mut impl Write, head: &T, body: &[u8]) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Frame { head, body_bytes: body.len() })?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.write_all(body)?;
    to.flush()
}

/// The next head and body; `None` where the other side has closed.
pub fn receive<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut line = Vec::new();
    from.take(LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if line.last() != Some(&b'\n') {
        return Err(wrong("a line that is too long, or was cut off"));
    }
    let Frame { head, body_bytes } = serde_json::from_slice::<Frame<T>>(&line)?;
    if body_bytes > BODY {
        return Err(wrong("a body that is too long"));
    }
    let mut body = vec![0; body_bytes];
    from.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_received() {
        let mut bytes = Vec::new();
        let call = Call { call: 7, wanted: Wanted::Root(3), limit: 10 };
        send(&mut bytes, &call, b"body\nof two lines").unwrap();
        send(&mut bytes, &Answer { call: 8, failure: Some(WireFailure::NotFound) }, b"").unwrap();
        let mut from = &bytes[..];
        assert_eq!(receive::<Call>(&mut from).unwrap(), Some((call, b"body\nof two lines".to_vec())));
        assert_eq!(receive::<Answer>(&mut from).unwrap().unwrap().0.call, 8);
        assert_eq!(receive::<Answer>(&mut from).unwrap(), None);
    }

    #[test]
    fn endless_lines_and_bodies_are_refused() {
        assert!(receive::<Call>(&mut &vec![b'x'; 1 << 20][..]).is_err());
        let huge = br#"{"head":{"call":1,"failure":null},"body_bytes":99999999999}"#;
        assert!(receive::<Answer>(&mut &[&huge[..], b"\n"].concat()[..]).is_err());
    }
}
