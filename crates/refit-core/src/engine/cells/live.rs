//! The engine: a fleet with what the policies say of it, kept true as the world changes and as time passes.

use super::{
    Answer, Inputs,
    class::conditions_on_exposures,
    split::Split,
    state::{Named, State},
    title::TitleCells,
};
use crate::{
    engine::{
        fleet::{Change, Difference, Fleet, Moved, Slots},
        rules::Shelf,
    },
    facts::{FieldRef, Root, Value},
    policy::{
        expr::{Part, Text},
        repository::Repository,
    },
    rollout::snapshot_policy,
    world::{ExposureView, GateState, Install, RolloutState, SlotKey, World},
};
use jiff::Timestamp;
use refit_model::{Advisory, AdvisoryId, DeviceId, Release, TitleId};
use smol_str::SmolStr;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
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
    /// When the facts of devices change by themselves, by number.
    facts_last: Vec<FactsLast>,
    /// The titles of which the answers depend on the time of day, and on when devices were seen.
    restless: BTreeSet<TitleId>,
    /// The parts of conditions that ask scores of exposures, each once.
    scored: Vec<Part>,
}

/// When the facts of a device change by themselves, in nanoseconds since 1970. A report mostly makes that later: it is looked at again when
/// the time comes that was said before, so that each device is woken for once, however often it reports.
#[derive(Clone, Copy, Debug, Default)]
struct FactsLast {
    until: Option<i128>,
    /// The first time for which somebody is woken.
    woken: Option<i128>,
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
        let (wakes, facts_last) = (BinaryHeap::new(), vec![FactsLast::default(); fleet.width()]);
        let (restless, scored) = (BTreeSet::new(), asking_scores(&repository));
        let mut engine = Engine { fleet, repository, world, now, state, wakes, facts_last, restless, scored };
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

    /// Takes a change of a device; whether the device is known. Only the titles are looked at of which something may have changed.
    pub fn apply(&mut self, change: Change) -> bool {
        let before = self.fleet.number(change.id());
        let Some(number) = before else { return self.add(change) };
        match change {
            // That it was seen is read with the answer.
            Change::Seen(_, at) => self.fleet.see(number, at),
            Change::Installed(_, install) => self.observe(number, &[install], &[]),
            Change::Removed(_, slot) => self.observe(number, &[], &[slot]),
            Change::Observed { seen, installed, removed, .. } => {
                self.fleet.see(number, seen);
                self.observe(number, &installed, &removed);
            }
            Change::Said(_, facts) => {
                self.fleet.say(number, facts);
                self.reclassify(number);
            }
            Change::Known(device) => {
                let held = self.fleet.hold(&device);
                match self.fleet.difference(number, &held) {
                    Difference::Installs(moved) => {
                        self.fleet.place(held);
                        self.follow(number, &moved);
                    }
                    Difference::Facts => {
                        self.fleet.place(held);
                        self.reclassify(number);
                    }
                    Difference::More => {
                        self.withdraw(number);
                        self.fleet.place(held);
                        self.renew(number);
                        self.place(number);
                    }
                }
            }
            change @ (Change::Gone(_) | Change::Moved(..) | Change::Offered(..)) => {
                self.withdraw(number);
                let gone = matches!(change, Change::Gone(_));
                self.fleet.apply(change);
                self.renew(number);
                if !gone {
                    self.place(number);
                }
            }
        }
        true
    }

    /// Takes a device that is not known.
    fn add(&mut self, change: Change) -> bool {
        let id = change.id().clone();
        if !self.fleet.apply(change) {
            return false;
        }
        if let Some(number) = self.fleet.number(&id) {
            self.renew(number);
            self.place(number);
        }
        true
    }

    fn observe(&mut self, number: u32, installed: &[Install], removed: &[SlotKey]) {
        let moved = self.fleet.observe(number, installed, removed);
        self.follow(number, &moved);
    }

    /// Puts the installs of a device that have changed into other cells.
    fn follow(&mut self, number: u32, moved: &Moved) {
        for (title, slots) in &moved.titles {
            self.move_slots(number, title, slots);
        }
        if moved.other_titles {
            // Under which name a title is required depends on what else a device has.
            let required: Vec<TitleId> = self.required().filter(|title| !moved.titles.contains_key(title)).collect();
            for title in required {
                self.touch(&title, |split, cells| {
                    split.withdraw(cells, number);
                    split.place(cells, number);
                });
                self.watch(&title);
            }
        }
    }

    fn move_slots(&mut self, number: u32, title: &TitleId, slots: &Slots) {
        if !self.state.titles.contains_key(title) {
            // It is the first that has it.
            self.decide(title);
            return;
        }
        self.touch(title, |split, cells| split.follow(cells, number, slots));
        self.watch(title);
    }

    /// Reads the facts of a device anew, and moves it where they put it into another class.
    fn reclassify(&mut self, number: u32) {
        let before = self.state.classes.of(number);
        self.renew(number);
        let after = self.state.classes.of(number);
        if before != after {
            self.state.classes.set(number, before);
            self.withdraw(number);
            self.state.classes.set(number, after);
            self.place(number);
        }
    }

    /// Takes a change of the world.
    pub fn change(&mut self, change: WorldChange) {
        self.change_all([change]);
    }

    /// Takes changes of the world that are heard of together: each title of which anything may be otherwise is decided once.
    pub fn change_all(&mut self, changes: impl IntoIterator<Item = WorldChange>) {
        let mut titles = BTreeSet::new();
        for change in changes {
            self.enter(change, &mut titles);
        }
        titles.iter().for_each(|title| self.decide(title));
    }

    /// Makes a change of the world, and notes the titles that have to be decided anew.
    fn enter(&mut self, change: WorldChange, titles: &mut BTreeSet<TitleId>) {
        let names = matches!(change, WorldChange::Opened(..));
        let title = match change {
            WorldChange::Released(release) => {
                let title = release.title.clone();
                self.world.publish(release);
                title
            }
            WorldChange::Advised(advisory) => {
                let title = advisory.title.clone();
                let known = self.world.advisories(&title).iter().find(|known| known.id == advisory.id);
                let means_the_same = known.is_some_and(|known| self.means_the_same(known, &advisory));
                self.world.advise(advisory);
                if means_the_same {
                    return;
                }
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
                let gate =
                    |it: &GateState| (it.version.clone(), it.rollout.clone(), it.after.clone(), it.platform.clone());
                let same = |known: &GateState| gate(known) == gate(&state);
                known.retain(|known| !same(known));
                known.push(state);
                title
            }
            WorldChange::Latched(advisory, condition, since) => {
                self.world.latches.insert((advisory.clone(), condition), since);
                let concerned =
                    |world: &World, title: &TitleId| world.advisories(title).iter().any(|known| known.id == advisory);
                titles.extend(self.titles_that(concerned));
                return;
            }
        };
        let concerned = match snapshot_policy(&title) {
            // What a snapshot brings, and whom it stops, is of many titles: of packages, and of those that it names.
            Some(_) => {
                let moving = self.world.rollouts.get(&title).into_iter().flatten();
                let moving = moving.flat_map(|state| state.releases.iter().flatten());
                let moving: BTreeSet<&TitleId> = moving.map(|(title, _)| title).collect();
                self.titles_that(|_, title| title.package().is_some() || moving.contains(title))
            }
            None => vec![title],
        };
        if names {
            concerned.iter().for_each(|title| self.state.others_are_named(title));
        }
        titles.extend(concerned);
    }

    /// Whether an advisory differs from what was known of it only in scores, and in none that any condition takes differently.
    fn means_the_same(&self, known: &Advisory, new: &Advisory) -> bool {
        let scored = Advisory { cvss: new.cvss, epss: new.epss, said_by: new.said_by.clone(), ..known.clone() };
        if scored != *new {
            return false;
        }
        // Of what else an answer depends on, being listed changes with time, and at most once.
        let times = [known.known_at, known.kev.map_or(known.known_at, |kev| kev.max(known.known_at)), self.now];
        let nobody: BTreeMap<FieldRef, Value> = BTreeMap::new();
        // A condition says the same where each of its parts does, whatever the device.
        self.scored.iter().all(|part| {
            let of_device = part.fields.iter().any(|field| field.root != Root::Exposure);
            let says = |advisory: &Advisory, at| part.expr.truth(&ExposureView { known: &nobody, advisory, at }, at);
            !of_device && !part.expr.depends_on_now() && times.iter().all(|at| says(known, *at) == says(new, *at))
        })
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
                Some(Reverse((at, Wake::Device(number)))) => {
                    let Some(last) = self.facts_last.get_mut(number as usize) else { continue };
                    if last.woken != Some(at) {
                        continue;
                    }
                    last.woken = None;
                    if last.until.is_some_and(|last| last <= until) {
                        devices.insert(number);
                    } else {
                        self.wake_for(number);
                    }
                }
                Some(Reverse((_, Wake::Title(title)))) => drop(titles.insert(title)),
                None => {}
            }
        }
        for number in devices {
            self.withdraw(number);
            self.renew(number);
            self.place(number);
        }
        titles.extend(self.restless.iter().cloned());
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

    fn touch(&mut self, title: &TitleId, how: impl FnOnce(&Split<'_>, &mut TitleCells)) {
        let Engine { fleet, repository, world, now, state, .. } = self;
        let State { columns, classes, scopes, titles, .. } = state;
        let Some(cells) = titles.get_mut(title).filter(|cells| cells.managed) else { return };
        let Some(scope) = scopes.seen_by(cells.scope, repository, classes) else { return };
        let shelf = Shelf::of(repository, world, title, *now, &cells.policies, &cells.lasting);
        let inputs = Inputs { fleet, repository, world, now: *now };
        how(&Split::new(inputs, classes, columns, scope, &shelf, title), cells);
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
            self.facts_last.resize(number as usize + 1, FactsLast::default());
        }
        if let Some(last) = self.facts_last.get_mut(number as usize) {
            last.until = next;
        }
        self.wake_for(number);
    }

    /// Sees to it that somebody is woken for a device by when its facts change.
    fn wake_for(&mut self, number: u32) {
        let Some(last) = self.facts_last.get_mut(number as usize) else { return };
        if let Some(until) = last.until
            && last.woken.is_none_or(|woken| woken > until)
        {
            last.woken = Some(until);
            self.wakes.push(Reverse((until, Wake::Device(number))));
        }
    }

    fn watch(&mut self, title: &TitleId) {
        let Some(cells) = self.state.titles.get_mut(title) else { return };
        let next = cells.watched();
        if cells.restless != self.restless.contains(title) {
            match cells.restless {
                true => self.restless.insert(title.clone()),
                false => self.restless.remove(title),
            };
        }
        self.wakes.extend(next.map(|at| Reverse((at.as_nanosecond(), Wake::Title(title.clone())))));
    }

    fn watch_all(&mut self) {
        let titles: Vec<TitleId> = self.state.titles.keys().cloned().collect();
        titles.iter().for_each(|title| self.watch(title));
        let Engine { fleet, repository, state, now, .. } = self;
        let timed = state.classes.depend_on_now();
        let mut fresh_until = state.columns.fresh_until(fleet, repository, *now);
        let times = fleet.numbers().iter().map(|number| {
            let changes = timed.then(|| state.classes.next_change(&state.columns, number, *now)).flatten();
            (number, fresh_until(number), changes)
        });
        let times: Vec<(u32, Option<i128>, Option<Timestamp>)> = times.collect();
        drop(fresh_until);
        times.into_iter().for_each(|(number, fresh_until, changes)| self.watch_facts(number, fresh_until, changes));
    }
}

/// The parts of conditions that ask scores of exposures: many policies ask the same.
fn asking_scores(repository: &Repository) -> Vec<Part> {
    let scores = [FieldRef::exposure("cvss"), FieldRef::exposure("epss")];
    let mut by_key: BTreeMap<Text, Part> = BTreeMap::new();
    for condition in conditions_on_exposures(repository) {
        if condition.fields().iter().any(|field| scores.contains(field)) {
            for part in condition.formula().parts() {
                if part.fields.iter().any(|field| scores.contains(field)) {
                    by_key.entry(part.key.clone()).or_insert_with(|| part.clone());
                }
            }
        }
    }
    by_key.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_report_again_and_again_are_woken_for_once() {
        let now = Timestamp::UNIX_EPOCH;
        let mut engine = Engine::new(Fleet::new(), Arc::default(), World::default(), now);
        let woken = |engine: &Engine| -> Vec<i128> {
            engine.wakes.clone().into_sorted_vec().into_iter().rev().map(|Reverse((at, _))| at).collect()
        };
        for until in [10, 20, 20, 30] {
            engine.watch_facts(3, Some(until), None);
        }
        assert_eq!(woken(&engine), [11]);
        // Nothing has changed by then: the next time is the one that was said last.
        engine.advance(Timestamp::from_nanosecond(11).unwrap());
        assert_eq!(woken(&engine), [31]);
        // Earlier than that is heard; what was to be later is then of no account.
        engine.watch_facts(3, Some(19), None);
        assert_eq!(woken(&engine), [20, 31]);
        engine.watch_facts(3, None, None);
        engine.advance(Timestamp::from_nanosecond(31).unwrap());
        assert_eq!(woken(&engine), [0i128; 0]);
    }
}
