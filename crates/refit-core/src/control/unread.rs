//! What sources say that no policy can read: of fields that nobody has declared, or values that are none of their field's kind.
//!
//! It is kept: a revision that declares the field reads at once, and in a plan beforehand, what has been said all along.

use super::{
    entry::{Plain, read},
    state::{DeviceRecord, State},
};
use crate::{
    facts::{FieldRef, Fields, Kind, Root},
    policy::diagnostic::did_you_mean,
};
use std::{fmt, sync::LazyLock};

/// Of how many fields that nobody has declared facts of one device are kept.
pub(super) const UNDECLARED_MOST: usize = 64;
/// The longest name of such a field, in bytes.
pub(super) const UNDECLARED_NAME_LONGEST: usize = 128;
/// The largest value of such a field, in bytes.
pub(super) const UNDECLARED_VALUE_LONGEST: usize = 4_096;

/// Why no policy reads a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// There is no such field: neither Refit's own, nor in the policy in force.
    NoField {
        /// A field that there is and that may have been meant.
        near: Option<String>,
    },
    /// The field has values of another kind.
    NotOf(Kind),
}

/// Why no policy reads `value` as the field that it is said of; `None` where one can.
pub fn unread(fields: &Fields, field: &FieldRef, value: &Plain) -> Option<Unread> {
    match fields.get(field) {
        None => {
            // By its own name: all of a root begin alike.
            let near = did_you_mean(&field.name, fields.of(field.root).map(|known| known.name.name.as_str()));
            Some(Unread::NoField { near: near.map(|near| FieldRef::new(field.root, near).to_string()) })
        }
        Some(declared) => read(value, declared.kind).is_none().then_some(Unread::NotOf(declared.kind)),
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::NoField { near: Some(near) } => {
                write!(f, "no policy in force has such a field, so that nothing reads it: did you mean `{near}`?")
            }
            Unread::NoField { near: None } => f.write_str(
                "no policy in force has such a field, so that nothing reads it: `fields:` of refit.yaml declares it",
            ),
            Unread::NotOf(kind) => write!(f, "it is not {}, so that the field is unknown", kind.described()),
        }
    }
}

impl State {
    /// The fields that there are: Refit's own, and those of the policy in force.
    pub fn fields(&self) -> &Fields {
        static BUILTIN: LazyLock<Fields> = LazyLock::new(Fields::builtin);
        self.policy.as_ref().map_or(&BUILTIN, |policy| &policy.repository.fields)
    }

    /// The fields of which a device or its person has values that are none of their kind, as `fields` has it; one for each source.
    pub(super) fn misfits(&self, fields: &Fields, record: &DeviceRecord) -> Vec<FieldRef> {
        let mut found = Vec::new();
        for (name, said) in &record.facts {
            let Some(field) = name.parse::<FieldRef>().ok().and_then(|name| fields.get(&name)) else { continue };
            let unfit = said.values().filter(|value| read(value, field.kind).is_none());
            found.extend(unfit.map(|_| field.name.clone()));
        }
        let person = record.person.as_ref().and_then(|id| self.people.get(id));
        for (name, said) in person.iter().flat_map(|person| &person.facts) {
            let Some(field) = fields.get(&FieldRef::new(Root::Person, name)) else { continue };
            let values = said.values().filter_map(|reference| self.personal.get(reference));
            found.extend(values.filter(|value| read(value, field.kind).is_none()).map(|_| field.name.clone()));
        }
        found
    }
}

/// How many bytes a value has.
pub(super) fn size(value: &Plain) -> usize {
    match value {
        Plain::Bool(_) | Plain::Int(_) | Plain::Float(_) => 8,
        Plain::Text(text) => text.len(),
        Plain::List(items) => items.iter().map(|item| item.len() + 1).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_policy_reads_says_why() {
        let mut fields = Fields::builtin();
        fields.add("device.rack", Kind::Int).unwrap();
        let why = |name: &str, value: Plain| {
            unread(&fields, &name.parse().unwrap(), &value).map(|unread| unread.to_string()).unwrap_or_default()
        };
        let text = |value: &str| Plain::Text(value.into());
        insta::assert_snapshot!(
            [
                why("device.plattform", text("linux")),
                why("device.shelf", text("a1")),
                why("device.rack", text("a1")),
                why("person.manager_of_record", text("p9")),
                why("device.rack", Plain::Float(4.0)),
            ]
            .join("\n"),
            @r"
        no policy in force has such a field, so that nothing reads it: did you mean `device.platform`?
        no policy in force has such a field, so that nothing reads it: `fields:` of refit.yaml declares it
        it is not a whole number, so that the field is unknown
        no policy in force has such a field, so that nothing reads it: `fields:` of refit.yaml declares it

        "
        );
    }
}
