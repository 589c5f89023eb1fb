//! What the lab's organisation has written down.

use refit_testbed::{Fleet, family::Family};
use std::fmt::Write as _;

/// How long the first rings soak.
pub const SOAK_SECONDS: i64 = 3;

/// A policy repository that grows.
#[derive(Clone, Debug)]
pub struct Policy {
    head: String,
    documents: String,
}

impl Policy {
    /// Rollouts, gates, and whose packages may come.
    pub fn new(fleet: &Fleet) -> Policy {
        let tagged = |ring: &str| format!("where: '\"{ring}\" in device.tags'");
        let head = format!(
            "organization: acme
defaults: {{ mode: enforce }}
rollouts:
  standard:
    gate: default
    rings:
      - {{ name: canary, {canary}, soak: {SOAK_SECONDS}s }}
      - {{ name: early, {early}, soak: {SOAK_SECONDS}s }}
      - {{ name: broad, {broad}, soak: {SOAK_SECONDS}s }}
      - {{ name: rest }}
gates:
  default: {{ failure_rate: 2%, confidence: 95%, enough: 90% }}
",
            canary = tagged("canary"),
            early = tagged("early"),
            broad = tagged("broad"),
        );
        let documents = format!(
            "---
mandate: acme
sources:
  debian: {{ system: deb, keys: [{}], titles: [\"os/*\"] }}
  almalinux: {{ system: rpm, keys: [{}], titles: [\"os/*\"] }}
",
            fleet.fingerprint(Family::Apt),
            fleet.fingerprint(Family::Dnf)
        );
        Policy { head, documents }
    }

    /// Adds a policy for a package of both kinds, with these lines.
    pub fn of(&mut self, name: &str, lines: &str) {
        let _ = writeln!(self.documents, "---\npolicy: {name}\nsoftware: [deb/{name}, rpm/{name}]\n{lines}");
    }

    /// The whole.
    pub fn text(&self) -> String {
        format!("{}{}", self.head, self.documents)
    }
}
