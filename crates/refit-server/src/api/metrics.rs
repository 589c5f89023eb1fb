//! Figures for Prometheus.

use super::{Api, extract::Caller, problem::Problem};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use refit_core::{
    control::{GateRecord, Scope},
    policy::document::test::GateAnswer,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What is measured. Clones share it.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<Labels, Counter>,
    seconds: Family<Route, Histogram>,
    head: Gauge,
    devices: Gauge,
    lag: Gauge,
    stopped: Gauge,
    asking: Gauge,
    halted: Gauge,
    alarms: Family<Source, Gauge>,
    drifts: Family<Target, Gauge>,
    strangers: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Source {
    source: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Target {
    target: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// Nothing measured yet.
    pub fn new() -> Metrics {
        let seconds: Family<Route, Histogram> =
            Family::new_with_constructor(|| Histogram::new([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0]));
        let metrics = Metrics {
            registry: Arc::default(),
            requests: Family::default(),
            seconds,
            head: Gauge::default(),
            devices: Gauge::default(),
            lag: Gauge::default(),
            stopped: Gauge::default(),
            asking: Gauge::default(),
            halted: Gauge::default(),
            alarms: Family::default(),
            drifts: Family::default(),
            strangers: Gauge::default(),
        };
        {
            let mut registry = metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
            let registry = registry.sub_registry_with_prefix("refit");
            registry.register("http_requests", "Requests, by route and status", metrics.requests.clone());
            let help = "How long requests took";
            registry.register_with_unit("http_request", help, Unit::Seconds, metrics.seconds.clone());
            registry.register("log_head", "The last event of the log", metrics.head.clone());
            registry.register("devices", "Devices that are managed", metrics.devices.clone());
            registry.register("board_lag", "Devices that have to be decided anew", metrics.lag.clone());
            registry.register("stopped", "1 while the brake is pulled", metrics.stopped.clone());
            let help = "Releases that wait for a person to say whether they go on";
            registry.register("rollouts_asking", help, metrics.asking.clone());
            registry.register("rollouts_halted", "Releases that are halted", metrics.halted.clone());
            let help = "1 while a source keeps its last good state, by source";
            registry.register("source_alarm", help, metrics.alarms.clone());
            let help = "Objects of another system that were changed by hand, by target";
            registry.register("target_drift", help, metrics.drifts.clone());
            let help = "Apple devices that asked for declarations since the start, and that nobody knows";
            registry.register("declarative_unknown", help, metrics.strangers.clone());
        }
        metrics
    }

    /// Enters the figures of others.
    pub fn include(&self, enter: impl FnOnce(&mut Registry)) {
        enter(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A request was answered.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        // What is no method of ours is one label, whatever is sent.
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE"].iter().find(|known| **known == method);
        let (method, route) = (known.copied().unwrap_or("other").to_owned(), route.to_owned());
        self.seconds.get_or_create(&Route { method: method.clone(), route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Labels { method, route, status }).inc();
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing into a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

/// Figures for Prometheus, in the OpenMetrics text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "The figures.", content_type = "application/openmetrics-text", body = String)),
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let (view, metrics) = (api.shell().view(), api.metrics());
    let devices = view.state.managed_count();
    // Nobody looks at all devices for a figure: those that another revision has made stale are counted, of the others the
    // evaluator knows what its last look found.
    let revision = view.state.revision();
    let stale = if revision == 0 { 0 } else { devices.saturating_sub(view.board.decided_under(revision)) as i64 };
    metrics.head.set(view.state.seq as i64);
    metrics.devices.set(devices as i64);
    metrics.lag.set(stale.max(api.shell().metrics().due.get()));
    metrics.stopped.set(i64::from(view.state.brake.is_some()));
    let rollouts = &view.state.rollouts;
    metrics.asking.set(view.state.waiting_for_people() as i64);
    metrics.strangers.set(api.desk().stranger_count() as i64);
    let halts = |gate: &&GateRecord| gate.answer == GateAnswer::Halt;
    let halted =
        rollouts.gates.iter().flat_map(|(title, gates)| gates.iter().filter(halts).map(move |it| (title, &it.version)));
    metrics.halted.set(halted.collect::<BTreeSet<_>>().len() as i64);
    for (source, reading) in &view.state.readings {
        let of = Source { source: source.to_string() };
        metrics.alarms.get_or_create(&of).set(i64::from(reading.alarm.is_some()));
    }
    for observed in view.state.targets_in_force() {
        let of = Target { target: observed.target.to_string() };
        metrics.drifts.get_or_create(&of).set(observed.drifted.len() as i64);
    }
    let mut response = metrics.text().into_response();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}
