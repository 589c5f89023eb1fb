//! What is kept back where others have set the same on a device.
//!
//! Two update rings on one device contradict each other, and nobody says which counts: so Refit's is not written there, unless the target's
//! document permits it. A device comes into no group by which it would get Refit's; an object that has no group of its own is neither made nor
//! changed. Who is in a group already stays there, and what is there is kept up to date: a pause has to get through.

use super::{Found, MEMBERS, Wanted, reference};
use crate::object::{Identity, Object};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is not written because others have set the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeptBack {
    /// The object.
    pub id: Identity,
    /// On how many devices.
    pub devices: u64,
    /// Whether nothing of it is written; else it is, and these devices are left out.
    pub whole: bool,
}

/// Takes what must not be written out of what is wanted. `there` has the members of Refit's groups as they are.
pub(super) fn keep_back(
    wanted: &mut Wanted,
    found: &Found,
    there: &BTreeMap<Identity, BTreeSet<String>>,
    is_there: impl Fn(&Identity) -> bool,
) -> Vec<KeptBack> {
    let mut held: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for foreign in &found.foreign {
        let Some(kind) = foreign.same_as else { continue };
        let devices = foreign.devices.as_ref().unwrap_or(&wanted.devices);
        held.entry(kind).or_default().extend(devices.intersection(&wanted.devices).cloned());
    }
    let mut kept = Vec::new();
    let ids: Vec<Identity> = wanted.objects.keys().filter(|id| held.contains_key(id.kind.as_str())).cloned().collect();
    for id in ids {
        let (Some(group), Some(held)) = (group_of(&id, wanted), held.get(id.kind.as_str())) else { continue };
        let members = members(wanted.objects.get(&group));
        let already = there.get(&group).cloned().unwrap_or_default();
        let new: BTreeSet<String> = members.intersection(held).filter(|it| !already.contains(*it)).cloned().collect();
        let is_own = group.name == id.name;
        if is_own && !new.is_empty() {
            let rest: BTreeSet<&String> = members.difference(&new).collect();
            let whole = rest.is_empty() && !is_there(&id);
            if whole {
                // Nobody is left: what would be assigned to the group goes with it.
                let named = reference(&group);
                let of_group = wanted.objects.iter().filter(|(_, object)| names(object, &named));
                let mut gone: Vec<Identity> = of_group.map(|(id, _)| id.clone()).collect();
                gone.push(group);
                for id in gone {
                    wanted.objects.remove(&id);
                    wanted.keeps.insert(id);
                }
            } else if let Some(group) = wanted.objects.get_mut(&group) {
                group.fields.insert(MEMBERS.to_owned(), json!(rest));
            }
            kept.push(KeptBack { id, devices: new.len() as u64, whole });
        } else if !is_own {
            let devices = members.intersection(held).count();
            if devices > 0 {
                wanted.objects.remove(&id);
                wanted.keeps.insert(id.clone());
                kept.push(KeptBack { id, devices: devices as u64, whole: true });
            }
        }
    }
    kept
}

/// The group that an object is assigned to.
fn group_of(id: &Identity, wanted: &Wanted) -> Option<Identity> {
    let object = wanted.objects.get(id)?;
    let groups = wanted.objects.values().filter(|group| group.fields.contains_key(MEMBERS));
    groups.map(|group| &group.id).find(|group| names(object, &reference(group))).cloned()
}

/// Whether an object names another in its fields.
fn names(object: &Object, named: &str) -> bool {
    fn within(value: &Value, named: &str) -> bool {
        match value {
            Value::String(text) => text == named,
            Value::Array(items) => items.iter().any(|item| within(item, named)),
            Value::Object(fields) => fields.values().any(|value| within(value, named)),
            _ => false,
        }
    }
    object.fields.values().any(|value| within(value, named))
}

fn members(group: Option<&Object>) -> BTreeSet<String> {
    let members = group.and_then(|group| group.fields.get(MEMBERS)).and_then(Value::as_array);
    members.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Foreign;

    fn wanted(devices: &[&str]) -> Wanted {
        let group = Identity::new("group", "refit-a".to_owned());
        let to = json!([{ "target": { "groupId": reference(&group) } }]);
        let mut wanted = Wanted { devices: devices.iter().map(|it| (*it).to_owned()).collect(), ..Wanted::default() };
        for object in [
            Object::new(Identity::new("ring", "refit-a".to_owned()), String::new()).with("assignments", to.clone()),
            Object::new(Identity::new("drivers", "refit-a-drivers".to_owned()), String::new()).with("assignments", to),
            Object::new(group, String::new()).with(MEMBERS, json!(devices)),
        ] {
            wanted.objects.insert(object.id.clone(), object);
        }
        wanted
    }

    fn kept(
        devices: &[&str],
        same_as: &'static str,
        theirs: Option<&[&str]>,
        there: &[&str],
    ) -> (usize, Vec<KeptBack>, Value) {
        let mut wanted = wanted(devices);
        let devices = theirs.map(|theirs| theirs.iter().map(|it| (*it).to_owned()).collect());
        let (what, because) = ("theirs".to_owned(), String::new());
        let found =
            Found { foreign: vec![Foreign { what, because, devices, same_as: Some(same_as) }], ..Found::default() };
        let group = Identity::new("group", "refit-a".to_owned());
        let already: BTreeSet<String> = there.iter().map(|it| (*it).to_owned()).collect();
        let is_there = !there.is_empty();
        let kept = keep_back(&mut wanted, &found, &[(group.clone(), already)].into(), |_| is_there);
        let members = wanted.objects.get(&group).map_or(Value::Null, |group| group.fields[MEMBERS].clone());
        (wanted.objects.len(), kept, members)
    }

    #[test]
    fn a_device_that_somebody_elses_ring_is_for_comes_into_no_group() {
        let (objects, told, members) = kept(&["1", "2"], "ring", Some(&["2", "9"]), &[]);
        assert_eq!((objects, &members), (3, &json!(["1"])));
        assert_eq!((told[0].devices, told[0].whole), (1, false));
        // Who is in it stays.
        let (objects, told, members) = kept(&["1", "2"], "ring", None, &["1", "2"]);
        assert_eq!((objects, told.len(), &members), (3, 0, &json!(["1", "2"])));
    }

    #[test]
    fn where_nobody_is_left_nothing_is_written() {
        let (objects, told, _) = kept(&["1", "2"], "ring", None, &[]);
        assert_eq!((objects, told[0].devices, told[0].whole), (0, 2, true));
    }

    #[test]
    fn what_has_no_group_of_its_own_is_left_out_alone() {
        let (objects, told, members) = kept(&["1", "2"], "drivers", Some(&["2"]), &[]);
        assert_eq!((objects, told[0].whole, &members), (2, true, &json!(["1", "2"])));
        assert_eq!(kept(&["1"], "drivers", Some(&["2"]), &[]).0, 3);
    }
}
