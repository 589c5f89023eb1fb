//! What holds whatever is said, and in whatever order.

use super::{mint, settled, sighting, time, who};
use crate::facts::identity::{RecordId, Registry, Settled, Sighting};
use crate::facts::mapping::{KeyKind, document::Subject};
use proptest::prelude::*;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What a record says at one time, each word by its number; 0 is: nothing.
type Words = (u8, u8, u8, u8, u8);

/// What one record says over time: few values, so that everything meets everything.
fn history(people: bool) -> impl Strategy<Value = Vec<Words>> {
    let most = if people { 3 } else { 2 };
    prop::collection::vec((0u8..4, 0u8..4, 0u8..3, 0u8..3, 0u8..6), 1..=most)
}

fn words(people: bool, at: usize, source: u8, said: Words) -> String {
    let (a, b, c, d, life) = said;
    let mut text = format!("s{source}/{at}");
    let mut word = |condition: bool, word: String| {
        if condition {
            text.push(' ');
            text.push_str(&word);
        }
    };
    if people {
        word(a > 0, format!("employee_id:E{a}"));
        word(b > 0, format!("{}email:m{b}@a.example", if d == 2 { "~" } else { "" }));
        word(true, format!("name:n{c}"));
    } else {
        word(a > 0, format!("serial:A{a}B"));
        word(b > 0, format!("hardware_uuid:u{b}"));
        word(c > 0, format!("management_id:m{c}"));
        word(d > 0, format!("mac:00:15:5d:00:00:0{d}"));
        word(true, format!("hostname:h{d}"));
        word(life > 2, format!("began:{} alive:{}", i64::from(life) * 10 - 60, i64::from(life) * 10 - 45));
    }
    word(life == 1, "gone".to_owned());
    text
}

#[derive(Clone, Debug)]
struct World {
    people: bool,
    /// By record its source, and what it says one after the other.
    records: Vec<(u8, Vec<Words>)>,
}

fn world() -> impl Strategy<Value = World> {
    any::<bool>().prop_flat_map(|people| {
        let records = prop::collection::vec((0u8..3, history(people)), 1..14);
        records.prop_map(move |records| World { people, records })
    })
}

impl World {
    /// Sightings by record, each record's own in their order.
    fn sightings(&self) -> Vec<Vec<Sighting>> {
        let of = |(at, (source, said)): (usize, &(u8, Vec<_>))| {
            let said = said.iter().enumerate();
            said.map(|(day, said)| {
                let mut sighting = sighting(&words(self.people, at, *source, *said), day as i64);
                sighting.record.of = if self.people { Subject::Person } else { Subject::Device };
                sighting
            })
            .collect()
        };
        self.records.iter().enumerate().map(of).collect()
    }
}

/// All sightings in an order that leaves each record's own order, cut into batches.
fn told(records: &[Vec<Sighting>], seed: &[usize], batches: usize) -> Registry {
    let mut open: Vec<_> =
        records.iter().map(|record| record.iter().cloned().collect::<std::collections::VecDeque<_>>()).collect();
    let mut order = Vec::new();
    let mut turn = 0;
    while open.iter().any(|left| !left.is_empty()) {
        let left: Vec<usize> = (0..open.len()).filter(|at| !open[*at].is_empty()).collect();
        let pick = left[seed[turn % seed.len()] % left.len()];
        order.extend(open[pick].pop_front());
        turn += 1;
    }
    let mut registry = Registry::default();
    let size = order.len().div_ceil(batches.max(1));
    for (at, batch) in order.chunks(size.max(1)).enumerate() {
        // One record is told once in a batch.
        for sighting in batch {
            registry.observe([sighting.clone()], time(100 + at as i64), mint);
        }
    }
    registry
}

/// What is held apart, without what it is called.
fn held(registry: &Registry) -> Vec<String> {
    let mut held: Vec<String> = registry
        .conflicts()
        .into_iter()
        .map(|conflict| {
            let mut parties: Vec<_> = conflict.parties.iter().map(|party| format!("{:?}", party.records)).collect();
            parties.sort();
            format!("{:?} {parties:?} {:?}", conflict.keys, conflict.because)
        })
        .collect();
    held.sort();
    held
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_is_one_never_depends_on_the_order_of_arrival(world in world(), seed in prop::collection::vec(any::<usize>(), 1..40), batches in 1usize..5) {
        let records = world.sightings();
        let plain = told(&records, &[0], 1);
        let mixed = told(&records, &seed, batches);
        prop_assert_eq!(who(&plain), who(&mixed));
        prop_assert_eq!(held(&plain), held(&mixed));
        let restored = Registry::restore(mixed.nodes().to_vec(), settled(&[], &[]));
        prop_assert_eq!(who(&plain), who(&restored));
        prop_assert_eq!(held(&plain), held(&restored));
    }

    #[test]
    fn what_is_one_has_one_value_of_what_there_is_one_of(world in world(), seed in prop::collection::vec(any::<usize>(), 1..40)) {
        let registry = told(&world.sightings(), &seed, 3);
        let (of, kinds): (Subject, &[KeyKind]) = match world.people {
            true => (Subject::Person, &[KeyKind::EmployeeId]),
            false => (Subject::Device, &[KeyKind::Serial, KeyKind::HardwareUuid]),
        };
        for entity in registry.entities(of) {
            for kind in kinds {
                // Values that one record had are one; nothing else puts two of them together.
                let mut class: BTreeMap<SmolStr, usize> = BTreeMap::new();
                let nodes = registry.records(entity);
                for (at, node) in nodes.iter().enumerate() {
                    let own: Vec<SmolStr> = node.strong(*kind).chain(node.past(*kind)).cloned().collect();
                    let met: Vec<usize> = own.iter().filter_map(|value| class.get(value).copied()).collect();
                    class.values_mut().filter(|of| met.contains(of)).for_each(|of| *of = at);
                    own.into_iter().for_each(|value| { class.insert(value, at); });
                }
                let now: std::collections::BTreeSet<usize> =
                    nodes.iter().flat_map(|node| node.strong(*kind)).filter_map(|value| class.get(value).copied()).collect();
                prop_assert!(now.len() <= 1, "{} has several: {:?}", entity, nodes);
            }
        }
    }

    /// Whatever records say, in whatever order, before or after somebody has settled it, and when all of it is read again.
    #[test]
    fn what_is_settled_is_so(world in world(), seed in prop::collection::vec(any::<usize>(), 1..40), picks in prop::array::uniform4(any::<prop::sample::Index>())) {
        let records = world.sightings();
        let names: Vec<RecordId> = records.iter().filter_map(|said| said.first()).map(|said| said.record.clone()).collect();
        let [a, b, c, d] = picks.map(|pick| pick.get(&names).clone());
        prop_assume!(a != b && c != d && [&a, &b] != [&c, &d] && [&a, &b] != [&d, &c]);
        let ids = [&a, &b, &c, &d].map(|record| format!("id:{record}"));
        let [one, other, this, that] = ids.each_ref().map(String::as_str);
        let document = settled(&[&[this, that]], &[&[one, other]]);
        let mut after = told(&records, &seed, 3);
        after.settle(document.clone());
        let mut before = Registry::default();
        before.settle(document.clone());
        let mut all: Vec<Sighting> = records.iter().flatten().cloned().collect();
        all.sort_by_key(|sighting| sighting.at);
        for sighting in all {
            before.observe([sighting], time(100), mint);
        }
        let again = Registry::restore(after.nodes().to_vec(), document);
        for registry in [&after, &before, &again] {
            prop_assert_ne!(registry.entity(&a), registry.entity(&b), "{}", who(registry));
            prop_assert_eq!(registry.entity(&c), registry.entity(&d), "{}", who(registry));
        }
        prop_assert_eq!(who(&after), who(&before));
        prop_assert_eq!(held(&after), held(&before));
        prop_assert_eq!(who(&after), who(&again));
        // Taken back, nothing of it stays.
        after.settle(Settled::default());
        prop_assert_eq!(who(&after), who(&told(&records, &[0], 1)));
        prop_assert_eq!(held(&after), held(&told(&records, &[0], 1)));
    }

    #[test]
    fn the_changes_tell_who_is_who(world in world(), seed in prop::collection::vec(any::<usize>(), 1..20)) {
        use crate::facts::identity::Change;
        let records = world.sightings();
        let mut registry = Registry::default();
        let mut told: BTreeMap<String, SmolStr> = BTreeMap::new();
        let mut all: Vec<Sighting> = records.into_iter().flatten().collect();
        let turn = seed[0] % all.len().max(1);
        all.rotate_left(turn);
        all.sort_by_key(|sighting| sighting.at);
        for (day, sighting) in all.into_iter().enumerate() {
            for change in registry.observe([sighting], time(100 + day as i64), mint) {
                let (entity, records) = match change {
                    Change::Known { entity, records, .. } | Change::Joined { entity, records, .. } => (entity, records),
                    Change::Merged { into, records, .. } | Change::Moved { into, records, .. } | Change::Split { into, records, .. } => (into, records),
                };
                for record in records {
                    told.insert(record.to_string(), entity.clone());
                }
            }
        }
        // A source that gave an id to something else has two records under it; the changes of both have its name.
        let once = |record: &crate::facts::identity::RecordId| registry.nodes().iter().filter(|node| node.record == *record).count() == 1;
        for node in registry.nodes().iter().filter(|node| once(&node.record)) {
            prop_assert_eq!(registry.entity(&node.record), told.get(&node.record.to_string()));
        }
    }
}
