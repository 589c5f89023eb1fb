//! What others do in the tenant: it is shown, undone where somebody says so, and left alone where it is theirs.

use super::{
    company::{Company, TARGET, WINDOWS},
    graph::{DRIVERS, FEATURES, GROUPS, RINGS},
};
use serde_json::{Map, Value, json};

fn record(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A ring that somebody else has made.
fn theirs(name: &str, to: Value) -> Map<String, Value> {
    record(json!({
        "@odata.type": "#microsoft.graph.windowsUpdateForBusinessConfiguration", "displayName": name, "description": "by hand",
        "qualityUpdatesPaused": false, "assignments": [{ "target": to }],
    }))
}

#[test]
fn what_is_changed_by_hand_is_shown_and_undone_where_somebody_says_so() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("rest");
    company.compile("rest", &["--drift", "--detailed-exitcode"]).ends(0).says("nothing was changed by hand");
    {
        let mut graph = company.graph();
        graph.kept.by_hand(RINGS, "refit-windows-laptops-canary-", "qualityUpdatesPaused", true.into());
        let group = graph.named(GROUPS, "refit-windows-laptops-rest-")["id"].as_str().unwrap().to_owned();
        graph.members.get_mut(&group).unwrap().insert("e-3".to_owned());
        let pin = graph.named(FEATURES, "refit-")["id"].as_str().unwrap().to_owned();
        graph.kept.gone(FEATURES, &pin).unwrap();
    }
    company.writes();
    let said = company.compile("rest", &["--drift", "--detailed-exitcode"]).ends(4);
    said.says("~ qualityUpdatesPaused: false → true").says("~ members").says("was taken away: left as it is");
    company.compile("rest", &["--apply"]).ends(1).says("nothing to change").says("changed by hand");
    assert_eq!(company.writes(), Vec::<String>::new());
    company.compile("rest", &["--apply", "--revert"]).ends(0).says("this plan undoes it");
    assert_eq!(company.graph().named(RINGS, "refit-windows-laptops-canary-")["qualityUpdatesPaused"], false);
    assert_eq!(company.graph().kept.count(FEATURES), 1);
    company.compile("rest", &["--drift", "--detailed-exitcode"]).ends(0);
    company.apply("rest").says("nothing to write");

    // The target's document says it as well.
    company.write("targets.yaml", &format!("{TARGET}drift: revert\n"));
    company.graph().kept.by_hand(RINGS, "refit-windows-laptops-canary-", "deadlineGracePeriodInDays", 7.into());
    company.apply("rest").says("~ deadlineGracePeriodInDays: 7 → 1");
}

#[test]
fn a_device_that_the_tenant_has_no_more_has_left_its_groups_by_nobodys_hand() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("rest");
    company.writes();
    {
        let mut graph = company.graph();
        graph.devices.retain(|device| device["id"] != "e-2");
        graph.members.values_mut().for_each(|members| members.retain(|member| member != "e-2"));
    }
    let said = company.compile("rest", &["--drift", "--detailed-exitcode"]).ends(0);
    said.says("1 device is not known there, and in no group: win-2").says_not("changed by hand");
    company.devices(&[("win-1", 1, "canary"), ("win-2", 2, "rest"), ("win-3", 3, "rest")]);
    company.apply("rest").says("~ members").says_not("by hand");
}

#[test]
fn what_is_remembered_of_one_system_is_not_held_against_another() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("rest");
    let record = std::fs::read_to_string(company.record()).unwrap();
    company.writes();
    company.write("targets.yaml", &TARGET.replace("acme.example", "other.example"));
    company.compile("rest", &["--apply"]).ends(1).says("is about target windows of acme").says("(acme.example)");
    assert_eq!(company.writes(), Vec::<String>::new());
    assert_eq!(std::fs::read_to_string(company.record()).unwrap(), record);
}

#[test]
fn what_is_left_as_somebody_made_it_does_not_keep_the_rest_from_being_written() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("canary");
    company.graph().kept.by_hand(
        RINGS,
        "refit-windows-laptops-canary-",
        "qualityUpdatesDeferralPeriodInDays",
        9.into(),
    );
    company.compile("rest", &["--apply"]).ends(1).says("1 object written").says("the plan says what was left alone");
    let graph = company.graph();
    assert_eq!(graph.named(RINGS, "refit-windows-laptops-rest-")["qualityUpdatesPaused"], false);
    assert_eq!(graph.named(RINGS, "refit-windows-laptops-canary-")["qualityUpdatesDeferralPeriodInDays"], 9);
}

#[test]
fn what_has_no_mark_of_this_target_is_never_touched() {
    let company = Company::new(WINDOWS, TARGET);
    let group =
        record(json!({ "displayName": "refit-mine", "description": "a colleague's", "mailNickname": "refit-mine" }));
    company.graph().kept.add(GROUPS, group);
    company
        .graph()
        .kept
        .add(RINGS, theirs("refit-mine", json!({ "@odata.type": "#microsoft.graph.groupAssignmentTarget" })));
    let other = "Written by Refit for target lab of acme: change the policy instead.";
    company.graph().kept.add(RINGS, {
        let mut ring =
            theirs("refit-windows-lab-x", json!({ "@odata.type": "#microsoft.graph.groupAssignmentTarget" }));
        ring.insert("description".to_owned(), other.into());
        ring
    });
    let before: Vec<Value> = company.graph().kept.all(RINGS).cloned().collect();
    company.apply("rest");
    company.write("policies.yaml", &format!("{WINDOWS}mode: observe\n"));
    company.compile("rest", &["--apply", "--revert", "--may-remove", "6"]).ends(0);
    assert_eq!(company.graph().kept.all(RINGS).cloned().collect::<Vec<_>>(), before);
    assert_eq!(company.graph().kept.count(GROUPS), 1);
}

#[test]
fn in_the_place_of_somebody_elses_nothing_is_written() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("rest");
    // Somebody takes the ring over: their text stands in it now, and Refit's record is gone.
    company.graph().kept.by_hand(RINGS, "refit-windows-laptops-canary-", "description", "mine".into());
    std::fs::remove_file(company.record()).unwrap();
    company.writes();
    let said = company.compile("rest", &["--apply", "--revert"]).ends(1);
    said.says("has Refit's name, was not written by this target, and stays");
    assert!(company.writes().iter().all(|write| !write.contains("deviceConfigurations")));
}

#[test]
fn without_its_record_refit_knows_its_own_by_their_mark_and_changes_them_on_demand() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("canary");
    std::fs::remove_file(company.record()).unwrap();
    // What is as it should be is taken for written.
    company.apply("canary").says("nothing to change");
    std::fs::remove_file(company.record()).unwrap();
    company.compile("rest", &["--apply"]).ends(1).says("was not written by Refit, as far as is remembered");
    company.compile("rest", &["--apply", "--revert"]).ends(0);
    assert_eq!(company.graph().named(RINGS, "refit-windows-laptops-rest-")["qualityUpdatesPaused"], false);
}

#[test]
fn settings_of_others_on_the_same_devices_are_shown() {
    let company = Company::new(WINDOWS, TARGET);
    let id = {
        let mut graph = company.graph();
        let all = json!({ "@odata.type": "#microsoft.graph.allDevicesAssignmentTarget" });
        graph.kept.add(RINGS, theirs("Everybody", all));
        let group = graph.kept.add(GROUPS, record(json!({ "displayName": "Pilots" })));
        let id = group["id"].as_str().unwrap().to_owned();
        graph.members.insert(id.clone(), ["e-2".to_owned(), "e-3".to_owned()].into());
        let mut paused =
            theirs("Pilots' ring", json!({ "@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": id }));
        paused.insert("qualityUpdatesPaused".to_owned(), true.into());
        graph.kept.add(RINGS, paused);
        // Assigned to nobody: it is in nobody's way.
        let mut idle = theirs("Idle", json!({}));
        idle.insert("assignments".to_owned(), json!([]));
        graph.kept.add(RINGS, idle);
        id
    };
    let said = company.compile("canary", &["--apply"]).ends(1);
    said.says("update ring `Everybody`, 2 devices: two update rings on one device contradict each other")
        .says("update ring `Pilots' ring`, 1 device: it is an update ring that is paused")
        .says("not written because of that (`settings: { foreign: beside }` permits it)")
        .says_not("Idle");
    // No ring of Refit's is there beside theirs; the pin is nobody else's to set.
    assert_eq!([RINGS, FEATURES].map(|list| company.graph().kept.count(list)), [3, 1]);
    // Who is not in the group any more is not concerned.
    company.graph().members.insert(id, ["e-3".to_owned()].into());
    company.compile("canary", &[]).says_not("Pilots' ring");
    // Where the target's document permits it, Refit's is written beside theirs.
    company.write("targets.yaml", &TARGET.replace("client_id: me", "client_id: me, foreign: beside"));
    company.apply("canary").says("update ring `Everybody`, 2 devices").says("what is written does not count alone");
    assert_eq!(company.graph().kept.count(RINGS), 5);
    company.write("targets.yaml", &TARGET.replace("client_id: me", "client_id: me, foreign: ignore"));
    company.compile("canary", &[]).ends(1).says("`foreign: beside` permits to write beside");
}

#[test]
fn a_device_of_somebody_elses_ring_comes_into_no_group_and_the_others_do() {
    let company = Company::new(WINDOWS, TARGET);
    {
        let mut graph = company.graph();
        let pilots =
            graph.kept.add(GROUPS, record(json!({ "displayName": "Pilots" })))["id"].as_str().unwrap().to_owned();
        graph.members.insert(pilots.clone(), ["e-2".to_owned()].into());
        let to = json!({ "@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": pilots });
        graph.kept.add(RINGS, theirs("Pilots' ring", to));
    }
    company.devices(&[("win-1", 1, "canary"), ("win-2", 2, "rest"), ("win-3", 3, "rest")]);
    company.compile("rest", &["--apply"]).ends(1).says("not for 1 device, which are in no group of it");
    let members = || {
        let graph = company.graph();
        let group = graph.named(GROUPS, "refit-windows-laptops-rest-")["id"].as_str().unwrap().to_owned();
        graph.members[&group].iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(members(), ["e-3"]);
    // Theirs goes, and the device comes.
    company.graph().kept.by_hand(RINGS, "Pilots' ring", "assignments", json!([]));
    company.apply("rest").says("~ members");
    assert_eq!(members(), ["e-2", "e-3"]);
}

#[test]
fn drivers_that_somebody_else_approves_are_not_written_and_are_nobodys_business_elsewhere() {
    let company = Company::new(WINDOWS, TARGET);
    company.graph().kept.add(
        DRIVERS,
        record(json!({
            "displayName": "Their drivers", "description": "by hand",
            "assignments": [{ "target": { "@odata.type": "#microsoft.graph.allDevicesAssignmentTarget" } }],
        })),
    );
    company.apply("canary").says_not("Their drivers");
    company.write("targets.yaml", &TARGET.replace("settings: {", "settings: { drivers: true,"));
    let said = company.compile("rest", &["--apply"]).ends(1);
    said.says("driver update policy `Their drivers`, 2 devices").says("nothing of it, for 1 device");
    assert_eq!([DRIVERS, RINGS].map(|list| company.graph().kept.count(list)), [1, 2]);
}

#[test]
fn of_a_ring_for_people_it_is_said_that_their_devices_are_not_seen() {
    let company = Company::new(WINDOWS, TARGET);
    {
        let mut graph = company.graph();
        let staff =
            graph.kept.add(GROUPS, record(json!({ "displayName": "Staff" })))["id"].as_str().unwrap().to_owned();
        graph.members.insert(staff.clone(), ["u-1".to_owned(), "u-2".to_owned()].into());
        let to = json!({ "@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": staff });
        graph.kept.add(RINGS, theirs("Staff's ring", to));
    }
    company
        .apply("canary")
        .says("update ring `Staff's ring` is somebody else's, and is assigned to 2 people: which devices are theirs can't be seen here");
}

#[test]
fn a_pause_that_ends_by_itself_is_said_with_its_day() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("canary");
    let day = json!("2026-12-28T00:00:00Z");
    company.graph().kept.by_hand(RINGS, "refit-windows-laptops-rest-", "qualityUpdatesPauseExpiryDateTime", day);
    company
        .apply("canary")
        .says("the pause of update ring refit-windows-laptops-rest-")
        .says("ends by itself on 2026-12-28");
}

#[test]
fn a_system_that_is_not_there_keeps_no_other_from_being_written() {
    let company = Company::new(WINDOWS, TARGET);
    let other = "---\ntarget: lab\nkind: intune-apps\nowner: a@acme.example\n\
                 settings: { connector: intune-double, tenant: nowhere.example, client_id: me, apps: {} }\n";
    company.write("targets.yaml", &format!("{TARGET}{other}"));
    let lab = format!("lab={}/none", company.server.url);
    let more = ["--connect", &lab, "--secret", "lab.client_secret=secret"];
    let said = company.compile("canary", &[&more[..], &["--apply"]].concat()).ends(3);
    said.says("not looked at, and nothing is written there: target lab (targets.yaml:")
        .says("windows: 6 objects written");
    assert_eq!(company.graph().kept.count(RINGS), 2);
    // What is not known is no change, and nothing that was changed by hand.
    company.compile("canary", &[&more[..], &["--drift"]].concat()).ends(3).says("nothing was changed by hand");
}
