//! From rows to values, with their checksums.

use super::{
    chain::{Chain, sum_of_answer, sum_of_value},
    connect::database,
};
use crate::{
    batch::{Answered, PersonalValue, Seq, StoredEvent},
    error::{Result, StoreError},
    lease::{Holder, Lease},
};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use std::path::Path;

/// A row of `events`.
pub type EventRow = (i64, i64, String, i64, String, Vec<u8>, Vec<u8>);

/// The columns of [`EventRow`], from a position on.
pub const EVENTS_FROM: &str =
    "SELECT seq, at, kind, version, actor, body, chain FROM events WHERE seq >= ? ORDER BY seq LIMIT ?";

/// A row of `answers`.
pub type AnswerRow = (String, String, i64, Vec<u8>, i64, Vec<u8>);

/// A row of `personal`.
pub type PersonalRow = (String, String, Vec<u8>, Vec<u8>);

/// An event and its chain as it is stored, not compared yet.
pub fn event(row: EventRow) -> Option<(StoredEvent, Chain)> {
    let (seq, at, kind, version, actor, body, chain) = row;
    let seq = seq.try_into().ok()?;
    let event = StoredEvent { seq, at: time(at)?, kind, version: version.try_into().ok()?, actor, body };
    Some((event, Chain::read(&chain)?))
}

pub fn answer(row: AnswerRow) -> Option<Answered> {
    let (key, fingerprint, status, body, at, sum) = row;
    let answer = Answered { key, fingerprint, status: status.try_into().ok()?, body, at: time(at)? };
    (sum_of_answer(&answer)[..] == sum).then_some(answer)
}

pub fn personal(row: PersonalRow) -> Option<PersonalValue> {
    let (reference, person, value, sum) = row;
    let value = PersonalValue { reference, person, value };
    (sum_of_value(&value)[..] == sum).then_some(value)
}

/// Up to `limit` events after a position. Each is compared with the chain, so what is read is what was written.
pub async fn events(
    connection: &mut SqliteConnection,
    path: &Path,
    after: Seq,
    limit: usize,
) -> Result<Vec<StoredEvent>> {
    let (first, count) = (number(after), number(limit as u64));
    // The event before is read too, for its chain.
    let query = sqlx::query_as(EVENTS_FROM).bind(first).bind(count.saturating_add(i64::from(after > 0)));
    let rows: Vec<EventRow> = query.fetch_all(connection).await.map_err(database(path))?;
    let mut rows = rows.into_iter();
    let mut chain = Chain::START;
    if after > 0 {
        let Some(before) = rows.next() else { return Ok(Vec::new()) };
        let (before, stored) = event(before).ok_or_else(|| altered(path, after))?;
        if before.seq != after {
            return Err(altered(path, after));
        }
        chain = stored;
    }
    let linked = (after + 1..).zip(rows).map(|(seq, row)| {
        let (event, stored) = event(row).ok_or_else(|| altered(path, seq))?;
        chain = chain.then_stored(&event);
        if event.seq == seq && chain == stored { Ok(event) } else { Err(altered(path, seq)) }
    });
    linked.collect()
}

/// Where the log ends, and its chain there.
pub async fn end(connection: &mut SqliteConnection, path: &Path) -> Result<(Seq, Chain)> {
    let query = sqlx::query_as("SELECT seq, chain FROM events ORDER BY seq DESC LIMIT 1");
    let last: Option<(i64, Vec<u8>)> = query.fetch_optional(connection).await.map_err(database(path))?;
    let Some((seq, chain)) = last else { return Ok((0, Chain::START)) };
    let seq = seq.try_into().map_err(|_| damaged(path, "its last event has no number"))?;
    Ok((seq, Chain::read(&chain).ok_or_else(|| altered(path, seq))?))
}

/// The chain at a position, if the log reaches so far.
pub async fn chain_at(connection: &mut SqliteConnection, path: &Path, seq: Seq) -> Result<Option<Chain>> {
    if seq == 0 {
        return Ok(Some(Chain::START));
    }
    let query = sqlx::query_scalar("SELECT chain FROM events WHERE seq = ?").bind(number(seq));
    let chain: Option<Vec<u8>> = query.fetch_optional(connection).await.map_err(database(path))?;
    chain.map(|chain| Chain::read(&chain).ok_or_else(|| altered(path, seq))).transpose()
}

pub async fn lease(connection: &mut SqliteConnection, path: &Path) -> Result<Lease> {
    let query = sqlx::query_as("SELECT fence, holder, until FROM lease");
    let (fence, holder, until): (i64, Option<String>, Option<i64>) =
        query.fetch_one(connection).await.map_err(database(path))?;
    let wrong = || damaged(path, "the row of the lease makes no sense");
    let holder = match (holder, until) {
        (Some(name), Some(until)) => Some(Holder { name, until: time(until).ok_or_else(wrong)? }),
        _ => None,
    };
    Ok(Lease { fence: fence.try_into().map_err(|_| wrong())?, holder })
}

/// A position or a count as SQLite has it. Nothing comes near the limit of its integers.
pub fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub fn altered(path: &Path, seq: Seq) -> StoreError {
    damaged(path, &format!("event {seq} is not as it was written, or missing"))
}

pub fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged { place: path.display().to_string(), what: what.to_owned() }
}

fn time(nanoseconds: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds.into()).ok()
}
