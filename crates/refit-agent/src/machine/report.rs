//! What the server is told, and what people are.

use super::{
    Clock, Effect, KnownProblem, Machine, PersonSaid, Reading, SaidHere, Severity, Telling, after, before,
    first_seen::{compare, name, version_of},
    session::raise_floor,
    timing::Stand,
};
use refit_model::{TitleId, entry::Plain};
use refit_wire::{
    Digest,
    mandate::Verb,
    protocol::{
        CheckIn, CheckInAnswer, Holds, Inventory, Problem, Report, ReportOutcome, Standing, Universe, WaitsFor, Want,
    },
    state::{Action, Message, PackageName, System},
};
use smol_str::{SmolStr, format_smolstr};
use std::{cmp::Ordering, collections::BTreeSet, time::Duration};

/// What a person says of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is broken, where the person named it.
    pub title: Option<SmolStr>,
    /// In the person's words; at most 500 characters of them are sent.
    pub text: String,
}

/// What a check-in said, to know what its answer confirms.
#[derive(Debug, PartialEq)]
pub(super) struct Sent {
    inventory: Option<Inventory>,
    /// What the universe offers, where the check-in said it.
    offers: Option<Digest>,
    problems: Vec<(SmolStr, String)>,
}

/// What a universe offers, for comparing. The dates of archives move on with every update of them, and do not count.
fn offered(universe: &Universe) -> Digest {
    let offers: Vec<_> =
        universe.offers.iter().map(|offer| (&offer.title, &offer.version, offer.security, offer.withheld)).collect();
    // Strings and lists only: it can't fail.
    Digest::of(&serde_json::to_vec(&(&universe.key, offers)).unwrap_or_default())
}

/// How many receipts, complaints and problems travel in one check-in; the others follow at once.
const RECEIPTS_MOST: usize = 100;
const COMPLAINTS_MOST: usize = 50;
const PROBLEMS_MOST: usize = 100;
/// How much of what people said here is remembered, to know what is answered to it.
const SAID_MOST: usize = 32;
/// How long a problem is remembered that is not noticed again, in seconds.
const PROBLEM_SECONDS: u64 = 86_400;
/// How often silence is spoken of, in seconds.
const SILENCE_AGAIN_SECONDS: u64 = 86_400;

impl Machine {
    /// The next check-in; its number is on disk before it is sent.
    pub(super) fn write_check_in(&mut self, now: Clock) -> Option<(CheckIn, Sent)> {
        let standing = self.standing(now);
        let link = self.draw_link();
        let life = self.life.as_ref()?;
        let (report, inventory, offers) = match (&life.inventory, self.journal.agreed) {
            (Some(inventory), agreed) => {
                let (report, offers) = self.report(inventory, agreed)?;
                (report, Some(inventory.clone()), offers)
            }
            (None, Some(digest)) => (Report::Same { digest }, None, None),
            (None, None) => {
                let wait = self.settings.least_interval.max(Duration::from_secs(60));
                self.set_next_check_in(now.monotonic.saturating_add(wait));
                return None;
            }
        };
        let run: String = life.random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.journal.counter += 1;
        let history = self.journal.history.next(link);
        self.journal.problems.retain(|known| !known.told || known.last > before(now.wall, PROBLEM_SECONDS));
        self.step.changed = true;
        let problems: Vec<&KnownProblem> = self.journal.problems.iter().filter(|known| !known.told).collect();
        let sent = Sent {
            offers,
            inventory,
            problems: problems.iter().map(|known| (known.code.clone(), known.what.clone())).collect(),
        };
        let told = problems.iter().map(|known| Problem {
            code: known.code.clone(),
            what: known.what.clone(),
            since: known.since,
        });
        let check_in = CheckIn {
            agent: self.settings.agent.clone(),
            counter: self.journal.counter,
            run: run.into(),
            history: Some(history),
            at: now.wall,
            report,
            holds: Holds {
                root: self.trust.root.version,
                mandate: self.journal.mandate.as_ref().filter(|_| self.trust.mandate.is_some()).map(|held| held.digest),
                state: self.journal.state.as_ref().filter(|_| self.trust.state.is_some()).map(|held| held.digest),
                stopped: self.journal.brake.is_some(),
            },
            receipts: self.journal.receipts.iter().take(RECEIPTS_MOST).cloned().collect(),
            standing,
            problems: told.collect(),
            complaints: self.journal.complaints.iter().take(COMPLAINTS_MOST).cloned().collect(),
            answered: self.journal.said.iter().filter(|said| said.shown).map(|said| said.id.clone()).collect(),
            used_seconds: self.journal.usage.seconds,
        };
        Some((check_in, sent))
    }

    /// What is said of the device, and the digest of what it offers where the report says that.
    fn report(&self, inventory: &Inventory, agreed: Option<Digest>) -> Option<(Report, Option<Digest>)> {
        let life = self.life.as_ref()?;
        let digest = inventory.digest();
        // Offers change while everything else stays as it is: they are said whenever they differ from what was said last.
        let offers = offered(&inventory.universe);
        let says_offers = life.want == Want::Offers || self.journal.offers != Some(offers);
        let mut report = match &life.agreed {
            _ if life.want == Want::All => Report::All { inventory: inventory.clone() },
            Some(base) => inventory.since(base),
            // After a start the base is not in memory; where nothing has changed it is not needed.
            None if agreed == Some(digest) => Report::Same { digest },
            None => Report::All { inventory: inventory.clone() },
        };
        if let Report::Same { digest } = report
            && says_offers
        {
            let (facts, present, gone) = Default::default();
            report = Report::Changes { base: digest, digest, facts, present, gone, universe: None };
        }
        match &mut report {
            Report::Changes { universe, .. } if says_offers => *universe = Some(inventory.universe.clone()),
            Report::Changes { universe: Some(universe), .. } => universe.offers.clear(),
            Report::All { inventory } if !says_offers => inventory.universe.offers.clear(),
            Report::Same { .. } | Report::Changes { .. } | Report::All { .. } => {}
        }
        Some((report, says_offers.then_some(offers)))
    }

    /// What an answer confirms, and when to come again.
    pub(super) fn note_answer(&mut self, sent: Sent, answer: &CheckInAnswer, now: Clock) {
        self.journal.history.answered(answer.recorded);
        self.journal.receipts.retain(|receipt| !answer.receipts.contains(&receipt.id));
        self.journal.complaints.retain(|complaint| !answer.complaints.contains(&complaint.id));
        self.note_answers(answer);
        for known in &mut self.journal.problems {
            known.told |= sent.problems.iter().any(|(code, what)| *code == known.code && *what == known.what);
        }
        let Some(life) = &mut self.life else { return };
        // Who offers nothing has said so.
        let want = match answer.want {
            Want::Offers if sent.offers.is_some() => Want::Nothing,
            want => want,
        };
        life.want = want;
        life.renewal = answer.renew;
        self.journal.offers = match want {
            Want::Nothing => sent.offers.or(self.journal.offers),
            Want::All | Want::Offers => None,
        };
        match (want, sent.inventory) {
            (Want::All, _) => {
                life.agreed = None;
                self.journal.agreed = None;
            }
            (_, Some(inventory)) => {
                self.journal.agreed = Some(inventory.digest());
                life.agreed = Some(inventory);
            }
            (_, None) => {}
        }
        self.step.changed = true;
        let more =
            want != Want::Nothing || (!self.journal.receipts.is_empty() && answer.receipts.len() >= RECEIPTS_MOST);
        let (least, most) = (self.settings.least_interval, self.settings.most_interval);
        let wished = Duration::from_secs(answer.next_seconds).clamp(least, most);
        let wait = match more {
            true if self.hurries() => Duration::ZERO,
            true => least,
            false => wished + Duration::from_millis(self.draw(jitter_ms(wished))),
        };
        self.set_next_check_in(now.monotonic.saturating_add(wait));
    }

    /// [`super::Input::Inventory`].
    pub(super) fn note_inventory(&mut self, result: Result<Reading, String>, now: Clock) {
        let was_reading = self.is_reading();
        let before = match &mut self.life {
            Some(life) if was_reading => std::mem::replace(&mut life.exchange, super::Exchange::Idle),
            _ => super::Exchange::Idle,
        };
        let looked_for = match before {
            super::Exchange::Reading { restarting } => restarting,
            _ => Vec::new(),
        };
        match result {
            Ok(reading) => self.note_reading(reading, &looked_for, now),
            Err(why) => self.problem("package_manager", super::shortened(&why, 400), now),
        }
        if was_reading {
            self.check_in(now);
        }
    }

    fn note_reading(&mut self, reading: Reading, looked_for: &[PackageName], now: Clock) {
        let Reading { inventory, offered, restart, refreshed, faults } = reading;
        faults.into_iter().for_each(|what| self.problem("package_source", what, now));
        if refreshed {
            self.journal.refreshed = Some(now.wall);
            self.step.changed = true;
        }
        self.note_offers(&offered, now);
        let Some(life) = &mut self.life else { return };
        life.restart = restart;
        life.stale = false;
        if let Some(inventory) = inventory {
            if let Some(old) = &life.inventory {
                note_floors(&mut self.journal, old, &inventory);
            }
            self.journal.unfinished.retain(|package, _| is_unfinished(package, &inventory));
            life.inventory = Some(inventory.clone());
            self.forget_offers(&inventory, &offered);
        }
        self.observe_restarted(looked_for, now);
    }

    /// Packages whose offers are wanted although they may not be installed: those that the mandate lets be installed by their name. Nobody
    /// can ask for one that nobody is known to be offered.
    pub(super) fn wanted_packages(&self) -> Vec<PackageName> {
        let asked = self.trust.state.iter().flat_map(|state| &state.directives);
        let asked = asked.filter(|directive| matches!(directive.action, Action::Install(_)));
        let asked = asked.filter_map(|directive| directive.action.package());
        let titles = self.trust.mandate.iter().flat_map(|mandate| mandate.titles.values());
        let permitted = titles.filter(|permit| permit.verbs.contains(&Verb::Install));
        let permitted = permitted.flat_map(|permit| permit.packages.iter().cloned());
        asked.chain(permitted).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Where each directive stands that is not done.
    pub fn standing(&self, now: Clock) -> Vec<Standing> {
        let Some(state) = &self.trust.state else { return Vec::new() };
        let everything = self.may_start(now).err().map(|(waits_for, _)| waits_for);
        let mut standing = Vec::new();
        for directive in &state.directives {
            let in_session = self.journal.session.as_ref().is_some_and(|session| {
                session.jobs.iter().chain(&session.good).any(|job| job.directive.id == directive.id)
            });
            let restarts = self.journal.restart.as_ref();
            let restarting =
                restarts.is_some_and(|pending| pending.waiting.iter().any(|receipt| receipt.directive == directive.id));
            let (waits_for, until) = match (&directive.action, everything) {
                (Action::Hold { .. } | Action::Notify { .. }, _) => continue,
                _ if in_session => (WaitsFor::Nothing, None),
                (_, Some(waits_for)) => (waits_for, None),
                _ if restarting => (WaitsFor::Restart, None),
                (Action::Restart, None) if self.restart_reasons().is_empty() => continue,
                (Action::Restart, None) => (WaitsFor::Restart, None),
                _ => match self.stand(directive, now) {
                    Stand::Done => continue,
                    Stand::Go => (WaitsFor::Nothing, None),
                    Stand::Tell => (WaitsFor::Notice, None),
                    Stand::Waits(waits_for, until) => (waits_for, until),
                    Stand::Refused(_) => (WaitsFor::Mandate, None),
                },
            };
            standing.push(Standing { directive: directive.id.clone(), waits_for, until });
        }
        // What is being done is said, though the state may have been replaced since by one that does not ask for it any more.
        let session = self.journal.session.iter().flat_map(|session| session.jobs.iter().chain(&session.good));
        let begun = session.map(|job| (&job.directive.id, WaitsFor::Nothing));
        let restart = self.journal.restart.iter().flat_map(|pending| &pending.waiting);
        let waiting = restart.map(|receipt| (&receipt.directive, WaitsFor::Restart));
        for (directive, waits_for) in begun.chain(waiting) {
            if !standing.iter().any(|known| known.directive == *directive) {
                standing.push(Standing { directive: directive.clone(), waits_for, until: None });
            }
        }
        standing
    }

    /// Something was refused or could not be done. It goes to the server, and the first time to the system's log.
    pub(super) fn problem(&mut self, code: &'static str, what: impl Into<String>, now: Clock) {
        self.note_refused();
        self.remember(code, what, now);
    }

    /// The same, of a directive that stands still: whether there still is one is seen when somebody looks.
    pub(super) fn remember(&mut self, code: &'static str, what: impl Into<String>, now: Clock) {
        let what: String = what.into();
        let what = super::shortened(&what, 500);
        // What a clock says differs each time.
        let same = |known: &&mut KnownProblem| known.code == code && (known.what == what || code == "clock");
        if let Some(known) = self.journal.problems.iter_mut().find(same) {
            known.last = known.last.max(now.wall);
            known.told = false;
            return;
        }
        if self.journal.problems.len() >= PROBLEMS_MOST {
            self.journal.problems.remove(0);
        }
        self.emit(Effect::Log(Severity::Warning, format!("{code}: {what}")));
        self.journal.problems.push(KnownProblem {
            code: code.into(),
            what,
            since: now.wall,
            last: now.wall,
            told: false,
        });
        self.step.changed = true;
    }

    /// Whoever waits for this check-in hears that not all went well.
    pub(super) fn note_refused(&mut self) {
        if let Some(life) = &mut self.life {
            life.refused = true;
        }
    }

    /// [`super::Input::Person`].
    pub(super) fn person_said(&mut self, said: PersonSaid, now: Clock) {
        match said {
            PersonSaid::Now => self.notice_answered(true, now),
            PersonSaid::Later => self.notice_answered(false, now),
            PersonSaid::RestartNow => self.agree_to_restart(),
            PersonSaid::Complains(Complaint { title, text }) => {
                let id = self.draw_name();
                if self.journal.complaints.len() < COMPLAINTS_MOST {
                    let surplus = (self.journal.said.len() + 1).saturating_sub(SAID_MOST);
                    self.journal.said.drain(..surplus);
                    let said =
                        SaidHere { id: id.clone(), at: now.wall, title: title.clone(), outcome: None, shown: false };
                    self.journal.said.push(said);
                    let text = text.chars().take(500).collect();
                    self.journal.complaints.push(refit_wire::protocol::Complaint { id, at: now.wall, title, text });
                }
                self.step.changed = true;
                self.set_next_check_in(now.monotonic);
            }
        }
    }

    /// What the server answers to what people said here. Of what nobody said here it may say what it likes.
    fn note_answers(&mut self, answer: &CheckInAnswer) {
        let named = |said: &SaidHere| answer.answers.iter().find(|it| it.complaint == said.id);
        // What was shown and is named no more, the server knows of.
        self.journal.said.retain(|said| !said.shown || named(said).is_some());
        for said in &mut self.journal.said {
            let outcome = named(said).map(|it| it.outcome).filter(|outcome| *outcome != ReportOutcome::Other);
            said.outcome = outcome.or(said.outcome);
        }
    }

    /// Answers that have come, each once, where there is somebody to read them.
    pub(super) fn show_answers(&mut self) {
        if !self.life.as_ref().is_some_and(|life| life.presence.attended) {
            return;
        }
        let mut tellings = Vec::new();
        for said in self.journal.said.iter_mut().filter(|said| !said.shown) {
            let Some(outcome) = said.outcome else { continue };
            said.shown = true;
            let title = said.title.as_ref().map(|title| super::shortened(title, 80));
            tellings.push(Telling::Answer { title, said: said.at, outcome });
        }
        self.step.changed |= !tellings.is_empty();
        tellings.into_iter().for_each(|telling| self.emit(Effect::Tell(telling)));
    }

    /// Says so where no fresh state has come for too long: a server that is not there can't.
    pub(super) fn note_silence(&mut self, now: Clock) {
        let Some(life) = &self.life else { return };
        let limit = self.limits().silence_seconds;
        let since = self.journal.confirmed;
        // By either clock: whoever withholds states may also set the time back.
        let silent =
            after(since, limit) <= now.wall || now.monotonic.saturating_sub(life.heard) >= Duration::from_secs(limit);
        let told = self.journal.silence_told;
        let again = told.is_none_or(|told| after(told, SILENCE_AGAIN_SECONDS) <= now.wall || told > now.wall);
        if !silent {
            self.step.wakes.push(after(since, limit));
            return;
        }
        if again {
            self.journal.silence_told = Some(now.wall);
            self.step.changed = true;
            self.emit(Effect::Tell(Telling::Silence { since }));
            let what =
                format!("silence: no fresh state has come since {since}; updates may be withheld from this device");
            self.emit(Effect::Log(Severity::Warning, what));
        }
    }

    /// Messages of the state, each once. Their words are the agent's; a title is shown only if it is known without the server.
    pub(super) fn show_messages(&mut self, now: Clock) {
        let (Some(state), Some(mandate), Some(life)) = (&self.trust.state, &self.trust.mandate, &self.life) else {
            return;
        };
        if !life.presence.attended {
            return;
        }
        let (mut tellings, mut refused, mut shown) = (Vec::new(), Vec::new(), Vec::new());
        for directive in &state.directives {
            let Action::Notify { message } = &directive.action else { continue };
            if self.journal.shown.contains(&directive.id) {
                continue;
            }
            let policy = state.terms(directive).is_some_and(|terms| mandate.policies.contains_key(&terms.policy));
            let named = mandate.titles.contains_key(&directive.title) || self.is_here(&directive.title);
            if !(policy && named) {
                let title = super::shortened(directive.title.as_str(), 80);
                refused.push(format!("a message about `{title}`, which neither the mandate names nor this device has"));
                continue;
            }
            tellings.push(match message {
                Message::Unsupported { by } => Telling::Unsupported { title: directive.title.clone(), by: *by },
                Message::RestartNeeded { since } if !self.restart_reasons().is_empty() => {
                    Telling::RestartNeeded { since: *since, at: None }
                }
                Message::RestartNeeded { .. } => continue,
            });
            shown.push(directive.id.clone());
        }
        refused.into_iter().for_each(|what| self.problem("mandate", what, now));
        self.step.changed |= !shown.is_empty();
        self.journal.shown.extend(shown);
        tellings.into_iter().for_each(|telling| self.emit(Effect::Tell(telling)));
    }

    /// Whether a title is on the device, or is its system.
    fn is_here(&self, title: &TitleId) -> bool {
        let Some(inventory) = self.life.as_ref().and_then(|life| life.inventory.as_ref()) else { return false };
        let text = |field: &str| match inventory.facts.get(field) {
            Some(Plain::Text(text)) => text.clone(),
            _ => SmolStr::default(),
        };
        let (os, version) = (text("device.os"), text("device.os_version"));
        let is_system = !os.is_empty() && (title.as_str() == os || title.as_str() == format_smolstr!("{os}-{version}"));
        is_system || inventory.installs.keys().any(|slot| slot.title == *title)
    }
}

fn jitter_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis() / 10).unwrap_or(u64::MAX)
}

/// Whether a package is there, and not in order.
fn is_unfinished(package: &PackageName, inventory: &Inventory) -> bool {
    let title = name(package);
    inventory.installs.values().any(|install| install.title.as_str() == title && install.state.is_some())
}

/// What went down by somebody else's hand has a floor from then on. Where there is one it follows what is installed upwards: it stays
/// although the package is there, because the next life of the agent does not know what this one has seen.
fn note_floors(journal: &mut super::Journal, old: &Inventory, new: &Inventory) {
    for (slot, install) in &old.installs {
        let Some((system, package)) =
            slot.title.package().and_then(|(space, package)| Some((System::from_namespace(space)?, package)))
        else {
            continue;
        };
        let package = PackageName { system, name: package.into() };
        let now = version_of(new, &name(&package));
        let lower = now.is_none_or(|now| compare(system, now, &install.version) == Some(Ordering::Less));
        if lower && !journal.floors.contains_key(&package) {
            raise_floor(journal, &package, std::iter::once(&install.version), false);
        }
    }
    for (package, floor) in &mut journal.floors {
        let risen = version_of(new, &name(package))
            .filter(|now| compare(package.system, now, floor) == Some(Ordering::Greater));
        if let Some(now) = risen {
            *floor = now.clone();
        }
    }
}
