//! Event hooks: what happens to accounts.
//!
//! Events come in any order, and again. Each is told with the time at which it was published: what is older than what is known changes nothing,
//! and each leaves a mark, so that what comes late is known to be late also where nothing else changed. A reading of the source that is newer
//! than the event counts more.

use super::{
    Asking,
    account::{Named, contact},
    nothing, read,
};
use crate::api::{Api, extract::Caller, problem::Problem};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use jiff::Timestamp;
use refit_core::control::{Actor, Input, PersonRecord, Plain, Scope, account::CONTACT};
use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What Okta sends with the request that proves whose address this is.
const CHALLENGE: &str = "x-okta-verification-challenge";
/// The longest challenge.
const CHALLENGE_MOST: usize = 1_024;
/// How many events a delivery has at most.
const EVENTS_MOST: usize = 1_000;
/// How many targets of an event are looked at.
const TARGETS_MOST: usize = 8;

/// Okta asks whether it is to send events here: its challenge comes back. Nothing is learnt by that, and no token is needed.
pub(super) async fn verify(headers: HeaderMap) -> Result<Response, Problem> {
    let given = headers.get(CHALLENGE).and_then(|value| value.to_str().ok());
    let given = given.filter(|challenge| (1..=CHALLENGE_MOST).contains(&challenge.len()));
    let challenge = given
        .ok_or_else(|| Problem::field(CHALLENGE, "Okta's verification has this header; events are sent with `POST`"))?;
    Ok(crate::api::answer::json(StatusCode::OK, &json!({ "verification": challenge })))
}

/// What Okta delivers.
#[derive(Deserialize)]
struct Delivery {
    data: Events,
}

#[derive(Deserialize)]
struct Events {
    events: Vec<Value>,
}

/// An event, as the system log of Okta has it.
#[derive(Deserialize)]
struct Event {
    uuid: SmolStr,
    published: Timestamp,
    #[serde(rename = "eventType")]
    kind: SmolStr,
    #[serde(default)]
    outcome: Option<EventOutcome>,
    #[serde(default)]
    target: Option<Vec<Target>>,
}

#[derive(Deserialize)]
struct EventOutcome {
    result: Option<SmolStr>,
}

#[derive(Deserialize)]
struct Target {
    id: Option<SmolStr>,
    #[serde(rename = "type")]
    kind: Option<SmolStr>,
    #[serde(rename = "alternateId")]
    alternate: Option<SmolStr>,
}

/// What an event says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// There is one, and its person's employment is so.
    Is(&'static str),
    /// Its person's employment is so; of an account that nobody knows it says nothing.
    Was(&'static str),
    /// Whether its person is employed can't be told by it.
    Unknown,
    /// It is no more: the source speaks of it no longer.
    Gone,
    /// It was seen, and something else of it has changed, which the event does not tell.
    Changed,
}

/// The same words as the connector of Okta has for the states of accounts.
fn says(kind: &str) -> Option<Says> {
    Some(match kind {
        "user.lifecycle.create" => Says::Is("starting"),
        "user.lifecycle.activate" | "user.lifecycle.reactivate" | "user.lifecycle.unsuspend" => Says::Is("active"),
        "user.lifecycle.deactivate" => Says::Was("left"),
        "user.lifecycle.suspend" => Says::Unknown,
        "user.lifecycle.delete.initiated" => Says::Gone,
        "user.account.update_profile" => Says::Changed,
        _ => return None,
    })
}

/// Takes what Okta delivers. It is answered once all of it is durable; what is no event of an account is passed over.
pub(super) async fn take(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Problem> {
    asking.caller.needs(Scope::Hooks)?;
    let Delivery { data } = read(request).await?;
    if data.events.len() > EVENTS_MOST {
        let detail = format!("a delivery has at most {EVENTS_MOST} events, and this has {}", data.events.len());
        return Err(Problem::field("data.events", detail).help("deliver them in parts"));
    }
    let mut events = Vec::with_capacity(data.events.len());
    for said in data.events {
        // One that can't be read keeps none of the others from being known, and would not be better the next time.
        match Event::deserialize(&said) {
            Ok(event) => events.push(event),
            Err(error) => {
                tracing::warn!(source = %asking.source, %error, "an event of Okta can't be read, and is passed over")
            }
        }
    }
    events.sort_by_key(|event| event.published);
    for event in events {
        let failed = |outcome: &EventOutcome| outcome.result.as_deref().is_some_and(|result| result != "SUCCESS");
        if event.outcome.as_ref().is_some_and(failed) {
            continue;
        }
        if let Some(says) = says(&event.kind) {
            // What is looked up here is not to change before it is written.
            let _alone = api.inner.compared.lock().await;
            tell(&api, &asking, &event, says).await?;
        }
    }
    Ok(nothing())
}

async fn tell(api: &Api, asking: &Asking, event: &Event, says: Says) -> Result<(), Problem> {
    let targets = event.target.iter().flatten().filter(|target| target.kind.as_deref() == Some("User"));
    for target in targets.take(TARGETS_MOST) {
        let Some(id) = target.id.clone() else { continue };
        let account = Named { id, login: target.alternate.clone().unwrap_or_default() };
        let view = api.shell().view();
        let source = &asking.source;
        let known = account.person(api, &view, source);
        let Some(person) = known.or_else(|| matches!(says, Says::Is(_)).then(|| account.own_id(source))) else {
            continue;
        };
        let record = view.state.people.get(&person).map(|record| &**record);
        let values = values(record, source, &account, event, says);
        // A reference is used once, and says nothing of the value.
        let reference = || SmolStr::from(uuid::Uuid::now_v7().simple().to_string());
        let values = values.into_iter().map(|(field, value)| (field, value.map(|value| (reference(), value))));
        let input = Input::ObservePerson {
            person,
            source: source.clone(),
            observed: event.published,
            values: values.collect(),
        };
        api.shell().tell(&teller(&asking.caller), input, None).await.map_err(Problem::from)?;
    }
    Ok(())
}

/// Whoever may use the hook tells this much and no other fact.
fn teller(caller: &Caller) -> Actor {
    let mut actor = caller.actor.clone();
    actor.scopes.insert(Scope::Facts);
    actor
}

/// What the source says of a person by an event; `None` is: no longer.
fn values(
    record: Option<&PersonRecord>,
    source: &SmolStr,
    account: &Named,
    event: &Event,
    says: Says,
) -> BTreeMap<SmolStr, Option<Plain>> {
    let said = |field: &str| {
        record.is_some_and(|record| record.facts.get(field).is_some_and(|said| said.contains_key(source)))
    };
    let text = |text: &str| Some(Plain::Text(text.into()));
    let mut values = BTreeMap::new();
    match says {
        Says::Is(employment) | Says::Was(employment) => {
            values.insert("employment".into(), text(employment));
        }
        Says::Unknown => {
            values.insert("employment".into(), None);
        }
        Says::Gone => {
            let all = record.into_iter().flat_map(|record| record.facts.keys()).filter(|field| said(field));
            values.extend(all.map(|field| (field.clone(), None)));
            return values;
        }
        Says::Changed => {}
    }
    // The name of an account is an address where nothing else is said; what was read of it counts more.
    if matches!(says, Says::Is(_)) && account.login.contains('@') && !said("email") {
        values.insert("email".into(), text(&account.login));
    }
    values.insert(CONTACT.into(), Some(contact(account, &event.uuid)));
    values
}
