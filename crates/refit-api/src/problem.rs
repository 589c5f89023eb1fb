//! Errors, as RFC 9457 has them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `/problems/CODE`: what kind of problem it is. Stable; programs decide by it.
    pub r#type: String,
    /// The same in few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, for people.
    pub detail: String,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The request's id, for whoever looks it up in the server's logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Fields that are not as they have to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<InvalidField>,
    /// What `refit check` says of a policy repository that has errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Finding>,
}

impl Problem {
    /// The code: the last part of the type.
    pub fn code(&self) -> &str {
        self.r#type.rsplit('/').next().unwrap_or_default()
    }
}

/// A field that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidField {
    /// Where it is: `releases[2].version`.
    pub path: String,
    /// What is wrong with it.
    pub detail: String,
}

/// One finding in a policy repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// What kind of finding: `policy/unknown-field`. Stable.
    pub code: String,
    /// What is wrong, in few words.
    pub message: String,
    /// The particulars; empty where there are none.
    pub label: String,
    /// The file's path in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Its column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// The line as it stands in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_text: Option<String>,
    /// Further lines.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}
