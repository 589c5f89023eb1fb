//! Tokens.

use jiff::Timestamp;
use refit_core::control::{Bearer, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A token that is to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Who answers for it; the owner of the token that asks, where it is not given.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    pub owner: Option<String>,
    /// Whether a person or a program uses it: only people approve.
    pub bearer: Bearer,
    /// What it permits.
    pub scopes: BTreeSet<Scope>,
    /// From when on it no longer counts; at most in 400 days.
    pub expires: Timestamp,
}

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Its id, which is no secret.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// Whether a person or a program uses it.
    pub bearer: Bearer,
    /// What it permits.
    pub scopes: BTreeSet<Scope>,
    /// From when on it no longer counts.
    pub expires: Timestamp,
}

/// A token that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenMade {
    /// What is known of it.
    #[serde(flatten)]
    pub token: Token,
    /// The secret. It is shown once, and not kept: a repeated request gets null.
    pub secret: Option<String>,
}
