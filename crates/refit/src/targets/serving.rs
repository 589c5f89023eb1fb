//! Targets of a server: those of the policy in force whose systems have an API, and of which whoever runs the server has given the secret, are
//! looked at again and again. What was changed there by hand goes to the log; where the target's document says `drift: revert` it is
//! undone, by the plan that `refit compile` makes, and never more than that may take away without being asked.
//!
//! What is held against is what was written from here: the record in the data folder, which `refit compile --systems --apply` begins.

use super::{KNOWN_BY, Look, memory, write};
use crate::sources::{
    serving::{self, Serving},
    syncing::{Places, Policy},
};
use anyhow::{Context as _, Result, anyhow};
use jiff::{SignedDuration, Timestamp};
use refit_connect::targets::{Record, RecordError};
use refit_core::{
    control::{Actor, DriftHand, DriftedObject, InForce, Input, State, TargetObserved, cohorts},
    policy::{diagnostic::Files, document::outside::DriftResponse, repository::TargetSystem},
};
use refit_model::Version;
use refit_server::shell::{Shell, TellError};
use refit_targets::{
    Offered, TargetPlan,
    api::{Api, Names, SystemPlan},
    compile,
    files::{ByHand, Hand},
    registry,
    targets::intune,
};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// How often to look whether a target is to be looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How often a target is looked at: all of its objects are asked for each time.
const EVERY: SignedDuration = SignedDuration::from_mins(15);
/// How much of what was changed by hand is written down of one target: whoever has changed more has changed all of it.
const DRIFT_MOST: usize = 100;

/// What is remembered from one look to the next.
#[derive(Default)]
struct Remembered {
    /// The files of the policy that was in force.
    policy: Option<SmolStr>,
    /// When targets are to be looked at again.
    again: BTreeMap<SmolStr, Timestamp>,
    /// What went wrong the last time.
    trouble: Option<String>,
}

/// Looks at targets, for as long as the server lives.
pub async fn run(shell: Shell, serving: Serving) {
    let serving = Arc::new(serving);
    let mut remembered = Remembered::default();
    loop {
        match look(&shell, &serving, &mut remembered).await {
            Ok(()) => remembered.trouble = None,
            Err(error) => {
                let trouble = format!("{error:#}");
                // Once is enough for the program's log.
                if remembered.trouble.as_ref() != Some(&trouble) {
                    tracing::error!(%trouble, "the targets could not be looked at; it is tried again");
                }
                remembered.trouble = Some(trouble);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Looks once at the targets whose time has come.
async fn look(shell: &Shell, serving: &Arc<Serving>, remembered: &mut Remembered) -> Result<()> {
    let view = shell.view();
    let Some(in_force) = view.state.policy.clone() else { return Ok(()) };
    if remembered.policy.as_ref() != Some(&in_force.files) {
        remembered.policy = Some(in_force.files.clone());
        remembered.again.clear();
    }
    let now = shell.now();
    let targets = in_force.repository.targets.iter().filter(|target| api_of(target).is_some());
    let due: BTreeSet<SmolStr> = targets
        .filter(|target| is_told(&serving.places, &target.name))
        .map(|target| target.name.clone())
        .filter(|name| remembered.again.get(name).is_none_or(|at| *at <= now))
        .collect();
    if due.is_empty() {
        return Ok(());
    }
    let state = view.state.clone();
    drop(view);
    let read = serving::policy(shell, &in_force).await?;
    let work = Work { serving: serving.clone(), files: read.files, in_force, state, due: due.clone(), now };
    let observed = tokio::task::spawn_blocking(move || work.run()).await.context("a mistake in the program")?;
    for said in observed {
        said_of(&shell.view().state, &said);
        match shell.tell(&Actor::server(), Input::TargetObserved(said), None).await {
            Err(TellError::Refused(refusal)) => tracing::warn!(%refusal, "what was found at a target was refused"),
            told => drop(told?),
        }
    }
    for name in due {
        remembered.again.insert(name, now.saturating_add(EVERY)?);
    }
    Ok(())
}

fn api_of(target: &TargetSystem) -> Option<&'static dyn Api> {
    registry().iter().find(|known| known.kind() == target.kind.as_str())?.api()
}

/// Whether whoever runs the server has given a secret of a target: else it is not for the server to look at.
fn is_told(places: &Places, target: &str) -> bool {
    places.secret.iter().any(|(name, _)| name.split_once('.').is_some_and(|(of, _)| of == target))
}

/// Writes into the program's log what is new.
fn said_of(state: &State, said: &TargetObserved) {
    let target = &said.target;
    let known = state.targets.get(target);
    let (objects, undone) = (said.drifted.len(), said.undone.len());
    if said.observed.is_some() && known.map_or(0, |known| known.drifted.len()) != objects {
        tracing::warn!(%target, objects, "what was changed by hand in a system is otherwise than before");
    }
    if undone > 0 {
        tracing::info!(%target, objects = undone, "what was changed by hand in a system was undone");
    }
    match (known.and_then(|known| known.trouble.as_ref()), &said.trouble) {
        (None, Some(why)) => tracing::warn!(%target, %why, "a target could not be looked at, or not be brought back"),
        (Some(_), None) => tracing::info!(%target, "a target is looked at again"),
        _ => {}
    }
}

/// One look at what is due, on a thread that may wait.
struct Work {
    serving: Arc<Serving>,
    files: Files,
    in_force: Arc<InForce>,
    state: State,
    due: BTreeSet<SmolStr>,
    now: Timestamp,
}

impl Work {
    fn run(self) -> Vec<TargetObserved> {
        let repository = &self.in_force.repository;
        let Some(cohorts) = cohorts(&self.state, self.now) else { return Vec::new() };
        let mut offered = Offered::default();
        for (title, _) in intune::SYSTEMS {
            let title = title.into();
            let scheme = repository.scheme(&title);
            let known = self.state.releases.get(&title).into_iter().flat_map(|list| list.iter());
            let days = known.filter_map(|it| Some((Version::parse(scheme, &it.version).ok()?, it.published)));
            offered.published.insert(title.clone(), days.collect());
        }
        let mut compiled = compile(repository, &cohorts, &offered, &BTreeMap::new());
        let is_twice = !compiled.twice.is_empty();
        let id = |number: u32| self.state.by_index.get(number as usize).map(ToString::to_string);
        let look = Look {
            repository,
            policy: Policy { files: &self.files, fields: &repository.fields, zone: None, folder: None },
            places: &self.serving.places,
            cohorts: &cohorts,
            offered: &offered,
            names: Names { id: &id, others: &|number| self.others(number) },
            revert: false,
        };
        let mut observed = Vec::new();
        for plan in compiled.targets.iter_mut().filter(|plan| self.due.contains(&plan.name)) {
            let system = repository.targets.iter().find(|system| system.name == plan.name);
            let (Some(system), Some(api)) = (system, plan.target.api()) else { continue };
            let said = self.one(plan, system, api, &look, is_twice);
            let said = said.unwrap_or_else(|error| Some(nothing(system, format!("{error:#}"))));
            observed.extend(said);
        }
        observed
    }

    /// Looks at one target, and undoes what was changed by hand where its document asks; nothing where somebody else writes to it just now.
    fn one(
        &self,
        plan: &mut TargetPlan,
        system: &TargetSystem,
        api: &dyn Api,
        look: &Look<'_>,
        is_twice: bool,
    ) -> Result<Option<TargetObserved>> {
        let record = Record::new(&self.serving.data, &plan.name);
        let lock = match record.lock() {
            Err(RecordError::Busy(_)) => return Ok(None),
            lock => lock?,
        };
        if record.read()?.is_none() {
            let why = "nothing was written from this data folder yet: `refit compile --systems --apply` with it as `--data` does, and then \
                       it is known what was changed by hand";
            return Ok(Some(nothing(system, why.to_owned())));
        }
        let mut remembered = memory(&record)?;
        let before = remembered.clone();
        let mut reached = look.at(plan, system, api, &record, &mut remembered)?;
        let found = plan.system.as_ref().ok_or_else(|| anyhow!("there is no plan"))?;
        let by_hand = drifted(&found.by_hand);
        let said = TargetObserved {
            target: system.name.clone(),
            kind: system.kind.clone(),
            observed: Some(self.now),
            drifted: Vec::new(),
            undone: Vec::new(),
            trouble: None,
            was: Vec::new(),
        };
        if by_hand.is_empty() || system.drift != Some(DriftResponse::Revert) {
            return Ok(Some(TargetObserved { drifted: by_hand, ..said }));
        }
        let written = permitted(plan, found, is_twice)
            .and_then(|()| write(&mut reached, api, found, (&record, &lock), &before).map(|_| ()));
        Ok(Some(match written {
            Ok(()) => TargetObserved { undone: by_hand, ..said },
            Err(error) => TargetObserved { drifted: by_hand, trouble: Some(format!("{error:#}").into()), ..said },
        }))
    }

    /// What a device is known by.
    fn others(&self, number: u32) -> Vec<String> {
        let id = self.state.by_index.get(number as usize);
        let Some(record) = id.and_then(|id| self.state.devices.get(id)) else { return Vec::new() };
        let said = KNOWN_BY.iter().filter_map(|field| record.facts.get(*field));
        said.flat_map(|said| said.iter().map(|(_, value)| value.to_string())).collect()
    }
}

/// Whether all of a plan may be done without anybody being asked.
fn permitted(plan: &TargetPlan, found: &SystemPlan, is_twice: bool) -> Result<()> {
    if is_twice {
        return Err(anyhow!("two targets would move the same title on the same devices, and nothing was undone"));
    }
    for removals in [found.removals(&plan.stopped), found.devices_lost.clone()] {
        removals.check(None).map_err(|refused| {
            anyhow!("{refused}\nNothing was undone. If that is meant, `refit compile --systems --apply` does it with `--may-remove`")
        })?;
    }
    Ok(())
}

/// What is said of a target of which nothing is known now.
fn nothing(system: &TargetSystem, why: String) -> TargetObserved {
    TargetObserved {
        target: system.name.clone(),
        kind: system.kind.clone(),
        observed: None,
        drifted: Vec::new(),
        undone: Vec::new(),
        trouble: Some(why.into()),
        was: Vec::new(),
    }
}

fn drifted(by_hand: &[ByHand]) -> Vec<DriftedObject> {
    let mut all: Vec<DriftedObject> = by_hand
        .iter()
        .take(DRIFT_MOST)
        .map(|it| DriftedObject {
            object: it.id.to_string().into(),
            hand: match it.hand {
                Hand::Changed | Hand::Damaged(_) => DriftHand::Changed,
                Hand::TakenAway => DriftHand::TakenAway,
                Hand::NotWritten => DriftHand::NotWritten,
            },
            fields: it.fields.iter().map(|change| change.path.as_str().into()).collect(),
        })
        .collect();
    all.sort();
    all
}
