//! Sign-in of people.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A sign-in that was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignInBegun {
    /// Its id, with which it is finished.
    pub id: String,
    /// The identity provider.
    pub issuer: String,
    /// Where people sign in.
    pub authorization_endpoint: String,
    /// Where the code is exchanged for an ID token.
    pub token_endpoint: String,
    /// As which client, without a secret: with PKCE.
    pub client: String,
    /// For which scopes, with blanks.
    pub scope: String,
    /// What the ID token has to repeat.
    pub nonce: String,
    /// Until when it can be finished.
    pub until: Timestamp,
}

/// What a person has signed in with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInProof {
    /// The sign-in's id.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// The ID token that the identity provider gave.
    #[schemars(length(min = 1, max = 65_536))]
    pub id_token: String,
}
