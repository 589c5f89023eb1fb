//! What is declared to Apple devices whose management passes on what they ask and report.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is declared to a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceDeclarations {
    /// The device's id.
    pub device: String,
    /// The token of all declarations together: it differs where one of them does.
    pub token: String,
    /// What it is served when it syncs.
    pub declarations: Vec<DeclarationSaid>,
    /// What the policies say besides, and why it is not declared.
    pub not_declared: Vec<NotDeclared>,
    /// What else has to be known.
    pub notes: Vec<String>,
    /// When its management asked last for it since the server started.
    pub asked: Option<Timestamp>,
    /// The token that it was answered with then: where it is another one, it has not synced since.
    pub answered: Option<String>,
    /// When it reported last since the server started. What it said are facts of the device.
    pub reported: Option<Timestamp>,
    /// The declaration that asked for the update that waits, as the device says.
    pub asked_by: Option<String>,
    /// Declarations that do not count on the device, each with the codes of the reasons that it gives.
    pub refused: BTreeMap<String, Vec<String>>,
    /// Status items that the device can't report, each with the codes of the reasons.
    pub not_reported: BTreeMap<String, Vec<String>>,
}

/// One declaration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeclarationSaid {
    /// Its identifier.
    pub identifier: String,
    /// Its type, as Apple calls it.
    pub r#type: String,
    /// It differs where the declaration does.
    pub server_token: String,
    /// What it does, in a line.
    pub about: String,
    /// What is declared, as Apple's schema has it.
    pub payload: Value,
    /// The policies that it comes from.
    pub policies: Vec<String>,
}

/// What a policy says and is not declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotDeclared {
    /// The policy.
    pub policy: String,
    /// The title; absent where it is the policy as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Why.
    pub because: String,
}

/// Who asks for declarations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeclarativeManagement {
    /// How many devices have asked or reported since the server started.
    pub devices: u64,
    /// Whom nobody knows, of those who asked since then: the thousand who asked last.
    pub unknown: Vec<UnknownEnrollment>,
    /// Since when what the file of `--apple-versions` says counts; null where there is none, or none that could be read.
    pub versions_since: Option<Timestamp>,
    /// Why that file can't be read now; what was read before counts.
    pub versions_trouble: Option<String>,
}

/// Somebody who asks and is not known: nothing is declared there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnknownEnrollment {
    /// As its management names it.
    pub enrollment: String,
    /// How often it has asked or reported.
    pub times: u64,
    /// When last.
    pub last: Timestamp,
    /// Why nobody knows it.
    pub why: String,
}
