//! Files for machines of Linux without the agent.

use crate::company::{cohorts, compiled, device, now, objects, repository};
use refit_model::Scheme;
use refit_targets::{Compiled, Intent, Object, Offered, compile, registry};
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

/// What is lost of policies of which nothing is written for a target, by policy.
fn lost<'c>(plan: &'c Compiled, target: &str) -> Vec<(&'c str, &'c str)> {
    let desired = &plan.targets.iter().find(|plan| plan.name == target).unwrap().desired;
    desired.lost.iter().map(|lost| (lost.from.policy.as_str(), lost.loss.intent.key())).collect()
}

/// Why what is refused for a target, by policy.
fn refused<'c>(plan: &'c Compiled, target: &str) -> Vec<(&'c str, &'c str, &'c str)> {
    let desired = &plan.targets.iter().find(|plan| plan.name == target).unwrap().desired;
    let of = |it: &'c refit_targets::Refusal| (it.from.policy.as_str(), it.said.as_str(), it.because.as_str());
    desired.refused.iter().map(of).collect()
}

/// The one file of a kind.
fn only<'c>(plan: &'c Compiled, target: &str, kind: &str) -> &'c Object {
    let files: Vec<_> = objects(plan, target).values().filter(|object| object.id.kind == kind).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    file
}

#[test]
fn a_policy_that_only_notifies_does_not_switch_off_what_another_enforces() {
    let documents = SERVERS.replace("policy: everything else\n", "policy: everything else\nmode: notify\n");
    let plan = on_a_machine(&documents, "debian", &[OPENSSL, CURL]);
    let file = only(&plan, "debian", "apt.conf");
    assert_eq!(file.fields["APT::Periodic::Unattended-Upgrade"], "1");
    assert_eq!(file.fields["Unattended-Upgrade::Origins-Pattern"].as_array().unwrap().len(), 1, "security alone");
    assert_eq!(lost(&plan, "debian"), [("everything else", "mode: notify")]);
}

#[test]
fn where_policies_only_notify_nothing_is_written_and_that_is_told() {
    let documents = SERVERS
        .replace("priority: 10", "priority: 10\nmode: notify")
        .replace("policy: everything else\n", "policy: everything else\nmode: notify\n");
    let curl = (Scheme::Rpm, "rpm/curl", "8.0-1", None);
    for (target, os, installs) in [
        ("debian", "debian", [OPENSSL, CURL]),
        ("fedora", "fedora", [(Scheme::Rpm, "rpm/openssl", "3.0.1-1", None), curl]),
    ] {
        let plan = on_a_machine(&documents, os, &installs);
        assert!(objects(&plan, target).is_empty(), "what the machine does by itself goes on");
        assert_eq!(lost(&plan, target), [("everything else", "mode: notify"), ("security", "mode: notify")]);
        let text = refit_targets::render::render(&plan, false);
        let told = "mode: notify: Nothing is written: what the machine does by itself goes on, and nobody is told anything. \
                    [patch.yaml:9, patch.yaml:1]";
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn a_window_that_no_timer_can_say_is_refused_and_nothing_runs_outside_it() {
    let documents = SERVERS.replace("window: overnight", "window: monthly");
    let plan = compiled(&repository("", &documents));
    for target in ["debian", "fedora"] {
        let refused = refused(&plan, target);
        let [("security", said, because)] = refused[..] else { panic!("{refused:?}") };
        assert_eq!(said, "window: monthly (FREQ=MONTHLY;BYDAY=2TU;BYHOUR=2)");
        assert!(
            because.contains("no timer of systemd can say it") && because.contains("or use the agent"),
            "{because}"
        );
        assert!(objects(&plan, target).values().all(|object| object.from.iter().all(|it| it.policy != "security")));
    }
}

#[test]
fn of_two_windows_on_one_machine_the_second_is_refused() {
    let documents = SERVERS.replace("policy: everything else\n", "policy: everything else\nwindow: weekly\n");
    let plan = on_a_machine(&documents, "debian", &[OPENSSL, CURL]);
    let refused = refused(&plan, "debian");
    let [("everything else", "window: weekly (FREQ=WEEKLY;BYDAY=SU;BYHOUR=2)", because)] = refused[..] else {
        panic!("{refused:?}")
    };
    assert!(because.contains("security has it in window overnight"), "{because}");
    let file = only(&plan, "debian", "apt.conf");
    assert_eq!(file.fields["Unattended-Upgrade::Origins-Pattern"].as_array().unwrap().len(), 1, "security alone");
}

#[test]
fn who_may_be_changed_at_any_time_is_changed_in_the_window_of_another_policy() {
    let documents = SERVERS
        .replace("window: overnight\n", "")
        .replace("policy: everything else\n", "policy: everything else\nwindow: overnight\n");
    let plan = on_a_machine(&documents, "debian", &[OPENSSL, CURL]);
    assert!(refused(&plan, "debian").is_empty());
    assert_eq!(only(&plan, "debian", "timer drop-in").fields["OnCalendar"], "*-*-* 19:00:00");
}

#[test]
fn windows_wait_on_servers_and_yield_on_the_machines_of_people() {
    let said = |kind: &str, window: &str| {
        let facts =
            [("device.platform", "linux"), ("device.os", "debian"), ("device.kind", kind), ("device.tags", "rest")];
        let repository = repository("", &SERVERS.replace("window: overnight", window));
        let machine = device("one", "UTC", &facts, &[OPENSSL]);
        let cohorts = cohorts(&repository, &[machine], Some("rest"), now());
        let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
        let losses = &only(&plan, "debian", "apt.conf").losses;
        let yields = losses.iter().find(|loss| loss.intent == Intent::WindowYields);
        yields.map(|loss| loss.said.clone())
    };
    assert_eq!(said("server", "window: overnight"), None);
    let by_default = "window: overnight, after_due: run, by default here";
    assert_eq!(said("laptop", "window: overnight").as_deref(), Some(by_default));
    let run = "window: { use: overnight, after_due: run }";
    assert_eq!(said("server", run).as_deref(), Some("window: overnight, after_due: run"));
}

#[test]
fn the_window_and_restart_of_an_exception_are_those_of_the_machine() {
    let with = |exception: &str| {
        let documents = format!("{SERVERS}---\nexception: shop\n{exception}\nuntil: 2026-12-31\n");
        compiled(&repository("", &documents))
    };
    let plan = with("software: [\"os/*\"]\nwindow: weekly\nrestart: never");
    assert_eq!(only(&plan, "debian", "timer drop-in").fields["OnCalendar"], "Sun *-*-* 02:00:00");
    let file = only(&plan, "debian", "apt.conf");
    assert_eq!(file.fields["Unattended-Upgrade::Automatic-Reboot"], "false");
    assert!(
        file.about.contains("security (window of exception shop, restart: never by an exception)"),
        "{}",
        file.about
    );
    let lost: Vec<Intent> = file.losses.iter().map(|loss| loss.intent).collect();
    assert!(lost.contains(&Intent::ExceptionWindow) && lost.contains(&Intent::ExceptionRestart), "{lost:?}");
}

#[test]
fn an_exception_that_is_over_changes_nothing() {
    let until = |day: &str| {
        let documents = format!("{SERVERS}---\nexception: shop\nsoftware: [\"os/*\"]\nrestart: never\nuntil: {day}\n");
        let plan = on_a_machine(&documents, "debian", &[OPENSSL]);
        only(&plan, "debian", "apt.conf").fields["Unattended-Upgrade::Automatic-Reboot"].clone()
    };
    assert_eq!([until("2026-11-23"), until("2026-11-22")], ["false", "true"]);
}

#[test]
fn a_window_for_some_packages_of_a_machine_is_refused() {
    let with =
        |terms: &str| format!("{SERVERS}---\nexception: shop\nsoftware: [deb/openssl]\n{terms}\nuntil: 2026-12-31\n");
    let plan = on_a_machine(&with("window: weekly"), "debian", &[OPENSSL, CURL]);
    let refused = refused(&plan, "debian");
    assert_eq!(refused.iter().map(|(policy, ..)| *policy).collect::<Vec<_>>(), ["everything else", "security"]);
    assert!(
        refused.iter().all(|(_, said, because)| *said == "exception shop: window" && because.contains("one timer"))
    );
    assert!(objects(&plan, "debian").is_empty());
    // Packages of Fedora are another matter.
    assert!(!objects(&compiled(&repository("", &with("window: weekly"))), "fedora").is_empty());
    // A restart is the machine's: it asks where some packages ask.
    let plan = on_a_machine(&with("restart: ask"), "debian", &[OPENSSL, CURL]);
    assert_eq!(only(&plan, "debian", "apt.conf").fields["Unattended-Upgrade::Automatic-Reboot"], "false");
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
    let named = only(&plan, "debian", "apt.conf").losses.iter().find(|loss| loss.intent == Intent::Named).unwrap();
    assert_eq!(named.said, "software: deb/curl");
    assert!(named.becomes.contains("or for another policy"), "{}", named.becomes);
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
fn a_list_of_packages_does_not_end_what_the_machine_upgrades_by_itself() {
    let named = "policy: p\nsoftware: [deb/openssl, rpm/openssl]\ndeadline: [{ within: 14d }]\n";
    let plan = compiled(&repository("", named));
    let file = only(&plan, "debian", "apt.conf");
    assert!(!file.fields.keys().any(|key| key.contains("Whitelist") || key.contains("Origins")), "{:?}", file.fields);
    assert!(file.losses.iter().any(|loss| loss.intent == Intent::Named && loss.said == "software: deb/openssl"));
    // dnf can't say the one without ending the other.
    let file = only(&plan, "fedora", "automatic.conf");
    assert_eq!(file.fields["base.includepkgs"], "openssl");
    let named = file.losses.iter().find(|loss| loss.intent == Intent::Named).unwrap();
    assert!(named.becomes.contains("security updates neither"), "{}", named.becomes);
}

#[test]
fn what_the_machines_own_files_take_and_keep_back_stays_so() {
    let text = files("debian", "apt", &SERVERS.replace("os/security", "os/*"));
    assert!(!text.contains("#clear"), "{text}");
}
