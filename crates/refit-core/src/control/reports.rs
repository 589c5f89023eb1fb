//! What people say is broken: whose reports these are, what may be the cause, and what came of them.
//!
//! Each report is of the changes that its device made within 72 hours before. Gates count it with them
//! ([`crate::rollout::Measure::Reports`]) until somebody closes it with "not us". Which change is the likely cause is worked out
//! when somebody asks ([`suspects`]): that depends on what others say meanwhile.

use super::{
    event::{Event, ReportAcknowledged, ReportClosed, ReportShown},
    exceptions::{new_file, quoted, slug},
    state::State,
};
use crate::{policy::repository::Repository, rollout::Tally};
use imbl::OrdMap;
use jiff::Timestamp;
use refit_model::{DeviceId, PersonId, TitleId};
use refit_wire::{Digest, protocol::ReportOutcome as Said};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

/// All reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reports {
    by_id: OrdMap<SmolStr, Arc<ReportRecord>>,
    of_devices: OrdMap<DeviceId, Arc<Vec<SmolStr>>>,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// The device.
    pub device: DeviceId,
    /// The name that the device's agent gave it; `None` where it came through the API.
    pub complaint: Option<SmolStr>,
    /// Who passed it on through the API.
    pub by: Option<SmolStr>,
    /// Whose words these are, where that is known.
    pub person: Option<PersonId>,
    /// Since when it is so, as whoever says it has it.
    pub at: Timestamp,
    /// When the server heard of it.
    pub received: Timestamp,
    /// What is broken, where somebody named it.
    pub title: Option<SmolStr>,
    /// SHA-256 of the content that holds the words.
    pub text: SmolStr,
    /// What was changed on the device in the 72 hours before, newest first.
    pub changes: Vec<ReportChange>,
    /// Who looks at it, and since when.
    pub acknowledged: Option<(SmolStr, Timestamp)>,
    /// What came of it.
    pub closed: Option<Closed>,
    /// When the answer was shown on the device.
    pub shown: Option<Timestamp>,
}

/// A change before a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportChange {
    /// The title.
    pub title: TitleId,
    /// The release that was tried, whatever came of it.
    pub version: SmolStr,
    /// The release before, where that is known.
    pub before: Option<SmolStr>,
    /// When it ended.
    pub at: Timestamp,
}

/// What came of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// What came of it.
    pub outcome: ReportOutcome,
    /// The title that it was about.
    pub title: Option<TitleId>,
    /// The release that is to be blocked, or that mends it.
    pub version: Option<SmolStr>,
    /// Why.
    pub why: SmolStr,
    /// Who answered.
    pub by: SmolStr,
    /// When.
    pub at: Timestamp,
}

/// How far a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// Nobody has looked yet.
    Open,
    /// Somebody looks at it.
    Acknowledged,
    /// It was answered.
    Closed,
}

/// With what a report is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportOutcome {
    /// A release is to blame, and is given to nobody any more.
    Block,
    /// It is mended.
    Fix,
    /// No update was the cause.
    NotUs,
}

impl ReportOutcome {
    /// As the device is told.
    pub fn said(self) -> Said {
        match self {
            ReportOutcome::Block => Said::Block,
            ReportOutcome::Fix => Said::Fix,
            ReportOutcome::NotUs => Said::NotUs,
        }
    }
}

/// What the server is told of reports.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportInput {
    /// Somebody says that something is broken.
    Open {
        /// The report's id.
        report: SmolStr,
        /// The device.
        device: DeviceId,
        /// Whose words these are; `None` is: the device's person's.
        person: Option<PersonId>,
        /// Since when it is so.
        at: Timestamp,
        /// What is broken, where that is known.
        title: Option<SmolStr>,
        /// SHA-256 of the content that holds the words.
        text: SmolStr,
    },
    /// Somebody looks at it.
    Acknowledge {
        /// The report.
        report: SmolStr,
    },
    /// It is answered.
    Close {
        /// The report.
        report: SmolStr,
        /// With what.
        outcome: ReportOutcome,
        /// The title; where it is left out and a release is to blame, that of the likeliest cause.
        title: Option<TitleId>,
        /// The release.
        version: Option<SmolStr>,
        /// Why.
        why: SmolStr,
    },
}

/// How many reports of one device are kept: with more of them the oldest are forgotten, closed ones first.
const OF_DEVICE_MOST: usize = 64;

/// The id of what somebody said on a device: the agent draws names, and two agents may draw the same one.
pub fn report_id(device: &DeviceId, complaint: &str) -> SmolStr {
    let digest = Digest::of(format!("{device}\n{complaint}").as_bytes()).to_string();
    digest.get(..24).unwrap_or_default().into()
}

impl ReportRecord {
    pub(super) fn new(
        device: DeviceId,
        received: Timestamp,
        at: Timestamp,
        title: Option<SmolStr>,
        text: SmolStr,
    ) -> ReportRecord {
        ReportRecord {
            device,
            complaint: None,
            by: None,
            person: None,
            at,
            received,
            title,
            text,
            changes: Vec::new(),
            acknowledged: None,
            closed: None,
            shown: None,
        }
    }

    /// How far it is.
    pub fn status(&self) -> ReportStatus {
        match (&self.closed, &self.acknowledged) {
            (Some(_), _) => ReportStatus::Closed,
            (None, Some(_)) => ReportStatus::Acknowledged,
            (None, None) => ReportStatus::Open,
        }
    }

    /// Whether gates count it: until somebody says that it was no update.
    pub fn counts(&self) -> bool {
        self.closed.as_ref().is_none_or(|closed| closed.outcome != ReportOutcome::NotUs)
    }

    /// The releases that it speaks against: of the title that was named, or all that came before it.
    pub fn blamed(&self) -> Vec<(TitleId, SmolStr)> {
        let ours = self.changes.iter().filter(|change| self.names(&change.title));
        ours.map(|change| (change.title.clone(), change.version.clone())).collect()
    }

    /// Whether the words are of this title, or of none.
    fn names(&self, title: &TitleId) -> bool {
        self.title.as_ref().is_none_or(|named| named.as_str() == title.as_str())
    }
}

impl Reports {
    /// A report.
    pub fn get(&self, id: &str) -> Option<&Arc<ReportRecord>> {
        self.by_id.get(id)
    }

    /// All of them, by id.
    pub fn all(&self) -> impl Iterator<Item = (&SmolStr, &Arc<ReportRecord>)> {
        self.by_id.iter()
    }

    /// Those of a device, the oldest first.
    pub fn of(&self, device: &DeviceId) -> impl Iterator<Item = (&SmolStr, &Arc<ReportRecord>)> {
        let ids = self.of_devices.get(device).into_iter().flat_map(|ids| ids.iter());
        ids.filter_map(|id| Some((id, self.by_id.get(id)?)))
    }

    /// The answers that a device has not shown yet, each with the name that its agent gave to the report.
    pub fn unshown(&self, device: &DeviceId) -> Vec<(SmolStr, ReportOutcome)> {
        let answer = |report: &Arc<ReportRecord>| {
            let (complaint, closed) = (report.complaint.clone()?, report.closed.as_ref()?);
            report.shown.is_none().then_some((complaint, closed.outcome))
        };
        self.of(device).filter_map(|(_, report)| answer(report)).collect()
    }

    pub(super) fn add(&mut self, id: SmolStr, record: ReportRecord) {
        let device = record.device.clone();
        self.by_id.insert(id.clone(), Arc::new(record));
        let ids = Arc::make_mut(self.of_devices.entry(device).or_default());
        if !ids.contains(&id) {
            ids.push(id);
        }
        if ids.len() > OF_DEVICE_MOST {
            let is_closed = |id: &SmolStr| self.by_id.get(id).is_none_or(|known| known.closed.is_some());
            let forgotten = ids.remove(ids.iter().position(is_closed).unwrap_or(0));
            self.by_id.remove(&forgotten);
        }
    }

    pub(super) fn apply(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::ReportAcknowledged(ReportAcknowledged { report, by, .. }) => {
                self.change(report, |record| record.acknowledged = Some((by.clone(), at)));
            }
            Event::ReportClosed(ReportClosed { report, outcome, title, version, why, by, .. }) => {
                let (title, version) = (title.clone(), version.clone());
                let closed = Closed { outcome: *outcome, title, version, why: why.clone(), by: by.clone(), at };
                self.change(report, |record| {
                    record.closed = Some(closed);
                    record.shown = None;
                });
            }
            Event::ReportShown(ReportShown { reports, .. }) => {
                for report in reports {
                    self.change(report, |record| record.shown = Some(at));
                }
            }
            _ => {}
        }
    }

    /// A device turned out to be another: its reports are of that one.
    pub(super) fn merged(&mut self, from: &DeviceId, into: &DeviceId) {
        let Some(ids) = self.of_devices.remove(from) else { return };
        for id in ids.iter() {
            self.change(id, |record| record.device = into.clone());
        }
        let kept = Arc::make_mut(self.of_devices.entry(into.clone()).or_default());
        kept.extend(ids.iter().cloned());
    }

    fn change(&mut self, report: &SmolStr, change: impl FnOnce(&mut ReportRecord)) {
        if let Some(record) = self.by_id.get_mut(report) {
            change(Arc::make_mut(record));
        }
    }
}

/// A change that may be the cause of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// The change.
    pub change: ReportChange,
    /// Whether the words name its title.
    pub named: bool,
    /// Of the other devices that tried the same release, how many report something.
    pub others: Counted,
    /// All of that in a sentence.
    pub says: String,
}

/// So many of so many; `of` is 0 where it is not known of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Those that report.
    pub reporting: u64,
    /// All.
    pub of: u64,
}

/// The changes before a report, the likeliest cause first: what the words name before everything else, then that of which the largest
/// part of the other devices surely reports something too, then the newest.
pub fn suspects(state: &State, record: &ReportRecord) -> Vec<Suspect> {
    let index = state.devices.get(&record.device).map(|device| device.index);
    let mut suspects: Vec<(f64, Suspect)> = Vec::new();
    for change in &record.changes {
        let others = others(state, record, index, change);
        let named = record.title.is_some() && record.names(&change.title);
        let surely = Tally::new(others.reporting, others.of.max(others.reporting)).lower_bound(DOUBT);
        let says = sentence(record, change, named, others);
        suspects.push((surely, Suspect { change: change.clone(), named, others, says }));
    }
    suspects.sort_by(|(one, a), (two, b)| {
        b.named
            .cmp(&a.named)
            .then_with(|| two.partial_cmp(one).unwrap_or(Ordering::Equal))
            .then_with(|| b.change.at.cmp(&a.change.at))
            .then_with(|| (&a.change.title, &a.change.version).cmp(&(&b.change.title, &b.change.version)))
    });
    suspects.into_iter().map(|(_, suspect)| suspect).collect()
}

/// Of the other devices with a release, how many report something. Where no rollout counts who has it, those that report alone.
fn others(state: &State, record: &ReportRecord, index: Option<u32>, change: &ReportChange) -> Counted {
    if let Some(trial) = state.rollouts.trial(&change.title, &change.version) {
        let (mut reporting, mut all) = (trial.complained.clone(), trial.results());
        all.0 |= &reporting.0;
        for set in [&mut reporting, &mut all] {
            index.iter().for_each(|index| set.remove(*index));
        }
        return Counted { reporting: reporting.len(), of: all.len() };
    }
    let blames = |other: &ReportRecord| {
        let same = |it: &ReportChange| (&it.title, &it.version) == (&change.title, &change.version);
        other.device != record.device
            && other.counts()
            && other.changes.iter().any(|it| same(it) && other.names(&it.title))
    };
    let reporting: BTreeSet<&DeviceId> =
        state.reports.all().filter(|(_, other)| blames(other)).map(|(_, other)| &other.device).collect();
    Counted { reporting: reporting.len() as u64, of: 0 }
}

/// How sure the part of others is: as gates are.
const DOUBT: f64 = 0.05;

fn sentence(record: &ReportRecord, change: &ReportChange, named: bool, others: Counted) -> String {
    let minutes = record.at.duration_since(change.at).as_mins();
    let before = match minutes {
        ..90 => format!("{minutes} min"),
        _ => format!("{} h", (minutes + 30) / 60),
    };
    let title = if named { ", which the report names," } else { "" };
    let others = match others {
        Counted { reporting: 0, of: 0 } => "no other device with it reports anything".to_owned(),
        Counted { reporting: 1, of: 0 } => "1 other device with it reports something too".to_owned(),
        Counted { reporting, of: 0 } => format!("{reporting} other devices with it report something too"),
        Counted { reporting: 0, of } => format!("none of the {of} other devices with it reports anything"),
        Counted { reporting, of } => format!("{reporting} of the {of} other devices with it report something too"),
    };
    format!("{} {}{title} came {before} before; {others}", change.title, change.version)
}

/// Who answers for what a report is about: the owner of the policy that decides on the title there, or of one that speaks of it. The title
/// is the one that the report names, or that of the likeliest cause.
pub fn report_owner(state: &State, record: &ReportRecord, suspects: &[Suspect]) -> Option<SmolStr> {
    let title = match &record.title {
        Some(named) => TitleId::new(named),
        None => suspects.first()?.change.title.clone(),
    };
    let repository: &Repository = &state.policy.as_ref()?.repository;
    let device = state.devices.get(&record.device);
    let decides = device.and_then(|device| {
        let published = device.published.values().find(|published| published.key.slot.title == title);
        repository.policy(&published?.key.policy)
    });
    let speaks = || {
        let all = repository.policies.iter();
        let ours = all.filter(|policy| policy.software.iter().any(|selector| selector.selects(&title, || true)));
        ours.filter(|policy| policy.owner.is_some()).max_by_key(|policy| policy.rank(&title))
    };
    decides.filter(|policy| policy.owner.is_some()).or_else(speaks)?.owner.clone()
}

/// The block of what a report was closed with, as a patch of a policy repository: the path of a new file, and its text. `None` where it was
/// closed with something else.
pub fn block_patch(id: &str, record: &ReportRecord, taken: impl Fn(&str) -> bool) -> Option<(String, String)> {
    let closed = record.closed.as_ref().filter(|closed| closed.outcome == ReportOutcome::Block)?;
    let (title, version) = (closed.title.as_ref()?, closed.version.as_ref()?);
    let name = format_smolstr!("{} {version}, reported {}", title, closed.at.strftime("%Y-%m-%d"));
    let text = format!(
        "# Report {id}, closed by {} on {}.\nblock: {}\ntitle: {}\nreleases: {}\nwhy: {}\n",
        one_line(&closed.by),
        closed.at.strftime("%Y-%m-%d"),
        quoted(&name),
        quoted(title.as_str()),
        quoted(&format!("={version}")),
        quoted(&closed.why),
    );
    Some((new_file("blocks", &slug(&format!("{title} {version}")), taken), text))
}

/// As a comment may have it.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
