//! The program as it is, against a server that is TLS and HTTP and nothing else.
//!
//! The machine that the tests run on is read, and never changed: no state here permits anything.
#![cfg(feature = "program")]
// Only the machine is pure.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair};
use refit_wire::{
    Digest, Document, EnrolmentToken, Envelope, Lease, Mandate, Root, SigningKey, State,
    mandate::Limits,
    protocol::{CertificateRequest, CheckIn, CheckInAnswer, EnrolRequest, Report, Want},
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
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn sign<T: Document>(document: &T, seed: u8) -> Envelope {
    Envelope::sign(document, &[&key(seed)]).unwrap()
}

fn now(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)
}

/// The organisation's documents.
struct Documents {
    root: Envelope,
    mandate: Envelope,
    state: Envelope,
}

fn documents() -> Documents {
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
type Seen = Arc<Mutex<Vec<(String, bool, Vec<u8>)>>>;

struct Server {
    address: String,
    authority: CertificateDer<'static>,
    documents: Documents,
    seen: Seen,
}

/// How a server misbehaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Good,
    EndlessState,
    /// The first check-in gets no answer.
    Mute,
}

impl Server {
    fn start(manner: Manner) -> Server {
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

    fn token(&self) -> EnrolmentToken {
        EnrolmentToken {
            address: self.address.clone(),
            authority: Some(Digest::of(&self.authority)),
            root: Some(self.documents.root.digest()),
            secret: "s3cret".into(),
        }
    }

    fn paths(&self) -> Vec<(String, bool)> {
        self.seen.lock().unwrap().iter().map(|(path, known, _)| (path.clone(), *known)).collect()
    }

    fn body(&self, path: &str) -> Vec<u8> {
        self.seen.lock().unwrap().iter().rfind(|(seen, ..)| seen == path).map(|(.., body)| body.clone()).unwrap()
    }
}

struct Answers {
    manner: Manner,
    authority: String,
    issuer: Arc<Issuer<'static, KeyPair>>,
    root: Vec<u8>,
    mandate: Envelope,
    state: Envelope,
}

impl Answers {
    fn certificate(&self, request: &str) -> String {
        CertificateSigningRequestParams::from_pem(request).unwrap().signed_by(&*self.issuer).unwrap().pem()
    }

    fn of(&self, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
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
fn serve(stream: TcpStream, config: Arc<ServerConfig>, answers: &Answers, calls: &Seen) {
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

/// Held to write a program, and shared to start one: a child that is just being made holds everything open that is open, and what
/// is open for writing can't be run.
static PROGRAMS: RwLock<()> = RwLock::new(());

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = {
        let _shared = PROGRAMS.read().unwrap();
        command.spawn().unwrap()
    };
    child.wait_with_output().unwrap()
}

/// The program in folders of its own. As root the network process is `nobody`: it has to reach them.
fn agent(folder: &Path, arguments: &[&str]) -> Output {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    // Where cargo puts the program, another user may not get.
    let program = folder.join("refit-agent");
    {
        let _held = PROGRAMS.write().unwrap();
        if !program.exists() {
            fs::copy(env!("CARGO_BIN_EXE_refit-agent"), &program).unwrap();
        }
    }
    let mut command = Command::new(program);
    command.arg("--config-folder").arg(folder.join("etc")).arg("--state-folder").arg(folder.join("var"));
    command.arg("--run-folder").arg(folder.join("run")).args(arguments);
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    output(command.env("REFIT_AGENT_USER", "nobody"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn enrolled(server: &Server, folder: &Path) {
    let output = agent(folder, &["enroll", &server.token().to_string()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // The machine of the tests keeps its package lists as they are.
    let path = folder.join("etc/agent.json");
    let config = fs::read_to_string(&path).unwrap().replace(r#""fetch_lists": true"#, r#""fetch_lists": false"#);
    fs::write(&path, config).unwrap();
}

/// Whether this is a machine that the agent can read.
fn can_run() -> bool {
    let known = Path::new("/var/lib/dpkg/status").exists() && Path::new("/etc/machine-id").exists();
    if !known {
        refit_testbed::skip("this machine has no dpkg, or no id");
    }
    known
}

#[test]
fn a_device_enrols_checks_in_renews_its_certificate_and_refuses_what_nobody_signed() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    assert_eq!(
        server.paths(),
        [("/agent/v1/authority".into(), false), ("/agent/v1/roots/1".into(), false), ("/agent/v1/enrol".into(), false)]
    );
    let first = fs::read(folder.path().join("var/network/certificate.pem")).unwrap();

    let output = agent(folder.path(), &["once", "--json"]);
    assert_eq!(output.status.code(), Some(1), "it has a problem to tell: {}", text(&output.stderr));
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&status["mandate"], &status["state"]), (&json!(1), &json!([1, 1])));
    assert_eq!(status["waits_for"], json!(null));
    assert_eq!(status["problems"][0]["code"], "mandate");
    assert!(text(&output.stderr).contains("mandate: "), "the log has it too: {}", text(&output.stderr));
    let calls: Vec<String> =
        server.paths().into_iter().skip(3).map(|(path, known)| format!("{path} {known}")).collect();
    let digest = server.documents.mandate.digest();
    assert_eq!(
        calls,
        [
            "/agent/v1/check-in true".to_owned(),
            format!("/agent/v1/mandates/{digest} true"),
            "/agent/v1/state true".to_owned(),
            "/agent/v1/certificate true".to_owned()
        ]
    );
    assert_ne!(fs::read(folder.path().join("var/network/certificate.pem")).unwrap(), first, "it was renewed");
    let check_in: CheckIn = serde_json::from_slice(&server.body("/agent/v1/check-in")).unwrap();
    let Report::All { inventory } = check_in.report else { panic!("a first report is whole") };
    assert!(inventory.installs.len() > 50, "{}", inventory.installs.len());

    // The second time nothing is fetched that is held, and nothing told that is known; what was refused is told.
    let output = agent(folder.path(), &["once", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(server.paths().len(), 8);
    let check_in: CheckIn = serde_json::from_slice(&server.body("/agent/v1/check-in")).unwrap();
    assert!(matches!(check_in.report, Report::Same { .. }));
    assert_eq!((check_in.counter, check_in.holds.state), (2, Some(server.documents.state.digest())));
    assert_eq!(check_in.problems[0].code, "mandate");
}

#[test]
fn nothing_is_sent_to_a_server_with_another_authority() {
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    let token = EnrolmentToken { authority: Some(Digest::of(b"another")), ..server.token() };
    let output = agent(folder.path(), &["enroll", &token.to_string()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("another authority"), "{}", text(&output.stderr));
    assert_eq!(server.paths(), [("/agent/v1/authority".to_owned(), false)]);
    assert!(!folder.path().join("var/journal.json").exists());
}

#[test]
fn another_organizations_root_is_no_root() {
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    let token = EnrolmentToken { root: Some(Digest::of(b"another")), ..server.token() };
    let output = agent(folder.path(), &["enroll", &token.to_string()]);
    assert!(text(&output.stderr).contains("no root with the fingerprint"), "{}", text(&output.stderr));
    assert!(server.paths().iter().all(|(path, _)| path != "/agent/v1/enrol"), "the secret was not sent");
}

#[test]
fn an_answer_without_an_end_is_cut_off() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::EndlessState), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    let output = agent(folder.path(), &["once", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["problems"][0]["code"], "limit", "{status}");
    assert_eq!(status["state"], json!(null));
}

#[test]
fn a_damaged_journal_says_what_to_do_and_is_not_begun_anew() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    let journal = folder.path().join("var/journal.json");
    let text_before = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, &text_before[..text_before.len() / 2]).unwrap();
    let output = agent(folder.path(), &["once"]);
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stderr);
    assert!(said.contains("is damaged, and nothing is changed without it") && said.contains("--again"), "{said}");
    let output = agent(folder.path(), &["enroll", &server.token().to_string()]);
    assert!(text(&output.stderr).contains("enrolled already"), "{}", text(&output.stderr));

    // To enrol again is the way out where nothing is left to go on from.
    let output = agent(folder.path(), &["enroll", "--again", &server.token().to_string()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(agent(folder.path(), &["once"]).status.code(), Some(1));
}

#[test]
fn enrolling_again_keeps_how_often_the_machine_was_restarted() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    let path = folder.path().join("var/journal.json");
    let read = || -> serde_json::Value { serde_json::from_slice(&fs::read(&path).unwrap()).unwrap() };
    let mut journal = read();
    journal["restarts"] = json!(["2026-11-26T04:00:00Z"]);
    journal["counter"] = json!(7);
    fs::write(&path, journal.to_string()).unwrap();
    let output = agent(folder.path(), &["enroll", "--again", &server.token().to_string()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let after = read();
    assert_eq!((&after["restarts"], &after["counter"]), (&json!(["2026-11-26T04:00:00Z"]), &json!(0)));
}

#[test]
fn a_running_agent_answers_people() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    let output = agent(folder.path(), &["status"]);
    assert!(text(&output.stderr).contains("this device is not enrolled"), "{}", text(&output.stderr));
    enrolled(&server, folder.path());
    let output = agent(folder.path(), &["status"]);
    assert!(text(&output.stderr).contains("the agent does not run"), "{}", text(&output.stderr));
    let path = folder.path().to_owned();
    let running = thread::spawn({
        let path = path.clone();
        move || agent(&path, &["run"])
    });
    let started = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(100));
        agent(&path, &["status"]).status.success()
    });
    assert!(started);
    let output = agent(&path, &["once"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("change        install evil: the mandate does not permit it"));
    assert!(agent(&path, &["report", "the printer is gone", "--title", "deb/cups"]).status.success());
    agent(&path, &["once"]);
    let told = server.seen.lock().unwrap().iter().any(|(_, _, body)| text(body).contains("the printer is gone"));
    assert!(told);
    // Nobody else works on the device meanwhile.
    fs::remove_file(path.join("run/control.sock")).unwrap();
    let output = agent(&path, &["once"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("another refit-agent is at work"), "{}", text(&output.stderr));
    // It ends when it is asked to.
    assert!(end(&path, "run", "-TERM"));
    assert!(running.join().unwrap().status.success());
}

/// A proxy that passes connections on, and counts them.
fn proxy() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, passed) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = passed.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let counted = counted.clone();
            thread::spawn(move || {
                let mut asked = BufReader::new(client.try_clone().unwrap());
                let mut line = String::new();
                asked.read_line(&mut line).unwrap();
                let target = line.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
                while line.trim() != "" {
                    line.clear();
                    asked.read_line(&mut line).unwrap();
                }
                let (mut client, server) = (client, TcpStream::connect(target).unwrap());
                counted.fetch_add(1, Ordering::SeqCst);
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
                let (mut to_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let back = thread::spawn(move || std::io::copy(&mut &server, &mut to_client));
                let _ = std::io::copy(&mut asked, &mut to_server);
                let _ = to_server.shutdown(std::net::Shutdown::Both);
                let _ = back.join();
            });
        }
    });
    (address, passed)
}

#[test]
fn a_proxy_that_was_named_at_enrolment_is_used_from_then_on() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    let (address, passed) = proxy();
    let token = server.token().to_string();
    let output = agent(folder.path(), &["enroll", "--proxy", &format!("http://{address}"), &token]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let enrolling = passed.load(Ordering::SeqCst);
    assert!(enrolling > 0);
    let path = folder.path().join("etc/agent.json");
    let config = fs::read_to_string(&path).unwrap();
    assert!(config.contains(&address.to_string()), "{config}");
    fs::write(&path, config.replace(r#""fetch_lists": true"#, r#""fetch_lists": false"#)).unwrap();
    agent(folder.path(), &["once"]);
    assert!(passed.load(Ordering::SeqCst) > enrolling);
    assert!(server.paths().iter().any(|(path, _)| path == "/agent/v1/check-in"));

    // One that is not there is told, with its name, and nothing goes past it.
    let calls = server.paths().len();
    let gone = fs::read_to_string(&path).unwrap().replace(&address.to_string(), "127.0.0.1:9");
    fs::write(&path, gone).unwrap();
    let output = agent(folder.path(), &["once"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("server        not reached"), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("(through the proxy 127.0.0.1:9)"), "{}", text(&output.stdout));
    assert_eq!(server.paths().len(), calls);
}

/// Ends the agent's processes that do this; whether there was one.
fn end(folder: &Path, verb: &str, signal: &str) -> bool {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = text(&line);
        let ours = line.contains(folder.to_str().unwrap()) && line.ends_with(&format!("\0{verb}\0"));
        ours.then(|| entry.file_name().to_string_lossy().into_owned())
    });
    let ended = pids.map(|pid| output(Command::new("kill").args([signal, &pid])).status.success());
    ended.collect::<Vec<_>>().contains(&true)
}

#[test]
fn a_network_process_that_dies_in_a_call_is_started_again_and_nobody_waits_for_its_answer() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Mute), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    let path = folder.path().to_owned();
    let running = thread::spawn({
        let path = path.clone();
        move || agent(&path, &["run"])
    });
    let check_ins = || server.paths().iter().filter(|(path, _)| path == "/agent/v1/check-in").count();
    // Reading the machine takes its time where others are at work.
    assert!((0..600).any(|_| {
        thread::sleep(Duration::from_millis(100));
        check_ins() == 1
    }));
    assert!(end(&path, "network", "-KILL"));
    // The call has failed, and the next one goes through the next process.
    let output = agent(&path, &["once"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("change        install evil: the mandate does not permit it"));
    assert_eq!(check_ins(), 2);
    assert!(end(&path, "run", "-TERM"));
    assert!(running.join().unwrap().status.success());
}
