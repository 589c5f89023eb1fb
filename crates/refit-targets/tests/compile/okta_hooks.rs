//! Okta's hooks, and Refit as a provider of security events there.

#[path = "okta/types.rs"]
mod types;

use crate::company::{compiled, objects, repository, workspace};
use refit_core::policy::repository::Repository;
use refit_targets::{Identity, Target, api::Body, registry};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TYPES: &str = include_str!("okta/hooks.json");

fn types() -> Value {
    serde_json::from_str(TYPES).unwrap()
}

fn target(kind: &str) -> &'static dyn Target {
    *registry().iter().find(|target| target.kind() == kind).unwrap()
}

fn everything() -> Repository {
    repository("", "policy: p\nsoftware: [macos]\nwhere: device.kind != \"phone\"\ndeadline: [{ within: 14d }]\n")
}

#[test]
fn what_is_sent_is_as_oktas_types_want_it() {
    let plan = compiled(&everything());
    let mut seen = BTreeMap::new();
    for (name, kind) in [("okta", "okta-hooks"), ("signals", "okta-shared-signals")] {
        let api = target(kind).api().unwrap();
        for (id, object) in objects(&plan, name) {
            let calls = api.create(id, &object.fields);
            let Body::Json(body) = &calls[0].body else { panic!("{calls:?}") };
            let of = match id.kind.as_str() {
                "event hook" => "EventHook",
                "inline hook" => "InlineHookCreate",
                _ => "SecurityEventsProviderRequest",
            };
            assert_eq!(types::wrong(&types(), of, body), Vec::<String>::new(), "{body:#}");
            assert!(calls[0].makes && calls[1..].iter().all(|call| call.body == Body::Nothing));
            seen.insert(id.name.clone(), body.clone());
        }
    }
    let names: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "refit-okta-events",
            "refit-okta-import",
            "refit-okta-registration",
            "refit-okta-saml",
            "refit-okta-token",
            "refit-signals"
        ]
    );
    let events = &seen["refit-okta-events"];
    assert_eq!(events["description"], "Written by Refit for target okta of acme: change the policy instead.");
    assert_eq!(events["channel"]["config"]["uri"], "https://refit.acme.example/okta/okta-events/events");
    assert_eq!(events["channel"]["config"]["authScheme"]["value"], "Bearer [secret of events]");
    let token = &seen["refit-okta-token"];
    assert_eq!(
        (&token["type"], &token["channel"]["config"]["uri"]),
        (&json!("com.okta.oauth2.tokens.transform"), &json!("https://refit.acme.example/okta/okta/token"))
    );
    let well_known = json!({ "well_known_url": "https://refit.acme.example/.well-known/ssf-configuration" });
    assert_eq!(seen["refit-signals"]["settings"], well_known);
}

#[test]
fn what_breaks_oktas_types_is_found() {
    let config =
        json!({ "uri": "https://r", "authScheme": { "type": "HEADER", "key": "authorization", "value": "x" } });
    let channel = json!({ "type": "HTTP", "version": "1.0.0", "config": config });
    let event = json!({ "name": "n", "events": { "type": "EVENT_TYPE", "items": ["a"] }, "channel": channel });
    let inline = json!({ "name": "n", "type": "com.okta.import.transform", "version": "1.0.0", "channel": channel });
    let provider = json!({ "name": "n", "type": "okta", "settings": { "issuer": "i", "jwks_url": "https://r/keys" } });
    let changed = |good: &Value, path: &str, to: Value| {
        let mut bad = good.clone();
        let (parent, last) = path.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(last.to_owned(), to);
        bad
    };
    for (of, good) in
        [("EventHook", &event), ("InlineHookCreate", &inline), ("SecurityEventsProviderRequest", &provider)]
    {
        assert_eq!(types::wrong(&types(), of, good), Vec::<String>::new());
    }
    for (of, bad) in [
        ("EventHook", changed(&event, "/status", json!("ACTIVE"))),
        ("EventHook", changed(&event, "/verificationStatus", json!("VERIFIED"))),
        ("EventHook", changed(&event, "/secret", json!({}))),
        ("EventHook", changed(&event, "/events/type", json!("FLOW_EVENT"))),
        ("EventHook", changed(&event, "/events/items", json!("a"))),
        ("EventHook", changed(&event, "/channel/config/method", json!("POST"))),
        ("InlineHookCreate", changed(&inline, "/type", json!("com.okta.coffee"))),
        ("InlineHookCreate", changed(&inline, "/name", json!("n".repeat(256)))),
        ("InlineHookCreate", changed(&inline, "/channel/type", json!("PIGEON"))),
        ("InlineHookCreate", changed(&inline, "/channel/config/authScheme/secret", json!("x"))),
        ("InlineHookReplace", inline.clone()),
        ("SecurityEventsProviderRequest", changed(&provider, "/settings/well_known_url", json!("https://r"))),
        ("SecurityEventsProviderRequest", changed(&provider, "/settings", json!({ "issuer": "i" }))),
    ] {
        assert!(!types::wrong(&types(), of, &bad).is_empty(), "{of} {bad}");
    }
}

#[test]
fn what_is_lost_at_a_sign_in_is_said_with_the_policy_that_says_it() {
    let plan = compiled(&everything());
    let lost = |name: &str| -> Vec<String> {
        let plan = plan.targets.iter().find(|plan| plan.name == name).unwrap();
        plan.desired.lost.iter().map(|lost| format!("{} {}", lost.from, lost.loss.intent)).collect()
    };
    assert_eq!(lost("okta"), ["p (patch.yaml:1) where"]);
    assert_eq!(lost("signals"), ["p (patch.yaml:1) (a return)", "p (patch.yaml:1) refit halt"]);
}

/// The documents in the guide are those that people copy.
#[test]
fn the_documents_of_the_guide_come_to_hooks_and_a_provider() {
    let guide = std::fs::read_to_string(workspace().join("docs/guides/okta.md")).unwrap();
    let blocks = guide.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    // They stand in lists, with a margin.
    let plain = |block: &str| -> String {
        block.lines().map(|line| line.strip_prefix("   ").unwrap_or(line).to_owned() + "\n").collect()
    };
    let blocks: Vec<String> = blocks.map(plain).filter(|block| block.starts_with("target: ")).collect();
    let plan = compiled(&repository("", &blocks.join("---\n")));
    let of_guide = || plan.targets.iter().filter(|plan| plan.name.starts_with("okta-"));
    let made: Vec<&Identity> = of_guide().flat_map(|plan| plan.desired.objects.keys()).collect();
    let kinds = |kind: &str| made.iter().filter(|id| id.kind == kind).count();
    assert_eq!(
        (kinds("event hook"), kinds("inline hook"), kinds("security events provider")),
        (1, 4, 1),
        "{made:?} {blocks:#?}"
    );
    assert!(of_guide().all(|plan| plan.desired.notes.is_empty()));
}
