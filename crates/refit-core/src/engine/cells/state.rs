//! What is worked out of a fleet: classes, and the cells of each title that policies speak of.

use super::{
    Answer, Inputs,
    class::{self, Classes},
    late::Late,
    own,
    scope::{Scope, ScopeKey, Scopes},
    split::Split,
    title::{Cell, TitleCells},
};
use crate::{
    engine::{
        fleet::{Fleet, Presence as Release},
        intern::Map,
        outcome::Outcome,
        rules::{Shelf, Spell, Spoken},
        select::{Columns, Selection},
        size::Footprint,
    },
    facts::{FieldRef, Root},
    policy::{
        document::policy::Presence,
        repository::{Repository, Selector},
    },
    world::SlotKey,
};
use refit_model::{DeviceId, TitleId, Version};
use roaring::RoaringBitmap;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// All that is worked out.
#[derive(Debug)]
pub(super) struct State {
    pub columns: Columns,
    pub classes: Classes,
    pub scopes: Scopes,
    /// The titles that somebody has or that are required.
    pub titles: BTreeMap<TitleId, TitleCells>,
    pub named: BTreeMap<TitleId, Named>,
    pub spoken: Spoken,
}

/// How policies name a title: who does not have it has a slot for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// None asks for it: what they say of its absence is worked out when somebody reads it.
    Named,
    /// One asks for it.
    Required,
}

impl State {
    /// Works out everything.
    pub fn new(inputs: Inputs<'_>) -> State {
        let Inputs { fleet, repository, world, now } = inputs;
        let mut selection = Selection::new(fleet, repository, now);
        selection.read(&fields_asked(repository));
        let columns = selection.columns;
        let classes = Classes::new(fleet, repository, &world.applied, &columns, now);
        let mut state = State {
            columns,
            classes,
            scopes: Scopes::default(),
            titles: BTreeMap::new(),
            named: named(repository),
            spoken: Spoken::new(repository),
        };
        let required = state.named.iter().filter(|(_, named)| **named == Named::Required).map(|(title, _)| title);
        let titles: BTreeSet<TitleId> = fleet.titles().chain(required).cloned().collect();
        let spoken = &state.spoken;
        let managed =
            titles.iter().filter(|title| !Shelf::new(repository, spoken, world, title, now).policies.is_empty());
        let late = Late::new(inputs, managed);
        titles.iter().for_each(|title| state.decide_with(inputs, title, Some(&late)));
        state
    }

    /// Decides a title for everybody anew.
    pub fn decide(&mut self, inputs: Inputs<'_>, title: &TitleId) {
        self.decide_with(inputs, title, None);
    }

    /// Decides a title; `late` is who has what too recently, where somebody has looked at all devices.
    fn decide_with(&mut self, inputs: Inputs<'_>, title: &TitleId, late: Option<&Late>) {
        let shelf = Shelf::new(inputs.repository, &self.spoken, inputs.world, title, inputs.now);
        let required = self.named.get(title) == Some(&Named::Required);
        if shelf.policies.is_empty() {
            // A release of the security archive may be all that a policy waits for.
            self.titles.insert(title.clone(), TitleCells::unmanaged(shelf.next([])));
            return;
        }
        let State { scopes, classes, .. } = self;
        let number = scopes.number(ScopeKey::new(&shelf, title), inputs.repository, classes);
        let mut cells = TitleCells::managed(required, number, &shelf);
        let again;
        let late = match late {
            Some(late) => late,
            None => {
                let known = self.titles.get(title).map(|cells| &cells.late);
                again = Late::again(inputs, title, known.unwrap_or(&Map::default()));
                &again
            }
        };
        let Some(scope) = scopes.seen_by(number, inputs.repository, classes) else { return };
        let split = Split::new(inputs, &self.classes, &self.columns, scope, &shelf, title);
        let same_groups = |old: &TitleCells| {
            old.managed
                && old.holds_together()
                && (old.required, old.scope) == (required, number)
                && !split.by_package()
        };
        match self.titles.remove(title).filter(same_groups) {
            Some(old) => split.fill_again(old, &mut cells, late),
            None => split.fill(&mut cells, late),
        }
        cells.settle();
        self.titles.insert(title.clone(), cells);
    }

    /// Others than before are named for the rings of a title.
    pub fn others_are_named(&mut self, title: &TitleId) {
        if let Some(cells) = self.titles.get_mut(title) {
            cells.others_were_named = true;
        }
    }

    /// All cells.
    pub fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.titles.values().flat_map(TitleCells::iter)
    }

    /// How much memory it takes, by what it is for.
    pub fn footprint(&self) -> Footprint {
        let mut sums = [0; 4];
        for cells in self.titles.values() {
            sums.iter_mut().zip(cells.bytes()).for_each(|(sum, bytes)| *sum += bytes);
        }
        let [cells, devices, groups, late] = sums;
        vec![
            ("columns of fields", self.columns.bytes()),
            ("classes", self.classes.bytes()),
            ("what titles see of classes", self.scopes.bytes()),
            ("verdicts: cells", cells),
            ("verdicts: devices of cells", devices),
            ("verdicts: how devices are found in them", groups),
            ("verdicts: who is late", late),
        ]
    }

    /// The answer for each slot of a device, in the order of slots.
    pub fn device(&self, inputs: Inputs<'_>, id: &DeviceId) -> Vec<Answer> {
        let fleet = inputs.fleet;
        let row = fleet.number(id).and_then(|number| fleet.row(number));
        let Some(row) = row else { return Vec::new() };
        let titles: BTreeSet<&TitleId> = fleet.titles_on(row).chain(self.named.keys()).collect();
        titles.into_iter().flat_map(|title| self.title(inputs, id, title)).collect()
    }

    /// The answer for each slot that a title has on a device.
    pub fn title(&self, inputs: Inputs<'_>, id: &DeviceId, title: &TitleId) -> Vec<Answer> {
        let Some(number) = inputs.fleet.number(id) else { return Vec::new() };
        let cells = self.titles.get(title).into_iter().flat_map(TitleCells::iter);
        let cells = cells.filter(|cell| cell.devices.contains(number));
        let mut found: Vec<Answer> =
            cells.map(|cell| (cell.slot.clone(), cell.installed.clone(), self.read(inputs, cell, number))).collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        if found.is_empty() { self.without_cell(inputs, number, title) } else { found }
    }

    fn read(&self, inputs: Inputs<'_>, cell: &Cell, device: u32) -> Outcome {
        let Inputs { fleet, repository, now, .. } = inputs;
        let spell = cell.own_clock.then(|| spell(fleet, cell, device)).flatten();
        cell.ruling.read(repository, &own(fleet, repository, &self.classes, device, spell, now), now)
    }

    /// The answers where nothing is kept, since nothing has to be done.
    fn without_cell(&self, inputs: Inputs<'_>, number: u32, title: &TitleId) -> Vec<Answer> {
        let Inputs { fleet, repository, world, now } = inputs;
        let Some(row) = fleet.row(number) else { return Vec::new() };
        let shelf = Shelf::new(repository, &self.spoken, world, title, now);
        let key = ScopeKey::new(&shelf, title);
        let unknown;
        let scope = match self.scopes.get(&key) {
            Some(scope) => scope,
            None => {
                unknown = Scope::nothing_seen(&key);
                &unknown
            }
        };
        let split = Split::new(inputs, &self.classes, &self.columns, scope, &shelf, title);
        let own = own(fleet, repository, &self.classes, number, None, now);
        let mut answers = Vec::new();
        let present = fleet.installs_of(row).iter().filter_map(|number| Some((*number, fleet.presence(*number)?)));
        let mut present: Vec<(u32, &Release)> = present.filter(|(_, present)| present.title == *title).collect();
        present.sort_by(|one, other| one.1.cmp(other.1));
        for (release, present) in &present {
            let slot = present.slot();
            let ruling = split.rule(&split.place_of(Some((*release, *present))), number, &None, true);
            answers.push((slot, Some(present.version.clone()), ruling.read(repository, &own, now)));
        }
        if present.is_empty() && self.named.contains_key(title) && split.is_asked(number) {
            let slot = SlotKey::of(title.clone());
            let ruling = split.rule(&split.place_of(None), number, &None, true);
            answers.push((slot, None, ruling.read(repository, &own, now)));
        }
        answers
    }

    /// Cohorts by what anybody acts on, as text.
    pub fn cohorts(&self) -> BTreeMap<String, RoaringBitmap> {
        let mut cohorts: BTreeMap<String, RoaringBitmap> = BTreeMap::new();
        for cell in self.cells() {
            cell.devices.join(cohorts.entry(cohort(cell)).or_default());
        }
        cohorts
    }

    /// All cohorts with their devices, as text in which nothing depends on how the fleet came about.
    pub fn export(&self, fleet: &Fleet) -> String {
        let mut text = String::new();
        for (key, devices) in self.cohorts() {
            let mut ids: Vec<_> = devices.iter().filter_map(|device| fleet.id(device)).collect();
            ids.sort();
            let _ = writeln!(text, "{key} {ids:?}");
        }
        text
    }
}

fn cohort(cell: &Cell) -> String {
    let ruling = &cell.ruling;
    let version = |version: &Option<Version>| version.as_ref().map_or("-".to_owned(), ToString::to_string);
    let mut key = format!(
        "{} {} policy {:?} goal {:?} admitted {} rollout {:?} ring {:?} due ",
        cell.slot,
        version(&cell.installed),
        ruling.policy,
        ruling.goal,
        version(&ruling.admitted),
        ruling.rollout,
        ruling.ring,
    );
    let _ = match cell.own_clock {
        true => write!(key, "by the device's own spell {:?}", ruling.clocks),
        false => write!(key, "{:?}", ruling.due),
    };
    key
}

/// When a device's spell began.
pub(super) fn spell(fleet: &Fleet, cell: &Cell, device: u32) -> Option<Spell> {
    if let Some(noted) = fleet.overlay(device).spells.get(&cell.slot) {
        return Some(Spell::Noted(*noted));
    }
    let row = fleet.row(device)?;
    cell.present.and_then(|present| fleet.since(row, present)).max(fleet.enrolled(row)).map(Spell::Own)
}

/// The titles that policies name, so that who does not have them has a slot for them. A package that a named title means has one
/// only where it is required.
fn named(repository: &Repository) -> BTreeMap<TitleId, Named> {
    let mut named = BTreeMap::new();
    for policy in &repository.policies {
        let required = policy.presence == Presence::Required;
        for selector in &policy.software {
            if let Selector::Title(title) = selector
                && (required || !policy.meant.contains(title))
            {
                let how = if required { Named::Required } else { Named::Named };
                let known = named.entry(title.clone()).or_insert(how);
                *known = how.max(*known);
            }
        }
    }
    named
}

/// All fields of devices and people that anything in a repository asks, and those that decisions ask by themselves.
fn fields_asked(repository: &Repository) -> Vec<FieldRef> {
    let asked = class::conditions_on_devices(repository).chain(class::conditions_on_exposures(repository));
    let fields = asked.flat_map(|condition| condition.asked().iter());
    let fields = fields.filter(|field| field.root != Root::Exposure).cloned();
    let fields: BTreeSet<FieldRef> = fields.chain([class::platform(), class::kind(), class::phase()]).collect();
    fields.into_iter().collect()
}
