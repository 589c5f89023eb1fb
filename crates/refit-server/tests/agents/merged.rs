//! A device that turns out to be one that was known already: its agent goes on as if nothing had happened.

use super::{
    client::{Wire, config, key},
    server::{Running, debian},
};
use refit_core::control::{Actor, IdentityInput, Input};
use refit_model::DeviceId;
use refit_wire::{
    Envelope, State,
    protocol::{CertificateAnswer, CertificateRequest, CheckInAnswer, Want},
};

async fn tell(server: &Running, input: IdentityInput) {
    server.shell.tell(&Actor::server(), Input::Identity(input), None).await.unwrap();
}

/// For whom the state is that a device is told.
async fn told(server: &Running, wire: &Wire) -> DeviceId {
    let envelope = Envelope::parse::<State>(&wire.get("/agent/v1/state").await.body).unwrap();
    let state: State = envelope.open(&[&server.agents.key().public()], 1).unwrap();
    state.device
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_goes_on_under_its_own_name_on_a_device_that_was_there_first() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    // A machine with an agent, which is then set up anew: another agent, whose counting begins anew too.
    let mut before = server.device("disk 1").await;
    for _ in 0..3 {
        before.say_all(debian("3.0.1-1")).await;
    }
    let mut after = server.device("disk 2").await;
    after.say_all(debian("3.0.1-1")).await;
    let (old, new) = (DeviceId::new(&before.id), DeviceId::new(&after.id));
    tell(&server, IdentityInput::MergeDevices { from: new.clone(), into: old.clone() }).await;
    let check_in = after.same();
    assert_eq!(after.send(&check_in).await.ok::<CheckInAnswer>().want, Want::Nothing);
    assert_eq!(told(&server, &after.wire).await, new);
    // The agent that was there before does not speak for it any more.
    let check_in = before.same();
    before.send(&check_in).await.refused(401, "certificate");
    after.say(debian("3.0.2-1")).await;
    let view = server.shell.view();
    let record = view.state.device(&old).unwrap();
    assert!(record.installs.values().any(|installed| installed.version == "3.0.2-1"));
    assert!(view.state.device(&new).is_none());
    drop(view);
    // Its next certificate has its own name again.
    let (_, request) = key();
    let renewed = after.wire.post("/agent/v1/certificate", &CertificateRequest { request }).await;
    assert!(renewed.ok::<CertificateAnswer>().certificate.contains("CERTIFICATE"));
    let check_in = after.same();
    after.send(&check_in).await.ok::<CheckInAnswer>();
    // Undone, it is by itself, and still goes on.
    tell(&server, IdentityInput::SplitDevice { device: new.clone() }).await;
    let check_in = after.same();
    assert_eq!(after.send(&check_in).await.ok::<CheckInAnswer>().want, Want::Nothing);
    assert_eq!(told(&server, &after.wire).await, new);
    assert!(server.shell.view().state.device(&old).unwrap().installs.is_empty());
    // One again, and enrolled once more: then it has the name that stays.
    tell(&server, IdentityInput::MergeDevices { from: new.clone(), into: old.clone() }).await;
    let mut again = server.device("disk 2").await;
    assert_eq!(DeviceId::new(&again.id), old);
    again.say_all(debian("3.0.2-1")).await;
    assert_eq!(told(&server, &again.wire).await, old);
    let stranger = Wire::new(server.address, config(&server.ca, None));
    stranger.get("/agent/v1/state").await.refused(401, "no_certificate");
    server.stop().await;
}
