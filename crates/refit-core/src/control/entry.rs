//! How what is written in the log becomes what decisions read.

use crate::{
    facts::{Kind, Value},
    world::SlotKey,
};
pub use refit_model::entry::{
    AdvisoryEntry, InstallEntry, PackageSource, Plain, ReceiptResult, ReleaseEntry, SlotName,
};

/// The value as a field of `kind` has it; `None` where it is none of that kind.
pub fn read(value: &Plain, kind: Kind) -> Option<Value> {
    Value::read(value, kind)
}

impl From<&SlotKey> for SlotName {
    fn from(key: &SlotKey) -> SlotName {
        SlotName { title: key.title.clone(), branch: key.branch.clone(), profile: key.profile.clone() }
    }
}

impl From<&SlotName> for SlotKey {
    fn from(name: &SlotName) -> SlotKey {
        SlotKey { title: name.title.clone(), branch: name.branch.clone(), profile: name.profile.clone() }
    }
}
