//! Device assurance policies as Okta's API keeps them (`/api/v1/device-assurances`, Okta management API 2026.06).
//!
//! A policy has no place for a text of Refit's: what is Refit's is known by its name and by what is remembered.

use super::{KIND, Okta, time};
use crate::{
    api::{
        Answers, Api, Ask, Call, Found, NotUnderstood, OWN, Pages, There,
        verify::{Sample, Samples, Sampling},
    },
    object::{Fields, Identity, Object},
};
use serde_json::{Map, Value, json};

const PATH: &str = "/api/v1/device-assurances";

/// What Okta writes itself, and takes from nobody.
const READ_ONLY: [&str; 6] = ["_links", "createdBy", "createdDate", "id", "lastUpdate", "lastUpdatedBy"];

fn policies() -> Ask {
    // The document knows no pages of this list; where there is a next one, it is read.
    Ask::list(PATH, Pages::LinkHeader)
}

impl Api for Okta {
    fn connector(&self) -> &'static str {
        "okta"
    }

    fn scopes(&self) -> &'static [&'static str] {
        &["okta.deviceAssurance.read", "okta.deviceAssurance.manage"]
    }

    fn permissions(&self) -> &'static str {
        "the scopes okta.deviceAssurance.read and okta.deviceAssurance.manage"
    }

    fn samples(&self, sampling: &Sampling<'_>) -> Samples {
        let policy = |platform: &str| {
            let name = format!("{}-{}", sampling.name, platform.to_ascii_lowercase());
            Object::new(Identity::new(KIND, name.clone()), String::new())
                .with("displayRemediationMode", "SHOW")
                .with("gracePeriod", json!({ "expiry": time::GRACE, "type": "BY_DURATION" }))
                .with("name", name)
                .with("platform", platform)
        };
        // A policy counts where a sign-in policy names it, and nobody's does.
        let macs = policy("MACOS").with("osVersion", json!({ "minimum": "15.0.0" }));
        let constraints = |minimum: &str| json!([{ "majorVersionConstraint": "WINDOWS_11", "minimum": minimum }]);
        let windows = policy("WINDOWS").with("osVersionConstraints", constraints("10.0.22631.2861"));
        Samples {
            samples: vec![
                Sample::new(macs, "osVersion", json!({ "minimum": "15.1.0" })),
                Sample::new(windows, "osVersionConstraints", constraints("10.0.22631.3007")),
            ],
            not_tried: Vec::new(),
        }
    }

    fn ask(&self, _mark: &str, _answers: &Answers) -> Result<Vec<Ask>, NotUnderstood> {
        Ok(vec![policies()])
    }

    fn found(&self, _mark: &str, answers: &Answers) -> Result<Found, NotUnderstood> {
        let mut found = Found::default();
        for record in answers.records(&policies(), "")? {
            let (Some(name), Some(remote)) = (record["name"].as_str(), record["id"].as_str()) else { continue };
            let (id, remote) = (Identity::new(KIND, name.to_owned()), remote.to_owned());
            let fields = record.as_object().cloned().unwrap_or_default().into_iter().collect();
            found.objects.push(There { id, remote, fields, is_marked: false, version: None });
        }
        found.objects.retain(|there| there.id.is_owned());
        Ok(found)
    }

    fn order(&self) -> &'static [&'static str] {
        &[KIND]
    }

    fn create(&self, _id: &Identity, fields: &Fields) -> Vec<Call> {
        vec![Call::post(PATH, object(fields.clone())).makes()]
    }

    fn update(&self, there: &There, before: &Fields, after: &Fields) -> Vec<Call> {
        // It is replaced as a whole: what others have added to it stays.
        let is_kept = |name: &String| !READ_ONLY.contains(&name.as_str()) && !before.contains_key(name);
        let kept = there.fields.iter().filter(|(name, _)| is_kept(name));
        let mut body: Fields = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        body.extend(after.clone());
        vec![Call::put(format!("{PATH}/{OWN}"), object(body))]
    }

    fn delete(&self, there: &There) -> Vec<Call> {
        vec![Call::delete(format!("{PATH}/{}", there.remote))]
    }

    fn made(&self, _kind: &str, answer: &str) -> Option<String> {
        let answer: Value = serde_json::from_str(answer).ok()?;
        answer["id"].as_str().map(str::to_owned)
    }

    fn refuses(&self, _id: &Identity, before: &Fields, after: &Fields) -> Option<String> {
        let is_other = before.get("platform").is_some() && before.get("platform") != after.get("platform");
        is_other.then(|| {
            "the platform of a policy can't be changed: take the policy away there, and it is made anew".to_owned()
        })
    }
}

fn object(fields: Fields) -> Value {
    Value::Object(fields.into_iter().collect::<Map<String, Value>>())
}
