//! A record as it is known over time.

use super::{RecordId, Sighting, exclusive};
use crate::facts::mapping::{Key, KeyKind, Strength, document::Subject};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Keys that a record had before and that are kept; more are forgotten, the oldest first.
const PAST_MOST: usize = 16;
/// Times in which a record had one address that are kept; more are forgotten, the oldest first.
const SPANS_MOST: usize = 8;

/// A record as it is known, or as it was before the source gave its id to something else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The record.
    pub record: RecordId,
    /// How often the source had given its id to something else before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
    /// Its own id, by which it is called where it is the oldest.
    pub anchor: Anchor,
    /// When the source last said something of it.
    pub at: Timestamp,
    /// What identifies it now, sorted.
    pub keys: Vec<Key>,
    /// Strong keys that it had before, while something else of it stayed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<(KeyKind, SmolStr)>,
    /// Its platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<SmolStr>,
    /// From when to when a person had each address, as far as it was heard, the earliest first: an address goes from one to another.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<SmolStr, Vec<Span>>,
    /// When the source had it.
    pub life: Life,
    /// Whether the source does not have it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Whether the source has given its id to something else since.
    #[serde(skip)]
    pub(super) handed_on: bool,
    /// The record by which it is called, as its place in the registry.
    #[serde(skip)]
    pub(super) entity: Option<u32>,
}

/// The id that a record got when it was first known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Anchor {
    /// When.
    pub since: Timestamp,
    /// The id.
    pub id: SmolStr,
}

/// A time in which a record had an address as a strong key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None` is: it has it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// When a source had a record, as far as it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Since when.
    pub began: Option<Timestamp>,
    /// The last sign of life.
    pub alive: Option<Timestamp>,
}

/// Whether two records of a source were alive at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lives {
    /// One had ended before the other began: a device that was enrolled anew.
    Apart,
    /// Both are there at the same time: two devices.
    Together,
    /// Nobody can tell.
    Unknown,
}

/// Two signs of life that are no further from each other are of the same time. A system that hears from a device once a day misses
/// it over a weekend.
const SAME_TIME: SignedDuration = SignedDuration::from_hours(4 * 24);

impl Span {
    /// Whether there is a time that is in both.
    fn meets(self, other: Span) -> bool {
        let ends_after = |span: Span, at: Timestamp| span.until.is_none_or(|until| at < until);
        ends_after(self, other.since) && ends_after(other, self.since)
    }
}

impl Node {
    pub(super) fn new(sighting: Sighting, generation: u32, anchor: Anchor) -> Node {
        let mut node = Node {
            record: sighting.record,
            generation,
            anchor,
            at: sighting.at,
            keys: sighting.keys,
            past: Vec::new(),
            addresses: BTreeMap::new(),
            platform: sighting.platform,
            life: Life { began: sighting.began, alive: sighting.alive },
            gone: sighting.gone,
            handed_on: false,
            entity: None,
        };
        node.note_addresses();
        node
    }

    /// Takes in what is said now; whether that can change who it is.
    pub(super) fn update(&mut self, mut said: Sighting) -> bool {
        let before = self.clone();
        self.at = said.at;
        self.gone = said.gone;
        if said.platform.is_some() {
            self.platform = said.platform.take();
        }
        self.life = Life { began: said.began.or(self.life.began), alive: said.alive.or(self.life.alive) };
        if !said.keys.is_empty() {
            if said.partial {
                let stays = |key: &&Key| !said.keys.iter().any(|now| now.kind == key.kind);
                let kept: Vec<Key> = self.keys.iter().filter(stays).cloned().collect();
                said.keys.extend(kept);
                said.keys.sort();
            }
            for key in std::mem::replace(&mut self.keys, said.keys) {
                let known = (key.kind, key.value);
                if key.strength == Strength::Strong && known.0 != KeyKind::Id && !self.past.contains(&known) {
                    self.past.push(known);
                }
            }
            let keys = &self.keys;
            // What stays, or comes back, is not past. What is there and only weak by now is.
            self.past.retain(|past| {
                !keys.iter().any(|now| now.kind == past.0 && now.value == past.1 && now.strength == Strength::Strong)
            });
            let surplus = self.past.len().saturating_sub(PAST_MOST);
            self.past.drain(..surplus);
            self.note_addresses();
        }
        let at = std::mem::replace(&mut self.at, before.at);
        let changed = before != *self;
        self.at = at;
        changed
    }

    /// Notes since when it has the addresses that it has now, and until when it had the others.
    fn note_addresses(&mut self) {
        let now: BTreeSet<SmolStr> = self.strong(KeyKind::Email).cloned().collect();
        let past: BTreeSet<SmolStr> = self.past(KeyKind::Email).cloned().collect();
        let at = self.at;
        self.addresses.retain(|address, _| now.contains(address) || past.contains(address));
        for (address, spans) in &mut self.addresses {
            if let Some(last) = spans.last_mut().filter(|last| last.until.is_none() && !now.contains(address)) {
                last.until = Some(at);
            }
        }
        for address in now {
            let spans = self.addresses.entry(address).or_default();
            if spans.last().is_none_or(|last| last.until.is_some()) {
                spans.push(Span { since: at, until: None });
                let surplus = spans.len().saturating_sub(SPANS_MOST);
                spans.drain(..surplus);
            }
        }
    }

    /// Whether this record and another had an address one after the other and never at the same time, and one of them has given it up: its
    /// account is off, or it is of somebody who has left. Then the address may be somebody else's by now.
    pub(super) fn handed_on(&self, other: &Node) -> bool {
        self.addresses.iter().any(|(address, mine)| {
            let Some(others) = other.addresses.get(address) else { return false };
            let together = mine.iter().any(|span| others.iter().any(|other| span.meets(*other)));
            !together && (self.gave_up(address) || other.gave_up(address))
        })
    }

    /// Whether it had an address that its source does not vouch for any more. Who has another address by now has only been renamed.
    fn gave_up(&self, address: &SmolStr) -> bool {
        let has = |known: &SmolStr| known == address;
        let renamed = self.strong(KeyKind::Email).next().is_some() && !self.values(KeyKind::Email).any(has);
        !renamed && !self.strong(KeyKind::Email).any(has)
    }

    /// Whether what is said now is of the same device or person as what was said before under this id. A source may give an id to
    /// something else: a row of an inventory to the next laptop, the account of a reception desk to the next person.
    pub(super) fn continues(&self, said: &Sighting) -> bool {
        let strong = |keys: &[Key]| keys.iter().any(|key| is_strong_kind(key.kind));
        if !strong(&self.keys) || !strong(&said.keys) {
            return true;
        }
        let shares = |kind: KeyKind| values(&self.keys, kind).any(|value| values(&said.keys, kind).any(|v| v == value));
        let differs = |kind: KeyKind| {
            values(&self.keys, kind).next().is_some() && values(&said.keys, kind).next().is_some() && !shares(kind)
        };
        let of = self.record.of;
        let shared = KeyKind::ALL.into_iter().any(|kind| is_strong_kind(kind) && kind.is_of(of) && shares(kind));
        let another = exclusive(of).iter().any(|kind| differs(*kind));
        if said.partial && !another {
            return true;
        }
        match of {
            Subject::Device => shared || (!another && (shares(KeyKind::Mac) || shares(KeyKind::Hostname))),
            Subject::Person if another => shared && self.same_name(&said.keys),
            Subject::Person => shared || self.same_name(&said.keys),
        }
    }

    /// Whether somebody of these keys is called the same.
    pub(super) fn same_name(&self, keys: &[Key]) -> bool {
        let plain = |name: &str| -> String {
            name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        values(&self.keys, KeyKind::Name)
            .any(|name| values(keys, KeyKind::Name).any(|other| plain(name) == plain(other)))
    }

    /// The values of a kind that count now.
    pub(super) fn strong(&self, kind: KeyKind) -> impl Iterator<Item = &SmolStr> {
        let of_kind = self.keys.iter().filter(move |key| key.kind == kind && key.strength == Strength::Strong);
        of_kind.map(|key| &key.value)
    }

    /// The values of a kind, however strong.
    pub(super) fn values(&self, kind: KeyKind) -> impl Iterator<Item = &SmolStr> {
        values(&self.keys, kind)
    }

    /// The values of a kind that it had before.
    pub(super) fn past(&self, kind: KeyKind) -> impl Iterator<Item = &SmolStr> {
        self.past.iter().filter(move |past| past.0 == kind).map(|past| &past.1)
    }

    /// Every key of a kind that can join, however strong and however old.
    pub(super) fn indexed(&self) -> impl Iterator<Item = (KeyKind, &SmolStr)> {
        let now = self.keys.iter().filter(|key| is_strong_kind(key.kind)).map(|key| (key.kind, &key.value));
        now.chain(self.past.iter().map(|past| (past.0, &past.1)))
    }

    /// Whether this record and another one of the same source were alive at the same time.
    pub(super) fn lives_with(&self, other: &Node) -> Lives {
        let (Some(mine), Some(others)) = (self.life.alive, other.life.alive) else { return Lives::Unknown };
        let (early, late) = if mine <= others { (self, other) } else { (other, self) };
        let ended = early.life.alive.unwrap_or(mine);
        match late.life.began {
            Some(began) if began >= ended => Lives::Apart,
            Some(_) => Lives::Together,
            None if mine.duration_since(others).abs() <= SAME_TIME => Lives::Together,
            None => Lives::Unknown,
        }
    }

    /// Whether two records of a source have a network adapter in common; their names where one of them says nothing of adapters.
    pub(super) fn same_adapter(&self, other: &Node) -> bool {
        let known = |kind: KeyKind| self.values(kind).next().is_some() && other.values(kind).next().is_some();
        let shares = |kind: KeyKind| self.values(kind).any(|value| other.values(kind).any(|v| v == value));
        if known(KeyKind::Mac) { shares(KeyKind::Mac) } else { shares(KeyKind::Hostname) }
    }
}

/// Whether keys of a kind can join records of different sources.
pub(super) fn is_strong_kind(kind: KeyKind) -> bool {
    kind != KeyKind::Id && kind.strength() == Strength::Strong
}

fn values(keys: &[Key], kind: KeyKind) -> impl Iterator<Item = &SmolStr> {
    keys.iter().filter(move |key| key.kind == kind).map(|key| &key.value)
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
