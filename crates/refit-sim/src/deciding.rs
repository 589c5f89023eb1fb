//! What the server decides: devices first, and where none is left, how rollouts go on.

use super::{
    config::Form,
    faults::Fault,
    run::{Run, Stop, Task},
    server::Batch,
    watch::{Invariant, nothing_changes_early},
};
use jiff::SignedDuration;
use refit_core::control::{Actor, Evaluation};

impl Run {
    /// Decides some devices; where none is left, rollouts go on. Whether there was something to do.
    pub(super) fn decide(&mut self) -> Result<bool, Stop> {
        let (now, plant) = (self.server_now(), self.config.plant);
        let fleet = self.config.form == Form::Rollouts;
        let (most, looks) = if fleet { (128, 4) } else { (16, 120) };
        let Some(server) = &mut self.server else { return Ok(false) };
        if !server.decided.is_empty() {
            return Ok(true);
        }
        server.decide(now, most, plant);
        if server.decided.is_empty() {
            let look = server.direct(now, plant);
            if !look.inputs.is_empty() {
                let inputs = look.inputs.into_iter().map(|input| (Actor::server(), input)).collect();
                if self.give(inputs)?.is_none() {
                    self.after(60, Task::Decide);
                }
                return Ok(true);
            }
            if let Some(wake) = server.board.wake().into_iter().chain(look.next).min() {
                let seconds = wake.duration_since(now).as_secs().clamp(if fleet { 600 } else { 1 }, 40 * 86_400);
                let place = self.after(seconds + 1, Task::Decide);
                // A later wake takes the place of an earlier one.
                if let Some(before) = self.decide_wake.replace(place) {
                    self.never_mind(before);
                }
            }
            return Ok(false);
        }
        for evaluation in &server.decided {
            if !self.look.permille(looks) {
                continue;
            }
            let horizon = evaluation.next_change.map_or(20 * 86_400, |at| at.duration_since(evaluation.at).as_secs());
            let at = evaluation
                .at
                .checked_add(SignedDuration::from_secs(self.look.between(0, horizon.clamp(0, 60 * 86_400))));
            let Ok(at) = at else { continue };
            let found = nothing_changes_early(&mut server.evaluator, &server.state, evaluation, at);
            self.watch.judge(Invariant::NothingChangesEarly, found)?;
        }
        if self.fault(Fault::CrashWhileDeciding, 10, |run| &mut run.disk) {
            self.crash();
            return Ok(true);
        }
        let later = self.fault(Fault::StaleDecision, 60, |run| &mut run.disk);
        let seconds = if later { self.disk.between(600, 7_200) } else { 0 };
        self.after(seconds, Task::TellDecided);
        Ok(true)
    }

    pub(super) fn tell_decided(&mut self) -> Result<(), Stop> {
        let plan = self.plan_id();
        let weather = self.weather();
        let (now, plant) = (self.server_now(), self.config.plant);
        let Some(server) = self.server.as_mut().filter(|server| !server.decided.is_empty()) else { return Ok(()) };
        // What was decided on something that has changed since is dropped, and counts for nothing.
        let state = &server.state;
        let counts = |evaluation: &&Evaluation| {
            let revised = state.device(&evaluation.device).map(|record| state.revised_for(record));
            revised.is_some_and(|revised| revised.max(state.revised_for_all()) <= evaluation.basis)
        };
        let counted: Vec<_> = server.decided.iter().filter(counts).cloned().collect();
        let batch = server.tell_decided(&mut self.store, plan, now, weather, plant)?;
        if matches!(batch, Batch::Done(_)) {
            self.watch.decided(&server.state, &counted)?;
        }
        if self.after_batch(batch)?.is_none() {
            self.after(600, Task::Decide);
        }
        Ok(())
    }
}
