//! Decides devices through the plain decision, on a state that does not change meanwhile.
//!
//! Worlds are put together once per universe and kept; what a decision reads of them is compared by the events that last
//! changed it. The answer is small: what would be published, what was noted (latches, spells), when time alone changes it.

use super::{
    budget::group_name,
    entry::SlotName,
    event::{FirstOffered, SlotStanding},
    fleet_plan::UNKNOWN,
    publication::{CohortKey, DueBy, DueCause, Wanted},
    reading::{device, heard, world},
    state::{DeviceRecord, State},
    upcoming::next_change,
};
use crate::{
    decide::{
        Cause, ClockCounts, Compliance, Decision, ExceptionVerdict, Goal, Hold, Mark, PassedOver, Progress,
        ReleaseVerdict, decide, decide_title,
    },
    facts::{FactSet, FieldRef, Value},
    policy::repository::{Policy, Repository},
    rollout::snapshot_title,
    world::{Applied, World},
};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::{AdvisoryId, DeviceId, TitleId, Version};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// What the policies say of one device at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The device.
    pub device: DeviceId,
    /// Its place in bitmaps.
    pub index: u32,
    /// The last event of the state that was read.
    pub basis: u64,
    /// The policy revision.
    pub revision: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What is said of each slot, by slot.
    pub slots: Vec<Arc<SlotOutcome>>,
    /// Conditions on advisories that hold, with the time since.
    pub latches: Vec<(AdvisoryId, SmolStr, Timestamp)>,
    /// Spells that began.
    pub began: Vec<(SlotName, Timestamp)>,
    /// Spells that ended.
    pub ended: Vec<SlotName>,
    /// Offers that clocks began with, and that were not noted yet.
    pub offered: Vec<(SlotName, FirstOffered)>,
    /// The groups of the fields that budgets divide by; personal values are digests.
    pub groups: BTreeMap<SmolStr, SmolStr>,
    /// When time alone may change the answer.
    pub next_change: Option<Timestamp>,
}

/// What the policies say of one slot. Devices that share it share its memory.
#[derive(Clone, Debug, PartialEq, PartialOrd, Eq, Ord)]
pub struct SlotOutcome {
    /// The slot.
    pub slot: SlotName,
    /// The installed version.
    pub installed: Option<SmolStr>,
    /// What would be published; `None` where no policy decides.
    pub key: Option<CohortKey>,
    /// How it stands.
    pub compliance: Compliance,
    /// From when on it is overdue.
    pub due: Option<Timestamp>,
    /// What gives the due time.
    pub due_by: Option<DueBy>,
    /// How far it has come.
    pub progress: Progress,
    /// What holds it.
    pub holds: Vec<Hold>,
    /// What has to be known about it.
    pub marks: Vec<Mark>,
    /// Obligations with their due times.
    pub obligations: Vec<(SmolStr, Option<Timestamp>)>,
    /// Open exposures: the advisory, and whether it is known to be exploited.
    pub exposures: Vec<(AdvisoryId, bool)>,
    /// Exceptions that act.
    pub exceptions: Vec<SmolStr>,
    /// Exceptions of which it is unknown whether they act.
    pub unsure_exceptions: Vec<SmolStr>,
    /// Whether the condition of a deadline chose its rollout.
    pub hurried: bool,
    /// Releases that nothing but the ring keeps from being admitted, newest first: the newest of them, and those that an
    /// earlier ring has.
    pub awaits: Vec<Awaited>,
}

/// A release that waits for a ring to open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Awaited {
    /// The release.
    pub version: SmolStr,
    /// The snapshot of the deciding policy that it moves with; `None` where it goes by itself.
    pub snapshot: Option<SmolStr>,
    /// The rollout.
    pub rollout: SmolStr,
    /// The ring.
    pub ring: SmolStr,
    /// The due time that has come and asks a person whether it goes on; `None` where none does.
    pub asks: Option<Timestamp>,
}

impl SlotOutcome {
    /// What the log notes of how it stands; `None` where it satisfies and nothing that is known to be exploited is open.
    pub fn standing(&self) -> Option<SlotStanding> {
        use Compliance::{Due, Overdue, Undetermined, Unsupported};
        let open = matches!(self.compliance, Due | Overdue | Undetermined | Unsupported);
        if !open && !self.exposures.iter().any(|(_, exploited)| *exploited) {
            return None;
        }
        let is_exposure = |name: &str| self.exposures.iter().any(|(advisory, _)| advisory.as_str() == name);
        let names = self.obligations.iter().map(|(name, _)| name).filter(|name| !is_exposure(name));
        let mut obligations: Vec<SmolStr> = names.cloned().collect();
        obligations.sort();
        obligations.dedup();
        Some(SlotStanding {
            compliance: self.compliance,
            due: self.due,
            obligations,
            exposures: self.exposures.clone(),
        })
    }
}

/// Puts worlds together and decides.
#[derive(Debug, Default)]
pub struct Evaluator {
    worlds: BTreeMap<SmolStr, (Stamp, Arc<World>)>,
    outcomes: BTreeMap<Arc<SlotOutcome>, ()>,
}

/// What a world was put together from, by the last events that changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    titles: u64,
    universe: u64,
    distribution: u64,
    latches: u64,
    policy: (usize, u64),
}

/// A policy repository with the times at which it applies.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The number of the revision.
    pub revision: u64,
    /// The repository.
    pub repository: Arc<Repository>,
    /// Since when its policies and entries apply.
    pub applied: Applied,
}

/// How many outcomes are kept for sharing before the memory is given back.
const OUTCOMES_MOST: usize = 200_000;

impl Terms {
    /// The policy in force; `None` where there is none.
    pub fn in_force(state: &State) -> Option<Terms> {
        let policy = state.policy.as_ref()?;
        let (revision, repository) = (policy.revision, policy.repository.clone());
        Some(Terms { revision, repository, applied: state.applied() })
    }

    /// A repository that would be applied at `now`: what applies already keeps its time.
    pub fn proposed(state: &State, repository: Arc<Repository>, now: Timestamp) -> Terms {
        let before = state.applied();
        let mut applied = Applied::default();
        for policy in &repository.policies {
            let since = before.policies.get(&policy.name).copied().unwrap_or(now);
            applied.policies.insert(policy.name.clone(), since);
            for entry in &policy.deadline {
                let key = (policy.name.clone(), entry.text.clone());
                let since = before.entries.get(&key).copied().unwrap_or(now);
                applied.entries.insert(key, since);
            }
        }
        Terms { revision: state.revision() + 1, repository, applied }
    }
}

impl Evaluator {
    /// Decides one device.
    pub fn evaluate(&mut self, state: &State, terms: &Terms, record: &DeviceRecord, now: Timestamp) -> Evaluation {
        let world = self.world(state, terms, record);
        let device = device(state, &terms.repository, record, now);
        let decisions = decide(&terms.repository, &world, &device, now);
        let (mut latches, mut began, mut ended) = (Vec::new(), Vec::new(), Vec::new());
        let mut offered = Vec::new();
        for decision in &decisions {
            note(state, record, decision, &mut latches, &mut began, &mut ended);
            let first = first_offers(state, &terms.repository, record, decision);
            offered.extend(first.map(|first| (SlotName::from(&decision.slot), first)));
        }
        latches.sort();
        latches.dedup();
        let next_change = next_change(&terms.repository, &world, &device, &decisions, now);
        let groups = groups(state, record, &terms.repository, &device.facts, now);
        let slots = decisions.iter().map(|decision| self.share(outcome(decision))).collect();
        Evaluation {
            device: record.id.clone(),
            index: record.index,
            basis: state.seq,
            revision: terms.revision,
            at: now,
            slots,
            latches,
            began,
            ended,
            offered,
            groups,
            next_change,
        }
    }

    /// The decisions on one title of a device, with their whole derivation, and the device's zone.
    pub fn explain(
        &mut self,
        state: &State,
        terms: &Terms,
        record: &DeviceRecord,
        title: &TitleId,
        now: Timestamp,
    ) -> (Vec<Decision>, TimeZone) {
        let mut world = self.world(state, terms, record);
        let snapshots = terms.repository.policies.iter().filter(|policy| policy.snapshot_every.is_some());
        for moving in snapshots.map(|policy| snapshot_title(&policy.name)).chain([title.clone()]) {
            let heard = heard(state, &terms.repository, &moving, now);
            if !heard.is_empty() {
                Arc::make_mut(&mut world).gates.entry(moving).or_default().extend(heard);
            }
        }
        let device = device(state, &terms.repository, record, now);
        (decide_title(&terms.repository, &world, &device, title, now), device.zone())
    }

    fn share(&mut self, outcome: SlotOutcome) -> Arc<SlotOutcome> {
        if let Some((shared, ())) = self.outcomes.get_key_value(&outcome) {
            return shared.clone();
        }
        if self.outcomes.len() >= OUTCOMES_MOST {
            self.outcomes.clear();
        }
        let shared = Arc::new(outcome);
        self.outcomes.insert(shared.clone(), ());
        shared
    }

    /// The world as a device's universe sees it.
    pub(super) fn world(&mut self, state: &State, terms: &Terms, record: &DeviceRecord) -> Arc<World> {
        let key = record.universe.clone().unwrap_or_default();
        let universe = state.universes.get(&key);
        let distribution = universe.and_then(|universe| state.distributions.get(&universe.distribution));
        let stamp = Stamp {
            titles: state.changes.titles_revised(),
            universe: universe.map_or(0, |universe| universe.revised),
            distribution: distribution.map_or(0, |distribution| distribution.revised),
            latches: state.latches_revised,
            policy: (Arc::as_ptr(&terms.repository) as usize, terms.revision),
        };
        if let Some((known, world)) = self.worlds.get(&key)
            && *known == stamp
        {
            return world.clone();
        }
        let world = Arc::new(world(state, terms, record));
        self.worlds.insert(key, (stamp, world.clone()));
        world
    }
}

/// The groups of the fields that budgets divide by, by the names that the log has for them. What was said too long ago still says where
/// a device most likely belongs, and of whom nothing was ever said are a group too: nobody is without a budget.
pub(super) fn groups(
    state: &State,
    record: &DeviceRecord,
    repository: &Repository,
    facts: &FactSet,
    now: Timestamp,
) -> BTreeMap<SmolStr, SmolStr> {
    let fields = repository.budgets.iter().filter_map(|budget| budget.by.as_deref());
    let value = |name: &str| {
        let field: FieldRef = name.parse().ok()?;
        let resolved = facts.resolve(&field, &repository.authority, &repository.staleness, now);
        let group = match resolved.value {
            Some(Value::Text(text)) => group_name(name, text),
            Some(other) => group_name(name, &other.to_string()),
            None => group_name(name, state.plain_fact(record, name).as_deref().unwrap_or(UNKNOWN)),
        };
        Some((SmolStr::new(name), group))
    };
    fields.filter_map(value).collect()
}

/// What has to be remembered of a decision: conditions that hold, spells that began or ended.
fn note(
    state: &State,
    record: &DeviceRecord,
    decision: &Decision,
    latches: &mut Vec<(AdvisoryId, SmolStr, Timestamp)>,
    began: &mut Vec<(SlotName, Timestamp)>,
    ended: &mut Vec<SlotName>,
) {
    let slot = SlotName::from(&decision.slot);
    let obligations = &decision.derivation.obligations;
    let known = record.spells.get(&slot);
    let since = obligations.iter().filter_map(|obligation| obligation.spell).min();
    match (known, since) {
        (None, Some(since)) => began.push((slot, since)),
        // Only complying ends a spell; a title that is gone for a while does not.
        (Some(_), None) if decision.compliance == Compliance::Compliant && obligations.is_empty() => {
            // What obliged and is still open can't be closed for now, which is not complying.
            let noted = record.offered.get(&slot);
            let mut open = decision.derivation.open_exposures.iter();
            if !open.any(|open| noted.is_some_and(|noted| noted.contains_key(open.advisory.as_str()))) {
                ended.push(slot);
            }
        }
        _ => {}
    }
    for obligation in obligations {
        let Cause::Exposure { advisory, .. } = &obligation.cause else { continue };
        for clock in &obligation.clocks {
            let (Some(condition), ClockCounts::Holds { since }) = (&clock.condition, &clock.counts) else { continue };
            if !state.latches.contains_key(&(advisory.clone(), condition.clone())) {
                latches.push((advisory.clone(), condition.clone(), *since));
            }
        }
    }
}

/// The offers that clocks began with, where a universe made them and they are not noted: a universe may take back what it offers, and
/// a device may change its universe. What is published everywhere stays published.
fn first_offers<'d>(
    state: &State,
    repository: &Repository,
    record: &'d DeviceRecord,
    decision: &'d Decision,
) -> impl Iterator<Item = FirstOffered> + use<'d> {
    let slot = SlotName::from(&decision.slot);
    let universe = record.universe.as_ref().and_then(|key| state.universes.get(key));
    let offers = universe.is_some_and(|universe| universe.offers.contains_key(&slot.title));
    let policy = decision.policy.as_deref().and_then(|name| repository.policy(name)).filter(|_| offers);
    let terms = policy.map(|policy| (policy.name.clone(), target(policy)));
    let noted = record.offered.get(&slot);
    let obligations = terms.map(|terms| decision.derivation.obligations.iter().zip(std::iter::repeat(terms)));
    obligations.into_iter().flatten().filter_map(move |(obligation, (policy, target))| {
        let first = obligation.first_offer.as_ref()?;
        let installed = match obligation.cause {
            Cause::Stale => decision.installed.as_ref().map(|version| version.as_str().into()),
            _ => None,
        };
        let (arose, version) = (obligation.arose, first.version.as_str().into());
        let obligation = obligation.cause.name();
        let first = FirstOffered { obligation, policy, target, installed, version, at: first.at, arose };
        let known = noted.and_then(|noted| noted.get(&first.obligation)).map(Arc::as_ref);
        (known != Some(&first)).then_some(first)
    })
}

/// What a policy asks for, as text.
pub(super) fn target(policy: &Policy) -> SmolStr {
    let mut text = format!("{}", policy.target);
    for accepted in &policy.accept {
        text += &format!("; {}", accepted.wanted);
        if let Some(until) = &accepted.until {
            text += &format!(" until {until}");
        }
    }
    text.into()
}

fn outcome(decision: &Decision) -> SlotOutcome {
    let derivation = &decision.derivation;
    let slot = SlotName::from(&decision.slot);
    let wanted =
        |version: Option<&Version>| version.map_or(Wanted::Nothing, |version| Wanted::Release(version.as_str().into()));
    let goal = match &decision.goal {
        None => Wanted::Nothing,
        Some(Goal::Absent) => Wanted::Absent,
        Some(goal) => wanted(goal.version()),
    };
    // What is not outstanding asks for nothing.
    let outstanding = !derivation.obligations.is_empty();
    let admitted = match (&decision.goal, &decision.admitted) {
        // What is not forced removes nothing.
        (Some(Goal::Absent), _) if outstanding && decision.unsure().is_none() => Wanted::Absent,
        (_, admitted) if outstanding => wanted(admitted.as_ref()),
        _ => Wanted::Nothing,
    };
    let key = decision.policy.as_ref().map(|policy| CohortKey {
        slot: slot.clone(),
        policy: policy.clone(),
        mode: decision.mode,
        goal,
        admitted,
        rollout: decision.rollout.clone(),
        ring: decision.ring.clone(),
    });
    let first = derivation.obligations.iter().filter(|obligation| obligation.due.is_some()).min_by_key(|it| it.due);
    let due_by = first.map(|obligation| DueBy {
        obligation: obligation.cause.name(),
        provisional: decision.marks.contains(&Mark::Provisional),
        exception: obligation.exception.clone(),
        release: match obligation.cause {
            Cause::Stale => decision.installed.as_ref().map(|version| version.as_str().into()),
            _ => None,
        },
    });
    let open = derivation.open_exposures.iter().map(|open| (open.advisory.clone(), open.scores.kev.is_some()));
    let obliging = derivation.obligations.iter().filter_map(|obligation| match &obligation.cause {
        Cause::Exposure { advisory, kev } => Some((advisory.clone(), *kev)),
        _ => None,
    });
    let mut exposures: Vec<(AdvisoryId, bool)> = obliging.chain(open).collect();
    exposures.sort();
    exposures.dedup();
    let exceptions = |which: fn(&ExceptionVerdict) -> bool| {
        let considered = derivation.exceptions.iter().filter(|it| which(&it.verdict));
        considered.map(|it| it.exception.clone()).collect()
    };
    SlotOutcome {
        slot,
        installed: decision.installed.as_ref().map(|version| version.as_str().into()),
        key,
        compliance: decision.compliance,
        due: decision.due,
        due_by,
        progress: decision.progress,
        holds: decision.holds.iter().copied().collect(),
        marks: decision.marks.iter().copied().collect(),
        obligations: derivation.obligations.iter().map(|it| (it.cause.name(), it.due)).collect(),
        exposures,
        exceptions: exceptions(|verdict| matches!(verdict, ExceptionVerdict::Acts { .. })),
        unsure_exceptions: exceptions(|verdict| matches!(verdict, ExceptionVerdict::Unknown { .. })),
        hurried: derivation.rings.as_ref().is_some_and(|rings| rings.hurried),
        awaits: awaited(decision),
    }
}

fn awaited(decision: &Decision) -> Vec<Awaited> {
    let mut awaited = Vec::new();
    // Who complies already waits for nothing.
    if decision.derivation.obligations.is_empty() {
        return awaited;
    }
    // Newest first: what is older than the release that it is given is given to nobody.
    for release in &decision.derivation.releases {
        let ReleaseVerdict::PassedOver(reasons) = &release.verdict else { break };
        let [PassedOver::RingNotOpen { rollout, snapshot, ring, gate, asks }] = reasons.as_slice() else { continue };
        if awaited.is_empty() || gate.is_some() {
            awaited.push(Awaited {
                version: release.version.as_str().into(),
                snapshot: snapshot.clone(),
                rollout: rollout.clone(),
                ring: ring.clone(),
                asks: *asks,
            });
        }
    }
    awaited
}

/// Why a due time that was published is later now, or there is none although something is still to be done; `None` where
/// it is not later.
pub(super) fn later_because(
    state: &State,
    before: &super::state::Published,
    outcome: &SlotOutcome,
    revision: u64,
) -> Option<DueCause> {
    let was = before.due?;
    if outcome.obligations.is_empty() || outcome.due.is_some_and(|due| due <= was) {
        return None;
    }
    let policy = outcome.key.as_ref().map(|key| &key.policy);
    if before.revision != revision || policy != Some(&before.key.policy) {
        return Some(DueCause::Policy);
    }
    if before.over {
        return Some(DueCause::ObligationEnded);
    }
    let Some(by) = &before.due_by else { return Some(DueCause::Unexplained) };
    if !outcome.obligations.iter().any(|(name, _)| *name == by.obligation) {
        let repository = state.policy.as_ref().map(|policy| &policy.repository);
        let withdrawn = repository.and_then(|it| super::reading::known(state, it, &outcome.slot.title, &by.obligation));
        let withdrawn = withdrawn.is_some_and(|advisory| advisory.withdrawn.is_some());
        return Some(if withdrawn { DueCause::AdvisoryWithdrawn } else { DueCause::ObligationEnded });
    }
    if by.release.is_some() && by.release != outcome.installed {
        return Some(DueCause::ObligationEnded);
    }
    if by.exception.is_some() || !outcome.exceptions.is_empty() {
        return Some(DueCause::Exception);
    }
    Some(if by.provisional { DueCause::ProvisionalEnded } else { DueCause::Unexplained })
}
