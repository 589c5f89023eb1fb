//! What Refit found, held against what is so.

use super::defects::{ALL, Defect};
use super::made::Company;
use refit_core::facts::{
    identity::{RecordId, Registry},
    mapping::document::Subject,
};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Somebody or something, as it really is.
pub type Truth = (Subject, usize);

/// How well one kind of people or devices was found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    /// How many there are.
    pub entities: usize,
    /// How many were taken for somebody else, in part at least.
    pub wrong: usize,
    /// How many were found as a whole.
    pub whole: usize,
    /// Their records, where there are several of one.
    pub records: usize,
    /// Of these, those that were found to be one with most of the others.
    pub joined: usize,
}

pub struct Score {
    rows: BTreeMap<Option<Defect>, Row>,
    conflicts: usize,
}

/// The records that systems have now, with whom they are really of.
fn records(company: &Company) -> Vec<(RecordId, Truth)> {
    let id = |of, source: &str, id: &str| RecordId { of, source: source.into(), id: id.into() };
    let accounts = company.accounts.iter().filter(|it| !it.removed);
    let people = accounts.map(|it| (id(Subject::Person, it.system, &it.id), (Subject::Person, it.truth)));
    let entries = company.entries.iter().filter(|it| !it.removed);
    let devices = entries.map(|it| (id(Subject::Device, it.system, &it.id), (Subject::Device, it.truth)));
    people.chain(devices).collect()
}

fn defect(company: &Company, truth: Truth) -> Option<Defect> {
    match truth {
        (Subject::Person, at) => company.people[at],
        (Subject::Device, at) => company.devices[at],
    }
}

pub fn score(company: &Company, registry: &Registry) -> Score {
    let mut found: BTreeMap<Truth, BTreeMap<SmolStr, usize>> = BTreeMap::new();
    let mut mixed: BTreeMap<SmolStr, BTreeSet<Truth>> = BTreeMap::new();
    for (record, truth) in records(company) {
        let entity = registry.entity(&record).unwrap_or_else(|| panic!("{record} is not known")).clone();
        *found.entry(truth).or_default().entry(entity.clone()).or_default() += 1;
        mixed.entry(entity).or_default().insert(truth);
    }
    let wrong: BTreeSet<Truth> = mixed.into_values().filter(|truths| truths.len() > 1).flatten().collect();
    let mut rows: BTreeMap<Option<Defect>, Row> = BTreeMap::new();
    for (truth, groups) in &found {
        let row = rows.entry(defect(company, *truth)).or_default();
        row.entities += 1;
        row.wrong += usize::from(wrong.contains(truth));
        row.whole += usize::from(groups.len() == 1);
        let records: usize = groups.values().sum();
        if records > 1 {
            row.records += records;
            row.joined += groups.values().max().copied().filter(|most| *most > 1).unwrap_or(0);
        }
    }
    Score { rows, conflicts: registry.conflicts().len() }
}

/// For everybody who has several records what most of them are called.
pub fn ids(company: &Company, registry: &Registry) -> BTreeMap<Truth, SmolStr> {
    let mut found: BTreeMap<Truth, BTreeMap<SmolStr, usize>> = BTreeMap::new();
    for (record, truth) in records(company) {
        let entity = registry.entity(&record).unwrap_or_else(|| panic!("{record} is not known")).clone();
        *found.entry(truth).or_default().entry(entity).or_default() += 1;
    }
    let most = |groups: BTreeMap<SmolStr, usize>| {
        groups.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 1)
    };
    found.into_iter().filter_map(|(truth, groups)| Some((truth, most(groups)?.0))).collect()
}

/// Those whose id now leads to somebody else.
pub fn lost(company: &Company, registry: &Registry, before: &BTreeMap<Truth, SmolStr>) -> Vec<(Truth, SmolStr)> {
    let of: BTreeMap<RecordId, Truth> = records(company).into_iter().collect();
    let mut lost = Vec::new();
    for (truth, id) in before {
        let now = registry.leads_to(id).unwrap_or_else(|| panic!("{id} leads nowhere"));
        let records = registry.records(now);
        let mut others = records.iter().filter_map(|node| of.get(&node.record)).filter(|other| *other != truth);
        if others.next().is_some() {
            lost.push((*truth, id.clone()));
        }
    }
    lost
}

/// Who is one, whatever it is called.
pub fn groups(company: &Company, registry: &Registry) -> BTreeSet<Vec<RecordId>> {
    let mut groups: BTreeMap<SmolStr, Vec<RecordId>> = BTreeMap::new();
    for (record, _) in records(company) {
        let entity = registry.entity(&record).unwrap_or_else(|| panic!("{record} is not known")).clone();
        groups.entry(entity).or_default().push(record);
    }
    let sorted = |mut group: Vec<RecordId>| {
        group.sort();
        group
    };
    groups.into_values().map(sorted).collect()
}

impl Score {
    pub fn wrong(&self) -> usize {
        self.rows.values().map(|row| row.wrong).sum()
    }

    /// The share of records that were found to be one with the others, over everybody.
    pub fn share(&self) -> f64 {
        let (joined, records) = self.rows.values().fold((0, 0), |sum, row| (sum.0 + row.joined, sum.1 + row.records));
        joined as f64 / records.max(1) as f64
    }

    pub fn defects(&self) -> impl Iterator<Item = (Defect, Row)> {
        ALL.into_iter().map(|defect| (defect, self.rows.get(&Some(defect)).copied().unwrap_or_default()))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<22} {:>8} {:>6} {:>8} {:>8} {:>8}", "", "entities", "wrong", "whole", "records", "joined")?;
        for (defect, row) in &self.rows {
            let name = defect.map_or_else(|| "nothing wrong".to_owned(), |defect| format!("{defect:?}"));
            let share = 100.0 * row.joined as f64 / row.records.max(1) as f64;
            let Row { entities, wrong, whole, records, .. } = row;
            writeln!(f, "{name:<22} {entities:>8} {wrong:>6} {whole:>8} {records:>8} {share:>7.2}%")?;
        }
        writeln!(f, "{:.2} % joined over all; {} conflicts", 100.0 * self.share(), self.conflicts)
    }
}
