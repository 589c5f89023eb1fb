//! Which of some records are one, whatever order they came in.
//!
//! Kinds of keys are gone through one after the other, the strongest first ([`joining`]). Within a kind, all that its values would
//! put together is looked at as a whole: it becomes one where nothing speaks against that, and else stays as it was. So nothing
//! depends on which of two values is looked at first, and a value that two who can't be one have joins nobody.
//!
//! A value counts for a record that has it as a strong key. One that has it as a weak key, or had it before, joins nothing by it
//! in the first round, and still speaks against others: an address that a leaver had is not known to be the new holder's where a
//! third system has nothing else. In a second round, what records had before joins too.

use super::{CROWD, Contradiction, Node, contradiction::contradiction, joining, settled::Settled};
use crate::facts::mapping::{KeyKind, Strength};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What became of some records.
pub(super) struct Partition {
    /// For each record the first of those that it is one with.
    pub roots: Vec<usize>,
    /// Joins that were not made.
    pub held: Vec<Held>,
}

/// Records that have values in common and are not one.
pub(super) struct Held {
    pub keys: Vec<(KeyKind, SmolStr)>,
    /// The records that have the values, by what they are one with.
    pub parties: Vec<Vec<usize>>,
    /// For each party all records that are one with it, also those that do not have the values.
    pub wholes: Vec<Vec<usize>>,
    pub because: Contradiction,
}

/// Whether what records had before joins.
#[derive(Clone, Copy, PartialEq)]
enum Round {
    Now,
    Before,
}

pub(super) fn partition(nodes: &[&Node], settled: &Settled) -> Partition {
    let mut sets = Sets::new(nodes.len());
    let Some(of) = nodes.first().map(|node| node.record.of) else {
        return Partition { roots: Vec::new(), held: Vec::new() };
    };
    put_together(nodes, &mut sets, settled);
    let mut contested = Vec::new();
    for round in [Round::Now, Round::Before] {
        for kind in joining(of) {
            one_kind(nodes, &mut sets, *kind, round, settled, &mut contested);
        }
    }
    let held = held(&mut sets, contested);
    Partition { roots: (0..nodes.len()).map(|at| sets.root(at)).collect(), held }
}

/// What people have settled to be one is so, whatever speaks against it but their own word.
fn put_together(nodes: &[&Node], sets: &mut Sets, settled: &Settled) {
    let mut lists: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for list in settled.same_of(node) {
            lists.entry(list).or_default().push(at);
        }
    }
    // What the server has under one id is one, whichever of its sources told it.
    let mut known: BTreeMap<&SmolStr, Vec<usize>> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        known.entry(&node.anchor.id).or_default().push(at);
    }
    let known = known.into_values().filter(|members| members.len() > 1);
    for members in lists.into_values().chain(known) {
        let named: Vec<&Node> = members.iter().filter_map(|at| nodes.get(*at).copied()).collect();
        if settled.differ(&named).is_none() {
            members.iter().for_each(|at| sets.unite(*at, members.first().copied().unwrap_or(*at)));
        }
    }
}

/// Values that were not let join: for each, the records that it would have joined.
struct Contested {
    kind: KeyKind,
    values: BTreeMap<SmolStr, Vec<usize>>,
    because: Contradiction,
}

/// Who has a value.
#[derive(Default)]
struct Holders {
    joining: Vec<usize>,
    /// They are joined by nothing, and speak against others.
    others: Vec<usize>,
}

fn one_kind(
    nodes: &[&Node],
    sets: &mut Sets,
    kind: KeyKind,
    round: Round,
    settled: &Settled,
    contested: &mut Vec<Contested>,
) {
    let mut values: BTreeMap<&SmolStr, Holders> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for key in node.keys.iter().filter(|key| key.kind == kind) {
            let holders = values.entry(&key.value).or_default();
            match key.strength {
                Strength::Strong if !released(node, kind) => holders.joining.push(at),
                _ => holders.others.push(at),
            }
        }
        for value in node.past(kind) {
            let holders = values.entry(value).or_default();
            match round {
                Round::Before if !released(node, kind) => holders.joining.push(at),
                _ => holders.others.push(at),
            }
        }
    }
    let known: Vec<(KeyKind, SmolStr)> =
        contested.iter().flat_map(|it| it.values.keys().map(|value| (it.kind, value.clone()))).collect();
    let known: BTreeSet<(KeyKind, &SmolStr)> = known.iter().map(|(kind, value)| (*kind, value)).collect();
    values.retain(|_, holders| holders.joining.len() + holders.others.len() <= CROWD);
    // What the values of this kind would put together.
    let mut wider = sets.clone();
    let mut connects = Vec::new();
    for (value, holders) in &values {
        let roots: BTreeSet<usize> = holders.joining.iter().map(|at| sets.root(*at)).collect();
        if roots.len() > 1 {
            roots.iter().for_each(|root| wider.unite(*root, holders.joining.first().copied().unwrap_or(*root)));
            connects.push((*value, holders));
        }
    }
    let mut wholes: BTreeMap<usize, Vec<(&SmolStr, &Holders)>> = BTreeMap::new();
    for (value, holders) in connects {
        let Some(first) = holders.joining.first() else { continue };
        wholes.entry(wider.root(*first)).or_default().push((value, holders));
    }
    for connected in wholes.into_values() {
        let of = |all: bool| -> BTreeSet<usize> {
            let holders = connected.iter().map(|(_, holders)| *holders);
            let others = holders.clone().flat_map(|holders| holders.others.iter().filter(move |_| all));
            holders.flat_map(|holders| &holders.joining).chain(others).map(|at| sets.root(*at)).collect()
        };
        let check = |roots: BTreeSet<usize>| {
            let members: Vec<&[usize]> = roots.iter().map(|root| sets.members(*root)).collect();
            contradiction(nodes, &members, kind, &known, settled)
        };
        // First by themselves: what the others had does not explain what these have, since the others are not put together with them.
        match check(of(false)).or_else(|| check(of(true))) {
            None => {
                for (_, holders) in &connected {
                    let Some(first) = holders.joining.first() else { continue };
                    holders.joining.iter().for_each(|at| sets.unite(*at, *first));
                }
            }
            Some(because) => {
                let values = connected.iter().map(|(value, holders)| ((*value).clone(), holders.joining.clone()));
                contested.push(Contested { kind, values: values.collect(), because });
            }
        }
    }
}

/// Whether somebody else may have a value by now: the address of an account that is gone. Hardware stays what it is.
fn released(node: &Node, kind: KeyKind) -> bool {
    node.gone && kind == KeyKind::Email
}

/// What is still apart in the end.
fn held(sets: &mut Sets, contested: Vec<Contested>) -> Vec<Held> {
    let mut found: BTreeMap<Vec<Vec<usize>>, Held> = BTreeMap::new();
    for Contested { kind, values, because } in contested {
        let mut parties: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        let mut keys = Vec::new();
        for (value, holders) in values {
            let roots: BTreeSet<usize> = holders.iter().map(|at| sets.root(*at)).collect();
            if roots.len() < 2 {
                continue;
            }
            holders.iter().for_each(|at| {
                parties.entry(sets.root(*at)).or_default().insert(*at);
            });
            keys.push((kind, value));
        }
        if keys.is_empty() {
            continue;
        }
        let roots: Vec<Vec<usize>> = parties.keys().map(|root| sets.members(*root).to_vec()).collect();
        let parties: Vec<Vec<usize>> = parties.into_values().map(|party| party.into_iter().collect()).collect();
        let held = found.entry(roots).or_insert_with_key(|roots| Held {
            keys: Vec::new(),
            parties: Vec::new(),
            wholes: roots.clone(),
            because,
        });
        for key in keys.into_iter().filter(|key| !held.keys.contains(key)).collect::<Vec<_>>() {
            held.keys.push(key);
        }
        for (at, party) in parties.into_iter().enumerate() {
            match held.parties.get_mut(at) {
                Some(known) => {
                    known.extend(party);
                    known.sort_unstable();
                    known.dedup();
                }
                None => held.parties.push(party),
            }
        }
    }
    // What the second round holds apart is often what the first did, and more: it is told once.
    let told: Vec<_> = found
        .iter()
        .map(|(roots, held)| (roots.iter().cloned().collect::<BTreeSet<Vec<usize>>>(), held.keys.clone()))
        .collect();
    found.retain(|roots, held| {
        let roots: BTreeSet<Vec<usize>> = roots.iter().cloned().collect();
        !told.iter().any(|(wider, keys)| {
            wider.len() > roots.len() && roots.is_subset(wider) && held.keys.iter().all(|key| keys.contains(key))
        })
    });
    found.into_values().collect()
}

/// Disjoint sets of records, with their members.
#[derive(Clone)]
struct Sets {
    root: Vec<usize>,
    members: Vec<Vec<usize>>,
}

impl Sets {
    fn new(len: usize) -> Sets {
        Sets { root: (0..len).collect(), members: (0..len).map(|at| vec![at]).collect() }
    }

    /// The least record of its set.
    fn root(&self, at: usize) -> usize {
        self.root.get(at).copied().unwrap_or(at)
    }

    fn members(&self, root: usize) -> &[usize] {
        self.members.get(root).map(Vec::as_slice).unwrap_or_default()
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (keeps, goes) = (a.min(b), a.max(b));
        if keeps == goes {
            return;
        }
        let Some(moved) = self.members.get_mut(goes).map(std::mem::take) else { return };
        for at in &moved {
            if let Some(root) = self.root.get_mut(*at) {
                *root = keeps;
            }
        }
        if let Some(members) = self.members.get_mut(keeps) {
            members.extend(moved);
            members.sort_unstable();
        }
    }
}
