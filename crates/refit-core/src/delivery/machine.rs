//! The machine of one subscription.

use super::{
    batch::{BATCH_BYTES_MOST, BATCH_EVENTS_MOST, BATCH_WAIT, Packing, Post, fewer},
    order::{Before, Keys},
    schedule::{PATIENCE, STEPS, delay},
};
use crate::business::Position;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// How many events are held that are not delivered yet. A receiver that is down costs this much; what comes later stays in the log.
pub const WINDOW: usize = 1_000;
/// How many posts are under way at the same time.
pub const IN_FLIGHT_MOST: usize = 8;
/// How many failures in a row open the circuit: from then on one attempt at a time asks whether the receiver is there again.
pub const FAILURES_MOST: u32 = 5;
/// How many dead letters are kept; the oldest go first.
pub const DEAD_MOST: usize = 10_000;

/// Deliveries to one subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The subscription's id: what it waits is its own.
    name: SmolStr,
    /// How it is sent its events.
    #[serde(default)]
    packing: Packing,
    /// Up to where the stream was offered.
    cursor: Position,
    /// What is not delivered yet, in order.
    pending: BTreeMap<Position, Pending>,
    /// What was given up.
    dead: BTreeMap<Position, Dead>,
    /// Failures in a row, of whatever events.
    failures: u32,
    /// When the receiver may be asked again, while the circuit is open.
    probe: Option<Timestamp>,
    /// Since when nothing is sent because the receiver said that it is gone.
    gone: Option<Timestamp>,
}

/// An event that is not delivered yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// What it is about.
    pub keys: Keys,
    /// How large it is in JSON.
    #[serde(default = "unknown")]
    pub bytes: usize,
    /// How many events a post has at most that it goes in.
    #[serde(default = "any")]
    pub most: usize,
    /// How often it failed.
    pub failures: u32,
    /// When it was first tried.
    pub first: Option<Timestamp>,
    /// When it may be tried.
    pub next: Timestamp,
    /// Why it failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<SmolStr>,
    /// The first event of the post in which it is under way. Whoever starts anew knows of none.
    #[serde(skip)]
    pub post: Option<Position>,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dead {
    /// What it is about.
    pub keys: Keys,
    /// How large it is in JSON.
    #[serde(default = "unknown")]
    pub bytes: usize,
    /// How often it failed.
    pub failures: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// Why it failed last.
    pub why: SmolStr,
}

/// What was remembered before sizes were: it goes alone.
fn unknown() -> usize {
    BATCH_BYTES_MOST
}

fn any() -> usize {
    BATCH_EVENTS_MOST
}

/// An attempt that is to be made: one post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The events, in order; one, unless it is a batch.
    pub positions: Vec<Position>,
    /// Which attempt it is, from 1, of the event that was tried most often.
    pub number: u32,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The receiver has it (a status of 2xx).
    Delivered,
    /// It has not, or did not say so.
    Failed {
        /// Why, in words.
        why: SmolStr,
        /// How long the receiver asks to wait (`Retry-After`).
        wait: Option<SignedDuration>,
    },
    /// The receiver wants nothing any more (status 410).
    Gone,
    /// Nothing was sent: the subscription has changed since it was offered, and wants it no longer.
    Unwanted,
}

impl Machine {
    /// A subscription to what comes after a position.
    pub fn new(name: impl Into<SmolStr>, after: Position) -> Machine {
        Machine {
            name: name.into(),
            packing: Packing::One,
            cursor: after,
            pending: BTreeMap::new(),
            dead: BTreeMap::new(),
            failures: 0,
            probe: None,
            gone: None,
        }
    }

    /// From now on events are sent so. What is under way stays as it is.
    pub fn pack(&mut self, packing: Packing) {
        self.packing = packing;
    }

    /// Up to where the stream was offered: what comes next is offered from here on.
    pub fn cursor(&self) -> Position {
        self.cursor
    }

    /// How many more events may be offered.
    pub fn room(&self) -> usize {
        if self.gone.is_some() { 0 } else { WINDOW.saturating_sub(self.pending.len()) }
    }

    /// What is not delivered yet, in order.
    pub fn pending(&self) -> &BTreeMap<Position, Pending> {
        &self.pending
    }

    /// What was given up.
    pub fn dead(&self) -> &BTreeMap<Position, Dead> {
        &self.dead
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the circuit is open: the receiver failed so often that it is only asked whether it is there.
    pub fn is_open(&self) -> bool {
        self.failures >= FAILURES_MOST
    }

    /// Since when the receiver wants nothing any more.
    pub fn gone(&self) -> Option<Timestamp> {
        self.gone
    }

    /// Takes the next event of the stream, with what it is about and how large it is in JSON.
    pub fn offer(&mut self, position: Position, keys: Keys, bytes: usize, now: Timestamp) {
        if position <= self.cursor {
            return;
        }
        self.cursor = position;
        let next = match self.packing {
            Packing::One => now,
            Packing::Batch => now.checked_add(BATCH_WAIT).unwrap_or(Timestamp::MAX),
        };
        let most = BATCH_EVENTS_MOST;
        let new = Pending { keys, bytes, most, failures: 0, first: None, next, why: None, post: None };
        self.pending.insert(position, new);
    }

    /// Passes over what the filter leaves out, up to a position.
    pub fn pass(&mut self, position: Position) {
        self.cursor = self.cursor.max(position);
    }

    /// The log ends before what was delivered by this: it comes from a backup. What it had then was delivered, what comes is new.
    pub fn rewind(&mut self, head: u64) {
        let end = Position::after(head);
        if self.cursor > end {
            self.cursor = end;
            self.pending.retain(|position, _| *position <= end);
            self.dead.retain(|position, _| *position <= end);
        }
    }

    /// The attempts to make now, at most so many; they are under way from here on, until [`Machine::ended`] says how each ended.
    ///
    /// What goes in one post is in the order of the stream, and nothing in it is about what is under way or waits before it.
    pub fn due(&mut self, now: Timestamp, most: usize) -> Vec<Attempt> {
        if self.gone.is_some() {
            return Vec::new();
        }
        let under_way: BTreeSet<Position> = self.pending.values().filter_map(|pending| pending.post).collect();
        let (most, packing) = match self.is_open() {
            false => (IN_FLIGHT_MOST.saturating_sub(under_way.len()).min(most), self.packing),
            // One at a time, not too soon, and with as little as there is.
            true if under_way.is_empty() && self.probe.is_none_or(|probe| probe <= now) => (most.min(1), Packing::One),
            true => (0, Packing::One),
        };
        let mut posts: Vec<Vec<Position>> = Vec::new();
        let mut post = Post::new(packing);
        let mut before = Before::default();
        for (position, pending) in &self.pending {
            if post.wants(pending, now) && before.permits(&pending.keys) && !post.has_room_for(pending) {
                posts.extend(post.close(&mut before));
            }
            if posts.len() >= most || before.is_closed() {
                break;
            }
            // It may be another post by now, and that may have to wait for the one before it.
            match post.wants(pending, now) && before.permits(&pending.keys) {
                true => post.add(*position, pending),
                false => before.add(&pending.keys),
            }
        }
        if posts.len() < most {
            posts.extend(post.close(&mut before));
        }
        posts.into_iter().map(|positions| self.begin(positions, now)).collect()
    }

    fn begin(&mut self, positions: Vec<Position>, now: Timestamp) -> Attempt {
        let post = positions.first().copied();
        let mut number = 1;
        for position in &positions {
            if let Some(pending) = self.pending.get_mut(position) {
                pending.post = post;
                pending.first.get_or_insert(now);
                number = number.max(pending.failures + 1);
            }
        }
        Attempt { positions, number }
    }

    /// Takes how an attempt at these events ended. What is said of an event that is not under way is a late word, and changes nothing but that
    /// what was delivered is delivered.
    pub fn ended(&mut self, positions: &[Position], ended: Ended, now: Timestamp) {
        let known: Vec<Position> =
            positions.iter().copied().filter(|position| self.pending.contains_key(position)).collect();
        if known.is_empty() {
            return;
        }
        let mut under_way = known.clone();
        under_way.retain(|position| self.pending.get_mut(position).is_some_and(|it| it.post.take().is_some()));
        match ended {
            Ended::Delivered => {
                known.iter().for_each(|position| drop(self.pending.remove(position)));
                self.failures = 0;
                self.probe = None;
            }
            Ended::Gone => self.gone = Some(now),
            // That says nothing of the receiver.
            Ended::Unwanted => known.iter().for_each(|position| drop(self.pending.remove(position))),
            Ended::Failed { .. } if under_way.is_empty() => {}
            Ended::Failed { why, wait } => self.failed(&under_way, &why, wait, now),
        }
    }

    /// One attempt failed, with all that was in it.
    fn failed(&mut self, positions: &[Position], why: &SmolStr, wait: Option<SignedDuration>, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MOST {
            let probe = delay(&self.name, "probe", self.failures - FAILURES_MOST + 1);
            self.probe = now.checked_add(probe.min(SignedDuration::from_hours(1))).ok();
        }
        // Whoever asks for more than the longest step gets that.
        let asked = wait.unwrap_or_default().min(STEPS[STEPS.len() - 1]);
        // What went together is tried again together.
        let together = positions.first().map(ToString::to_string).unwrap_or_default();
        for position in positions {
            let Some(pending) = self.pending.get_mut(position) else { continue };
            pending.failures += 1;
            pending.most = fewer(positions.len());
            let wait = delay(&self.name, &together, pending.failures).max(asked);
            let first = pending.first.unwrap_or(now);
            pending.next = now.checked_add(wait).unwrap_or(Timestamp::MAX);
            pending.why = Some(why.clone());
            if pending.next.duration_since(first) > PATIENCE
                && let Some(Pending { keys, bytes, failures, .. }) = self.pending.remove(position)
            {
                self.dead.insert(*position, Dead { keys, bytes, failures, at: now, why: why.clone() });
                while self.dead.len() > DEAD_MOST {
                    self.dead.pop_first();
                }
            }
        }
    }

    /// Sends a dead letter again: as if it had never been tried, before what came later and still waits. False where there is none.
    pub fn replay(&mut self, position: Position, now: Timestamp) -> bool {
        let Some(Dead { keys, bytes, why, .. }) = self.dead.remove(&position) else { return false };
        let most = BATCH_EVENTS_MOST;
        let again = Pending { keys, bytes, most, failures: 0, first: None, next: now, why: Some(why), post: None };
        self.pending.insert(position, again);
        true
    }

    /// A person says that the receiver is there again: everything may be tried at once.
    pub fn resume(&mut self, now: Timestamp) {
        self.gone = None;
        self.failures = 0;
        self.probe = None;
        for pending in self.pending.values_mut() {
            pending.next = pending.next.min(now);
        }
    }

    /// When something may be tried next though nothing happens; `None`: not before something ends, or is offered.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        if self.gone.is_some() {
            return None;
        }
        if self.is_open() && self.pending.values().any(|pending| pending.post.is_some()) {
            return None;
        }
        let mut before = Before::default();
        let mut next: Option<Timestamp> = None;
        for pending in self.pending.values() {
            if before.is_closed() {
                break;
            }
            if pending.post.is_none() && before.permits(&pending.keys) {
                next = Some(next.map_or(pending.next, |next| next.min(pending.next)));
            }
            before.add(&pending.keys);
        }
        let probe = self.probe.filter(|_| self.is_open());
        next.map(|next| probe.map_or(next, |probe| next.max(probe)).max(now))
    }
}
