//! Cells: for each title, devices in the same class with the same release, about which the rules say the same.

mod class;
mod split;

use super::{
    fleet::{self, Fleet},
    outcome::Outcome,
    rules::{Own, Ruling},
    select::Selection,
};
use crate::{
    policy::{
        document::policy::Presence,
        repository::{Repository, Selector},
    },
    world::{SlotKey, World},
};
use class::Classes;
use jiff::{Timestamp, tz::TimeZone};
use refit_model::{DeviceId, TitleId, Version};
use roaring::RoaringBitmap;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    ops::Range,
};

/// The zone of devices of which none is known.
static UTC: TimeZone = TimeZone::UTC;

/// What the policies say of every slot of every device of a fleet, at one time.
#[derive(Debug)]
pub struct Verdicts<'a> {
    fleet: &'a Fleet,
    repository: &'a Repository,
    now: Timestamp,
    cells: Vec<Cell>,
    by_title: BTreeMap<TitleId, Range<usize>>,
    classes: usize,
}

/// Devices with the same ruling in the same slot.
#[derive(Clone, Debug)]
struct Cell {
    slot: SlotKey,
    /// What is installed.
    installed: Option<Version>,
    ruling: Ruling,
    devices: RoaringBitmap,
}

impl<'a> Verdicts<'a> {
    /// Decides everything from scratch.
    pub fn new(fleet: &'a Fleet, repository: &'a Repository, world: &'a World, now: Timestamp) -> Verdicts<'a> {
        let mut selection = Selection::new(fleet, repository, now);
        let classes = Classes::new(fleet, repository, &world.applied, &mut selection);
        let mut verdicts =
            Verdicts { fleet, repository, now, cells: Vec::new(), by_title: BTreeMap::new(), classes: classes.len() };
        // A package that a named title means has no slot where it is absent, unless it is required there.
        let named = repository.policies.iter().flat_map(|policy| {
            policy.software.iter().filter_map(|selector| match selector {
                Selector::Title(title) if policy.presence == Presence::Required || !policy.meant.contains(title) => {
                    Some(title)
                }
                _ => None,
            })
        });
        let named: BTreeSet<&TitleId> = named.collect();
        let titles: BTreeSet<&TitleId> = fleet.titles().chain(named.iter().copied()).collect();
        for title in titles {
            let from = verdicts.cells.len();
            let split = split::Split::new(fleet, repository, world, &classes, &selection, title, now);
            let mut absent = fleet.numbers().clone();
            for (number, present, holders) in fleet.present(title) {
                absent -= holders;
                verdicts.add(split.cells(Some((number, present)), holders), Some(present), title);
            }
            if named.contains(title) {
                verdicts.add(split.cells(None, &absent), None, title);
            }
            verdicts.by_title.insert(title.clone(), from..verdicts.cells.len());
        }
        verdicts
    }

    fn add(&mut self, cells: Vec<(Ruling, RoaringBitmap)>, present: Option<&fleet::Presence>, title: &TitleId) {
        let slot = present.map_or_else(|| SlotKey::of(title.clone()), fleet::Presence::slot);
        let installed = present.map(|present| present.version.clone());
        self.cells.extend(cells.into_iter().map(|(ruling, devices)| Cell {
            slot: slot.clone(),
            installed: installed.clone(),
            ruling,
            devices,
        }));
    }

    /// The answer for each slot of a device, in the order of slots.
    pub fn device(&self, id: &DeviceId) -> Vec<(SlotKey, Option<Version>, Outcome)> {
        let Some(number) = self.fleet.number(id) else { return Vec::new() };
        let cells = self.cells.iter().filter(|cell| cell.devices.contains(number));
        cells.map(|cell| (cell.slot.clone(), cell.installed.clone(), self.read(cell, number))).collect()
    }

    /// The answer for each slot that a title has on a device.
    pub fn title(&self, id: &DeviceId, title: &TitleId) -> Vec<(SlotKey, Option<Version>, Outcome)> {
        let Some(number) = self.fleet.number(id) else { return Vec::new() };
        let cells = self.by_title.get(title).and_then(|range| self.cells.get(range.clone())).unwrap_or_default();
        let cells = cells.iter().filter(|cell| cell.devices.contains(number));
        cells.map(|cell| (cell.slot.clone(), cell.installed.clone(), self.read(cell, number))).collect()
    }

    fn read(&self, cell: &Cell, device: u32) -> Outcome {
        let own = own(self.fleet, self.repository, device, self.now);
        cell.ruling.read(self.repository, &own, self.now)
    }

    /// How many classes the fleet fell into.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// How many cohorts there are: cells that differ in nothing that anybody acts on.
    pub fn cohorts(&self) -> usize {
        self.cohort_keys().len()
    }

    fn cohort_keys(&self) -> BTreeMap<String, RoaringBitmap> {
        let mut cohorts: BTreeMap<String, RoaringBitmap> = BTreeMap::new();
        for cell in &self.cells {
            let ruling = &cell.ruling;
            let version = |version: &Option<Version>| version.as_ref().map_or("-".to_owned(), ToString::to_string);
            let key = format!(
                "{} {} policy {:?} goal {:?} admitted {} rollout {:?} ring {:?} due {:?}",
                cell.slot,
                version(&cell.installed),
                ruling.policy,
                ruling.goal,
                version(&ruling.admitted),
                ruling.rollout,
                ruling.ring,
                ruling.due
            );
            *cohorts.entry(key).or_default() |= &cell.devices;
        }
        cohorts
    }

    /// All cohorts with their devices, as text in which nothing depends on how the fleet came about.
    pub fn export(&self) -> String {
        let mut text = String::new();
        for (key, devices) in self.cohort_keys() {
            let mut ids: Vec<_> = devices.iter().filter_map(|device| self.fleet.id(device)).collect();
            ids.sort();
            let _ = writeln!(text, "{key} {ids:?}");
        }
        text
    }
}

/// What only a device itself knows.
fn own<'f>(fleet: &'f Fleet, repository: &Repository, device: u32, now: Timestamp) -> Own<'f> {
    let overlay = fleet.overlay(device);
    let row = fleet.row(device);
    let zone = row.and_then(|row| fleet.zone(row.zone?)).unwrap_or(&UTC);
    let unseen = row.is_some_and(|row| {
        let after = fleet.name(row.seen_by).map(|source| repository.staleness.device(source));
        after.is_some_and(|after| now.duration_since(row.seen).saturating_sub(overlay.unheard) > after)
    });
    Own { zone, absences: &overlay.absences, unseen }
}
