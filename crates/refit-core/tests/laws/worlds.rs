//! Small worlds at random: one title with one to three branches, its releases and advisories, a policy or two, one device.
//!
//! A world is plain data first ([`Spec`]), so that a law can change one thing in it; [`Spec::built`] makes documents of it, reads
//! them, and builds the world through the public interfaces.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use refit_core::{
    decide::{Decision, decide},
    facts::{Fact, FieldRef, Value},
    policy::{
        diagnostic::{Files, SourceFile},
        document::test::GateAnswer,
        load::load,
        repository::Repository,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
    world::{Absence, Applied, Device, GateFinding, GateState, Install, RolloutState, SlotKey, World},
};
use refit_model::{Advisory, AdvisoryId, BranchName, DeviceId, Offer, Release, Scheme, TitleId, Version, VersionRange};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// The moment of every decision, in hours from which the other times are counted back.
pub fn now() -> Timestamp {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

pub fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

pub const TITLE: &str = "firefox";
pub const CONDITIONS: [&str; 6] = [
    "exposure.kev",
    "exposure.cvss >= 9.0",
    "exposure.cvss >= 7.0 || exposure.epss >= 0.5",
    "exposure.kev && exposure.cvss >= 7.0",
    "since(exposure.known_at) >= duration(\"5d\")",
    "exposure.epss >= 0.5 && since(exposure.known_at) < duration(\"9d\")",
];

#[derive(Clone, Debug)]
pub struct Rel {
    pub branch: u32,
    pub number: u32,
    pub published: i64,
    /// `None` is from the publication; else so many hours later, or never.
    pub offered: Option<Option<i64>>,
    /// How many of the two rings are open.
    pub open: usize,
    pub gate: Option<GateAnswer>,
}

#[derive(Clone, Debug)]
pub struct Adv {
    pub id: u32,
    pub fixed: (u32, u32),
    pub known: i64,
    pub cvss: Option<f64>,
    pub epss: Option<f64>,
    pub kev: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub condition: Option<usize>,
    pub within: i64,
    pub min_age: Option<i64>,
    pub rollout: Option<&'static str>,
    pub at_due: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Spec {
    pub releases: Vec<Rel>,
    pub advisories: Vec<Adv>,
    /// Advisory, condition, hours ago.
    pub latches: Vec<(u32, usize, i64)>,
    pub deadline: Vec<Entry>,
    /// The end of the support of branches, in days from today.
    pub ends: BTreeMap<u32, i64>,
    pub target: Json,
    pub accept: Option<Json>,
    pub presence: &'static str,
    pub allow_downgrade: bool,
    pub min_age: i64,
    pub rollout: Option<&'static str>,
    pub phase_in: Option<i64>,
    pub window: Option<&'static str>,
    pub applied: Option<i64>,
    /// A second policy: its priority, its department, its `within` in hours.
    pub rival: Option<(i64, &'static str, i64)>,
    pub exception: Option<Json>,
    pub freeze: bool,
    pub block: Option<(u32, u32)>,
    pub installed: Option<(u32, u32)>,
    pub since: Option<i64>,
    pub enrolled: Option<i64>,
    pub spell: Option<i64>,
    pub seen: i64,
    pub department: Option<&'static str>,
    pub canary: Option<bool>,
    pub absence: Option<(i64, i64, i64)>,
    pub admitted_before: Option<(u32, u32)>,
}

/// A world as decisions read it.
pub struct Built {
    pub repository: Repository,
    pub world: World,
    pub device: Device,
}

impl Built {
    pub fn decide(&self) -> Vec<Decision> {
        decide(&self.repository, &self.world, &self.device, now())
    }
}

/// The decision about the title's only slot.
pub fn decision(spec: &Spec) -> Decision {
    decision_under(&spec.built().repository, spec)
}

/// The same under a repository that is read already.
pub fn decision_under(repository: &Repository, spec: &Spec) -> Decision {
    let mut decisions = decide(repository, &spec.world(), &spec.device(), now());
    assert_eq!(decisions.len(), 1);
    decisions.remove(0)
}

fn day(from_today: i64) -> String {
    ago(-24 * from_today).strftime("%Y-%m-%d").to_string()
}

fn text(version: (u32, u32)) -> String {
    format!("{}.{}", version.0, version.1)
}

pub fn version(version: (u32, u32)) -> Version {
    Version::parse(Scheme::Generic, &text(version)).unwrap()
}

fn title() -> TitleId {
    TitleId::new(TITLE)
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

impl Spec {
    pub fn documents(&self) -> Vec<Json> {
        let branches: Vec<Json> = self
            .ends
            .iter()
            .map(|(branch, end)| json!({ "name": branch.to_string(), "supported_until": day(*end) }))
            .collect();
        let rings = |canary: &str| json!({ "rings": [{ "name": "canary", "where": canary }, { "name": "rest" }] });
        let mut organization = json!({
            "organization": "acme",
            "rollouts": { "standard": rings("\"canary\" in device.tags"), "fast": rings("person.department == \"IT\"") },
            "windows": { "overnight": { "rrule": "FREQ=DAILY;BYHOUR=19", "lasts": "10h" }, "morning": { "rrule": "FREQ=DAILY;BYHOUR=8", "lasts": "2h" } },
        });
        if self.freeze {
            let freeze = json!([{ "name": "close", "from": day(-1), "to": day(1), "where": "person.department == \"Finance\"", "unless": "exposure.kev" }]);
            organization["freezes"] = freeze;
        }
        let entry = |entry: &Entry| {
            let mut document = json!({ "within": format!("{}h", entry.within) });
            if let Some(condition) = entry.condition {
                document["if"] = json!(CONDITIONS[condition]);
            }
            if let Some(age) = entry.min_age {
                document["min_age"] = json!(format!("{age}h"));
            }
            if let Some(rollout) = entry.rollout {
                document["rollout"] = json!(rollout);
            }
            if let Some(at_due) = entry.at_due {
                document["at_due"] = json!(at_due);
            }
            document
        };
        let deadline: Vec<Json> = self.deadline.iter().map(entry).collect();
        let mut policy = json!({
            "policy": "browsers", "software": [TITLE], "presence": self.presence, "target": self.target,
            "allow_downgrade": self.allow_downgrade, "min_age": format!("{}h", self.min_age), "deadline": deadline,
        });
        if let Some(accept) = &self.accept {
            policy["accept"] = accept.clone();
        }
        if let Some(rollout) = self.rollout {
            policy["rollout"] = json!(rollout);
        }
        if let Some(phase_in) = self.phase_in {
            policy["phase_in"] = json!(format!("{phase_in}h"));
        }
        if let Some(window) = self.window {
            policy["window"] = json!(window);
        }
        let mut documents =
            vec![organization, json!({ "title": TITLE, "scheme": "generic", "branches": branches }), policy];
        if let Some((priority, department, within)) = self.rival {
            documents.push(json!({
                "policy": "rival", "priority": priority, "software": [TITLE], "deadline": [{ "within": format!("{within}h") }],
                "where": format!("person.department == \"{department}\""),
            }));
        }
        if let Some(blocked) = self.block {
            documents.push(json!({ "block": "crash", "title": TITLE, "releases": format!("={}", text(blocked)) }));
        }
        // The last, so that a world without it has the same files.
        documents.extend(self.exception.clone());
        documents
    }

    pub fn repository(&self, documents: Vec<(usize, Json)>) -> Repository {
        let file = |(name, document): (usize, Json)| SourceFile {
            path: format!("{name}.yaml"),
            text: serde_json::to_string_pretty(&document).unwrap(),
        };
        let files = Files(documents.into_iter().map(file).collect());
        let (documents, found) = load(&files, &Limits::default());
        assert!(found.is_empty(), "{found:?}");
        let (repository, found) = resolve(&documents, &files, &Titles::default());
        assert!(found.is_empty(), "{found:?}");
        repository
    }

    pub fn built(&self) -> Built {
        let documents = self.documents().into_iter().enumerate().collect();
        Built { repository: self.repository(documents), world: self.world(), device: self.device() }
    }

    pub fn world(&self) -> World {
        let release = |release: &Rel| Release {
            title: title(),
            branch: Some(BranchName::new(release.branch.to_string())),
            version: version((release.branch, release.number)),
            published: ago(release.published),
            security: false,
        };
        let advisory = |advisory: &Adv| Advisory {
            id: AdvisoryId::new(format!("CVE-2026-{}", advisory.id)),
            title: title(),
            upstream: None,
            affected: vec![VersionRange::parse(Scheme::Generic, &format!("<{}", text(advisory.fixed))).unwrap()],
            known_at: ago(advisory.known),
            cvss: advisory.cvss,
            epss: advisory.epss,
            kev: advisory.kev.map(ago),
            ransomware: false,
            withdrawn: None,
            said_by: Vec::new(),
        };
        let mut world =
            World::new(self.releases.iter().map(release).collect(), self.advisories.iter().map(advisory).collect());
        let rings = ["canary", "rest"];
        for release in &self.releases {
            let version = version((release.branch, release.number));
            if release.open > 0 {
                world.rollouts.entry(title()).or_default().push(RolloutState {
                    releases: None,
                    rollout: "standard".into(),
                    platform: None,
                    version: version.clone(),
                    open: rings[..release.open].iter().map(|ring| (*ring).into()).collect(),
                    members: BTreeMap::new(),
                });
            }
            if let Some(answer) = release.gate {
                world.gates.entry(title()).or_default().push(GateState {
                    version,
                    rollout: None,
                    after: "canary".into(),
                    platform: None,
                    finding: GateFinding::Answered(answer),
                    notes: None,
                });
            }
        }
        for (advisory, condition, at) in &self.latches {
            let key = (AdvisoryId::new(format!("CVE-2026-{advisory}")), CONDITIONS[*condition].into());
            let since = world.latches.entry(key).or_insert(ago(*at));
            *since = ago(*at).min(*since);
        }
        world.applied = Applied { all: self.applied.map(ago), ..Applied::default() };
        world
    }

    pub fn device(&self) -> Device {
        let mut device = Device::new(DeviceId::new("d1"), ago(self.seen));
        device.enrolled = self.enrolled.map(ago);
        for fact in self.facts() {
            device.facts.insert(fact.0, fact.1);
        }
        device.installs.extend(self.installed.map(|installed| Install {
            title: title(),
            branch: Some(BranchName::new(installed.0.to_string())),
            profile: None,
            version: version(installed),
            since: self.since.map(ago),
        }));
        if let (Some(spell), Some(install)) = (self.spell, device.installs.first()) {
            device.spells.insert(install.slot(), ago(spell));
        }
        let offers = self.releases.iter().filter_map(|release| {
            let offer = match release.offered? {
                Some(later) => Offer::Since(ago(release.published - later)),
                None => Offer::Never,
            };
            Some((version((release.branch, release.number)), offer))
        });
        device.offers.insert(title(), offers.collect());
        device.absences.extend(self.absence.map(|(away, back, used)| Absence {
            away: ago(away),
            back: ago(back),
            used: hours(used),
        }));
        let slot = device.installs.first().map_or_else(|| SlotKey::of(title()), Install::slot);
        device.admitted_before.extend(self.admitted_before.map(|before| (slot, version(before))));
        device
    }

    pub fn facts(&self) -> Vec<(FieldRef, Fact)> {
        let fact = |value| Fact { value, source: None, observed: None };
        let mut facts = vec![(FieldRef::device("platform"), fact(Value::text("macos")))];
        if let Some(department) = self.department {
            facts.push((FieldRef::person("department"), fact(Value::text(department))));
        }
        if let Some(canary) = self.canary {
            let tags = if canary { vec!["canary".into()] } else { Vec::new() };
            facts.push((FieldRef::device("tags"), fact(Value::List(tags))));
        }
        facts
    }
}

fn rel() -> impl Strategy<Value = Rel> {
    let gate = prop_oneof![
        6 => Just(None),
        1 => Just(Some(GateAnswer::Halt)),
        1 => Just(Some(GateAnswer::Pass)),
    ];
    let offered =
        prop_oneof![6 => Just(None), 3 => (1..400i64).prop_map(|later| Some(Some(later))), 1 => Just(Some(None))];
    (1..=3u32, 1..=9u32, 0..1_000i64, offered, 0..=2usize, gate).prop_map(
        |(branch, number, published, offered, open, gate)| Rel { branch, number, published, offered, open, gate },
    )
}

fn adv() -> impl Strategy<Value = Adv> {
    let score = |values: &'static [f64]| proptest::option::weighted(0.8, proptest::sample::select(values));
    (
        (1..=3u32, 1..=9u32),
        0..900i64,
        score(&[5.0, 7.5, 9.8]),
        score(&[0.01, 0.6]),
        proptest::option::weighted(0.4, -50..900i64),
    )
        .prop_map(|(fixed, known, cvss, epss, kev)| Adv { id: 0, fixed, known, cvss, epss, kev })
}

fn entry() -> impl Strategy<Value = Entry> {
    let some = |values: &'static [i64]| proptest::option::weighted(0.3, proptest::sample::select(values));
    (
        proptest::option::weighted(0.6, 0..CONDITIONS.len()),
        24..700i64,
        some(&[0, 24, 100]),
        proptest::option::weighted(0.3, proptest::sample::select(&["standard", "fast"][..])),
        proptest::option::weighted(0.4, proptest::sample::select(&["ask", "proceed", "wait"][..])),
    )
        .prop_map(|(condition, within, min_age, rollout, at_due)| Entry {
            condition,
            within,
            min_age,
            rollout,
            at_due,
        })
}

fn target() -> impl Strategy<Value = Json> {
    prop_oneof![
        4 => Just(json!("latest")),
        1 => Just(json!("latest-1")),
        1 => (1..=3u32, 1..=9u32).prop_map(|from| json!(format!(">={}", text(from)))),
        1 => (1..=3u32, 1..=9u32).prop_map(|pin| json!(format!("={}", text(pin)))),
        1 => (1..=3u32).prop_map(|branch| json!({ "branch": branch.to_string() })),
        1 => proptest::sample::select(&["latest", "latest-1"][..]).prop_map(|back| json!({ "branch": back })),
    ]
}

fn accept() -> impl Strategy<Value = Option<Json>> {
    prop_oneof![
        5 => Just(None),
        1 => Just(Some(json!([">=0"]))),
        1 => Just(Some(json!(["latest-1"]))),
        1 => (1..=3u32, 1..=9u32).prop_map(|from| Some(json!([format!(">={}", text(from))]))),
        1 => (1..=3u32, 1..=9u32).prop_map(|from| {
            Some(json!([{ "branch": "latest", "release": format!(">={}", text(from)) }, { "branch": "latest-1" }]))
        }),
        1 => (-15..15i64).prop_map(|until| Some(json!([{ "branch": "latest" }, { "branch": "latest-1", "until": day(until) }]))),
        1 => (1..=3u32, -15..15i64).prop_map(|(branch, until)| {
            Some(json!([{ "branch": "3", "release": ">=0" }, { "branch": branch.to_string(), "release": ">=0", "until": day(until) }]))
        }),
    ]
}

fn exception() -> impl Strategy<Value = Option<Json>> {
    let exception =
        (-30..30i64, -30..30i64, any::<bool>(), any::<bool>()).prop_map(|(due, until, hold, everywhere)| {
            let mut exception = json!({ "exception": "fair", "software": [TITLE], "until": day(until) });
            exception["due"] = json!(ago(-24 * due).to_string());
            if hold {
                exception["hold_at"] = json!("<2.5");
            }
            if !everywhere {
                exception["where"] = json!("person.department == \"Finance\"");
            }
            Some(exception)
        });
    prop_oneof![2 => Just(None), 1 => exception]
}

fn maybe(range: std::ops::Range<i64>) -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(range)
}

/// Any world.
pub fn spec() -> impl Strategy<Value = Spec> {
    let outside = (
        proptest::collection::vec(rel(), 3..=8),
        proptest::collection::vec(adv(), 0..=4),
        proptest::collection::vec((0..4u32, 0..CONDITIONS.len(), 0..600i64), 0..=2),
        proptest::collection::btree_map(1..=2u32, -20..20i64, 0..=1),
        1..=3u32,
    );
    let policy = (
        proptest::collection::vec(entry(), 1..=3),
        (target(), accept(), prop_oneof![8 => Just("if_present"), 1 => Just("required"), 1 => Just("forbidden")]),
        (any::<bool>(), prop_oneof![Just(0i64), Just(48), Just(200)]),
        proptest::option::of(proptest::sample::select(&["standard", "fast"][..])),
        maybe(0..400),
        proptest::option::of(proptest::sample::select(&["overnight", "morning"][..])),
        maybe(0..900),
    );
    let others = (
        proptest::option::weighted(0.25, (0..=1i64, proptest::sample::select(&["Finance", "IT"][..]), 24..700i64)),
        exception(),
        proptest::bool::weighted(0.2),
        proptest::option::weighted(0.2, (1..=3u32, 1..=9u32)),
    );
    let device = (
        proptest::option::weighted(0.9, (1..=3u32, 0..=9u32)),
        (maybe(0..1_000), maybe(0..1_000), maybe(0..1_000)),
        prop_oneof![9 => 0..24i64, 1 => 300..400i64],
        proptest::option::weighted(0.8, proptest::sample::select(&["Finance", "IT", "Sales"][..])),
        proptest::option::weighted(0.8, any::<bool>()),
        proptest::option::weighted(0.3, (100..300i64, 0..100i64, 0..40i64)),
        proptest::option::weighted(0.3, (1..=3u32, 1..=9u32)),
    );
    (outside, policy, others, device).prop_map(|(outside, policy, others, device)| {
        let (mut releases, mut advisories, latches, ends, branches) = outside;
        let (deadline, (target, accept, presence), (allow_downgrade, min_age), rollout, phase_in, window, applied) =
            policy;
        let (rival, exception, freeze, block) = others;
        let (installed, (since, enrolled, spell), seen, department, canary, absence, admitted_before) = device;
        // A version is published once, and the numbers of a branch come in the order of their publication.
        let mut seen_versions = std::collections::BTreeSet::new();
        releases.iter_mut().for_each(|release| release.branch = (release.branch - 1) % branches + 1);
        releases.retain(|release| seen_versions.insert((release.branch, release.number)));
        let mut times: Vec<i64> = releases.iter().map(|release| release.published).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        releases.sort_by_key(|release| (release.number, release.branch));
        releases.iter_mut().zip(times).for_each(|(release, published)| release.published = published);
        advisories.iter_mut().zip(0..).for_each(|(advisory, id)| advisory.id = id);
        Spec {
            releases,
            advisories,
            latches,
            deadline,
            ends,
            target,
            accept,
            presence,
            allow_downgrade,
            min_age,
            rollout,
            phase_in,
            window,
            applied,
            rival,
            exception,
            freeze,
            block,
            installed,
            since,
            enrolled,
            spell,
            seen,
            department,
            canary,
            absence,
            admitted_before,
        }
    })
}
