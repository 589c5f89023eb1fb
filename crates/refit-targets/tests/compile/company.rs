//! A small company: its devices, what is published, and what of that has opened.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::{
    cohorts::{Cohorts, as_if_open},
    engine::Fleet,
    facts::{Fact, FieldRef, Value},
    policy::{
        diagnostic::{Files, Severity, render as shown},
        load::load,
        repository::Repository,
        resolve::{Titles, resolve, resolve_titles},
        syntax::Limits,
    },
    world::{Device, Install, World},
};
use refit_model::{Advisory, BranchName, DeviceId, Release, Scheme, TitleId, Version, VersionRange};
use refit_targets::{Compiled, Identity, Object, Observed, Offered, compile};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// Monday, 23 November 2026.
pub fn now() -> Timestamp {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All YAML files of a folder, in the order of their names.
pub fn read(folder: &Path) -> Files {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|ending| ending == "yaml") => paths.push(path),
                false => {}
            }
        }
    }
    paths.sort();
    let mut files = Files::default();
    for path in paths {
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        files.add(name, &std::fs::read(&path).unwrap(), &Limits::default()).unwrap();
    }
    files
}

/// The titles of the catalog, read once.
pub fn catalog() -> Titles {
    static CATALOG: LazyLock<Titles> = LazyLock::new(read_catalog);
    CATALOG.clone()
}

fn read_catalog() -> Titles {
    let files = read(&workspace().join("catalog"));
    let (documents, _) = load(&files, &Limits::default());
    resolve_titles(&documents, &files).0
}

/// A repository of files; what is wrong with them fails the test.
pub fn resolved(files: &Files) -> Repository {
    let (documents, mut found) = load(files, &Limits::default());
    let (repository, more) = resolve(&documents, files, &catalog());
    found.extend(more);
    let errors: String = found.iter().filter(|it| it.severity == Severity::Error).map(|it| shown(it, files)).collect();
    assert!(errors.is_empty(), "{errors}");
    repository
}

/// The organisation and the targets of all tests, and documents besides.
pub fn repository(organization: &str, documents: &str) -> Repository {
    let refit = format!(
        "organization: acme\ndefaults: {{ mode: enforce }}\nrollouts:\n  standard:\n    gate: default\n    rings:\n      \
         - {{ name: canary, where: '\"canary\" in device.tags', soak: 1d }}\n      - {{ name: rest }}\n  fast:\n    rings:\n      \
         - {{ name: rest }}\ngates: {{ default: {{ failure_rate: 2% }} }}\nwindows:\n  \
         overnight: {{ rrule: \"FREQ=DAILY;BYHOUR=19\", lasts: 11h }}\n  \
         weekly: {{ rrule: \"FREQ=WEEKLY;BYDAY=SU;BYHOUR=2\", lasts: 4h }}\n  \
         monthly: {{ rrule: \"FREQ=MONTHLY;BYDAY=2TU;BYHOUR=2\", lasts: 4h }}\n{organization}\n"
    );
    let targets = "target: macs\nkind: apple-declarative\nowner: endpoint@acme.example\n---\ntarget: browsers\nkind: browser-policies\n\
                   ---\ntarget: debian\nkind: apt\n---\ntarget: fedora\nkind: dnf\n---\n\
                   target: sign-in\nkind: okta-device-assurance\n---\ntarget: okta\nkind: okta-hooks\n\
                   settings: { server: \"https://refit.acme.example\", events: { secret: events, source: okta-events }, \
                   inline: { token: posture, saml: posture, registration: joining, import: joining } }\n---\n\
                   target: signals\nkind: okta-shared-signals\nsettings: { server: \"https://refit.acme.example\" }\n---\ntarget: windows\nkind: intune\n---\ntarget: apps\nkind: intune-apps\nsettings: { apps: { google-chrome: XPFCC4CD725961 } }\n---\ntarget: munki\nkind: munki\nowner: endpoint@acme.example\n";
    let mut files = Files::default();
    for (name, text) in [("refit.yaml", refit.as_str()), ("patch.yaml", documents), ("targets.yaml", targets)] {
        files.add(name.to_owned(), text.as_bytes(), &Limits::default()).unwrap();
    }
    resolved(&files)
}

/// A device with facts and installs: `apple macos 26.0` is scheme, title and version.
pub fn device(id: &str, zone: &str, facts: &[(&str, &str)], installs: &[(Scheme, &str, &str, Option<&str>)]) -> Device {
    let mut device = Device::new(DeviceId::new(id), now());
    device.timezone = Some(TimeZone::get(zone).unwrap());
    device.enrolled = Some("2026-01-01T00:00:00Z".parse().unwrap());
    for (field, value) in facts.iter().filter(|(field, _)| *field != "device.tags") {
        let fact = Fact { value: Value::text(value), source: None, observed: None };
        device.facts.insert(field.parse().unwrap(), fact);
    }
    device.facts.insert(
        FieldRef::device("tags"),
        Fact {
            value: Value::list(facts.iter().filter(|(field, _)| *field == "device.tags").map(|(_, tag)| *tag)),
            source: None,
            observed: None,
        },
    );
    for (scheme, title, version, branch) in installs {
        device.installs.push(Install {
            title: TitleId::new(title),
            branch: branch.map(BranchName::new),
            profile: None,
            version: Version::parse(*scheme, version).unwrap(),
            since: Some("2026-10-01T00:00:00Z".parse().unwrap()),
        });
    }
    device
}

/// Two Macs (Berlin, New York), a Windows laptop, machines of Debian and Fedora.
pub fn devices() -> Vec<Device> {
    let (apple, chrome, dpkg, rpm) = (Scheme::Apple, Scheme::Chrome, Scheme::Dpkg, Scheme::Rpm);
    let mac = |id, zone, tag| {
        let facts =
            [("device.platform", "macos"), ("device.os", "macos"), ("device.kind", "laptop"), ("device.tags", tag)];
        let installs = [(apple, "macos", "26.0", Some("26")), (chrome, "google-chrome", "130.0.6723.58", None)];
        device(id, zone, &facts, &installs)
    };
    let facts =
        [("device.platform", "windows"), ("device.os", "windows"), ("device.kind", "laptop"), ("device.tags", "rest")];
    let windows = device(
        "win-1",
        "Europe/Berlin",
        &facts,
        &[
            (chrome, "google-chrome", "130.0.6723.58", None),
            (Scheme::Windows, "windows-11", "10.0.26200.2314", Some("25H2")),
        ],
    );
    let linux = |id, os, scheme, title, version| {
        let facts =
            [("device.platform", "linux"), ("device.os", os), ("device.kind", "server"), ("device.tags", "rest")];
        device(id, "UTC", &facts, &[(scheme, title, version, None)])
    };
    vec![
        mac("mac-1", "Europe/Berlin", "canary"),
        mac("mac-2", "America/New_York", "rest"),
        windows,
        linux("deb-1", "debian", dpkg, "deb/openssl", "3.0.1-1"),
        linux("rpm-1", "fedora", rpm, "rpm/openssl", "3.0.1-1"),
    ]
}

fn release(
    scheme: Scheme,
    title: &str,
    branch: Option<&str>,
    version: &str,
    published: &str,
    security: bool,
) -> Release {
    Release {
        title: TitleId::new(title),
        branch: branch.map(BranchName::new),
        version: Version::parse(scheme, version).unwrap(),
        published: published.parse().unwrap(),
        security,
    }
}

/// What is published: macOS 26.1, Chrome 131, OpenSSL 3.0.2. Chrome 130 is exploited.
pub fn world() -> World {
    let (apple, chrome, dpkg, rpm) = (Scheme::Apple, Scheme::Chrome, Scheme::Dpkg, Scheme::Rpm);
    let releases = vec![
        release(apple, "macos", Some("26"), "26.0", "2026-09-15T17:00:00Z", false),
        release(apple, "macos", Some("26"), "26.1", "2026-11-16T17:00:00Z", false),
        release(chrome, "google-chrome", None, "130.0.6723.58", "2026-10-15T00:00:00Z", false),
        release(chrome, "google-chrome", None, "131.0.6778.70", "2026-11-16T00:00:00Z", false),
        release(Scheme::Windows, "windows-11", Some("25H2"), "10.0.26200.2314", "2026-10-14T17:00:00Z", false),
        release(Scheme::Windows, "windows-11", Some("25H2"), "10.0.26200.2605", "2026-11-10T17:00:00Z", false),
        release(dpkg, "deb/openssl", None, "3.0.1-1", "2026-01-01T00:00:00Z", true),
        release(dpkg, "deb/openssl", None, "3.0.2-1", "2026-11-16T00:00:00Z", true),
        release(rpm, "rpm/openssl", None, "3.0.1-1", "2026-01-01T00:00:00Z", true),
        release(rpm, "rpm/openssl", None, "3.0.2-1", "2026-11-16T00:00:00Z", true),
    ];
    let advisory = Advisory {
        id: "CVE-2026-1111".into(),
        title: "google-chrome".into(),
        upstream: None,
        affected: vec![VersionRange::parse(chrome, "<131.0.6778.70").unwrap()],
        known_at: "2026-11-16T00:00:00Z".parse().unwrap(),
        cvss: Some(8.8),
        epss: Some(0.2),
        kev: Some("2026-11-18T00:00:00Z".parse().unwrap()),
        ransomware: false,
        withdrawn: None,
        said_by: Vec::new(),
    };
    World::new(releases, vec![advisory])
}

/// What devices share, with a ring open for everything.
pub fn cohorts(repository: &Repository, devices: &[Device], ring: Option<&str>, now: Timestamp) -> Cohorts {
    let mut fleet = Fleet::new();
    fleet.extend(devices);
    let mut world = world();
    if let Some(ring) = ring {
        assert!(as_if_open(&mut world, repository, ring, now) > 0, "no rollout has a ring {ring}");
    }
    Cohorts::of_fleet(&fleet, repository, &world, now)
}

/// All targets for the company, with all rings open.
pub fn compiled(repository: &Repository) -> Compiled {
    let cohorts = cohorts(repository, &devices(), Some("rest"), now());
    compile(repository, &cohorts, &Offered::default(), &BTreeMap::new())
}

/// The objects of one target.
pub fn objects<'c>(compiled: &'c Compiled, target: &str) -> &'c BTreeMap<Identity, Object> {
    &compiled.targets.iter().find(|plan| plan.name == target).unwrap().desired.objects
}

/// What would be found after everything was written.
pub fn written(compiled: &Compiled) -> BTreeMap<SmolStr, BTreeMap<Identity, Observed>> {
    let of = |objects: &BTreeMap<Identity, Object>| {
        objects.iter().map(|(id, object)| (id.clone(), Observed { fields: object.fields.clone() })).collect()
    };
    compiled.targets.iter().map(|plan| (plan.name.clone(), of(&plan.desired.objects))).collect()
}

/// `hours` after the company's now.
pub fn later(hours: i64) -> Timestamp {
    now() + SignedDuration::from_hours(hours)
}
