//! The blocking client against a server on loopback.

use crate::server::{POLICY, Server};
use refit_api::{
    Enrol, NewInstalls, NewObservation, NewToken,
    client::{Client, ClientError, Connection, DeviceFilter, ExposureFilter},
};
use refit_core::control::{Bearer, InstallEntry, Plain, PlanStatus, Scope};
use refit_model::TitleId;
use std::{collections::BTreeMap, fs, time::Duration};

/// Serves, and runs what asks on a thread that may block.
async fn asking<T: Send + 'static>(server: &Server, ask: impl FnOnce(String) -> T + Send + 'static) -> T {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = server.router.clone();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let answer = tokio::task::spawn_blocking(move || ask(address)).await.unwrap();
    serving.abort();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_the_command_line_needs() {
    let server = Server::new().await;
    let (secret, now) = (server.admin.clone(), server.now());
    asking(&server, move |address| {
        let client = Client::new(&address, &secret, None).unwrap();
        assert_eq!(client.health().unwrap().status, "ok");
        client.enrol(&Enrol { id: Some("d1".into()), name: Some("laptop".into()) }).unwrap();
        let install = InstallEntry {
            title: TitleId::new("firefox"),
            branch: None,
            profile: None,
            version: "130.0".into(),
            state: None,
            source: None,
        };
        let observation = NewObservation {
            source: "agent".into(),
            observed: None,
            facts: BTreeMap::from([("device.platform".into(), Some(Plain::Text("linux".into())))]),
            installs: Some(NewInstalls::All(vec![install])),
            universe: None,
            check_in: None,
        };
        client.observe("d1", &observation).unwrap();
        assert!(client.devices(&DeviceFilter::default()).unwrap().iter().all(|device| device.facts.is_none()));
        let facts = DeviceFilter { facts: true, ..DeviceFilter::default() };
        for device in client.devices(&facts).unwrap() {
            assert_eq!(device.facts, Some(client.device(&device.id).unwrap().facts));
        }
        let filter = DeviceFilter { platform: Some("linux".into()), ..DeviceFilter::default() };
        assert_eq!(client.devices(&filter).unwrap()[0].name.as_deref(), Some("laptop"));
        assert_eq!(client.device("d1").unwrap().installs.len(), 1);
        assert!(client.policy().unwrap().is_none());
        let files = BTreeMap::from([("refit.yaml".to_owned(), POLICY.to_owned())]);
        let plan = client.make_plan(files).unwrap();
        assert_eq!(plan.summary.status, PlanStatus::Open);
        let id = plan.summary.id.clone();
        assert_eq!(client.plan(&id).unwrap(), plan);
        assert_eq!(client.plans(Some(PlanStatus::Open)).unwrap().len(), 1);
        let own = client.approve_plan(&id).unwrap_err();
        assert_eq!(own.code(), Some("forbidden"));
        assert_eq!(client.apply_plan(&id).unwrap().revision, 1);
        assert_eq!(client.policy().unwrap().unwrap().revision, 1);
        assert_eq!(client.policies().unwrap()[0].policy, "browsers");
        assert_eq!(client.decisions("d1").unwrap().slots.len(), 1);
        assert!(client.explanation("d1", "firefox", None).unwrap().text.contains("firefox"));
        assert_eq!(client.directives("d1").unwrap().revision, 1);
        client.exposures(&ExposureFilter::default()).unwrap();
        client.stop("an incident").unwrap();
        assert!(client.brake().unwrap().stopped);
        client.go_on("over").unwrap();
        let wanted = NewToken {
            name: "ci".into(),
            owner: None,
            bearer: Bearer::Program,
            requests_per_minute: None,
            scopes: [Scope::Read].into(),
            expires: now.checked_add(Duration::from_secs(3600)).unwrap(),
        };
        let made = client.create_token(&wanted).unwrap();
        let reader = Client::new(&address, &made.secret.unwrap(), None).unwrap();
        reader.devices(&DeviceFilter::default()).unwrap();
        assert_eq!(reader.tokens().unwrap_err().code(), Some("scope-missing"));
        client.revoke_token(&made.token.id).unwrap();
        assert_eq!(reader.health().unwrap().status, "ok");
        assert_eq!(reader.devices(&DeviceFilter::default()).unwrap_err().code(), Some("unauthorized"));
        assert_eq!(client.erase_person("p1").unwrap_err().to_string(), "there is no person `p1`");
        let kinds: Vec<String> = client.follow(0, Some("device.")).take(2).map(|event| event.unwrap().kind).collect();
        assert_eq!(kinds, ["device.enrolled", "device.observed"]);
        assert_eq!(client.events(0, None, Duration::ZERO).unwrap().items[0].seq, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_is_wrong_and_where() {
    let server = Server::new().await;
    let secret = server.admin.clone();
    asking(&server, move |address| {
        let client = Client::new(&address, &secret, None).unwrap();
        let files = BTreeMap::from([(
            "refit.yaml".to_owned(),
            "organization: acme\n---\npolicy: x\nsoftwear: [y]\n".to_owned(),
        )]);
        let text = client.make_plan(files).unwrap_err().to_string();
        assert!(text.contains("\n  refit.yaml:4:1: "), "{text}");
        assert!(text.contains("\n  help: "), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_only_the_given_authority_is_trusted() {
    let server = Server::new().await;
    let secret = server.admin.clone();
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (ca, wrong) = (folder.path().join("ca.pem"), folder.path().join("wrong.pem"));
    fs::write(&ca, signed.cert.pem()).unwrap();
    fs::write(&wrong, other.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let config = axum_server::tls_rustls::RustlsConfig::from_config(std::sync::Arc::new(config));
    let serving =
        axum_server::from_tcp_rustls(listener, config).unwrap().serve(server.router.clone().into_make_service());
    let serving = tokio::spawn(serving);
    let asked = tokio::task::spawn_blocking(move || {
        let client = Client::new(&address, &secret, Some(&ca)).unwrap();
        assert!(client.devices(&DeviceFilter::default()).unwrap().is_empty());
        let client = Client::new(&address, &secret, Some(&wrong)).unwrap();
        assert!(matches!(client.health().unwrap_err(), ClientError::Network { .. }));
    });
    asked.await.unwrap();
    serving.abort();
}

#[test]
fn a_server_on_this_machine_is_found_by_its_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection { data: Some(folder.path().to_owned()), ..Connection::default() };
    let error = Client::find(&connection).unwrap_err();
    assert!(matches!(error, ClientError::Connection(_)) && error.to_string().contains("refit up"), "{error}");
    fs::write(folder.path().join("server.json"), r#"{ "address": "http://127.0.0.1:1", "token_file": "t" }"#).unwrap();
    fs::write(folder.path().join("t"), "refit_x\n").unwrap();
    let client = Client::find(&connection).unwrap();
    assert_eq!(client.address(), "http://127.0.0.1:1");
    let error = client.health().unwrap_err().to_string();
    assert!(error.contains("refit up"), "{error}");
    assert!(!format!("{client:?}").contains("refit_x"));
    for wrong in ["ftp://x", "http://example.org", "http://127.0.0.1.example.org", "127.0.0.1:7443"] {
        assert!(Client::new(wrong, "x", None).is_err(), "{wrong}");
    }
    let none = Client::find(&Connection::default()).unwrap_err().to_string();
    assert!(none.contains("--server"), "{none}");
}
