//! Security events providers as Okta's API keeps them (`/api/v1/security-events-providers`, Okta management API 2026.06).
//!
//! A provider has no place for a text of Refit's: what is Refit's is known by its name and by what is remembered.

use super::{KIND, OWN as SETTINGS, OktaSignals, settings};
use crate::{
    api::{
        Answers, Api, Ask, Call, Found, NotUnderstood, OWN, Pages, There,
        verify::{NotTried, Samples, Sampling},
    },
    object::{Fields, Identity},
};
use refit_core::policy::repository::TargetSystem;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const PATH: &str = "/api/v1/security-events-providers";

const STATUS: &str = "status";

/// What is sent; the rest is changed by calls of its own, or is Okta's.
const SENT: [&str; 3] = ["name", "settings", "type"];

fn providers() -> Ask {
    // The document knows no pages of this list; where there is a next one, it is read.
    Ask::list(PATH, Pages::LinkHeader)
}

impl Api for OktaSignals {
    fn connector(&self) -> &'static str {
        "okta"
    }

    fn scopes(&self) -> &'static [&'static str] {
        &["okta.securityEventsProviders.read", "okta.securityEventsProviders.manage"]
    }

    fn permissions(&self) -> &'static str {
        "the scopes okta.securityEventsProviders.read and okta.securityEventsProviders.manage"
    }

    fn samples(&self, _sampling: &Sampling<'_>) -> Samples {
        let because = "Okta believes a provider from the moment on at which it is there: none is for nobody".to_owned();
        Samples {
            samples: Vec::new(),
            not_tried: vec![NotTried { what: "a security events provider".to_owned(), because }],
        }
    }

    fn settings(&self) -> &'static [&'static str] {
        &SETTINGS
    }

    fn secrets(&self, target: &TargetSystem) -> Result<BTreeSet<String>, String> {
        // It carries none: Okta checks signatures.
        settings(target).map(|_| BTreeSet::new())
    }

    fn ask(&self, _mark: &str, _answers: &Answers) -> Result<Vec<Ask>, NotUnderstood> {
        Ok(vec![providers()])
    }

    fn found(&self, _mark: &str, answers: &Answers) -> Result<Found, NotUnderstood> {
        let mut found = Found::default();
        for record in answers.records(&providers(), "")? {
            let (Some(name), Some(remote)) = (record["name"].as_str(), record["id"].as_str()) else { continue };
            let (id, remote) = (Identity::new(KIND, name.to_owned()), remote.to_owned());
            let mut fields: Fields = record.as_object().cloned().unwrap_or_default().into_iter().collect();
            if let Some(Value::Object(settings)) = fields.get_mut("settings")
                && settings.get("well_known_url").is_some_and(Value::is_string)
            {
                // The others are what Okta has read there.
                settings.retain(|name, _| name == "well_known_url");
            }
            found.objects.push(There { id, remote, fields, is_marked: false, version: None });
        }
        found.objects.retain(|there| there.id.is_owned());
        Ok(found)
    }

    fn order(&self) -> &'static [&'static str] {
        &[KIND]
    }

    fn create(&self, _id: &Identity, fields: &Fields) -> Vec<Call> {
        vec![Call::post(PATH, body(fields)).makes()]
    }

    fn update(&self, _there: &There, before: &Fields, after: &Fields) -> Vec<Call> {
        let differs = |name: &str| before.get(name) != after.get(name);
        let mut calls = Vec::new();
        if SENT.into_iter().any(differs) {
            calls.push(Call::put(format!("{PATH}/{OWN}"), body(after)));
        }
        if differs(STATUS) {
            calls.push(Call::act(format!("{PATH}/{OWN}/lifecycle/activate")));
        }
        calls
    }

    fn delete(&self, there: &There) -> Vec<Call> {
        vec![Call::delete(format!("{PATH}/{}", there.remote))]
    }

    fn made(&self, _kind: &str, answer: &str) -> Option<String> {
        let answer: Value = serde_json::from_str(answer).ok()?;
        answer["id"].as_str().map(str::to_owned)
    }
}

fn body(fields: &Fields) -> Value {
    let sent = SENT.into_iter().filter_map(|name| Some((name.to_owned(), fields.get(name)?.clone())));
    Value::Object(sent.collect::<Map<String, Value>>())
}
