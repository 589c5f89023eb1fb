//! The server around its logic, in memory: what a shell does, with a clock that is set.

use super::{Entry, HistoryError};
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::{
        Actor, AtOnce, Bearer, Board, DeviceRecord, Director, Evaluator, Event, FleetPlan, Ground, Input, Lookout,
        Outcome, PlanId, PolicyFiles, Scope, SlotName, State, Terms, decode, encode, fleet_plan_by, handle,
    },
    policy::{
        diagnostic::{Severity, render},
        load::load,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// How often what follows from what was decided is decided again before something is wrong.
const ROUNDS_MOST: usize = 200;

/// A server in memory.
pub(super) struct Stage {
    pub state: State,
    board: Board,
    pub log: Vec<Entry>,
    pub contents: BTreeMap<SmolStr, Arc<[u8]>>,
    pub personal: Vec<(SmolStr, SmolStr, Vec<u8>)>,
    pub now: Timestamp,
    pub seed: u64,
    lookout: Lookout,
    evaluator: Evaluator,
    catalog: Titles,
    plans: u32,
}

impl Stage {
    pub fn new(now: Timestamp, catalog: Titles, seed: u64) -> Stage {
        Stage {
            state: State::default(),
            board: Board::default(),
            log: Vec::new(),
            contents: BTreeMap::new(),
            personal: Vec::new(),
            now,
            seed,
            lookout: Lookout::default(),
            evaluator: Evaluator::default(),
            catalog,
            plans: 0,
        }
    }

    /// Sets the clock; it never goes back.
    pub fn at(&mut self, time: Timestamp) {
        self.now = self.now.max(time);
    }

    pub fn put(&mut self, bytes: Vec<u8>) -> SmolStr {
        let digest = digest(&bytes);
        self.contents.insert(digest.clone(), bytes.into());
        digest
    }

    /// The server is told by somebody. `what` names it, should it be refused.
    pub fn tell_as(&mut self, actor: &Actor, what: &'static str, input: Input) -> Result<Vec<Event>, HistoryError> {
        let at = self.now;
        let outcome = handle(&self.state, actor, input, at);
        let outcome = outcome.map_err(|refusal| HistoryError::Refused { at, what, refusal })?;
        let Outcome { events, personal, seen, present, effects, .. } = outcome;
        for value in personal {
            let bytes = serde_json::to_vec(&value.value)?;
            self.personal.push((value.reference.clone(), value.person.as_str().into(), bytes));
            self.state.personal.insert(value.reference, value.value);
        }
        for event in &events {
            let (kind, version, body) = encode(event, &actor.origin)?;
            // What is applied is what the log will say.
            let read = decode(kind, version, &body)?;
            let seq = self.state.seq + 1;
            self.log.push(Entry { seq, at, kind, version, actor: actor.name.clone(), body });
            let ground = Ground { catalog: &self.catalog, contents: &self.contents };
            let applied = self.state.apply(seq, at, &read, &ground);
            applied.map_err(|error| HistoryError::Unexpected { at, what: error.to_string() })?;
        }
        if let Some(index) = seen {
            self.state.note_seen(index, at);
        }
        self.state.note_all_seen(&present, at);
        for effect in effects {
            if let refit_core::control::Effect::EraseValues(person) = effect {
                for (reference, ..) in self.personal.extract_if(.., |(_, whose, _)| whose == person.as_str()) {
                    self.state.personal.remove(&reference);
                }
            }
        }
        Ok(events)
    }

    /// The server is told by itself, or by a program that it trusts.
    pub fn tell(&mut self, what: &'static str, input: Input) -> Result<Vec<Event>, HistoryError> {
        self.tell_as(&Actor::server(), what, input)
    }

    /// Decides what has to be decided, and lets rollouts go on, until nothing is left.
    pub fn settle(&mut self) -> Result<(), HistoryError> {
        for _ in 0..ROUNDS_MOST {
            self.decide()?;
            let look = Director.look(&self.state, &self.board, self.now);
            if look.inputs.is_empty() {
                return Ok(());
            }
            for input in look.inputs {
                self.tell("what a rollout asks for", input)?;
            }
        }
        Err(HistoryError::Unexpected { at: self.now, what: "it never settles".to_owned() })
    }

    fn decide(&mut self) -> Result<(), HistoryError> {
        for _ in 0..ROUNDS_MOST {
            let Some(terms) = Terms::in_force(&self.state) else { return Ok(()) };
            let due = self.lookout.due(&mut self.board, &self.state, self.now, 64);
            if due.is_empty() {
                return Ok(());
            }
            let records: Vec<_> = due.iter().filter_map(|id| self.state.device(id).cloned()).collect();
            let (state, evaluator, now) = (&self.state, &mut self.evaluator, self.now);
            let devices: Vec<_> = records.iter().map(|record| evaluator.evaluate(state, &terms, record, now)).collect();
            self.board.update(&devices);
            self.plans += 1;
            let plan = PlanId::new(format!("held-{}", self.plans));
            self.tell("what was decided", Input::Evaluated { plan, devices })?;
        }
        Err(HistoryError::Unexpected { at: self.now, what: "decisions never end".to_owned() })
    }

    /// The slots of a device that nothing holds at this moment.
    pub fn free(&mut self, record: &DeviceRecord) -> Vec<SlotName> {
        let Some(terms) = Terms::in_force(&self.state) else { return Vec::new() };
        let evaluation = self.evaluator.evaluate(&self.state, &terms, record, self.now);
        let free = evaluation.slots.iter().filter(|outcome| outcome.holds.is_empty());
        free.map(|outcome| outcome.slot.clone()).collect()
    }

    /// Somebody asks what a repository would change.
    pub fn plan(
        &mut self,
        actor: &Actor,
        id: &str,
        files: &BTreeMap<String, String>,
    ) -> Result<(PlanId, FleetPlan), HistoryError> {
        let files = PolicyFiles(files.clone());
        let read = files.files();
        let (documents, mut found) = load(&read, &Limits::default());
        let (repository, more) = resolve(&documents, &read, &self.catalog);
        found.extend(more);
        found.retain(|found| found.severity == Severity::Error);
        if !found.is_empty() {
            let text: Vec<String> = found.iter().map(|found| render(found, &read)).collect();
            return Err(HistoryError::Policy(text.concat()));
        }
        let hash = self.put(serde_json::to_vec(&files)?);
        let go_on = |_, _| ControlFlow::Continue(());
        let plan = fleet_plan_by(AtOnce::NOBODY, &self.state, Arc::new(repository), &hash, self.now, go_on);
        let at = self.now;
        let plan = plan.ok_or_else(|| HistoryError::Unexpected { at, what: "the plan was stopped".to_owned() })?;
        let content = self.put(serde_json::to_vec(&plan)?);
        let id = PlanId::new(id);
        let input = Input::MakePlan {
            plan: id.clone(),
            policy_hash: hash.clone(),
            files: hash,
            replaces: self.state.revision(),
            content,
            as_of: plan.made_at,
        };
        self.tell_as(actor, "a plan", input)?;
        Ok((id, plan))
    }

    /// A plan is carried out.
    pub fn apply(&mut self, actor: &Actor, id: PlanId, plan: &FleetPlan) -> Result<(), HistoryError> {
        let envelope = plan.envelope.iter().map(|permit| (permit.cohort.clone(), permit.devices)).collect();
        self.tell_as(actor, "applying a plan", Input::Apply { plan: id, envelope })?;
        Ok(())
    }
}

/// SHA-256, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> SmolStr {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// A person with a token of their own.
pub(super) fn person(name: &str, scopes: &[Scope]) -> Actor {
    Actor {
        name: format!("token:{name}").into(),
        owner: format!("{name}@acme.example").into(),
        bearer: Bearer::Person,
        scopes: scopes.iter().copied().collect(),
        origin: "192.0.2.7".into(),
    }
}

/// A time so many hours later.
pub(super) fn hours(time: Timestamp, hours: i64) -> Timestamp {
    time.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(time)
}
