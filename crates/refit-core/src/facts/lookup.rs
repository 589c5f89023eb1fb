//! How expressions ask for facts.

use super::{FieldRef, Value};
use std::{borrow::Cow, collections::BTreeMap};

/// Answers what a field is.
pub trait Lookup {
    /// The value of `field`, of its kind; `None` is unknown. A value of another kind that can't be read as one of the field's
    /// kind ([`Value::into_kind`]) counts as unknown.
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>>;
}

impl Lookup for BTreeMap<FieldRef, Value> {
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        BTreeMap::get(self, field).map(Cow::Borrowed)
    }
}

impl<T: Lookup + ?Sized> Lookup for &T {
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        (**self).get(field)
    }
}
