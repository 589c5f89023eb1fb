//! Fixtures, devices, and what is decided for them.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use refit_core::{
    decide::{Compliance, Decision, Goal, decide_title},
    facts::{Fact, Value},
    policy::{
        check::{CheckWorld, check},
        diagnostic::{Files, Severity, render},
        load::load,
        repository::Repository,
        resolve::{Titles, resolve, resolve_titles},
        syntax::Limits,
    },
    world::{Device, Install, World},
};
use refit_model::{BranchName, DeviceId, Release, Scheme, TitleId, Version};
use refit_targets::import::{File, Imported};
use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// How many devices are asked.
pub const DEVICES: u64 = 200;

/// Wednesday, 25 November 2026.
pub fn now() -> Timestamp {
    "2026-11-25T09:00:00Z".parse().unwrap()
}

pub fn today() -> Date {
    "2026-11-25".parse().unwrap()
}

fn manifest_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

pub fn fixture(name: &str) -> PathBuf {
    manifest_dir().join("tests/import/fixtures").join(name)
}

/// All files below a folder, in the order of their names, with paths below it.
pub fn files(folder: &str) -> Vec<File> {
    let root = fixture(folder);
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            files.push(File { path: name, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
    files.sort();
    files
}

pub fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

/// The titles of the catalog, read once.
pub fn catalog() -> Titles {
    static CATALOG: LazyLock<Titles> = LazyLock::new(|| {
        let mut files = Files::default();
        let mut open = vec![manifest_dir().join("../../catalog")];
        let mut paths = Vec::new();
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|ending| ending == "yaml") {
                    paths.push(path);
                }
            }
        }
        paths.sort();
        for path in paths {
            files.add(path.display().to_string(), &std::fs::read(&path).unwrap(), &Limits::default()).unwrap();
        }
        let (documents, _) = load(&files, &Limits::default());
        resolve_titles(&documents, &files).0
    });
    CATALOG.clone()
}

/// The repository that was imported. `refit check` has to find it in order: no error and no warning, but what is expected.
pub fn repository(imported: &Imported, expected: &[&str]) -> Repository {
    let yaml = imported.yaml(Some("acme")).replacen(
        "organization: acme\n",
        "organization: acme\ndefaults: { mode: enforce }\n",
        1,
    );
    let mut files = Files::default();
    files.add("imported.yaml".to_owned(), yaml.as_bytes(), &Limits::default()).unwrap();
    let (documents, mut found) = load(&files, &Limits::default());
    let (repository, more) = resolve(&documents, &files, &catalog());
    found.extend(more);
    found.extend(check(&documents, &files, &repository, &CheckWorld::default(), now()));
    let wrong: String = found
        .iter()
        .filter(|it| it.severity != Severity::Note && !expected.contains(&it.code))
        .map(|it| render(it, &files))
        .collect();
    assert!(wrong.is_empty(), "{wrong}\n{yaml}");
    repository
}

/// What is left out, each as one line.
pub fn left_out(imported: &Imported) -> Vec<String> {
    imported.left_out.iter().map(|it| format!("{} | {}", it.object, it.field)).collect()
}

/// What is said of a title on a device: where it has to go, and by when. `None` is that it stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The version; `None` is that it goes.
    pub version: Option<String>,
    /// When it is due.
    pub due: Option<Timestamp>,
}

/// The answer of the plain decision.
pub fn decided(repository: &Repository, world: &World, device: &Device, title: &str, now: Timestamp) -> Option<Answer> {
    let decisions = decide_title(repository, world, device, &TitleId::new(title), now);
    assert_eq!(decisions.len(), 1, "{title} has one slot");
    let decision = decisions.first().unwrap();
    let stays =
        matches!(decision.compliance, Compliance::Compliant | Compliance::NotApplicable | Compliance::Unmanaged);
    if stays {
        return None;
    }
    assert!(matches!(decision.compliance, Compliance::Due | Compliance::Overdue), "{title}: {decision:?}");
    Some(Answer { version: version(decision), due: decision.due })
}

fn version(decision: &Decision) -> Option<String> {
    match decision.goal.as_ref().expect("it has to go somewhere") {
        Goal::Release { version, .. } => Some(version.as_str().to_owned()),
        Goal::Absent => None,
    }
}

/// A device that has been there for long, with facts as texts.
pub fn device(id: &str, zone: &TimeZone, facts: &[(&str, &str)], lists: &[(&str, &[String])]) -> Device {
    let mut device = Device::new(DeviceId::new(id), now());
    device.timezone = Some(zone.clone());
    device.enrolled = Some("2024-01-01T00:00:00Z".parse().unwrap());
    for (field, value) in facts {
        let value = match *field {
            "device.os_version" => Value::Version(Version::parse(Scheme::Generic, value).unwrap()),
            _ => Value::text(value),
        };
        device.facts.insert(field.parse().unwrap(), Fact { value, source: None, observed: None });
    }
    for (field, values) in lists {
        let value = Value::list(values.iter());
        device.facts.insert(field.parse().unwrap(), Fact { value, source: None, observed: None });
    }
    device
}

pub fn install(title: &str, scheme: Scheme, branch: Option<&str>, version: &str) -> Install {
    Install {
        title: TitleId::new(title),
        branch: branch.map(BranchName::new),
        profile: None,
        version: Version::parse(scheme, version).unwrap(),
        since: Some("2024-06-01T00:00:00Z".parse().unwrap()),
    }
}

pub fn release(
    title: &str,
    scheme: Scheme,
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

/// Zones around the world, some with daylight saving.
pub fn zones() -> Vec<TimeZone> {
    let names = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"];
    names.into_iter().map(|name| TimeZone::get(name).unwrap()).collect()
}
