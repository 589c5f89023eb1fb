//! What a server is to know of one device or person: what each source says of it, and what follows from that.

use super::{Departments, Estate, REFIT, Rules, profile::believed};
use crate::facts::mapping::{Install, document::Subject};
use crate::facts::{FieldRef, Root};
use jiff::Timestamp;
use refit_model::entry::Plain;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What one source says of a device or person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// When it was last said; `None` where the source does not say and was never read as a whole.
    pub observed: Option<Timestamp>,
    /// What it says, by field.
    pub facts: BTreeMap<FieldRef, Plain>,
}

/// A device or person as a server is to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity<'e> {
    /// Its id.
    pub id: SmolStr,
    /// Ids of its records, those that were known first in front; the first is its own.
    pub ids: Vec<SmolStr>,
    /// What people call it.
    pub name: Option<SmolStr>,
    /// Whether a source has it now.
    pub is_there: bool,
    /// What each source says of it, and what follows from that under the name [`REFIT`].
    pub told: BTreeMap<SmolStr, Told>,
    /// What is installed on a device, by source: of those alone that list all of it.
    pub installs: BTreeMap<SmolStr, Vec<&'e Install>>,
    /// The person who is believed to have a device; `None` where nobody says, or it is not known who that is.
    pub person: Option<SmolStr>,
}

impl Estate {
    /// All devices or people as a server is to know them, by id.
    pub fn entities<'e>(&'e self, of: Subject, rules: &Rules<'_>) -> impl Iterator<Item = Entity<'e>> {
        let background = self.background(of, rules);
        self.registry.entities(of).into_iter().map(move |id| self.entity(of, id, &background, rules))
    }

    fn entity(&self, of: Subject, id: &SmolStr, background: &Departments, rules: &Rules<'_>) -> Entity<'_> {
        let nodes = self.registry.records(id);
        let mut anchors: Vec<_> = nodes.iter().map(|node| &node.anchor).collect();
        anchors.sort();
        let mut seen = BTreeSet::new();
        let ids = anchors.into_iter().map(|anchor| anchor.id.clone()).filter(|id| seen.insert(id.clone())).collect();
        let mut told: BTreeMap<SmolStr, Told> = BTreeMap::new();
        let installs = self.installed(&nodes, |kept| kept.installs_complete);
        let mut is_there = false;
        for node in nodes.iter().copied().filter(|node| !node.gone) {
            let source = self.sources.get(&node.record.source);
            for kept in self.kept(node).filter(|kept| !kept.deleted) {
                is_there = true;
                let observed = kept.observed.or_else(|| source.and_then(|source| source.said(&kept.records)));
                let by = told.entry(node.record.source.clone()).or_default();
                by.observed = by.observed.max(observed);
            }
        }
        let mut facts = self.facts(id, rules.fields);
        // Of what no source has nothing follows that the server would not know by itself.
        let is_read = |name: &SmolStr| self.sources.get(name).is_some_and(|source| source.read.is_some());
        if nodes.iter().any(|node| is_read(&node.record.source)) {
            self.derive(of, id, &mut facts, background, rules);
        }
        // Who is in no list need be known to no system that is read.
        self.add_unlisted(of, &mut facts, rules);
        let root = match of {
            Subject::Device => Root::Device,
            Subject::Person => Root::Person,
        };
        for field in facts.fields().filter(|field| field.root == root) {
            for fact in facts.said(field) {
                let (Some(source), Some(value)) = (&fact.source, fact.value.plain()) else { continue };
                // What follows from others counts for as long as they do, and what a record that is gone said counts no more.
                let by = match told.get_mut(source) {
                    Some(by) => by,
                    None if source == REFIT => told.entry(source.clone()).or_default(),
                    None => continue,
                };
                if source == REFIT {
                    by.observed = by.observed.max(fact.observed);
                }
                by.facts.insert(field.clone(), value);
            }
        }
        let person = match of {
            Subject::Device => believed(&self.assigned(&nodes), rules).map(|(person, _)| person),
            Subject::Person => None,
        };
        Entity { id: id.clone(), ids, name: self.name(of, id, rules), is_there, told, installs, person }
    }
}
