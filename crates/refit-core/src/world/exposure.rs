//! One exposure as expressions ask for it.

use super::Advisory;
use crate::facts::{FieldRef, Lookup, Root, Value};
use jiff::Timestamp;
use std::borrow::Cow;

/// The facts of a device, and one exposure as it is known at a time.
pub struct ExposureView<'a, L: ?Sized> {
    /// The facts of device and person.
    pub known: &'a L,
    /// The advisory.
    pub advisory: &'a Advisory,
    /// The time.
    pub at: Timestamp,
}

impl<L: Lookup + ?Sized> Lookup for ExposureView<'_, L> {
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        if field.root != Root::Exposure {
            return self.known.get(field);
        }
        let listed = self.advisory.kev.is_some_and(|kev| kev <= self.at);
        Some(Cow::Owned(match field.name.as_str() {
            "id" => Value::Text(self.advisory.id.as_str().into()),
            "kev" => Value::Bool(listed),
            "ransomware" => Value::Bool(listed && self.advisory.ransomware),
            "cvss" => Value::Float(self.advisory.cvss?),
            "epss" => Value::Float(self.advisory.epss?),
            "known_at" => Value::Time(self.advisory.known_at),
            _ => return None,
        }))
    }
}
