//! What people complain of is held against what was tried on their devices within three days before.

use super::{direct, goes_all_the_way, joined, made, receipt_of, update};
use crate::shell::Shell;
use refit_core::control::{AgentInput, ComplaintReceived, Input, ReceiptResult};
use refit_model::{DeviceId, TitleId};

const DEVICE: &str = "d000";

/// Somebody complains, of a title or of nothing in particular.
fn complains(shell: &mut Shell, title: Option<&str>) {
    let complaint = ComplaintReceived {
        device: DeviceId::new(DEVICE),
        complaint: format!("complaint {}", shell.log.len()).into(),
        at: shell.now,
        title: title.map(Into::into),
        text: "0".repeat(64).into(),
    };
    shell.tell(Input::Agents(AgentInput::Complaint(complaint)));
}

/// Of how many devices people complain with a release.
fn blamed(shell: &Shell, version: &str) -> u64 {
    let trial = shell.state.rollouts.trial(&TitleId::new("editor"), version);
    trial.map_or(0, |trial| trial.complained.len())
}

/// The canaries get one release, and so many hours later the next, an hour before now.
fn twice(hours: i64) -> Shell {
    let mut shell = made(30, 3, joined);
    for version in ["1.1.0", "1.2.0"] {
        shell.release("editor", version);
        direct(&mut shell);
        assert_eq!(update(&mut shell, version), 3);
        shell.wait(if version == "1.1.0" { hours } else { 1 });
    }
    shell
}

#[test]
fn a_report_is_held_against_every_release_of_the_last_three_days() {
    let mut shell = twice(48);
    complains(&mut shell, None);
    assert_eq!((blamed(&shell, "1.1.0"), blamed(&shell, "1.2.0")), (1, 1));
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
    let mut shell = twice(48);
    complains(&mut shell, Some("editor"));
    assert_eq!((blamed(&shell, "1.1.0"), blamed(&shell, "1.2.0")), (1, 1));
    let mut shell = twice(48);
    complains(&mut shell, Some("browser"));
    assert_eq!((blamed(&shell, "1.1.0"), blamed(&shell, "1.2.0")), (0, 0));
}

#[test]
fn three_days_are_three_days() {
    // An hour passes after the second.
    let mut shell = twice(71);
    complains(&mut shell, None);
    assert_eq!((blamed(&shell, "1.1.0"), blamed(&shell, "1.2.0")), (1, 1));
    let mut shell = twice(72);
    complains(&mut shell, None);
    assert_eq!((blamed(&shell, "1.1.0"), blamed(&shell, "1.2.0")), (0, 1));
    let device = shell.state.device(&DeviceId::new(DEVICE)).unwrap();
    assert_eq!(device.tried.len(), 1);
    // What is too old to be complained of is not kept.
    let mut shell = twice(73);
    complains(&mut shell, None);
    assert!(shell.state.device(&DeviceId::new(DEVICE)).unwrap().tried.is_empty());
}

#[test]
fn a_change_that_failed_is_blamed_for_what_was_tried() {
    let mut shell = made(30, 3, joined);
    goes_all_the_way(&mut shell, "1.1.0");
    shell.release("editor", "1.2.0");
    direct(&mut shell);
    // It fails, and the device has what it had, an hour ago.
    receipt_of(&mut shell, DEVICE, Some("1.2.0"), ReceiptResult::Failed, "1.1.0", "1.1.0");
    shell.wait(1);
    complains(&mut shell, None);
    assert_eq!((blamed(&shell, "1.1.0"), blamed(&shell, "1.2.0")), (0, 1));
    // It is tried again and succeeds: both were the same release.
    receipt_of(&mut shell, DEVICE, Some("1.2.0"), ReceiptResult::Succeeded, "1.1.0", "1.2.0");
    complains(&mut shell, None);
    assert_eq!((blamed(&shell, "1.1.0"), blamed(&shell, "1.2.0")), (0, 1));
}

#[test]
fn who_can_not_say_what_was_tried_is_held_against_nothing_that_was_there_before() {
    let mut shell = made(30, 3, joined);
    goes_all_the_way(&mut shell, "1.1.0");
    receipt_of(&mut shell, DEVICE, None, ReceiptResult::Failed, "1.1.0", "1.1.0");
    complains(&mut shell, None);
    assert_eq!(blamed(&shell, "1.1.0"), 0);
}
