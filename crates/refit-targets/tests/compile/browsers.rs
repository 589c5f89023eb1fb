//! Policies of browsers.

use crate::company::{cohorts, compiled, devices, now, objects, repository};
use refit_targets::{Offered, Target as _, compile, targets::browsers::Browsers};
use serde_json::json;
use std::collections::BTreeMap;

const BROWSERS: &str = "policy: browsers\nsoftware: [google-chrome, microsoft-edge, firefox]\nmin_age: 1d\nrollout: standard\nwindow: overnight\n\
                        deadline:\n  - { if: exposure.kev, within: 2d, min_age: 0h, rollout: fast }\n  - { within: 14d }\n\
                        experience: { notify: 24h, relaunch: { mode: at_due } }\n";

/// The fields of all objects of a kind, by the end of their names' first part.
fn fields(plan: &refit_targets::Compiled, part: &str) -> Vec<serde_json::Value> {
    objects(plan, "browsers")
        .iter()
        .filter(|(id, _)| id.name.contains(part))
        .map(|(_, object)| json!(object.fields))
        .collect()
}

#[test]
fn the_pin_is_what_a_ring_may_have() {
    let calm = BROWSERS.replace("  - { if: exposure.kev, within: 2d, min_age: 0h, rollout: fast }\n", "");
    let repository = repository("", &calm);
    let pins = |ring| {
        let cohorts = cohorts(&repository, &devices(), ring, now());
        let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
        let of = |it: &serde_json::Value| {
            it["updatePolicies"]["com.google.Chrome"]["TargetVersionPrefix"].as_str().unwrap().to_owned()
        };
        let mut pins: Vec<String> = fields(&plan, "com.google.Keystone").iter().map(of).collect();
        pins.sort();
        pins
    };
    assert_eq!(pins(None), ["130.0.6723.58", "130.0.6723.58"]);
    assert_eq!(pins(Some("canary")), ["130.0.6723.58", "131.0.6778.70"]);
    assert_eq!(pins(Some("rest")), ["131.0.6778.70", "131.0.6778.70"]);
}

#[test]
fn windows_has_values_of_the_registry() {
    let plan = compiled(&repository("", BROWSERS));
    let values = fields(&plan, "google-chrome.windows");
    assert_eq!(
        values,
        [json!({
            r"SOFTWARE\Policies\Google\Chrome\RelaunchNotification": { "REG_DWORD": 2 },
            // What is exploited goes by the fast rollout: two days, and its only ring opens at once.
            r"SOFTWARE\Policies\Google\Chrome\RelaunchNotificationPeriod": { "REG_DWORD": 172_800_000 },
            r"SOFTWARE\Policies\Google\Chrome\RelaunchWindow":
                { "REG_SZ": r#"{"entries":[{"duration_mins":660,"start":{"hour":19,"minute":0}}]}"# },
            r"SOFTWARE\Policies\Google\Update\RollbackToTargetVersion{8A69D345-D564-463C-AFF1-A69D9E530F96}": { "REG_DWORD": 0 },
            r"SOFTWARE\Policies\Google\Update\TargetVersionPrefix{8A69D345-D564-463C-AFF1-A69D9E530F96}": { "REG_SZ": "131.0.6778.70" },
            r"SOFTWARE\Policies\Google\Update\Update{8A69D345-D564-463C-AFF1-A69D9E530F96}": { "REG_DWORD": 1 },
        })]
    );
}

#[test]
fn nobody_is_taken_back_to_what_others_in_a_closed_ring_have() {
    let policy = "policy: browsers\nsoftware: [google-chrome]\nrollout: standard\ntarget: \"<200.0.0.0\"\nallow_downgrade: true\n\
                  deadline: [{ within: 14d }]\n";
    let repository = repository("", policy);
    let back = |ring| {
        let cohorts = cohorts(&repository, &devices(), ring, now());
        let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
        let of = |it: &serde_json::Value| it["updatePolicies"]["com.google.Chrome"]["RollbackToTargetVersion"].clone();
        fields(&plan, "com.google.Keystone").iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(back(None), [json!(false), json!(false)]);
    assert_eq!(back(Some("rest")), [json!(true), json!(true)]);
}

#[test]
fn files_are_as_people_know_them() {
    let plan = compiled(&repository("", BROWSERS));
    let mut text = String::new();
    for object in objects(&plan, "browsers").values() {
        let document = Browsers.document(object);
        text += &format!("== {}\n{}", document.path, document.text.replace('\r', ""));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_policy_that_only_notifies_pins_nothing() {
    let plan = compiled(&repository("", &format!("{BROWSERS}mode: notify\n")));
    for object in objects(&plan, "browsers").values() {
        let fields = json!(object.fields).to_string();
        assert!(!fields.contains("TargetVersionPrefix"), "{}", object.id);
        // Nor does it switch updaters that people or others have switched.
        assert!(!fields.contains("Update") && !object.id.name.contains("Keystone"), "{}: {fields}", object.id);
        assert!(object.moves.is_empty());
    }
    let told = fields(&plan, "com.google.Chrome");
    assert!(!told.is_empty() && told.iter().all(|told| told["RelaunchNotification"] == 1), "{told:?}");
    // Also where nobody says how.
    let plain = "policy: browsers\nsoftware: [google-chrome]\nmode: notify\ndeadline: [{ within: 14d }]\n";
    let told = fields(&compiled(&repository("", plain)), "com.google.Chrome");
    assert!(!told.is_empty() && told.iter().all(|told| told["RelaunchNotification"] == 1), "{told:?}");
}

#[test]
fn devices_with_the_window_of_an_exception_have_policies_of_their_own() {
    let documents = "policy: browsers\nsoftware: [google-chrome]\ndeadline: [{ within: 14d }]\nwindow: weekly\n\
                     experience: { relaunch: { mode: at_due } }\n---\nexception: studio\nsoftware: [google-chrome]\n\
                     where: '\"canary\" in device.tags'\nwindow: overnight\nunless: exposure.cvss > 9.9\nuntil: 2026-12-31\n";
    let plan = compiled(&repository("", documents));
    let told = fields(&plan, "com.google.Chrome");
    let mut windows: Vec<String> =
        told.iter().map(|told| told["RelaunchWindow"]["entries"][0]["start"].to_string()).collect();
    windows.sort();
    assert_eq!(windows, ["null", r#"{"hour":19,"minute":0}"#]);
}

#[test]
fn what_is_blocked_is_nobodys_pin() {
    let block = format!("{BROWSERS}---\nblock: bad\ntitle: google-chrome\nreleases: \"=131.0.6778.70\"\n");
    let plan = compiled(&repository("", &block));
    for value in fields(&plan, "com.google.Keystone") {
        assert_eq!(value["updatePolicies"]["com.google.Chrome"]["TargetVersionPrefix"], "130.0.6723.58");
    }
}
