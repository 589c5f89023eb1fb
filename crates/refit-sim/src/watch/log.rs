//! Invariants of single entries of the log.

use super::{Truth, fold::Fold};
use crate::store::Entry;
use refit_core::control::{Bearer, Event};

/// Time in the log never goes back, and its positions have no gap.
pub fn time_never_goes_back(fold: &Fold, entry: &Entry) -> Option<String> {
    if entry.seq != fold.seq + 1 {
        return Some(format!("position {} follows position {}", entry.seq, fold.seq));
    }
    let before = fold.at.filter(|before| *before > entry.at)?;
    Some(format!("position {} is of {} and the one before of {before}", entry.seq, entry.at))
}

/// No personal value is in the log: neither in a payload nor in the name of who asked.
pub fn nothing_personal(truth: &Truth, entry: &Entry) -> Option<String> {
    let text = String::from_utf8_lossy(&entry.body);
    let value = truth.values.values().find(|value| text.contains(value.as_str()))?;
    Some(format!("`{}` at position {} holds the personal value `{value}`: {text}", entry.kind, entry.seq))
}

/// An approver is a person and not the author, and a plan is applied with as many approvals as are needed.
pub fn approved_by_others(fold: &Fold, truth: &Truth, entry: &Entry, event: &Event) -> Option<String> {
    match event {
        Event::PlanApproved(approved) => {
            let owner = truth.owners.get(&entry.actor);
            let Some((owner, Bearer::Person)) = owner else {
                return Some(format!("`{}` approved plan {} and is no person", entry.actor, approved.plan));
            };
            let maker = fold.plans.get(&approved.plan).and_then(|plan| truth.owners.get(&plan.maker));
            let own = maker.is_some_and(|(maker, _)| maker == owner);
            own.then(|| format!("{owner} approved plan {}, which is their own", approved.plan))
        }
        Event::PolicyApplied(applied) => {
            let approvals = fold.plans.get(&applied.plan).map_or(0, |plan| plan.approved_by.len());
            let missing = approvals < fold.approvals as usize;
            missing.then(|| format!("plan {} was applied with {approvals} of {}", applied.plan, fold.approvals))
        }
        _ => None,
    }
}

/// The same receipt counts once.
pub fn receipts_count_once(fold: &Fold, event: &Event) -> Option<String> {
    let Event::ReceiptReceived(receipt) = event else { return None };
    let counted = fold.receipts.contains(&(receipt.device.clone(), receipt.receipt.clone()));
    counted.then(|| format!("receipt {} of {} counts a second time", receipt.receipt, receipt.device))
}
