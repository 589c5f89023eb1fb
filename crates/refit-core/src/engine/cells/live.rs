//! The engine: a fleet with what the policies say of it, kept true as the world changes and as time passes.

use super::{
    Answer, Inputs,
    split::Split,
    state::{Named, State},
};
use crate::{
    engine::{
        fleet::{Change, Fleet},
        rules::Shelf,
    },
    policy::repository::Repository,
    rollout::snapshot_policy,
    world::{GateState, RolloutState, World},
};
use jiff::Timestamp;
use refit_model::{Advisory, AdvisoryId, DeviceId, Release, TitleId};
use smol_str::SmolStr;
use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    sync::Arc,
};

/// A fleet with what the policies say of it.
#[derive(Debug)]
pub struct Engine {
    fleet: Fleet,
    repository: Arc<Repository>,
    world: World,
    now: Timestamp,
    state: State,
    /// When something changes by itself. What is no longer so when its time comes is left alone.
    wakes: BinaryHeap<Reverse<(i128, Wake)>>,
    /// For each device when its facts change by themselves, in nanoseconds since 1970; by number.
    facts_last: Vec<Option<i128>>,
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Device(u32),
    Title(TitleId),
}

/// Something that happened to what is not a device.
#[derive(Clone, Debug)]
pub enum WorldChange {
    /// A release was published; it takes the place of the same one.
    Released(Release),
    /// An advisory was published or changed; it takes the place of the one of that id for that title.
    Advised(Advisory),
    /// A release, or a snapshot, has come further in a rollout; it takes the place of what was known of it on that platform.
    Opened(TitleId, RolloutState),
    /// What is known of a gate; it takes the place of what was known for that ring and platform.
    Found(TitleId, GateState),
    /// A condition on an advisory first became true.
    Latched(AdvisoryId, SmolStr, Timestamp),
}

impl Engine {
    /// Decides everything from scratch, and keeps it.
    pub fn new(fleet: Fleet, repository: Arc<Repository>, world: World, now: Timestamp) -> Engine {
        let inputs = Inputs { fleet: &fleet, repository: &repository, world: &world, now };
        let state = State::new(inputs);
        let (wakes, facts_last) = (BinaryHeap::new(), vec![None; fleet.width()]);
        let mut engine = Engine { fleet, repository, world, now, state, wakes, facts_last };
        engine.watch_all();
        engine
    }

    /// The devices.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// What is so apart from devices.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The time for which everything is decided.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs { fleet: &self.fleet, repository: &self.repository, world: &self.world, now: self.now }
    }

    /// The answer for each slot of a device, in the order of slots.
    pub fn device(&self, id: &DeviceId) -> Vec<Answer> {
        self.state.device(self.inputs(), id)
    }

    /// The answer for each slot that a title has on a device.
    pub fn title(&self, id: &DeviceId, title: &TitleId) -> Vec<Answer> {
        self.state.title(self.inputs(), id, title)
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.state.cells().count()
    }

    /// As [`super::Verdicts::export`].
    pub fn export(&self) -> String {
        self.state.export(&self.fleet)
    }

    /// The first time at which a cell may change by itself; it may be early, never late. What windows, absences and the end of a due
    /// time make of an answer is worked out when it is read, and wakes nobody.
    pub fn next(&self) -> Option<Timestamp> {
        let next = self.wakes.peek().map(|Reverse((at, _))| *at)?;
        Some(Timestamp::from_nanosecond(next).unwrap_or(Timestamp::MAX))
    }

    /// Takes a change of a device; whether the device is known.
    pub fn apply(&mut self, change: Change) -> bool {
        let id = match &change {
            Change::Known(device) => device.id.clone(),
            Change::Gone(id)
            | Change::Said(id, _)
            | Change::Moved(id, _)
            | Change::Seen(id, _)
            | Change::Installed(id, _)
            | Change::Removed(id, _)
            | Change::Offered(id, _) => id.clone(),
        };
        // That it was seen is read with the answer.
        if matches!(change, Change::Seen(..)) {
            return self.fleet.apply(change);
        }
        let before = self.fleet.number(&id);
        if let Some(number) = before {
            self.withdraw(number);
        }
        let known = self.fleet.apply(change);
        let after = self.fleet.number(&id);
        if let Some(number) = before.filter(|number| Some(*number) != after) {
            self.renew(number);
        }
        if let Some(number) = after {
            self.renew(number);
            self.place(number);
        }
        known
    }

    /// Takes a change of the world.
    pub fn change(&mut self, change: WorldChange) {
        let title = match change {
            WorldChange::Released(release) => {
                let title = release.title.clone();
                self.world.publish(release);
                title
            }
            WorldChange::Advised(advisory) => {
                let title = advisory.title.clone();
                self.world.advise(advisory);
                title
            }
            WorldChange::Opened(title, state) => {
                let known = self.world.rollouts.entry(title.clone()).or_default();
                let same = |known: &RolloutState| {
                    (&known.rollout, &known.version, &known.platform)
                        == (&state.rollout, &state.version, &state.platform)
                };
                known.retain(|known| !same(known));
                known.push(state);
                title
            }
            WorldChange::Found(title, state) => {
                let known = self.world.gates.entry(title.clone()).or_default();
                let same = |known: &GateState| {
                    (&known.version, &known.after, &known.platform) == (&state.version, &state.after, &state.platform)
                };
                known.retain(|known| !same(known));
                known.push(state);
                title
            }
            WorldChange::Latched(advisory, condition, since) => {
                self.world.latches.insert((advisory.clone(), condition), since);
                for title in
                    self.titles_that(|world, title| world.advisories(title).iter().any(|known| known.id == advisory))
                {
                    self.decide(&title);
                }
                return;
            }
        };
        if snapshot_policy(&title).is_some() {
            // What a snapshot brings, and whom it stops, is of many titles.
            for title in self.titles_that(|_, title| title.package().is_some()) {
                self.decide(&title);
            }
            return;
        }
        self.decide(&title);
    }

    fn titles_that(&self, which: impl Fn(&World, &TitleId) -> bool) -> Vec<TitleId> {
        self.state.titles.keys().filter(|title| which(&self.world, title)).cloned().collect()
    }

    /// Lets time pass: what was to change up to `now` has changed. Time does not go back.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        let until = self.now.as_nanosecond();
        let (mut devices, mut titles) = (BTreeSet::new(), BTreeSet::new());
        while let Some(Reverse((at, _))) = self.wakes.peek()
            && *at <= until
        {
            match self.wakes.pop() {
                Some(Reverse((at, Wake::Device(number))))
                    if self.facts_last.get(number as usize).copied().flatten() == Some(at) =>
                {
                    devices.insert(number);
                }
                Some(Reverse((_, Wake::Title(title)))) => drop(titles.insert(title)),
                Some(_) | None => {}
            }
        }
        for number in devices {
            self.withdraw(number);
            self.renew(number);
            self.place(number);
        }
        titles.extend(self.state.titles.iter().filter(|(_, cells)| cells.restless).map(|(title, _)| title.clone()));
        titles.iter().for_each(|title| self.decide(title));
    }

    fn decide(&mut self, title: &TitleId) {
        let Engine { fleet, repository, world, now, state, .. } = self;
        state.decide(Inputs { fleet, repository, world, now: *now }, title);
        self.watch(title);
    }

    /// The titles whose cells a device is in, or may be.
    fn titles_of(&self, number: u32) -> BTreeSet<TitleId> {
        let Some(row) = self.fleet.row(number) else { return BTreeSet::new() };
        self.fleet.titles_on(row).cloned().chain(self.required()).collect()
    }

    /// The titles that who does not have them is in a cell of, too.
    fn required(&self) -> impl Iterator<Item = TitleId> {
        let required = self.state.named.iter().filter(|(_, named)| **named == Named::Required);
        required.map(|(title, _)| title.clone())
    }

    fn withdraw(&mut self, number: u32) {
        for title in self.titles_of(number) {
            self.touch(&title, |split, cells| split.withdraw(cells, number));
        }
    }

    fn place(&mut self, number: u32) {
        for title in self.titles_of(number) {
            if self.state.titles.contains_key(&title) {
                self.touch(&title, |split, cells| split.place(cells, number));
                self.watch(&title);
            } else {
                // It is the first that has it.
                self.decide(&title);
            }
        }
    }

    fn touch(&mut self, title: &TitleId, how: impl FnOnce(&Split<'_>, &mut super::title::TitleCells)) {
        let Engine { fleet, repository, world, now, state, .. } = self;
        if !state.titles.get(title).is_some_and(|cells| cells.managed) {
            return;
        }
        let Some(mut cells) = state.titles.remove(title) else { return };
        let shelf = Shelf::new(repository, world, title, *now);
        if !shelf.policies.is_empty() {
            let key = state.scope(repository, &shelf, title);
            if let Some(scope) = state.scopes.get(&key) {
                let inputs = Inputs { fleet, repository, world, now: *now };
                how(&Split::new(inputs, &state.classes, &state.columns, scope, &shelf, title), &mut cells);
            }
        }
        state.titles.insert(title.clone(), cells);
    }

    /// Reads the facts of a device anew.
    fn renew(&mut self, number: u32) {
        let Engine { fleet, repository, state, now, .. } = self;
        let fresh_until = state.columns.renew(fleet, repository, *now, number);
        let changes = state.classes.renew(fleet, &state.columns, number, *now);
        self.watch_facts(number, fresh_until, changes);
    }

    fn watch_facts(&mut self, number: u32, fresh_until: Option<i128>, changes: Option<Timestamp>) {
        // What counts until an instant counts at that instant.
        let next = fresh_until.map(|until| until + 1).into_iter().chain(changes.map(Timestamp::as_nanosecond)).min();
        if self.facts_last.len() <= number as usize {
            self.facts_last.resize(number as usize + 1, None);
        }
        if let Some(last) = self.facts_last.get_mut(number as usize) {
            *last = next;
        }
        self.wakes.extend(next.map(|at| Reverse((at, Wake::Device(number)))));
    }

    fn watch(&mut self, title: &TitleId) {
        let next = self.state.titles.get_mut(title).and_then(|cells| cells.watched());
        self.wakes.extend(next.map(|at| Reverse((at.as_nanosecond(), Wake::Title(title.clone())))));
    }

    fn watch_all(&mut self) {
        let titles: Vec<TitleId> = self.state.titles.keys().cloned().collect();
        titles.iter().for_each(|title| self.watch(title));
        let timed = self.state.classes.depend_on_now();
        let numbers: Vec<u32> = self.fleet.numbers().iter().collect();
        for number in numbers {
            let Engine { fleet, repository, state, now, .. } = self;
            let fresh_until = state.columns.fresh_until(fleet, repository, *now, number);
            let changes = timed.then(|| state.classes.next_change(&state.columns, number, *now)).flatten();
            self.watch_facts(number, fresh_until, changes);
        }
    }
}
