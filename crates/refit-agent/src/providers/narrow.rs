//! Keeping a change within what is permitted.
//!
//! A resolver widens a change where dependencies ask for it: it upgrades, installs or removes packages that nobody
//! named. Where that is not permitted, the packages that cause it are left out, and the largest rest that stays inside is
//! kept. The blame comes from the packages' own relations, where the provider knows them, and where those explain nothing,
//! from trying: every answer is one that the package manager has simulated.

use super::{
    Manager,
    command::CommandError,
    transaction::{Action, ActionKind, Change, Permissions, Refusal, SimulateError, Unmet},
};
use refit_model::{TitleId, Version};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How often the package manager may be asked to find what stays inside. Blame by relations takes two or three; trying takes
/// about seven for each package that can't be explained among a hundred. What is undecided then is left out, and says so.
const SIMULATIONS: u32 = 60;

/// The largest change that stays within the permissions, and what is left out of it.
#[derive(Clone, Debug, Serialize)]
pub struct Narrowed {
    /// The changes that can be made, sorted: what to hand to [`super::Provider::apply`].
    pub changes: Vec<Change>,
    /// All that the package manager would do for them; beyond `changes`, it has only what is permitted.
    pub actions: BTreeMap<TitleId, Action>,
    /// What was asked for and can't be had.
    pub dropped: Vec<Dropped>,
    /// For each action beyond `changes`, those changes that lead to it by what packages say of one another; empty where
    /// that explains nothing.
    pub needed_by: BTreeMap<TitleId, BTreeSet<TitleId>>,
    /// How often the package manager was asked.
    pub simulations: u32,
}

/// What is decided already, when more is asked for: it stays, with all that it leads to.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// The changes.
    pub changes: Vec<Change>,
    /// All that the package manager would do for them, which is permitted.
    pub actions: BTreeMap<TitleId, Action>,
    /// Packages that will be asked for later: they are not removed.
    pub spoken_for: BTreeSet<TitleId>,
    /// Packages that nothing else may change, and what holds them, in words.
    pub frozen: BTreeMap<TitleId, String>,
}

/// A change that is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dropped {
    /// The change.
    pub change: Change,
    /// Why.
    pub obstacles: Vec<Obstacle>,
}

/// Why a change is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Obstacle {
    /// Somebody has set a hold on the package, or excludes it.
    Held,
    /// It would change another package, which is held.
    ChangesHeld {
        /// The held package.
        title: TitleId,
    },
    /// It would change another package, which a policy holds.
    ChangesFrozen {
        /// The held package.
        title: TitleId,
        /// What holds it, in words.
        why: String,
    },
    /// It would upgrade a package that was not named.
    Upgrades {
        /// The other package.
        title: TitleId,
        /// The version that it would get.
        to: Version,
    },
    /// It would install a new package.
    Installs {
        /// The new package.
        title: TitleId,
        /// Its version.
        to: Version,
    },
    /// It would remove a package.
    Removes {
        /// The package that would go.
        title: TitleId,
    },
    /// It would remove a package without which the system does not work.
    RemovesEssential {
        /// The package that would go.
        title: TitleId,
    },
    /// It would put an older version in the place of a newer one.
    Downgrades {
        /// The other package.
        title: TitleId,
        /// The older version.
        to: Version,
    },
    /// A dependency can't be met.
    Unmet {
        /// The package that has it: the one that was asked for, or another that would no longer fit.
        title: TitleId,
        /// The dependency, as the package manager says it.
        dependency: String,
    },
    /// No source has this version.
    NotFound,
    /// The package manager leaves the package as it is, without a reason.
    KeptBack,
    /// It refuses, for a reason that Refit can't tie to a dependency.
    Refused {
        /// What it said.
        message: String,
    },
    /// Finding out whether it could be made would have taken too many simulations.
    Undecided,
}

impl Obstacle {
    /// For people, about a package of this manager.
    pub fn in_words(&self, manager: Manager) -> String {
        let name = |title| manager.name_of(title);
        match self {
            Obstacle::Held => format!("it is held ({})", manager.releases()),
            Obstacle::ChangesHeld { title } => format!("it would change {}, which is held", name(title)),
            Obstacle::ChangesFrozen { title, why } => format!("it would also change {}: {why}", name(title)),
            Obstacle::Upgrades { title, to } => {
                format!("it would also upgrade {} to {to}, which is not permitted", name(title))
            }
            Obstacle::Installs { title, to } => {
                format!("it needs to install {} {to}, which is not permitted", name(title))
            }
            Obstacle::Removes { title } => format!("it would remove {}, which is not permitted", name(title)),
            Obstacle::RemovesEssential { title } => {
                format!("it would remove {}, without which the system does not work", name(title))
            }
            Obstacle::Downgrades { title, to } => format!("it would downgrade {} to {to}", name(title)),
            Obstacle::Unmet { title, dependency } => {
                format!("what {} asks for could not be met: {dependency}", name(title))
            }
            Obstacle::NotFound => "no source has this version".to_owned(),
            Obstacle::KeptBack => format!("{} keeps it back", manager.name()),
            Obstacle::Refused { message } => format!("{} refuses: {message}", manager.name()),
            Obstacle::Undecided => "it was not established whether it can be made without changing others".to_owned(),
        }
    }
}

impl From<Unmet> for Obstacle {
    fn from(Unmet { title, dependency }: Unmet) -> Obstacle {
        Obstacle::Unmet { title, dependency }
    }
}

/// What narrowing has to know of what is installed.
pub(super) trait Present {
    /// Whether the change is made already.
    fn fulfils(&self, change: &Change) -> bool;

    /// Whether somebody holds the package.
    fn is_held(&self, title: &TitleId) -> bool;

    /// Whether the system does not work without it.
    fn is_essential(&self, title: &TitleId) -> bool;
}

/// The wanted packages that cause violations.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Blame {
    /// For each of them, what it leads to.
    pub causes: BTreeMap<TitleId, BTreeSet<Obstacle>>,
    /// Those of which another alternative might be had: they are worth another try once the others are gone.
    pub doubtful: BTreeSet<TitleId>,
}

pub(super) type Actions = BTreeMap<TitleId, Action>;
pub(super) type Wanted = BTreeMap<TitleId, Change>;
/// Packages that would change although they may not, and why not.
pub(super) type Violations = BTreeMap<TitleId, Obstacle>;

/// Asks the package manager, or plays what it said in tests.
pub(super) type Simulate<'a> = dyn FnMut(&[Change]) -> Result<Actions, SimulateError> + 'a;
/// Finds the wanted changes behind violations; where it finds none, they are found by trying.
pub(super) type FindBlame<'a> = dyn FnMut(&Actions, &Wanted, &Violations) -> Result<Blame, CommandError> + 'a;

/// The largest of the wanted changes that stays within the permissions, on top of what is settled. Which extras are needed by
/// which changes is left to the provider.
pub(super) fn narrow(
    present: &dyn Present,
    settled: &Settled,
    wanted: &[Change],
    permissions: Permissions,
    simulate: &mut Simulate<'_>,
    blame: &mut FindBlame<'_>,
) -> Result<Narrowed, SimulateError> {
    let asked = settled.changes.iter().chain(wanted).map(|change| &change.title).chain(&settled.spoken_for);
    let asked = asked.cloned().collect();
    let (simulate, blame): (&mut Simulate<'_>, &mut FindBlame<'_>) =
        (&mut |changes| simulate(changes), &mut |actions, wanted, violations| blame(actions, wanted, violations));
    let dropped = BTreeMap::new();
    let mut search = Search { present, settled, permissions, asked, dropped, simulations: 0, simulate, blame };
    let (changes, actions) = search.run(wanted)?;
    let (dropped, simulations) = (search.dropped, search.simulations);
    let dropped =
        dropped.into_iter().map(|(change, obstacles)| Dropped { change, obstacles: obstacles.into_iter().collect() });
    Ok(Narrowed { changes, actions, dropped: dropped.collect(), needed_by: BTreeMap::new(), simulations })
}

pub(super) struct Search<'a> {
    present: &'a dyn Present,
    settled: &'a Settled,
    permissions: Permissions,
    /// Everything that was asked for, kept or not.
    asked: BTreeSet<TitleId>,
    dropped: BTreeMap<Change, BTreeSet<Obstacle>>,
    simulations: u32,
    simulate: &'a mut Simulate<'a>,
    blame: &'a mut FindBlame<'a>,
}

/// What one simulation says of a set of changes.
enum Verdict {
    Inside(Actions),
    Outside(Actions, Violations),
    Refused(Refusal),
}

impl Search<'_> {
    fn run(&mut self, wanted: &[Change]) -> Result<(Vec<Change>, Actions), SimulateError> {
        let settled: Wanted =
            self.settled.changes.iter().map(|change| (change.title.clone(), change.clone())).collect();
        let mut kept = settled.clone();
        for change in wanted {
            if self.present.fulfils(change) {
                continue;
            }
            if self.present.is_held(&change.title) {
                self.drop(change, Obstacle::Held);
            } else {
                kept.entry(change.title.clone()).or_insert_with(|| change.clone());
            }
        }

        let mut doubtful = Vec::new();
        let actions = loop {
            let before = kept.len();
            match self.judge(&kept)? {
                Verdict::Inside(actions) => break actions,
                Verdict::Outside(actions, violations) => {
                    let blame = (self.blame)(&actions, &kept, &violations)?;
                    let open = blame.causes.into_iter().filter(|(title, _)| !settled.contains_key(title));
                    for (title, obstacles) in open {
                        let Some(change) = kept.remove(&title) else { continue };
                        if blame.doubtful.contains(&title) {
                            doubtful.push(change.clone());
                        }
                        obstacles.into_iter().for_each(|obstacle| self.drop(&change, obstacle));
                    }
                }
                Verdict::Refused(refusal) => {
                    let open = |title: &&TitleId| !settled.contains_key(*title);
                    for title in refusal.not_found.iter().filter(open) {
                        kept.remove(title).inspect(|change| self.drop(change, Obstacle::NotFound));
                    }
                    for unmet in
                        refusal.unmet.iter().filter(|unmet| refusal.not_found.is_empty() && open(&&unmet.title))
                    {
                        if let Some(change) = kept.remove(&unmet.title) {
                            doubtful.push(change.clone());
                            self.drop(&change, unmet.clone().into());
                        }
                    }
                }
            }
            if kept.len() == before {
                // The relations explain nothing: find the packages by trying.
                let candidates = std::mem::replace(&mut kept, settled.clone()).into_values();
                let candidates: Vec<Change> =
                    candidates.filter(|change| !settled.contains_key(&change.title)).collect();
                break self.grow(&mut kept, self.settled.actions.clone(), &candidates)?;
            }
        };
        let actions = self.grow(&mut kept, actions, &doubtful)?;
        Ok((kept.into_values().collect(), actions))
    }

    /// Adds as many of the candidates as stay inside to `kept`, which by itself leads to `actions`.
    fn grow(&mut self, kept: &mut Wanted, actions: Actions, candidates: &[Change]) -> Result<Actions, SimulateError> {
        if candidates.is_empty() {
            return Ok(actions);
        }
        if self.simulations >= SIMULATIONS {
            candidates.iter().for_each(|change| self.drop(change, Obstacle::Undecided));
            return Ok(actions);
        }
        let mut more = kept.clone();
        more.extend(candidates.iter().map(|change| (change.title.clone(), change.clone())));
        match (self.judge(&more)?, candidates) {
            (Verdict::Inside(actions), _) => {
                *kept = more;
                candidates.iter().for_each(|change| drop(self.dropped.remove(change)));
                Ok(actions)
            }
            (verdict, [change]) => {
                for obstacle in verdict.obstacles() {
                    self.drop(change, obstacle);
                }
                Ok(actions)
            }
            (_, candidates) => {
                let (first, second) = candidates.split_at(candidates.len() / 2);
                let actions = self.grow(kept, actions, first)?;
                self.grow(kept, actions, second)
            }
        }
    }

    fn judge(&mut self, wanted: &Wanted) -> Result<Verdict, SimulateError> {
        self.simulations += 1;
        let changes: Vec<Change> = wanted.values().cloned().collect();
        match (self.simulate)(&changes) {
            Ok(actions) => {
                let mut violations = violations(self.present, wanted, &self.asked, self.permissions, &actions);
                for (title, why) in &self.settled.frozen {
                    let named = wanted.contains_key(title);
                    if !named && actions.get(title).is_some_and(|action| action.kind != ActionKind::Configure) {
                        let frozen = Obstacle::ChangesFrozen { title: title.clone(), why: why.clone() };
                        violations.insert(title.clone(), frozen);
                    }
                }
                violations.retain(|title, _| {
                    let known = self.settled.actions.get(title);
                    known.is_none_or(|known| actions.get(title).is_none_or(|action| action.to != known.to))
                });
                Ok(if violations.is_empty() { Verdict::Inside(actions) } else { Verdict::Outside(actions, violations) })
            }
            Err(SimulateError::Refused(refusal)) if !refusal.interrupted && !refusal.broken => {
                Ok(Verdict::Refused(refusal))
            }
            Err(error) => Err(error),
        }
    }

    fn drop(&mut self, change: &Change, obstacle: Obstacle) {
        self.dropped.entry(change.clone()).or_default().insert(obstacle);
    }
}

impl Verdict {
    fn obstacles(self) -> Vec<Obstacle> {
        match self {
            Verdict::Inside(_) => Vec::new(),
            Verdict::Outside(_, violations) => violations.into_values().collect(),
            Verdict::Refused(refusal) if !refusal.not_found.is_empty() => vec![Obstacle::NotFound],
            Verdict::Refused(refusal) if !refusal.unmet.is_empty() => {
                refusal.unmet.into_iter().map(Obstacle::from).collect()
            }
            Verdict::Refused(refusal) if !refusal.held.is_empty() => {
                refusal.held.into_iter().map(|title| Obstacle::ChangesHeld { title }).collect()
            }
            Verdict::Refused(refusal) => vec![Obstacle::Refused { message: refusal.messages.join("; ") }],
        }
    }
}

/// What actions that nobody named have beyond what is permitted.
pub(super) fn forbidden(present: &dyn Present, permissions: Permissions, actions: &Actions) -> Vec<Obstacle> {
    violations(present, &Wanted::new(), &BTreeSet::new(), permissions, actions).into_values().collect()
}

/// What a simulation has beyond what was named and what is permitted.
fn violations(
    present: &dyn Present,
    wanted: &Wanted,
    asked: &BTreeSet<TitleId>,
    permissions: Permissions,
    actions: &Actions,
) -> Violations {
    let mut found = Violations::new();
    for (title, action) in actions {
        let named = wanted.get(title).is_some_and(|change| change.to == action.to);
        let obstacle = match (action.kind, &action.to) {
            (ActionKind::Remove | ActionKind::Purge, _) if present.is_essential(title) => {
                Some(Obstacle::RemovesEssential { title: title.clone() })
            }
            _ if named || action.kind == ActionKind::Configure => None,
            _ if present.is_held(title) => Some(Obstacle::ChangesHeld { title: title.clone() }),
            (ActionKind::Upgrade | ActionKind::Reinstall, Some(to)) => {
                (!permissions.extra_upgrades).then(|| Obstacle::Upgrades { title: title.clone(), to: to.clone() })
            }
            (ActionKind::Install, Some(to)) => {
                (!permissions.installs).then(|| Obstacle::Installs { title: title.clone(), to: to.clone() })
            }
            (ActionKind::Downgrade, Some(to)) => Some(Obstacle::Downgrades { title: title.clone(), to: to.clone() }),
            _ => (!permissions.removals || asked.contains(title)).then(|| Obstacle::Removes { title: title.clone() }),
        };
        if let Some(obstacle) = obstacle {
            found.insert(title.clone(), obstacle);
        }
    }
    for title in wanted.keys().filter(|title| !actions.contains_key(*title)) {
        found.insert(title.clone(), Obstacle::KeptBack);
    }
    found
}
