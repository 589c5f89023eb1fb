//! Which devices a condition selects: logic on sets, and the interpreter once for each distinct value.

mod column;
mod sets;

pub(super) use column::{Columns, Combination};
pub use sets::Sets;

use super::fleet::Fleet;
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
    pub(super) columns: Columns<'f>,
    parts: BTreeMap<Text, Sets>,
}

impl<'f> Selection<'f> {
    /// Nothing asked yet. Whom to believe, and for how long, is the repository's.
    pub fn new(fleet: &'f Fleet, repository: &'f Repository, now: Timestamp) -> Self {
        let columns = Columns::new(fleet, &repository.authority, &repository.staleness, now);
        Self { fleet, columns, parts: BTreeMap::new() }
    }

    /// Where a condition on devices and people holds, and where that is unknown.
    pub fn select(&mut self, condition: &Expr) -> Sets {
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
                    let sets = self.columns.part(part);
                    self.parts.insert(part.key.clone(), sets.clone());
                    sets
                }
            },
        }
    }
}
