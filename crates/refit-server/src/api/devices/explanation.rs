use super::super::{
    Api, answer,
    audit::Shown,
    extract::{Caller, Path, Query, Time},
    problem::{Code, Problem},
    redact::Sight,
};
use super::{decisions::said, managed};
use axum::{extract::State, http::StatusCode, response::Response};
use jiff::Timestamp;
use refit_api::{Explanation, HeldSlot};
use refit_core::{
    control::{DeviceRecord, Evaluator, PersonId, Scope, SlotName, State as World, Terms},
    decide::{self, Decision, Hold, View},
    facts::{Root, Value},
};
use refit_model::{DeviceId, TitleId};
use serde::Deserialize;
use std::{collections::BTreeSet, fmt::Write as _};
use utoipa::IntoParams;

/// What is to be explained.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Explain {
    /// The title: `google-chrome`, `deb/openssl`.
    title: String,
    /// As it was at this time; now where it is not given.
    #[param(value_type = Option<String>, format = DateTime)]
    at: Option<Time>,
}

/// Why a title stands on a device as it does, with the whole derivation; also of the past.
///
/// The title is a parameter of the query, since the titles of distribution packages have a slash in them. Personal values are
/// shown to tokens that may read them.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}/explanation", tag = "devices",
    params(("id" = String, Path, description = "The device's id.", example = "d1"), Explain),
    responses(
        (status = 200, description = "The explanation.", body = Explanation),
        (status = 409, description = "`conflict`: No policy is in force.", body = refit_api::Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(in super::super) async fn explanation(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<Explain>,
) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    caller.needs(Scope::ReadExposures)?;
    let title = TitleId::new(&query.title);
    let sight = Sight::of(&caller);
    let view = api.shell().view();
    let now = api.shell().now().max(view.state.clock);
    let Some(Time(at)) = query.at else {
        let (said, shown) = api.beside(move || explain(&view.state, &id, &title, now, sight)).await??;
        api.note(&caller, OPERATION, shown).await?;
        return Ok(answer::json(StatusCode::OK, &said));
    };
    if at > now {
        return Err(Problem::field("at", "this is in the future: leave it out for what is so now"));
    }
    let _leave = api.long_work()?;
    // Reading a part of the log takes a while, and a thread that may wait.
    let (shell, runtime, device) = (api.shell().clone(), tokio::runtime::Handle::current(), DeviceId::new(&id));
    let state = api.beside(move || runtime.block_on(shell.view_of_at(&device, at))).await??.state;
    let (said, shown) = api.beside(move || explain(&state, &id, &title, at, sight)).await??;
    api.note(&caller, OPERATION, shown).await?;
    Ok(answer::json(StatusCode::OK, &said))
}

const OPERATION: &str = "GET /api/v1/devices/{id}/explanation";

fn explain(
    state: &World,
    id: &str,
    title: &TitleId,
    at: Timestamp,
    sight: Sight,
) -> Result<(Explanation, Shown), Problem> {
    let record = managed(state, id)?;
    let terms = Terms::in_force(state).ok_or_else(|| {
        Problem::new(Code::Conflict, format!("no policy was in force at {at:.0}: nothing is decided"))
    })?;
    let known = record.installs.keys().any(|slot| slot.title == *title)
        || record.published.keys().any(|slot| slot.title == *title)
        || state.releases.contains_key(title)
        || terms.repository.titles.contains_key(title);
    if !known {
        return Err(Problem::missing("title", title.as_str()).help("GET /api/v1/titles lists what is known"));
    }
    let (mut decisions, zone) = Evaluator::default().explain(state, &terms, record, title, at);
    let mut held_by = Vec::new();
    for decision in &mut decisions {
        let slot = SlotName::from(&decision.slot);
        held_by.extend(state.add_holds(record, decision).into_iter().map(|held| said(&slot, held)));
    }
    let mut shown = Shown::default();
    let used = decisions.iter_mut().flat_map(|decision| &mut decision.derivation.facts);
    for fact in used.filter(|fact| fact.field.root == Root::Person && fact.value.is_some()) {
        let field = fact.field.name.as_str();
        // What is put together from several sources is as sensitive as any of them.
        let purpose = record.person.as_ref().and_then(|person| purpose(state, person, field));
        let purpose = purpose.as_deref();
        match (&record.person, sight.shows(field, purpose)) {
            (Some(person), true) => shown.add(person.as_str(), field, Sight::is_sensitive(field, purpose)),
            (None, true) => {}
            (_, false) => fact.value = Some(Value::Text("(personal)".into())),
        }
    }
    let name = zone.iana_name().unwrap_or("UTC").to_owned();
    let view = View { now: at, zone };
    let text: Vec<String> = decisions.iter().map(|decision| in_words(record, decision, &view)).collect();
    let fault = |error: serde_json::Error| Problem::new(Code::Internal, error.to_string());
    let json = |decision| match serde_json::to_value(decision) {
        Ok(serde_json::Value::Object(fields)) => Ok(fields),
        Ok(_) => Ok(serde_json::Map::new()),
        Err(error) => Err(fault(error)),
    };
    let carried =
        terms.repository.carried_in_words(title, |package| record.installs.keys().any(|slot| slot.title == *package));
    let carried = carried.map(|said| format!("\n{said}\n")).unwrap_or_default();
    let said = Explanation {
        device: record.id.to_string(),
        title: title.to_string(),
        at,
        zone: name,
        revision: terms.revision,
        text: quarantined(record) + &held(&held_by) + &text.join("\n") + &carried,
        held_by,
        decisions: decisions.iter().map(json).collect::<Result<_, _>>()?,
    };
    Ok((said, shown))
}

/// What a field of a person is kept for, where any source says that it is for something.
fn purpose(state: &World, person: &PersonId, field: &str) -> Option<String> {
    let record = state.people.get(state.identity.person(person))?;
    let said = record.facts.get(field)?;
    let purposes = said.keys().filter_map(|source| state.purpose(source, &format!("person.{field}")));
    purposes.map(ToString::to_string).next()
}

/// A decision in words; what is not in order is told by the version and the state that it really has.
fn in_words(record: &DeviceRecord, decision: &Decision, view: &View) -> String {
    let text = decide::explain(decision, view).to_string();
    let there = record.installs.get(&SlotName::from(&decision.slot));
    let unfinished = there.and_then(|there| Some((&there.version, there.state.as_ref()?)));
    match unfinished.zip(decision.installed.as_ref()) {
        Some(((version, state), stands_for_it)) => {
            text.replace(stands_for_it.as_str(), &format!("{version} ({state})"))
        }
        None => text,
    }
}

/// That nothing comes of what the policy says while two machines report as this device.
fn quarantined(record: &DeviceRecord) -> String {
    let Some(quarantine) = &record.quarantined else { return String::new() };
    format!(
        "Quarantined since {:.0}: two machines report as this device ({}). Nothing is taken from either, and what was published stays, \
         until a person lifts it with `refit quarantine lift {} --why …`.\n\n",
        quarantine.since, quarantine.because, record.id
    )
}

/// That the device is not told what the policy says, where a person has to let it go first.
fn held(by: &[HeldSlot]) -> String {
    let mut text = String::new();
    let mut said: BTreeSet<(Hold, Option<&str>)> = BTreeSet::new();
    for held in by.iter().filter(|held| held.hold != Hold::KillSwitch) {
        if !said.insert((held.hold, held.plan.as_deref())) {
            continue;
        }
        if held.hold == Hold::Disruption {
            let _ = writeln!(text, "The device is not told of it now: it {}.", held.because.trim_start_matches("it "));
            continue;
        }
        if held.hold == Hold::Mandate {
            let _ = writeln!(text, "Told to the device, and not done there: {}.", held.because);
            continue;
        }
        let _ = match (&held.lifted_by, &held.plan) {
            (Some(command), _) => {
                writeln!(text, "Held ({}): a person has to let it go with `{command}`.", held.because)
            }
            (None, plan) => {
                let plan = plan.as_deref().unwrap_or_default();
                writeln!(text, "Held: a person rejected plan {plan}; what was published stays.")
            }
        };
    }
    if by.iter().any(|held| !matches!(held.hold, Hold::KillSwitch | Hold::Mandate | Hold::Disruption)) {
        text.push_str("By the policy alone, which the device is not told before that:\n\n");
    }
    match by.iter().find(|held| held.hold == Hold::KillSwitch) {
        Some(held) => format!("Everything is stopped ({}); nothing is begun meanwhile.\n\n{text}", held.because),
        None => text,
    }
}
