//! Durable appends beside SQLite's own rate, and a year's log.
//!
//! `cargo bench -p refit-store` appends one by one and in batches of 200, each in turns with the same rows through sqlx and
//! the same settings, without chain, lease and check. `cargo bench -p refit-store -- year` makes the log of a year of 10,000
//! devices and opens, reads, checks and copies it. The logs are made in `target/`, or in the folder named by `REFIT_BENCH_FOLDER`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and one that can't be set up is meant to panic"
)]

use jiff::Timestamp;
use refit_store::{Batch, Blob, Fence, NewEvent, Seq, SqliteStore, Store, open_sqlite, verify};
use sqlx::{
    ConnectOptions as _, QueryBuilder, Sqlite, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// One event a device and day: 10,000 devices in a year, with what people and feeds add.
const YEAR: u64 = 3_600_000;

/// How many commits of each size.
const COMMITS: usize = 1_000;

#[tokio::main]
async fn main() {
    let target = std::env::var("REFIT_BENCH_FOLDER").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let work = tempfile::TempDir::new_in(target).unwrap();
    if std::env::args().any(|argument| argument == "year") {
        year(work.path()).await;
    } else {
        appends(work.path()).await;
    }
}

async fn appends(work: &Path) {
    let (store, _) = open_sqlite(&work.join("log")).await.unwrap();
    let fence = lease(&store).await;
    let mut raw = raw(&work.join("raw.db")).await;
    let (mut head, mut row) = (0, 0);
    println!(
        "| events a commit | ms a commit: SQLite | the log | events/s: SQLite | the log | times SQLite (bound 1.3) |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for size in [1, 200] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // In turns, since a neighbour on the disk makes a commit ten times as slow from one second to the next.
        for _ in 0..COMMITS {
            let events: Vec<NewEvent> = (row + 1..=row + size).map(event).collect();
            let started = Instant::now();
            row = insert(&mut raw, row, events).await;
            theirs.push(started.elapsed());
            let batch = Batch::of((head + 1..=head + size).map(event));
            let started = Instant::now();
            head = store.append(fence, head, batch).await.unwrap();
            ours.push(started.elapsed());
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let rate = |time: f64| 1_000.0 / time * f64::from(u32::try_from(size).unwrap());
        println!(
            "| {size} | {theirs:.2} | {ours:.2} | {:.0} | {:.0} | {:.2} |",
            rate(theirs),
            rate(ours),
            ours / theirs
        );
    }
    for size in [1 << 20, 4 << 20, 16 << 20] {
        let mut times = Vec::new();
        for n in 0..5_u8 {
            let blob = Blob::new(vec![n; size]);
            let started = Instant::now();
            store.put_blob(blob).await.unwrap();
            times.push(started.elapsed());
        }
        println!("a blob of {} MiB: {:.1} ms", size >> 20, median(times));
    }
    store.close().await.unwrap();
}

async fn year(work: &Path) {
    let folder = work.join("log");
    let (store, _) = open_sqlite(&folder).await.unwrap();
    let fence = lease(&store).await;
    let started = Instant::now();
    let mut head = 0;
    while head < YEAR {
        head = store.append(fence, head, Batch::of((head + 1..=head + 2_000).map(event))).await.unwrap();
    }
    say("append in batches of 2,000", started.elapsed());
    store.close().await.unwrap();
    let file = folder.join("log.db");
    let bytes = std::fs::metadata(&file).unwrap().len();
    println!("file: {} MB, {} bytes an event", bytes / 1_000_000, bytes / YEAR);

    forget(&file);
    let started = Instant::now();
    let (store, _) = open_sqlite(&folder).await.unwrap();
    say("open, nothing of the file in memory", started.elapsed());
    store.close().await.unwrap();
    let started = Instant::now();
    let (store, _) = open_sqlite(&folder).await.unwrap();
    say("open", started.elapsed());

    let mut raw = options(&file).read_only(true).connect().await.unwrap();
    for check in ["PRAGMA quick_check", "PRAGMA integrity_check"] {
        forget(&file);
        for memory in ["nothing of the file in memory", "the file in memory"] {
            let started = Instant::now();
            sqlx::query(check).execute(&mut raw).await.unwrap();
            say(&format!("{check}, {memory}"), started.elapsed());
        }
    }
    drop(raw);
    for page in [1_000, 10_000] {
        let started = Instant::now();
        let mut after = 0;
        while let Some(last) = store.read(after, page).await.unwrap().last() {
            after = last.seq;
        }
        assert_eq!(after, YEAR);
        say(&format!("read everything, {page} events at a time"), started.elapsed());
    }
    let started = Instant::now();
    let report = verify(&folder).await.unwrap();
    assert!(report.is_good());
    say("verify", started.elapsed());
    let started = Instant::now();
    store.backup(&work.join("backup")).await.unwrap();
    say("backup, checked", started.elapsed());
    store.close().await.unwrap();
}

/// An event of about 300 bytes in the file, as a receipt would be.
fn event(seq: Seq) -> NewEvent {
    let body = format!(
        r#"{{"device":"0192f6a1-{seq:012x}","directive":"d-{seq}","title":"deb/openssl","result":"done","before":"3.0.15-1~deb12u1","after":"3.0.16-1~deb12u{}","seconds":{},"started":"2026-11-25T07:00:00Z"}}"#,
        seq % 90,
        seq % 600,
    );
    NewEvent {
        at: Timestamp::new(1_780_000_000 + i64::try_from(seq).unwrap(), 123_000_000).unwrap(),
        kind: "receipt.received".to_owned(),
        version: 1,
        actor: format!("device/0192f6a1-{:06x}", seq % 10_000),
        body: body.into_bytes(),
    }
}

async fn lease(store: &SqliteStore) -> Fence {
    store.acquire_lease("bench", Timestamp::UNIX_EPOCH, Duration::from_secs(60)).await.unwrap()
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).disable_statement_logging()
}

async fn raw(path: &Path) -> SqliteConnection {
    let options = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON");
    let mut connection = options.connect().await.unwrap();
    let table = "CREATE TABLE events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, \
                 version INTEGER NOT NULL, actor TEXT NOT NULL, body BLOB NOT NULL, chain BLOB NOT NULL) STRICT";
    sqlx::query(table).execute(&mut connection).await.unwrap();
    connection
}

/// The same rows, as quickly as sqlx puts them into SQLite.
async fn insert(connection: &mut SqliteConnection, after: u64, events: Vec<NewEvent>) -> u64 {
    let last = after + events.len() as u64;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.unwrap();
    let mut rows = (after + 1..).zip(&events);
    for _ in events.chunks(100) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO events ");
        query.push_values(rows.by_ref().take(100), |mut row, (seq, event)| {
            row.push_bind(i64::try_from(seq).unwrap()).push_bind(i64::try_from(event.at.as_nanosecond()).unwrap());
            row.push_bind(&event.kind).push_bind(event.version).push_bind(&event.actor).push_bind(&event.body[..]);
            row.push_bind(vec![0; 32]);
        });
        query.build().execute(&mut *connection).await.unwrap();
    }
    sqlx::query("COMMIT").execute(connection).await.unwrap();
    last
}

/// Takes a file out of the system's memory.
fn forget(path: &Path) {
    let file = format!("if={}", path.display());
    Command::new("dd").args([&file, "iflag=nocache", "count=0", "status=none"]).status().unwrap();
}

/// In milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}

fn say(what: &str, time: Duration) {
    println!("{what}: {:.2} s", time.as_secs_f64());
}
