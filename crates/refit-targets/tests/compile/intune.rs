//! Update rings and pins of Intune.

use crate::company::{cohorts, compiled, device, devices, now, objects, repository};
use refit_core::world::Device;
use refit_model::Scheme;
use refit_targets::{Compiled, Object, Offered, compile};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TYPES: &str = include_str!("graph/types.json");

const WINDOWS: &str = "policy: windows laptops\nsoftware: [windows-11]\nmin_age: 2d\nrollout: standard\nwindow: overnight\n\
                       deadline: [{ within: 10d }]\nexperience: { notify: 48h, reboot: { mode: at_due } }\n";

/// What is wrong with an update ring by Graph's own types.
fn wrong(ring: &Value) -> Vec<String> {
    let types: Value = serde_json::from_str(TYPES).unwrap();
    let own = &types["windowsUpdateForBusinessConfiguration"]["properties"];
    let base = &types["deviceConfiguration"];
    let mut found = Vec::new();
    for (name, value) in ring.as_object().unwrap() {
        // What derived types are called, and what is assigned by a call of its own.
        if name == "@odata.type" || base["navigation"].get(name).is_some() {
            continue;
        }
        let Some(kind) = own[name].as_str().or_else(|| base["properties"][name].as_str()) else {
            found.push(format!("{name}: unknown"));
            continue;
        };
        let right = match kind {
            "Edm.Boolean" => value.is_boolean(),
            "Edm.Int32" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "Edm.String" => value.is_string(),
            "graph.windowsUpdateInstallScheduleType" => value["@odata.type"].is_string(),
            kind => {
                let members = kind.strip_prefix("graph.").and_then(|name| types[name]["members"].as_array());
                members.is_some_and(|members| members.contains(value))
            }
        };
        if !right {
            found.push(format!("{name}: {value} is no {kind}"));
        }
    }
    found
}

fn of_kind<'c>(plan: &'c Compiled, kind: &str) -> Vec<&'c Object> {
    objects(plan, "windows").values().filter(|object| object.id.kind == kind).collect()
}

#[test]
fn what_breaks_graphs_types_is_found() {
    assert_eq!(wrong(&json!({ "displayName": "x", "qualityUpdatesPaused": true })), Vec::<String>::new());
    for bad in [
        json!({ "qualityUpdatesPaused": "yes" }),
        json!({ "automaticUpdateMode": "always" }),
        json!({ "deadlineForQualityUpdates": 3 }),
        json!({ "deadlineGracePeriodInDays": 3_000_000_000_i64 }),
    ] {
        assert_eq!(wrong(&bad).len(), 1, "{bad}");
    }
}

#[test]
fn a_ring_defers_until_it_can_open_and_has_the_days_that_are_left() {
    let plan = compiled(&repository("", WINDOWS));
    let rings = of_kind(&plan, "update ring");
    assert_eq!(rings.len(), 1);
    let fields = json!(rings[0].fields);
    assert_eq!(wrong(&fields), Vec::<String>::new());
    // Two days of age and one of soaking; of ten days seven are left.
    assert_eq!(
        (&fields["qualityUpdatesDeferralPeriodInDays"], &fields["deadlineForQualityUpdatesInDays"]),
        (&json!(3), &json!(7))
    );
    assert_eq!(fields["installationSchedule"]["activeHoursStart"], "06:00:00.0000000");
    assert_eq!(fields["qualityUpdatesPaused"], false);
    let pins = of_kind(&plan, "feature update policy");
    assert_eq!(pins[0].fields["featureUpdateVersion"], "Windows 11, version 25H2");
    assert_eq!(of_kind(&plan, "group").len(), 2);
}

#[test]
fn a_ring_that_has_not_opened_is_paused() {
    let repository = repository("", WINDOWS);
    let cohorts = cohorts(&repository, &devices(), Some("canary"), now());
    let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
    assert_eq!(of_kind(&plan, "update ring")[0].fields["qualityUpdatesPaused"], true);
}

#[test]
fn another_branch_is_pinned_for_a_ring_that_has_opened_and_for_nobody_else() {
    let facts =
        [("device.platform", "windows"), ("device.os", "windows"), ("device.kind", "laptop"), ("device.tags", "rest")];
    // 24H2 has ended by now.
    let with = |branch| {
        device("win-2", "Europe/Berlin", &facts, &[(Scheme::Windows, "windows-11", "10.0.26100.2314", branch)])
    };
    let pins = |documents: &str, late: Device, ring| {
        let repository = repository("", documents);
        let cohorts = cohorts(&repository, &[late], Some(ring), now());
        let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
        let pins = of_kind(&plan, "feature update policy");
        pins.iter().map(|pin| pin.fields["featureUpdateVersion"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let notify = format!("{WINDOWS}mode: notify\n");
    assert_eq!(pins(WINDOWS, with(Some("24H2")), "canary"), ["Windows 11, version 24H2"]);
    assert_eq!(pins(WINDOWS, with(None), "canary"), ["Windows 11, version 24H2"]);
    assert_eq!(pins(WINDOWS, with(Some("24H2")), "rest"), ["Windows 11, version 25H2"]);
    // Who is only told is pinned to nothing.
    assert!(pins(&notify, with(Some("24H2")), "rest").is_empty());
}

#[test]
fn where_a_policy_only_notifies_nothing_is_written() {
    let plan = compiled(&repository("", &format!("{WINDOWS}mode: notify\n")));
    assert!(objects(&plan, "windows").is_empty());
    let lost = &plan.targets.iter().find(|plan| plan.name == "windows").unwrap().desired.lost;
    assert!(lost.iter().any(|lost| lost.loss.becomes.contains("as it does by itself")), "{lost:?}");
}

#[test]
fn devices_with_the_terms_of_an_exception_have_a_ring_of_their_own() {
    let excepted = |terms: &str| {
        let documents =
            format!("{WINDOWS}---\nexception: studio\nsoftware: [windows-11]\n{terms}\nuntil: 2026-12-31\n");
        let plan = compiled(&repository("", &documents));
        let ring = of_kind(&plan, "update ring")[0];
        (ring.about.clone(), ring.id.name.clone(), json!(ring.fields))
    };
    let (_, own, _) = excepted("due: \"2026-12-10T18:00:00\"");
    let (about, name, fields) = excepted("restart: ask");
    assert!(about.contains("restart: ask by an exception") && name != own, "{about}");
    assert_eq!(fields["automaticUpdateMode"], "autoInstallAtMaintenanceTime");
    let (about, name, fields) = excepted("window: weekly");
    assert!(about.contains("window of exception studio") && name != own, "{about}");
    // It is not open every day, so that there are no active hours for it.
    assert!(fields["installationSchedule"].is_null());
    assert_eq!(wrong(&fields), Vec::<String>::new());
}

#[test]
fn who_is_asked_before_a_restart_has_no_deadline() {
    let plan = compiled(&repository("", &WINDOWS.replace("mode: at_due", "mode: ask")));
    let ring = of_kind(&plan, "update ring")[0];
    assert!(!ring.fields.contains_key("deadlineForQualityUpdatesInDays"));
    assert_eq!(ring.fields["automaticUpdateMode"], "autoInstallAtMaintenanceTime");
}
