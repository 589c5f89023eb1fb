//! Who was seen when: one event per quarter of an hour, and a restart does not look like silence.

use super::shell::Shell;
use refit_core::{
    control::{Event, Input, PRESENCE},
    decide::Compliance,
};

fn presences(events: &[Event]) -> u64 {
    events
        .iter()
        .filter_map(|event| match event {
            Event::PresenceSeen(seen) => Some(seen.devices.len()),
            _ => None,
        })
        .sum()
}

fn minutes(shell: &mut Shell, minutes: i64) {
    shell.now = shell.now.checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
}

#[test]
fn check_ins_without_news_are_one_event_in_a_quarter_of_an_hour() {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    for device in ["a", "b", "c"] {
        shell.enrol(device);
        shell.installs(device, &[("deb/curl", "1")]);
    }
    let mut events = shell.tell(Input::Tick);
    for _ in 0..30 {
        minutes(&mut shell, 1);
        for device in ["a", "b", "c"] {
            events.extend(shell.installs(device, &[("deb/curl", "1")]));
        }
        events.extend(shell.tell(Input::Tick));
    }
    assert_eq!(presences(&events), 3 + 3 * u64::from(events.len() as u32 - 1));
    assert_eq!(events.len(), 2, "{events:?}");
}

#[test]
fn what_was_heard_while_nothing_could_be_written_is_written_as_of_its_own_time() {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    for device in ["a", "b"] {
        shell.enrol(device);
        shell.installs(device, &[("deb/curl", "1")]);
    }
    minutes(&mut shell, 15);
    shell.tell(Input::Tick);
    let began = shell.now;
    shell.installs("a", &[("deb/curl", "1")]);
    // No tick is durable for eight hours.
    minutes(&mut shell, 8 * 60);
    shell.installs("b", &[("deb/curl", "1")]);
    let later = shell.now;
    minutes(&mut shell, 15);
    let seen: Vec<_> = shell
        .tell(Input::Tick)
        .into_iter()
        .filter_map(|event| match event {
            Event::PresenceSeen(seen) => Some((seen.from, seen.devices.iter().collect::<Vec<_>>())),
            _ => None,
        })
        .collect();
    assert_eq!(seen, [(began, vec![0]), (later, vec![1])]);
    assert!(shell.tell(Input::Tick).is_empty() && shell.state.presence_due().is_none());
    assert_eq!(shell.replayed().devices, shell.state.devices);
}

#[test]
fn three_days_without_a_sign_are_an_absence_and_downtime_is_none() {
    for (down, absences) in [(false, 1), (true, 0)] {
        let mut shell = Shell::new("2026-11-01T00:00:00Z");
        shell.tell(Input::Start { program: "1".into(), alive_until: None });
        shell.enrol("a");
        shell.installs("a", &[("deb/curl", "1")]);
        shell.wait(1);
        shell.tell(Input::Tick);
        shell.wait(100);
        if down {
            let alive_until = Some(shell.now.checked_sub(jiff::SignedDuration::from_hours(99)).unwrap());
            shell.tell(Input::Start { program: "1".into(), alive_until });
        }
        shell.installs("a", &[("deb/curl", "1")]);
        shell.wait(1);
        shell.tell(Input::Tick);
        assert_eq!(shell.state.device(&"a".into()).unwrap().absences.len(), absences, "down: {down}");
    }
}

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
deadline: [{ within: 7d }]
";

/// A device under a policy, which was heard again ten minutes after anything of it was written down.
fn heard_lately() -> Shell {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    shell.enrol("a");
    shell.installs("a", &[("editor", "1.0.0")]);
    shell.release("editor", "1.0.0");
    shell.apply(POLICY);
    shell.settle();
    minutes(&mut shell, 10);
    shell.installs("a", &[("editor", "1.0.0")]);
    minutes(&mut shell, 2);
    shell
}

fn stands(shell: &mut Shell) -> Compliance {
    shell.settle();
    shell.board.row(&"a".into()).unwrap().slots[0].compliance
}

#[test]
fn an_end_writes_down_who_was_seen() {
    let mut shell = heard_lately();
    assert_eq!(presences(&shell.tell(Input::Tick)), 0);
    assert_eq!(presences(&shell.tell(Input::End)), 1);
    assert_eq!(presences(&shell.tell(Input::End)), 0);
    assert_eq!(shell.replayed().device(&"a".into()).unwrap().seen, shell.now);
}

#[test]
fn after_a_crash_nobody_is_called_silent_for_what_was_not_written_down() {
    let mut shell = heard_lately();
    // A crash: what was gathered is lost. Nobody listens for ten days.
    let alive_until = Some(shell.now);
    shell.state = shell.replayed();
    assert!(shell.state.device(&"a".into()).unwrap().seen < shell.now);
    shell.wait(240);
    let started = shell.now;
    shell.tell(Input::Start { program: "1".into(), alive_until });
    assert_eq!(stands(&mut shell), Compliance::Compliant);
    // It has as long to be heard as if it had been heard just now.
    let limit = shell.state.policy.as_ref().unwrap().repository.staleness.device(&"agent".into());
    shell.now = started.checked_add(limit).unwrap();
    assert_eq!(stands(&mut shell), Compliance::Compliant);
    shell.now = started.checked_add(limit + PRESENCE).unwrap();
    assert_eq!(stands(&mut shell), Compliance::Unseen);
    assert!(shell.state.device(&"a".into()).unwrap().absences.is_empty());
}

#[test]
fn who_was_unseen_and_comes_back_without_news_is_decided_anew() {
    let mut shell = heard_lately();
    // Shorter than what counts as an absence.
    shell.apply(&format!("{POLICY}---\nsource: agent\nstale_after: 1d\n"));
    assert_eq!(stands(&mut shell), Compliance::Compliant);
    shell.wait(30);
    assert_eq!(stands(&mut shell), Compliance::Unseen);
    shell.installs("a", &[("editor", "1.0.0")]);
    minutes(&mut shell, 16);
    assert_eq!(presences(&shell.tell(Input::Tick)), 1);
    assert!(shell.state.device(&"a".into()).unwrap().absences.is_empty());
    assert_eq!(stands(&mut shell), Compliance::Compliant);
}

#[test]
fn a_server_that_starts_again_and_again_does_not_hide_silence() {
    let mut shell = heard_lately();
    let began = shell.now;
    for _ in 0..300 {
        let alive_until = Some(shell.now);
        minutes(&mut shell, 1);
        shell.tell(Input::Start { program: "1".into(), alive_until });
    }
    let seen = shell.state.device(&"a".into()).unwrap().seen;
    let not_listening = shell.state.not_listening(seen, shell.now);
    assert!(not_listening <= shell.now.duration_since(began) + PRESENCE, "{not_listening}");
}
