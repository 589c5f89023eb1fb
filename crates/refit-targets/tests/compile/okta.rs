//! Okta device assurance.

use crate::company::{cohorts, compiled, device, devices, later, objects, repository};
use refit_model::Scheme;
use refit_targets::{Offered, compile};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const TYPES: &str = include_str!("okta/device-assurance.json");

const MACOS: &str = "policy: macos\nsoftware: [macos]\ndeadline: [{ within: 14d }]\n";

/// What is wrong with a policy by Okta's own types. Patterns are left out: that of durations (`^P(?:$)…`) permits no duration at all.
fn wrong(policy: &Value) -> Vec<String> {
    let types: Value = serde_json::from_str(TYPES).unwrap();
    let of = match policy["platform"].as_str() {
        Some("MACOS") => "DeviceAssuranceMacOSPlatform",
        Some("IOS") => "DeviceAssuranceIOSPlatform",
        Some("WINDOWS") => "DeviceAssuranceWindowsPlatform",
        other => return vec![format!("unknown platform {other:?}")],
    };
    let mut found = check(&types, &types[of], policy, "");
    let known = properties(&types, &types[of]);
    found.extend(
        policy.as_object().unwrap().keys().filter(|name| !known.contains(*name)).map(|name| format!("{name}: unknown")),
    );
    if policy.get("osVersion").is_some() && policy.get("osVersionConstraints").is_some() {
        found.push("osVersion and osVersionConstraints exclude each other".to_owned());
    }
    found
}

/// A type with its reference followed; what the excerpt leaves out holds everything.
fn resolved<'t>(types: &'t Value, of: &'t Value) -> &'t Value {
    match of["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        Some(name) => &types[name],
        None => of,
    }
}

fn properties(types: &Value, of: &Value) -> BTreeSet<String> {
    let of = resolved(types, of);
    let own = of["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let parts = of["allOf"].as_array().into_iter().flatten().flat_map(|part| properties(types, part));
    own.chain(parts).collect()
}

fn check(types: &Value, of: &Value, value: &Value, path: &str) -> Vec<String> {
    let of = resolved(types, of);
    let mut found = Vec::new();
    for part in of["allOf"].as_array().into_iter().flatten() {
        found.extend(check(types, part, value, path));
    }
    if let Some(options) = of["oneOf"].as_array()
        && options.iter().all(|option| !check(types, option, value, path).is_empty())
    {
        found.push(format!("{path}: none of its types"));
    }
    let right = match of["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !right {
        return vec![format!("{path}: no {}", of["type"])];
    }
    if of["enum"].as_array().is_some_and(|list| !list.contains(value)) {
        found.push(format!("{path}: {value} is none of {}", of["enum"]));
    }
    for name in of["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{path}.{name}: missing"));
        }
    }
    if let (Some(properties), Some(values)) = (of["properties"].as_object(), value.as_object()) {
        for (name, value) in values {
            let inner = format!("{path}.{name}");
            match properties.get(name) {
                Some(of) => found.extend(check(types, of, value, &inner)),
                // At the top several types have their share.
                None if path.is_empty() => {}
                None => found.push(format!("{inner}: unknown")),
            }
        }
    }
    if let Some(items) = value.as_array() {
        let bound = |name: &str| of[name].as_u64();
        if bound("maxItems").is_some_and(|most| items.len() as u64 > most) {
            found.push(format!("{path}: too many"));
        }
        for item in items {
            found.extend(check(types, &of["items"], item, &format!("{path}[]")));
        }
    }
    found
}

#[test]
fn what_breaks_oktas_types_is_found() {
    let good = json!({ "name": "x", "platform": "MACOS", "osVersion": { "minimum": "26.1" } });
    assert_eq!(wrong(&good), Vec::<String>::new());
    for bad in [
        json!({ "name": "x", "platform": "BEOS" }),
        json!({ "name": "x", "platform": "MACOS", "osVersion": { "minimum": 26 } }),
        json!({ "name": "x", "platform": "MACOS", "osVersions": {} }),
        json!({ "name": "x", "platform": "MACOS", "osVersion": { "maximum": "26" } }),
        json!({ "name": "x", "platform": "WINDOWS", "osVersionConstraints": [{ "minimum": "10.0" }] }),
        json!({ "name": "x", "platform": "MACOS", "gracePeriod": { "type": "FOR_EVER" } }),
    ] {
        assert!(!wrong(&bad).is_empty(), "{bad}");
    }
}

#[test]
fn nobody_who_is_not_overdue_is_kept_out() {
    let plan = compiled(&repository("", MACOS));
    let policies: Vec<Value> = objects(&plan, "sign-in").values().map(|object| json!(object.fields)).collect();
    assert_eq!(policies.len(), 1);
    assert_eq!(wrong(&policies[0]), Vec::<String>::new());
    // 26.1 is out and not yet due: 26.0 may sign in.
    assert_eq!(policies[0]["osVersion"], json!({ "minimum": "26.0" }));
}

#[test]
fn the_floor_rises_when_the_last_one_is_overdue() {
    let repository = repository("", MACOS);
    let facts = [("device.platform", "macos"), ("device.os", "macos"), ("device.tags", "rest")];
    let mut all = devices();
    all.push(device("mac-new", "UTC", &facts, &[(Scheme::Apple, "macos", "26.1", Some("26"))]));
    for device in &mut all {
        device.seen = later(8 * 24);
    }
    let cohorts = cohorts(&repository, &all, None, later(8 * 24));
    let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
    let object = objects(&plan, "sign-in").values().next().unwrap();
    assert_eq!(object.fields["osVersion"], json!({ "minimum": "26.1" }));
    assert!(object.about.contains("keeps out 2 devices now"), "{}", object.about);
}

#[test]
fn a_device_that_is_lost_does_not_keep_the_floor_down() {
    let repository = repository("", MACOS);
    let facts = [("device.platform", "macos"), ("device.os", "macos"), ("device.tags", "rest")];
    let mac = |id, version, seen| {
        let mut mac = device(id, "UTC", &facts, &[(Scheme::Apple, "macos", version, Some("26"))]);
        mac.seen = seen;
        mac
    };
    let fleet = [mac("mac-new", "26.1", later(8 * 24)), mac("mac-lost", "26.0", later(-30 * 24))];
    let cohorts = cohorts(&repository, &fleet, None, later(8 * 24));
    let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
    let object = objects(&plan, "sign-in").values().next().unwrap();
    assert_eq!(object.fields["osVersion"], json!({ "minimum": "26.1" }));
}
