//! What is so, of each thing that an object of another system may be about.

use super::{document::Subject, situation::Situation};
use crate::{
    control::{Course, DeviceRecord, DeviceSet, RolloutRecord, SlotStanding, Stage, State, Status},
    decide::Compliance,
};
use jiff::Timestamp;
use refit_model::{PersonId, TitleId};
use serde_json::{Map, Value, json};
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, BTreeSet};

/// How many devices, advisories and titles a situation lists; `more` says how many there are besides. Other systems have bounds for texts.
const LISTED_MOST: usize = 50;

/// All things of a kind, as they are now. Of plans a state knows nothing that anybody has to be told: they come from a file.
pub fn situations(of: Subject, state: &State, now: Timestamp) -> Vec<Situation> {
    match of {
        Subject::Rollout => rollouts(state, now),
        Subject::Campaign => campaigns(state, now),
        Subject::Device => devices(state, now),
        Subject::Plan => Vec::new(),
    }
}

fn rollouts(state: &State, now: Timestamp) -> Vec<Situation> {
    let all = state.rollouts.under_way.iter().flat_map(|(title, records)| records.iter().map(move |it| (title, it)));
    all.filter_map(|(title, record)| rollout(state, title, record, now)).collect()
}

/// What the object of a release in a rollout is about: `firefox@128.0/standard/macos`.
pub fn rollout_key(title: &TitleId, record: &RolloutRecord) -> SmolStr {
    let on = record.platform.as_deref().map_or_else(String::new, |platform| format!("/{platform}"));
    format_smolstr!("{title}@{}/{}{on}", record.version, record.rollout)
}

fn rollout(state: &State, title: &TitleId, record: &RolloutRecord, now: Timestamp) -> Option<Situation> {
    let status = Status::of(state, title, record, now)?;
    let platform = record.platform.as_deref();
    let key = rollout_key(title, record);
    let reached = record.reached();
    let trial = state.rollouts.trial(title, &record.version).unwrap_or_default();
    let (fine, failed) = (trial.fine.common(&reached), trial.failed.common(&reached));
    let stage = status.course.stage();
    let succeeded = state.is_succeeded(title, record);
    let soaked = record
        .open
        .last()
        .and_then(|open| open.first_result?.checked_add(status.soak).ok())
        .is_some_and(|at| at <= now);
    let all_said = reached.len() <= fine + failed;
    // A release that is halted may go on: its object stays open, until another release takes its place.
    let over = match stage {
        Stage::Gone => true,
        Stage::Complete => succeeded || (soaked && all_said) || (reached.is_empty() && record.open.len() > 1),
        _ => succeeded,
    };
    let result = match stage {
        Stage::Halted => "unsuccessful",
        Stage::Complete if failed == 0 => "successful",
        Stage::Complete => "successful_issues",
        Stage::Gone | Stage::Asks | Stage::UnderWay => "ended",
    };
    let next = match &status.course {
        Course::UnderWay { next, .. } | Course::Asks { next } => Some(next.clone()),
        _ => None,
    };
    let (due, overdue) = outstanding(state, title, &reached, now);
    let rings: Vec<Value> = (record.open.iter())
        .map(|open| {
            json!({
                "name": open.ring,
                "opened": open.at,
                "devices": open.members.as_ref().map_or(0, DeviceSet::len),
            })
        })
        .collect();
    let rings_text: Vec<String> = (record.open.iter())
        .map(|open| {
            let devices = open.members.as_ref().map_or(0, DeviceSet::len);
            format!("{} ({devices}, since {:.0})", open.ring, open.at)
        })
        .collect();
    let policy = state.policy.as_ref();
    let facts = json!({
        "title": title.as_str(),
        "version": record.version,
        "rollout": record.rollout,
        "platform": record.platform,
        "stage": stage,
        "result": result,
        "ring": status.ring,
        "next_ring": next,
        "rings": rings,
        "rings_text": rings_text.join(", "),
        "began": record.open.first().map(|open| open.at),
        "devices": reached.len(),
        "succeeded": fine,
        "failed": failed,
        "overdue": overdue,
        "due": due,
        "plan": policy.map(|policy| policy.plan.to_string()),
        "revision": policy.map(|policy| policy.revision),
        "expedited": state.rollouts.is_expedited(title, &record.version, platform),
    });
    Some(Situation { key, over, facts: without_nulls(facts) })
}

/// The first due time that is open of a title on these devices, and on how many of them it has come.
fn outstanding(state: &State, title: &TitleId, devices: &DeviceSet, now: Timestamp) -> (Option<Timestamp>, u64) {
    let (mut first, mut overdue): (Option<Timestamp>, u64) = (None, 0);
    for device in devices.iter().filter_map(|index| state.at_index(index)) {
        let due =
            device.stands.iter().filter(|(slot, _)| slot.title == *title).filter_map(|(_, stands)| stands.due).min();
        if let Some(due) = due {
            first = Some(first.map_or(due, |first| first.min(due)));
            overdue += u64::from(due <= now);
        }
    }
    (first, overdue)
}

/// Whether somebody has to do something about a slot.
fn is_open(stands: &SlotStanding) -> bool {
    matches!(stands.compliance, Compliance::Due | Compliance::Overdue)
}

/// What one person has to put right of one title.
#[derive(Default)]
struct Campaign<'s> {
    devices: Vec<(&'s DeviceRecord, &'s SlotStanding)>,
}

fn campaigns(state: &State, now: Timestamp) -> Vec<Situation> {
    let mut campaigns: BTreeMap<(&TitleId, Option<&PersonId>), Campaign<'_>> = BTreeMap::new();
    for device in state.managed() {
        for (slot, stands) in device.stands.iter().filter(|(_, stands)| is_open(stands)) {
            let campaign = campaigns.entry((&slot.title, device.person.as_ref())).or_default();
            campaign.devices.push((device, stands));
        }
    }
    campaigns.into_iter().map(|((title, owner), campaign)| campaign.situation(state, title, owner, now)).collect()
}

impl Campaign<'_> {
    fn situation(&self, state: &State, title: &TitleId, owner: Option<&PersonId>, now: Timestamp) -> Situation {
        let key = format_smolstr!("{title}/{}", owner.map_or("nobody", PersonId::as_str));
        let stands = self.devices.iter().map(|(_, stands)| stands);
        let due = stands.clone().filter_map(|stands| stands.due).min();
        let overdue = stands.clone().filter(|stands| stands.due.is_some_and(|due| due <= now)).count();
        let exposures: BTreeMap<&str, bool> = stands
            .flat_map(|stands| stands.exposures.iter().map(|(advisory, kev)| (advisory.as_str(), *kev)))
            .collect();
        let advisories: Vec<&str> = exposures.keys().copied().take(LISTED_MOST).collect();
        let devices: Vec<Value> = (self.devices.iter().take(LISTED_MOST))
            .map(|(device, stands)| json!({ "id": device.id.as_str(), "name": name(device), "due": stands.due }))
            .collect();
        let lines: Vec<String> = (self.devices.iter().take(LISTED_MOST))
            .map(|(device, stands)| match stands.due {
                Some(due) => format!("{}: by {due:.0}", name(device)),
                None => name(device).to_owned(),
            })
            .collect();
        let facts = json!({
            "title": title.as_str(),
            "owner": owner.map(|owner| person(state, self.devices.first().map(|(device, _)| *device), owner)),
            "devices": devices,
            "devices_text": lines.join("\n"),
            "more": self.devices.len().saturating_sub(LISTED_MOST),
            "count": self.devices.len(),
            "overdue": overdue,
            "due": due,
            "due_day": due.map(|due| due.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()),
            "advisories": advisories,
            "kev": exposures.values().any(|kev| *kev),
        });
        Situation { key, over: false, facts: without_nulls(facts) }
    }
}

fn devices(state: &State, now: Timestamp) -> Vec<Situation> {
    let mut found = Vec::new();
    for device in state.managed() {
        let open: Vec<_> = device.stands.iter().filter(|(_, stands)| is_open(stands)).collect();
        if open.is_empty() {
            continue;
        }
        let due = open.iter().filter_map(|(_, stands)| stands.due).min();
        let overdue = open.iter().filter(|(_, stands)| stands.due.is_some_and(|due| due <= now)).count();
        let titles: BTreeSet<&str> = open.iter().map(|(slot, _)| slot.title.as_str()).collect();
        let kev = open.iter().any(|(_, stands)| stands.exposures.iter().any(|(_, kev)| *kev));
        let facts = json!({
            "device": { "id": device.id.as_str(), "name": name(device) },
            "owner": device.person.as_ref().map(|owner| person(state, Some(device), owner)),
            "titles": titles.iter().take(LISTED_MOST).collect::<Vec<_>>(),
            "titles_text": titles.iter().copied().take(LISTED_MOST).collect::<Vec<_>>().join(", "),
            "more": titles.len().saturating_sub(LISTED_MOST),
            "count": titles.len(),
            "overdue": overdue,
            "due": due,
            "kev": kev,
        });
        found.push(Situation { key: SmolStr::from(device.id.as_str()), over: false, facts: without_nulls(facts) });
    }
    found
}

fn name(device: &DeviceRecord) -> &str {
    device.name.as_deref().unwrap_or(device.id.as_str())
}

/// A person with what other systems know them by. What was erased is missing.
fn person(state: &State, device: Option<&DeviceRecord>, id: &PersonId) -> Value {
    let said = |field: &str| device.and_then(|device| state.plain_fact(device, field));
    let mut person = Map::new();
    person.insert("id".to_owned(), id.as_str().into());
    for field in ["email", "name", "department"] {
        if let Some(value) = said(&format!("person.{field}")) {
            person.insert(field.to_owned(), value.as_str().into());
        }
    }
    Value::Object(person)
}

/// Keys without a value are left out: expressions ask whether there is one.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let known = entries.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(known.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
