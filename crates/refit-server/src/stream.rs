//! Business events from the log: what the API shows and what deliveries send.

use crate::{api::events::Tail, shell::Shell};
use refit_core::{
    business::{CloudEvent, Derived, Filter, Kind, Position, concerns, derive},
    control::{DecodeError, decode},
};
use refit_store::{StoreError, StoredEvent};

/// How many entries are read at once.
const CHUNK: usize = 1_000;
/// How many entries are looked at in one go.
const LOOKED_AT_MOST: usize = 20_000;

/// Which events somebody gets.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Those that pass.
    pub filter: Filter,
    /// Whether events about people too.
    pub personal: bool,
    /// Whether events about exposures too, and what others say of them.
    pub exposures: bool,
}

/// A part of the stream.
pub(crate) struct Part {
    /// What was wanted, in order.
    pub items: Vec<(Position, CloudEvent)>,
    /// Where to go on.
    pub next: Position,
}

/// Why a part of the stream can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    /// The log can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry can't be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An event can't be written.
    #[error("an event can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Wanted {
    fn wants(&self, kind: Kind) -> bool {
        (self.personal || !kind.is_personal()) && (self.exposures || !kind.is_of_exposures())
    }

    /// An event as it is sent, where it is wanted. What is left out of it is asked for by no filter either: that would be a way to learn it.
    pub(crate) fn take(&self, event: CloudEvent) -> Option<CloudEvent> {
        Kind::from_name(&event.r#type).filter(|kind| self.wants(*kind))?;
        let shown = if self.exposures { event } else { event.without_exposures() };
        self.filter.passes(&shown).then_some(shown)
    }
}

/// What there is after a position, up to the log's end and so many events; and where to go on.
pub(crate) async fn part(
    shell: &Shell,
    tail: &Tail,
    wanted: &Wanted,
    after: Position,
    limit: usize,
    head: u64,
) -> Result<Part, StreamError> {
    let mut part = Part { items: Vec::new(), next: after };
    let mut looked_at = 0;
    while part.items.len() < limit && looked_at < LOOKED_AT_MOST && part.next < Position::after(head) {
        let stored = tail.read(shell, part.next.read_after(), CHUNK, head).await?;
        if stored.is_empty() {
            break;
        }
        for entry in stored.iter() {
            looked_at += 1;
            for (here, derived) in derived(shell, entry)? {
                if here <= part.next {
                    continue;
                }
                if part.items.len() == limit {
                    return Ok(part);
                }
                part.next = here;
                if wanted.wants(derived.kind) {
                    let event = CloudEvent::new(here.seq, here.index, entry.at, &derived)?;
                    part.items.extend(wanted.take(event).map(|event| (here, event)));
                }
            }
            part.next = part.next.max(Position::after(entry.seq));
            if part.items.len() == limit {
                break;
            }
        }
    }
    Ok(part)
}

/// The events at positions, which ascend. Where there is none at one of them it is left out.
pub(crate) async fn at(shell: &Shell, positions: &[Position]) -> Result<Vec<(Position, CloudEvent)>, StreamError> {
    let mut found = Vec::new();
    for of_entry in positions.chunk_by(|one, next| one.seq == next.seq) {
        let Some(seq) = of_entry.first().map(|position| position.seq) else { continue };
        let stored = shell.store().read(seq.saturating_sub(1), 1).await?;
        let Some(entry) = stored.first().filter(|entry| entry.seq == seq) else { continue };
        for (here, derived) in derived(shell, entry)? {
            if of_entry.binary_search(&here).is_ok() {
                found.push((here, CloudEvent::new(here.seq, here.index, entry.at, &derived)?));
            }
        }
    }
    Ok(found)
}

/// What an entry means. The ids of devices are at least as new as the entry: it was shown before it could be read.
fn derived(shell: &Shell, entry: &StoredEvent) -> Result<Vec<(Position, Derived)>, StreamError> {
    if !concerns(&entry.kind) {
        return Ok(Vec::new());
    }
    let event = decode(&entry.kind, entry.version, &entry.body)?;
    let derived = derive(&event, &shell.view().state.by_index);
    let at = |index: usize| Position { seq: entry.seq, index: u32::try_from(index).unwrap_or(u32::MAX - 1) };
    Ok(derived.into_iter().enumerate().map(|(index, derived)| (at(index), derived)).collect())
}
