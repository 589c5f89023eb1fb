//! Which releases a later one has taken over from, and about which people have to say nothing any more.

use super::{POLICY, direct, fleet, goes_all_the_way};
use crate::shell::Shell;
use refit_core::control::{Input, ReleaseEntry, RolloutRecord, Stage, Status};
use refit_model::{BranchName, TitleId};

const RINGS: [&str; 3] = ["canary", "early", "rest"];

fn editor() -> TitleId {
    TitleId::new("editor")
}

/// Somebody opens rings of a release, from the first on.
fn opens(shell: &mut Shell, version: &str, platform: &str, rings: &[&str]) {
    for ring in rings {
        shell.tell(Input::OpenRing {
            title: editor(),
            version: version.into(),
            rollout: "standard".into(),
            ring: (*ring).into(),
            platform: Some(platform.into()),
            members: None,
            releases: Vec::new(),
        });
    }
}

fn released(shell: &mut Shell, version: &str, branch: &str) {
    let release = ReleaseEntry {
        title: editor(),
        branch: Some(BranchName::new(branch)),
        version: version.into(),
        published: shell.now,
        security: false,
        withheld: false,
    };
    shell.tell(Input::Releases { source: "vendor".into(), releases: vec![release] });
}

fn record<'s>(shell: &'s Shell, title: &TitleId, version: &str) -> &'s RolloutRecord {
    shell.state.rollouts.of(title).iter().find(|record| record.version == version).unwrap()
}

fn is_succeeded(shell: &Shell, version: &str) -> bool {
    shell.state.is_succeeded(&editor(), record(shell, &editor(), version))
}

fn halts(shell: &mut Shell, version: &str) {
    let (title, version) = (editor(), version.into());
    shell.tell(Input::HaltRelease { title, version, platform: None, why: "it looks odd".into() });
}

#[test]
fn what_is_greater_and_has_gone_all_the_way_takes_over() {
    let mut shell = fleet(12, 3);
    // The greater one begins first: it is its version that makes it the later one.
    opens(&mut shell, "1.2.0", "linux", &RINGS[..1]);
    opens(&mut shell, "1.1.0", "linux", &RINGS);
    assert!(!is_succeeded(&shell, "1.2.0") && !is_succeeded(&shell, "1.1.0"));
    opens(&mut shell, "1.2.0", "linux", &RINGS[..2]);
    assert!(!is_succeeded(&shell, "1.1.0"), "it is on its way");
    opens(&mut shell, "1.2.0", "linux", &RINGS);
    assert!(is_succeeded(&shell, "1.1.0") && !is_succeeded(&shell, "1.2.0"));
    // By the rings that the policy has now.
    shell.apply(&POLICY.replace("name: rest", "name: all"));
    assert!(!is_succeeded(&shell, "1.1.0"));
    shell.apply(POLICY);
    halts(&mut shell, "1.2.0");
    assert!(!is_succeeded(&shell, "1.1.0"), "what is halted takes nobody's place");
}

#[test]
fn what_went_all_the_way_on_another_platform_or_in_another_branch_takes_nobodys_place() {
    let mut shell = fleet(12, 3);
    opens(&mut shell, "1.1.0", "linux", &RINGS[..1]);
    opens(&mut shell, "1.2.0", "macos", &RINGS);
    assert!(!is_succeeded(&shell, "1.1.0"));

    for (version, branch) in [("14.7.1", "14"), ("14.7.2", "14"), ("15.1.0", "15")] {
        released(&mut shell, version, branch);
    }
    opens(&mut shell, "14.7.1", "linux", &RINGS[..1]);
    opens(&mut shell, "15.1.0", "linux", &RINGS);
    assert!(!is_succeeded(&shell, "14.7.1"));
    // Of which branch it is nobody says, so it is in none of them.
    assert!(!is_succeeded(&shell, "1.1.0"));
    opens(&mut shell, "14.7.2", "linux", &RINGS);
    assert!(is_succeeded(&shell, "14.7.1") && !is_succeeded(&shell, "14.7.2"));
    // A release may be in two branches.
    released(&mut shell, "14.7.2", "15");
    assert!(is_succeeded(&shell, "14.7.2"));
}

#[test]
fn snapshots_are_later_by_their_date() {
    let mut shell = super::snapshots::fleet(8, 2);
    let title = TitleId::new("snapshot/linux");
    let mut opens = |version: &str, rings: &[&str]| {
        for ring in rings {
            shell.tell(Input::OpenRing {
                title: title.clone(),
                version: version.into(),
                rollout: "standard".into(),
                ring: (*ring).into(),
                platform: Some("linux".into()),
                members: None,
                releases: vec![(TitleId::new("deb/openssl"), version.replace("2026-11-", "2-").into())],
            });
        }
    };
    opens("2026-11-16", &["canary", "rest"]);
    opens("2026-11-09", &["canary"]);
    opens("2026-11-23", &["canary"]);
    let is_succeeded = |version: &str| shell.state.is_succeeded(&title, record(&shell, &title, version));
    assert!(is_succeeded("2026-11-09"));
    assert!(!is_succeeded("2026-11-16") && !is_succeeded("2026-11-23"));
}

/// How 1.1.0 stands, about how much of it people are asked, and about how many releases.
fn stands(shell: &Shell) -> (Stage, usize, usize) {
    let status = Status::of(&shell.state, &editor(), record(shell, &editor(), "1.1.0"), shell.now).unwrap();
    (status.course.stage(), status.asks.len(), shell.state.waiting_for_people())
}

/// 1.1.0 asks a person; everybody gets 1.2.0 meanwhile.
#[test]
fn nobody_has_to_say_anything_about_what_nobody_waits_for_any_more() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(7 * 24);
    direct(&mut shell);
    assert_eq!(stands(&shell), (Stage::Asks, 1, 1));
    goes_all_the_way(&mut shell, "1.2.0");
    assert_eq!(stands(&shell), (Stage::UnderWay, 0, 0));
    assert_eq!(shell.state.rollouts.questions(&editor()).len(), 1, "what was asked was asked");
    assert_eq!(direct(&mut shell), [""; 0], "and nobody is asked again");
    // Where it turns out to be bad, the one before is what is left.
    halts(&mut shell, "1.2.0");
    assert_eq!(stands(&shell), (Stage::Asks, 1, 1));
}

/// What the policy no longer has needs no answer, nor does what has come to its last ring by another policy.
#[test]
fn nobody_has_to_say_anything_about_a_gate_that_stands_before_nothing() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(7 * 24);
    direct(&mut shell);
    assert_eq!(stands(&shell), (Stage::Asks, 1, 1));
    let rings = POLICY.find("      - { name: canary").unwrap()..POLICY.find("gates:").unwrap();
    let mut canaries = POLICY.to_owned();
    canaries.replace_range(rings, "      - { name: canary }\n");
    shell.apply(&canaries);
    assert_eq!(stands(&shell), (Stage::Complete, 0, 0));
    shell.apply(&POLICY.replace("rollout: standard\n", "").replace("  standard:\n", "  other:\n"));
    assert_eq!(stands(&shell), (Stage::Gone, 0, 0));
    shell.apply(POLICY);
    assert_eq!(stands(&shell), (Stage::Asks, 1, 1));
}
