//! Tokens.

use jiff::Timestamp;
use refit_core::control::{Bearer, Role, Scope};
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
    /// How many requests it may make in a minute; as many as any, where it is not given.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: Option<u32>,
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
    /// The roles that its scopes come of, where a person signed in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Role>,
    /// How many requests it may make in a minute; absent where it is as many as any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
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
