//! A signal that has to say that a device is well before the next of its group may begin.

use super::{Fleet, POLICY, UPGRADE};
use refit_core::{
    control::{Actor, Input, LeaseInput, ReceiptResult, Refusal},
    rollout::disruption::{Holder, Question},
};
use refit_model::DeviceId;
use std::collections::BTreeMap;

fn fleet() -> Fleet {
    let policy = POLICY.replace("settle: 30m", "settle: 30m, health: { signal: unhealthy, from: prometheus }");
    Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], &policy)
}

fn says(fleet: &mut Fleet, signal: &str, bad: &[(&str, bool)]) -> Result<(), Refusal> {
    let devices: BTreeMap<DeviceId, bool> = bad.iter().map(|(device, bad)| (DeviceId::new(device), *bad)).collect();
    let at = fleet.shell.now;
    let input = Input::Signal { source: "prometheus".into(), signal: signal.into(), at, whole: true, devices };
    fleet.shell.try_as(&Actor::server(), input).map(drop)
}

/// The first of the cluster has made its change and settled.
fn settled(fleet: &mut Fleet) {
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
    fleet.has("db-1", Some("db"), "2.0");
    fleet.receipt("db-1", ReceiptResult::Succeeded, "2.0");
    fleet.check_in("db-1");
    fleet.minutes(30);
    fleet.check_in("db-1");
    assert_eq!(fleet.phase("db-1"), Some("checking"));
}

#[test]
fn the_next_begins_when_a_signal_has_said_that_the_last_is_well() {
    let mut fleet = fleet();
    // What was said before it settled says nothing of how it is now.
    says(&mut fleet, "unhealthy", &[("db-1", false), ("db-2", false)]).unwrap();
    fleet.minutes(1);
    settled(&mut fleet);
    fleet.shell.tell(Input::Tick);
    assert!(fleet.check_in("db-2").is_empty());
    assert!(fleet.holds("db-2")[0].1.contains("waits for db-1"), "{:?}", fleet.holds("db-2"));
    fleet.minutes(1);
    says(&mut fleet, "unhealthy", &[("db-1", true), ("db-2", false)]).unwrap();
    fleet.shell.tell(Input::Tick);
    assert!(fleet.shell.tell(Input::Tick).is_empty(), "what stays bad is written down once");
    assert!(fleet.check_in("db-2").is_empty());
    let because = &fleet.holds("db-2")[0].1;
    assert!(because.contains("signal unhealthy from prometheus said something bad of it"), "{because}");
    // Who is spoken of no more is not well either.
    fleet.minutes(1);
    says(&mut fleet, "unhealthy", &[("db-2", false)]).unwrap();
    fleet.shell.tell(Input::Tick);
    assert_eq!(fleet.phase("db-1"), Some("checking"));
    fleet.minutes(1);
    says(&mut fleet, "unhealthy", &[("db-1", false), ("db-2", false)]).unwrap();
    fleet.shell.tell(Input::Tick);
    assert_eq!(fleet.phase("db-1"), None);
    assert_eq!(fleet.check_in("db-2"), [UPGRADE]);
    assert!(fleet.shell.replayed().leases.of_device(&"db-1".into()).is_none());
}

#[test]
fn a_person_answers_for_a_signal_that_is_gone() {
    let mut fleet = fleet();
    settled(&mut fleet);
    let (holder, hook) = (Holder::Device("db-1".into()), "signal unhealthy from prometheus".into());
    let answer = LeaseInput::Answer { holder, question: Question::Health, hook, agrees: true, said: "".into() };
    fleet.shell.tell(Input::Leases(answer));
    assert_eq!(fleet.phase("db-1"), None);
}

#[test]
fn a_signal_that_no_gate_and_no_group_listens_to_is_refused() {
    let mut fleet = fleet();
    let refused = says(&mut fleet, "unhealty", &[("db-1", false)]).unwrap_err().to_string();
    assert!(refused.contains("did you mean `unhealthy`?"), "{refused}");
}
