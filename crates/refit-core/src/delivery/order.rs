//! What has to wait for what: events of one device are sent one after the other.

use crate::business::CloudEvent;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeSet;

/// How many devices an event may list and still wait for those alone. One of more waits for everything before it: comparing long lists
/// costs more than it gains.
pub const DEVICES_APART: usize = 16;

/// What an event is about, so far as order goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// These, sorted: `device:ID`, or `subject:TEXT` where it is about no device.
    Some(Vec<SmolStr>),
    /// It may be about anything.
    All,
}

impl Keys {
    /// What an event is about.
    pub fn of(event: &CloudEvent) -> Keys {
        let devices = event.devices();
        if devices.len() > DEVICES_APART {
            return Keys::All;
        }
        if devices.is_empty() {
            let subject = event.subject.as_deref().unwrap_or(&event.r#type);
            return Keys::Some(vec![format_smolstr!("subject:{subject}")]);
        }
        let keys: BTreeSet<SmolStr> = devices.into_iter().map(|device| format_smolstr!("device:{device}")).collect();
        Keys::Some(keys.into_iter().collect())
    }
}

/// What is under way or waits, seen in order.
#[derive(Debug, Default)]
pub(super) struct Before<'k> {
    keys: BTreeSet<&'k str>,
    all: bool,
    any: bool,
}

impl<'k> Before<'k> {
    /// Whether something may go though all that was added waits.
    pub fn permits(&self, keys: &Keys) -> bool {
        match keys {
            _ if self.all => false,
            Keys::All => !self.any,
            Keys::Some(keys) => !keys.iter().any(|key| self.keys.contains(key.as_str())),
        }
    }

    /// Adds what waits, or is under way.
    pub fn add(&mut self, keys: &'k Keys) {
        self.any = true;
        match keys {
            Keys::All => self.all = true,
            Keys::Some(keys) => self.keys.extend(keys.iter().map(SmolStr::as_str)),
        }
    }

    /// Whether nothing that comes later may go.
    pub fn is_closed(&self) -> bool {
        self.all
    }
}
