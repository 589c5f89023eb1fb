//! The server's shell around the control logic, as thin as it gets: batches, appends, crashes, starts, decisions.

use super::{
    plant::Plant,
    store::{AppendError, AppendFault, Entry, Store, entry},
};
use jiff::Timestamp;
use refit_core::control::{
    Actor, Board, Director, Effect, Evaluation, Evaluator, Event, Input, Look, Lookout, PlanId, Refusal, State, Terms,
    handle,
};
use refit_model::DeviceId;
use refit_wire::Digest;
use std::{collections::BTreeMap, sync::Arc};

/// A running server. All of it is lost in a crash.
#[derive(Debug)]
pub struct Server {
    /// What the log adds up to, as far as it knows.
    pub state: State,
    /// What is said of every device.
    pub board: Board,
    /// What decides.
    pub evaluator: Evaluator,
    /// Decisions that were made and not told yet.
    pub decided: Vec<Evaluation>,
    /// What looks out for devices that have to be decided.
    pub lookout: Lookout,
    /// The state that each device is told.
    pub told: BTreeMap<DeviceId, Arc<Told>>,
}

/// A state that was made for a device.
#[derive(Debug)]
pub struct Told {
    /// The digest of its content without its number.
    pub content: Digest,
    /// The digest of its payload.
    pub digest: Digest,
    /// The state itself.
    pub document: refit_wire::State,
}

/// When the server is killed while it takes a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It is not.
    Never,
    /// Before the events are durable.
    BeforeAppend,
    /// When they are, and it does not know.
    AfterAppend,
    /// Before it does what follows from them.
    BeforeEffects,
}

/// What came of a batch.
#[derive(Debug, PartialEq)]
pub enum Batch {
    /// It is durable; what came of each input.
    Done(Vec<Result<Vec<Event>, Refusal>>),
    /// Nobody may believe that anything of it is durable.
    Failed,
    /// The server is gone.
    Crashed,
}

/// What may go wrong with a batch.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// With the append.
    pub append: AppendFault,
    /// With the server.
    pub crash: Crash,
}

impl Weather {
    /// Nothing goes wrong.
    pub const FAIR: Weather = Weather { append: AppendFault::None, crash: Crash::Never };
}

impl Server {
    /// Starts on what is durable. Being told is the caller's next step, since it may fail.
    pub fn open(store: &mut Store, plant: Option<Plant>) -> Result<Server, String> {
        let mut state = store.open()?;
        if plant != Some(Plant::ErasureForgotten) {
            store.sweep(&mut state);
        }
        Ok(Server {
            state,
            board: Board::default(),
            evaluator: Evaluator::default(),
            decided: Vec::new(),
            lookout: Lookout::default(),
            told: BTreeMap::new(),
        })
    }

    /// Takes inputs in one batch: all of their events become durable, or none.
    pub fn batch(
        &mut self,
        store: &mut Store,
        inputs: Vec<(Actor, Input)>,
        now: Timestamp,
        weather: Weather,
        plant: Option<Plant>,
    ) -> Result<Batch, String> {
        let mut working = self.state.clone();
        let (mut entries, mut effects, mut answers): (Vec<Entry>, Vec<Effect>, Vec<_>) = Default::default();
        // Time never goes back, whatever the clock does.
        let at = if plant == Some(Plant::ClockTrusted) { now } else { now.max(working.clock) };
        for (actor, input) in inputs {
            if let Some(plant) = plant {
                plant.before_input(&mut working, &input);
            }
            let outcome = match handle(&working, &actor, input, now) {
                Ok(outcome) => outcome,
                Err(refusal) => {
                    answers.push(Err(refusal));
                    continue;
                }
            };
            for value in outcome.personal {
                working.personal.insert(value.reference.clone(), value.value.clone());
                store.personal.insert(value.reference, (value.person, value.value));
            }
            for event in &outcome.events {
                let (entry, read) = entry(working.seq + 1, at, &actor, event)?;
                working.apply(entry.seq, at, &read, &store.ground()).map_err(|error| error.to_string())?;
                entries.push(entry);
            }
            if let Some(index) = outcome.seen {
                working.note_seen(index, at);
            }
            working.note_all_seen(&outcome.present, at);
            effects.extend(outcome.effects);
            answers.push(Ok(outcome.events));
        }
        if let Some(plant) = plant {
            plant.after_batch(&mut working);
        }
        if weather.crash == Crash::BeforeAppend {
            return Ok(Batch::Crashed);
        }
        match store.append(self.state.seq, entries, weather.append) {
            Ok(()) => self.state = working,
            Err(AppendError::Failed) if plant == Some(Plant::AcknowledgedTooEarly) => return Ok(Batch::Done(answers)),
            Err(_) => {
                // Whether it is durable is read from the log itself.
                store.catch_up(&mut self.state)?;
                self.sweep(store, plant);
                return Ok(Batch::Failed);
            }
        }
        if matches!(weather.crash, Crash::AfterAppend | Crash::BeforeEffects) {
            return Ok(Batch::Crashed);
        }
        let erases = effects.iter().any(|effect| matches!(effect, Effect::EraseValues(_)));
        for effect in effects {
            if let Effect::EraseValues(person) = effect
                && plant != Some(Plant::ErasureForgotten)
            {
                store.personal.retain(|_, (whose, _)| *whose != person);
            }
        }
        if erases {
            self.sweep(store, plant);
        }
        Ok(Batch::Done(answers))
    }

    fn sweep(&mut self, store: &mut Store, plant: Option<Plant>) {
        if plant != Some(Plant::ErasureForgotten) {
            store.sweep(&mut self.state);
        }
    }

    /// Decides some of the devices that have to be decided, and tells nobody yet.
    pub fn decide(&mut self, now: Timestamp, most: usize, plant: Option<Plant>) {
        let now = now.max(self.state.clock);
        let state = self.reads(plant);
        let Some(terms) = Terms::in_force(&state) else { return };
        let due = self.lookout.due(&mut self.board, &state, now, most);
        let records: Vec<_> = due.iter().filter_map(|id| state.device(id).cloned()).collect();
        let (state, evaluator) = (&state, &mut self.evaluator);
        self.decided = records.iter().map(|record| evaluator.evaluate(state, &terms, record, now)).collect();
        if let Some(plant) = plant {
            plant.after_deciding(&mut self.decided);
        }
    }

    /// How rollouts go on.
    pub fn direct(&self, now: Timestamp, plant: Option<Plant>) -> Look {
        Director.look(&self.reads(plant), &self.board, now.max(self.state.clock))
    }

    /// The state, as whoever decides reads it.
    fn reads(&self, plant: Option<Plant>) -> State {
        let mut state = self.state.clone();
        if let Some(plant) = plant {
            plant.before_deciding(&mut state);
        }
        state
    }

    /// Tells what was decided. The board learns of it when it is durable, or else it would not be decided again.
    pub fn tell_decided(
        &mut self,
        store: &mut Store,
        plan: PlanId,
        now: Timestamp,
        weather: Weather,
        plant: Option<Plant>,
    ) -> Result<Batch, String> {
        let devices = std::mem::take(&mut self.decided);
        let told =
            if plant == Some(Plant::DecisionsDropped) && devices.len() == 1 { Vec::new() } else { devices.clone() };
        let input = Input::Evaluated { plan, devices: told };
        let batch = self.batch(store, vec![(Actor::server(), input)], now, weather, plant)?;
        if matches!(batch, Batch::Done(_)) {
            self.board.update(&devices);
        }
        Ok(batch)
    }

    /// When the quarter of an hour that is being gathered is over.
    pub fn presence_due(&self) -> Option<Timestamp> {
        self.state.presence_due()
    }
}
