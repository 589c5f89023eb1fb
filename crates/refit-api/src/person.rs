//! People.

use crate::FactSaid;
use jiff::Timestamp;
use refit_core::control::Plain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A person, by an id that says nothing of who it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// The id.
    pub id: String,
    /// Whom this turned out to be: it was merged into that person, and what is said under its id counts there. Absent where it is
    /// somebody by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// Ids that lead to this person since they were merged into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_ids: Vec<String>,
    /// What sources say. Values are shown to tokens with the scope `read_people`, sensitive ones to those with `read_sensitive`.
    pub facts: Vec<FactSaid>,
    /// The devices that are given to this person.
    pub devices: Vec<String>,
    /// Since when nothing is known any more, because somebody asked for it.
    pub erased: Option<Timestamp>,
}

/// What a source says of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPersonObservation {
    /// The source.
    #[schemars(length(min = 1, max = 1024))]
    pub source: String,
    /// When it was observed; now where it is not given.
    #[serde(default)]
    pub observed: Option<Timestamp>,
    /// Values by field (`department`); null is: no longer said; what is not named is as before.
    pub values: BTreeMap<String, Option<Plain>>,
}
