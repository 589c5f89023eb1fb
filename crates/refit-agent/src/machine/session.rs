//! One session: everything that may go now, simulated together, held against the mandate, applied, and observed.
//!
//! What the mandate does not permit is dropped, and the rest goes on without it. Where the package manager's answer does not say
//! whose fault it is, the directives are tried in halves. A transaction is applied exactly as it was simulated; what is
//! reported is what was seen afterwards.

use super::{
    Blocked, CannotDo, Clock, Effect, Journal, Machine, NoticeItem, Observed, Telling, after,
    first_seen::compare,
    job::Job,
    timing::{Stand, notice_ends},
    trust::Refusal,
};
use jiff::Timestamp;
use refit_model::{
    AdvisoryId,
    entry::{ReceiptResult, SlotName},
};
use refit_wire::{
    mandate::check::{Asked, Step, Violation},
    protocol::Receipt,
    state::{Action, Directive, Package, PackageName},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// A session that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its number.
    pub number: u64,
    /// When it began.
    pub began: Timestamp,
    /// How far it is.
    pub phase: Phase,
    /// What is being simulated, or applied.
    pub jobs: Vec<Job>,
    /// What has been found good already, while the rest is tried.
    pub good: Vec<Job>,
    /// What is to be tried after that.
    pub queue: Vec<Vec<Job>>,
    /// The versions before, of every package of the transaction.
    pub before: Vec<(PackageName, Option<SmolStr>)>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The package manager was asked what it would do.
    Simulating,
    /// It was told to do it. Whoever finds this in a journal looks what became of it.
    Applying,
}

/// What a simulation says of the jobs.
enum Verdict {
    Fine,
    /// These are at fault.
    Blamed(Vec<(SmolStr, Blocked, Refusal)>),
    /// Some of them are.
    Unclear(Blocked, Refusal),
}

impl Machine {
    /// Begins a session with everything that may go now.
    pub(super) fn begin_session(&mut self, now: Clock) {
        if self.journal.session.is_some() {
            return;
        }
        self.note_holds(now);
        if let Err((_, refusal)) = self.may_start(now) {
            if let Some(refusal) = refusal {
                self.problem(refusal.code, refusal.what, now);
            }
            return;
        }
        let Some(state) = &self.trust.state else { return };
        let changing: Vec<Directive> =
            state.directives.iter().filter(|directive| directive.action.changes_packages()).cloned().collect();
        let (mut jobs, mut to_tell, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for directive in changing {
            let stand = self.stand(&directive, now);
            match stand {
                Stand::Done => {}
                Stand::Go => jobs.extend(self.job(&directive).filter(|job| seen.insert(job.package()))),
                Stand::Tell => to_tell.extend(self.job(&directive)),
                Stand::Waits(_, until) => self.step.wakes.extend(until),
                Stand::Refused(refusal) => self.remember(refusal.code, refusal.what, now),
            }
        }
        self.announce(to_tell, now);
        self.show_messages(now);
        let quiet = self.life.as_ref().and_then(|life| life.quiet_until).filter(|until| now.wall < *until);
        if let Some(until) = quiet {
            self.step.wakes.push(until);
            return;
        }
        // While the machine is read for a check-in, what is installed may be changing under the reader's eyes.
        if jobs.is_empty() || self.is_reading() {
            return;
        }
        self.journal.sessions += 1;
        self.journal.session = Some(Session {
            number: self.journal.sessions,
            began: now.wall,
            phase: Phase::Simulating,
            jobs,
            good: Vec::new(),
            queue: Vec::new(),
            before: Vec::new(),
        });
        self.simulate();
    }

    fn job(&self, directive: &Directive) -> Option<Job> {
        let terms = self.trust.state.as_ref()?.terms(directive)?.clone();
        Some(Job { directive: directive.clone(), terms })
    }

    fn simulate(&mut self) {
        let Some(session) = &self.journal.session else { return };
        let (session, changes) = (session.number, session.jobs.iter().filter_map(Job::change).collect());
        self.emit(Effect::Simulate { session, changes });
    }

    /// Tells the person of everything together.
    fn announce(&mut self, jobs: Vec<Job>, now: Clock) {
        if jobs.is_empty() {
            return;
        }
        let ends = jobs.iter().map(|job| notice_ends(now.wall, job.terms.notify_seconds, job.directive.due));
        let at = ends.min().unwrap_or(now.wall);
        let mut left = u32::MAX;
        let mut for_seconds = u64::MAX;
        for job in &jobs {
            let progress = self.journal.directives.entry(job.directive.id.clone()).or_default();
            progress.told = Some(now.wall);
            let overdue = job.directive.due.is_some_and(|due| due <= now.wall);
            let defer = job.terms.defer.filter(|_| !overdue);
            left = left.min(defer.map_or(0, |defer| defer.times.saturating_sub(progress.deferred)));
            for_seconds = for_seconds.min(defer.map_or(0, |defer| defer.for_seconds));
        }
        self.step.changed = true;
        self.step.wakes.push(at);
        let items = jobs.iter().map(|job| NoticeItem {
            title: job.directive.title.clone(),
            version: job.wanted().cloned(),
            closes: job.directive.closes.iter().filter(|id| is_advisory(id)).take(8).cloned().collect(),
        });
        let items = items.collect();
        self.emit(Effect::Tell(Telling::Notice { items, at, deferrals_left: left, for_seconds }));
    }

    /// The person answered a notice.
    pub(super) fn notice_answered(&mut self, go_ahead: bool, now: Clock) {
        let Some(state) = &self.trust.state else { return };
        for directive in &state.directives {
            let Some(progress) = self.journal.directives.get_mut(&directive.id).filter(|known| known.told.is_some())
            else {
                continue;
            };
            self.step.changed = true;
            if go_ahead {
                progress.agreed = true;
                continue;
            }
            let overdue = directive.due.is_some_and(|due| due <= now.wall);
            let defer = state.terms(directive).and_then(|terms| terms.defer);
            let Some(defer) = defer.filter(|defer| !overdue && progress.deferred < defer.times) else { continue };
            progress.deferred += 1;
            progress.agreed = false;
            let until = after(now.wall, defer.for_seconds);
            // The due time beats it.
            progress.deferred_until = Some(directive.due.map_or(until, |due| until.min(due)));
        }
    }

    /// [`super::Input::Simulated`].
    pub(super) fn simulated(&mut self, number: u64, result: Result<Vec<Step>, CannotDo>, now: Clock) {
        let Some(mut session) = self.current(number, Phase::Simulating) else { return };
        let (steps, verdict) = match result {
            Ok(steps) => {
                let verdict = self.verdict(&session, &steps, now);
                (steps, verdict)
            }
            Err(cannot) if cannot.passing => {
                self.end_quietly(&cannot.why, now);
                return;
            }
            Err(CannotDo { held, why, .. }) => {
                let blocked = if held { Blocked::Held } else { Blocked::PackageManager };
                let refusal = Refusal::new("package_manager", super::shortened(&why, 400));
                (Vec::new(), Verdict::Unclear(blocked, refusal))
            }
        };
        let tried = std::mem::take(&mut session.jobs);
        match verdict {
            Verdict::Fine => {
                let whole = session.good.is_empty() || session.good == tried;
                if whole && session.queue.is_empty() {
                    session.jobs = tried;
                    session.good = Vec::new();
                    self.apply(session, steps, now);
                    return;
                }
                if session.good != tried {
                    session.good.extend(tried);
                }
            }
            Verdict::Blamed(blamed) => {
                let all_together = session.good == tried;
                let kept = tried.into_iter().filter(|job| blamed.iter().all(|(id, ..)| *id != job.directive.id));
                let kept: Vec<Job> = kept.collect();
                blamed.into_iter().for_each(|(id, blocked, refusal)| self.drop_job(&id, blocked, refusal, now));
                if all_together {
                    session.good = kept;
                } else {
                    session.queue.push(kept);
                }
            }
            Verdict::Unclear(blocked, refusal) if tried.len() == 1 => {
                let id = tried[0].directive.id.clone();
                self.drop_job(&id, blocked, refusal, now);
                if session.good == tried {
                    session.good = Vec::new();
                }
            }
            Verdict::Unclear(..) if session.good == tried => {
                // Each half is good and both together are not: the first goes now, the rest in another session.
                session.good.truncate(tried.len() / 2);
            }
            Verdict::Unclear(..) => {
                let (first, second) = tried.split_at(tried.len() / 2);
                session.queue.push(second.to_vec());
                session.queue.push(first.to_vec());
            }
        }
        session.queue.retain(|jobs| !jobs.is_empty());
        session.jobs = session.queue.pop().unwrap_or_else(|| session.good.clone());
        if session.jobs.is_empty() {
            self.journal.session = None;
            self.step.changed = true;
        } else {
            self.journal.session = Some(session);
            self.simulate();
        }
    }

    /// Whether a simulated transaction may happen.
    fn verdict(&self, session: &Session, steps: &[Step], now: Clock) -> Verdict {
        let (Some(mandate), Some(state)) = (&self.trust.mandate, &self.trust.state) else {
            return Verdict::Unclear(Blocked::Mandate, Refusal::new("mandate", "there is no mandate"));
        };
        let asked: Vec<Asked<'_>> = session.jobs.iter().map(Job::asked).collect();
        let violations = mandate.check(&asked, steps, &self.journal.floors);
        let held = steps.iter().find(|step| self.held_until(state, &step.package, now).is_some());
        let mut unclear = held.map(|step| {
            let what = format!("{} would be changed, and it is held", step.package.name);
            (Blocked::Held, Refusal::new("package_manager", what))
        });
        let kept_back = |step: &&Step| {
            let after = step.after.as_deref().unwrap_or_default();
            let mut of_package = state.withheld.iter().filter(|withheld| withheld.package == step.package);
            step.after.is_some() && of_package.any(|withheld| withheld.keeps_back(after))
        };
        if let Some(step) = steps.iter().find(kept_back) {
            let (name, after) = (&step.package.name, step.after.as_deref().unwrap_or_default());
            let what = format!("{name} {after} would be brought along, and the policy keeps it back here");
            unclear = Some((Blocked::Held, Refusal::new("withheld", what)));
        }
        let mut blamed = Vec::new();
        for Violation { subject, what } in violations {
            let of_subject = |job: &&Job| job.package().is_some_and(|package| package.name == subject);
            let job = session.jobs.iter().find(of_subject);
            let refusal = Refusal::new("mandate", format!("{}: {what}", super::shortened(&subject, 80)));
            match job {
                Some(job) => blamed.push((job.directive.id.clone(), Blocked::Mandate, refusal)),
                None => unclear = Some((Blocked::Mandate, refusal)),
            }
        }
        // A change that was asked for, and that the package manager would not make, is none.
        for job in &session.jobs {
            let made = steps.iter().any(|step| Some(&step.package) == job.package().as_ref());
            if !made && !self.is_unfinished(job) && !blamed.iter().any(|(id, ..)| *id == job.directive.id) {
                let what = format!("the package manager would not change {}", job.directive.title);
                blamed.push((job.directive.id.clone(), Blocked::PackageManager, Refusal::new("package_manager", what)));
            }
        }
        match (blamed.is_empty(), unclear) {
            (false, _) => Verdict::Blamed(blamed),
            (true, Some((blocked, refusal))) => Verdict::Unclear(blocked, refusal),
            (true, None) => Verdict::Fine,
        }
    }

    fn apply(&mut self, mut session: Session, steps: Vec<Step>, now: Clock) {
        // The simulation took its time: what permitted the session may be over.
        let still_go = session.jobs.iter().all(|job| self.stand(&job.directive, now) == Stand::Go);
        if self.may_start(now).is_err() || !still_go {
            self.journal.session = None;
            self.step.changed = true;
            return;
        }
        session.phase = Phase::Applying;
        session.before = steps.iter().map(|step| (step.package.clone(), step.before.clone())).collect();
        let (number, changes) = (session.number, session.jobs.iter().filter_map(Job::change).collect());
        self.journal.session = Some(session);
        self.step.changed = true;
        self.emit(Effect::Apply { session: number, changes, steps });
    }

    /// [`super::Input::Observed`].
    pub(super) fn observed(&mut self, number: u64, result: Result<Observed, CannotDo>, now: Clock) {
        let Some(session) = self.current(number, Phase::Applying) else { return };
        match result {
            Ok(observed) if self.was_not_begun(&session, &observed) => {
                for job in &session.jobs {
                    let progress = self.journal.directives.entry(job.directive.id.clone()).or_default();
                    progress.failures = progress.failures.saturating_add(1);
                }
                self.end_quietly("the agent ended before a change was begun; it is tried again", now);
            }
            Ok(observed) => {
                self.journal.session = None;
                let session = self.without_torn(session, &observed, now);
                self.conclude(session, observed, now);
            }
            Err(cannot) if cannot.passing => self.end_quietly(&cannot.why, now),
            Err(CannotDo { held, why, .. }) => {
                self.journal.session = None;
                let blocked = if held { Blocked::Held } else { Blocked::PackageManager };
                let why = super::shortened(&why, 400);
                for job in session.jobs {
                    self.drop_job(&job.directive.id, blocked, Refusal::new("package_manager", why.clone()), now);
                }
            }
        }
        self.step.changed = true;
    }

    /// Whether the agent died after it had written that it begins, and before anything was changed. What dies again and again
    /// there has failed.
    fn was_not_begun(&self, session: &Session, observed: &Observed) -> bool {
        let resumed = self.life.as_ref().is_some_and(|life| life.resumed == Some(session.number));
        let unchanged = session.before.iter().all(|(package, version)| observed.versions.get(package) == Some(version));
        let often = session.jobs.iter().any(|job| {
            self.journal.directives.get(&job.directive.id).is_some_and(|known| known.failures >= DEATHS_MOST)
        });
        resumed && unchanged && !often
    }

    /// A session in whose middle the agent or the machine died, without what is neither as it was nor as it should be: that has
    /// not failed, it is taken up again, and the package manager repairs it first. What dies again and again there has failed.
    fn without_torn(&mut self, mut session: Session, observed: &Observed, now: Clock) -> Session {
        if self.life.as_ref().is_none_or(|life| life.resumed != Some(session.number)) {
            return session;
        }
        let mut torn = false;
        let before = std::mem::take(&mut session.before);
        session.jobs.retain(|job| {
            let reached = job.is_reached(observed);
            let progress = self.journal.directives.entry(job.directive.id.clone()).or_default();
            if reached || progress.failures >= DEATHS_MOST {
                return true;
            }
            progress.failures += 1;
            torn = true;
            // What it was is not to be seen any more when it is taken up again.
            let was = before.iter().find(|(package, _)| Some(package) == job.package().as_ref());
            if let Some((package, Some(version))) = was {
                self.journal.unfinished.entry(package.clone()).or_insert_with(|| version.clone());
            }
            false
        });
        session.before = before;
        if torn {
            let what = "the agent ended in the middle of a change; what is unfinished is taken up again";
            self.problem("package_manager", what.to_owned(), now);
        }
        session
    }

    /// Whether a package is there in the version that a job wants, and not in order: to finish it is a change too, and brings
    /// nothing new.
    fn is_unfinished(&self, job: &Job) -> bool {
        let Some((package, inventory)) = job.package().zip(self.life.as_ref().and_then(|life| life.inventory.as_ref()))
        else {
            return false;
        };
        let title = format!("{}/{}", package.system.namespace(), package.name);
        inventory.installs.values().any(|install| {
            install.title.as_str() == title && install.state.is_some() && Some(&install.version) == job.wanted()
        })
    }

    /// Receipts, floors, and what still has to restart.
    fn conclude(&mut self, session: Session, observed: Observed, now: Clock) {
        let before: BTreeMap<PackageName, Option<SmolStr>> = session.before.iter().cloned().collect();
        for (package, version) in &observed.versions {
            let downgraded = session.jobs.iter().any(|job| {
                job.package().as_ref() == Some(package)
                    && job.wanted() == version.as_ref()
                    && matches!(&job.directive.action, Action::Upgrade(Package { downgrade: true, .. }))
            });
            let old = before.get(package).and_then(Option::as_ref).filter(|_| !downgraded);
            raise_floor(&mut self.journal, package, old.into_iter().chain(version), downgraded);
        }
        for job in &session.jobs {
            let Some(package) = job.package() else { continue };
            let is = observed.versions.get(&package).cloned().flatten();
            let reached = job.is_reached(&observed);
            let pending = reached && observed.restart.packages.contains(&package);
            let result = match (reached, pending) {
                (false, _) => ReceiptResult::Failed,
                (true, true) => ReceiptResult::RestartPending,
                (true, false) => ReceiptResult::Succeeded,
            };
            let was = before.get(&package).cloned().flatten();
            let was = self.journal.unfinished.remove(&package).or(was);
            if let (Some(was), false, true) = (&was, reached, observed.broken.contains_key(&package)) {
                self.journal.unfinished.insert(package.clone(), was.clone());
            }
            let mut output = observed.output.get(&package).cloned().unwrap_or_default();
            if !reached && output.is_empty() {
                output = observed.problems.join("\n");
            }
            let receipt = Receipt {
                id: self.draw_name(),
                directive: job.directive.id.clone(),
                slot: slot(&job.directive),
                result,
                before: was,
                after: is.or_else(|| observed.broken.get(&package).cloned()),
                at: now.wall,
                duration_ms: observed.duration_ms,
                output: tail(output),
            };
            if reached {
                self.journal.directives.remove(&job.directive.id);
            } else {
                self.note_refused();
                self.put_off(&job.directive.id, Blocked::PackageManager, now);
            }
            if pending {
                self.await_restart(&package, &receipt, &job.terms, job.directive.due, now);
            }
            self.journal.receipts.push(receipt);
        }
        for problem in observed.problems {
            self.problem("package_manager", super::shortened(&problem, 400), now);
        }
        if let Some(life) = &mut self.life {
            life.restart = observed.restart;
        }
        // The server hears of it at once, and what is installed is read again before.
        self.set_next_check_in(now.monotonic);
        self.forget_inventory();
    }

    /// What was read of the machine before the change no longer says what is there.
    fn forget_inventory(&mut self) {
        if let Some(life) = &mut self.life {
            life.stale = true;
        }
    }

    fn current(&self, number: u64, phase: Phase) -> Option<Session> {
        self.journal.session.clone().filter(|session| session.number == number && session.phase == phase)
    }

    /// After the agent's death: what was being applied is looked at, what was only being simulated begins anew.
    pub(super) fn resume_session(&mut self, _now: Clock) {
        let Some(session) = self.journal.session.clone() else { return };
        match session.phase {
            Phase::Simulating => {
                self.journal.session = None;
                self.step.changed = true;
            }
            Phase::Applying => {
                let packages = session.before.iter().map(|(package, _)| package.clone()).collect();
                if let Some(life) = &mut self.life {
                    life.resumed = Some(session.number);
                }
                self.emit(Effect::Observe { session: session.number, packages });
            }
        }
    }

    fn end_quietly(&mut self, why: &str, now: Clock) {
        self.journal.session = None;
        self.step.changed = true;
        if let Some(life) = &mut self.life {
            life.quiet_until = Some(after(now.wall, QUIET_SECONDS));
        }
        self.problem("package_manager", super::shortened(why, 400), now);
    }

    fn drop_job(&mut self, id: &SmolStr, blocked: Blocked, refusal: Refusal, now: Clock) {
        self.problem(refusal.code, refusal.what, now);
        self.put_off(id, blocked, now);
    }

    /// Not again at once: longer each time.
    fn put_off(&mut self, id: &SmolStr, blocked: Blocked, now: Clock) {
        let progress = self.journal.directives.entry(id.clone()).or_default();
        progress.failures = progress.failures.saturating_add(1);
        progress.blocked = Some(blocked);
        let wait = RETRY_SECONDS.saturating_mul(4_u64.saturating_pow(progress.failures.min(8) - 1));
        progress.retry = Some(after(now.wall, wait.min(RETRY_SECONDS_MOST)));
        self.step.changed = true;
    }

    /// Forgets what is known of directives that the state no longer has.
    pub(super) fn forget_directives(&mut self, _now: Clock) {
        let Some(state) = &self.trust.state else { return };
        let ids: BTreeSet<&SmolStr> = state.directives.iter().map(|directive| &directive.id).collect();
        self.journal.directives.retain(|id, _| ids.contains(id));
        self.journal.shown.retain(|id| ids.contains(id));
        self.journal.restarts_found.retain(|id| ids.contains(id));
        // A new state, or a new mandate, may have mended what was in the way.
        for progress in self.journal.directives.values_mut() {
            if matches!(progress.blocked, Some(Blocked::Mandate | Blocked::Held)) {
                (progress.retry, progress.blocked) = (None, None);
            }
        }
    }
}

/// How often an agent may die before a change is begun without that counting as its failure.
const DEATHS_MOST: u32 = 3;
/// How long the package manager is left alone after it was busy, in seconds.
const QUIET_SECONDS: u64 = 300;
/// How long after a first failure something is tried again, in seconds; four times as long after each other.
const RETRY_SECONDS: u64 = 3_600;
const RETRY_SECONDS_MOST: u64 = 86_400;

/// The highest version that has run counts; where a downgrade was asked for and happened, what it led to.
pub(super) fn raise_floor<'a>(
    journal: &mut Journal,
    package: &PackageName,
    versions: impl Iterator<Item = &'a SmolStr>,
    downgraded: bool,
) {
    let known = journal.floors.get(package).filter(|_| !downgraded).cloned();
    let highest = known.into_iter().chain(versions.cloned()).reduce(|a, b| {
        let later = compare(package.system, &b, &a) == Some(Ordering::Greater);
        if later { b } else { a }
    });
    if let Some(highest) = highest {
        journal.floors.insert(package.clone(), highest);
    }
}

pub(super) fn slot(directive: &Directive) -> SlotName {
    SlotName { title: directive.title.clone(), branch: directive.branch.clone(), profile: None }
}

/// Whether a text looks like an advisory's name; it is shown to people, and nothing else of a state is.
pub(super) fn is_advisory(id: &AdvisoryId) -> bool {
    const KINDS: [&str; 12] =
        ["CVE", "DSA", "DLA", "USN", "GHSA", "RHSA", "ALSA", "RLSA", "ELSA", "FEDORA", "SUSE", "OSV"];
    let text = id.as_str();
    let Some((kind, rest)) = text.split_once('-') else { return false };
    let known = KINDS.contains(&kind) && text.len() <= 40;
    known
        && rest.chars().all(|letter| letter.is_ascii_alphanumeric() || "-:".contains(letter))
        && rest.chars().any(|letter| letter.is_ascii_digit())
}

/// The end of an output, within the limit.
fn tail(output: String) -> String {
    let from = output.len().saturating_sub(refit_wire::limits::OUTPUT);
    let from = (from..output.len()).find(|at| output.is_char_boundary(*at)).unwrap_or(output.len());
    if from == 0 { output } else { output[from..].to_owned() }
}
