//! How a machine becomes a device.

use super::{
    client::{Device, Wire, config, enrol_request, key},
    server::{Running, root, signed_root},
};
use refit_api::RootEnvelope;
use refit_wire::{Digest, protocol::Enrolled};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_enrols_with_a_token_that_carries_what_to_trust() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let (_, token) = server.token(1).await;
    assert_eq!(token.address, format!("https://{}", server.address));
    assert_eq!(token.root, None);
    // The authority is to be had from the server, and compared with the token.
    let stranger = Wire::new(server.address, config(&server.ca, None));
    let pem = stranger.get("/agent/v1/authority").await;
    let der = CertificateDer::from_pem_slice(&pem.body).unwrap();
    assert_eq!(token.authority, Some(Digest::of(&der)));

    let mut device = Device::enrol(server.address, &server.ca, &token.secret, "laptop-1").await;
    let check_in = device.same();
    assert_eq!(device.send(&check_in).await.status, 200);
    let known = server.ask({
        let id = device.id.clone();
        move |admin| admin.device(&id)
    });
    assert_eq!(known.await.unwrap().name.as_deref(), Some("laptop-1"));
    let kinds: Vec<String> = server
        .ask(|admin| admin.events(0, None, std::time::Duration::ZERO))
        .await
        .unwrap()
        .items
        .into_iter()
        .inspect(|event| assert!(!event.body.to_string().contains("hash"), "{}", event.body))
        .map(|event| event.kind)
        .collect();
    for kind in ["enrolment.created", "device.enrolled", "device.joined", "certificate.issued"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_carries_the_organisations_root() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let envelope = signed_root(&root(1, server.agents.key().public()));
    let fingerprint = envelope.digest();
    server.ask(move |admin| admin.publish_root(&RootEnvelope { envelope })).await.unwrap();
    assert_eq!(server.token(1).await.1.root, Some(fingerprint));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_machine_is_the_same_device_and_its_first_certificate_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut first = server.device("laptop-1").await;
    let mut again = server.device("laptop-1").await;
    assert_eq!(first.id, again.id);
    assert_ne!(first.id, server.device("laptop-2").await.id);
    let check_in = again.same();
    assert_eq!(again.send(&check_in).await.status, 200);
    let check_in = first.same();
    first.send(&check_in).await.refused(401, "certificate");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_does_not_count_enrols_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let stranger = Wire::new(server.address, config(&server.ca, None));
    let ask = |secret: &str, machine: &str| {
        let body = enrol_request(secret, machine, key().1);
        let stranger = stranger.clone();
        async move { stranger.post("/agent/v1/enrol", &body).await }
    };
    ask("refit_nothing", "a").await.refused(403, "token");
    let (id, token) = server.token(2).await;
    ask(&token.secret, "a").await.ok::<Enrolled>();
    ask(&token.secret, "b").await.ok::<Enrolled>();
    ask(&token.secret, "c").await.refused(403, "token");
    let listed = server.ask(|admin| admin.enrolments()).await.unwrap();
    assert_eq!((listed[0].id.clone(), listed[0].used, listed[0].uses), (id, 2, 2));
    let (id, token) = server.token(5).await;
    server.ask(move |admin| admin.revoke_enrolment(&id)).await.unwrap();
    ask(&token.secret, "d").await.refused(403, "token");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_signing_request_but_its_key_counts() {
    use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa};
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let stranger = Wire::new(server.address, config(&server.ca, None));
    let (_, token) = server.token(3).await;
    let (pair, _) = key();
    let mut greedy = CertificateParams::new(vec!["refit.example".to_owned()]).unwrap();
    greedy.distinguished_name.push(DnType::CommonName, "somebody-else");
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let request = greedy.serialize_request(&pair).unwrap().pem().unwrap();
    let body = enrol_request(&token.secret, "a", request.clone());
    let enrolled: Enrolled = stranger.post("/agent/v1/enrol", &body).await.ok();
    let der = CertificateDer::from_pem_slice(enrolled.certificate.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(certificate.subject().to_string(), format!("CN={}", enrolled.device));
    assert!(!certificate.is_ca());
    assert!(certificate.subject_alternative_name().unwrap().is_none());
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);
    // A request that another key has signed proves nothing.
    let mut lines: Vec<String> = request.lines().map(str::to_owned).collect();
    let last = lines.len() - 2;
    let other = if lines[last].starts_with('E') { "F" } else { "E" };
    lines[last].replace_range(..1, other);
    let body = enrol_request(&token.secret, "b", lines.join("\n"));
    stranger.post("/agent/v1/enrol", &body).await.refused(422, "invalid");
    stranger
        .post("/agent/v1/enrol", &enrol_request(&token.secret, "b", "nothing".into()))
        .await
        .refused(422, "invalid");
    stranger.call("POST", "/agent/v1/enrol", b"{").await.refused(400, "malformed");
    server.stop().await;
}
