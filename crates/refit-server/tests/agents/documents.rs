//! Roots, mandates and states.

use super::server::{Running, debian, mandate, root, signed_root, signing};
use refit_api::{MandateEnvelope, RootEnvelope, client::DeviceFilter};
use refit_core::{
    control::{Actor, PolicyFiles},
    decide::Hold,
    policy::{
        load::load,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use refit_server::policy::plan_and_apply;
use refit_wire::{
    Envelope, Lease, Mandate, Root, State,
    protocol::{CheckInAnswer, Problem, Standing, WaitsFor},
    state::{Action, RestartMode, System},
};
use std::{collections::BTreeMap, sync::Arc};

/// Puts a policy in force.
pub async fn apply(server: &Running, text: &str) {
    let files = PolicyFiles(BTreeMap::from([("refit.yaml".to_owned(), text.to_owned())]));
    let read = files.files();
    let (documents, _) = load(&read, &Limits::default());
    let (repository, _) = resolve(&documents, &read, &Titles::default());
    plan_and_apply(&server.shell, &Actor::server(), &files, &format!("{:064}", text.len()), Arc::new(repository))
        .await
        .unwrap();
    server.settled().await;
}

const POLICY: &str = "organization: acme
windows: { night: { rrule: \"FREQ=DAILY;BYHOUR=22\", lasts: 6h } }
freezes: [{ name: winter, from: 2099-12-24, to: 2099-12-26 }]
---
policy: openssl
mode: enforce
software: [deb/openssl]
deadline: [{ within: 7d }]
window: { use: night, after_due: wait }
experience: { notify: 2h, defer: { times: 3, for: 8h }, reboot: { mode: at_due } }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_says_what_is_published_and_changes_when_a_plan_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let key = server.agents.key().public();
    let mut device = server.device("a").await;
    let first = device.say_all(debian("3.0.1-1")).await;
    let open = |bytes: &[u8]| Envelope::parse::<State>(bytes).unwrap();
    let envelope = open(&device.wire.get("/agent/v1/state").await.body);
    let state: State = envelope.open(&[&key], 1).unwrap();
    assert!(state.directives.is_empty() && state.device.as_str() == device.id);
    apply(&server, POLICY).await;
    let check_in = device.same();
    let second: CheckInAnswer = device.send(&check_in).await.ok();
    assert_ne!(first.state, second.state);
    let envelope = open(&device.wire.get("/agent/v1/state").await.body);
    assert_eq!(envelope.digest(), second.state);
    let newer: State = envelope.open(&[&key], 1).unwrap();
    assert!(newer.order() > state.order() && newer.organization == "acme");
    let [directive] = &newer.directives[..] else { panic!("{:?}", newer.directives) };
    let Action::Upgrade(package) = &directive.action else { panic!("{directive:?}") };
    assert_eq!((package.system, &*package.name, &*package.version), (System::Deb, "openssl", "3.0.2-1"));
    assert!(!package.downgrade && directive.due.is_some() && directive.grace_seconds == 86_400);
    let terms = newer.terms(directive).unwrap();
    assert_eq!((&*terms.policy, terms.notify_seconds, terms.reboot), ("openssl", 7_200, RestartMode::AtDue));
    assert_eq!(terms.window.as_ref().unwrap().rrule, "FREQ=DAILY;BYHOUR=22");
    assert_eq!(terms.freezes.len(), 1);
    assert_eq!(terms.freezes[0].to.to_string(), "2099-12-27T00:00:00Z");
    assert_eq!(terms.defer.unwrap().times, 3);
    // It stays the very same while nothing changes, and ends when it is done.
    let check_in = device.same();
    assert_eq!(device.send(&check_in).await.ok::<CheckInAnswer>().state, second.state);
    device.say(debian("3.0.2-1")).await;
    server.settled().await;
    let check_in = device.same();
    device.send(&check_in).await.ok::<CheckInAnswer>();
    let done: State = open(&device.wire.get("/agent/v1/state").await.body).open(&[&key], 1).unwrap();
    assert!(done.directives.is_empty() && done.order() > newer.order());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_observes_directs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    device.say_all(debian("3.0.1-1")).await;
    for mode in ["observe", "notify"] {
        apply(&server, &POLICY.replace("enforce", mode)).await;
        let envelope = Envelope::parse::<State>(&device.wire.get("/agent/v1/state").await.body).unwrap();
        let state: State = envelope.open(&[&server.agents.key().public()], 1).unwrap();
        assert!(state.directives.is_empty(), "{mode}: {:?}", state.directives);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roots_follow_by_their_signatures_and_mandates_by_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let key = server.agents.key().public();
    let publish =
        async |envelope: Envelope| server.ask(move |admin| admin.publish_root(&RootEnvelope { envelope })).await;
    let permit =
        async |envelope: Envelope| server.ask(move |admin| admin.publish_mandate(&MandateEnvelope { envelope })).await;
    let signed = |mandate: &Mandate, seed| Envelope::sign(mandate, &[&signing(seed)]).unwrap();
    assert_eq!(permit(signed(&mandate(1), 2)).await.unwrap_err().code(), Some("conflict"));
    // A root that does not list this server, and one that nobody of its own signed.
    let foreign = publish(signed_root(&root(1, signing(9).public()))).await.unwrap_err();
    assert!(foreign.to_string().contains("this server's key"), "{foreign}");
    let unsigned = Envelope::sign(&root(1, key.clone()), &[&signing(7)]).unwrap();
    assert!(publish(unsigned).await.is_err());
    let first = signed_root(&root(1, key.clone()));
    assert!(publish(first.clone()).await.unwrap().changed);
    assert!(!publish(first.clone()).await.unwrap().changed);
    assert!(publish(signed_root(&root(3, key.clone()))).await.is_err());
    assert!(publish(signed_root(&root(2, key.clone()))).await.unwrap().changed);

    assert!(permit(signed(&mandate(1), 1)).await.is_err());
    let mut other = mandate(1);
    other.organization = "evil".into();
    assert!(permit(signed(&other, 2)).await.is_err());
    let second = signed(&mandate(2), 2);
    assert!(permit(second.clone()).await.unwrap().changed);
    assert!(permit(signed(&mandate(1), 2)).await.is_err());

    let mut device = server.device("a").await;
    let answer = device.say_all(debian("3.0.1-1")).await;
    assert_eq!((answer.root, answer.mandate), (2, Some(second.digest())));
    // The organisation is the root's, and the lease as short as the mandate asks.
    let lease: Lease = answer.lease.open(&[&key], 1).unwrap();
    assert_eq!((&*lease.organization, lease.until.duration_since(lease.issued).as_secs()), ("acme", 900));
    let fetched = device.wire.get(&format!("/agent/v1/mandates/{}", second.digest())).await;
    assert_eq!(Envelope::parse::<Mandate>(&fetched.body).unwrap(), second);
    let fetched = device.wire.get("/agent/v1/roots/1").await;
    assert_eq!(Envelope::parse::<Root>(&fetched.body).unwrap(), first);
    device.wire.get("/agent/v1/roots/3").await.refused(404, "not_found");
    let trust = server.ask(|admin| admin.trust()).await.unwrap();
    assert_eq!((trust.root.unwrap().version, trust.mandate.unwrap().number), (2, 2));
    let current = server.ask(|admin| admin.mandate()).await.unwrap().unwrap();
    assert_eq!(current.envelope, second);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_device_refuses_by_the_mandate_is_said_wherever_somebody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    device.say_all(debian("3.0.1-1")).await;
    apply(&server, POLICY).await;
    let list = async || {
        let filter = DeviceFilter { hold: Some(Hold::Mandate), ..DeviceFilter::default() };
        server.ask(move |admin| admin.devices(&filter)).await.unwrap()
    };
    assert!(list().await.is_empty());
    let bytes = device.wire.get("/agent/v1/state").await.body;
    let state: State = Envelope::parse::<State>(&bytes).unwrap().open(&[&server.agents.key().public()], 1).unwrap();
    let mut check_in = device.same();
    let directive = state.directives[0].id.clone();
    check_in.standing = vec![Standing { directive, waits_for: WaitsFor::Mandate, until: None }];
    let what = "openssl: the mandate does not name it".to_owned();
    check_in.problems = vec![Problem { code: "mandate".into(), what, since: jiff::Timestamp::now() }];
    device.send(&check_in).await.ok::<CheckInAnswer>();

    let listed = list().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].holds.get(&Hold::Mandate), Some(&1));
    let id = device.id.clone();
    let said = server.ask(move |admin| admin.decisions(&id)).await.unwrap();
    let slot = said.slots.iter().find(|slot| slot.slot.title.as_str() == "deb/openssl").unwrap();
    assert_eq!(slot.holds.first(), Some(&Hold::Mandate));
    assert_eq!(slot.held_by[0].because, "the device refuses it: openssl: the mandate does not name it");
    let id = device.id.clone();
    let explained = server.ask(move |admin| admin.explanation(&id, "deb/openssl", None)).await.unwrap();
    assert!(
        explained.text.starts_with("Told to the device, and not done there: the device refuses it"),
        "{}",
        explained.text
    );
    assert!(explained.text.contains("when a mandate permits it: `refit mandate sign"), "{}", explained.text);
    server.stop().await;
}
