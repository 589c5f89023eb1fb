//! Two devices under one id: both are stopped, what is published stays, and a person says which is the one.

use super::shell::{Shell, entry, person};
use refit_core::control::{
    Actor, CheckIn, Event, Head, Input, Installs, Observation, ReceiptResult, Refusal, Scope, SlotName,
};
use std::collections::BTreeMap;

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
deadline: [{ within: 7d }]
phase_in: 0d
";

/// An agent's memory.
#[derive(Clone, Default)]
struct Agent {
    salt: u32,
    drawn: Vec<u32>,
    recorded: Option<Head>,
}

impl Agent {
    fn report(&mut self, shell: &mut Shell, editor: &str) -> Result<Vec<Event>, Refusal> {
        self.drawn.push(self.drawn.len() as u32 * 100 + self.salt);
        let links = self.drawn.iter().rev().take(CheckIn::LINKS_MOST).copied().collect();
        let check_in = CheckIn { sequence: self.drawn.len() as u64, links, recorded: self.recorded };
        let head = check_in.head();
        let events = observe(shell, editor, Some(check_in))?;
        if events.iter().any(|event| matches!(event, Event::DeviceObserved(_))) {
            self.recorded = head;
        }
        Ok(events)
    }
}

fn observe(shell: &mut Shell, editor: &str, check_in: Option<CheckIn>) -> Result<Vec<Event>, Refusal> {
    shell.try_as(
        &Actor::server(),
        Input::Observe(Observation {
            device: "d0".into(),
            source: "agent".into(),
            observed: shell.now,
            facts: BTreeMap::new(),
            installs: Some(Installs::All(vec![entry("editor", editor)])),
            universe: None,
            check_in,
        }),
    )
}

fn lift(shell: &mut Shell, who: &Actor) -> Result<Vec<Event>, Refusal> {
    shell.try_as(who, Input::LiftQuarantine { device: "d0".into(), why: "the copy is off".into() })
}

/// A device that has done what it was asked, and a copy of it that has not.
fn copied() -> (Shell, Agent, Agent) {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    shell.enrol("d0");
    shell.release("editor", "1.0.0");
    shell.release("editor", "1.1.0");
    let mut agent = Agent::default();
    agent.report(&mut shell, "1.0.0").unwrap();
    shell.apply(POLICY);
    shell.settle();
    let copy = Agent { salt: 7, ..agent.clone() };
    shell.wait(1);
    agent.report(&mut shell, "1.1.0").unwrap();
    shell.settle();
    (shell, agent, copy)
}

#[test]
fn the_second_history_stops_both_and_moves_nothing() {
    let (mut shell, mut agent, mut copy) = copied();
    let before = shell.state.device(&"d0".into()).unwrap().clone();
    assert!(before.published.values().all(|published| published.due.is_none()));
    shell.wait(1);
    let events = copy.report(&mut shell, "1.0.0").unwrap();
    assert!(matches!(&events[..], [Event::DeviceQuarantined(_)]), "{events:?}");
    // Neither is believed, and no receipt counts.
    assert!(matches!(copy.report(&mut shell, "1.0.0"), Err(Refusal::Quarantined { .. })));
    assert!(matches!(agent.report(&mut shell, "1.0.0"), Err(Refusal::Quarantined { .. })));
    let receipt = Input::Receipt {
        device: "d0".into(),
        receipt: "r1".into(),
        slot: SlotName::of("editor".into()),
        wanted: None,
        result: ReceiptResult::Failed,
        before: None,
        after: None,
        at: shell.now,
        duration_ms: 1,
        output: None,
    };
    assert!(matches!(shell.try_as(&Actor::server(), receipt), Err(Refusal::Quarantined { .. })));
    // What comes out meanwhile is decided and not published.
    shell.release("editor", "1.2.0");
    shell.settle();
    let after = shell.state.device(&"d0".into()).unwrap().clone();
    assert_eq!((&after.published, &after.installs), (&before.published, &before.installs));
    assert!(after.quarantined.is_some());
    assert_eq!(shell.replayed().devices, shell.state.devices);
}

#[test]
fn a_person_lifts_it_and_whoever_reports_next_is_the_one() {
    let (mut shell, mut agent, mut copy) = copied();
    copy.report(&mut shell, "1.0.0").unwrap();
    shell.release("editor", "1.2.0");
    shell.settle();
    let program = Actor { bearer: refit_core::control::Bearer::Program, ..person("robot", &[Scope::Approve]) };
    assert!(matches!(lift(&mut shell, &program), Err(Refusal::Forbidden(_))));
    assert!(matches!(lift(&mut shell, &person("ada", &[Scope::Facts])), Err(Refusal::Scope(Scope::Approve))));
    assert_eq!(lift(&mut shell, &person("ada", &[Scope::Approve])).unwrap().len(), 1);
    assert!(lift(&mut shell, &person("bob", &[Scope::Approve])).unwrap().is_empty());
    agent.report(&mut shell, "1.1.0").unwrap();
    shell.settle();
    assert_eq!(shell.moved("editor"), ["d0"]);
    // A copy that is still there is found again.
    let events: Vec<_> = (0..3).map(|_| copy.report(&mut shell, "1.0.0")).collect();
    assert!(events.iter().flatten().flatten().all(|event| matches!(event, Event::DeviceQuarantined(_))));
    assert!(shell.state.device(&"d0".into()).unwrap().quarantined.is_some());
}

#[test]
fn who_counts_once_counts_always() {
    let (mut shell, ..) = copied();
    let events = observe(&mut shell, "1.0.0", None).unwrap();
    assert!(matches!(&events[..], [Event::DeviceQuarantined(_)]), "{events:?}");
}

#[test]
fn a_message_that_is_late_or_comes_twice_is_no_copy() {
    let (mut shell, mut agent, _) = copied();
    let mut late = agent.clone();
    shell.wait(1);
    agent.drawn.push(late.drawn.len() as u32 * 100);
    agent.report(&mut shell, "1.0.0").unwrap();
    shell.wait(1);
    assert!(late.report(&mut shell, "1.1.0").unwrap().is_empty());
    agent.report(&mut shell, "1.1.0").unwrap();
    assert!(shell.state.device(&"d0".into()).unwrap().quarantined.is_none());
}
