//! The description of the API: OpenAPI 3.1, from the handlers and the types.

use super::{access, answer, guarded, open, problem::Code, retired};
use axum::{http::HeaderMap, response::Response};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// This description.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "operation", security(()),
    responses(
        (status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = Object),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(super) async fn document(headers: HeaderMap) -> Response {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi);
    answer::tagged(&headers, &*DOCUMENT)
}

/// The description of the API.
pub fn openapi() -> Value {
    let (_, paths) = guarded().merge(open()).split_for_parts();
    let mut document = serde_json::to_value(&paths).unwrap_or_default();
    document["info"] = json!({
        "title": "Refit",
        "version": "1",
        "description": "The control plane of Refit: fleet patching as code. See docs/reference/api.md.",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["servers"] = json!([{ "url": "/" }]);
    document["components"] = json!({
        "schemas": refit_api::schemas(),
        "responses": responses(),
        "securitySchemes": {
            "token": { "type": "http", "scheme": "bearer", "description": "A token of this server." },
        },
    });
    document["security"] = json!([{ "token": [] }]);
    let Some(paths) = document["paths"].as_object_mut() else { return document };
    for (path, operations) in paths.iter_mut() {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            complete(path, method, operation);
        }
    }
    document
}

/// What a connector of Okta Workflows is made of: the operations of posture, which a token with that scope may do.
const OF_WORKFLOWS: [&str; 3] = ["/api/v1/devices/{id}/posture", "/api/v1/people/{id}/posture", "/api/v1/posture"];

/// The part of the description that Okta's Integration Builder takes for a connector (`examples/okta-workflows`): those operations with all that they
/// refer to, and nothing else. Whoever uploads it writes their server's address into it.
pub fn openapi_for_workflows() -> Value {
    let mut document = openapi();
    document["info"]["title"] = "Refit: posture".into();
    document["servers"] = json!([{ "url": "https://refit.acme.example" }]);
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, _| OF_WORKFLOWS.contains(&path.as_str()));
    }
    let mut known = BTreeSet::new();
    let mut open = vec![document["paths"].clone()];
    while let Some(value) = open.pop() {
        let mut named = BTreeSet::new();
        references(&value, &mut named);
        for name in named {
            open.extend(document.pointer(name.trim_start_matches('#')).cloned().filter(|_| !known.contains(&name)));
            known.insert(name);
        }
    }
    for part in ["schemas", "responses"] {
        if let Some(all) = document["components"][part].as_object_mut() {
            all.retain(|name, _| known.contains(&format!("#/components/{part}/{name}")));
        }
    }
    document
}

/// All that something refers to.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// What every problem of a status looks like.
fn responses() -> Value {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL {
        by_status.entry(code.status().as_u16()).or_default().push(*code);
    }
    let mut responses = Map::new();
    for (status, codes) in by_status {
        let said: Vec<String> = codes.iter().map(|code| format!("`{}`: {}.", code.code(), code.title())).collect();
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let mut response = json!({
            "description": said.join(" "),
            "content": { "application/problem+json": { "schema": schema } },
        });
        if [429, 503].contains(&status) {
            response["headers"] = json!({
                "Retry-After": { "description": "When to try again, in seconds.", "schema": { "type": "integer" } },
            });
        }
        responses.insert(format!("Problem{status}"), response);
    }
    Value::Object(responses)
}

/// Adds what is so of every operation: the problems that it can answer, and the headers that it takes.
fn complete(path: &str, method: &str, operation: &mut Value) {
    let is_open = operation.get("security").is_some();
    if !is_open && let Some(scopes) = access::needed(method, path) {
        operation["security"] = access::security(scopes);
    }
    if let Some(retiring) = retired::find(retired::RETIRING, method, path) {
        retired::mark(operation, retiring);
    }
    let has_body = operation.get("requestBody").is_some();
    let writes = method != "get";
    let name = path.trim_start_matches("/api/v1").trim_matches('/').replace(['{', '}'], "");
    let words: Vec<&str> = name.split(['/', '-', '.']).filter(|word| !word.is_empty()).collect();
    operation["operationId"] = json!(format!("{method}_{}", words.join("_")));
    let mut statuses = vec![405, 500, 503];
    // What needs no token and is no reading is how a token is had.
    if !is_open || writes {
        statuses.extend([401, 403, 429]);
        // A parameter that can't be read, and text that is no id.
        statuses.extend([404, 422]);
    }
    if writes {
        statuses.extend([400, 409, 413]);
    }
    if has_body {
        statuses.push(415);
    }
    for status in statuses {
        let reference = json!({ "$ref": format!("#/components/responses/Problem{status}") });
        let key = status.to_string();
        if operation["responses"].get(&key).is_none() {
            operation["responses"][key] = reference;
        }
    }
    if method == "post" && !is_open {
        let parameter = json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "Chosen by the client, once for each request: repeated, it gets the same answer again.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        });
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.push(parameter),
            None => operation["parameters"] = json!([parameter]),
        }
    }
}
