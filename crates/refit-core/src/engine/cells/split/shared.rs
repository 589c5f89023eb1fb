//! What devices with one key share, whatever release of the title they have.

use super::super::class::Class;
use crate::{
    engine::{
        rules::{Alike, Common},
        select::Columns,
    },
    facts::{FieldRef, Lookup, Value},
};
use std::{borrow::Cow, cell::OnceCell, rc::Rc};

/// What a device shares with others of its key; `None` where it is looked at by itself.
pub(in super::super) type Shares<'a> = Option<(Alike, Rc<Shared<'a>>)>;

/// What devices with one key share, whatever they have installed.
#[derive(Default)]
pub(in super::super) struct Shared<'a> {
    /// Their platform, where anything is said of one only.
    pub platform: OnceCell<Option<&'a str>>,
    pub common: Common<'a>,
}

/// What a class says of fields that conditions on exposures ask.
pub(super) struct Facts<'a, 'c> {
    pub columns: &'a Columns,
    pub class: Option<&'c Class<'c>>,
}

impl Lookup for Facts<'_, '_> {
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        self.class.and_then(|class| class.value(self.columns, field)).map(Cow::Borrowed)
    }
}
