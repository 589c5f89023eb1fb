//! What devices with one key share, whatever release of the title they have.

use super::super::class::{Class, kind, phase, platform, text};
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
    pub traits: OnceCell<Traits<'a>>,
    pub common: Common<'a>,
}

/// What rules ask of a device by itself.
#[derive(Clone, Copy)]
pub(in super::super) struct Traits<'a> {
    pub platform: Option<&'a str>,
    pub may_be_server: bool,
    pub provisioning: bool,
}

/// What a class says of fields that conditions on exposures ask.
pub(super) struct Facts<'a, 'c> {
    pub columns: &'a Columns,
    pub class: Option<&'c Class<'c>>,
}

impl Lookup for Facts<'_, '_> {
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        value(self.columns, self.class, field).map(Cow::Borrowed)
    }
}

/// A field of a class.
fn value<'a>(columns: &'a Columns, class: Option<&Class<'_>>, field: &FieldRef) -> Option<&'a Value> {
    columns.get(field)?.value(class.map_or(0, |class| class.code(field)))
}

impl<'a> Traits<'a> {
    pub fn of(columns: &'a Columns, class: Option<&Class<'_>>) -> Traits<'a> {
        let value = |field: &FieldRef| value(columns, class, field);
        let platform = text(value(&platform()));
        let may_be_server = match text(value(&kind())) {
            Some(kind) => kind == "server",
            None => !matches!(platform, Some("macos" | "ios" | "ipados" | "android" | "chromeos")),
        };
        Traits { platform, may_be_server, provisioning: text(value(&phase())) == Some("provisioning") }
    }
}
