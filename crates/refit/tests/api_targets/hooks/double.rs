//! A double of the part of Okta that keeps hooks and security events providers. It refuses what Okta's OpenAPI document and pages say that Okta
//! refuses; each refusal names where that stands.

use super::super::{
    kept::{Kept, Refusal, no},
    okta::OktaDouble,
    server::{Answer, Asked, json as whole},
};
use serde_json::{Map, Value, json};

#[path = "../../../../refit-targets/tests/compile/okta/types.rs"]
mod types;

/// Okta's own types of what is sent.
const TYPES: &str = include_str!("../../../../refit-targets/tests/compile/okta/hooks.json");

pub const EVENTS: &str = "/api/v1/eventHooks";
pub const INLINE: &str = "/api/v1/inlineHooks";
pub const PROVIDERS: &str = "/api/v1/security-events-providers";

/// Where refusals stand.
const DOCUMENT: &str = "https://developer.okta.com/docs/api/openapi/okta-management/management/tag/";
const EVENT_HOOKS_PAGE: &str = "https://developer.okta.com/docs/concepts/event-hooks/";

/// Where the double keeps what a hook carries, which no answer shows.
const CARRIED: &str = "@carried";

pub struct Okta {
    pub kept: Kept,
    /// The scopes that are to be asked for.
    pub scopes: &'static str,
    /// Whether Refit's server answers Okta's challenge.
    pub reachable: bool,
    /// Whether a refusal repeats what it refuses, as careless systems do.
    pub repeats: bool,
    /// So many inline hooks there may be.
    pub inline_most: usize,
}

impl Okta {
    pub fn new(scopes: &'static str) -> Okta {
        Okta { kept: Kept::default(), scopes, reachable: true, repeats: false, inline_most: 50 }
    }
}

impl OktaDouble for Okta {
    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    fn scopes(&self) -> &str {
        self.scopes
    }

    fn carried_out(&mut self, asked: &Asked) -> Result<Answer, Refusal> {
        if asked.method != "GET" {
            self.kept.writes.push(format!("{} {}", asked.method, asked.path));
        }
        let list = [EVENTS, INLINE, PROVIDERS].into_iter().find(|list| asked.path.starts_with(list));
        let list = list.unwrap_or_else(|| panic!("nobody asks Okta for {}", asked.path));
        let rest: Vec<&str> = asked.path[list.len()..].split('/').filter(|part| !part.is_empty()).collect();
        match (asked.method.as_str(), rest.as_slice()) {
            ("GET", []) => Ok(whole(Value::from(self.kept.all(list).map(|it| shown(list, it)).collect::<Vec<_>>()))),
            ("POST", []) => {
                let fields = self.checked(list, &asked.body, Sent::New)?;
                if list == INLINE && self.kept.count(INLINE) >= self.inline_most {
                    let why = "The total number of inline hooks that you can create in an Okta org is limited to 50";
                    return Err(no(400, &format!("{DOCUMENT}InlineHook/"), why));
                }
                let record = self.kept.add(list, fields);
                Ok(whole(shown(list, &record)))
            }
            ("PUT", [id]) => {
                let before = self.kept.find(list, id)?.clone();
                let mut fields = self.checked(list, &asked.body, Sent::Replacing)?;
                for kept in ["id", "status", "type", "@odata.etag"] {
                    // Some properties are immutable; the status has calls of its own.
                    if let (Some(value), false) = (before.get(kept), fields.contains_key(kept)) {
                        fields.insert(kept.to_owned(), value.clone());
                    }
                }
                *self.kept.find(list, id)? = Value::Object(fields);
                Ok(whole(shown(list, self.kept.find(list, id)?)))
            }
            ("DELETE", [id]) => {
                // "As a safety precaution, only hooks with a status of INACTIVE are eligible for deletion."
                if list != PROVIDERS && self.kept.find(list, id)?["status"] != "INACTIVE" {
                    return Err(no(403, &format!("{DOCUMENT}EventHook/"), "only inactive hooks can be deleted"));
                }
                self.kept.gone(list, id)
            }
            ("POST", [id, "lifecycle", verb]) => {
                assert!(asked.body.is_empty(), "nothing is sent with this call");
                let (field, value) = match *verb {
                    "activate" => ("status", "ACTIVE"),
                    "deactivate" => ("status", "INACTIVE"),
                    "verify" if list == EVENTS && !self.reachable => {
                        let why =
                            "the outbound request to the event hook failed: no successful response within 3 seconds";
                        return Err(no(400, &format!("{DOCUMENT}EventHook/"), why));
                    }
                    "verify" if list == EVENTS => ("verificationStatus", "VERIFIED"),
                    other => panic!("nobody calls {other}"),
                };
                self.kept.find(list, id)?;
                self.kept.change(list, id, [(field.to_owned(), value.into())]);
                Ok(whole(shown(list, self.kept.find(list, id)?)))
            }
            other => panic!("nobody asks Okta for {other:?}"),
        }
    }
}

impl Okta {
    fn checked(&self, list: &str, body: &str, sent: Sent) -> Result<Map<String, Value>, Refusal> {
        let page = |tag: &str| format!("{DOCUMENT}{tag}/");
        let tag = match list {
            EVENTS => "EventHook",
            INLINE => "InlineHook",
            _ => "SSFReceiver",
        };
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            return Err(no(400, &page(tag), "the body is no JSON"));
        };
        if self.repeats {
            let carried = value["channel"]["config"]["authScheme"]["value"].as_str().unwrap_or_default();
            return Err(no(400, &page(tag), &format!("this is refused: {carried}")));
        }
        let of = match (list, sent) {
            (EVENTS, _) => "EventHook",
            (INLINE, Sent::New) => "InlineHookCreate",
            (INLINE, Sent::Replacing) => "InlineHookReplace",
            _ => "SecurityEventsProviderRequest",
        };
        let types: Value = serde_json::from_str(TYPES).unwrap();
        if let [first, ..] = types::wrong(&types, of, &value).as_slice() {
            return Err(no(400, &page(tag), first));
        }
        let mut fields = value.as_object().unwrap().clone();
        if list == PROVIDERS {
            if sent == Sent::New {
                fields.insert("status".to_owned(), "ACTIVE".into());
            }
            return Ok(fields);
        }
        let wrong = |page: &str, why: &str| Err(no(400, page, why));
        let uri = fields["channel"]["config"]["uri"].as_str().unwrap_or_default();
        if !uri.starts_with("https://") || uri.contains(char::is_whitespace) {
            return wrong(&page(tag), "The URI you specify should always begin with `https://`");
        }
        if fields["channel"]["version"] != "1.0.0" || (list == INLINE && fields["version"] != "1.0.0") {
            return wrong(&page(tag), "The currently supported version is `1.0.0`");
        }
        if list == EVENTS && fields["events"]["items"].as_array().is_none_or(Vec::is_empty) {
            return wrong(EVENT_HOOKS_PAGE, "you need to specify which events you want to subscribe to");
        }
        if list == EVENTS {
            // "Updating the `channel` property requires you to verify the hook again."
            fields.insert("verificationStatus".to_owned(), "UNVERIFIED".into());
        }
        if sent == Sent::New {
            fields.insert("status".to_owned(), "ACTIVE".into());
        }
        let scheme = fields["channel"].pointer_mut("/config/authScheme").and_then(Value::as_object_mut);
        let carried = scheme.and_then(|scheme| scheme.remove("value"));
        fields.insert(CARRIED.to_owned(), carried.unwrap_or_default());
        Ok(fields)
    }

    /// The record of this name.
    pub fn named(&self, list: &str, name: &str) -> Value {
        let found = self.kept.all(list).find(|record| record["name"] == name);
        found.unwrap_or_else(|| panic!("{list} has no {name}")).clone()
    }

    /// Changes the record of this name, by hand.
    pub fn by_hand(&mut self, list: &str, name: &str, pointer: &str, value: Value) {
        let id = self.named(list, name)["id"].as_str().unwrap().to_owned();
        let record = self.kept.find(list, &id).unwrap();
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        record.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(last.to_owned(), value);
    }

    /// What a hook carries in its header.
    pub fn carried(&self, list: &str, name: &str) -> String {
        self.named(list, name)[CARRIED].as_str().unwrap_or_default().to_owned()
    }

    /// The names in a list.
    pub fn names(&self, list: &str) -> Vec<String> {
        self.kept.all(list).map(|record| record["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Sent {
    New,
    Replacing,
}

/// A record as Okta's examples show it: without what it carries, with what is Okta's, and words in other letters.
fn shown(list: &str, record: &Value) -> Value {
    let mut record = record.clone();
    let fields = record.as_object_mut().unwrap();
    fields.remove("@odata.etag");
    fields.remove(CARRIED);
    fields.insert("_links".to_owned(), json!({ "self": { "href": "https://acme.okta.com" } }));
    fields.insert("lastUpdated".to_owned(), "2026-11-23T09:00:00.000Z".into());
    if list == PROVIDERS {
        // Okta has read these at the address.
        if let Some(settings) = fields["settings"].as_object_mut().filter(|it| it.contains_key("well_known_url")) {
            settings.insert("issuer".to_owned(), "Issuer".into());
            settings.insert("jwks_url".to_owned(), "https://example.okta.com/jwks/path".into());
        }
        return record;
    }
    if list == EVENTS {
        fields["events"].as_object_mut().unwrap().insert("filter".to_owned(), Value::Null);
    }
    let config = fields["channel"]["config"].as_object_mut().unwrap();
    config.insert("method".to_owned(), "POST".into());
    config.entry("headers").or_insert_with(|| json!([]));
    if let Some(scheme) = config.get_mut("authScheme").and_then(Value::as_object_mut) {
        scheme.insert("key".to_owned(), "authorization".into());
        let kind = if list == EVENTS { "HEADER" } else { "header" };
        scheme.insert("type".to_owned(), kind.into());
    }
    record
}

#[test]
fn what_okta_refuses_is_refused_with_the_page_that_says_so() {
    let config =
        json!({ "uri": "https://r", "authScheme": { "type": "HEADER", "key": "authorization", "value": "x" } });
    let channel = json!({ "type": "HTTP", "version": "1.0.0", "config": config });
    let event = json!({ "name": "n", "events": { "type": "EVENT_TYPE", "items": ["a"] }, "channel": channel });
    let okta = Okta::new("");
    let mut bad = vec![(EVENTS, json!({ "name": "n" }))];
    for (pointer, value) in [
        ("/channel/config/uri", json!("http://r")),
        ("/channel/version", json!("2.0.0")),
        ("/events/items", json!([])),
        ("/status", json!("ACTIVE")),
    ] {
        let mut event = event.clone();
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        event.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(last.to_owned(), value);
        bad.push((EVENTS, event));
    }
    bad.push((
        INLINE,
        json!({ "name": "n", "type": "com.okta.import.transform", "version": "1.0.9", "channel": channel }),
    ));
    bad.push((PROVIDERS, json!({ "name": "n", "type": "okta", "settings": {} })));
    assert!(okta.checked(EVENTS, &event.to_string(), Sent::New).is_ok());
    for (list, body) in bad {
        let refusal = okta.checked(list, &body.to_string(), Sent::New).expect_err(&body.to_string());
        assert!(refusal.status == 400 && refusal.page.starts_with("https://developer.okta.com/"), "{body}");
    }
}
