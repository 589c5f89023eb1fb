//! What one device is answered when it syncs: Apple's declarative protocol, as values. The transport is elsewhere.
//!
//! A device asks for `tokens`, compares `DeclarationsToken` with the one that it has, asks for `declaration-items`, and for each item whose
//! `ServerToken` differs for the declaration (`declarative/protocol/` of `apple/device-management`).

use super::declarations::KIND;
use crate::{
    object::{Object, fingerprint},
    target::Desired,
};
use jiff::Timestamp;
use serde_json::{Value, json};

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

    /// The token for all of them together: it differs where one of them does.
    pub fn token(&self) -> String {
        fingerprint(self.declarations.iter().flat_map(|it| [it.id.name.as_str(), text(it, "ServerToken")]), 32)
    }

    /// The answer to `tokens`. `since` is when these declarations were last changed.
    pub fn tokens(&self, since: Timestamp) -> Value {
        let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
        json!({ "SyncTokens": { "DeclarationsToken": self.token(), "Timestamp": since.to_string() } })
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
