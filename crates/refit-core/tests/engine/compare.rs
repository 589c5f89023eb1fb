//! The engine's answers beside those of the plain decision.

use super::reasons::reasons;
use jiff::Timestamp;
use refit_core::{
    decide::decide,
    engine::{Answer, Fleet, Verdicts},
    policy::repository::Repository,
    world::{Device, World},
};
use refit_model::DeviceId;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is compared, by its name in both.
pub const FIELDS: [&str; 12] = [
    "policy",
    "mode",
    "goal",
    "compliance",
    "due",
    "admitted",
    "rollout",
    "ring",
    "gate",
    "progress",
    "holds",
    "marks",
];

/// Something in which the two differ.
#[derive(Clone, Debug)]
pub struct Difference {
    pub device: String,
    pub slot: String,
    pub field: &'static str,
    pub plain: String,
    pub engine: String,
    pub explanation: String,
}

/// How often each answer was given: `compliance due`, `holds freeze`.
pub type Counts = BTreeMap<String, u64>;

/// Decides all devices both ways.
pub fn differences(
    repository: &Repository,
    world: &World,
    devices: &[Device],
    now: Timestamp,
    counts: &mut Counts,
) -> Vec<Difference> {
    let mut fleet = Fleet::new();
    devices.iter().for_each(|device| fleet.put(device));
    let verdicts = Verdicts::new(&fleet, repository, world, now);
    differences_of(repository, world, devices, now, |id| verdicts.device(id), counts)
}

/// Decides devices plainly, and holds that against answers of the engine that are there already.
pub fn differences_of(
    repository: &Repository,
    world: &World,
    devices: &[Device],
    now: Timestamp,
    answers_of: impl Fn(&DeviceId) -> Vec<Answer>,
    counts: &mut Counts,
) -> Vec<Difference> {
    let mut found = Vec::new();
    for device in devices {
        let mut answers: BTreeMap<String, Value> = BTreeMap::new();
        for (slot, _, outcome) in answers_of(&device.id) {
            answers.insert(slot.to_string(), serde_json::to_value(outcome).unwrap());
        }
        for decision in decide(repository, world, device, now) {
            let slot = decision.slot.to_string();
            let plain = serde_json::to_value(&decision).unwrap();
            let engine = answers.remove(&slot).unwrap_or(Value::Null);
            for reason in reasons(&plain) {
                *counts.entry(reason).or_default() += 1;
            }
            for field in FIELDS {
                count(counts, field, &plain[field]);
                if plain[field] != engine[field] {
                    let view = refit_core::decide::View { now, zone: device.zone() };
                    found.push(Difference {
                        device: device.id.to_string(),
                        slot: slot.clone(),
                        field,
                        plain: plain[field].to_string(),
                        engine: engine[field].to_string(),
                        explanation: refit_core::decide::explain(&decision, &view).to_string(),
                    });
                }
            }
        }
        for (slot, engine) in answers {
            let (plain, engine) = ("nothing".to_owned(), engine.to_string());
            let explanation = String::new();
            found.push(Difference { device: device.id.to_string(), slot, field: "slot", plain, engine, explanation });
        }
    }
    found
}

fn count(counts: &mut Counts, field: &str, value: &Value) {
    let mut add = |what: &str| *counts.entry(format!("{field} {what}")).or_default() += 1;
    match (field, value) {
        ("compliance" | "progress" | "gate" | "mode", Value::String(word)) => add(word),
        ("holds" | "marks", Value::Array(words)) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            for (place, word) in words.iter().enumerate() {
                add(word);
                words.iter().skip(place + 1).for_each(|other| add(&format!("{word} and {other}")));
            }
        }
        ("goal", Value::String(word)) => add(word),
        (_, Value::Null) => add("none"),
        ("policy" | "rollout" | "ring", Value::String(name)) => add(name),
        _ => add("some"),
    }
}
