//! Beside another tool that still does the work: where it and the policies differ, device by device.
//!
//! What the other tool reports ([`report`]) is held against the plain decision: for what was installed at the moment in which it was, for
//! what waits at the time of the report. Nothing is changed anywhere.

pub mod report;

use crate::object::Source;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::{
    decide::{Compliance, Decision, Goal, Held, PassedOver, PolicyVerdict, ReleaseVerdict, decide_title},
    facts::{FieldRef, Value},
    policy::{
        document::{policy::Mode, scalars::When},
        repository::{Origin, Repository},
    },
    world::{Device, Install, World},
};
use refit_model::{DeviceId, TitleId, Version};
use report::{Row, State};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// How the two differ, as Refit is to the other tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Refit would have it sooner.
    Earlier,
    /// Refit would have it later.
    Later,
    /// The other tool does it, and Refit would not.
    RefitNever,
    /// Refit would do it, and the other tool does not.
    OtherNever,
    /// They go to different versions.
    OtherVersion,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The device.
    pub device: DeviceId,
    /// The title.
    pub title: TitleId,
    /// How they differ.
    pub kind: Kind,
    /// What the other tool does, in words.
    pub other: String,
    /// What Refit would do, in words.
    pub refit: String,
    /// The policy, and where it is written; `None` where none speaks of it.
    pub policy: Option<Source>,
    /// Why: holds, blocks and exceptions with their lines, what a release waits for.
    pub why: Vec<String>,
    /// The line of the report; empty where it says nothing.
    pub place: String,
}

/// What came of all that was held against each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Compared {
    /// How many titles on devices say the same.
    pub same: usize,
    /// Where they differ.
    pub differences: Vec<Difference>,
    /// What could not be held against a decision, by why, with how often.
    pub skipped: BTreeMap<String, usize>,
}

/// What a report is held against.
#[derive(Clone, Copy, Debug)]
pub struct Shadow<'a> {
    /// The policies.
    pub repository: &'a Repository,
    /// Releases, advisories, and what has opened.
    pub world: &'a World,
    /// When the report was made.
    pub reported: Timestamp,
    /// Times that differ by no more than this are the same.
    pub tolerance: SignedDuration,
}

/// What the policies make of a title at one moment.
struct Would<'d> {
    decision: &'d Decision,
    /// Why nothing is moved; `None` where something is.
    stays: Option<String>,
}

impl Shadow<'_> {
    /// Holds all that is reported of a device against the decisions for it. `titles` are those that the report speaks of at all: of one
    /// of them that it does not name here, the other tool does nothing.
    pub fn device(
        &self,
        device: &Device,
        rows: &[(TitleId, &Row)],
        titles: &BTreeSet<TitleId>,
        compared: &mut Compared,
    ) {
        for title in titles {
            let mut reported = rows.iter().filter(|(of, _)| of == title).map(|(_, row)| *row).peekable();
            if reported.peek().is_none() {
                self.unreported(device, title, compared);
            }
            for row in reported {
                match self.row(device, title, row) {
                    Ok(None) => compared.same += 1,
                    Ok(Some(difference)) => compared.differences.push(difference),
                    Err(why) => *compared.skipped.entry(why).or_default() += 1,
                }
            }
        }
    }

    /// A title that the report has elsewhere and not here.
    fn unreported(&self, device: &Device, title: &TitleId, compared: &mut Compared) {
        let decisions =
            decide_title(self.repository, self.world, &seen_at(device, self.reported), title, self.reported);
        let Some(decision) = decisions.iter().find(|decision| goes(decision)) else {
            compared.same += usize::from(!decisions.is_empty());
            return;
        };
        let other = "the report says nothing of it here".to_owned();
        compared.differences.push(difference(device, title, Kind::OtherNever, other, decision, Vec::new(), ""));
    }

    fn row(&self, device: &Device, title: &TitleId, row: &Row) -> Result<Option<Difference>, String> {
        let zone = device.timezone.clone().unwrap_or(TimeZone::UTC);
        let scheme = self.repository.scheme(title);
        let parse = |text: &str| {
            Version::parse(scheme, text).map_err(|_| format!("`{text}` is no version as {title} has them"))
        };
        let version = row.version.as_deref().map(parse).transpose()?;
        let from = row.from.as_deref().map(parse).transpose()?;
        let installed =
            device.installs.iter().find(|install| install.title == *title).map(|install| install.version.clone());
        let at = match &row.state {
            State::Installed { at } => at.in_zone(&zone),
            State::Pending { .. } | State::Current => self.reported,
        };
        let before = match (&row.state, from) {
            (_, Some(from)) => Some(from),
            (State::Current, None) => version.clone(),
            (State::Installed { .. }, None) if installed == version => {
                return Err(
                    "it was installed before the fleet was written, and from which version is not said".to_owned()
                );
            }
            (_, None) => installed,
        };
        let device = with_installed(&seen_at(device, at), title, before.as_ref());
        let decisions = decide_title(self.repository, self.world, &device, title, at);
        let decision = decisions.iter().find(|decision| decision.installed == before).or(decisions.first());
        let Some(decision) = decision else {
            return Err(format!("no policy and no device knows {title}"));
        };
        let words = Words { row, version: version.as_ref(), zone: &zone };
        let found = match &row.state {
            State::Installed { .. } => self.was_installed(&device, title, decision, version.as_ref(), at),
            State::Pending { due } => {
                self.waits(&device, title, decision, version.as_ref(), due.map(|due| due.in_zone(&zone)))
            }
            State::Current => goes(decision).then(|| (Kind::OtherNever, Vec::new())),
        };
        Ok(found.map(|(kind, why)| difference(&device, title, kind, words.of(), decision, why, &row.place)))
    }

    /// What the other tool installed at a moment: whether Refit would have let it then, and would not have forced it before.
    fn was_installed(
        &self,
        device: &Device,
        title: &TitleId,
        decision: &Decision,
        version: Option<&Version>,
        at: Timestamp,
    ) -> Option<(Kind, Vec<String>)> {
        if let Some(why) = would(decision).stays {
            return Some((Kind::RefitNever, vec![why]));
        }
        let goes = decision.goal == Some(Goal::Absent);
        if goes != version.is_none() {
            return Some((Kind::OtherVersion, Vec::new()));
        }
        if !goes && decision.admitted.as_ref() != version {
            return Some(not_admitted(decision, version));
        }
        let held: Vec<String> = decision.derivation.holds.iter().map(held).collect();
        if !held.is_empty() {
            return Some((Kind::Later, held));
        }
        // Overdue by more than the tolerance, and nothing held it a little before: by then it would have been forced.
        let before = at.checked_sub(self.tolerance).ok()?;
        decision.due.filter(|due| *due < before)?;
        let decisions = decide_title(self.repository, self.world, device, title, before);
        let earlier = decisions.iter().find(|earlier| earlier.slot == decision.slot)?;
        let acted = earlier.due.is_some_and(|due| due <= before)
            && earlier.holds.is_empty()
            && (goes || earlier.admitted.is_some());
        acted.then(|| (Kind::Earlier, Vec::new()))
    }

    /// What the other tool is about to install: whether it is the same, and by when each forces it.
    fn waits(
        &self,
        device: &Device,
        title: &TitleId,
        decision: &Decision,
        version: Option<&Version>,
        other: Option<Timestamp>,
    ) -> Option<(Kind, Vec<String>)> {
        if let Some(why) = would(decision).stays {
            return Some((Kind::RefitNever, vec![why]));
        }
        let goal = decision.goal.as_ref()?.version();
        let same = decision.admitted.as_ref() == version || goal == version;
        if !same || decision.admitted.as_ref().is_some_and(|admitted| Some(admitted) != version) {
            return Some(not_admitted(decision, version));
        }
        if decision.admitted.is_none() && decision.goal != Some(Goal::Absent) {
            let (kind, why) = not_admitted(decision, version);
            if kind != Kind::Later {
                return Some((kind, why));
            }
        }
        let (refit, why) = match decision.due {
            Some(due) => {
                let (at, why) = self.forced(device, title, due);
                (Some(at), why)
            }
            None => (None, Vec::new()),
        };
        match (other, refit) {
            (Some(other), Some(refit)) if is_before(refit, other, self.tolerance) => Some((Kind::Earlier, why)),
            (Some(other), Some(refit)) if is_before(other, refit, self.tolerance) => Some((Kind::Later, why)),
            (Some(_), None) => Some((Kind::Later, vec!["the policy has no due time for it".to_owned()])),
            // Neither is forced yet; or it is overdue here, and nothing there will ever force it.
            (None, Some(refit)) if is_before(refit, self.reported, self.tolerance) && decision.holds.is_empty() => {
                Some((Kind::Earlier, why))
            }
            _ => None,
        }
    }

    /// When something is forced that is due then: behind freezes, and in windows that wait.
    fn forced(&self, device: &Device, title: &TitleId, due: Timestamp) -> (Timestamp, Vec<String>) {
        let (mut at, mut why) = (due.max(self.reported), Vec::new());
        // Each round is behind one freeze or before one window.
        for _ in 0..8 {
            let decisions = decide_title(self.repository, self.world, &seen_at(device, at), title, at);
            let holds = decisions.iter().flat_map(|decision| &decision.derivation.holds);
            let Some((until, because)) =
                holds.filter_map(|it| Some((it.until.filter(|until| *until > at)?, held(it)))).max()
            else {
                break;
            };
            at = until;
            why.push(because);
        }
        // What is overdue already is as late as it is.
        (if why.is_empty() { due } else { at }, why)
    }
}

fn is_before(one: Timestamp, other: Timestamp, tolerance: SignedDuration) -> bool {
    one.checked_add(tolerance).is_ok_and(|one| one < other)
}

/// Whether a decision moves something.
fn would(decision: &Decision) -> Would<'_> {
    let stays = match (&decision.policy, decision.compliance) {
        (None, _) => Some("no policy speaks of it".to_owned()),
        (Some(_), Compliance::Compliant | Compliance::NotApplicable) => {
            Some("what is there is what the policy asks for".to_owned())
        }
        (Some(_), Compliance::Unsupported) => Some("nothing will ever be offered that satisfies the policy".to_owned()),
        (Some(_), Compliance::Undetermined) => Some("whether the policy applies is unknown".to_owned()),
        (Some(_), _) => match decision.mode {
            Mode::Enforce => None,
            Mode::Notify => Some("the policy only tells people (`mode: notify`)".to_owned()),
            Mode::Observe => Some("the policy only observes (`mode: observe`)".to_owned()),
        },
    };
    Would { decision, stays }
}

/// Whether a decision moves something as soon as nothing holds it: what waits for an age or a ring, or is blocked, is not done here either.
fn goes(decision: &Decision) -> bool {
    would(decision).stays.is_none() && (decision.admitted.is_some() || decision.goal == Some(Goal::Absent))
}

/// Why a version is not what the decision admits, and what that makes of it.
fn not_admitted(decision: &Decision, version: Option<&Version>) -> (Kind, Vec<String>) {
    if let Some(admitted) = &decision.admitted {
        return (Kind::OtherVersion, vec![format!("Refit admits {admitted}")]);
    }
    let considered = decision.derivation.releases.iter().find(|release| Some(&release.version) == version);
    let Some(ReleaseVerdict::PassedOver(reasons)) = considered.map(|considered| &considered.verdict) else {
        return (Kind::OtherVersion, Vec::new());
    };
    let why = reasons.iter().filter_map(|reason| passed_over(decision, reason)).collect();
    let mut kind = Kind::Later;
    for reason in reasons {
        match reason {
            PassedOver::NotWanted
            | PassedOver::NewerThanGoal
            | PassedOver::OlderThanInstalled
            | PassedOver::Installed => {
                return (Kind::OtherVersion, why);
            }
            PassedOver::NeverOffered | PassedOver::Halted(_) => kind = Kind::RefitNever,
            PassedOver::Blocked { block, .. } => {
                let cited = decision.derivation.blocks.iter().find(|cited| cited.block == *block);
                if cited.is_some_and(|cited| cited.until.is_none()) {
                    kind = Kind::RefitNever;
                }
            }
            _ => {}
        }
    }
    (kind, why)
}

fn passed_over(decision: &Decision, reason: &PassedOver) -> Option<String> {
    Some(match reason {
        PassedOver::TooYoung { until } => format!("min_age: it is too young until {until}"),
        PassedOver::NextSnapshot { until } => format!("it moves with the snapshot of {until}"),
        PassedOver::NotOffered { .. } => "it is not offered to the device yet".to_owned(),
        PassedOver::NeverOffered => "it is never offered to the device".to_owned(),
        PassedOver::Blocked { block, .. } => {
            let cited = decision.derivation.blocks.iter().find(|cited| cited.block == *block);
            format!("block {block}{}", cited.map_or_else(String::new, |cited| written(&cited.origin)))
        }
        PassedOver::HeldAt { exception } => {
            let cited = decision.derivation.exceptions.iter().find(|cited| cited.exception == *exception);
            format!("exception {exception}{}: hold_at", cited.map_or_else(String::new, |cited| written(&cited.origin)))
        }
        PassedOver::Undetermined => "whether another policy applies is unknown".to_owned(),
        PassedOver::Halted(_) => "it was halted".to_owned(),
        PassedOver::RingNotOpen { rollout, ring, .. } => {
            format!("ring {ring} of rollout {rollout} has not opened for it")
        }
        PassedOver::NotWanted => "the policy does not ask for it".to_owned(),
        PassedOver::NewerThanGoal => "it is newer than what the policy asks for".to_owned(),
        PassedOver::Installed | PassedOver::OlderThanInstalled => return None,
    })
}

fn held(held: &Held) -> String {
    let hold = match serde_json::to_value(held.hold) {
        Ok(serde_json::Value::String(hold)) => hold,
        _ => String::new(),
    };
    let origin = held.origin.as_ref().map_or_else(String::new, written);
    let until = held.until.map_or_else(String::new, |until| format!(" until {until}"));
    format!("{hold} {}{origin}{until}", held.name)
}

fn written(origin: &Origin) -> String {
    format!(" ({}:{})", origin.file, origin.line)
}

fn difference(
    device: &Device,
    title: &TitleId,
    kind: Kind,
    other: String,
    decision: &Decision,
    mut why: Vec<String>,
    place: &str,
) -> Difference {
    let considered =
        decision.derivation.policies.iter().find(|considered| considered.verdict == PolicyVerdict::Decides);
    let policy =
        considered.map(|considered| Source { policy: considered.policy.clone(), origin: considered.origin.clone() });
    // An exception that gives the due time is the reason for it.
    for obligation in &decision.derivation.obligations {
        let cited =
            decision.derivation.exceptions.iter().find(|cited| Some(&cited.exception) == obligation.exception.as_ref());
        why.extend(cited.map(|cited| format!("exception {}{}: due", cited.exception, written(&cited.origin))));
    }
    why.dedup();
    Difference {
        device: device.id.clone(),
        title: title.clone(),
        kind,
        other,
        refit: refit(decision),
        policy,
        why,
        place: place.to_owned(),
    }
}

/// What Refit would do, in words.
fn refit(decision: &Decision) -> String {
    let would = would(decision);
    if would.stays.is_some() {
        let installed = would
            .decision
            .installed
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), |version| format!("stays at {version}"));
        return installed;
    }
    let to = match (&decision.goal, &decision.admitted) {
        (Some(Goal::Absent), _) => "takes it away".to_owned(),
        (_, Some(admitted)) => format!("to {admitted}"),
        (Some(Goal::Release { version, .. }), None) => format!("to {version}, not yet"),
        (None, None) => "nowhere yet".to_owned(),
    };
    match decision.due {
        Some(due) => format!("{to}, due {due}"),
        None => format!("{to}, without a due time"),
    }
}

/// What the other tool does, in words.
struct Words<'r> {
    row: &'r Row,
    version: Option<&'r Version>,
    zone: &'r TimeZone,
}

impl Words<'_> {
    fn of(&self) -> String {
        let version = self.version.map_or_else(|| "took it away".to_owned(), Version::to_string);
        let at = |when: When| when.in_zone(self.zone);
        match &self.row.state {
            State::Current => format!("has {version}, and does nothing"),
            State::Installed { at: when } => format!("{version} on {}", at(*when)),
            State::Pending { due: Some(due) } => format!("{version}, by {}", at(*due)),
            State::Pending { due: None } => format!("{version}, some day"),
        }
    }
}

/// The device as it would have been seen then: nobody was silent meanwhile.
fn seen_at(device: &Device, at: Timestamp) -> Device {
    let mut device = device.clone();
    device.seen = device.seen.max(at);
    device
}

/// The device with a version of a title installed.
fn with_installed(device: &Device, title: &TitleId, version: Option<&Version>) -> Device {
    let mut device = device.clone();
    let known = device.installs.iter().find(|install| install.title == *title).cloned();
    if known.as_ref().map(|install| &install.version) == version {
        return device;
    }
    device.installs.retain(|install| install.title != *title);
    if let Some(version) = version {
        let branch = known.as_ref().and_then(|install| install.branch.clone());
        let profile = known.as_ref().and_then(|install| install.profile.clone());
        // Since when it was there is not known of another version than the one that was seen.
        device.installs.push(Install { title: title.clone(), branch, profile, version: version.clone(), since: None });
    }
    device
}

/// Devices by all names that a report may use: ids, serial numbers, names on the network.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    names: BTreeMap<SmolStr, BTreeSet<DeviceId>>,
}

impl Devices {
    /// Adds a device under its names.
    pub fn add(&mut self, device: &Device) {
        let fields =
            ["device.serial", "device.hostname"].into_iter().filter_map(|field| field.parse::<FieldRef>().ok());
        let fields: Vec<FieldRef> = fields.collect();
        let facts = fields.iter().flat_map(|field| device.facts.said(field)).filter_map(|fact| match &fact.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        });
        for name in facts.chain([SmolStr::new(device.id.as_str())]) {
            let name = name.to_lowercase();
            self.names.entry(name.into()).or_default().insert(device.id.clone());
        }
    }

    /// The one device of a name.
    pub fn find(&self, name: &str) -> Option<&DeviceId> {
        let devices = self.names.get(name.trim().to_lowercase().as_str())?;
        devices.first().filter(|_| devices.len() == 1)
    }
}
