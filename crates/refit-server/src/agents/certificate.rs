//! A device asks for its next certificate, with the present one.

use super::{
    Agents,
    authority::IssueError,
    peer::{self, Asking, actor},
    refused::{Code, Refused},
};
use axum::{Json, body::Body, extract::State, http::HeaderMap};
use refit_core::control::{AgentInput, Input};
use refit_wire::{
    limits,
    protocol::{CertificateAnswer, CertificateRequest},
};

/// Issues it. The present one goes on counting until it ends, so that an answer that is lost locks nobody out.
pub(super) async fn renew(
    State(agents): State<Agents>,
    asking: Asking,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CertificateAnswer>, Refused> {
    let request: CertificateRequest = peer::body(&headers, body, limits::ANSWER).await?;
    let device = asking.record.id.clone();
    // The agent knows the device by the name that it enrolled as.
    let named = asking.view.state.identity.agents_id(&device);
    let made = agents.inner.authority.issue(named, &request.request, asking.now)?;
    let input =
        AgentInput::Issue { device: device.clone(), beside: asking.serial, serial: made.serial, until: made.until };
    let actor = actor(&device, asking.origin);
    agents.shell().tell(&actor, Input::Agents(input), None).await?;
    Ok(Json(CertificateAnswer { certificate: made.pem }))
}

impl From<IssueError> for Refused {
    fn from(error: IssueError) -> Refused {
        let code = match &error {
            IssueError::Request(_) => Code::Invalid,
            IssueError::Make(_) => Code::Internal,
        };
        Refused::new(code, error.to_string())
    }
}
