//! What Microsoft's pages say that Graph refuses, the double refuses, with the page.

use super::{
    company::{Company, TARGET, WINDOWS},
    graph::{APPS, DRIVERS, EXPEDITED, FEATURES, GROUPS, RINGS},
};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

/// Asks the double as anybody may; gives the status and the answer.
fn asked(company: &Company, method: &str, path: &str, body: &Value) -> (u16, String) {
    let host = company.server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let body = body.to_string();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer t1\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn each_refusal_names_the_page_that_says_so() {
    let company = Company::new(WINDOWS, TARGET);
    let ring = |more: Value| {
        with(
            json!({ "@odata.type": "#microsoft.graph.windowsUpdateForBusinessConfiguration", "displayName": "x" }),
            more,
        )
    };
    let group = |more: Value| {
        with(json!({ "displayName": "x", "mailEnabled": false, "mailNickname": "x", "securityEnabled": true }), more)
    };
    let app = |more: Value| {
        let app = json!({ "@odata.type": "#microsoft.graph.winGetApp", "displayName": "x", "packageIdentifier": "X", "installExperience": { "runAsAccount": "system" } });
        with(app, more)
    };
    let made = |list: &str, body: Value| -> String {
        let (status, answer) = asked(&company, "POST", list, &body);
        assert_eq!(status, 201, "{answer}");
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        body["id"].as_str().unwrap().to_owned()
    };
    let (a_ring, a_group, an_app) =
        (made(RINGS, ring(json!({}))), made(GROUPS, group(json!({}))), made(APPS, app(json!({}))));
    let many: Vec<String> =
        (0..21).map(|number| format!("https://graph.microsoft.com/v1.0/directoryObjects/{number}")).collect();
    let one = json!({ "members@odata.bind": ["https://graph.microsoft.com/v1.0/directoryObjects/e-1"] });
    assert_eq!(asked(&company, "PATCH", &format!("{GROUPS}/{a_group}"), &one).0, 204);
    let drivers =
        |approval: &str| json!({ "displayName": "x", "approvalType": approval, "deploymentDeferralInDays": 1 });
    let expedited = |days: i64, release: &str| json!({ "displayName": "x", "expeditedUpdateSettings": { "daysUntilForcedReboot": days, "qualityUpdateRelease": release } });
    let to = |target: Value| json!({ "assignments": [{ "target": target }] });
    let ring_page = "resources/intune-deviceconfig-windowsupdateforbusinessconfiguration";
    let app_page = "resources/intune-apps-wingetapp";
    let settings_page = "mem/intune/protect/windows-update-settings";
    let expedite_page = "intune/device-updates/windows/expedite-policy";
    let of = |list: &str, rest: &str| format!("{list}/{rest}");
    let cases: Vec<(&str, String, Value, u16, &str)> = vec![
        ("POST", GROUPS.into(), without(group(json!({})), "displayName"), 400, "group-post-groups"),
        ("POST", GROUPS.into(), without(group(json!({})), "mailNickname"), 400, "group-post-groups"),
        ("POST", GROUPS.into(), without(group(json!({})), "securityEnabled"), 400, "group-post-groups"),
        ("POST", GROUPS.into(), group(json!({ "displayName": "x".repeat(257) })), 400, "group-post-groups"),
        ("POST", GROUPS.into(), group(json!({ "mailNickname": "x".repeat(65) })), 400, "group-post-groups"),
        ("POST", GROUPS.into(), group(json!({ "mailNickname": "ring one" })), 400, "group-post-groups"),
        ("POST", GROUPS.into(), group(json!({ "members@odata.bind": many })), 400, "group-post-groups"),
        ("PATCH", of(GROUPS, &a_group), json!({ "members@odata.bind": many }), 400, "group-post-members"),
        ("PATCH", of(GROUPS, &a_group), one, 400, "group-post-members"),
        (
            "PATCH",
            of(GROUPS, &a_group),
            json!({ "members@odata.bind": ["https://graph.microsoft.com/v1.0/directoryObjects/nobody"] }),
            404,
            "group-post-members",
        ),
        ("DELETE", of(GROUPS, &format!("{a_group}/members/e-2/$ref")), Value::Null, 404, "group-delete-members"),
        (
            "POST",
            RINGS.into(),
            json!({ "displayName": "x" }),
            400,
            "intune-deviceconfig-windowsupdateforbusinessconfiguration-create",
        ),
        (
            "POST",
            RINGS.into(),
            ring(json!({ "automaticUpdateMode": "always" })),
            400,
            "resources/intune-deviceconfig-automaticupdatemode",
        ),
        ("POST", RINGS.into(), ring(json!({ "deadlineForQualityUpdates": 3 })), 400, ring_page),
        ("POST", RINGS.into(), ring(json!({ "qualityUpdatesPaused": "yes" })), 400, ring_page),
        ("POST", RINGS.into(), ring(json!({ "createdDateTime": "2026-01-01T00:00:00Z" })), 400, ring_page),
        ("POST", RINGS.into(), ring(json!({ "scheduleRestartWarningInHours": 3 })), 400, ring_page),
        ("POST", RINGS.into(), ring(json!({ "scheduleImminentRestartWarningInMinutes": 20 })), 400, ring_page),
        ("POST", RINGS.into(), ring(json!({ "qualityUpdatesDeferralPeriodInDays": 31 })), 400, settings_page),
        ("POST", RINGS.into(), ring(json!({ "deadlineGracePeriodInDays": 8 })), 400, settings_page),
        (
            "POST",
            of(RINGS, &format!("{a_ring}/assign")),
            to(json!({ "@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": "none" })),
            400,
            "groupassignmenttarget",
        ),
        (
            "POST",
            of(RINGS, &format!("{a_ring}/assign")),
            to(json!({ "@odata.type": "#microsoft.graph.everybody" })),
            400,
            "deviceandappmanagementassignmenttarget",
        ),
        (
            "POST",
            of(RINGS, &format!("{a_ring}/assign")),
            json!({}),
            400,
            "intune-deviceconfig-deviceconfiguration-assign",
        ),
        ("PATCH", of(RINGS, "none"), ring(json!({})), 404, "/graph/errors"),
        (
            "POST",
            FEATURES.into(),
            json!({ "displayName": "x", "featureUpdateVersion": "95" }),
            400,
            "resources/intune-softwareupdate-windowsfeatureupdateprofile",
        ),
        (
            "POST",
            DRIVERS.into(),
            drivers("sometimes"),
            400,
            "resources/intune-softwareupdate-driverupdateprofileapprovaltype",
        ),
        ("POST", DRIVERS.into(), drivers("manual"), 400, "resources/intune-softwareupdate-windowsdriverupdateprofile"),
        ("POST", EXPEDITED.into(), expedited(3, "2026-11-10T00:00:00Z"), 400, expedite_page),
        ("POST", EXPEDITED.into(), expedited(1, "2026-11-11T00:00:00Z"), 400, expedite_page),
        ("POST", APPS.into(), without(app(json!({})), "packageIdentifier"), 400, app_page),
        ("POST", APPS.into(), without(app(json!({})), "installExperience"), 400, app_page),
        ("PATCH", of(APPS, &an_app), json!({ "packageIdentifier": "Y" }), 400, app_page),
        ("POST", of(APPS, &format!("{an_app}/assign")), json!({ "mobileAppAssignments": [] }), 400, app_page),
    ];
    assert!(cases.len() >= 15);
    let counts = || [RINGS, GROUPS, APPS].map(|list| company.graph().kept.count(list));
    let before = counts();
    for (method, path, body, status, page) in cases {
        let (got, answer) = asked(&company, method, &path, &body);
        assert!(got == status && answer.contains(page), "{method} {path} {body}: {answer}");
    }
    assert_eq!(counts(), before);
}

#[test]
fn a_refusal_is_told_with_what_the_system_says() {
    let urgent =
        WINDOWS.replace("[{ within: 10d }]", "[{ if: exposure.kev, within: 2d, rollout: fast }, { within: 10d }]");
    let company = Company::new(&urgent, TARGET);
    company.graph().expeditable.clear();
    let said = company.compile("rest", &["--apply"]).ends(3);
    said.says("expedited update refit-windows-laptops-rest-")
        .says("status 400: no update of this day can be expedited");
    company.graph().expeditable.insert("2026-11-10T00:00:00Z");
    company.apply("rest").says("the last run was broken off");
    company.apply("rest").says("nothing to change");
}

fn with(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}
