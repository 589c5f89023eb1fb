//! A server that is TLS and HTTP and nothing else, and that misbehaves as it is told.

use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair};
use refit_wire::{
    Digest, Document, EnrolmentToken, Envelope, Lease, Mandate, Root, SigningKey, State,
    mandate::Limits,
    protocol::{CertificateRequest, CheckIn, CheckInAnswer, EnrolRequest, Want},
    root::RoleKeys,
    state::{Action, Directive, Package, System, Terms},
};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::json;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub fn sign<T: Document>(document: &T, seed: u8) -> Envelope {
    Envelope::sign(document, &[&key(seed)]).unwrap()
}

pub fn now(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)
}

/// The organisation's documents.
pub struct Documents {
    pub root: Envelope,
    pub mandate: Envelope,
    pub state: Envelope,
}

pub fn documents() -> Documents {
    let role = |seed: u8| RoleKeys { threshold: 1, keys: [(key(seed).public().id(), None)].into() };
    let root = Root {
        organization: "acme".into(),
        version: 1,
        issued: now(-86_400),
        expires: now(86_400),
        keys: [1, 2, 3].map(|seed| (key(seed).public().id(), key(seed).public())).into(),
        root: role(1),
        policy: role(2),
        server: role(3),
    };
    let mandate = Mandate {
        organization: "acme".into(),
        number: 1,
        issued: now(-3_600),
        expires: now(86_400),
        policy: "0".repeat(64).into(),
        sources: Default::default(),
        policies: Default::default(),
        titles: Default::default(),
        distributions: Vec::new(),
        rollouts: Default::default(),
        known: Default::default(),
        expedited: Vec::new(),
        limits: Limits::default(),
    };
    let mandate = sign(&mandate, 2);
    let package = Package { system: System::Deb, name: "evil".into(), version: "1.0".into(), downgrade: false };
    let state = State {
        organization: "acme".into(),
        device: "d1".into(),
        epoch: 1,
        sequence: 1,
        policy: "0".repeat(64).into(),
        mandate: Some(mandate.digest()),
        expires: now(86_400),
        timezone: "UTC".into(),
        terms: vec![Terms { policy: "p".into(), ..Terms::default() }],
        withheld: Vec::new(),
        directives: vec![Directive {
            id: "install evil".into(),
            title: "deb/evil".into(),
            branch: None,
            action: Action::Install(package),
            due: None,
            closes: Vec::new(),
            grace_seconds: 0,
            terms: 0,
        }],
    };
    Documents { root: sign(&root, 1), mandate, state: sign(&state, 3) }
}

/// A call that came: the path, whether it had a certificate, and the body.
pub type Seen = Arc<Mutex<Vec<(String, bool, Vec<u8>)>>>;

pub struct Server {
    pub address: String,
    pub authority: CertificateDer<'static>,
    pub documents: Documents,
    pub seen: Seen,
}

/// How a server misbehaves.
#[derive(Clone, Copy, PartialEq)]
pub enum Manner {
    Good,
    EndlessState,
    /// The first check-in gets no answer.
    Mute,
}

impl Server {
    pub fn start(manner: Manner) -> Server {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&authority_key).unwrap();
        let (authority, pem) = (authority.der().clone(), authority.pem());
        let issuer = Arc::new(Issuer::new(params, authority_key));
        let own_key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&own_key, &*issuer).unwrap();

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .unwrap();
        let key = PrivateKeyDer::try_from(own_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![own.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let (seen, documents) = (Seen::default(), documents());
        let answers = Arc::new(Answers {
            manner,
            authority: pem,
            issuer,
            root: documents.root.to_bytes(),
            mandate: documents.mandate.clone(),
            state: documents.state.clone(),
        });
        let calls = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, answers, calls) = (config.clone(), answers.clone(), calls.clone());
                thread::spawn(move || serve(stream, config, &answers, &calls));
            }
        });
        Server { address, authority, documents, seen }
    }

    pub fn token(&self) -> EnrolmentToken {
        EnrolmentToken {
            address: self.address.clone(),
            authority: Some(Digest::of(&self.authority)),
            root: Some(self.documents.root.digest()),
            secret: "s3cret".into(),
        }
    }

    pub fn paths(&self) -> Vec<(String, bool)> {
        self.seen.lock().unwrap().iter().map(|(path, known, _)| (path.clone(), *known)).collect()
    }

    pub fn body(&self, path: &str) -> Vec<u8> {
        self.seen.lock().unwrap().iter().rfind(|(seen, ..)| seen == path).map(|(.., body)| body.clone()).unwrap()
    }
}

pub struct Answers {
    manner: Manner,
    authority: String,
    issuer: Arc<Issuer<'static, KeyPair>>,
    root: Vec<u8>,
    mandate: Envelope,
    state: Envelope,
}

impl Answers {
    pub fn certificate(&self, request: &str) -> String {
        CertificateSigningRequestParams::from_pem(request).unwrap().signed_by(&*self.issuer).unwrap().pem()
    }

    pub fn of(&self, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let json = |value: serde_json::Value| (200, value.to_string().into_bytes());
        match path {
            "/agent/v1/authority" => (200, self.authority.clone().into_bytes()),
            "/agent/v1/roots/1" => (200, self.root.clone()),
            "/agent/v1/enrol" => {
                let request: EnrolRequest = serde_json::from_slice(body).unwrap();
                json(json!({ "device": "d1", "certificate": self.certificate(&request.request) }))
            }
            "/agent/v1/certificate" => {
                let request: CertificateRequest = serde_json::from_slice(body).unwrap();
                json(json!({ "certificate": self.certificate(&request.request) }))
            }
            "/agent/v1/check-in" => {
                let check_in: CheckIn = serde_json::from_slice(body).unwrap();
                let lease =
                    Lease { organization: "acme".into(), epoch: 1, issued: now(0), until: now(600), brake: None };
                let answer = CheckInAnswer {
                    lease: sign(&lease, 3),
                    root: 1,
                    mandate: Some(self.mandate.digest()),
                    state: self.state.digest(),
                    want: Want::Nothing,
                    receipts: check_in.receipts.iter().map(|receipt| receipt.id.clone()).collect(),
                    complaints: check_in.complaints.iter().map(|complaint| complaint.id.clone()).collect(),
                    answers: Vec::new(),
                    next_seconds: 300,
                    renew: check_in.counter == 1,
                    recorded: false,
                };
                (200, serde_json::to_vec(&answer).unwrap())
            }
            "/agent/v1/state" => (200, self.state.to_bytes()),
            path if path.starts_with("/agent/v1/mandates/") => (200, self.mandate.to_bytes()),
            _ => (404, br#"{"status":404,"code":"not_found","detail":"there is no such thing"}"#.to_vec()),
        }
    }
}

/// HTTP/1.1, as far as these tests need it: one call after the other on a connection that is kept.
pub fn serve(stream: TcpStream, config: Arc<ServerConfig>, answers: &Answers, calls: &Seen) {
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream));
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        loop {
            let mut header = String::new();
            if stream.read_line(&mut header).unwrap_or(0) <= 2 {
                break;
            }
            if let Some((_, value)) =
                header.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        let known = stream.get_ref().conn.peer_certificates().is_some();
        calls.lock().unwrap().push((path.clone(), known, body.clone()));
        let check_ins = calls.lock().unwrap().iter().filter(|(path, ..)| path == "/agent/v1/check-in").count();
        if answers.manner == Manner::Mute && path == "/agent/v1/check-in" && check_ins == 1 {
            thread::sleep(Duration::from_secs(600));
        }
        let to = stream.get_mut();
        if answers.manner == Manner::EndlessState && path == "/agent/v1/state" {
            let _ = to.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n");
            while to.write_all(&[b' '; 16 << 10]).is_ok() {}
            return;
        }
        let (status, answer) = answers.of(&path, &body);
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        if to.write_all(head.as_bytes()).and_then(|()| to.write_all(&answer)).and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}
