//! One title: from the devices that have a release of it to cells.

mod absent;
mod again;
mod fill;
mod shared;

use super::{
    Inputs,
    class::{Class, Classes, platform, text},
    late::KnownLate,
    members::Members,
    own,
    scope::{Permutation, Scope},
    title::{Group, Key, Numbers, TitleCells},
};
use crate::{
    engine::{
        fleet::{Fleet, Presence, Slots},
        intern::Map,
        rules::{Alike, Installed, Memo, Regime, Ruling, Shelf, Spell, Spot, Subject, Together, rule},
        select::Columns,
    },
    policy::{
        document::policy::Presence::Required,
        expr::{Expr, Truth},
        repository::{Policy, Selector},
    },
    rollout::snapshot_title,
    world::{RememberedOffer, SlotKey},
};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::{DeviceId, Offer, TitleId, Version};
use roaring::RoaringBitmap;
use shared::{Facts, Shared, Shares};
use smol_str::SmolStr;
use std::{cell::RefCell, collections::BTreeSet, rc::Rc, sync::Arc};

/// Splits the devices of one title.
pub(super) struct Split<'a> {
    inputs: Inputs<'a>,
    classes: &'a Classes,
    columns: &'a Columns,
    scope: &'a Scope,
    shelf: &'a Shelf<'a>,
    title: &'a TitleId,
    /// Devices that were named when rings opened.
    members: Vec<&'a BTreeSet<DeviceId>>,
    /// How policies permute positions, by name; worked out when somebody asks.
    permutations: RefCell<Vec<(SmolStr, Permutation)>>,
    /// What devices share that only what they have installed tells apart.
    shared: RefCell<Map<Key, Rc<Shared<'a>>>>,
}

/// A release in a slot, with its number; `None` where nothing is installed.
pub(super) type Present<'a> = Option<(u32, &'a Presence)>;

/// A slot of a device, with what is in it.
pub(super) struct Place<'a> {
    pub present: Present<'a>,
    pub slot: SlotKey,
    memo: Memo<'a>,
}

/// How a slot of a device is looked at.
enum Looked {
    /// With others.
    As(Key),
    /// By itself.
    Alone,
}

impl<'a> Split<'a> {
    pub fn new(
        inputs: Inputs<'a>,
        classes: &'a Classes,
        columns: &'a Columns,
        scope: &'a Scope,
        shelf: &'a Shelf<'a>,
        title: &'a TitleId,
    ) -> Split<'a> {
        let taking = shelf.policies.iter().filter(|candidate| candidate.policy.snapshot_every.is_some());
        let snapshots = taking.map(|candidate| snapshot_title(&candidate.policy.name));
        let snapshots = snapshots.filter_map(|title| inputs.world.rollouts.get(&title)).flatten();
        let members = shelf.trail.rollouts.iter().chain(snapshots).flat_map(|state| state.members.values());
        Split {
            inputs,
            classes,
            columns,
            scope,
            shelf,
            title,
            members: members.collect(),
            permutations: RefCell::default(),
            shared: RefCell::default(),
        }
    }

    fn offers(&self, universe: u32) -> &'a [(Version, Offer)] {
        let told = self.inputs.fleet.universe(universe);
        told.and_then(|offers| offers.get(self.title)).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn place_of(&self, present: Present<'a>) -> Place<'a> {
        let slot = present.map_or_else(|| SlotKey::of(self.title.clone()), |(_, present)| present.slot());
        Place { present, slot, memo: Memo::default() }
    }

    /// The devices that have no release of the title.
    fn lacking(&self) -> RoaringBitmap {
        let fleet = self.inputs.fleet;
        let having = fleet.present(self.title).into_iter().map(|(_, _, holders)| holders);
        having.fold(fleet.numbers().clone(), |lacking, holders| lacking - holders)
    }

    /// What the rules say of a group, as one of its devices shows it, where spells make no difference.
    fn group(&self, place: &Place<'a>, device: u32, together: &Shares<'a>) -> (Group, Ruling) {
        let ruling = self.rule(place, device, together, false);
        let group = Group {
            contested: ruling.contested,
            consults: ruling.consults,
            matter_after: ruling.spells_matter_after,
            clocks: Arc::clone(&ruling.clocks),
            policy: ruling.policy.clone(),
            base: None,
            late: Vec::new(),
        };
        (group, ruling)
    }

    /// What follows from a spell that gives due times of its own; `None` where it gives those of the group.
    fn regime(
        &self,
        spell: Option<Spell>,
        matter_after: Timestamp,
        group: &Group,
        cells: &mut TitleCells,
    ) -> Option<Regime> {
        let spell = spell.filter(|spell| group.clocks.differs(*spell, matter_after))?;
        let policy = self.shelf.repository.policy(group.policy.as_ref()?)?;
        let began = group.clocks.began(Some(spell));
        cells.wake_at(group.clocks.next(policy, began, self.shelf.now));
        Some(group.clocks.regime(policy, began, self.shelf.now))
    }

    fn alone(&self, place: &Place<'a>, device: u32, cells: &mut TitleCells) {
        let ruling = self.rule(place, device, &None, true);
        cells.restless |= ruling.contested;
        let cell = cells.add(place, ruling, false, Members::one(device));
        cells.alone.insert((number(place.present), device), cell);
    }

    /// The slots of the title on a device, and one for its absence where it is required.
    fn places(&self, device: u32, cells: &TitleCells) -> Vec<Place<'a>> {
        let fleet = self.inputs.fleet;
        let Some(row) = fleet.row(device) else { return Vec::new() };
        let present = fleet.installs_of(row).iter().filter_map(|number| Some((*number, fleet.presence(*number)?)));
        let mut places: Vec<Place<'a>> = present
            .filter(|(_, present)| present.title == *self.title)
            .map(|present| self.place_of(Some(present)))
            .collect();
        if places.is_empty() && cells.required {
            places.push(self.place_of(None));
        }
        places
    }

    /// Puts one device into the cells, which hold it nowhere.
    pub fn place(&self, cells: &mut TitleCells, device: u32) {
        for place in self.places(device, cells) {
            self.put_in(cells, device, &place);
        }
    }

    /// Takes one device out of the cells, as it was when it was put in.
    pub fn withdraw(&self, cells: &mut TitleCells, device: u32) {
        for place in self.places(device, cells) {
            self.take_out(cells, device, number(place.present), &place.slot);
        }
    }

    /// Moves a device of which nothing has changed but what is installed.
    pub fn follow(&self, cells: &mut TitleCells, device: u32, slots: &Slots) {
        if cells.required && !slots.before {
            self.take_out(cells, device, number(None), &SlotKey::of(self.title.clone()));
        }
        for (present, slot) in &slots.gone {
            self.take_out(cells, device, *present, slot);
        }
        for present in &slots.come {
            if let Some(known) = self.inputs.fleet.presence(*present) {
                self.put_in(cells, device, &self.place_of(Some((*present, known))));
            }
        }
        if cells.required && !slots.after {
            self.put_in(cells, device, &self.place_of(None));
        }
    }

    fn put_in(&self, cells: &mut TitleCells, device: u32, place: &Place<'a>) {
        if self.inputs.fleet.row(device).is_none() {
            return;
        }
        if place.present.is_none() && self.by_package() {
            if self.has_slot(device) {
                self.alone(place, device, cells);
            }
            return;
        }
        if place.present.is_some() {
            let late = cells.late.entry(number(place.present)).or_insert_with(|| KnownLate::nobody(self.inputs.now));
            late.add(device, self.there_since(place.present, device));
        }
        let spell = self.spell(place, device);
        let Looked::As(key) = self.look(&place.slot, device, &mut cells.numbers) else {
            self.alone(place, device, cells);
            return;
        };
        let together = self.together(&key, device);
        let at = (number(place.present), key);
        let mut group = match cells.groups.remove(&at) {
            Some(group) => group,
            None => self.group(place, device, &together).0,
        };
        let consults = group.consults && self.inputs.fleet.overlay(device).admitted_before.contains_key(&place.slot);
        if group.contested || consults {
            if group.base.is_some() || !group.late.is_empty() {
                cells.groups.insert(at, group);
            }
            self.alone(place, device, cells);
            return;
        }
        let regime = group.matter_after.and_then(|matter_after| self.regime(spell, matter_after, &group, cells));
        let known = match &regime {
            None => group.base,
            Some(regime) => group.late.iter().find(|(known, _)| known == regime).map(|(_, cell)| *cell),
        };
        if !known.is_some_and(|cell| cells.join(cell, device)) {
            let own_clock = regime.is_some();
            let ruling = self.rule(place, device, &together, own_clock);
            let cell = cells.add(place, ruling, own_clock, Members::one(device));
            match regime {
                None => group.base = Some(cell),
                Some(regime) => group.late.push((regime, cell)),
            }
        }
        cells.groups.insert(at, group);
    }

    fn take_out(&self, cells: &mut TitleCells, device: u32, present: u32, slot: &SlotKey) {
        if let Some(late) = cells.late.get_mut(&present) {
            late.devices.remove(device);
        }
        if let Some(cell) = cells.alone.remove(&(present, device)) {
            cells.leave(cell, device);
            return;
        }
        let Looked::As(key) = self.look(slot, device, &mut cells.numbers) else { return };
        let Some(mut group) = cells.groups.remove(&(present, key)) else { return };
        group.base = group.base.filter(|cell| !cells.leave(*cell, device));
        group.late.retain(|(_, cell)| !cells.leave(*cell, device));
        if group.base.is_some() || !group.late.is_empty() {
            cells.groups.insert((present, key), group);
        }
    }

    /// What tells a device apart in a slot.
    fn look(&self, slot: &SlotKey, device: u32, numbers: &mut Numbers) -> Looked {
        let fleet = self.inputs.fleet;
        let seen = self.scope.seen(self.classes.of(device)).filter(|seen| !seen.too_many);
        let Some((seen, row)) = seen.zip(fleet.row(device)) else { return Looked::Alone };
        let mut members = 0;
        if !self.members.is_empty() {
            let mut words = self.no_rings();
            for (ring, members) in self.members.iter().enumerate() {
                if members.contains(&row.id) {
                    Self::add_ring(&mut words, ring);
                }
            }
            members = numbers.of_members(words);
        }
        Looked::As(Key {
            part: if self.members.is_empty() { seen.ruling(row.point) } else { seen.part(row.point) },
            zone: if self.scope.days() { row.zone } else { 0 },
            told: numbers.of_offers(row.universe, self.offers(row.universe)),
            members,
            remembered: numbers.of_remembered(self.remembered(slot, device)),
        })
    }

    /// Of no ring a member, in words of a bit for each ring that somebody was named for.
    fn no_rings(&self) -> Vec<u64> {
        vec![0; self.members.len().div_ceil(64)]
    }

    fn add_ring(words: &mut [u64], ring: usize) {
        if let Some(word) = words.get_mut(ring / 64) {
            *word |= 1 << (ring % 64);
        }
    }

    /// The offers that a device remembers in a slot.
    fn remembered(&self, slot: &SlotKey, device: u32) -> &'a [RememberedOffer] {
        let fleet: &'a Fleet = self.inputs.fleet;
        fleet.overlay(device).first_offers.get(slot).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a device has in common with others of its key.
    fn together(&self, key: &Key, device: u32) -> Shares<'a> {
        let duties = self.scope.seen(self.classes.of(device))?.duties;
        let Key { zone, told, remembered, .. } = *key;
        // Rings, gates, blocks and ages go by no offer that anybody remembers.
        let key = Key { remembered: 0, ..*key };
        Some((Alike { duties, zone, told, remembered }, Rc::clone(self.shared.borrow_mut().entry(key).or_default())))
    }

    /// Whether a policy requires the title, or a package that only its vendor builds: under which name depends on what else a device
    /// has.
    pub fn by_package(&self) -> bool {
        let repository = self.shelf.repository;
        self.shelf.policies.iter().map(|candidate| candidate.policy).any(|policy| {
            policy.presence == Required
                && (policy.meant.contains(self.title) || !repository.vendor_packages(self.title).is_empty())
        })
    }

    /// Whether a device that does not have the title has a slot for it.
    fn has_slot(&self, device: u32) -> bool {
        let named = |policy: &Policy| {
            let names = |selector: &Selector| matches!(selector, Selector::Title(title) if title == self.title);
            policy.software.iter().any(names) && !policy.meant.contains(self.title)
        };
        let policies = self.shelf.policies.iter().map(|candidate| candidate.policy);
        let mut policies = policies.filter(|policy| named(policy) || self.required(policy, device));
        policies.next().is_some()
    }

    fn required(&self, policy: &Policy, device: u32) -> bool {
        let fleet = self.inputs.fleet;
        let titles: Vec<&TitleId> = fleet.row(device).into_iter().flat_map(|row| fleet.titles_on(row)).collect();
        let mut spaces = titles.iter().filter_map(|title| Some(title.package()?.0));
        let first = spaces.next();
        let manager = first.filter(|first| spaces.all(|space| space == *first));
        self.shelf.repository.requires(policy, self.title, manager, |title| titles.contains(&title))
    }

    /// When the spell of a device began in a slot.
    fn spell(&self, place: &Place<'_>, device: u32) -> Option<Spell> {
        let noted = self.inputs.fleet.overlay(device).spells.get(&place.slot).copied().map(Spell::Noted);
        noted.or_else(|| self.there_since(place.present, device).map(Spell::Own))
    }

    /// Since when an install is there, or the device itself, whichever came later.
    fn there_since(&self, present: Present<'_>, device: u32) -> Option<Timestamp> {
        let fleet = self.inputs.fleet;
        let row = fleet.row(device)?;
        let since = present.and_then(|(number, _)| fleet.since(row, number));
        since.max(fleet.enrolled(row))
    }

    /// Applies the rules to a slot of a device, which stands for its cell: with others, whatever it remembers, or by itself; and with its own
    /// spell, or as if that began before anything that it is compared with.
    pub fn rule(&self, place: &Place<'a>, device: u32, together: &Shares<'a>, own_spell: bool) -> Ruling {
        let Place { present, slot, memo } = place;
        let Inputs { fleet, repository, .. } = self.inputs;
        let overlay = fleet.overlay(device);
        let row = fleet.row(device);
        let class = self.classes.get(self.classes.of(device));
        let class = class.as_ref();
        let ask = |condition: &Arc<Expr>| class.map_or(Truth::Unknown, |class: &Class<'_>| class.truth(condition));
        let point = |policy: &str| {
            let known = self.permutations.borrow().iter().find(|(name, _)| name == policy).map(|(_, known)| *known);
            let permutation = known.unwrap_or_else(|| {
                let permutation = Permutation::of(policy);
                self.permutations.borrow_mut().push((policy.into(), permutation));
                permutation
            });
            row.map_or(0, |row| u32::from(permutation.point(row.point)))
        };
        let member = |members: &BTreeSet<DeviceId>| row.is_some_and(|row| members.contains(&row.id));
        let platform = || text(class.and_then(|class| class.value(self.columns, &platform())));
        let platform = match together {
            Some((_, shared)) => *shared.platform.get_or_init(platform),
            None => platform(),
        };
        let zone = row.and_then(|row| fleet.zone(row.zone)).unwrap_or(&UTC);
        let installed = present.map(|(_, present)| Installed { branch: &present.branch, version: &present.version });
        let since = || present.and_then(|(number, _)| row.and_then(|row| fleet.since(row, number)));
        let subject = Subject {
            ask: &ask,
            facts: &Facts { columns: self.columns, class },
            platform,
            zone,
            doubt: overlay.identity_in_doubt,
            point: &point,
            member: &member,
            required: &|policy| self.required(policy, device),
            enrolled: row.and_then(|row| fleet.enrolled(row)),
            since: &since,
            own_spell,
            offers: row.map_or(&[][..], |row| self.offers(row.universe)),
            spell: overlay.spells.get(slot).copied(),
            first_offers: self.remembered(slot, device),
            admitted_before: overlay.admitted_before.get(slot).filter(|_| together.is_none()),
            decided_before: overlay.decided_before.get(slot).filter(|_| together.is_none()),
        };
        let own = || own(fleet, repository, self.classes, device, None, self.shelf.now);
        let together = together.as_ref().map(|(alike, shared)| Together { alike: *alike, common: &shared.common });
        rule(self.shelf, Spot { installed, zone }, &subject, &own, memo, together)
    }

    /// Whether such a device has a slot for the title, which it does not have.
    pub fn is_asked(&self, device: u32) -> bool {
        !self.by_package() || self.has_slot(device)
    }
}

/// The zone of devices of which none is known.
pub(super) static UTC: TimeZone = TimeZone::UTC;

/// The number of a release in a slot; nothing is installed under the greatest, which no release has.
fn number(present: Present<'_>) -> u32 {
    present.map_or(u32::MAX, |(number, _)| number)
}
