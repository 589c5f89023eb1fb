//! How a device, or a person's devices, stand: what is asked before somebody is let in.

use refit_core::posture::Answer;
use refit_wire::jws::Jwk;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is asked about: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct AskPosture {
    /// A device by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub device: Option<String>,
    /// A device by the serial number that its manufacturer gave it. Whoever asks was told it; only a certificate is proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub serial: Option<String>,
    /// A device by the certificate (PEM) that this server gave to its agent. Whoever asks has to have seen that the device has the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub certificate: Option<String>,
    /// A person with all their devices: by id, by address, or by the name with which they sign in at an identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub user: Option<String>,
}

/// The answer, and the same signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostureSaid {
    /// The answer.
    pub answer: Answer,
    /// The same as a JSON Web Token that somebody else can check by the keys under `/.well-known/jwks.json`.
    pub signed: String,
}

/// The claims of the token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostureClaims {
    /// Who has signed it: the server's address.
    pub iss: String,
    /// For whom it is: the name of the token with which was asked.
    pub aud: String,
    /// What it is about: the id of the device or person; absent where nobody is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Since when it is so, in seconds since 1970.
    pub iat: i64,
    /// Until when it counts, in seconds since 1970.
    pub exp: i64,
    /// The answer.
    pub posture: Answer,
}

/// The type of the token, as its header says it.
pub const POSTURE_TYPE: &str = "refit-posture+jwt";

/// The keys that check what the server signs for others, as a JSON Web Key Set (RFC 7517).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<Jwk>,
}
