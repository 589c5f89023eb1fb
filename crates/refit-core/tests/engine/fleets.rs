//! Fleets at random: what small worlds of one device leave out. Shares and members of rings, evidence of gates,
//! platforms, zones, universes, profiles, packages of a security archive, several policies, exceptions, blocks and
//! freezes at once, and memories of devices.

use super::worlds::{CONDITIONS, Spec, TITLE, ago, version};
use jiff::{SignedDuration, tz::TimeZone};
use refit_core::{
    facts::{Fact, FieldRef, Value},
    policy::{document::test::GateAnswer, repository::Repository},
    rollout::{Evidence, HaltedBy, Verdict, snapshot_after, snapshot_name, snapshot_title},
    world::{
        Absence, Applied, Device, GateFinding, GateNotes, GateState, Install, RememberedOffer, RolloutState, SlotKey,
        World,
    },
};
use refit_model::{Advisory, AdvisoryId, DeviceId, Offer, Release, Scheme, TitleId, Version, VersionRange};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers from a seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn hours(&mut self, most: u64) -> i64 {
        self.below(most) as i64
    }

    pub fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize].clone()
    }

    pub fn some<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        if self.one_in(4) { None } else { Some(self.of(list)) }
    }
}

const PACKAGE: &str = "deb/openssl";
const RINGS: [&str; 3] = ["early", "broad", "rest"];
const WHERES: [&str; 6] = [
    "person.department == \"Finance\"",
    "\"canary\" in device.tags",
    "device.platform == \"windows\"",
    "device.kind == \"server\" || person.vip",
    "since(device.enrolled) < duration(\"14d\")",
    "!(\"kiosk\" in device.tags)",
];

fn package(text: &str) -> Version {
    Version::parse(Scheme::Dpkg, text).unwrap()
}

fn day(dice: &mut Dice, from: i64, to: i64) -> String {
    let days = from + dice.below((to - from) as u64) as i64;
    ago(-24 * days).strftime("%Y-%m-%d").to_string()
}

/// The documents of a spec, and more.
fn documents(spec: &Spec, dice: &mut Dice) -> Vec<Json> {
    let mut documents = spec.documents();
    let organization = &mut documents[0];
    organization["gates"] = json!({ "g": { "failure_rate": "2%", "confidence": "95%", "enough": "90%" } });
    let mut rest = json!({ "name": "rest" });
    // Who is in no ring by its condition is in the last one.
    if dice.one_in(3) {
        rest["where"] = json!(dice.of(&WHERES));
    }
    organization["rollouts"]["shares"] = json!({ "gate": "g", "rings": [
        { "name": "early", "share": "10%", "soak": "1d" },
        { "name": "broad", "share": "50%", "where": dice.of(&WHERES) },
        rest,
    ] });
    let freezes = organization["freezes"].as_array().cloned().unwrap_or_default();
    let freezes: Vec<Json> = freezes
        .into_iter()
        .chain((0..dice.below(3)).map(|number| {
            let mut freeze =
                json!({ "name": format!("freeze {number}"), "from": day(dice, -3, 1), "to": day(dice, 0, 3) });
            if dice.one_in(2) {
                freeze["where"] = json!(dice.of(&WHERES));
            }
            if dice.one_in(2) {
                freeze["unless"] = json!(dice.of(&[
                    "exposure.cvss >= 9.0",
                    "exposure.kev",
                    "exposure.kev && device.kind == \"server\""
                ]));
            }
            freeze
        }))
        .collect();
    if !freezes.is_empty() {
        organization["freezes"] = json!(freezes);
    }
    if dice.one_in(3) {
        documents[2]["where"] = json!(dice.of(&WHERES));
    }
    let organization = &mut documents[0];
    organization["authority"] = json!({ "person.department": ["workday", "okta"] });
    for number in 0..dice.below(3) {
        let mut policy = json!({
            "policy": format!("extra {number}"), "software": [TITLE, PACKAGE], "priority": dice.below(2),
            "deadline": [
                { "within": format!("{}h", 24 + dice.below(500)), "at_due": dice.of(&["ask", "proceed", "wait"]), "if": dice.of(&CONDITIONS) },
                { "within": format!("{}h", 24 + dice.below(500)), "at_due": dice.of(&["ask", "proceed", "wait"]) },
            ],
            "where": dice.of(&WHERES), "rollout": dice.of(&["shares", "standard", "fast"]),
        });
        if dice.one_in(2) {
            policy["deadline"][0]["rollout"] = json!("shares");
        }
        if dice.one_in(3) {
            policy["window"] = json!({ "use": "overnight", "after_due": dice.of(&["run", "wait"]) });
        }
        if dice.one_in(4) {
            policy["provisioning"] = json!(true);
        }
        policy["mode"] = json!(dice.of(&["observe", "notify", "enforce"]));
        documents.push(policy);
    }
    let rollout = match dice.below(5) {
        0 => json!("shares"),
        1 | 2 => json!({ "use": "shares", "every": "7d" }),
        _ => json!({ "use": "standard", "every": "36h" }),
    };
    documents.push(json!({ "policy": "archive", "software": [dice.of(&["os/security", "os/*", "deb/open*"])], "rollout": rollout,
        "window": "overnight", "deadline": [{ "within": "200h", "at_due": "proceed" }], "min_age": format!("{}h", dice.below(60)) }));
    for number in 0..dice.below(3) {
        let mut exception = json!({ "exception": format!("exception {number}"), "software": [dice.of(&[TITLE, PACKAGE])], "until": day(dice, -3, 9), "where": dice.of(&WHERES) });
        if dice.one_in(2) {
            exception["due"] = json!(ago(200 - dice.hours(400)).strftime("%Y-%m-%dT%H:%M:%S").to_string());
        }
        if dice.one_in(3) {
            exception["hold_at"] = json!("<2.5");
        }
        if dice.one_in(3) {
            exception["unless"] = json!(dice.of(&["exposure.cvss >= 9.0", "exposure.ransomware || person.vip"]));
        }
        exception["window"] =
            json!({ "use": dice.of(&["overnight", "morning"]), "after_due": dice.of(&["run", "wait"]) });
        documents.push(exception);
    }
    for number in 0..dice.below(3) {
        let title = dice.of(&[TITLE, PACKAGE]);
        let releases = format!(">={}.{}", dice.below(3), dice.below(9));
        let mut block = json!({ "block": format!("block {number}"), "title": title, "releases": releases, "where": dice.of(&WHERES) });
        if dice.one_in(2) {
            block["until"] = json!(day(dice, -2, 2));
        }
        documents.push(block);
    }
    documents
}

fn world(spec: &Spec, ids: &[DeviceId], repository: &Repository, dice: &mut Dice) -> World {
    let base = spec.world();
    let mut releases: Vec<Release> = base.releases(&TitleId::new(TITLE)).to_vec();
    let mut advisories: Vec<Advisory> = base.advisories(&TitleId::new(TITLE)).to_vec();
    for number in 1..=4 {
        // The newest may wait for a snapshot that has not been taken.
        let just_now = number == 4 && dice.one_in(2);
        let published = if just_now { ago(dice.hours(40)) } else { ago(500 - 100 * number + dice.hours(90)) };
        releases.push(Release {
            title: TitleId::new(PACKAGE),
            branch: None,
            version: package(&format!("3.0.{number}-1")),
            published,
            security: dice.one_in(2),
        });
    }
    for id in 0..dice.below(3) {
        advisories.push(Advisory {
            id: AdvisoryId::new(format!("CVE-2026-{id}")),
            title: TitleId::new(PACKAGE),
            upstream: None,
            affected: vec![VersionRange::parse(Scheme::Dpkg, &format!("<3.0.{}-1", 1 + dice.below(5))).unwrap()],
            known_at: ago(dice.hours(500)),
            cvss: dice.some(&[5.0, 9.8]),
            epss: dice.some(&[0.1, 0.7]),
            kev: dice.one_in(3).then(|| ago(dice.hours(300))),
            ransomware: dice.one_in(2),
            withdrawn: dice.one_in(6).then(|| ago(100 - dice.hours(200))),
            said_by: Vec::new(),
        });
    }
    let mut world = World::new(releases, advisories);
    world.rollouts = base.rollouts;
    world.gates = base.gates;
    world.latches = base.latches;
    let conditions = repository.policies.iter().flat_map(|policy| &policy.deadline);
    for condition in conditions.filter_map(|entry| entry.condition.as_ref()) {
        for id in
            world.advisories(&TitleId::new(PACKAGE)).iter().map(|advisory| advisory.id.clone()).collect::<Vec<_>>()
        {
            if dice.one_in(8) {
                world.latches.insert((id, condition.text().clone()), ago(dice.hours(400) - 20));
            }
        }
    }
    for title in [TITLE, PACKAGE].map(TitleId::new) {
        let versions: Vec<Version> = world.releases(&title).iter().map(|release| release.version.clone()).collect();
        for version in versions {
            if dice.one_in(2) {
                let open = 1 + dice.below(3) as usize;
                let mut members = BTreeMap::new();
                for ring in &RINGS[..open] {
                    if dice.one_in(2) {
                        let chosen: BTreeSet<DeviceId> = ids.iter().filter(|_| dice.one_in(3)).cloned().collect();
                        members.insert((*ring).into(), chosen);
                    }
                }
                world.rollouts.entry(title.clone()).or_default().push(RolloutState {
                    rollout: "shares".into(),
                    releases: None,
                    version: version.clone(),
                    platform: dice.one_in(3).then(|| dice.of(&["windows", "linux"]).into()),
                    open: RINGS[..open].iter().map(|ring| (*ring).into()).collect(),
                    members,
                });
            }
            if dice.one_in(3) {
                let reported = if dice.one_in(2) { 60 } else { dice.below(60) };
                world.gates.entry(title.clone()).or_default().push(GateState {
                    version,
                    rollout: dice.one_in(3).then(|| dice.of(&["shares", "conditions"]).into()),
                    after: dice.of(&["early", "broad", "canary"]).into(),
                    platform: dice.one_in(3).then(|| dice.of(&["windows", "macos"]).into()),
                    finding: GateFinding::Evidence(Evidence {
                        first_result: Some(ago(dice.hours(90))),
                        devices: 60,
                        reported,
                        failed: if dice.one_in(3) { reported / 2 } else { 0 },
                        ..Evidence::default()
                    }),
                    notes: Some(notes()),
                });
            }
        }
    }
    snapshots(&mut world, ids, repository, dice);
    world.applied = Applied { all: base.applied.all, ..Applied::default() };
    for policy in &repository.policies {
        if dice.one_in(3) {
            world.applied.policies.insert(policy.name.clone(), ago(dice.hours(600)));
        }
        for entry in &policy.deadline {
            if dice.one_in(4) {
                world.applied.entries.insert((policy.name.clone(), entry.text.clone()), ago(dice.hours(600)));
            }
        }
    }
    world
}

/// What has become of the snapshots of policies that take any: some are on their way, some of those without a release that was heard of
/// later, some were halted.
fn snapshots(world: &mut World, ids: &[DeviceId], repository: &Repository, dice: &mut Dice) {
    let package = TitleId::new(PACKAGE);
    let releases: Vec<Release> = world.releases(&package).to_vec();
    for policy in &repository.policies {
        let (Some(every), Some(rollout)) = (policy.snapshot_every, &policy.rollout) else { continue };
        let title = snapshot_title(&policy.name);
        for release in &releases {
            let taken = snapshot_after(every, release.published);
            let version = Version::parse(Scheme::Generic, &snapshot_name(taken)).unwrap();
            let rings = repository.rollouts[rollout].rings.iter().map(|ring| ring.name.clone());
            let rings: Vec<_> = rings.collect();
            // Several releases go with one snapshot.
            let states = world.rollouts.entry(title.clone()).or_default();
            if dice.one_in(2) && states.iter().all(|state| state.version != version) {
                let open = 1 + dice.below(rings.len() as u64) as usize;
                let mut members = BTreeMap::new();
                if dice.one_in(3) {
                    members.insert(rings[0].clone(), ids.iter().filter(|_| dice.one_in(3)).cloned().collect());
                }
                let began = releases.iter().filter(|_| !dice.one_in(4));
                let began = began.map(|release| (package.clone(), release.version.as_str().into())).collect();
                states.push(RolloutState {
                    rollout: rollout.clone(),
                    releases: (!dice.one_in(3)).then_some(began),
                    version: version.clone(),
                    platform: dice.one_in(4).then(|| dice.of(&["windows", "linux"]).into()),
                    open: rings.iter().take(open).cloned().collect(),
                    members,
                });
            }
            if dice.one_in(3) {
                world.gates.entry(title.clone()).or_default().push(GateState {
                    version,
                    rollout: dice.one_in(3).then(|| rollout.clone()),
                    after: dice.of(&rings),
                    platform: dice.one_in(4).then(|| dice.of(&["windows", "linux"]).into()),
                    finding: GateFinding::Answered(dice.of(&[
                        GateAnswer::Pass,
                        GateAnswer::Inconclusive,
                        GateAnswer::Halt,
                    ])),
                    notes: Some(notes()),
                });
            }
        }
    }
}

/// What the log says besides, which decides nothing: here it contradicts whatever was found, and has long ended.
fn notes() -> Box<GateNotes> {
    let halted = Some(Verdict::Halts(HaltedBy::Failures));
    Box::new(GateNotes { at: Some(ago(90)), until: Some(ago(1)), verdict: halted, ..GateNotes::default() })
}

fn fact(dice: &mut Dice, value: Value, source: &'static str) -> Fact {
    Fact { value, source: Some(source.into()), observed: (!dice.one_in(3)).then(|| ago(dice.hours(60))) }
}

fn device(spec: &Spec, id: &DeviceId, repository: &Repository, dice: &mut Dice) -> Device {
    let mut device = spec.device();
    device.id = id.clone();
    device.facts = Default::default();
    let texts = [
        (FieldRef::device("platform"), &["macos", "windows", "linux"][..], "agent"),
        (FieldRef::device("kind"), &["laptop", "server", "vm"], "jamf"),
        (FieldRef::device("phase"), &["active", "active", "provisioning"], "jamf"),
        (FieldRef::person("department"), &["IT", "Finance", "Sales"], "workday"),
    ];
    for (field, values, source) in texts {
        if let Some(value) = dice.some(values) {
            let said = fact(dice, Value::text(value), source);
            device.facts.insert(field, said);
        }
    }
    if dice.one_in(4) {
        let said = fact(dice, Value::text("IT"), "okta");
        device.facts.insert(FieldRef::person("department"), said);
    }
    if !dice.one_in(4) {
        let tags: Vec<&str> = ["canary", "kiosk"].into_iter().filter(|_| dice.one_in(2)).collect();
        let said = fact(dice, Value::list(tags), "jamf");
        device.facts.insert(FieldRef::device("tags"), said);
    }
    if dice.one_in(2) {
        let said = fact(dice, Value::Bool(dice.0 & 4096 == 0), "okta");
        device.facts.insert(FieldRef::person("vip"), said);
    }
    if let Some(enrolled) = device.enrolled {
        device.facts.set(FieldRef::device("enrolled"), Value::Time(enrolled));
    }
    device.timezone =
        dice.some(&["Europe/Berlin", "Asia/Tokyo", "America/New_York"]).map(|zone| TimeZone::get(zone).unwrap());
    device.identity_in_doubt = dice.one_in(10);
    if dice.one_in(6) {
        device.unheard = SignedDuration::from_hours(dice.hours(100));
    }
    if dice.one_in(5) {
        // What may be required is not there.
        device.installs.retain(|install| install.title.as_str() != TITLE);
    }
    if dice.one_in(2) {
        // Beside it, in a profile, and another branch.
        for install in device.installs.clone() {
            let mut other = install.clone();
            other.profile = Some("ada".into());
            other.since = dice.one_in(2).then(|| ago(dice.hours(900)));
            device.installs.push(other);
        }
    }
    if !dice.one_in(3) {
        device.installs.push(Install {
            title: TitleId::new(PACKAGE),
            branch: None,
            profile: None,
            version: package(&format!("3.0.{}-1", dice.below(5))),
            since: dice.one_in(2).then(|| ago(dice.hours(900))),
        });
        let offers = (1..=4).filter_map(|number| {
            let offer = if dice.one_in(4) { Offer::Never } else { Offer::Since(ago(400 - dice.hours(450))) };
            dice.one_in(2).then(|| (package(&format!("3.0.{number}-1")), offer))
        });
        let offers: Vec<_> = offers.collect();
        device.offers.insert(TitleId::new(PACKAGE), offers);
    }
    device.absences.clear();
    let mut from = 300 + dice.hours(300);
    // Every other one has been away for long, and used for little since.
    let long = dice.one_in(2);
    for _ in 0..dice.below(4) {
        let least = if long { 72 } else { 0 };
        let (away, back) = (from, from - least - dice.hours(120));
        if back <= 0 {
            break;
        }
        let used = SignedDuration::from_hours(dice.hours(if long { 8 } else { 30 }));
        device.absences.push(Absence { away: ago(away), back: ago(back), used });
        from = back - dice.hours(80);
    }
    let mut slots: Vec<SlotKey> = device.installs.iter().map(Install::slot).collect();
    slots.push(SlotKey::of(TitleId::new(TITLE)));
    for slot in slots {
        let is_package = slot.title.as_str() == PACKAGE;
        let some_version = |dice: &mut Dice| {
            if is_package {
                package(&format!("3.0.{}-1", dice.below(5)))
            } else {
                version((1 + dice.below(3) as u32, 1 + dice.below(9) as u32))
            }
        };
        let policies: Vec<_> = repository.policies.iter().map(|policy| policy.name.clone()).collect();
        if dice.one_in(5) {
            device.spells.insert(slot.clone(), ago(dice.hours(700)));
        }
        if dice.one_in(4) {
            device.admitted_before.insert(slot.clone(), some_version(dice));
        }
        if dice.one_in(4) {
            device.decided_before.insert(slot.clone(), dice.of(&policies));
        }
    }
    device
}

/// A repository, a world, and some devices in it.
pub fn fleet(specs: &[Spec], seed: u64) -> (Repository, World, Vec<Device>) {
    let mut dice = Dice::new(seed);
    let first = &specs[0];
    let repository = first.repository(documents(first, &mut dice).into_iter().enumerate().collect());
    let ids: Vec<DeviceId> = (0..specs.len()).map(|number| DeviceId::new(format!("device-{seed}-{number}"))).collect();
    let world = world(first, &ids, &repository, &mut dice);
    let devices = specs.iter().zip(&ids).map(|(spec, id)| {
        let mut device = device(spec, id, &repository, &mut dice);
        // Most share what their universe offers.
        if !dice.one_in(4) {
            device
                .offers
                .insert(TitleId::new(TITLE), first.device().offers.remove(&TitleId::new(TITLE)).unwrap_or_default());
        }
        if dice.one_in(8)
            && let Some(slot) = device.installs.first().map(Install::slot)
        {
            device.first_offers.insert(slot, remembered(&repository, &mut dice));
        }
        device
    });
    let devices = devices.collect();
    (repository, world, devices)
}

fn remembered(repository: &Repository, dice: &mut Dice) -> Vec<RememberedOffer> {
    let policies: Vec<_> = repository.policies.iter().map(|policy| policy.name.clone()).collect();
    let offer = |dice: &mut Dice| RememberedOffer {
        policy: dice.of(&policies),
        obligation: dice.of(&["stale", "CVE-2026-0", "CVE-2026-1"]).into(),
        version: version((2, 9)),
        at: ago(dice.hours(900)),
        arose: dice.one_in(2).then(|| ago(dice.hours(900))),
    };
    (0..1 + dice.below(2)).map(|_| offer(dice)).collect()
}
