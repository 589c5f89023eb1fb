//! How long reads take with a million devices, how soon followers have an event, and how long it takes from a listing in KEV until every
//! device can fetch what that changes: `cargo bench -p refit-server --bench api`.
//!
//! Prints tables for docs/benchmarks.md. `REFIT_BENCH_DEVICES` sets the size of the fleet; `-- reads`, `-- posture`, `-- events` and `-- kev` do
//! one part alone. The devices are events in a log in memory, which the shell opens as it opens any log; the policy is planned, applied and
//! decided as a server does it. Beside the pages stands SQLite with the same rows, beside the followers a bare channel.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use axum::{
    Router,
    body::{Body, Bytes},
    http::Request,
};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::{
        Actor, AdvisoryEntry, Bearer, DeviceEnrolled, DeviceObserved, DeviceRecord, Event, Input, InstallEntry,
        PersonId, Plain, PolicyFiles, ReleaseEntry, Scope, TokenId, TokenRecord,
        document::{Frame, document, ready},
        encode,
    },
    policy::{
        load::load,
        repository::Repository,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use refit_model::{AdvisoryId, DeviceId, TitleId};
use refit_server::{
    agents::{self, Agents, Authority, open_key},
    api::{Api, Options, router},
    policy::plan_and_apply,
    shell::{Shell, SystemClock, View},
};
use refit_store::{Batch, MemoryStore, NewEvent, Store, open_sqlite};
use sha2::{Digest, Sha256};
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, mpsc};
use tower::ServiceExt as _;

/// Titles of the fleet; each device has four of them.
const TITLES: usize = 20;
/// Every such device has a title, and another one a platform, that few have.
const RARE: usize = 10_000;
/// Requests of each kind.
const REQUESTS: usize = 300;
/// Questions before somebody is let in, of each kind and by each of those who ask at once.
const ASKED: usize = 2_000;
const AT_ONCE: usize = 8;
/// Documents that are looked at.
const DOCUMENTS: usize = 3_000;
/// Events for each number of followers.
const EVENTS: usize = 50;
const SECRET: &str = "refit_secret-of-the-bench";

fn main() {
    let devices = std::env::var("REFIT_BENCH_DEVICES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let only = |part: &str| {
        !std::env::args().any(|given| ["reads", "posture", "events", "kev"].contains(&&*given) && given != part)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if only("events") {
        runtime.block_on(events());
    }
    if only("reads") {
        runtime.block_on(reads(devices));
    }
    if only("posture") {
        runtime.block_on(posture(devices));
    }
    if only("kev") {
        runtime.block_on(kev(devices));
    }
}

async fn reads(devices: usize) {
    let store = MemoryStore::new();
    fill(&store, devices, Listed::Before).await;
    let log = memory();
    let of_state = |what: &str, begun: Instant| {
        let per_device = memory().saturating_sub(log) as f64 / devices as f64;
        println!("| {what} | {:.1} s | {per_device:.0} |", begun.elapsed().as_secs_f64());
    };
    println!("\n{devices} devices as events in the log: {:.0} MiB\n", log >> 20);
    println!("| | on the clock | bytes a device, besides the log |\n| --- | --- | --- |");
    let begun = Instant::now();
    let (shell, router) = serve(Arc::new(store)).await;
    of_state("open the log, without a snapshot", begun);
    let begun = Instant::now();
    let (files, repository) = policy("{ within: 7d }");
    plan_and_apply(&shell, &Actor::server(), &files, "first", repository).await.unwrap();
    of_state("plan and apply a policy repository", begun);
    let begun = Instant::now();
    shell.evaluate().unwrap();
    shell.settled().await;
    of_state("decide all and publish", begun);
    println!("\nthe process at its most: {} MiB", peak() >> 20);

    println!("\n| | median | 99 % | bytes | bound (median) |\n| --- | --- | --- | --- | --- |");
    let (middle, last) = (name(devices / 2), name(devices - 51));
    let page = |rest: &str| format!("/api/v1/devices?limit=100{rest}");
    let cursor = |after: &str| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(format!("after:{after}"))
    };
    let one = format!("/api/v1/devices/{middle}");
    for (what, path, bound) in [
        ("100 devices, the first", page(""), 5.0),
        ("100 devices, in the middle", page(&format!("&cursor={}", cursor(&middle))), 5.0),
        ("the last 50 devices", page(&format!("&cursor={}", cursor(&last))), 5.0),
        ("one device", one.clone(), 1.0),
        ("its decisions", format!("{one}/decisions"), 1.0),
        ("how it stands, signed (`/posture`)", format!("{one}/posture"), 50.0),
        ("100 devices of `platform=linux` (a third)", page("&platform=linux"), 5.0),
        ("100 devices of `platform=freebsd` (1 of 10,000)", page("&platform=freebsd"), 5.0),
        ("`platform=ios` (none)", page("&platform=ios"), 5.0),
        ("100 devices of `title=title-3` (a fifth)", page("&title=title-3"), 5.0),
        ("100 devices of `title=rare` (1 of 10,000)", page("&title=rare"), 5.0),
        ("100 devices of `compliance=due`", page("&compliance=due"), 5.0),
        ("100 devices of `compliance=overdue`", page("&compliance=overdue"), 5.0),
        ("`compliance=due&title=rare`", page("&compliance=due&title=rare"), 5.0),
        ("`name=none` (none)", page("&name=none"), 5.0),
        ("`name=device-77` (1 of 90)", page("&name=device-77"), 5.0),
        ("`name=device` (all)", page("&name=device"), 5.0),
        ("`/policies`", "/api/v1/policies".to_owned(), 5.0),
        ("`/exposures`", "/api/v1/exposures".to_owned(), 5.0),
        ("`/titles`", "/api/v1/titles".to_owned(), 5.0),
        ("`/metrics`", "/metrics".to_owned(), 5.0),
    ] {
        let (mut latencies, mut bytes) = (Vec::new(), 0);
        let most = Instant::now();
        while latencies.len() < REQUESTS && (latencies.len() < 5 || most.elapsed() < Duration::from_secs(10)) {
            let begun = Instant::now();
            bytes = get(&router, &path).await.len();
            latencies.push(begun.elapsed());
        }
        println!("| {what} | {} | {bytes} | {bound:.0} ms |", spread(&mut latencies));
    }
    sqlite(devices, &middle).await;
    shell.close("the end").await;
}

/// How soon whoever asks before somebody is let in has an answer, one after the other and many at once: by device, by person, and as Okta's token hook
/// asks. Each tenth device is somebody's.
async fn posture(devices: usize) {
    let store = MemoryStore::new();
    fill(&store, devices, Listed::Before).await;
    let (shell, router) = serve(Arc::new(store)).await;
    let (files, repository) = policy("{ within: 7d }");
    plan_and_apply(&shell, &Actor::server(), &files, "first", repository).await.unwrap();
    shell.evaluate().unwrap();
    let people = (devices / 10).max(1);
    let address = |n: usize| format!("person-{n}@acme.example");
    let named: Vec<usize> = (0..people).collect();
    for some in named.chunks(256) {
        let told = some.iter().map(|n| {
            let (shell, person) = (shell.clone(), PersonId::new(format!("p{n}")));
            let value = (format!("value-{n}").into(), Plain::Text(address(*n).into()));
            let values = BTreeMap::from([("email".into(), Some(value))]);
            let said = Input::ObservePerson { person: person.clone(), source: "hr".into(), observed: ago(1), values };
            let assigned = Input::Assign { device: DeviceId::new(name(n * 10 % devices)), person: Some(person) };
            async move {
                shell.tell(&Actor::server(), said, None).await.unwrap();
                shell.tell(&Actor::server(), assigned, None).await.unwrap();
            }
        });
        futures_util::future::join_all(told).await;
    }
    shell.settled().await;
    let device = |n: usize| ("/api/v1/posture", serde_json::json!({ "device": name(n * 7919 % devices) }));
    let person = |n: usize| ("/api/v1/posture", serde_json::json!({ "user": address(n * 7919 % people) }));
    let hook = |n: usize| {
        let user = serde_json::json!({ "id": format!("00u{n}"), "profile": { "login": address(n * 7919 % people) } });
        let data = serde_json::json!({ "context": { "user": user }, "identity": { "claims": {} }, "access": { "claims": {} } });
        ("/okta/okta/token", serde_json::json!({ "eventType": "com.okta.oauth2.tokens.transform", "data": data }))
    };
    type Asked = (&'static str, serde_json::Value);
    let kinds: [(&str, &(dyn Fn(usize) -> Asked + Sync)); 3] =
        [("`POST /posture`, a device", &device), ("`POST /posture`, a person", &person), ("Okta's token hook", &hook)];
    println!("\n{devices} devices, {people} people\n");
    println!("| | median | 99 % | in a second, {AT_ONCE} at once | 99 % then | bound (99 %) |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (what, ask) in kinds {
        post(&router, ask(0)).await;
        let mut alone = Vec::new();
        for n in 0..ASKED {
            let begun = Instant::now();
            post(&router, ask(n)).await;
            alone.push(begun.elapsed());
        }
        let begun = Instant::now();
        let asking = (0..AT_ONCE).map(|part| {
            let router = router.clone();
            let asked: Vec<Asked> = (0..ASKED).map(|n| ask(part * ASKED + n)).collect();
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(asked.len());
                for asked in asked {
                    let begun = Instant::now();
                    post(&router, asked).await;
                    latencies.push(begun.elapsed());
                }
                latencies
            })
        });
        let mut loaded = Vec::new();
        for done in futures_util::future::join_all(asking).await {
            loaded.extend(done.unwrap());
        }
        let rate = (AT_ONCE * ASKED) as f64 / begun.elapsed().as_secs_f64();
        let (alone, loaded) = (spread(&mut alone), spread(&mut loaded));
        let slowest = loaded.split(" | ").nth(1).unwrap_or_default();
        println!("| {what} | {alone} | {rate:.0} | {slowest} | 50 ms |");
    }
    shell.close("the end").await;
}

async fn post(router: &Router, (path, body): (&'static str, serde_json::Value)) {
    let request = Request::post(path)
        .header("authorization", format!("Bearer {SECRET}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "{path}");
    axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
}

/// Advisories that concern a third of the devices are listed in KEV, and policies want that closed sooner: how long it takes until each device can
/// fetch a state document that says so. Documents are made and signed when they are fetched.
async fn kev(devices: usize) {
    let store = MemoryStore::new();
    fill(&store, devices, Listed::Later).await;
    let (shell, _) = serve(Arc::new(store)).await;
    let (files, repository) = policy("{ if: exposure.kev, within: 2d }, { within: 14d }");
    plan_and_apply(&shell, &Actor::server(), &files, "first", repository).await.unwrap();
    shell.evaluate().unwrap();
    shell.settled().await;
    let before = documents(&shell.view()).0;
    println!("\n| {devices} devices | on the clock | bound |\n| --- | --- | --- |");
    let begun = Instant::now();
    let (_, advisories) = catalogue(Listed::Before);
    let input = Input::Advisories { source: "vendor".into(), advisories };
    shell.tell(&Actor::server(), input, None).await.unwrap();
    println!("| one advisory of each title is listed in KEV: durable | {:.3} s | |", begun.elapsed().as_secs_f64());
    shell.settled().await;
    let took = begun.elapsed().as_secs_f64();
    let view = shell.view();
    let can = |record: &DeviceRecord| ready(&view.state, record, view.board.row(&record.id).map(|row| &**row));
    assert!(view.state.devices.values().all(|record| can(record)), "each device can fetch its document");
    println!("| decided and published, so that each device can fetch its document | {took:.3} s | 1 s |");
    let (after, mut latencies) = documents(&view);
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert!(changed > 0, "a listing in KEV changes what devices are told");
    println!("| making one when it is fetched: median, 99 % | {} | |", spread(&mut latencies).replace(" | ", ", "));
    println!("\n{changed} of {} documents that were looked at say something else.", after.len());
    shell.close("the end").await;
}

/// The documents of some devices as they would fetch them now, without their signatures; and how long each took.
fn documents(view: &View) -> (Vec<Vec<u8>>, Vec<Duration>) {
    let records = view.state.devices.values().step_by((view.state.devices.len() / DOCUMENTS).max(1));
    let made = records.map(|record| {
        let begun = Instant::now();
        let row = view.board.row(&record.id).map(|row| &**row);
        let frame = Frame { organization: "acme", sequence: 1 };
        let bytes = serde_json::to_vec(&document(&view.state, record, row, &frame)).unwrap();
        (bytes, begun.elapsed())
    });
    made.unzip()
}

/// The memory of this process, in bytes.
fn memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The memory of this process when it was largest, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// The same rows in a table, by its key, read through sqlx and written as JSON.
async fn sqlite(devices: usize, middle: &str) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("peer.db")).create_if_missing(true);
    let mut db: SqliteConnection = options.connect().await.unwrap();
    let table = "create table devices (id text primary key, name text, platform text, enrolled text, seen text, \
        installs integer, due integer) without rowid";
    sqlx::query(table).execute(&mut db).await.unwrap();
    let fill = format!(
        "insert into devices with recursive n(i) as (select 0 union all select i + 1 from n where i < {}) \
        select printf('d%07d', i), printf('device-%d', i), \
        case when i % {RARE} = 7 then 'freebsd' when i % 3 = 0 then 'linux' when i % 3 = 1 then 'macos' else 'windows' end, \
        '2026-11-01T00:00:00Z', '2026-11-25T00:00:00Z', 4, i % 3 from n",
        devices - 1
    );
    sqlx::query(sqlx::AssertSqlSafe(fill)).execute(&mut db).await.unwrap();
    sqlx::query("create index platforms on devices (platform, id)").execute(&mut db).await.unwrap();
    for (what, condition, after) in [
        ("SQLite: 100 devices, the first", "", ""),
        ("SQLite: 100 devices, in the middle", "", middle),
        ("SQLite: 100 devices of one platform, with an index", "platform = 'linux' and ", ""),
    ] {
        let text = format!("select * from devices where {condition}id > ? order by id limit 101");
        let (mut latencies, mut bytes) = (Vec::new(), 0);
        for _ in 0..REQUESTS {
            let begun = Instant::now();
            let rows = sqlx::query(sqlx::AssertSqlSafe(text.clone())).bind(after).fetch_all(&mut db).await.unwrap();
            let items = rows.iter().take(100).map(|row| {
                let text = |column| row.get::<String, _>(column);
                serde_json::json!({
                    "id": text(0), "name": text(1), "platform": text(2), "enrolled": text(3), "seen": text(4),
                    "installs": row.get::<i64, _>(5), "compliance": { "due": row.get::<i64, _>(6) },
                })
            });
            bytes = serde_json::to_vec(&items.collect::<Vec<_>>()).unwrap().len();
            latencies.push(begun.elapsed());
        }
        println!("| {what} | {} | {bytes} | |", spread(&mut latencies));
    }
}

async fn events() {
    println!("| | followers | median | 99 % | bound |\n| --- | --- | --- | --- | --- |");
    for followers in [10, 100, 1_000] {
        let bound = if followers == 1_000 { "50 ms" } else { "" };
        let mut latencies = channel(followers).await;
        println!("| a bare channel | {followers} | {} | |", spread(&mut latencies));
        let (shell, router) = serve(Arc::new(MemoryStore::new())).await;
        let (mut all, mut after) = follow(&shell, &router, followers).await;
        println!("| from the input, log in memory | {followers} | {} | {bound} |", spread(&mut all));
        println!("| from the answer, log in memory | {followers} | {} | |", spread(&mut after));
        shell.close("the end").await;
        let folder = tempfile::tempdir().unwrap();
        let (shell, router) = serve(Arc::new(open_sqlite(folder.path()).await.unwrap().0)).await;
        let (mut all, mut after) = follow(&shell, &router, followers).await;
        println!("| from the input, SQLite | {followers} | {} | {bound} |", spread(&mut all));
        println!("| from the answer, SQLite | {followers} | {} | |", spread(&mut after));
        shell.close("the end").await;
    }
}

/// Streams that wait; how long it takes until the last one has an event, from the input, and from when it was durable.
async fn follow(shell: &Shell, router: &Router, followers: usize) -> (Vec<Duration>, Vec<Duration>) {
    let (told, mut heard) = mpsc::unbounded_channel();
    for _ in 0..followers {
        let response = router.clone().oneshot(request("/api/v1/events", "text/event-stream")).await.unwrap();
        assert!(response.status().is_success());
        let (mut frames, told) = (response.into_body().into_data_stream(), told.clone());
        tokio::spawn(async move {
            while let Some(Ok(frame)) = frames.next().await {
                if frame.windows(3).any(|part| part == b"id:") && told.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (mut all, mut after) = (Vec::new(), Vec::new());
    for n in 0..EVENTS {
        let begun = Instant::now();
        let input = Input::Enrol { device: DeviceId::new(name(n)), name: None };
        shell.tell(&Actor::server(), input, None).await.unwrap();
        let durable = Instant::now();
        let mut last = begun;
        for _ in 0..followers {
            last = last.max(heard.recv().await.unwrap());
        }
        all.push(last.duration_since(begun));
        after.push(last.saturating_duration_since(durable));
    }
    (all, after)
}

/// The least that it can take: tasks that are woken, and no more.
async fn channel(followers: usize) -> Vec<Duration> {
    let (told, mut heard) = mpsc::unbounded_channel();
    let (sender, _) = broadcast::channel::<u64>(16);
    for _ in 0..followers {
        let (mut events, told) = (sender.subscribe(), told.clone());
        tokio::spawn(async move { while events.recv().await.is_ok() && told.send(Instant::now()).is_ok() {} });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut latencies = Vec::new();
    for n in 0..EVENTS {
        let begun = Instant::now();
        sender.send(n as u64).unwrap();
        let mut last = begun;
        for _ in 0..followers {
            last = last.max(heard.recv().await.unwrap());
        }
        latencies.push(last.duration_since(begun));
    }
    latencies
}

async fn serve(store: Arc<dyn Store>) -> (Shell, Router) {
    let fence = store.acquire_lease("bench", Timestamp::now(), Duration::from_secs(3600)).await.unwrap();
    let shell = Shell::open(store, fence, Titles::default(), Arc::new(SystemClock)).await.unwrap();
    let options = Options { requests_per_second: 1e9, burst: 1e9, ..Options::default() };
    let hash: String = Sha256::digest(SECRET).iter().map(|byte| format!("{byte:02x}")).collect();
    let record = TokenRecord {
        hash: hash.into(),
        name: "bench".into(),
        owner: "olga".into(),
        bearer: Bearer::Person,
        scopes: Scope::ALL.into_iter().collect(),
        expires: ago(-24),
        roles: Default::default(),
        requests_per_minute: None,
    };
    let input = Input::CreateToken { token: TokenId::new("bench"), record };
    shell.tell(&Actor::server(), input, None).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(folder.path(), shell.now()).unwrap();
    let door =
        agents::Options { interval: agents::INTERVAL, address: "https://127.0.0.1".into(), own_certificate: true };
    let agents = Agents::new(shell.clone(), authority, open_key(folder.path()).unwrap(), door);
    let router = router(Api::new(shell.clone(), agents, options));
    (shell, router)
}

fn request(path: &str, accept: &str) -> Request<Body> {
    let request = Request::get(path).header("authorization", format!("Bearer {SECRET}")).header("accept", accept);
    request.body(Body::empty()).unwrap()
}

async fn get(router: &Router, path: &str) -> Bytes {
    let response = router.clone().oneshot(request(path, "application/json")).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
    body
}

fn spread(latencies: &mut [Duration]) -> String {
    latencies.sort();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    format!("{:.2} ms | {:.2} ms", at(0.5), at(0.99))
}

fn ago(hours: i64) -> Timestamp {
    Timestamp::now().checked_sub(SignedDuration::from_hours(hours)).unwrap()
}

fn name(n: usize) -> String {
    format!("d{n:07}")
}

fn titles() -> impl Iterator<Item = String> {
    (0..TITLES).map(|title| format!("title-{title}")).chain(["rare".to_owned()])
}

/// When the first advisory of each title is listed in KEV.
#[derive(Clone, Copy, PartialEq)]
enum Listed {
    Before,
    Later,
}

/// Two releases of each title, and advisories that concern the older one.
fn catalogue(listed: Listed) -> (Vec<ReleaseEntry>, Vec<AdvisoryEntry>) {
    let mut catalogue = (Vec::new(), Vec::new());
    for title in titles().map(TitleId::new) {
        for (version, days) in [("1.0.0", 60), ("1.1.0", 10)] {
            catalogue.0.push(ReleaseEntry {
                title: title.clone(),
                branch: None,
                version: version.into(),
                published: ago(days * 24),
                security: false,
                withheld: false,
            });
        }
        for n in 0..5 {
            catalogue.1.push(AdvisoryEntry {
                id: AdvisoryId::new(format!("CVE-2026-{n}-{title}")),
                title: title.clone(),
                affected: vec!["<1.1.0".into()],
                known_at: ago(9 * 24),
                cvss: Some(7.5),
                epss: None,
                kev: (n == 0 && listed == Listed::Before).then(|| ago(48)),
                ransomware: false,
                withdrawn: None,
                said_by: Vec::new(),
            });
        }
    }
    catalogue
}

/// Devices as if each had been enrolled and had reported; releases and advisories.
async fn fill(store: &MemoryStore, devices: usize, listed: Listed) {
    let fence = store.acquire_lease("bench", Timestamp::now(), Duration::from_secs(3600)).await.unwrap();
    let (mut head, mut events) = (0, Vec::new());
    let (releases, advisories) = catalogue(listed);
    let source = || "vendor".into();
    events.push(Event::ReleasesPublished(refit_core::control::ReleasesPublished { source: source(), releases }));
    events.push(Event::AdvisoriesPublished(refit_core::control::AdvisoriesPublished { source: source(), advisories }));
    for n in 0..devices {
        events.extend(device(n, listed));
        if events.len() > 5_000 || n + 1 == devices {
            let stored = events.drain(..).map(|event| {
                let (kind, version, body) = encode(&event, "local").unwrap();
                NewEvent { at: ago(1), kind: kind.to_owned(), version, actor: "bench".to_owned(), body }
            });
            head = store.append(fence, head, Batch::of(stored)).await.unwrap();
        }
    }
}

fn device(n: usize, listed: Listed) -> [Event; 2] {
    let device = DeviceId::new(name(n));
    let version = if n.is_multiple_of(3) { "1.0.0" } else { "1.1.0" };
    let rare = n.is_multiple_of(RARE).then(|| "rare".to_owned());
    // Where documents are looked at, a package manager moves the titles.
    let package = (listed == Listed::Later).then(|| "deb/base".to_owned());
    let titles = (0..4).map(|k| format!("title-{}", (n + 5 * k) % TITLES)).chain(rare).chain(package);
    let present = titles.map(|title| InstallEntry {
        title: TitleId::new(title),
        branch: None,
        profile: None,
        version: version.into(),
        state: None,
        source: None,
    });
    let platform = if n % RARE == 7 { "freebsd" } else { ["linux", "macos", "windows"][n % 3] };
    let fact = |field: &str, value: String| (field.into(), Some(Plain::Text(value.into())));
    let observed = DeviceObserved {
        device: device.clone(),
        source: "agent".into(),
        observed: ago(1),
        facts: BTreeMap::from([
            fact("device.platform", platform.to_owned()),
            fact("device.hostname", format!("host-{n}")),
            fact("device.os", "debian".to_owned()),
        ]),
        confirmed: true,
        present: present.collect(),
        gone: Vec::new(),
        universe: None,
        check_in: None,
        system: false,
    };
    let enrolled = DeviceEnrolled { device, index: n as u32, name: Some(format!("device-{n}").into()) };
    [Event::DeviceEnrolled(enrolled), Event::DeviceObserved(observed)]
}

/// A policy for each title, with these entries of its deadline.
fn policy(deadline: &str) -> (PolicyFiles, Arc<Repository>) {
    let mut text = "organization: acme\ndefaults: { mode: enforce }\n".to_owned();
    for name in titles() {
        text += &format!("---\ntitle: {name}\nname: {name}\nscheme: semver\nidentifiers: {{ deb: [{name}] }}\n");
    }
    for (n, name) in titles().enumerate() {
        text += &format!("---\npolicy: p{n}\nsoftware: [{name}]\ndeadline: [{deadline}]\n");
    }
    let files = PolicyFiles(BTreeMap::from([("refit.yaml".to_owned(), text)]));
    let read = files.files();
    let (documents, _) = load(&read, &Limits::default());
    let (repository, _) = resolve(&documents, &read, &Titles::default());
    (files, Arc::new(repository))
}
