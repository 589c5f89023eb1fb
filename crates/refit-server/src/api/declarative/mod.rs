//! Apple's declarative device management, for an MDM that passes on what its devices ask and report: `docs/protocols/apple-ddm.md`.
//!
//! An MDM knows the way that NanoMDM has for it: the `Endpoint` of a device's `DeclarativeManagement` message is a path below the base
//! address, `Data` is the body, and `X-Enrollment-ID` says which device it is. It is a protocol of others, so that its answers are not those of
//! the rest of the API, and it is not in the API's description.
//!
//! - [`desk`] What is worked out for devices that ask, and what is remembered of them.
//! - [`offers`] What Apple offers, from a file.
//! - [`reports`] What a device reports becomes what is known of it.
//! - [`shown`] What people are shown of all that.

mod desk;
mod offers;
mod reports;
mod shown;

pub(super) use desk::Desk;
pub(super) use shown::*;

use super::{
    Api, answer,
    auth::{self, Credentials},
    body,
    extract::{Caller, Path},
    layers,
    problem::{Code, Problem},
};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, request::Parts},
    response::Response,
    routing::{get, put},
};
use jiff::Timestamp;
use refit_core::{
    control::{DeviceRecord, Scope, State as World, report::SOURCE as AGENT},
    facts::mapping::KeyKind,
};
use refit_targets::targets::apple::{
    report::{Report, ReportError, SOURCE},
    serve::Served,
};
use smol_str::SmolStr;
use std::sync::Arc;

/// Which device asks: its UDID, or its serial number.
const ENROLMENT: &str = "x-enrollment-id";
/// The device of a user who asks.
const PARENT: &str = "x-enrollment-parentid";
/// The longest name of a device, in bytes.
const ENROLMENT_LONGEST: usize = 256;

/// The paths of the protocol.
pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/apple/ddm/tokens", get(tokens))
        .route("/apple/ddm/declaration-items", get(items))
        .route("/apple/ddm/declaration/{kind}/{identifier}", get(declaration))
        .route("/apple/ddm/status", put(status).post(status))
        .method_not_allowed_fallback(layers::method_not_allowed)
}

/// Whether anything has changed: what a device asks first.
async fn tokens(State(api): State<Api>, parts: Parts) -> Result<Response, Problem> {
    let asking = Asking::of(&api, &parts)?;
    asking.answered(&api, |served, now| Ok(served.tokens(now))).await
}

/// What there is for it.
async fn items(State(api): State<Api>, parts: Parts) -> Result<Response, Problem> {
    let asking = Asking::of(&api, &parts)?;
    asking.answered(&api, |served, _| Ok(served.items())).await
}

/// One declaration.
async fn declaration(
    State(api): State<Api>,
    Path((kind, identifier)): Path<(String, String)>,
    parts: Parts,
) -> Result<Response, Problem> {
    let asking = Asking::of(&api, &parts)?;
    let found = |served: &Served<'_>, _| {
        let missing = || Problem::missing("declaration of this device", &format!("{kind}/{identifier}"));
        served.declaration(&kind, &identifier).ok_or_else(missing)
    };
    asking.answered(&api, found).await
}

/// What a device reports.
async fn status(State(api): State<Api>, request: Request) -> Result<StatusCode, Problem> {
    // Who asks is known before anything of the body is read.
    let (parts, body) = request.into_parts();
    let asking = Asking::of(&api, &parts)?;
    let (_, bytes) = body::read(Request::from_parts(parts, body)).await?;
    let report = Report::read(&bytes).map_err(|error| {
        let code = if matches!(error, ReportError::Json(_)) { Code::Malformed } else { Code::Invalid };
        Problem::new(code, format!("the body: {error}")).help("send what the device sent, as it is")
    })?;
    let view = api.shell().view();
    match asking.meant(&view.state) {
        Meant::Device(record) => reports::tell(&api, &asking.caller, &record, &report).await?,
        Meant::User => {}
        Meant::Nobody(why) => api.desk().stranger(&asking.enrolment, why, asking.now),
    }
    Ok(StatusCode::OK)
}

/// An MDM that asks for a device.
struct Asking {
    caller: Caller,
    enrolment: SmolStr,
    /// Whether it is a user of a device: Refit declares to devices alone.
    is_user: bool,
    now: Timestamp,
}

/// Of several devices with one UDID or serial number those of which a source says it, where there are any: what a device says of itself, by its agent
/// or its own reports, does not stand against that.
fn trusted<'s>(kind: KeyKind, name: &str, found: Vec<&'s Arc<DeviceRecord>>) -> Vec<&'s Arc<DeviceRecord>> {
    if found.len() < 2 {
        return found;
    }
    let field = if kind == KeyKind::Serial { "device.serial" } else { "device.hardware_uuid" };
    let name = kind.written(name).ok();
    let by_source = |record: &Arc<DeviceRecord>| {
        let said = record.facts.get(field).into_iter().flat_map(|said| said.iter());
        let mut others = said.filter(|(source, _)| ![AGENT, SOURCE].contains(&source.as_str()));
        others.any(|(_, value)| kind.written(&value.to_string()).ok() == name)
    };
    let sourced: Vec<&Arc<DeviceRecord>> = found.iter().copied().filter(|record| by_source(record)).collect();
    if sourced.is_empty() { found } else { sourced }
}

/// Who is meant.
enum Meant {
    Device(Arc<DeviceRecord>),
    User,
    Nobody(String),
}

impl Asking {
    fn of(api: &Api, parts: &Parts) -> Result<Asking, Problem> {
        let caller = auth::identify(api, &parts.headers, &parts.extensions, Credentials::BearerOrBasic)?;
        tracing::Span::current().record("actor", caller.actor.name.as_str());
        caller.needs(Scope::DeclarativeManagement)?;
        let said = |name: &str, headers: &HeaderMap| {
            let value = headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)?;
            (1..=ENROLMENT_LONGEST).contains(&value.len()).then(|| SmolStr::new(value))
        };
        let Some(enrolment) = said(ENROLMENT, &parts.headers) else {
            let detail = format!("the header has to name the device, in 1 to {ENROLMENT_LONGEST} bytes");
            return Err(Problem::field("X-Enrollment-ID", detail).help("its UDID, or its serial number"));
        };
        // Users have ids of two parts where no header says whose they are.
        let is_user = said(PARENT, &parts.headers).is_some() || enrolment.contains(':');
        let now = api.shell().now().max(api.shell().view().state.clock);
        Ok(Asking { caller, enrolment, is_user, now })
    }

    fn meant(&self, state: &World) -> Meant {
        if self.is_user {
            return Meant::User;
        }
        let kinds = [KeyKind::HardwareUuid, KeyKind::Serial];
        let mut found = kinds.into_iter().map(|kind| (kind, state.with_key(kind, &self.enrolment)));
        let found = found.find(|(_, found)| !found.is_empty());
        let found = found.map(|(kind, found)| trusted(kind, &self.enrolment, found)).unwrap_or_default();
        match found.as_slice() {
            [] => Meant::Nobody("no managed device has this UDID or serial number".to_owned()),
            [one] => Meant::Device(Arc::clone(one)),
            several => Meant::Nobody(format!("{} managed devices have this UDID or serial number", several.len())),
        }
    }

    /// Answers with what is declared to the device; to nobody that is known, nothing is, which is an answer like others.
    async fn answered(
        &self,
        api: &Api,
        say: impl FnOnce(&Served<'_>, Timestamp) -> Result<serde_json::Value, Problem>,
    ) -> Result<Response, Problem> {
        let view = api.shell().view();
        let said = match self.meant(&view.state) {
            Meant::Device(record) => {
                let desired = api.desk().declared(api, &view, &record, self.now).await?;
                let served = Served::to(record.index, &desired);
                api.desk().asked(&record.id, served.token(), self.now);
                say(&served, self.now)
            }
            Meant::User => say(&Served::nothing(), self.now),
            Meant::Nobody(why) => {
                api.desk().stranger(&self.enrolment, why, self.now);
                say(&Served::nothing(), self.now)
            }
        };
        Ok(answer::json(StatusCode::OK, &said?))
    }
}
