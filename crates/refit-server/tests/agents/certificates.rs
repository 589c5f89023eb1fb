//! Which certificates count.

use super::{
    client::{Wire, config, key},
    server::Running,
};
use refit_model::DeviceId;
use refit_server::agents::Authority;
use refit_wire::protocol::{CertificateAnswer, CertificateRequest};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_certificate_nothing_but_enrolment_and_roots_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let stranger = Wire::new(server.address, config(&server.ca, None));
    stranger.get("/agent/v1/state").await.refused(401, "no_certificate");
    stranger.call("POST", "/agent/v1/check-in", b"{}").await.refused(401, "no_certificate");
    stranger.call("POST", "/agent/v1/certificate", b"{}").await.refused(401, "no_certificate");
    stranger.get(&format!("/agent/v1/mandates/{}", "0".repeat(64))).await.refused(401, "no_certificate");
    stranger.get("/agent/v1/roots/1").await.refused(404, "not_found");
    // The API asks for a token, whatever certificate comes.
    let device = server.device("a").await;
    assert_eq!(device.wire.get("/api/v1/devices").await.status, 401);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificate_is_refused_also_on_a_resumed_session() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    let check_in = device.same();
    assert!(!device.send(&check_in).await.resumed);
    let check_in = device.same();
    let second = device.send(&check_in).await;
    assert!(second.resumed && second.status == 200);
    let id = device.id.clone();
    server.ask(move |admin| admin.revoke_certificates(&id, "lost on a train")).await.unwrap();
    let check_in = device.same();
    let third = device.send(&check_in).await;
    assert!(third.resumed);
    third.refused(401, "certificate");
    device.wire.get("/agent/v1/state").await.refused(401, "certificate");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_device_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    let id = device.id.clone();
    server.ask(move |admin| admin.retire(&id)).await.unwrap();
    let check_in = device.same();
    device.send(&check_in).await.refused(403, "retired");
    // The same machine may come back, as another device.
    assert_ne!(server.device("a").await.id, device.id);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_authority_and_an_expired_certificate_end_in_the_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let device = server.device("a").await;
    let id = DeviceId::new(&device.id);
    let (pair, request) = key();
    let try_with = |certificate: String| {
        let wire = Wire::new(server.address, config(&server.ca, Some((&certificate, &pair.serialize_pem()))));
        async move { wire.try_call("GET", "/agent/v1/state", b"").await }
    };
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::open(elsewhere.path(), server.shell.now()).unwrap();
    let foreign = other.issue(&id, &request, server.shell.now()).unwrap();
    assert!(try_with(foreign.pem).await.is_err());
    let own = Authority::open(&folder.path().join("tls"), server.shell.now()).unwrap();
    let long_ago = "2020-01-01T00:00:00Z".parse().unwrap();
    let expired = own.issue_until(&id, &request, long_ago, Duration::from_secs(3_600)).unwrap();
    assert!(try_with(expired.pem).await.is_err());
    // Good by its signature, and not in the log: whoever stole the authority's key leaves no trace there.
    let unknown = own.issue(&id, &request, server.shell.now()).unwrap();
    try_with(unknown.pem).await.unwrap().refused(401, "certificate");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_and_the_one_before_counts_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    let renew = async |wire: &Wire| {
        let (pair, request) = key();
        let answer: CertificateAnswer = wire.post("/agent/v1/certificate", &CertificateRequest { request }).await.ok();
        Wire::new(server.address, config(&server.ca, Some((&answer.certificate, &pair.serialize_pem()))))
    };
    let lost = renew(&device.wire).await;
    let second = renew(&device.wire).await;
    assert_eq!(second.get("/agent/v1/state").await.status, 200);
    assert_eq!(device.wire.get("/agent/v1/state").await.status, 200);
    // The answer that was lost has made room for the one that came.
    lost.get("/agent/v1/state").await.refused(401, "certificate");
    let third = renew(&second).await;
    assert_eq!(third.get("/agent/v1/state").await.status, 200);
    let check_in = device.same();
    device.send(&check_in).await.refused(401, "certificate");
    server.stop().await;
}
