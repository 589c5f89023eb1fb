//! When a ring opens, who is in it, and when to look again.

use super::{POLICY, direct, fleet, given, heard, made_under, name, receipt, update};
use crate::shell::Shell;
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::{Director, Input, ReceiptResult, evidence},
    rollout::{Evidence, Measure},
};
use refit_model::TitleId;

fn next(shell: &Shell) -> Option<Timestamp> {
    Director.look(&shell.state, &shell.board, shell.now).next
}

fn hours(shell: &Shell, hours: i64) -> Option<Timestamp> {
    Some(shell.now + SignedDuration::from_hours(hours))
}

/// What the gate after the canaries goes by.
fn canaries(shell: &Shell) -> Evidence {
    let title = TitleId::new("editor");
    let record = &shell.state.rollouts.of(&title)[0];
    let gate = shell.state.policy.as_ref().unwrap().repository.rollouts["standard"].gate.clone().unwrap();
    evidence(&shell.state, &title, record, "canary", &gate, shell.now).unwrap()
}

#[test]
fn without_a_gate_a_ring_opens_when_the_one_before_has_soaked() {
    let policy = POLICY.replace("    gate: default\n", "");
    let mut shell = made_under(&policy, 30, 3, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: canary opens with 3"]);
    shell.wait(48);
    assert_eq!(direct(&mut shell), [""; 0], "nobody has said what came of it");
    update(&mut shell, "1.1.0");
    assert_eq!(direct(&mut shell), [""; 0]);
    assert_eq!(next(&shell), hours(&shell, 24), "it looks again when the ring has soaked");
    shell.wait(23);
    assert_eq!(direct(&mut shell), [""; 0]);
    shell.tell(Input::Stop { why: "drill".into() });
    shell.wait(1);
    assert_eq!(direct(&mut shell), [""; 0], "while everything is stopped nothing opens");
    shell.tell(Input::GoOn { why: "drill".into() });
    let said = direct(&mut shell);
    assert!(said[0].starts_with("editor 1.1.0: early opens") && said.len() == 1, "{said:?}");
}

/// A platform may have nobody in the first ring: without a gate nothing is asked of it.
#[test]
fn without_a_gate_an_empty_ring_soaks_from_when_it_opened() {
    let policy = POLICY.replace("    gate: default\n", "");
    let mut shell = made_under(&policy, 30, 0, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: canary opens with 0"]);
    assert_eq!(next(&shell), hours(&shell, 24));
    shell.wait(24);
    let said = direct(&mut shell);
    assert!(said.len() == 1 && said[0].starts_with("editor 1.1.0: early opens"), "{said:?}");
    shell.wait(100);
    assert_eq!(direct(&mut shell), [""; 0], "of the others somebody has to say something");
    shell.wait(24 * 8 - 100);
    direct(&mut shell);
    let asked = shell.state.rollouts.questions(&TitleId::new("editor"));
    assert_eq!(asked.iter().map(|question| question.after.as_str()).collect::<Vec<_>>(), ["early"]);
}

#[test]
fn no_gate_passes_while_everything_is_stopped() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    update(&mut shell, "1.1.0");
    shell.tell(Input::Stop { why: "drill".into() });
    shell.wait(25);
    heard(&mut shell, &[]);
    assert_eq!(direct(&mut shell), [""; 0]);
    shell.tell(Input::GoOn { why: "drill".into() });
    assert_eq!(direct(&mut shell)[0], "editor 1.1.0: Pass after canary");
}

#[test]
fn it_looks_again_when_a_ring_has_soaked_and_where_silence_counts_now_and_then() {
    let quiet = POLICY.replace("silence: 1%, reports: 1%, ", "");
    let mut shell = made_under(&quiet, 30, 3, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    assert_eq!(next(&shell), hours(&shell, 7 * 24), "nothing comes of time alone but that a person is asked");
    update(&mut shell, "1.1.0");
    direct(&mut shell);
    assert_eq!(next(&shell), hours(&shell, 24));
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    assert_eq!(next(&shell), hours(&shell, 3), "an eighth of the day after which a device is silent");
}

#[test]
fn devices_due_in_a_ring_are_those_that_are_given_the_release_or_have_said_what_came_of_it() {
    let mut shell = fleet(30, 4);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    assert_eq!((canaries(&shell).devices, canaries(&shell).reported), (4, 0));
    // One reports; another is kept from it by a block; somebody outside the ring has it by hand, and one broke by it.
    shell.installs("d000", &[("editor", "1.1.0")]);
    receipt(&mut shell, "d000", ReceiptResult::Succeeded, "1.0.0", "1.1.0");
    shell.installs("d020", &[("editor", "1.1.0")]);
    receipt(&mut shell, "d020", ReceiptResult::Succeeded, "1.0.0", "1.1.0");
    super::receipt_of(&mut shell, "d021", Some("1.1.0"), ReceiptResult::Failed, "1.0.0", "1.0.0");
    let block =
        "---\nblock: not here\ntitle: editor\nreleases: '=1.1.0'\nwhere: 'device.id == \"d001\"'\nwhy: it is special\n";
    shell.apply(&format!("{POLICY}{block}"));
    shell.settle();
    let said = canaries(&shell);
    assert_eq!((said.devices, said.reported, said.failed), (3, 1, 0));
    assert_eq!((said.elsewhere.of, said.elsewhere.bad), (2, 1));
    super::receipt_of(&mut shell, "d002", Some("1.1.0"), ReceiptResult::Failed, "1.0.0", "1.0.0");
    let said = canaries(&shell);
    assert_eq!((said.reported, said.failed), (2, 1));
    assert_eq!((said.elsewhere.of, said.elsewhere.bad), (2, 1), "what failed in the ring is not elsewhere");
}

#[test]
fn who_was_silent_before_a_release_began_says_nothing_of_it() {
    let mut shell = fleet(60, 8);
    let away: Vec<String> = (50..60).map(name).collect();
    for _ in 0..3 {
        shell.wait(10);
        heard(&mut shell, &away);
    }
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    heard(&mut shell, &away);
    let said = canaries(&shell);
    let silence = said.compared.iter().find(|compared| compared.measure == Measure::Silence).unwrap();
    assert_eq!((silence.reached.of, silence.reached.bad), (8, 0));
    assert_eq!((silence.control.of, silence.control.bad), (42, 0), "ten of the others were away before");
}

#[test]
fn who_has_a_release_already_is_a_member_of_its_ring() {
    let mut shell = fleet(30, 4);
    shell.installs("d000", &[("editor", "1.1.0")]);
    shell.release("editor", "1.1.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: canary opens with 4"]);
    assert_eq!(given(&shell, "1.1.0"), ["d001", "d002", "d003"]);
    assert_eq!(canaries(&shell).reported, 1, "it has said what came of it");
}

#[test]
fn people_halt_what_is_not_urgent_until_somebody_says_otherwise() {
    // The rollout that a condition chooses is another one, and a condition without a rollout hurries nobody.
    let policy = POLICY.replace("gates:", "  fast: { gate: default, rings: [{ name: all }] }\ngates:").replace(
        "deadline: [",
        "deadline: [{ if: exposure.kev, within: 2d, rollout: fast }, { if: exposure.cvss >= 9.0, within: 5d }, ",
    );
    let mut shell = made_under(&policy, 100, 12, super::joined);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    (0..12).for_each(|index| super::signals::complain(&mut shell, index));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    let halt = shell.state.rollouts.halt(&TitleId::new("editor"), "1.1.0", Some("linux")).unwrap();
    assert_eq!(halt.until, None);
}

#[test]
fn a_title_that_is_always_in_a_hurry_is_not_made_urgent_by_another() {
    // Viewers go the fast way where something is exploited; the editor always does.
    let policy = POLICY.replace("rollout: standard\ndeadline: [{ within: 14d }]", "rollout: fast\ndeadline: [{ within: 14d }]").replace(
        "gates:",
        "  fast: { gate: default, rings: [{ name: canary, where: '\"canary\" in device.tags', soak: 1d }, { name: rest }] }\ngates:",
    ) + "---\ntitle: viewer\n---\npolicy: viewers\nsoftware: [viewer]\nrollout: standard\ndeadline: [{ if: exposure.kev, within: 2d, rollout: fast }, { within: 14d }]\n";
    let mut shell = made_under(&policy, 100, 12, super::joined);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    (0..12).for_each(|index| super::signals::complain(&mut shell, index));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    let halt = shell.state.rollouts.halt(&TitleId::new("editor"), "1.1.0", Some("linux")).unwrap();
    assert_eq!((halt.rollout.as_deref(), halt.until), (Some("fast"), None));
}

/// The editor itself is exploited: who waits for the release that mends it is in danger too.
#[test]
fn people_stop_what_is_exploited_for_four_hours() {
    let policy = POLICY
        .replace("gates:", "  fast: { gate: default, rings: [{ name: canary, where: '\"canary\" in device.tags', soak: 1h }, { name: rest }] }\ngates:")
        .replace("deadline: [", "deadline: [{ if: exposure.kev, within: 2d, rollout: fast }, ");
    let mut shell = made_under(&policy, 100, 12, super::joined);
    super::signals::exploited(&mut shell);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    (0..12).for_each(|index| super::signals::complain(&mut shell, index));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    let halt = shell.state.rollouts.halt(&TitleId::new("editor"), "1.1.0", Some("linux")).unwrap();
    assert_eq!(halt.rollout.as_deref(), Some("fast"));
    assert_eq!(halt.until, Some(shell.now + jiff::SignedDuration::from_hours(4)));
}

/// A receipt for what waited for a restart comes after somebody has put it back.
#[test]
fn done_is_what_is_seen_and_not_what_is_said_of_what_is_gone() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.installs(&name(0), &[("editor", "1.1.0")]);
    shell.installs(&name(0), &[("editor", "1.0.0")]);
    receipt(&mut shell, &name(0), ReceiptResult::Succeeded, "1.0.0", "1.1.0");
    assert!(shell.state.rollouts.trial(&TitleId::new("editor"), "1.1.0").unwrap().results().is_empty());
    // Of a release from before it says that it was fine: the device has gone on since.
    shell.installs(&name(1), &[("editor", "1.2.0")]);
    receipt(&mut shell, &name(1), ReceiptResult::Succeeded, "1.0.0", "1.1.0");
    assert_eq!(shell.state.rollouts.trial(&TitleId::new("editor"), "1.1.0").unwrap().fine.len(), 1);
}

#[test]
fn who_was_put_back_to_an_earlier_release_has_not_reported() {
    let policy = POLICY.replace(", silence: 1%, reports: 1%", "");
    let mut shell = made_under(&policy, 60, 10, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    for index in 0..10 {
        shell.installs(&name(index), &[("editor", "1.1.0")]);
        receipt(&mut shell, &name(index), ReceiptResult::Succeeded, "1.0.0", "1.1.0");
    }
    // Two people don't want it, and what comes after it takes nothing back.
    for index in 0..2 {
        shell.installs(&name(index), &[("editor", "1.0.0")]);
    }
    shell.installs(&name(2), &[("editor", "1.2.0")]);
    shell.wait(25);
    assert_eq!(direct(&mut shell), [""; 0], "eight of ten are not enough");
    shell.installs(&name(0), &[("editor", "1.2.0")]);
    assert_eq!(direct(&mut shell), [""; 0], "what it goes on to says nothing of this one");
    shell.installs(&name(1), &[("editor", "1.1.0")]);
    let said = direct(&mut shell);
    assert_eq!(said[0], "editor 1.1.0: Pass after canary", "{said:?}");
}
