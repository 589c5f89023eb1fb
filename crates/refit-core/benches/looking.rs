//! What it costs to find the devices that have to be decided, where one of many has changed: by looking at all of them, and by
//! what has changed.
//!
//! `cargo bench -p refit-core --bench looking` prints the CPU time of a look, the middle of many. Devices have 800 packages of
//! 2,000 that have news of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that can't be set up is meant to panic"
)]

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use refit_core::{
    control::{Board, DeviceRecord, Evaluation, Ground, InForce, Installed, Lookout, SlotName, Sorted, State},
    policy::{
        load::load,
        repository::Repository,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Duration};

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
const LOOKS: usize = 9;

fn main() {
    for devices in [1_000_u32, 10_000] {
        let (state, mut board, now) = fleet(devices);
        let mut lookout = Lookout::default();
        assert!(lookout.due(&mut board, &state, now, 4_096).is_empty());
        let all = middle(|| {
            assert!(black_box(board.due(&state, now, 4_096)).is_empty());
        });
        let idle = middle(|| {
            assert!(black_box(lookout.due(&mut board, &state, now, 4_096)).is_empty());
        });
        let mut moved = state.clone();
        let mut seq = state.seq;
        let one = middle(|| {
            seq += 1;
            change(&mut moved, seq, now);
            assert_eq!(black_box(lookout.due(&mut board, &moved, now, 4_096)).len(), 1);
        });
        println!(
            "{devices} devices: all {all:?}; nothing changed {idle:?}; one changed, with the change itself {one:?}"
        );
    }
}

/// A device is seen to run something else.
fn change(state: &mut State, seq: u64, now: Timestamp) {
    let body = serde_json::json!({
        "device": "d000007", "source": "agent", "observed": now, "facts": {}, "confirmed": true,
        "present": [{ "title": "editor", "version": format!("1.{seq}.0") }], "gone": [], "universe": null,
    });
    let event = refit_core::control::decode("device.observed", 2, body.to_string().as_bytes()).unwrap();
    let (titles, contents) = (Titles::default(), BTreeMap::new());
    state.apply(seq, now, &event, &Ground { catalog: &titles, contents: &contents }).unwrap();
}

fn fleet(devices: u32) -> (State, Board, Timestamp) {
    let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    let mut state = State::default();
    let (titles, contents) = (Titles::default(), BTreeMap::new());
    let ground = Ground { catalog: &titles, contents: &contents };
    let names: Vec<String> = (0..2_000).map(|number| format!("deb/package-{number:04}")).collect();
    let releases: Vec<_> =
        names.iter().map(|title| serde_json::json!({ "title": title, "version": "1", "published": now })).collect();
    let body = serde_json::json!({ "source": "vendor", "releases": releases }).to_string();
    let published = refit_core::control::decode("releases.published", 1, body.as_bytes()).unwrap();
    state.apply(1, now, &published, &ground).unwrap();
    let mut installs: Sorted<SlotName, Installed> = Sorted::default();
    for title in names.iter().step_by(5).chain(names.iter().skip(1).step_by(5)) {
        let installed = Installed { version: "1".into(), state: None, since: now };
        installs.insert(SlotName::of(title.as_str().into()), installed);
    }
    let installs = Arc::new(installs);
    for index in 0..devices {
        let id = format!("d{index:06}");
        let mut record = DeviceRecord::new(id.as_str().into(), index, None, now, 2);
        record.installs = installs.clone();
        state.add(record);
    }
    state.pass_over(2, now);
    state.policy = Some(Arc::new(InForce {
        revision: 1,
        since: now,
        by_event: 2,
        policy_hash: "hash".into(),
        files: "files".into(),
        plan: "plan".into(),
        repository: Arc::new(repository()),
    }));
    let mut board = Board::default();
    let row = |record: &Arc<DeviceRecord>| Evaluation {
        device: record.id.clone(),
        index: record.index,
        basis: 2,
        revision: 1,
        at: now,
        slots: Vec::new(),
        latches: Vec::new(),
        began: Vec::new(),
        ended: Vec::new(),
        offered: Vec::new(),
        groups: BTreeMap::new(),
        next_change: None,
    };
    board.update(&state.managed().map(row).collect::<Vec<_>>());
    (state, board, now)
}

fn repository() -> Repository {
    let files = refit_core::control::PolicyFiles(BTreeMap::from([("refit.yaml".to_owned(), POLICY.to_owned())]));
    let read = files.files();
    let (documents, _) = load(&read, &Limits::default());
    resolve(&documents, &read, &Titles::default()).0
}

/// The middle of what many looks take, in CPU time: others who use the machine do not count.
fn middle(mut look: impl FnMut()) -> Duration {
    let cpu = || Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap());
    let mut took: Vec<Duration> = (0..LOOKS)
        .map(|_| {
            let begun = cpu();
            look();
            cpu().saturating_sub(begun)
        })
        .collect();
    took.sort();
    took[LOOKS / 2]
}
