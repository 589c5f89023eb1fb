//! The shell: batches in order, all or nothing; decisions beside the writer; the past.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::{Actor, Input, InstallEntry, Installs, Observation, Plain, PolicyFiles, Refusal, ReleaseEntry},
    policy::{
        load::load,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use refit_model::{DeviceId, TitleId};
use refit_server::{
    policy::plan_and_apply,
    shell::{Clock, Request, Shell, TellError},
};
use refit_store::{
    Answered, AppendError, Batch, Blob, Fence, LeaseError, MemoryStore, PersonalValue, Snapshot, SnapshotInfo, Store,
    StoreError, StoredEvent,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

/// A clock that the test sets.
struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl SetClock {
    fn wait(&self, hours: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_hours(hours)).unwrap();
    }
}

/// A store in memory that can be told to fail, and that notes the sizes of batches.
struct Watched {
    store: MemoryStore,
    full: AtomicBool,
    batches: Mutex<Vec<usize>>,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

#[async_trait]
impl Store for Watched {
    async fn head(&self) -> Result<u64> {
        self.store.head().await
    }
    async fn append(&self, fence: Fence, expected: u64, batch: Batch) -> Result<u64, AppendError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Full { place: "memory".into() }.into());
        }
        tokio::time::sleep(Duration::from_millis(4)).await;
        self.batches.lock().unwrap().push(batch.events.len());
        self.store.append(fence, expected, batch).await
    }
    async fn read(&self, after: u64, limit: usize) -> Result<Vec<StoredEvent>> {
        self.store.read(after, limit).await
    }
    async fn answer(&self, key: &str) -> Result<Option<Answered>> {
        self.store.answer(key).await
    }
    async fn forget_answers(&self, before: Timestamp) -> Result<u64> {
        self.store.forget_answers(before).await
    }
    async fn put_blob(&self, blob: Blob) -> Result<()> {
        self.store.put_blob(blob).await
    }
    async fn blob(&self, digest: &str) -> Result<Option<Blob>> {
        self.store.blob(digest).await
    }
    async fn blobs_missing(&self, digests: &[String]) -> Result<Vec<String>> {
        self.store.blobs_missing(digests).await
    }
    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.store.save_snapshot(snapshot).await
    }
    async fn latest_snapshot(&self, at_or_before: Option<Timestamp>) -> Result<Option<Snapshot>> {
        self.store.latest_snapshot(at_or_before).await
    }
    async fn snapshots(&self) -> Result<Vec<SnapshotInfo>> {
        self.store.snapshots().await
    }
    async fn drop_snapshot(&self, seq: u64) -> Result<()> {
        self.store.drop_snapshot(seq).await
    }
    async fn personal(&self) -> Result<Vec<PersonalValue>> {
        self.store.personal().await
    }
    async fn erase_person(&self, person: &str) -> Result<u64> {
        self.store.erase_person(person).await
    }
    async fn acquire_lease(&self, holder: &str, now: Timestamp, ttl: Duration) -> Result<Fence, LeaseError> {
        self.store.acquire_lease(holder, now, ttl).await
    }
    async fn renew_lease(&self, fence: Fence, now: Timestamp, ttl: Duration) -> Result<(), LeaseError> {
        self.store.renew_lease(fence, now, ttl).await
    }
    async fn release_lease(&self, fence: Fence) -> Result<()> {
        self.store.release_lease(fence).await
    }
}

struct World {
    store: Arc<Watched>,
    clock: Arc<SetClock>,
    shell: Shell,
}

async fn world() -> World {
    let store = MemoryStore::new();
    let store = Watched { store, full: AtomicBool::new(false), batches: Mutex::default() };
    let clock = SetClock(Mutex::new("2026-11-01T00:00:00Z".parse().unwrap()));
    open(Arc::new(store), Arc::new(clock)).await
}

async fn open(store: Arc<Watched>, clock: Arc<SetClock>) -> World {
    let fence = store.acquire_lease("test", clock.now(), Duration::from_secs(30)).await.unwrap();
    let shell = Shell::open(store.clone(), fence, Titles::default(), clock.clone()).await.unwrap();
    World { store, clock, shell }
}

fn enrol(device: &str) -> Input {
    Input::Enrol { device: DeviceId::new(device), name: None }
}

fn editor(device: &str, version: &str, at: Timestamp) -> Input {
    let install = InstallEntry {
        title: TitleId::new("editor"),
        branch: None,
        profile: None,
        version: version.into(),
        state: None,
        source: None,
    };
    Input::Observe(Observation {
        device: DeviceId::new(device),
        source: "agent".into(),
        observed: at,
        facts: BTreeMap::from([("device.platform".into(), Some(Plain::Text("linux".into())))]),
        installs: Some(Installs::All(vec![install])),
        universe: None,
        check_in: None,
    })
}

impl World {
    async fn tell(&self, input: Input) -> refit_server::shell::Told {
        self.shell.tell(&Actor::server(), input, None).await.unwrap()
    }

    async fn release(&self, version: &str) {
        let release = ReleaseEntry {
            title: TitleId::new("editor"),
            branch: None,
            version: version.into(),
            published: self.clock.now(),
            security: false,
            withheld: false,
        };
        self.tell(Input::Releases { source: "vendor".into(), releases: vec![release] }).await;
    }

    async fn apply(&self) {
        let text = "
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
        let files = PolicyFiles(BTreeMap::from([("refit.yaml".to_owned(), text.to_owned())]));
        let read = files.files();
        let (documents, _) = load(&read, &Limits::default());
        let (repository, _) = resolve(&documents, &read, &Titles::default());
        plan_and_apply(&self.shell, &Actor::server(), &files, "hash", Arc::new(repository)).await.unwrap();
    }

    fn admitted(&self, device: &str) -> Option<String> {
        let view = self.shell.view();
        let published = view.state.device(&DeviceId::new(device))?.published.values().next()?.clone();
        Some(format!("{:?}", published.key.admitted))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrives_together_becomes_durable_together_and_in_order() {
    let world = world().await;
    let tell = |n: usize| {
        let shell = world.shell.clone();
        Box::pin(async move { shell.tell(&Actor::server(), enrol(&format!("d{n:03}")), None).await })
    };
    let mut tells: Vec<_> = (0..200).map(tell).collect();
    // Each is handed over before the next.
    for tell in &mut tells {
        let once = std::future::poll_fn(|context| Poll::Ready(tell.as_mut().poll(context).is_pending()));
        assert!(once.await);
    }
    let told = futures_util::future::join_all(tells).await;
    for (n, told) in told.into_iter().enumerate() {
        assert_eq!(told.unwrap().seq, n as u64 + 1);
    }
    let batches = world.store.batches.lock().unwrap().clone();
    assert!(batches.len() < 20, "{batches:?}");
    let events = world.store.read(0, 1000).await.unwrap();
    let ids: Vec<_> = events.iter().map(|event| String::from_utf8_lossy(&event.body).into_owned()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]) && ids.len() == 200);
    assert_eq!(*world.shell.head().borrow(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_input_disturbs_nobody_and_one_key_counts_once() {
    let world = world().await;
    let request = |fingerprint: &str| {
        let request = Request { key: "k".into(), fingerprint: fingerprint.into() };
        let answer: refit_server::shell::Answer = Box::new(|told| (201, told.seq.to_string().into_bytes()));
        Some((request, answer))
    };
    let actor = Actor::server();
    let (first, same, twice, other, last) = tokio::join!(
        world.shell.tell(&actor, enrol("a"), request("f")),
        world.shell.tell(&actor, enrol("a"), None),
        world.shell.tell(&actor, enrol("b"), request("f")),
        world.shell.tell(&actor, enrol("c"), request("g")),
        world.shell.tell(&actor, enrol("d"), None),
    );
    assert_eq!(first.unwrap().seq, 1);
    assert!(matches!(same, Err(TellError::Refused(Refusal::Exists { .. }))));
    assert!(matches!(twice, Err(TellError::Append(AppendError::AlreadyAnswered { .. }))));
    assert!(matches!(other, Err(TellError::Append(AppendError::KeyReused { .. }))));
    assert_eq!(last.unwrap().seq, 2);
    assert_eq!(world.store.answer("k").await.unwrap().unwrap().body, b"1");
    let later = world.shell.tell(&actor, enrol("b"), request("f")).await;
    assert!(matches!(later, Err(TellError::Append(AppendError::AlreadyAnswered { .. }))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_appended_is_not_shown() {
    let world = world().await;
    world.tell(enrol("a")).await;
    world.store.full.store(true, Ordering::SeqCst);
    let actor = Actor::server();
    let (b, c) = tokio::join!(world.shell.tell(&actor, enrol("b"), None), world.shell.tell(&actor, enrol("c"), None));
    for refused in [b, c] {
        assert!(matches!(refused, Err(TellError::Append(AppendError::Store(StoreError::Full { .. })))));
    }
    assert_eq!(world.shell.view().state.devices.len(), 1);
    world.store.full.store(false, Ordering::SeqCst);
    assert_eq!(world.tell(enrol("b")).await.seq, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lost_its_lease_stops_and_says_why() {
    let world = world().await;
    world.tell(enrol("a")).await;
    let now = world.clock.now();
    world.store.acquire_lease("test", now, Duration::from_secs(30)).await.unwrap();
    let fenced = world.shell.tell(&Actor::server(), enrol("b"), None).await;
    assert!(matches!(fenced, Err(TellError::Append(AppendError::Fenced))));
    let mut ended = world.shell.ended();
    ended.wait_for(Option::is_some).await.unwrap();
    let later = world.shell.tell(&Actor::server(), enrol("b"), None).await.unwrap_err();
    assert!(later.to_string().contains("another one has taken over"), "{later}");
    assert_eq!(world.shell.view().state.devices.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_finishes_what_is_queued() {
    let world = world().await;
    let waiting: Vec<_> = (0..50)
        .map(|n| {
            let shell = world.shell.clone();
            tokio::spawn(async move { shell.tell(&Actor::server(), enrol(&format!("d{n}")), None).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    world.shell.close("the test is over").await;
    let mut done = 0;
    for told in waiting {
        match told.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert!(error.to_string().ends_with("the test is over"), "{error}"),
        }
    }
    assert_eq!(world.store.head().await.unwrap(), done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_writes_down_who_was_seen_lately() {
    let world = world().await;
    world.tell(enrol("a")).await;
    world.tell(editor("a", "1.0.0", world.clock.now())).await;
    world.clock.wait(1);
    world.tell(Input::Tick).await;
    // Nothing new: it is gathered for a quarter of an hour.
    assert!(world.tell(editor("a", "1.0.0", world.clock.now())).await.events.is_empty());
    world.shell.close("restart").await;
    let again = open(world.store.clone(), world.clock.clone()).await;
    let seen = again.shell.view().state.device(&DeviceId::new("a")).unwrap().seen;
    assert_eq!(seen, world.clock.now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_follow_what_changes() {
    let world = world().await;
    world.shell.evaluate().unwrap();
    world.tell(enrol("a")).await;
    world.release("1.0.0").await;
    world.tell(editor("a", "1.0.0", world.clock.now())).await;
    world.apply().await;
    world.shell.settled().await;
    assert!(world.shell.view().board.row(&DeviceId::new("a")).is_some());
    let before = world.admitted("a");
    world.clock.wait(1);
    world.release("1.1.0").await;
    world.shell.settled().await;
    assert_ne!(world.admitted("a"), before);
    assert_eq!(world.admitted("a").as_deref(), Some("Release(\"1.1.0\")"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_and_a_snapshot_give_the_same_state_and_the_past_is_as_it_was() {
    let world = world().await;
    world.shell.evaluate().unwrap();
    world.release("1.0.0").await;
    for n in 0..20 {
        world.tell(enrol(&format!("d{n}"))).await;
        world.tell(editor(&format!("d{n}"), "1.0.0", world.clock.now())).await;
    }
    world.apply().await;
    world.shell.settled().await;
    let (then, seq) = (world.clock.now(), world.shell.view().state.seq);
    world.clock.wait(24);
    world.shell.snapshot().await.unwrap();
    world.release("1.1.0").await;
    world.shell.settled().await;
    world.shell.close("restart").await;
    let before = world.shell.view();

    let again = open(world.store.clone(), world.clock.clone()).await;
    assert_eq!(again.shell.view().state.seq, before.state.seq);
    assert_eq!(again.shell.view().state.devices, before.state.devices);
    let past = again.shell.view_at(then).await.unwrap();
    assert_eq!(past.state.seq, seq);
    let device = past.state.device(&DeviceId::new("d3")).unwrap();
    assert!(device.published.values().all(|published| !format!("{:?}", published.key.admitted).contains("1.1.0")));
    let first = again.shell.view_at("2026-10-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(first.state.seq, 0);
}
