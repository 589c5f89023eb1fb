//! What one device is answered when it syncs: Apple's declarative protocol, as values. The transport is elsewhere.
//!
//! A device asks for `tokens`, compares `DeclarationsToken` with the one that it has, asks for `declaration-items`, and for each item whose
//! `ServerToken` differs for the declaration (`declarative/protocol/` of `apple/device-management`).

use super::{Apple, declarations::KIND};
use crate::{
    object::{Object, fingerprint},
    plan::compile,
    target::{Desired, Offered, Target as _},
};
use jiff::Timestamp;
use refit_core::{cohorts::Cohorts, policy::repository::Repository};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What should be declared to the device of which the cohorts are, by all targets of this kind: what is compiled for them, but for what
/// another target moves too.
pub fn declared(repository: &Repository, cohorts: &Cohorts, offered: &Offered) -> Desired {
    let compiled = compile(repository, cohorts, offered, &BTreeMap::new());
    let mut all = Desired::default();
    for plan in compiled.targets.into_iter().filter(|plan| plan.target.kind() == Apple.kind()) {
        all.join(plan.desired);
    }
    // Nobody knows who comes first; where the policies do not say it, neither does.
    for twice in &compiled.twice {
        let because = format!("targets {} and {} would both move it", twice.one, twice.other);
        let before = all.objects.len();
        all.objects.retain(|_, object| !object.moves.contains(&twice.title));
        if all.objects.len() < before {
            for source in &twice.from {
                all.withhold(&source.policy, &twice.title, because.clone(), twice.devices);
            }
        }
    }
    let names: BTreeSet<String> = all.objects.keys().map(|id| id.name.clone()).collect();
    all.objects.retain(|_, object| {
        let activates = object.fields.get("Payload").and_then(|payload| payload["StandardConfigurations"].as_array());
        let mut activates = activates.into_iter().flatten().filter_map(Value::as_str);
        activates.all(|name| names.contains(name))
    });
    all
}

/// The declarations of one device.
#[derive(Clone, Debug)]
pub struct Served<'d> {
    /// In the order of their identifiers.
    declarations: Vec<&'d Object>,
}

impl<'d> Served<'d> {
    /// Those of what should be there that are for a device, by its number.
    pub fn to(device: u32, desired: &'d Desired) -> Served<'d> {
        let of_kind = desired.objects.values().filter(|object| object.id.kind == KIND);
        Served { declarations: of_kind.filter(|object| object.devices.contains(device)).collect() }
    }

    /// None: what is answered where nobody knows who asks, and valid all the same.
    pub fn nothing() -> Served<'static> {
        Served { declarations: Vec::new() }
    }

    /// They themselves, in the order of their identifiers.
    pub fn declarations(&self) -> impl Iterator<Item = &'d Object> {
        self.declarations.iter().copied()
    }

    /// The token for all of them together: it differs where one of them does.
    pub fn token(&self) -> String {
        fingerprint(self.declarations.iter().flat_map(|it| [it.id.name.as_str(), text(it, "ServerToken")]), 32)
    }

    /// The answer to `tokens`. `now` is when it is given: of several answers a device goes by the newest.
    pub fn tokens(&self, now: Timestamp) -> Value {
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        json!({ "SyncTokens": { "DeclarationsToken": self.token(), "Timestamp": now.to_string() } })
    }

    /// The answer to `declaration-items`.
    pub fn items(&self) -> Value {
        let of = |kind: &str| -> Vec<Value> {
            let these = self.declarations.iter().filter(|it| category(text(it, "Type")) == kind);
            these.map(|it| json!({ "Identifier": it.id.name, "ServerToken": text(it, "ServerToken") })).collect()
        };
        json!({
            "Declarations": {
                "Activations": of("activation"),
                "Assets": of("asset"),
                "Configurations": of("configuration"),
                "Management": of("management"),
            },
            "DeclarationsToken": self.token(),
        })
    }

    /// The answer to `declaration/KIND/IDENTIFIER`; `None` where the device has no such declaration.
    pub fn declaration(&self, kind: &str, identifier: &str) -> Option<Value> {
        let found = self.declarations.iter().find(|it| it.id.name == identifier)?;
        (category(text(found, "Type")) == kind).then(|| json!(found.fields))
    }
}

fn text<'o>(object: &'o Object, field: &str) -> &'o str {
    object.fields.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// `configuration` of `com.apple.configuration.softwareupdate.settings`.
fn category(kind: &str) -> &str {
    kind.split('.').nth(2).unwrap_or_default()
}
