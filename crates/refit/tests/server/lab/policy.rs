//! What the lab's organisation has written down.

use super::size::Size;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use refit_testbed::{Fleet, family::Family};
use std::{collections::BTreeMap, fmt::Write as _};

/// How long the first rings soak.
pub const SOAK_SECONDS: i64 = 3;

/// A device that is not heard of for so long is silent. Check-ins are written down every ten seconds.
pub const SILENT_SECONDS: i64 = 45;

/// A policy repository that grows.
#[derive(Clone, Debug)]
pub struct Policy {
    head: String,
    /// Documents by name, so that one can be taken out again.
    documents: BTreeMap<String, String>,
    /// Whether there is a freeze today that yields to what is exploited.
    pub freeze: bool,
}

impl Policy {
    /// Rollouts, gates, and whose packages may come.
    pub fn new(fleet: &Fleet, size: Size) -> Policy {
        let tagged = |ring: &str| format!("name: {ring}, where: '\"{ring}\" in device.tags'");
        let confidence = size.confidence();
        let head = format!(
            "organization: acme
defaults: {{ mode: enforce }}
rollouts:
  standard:
    gate: default
    rings:
      - {{ {canary}, soak: {SOAK_SECONDS}s }}
      - {{ {early}, soak: {SOAK_SECONDS}s }}
      - {{ {broad}, soak: {SOAK_SECONDS}s }}
      - {{ name: rest }}
  slow: {{ gate: default, rings: [{{ {canary}, soak: 1h }}, {{ name: rest }}] }}
  fast: {{ gate: default, rings: [{{ {canary}, soak: 1s }}, {{ name: rest }}] }}
  watched: {{ gate: watched, rings: [{{ {pilot}, soak: 1s }}, {{ name: rest }}] }}
  listening: {{ gate: listening, rings: [{{ {pilot}, soak: 20s }}, {{ name: rest }}] }}
gates:
  default: {{ failure_rate: 2%, confidence: 95%, enough: 90% }}
  watched: {{ failure_rate: 2%, confidence: {confidence}, enough: 90%, silence: 1%, silent_after: {SILENT_SECONDS}s }}
  listening:
    failure_rate: 2%
    confidence: {confidence}
    enough: 90%
    signals: [{{ name: runs, from: monitoring, no_worse_than: control }}]
",
            canary = tagged("canary"),
            early = tagged("early"),
            broad = tagged("broad"),
            pilot = tagged("pilot"),
        );
        let mandate = format!(
            "mandate: acme
sources:
  debian: {{ system: deb, keys: [{}], titles: [\"os/*\"] }}
  almalinux: {{ system: rpm, keys: [{}], titles: [\"os/*\"] }}
urgent: {{ rollouts: [fast], min_age: true }}
",
            fleet.fingerprint(Family::Apt),
            fleet.fingerprint(Family::Dnf)
        );
        Policy { head, documents: BTreeMap::from([("mandate".to_owned(), mandate)]), freeze: false }
    }

    /// Adds a policy for a package of both kinds, with these lines.
    pub fn of(&mut self, name: &str, lines: &str) {
        let document = format!("policy: {name}\nsoftware: [deb/{name}, rpm/{name}]\n{lines}\n");
        self.documents.insert(format!("policy {name}"), document);
    }

    /// Adds a policy that moves packages of a kind in snapshots, one a minute.
    pub fn snapshots(&mut self, family: Family, names: &[&str]) {
        let titles: Vec<String> = names.iter().map(|name| family.title(name)).collect();
        let (kind, titles) = (family.name(), titles.join(", "));
        let document = format!(
            "policy: art with {kind}\nsoftware: [{titles}]\nrollout: {{ use: standard, every: 1m }}\ndeadline: [{{ within: 14d }}]\n"
        );
        self.documents.insert(format!("policy art with {kind}"), document);
    }

    /// Blocks a release of a package on devices for which a condition holds.
    pub fn block(&mut self, name: &str, releases: &str, condition: &str) {
        for family in [Family::Apt, Family::Dnf] {
            let title = family.title(name);
            let document =
                format!("block: {title} is broken\ntitle: {title}\nreleases: \"{releases}\"\nwhere: '{condition}'\n");
            self.documents.insert(format!("block {title}"), document);
        }
    }

    /// Takes the blocks of a package out again.
    pub fn unblock(&mut self, name: &str) {
        for family in [Family::Apt, Family::Dnf] {
            self.documents.remove(&format!("block {}", family.title(name)));
        }
    }

    /// The whole.
    pub fn text(&self) -> String {
        let mut text = self.head.clone();
        if self.freeze {
            // Around today, whatever time it is.
            let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
            let (from, to) = (today.saturating_sub(1.day()), today.saturating_add(1.day()));
            let _ =
                writeln!(text, "freezes:\n  - {{ name: quarter close, from: {from}, to: {to}, unless: exposure.kev }}");
        }
        for document in self.documents.values() {
            let _ = write!(text, "---\n{document}");
        }
        text
    }
}
