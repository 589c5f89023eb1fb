//! What rollouts let go between the making of a plan and the last decision under it.

use super::{POLICY, direct, fleet, given, heard, update};
use crate::shell::Shell;
use refit_core::control::{Actor, Director, Event, HeldBy, Input, MoveCause};
use refit_model::TitleId;

/// The canaries have a release and are well; the next ring may open as soon as somebody looks.
fn soaked() -> Shell {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    shell.wait(24);
    heard(&mut shell, &[]);
    shell.settle();
    shell
}

/// The next ring opens, and nobody has been decided since.
fn opens(shell: &mut Shell) {
    let opened = (0..2).any(|_| {
        let inputs = Director.look(&shell.state, &shell.board, shell.now).inputs;
        inputs.into_iter().flat_map(|input| shell.tell(input)).any(|event| matches!(event, Event::RingOpened(_)))
    });
    assert!(opened);
}

#[test]
fn a_ring_that_opens_between_plan_and_apply_moves_its_devices() {
    let mut shell = soaked();
    let changed = POLICY.replace("within: 14d", "within: 7d");
    let (plan, shown) = shell.plan_as(&Actor::server(), &changed);
    assert_eq!(shown.summary.moved, 0);
    shell.now += jiff::SignedDuration::from_secs(1);
    opens(&mut shell);
    shell.tell(Input::Apply { plan, envelope: Vec::new() });
    let events = shell.settle();
    assert!(!given(&shell, "1.1.0").is_empty());
    assert!(shell.state.held_devices(HeldBy::Envelope).is_empty());
    let causes = events.iter().filter_map(|event| match event {
        Event::MovesPublished(moves) => Some(moves.spent.keys().copied()),
        _ => None,
    });
    assert_eq!(causes.flatten().collect::<Vec<_>>(), [MoveCause::World], "it spends budgets as a move of the world");
}

#[test]
fn what_a_ring_had_let_go_when_the_plan_was_made_has_to_be_in_it() {
    let mut shell = soaked();
    opens(&mut shell);
    shell.now += jiff::SignedDuration::from_secs(1);
    let changed = POLICY.replace("within: 14d", "within: 7d");
    let (plan, shown) = shell.plan_as(&Actor::server(), &changed);
    assert!(shown.summary.moved > 0);
    shell.tell(Input::Apply { plan, envelope: Vec::new() });
    shell.settle();
    assert_eq!(given(&shell, "1.1.0"), [""; 0]);
    assert_eq!(shell.state.held_devices(HeldBy::Envelope).len(), shown.summary.moved);
}

#[test]
fn a_halt_that_ends_between_plan_and_apply_moves_its_devices() {
    let mut shell = soaked();
    opens(&mut shell);
    shell.settle();
    let title = TitleId::new("editor");
    let (version, why) = ("1.1.0".into(), "a look at it first".into());
    shell.tell(Input::HaltRelease { title: title.clone(), version, platform: None, why });
    shell.settle();
    let changed = POLICY.replace("within: 14d", "within: 7d");
    let (plan, shown) = shell.plan_as(&Actor::server(), &changed);
    assert_eq!(shown.summary.moved, 0);
    shell.now += jiff::SignedDuration::from_secs(1);
    let why = "it was the disk".into();
    shell.tell(Input::ResumeRelease { title, version: "1.1.0".into(), platform: None, why });
    shell.tell(Input::Apply { plan, envelope: Vec::new() });
    shell.settle();
    assert!(!given(&shell, "1.1.0").is_empty());
    assert!(shell.state.held_devices(HeldBy::Envelope).is_empty());
}
