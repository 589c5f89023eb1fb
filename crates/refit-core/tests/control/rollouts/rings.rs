//! Policies that change under a release on its way, and who counts as one of a ring.

use super::{POLICY, direct, fleet, given, heard, joined, made, made_under, name, update};
use crate::shell::Shell;
use refit_core::control::{AgentInput, DeviceStands, Input, evidence};
use refit_model::{DeviceId, TitleId};
use refit_wire::protocol::{Standing, WaitsFor};

fn evidence_after(shell: &Shell, ring: &str) -> refit_core::rollout::Evidence {
    let title = TitleId::new("editor");
    let record = &shell.state.rollouts.of(&title)[0];
    let gate = shell.state.policy.as_ref().unwrap().repository.rollouts["standard"].gate.clone().unwrap();
    evidence(&shell.state, &title, record, ring, &gate, shell.now).unwrap()
}

fn soak(shell: &mut Shell) -> Vec<String> {
    shell.wait(1);
    update(shell, "1.1.0");
    shell.wait(25);
    heard(shell, &[]);
    direct(shell)
}

/// A policy that names the rings so, in their order.
fn with_rings(rings: &[&str]) -> String {
    let ring = |name: &&str| match *name {
        "canary" | "first" => format!("      - {{ name: {name}, where: '\"canary\" in device.tags', soak: 1d }}\n"),
        "pilot" => "      - { name: pilot, where: '\"pilot\" in device.tags', soak: 1d }\n".to_owned(),
        "early" => "      - { name: early, share: 40%, soak: 1d }\n".to_owned(),
        _ => "      - { name: rest }\n".to_owned(),
    };
    let start = POLICY.find("      - { name: canary").unwrap();
    let end = POLICY.find("gates:").unwrap();
    format!("{}{}{}", &POLICY[..start], rings.iter().map(ring).collect::<String>(), &POLICY[end..])
}

#[test]
fn a_ring_that_comes_to_stand_before_an_open_one_opens_at_once_and_holds_up_nothing() {
    let mut shell = fleet(30, 3);
    (20..24).for_each(|index| shell.tags(&name(index), &["pilot"]));
    shell.settle();
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let said = soak(&mut shell);
    assert!(said[1].starts_with("editor 1.1.0: early opens"), "{said:?}");
    shell.apply(&with_rings(&["canary", "pilot", "early", "rest"]));
    let said = direct(&mut shell);
    assert!(said[0].starts_with("editor 1.1.0: pilot opens with"), "{said:?}");
    assert_eq!(said.len(), 1, "{said:?}");
    let said = soak(&mut shell);
    assert_eq!(said[0], "editor 1.1.0: Pass after early", "the next waits for the one before it: {said:?}");
    assert!(said.iter().any(|said| said.starts_with("editor 1.1.0: rest opens")), "{said:?}");
    soak(&mut shell);
    let trial = shell.state.rollouts.trial(&TitleId::new("editor"), "1.1.0").unwrap();
    assert_eq!(trial.fine.len() as usize, 30, "everybody has it");
}

#[test]
fn a_release_goes_on_where_a_ring_has_another_name_or_is_gone() {
    for rings in [&["first", "early", "rest"][..], &["early", "rest"]] {
        let mut shell = fleet(30, 3);
        shell.release("editor", "1.1.0");
        direct(&mut shell);
        soak(&mut shell);
        shell.apply(&with_rings(rings));
        direct(&mut shell);
        for _ in 0..3 {
            soak(&mut shell);
        }
        let trial = shell.state.rollouts.trial(&TitleId::new("editor"), "1.1.0").unwrap();
        assert_eq!(trial.fine.len() as usize, 30, "{rings:?}: everybody has it");
    }
}

/// The ring that opened last may be gone from the policy: a person is asked about the one that is left, once.
#[test]
fn a_person_is_asked_about_a_ring_that_the_policy_has() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.tell(Input::OpenRing {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        rollout: "standard".into(),
        ring: "early".into(),
        platform: Some("linux".into()),
        members: None,
        releases: Vec::new(),
    });
    shell.apply(&with_rings(&["canary", "rest"]));
    shell.wait(24 * 9);
    direct(&mut shell);
    let asked = shell.state.rollouts.questions(&TitleId::new("editor"));
    assert_eq!(asked.iter().map(|question| question.after.as_str()).collect::<Vec<_>>(), ["canary"]);
    shell.wait(24);
    direct(&mut shell);
    assert_eq!(shell.state.rollouts.questions(&TitleId::new("editor")).len(), 1, "once");
}

/// Whoever is given the newest release waits for none of those before it.
#[test]
fn rings_open_for_no_release_that_nobody_is_to_have() {
    let mut shell = fleet(30, 3);
    ["1.1.0", "1.2.0", "1.3.0"].iter().for_each(|version| shell.release("editor", version));
    let said = direct(&mut shell);
    assert_eq!(said, ["editor 1.3.0: canary opens with 3"]);
    shell.wait(24 * 20);
    assert_eq!(direct(&mut shell), [""; 0], "and nobody is asked about them");
    let asked = shell.state.rollouts.questions(&TitleId::new("editor"));
    assert!(asked.iter().all(|question| question.version == "1.3.0"), "{asked:?}");
}

/// An empty ring passes nothing: what somebody installed by hand elsewhere makes no ring of it.
#[test]
fn who_updated_by_themselves_does_not_stand_in_for_a_ring_that_is_empty() {
    let mut shell = fleet(30, 0);
    shell.installs(&name(7), &[("editor", "1.1.0")]);
    shell.release("editor", "1.1.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: canary opens with 0"]);
    let evidence = evidence_after(&shell, "canary");
    assert_eq!((evidence.devices, evidence.reported, evidence.first_result), (0, 0, None));
    shell.wait(24 * 3);
    assert_eq!(direct(&mut shell), [""; 0]);
}

/// Rule 9: the silent and those that cannot converge are due in the ring, and are shown apart.
#[test]
fn who_is_silent_or_held_is_shown_apart() {
    let mut shell = made(30, 6, joined);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let stands = |shell: &mut Shell, index: usize, waits_for: WaitsFor| {
        shell.tell(Input::Agents(AgentInput::Stands(DeviceStands {
            device: DeviceId::new(name(index)),
            agent: "1".into(),
            standing: vec![Standing { directive: "upgrade editor 1.1.0".into(), waits_for, until: None }],
            problems: Vec::new(),
        })));
    };
    stands(&mut shell, 1, WaitsFor::Mandate);
    stands(&mut shell, 2, WaitsFor::Freeze);
    stands(&mut shell, 3, WaitsFor::Freeze);
    stands(&mut shell, 4, WaitsFor::Nothing);
    shell.installs(&name(0), &[("editor", "1.1.0")]);
    shell.wait(30);
    heard(&mut shell, &[name(5)]);
    let evidence = evidence_after(&shell, "canary");
    assert_eq!((evidence.devices, evidence.reported, evidence.silent), (6, 1, 1));
    let held: Vec<_> = evidence.held.into_iter().collect();
    assert_eq!(held, [(WaitsFor::Mandate, 1), (WaitsFor::Freeze, 2)]);
}

/// Whom a policy only observes is no member, and whom it only tells is not waited for where others are forced.
#[test]
fn who_is_not_forced_is_not_waited_for() {
    for (mode, members) in [("observe", 6), ("notify", 10)] {
        let second = format!(
            "---\npolicy: others\npriority: 5\nmode: {mode}\nsoftware: [editor]\nwhere: '\"guest\" in device.tags'\nrollout: standard\ndeadline: [{{ within: 14d }}]\n"
        );
        let mut shell = made_under(&format!("{POLICY}{second}"), 30, 0, |shell, id| shell.enrol(id));
        (0..6).for_each(|index| shell.tags(&name(index), &["canary"]));
        (6..10).for_each(|index| shell.tags(&name(index), &["canary", "guest"]));
        shell.release("editor", "1.1.0");
        assert_eq!(direct(&mut shell), [format!("editor 1.1.0: canary opens with {members}")], "{mode}");
        assert_eq!(evidence_after(&shell, "canary").devices, 6, "{mode}");
        shell.wait(1);
        let forced: Vec<String> = given(&shell, "1.1.0").into_iter().filter(|id| *id < name(6)).collect();
        for id in &forced {
            shell.installs(id, &[("editor", "1.1.0")]);
            super::receipt(&mut shell, id, refit_core::control::ReceiptResult::Succeeded, "1.0.0", "1.1.0");
        }
        shell.wait(25);
        heard(&mut shell, &[]);
        let said = direct(&mut shell);
        assert_eq!(
            said.first().map_or("", |said| said),
            "editor 1.1.0: Pass after canary",
            "{mode}: {:?}",
            evidence_after(&shell, "canary")
        );
    }
    // Where nobody is forced, those who are told are all that there is.
    let told = POLICY.replace("mode: enforce", "mode: notify");
    let mut shell = made_under(&told, 30, 3, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    assert_eq!(evidence_after(&shell, "canary").devices, 3);
}

/// One device that a budget lets through does not speak for a ring.
#[test]
fn whom_a_budget_holds_is_waited_for() {
    let policy = POLICY.replace("rollouts:", "budgets: [{ per: 30d, at_most: 4%, of: devices }]\nrollouts:");
    let mut shell = made_under(&policy, 30, 8, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    assert_eq!(given(&shell, "1.1.0").len(), 1);
    let said = soak(&mut shell);
    assert_eq!((evidence_after(&shell, "canary").devices, evidence_after(&shell, "canary").reported), (8, 1));
    assert_eq!(said, [""; 0], "one of eight is not enough");
}
