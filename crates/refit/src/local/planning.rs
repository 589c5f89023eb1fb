//! From decisions to the package manager's transactions, and to a plan.

use super::{Gathered, Memory, Situation, machine::present, situation::situation};
use crate::{repository::Read, terminal};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_agent::{
    inventory::distrust,
    providers::{
        Manager,
        available::SourceHealth,
        narrow::Settled,
        transaction::{ActionKind, Change, Permissions, SimulateError, Transaction},
    },
};
use refit_core::{
    decide::{Decision, Goal, decide},
    plan::{Action, Extra, Findings, Obstacle, Plan, Subject, Unfinished, build, held_in_words},
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
    /// What is there now, by title.
    pub present: BTreeMap<TitleId, Present>,
    /// What the package manager does for it, all at once; `None` where it has nothing to do.
    pub transaction: Option<Transaction>,
}

/// Decides, asks the package manager what it would really do, and puts the plan together.
pub fn draft(read: &Read, gathered: &Gathered, memory: &mut Memory, facts: &[String], now: Timestamp) -> Result<Draft> {
    let situation = situation(gathered, &read.repository, memory, facts, now)?;
    let decisions = decide(&read.repository, &situation.world, &situation.device, now);
    remember(memory, &decisions);

    let bar = terminal::spinner(match gathered.installs.manager {
        Manager::Apt => "simulating with apt",
        Manager::Dnf => "simulating with dnf",
    });
    let mut findings = findings(gathered, &situation, &decisions);
    let wanted = wanted(&read.repository, &decisions);
    let mut settled = settled(&decisions, &situation);
    let answer = loop {
        let answer = ask(gathered, settled.clone(), &wanted)?;
        // What is brought along has to come from a source that can be trusted as well; in the next round it may not come.
        let doubtful = distrusted(gathered, &answer.settled, now)?;
        if doubtful.is_empty() {
            break answer;
        }
        settled.frozen.extend(doubtful);
    };
    findings.obstacles.extend(answer.obstacles);
    findings.notes.extend(answer.notes);
    findings.extras = brought_along(&answer.settled, &answer.needed_by);
    let Settled { changes, actions, .. } = answer.settled;
    let permissions = answer.permissions.unwrap_or_default();
    let transaction = (!actions.is_empty()).then_some(Transaction { changes, actions, permissions });
    bar.finish_and_clear();
    let subject = Subject {
        device: situation.device.id.to_string(),
        hostname: gathered.machine.hostname.clone(),
        zone: situation.device.zone(),
        policy_hash: read.hash.clone(),
        policy_folder: read.folder.display().to_string(),
    };
    let plan = build(subject, &read.repository, &situation.world, &decisions, findings, now);
    let plan = Plan { facts: facts.to_vec(), ..plan };
    let present = present(&gathered.installs).map(|package| {
        let state = (!package.is_well()).then(|| package.status.name());
        (package.title.clone(), Present { version: package.version.to_string(), state })
    });
    let present = present.collect();
    Ok(Draft { plan, decisions, situation, present, transaction })
}

/// A package that is there.
pub struct Present {
    /// The version of its files.
    pub version: String,
    /// The package manager's word for its state, where it is not in order.
    pub state: Option<&'static str>,
}

impl std::fmt::Display for Present {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.state {
            None => write!(f, "{} is installed", self.version),
            Some(state) => write!(f, "{} is there and {state}", self.version),
        }
    }
}

/// What the package manager says to all that is wanted.
struct Answer {
    settled: Settled,
    needed_by: BTreeMap<TitleId, BTreeSet<TitleId>>,
    /// What all policies of the session permit; `None` where nothing was asked for.
    permissions: Option<Permissions>,
    obstacles: Vec<Obstacle>,
    notes: BTreeSet<String>,
}

/// Asks for what is wanted, one set of permissions after the other, each on top of what is settled.
fn ask(gathered: &Gathered, settled: Settled, wanted: &[(Permissions, Vec<Change>)]) -> Result<Answer> {
    let manager = gathered.installs.manager;
    let (needed_by, obstacles, notes) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    let mut answer = Answer { settled, needed_by, permissions: None, obstacles, notes };
    for (permissions, wanted) in wanted {
        match gathered.provider.narrow(&answer.settled, wanted, *permissions) {
            Ok(narrowed) => {
                answer.obstacles.extend(narrowed.dropped.iter().flat_map(|dropped| {
                    let title = &dropped.change.title;
                    let why = dropped.obstacles.iter().map(|obstacle| obstacle.in_words(manager));
                    why.map(|why| Obstacle { title: title.clone(), why })
                }));
                answer.settled.changes = narrowed.changes;
                answer.settled.actions = narrowed.actions;
                answer.needed_by = narrowed.needed_by;
                answer.permissions = Some(common(answer.permissions, *permissions));
            }
            Err(SimulateError::Refused(refusal)) => {
                answer.notes.insert(refusal.to_string());
                answer.obstacles.extend(wanted.iter().map(|change| Obstacle {
                    title: change.title.clone(),
                    why: format!("{} changes nothing now", manager.name()),
                }));
            }
            Err(error) => return Err(error).with_context(|| format!("{} can't simulate the change", manager.name())),
        }
    }
    Ok(answer)
}

/// What would be brought along from sources that can't be trusted, with the reason.
fn distrusted(gathered: &Gathered, settled: &Settled, now: Timestamp) -> Result<BTreeMap<TitleId, String>> {
    let asked: BTreeSet<&TitleId> = settled.changes.iter().map(|change| &change.title).collect();
    let extras: Vec<TitleId> = settled.actions.keys().filter(|title| !asked.contains(title)).cloned().collect();
    if extras.is_empty() || gathered.available.repositories.iter().all(|source| source.health == SourceHealth::Good) {
        return Ok(BTreeMap::new());
    }
    let available = gathered.provider.available(&extras, now).context("the package sources can't be read")?;
    let why = |title: &TitleId| {
        let to = settled.actions.get(title)?.to.as_ref()?;
        let offer = available.packages.get(title)?.iter().find(|offer| offer.version == *to)?;
        let why = distrust(offer, &available)?;
        Some((title.clone(), format!("{to} is offered only by {why}")))
    };
    Ok(extras.iter().filter_map(why).collect())
}

/// What the package manager says before it is asked for anything.
fn findings(gathered: &Gathered, situation: &Situation, decisions: &[Decision]) -> Findings {
    let withheld = situation.pinned.iter().filter(|(title, _)| {
        decisions.iter().any(|decision| decision.slot.title == **title && decision.admitted.is_none())
    });
    let unfinished = gathered.installs.unfinished().map(|package| {
        let (version, state) = (package.version.to_string(), package.status.name().to_owned());
        (package.title.clone(), Unfinished { version, state })
    });
    Findings {
        extras: Vec::new(),
        obstacles: withheld.map(|(title, why)| Obstacle { title: title.clone(), why: why.clone() }).collect(),
        unfinished: unfinished.collect(),
        notes: gathered.notes.clone(),
    }
}

/// What holds before anything is asked for: what policies hold is not brought along by others, and what they want to have is
/// not removed for others.
fn settled(decisions: &[Decision], situation: &Situation) -> Settled {
    let zone = situation.device.zone();
    let frozen = decisions.iter().filter_map(|decision| {
        let held = decision.derivation.holds.first()?;
        Some((decision.slot.title.clone(), held_in_words(held, &zone)))
    });
    let kept =
        decisions.iter().filter(|decision| decision.admitted.is_some() && !decision.derivation.obligations.is_empty());
    Settled {
        spoken_for: kept.map(|decision| decision.slot.title.clone()).collect(),
        frozen: frozen.collect(),
        ..Settled::default()
    }
}

/// What all policies of a session permit: a repair is for the sake of all of them.
fn common(known: Option<Permissions>, more: Permissions) -> Permissions {
    let Some(known) = known else { return more };
    Permissions {
        extra_upgrades: known.extra_upgrades && more.extra_upgrades,
        installs: known.installs && more.installs,
        removals: known.removals && more.removals,
    }
}

/// What decisions ask the package manager for now, by the permissions of their policies; the strictest first.
fn wanted(repository: &Repository, decisions: &[Decision]) -> Vec<(Permissions, Vec<Change>)> {
    let mut wanted: BTreeMap<(bool, bool, bool), Vec<Change>> = BTreeMap::new();
    for decision in decisions {
        let policy = decision.policy.as_ref().and_then(|name| repository.policy(name));
        let Some(policy) = policy.filter(|_| decision.mode == Mode::Enforce) else { continue };
        let outstanding = !decision.derivation.obligations.is_empty() && decision.holds.is_empty();
        if !outstanding || decision.slot.title.package().is_none() || decision.unsure().is_some() {
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

/// What is done beyond what was asked for.
fn brought_along(settled: &Settled, needed_by: &BTreeMap<TitleId, BTreeSet<TitleId>>) -> Vec<Extra> {
    let asked: BTreeSet<&TitleId> = settled.changes.iter().map(|change| &change.title).collect();
    settled
        .actions
        .iter()
        .filter(|(title, _)| !asked.contains(title))
        .map(|(title, action)| Extra {
            title: title.clone(),
            action: match action.kind {
                ActionKind::Install => Action::Install,
                ActionKind::Configure => Action::Repair,
                ActionKind::Upgrade | ActionKind::Reinstall => Action::Upgrade,
                ActionKind::Downgrade => Action::Downgrade,
                ActionKind::Remove | ActionKind::Purge => Action::Remove,
            },
            from: action.from.as_ref().map(ToString::to_string),
            to: action.to.as_ref().map(ToString::to_string),
            needed_by: needed_by.get(title).and_then(|titles| titles.first()).cloned(),
        })
        .collect()
}

/// Notes when spells of not complying began and ended, and which conditions on advisories hold.
fn remember(memory: &mut Memory, decisions: &[Decision]) {
    memory.remember_spells(decisions);
    for decision in decisions {
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
