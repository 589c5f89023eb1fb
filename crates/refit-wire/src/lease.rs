//! The lease: the server's word, signed every few seconds for all devices alike, on what time it is, and whether everything is
//! to stop.
//!
//! A state document holds no time, so that it is signed once and kept as long as its content stays. The lease is what
//! makes it fresh: a change starts only while a lease lasts that came together with "your state is still this one".

use crate::{envelope::Document, limits};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The server's word on the time, and on the kill switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The organisation.
    #[schemars(with = "String")]
    pub organization: SmolStr,
    /// The server's epoch: it grows when a server starts from a backup, and never shrinks.
    pub epoch: u64,
    /// The server's time when it was signed.
    #[schemars(with = "String")]
    pub issued: Timestamp,
    /// Until when changes may start on its word. The mandate limits how far that is from `issued`.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// Set while everything is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brake: Option<Brake>,
}

/// The kill switch was pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Brake {
    /// When.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Why, for whoever looks at the device.
    #[schemars(with = "String")]
    pub why: SmolStr,
}

impl Document for Lease {
    const TYPE: &'static str = "application/vnd.refit.lease+json";
    const NAME: &'static str = "lease";
    const LIMIT: usize = limits::LEASE;
}
