//! `refit compile --systems` against a double of Jamf Pro: what policies come to is there afterwards, and nothing else is touched.

mod double;
mod refusals;

use super::server::Asked;
use double::{Double, Fault, State};
use serde_json::{Value, json};
use std::{
    fs,
    process::{Command, Output},
};

const POLICY: &str = r#"organization: acme
defaults: { mode: enforce }
---
policy: chat
software: [slack]
deadline: [{ within: 14d }]
experience: { notify: 24h, relaunch: { mode: at_due } }
---
policy: meetings
software: [microsoft-teams]
deadline: [{ within: 14d }]
experience: { relaunch: { mode: at_due } }
---
policy: macos
software: [macos]
deadline: [{ within: 14d }]
experience: { reboot: { mode: at_due } }
---
target: jamf
kind: jamf-pro
owner: endpoint@acme.example
settings: { client_id: refit, titles: { slack: patch_policy, microsoft-teams: app_installer, macos: update_plan } }
"#;

/// Titles with an old and a new release, and Macs that have the old ones; the last one is up to date.
fn world(macs: usize) -> String {
    let release = |version: &str, published: &str, branch: Option<&str>| json!({ "version": version, "published": published, "branch": branch, "security": false });
    let title = |title: &str, scheme: &str, old: &str, new: &str, branch: Option<&str>| {
        let releases = [release(old, "2026-09-15T17:00:00Z", branch), release(new, "2026-11-16T17:00:00Z", branch)];
        json!({ "title": title, "scheme": scheme, "releases": releases })
    };
    let mut lines = vec![
        json!({ "format": "refit-world", "version": 1, "now": "2026-11-23T09:00:00Z" }),
        title("slack", "generic", "4.40.0", "4.41.0", None),
        title("microsoft-teams", "generic", "1.0", "2.0", None),
        title("macos", "apple", "26.0", "26.1", Some("26")),
    ];
    for number in 1..=macs {
        let facts = json!({ "device.platform": "macos", "device.os": "macos", "device.kind": "laptop",
                            "device.serial": serial(number) });
        lines.push(json!({
            "device": format!("mac-{number}"), "seen": "2026-11-23T08:00:00Z", "seen_by": "jamf", "enrolled": "2026-01-01T00:00:00Z",
            "zone": "Europe/Berlin", "facts": [{ "values": facts }], "installs": [[1_767_225_600, [0, 2, 4]]],
        }));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn serial(number: usize) -> String {
    format!("C02XK{number:04}")
}

/// A server that knows the Macs, and can install all that is wanted.
fn server(macs: usize) -> State {
    let computer = |number: usize| {
        json!({ "id": number.to_string(), "udid": format!("954F4D56-{number:04}"), "general": { "name": format!("Mac {number}") },
                "hardware": { "serialNumber": serial(number) } })
    };
    let title = json!({ "id": "7", "displayName": "Slack", "softwareTitleName": "Slack", "softwareTitleId": "C1",
                        "packages": [{ "packageId": "1", "version": "4.41.0", "displayName": "Slack-4.41.0.pkg" }] });
    State {
        token_lasts: 1_000,
        computers: (1..=macs).map(computer).collect(),
        titles: vec![(title, vec!["4.40.0", "4.41.0", "4.42.0"])],
        apps: vec![
            json!({ "id": "0AB", "titleName": "Microsoft Teams", "version": "2.0", "bundleId": "com.microsoft.teams2" }),
        ],
        macos: vec!["26.1", "26.0"],
        ..State::default()
    }
}

/// An organisation with its policies, and its server.
struct Company {
    home: tempfile::TempDir,
    jamf: Double,
}

impl Company {
    fn new(macs: usize) -> Company {
        Company::with(macs, server(macs))
    }

    fn with(macs: usize, state: State) -> Company {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("acme")).unwrap();
        let company = Company { home, jamf: Double::start(state) };
        company.write("acme/refit.yaml", POLICY);
        company.write("world.jsonl", &world(macs));
        company.write("secret", double::CLIENT.1);
        company
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.home.path().join(path), text).unwrap();
    }

    fn compile(&self, more: &[&str]) -> Output {
        let address = format!("jamf={}", self.jamf.server.url);
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command.args(["compile", "acme", "--world", "world.jsonl", "--systems", "--connect", &address]);
        command.args(["--secret", "jamf.client_secret=secret"]).args(more);
        command.current_dir(self.home.path()).env("NO_PROXY", "*").env("REFIT_DATA", self.home.path().join("data"));
        command.output().unwrap()
    }

    /// What is printed, on both ways; the exit status is as expected.
    fn says(&self, more: &[&str], status: i32) -> String {
        let output = self.compile(more);
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert_eq!(output.status.code(), Some(status), "{text}");
        text
    }

    fn applies(&self) -> String {
        self.says(&["--apply"], 0)
    }

    /// What was called to change something, and taken, since somebody last asked.
    fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.jamf.state().writes)
    }

    fn asked(&self, method: &str, path: &str) -> Vec<Asked> {
        let asked = self.jamf.server.asked().into_iter();
        asked.filter(|asked| asked.method == method && asked.path == path).collect()
    }
}

/// The only one of a sort, with its id.
fn only(things: &std::collections::BTreeMap<u64, Value>) -> (u64, Value) {
    assert_eq!(things.len(), 1, "{things:?}");
    things.iter().next().map(|(id, thing)| (*id, thing.clone())).unwrap()
}

#[test]
fn what_policies_come_to_is_there_afterwards_and_twice_is_once() {
    let company = Company::new(3);
    let told = company.applies();
    assert!(
        told.contains("+ patch policy refit-slack-all-")
            && told.contains("objects written and 0 taken away in Jamf Pro"),
        "{told}"
    );
    let patched = {
        let state = company.jamf.state();
        let (_, policy) = only(&state.policies);
        assert_eq!(policy["general"]["target_version"], "4.41.0");
        assert_eq!(policy["general"]["patch_unknown"], false);
        assert_eq!(policy["user_interaction"]["deadlines"], json!({ "deadline_enabled": true, "deadline_period": 14 }));
        let (_, deployment) = only(&state.deployments);
        let (smart, group) = only(&state.smart);
        assert_eq!(deployment["smartGroupId"], smart.to_string());
        assert_eq!((&deployment["selectedVersion"], &deployment["updateBehavior"]), (&json!("2.0"), &json!("MANUAL")));
        let names: Vec<&Value> = state.groups.values().map(|group| &group["name"]).collect();
        assert!(names.contains(&&group["criteria"][0]["value"]));
        assert_eq!(state.groups.len(), 3);
        for group in state.groups.values() {
            assert_eq!(group["assignments"], json!(["1", "2", "3"]));
        }
        let devices: Vec<&Value> = state.plans.iter().map(|plan| &plan["device"]["deviceId"]).collect();
        assert_eq!(devices, ["1", "2", "3"]);
        assert_eq!(state.plans[0]["forceInstallLocalDateTime"], "2026-12-07T10:00:00");
        let group = policy["scope"]["computer_groups"][0]["id"].as_u64().unwrap();
        state.groups[&group].clone()
    };
    assert!(patched["name"].as_str().unwrap().starts_with("refit-slack-all-"));
    assert_eq!(company.writes().len(), 7);
    let again = company.applies();
    assert!(again.contains("nothing to change") && again.contains("nothing to write"), "{again}");
    assert_eq!(company.writes(), Vec::<String>::new());
    // Without what is remembered, the mark says whose they are.
    fs::remove_dir_all(company.home.path().join("data")).unwrap();
    assert!(company.applies().contains("nothing to change"));
    assert_eq!(company.writes(), Vec::<String>::new());
}

#[test]
fn the_client_asks_for_a_token_by_its_credentials_and_renews_one_that_was_refused() {
    let company = Company::with(3, State { token_lasts: 4, ..server(3) });
    company.applies();
    let tokens = company.asked("POST", "/api/oauth/token").len();
    assert!(tokens >= 4, "{tokens}");
    assert_eq!(company.writes().len(), 7);
}

#[test]
fn a_change_of_the_policy_changes_what_is_there_and_nothing_else() {
    let company = Company::new(2);
    company.applies();
    company.writes();
    company.write("acme/refit.yaml", &POLICY.replacen("within: 14d", "within: 9d", 1));
    let told = company.applies();
    assert!(told.contains("~ user_interaction.deadlines.deadline_period: 14 → 9"), "{told}");
    let (id, policy) = only(&company.jamf.state().policies);
    assert_eq!(company.writes(), [format!("PUT /JSSResource/patchpolicies/id/{id}")]);
    assert_eq!(policy["user_interaction"]["deadlines"]["deadline_period"], 9);
    // What is the definition's stays.
    assert_eq!(policy["general"]["minimum_os"], "12.0");
}

#[test]
fn a_mac_that_comes_or_goes_changes_groups_and_gets_a_plan() {
    let company = Company::with(2, server(3));
    company.applies();
    company.writes();
    company.write("world.jsonl", &world(3));
    company.applies();
    let writes = company.writes();
    assert_eq!(
        writes.iter().filter(|write| write.starts_with("PUT /api/v3/computer-groups/static-groups/")).count(),
        3
    );
    assert_eq!(writes.iter().filter(|write| *write == "POST /api/v1/managed-software-updates/plans").count(), 1);
    let posted = company.asked("POST", "/api/v1/managed-software-updates/plans");
    let last: Value = serde_json::from_str(&posted.last().unwrap().body).unwrap();
    assert_eq!(last["devices"], json!([{ "deviceId": "3", "objectType": "COMPUTER" }]));
    assert!(company.jamf.state().plans.iter().all(|plan| plan["status"]["state"] == "DDMPlanScheduled"));
    company.applies();
    assert_eq!(company.writes(), Vec::<String>::new());
}

#[test]
fn macs_that_the_server_does_not_know_are_named() {
    let company = Company::with(3, server(2));
    let told = company.says(&[], 0);
    assert!(told.contains("mac-3"), "{told}");
    company.compile(&["--apply"]);
    assert!(company.jamf.state().groups.values().all(|group| group["assignments"] == json!(["1", "2"])));
}

#[test]
fn what_was_changed_by_hand_is_shown_and_undone_where_somebody_says_so() {
    let company = Company::new(2);
    company.applies();
    company.writes();
    {
        let mut state = company.jamf.state();
        let (id, _) = only(&state.policies);
        let policy = state.policies.get_mut(&id).unwrap();
        policy["general"]["enabled"] = json!(false);
        policy["scope"]["computers"] = json!([{ "id": 2 }]);
        let (id, _) = only(&state.deployments);
        state.deployments.get_mut(&id).unwrap()["updateBehavior"] = json!("AUTOMATIC");
    }
    let told = company.says(&["--drift", "--detailed-exitcode"], 4);
    assert!(
        told.contains("~ general.enabled: true → false")
            && told.contains("~ updateBehavior: \"MANUAL\" → \"AUTOMATIC\""),
        "{told}"
    );
    // Reported and left, unless the document or the command says otherwise.
    company.says(&["--apply"], 1);
    assert_eq!(company.writes(), Vec::<String>::new());
    company.says(&["--apply", "--revert"], 0);
    {
        let state = company.jamf.state();
        let (_, policy) = only(&state.policies);
        assert_eq!((&policy["general"]["enabled"], &policy["scope"]["computers"]), (&json!(true), &json!([])));
        assert_eq!(only(&state.deployments).1["updateBehavior"], "MANUAL");
    }
    assert_eq!(company.writes().len(), 2);
    company.says(&["--drift", "--detailed-exitcode"], 0);
}

#[test]
fn what_is_somebody_elses_stays_as_it_is() {
    let mut state = server(2);
    let theirs = json!({ "general": { "name": "Slack for sales", "enabled": true, "target_version": "4.41.0" },
                         "scope": {}, "user_interaction": {}, "software_title_configuration_id": 7 });
    state.policies.insert(900, theirs.clone());
    state.groups.insert(901, json!({ "name": "Lab", "description": "", "siteId": "-1", "assignments": ["1"] }));
    // It has Refit's name, and neither its mark nor its memory.
    let named = json!({ "name": "refit-of-the-lab", "description": "ask Ada", "siteId": "-1", "assignments": ["2"] });
    state.groups.insert(902, named.clone());
    let company = Company::with(2, state);
    company.applies();
    let told = company.applies();
    assert!(told.contains("patch policy “Slack for sales” is somebody else's"), "{told}");
    company.write("acme/refit.yaml", &POLICY.replace("mode: enforce", "mode: observe"));
    company.jamf.state().plans.clear();
    company.says(&["--apply", "--may-remove", "100"], 0);
    let state = company.jamf.state();
    assert_eq!(only(&state.policies), (900, theirs));
    assert_eq!(state.groups.keys().collect::<Vec<_>>(), [&901, &902]);
    assert_eq!(state.groups[&902], named);
    assert!(state.deployments.is_empty() && state.smart.is_empty());
}

#[test]
fn a_name_that_somebody_else_has_is_not_taken() {
    let company = Company::new(2);
    company.applies();
    let name = {
        let mut state = company.jamf.state();
        let name = only(&state.policies).1["general"]["name"].clone();
        *state = server(2);
        state.groups.insert(5, json!({ "name": name, "description": "ours", "siteId": "-1", "assignments": [] }));
        name
    };
    fs::remove_dir_all(company.home.path().join("data")).unwrap();
    let told = company.says(&["--apply"], 3);
    assert!(told.contains(name.as_str().unwrap()), "{told}");
    assert_eq!(company.jamf.state().groups[&5]["description"], "ours");
}

#[test]
fn what_goes_goes_in_its_order_and_no_more_than_somebody_permits() {
    let company = Company::new(2);
    company.applies();
    company.writes();
    company.write("acme/refit.yaml", &POLICY.replace("mode: enforce", "mode: observe"));
    let told = company.says(&["--apply"], 1);
    assert!(told.contains("Nothing was done") && told.contains("--may-remove"), "{told}");
    assert_eq!(company.writes(), Vec::<String>::new());
    // Plans are under way: no call takes them back.
    let told = company.says(&["--apply", "--may-remove", "8"], 1);
    assert!(told.contains("2 plans under way can't be taken back by a call"), "{told}");
    let gone: Vec<String> = company.writes();
    assert!(gone.iter().all(|write| write.starts_with("DELETE ")), "{gone:?}");
    assert_eq!(gone.len(), 5);
    // The deployment goes before the smart group that it names, which goes before the static groups.
    let place = |part: &str| gone.iter().position(|write| write.contains(part)).unwrap();
    assert!(place("/deployments/") < place("/smart-groups/") && place("/smart-groups/") < place("/static-groups/"));
    // It is said in every plan until they have ended: the group by which they are found stays so long.
    for _ in 0..2 {
        let told = company.says(&["--apply"], 1);
        assert!(told.contains("2 plans under way can't be taken back") && told.contains("are found by it"), "{told}");
    }
    assert_eq!(company.jamf.state().groups.len(), 1);
    company.jamf.state().plans.iter_mut().for_each(|plan| plan["status"]["state"] = json!("PlanCompleted"));
    let told = company.says(&["--apply", "--may-remove", "2"], 0);
    assert!(!told.contains("under way") && company.jamf.state().groups.is_empty(), "{told}");
    assert!(company.applies().contains("nothing to write"));
}

#[test]
fn where_a_server_is_has_to_be_said_once_by_whoever_holds_the_secret() {
    let company = Company::new(2);
    let url = company.jamf.server.url.clone();
    let there = POLICY.replace("settings: { client_id", &format!("settings: {{ url: \"{url}\", client_id"));
    company.write("acme/refit.yaml", &there);
    let without = |more: &[&str], status: i32| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command.args(["compile", "acme", "--world", "world.jsonl", "--systems"]);
        command.args(["--secret", "jamf.client_secret=secret"]).args(more);
        command
            .current_dir(company.home.path())
            .env("NO_PROXY", "*")
            .env("REFIT_DATA", company.home.path().join("data"));
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert_eq!(output.status.code(), Some(status), "{text}");
        text
    };
    let told = without(&[], 2);
    assert!(told.contains(&format!("`--connect jamf={url}`")), "{told}");
    assert!(company.jamf.server.asked().is_empty());
    company.applies();
    assert!(without(&["--apply"], 0).contains("nothing to change"));
    // Another address that a policy names is told nothing.
    company.write("acme/refit.yaml", &there.replace("127.0.0.1", "localhost"));
    without(&[], 2);
}

#[test]
fn a_server_is_tried_with_what_is_for_no_mac() {
    let company = Company::new(2);
    let address = format!("jamf={}", company.jamf.server.url);
    let output = Command::new(env!("CARGO_BIN_EXE_refit"))
        .args(["target", "verify", "jamf", "acme", "--connect", &address, "--secret", "jamf.client_secret=secret"])
        .args(["--out", "record.json"])
        .current_dir(company.home.path())
        .env("NO_PROXY", "*")
        .env("REFIT_DATA", company.home.path().join("data"))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("not tried: update plan: a plan needs a Mac"), "{text}");
    let record = fs::read_to_string(company.home.path().join("record.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["verdict"], "as_written");
    let made: Vec<&str> = record["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["step"] == "make")
        .map(|step| step["object"].as_str().unwrap())
        .collect();
    assert_eq!(made, ["static group", "smart group", "patch policy", "app installer"]);
    let state = company.jamf.state();
    assert!(
        state.groups.is_empty() && state.smart.is_empty() && state.policies.is_empty() && state.deployments.is_empty()
    );
    assert!(state.plans.is_empty());
}

#[test]
fn a_block_takes_everything_away_and_nobody_has_to_permit_it() {
    let company = Company::new(2);
    let slack = POLICY
        .replace("slack: patch_policy, microsoft-teams: app_installer, macos: update_plan", "slack: patch_policy");
    company.write("acme/refit.yaml", &slack);
    company.applies();
    assert_eq!(company.jamf.state().policies.len(), 1);
    let block = "block: it breaks\ntitle: slack\nreleases: \"=4.41.0\"\nwhy: Calls end.\nuntil: 2027-01-31\n";
    company.write("acme/blocks.yaml", block);
    let told = company.applies();
    assert!(told.contains("held by a block") && told.contains("2 taken away"), "{told}");
    assert!(company.jamf.state().policies.is_empty());
}

#[test]
fn what_is_awaited_takes_nothing_away() {
    let company = Company::new(2);
    company.applies();
    company.writes();
    company.jamf.state().titles[0].0["packages"] = json!([]);
    assert!(company.applies().contains("no package is assigned to 4.41.0"));
    assert_eq!(company.writes(), Vec::<String>::new());
    assert_eq!(company.jamf.state().policies.len(), 1);
}

#[test]
fn what_can_not_be_installed_is_awaited_and_the_rest_is_written() {
    let mut state = server(2);
    state.titles[0].0["packages"] = json!([]);
    state.macos = vec!["26.0"];
    let company = Company::with(2, state);
    let told = company.applies();
    assert!(
        told.contains("no package is assigned to 4.41.0 of the patch title “Slack”. For: endpoint@acme.example"),
        "{told}"
    );
    assert!(told.contains("macOS 26.1 is not among the updates that can be planned. For: Apple"), "{told}");
    let state = company.jamf.state();
    assert!(state.policies.is_empty() && state.plans.is_empty() && state.deployments.len() == 1);
}

#[test]
fn a_plan_that_is_in_the_way_is_told_and_tried_again_when_it_has_ended() {
    let mut state = server(1);
    state.plans.push(json!({ "planUuid": "theirs", "device": { "deviceId": "1", "objectType": "COMPUTER" }, "updateAction": "DOWNLOAD_ONLY",
        "versionType": "LATEST_ANY", "specificVersion": "NO_SPECIFIC_VERSION", "status": { "state": "SchedulingMDM", "errorReasons": [] } }));
    let company = Company::with(1, state);
    company.applies();
    company.writes();
    assert_eq!(company.jamf.state().plans[1]["status"]["state"], "PlanFailed");
    let told = company.applies();
    assert!(told.contains("1 plan failed: EXISTING_PLAN_FOR_DEVICE_IN_PROGRESS"), "{told}");
    company.jamf.state().plans[0]["status"]["state"] = json!("PlanCompleted");
    company.compile(&["--apply"]);
    assert_eq!(company.jamf.state().plans.last().unwrap()["status"]["state"], "DDMPlanScheduled");
    company.writes();
    assert!(!company.applies().contains("plan failed"));
    assert_eq!(company.writes(), Vec::<String>::new());
}

#[test]
fn too_many_requests_are_waited_for() {
    let company = Company::new(2);
    let wait = &[("retry-after", "1")];
    company.jamf.state().faults = vec![
        ("GET", "/static-groups", Fault::Status(429, wait)),
        ("POST", "/patchpolicies/", Fault::Status(429, wait)),
    ];
    company.applies();
    assert_eq!(company.writes().len(), 7);
}

#[test]
fn a_run_that_breaks_off_half_way_is_carried_on() {
    let company = Company::new(2);
    company.jamf.state().faults = vec![("POST", "/app-installers/deployments", Fault::Status(403, &[]))];
    let told = company.says(&["--apply"], 3);
    assert!(told.contains("were written, and what is to be done is remembered"), "{told}");
    let before = company.writes().len();
    assert!((1..7).contains(&before), "{before}");
    let told = company.applies();
    assert!(told.contains("the last run was broken off"), "{told}");
    assert_eq!(before + company.writes().len(), 7);
    let state = company.jamf.state();
    assert_eq!(
        (state.groups.len(), state.smart.len(), state.policies.len(), state.deployments.len(), state.plans.len()),
        (3, 1, 1, 1, 2)
    );
}

#[test]
fn an_error_of_the_server_half_way_makes_nothing_twice() {
    let company = Company::new(2);
    company.jamf.state().faults = vec![
        ("POST", "/static-groups", Fault::LostAnswer),
        ("POST", "/patchpolicies/", Fault::Status(500, &[])),
        ("POST", "/deployments", Fault::LostAnswer),
    ];
    company.applies();
    {
        let state = company.jamf.state();
        assert_eq!((state.groups.len(), state.policies.len(), state.deployments.len()), (3, 1, 1));
    }
    company.writes();
    company.applies();
    assert_eq!(company.writes(), Vec::<String>::new());
}

#[test]
fn what_the_client_may_not_do_is_said_before_anything_is_changed() {
    let mut state = server(2);
    state.forbidden.insert("/api/v2/patch-policies");
    let company = Company::with(2, state);
    let told = company.says(&["--apply"], 3);
    assert!(told.contains("403") && told.contains("target jamf"), "{told}");
    // What the target needs is more than what a source may read.
    assert!(told.contains("patch policies and App Installers; creates managed software updates"), "{told}");
    assert_eq!(company.writes(), Vec::<String>::new());
}
