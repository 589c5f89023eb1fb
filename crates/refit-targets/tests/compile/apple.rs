//! Apple's declarations.

use crate::{
    company::{cohorts, compiled, device, devices, later, now, objects, repository},
    schema::{wrong, wrong_in_protocol},
};
use refit_core::world::Device;
use refit_model::Scheme;
use refit_targets::{
    Offered, compile,
    targets::apple::{
        Versions,
        serve::{Served, declared},
    },
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MACOS: &str = "policy: macos\nsoftware: [macos]\nmin_age: 2d\nrollout: standard\nwindow: overnight\ndeadline: [{ within: 14d }]\n\
                     experience: { notify: 48h, defer: { times: 3, for: 24h }, reboot: { mode: at_due } }\n";

/// The declarations of a type, by identifier.
fn of_type(plan: &refit_targets::Compiled, kind: &str) -> Vec<Value> {
    objects(plan, "macs")
        .values()
        .map(|object| json!(object.fields))
        .filter(|it| it["Type"].as_str().unwrap().contains(kind))
        .collect()
}

#[test]
fn a_due_time_is_a_date_on_the_clock_of_each_device() {
    let plan = compiled(&repository("", MACOS));
    // 26.1 came out on 16 November at 17:00 UTC; fourteen days later it is 18:00 in Berlin and noon in New York.
    let dates: Vec<Value> = of_type(&plan, "enforcement").into_iter().map(|it| it["Payload"].clone()).collect();
    assert_eq!(
        dates,
        [
            json!({ "TargetLocalDateTime": "2026-11-30T18:00:00", "TargetOSVersion": "26.1" }),
            json!({ "TargetLocalDateTime": "2026-11-30T12:00:00", "TargetOSVersion": "26.1" }),
        ]
    );
}

#[test]
fn nothing_older_than_what_is_installed_is_enforced() {
    let facts =
        [("device.platform", "macos"), ("device.os", "macos"), ("device.kind", "laptop"), ("device.tags", "rest")];
    let ahead = device("mac-3", "UTC", &facts, &[(Scheme::Apple, "macos", "26.1", Some("26"))]);
    let documents = format!("{MACOS}target: \"<26.1\"\nallow_downgrade: true\n");
    let repository = repository("", &documents);
    let cohorts = cohorts(&repository, &[ahead], Some("rest"), now());
    let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
    assert!(of_type(&plan, "enforcement").is_empty());
}

#[test]
fn everything_satisfies_apples_schemas() {
    let plan = compiled(&repository("", MACOS));
    assert!(objects(&plan, "macs").len() >= 8, "{:?}", objects(&plan, "macs").keys());
    for (id, object) in objects(&plan, "macs") {
        assert_eq!(wrong(&json!(object.fields), "macOS"), Vec::<String>::new(), "{id}");
        assert!(id.is_owned());
    }
}

#[test]
fn deferrals_hide_a_release_until_its_ring_can_open() {
    let plan = compiled(&repository("", MACOS));
    let mut days: Vec<i64> = of_type(&plan, "settings")
        .iter()
        .map(|it| it["Payload"]["Deferrals"]["MinorPeriodInDays"].as_i64().unwrap())
        .collect();
    days.sort_unstable();
    // Two days of age for the canaries, and a day of their soaking besides for the rest.
    assert_eq!(days, [2, 3]);
}

#[test]
fn no_date_is_declared_before_the_ring_opens() {
    let repository = repository("", MACOS);
    let of = |ring| {
        let cohorts = cohorts(&repository, &devices(), ring, now());
        let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
        of_type(&plan, "enforcement").len()
    };
    assert_eq!([of(None), of(Some("canary")), of(Some("rest"))], [0, 1, 2]);
}

#[test]
fn what_was_applied_does_not_change_and_a_new_release_changes_the_version_alone() {
    let repository = repository("", MACOS);
    let plan = compiled(&repository);
    let there = crate::company::written(&plan);
    let cohorts = cohorts(&repository, &devices(), Some("rest"), later(5));
    let again = compile(&repository, &cohorts, &Offered::default(), &there);
    assert!(
        again.targets.iter().all(|plan| plan.changes.is_empty()),
        "{}",
        refit_targets::render::render(&again, true)
    );
}

#[test]
fn a_freeze_moves_the_date_to_its_end() {
    let freeze = "freezes: [{ name: release week, from: 2026-11-29, to: 2026-12-04 }]";
    let plan = compiled(&repository(freeze, MACOS));
    let dates: Vec<Value> =
        of_type(&plan, "enforcement").iter().map(|it| it["Payload"]["TargetLocalDateTime"].clone()).collect();
    assert_eq!(dates, [json!("2026-12-05T00:00:00"), json!("2026-12-05T00:00:00")]);
}

#[test]
fn a_window_that_waits_moves_the_date_into_it() {
    let waits = MACOS.replace("window: overnight", "window: { use: overnight, after_due: wait }");
    let plan = compiled(&repository("", &waits));
    let dates: Vec<Value> =
        of_type(&plan, "enforcement").iter().map(|it| it["Payload"]["TargetLocalDateTime"].clone()).collect();
    assert_eq!(dates, [json!("2026-11-30T19:00:00"), json!("2026-11-30T19:00:00")]);
}

/// The dates of a Mac of a kind in Berlin, in the ring rest.
fn dates_of(kind: &str, documents: &str) -> Vec<Value> {
    let facts = [("device.platform", "macos"), ("device.os", "macos"), ("device.kind", kind), ("device.tags", "rest")];
    let mac = device("mac-3", "Europe/Berlin", &facts, &[(Scheme::Apple, "macos", "26.0", Some("26"))]);
    let repository = repository("", documents);
    let cohorts = cohorts(&repository, &[mac], Some("rest"), now());
    let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
    of_type(&plan, "enforcement").iter().map(|it| it["Payload"]["TargetLocalDateTime"].clone()).collect()
}

#[test]
fn a_window_waits_on_servers_where_nobody_says_otherwise() {
    assert_eq!(dates_of("laptop", MACOS), [json!("2026-11-30T18:00:00")]);
    assert_eq!(dates_of("server", MACOS), [json!("2026-11-30T19:00:00")]);
    let runs = MACOS.replace("window: overnight", "window: { use: overnight, after_due: run }");
    assert_eq!(dates_of("server", &runs), [json!("2026-11-30T18:00:00")]);
}

#[test]
fn the_window_and_restart_of_an_exception_are_the_devices_own() {
    let with = |terms: &str| {
        format!(
            "{MACOS}---\nexception: studio\nsoftware: [macos]\nwhere: '\"canary\" in device.tags'\n{terms}\nuntil: 2026-12-31\n"
        )
    };
    // Due on Monday: the Mac in Berlin waits for Sunday, the one in New York goes by the policy.
    let plan = compiled(&repository("", &with("window: { use: weekly, after_due: wait }")));
    let dates: Vec<Value> =
        of_type(&plan, "enforcement").iter().map(|it| it["Payload"]["TargetLocalDateTime"].clone()).collect();
    assert_eq!(dates, [json!("2026-12-06T02:00:00"), json!("2026-11-30T12:00:00")]);
    // Who is never restarted has no date, and settings of their own.
    let plan = compiled(&repository("", &with("restart: never")));
    assert_eq!(of_type(&plan, "enforcement").len(), 1);
    let mut install: Vec<Value> = of_type(&plan, "settings")
        .iter()
        .map(|it| it["Payload"]["AutomaticActions"]["InstallOSUpdates"].clone())
        .collect();
    install.sort_by_key(ToString::to_string);
    assert_eq!(install, [json!("Allowed"), json!("AlwaysOff")]);
}

#[test]
fn where_a_policy_only_notifies_nothing_is_forced_hidden_or_switched() {
    let plan = compiled(&repository("", &format!("{MACOS}mode: notify\n")));
    let kinds: Vec<Value> = objects(&plan, "macs").values().map(|object| object.fields["Type"].clone()).collect();
    assert_eq!(kinds, ["com.apple.activation.simple", "com.apple.configuration.management.status-subscriptions"]);
    let lost = &plan.targets.iter().find(|plan| plan.name == "macs").unwrap().desired.lost;
    let lost: Vec<&str> = lost.iter().map(|lost| lost.loss.becomes.as_str()).collect();
    assert!(lost.len() == 1 && lost[0].contains("no notice without a date"), "{lost:?}");
}

#[test]
fn who_is_asked_before_a_restart_gets_no_date() {
    let asks = MACOS.replace("mode: at_due", "mode: ask");
    let plan = compiled(&repository("", &asks));
    assert_eq!(of_type(&plan, "enforcement"), Vec::<Value>::new());
    let withheld = &plan.targets.iter().find(|plan| plan.name == "macs").unwrap().desired.withheld;
    assert!(
        withheld.iter().any(|it| it.because.contains("restarts without asking") && it.devices == 2),
        "{withheld:?}"
    );
}

#[test]
fn what_apple_does_not_offer_is_awaited_and_not_declared() {
    let repository = repository("", MACOS);
    let cohorts = cohorts(&repository, &devices(), Some("rest"), now());
    let offers = |version: &str, until: &str| {
        let text = json!({ "PublicAssetSets": { "macOS": [{
            "ProductVersion": version, "PostingDate": "2026-11-16", "ExpirationDate": until, "SupportedDevices": [] }] } });
        let offered = Offered { apple: Some(Versions::parse(&text.to_string()).unwrap()), ..Offered::default() };
        let plan = compile(&repository, &cohorts, &offered, &BTreeMap::new());
        let awaiting: u64 = plan.targets.iter().flat_map(|plan| &plan.desired.awaiting).map(|it| it.devices).sum();
        (of_type(&plan, "enforcement").len(), awaiting)
    };
    assert_eq!(offers("26.1", "2027-03-01"), (2, 0));
    assert_eq!(offers("26.1.1", "2027-03-01"), (0, 2));
    // It is there today, and will be gone when it would be enforced.
    assert_eq!(offers("26.1", "2026-11-28"), (0, 2));
}

#[test]
fn a_mac_that_enforces_no_dates_gets_none() {
    let facts = [("device.platform", "macos"), ("device.os", "macos"), ("device.tags", "rest")];
    let old: Vec<Device> = vec![device("old", "UTC", &facts, &[(Scheme::Apple, "macos", "13.6", Some("26"))])];
    let repository = repository("", MACOS);
    let cohorts = cohorts(&repository, &old, Some("rest"), now());
    let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
    assert_eq!(of_type(&plan, "enforcement"), Vec::<Value>::new());
    assert_eq!(of_type(&plan, "settings"), Vec::<Value>::new());
}

#[test]
fn a_device_is_served_its_own_declarations() {
    let plan = compiled(&repository("", MACOS));
    let desired = &plan.targets.iter().find(|plan| plan.name == "macs").unwrap().desired;
    // The first two devices are the Macs, of two rings in two zones.
    let (one, other) = (Served::to(0, desired), Served::to(1, desired));
    assert_ne!(one.token(), other.token());
    let items = one.items();
    let list = |name: &str| items["Declarations"][name].as_array().unwrap().clone();
    assert_eq!((list("Activations").len(), list("Configurations").len(), list("Assets").len()), (3, 3, 0));
    for (kind, name) in [("activation", "Activations"), ("configuration", "Configurations")] {
        for item in list(name) {
            let declaration = one.declaration(kind, item["Identifier"].as_str().unwrap()).unwrap();
            assert_eq!(declaration["ServerToken"], item["ServerToken"]);
        }
    }
    // What an activation names is served too.
    for activation in list("Activations") {
        let activation = one.declaration("activation", activation["Identifier"].as_str().unwrap()).unwrap();
        for name in activation["Payload"]["StandardConfigurations"].as_array().unwrap() {
            assert!(one.declaration("configuration", name.as_str().unwrap()).is_some(), "{name}");
        }
    }
    assert_eq!(one.declaration("activation", "refit.status"), None);
    let tokens = one.tokens("2026-11-23T09:00:00.5Z".parse().unwrap());
    assert_eq!(tokens["SyncTokens"]["Timestamp"], "2026-11-23T09:00:00Z");
    for (kind, answer) in [("TokensResponse", &tokens), ("DeclarationItemsResponse", &items)] {
        assert_eq!(wrong_in_protocol(kind, answer), Vec::<String>::new(), "{answer}");
    }
    let nothing = Served::nothing().items();
    assert_eq!(wrong_in_protocol("DeclarationItemsResponse", &nothing), Vec::<String>::new(), "{nothing}");
    // Whoever runs something else is served nothing.
    assert_eq!(Served::to(3, desired).items()["Declarations"]["Configurations"], json!([]));
}

#[test]
fn what_two_targets_would_move_is_declared_by_neither() {
    let mac = |documents: &str| {
        let repository = repository("", documents);
        let cohorts = cohorts(&repository, &devices()[..1], Some("rest"), now());
        declared(&repository, &cohorts, &Offered::default())
    };
    let types = |desired: &refit_targets::Desired| -> Vec<String> {
        let types = desired.objects.values().map(|object| object.fields["Type"].as_str().unwrap());
        types.map(|it| it.rsplit('.').next().unwrap().to_owned()).collect()
    };
    let one = mac(MACOS);
    assert_eq!(types(&one), ["simple", "simple", "simple", "specific", "settings", "status-subscriptions"]);
    // What is declared to a device alone is what is compiled for all.
    let all = compiled(&repository("", MACOS));
    for (id, object) in &one.objects {
        assert_eq!(objects(&all, "macs").get(id).map(|it| &it.fields), Some(&object.fields), "{id}");
    }
    let both = mac(&format!("{MACOS}---\ntarget: others\nkind: apple-declarative\n"));
    assert_eq!(types(&both), ["simple", "simple", "settings", "status-subscriptions"]);
    let withheld: Vec<&str> = both.withheld.iter().map(|it| it.because.as_str()).collect();
    assert_eq!(withheld, ["targets macs and others would both move it"]);
}

#[test]
fn what_breaks_apples_protocol_is_found() {
    let wrong = |kind: &str, said: Value| wrong_in_protocol(kind, &said).len();
    assert_eq!(wrong("TokensResponse", json!({ "SyncTokens": { "DeclarationsToken": "x" } })), 2);
    let local = json!({ "DeclarationsToken": "x", "Timestamp": "2026-11-23T09:00:00.5Z" });
    assert_eq!(wrong("TokensResponse", json!({ "SyncTokens": local })), 1);
    assert_eq!(wrong("DeclarationItemsResponse", json!({ "Declarations": {} })), 5);
    assert_eq!(wrong("StatusReport", json!({ "StatusItems": {}, "Errors": [] })), 0);
    let state = json!({ "softwareupdate": { "install-state": "asleep" } });
    assert_eq!(wrong("StatusReport", json!({ "StatusItems": state })), 2);
}
