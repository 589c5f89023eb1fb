//! What nobody plans for: boards that are changed twice in a day, addresses that two people have, hundreds of clones; and that what people
//! settle about it stays settled.

use super::*;

const ENTRA: &str = "entra_device_id:954f4d56-c574-e7d3-fc3a-579cc2f85dce";

/// What is one when the registry was kept and read again.
fn restored(registry: &Registry, settled: Settled) -> Registry {
    let text = serde_json::to_string(registry.nodes()).unwrap();
    Registry::restore(serde_json::from_str(&text).unwrap(), settled)
}

#[test]
fn a_chain_of_different_keys_is_one_and_its_ends_stay_apart_from_what_speaks_against_them() {
    let chain = [
        "jamf/1 serial:A1",
        &format!("intune/2 serial:A1 {ENTRA}"),
        &format!("entra/3 {ENTRA} management_id:m9"),
        "csv/4 management_id:m9",
    ];
    assert_eq!(who(&known(&chain)), "csv/4 entra/3 intune/2 jamf/1");
    // The end of the chain has a serial number that the beginning has not.
    let mut registry = known(&chain[..3]);
    said(&mut registry, 1, &["csv/4 management_id:m9 serial:B1"]);
    assert_eq!(who(&registry), "csv/4 | entra/3 intune/2 jamf/1");
    assert!(matches!(only(&registry).because, Contradiction::Values { kind: KeyKind::Serial, .. }));
    // Settled in either way, it is so for good.
    registry.settle(settled(&[&["id:csv/4", "id:jamf/1"]], &[]));
    assert_eq!(who(&registry), "csv/4 entra/3 intune/2 jamf/1");
    registry.settle(settled(&[], &[&["id:csv/4", "id:jamf/1"]]));
    assert_eq!(who(&registry), "csv/4 | entra/3 intune/2 jamf/1");
    assert!(registry.conflicts().is_empty(), "{:?}", registry.conflicts());
    said(&mut registry, 2, &["csv/4 management_id:m9", "jamf/1 serial:A1 hostname:new"]);
    assert_eq!(who(&registry), "csv/4 | entra/3 intune/2 jamf/1", "nothing speaks against it any more but people");
}

#[test]
fn a_board_that_is_changed_twice_in_a_day_leaves_one_device() {
    let hour = |text: &str, hours: i64| {
        let mut sighting = sighting(text, 0);
        sighting.at = time(0) + jiff::SignedDuration::from_hours(hours);
        sighting
    };
    let told = [
        hour("jamf/1 serial:A1 hardware_uuid:u1 management_id:m1", 8),
        hour("jamf/1 serial:B1 hardware_uuid:u2 management_id:m1", 11),
        hour("jamf/1 serial:C1 hardware_uuid:u3 management_id:m1", 17),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [2, 0, 1], [2, 1, 0]] {
        let mut registry = known(&["csv/a serial:A1"]);
        for which in order {
            let at = told[which].at;
            registry.observe([told[which].clone()], at, mint);
        }
        said(&mut registry, 1, &["okta/b serial:B1", "okta/c serial:C1"]);
        let one = registry.entity(&told[0].record).cloned();
        assert_eq!(registry.entity(&sighting("okta/c", 0).record), one.as_ref(), "{order:?}");
        if order == [0, 1, 2] {
            assert_eq!(one.as_deref(), Some("csv/a"), "the oldest id stays");
            assert_eq!(who(&registry), "csv/a jamf/1 okta/b okta/c");
            assert!(registry.conflicts().is_empty());
        }
        // The first board comes back in the same machine.
        registry.observe([hour("jamf/1 serial:A1 hardware_uuid:u1 management_id:m1", 20)], time(1), mint);
        let [board, table] = ["jamf/1", "csv/a"].map(|record| registry.entity(&sighting(record, 0).record).cloned());
        assert_eq!(board, table, "{order:?}");
        assert_eq!(table.as_deref(), Some("csv/a"), "{order:?}: the oldest id stays");
        assert_eq!(who(&restored(&registry, Settled::default())), who(&registry), "{order:?}");
    }
}

#[test]
fn two_people_with_one_verified_address_are_held_apart_where_numbers_say_so() {
    let records = [
        "okta/1 employee_id:E1 email:alex@a.example name:Alex-Moor",
        "entra/2 employee_id:E2 email:alex@a.example name:Alex-Meer",
        "pagerduty/P email:alex@a.example",
    ];
    let mut registry = known(&records);
    assert_eq!(who(&registry), "entra/2 | okta/1 | pagerduty/P");
    let conflict = only(&registry);
    assert!(matches!(conflict.because, Contradiction::Values { kind: KeyKind::EmployeeId, .. }));
    assert!(!conflict.suggestion.same);
    let apart = settled(&[&["id:pagerduty/P", "id:okta/1"]], &[&["id:okta/1", "id:entra/2"]]);
    registry.settle(apart.clone());
    assert_eq!(who(&registry), "entra/2 | okta/1 pagerduty/P");
    assert!(registry.conflicts().is_empty(), "{:?}", registry.conflicts());
    // Said again, in another order, with the number left out, and after a restart.
    said(&mut registry, 3, &[records[2], records[1], records[0]]);
    said(&mut registry, 4, &["entra/2 email:alex@a.example name:Alex-Meer"]);
    assert_eq!(who(&registry), "entra/2 | okta/1 pagerduty/P");
    let again = restored(&registry, apart);
    assert_eq!(who(&again), who(&registry));
    assert_eq!(again.conflicts(), registry.conflicts());
}

#[test]
fn two_people_with_one_verified_address_and_no_numbers_are_apart_once_people_say_so() {
    let mut registry = known(&["okta/1 email:it@a.example name:Ada", "entra/2 email:it@a.example name:Bob"]);
    assert_eq!(who(&registry), "entra/2 okta/1", "a verified address joins");
    registry.settle(settled(&[], &[&["id:okta/1", "id:entra/2"]]));
    assert_eq!(who(&registry), "entra/2 | okta/1");
    // Whoever has that address in a third system may be either.
    said(&mut registry, 1, &["pagerduty/P email:it@a.example"]);
    assert_eq!(who(&registry), "entra/2 | okta/1 | pagerduty/P");
    assert!(matches!(only(&registry).because, Contradiction::Settled { .. }));
}

#[test]
fn hundreds_of_clones_are_hundreds_of_devices() {
    let clone = |n: usize| format!("intune/{n:03} serial:S{n:03}X hardware_uuid:image management_id:all");
    let beside = |n: usize| format!("csv/{n:03} serial:S{n:03}X hardware_uuid:image");
    let all: Vec<String> = (0..300).flat_map(|n| [clone(n), beside(n)]).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut registry = known(&all);
    assert_eq!(registry.entities(Subject::Device).len(), 300, "each with its row of the table");
    assert_eq!(registry.crowds().count(), 2, "the UUID and the management id are nobody's");
    // They get UUIDs of their own until only some have the one of the image: these are still no one device.
    let mended: Vec<String> = (0..280)
        .flat_map(|n| [clone(n).replace(":image", &format!(":own{n}")), beside(n).replace(" hardware_uuid:image", "")])
        .collect();
    let mended: Vec<&str> = mended.iter().map(String::as_str).collect();
    said(&mut registry, 1, &mended);
    assert_eq!(registry.entities(Subject::Device).len(), 300);
    assert_eq!(who(&restored(&registry, Settled::default())), who(&registry));
}

#[test]
fn hundreds_of_clones_without_any_number_of_their_own_are_hundreds_of_devices() {
    let clones: Vec<String> = (0..200).map(|n| format!("intune/{n:03} serial:IMAGE1 hardware_uuid:image")).collect();
    let all: Vec<&str> = clones.iter().map(String::as_str).collect();
    let mut registry = Registry::default();
    for some in all.chunks(7) {
        said(&mut registry, 0, some);
    }
    assert_eq!(registry.entities(Subject::Device).len(), 200);
    // A table that has the number once says nothing of which it means.
    said(&mut registry, 1, &["csv/1 serial:IMAGE1"]);
    assert_eq!(registry.entities(Subject::Device).len(), 201);
}

#[test]
fn a_split_that_is_undone_and_done_again_gives_each_the_id_it_had() {
    let mut registry = Registry::default();
    said(&mut registry, 0, &["okta/2 serial:A1"]);
    said(&mut registry, 1, &["jamf/1 serial:A1"]);
    said(&mut registry, 2, &["csv/3 serial:A1"]);
    let apart = settled(&[&["id:csv/3", "id:jamf/1"]], &[&["id:okta/2", "id:jamf/1"]]);
    for _ in 0..3 {
        let changes = registry.settle(apart.clone());
        assert_eq!(who(&registry), "csv/3 jamf/1 | okta/2");
        assert!(
            matches!(&changes[..], [Change::Split { from, into, .. }] if from == "okta/2" && into == "jamf/1"),
            "{changes:?}"
        );
        assert_eq!(registry.leads_to("csv/3").map(SmolStr::as_str), Some("jamf/1"));
        let changes = registry.settle(Settled::default());
        assert_eq!(who(&registry), "csv/3 jamf/1 okta/2");
        assert!(
            matches!(&changes[..], [Change::Merged { from, into, .. }] if from == "jamf/1" && into == "okta/2"),
            "{changes:?}"
        );
        assert_eq!(registry.leads_to("jamf/1").map(SmolStr::as_str), Some("okta/2"));
    }
    // What was settled while the registry was away counts when it is read again.
    let again = restored(&registry, apart);
    assert_eq!(who(&again), "csv/3 jamf/1 | okta/2");
    assert_eq!(again.leads_to("csv/3").map(SmolStr::as_str), Some("jamf/1"));
}

#[test]
fn what_is_settled_before_anybody_knows_it_counts_when_it_comes() {
    let mut registry = Registry::default();
    registry.settle(settled(&[&["id:csv/1", "id:jamf/1"]], &[&["id:jamf/1", "id:okta/1"]]));
    said(&mut registry, 0, &["okta/1 serial:A1", "csv/1 hostname:x"]);
    said(&mut registry, 1, &["jamf/1 serial:A1"]);
    assert_eq!(who(&registry), "csv/1 jamf/1 | okta/1");
    assert!(registry.conflicts().is_empty(), "{:?}", registry.conflicts());
}

#[test]
fn who_says_both_that_two_are_one_and_that_they_differ_has_them_apart() {
    let both = settled(&[&["id:jamf/1", "id:okta/1"]], &[&["id:okta/1", "id:jamf/1"]]);
    let mut registry = known(&["okta/1 serial:A1", "jamf/1 serial:A1"]);
    registry.settle(both);
    assert_eq!(
        who(&registry),
        "jamf/1 | okta/1",
        "what is apart can be put together later, and what was mixed can't be told any more"
    );
}

#[test]
fn what_gave_the_serial_number_of_a_device_away_and_is_gone_holds_nobody() {
    // A record of a device that is gone for good does not keep its number from who has the machine now.
    let mut registry = known(&["mdm/old serial:A1 management_id:m1 gone"]);
    said(&mut registry, 5, &["mdm/new serial:A1 management_id:m2", "csv/1 serial:A1"]);
    assert_eq!(who(&registry), "csv/1 mdm/new mdm/old", "it was enrolled anew");
    assert_eq!(registry.entities(Subject::Device), ["mdm/old"]);
}

#[test]
fn what_is_settled_of_an_id_is_meant_of_what_has_it_now() {
    let mut registry = known(&["csv/row-7 serial:A1 hostname:ada", "jamf/1 serial:A1 hardware_uuid:u1"]);
    said(&mut registry, 2, &["csv/row-7 serial:B1 hostname:ada", "jamf/2 hardware_uuid:u2"]);
    let one = settled(&[&["id:csv/row-7", "id:jamf/2"]], &[]);
    registry.settle(one.clone());
    assert_eq!(
        who(&registry),
        "csv/row-7 jamf/1 | csv/row-7+1 jamf/2",
        "the laptop that had the row before is another"
    );
    // Also when the row is gone, and when all of it is read again.
    registry.gone(&[sighting("csv/row-7", 0).record]);
    assert_eq!(who(&registry), "csv/row-7 jamf/1 | csv/row-7+1 jamf/2");
    assert_eq!(who(&restored(&registry, one)), who(&registry));
    let mut backwards = registry.nodes().to_vec();
    backwards.reverse();
    let again = Registry::restore(backwards, settled(&[&["id:csv/row-7", "id:jamf/2"]], &[]));
    assert_eq!(who(&again), who(&registry));
}
