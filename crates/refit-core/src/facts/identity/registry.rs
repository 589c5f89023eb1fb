//! All records, and who they are.

use super::{
    Anchor, CROWD, Change, Conflict, Contradiction, Node, Party, RecordId, Settled, Sighting,
    conflict::suggest,
    partition::{Held, partition},
    settled::Named,
};
use crate::facts::mapping::{Key, KeyKind, document::Subject};
use jiff::Timestamp;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// All records that are known, and which of them are one.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    nodes: Vec<Node>,
    /// The place of each record, as it is now.
    current: BTreeMap<RecordId, u32>,
    /// Who has or had a key that can join.
    holders: BTreeMap<(Subject, KeyKind, SmolStr), BTreeSet<u32>>,
    /// The record that an id was minted for.
    anchors: BTreeMap<SmolStr, u32>,
    /// For each record that others go by: these others and itself.
    members: BTreeMap<u32, BTreeSet<u32>>,
    /// Conflicts, by the least of their records.
    conflicts: BTreeMap<u32, Vec<Conflict>>,
    settled: Settled,
}

impl Registry {
    /// What was known before, as [`Registry::nodes`] gave it. Who is one is worked out anew.
    pub fn restore(nodes: Vec<Node>, settled: Settled) -> Registry {
        let mut registry = Registry { settled, ..Registry::default() };
        let mut places = BTreeSet::new();
        for node in nodes {
            places.insert(registry.add(Node { entity: None, ..node }));
        }
        registry.decide(places);
        registry
    }

    /// All records, in the order in which they became known.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Takes in what sources say, and gives what changes of who is who. `mint` gives an id for a record that was not known
    /// in this generation (how often the source had given its own id to something else); it has to be one that was never given before. What is older than what is known of a record changes nothing.
    pub fn observe(
        &mut self,
        said: impl IntoIterator<Item = Sighting>,
        now: Timestamp,
        mut mint: impl FnMut(&RecordId, u32) -> SmolStr,
    ) -> Vec<Change> {
        let mut touched = BTreeSet::new();
        for sighting in merged(said) {
            let known = self.current.get(&sighting.record).copied();
            match known.and_then(|place| Some((place, self.node(place)?))) {
                Some((_, node)) if sighting.at < node.at => {}
                Some((place, node)) if node.continues(&sighting) => self.update(place, sighting, &mut touched),
                found => {
                    let generation = found.map_or(0, |(_, node)| node.generation + 1);
                    if let Some((place, _)) = found {
                        self.touch(place, &mut touched);
                        if let Some(node) = self.nodes.get_mut(place as usize) {
                            node.gone = true;
                        }
                    }
                    let anchor = Anchor { since: now, id: mint(&sighting.record, generation) };
                    let place = self.add(Node::new(sighting, generation, anchor));
                    self.touch(place, &mut touched);
                }
            }
        }
        self.decide(touched)
    }

    /// Takes in what is known under ids of Refit's own: of a device that has an agent, of a person whom somebody made known to the
    /// server. Such a record goes by its own id, since the time that is given with it, and its id is never given to anything else. What
    /// is older than what is known of it changes nothing.
    pub fn observe_own(&mut self, said: impl IntoIterator<Item = (Sighting, Timestamp)>) -> Vec<Change> {
        let mut touched = BTreeSet::new();
        for (sighting, since) in said {
            match self.current.get(&sighting.record).copied() {
                Some(place) if self.node(place).is_some_and(|node| sighting.at < node.at) => {}
                Some(place) => self.update(place, sighting, &mut touched),
                None => {
                    let anchor = Anchor { since, id: sighting.record.id.clone() };
                    let place = self.add(Node::new(sighting, 0, anchor));
                    self.touch(place, &mut touched);
                }
            }
        }
        self.decide(touched)
    }

    /// Takes in that sources do not have records any more.
    pub fn gone<'r>(&mut self, records: impl IntoIterator<Item = &'r RecordId>) -> Vec<Change> {
        let mut touched = BTreeSet::new();
        for record in records {
            let Some(place) = self.current.get(record).copied() else { continue };
            if let Some(node) = self.nodes.get_mut(place as usize).filter(|node| !node.gone) {
                node.gone = true;
                self.touch(place, &mut touched);
            }
        }
        self.decide(touched)
    }

    /// From now on this is settled, and nothing else.
    pub fn settle(&mut self, settled: Settled) -> Vec<Change> {
        if settled == self.settled {
            return Vec::new();
        }
        self.settled = settled;
        self.decide((0..self.len()).collect())
    }

    /// What a record is called by; `None` where the record is not known.
    pub fn entity(&self, record: &RecordId) -> Option<&SmolStr> {
        self.current.get(record).and_then(|place| self.called(*place))
    }

    /// Whether this is what the source has under the id now, and not what it had before it gave the id to something else.
    pub fn is_latest(&self, node: &Node) -> bool {
        self.current
            .get(&node.record)
            .and_then(|place| self.node(*place))
            .is_some_and(|now| now.generation == node.generation)
    }

    /// What an id leads to: itself, or the older one that it was merged into.
    pub fn leads_to(&self, id: &str) -> Option<&SmolStr> {
        self.anchors.get(id).and_then(|place| self.called(*place))
    }

    /// The ids of all devices or people, sorted.
    pub fn entities(&self, of: Subject) -> Vec<&SmolStr> {
        let of_kind = self.members.keys().filter_map(|place| self.node(*place)).filter(|node| node.record.of == of);
        let mut ids: Vec<&SmolStr> = of_kind.map(|node| &node.anchor.id).collect();
        ids.sort();
        ids
    }

    /// The records of a device or a person, those that were known first in front.
    pub fn records(&self, entity: &str) -> Vec<&Node> {
        // Several may have been told under one id; they go by one of them.
        let place = self.anchors.get(entity).and_then(|place| self.node(*place)?.entity);
        let place = place.filter(|place| self.node(*place).is_some_and(|node| node.anchor.id == entity));
        let members = place.and_then(|place| self.members.get(&place));
        members.into_iter().flatten().filter_map(|place| self.node(*place)).collect()
    }

    /// Who has a key now: what they are called.
    pub fn find(&self, of: Subject, kind: KeyKind, value: &str) -> BTreeSet<&SmolStr> {
        let has = |node: &&Node| node.values(kind).any(|known| known == value) && !node.gone;
        if super::node::is_strong_kind(kind) {
            let holders = self.holders.get(&(of, kind, value.into())).into_iter().flatten();
            let nodes = holders.filter_map(|place| self.node(*place).filter(has).map(|_| *place));
            return nodes.filter_map(|place| self.called(place)).collect();
        }
        let all = self.current.iter().filter(|(record, _)| record.of == of).map(|(_, place)| *place);
        let places = all.filter(|place| self.node(*place).filter(has).is_some());
        places.filter_map(|place| self.called(place)).collect()
    }

    /// What is held apart, sorted.
    pub fn conflicts(&self) -> Vec<&Conflict> {
        let mut conflicts: Vec<&Conflict> = self.conflicts.values().flatten().collect();
        conflicts.sort();
        conflicts
    }

    /// Values that so many records have that they join nobody, with how many.
    pub fn crowds(&self) -> impl Iterator<Item = (Subject, KeyKind, &SmolStr, usize)> {
        let crowds = self.holders.iter().filter(|(_, holders)| holders.len() > CROWD);
        crowds.map(|((of, kind, value), holders)| (*of, *kind, value, holders.len()))
    }

    fn len(&self) -> u32 {
        // More records than that are more than any memory holds.
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    fn node(&self, place: u32) -> Option<&Node> {
        self.nodes.get(place as usize)
    }

    fn called(&self, place: u32) -> Option<&SmolStr> {
        self.node(self.node(place)?.entity?).map(|node| &node.anchor.id)
    }

    fn add(&mut self, mut node: Node) -> u32 {
        let place = self.len();
        for (kind, value) in node.indexed() {
            self.holders.entry((node.record.of, kind, value.clone())).or_default().insert(place);
        }
        let known = self.current.get(&node.record).copied();
        let known = known.and_then(|known| self.nodes.get_mut(known as usize));
        node.handed_on = known.as_ref().is_some_and(|known| known.generation >= node.generation);
        if !node.handed_on {
            if let Some(known) = known {
                known.handed_on = true;
            }
            self.current.insert(node.record.clone(), place);
        }
        self.anchors.insert(node.anchor.id.clone(), place);
        self.nodes.push(node);
        place
    }

    fn update(&mut self, place: u32, said: Sighting, touched: &mut BTreeSet<u32>) {
        let Some(node) = self.nodes.get_mut(place as usize) else { return };
        let indexed = |node: &Node| -> BTreeSet<(KeyKind, SmolStr)> {
            node.indexed().map(|(kind, value)| (kind, value.clone())).collect()
        };
        let (of, before) = (node.record.of, indexed(node));
        let mut aside = node.clone();
        if !aside.update(said) {
            node.at = aside.at;
            return;
        }
        let after = indexed(&aside);
        self.touch(place, touched);
        if let Some(node) = self.nodes.get_mut(place as usize) {
            *node = aside;
        }
        for (kind, value) in before.difference(&after) {
            let key = (of, *kind, value.clone());
            if let Some(holders) = self.holders.get_mut(&key) {
                holders.remove(&place);
                if holders.is_empty() {
                    self.holders.remove(&key);
                }
            }
        }
        for (kind, value) in after.difference(&before) {
            self.holders.entry((of, *kind, value.clone())).or_default().insert(place);
        }
        self.touch(place, touched);
    }

    /// Notes a record that changes, with those whose joins that can change: they share a value with it that joins, or that just began
    /// or ceased to do so since so many have it.
    fn touch(&self, place: u32, touched: &mut BTreeSet<u32>) {
        touched.insert(place);
        touched.extend(self.near(place, CROWD + 1));
    }

    /// The records that share a key with one that can join, where no more than `most` have it, or that are settled to be one with it.
    fn near(&self, place: u32, most: usize) -> Vec<u32> {
        let Some(node) = self.node(place) else { return Vec::new() };
        let of = node.record.of;
        let holders = |kind: KeyKind, value: &SmolStr| {
            self.holders.get(&(of, kind, value.clone())).filter(|holders| holders.len() <= most).into_iter().flatten()
        };
        let mut near: Vec<u32> = node.indexed().flat_map(|(kind, value)| holders(kind, value)).copied().collect();
        for list in self.settled.same_of(node) {
            for name in self.settled.same().get(list).into_iter().flatten() {
                match name {
                    Named::Key(kind, value) => near.extend(holders(*kind, value)),
                    Named::Record(source, id) => {
                        let record = RecordId { of, source: source.clone(), id: id.clone() };
                        near.extend(self.current.get(&record));
                    }
                }
            }
        }
        near
    }

    /// All records that are connected with this one by keys that can join, or by what is settled.
    fn connected(&self, from: u32, seen: &mut BTreeSet<u32>) -> Vec<u32> {
        let (mut found, mut open) = (Vec::new(), vec![from]);
        seen.insert(from);
        while let Some(place) = open.pop() {
            found.push(place);
            open.extend(self.near(place, CROWD).into_iter().filter(|place| seen.insert(*place)));
        }
        // Neither the order of arrival nor that of the walk may matter.
        found.sort_by_key(|place| self.node(*place).map(|node| (&node.record, node.generation)));
        found
    }

    /// Decides anew who is one among the records that are connected with these.
    fn decide(&mut self, touched: BTreeSet<u32>) -> Vec<Change> {
        let (mut seen, mut changes) = (BTreeSet::new(), Vec::new());
        for place in touched {
            if !seen.contains(&place) {
                let connected = self.connected(place, &mut seen);
                self.decide_connected(&connected, &mut changes);
            }
        }
        changes
    }

    fn decide_connected(&mut self, places: &[u32], changes: &mut Vec<Change>) {
        for place in places {
            self.conflicts.remove(place);
        }
        let nodes: Vec<&Node> = places.iter().filter_map(|place| self.node(*place)).collect();
        let partition = partition(&nodes, &self.settled);
        // What is one goes by the record that was known first.
        let mut oldest: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, root) in partition.roots.iter().enumerate() {
            let known = oldest.entry(*root).or_insert(at);
            if nodes.get(at).map(|node| &node.anchor) < nodes.get(*known).map(|node| &node.anchor) {
                *known = at;
            }
        }
        let entity = |at: usize| -> Option<u32> {
            let oldest = oldest.get(partition.roots.get(at)?)?;
            places.get(*oldest).copied()
        };
        let now: Vec<Option<u32>> = (0..nodes.len()).map(entity).collect();
        let conflicts = partition.held.into_iter().filter_map(|held| self.conflict(held, &nodes, &now));
        let conflicts: Vec<Conflict> = conflicts.collect();
        if let (Some(least), false) = (places.iter().min(), conflicts.is_empty()) {
            self.conflicts.insert(*least, conflicts);
        }
        self.call(places, &now, changes);
    }

    fn conflict(&self, held: Held, nodes: &[&Node], now: &[Option<u32>]) -> Option<Conflict> {
        let Held { mut keys, parties, wholes, because } = held;
        let of = nodes.first()?.record.of;
        let parties: Vec<Vec<(&Node, &SmolStr)>> = parties
            .iter()
            .map(|party| {
                let named = |at: &usize| {
                    let entity = self.node((*now.get(*at)?)?)?;
                    Some((*nodes.get(*at)?, &entity.anchor.id))
                };
                party.iter().filter_map(named).collect()
            })
            .collect();
        if matches!(because, Contradiction::Settled { .. }) {
            // Whoever says that two differ may name any record of either.
            let differ = |one: &[usize], other: &[usize]| {
                let both: Vec<&Node> = one.iter().chain(other).filter_map(|at| nodes.get(*at).copied()).collect();
                self.settled.differ(&both).is_some()
            };
            let mut pairs =
                wholes.iter().enumerate().flat_map(|(at, a)| wholes.iter().skip(at + 1).map(move |b| (a, b)));
            if pairs.all(|(a, b)| differ(a, b)) {
                return None;
            }
        }
        let records: Vec<Vec<&Node>> =
            parties.iter().map(|party| party.iter().map(|(node, _)| *node).collect()).collect();
        let suggestion = suggest(of, &because, &records);
        let mut shown: Vec<Party> = Vec::new();
        for party in parties {
            let Some(entity) = party.first().map(|(_, entity)| (*entity).clone()) else { continue };
            let mut records: Vec<RecordId> = party.iter().map(|(node, _)| node.record.clone()).collect();
            records.sort();
            shown.push(Party { entity, records });
        }
        shown.sort();
        keys.sort();
        Some(Conflict { of, keys, parties: shown, because, suggestion })
    }

    /// Calls records by what they are now, and notes what is another than before.
    fn call(&mut self, places: &[u32], now: &[Option<u32>], changes: &mut Vec<Change>) {
        // (before, now) → records.
        let mut moves: BTreeMap<(Option<u32>, u32), Vec<u32>> = BTreeMap::new();
        let mut before: BTreeSet<u32> = BTreeSet::new();
        for (place, entity) in places.iter().zip(now) {
            let Some(entity) = entity else { continue };
            let was = self.node(*place).and_then(|node| node.entity);
            before.extend(was);
            if was != Some(*entity) {
                moves.entry((was, *entity)).or_default().push(*place);
            }
        }
        let stays: BTreeSet<u32> = now.iter().flatten().copied().collect();
        for ((was, is), moved) in moves {
            let records: Vec<RecordId> =
                moved.iter().filter_map(|place| self.node(*place)).map(|node| node.record.clone()).collect();
            let id = |place: u32| self.node(place).map(|node| node.anchor.id.clone()).unwrap_or_default();
            let Some(of) = records.first().map(|record| record.of) else { continue };
            changes.push(match was {
                None if before.contains(&is) => Change::Joined { of, entity: id(is), records },
                None => Change::Known { of, entity: id(is), records },
                Some(was) if !before.contains(&is) => Change::Split { of, from: id(was), into: id(is), records },
                Some(was) if stays.contains(&was) => Change::Moved { of, from: id(was), into: id(is), records },
                Some(was) => Change::Merged { of, from: id(was), into: id(is), records },
            });
            for place in moved {
                if let Some(members) = was.and_then(|was| self.members.get_mut(&was)) {
                    members.remove(&place);
                }
                if let Some(members) = was.filter(|was| self.members.get(was).is_some_and(BTreeSet::is_empty)) {
                    self.members.remove(&members);
                }
                self.members.entry(is).or_default().insert(place);
                if let Some(node) = self.nodes.get_mut(place as usize) {
                    node.entity = Some(is);
                }
            }
        }
    }
}

/// What is said of one record at once: a system may have several kinds of records of one device.
fn merged(said: impl IntoIterator<Item = Sighting>) -> Vec<Sighting> {
    let mut merged: BTreeMap<RecordId, Sighting> = BTreeMap::new();
    for sighting in said {
        match merged.get_mut(&sighting.record) {
            None => {
                merged.insert(sighting.record.clone(), sighting);
            }
            Some(known) if sighting.at < known.at => {}
            Some(known) => {
                let keys: BTreeSet<Key> = known.keys.drain(..).chain(sighting.keys).collect();
                known.keys = keys.into_iter().collect();
                known.at = sighting.at;
                known.platform = sighting.platform.or(known.platform.take());
                known.began = known.began.max(sighting.began);
                known.alive = known.alive.max(sighting.alive);
                known.gone |= sighting.gone;
            }
        }
    }
    merged.into_values().collect()
}
