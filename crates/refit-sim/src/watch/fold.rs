//! What the log adds up to, by code of its own: as little as the invariants need.

use super::{Truth, rollouts::Releases};
use crate::{policies::PACKAGE, store::Entry};
use jiff::Timestamp;
use refit_core::control::{CohortKey, DueBy, Event, MovesHeld, MovesPublished, PersonId, PlanId, SlotName, Wanted};
use refit_core::policy::document::policy::Mode;
use refit_model::{AdvisoryId, DeviceId, TitleId};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What the log adds up to.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    /// The last position.
    pub seq: u64,
    /// The last time.
    pub at: Option<Timestamp>,
    /// Devices by index.
    pub devices: Vec<FoldDevice>,
    /// Indexes by id.
    pub by_id: BTreeMap<DeviceId, usize>,
    /// References of departments, by person and source.
    pub departments: BTreeMap<PersonId, BTreeMap<SmolStr, SmolStr>>,
    /// Plans.
    pub plans: BTreeMap<PlanId, FoldPlan>,
    /// How many approvals are needed.
    pub approvals: u32,
    /// The policy in force: revision, position, content of its files.
    pub policy: Option<(u64, u64, SmolStr)>,
    /// The content of the files of each revision.
    pub revisions: BTreeMap<u64, SmolStr>,
    /// The time of which the plan that was applied speaks.
    pub shown: Option<Timestamp>,
    /// Since when each policy applies without a break.
    pub applies_since: BTreeMap<String, Timestamp>,
    /// Who spent budgets when, with the department where that was known.
    pub spent: Vec<(Timestamp, u32, Option<String>)>,
    /// Releases on their way.
    pub releases: Releases,
    /// Whether everything is stopped.
    pub stopped: bool,
    /// Receipts that counted.
    pub receipts: BTreeSet<(DeviceId, SmolStr)>,
    /// Advisories that were withdrawn.
    pub withdrawn: BTreeSet<(TitleId, AdvisoryId)>,
    /// Titles of which something was ever known to be exploited.
    pub exploited: BTreeSet<TitleId>,
    /// How many devices are managed.
    managed: u64,
}

/// A device.
#[derive(Clone, Debug)]
pub struct FoldDevice {
    /// Its id.
    pub id: DeviceId,
    /// The position that enrolled it.
    pub enrolled_by: u64,
    /// When that was.
    pub enrolled: Timestamp,
    /// Whether it is managed.
    pub managed: bool,
    /// Its person.
    pub person: Option<PersonId>,
    /// The revision under which it was looked at last; 0 is never.
    pub settled: u64,
    /// What is published for it.
    pub published: BTreeMap<SlotName, FoldPublished>,
    /// What waits for a person.
    pub held: BTreeMap<SlotName, (PlanId, CohortKey)>,
    /// Whether it is quarantined.
    pub quarantined: bool,
    /// The agents whose check-ins were written down since it was last one, in their order.
    pub heard: Vec<usize>,
}

/// What is published for a slot.
#[derive(Clone, Debug)]
pub struct FoldPublished {
    /// The cohort.
    pub key: CohortKey,
    /// The due time.
    pub due: Option<Timestamp>,
    /// What gave it.
    pub due_by: Option<DueBy>,
    /// The policy revision.
    pub revision: u64,
    /// Whether it was observed since that the device complies.
    pub over: bool,
}

/// A plan.
#[derive(Clone, Debug, Default)]
pub struct FoldPlan {
    /// Who made it, by the name in the log; the server for what is held.
    pub maker: SmolStr,
    /// The time of which it speaks.
    pub as_of: Option<Timestamp>,
    /// The content that was shown.
    pub content: Option<SmolStr>,
    /// Who approved it.
    pub approved_by: BTreeSet<SmolStr>,
    /// What it still permits.
    pub permits: BTreeMap<CohortKey, u64>,
}

impl Fold {
    /// Devices that are managed.
    pub fn managed(&self) -> u64 {
        self.managed
    }

    /// The department of a device's person, as the most trusted source says.
    pub fn department(&self, device: &FoldDevice, truth: &Truth) -> Option<String> {
        let said = self.departments.get(device.person.as_ref()?)?;
        let reference = said.get("hr").or_else(|| said.get("directory"))?;
        truth.values.get(reference).cloned()
    }

    /// Whom a publication moves, and by what.
    pub fn movers<'m>(&self, moves: &'m MovesPublished) -> BTreeMap<u32, Vec<&'m CohortKey>> {
        let mut movers: BTreeMap<u32, Vec<&CohortKey>> = BTreeMap::new();
        for cohort in &moves.cohorts {
            for index in cohort.devices.iter() {
                let before = self.devices.get(index as usize).and_then(|device| device.published.get(&cohort.key.slot));
                if moved(before.map(|before| &before.key), &cohort.key) {
                    movers.entry(index).or_default().push(&cohort.key);
                }
            }
        }
        movers
    }

    /// Takes one event.
    pub fn apply(&mut self, entry: &Entry, event: &Event, truth: &Truth) {
        match event {
            Event::DeviceEnrolled(enrolled) => {
                self.by_id.insert(enrolled.device.clone(), self.devices.len());
                self.managed += 1;
                self.devices.push(FoldDevice {
                    id: enrolled.device.clone(),
                    enrolled_by: entry.seq,
                    enrolled: entry.at,
                    managed: true,
                    person: None,
                    settled: 0,
                    published: BTreeMap::new(),
                    held: BTreeMap::new(),
                    quarantined: false,
                    heard: Vec::new(),
                });
            }
            Event::DeviceObserved(observed) => {
                let drew = |link| truth.links.get(&(observed.device.clone(), link)).copied();
                let agent = observed.check_in.and_then(|head| drew(head.link));
                self.change(&observed.device, |device| {
                    device.heard.extend(agent.filter(|agent| device.heard.last() != Some(agent)));
                });
            }
            Event::DeviceQuarantined(quarantined) => {
                self.change(&quarantined.device, |device| device.quarantined = true);
            }
            Event::QuarantineLifted(lifted) => self.change(&lifted.device, |device| {
                device.quarantined = false;
                device.heard.clear();
            }),
            // Whoever is enrolled again begins anew, and whoever was there before has no certificate that counts.
            Event::DeviceJoined(joined) => self.change(&joined.device, |device| device.heard.clear()),
            Event::DeviceRetired(retired) => {
                self.change(&retired.device, |device| {
                    device.managed = false;
                    device.published.clear();
                    device.held.clear();
                });
                self.managed = self.devices.iter().filter(|device| device.managed).count() as u64;
            }
            Event::PersonAssigned(assigned) => {
                self.change(&assigned.device, |device| device.person = assigned.person.clone());
            }
            Event::PersonObserved(observed) => {
                if let Some(reference) = observed.values.get("department") {
                    let said = self.departments.entry(observed.person.clone()).or_default();
                    match reference {
                        Some(reference) => said.insert(observed.source.clone(), reference.clone()),
                        None => said.remove(&observed.source),
                    };
                }
            }
            Event::PersonErased(erased) => {
                self.departments.remove(&erased.person);
            }
            Event::AdvisoriesPublished(published) => {
                for advisory in &published.advisories {
                    let key = (advisory.title.clone(), advisory.id.clone());
                    if advisory.kev.is_some() {
                        self.exploited.insert(advisory.title.clone());
                    }
                    if advisory.withdrawn.is_some() {
                        self.withdrawn.insert(key);
                    } else {
                        self.withdrawn.remove(&key);
                    }
                }
            }
            // What is matched is in a content; what is packaged may be exploited.
            Event::DistributionMatched(_) => drop(self.exploited.insert(TitleId::new(PACKAGE))),
            Event::SettingsChanged(settings) => self.approvals = settings.approvals,
            Event::PlanMade(made) => {
                let plan = self.plans.entry(made.plan.clone()).or_default();
                plan.maker = entry.actor.clone();
                plan.content = Some(made.content.clone());
                plan.as_of = made.as_of;
            }
            Event::PlanApproved(approved) => self.approved(entry, &approved.plan),
            Event::PolicyApplied(applied) => {
                self.policy = Some((applied.revision, entry.seq, applied.files.clone()));
                self.revisions.insert(applied.revision, applied.files.clone());
                let named = truth.specs.get(&applied.files).map(|spec| &spec.phase_in_days);
                let before = std::mem::take(&mut self.applies_since);
                for name in named.into_iter().flat_map(|named| named.keys()) {
                    let since = before.get(name).copied().unwrap_or(entry.at);
                    self.applies_since.insert(name.clone(), since);
                }
                self.plans.values_mut().for_each(|plan| plan.permits.clear());
                self.shown = None;
                if let Some(plan) = self.plans.get_mut(&applied.plan) {
                    self.shown = plan.as_of;
                    plan.permits = applied.envelope.iter().cloned().collect();
                }
            }
            Event::MovesPublished(moves) => self.published(entry.at, moves, truth),
            Event::MovesHeld(held) => self.moves_held(held),
            Event::ReceiptReceived(receipt) => {
                self.receipts.insert((receipt.device.clone(), receipt.receipt.clone()));
            }
            Event::ObligationsNoted(noted) => {
                for (slot, devices) in &noted.ended {
                    for index in devices.iter() {
                        let device = self.devices.get_mut(index as usize);
                        if let Some(published) = device.and_then(|device| device.published.get_mut(slot)) {
                            published.over = true;
                        }
                    }
                }
            }
            Event::RingOpened(_) | Event::GateAnswered(_) | Event::ReleaseExpedited(_) => {
                let spec = self.policy.as_ref().and_then(|(_, _, files)| truth.specs.get(files));
                self.releases.apply(spec, event, entry.at, truth.now);
            }
            Event::BrakePulled(_) => self.stopped = true,
            Event::BrakeReleased(_) => self.stopped = false,
            _ => {}
        }
        self.seq = entry.seq;
        self.at = Some(entry.at);
    }

    fn change(&mut self, id: &DeviceId, change: impl FnOnce(&mut FoldDevice)) {
        if let Some(device) = self.by_id.get(id).and_then(|index| self.devices.get_mut(*index)) {
            change(device);
        }
    }

    fn approved(&mut self, entry: &Entry, id: &PlanId) {
        let mut held: BTreeMap<CohortKey, u64> = BTreeMap::new();
        for (plan, key) in self.devices.iter().flat_map(|device| device.held.values()) {
            if plan == id {
                *held.entry(key.clone()).or_default() += 1;
            }
        }
        let plan = self.plans.entry(id.clone()).or_default();
        plan.approved_by.insert(entry.actor.clone());
        if plan.content.is_none() {
            plan.permits = held;
        }
    }

    fn moves_held(&mut self, moves: &MovesHeld) {
        for index in moves.freed.iter() {
            if let Some(device) = self.devices.get_mut(index as usize) {
                device.held.clear();
            }
        }
        for cohort in &moves.held {
            for index in cohort.devices.iter() {
                if let Some(device) = self.devices.get_mut(index as usize) {
                    device.held.insert(cohort.key.slot.clone(), (moves.plan.clone(), cohort.key.clone()));
                }
            }
        }
        if !moves.held.is_empty() {
            let plan = self.plans.entry(moves.plan.clone()).or_default();
            plan.maker = SmolStr::new_static("server");
        }
    }

    fn published(&mut self, at: Timestamp, moves: &MovesPublished, truth: &Truth) {
        for cohort in &moves.cohorts {
            for index in cohort.devices.iter() {
                if let Some(device) = self.devices.get_mut(index as usize) {
                    let published = FoldPublished {
                        key: cohort.key.clone(),
                        due: cohort.due,
                        due_by: cohort.due_by.clone(),
                        revision: moves.revision,
                        over: false,
                    };
                    device.published.insert(cohort.key.slot.clone(), published);
                }
            }
        }
        for (slot, devices) in &moves.withdrawn {
            for index in devices.iter() {
                if let Some(device) = self.devices.get_mut(index as usize) {
                    device.published.remove(slot);
                }
            }
        }
        for index in moves.settled.iter() {
            if let Some(device) = self.devices.get_mut(index as usize) {
                device.settled = moves.revision;
            }
        }
        for index in moves.spent.values().flat_map(|devices| devices.iter()) {
            let device = self.devices.get(index as usize);
            let grouped = in_a_group(moves, index);
            let department = device.filter(|_| grouped).and_then(|device| self.department(device, truth));
            self.spent.push((at, index, department));
        }
        for (plan, key, count) in &moves.permitted {
            if let Some(left) = self.plans.get_mut(plan).and_then(|plan| plan.permits.get_mut(key)) {
                *left = left.saturating_sub(*count);
            }
        }
    }
}

/// Whether a publication knew the department of a device.
pub fn in_a_group(moves: &MovesPublished, index: u32) -> bool {
    let groups = moves.groups.get("person.department");
    groups.is_some_and(|groups| groups.values().any(|devices| devices.contains(index)))
}

/// Whether a device is moved: it belongs to another policy, rollout or ring, or has something else to install or remove. A policy
/// that only observes moves nobody, and one that observed until now has asked for nothing yet.
fn moved(before: Option<&CohortKey>, after: &CohortKey) -> bool {
    if after.mode == Mode::Observe {
        return false;
    }
    let has_to_do = after.admitted != Wanted::Nothing;
    match before {
        Some(before) if before.mode != Mode::Observe => {
            let place = |key: &CohortKey| (key.policy.clone(), key.rollout.clone(), key.ring.clone());
            let asks_otherwise = before.admitted != after.admitted || before.mode != after.mode;
            place(before) != place(after) || (has_to_do && asks_otherwise)
        }
        _ => has_to_do,
    }
}
