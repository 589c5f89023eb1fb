//! What the double refuses, and where Jamf says that Jamf Pro does.

use super::{double::Double, server};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

const GROUPS: &str = "/api/v3/computer-groups/static-groups";
const DEPLOYMENTS: &str = "/api/v1/app-installers/deployments";
const PLANS: &str = "/api/v1/managed-software-updates/plans";
const TITLE: &str = "/JSSResource/patchpolicies/softwaretitleconfig/id";

/// Sends a request as it is written here, and gives the status.
fn call(jamf: &Double, token: &str, method: &str, path: &str, kind: &str, body: &str) -> u16 {
    let host = jamf.server.url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(
        connection,
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {token}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn deployment(change: Value) -> Value {
    let mut deployment = json!({ "name": "d", "enabled": true, "appTitleId": "0AB", "deploymentType": "SELF_SERVICE",
                                 "updateBehavior": "MANUAL", "smartGroupId": "2" });
    deployment.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    deployment
}

fn plan(change: Value) -> Value {
    let mut config = json!({ "updateAction": "DOWNLOAD_INSTALL_SCHEDULE", "versionType": "SPECIFIC_VERSION", "specificVersion": "26.1" });
    config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({ "devices": [{ "deviceId": "1", "objectType": "COMPUTER" }], "config": config })
}

fn policy(general: &str) -> String {
    format!("<patch_policy><general><name>p</name>{general}</general></patch_policy>")
}

#[test]
fn what_jamf_says_that_it_refuses_is_refused() {
    let jamf = Double::start(server(2));
    jamf.state().groups.insert(1, json!({ "name": "taken", "assignments": [] }));
    jamf.state().smart.insert(2, json!({ "name": "smart", "criteria": [] }));
    let form = |secret: &str| format!("grant_type=client_credentials&client_id=refit&client_secret={secret}");
    let token =
        |secret: &str| call(&jamf, "", "POST", "/api/oauth/token", "application/x-www-form-urlencoded", &form(secret));
    // developer.jamf.com/jamf-pro/docs/client-credentials
    assert_eq!(token("wrong"), 401);
    assert_eq!(call(&jamf, "Bearer t1", "GET", GROUPS, "application/json", ""), 401);
    assert_eq!(token("hush"), 200);
    let sent = |method: &str, path: &str, body: &Value| {
        call(&jamf, "Bearer t1", method, path, "application/json", &body.to_string())
    };
    let xml = |path: &str, body: &str| call(&jamf, "Bearer t1", "POST", path, "application/xml", body);
    let long = "x".repeat(256);
    let groups = "developer.jamf.com/jamf-pro/reference/put_v3-computer-groups-static-groups-id";
    let deployments = "developer.jamf.com/platform-api/reference/post_v1-app-installers-deployments";
    let plans = "developer.jamf.com/jamf-pro/reference/post_v1-managed-software-updates-plans";
    let classic = "developer.jamf.com/jamf-pro/docs/getting-started-2 (Classic API Overview)";
    let policies = "developer.jamf.com/jamf-pro/reference/createpatchpolicybysoftwaretitleconfigid";
    let package = "docs.jamf.com/10.25.0/jamf-pro/administrator-guide/Patch_Policies.html (Requirements)";
    let refused = [
        (
            groups,
            "a name of a group that is too long",
            400,
            sent("POST", GROUPS, &json!({ "name": long, "assignments": [] })),
        ),
        (groups, "no name of a group", 400, sent("POST", GROUPS, &json!({ "name": "", "assignments": [] }))),
        (
            groups,
            "a computer that there is not",
            400,
            sent("POST", GROUPS, &json!({ "name": "g", "assignments": ["77"] })),
        ),
        (
            groups,
            "a name that another group has",
            422,
            sent("POST", GROUPS, &json!({ "name": "taken", "assignments": [] })),
        ),
        (
            groups,
            "a group that there is not",
            404,
            sent("PUT", &format!("{GROUPS}/77"), &json!({ "name": "g", "assignments": [] })),
        ),
        (deployments, "a name that is too long", 400, sent("POST", DEPLOYMENTS, &deployment(json!({ "name": long })))),
        (deployments, "no title", 400, sent("POST", DEPLOYMENTS, &deployment(json!({ "appTitleId": null })))),
        (
            deployments,
            "another type",
            400,
            sent("POST", DEPLOYMENTS, &deployment(json!({ "deploymentType": "INSTALL" }))),
        ),
        (
            deployments,
            "another strategy",
            400,
            sent("POST", DEPLOYMENTS, &deployment(json!({ "updateBehavior": "NEVER" }))),
        ),
        (
            deployments,
            "active without a group",
            400,
            sent("POST", DEPLOYMENTS, &deployment(json!({ "smartGroupId": "-1" }))),
        ),
        (deployments, "a static group", 400, sent("POST", DEPLOYMENTS, &deployment(json!({ "smartGroupId": "1" })))),
        (
            deployments,
            "a deployment that there is not",
            404,
            sent("PUT", &format!("{DEPLOYMENTS}/77"), &deployment(json!({}))),
        ),
        (plans, "another action", 400, sent("POST", PLANS, &plan(json!({ "updateAction": "INSTALL_NOW" })))),
        (plans, "another type of version", 400, sent("POST", PLANS, &plan(json!({ "versionType": "NEWEST" })))),
        (
            plans,
            "a version where none is specific",
            400,
            sent("POST", PLANS, &plan(json!({ "versionType": "LATEST_ANY" }))),
        ),
        (
            plans,
            "no specific version",
            400,
            sent("POST", PLANS, &plan(json!({ "specificVersion": "NO_SPECIFIC_VERSION" }))),
        ),
        (
            plans,
            "deferrals without a number",
            400,
            sent("POST", PLANS, &plan(json!({ "updateAction": "DOWNLOAD_INSTALL_ALLOW_DEFERRAL" }))),
        ),
        (plans, "no devices", 400, sent("POST", PLANS, &json!({ "devices": [], "config": plan(json!({}))["config"] }))),
        (plans, "a plan is not taken away", 405, sent("DELETE", &format!("{PLANS}/x"), &json!({}))),
        (policies, "a title that is not configured", 404, xml(&format!("{TITLE}/77"), &policy(""))),
        (
            package,
            "a version without a package",
            409,
            xml(&format!("{TITLE}/7"), &policy("<target_version>4.42.0</target_version>")),
        ),
        (classic, "JSON in place of XML", 415, sent("POST", &format!("{TITLE}/7"), &json!({}))),
        (classic, "what is no XML", 400, xml(&format!("{TITLE}/7"), "<patch_policy><general>")),
    ];
    for (page, what, expected, status) in &refused {
        assert_eq!(status, expected, "{what} ({page})");
    }
    assert!(jamf.state().writes.is_empty() && refused.len() >= 15);
    // developer.jamf.com/jamf-pro/docs/privileges-and-deprecations
    jamf.state().forbidden.insert(DEPLOYMENTS);
    assert_eq!(sent("POST", DEPLOYMENTS, &deployment(json!({}))), 403);
    jamf.state().forbidden.clear();
    // And what is right is taken.
    assert_eq!(sent("POST", DEPLOYMENTS, &deployment(json!({}))), 201);
    assert_eq!(sent("POST", GROUPS, &json!({ "name": "g", "assignments": ["1", "2"] })), 201);
    assert_eq!(sent("POST", PLANS, &plan(json!({}))), 201);
    assert_eq!(xml(&format!("{TITLE}/7"), &policy("<target_version>4.41.0</target_version>")), 201);
    assert_eq!(jamf.state().writes.len(), 4);
}

#[test]
fn a_second_plan_for_a_mac_fails_and_says_why() {
    // learn.jamf.com, *Managed Software Updates*: what plans fail with.
    let jamf = Double::start(server(1));
    let form = "grant_type=client_credentials&client_id=refit&client_secret=hush";
    call(&jamf, "", "POST", "/api/oauth/token", "application/x-www-form-urlencoded", form);
    for _ in 0..2 {
        call(&jamf, "Bearer t1", "POST", PLANS, "application/json", &plan(json!({})).to_string());
    }
    let old = plan(json!({ "specificVersion": "25.0" }));
    jamf.state().plans[0]["status"]["state"] = json!("PlanCompleted");
    call(&jamf, "Bearer t1", "POST", PLANS, "application/json", &old.to_string());
    let state = jamf.state();
    let reasons: Vec<&Value> = state.plans.iter().map(|plan| &plan["status"]["errorReasons"]).collect();
    assert_eq!(
        reasons,
        [&json!([]), &json!(["EXISTING_PLAN_FOR_DEVICE_IN_PROGRESS"]), &json!(["SPECIFIC_VERSION_UNAVAILABLE"])]
    );
}
