//! A policy is planned, approved, applied; devices are given what it asks for.

use super::shell::{Shell, person, time};
use refit_core::control::{
    Actor, Contents, Event, Ground, Input, PlanStatus, Prepared, Refusal, Scope, read_snapshot, write_snapshot,
};
use refit_core::policy::resolve::Titles;

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
phase_in: 30d
";

fn fleet(count: usize) -> Shell {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    for index in 0..count {
        let id = format!("d{index}");
        shell.enrol(&id);
        shell.installs(&id, &[("editor", "1.0.0")]);
    }
    shell.release("editor", "1.0.0");
    shell.release("editor", "1.1.0");
    shell
}

#[test]
fn first_adoption_obliges_everybody_and_forces_nobody_before_phase_in() {
    let mut shell = fleet(5);
    shell.wait(200 * 24);
    let plan = shell.apply(POLICY);
    assert_eq!(plan.summary.moved, 5);
    assert_eq!(plan.summary.overdue_devices, 0);
    shell.settle();
    assert_eq!(shell.moved("editor").len(), 5);
    let due =
        shell.state.managed().flat_map(|device| device.published.values()).filter_map(|published| published.due).min();
    let phased_in = shell.now.checked_add(jiff::SignedDuration::from_hours(30 * 24)).unwrap();
    assert_eq!(due, Some(phased_in));
}

#[test]
fn nothing_is_published_twice() {
    let mut shell = fleet(3);
    shell.apply(POLICY);
    assert!(!shell.settle().is_empty());
    let before = shell.log.len();
    shell.wait(1);
    assert!(shell.settle().is_empty());
    assert_eq!(shell.log.len(), before);
}

#[test]
fn a_device_that_has_done_it_is_compliant_and_asked_for_nothing() {
    let mut shell = fleet(2);
    shell.apply(POLICY);
    shell.settle();
    shell.installs("d0", &[("editor", "1.1.0")]);
    shell.settle();
    assert_eq!(shell.moved("editor"), ["d1"]);
    let row = shell.board.row(&"d0".into()).unwrap();
    assert_eq!(row.slots[0].compliance, refit_core::decide::Compliance::Compliant);
    // Its spell has ended, the other's goes on.
    assert!(shell.state.device(&"d0".into()).unwrap().spells.is_empty());
    assert_eq!(shell.state.device(&"d1".into()).unwrap().spells.len(), 1);
}

#[test]
fn replay_gives_the_same_state_and_so_does_a_snapshot() {
    let mut shell = fleet(4);
    shell.department("p1", "IT");
    shell.tell(Input::Assign { device: "d1".into(), person: Some(refit_core::control::PersonId::new("p1")) });
    shell.apply(POLICY);
    shell.settle();
    shell.installs("d0", &[("editor", "1.1.0")]);
    shell.settle();
    let bytes = |state: &refit_core::control::State| write_snapshot(state).unwrap().1;
    assert_eq!(bytes(&shell.state), bytes(&shell.replayed()));
    let (format, snapshot) = write_snapshot(&shell.state).unwrap();
    let titles = Titles::default();
    let ground = Ground { catalog: &titles, contents: &shell.contents };
    let mut read = read_snapshot(format, &snapshot, &ground).unwrap();
    read.personal = shell.state.personal.clone();
    assert_eq!(bytes(&read), snapshot);
    // It also goes on in the same way.
    shell.state = read;
    assert!(shell.settle().is_empty());
}

#[test]
fn nobody_approves_their_own_plan_and_no_program_approves_any() {
    let mut shell = fleet(2);
    shell.tell(Input::SetApprovals(1));
    let ada = person("ada", &[Scope::Plan, Scope::Approve, Scope::Apply]);
    let bob = person("bob", &[Scope::Approve]);
    let robot = Actor { bearer: refit_core::control::Bearer::Program, ..person("robot", &[Scope::Approve]) };
    let (id, plan) = shell.plan_as(&ada, POLICY);
    let apply = Input::Apply {
        plan: id.clone(),
        envelope: plan.envelope.iter().map(|permit| (permit.cohort.clone(), permit.devices)).collect(),
    };
    assert!(matches!(shell.try_as(&ada, apply.clone()), Err(Refusal::Forbidden(_))));
    assert!(matches!(shell.try_as(&ada, Input::Approve { plan: id.clone() }), Err(Refusal::Forbidden(_))));
    assert!(matches!(shell.try_as(&robot, Input::Approve { plan: id.clone() }), Err(Refusal::Forbidden(_))));
    assert!(matches!(shell.try_as(&bob, apply.clone()), Err(Refusal::Scope(Scope::Apply))));
    shell.try_as(&bob, Input::Approve { plan: id.clone() }).unwrap();
    assert_eq!(shell.state.plans[&id].status, PlanStatus::Approved);
    shell.try_as(&ada, apply).unwrap();
    assert_eq!(shell.state.revision(), 1);
}

#[test]
fn a_plan_of_an_older_revision_is_refused() {
    let mut shell = fleet(2);
    let (old, plan) = shell.plan_as(&Actor::server(), POLICY);
    shell.apply(POLICY);
    let envelope = plan.envelope.iter().map(|permit| (permit.cohort.clone(), permit.devices)).collect();
    let refused = shell.try_as(&Actor::server(), Input::Apply { plan: old, envelope });
    assert!(matches!(refused, Err(Refusal::Conflict(_))), "{refused:?}");
}

#[test]
fn what_the_plan_did_not_show_is_held() {
    let mut shell = fleet(2);
    let (id, plan) = shell.plan_as(&Actor::server(), POLICY);
    // Two more devices come between plan and apply: they were there before the revision, and not in its plan.
    for device in ["late-1", "late-2"] {
        shell.enrol(device);
        shell.installs(device, &[("editor", "1.0.0")]);
    }
    shell.wait(1);
    let envelope = plan.envelope.iter().map(|permit| (permit.cohort.clone(), permit.devices)).collect();
    shell.tell(Input::Apply { plan: id, envelope });
    shell.settle();
    assert_eq!(shell.moved("editor").len(), 2);
    let held = shell.state.managed().filter(|device| !device.held.is_empty()).count();
    assert_eq!(held, 2);
    let record = shell.state.device(&"late-1".into()).unwrap();
    let holds = shell.state.server_holds(record, &refit_core::control::SlotName::of("editor".into()), true);
    assert_eq!(holds[0].hold, refit_core::decide::Hold::Envelope);
    assert_eq!(shell.state.held_devices(refit_core::control::HeldBy::Envelope).len(), 2);
}

#[test]
fn while_everything_is_stopped_nothing_is_published() {
    let mut shell = fleet(2);
    shell.apply(POLICY);
    shell.tell(Input::Stop { why: "a fire".into() });
    let due = shell.board.due(&shell.state, shell.now, 10);
    assert_eq!(due.len(), 2);
    let events = shell.settle();
    assert!(events.iter().all(|event| !matches!(event, Event::MovesPublished(_))));
    assert!(shell.moved("editor").is_empty());
    shell.tell(Input::GoOn { why: "out".into() });
    shell.settle();
    assert_eq!(shell.moved("editor").len(), 2);
}

#[test]
fn an_observation_that_is_older_than_what_is_known_changes_nothing() {
    let mut shell = fleet(1);
    let late = refit_core::control::Observation {
        device: "d0".into(),
        source: "agent".into(),
        observed: time("2026-10-01T00:00:00Z"),
        facts: Default::default(),
        installs: Some(refit_core::control::Installs::All(Vec::new())),
        universe: None,
        check_in: None,
    };
    assert!(shell.tell(Input::Observe(late)).is_empty());
    assert_eq!(shell.state.device(&"d0".into()).unwrap().installs.len(), 1);
}

#[test]
fn a_policy_that_only_observes_moves_nobody_until_it_is_enforced() {
    let mut shell = fleet(3);
    let observing = POLICY.replace("mode: enforce", "mode: observe");
    assert_eq!(shell.apply(&observing).summary.moved, 0);
    shell.settle();
    assert_eq!(shell.apply(POLICY).summary.moved, 3);
}

#[test]
fn withdrawing_an_advisory_removes_its_latches() {
    use refit_core::control::AdvisoryEntry;
    let mut shell = fleet(1);
    let advisory = |withdrawn| AdvisoryEntry {
        id: "CVE-2026-1".into(),
        title: "editor".into(),
        affected: vec!["<1.1.0".into()],
        known_at: time("2026-10-01T00:00:00Z"),
        cvss: Some(9.9),
        epss: None,
        kev: Some(time("2026-10-02T00:00:00Z")),
        ransomware: false,
        withdrawn,
        said_by: Vec::new(),
    };
    let publish = |advisory| Input::Advisories { source: "feed".into(), advisories: vec![advisory] };
    shell.tell(publish(advisory(None)));
    shell.apply(&POLICY.replace("[{ within: 7d }]", "[{ if: exposure.kev, within: 2d }, { within: 7d }]"));
    shell.settle();
    assert_eq!(shell.state.latches.len(), 1);
    shell.wait(1);
    let now = shell.now;
    shell.tell(publish(advisory(Some(now))));
    assert!(shell.state.latches.is_empty());
}

#[test]
fn a_release_that_goes_and_comes_back_is_due_as_before() {
    let mut shell = fleet(1);
    shell.apply(POLICY);
    shell.settle();
    let due = |shell: &Shell| {
        let record = shell.state.device(&"d0".into()).unwrap().clone();
        record.published.values().next().and_then(|published| published.due)
    };
    let before = due(&shell);
    assert!(before.is_some());
    shell.wait(24 * 40);
    shell.installs("d0", &[]);
    shell.installs("d0", &[("editor", "1.0.0")]);
    shell.settle();
    assert_eq!(due(&shell), before);
}

#[test]
fn an_install_whose_version_is_none_is_refused_by_name() {
    let mut shell = fleet(1);
    let odd = refit_core::control::Observation {
        device: "d0".into(),
        source: "agent".into(),
        observed: shell.now,
        facts: Default::default(),
        installs: Some(refit_core::control::Installs::All(vec![super::shell::entry("deb/jq", "!!")])),
        universe: None,
        check_in: None,
    };
    let refused = shell.try_as(&Actor::server(), Input::Observe(odd)).unwrap_err();
    assert!(refused.to_string().starts_with("deb/jq: "), "{refused}");
}

/// Contents of which some were read beforehand; their bytes are not to be had.
struct ReadBefore(std::collections::BTreeMap<smol_str::SmolStr, Prepared>);

impl Contents for ReadBefore {
    fn content(&self, _: &str) -> Option<std::sync::Arc<[u8]>> {
        None
    }

    fn prepared(&self, sha256: &str) -> Option<&Prepared> {
        self.0.get(sha256)
    }
}

#[test]
fn content_that_was_read_beforehand_gives_the_same_state() {
    let mut shell = fleet(2);
    shell.apply(POLICY);
    let advisories =
        br#"[{ "id": "CVE-2026-1", "title": "deb/curl", "affected": ["<2"], "known_at": "2026-11-01T00:00:00Z" }]"#;
    let content = shell.put(advisories.to_vec());
    shell.tell(Input::Matched { distribution: "debian/bookworm".into(), content, advisories: 1 });
    shell.settle();
    let titles = Titles::default();
    let prepared = shell.contents.iter().filter_map(|(digest, bytes)| {
        let read = Prepared::advisories(bytes).or_else(|| Prepared::repository(bytes, &titles));
        read.map(|read| (digest.clone(), read))
    });
    let contents = ReadBefore(prepared.collect());
    let mut state = refit_core::control::State::default();
    for (seq, at, kind, version, body) in &shell.log {
        let event = refit_core::control::decode(kind, *version, body).unwrap();
        state.apply(*seq, *at, &event, &Ground { catalog: &titles, contents: &contents }).unwrap();
    }
    assert_eq!(write_snapshot(&state).unwrap().1, write_snapshot(&shell.state).unwrap().1);
    assert_eq!(
        state.distributions["debian/bookworm"].advisories,
        shell.state.distributions["debian/bookworm"].advisories
    );
    let policies = |state: &refit_core::control::State| state.policy.as_ref().unwrap().repository.policies.len();
    assert_eq!((policies(&state), policies(&shell.state)), (1, 1));
}
