//! `exception_rules:`: who may ask the server for which exceptions, and who decides on them.

use super::scalars::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A permission to ask for exceptions through the API. What no rule permits is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExceptionRulesDocument {
    /// Its name.
    pub exception_rules: String,
    /// Who answers for it; decides where no `approvers` are named.
    #[serde(default)]
    pub owner: Option<String>,
    /// Why it is as it is.
    #[serde(default)]
    pub why: Option<String>,
    /// Who may ask: the owners of tokens, `*` at the beginning stands for anything (`*@acme.example`); everybody whose token permits it where it is left out.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub askers: Option<Vec<String>>,
    /// For which titles, as policies write them; all where it is left out.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub software: Option<Vec<String>>,
    /// Which terms an exception may change; all where it is left out.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub terms: Option<Vec<ExceptionTerm>>,
    /// For how long at most, from the day of the request.
    pub longest: Duration,
    /// For how many devices at most; any number where it is left out.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub devices_most: Option<u32>,
    /// Whether it is granted at once; `by_approver` where it is left out. Where something that is known to be exploited is open, two people decide whatever this says.
    #[serde(default)]
    pub decided: Option<Decided>,
    /// Who may grant and refuse, written as `askers` are; `owner` where it is left out. Nobody grants what they asked for.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub approvers: Option<Vec<String>>,
    /// How long before its end notice is given; 3d where it is left out.
    #[serde(default)]
    pub notice: Option<Duration>,
}

/// A term that an exception changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionTerm {
    /// The due time.
    Due,
    /// The releases to stay in.
    HoldAt,
    /// When the machine is restarted.
    Restart,
}

impl ExceptionTerm {
    /// All of them.
    pub const ALL: [ExceptionTerm; 3] = [ExceptionTerm::Due, ExceptionTerm::HoldAt, ExceptionTerm::Restart];

    /// As documents write it.
    pub fn name(self) -> &'static str {
        match self {
            ExceptionTerm::Due => "due",
            ExceptionTerm::HoldAt => "hold_at",
            ExceptionTerm::Restart => "restart",
        }
    }
}

/// Who decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decided {
    /// The rule itself: it is granted at once.
    AtOnce,
    /// A person, who is not the one that asks.
    #[default]
    ByApprover,
}
