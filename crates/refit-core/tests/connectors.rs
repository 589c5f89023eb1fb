//! Every connector of `connectors/`: its document is in order, and its fixtures say what `expected/` has.
//!
//! `UPDATE_CONNECTORS=1` writes the expected facts anew; read them afterwards as somebody would who answers for the source.

#![allow(clippy::disallowed_methods, reason = "the test reads folders; the core that it tests does not")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

#[path = "payloads/said.rs"]
mod said;

use refit_core::{
    facts::{
        Fields,
        mapping::{
            Connector, Maps, Operation, document::PayloadKind, draft, draft_operation, form, load, operations, read,
            sample, try_out,
        },
    },
    policy::{
        diagnostic::{Files, render},
        syntax::Limits,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// All files of a folder and of those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = if folder.is_dir() { sorted(folder) } else { Vec::new() };
    paths.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn connectors() -> Vec<(PathBuf, Connector)> {
    let folders = sorted(&workspace().join("connectors")).into_iter().filter(|path| path.is_dir());
    folders
        .map(|folder| {
            let connector = connector(&folder);
            (folder, connector)
        })
        .collect()
}

fn connector(folder: &Path) -> Connector {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let (mut files, limits) = (Files::default(), Limits::default());
    let text = fs::read(folder.join("connector.yaml")).unwrap();
    let file = files.add(format!("connectors/{name}/connector.yaml"), &text, &limits).unwrap();
    let (connector, found) = load(&files, file, &Fields::builtin(), &limits);
    let shown: String = found.iter().map(|found| render(found, &files)).collect();
    assert!(found.is_empty(), "\n{shown}");
    let connector = connector.unwrap();
    assert_eq!(connector.document.connector, name, "the folder has the connector's name");
    connector
}

#[test]
fn the_fixtures_of_every_connector_say_what_is_expected() {
    let update = std::env::var_os("UPDATE_CONNECTORS").is_some();
    let mut wrong = Vec::new();
    for (folder, connector) in connectors() {
        let fixtures = sorted(&folder.join("fixtures"));
        assert!(!fixtures.is_empty(), "{} has no fixtures", folder.display());
        for fixture in fixtures {
            let payload = fs::read(&fixture).unwrap();
            let reading =
                try_out(&connector, &payload, &Maps::new()).unwrap_or_else(|why| panic!("{fixture:?}: {why:?}"));
            assert!(!reading.records.is_empty(), "{fixture:?} says nothing");
            let actual = serde_json::to_string_pretty(&reading).unwrap() + "\n";
            let name = fixture.file_stem().unwrap().to_str().unwrap();
            let expected = folder.join("expected").join(format!("{name}.json"));
            if update {
                fs::write(&expected, &actual).unwrap();
            } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
                wrong.push(format!("{}:\n{actual}", expected.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE_CONNECTORS=1 rewrites these:\n{}", wrong.join("\n"));
}

#[test]
fn every_kind_of_records_has_a_fixture() {
    for (folder, connector) in connectors() {
        let mut known: Vec<String> = connector.document.records.iter().map(|kind| kind.records.clone()).collect();
        for fixture in sorted(&folder.join("fixtures")) {
            let reading = read(&connector, fs::read(fixture).unwrap(), &Maps::new()).unwrap();
            known.retain(|kind| reading.records.iter().all(|record| record.records != *kind));
        }
        assert!(known.is_empty(), "{}: no fixture has {known:?}", folder.display());
    }
}

/// Payloads that others wrote. They lie in `$REFIT_SHARED_DATA`, or beside the repository; `None` where they do not.
fn public_payloads() -> Option<Vec<(PathBuf, Vec<u8>)>> {
    let data = std::env::var_os("REFIT_SHARED_DATA").map(PathBuf::from);
    let root = data.unwrap_or_else(|| workspace().join("../shared/data")).join("payloads");
    if !root.is_dir() {
        println!("skipped: the public payloads are not at hand");
        return None;
    }
    let payloads: Vec<_> = files(&root)
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect();
    assert!(!payloads.is_empty());
    Some(payloads)
}

/// Whatever payloads are, nothing panics, hangs or stops.
#[test]
fn no_payload_stops_any_connector() {
    let Some(payloads) = public_payloads() else { return };
    let connectors = connectors();
    let mut counts = std::collections::BTreeMap::<String, (usize, usize, usize)>::new();
    for (_, bytes) in &payloads {
        for (_, connector) in &connectors {
            let count = counts.entry(connector.document.connector.clone()).or_default();
            match read(connector, bytes, &Maps::new()) {
                Ok(reading) => {
                    count.0 += reading.records.len();
                    count.1 += reading.quarantined.len();
                    serde_json::to_string(&reading).unwrap();
                }
                Err(why) => {
                    count.2 += 1;
                    assert!(!why.message.is_empty());
                }
            }
        }
    }
    let payloads = payloads.len();
    println!("{payloads} payloads; for each connector records, set aside, refused: {counts:#?}");
    for name in ["jamf-pro", "intune", "okta", "bamboohr", "workday", "pagerduty"] {
        assert!(counts.get(name).is_some_and(|(records, ..)| *records > 0), "{name} reads none of the payloads");
    }
}

fn loaded(text: &str) -> (Option<Connector>, String) {
    let (mut files, limits) = (Files::default(), Limits::default());
    let file = files.add("connector.yaml".to_owned(), text.as_bytes(), &limits).unwrap();
    let (connector, found) = load(&files, file, &Fields::builtin(), &limits);
    (connector, found.iter().map(|found| render(found, &files)).collect())
}

/// The draft of a connector is in order, and reads what it was made from, record for record.
#[test]
fn a_draft_is_in_order_and_reads_the_payload_that_it_was_made_from() {
    use PayloadKind::{Csv, Graphql, HttpJson, Json, Ndjson, Plist, Sql};
    for reads in [HttpJson, Graphql, Csv, Json, Ndjson, Plist, Sql] {
        let (payload, _) = sample(reads);
        let drafted = draft("acme", reads, payload.as_bytes()).unwrap();
        let (connector, said) = loaded(&drafted.text);
        assert_eq!(said, "", "{}", drafted.text);
        let reading = read(&connector.unwrap(), payload, &Maps::new()).unwrap();
        assert_eq!((reading.records.len(), reading.quarantined.len()), (drafted.records, 0), "{reads:?}: {reading:#?}");
        assert!(reading.records.iter().all(|record| record.keys.iter().any(|key| key.kind.name() == "serial")));
    }
    let Some(payloads) = public_payloads() else { return };
    let (mut drafts, mut records, mut guessed) = (0, 0, 0);
    for (path, bytes) in &payloads {
        let Ok(drafted) = draft("acme", form(bytes), bytes) else { continue };
        let (connector, said) = loaded(&drafted.text);
        assert_eq!(said, "", "{}: {}", path.display(), drafted.text);
        let reading = read(&connector.unwrap(), bytes, &Maps::new()).unwrap_or_else(|why| panic!("{path:?}: {why:?}"));
        drafts += 1;
        records += reading.records.len();
        guessed += usize::from(!drafted.guessed.is_empty());
    }
    println!("{drafts} drafts, {guessed} with something guessed, which read {records} records");
    assert!(
        drafts * 2 > payloads.len() && guessed * 2 > drafts,
        "{drafts} drafts of {}, {guessed} guess",
        payloads.len()
    );
}

/// The connector that is drafted for a list of an OpenAPI document is in order, and reads an answer as the document describes it.
#[track_caller]
fn drafted(operation: &Operation) -> String {
    let drafted = draft_operation("acme", operation).unwrap();
    let (connector, said) = loaded(&drafted.text);
    assert_eq!(said, "", "{}: {}", operation.path, drafted.text);
    let reading = read(&connector.unwrap(), &operation.payload, &Maps::new()).unwrap();
    assert!(!reading.records.is_empty() || !reading.quarantined.is_empty(), "{}: {}", operation.path, drafted.text);
    drafted.text
}

#[test]
fn an_openapi_document_is_drafted_from_as_an_answer_is() {
    let document = |security: &str| {
        format!(
            r##"{{
            "openapi": "3.1.0",
            "servers": [{{ "url": "https://api.acme.example/v2" }}],
            "components": {{
                "securitySchemes": {{ "a": {security} }},
                "parameters": {{ "limit": {{ "name": "limit", "in": "query" }} }},
                "schemas": {{
                    "Asset": {{ "type": "object", "properties": {{
                        "id": {{ "type": "integer" }}, "serial_number": {{ "type": ["null", "string"], "example": "PF3KX2M1" }},
                        "last_seen": {{ "type": "string", "format": "date-time" }}, "parts": {{ "type": "array", "items": {{ "$ref": "#/components/schemas/Asset" }} }}
                    }} }}
                }}
            }},
            "paths": {{
                "/assets": {{
                    "parameters": [{{ "$ref": "#/components/parameters/limit" }}],
                    "get": {{
                        "parameters": [{{ "name": "offset", "in": "query" }}],
                        "responses": {{ "200": {{ "content": {{ "application/json": {{ "schema": {{ "allOf": [
                            {{ "properties": {{ "more": {{ "type": "boolean" }} }} }},
                            {{ "properties": {{ "assets": {{ "type": "array", "items": {{ "$ref": "#/components/schemas/Asset" }} }} }} }}
                        ] }} }} }} }} }}
                    }}
                }},
                "/assets/{{id}}": {{ "get": {{ "responses": {{}} }} }},
                "/status": {{ "get": {{ "responses": {{ "200": {{ "content": {{ "application/json": {{ "example": {{ "ok": true }} }} }} }} }} }} }}
            }} }}"##
        )
    };
    for (security, way) in [
        (r#"{ "type": "http", "scheme": "bearer" }"#, "bearer: { token: token }"),
        (r#"{ "type": "http", "scheme": "basic" }"#, "basic: { user: \"{user}\", password: password }"),
        (r#"{ "type": "apiKey", "in": "header", "name": "X-Key" }"#, "api_key: { key: key, header: 'X-Key' }"),
        (r#"{ "type": "apiKey", "in": "query", "name": "key" }"#, "api_key: { key: key, parameter: key }"),
        (
            r#"{ "type": "oauth2", "flows": { "clientCredentials": { "tokenUrl": "/oauth/token" } } }"#,
            "client_credentials: { token_address: '{url}/oauth/token', client_id: '{client_id}', client_secret: client_secret }",
        ),
        (r#"{ "type": "mutualTLS" }"#, "api_key: { key: key, header: x-api-key }"),
    ] {
        let operations = operations(document(security).as_bytes()).unwrap();
        let [assets] = &operations[..] else { panic!("{operations:?}") };
        let text = drafted(assets);
        for line in [
            way,
            "get: /v2/assets",
            "paging: { offset: { parameter: offset, size_parameter: 'limit', size: 100, more: /more } }    # guessed",
            "from: [/assets]",
            "serial: record.serial_number",
            "device.seen: record.last_seen",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
    let yaml = "# Assets\nopenapi: '3.0.3'\nservers:\n  - url: https://api.acme.example/v2\ncomponents:\n  securitySchemes:\n    key: { type: http, scheme: bearer }\n\
        paths:\n  /assets:\n    get:\n      parameters:\n        - { name: offset, in: query }\n      responses:\n        '200':\n          content:\n            \
        application/json:\n              example: &example { more: false }\n              schema:\n                properties:\n                  more: { type: boolean }\n                  \
        assets:\n                    type: array\n                    items:\n                      properties:\n                        id: { type: integer }\n                        \
        serial_number: { type: string, example: 0012 }\n";
    let lists = operations(yaml.as_bytes()).unwrap();
    let [assets] = &lists[..] else { panic!("{lists:?}") };
    let text = drafted(assets);
    for line in ["get: /v2/assets", "bearer: { token: token }", "more: /more", "serial: record.serial_number"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(operations(b"openapi: [3"), None);
    assert_eq!(operations(b"{ \"openapi\": true, \"paths\": {} }"), None);
    assert_eq!(operations(b"openapi: 3.0.0"), None);
}

#[test]
fn the_documents_of_vendors_are_drafted_from() {
    let data = std::env::var_os("REFIT_SHARED_DATA").map(PathBuf::from);
    let folder = data.unwrap_or_else(|| workspace().join("../shared/data")).join("schemas/openapi");
    if !folder.is_dir() {
        println!("skipped: the vendors' documents are not at hand");
        return;
    }
    let mut lists = Vec::new();
    for path in sorted(&folder) {
        for operation in operations(&fs::read(&path).unwrap()).unwrap() {
            let text = drafted(&operation);
            lists.push(format!("{} {}", path.file_stem().unwrap().display(), operation.path));
            if lists.last().is_some_and(|list| list == "pagerduty /users") {
                assert!(text.contains("email: record.email") && text.contains("paging: { offset: "), "{text}");
            }
        }
    }
    for list in ["pagerduty /users", "pagerduty /oncalls", "okta /api/v1/users", "bamboohr /api/v1/employees"] {
        assert!(lists.iter().any(|known| known == list), "{list}: {lists:?}");
    }
}

/// What Apple's devices answer to their management.
#[test]
fn property_lists_that_devices_sent_are_read() {
    let Some(payloads) = public_payloads() else { return };
    let of = |name: &str| &payloads.iter().find(|(path, _)| path.ends_with(name)).unwrap().1;
    let document = "connector: mdm\nname: MDM\nreads: plist\nrecords:\n  - records: devices\n    of: device\n    \
        id: record.QueryResponses.UDID\n    keys: { serial: record.QueryResponses.SerialNumber }\n    fields: { \
        device.serial: record.QueryResponses.SerialNumber, device.hostname: record.QueryResponses.DeviceName, \
        device.os_version: record.QueryResponses.OSVersion, device.model: record.QueryResponses.ModelName }\n";
    let (connector, said) = loaded(document);
    assert_eq!(said, "");
    let reading = read(&connector.unwrap(), of("apple_mdm/device_information.plist"), &Maps::new()).unwrap();
    assert_eq!((reading.records.len(), reading.quarantined.len()), (1, 0), "{reading:#?}");
    assert_eq!(reading.records[0].facts.len(), 4, "{reading:#?}");
    let installed = of("apple_mdm/installed_application_list.plist");
    let drafted = draft("mdm", form(installed), installed).unwrap();
    assert!(drafted.records > 1, "{}", drafted.text);
}
