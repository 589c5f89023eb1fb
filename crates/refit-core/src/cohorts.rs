//! Who shares what the policies say, and what other systems have to know of them: what configuration is compiled from.
//!
//! A cohort of a title is as small as other systems make it: devices of one platform, in one zone, under the same freezes and exceptions,
//! people's or perhaps servers.
//! Packages of distributions are counted by policy, not by package: nobody configures an archive package by package.

use crate::{
    engine::{Compliance, Excepted, Fleet, Outcome, Selection, Verdicts},
    facts::{FieldRef, Value},
    policy::{
        document::policy::Mode,
        expr::Expr,
        repository::{Repository, Selector},
    },
    world::{RolloutState, SlotKey, World},
};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::{TitleId, Version};
use roaring::RoaringBitmap;
use smol_str::{SmolStr, ToSmolStr};
use std::collections::BTreeMap;

/// What the policies say of a fleet at one time, as far as other systems have to be told.
#[derive(Clone, Debug)]
pub struct Cohorts {
    /// When.
    pub now: Timestamp,
    /// How many devices there are.
    pub devices: u64,
    /// Who shares what is said of a title, in the order of titles.
    pub titles: Vec<Cohort>,
    /// Who is under which policy with its distribution's packages.
    pub packages: Vec<Packages>,
    /// The devices by their model, where it is known, and by what their vendor calls it where updates are offered.
    pub models: BTreeMap<SmolStr, RoaringBitmap>,
    /// The devices by their platform, where it is known.
    pub platforms: BTreeMap<SmolStr, RoaringBitmap>,
    /// Whom each of [`Repository::targets`] is for, surely, by its name.
    pub targets: BTreeMap<SmolStr, RoaringBitmap>,
}

/// Devices that share what the policies say of a slot, and where they are.
#[derive(Clone, Debug)]
pub struct Cohort {
    /// The slot.
    pub slot: SlotKey,
    /// What is installed there.
    pub installed: Option<Version>,
    /// What the policies say.
    pub outcome: Outcome,
    /// What exceptions replace besides.
    pub excepted: Excepted,
    /// Whether a server keeps it to itself: a budget, an envelope, or the brake holds it.
    pub unpublished: bool,
    /// Where they are.
    pub place: Place,
    /// Their zone; UTC where nobody knows it.
    pub zone: TimeZone,
    /// Which devices, by their numbers.
    pub devices: RoaringBitmap,
}

/// Devices whose packages come from a distribution, under one policy.
#[derive(Clone, Debug)]
pub struct Packages {
    /// The policy.
    pub policy: SmolStr,
    /// What Refit does about it.
    pub mode: Mode,
    /// The rollout, and the ring in it.
    pub ring: Option<(SmolStr, SmolStr)>,
    /// Whether a server keeps it to itself.
    pub unpublished: bool,
    /// Where they are.
    pub place: Place,
    /// Which devices, by their numbers.
    pub devices: RoaringBitmap,
}

/// What tells devices apart for other systems.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The platform, as `device.platform` has it.
    pub platform: Option<SmolStr>,
    /// The operating system or distribution, as `device.os` has it.
    pub os: Option<SmolStr>,
    /// The name of the zone; `None` where nobody knows it.
    pub zone: Option<SmolStr>,
    /// The freezes that concern them, or may: places in [`Repository::freezes`].
    pub freezes: Vec<usize>,
    /// The exceptions for them that are not over, as far as devices decide that: places in [`Repository::exceptions`].
    pub exceptions: Vec<usize>,
    /// Whether windows wait there where nobody says what the due time does to them.
    pub may_be_server: bool,
}

impl Cohorts {
    /// Nobody yet.
    pub fn nobody(now: Timestamp) -> Cohorts {
        let (models, platforms, targets) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Cohorts { now, devices: 0, titles: Vec::new(), packages: Vec::new(), models, platforms, targets }
    }

    /// What the policies say of a fleet.
    pub fn of_fleet(fleet: &Fleet, repository: &Repository, world: &World, now: Timestamp) -> Cohorts {
        let verdicts = Verdicts::new(fleet, repository, world, now);
        let reader = verdicts.reader();
        let divisions = Divisions::new(fleet, repository, &verdicts, now);
        let mut titles = Vec::new();
        type Key = (SmolStr, Mode, Option<(SmolStr, SmolStr)>);
        let mut packages: BTreeMap<Key, RoaringBitmap> = BTreeMap::new();
        for title in reader.titles() {
            for reading in reader.title(&title) {
                let outcome = &reading.outcome;
                let Some(policy) = outcome.policy.clone() else { continue };
                if outcome.compliance == Compliance::NotApplicable {
                    continue;
                }
                if title.package().is_some() {
                    let ring = outcome.rollout.clone().zip(outcome.ring.clone());
                    *packages.entry((policy, outcome.mode, ring)).or_default() |= &reading.devices;
                    continue;
                }
                for Part { place, zone, devices } in divisions.divide(repository, &reading.devices, Some(&title)) {
                    titles.push(Cohort {
                        slot: reading.slot.clone(),
                        installed: reading.installed.clone(),
                        outcome: outcome.clone(),
                        excepted: reading.excepted,
                        unpublished: false,
                        place,
                        zone,
                        devices,
                    });
                }
            }
        }
        let packages = packages.into_iter().flat_map(|((policy, mode, ring), devices)| {
            let parts = divisions.divide(repository, &devices, None);
            let of = (policy, mode, ring);
            parts.into_iter().map(move |Part { place, devices, .. }| {
                let (policy, mode, ring) = of.clone();
                Packages { policy, mode, ring, unpublished: false, place, devices }
            })
        });
        Cohorts {
            now,
            devices: fleet.len() as u64,
            packages: packages.collect(),
            titles,
            models: divisions.models,
            platforms: divisions.platforms.into_iter().filter_map(|(name, of)| Some((name?, of))).collect(),
            targets: divisions.targets,
        }
    }

    /// Adds others, whose devices have other numbers by then.
    pub fn join(&mut self, others: Cohorts, number: impl Fn(u32) -> Option<u32>) {
        let renumbered = |devices: RoaringBitmap| devices.iter().filter_map(&number).collect::<RoaringBitmap>();
        self.devices += others.devices;
        self.titles.extend(others.titles.into_iter().map(|cohort| {
            let devices = renumbered(cohort.devices);
            Cohort { devices, ..cohort }
        }));
        self.packages.extend(others.packages.into_iter().map(|packages| {
            let devices = renumbered(packages.devices);
            Packages { devices, ..packages }
        }));
        for (model, devices) in others.models {
            *self.models.entry(model).or_default() |= renumbered(devices);
        }
        for (platform, devices) in others.platforms {
            *self.platforms.entry(platform).or_default() |= renumbered(devices);
        }
        for (target, devices) in others.targets {
            *self.targets.entry(target).or_default() |= renumbered(devices);
        }
    }
}

/// The sets by which devices are divided.
struct Divisions {
    now: Timestamp,
    platforms: Vec<(Option<SmolStr>, RoaringBitmap)>,
    systems: Vec<(Option<SmolStr>, RoaringBitmap)>,
    zones: Vec<(Option<SmolStr>, TimeZone, RoaringBitmap)>,
    freezes: Vec<RoaringBitmap>,
    exceptions: Vec<RoaringBitmap>,
    servers: RoaringBitmap,
    models: BTreeMap<SmolStr, RoaringBitmap>,
    targets: BTreeMap<SmolStr, RoaringBitmap>,
}

/// Some of the devices, all in one place.
struct Part {
    place: Place,
    zone: TimeZone,
    devices: RoaringBitmap,
}

impl Divisions {
    fn new(fleet: &Fleet, repository: &Repository, verdicts: &Verdicts<'_>, now: Timestamp) -> Divisions {
        let mut selection = Selection::new(fleet, repository, now);
        let platforms = texts(&mut selection, "platform");
        let systems = texts(&mut selection, "os");
        let mut models: BTreeMap<SmolStr, RoaringBitmap> = BTreeMap::new();
        for (model, devices) in ["model", "board"].into_iter().flat_map(|field| texts(&mut selection, field)) {
            if let Some(model) = model {
                *models.entry(model).or_default() |= devices;
            }
        }
        let mut zones: Vec<(Option<SmolStr>, TimeZone, RoaringBitmap)> = fleet
            .by_zone()
            .into_iter()
            .map(|(zone, devices)| (zone.map(name_of), zone.cloned().unwrap_or(TimeZone::UTC), devices))
            .collect();
        zones.sort_by(|a, b| a.0.cmp(&b.0));
        let mut select = |condition: Option<&Expr>, also_unknown: bool| match condition {
            None => fleet.numbers().clone(),
            Some(condition) => {
                let found = selection.select(condition);
                if also_unknown { found.holds | found.unknown } else { found.holds }
            }
        };
        // What is unknown holds, and configures nobody.
        let freezes = repository.freezes.iter().map(|freeze| select(freeze.condition.as_deref(), true)).collect();
        let exceptions = repository.exceptions.iter();
        let exceptions = exceptions.map(|exception| select(exception.condition.as_deref(), false)).collect();
        let targets = repository.targets.iter();
        let targets = targets.map(|target| (target.name.clone(), select(target.condition.as_deref(), false))).collect();
        let servers = verdicts.may_be_servers();
        Divisions { now, platforms, systems, zones, freezes, exceptions, servers, models, targets }
    }

    fn divide(&self, repository: &Repository, devices: &RoaringBitmap, title: Option<&TitleId>) -> Vec<Part> {
        let mut parts = Vec::new();
        for (platform, of) in &self.platforms {
            let on_platform = devices & of;
            if on_platform.is_empty() {
                continue;
            }
            for (os, of) in &self.systems {
                let on_system = &on_platform & of;
                if on_system.is_empty() {
                    continue;
                }
                for (name, zone, of) in &self.zones {
                    let here = &on_system & of;
                    if here.is_empty() {
                        continue;
                    }
                    for (freezes, here) in numbered(vec![(Vec::new(), here)], &self.freezes, |_| true) {
                        let concerns = |exception: usize| {
                            repository.exceptions.get(exception).is_some_and(|exception| {
                                self.now < exception.until.end_in(zone)
                                    && exception.software.iter().any(|it| speaks_of(it, title))
                            })
                        };
                        let split = numbered(vec![(Vec::new(), here)], &self.exceptions, concerns);
                        for (exceptions, here) in split {
                            let (servers, people) = (&here & &self.servers, &here - &self.servers);
                            let kinds = [(true, servers), (false, people)].into_iter();
                            let there = kinds.filter(|(_, devices)| !devices.is_empty());
                            parts.extend(there.map(|(may_be_server, devices)| Part {
                                place: Place {
                                    platform: platform.clone(),
                                    os: os.clone(),
                                    zone: name.clone(),
                                    freezes: freezes.clone(),
                                    exceptions: exceptions.clone(),
                                    may_be_server,
                                },
                                zone: zone.clone(),
                                devices,
                            }));
                        }
                    }
                }
            }
        }
        parts
    }
}

/// Whether a selector speaks of a title, or of any packages.
fn speaks_of(selector: &Selector, title: Option<&TitleId>) -> bool {
    match (selector, title) {
        (selector, Some(title)) => selector.selects(title, || true),
        (Selector::Title(named), None) => named.package().is_some(),
        (_, None) => true,
    }
}

/// How people call a zone.
fn name_of(zone: &TimeZone) -> SmolStr {
    match zone.iana_name() {
        Some(name) => name.into(),
        None => zone.to_offset(Timestamp::UNIX_EPOCH).to_smolstr(),
    }
}

/// The devices by a text of theirs.
fn texts(selection: &mut Selection<'_>, field: &str) -> Vec<(Option<SmolStr>, RoaringBitmap)> {
    let mut texts: BTreeMap<Option<SmolStr>, RoaringBitmap> = BTreeMap::new();
    for (value, devices) in selection.values(&FieldRef::device(field)) {
        let text = match value {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        };
        *texts.entry(text).or_default() |= devices;
    }
    texts.into_iter().collect()
}

/// Splits sets by others, as far as they count; each part has the numbers of those that it is in.
fn numbered(
    mut parts: Vec<(Vec<usize>, RoaringBitmap)>,
    others: &[RoaringBitmap],
    counts: impl Fn(usize) -> bool,
) -> Vec<(Vec<usize>, RoaringBitmap)> {
    for (number, other) in others.iter().enumerate().filter(|(number, _)| counts(*number)) {
        let mut split = Vec::new();
        for (numbers, devices) in parts {
            let (inside, outside) = (&devices & other, &devices - other);
            if !inside.is_empty() {
                let numbers = numbers.iter().copied().chain([number]).collect();
                split.push((numbers, inside));
            }
            if !outside.is_empty() {
                split.push((numbers, outside));
            }
        }
        parts = split;
    }
    parts
}

/// Opens a ring, and those before it, for every published release of the titles that policies name: what would be so if all had come as far.
/// Returns how many rollouts have such a ring.
pub fn as_if_open(world: &mut World, repository: &Repository, ring: &str, now: Timestamp) -> usize {
    let rollouts = repository.rollouts.values().filter_map(|rollout| {
        let place = rollout.rings.iter().position(|of| of.name == ring)?;
        let open: Vec<SmolStr> = rollout.rings.iter().take(place + 1).map(|ring| ring.name.clone()).collect();
        Some((rollout.name.clone(), open))
    });
    let rollouts: Vec<(SmolStr, Vec<SmolStr>)> = rollouts.collect();
    let named = |title: &TitleId| {
        let mut selectors = repository.policies.iter().flat_map(|policy| &policy.software);
        title.package().is_none() && selectors.any(|selector| selector.selects(title, || false))
    };
    let titles: Vec<TitleId> = world.titles().filter(|title| named(title)).cloned().collect();
    for title in titles {
        let published = world.releases(&title).iter().filter(|release| release.published <= now);
        let versions: Vec<Version> = published.map(|release| release.version.clone()).collect();
        let states = world.rollouts.entry(title).or_default();
        for version in versions {
            states.extend(rollouts.iter().map(|(rollout, open)| RolloutState {
                rollout: rollout.clone(),
                version: version.clone(),
                releases: None,
                platform: None,
                open: open.clone(),
                members: BTreeMap::new(),
            }));
        }
    }
    rollouts.len()
}
