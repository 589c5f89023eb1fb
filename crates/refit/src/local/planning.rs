//! From decisions to the package manager's transactions, and to a plan.

use super::{Gathered, Memory, Situation, situation};
use crate::{repository::Read, terminal};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_agent::providers::apt::{self, ActionKind, Change, Permissions, SimulateError, Transaction};
use refit_core::{
    decide::{Decision, Goal, decide},
    plan::{Action, Extra, Obstacle, Plan, Subject, build},
    policy::{
        document::policy::{Mode, PackagesDocument},
        repository::Repository,
    },
};
use refit_model::TitleId;
use std::collections::{BTreeMap, BTreeSet};

/// A plan, and everything that is needed to carry it out.
pub struct Draft {
    pub plan: Plan,
    pub decisions: Vec<Decision>,
    pub situation: Situation,
    /// What the package manager does for it, one after the other.
    pub session: Session,
}

/// The transactions of one session: one for each set of permissions that policies give.
#[derive(Clone, Debug, Default)]
pub struct Session {
    pub transactions: Vec<Transaction>,
}

/// Decides, asks the package manager what it would really do, and puts the plan together.
pub fn draft(read: &Read, gathered: &Gathered, memory: &mut Memory, facts: &[String], now: Timestamp) -> Result<Draft> {
    let situation = situation(gathered, &read.repository, memory, facts, now)?;
    let decisions = decide(&read.repository, &situation.world, &situation.device, now);
    remember_spells(memory, &decisions);

    let bar = terminal::spinner("simulating with apt");
    let mut notes = gathered.notes.clone();
    let mut session = Session::default();
    let (mut extras, mut obstacles) = (Vec::new(), Vec::new());
    for (title, why) in &situation.pinned {
        obstacles.push(Obstacle { title: title.clone(), why: why.clone() });
    }
    obstacles.retain(|obstacle| {
        decisions.iter().any(|decision| decision.slot.title == obstacle.title && decision.admitted.is_none())
    });
    for (permissions, wanted) in wanted(&read.repository, &decisions) {
        match apt::narrow(&gathered.inventory, &wanted, permissions) {
            Ok(narrowed) => {
                for dropped in &narrowed.dropped {
                    obstacles.extend(
                        dropped.obstacles.iter().map(|obstacle| Obstacle {
                            title: dropped.change.title.clone(),
                            why: obstacle.to_string(),
                        }),
                    );
                }
                let transaction =
                    Transaction { changes: narrowed.changes, actions: narrowed.simulation.actions, permissions };
                extras.extend(brought_along(&transaction, &session));
                if !transaction.actions.is_empty() {
                    session.transactions.push(transaction);
                }
            }
            Err(SimulateError::Refused(refusal)) => {
                notes.push(refusal.to_string());
                obstacles.extend(
                    wanted
                        .iter()
                        .map(|change| Obstacle { title: change.title.clone(), why: "apt changes nothing now".into() }),
                );
            }
            Err(error) => return Err(error).context("apt can't simulate the change"),
        }
    }
    bar.finish_and_clear();
    let subject = Subject {
        device: situation.device.id.to_string(),
        hostname: gathered.machine.hostname.clone(),
        zone: situation.device.zone(),
        policy_hash: read.hash.clone(),
        policy_folder: read.folder.display().to_string(),
    };
    let plan = build(subject, &read.repository, &situation.world, &decisions, &extras, &obstacles, notes, now);
    Ok(Draft { plan, decisions, situation, session })
}

/// What decisions ask the package manager for now, by the permissions of their policies; the strictest first.
fn wanted(repository: &Repository, decisions: &[Decision]) -> Vec<(Permissions, Vec<Change>)> {
    let mut wanted: BTreeMap<(bool, bool, bool), Vec<Change>> = BTreeMap::new();
    for decision in decisions {
        let policy = decision.policy.as_ref().and_then(|name| repository.policy(name));
        let Some(policy) = policy.filter(|_| decision.mode == Mode::Enforce) else { continue };
        let outstanding = !decision.derivation.obligations.is_empty() && decision.holds.is_empty();
        if !outstanding || decision.slot.title.package().is_none() || !decision.marks.is_disjoint(&unsure()) {
            continue;
        }
        let to = match (&decision.goal, &decision.admitted) {
            (Some(Goal::Absent), _) => None,
            (_, Some(admitted)) => Some(admitted.clone()),
            _ => continue,
        };
        let PackagesDocument { upgrade_others, install_new, remove } = policy.packages;
        let change = Change { title: decision.slot.title.clone(), to };
        wanted.entry((remove, install_new, upgrade_others)).or_default().push(change);
    }
    wanted
        .into_iter()
        .map(|((removals, installs, extra_upgrades), changes)| {
            (Permissions { extra_upgrades, installs, removals }, changes)
        })
        .collect()
}

/// Marks with which nothing is forced.
fn unsure() -> BTreeSet<refit_core::decide::Mark> {
    BTreeSet::from([refit_core::decide::Mark::Undetermined, refit_core::decide::Mark::Conflict])
}

/// What a transaction does beyond what it was asked for.
fn brought_along(transaction: &Transaction, before: &Session) -> Vec<Extra> {
    let asked: BTreeSet<&TitleId> = transaction.changes.iter().map(|change| &change.title).collect();
    let known: BTreeSet<&TitleId> = before.transactions.iter().flat_map(|known| known.actions.keys()).collect();
    let needed_by = transaction.changes.first().map(|change| change.title.clone());
    transaction
        .actions
        .iter()
        .filter(|(title, _)| !asked.contains(title) && !known.contains(title))
        .filter_map(|(title, action)| {
            Some(Extra {
                title: title.clone(),
                action: match action.kind {
                    ActionKind::Install => Action::Install,
                    ActionKind::Upgrade | ActionKind::Reinstall | ActionKind::Configure => Action::Upgrade,
                    ActionKind::Downgrade => Action::Downgrade,
                    ActionKind::Remove | ActionKind::Purge => Action::Remove,
                },
                from: action.from.as_ref().map(ToString::to_string),
                to: action.to.as_ref().map(ToString::to_string),
                needed_by: needed_by.clone()?,
            })
        })
        .collect()
}

/// Notes when spells of not complying began, and ends those of slots that comply.
fn remember_spells(memory: &mut Memory, decisions: &[Decision]) {
    for decision in decisions {
        let title = decision.slot.title.as_str();
        match decision.derivation.obligations.first() {
            None => {
                memory.spells.remove(title);
            }
            Some(obligation) => {
                if let Some(since) = obligation.spell {
                    memory.spells.entry(title.to_owned()).or_insert(since);
                }
            }
        }
        for obligation in &decision.derivation.obligations {
            let refit_core::decide::Cause::Exposure { advisory, .. } = &obligation.cause else { continue };
            for clock in &obligation.clocks {
                if let (Some(condition), refit_core::decide::ClockCounts::Holds { since }) =
                    (&clock.condition, &clock.counts)
                {
                    memory
                        .latches
                        .entry(advisory.to_string())
                        .or_default()
                        .entry(condition.to_string())
                        .or_insert(*since);
                }
            }
        }
    }
}
