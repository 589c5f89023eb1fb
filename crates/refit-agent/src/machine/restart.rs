//! Restarts of the machine: when the person agrees, or when they are due, within window and rate; never because a server says
//! so about a machine on which nothing waits for one.

use super::{
    Clock, Effect, Exchange, Machine, PendingRestart, Severity, Telling, after, before,
    first_seen::{name, version_of},
    session::slot,
    timing::{frozen, is_busy, window, zone},
};
use jiff::Timestamp;
use refit_model::entry::{ReceiptResult, SlotName};
use refit_wire::{
    protocol::Receipt,
    state::{Action, AfterDue, Directive, PackageName, RestartMode, System, Terms},
};
use smol_str::SmolStr;

/// How long a person has who is told that the machine restarts at once, in seconds.
const LEAST_WARNING_SECONDS: u64 = 600;
/// How long a machine that was told to restart has for it, in seconds.
const RESTART_AGAIN_SECONDS: u64 = 6 * 3_600;

impl Machine {
    /// Why the machine has to restart; empty where it has not.
    pub(super) fn restart_reasons(&self) -> &[SmolStr] {
        self.life.as_ref().map(|life| life.restart.machine.as_slice()).unwrap_or_default()
    }

    /// A change is installed, and does not run yet.
    pub(super) fn await_restart(
        &mut self,
        package: &PackageName,
        receipt: &Receipt,
        terms: &Terms,
        due: Option<Timestamp>,
        now: Clock,
    ) {
        let pending = self.journal.restart.get_or_insert_with(|| PendingRestart {
            since: now.wall,
            waiting: Vec::new(),
            packages: Vec::new(),
            terms: terms.clone(),
            due,
            told: None,
            agreed: false,
            restarted: None,
        });
        // What came since, no restart has seen yet.
        pending.restarted = None;
        // The strictest of what was changed together decides.
        if strictness(terms.reboot) > strictness(pending.terms.reboot) {
            pending.terms = terms.clone();
        }
        pending.due = pending.due.into_iter().chain(due).min();
        pending.waiting.push(receipt.clone());
        pending.packages.push(package.clone());
    }

    /// The packages that wait for a restart, as far as the agent remembers.
    pub(super) fn restarting_packages(&self) -> Vec<PackageName> {
        self.journal.restart.as_ref().map(|pending| pending.packages.clone()).unwrap_or_default()
    }

    /// A state asks for a restart that this agent remembers nothing of: its journal was lost, or put back. The next time that the
    /// machine is read shows whether what is installed waits for one still, or whether it has been restarted meanwhile; either way the
    /// server hears of it, as of a change of the agent's own. Whether there was anything to look for.
    fn find_restart(&mut self, directive: &Directive, terms: &Terms, now: Clock) -> bool {
        let is_quiet = self.life.as_ref().is_some_and(|life| life.exchange == Exchange::Idle && !life.stale);
        let waits = |pending: &PendingRestart| pending.waiting.iter().any(|receipt| receipt.slot == slot(directive));
        let is_told = self.journal.receipts.iter().any(|receipt| receipt.slot == slot(directive));
        if !is_quiet || is_told || self.journal.restart.as_ref().is_some_and(waits) {
            // It is known of, or the server will know in a moment.
            return true;
        }
        let Some((package, version)) = self.installed_of(directive) else { return false };
        if !self.journal.restarts_found.insert(directive.id.clone()) {
            return false;
        }
        let receipt = Receipt {
            id: self.draw_name(),
            directive: directive.id.clone(),
            slot: slot(directive),
            result: ReceiptResult::RestartPending,
            before: None,
            after: Some(version),
            at: now.wall,
            duration_ms: 0,
            output: String::new(),
        };
        // That somebody asks is no change that a restart has not seen.
        let restarted = self.journal.restart.as_ref().and_then(|pending| pending.restarted);
        self.await_restart(&package, &receipt, terms, directive.due, now);
        if let Some(pending) = &mut self.journal.restart {
            pending.restarted = restarted;
        }
        self.step.changed = true;
        true
    }

    /// The directives by which the state asks for a restart of a slot.
    fn restarts_asked(&self, of: &SlotName) -> Vec<SmolStr> {
        let directives = self.trust.state.iter().flat_map(|state| &state.directives);
        let restarts = directives.filter(|directive| directive.action == Action::Restart && slot(directive) == *of);
        restarts.map(|directive| directive.id.clone()).collect()
    }

    /// The package that a directive's title is here, and its version.
    fn installed_of(&self, directive: &Directive) -> Option<(PackageName, SmolStr)> {
        let inventory = self.life.as_ref()?.inventory.as_ref()?;
        let title = &directive.title;
        let own = title.as_str().split_once('/').and_then(|(namespace, name)| {
            Some(PackageName { system: System::from_namespace(namespace)?, name: name.into() })
        });
        let permitted = self.trust.mandate.as_ref().and_then(|mandate| mandate.titles.get(title));
        let named = permitted.into_iter().flat_map(|permit| permit.packages.iter().cloned());
        let mut packages = own.into_iter().chain(named);
        packages.find_map(|package| {
            let version = version_of(inventory, &name(&package))?.clone();
            Some((package, version))
        })
    }

    pub(super) fn agree_to_restart(&mut self) {
        if let Some(pending) = &mut self.journal.restart {
            pending.agreed = true;
            self.step.changed = true;
        }
    }

    /// The machine was read, and it was looked for whether these packages wait for a restart: what runs by now has succeeded.
    pub(super) fn observe_restarted(&mut self, looked_for: &[PackageName], now: Clock) {
        let (Some(mut pending), Some(life)) = (self.journal.restart.take(), &self.life) else { return };
        let still = life.restart.clone();
        let waiting = std::mem::take(&mut pending.waiting).into_iter().zip(std::mem::take(&mut pending.packages));
        for (receipt, package) in waiting.collect::<Vec<_>>() {
            if still.packages.contains(&package) || !looked_for.contains(&package) {
                pending.waiting.push(receipt);
                pending.packages.push(package);
                continue;
            }
            self.journal.restarts_found.extend(self.restarts_asked(&receipt.slot));
            self.step.changed = true;
            // Somebody has changed it meanwhile: what runs by now is not what the receipt is about, and the inventory says what it is.
            let inventory = self.life.as_ref().and_then(|life| life.inventory.as_ref());
            let installed = inventory.and_then(|inventory| version_of(inventory, &name(&package)));
            if installed.is_some() && installed != receipt.after.as_ref() {
                continue;
            }
            let id = self.draw_name();
            let done = Receipt { id, result: ReceiptResult::Succeeded, at: now.wall, output: String::new(), ..receipt };
            self.journal.receipts.push(done);
        }
        let over = pending.waiting.is_empty() && still.machine.is_empty();
        self.journal.restart = Some(pending).filter(|_| !over);
        self.step.changed |= over;
    }

    /// Restarts, or says that it will, where the time has come.
    pub(super) fn consider_restart(&mut self, now: Clock) {
        if self.journal.session.is_some() {
            return;
        }
        let is_asked_for = self.note_restart_directive(now);
        let Some(pending) = self.journal.restart.clone() else { return };
        if self.may_start(now).is_err() || self.restart_reasons().is_empty() {
            return;
        }
        // The state leaves it out where too many of a group are away, or where nobody wants it any more. A person may all the same.
        if !is_asked_for && !pending.agreed {
            return;
        }
        let Some(life) = &self.life else { return };
        // It was told to, and will in a moment; where it could not, there is no use in asking all the time.
        if life.restarted.is_some_and(|at| now.monotonic.saturating_sub(at).as_secs() < RESTART_AGAIN_SECONDS) {
            return;
        }
        let attended = life.presence.attended;
        // One that has not helped is no better the next minute.
        let again = pending.restarted.map(|at| after(at, RESTART_AGAIN_SECONDS)).filter(|_| !pending.agreed);
        if let Some((again, restarted)) = again.zip(pending.restarted)
            && (restarted..again).contains(&now.wall)
        {
            let why = self.restart_reasons().join("; ");
            let what = format!("the machine was restarted at {restarted}, and a restart is waited for still: {why}");
            self.remember("restart", what, now);
            self.step.wakes.push(again);
            return;
        }
        let at = self.restart_at(&pending, now);
        if attended && pending.told.is_none() && pending.terms.reboot != RestartMode::Never {
            let at = at.map(|at| at.max(after(now.wall, LEAST_WARNING_SECONDS)));
            self.emit(Effect::Tell(Telling::RestartNeeded { since: pending.since, at }));
            if let Some(known) = &mut self.journal.restart {
                known.told = Some(now.wall);
            }
            self.step.changed = true;
            self.step.wakes.extend(at);
            return;
        }
        let warned = pending.told.map(|told| after(told, LEAST_WARNING_SECONDS)).filter(|_| attended);
        let at = if pending.agreed { Some(now.wall) } else { at.map(|at| warned.map_or(at, |warned| at.max(warned))) };
        let Some(at) = at else { return };
        if now.wall < at {
            self.step.wakes.push(at);
            return;
        }
        if !pending.agreed
            && let Some(until) = is_busy(
                &life.presence,
                &pending.terms.relaunch.not_while,
                pending.terms.relaunch.wait_seconds,
                pending.due,
                now,
            )
        {
            self.step.wakes.extend(until);
            return;
        }
        self.restart(pending, now);
    }

    /// When the machine restarts without having been asked to; `None` is: not by itself.
    fn restart_at(&self, pending: &PendingRestart, now: Clock) -> Option<Timestamp> {
        let state = self.trust.state.as_ref()?;
        let attended = self.life.as_ref().is_some_and(|life| life.presence.attended);
        if pending.terms.reboot != RestartMode::AtDue {
            return None;
        }
        if let Some(to) = frozen(&pending.terms.freezes, now.wall) {
            return Some(to);
        }
        let overdue = pending.due.is_some_and(|due| due <= now.wall);
        let window_opens = window(pending.terms.window.as_ref(), &zone(state), pending.due, now.wall).ok()?;
        match window_opens {
            // In an open window nobody is disturbed who is not there.
            None if overdue || (!attended && pending.terms.window.is_some()) => Some(now.wall),
            None => pending.due,
            Some(opens) => {
                let waits = pending.terms.window.as_ref().is_some_and(|terms| terms.after_due == AfterDue::Wait);
                if waits { opens.map(|opens| pending.due.map_or(opens, |due| opens.max(due))) } else { pending.due }
            }
        }
    }

    fn restart(&mut self, pending: PendingRestart, now: Clock) {
        let day_ago = before(now.wall, 86_400);
        self.journal.restarts.retain(|at| *at > day_ago);
        let most = self.limits().restarts_per_day;
        if self.journal.restarts.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            let what = format!("a restart waits: the mandate allows {most} in a day");
            self.problem("limit", what, now);
            self.step.wakes.extend(self.journal.restarts.first().map(|first| after(*first, 86_400)));
            return;
        }
        self.journal.restarts.push(now.wall);
        if let Some(life) = &mut self.life {
            life.restarted = Some(now.monotonic);
        }
        self.journal.restart = Some(PendingRestart { agreed: false, told: None, restarted: Some(now.wall), ..pending });
        self.step.changed = true;
        self.emit(Effect::Log(
            Severity::Notice,
            "the machine restarts, because something that is installed does not run yet".into(),
        ));
        self.emit(Effect::Tell(Telling::Restarting));
        self.emit(Effect::Restart);
    }

    /// A state may ask for the restart that something waits for; for no other. Whether it does.
    fn note_restart_directive(&mut self, now: Clock) -> bool {
        if self.may_start(now).is_err() {
            return false;
        }
        let (Some(state), Some(mandate)) = (&self.trust.state, &self.trust.mandate) else { return false };
        let restarts = state.directives.iter().filter(|directive| directive.action == Action::Restart);
        let restarts = restarts.filter_map(|directive| Some((directive.clone(), state.terms(directive)?.clone())));
        let mut asked: Option<(Terms, Option<Timestamp>)> = None;
        let mut refused = Vec::new();
        let permits = |terms: &Terms| mandate.policies.contains_key(&terms.policy);
        let (permitted, others): (Vec<_>, Vec<_>) = restarts.partition(|(_, terms)| permits(terms));
        for (_, terms) in others {
            let policy = super::shortened(&terms.policy, 80);
            refused.push(format!("a restart is asked for by the policy `{policy}`, which the mandate does not know"));
        }
        let is_read = self.life.as_ref().is_some_and(|life| life.inventory.is_some() && !life.stale);
        for (directive, terms) in permitted {
            let is_found = self.find_restart(&directive, &terms, now);
            if is_read && self.restart_reasons().is_empty() {
                if !is_found {
                    refused.push("a restart is asked for, and nothing on this device waits for one".to_owned());
                }
            } else {
                // The strictest of several decides, and the earliest.
                let (known, due) = asked.take().unwrap_or_else(|| (terms.clone(), directive.due));
                let stricter = strictness(terms.reboot) > strictness(known.reboot);
                let due = due.into_iter().chain(directive.due).min();
                asked = Some((if stricter { terms } else { known }, due));
            }
        }
        refused.into_iter().for_each(|what| self.problem("mandate", what, now));
        let Some((terms, due)) = asked.filter(|_| !self.restart_reasons().is_empty()) else { return false };
        match &mut self.journal.restart {
            None => {
                self.journal.restart = Some(PendingRestart {
                    since: now.wall,
                    waiting: Vec::new(),
                    packages: Vec::new(),
                    terms,
                    due,
                    told: None,
                    agreed: false,
                    restarted: None,
                });
                self.step.changed = true;
            }
            Some(pending) => {
                // What is installed is due no more to the server; that it runs is due when the change was.
                let due = due.or(pending.due);
                self.step.changed |= pending.terms != terms || pending.due != due;
                (pending.terms, pending.due) = (terms, due);
            }
        }
        true
    }
}

fn strictness(mode: RestartMode) -> u8 {
    match mode {
        RestartMode::Never => 0,
        RestartMode::Ask => 1,
        RestartMode::AtDue => 2,
    }
}
