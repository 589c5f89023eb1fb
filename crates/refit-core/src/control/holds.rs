//! What keeps a slot's change from being made besides what its decision names: the brake, and moves that wait for a person.
//!
//! Decisions on one device know nothing of either, so both are added where somebody reads.

use super::{
    device_set::DeviceSet,
    entry::SlotName,
    publication::HeldBy,
    state::{DeviceRecord, PlanKind, PlanStatus, State},
};
use crate::decide::{Decision, Held, Hold, WouldChange};
use jiff::Timestamp;
use refit_model::PlanId;
use smol_str::SmolStr;

/// A hold that the server lays on a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHold {
    /// The cause.
    pub hold: Hold,
    /// Why, in words: the budget with its figures, why everything was stopped.
    pub because: SmolStr,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// The plan that a person has to approve, or has rejected.
    pub plan: Option<PlanId>,
    /// Whether a person has rejected that plan: then it lasts until something else is decided.
    pub rejected: bool,
}

impl From<HeldBy> for Hold {
    fn from(by: HeldBy) -> Hold {
        match by {
            HeldBy::Budget => Hold::Budget,
            HeldBy::Envelope => Hold::Envelope,
        }
    }
}

impl State {
    /// What the server holds a slot of a device by, in the order of precedence. `outstanding` is whether anything obliges the slot:
    /// nothing else is held by the brake.
    pub fn server_holds(&self, record: &DeviceRecord, slot: &SlotName, outstanding: bool) -> Vec<ServerHold> {
        let brake = self.brake.as_ref().filter(|_| outstanding).map(|(why, since)| ServerHold {
            hold: Hold::KillSwitch,
            because: why.clone(),
            since: Some(*since),
            plan: None,
            rejected: false,
        });
        brake.into_iter().chain(self.held_move(record, slot)).collect()
    }

    /// The move of a slot that waits for a person.
    fn held_move(&self, record: &DeviceRecord, slot: &SlotName) -> Option<ServerHold> {
        let (id, key) = record.held.get(slot)?;
        let plan = self.plans.get(id)?;
        let PlanKind::Held { held } = &plan.kind else { return None };
        let rejected = match plan.status {
            PlanStatus::Open => false,
            PlanStatus::Rejected => true,
            // It was let go, and is being decided anew.
            PlanStatus::Approved | PlanStatus::Applied | PlanStatus::Superseded => return None,
        };
        let cohort = held.iter().find(|cohort| cohort.key == **key && cohort.devices.contains(record.index))?;
        Some(ServerHold {
            hold: cohort.by.into(),
            because: cohort.because.clone(),
            since: Some(plan.made),
            plan: Some(id.clone()),
            rejected,
        })
    }

    /// All devices with moves that wait for a person for this cause are among these; some may not wait any more.
    pub fn held_devices(&self, by: HeldBy) -> DeviceSet {
        let waiting = self
            .plans
            .values()
            .filter(|plan| matches!(plan.status, PlanStatus::Open | PlanStatus::Rejected))
            .filter_map(|plan| match &plan.kind {
                PlanKind::Held { held } => Some(held),
                PlanKind::Policy { .. } => None,
            });
        let cohorts = waiting.flatten().filter(|cohort| cohort.by == by);
        cohorts.flat_map(|cohort| cohort.devices.iter()).collect()
    }

    /// Adds what the server holds to a decision that is explained: to its holds, to what it cites, and to what would end it.
    pub fn add_holds(&self, record: &DeviceRecord, decision: &mut Decision) -> Vec<ServerHold> {
        let outstanding = !decision.derivation.obligations.is_empty();
        let holds = self.server_holds(record, &SlotName::from(&decision.slot), outstanding);
        for held in &holds {
            let name = held.plan.as_ref().map_or_else(|| held.because.clone(), |plan| plan.as_str().into());
            decision.holds.insert(held.hold);
            let cited = Held { hold: held.hold, name: name.clone(), until: None, origin: None, unknown: false };
            let place = decision.derivation.holds.partition_point(|known| known.hold < held.hold);
            decision.derivation.holds.insert(place, cited);
            if !held.rejected {
                decision.derivation.would_change.push(WouldChange::HoldEnds { hold: held.hold, name, at: None });
            }
        }
        holds
    }
}

impl ServerHold {
    /// What ends it: a command, where one does.
    pub fn lifted_by(&self) -> Option<String> {
        match &self.plan {
            None => Some("refit resume --everything --why TEXT".to_owned()),
            Some(_) if self.rejected => None,
            Some(plan) => Some(format!("refit plans approve {plan}")),
        }
    }
}
