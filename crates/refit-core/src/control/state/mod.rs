//! All that the log adds up to. [`State::apply`] takes one event; nothing else changes it, but for [`State::note_seen`].
//!
//! A copy costs next to nothing (the maps are persistent), so that readers keep the one that they began with while the
//! writer goes on.

mod apply;
mod changes;
mod found;
mod ground;
mod identity;
mod leases;
mod published;
mod records;
mod sharing;

pub use apply::ApplyError;
pub use changes::Changes;
pub use found::Found;
pub use ground::{Contents, Ground, PolicyFiles, Prepared};
pub use identity::IdentityBook;
pub use leases::LeaseBook;
pub use published::PublishedSlots;
pub use records::*;

use super::{
    agents::Agents,
    device_set::DeviceSet,
    entry::{InstallEntry, Plain, ReceiptResult, ReleaseEntry, SlotName},
    evaluate::SlotOutcome,
    event::{SourceRead, TargetObserved},
    exceptions::ExceptionBook,
    groups::GroupRecord,
    publication::Wanted,
    reports::Reports,
    rollouts::Rollouts,
    sorted::Sorted,
    subscription::SubscriptionRecord,
    token::TokenRecord,
};
use crate::{
    decide::Progress,
    facts::{FieldRef, Root},
    policy::repository::Selector,
    world::Applied,
};
use imbl::{OrdMap, Vector};
use jiff::{SignedDuration, Timestamp};
use refit_model::{AdvisoryId, DeviceId, PersonId, PlanId, TitleId, TokenId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// All that the log adds up to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// The last event.
    pub seq: u64,
    /// The newest time of an event: time never goes back.
    pub clock: Timestamp,
    /// How many people have to approve a plan.
    pub approvals_needed: u32,
    /// Devices by id.
    pub devices: OrdMap<DeviceId, Arc<DeviceRecord>>,
    /// Devices by index.
    pub by_index: Vector<DeviceId>,
    /// Which devices have what.
    #[serde(skip)]
    pub found: Found,
    /// What changed when.
    #[serde(skip)]
    pub changes: Changes,
    /// People by id.
    pub people: OrdMap<PersonId, Arc<PersonRecord>>,
    /// Groups of people, by source and id.
    #[serde(default)]
    pub groups: OrdMap<SmolStr, OrdMap<SmolStr, Arc<GroupRecord>>>,
    /// The last event by which what groups are called has changed, or whether a source speaks of groups.
    #[serde(default)]
    pub groups_revised: u64,
    /// Personal values by reference. They are kept beside log and snapshots.
    #[serde(skip)]
    pub personal: OrdMap<SmolStr, Plain>,
    /// Releases that no universe has to itself, by title.
    pub releases: OrdMap<TitleId, Arc<Vec<ReleaseEntry>>>,
    /// Advisories that no distribution has to itself, by title.
    pub advisories: OrdMap<TitleId, TitleAdvisories>,
    /// Universes by key.
    pub universes: OrdMap<SmolStr, Arc<Universe>>,
    /// When a distribution's package was first seen to be offered, by title and version.
    pub first_offered: OrdMap<TitleId, BTreeMap<SmolStr, Timestamp>>,
    /// What packages were built from, by title and version, as devices say.
    #[serde(default)]
    pub sources: OrdMap<TitleId, Arc<PackageSources>>,
    /// Distributions by name.
    pub distributions: OrdMap<SmolStr, Arc<Distribution>>,
    /// The last event that changed releases or advisories of a title.
    pub title_revised: OrdMap<TitleId, u64>,
    /// The policy in force.
    pub policy: Option<Arc<InForce>>,
    /// When policies and entries first applied.
    pub applied: Arc<AppliedTimes>,
    /// Releases under way.
    pub rollouts: Rollouts,
    /// When conditions on advisories first held.
    pub latches: OrdMap<(AdvisoryId, SmolStr), Timestamp>,
    /// The last event that set a latch.
    pub latches_revised: u64,
    /// Plans by id.
    pub plans: OrdMap<PlanId, Arc<PlanRecord>>,
    /// Budgets that were spent, oldest first.
    pub ledger: Vector<Arc<Spent>>,
    /// Why everything is stopped, and since when.
    pub brake: Option<(SmolStr, Timestamp)>,
    /// The event that let everything go on; what was decided while it was stopped is decided again.
    pub went_on: u64,
    /// Tokens by id.
    pub tokens: OrdMap<TokenId, Arc<TokenRecord>>,
    /// Subscriptions to business events, by id.
    #[serde(default)]
    pub subscriptions: OrdMap<SmolStr, Arc<SubscriptionRecord>>,
    /// Times in which the server did not listen.
    pub downtimes: Vector<(Timestamp, Timestamp)>,
    /// When the server last started.
    pub started: Option<Timestamp>,
    /// Enrolments, certificates, roots, mandates, and what agents say of themselves.
    #[serde(default)]
    pub agents: Agents,
    /// Leases of disruption groups.
    #[serde(default)]
    pub leases: LeaseBook,
    /// Which ids lead to which others.
    #[serde(default)]
    pub identity: IdentityBook,
    /// How each source was last read.
    #[serde(default)]
    pub readings: OrdMap<SmolStr, Arc<SourceRead>>,
    /// How each system that configuration is written to was last found.
    #[serde(default)]
    pub targets: OrdMap<SmolStr, Arc<TargetObserved>>,
    /// What people say is broken.
    #[serde(default)]
    pub reports: Reports,
    /// Exceptions that were asked for.
    #[serde(default)]
    pub exceptions: ExceptionBook,
    /// Devices that checked in since [`State::presence_from`]; not in the log yet.
    #[serde(skip)]
    pub seen_since: DeviceSet,
    /// The beginning of the quarter of an hour that is being gathered.
    #[serde(skip)]
    pub presence_from: Option<Timestamp>,
    /// Quarters of an hour that are over, oldest first, and the devices that checked in; not in the log yet, because nothing could be
    /// written.
    #[serde(skip)]
    pub unwritten: Vector<(Timestamp, DeviceSet)>,
}

/// When policies, and entries of their deadlines, first applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AppliedTimes {
    /// By policy.
    pub policies: BTreeMap<SmolStr, Timestamp>,
    /// By policy and text.
    pub entries: BTreeMap<SmolStr, BTreeMap<SmolStr, Timestamp>>,
}

/// Devices that spent a budget at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// When.
    pub at: Timestamp,
    /// The devices.
    pub devices: DeviceSet,
    /// The values of the fields that budgets divide by.
    pub groups: BTreeMap<SmolStr, BTreeMap<SmolStr, DeviceSet>>,
}

/// How long presence is gathered at most before it becomes an event ([`State::presence_every`]).
pub const PRESENCE: SignedDuration = SignedDuration::from_mins(15);
/// How many quarters of an hour are kept apart while nothing can be written: four days. Longer than that the oldest become one.
const UNWRITTEN_MOST: usize = 4 * 24 * 4;

/// How many sources of one version of a package are kept: a device that lies can't fill the memory.
const SOURCES_MOST: usize = 4;

impl State {
    /// How the targets of the policy in force were last found; what it names no more is nobody's to look at.
    pub fn targets_in_force(&self) -> impl Iterator<Item = &TargetObserved> {
        let in_force = self.policy.iter().flat_map(|in_force| &in_force.repository.targets);
        in_force.filter_map(|target| self.targets.get(&target.name)).map(AsRef::as_ref)
    }

    /// The device of an id, where it is managed.
    pub fn device(&self, id: &DeviceId) -> Option<&Arc<DeviceRecord>> {
        self.devices.get(id).filter(|device| device.retired.is_none())
    }

    /// All devices that are managed, by id.
    pub fn managed(&self) -> impl Iterator<Item = &Arc<DeviceRecord>> {
        self.devices.values().filter(|device| device.retired.is_none())
    }

    /// How many devices are managed.
    pub fn managed_count(&self) -> u64 {
        self.found.managed_count()
    }

    /// The device of an index.
    pub fn at_index(&self, index: u32) -> Option<&Arc<DeviceRecord>> {
        self.by_index.get(index as usize).and_then(|id| self.devices.get(id))
    }

    /// Whether a title is an operating system, by the policy in force.
    pub fn is_system(&self, title: &TitleId) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.repository.is_system(title))
    }

    /// The number of the policy revision in force; 0 where there is none.
    pub fn revision(&self) -> u64 {
        self.policy.as_ref().map_or(0, |policy| policy.revision)
    }

    /// The last event that changed what decisions on every device read: the policy in force, the titles that it names, and what
    /// groups of people are called.
    pub fn revised_for_all(&self) -> u64 {
        let Some(policy) = &self.policy else { return 0 };
        let named = policy.repository.policies.iter().flat_map(|policy| &policy.software);
        let revised = named.filter_map(|selector| match selector {
            Selector::Title(title) => self.title_revised.get(title).copied(),
            _ => None,
        });
        let terms = policy.by_event.max(self.exceptions.revised);
        revised.max().unwrap_or(0).max(terms).max(self.went_on).max(self.groups_revised)
    }

    /// The last event that changed what decisions on a device read, besides what [`State::revised_for_all`] says.
    pub fn revised_for(&self, device: &DeviceRecord) -> u64 {
        let person = device.person.as_ref().and_then(|id| self.people.get(id)).map_or(0, |person| person.revised);
        let universe = device.universe.as_ref().and_then(|key| self.universes.get(key));
        let distribution = universe.and_then(|universe| self.distributions.get(&universe.distribution));
        let titles = device.installs.keys().filter_map(|slot| self.title_revised.get(&slot.title)).copied().max();
        device
            .revised
            .max(person)
            .max(universe.map_or(0, |universe| universe.revised))
            .max(distribution.map_or(0, |distribution| distribution.revised))
            .max(titles.unwrap_or(0))
    }

    /// What the most trusted source says of a field of a device or its person (`person.department`), as text and whatever its
    /// age: what budgets count by.
    pub fn plain_fact(&self, device: &DeviceRecord, field: &str) -> Option<SmolStr> {
        let field: FieldRef = field.parse().ok()?;
        let order = self.policy.as_ref().and_then(|policy| policy.repository.authority.order.get(&field));
        let rank = |source: &SmolStr| {
            order.and_then(|order| order.iter().position(|listed| listed == source)).unwrap_or(usize::MAX)
        };
        match field.root {
            Root::Person => {
                let person = self.people.get(device.person.as_ref()?)?;
                let said = person.facts.get(&field.name)?;
                let reference = said.iter().min_by_key(|(source, _)| rank(source))?.1;
                self.personal.get(reference).map(|value| value.to_string().into())
            }
            _ => {
                let said = device.facts.get(field.to_string().as_str())?;
                said.iter().min_by_key(|(source, _)| rank(source)).map(|(_, value)| value.to_string().into())
            }
        }
    }

    /// Whether what an install was built from is known already, or as much as is kept of it.
    pub fn knows_source(&self, entry: &InstallEntry) -> bool {
        let Some(source) = &entry.source else { return true };
        let known = self.sources.get(&entry.title).and_then(|versions| versions.get(&entry.version));
        known.is_some_and(|known| known.contains(source) || known.len() >= SOURCES_MOST)
    }

    /// How long presence is gathered before it becomes an event: a quarter of an hour, or less where a gate takes a device for
    /// silent so soon that a quarter would look like silence.
    pub fn presence_every(&self) -> SignedDuration {
        let rollouts = self.policy.iter().flat_map(|policy| policy.repository.rollouts.values());
        let gates = rollouts.filter_map(|rollout| rollout.gate.as_ref()).filter(|gate| gate.silence.is_some());
        let shortest = gates.map(|gate| gate.silent_after / 8).min().unwrap_or(PRESENCE);
        shortest.clamp(SignedDuration::from_secs(1), PRESENCE)
    }

    /// Notes that a device checked in, until the next [`super::Input::Tick`] makes an event of it.
    pub fn note_seen(&mut self, index: u32, now: Timestamp) {
        self.note_all_seen(&[index].into_iter().collect(), now);
    }

    /// Notes that devices checked in, as [`State::note_seen`] does for one.
    pub fn note_all_seen(&mut self, devices: &DeviceSet, now: Timestamp) {
        if devices.is_empty() {
            return;
        }
        if let Some(from) = self.presence_from.filter(|from| now.duration_since(*from) >= self.presence_every()) {
            // Who comes now was not there then.
            self.unwritten.push_back((from, std::mem::take(&mut self.seen_since)));
            self.presence_from = None;
            if self.unwritten.len() > UNWRITTEN_MOST
                && let Some((_, devices)) = self.unwritten.pop_front()
                && let Some((_, later)) = self.unwritten.front_mut()
            {
                later.0 |= devices.0;
            }
        }
        self.presence_from.get_or_insert(now);
        self.seen_since.0 |= &devices.0;
    }

    /// When what was gathered has to be written down.
    pub fn presence_due(&self) -> Option<Timestamp> {
        let first = self.unwritten.front().map(|(from, _)| *from).or(self.presence_from);
        first?.checked_add(self.presence_every()).ok()
    }

    /// The beginning of the newest span ([`State::presence_every`]) in which a device checked in and that is not in the log yet.
    pub fn heard_from(&self, index: u32) -> Option<Timestamp> {
        let now = self.presence_from.filter(|_| self.seen_since.contains(index));
        now.or_else(|| self.unwritten.iter().rev().find(|(_, devices)| devices.contains(index)).map(|(from, _)| *from))
    }

    /// How long the server did not listen between two times, or may have forgotten what it had heard.
    pub fn not_listening(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        // They follow one another, and what is asked about is mostly recent.
        let recent = self.downtimes.iter().rev().take_while(|(_, until)| *until > from);
        let parts = recent.map(|(since, until)| {
            let (since, until) = ((*since).max(from), (*until).min(to));
            if until > since { until.duration_since(since) } else { SignedDuration::ZERO }
        });
        parts.fold(SignedDuration::ZERO, SignedDuration::saturating_add)
    }

    /// When policies and entries first applied, as decisions ask for it.
    pub fn applied(&self) -> Applied {
        let entries = self
            .applied
            .entries
            .iter()
            .flat_map(|(policy, texts)| texts.iter().map(|(text, since)| ((policy.clone(), text.clone()), *since)));
        Applied { all: None, policies: self.applied.policies.clone(), entries: entries.collect() }
    }

    /// Reads again what snapshots leave out: the policy's documents, lists of advisories, which devices have what.
    pub fn restore(&mut self, ground: &Ground<'_>) -> Result<(), ApplyError> {
        if let Some(policy) = &mut self.policy {
            let repository = self.exceptions.granted_into(ground.repository(&policy.files)?);
            Arc::make_mut(policy).repository = repository;
        }
        let names: Vec<SmolStr> = self.distributions.keys().cloned().collect();
        for name in names {
            let Some(distribution) = self.distributions.get_mut(&name) else { continue };
            let advisories = ground.advisories(&distribution.content)?;
            Arc::make_mut(distribution).advisories = advisories;
        }
        self.share_again();
        self.find_again();
        self.changes_again();
        self.group_again();
        Ok(())
    }
}

impl DeviceRecord {
    /// How far a slot has come, with what the device itself said of it last: a restart that is still needed, or that it failed.
    pub fn progress(&self, outcome: &SlotOutcome) -> Progress {
        let Some(receipt) = self.receipts.get(&outcome.slot) else { return outcome.progress };
        let is_there = receipt.after.is_some() && receipt.after == outcome.installed;
        let is_wanted = outcome.key.as_ref().is_some_and(|key| match (&key.admitted, &receipt.wanted) {
            (Wanted::Release(admitted), Some(wanted)) => admitted == wanted,
            _ => false,
        });
        match receipt.result {
            ReceiptResult::RestartPending if is_there => Progress::RestartPending,
            // What is there may be just what failed: rpm remembers nothing of a script.
            ReceiptResult::Failed if is_wanted || (is_there && receipt.after == receipt.wanted) => Progress::Failed,
            _ => outcome.progress,
        }
    }

    /// A device of which nothing is known yet.
    pub fn new(id: DeviceId, index: u32, name: Option<SmolStr>, at: Timestamp, seq: u64) -> DeviceRecord {
        DeviceRecord {
            id,
            index,
            name,
            enrolled: at,
            retired: None,
            revised: seq,
            seen: at,
            seen_by: SmolStr::new_static("agent"),
            facts: Sorted::default(),
            reported: Sorted::default(),
            installs: Arc::default(),
            departed: Sorted::default(),
            universe: None,
            history: None,
            quarantined: None,
            person: None,
            absences: Vec::new(),
            spells: Sorted::default(),
            offered: Sorted::default(),
            stands: Sorted::default(),
            unseen: false,
            published: PublishedSlots::default(),
            settled: 0,
            held: Sorted::default(),
            receipts: Sorted::default(),
            counted: Vec::new(),
            tried: Vec::new(),
            said: Sorted::default(),
        }
    }

    /// Forgets how its slots stand: it is no longer managed, and what is noted should it be again is news.
    pub(super) fn no_longer_stands(&mut self) {
        self.stands = Sorted::default();
        self.unseen = false;
    }

    /// The slots that anything is published or held for.
    pub fn governed(&self) -> impl Iterator<Item = &SlotName> {
        self.published.keys().chain(self.held.keys().filter(|slot| !self.published.contains_key(slot)))
    }
}
