//! Plans, and the policy in force.

use super::super::{AppliedTimes, Ground, InForce, PlanKind, PlanRecord, PlanStatus, State};
use super::ApplyError;
use crate::control::event::{PlanMade, PolicyApplied};
use jiff::Timestamp;
use refit_model::PlanId;
use std::sync::Arc;

impl State {
    pub(super) fn plan_made(&mut self, at: Timestamp, made: &PlanMade) {
        let kind = PlanKind::Policy {
            policy_hash: made.policy_hash.clone(),
            files: made.files.clone(),
            replaces: made.replaces,
            content: made.content.clone(),
        };
        let record = PlanRecord {
            made: at,
            as_of: made.as_of,
            author: made.author.clone(),
            kind,
            status: PlanStatus::Open,
            approvals: Default::default(),
            permits: Default::default(),
        };
        self.plans.insert(made.plan.clone(), Arc::new(record));
    }

    /// What a plan holds is decided again, now that it is permitted.
    pub(super) fn revise_held(&mut self, plan: &PlanId, seq: u64) {
        let Some(PlanKind::Held { held }) = self.plans.get(plan).map(|plan| plan.kind.clone()) else { return };
        for index in held.iter().flat_map(|held| held.devices.iter()) {
            self.change_at(index, |device| device.revised = seq);
        }
    }

    pub(super) fn policy_applied(
        &mut self,
        seq: u64,
        at: Timestamp,
        applied: &PolicyApplied,
        ground: &Ground<'_>,
    ) -> Result<(), ApplyError> {
        let repository = self.exceptions.granted_into(ground.repository(&applied.files)?);
        // What applied before keeps its time; what is new, or has another text, begins now.
        let before = std::mem::take(&mut self.applied);
        let mut times = AppliedTimes::default();
        for policy in &repository.policies {
            let since = before.policies.get(&policy.name).copied().unwrap_or(at);
            times.policies.insert(policy.name.clone(), since);
            let known = before.entries.get(&policy.name);
            let entries = policy.deadline.iter().map(|entry| {
                let since = known.and_then(|known| known.get(&entry.text)).copied().unwrap_or(at);
                (entry.text.clone(), since)
            });
            times.entries.insert(policy.name.clone(), entries.collect());
        }
        self.applied = Arc::new(times);
        self.policy = Some(Arc::new(InForce {
            revision: applied.revision,
            since: at,
            by_event: seq,
            policy_hash: applied.policy_hash.clone(),
            files: applied.files.clone(),
            plan: applied.plan.clone(),
            repository,
        }));
        self.group_again();
        let others: Vec<PlanId> = self.plans.keys().filter(|id| **id != applied.plan).cloned().collect();
        for id in others {
            self.change_plan(&id, |plan| {
                let waiting = matches!(plan.status, PlanStatus::Open | PlanStatus::Approved);
                if waiting && matches!(plan.kind, PlanKind::Policy { .. }) {
                    plan.status = PlanStatus::Superseded;
                }
                // What another revision permitted is not permitted under this one.
                plan.permits.clear();
            });
        }
        self.change_plan(&applied.plan, |plan| {
            plan.status = PlanStatus::Applied;
            plan.permits = applied.envelope.iter().cloned().collect();
        });
        Ok(())
    }
}
