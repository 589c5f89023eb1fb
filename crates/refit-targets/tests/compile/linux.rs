//! Files for machines of Linux without the agent.

use crate::company::{compiled, objects, repository};
use refit_targets::registry;

const SERVERS: &str = "policy: security\nsoftware: [\"os/security\"]\nwindow: overnight\ndeadline: [{ within: 14d }]\n\
                       experience: { reboot: { mode: at_due } }\npriority: 10\n---\n\
                       policy: everything else\nsoftware: [\"os/*\"]\ndeadline: [{ within: 60d }]\n---\n\
                       block: bad openssl\ntitle: deb/openssl\nreleases: \"=3.0.2-1\"\n---\n\
                       block: worse openssl\ntitle: rpm/openssl\nreleases: \">=3.0.2\"\n";

fn files(target: &str, kind: &str, documents: &str) -> String {
    let plan = compiled(&repository("", documents));
    let module = registry().iter().find(|module| module.kind() == kind).unwrap();
    let of = objects(&plan, target).values().map(|object| module.document(object));
    of.map(|document| format!("== {}\n{}", document.path, document.text)).collect()
}

#[test]
fn apt_takes_what_policies_ask_for() {
    insta::assert_snapshot!(files("debian", "apt", SERVERS));
}

#[test]
fn dnf_takes_what_policies_ask_for() {
    insta::assert_snapshot!(files("fedora", "dnf", SERVERS));
}

#[test]
fn a_freeze_that_is_on_switches_it_off() {
    let plan = compiled(&repository("freezes: [{ name: now, from: 2026-11-20, to: 2026-11-30 }]", SERVERS));
    let off = objects(&plan, "debian").values().find(|object| object.id.kind == "apt.conf").unwrap();
    assert_eq!(off.fields["APT::Periodic::Unattended-Upgrade"], "0");
    assert!(off.about.contains("freeze now until 2026-11-30"), "{}", off.about);
}

#[test]
fn disruption_groups_are_refused() {
    let group =
        SERVERS.replace("priority: 10", "priority: 10\ndisruption: { group_by: device.cluster, max_unavailable: 1 }");
    let plan = compiled(&repository("", &group));
    let refused = plan.targets.iter().flat_map(|plan| &plan.desired.refused);
    assert!(refused.into_iter().any(|it| it.from.policy == "security" && it.because.contains("Use the agent")));
}
