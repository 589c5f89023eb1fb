//! What keeps a slot's change from being made besides what its decision names: the brake, what the device refuses by the
//! mandate, and moves that wait for a person.
//!
//! Decisions on one device know nothing of these, so they are added where somebody reads.

use super::{
    agents::AgentRecord,
    device_set::DeviceSet,
    document,
    entry::SlotName,
    publication::HeldBy,
    state::{DeviceRecord, PlanKind, PlanStatus, State},
};
use crate::decide::{Decision, Held, Hold, WouldChange};
use jiff::Timestamp;
use refit_model::PlanId;
use refit_wire::protocol::{Problem, Standing, WaitsFor};
use smol_str::{SmolStr, format_smolstr};

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
        let refused = Some(slot).filter(|_| outstanding).and_then(|slot| self.refused(record, slot));
        let waits = Some(slot).filter(|_| outstanding).and_then(|slot| self.waits_for_group(record, slot));
        let group = waits.map(|(because, since)| ServerHold {
            hold: Hold::Disruption,
            because,
            since,
            plan: None,
            rejected: false,
        });
        brake.into_iter().chain(refused).chain(group).chain(self.held_move(record, slot)).collect()
    }

    /// What the device's agent says that the mandate does not permit, by its newest report.
    fn refused(&self, record: &DeviceRecord, slot: &SlotName) -> Option<ServerHold> {
        let agent = self.agents.devices.get(&record.id)?;
        let standing = refusals(agent).find(|standing| document::names(&standing.directive, slot))?;
        let concerned = |problem: &&Problem| {
            let name = slot.title.package().map_or(slot.title.as_str(), |(_, name)| name);
            problem.code == "mandate"
                && (problem.what.contains(&*standing.directive)
                    || names_word(&problem.what, &[name, slot.title.as_str()]))
        };
        let problem = agent.problems.iter().find(concerned);
        let because = match (problem, standing.until) {
            (Some(problem), _) => format_smolstr!("the device refuses it: {}", problem.what),
            (None, Some(until)) => format_smolstr!("the mandate permits it from {until:.0} on"),
            (None, None) if standing.waits_for == WaitsFor::MandateTime => {
                SmolStr::new_static("the mandate does not permit it yet: the device has not seen it offered")
            }
            (None, None) => SmolStr::new_static("the mandate does not permit it, has ended, or there is none"),
        };
        Some(ServerHold {
            hold: Hold::Mandate,
            because,
            since: problem.map(|problem| problem.since),
            plan: None,
            rejected: false,
        })
    }

    /// All devices that refuse something by the mandate, by what they said last.
    pub fn refusing_devices(&self) -> DeviceSet {
        let refusing = self.agents.devices.iter().filter(|(_, agent)| refusals(agent).next().is_some());
        refusing.filter_map(|(id, _)| self.device(id)).map(|device| device.index).collect()
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

/// Where an agent's directives wait for the mandate.
fn refusals(agent: &AgentRecord) -> impl Iterator<Item = &Standing> {
    agent.standing.iter().filter(|one| matches!(one.waits_for, WaitsFor::Mandate | WaitsFor::MandateTime))
}

/// Whether a text names something as a word of its own: `curl` is not named by `libcurl4`.
fn names_word(text: &str, names: &[&str]) -> bool {
    let part = |c: char| c.is_alphanumeric() || "+-./_".contains(c);
    text.split(|c| !part(c)).any(|word| names.contains(&word.trim_end_matches('.')))
}

impl ServerHold {
    /// What ends it: a command, where one does.
    pub fn lifted_by(&self) -> Option<String> {
        match &self.plan {
            None if self.hold == Hold::Disruption => None,
            None if self.hold == Hold::Mandate => Some("refit mandate sign POLICY --sign-with KEY".to_owned()),
            None => Some("refit resume --everything --why TEXT".to_owned()),
            Some(_) if self.rejected => None,
            Some(plan) => Some(format!("refit plans approve {plan}")),
        }
    }
}
