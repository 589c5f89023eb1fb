//! A hundred policies over four hundred titles, twenty of them with conditions on people, tags and exposures; and rollouts that are under
//! way.

use jiff::Timestamp;
use refit_core::{
    policy::{
        diagnostic::{Files, Severity},
        document::test::GateAnswer,
        load::load,
        repository::Repository,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
    world::{Evidence, GateFinding, GateState, RolloutState, World},
};
use refit_worlds::{Kind, Synthetic, Title};
use std::{collections::BTreeMap, error::Error, fmt::Write as _};

/// Applications and packages that policies name.
const APPLICATIONS: usize = 340;
const PACKAGES: usize = 30;
/// Policies that name titles, four each, and that have no condition.
const PLAIN: usize = 80;

const ORGANISATION: &str = r#"
organization: acme
authority:
  person.department: [workday, okta]
  device.tags: [assets, mdm]
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: 'person.department == "IT" || "canary" in device.tags', soak: 1d }
      - { name: early, share: 10%, soak: 2d }
      - { name: broad, share: 50%, soak: 2d }
      - { name: rest }
  fast:
    gate: default
    rings:
      - { name: canary, where: 'person.department == "IT"', soak: 2h }
      - { name: rest }
  careful:
    gate: default
    rings:
      - { name: lab, where: '"lab" in device.tags', soak: 1d }
      - { name: pilot, where: '"pilot" in device.tags && !person.vip', soak: 2d }
      - { name: quarter, share: 25%, soak: 3d }
      - { name: rest }
gates:
  default: { failure_rate: 2%, confidence: 95%, enough: 90% }
windows:
  overnight: { rrule: "FREQ=DAILY;BYHOUR=19", lasts: 10h }
  weekend: { rrule: "FREQ=WEEKLY;BYDAY=SA;BYHOUR=2", lasts: 6h }
freezes:
  - { name: quarter close, from: 2026-12-28, to: 2027-01-05, where: person.department == "Finance", unless: exposure.kev }
  - { name: fair in Tokyo, from: 2026-11-20, to: 2026-11-25, where: device.site == "Tokyo", unless: exposure.kev || exposure.cvss >= 9.0 }
exceptions: { longest: 90d }
defaults: { mode: enforce }
"#;

/// The conditions of the policies that have one.
const CONDITIONS: [&str; 20] = [
    r#"person.department == "Finance""#,
    r#"person.department in ["Engineering", "IT"]"#,
    r#""kiosk" in device.tags"#,
    r#""developer" in device.tags && device.platform == "macos""#,
    r#"person.vip"#,
    r#"person.employment == "contractor""#,
    r#"device.country in ["DE", "FR", "ES", "PL"] && person.department != "IT""#,
    r#"device.kind == "server""#,
    r#""lab" in device.tags || "pilot" in device.tags"#,
    r#"person.department == "Legal" && !("canary" in device.tags)"#,
    r#"device.platform == "windows" && device.manufacturer == "Dell""#,
    r#"device.site == "Tokyo" || device.site == "Singapore""#,
    r#"person.department == "Sales" && device.platform == "windows""#,
    r#"device.kind in ["vm", "server"] && device.os == "debian""#,
    r#"device.country == "US" && person.employment == "active""#,
    r#"person.department == "People""#,
    r#"person.department == "Operations" || person.department == "Support""#,
    r#"device.platform == "linux" && device.site == "Berlin""#,
    r#"person.employment == "leave""#,
    r#"has(person.department)"#,
];

const EXPOSED: [&str; 5] = [
    "exposure.kev",
    "exposure.cvss >= 9.0 || exposure.epss >= 0.5",
    "exposure.kev && exposure.ransomware",
    "exposure.cvss >= 7.0 && device.kind == \"server\"",
    "exposure.epss >= 0.2 && !person.vip",
];

/// The titles that policies speak of.
pub fn managed(synthetic: &Synthetic) -> Vec<&Title> {
    let of = |kind: Kind, most: usize| synthetic.titles().filter(move |title| title.kind == kind).take(most);
    of(Kind::Application, APPLICATIONS).chain(of(Kind::Deb, PACKAGES)).chain(of(Kind::Rpm, PACKAGES)).collect()
}

/// The policy repository.
pub fn repository(synthetic: &Synthetic) -> Result<Repository, Box<dyn Error>> {
    let titles = managed(synthetic);
    let mut text = String::new();
    for title in titles.iter().filter(|title| title.kind == Kind::Application) {
        let scheme = title.releases.first().map_or("generic", |release| release.version.scheme().name());
        write!(text, "title: \"{0}\"\nname: \"{0}\"\nscheme: {scheme}\n---\n", title.id)?;
    }
    text += ORGANISATION;
    let each = titles.len().div_ceil(PLAIN);
    for (number, titles) in titles.chunks(each).enumerate() {
        let names: Vec<String> = titles.iter().map(|title| format!("{:?}", title.id.as_str())).collect();
        let exposed = EXPOSED[number % EXPOSED.len()];
        let rollout = ["standard", "fast", "careful"][number % 3];
        let window = if number % 2 == 0 { "window: overnight\n" } else { "" };
        write!(
            text,
            "---\npolicy: plain {number}\nsoftware: [{}]\nmin_age: {}d\nrollout: {rollout}\n{window}deadline:\n  - \
             {{ if: exposure.kev, within: 2d, min_age: 0h, rollout: fast, at_due: proceed }}\n  - {{ if: '{exposed}', within: {}d }}\n  - \
             {{ within: {}d }}\n",
            names.join(", "),
            number % 4,
            5 + number % 5,
            14 + number % 30
        )?;
    }
    for (number, condition) in CONDITIONS.iter().enumerate() {
        // Each speaks of a fifth of the titles, and those of one fifth have different ranks.
        let spoken = titles.iter().skip(number % 5).step_by(5);
        let names: Vec<String> = spoken.map(|title| format!("{:?}", title.id.as_str())).collect();
        write!(
            text,
            "---\npolicy: special {number}\npriority: {}\nwhere: '{condition}'\nsoftware: [{}]\nrollout: {}\ndeadline:\n  - \
             {{ if: '{}', within: {}d, at_due: proceed }}\n  - {{ within: {}d }}\n",
            10 + number,
            names.join(", "),
            ["careful", "standard"][number % 2],
            EXPOSED[(number + 2) % EXPOSED.len()],
            1 + number % 3,
            7 + number
        )?;
    }
    text += "---\nexception: finance month end\nsoftware: [microsoft-office, zoom]\nwhere: person.department == \"Finance\"\n\
             due: 2026-12-10T18:00:00\nuntil: 2026-12-15\nwhy: The month-end close runs on these.\n\
             ---\nblock: not in Tokyo\ntitle: slack\nreleases: \">=1\"\nwhere: device.site == \"Tokyo\"\nuntil: 2026-12-24\nwhy: The proxy there does not know it.\n";
    let limits = Limits::default();
    let mut files = Files::default();
    files.add("acme.yaml", text.as_bytes(), &limits).map_err(|found| found.message.clone())?;
    let (documents, mut found) = load(&files, &limits);
    let (repository, more) = resolve(&documents, &files, &Titles::default());
    found.extend(more);
    match found.into_iter().find(|found| found.severity == Severity::Error) {
        Some(error) => Err(format!("acme.yaml: {}: {}", error.message, error.label).into()),
        None => Ok(repository),
    }
}

/// Puts the newest releases of managed titles on their way: the older, the further.
pub fn introduce(world: &mut World, synthetic: &Synthetic, now: Timestamp) {
    for (index, title) in managed(synthetic).into_iter().enumerate() {
        let (mut states, mut gates) = (Vec::new(), Vec::new());
        for (rollout, rings) in [
            ("standard", &["canary", "early", "broad", "rest"][..]),
            ("fast", &["canary", "rest"]),
            ("careful", &["lab", "pilot", "quarter", "rest"]),
        ] {
            for (behind, release) in title.releases.iter().rev().enumerate() {
                let open = (behind * 2 + index % 3).min(rings.len());
                states.push(RolloutState {
                    rollout: rollout.into(),
                    releases: None,
                    version: release.version.clone(),
                    platform: None,
                    open: rings[..open].iter().map(|ring| (*ring).into()).collect(),
                    members: BTreeMap::new(),
                });
            }
        }
        for (behind, release) in title.releases.iter().rev().enumerate().take(2) {
            let finding = match (behind, index % 29) {
                (0, 7) => GateFinding::Answered(GateAnswer::Halt),
                (0, _) => GateFinding::Evidence(Evidence {
                    first_result: Some(now - jiff::SignedDuration::from_hours(30)),
                    devices: 400,
                    reported: 310,
                    failed: 0,
                    ..Evidence::default()
                }),
                _ => GateFinding::Answered(GateAnswer::Pass),
            };
            gates.push(GateState {
                version: release.version.clone(),
                rollout: None,
                after: "canary".into(),
                platform: None,
                finding,
                notes: None,
            });
        }
        world.rollouts.insert(title.id.clone(), states);
        world.gates.insert(title.id.clone(), gates);
    }
}
