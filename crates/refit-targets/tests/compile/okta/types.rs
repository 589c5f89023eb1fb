//! What is wrong with a body that Okta is sent, by Okta's own types.

use serde_json::Value;
use std::collections::BTreeMap;

/// What is wrong with a value by a type, which is named.
pub fn wrong(types: &Value, name: &str, value: &Value) -> Vec<String> {
    assert!(types.get(name).is_some(), "the excerpt has no type {name}");
    check(types, &types[name], value, name)
}

fn followed<'t>(types: &'t Value, of: &'t Value) -> &'t Value {
    match of["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        Some(name) => &types[name],
        None => of,
    }
}

/// The properties of a type and of those that it is made of, and which have to be there.
fn parts<'t>(
    types: &'t Value,
    of: &'t Value,
    properties: &mut BTreeMap<&'t str, &'t Value>,
    required: &mut Vec<&'t str>,
) {
    let of = followed(types, of);
    for (name, of) in of["properties"].as_object().into_iter().flatten() {
        properties.insert(name, of);
    }
    required.extend(of["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
    for part in of["allOf"].as_array().into_iter().flatten() {
        parts(types, part, properties, required);
    }
}

fn check(types: &Value, of: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut of = followed(types, of);
    // One of several types, which a property says.
    if let (Some(property), Some(mapping)) =
        (of["discriminator"]["propertyName"].as_str(), of["discriminator"]["mapping"].as_object())
    {
        let Some(named) = value[property].as_str().and_then(|said| mapping.get(said)).and_then(Value::as_str) else {
            return vec![format!("{path}.{property}: none of its types")];
        };
        of = &types[named.rsplit('/').next().unwrap()];
    }
    if value.is_null() && of["nullable"] == true {
        return Vec::new();
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
    let mut found = Vec::new();
    if of["enum"].as_array().is_some_and(|list| !list.contains(value)) {
        found.push(format!("{path}: {value} is none of {}", of["enum"]));
    }
    let letters = value.as_str().map_or(0, |text| text.chars().count() as u64);
    // Of names the document says the longest as a `maximum`.
    let most = of["maxLength"].as_u64().or_else(|| of["maximum"].as_u64().filter(|_| value.is_string()));
    if most.is_some_and(|most| letters > most) {
        found.push(format!("{path}: too long"));
    }
    if let Some(options) = of["oneOf"].as_array() {
        let fit = options.iter().filter(|option| check(types, option, value, path).is_empty()).count();
        if fit != 1 {
            found.push(format!("{path}: {fit} of its types fit"));
        }
    }
    let (mut properties, mut required) = (BTreeMap::new(), Vec::new());
    parts(types, of, &mut properties, &mut required);
    if let (Some(values), false) = (value.as_object(), properties.is_empty()) {
        for name in required {
            if !values.contains_key(name) {
                found.push(format!("{path}.{name}: missing"));
            }
        }
        for (name, value) in values {
            let inner = format!("{path}.{name}");
            match properties.get(name.as_str()).map(|of| (followed(types, of), of)) {
                None => found.push(format!("{inner}: unknown")),
                Some((of, here)) if of["readOnly"] == true || here["readOnly"] == true => {
                    found.push(format!("{inner}: can't be written"));
                }
                Some((of, _)) => found.extend(check(types, of, value, &inner)),
            }
        }
    }
    for item in value.as_array().into_iter().flatten() {
        found.extend(check(types, &of["items"], item, &format!("{path}[]")));
    }
    found
}
