//! Which devices a condition selects: logic on sets, and the interpreter once for each distinct value.

mod column;
mod resolve;
mod sets;
mod values;

pub(super) use column::{Column, Columns};
pub use sets::Sets;

use super::fleet::Fleet;
use crate::facts::FieldRef;
use crate::policy::{
    expr::{Expr, Formula, Text},
    repository::Repository,
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Conditions on devices, asked for a fleet at one time.
#[derive(Debug)]
pub struct Selection<'f> {
    fleet: &'f Fleet,
    repository: &'f Repository,
    now: Timestamp,
    pub(super) columns: Columns,
    parts: BTreeMap<Text, Sets>,
}

impl<'f> Selection<'f> {
    /// Nothing asked yet. Whom to believe, and for how long, is the repository's.
    pub fn new(fleet: &'f Fleet, repository: &'f Repository, now: Timestamp) -> Self {
        Self { fleet, repository, now, columns: Columns::default(), parts: BTreeMap::new() }
    }

    /// Reads fields that will be asked, all at once.
    pub(super) fn read<'a>(&mut self, fields: impl IntoIterator<Item = &'a FieldRef>) {
        self.columns.read(self.fleet, self.repository, self.now, fields);
    }

    /// Forgets which devices parts select, but not what fields are: what it takes to ask again can be measured so.
    pub fn forget(&mut self) {
        self.parts.clear();
    }

    /// Where a condition on devices and people holds, and where that is unknown.
    pub fn select(&mut self, condition: &Expr) -> Sets {
        // Most of what it takes to read a field is to come by the devices.
        self.read(condition.asked());
        self.formula(&condition.formula())
    }

    fn formula(&mut self, formula: &Formula) -> Sets {
        match formula {
            Formula::Not(inner) => self.formula(inner).not(self.fleet.numbers()),
            Formula::All(parts) => {
                let all = Sets::everywhere(self.fleet.numbers());
                parts.iter().fold(all, |sets, part| sets.and(&self.formula(part)))
            }
            Formula::Any(parts) => parts.iter().fold(Sets::default(), |sets, part| sets.or(&self.formula(part))),
            Formula::Part(part) => match self.parts.get(&part.key) {
                Some(known) => known.clone(),
                None => {
                    let sets = self.columns.part(self.fleet, self.repository, self.now, part);
                    self.parts.insert(part.key.clone(), sets.clone());
                    sets
                }
            },
        }
    }
}
