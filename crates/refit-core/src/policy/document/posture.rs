//! `posture:`: what whoever asks how a device stands, before somebody is let in, is answered.

use super::scalars::{Day, Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an identity provider, a gateway, or any other program that asks at sign-in is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostureDocument {
    /// Its name.
    pub posture: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Why it is as it is.
    #[serde(default)]
    pub why: Option<String>,
    /// The tokens whose questions it answers, by name; where it is left out those of every token that no other `posture:` names.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub callers: Option<Vec<String>>,
    /// What becomes of what is overdue; `tell` where it is left out. No answer is harsher than this.
    #[serde(default)]
    pub strategy: Option<StrategyName>,
    /// With `warn_then_block` the first day of blocking, where the device is.
    #[serde(default)]
    pub block_from: Option<Day>,
    /// For how long after its due time an update is warned of and does not block; 0h where it is left out.
    #[serde(default)]
    pub tolerate: Option<Duration>,
    /// What becomes of an overdue update that something keeps from being made, which nobody at the device can change; `tolerate` where it is left out.
    #[serde(default)]
    pub held: Option<HeldUpdates>,
    /// How many of a person's devices have to be in order where a person is asked about; `all` where it is left out.
    #[serde(default)]
    pub devices: Option<HowMany>,
    /// For how long an answer may be kept by whoever asked, 10s to 1d; 5m where it is left out. What is not `allow` is kept for a minute at most.
    #[serde(default)]
    pub keep: Option<Duration>,
    /// What is answered where it is not known how a device stands.
    #[serde(default)]
    pub answers: Option<AnswersDocument>,
}

/// What becomes of what is overdue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StrategyName {
    /// It is told, and everybody is let in.
    #[default]
    Tell,
    /// People are warned, and let in.
    Warn,
    /// People are warned until a day, and not let in from then on.
    WarnThenBlock,
    /// Nobody is let in with it.
    Block,
}

/// What becomes of an overdue update that something keeps from being made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldUpdates {
    /// It is warned of, and does not block.
    #[default]
    Tolerate,
    /// It counts as any other, except during the grace after an absence.
    Count,
}

/// How many of a person's devices have to be in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HowMany {
    /// All of them: the worst counts.
    #[default]
    All,
    /// One of them: the best counts.
    Any,
}

/// What is answered where it is not known how a device stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersDocument {
    /// No managed device is meant, or more than one; `block` where it is left out.
    #[serde(default)]
    pub unknown_device: Option<Access>,
    /// Nobody who is known is meant, or more than one; `block` where it is left out.
    #[serde(default)]
    pub unknown_person: Option<Access>,
    /// A person who has no managed device; `warn` where it is left out.
    #[serde(default)]
    pub no_device: Option<Access>,
    /// Nothing has been decided of the device yet: the server has just started; `allow` where it is left out.
    #[serde(default)]
    pub starting: Option<Access>,
    /// Two machines report as this device; `block` where it is left out.
    #[serde(default)]
    pub quarantined: Option<AccessOrKnown>,
    /// What policies go by is too old, or missing; `warn` where it is left out.
    #[serde(default)]
    pub stale: Option<AccessOrKnown>,
    /// The server can write nothing, so that it hears nothing new; `as_known` where it is left out.
    #[serde(default)]
    pub read_only: Option<AccessOrKnown>,
}

/// What whoever asks is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// To let in.
    Allow,
    /// To let in, and to say what is wrong.
    Warn,
    /// Not to let in, and to say what is wrong.
    Block,
}

/// What whoever asks is to do, or what follows from what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessOrKnown {
    /// What follows from what is known, though it may be so no more.
    AsKnown,
    /// To let in.
    Allow,
    /// To let in, and to say what is wrong.
    Warn,
    /// Not to let in, and to say what is wrong.
    Block,
}

impl AccessOrKnown {
    /// What to do whatever is known; `None` where that decides.
    pub fn access(self) -> Option<Access> {
        match self {
            AccessOrKnown::AsKnown => None,
            AccessOrKnown::Allow => Some(Access::Allow),
            AccessOrKnown::Warn => Some(Access::Warn),
            AccessOrKnown::Block => Some(Access::Block),
        }
    }
}
