//! Update rings, pins, groups and what goes to them: made, changed, taken away.

use super::{
    company::{Company, TARGET, WINDOWS},
    graph::{DRIVERS, EXPEDITED, FEATURES, GROUPS, RINGS},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many records the tenant has of each sort.
fn counts(company: &Company) -> [usize; 3] {
    [RINGS, FEATURES, GROUPS].map(|list| company.graph().kept.count(list))
}

/// The ring of a name, whatever its fingerprint is.
fn ring(company: &Company, name: &str) -> Value {
    company.graph().named(RINGS, &format!("refit-windows-laptops-{name}-"))
}

/// The devices that a record is assigned to.
fn devices(company: &Company, record: &Value) -> BTreeSet<String> {
    let graph = company.graph();
    let assignments = record["assignments"].as_array().unwrap();
    let groups = assignments.iter().map(|it| it["target"]["groupId"].as_str().unwrap());
    groups.flat_map(|group| graph.members[group].clone()).collect()
}

#[test]
fn a_ring_is_made_changed_and_taken_away() {
    let company = Company::new(WINDOWS, TARGET);
    // Nothing is written before it is asked for.
    company.compile("canary", &["--detailed-exitcode"]).ends(4).says("+ update ring refit-windows-laptops-canary-");
    assert_eq!((company.writes(), company.record().exists()), (Vec::new(), false));

    company.apply("canary").says("written and 0 taken away in Microsoft Intune");
    assert_eq!(counts(&company), [2, 1, 3]);
    let (canary, rest) = (ring(&company, "canary"), ring(&company, "rest"));
    assert_eq!((&canary["qualityUpdatesPaused"], &rest["qualityUpdatesPaused"]), (&json!(false), &json!(true)));
    assert_eq!(devices(&company, &canary), ["e-1".to_owned()].into());
    assert_eq!(devices(&company, &rest), ["e-2".to_owned()].into());
    let pin = company.graph().named(FEATURES, "refit-windows-laptops-windows-11--version-25h2");
    assert_eq!(devices(&company, &pin), ["e-1".to_owned(), "e-2".to_owned()].into());
    company.writes();

    // The ring opens, and a device moves.
    company.compile("rest", &[]).says("~ qualityUpdatesPaused: true → false");
    company.apply("rest");
    assert_eq!(ring(&company, "rest")["qualityUpdatesPaused"], false);
    assert_eq!(counts(&company), [2, 1, 3]);
    let writes = company.writes();
    assert!(
        writes.len() == 1 && writes[0].starts_with("PATCH /v1.0/deviceManagement/deviceConfigurations/"),
        "{writes:?}"
    );
    company.devices(&[("win-1", 1, "canary"), ("win-3", 3, "canary"), ("win-2", 2, "rest")]);
    company.apply("rest");
    assert_eq!(devices(&company, &ring(&company, "canary")), ["e-1".to_owned(), "e-3".to_owned()].into());
    company.devices(&[("win-3", 3, "canary"), ("win-2", 2, "rest")]);
    company.writes();
    company.apply("rest");
    assert_eq!(devices(&company, &ring(&company, "canary")), ["e-3".to_owned()].into());
    assert!(company.writes().iter().all(|write| write.contains("/members/e-1/$ref")));

    // A list of devices that holds none of those that are in groups looks like one that was cut off.
    company.devices(&[("win-1", 1, "canary")]);
    company.compile("rest", &["--apply"]).ends(1).says("permits it").says("device e-2");
    assert_eq!(company.writes(), Vec::<String>::new());
    company.devices(&[("win-3", 3, "canary"), ("win-2", 2, "rest")]);

    // Nobody asks for it any more: what names others goes before them.
    company.write("policies.yaml", &format!("{WINDOWS}mode: observe\n"));
    company.compile("rest", &[]).says("- update ring").says("0 to add, 0 to change, 6 to remove");
    company.compile("rest", &["--apply", "--may-remove", "6"]).ends(0).says("0 objects written and 6 taken away");
    assert_eq!(counts(&company), [0, 0, 0]);
    let writes = company.writes();
    let first_group = writes.iter().position(|write| write.contains("/groups/")).unwrap();
    assert!(
        writes.iter().take(first_group).count() == 3 && writes.iter().all(|write| write.starts_with("DELETE")),
        "{writes:?}"
    );
}

#[test]
fn twice_is_once() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("canary");
    let (record, writes) = (std::fs::read(company.record()).unwrap(), company.writes().len());
    assert!(writes > 5);
    company.apply("canary").says("nothing to change").says("windows: nothing to write");
    company.compile("canary", &["--detailed-exitcode"]).ends(0);
    assert_eq!(company.writes(), Vec::<String>::new());
    assert_eq!(std::fs::read(company.record()).unwrap(), record);
}

#[test]
fn devices_that_intune_does_not_know_are_named_and_in_no_group() {
    let company = Company::new(WINDOWS, TARGET);
    company.devices(&[("win-1", 1, "canary"), ("win-9", 9, "canary"), ("win-2", 2, "rest")]);
    company.apply("canary").says("1 device is not known there, and in no group: win-9");
    assert_eq!(devices(&company, &ring(&company, "canary")), ["e-1".to_owned()].into());
    // Two devices of one name are told apart by nobody: their serial numbers are the same.
    company.graph().managed[1]["serialNumber"] = "S-1".into();
    company.compile("canary", &[]).says("3 devices are not known there");
}

#[test]
fn many_devices_are_added_twenty_at_once() {
    let company = Company::new(WINDOWS, TARGET);
    (4..=50).for_each(|number| company.graph().device(number));
    let names: Vec<String> = (1..=50).map(|number| format!("win-{number}")).collect();
    let fleet: Vec<(&str, u32, &str)> =
        names.iter().zip(1..).map(|(name, number)| (name.as_str(), number, "rest")).collect();
    company.devices(&fleet);
    company.compile("rest", &[]).says("+ members = 50 entries");
    company.apply("rest");
    assert_eq!(devices(&company, &ring(&company, "rest")).len(), 50);
    company.devices(&fleet[..30]);
    company.compile("rest", &[]).says("~ members: 50 → 30 entries (0 more, 20 fewer)");
    company.compile("rest", &["--apply"]).ends(1).says("20 of 50 devices in groups");
    company.compile("rest", &["--apply", "--may-remove", "20"]).ends(0);
    assert_eq!(devices(&company, &ring(&company, "rest")).len(), 30);
}

#[test]
fn what_is_urgent_is_expedited_where_restarts_are_forced() {
    let urgent =
        WINDOWS.replace("[{ within: 10d }]", "[{ if: exposure.kev, within: 2d, rollout: fast }, { within: 10d }]");
    let company = Company::new(&urgent, TARGET);
    company.apply("rest");
    let expedited = company.graph().named(EXPEDITED, "refit-windows-laptops-rest-");
    let settings = json!({ "daysUntilForcedReboot": 0, "qualityUpdateRelease": "2026-11-10T00:00:00Z" });
    assert_eq!(expedited["expeditedUpdateSettings"], settings);
    assert_eq!(devices(&company, &expedited).len(), 2);
    company.apply("rest").says("nothing to change");
    // Where people are asked before a restart, nothing forces one.
    company.write("policies.yaml", &urgent.replace("mode: at_due", "mode: ask"));
    company.apply("rest");
    assert_eq!(company.graph().kept.count(EXPEDITED), 0);
}

#[test]
fn drivers_go_by_the_rings_where_the_target_says_so() {
    let company = Company::new(WINDOWS, &TARGET.replace("settings: {", "settings: { drivers: true,"));
    company.apply("rest");
    assert_eq!(company.graph().kept.count(DRIVERS), 2);
    let drivers = company.graph().named(DRIVERS, "refit-windows-laptops-rest-");
    assert_eq!((&drivers["approvalType"], &drivers["deploymentDeferralInDays"]), (&json!("automatic"), &json!(3)));
    assert_eq!(devices(&company, &drivers), ["e-2".to_owned()].into());
    company.apply("rest").says("nothing to change");
    // A ring that is shut gets none.
    company.apply("canary");
    assert_eq!(company.graph().kept.count(DRIVERS), 1);
}
