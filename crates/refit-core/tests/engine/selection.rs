//! Conditions as sets, against the interpreter, device by device.

use super::devices::{devices, now};
use proptest::prelude::*;
use refit_core::{
    engine::{Fleet, Selection},
    facts::{Authority, FieldRef, Fields, Staleness},
    policy::{
        expr::{Scope, Truth, compile},
        repository::Repository,
    },
};
use std::collections::BTreeMap;

const PARTS: [&str; 16] = [
    "device.platform == \"macos\"",
    "device.platform in [\"windows\", \"linux\"]",
    "device.os_version >= \"14.0\"",
    "\"canary\" in device.tags",
    "device.tags.exists(tag, tag.startsWith(\"k\"))",
    "size(device.tags) == 0",
    "has(person.department)",
    "person.department != \"Finance\"",
    "person.vip",
    "since(device.enrolled) < duration(\"14d\")",
    "person.first_day > device.enrolled",
    "since(person.first_day) >= duration(\"0s\")",
    "until(person.first_day) <= duration(\"24h\") && !(person.timezone == \"Europe/Berlin\")",
    "(person.vip ? device.kind : device.platform) == \"server\"",
    "true",
    "device.site == \"Rome\"",
];

fn condition() -> impl Strategy<Value = String> {
    let part = proptest::sample::select(&PARTS[..]).prop_map(|part| format!("({part})"));
    part.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|part| format!("!{part}")),
            proptest::collection::vec(inner.clone(), 2..=3).prop_map(|parts| format!("({})", parts.join(" && "))),
            proptest::collection::vec(inner, 2..=3).prop_map(|parts| format!("({})", parts.join(" || "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sets_say_what_the_interpreter_says_of_each_device(
        devices in devices(),
        conditions in proptest::collection::vec(condition(), 1..4),
        ranked in proptest::bool::ANY,
    ) {
        let order = BTreeMap::from([(FieldRef::person("department"), vec!["okta".into(), "workday".into()])]);
        let authority = if ranked { Authority { order } } else { Authority::default() };
        let staleness = Staleness { stale_after: BTreeMap::from([("jamf".into(), jiff::SignedDuration::from_hours(40))]) };
        let repository = Repository { authority, staleness, ..Repository::default() };
        let mut fleet = Fleet::new();
        devices.iter().for_each(|device| fleet.put(device));
        let mut selection = Selection::new(&fleet, &repository, now());
        let fields = Fields::builtin();
        for text in &conditions {
            let condition = compile(text, &Scope::device(&fields)).unwrap();
            let sets = selection.select(&condition);
            for device in &devices {
                let number = fleet.number(&device.id).unwrap();
                let view = device.facts.view(&repository.authority, &repository.staleness, now());
                let found = match (sets.holds.contains(number), sets.unknown.contains(number)) {
                    (true, false) => Truth::True,
                    (false, true) => Truth::Unknown,
                    (false, false) => Truth::False,
                    (true, true) => panic!("{text}: both"),
                };
                prop_assert_eq!(found, condition.truth(&view, now()), "{} on {:?}", text, device.facts);
            }
        }
    }
}
