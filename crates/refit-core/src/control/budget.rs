//! Rolling budgets: how many devices may be moved in a time, over all causes together.

use super::{device_set::DeviceSet, fleet_plan::UNKNOWN, state::State};
use crate::policy::document::{
    organization::BudgetDocument,
    scalars::{Duration, Share},
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::{collections::BTreeMap, fmt};

/// How a group is named in the log: a personal value must not be there, so a digest stands for it. It keeps groups apart; who
/// knows a value can find its digest, but nobody reads a value out of it.
pub(super) fn group_name(field: &str, value: &str) -> SmolStr {
    if !field.starts_with("person.") {
        return value.into();
    }
    let digest = Sha256::new().chain_update(field).chain_update([0]).chain_update(value).finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// The budgets of the policy in force, and what is left of them.
#[derive(Debug)]
pub struct Budgets<'s> {
    rows: Vec<Row<'s>>,
}

/// One budget.
#[derive(Debug)]
struct Row<'s> {
    document: &'s BudgetDocument,
    /// Devices that have been moved within its time; by value of its field, where it has one.
    moved: BTreeMap<SmolStr, DeviceSet>,
    /// Devices that it is a share of; by value of its field, where it has one.
    of: BTreeMap<SmolStr, u64>,
    /// The values that people know, by the names of their groups.
    values: BTreeMap<SmolStr, SmolStr>,
}

impl<'s> Budgets<'s> {
    /// The budgets of the policy in force, with what has been spent by `now`.
    pub fn new(state: &'s State, now: Timestamp) -> Budgets<'s> {
        let documents = state.policy.as_ref().map_or(&[][..], |policy| &policy.repository.budgets);
        Budgets::of(documents, state, now)
    }

    /// Some budgets, with what has been spent of them by `now`: those of a policy that is proposed.
    pub fn of(documents: &'s [BudgetDocument], state: &'s State, now: Timestamp) -> Budgets<'s> {
        let rows = documents.iter().map(|document| {
            let Duration(per) = document.per;
            let since = now.checked_sub(per).unwrap_or(Timestamp::MIN);
            let mut moved: BTreeMap<SmolStr, DeviceSet> = BTreeMap::new();
            for spent in state.ledger.iter().filter(|spent| spent.at > since) {
                match &document.by {
                    None => moved.entry(SmolStr::default()).or_default().0 |= &spent.devices.0,
                    Some(field) => {
                        for (value, devices) in spent.groups.get(field.as_str()).into_iter().flatten() {
                            moved.entry(value.clone()).or_default().0 |= &devices.0;
                        }
                    }
                }
            }
            let (of, values) = denominators(state, document);
            Row { document, moved, of, values }
        });
        Budgets { rows: rows.collect() }
    }

    /// Some budgets of which nothing has been spent, for a fleet that no server keeps: of `devices`, divided as `groups` says of a field,
    /// under the values themselves.
    pub fn unspent(
        documents: &'s [BudgetDocument],
        devices: u64,
        groups: impl Fn(&str) -> BTreeMap<SmolStr, u64>,
    ) -> Budgets<'s> {
        let rows = documents.iter().map(|document| {
            let of = match &document.by {
                None => BTreeMap::from([(SmolStr::default(), devices)]),
                Some(field) => groups(field),
            };
            Row { document, moved: BTreeMap::new(), of, values: BTreeMap::new() }
        });
        Budgets { rows: rows.collect() }
    }

    /// Whether one more device may be moved; else why not.
    pub fn permit(&self, index: u32, groups: &BTreeMap<SmolStr, SmolStr>) -> Result<(), Spent> {
        for row in &self.rows {
            let Some(group) = row.group(groups) else { continue };
            let moved = row.moved.get(&group);
            // Who has been moved in that time already costs nothing more.
            if moved.is_some_and(|moved| moved.contains(index)) {
                continue;
            }
            let (limit, of) = row.limit(&group);
            let spent = moved.map_or(0, DeviceSet::len);
            if spent >= limit {
                let Share(share) = row.document.at_most;
                let by = row.document.by.clone().map(|field| (field, group));
                return Err(Spent { share, of, by, per: row.document.per.to_string(), limit, spent });
            }
        }
        Ok(())
    }

    /// One more device is moved.
    pub fn spend(&mut self, index: u32, groups: &BTreeMap<SmolStr, SmolStr>) {
        for row in &mut self.rows {
            if let Some(group) = row.group(groups) {
                row.moved.entry(group).or_default().insert(index);
            }
        }
    }

    /// What each budget says now: its limit and what is spent, by value of its field.
    pub fn figures(&self) -> Vec<BudgetFigures> {
        let mut figures = Vec::new();
        for row in &self.rows {
            for group in row.of.keys() {
                let (limit, of) = row.limit(group);
                figures.push(BudgetFigures {
                    per: row.document.per.to_string(),
                    by: row
                        .document
                        .by
                        .clone()
                        .map(|field| (field, row.values.get(group).unwrap_or(group).to_string())),
                    of,
                    limit,
                    spent: row.moved.get(group).map_or(0, DeviceSet::len),
                });
            }
        }
        figures
    }
}

/// Why a device may not be moved: a budget is spent.
#[derive(Clone, Debug, PartialEq)]
pub struct Spent {
    /// The share that it permits.
    pub share: f64,
    /// Of how many devices.
    pub of: u64,
    /// The field that it is divided by, and the group of the device, as the log names it.
    pub by: Option<(String, SmolStr)>,
    /// Its rolling time.
    pub per: String,
    /// Devices that may be moved in that time.
    pub limit: u64,
    /// Devices that were.
    pub spent: u64,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spent { share, of, by, per, limit, spent } = self;
        write!(f, "the budget of {}% of {of} devices", share * 100.0)?;
        match by {
            Some((field, _)) if field.starts_with("person.") => write!(f, " of one {field}")?,
            Some((field, group)) => write!(f, " of {field} {group}")?,
            None => {}
        }
        write!(f, " in {per} is spent: {spent} of {limit} were moved")
    }
}

/// What a budget says at some time.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct BudgetFigures {
    /// Its rolling time.
    pub per: String,
    /// The field that it is divided by, and the value.
    pub by: Option<(String, String)>,
    /// Devices that it is a share of.
    pub of: u64,
    /// Devices that may be moved.
    pub limit: u64,
    /// Devices that were.
    pub spent: u64,
}

impl Row<'_> {
    /// The part of the budget that a device belongs to; `None` where it belongs to none, for want of the fact.
    fn group(&self, groups: &BTreeMap<SmolStr, SmolStr>) -> Option<SmolStr> {
        match &self.document.by {
            None => Some(SmolStr::default()),
            Some(field) => groups.get(field.as_str()).cloned(),
        }
    }

    /// How many devices may be moved, and of how many. One device can always be moved, or a small group could never be.
    fn limit(&self, group: &SmolStr) -> (u64, u64) {
        let of = self.of.get(group).copied().unwrap_or(0);
        let Share(share) = self.document.at_most;
        (((of as f64 * share + 1e-9).floor() as u64).max(1), of)
    }
}

/// How many devices there are; by value of a field, as the most trusted source says, and of whom none does. And the values by the names of their groups.
fn denominators(state: &State, document: &BudgetDocument) -> (BTreeMap<SmolStr, u64>, BTreeMap<SmolStr, SmolStr>) {
    let (mut counts, mut values) = (BTreeMap::new(), BTreeMap::new());
    match &document.by {
        None => {
            counts.insert(SmolStr::default(), state.managed_count());
        }
        Some(field) => {
            for device in state.managed() {
                let value = state.plain_fact(device, field).unwrap_or_else(|| UNKNOWN.into());
                let group = group_name(field, &value);
                *counts.entry(group.clone()).or_default() += 1;
                values.insert(group, value);
            }
        }
    }
    (counts, values)
}
