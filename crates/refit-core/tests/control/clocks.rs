//! What was due stays due: whatever is offered, withheld or reinstalled meanwhile.

use super::shell::{Shell, entry, time};
use jiff::Timestamp;
use refit_core::control::{AdvisoryEntry, DueCause, Event, Input, Installs, Observation, ReleaseEntry, UniverseReport};
use std::collections::BTreeMap;

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
---
policy: packages
software: [deb/curl]
deadline: [{ within: 14d }]
phase_in: 0d
---
title: guard
name: Guard
scheme: semver
---
policy: guards
software: [guard]
presence: forbidden
deadline: [{ within: 7d }]
phase_in: 0d
";

fn shell() -> Shell {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    shell.enrol("d0");
    shell
}

fn offer(version: &str, published: Timestamp, withheld: bool) -> ReleaseEntry {
    let (title, version) = ("deb/curl".into(), version.into());
    ReleaseEntry { title, branch: None, version, published, security: false, withheld }
}

impl Shell {
    fn reports(&mut self, curl: &str, universe: &str, offers: Vec<ReleaseEntry>) {
        self.tell(Input::Observe(Observation {
            device: "d0".into(),
            source: "agent".into(),
            observed: self.now,
            facts: BTreeMap::new(),
            installs: Some(Installs::All(vec![entry("deb/curl", curl)])),
            universe: Some(UniverseReport { key: universe.into(), distribution: "debian/bookworm".into(), offers }),
            check_in: None,
        }));
        if self.state.policy.is_some() {
            self.settle();
        }
    }

    fn due(&self, title: &str) -> Option<Timestamp> {
        let record = self.state.device(&"d0".into()).unwrap();
        let published = record.published.values().find(|published| published.slot().title.as_str() == title);
        published.and_then(|published| published.due)
    }
}

fn causes(events: &[Event]) -> Vec<DueCause> {
    let moves = events.iter().filter_map(|event| match event {
        Event::MovesPublished(moves) => Some(moves.cohorts.iter().filter_map(|cohort| cohort.later_because)),
        _ => None,
    });
    moves.flatten().collect()
}

/// A device whose curl has a hole since the first of November, which 7.2 closes since the second.
fn exposed() -> Shell {
    let mut shell = shell();
    shell.tell(Input::Advisories {
        source: "feed".into(),
        advisories: vec![AdvisoryEntry {
            id: "CVE-2026-1".into(),
            title: "deb/curl".into(),
            affected: vec!["<7.2".into()],
            known_at: shell.now,
            cvss: Some(5.0),
            epss: Some(0.1),
            kev: None,
            ransomware: false,
            withdrawn: None,
            said_by: Vec::new(),
        }],
    });
    shell.wait(24);
    let now = shell.now;
    shell.reports("7.1", "with", vec![offer("7.1", now, false), offer("7.2", now, false)]);
    shell.apply(POLICY);
    shell.settle();
    assert_eq!(shell.due("deb/curl"), Some(time("2026-11-16T00:00:00Z")));
    shell
}

#[test]
fn a_release_that_is_withheld_again_was_offered_all_the_same() {
    let mut shell = exposed();
    shell.wait(24);
    shell.reports("7.1", "with", vec![offer("7.2", time("2026-11-02T00:00:00Z"), true)]);
    assert_eq!(shell.due("deb/curl"), Some(time("2026-11-16T00:00:00Z")));
    shell.wait(24);
    let now = shell.now;
    shell.reports("7.1", "with", vec![offer("7.3", now, false)]);
    assert_eq!(shell.due("deb/curl"), Some(time("2026-11-16T00:00:00Z")));
    assert_eq!(shell.replayed().devices, shell.state.devices);
}

#[test]
fn another_universe_takes_nothing_back() {
    let mut shell = exposed();
    shell.wait(24);
    let now = shell.now;
    shell.reports("7.1", "without", vec![offer("7.1", now, false)]);
    // There, nothing closes the hole; that is not complying.
    assert!(!shell.state.device(&"d0".into()).unwrap().spells.is_empty());
    shell.wait(24);
    let now = shell.now;
    shell.reports("7.1", "later", vec![offer("7.1", now, false), offer("7.3", now, false)]);
    assert_eq!(shell.due("deb/curl"), Some(time("2026-11-16T00:00:00Z")));
    // Complying ends it, and what begins afterwards begins anew.
    shell.reports("7.3", "later", Vec::new());
    assert_eq!(shell.due("deb/curl"), None);
    shell.wait(24);
    shell.reports("7.1", "later", Vec::new());
    assert_eq!(shell.due("deb/curl"), Some(time("2026-11-19T00:00:00Z")));
}

#[test]
fn an_install_that_was_overtaken_elsewhere_stays_overtaken() {
    let mut shell = shell();
    let now = shell.now;
    shell.reports("7.1", "with", vec![offer("7.1", now, false), offer("7.2", now, false)]);
    shell.apply(POLICY);
    shell.settle();
    assert_eq!(shell.due("deb/curl"), Some(time("2026-11-15T00:00:00Z")));
    shell.wait(48);
    let now = shell.now;
    shell.reports("7.1", "other", vec![offer("7.1", now, false), offer("7.3", now, false)]);
    assert_eq!(shell.due("deb/curl"), Some(time("2026-11-15T00:00:00Z")));
}

#[test]
fn another_target_has_a_first_release_of_its_own() {
    let mut shell = exposed();
    shell.wait(24);
    let now = shell.now;
    shell.reports("7.1", "with", vec![offer("7.3", now, false)]);
    shell.apply(&POLICY.replace("software: [deb/curl]", "software: [deb/curl]\ntarget: \">=7.3\""));
    shell.settle();
    assert_eq!(shell.due("deb/curl"), Some(time("2026-11-17T00:00:00Z")));
}

#[test]
fn what_was_done_while_everything_was_stopped_has_ended() {
    let mut shell = shell();
    shell.installs("d0", &[("guard", "1.0.0")]);
    shell.apply(POLICY);
    shell.settle();
    assert_eq!(shell.due("guard"), Some(time("2026-11-08T00:00:00Z")));
    shell.tell(Input::Stop { why: "it burns".into() });
    shell.wait(24);
    shell.installs("d0", &[]);
    shell.settle();
    // Nothing is published, and what is due for whoever reads is not forgotten.
    assert_eq!(shell.due("guard"), Some(time("2026-11-08T00:00:00Z")));
    shell.wait(24);
    shell.installs("d0", &[("guard", "1.0.0")]);
    shell.tell(Input::GoOn { why: "it is out".into() });
    let events = shell.settle();
    assert_eq!(shell.due("guard"), Some(time("2026-11-10T00:00:00Z")));
    assert_eq!(causes(&events), [DueCause::ObligationEnded]);
}

#[test]
fn what_was_never_seen_to_be_done_has_not_ended() {
    let mut shell = shell();
    shell.installs("d0", &[("guard", "1.0.0")]);
    shell.apply(POLICY);
    shell.settle();
    shell.tell(Input::Stop { why: "it burns".into() });
    shell.wait(24);
    // It goes and comes back before anybody has looked.
    shell.installs("d0", &[]);
    shell.installs("d0", &[("guard", "1.1.0")]);
    shell.tell(Input::GoOn { why: "it is out".into() });
    let events = shell.settle();
    assert_eq!(shell.due("guard"), Some(time("2026-11-08T00:00:00Z")));
    assert_eq!(causes(&events), []);
}
