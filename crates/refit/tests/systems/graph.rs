//! Microsoft Graph, as Entra ID and Intune are read through it: a token for an app that ends early, pages by links, limits, a server that fails and one
//! that hangs up, and the second time only what has changed. What is asked for has to be in Microsoft's own types.

use super::{
    double, field,
    server::{Answer, Asked, Server, json as whole, pairs, status},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many requests a token is good for, whatever it says of itself.
const TOKEN_LASTS: u32 = 4;

#[derive(Default)]
struct Graph {
    tokens: u32,
    left: u32,
    /// What has failed already: it does once.
    failed: BTreeSet<&'static str>,
}

fn user(name: &str, number: &str, department: &str) -> Value {
    json!({
        "id": format!("u-{name}"), "accountEnabled": true, "displayName": name, "mail": format!("{name}@acme.example"),
        "userPrincipalName": format!("{name}@acme.example"), "userType": "Member", "employeeId": number,
        "department": department, "employeeOrgData": { "division": "R&D" },
    })
}

/// What Graph answers; `later` is whether it is asked for changes by now.
fn graph(asked: &Asked, state: &Mutex<Graph>, later: bool) -> Answer {
    let mut state = state.lock().unwrap();
    if asked.path == "/acme.example/oauth2/v2.0/token" {
        let form = pairs(&asked.body);
        let said = ["grant_type", "client_id", "client_secret", "scope"].map(|name| form[name].as_str());
        assert_eq!(said, ["client_credentials", "me", "hush", "https://graph.microsoft.com/.default"]);
        (state.tokens, state.left) = (state.tokens + 1, TOKEN_LASTS);
        return whole(
            json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": format!("t{}", state.tokens) }),
        );
    }
    if asked.headers["authorization"] != format!("Bearer t{}", state.tokens) || state.left == 0 {
        return status(401, &[]);
    }
    state.left -= 1;
    let here = format!("http://{}/v1.0", asked.headers["host"]);
    let token = |name: &str| asked.query.get(name).map(String::as_str);
    let list = |value: Value, more: Option<(&str, String)>| {
        let mut list = json!({ "@odata.context": format!("{here}/$metadata"), "value": value });
        if let Some((name, address)) = more {
            list[name] = address.into();
        }
        whole(list)
    };
    let delta =
        |kind: &str, number: u32| Some(("@odata.deltaLink", format!("{here}/{kind}/delta?$deltatoken=d{number}")));
    match (asked.path.trim_start_matches("/v1.0"), token("$skiptoken"), token("$deltatoken")) {
        ("/users", None, None) => {
            assert!(token("$select").unwrap().contains("employeeId") && token("$top") == Some("999"), "{asked:?}");
            if state.failed.insert("too many") {
                return status(429, &[("retry-after", "1")]);
            }
            let first = json!([user("ada", "7", "Platform"), user("bob", "8", "Platform")]);
            list(first, Some(("@odata.nextLink", format!("{here}/users?$skiptoken=p2"))))
        }
        ("/users", Some("p2"), None) => {
            let last = json!({ "value": [user("eve", "9", "Sales")] });
            // The connection is closed in the middle of an answer.
            if state.failed.insert("cut") { Answer::Cut(last.to_string()) } else { whole(last) }
        }
        ("/users/delta", None, Some("latest")) => list(json!([]), delta("users", 1)),
        ("/users/delta", None, Some("d1")) => {
            assert!(later);
            let mut moved = user("ada", "7", "Security");
            // What it does not speak of is as before.
            moved.as_object_mut().unwrap().remove("employeeOrgData");
            list(json!([moved, { "id": "u-eve", "@removed": { "reason": "deleted" } }]), delta("users", 2))
        }
        ("/devices", None, None) => {
            let device = json!({
                "id": "e-1", "deviceId": "7d1f2a5e-0c1b-4b2e-9f57-1c9a9b1d0001", "displayName": "ADA-PC", "operatingSystem": "Windows",
                "operatingSystemVersion": "10.0.19045.1", "trustType": "AzureAd", "registeredOwners": [{ "id": "u-ada" }],
            });
            list(json!([device]), None)
        }
        ("/devices/delta", None, Some("latest")) => list(json!([]), delta("devices", 1)),
        ("/devices/delta", None, Some("d1")) => list(json!([]), delta("devices", 2)),
        ("/deviceManagement/managedDevices", None, None) => {
            if state.failed.insert("broken") {
                return status(500, &[]);
            }
            if later {
                let since = token("$filter").unwrap_or_default();
                assert!(since.starts_with("lastSyncDateTime gt 20"), "{asked:?}");
                return list(json!([]), None);
            }
            let now = jiff::Timestamp::now().to_string();
            let device = json!({
                "id": "i-1", "deviceName": "ADA-PC", "operatingSystem": "Windows", "osVersion": "10.0.22631.4460", "serialNumber": "PF3KX2M1",
                "azureADDeviceId": "7d1f2a5e-0c1b-4b2e-9f57-1c9a9b1d0001", "lastSyncDateTime": now, "enrolledDateTime": "2026-01-10T08:00:00Z",
                "userPrincipalName": "ada@acme.example", "emailAddress": "ada@acme.example", "model": "ThinkPad X1",
            });
            list(json!([device]), None)
        }
        ("/deviceManagement/detectedApps", None, None) => {
            let app = json!({ "id": "a-1", "displayName": "Mozilla Firefox (x64 en-US)", "version": "132.0.1", "publisher": "Mozilla",
                "managedDevices": [{ "id": "i-1" }] });
            list(json!([app]), None)
        }
        other => panic!("nobody asks Graph for {other:?}"),
    }
}

/// Microsoft's own types of what is asked for, as its metadata has them. They are public data and no part of the repository: they are in
/// `$REFIT_SHARED_DATA`, or beside it.
struct Types(Value);

impl Types {
    fn read() -> Option<Types> {
        let data = std::env::var_os("REFIT_SHARED_DATA").map(PathBuf::from);
        let data = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
        let path = data.join("schemas/msgraph_intune_v1.0_types.json");
        if !path.is_file() {
            println!("skipped: Microsoft's types are not at hand");
            return None;
        }
        Some(Types(serde_json::from_slice(&fs::read(path).unwrap()).unwrap()))
    }

    /// The type of a property or a relation, of a type or what it is based on.
    fn of(&self, named: &str, part: &str, name: &str) -> Option<&str> {
        let entity = &self.0[named];
        assert!(entity.is_object(), "Microsoft has no type {named}");
        match (entity[part][name].as_str(), entity["base"].as_str()) {
            (Some(found), _) => Some(found),
            (None, Some(base)) => self.of(base, part, name),
            (None, None) => None,
        }
    }

    #[track_caller]
    fn selects(&self, named: &str, names: &str) {
        for name in names.split(',') {
            assert!(self.of(named, "properties", name).is_some(), "{named} has no property {name}");
        }
    }

    /// A question has to be one that the types allow.
    fn allow(&self, asked: &Asked) {
        let path = asked.path.trim_start_matches("/v1.0").trim_end_matches("/delta");
        let named = match path {
            "/users" => "user",
            "/devices" => "device",
            "/deviceManagement/managedDevices" => "managedDevice",
            "/deviceManagement/detectedApps" => "detectedApp",
            _ => return assert!(path.ends_with("/token"), "{asked:?}"),
        };
        for (name, value) in &asked.query {
            match name.as_str() {
                "$select" => self.selects(named, value),
                "$filter" => {
                    let words: Vec<&str> = value.split(' ').collect();
                    let [property, "gt", time] = words[..] else { panic!("{value}") };
                    assert_eq!(self.of(named, "properties", property), Some("Edm.DateTimeOffset"), "{value}");
                    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{value}");
                }
                "$expand" => {
                    let (relation, inner) = value.split_once("($select=").unwrap();
                    let to =
                        self.of(named, "navigation", relation).unwrap_or_else(|| panic!("{named} has no {relation}"));
                    let to = to.trim_start_matches("Collection(").trim_start_matches("graph.").trim_end_matches(')');
                    // Managers and owners are objects of the directory; those that are asked for are users.
                    let to = if to == "directoryObject" { "user" } else { to };
                    self.selects(to, inner.trim_end_matches(')'));
                }
                "$top" => assert!(value.parse::<u32>().is_ok_and(|top| top <= 1000), "{value}"),
                "$skiptoken" | "$deltatoken" => {}
                other => panic!("Graph has no parameter {other}: {asked:?}"),
            }
        }
    }
}

/// What of the connectors is another for the double: the vendor's hosts.
const INSTEAD: [(&str, &str); 3] = [
    ("settings:\n", "settings:\n  url: { about: The double. }\n"),
    ("address: https://graph.microsoft.com/v1.0\n", "address: \"{url}/v1.0\"\n"),
    ("https://login.microsoftonline.com/", "{url}/"),
];

#[test]
fn entra_and_intune_are_one_company_read_through_graph_and_then_only_what_changes() {
    let later = Arc::new(AtomicBool::new(false));
    let (by_then, state) = (Arc::clone(&later), Mutex::new(Graph::default()));
    let server = Server::start(move |asked| graph(asked, &state, by_then.load(Ordering::SeqCst)));
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut policy = "organization: acme\n".to_owned();
    for vendor in ["entra-id", "intune"] {
        double(home, vendor, &INSTEAD);
        policy += &format!(
            "---\nsource: {vendor}\nconnector: {vendor}-double\nsettings: {{ tenant: acme.example, client_id: me }}\n"
        );
    }
    fs::write(home.join("acme/refit.yaml"), policy).unwrap();
    fs::write(home.join("secret"), "hush\n").unwrap();
    let refit = |arguments: &[&str]| -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command
            .arg("--json")
            .args(arguments)
            .current_dir(home)
            .env("REFIT_DATA", home.join("data"))
            .env("NO_PROXY", "*");
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
    };
    let sync = || {
        let connect = ["entra-id", "intune"].map(|source| format!("{source}={}", server.url));
        let mut arguments = vec!["sources", "sync", "acme"];
        arguments.extend(connect.iter().flat_map(|connect| ["--connect", connect.as_str()]));
        arguments.extend(["--secret", "entra-id.client_secret=secret", "--secret", "intune.client_secret=secret"]);
        let said = refit(&arguments);
        let result = |it: &Value| (it["result"].as_str().unwrap().to_owned(), it["records"].as_u64().unwrap());
        said.as_array().unwrap_or_else(|| panic!("{said}")).iter().map(result).collect::<Vec<_>>()
    };
    let read = |records: u64| ("read".to_owned(), records);
    // Three people and a device; a device and what was found on it.
    assert_eq!(sync(), [read(4), read(2)]);
    let tokens = server.paths().iter().filter(|path| path.ends_with("/token")).count();
    assert!(tokens > 2, "a token that ends early is renewed: {tokens}");

    let device = refit(&["device", "PF3KX2M1", "--policy", "acme"]);
    let sources: BTreeSet<&str> =
        device["records"].as_array().unwrap().iter().map(|it| it["source"].as_str().unwrap()).collect();
    assert_eq!(sources, BTreeSet::from(["entra-id", "intune"]), "{device}");
    assert_eq!(device["person"]["name"], "ada@acme.example");
    assert_eq!(field(&device, "device.os_version")["said"].as_array().unwrap().len(), 2, "both are kept: {device}");
    assert_eq!(device["disputes"]["device.os_version"], json!(["endpoint", "identity"]), "{device}");
    assert_eq!(device["installs"]["intune"], 1);

    later.store(true, Ordering::SeqCst);
    assert_eq!(sync(), [read(2), read(0)]);
    let ada = refit(&["person", "ada@acme.example", "--policy", "acme"]);
    assert_eq!(field(&ada, "person.department")["value"], "Security");
    assert_eq!(field(&ada, "person.division")["value"], "R&D", "what the change does not speak of stays");
    assert_eq!(field(&ada, "person.departments")["value"], json!(["Security", "R&D"]), "{ada}");
    assert_eq!(refit(&["person", "bob@acme.example"])["id"].as_str().unwrap().len(), 18);
    assert!(refit(&["person", "eve@acme.example"])["error"].as_str().unwrap().contains("no source has a person"));

    let Some(types) = Types::read() else { return };
    let asked = server.asked();
    asked.iter().for_each(|asked| types.allow(asked));
    for parameter in ["$select", "$filter", "$expand", "$top", "$deltatoken"] {
        assert!(asked.iter().any(|asked| asked.query.contains_key(parameter)), "nobody asked with {parameter}");
    }
}
