//! What is remembered of a system: what Refit wrote there, and what it was about to do when it last began.

use super::MEMBERS;
use crate::{
    files::BrokenOff,
    object::{Fields, Identity},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Raised when what is remembered changes its meaning.
pub const FORMAT: u32 = 1;

/// What is remembered of a system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// [`FORMAT`] of whoever wrote it.
    pub format: u32,
    /// Which system it is about, and for whom: ids mean nothing elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What Refit wrote and has not taken away, by kind and name.
    #[serde(default)]
    pub written: BTreeMap<String, Wrote>,
    /// What was to be done by a run that has not come to its end: what an object should be, `None` where it should be gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub begun: BTreeMap<String, Option<Wrote>>,
    /// The secrets that objects carry, by their names. What is not named any more stays: who names it again is to get a number of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Fingerprint>,
}

/// By what a secret is known again that no system shows: never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Random, so that the same secret has another print elsewhere.
    pub salt: String,
    /// What comes of salt and secret by a function that takes its time.
    pub print: String,
    /// How many there have been under this name. It stands in objects, and differs where the secret does.
    pub version: u64,
}

/// What Refit wrote into an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrote {
    /// The object.
    pub id: Identity,
    /// Its id in the system; `None` where no answer has said it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Its fields.
    pub fields: Fields,
    /// The policies that asked for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub policies: BTreeSet<SmolStr>,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            format: FORMAT,
            system: None,
            written: BTreeMap::new(),
            begun: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

impl Memory {
    /// Whether Refit has written a field of an object, or was to write it.
    pub(super) fn speaks_of(&self, id: &Identity, field: &str) -> bool {
        let name = id.to_string();
        let begun = self.begun.get(&name).and_then(Option::as_ref);
        begun.into_iter().chain(self.written.get(&name)).any(|wrote| wrote.fields.contains_key(field))
    }

    /// Takes note of a secret. `print` makes its fingerprint with a salt, and `salt` is one for a secret that is new. Gives its number, and
    /// whether it is another one than was known under this name.
    pub fn secret(&mut self, name: &str, salt: String, print: &dyn Fn(&str) -> String) -> (u64, bool) {
        let known = self.secrets.get(name);
        if let Some(known) = known.filter(|known| print(&known.salt) == known.print) {
            return (known.version, false);
        }
        let (version, is_other) = known.map_or((1, false), |known| (known.version.saturating_add(1), true));
        let print = print(&salt);
        self.secrets.insert(name.to_owned(), Fingerprint { salt, print, version });
        (version, is_other)
    }

    /// What was written into a field of this very object; `None` where it is another one by now.
    pub(super) fn remembers(&self, id: &Identity, remote: &str, field: &str) -> Option<&Value> {
        let wrote = self.written.get(&id.to_string()).filter(|wrote| wrote.remote.as_deref() == Some(remote))?;
        wrote.fields.get(field)
    }

    /// What an object is to be by a run that has not come to its end, or else what it was made.
    pub(super) fn last(&self, id: &Identity) -> Option<&Wrote> {
        let name = id.to_string();
        self.begun.get(&name).and_then(Option::as_ref).or_else(|| self.written.get(&name))
    }

    /// Whether this very object is remembered: by its id there, or because it was about to be made when a run was broken off.
    pub(super) fn knows(&self, id: &Identity, remote: &str) -> bool {
        let name = id.to_string();
        let known = self.written.get(&name).and_then(|wrote| wrote.remote.as_deref());
        let begun = self.begun.get(&name).and_then(Option::as_ref);
        // What was about to be made was not there: what is there now is what was made.
        known == Some(remote) || begun.is_some_and(|wrote| wrote.remote.is_none())
    }

    /// Takes what a run that was broken off had done for written. `is` gives id and fields of an object that is there, as far as Refit wrote
    /// them. What it was in the middle of comes back: there each field is as it was, or as it was to be. `leaving` are the fields that are changed
    /// before an object is taken away.
    pub(super) fn settle<'f>(
        &mut self,
        is: impl Fn(&Identity) -> Option<(&'f str, &'f Fields)>,
        leaving: &[&str],
    ) -> (Option<BrokenOff>, BTreeSet<String>) {
        let mut halves = BTreeSet::new();
        if self.begun.is_empty() {
            return (None, halves);
        }
        let mut told = BrokenOff { done: 0, of: self.begun.len() };
        for (name, after) in std::mem::take(&mut self.begun) {
            let before = self.written.get(&name);
            let id = after.as_ref().or(before).map(|wrote| wrote.id.clone());
            let there = id.as_ref().and_then(&is);
            match (after, there) {
                (None, None) => {
                    self.written.remove(&name);
                    told.done += 1;
                }
                (Some(after), Some((remote, fields))) => {
                    let after = Wrote { remote: Some(remote.to_owned()), ..after };
                    if same(&after.fields, fields) {
                        told.done += 1;
                        self.written.insert(name, after);
                    } else if is_between(before.map(|wrote| &wrote.fields), &after.fields, fields) {
                        halves.insert(name.clone());
                        self.written.insert(name, after);
                    }
                }
                (None, Some((_, fields))) => {
                    // It was made ready to go, and did not go yet.
                    let is_as_it_was = |(name, value): (&String, &Value)| {
                        leaving.contains(&name.as_str()) || value_of(fields, name) == value
                    };
                    if !leaving.is_empty() && before.is_some_and(|before| before.fields.iter().all(is_as_it_was)) {
                        halves.insert(name.clone());
                    }
                }
                (Some(_), None) => {}
            }
        }
        (Some(told), halves)
    }
}

/// Whether what is there is as it was written, as far as it was.
pub(super) fn same(wrote: &Fields, there: &Fields) -> bool {
    wrote.iter().all(|(name, value)| value_of(there, name) == value)
}

/// Whether each field is as it was before, or as it was to be.
fn is_between(before: Option<&Fields>, after: &Fields, there: &Fields) -> bool {
    after.iter().all(|(name, value)| {
        let is = value_of(there, name);
        let was = before.map_or(&Value::Null, |before| value_of(before, name));
        let is_half = name == MEMBERS && is_on_the_way(was, value, is);
        is == value || is == was || (is_nothing(is) && is_nothing(was)) || is_half
    })
}

/// Whether some of the members have come and some have gone, and nobody else: groups are filled some at a time.
fn is_on_the_way(was: &Value, to_be: &Value, is: &Value) -> bool {
    let [was, to_be, is] = [was, to_be, is]
        .map(|list| list.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<BTreeSet<_>>());
    is.iter().all(|it| was.contains(it) || to_be.contains(it)) && was.intersection(&to_be).all(|it| is.contains(it))
}

fn value_of<'f>(fields: &'f Fields, name: &str) -> &'f Value {
    fields.get(name).unwrap_or(&Value::Null)
}

/// What stands where nobody has written anything.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrote(remote: Option<&str>, fields: Value) -> Wrote {
        let Value::Object(fields) = fields else { panic!("{fields}") };
        let id = Identity::new("ring", "refit-a".to_owned());
        let policies = BTreeSet::new();
        Wrote { id, remote: remote.map(str::to_owned), fields: fields.into_iter().collect(), policies }
    }

    #[test]
    fn what_a_broken_run_had_done_is_written_and_what_it_was_in_the_middle_of_is_ours() {
        let to_be = wrote(None, json!({ "days": 3, "to": ["g"] }));
        let name = to_be.id.to_string();
        let begun = || Memory { begun: [(name.clone(), Some(to_be.clone()))].into(), ..Memory::default() };
        let settled = |there: Option<Value>| {
            let mut memory = begun();
            let there = there.map(|fields| wrote(None, fields).fields);
            let (told, halves) = memory.settle(|_| there.as_ref().map(|fields| ("7", fields)), &[]);
            (told.unwrap().done, halves.len(), memory.written.get(&name).and_then(|wrote| wrote.remote.clone()))
        };
        assert_eq!(settled(None), (0, 0, None));
        assert_eq!(settled(Some(json!({ "days": 3, "to": ["g"] }))), (1, 0, Some("7".to_owned())));
        // It was made, and not yet assigned.
        assert_eq!(settled(Some(json!({ "days": 3, "to": [] }))), (0, 1, Some("7".to_owned())));
        // Of a group that was being filled some are in, and nobody else.
        let group = wrote(None, json!({ "members": ["1", "2", "3"] }));
        let settled_group = |there: Value| {
            let begun = [(name.clone(), Some(group.clone()))].into();
            let mut memory = Memory { begun, ..Memory::default() };
            let there = wrote(None, there).fields;
            memory.settle(|_| Some(("7", &there)), &[]).1.len()
        };
        assert_eq!(settled_group(json!({ "members": ["2"] })), 1);
        assert_eq!(settled_group(json!({ "members": ["2", "9"] })), 0);
        // Somebody has changed it since.
        assert_eq!(settled(Some(json!({ "days": 9, "to": [] }))), (0, 0, None));
    }

    #[test]
    fn what_was_made_ready_to_go_is_still_ours() {
        let was = wrote(Some("7"), json!({ "days": 3, "status": "ACTIVE" }));
        let name = was.id.to_string();
        let settled = |there: Value| {
            let (begun, written) = ([(name.clone(), None)].into(), [(name.clone(), was.clone())].into());
            let mut memory = Memory { begun, written, ..Memory::default() };
            let there = wrote(None, there).fields;
            memory.settle(|_| Some(("7", &there)), &["status"]).1.len()
        };
        assert_eq!(settled(json!({ "days": 3, "status": "INACTIVE" })), 1);
        assert_eq!(settled(json!({ "days": 9, "status": "INACTIVE" })), 0);
    }

    #[test]
    fn a_secret_has_a_new_number_when_it_is_another_one() {
        let mut memory = Memory::default();
        let print = |secret: &'static str| move |salt: &str| format!("{salt}/{secret}");
        let mut note = |secret, salt: &str| memory.secret("token", salt.to_owned(), &print(secret));
        assert_eq!(note("a", "s1"), (1, false));
        assert_eq!(note("a", "s2"), (1, false));
        assert_eq!(note("b", "s3"), (2, true));
        // The first one again is none that is known.
        assert_eq!(note("a", "s4"), (3, true));
        assert_eq!(memory.secrets["token"].salt, "s4");
    }

    #[test]
    fn an_object_is_known_by_its_id_or_because_it_was_about_to_be_made() {
        let id = Identity::new("ring", "refit-a".to_owned());
        let name = id.to_string();
        let mut memory = Memory::default();
        assert!(!memory.knows(&id, "7"));
        memory.begun.insert(name.clone(), Some(wrote(None, json!({}))));
        assert!(memory.knows(&id, "7"));
        memory.written.insert(name, wrote(Some("8"), json!({})));
        // One that was taken away by hand was about to be made anew.
        assert!(memory.knows(&id, "7") && memory.knows(&id, "8"));
        memory.begun.clear();
        assert!(!memory.knows(&id, "7") && memory.knows(&id, "8"));
    }
}
