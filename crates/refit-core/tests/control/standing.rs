//! How devices stand is in the log as it changes, and business events follow from that.

use super::shell::Shell;
use refit_core::{
    business::{Data, Derived, Filter, Kind, Position, concerns, derive},
    control::{AdvisoryEntry, Event, Input, ObligationsNoted, decode},
};
use refit_model::DeviceId;
use std::collections::BTreeMap;

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
deadline:
  - { if: exposure.kev, within: 2d }
  - { within: 7d }
phase_in: 0d
";

/// Every device with an editor of 1.0.0, under the policy, and 1.1.0 released since.
fn fleet(devices: usize) -> Shell {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    shell.release("editor", "1.0.0");
    for number in 0..devices {
        let device = format!("d{number}");
        shell.enrol(&device);
        shell.installs(&device, &[("editor", "1.0.0")]);
    }
    shell.apply(POLICY);
    shell.settle();
    shell.release("editor", "1.1.0");
    shell
}

/// All business events that follow from the log after an entry.
fn stream(shell: &Shell, after: u64) -> Vec<(Position, Derived)> {
    let mut found = Vec::new();
    for (seq, _, kind, version, body) in shell.log.iter().filter(|(seq, ..)| *seq > after) {
        let event: Event = decode(kind, *version, body).unwrap();
        let derived = derive(&event, &shell.state.by_index);
        assert!(derived.is_empty() || concerns(kind), "{kind}");
        found.extend(derived.into_iter().zip(0..).map(|(derived, index)| (Position { seq: *seq, index }, derived)));
    }
    found
}

/// What is told after an entry of how slots and exposures stand.
fn told(shell: &Shell, after: u64) -> Vec<(Kind, Vec<String>)> {
    let devices = |derived: Derived| match derived.data {
        Data::Standing(data) => Some((derived.kind, data.devices)),
        Data::Exposure(data) => Some((derived.kind, data.devices)),
        Data::Devices(data) => Some((derived.kind, data.devices)),
        _ => None,
    };
    stream(shell, after).into_iter().filter_map(|(_, derived)| devices(derived)).collect()
}

fn advisory(shell: &Shell, kev: bool) -> Input {
    let advisory = AdvisoryEntry {
        id: "CVE-2026-1".into(),
        title: "editor".into(),
        affected: vec!["<1.1.0".into()],
        known_at: shell.now,
        cvss: Some(5.0),
        epss: None,
        kev: kev.then_some(shell.now),
        ransomware: false,
        withdrawn: None,
        said_by: Vec::new(),
    };
    Input::Advisories { source: "feed".into(), advisories: vec![advisory] }
}

#[test]
fn a_device_is_due_then_overdue_by_time_alone_and_then_compliant_also_while_everything_is_stopped() {
    let mut shell = fleet(2);
    let both = || vec!["d0".to_owned(), "d1".to_owned()];
    shell.settle();
    assert_eq!(told(&shell, 0), [(Kind::DeviceDue, both())]);

    shell.tell(Input::Stop { why: "a fire".into() });
    let before = shell.state.seq;
    shell.wait(7 * 24);
    shell.settle();
    assert_eq!(told(&shell, before), [(Kind::DeviceOverdue, both())]);
    // Nobody is told twice.
    let before = shell.state.seq;
    shell.settle();
    assert_eq!(shell.state.seq, before);

    shell.installs("d1", &[("editor", "1.1.0")]);
    shell.settle();
    assert_eq!(told(&shell, before), [(Kind::DeviceCompliant, vec!["d1".to_owned()])]);
    assert_eq!(shell.replayed().devices, shell.state.devices);
}

#[test]
fn exposures_open_are_found_to_be_exploited_and_close() {
    let mut shell = fleet(1);
    shell.settle();
    let one = || vec!["d0".to_owned()];
    let before = shell.state.seq;
    let known = advisory(&shell, false);
    shell.tell(known);
    shell.settle();
    assert!(told(&shell, before).contains(&(Kind::ExposureOpened, one())), "{:?}", told(&shell, before));

    let before = shell.state.seq;
    let listed = advisory(&shell, true);
    shell.tell(listed);
    shell.settle();
    let after = told(&shell, before);
    assert!(after.contains(&(Kind::ExposureExploited, one())), "{after:?}");
    // The deadline for what is exploited comes sooner.
    assert!(after.contains(&(Kind::DeviceDueMoved, one())), "{after:?}");

    let before = shell.state.seq;
    shell.installs("d0", &[("editor", "1.1.0")]);
    shell.settle();
    assert_eq!(told(&shell, before), [(Kind::DeviceCompliant, one()), (Kind::ExposureClosed, one())]);
}

/// All that is told after an entry, for each device by itself, and how often.
fn told_of_each(shell: &Shell, after: u64) -> BTreeMap<String, u32> {
    let mut told = BTreeMap::new();
    for (_, Derived { kind, data, .. }) in stream(shell, after) {
        let each: Vec<String> = match data {
            Data::Standing(data) => {
                let how = (data.was, data.compliance, data.was_due, data.due, data.kev);
                data.devices.iter().map(|device| format!("{kind:?} {} {device} {how:?}", data.title)).collect()
            }
            Data::Exposure(data) => {
                let of = |device: &String| {
                    let advisories = data.advisories.iter();
                    advisories
                        .map(|id| format!("{kind:?} {} {device} {id} {:?}", data.title, data.due))
                        .collect::<Vec<_>>()
                };
                data.devices.iter().flat_map(of).collect()
            }
            _ => Vec::new(),
        };
        each.into_iter().for_each(|what| *told.entry(what).or_default() += 1);
    }
    told
}

#[test]
fn what_one_entry_has_no_room_for_is_told_by_several_once_and_completely() {
    const MOST: usize = 1_500;
    let advisories = |shell: &Shell, listed: bool| {
        let Input::Advisories { source, advisories } = advisory(shell, listed) else { unreachable!() };
        let one = |number: usize| AdvisoryEntry {
            id: format!("CVE-2026-{number:04}").as_str().into(),
            kev: advisories[0].kev.filter(|_| number % 7 == 6),
            ..advisories[0].clone()
        };
        Input::Advisories { source, advisories: (0..200).map(one).collect() }
    };
    let (mut whole, mut parts) = (fleet(3), fleet(3));
    parts.bytes_most = MOST;
    let both = |whole: &mut Shell, parts: &mut Shell, what: &dyn Fn(&mut Shell)| {
        let before = (whole.state.seq, parts.state.seq);
        for shell in [&mut *whole, &mut *parts] {
            what(shell);
            shell.settle();
        }
        let told = told_of_each(parts, before.1);
        assert!(told.values().all(|times| *times == 1), "{told:?}");
        assert_eq!(told, told_of_each(whole, before.0));
        for (id, device) in &whole.state.devices {
            assert_eq!(parts.state.devices[id].stands, device.stands);
        }
        // Nobody is told twice.
        let before = parts.state.seq;
        parts.settle();
        assert_eq!(parts.state.seq, before);
        told.len()
    };
    let (whole, parts) = (&mut whole, &mut parts);
    assert_eq!(both(whole, parts, &|_| {}), 3);
    assert_eq!(both(whole, parts, &|shell| drop(shell.tell(advisories(shell, false)))), 3 * 200);
    // A deadline that comes sooner, and 28 exposures that are exploited.
    assert_eq!(both(whole, parts, &|shell| drop(shell.tell(advisories(shell, true)))), 3 * (1 + 28));
    assert_eq!(both(whole, parts, &|shell| shell.wait(7 * 24)), 3);
    assert_eq!(both(whole, parts, &|shell| drop(shell.installs("d1", &[("editor", "1.1.0")]))), 1 + 200);

    let noted = |shell: &Shell| {
        let noted = shell.log.iter().filter(|(_, _, kind, ..)| *kind == "obligations.noted");
        noted.map(|(.., body)| body.len()).collect::<Vec<_>>()
    };
    assert!(noted(parts).iter().all(|bytes| *bytes <= MOST), "{:?}", noted(parts));
    assert!(noted(whole).iter().any(|bytes| *bytes > 3 * MOST));
    assert_eq!(parts.replayed().devices, parts.state.devices);
}

#[test]
fn a_device_that_is_not_seen_for_too_long_is_unseen_once_and_seen_again() {
    let mut shell = fleet(1);
    shell.settle();
    let one = || vec!["d0".to_owned()];
    let before = shell.state.seq;
    shell.wait(20 * 24);
    shell.settle();
    assert_eq!(told(&shell, before), [(Kind::DeviceUnseen, one())]);
    let before = shell.state.seq;
    shell.installs("d0", &[("editor", "1.0.0")]);
    // Who says nothing new is written down with all who were heard.
    shell.wait(1);
    shell.tell(Input::Tick);
    shell.settle();
    // While it was not seen its time came.
    assert_eq!(told(&shell, before), [(Kind::DeviceSeen, one()), (Kind::DeviceOverdue, one())]);
}

#[test]
fn a_retired_device_is_told_of_once() {
    let mut shell = fleet(130);
    shell.settle();
    assert_eq!(told(&shell, 0).iter().map(|(_, devices)| devices.len()).sum::<usize>(), 130);
    let before = shell.state.seq;
    shell.tell(Input::Retire { device: "d0".into() });
    shell.settle();
    let kinds: Vec<Kind> = stream(&shell, before).into_iter().map(|(_, derived)| derived.kind).collect();
    assert_eq!(kinds, [Kind::DeviceRetired]);
    assert!(shell.state.devices.get(&DeviceId::new("d0")).unwrap().stands.is_empty());
}

#[test]
fn many_devices_are_few_events() {
    let ids = (0..1_100).map(|number| DeviceId::new(format!("d{number}"))).collect();
    let noted = ObligationsNoted {
        latches: Vec::new(),
        began: Vec::new(),
        ended: Vec::new(),
        offered: Vec::new(),
        stands: Vec::new(),
        unseen: (0..1_100).collect(),
        seen: [7].into_iter().collect(),
    };
    let found = derive(&noted.into(), &ids);
    let said: Vec<(Kind, Option<&str>, usize)> = found
        .iter()
        .map(|derived| match &derived.data {
            Data::Devices(data) => (derived.kind, derived.subject.as_deref(), data.devices.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    let unseen = |count| (Kind::DeviceUnseen, None, count);
    assert_eq!(said, [(Kind::DeviceSeen, Some("d7"), 1), unseen(500), unseen(500), unseen(100)]);
}

#[test]
fn the_same_log_always_gives_the_same_stream() {
    let mut shell = fleet(3);
    shell.settle();
    let now = stream(&shell, 0);
    shell.wait(30 * 24);
    shell.enrol("later");
    shell.settle();
    let later = stream(&shell, 0);
    assert_eq!(later[..now.len()], now);
    let positions: Vec<Position> = later.iter().map(|(position, _)| *position).collect();
    assert!(positions.is_sorted() && !positions.windows(2).any(|pair| pair[0] == pair[1]));
    assert!(Filter::read("event.kev || true").is_ok());
}
