//! Two sets of decisions held against each other: what differs, for how many devices, and who is moved by it.
//!
//! It is told of one slot after the other how some devices stand before and after, and knows neither a server nor an engine: a server
//! tells it device by device, whoever has a fleet in memory tells it of all devices that share an answer at once.

use super::{FleetPlan, Permit, PlannedChange};
use crate::{
    control::{
        device_set::DeviceSet,
        publication::{CohortKey, Wanted},
    },
    decide::{Compliance, Hold, Mark, Progress},
};
use jiff::Timestamp;
use refit_model::DeviceId;
use roaring::RoaringBitmap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{cmp::Ordering, collections::BTreeMap};

/// Of whom something is said, by the indexes of devices.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// One device.
    One(u32),
    /// All of these.
    All(&'a RoaringBitmap),
}

/// What is published for a slot, with its due time.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// The cohort.
    pub key: &'a CohortKey,
    /// From when on it is overdue.
    pub due: Option<Timestamp>,
}

/// How a slot would stand.
#[derive(Clone, Copy, Debug)]
pub struct After<'a> {
    /// The cohort; `None` where no policy decides.
    pub key: Option<&'a CohortKey>,
    /// From when on it is overdue.
    pub due: Option<Timestamp>,
    /// How it stands.
    pub compliance: Compliance,
    /// How far it has come.
    pub progress: Progress,
    /// What holds it.
    pub holds: &'a [Hold],
    /// What has to be known about it.
    pub marks: &'a [Mark],
}

/// What was gathered so far.
#[derive(Debug, Default)]
pub struct Difference {
    changes: BTreeMap<(Option<CohortKey>, Option<CohortKey>), Changing>,
    permits: BTreeMap<CohortKey, u64>,
    compliance: BTreeMap<Compliance, u64>,
    /// Who would be given something, by ring.
    rings: BTreeMap<SmolStr, DeviceSet>,
    moved: DeviceSet,
    touched: DeviceSet,
    overdue: DeviceSet,
}

/// What is gathered of one change.
#[derive(Debug, Default)]
struct Changing {
    moves: bool,
    earliest_due: Option<Timestamp>,
    members: ChangeMembers,
}

/// The devices behind the figures of one change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeMembers {
    /// All of them.
    pub devices: DeviceSet,
    /// How they would stand. Each is in one of them, but for those whose slot would not be there any more.
    pub standing: BTreeMap<Compliance, DeviceSet>,
    /// How far they would have come, where anything is under way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub progress: BTreeMap<Progress, DeviceSet>,
    /// Those for which it is due sooner.
    #[serde(default, skip_serializing_if = "DeviceSet::is_empty")]
    pub sooner: DeviceSet,
    /// Those for which it is due later, or is no longer due.
    #[serde(default, skip_serializing_if = "DeviceSet::is_empty")]
    pub later: DeviceSet,
    /// What holds some of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holds: BTreeMap<Hold, DeviceSet>,
    /// What has to be known of some of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<Mark, DeviceSet>,
}

/// The devices behind the figures of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gathered {
    /// Of each change, in the order of the plan.
    pub changes: Vec<ChangeMembers>,
    /// Those that would be overdue at once, also by what does not change.
    pub overdue: DeviceSet,
    /// Those that would be given something, by ring, also by what does not change.
    #[schemars(with = "BTreeMap<String, DeviceSet>")]
    pub rings: BTreeMap<SmolStr, DeviceSet>,
}

/// How many devices a change names as examples.
pub const EXAMPLES: usize = 3;

/// The name of the ring of who is in none.
pub const NO_RING: &str = "no ring";

impl Who<'_> {
    fn len(self) -> u64 {
        match self {
            Who::One(_) => 1,
            Who::All(devices) => devices.len(),
        }
    }

    fn add_to(self, set: &mut DeviceSet) {
        match self {
            Who::One(device) => set.insert(device),
            Who::All(devices) => set.0 |= devices,
        }
    }
}

impl Difference {
    /// How a slot stands before and after, of devices that share both. Nobody is told of twice for one slot.
    pub fn slot(&mut self, before: Option<Before<'_>>, after: &After<'_>, who: Who<'_>) {
        *self.compliance.entry(after.compliance).or_default() += who.len();
        let is_overdue = after.compliance == Compliance::Overdue;
        if is_overdue {
            who.add_to(&mut self.overdue);
        }
        if let Some(key) = after.key.filter(|key| key.admitted != Wanted::Nothing) {
            let ring = key.ring.clone().unwrap_or_else(|| NO_RING.into());
            who.add_to(self.rings.entry(ring).or_default());
        }
        let due_before = before.and_then(|before| before.due);
        let key_before = before.map(|before| before.key);
        if key_before == after.key && due_before == after.due {
            return;
        }
        who.add_to(&mut self.touched);
        let moves = after.key.is_some_and(|key| key.moves_from(key_before));
        if moves && let Some(key) = after.key {
            who.add_to(&mut self.moved);
            *self.permits.entry(key.clone()).or_default() += who.len();
        }
        let changing = self.changes.entry((key_before.cloned(), after.key.cloned())).or_default();
        changing.moves |= moves;
        changing.earliest_due = [changing.earliest_due, after.due].into_iter().flatten().min();
        let members = &mut changing.members;
        who.add_to(&mut members.devices);
        who.add_to(members.standing.entry(after.compliance).or_default());
        if after.progress != Progress::None {
            who.add_to(members.progress.entry(after.progress).or_default());
        }
        if let Some(was) = due_before {
            match after.due.unwrap_or(Timestamp::MAX).cmp(&was) {
                Ordering::Less => who.add_to(&mut members.sooner),
                Ordering::Greater => who.add_to(&mut members.later),
                Ordering::Equal => {}
            }
        }
        after.holds.iter().for_each(|hold| who.add_to(members.holds.entry(*hold).or_default()));
        after.marks.iter().for_each(|mark| who.add_to(members.marks.entry(*mark).or_default()));
    }

    /// A slot of which something is published, and that would not be there any more.
    pub fn gone(&mut self, before: &CohortKey, who: Who<'_>) {
        who.add_to(&mut self.touched);
        let changing = self.changes.entry((Some(before.clone()), None)).or_default();
        who.add_to(&mut changing.members.devices);
    }

    /// The devices that would be moved.
    pub fn moved(&self) -> &DeviceSet {
        &self.moved
    }

    /// Puts it into a plan, but for what the plan says of fields and budgets; and the devices behind the figures.
    pub fn put_into(self, plan: &mut FleetPlan, id: impl Fn(u32) -> Option<DeviceId>) -> Gathered {
        for (ring, devices) in &self.rings {
            count(plan, "ring", ring, devices.common(&self.moved));
        }
        plan.summary.compliance = self.compliance;
        plan.summary.moved = self.moved.len();
        plan.summary.touched = self.touched.len();
        plan.summary.overdue_devices = self.overdue.len();
        let mut changes: Vec<(PlannedChange, ChangeMembers)> = self
            .changes
            .into_iter()
            .map(|((before, after), changing)| (changing.figures(&id, before, after), changing.members))
            .collect();
        changes.sort_by(|(a, _), (b, _)| {
            b.devices.cmp(&a.devices).then_with(|| (&a.after, &a.before).cmp(&(&b.after, &b.before)))
        });
        let changes: (Vec<PlannedChange>, Vec<ChangeMembers>) = changes.into_iter().unzip();
        plan.changes = changes.0;
        plan.envelope = self.permits.into_iter().map(|(cohort, devices)| Permit { cohort, devices }).collect();
        Gathered { changes: changes.1, overdue: self.overdue, rings: self.rings }
    }
}

/// Counts moved devices by what people ask for.
pub fn count(plan: &mut FleetPlan, what: &str, value: &str, devices: u64) {
    if devices > 0 {
        *plan.blast_radius.entry(what.to_owned()).or_default().entry(value.to_owned()).or_default() += devices;
    }
}

impl Changing {
    fn figures(
        &self,
        id: impl Fn(u32) -> Option<DeviceId>,
        before: Option<CohortKey>,
        after: Option<CohortKey>,
    ) -> PlannedChange {
        let members = &self.members;
        PlannedChange {
            before,
            after,
            moves: self.moves,
            devices: members.devices.len(),
            examples: members.devices.iter().take(EXAMPLES).filter_map(id).collect(),
            earliest_due: self.earliest_due,
            overdue: members.standing.get(&Compliance::Overdue).map_or(0, DeviceSet::len),
            sooner: members.sooner.len(),
            later: members.later.len(),
            holds: members.holds.iter().map(|(hold, devices)| (*hold, devices.len())).collect(),
            marks: members.marks.iter().map(|(mark, devices)| (*mark, devices.len())).collect(),
        }
    }
}
