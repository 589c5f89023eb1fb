//! Jamf Pro: patch policies of both APIs, and a Jamf of our own that follows *Patch Policies* of its documentation.

use crate::support::{
    Answer, DEVICES, catalog, decided, device, install, left_out, now, release, repository, text, zones,
};
use jiff::{SignedDuration, Timestamp};
use refit_core::world::{Applied, World};
use refit_model::Scheme;
use refit_targets::import::{
    Imported,
    jamf::{import, parse},
};
use refit_worlds::Rng;

/// Versions, as they came out.
const CHROME: [(&str, &str); 4] = [
    ("129.0.6668.58", "2026-08-01T00:00:00Z"),
    ("130.0.6723.58", "2026-09-10T17:00:00Z"),
    ("131.0.6778.70", "2026-11-18T00:00:00Z"),
    ("132.0.6834.57", "2026-11-24T00:00:00Z"),
];
const VPN: [(&str, &str); 3] =
    [("5.1.0", "2026-05-01T00:00:00Z"), ("5.2.1", "2026-10-01T00:00:00Z"), ("5.3.0", "2026-11-01T00:00:00Z")];

fn imported() -> Imported {
    let names = ["policy-details.json", "chrome.xml", "chrome-all.json", "vpn.json", "titles.json"];
    let values = names.map(|name| (name.to_owned(), parse(&text(&format!("jamf/{name}"))).unwrap()));
    import(&values, &catalog())
}

struct Mac {
    groups: Vec<String>,
    building: &'static str,
    department: &'static str,
    os: &'static str,
}

/// A patch policy: whether a Mac is in its scope, the version, and the days of its deadline.
type Patch = (fn(&Mac) -> bool, &'static str, Option<i64>, bool);

fn has(mac: &Mac, group: &str) -> bool {
    mac.groups.iter().any(|it| it == group)
}

/// A major version is enough: the fixture asks for 13.0.
fn major(os: &str) -> u32 {
    os.split('.').next().unwrap().parse().unwrap()
}

const CHROME_POLICIES: [Patch; 2] = [
    (
        |mac| {
            (has(mac, "Pilot") || has(mac, "Design") || mac.building == "Berlin")
                && !has(mac, "Kiosks")
                && major(mac.os) >= 13
        },
        "131.0.6778.70",
        Some(7),
        false,
    ),
    (|mac| !has(mac, "Kiosks"), "130.0.6723.58", Some(14), false),
];
/// It installs by itself: its deadline is one of Self Service, and counts for nothing. It may go down.
const VPN_POLICIES: [Patch; 1] = [(|mac| mac.department == "Finance", "5.2.1", None, true)];

/// Where a Mac comes to, and by when: of several policies the newest version wins in the end. A Mac is told of a version when it has come
/// out, its policy is there, and it is enrolled.
fn expected(
    mac: &Mac,
    policies: &[Patch],
    versions: &[(&str, &str)],
    installed: usize,
    told: Timestamp,
) -> Option<Answer> {
    let (_, version, deadline, downgrades) = policies.iter().find(|(scope, ..)| scope(mac))?;
    let at = versions.iter().position(|(known, _)| known == version).unwrap();
    if installed == at || (installed > at && !downgrades) {
        return None;
    }
    let out: Timestamp = versions[at].1.parse().unwrap();
    let due = deadline.map(|days| out.max(told).checked_add(SignedDuration::from_hours(24 * days)).unwrap());
    Some(Answer { version: Some((*version).to_owned()), due })
}

#[test]
fn two_hundred_macs_are_patched_to_the_same_by_the_same_time() {
    let repository = repository(&imported(), &[]);
    let of = |title: &'static str, scheme, versions: &'static [(&str, &str)]| {
        versions.iter().map(move |(version, at)| release(title, scheme, None, version, at, false))
    };
    let releases = of("google-chrome", Scheme::Chrome, &CHROME).chain(of("acme-vpn", Scheme::Generic, &VPN));
    let mut world = World::new(releases.collect(), Vec::new());
    // The day on which the patch policies came into being.
    let since: Timestamp = "2026-11-01T08:00:00Z".parse().unwrap();
    world.applied = Applied { all: Some(since), ..Applied::default() };
    let zones = zones();
    let (mut forced, mut moved) = (0, 0);
    for number in 0..DEVICES {
        let mut rng = Rng::stream(17, "jamf", number);
        let groups =
            ["Pilot", "Design", "Kiosks"].into_iter().filter(|_| rng.permille(300)).map(str::to_owned).collect();
        let mac = Mac {
            groups,
            building: rng.of(&["Berlin", "Oslo"]).unwrap(),
            department: rng.of(&["Finance", "Sales"]).unwrap(),
            os: rng.of(&["12.7.6", "13.1", "15.1"]).unwrap(),
        };
        let (chrome, vpn) = (rng.below(CHROME.len()), rng.below(VPN.len()));
        let facts = [
            ("device.platform", "macos"),
            ("device.os_version", mac.os),
            ("device.jamf_building", mac.building),
            ("device.jamf_department", mac.department),
        ];
        let zone = &zones[rng.below(zones.len())];
        let mut device = device(&format!("mac-{number}"), zone, &facts, &[("device.jamf_groups", &mac.groups)]);
        let late = rng.permille(300);
        let told = if late { "2026-11-19T12:00:00Z".parse().unwrap() } else { since };
        if late {
            device.enrolled = Some(told);
        }
        device.installs.push(install("google-chrome", Scheme::Chrome, None, CHROME[chrome].0));
        device.installs.push(install("acme-vpn", Scheme::Generic, None, VPN[vpn].0));
        for (title, expected) in [
            ("google-chrome", expected(&mac, &CHROME_POLICIES, &CHROME, chrome, told)),
            ("acme-vpn", expected(&mac, &VPN_POLICIES, &VPN, vpn, told)),
        ] {
            forced += u32::from(expected.as_ref().is_some_and(|it| it.due.is_some()));
            moved += u32::from(expected.is_some());
            let answer = decided(&repository, &world, &device, title, now());
            assert_eq!(answer, expected, "{title} on {} {:?} {} {}", device.id, mac.groups, mac.building, mac.os);
        }
    }
    assert!(forced > 50 && moved > 100, "{forced} {moved}: the test shows little");
}

#[test]
fn what_jamf_does_and_policies_do_not_is_listed() {
    let left_out = left_out(&imported());
    for line in [
        "patch policy Without a scope | scope",
        "patch policy Switched off | enabled",
        "patch policy VPN by itself | incremental_updates",
        "patch policy VPN by itself | distribution_method",
        "patch policy VPN by itself | scope.limitations.network_segments",
        "patch policy Chrome & deadline | user_interaction.grace_period",
        "patch policy Chrome & deadline | user_interaction.deadlines.deadline_period",
    ] {
        assert!(left_out.iter().any(|it| it == line), "{line}\n{left_out:#?}");
    }
}

#[test]
fn without_the_names_of_titles_nothing_is_guessed() {
    let value = parse(&text("jamf/chrome.xml")).unwrap();
    let imported = import(&[("chrome.xml".to_owned(), value)], &catalog());
    assert!(imported.is_empty());
    assert_eq!(left_out(&imported), ["patch policy Chrome & deadline | software_title_configuration_id"]);
}
