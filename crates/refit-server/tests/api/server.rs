//! A server in memory, and a client of it.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use jiff::{SignedDuration, Timestamp};
use refit_connect::outbound::Outbound;
use refit_core::{
    control::{Actor, Bearer, Input, Scope, TokenId, TokenRecord},
    policy::resolve::Titles,
};
use refit_server::{
    agents::{self, Agents, Authority, open_key},
    api::{Api, Options, router},
    deliveries::Deliveries,
    shared_signals::{RsaKey, SharedSignals},
    shell::{Clock, Shell},
};
use refit_store::{MemoryStore, Store};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tower::ServiceExt as _;

pub struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

pub struct Server {
    pub router: Router,
    pub shell: Shell,
    pub agents: Agents,
    pub deliveries: Option<Deliveries>,
    pub shared_signals: SharedSignals,
    /// Where the server's files are.
    pub folder: tempfile::TempDir,
    pub clock: Arc<SetClock>,
    /// The secret of a token that permits everything.
    pub admin: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// What it says, where it was done.
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self.body
    }

    /// The problem, where it was not.
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["type"], format!("/problems/{code}"), "{}", self.body);
        assert_eq!(self.body["status"], status);
        assert!(!self.body["detail"].as_str().unwrap().is_empty());
        self.body
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Server {
    pub async fn new() -> Server {
        Server::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Server {
        Server::built(options, None).await
    }

    /// A server that sends events, also to these hosts.
    pub async fn sending(private: Vec<String>) -> Server {
        let server = Server::built(Options::default(), Some(private)).await;
        tokio::spawn(server.deliveries.clone().unwrap().run());
        server
    }

    /// A server that keeps subscriptions, and sends nothing to anybody.
    pub async fn subscribing(options: Options) -> Server {
        Server::built(options, Some(Vec::new())).await
    }

    async fn built(options: Options, private: Option<Vec<String>>) -> Server {
        let clock =
            Arc::new(SetClock(AtomicI64::new("2026-11-25T08:00:00Z".parse::<Timestamp>().unwrap().as_second())));
        let store = MemoryStore::new();
        let fence = store.acquire_lease("test", clock.now(), std::time::Duration::from_secs(3600)).await.unwrap();
        let shell = Shell::open(Arc::new(store), fence, Titles::default(), clock.clone()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), clock.now()).unwrap();
        let door = agents::Options {
            interval: agents::INTERVAL,
            address: "https://refit.example:7443".to_owned(),
            own_certificate: true,
        };
        let agents = Agents::new(shell.clone(), authority, open_key(folder.path()).unwrap(), door);
        let outbound = Outbound::new(private.clone().unwrap_or_default());
        let place = (folder.path().join("shared-signals"), *shell.head().borrow());
        let rsa = RsaKey::open(folder.path()).unwrap();
        let shared_signals = SharedSignals::new(shell.clone(), agents.clone(), outbound, place, rsa);
        let deliveries = private.map(|private| {
            let outbound = Outbound::new(private);
            Deliveries::new(shell.clone(), agents.clone(), outbound, folder.path().join("deliveries"))
        });
        let signals = Some(shared_signals.clone());
        let options = Options { deliveries: deliveries.clone(), shared_signals: signals, ..options };
        let router = router(Api::new(shell.clone(), agents.clone(), options));
        let mut server =
            Server { router, shell, agents, deliveries, shared_signals, folder, clock, admin: String::new() };
        server.admin = server.token("admin", "olga", Bearer::Person, &Scope::ALL).await;
        server
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn wait(&self, duration: SignedDuration) {
        self.clock.0.fetch_add(duration.as_secs(), Ordering::Relaxed);
    }

    /// Makes a token as the server's own console does.
    pub async fn token(&self, id: &str, owner: &str, bearer: Bearer, scopes: &[Scope]) -> String {
        let secret = format!("refit_secret-of-{id}");
        let hash: String = Sha256::digest(&secret).iter().map(|byte| format!("{byte:02x}")).collect();
        let record = TokenRecord {
            hash: hash.into(),
            name: id.into(),
            owner: owner.into(),
            bearer,
            scopes: scopes.iter().copied().collect(),
            expires: self.now().checked_add(SignedDuration::from_hours(24)).unwrap(),
            roles: std::collections::BTreeSet::new(),
            requests_per_minute: None,
        };
        let input = Input::CreateToken { token: TokenId::new(id), record };
        self.shell.tell(&Actor::server(), input, None).await.unwrap();
        secret
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        assert!(parts.headers.contains_key("x-request-id"));
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn call(
        &self,
        secret: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {secret}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(&self.admin, "GET", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(&self.admin, "POST", path, &[], Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(&self.admin, "PUT", path, &[], Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(&self.admin, "DELETE", path, &[], None).await
    }

    /// A device with Firefox 130, a release 131, an advisory that 131 closes, and a policy that wants it.
    pub async fn fleet(&self) -> String {
        self.post("/api/v1/devices", json!({ "id": "d1", "name": "laptop" })).await.ok();
        let install = json!([{ "title": "firefox", "version": "130.0" }]);
        let said =
            json!({ "source": "agent", "facts": { "device.platform": "linux" }, "installs": { "all": install } });
        self.post("/api/v1/devices/d1/observations", said).await.ok();
        let release = json!({ "title": "firefox", "version": "131.0", "published": "2026-11-01T00:00:00Z" });
        self.post("/api/v1/releases", json!({ "source": "mozilla", "releases": [release] })).await.ok();
        let advisory = json!({
            "id": "CVE-2026-1", "title": "firefox", "affected": ["<131.0"], "known_at": "2026-11-01T00:00:00Z", "cvss": 8.8,
        });
        self.post("/api/v1/advisories", json!({ "source": "mozilla", "advisories": [advisory] })).await.ok();
        let plan = self.post("/api/v1/plans", json!({ "files": { "refit.yaml": POLICY } })).await.ok();
        plan["id"].as_str().unwrap().to_owned()
    }
}

pub const POLICY: &str = "\
organization: acme
defaults: { mode: enforce }
---
title: firefox
name: Firefox
---
policy: browsers
owner: endpoint@acme.example
software: [firefox]
min_age: 1d
deadline: [{ within: 7d }]
";
