//! The machine of one subscription.

use super::{
    order::{Before, Keys},
    schedule::{PATIENCE, STEPS, delay},
};
use crate::business::Position;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// How many events are held that are not delivered yet. A receiver that is down costs this much; what comes later stays in the log.
pub const WINDOW: usize = 1_000;
/// How many attempts are under way at the same time.
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
    /// How often it failed.
    pub failures: u32,
    /// When it was first tried.
    pub first: Option<Timestamp>,
    /// When it may be tried.
    pub next: Timestamp,
    /// Why it failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<SmolStr>,
    /// Whether an attempt is under way. Whoever starts anew knows of none.
    #[serde(skip)]
    pub in_flight: bool,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dead {
    /// What it is about.
    pub keys: Keys,
    /// How often it failed.
    pub failures: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// Why it failed last.
    pub why: SmolStr,
}

/// An attempt that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The event.
    pub position: Position,
    /// Which attempt it is, from 1.
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
            cursor: after,
            pending: BTreeMap::new(),
            dead: BTreeMap::new(),
            failures: 0,
            probe: None,
            gone: None,
        }
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

    /// Takes the next event of the stream.
    pub fn offer(&mut self, position: Position, keys: Keys, now: Timestamp) {
        if position <= self.cursor {
            return;
        }
        self.cursor = position;
        self.pending
            .insert(position, Pending { keys, failures: 0, first: None, next: now, why: None, in_flight: false });
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
    pub fn due(&mut self, now: Timestamp, most: usize) -> Vec<Attempt> {
        if self.gone.is_some() {
            return Vec::new();
        }
        let under_way = self.pending.values().filter(|pending| pending.in_flight).count();
        let most = match self.is_open() {
            false => IN_FLIGHT_MOST.saturating_sub(under_way).min(most),
            // One at a time, and not too soon.
            true if under_way == 0 && self.probe.is_none_or(|probe| probe <= now) => most.min(1),
            true => 0,
        };
        let mut chosen = Vec::new();
        let mut before = Before::default();
        for (position, pending) in &self.pending {
            if chosen.len() >= most || before.is_closed() {
                break;
            }
            if !pending.in_flight && pending.next <= now && before.permits(&pending.keys) {
                chosen.push(*position);
            }
            before.add(&pending.keys);
        }
        let mut attempts = Vec::new();
        for position in chosen {
            if let Some(pending) = self.pending.get_mut(&position) {
                pending.in_flight = true;
                pending.first.get_or_insert(now);
                attempts.push(Attempt { position, number: pending.failures + 1 });
            }
        }
        attempts
    }

    /// Takes how an attempt ended. What is said of an event that is not under way is a late word, and changes nothing but that what was delivered
    /// is delivered.
    pub fn ended(&mut self, position: Position, ended: Ended, now: Timestamp) {
        let Some(pending) = self.pending.get_mut(&position) else { return };
        let under_way = std::mem::replace(&mut pending.in_flight, false);
        match ended {
            Ended::Delivered => {
                self.pending.remove(&position);
                self.failures = 0;
                self.probe = None;
            }
            Ended::Gone => self.gone = Some(now),
            // That says nothing of the receiver.
            Ended::Unwanted => drop(self.pending.remove(&position)),
            Ended::Failed { .. } if !under_way => {}
            Ended::Failed { why, wait } => {
                pending.failures += 1;
                self.failures = self.failures.saturating_add(1);
                let own = delay(&self.name, &position.to_string(), pending.failures);
                // Whoever asks for more than the longest step gets that.
                let longest = STEPS[STEPS.len() - 1];
                let wait = own.max(wait.unwrap_or_default().min(longest));
                let first = pending.first.unwrap_or(now);
                let next = now.checked_add(wait).unwrap_or(Timestamp::MAX);
                pending.next = next;
                pending.why = Some(why.clone());
                if self.failures >= FAILURES_MOST {
                    let probe = delay(&self.name, "probe", self.failures - FAILURES_MOST + 1);
                    self.probe = now.checked_add(probe.min(SignedDuration::from_hours(1))).ok();
                }
                if next.duration_since(first) > PATIENCE
                    && let Some(given_up) = self.pending.remove(&position)
                {
                    let Pending { keys, failures, .. } = given_up;
                    self.dead.insert(position, Dead { keys, failures, at: now, why });
                    while self.dead.len() > DEAD_MOST {
                        self.dead.pop_first();
                    }
                }
            }
        }
    }

    /// Sends a dead letter again: as if it had never been tried, before what came later and still waits. False where there is none.
    pub fn replay(&mut self, position: Position, now: Timestamp) -> bool {
        let Some(dead) = self.dead.remove(&position) else { return false };
        let pending =
            Pending { keys: dead.keys, failures: 0, first: None, next: now, why: Some(dead.why), in_flight: false };
        self.pending.insert(position, pending);
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
        if self.is_open() && self.pending.values().any(|pending| pending.in_flight) {
            return None;
        }
        let mut before = Before::default();
        let mut next: Option<Timestamp> = None;
        for pending in self.pending.values() {
            if before.is_closed() {
                break;
            }
            if !pending.in_flight && before.permits(&pending.keys) {
                next = Some(next.map_or(pending.next, |next| next.min(pending.next)));
            }
            before.add(&pending.keys);
        }
        let probe = self.probe.filter(|_| self.is_open());
        next.map(|next| probe.map_or(next, |probe| next.max(probe)).max(now))
    }
}
