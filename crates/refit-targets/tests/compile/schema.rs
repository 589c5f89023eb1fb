//! Apple's schemas, and what does not satisfy them.

use serde_json::Value;

/// The schemas by the type of declaration, and what all declarations have.
const SCHEMAS: [&str; 4] = [
    include_str!("apple-schemas/activation.simple.json"),
    include_str!("apple-schemas/management.status-subscriptions.json"),
    include_str!("apple-schemas/softwareupdate.enforcement.specific.json"),
    include_str!("apple-schemas/softwareupdate.settings.json"),
];
const BASE: &str = include_str!("apple-schemas/declarationbase.json");
const STATUS_ITEMS: &str = include_str!("apple-schemas/status-items.json");
/// What is said between device and server, by its type, and the values of status items.
const PROTOCOL: &str = include_str!("apple-schemas/protocol.json");
const STATUS_VALUES: &str = include_str!("apple-schemas/status-values.json");

/// What is wrong with a declaration on a platform (`macOS`, `iOS`).
pub fn wrong(declaration: &Value, platform: &str) -> Vec<String> {
    let base: Value = serde_json::from_str(BASE).unwrap();
    let mut found = keys(&base["payloadkeys"], declaration, platform, "");
    for name in ["Identifier", "ServerToken"] {
        if declaration[name].as_str().is_some_and(|text| text.len() > 64) {
            found.push(format!("{name}: longer than 64 octets"));
        }
    }
    let schemas = SCHEMAS.map(|text| serde_json::from_str::<Value>(text).unwrap());
    let Some(schema) = schemas.iter().find(|schema| schema["declarationtype"] == declaration["Type"]) else {
        found.push(format!("unknown type {}", declaration["Type"]));
        return found;
    };
    if schema["introduced"].get(platform).is_none_or(|from| from == "n/a") && schema.get("introduced").is_some() {
        found.push(format!("not for {platform}"));
    }
    found.extend(keys(&schema["payloadkeys"], &declaration["Payload"], platform, "Payload"));
    let known: Vec<String> = serde_json::from_str(STATUS_ITEMS).unwrap();
    for item in declaration["Payload"]["StatusItems"].as_array().into_iter().flatten() {
        if !known.iter().any(|name| item["Name"] == name.as_str()) {
            found.push(format!("no status item {}", item["Name"]));
        }
    }
    if let Some(at) = declaration["Payload"].get("TargetLocalDateTime") {
        let read = at.as_str().and_then(|at| at.parse::<jiff::civil::DateTime>().ok());
        if read.is_none_or(|read| read.strftime("%Y-%m-%dT%H:%M:%S").to_string() != at.as_str().unwrap_or_default()) {
            found.push(format!("{at}: not yyyy-mm-ddThh:mm:ss"));
        }
    }
    found
}

/// What is wrong with something that device and server say to each other: `TokensResponse`, `DeclarationItemsResponse`, `StatusReport`.
pub fn wrong_in_protocol(kind: &str, said: &Value) -> Vec<String> {
    let protocol: Value = serde_json::from_str(PROTOCOL).unwrap();
    let mut found = keys(&protocol[kind]["payloadkeys"], said, "macOS", kind);
    if kind == "TokensResponse" {
        // Its keys are in no schema, but in the documentation of `SynchronizationTokens`.
        let tokens = &said["SyncTokens"];
        if tokens.as_object().is_none_or(|tokens| tokens.len() != 2) || !tokens["DeclarationsToken"].is_string() {
            found.push(format!("SyncTokens: {tokens}"));
        }
        let at = tokens["Timestamp"].as_str().unwrap_or_default();
        let read = at.parse::<jiff::Timestamp>().ok();
        if read.is_none_or(|read| read.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() != at) {
            found.push(format!("Timestamp: {at:?} is not YYYY-mm-ddTHH:MM:SSZ"));
        }
    }
    let values: Value = serde_json::from_str(STATUS_VALUES).unwrap();
    for (name, schema) in values.as_object().unwrap() {
        let pointer = format!("/StatusItems/{}", name.replace('.', "/"));
        if let Some(value) = said.pointer(&pointer) {
            found.extend(one(&schema["payloadkeys"][0], value, "macOS", name));
        }
    }
    found
}

fn keys(schema: &Value, value: &Value, platform: &str, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let known = schema.as_array().unwrap();
    for key in known {
        let name = key["key"].as_str().unwrap();
        match value.get(name) {
            None if key["presence"] == "required" => found.push(format!("{path}.{name}: missing")),
            None => {}
            Some(value) => found.extend(one(key, value, platform, &format!("{path}.{name}"))),
        }
    }
    for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !known.iter().any(|key| key["key"] == name.as_str()) {
            found.push(format!("{path}.{name}: unknown"));
        }
    }
    found
}

fn one(key: &Value, value: &Value, platform: &str, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let right = match key["type"].as_str().unwrap() {
        "<string>" => value.is_string(),
        "<integer>" => value.is_i64(),
        "<boolean>" => value.is_boolean(),
        "<array>" => value.is_array(),
        "<dictionary>" => value.is_object(),
        "<any>" => true,
        other => panic!("{path}: the schema has type {other}"),
    };
    if !right {
        return vec![format!("{path}: no {}", key["type"])];
    }
    if key["introduced"][platform] == "n/a" {
        found.push(format!("{path}: not for {platform}"));
    }
    if let (Some(range), Some(number)) = (key.get("range"), value.as_i64()) {
        let (min, max) = (range["min"].as_i64().unwrap(), range["max"].as_i64().unwrap());
        if !(min..=max).contains(&number) {
            found.push(format!("{path}: {number} is not from {min} to {max}"));
        }
    }
    if key.get("rangelist").and_then(Value::as_array).is_some_and(|list| !list.contains(value)) {
        found.push(format!("{path}: {value} is none of {}", key["rangelist"]));
    }
    let Some(subkeys) = key.get("subkeys").and_then(Value::as_array) else { return found };
    match value {
        Value::Array(items) => {
            for item in items {
                found.extend(one(&subkeys[0], item, platform, &format!("{path}[]")));
            }
        }
        value => found.extend(keys(&key["subkeys"], value, platform, path)),
    }
    found
}

#[test]
fn what_breaks_apples_schemas_is_found() {
    let good = serde_json::json!({
        "Type": "com.apple.configuration.softwareupdate.settings", "Identifier": "x", "ServerToken": "y",
        "Payload": { "Deferrals": { "MajorPeriodInDays": 90 }, "Notifications": true }
    });
    assert_eq!(wrong(&good, "macOS"), Vec::<String>::new());
    assert_eq!(wrong(&good, "iOS"), ["Payload.Deferrals.MajorPeriodInDays: not for iOS"]);
    let mut bad = good.clone();
    bad["Payload"]["Deferrals"]["MajorPeriodInDays"] = 91.into();
    bad["Payload"]["Notifications"] = "yes".into();
    bad["Payload"]["Deferal"] = true.into();
    bad["ServerToken"] = "x".repeat(65).into();
    assert_eq!(wrong(&bad, "macOS").len(), 4, "{:?}", wrong(&bad, "macOS"));
    let late = serde_json::json!({
        "Type": "com.apple.configuration.softwareupdate.enforcement.specific", "Identifier": "x", "ServerToken": "y",
        "Payload": { "TargetLocalDateTime": "2026-12-14T18:00:00Z" }
    });
    assert_eq!(wrong(&late, "macOS").len(), 2, "{:?}", wrong(&late, "macOS"));
    assert!(!wrong(&serde_json::json!({ "Type": "com.apple.configuration.passcode" }), "macOS").is_empty());
}
