//! A device that is named by its certificate.

use super::{
    client::{Wire, config, enrol_request, key},
    server::Running,
};
use refit_api::AskPosture;
use refit_core::posture::{Answer, ReasonCode};
use refit_model::DeviceId;
use refit_server::agents::Authority;
use refit_wire::protocol::Enrolled;

async fn asked(server: &Running, certificate: &str) -> Answer {
    let about = AskPosture { certificate: Some(certificate.to_owned()), ..AskPosture::default() };
    server.ask(move |admin| admin.posture(&about)).await.unwrap().answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_names_its_device_as_long_as_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let (_, token) = server.token(1).await;
    let (_, request) = key();
    let body = enrol_request(&token.secret, "laptop-1", request.clone());
    let stranger = Wire::new(server.address, config(&server.ca, None));
    let enrolled: Enrolled = stranger.post("/agent/v1/enrol", &body).await.ok();
    let answer = asked(&server, &enrolled.certificate).await;
    assert_eq!(answer.about.device, Some(enrolled.device.to_string()));

    let why_not = async |certificate: &str| {
        let answer = asked(&server, certificate).await;
        assert_eq!((answer.about.device, answer.reasons[0].code), (None, ReasonCode::UnknownDevice));
        answer.reasons[0].text.clone()
    };
    // Somebody else's authority can write whatever name it likes.
    let id = DeviceId::new(enrolled.device.to_string());
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::open(elsewhere.path(), server.shell.now()).unwrap();
    let foreign = other.issue(&id, &request, server.shell.now()).unwrap();
    assert!(why_not(&foreign.pem).await.contains("none of this server's"));
    let own = Authority::open(&folder.path().join("tls"), server.shell.now()).unwrap();
    let unknown = own.issue(&id, &request, server.shell.now()).unwrap();
    assert!(why_not(&unknown.pem).await.contains("revoked or replaced"));
    assert!(why_not(&server.ca).await.contains("none of this server's"));
    assert!(why_not("a text").await.contains("no certificate"));

    let device = id.to_string();
    server.ask(move |admin| admin.revoke_certificates(&device, "lost on a train")).await.unwrap();
    assert!(why_not(&enrolled.certificate).await.contains("revoked or replaced"));
    server.stop().await;
}
