//! Releases that break hosts, and what stops them.

use super::{
    policy::SILENT_SECONDS,
    rings::{STANDARD, once_each, ring_by_ring},
    site::{Lab, release},
    size::RINGS,
};
use refit_core::control::Stage;
use refit_testbed::{Host, family::Family};

/// Takes a host off its network, as a driver does that does not work: nothing arrives and nothing leaves.
const OFF: &str = "perl -e 'use Socket; socket(my $s, AF_INET, SOCK_DGRAM, 0) or die; \
                   ioctl($s, 0x8914, my $flags = pack(\"Z16s\", \"eth0\", 0)) or die $!'";

/// A maintainer script fails on the canaries.
pub fn failing(lab: &mut Lab<'_>) {
    lab.report.begin(
        "A maintainer script fails on the canaries",
        "The script of release 1.1 ends with 1. apt then ends with 100, dnf with 0. Release 1.2 is mended.",
    );
    lab.policy.of("printer", STANDARD);
    lab.apply();
    lab.publish([release("printer", "1.1", "echo 'printer: no spooler' >&2; exit 1")]);
    lab.until("both kinds have halted printer 1.1", |lab| {
        let rollouts = lab.rollouts("printer", "1.1");
        rollouts.len() == 2 && rollouts.iter().all(|rollout| rollout.stage == Stage::Halted)
    });
    lab.report.did("lab", "both kinds are halted; now four check-ins of every agent pass");
    lab.check_ins(4);
    let canary = |lab: &Lab<'_>, host: &Host| lab.size.ring(host) == 0;
    untouched(lab, "printer", "1.0", |lab, host| !canary(lab, host));

    lab.publish([release("printer", "1.2", "")]);
    lab.until_installed("printer", "1.2", |_| true);
    lab.until_complete("printer", "1.2");
    lab.tell("printer", &["1.1", "1.2"]);
    ring_by_ring(lab, "printer", "1.2");
    lab.until("all have told of printer 1.2", |lab| {
        lab.receipts("printer").iter().all(|all| all.iter().any(|it| it.contains("-> 1.2")))
    });
    let (receipts, diary) = (lab.receipts("printer"), lab.diary("printer"));
    let mut failed = 0;
    for (number, host) in lab.hosts.fleet.hosts().iter().enumerate() {
        let of = |result: &str| receipts[number].iter().filter(|line| line.ends_with(result)).count();
        let tried = usize::from(diary[number].iter().any(|entry| entry.version == "1.1"));
        assert_eq!((of("failed"), of("succeeded")), (tried, 1), "{}: {:?}", host.name, receipts[number]);
        failed += tried;
    }
    lab.report.found(&format!(
        "{failed} hosts tried 1.1, each told one failure; all told one success of 1.2, the canaries first"
    ));
    lab.report.end();
}

/// These hosts have what they had, as dpkg and rpm say, and no script ran.
pub fn untouched(lab: &mut Lab<'_>, name: &str, version: &str, of: impl Fn(&Lab<'_>, &Host) -> bool) {
    let (versions, diary) = (lab.versions(name), lab.diary(name));
    let mut count = 0;
    for (number, host) in lab.hosts.fleet.hosts().iter().enumerate().filter(|(_, host)| of(lab, host)) {
        assert_eq!(versions[number], host.device.family().version(version), "{}", host.name);
        assert_eq!(diary[number], [], "{}", host.name);
        count += 1;
    }
    lab.report
        .found(&format!("{name}: {count} hosts still have {version}, as dpkg and rpm say, and no script ran there"));
}

/// A release is installed, and the host falls silent.
pub fn silent(lab: &mut Lab<'_>) {
    lab.report.begin(
        "A release takes hosts off their network",
        &format!(
            "The script of release 1.1 switches the network off on hosts with apt; on those with dnf it does no harm. A device that is \
             not heard of for {SILENT_SECONDS} s is silent; the gate is sure with {}.",
            lab.size.confidence()
        ),
    );
    lab.policy.of("modem", "rollout: watched\ndeadline: [{ within: 14d }]");
    lab.apply();
    let script = format!("if ! grep -q almalinux /etc/os-release; then {OFF}; fi");
    lab.publish([release("modem", "1.1", &script)]);
    let stage = |lab: &Lab<'_>, family: Family| {
        let rollouts = lab.rollouts("modem", "1.1");
        rollouts.iter().find(|rollout| rollout.title == family.title("modem")).map(|rollout| rollout.stage)
    };
    lab.until("modem is halted on hosts with apt", |lab| stage(lab, Family::Apt) == Some(Stage::Halted));
    let timeline = lab.timelines("modem").remove(0).1;
    let halt = timeline.iter().find(|moment| moment.says.starts_with("halted")).unwrap();
    assert!(halt.says.contains("fell silent"), "{}", halt.says);
    let is_off = |lab: &Lab<'_>, host: &Host| host.device.family() == Family::Apt && lab.size.is_pilot(host);
    lab.check_ins(3);
    untouched(lab, "modem", "1.0", |lab, host| host.device.family() == Family::Apt && !is_off(lab, host));
    lab.report.found("the halt is by silence alone: no host has told a failure");

    let off: Vec<&Host> = lab.hosts.fleet.hosts().iter().filter(|host| is_off(lab, host)).collect();
    for host in off {
        let up = host.cable.command("ip").args(["link", "set", "eth0", "up"]).status().unwrap();
        assert!(up.success());
    }
    lab.report.did("lab", "the hosts' networks are switched on again by hand");
    lab.until("those that were silent have told", |lab| {
        let hosts = lab.hosts.fleet.hosts().iter().zip(lab.receipts("modem"));
        hosts.filter(|(host, _)| is_off(lab, host)).all(|(_, told)| told == ["1.0 -> 1.1, succeeded"])
    });
    lab.report.found("what they could not tell is told once, when they are back");
    lab.until("modem is through on hosts with dnf", |lab| stage(lab, Family::Dnf) == Some(Stage::Complete));
    lab.until_installed("modem", "1.1", |host| host.device.family() == Family::Dnf);
    assert_eq!(stage(lab, Family::Apt), Some(Stage::Halted));
    lab.tell("modem", &["1.1"]);
    lab.report.found("on hosts with dnf, where it does no harm, the same gate has let it through");
    lab.report.end();
}

/// A release that is exploited against has its fix in mid-rollout.
pub fn exploited(lab: &mut Lab<'_>) {
    lab.report.begin(
        "A KEV in mid-rollout",
        "Release 1.1 soaks for an hour on the canaries. Then 1.0 is known to be exploited, and the policy's `fast` rollout takes over.",
    );
    let kev = "rollout: slow\ndeadline:\n  - { if: exposure.kev, within: 2d, rollout: fast }\n  - { within: 14d }";
    lab.policy.of("browser", kev);
    lab.apply();
    lab.publish([release("browser", "1.1", "")]);
    let is_canary = |lab: &Lab<'_>, host: &Host| lab.size.ring(host) == 0;
    let size = lab.size;
    lab.until_installed("browser", "1.1", |host| size.ring(host) == 0);
    lab.check_ins(4);
    untouched(lab, "browser", "1.0", |lab, host| !is_canary(lab, host));
    lab.exploited("browser", "1.1");
    lab.until_installed("browser", "1.1", |_| true);
    lab.report.did("lab", "all hosts have it");
    once_each(lab, "browser", "1.0", "1.1");
    lab.tell("browser", &["1.1"]);
    lab.report.end();
}

/// A freeze that yields to what is exploited.
pub fn frozen(lab: &mut Lab<'_>) {
    lab.report.begin(
        "A freeze with `unless: exposure.kev`",
        "Two packages get a release during a freeze. One of them is known to be exploited.",
    );
    lab.policy.of("ledger", STANDARD);
    lab.policy.of("vault", STANDARD);
    lab.policy.freeze = true;
    lab.apply();
    lab.exploited("vault", "1.1");
    lab.publish([release("ledger", "1.1", ""), release("vault", "1.1", "")]);
    lab.until_installed("vault", "1.1", |_| true);
    lab.until_complete("vault", "1.1");
    once_each(lab, "vault", "1.0", "1.1");
    untouched(lab, "ledger", "1.0", |_, _| true);
    lab.policy.freeze = false;
    lab.apply();
    lab.until_installed("ledger", "1.1", |_| true);
    lab.until_complete("ledger", "1.1");
    once_each(lab, "ledger", "1.0", "1.1");
    lab.tell("vault", &["1.1"]);
    lab.tell("ledger", &["1.1"]);
    let (thawed, frozen) = (first(lab, "ledger"), last(lab, "vault"));
    assert!(frozen < thawed, "{frozen} {thawed}");
    lab.report.found("the one moved under the freeze, the other began after it");
    lab.report.end();
}

fn first(lab: &Lab<'_>, name: &str) -> jiff::Timestamp {
    lab.diary(name).iter().flatten().map(|entry| entry.at).min().unwrap()
}

fn last(lab: &Lab<'_>, name: &str) -> jiff::Timestamp {
    lab.diary(name).iter().flatten().map(|entry| entry.at).max().unwrap()
}

/// The kill switch.
pub fn stopped(lab: &mut Lab<'_>) {
    lab.report.begin("The kill switch", "In the middle of a rollout somebody stops everything with one call.");
    lab.policy.of("shell-extras", STANDARD);
    lab.apply();
    lab.publish([release("shell-extras", "1.1", "")]);
    let size = lab.size;
    lab.until_installed("shell-extras", "1.1", |host| size.ring(host) == 0 && host.device.family() == Family::Apt);
    lab.server.client.stop("the new release breaks printing").unwrap();
    let pulled = jiff::Timestamp::now();
    lab.report.did("person", "stops everything");
    let agents = lab.ids.len() as u64;
    let honoured = |lab: &Lab<'_>| lab.server.client.brake().unwrap().reach.is_some_and(|reach| reach.honour == agents);
    lab.until("all honour the brake", honoured);
    let reach = lab.server.client.brake().unwrap().reach.unwrap();
    let slowest = reach.slowest_seconds.unwrap();
    lab.report
        .did("server", &format!("all {agents} agents have said that they honour it; the slowest took {slowest} s"));
    let (before, versions) = (lab.diary("shell-extras"), lab.versions("shell-extras"));
    lab.check_ins(5);
    assert_eq!(lab.diary("shell-extras"), before, "nobody changes anything");
    assert_eq!(lab.versions("shell-extras"), versions);
    let after: Vec<_> = before.iter().flatten().filter(|entry| entry.at > pulled).collect();
    lab.report.found(&format!(
        "{} hosts had begun and finished after the call; after the last agent had heard of it none changed anything for five check-ins",
        after.len()
    ));
    let changed = before.iter().flatten().count();
    assert!(changed < lab.ids.len(), "the switch came too late to show anything");
    lab.report.found(&format!(
        "{changed} of {agents} hosts had 1.1 by then; the first rings hold {}",
        lab.names(|host| size.ring(host) == 0).len()
    ));
    lab.server.client.go_on("mended").unwrap();
    lab.report.did("person", "lets everything go on");
    lab.until_installed("shell-extras", "1.1", |_| true);
    lab.until_complete("shell-extras", "1.1");
    once_each(lab, "shell-extras", "1.0", "1.1");
    lab.tell("shell-extras", &["1.1"]);
    lab.report.end();
}

/// A policy that is changed half-way.
pub fn changed(lab: &mut Lab<'_>) {
    lab.report.begin(
        "A policy is changed half-way",
        "When the canaries with apt have release 1.1, the policy blocks it for the last ring; later it no longer does.",
    );
    lab.policy.of("editor", STANDARD);
    lab.apply();
    lab.publish([release("editor", "1.1", "")]);
    let size = lab.size;
    // Those with dnf are slower: waiting for them would let the others go all the way.
    lab.until_installed("editor", "1.1", |host| size.ring(host) == 0 && host.device.family() == Family::Apt);
    lab.policy.block("editor", ">=1.1", "\"rest\" in device.tags");
    lab.apply();
    lab.until_installed("editor", "1.1", |host| RINGS[size.ring(host)] != "rest");
    lab.check_ins(4);
    untouched(lab, "editor", "1.0", |lab, host| RINGS[lab.size.ring(host)] == "rest");
    lab.policy.unblock("editor");
    lab.apply();
    lab.until_installed("editor", "1.1", |_| true);
    lab.until_complete("editor", "1.1");
    once_each(lab, "editor", "1.0", "1.1");
    lab.tell("editor", &["1.1"]);
    lab.report.end();
}
