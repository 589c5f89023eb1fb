//! A good release.

use super::{
    policy::SOAK_SECONDS,
    site::{Lab, release},
    size::RINGS,
};
use jiff::{SignedDuration, Timestamp};
use refit_testbed::family::Family;

/// The plain terms of most policies here.
pub const STANDARD: &str = "rollout: standard\ndeadline: [{ within: 14d }]";

/// A good release goes through all rings.
pub fn good(lab: &mut Lab<'_>) {
    lab.report.begin(
        "A good release goes through all rings",
        "Release 1.1 of a package appears in both repositories. Four rings; each soaks for three seconds.",
    );
    lab.policy.of("good", STANDARD);
    lab.apply();
    lab.publish([release("good", "1.1", "")]);
    lab.until_installed("good", "1.1", |_| true);
    lab.until_complete("good", "1.1");
    lab.tell("good", &["1.1"]);
    ring_by_ring(lab, "good", "1.1");
    once_each(lab, "good", "1.0", "1.1");
    lab.report.end();
}

/// On each kind of host no ring began before all of the ring before it had the release, and that had soaked.
pub fn ring_by_ring(lab: &mut Lab<'_>, name: &str, version: &str) {
    let diary = lab.diary(name);
    for family in [Family::Apt, Family::Dnf] {
        let times = |ring: usize| -> Vec<Timestamp> {
            let hosts = lab.hosts.fleet.hosts().iter().zip(&diary);
            let hosts = hosts.filter(|(host, _)| host.device.family() == family && lab.size.ring(host) == ring);
            let entries = hosts.flat_map(|(_, entries)| entries);
            entries.filter(|entry| entry.version == version).map(|entry| entry.at).collect()
        };
        for ring in 1..RINGS.len() {
            let (before, here) = (times(ring - 1), times(ring));
            let (first, last) = (before.iter().min().unwrap(), before.iter().max().unwrap());
            let soaked = *first + SignedDuration::from_secs(SOAK_SECONDS);
            let began = here.iter().min().unwrap();
            assert!(began > last && *began >= soaked, "{family:?} {}: {before:?} {here:?}", RINGS[ring]);
        }
    }
    lab.report.found(&format!(
        "{name} {version}: by the hosts' own notes no ring began before all hosts of the ring before had it, and {SOAK_SECONDS} s had passed"
    ));
}

/// Every host changed once, and told it once.
pub fn once_each(lab: &mut Lab<'_>, name: &str, from: &str, to: &str) {
    lab.until(&format!("all have told of {name}"), |lab| lab.receipts(name).iter().all(|told| !told.is_empty()));
    let (diary, receipts, versions) = (lab.diary(name), lab.receipts(name), lab.versions(name));
    for (number, host) in lab.hosts.fleet.hosts().iter().enumerate() {
        let family = host.device.family();
        let ran = diary[number].iter().filter(|entry| entry.version == to).count();
        assert_eq!((ran, &versions[number]), (1, &family.version(to)), "{}", host.name);
        let expected = format!("{} -> {}, succeeded", family.version(from), family.version(to));
        assert_eq!(receipts[number], [expected], "{}", host.name);
    }
    lab.report.found(&format!(
        "{name}: dpkg and rpm have {to} on all {} hosts, its script ran once on each, and each has told one receipt",
        versions.len()
    ));
}
