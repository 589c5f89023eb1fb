//! The OpenAPI document.

use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

#[test]
fn the_committed_description_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi.json");
    let committed: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(committed == refit_server::api::openapi(), "run `cargo xtask generate`, and read what changed");
}

#[test]
fn every_operation_says_all_that_it_can_answer() {
    let document = refit_server::api::openapi();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
        assert!(operation["summary"].is_string(), "{method} {path}");
        let mut wanted = vec!["405", "500", "503"];
        if operation["security"] != serde_json::json!([{}]) {
            wanted.extend(["401", "403", "404", "422", "429"]);
        }
        if method != "get" {
            wanted.extend(["400", "409", "413"]);
        }
        if operation.get("requestBody").is_some() {
            wanted.push("415");
        }
        for status in wanted {
            assert!(responses.contains_key(status), "{method} {path} does not document {status}");
        }
    }
    assert!(ids.len() >= 40, "{}", ids.len());
}

#[test]
fn every_reference_leads_somewhere() {
    let document = refit_server::api::openapi();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|part| part.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn every_problem_is_in_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/api.md");
    let text = fs::read_to_string(path).unwrap();
    for code in refit_server::api::Code::ALL {
        let row = format!("| `{}` | {} |", code.code(), code.status().as_u16());
        assert!(text.contains(&row), "docs/reference/api.md has no row {row:?}");
    }
}
