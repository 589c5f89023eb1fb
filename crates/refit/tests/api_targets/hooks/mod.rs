//! Okta's hooks: made, verified, carrying a secret that nobody is shown, drifted, and taken away.

pub mod double;

use super::okta::OktaDouble as _;
use super::{
    kept::Do,
    okta::{connector, macs},
    server::{Asked, Server},
};
use double::{EVENTS, INLINE, Okta};
use serde_json::json;
use std::{
    fs,
    process::Command,
    sync::{Arc, Mutex, MutexGuard},
};

const SCOPES: &str = "okta.eventHooks.read okta.eventHooks.manage okta.inlineHooks.read okta.inlineHooks.manage";

const HOOKS: &str = "server: https://refit.acme.example, events: { secret: events }, \
                     inline: { token: posture, saml: posture, registration: joining, import: joining }";

/// The texts of the secrets at the beginning, by the names that the policy has for them.
const SECRETS: [(&str, &str); 3] =
    [("events", "refit_hush_events"), ("posture", "refit_hush_posture"), ("joining", "refit_hush_joining")];

/// A company with a target in Okta, and the double of that.
pub struct Company {
    pub home: tempfile::TempDir,
    pub okta: Arc<Mutex<Okta>>,
    server: Server,
    /// The secrets that are handed in.
    secrets: Vec<&'static str>,
}

impl Company {
    fn new() -> Company {
        let company = Company::with("okta-hooks", SCOPES, SECRETS.map(|(name, _)| name).to_vec(), HOOKS);
        SECRETS.iter().for_each(|(name, text)| company.secret(name, text));
        company
    }

    /// A company with a target of this kind.
    pub fn with(kind: &str, scopes: &'static str, secrets: Vec<&'static str>, settings: &str) -> Company {
        let okta = Arc::new(Mutex::new(Okta::new(scopes)));
        let of_server = Arc::clone(&okta);
        let server = Server::start(move |asked: &Asked| of_server.lock().unwrap().answer(asked));
        let home = tempfile::tempdir().unwrap();
        connector(home.path());
        fs::write(home.path().join("fleet.jsonl"), macs(&[0, 1])).unwrap();
        let company = Company { home, okta, server, secrets };
        company.settings(kind, settings);
        company
    }

    /// Writes the target's document.
    pub fn settings(&self, kind: &str, settings: &str) {
        let text = format!(
            "organization: acme\ndefaults: {{ mode: enforce }}\n---\npolicy: macos\nsoftware: [macos]\ndeadline: [{{ within: 14d }}]\n---\n\
             target: okta\nkind: {kind}\nsettings: {{ connector: okta-double, client_id: me, {settings} }}\n"
        );
        fs::write(self.home.path().join("acme/refit.yaml"), text).unwrap();
    }

    fn hooks(&self, settings: &str) {
        self.settings("okta-hooks", &format!("server: https://refit.acme.example, {settings}"));
    }

    fn secret(&self, name: &str, text: &str) {
        fs::write(self.home.path().join(format!("{name}.secret")), format!("{text}\n")).unwrap();
    }

    pub fn okta(&self) -> MutexGuard<'_, Okta> {
        self.okta.lock().unwrap()
    }

    fn refit(&self, more: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command.args(["compile", "acme", "--world", "fleet.jsonl", "--applied", "2026-01-01T00:00:00Z", "--systems"]);
        command.args(["--connect", &format!("okta={}", self.server.url), "--secret", "okta.private_key=key.pem"]);
        for name in &self.secrets {
            command.args(["--secret", &format!("okta.{name}={name}.secret")]);
        }
        let output = command
            .args(more)
            .current_dir(self.home.path())
            .env("REFIT_DATA", self.home.path().join("data"))
            .env("NO_PROXY", "*")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        // Wherever a test looks, no secret is shown, and none is written down.
        let record = fs::read_to_string(self.home.path().join("data/targets/okta.json")).unwrap_or_default();
        assert!(!said.contains("hush") && !record.contains("hush"), "{said}{record}");
        (output.status.code().unwrap(), said)
    }

    #[track_caller]
    pub fn ends(&self, exit: i32, more: &[&str], says: &str) -> String {
        let (ended, said) = self.refit(more);
        assert!(ended == exit && said.contains(says), "{ended}: {said}");
        said
    }

    /// How many event hooks and inline hooks there are.
    fn count(&self) -> (usize, usize) {
        let okta = self.okta();
        (okta.names(EVENTS).len(), okta.names(INLINE).len())
    }

    /// What was written since it was last asked: methods and what follows the lists, with the names of records in the places of their ids.
    pub fn writes(&self) -> Vec<String> {
        let mut okta = self.okta();
        let mut writes = std::mem::take(&mut okta.kept.writes);
        for list in [EVENTS, INLINE, double::PROVIDERS] {
            for record in okta.kept.all(list) {
                let (id, name) = (record["id"].as_str().unwrap(), record["name"].as_str().unwrap());
                writes.iter_mut().for_each(|write| *write = write.replace(id, name.trim_start_matches("refit-okta-")));
            }
        }
        writes.iter().map(|write| write.replace("/api/v1/", "")).collect()
    }
}

#[test]
fn hooks_are_made_verified_and_stay_as_they_are() {
    let company = Company::new();
    let said = company.ends(4, &["--detailed-exitcode"], "Plan: 5 to add, 0 to change, 0 to remove");
    assert!(said.contains("+ secret.name = \"posture\"") && said.contains("+ secret.version = 1"), "{said}");
    assert_eq!(company.writes(), Vec::<String>::new());
    company.ends(0, &["--apply"], "5 objects written");
    assert_eq!(
        company.writes(),
        [
            "POST eventHooks",
            "POST eventHooks/events/lifecycle/verify",
            "POST inlineHooks",
            "POST inlineHooks",
            "POST inlineHooks",
            "POST inlineHooks"
        ]
    );
    {
        let okta = company.okta();
        let events = okta.named(EVENTS, "refit-okta-events");
        assert_eq!((&events["status"], &events["verificationStatus"]), (&json!("ACTIVE"), &json!("VERIFIED")));
        assert_eq!(okta.carried(EVENTS, "refit-okta-events"), "Bearer refit_hush_events");
        for (hook, carries) in
            [("token", "posture"), ("saml", "posture"), ("registration", "joining"), ("import", "joining")]
        {
            let name = format!("refit-okta-{hook}");
            assert_eq!(okta.carried(INLINE, &name), format!("Bearer refit_hush_{carries}"));
            let uri = format!("https://refit.acme.example/okta/okta/{hook}");
            assert_eq!(okta.named(INLINE, &name)["channel"]["config"]["uri"], uri.as_str());
        }
    }
    company.ends(0, &["--apply"], "nothing to change");
    company.ends(0, &["--json"], "\"changes\"");
    assert_eq!(company.writes(), Vec::<String>::new());
}

#[test]
fn a_secret_that_is_another_one_is_written_again_and_that_is_said() {
    let company = Company::new();
    company.ends(0, &["--apply"], "5 objects written");
    company.writes();
    company.secret("posture", "refit_hush_new");
    let said = company.ends(4, &["--detailed-exitcode"], "~ secret.version: 1 → 2");
    assert!(said.contains("the secret `posture` is another one than was written"), "{said}");
    assert!(said.contains("Plan: 0 to add, 2 to change"), "{said}");
    // Who plans writes nothing down, and knows it the next time as well.
    company.ends(0, &["--apply"], "2 objects written");
    assert_eq!(company.writes(), ["PUT inlineHooks/saml", "PUT inlineHooks/token"]);
    assert_eq!(company.okta().carried(INLINE, "refit-okta-token"), "Bearer refit_hush_new");
    company.ends(0, &["--apply"], "nothing to change");
    // Another name with the same text in it is another secret as well: whoever names it knows why.
    company.secret("joining", "refit_hush_new");
    company.hooks(
        "events: { secret: events }, inline: { token: joining, saml: posture, registration: joining, import: joining }",
    );
    company.ends(0, &["--apply"], "3 objects written");
    // An event hook that carries another secret has to be verified again.
    company.writes();
    company.secret("events", "refit_hush_other");
    company.ends(0, &["--apply"], "1 object written");
    assert_eq!(company.writes(), ["PUT eventHooks/events", "POST eventHooks/events/lifecycle/verify"]);
}

#[test]
fn what_is_done_by_hand_is_seen_and_undone_where_that_is_wanted() {
    let company = Company::new();
    company.ends(0, &["--apply"], "5 objects written");
    company.writes();
    {
        let mut okta = company.okta();
        okta.by_hand(EVENTS, "refit-okta-events", "/events/items", json!(["user.lifecycle.create"]));
        okta.by_hand(INLINE, "refit-okta-token", "/status", json!("INACTIVE"));
        okta.by_hand(INLINE, "refit-okta-saml", "/channel/config/uri", json!("https://elsewhere.example"));
        okta.by_hand(
            INLINE,
            "refit-okta-saml",
            "/channel/config/headers",
            json!([{ "key": "x-theirs", "value": "1" }]),
        );
    }
    let said = company.ends(4, &["--drift", "--detailed-exitcode"], "inline hook refit-okta-token");
    assert!(
        said.contains("~ status: \"ACTIVE\" → \"INACTIVE\"") && said.contains("https://elsewhere.example"),
        "{said}"
    );
    company.ends(1, &["--apply"], "changed by hand");
    assert_eq!(company.writes(), Vec::<String>::new());
    company.ends(0, &["--apply", "--revert"], "3 objects written");
    assert_eq!(
        company.writes(),
        [
            "PUT eventHooks/events",
            "POST eventHooks/events/lifecycle/verify",
            "PUT inlineHooks/saml",
            "POST inlineHooks/token/lifecycle/activate"
        ]
    );
    let saml = company.okta().named(INLINE, "refit-okta-saml");
    // What others have added is not Refit's, and stays; what the hook carries is there again.
    assert_eq!(saml["channel"]["config"]["headers"], json!([{ "key": "x-theirs", "value": "1" }]));
    assert_eq!(company.okta().carried(INLINE, "refit-okta-saml"), "Bearer refit_hush_posture");
    company.ends(0, &["--apply"], "nothing to change");
}

#[test]
fn a_hook_that_has_to_be_verified_again_is_nobodys_drift() {
    let company = Company::new();
    company.ends(0, &["--apply"], "5 objects written");
    company.writes();
    company.okta().by_hand(EVENTS, "refit-okta-events", "/verificationStatus", json!("UNVERIFIED"));
    company.ends(0, &["--drift", "--detailed-exitcode"], "nothing was changed by hand");
    company.ends(0, &["--apply"], "1 object written");
    assert_eq!(company.writes(), ["POST eventHooks/events/lifecycle/verify"]);
}

#[test]
fn what_is_not_asked_for_any_more_is_switched_off_and_goes() {
    let company = Company::new();
    company.ends(0, &["--apply"], "5 objects written");
    company.writes();
    company.hooks("inline: { token: posture, registration: joining }");
    // A secret that nothing carries any more need not be handed in.
    let company = Company { secrets: vec!["posture", "joining"], ..company };
    let said = company.ends(0, &["--apply"], "3 taken away");
    assert!(said.contains("- event hook refit-okta-events"), "{said}");
    let writes: Vec<String> =
        company.writes().iter().map(|write| write.split('/').next().unwrap().to_owned()).collect();
    let twice = |list: &str| [format!("POST {list}"), format!("DELETE {list}")];
    assert_eq!(writes, [twice("inlineHooks"), twice("inlineHooks"), twice("eventHooks")].concat());
    assert_eq!(company.count(), (0, 2));
    // All of it never goes by itself.
    let company = Company { secrets: Vec::new(), ..company };
    company.settings("okta-hooks", "server: https://refit.acme.example");
    company.ends(1, &["--apply"], "neither `events` nor `inline` is there");
    company.hooks("inline: {}");
    company.ends(1, &["--apply"], "`--may-remove 2` permits it");
    assert_eq!(company.okta().names(INLINE).len(), 2);
    company.ends(0, &["--apply", "--may-remove", "2"], "2 taken away");
    assert!(company.okta().names(INLINE).is_empty());
}

#[test]
fn a_run_that_is_broken_off_goes_on_where_it_was() {
    let company = Company::new();
    // Okta can't reach Refit: the hook is there, and sends nothing.
    company.okta().reachable = false;
    company.ends(3, &["--apply"], "the outbound request to the event hook failed");
    assert_eq!(company.okta().named(EVENTS, "refit-okta-events")["verificationStatus"], "UNVERIFIED");
    company.okta().reachable = true;
    company.writes();
    company.ends(0, &["--apply"], "5 objects written");
    assert_eq!(company.okta().names(EVENTS).len(), 1);
    company.ends(0, &["--apply"], "nothing to change");

    // The address was written, and could not be verified.
    company.okta().reachable = false;
    company.hooks(
        "source: okta2, events: { secret: events }, inline: { token: posture, saml: posture, registration: joining, import: joining }",
    );
    company.ends(3, &["--apply"], "0 of 5 objects were written");
    company.okta().reachable = true;
    company.ends(0, &["--apply"], "the last run was broken off");
    let uri = "https://refit.acme.example/okta/okta2/events";
    assert_eq!(company.okta().named(EVENTS, "refit-okta-events")["channel"]["config"]["uri"], uri);
    company.ends(0, &["--apply"], "nothing to change");

    // It was switched off, and did not go.
    company.hooks("inline: { saml: posture, registration: joining, import: joining }");
    let company = Company { secrets: vec!["posture", "joining"], ..company };
    company.okta().kept.bad_day("DELETE", INLINE, Do::Refuse(403, None));
    company.ends(3, &["--apply"], "inline hook refit-okta-token");
    assert_eq!(company.okta().named(INLINE, "refit-okta-token")["status"], "INACTIVE");
    company.ends(0, &["--apply"], "2 taken away");
    assert_eq!(company.count(), (0, 3));
}

#[test]
fn an_answer_that_is_lost_a_limit_and_a_bad_moment_make_no_second_hook() {
    let company = Company::new();
    {
        let kept = &mut company.okta().kept;
        kept.bad_day("GET", EVENTS, Do::Refuse(429, Some(1)));
        kept.bad_day("POST", EVENTS, Do::LoseAnswer);
        kept.bad_day("POST", EVENTS, Do::LoseAnswer);
        kept.bad_day("POST", INLINE, Do::Refuse(500, None));
        kept.bad_day("POST", INLINE, Do::LoseAnswer);
    }
    company.ends(0, &["--apply"], "5 objects written");
    assert!(company.okta().kept.troubles.is_empty());
    assert_eq!(company.count(), (1, 4));
    company.ends(0, &["--apply"], "nothing to change");
}

#[test]
fn what_is_somebody_elses_stays_whatever_it_is_called() {
    let company = Company::new();
    {
        let mut okta = company.okta();
        let config =
            json!({ "uri": "https://theirs.example", "authScheme": { "type": "HEADER", "key": "authorization" } });
        let channel = json!({ "type": "HTTP", "version": "1.0.0", "config": config });
        let events = json!({ "type": "EVENT_TYPE", "items": ["user.session.start"] });
        let event = json!({
            "name": "refit-okta-events", "description": "Theirs.", "status": "ACTIVE", "verificationStatus": "VERIFIED", "events": events,
            "channel": channel,
        });
        okta.kept.add(EVENTS, event.as_object().unwrap().clone());
        let inline = json!({
            "name": "refit-okta-token", "status": "ACTIVE", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0", "channel": channel,
        });
        okta.kept.add(INLINE, inline.as_object().unwrap().clone());
        let other = json!({
            "name": "Payroll", "status": "ACTIVE", "type": "com.okta.import.transform", "version": "1.0.0", "channel": channel,
        });
        okta.kept.add(INLINE, other.as_object().unwrap().clone());
    }
    let said = company.ends(1, &["--apply", "--revert"], "3 objects written");
    for id in ["event hook refit-okta-events", "inline hook refit-okta-token"] {
        assert!(said.contains(&format!("{id} has Refit's name, was not written by this target, and stays")), "{said}");
    }
    let okta = company.okta();
    assert_eq!(okta.named(EVENTS, "refit-okta-events")["description"], "Theirs.");
    assert_eq!(okta.named(INLINE, "refit-okta-token")["channel"]["config"]["uri"], "https://theirs.example");
    assert_eq!(okta.names(INLINE).len(), 5);
}

#[test]
fn without_the_record_an_event_hook_is_known_by_its_mark_and_nothing_is_made_twice() {
    let company = Company::new();
    company.ends(0, &["--apply"], "5 objects written");
    company.writes();
    fs::remove_file(company.home.path().join("data/targets/okta.json")).unwrap();
    let said = company.ends(1, &["--apply"], "was not written by Refit, as far as is remembered");
    assert!(said.contains("inline hook refit-okta-token has Refit's name"), "{said}");
    assert_eq!(company.writes(), Vec::<String>::new());
    company.ends(1, &["--apply", "--revert"], "1 object written");
    assert_eq!(company.writes(), ["PUT eventHooks/events", "POST eventHooks/events/lifecycle/verify"]);
    // What a lost answer once left twice goes, as far as its mark says whose it is.
    let twin = company.okta().named(EVENTS, "refit-okta-events").as_object().unwrap().clone();
    company.okta().kept.add(EVENTS, twin);
    company.ends(1, &["--apply"], "1 taken away");
    assert_eq!(company.okta().names(EVENTS).len(), 1);
}

#[test]
fn okta_takes_no_more_hooks_than_it_says_and_that_is_told_before() {
    let company = Company::new();
    for number in 0..50 {
        let channel = json!({ "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://theirs.example" } });
        let hook = json!({
            "name": format!("Theirs {number}"), "status": "ACTIVE", "type": "com.okta.import.transform", "version": "1.0.0", "channel": channel,
        });
        company.okta().kept.add(INLINE, hook.as_object().unwrap().clone());
    }
    company.ends(0, &[], "Okta permits 50 inline hooks, and 50 are there");
    company.ends(3, &["--apply"], "limited to 50");
    assert_eq!(company.count(), (1, 50));
}

#[test]
fn a_system_that_repeats_what_it_refuses_shows_nobody_a_secret() {
    let company = Company::new();
    company.okta().repeats = true;
    let said = company.ends(3, &["--apply"], "this is refused");
    assert!(said.contains("Bearer …"), "{said}");
}

#[test]
fn what_is_missing_is_said_before_anything_is_asked() {
    let company = Company::new();
    let company = Company { secrets: vec!["events", "posture"], ..company };
    company.ends(2, &["--apply"], "`--secret okta.joining=FILE`");
    let company = Company { secrets: SECRETS.map(|(name, _)| name).to_vec(), ..company };
    company.secret("joining", "refit_one\nrefit_two");
    company.ends(2, &["--apply"], "a secret is one line of ASCII");
    company.secret("joining", "");
    company.ends(2, &["--apply"], "the file is empty");
    company.hooks("events: { secret: private_key }");
    company.ends(1, &["--apply"], "give the other secret another name");
    company.settings("okta-hooks", "events: { secret: events }");
    company.ends(1, &["--apply"], "`server` is missing");
    assert_eq!(company.writes(), Vec::<String>::new());
}
