//! The world of a test document.

use crate::{
    facts::{Fact, FieldRef, Kind, Root, Value},
    policy::{
        diagnostic::{Diagnostic, Files, did_you_mean},
        document::{
            scalars::Instant,
            test::{
                AbsenceDocument, AppliedDocument, DeviceDocument, FactDocument, InstallDocument, OfferedDocument,
                PlainValue, TestDocument,
            },
        },
        load::Written,
        repository::Repository,
        syntax::Step,
    },
    steps,
    world::{Absence, Applied, Device, Evidence, GateFinding, GateState, Install, RolloutState, SlotKey, World},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_model::{Advisory, AdvisoryId, BranchName, DeviceId, Offer, Release, TitleId, Version, VersionRange};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// A world and its devices.
pub struct Built {
    pub now: Timestamp,
    pub world: World,
    pub devices: Vec<Device>,
}

/// Builds the world of a test; what can't be read is reported and left out.
pub fn build(
    test: &Written<TestDocument>,
    repository: &Repository,
    files: &Files,
    diagnostics: &mut Vec<Diagnostic>,
) -> Built {
    let mut builder = Builder { test, repository, diagnostics };
    let now = test.document.world.now.0;
    let mut world = World::new(builder.releases(), repository.with_vendor_advisories(builder.advisories()));
    world.rollouts = builder.rollouts();
    world.gates = builder.gates();
    world.applied = builder.applied();
    for latch in &test.document.world.latched {
        let key = (AdvisoryId::new(&latch.advisory), SmolStr::new(&latch.condition.0));
        world.latches.insert(key, latch.since.0);
    }
    let offers = builder.offers();
    let devices = builder.devices(now, &offers, files);
    Built { now, world, devices }
}

struct Builder<'a> {
    test: &'a Written<TestDocument>,
    repository: &'a Repository,
    diagnostics: &'a mut Vec<Diagnostic>,
}

type Offers = BTreeMap<TitleId, Vec<(Version, Offer)>>;

impl Builder<'_> {
    fn report(&mut self, code: &'static str, message: &str, path: &[Step<'_>], label: String) {
        let place = self.test.place(path);
        self.diagnostics.push(Diagnostic::error(code, message).at(place).label(label));
    }

    fn version(&mut self, title: &TitleId, text: &str, path: &[Step<'_>]) -> Option<Version> {
        match Version::parse(self.repository.scheme(title), text) {
            Ok(version) => Some(version),
            Err(error) => {
                self.report("test/bad-version", "not a version", path, error.to_string());
                None
            }
        }
    }

    fn releases(&mut self) -> Vec<Release> {
        let test = self.test;
        let mut releases = Vec::new();
        for (index, document) in test.document.world.releases.iter().enumerate() {
            let title = TitleId::new(&document.title);
            let path = steps!["world", "releases", index, "version"];
            let Some(version) = self.version(&title, &document.version, path) else { continue };
            releases.push(Release {
                title,
                branch: document.branch.as_ref().map(BranchName::new),
                version,
                published: document.published.0,
                security: document.security,
            });
        }
        releases
    }

    fn offers(&mut self) -> Offers {
        let test = self.test;
        let mut offers = Offers::new();
        for document in &test.document.world.releases {
            let title = TitleId::new(&document.title);
            let offer = match &document.offered {
                None => continue,
                Some(OfferedDocument::Since(since)) => Offer::Since(since.0),
                Some(OfferedDocument::Never(_)) => Offer::Never,
            };
            if let Ok(version) = Version::parse(self.repository.scheme(&title), &document.version) {
                offers.entry(title).or_default().push((version, offer));
            }
        }
        offers
    }

    fn advisories(&mut self) -> Vec<Advisory> {
        let test = self.test;
        let mut advisories = Vec::new();
        for (index, document) in test.document.world.advisories.iter().enumerate() {
            let title = TitleId::new(&document.title);
            let affected = match VersionRange::parse(self.repository.scheme(&title), &document.affected) {
                Ok(range) => vec![range],
                Err(error) => {
                    let path = steps!["world", "advisories", index, "affected"];
                    self.report("test/bad-range", "not a range of versions", path, error.to_string());
                    continue;
                }
            };
            advisories.push(Advisory {
                id: AdvisoryId::new(&document.id),
                title,
                upstream: None,
                affected,
                known_at: document.known_at.0,
                cvss: document.cvss,
                epss: document.epss,
                kev: document.kev.map(|kev| kev.0),
                ransomware: document.ransomware,
                withdrawn: document.withdrawn.map(|withdrawn| withdrawn.0),
                said_by: Vec::new(),
            });
        }
        advisories
    }

    fn rollouts(&mut self) -> BTreeMap<TitleId, Vec<RolloutState>> {
        let test = self.test;
        let mut rollouts: BTreeMap<TitleId, Vec<RolloutState>> = BTreeMap::new();
        for (index, document) in test.document.world.rollouts.iter().enumerate() {
            let title = TitleId::new(&document.title);
            let path = steps!["world", "rollouts", index, "version"];
            let Some(version) = self.version(&title, &document.version, path) else { continue };
            let Some(rollout) = self.repository.rollouts.get(document.rollout.as_str()) else {
                let label = format!("the repository has no rollout `{}`", document.rollout);
                self.report(
                    "test/unknown-name",
                    "unknown rollout",
                    steps!["world", "rollouts", index, "rollout"],
                    label,
                );
                continue;
            };
            let rings: Vec<&str> = rollout.rings.iter().map(|ring| ring.name.as_str()).collect();
            for (ring_index, ring) in document.open.iter().enumerate() {
                if !rings.contains(&ring.as_str()) {
                    let path = steps!["world", "rollouts", index, "open", ring_index];
                    let mut label = format!("rollout `{}` has no ring `{ring}`", document.rollout);
                    if let Some(near) = did_you_mean(ring, rings.iter().copied()) {
                        label.push_str(&format!("; did you mean `{near}`?"));
                    }
                    self.report("test/unknown-name", "unknown ring", path, label);
                }
            }
            let members = document
                .members
                .iter()
                .map(|(ring, ids)| (SmolStr::new(ring), ids.iter().map(DeviceId::new).collect()));
            rollouts.entry(title).or_default().push(RolloutState {
                rollout: document.rollout.as_str().into(),
                platform: None,
                version,
                releases: None,
                open: document.open.iter().map(SmolStr::new).collect(),
                members: members.collect(),
            });
        }
        rollouts
    }

    fn gates(&mut self) -> BTreeMap<TitleId, Vec<GateState>> {
        let test = self.test;
        let mut gates: BTreeMap<TitleId, Vec<GateState>> = BTreeMap::new();
        for (index, document) in test.document.world.gates.iter().enumerate() {
            let title = TitleId::new(&document.title);
            let path = steps!["world", "gates", index, "version"];
            let Some(version) = self.version(&title, &document.version, path) else { continue };
            let finding = match document.answer {
                Some(answer) => GateFinding::Answered(answer),
                None => GateFinding::Evidence(Evidence {
                    first_result: document.first_result.map(|first| first.0),
                    devices: document.devices.unwrap_or(0),
                    reported: document.reported.unwrap_or(0),
                    failed: document.failed.unwrap_or(0),
                    ..Evidence::default()
                }),
            };
            let platform = document.platform.as_ref().map(SmolStr::new);
            gates.entry(title).or_default().push(GateState {
                version,
                rollout: document.rollout.as_ref().map(SmolStr::new),
                after: document.after.as_str().into(),
                platform,
                finding,
                notes: None,
            });
        }
        gates
    }

    fn applied(&mut self) -> Applied {
        let test = self.test;
        let mut applied = Applied::default();
        match &test.document.world.applied {
            None => {}
            Some(AppliedDocument::All(since)) => applied.all = Some(since.0),
            Some(AppliedDocument::Each(list)) => {
                for (index, document) in list.iter().enumerate() {
                    let Some(policy) = self.repository.policy(&document.policy) else {
                        let label = format!("the repository has no policy `{}`", document.policy);
                        let path = steps!["world", "applied", index, "policy"];
                        self.report("test/unknown-name", "unknown policy", path, label);
                        continue;
                    };
                    match document.entry {
                        None => {
                            applied.policies.insert(policy.name.clone(), document.since.0);
                        }
                        Some(entry) => match entry.checked_sub(1).and_then(|entry| policy.deadline.get(entry)) {
                            Some(entry) => {
                                applied.entries.insert((policy.name.clone(), entry.text.clone()), document.since.0);
                            }
                            None => {
                                let label =
                                    format!("its deadline has {} entries, counted from 1", policy.deadline.len());
                                let path = steps!["world", "applied", index, "entry"];
                                self.report("test/unknown-name", "unknown entry", path, label);
                            }
                        },
                    }
                }
            }
        }
        applied
    }

    fn devices(&mut self, now: Timestamp, offers: &Offers, _files: &Files) -> Vec<Device> {
        let test = self.test;
        let world = &test.document.world;
        let mut devices = Vec::new();
        if let Some(document) = &world.device {
            devices.extend(self.device(document, steps!["world", "device"], now, offers));
        }
        for (index, document) in world.devices.iter().enumerate() {
            devices.extend(self.device(document, steps!["world", "devices", index], now, offers));
        }
        if devices.is_empty() && self.diagnostics.is_empty() {
            self.report(
                "test/no-device",
                "world without a device",
                steps!["world"],
                "give `device:` or `devices:`".into(),
            );
        }
        devices
    }

    fn device(
        &mut self,
        document: &DeviceDocument,
        path: &[Step<'_>],
        now: Timestamp,
        offers: &Offers,
    ) -> Option<Device> {
        let world = &self.test.document.world;
        let below =
            |keys: &[Step<'static>]| -> Vec<Step<'_>> { path.iter().copied().chain(keys.iter().copied()).collect() };
        let mut device = Device::new(DeviceId::new(&document.id), document.seen.map_or(now, |seen| seen.0));
        if let Some(name) = &document.timezone {
            match TimeZone::get(name) {
                Ok(zone) => device.timezone = Some(zone),
                Err(_) => {
                    let label = format!("there is no time zone `{name}`");
                    let path = below(&[Step::Key("timezone")]);
                    self.report("test/unknown-zone", "unknown time zone", &path, label);
                }
            }
        }
        device.enrolled = document.enrolled.map(|enrolled| enrolled.0);
        device.identity_in_doubt = document.identity_in_doubt;
        device.offers = offers.clone();
        device.facts.insert(FieldRef::device("id"), plain(Value::Text(document.id.as_str().into())));
        if let Some(zone) = &document.timezone {
            device.facts.insert(FieldRef::device("timezone"), plain(Value::Text(zone.as_str().into())));
        }
        let times = [("enrolled", device.enrolled), ("seen", Some(device.seen))];
        for (name, at) in times.into_iter().filter_map(|(name, at)| at.map(|at| (name, at))) {
            device.facts.insert(FieldRef::device(name), plain(Value::Time(at)));
        }
        for (name, fact) in &document.fields {
            self.fact(&mut device, Root::Device, name, fact, path);
        }
        let whose = if document.person.is_some() { path } else { steps!["world"] };
        for (name, fact) in document.person.as_ref().or(world.person.as_ref()).into_iter().flatten() {
            let path: Vec<Step<'_>> = whose.iter().copied().chain([Step::Key("person")]).collect();
            self.fact(&mut device, Root::Person, name, fact, &path);
        }
        // A list that is left out is empty; any other field is unknown.
        for field in self.repository.fields.iter().filter(|field| field.kind == Kind::List) {
            if device.facts.said(&field.name).is_empty() && field.name.root != Root::Exposure {
                device.facts.insert(field.name.clone(), plain(Value::List(Vec::new())));
            }
        }
        // What the world says once holds for the device that brings nothing of its own.
        let installed = document.installed.as_deref().unwrap_or(&world.installed);
        let whose = if document.installed.is_some() { path } else { steps!["world"] };
        for (index, install) in installed.iter().enumerate() {
            let path: Vec<Step<'_>> =
                whose.iter().copied().chain([Step::Key("installed"), Step::Index(index)]).collect();
            device.installs.extend(self.install(install, &path));
        }
        let mut absences: Vec<Absence> =
            document.presence.as_deref().unwrap_or(&world.presence).iter().map(absence).collect();
        absences.sort_by_key(|absence| absence.away);
        device.absences = absences;
        let whose = if document.spells.is_some() { path } else { steps!["world"] };
        for (index, spell) in document.spells.as_deref().unwrap_or(&world.spells).iter().enumerate() {
            let path: Vec<Step<'_>> = whose.iter().copied().chain([Step::Key("spells"), Step::Index(index)]).collect();
            let slots = self.slots(&device, &spell.title, spell.branch.as_deref());
            if let Some(slot) = self.only(slots, &path) {
                device.spells.insert(slot, spell.since.0);
            }
        }
        for used in document.used_deferrals.as_deref().unwrap_or(&world.used_deferrals) {
            device.deferrals_used.insert(TitleId::new(&used.title), used.times);
        }
        for before in &world.decided_before {
            for slot in self.slots(&device, &before.title, before.branch.as_deref()) {
                device.decided_before.insert(slot, before.policy.as_str().into());
            }
        }
        for (index, before) in world.admitted_before.iter().enumerate() {
            let path = steps!["world", "admitted_before", index];
            let title = TitleId::new(&before.title);
            let Some(version) = self.version(&title, &before.version, &[path, &[Step::Key("version")]].concat()) else {
                continue;
            };
            let mut slots = self.slots(&device, &before.title, before.branch.as_deref());
            if slots.len() > 1 {
                // The release tells which slot is meant, where it belongs to one of their branches.
                let of_release = world
                    .releases
                    .iter()
                    .find(|release| release.title == before.title && release.version == before.version)
                    .and_then(|release| release.branch.as_ref().map(BranchName::new));
                slots.retain(|slot| of_release.is_none() || slot.branch == of_release);
            }
            if let Some(slot) = self.only(slots, path) {
                device.admitted_before.insert(slot, version);
            }
        }
        Some(device)
    }

    /// The slots that a title means on a device: those of the branch, or all where none is named. What is not installed has one.
    fn slots(&self, device: &Device, title: &str, branch: Option<&str>) -> Vec<SlotKey> {
        let title = TitleId::new(title);
        let branch = branch.map(BranchName::new);
        let slots: Vec<SlotKey> = device
            .installs
            .iter()
            .map(Install::slot)
            .filter(|slot| slot.title == title && (branch.is_none() || slot.branch == branch))
            .collect();
        if slots.is_empty() { vec![SlotKey { title, branch, profile: None }] } else { slots }
    }

    /// The slot that is meant, where it can be no other.
    fn only(&mut self, slots: Vec<SlotKey>, path: &[Step<'_>]) -> Option<SlotKey> {
        if let [only] = slots.as_slice() {
            return Some(only.clone());
        }
        let names: Vec<String> = slots.iter().map(|slot| format!("`{slot}`")).collect();
        let place = self.test.place(&[path, &[Step::Key("title")]].concat());
        self.diagnostics.push(
            Diagnostic::error("test/ambiguous-slot", "title that is installed more than once")
                .at(place)
                .label(format!("may mean {}", names.join(" or ")))
                .with_help("say which with `branch:`"),
        );
        None
    }

    fn install(&mut self, document: &InstallDocument, path: &[Step<'_>]) -> Option<Install> {
        let title = TitleId::new(&document.title);
        let version = self.version(&title, &document.version, &[path, &[Step::Key("version")]].concat())?;
        Some(Install {
            title,
            branch: document.branch.as_ref().map(BranchName::new),
            profile: document.profile.as_ref().map(SmolStr::new),
            version,
            since: document.since.map(|since| since.0),
        })
    }

    fn fact(&mut self, device: &mut Device, root: Root, name: &str, document: &FactDocument, path: &[Step<'_>]) {
        let field = FieldRef::new(root, name);
        let at: Vec<Step<'_>> = path.iter().copied().chain([Step::Key(name)]).collect();
        let Some(known) = self.repository.fields.get(&field) else {
            let names: Vec<&str> = self.repository.fields.of(root).map(|field| field.name.name.as_str()).collect();
            let near = did_you_mean(name, names.iter().copied());
            let help = near.map_or_else(
                || "the organisation's own fields are declared in refit.yaml, under `fields:`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let key = self.test.key_place(&at);
            self.diagnostics.push(
                Diagnostic::error("test/unknown-field", "unknown field")
                    .at(key)
                    .label(format!("`{}` has no field `{name}`", root.name()))
                    .with_help(help),
            );
            return;
        };
        let (value, source, observed) = match document {
            FactDocument::Bool(value) => (PlainValue::Bool(*value), None, None),
            FactDocument::Number(value) => (PlainValue::Number(*value), None, None),
            FactDocument::Text(value) => (PlainValue::Text(value.clone()), None, None),
            FactDocument::List(value) => (PlainValue::List(value.clone()), None, None),
            FactDocument::Sourced(sourced) => (sourced.value.clone(), sourced.source.clone(), sourced.observed),
        };
        match value_of(value, known.kind) {
            Some(value) => {
                let fact = Fact {
                    value,
                    source: source.map(SmolStr::from),
                    observed: observed.map(|Instant(observed)| observed),
                };
                device.facts.insert(field, fact);
            }
            None => {
                let label = format!("`{field}` is {}", known.kind.described());
                self.report("test/wrong-type", "value of the wrong type", &at, label);
            }
        }
    }
}

fn plain(value: Value) -> Fact {
    Fact { value, source: None, observed: None }
}

fn value_of(value: PlainValue, kind: Kind) -> Option<Value> {
    let value = match value {
        PlainValue::Bool(value) => Value::Bool(value),
        PlainValue::Number(value) if value.fract() == 0.0 && value.abs() < 9e15 && kind == Kind::Int => {
            Value::Int(value as i64)
        }
        PlainValue::Number(value) if kind == Kind::Float => Value::Float(value),
        PlainValue::Number(value) => Value::Text(value.to_string().into()),
        PlainValue::Text(value) => Value::Text(value.into()),
        PlainValue::List(values) => Value::List(values.into_iter().map(SmolStr::from).collect()),
    };
    value.into_kind(kind)
}

fn absence(document: &AbsenceDocument) -> Absence {
    let used = document.used.map_or(SignedDuration::ZERO, |used| used.0);
    Absence { away: document.away.0, back: document.back.0, used }
}
