//! What can't be one.

use super::{
    RecordId, exclusive,
    node::{Lives, Node},
    settled::Settled,
};
use crate::facts::mapping::{KeyKind, document::Subject};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why records can't be one device or person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Contradiction {
    /// They have different values of a kind of which there is one.
    Values {
        /// The kind.
        kind: KeyKind,
        /// The values, sorted.
        values: Vec<SmolStr>,
    },
    /// They run different platforms.
    Platforms {
        /// The platforms, sorted.
        platforms: Vec<SmolStr>,
    },
    /// A source sees them at the same time, on different network adapters.
    BothAlive {
        /// The source.
        source: SmolStr,
        /// Its ids, sorted.
        ids: Vec<SmolStr>,
    },
    /// A source has several, which have in common what is known to be on two devices.
    Repeated {
        /// The source.
        source: SmolStr,
        /// Its ids, sorted.
        ids: Vec<SmolStr>,
    },
    /// A source has several accounts with the same address.
    OneAddress {
        /// The source.
        source: SmolStr,
        /// Its ids, sorted.
        ids: Vec<SmolStr>,
    },
    /// They had an address one after the other, and never at the same time; one of them has given it up.
    HandedOn {
        /// The two records, sorted.
        records: [RecordId; 2],
    },
    /// So many have it that it identifies nobody.
    Crowd {
        /// How many records.
        records: usize,
    },
    /// Somebody has settled that they differ.
    Settled {
        /// The one, as the document names it.
        one: String,
        /// The other.
        other: String,
    },
}

/// More records of a source than this that have one value, and of which nobody knows whether they live, are no repetition any more.
const REPEATED_MOST: usize = 2;
/// More records than this are never put together at once.
const TOGETHER_MOST: usize = 256;

/// Why `parties`, each of which is one by itself, can't be one together; `None` where nothing speaks against it. `by` is the kind
/// of the keys that would join them, `contested` are values that were found on several already.
pub(super) fn contradiction(
    nodes: &[&Node],
    parties: &[&[usize]],
    by: KeyKind,
    contested: &BTreeSet<(KeyKind, &SmolStr)>,
    settled: &Settled,
) -> Option<Contradiction> {
    let all: Vec<&Node> =
        parties.iter().flat_map(|party| party.iter()).filter_map(|at| nodes.get(*at).copied()).collect();
    let of = all.first()?.record.of;
    if all.len() > TOGETHER_MOST {
        return Some(Contradiction::Crowd { records: all.len() });
    }
    if let Some((one, other)) = settled.differ(&all) {
        return Some(Contradiction::Settled { one: one.to_string(), other: other.to_string() });
    }
    for kind in exclusive(of) {
        let values = classes(nodes, parties, *kind, settled);
        if values.len() > 1 {
            return Some(Contradiction::Values { kind: *kind, values });
        }
    }
    if of == Subject::Device {
        let platforms: BTreeSet<SmolStr> = all.iter().filter_map(|node| node.platform.as_ref()).map(family).collect();
        if platforms.len() > 1 {
            return Some(Contradiction::Platforms { platforms: platforms.into_iter().collect() });
        }
    }
    let found = same_source(nodes, parties, of, by, contested);
    found.or_else(|| if by == KeyKind::Email { handed_on(nodes, parties) } else { None })
}

/// The values of a kind that count now, one for each class of those that are known to be the same: because one record had both, or
/// because somebody settled it. Records that are one already have one value, whatever it was before.
fn classes(nodes: &[&Node], parties: &[&[usize]], kind: KeyKind, settled: &Settled) -> Vec<SmolStr> {
    let of = |party: &&[usize]| -> Vec<&Node> { party.iter().filter_map(|at| nodes.get(*at).copied()).collect() };
    let members: Vec<Vec<&Node>> = parties.iter().map(of).collect();
    let now: BTreeSet<&SmolStr> = members.iter().flatten().flat_map(|node| node.strong(kind)).collect();
    if now.len() < 2 {
        return now.into_iter().cloned().collect();
    }
    let mut groups: Vec<BTreeSet<&SmolStr>> = Vec::new();
    let parties = members.iter().map(|party| party.iter().flat_map(|node| node.strong(kind)).collect());
    let own = parties.chain(members.iter().flatten().map(|node| node.strong(kind).chain(node.past(kind)).collect()));
    let said: Vec<BTreeSet<&SmolStr>> = settled.same_values(kind).map(|values| values.collect()).collect();
    for values in own.chain(said.into_iter().filter(|values: &BTreeSet<_>| !values.is_disjoint(&now))) {
        let (mut touched, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| !group.is_disjoint(&values));
        touched.push(values);
        groups = apart;
        groups.push(touched.into_iter().flatten().collect());
    }
    let one_of =
        |group: &BTreeSet<&SmolStr>| group.iter().find(|value| now.contains(**value)).map(|value| (*value).clone());
    let mut found: Vec<SmolStr> = groups.iter().filter_map(one_of).collect();
    found.sort();
    found
}

/// Platforms that one device may be told under: the iPads of some systems are iPhones in others.
fn family(platform: &SmolStr) -> SmolStr {
    match platform.as_str() {
        "ipados" => SmolStr::new_static("ios"),
        _ => platform.clone(),
    }
}

/// Records of one source that it takes for two. Records that are one already were looked at when they were put together.
fn same_source(
    nodes: &[&Node],
    parties: &[&[usize]],
    of: Subject,
    by: KeyKind,
    contested: &BTreeSet<(KeyKind, &SmolStr)>,
) -> Option<Contradiction> {
    let mut sources: BTreeMap<&SmolStr, Vec<(usize, &Node)>> = BTreeMap::new();
    for (party, members) in parties.iter().enumerate() {
        for node in members.iter().filter_map(|at| nodes.get(*at).copied()) {
            sources.entry(&node.record.source).or_default().push((party, node));
        }
    }
    for (source, records) in sources {
        let across = |a: &(usize, &Node), b: &(usize, &Node)| a.0 != b.0;
        let ids = |records: &[&Node]| {
            let ids: BTreeSet<SmolStr> = records.iter().map(|node| node.record.id.clone()).collect();
            ids.into_iter().collect()
        };
        if of == Subject::Person {
            let several =
                records.iter().any(|a| records.iter().any(|b| across(a, b) && a.1.record.id != b.1.record.id));
            if by == KeyKind::Email && several {
                let records: Vec<&Node> = records.iter().map(|record| record.1).collect();
                return Some(Contradiction::OneAddress { source: source.clone(), ids: ids(&records) });
            }
            continue;
        }
        let mut unknown = BTreeSet::new();
        for (at, a) in records.iter().enumerate() {
            for b in records.iter().skip(at + 1).filter(|b| across(a, b)) {
                match a.1.lives_with(b.1) {
                    Lives::Together if !a.1.same_adapter(b.1) => {
                        return Some(Contradiction::BothAlive { source: source.clone(), ids: ids(&[a.1, b.1]) });
                    }
                    // A clone is in every system as often as in the one that sees it alive.
                    Lives::Unknown if share(a.1, b.1, contested) => {
                        return Some(Contradiction::Repeated { source: source.clone(), ids: ids(&[a.1, b.1]) });
                    }
                    Lives::Unknown => unknown.extend([a.0, b.0]),
                    Lives::Together | Lives::Apart => {}
                }
            }
        }
        if unknown.len() > REPEATED_MOST {
            return Some(Contradiction::Crowd { records: unknown.len() });
        }
    }
    None
}

/// Two records with one address, which nothing else puts together, and which had it one after the other.
fn handed_on(nodes: &[&Node], parties: &[&[usize]]) -> Option<Contradiction> {
    let of_parties = parties.iter().enumerate();
    let mut members: Vec<(usize, usize)> =
        of_parties.flat_map(|(party, members)| members.iter().map(move |at| (*at, party))).collect();
    members.sort_unstable();
    let mut pairs = members
        .iter()
        .enumerate()
        .flat_map(|(index, one)| members.iter().skip(index + 1).map(move |other| (one, other)))
        .filter(|(one, other)| one.1 != other.1);
    pairs.find_map(|(one, other)| {
        let (one, other) = (nodes.get(one.0)?, nodes.get(other.0)?);
        let mut records = [one.record.clone(), other.record.clone()];
        records.sort();
        one.handed_on(other).then_some(Contradiction::HandedOn { records })
    })
}

/// Whether two records have one of these values in common.
fn share(a: &Node, b: &Node, values: &BTreeSet<(KeyKind, &SmolStr)>) -> bool {
    a.indexed().any(|key| values.contains(&key) && b.indexed().any(|other| other == key))
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contradiction::Values { kind, values } => {
                write!(f, "one has the {} {}", kind.words(), values.join(" and another "))
            }
            Contradiction::Platforms { platforms } => write!(f, "one runs {}", platforms.join(" and another ")),
            Contradiction::BothAlive { source, ids } => {
                write!(f, "{source} sees {} at the same time, on different network adapters", ids.join(" and "))
            }
            Contradiction::Repeated { source, ids } => {
                write!(f, "{source} has {}, and what they have in common is on several devices", ids.join(" and "))
            }
            Contradiction::OneAddress { source, ids } => {
                write!(f, "{source} has several accounts with this address: {}", ids.join(", "))
            }
            Contradiction::HandedOn { records: [one, other] } => {
                write!(f, "{one} and {other} had it one after the other, and never at the same time")
            }
            Contradiction::Crowd { records } => write!(f, "{records} records have it, so that it identifies nothing"),
            Contradiction::Settled { one, other } => write!(f, "it is settled that {one} and {other} differ"),
        }
    }
}
