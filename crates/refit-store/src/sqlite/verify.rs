//! The full check: every row against its checksum, every page of the file against the others.

use super::{
    chain::Chain,
    connect::{self, database},
    folder::{Folder, failed},
    rows::{self, number},
    snapshots,
};
use crate::{
    batch::{Seq, digest_of},
    error::{Result, StoreError},
};
use sqlx::{ConnectOptions as _, SqliteConnection};
use std::{fmt, fs, path::Path};

/// Problems beyond these are not listed: a file with so many is not mended one by one.
const PROBLEMS_MAX: usize = 20;

/// Events that are held in memory at once.
const PAGE: i64 = 2_000;

/// What a full check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Where the log ends.
    pub head: Seq,
    /// SHA-256 over all events, in hexadecimal.
    pub chain: String,
    /// How many events were compared.
    pub events: u64,
    /// How many blobs were compared.
    pub blobs: u64,
    /// How many snapshots were compared.
    pub snapshots: u64,
    /// What is wrong, at most the first twenty. Nothing means that everything is as it was written.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether everything is as it was written.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, problem: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem.into());
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, chain, events, blobs, snapshots, problems } = self;
        write!(f, "{events} events up to number {head}, {blobs} blobs, {snapshots} snapshots compared; chain {chain}")?;
        problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

/// Checks the log in a folder: every event, blob, answer, personal value and snapshot, and the structure of the file. It changes nothing
/// there, and may run while a server writes.
pub async fn verify(folder: &Path) -> Result<Report> {
    let folder = Folder::new(folder);
    let path = folder.database();
    fs::metadata(&path).map_err(failed("read", &path))?;
    // Before the log is read: a server may go on writing meanwhile.
    let acknowledged = folder.acknowledged();
    let mut connection = connect::reader(&path).connect().await.map_err(database(&path))?;
    let mut report = check(&mut connection, &path).await?;
    if let Some(acknowledged) = acknowledged.filter(|acknowledged| *acknowledged > report.head) {
        report.problem(format!("events {} to {acknowledged} were acknowledged, and are gone", report.head + 1));
    }
    let all = folder.clone();
    let files = super::off_thread(move || snapshots::files(&all.snapshots())).await?;
    let all = folder.clone();
    let headers = super::off_thread(move || snapshots::list(&all)).await?;
    report.snapshots = files.len() as u64;
    if headers.len() < files.len() {
        report.problem(format!("{} of the snapshots have no header", files.len() - headers.len()));
    }
    for header in headers {
        let seq = header.seq;
        let fits = rows::chain_at(&mut connection, &path, seq).await?.is_some_and(|c| c.to_string() == header.chain);
        let all = folder.clone();
        if !fits {
            report.problem(format!("the snapshot after event {seq} belongs to another history than this log's"));
        } else if super::off_thread(move || snapshots::load(&all, &header)).await?.is_none() {
            report.problem(format!("the snapshot after event {seq} is not as it was written"));
        }
    }
    Ok(report)
}

/// Checks a database file. What SQLite can't even read is a problem, not an error.
pub async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<Report> {
    let mut report = Report::default();
    match check_all(connection, path, &mut report).await {
        Ok(()) => Ok(report),
        Err(StoreError::Damaged { what, .. }) => {
            report.problem(what);
            Ok(report)
        }
        Err(other) => Err(other),
    }
}

async fn check_all(connection: &mut SqliteConnection, path: &Path, report: &mut Report) -> Result<()> {
    let lines: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check(20)").fetch_all(&mut *connection).await.map_err(database(path))?;
    lines.into_iter().filter(|line| line != "ok").for_each(|line| report.problem(line));
    check_events(connection, path, report).await?;
    check_blobs(connection, path, report).await?;
    let query = sqlx::query_as("SELECT key, fingerprint, status, body, at, sum FROM answers");
    let answers: Vec<rows::AnswerRow> = query.fetch_all(&mut *connection).await.map_err(database(path))?;
    for row in answers {
        let key = row.0.clone();
        if rows::answer(row).is_none() {
            report.problem(format!("the answer under the key {key:?} is not as it was written"));
        }
    }
    let query = sqlx::query_as("SELECT reference, person, value, sum FROM personal");
    let values: Vec<rows::PersonalRow> = query.fetch_all(&mut *connection).await.map_err(database(path))?;
    for row in values {
        let reference = row.0.clone();
        if rows::personal(row).is_none() {
            report.problem(format!("the personal value {reference:?} is not as it was written"));
        }
    }
    rows::lease(connection, path).await.map(drop)
}

async fn check_events(connection: &mut SqliteConnection, path: &Path, report: &mut Report) -> Result<()> {
    let mut chain = Chain::START;
    let mut next: Seq = 1;
    loop {
        let query = sqlx::query_as(rows::EVENTS_FROM).bind(number(next)).bind(PAGE);
        let page: Vec<rows::EventRow> = query.fetch_all(&mut *connection).await.map_err(database(path))?;
        if page.is_empty() {
            break;
        }
        for row in page {
            let Some((event, stored)) = rows::event(row) else {
                return Err(rows::altered(path, next));
            };
            if event.seq != next {
                report.problem(format!("events {next} to {} are missing", event.seq.saturating_sub(1)));
            } else if chain.then_stored(&event) != stored {
                report.problem(format!("event {next} is not as it was written"));
            }
            // On from what the row says, so that one bad event is one problem.
            chain = stored;
            next = event.seq + 1;
            report.events += 1;
        }
    }
    report.head = next - 1;
    report.chain = chain.to_string();
    Ok(())
}

async fn check_blobs(connection: &mut SqliteConnection, path: &Path, report: &mut Report) -> Result<()> {
    let mut last = String::new();
    loop {
        let query = sqlx::query_as("SELECT digest, body FROM blobs WHERE digest > ? ORDER BY digest LIMIT 1");
        let blob: Option<(String, Vec<u8>)> =
            query.bind(&last).fetch_optional(&mut *connection).await.map_err(database(path))?;
        let Some((digest, body)) = blob else { return Ok(()) };
        if digest_of(&body) != digest {
            report.problem(format!("the blob {digest} is not as it was written"));
        }
        report.blobs += 1;
        last = digest;
    }
}
