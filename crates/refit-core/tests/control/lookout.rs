//! Finding what has to be decided costs what has changed, not what there is.

use super::shell::{Shell, entry};
use refit_core::{
    control::{Ground, Input, Installs, Lookout, Observation, State, UniverseReport},
    policy::resolve::Titles,
};
use std::collections::BTreeMap;

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
---
title: editor
name: Editor
scheme: semver
---
title: viewer
name: Viewer
scheme: semver
---
policy: everything
software: [editor]
deadline: [{ within: 7d }]
phase_in: 30d
";

/// How many devices are looked at until nothing is left to decide.
fn examined(shell: &mut Shell) -> u64 {
    let before = shell.lookout.examined();
    shell.settle();
    shell.lookout.examined() - before
}

fn fleet(devices: usize) -> Shell {
    let mut shell = Shell::new("2026-11-01T12:00:00Z");
    shell.release("editor", "1.0.0");
    for number in 0..devices {
        let device = format!("d{number:04}");
        shell.enrol(&device);
        let also: &[(&str, &str)] = &[("editor", "1.0.0"), ("viewer", "1.0.0")];
        shell.installs(&device, if number < 3 { also } else { &also[..1] });
    }
    shell.apply(POLICY);
    shell.settle();
    shell
}

#[test]
fn a_look_costs_what_has_changed() {
    let mut shell = fleet(300);
    assert_eq!(examined(&mut shell), 0);
    // A device is found, and found to be settled once it is decided; the shell of this test looks twice.
    shell.installs("d0007", &[("editor", "1.0.0"), ("other", "2")]);
    assert!(examined(&mut shell) <= 3);
    // Of a title that no policy names, those that have it.
    shell.release("viewer", "1.1.0");
    assert!((3..=9).contains(&examined(&mut shell)));
    shell.department("p1", "Finance");
    assert_eq!(examined(&mut shell), 0);
    shell.tell(Input::Assign { device: "d0009".into(), person: Some("p1".into()) });
    assert!((1..=3).contains(&examined(&mut shell)));
    shell.department("p1", "IT");
    assert!((1..=3).contains(&examined(&mut shell)));
    shell.department("p2", "IT");
    assert_eq!(examined(&mut shell), 0);
    // Of a title that a policy names, all.
    shell.release("editor", "1.1.0");
    assert!(examined(&mut shell) >= 300);
    // Time: what becomes overdue.
    shell.wait(31 * 24);
    assert!(examined(&mut shell) >= 300);
    shell.tell(Input::Retire { device: "d0011".into() });
    assert!(examined(&mut shell) <= 1);
}

#[test]
fn a_universe_leads_to_its_devices() {
    let mut shell = fleet(20);
    for device in ["d0001", "d0002"] {
        shell.tell(Input::Observe(Observation {
            device: device.into(),
            source: "agent".into(),
            observed: shell.now,
            facts: BTreeMap::new(),
            installs: Some(Installs::All(vec![entry("editor", "1.0.0")])),
            universe: Some(UniverseReport { key: "u1".into(), distribution: "debian-12".into(), offers: Vec::new() }),
            check_in: None,
        }));
    }
    assert!((2..=6).contains(&examined(&mut shell)));
    assert_eq!(shell.state.revised_since(shell.state.seq).len(), 0);
}

#[test]
fn who_looks_for_the_first_time_finds_what_is_due_and_is_told_of_each_once_a_round() {
    let mut shell = fleet(10);
    shell.release("editor", "1.1.0");
    let mut lookout = Lookout::default();
    let mut told = Vec::new();
    for _ in 0..4 {
        told.extend(lookout.due(&mut shell.board, &shell.state, shell.now, 3));
    }
    assert_eq!(told.len(), 12);
    let mut first = told[..10].to_vec();
    first.sort();
    first.dedup();
    assert_eq!(first.len(), 10, "{told:?}");
    assert_eq!(told[10..], told[..2]);
    // A snapshot does not hold what changed when; it is worked out again.
    let mut again = State { changes: Default::default(), ..shell.state.clone() };
    let titles = Titles::default();
    again.restore(&Ground { catalog: &titles, contents: &shell.contents }).unwrap();
    for seq in 0..=shell.state.seq {
        assert_eq!(again.revised_since(seq), shell.state.revised_since(seq));
    }
}
