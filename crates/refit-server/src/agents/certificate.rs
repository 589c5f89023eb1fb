//! A device asks for its next certificate, with the present one.

use super::{
    Agents, actor,
    authority::IssueError,
    peer::{self, Asking},
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
    let made = agents.inner.authority.issue(&device, &request.request, asking.now)?;
    let input =
        AgentInput::Issue { device: device.clone(), beside: asking.serial, serial: made.serial, until: made.until };
    agents.shell().tell(&actor(&device), Input::Agents(input), None).await?;
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
