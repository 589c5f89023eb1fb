//! Which person a device belongs to, as each source says it.

use super::{Estate, Kept};
use crate::facts::identity::{Node, RecordId};
use crate::facts::mapping::{
    Key, KeyKind, Relation,
    document::{RelationKind, Subject},
};
use jiff::Timestamp;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// What a source says of who has a device, or who manages somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assigned {
    /// Who says so.
    pub source: SmolStr,
    /// The record that says so.
    pub record: SmolStr,
    /// When it was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<Timestamp>,
    /// How it is assigned: `primary`, `shared` and so on; nothing where the source does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment: Option<SmolStr>,
    /// Whom the source names, as it names them: `email ada@acme.example`.
    pub named: String,
    /// Who that is; nothing where nobody, or more than one, is known by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<SmolStr>,
}

/// In which order what a source names somebody by is looked up. A name says nothing: two may have it. A name of a local account is
/// no account of anybody's elsewhere.
const LOOKED_UP: [KeyKind; 4] = [KeyKind::Id, KeyKind::EmployeeId, KeyKind::Email, KeyKind::Login];

impl Estate {
    /// What sources say of who has a device, source by source.
    pub fn assigned(&self, nodes: &[&Node]) -> Vec<Assigned> {
        self.related(nodes, RelationKind::Assigned)
    }

    /// What sources say of whom records have to do with in that way.
    pub(super) fn related(&self, nodes: &[&Node], relation: RelationKind) -> Vec<Assigned> {
        let mut found = Vec::new();
        for node in nodes.iter().filter(|node| !node.gone) {
            let Some(source) = self.sources.get(&node.record.source) else { continue };
            for kept in self.kept(node) {
                let relations = kept.relations.iter().filter(|it| it.relation == relation);
                for relation in relations {
                    found.push(Assigned {
                        source: node.record.source.clone(),
                        record: node.record.id.clone(),
                        observed: kept.observed.or_else(|| source.said(&kept.records)),
                        assignment: relation.assignment.clone(),
                        named: named(relation),
                        person: self.person_of(&node.record.source, relation),
                    });
                }
            }
        }
        found.sort_by(|a, b| (&a.source, &a.record, &a.named).cmp(&(&b.source, &b.record, &b.named)));
        found.dedup();
        found
    }

    /// What a record says, in all the kinds that its source has of it. What it was before the source gave its id to something else
    /// is not kept.
    pub(super) fn kept<'e>(&'e self, node: &'e Node) -> impl Iterator<Item = &'e Kept> {
        let source = self.sources.get(&node.record.source).filter(|_| self.registry.is_latest(node));
        source.into_iter().flat_map(|source| source.of(node.record.of, &node.record.id))
    }

    fn person_of(&self, source: &SmolStr, relation: &Relation) -> Option<SmolStr> {
        LOOKED_UP.into_iter().find_map(|kind| {
            let values = relation.keys.iter().filter(|key| key.kind == kind).map(|key| &key.value);
            let found: BTreeSet<&SmolStr> = match kind {
                KeyKind::Id => values
                    .filter_map(|id| {
                        let record = RecordId { of: Subject::Person, source: source.clone(), id: id.clone() };
                        self.registry.entity(&record)
                    })
                    .collect(),
                kind => values.flat_map(|value| self.registry.find(Subject::Person, kind, value)).collect(),
            };
            if found.len() == 1 { found.into_iter().next().cloned() } else { None }
        })
    }
}

/// Whom a relation names: by the first of its keys that people know.
fn named(relation: &Relation) -> String {
    let order = [KeyKind::Email, KeyKind::Login, KeyKind::EmployeeId, KeyKind::Username, KeyKind::Name, KeyKind::Id];
    let key: Option<&Key> = order.into_iter().find_map(|kind| relation.keys.iter().find(|key| key.kind == kind));
    key.map_or_else(String::new, |key| format!("{} {}", key.kind.name(), key.value))
}
