//! Who is who: what joins, what does not, and what is called how.

mod adversity;
mod laws;

use super::{Change, Conflict, Contradiction, RecordId, Registry, Settled, Sighting};
use crate::facts::mapping::{Key, KeyKind, Strength, document::Subject};
use crate::policy::document::outside::IdentitiesDocument;
use jiff::Timestamp;
use smol_str::SmolStr;

fn time(day: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap()
}

/// A record as `jamf/1 serial:A hardware_uuid:… alive:3 began:1`; `~email:` is a weak one. Keys of persons make it a person.
fn sighting(text: &str, day: i64) -> Sighting {
    let mut words = text.split_whitespace();
    let (source, id) = words.next().unwrap().split_once('/').unwrap();
    let mut sighting = Sighting {
        record: RecordId { of: Subject::Device, source: source.into(), id: id.into() },
        at: time(day),
        keys: Vec::new(),
        partial: false,
        platform: None,
        began: None,
        alive: None,
        gone: false,
    };
    for word in words {
        let (kind, value) = word.split_once(':').unwrap_or((word, ""));
        match kind {
            "platform" => sighting.platform = Some(value.into()),
            "began" => sighting.began = Some(time(value.parse().unwrap())),
            "alive" => sighting.alive = Some(time(value.parse().unwrap())),
            "gone" => sighting.gone = true,
            kind => {
                let weak = kind.strip_prefix('~');
                let kind = KeyKind::named(weak.unwrap_or(kind)).unwrap();
                let value = if kind == KeyKind::HardwareUuid { uuid(value) } else { value.to_owned() };
                let value = kind.written(&value).unwrap();
                let strength = if weak.is_some() { Strength::Weak } else { kind.strength() };
                if !kind.is_of(Subject::Device) {
                    sighting.record.of = Subject::Person;
                }
                sighting.keys.push(Key { kind, value, strength });
            }
        }
    }
    sighting.keys.sort();
    sighting
}

fn uuid(text: &str) -> String {
    let digits: u128 = text.bytes().fold(7, |sum, byte| sum * 257 + u128::from(byte));
    let hex = format!("{digits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn mint(record: &RecordId, generation: u32) -> SmolStr {
    match generation {
        0 => format!("{record}").into(),
        again => format!("{record}+{again}").into(),
    }
}

fn said(registry: &mut Registry, day: i64, records: &[&str]) -> Vec<Change> {
    let sightings = records.iter().map(|text| sighting(text, day));
    registry.observe(sightings, time(day), mint)
}

fn known(records: &[&str]) -> Registry {
    let mut registry = Registry::default();
    said(&mut registry, 0, records);
    registry
}

/// Who is one, as `a/1 b/2 | c/3`.
fn who(registry: &Registry) -> String {
    let mut groups: Vec<String> = Vec::new();
    for of in [Subject::Device, Subject::Person] {
        for entity in registry.entities(of) {
            let mut records: Vec<String> =
                registry.records(entity).iter().map(|node| mint(&node.record, node.generation).into()).collect();
            records.sort();
            groups.push(records.join(" "));
        }
    }
    groups.sort();
    groups.join(" | ")
}

fn only(registry: &Registry) -> Conflict {
    let conflicts = registry.conflicts();
    assert_eq!(conflicts.len(), 1, "{conflicts:#?}");
    conflicts[0].clone()
}

fn settled(same: &[&[&str]], different: &[&[&str]]) -> Settled {
    let lists =
        |lists: &[&[&str]]| lists.iter().map(|names| names.iter().map(|name| (*name).to_owned()).collect()).collect();
    let document = IdentitiesDocument { identities: "by hand".into(), same: lists(same), different: lists(different) };
    Settled::of([&document])
}

#[test]
fn strong_keys_join_and_weak_ones_do_not() {
    let registry = known(&[
        "jamf/1 serial:A1 hardware_uuid:u1 hostname:mac",
        "okta/2 serial:A1 hostname:other",
        "csv/3 hostname:mac mac:00:15:5d:00:00:09",
        "intune/4 mac:00:15:5d:00:00:09",
    ]);
    assert_eq!(who(&registry), "csv/3 | intune/4 | jamf/1 okta/2");
    assert!(registry.conflicts().is_empty());
}

#[test]
fn a_second_join_by_another_key_reaches_further() {
    let registry = known(&[
        "intune/1 serial:A1 entra_device_id:954f4d56-c574-e7d3-fc3a-579cc2f85dce",
        "csv/3 serial:A1",
        "entra/2 entra_device_id:954f4d56-c574-e7d3-fc3a-579cc2f85dce",
    ]);
    assert_eq!(who(&registry), "csv/3 entra/2 intune/1");
}

#[test]
fn the_oldest_id_stays_and_the_other_one_leads_to_it() {
    let mut registry = Registry::default();
    said(&mut registry, 0, &["okta/2 serial:A1"]);
    said(&mut registry, 1, &["jamf/1 hardware_uuid:u1"]);
    let changes = said(&mut registry, 2, &["csv/3 serial:A1 hardware_uuid:u1"]);
    assert_eq!(registry.entities(Subject::Device), ["okta/2"]);
    assert_eq!(registry.leads_to("jamf/1").map(SmolStr::as_str), Some("okta/2"));
    let merged = Change::Merged {
        of: Subject::Device,
        from: "jamf/1".into(),
        into: "okta/2".into(),
        records: vec![sighting("jamf/1", 0).record],
    };
    assert!(changes.contains(&merged), "{changes:#?}");
}

#[test]
fn what_is_separated_has_its_former_id_back() {
    let mut registry = Registry::default();
    said(&mut registry, 0, &["okta/2 serial:A1"]);
    said(&mut registry, 1, &["jamf/1 serial:A1"]);
    assert_eq!(who(&registry), "jamf/1 okta/2");
    let changes = registry.settle(settled(&[], &[&["id:okta/2", "id:jamf/1"]]));
    assert_eq!(who(&registry), "jamf/1 | okta/2");
    assert_eq!(registry.leads_to("jamf/1").map(SmolStr::as_str), Some("jamf/1"));
    assert!(
        matches!(&changes[..], [Change::Split { from, into, .. }] if from == "okta/2" && into == "jamf/1"),
        "{changes:?}"
    );
    assert!(registry.conflicts().is_empty(), "what is settled is no conflict");
    let changes = registry.settle(Settled::default());
    assert!(matches!(&changes[..], [Change::Merged { .. }]), "{changes:?}");
}

#[test]
fn two_devices_with_one_serial_number_are_held_apart() {
    let registry = known(&[
        "jamf/1 serial:A1 hardware_uuid:u1",
        "jamf/2 serial:A1 hardware_uuid:u2",
        "okta/1 serial:A1 hardware_uuid:u1",
        "okta/2 serial:A1 hardware_uuid:u2",
        "csv/1 serial:A1",
    ]);
    assert_eq!(who(&registry), "csv/1 | jamf/1 okta/1 | jamf/2 okta/2");
    let conflict = only(&registry);
    assert_eq!(conflict.parties.len(), 3);
    assert!(matches!(conflict.because, Contradiction::Values { kind: KeyKind::HardwareUuid, .. }));
    assert!(!conflict.suggestion.same);
}

#[test]
fn clones_share_a_uuid_and_stay_apart() {
    let clones: Vec<String> = (0..5).map(|n| format!("intune/{n} serial:S{n}X hardware_uuid:image")).collect();
    let others: Vec<String> = (0..5).map(|n| format!("csv/{n} serial:S{n}X hardware_uuid:image")).collect();
    let all: Vec<&str> = clones.iter().chain(&others).map(String::as_str).collect();
    let registry = known(&all);
    assert_eq!(registry.entities(Subject::Device).len(), 5);
    assert!(matches!(only(&registry).because, Contradiction::Values { kind: KeyKind::Serial, .. }));
}

#[test]
fn clones_that_share_everything_are_known_by_being_alive_at_the_same_time() {
    let registry = known(&[
        "intune/1 serial:A1 mac:00:15:5d:00:00:01 began:-50 alive:0",
        "intune/2 serial:A1 mac:00:15:5d:00:00:02 began:-40 alive:-1",
    ]);
    assert_eq!(who(&registry), "intune/1 | intune/2");
    assert!(matches!(only(&registry).because, Contradiction::BothAlive { .. }));
}

#[test]
fn a_device_that_is_enrolled_anew_is_the_one_it_was() {
    let registry = known(&[
        "intune/1 serial:A1 mac:00:15:5d:00:00:01 began:-90 alive:-31",
        "intune/2 serial:A1 mac:00:15:5d:00:00:02 began:-30 alive:0",
    ]);
    assert_eq!(who(&registry), "intune/1 intune/2");
}

#[test]
fn a_mainboard_that_is_changed_is_followed_where_something_stays() {
    let mut registry = known(&["jamf/1 serial:A1 hardware_uuid:u1 management_id:m1", "csv/1 serial:A1"]);
    said(&mut registry, 3, &["jamf/1 serial:B1 hardware_uuid:u2 management_id:m1", "okta/9 serial:B1"]);
    assert_eq!(who(&registry), "csv/1 jamf/1 okta/9");
    assert!(registry.conflicts().is_empty());
    // The old board comes back in another machine: it takes nothing with it.
    said(&mut registry, 9, &["jamf/7 serial:A1 hardware_uuid:u7 management_id:m7"]);
    assert_eq!(who(&registry), "csv/1 | jamf/1 okta/9 | jamf/7");
    assert_eq!(registry.conflicts().len(), 1);
}

#[test]
fn what_a_record_had_explains_only_what_it_is_joined_with() {
    // s1/0 had A1 and is A3 now, s2/3 had A1 and is A2 now; that the two may be one is no reason to join A2 and A3 by a UUID.
    let mut registry =
        known(&["s1/0 serial:A1B hardware_uuid:u3 management_id:m1", "s2/3 serial:A1B management_id:m1"]);
    said(&mut registry, 1, &["s1/0 serial:A3B hardware_uuid:u1 management_id:m1"]);
    said(&mut registry, 1, &["s2/3 serial:A2B hardware_uuid:u3 management_id:m1", "s0/2 serial:A3B hardware_uuid:u3"]);
    said(&mut registry, 1, &["s2/1 hardware_uuid:u1"]);
    for entity in registry.entities(Subject::Device) {
        let serials: std::collections::BTreeSet<&SmolStr> =
            registry.records(entity).into_iter().flat_map(|node| node.strong(KeyKind::Serial)).collect();
        let both = ["A2B", "A3B"].iter().all(|serial| serials.iter().any(|known| known == serial));
        assert!(!both || registry.records(entity).iter().any(|node| node.record.id == "0"), "{}", who(&registry));
    }
}

#[test]
fn a_row_that_is_given_to_the_next_laptop_leaves_the_id_with_the_first() {
    let mut registry = known(&["csv/row-7 serial:A1 hostname:ada"]);
    said(&mut registry, 1, &["jamf/1 serial:A1 hardware_uuid:u1"]);
    assert_eq!(registry.entities(Subject::Device), ["csv/row-7"]);
    said(&mut registry, 2, &["csv/row-7 serial:B1 hostname:ada", "jamf/2 serial:B1 hardware_uuid:u2"]);
    assert_eq!(who(&registry), "csv/row-7 jamf/1 | csv/row-7+1 jamf/2");
    let id = |record: &str| registry.entity(&sighting(record, 0).record).map(SmolStr::as_str);
    assert_eq!(id("jamf/1"), Some("csv/row-7"));
    assert_eq!(id("jamf/2"), Some("csv/row-7+1"));
}

#[test]
fn a_word_that_many_have_joins_nobody() {
    let records: Vec<String> = (0..100).map(|n| format!("csv/{n} serial:TBD-LATER")).collect();
    let all: Vec<&str> = records.iter().map(String::as_str).collect();
    let mut registry = known(&all[..2]);
    assert_eq!(registry.entities(Subject::Device).len(), 1, "a row that is there twice");
    for (count, record) in all.iter().enumerate().skip(2) {
        said(&mut registry, 1, &[record]);
        assert_eq!(registry.entities(Subject::Device).len(), count + 1);
    }
    assert_eq!(registry.crowds().count(), 1);
}

#[test]
fn a_person_is_followed_through_a_new_name() {
    let mut registry = known(&[
        "workday/E1 employee_id:E1 email:ada.smith@a.example name:Ada-Smith",
        "okta/1 employee_id:E1 email:ada.smith@a.example name:Ada-Smith",
        "pagerduty/P email:ada.smith@a.example",
    ]);
    assert_eq!(who(&registry), "okta/1 pagerduty/P workday/E1");
    said(&mut registry, 1, &["okta/1 employee_id:E1 email:ada.jones@a.example name:Ada-Jones"]);
    said(&mut registry, 2, &["workday/E1 employee_id:E1 email:ada.jones@a.example name:Ada-Jones"]);
    assert_eq!(who(&registry), "okta/1 pagerduty/P workday/E1");
}

#[test]
fn an_address_that_somebody_else_has_now_is_known_to_be_nobodys() {
    let mut registry = known(&[
        "workday/E1 employee_id:E1 email:j.smith@a.example name:Jane-Smith",
        "pagerduty/P email:j.smith@a.example",
    ]);
    assert_eq!(who(&registry), "pagerduty/P workday/E1");
    said(&mut registry, 9, &["workday/E1 employee_id:E1 ~email:j.smith@a.example name:Jane-Smith gone"]);
    said(
        &mut registry,
        10,
        &[
            "workday/E2 employee_id:E2 email:j.smith@a.example name:John-Smith",
            "okta/2 employee_id:E2 email:j.smith@a.example",
        ],
    );
    assert_eq!(who(&registry), "okta/2 workday/E2 | pagerduty/P | workday/E1");
    let conflict = only(&registry);
    assert_eq!(conflict.keys, [(KeyKind::Email, "j.smith@a.example".into())]);
    registry.settle(settled(&[&["id:pagerduty/P", "id:workday/E1"]], &[]));
    assert_eq!(who(&registry), "okta/2 workday/E2 | pagerduty/P workday/E1");
}

/// Somebody leaves, and the address is another one's at another provider from day 9 on: told in every order in which two systems can be read.
fn handed_on(leaver: &str, newcomer: &str) -> Vec<Registry> {
    let left = leaver.replace(" email:", " ~email:");
    let told = [(0, leaver), (5, left.as_str()), (9, newcomer)];
    let orders = [[0, 1, 2], [0, 2, 1], [2, 0, 1]];
    let registry = |order: [usize; 3]| {
        let mut registry = Registry::default();
        for (day, record) in order.map(|at| told[at]) {
            said(&mut registry, day, &[record]);
        }
        registry
    };
    orders.map(registry).into()
}

#[test]
fn whoever_gets_the_address_of_a_leaver_at_another_provider_is_somebody_else() {
    for (leaver, newcomer) in [
        ("okta/p1 email:j.smith@a.example name:Jane", "entra/p2 email:j.smith@a.example name:John"),
        (
            "okta/p1 employee_id:E1 email:j.smith@a.example name:Jane",
            "entra/p2 employee_id:E2 email:j.smith@a.example name:John",
        ),
        ("okta/p1 employee_id:E1 email:j.smith@a.example name:Jane", "entra/p2 email:j.smith@a.example name:John"),
    ] {
        for mut registry in handed_on(leaver, newcomer) {
            assert_eq!(who(&registry), "entra/p2 | okta/p1");
            let conflict = only(&registry);
            assert_eq!(conflict.keys, [(KeyKind::Email, "j.smith@a.example".into())]);
            assert!(!conflict.suggestion.same);
            assert_eq!(conflict.suggestion.looks_like, "an address that somebody else has now");
            assert_eq!(conflict.suggestion.settle, "different: [[\"id:entra/p2\", \"id:okta/p1\"]]");
            registry.settle(settled(&[], &[&["id:okta/p1", "id:entra/p2"]]));
            assert_eq!((who(&registry).as_str(), registry.conflicts().len()), ("entra/p2 | okta/p1", 0));
            // Whoever says that they are one is believed.
            registry.settle(settled(&[&["id:okta/p1", "id:entra/p2"]], &[]));
            assert_eq!(who(&registry), "entra/p2 okta/p1");
            // And when the newcomer has left too, they are no more one than before.
            registry.settle(Settled::default());
            said(&mut registry, 20, &[&newcomer.replace(" email:", " ~email:")]);
            assert_eq!(who(&registry), "entra/p2 | okta/p1");
        }
    }
}

#[test]
fn whoever_has_the_number_of_a_leaver_too_is_that_person() {
    let told = handed_on(
        "okta/p1 employee_id:E1 email:j.smith@a.example name:Jane",
        "entra/p2 employee_id:E1 email:j.smith@a.example name:Jane",
    );
    for registry in told {
        assert_eq!(who(&registry), "entra/p2 okta/p1");
        assert!(registry.conflicts().is_empty());
    }
    let again = handed_on("okta/p1 email:j.smith@a.example name:Jane", "entra/p2 email:j.smith@a.example name:Jane");
    assert!(again.iter().all(|registry| only(registry).suggestion.same), "who is called the same may be the same");
}

#[test]
fn somebody_whose_accounts_are_switched_off_one_after_the_other_stays_one() {
    let (okta, entra) = ("okta/p1 email:ada@a.example name:Ada", "entra/p2 email:ada@a.example name:Ada");
    let mut registry = Registry::default();
    said(&mut registry, 0, &[okta]);
    said(&mut registry, 3, &[entra]);
    assert_eq!(who(&registry), "entra/p2 okta/p1");
    for (day, record) in [(8, okta), (9, entra)] {
        said(&mut registry, day, &[&record.replace(" email:", " ~email:")]);
        assert_eq!(who(&registry), "entra/p2 okta/p1", "day {day}");
    }
    // On again in one of them, as before.
    said(&mut registry, 12, &[okta]);
    assert_eq!(who(&registry), "entra/p2 okta/p1");
    assert!(registry.conflicts().is_empty());
}

#[test]
fn a_contractor_who_becomes_an_employee_is_followed_by_the_account() {
    let mut registry = known(&[
        "workday/C1 employee_id:C1 email:ada@a.example name:Ada",
        "okta/1 employee_id:C1 email:ada@a.example name:Ada",
    ]);
    said(
        &mut registry,
        1,
        &[
            "workday/C1 employee_id:C1 ~email:ada@a.example name:Ada",
            "workday/E9 employee_id:E9 email:ada@a.example name:Ada",
            "okta/1 employee_id:E9 email:ada@a.example name:Ada",
        ],
    );
    assert_eq!(who(&registry), "okta/1 workday/C1 workday/E9");
    assert_eq!(registry.entities(Subject::Person), ["okta/1"]);
}

#[test]
fn an_account_that_is_handed_on_is_another_person() {
    let mut registry =
        known(&["workday/E1 employee_id:E1 name:Ada", "okta/desk employee_id:E1 email:desk@a.example name:Ada"]);
    said(
        &mut registry,
        1,
        &["workday/E2 employee_id:E2 name:Ben", "okta/desk employee_id:E2 email:desk@a.example name:Ben"],
    );
    assert_eq!(who(&registry), "okta/desk workday/E1 | okta/desk+1 workday/E2");
}

#[test]
fn a_second_account_joins_by_the_number_and_not_by_the_address() {
    let registry = known(&[
        "workday/E1 employee_id:E1 email:ada@a.example name:Ada",
        "okta/1 employee_id:E1 email:ada@a.example name:Ada",
        "okta/2 employee_id:E1 email:adm-ada@a.example name:Ada-Admin",
        "okta/3 email:ada@a.example name:Ada-Admin",
    ]);
    assert_eq!(who(&registry), "okta/1 okta/2 workday/E1 | okta/3");
    assert!(matches!(only(&registry).because, Contradiction::OneAddress { .. }));
}

#[test]
fn what_people_settled_stays_settled_whatever_comes() {
    let mut registry = known(&["jamf/1 serial:A1 hardware_uuid:u1", "csv/1 serial:A1 hardware_uuid:u9"]);
    assert_eq!(who(&registry), "csv/1 | jamf/1");
    let settle = only(&registry).suggestion.settle;
    assert_eq!(settle, "different: [[\"id:csv/1\", \"id:jamf/1\"]]");
    registry.settle(settled(&[&["id:csv/1", "id:jamf/1"]], &[]));
    assert_eq!(who(&registry), "csv/1 jamf/1");
    assert!(registry.conflicts().is_empty());
    said(&mut registry, 1, &["okta/1 hardware_uuid:u9", "okta/2 hardware_uuid:u1"]);
    said(&mut registry, 2, &["csv/1 serial:A1 hardware_uuid:u9 hostname:x"]);
    assert_eq!(who(&registry), "csv/1 jamf/1 okta/1 okta/2", "both UUIDs are the device's");
    registry.settle(Settled::default());
    assert_eq!(who(&registry), "csv/1 okta/1 | jamf/1 okta/2");
    let uuids = [format!("hardware_uuid:{}", uuid("u1")), format!("hardware_uuid:{}", uuid("u9"))];
    registry.settle(settled(&[&[&uuids[0], &uuids[1]]], &[]));
    assert_eq!(who(&registry), "csv/1 jamf/1 okta/1 okta/2");
}

#[test]
fn names_of_records_are_checked() {
    for (name, said) in [
        ("C02XK1", "`C02XK1` has no kind"),
        ("hostname:mac", "`hostname` identifies nothing by itself: write one of serial,"),
        ("id:123", "`id:123` does not say of which source"),
        ("serial:0000", "`serial:0000`: many devices have this value"),
    ] {
        let error = name.parse::<super::Named>().unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
    assert_eq!("serial: c02xk1".parse::<super::Named>().unwrap().to_string(), "serial:C02XK1");
}

#[test]
fn a_registry_is_restored_as_it_was() {
    let mut registry = known(&[
        "jamf/1 serial:A1 hardware_uuid:u1 management_id:m1",
        "csv/1 serial:A1",
        "csv/2 serial:A1 hardware_uuid:u7",
    ]);
    said(&mut registry, 3, &["jamf/1 serial:B1 hardware_uuid:u2 management_id:m1", "okta/9 serial:B1"]);
    let text = serde_json::to_string(registry.nodes()).unwrap();
    let restored = Registry::restore(serde_json::from_str(&text).unwrap(), Settled::default());
    assert_eq!(who(&restored), who(&registry));
    assert_eq!(restored.conflicts(), registry.conflicts());
    assert_eq!(restored.entities(Subject::Device), registry.entities(Subject::Device));
}
