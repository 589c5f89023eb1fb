//! Apps of the Microsoft Store.

use super::{
    company::Company,
    graph::{APPS, GROUPS},
};
use serde_json::json;

const CHROME: &str = "policy: browsers\nsoftware: [google-chrome]\nrollout: standard\ndeadline: [{ within: 14d }]\n\
                      experience: { relaunch: { mode: at_due } }\n";

const TARGET: &str = "target: windows\nkind: intune-apps\nowner: apps@acme.example\nsettings: { connector: intune-double, tenant: acme.example, client_id: me, \
                      apps: { google-chrome: XPFCC4CD725961 } }\n";

#[test]
fn an_app_is_made_waited_for_assigned_and_taken_away() {
    let company = Company::new(CHROME, TARGET);
    company.graph().unpublished_for = 1;
    company.apply("canary");
    let app = company.graph().named(APPS, "refit-google-chrome-");
    assert_eq!((&app["packageIdentifier"], &app["publishingState"]), (&json!("XPFCC4CD725961"), &json!("published")));
    let assignments = app["assignments"].as_array().unwrap();
    assert_eq!(assignments.len(), 1);
    let settings = &assignments[0]["settings"];
    assert_eq!((&assignments[0]["intent"], &settings["notifications"]), (&json!("required"), &json!("showReboot")));
    // Two weeks after the policy came, on the device's own clock.
    let time = json!({ "deadlineDateTime": "2026-12-07T10:00:00Z", "useLocalTime": true });
    assert_eq!(settings["installTimeSettings"], time);
    company.apply("canary").says("nothing to change");
    // The next ring has an assignment of its own.
    company.apply("rest").says("~ assignments");
    assert_eq!(company.graph().named(APPS, "refit-google-chrome-")["assignments"].as_array().unwrap().len(), 2);
    assert_eq!(company.graph().kept.count(GROUPS), 2);
    company.apply("rest").says("nothing to change");
    // The product can't be changed: another one is another app.
    company.write("targets.yaml", &TARGET.replace("XPFCC4CD725961", "9NBLGGH4NNS1"));
    company.writes();
    company.apply("rest").says("- app").says("+ app");
    // What takes its place is there before it goes.
    let writes = company.writes();
    let place = |how: &str| writes.iter().position(|write| write.starts_with(how) && write.contains("/mobileApps"));
    assert!(place("POST").unwrap() < place("DELETE").unwrap(), "{writes:?}");
    assert_eq!(company.graph().named(APPS, "refit-google-chrome-")["packageIdentifier"], "9NBLGGH4NNS1");
    company.write("policies.yaml", &format!("{CHROME}mode: observe\n"));
    company.compile("rest", &["--apply", "--may-remove", "3"]).ends(0);
    assert_eq!([APPS, GROUPS].map(|list| company.graph().kept.count(list)), [0, 0]);
}

#[test]
fn what_has_to_go_is_uninstalled() {
    let company = Company::new(
        "policy: no chrome\nsoftware: [google-chrome]\npresence: forbidden\ndeadline: [{ within: 14d }]\n",
        TARGET,
    );
    company.apply("rest");
    let app = company.graph().named(APPS, "refit-google-chrome-");
    assert_eq!(app["assignments"][0]["intent"], "uninstall");
}

#[test]
fn a_title_of_which_nobody_says_which_product_it_is_is_awaited() {
    let company = Company::new(CHROME, &TARGET.replace("google-chrome:", "slack:"));
    let said = company.apply("canary");
    said.says("nobody says which product of the Microsoft Store it is (`settings: { apps: { google-chrome: ID } }`)")
        .says("For: apps@acme.example");
    assert_eq!(company.graph().kept.count(APPS), 0);
}
