//! What a policy revision would change, and for whom: the plan of a fleet, and the envelope that is approved with it.

use super::{
    budget::{BudgetFigures, Budgets},
    device_set::DeviceSet,
    evaluate::{Evaluator, Terms},
    publication::{CohortKey, Wanted},
    state::{DeviceRecord, State},
};
use crate::{
    decide::{Compliance, Hold, Mark},
    policy::repository::Repository,
};
use jiff::Timestamp;
use refit_model::DeviceId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// The version of the format of [`FleetPlan`].
pub const FORMAT: u32 = 1;

/// What a policy revision would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FleetPlan {
    /// The version of this format.
    pub format: u32,
    /// When it was worked out.
    #[schemars(with = "String")]
    pub made_at: Timestamp,
    /// SHA-256 of the policy repository.
    pub policy_hash: String,
    /// The policy revision that it would replace; 0 is none.
    pub replaces: u64,
    /// Devices that were looked at.
    pub devices: u64,
    /// What would change, the most devices first.
    pub changes: Vec<PlannedChange>,
    /// How many devices each change may move at most.
    pub envelope: Vec<Permit>,
    /// How the moved devices divide.
    pub blast_radius: BTreeMap<String, BTreeMap<String, u64>>,
    /// What the budgets say now.
    pub budgets: Vec<BudgetFigures>,
    /// On how many devices some source says of a field what is none of its kind as the revision declares it, by field: there it is
    /// unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, u64>,
    /// The figures at its end.
    pub summary: FleetSummary,
}

/// How many devices may be given something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Permit {
    /// What.
    pub cohort: CohortKey,
    /// At most so many devices.
    pub devices: u64,
}

/// One change, for all devices that share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedChange {
    /// What is published now; `None` is nothing.
    pub before: Option<CohortKey>,
    /// What would be published; `None` is nothing.
    pub after: Option<CohortKey>,
    /// Whether it moves devices.
    pub moves: bool,
    /// How many devices.
    pub devices: u64,
    /// Some of them.
    #[schemars(with = "Vec<String>")]
    pub examples: Vec<DeviceId>,
    /// The earliest due time among them.
    #[schemars(with = "Option<String>")]
    pub earliest_due: Option<Timestamp>,
    /// How many are overdue at once.
    pub overdue: u64,
    /// For how many what is due now comes sooner, by what is published.
    #[serde(default)]
    pub sooner: u64,
    /// For how many it comes later, or is no longer due.
    #[serde(default)]
    pub later: u64,
    /// What holds some of them.
    pub holds: BTreeMap<Hold, u64>,
    /// What has to be known of some of them.
    pub marks: BTreeMap<Mark, u64>,
}

/// The figures at the end of a fleet's plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FleetSummary {
    /// Devices that would be moved.
    pub moved: u64,
    /// Devices for which anything would be published anew.
    pub touched: u64,
    /// Slots, by how they would stand.
    pub compliance: BTreeMap<Compliance, u64>,
    /// Devices that would be overdue at once.
    pub overdue_devices: u64,
    /// Devices beyond what the budgets permit now: they wait for a person.
    pub beyond_budgets: u64,
}

/// How many devices a change names as examples.
const EXAMPLES: usize = 3;

/// Works out what a policy repository would change if it were applied at `now`. `progress` hears of every device and may stop
/// the work; then there is no plan.
pub fn fleet_plan(
    state: &State,
    repository: Arc<Repository>,
    policy_hash: &str,
    now: Timestamp,
    mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Option<FleetPlan> {
    let now = now.max(state.clock);
    // What the revision moves spends its own budgets.
    let proposed = repository.clone();
    let terms = Terms::proposed(state, repository, now);
    let mut evaluator = Evaluator::default();
    let mut gathered: BTreeMap<(Option<CohortKey>, Option<CohortKey>), Changing> = BTreeMap::new();
    let mut plan = FleetPlan {
        format: FORMAT,
        made_at: now,
        policy_hash: policy_hash.to_owned(),
        replaces: state.revision(),
        devices: 0,
        changes: Vec::new(),
        envelope: Vec::new(),
        blast_radius: BTreeMap::new(),
        budgets: Vec::new(),
        unread: BTreeMap::new(),
        summary: FleetSummary::default(),
    };
    let mut permits: BTreeMap<CohortKey, u64> = BTreeMap::new();
    let total = state.managed_count();
    let mut budgets = Budgets::of(&proposed.budgets, state, now);
    plan.budgets = budgets.figures();
    for record in state.managed() {
        if progress(plan.devices, total).is_break() {
            return None;
        }
        plan.devices += 1;
        let mut unread: Vec<String> = state.misfits(&proposed.fields, record).iter().map(ToString::to_string).collect();
        unread.dedup();
        unread.into_iter().for_each(|field| *plan.unread.entry(field).or_default() += 1);
        let evaluation = evaluator.evaluate(state, &terms, record, now);
        let (mut moved, mut touched, mut overdue) = (false, false, false);
        for outcome in &evaluation.slots {
            *plan.summary.compliance.entry(outcome.compliance).or_default() += 1;
            overdue |= outcome.compliance == Compliance::Overdue;
            let published = record.published.get(&outcome.slot);
            let before = published.map(|published| published.key.as_ref().clone());
            let due_before = published.and_then(|published| published.due);
            if before == outcome.key && due_before == outcome.due {
                continue;
            }
            let moves = outcome.key.as_ref().is_some_and(|key| key.moves_from(before.as_ref()));
            touched = true;
            if moves && let Some(key) = &outcome.key {
                moved = true;
                *permits.entry(key.clone()).or_default() += 1;
            }
            let changing = gathered.entry((before, outcome.key.clone())).or_default();
            changing.moves |= moves;
            changing.devices.insert(record.index);
            changing.earliest_due = [changing.earliest_due, outcome.due].into_iter().flatten().min();
            if let Some(was) = due_before {
                let is = outcome.due.unwrap_or(Timestamp::MAX);
                changing.sooner += u64::from(is < was);
                changing.later += u64::from(is > was);
            }
            changing.overdue += u64::from(outcome.compliance == Compliance::Overdue);
            outcome.holds.iter().for_each(|hold| *changing.holds.entry(*hold).or_default() += 1);
            outcome.marks.iter().for_each(|mark| *changing.marks.entry(*mark).or_default() += 1);
        }
        for (slot, published) in record.published.iter() {
            if !evaluation.slots.iter().any(|outcome| outcome.slot == *slot && outcome.key.is_some()) {
                touched = true;
                let changing = gathered.entry((Some(published.key.as_ref().clone()), None)).or_default();
                changing.devices.insert(record.index);
            }
        }
        plan.summary.touched += u64::from(touched);
        plan.summary.overdue_devices += u64::from(overdue);
        if moved {
            plan.summary.moved += 1;
            blast(&mut plan, state, record, &evaluation.slots);
            match budgets.permit(record.index, &evaluation.groups) {
                Ok(()) => budgets.spend(record.index, &evaluation.groups),
                Err(_) => plan.summary.beyond_budgets += 1,
            }
        }
    }
    plan.changes =
        gathered.into_iter().map(|((before, after), changing)| changing.change(state, before, after)).collect();
    plan.changes
        .sort_by(|a, b| b.devices.cmp(&a.devices).then_with(|| (&a.after, &a.before).cmp(&(&b.after, &b.before))));
    plan.envelope = permits.into_iter().map(|(cohort, devices)| Permit { cohort, devices }).collect();
    Some(plan)
}

/// What is gathered of one change.
#[derive(Default)]
struct Changing {
    moves: bool,
    devices: DeviceSet,
    earliest_due: Option<Timestamp>,
    overdue: u64,
    sooner: u64,
    later: u64,
    holds: BTreeMap<Hold, u64>,
    marks: BTreeMap<Mark, u64>,
}

impl Changing {
    fn change(self, state: &State, before: Option<CohortKey>, after: Option<CohortKey>) -> PlannedChange {
        let examples =
            self.devices.iter().take(EXAMPLES).filter_map(|index| state.by_index.get(index as usize).cloned());
        PlannedChange {
            before,
            after,
            moves: self.moves,
            devices: self.devices.len(),
            examples: examples.collect(),
            earliest_due: self.earliest_due,
            overdue: self.overdue,
            sooner: self.sooner,
            later: self.later,
            holds: self.holds,
            marks: self.marks,
        }
    }
}

/// Counts a moved device by what people ask for: policy, ring, department, platform, site.
fn blast(plan: &mut FleetPlan, state: &State, record: &DeviceRecord, slots: &[Arc<super::evaluate::SlotOutcome>]) {
    let mut count = |what: &str, value: Option<SmolStr>| {
        let value = value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
        *plan.blast_radius.entry(what.to_owned()).or_default().entry(value).or_default() += 1;
    };
    for field in ["device.platform", "person.department", "device.site"] {
        count(field, state.plain_fact(record, field));
    }
    let asks = |outcome: &&Arc<super::evaluate::SlotOutcome>| {
        outcome.key.as_ref().is_some_and(|key| key.admitted != Wanted::Nothing)
    };
    let mut rings: Vec<SmolStr> = slots
        .iter()
        .filter(asks)
        .filter_map(|outcome| outcome.key.as_ref())
        .map(|key| key.ring.clone().unwrap_or_else(|| "no ring".into()))
        .collect();
    rings.sort();
    rings.dedup();
    for ring in rings {
        count("ring", Some(ring));
    }
}
