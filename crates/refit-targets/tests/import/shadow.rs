//! Shadow mode: twenty differences of all kinds that were planted among 500 devices are found, and nothing else.

use crate::support::{catalog, device, install, now, release, zones};
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    policy::{
        diagnostic::{Files, Severity, render},
        load::load,
        repository::Repository,
        resolve::resolve,
        syntax::Limits,
    },
    world::{Device, World},
};
use refit_model::{DeviceId, Scheme, TitleId};
use refit_targets::shadow::{
    Compared, Devices, Kind, Shadow,
    report::{self, Besides, Row},
};
use refit_worlds::Rng;
use std::collections::{BTreeMap, BTreeSet};

const POLICIES: &str = "organization: acme
defaults: { mode: enforce }
freezes:
  - { name: quarter close, from: 2026-11-20, to: 2026-11-22, where: '\"finance\" in device.tags' }
---
policy: browsers
software: [google-chrome]
min_age: 1d
deadline: [{ within: 7d }]
---
policy: meetings
software: [zoom]
deadline: [{ within: 10d }]
---
policy: chat is watched
mode: observe
software: [slack]
---
block: the camera stays dark
title: zoom
releases: \"=6.2.5\"
where: '\"lab\" in device.tags'
---
exception: the film is cut
software: [google-chrome]
where: '\"render\" in device.tags'
due: 2026-12-20T12:00:00
until: 2026-12-24
";

const OLD: &str = "130.0.6723.58";
const NEW: &str = "131.0.6778.70";

fn repository() -> Repository {
    let mut files = Files::default();
    files.add("policy.yaml".to_owned(), POLICIES.as_bytes(), &Limits::default()).unwrap();
    let (documents, mut found) = load(&files, &Limits::default());
    let (repository, more) = resolve(&documents, &files, &catalog());
    found.extend(more);
    let errors: String =
        found.iter().filter(|it| it.severity == Severity::Error).map(|it| render(it, &files)).collect();
    assert!(errors.is_empty(), "{errors}");
    repository
}

fn world() -> World {
    let (chrome, generic) = (Scheme::Chrome, Scheme::Generic);
    let releases = vec![
        release("google-chrome", chrome, None, OLD, "2026-10-01T00:00:00Z", false),
        release("google-chrome", chrome, None, NEW, "2026-11-16T00:00:00Z", false),
        release("zoom", generic, None, "6.1.0", "2026-09-01T00:00:00Z", false),
        release("zoom", generic, None, "6.2.5", "2026-11-10T00:00:00Z", false),
        release("slack", generic, None, "4.40", "2026-09-01T00:00:00Z", false),
        release("slack", generic, None, "4.41", "2026-11-10T00:00:00Z", false),
    ];
    World::new(releases, Vec::new())
}

/// The tag of a device, by its number.
fn tag(number: usize) -> &'static str {
    match number % 10 {
        0 => "finance",
        1 => "lab",
        2 => "render",
        _ => "rest",
    }
}

fn devices() -> Vec<Device> {
    let zones = zones();
    let made = (0..500).map(|number| {
        let (name, serial) = (format!("mac-{number}"), format!("C02{number:05}"));
        let facts = [("device.platform", "macos"), ("device.kind", "laptop"), ("device.serial", serial.as_str())];
        let tags = [tag(number).to_owned()];
        let mut device = device(&name, &zones[number % zones.len()], &facts, &[("device.tags", &tags)]);
        // As the fleet was before what is reported.
        device.seen = "2026-11-18T00:00:00Z".parse().unwrap();
        device.installs.push(install("google-chrome", Scheme::Chrome, None, OLD));
        device.installs.push(install("zoom", Scheme::Generic, None, "6.1.0"));
        device.installs.push(install("slack", Scheme::Generic, None, "4.40"));
        device
    });
    made.collect()
}

/// A moment between two.
fn between(rng: &mut Rng, from: &str, to: &str) -> String {
    let (from, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
    let seconds = rng.between(0, (to.as_second() - from.as_second()) as usize) as i64;
    from.checked_add(SignedDuration::from_secs(seconds)).unwrap().to_string()
}

/// What the other tool would report if it did just what the policies say: by device and title a version, when it was installed, by when
/// it is forced.
fn reported() -> BTreeMap<(usize, &'static str), [String; 3]> {
    let mut rows = BTreeMap::new();
    for number in 0..500 {
        let mut rng = Rng::stream(19, "report", number as u64);
        let nothing = String::new;
        let chrome = match tag(number) {
            // Before the freeze, and in every zone.
            "finance" => [NEW.to_owned(), between(&mut rng, "2026-11-18T06:00:00Z", "2026-11-18T20:00:00Z"), nothing()],
            "render" => [NEW.to_owned(), nothing(), "2026-12-20T13:30:00".to_owned()],
            _ => [NEW.to_owned(), between(&mut rng, "2026-11-18T06:00:00Z", "2026-11-22T23:00:00Z"), nothing()],
        };
        let zoom = match tag(number) {
            "lab" => ["6.1.0".to_owned(), nothing(), nothing()],
            "finance" => {
                ["6.2.5".to_owned(), between(&mut rng, "2026-11-18T06:00:00Z", "2026-11-18T20:00:00Z"), nothing()]
            }
            _ => ["6.2.5".to_owned(), between(&mut rng, "2026-11-18T06:00:00Z", "2026-11-20T02:00:00Z"), nothing()],
        };
        rows.insert((number, "google-chrome"), chrome);
        rows.insert((number, "zoom"), zoom);
        rows.insert((number, "slack"), ["4.40".to_owned(), nothing(), nothing()]);
    }
    rows
}

/// Twenty differences: the device, the title, what is reported in place of the rest (nothing where the row is missing), the kind, and a
/// word of the reason.
type Planted = (usize, &'static str, Option<[&'static str; 3]>, Kind, &'static str);

const PLANTED: [Planted; 20] = [
    (13, "google-chrome", Some([NEW, "2026-11-24T12:00:00Z", ""]), Kind::Earlier, ""),
    (44, "google-chrome", Some([NEW, "2026-11-25T08:00:00Z", ""]), Kind::Earlier, ""),
    (57, "zoom", Some(["6.2.5", "2026-11-22T09:00:00Z", ""]), Kind::Earlier, ""),
    (68, "google-chrome", Some([NEW, "", "2026-12-01T12:00:00Z"]), Kind::Earlier, ""),
    (90, "google-chrome", Some([NEW, "2026-11-21T12:00:00Z", ""]), Kind::Later, "freeze quarter close (policy.yaml:4)"),
    (110, "zoom", Some(["6.2.5", "2026-11-21T15:00:00Z", ""]), Kind::Later, "freeze quarter close (policy.yaml:4)"),
    (123, "google-chrome", Some([NEW, "2026-11-16T12:00:00Z", ""]), Kind::Later, "min_age"),
    (145, "google-chrome", Some([NEW, "2026-11-16T23:00:00Z", ""]), Kind::Later, "min_age"),
    (
        162,
        "google-chrome",
        Some([NEW, "", "2026-12-01T12:00:00"]),
        Kind::Later,
        "exception the film is cut (policy.yaml:24): due",
    ),
    (177, "slack", Some(["4.41", "2026-11-19T12:00:00Z", ""]), Kind::RefitNever, "mode: observe"),
    (188, "slack", Some(["4.41", "", "2026-12-01T12:00:00Z"]), Kind::RefitNever, "mode: observe"),
    (
        201,
        "zoom",
        Some(["6.2.5", "2026-11-19T12:00:00Z", ""]),
        Kind::RefitNever,
        "block the camera stays dark (policy.yaml:19)",
    ),
    (
        231,
        "zoom",
        Some(["6.2.5", "", "2026-11-30T12:00:00Z"]),
        Kind::RefitNever,
        "block the camera stays dark (policy.yaml:19)",
    ),
    (256, "google-chrome", Some([OLD, "", ""]), Kind::OtherNever, ""),
    (278, "zoom", Some(["6.1.0", "", ""]), Kind::OtherNever, ""),
    (303, "google-chrome", None, Kind::OtherNever, ""),
    (334, "zoom", None, Kind::OtherNever, ""),
    (
        355,
        "google-chrome",
        Some(["130.0.6723.91", "2026-11-19T12:00:00Z", ""]),
        Kind::OtherVersion,
        "Refit admits 131.0.6778.70",
    ),
    (376, "zoom", Some(["6.2.0", "2026-11-19T12:00:00Z", ""]), Kind::OtherVersion, "Refit admits 6.2.5"),
    (
        499,
        "google-chrome",
        Some(["132.0.1.1", "", "2026-11-30T12:00:00Z"]),
        Kind::OtherVersion,
        "Refit admits 131.0.6778.70",
    ),
];

fn table(rows: &BTreeMap<(usize, &'static str), [String; 3]>) -> String {
    let mut text = "device,title,version,installed_at,due\n".to_owned();
    for ((number, title), [version, installed, due]) in rows {
        // Devices go by any of their names.
        let device = if number % 2 == 0 { format!("mac-{number}") } else { format!("c02{number:05}") };
        let title = if *title == "google-chrome" { "GoogleChrome" } else { *title };
        text += &format!("{device},{title},{version},{installed},{due}\n");
    }
    text
}

fn compared(table: &str) -> Compared {
    let (repository, world, devices) = (repository(), world(), devices());
    let report = report::read("report.csv", table, Besides::default()).unwrap();
    assert!(report.unread.is_empty(), "{:?}", report.unread);
    let mut names = Devices::default();
    devices.iter().for_each(|device| names.add(device));
    let mut by_device: BTreeMap<DeviceId, Vec<(TitleId, &Row)>> = BTreeMap::new();
    let mut titles = BTreeSet::new();
    for row in &report.rows {
        let title = report::title(&repository, &row.title).unwrap();
        titles.insert(title.clone());
        by_device.entry(names.find(&row.device).unwrap().clone()).or_default().push((title, row));
    }
    let tolerance = SignedDuration::from_hours(4);
    let shadow = Shadow { repository: &repository, world: &world, reported: now(), tolerance };
    let mut compared = Compared::default();
    for device in &devices {
        let rows = by_device.get(&device.id).map(Vec::as_slice).unwrap_or_default();
        shadow.device(device, rows, &titles, &mut compared);
    }
    assert!(compared.skipped.is_empty(), "{:?}", compared.skipped);
    compared
}

#[test]
fn a_tool_that_does_what_the_policies_say_differs_nowhere() {
    let compared = compared(&table(&reported()));
    assert_eq!((compared.same, compared.differences.first()), (1_500, None));
}

#[test]
fn twenty_planted_differences_are_found_and_nothing_else() {
    let mut rows = reported();
    for (number, title, row, ..) in PLANTED {
        match row {
            Some(row) => drop(rows.insert((number, title), row.map(str::to_owned))),
            None => drop(rows.remove(&(number, title))),
        }
    }
    let compared = compared(&table(&rows));
    let found: BTreeSet<(String, String, Kind)> =
        compared.differences.iter().map(|it| (it.device.to_string(), it.title.to_string(), it.kind)).collect();
    let planted: BTreeSet<(String, String, Kind)> = PLANTED
        .iter()
        .map(|(number, title, _, kind, _)| (format!("mac-{number}"), (*title).to_owned(), *kind))
        .collect();
    assert_eq!(found, planted, "{:#?}", compared.differences);
    assert_eq!((compared.same, compared.differences.len()), (1_480, 20));
    for (number, title, row, _, why) in PLANTED {
        let name = format!("mac-{number}");
        let difference =
            compared.differences.iter().find(|it| it.device.as_str() == name && it.title.as_str() == title).unwrap();
        assert!(difference.why.iter().any(|it| it.contains(why)) || why.is_empty(), "{difference:#?}");
        let policy = difference.policy.as_ref().unwrap();
        assert_eq!(policy.origin.file, "policy.yaml");
        assert_eq!(row.is_none(), difference.place.is_empty(), "{difference:#?}");
    }
}
