//! How a device, or a person's devices, stand, for whoever asks before somebody is let in: `/api/v1/posture`.
//!
//! What is answered is decided in `refit_core::posture`. Here it is looked up who is meant, what is decided of them, and the answer is signed.

use super::{
    Api, answer,
    extract::{Caller, Path, Posted},
    problem::{Code, Problem},
};
use crate::shell::View;
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use jiff::Timestamp;
use refit_api::{AskPosture, KeySet, POSTURE_TYPE, PostureClaims, PostureSaid};
use refit_core::{
    control::{DeviceRecord, Evaluation, Evaluator, PersonId, Scope, State as World, Terms},
    facts::mapping::KeyKind,
    posture::{Answer, Decided, Known, Posture, Question, Subject, Undecided},
};
use refit_model::DeviceId;
use refit_wire::jws::{self, Jwk};
use smol_str::SmolStr;
use std::sync::Arc;

/// How a device, or a person's devices, stand: whether to let in, what is overdue and since when, what puts it right, and until when it is
/// tolerated.
///
/// What is answered to whom is written in the policy repository (`posture:`). Also who is not known gets an answer: the one that is written
/// there for it. The same is under `signed` as a token that others can check. `Content-Location` is where the same can be asked again with
/// `If-None-Match`.
#[utoipa::path(
    post, path = "/api/v1/posture", tag = "posture", request_body = AskPosture,
    responses((status = 200, description = "The answer.", body = PostureSaid)),
)]
pub(super) async fn ask(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, .. }: Posted<AskPosture>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Posture)?;
    let view = api.shell().view();
    let AskPosture { device, serial, certificate, user } = &body;
    for (field, text, most) in
        [("device", device, 128), ("serial", serial, 256), ("certificate", certificate, 16_384), ("user", user, 256)]
    {
        if text.as_ref().is_some_and(|text| !(1..=most).contains(&text.chars().count())) {
            return Err(Problem::field(field, format!("this has 1 to {most} characters")));
        }
    }
    let meant = match (device, serial, certificate, user) {
        (Some(device), None, None, None) => by_device(&view.state, device),
        (None, Some(serial), None, None) => by_serial(&view.state, serial),
        (None, None, Some(certificate), None) => by_certificate(&api, &view, certificate),
        (None, None, None, Some(user)) => {
            // Who is called what is looked up in everybody after a start.
            let (there, view, user) = (api.clone(), view.clone(), user.clone());
            api.beside(move || by_user(&there, &view.state, &user)).await?
        }
        _ => {
            let problem =
                Problem::field("", "exactly one of `device`, `serial`, `certificate` and `user` has to be named");
            return Err(problem.help(r#"write `{"device": "d1"}`, or one of the others in its place"#));
        }
    };
    said(&api, &caller, &view, meant, &HeaderMap::new()).await
}

/// How a device stands, as `POST /api/v1/posture` says it.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}/posture", tag = "posture",
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses(
        (status = 200, description = "The answer, also where the device is not known.", body = PostureSaid),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(super) async fn of_device(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.needs(Scope::Posture)?;
    let view = api.shell().view();
    said(&api, &caller, &view, by_device(&view.state, &id), &headers).await
}

/// How a person's devices stand together, as `POST /api/v1/posture` says it.
#[utoipa::path(
    get, path = "/api/v1/people/{id}/posture", tag = "posture",
    params(("id" = String, Path, description = "The person's id.", example = "p1")),
    responses(
        (status = 200, description = "The answer, also where the person is not known.", body = PostureSaid),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(super) async fn of_person(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.needs(Scope::Posture)?;
    let view = api.shell().view();
    let meant = by_person(&view.state, &PersonId::new(&id));
    let meant = meant.unwrap_or_else(|| Meant::nobody("nobody is known by this id"));
    said(&api, &caller, &view, meant, &headers).await
}

/// The keys that check what the server signs for others.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "posture", security(()),
    responses(
        (status = 200, description = "A JSON Web Key Set.", body = KeySet),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(super) async fn keys(State(api): State<Api>, headers: HeaderMap) -> Response {
    let own = Jwk::of(&api.agents().key().public());
    let rsa = api.options().shared_signals.as_ref().and_then(|signals| signals.rsa()).map(|key| key.public().clone());
    answer::tagged(&headers, &KeySet { keys: std::iter::once(own).chain(rsa).collect() })
}

/// Who is meant.
pub(super) enum Meant {
    /// Nothing or nobody that is known, and why.
    Unknown(Subject),
    /// A device.
    Device(Arc<DeviceRecord>),
    /// A person with their devices, by id.
    Person(PersonId, Vec<Arc<DeviceRecord>>),
}

impl Meant {
    fn no_device(why: impl Into<String>) -> Meant {
        Meant::Unknown(Subject::UnknownDevice { why: why.into() })
    }

    pub(super) fn nobody(why: impl Into<String>) -> Meant {
        Meant::Unknown(Subject::UnknownPerson { why: why.into() })
    }
}

fn by_device(state: &World, id: &str) -> Meant {
    let id = DeviceId::new(id);
    match state.device_now(&id) {
        Some(record) => Meant::Device(record.clone()),
        None if state.devices.contains_key(&id) => Meant::no_device("this device is no longer managed"),
        None => Meant::no_device("there is no device of this id"),
    }
}

fn by_serial(state: &World, serial: &str) -> Meant {
    match state.with_key(KeyKind::Serial, serial).as_slice() {
        [] => Meant::no_device("no managed device has this serial number"),
        [one] => Meant::Device(Arc::clone(one)),
        several => Meant::no_device(format!("{} managed devices have this serial number", several.len())),
    }
}

fn by_certificate(api: &Api, view: &View, pem: &str) -> Meant {
    match api.agents().device_of(view, pem, api.shell().now()) {
        Ok(record) => Meant::Device(record),
        Err(why) => Meant::no_device(why),
    }
}

pub(super) fn by_user(api: &Api, state: &World, user: &str) -> Meant {
    if let Some(meant) = by_person(state, &PersonId::new(user)) {
        return meant;
    }
    let people = api.inner.directory.called(state, user);
    let mut found = people.iter();
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Meant::nobody(format!("{} people are known by this address or name", people.len())),
        (only, _) => {
            let meant = only.and_then(|only| by_person(state, only));
            meant.unwrap_or_else(|| Meant::nobody("nobody is known by this id, address or name"))
        }
    }
}

pub(super) fn by_person(state: &World, id: &PersonId) -> Option<Meant> {
    let person = state.identity.person(id);
    state.people.get(person)?;
    let owned = state.found.of_person(person);
    let devices = state.first_of(&owned, None, usize::MAX).into_iter().filter(|device| device.retired.is_none());
    Some(Meant::Person(person.clone(), devices.cloned().collect()))
}

/// What is decided of a device: what is known already where nothing has changed since, else worked out now, where not too many ask that.
async fn known(api: &Api, view: &Arc<View>, record: &Arc<DeviceRecord>, now: Timestamp) -> Known {
    let state = &view.state;
    if state.policy.is_none() {
        return Known::of(state, record, Err(Undecided::NoPolicy));
    }
    let row = view.board.row(&record.id);
    let known = row.map(|row| {
        let behind = row.revision != state.revision()
            || state.revised_for(record).max(state.revised_for_all()) > row.basis
            || row.next_change.is_some_and(|change| change <= now);
        Decided { behind, ..Decided::of(state, record, &row.slots, row.at, row.next_change) }
    });
    if known.as_ref().is_some_and(|known| !known.behind) {
        return Known::of(state, record, known.ok_or(Undecided::NotYet));
    }
    let failed = view.board.failure(&record.id).is_some();
    // Deciding what has failed would fail again.
    if !failed
        && let Some(terms) = Terms::in_force(state)
        && let Ok(_leave) = api.inner.deciding.clone().try_acquire_owned()
    {
        let (asked, there) = (record.clone(), view.clone());
        let evaluation = api.beside(move || Evaluator::default().evaluate(&there.state, &terms, &asked, now)).await;
        if let Ok(Evaluation { slots, at, next_change, .. }) = evaluation {
            return Known::of(state, record, Ok(Decided::of(state, record, &slots, at, next_change)));
        }
    }
    let undecided = if failed { Undecided::Failed } else { Undecided::NotYet };
    Known::of(state, record, known.ok_or(undecided))
}

/// An answer, and for whom it is.
pub(super) struct Answered {
    /// What is answered.
    pub answer: Answer,
    /// The name of the token that asks.
    audience: SmolStr,
    /// Where the same can be asked again.
    location: Option<String>,
    now: Timestamp,
}

/// Decides.
pub(super) async fn decide(api: &Api, caller: &Caller, view: &Arc<View>, meant: Meant) -> Answered {
    let state = &view.state;
    let now = api.shell().now().max(state.clock);
    let (subject, location) = match meant {
        Meant::Unknown(subject) => (subject, None),
        Meant::Device(record) => {
            let location = format!("/api/v1/devices/{}/posture", record.id);
            (Subject::Device(known(api, view, &record, now).await), Some(location))
        }
        Meant::Person(person, records) => {
            let mut devices = Vec::with_capacity(records.len());
            for record in &records {
                devices.push(known(api, view, record, now).await);
            }
            let location = format!("/api/v1/people/{person}/posture");
            (Subject::Person { person, devices }, Some(location))
        }
    };
    let audience = state.tokens.get(&caller.token).map(|token| token.name.clone()).unwrap_or_default();
    let repository = state.policy.as_ref().map(|policy| policy.repository.as_ref());
    let plain = Posture::default();
    let question = Question {
        posture: repository.and_then(|repository| repository.posture(&audience)).unwrap_or(&plain),
        repository,
        revision: state.revision(),
        subject: &subject,
        read_only: api.shell().read_only(),
        now,
    };
    Answered { answer: question.answer(), audience, location, now }
}

/// Decides, signs, and answers.
async fn said(
    api: &Api,
    caller: &Caller,
    view: &Arc<View>,
    meant: Meant,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let Answered { answer, audience, location, now } = decide(api, caller, view, meant).await;
    let until = answer.until;
    let signed = sign(api, &audience, &answer)?;
    let mut response = answer::tagged(headers, &PostureSaid { answer, signed });
    let seconds = until.duration_since(now).as_secs().max(0);
    let kept = HeaderValue::from_str(&format!("private, max-age={seconds}"));
    let location = location.and_then(|location| HeaderValue::from_str(&location).ok());
    let kept = kept.into_iter().map(|value| (header::CACHE_CONTROL, value));
    let headers = kept.chain(location.map(|value| (header::CONTENT_LOCATION, value)));
    headers.for_each(|(name, value)| {
        response.headers_mut().insert(name, value);
    });
    Ok(response)
}

fn sign(api: &Api, audience: &str, answer: &Answer) -> Result<String, Problem> {
    let claims = PostureClaims {
        iss: api.agents().options().address.clone(),
        aud: audience.to_owned(),
        sub: answer.about.device.clone().or_else(|| answer.about.person.clone()),
        iat: answer.issued.as_second(),
        // A part of a second counts as a whole: what ends within it is not over when it is read.
        exp: answer.until.as_second() + i64::from(answer.until.subsec_nanosecond() > 0),
        posture: answer.clone(),
    };
    jws::sign(&claims, POSTURE_TYPE, api.agents().key())
        .map_err(|error| Problem::new(Code::Internal, error.to_string()))
}
