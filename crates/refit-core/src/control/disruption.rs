//! Disruption groups in the server: who is away, and how the lease of a device goes on when it checks in.
//!
//! [`consider`] is asked by the door at the end of a check-in, on what readers see, and says what the writer has to be told, if
//! anything. The writer looks once more ([`super::handle()`]): two who check in at the same moment never both get the last lease.
//! Nothing but a check-in of the device itself begins or ends its session; what has fallen silent keeps its lease.

mod health;
mod status;

pub use health::awaited;
pub(super) use health::said;
pub use status::{GroupStatus, MemberStatus, groups};

use super::{
    board::BoardRow,
    device_set::DeviceSet,
    document::{self, Limited, has_arrived, names, restart_pending},
    entry::{ReceiptResult, SlotName},
    input::{LeaseStep, Wish},
    state::{DeviceRecord, PRESENCE, State},
};
use crate::rollout::disruption::{Around, Away, Group, Holder, Lease, Leases as _, No, Phase, Place, Question};
use jiff::{SignedDuration, Timestamp};
use refit_wire::protocol::{Standing, WaitsFor};
use smol_str::{SmolStr, format_smolstr};
use std::{collections::BTreeSet, time::Duration};

/// How long a device may act on what it was told, unless it is told something else: an hour, and what clocks may be off by.
const TOLD_LASTS: SignedDuration = SignedDuration::from_mins(75);
/// How long a device rests at least, and at most, that could do nothing with its lease.
const RESTS_LEAST: SignedDuration = SignedDuration::from_mins(10);
const RESTS_MOST: SignedDuration = SignedDuration::from_hours(6);
/// How soon a device comes again whose lease goes on without it.
const SOON: Duration = Duration::from_secs(60);
/// How soon a device comes again that is in its session: before the word that it acts on has run out, or else all that it says of its
/// directives is that they wait for that.
const IN_SESSION: Duration = Duration::from_secs(1_800);
/// How soon a device comes again that waits for others.
const WAITS: Duration = Duration::from_secs(300);

/// What a check-in says that a lease goes by.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Where the directives stand that it was told.
    pub standing: &'a [Standing],
    /// Whether it holds just what it would be told now.
    pub holds_told: bool,
}

/// Why a session is not over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfinished {
    /// A change has failed.
    Failed(SlotName),
    /// It waits for a restart.
    Restart(SlotName),
    /// It says that it is at work, or that a person has been told.
    AtWork,
}

/// What has to be asked of a hook.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// Who has the lease.
    pub holder: Holder,
    /// What is asked.
    pub question: Question,
    /// The hook.
    pub hook: SmolStr,
    /// Its address; `None` where the server knows none: somebody else has to answer.
    pub url: Option<SmolStr>,
    /// The groups.
    pub groups: Vec<Group>,
}

/// How the lease of a device goes on now that it has checked in; `None` is: as it is.
pub fn consider(
    state: &State,
    record: &DeviceRecord,
    row: Option<&BoardRow>,
    said: Said<'_>,
    now: Timestamp,
) -> Option<LeaseStep> {
    let limited = document::limited(state, record, row, now);
    let Some(lease) = state.leases.of_device(&record.id) else {
        return take(state, record, &limited, None, now);
    };
    let unfinished = unfinished(state, record, lease, said.standing);
    match &lease.phase {
        Phase::Session | Phase::Draining { .. } => match idle(&limited, said, now) {
            Some(rests) if unfinished.is_none() => Some(LeaseStep::End { rests }),
            _ => take(state, record, &limited, Some(lease), now),
        },
        Phase::Settling { .. } | Phase::Checking { .. } if unfinished.is_some() => Some(LeaseStep::Resume),
        Phase::Settling { until } => (said.holds_told && *until <= now).then_some(LeaseStep::GiveBack),
        Phase::Checking { .. } | Phase::Withdrawn { .. } => None,
    }
}

/// Whether nothing is left to do now: until when it need not ask again, where the device itself waits for something else.
fn idle(limited: &[Limited], said: Said<'_>, now: Timestamp) -> Option<Option<Timestamp>> {
    let due: Vec<&Limited> = limited.iter().filter(|it| it.is_due_now && it.wants.is_ok()).collect();
    if due.is_empty() {
        return Some(None);
    }
    // What it was told may be something else than what it would be told now.
    if !said.holds_told {
        return None;
    }
    let mut first: Option<Timestamp> = None;
    for limited in due {
        let stands = said.standing.iter().find(|one| names(&one.directive, &limited.slot))?;
        if !waits_elsewhere(stands.waits_for) {
            return None;
        }
        let until = stands.until.unwrap_or(Timestamp::MAX);
        first = Some(first.map_or(until, |first| first.min(until)));
    }
    let least = now.checked_add(RESTS_LEAST).unwrap_or(now);
    let most = now.checked_add(RESTS_MOST).unwrap_or(now);
    Some(first.map(|first| first.clamp(least, most)))
}

/// Whether a directive waits for something that nobody at the device was told of: the session has not begun, or goes on later.
fn waits_elsewhere(waits_for: WaitsFor) -> bool {
    match waits_for {
        WaitsFor::KillSwitch
        | WaitsFor::Mandate
        | WaitsFor::MandateTime
        | WaitsFor::Freeze
        | WaitsFor::Grace
        | WaitsFor::Window
        | WaitsFor::Held
        | WaitsFor::PackageManager => true,
        WaitsFor::Lease
        | WaitsFor::Notice
        | WaitsFor::Deferral
        | WaitsFor::Busy
        | WaitsFor::Restart
        | WaitsFor::Nothing => false,
    }
}

/// Asks for what is due now, and not held yet.
fn take(
    state: &State,
    record: &DeviceRecord,
    limited: &[Limited],
    lease: Option<&std::sync::Arc<Lease>>,
    now: Timestamp,
) -> Option<LeaseStep> {
    let extends = lease.is_none_or(|lease| lease.phase == Phase::Session);
    if !extends
        || state.brake.is_some()
        || forgets(state, now).is_some()
        || state.leases.rests(&record.id).is_some_and(|until| now < until)
    {
        return None;
    }
    let due = limited.iter().filter(|it| it.is_due_now).filter_map(|it| it.wants.as_ref().ok());
    // As many as there is room for: what needs another group waits, and keeps nothing else from going.
    let mut wanted: BTreeSet<Wish> = BTreeSet::new();
    for wishes in due {
        let more: BTreeSet<Wish> = wanted.union(wishes).filter(|wish| is_new(lease, wish)).cloned().collect();
        if more.len() > wanted.len() && ask(state, &Holder::Device(record.id.clone()), &more, now).is_ok() {
            wanted = more;
        }
    }
    (!wanted.is_empty()).then(|| LeaseStep::Take(wanted.into_iter().collect()))
}

/// Until when nobody gets a lease because the log came from a backup: who had one that it does not know may still act on it.
pub(super) fn forgets(state: &State, now: Timestamp) -> Option<Timestamp> {
    let since = state.agents.epoch_since.filter(|_| state.agents.epoch > 1)?;
    since.checked_add(TOLD_LASTS).ok().filter(|until| now < *until)
}

fn is_new(lease: Option<&std::sync::Arc<Lease>>, wish: &Wish) -> bool {
    lease.is_none_or(|lease| !lease.has(&wish.place.group))
}

/// Whether somebody may have a lease of all this.
pub(super) fn ask<'w>(
    state: &State,
    who: &Holder,
    wishes: impl IntoIterator<Item = &'w Wish>,
    now: Timestamp,
) -> Result<(), No> {
    let wishes = wishes.into_iter().map(|wish| (wish.place.clone(), around(state, who, wish, now)));
    state.leases.ask(who, &wishes.collect::<Vec<(Place, Around)>>())
}

/// Who is around in a group.
fn around(state: &State, who: &Holder, wish: &Wish, now: Timestamp) -> Around {
    let group = &wish.place.group;
    let members = match group.is_of_a_person() {
        true => state.found.of_person(&group.value.as_str().into()),
        false => state.leases.members(group),
    };
    let mut around = Around::default();
    for record in members.iter().filter_map(|index| state.at_index(index)) {
        if record.retired.is_some() || !state.agents.devices.contains_key(&record.id) {
            continue;
        }
        let is_asking = who.device() == Some(&record.id);
        let holds = state.leases.of_device(&record.id).is_some_and(|lease| lease.has(group));
        match silent_since(state, record, wish.silent_after, now) {
            Some(since) if !is_asking && !holds => drop(around.silent.insert(record.id.clone(), since)),
            _ => around.present += 1,
        }
    }
    around
}

/// Since when nothing was heard of a device, where that is longer than `after`. Nobody is silent while nobody listens.
pub fn silent_since(state: &State, record: &DeviceRecord, after: SignedDuration, now: Timestamp) -> Option<Timestamp> {
    let heard = heard(state, record);
    let unseen = now.duration_since(heard).saturating_sub(state.not_listening(heard, now));
    (unseen >= after).then_some(heard)
}

fn heard(state: &State, record: &DeviceRecord) -> Timestamp {
    state.heard_from(record.index).map_or(record.seen, |heard| heard.max(record.seen))
}

/// Why the session of a lease is not over; by what was reported, and by what the device has just said.
pub fn unfinished(state: &State, record: &DeviceRecord, lease: &Lease, standing: &[Standing]) -> Option<Unfinished> {
    let repository = state.policy.as_ref().map(|policy| &policy.repository);
    // What is published under a policy that no group limits may fail as it likes.
    let person = document::shared_with(state, record).is_some();
    let is_limited = |slot: &SlotName| {
        let published = record.published.get(slot);
        let policy = published.and_then(|published| repository?.policy(&published.key.policy));
        person || policy.is_none_or(|policy| policy.disruption.is_some())
    };
    for (slot, receipt) in record.receipts.iter().filter(|(slot, _)| is_limited(slot)) {
        let since = receipt.seq > lease.by_event;
        if since && receipt.result == ReceiptResult::Failed && !is_mended(record, slot, receipt.after.as_ref()) {
            return Some(Unfinished::Failed(slot.clone()));
        }
        if restart_pending(record, slot).is_some() {
            return Some(Unfinished::Restart(slot.clone()));
        }
    }
    let limits = |directive: &str| {
        let mut free = record.published.keys().filter(|slot| !is_limited(slot));
        !free.any(|slot| names(directive, slot))
    };
    let works =
        |one: &&Standing| !waits_elsewhere(one.waits_for) && one.waits_for != WaitsFor::Lease && limits(&one.directive);
    standing.iter().any(|one| works(&one)).then_some(Unfinished::AtWork)
}

/// Whether a slot in which a change has failed is where it has to go by now, and not by what failed.
fn is_mended(record: &DeviceRecord, slot: &SlotName, failed: Option<&SmolStr>) -> bool {
    let installed = record.installs.get(slot).map(|installed| &installed.version);
    installed != failed && has_arrived(record, slot)
}

/// Whether anything was changed in the session of a lease.
pub(super) fn has_changed(record: &DeviceRecord, lease: &Lease) -> bool {
    record.receipts.values().any(|receipt| receipt.seq > lease.by_event)
}

/// Until when a device may act on what it was told, whatever it is told now: the answer may get lost.
pub(super) fn acts_until(state: &State, record: &DeviceRecord, now: Timestamp) -> Timestamp {
    let heard = heard(state, record).checked_add(PRESENCE).unwrap_or(now).min(now);
    heard.checked_add(TOLD_LASTS).unwrap_or(Timestamp::MAX)
}

/// When a device is to check in again at the latest, for the sake of its lease, or of one that it waits for.
pub fn again(state: &State, record: &DeviceRecord, row: Option<&BoardRow>, now: Timestamp) -> Option<Duration> {
    let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default().max(SOON);
    if let Some(lease) = state.leases.of_device(&record.id) {
        return match &lease.phase {
            Phase::Draining { .. } => Some(SOON),
            Phase::Settling { until: settled } => Some(until(*settled)),
            Phase::Withdrawn { until: over, .. } => Some(until(*over)),
            Phase::Session => Some(IN_SESSION),
            Phase::Checking { .. } => None,
        };
    }
    let limited = document::limited(state, record, row, now);
    if limited.iter().any(|it| it.is_due_now && it.wants.is_ok()) {
        return Some(state.leases.rests(&record.id).filter(|rests| now < *rests).map_or(WAITS, until));
    }
    limited.iter().filter_map(|it| it.opens).min().map(until)
}

/// What hooks have to be asked now.
pub fn questions(state: &State) -> Vec<Asked> {
    let asks = state.leases.all().filter_map(|(holder, lease)| Some((holder, lease, lease.asks()?)));
    let questions = asks.flat_map(|(holder, lease, (question, yet))| {
        yet.iter().map(move |hook| Asked {
            holder: holder.clone(),
            question,
            hook: hook.clone(),
            url: state.leases.hook(hook).cloned(),
            groups: lease
                .places
                .iter()
                .map(|place| &place.group)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .cloned()
                .collect(),
        })
    });
    questions.collect()
}

impl State {
    /// What somebody is called: a device by its name, where it has one.
    pub fn called(&self, holder: &Holder) -> SmolStr {
        let record = holder.device().and_then(|device| self.devices.get(device));
        record.and_then(|record| record.name.clone()).unwrap_or_else(|| holder.as_str().into())
    }

    /// What a group is called.
    pub fn group_called(&self, group: &Group) -> SmolStr {
        match group.is_of_a_person() {
            true => format_smolstr!("the devices of {}", group.value),
            false => format_smolstr!("{} {}", group.field, group.value),
        }
    }

    /// Why the changes of a slot wait for a disruption group, and since when; `None` where they do not.
    pub(super) fn waits_for_group(
        &self,
        record: &DeviceRecord,
        slot: &SlotName,
    ) -> Option<(SmolStr, Option<Timestamp>)> {
        let now = self.clock;
        let limited = document::limited(self, record, None, now);
        let wants = match &limited.iter().find(|limited| limited.slot == *slot)?.wants {
            Ok(wants) => wants,
            Err(field) => {
                let because =
                    format_smolstr!("no source says what its {field} is, so that nobody knows whom it may leave alone");
                return Some((because, None));
            }
        };
        if let Some(lease) = self.leases.of_device(&record.id) {
            match &lease.phase {
                Phase::Session => {}
                Phase::Draining { yet } => return Some((self.asks_hooks(lease, yet), Some(lease.since))),
                Phase::Settling { until } => {
                    return Some((format_smolstr!("its last session settles until {until:.0}"), None));
                }
                Phase::Checking { yet, .. } => return Some((self.asks_hooks(lease, yet), None)),
                Phase::Withdrawn { until, why } => {
                    return Some((
                        format_smolstr!("its lease was given back by hand ({why}), and ends {until:.0}"),
                        None,
                    ));
                }
            }
        }
        let no = ask(self, &Holder::Device(record.id.clone()), wants, now).err()?;
        Some((self.because(&no), no.away.first().map(|away| away.since)))
    }

    fn asks_hooks(&self, lease: &Lease, yet: &BTreeSet<SmolStr>) -> SmolStr {
        let names: Vec<&str> = yet.iter().map(SmolStr::as_str).collect();
        let signals: BTreeSet<String> =
            lease.places.iter().filter_map(|place| Some(place.signal.as_ref()?.to_string())).collect();
        let is_signal = |hook: &SmolStr| signals.contains(hook.as_str());
        let unknown = yet.iter().any(|hook| self.leases.hook(hook).is_none() && !is_signal(hook));
        let said = match &lease.problem {
            Some(problem) => format!(", which said: {problem}"),
            None if unknown => ", of which this server knows no address".to_owned(),
            None => String::new(),
        };
        let what = if yet.iter().any(is_signal) { "" } else { "the webhook " };
        format_smolstr!("waits for {what}{} to agree{said}", names.join(", "))
    }

    /// A "no" in words: who has the group.
    pub fn because(&self, no: &No) -> SmolStr {
        let group = self.group_called(&no.group);
        let said = no.away.iter().map(|away| self.away(away)).collect::<Vec<_>>();
        let most = if no.most == 1 { String::new() } else { format!(" ({} at a time)", no.most) };
        format_smolstr!("waits for {}{most}: {group}", said.join(" and "))
    }

    fn away(&self, away: &Away) -> String {
        let (who, since) = (self.called(&away.who), away.since);
        if away.silent {
            return format!("{who}, which has been silent since {since:.0}");
        }
        let stuck = self.stuck(&away.who).map(|stuck| format!(" ({stuck})")).unwrap_or_default();
        format!("{who}, which has the lease since {since:.0}{stuck}")
    }

    /// What keeps somebody's session from being over, in words; `None` where it goes its way.
    pub fn stuck(&self, holder: &Holder) -> Option<String> {
        let lease = self.leases.of(holder)?;
        if let Some(problem) = &lease.problem {
            let what =
                if lease.places.iter().any(|place| place.signal.is_some()) { "what has to agree" } else { "a webhook" };
            return Some(format!("{what} does not agree: {problem}"));
        }
        let record = self.device(holder.device()?)?;
        let silent = silent_since(self, record, document::SILENT_AFTER, self.clock);
        if let Some(since) = silent {
            return Some(format!("silent since {since:.0}"));
        }
        match unfinished(self, record, lease, &[])? {
            Unfinished::Failed(slot) => Some(format!("{slot} has failed")),
            Unfinished::Restart(slot) => Some(format!("{slot} waits for a restart")),
            Unfinished::AtWork => None,
        }
    }

    /// The devices of which some change waits for a disruption group, or may wait for one.
    pub fn disrupted_devices(&self) -> DeviceSet {
        let limited = self.managed().filter(|record| !document::limited(self, record, None, self.clock).is_empty());
        limited.map(|record| record.index).collect()
    }
}
