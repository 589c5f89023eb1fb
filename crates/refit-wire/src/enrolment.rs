//! The enrolment token: one line that a person hands to a device, with all that it needs to trust the right server.

use crate::Digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What an enrolment token carries. It is written as `refit-enrol-1.` and base64url of JSON, on one line.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnrolmentToken {
    /// The server's address: `https://refit.example:7443`.
    pub address: String,
    /// SHA-256 of the certificate (DER) of the authority that signed the server's certificate. The certificate itself is to be
    /// had at [`crate::protocol::path::AUTHORITY`]. Null is: the machine's own list of authorities decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub authority: Option<Digest>,
    /// The fingerprint of the organisation's root; null while there is none: such a device changes nothing until it is enrolled
    /// again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub root: Option<Digest>,
    /// What proves to the server that somebody permitted the enrolment.
    pub secret: String,
}

/// What each token begins with.
const PREFIX: &str = "refit-enrol-1.";
/// The longest token, in bytes.
const LONGEST: usize = 4_096;

/// A text is no enrolment token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no enrolment token: it begins with `{PREFIX}` and is one line, as `refit enrolment create` prints it")]
pub struct WrongToken;

impl fmt::Display for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_vec(self).map_err(|_| fmt::Error)?;
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
    }
}

/// Without the secret.
impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolmentToken")
            .field("address", &self.address)
            .field("authority", &self.authority)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl FromStr for EnrolmentToken {
    type Err = WrongToken;

    fn from_str(text: &str) -> Result<EnrolmentToken, WrongToken> {
        let text = text.trim();
        let encoded = text.strip_prefix(PREFIX).filter(|_| text.len() <= LONGEST).ok_or(WrongToken)?;
        let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| WrongToken)?;
        serde_json::from_slice(&json).map_err(|_| WrongToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_hides_its_secret() {
        let token = EnrolmentToken {
            address: "https://refit.example:7443".into(),
            authority: Some(Digest::of(b"ca")),
            root: None,
            secret: "s3cret".into(),
        };
        let text = token.to_string();
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(format!(" {text}\n").parse(), Ok(token.clone()));
        assert!(!format!("{token:?}").contains("s3cret"));
        for wrong in ["", "refit-enrol-1.", "refit-enrol-1.!", "refit_abc", &text[1..]] {
            assert_eq!(wrong.parse::<EnrolmentToken>(), Err(WrongToken), "{wrong}");
        }
    }
}
