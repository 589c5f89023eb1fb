//! What has to be done in a system, and what is left alone there.

use super::{Api, Call, Found, KeptBack, MEMBERS, Memory, There, Wrote, beside::keep_back, memory::same};
use crate::{
    diff::{Change, FieldChange, Observed, diff, fields},
    files::{BrokenOff, ByHand, Hand},
    object::{Fields, Identity, Object},
    removals::{DEVICE, Removals, is_stopped},
    target::{Desired, Target},
};
use roaring::RoaringBitmap;
use serde::Serialize;
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What may be done about what is not as Refit left it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What was changed by hand is undone.
    pub revert: bool,
    /// What others have set on a device keeps nothing of Refit's back.
    pub beside: bool,
}

/// What should be in a system, with the devices by their ids there.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The objects.
    pub objects: BTreeMap<Identity, Object>,
    /// Devices that the system does not know, by their ids in Refit.
    pub unknown: BTreeSet<String>,
    /// The devices that it knows, by their ids there.
    pub devices: BTreeSet<String>,
    /// The same of all devices that the target is for, also of those for which nothing is written now.
    pub all: BTreeSet<String>,
    /// What stays as it is, if it is there.
    pub keeps: BTreeSet<Identity>,
}

/// What has to change in a system.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SystemPlan {
    /// Objects and fields, what goes first.
    #[serde(skip)]
    pub changes: Vec<Change>,
    /// What was changed by hand since Refit wrote it.
    pub by_hand: Vec<ByHand>,
    /// Objects that have Refit's name and are somebody else's: they are left alone, whatever is wanted in their place.
    pub not_written: Vec<Identity>,
    /// Settings of others that keep what is written from counting.
    pub foreign: Vec<ForeignSetting>,
    /// What is not written because of them.
    pub kept_back: Vec<KeptBack>,
    /// Whether the target's document permits that Refit's is written beside them.
    pub beside: bool,
    /// Changes that the system does not take, and why.
    pub refused: Vec<(Identity, String)>,
    /// What is not wanted any more and stays, since no call takes it away.
    #[serde(skip)]
    pub unwanted: BTreeSet<Identity>,
    /// What a run that was broken off had come to.
    pub broken_off: Option<BrokenOff>,
    /// Devices that are in Refit's groups there, and that the target is for no more, or that the system does not list any more.
    #[serde(skip)]
    pub devices_lost: Removals,
    /// Devices that the system does not know: they are in no group there.
    pub unknown_devices: BTreeSet<String>,
    /// What else has to be known.
    pub notes: Vec<String>,
    /// What has to be done, in its order.
    #[serde(skip)]
    pub steps: Vec<Step>,
    /// What is remembered before anything is done.
    #[serde(skip)]
    pub memory: Memory,
    /// The ids of Refit's objects that are there.
    #[serde(skip)]
    pub known: BTreeMap<Identity, String>,
}

/// A setting of others, and on how many of the target's devices it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForeignSetting {
    /// What it is.
    pub what: String,
    /// What comes of it.
    pub because: String,
    /// So many devices.
    pub devices: u64,
}

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Todo {
    /// It is made.
    Make,
    /// It is changed.
    Change,
    /// It is taken away.
    TakeAway,
    /// It is a second one of the same name, which a run made whose answer was lost; it is taken away.
    TakeAwayTwin,
}

/// One object to be made, changed, or taken away.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Which.
    pub id: Identity,
    /// What is done with it.
    pub todo: Todo,
    /// Its id in the system, where it is there.
    pub remote: Option<String>,
    /// What is called, one after the other.
    pub calls: Vec<Call>,
    /// What is remembered once all is done.
    wrote: Option<Wrote>,
}

impl SystemPlan {
    /// What is remembered when so many of the steps are done, with the ids of what they made. What is left stays begun: it is what was to
    /// be done, and the first of it may have been done in part.
    pub fn after(&self, done: usize, made: &BTreeMap<Identity, String>) -> Memory {
        let mut memory = self.memory.clone();
        let steps = || self.steps.iter().filter(|step| step.todo != Todo::TakeAwayTwin);
        for step in self.steps.iter().take(done).filter(|step| step.todo != Todo::TakeAwayTwin) {
            match &step.wrote {
                Some(wrote) => {
                    let remote = made.get(&step.id).or(step.remote.as_ref()).cloned();
                    memory.written.insert(step.id.to_string(), Wrote { remote, ..wrote.clone() });
                }
                None => drop(memory.written.remove(&step.id.to_string())),
            }
        }
        if done < self.steps.len() {
            let finished = self.steps.iter().take(done).filter(|step| step.todo != Todo::TakeAwayTwin);
            let finished: BTreeSet<&Identity> = finished.map(|step| &step.id).collect();
            let left = steps().filter(|step| !finished.contains(&step.id));
            memory.begun = left.map(|step| (step.id.to_string(), step.wrote.clone())).collect();
        }
        memory
    }

    /// What of that which Refit wrote before would go, without what goes because its policies are `stopped`.
    pub fn removals(&self, stopped: &BTreeSet<SmolStr>) -> Removals {
        let of = |todo: Todo| {
            self.steps.iter().filter(move |step| step.todo == todo).map(|step| step.id.clone()).collect::<BTreeSet<_>>()
        };
        let (mut going, coming) = (of(Todo::TakeAway), of(Todo::Make));
        let wrote = |id: &Identity| self.memory.written.get(&id.to_string());
        let is_asked = |id: &Identity| !wrote(id).is_some_and(|wrote| is_stopped(&wrote.policies, stopped));
        going.retain(is_asked);
        // What can't go counts among what would: that it stays is no reason to let all the rest go unasked.
        if !going.is_empty() {
            going.extend(self.unwanted.iter().filter(|id| is_asked(id)).cloned());
        }
        let written = self.memory.written.values().map(|wrote| wrote.id.clone());
        let before: BTreeSet<Identity> = written.chain(going.iter().cloned()).collect();
        Removals::between(&before, before.difference(&going).chain(&coming))
    }

    /// Whether something that the policies ask for is not brought about by the steps.
    pub fn leaves_something(&self) -> bool {
        (!self.foreign.is_empty() && !self.beside)
            || !self.refused.is_empty()
            || !self.not_written.is_empty()
            || self.by_hand.iter().any(|it| !it.undone)
    }
}

/// What devices are known by, by their numbers.
#[derive(Clone, Copy)]
pub struct Names<'n> {
    /// Their ids in Refit.
    pub id: &'n dyn Fn(u32) -> Option<String>,
    /// What else they are known by, the surest first; asked only where the id is not enough.
    pub others: &'n dyn Fn(u32) -> Vec<String>,
}

impl Names<'_> {
    /// The id that a system has for a device; `Err` with the id in Refit where it has none.
    fn there(&self, number: u32, devices: &BTreeMap<String, String>) -> Result<String, String> {
        let id = (self.id)(number).unwrap_or_default();
        let known = |name: &str| devices.get(&name.to_lowercase()).cloned();
        known(&id).or_else(|| (self.others)(number).iter().find_map(|name| known(name))).ok_or(id)
    }
}

/// What should be there, as far as the system knows the devices.
pub fn wanted(
    api: &dyn Api,
    desired: &Desired,
    devices: Option<&RoaringBitmap>,
    found: &Found,
    names: Names<'_>,
) -> Wanted {
    let mut wanted = Wanted { keeps: desired.keeps.clone(), ..Wanted::default() };
    if api.order().iter().any(|kind| api.has_members(kind)) {
        let devices = devices.into_iter().flatten();
        wanted.all = devices.filter_map(|number| names.there(number, &found.devices).ok()).collect();
    }
    for object in desired.objects.values() {
        let mut object = object.clone();
        if api.has_members(&object.id.kind) {
            let mut members = BTreeSet::new();
            for number in &object.devices {
                match names.there(number, &found.devices) {
                    Ok(remote) => members.insert(remote),
                    Err(id) => wanted.unknown.insert(id),
                };
            }
            wanted.devices.extend(members.iter().cloned());
            object.fields.insert(MEMBERS.to_owned(), json!(members));
        }
        wanted.objects.insert(object.id.clone(), object);
    }
    wanted
}

/// Holds what should be in a system against what was found and what is remembered.
pub fn plan(
    target: &dyn Target,
    api: &dyn Api,
    wanted: &Wanted,
    memory: Memory,
    found: Found,
    rules: Rules,
) -> SystemPlan {
    let mut plan = SystemPlan {
        foreign: foreign(&found, wanted),
        beside: rules.beside,
        unknown_devices: wanted.unknown.clone(),
        notes: found.notes.clone(),
        ..SystemPlan::default()
    };
    let mut memory = memory;
    forget_gone(api, &mut memory, &found.devices, &found.objects);
    let mut wanted = wanted.clone();
    let mut found = found;
    let (ours, twins, theirs) = parted(std::mem::take(&mut found.objects), &memory);
    if !rules.beside {
        let in_groups = ours.iter().filter(|(id, _)| api.has_members(&id.kind));
        let in_groups = in_groups.map(|(id, there)| (id.clone(), members(&there.fields).map(str::to_owned).collect()));
        plan.kept_back = keep_back(&mut wanted, &found, &in_groups.collect(), |id| ours.contains_key(id));
    }
    let wanted = &wanted;
    plan.known = ours.iter().map(|(id, there)| (id.clone(), there.remote.clone())).collect();
    let of_refit: BTreeMap<&Identity, Fields> =
        ours.iter().map(|(id, there)| (id, concerning(api, there, wanted.objects.get(id), &memory))).collect();
    let alone: BTreeMap<&Identity, Fields> =
        of_refit.iter().map(|(id, is)| (*id, left_alone(api, is, memory.last(id)))).collect();
    let (broken_off, halves) = memory.settle(|id| Some((ours.get(id)?.remote.as_str(), alone.get(id)?)), api.leaving());
    plan.broken_off = broken_off;
    let in_groups: BTreeSet<Identity> = of_refit.values().flat_map(members).map(device_in_group).collect();
    let still: BTreeSet<Identity> = wanted.all.iter().map(|it| device_in_group(it)).collect();
    plan.devices_lost = Removals::between(&in_groups, in_groups.intersection(&still));

    let remembered = memory.written.values().map(|wrote| &wrote.id);
    let ids: BTreeSet<Identity> = ours.keys().chain(wanted.objects.keys()).chain(remembered).cloned().collect();
    let mut written = memory.written.clone();
    let (mut asked, mut observed) = (BTreeMap::new(), BTreeMap::new());
    for id in ids {
        let name = id.to_string();
        let (want, is) = (wanted.objects.get(&id), of_refit.get(&id));
        let wrote = memory.written.get(&name);
        if want.is_none() && wanted.keeps.contains(&id) {
            continue;
        }
        if is.is_none() && theirs.contains(&id) {
            if want.is_some() || wrote.is_some() {
                plan.not_written.push(id);
            }
            continue;
        }
        let remote = plan.known.get(&id).cloned();
        let half = halves.contains(&name);
        let fate = match (want, wrote) {
            (Some(want), Some(_)) if api.ends_by_itself(&id.kind) && is != Some(&clean(want).fields) => Fate::Bring,
            _ => {
                let alone = is.map(|is| left_alone(api, is, wrote));
                fate(&id, want, wrote, is.zip(alone.as_ref()), half, rules, &mut plan.by_hand)
            }
        };
        match fate {
            Fate::Nothing => match want {
                Some(want) => drop(written.insert(name, wrote_of(want, remote))),
                None => drop(written.remove(&name)),
            },
            Fate::Left => {}
            Fate::Bring => {
                let before = is.cloned();
                if let (Some(want), Some(before)) = (want, &before)
                    && let Some(why) = api.refuses(&id, before, &want.fields)
                {
                    plan.refused.push((id, why));
                    continue;
                }
                if want.is_none()
                    && let Some(why) = ours.get(&id).and_then(|there| api.stays(there))
                {
                    plan.unwanted.insert(id.clone());
                    plan.refused.push((id, why));
                    continue;
                }
                asked.extend(want.map(|want| (id.clone(), clean(want))));
                observed.extend(before.map(|fields| (id, Observed { fields })));
            }
        }
    }
    plan.changes = diff(&asked, &observed, target.derived());
    plan.steps = plan.changes.iter().filter_map(|change| step(api, change, &asked, &ours, &observed)).collect();
    let twins = twins.into_iter().map(|twin| {
        let change = Change::Remove { id: twin.id.clone() };
        (
            change,
            Step {
                id: twin.id.clone(),
                todo: Todo::TakeAwayTwin,
                remote: Some(twin.remote.clone()),
                calls: api.delete(&twin),
                wrote: None,
            },
        )
    });
    for (change, step) in twins {
        plan.changes.insert(0, change);
        plan.steps.push(step);
    }
    let place = |kind: &str| api.order().iter().position(|of| *of == kind).unwrap_or(usize::MAX);
    // What is made is made after what it names. What goes goes last, and before what it names: where something can't be made, devices keep what
    // they have, instead of having nothing.
    plan.steps.sort_by_key(|step| match step.todo {
        Todo::TakeAwayTwin => (0, usize::MAX - place(&step.id.kind)),
        Todo::Make | Todo::Change => (1, place(&step.id.kind)),
        Todo::TakeAway => (2, usize::MAX - place(&step.id.kind)),
    });
    plan.memory = Memory { written, system: memory.system, secrets: memory.secrets, ..Memory::default() };
    plan
}

/// Forgets members that the system does not know any more: they have left their groups by nobody's hand.
fn forget_gone(api: &dyn Api, memory: &mut Memory, devices: &BTreeMap<String, String>, objects: &[There]) {
    let there = objects.iter().flat_map(|there| members(&there.fields));
    let known: BTreeSet<String> = devices.values().map(String::as_str).chain(there).map(str::to_owned).collect();
    let wrote = memory.written.values_mut().chain(memory.begun.values_mut().flatten());
    for wrote in wrote.filter(|wrote| api.has_members(&wrote.id.kind)) {
        if let Some(Value::Array(all)) = wrote.fields.get_mut(MEMBERS) {
            all.retain(|it| it.as_str().is_some_and(|it| known.contains(it)));
        }
    }
}

/// A device in a group, as something that may go.
fn device_in_group(remote: &str) -> Identity {
    Identity::new(DEVICE, remote.to_owned())
}

/// The ids of the devices in a group.
fn members(fields: &Fields) -> impl Iterator<Item = &str> {
    fields.get(MEMBERS).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// What is Refit's by its name, parted: one of each name that is Refit's, the others of that name that are, and names of which none is.
fn parted(objects: Vec<There>, memory: &Memory) -> (BTreeMap<Identity, There>, Vec<There>, BTreeSet<Identity>) {
    let (mut ours, mut twins, mut theirs) = (BTreeMap::<Identity, There>::new(), Vec::new(), BTreeSet::new());
    for there in objects {
        if !there.id.is_owned() {
            continue;
        }
        let is_known = memory.knows(&there.id, &there.remote);
        if !there.is_marked && !is_known {
            theirs.insert(there.id);
            continue;
        }
        match ours.get_mut(&there.id) {
            None => drop(ours.insert(there.id.clone(), there)),
            // The one that is remembered is kept.
            Some(known) if is_known && !memory.knows(&known.id, &known.remote) => {
                twins.push(std::mem::replace(known, there));
            }
            Some(_) => twins.push(there),
        }
    }
    // Who may be somebody else's is no twin: it has to say itself that it is Refit's.
    twins.retain(|twin| twin.is_marked);
    (ours, twins, theirs)
}

/// The fields that concern Refit: those that it wrote or would write. What the system does not show is as it was written.
fn concerning(api: &dyn Api, there: &There, want: Option<&Object>, memory: &Memory) -> Fields {
    let concerns =
        |name: &String| want.is_some_and(|want| want.fields.contains_key(name)) || memory.speaks_of(&there.id, name);
    let shown = there.fields.iter().filter(|(name, _)| concerns(name));
    let mut fields = pruned(shown.map(|(name, value)| (name.clone(), value.clone())));
    let unseen = api.unseen().iter();
    let written = unseen.filter_map(|name| Some((*name, memory.remembers(&there.id, &there.remote, name)?)));
    fields.extend(written.map(|(name, value)| (name.to_owned(), value.clone())));
    fields
}

/// What is there as it would be if the system had changed nothing by itself.
fn left_alone(api: &dyn Api, is: &Fields, wrote: Option<&Wrote>) -> Fields {
    let mut fields = is.clone();
    let moved = api.moved_by_others().iter();
    let written = moved.filter_map(|name| Some((*name, wrote?.fields.get(*name)?)));
    fields.extend(written.map(|(name, value)| (name.to_owned(), value.clone())));
    fields
}

/// Without what is nothing: systems write `null` for what nobody has set.
pub(super) fn pruned(fields: impl Iterator<Item = (String, Value)>) -> Fields {
    fields.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, without_null(value))).collect()
}

fn without_null(value: Value) -> Value {
    match value {
        Value::Object(inner) => {
            let kept = inner.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_null(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_null).collect()),
        other => other,
    }
}

fn clean(object: &Object) -> Object {
    let mut object = object.clone();
    object.fields = pruned(object.fields.into_iter());
    object
}

/// What is done about one object.
enum Fate {
    /// It is as it should be, or is not there and not wanted.
    Nothing,
    /// It is left as somebody else made it.
    Left,
    /// It is made, changed or taken away.
    Bring,
}

/// `is` has what is there, and the same without what the system has changed by itself.
fn fate(
    id: &Identity,
    want: Option<&Object>,
    wrote: Option<&Wrote>,
    is: Option<(&Fields, &Fields)>,
    half: bool,
    rules: Rules,
    by_hand: &mut Vec<ByHand>,
) -> Fate {
    let hand = match (want, wrote, is) {
        (None, _, None) => return Fate::Nothing,
        (Some(want), _, Some((is, _))) if clean(want).fields == *is => return Fate::Nothing,
        (Some(_), None, None) => return Fate::Bring,
        (_, Some(_), Some(_)) if half => return Fate::Bring,
        (_, Some(wrote), Some((_, alone))) if same(&wrote.fields, alone) => return Fate::Bring,
        (_, Some(_), Some(_)) => Hand::Changed,
        (_, None, Some(_)) => Hand::NotWritten,
        (Some(_), Some(_), None) => Hand::TakenAway,
    };
    let changed: Vec<FieldChange> = match (&hand, wrote, is) {
        (Hand::Changed, Some(wrote), Some((_, alone))) => {
            let known = alone.iter().filter(|(name, _)| wrote.fields.contains_key(*name));
            fields(&wrote.fields, &known.map(|(name, value)| (name.clone(), value.clone())).collect(), &[])
        }
        _ => Vec::new(),
    };
    by_hand.push(ByHand { id: id.clone(), hand, fields: changed, undone: rules.revert });
    if rules.revert { Fate::Bring } else { Fate::Left }
}

fn wrote_of(want: &Object, remote: Option<String>) -> Wrote {
    Wrote { id: want.id.clone(), remote, fields: clean(want).fields, policies: want.policies() }
}

fn step(
    api: &dyn Api,
    change: &Change,
    asked: &BTreeMap<Identity, Object>,
    ours: &BTreeMap<Identity, There>,
    observed: &BTreeMap<Identity, Observed>,
) -> Option<Step> {
    let id = change.id();
    let there = ours.get(id);
    let remote = there.map(|there| there.remote.clone());
    let (todo, calls, wrote) = match (change, asked.get(id), there) {
        (Change::Remove { .. }, _, Some(there)) => (Todo::TakeAway, api.delete(there), None),
        (Change::Add { .. }, Some(want), _) => (Todo::Make, api.create(id, &want.fields), Some(wrote_of(want, None))),
        (Change::Update { .. }, Some(want), Some(there)) => {
            let before = &observed.get(id)?.fields;
            (Todo::Change, api.update(there, before, &want.fields), Some(wrote_of(want, remote.clone())))
        }
        _ => return None,
    };
    Some(Step { id: id.clone(), todo, remote, calls, wrote })
}

/// What others have set on devices of the target.
fn foreign(found: &Found, wanted: &Wanted) -> Vec<ForeignSetting> {
    let mut settings = Vec::new();
    // Who wants no drivers is in nobody's way there.
    let is_wanted = |kind: &str| wanted.objects.keys().any(|id| id.kind == kind);
    for it in found.foreign.iter().filter(|it| it.same_as.is_none_or(is_wanted)) {
        let devices = match &it.devices {
            None => wanted.devices.len(),
            Some(devices) => devices.intersection(&wanted.devices).count(),
        };
        if devices > 0 {
            settings.push(ForeignSetting {
                what: it.what.clone(),
                because: it.because.clone(),
                devices: devices as u64,
            });
        }
    }
    settings
}
