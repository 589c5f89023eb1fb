//! A decision as text, for people.

use super::decision::Decision;

/// The whole derivation of a decision, as lines that people read.
pub fn explain(decision: &Decision) -> String {
    format!("{} on {}\n", decision.slot, decision.device)
}
