//! The HTTP API under `/api/v1`: one module for each resource. It asks and tells the [`Shell`]; nothing is decided here.
//!
//! [`router`] is all of it, [`openapi()`] its description, made of the same handlers and of the types in `refit-api`.

pub mod access;
mod advisories;
mod answer;
mod audit;
pub(crate) mod auth;
mod body;
mod brake;
mod budgets;
mod declarative;
mod devices;
mod enrolments;
pub(crate) mod events;
mod exceptions;
mod exposures;
mod extract;
mod fleet_lock;
mod groups;
mod health;
mod layers;
mod metrics;
mod okta;
mod openapi;
mod page;
mod people;
mod plans;
mod policies;
mod posture;
mod problem;
mod rate;
mod redact;
mod releases;
mod reports;
pub mod retired;
mod rollouts;
mod scim;
mod settings;
mod sign_in;
mod signals;
mod slack;
mod sources;
mod ssf;
mod stream;
mod subscriptions;
mod targets;
mod titles;
mod tokens;
mod trust;
mod waiting;

pub use metrics::Metrics;
pub use openapi::{openapi, openapi_for_workflows};
pub use problem::{Code, Problem};
pub use slack::SigningSecrets;

use crate::{
    agents::Agents, audit::Audit, deliveries::Deliveries, jobs::Troubles, shared_signals::SharedSignals, shell::Shell,
    sign_in::SignIn,
};
use axum::{Router, extract::Request, middleware::Next};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Limits of the API.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests that a token may make in a second, on average.
    pub requests_per_second: f64,
    /// Requests that a token may make at once.
    pub burst: f64,
    /// How long a request may take; what waits for events may take that much longer.
    pub timeout: Duration,
    /// How long anybody waits for events at most; asking for up to a minute is permitted all the same.
    pub longest_wait: Duration,
    /// How long a plan may be worked out.
    pub plan_timeout: Duration,
    /// How much long work (plans, explanations of the past) runs at once.
    pub long_work: usize,
    /// How many devices are decided at once for whoever asks how they stand, where that is not known already.
    pub decided_at_once: usize,
    /// How asking for signals went.
    pub troubles: Troubles,
    /// What sends business events to subscriptions; `None` where nothing does.
    pub deliveries: Option<Deliveries>,
    /// The file that says what Apple offers; `None` where nobody has said.
    pub apple_versions: Option<PathBuf>,
    /// What sends security events to streams; `None` where nothing does.
    pub shared_signals: Option<SharedSignals>,
    /// The provider through which people sign in; `None` where they do not.
    pub sign_in: Option<SignIn>,
    /// Where it is written down who reads what is personal; `None` where it is not.
    pub audit: Option<Audit>,
    /// With what Slack signs what people press, by process.
    pub signing_secrets: SigningSecrets,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            requests_per_second: 200.0,
            burst: 2_000.0,
            timeout: Duration::from_secs(30),
            longest_wait: layers::WAIT_LONGEST,
            plan_timeout: Duration::from_secs(600),
            long_work: 2,
            decided_at_once: 4,
            troubles: Troubles::default(),
            deliveries: None,
            apple_versions: None,
            shared_signals: None,
            sign_in: None,
            audit: None,
            signing_secrets: SigningSecrets::default(),
        }
    }
}

/// What handlers share. Clones share it too.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    shell: Shell,
    agents: Agents,
    options: Options,
    metrics: Metrics,
    rates: rate::Rates,
    /// The end of the log, read once for all who follow it.
    tail: events::Tail,
    long_work: Arc<tokio::sync::Semaphore>,
    deciding: Arc<tokio::sync::Semaphore>,
    /// Held while something is compared with what is so, and written.
    compared: tokio::sync::Mutex<()>,
    /// The people whom somebody names by an address or the name of an account.
    directory: scim::Directory,
    /// What is declared to Apple devices that ask.
    desk: declarative::Desk,
}

impl Api {
    /// An API over a shell, with the agents' door beside it.
    pub fn new(shell: Shell, agents: Agents, options: Options) -> Api {
        let rates = rate::Rates::new(options.requests_per_second, options.burst);
        let long_work = Arc::new(tokio::sync::Semaphore::new(options.long_work));
        let deciding = Arc::new(tokio::sync::Semaphore::new(options.decided_at_once));
        let metrics = Metrics::new();
        let (compared, directory) = (tokio::sync::Mutex::new(()), scim::Directory::default());
        let tail = events::Tail::default();
        let desk = declarative::Desk::new(options.apple_versions.clone());
        let inner =
            Inner { shell, agents, options, metrics, rates, tail, long_work, deciding, compared, directory, desk };
        Api { inner: Arc::new(inner) }
    }

    /// The agents' door.
    fn agents(&self) -> &Agents {
        &self.inner.agents
    }

    /// The shell.
    pub fn shell(&self) -> &Shell {
        &self.inner.shell
    }

    /// What is measured.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// What is declared to Apple devices that ask.
    fn desk(&self) -> &declarative::Desk {
        &self.inner.desk
    }

    fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Leave to work for long; where too many do already, the client has to come back.
    fn long_work(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
        self.inner.long_work.clone().try_acquire_owned().map_err(|_| {
            Problem::new(Code::Unavailable, "other plans or explanations are being worked out: try again in a moment")
        })
    }
}

/// The paths that need a token.
fn guarded() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(devices::list, devices::enrol))
        .routes(routes!(devices::get, devices::retire))
        .routes(routes!(devices::observe))
        .routes(routes!(devices::decisions))
        .routes(routes!(devices::explanation))
        .routes(routes!(devices::directives))
        .routes(routes!(declarative::of_device))
        .routes(routes!(declarative::all))
        .routes(routes!(devices::receipt))
        .routes(routes!(devices::assignment, devices::assign))
        .routes(routes!(devices::lift_quarantine))
        .routes(routes!(posture::ask))
        .routes(routes!(posture::of_device))
        .routes(routes!(posture::of_person))
        .routes(routes!(people::list))
        .routes(routes!(people::get, people::observe, people::erase))
        .routes(routes!(sources::list))
        .routes(routes!(targets::list))
        .routes(routes!(titles::list))
        .routes(routes!(releases::list, releases::publish))
        .routes(routes!(advisories::list, advisories::publish))
        .routes(routes!(exposures::list))
        .routes(routes!(policies::in_force))
        .routes(routes!(policies::list))
        .routes(routes!(exceptions::list, exceptions::request))
        .routes(routes!(exceptions::get))
        .routes(routes!(exceptions::approve))
        .routes(routes!(exceptions::refuse))
        .routes(routes!(exceptions::withdraw))
        .routes(routes!(exceptions::patch))
        .routes(routes!(reports::list, reports::open))
        .routes(routes!(reports::get))
        .routes(routes!(reports::acknowledge))
        .routes(routes!(reports::close))
        .routes(routes!(reports::patch))
        .routes(routes!(plans::list, plans::make))
        .routes(routes!(plans::preview))
        .routes(routes!(plans::get))
        .routes(routes!(plans::approve))
        .routes(routes!(plans::reject))
        .routes(routes!(plans::apply))
        .routes(routes!(events::list))
        .routes(routes!(stream::list))
        .routes(routes!(subscriptions::list, subscriptions::create))
        .routes(routes!(subscriptions::get, subscriptions::change, subscriptions::remove))
        .routes(routes!(subscriptions::rotate))
        .routes(routes!(subscriptions::resume))
        .routes(routes!(subscriptions::replay))
        .routes(routes!(subscriptions::attempts))
        .routes(routes!(subscriptions::dead_letters))
        .routes(routes!(rollouts::list))
        .routes(routes!(rollouts::timeline))
        .routes(routes!(rollouts::halt))
        .routes(routes!(rollouts::resume))
        .routes(routes!(rollouts::expedite))
        .routes(routes!(signals::list, signals::tell))
        .routes(routes!(rollouts::open_ring))
        .routes(routes!(rollouts::answer_gate))
        .routes(routes!(groups::list))
        .routes(routes!(groups::give_back))
        .routes(routes!(groups::answer))
        .routes(routes!(brake::get))
        .routes(routes!(brake::stop))
        .routes(routes!(brake::go_on))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(sign_in::session, sign_in::end))
        .routes(routes!(audit::list))
        .routes(routes!(enrolments::list, enrolments::create))
        .routes(routes!(enrolments::revoke))
        .routes(routes!(enrolments::revoke_certificates))
        .routes(routes!(trust::get))
        .routes(routes!(trust::publish_root))
        .routes(routes!(trust::root))
        .routes(routes!(trust::publish_mandate))
        .routes(routes!(trust::mandate))
        .routes(routes!(settings::get, settings::put))
        .routes(routes!(groups::webhooks))
        .routes(routes!(groups::set_webhook))
        .routes(routes!(budgets::list))
        .routes(routes!(metrics::get))
}

/// The paths that need none.
fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(openapi::document))
        .routes(routes!(posture::keys))
        .routes(routes!(sign_in::begin))
        .routes(routes!(sign_in::finish))
}

/// The whole API, ready to be served.
pub fn router(api: Api) -> Router {
    let guard = axum::middleware::from_fn_with_state(api.clone(), auth::authenticate);
    let (guarded, _) = guarded().split_for_parts();
    let (open, _) = open().split_for_parts();
    let told =
        axum::middleware::from_fn(|request: Request, next: Next| retired::told(retired::RETIRING, request, next));
    let router = guarded
        .method_not_allowed_fallback(layers::method_not_allowed)
        .route_layer(guard)
        .merge(open.method_not_allowed_fallback(layers::method_not_allowed))
        .route_layer(told)
        .merge(fleet_lock::router())
        .merge(declarative::router())
        .merge(scim::router())
        .merge(okta::router())
        .merge(slack::router())
        .merge(ssf::router())
        .fallback(layers::not_found);
    layers::around(router, &api).with_state(api)
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A new id: unique, and sorted by the time of its making.
fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// What most writes answer.
fn written(told: &crate::shell::Told) -> refit_api::Written {
    refit_api::Written { id: None, seq: told.seq, changed: !told.events.is_empty(), merged: merged(told) }
}

/// The ids that were named and lead to others by now, as answers have them.
fn merged(told: &crate::shell::Told) -> BTreeMap<String, String> {
    told.led.iter().map(|(named, now)| (named.to_string(), now.to_string())).collect()
}

/// Whether this names a source in the path of a protocol.
fn names_source(source: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    (1..=64).contains(&source.len()) && source.chars().all(fits)
}

/// Refuses a source without a name, or with one that is none.
fn named_source(source: &str) -> Result<(), Problem> {
    if source.is_empty() || source.len() > 1_024 {
        return Err(Problem::field("source", "the name of a source has 1 to 1024 bytes"));
    }
    Ok(())
}
