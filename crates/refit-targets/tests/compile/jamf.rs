//! Jamf Pro: patch policies, App Installers, update plans, and their groups.

use crate::company::{cohorts, device, devices, now, objects, repository};
use refit_core::world::Device;
use refit_model::Scheme;
use refit_targets::{
    Compiled, Desired, Object, Offered, Target as _,
    api::{Answers, Api as _, Ask, Found, Pages, There, mark},
    compile,
    targets::jamf::{App, Catalog, Jamf, PatchTitle},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The target, beside those of all tests: it would move what they move.
pub const JAMF: &str = "---\ntarget: jamf\nkind: jamf-pro\nowner: endpoint@acme.example\n";

const CHROME: &str = "policy: browsers\nsoftware: [google-chrome]\nmin_age: 1d\nrollout: standard\ndeadline: [{ within: 14d }]\n\
                      experience: { notify: 24h, relaunch: { mode: at_due } }\n";
const MACOS: &str = "policy: macos\nsoftware: [macos]\nrollout: standard\ndeadline: [{ within: 14d }]\n\
                     experience: { reboot: { mode: at_due } }\n";

/// What a server can install.
fn catalog(title: &str, package: Option<&str>) -> Catalog {
    let versions = BTreeMap::from([(title.to_owned(), package.map(str::to_owned))]);
    Catalog {
        titles: BTreeMap::from([("Google Chrome".to_owned(), PatchTitle { id: "7".to_owned(), versions })]),
        apps: BTreeMap::from([(
            "Google Chrome".to_owned(),
            App { id: "0AB".to_owned(), version: "131.0.6778.70".to_owned() },
        )]),
        macos: vec!["26.1".to_owned()],
    }
}

fn with(documents: &str, settings: &str, catalog: Option<Catalog>, devices: &[Device]) -> Compiled {
    let repository = repository("", &format!("{documents}{JAMF}{settings}"));
    let cohorts = cohorts(&repository, devices, Some("rest"), now());
    compile(&repository, &cohorts, &Offered { jamf: catalog, ..Offered::default() }, &BTreeMap::new())
}

fn full(documents: &str, settings: &str) -> Compiled {
    with(documents, settings, Some(catalog("131.0.6778.70", Some("Chrome.pkg"))), &devices())
}

const INSTALLER: &str = "settings: { titles: { google-chrome: app_installer } }\n";

fn of_kind<'c>(plan: &'c Compiled, kind: &str) -> Vec<&'c Object> {
    objects(plan, "jamf").values().filter(|object| object.id.kind == kind).collect()
}

fn desired(plan: &Compiled) -> &Desired {
    &plan.targets.iter().find(|plan| plan.name == "jamf").unwrap().desired
}

#[test]
fn a_ring_has_a_group_and_a_patch_policy_with_the_days_that_are_left() {
    let plan = full(CHROME, "");
    let policies = of_kind(&plan, "patch policy");
    // One Mac is in the ring canary, one in the rest; a day of age, and the canary soaks for another.
    let told: BTreeSet<(&str, u64)> = policies
        .iter()
        .map(|object| {
            let days = &object.fields["user_interaction"]["deadlines"]["deadline_period"];
            (if object.id.name.contains("canary") { "canary" } else { "rest" }, days.as_u64().unwrap())
        })
        .collect();
    assert_eq!(told, [("canary", 13), ("rest", 12)].into());
    for policy in policies {
        let group = of_kind(&plan, "static group").into_iter().find(|group| group.id.name == policy.id.name).unwrap();
        assert_eq!((group.devices.len(), &group.devices), (1, &policy.devices));
        assert_eq!(policy.fields["general"]["target_version"], "131.0.6778.70");
        assert_eq!(policy.fields["software_title_configuration_id"], "7");
        assert_eq!(policy.fields["scope"]["computer_groups"][0]["id"], format!("[id of {}]", group.id));
        assert!(policy.moves.iter().any(|title| title.as_str() == "google-chrome") && group.moves.is_empty());
    }
}

#[test]
fn a_patch_policy_is_as_the_classic_api_takes_it() {
    let plan = full(CHROME, "");
    let policy = of_kind(&plan, "patch policy").into_iter().find(|it| it.id.name.contains("canary")).unwrap();
    insta::assert_snapshot!(Jamf.document(policy).text);
}

#[test]
fn an_app_installer_is_scoped_by_a_smart_group_and_stays_at_its_version() {
    let plan = full(CHROME, INSTALLER);
    assert!(of_kind(&plan, "patch policy").is_empty());
    let deployments = of_kind(&plan, "app installer");
    assert_eq!((deployments.len(), of_kind(&plan, "smart group").len()), (2, 2));
    for deployment in deployments {
        let fields = &deployment.fields;
        assert_eq!(
            (&fields["appTitleId"], &fields["updateBehavior"], &fields["selectedVersion"]),
            (&json!("0AB"), &json!("MANUAL"), &json!("131.0.6778.70"))
        );
        let hours = fields["notificationSettings"]["deadline"].as_u64().unwrap();
        assert!([12 * 24, 13 * 24].contains(&hours), "{hours}");
        let smart = of_kind(&plan, "smart group")
            .into_iter()
            .find(|group| fields["smartGroupId"] == format!("[id of {}]", group.id))
            .unwrap();
        assert_eq!(smart.fields["criteria"][0]["value"], deployment.id.name);
        assert_eq!(smart.fields["criteria"][0]["searchType"], "member of");
    }
}

#[test]
fn macos_is_planned_for_what_the_clock_shows_where_the_mac_is() {
    let plan = full(MACOS, "");
    let dates: BTreeSet<&str> = of_kind(&plan, "update plan")
        .iter()
        .map(|object| object.fields["config"]["forceInstallLocalDateTime"].as_str().unwrap())
        .collect();
    // 26.1 came out on 16 November at 17:00 UTC; a Mac is in Berlin, one in New York.
    assert_eq!(dates, ["2026-11-30T12:00:00", "2026-11-30T18:00:00"].into());
    let ask = full(&MACOS.replace("at_due", "ask"), "");
    assert!(of_kind(&ask, "update plan").is_empty());
    let withheld = &desired(&ask).withheld;
    assert!(withheld.iter().all(|it| it.because.contains("restarts without asking")) && withheld.len() == 1);
    assert!(!desired(&ask).lost.is_empty());
}

#[test]
fn what_is_too_old_for_a_date_or_would_have_to_go_back_gets_no_plan() {
    let facts =
        [("device.platform", "macos"), ("device.os", "macos"), ("device.kind", "laptop"), ("device.tags", "rest")];
    let old = [device("old", "UTC", &facts, &[(Scheme::Apple, "macos", "13.7", Some("13"))])];
    let documents = "policy: macos\nsoftware: [macos]\ntarget: { branch: latest, release: latest }\ndeadline: [{ within: 14d }]\nexperience: { reboot: { mode: at_due } }\n";
    let plan = with(documents, "", None, &old);
    assert!(objects(&plan, "jamf").is_empty());
    let withheld = &desired(&plan).withheld;
    assert!(withheld.iter().any(|it| it.because.contains("below macOS 14.0")), "{withheld:?}");
}

#[test]
fn what_the_server_can_not_install_is_awaited_with_who_has_to_bring_it() {
    let awaited = |documents: &str, settings: &str, catalog: Catalog| {
        let plan = with(documents, settings, Some(catalog), &devices());
        assert!(objects(&plan, "jamf").is_empty());
        let awaiting = &desired(&plan).awaiting;
        assert_eq!(awaiting.iter().map(|it| it.devices).sum::<u64>(), 2);
        (awaiting[0].missing.clone(), awaiting[0].owner.clone())
    };
    let own = "endpoint@acme.example";
    let (missing, owner) = awaited(CHROME, "", catalog("131.0.6778.70", None));
    assert_eq!(
        (missing.as_str(), owner.as_str()),
        ("no package is assigned to 131.0.6778.70 of the patch title “Google Chrome”", own)
    );
    let (missing, owner) = awaited(CHROME, "", catalog("130.0.6723.58", Some("Chrome.pkg")));
    assert!(missing.contains("has no definition of 131.0.6778.70") && owner.starts_with("Jamf"), "{missing} {owner}");
    let (missing, owner) = awaited(CHROME, "", Catalog::default());
    assert!(missing.contains("no patch title “Google Chrome” is configured") && owner == own, "{missing} {owner}");
    let mut newer = catalog("131.0.6778.70", Some("Chrome.pkg"));
    newer.apps.get_mut("Google Chrome").unwrap().version = "132.0.0.1".to_owned();
    let (missing, owner) = awaited(CHROME, INSTALLER, newer);
    assert!(missing.contains("in 132.0.0.1 alone") && owner.starts_with("Jamf"), "{missing} {owner}");
    let (missing, owner) = awaited(MACOS, "", Catalog::default());
    assert!(missing.contains("macOS 26.1") && owner.starts_with("Apple"), "{missing} {owner}");
}

#[test]
fn where_a_policy_only_notifies_people_choose() {
    let plan = full(&format!("{CHROME}mode: notify\n"), "");
    for policy in of_kind(&plan, "patch policy") {
        assert_eq!(policy.fields["general"]["distribution_method"], "selfservice");
        assert_eq!(policy.fields["user_interaction"]["deadlines"], json!({ "deadline_enabled": false }));
        assert_eq!(policy.fields["user_interaction"]["notifications"]["notification_enabled"], true);
        assert!(policy.moves.is_empty());
    }
    let plan = full(&format!("{MACOS}mode: notify\n"), "");
    assert!(objects(&plan, "jamf").is_empty() && desired(&plan).lost.len() == 1);
}

#[test]
fn what_is_due_within_a_day_is_not_offered_first() {
    let plan = full(&CHROME.replace("within: 14d", "within: 30h"), "");
    for policy in of_kind(&plan, "patch policy") {
        assert_eq!(policy.fields["general"]["distribution_method"], "prompt");
    }
}

#[test]
fn only_titles_that_are_named_are_written_where_some_are() {
    let both = format!("{CHROME}---\n{MACOS}");
    assert_eq!(of_kind(&full(&both, ""), "update plan").len(), 2);
    let named = full(&both, INSTALLER);
    assert!(of_kind(&named, "update plan").is_empty() && !of_kind(&named, "app installer").is_empty());
    for bad in
        ["{ macos: patch_policy }", "{ google-chrome: update_plan }", "{ google-chrome: push }", "[google-chrome]"]
    {
        let plan = full(&both, &format!("settings: {{ titles: {bad} }}\n"));
        assert!(objects(&plan, "jamf").is_empty(), "{bad}");
        let notes: Vec<&String> = desired(&plan).notes.iter().collect();
        assert!(notes.len() == 1 && notes[0].contains("nothing is compiled"), "{notes:?}");
    }
}

/// What a server answers that has these objects, and nothing else.
struct Server {
    answers: Answers,
}

impl Server {
    fn new(found: &[(&str, Value)]) -> Server {
        let found: BTreeMap<&str, &Value> = found.iter().map(|(path, body)| (*path, body)).collect();
        let mut answers = Answers::default();
        loop {
            let asks: Vec<Ask> = Jamf.ask("", &answers).unwrap().into_iter().filter(|ask| !answers.has(ask)).collect();
            if asks.is_empty() {
                return Server { answers };
            }
            for ask in asks {
                let body = found.get(ask.path.as_str()).map(|body| (*body).clone());
                let pages = match (body, ask.optional, &ask.pages) {
                    (Some(body), ..) => vec![body.to_string()],
                    (None, true, _) => Vec::new(),
                    (None, false, Pages::One) if ask.path.ends_with("configurations") => vec!["[]".to_owned()],
                    (None, false, Pages::One) => vec!["{}".to_owned()],
                    (None, false, _) => vec![json!({ "totalCount": 0, "results": [] }).to_string()],
                };
                answers.put(ask, pages);
            }
        }
    }

    fn found(&self) -> Found {
        Jamf.found(&mark("acme", "jamf"), &self.answers).unwrap()
    }
}

fn results(of: Value) -> Value {
    json!({ "totalCount": of.as_array().unwrap().len(), "results": of })
}

fn there<'f>(found: &'f Found, kind: &str) -> &'f There {
    found.objects.iter().find(|there| there.id.kind == kind).unwrap()
}

#[test]
fn what_others_have_added_is_seen_and_what_the_server_adds_by_itself_is_not() {
    let policy = |scope: Value| {
        json!({ "patch_policy": {
            "general": { "id": 3, "name": "refit-google-chrome-rest-1", "enabled": true, "target_version": "131", "release_date": 1,
                "incremental_updates": false, "reboot": false, "minimum_os": "12.0", "kill_apps": [], "distribution_method": "selfservice",
                "allow_downgrade": false, "patch_unknown": false },
            "scope": scope,
            "user_interaction": { "install_button_text": "Update", "self_service_description": mark("acme", "jamf"),
                "notifications": { "notification_enabled": false, "notification_type": "Self Service", "reminders": {} },
                "deadlines": { "deadline_enabled": false, "deadline_period": 7 },
                "grace_period": { "grace_period_duration": 15, "message": "Save your work" } },
            "software_title_configuration_id": 7,
        }})
    };
    let seen = |scope: Value| {
        let server = Server::new(&[
            (
                "/api/v2/patch-policies/policy-details",
                results(json!([{ "id": "3", "name": "refit-google-chrome-rest-1" }])),
            ),
            ("/JSSResource/patchpolicies/id/3", policy(scope)),
        ]);
        there(&server.found(), "patch policy").clone()
    };
    let plain = seen(json!({ "all_computers": false, "computer_groups": [{ "id": 9, "name": "x" }], "computers": [],
                             "limitations": { "network_segments": [] }, "exclusions": {} }));
    assert!(plain.is_marked);
    assert_eq!(plain.fields["scope"], json!({ "all_computers": false, "computer_groups": [{ "id": "9" }] }));
    assert_eq!(plain.fields["user_interaction"]["deadlines"], json!({ "deadline_enabled": false }));
    assert_eq!(plain.fields["software_title_configuration_id"], "7");
    assert!(plain.fields["general"].get("release_date").is_none());
    let widened = seen(json!({ "all_computers": false, "computer_groups": [], "computers": [{ "id": 4 }] }));
    assert_eq!(widened.fields["scope"], json!({ "all_computers": false, "computers": [{ "id": 4 }] }));
}

#[test]
fn the_plans_of_a_group_are_those_of_its_macs_and_failures_are_told() {
    let plan = |number: u32, device: &str, version: &str, reasons: Value| {
        json!({ "planUuid": format!("p{number}"), "device": { "deviceId": device, "objectType": "COMPUTER" },
            "updateAction": "DOWNLOAD_INSTALL_SCHEDULE", "versionType": "SPECIFIC_VERSION", "specificVersion": version,
            "maxDeferrals": 0, "forceInstallLocalDateTime": "2026-11-30T18:00:00", "recipeId": "-1",
            "status": { "state": "Init", "errorReasons": reasons } })
    };
    let server = Server::new(&[
        (
            "/api/v3/computer-groups/static-groups",
            results(
                json!([{ "id": "5", "name": "refit-macos-rest-1", "description": mark("acme", "jamf"), "siteId": "-1" },
                           { "id": "6", "name": "Lab", "siteId": "-1" }]),
            ),
        ),
        ("/JSSResource/computergroups/id/5", json!({ "computer_group": { "computers": [{ "id": 1 }, { "id": 2 }] } })),
        (
            "/api/v1/managed-software-updates/plans",
            results(json!([
                plan(2, "2", "26.1", json!([])),
                plan(1, "1", "26.1", json!(["NO_DISK_SPACE"])),
                plan(3, "8", "26.0", json!([]))
            ])),
        ),
    ]);
    let found = server.found();
    assert_eq!(found.objects.len(), 2);
    let plan = there(&found, "update plan");
    assert_eq!((plan.remote.as_str(), plan.is_marked), ("p1", true));
    assert_eq!(plan.fields["members"], json!(["1", "2"]));
    assert_eq!(plan.fields["config"]["specificVersion"], "26.1");
    assert_eq!(found.notes, ["refit-macos-rest-1: 1 plan failed: NO_DISK_SPACE"]);
}

#[test]
fn the_catalog_is_what_the_server_says_that_it_has() {
    let server = Server::new(&[
        (
            "/api/v2/patch-software-title-configurations",
            json!([{ "id": "7", "displayName": "Google Chrome", "softwareTitleName": "Google Chrome", "softwareTitleId": "1",
                     "packages": [{ "packageId": "1", "version": "131.0.6778.70", "displayName": "Chrome.pkg" }] }]),
        ),
        (
            "/api/v2/patch-software-title-configurations/7/definitions",
            results(json!([{ "version": "131.0.6778.70" }, { "version": "132.0.0.1" }])),
        ),
        ("/api/v1/app-installers/titles", results(json!([{ "id": "0AB", "titleName": "Slack", "version": "4.41" }]))),
        (
            "/api/v1/managed-software-updates/available-updates",
            json!({ "availableUpdates": { "macOS": ["26.1", "26.0"], "iOS": ["26.1"] } }),
        ),
    ]);
    let mut offered = Offered::default();
    assert!(Jamf.offers(&server.answers, &mut offered).unwrap());
    let catalog = offered.jamf.unwrap();
    let named = ["Google Chrome".to_owned()];
    assert_eq!(catalog.patch(&named, "131.0.6778.70"), Ok("7"));
    assert!(catalog.patch(&named, "132.0.0.1").unwrap_err().what.starts_with("no package"));
    assert_eq!(catalog.app(&["Slack".to_owned()], "4.41"), Ok("0AB"));
    assert_eq!(catalog.macos, ["26.1", "26.0"]);
}
