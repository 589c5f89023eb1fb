//! What disruption groups a device's changes are limited by, and whether they could be made now.

use super::{Writer, restart_pending};
use crate::{
    control::{
        board::BoardRow,
        entry::SlotName,
        input::Wish,
        publication::Wanted,
        reading,
        state::{DeviceRecord, Published, State},
    },
    facts::{FieldRef, Lookup as _, Value},
    policy::{
        document::policy::{AfterDue, DisruptionDocument, HealthDocument, Mode},
        repository::{Policy, Repository},
    },
    rollout::disruption::{Group, HealthSignal, Most, Place},
};
use jiff::{SignedDuration, Timestamp};
use refit_model::PersonId;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// After how long without a sign of it a member of a group counts as away: two check-ins that did not come, and some more.
pub(in crate::control) const SILENT_AFTER: SignedDuration = SignedDuration::from_hours(3);

/// An outstanding change that disruption groups limit.
#[derive(Clone, Debug)]
pub struct Limited {
    /// Its slot.
    pub slot: SlotName,
    /// What limits it; else the field for want of which nobody knows.
    pub wants: Result<BTreeSet<Wish>, SmolStr>,
    /// Whether nothing else keeps it from being made now, as far as the server knows.
    pub is_due_now: bool,
    /// When its window opens, where it is shut.
    pub opens: Option<Timestamp>,
}

/// The outstanding changes of a device that disruption groups limit. Where there are none, little is looked at.
pub fn limited(state: &State, record: &DeviceRecord, row: Option<&BoardRow>, now: Timestamp) -> Vec<Limited> {
    let Some(policy) = &state.policy else { return Vec::new() };
    let repository = &policy.repository;
    if shared_with(state, record).is_none() && !groups_anything(repository) {
        return Vec::new();
    }
    let outstanding = |published: &&Published| published.key.mode == Mode::Enforce && is_outstanding(record, published);
    if !record.published.values().any(|published| outstanding(&published)) {
        return Vec::new();
    }
    let device = reading::device(state, repository, record, now);
    let writer = Writer::of(state, repository, record, row, &device, now);
    let mut limited = Vec::new();
    for published in record.published.values().filter(outstanding) {
        let Some(policy) = repository.policy(&published.key.policy) else { continue };
        let outcome = writer.outcome(published.slot());
        if !writer.actions(published, outcome).iter().any(|(_, action)| Writer::disrupts(action)) {
            continue;
        }
        let wants = writer.wishes(policy);
        if wants.as_ref().is_ok_and(BTreeSet::is_empty) {
            continue;
        }
        let shut = writer.shut(policy, published, now);
        let is_frozen = writer.freezes(published, outcome).iter().any(|span| span.from <= now && now < span.to);
        limited.push(Limited {
            slot: published.slot().clone(),
            wants,
            is_due_now: state.brake.is_none() && !is_frozen && shut.is_none(),
            opens: shut.flatten(),
        });
    }
    limited
}

/// What limits the changes that a policy asks of a device, whether there are any or not.
pub fn wishes(
    state: &State,
    record: &DeviceRecord,
    policy: &Policy,
    now: Timestamp,
) -> Result<BTreeSet<Wish>, SmolStr> {
    let Some(in_force) = &state.policy else { return Ok(BTreeSet::new()) };
    let device = reading::device(state, &in_force.repository, record, now);
    Writer::of(state, &in_force.repository, record, None, &device, now).wishes(policy)
}

fn groups_anything(repository: &Repository) -> bool {
    repository.policies.iter().any(|policy| policy.disruption.is_some())
}

/// Whether anything has to be done about a slot, as far as that can be said without looking closely.
fn is_outstanding(record: &DeviceRecord, published: &Published) -> bool {
    let installed = record.installs.get(published.slot());
    let changes = match &published.key.admitted {
        Wanted::Nothing => false,
        Wanted::Absent => installed.is_some(),
        Wanted::Release(version) => {
            installed.is_none_or(|installed| installed.version != *version || installed.state.is_some())
        }
    };
    changes || restart_pending(record, published.slot()).is_some()
}

/// The person who has other devices with agents too, and how many they are together. Those without an agent are not taken away.
pub fn shared_with<'d>(state: &State, record: &'d DeviceRecord) -> Option<(&'d PersonId, u64)> {
    let person = record.person.as_ref()?;
    let others = state.found.of_person(person).both(&state.found.managed());
    let has_agent = |index: &u32| state.at_index(*index).is_some_and(|it| state.agents.devices.contains_key(&it.id));
    let devices = others.iter().filter(has_agent).count() as u64;
    (devices > 1).then_some((person, devices))
}

impl DisruptionDocument {
    /// What it asks of a group.
    pub(in crate::control) fn wish(&self, group: Group) -> Wish {
        let settle = self.settle.map_or(0, |settle| super::seconds(settle.0));
        Wish {
            place: Place {
                group,
                most: Most::Of(self.max_unavailable),
                settle_seconds: settle,
                drain: self.drain.as_deref().map(Into::into),
                health: match &self.health {
                    Some(HealthDocument::Webhook(name)) => Some(name.as_str().into()),
                    Some(HealthDocument::Signal(_)) | None => None,
                },
                signal: self.signal().map(|signal| HealthSignal {
                    source: signal.from.as_str().into(),
                    name: signal.signal.as_str().into(),
                }),
            },
            silent_after: self.silent_after.map_or(SILENT_AFTER, |after| after.0),
        }
    }
}

impl Writer<'_> {
    /// What limits the changes of a policy; else the field for want of which nobody knows.
    pub(super) fn wishes(&self, policy: &Policy) -> Result<BTreeSet<Wish>, SmolStr> {
        let mut wishes = BTreeSet::new();
        if let Some(disruption) = &policy.disruption {
            let field = disruption.group_by.parse::<FieldRef>().ok();
            let value = field.and_then(|field| self.facts.get(&field).map(|value| value.into_owned()));
            let value: SmolStr = match value {
                Some(Value::Text(text)) => text,
                Some(other) => other.to_string().into(),
                None => return Err(disruption.group_by.as_str().into()),
            };
            // An empty text is: of no group.
            if !value.is_empty() {
                wishes.insert(disruption.wish(Group::new(disruption.group_by.as_str(), value)));
            }
        }
        if let Some((person, _)) = shared_with(self.state, self.record) {
            let place = Place {
                group: Group::new(Group::PERSON, person.as_str()),
                most: Most::AllButOne,
                settle_seconds: 0,
                drain: None,
                health: None,
                signal: None,
            };
            wishes.insert(Wish { place, silent_after: SILENT_AFTER });
        }
        Ok(wishes)
    }

    /// Whether the device has the lease that the changes of a policy need.
    pub(super) fn permits(&self, policy: &Policy) -> bool {
        let Ok(wishes) = self.wishes(policy) else { return false };
        let places: BTreeSet<Place> = wishes.into_iter().map(|wish| wish.place).collect();
        places.is_empty() || self.state.leases.of_device(&self.record.id).is_some_and(|lease| lease.permits(&places))
    }

    /// The window that is shut now and does not yield to the due time, by when it opens.
    fn shut(&self, policy: &Policy, published: &Published, now: Timestamp) -> Option<Option<Timestamp>> {
        let acting = self.acting(published.slot(), self.outcome(published.slot()));
        let used = acting.iter().find_map(|exception| exception.window.as_ref()).or(policy.window.as_ref())?;
        let zone = self.device.zone();
        if used.window.open_until(&zone, now).is_some() {
            return None;
        }
        let runs = match used.after_due {
            Some(after_due) => after_due == AfterDue::Run,
            None => !self.may_be_a_server(),
        };
        let overdue = published.due.is_some_and(|due| due <= now);
        (!(overdue && runs)).then(|| used.window.next_opening(&zone, now))
    }
}

/// Whether a slot is where it has to go, by what was seen.
pub(in crate::control) fn has_arrived(record: &DeviceRecord, slot: &SlotName) -> bool {
    let installed = record.installs.get(slot);
    record.published.get(slot).is_some_and(|published| match &published.key.admitted {
        Wanted::Nothing => false,
        Wanted::Absent => installed.is_none(),
        Wanted::Release(version) => installed.is_some_and(|it| it.version == *version && it.state.is_none()),
    })
}
