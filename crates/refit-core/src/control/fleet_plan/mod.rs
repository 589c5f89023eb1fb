//! What a policy revision would change, and for whom: the plan of a fleet, and the envelope that is approved with it.
//!
//! The devices of a universe are decided at once by the fleet engine ([`AtOnce`]); of those that share a universe with few others each
//! is decided plainly. Both say the same, and tests hold that.

mod answers;
mod at_once;
mod gather;
mod pairing;

pub use at_once::AtOnce;
pub use gather::{After, Before, ChangeMembers, Difference, EXAMPLES, Gathered, NO_RING, Who, count};

pub(crate) use answers::key_of;
pub(crate) use pairing::{Pairing, Standing, Stood};

use super::{
    budget::{BudgetFigures, Budgets},
    evaluate::{Evaluation, Evaluator, Terms, groups},
    publication::CohortKey,
    reading::facts_of,
    state::{DeviceRecord, State},
};
use crate::{
    decide::{Compliance, Hold, Mark},
    facts::FactSet,
    policy::repository::Repository,
};
use at_once::Universe;
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

impl FleetPlan {
    /// A plan in which nothing has been counted yet.
    pub(crate) fn empty(made_at: Timestamp, policy_hash: &str, replaces: u64) -> FleetPlan {
        FleetPlan {
            format: FORMAT,
            made_at,
            policy_hash: policy_hash.to_owned(),
            replaces,
            devices: 0,
            changes: Vec::new(),
            envelope: Vec::new(),
            blast_radius: BTreeMap::new(),
            budgets: Vec::new(),
            unread: BTreeMap::new(),
            summary: FleetSummary::default(),
        }
    }
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

/// Works out what a policy repository would change if it were applied at `now`. `progress` hears how many devices are done, of how many,
/// and may stop the work; then there is no plan.
pub fn fleet_plan(
    state: &State,
    repository: Arc<Repository>,
    policy_hash: &str,
    now: Timestamp,
    progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Option<FleetPlan> {
    fleet_plan_by(AtOnce::default(), state, repository, policy_hash, now, progress)
}

/// The same plan, where it is said which devices are decided at once.
pub fn fleet_plan_by(
    at_once: AtOnce,
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
    let mut plan = FleetPlan::empty(now, policy_hash, state.revision());
    let mut budgets = Budgets::of(&proposed.budgets, state, now);
    plan.budgets = budgets.figures();
    let difference = difference(at_once, state, &terms, now, &mut progress)?;
    let divided = proposed.budgets.iter().any(|budget| budget.by.is_some());
    for record in state.managed() {
        plan.devices += 1;
        let mut unread: Vec<String> = state.misfits(&proposed.fields, record).iter().map(ToString::to_string).collect();
        unread.dedup();
        unread.into_iter().for_each(|field| *plan.unread.entry(field).or_default() += 1);
        if difference.moved().contains(record.index) {
            blast(&mut plan, state, record);
            let facts = if divided { facts_of(state, &proposed, record) } else { FactSet::default() };
            let groups = groups(state, record, &proposed, &facts, now);
            match budgets.permit(record.index, &groups) {
                Ok(()) => budgets.spend(record.index, &groups),
                Err(_) => plan.summary.beyond_budgets += 1,
            }
        }
    }
    difference.put_into(&mut plan, |index| state.by_index.get(index as usize).cloned());
    Some(plan)
}

/// What is published held against what would be, for all devices, one universe after the other.
fn difference(
    at_once: AtOnce,
    state: &State,
    terms: &Terms,
    now: Timestamp,
    progress: &mut impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Option<Difference> {
    let mut universes: BTreeMap<Option<&SmolStr>, Vec<&Arc<DeviceRecord>>> = BTreeMap::new();
    for record in state.managed() {
        universes.entry(record.universe.as_ref()).or_default().push(record);
    }
    let mut evaluator = Evaluator::default();
    let mut difference = Difference::default();
    let mut pairing = Pairing::new(state.by_index.len());
    let (mut done, total) = (0, state.managed_count());
    for records in universes.into_values() {
        let Some(first) = records.first().filter(|_| records.len() >= at_once.from) else {
            for record in records {
                if progress(done, total).is_break() {
                    return None;
                }
                done += 1;
                one(&evaluator.evaluate(state, terms, record, now), record, &mut difference);
            }
            continue;
        };
        let world = evaluator.world(state, terms, first);
        for block in records.chunks(at_once.most.max(1)) {
            let universe = Universe { state, terms, world: &world, now };
            let devices = block.len() as u64;
            let so_far = |titles: usize, of: usize| progress(done + devices * titles as u64 / of.max(1) as u64, total);
            if at_once::decide(universe, block, &mut pairing, &mut difference, so_far).is_break() {
                return None;
            }
            done += devices;
        }
    }
    Some(difference)
}

/// What is published for one device held against what the plain decision says of it.
fn one(evaluation: &Evaluation, record: &DeviceRecord, difference: &mut Difference) {
    let who = Who::One(record.index);
    for outcome in &evaluation.slots {
        let published = record.published.get(&outcome.slot);
        let before = published.map(|published| Before { key: &published.key, due: published.due });
        let after = After {
            key: outcome.key.as_ref(),
            due: outcome.due,
            compliance: outcome.compliance,
            progress: outcome.progress,
            holds: &outcome.holds,
            marks: &outcome.marks,
        };
        difference.slot(before, &after, who);
    }
    for (slot, published) in record.published.iter() {
        if !evaluation.slots.iter().any(|outcome| outcome.slot == *slot && outcome.key.is_some()) {
            difference.gone(&published.key, who);
        }
    }
}

/// Counts a moved device by what people ask for, besides its rings.
fn blast(plan: &mut FleetPlan, state: &State, record: &DeviceRecord) {
    for field in FIELDS {
        let value = state.plain_fact(record, field);
        count(plan, field, value.as_deref().unwrap_or(UNKNOWN), 1);
    }
}

/// The fields by which a plan divides the devices that it moves.
pub const FIELDS: [&str; 3] = ["device.platform", "person.department", "device.site"];

/// What stands for the value of a field that is not known.
pub const UNKNOWN: &str = "unknown";
