//! Groups of people, as identity providers tell of them ([why so](../../../../docs/decisions/0144-a-group-is-a-name-and-who-is-in-it-is-personal.md)).
//!
//! A group is a name that a source gave, in the log like a release. Who is in it is said of people: one personal value of each, which lists the
//! ids of the groups. `person.groups` is what these are called when somebody asks, so that a group that is renamed costs one event.

use super::{
    entry::Plain,
    state::{PersonRecord, State},
};
use jiff::Timestamp;
use refit_model::PersonId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What the ids of a person's groups are kept under, beside the facts of the person.
pub const MEMBERSHIPS: &str = "scim_groups";
/// The field that policies read.
pub const FIELD: &str = "groups";

/// What a source says of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupInput {
    /// The source.
    pub source: SmolStr,
    /// The group's id.
    pub group: SmolStr,
    /// When it was so.
    pub observed: Timestamp,
    /// What it is called; `None` where the source speaks of it no longer.
    pub name: Option<SmolStr>,
    /// The source's own id of it.
    pub external: Option<SmolStr>,
    /// Who is in it (`true`) and who is not (`false`); of others it stays as it is.
    pub members: BTreeMap<PersonId, bool>,
    /// What the references of personal values begin with: used once, and it says nothing of them.
    pub reference: SmolStr,
}

/// A group as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// What it is called.
    pub name: SmolStr,
    /// The source's own id of it.
    pub external: Option<SmolStr>,
    /// When its source last said anything new of it or of who is in it.
    pub told: Timestamp,
}

impl State {
    /// The ids of the groups that a source has a person in, sorted; groups that are no more may be among them.
    pub fn memberships(&self, person: &PersonRecord, source: &str) -> BTreeSet<SmolStr> {
        let reference = person.facts.get(MEMBERSHIPS).and_then(|said| said.get(source));
        match reference.and_then(|reference| self.personal.get(reference)) {
            Some(Plain::List(ids)) => ids.iter().cloned().collect(),
            _ => BTreeSet::new(),
        }
    }

    /// What the groups are called that a source has a person in, sorted. A source that speaks of groups and of the person says so also where
    /// there are none; `None` where it says nothing.
    pub fn groups_said(&self, person: &PersonRecord, source: &str) -> Option<Vec<SmolStr>> {
        let groups = self.groups.get(source)?;
        person.facts.values().find(|said| said.contains_key(source))?;
        let ids = self.memberships(person, source);
        let names: BTreeSet<SmolStr> = ids.iter().filter_map(|id| Some(groups.get(id)?.name.clone())).collect();
        Some(names.into_iter().collect())
    }
}
