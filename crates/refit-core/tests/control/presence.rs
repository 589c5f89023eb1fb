//! Who was seen when: one event per quarter of an hour, and a restart does not look like silence.

use super::shell::Shell;
use refit_core::control::{Event, Input};

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
    assert_eq!(events.len(), 1, "{events:?}");
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
