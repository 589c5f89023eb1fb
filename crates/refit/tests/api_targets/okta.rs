//! Okta's device assurance policies: a double that keeps them, and refuses what Okta's OpenAPI document says that it refuses.

use super::{
    kept::{Do, Kept, Refusal, Trouble, answered, no},
    server::{Answer, Asked, Server, json as whole, pairs},
};
use serde_json::{Map, Value, json};
use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, MutexGuard},
};

const POLICIES: &str = "/api/v1/device-assurances";

/// The page of the document on which refusals stand.
const PAGE: &str = "https://developer.okta.com/docs/api/openapi/okta-management/management/tag/DeviceAssurance/";

#[derive(Default)]
struct Okta {
    kept: Kept,
    /// Policies that sign-in policies name.
    in_use: Vec<String>,
}

/// What every double of Okta does before it looks at what is asked: it gives tokens, makes trouble, and says refusals as Okta does.
pub trait OktaDouble {
    /// What it keeps, with the trouble that it is to make.
    fn kept(&mut self) -> &mut Kept;

    /// The scopes that have to be asked for.
    fn scopes(&self) -> &str;

    /// Does what is asked.
    fn carried_out(&mut self, asked: &Asked) -> Result<Answer, Refusal>;

    fn answer(&mut self, asked: &Asked) -> Answer {
        if asked.path == "/oauth2/v1/token" {
            assert_eq!(pairs(&asked.body)["scope"], self.scopes());
            return whole(json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": "t1" }));
        }
        assert_eq!(asked.headers["authorization"], "Bearer t1");
        match self.kept().trouble(asked) {
            Some(Trouble { then: Do::Refuse(status, wait), .. }) => return answered(status, wait),
            Some(Trouble { then: Do::LoseAnswer, .. }) => {
                let _ = self.carried_out(asked);
                return Answer::Nothing;
            }
            _ => {}
        }
        self.carried_out(asked).unwrap_or_else(|Refusal { status, page, why }| {
            let body = json!({ "errorCode": "E0000001", "errorSummary": format!("{why} ({page})"), "errorCauses": [] });
            Answer::Whole(status, vec![("content-type", "application/json".into())], body.to_string())
        })
    }
}

impl OktaDouble for Okta {
    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    fn scopes(&self) -> &str {
        "okta.deviceAssurance.read okta.deviceAssurance.manage"
    }

    fn carried_out(&mut self, asked: &Asked) -> Result<Answer, Refusal> {
        if asked.method != "GET" {
            self.kept.writes.push(format!("{} {}", asked.method, asked.path));
        }
        let id = asked.path.strip_prefix(POLICIES).unwrap().trim_start_matches('/');
        match (asked.method.as_str(), id) {
            ("GET", "") => Ok(whole(Value::from(self.kept.all(POLICIES).map(shown).collect::<Vec<_>>()))),
            ("POST", "") => {
                let fields = checked(&asked.body)?;
                Ok(whole(shown(&self.kept.add(POLICIES, fields))))
            }
            ("PUT", id) => {
                self.kept.find(POLICIES, id)?;
                let mut fields = checked(&asked.body)?;
                // It is replaced as a whole.
                fields.insert("id".to_owned(), id.into());
                *self.kept.find(POLICIES, id)? = Value::Object(fields);
                Ok(whole(shown(self.kept.find(POLICIES, id)?)))
            }
            ("DELETE", id) if self.in_use.iter().any(|used| used == id) => {
                Err(no(409, PAGE, "Device assurance is in use and cannot be deleted."))
            }
            ("DELETE", id) => self.kept.gone(POLICIES, id),
            other => panic!("nobody asks Okta for {other:?}"),
        }
    }
}

/// A record as Okta shows it.
fn shown(record: &Value) -> Value {
    let mut record = record.clone();
    let fields = record.as_object_mut().unwrap();
    fields.remove("@odata.etag");
    fields.insert("createdBy".to_owned(), "00u1".into());
    fields.insert("lastUpdate".to_owned(), "2026-11-23T09:00:00.000Z".into());
    fields.insert("_links".to_owned(), json!({ "self": { "href": "https://acme.okta.com" } }));
    record
}

fn checked(body: &str) -> Result<Map<String, Value>, Refusal> {
    let Ok(Value::Object(fields)) = serde_json::from_str(body) else {
        return Err(no(400, PAGE, "the body is no object"));
    };
    let wrong = |why: &str| Err(no(400, PAGE, why));
    for read_only in ["id", "createdBy", "createdDate", "lastUpdate", "lastUpdatedBy", "_links"] {
        if fields.contains_key(read_only) {
            return wrong(&format!("`{read_only}` is read-only"));
        }
    }
    if !fields.get("name").is_some_and(Value::is_string) {
        return wrong("`name` is missing");
    }
    let platforms = ["ANDROID", "CHROMEOS", "IOS", "MACOS", "WINDOWS"];
    if !fields.get("platform").is_some_and(|platform| platforms.iter().any(|it| platform == it)) {
        return wrong("there is no such platform");
    }
    if fields.contains_key("osVersion") && fields.contains_key("osVersionConstraints") {
        return wrong("osVersion and osVersionConstraints exclude each other");
    }
    if fields.contains_key("osVersionConstraints") && fields["platform"] != "WINDOWS" {
        return wrong("osVersionConstraints is for Windows only");
    }
    let kinds = ["BY_DATE_TIME", "BY_DURATION"];
    if fields.get("gracePeriod").is_some_and(|grace| !kinds.iter().any(|it| grace["type"] == *it)) {
        return wrong("there is no such kind of grace");
    }
    Ok(fields)
}

/// The connector of Okta for a double, in a company's folder, and the key with which it shows who it is.
pub fn connector(home: &Path) {
    let folder = home.join("acme/okta-double");
    fs::create_dir_all(&folder).unwrap();
    // The connector signs with RSA as Okta's own examples do; what signs is not what is looked at here.
    let connector = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors/okta/connector.yaml");
    let text = fs::read_to_string(connector).unwrap();
    let text = text.replacen("connector: okta\n", "connector: okta-double\n", 1);
    let text = text.replacen("    key: private_key\n", "    key: private_key\n    algorithm: ES256\n", 1);
    fs::write(folder.join("connector.yaml"), text).unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    fs::write(home.join("key.pem"), key).unwrap();
}

/// A fleet of Macs with these releases of macOS: 26.0, or 26.1.
pub fn macs(releases: &[usize]) -> String {
    let mut text = "{\"format\":\"refit-world\",\"version\":1,\"now\":\"2026-12-20T09:00:00Z\"}\n\
        {\"title\":\"macos\",\"scheme\":\"apple\",\"releases\":[\
        {\"version\":\"26.0\",\"published\":\"2026-09-15T17:00:00Z\",\"branch\":\"26\"},\
        {\"version\":\"26.1\",\"published\":\"2026-11-16T17:00:00Z\",\"branch\":\"26\"}]}\n"
        .to_owned();
    for (number, release) in releases.iter().enumerate() {
        text += &format!(
            "{{\"device\":\"mac-{number}\",\"seen\":\"2026-12-20T08:00:00Z\",\"seen_by\":\"agent\",\"enrolled\":\"2026-01-01T00:00:00Z\",\
             \"zone\":\"UTC\",\"facts\":[{{\"values\":{{\"device.platform\":\"macos\",\"device.os\":\"macos\"}}}}],\
             \"installs\":[[1767225600,[{release}]]]}}\n"
        );
    }
    text
}

/// A company with two Macs, one of which is late, and the double of its Okta.
struct Company {
    home: tempfile::TempDir,
    okta: Arc<Mutex<Okta>>,
    server: Server,
}

impl Company {
    fn new() -> Company {
        let okta = Arc::new(Mutex::new(Okta::default()));
        let of_server = Arc::clone(&okta);
        let server = Server::start(move |asked: &Asked| of_server.lock().unwrap().answer(asked));
        let home = tempfile::tempdir().unwrap();
        connector(home.path());
        let policy = "organization: acme\ndefaults: { mode: enforce }\n---\npolicy: macos\nsoftware: [macos]\ndeadline: [{ within: 14d }]\n---\n\
                      target: sign-in\nkind: okta-device-assurance\nsettings: { connector: okta-double, client_id: me }\n";
        fs::write(home.path().join("acme/refit.yaml"), policy).unwrap();
        let company = Company { home, okta, server };
        company.macs(&[0, 1]);
        company
    }

    fn okta(&self) -> MutexGuard<'_, Okta> {
        self.okta.lock().unwrap()
    }

    /// Macs with these releases of macOS: 26.0, or 26.1.
    fn macs(&self, releases: &[usize]) {
        fs::write(self.home.path().join("fleet.jsonl"), macs(releases)).unwrap();
    }

    fn refit(&self, more: &[&str]) -> (i32, String) {
        let connect = format!("sign-in={}", self.server.url);
        let always = [
            "compile",
            "acme",
            "--world",
            "fleet.jsonl",
            "--applied",
            "2026-01-01T00:00:00Z",
            "--systems",
            "--connect",
            &connect,
        ];
        let output = Command::new(env!("CARGO_BIN_EXE_refit"))
            .args([&always[..], &["--secret", "sign-in.private_key=key.pem"], more].concat())
            .current_dir(self.home.path())
            .env("REFIT_DATA", self.home.path().join("data"))
            .env("NO_PROXY", "*")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), said)
    }

    #[track_caller]
    fn ends(&self, exit: i32, more: &[&str], says: &str) {
        let (ended, said) = self.refit(more);
        assert!(ended == exit && said.contains(says), "{ended}: {said}");
    }

    fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.okta().kept.writes)
    }
}

#[test]
fn a_floor_is_made_raised_drifts_and_goes() {
    let company = Company::new();
    company.ends(0, &["--apply"], "1 object written");
    let policy = company.okta().kept.all(POLICIES).next().unwrap().clone();
    assert_eq!((&policy["name"], &policy["osVersion"]), (&json!("refit-macos"), &json!({ "minimum": "26.1" })));
    company.writes();
    company.ends(0, &["--apply"], "nothing to change");
    assert!(company.writes().is_empty());

    // Where everybody is late nobody is kept out, and the policy goes; what sign-in policies name can't be deleted.
    let id = policy["id"].as_str().unwrap().to_owned();
    company.okta().kept.change(
        POLICIES,
        &id,
        [("osVersion".to_owned(), json!({ "minimum": "25.0" })), ("secureHardwarePresent".to_owned(), true.into())],
    );
    company.ends(4, &["--drift", "--detailed-exitcode"], "~ osVersion.minimum: \"26.1\" → \"25.0\"");
    company.ends(1, &["--apply"], "changed by hand");
    company.ends(0, &["--apply", "--revert"], "1 object written");
    let policy = company.okta().kept.all(POLICIES).next().unwrap().clone();
    assert_eq!(policy["osVersion"], json!({ "minimum": "26.1" }));
    // What others have added is not Refit's, and stays.
    assert_eq!(policy["secureHardwarePresent"], true);

    company.macs(&[0]);
    company.okta().in_use.push(id);
    company.ends(1, &["--apply"], "`--may-remove 1` permits it");
    company.ends(3, &["--apply", "--may-remove", "1"], "Device assurance is in use and cannot be deleted");
    company.okta().in_use.clear();
    company.ends(0, &["--apply", "--may-remove", "1"], "1 taken away");
    assert_eq!(company.okta().kept.count(POLICIES), 0);
}

#[test]
fn a_tenant_is_tried_with_policies_that_nobody_names() {
    let company = Company::new();
    let theirs = json!({ "name": "refit-macos", "platform": "MACOS", "osVersion": { "minimum": "14" } });
    company.okta().kept.add(POLICIES, theirs.as_object().unwrap().clone());
    let connect = format!("sign-in={}", company.server.url);
    let output = Command::new(env!("CARGO_BIN_EXE_refit"))
        .args(["target", "verify", "sign-in", "acme", "--connect", &connect, "--secret", "sign-in.private_key=key.pem"])
        .args(["--json"])
        .current_dir(company.home.path())
        .env("REFIT_DATA", company.home.path().join("data"))
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8(output.stderr).unwrap());
    let record: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&record["verdict"], &record["left"]), (&json!("as_written"), &json!([])));
    let path = "/api/v1/device-assurances";
    let gone = format!("{path}/{{id}}");
    let writes: Vec<(String, String)> = record["steps"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|step| step["calls"].as_array().unwrap())
        .filter(|call| call["method"] != "GET")
        .map(|call| (call["method"].as_str().unwrap().to_owned(), call["path"].as_str().unwrap().to_owned()))
        .collect();
    let expected =
        [("POST", path), ("POST", path), ("PUT", &gone), ("PUT", &gone), ("DELETE", &gone), ("DELETE", &gone)];
    assert_eq!(writes, expected.map(|(method, path)| (method.to_owned(), path.to_owned())));
    // What was there is there, as it was.
    assert_eq!(company.okta().kept.count(POLICIES), 1);
}

#[test]
fn what_is_somebody_elses_stays_whatever_it_is_called() {
    let company = Company::new();
    let theirs = json!({ "name": "refit-macos", "platform": "MACOS", "osVersion": { "minimum": "14" } });
    company.okta().kept.add(POLICIES, theirs.as_object().unwrap().clone());
    company.ends(1, &["--apply", "--revert"], "has Refit's name, was not written by this target, and stays");
    assert!(company.writes().is_empty());
}

#[test]
fn an_answer_that_is_lost_and_a_limit_make_no_second_policy() {
    let company = Company::new();
    company.okta().kept.bad_day("GET", POLICIES, Do::Refuse(429, Some(1)));
    company.okta().kept.bad_day("POST", POLICIES, Do::LoseAnswer);
    company.ends(0, &["--apply"], "1 object written");
    assert!(company.okta().kept.troubles.is_empty());
    assert_eq!(company.okta().kept.count(POLICIES), 1);
    company.ends(0, &["--apply"], "nothing to change");
}

#[test]
fn what_oktas_document_refuses_is_refused() {
    let good = json!({ "name": "x", "platform": "MACOS", "osVersion": { "minimum": "26.1" } });
    let refused = |more: Value| {
        let mut policy = good.as_object().unwrap().clone();
        policy.extend(more.as_object().unwrap().clone());
        policy.retain(|_, value| !value.is_null());
        checked(&Value::Object(policy).to_string()).err()
    };
    assert!(refused(json!({})).is_none());
    for bad in [
        json!({ "name": null }),
        json!({ "platform": "BEOS" }),
        json!({ "id": "x" }),
        json!({ "platform": "WINDOWS", "osVersionConstraints": [] }),
        json!({ "osVersion": null, "osVersionConstraints": [] }),
        json!({ "gracePeriod": { "type": "FOR_EVER" } }),
    ] {
        let refusal = refused(bad.clone()).unwrap_or_else(|| panic!("{bad}"));
        assert!(refusal.status == 400 && refusal.page == PAGE, "{bad}");
    }
}
