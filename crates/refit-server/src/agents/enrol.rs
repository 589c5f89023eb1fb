//! A machine becomes a device, or finds the device that it is.

use super::{
    Agents,
    peer::body as read,
    refused::{Code, Refused},
};
use crate::{shell::TellError, shell::View, tokens};
use axum::{Json, body::Body, extract::State, http::HeaderMap};
use jiff::Timestamp;
use refit_core::control::{Actor, AgentInput, Input, Refusal, TokenId};
use refit_model::DeviceId;
use refit_wire::{
    Digest, limits,
    protocol::{EnrolRequest, Enrolled},
};
use smol_str::SmolStr;
use subtle::ConstantTimeEq as _;

/// The longest name of a machine, in characters.
const NAME_LONGEST: usize = 256;
/// How often it is tried where another enrolment of the same machine comes in between.
const TRIES: usize = 3;

/// Enrols. Asking again gives the same device another certificate; those that it had do not count any more.
pub(super) async fn enrol(
    State(agents): State<Agents>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Enrolled>, Refused> {
    let request: EnrolRequest = read(&headers, body, limits::ANSWER).await?;
    let mut tries = 0;
    loop {
        tries += 1;
        let (view, now) = (agents.shell().view(), agents.shell().now());
        let enrolment = permitted(&view, &request.secret, now)?;
        let device = device(&view, &request.machine);
        let made = agents.inner.authority.issue(&device, &request.request, now)?;
        let name: SmolStr = request.name.chars().filter(|c| !c.is_control()).take(NAME_LONGEST).collect();
        let input = AgentInput::Join {
            enrolment,
            device: device.clone(),
            machine: request.machine.to_string().into(),
            name: Some(name).filter(|name| !name.is_empty()),
            agent: request.agent.chars().take(64).collect(),
            serial: made.serial,
            until: made.until,
        };
        match agents.shell().tell(&Actor::server(), Input::Agents(input), None).await {
            Ok(_) => {
                // Whoever was this machine before starts to count anew.
                *agents.inner.seen.entry(&device).lock().await = Default::default();
                tracing::info!(%device, "a device has enrolled");
                return Ok(Json(Enrolled { device, certificate: made.pem }));
            }
            Err(TellError::Refused(Refusal::Conflict(_) | Refusal::Exists { .. })) if tries < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The enrolment token of a secret. All are compared, each in constant time.
fn permitted(view: &View, secret: &str, now: Timestamp) -> Result<TokenId, Refused> {
    let hash = tokens::hash(secret);
    let mut found = None;
    for (id, record) in &view.state.agents.enrolments {
        if bool::from(record.hash.as_bytes().ct_eq(hash.as_bytes())) {
            found = Some((id, record));
        }
    }
    let Some((id, record)) = found else {
        return Err(Refused::new(Code::Token, "the enrolment token is unknown"));
    };
    match record.spent(now) {
        Some(why) => Err(Refused::new(Code::Token, why)),
        None => Ok(id.clone()),
    }
}

fn device(view: &View, machine: &Digest) -> DeviceId {
    let known = view.state.agents.machines.get(machine.to_string().as_str());
    let managed = known.filter(|known| view.state.device(known).is_some());
    managed.cloned().unwrap_or_else(|| DeviceId::new(uuid::Uuid::now_v7().to_string()))
}
