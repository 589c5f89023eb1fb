//! How long an explanation of the past takes with 10,000 devices: `cargo bench -p refit-server --bench past`.
//!
//! What is older than the snapshot before the time that is asked for is not read, and of what is kept for 400 days that snapshot is a
//! month older at most. So the log here has a snapshot and the 31 days after it: each device reports once a day, something new once a
//! week, and is seen in every quarter of an hour of a working day. Prints a table for docs/benchmarks.md.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::{
        Actor, DeviceEnrolled, DeviceObserved, Evaluator, Event, InstallEntry, Plain, PolicyFiles, PresenceSeen, Terms,
        encode,
    },
    policy::{
        load::load,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use refit_model::{DeviceId, TitleId};
use refit_server::{
    policy::plan_and_apply,
    shell::{Clock, Shell},
};
use refit_store::{Batch, NewEvent, Store, open_sqlite};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const TITLES: usize = 20;
const DAYS: i64 = 31;

struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn main() {
    let devices = std::env::var("REFIT_BENCH_DEVICES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(past(devices));
}

async fn past(devices: u32) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open_sqlite(folder.path()).await.unwrap().0);
    let begin: Timestamp = "2026-10-01T00:00:00Z".parse().unwrap();
    let clock = Arc::new(SetClock(Mutex::new(begin)));
    let fence = store.acquire_lease("bench", begin, Duration::from_secs(100 * 24 * 3600)).await.unwrap();
    let (mut head, mut events) = (0, Vec::new());
    for index in 0..devices {
        events.push((begin, Event::from(DeviceEnrolled { device: id(index), index, name: None })));
        events.push((begin, observed(index, 0, begin)));
    }
    append(&store, fence, &mut head, events).await;
    let shell = Shell::open(store.clone(), fence, Titles::default(), clock.clone()).await.unwrap();
    let (files, repository) = policy();
    plan_and_apply(&shell, &Actor::server(), &files, "first", repository).await.unwrap();
    shell.evaluate().unwrap();
    shell.settled().await;
    shell.snapshot().await.unwrap();
    let (mut head, snapshot) = (shell.view().state.seq, store.snapshots().await.unwrap()[0].clone());
    shell.close("the log grows without it").await;
    let first = head;
    for day in 1..=DAYS {
        let morning = begin.checked_add(SignedDuration::from_hours(24 * day + 8)).unwrap();
        let mut events = Vec::new();
        for index in 0..devices {
            let at = morning.checked_add(SignedDuration::from_millis(i64::from(index))).unwrap();
            events.push((at, observed(index, day, at)));
        }
        for quarter in 1..=32 {
            let at = |quarter: i64| morning.checked_add(SignedDuration::from_mins(15 * quarter)).unwrap();
            let seen = PresenceSeen { from: at(quarter), to: at(quarter + 1), devices: (0..devices).collect() };
            events.push((seen.to, seen.into()));
        }
        append(&store, fence, &mut head, events).await;
    }
    *clock.0.lock().unwrap() = begin.checked_add(SignedDuration::from_hours(24 * 40)).unwrap();
    let shell = Shell::open(store.clone(), fence, Titles::default(), clock.clone()).await.unwrap();
    println!(
        "{devices} devices; a snapshot of {:.1} MB, {} events after it\n",
        snapshot.bytes as f64 / 1e6,
        head - first
    );
    println!("| | on the clock |\n| --- | --- |");
    for days in [1, 15, DAYS] {
        let at = begin.checked_add(SignedDuration::from_hours(24 * (days + 1))).unwrap();
        let device = id(devices / 2);
        let begun = Instant::now();
        let view = shell.view_of_at(&device, at).await.unwrap();
        let terms = Terms::in_force(&view.state).unwrap();
        let record = view.state.device(&device).unwrap();
        let decided = Evaluator::default().explain(&view.state, &terms, record, &TitleId::new("title-3"), at).0;
        println!("| one device, {days} days after the snapshot | {:.2} s |", begun.elapsed().as_secs_f64());
        if days == DAYS {
            let begun = Instant::now();
            let whole = shell.view_at(at).await.unwrap();
            println!("| the whole fleet, {days} days after the snapshot | {:.2} s |", begun.elapsed().as_secs_f64());
            let record = whole.state.device(&device).unwrap();
            let again = Evaluator::default().explain(&whole.state, &terms, record, &TitleId::new("title-3"), at).0;
            assert_eq!(decided, again);
        }
    }
    shell.close("the end").await;
}

fn id(index: u32) -> DeviceId {
    DeviceId::new(format!("d{index:05}"))
}

/// What a device reports on a day: something new in one title, once a week.
fn observed(index: u32, day: i64, at: Timestamp) -> Event {
    let new = (i64::from(index) + day) % 7 == 0 || day == 0;
    let installs = (0..TITLES).filter(|title| day == 0 || (new && *title == day as usize % TITLES));
    let version = |title: usize| if (index as usize + title).is_multiple_of(3) { "1.0.0" } else { "1.1.0" };
    let present = installs.map(|title| InstallEntry {
        title: TitleId::new(format!("title-{title}")),
        branch: None,
        profile: None,
        version: version(title).into(),
        state: None,
        source: None,
    });
    Event::DeviceObserved(DeviceObserved {
        device: id(index),
        source: "agent".into(),
        observed: at,
        facts: BTreeMap::from([("device.platform".into(), Some(Plain::Text("linux".into())))]),
        confirmed: true,
        present: present.collect(),
        gone: Vec::new(),
        universe: None,
        check_in: None,
        system: false,
    })
}

async fn append(store: &Arc<impl Store>, fence: refit_store::Fence, head: &mut u64, events: Vec<(Timestamp, Event)>) {
    for events in events.chunks(2_000) {
        let stored = events.iter().map(|(at, event)| {
            let (kind, version, body) = encode(event, "local").unwrap();
            NewEvent { at: *at, kind: kind.to_owned(), version, actor: "bench".to_owned(), body }
        });
        *head = store.append(fence, *head, Batch::of(stored)).await.unwrap();
    }
}

fn policy() -> (PolicyFiles, Arc<refit_core::policy::repository::Repository>) {
    let mut text = "organization: acme\ndefaults: { mode: enforce }\n".to_owned();
    for n in 0..TITLES {
        text += &format!("---\ntitle: title-{n}\nname: Title {n}\nscheme: semver\n");
        text += &format!("---\npolicy: p{n}\nsoftware: [title-{n}]\ndeadline: [{{ within: 7d }}]\n");
    }
    let files = PolicyFiles(BTreeMap::from([("refit.yaml".to_owned(), text)]));
    let read = files.files();
    let (documents, _) = load(&read, &Limits::default());
    let (repository, _) = resolve(&documents, &read, &Titles::default());
    (files, Arc::new(repository))
}
