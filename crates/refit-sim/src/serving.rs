//! The server's life: batches, what goes wrong with them, what is looked at afterwards, its end and its start.

use super::{
    config::Form,
    faults::Fault,
    plant::Plant,
    run::{Answers, Run, Stop, Task},
    server::{Batch, Crash, Server, Weather},
    store::AppendFault,
    watch::Invariant,
};
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{Actor, Event, Input};
use std::collections::BTreeSet;

impl Run {
    /// Gives the server inputs as one batch. `None`: nobody can say what came of it.
    pub fn give(&mut self, inputs: Vec<(Actor, Input)>) -> Result<Option<Answers>, Stop> {
        let weather = self.weather();
        let (now, plant) = (self.server_now(), self.config.plant);
        let Some(server) = &mut self.server else { return Ok(None) };
        let batch = server.batch(&mut self.store, inputs, now, weather, plant)?;
        self.after_batch(batch)
    }

    /// What goes wrong with the next batch.
    pub(super) fn weather(&mut self) -> Weather {
        let mut weather = Weather::FAIR;
        if self.fault(Fault::DiskFull, 2, |run| &mut run.disk) {
            let hours = self.disk.between(1, 12);
            self.full_until = self.now.checked_add(SignedDuration::from_hours(hours)).ok();
        }
        if self.full_until.is_some_and(|until| until > self.now) && !self.calm {
            self.lately.insert(Fault::DiskFull);
            weather.append = AppendFault::Fails;
        } else if self.fault(Fault::AppendFails, 15, |run| &mut run.disk) {
            weather.append = AppendFault::Fails;
        } else if self.fault(Fault::AckLost, 15, |run| &mut run.disk) {
            weather.append = AppendFault::AckLost;
        }
        if self.fault(Fault::CrashBeforeAppend, 6, |run| &mut run.disk) {
            weather.crash = Crash::BeforeAppend;
        } else if self.fault(Fault::CrashAfterAppend, 6, |run| &mut run.disk) {
            weather.crash = Crash::AfterAppend;
        } else if self.fault(Fault::CrashBeforeEffects, 6, |run| &mut run.disk) {
            weather.crash = Crash::BeforeEffects;
        }
        weather
    }

    pub(super) fn after_batch(&mut self, batch: Batch) -> Result<Option<Answers>, Stop> {
        self.look_at_new_entries()?;
        match batch {
            Batch::Done(answers) => {
                self.store.lease = Some(self.server_now());
                let events: Vec<&Event> = answers.iter().flatten().flatten().collect();
                self.acknowledged_is_durable(&events)?;
                let gathering = self.server.as_ref().and_then(|server| server.presence_due());
                if gathering.is_some() && !self.tick_queued {
                    self.tick_queued = true;
                    self.after(900, Task::Tick);
                }
                let decides = self.server.as_ref();
                let decides = decides.is_some_and(|server| server.decided.is_empty() && server.state.policy.is_some());
                if decides && !self.decide_queued {
                    self.decide_queued = true;
                    // A large fleet is decided at its own pace.
                    let seconds = if self.config.form == Form::Rollouts { 600 } else { 5 };
                    self.after(seconds, Task::Decide);
                }
                Ok(Some(answers))
            }
            Batch::Failed => Ok(None),
            Batch::Crashed => {
                self.crash();
                Ok(None)
            }
        }
    }

    /// What was acknowledged is durable: the newest events of the log are the ones that the batch said.
    fn acknowledged_is_durable(&mut self, events: &[&Event]) -> Result<(), Stop> {
        let newest = self.store.entries.iter().skip(self.store.entries.len().saturating_sub(events.len()));
        let missing = newest.zip(events).find(|(entry, event)| entry.event().as_ref() != Ok(**event));
        let found = missing.map(|(_, event)| format!("`{}` was acknowledged and is not in the log", event.kind()));
        self.watch.judge(Invariant::AcknowledgedIsDurable, found)?;
        Ok(())
    }

    fn look_at_new_entries(&mut self) -> Result<(), Stop> {
        self.watch.truth.now = self.now;
        let known = self.store.entries.partition_point(|entry| entry.seq <= self.watch.fold.seq);
        let new: Vec<_> = self.store.entries.iter().skip(known).cloned().collect();
        for entry in new {
            let event = entry.event()?;
            *self.events.entry(entry.kind).or_default() += 1;
            for fault in std::mem::take(&mut self.lately) {
                *self.coverage.entry((entry.kind, fault)).or_default() += 1;
            }
            let transitions = self.watch.transitions(&entry, &event);
            if !transitions.is_empty() {
                let faults = self.faults_of_the_last_hour();
                transitions.into_iter().for_each(|it| self.transitions.happened(it, &faults));
            }
            self.lease_outlives_session(&event)?;
            self.watch.entry(&entry, &event, &self.store)?;
            match &event {
                Event::DeviceEnrolled(enrolled) => self.watch.heard.enrolled(&enrolled.device, entry.at),
                // It was heard although nobody may have said so: the answer to a batch can be lost.
                Event::DeviceObserved(observed) if observed.check_in.is_some() => {
                    self.watch.heard.heard(&observed.device, entry.at);
                }
                Event::PersonErased(erased) => self.sources.erased(&erased.person, &mut self.watch.truth),
                Event::PresenceSeen(seen) => {
                    let Some(server) = &self.server else { continue };
                    let ids =
                        seen.devices.iter().filter_map(|index| server.state.by_index.get(index as usize).cloned());
                    let ids: Vec<_> = ids.collect();
                    if server.state.seq >= entry.seq {
                        let found = self.watch.heard.downtime_is_no_absence(&server.state, &ids, seen.to);
                        self.watch.judge(Invariant::DowntimeIsNoAbsence, found)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks at the device whose lease was given back.
    fn lease_outlives_session(&mut self, event: &Event) -> Result<(), Stop> {
        let Event::LeaseReturned(returned) = event else { return Ok(()) };
        let agents: Vec<_> = self.agents.iter().filter(|it| Some(&it.device) == returned.holder.device()).collect();
        let spec = self.watch.fold.policy.as_ref().and_then(|(_, _, files)| self.watch.truth.specs.get(files));
        let watch = &self.watch;
        let found = spec.and_then(|spec| watch.leases.outlives_session(event, &agents, &watch.truth, spec, self.now));
        self.watch.judge(Invariant::LeaseOutlivesSession, found)?;
        Ok(())
    }

    fn faults_of_the_last_hour(&mut self) -> BTreeSet<Fault> {
        let now = self.now;
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at).as_secs() > 3_600) {
            self.recent.pop_front();
        }
        self.recent.iter().map(|(_, fault)| *fault).collect()
    }

    /// The server is gone, and comes back after a while.
    pub fn crash(&mut self) {
        if self.server.take().is_none() {
            return;
        }
        self.watch.heard.lost();
        // It renews its lease every few seconds for as long as it lives, and not before its start is written.
        if std::mem::take(&mut self.listening) {
            self.store.lease = Some(self.server_now());
        }
        let long = self.fault(Fault::LongDowntime, 150, |run| &mut run.disk);
        let seconds = if long { self.disk.between(86_400, 8 * 86_400) } else { self.disk.between(5, 1_800) };
        self.lost = self.server_now();
        self.after(seconds, Task::Start { lost: self.lost });
    }

    pub(super) fn start(&mut self, lost: Timestamp) -> Result<(), Stop> {
        if self.server.is_some() {
            return Ok(());
        }
        let mut elsewhere = false;
        if self.fault(Fault::Restore, 60, |run| &mut run.disk)
            && let Some((backup, erased)) = self.backup.clone()
        {
            // What devices reported since is lost with the log; they are not told. An erasure is lost with it too.
            let contents = std::mem::replace(&mut self.store, backup).contents;
            self.store.contents.extend(contents);
            self.watch.truth.erased = erased;
            self.excused.extend(self.watch.fold.receipts.iter().cloned());
            self.delivered.clear();
            self.watch.truth.now = self.now;
            self.watch.truth.restored = Some(self.now);
            self.watch.restored(&self.store, self.server_now())?;
            elsewhere = true;
        }
        if self.fault(Fault::ServerClockSteps, 150, |run| &mut run.disk) {
            self.server_ahead = self.disk.between(-2_400, 2_400);
        }
        let server = Server::open(&mut self.store, self.config.plant)?;
        self.server = Some(server);
        let now = self.server_now();
        let alive_until = match self.config.plant {
            Some(Plant::DowntimeHidden) => Some(now),
            _ if elsewhere => None,
            _ => self.store.lease,
        };
        self.watch.heard.downtimes.push((lost, now));
        let start = Input::Start { program: "0.1.0".into(), alive_until };
        if self.give(vec![(Actor::server(), start)])?.is_none() {
            // A server that can't write its start does not begin to listen.
            self.crash();
        }
        self.listening = self.server.is_some();
        let elsewhere = elsewhere || self.door_due.take().unwrap_or(false);
        if self.server.is_none() {
            self.door_due = Some(elsewhere);
            return Ok(());
        }
        self.open_door(elsewhere)
    }

    pub(super) fn tick(&mut self) -> Result<(), Stop> {
        let due = self.server.as_ref().and_then(|server| server.presence_due());
        if due.is_none_or(|due| due > self.server_now().max(self.watch.fold.at.unwrap_or_default())) {
            return Ok(());
        }
        let done = self.give(vec![(Actor::server(), Input::Tick)])?;
        if done.is_none() {
            self.after(300, Task::Tick);
        }
        let fleet = self.config.form == Form::Rollouts;
        if self.look.permille(if fleet { 30 } else { 100 })
            && let Some(server) = &self.server
        {
            self.store.snapshot(&server.state)?;
            if self.look.permille(300) {
                self.backup = Some((self.store.clone(), self.watch.truth.erased.clone()));
            }
        }
        Ok(())
    }
}
