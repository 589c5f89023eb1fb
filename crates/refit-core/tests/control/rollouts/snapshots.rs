//! Dated snapshots: what was published since the last one moves through the rings as one.

use super::{direct, name, receipt_for};
use crate::shell::Shell;
use refit_core::{
    control::{Actor, Input, ReceiptResult, Refusal, Wanted},
    policy::document::test::GateAnswer,
    rollout::snapshot_title,
};
use refit_model::TitleId;

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: '\"canary\" in device.tags', soak: 1d }
      - { name: rest }
  fast: { gate: default, rings: [{ name: rest }] }
gates:
  default: { failure_rate: 2%, confidence: 95%, enough: 90% }
---
policy: linux
software: [deb/openssl, deb/curl, deb/bash]
rollout: { use: standard, every: 7d }
deadline:
  - { if: exposure.kev, within: 2d, rollout: fast }
  - { within: 30d }
";

/// On a Monday at noon: the next snapshot is taken in six and a half days.
pub fn fleet(count: usize, canaries: usize) -> Shell {
    let mut shell = Shell::new("2026-11-02T12:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    for index in 0..count {
        let id = name(index);
        shell.enrol(&id);
        shell.installs(&id, &[("deb/openssl", "1-1"), ("deb/curl", "1-1"), ("deb/bash", "1-1")]);
        shell.tags(&id, if index < canaries { &["canary"] } else { &[] });
    }
    shell.apply(POLICY);
    shell.settle();
    shell
}

/// What the devices of these indexes are given is carried out, and fails where that is said.
fn update(shell: &mut Shell, devices: impl IntoIterator<Item = usize>, fails: Option<&str>) -> usize {
    let mut done = 0;
    for device in devices.into_iter().map(name) {
        let record = shell.state.managed().find(|record| record.id.as_str() == device).unwrap();
        let mut installs: Vec<(String, String)> =
            record.installs.iter().map(|(slot, it)| (slot.title.to_string(), it.version.to_string())).collect();
        let given = record.published.values().filter_map(|published| match &published.key.admitted {
            Wanted::Release(version) => Some((published.key.slot.title.to_string(), version.to_string())),
            _ => None,
        });
        for (title, version) in given.collect::<Vec<_>>() {
            let installed = installs.iter_mut().find(|(known, _)| *known == title).unwrap();
            let before = installed.1.clone();
            if fails == Some(&title) {
                receipt_for(shell, &device, &title, Some(&version), ReceiptResult::Failed, &before, &before);
            } else {
                installed.1.clone_from(&version);
                receipt_for(shell, &device, &title, Some(&version), ReceiptResult::Succeeded, &before, &version);
            }
            done += 1;
        }
        let installs: Vec<(&str, &str)> = installs.iter().map(|(title, at)| (title.as_str(), at.as_str())).collect();
        shell.installs(&device, &installs);
    }
    done
}

fn given(shell: &Shell) -> usize {
    let admitted = shell.state.managed().flat_map(|device| {
        let published = device.published.values();
        published.filter(|published| matches!(published.key.admitted, Wanted::Release(_)))
    });
    admitted.count()
}

#[test]
fn what_was_published_since_the_last_one_moves_as_one() {
    let mut shell = fleet(12, 3);
    shell.release("deb/openssl", "2-1");
    assert_eq!(direct(&mut shell), [""; 0], "the snapshot has not been taken");
    shell.wait(48);
    shell.release("deb/curl", "2-1");
    assert_eq!(direct(&mut shell), [""; 0]);
    assert_eq!(given(&shell), 0);
    shell.wait(5 * 24);
    assert_eq!(direct(&mut shell), ["snapshot/linux 2026-11-09: canary opens with 3"]);
    assert_eq!(given(&shell), 6, "both, on the three canaries");
    // What comes now moves with the next.
    shell.release("deb/bash", "2-1");
    shell.wait(1);
    assert_eq!(update(&mut shell, 0..3, None), 6);
    shell.wait(25);
    assert_eq!(
        direct(&mut shell),
        ["snapshot/linux 2026-11-09: Pass after canary", "snapshot/linux 2026-11-09: rest opens with 9"]
    );
    assert_eq!(update(&mut shell, 3..12, None), 18);
    shell.wait(6 * 24);
    assert_eq!(direct(&mut shell), ["snapshot/linux 2026-11-16: canary opens with 3"]);
    assert_eq!(given(&shell), 3);
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

#[test]
fn one_release_that_fails_halts_its_snapshot_and_a_person_lets_the_others_go_on() {
    let mut shell = fleet(60, 20);
    shell.release("deb/openssl", "2-1");
    shell.release("deb/curl", "2-1");
    shell.wait(7 * 24);
    direct(&mut shell);
    assert_eq!(given(&shell), 40);
    shell.wait(1);
    update(&mut shell, 0..20, Some("deb/curl"));
    assert_eq!(direct(&mut shell), ["snapshot/linux 2026-11-09: Halt after canary"]);
    assert_eq!(given(&shell), 0, "also what did not fail");
    shell.wait(30);
    assert_eq!(direct(&mut shell), [""; 0]);
    // The policy blocks what failed, and the rest of the snapshot is let go on.
    shell.apply(&format!("{POLICY}---\nblock: curl\ntitle: deb/curl\nreleases: '=2-1'\nwhy: it breaks\n"));
    let resume = Input::ResumeRelease {
        title: snapshot_title("linux"),
        version: "2026-11-09".into(),
        platform: None,
        why: "curl is blocked".into(),
    };
    shell.tell(resume);
    let said = direct(&mut shell);
    assert_eq!(said[..1], ["snapshot/linux 2026-11-09: Pass after canary".to_owned()], "{said:?}");
    assert_eq!(given(&shell), 40, "openssl alone, for the others");
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

#[test]
fn what_was_not_there_when_a_snapshot_began_goes_with_the_next() {
    let mut shell = fleet(12, 3);
    shell.release("deb/openssl", "2-1");
    let published = shell.now;
    shell.wait(7 * 24);
    direct(&mut shell);
    // A feed that comes late: published long before the snapshot was taken, and known now.
    let now = std::mem::replace(&mut shell.now, published);
    let late = refit_core::control::ReleaseEntry {
        title: TitleId::new("deb/curl"),
        branch: None,
        version: "2-1".into(),
        published,
        security: false,
        withheld: false,
    };
    shell.now = now;
    shell.tell(Input::Releases { source: "vendor".into(), releases: vec![late] });
    assert_eq!(direct(&mut shell), [""; 0]);
    assert_eq!(given(&shell), 3, "nobody has tried it with this one");
    shell.wait(7 * 24);
    let said = direct(&mut shell);
    assert!(said.contains(&"snapshot/linux 2026-11-16: canary opens with 3".to_owned()), "{said:?}");
}

#[test]
fn a_person_halts_and_expedites_the_snapshot_and_is_told_so_where_it_is_one_release_that_is_named() {
    let mut shell = fleet(12, 3);
    shell.release("deb/openssl", "2-1");
    shell.wait(7 * 24);
    direct(&mut shell);
    let (openssl, snapshot) = (TitleId::new("deb/openssl"), snapshot_title("linux"));
    let expedite = |title: &TitleId, version: &str| Input::ExpediteRelease {
        title: title.clone(),
        version: version.into(),
        platform: None,
        why: "it burns".into(),
    };
    let refused = shell.try_as(&Actor::server(), expedite(&openssl, "2-1"));
    let Err(Refusal::Conflict(why)) = refused else { panic!("{refused:?}") };
    assert!(why.starts_with("deb/openssl 2-1 moves with `snapshot/linux` 2026-11-09: expedite that"), "{why}");
    shell.tell(expedite(&snapshot, "2026-11-09"));
    assert_eq!(direct(&mut shell), ["snapshot/linux 2026-11-09: rest opens with 9"]);
    assert_eq!(given(&shell), 12);
    let halt = Input::HaltRelease {
        title: snapshot.clone(),
        version: "2026-11-09".into(),
        platform: None,
        why: "stop".into(),
    };
    shell.tell(halt);
    shell.settle();
    assert_eq!(given(&shell), 0);
    let answers = shell.state.rollouts.halts_of(&openssl, "2-1").map(|(title, gate)| (title, gate.answer));
    assert_eq!(answers.collect::<Vec<_>>(), [(snapshot, GateAnswer::Halt)]);
    // Nor does it begin by itself then, whoever opens a ring for it.
    let open = Input::OpenRing {
        releases: Vec::new(),
        title: openssl,
        version: "2-1".into(),
        rollout: "standard".into(),
        ring: "canary".into(),
        platform: None,
        members: None,
    };
    let refused = shell.try_as(&Actor::server(), open);
    let Err(Refusal::Conflict(why)) = refused else { panic!("{refused:?}") };
    let expected = "deb/openssl 2-1 is halted with `snapshot/linux` 2026-11-09 since ";
    assert!(
        why.starts_with(expected)
            && why.ends_with(": `refit resume snapshot/linux 2026-11-09 --why TEXT` lets that go on"),
        "{why}"
    );
}

#[test]
fn a_release_that_waits_for_its_snapshot_is_not_expedited_in_vain() {
    let mut shell = fleet(12, 3);
    shell.release("deb/openssl", "2-1");
    assert_eq!(direct(&mut shell), [""; 0]);
    let openssl = TitleId::new("deb/openssl");
    let expedite = |platform: Option<&str>| Input::ExpediteRelease {
        title: openssl.clone(),
        version: "2-1".into(),
        platform: platform.map(Into::into),
        why: "it burns".into(),
    };
    for platform in [None, Some("linux")] {
        let Err(Refusal::Conflict(why)) = shell.try_as(&Actor::server(), expedite(platform)) else { panic!() };
        assert!(
            why.starts_with("deb/openssl 2-1 moves with the next snapshot of `linux`, which has not begun: "),
            "{why}"
        );
        assert!(why.contains("name a rollout in an entry of the policy's `deadline`"), "{why}");
    }
    let pass = Input::AnswerGate {
        title: openssl.clone(),
        version: "2-1".into(),
        rollout: None,
        after: "canary".into(),
        platform: None,
        answer: Some(GateAnswer::Pass),
        until: None,
        why: Some("somebody looked".into()),
        found: None,
    };
    let Err(Refusal::Conflict(why)) = shell.try_as(&Actor::server(), pass) else { panic!() };
    assert!(why.ends_with("which has not begun: answer for that"), "{why}");
    // Where the policy takes none, it moves by itself.
    shell.apply(&POLICY.replace("rollout: { use: standard, every: 7d }", "rollout: standard"));
    shell.settle();
    assert_eq!(shell.tell(expedite(None)).len(), 1);
    let said = direct(&mut shell);
    assert!(said.contains(&"deb/openssl 2-1: rest opens with 9".to_owned()), "{said:?}");
}

#[test]
fn what_goes_on_with_its_snapshot_is_told_so_where_it_is_one_release_that_is_named() {
    let mut shell = fleet(12, 3);
    shell.release("deb/openssl", "2-1");
    shell.wait(7 * 24);
    direct(&mut shell);
    shell.tell(Input::HaltRelease {
        title: snapshot_title("linux"),
        version: "2026-11-09".into(),
        platform: None,
        why: "stop".into(),
    });
    let resume = Input::ResumeRelease {
        title: TitleId::new("deb/openssl"),
        version: "2-1".into(),
        platform: Some("linux".into()),
        why: "it is fine".into(),
    };
    let Err(Refusal::Conflict(why)) = shell.try_as(&Actor::server(), resume) else { panic!() };
    assert!(why.starts_with("deb/openssl 2-1 is halted with `snapshot/linux` 2026-11-09 since "), "{why}");
    assert!(why.ends_with("`refit resume snapshot/linux 2026-11-09 --why TEXT` lets that go on"), "{why}");
}

#[test]
fn what_a_halted_snapshot_took_away_stays_away_when_the_policy_takes_snapshots_no_more() {
    let mut shell = fleet(60, 20);
    shell.release("deb/openssl", "2-1");
    shell.release("deb/curl", "2-1");
    shell.wait(7 * 24);
    direct(&mut shell);
    update(&mut shell, 0..20, Some("deb/curl"));
    assert_eq!(direct(&mut shell), ["snapshot/linux 2026-11-09: Halt after canary"]);
    shell.apply(&POLICY.replace("rollout: { use: standard, every: 7d }", "rollout: standard"));
    assert_eq!(direct(&mut shell), [""; 0]);
    assert_eq!(given(&shell), 0, "neither of them moves by itself");
    shell.release("deb/openssl", "2-2");
    assert_eq!(direct(&mut shell), ["deb/openssl 2-2: canary opens with 20"]);
    assert_eq!(given(&shell), 20);
}
