//! Signatures of webhooks, as Standard Webhooks 1.0.0 has them
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>): HMAC-SHA256 over id, time and body.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use ring::hmac;
use std::{fmt, str::FromStr};

/// How secrets begin when they are shown.
const PREFIX: &str = "whsec_";
/// The lengths that the specification permits, in bytes.
const BYTES_LEAST: usize = 24;
const BYTES_MOST: usize = 64;

/// A secret that sender and receiver share. It can't print itself; [`Secret::reveal`] does.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It is no base64.
    #[error("a secret is `whsec_` and base64")]
    Text,
    /// It is too short, or too long.
    #[error("a secret has 24 to 64 bytes")]
    Length,
}

impl Secret {
    /// A secret of these bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Secret, SecretError> {
        if (BYTES_LEAST..=BYTES_MOST).contains(&bytes.len()) { Ok(Secret(bytes)) } else { Err(SecretError::Length) }
    }

    /// As receivers are given it: `whsec_...`.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// `v1,` and the signature.
    fn sign(&self, content: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, content)))
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Secret, SecretError> {
        let text = text.strip_prefix(PREFIX).unwrap_or(text);
        Secret::new(STANDARD.decode(text).map_err(|_| SecretError::Text)?)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The headers of an attempt: the message's id, when it is sent, and a signature for each secret that counts (while they are rotated there are
/// two, and the receiver takes either). An id has no dot, which separates what is signed.
pub fn headers(id: &str, at: Timestamp, body: &[u8], secrets: &[Secret]) -> [(&'static str, String); 3] {
    let seconds = at.as_second().to_string();
    let mut content = format!("{id}.{seconds}.").into_bytes();
    content.extend_from_slice(body);
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(&content)).collect();
    [("webhook-id", id.to_owned()), ("webhook-timestamp", seconds), ("webhook-signature", signatures.join(" "))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the specification's reference libraries (their tests).
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let [id, time, signature] =
            headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#, std::slice::from_ref(&secret));
        assert_eq!(id.1, "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(time.1, "1614265330");
        assert_eq!(signature.1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret.reveal(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn while_secrets_are_rotated_there_is_a_signature_by_each() {
        let secrets = [Secret::new(vec![1; 24]).unwrap(), Secret::new(vec![2; 24]).unwrap()];
        let [.., signature] = headers("1-0-a", Timestamp::UNIX_EPOCH, b"{}", &secrets);
        let parts: Vec<&str> = signature.1.split(' ').collect();
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|part| part.starts_with("v1,")) && parts[0] != parts[1]);
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        assert_eq!("whsec_!".parse::<Secret>(), Err(SecretError::Text));
        assert_eq!(Secret::new(vec![0; 23]), Err(SecretError::Length));
        assert_eq!(Secret::new(vec![0; 65]), Err(SecretError::Length));
    }
}
