//! The jobs on a log in memory: the lease, and matching.

use super::*;
use crate::shell::{Clock, TellError};
use refit_connect::feeds::{FeedKind, FeedStore, SyncFrom, SyncOptions, sync};
use refit_core::{
    control::{InstallEntry, Installs, Observation, PackageSource, UniverseReport},
    policy::resolve::Titles,
};
use refit_model::{DeviceId, TitleId};
use refit_store::{AppendError, Fence, MemoryStore, Store};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// As fast as the test can look.
const FAST: Pace = Pace { tick: Duration::from_millis(5), gather: Duration::from_millis(5) };

/// A clock that the test sets.
struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct World {
    store: MemoryStore,
    clock: Arc<SetClock>,
    data: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let clock = SetClock(Mutex::new("2026-11-25T08:00:00Z".parse().unwrap()));
        World { store: MemoryStore::new(), clock: Arc::new(clock), data: tempfile::tempdir().unwrap() }
    }

    async fn server(&self, name: &str) -> (Shell, Fence) {
        let fence = self.store.acquire_lease(name, self.clock.now(), LEASE).await.unwrap();
        let store = Arc::new(self.store.clone());
        (Shell::open(store, fence, Titles::default(), self.clock.clone()).await.unwrap(), fence)
    }

    fn wait(&self, seconds: i64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    /// Waits until the lease has been renewed at the time that it is.
    async fn renewed(&self) {
        until(|| alive_until(self.data.path(), self.clock.now()) == Some(self.clock.now())).await;
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not come to hold");
}

fn enrol(device: &str) -> Input {
    Input::Enrol { device: DeviceId::new(device), name: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_for_as_long_as_the_server_works() {
    let world = World::new();
    let (shell, _) = world.server("first").await;
    let ticking = tokio::spawn(tick(shell.clone(), world.data.path().to_owned(), FAST));
    for _ in 0..5 {
        world.renewed().await;
        world.wait(20);
    }
    world.renewed().await;
    // Long after the first lease would have run out.
    let refused = world.store.acquire_lease("second", world.clock.now(), LEASE).await;
    assert!(matches!(refused, Err(LeaseError::HeldBy { .. })), "{refused:?}");
    shell.tell(&Actor::server(), enrol("a"), None).await.unwrap();
    ticking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_did_not_renew_in_time_stops_when_another_has_taken_over() {
    let world = World::new();
    let (first, _) = world.server("first").await;
    first.tell(&Actor::server(), enrol("a"), None).await.unwrap();
    // It sleeps: a machine that was suspended, say.
    world.wait(31);
    let (second, _) = world.server("second").await;
    second.tell(&Actor::server(), enrol("b"), None).await.unwrap();
    // It wakes up, and looks at its lease before it writes anything.
    let ticking = tokio::spawn(tick(first.clone(), world.data.path().to_owned(), FAST));
    let mut ended = first.ended();
    let why = ended.wait_for(Option::is_some).await.unwrap().clone();
    assert_eq!(why.as_deref(), Some("another server has taken over"));
    let refused = first.tell(&Actor::server(), enrol("c"), None).await;
    assert!(matches!(refused, Err(TellError::Ended(_))), "{refused:?}");
    // That it listened is not noted: since when nobody did is the other one's to say.
    assert_eq!(alive_until(world.data.path(), world.clock.now()), None);
    tokio::time::timeout(Duration::from_secs(10), ticking).await.unwrap().unwrap();
    second.tell(&Actor::server(), enrol("d"), None).await.unwrap();
    let events = world.store.read(0, 100).await.unwrap();
    let written = events.iter().filter(|event| event.kind == "device.enrolled").count();
    assert_eq!((written, second.view().state.devices.len()), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_between_the_loss_of_a_lease_and_its_notice() {
    let world = World::new();
    let (first, fence) = world.server("first").await;
    first.tell(&Actor::server(), enrol("a"), None).await.unwrap();
    world.wait(31);
    let (second, _) = world.server("second").await;
    // No tick has come yet: what is told meets the fence of the log itself.
    let refused = first.tell(&Actor::server(), enrol("b"), None).await;
    assert!(matches!(refused, Err(TellError::Append(AppendError::Fenced))), "{refused:?}");
    first.ended().wait_for(Option::is_some).await.unwrap();
    let renewal = world.store.renew_lease(fence, world.clock.now(), LEASE).await;
    assert!(matches!(renewal, Err(LeaseError::Lost)), "{renewal:?}");
    assert_eq!(first.view().state.devices.len(), 1);
    second.tell(&Actor::server(), enrol("b"), None).await.unwrap();
    assert_eq!(world.store.head().await.unwrap(), 2);
}

/// The feeds of a folder: a Debian tracker in which a source has vulnerabilities.
fn feeds(world: &World, source: &str, vulnerabilities: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("osv")).unwrap();
    let said: BTreeMap<&str, serde_json::Value> = vulnerabilities
        .iter()
        .map(|id| {
            let fixed = serde_json::json!({ "status": "resolved", "fixed_version": "3.0.15-1~deb12u1" });
            (*id, serde_json::json!({ "releases": { "bookworm": fixed } }))
        })
        .collect();
    let tracker = serde_json::json!({ source: said }).to_string();
    std::fs::write(folder.path().join("osv/debian_security_tracker.json"), tracker).unwrap();
    let options = SyncOptions {
        from: SyncFrom::Folder(folder.path().to_owned()),
        now: world.clock.now(),
        force: true,
        limits: BTreeMap::new(),
    };
    let outcomes = sync(&FeedStore::open(world.data.path()), &[FeedKind::DebianTracker], &options, &mut |_| {});
    outcomes.into_iter().for_each(|outcome| drop(outcome.result.unwrap()));
}

/// What a device of Debian 12 says that has OpenSSL's library.
fn libssl(device: &str, source: Option<&str>) -> Input {
    let install = InstallEntry {
        title: TitleId::new("deb/libssl3"),
        branch: None,
        profile: None,
        version: "3.0.11-1~deb12u1".into(),
        state: None,
        source: source.map(|name| PackageSource { name: name.into(), version: None }),
    };
    Input::Observe(Observation {
        device: DeviceId::new(device),
        source: "agent".into(),
        observed: "2026-11-25T08:00:00Z".parse().unwrap(),
        facts: BTreeMap::new(),
        installs: Some(Installs::All(vec![install])),
        universe: Some(UniverseReport { key: "u".into(), distribution: "debian/bookworm".into(), offers: Vec::new() }),
        check_in: None,
    })
}

/// The vulnerabilities that the log says the library to have.
fn known(shell: &Shell) -> Option<Vec<String>> {
    let view = shell.view();
    let distribution = view.state.distributions.get("debian/bookworm")?;
    let mut ids: Vec<String> = distribution
        .advisories
        .iter()
        .filter(|advisory| advisory.title.as_str() == "deb/libssl3")
        .map(|advisory| advisory.id.to_string())
        .collect();
    ids.sort();
    Some(ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn advisories_are_matched_by_source_when_packages_or_feeds_are_new() {
    let world = World::new();
    feeds(&world, "openssl", &["CVE-2026-0001"]);
    let (shell, _) = world.server("first").await;
    let packages = Packages::default();
    let matching = tokio::spawn(matching(shell.clone(), packages, world.data.path().to_owned(), FAST));
    let tell = async |input| shell.tell(&Actor::server(), input, None).await.unwrap();
    tell(enrol("a")).await;
    tell(libssl("a", None)).await;
    // Feeds speak of `openssl`: by its own name the library has nothing.
    until(|| known(&shell) == Some(Vec::new())).await;
    tell(enrol("b")).await;
    tell(libssl("b", Some("openssl"))).await;
    until(|| known(&shell) == Some(vec!["CVE-2026-0001".to_owned()])).await;
    let told = tell(libssl("b", Some("openssl"))).await;
    assert!(told.events.is_empty(), "what is known is not written again: {told:?}");
    // Nobody says anything, and the feeds are new.
    feeds(&world, "openssl", &["CVE-2026-0001", "CVE-2026-0002"]);
    until(|| known(&shell).is_some_and(|known| known.len() == 2)).await;
    // What is the same again is not written again.
    let head = *shell.head().borrow();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(*shell.head().borrow(), head);
    matching.abort();
    // Another server takes what the log says, and matches what changed while nobody looked.
    feeds(&world, "openssl", &["CVE-2026-0002"]);
    shell.close("it moves").await;
    world.wait(31);
    let (second, _) = world.server("second").await;
    assert_eq!(known(&second).unwrap().len(), 2);
    let data = world.data.path().to_owned();
    let matching = tokio::spawn(super::matching(second.clone(), Packages::default(), data, FAST));
    until(|| known(&second) == Some(vec!["CVE-2026-0002".to_owned()])).await;
    matching.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_that_have_gone_take_nothing_away() {
    let world = World::new();
    feeds(&world, "openssl", &["CVE-2026-0001"]);
    let (shell, _) = world.server("first").await;
    let packages = Packages::default();
    let matching = tokio::spawn(matching(shell.clone(), packages, world.data.path().to_owned(), FAST));
    let tell = async |input| shell.tell(&Actor::server(), input, None).await.unwrap();
    tell(enrol("a")).await;
    tell(libssl("a", Some("openssl"))).await;
    until(|| known(&shell).is_some_and(|known| known.len() == 1)).await;
    std::fs::remove_dir_all(world.data.path().join("feeds")).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    tell(enrol("b")).await;
    tell(libssl("b", Some("openssl"))).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(known(&shell).unwrap(), ["CVE-2026-0001"]);
    matching.abort();
}
