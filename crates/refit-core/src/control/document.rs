//! State documents: what one device is to do, as its agent reads it, from what is published for it.
//!
//! A document says what, exactly, and how; never why. It is a function of the state and of what was decided last, so that
//! equal inputs give equal bytes, and nothing has to be signed anew while nothing changes.

mod limits;

pub use limits::{Limited, limited, shared_with, wishes};
pub(super) use limits::{SILENT_AFTER, has_arrived};

use super::{
    agents::MandateRecord,
    board::BoardRow,
    entry::{ReceiptResult, SlotName},
    evaluate::SlotOutcome,
    publication::{CohortKey, Wanted},
    reading,
    state::{DeviceRecord, Published, State},
};
use crate::{
    decide::Compliance,
    facts::{FactView, FieldRef, Lookup as _, Value},
    policy::{
        document::{
            policy::{self as written, Mode},
            test::GateAnswer,
        },
        expr::Expr,
        repository::{Exception, Freeze, Policy, Repository, UsedWindow},
    },
    world::{Device, ExposureView},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_model::{AdvisoryId, TitleId, Version};
use refit_wire::{
    Digest,
    state::{
        Action, AfterDue, Busy, DeferTerms, Directive, Message, Package, PackageName, RelaunchTerms, Releases,
        RestartMode, Span, State as Document, System, Terms, WindowTerms, Withheld,
    },
};
use smol_str::{SmolStr, format_smolstr};
use std::{collections::BTreeMap, sync::Arc};

/// How long use of a device after an absence passes before a change is forced (rule 11).
const GRACE: u64 = 24 * 3_600;
/// The same, for what is known to be exploited.
const GRACE_KEV: u64 = 4 * 3_600;
/// The most vulnerabilities that a directive names.
const CLOSES_MOST: usize = 8;
/// How long a document may be acted upon at least.
const LASTS: i64 = 23 * 86_400;
/// How often the end of a document moves on, in seconds: devices fetch one this often though nothing changes, each at a time of
/// its own.
const RENEWED: i64 = 7 * 86_400;

/// What is around a document's directives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The organisation.
    pub organization: &'a str,
    /// Its number within the epoch.
    pub sequence: u64,
}

/// Whether a document can be made now: where terms depend on what was decided, that has to be there.
pub fn ready(state: &State, record: &DeviceRecord, row: Option<&BoardRow>) -> bool {
    let Some(policy) = &state.policy else { return true };
    let repository = &policy.repository;
    let depends = !repository.exceptions.is_empty() || repository.freezes.iter().any(|freeze| freeze.unless.is_some());
    row.is_some() || !depends || record.published.is_empty()
}

/// What is published for a device, as its agent reads it.
pub fn document(state: &State, record: &DeviceRecord, row: Option<&BoardRow>, frame: &Frame<'_>) -> Document {
    let mandate = state.agents.mandate().map(|(_, mandate)| mandate);
    let mut document = Document {
        organization: frame.organization.into(),
        device: state.identity.agents_id(&record.id).clone(),
        epoch: state.agents.epoch,
        sequence: frame.sequence,
        policy: state.policy.as_ref().map(|policy| policy.policy_hash.clone()).unwrap_or_default(),
        mandate: mandate.and_then(digest),
        expires: expires(record.index, state.clock),
        timezone: SmolStr::new_static("UTC"),
        terms: Vec::new(),
        directives: Vec::new(),
        withheld: Vec::new(),
    };
    let Some(policy) = &state.policy else { return document };
    let repository = &policy.repository;
    let device = reading::device(state, repository, record, state.clock);
    let writer = Writer::of(state, repository, record, row, &device, state.clock);
    if let Some(Value::Text(zone)) = writer.facts.get(&FieldRef::device("timezone")).as_deref()
        && TimeZone::get(zone).is_ok()
    {
        document.timezone = zone.clone();
    }
    let mut terms: BTreeMap<Terms, u32> = BTreeMap::new();
    let mut directives = Vec::new();
    for published in record.published.values() {
        let Some(policy) = repository.policy(&published.key.policy) else { continue };
        let outcome = writer.outcome(published.slot());
        let mut permitted = None;
        for (word, action) in writer.actions(published, outcome) {
            // What a disruption group limits is told to a device that has its lease.
            if Writer::disrupts(&action) && !*permitted.get_or_insert_with(|| writer.permits(policy)) {
                continue;
            }
            let wanted = writer.terms(policy, published, outcome);
            let next = u32::try_from(terms.len()).unwrap_or(u32::MAX);
            let place = *terms.entry(wanted).or_insert(next);
            directives.push(writer.directive(published, outcome, word, action, place));
        }
    }
    directives.sort_by(|a, b| {
        let key = |it: &Directive| (it.due.unwrap_or(Timestamp::MAX), it.id.clone());
        key(a).cmp(&key(b))
    });
    let mut listed: Vec<(Terms, u32)> = terms.into_iter().collect();
    listed.sort_by_key(|(_, place)| *place);
    document.terms = listed.into_iter().map(|(terms, _)| terms).collect();
    document.directives = directives;
    document.withheld = writer.withheld();
    document
}

/// When a document ends: not before [`LASTS`], and the same moment for a week.
pub fn expires(index: u32, clock: Timestamp) -> Timestamp {
    // Consecutive devices lie far apart in the week.
    let offset = i64::from(index.wrapping_mul(2_654_435_761)) % RENEWED;
    let least = clock.as_second().saturating_add(LASTS);
    let until = (least - offset).div_euclid(RENEWED).saturating_add(1).saturating_mul(RENEWED).saturating_add(offset);
    Timestamp::from_second(until).unwrap_or(Timestamp::MAX)
}

/// How many numbers a device's states may take between two events.
const NUMBERS: u64 = 1 << 16;

/// The number of a state whose content differs from the one that was told `before`, in this life of the server, while the log ends at
/// `seq`.
///
/// Content also differs where no event says why: time has passed, or decisions are there that were not. Such a state takes the next
/// number. Those numbers are remembered nowhere; each start of a server writes an event, so that all of its numbers lie above
/// those of the life before.
pub fn sequence(seq: u64, before: Option<u64>) -> u64 {
    let next = before.map_or(0, |before| before.saturating_add(1));
    seq.saturating_mul(NUMBERS).max(next)
}

/// Whether a directive's name is one of a slot: [`Directive::id`] is made of a word, the slot, and a version where there is one.
pub fn names(directive: &str, slot: &SlotName) -> bool {
    let Some((word, rest)) = directive.split_once(' ') else { return false };
    let of = match word {
        "upgrade" | "install" => rest.rsplit_once(' ').map_or(rest, |(of, _)| of),
        _ => rest,
    };
    of == format_smolstr!("{slot}")
}

/// The version that a directive brings, by its name; `None` where it brings none.
pub fn version(directive: &str) -> Option<&str> {
    let (word, rest) = directive.split_once(' ')?;
    matches!(word, "upgrade" | "install").then(|| rest.rsplit_once(' ').map(|(_, version)| version))?
}

fn digest(mandate: &Arc<MandateRecord>) -> Option<Digest> {
    mandate.digest.parse().ok()
}

/// The package manager of a device, by what it says of itself.
fn system(state: &State, record: &DeviceRecord) -> Option<System> {
    let has = |system: &System| {
        let namespace = format_smolstr!("{}/", system.namespace());
        let from = SlotName::of(TitleId::new(&namespace));
        record.installs.first_from(&from).is_some_and(|(slot, _)| slot.title.as_str().starts_with(&*namespace))
    };
    let by_installs = [System::Deb, System::Rpm].into_iter().find(has);
    by_installs.or_else(|| {
        let universe = state.universes.get(record.universe.as_ref()?)?;
        match universe.distribution.split('/').next()? {
            "debian" | "ubuntu" => Some(System::Deb),
            "" => None,
            _ => Some(System::Rpm),
        }
    })
}

struct Writer<'a> {
    state: &'a State,
    repository: &'a Repository,
    record: &'a DeviceRecord,
    row: Option<&'a BoardRow>,
    device: &'a Device,
    facts: FactView<'a>,
    system: Option<System>,
}

impl<'a> Writer<'a> {
    fn of(
        state: &'a State,
        repository: &'a Repository,
        record: &'a DeviceRecord,
        row: Option<&'a BoardRow>,
        device: &'a Device,
        now: Timestamp,
    ) -> Writer<'a> {
        let facts = device.facts.view(&repository.authority, &repository.staleness, now);
        Writer { state, repository, record, row, device, facts, system: system(state, record) }
    }
}

impl Writer<'_> {
    /// Whether an action takes the device away from those who use it.
    fn disrupts(action: &Action) -> bool {
        action.changes_packages() || *action == Action::Restart
    }

    fn outcome(&self, slot: &SlotName) -> Option<&SlotOutcome> {
        self.row?.slots.iter().find(|outcome| outcome.slot == *slot).map(|outcome| &**outcome)
    }

    /// What is to be done about a slot, each with the word that names it.
    fn actions(&self, published: &Published, outcome: Option<&SlotOutcome>) -> Vec<(&'static str, Action)> {
        let key = &published.key;
        let mut actions = Vec::new();
        if key.mode == Mode::Enforce {
            actions.extend(self.change(key));
        }
        if key.mode == Mode::Observe {
            return actions;
        }
        if outcome.is_some_and(|outcome| outcome.compliance == Compliance::Unsupported) {
            let by = outcome.and_then(|outcome| outcome.due);
            actions.push(("replace", Action::Notify { message: Message::Unsupported { by } }));
        }
        if let Some(since) = restart_pending(self.record, &key.slot) {
            actions.push(match key.mode {
                Mode::Enforce => ("restart", Action::Restart),
                _ => ("restart", Action::Notify { message: Message::RestartNeeded { since } }),
            });
        }
        actions
    }

    /// The change of packages that is admitted.
    fn change(&self, key: &CohortKey) -> Option<(&'static str, Action)> {
        let installed = self.record.installs.get(&key.slot);
        let name = || self.package(&key.slot.title);
        match &key.admitted {
            Wanted::Nothing => None,
            Wanted::Absent => installed.and_then(|_| name()).map(|name| ("remove", Action::Remove(name))),
            Wanted::Release(version) => {
                // A halt counts from the moment at which it is in the log, not from when this device is decided anew.
                if self.is_halted(&key.slot.title, version) {
                    return None;
                }
                let PackageName { system, name } = name()?;
                let package = |downgrade| Package { system, name: name.clone(), version: version.clone(), downgrade };
                let Some(installed) = installed else { return Some(("install", Action::Install(package(false)))) };
                if installed.version == *version && installed.state.is_none() {
                    return None;
                }
                let scheme = self.repository.scheme(&key.slot.title);
                let read = |text: &str| Version::parse(scheme, text).ok();
                let below = read(version)
                    .zip(read(&installed.version))
                    .is_some_and(|(wanted, now)| wanted.compare(&now).is_some_and(std::cmp::Ordering::is_lt));
                Some(("upgrade", Action::Upgrade(package(below))))
            }
        }
    }

    /// Whether a release is halted where this device is; where its platform is unknown, anywhere.
    fn is_halted(&self, title: &TitleId, version: &str) -> bool {
        let platform = self.facts.get(&FieldRef::device("platform"));
        let elsewhere = |on: &SmolStr| matches!(platform.as_deref(), Some(Value::Text(here)) if here != on);
        let mut halts = self.state.rollouts.halts_of(title, version);
        halts.any(|(_, gate)| !gate.platform.as_ref().is_some_and(elsewhere))
    }

    /// What a title is in the device's package manager; `None` where nobody says.
    fn package(&self, title: &TitleId) -> Option<PackageName> {
        if let Some((namespace, name)) = title.package() {
            return Some(PackageName { system: System::from_namespace(namespace)?, name: name.into() });
        }
        let system = self.system?;
        let mut carriers = self.repository.carriers(title);
        carriers.retain(|carrier| carrier.package().is_some_and(|(namespace, _)| namespace == system.namespace()));
        // Of several names the one that is there; else the first, which is the usual one.
        let present =
            carriers.iter().find(|carrier| self.record.installs.contains_key(&SlotName::of((*carrier).clone())));
        let (_, name) = present.or_else(|| carriers.first())?.package()?;
        Some(PackageName { system, name: name.into() })
    }

    fn directive(
        &self,
        published: &Published,
        outcome: Option<&SlotOutcome>,
        word: &str,
        action: Action,
        terms: u32,
    ) -> Directive {
        let slot = published.slot();
        let version = match &action {
            Action::Upgrade(package) | Action::Install(package) => package.version.as_str(),
            _ => "",
        };
        let id = if version.is_empty() {
            format_smolstr!("{word} {slot}")
        } else {
            format_smolstr!("{word} {slot} {version}")
        };
        let (closes, kev) = self.closes(published, outcome);
        // A device that has lost its memory does not know any more when what it installed was due.
        let waiting = self.record.receipts.get(slot).filter(|_| action == Action::Restart);
        let due = published.due.into_iter().chain(waiting.and_then(|receipt| receipt.due)).min();
        Directive {
            id,
            title: slot.title.clone(),
            branch: slot.branch.clone(),
            action,
            due,
            closes,
            grace_seconds: if kev { GRACE_KEV } else { GRACE },
            terms,
        }
    }

    /// The vulnerabilities that are open in a slot, those that are known to be exploited first, and whether any is.
    fn closes(&self, published: &Published, outcome: Option<&SlotOutcome>) -> (Vec<AdvisoryId>, bool) {
        let mut open: Vec<(bool, AdvisoryId)> = match outcome {
            Some(outcome) => outcome.exposures.iter().map(|(id, kev)| (!*kev, id.clone())).collect(),
            None => {
                let by = published.due_by.iter().map(|by| AdvisoryId::new(&by.obligation));
                by.filter_map(|id| Some((self.advisory(published.slot(), &id)?.kev.is_none(), id))).collect()
            }
        };
        open.sort();
        let kev = open.first().is_some_and(|(not_exploited, _)| !not_exploited);
        (open.into_iter().take(CLOSES_MOST).map(|(_, id)| id).collect(), kev)
    }

    fn advisory(&self, slot: &SlotName, id: &AdvisoryId) -> Option<&super::entry::AdvisoryEntry> {
        let universe = || self.state.universes.get(self.record.universe.as_ref()?);
        let distribution = || self.state.distributions.get(&universe()?.distribution);
        let here =
            || distribution()?.advisories.iter().find(|advisory| advisory.id == *id && advisory.title == slot.title);
        reading::known(self.state, self.repository, &slot.title, id.as_str()).or_else(here)
    }

    fn terms(&self, policy: &Policy, published: &Published, outcome: Option<&SlotOutcome>) -> Terms {
        let acting = self.acting(published.slot(), outcome);
        let window = acting.iter().find_map(|exception| exception.window.as_ref()).or(policy.window.as_ref());
        let restart = acting.iter().find_map(|exception| exception.restart);
        let experience = &policy.experience;
        let reboot = restart.or(experience.reboot.as_ref().map(|reboot| reboot.mode));
        let relaunch = experience.relaunch.as_ref();
        Terms {
            policy: policy.name.clone(),
            rollout: published.key.rollout.clone(),
            ring: published.key.ring.clone(),
            window: window.map(|window| self.window(window)),
            freezes: self.freezes(published, outcome),
            notify_seconds: experience.notify.map_or(0, |notify| seconds(notify.0)),
            defer: experience
                .defer
                .as_ref()
                .map(|defer| DeferTerms { times: defer.times, for_seconds: seconds(defer.length.0) }),
            relaunch: RelaunchTerms {
                mode: relaunch.map_or(RestartMode::default(), |relaunch| mode(relaunch.mode)),
                not_while: relaunch
                    .map_or_else(Vec::new, |relaunch| relaunch.not_while.iter().copied().map(busy).collect()),
                wait_seconds: relaunch.and_then(|relaunch| relaunch.wait_up_to).map_or(0, |wait| seconds(wait.0)),
            },
            reboot: reboot.map_or(RestartMode::default(), mode),
        }
    }

    /// The exceptions whose window and restart take the place of the policy's, as was decided last: those that surely act.
    fn acting(&self, slot: &SlotName, outcome: Option<&SlotOutcome>) -> Vec<&Exception> {
        outcome.map_or_else(Vec::new, |outcome| self.exceptions(slot, outcome, &outcome.exceptions))
    }

    /// Of the exceptions of a slot that have these names those that no obligation lets be.
    fn exceptions(&self, slot: &SlotName, outcome: &SlotOutcome, names: &[SmolStr]) -> Vec<&Exception> {
        let obliges = |id: &AdvisoryId| outcome.obligations.iter().any(|(name, _)| name == id.as_str());
        let known = names.iter().filter_map(|name| self.repository.exceptions.iter().find(|it| it.name == *name));
        known.filter(|exception| !self.holds_for_one(&exception.unless, slot, outcome, obliges)).collect()
    }

    /// What no change may bring along: versions that a block or a halt keeps back on the device, and all but those at which an
    /// exception holds it. Packages alone: of another title nobody says which package it would be.
    fn withheld(&self) -> Vec<Withheld> {
        let (now, zone) = (self.state.clock, self.device.zone());
        let mut withheld = Vec::new();
        let mut add = |title: &TitleId, releases: Releases| {
            let package = title.package().and_then(|(namespace, name)| {
                Some(PackageName { system: System::from_namespace(namespace)?, name: name.into() })
            });
            withheld.extend(package.map(|package| Withheld { package, releases }));
        };
        for block in &self.repository.blocks {
            let over = block.until.is_some_and(|until| until.end_in(&zone) <= now);
            // One whose condition is unknown holds.
            let here = block.condition.as_ref().is_none_or(|condition| !condition.truth(&self.facts, now).is_false());
            if here && !over {
                add(&block.title, Releases::Not(block.releases.text_in(self.repository.scheme(&block.title)).clone()));
            }
        }
        for outcome in self.row.iter().flat_map(|row| &row.slots) {
            // One of which it is unknown whether it acts holds too.
            let unsure = self.exceptions(&outcome.slot, outcome, &outcome.unsure_exceptions);
            for exception in self.acting(&outcome.slot, Some(&**outcome)).into_iter().chain(unsure) {
                if let Some(range) = &exception.hold_at {
                    let title = &outcome.slot.title;
                    add(title, Releases::Only(range.text_in(self.repository.scheme(title)).clone()));
                }
            }
        }
        let platform = match self.facts.get(&FieldRef::device("platform")).as_deref() {
            Some(Value::Text(platform)) => Some(platform.clone()),
            _ => None,
        };
        for (title, answers) in &self.state.rollouts.gates {
            let halts = answers.iter().filter(|record| record.answer == GateAnswer::Halt);
            let here =
                |platforms: &Option<SmolStr>| platforms.is_none() || platform.is_none() || *platforms == platform;
            for record in halts.filter(|record| here(&record.platform)) {
                for (title, version) in self.state.rollouts.parts(title, &record.version) {
                    add(&title, Releases::Not(format_smolstr!("={version}")));
                }
            }
        }
        withheld.sort();
        withheld.dedup();
        withheld.retain(|withheld| self.system.is_none_or(|system| system == withheld.package.system));
        withheld
    }

    fn window(&self, used: &UsedWindow) -> WindowTerms {
        let after_due = match used.after_due {
            Some(written::AfterDue::Run) => AfterDue::Run,
            Some(written::AfterDue::Wait) => AfterDue::Wait,
            None if self.may_be_a_server() => AfterDue::Wait,
            None => AfterDue::Run,
        };
        WindowTerms { rrule: used.window.text().clone(), lasts_seconds: seconds(used.window.lasts()), after_due }
    }

    /// As rule 10 asks (decision 0033).
    fn may_be_a_server(&self) -> bool {
        let text = |field: &str| match self.facts.get(&FieldRef::device(field)).as_deref() {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        match (text("kind"), text("platform")) {
            (Some(kind), _) => kind == "server",
            (None, Some(platform)) => matches!(platform.as_str(), "linux" | "windows"),
            (None, None) => true,
        }
    }

    /// The freezes that concern the device and do not yield to an exposure of the slot.
    fn freezes(&self, published: &Published, outcome: Option<&SlotOutcome>) -> Vec<Span> {
        let zone = self.device.zone();
        let now = self.state.clock;
        let counts = |freeze: &&Freeze| {
            // One whose condition is unknown holds.
            let here = freeze.condition.as_ref().is_none_or(|condition| !condition.truth(&self.facts, now).is_false());
            here && !self.yields(freeze, published, outcome)
        };
        let spans = self.repository.freezes.iter().filter(counts);
        let spans = spans.map(|freeze| Span { from: freeze.from.start_in(&zone), to: freeze.to.end_in(&zone) });
        let mut spans: Vec<Span> = spans.filter(|span| span.to > now).collect();
        spans.sort();
        spans.dedup();
        spans
    }

    fn yields(&self, freeze: &Freeze, published: &Published, outcome: Option<&SlotOutcome>) -> bool {
        let (Some(unless), Some(outcome)) = (&freeze.unless, outcome) else { return false };
        self.holds_for_one(unless, published.slot(), outcome, |_| true)
    }

    /// Whether a condition surely holds for one of a slot's open exposures, of those that count.
    fn holds_for_one(
        &self,
        unless: &Expr,
        slot: &SlotName,
        outcome: &SlotOutcome,
        counts: impl Fn(&AdvisoryId) -> bool,
    ) -> bool {
        outcome.exposures.iter().filter(|(id, _)| counts(id)).any(|(id, _)| {
            let entry = self.advisory(slot, id);
            let advisory = entry.and_then(|entry| reading::advisory(self.repository, entry));
            advisory.is_some_and(|advisory| {
                let view = ExposureView { known: &self.facts, advisory: &advisory, at: self.state.clock };
                unless.truth(&view, self.state.clock).is_true()
            })
        })
    }
}

/// Since when a slot waits for a restart, by its newest receipt.
pub(super) fn restart_pending(record: &DeviceRecord, slot: &SlotName) -> Option<Timestamp> {
    let receipt = record.receipts.get(slot)?;
    let installed = record.installs.get(slot)?;
    let pending = receipt.result == ReceiptResult::RestartPending;
    (pending && receipt.after.as_ref() == Some(&installed.version)).then_some(receipt.at)
}

pub(super) fn seconds(duration: SignedDuration) -> u64 {
    u64::try_from(duration.as_secs()).unwrap_or(0)
}

fn mode(mode: written::RestartMode) -> RestartMode {
    match mode {
        written::RestartMode::Ask => RestartMode::Ask,
        written::RestartMode::AtDue => RestartMode::AtDue,
        written::RestartMode::Never => RestartMode::Never,
    }
}

fn busy(busy: written::Busy) -> Busy {
    match busy {
        written::Busy::Call => Busy::Call,
        written::Busy::ScreenShare => Busy::ScreenShare,
        written::Busy::Focus => Busy::Focus,
        written::Busy::CalendarBusy => Busy::CalendarBusy,
    }
}
