//! Between agents and the server: what is sent, lost, repeated and delayed, and what comes of it.

use super::{
    devices::CALL,
    faults::Fault,
    run::{Run, Stop, Task},
};
use refit_agent::machine::{Ask, Failure, Input};
use refit_model::DeviceId;
use smol_str::SmolStr;

/// What an agent sends.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub agent: usize,
    pub life: u64,
    pub call: u64,
    pub ask: Ask,
    pub serial: SmolStr,
    pub device: DeviceId,
}

impl Run {
    /// An agent sends something.
    pub(super) fn send(&mut self, message: Message) -> Result<(), Stop> {
        if let Ask::CheckIn(said) = &message.ask
            && let Some(agent) = self.agents.get(message.agent)
        {
            let links = said.history.iter().flat_map(|history| history.links.first());
            for link in links {
                // A copy that was made while a check-in was unanswered does that one again: it is whose who drew it.
                let known = (message.device.clone(), *link);
                self.watch.truth.links.entry(known).or_insert(agent.who);
            }
            self.watch.truth.agents.entry(message.device.clone()).or_default().insert(agent.who);
        }
        if self.calm {
            return self.deliver(message);
        }
        let unreachable = Input::Answered { call: message.call, result: Err(Failure::Unreachable("lost".into())) };
        let (agent, life) = (message.agent, message.life);
        if self.fault(Fault::MessageLost, 40, |run| &mut run.network) {
            self.after(CALL, Task::Hear(agent, life, Box::new(unreachable)));
            return Ok(());
        }
        if self.fault(Fault::MessageRepeated, 40, |run| &mut run.network) {
            let latest = self.config.form.latest();
            let later = self.network.between(1, latest);
            self.after(later, Task::Deliver(Box::new(message.clone())));
        }
        if self.fault(Fault::MessageDelayed, 40, |run| &mut run.network) {
            // Nobody waits for so long.
            let latest = self.config.form.latest();
            let seconds = self.network.between((latest / 20).max(CALL + 1), latest);
            self.after(CALL, Task::Hear(agent, life, Box::new(unreachable)));
            self.after(seconds, Task::Deliver(Box::new(message)));
            return Ok(());
        }
        // Now and then something else happens in between.
        let seconds = self.network.between(-20, 5);
        if seconds < 0 {
            return self.deliver(message);
        }
        self.after(seconds, Task::Deliver(Box::new(message)));
        Ok(())
    }

    /// A message arrives at the server, if there is one, and its answer at the agent, if that still waits.
    pub fn deliver(&mut self, message: Message) -> Result<(), Stop> {
        let Message { agent: index, life, call, ask, serial, device } = message;
        let answered = match self.answer(&device, &serial, &ask)? {
            Ok(answered) => answered,
            Err(failure) => {
                let refused = matches!(&failure, Failure::Refused { status: 401, .. });
                self.reach(index, life, call, Err(failure))?;
                if refused {
                    self.refused(index, life, &device)?;
                }
                return Ok(());
            }
        };
        if self.fault(Fault::ReplyLost, 40, |run| &mut run.network) {
            let lost = Input::Answered { call, result: Err(Failure::Unreachable("lost".into())) };
            self.after(CALL, Task::Hear(index, life, Box::new(lost)));
            return Ok(());
        }
        let now = self.now;
        let waits = self.agents.get_mut(index).filter(|agent| agent.life == life && agent.out == Some(call));
        if let Some(agent) = waits.filter(|agent| agent.asleep.is_none_or(|until| until <= now)) {
            let wall = agent.wall(now);
            if let Some(serial) = &answered.serial {
                agent.image.serial = serial.clone();
            }
            if let Some(confirmed) = answered.confirmed {
                agent.image.ledger.answered(confirmed, wall, now);
                self.delivered.extend(answered.receipts.into_iter().map(|id| (device.clone(), id)));
            }
            return self.reach(index, life, call, Ok(answered.bytes));
        }
        Ok(())
    }

    /// An answer reaches an agent.
    fn reach(&mut self, index: usize, life: u64, call: u64, result: Result<Vec<u8>, Failure>) -> Result<(), Stop> {
        if let Some(agent) = self.agents.get_mut(index).filter(|agent| agent.life == life && agent.out == Some(call)) {
            agent.out = None;
            return self.hear(index, life, Input::Answered { call, result });
        }
        Ok(())
    }

    /// A device is refused: sooner or later somebody enrols it again.
    fn refused(&mut self, index: usize, life: u64, device: &DeviceId) -> Result<(), Stop> {
        let again = self.people.permille(150) && !self.calm;
        let managed = self.server.as_ref().is_some_and(|server| server.state.device(device).is_some());
        if let Some(agent) = self.agents.get_mut(index).filter(|agent| agent.life == life && again && managed) {
            agent.kill();
            agent.image.journal = None;
            return self.enrol(index);
        }
        Ok(())
    }
}
