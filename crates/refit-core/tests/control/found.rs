//! What the simulator found, each as small as it gets.

use super::shell::{Shell, person, time};
use refit_core::control::{
    AdvisoryEntry, Event, Input, Installs, Observation, ReceiptResult, Refusal, Scope, SlotName, decode, encode,
};
use refit_model::TitleId;

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
";

fn fleet() -> Shell {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    shell.enrol("d0");
    shell.installs("d0", &[("editor", "1.0.0")]);
    shell.release("editor", "1.0.0");
    shell
}

fn receipt(id: &str, at: &str) -> Input {
    Input::Receipt {
        device: "d0".into(),
        receipt: id.into(),
        slot: SlotName::of(TitleId::new("editor")),
        wanted: None,
        result: ReceiptResult::Succeeded,
        before: None,
        after: None,
        at: time(at),
        duration_ms: 1,
        output: None,
    }
}

#[test]
fn receipts_count_once_and_all_of_them_whatever_a_clock_says() {
    let mut shell = fleet();
    // A clock that is ahead, and is set back afterwards.
    assert_eq!(shell.tell(receipt("a", "2026-12-01T00:00:00Z")).len(), 1);
    shell.wait(1);
    assert_eq!(shell.tell(receipt("b", "2026-10-01T00:00:00Z")).len(), 1);
    shell.wait(1);
    assert_eq!(shell.tell(receipt("a", "2026-12-01T00:00:00Z")).len(), 0);
    assert_eq!(shell.tell(receipt("b", "2026-10-01T00:00:00Z")).len(), 0);
}

#[test]
fn a_clock_that_is_slow_does_not_silence_a_device() {
    let mut shell = fleet();
    shell.wait(1);
    shell.tell(Input::Tick);
    // Presence says 00:15; the device says ten minutes past midnight, later than all that it said before.
    let late = Observation {
        device: "d0".into(),
        source: "agent".into(),
        observed: time("2026-11-01T00:10:00Z"),
        facts: Default::default(),
        installs: Some(Installs::All(vec![super::shell::entry("editor", "1.1.0")])),
        universe: None,
        check_in: None,
    };
    assert_eq!(shell.tell(Input::Observe(late)).len(), 1);
}

#[test]
fn who_returns_with_news_was_away_too() {
    let mut shell = fleet();
    shell.wait(1);
    shell.tell(Input::Tick);
    shell.wait(10 * 24);
    shell.installs("d0", &[("editor", "1.1.0")]);
    shell.wait(1);
    shell.tell(Input::Tick);
    assert_eq!(shell.state.device(&"d0".into()).unwrap().absences.len(), 1);
}

#[test]
fn a_number_reads_back_as_it_was() {
    for epss in [0.943_251_076_239_411_2, 0.1 + 0.2, 0.000_000_123_456_789_123_4] {
        let advisory = AdvisoryEntry {
            id: "CVE-2026-1".into(),
            title: TitleId::new("editor"),
            affected: vec!["*".into()],
            known_at: time("2026-11-01T00:00:00Z"),
            cvss: None,
            epss: Some(epss),
            kev: None,
            ransomware: false,
            withdrawn: None,
            said_by: Vec::new(),
        };
        let published = refit_core::control::AdvisoriesPublished { source: "feed".into(), advisories: vec![advisory] };
        let event = Event::from(published);
        let (kind, version, body) = encode(&event, "local").unwrap();
        assert_eq!(decode(kind, version, &body).unwrap(), event);
    }
}

#[test]
fn approvals_that_became_necessary_are_asked_for() {
    let mut shell = fleet();
    let ada = person("ada", &[Scope::Plan, Scope::Apply]);
    shell.tell(Input::SetApprovals(1));
    let (id, plan) = shell.plan_as(&ada, POLICY);
    shell.try_as(&person("bob", &[Scope::Approve]), Input::Approve { plan: id.clone() }).unwrap();
    shell.tell(Input::SetApprovals(2));
    let envelope: Vec<_> = plan.envelope.iter().map(|permit| (permit.cohort.clone(), permit.devices)).collect();
    let apply = Input::Apply { plan: id.clone(), envelope };
    assert!(matches!(shell.try_as(&ada, apply.clone()), Err(Refusal::Forbidden(_))));
    shell.try_as(&person("cleo", &[Scope::Approve]), Input::Approve { plan: id }).unwrap();
    shell.try_as(&ada, apply).unwrap();
}

#[test]
fn what_has_to_be_remembered_is_noted_while_everything_is_stopped() {
    let mut shell = fleet();
    shell.apply(POLICY);
    shell.settle();
    shell.tell(Input::Stop { why: "a fire".into() });
    shell.release("editor", "1.1.0");
    let events = shell.settle();
    assert!(events.iter().any(|event| matches!(event, Event::ObligationsNoted(_))), "{events:?}");
    assert!(events.iter().all(|event| !matches!(event, Event::MovesPublished(_))), "{events:?}");
}

#[test]
fn a_date_that_moves_on_moves_nothing() {
    let mut shell = fleet();
    shell.release("editor", "1.1.0");
    shell.wait(24);
    let events = {
        let before = shell.log.len();
        shell.release("editor", "1.1.0");
        shell.log.len() - before
    };
    assert_eq!(events, 0);
}

#[test]
fn no_department_is_in_the_log() {
    let mut shell = fleet();
    shell.department("p0", "a-department");
    let assign = Input::Assign { device: "d0".into(), person: Some(refit_core::control::PersonId::new("p0")) };
    shell.tell(assign);
    let budget = "budgets: [{ per: 24h, at_most: 20%, of: devices, by: person.department }]\n---\ntitle: editor";
    shell.apply(&POLICY.replace("---\ntitle: editor", budget));
    shell.settle();
    shell.release("editor", "1.1.0");
    shell.settle();
    assert_eq!(shell.moved("editor"), ["d0"]);
    let found = shell.log.iter().find(|(.., body)| String::from_utf8_lossy(body).contains("a-department"));
    assert_eq!(found, None);
}
