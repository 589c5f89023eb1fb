//! Files for machines of Linux without the agent.

use crate::company::{cohorts, compiled, device, now, objects, repository};
use refit_model::Scheme;
use refit_targets::{Compiled, Offered, compile, registry};
use std::collections::BTreeMap;

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

/// What becomes of documents on one machine with these packages.
fn on_a_machine(documents: &str, os: &str, installs: &[(Scheme, &str, &str, Option<&str>)]) -> Compiled {
    let facts = [("device.platform", "linux"), ("device.os", os), ("device.kind", "server"), ("device.tags", "rest")];
    let repository = repository("", documents);
    let cohorts = cohorts(&repository, &[device("one", "UTC", &facts, installs)], Some("rest"), now());
    compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new())
}

const OPENSSL: (Scheme, &str, &str, Option<&str>) = (Scheme::Dpkg, "deb/openssl", "3.0.1-1", None);
const CURL: (Scheme, &str, &str, Option<&str>) = (Scheme::Dpkg, "deb/curl", "8.0-1", None);

#[test]
fn a_policy_that_only_notifies_does_not_switch_off_what_another_enforces() {
    let documents = SERVERS.replace("policy: everything else\n", "policy: everything else\nmode: notify\n");
    let plan = on_a_machine(&documents, "debian", &[OPENSSL, CURL]);
    let files: Vec<_> = objects(&plan, "debian").values().filter(|object| object.id.kind == "apt.conf").collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    assert_eq!(file.fields["APT::Periodic::Unattended-Upgrade"], "1");
    assert_eq!(file.fields["Unattended-Upgrade::Origins-Pattern"].as_array().unwrap().len(), 1, "security alone");
    // Where it is the only one, it is off.
    let documents = SERVERS
        .replace("priority: 10", "priority: 10\nmode: notify")
        .replace("policy: everything else\n", "policy: everything else\nmode: notify\n");
    let plan = on_a_machine(&documents, "debian", &[OPENSSL, CURL]);
    let file = objects(&plan, "debian").values().find(|object| object.id.kind == "apt.conf").unwrap();
    assert_eq!(file.fields["APT::Periodic::Unattended-Upgrade"], "0");
}

#[test]
fn packages_of_another_manager_come_to_nothing_and_not_to_everything() {
    let policy = "policy: p\nsoftware: [rpm/openssl]\ndeadline: [{ within: 14d }]\n";
    let plan = on_a_machine(policy, "debian", &[(Scheme::Rpm, "rpm/openssl", "3.0.1-1", None)]);
    assert!(objects(&plan, "debian").is_empty());
}

#[test]
fn security_on_ubuntu_is_extended_maintenance_too() {
    let plan = on_a_machine(SERVERS, "ubuntu", &[OPENSSL]);
    let file = objects(&plan, "debian").values().find(|object| object.id.kind == "apt.conf").unwrap();
    let origins = file.fields["Unattended-Upgrade::Origins-Pattern"].to_string();
    for archive in ["-security\"", "-apps-security", "-infra-security"] {
        assert!(origins.contains(archive), "{origins}");
    }
    assert!(!origins.contains("-updates"), "{origins}");
}

#[test]
fn what_is_named_besides_the_security_archive_is_told() {
    let documents = "policy: security\nsoftware: [\"os/security\"]\ndeadline: [{ within: 14d }]\npriority: 10\n---\n\
                     policy: curl\nsoftware: [deb/curl]\ndeadline: [{ within: 14d }]\n";
    let plan = on_a_machine(documents, "debian", &[OPENSSL, CURL]);
    let notes = &plan.targets.iter().find(|plan| plan.name == "debian").unwrap().desired.notes;
    assert!(notes.iter().any(|note| note.contains("curl comes from there or not at all")), "{notes:?}");
}

#[test]
fn a_block_that_has_ended_keeps_nothing_back() {
    let until = |day: &str| SERVERS.replace("releases: \"=3.0.2-1\"", &format!("releases: \"=3.0.2-1\"\nuntil: {day}"));
    let pinned = |documents: &str| {
        let plan = on_a_machine(documents, "debian", &[OPENSSL]);
        objects(&plan, "debian").values().any(|object| object.id.kind == "apt preferences")
    };
    assert!(pinned(&until("2026-11-23")));
    assert!(!pinned(&until("2026-11-20")));
}

#[test]
fn what_a_list_of_packages_leaves_out_is_told() {
    let plan = on_a_machine("policy: p\nsoftware: [deb/openssl]\ndeadline: [{ within: 14d }]\n", "debian", &[OPENSSL]);
    let desired = &plan.targets.iter().find(|plan| plan.name == "debian").unwrap().desired;
    let file = desired.objects.values().find(|object| object.id.kind == "apt.conf").unwrap();
    assert_eq!(file.fields["Unattended-Upgrade::Package-Whitelist"], serde_json::json!(["^openssl$"]));
    assert!(desired.notes.iter().any(|note| note.contains("security updates neither")), "{:?}", desired.notes);
}
