//! Intune: update rings and a feature update profile, and a Windows Update for Business of our own that follows Microsoft's pages
//! (*Enforcing compliance deadlines for updates*, *Configure Windows Update client policies*).

use crate::support::{DEVICES, catalog, device, install, left_out, now, release, repository, text, today, zones};
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    decide::{Compliance, decide_title},
    world::World,
};
use refit_model::{Scheme, TitleId};
use refit_targets::import::{Imported, intune::import};
use refit_worlds::Rng;

const PILOT: &str = "9b000000-0000-4000-8000-00000000000a";
const NEW_VERSION: &str = "9b000000-0000-4000-8000-00000000000b";
const SHOP_FLOOR: &str = "9b000000-0000-4000-8000-00000000000c";

/// Quality updates by version, as they came out.
const UPDATES: [(&str, &str, &str); 6] = [
    ("25H2", "10.0.26200.6500", "2026-09-08T17:00:00Z"),
    ("25H2", "10.0.26200.6900", "2026-10-13T17:00:00Z"),
    ("25H2", "10.0.26200.7200", "2026-11-10T18:00:00Z"),
    ("26H1", "10.0.28000.6500", "2026-09-08T17:00:00Z"),
    ("26H1", "10.0.28000.6900", "2026-10-13T17:00:00Z"),
    ("26H1", "10.0.28000.7200", "2026-11-10T18:00:00Z"),
];

/// What a ring says: days of deferral, and of the deadlines.
struct Ring {
    deferral: i64,
    quality: Option<i64>,
    feature: Option<i64>,
}

/// The ring that is assigned to a device.
fn ring(groups: &[String]) -> Ring {
    let is_in = |group: &str| groups.iter().any(|it| it == group);
    if is_in(PILOT) {
        Ring { deferral: 0, quality: Some(2), feature: Some(7) }
    } else if is_in(SHOP_FLOOR) {
        Ring { deferral: 14, quality: None, feature: None }
    } else {
        Ring { deferral: 7, quality: Some(5), feature: Some(14) }
    }
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// What Windows Update offers now, and by when what is missing is forced.
#[derive(Debug, PartialEq)]
struct Offered {
    version: Option<&'static str>,
    due: Option<Timestamp>,
}

fn offered(ring: &Ring, pinned: bool, installed: (&str, &str)) -> Offered {
    let goes_on = pinned && installed.0 == "25H2";
    let branch = if goes_on { "26H1" } else { installed.0 };
    let known: Vec<(&str, Timestamp)> = UPDATES
        .iter()
        .filter(|(of, ..)| *of == branch)
        .map(|(_, version, at)| (*version, at.parse().unwrap()))
        .collect();
    let newest = known.iter().rfind(|(_, at)| at.checked_add(days(ring.deferral)).unwrap() <= now());
    let version = newest.map(|(version, _)| *version).filter(|version| *version != installed.1);
    let due = if goes_on {
        // The profile came on 20 November; its deadline counts from then.
        let created: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        ring.feature.map(|deadline| created.checked_add(days(deadline)).unwrap())
    } else {
        // The device scans all the time, and finds an update when its deferral is over.
        let at = known.iter().position(|(version, _)| *version == installed.1).unwrap();
        let missing = known.get(at + 1);
        missing.zip(ring.quality).map(|((_, at), deadline)| at.checked_add(days(ring.deferral + deadline)).unwrap())
    };
    Offered { version, due }
}

fn imported() -> Imported {
    let value = |name: &str| (name.to_owned(), serde_json::from_str(&text(&format!("intune/{name}"))).unwrap());
    import(&[value("assignments.json"), value("rings.json"), value("feature.json")], &catalog(), today())
}

#[test]
fn two_hundred_windows_devices_are_offered_the_same_by_the_same_time() {
    let imported = imported();
    let repository = repository(&imported, &[]);
    let releases = UPDATES
        .iter()
        .map(|(branch, version, at)| release("windows-11", Scheme::Windows, Some(branch), version, at, false));
    let world = World::new(releases.collect(), Vec::new());
    let zones = zones();
    let (mut forced, mut moved, mut upgraded) = (0, 0, 0);
    for number in 0..DEVICES {
        let mut rng = Rng::stream(13, "windows", number);
        let mut groups = vec!["9b000000-0000-4000-8000-0000000000ff".to_owned()];
        match rng.below(3) {
            0 => groups.push(PILOT.to_owned()),
            1 => groups.push(SHOP_FLOOR.to_owned()),
            _ => {}
        }
        if rng.permille(400) {
            groups.push(NEW_VERSION.to_owned());
        }
        // Who was away for longer than a month has another due time, which is listed.
        let (branch, version, _) = rng.of(&[UPDATES[1], UPDATES[2], UPDATES[4], UPDATES[5]]).unwrap();
        let facts = [
            ("device.platform", "windows"),
            ("device.os", "windows"),
            ("device.os_version", version),
            ("device.kind", "laptop"),
        ];
        let zone = &zones[rng.below(zones.len())];
        let mut device = device(&format!("win-{number}"), zone, &facts, &[("device.entra_groups", &groups)]);
        device.installs.push(install("windows-11", Scheme::Windows, Some(branch), version));
        let expected = offered(&ring(&groups), groups.iter().any(|group| group == NEW_VERSION), (branch, version));
        let decision = decide_title(&repository, &world, &device, &TitleId::new("windows-11"), now()).remove(0);
        assert_ne!(decision.compliance, Compliance::Unmanaged);
        let admitted = decision.admitted.as_ref().map(|version| version.as_str());
        assert_eq!(
            (admitted, decision.due),
            (expected.version, expected.due),
            "{} {branch} {version} {groups:?}",
            device.id
        );
        forced += u32::from(expected.due.is_some());
        moved += u32::from(expected.version.is_some());
        upgraded += u32::from(expected.version.is_some_and(|to| !to.starts_with(version.rsplit_once('.').unwrap().0)));
    }
    assert!(forced > 40 && moved > 60 && upgraded > 10, "{forced} {moved} {upgraded}: the test shows little");
}

#[test]
fn what_intune_does_and_policies_do_not_is_listed() {
    let left_out = left_out(&imported());
    for line in [
        "windowsQualityUpdateProfile October, quickly | ",
        "windowsUpdateForBusinessConfiguration Windows, an old try | assignments",
        "windowsUpdateForBusinessConfiguration Windows pilot | deadlineGracePeriodInDays",
        "windowsUpdateForBusinessConfiguration Windows pilot | userPauseAccess",
        "windowsUpdateForBusinessConfiguration Windows pilot | microsoftUpdateServiceAllowed",
        "windowsUpdateForBusinessConfiguration Windows, everybody else | featureUpdatesDeferralPeriodInDays",
        "windowsFeatureUpdateProfile Windows 11 26H1 | featureUpdateVersion",
    ] {
        assert!(left_out.iter().any(|it| it == line), "{line}\n{left_out:#?}");
    }
}

#[test]
fn a_pause_is_a_freeze_and_hours_are_windows() {
    let imported = imported();
    let freeze = imported.freezes.first().unwrap();
    assert_eq!((freeze.from.to_string(), freeze.to.to_string()), ("2026-12-10".to_owned(), "2027-01-14".to_owned()));
    let windows: Vec<(&str, &str)> =
        imported.windows.values().map(|window| (window.rrule.as_str(), window.lasts.as_str())).collect();
    assert_eq!(windows, [("FREQ=DAILY;BYHOUR=17", "15h"), ("FREQ=WEEKLY;BYDAY=SU;BYHOUR=3", "1h")]);
}

#[test]
fn an_answer_that_is_none_is_said() {
    for (text, line) in [
        ("{\"error\": {\"code\": \"Forbidden\"}}", "answer.json | "),
        ("{\"value\": [{\"id\": \"1\"}]}", "answer.json | "),
        ("[]", ""),
    ] {
        let imported = import(&[("answer.json".to_owned(), serde_json::from_str(text).unwrap())], &catalog(), today());
        assert!(imported.is_empty());
        assert_eq!(left_out(&imported), if line.is_empty() { vec![] } else { vec![line] });
    }
}
