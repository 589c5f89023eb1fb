//! Logs that were written once and are never written again: every version of the program has to read them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use jiff::Timestamp;
use refit_core::{
    control::{Event, Ground, HeldBy, State, decode},
    policy::resolve::Titles,
};
use refit_model::TitleId;
use smol_str::SmolStr;
use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

/// A log as JSON lines: contents by their SHA-256, then entries in their order.
fn read(text: &str) -> (State, BTreeSet<String>) {
    let mut contents: BTreeMap<SmolStr, Arc<[u8]>> = BTreeMap::new();
    let (mut state, mut kinds, titles) = (State::default(), BTreeSet::new(), Titles::default());
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(sha256) = line["content"].as_str() {
            contents.insert(sha256.into(), line["text"].as_str().unwrap().as_bytes().into());
            continue;
        }
        let kind = line["kind"].as_str().unwrap();
        let version = u16::try_from(line["version"].as_u64().unwrap()).unwrap();
        let event = decode(kind, version, line["body"].to_string().as_bytes()).unwrap();
        let at: Timestamp = line["at"].as_str().unwrap().parse().unwrap();
        let ground = Ground { catalog: &titles, contents: &contents };
        state.apply(line["seq"].as_u64().unwrap(), at, &event, &ground).unwrap();
        kinds.insert(kind.to_owned());
    }
    (state, kinds)
}

#[test]
fn the_first_log_reads() {
    let (state, kinds) = read(include_str!("old_logs/2026-11-25.jsonl"));
    // Kinds that came later are in later logs.
    assert_eq!(kinds.len(), 27);
    let known: BTreeSet<_> = Event::KINDS.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    assert!(kinds.is_subset(&known));
    let published: usize = state.managed().map(|device| device.published.len()).sum();
    let facts = (state.seq, state.managed_count(), state.revision(), state.plans.len(), state.people.len(), published);
    assert_eq!(facts, FACTS);
}

#[test]
fn logs_of_events_that_say_from_where_they_came_read() {
    let (first, mut kinds) = read(include_str!("old_logs/2026-11-25-origin-1.jsonl"));
    let (second, more) = read(include_str!("old_logs/2026-11-25-origin-2.jsonl"));
    kinds.extend(more);
    // All that there were then.
    assert_eq!(kinds.len(), 27);
    for state in [first, second] {
        assert!(state.seq > 100 && state.managed_count() > 0 && state.revision() > 0);
    }
}

#[test]
fn logs_that_know_quarantines_and_first_offers_read() {
    let (first, mut kinds) = read(include_str!("old_logs/2026-11-25-quarantine-1.jsonl"));
    let (second, more) = read(include_str!("old_logs/2026-11-25-quarantine-2.jsonl"));
    kinds.extend(more);
    // All that there were then.
    assert_eq!(kinds.len(), 29);
    assert!(first.managed().all(|device| device.history.is_some()));
    assert!(second.managed().any(|device| !device.offered.is_empty()));
}

#[test]
fn a_log_of_rollouts_that_go_on_by_themselves_reads() {
    let (state, kinds) = read(include_str!("old_logs/2026-11-25-rollouts.jsonl"));
    assert!(kinds.contains("release.expedited") && kinds.contains("receipt.received"));
    let verdicts = state.rollouts.gates.values().flat_map(|list| list.iter()).filter(|gate| gate.verdict.is_some());
    assert!(verdicts.count() > 0);
    assert!(state.rollouts.under_way.values().flat_map(|list| list.iter()).all(|record| record.platform.is_some()));
}

#[test]
fn a_log_in_which_gates_ask_and_people_join_reads() {
    let (state, kinds) = read(include_str!("old_logs/2026-11-26-asked.jsonl"));
    assert!(kinds.contains("gate.asked") && kinds.contains("person.changed"));
    let asked = |title: &TitleId| state.rollouts.questions(title).len();
    assert!(state.rollouts.under_way.keys().map(asked).sum::<usize>() > 0, "somebody is still asked");
}

#[test]
fn rings_of_older_logs_opened_on_every_platform() {
    let body = serde_json::json!({
        "origin": "local", "title": "editor", "version": "1.1.0", "rollout": "standard", "ring": "canary", "members": null,
    });
    let Event::RingOpened(opened) = decode("ring.opened", 2, body.to_string().as_bytes()).unwrap() else { panic!() };
    assert_eq!(opened.platform, None);
    let body = serde_json::json!({
        "origin": "local", "title": "editor", "version": "1.1.0", "after": "canary", "platform": null, "answer": "halt",
    });
    let Event::GateAnswered(said) = decode("gate.answered", 2, body.to_string().as_bytes()).unwrap() else { panic!() };
    assert_eq!((said.until, said.verdict, said.why), (None, None, None));
}

#[test]
fn what_older_events_do_not_say_is_supplied() {
    let held = |because: &str| {
        let body = serde_json::json!({
            "plan": "p", "freed": "OjAAAAAAAAA=", "held": [{
                "key": { "slot": { "title": "editor" }, "policy": "p", "mode": "enforce", "goal": "nothing",
                    "admitted": "nothing", "rollout": null, "ring": null },
                "cause": "policy", "because": because, "devices": "OjAAAAAAAAA=",
            }],
        });
        match decode("moves.held", 1, body.to_string().as_bytes()).unwrap() {
            Event::MovesHeld(moves) => moves.held[0].by,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(held("the plan that was applied did not show this"), HeldBy::Envelope);
    assert_eq!(held("the budget of 20% of 10 devices in 1d is spent: 2 of 2 were moved"), HeldBy::Budget);
    let started = br#"{ "program": "0.1.0", "down_since": "2026-11-25T08:00:00Z" }"#;
    match decode("server.started", 1, started).unwrap() {
        Event::ServerStarted(started) => assert_eq!(started.unsure_since, started.down_since),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_of_reports_and_of_exceptions_that_were_asked_for_reads() {
    let (state, kinds) = read(include_str!("old_logs/2026-11-27-feedback.jsonl"));
    let later = [
        "exception.approved",
        "exception.expired",
        "exception.expiring",
        "exception.granted",
        "exception.refused",
        "exception.requested",
        "exception.withdrawn",
        "report.acknowledged",
        "report.closed",
        "report.opened",
        "report.shown",
    ];
    assert!(later.iter().all(|kind| kinds.contains(*kind)), "{kinds:?}");
    assert_eq!(state.reports.all().filter(|(_, report)| report.closed.is_some()).count(), 2);
    assert_eq!(state.reports.all().filter(|(_, report)| report.shown.is_some()).count(), 1);
    let acting: Vec<&str> = state.exceptions.acting().map(|(name, _)| name.as_str()).collect();
    assert_eq!(acting, ["acts"]);
    let repository = &state.policy.as_ref().unwrap().repository;
    assert!(repository.exceptions.iter().all(|exception| exception.name == "acts" && exception.origin.is_granted()));
    assert_eq!(repository.exceptions.len(), 1);
}

/// Position, devices, policy revision, plans, people, published slots.
const FACTS: (u64, u64, u64, usize, usize, usize) = (317, 7, 3, 21, 6, 28);

#[test]
fn a_log_that_says_what_packages_were_built_from_reads() {
    let (state, kinds) = read(include_str!("old_logs/2026-11-25-sources.jsonl"));
    assert!(kinds.len() >= 26);
    assert!(!state.sources.is_empty());
    let (before, _) = read(include_str!("old_logs/2026-11-25.jsonl"));
    assert!(before.sources.is_empty(), "nobody said so in the version before");
}

#[test]
fn logs_of_leases_hooks_and_signals_read() {
    let mut all = BTreeSet::new();
    for text in [
        include_str!("old_logs/2026-11-26-leases-1.jsonl"),
        include_str!("old_logs/2026-11-26-leases-2.jsonl"),
        include_str!("old_logs/2026-11-26-leases-3.jsonl"),
    ] {
        let (state, kinds) = read(text);
        assert!(state.managed_count() > 0 && state.revision() > 0);
        all.extend(kinds);
    }
    let later = [
        "lease.answered",
        "lease.ended",
        "lease.resumed",
        "lease.returned",
        "lease.settled",
        "lease.taken",
        "lease.withdrawn",
        "signal.read",
        "webhook.set",
    ];
    for kind in later {
        assert!(all.contains(kind), "{kind}");
    }
}

#[test]
fn a_log_of_dated_snapshots_reads() {
    let (state, kinds) = read(include_str!("old_logs/2026-11-26-snapshots.jsonl"));
    assert!(kinds.contains("ring.opened") && kinds.contains("gate.answered"));
    let title = TitleId::new("snapshot/linux");
    let records = &state.rollouts.under_way[&title];
    let moves: Vec<(String, Vec<String>, usize)> = records
        .iter()
        .map(|record| {
            let releases = record.releases.iter().map(|(title, version)| format!("{title} {version}"));
            (record.version.to_string(), releases.collect(), record.open.len())
        })
        .collect();
    let first = ["deb/curl 2-1".to_owned(), "deb/openssl 2-1".to_owned()];
    assert_eq!(moves, [("2026-11-09".into(), first.into(), 2), ("2026-11-16".into(), vec!["deb/bash 2-1".into()], 1)]);
    // Whoever halted it let it go on.
    assert!(state.rollouts.gates[&title].iter().any(|gate| gate.version == "2026-11-09"));
    assert!(state.managed().any(|device| !device.published.is_empty()));
}
