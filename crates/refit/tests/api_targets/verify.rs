//! `refit target verify` against the double of Microsoft Graph: what is tried, what is told, and that nothing is left.

use super::{
    company::{Company, Said, TARGET, WINDOWS},
    graph::{APPS, DRIVERS, EXPEDITED, FEATURES, GROUPS, RINGS},
    kept::Do,
};
use serde_json::{Value, json};
use std::fs;

const APP_TARGET: &str = "target: windows\nkind: intune-apps\nowner: apps@acme.example\n\
                          settings: { connector: intune-double, tenant: acme.example, client_id: me }\n";

fn verify(company: &Company) -> (Said, Value) {
    let connect = format!("windows={}", company.server.url);
    let always = ["target", "verify", "windows", "acme", "--connect", &connect];
    let more = ["--secret", "windows.client_secret=secret", "--out", "record.json", "--now", "2026-11-27T12:00:00Z"];
    let said = company.refit(&[&always[..], &more].concat());
    let record = fs::read_to_string(company.home.path().join("record.json")).unwrap_or_else(|_| panic!("{said:#?}"));
    (said, serde_json::from_str(&record).unwrap())
}

/// The steps of a sort, as the kinds of their objects.
fn steps(record: &Value, step: &str) -> Vec<String> {
    let of_step = record["steps"].as_array().unwrap().iter().filter(|it| it["step"] == step);
    of_step.map(|it| it["object"].as_str().unwrap_or_default().to_owned()).collect()
}

fn nothing_is_left(company: &Company) {
    let graph = company.graph();
    assert_eq!([GROUPS, RINGS, FEATURES, DRIVERS, EXPEDITED, APPS].map(|list| graph.kept.count(list)), [0; 6]);
    drop(graph);
    let left = fs::read_to_string(company.home.path().join("data/targets/windows (verification).json")).unwrap();
    assert_eq!(left.trim(), "[]");
}

#[test]
fn an_object_of_each_kind_is_made_read_changed_and_taken_away() {
    let company = Company::new(WINDOWS, TARGET);
    let (said, record) = verify(&company);
    said.ends(0).says("Verdict: everything was taken, and came back as it was written.").says_not("hush");
    let kinds = ["group", "update ring", "feature update policy", "driver update policy", "expedited update"];
    for step in ["make", "compare", "change", "compare_again"] {
        assert_eq!(steps(&record, step), kinds, "{step}");
    }
    // The group goes last: the others name it.
    assert_eq!(steps(&record, "take_away").last().unwrap(), "group");
    assert_eq!((&record["verdict"], &record["left"]), (&json!("as_written"), &json!([])));
    assert_eq!((&record["kind"], &record["at"]), (&json!("intune"), &json!("2026-11-27T12:00:00Z")));
    let host = company.server.url.trim_start_matches("http://").to_owned();
    assert_eq!(record["host"], host);
    // Each change is one of one field, and each path is without ids.
    let text = record.to_string();
    assert!(!text.contains("-0000-4000-8000-") && text.contains("/v1.0/groups/{id}"), "{text}");
    assert!(company.writes().iter().any(|write| write.starts_with("PATCH ")));
    nothing_is_left(&company);
    // Nobody's devices were in anything.
    assert!(company.graph().members.values().all(std::collections::BTreeSet::is_empty));
}

#[test]
fn an_app_is_tried_too_and_what_others_have_is_not_touched() {
    let company = Company::new(WINDOWS, APP_TARGET);
    let theirs =
        json!({ "displayName": "refit-verification-mine", "description": "a colleague's", "mailNickname": "x" });
    let before = company.graph().kept.add(GROUPS, theirs.as_object().unwrap().clone());
    company.graph().unpublished_for = 1;
    let (said, record) = verify(&company);
    said.ends(0);
    assert_eq!(steps(&record, "make"), ["group", "app"]);
    assert_eq!(company.graph().kept.all(GROUPS).cloned().collect::<Vec<_>>(), [before]);
    assert_eq!(company.graph().kept.count(APPS), 0);
}

#[test]
fn a_field_that_comes_back_otherwise_is_told() {
    let company = Company::new(WINDOWS, TARGET);
    company.graph().alters = Some((RINGS, "userPauseAccess", "enabled".into()));
    let (said, record) = verify(&company);
    said.ends(1).says("userPauseAccess: \"disabled\" was written, and \"enabled\" came back");
    assert_eq!(record["verdict"], "differs");
    let compared = record["steps"].as_array().unwrap().iter().find(|it| !it["otherwise"].is_null()).unwrap();
    assert_eq!((&compared["step"], &compared["object"]), (&json!("compare"), &json!("update ring")));
    let otherwise = json!([{ "field": "userPauseAccess", "written": "disabled", "came_back": "enabled" }]);
    assert_eq!(compared["otherwise"], otherwise);
    nothing_is_left(&company);
}

#[test]
fn what_is_refused_is_told_and_the_rest_is_tried_and_taken_away() {
    let company = Company::new(WINDOWS, TARGET);
    // No update of that day can be expedited, and a policy is refused.
    company.graph().expeditable.clear();
    company.graph().kept.bad_day("POST", FEATURES, Do::Refuse(403, None));
    let (said, record) = verify(&company);
    said.ends(1)
        .says("no update of this day can be expedited")
        .says("it needs the application permissions DeviceManagementConfiguration.ReadWrite.All");
    assert_eq!(record["verdict"], "failed");
    let failed = record["steps"].as_array().unwrap().iter().filter(|it| !it["failed"].is_null());
    let failed: Vec<(&Value, &Value)> = failed.map(|it| (&it["step"], &it["object"])).collect();
    let make = json!("make");
    assert_eq!(failed, [(&make, &json!("feature update policy")), (&make, &json!("expedited update"))]);
    assert_eq!(steps(&record, "compare_again"), ["group", "update ring", "driver update policy"]);
    nothing_is_left(&company);
}

#[test]
fn what_was_made_and_not_assigned_is_taken_away_too() {
    let company = Company::new(WINDOWS, TARGET);
    for _ in 0..8 {
        let path = "/v1.0/deviceManagement/deviceConfigurations/";
        company.graph().kept.bad_day("POST", path, Do::Refuse(500, Some(0)));
    }
    let (said, record) = verify(&company);
    said.ends(1).says("status 500");
    assert_eq!((&record["verdict"], &record["left"]), (&json!("failed"), &json!([])));
    nothing_is_left(&company);
}

#[test]
fn what_can_not_be_taken_away_is_said_and_the_next_run_begins_with_it() {
    let company = Company::new(WINDOWS, APP_TARGET);
    company.graph().dies_at = Some("DELETE");
    let (said, record) = verify(&company);
    said.ends(3).says("still there: app refit-verification-").says("The same command takes it away");
    assert_eq!((&record["verdict"], record["left"].as_array().unwrap().len()), (&json!("left_behind"), 2));
    assert_eq!([APPS, GROUPS].map(|list| company.graph().kept.count(list)), [1, 1]);
    // While it is down, nothing is forgotten.
    let (said, record) = verify(&company);
    said.ends(3).says("status 503");
    assert_eq!(record["left"].as_array().unwrap().len(), 2);
    {
        let mut graph = company.graph();
        (graph.dies_at, graph.dead) = (None, false);
    }
    let (said, record) = verify(&company);
    said.ends(0).says("take away what an earlier verification left: app");
    assert_eq!(steps(&record, "clean_up"), ["app", "group"]);
    nothing_is_left(&company);
}

#[test]
fn what_has_no_api_can_not_be_tried() {
    let company = Company::new(WINDOWS, "target: windows\nkind: apt\nowner: a@acme.example\n");
    company.refit(&["target", "verify", "windows", "acme"]).ends(2).says("is of kind `apt`, which has no API");
    company.refit(&["target", "verify", "widnows", "acme"]).ends(2).says("did you mean `windows`?");
}
