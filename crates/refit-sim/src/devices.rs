//! What happens on devices: agents start, are woken, carry out effects, are killed between any two of them; clocks go wrong, people
//! answer and change things, disks are full, are copied and put back.

use super::{
    agent::Agent,
    config::Form,
    faults::Fault,
    packages::{Besides, busy},
    plant::Plant,
    quality::Breaks,
    run::{Run, Stop, Task},
    traffic::Message,
    watch::{Invariant, agents as judge, changes, disruption},
};
use jiff::SignedDuration;
use refit_agent::machine::{Change, Complaint, Effect, Input, PersonSaid, Presence, Telling};
use refit_model::{DeviceId, TitleId};
use refit_wire::{mandate::check::Step, state::Busy};
use std::collections::VecDeque;

/// The most agents that a run may have.
const AGENTS_MOST: usize = 40;
/// How long a shell waits for an answer, in seconds.
pub(super) const CALL: i64 = 300;

impl Run {
    /// One more device, whose agent enrols soon.
    pub fn new_agent(&mut self, number: usize) {
        if self.agents.len() >= self.agents_most() {
            return;
        }
        let cloned = self.fault(Fault::ClonedId, 60, |run| &mut run.devices);
        let twin = self.devices.below(self.agents.len() as u64) as usize;
        let copied = self.devices.permille(700);
        let who = self.number() as usize;
        let twin = self.agents.get(twin).filter(|_| cloned);
        let device = twin.map_or_else(|| DeviceId::new(format!("d{number}")), |twin| twin.device.clone());
        let agent = match twin.filter(|_| copied) {
            Some(twin) => Agent::copy_of(who, twin, self.now),
            // It was given the same id, and has a history of its own.
            None => Agent::new(who, device, &mut self.devices, self.now),
        };
        self.agents.push(agent);
        self.begins(self.agents.len() - 1);
    }

    fn agents_most(&self) -> usize {
        AGENTS_MOST.max(self.config.devices * 6 / 5)
    }

    fn begins(&mut self, index: usize) {
        let (start, live) = (self.devices.between(10, 1_000), self.devices.between(3_600, 40_000));
        self.after(start, Task::Boot(index));
        self.after(live, Task::Live(index));
    }

    /// The agent starts on what is on its disk, or the device is enrolled first.
    pub fn boot(&mut self, index: usize) -> Result<(), Stop> {
        let now = self.now;
        let Some(agent) = self.agents.get_mut(index) else { return Ok(()) };
        if agent.machine.is_some() {
            return Ok(());
        }
        if let Some(until) = agent.asleep.filter(|until| *until > now) {
            self.after(until.duration_since(now).as_secs() + 1, Task::Boot(index));
            return Ok(());
        }
        if self.config.plant == Some(Plant::SavesLost)
            && agent.image.journal.as_ref().is_some_and(|journal| journal.counter % 5 == 4)
            && let Some(before) = agent.image.ledger.old.clone()
        {
            (agent.image.journal, agent.image.documents) = before;
        }
        if let Some(journal) = &mut agent.image.journal {
            match self.config.plant {
                Some(Plant::ReportsDropped) => journal.receipts.clear(),
                Some(Plant::RestartsForgotten) => {
                    journal.restarts.clear();
                    journal.restart.iter_mut().for_each(|pending| pending.restarted = None);
                }
                _ => {}
            }
        }
        let Some(machine) = agent.image.open()? else { return self.enrol(index) };
        self.begin(index, machine)
    }

    /// A machine begins to live.
    pub(super) fn begin(&mut self, index: usize, machine: refit_agent::machine::Machine) -> Result<(), Stop> {
        let random = [self.devices.next(), self.devices.next()].map(u64::to_be_bytes).concat();
        let random = random.try_into().unwrap_or_default();
        let presence = self.presence();
        let Some(agent) = self.agents.get_mut(index) else { return Ok(()) };
        agent.kill();
        agent.presence = Presence::default();
        if self.config.plant == Some(Plant::ClockHidden) {
            agent.set_clock(86_400, self.now);
        }
        agent.image.ledger.starts();
        let found = judge::order_never_goes_down(agent, machine.journal());
        agent.machine = Some(machine);
        let boot = format!("{}-{}", agent.who, agent.boots).into();
        self.watch.judge(Invariant::OrderNeverGoesDown, found)?;
        self.drive(index, Input::Started { random, boot })?;
        self.uses(index, presence)
    }

    /// How a device is used now.
    fn presence(&mut self) -> Presence {
        let attended = self.devices.permille(500);
        let in_use = attended || self.devices.permille(300);
        let busy = if self.calm { None } else { self.devices.permille(150).then(|| self.devices.below(4)) };
        let kinds = [Busy::Call, Busy::ScreenShare, Busy::Focus, Busy::CalendarBusy];
        let busy = busy.and_then(|kind| kinds.get(kind as usize).copied());
        Presence { in_use, attended, busy: busy.into_iter().collect() }
    }

    /// An agent is told how its device is used.
    fn uses(&mut self, index: usize, presence: Presence) -> Result<(), Stop> {
        if let Some(agent) = self.agents.get_mut(index) {
            agent.presence = presence.clone();
        }
        let told = match self.config.plant {
            Some(Plant::BusyHidden) => Presence { busy: Default::default(), ..presence },
            _ => presence,
        };
        self.drive(index, Input::Presence(told))
    }

    /// The time that the machine asked for has come.
    pub fn wake(&mut self, index: usize) -> Result<(), Stop> {
        let now = self.now;
        let Some(agent) = self.agents.get_mut(index).filter(|agent| agent.machine.is_some()) else { return Ok(()) };
        agent.wake = None;
        if let Some(until) = agent.asleep.filter(|until| *until > now) {
            let place = self.after(until.duration_since(now).as_secs() + 1, Task::Wake(index));
            self.wakes(index, place);
            return Ok(());
        }
        let presence = self.presence();
        self.uses(index, presence)?;
        self.drive(index, Input::Woken)
    }

    /// A later wake takes the place of an earlier one.
    fn wakes(&mut self, index: usize, place: (jiff::Timestamp, u64)) {
        let before = self.agents.get_mut(index).and_then(|agent| agent.wake.replace(place));
        if let Some(before) = before {
            self.never_mind(before);
        }
    }

    /// What an agent of that life was waiting for is there.
    pub fn hear(&mut self, index: usize, life: u64, input: Input) -> Result<(), Stop> {
        let now = self.now;
        let Some(agent) = self.agents.get(index).filter(|agent| agent.life == life && agent.machine.is_some()) else {
            return Ok(());
        };
        if let Some(until) = agent.asleep.filter(|until| *until > now) {
            self.after(until.duration_since(now).as_secs() + 1, Task::Hear(index, life, Box::new(input)));
            return Ok(());
        }
        if input == Input::Person(PersonSaid::Now)
            && let Some(agent) = self.agents.get_mut(index)
        {
            agent.image.ledger.agrees();
        }
        self.drive(index, input)
    }

    /// Days on a device: clocks go wrong, people change what is installed, it sleeps for weeks, is switched off, its disk fills, an
    /// image is made of it, and it is put back to one.
    pub fn live(&mut self, index: usize) {
        let fleet = self.config.form == Form::Rollouts;
        let again = if fleet { self.devices.between(43_200, 129_600) } else { self.devices.between(7_200, 60_000) };
        self.after(again, Task::Live(index));
        let copied = self.fault(Fault::ClonedId, 8, |run| &mut run.devices);
        if copied && self.agents.len() < self.agents_most() {
            let (who, now) = (self.number() as usize, self.now);
            self.agents.extend(
                self.agents.get(index).map(|agent| Agent::copy_of(who, agent, now)).into_iter().collect::<Vec<_>>(),
            );
            self.begins(self.agents.len() - 1);
        }
        let jumps = self.fault(Fault::ClockJumps, 30, |run| &mut run.devices);
        let drifts = self.fault(Fault::ClockDrifts, 30, |run| &mut run.devices);
        let sleeps = self.fault(Fault::LongSleep, 40, |run| &mut run.devices);
        let fills = self.fault(Fault::AgentDiskFull, 30, |run| &mut run.devices);
        let back = self.fault(Fault::ImageRestored, 12, |run| &mut run.devices);
        let (jump, gain) = (self.devices.between(-500_000, 500_000), self.devices.between(-300, 300));
        let (sleep, full) = (self.devices.between(86_400, 25 * 86_400), self.devices.between(3_600, 40_000));
        let (off, makes_image) = (self.devices.permille(500), self.devices.permille(150));
        let often = if fleet { 15 } else { 350 };
        let (people_change, which, says) =
            (self.devices.permille(often), self.devices.below(12), self.devices.permille(if fleet { 4 } else { 30 }));
        let (set_right, now) = (self.devices.permille(400), self.now);
        let who = if back { self.number() as usize } else { 0 };
        let Some(agent) = self.agents.get_mut(index) else { return };
        // Who complains of something does not go away meanwhile.
        let complains = agent.complains_until.is_some_and(|until| now < until);
        let (jumps, sleeps, back) = (jumps && !complains, sleeps && !complains, back && !complains);
        if drifts {
            agent.set_clock(0, now);
            agent.gains = gain;
        } else if jumps {
            agent.set_clock(jump, now);
        } else if set_right {
            agent.set_clock(0, now);
        }
        if people_change {
            let ledger = &mut agent.image.ledger;
            ["browser", "guard", "editor", "curl"].iter().for_each(|package| ledger.put_back(package));
            match which {
                0 => drop(agent.image.packages.remove("browser")),
                1 => drop(agent.image.packages.insert("browser".into(), "1.0.0".into())),
                2 => drop(agent.image.packages.insert("guard".into(), "1.0.0".into())),
                3 => drop(agent.image.packages.remove("guard")),
                // What is older is put back by hand.
                4..7 => drop(agent.image.packages.insert("editor".into(), "1.0.0".into())),
                7..11 => drop(agent.image.packages.insert("curl".into(), "7.1-1".into())),
                // Its sources are changed.
                _ => agent.universe = if agent.universe == "debian-0" { "debian-1" } else { "debian-0" }.into(),
            }
        }
        if fills {
            agent.full_until = now.checked_add(SignedDuration::from_secs(full)).ok();
        }
        if makes_image {
            agent.backup = Some(agent.image.clone());
        }
        if back && let Some(image) = agent.backup.clone().filter(|image| image.journal.is_some()) {
            agent.reboot(now);
            (agent.who, agent.image) = (who, image);
            self.after(60, Task::Boot(index));
        } else if sleeps {
            agent.asleep = now.checked_add(SignedDuration::from_secs(sleep)).ok();
            if off {
                agent.reboot(now);
                self.after(sleep + 60, Task::Boot(index));
            }
        } else if says && agent.machine.is_some() {
            let said = PersonSaid::Complains(Complaint { title: None, text: "it is slow".into() });
            let life = agent.life;
            self.after(1, Task::Hear(index, life, Box::new(Input::Person(said))));
        }
    }

    /// The agent is gone, or the whole machine, and comes back after a while.
    fn kill(&mut self, index: usize, seconds: i64, machine_too: bool) {
        let now = self.now;
        let Some(agent) = self.agents.get_mut(index) else { return };
        if machine_too {
            agent.reboot(now);
        } else {
            agent.kill();
        }
        self.after(seconds, Task::Boot(index));
    }

    /// Steps a machine, and carries out what it wants, until it waits for something.
    pub fn drive(&mut self, index: usize, input: Input) -> Result<(), Stop> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let (now, plant) = (self.now, self.config.plant);
            let Some(agent) = self.agents.get_mut(index) else { return Ok(()) };
            let mut clock = agent.clock(now);
            if plant == Some(Plant::ClockHidden) {
                clock.wall = now;
            }
            let Some(machine) = &mut agent.machine else { return Ok(()) };
            for effect in machine.step(input, clock) {
                let killed = self.fault(Fault::AgentKilled, 3, |run| &mut run.disk);
                if killed {
                    let machine_too = self.disk.permille(300);
                    let seconds = self.disk.between(5, 4_000);
                    self.kill(index, seconds, machine_too);
                    return Ok(());
                }
                if self.carry_out(index, effect, &mut inputs)?.is_none() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Carries out one effect. `None`: the agent has ended.
    fn carry_out(&mut self, index: usize, effect: Effect, inputs: &mut VecDeque<Input>) -> Result<Option<()>, Stop> {
        let now = self.now;
        let calm = self.calm;
        let Some(agent) = self.agents.get_mut(index) else { return Ok(None) };
        if agent.is_full(now) && !calm && matches!(effect, Effect::Keep(..) | Effect::Save) {
            // What can't be written must not be followed by what depends on it: the agent ends.
            self.lately.insert(Fault::AgentDiskFull);
            let seconds = self.disk.between(300, 7_200);
            self.kill(index, seconds, false);
            return Ok(None);
        }
        match effect {
            Effect::Keep(_, envelope) => {
                agent.image.documents.insert(envelope.digest(), envelope);
            }
            Effect::Save => {
                let Some(machine) = &agent.machine else { return Ok(None) };
                let journal = machine.journal().clone();
                if self.config.plant == Some(Plant::SavesLost) && journal.counter % 5 == 0 {
                    agent.image.ledger.old = Some((Some(journal.clone()), agent.image.documents.clone()));
                }
                let found = judge::order_never_goes_down(agent, &journal);
                agent.image.ledger.saved(&journal);
                agent.image.save(&journal);
                self.watch.judge(Invariant::OrderNeverGoesDown, found)?;
            }
            Effect::Ask { call, ask } => {
                let (life, serial, device) = (agent.life, agent.image.serial.clone(), agent.device.clone());
                agent.out = Some(call);
                self.send(Message { agent: index, life, call, ask, serial, device })?;
            }
            Effect::ReadInventory { restarting, .. } => {
                inputs.push_back(Input::Inventory(Ok(agent.reading(&self.sources, &restarting))));
            }
            Effect::Simulate { session, changes } => {
                let besides = match self.devices.below(100) {
                    0..10 => Besides::Upgrade,
                    10..16 => Besides::Install,
                    _ => Besides::Nothing,
                };
                let more = self.fault(Fault::MorePackages, 300, |run| &mut run.disk);
                let strange = self.fault(Fault::StrangeSource, 20, |run| &mut run.disk);
                let busily = self.fault(Fault::PackageManagerBusy, 30, |run| &mut run.disk);
                let plant = self.config.plant;
                let besides = if more { besides } else { Besides::Nothing };
                let Some(agent) = self.agents.get(index) else { return Ok(None) };
                let result = if busily || (agent.is_full(now) && !calm) {
                    Err(busy("somebody else uses the package manager"))
                } else {
                    let mut steps = agent.simulate(&changes, besides, strange);
                    if plant == Some(Plant::StepsHidden) {
                        steps.retain(|step| step.package.name != "toolbar");
                    }
                    Ok(steps)
                };
                inputs.push_back(Input::Simulated { session, result });
            }
            Effect::Apply { session, changes, steps } => return self.apply(index, session, changes, steps, inputs),
            Effect::Observe { session, packages } => {
                let observed = agent.observe(packages.iter());
                inputs.push_back(Input::Observed { session, result: Ok(observed) });
            }
            Effect::Tell(telling) => {
                if let Telling::Notice { items, .. } = &telling {
                    agent.image.ledger.told(items.iter().map(|item| (item.title.clone(), item.version.clone())));
                }
                self.tell(index, &telling);
            }
            Effect::Log(..) => {}
            Effect::Restart => {
                let wall = agent.wall(now);
                let lately = judge::restarts_within_limit(&mut agent.image.ledger, now);
                let found = lately
                    .map(|found| format!("{}: {found}", agent.device))
                    .or_else(|| judge::valid_time(&agent.image.ledger, wall, now));
                let braked = judge::brake_is_honoured(&agent.image.ledger, "a restart");
                self.watch.judge(Invariant::RestartsWithinLimit, found)?;
                self.watch.judge(Invariant::BrakeIsHonoured, braked)?;
                let needs = agent.restart.clone();
                self.kill(index, 60, true);
                if self.fault(Fault::RestartNotEnough, 700, |run| &mut run.disk)
                    && let Some(agent) = self.agents.get_mut(index)
                {
                    agent.restart = needs;
                }
                return Ok(None);
            }
            Effect::Wake(after) => {
                let seconds = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
                let place = self.after(seconds, Task::Wake(index));
                self.wakes(index, place);
            }
        }
        Ok(Some(()))
    }

    /// The person at the machine is told something, and perhaps answers.
    fn tell(&mut self, index: usize, telling: &Telling) {
        let answers = telling.answers();
        let said = self.people.pick(&answers).cloned();
        let silent = self.people.permille(300);
        let seconds = self.people.between(5, 3_000);
        let life = self.agents.get(index).map(|agent| agent.life);
        if let (Some(said), Some(life), false) = (said, life, silent || self.calm) {
            self.after(seconds, Task::Hear(index, life, Box::new(Input::Person(said))));
        }
    }

    /// The package manager changes what is installed. Whoever kills it finds some of it done.
    fn apply(
        &mut self,
        index: usize,
        session: u64,
        changes: Vec<Change>,
        mut steps: Vec<Step>,
        inputs: &mut VecDeque<Input>,
    ) -> Result<Option<()>, Stop> {
        let now = self.now;
        let killed = self.fault(Fault::KilledWhileApplying, 60, |run| &mut run.disk);
        let fails = self.fault(Fault::DirectiveFails, 100, |run| &mut run.disk);
        let done = self.disk.below(steps.len() as u64 + 1) as usize;
        let failing = self.disk.below(steps.len() as u64) as usize;
        let fleet = self.config.form == Form::Rollouts;
        let (needs_restart, seconds) = (self.disk.permille(if fleet { 60 } else { 500 }), self.disk.between(1, 900));
        let (calm, plant) = (self.calm, self.config.plant);
        match plant {
            Some(Plant::StepsHidden) => {
                if let Some(agent) = self.agents.get(index) {
                    steps.extend(agent.simulate(&[], Besides::Install, false));
                }
            }
            Some(Plant::OlderInstalled) => {
                for after in steps.iter_mut().filter_map(|step| step.after.as_mut()) {
                    *after = if after.starts_with("7.1-") { "7.0-1" } else { "0.9.0" }.into();
                }
            }
            Some(Plant::OthersChanged) => {
                for step in steps.iter_mut().filter(|step| step.package.name == "curl") {
                    step.after = Some("7.1-99".into());
                }
            }
            _ => {}
        }
        let states = &self.watch.truth.states;
        let Some(agent) = self.agents.get_mut(index) else { return Ok(None) };
        let late = if plant == Some(Plant::ChangedLate) { 2 * 86_400 } else { 0 };
        let wall = agent.wall(now.checked_add(SignedDuration::from_secs(late)).unwrap_or(now));
        let mut found =
            judge::only_what_was_named(agent, states, &steps, wall).map(|it| (Invariant::OnlyWhatWasNamed, it));
        let time = judge::valid_time(&agent.image.ledger, agent.wall(now), now);
        let mandate = judge::mandate_holds(&steps);
        let floors = judge::never_below_floors(&agent.image.ledger, &steps);
        let floors = floors.map(|found| format!("{}: {found}", agent.device));
        let braked = judge::brake_is_honoured(&agent.image.ledger, "a change");
        let (leases, fold, truth) = (&self.watch.leases, &self.watch.fold, &self.watch.truth);
        let leased =
            disruption::told(agent, states).and_then(|told| leases.began_with_lease(agent, truth, told, &steps, now));
        let begun = changes::Begun { agent, fold, truth, bounds: &self.watch.bounds, wall, now };
        let begins = [
            (Invariant::LeaseOutlivesSession, leased),
            (Invariant::InsideOpenRing, begun.inside_open_ring(&steps)),
            (Invariant::FreezesHold, begun.freezes_hold(&steps)),
            (Invariant::WindowsHold, begun.windows_hold(&steps)),
            (Invariant::BusyPeopleAreLeftAlone, begun.busy_people_are_left_alone(&steps)),
            (Invariant::HaltedTouchesNobody, begun.halted_touches_nobody(&steps)),
            (Invariant::NobodyIsForcedTwice, begun.nobody_is_forced_twice(&steps)),
        ];
        let mut broken = Vec::new();
        for (position, step) in steps.iter().enumerate() {
            if (killed && position >= done) || (fails && position == failing) {
                continue;
            }
            let (title, version) = (TitleId::new(&step.package.name), step.after.clone().unwrap_or_default());
            let bad = truth.qualities.get(&(title.clone(), version.clone()));
            let bad = bad.filter(|bad| bad.breaks_on(&agent.device, &title, &version)).map(|bad| bad.breaks);
            broken.extend(bad.map(|breaks| (breaks, title, version, step.before.clone())));
            if bad == Some(Breaks::Installing) {
                continue;
            }
            agent.carry_out(step);
            agent.image.ledger.changed(states, step);
            if needs_restart {
                agent.restart.machine = vec!["new files".into()];
                agent.restart.packages.insert(step.package.clone());
            }
        }
        if plant == Some(Plant::ChangesUndone) {
            // The package manager says that it is done, and undoes it.
            for step in &steps {
                let undone = Step { after: step.before.clone(), ..step.clone() };
                if step.before.is_some() && seconds % 2 == 0 {
                    agent.carry_out(&undone);
                }
            }
        }
        let mut observed = agent.observe(steps.iter().map(|step| &step.package));
        observed.duration_ms = u64::try_from(seconds).unwrap_or(0) * 1_000;
        let fails = fails || broken.iter().any(|(breaks, ..)| *breaks == Breaks::Installing);
        if fails {
            observed.problems.push("a script failed".into());
        }
        let _ = changes;
        let life = agent.life;
        self.watch.judge(Invariant::OnlyWhatWasNamed, found.take().map(|(_, it)| it))?;
        self.watch.judge(Invariant::NoChangeWithoutTime, time)?;
        self.watch.judge(Invariant::MandateHolds, mandate)?;
        self.watch.judge(Invariant::NeverBelowFloors, floors)?;
        self.watch.judge(Invariant::BrakeIsHonoured, braked)?;
        for (invariant, found) in begins {
            self.watch.judge(invariant, found)?;
        }
        let mut silent = false;
        for (breaks, title, version, before) in broken {
            match breaks {
                Breaks::Installing | Breaks::Crashes => {}
                Breaks::Complaints => {
                    let after = self.disk.between(600, 14_400);
                    if let Some(agent) = self.agents.get_mut(index) {
                        agent.complains_until = now.checked_add(SignedDuration::from_hours(72)).ok();
                    }
                    self.after(after, Task::Complain(index, title, version));
                }
                Breaks::Silently if self.calm => self.watch.bounds.spares((title, version)),
                Breaks::Silently => {
                    // Some say before that it was installed.
                    let after = if self.disk.permille(500) { 0 } else { self.disk.between(900, 5_400) };
                    silent |= after == 0;
                    self.after(after, Task::Silenced(index, title.as_str().into(), before));
                }
            }
        }
        if silent {
            return Ok(Some(()));
        }
        if killed {
            let (again, machine_too) = (self.disk.between(5, 20_000), self.disk.permille(500));
            self.kill(index, again, machine_too);
            return Ok(None);
        }
        let input = Input::Observed { session, result: Ok(observed) };
        if calm {
            inputs.push_back(input);
        } else {
            self.after(seconds, Task::Hear(index, life, Box::new(input)));
        }
        Ok(Some(()))
    }

    /// All clocks are right, and every agent says all that it has to say, and does what it is told.
    pub fn everybody_reports(&mut self) -> Result<(), Stop> {
        for index in 0..self.agents.len() {
            self.now = self.now.checked_add(SignedDuration::from_secs(120)).unwrap_or(self.now);
            self.tick()?;
            let now = self.now;
            // Whom a release has silenced is heard again once that has been taken off it.
            if let Some((package, before)) = self.agents.get(index).and_then(|agent| agent.silenced.clone()) {
                self.repaired(index, package, before);
            }
            let Some(agent) = self.agents.get_mut(index) else { continue };
            agent.set_clock(0, now);
            (agent.asleep, agent.full_until) = (None, None);
            agent.presence = Presence::default();
            agent.kill();
            self.boot(index)?;
            for check_in in 0..80 {
                // A disk that was put back is refused as often as it has come since.
                let answered = self.agents.get(index).is_none_or(|agent| agent.image.ledger.last().is_some());
                if check_in >= 6 && answered {
                    break;
                }
                self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap_or(self.now);
                self.drive(index, Input::CheckInNow)?;
                if self.agents.get(index).is_none_or(|agent| agent.machine.is_none()) {
                    self.boot(index)?;
                }
            }
        }
        Ok(())
    }
}
