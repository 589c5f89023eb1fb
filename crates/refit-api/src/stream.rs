//! Business events.

use refit_core::business::CloudEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of the stream of business events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamPage {
    /// The events, in their order.
    pub items: Vec<CloudEvent>,
    /// Give this as `after` for what comes next: `12`, or `12.3`.
    pub next: String,
    /// The last entry of the log that there is.
    pub head: u64,
}
