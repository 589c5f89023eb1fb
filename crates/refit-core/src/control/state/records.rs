//! What the state knows of one device, person, universe, plan.

use super::PublishedSlots;
use crate::{
    control::{
        entry::{AdvisoryEntry, PackageSource, Plain, ReceiptResult, ReleaseEntry, SlotName},
        event::{FirstOffered, HeldCohort, SlotStanding},
        history::History,
        publication::{CohortKey, DueBy},
        sorted::Sorted,
    },
    policy::repository::Repository,
};
use jiff::Timestamp;
use refit_model::{AdvisoryId, DeviceId, PersonId, PlanId, TitleId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// Its id.
    pub id: DeviceId,
    /// Its place in bitmaps.
    pub index: u32,
    /// What people call it.
    pub name: Option<SmolStr>,
    /// When it was first known.
    pub enrolled: Timestamp,
    /// Since when it is no longer managed.
    pub retired: Option<Timestamp>,
    /// The last event that changed what decisions read of it.
    pub revised: u64,
    /// When its installs were last observed.
    pub seen: Timestamp,
    /// The source that observes its installs.
    pub seen_by: SmolStr,
    /// What sources say, by field and source.
    pub facts: Sorted<SmolStr, Sorted<SmolStr, Plain>>,
    /// When each source last said what it says.
    pub reported: Sorted<SmolStr, Timestamp>,
    /// The newest observation of each source, by the source's own clock: what decides on the order of messages. It is apart from
    /// [`DeviceRecord::reported`], which presence moves on by the server's clock.
    #[serde(default)]
    pub said: Sorted<SmolStr, Timestamp>,
    /// What is installed.
    pub installs: Arc<Sorted<SlotName, Installed>>,
    /// What was installed in slots that are empty now, while a spell there goes on: the same release that comes back has not ceased to
    /// satisfy anew.
    #[serde(default, skip_serializing_if = "Sorted::is_empty")]
    pub departed: Sorted<SlotName, Installed>,
    /// What it can get from.
    pub universe: Option<SmolStr>,
    /// Its check-ins that were written down last; `None` where nobody counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// Why it is given nothing new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<Quarantine>,
    /// Its primary person.
    pub person: Option<PersonId>,
    /// Absences of three days and more, oldest first.
    pub absences: Vec<AbsenceRecord>,
    /// When spells in progress began.
    pub spells: Sorted<SlotName, Timestamp>,
    /// The offers that clocks in progress began with, by slot and obligation.
    #[serde(default, skip_serializing_if = "Sorted::is_empty")]
    pub offered: Sorted<SlotName, Sorted<SmolStr, Arc<FirstOffered>>>,
    /// How its slots stand by what was noted last, where there is more to say than that they satisfy.
    #[serde(default, skip_serializing_if = "Sorted::is_empty")]
    pub stands: Sorted<SlotName, Arc<SlotStanding>>,
    /// Whether it was noted that it was not seen for too long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// What is published for it.
    pub published: PublishedSlots,
    /// The policy revision under which it was last looked at; 0 is none.
    pub settled: u64,
    /// Moves that wait for a person.
    pub held: Sorted<SlotName, (PlanId, Arc<CohortKey>)>,
    /// The newest receipt of each slot.
    pub receipts: Sorted<SlotName, Receipt>,
    /// The ids of the receipts that counted last, oldest first: the same one counts once, whatever clocks say.
    #[serde(default)]
    pub counted: Vec<SmolStr>,
    /// What was tried in slots within three days before the newest receipt there: that one is in `receipts`. A device on which nothing
    /// is changed twice in that time has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
}

/// Two histories claim a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Since when.
    pub since: Timestamp,
    /// What showed it.
    pub because: SmolStr,
}

/// What is installed in a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    /// Its version.
    pub version: SmolStr,
    /// The package manager's word where it is not in order.
    pub state: Option<SmolStr>,
    /// When it was first observed.
    pub since: Timestamp,
}

/// What is published for one slot of a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Published {
    /// What it shares with others.
    pub key: Arc<CohortKey>,
    /// From when on it is overdue.
    pub due: Option<Timestamp>,
    /// What gave the due time.
    pub due_by: Option<DueBy>,
    /// The policy revision under which it was decided.
    pub revision: u64,
    /// The event that published it.
    pub by_event: u64,
    /// Whether the spell that gave the due time has ended since, while nothing could be published: what is due afterwards is
    /// another obligation, even if it has the same name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

/// A time in which a device was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsenceRecord {
    /// Since when.
    pub away: Timestamp,
    /// Until when.
    pub back: Timestamp,
    /// The time of use since, in seconds.
    pub used_seconds: i64,
}

/// What came of a directive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its id.
    pub id: SmolStr,
    /// The event that brought it.
    pub seq: u64,
    /// The version that was to come, where that is known.
    #[serde(default)]
    pub wanted: Option<SmolStr>,
    /// What came of it.
    pub result: ReceiptResult,
    /// The version before.
    pub before: Option<SmolStr>,
    /// The version afterwards.
    pub after: Option<SmolStr>,
    /// When it ended.
    pub at: Timestamp,
    /// By when what waits for a restart has to run: what was due when it was installed. Nothing else remembers that: to decisions
    /// what is installed is due no more.
    #[serde(default)]
    pub due: Option<Timestamp>,
}

/// A release that a device tried, whatever came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The title.
    pub title: TitleId,
    /// The release.
    pub version: SmolStr,
    /// When that ended.
    pub at: Timestamp,
}

/// One person. Values are elsewhere, by reference, so that they can be erased.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PersonRecord {
    /// References, by field (`department`) and source.
    pub facts: BTreeMap<SmolStr, BTreeMap<SmolStr, SmolStr>>,
    /// When each source last said what it says.
    pub reported: BTreeMap<SmolStr, Timestamp>,
    /// Since when nothing is known any more, because somebody asked for it.
    pub erased: Option<Timestamp>,
    /// The last event that changed it.
    pub revised: u64,
}

/// What devices can get.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Universe {
    /// The distribution whose advisories concern it.
    pub distribution: SmolStr,
    /// What it offers, by title.
    pub offers: BTreeMap<TitleId, Vec<ReleaseEntry>>,
    /// The last event that changed it.
    pub revised: u64,
}

/// What the versions of a package were built from. Devices may say different things, and each of them may be so: whoever matches
/// asks for all.
pub type PackageSources = BTreeMap<SmolStr, BTreeSet<PackageSource>>;

/// The advisories of a distribution's packages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// SHA-256 of the content that lists them.
    pub content: SmolStr,
    /// The last event that changed them.
    pub revised: u64,
    /// They themselves; read from the content.
    #[serde(skip)]
    pub advisories: Arc<Vec<AdvisoryEntry>>,
}

/// All advisories of a title that no distribution speaks for.
pub type TitleAdvisories = Arc<BTreeMap<AdvisoryId, AdvisoryEntry>>;

/// The policy that is in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InForce {
    /// The number of its revision, from 1.
    pub revision: u64,
    /// When it was applied.
    pub since: Timestamp,
    /// The event that applied it.
    pub by_event: u64,
    /// SHA-256 of the policy repository.
    pub policy_hash: SmolStr,
    /// SHA-256 of the content that holds its files.
    pub files: SmolStr,
    /// The plan that was applied.
    pub plan: PlanId,
    /// What decisions read; resolved from the files.
    #[serde(skip)]
    pub repository: Arc<Repository>,
}

/// A plan as the state knows it; what was shown is content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// When it was made.
    pub made: Timestamp,
    /// The time of which it speaks, where that is known: what has happened since it does not show.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
    /// Who answers for it.
    pub author: SmolStr,
    /// What it is.
    pub kind: PlanKind,
    /// How far it has come.
    pub status: PlanStatus,
    /// The people who approved it, with the time.
    pub approvals: BTreeMap<SmolStr, Timestamp>,
    /// What it permits, and for how many devices more.
    pub permits: BTreeMap<CohortKey, u64>,
}

/// What a plan is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// A policy revision that somebody proposes.
    Policy {
        /// SHA-256 of the policy repository.
        policy_hash: SmolStr,
        /// SHA-256 of the content that holds its files.
        files: SmolStr,
        /// The revision that it would replace.
        replaces: u64,
        /// SHA-256 of the content that holds the plan.
        content: SmolStr,
    },
    /// Moves that a budget or an envelope does not permit.
    Held {
        /// What is held.
        held: Vec<HeldCohort>,
    },
}

/// How far a plan has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// It waits for a person.
    Open,
    /// A person has approved it; for a policy, as many as are needed.
    Approved,
    /// A person has rejected it.
    Rejected,
    /// It is in force, or was.
    Applied,
    /// Another revision was applied since, or nothing is held any more.
    Superseded,
}
