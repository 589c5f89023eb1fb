//! How a decision came about.
//!
//! Every "no" is a value with its reason. The types here hold what `explain` prints, the API returns and the console draws;
//! they print nothing themselves.

mod rings;

pub use rings::{GateDerivation, Halt, RingDerivation, RingReason, SharePlace};

use super::decision::Hold;
use crate::{
    facts::{Absent, FieldRef, Value},
    policy::{
        document::{
            policy::{AtDue, Presence},
            test::GateAnswer,
        },
        repository::Origin,
    },
};
use jiff::{SignedDuration, Timestamp};
use refit_model::{Advisory, AdvisoryId, BranchName, Version};
use serde::{Serialize, Serializer};
use smol_str::SmolStr;

/// How an answer came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Derivation {
    /// When the device was last seen.
    pub seen: Option<Seen>,
    /// The policies that name the title, and why each does or does not decide.
    pub policies: Vec<PolicyConsidered>,
    /// What has to be done.
    pub obligations: Vec<Obligation>,
    /// Exposures that oblige nothing.
    pub open_exposures: Vec<OpenExposure>,
    /// The newer releases, newest first, and why each is or is not admitted.
    pub releases: Vec<ReleaseConsidered>,
    /// The rings, and why the device is in its own.
    pub rings: Option<RingDerivation>,
    /// The blocks that take a release away.
    pub blocks: Vec<BlockCited>,
    /// The exceptions that were looked at.
    pub exceptions: Vec<ExceptionConsidered>,
    /// What holds, in the order of precedence.
    pub holds: Vec<Held>,
    /// The freezes that would hold, and yield to an exposure.
    pub yielding: Vec<Yielding>,
    /// The facts that expressions looked at.
    pub facts: Vec<FactUsed>,
    /// What would change the answer.
    pub would_change: Vec<WouldChange>,
}

/// When the device's installs were last observed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// The source that observed them.
    pub by: SmolStr,
    /// How old that may be.
    #[serde(serialize_with = "as_seconds", rename = "stale_after_seconds")]
    pub stale_after: SignedDuration,
}

/// A policy that names the title.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyConsidered {
    /// Its name.
    pub policy: SmolStr,
    /// Where it is written.
    pub origin: Origin,
    /// Who answers for it.
    pub owner: Option<SmolStr>,
    /// Why it is as it is.
    pub why: Option<SmolStr>,
    /// Of several policies for one title, the highest decides.
    pub priority: i64,
    /// Its `where`; `None` is every device.
    #[serde(rename = "where")]
    pub condition: Option<SmolStr>,
    /// Whether it wants the title there.
    pub presence: Presence,
    /// What it wants, in its own words: `latest`, `>=14.7.1`.
    pub target: SmolStr,
    /// Why it does or does not decide.
    pub verdict: PolicyVerdict,
}

/// Why a policy does or does not decide.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyVerdict {
    /// It decides.
    Decides,
    /// It decides likewise, at the same priority.
    DecidesLikewise,
    /// It contradicts the one that decides, at the same priority.
    Contradicts,
    /// Another has a higher priority.
    Outranked {
        /// The one that decides.
        by: SmolStr,
    },
    /// Its `where` does not hold.
    DoesNotApply,
    /// Whether its `where` holds is unknown.
    Unknown {
        /// The facts that are wanting.
        wanting: Vec<FieldRef>,
    },
}

/// Why an obligation is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An exposure that the goal closes.
    Exposure {
        /// The advisory.
        advisory: AdvisoryId,
        /// Whether it is known to be exploited.
        kev: bool,
    },
    /// The installed release no longer satisfies the policy.
    Stale,
    /// The title is absent though required.
    Missing,
    /// The title is present though forbidden.
    Forbidden,
}

impl Cause {
    /// Its name in logs: the advisory, or `stale`, `missing`, `forbidden`.
    pub fn name(&self) -> SmolStr {
        match self {
            Cause::Exposure { advisory, .. } => advisory.as_str().into(),
            Cause::Stale => SmolStr::new_static("stale"),
            Cause::Missing => SmolStr::new_static("missing"),
            Cause::Forbidden => SmolStr::new_static("forbidden"),
        }
    }
}

/// One thing that a slot has to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Obligation {
    /// Why it is there.
    pub cause: Cause,
    /// What is known of the advisory, where the cause is an exposure.
    pub scores: Option<Scores>,
    /// Since when; `None` is: always.
    pub arose: Option<Timestamp>,
    /// The first release that was offered and would have ended it; `None` where none is needed, or none was offered.
    pub first_offer: Option<FirstOffer>,
    /// Since when the slot has not complied; `None` is: always.
    pub spell: Option<Timestamp>,
    /// The entries of the deadline, in their order.
    pub clocks: Vec<Clock>,
    /// From when on it is overdue.
    pub due: Option<Timestamp>,
    /// Which of `clocks` gives the due time.
    pub due_by: Option<usize>,
    /// The exception that replaces its due time.
    pub exception: Option<SmolStr>,
}

/// What is known of an advisory, as far as policies ask for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// When it became known.
    pub known_at: Timestamp,
    /// Since when it is listed as exploited; `None` is: not listed by now.
    pub kev: Option<Timestamp>,
    /// Whether ransomware is known to use it.
    pub ransomware: bool,
    /// CVSS base score, 0 to 10; `None` where nobody has given one.
    pub cvss: Option<f64>,
    /// EPSS probability, 0 to 1; `None` where nobody has given one.
    pub epss: Option<f64>,
}

/// The first release that was offered and would have ended an obligation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FirstOffer {
    /// Its version.
    pub version: Version,
    /// When it was first offered, or published where it never is.
    pub at: Timestamp,
}

/// One entry of the deadline, and the due time that it gives.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clock {
    /// Which entry, from 0.
    pub entry: usize,
    /// Its condition; `None` is: it always holds.
    #[serde(rename = "if")]
    pub condition: Option<SmolStr>,
    /// Whether it counts.
    pub counts: ClockCounts,
    /// When the clock started; `None` is: always.
    pub start: Option<Timestamp>,
    /// What the clock was waiting for last.
    pub started_by: Option<StartedBy>,
    /// How long it gives.
    #[serde(serialize_with = "as_seconds", rename = "within_seconds")]
    pub within: SignedDuration,
    /// The time before which nothing is due, while a policy is phased in.
    pub phase_in_until: Option<Timestamp>,
    /// The due time that it gives.
    pub due: Option<Timestamp>,
    /// What happens at that time where a gate is inconclusive.
    pub at_due: AtDue,
}

/// Whether an entry counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockCounts {
    /// It holds for every obligation.
    Always,
    /// Its condition holds since then.
    Holds {
        /// Since when.
        since: Timestamp,
    },
    /// Its condition held then, and counts for ever.
    Latched {
        /// Since when.
        since: Timestamp,
    },
    /// Whether its condition holds is unknown, so it is taken to.
    Provisional {
        /// The facts that are wanting.
        wanting: Vec<FieldRef>,
    },
    /// Its condition does not hold.
    No,
}

/// What a clock was waiting for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StartedBy {
    /// The first release that ends the obligation was offered.
    Offer,
    /// The condition became true.
    Condition,
    /// The obligation arose.
    Arose,
    /// The slot was first seen not complying.
    Spell,
}

/// An exposure that obliges nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenExposure {
    /// The advisory.
    pub advisory: AdvisoryId,
    /// What is known of it.
    pub scores: Scores,
    /// Why it obliges nothing.
    pub because: NoObligation,
}

/// Why an exposure obliges nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoObligation {
    /// The goal does not close it.
    GoalDoesNotClose,
    /// No policy obliges.
    Unmanaged,
}

/// A release that was considered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReleaseConsidered {
    /// Its version.
    pub version: Version,
    /// Its branch.
    pub branch: Option<BranchName>,
    /// When it was published.
    pub published: Timestamp,
    /// The goal, admitted, or why not.
    pub verdict: ReleaseVerdict,
}

/// Whether a release is admitted, and every reason why not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseVerdict {
    /// It is the one.
    Admitted,
    /// A newer one is.
    Superseded,
    /// It is not, for all of these reasons.
    PassedOver(Vec<PassedOver>),
}

/// Why a release is not admitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PassedOver {
    /// It is installed.
    Installed,
    /// The policy's target does not hold it.
    NotWanted,
    /// It is newer than the goal.
    NewerThanGoal,
    /// It is older than the installed one.
    OlderThanInstalled,
    /// The device's universe does not offer it yet.
    NotOffered {
        /// When it will be, where that is known.
        until: Option<Timestamp>,
    },
    /// The device's universe never will.
    NeverOffered,
    /// It is too young.
    TooYoung {
        /// Old enough then.
        until: Timestamp,
    },
    /// The snapshot that it moves with has not been taken.
    NextSnapshot {
        /// It is taken then.
        until: Timestamp,
    },
    /// A block takes it away.
    Blocked {
        /// The block.
        block: SmolStr,
        /// Whether it is unknown if the block applies.
        unknown: bool,
    },
    /// An exception keeps the device where it is.
    HeldAt {
        /// The exception.
        exception: SmolStr,
    },
    /// Whether another policy applies is unknown, or two contradict each other, so what was admitted before stays, and this was not.
    Undetermined,
    /// It was halted.
    Halted(Box<Halt>),
    /// The device's ring has not opened.
    RingNotOpen {
        /// The rollout.
        rollout: SmolStr,
        /// The snapshot that it moves with; `None` where it goes by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        snapshot: Option<SmolStr>,
        /// The device's ring.
        ring: SmolStr,
        /// What the first gate before it that has not passed says, where an earlier ring is open.
        gate: Option<GateAnswer>,
        /// The due time that has come behind that gate, of an entry that then asks a person.
        #[serde(skip_serializing_if = "Option::is_none")]
        asks: Option<Timestamp>,
    },
}

/// A block that takes a release away.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockCited {
    /// Its name.
    pub block: SmolStr,
    /// Where it is written.
    pub origin: Origin,
    /// Why it is there.
    pub why: Option<SmolStr>,
    /// Its end where the device is; `None` is: for good.
    pub until: Option<Timestamp>,
    /// The facts for want of which it is unknown whether it applies.
    pub wanting: Vec<FieldRef>,
}

/// An exception that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExceptionConsidered {
    /// Its name.
    pub exception: SmolStr,
    /// Where it is written.
    pub origin: Origin,
    /// Why it is there.
    pub why: Option<SmolStr>,
    /// The due time that it gives.
    pub due: Option<Timestamp>,
    /// The releases that it stays in.
    pub hold_at: Option<SmolStr>,
    /// The window that it gives.
    pub window: Option<SmolStr>,
    /// The obligations for which this holds keep their terms.
    pub unless: SmolStr,
    /// Whether it acts, and if not why.
    pub verdict: ExceptionVerdict,
}

/// Whether an exception acts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionVerdict {
    /// It acts, until then.
    Acts {
        /// Its end where the device is.
        until: Timestamp,
        /// The due time without it.
        due_without: Option<Timestamp>,
    },
    /// It has run out.
    RunOut {
        /// Since when.
        since: Timestamp,
    },
    /// Its `where` does not hold.
    DoesNotApply,
    /// Whether its `where` holds is unknown; it gives nothing, and holds what it holds.
    Unknown {
        /// The facts that are wanting.
        wanting: Vec<FieldRef>,
    },
}

/// Something that holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Held {
    /// The cause.
    pub hold: Hold,
    /// The name of the block, freeze, window or release.
    pub name: SmolStr,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
    /// Where it is written.
    pub origin: Option<Origin>,
    /// Whether it holds because it is unknown if it applies.
    pub unknown: bool,
}

/// A freeze that yields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Yielding {
    /// Its name.
    pub freeze: SmolStr,
    /// Where it is written.
    pub origin: Origin,
    /// Its `unless`.
    pub unless: SmolStr,
    /// An open exposure for which that holds.
    pub advisory: AdvisoryId,
}

/// A fact that an expression looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FactUsed {
    /// The field.
    pub field: FieldRef,
    /// Its value; `None` is unknown.
    pub value: Option<Value>,
    /// Who says so.
    pub source: Option<SmolStr>,
    /// When it was observed.
    pub observed: Option<Timestamp>,
    /// Why it is unknown.
    pub unknown_because: Option<Absent>,
}

/// Something that would change the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WouldChange {
    /// The due time comes.
    DueTime {
        /// Then.
        at: Timestamp,
    },
    /// A release becomes old enough.
    Age {
        /// The release.
        version: Version,
        /// Then.
        at: Timestamp,
    },
    /// The snapshot that a release moves with is taken.
    Snapshot {
        /// The release.
        version: Version,
        /// Then.
        at: Timestamp,
    },
    /// A ring opens.
    RingOpens {
        /// The rollout.
        rollout: SmolStr,
        /// The ring.
        ring: SmolStr,
        /// The release.
        version: Version,
    },
    /// A release is offered.
    Offered {
        /// The release.
        version: Version,
    },
    /// A hold ends.
    HoldEnds {
        /// The hold.
        hold: Hold,
        /// Its name.
        name: SmolStr,
        /// Then, where that is known.
        at: Option<Timestamp>,
    },
    /// A fact arrives.
    Fact {
        /// The field.
        field: FieldRef,
    },
    /// The device is seen again.
    Seen,
    /// An exception ends.
    ExceptionEnds {
        /// Its name.
        exception: SmolStr,
        /// Then.
        at: Timestamp,
    },
}

impl From<&Advisory> for Scores {
    fn from(advisory: &Advisory) -> Scores {
        Scores {
            known_at: advisory.known_at,
            kev: advisory.kev,
            ransomware: advisory.ransomware,
            cvss: advisory.cvss,
            epss: advisory.epss,
        }
    }
}

fn as_seconds<S: Serializer>(duration: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(duration.as_secs())
}
