//! `policy:`, `block:` and `exception:`: what "patched" means, and for whom not.

use super::scalars::{Day, Duration, Expression, When};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What "patched" means for some titles on some devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// Its name.
    pub policy: String,
    /// Another policy whose terms hold where this one says nothing.
    #[serde(default)]
    pub extends: Option<String>,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Why it is as it is.
    #[serde(default)]
    pub why: Option<String>,
    /// What Refit does about it.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Of several policies for one title, the highest decides; 0 where it is left out.
    #[serde(default)]
    pub priority: Option<i64>,
    /// Which devices it concerns; all where it is left out.
    #[serde(default, rename = "where")]
    pub condition: Option<Expression>,
    /// The titles: `google-chrome`, `deb/openssl`, `os/security` (what the distribution's security archive offers), `os/*`.
    #[serde(default)]
    pub software: Option<Vec<String>>,
    /// Whether the titles have to be, may be, or must not be there.
    #[serde(default)]
    pub presence: Option<Presence>,
    /// Where to go: `latest`, `latest-1`, a range such as `>=128, <130`, or branch and release.
    #[serde(default)]
    pub target: Option<TargetDocument>,
    /// What is tolerated; the target where it is left out.
    #[serde(default)]
    pub accept: Option<Vec<AcceptDocument>>,
    /// Whether a device above a pin is brought down to it.
    #[serde(default)]
    pub allow_downgrade: Option<bool>,
    /// How long a release must have been out to be admitted.
    #[serde(default)]
    pub min_age: Option<Duration>,
    /// By when; every entry that holds counts, and the earliest due time wins.
    #[serde(default)]
    pub deadline: Option<Vec<DeadlineDocument>>,
    /// Nothing is due earlier than this after the policy first obliged a device; an entry's `within` where it is left out.
    #[serde(default)]
    pub phase_in: Option<Duration>,
    /// How releases are introduced; without one there are no rings.
    #[serde(default)]
    pub rollout: Option<RolloutUseDocument>,
    /// When changes may be made; at any time where it is left out.
    #[serde(default)]
    pub window: Option<WindowUseDocument>,
    /// What the person at the keyboard meets.
    #[serde(default)]
    pub experience: Option<ExperienceDocument>,
    /// How many devices of a group may be away at once.
    #[serde(default)]
    pub disruption: Option<DisruptionDocument>,
    /// What a package manager may change beyond the planned packages.
    #[serde(default)]
    pub packages: Option<PackagesDocument>,
    /// Whether it is carried out while a device is being set up.
    #[serde(default)]
    pub provisioning: Option<bool>,
}

/// What Refit does about a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Says what is so.
    #[default]
    Observe,
    /// Also tells people.
    Notify,
    /// Also changes devices.
    Enforce,
}

/// Whether a title has to be, may be, or must not be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// The policy speaks of it where it is there.
    #[default]
    IfPresent,
    /// It has to be there.
    Required,
    /// It has to go.
    Forbidden,
}

/// Where to go: a release, or a branch and a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TargetDocument {
    /// `latest`, `latest-1`, or a range of versions; of the installed branch.
    Release(String),
    /// A branch and a release of it.
    BranchAndRelease(BranchAndReleaseDocument),
}

/// A branch and a release of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BranchAndReleaseDocument {
    /// `installed`, `latest`, `latest-1`, or a branch's name.
    pub branch: String,
    /// `latest`, `latest-1`, or a range of versions; `latest` where it is left out.
    #[serde(default)]
    pub release: Option<String>,
}

/// What is tolerated: releases, or a branch until a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AcceptDocument {
    /// `latest`, `latest-1`, or a range of versions, of any branch.
    Release(String),
    /// A branch, perhaps until a day.
    Branch(AcceptBranchDocument),
}

/// A branch that is tolerated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptBranchDocument {
    /// `installed`, `latest`, `latest-1`, or a branch's name.
    pub branch: String,
    /// The releases of it that are tolerated; the target's where it is left out.
    #[serde(default)]
    pub release: Option<String>,
    /// The last day.
    #[serde(default)]
    pub until: Option<Day>,
}

/// One entry of the deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadlineDocument {
    /// The exposures that it counts for; every obligation where it is left out.
    #[serde(default, rename = "if")]
    pub condition: Option<Expression>,
    /// How long after the clock has started.
    pub within: Duration,
    /// Replaces the policy's `min_age`.
    #[serde(default)]
    pub min_age: Option<Duration>,
    /// Replaces the policy's rollout.
    #[serde(default)]
    pub rollout: Option<String>,
    /// What happens at the due time where a gate before the device's ring is inconclusive.
    #[serde(default)]
    pub at_due: Option<AtDue>,
}

/// What happens at the due time where a gate is inconclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtDue {
    /// A person is asked.
    #[default]
    Ask,
    /// The device goes ahead.
    Proceed,
    /// The device waits.
    Wait,
}

/// The rollout of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RolloutUseDocument {
    /// Its name.
    Name(String),
    /// Its name, and how often a dated snapshot starts.
    Snapshot(SnapshotRolloutDocument),
}

/// A rollout of dated snapshots of an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotRolloutDocument {
    /// The rollout's name.
    #[serde(rename = "use")]
    pub name: String,
    /// How often a snapshot of the archive starts through the rings, at least a minute: `7d` is each Monday at midnight UTC.
    #[serde(default)]
    pub every: Option<Duration>,
}

/// The window of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WindowUseDocument {
    /// Its name.
    Name(String),
    /// Its name, and what the due time does to it.
    Use(WindowUse),
}

/// A window, and what the due time does to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowUse {
    /// The window's name.
    #[serde(rename = "use")]
    pub name: String,
    /// After the due time; without it `run` on people's devices and `wait` on servers.
    #[serde(default)]
    pub after_due: Option<AfterDue>,
}

/// What the due time does to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterDue {
    /// The change is made outside the window too.
    Run,
    /// The change waits for the window.
    Wait,
}

/// What the person at the keyboard meets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperienceDocument {
    /// How long before a change people are told.
    #[serde(default)]
    pub notify: Option<Duration>,
    /// How often, and for how long each time, people may put a change off.
    #[serde(default)]
    pub defer: Option<DeferDocument>,
    /// When a program is started anew.
    #[serde(default)]
    pub relaunch: Option<RelaunchDocument>,
    /// When the machine is restarted.
    #[serde(default)]
    pub reboot: Option<RebootDocument>,
}

/// How often, and for how long, people may put a change off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeferDocument {
    /// How often.
    pub times: u32,
    /// For how long each time.
    #[serde(rename = "for")]
    pub length: Duration,
}

/// When a program is started anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelaunchDocument {
    /// Whether it is forced.
    pub mode: RestartMode,
    /// While this is so, it waits.
    #[serde(default)]
    pub not_while: Vec<Busy>,
    /// For how long at most.
    #[serde(default)]
    pub wait_up_to: Option<Duration>,
}

/// When the machine is restarted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebootDocument {
    /// Whether it is forced.
    pub mode: RestartMode,
}

/// Whether a restart is forced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestartMode {
    /// People are asked.
    Ask,
    /// At the due time it is done.
    AtDue,
    /// It is never done by Refit.
    Never,
}

/// What a person may be busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Busy {
    /// A call.
    Call,
    /// Sharing the screen.
    ScreenShare,
    /// Not to be disturbed.
    Focus,
    /// A meeting in the calendar.
    CalendarBusy,
}

/// How many devices of a group may be away at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisruptionDocument {
    /// The field that tells the group: `device.cluster`.
    pub group_by: String,
    /// How many of one group at once.
    pub max_unavailable: u32,
    /// How long to wait before the next.
    #[serde(default)]
    pub settle: Option<Duration>,
    /// After how long without a sign of it a member counts as away; 3h where it is left out.
    #[serde(default)]
    pub silent_after: Option<Duration>,
    /// The server's webhook that has to agree before a device begins.
    #[serde(default)]
    pub drain: Option<String>,
    /// What has to agree before the next device may begin: the server's webhook of that name, or a signal.
    #[serde(default)]
    pub health: Option<HealthDocument>,
}

/// What says whether a device is well again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HealthDocument {
    /// The server's webhook of that name.
    Webhook(String),
    /// A signal.
    Signal(HealthSignalDocument),
}

/// A signal that says whether a device is well again: nothing bad, after it has settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthSignalDocument {
    /// Its name.
    pub signal: String,
    /// The source that gives it.
    pub from: String,
}

impl DisruptionDocument {
    /// The signal that has to say that a device is well.
    pub fn signal(&self) -> Option<&HealthSignalDocument> {
        match self.health.as_ref()? {
            HealthDocument::Signal(signal) => Some(signal),
            HealthDocument::Webhook(_) => None,
        }
    }
}

/// What a package manager may change beyond the planned packages. Nothing, where it is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackagesDocument {
    /// Other installed packages may be upgraded where the planned ones need it.
    #[serde(default)]
    pub upgrade_others: bool,
    /// New packages may be installed where the planned ones need it (a new kernel is a new package).
    #[serde(default)]
    pub install_new: bool,
    /// Packages may be removed where the planned ones conflict with them.
    #[serde(default)]
    pub remove: bool,
}

/// Not this release, here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockDocument {
    /// Its name.
    pub block: String,
    /// The title.
    pub title: String,
    /// The releases: a range of versions.
    pub releases: String,
    /// Where; everywhere if it is left out.
    #[serde(default, rename = "where")]
    pub condition: Option<Expression>,
    /// Why.
    #[serde(default)]
    pub why: Option<String>,
    /// The last day; for good if it is left out.
    #[serde(default)]
    pub until: Option<Day>,
}

/// Other terms for some devices, for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExceptionDocument {
    /// Its name.
    pub exception: String,
    /// The titles that it concerns.
    pub software: Vec<String>,
    /// The devices that it concerns; all where it is left out.
    #[serde(default, rename = "where")]
    pub condition: Option<Expression>,
    /// Who asked for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Why.
    #[serde(default)]
    pub why: Option<String>,
    /// Replaces the due time.
    #[serde(default)]
    pub due: Option<When>,
    /// The releases to stay in.
    #[serde(default)]
    pub hold_at: Option<String>,
    /// Replaces the window.
    #[serde(default)]
    pub window: Option<WindowUseDocument>,
    /// Replaces when the machine is restarted.
    #[serde(default)]
    pub restart: Option<RestartMode>,
    /// The last day.
    pub until: Day,
    /// Obligations for which this holds keep their terms; `exposure.kev` where it is left out.
    #[serde(default)]
    pub unless: Option<Expression>,
}
