//! Hooks as Okta's API keeps them (`/api/v1/eventHooks`, `/api/v1/inlineHooks`, Okta management API 2026.06).
//!
//! An event hook has a description, in which Refit's mark stands. An inline hook has no place for a text of Refit's: there its name and what is
//! remembered say whose it is. Okta never shows what a hook carries in its header, so that the secret is known to be there because it was written.

use super::{
    EVENT, HEADER, INLINE, OktaHooks, VERSION,
    settings::{self, Inline, Settings},
};
use crate::{
    api::{
        Answers, Api, Ask, Call, Found, NotUnderstood, OWN, Pages, SECRET, There, secret, secret_named,
        verify::{NotTried, Sample, Samples, Sampling},
    },
    object::{Fields, Identity, Object},
};
use refit_core::policy::repository::TargetSystem;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const EVENTS_PATH: &str = "/api/v1/eventHooks";
const INLINE_PATH: &str = "/api/v1/inlineHooks";

/// So many event hooks may be active and verified (developer.okta.com, *Event hooks*).
const EVENT_HOOKS_MOST: usize = 25;

/// So many inline hooks there may be, of all types together (Okta's document, *Create an inline hook*).
const INLINE_HOOKS_MOST: usize = 50;

/// Headers that others have added to a hook. They are none of Refit's, and stay when it is replaced.
const HEADERS: &str = "headers";

/// What calls of their own change.
const STATUS: &str = "status";
const VERIFIED: &str = "verificationStatus";

fn hooks(path: &str) -> Ask {
    // The document knows no pages of these lists; where there is a next one, it is read.
    Ask::list(path, Pages::LinkHeader)
}

fn path(kind: &str) -> &'static str {
    if kind == EVENT { EVENTS_PATH } else { INLINE_PATH }
}

impl Api for OktaHooks {
    fn connector(&self) -> &'static str {
        "okta"
    }

    fn scopes(&self) -> &'static [&'static str] {
        &["okta.eventHooks.read", "okta.eventHooks.manage", "okta.inlineHooks.read", "okta.inlineHooks.manage"]
    }

    fn permissions(&self) -> &'static str {
        "the scopes okta.eventHooks.read, okta.eventHooks.manage, okta.inlineHooks.read and okta.inlineHooks.manage"
    }

    fn samples(&self, sampling: &Sampling<'_>) -> Samples {
        let because = "one is called from the moment on at which it is verified, and would be for somebody".to_owned();
        let mut not_tried = vec![NotTried { what: "event hooks".to_owned(), because }];
        // An inline hook is called where it was chosen, and this one is chosen nowhere.
        let secrets = sampling.settings.get("inline").and_then(Value::as_object);
        let secret = secrets.and_then(|secrets| secrets.values().find_map(Value::as_str));
        let server = sampling.settings.get(settings::SERVER).and_then(Value::as_str);
        let (Some(secret), Some(server)) = (secret, server) else {
            let because = "`settings` name none, and no secret that one carries".to_owned();
            not_tried.push(NotTried { what: "inline hooks".to_owned(), because });
            return Samples { samples: Vec::new(), not_tried };
        };
        let channel = |what: &str| {
            let config = json!({
                "authScheme": { "key": HEADER, "type": "HEADER" }, "method": "POST",
                "uri": format!("{}/okta/verification/{what}", server.trim_end_matches('/')),
            });
            json!({ "config": config, "type": "HTTP", "version": VERSION })
        };
        let hook = Object::new(Identity::new(INLINE, sampling.name.to_owned()), String::new())
            .with("channel", channel("token"))
            .with("name", sampling.name)
            .with(SECRET, secret_named(secret))
            .with(STATUS, "ACTIVE")
            .with("type", Inline::Token.kind())
            .with("version", VERSION);
        Samples { samples: vec![Sample::new(hook, "channel", channel("token-changed"))], not_tried }
    }

    fn settings(&self) -> &'static [&'static str] {
        &settings::OWN
    }

    fn secrets(&self, target: &TargetSystem) -> Result<BTreeSet<String>, String> {
        Ok(Settings::of(target)?.secrets())
    }

    fn unseen(&self) -> &'static [&'static str] {
        &[SECRET]
    }

    fn moved_by_others(&self) -> &'static [&'static str] {
        // A hook whose channel changes has to be verified again.
        &[VERIFIED]
    }

    fn leaving(&self) -> &'static [&'static str] {
        // Only what is inactive can be taken away.
        &[STATUS]
    }

    fn ask(&self, _mark: &str, _answers: &Answers) -> Result<Vec<Ask>, NotUnderstood> {
        Ok(vec![hooks(EVENTS_PATH), hooks(INLINE_PATH)])
    }

    fn found(&self, mark: &str, answers: &Answers) -> Result<Found, NotUnderstood> {
        let mut found = Found::default();
        let events = answers.records(&hooks(EVENTS_PATH), "")?;
        let inline = answers.records(&hooks(INLINE_PATH), "")?;
        let count = |is: &dyn Fn(&Value) -> bool| events.iter().filter(|record| is(record)).count();
        let sending = count(&|record| record[STATUS] == "ACTIVE" && record[VERIFIED] == "VERIFIED");
        let full = [
            ("event hooks that are active and verified", sending, EVENT_HOOKS_MOST),
            ("inline hooks", inline.len(), INLINE_HOOKS_MOST),
        ];
        for (what, number, most) in full.into_iter().filter(|(_, number, most)| number >= most) {
            found.notes.push(format!("Okta permits {most} {what}, and {number} are there: it takes no more"));
        }
        for (kind, records) in [(EVENT, events), (INLINE, inline)] {
            found.objects.extend(records.into_iter().filter_map(|record| there(kind, &record, mark)));
        }
        found.objects.retain(|there| there.id.is_owned());
        Ok(found)
    }

    fn order(&self) -> &'static [&'static str] {
        &[EVENT, INLINE]
    }

    fn create(&self, id: &Identity, fields: &Fields) -> Vec<Call> {
        let mut body = body(&id.kind, fields, None);
        if id.kind == INLINE {
            body.extend(fields.get("type").map(|of| ("type".to_owned(), of.clone())));
        }
        let mut calls = vec![Call::post(path(&id.kind), Value::Object(body)).makes()];
        if id.kind == EVENT {
            calls.push(lifecycle(EVENT, OWN, "verify"));
        }
        calls
    }

    fn update(&self, there: &There, before: &Fields, after: &Fields) -> Vec<Call> {
        let kind = there.id.kind.as_str();
        let differs = |name: &str| before.get(name) != after.get(name);
        let by_calls_of_its_own = |name: &str| [STATUS, VERIFIED].contains(&name);
        let is_written = before.keys().chain(after.keys()).any(|name| !by_calls_of_its_own(name) && differs(name));
        let mut calls = Vec::new();
        if is_written {
            let body = body(kind, after, there.fields.get(HEADERS));
            calls.push(Call::put(format!("{}/{OWN}", path(kind)), Value::Object(body)));
        }
        if differs(STATUS) {
            calls.push(lifecycle(kind, OWN, "activate"));
        }
        // It is replaced with its channel, and then has to be verified again.
        if kind == EVENT && (is_written || differs(VERIFIED)) {
            calls.push(lifecycle(EVENT, OWN, "verify"));
        }
        calls
    }

    fn delete(&self, there: &There) -> Vec<Call> {
        let (kind, remote) = (there.id.kind.as_str(), there.remote.as_str());
        let mut calls = Vec::new();
        if there.fields.get(STATUS).is_none_or(|status| status != "INACTIVE") {
            calls.push(Call { gone: true, ..lifecycle(kind, remote, "deactivate") });
        }
        calls.push(Call::delete(format!("{}/{remote}", path(kind))));
        calls
    }

    fn made(&self, _kind: &str, answer: &str) -> Option<String> {
        let answer: Value = serde_json::from_str(answer).ok()?;
        answer["id"].as_str().map(str::to_owned)
    }

    fn refuses(&self, id: &Identity, before: &Fields, after: &Fields) -> Option<String> {
        let is_other = id.kind == INLINE && before.get("type").is_some() && before.get("type") != after.get("type");
        is_other.then(|| {
            "the type of an inline hook can't be changed: take the hook away there, and it is made anew".to_owned()
        })
    }
}

fn lifecycle(kind: &str, remote: &str, verb: &str) -> Call {
    Call::act(format!("{}/{remote}/lifecycle/{verb}", path(kind)))
}

/// What is sent for a hook. The secret stands in it by its name, and `headers` are those that others have added.
fn body(kind: &str, fields: &Fields, headers: Option<&Value>) -> Map<String, Value> {
    let sent: &[&str] = if kind == EVENT { &["description", "events", "name"] } else { &["name", "version"] };
    let mut body: Map<String, Value> =
        sent.iter().filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone()))).collect();
    let mut channel = fields.get("channel").cloned().unwrap_or_default();
    let carried = fields.get(SECRET).and_then(|it| it["name"].as_str());
    if let (Some(name), Some(scheme)) =
        (carried, channel.pointer_mut("/config/authScheme").and_then(Value::as_object_mut))
    {
        scheme.insert("value".to_owned(), format!("Bearer {}", secret(name)).into());
    }
    if let (Some(headers), Some(config)) = (headers, channel.get_mut("config").and_then(Value::as_object_mut)) {
        config.insert(HEADERS.to_owned(), headers.clone());
    }
    body.insert("channel".to_owned(), channel);
    body
}

/// A hook that is there, as [`super::write`] writes it.
fn there(kind: &str, record: &Value, mark: &str) -> Option<There> {
    let (name, remote) = (record["name"].as_str()?, record["id"].as_str()?);
    let mut fields = Fields::new();
    for name in ["description", "name", STATUS, "type", VERIFIED, "version"] {
        fields.insert(name.to_owned(), record[name].clone());
    }
    if kind == EVENT {
        let mut events = record["events"].clone();
        // The order is nobody's.
        if let Some(items) = events.get_mut("items").and_then(Value::as_array_mut) {
            items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
        fields.insert("events".to_owned(), events);
    }
    let mut channel = record["channel"].clone();
    if let Some(config) = channel.get_mut("config").and_then(Value::as_object_mut) {
        if kind == EVENT {
            // It is always POST, and can't be written.
            config.remove("method");
        }
        let headers = config.remove(HEADERS).filter(|headers| headers.as_array().is_some_and(|all| !all.is_empty()));
        fields.extend(headers.map(|headers| (HEADERS.to_owned(), headers)));
        if let Some(scheme) = config.get_mut("authScheme").and_then(Value::as_object_mut) {
            // Okta's examples have both in other letters than they were written in.
            let same = |text: Option<&Value>, as_written: &str| {
                text.and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(as_written))
            };
            for (name, as_written) in [("key", HEADER), ("type", "HEADER")] {
                if same(scheme.get(name), as_written) {
                    scheme.insert(name.to_owned(), as_written.into());
                }
            }
        }
    }
    fields.insert("channel".to_owned(), channel);
    let id = Identity::new(kind, name.to_owned());
    let is_marked = kind == EVENT && record["description"] == mark;
    Some(There { id, remote: remote.to_owned(), fields, is_marked, version: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Okta's own examples of answers (`RetrieveAllEventHooks`, `InlineHookMgmtCreateHTTPResponse`), with names and addresses of ours.
    #[test]
    fn oktas_examples_read_as_they_were_written() {
        let scheme = json!({ "type": "header", "key": "Authorization" });
        let record = json!({
            "id": "who1", "status": "ACTIVE", "verificationStatus": "VERIFIED", "name": "refit-okta-events", "description": "mine",
            "created": "2023-07-07T17:41:56.000Z", "createdBy": "00u1", "lastUpdated": "2023-07-07T17:43:03.000Z",
            "events": { "type": "EVENT_TYPE", "items": ["user.lifecycle.deactivate", "user.lifecycle.activate"], "filter": null },
            "channel": { "type": "HTTP", "version": VERSION, "config": {
                "uri": "https://r/okta/okta/events", "headers": [], "method": "POST", "authScheme": scheme.clone() } },
            "_links": {},
        });
        let there = there(EVENT, &record, "mine").unwrap();
        assert!(there.is_marked && there.id.is_owned() && !there.fields.contains_key(HEADERS));
        assert_eq!(there.fields["events"]["items"], json!(["user.lifecycle.activate", "user.lifecycle.deactivate"]));
        let config = json!({ "authScheme": { "key": HEADER, "type": "HEADER" }, "uri": "https://r/okta/okta/events" });
        assert_eq!(there.fields["channel"]["config"], config);
        let inline = json!({
            "id": "cal1", "status": "ACTIVE", "name": "refit-okta-token", "type": "com.okta.oauth2.tokens.transform", "version": VERSION,
            "channel": { "type": "HTTP", "version": VERSION, "config": {
                "uri": "https://r", "headers": [{ "key": "x-theirs", "value": "1" }], "method": "POST", "authScheme": scheme } },
        });
        let there = super::there(INLINE, &inline, "mine").unwrap();
        assert_eq!((there.is_marked, &there.fields["channel"]["config"]["method"]), (false, &json!("POST")));
        // What others have added goes along when it is replaced, and the secret by its name.
        let mut after = there.fields.clone();
        after.insert(SECRET.to_owned(), json!({ "name": "posture", "version": 2 }));
        let [put] = &OktaHooks.update(&there, &there.fields, &after)[..] else { panic!("{after:?}") };
        let crate::api::Body::Json(sent) = &put.body else { panic!("{put:?}") };
        assert_eq!(sent["channel"]["config"]["headers"][0]["key"], "x-theirs");
        assert_eq!(sent["channel"]["config"]["authScheme"]["value"], "Bearer [secret of posture]");
        assert!(sent.get("type").is_none() && sent.get(SECRET).is_none());
    }

    #[test]
    fn what_differs_says_what_is_called() {
        let there = There {
            id: Identity::new(EVENT, "refit-okta-events".to_owned()),
            remote: "who1".to_owned(),
            fields: Fields::new(),
            is_marked: true,
            version: None,
        };
        let fields = |status: &str, verified: &str, name: &str| -> Fields {
            let texts = [(STATUS, status), (VERIFIED, verified), ("name", name)];
            texts.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect()
        };
        let wanted = fields("ACTIVE", "VERIFIED", "a");
        let called = |before: &Fields| -> Vec<String> {
            let calls = OktaHooks.update(&there, before, &wanted);
            calls.iter().map(|call| call.path.replace("/api/v1/eventHooks/[id]", "")).collect()
        };
        assert_eq!(called(&fields("ACTIVE", "UNVERIFIED", "a")), ["/lifecycle/verify"]);
        assert_eq!(called(&fields("INACTIVE", "VERIFIED", "a")), ["/lifecycle/activate"]);
        assert_eq!(called(&fields("ACTIVE", "VERIFIED", "b")), ["", "/lifecycle/verify"]);
        assert_eq!(called(&fields("INACTIVE", "VERIFIED", "b")), ["", "/lifecycle/activate", "/lifecycle/verify"]);
        assert_eq!(OktaHooks.delete(&there).len(), 2);
        let inactive = There { fields: fields("INACTIVE", "VERIFIED", "a"), ..there };
        assert_eq!(OktaHooks.delete(&inactive).len(), 1);
    }
}
