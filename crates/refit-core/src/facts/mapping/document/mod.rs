//! `connector.yaml`, as it is written. These types are the only source of its JSON Schema and of the checks of its shape.

mod formula;
mod records;
mod system;

pub use formula::{FORMATS, Formula};
pub use records::*;
pub use system::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A system that facts come from: how it is asked, and what its records mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorDocument {
    /// Its name, which is also that of its folder: `jamf-pro`.
    pub connector: String,
    /// The system's name, as its vendor writes it.
    pub name: String,
    /// What it is, and what it is good for as a source.
    #[serde(default)]
    pub about: Option<String>,
    /// Pages of the vendor's that say what is read here.
    #[serde(default)]
    pub docs: Vec<String>,
    /// In what form the system gives its records.
    #[serde(default)]
    pub reads: PayloadKind,
    /// What somebody who connects the system has to say, by name; addresses and parameters name them as `{name}`.
    #[serde(default)]
    pub settings: BTreeMap<String, SettingDocument>,
    /// Secrets that it needs, by name. What they are is never written in a policy repository.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Where its addresses begin: `{url}`.
    #[serde(default)]
    pub address: Option<String>,
    /// How Refit shows who it is.
    #[serde(default)]
    pub authentication: Option<AuthenticationDocument>,
    /// Headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How much may be asked.
    #[serde(default)]
    pub limits: Option<LimitsDocument>,
    /// What is asked for, by name.
    #[serde(default)]
    pub lists: BTreeMap<String, ListDocument>,
    /// What the records are. Of several kinds that look alike, the first that fits is taken.
    pub records: Vec<RecordsDocument>,
    /// Records that are passed over, since they are about neither devices nor people: any of these holds.
    #[serde(default)]
    pub ignored: Vec<Formula>,
    /// Fields of Refit's model of which the vendor has nothing, and why.
    #[serde(default)]
    pub none: BTreeMap<String, String>,
    /// Fields of the vendor's that are not used, and why.
    #[serde(default)]
    pub unused: BTreeMap<String, String>,
}

/// In what form a system gives its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayloadKind {
    /// JSON over HTTP.
    #[default]
    HttpJson,
    /// GraphQL over HTTP.
    Graphql,
    /// A file of values separated by commas or semicolons, with a line of names first.
    Csv,
    /// A JSON file.
    Json,
    /// A file with one JSON object in each line.
    Ndjson,
    /// A property list of Apple's.
    Plist,
    /// Rows of a query.
    Sql,
}

/// What somebody who connects the system has to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingDocument {
    /// What it is, with an example.
    pub about: String,
    /// What it is where nobody says.
    #[serde(default)]
    pub default: Option<String>,
}
