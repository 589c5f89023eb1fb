//! Between agents and the server: what is sent, lost, repeated and delayed, and what comes of it.

use super::{
    agent::{Agent, Report},
    faults::Fault,
    plant::Plant,
    run::{Run, Stop, Task},
    watch::Invariant,
};
use jiff::SignedDuration;
use refit_core::control::{Actor, Bearer, Input, Observation, Scope, SlotName, Wanted};
use refit_model::{DeviceId, TitleId};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What an agent sends when it checks in.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    agent: usize,
    check_in: u64,
    enrol: bool,
    observation: Observation,
    reports: Vec<Report>,
    installed: BTreeMap<TitleId, SmolStr>,
}

/// The most agents that a run may have.
const AGENTS_MOST: usize = 40;

impl Run {
    /// One more agent, which enrols soon.
    pub fn new_agent(&mut self, number: usize) {
        if self.agents.len() >= AGENTS_MOST {
            return;
        }
        let cloned = self.fault(Fault::ClonedId, 60, |run| &mut run.devices);
        let twin = self.devices.below(self.agents.len() as u64) as usize;
        let twin = self.agents.get(twin).filter(|_| cloned).map(|twin| (twin.device.clone(), twin.universe.clone()));
        let device = twin.as_ref().map_or_else(|| DeviceId::new(format!("d{number}")), |(device, _)| device.clone());
        let mut agent = Agent::new(self.agents.len(), device, &mut self.devices, self.now);
        if let Some((_, universe)) = twin {
            agent.universe = universe;
        }
        self.agents.push(agent);
        let seconds = self.devices.between(10, 1_000);
        self.after(seconds, Task::Wake(self.agents.len() - 1));
    }

    /// An agent wakes up: its clock goes wrong, people change what is installed, it checks in or sleeps on.
    pub fn wake(&mut self, index: usize) {
        let jumps = self.fault(Fault::ClockJumps, 25, |run| &mut run.devices);
        let drifts = self.fault(Fault::ClockDrifts, 25, |run| &mut run.devices);
        let sleeps = self.fault(Fault::LongSleep, 25, |run| &mut run.devices);
        let (jump, gain) = (self.devices.between(-500_000, 500_000), self.devices.between(-300, 300));
        let sleep = self.devices.between(86_400, 25 * 86_400);
        let again = self.devices.between(3_600, 40_000);
        let now = self.now;
        let people_change = self.devices.permille(30);
        let which = self.devices.below(4);
        let Some(agent) = self.agents.get_mut(index) else { return };
        if drifts {
            agent.gains = gain;
        }
        if jumps {
            (agent.ahead, agent.since) = (jump, now);
        } else if self.devices.permille(100) {
            // Its clock is set right.
            (agent.ahead, agent.since) = (0, now);
        }
        if people_change {
            match which {
                0 => drop(agent.installed.remove(&TitleId::new("browser"))),
                1 => drop(agent.installed.insert(TitleId::new("browser"), "1.0.0".into())),
                2 => drop(agent.installed.insert(TitleId::new("guard"), "1.0.0".into())),
                _ => drop(agent.installed.remove(&TitleId::new("guard"))),
            }
        }
        if sleeps {
            self.after(sleep, Task::Wake(index));
            return;
        }
        self.after(again, Task::Wake(index));
        self.send(index);
    }

    fn send(&mut self, index: usize) {
        let message = self.message(index);
        let Some(message) = message else { return };
        if self.fault(Fault::MessageLost, 40, |run| &mut run.network) {
            return;
        }
        if self.fault(Fault::MessageRepeated, 40, |run| &mut run.network) {
            let later = self.network.between(1, 90_000);
            self.after(later, Task::Deliver(Box::new(message.clone())));
        }
        let delayed = self.fault(Fault::MessageDelayed, 40, |run| &mut run.network);
        let seconds = if delayed { self.network.between(4_000, 200_000) } else { self.network.between(0, 5) };
        self.after(seconds, Task::Deliver(Box::new(message)));
    }

    fn message(&mut self, index: usize) -> Option<Message> {
        let now = self.now;
        let agent = self.agents.get_mut(index)?;
        let offers = agent.universe.as_ref().map(|universe| self.sources.offers(universe)).unwrap_or_default();
        let enrol = !agent.enrolled;
        let observation = agent.observation(&mut self.devices, now, offers);
        Some(Message {
            agent: index,
            check_in: agent.check_ins,
            enrol,
            observation,
            reports: agent.receipts.clone(),
            installed: agent.installed.clone(),
        })
    }

    /// A message arrives at the server, if there is one.
    pub fn deliver(&mut self, message: Message) -> Result<(), Stop> {
        if self.server.is_none() {
            return Ok(());
        }
        let device = message.observation.device.clone();
        let actor = Actor {
            name: format!("device:{device}").into(),
            owner: format!("device:{device}").into(),
            bearer: Bearer::Program,
            scopes: [Scope::Facts].into_iter().collect(),
        };
        // Whoever comes through the door is enrolled there; asking for it again does no harm.
        let mut inputs = self.at_the_door(&actor, &device, message.check_in);
        if message.enrol {
            inputs.push((actor.clone(), Input::Enrol { device: device.clone(), name: None }));
        }
        inputs.push((actor.clone(), Input::Observe(message.observation)));
        let first_report = inputs.len();
        for report in &message.reports {
            inputs.push((actor.clone(), receipt(&device, report)));
        }
        let Some(answers) = self.give(inputs)? else { return Ok(()) };
        let observed = answers.get(first_report - 1).is_some_and(Result::is_ok);
        if observed {
            let heard = self.server_now();
            self.watch.heard.heard(&device, heard);
        }
        if self.fault(Fault::ReplyLost, 40, |run| &mut run.network) {
            return Ok(());
        }
        let managed = self.server.as_ref().and_then(|server| server.state.device(&device)).cloned();
        let Some(agent) = self.agents.get_mut(message.agent) else { return Ok(()) };
        agent.enrolled = true;
        if !observed {
            return Ok(());
        }
        agent.acknowledge(message.check_in, message.installed, &message.reports);
        self.delivered.extend(message.reports.iter().map(|report| report.id.clone()));
        let asked = managed.iter().flat_map(|record| &record.published);
        let asked = asked.filter(|(_, published)| published.key.admitted != Wanted::Nothing);
        let directives: BTreeMap<SlotName, Wanted> =
            asked.map(|(slot, published)| (slot.clone(), published.key.admitted.clone())).collect();
        let new = !directives.is_empty() && agent.directives != directives;
        agent.directives = directives;
        if new {
            let seconds = self.devices.between(600, 4 * 86_400);
            self.after(seconds, Task::CarryOut(message.agent));
        }
        Ok(())
    }

    /// An agent does one thing that it was told.
    pub fn carry_out(&mut self, index: usize) {
        let fails = self.fault(Fault::DirectiveFails, 120, |run| &mut run.devices);
        let restart = self.devices.permille(80);
        let now = self.now;
        let drops = self.config.plant == Some(Plant::ReportsDropped);
        let Some(agent) = self.agents.get_mut(index) else { return };
        if agent.carry_out(fails, restart, now) {
            if drops {
                self.delivered.extend(agent.receipts.drain(..).map(|report| report.id));
            }
            self.after(60, Task::CarryOut(index));
        }
    }

    /// All clocks are right, and every agent says all that it has to say.
    pub fn everybody_reports(&mut self) -> Result<(), Stop> {
        for index in 0..self.agents.len() {
            if let Some(agent) = self.agents.get_mut(index) {
                (agent.ahead, agent.gains, agent.since) = (0, 0, self.now);
            }
            self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap_or(self.now);
            if let Some(message) = self.message(index) {
                self.deliver(message)?;
            }
        }
        self.receipts_arrive()
    }

    /// Every receipt counts in the end: what a server acknowledged is in the log.
    fn receipts_arrive(&mut self) -> Result<(), Stop> {
        let counted: std::collections::BTreeSet<_> =
            self.watch.fold.receipts.iter().map(|(_, id)| id.clone()).collect();
        let gone: Vec<DeviceId> =
            self.watch.fold.devices.iter().filter(|device| !device.managed).map(|device| device.id.clone()).collect();
        let lost = self.delivered.iter().find(|id| {
            let number: Option<usize> = id.trim_start_matches('r').split('-').next().and_then(|it| it.parse().ok());
            let agent = number.and_then(|number| self.agents.get(number));
            !counted.contains(*id) && agent.is_some_and(|agent| !gone.contains(&agent.device))
        });
        let found = lost.map(|id| format!("receipt {id} was acknowledged and never counted"));
        Ok(self.watch.judge(Invariant::ReceiptsArrive, found)?)
    }
}

fn receipt(device: &DeviceId, report: &Report) -> Input {
    Input::Receipt {
        device: device.clone(),
        receipt: report.id.clone(),
        slot: report.slot.clone(),
        result: report.result,
        before: report.before.clone(),
        after: report.after.clone(),
        at: report.at,
        duration_ms: 1_000,
        output: None,
    }
}
