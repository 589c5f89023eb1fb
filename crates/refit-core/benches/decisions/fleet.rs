//! A fleet as an organisation has it, made up but the same on every run.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::{
    facts::{Fact, FieldRef, Value},
    policy::{
        diagnostic::{Files, Severity},
        document::test::GateAnswer,
        load::load,
        repository::Repository,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
    world::{Absence, Device, Evidence, GateFinding, GateState, Install, RolloutState, World},
};
use refit_model::{Advisory, DeviceId, Offer, Release, TitleId, Version, VersionRange};
use std::{collections::BTreeMap, error::Error};

const POLICIES: &str = include_str!("acme.yaml");

/// How many titles a device has: 80 applications, 120 packages of the distribution.
const TITLES: usize = 200;
const APPLICATIONS: usize = 80;

const DEPARTMENTS: [&str; 8] = ["IT", "Engineering", "Finance", "Sales", "Legal", "Support", "People", "Operations"];
const ZONES: [&str; 5] = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Europe/London", "America/Sao_Paulo"];

/// Everything that decisions read.
pub struct Fleet {
    pub repository: Repository,
    pub world: World,
    pub devices: Vec<Device>,
    pub now: Timestamp,
}

impl Fleet {
    /// A fleet of so many devices.
    pub fn new(devices: usize) -> Result<Fleet, Box<dyn Error>> {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse()?;
        let repository = repository()?;
        let titles: Vec<TitleId> = (0..TITLES).map(title).collect();
        let mut releases: Vec<Vec<Release>> = Vec::new();
        for (index, title) in titles.iter().enumerate() {
            releases.push(releases_of(&repository, index, title, now)?);
        }
        let mut world = World::new(releases.concat(), advisories(&titles, &releases, now)?);
        rollouts(&mut world, &titles, &releases, now);
        world.applied.all = Some("2026-01-01T00:00:00Z".parse()?);
        let devices = (0..devices).map(|index| device(index, &titles, &releases, now)).collect::<Result<_, _>>()?;
        Ok(Fleet { repository, world, devices, now })
    }
}

fn repository() -> Result<Repository, Box<dyn Error>> {
    let limits = Limits::default();
    let mut files = Files::default();
    let applications = (0..APPLICATIONS).map(|index| format!("title: {0}\nname: {0}\n---\n", title(index)));
    let text = applications.chain([POLICIES.to_owned()]).collect::<String>();
    files.add("acme.yaml", text.as_bytes(), &limits).map_err(|found| found.message.clone())?;
    let (documents, mut found) = load(&files, &limits);
    let (repository, more) = resolve(&documents, &files, &Titles::default());
    found.extend(more);
    match found.into_iter().find(|found| found.severity == Severity::Error) {
        Some(error) => Err(format!("acme.yaml: {}: {}", error.message, error.label).into()),
        None => Ok(repository),
    }
}

fn title(index: usize) -> TitleId {
    TitleId::new(match index {
        0..APPLICATIONS => format!("app-{index}"),
        // Every third is a library, so that patterns such as `deb/lib*` select some and not others.
        _ if index.is_multiple_of(3) => format!("deb/lib{index}"),
        _ => format!("deb/tool{index}"),
    })
}

/// A number that looks random and is always the same (SplitMix64).
fn scattered(seed: usize) -> usize {
    let mut z = (seed as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) as usize
}

fn ago(now: Timestamp, hours: usize) -> Timestamp {
    now - SignedDuration::from_hours(i64::try_from(hours).unwrap_or_default())
}

/// 3 to 20 releases, one every few days or weeks, the newest some hours to weeks old.
fn releases_of(
    repository: &Repository,
    index: usize,
    title: &TitleId,
    now: Timestamp,
) -> Result<Vec<Release>, Box<dyn Error>> {
    let count = 3 + scattered(index) % 18;
    let apart = 48 + scattered(index + 1_000) % 500;
    let newest = 5 + scattered(index + 2_000) % 480;
    let scheme = repository.scheme(title);
    let mut releases = Vec::new();
    for number in 0..count {
        let version = match title.package() {
            Some(_) => format!("1:2.{number}.1-3+deb12u{number}"),
            None => format!("{}.0.{}.{}", 100 + number, 6000 + number * 17, number * 3),
        };
        releases.push(Release {
            title: title.clone(),
            branch: None,
            version: Version::parse(scheme, &version)?,
            published: ago(now, newest + apart * (count - 1 - number)),
            security: title.package().is_some() && (number + index).is_multiple_of(2),
        });
    }
    Ok(releases)
}

/// Advisories for a tenth of the titles: three each, fixed in one of the newest releases.
fn advisories(titles: &[TitleId], releases: &[Vec<Release>], now: Timestamp) -> Result<Vec<Advisory>, Box<dyn Error>> {
    let mut advisories = Vec::new();
    for (index, (title, releases)) in titles.iter().zip(releases).enumerate().filter(|(index, _)| index % 10 == 3) {
        for number in 0..3 {
            let fixed = &releases[releases.len() - 1 - number % 2];
            let seed = scattered(index * 10 + number);
            advisories.push(Advisory {
                id: format!("CVE-2026-{}", 1000 + index * 10 + number).as_str().into(),
                title: title.clone(),
                upstream: None,
                affected: vec![VersionRange::parse(fixed.version.scheme(), &format!("<{}", fixed.version))?],
                known_at: ago(now, 24 + seed % 600),
                cvss: (!seed.is_multiple_of(5)).then_some((seed % 100) as f64 / 10.0),
                epss: (!seed.is_multiple_of(7)).then_some((seed % 1000) as f64 / 1000.0),
                kev: seed.is_multiple_of(4).then_some(ago(now, seed % 24)),
                ransomware: seed.is_multiple_of(8),
                withdrawn: None,
                said_by: Vec::new(),
            });
        }
    }
    Ok(advisories)
}

/// Older releases are open everywhere, the newest but one in the first rings, and the newest in the first only.
fn rollouts(world: &mut World, titles: &[TitleId], releases: &[Vec<Release>], now: Timestamp) {
    for (index, (title, releases)) in titles.iter().zip(releases).enumerate() {
        let (mut states, mut gates) = (Vec::new(), Vec::new());
        for (rollout, rings) in [("standard", &["canary", "early", "broad", "rest"][..]), ("fast", &["canary", "rest"])]
        {
            for (behind, release) in releases.iter().rev().enumerate().take(4) {
                let open = (behind + 1 + index % 2).min(rings.len());
                states.push(RolloutState {
                    releases: None,
                    rollout: rollout.into(),
                    platform: None,
                    version: release.version.clone(),
                    open: rings[..open].iter().map(|ring| (*ring).into()).collect(),
                    members: BTreeMap::new(),
                });
            }
        }
        for (behind, release) in releases.iter().rev().enumerate().take(3) {
            let finding = match (behind, index % 17) {
                (0, 5) => GateFinding::Answered(GateAnswer::Halt),
                (0, _) => GateFinding::Evidence(Evidence {
                    first_result: Some(ago(now, 30)),
                    devices: 40,
                    reported: 31,
                    failed: 0,
                    ..Evidence::default()
                }),
                _ => GateFinding::Answered(GateAnswer::Pass),
            };
            gates.push(GateState {
                version: release.version.clone(),
                rollout: None,
                after: "canary".into(),
                platform: (index.is_multiple_of(3)).then(|| "linux".into()),
                finding,
                notes: None,
            });
        }
        world.rollouts.insert(title.clone(), states);
        world.gates.insert(title.clone(), gates);
    }
}

/// A device with all titles, 40 % of them outdated, and facts from two sources.
fn device(
    index: usize,
    titles: &[TitleId],
    releases: &[Vec<Release>],
    now: Timestamp,
) -> Result<Device, Box<dyn Error>> {
    let seed = scattered(index + 50_000);
    let mut device = Device::new(DeviceId::new(format!("device-{index:04}")), ago(now, seed % 20));
    device.timezone = Some(TimeZone::get(ZONES[seed % ZONES.len()])?);
    device.enrolled = Some(ago(now, 24 * (30 + seed % 700)));
    facts(&mut device, index, now);
    for (number, (title, releases)) in titles.iter().zip(releases).enumerate() {
        let seed = scattered(index * 1_000 + number);
        let back = if seed % 10 < 4 { 1 + seed % 3 } else { 0 };
        let release = &releases[releases.len() - 1 - back.min(releases.len() - 1)];
        device.installs.push(Install {
            title: title.clone(),
            branch: None,
            profile: None,
            version: release.version.clone(),
            since: Some(ago(now, seed % 2_000)),
        });
        if seed.is_multiple_of(12) {
            let offers = releases.iter().map(|release| {
                let later = release.published + SignedDuration::from_hours(6);
                (release.version.clone(), Offer::Since(later))
            });
            device.offers.insert(title.clone(), offers.collect());
        }
    }
    if index.is_multiple_of(5) {
        let used = SignedDuration::from_hours(10);
        device.absences.push(Absence { away: ago(now, 24 * 12), back: ago(now, 30), used });
    }
    Ok(device)
}

fn facts(device: &mut Device, index: usize, now: Timestamp) {
    let text = |value: &str| Value::Text(value.into());
    let kind = ["laptop", "laptop", "desktop", "server", "laptop", "vm"][index % 6];
    let tags: &[&str] = match index % 10 {
        0 => &["canary", "lab"],
        3 => &["kiosk"],
        _ => &[],
    };
    let agent = [
        ("id", text(device.id.as_str())),
        ("hostname", text(&format!("host-{index}"))),
        ("platform", text("linux")),
        ("os", text("debian")),
        ("arch", text("amd64")),
        ("codename", text("bookworm")),
        ("kind", text(kind)),
        ("site", text(["Berlin", "Boston", "Osaka"][index % 3])),
        ("country", text(["DE", "US", "JP"][index % 3])),
        ("tags", Value::List(tags.iter().map(|tag| (*tag).into()).collect())),
        ("seen", Value::Time(device.seen)),
    ];
    for (name, value) in agent {
        let observed = Some(device.seen);
        device.facts.insert(FieldRef::device(name), Fact { value, source: Some("agent".into()), observed });
    }
    for source in ["workday", "okta"] {
        let department = DEPARTMENTS[index % DEPARTMENTS.len()];
        let people = [("department", text(department)), ("title", text("Analyst"))];
        // Every seventh device has nobody of whom that is known: its answers are provisional.
        for (name, value) in people.into_iter().filter(|_| index % 7 != 6) {
            let fact = Fact { value, source: Some(source.into()), observed: Some(ago(now, 6)) };
            device.facts.insert(FieldRef::person(name), fact);
        }
    }
}
