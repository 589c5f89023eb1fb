//! The agents' door: what devices ask, under `/agent/v1`, each known by its certificate (`docs/protocols/agent.md`).
//!
//! - `authority.rs`, `peer.rs` Certificates of devices: making them, and who comes with which.
//! - `enrol.rs`, `certificate.rs` How a device gets its first certificate, and the next one.
//! - `check_in.rs` A device says how it is. Where nothing has changed, no writer is asked.
//! - `documents.rs` Roots, mandates, and what the device is to do. `lease.rs` The server's word on the time.
//! - `seen.rs` What is remembered of devices between check-ins, in memory.
//! - `keys.rs` The key that signs leases and states. `publish.rs` Roots and mandates, checked before they are published.

mod authority;
mod certificate;
mod check_in;
mod documents;
mod enrol;
mod epoch;
mod keys;
mod lease;
mod peer;
mod publish;
mod refused;
mod seen;

pub use authority::{Authority, IssueError, Made};
pub use epoch::{forget_restored, note_restored, raise};
pub use keys::open_key;
pub use publish::PublishError;
pub use refused::Code;

use crate::shell::{Shell, View};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use refit_core::control::{Actor, AgentInput, Bearer, Input, Scope};
use refit_model::DeviceId;
use refit_wire::{Digest, SigningKey, protocol::path};
use refused::Refused;
use smol_str::SmolStr;
use std::{sync::Arc, time::Duration};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};

/// How often devices are asked to check in, unless somebody says otherwise.
pub const INTERVAL: Duration = Duration::from_secs(3_600);
/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the door needs. Clones share it.
#[derive(Clone)]
pub struct Agents {
    inner: Arc<Inner>,
}

struct Inner {
    shell: Shell,
    authority: Authority,
    key: SigningKey,
    options: Options,
    seen: seen::Seen,
    lease: lease::Leases,
    contents: documents::Contents,
}

/// How the door is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often devices are asked to check in.
    pub interval: Duration,
    /// The address that enrolment tokens carry where nobody gives another.
    pub address: String,
    /// Whether the server's own certificate is from the authority, so that tokens have to carry its fingerprint.
    pub own_certificate: bool,
}

impl Agents {
    /// A door for devices with certificates of `authority`; what it signs, it signs with `key`.
    pub fn new(shell: Shell, authority: Authority, key: SigningKey, options: Options) -> Agents {
        let inner = Inner {
            shell,
            authority,
            key,
            options,
            seen: seen::Seen::default(),
            lease: lease::Leases::default(),
            contents: documents::Contents::default(),
        };
        Agents { inner: Arc::new(inner) }
    }

    /// The server's key.
    pub fn key(&self) -> &SigningKey {
        &self.inner.key
    }

    /// How it is set up.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// The fingerprint of the authority that a device has to trust; `None` where the server's certificate was given.
    pub fn fingerprint(&self) -> Option<Digest> {
        self.inner.options.own_certificate.then(|| self.inner.authority.fingerprint())
    }

    fn shell(&self) -> &Shell {
        &self.inner.shell
    }

    /// Writes down who checked in, and who honours the brake. Called now and then, and before the end.
    pub async fn flush(&self) {
        let (present, braked) = self.inner.seen.take();
        let mut inputs = Vec::new();
        if !present.is_empty() {
            inputs.push(AgentInput::Seen(present));
        }
        inputs.extend(braked.map(|(since, after)| AgentInput::Braked { since, after: after.into_iter().collect() }));
        for input in inputs {
            if let Err(error) = self.shell().tell(&Actor::server(), Input::Agents(input), None).await {
                tracing::warn!(%error, "who checked in could not be written down");
            }
        }
    }
}

/// The organisation that documents speak of: as the newest root names it; without one, as the policy does.
pub(crate) fn organization(view: &View) -> SmolStr {
    let by_root = view.state.agents.root().map(|(_, root)| root.organization.clone());
    let by_policy = || view.state.policy.as_ref().map(|policy| policy.repository.organization.clone());
    by_root.or_else(by_policy).unwrap_or_default()
}

/// A device, as the log names it.
fn actor(device: &DeviceId) -> Actor {
    let name = SmolStr::from(format!("device:{device}"));
    Actor { owner: name.clone(), name, bearer: Bearer::Program, scopes: [Scope::Facts].into() }
}

/// Ends what takes too long: a body that never ends, above all.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::new(Code::Unavailable, "it took too long").into_response(),
    }
}

/// The paths of the protocol.
pub fn router(agents: Agents) -> Router {
    let documents = Router::new()
        .route(path::MANDATES, get(documents::mandate))
        .route(path::STATE, get(documents::state))
        .layer(CompressionLayer::new().gzip(true));
    Router::new()
        .route(path::AUTHORITY, get(documents::authority))
        .route(path::ROOTS, get(documents::root))
        .route(path::ENROL, post(enrol::enrol))
        .route(path::CHECK_IN, post(check_in::check_in))
        .route(path::CERTIFICATE, post(certificate::renew))
        .merge(documents)
        .layer(from_fn(in_time))
        .layer(CatchPanicLayer::custom(refused::panicked))
        // Each handler limits its body by itself.
        .layer(DefaultBodyLimit::disable())
        .with_state(agents)
}
