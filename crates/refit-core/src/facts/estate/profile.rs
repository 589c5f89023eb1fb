//! All that is known of one device or person, with who says it.

use super::{Assigned, Chain, ChainEnd, Estate, Kept, REFIT};
use crate::facts::identity::{Conflict, Node};
use crate::facts::mapping::{Key, document::Subject};
use crate::facts::{Absent, Authority, Fact, FactSet, FieldRef, Fields, Root, Staleness, Value, Zones};
use jiff::Timestamp;
use refit_model::entry::Plain;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// All that is known of one device or person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// Of what.
    pub of: Subject,
    /// Its id.
    pub id: SmolStr,
    /// Ids that lead to it since they were merged into it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub former_ids: Vec<SmolStr>,
    /// Its records, those that were known first in front.
    pub records: Vec<RecordSaid>,
    /// Its fields, sorted, each with what every source says.
    pub fields: Vec<FieldSaid>,
    /// How many installs each source tells of.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub installs: BTreeMap<SmolStr, usize>,
    /// The person of a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Of>,
    /// What each source says of who has a device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assigned: Vec<Assigned>,
    /// Who a person reports to, up to the top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managers: Option<Chain>,
    /// How many people report to a person.
    #[serde(skip_serializing_if = "is_zero")]
    pub reports: usize,
    /// The devices of a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Of>,
    /// What could be it as well, and is held apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
}

/// A record of a device or person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordSaid {
    /// The source.
    pub source: SmolStr,
    /// The id that the source knows it by.
    pub id: SmolStr,
    /// When the source last said something of it.
    pub at: Timestamp,
    /// Whether the source does not have it any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// What identifies it.
    pub keys: Vec<Key>,
}

/// What is known of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldSaid {
    /// The field.
    pub field: FieldRef,
    /// Its value; nothing where it is unknown.
    pub value: Option<Plain>,
    /// Who says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SmolStr>,
    /// When that was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<Timestamp>,
    /// Until when it counts, unless it is said again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh_until: Option<Timestamp>,
    /// What every source says, the one that is believed in front.
    pub said: Vec<SaidBy>,
    /// Whether sources that are fresh say different things.
    pub disputed: bool,
}

/// What one source says of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SaidBy {
    /// The source.
    pub source: SmolStr,
    /// What it says.
    pub value: Plain,
    /// When it was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<Timestamp>,
    /// Whether it is believed.
    pub standing: Standing,
    /// What it is kept for, where it is the answer about something sensitive, of which nothing else is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<SmolStr>,
}

/// Whether what a source says is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is.
    Believed,
    /// Another source is trusted more, or spoke later.
    Outranked,
    /// It is too old.
    TooOld,
}

/// Somebody or something else, as people know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Of {
    /// Its id.
    pub id: SmolStr,
    /// What people call it: an address, a hostname, a serial number; nothing where none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<SmolStr>,
    /// Who says that they belong together.
    pub source: SmolStr,
}

/// By which rules it is known what is said.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'r> {
    /// The fields that there are.
    pub fields: &'r Fields,
    /// Whom to believe.
    pub authority: &'r Authority,
    /// From when on a fact is too old.
    pub staleness: &'r Staleness,
    /// Which time zone places are in.
    pub zones: &'r Zones,
    /// The time.
    pub now: Timestamp,
}

/// What a record says of a field, and when that was observed; nothing is: that there is no value.
type Answer<'e> = (&'e Option<Plain>, Option<Timestamp>);

impl Estate {
    /// All that is known of a device; `None` where there is none of that id.
    pub fn device(&self, id: &str, rules: &Rules<'_>) -> Option<Profile> {
        let mut profile = self.profile(Subject::Device, id, rules)?;
        let nodes = self.registry.records(&profile.id);
        profile.assigned = self.assigned(&nodes);
        profile.person = believed(&profile.assigned, rules).map(|(person, source)| {
            let name = self.name(Subject::Person, &person, rules);
            Of { id: person, name, source }
        });
        let installed = self.installed(&nodes, |kept| kept.installs_complete || !kept.installs.is_empty());
        let counts = installed.into_iter().map(|(source, installs)| (source, installs.len()));
        profile.installs = counts.filter(|(_, count)| *count > 0).collect();
        Some(profile)
    }

    /// All that is known of a person, with the devices that are believed to be that person's.
    pub fn person(&self, id: &str, rules: &Rules<'_>) -> Option<Profile> {
        let mut profile = self.profile(Subject::Person, id, rules)?;
        let chain = self.managers(&profile.id, rules);
        profile.managers = Some(chain).filter(|chain| !chain.managers.is_empty() || chain.ends != ChainEnd::Top);
        profile.reports = self.reports(&profile.id, rules);
        for device in self.registry.entities(Subject::Device) {
            let assigned = self.assigned(&self.registry.records(device));
            if !assigned.iter().any(|assigned| assigned.person.as_ref() == Some(&profile.id)) {
                continue;
            }
            if let Some((person, source)) = believed(&assigned, rules).filter(|(person, _)| *person == profile.id) {
                debug_assert_eq!(person, profile.id);
                let name = self.name(Subject::Device, device, rules);
                profile.devices.push(Of { id: device.clone(), name, source });
            }
        }
        Some(profile)
    }

    /// What sources say of one device or person, as decisions ask for it.
    pub fn facts(&self, id: &str, fields: &Fields) -> FactSet {
        let mut facts = FactSet::new();
        for (field, said) in self.said(id) {
            let Some(kind) = fields.get(&field).map(|field| field.kind) else { continue };
            for (source, (value, observed)) in said {
                if let Some(value) = Value::read(value, kind) {
                    facts.insert(field.clone(), Fact { value, source: Some(source.clone()), observed });
                }
            }
        }
        facts
    }

    /// By field and source the value and when it was observed: of a source that has several records of one, what the one says that is
    /// there now and was enrolled last.
    fn said(&self, id: &str) -> BTreeMap<FieldRef, BTreeMap<&SmolStr, (&Plain, Option<Timestamp>)>> {
        let mut records: Vec<(&Node, &Kept)> = Vec::new();
        for node in self.registry.records(id) {
            records.extend(self.kept(node).map(|kept| (node, kept)));
        }
        let order = |(node, kept): &(&Node, &Kept)| {
            (!node.gone && !kept.deleted, node.life.began, kept.observed, node.anchor.clone(), kept.records.clone())
        };
        records.sort_by_key(order);
        let mut newest: BTreeMap<(FieldRef, &SmolStr), Answer<'_>> = BTreeMap::new();
        for (node, kept) in records {
            let read = self.sources.get(&node.record.source).and_then(|source| source.said(&kept.records));
            for (field, value) in &kept.facts {
                newest.insert((field.clone(), &node.record.source), (value, kept.observed.or(read)));
            }
        }
        let mut said: BTreeMap<FieldRef, BTreeMap<&SmolStr, (&Plain, Option<Timestamp>)>> = BTreeMap::new();
        for ((field, source), (value, observed)) in newest {
            if let Some(value) = value {
                said.entry(field).or_default().insert(source, (value, observed));
            }
        }
        said
    }

    /// What people call a device or person.
    pub(super) fn name(&self, of: Subject, id: &str, rules: &Rules<'_>) -> Option<SmolStr> {
        let facts = self.facts(id, rules.fields);
        let resolved = |field: &FieldRef| facts.resolve(field, rules.authority, rules.staleness, rules.now).value;
        names(of).iter().find_map(|field| match resolved(field)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    fn profile(&self, of: Subject, id: &str, rules: &Rules<'_>) -> Option<Profile> {
        let id = self.registry.leads_to(id)?.clone();
        let nodes = self.registry.records(&id);
        if nodes.first()?.record.of != of {
            return None;
        }
        let root = match of {
            Subject::Device => Root::Device,
            Subject::Person => Root::Person,
        };
        let mut facts = self.facts(&id, rules.fields);
        self.derive(of, &id, &mut facts, &self.background(of, rules), rules);
        self.add_unlisted(of, &mut facts, rules);
        let of_kind = |field: &&FieldRef| field.root == root;
        let purpose = |source: &SmolStr, field: &FieldRef| {
            // What follows from a list is for what the list is for.
            let lists = self.sources.values().filter(|list| source == REFIT && list.unlisted.contains_key(field));
            self.sources.get(source).into_iter().chain(lists).find_map(|said| said.purposes.get(field)).cloned()
        };
        let fields = facts.fields().filter(of_kind).map(|field| said_of(&facts, field, rules, &purpose)).collect();
        let former: BTreeSet<SmolStr> =
            nodes.iter().map(|node| node.anchor.id.clone()).filter(|former| *former != id).collect();
        let records = nodes.iter().map(|node| RecordSaid {
            source: node.record.source.clone(),
            id: node.record.id.clone(),
            at: node.at,
            gone: node.gone,
            keys: node.keys.clone(),
        });
        let concerned = |conflict: &&&Conflict| conflict.parties.iter().any(|party| party.entity == id);
        Some(Profile {
            of,
            former_ids: former.into_iter().collect(),
            records: records.collect(),
            fields,
            installs: BTreeMap::new(),
            person: None,
            assigned: Vec::new(),
            devices: Vec::new(),
            managers: None,
            reports: 0,
            conflicts: self.registry.conflicts().iter().filter(concerned).map(|conflict| (*conflict).clone()).collect(),
            id,
        })
    }
}

impl Profile {
    /// What people call it.
    pub fn name(&self) -> Option<SmolStr> {
        names(self.of).iter().find_map(|name| {
            let field = self.fields.iter().find(|field| field.field == *name)?;
            match field.value.as_ref()? {
                Plain::Text(text) => Some(text.clone()),
                _ => None,
            }
        })
    }
}

/// The fields by which people call a device or person, best first.
fn names(of: Subject) -> [FieldRef; 2] {
    match of {
        Subject::Device => ["hostname", "serial"].map(FieldRef::device),
        Subject::Person => ["email", "id"].map(FieldRef::person),
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What is known of one field.
fn said_of(
    facts: &FactSet,
    field: &FieldRef,
    rules: &Rules<'_>,
    purpose: &dyn Fn(&SmolStr, &FieldRef) -> Option<SmolStr>,
) -> FieldSaid {
    let resolved = facts.resolve(field, rules.authority, rules.staleness, rules.now);
    let mut said: Vec<SaidBy> = Vec::new();
    for fact in facts.said(field) {
        let Some(source) = &fact.source else { continue };
        let Some(value) = fact.value.plain() else { continue };
        let standing = match (resolved.value.is_some() && resolved.source == Some(source), rules.is_fresh(field, fact))
        {
            (true, _) => Standing::Believed,
            (false, true) => Standing::Outranked,
            (false, false) => Standing::TooOld,
        };
        let purpose = purpose(source, field);
        said.push(SaidBy { source: source.clone(), value, observed: fact.observed, standing, purpose });
    }
    said.sort_by(|a, b| (a.standing, &a.source).cmp(&(b.standing, &b.source)));
    let fresh: Vec<&Plain> = said.iter().filter(|it| it.standing != Standing::TooOld).map(|it| &it.value).collect();
    FieldSaid {
        field: field.clone(),
        value: resolved.value.and_then(Value::plain),
        source: resolved.source.cloned(),
        observed: resolved.observed,
        fresh_until: resolved.fresh_until,
        disputed: fresh.windows(2).any(|pair| pair[0] != pair[1]),
        said,
    }
}

impl Rules<'_> {
    /// Of what sources say of somebody: what the most trusted says that is fresh. Whom nobody knows by what is said comes last.
    pub(super) fn most_trusted<'a>(&self, said: &'a [Assigned], field: &FieldRef) -> Option<&'a Assigned> {
        let order = self.authority.order.get(field).map(Vec::as_slice).unwrap_or_default();
        let rank = |source: &SmolStr| order.iter().position(|listed| listed == source).unwrap_or(order.len());
        let stale = |it: &&Assigned| {
            let limit = match field.root {
                Root::Person => self.staleness.person(&it.source),
                _ => self.staleness.device(&it.source),
            };
            it.observed.and_then(|observed| observed.checked_add(limit).ok()).is_some_and(|end| end < self.now)
        };
        said.iter().filter(|it| !stale(it)).min_by(|a, b| {
            let key = |it: &Assigned| {
                (it.person.is_none(), rank(&it.source), it.assignment.is_none(), std::cmp::Reverse(it.observed))
            };
            (key(a), &a.source, &a.record, &a.named).cmp(&(key(b), &b.source, &b.record, &b.named))
        })
    }

    /// Whether a fact counts by its age.
    fn is_fresh(&self, field: &FieldRef, fact: &Fact) -> bool {
        let mut alone = FactSet::new();
        alone.insert(field.clone(), fact.clone());
        let resolved = alone.resolve(field, self.authority, self.staleness, self.now);
        !matches!(resolved.unknown_because, Some(Absent::TooOldSince(_)))
    }
}

/// The person whom a device is believed to belong to, and who says so: as the most trusted source for `device.assignment` says. Of one
/// that several use there is none, unless the source says whose it is.
pub(super) fn believed(assigned: &[Assigned], rules: &Rules<'_>) -> Option<(SmolStr, SmolStr)> {
    let personal = |it: &&Assigned| !matches!(it.assignment.as_deref(), Some("shared" | "kiosk" | "spare"));
    let candidates: Vec<Assigned> =
        assigned.iter().filter(|it| it.person.is_some()).filter(personal).cloned().collect();
    let best = rules.most_trusted(&candidates, &FieldRef::device("assignment"))?;
    Some((best.person.clone()?, best.source.clone()))
}
