//! The calm at the end of a run, and now and then in its middle: nothing goes wrong, and what has to come of everything is compared.

use super::{
    run::{Run, Stop},
    watch::Invariant,
};
use jiff::SignedDuration;
use refit_core::control::{Actor, Input};

impl Run {
    /// Faults stop, the brake is released, everything is said again, and all is decided: now what is published has to be what
    /// is decided, and nothing may be lost.
    pub(super) fn calm_down(&mut self) -> Result<(), Stop> {
        self.calm = true;
        let result = self.calmly();
        self.calm = false;
        result
    }

    fn calmly(&mut self) -> Result<(), Stop> {
        if self.server.is_none() {
            self.start(self.lost)?;
        }
        self.give(vec![(Actor::server(), Input::GoOn { why: "calm".into() })])?;
        // A server that has just started tells nobody anything before it has decided.
        self.everything_is_decided()?;
        self.everybody_reports()?;
        self.presence_is_written()?;
        self.everything_is_decided()?;
        // What was decided is done, as far as it may be done now, and reported.
        self.everybody_reports()?;
        self.agents_follow()?;
        self.presence_is_written()?;
        self.everything_is_decided()?;
        let now = self.server_now();
        if let Some(server) = &self.server {
            // Every device is looked at here: what looks out for changes is held to it.
            let unsettled = server.board.due(&server.state, now.max(server.state.clock), 1);
            let found = unsettled.first().map(|device| format!("{device} never settles"));
            self.watch.judge(Invariant::SettledIsDecided, found)?;
            self.watch.settled(&server.state, now)?;
            self.watch.replays(&self.store, &server.state)?;
        }
        Ok(())
    }

    /// Who came without news after weeks is decided anew once that is in the log, a quarter of an hour later.
    fn presence_is_written(&mut self) -> Result<(), Stop> {
        self.now = self.now.checked_add(SignedDuration::from_mins(20)).unwrap_or(self.now);
        self.give(vec![(Actor::server(), Input::Tick)])?;
        Ok(())
    }

    fn everything_is_decided(&mut self) -> Result<(), Stop> {
        for _ in 0..200 + self.agents.len() * 4 {
            if !self.decide()? {
                break;
            }
            self.tell_decided()?;
        }
        Ok(())
    }

    /// Whoever may come holds what it was told last, and has told everything; what a server acknowledged is in the log.
    fn agents_follow(&mut self) -> Result<(), Stop> {
        let (now, receipts) = (self.server_now(), &self.watch.fold.receipts);
        let Some(server) = &self.server else { return Ok(()) };
        let state = &server.state;
        let (mut behind, mut untold) = (None, None);
        for agent in &self.agents {
            let Some(journal) = &agent.image.journal else { continue };
            let record = state.device(&agent.device).filter(|record| record.quarantined.is_none());
            let counts = state.agents.certificate(&agent.device, &agent.image.serial, now).is_some();
            if record.is_none() || !counts {
                continue;
            }
            let held = journal.state.as_ref().map(|held| held.digest);
            if agent.image.ledger.last().is_none() || held != agent.image.ledger.last() || !journal.receipts.is_empty()
            {
                let problems: Vec<_> = journal.problems.iter().map(|it| format!("{}: {}", it.code, it.what)).collect();
                behind = behind.or_else(|| {
                    Some(format!(
                        "{} holds {held:?}, and was told {:?}; {} receipts; {problems:?}",
                        agent.device,
                        agent.image.ledger.last(),
                        journal.receipts.len()
                    ))
                });
            }
            let counted = |id: &smol_str::SmolStr| {
                let of = (agent.device.clone(), id.clone());
                receipts.contains(&of) || self.excused.contains(&of)
            };
            let found = agent.image.ledger.untold(Some(journal), counted);
            untold = untold.or_else(|| {
                found.map(|found| {
                    format!("{}: {found}; {:?}, {:?}", agent.device, agent.image.packages, journal.session)
                })
            });
        }
        let lost = self.delivered.iter().find(|of| !receipts.contains(of));
        let lost = lost.map(|(device, id)| format!("receipt {id} of {device} was acknowledged and never counted"));
        self.watch.judge(Invariant::AgentsFollow, behind)?;
        self.watch.judge(Invariant::ChangesAreTold, untold)?;
        self.watch.judge(Invariant::ReceiptsArrive, lost)?;
        Ok(())
    }
}
