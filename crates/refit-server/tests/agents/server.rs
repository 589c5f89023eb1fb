//! A server as it runs, on a port of its own, and its administrator.

use super::client::Device;
use jiff::{SignedDuration, Timestamp};
use refit_api::{NewEnrolment, client::Client};
use refit_core::policy::resolve::Titles;
use refit_model::entry::{InstallEntry, Plain};
use refit_server::start::{Options, Server};
use refit_wire::{
    EnrolmentToken, Envelope, Mandate, Root, SigningKey,
    mandate::Limits,
    protocol::{Inventory, Universe},
    root::RoleKeys,
};
use std::{net::SocketAddr, path::Path, sync::Arc};
use tokio::sync::oneshot;

pub struct Running {
    pub address: SocketAddr,
    pub ca: String,
    pub admin: Arc<Client>,
    pub shell: refit_server::shell::Shell,
    pub agents: refit_server::agents::Agents,
    end: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<()>,
}

impl Running {
    pub async fn start(data: &Path) -> Running {
        let options = Options {
            connections: Default::default(),
            webhook_private: Vec::new(),
            apple_versions: None,
            sign_in: None,
            signing_secrets: Default::default(),
            data: data.to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            public: None,
            approvals: Some(0),
            certificates: None,
            catalog: Titles::default(),
            hostname: "test".into(),
            version: "0".into(),
        };
        let server = Server::start(options).await.unwrap();
        let text = server.address().address.clone();
        let ca = std::fs::read_to_string(data.join("tls/ca.pem")).unwrap();
        let token = std::fs::read_to_string(data.join("admin.token")).unwrap().trim().to_owned();
        let admin = Client::new(&text, &token, Some(&data.join("tls/ca.pem")));
        let (shell, agents) = (server.shell().clone(), server.agents().clone());
        let (end, ended) = oneshot::channel();
        let done = tokio::spawn(async move {
            server
                .run(async {
                    let _ = ended.await;
                })
                .await
                .unwrap();
        });
        let address = text.strip_prefix("https://").unwrap().parse().unwrap();
        Running { address, ca, admin: Arc::new(admin.unwrap()), shell, agents, end, done }
    }

    pub async fn stop(self) {
        let Running { end, done, shell, agents, admin, .. } = self;
        drop((shell, agents, admin));
        end.send(()).unwrap();
        done.await.unwrap();
    }

    /// Asks the API as the administrator.
    pub async fn ask<T: Send + 'static>(&self, ask: impl FnOnce(&Client) -> T + Send + 'static) -> T {
        let admin = self.admin.clone();
        tokio::task::spawn_blocking(move || ask(&admin)).await.unwrap()
    }

    /// An enrolment token.
    pub async fn token(&self, uses: u32) -> (String, EnrolmentToken) {
        let new = NewEnrolment {
            name: "laptops".into(),
            expires: Timestamp::now().checked_add(SignedDuration::from_hours(24)).unwrap(),
            uses,
            address: None,
        };
        let made = self.ask(move |admin| admin.create_enrolment(&new)).await.unwrap();
        (made.enrolment.id, made.token.unwrap().parse().unwrap())
    }

    pub async fn device(&self, machine: &str) -> Device {
        let (_, token) = self.token(1).await;
        Device::enrol(self.address, &self.ca, &token.secret, machine).await
    }

    /// Everything that is in the log by now is decided.
    pub async fn settled(&self) {
        self.shell.settled().await;
    }
}

/// A Debian machine with an old openssl.
pub fn debian(openssl: &str) -> Inventory {
    let install = |title: &str, version: &str| {
        let entry: InstallEntry =
            serde_json::from_value(serde_json::json!({ "title": title, "version": version })).unwrap();
        (entry.slot(), entry)
    };
    let offer =
        serde_json::json!({ "title": "deb/openssl", "version": "3.0.2-1", "published": "2026-11-01T00:00:00Z" });
    Inventory {
        facts: [
            ("device.platform".into(), Plain::Text("linux".into())),
            ("device.os".into(), Plain::Text("debian".into())),
        ]
        .into(),
        installs: [install("deb/openssl", openssl), install("deb/curl", "8.0-1")].into(),
        universe: Universe {
            key: "bookworm-amd64".into(),
            distribution: "debian/bookworm".into(),
            offers: vec![serde_json::from_value(offer).unwrap()],
        },
    }
}

pub fn signing(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// A root of the keys 1 (root) and 2 (policy), and a server's key.
pub fn root(version: u64, server: refit_wire::PublicKey) -> Root {
    let role = |key: &refit_wire::PublicKey| RoleKeys { threshold: 1, keys: [(key.id(), None)].into() };
    let (root, policy) = (signing(1).public(), signing(2).public());
    Root {
        organization: "acme".into(),
        version,
        issued: Timestamp::now(),
        expires: Timestamp::now().checked_add(SignedDuration::from_hours(24 * 365)).unwrap(),
        root: role(&root),
        policy: role(&policy),
        server: role(&server),
        keys: [root, policy, server].into_iter().map(|key| (key.id(), key)).collect(),
    }
}

pub fn signed_root(root: &Root) -> Envelope {
    Envelope::sign(root, &[&signing(1)]).unwrap()
}

pub fn mandate(number: u64) -> Mandate {
    Mandate {
        organization: "acme".into(),
        number,
        issued: Timestamp::now(),
        expires: Timestamp::now().checked_add(SignedDuration::from_hours(24 * 30)).unwrap(),
        policy: "0".repeat(64).into(),
        sources: Default::default(),
        policies: Default::default(),
        titles: Default::default(),
        distributions: Vec::new(),
        rollouts: Default::default(),
        known: Default::default(),
        expedited: Vec::new(),
        limits: Limits { lease_seconds: 900, ..Limits::default() },
    }
}
