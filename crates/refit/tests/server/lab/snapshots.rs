//! What was published within a minute moves as one, and is halted as one.

use super::{
    halts::untouched,
    rings::once_each,
    site::{Lab, release},
};
use refit_api::RolloutSaid;
use refit_core::control::Stage;
use refit_testbed::family::Family;

/// Snapshots of two packages: one release breaks, and the other goes on without it.
pub fn snapshots(lab: &mut Lab<'_>) {
    lab.report.begin(
        "A snapshot moves as one",
        "Two packages have a release 1.1; a snapshot of them is taken each minute. The script of `brush` ends with 1, `canvas` is fine. \
         Then the policy blocks `brush` 1.1, a person lets the rest of the snapshot go on, and `brush` 1.2 comes with a later one.",
    );
    for family in [Family::Apt, Family::Dnf] {
        lab.policy.snapshots(family, &["canvas", "brush"]);
    }
    lab.apply();
    lab.publish([release("canvas", "1.1", ""), release("brush", "1.1", "echo 'brush: no bristles' >&2; exit 1")]);
    lab.until("both kinds have halted the snapshot with brush 1.1", |lab| {
        let moving = moving(lab, "brush", "1.1");
        moving.len() == 2 && moving.iter().all(|(_, rollout)| rollout.stage == Stage::Halted)
    });
    lab.check_ins(4);
    let size = lab.size;
    untouched(lab, "canvas", "1.0", |_, host| size.ring(host) != 0);
    untouched(lab, "brush", "1.0", |_, host| size.ring(host) != 0);
    let halted = moving(lab, "brush", "1.1");
    for (family, rollout) in &halted {
        let told = |name: &str| rollout.releases.iter().find(|it| it.title == family.title(name)).unwrap().clone();
        let (canvas, brush) = (told("canvas"), told("brush"));
        assert!(brush.failed > 0 && brush.fine == 0 && canvas.failed == 0, "{:?}", rollout.releases);
    }
    lab.report.found("one line for each kind tells both packages, and which of them has failed");

    lab.policy.block("brush", "<1.2", "true");
    lab.apply();
    for (_, rollout) in &halted {
        let mut session = lab.session();
        session.types(&format!("refit resume '{}' {} --why 'brush is blocked'", rollout.title, rollout.version));
        assert!(!session.text.contains("exit status"), "{}", session.text);
    }
    lab.report.did("person", "lets the snapshots go on, without brush 1.1");
    lab.until_installed("canvas", "1.1", |_| true);
    once_each(lab, "canvas", "1.0", "1.1");
    // The first that fails halts its kind: another canary may not have come to it by then.
    let hosts = lab.hosts.fleet.hosts().iter().zip(lab.diary("brush"));
    let tried: Vec<_> = hosts.filter(|(_, told)| !told.is_empty()).map(|(host, _)| host).collect();
    for family in [Family::Apt, Family::Dnf] {
        assert!(tried.iter().any(|host| host.device.family() == family), "no canary of {family:?} ran its script");
    }
    for host in tried {
        assert_eq!(size.ring(host), 0, "{} is no canary and ran its script", host.name);
    }

    lab.publish([release("brush", "1.2", "")]);
    lab.until_installed("brush", "1.2", |_| true);
    lab.until("the snapshots with brush 1.2 are through all rings", |lab| {
        let moving = moving(lab, "brush", "1.2");
        moving.len() == 2 && moving.iter().all(|(_, rollout)| rollout.stage == Stage::Complete)
    });
    let moments = moving(lab, "brush", "1.1").into_iter().map(|(_, rollout)| {
        let timeline = lab.server.client.timeline(&rollout.title, None).unwrap();
        (rollout.title, timeline)
    });
    for (title, timeline) in moments.collect::<Vec<_>>() {
        lab.report.timeline(&title, &timeline);
    }
    lab.report.end();
}

/// The snapshots with which a package's release moves.
fn moving(lab: &Lab<'_>, name: &str, version: &str) -> Vec<(Family, RolloutSaid)> {
    let rollouts = lab.server.client.rollouts().unwrap();
    let moves = |family: Family, rollout: &RolloutSaid| {
        let is_it = |title: &str, at: &str| title == family.title(name) && at == family.version(version);
        rollout.releases.iter().any(|release| is_it(&release.title, &release.version))
    };
    let families = [Family::Apt, Family::Dnf].into_iter();
    families
        .flat_map(|family| {
            let ours = rollouts.iter().filter(move |rollout| moves(family, rollout));
            ours.map(move |rollout| (family, rollout.clone()))
        })
        .collect()
}
