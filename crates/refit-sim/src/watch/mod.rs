//! Invariants: what has to hold after each step, whatever happens. None of them shares code with the control logic.

pub mod agents;
mod bound;
mod calm;
pub mod changes;
mod clones;
pub mod disruption;
mod fold;
mod log;
mod moves;
mod rollouts;
mod time;
mod transitions;

pub use agents::{Confirmed, Ledger};
pub use fold::{Fold, FoldDevice};
pub use time::{Heard, Obliged, nothing_changes_early};
pub use transitions::Transition;

use super::{
    policies::PolicySpec,
    quality::Quality,
    store::{Entry, Store},
};
use refit_core::control::{Bearer, Evaluation, Event, State};
use refit_model::{DeviceId, TitleId};
use smol_str::SmolStr;
use std::{collections::BTreeMap, collections::BTreeSet, fmt};

/// Declares the invariants with their names.
macro_rules! invariants {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What has to hold.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Invariant { $($(#[$doc])* $variant,)* }

        impl Invariant {
            /// All of them.
            pub const ALL: &'static [Invariant] = &[$(Invariant::$variant),*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Invariant::$variant => $name,)* }
            }
        }
    };
}

invariants! {
    /// The log replays to the same world, from nothing, through a snapshot, and through its bytes.
    ReplaysAlike = "replays-alike",
    /// What a policy revision moves lies within what its plan showed.
    InsideEnvelope = "inside-envelope",
    /// What moves devices lies within every budget, unless people approved it.
    InsideBudget = "inside-budget",
    /// An approver is a person and not the author, and a plan is applied with as many approvals as are needed.
    ApprovedByOthers = "approved-by-others",
    /// A due time that was published moves later only with a cause that the rules permit.
    DueTimesDoNotSlide = "due-times-do-not-slide",
    /// The due time of one obligation moves later only with a cause that the rules permit.
    ObligationsDoNotSlide = "obligations-do-not-slide",
    /// The same receipt counts once.
    ReceiptsCountOnce = "receipts-count-once",
    /// Every receipt counts in the end.
    ReceiptsArrive = "receipts-arrive",
    /// Three days of silence are an absence, and time in which nobody listened is none.
    DowntimeIsNoAbsence = "downtime-is-no-absence",
    /// What is published is what the plain decision says, once everything has settled.
    SettledIsDecided = "settled-is-decided",
    /// Until the time that a decision names, time alone does not change it.
    NothingChangesEarly = "nothing-changes-early",
    /// Nothing is published while everything is stopped.
    BrakeStopsEverything = "brake-stops-everything",
    /// No personal value is in the log.
    NothingPersonal = "nothing-personal",
    /// What was erased is gone, and stays gone after a replay.
    ErasedStaysErased = "erased-stays-erased",
    /// Time in the log never goes back, and its positions have no gap.
    TimeNeverGoesBack = "time-never-goes-back",
    /// Nobody who was there before a policy has a due time before its `phase_in` is over.
    PhaseInForcesNobody = "phase-in-forces-nobody",
    /// Of two devices that report under one id, the first is not heard again after the second until a person has looked; and nobody
    /// is quarantined of whom there is one.
    ClonesAreQuarantined = "clones-are-quarantined",
    /// A quarantined device keeps what is published for it, and nothing is taken from it.
    QuarantineHolds = "quarantine-holds",
    /// Rings open in their order, each after the gate before it has passed, and none of a halted release.
    RingsOpenInOrder = "rings-open-in-order",
    /// Nobody is given a release that is halted, or whose ring has not opened.
    UnopenedReachesNobody = "unopened-reaches-nobody",
    /// No gate passes, and without one no ring opens, before the ring before it has soaked.
    RingsSoak = "rings-soak",
    /// A bad release reaches no more devices than was worked out from the configuration before it began.
    BadReleaseStaysBounded = "bad-release-stays-bounded",
    /// Nothing is installed but what a ring has been opened for in which the device is.
    InsideOpenRing = "inside-open-ring",
    /// Nothing changes on days on which the organisation wants none.
    FreezesHold = "freezes-hold",
    /// Nothing changes outside its window, unless the person said so, or it is overdue and the window gives way.
    WindowsHold = "windows-hold",
    /// Who is in the middle of something that the policy respects is left alone.
    BusyPeopleAreLeftAlone = "busy-people-are-left-alone",
    /// Of a halted release nothing begins on a device that has checked in since.
    HaltedTouchesNobody = "halted-touches-nobody",
    /// What came to a device is not forced on it once more.
    NobodyIsForcedTwice = "nobody-is-forced-twice",
    /// Nothing changes on a device that no state named which was confirmed together with a lease that lasts.
    OnlyWhatWasNamed = "only-what-was-named",
    /// Nothing that the mandate refuses is done.
    MandateHolds = "mandate-holds",
    /// No package goes below what has run on the device.
    NeverBelowFloors = "never-below-floors",
    /// Nothing changes while a device's clock is wrong.
    NoChangeWithoutTime = "no-change-without-time",
    /// (Epoch, sequence) of the state, and the numbers of root and mandate, never go down on a device.
    OrderNeverGoesDown = "order-never-goes-down",
    /// Every change is told by a receipt, and counts once, in the end.
    ChangesAreTold = "changes-are-told",
    /// The kill switch is honoured after one check-in.
    BrakeIsHonoured = "brake-is-honoured",
    /// No machine is restarted more often than the mandate permits.
    RestartsWithinLimit = "restarts-within-limit",
    /// Whoever may check in holds what it was told last, also after the server was put back to a backup.
    AgentsFollow = "agents-follow",
    /// A disruption group never has more members in a session than may be, and a person is never without a device.
    GroupsHold = "groups-hold",
    /// What a disruption group limits is done with a lease, which lasts for the whole session.
    LeaseOutlivesSession = "lease-outlives-session",
    /// What was acknowledged is durable.
    AcknowledgedIsDurable = "acknowledged-is-durable",
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// What was found.
    pub found: String,
}

/// What the simulation knows because it made it so.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Who really stands behind a name in the log.
    pub owners: BTreeMap<SmolStr, (SmolStr, Bearer)>,
    /// Policy repositories by the SHA-256 of their files.
    pub specs: BTreeMap<SmolStr, PolicySpec>,
    /// Personal values by reference, as sources sent them.
    pub values: BTreeMap<SmolStr, String>,
    /// The agents that report under each id.
    pub agents: BTreeMap<DeviceId, BTreeSet<usize>>,
    /// Which agent drew each link, by the device as which it checked in with it: a large fleet draws some numbers twice.
    pub links: BTreeMap<(DeviceId, u32), usize>,
    /// Values that were erased and that nobody sent again.
    pub erased: BTreeSet<String>,
    /// All states that were made for devices.
    pub states: BTreeMap<refit_wire::Digest, refit_wire::State>,
    /// Bad releases.
    pub qualities: BTreeMap<(TitleId, SmolStr), Quality>,
    /// What time it is.
    pub now: jiff::Timestamp,
    /// When the log was last put back to a backup.
    pub restored: Option<jiff::Timestamp>,
}

/// Watches a run.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Only this is looked at.
    pub only: Option<Invariant>,
    /// What the log adds up to.
    pub fold: Fold,
    /// What is known of the truth.
    pub truth: Truth,
    /// Who was heard when.
    pub heard: Heard,
    /// Due times of obligations.
    pub obliged: Obliged,
    /// How far bad releases have come.
    pub bounds: bound::Bounds,
    /// Leases of disruption groups.
    pub leases: disruption::Leases,
    /// How often each invariant was looked at.
    pub looked: BTreeMap<Invariant, u64>,
}

impl Watch {
    /// Notes what came of looking at an invariant.
    pub fn judge(&mut self, invariant: Invariant, found: Option<String>) -> Result<(), Violation> {
        if self.only.is_some_and(|only| only != invariant) {
            return Ok(());
        }
        *self.looked.entry(invariant).or_default() += 1;
        match found {
            None => Ok(()),
            Some(found) => Err(Violation { invariant, found }),
        }
    }

    /// Looks at one new entry of the log.
    pub fn entry(&mut self, entry: &Entry, event: &Event, store: &Store) -> Result<(), Violation> {
        let found = log::time_never_goes_back(&self.fold, entry);
        self.judge(Invariant::TimeNeverGoesBack, found)?;
        let found = log::nothing_personal(&self.truth, entry);
        self.judge(Invariant::NothingPersonal, found)?;
        let found = log::approved_by_others(&self.fold, &self.truth, entry, event);
        self.judge(Invariant::ApprovedByOthers, found)?;
        let found = log::receipts_count_once(&self.fold, event);
        self.judge(Invariant::ReceiptsCountOnce, found)?;
        let found = moves::inside_envelope(&self.fold, event, store);
        self.judge(Invariant::InsideEnvelope, found)?;
        if matches!(event, Event::DeviceObserved(_) | Event::DeviceQuarantined(_)) {
            let found = clones::clones_are_quarantined(&self.fold, &self.truth, event);
            self.judge(Invariant::ClonesAreQuarantined, found)?;
        }
        let found = clones::quarantine_holds(&self.fold, event);
        self.judge(Invariant::QuarantineHolds, found)?;
        if let Event::RingOpened(opened) = event {
            let found = rollouts::rings_open_in_order(&self.fold, &self.truth, entry, opened);
            self.judge(Invariant::RingsOpenInOrder, found)?;
        }
        if matches!(event, Event::RingOpened(_) | Event::GateAnswered(_)) {
            let found = rollouts::rings_soak(&self.fold, &self.truth, entry, event);
            self.judge(Invariant::RingsSoak, found)?;
        }
        self.bounds.apply(&self.fold, &self.truth, entry, event);
        if let Event::MovesPublished(moves) = event {
            let found = rollouts::unopened_reaches_nobody(&self.fold, &self.truth, entry.at, moves);
            self.judge(Invariant::UnopenedReachesNobody, found)?;
            let (looked, found) = self.bounds.bad_release_stays_bounded(&self.fold, &self.truth, entry.at, moves);
            if looked {
                self.judge(Invariant::BadReleaseStaysBounded, found)?;
            }
            let found = moves::brake_stops_everything(&self.fold);
            self.judge(Invariant::BrakeStopsEverything, found)?;
            let found = moves::inside_budget(&self.fold, &self.truth, entry.at, moves);
            self.judge(Invariant::InsideBudget, found)?;
            let found = time::due_times_do_not_slide(&self.fold, &self.truth, moves);
            self.judge(Invariant::DueTimesDoNotSlide, found)?;
            let found = time::phase_in_forces_nobody(&self.fold, &self.truth, moves);
            self.judge(Invariant::PhaseInForcesNobody, found)?;
        }
        if let Event::LeaseTaken(_) = event {
            let found = self.leases.within_groups(event);
            self.judge(Invariant::GroupsHold, found)?;
        }
        self.leases.apply(entry.at, event);
        self.fold.apply(entry, event, &self.truth);
        Ok(())
    }

    /// What an entry of the log, which is new, does to releases on their way.
    pub fn transitions(&self, entry: &Entry, event: &Event) -> Vec<Transition> {
        transitions::transitions(&self.fold, &self.truth, entry, event)
    }

    /// Looks at what was decided.
    pub fn decided(&mut self, state: &State, evaluations: &[Evaluation]) -> Result<(), Violation> {
        let found = time::obligations_do_not_slide(&mut self.obliged, &self.truth, state, evaluations);
        self.judge(Invariant::ObligationsDoNotSlide, found)
    }

    /// Looks at whether the log replays.
    pub fn replays(&mut self, store: &Store, state: &State) -> Result<(), Violation> {
        let found = calm::replays_alike(store, state);
        self.judge(Invariant::ReplaysAlike, found)?;
        let found = calm::erased_stays_erased(&self.truth, store, state);
        self.judge(Invariant::ErasedStaysErased, found)
    }

    /// Looks at whether what is published is what is decided, when all is settled.
    pub fn settled(&mut self, state: &State, now: jiff::Timestamp) -> Result<(), Violation> {
        let found = calm::settled_is_decided(state, now);
        self.judge(Invariant::SettledIsDecided, found)
    }

    /// Begins again with an earlier log, which was looked at already.
    pub fn restored(&mut self, store: &Store, now: jiff::Timestamp) -> Result<(), String> {
        (self.fold, self.bounds) = Default::default();
        let before = std::mem::take(&mut self.leases);
        for entry in &store.entries {
            let event = entry.event()?;
            self.bounds.apply(&self.fold, &self.truth, entry, &event);
            self.leases.apply(entry.at, &event);
            self.fold.apply(entry, &event, &self.truth);
        }
        self.leases.restored(&before, now);
        self.obliged = Obliged::default();
        self.heard.restored(now);
        Ok(())
    }
}
