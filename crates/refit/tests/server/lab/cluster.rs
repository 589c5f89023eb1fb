//! A cluster of three that must never lose two.

use super::site::{DIARY, Lab, release};
use jiff::{SignedDuration, Timestamp};
use refit_testbed::{Host, family::Software};

/// How long the others wait after one has been changed.
const SETTLE_SECONDS: i64 = 3;

/// The value of `device.cluster` that the three have.
pub const CLUSTER: &str = "database";

/// Whether a host is one of the three: two with apt, one with dnf.
pub fn is_member(lab: &Lab<'_>, host: &Host) -> bool {
    let last = |family: &str, number: usize| host.name == format!("{family}-{number}");
    last("apt", lab.size.apt) || last("apt", lab.size.apt - 1) || last("dnf", lab.size.dnf)
}

/// A release for the three at once: they take turns.
pub fn turns(lab: &mut Lab<'_>) {
    lab.report.begin(
        "A cluster of three that must never lose two",
        &format!(
            "Three hosts, two with apt and one with dnf, have one value of `device.cluster`, and the policy says `max_unavailable: 1` and \
             `settle: {SETTLE_SECONDS}s`. A change takes three seconds: the scripts write down when it begins and when it has ended."
        ),
    );
    lab.policy.of(
        "database",
        &format!(
            "where: device.cluster == \"{CLUSTER}\"\ndeadline: [{{ within: 14d }}]\n\
             disruption: {{ group_by: device.cluster, max_unavailable: 1, settle: {SETTLE_SECONDS}s }}"
        ),
    );
    lab.apply();
    let next: Software = release("database", "1.1", "");
    lab.publish([next.before(&format!("echo \"$(date +%s.%N) database begin\" >>{DIARY}\nsleep 3"))]);
    let members = lab.names(|host| is_member(lab, host));
    assert_eq!(members.len(), 3);
    lab.until_installed("database", "1.1", |host| members.contains(&host.name));
    lab.until("the three have told of database", |lab| lab.receipts("database").iter().flatten().count() >= 3);
    lab.check_ins(3);

    let hosts = lab.hosts.fleet.hosts();
    let mut spans: Vec<(Timestamp, Timestamp, &str)> = Vec::new();
    for (host, entries) in hosts.iter().zip(lab.diary("database")) {
        if !members.contains(&host.name) {
            assert_eq!(entries, [], "{} is in no cluster", host.name);
            continue;
        }
        let versions: Vec<&str> = entries.iter().map(|entry| entry.version.as_str()).collect();
        assert_eq!(versions, ["begin", "1.1"], "{}", host.name);
        spans.push((entries[0].at, entries[1].at, &host.name));
    }
    spans.sort();
    for pair in spans.windows(2) {
        let settled = pair[0].1 + SignedDuration::from_secs(SETTLE_SECONDS);
        assert!(pair[1].0 >= settled, "{spans:?}");
    }
    for (begin, end, host) in &spans {
        lab.report.saw(*begin, host, "begins, by its own script");
        lab.report.saw(*end, host, "has ended, by its own script");
    }
    lab.report.found(&format!(
        "no two of {} were changed at the same time, nor within {SETTLE_SECONDS} s",
        members.join(", ")
    ));
    for ((host, told), version) in hosts.iter().zip(lab.receipts("database")).zip(lab.versions("database")) {
        let family = host.device.family();
        let is_member = members.contains(&host.name);
        assert_eq!(version, family.version(if is_member { "1.1" } else { "1.0" }), "{}", host.name);
        assert_eq!(told.len(), usize::from(is_member), "{}: {told:?}", host.name);
    }
    lab.report.found("each of the three has told one receipt, and nobody else has changed");
    lab.report.end();
}
