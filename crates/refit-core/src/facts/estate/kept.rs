//! A record as it is kept: what it said when it was last read.

use crate::facts::FieldRef;
use crate::facts::mapping::{Install, Record, Relation, Said, document::Subject};
use jiff::Timestamp;
use refit_model::entry::Plain;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What a record said when it was last read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The kind of records.
    pub records: SmolStr,
    /// Whether it is about a device or a person.
    pub of: Subject,
    /// The id that the source knows it by.
    pub id: SmolStr,
    /// When the source observed it. `None` is: the source says it now, whenever it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Timestamp>,
    /// Whether the source says that it is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Whether it names what identifies it: a list of applications for each device need not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keyed: bool,
    /// What is said of it; null is: that there is no value.
    pub facts: BTreeMap<FieldRef, Option<Plain>>,
    /// What is installed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub installs: Vec<Install>,
    /// Whether `installs` are all that is installed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub installs_complete: bool,
    /// Whether they are so with what the other rows of the same reading say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub installs_by_row: bool,
    /// What it has to do with others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
}

impl Kept {
    /// Takes in what has changed. What is not spoken of is as before.
    pub(super) fn amend(&mut self, said: Kept) {
        self.observed = said.observed.or(self.observed);
        self.deleted = said.deleted;
        self.keyed |= said.keyed;
        self.facts.extend(said.facts);
        if said.installs_complete || !said.installs.is_empty() {
            self.installs = said.installs;
            self.installs_complete = said.installs_complete;
            self.installs_by_row = said.installs_by_row;
        }
        if !said.relations.is_empty() {
            self.relations = said.relations;
        }
    }

    /// Takes in what another row of the same reading says of the same thing: somebody who is on call for two teams, a device with two
    /// applications. What either says counts; where both say something of a field, the later row does.
    pub(super) fn add(&mut self, said: Kept) {
        self.observed = self.observed.zip(said.observed).map(|(one, other)| one.max(other));
        self.deleted &= said.deleted;
        self.keyed |= said.keyed;
        for (field, value) in said.facts {
            if value.is_some() || !self.facts.contains_key(&field) {
                self.facts.insert(field, value);
            }
        }
        if said.installs_complete && !said.installs_by_row {
            // A list of all that is installed is no row of it: the record is there twice.
            self.installs = said.installs;
            (self.installs_complete, self.installs_by_row) = (true, false);
        } else {
            // One row that is only a part says so of all of them.
            self.installs_complete = match self.installs.is_empty() && !self.installs_complete {
                true => said.installs_complete,
                false => self.installs_complete && (said.installs_complete || said.installs.is_empty()),
            };
            self.installs_by_row |= said.installs_by_row;
            for install in said.installs {
                if !self.installs.contains(&install) {
                    self.installs.push(install);
                }
            }
        }
        for relation in said.relations {
            if !self.relations.contains(&relation) {
                self.relations.push(relation);
            }
        }
    }
}

impl From<Record> for Kept {
    fn from(record: Record) -> Kept {
        let as_plain = |said: Said| match said {
            Said::Nothing => None,
            Said::Value(value) => value.plain(),
        };
        Kept {
            records: record.records,
            of: record.of,
            id: record.id,
            observed: record.observed,
            deleted: record.deleted,
            keyed: !record.keys.is_empty(),
            facts: record.facts.into_iter().map(|(field, said)| (field, as_plain(said))).collect(),
            installs: record.installs,
            installs_complete: record.installs_complete,
            installs_by_row: record.installs_by_row,
            relations: record.relations,
        }
    }
}
