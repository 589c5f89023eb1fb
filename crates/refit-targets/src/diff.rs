//! What has to change for a system to be as it should: objects and fields, what goes first.

use crate::object::{Fields, Identity, Object};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An object as it was found in a system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Its fields.
    pub fields: Fields,
}

/// A change of one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// It is Refit's, and nobody asks for it any more.
    Remove {
        /// Which.
        id: Identity,
    },
    /// It is not there.
    Add {
        /// Which.
        id: Identity,
        /// Its fields.
        fields: Vec<FieldChange>,
    },
    /// It is there, and differs.
    Update {
        /// Which.
        id: Identity,
        /// The fields that differ.
        fields: Vec<FieldChange>,
    },
}

/// A change of one field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Its path: `Payload.TargetOSVersion`.
    pub path: String,
    /// What is there; `None` where it is not.
    pub before: Option<Value>,
    /// What should be there; `None` where it should not be.
    pub after: Option<Value>,
}

impl Change {
    /// Which object.
    pub fn id(&self) -> &Identity {
        match self {
            Change::Remove { id } | Change::Add { id, .. } | Change::Update { id, .. } => id,
        }
    }
}

/// What differs between what should be there and what was found: removals first, each in the order of identities. What Refit does not
/// own is never removed; `derived` fields are told only where nothing else differs.
pub fn diff(
    desired: &BTreeMap<Identity, Object>,
    observed: &BTreeMap<Identity, Observed>,
    derived: &[&str],
) -> Vec<Change> {
    let mut changes: Vec<Change> = observed
        .keys()
        .filter(|id| id.is_owned() && !desired.contains_key(*id))
        .map(|id| Change::Remove { id: id.clone() })
        .collect();
    for (id, object) in desired {
        let found = observed.get(id);
        let nothing = Fields::new();
        let fields = fields(found.map_or(&nothing, |found| &found.fields), &object.fields, derived);
        match found {
            None => changes.push(Change::Add { id: id.clone(), fields }),
            Some(_) if fields.is_empty() => {}
            Some(_) => changes.push(Change::Update { id: id.clone(), fields }),
        }
    }
    changes
}

/// The fields that differ.
pub(crate) fn fields(before: &Fields, after: &Fields, derived: &[&str]) -> Vec<FieldChange> {
    let (before, after) = (flat(before), flat(after));
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changes: Vec<FieldChange> = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| FieldChange {
            path: path.clone(),
            before: before.get(path).cloned(),
            after: after.get(path).cloned(),
        })
        .collect();
    let is_derived = |change: &FieldChange| derived.contains(&change.path.as_str());
    if changes.iter().any(|change| !is_derived(change)) {
        changes.retain(|change| !is_derived(change));
    }
    changes
}

/// Fields by their paths; lists and what is empty stay whole.
fn flat(fields: &Fields) -> BTreeMap<String, Value> {
    let mut paths = BTreeMap::new();
    for (name, value) in fields {
        put(name.clone(), value, &mut paths);
    }
    paths
}

fn put(path: String, value: &Value, paths: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(inner) if !inner.is_empty() => {
            for (name, value) in inner {
                put(format!("{path}.{name}"), value, paths);
            }
        }
        other => drop(paths.insert(path, other.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str, version: &str) -> (Identity, Object) {
        let id = Identity::new("thing", name.to_owned());
        let payload = json!({ "version": version, "list": [1, 2] });
        (id.clone(), Object::new(id, String::new()).with("Payload", payload).with("Token", version))
    }

    fn found(objects: &[(Identity, Object)]) -> BTreeMap<Identity, Observed> {
        objects.iter().map(|(id, object)| (id.clone(), Observed { fields: object.fields.clone() })).collect()
    }

    #[test]
    fn what_is_there_already_does_not_change() {
        let objects = [object("refit.a", "1")];
        assert_eq!(diff(&objects.clone().into(), &found(&objects), &[]), []);
    }

    #[test]
    fn removals_come_first_and_only_what_refit_owns_goes() {
        let there = [object("refit.old", "1"), object("theirs", "1"), object("refit.a", "1")];
        let changes = diff(&[object("refit.a", "2"), object("refit.b", "1")].into(), &found(&there), &["Token"]);
        let told: Vec<String> = changes.iter().map(|change| change.id().name.clone()).collect();
        assert_eq!(told, ["refit.old", "refit.a", "refit.b"]);
        let Change::Update { fields, .. } = &changes[1] else { panic!("{changes:?}") };
        assert_eq!(fields.len(), 1);
        assert_eq!((fields[0].path.as_str(), &fields[0].after), ("Payload.version", &Some(json!("2"))));
    }

    #[test]
    fn a_derived_field_is_told_where_nothing_else_differs() {
        let wanted = object("refit.a", "1");
        let mut there = found(std::slice::from_ref(&wanted));
        there.get_mut(&wanted.0).unwrap().fields.insert("Token".to_owned(), json!("by hand"));
        let changes = diff(&[wanted].into(), &there, &["Token"]);
        assert!(matches!(&changes[..], [Change::Update { fields, .. }] if fields[0].path == "Token"));
    }

    #[test]
    fn applying_a_difference_leaves_none() {
        let wanted: BTreeMap<Identity, Object> = [object("refit.a", "2"), object("refit.b", "1")].into();
        let mut there = found(&[object("refit.old", "1"), object("refit.a", "1"), object("theirs", "1")]);
        for change in diff(&wanted, &there, &["Token"]) {
            match &change {
                Change::Remove { id } => drop(there.remove(id)),
                Change::Add { id, .. } | Change::Update { id, .. } => {
                    there.insert(id.clone(), Observed { fields: wanted[id].fields.clone() });
                }
            }
        }
        assert_eq!(diff(&wanted, &there, &["Token"]), []);
        assert_eq!(there.len(), 3);
    }
}
