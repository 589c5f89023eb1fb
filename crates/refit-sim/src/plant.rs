//! Deliberate mistakes, one for each invariant. A simulation with one of them has to find it: a test that cannot fail is no test.

use crate::{policies::RINGS, quality::platform};
use jiff::SignedDuration;
use refit_core::control::{
    Evaluation, Expedited, Input, LeaseBook, LeaseInput, LeaseStep, Receipt, ReceiptResult, RingRecord, SlotOutcome,
    State,
};
use refit_model::DeviceId;
use refit_wire::{
    State as Document,
    state::{Action, Directive},
};
use std::{str::FromStr, sync::Arc};

/// Declares the mistakes with their names.
macro_rules! plants {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A deliberate mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Plant { $($(#[$doc])* $variant,)* }

        impl Plant {
            /// All of them.
            pub const ALL: &'static [Plant] = &[$(Plant::$variant),*];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Plant::$variant => $name,)* }
            }
        }
    };
}

plants! {
    /// The state changes beside the log.
    StateBesideLog = "state-beside-log",
    /// A plan is applied with a larger envelope than was shown.
    EnvelopeInflated = "envelope-inflated",
    /// What a plan permits is never used up.
    PermitsUnlimited = "permits-unlimited",
    /// What a budget has spent is forgotten.
    BudgetForgotten = "budget-forgotten",
    /// A plan is approved by its author under another name.
    AuthorApproves = "author-approves",
    /// A due time is pushed out without a cause.
    DueTimeSlides = "due-time-slides",
    /// Due times of obligations are pushed out where nobody looks.
    ObligationsSlide = "obligations-slide",
    /// Receipts that counted are forgotten.
    ReceiptsForgotten = "receipts-forgotten",
    /// Agents forget reports that nobody has acknowledged when they start.
    ReportsDropped = "reports-dropped",
    /// Receipts are acknowledged, and nobody counts them.
    ReceiptsAcknowledgedEarly = "receipts-acknowledged-early",
    /// A device's disk says that the journal is written, and it is not.
    SavesLost = "saves-lost",
    /// Agents forget when they restarted a machine.
    RestartsForgotten = "restarts-forgotten",
    /// Agents do not see what is wrong with the device's clock.
    ClockHidden = "clock-hidden",
    /// The package manager does more than it said.
    StepsHidden = "steps-hidden",
    /// The package manager installs older versions than it said.
    OlderInstalled = "older-installed",
    /// The package manager installs other versions than it said.
    OthersChanged = "others-changed",
    /// The package manager begins long after it was told to.
    ChangedLate = "changed-late",
    /// Leases do not say that everything is stopped.
    BrakeUnsaid = "brake-unsaid",
    /// A log that came from a backup keeps its epoch.
    EpochForgotten = "epoch-forgotten",
    /// A start says nothing of the time in which nobody listened.
    DowntimeHidden = "downtime-hidden",
    /// What was decided is lost, and believed to be told.
    DecisionsDropped = "decisions-dropped",
    /// What time changes is looked at a month late.
    WakesLate = "wakes-late",
    /// The brake does nothing.
    BrakeIgnored = "brake-ignored",
    /// References of personal values are made of the values.
    ValuesInReferences = "values-in-references",
    /// Erased values stay.
    ErasureForgotten = "erasure-forgotten",
    /// The log believes the server's clock.
    ClockTrusted = "clock-trusted",
    /// A policy counts as one that has long applied.
    PhaseInSkipped = "phase-in-skipped",
    /// Histories of devices are forgotten.
    ClonesUnnoticed = "clones-unnoticed",
    /// Devices that are quarantined are decided like others.
    QuarantineIgnored = "quarantine-ignored",
    /// No release waits for a gate.
    GatesSkipped = "gates-skipped",
    /// Decisions know nothing of halts and rings.
    RingsIgnored = "rings-ignored",
    /// A ring soaks from a week before it opened.
    SoakSkipped = "soak-skipped",
    /// Gates hear of no failure, and of nobody who is silent or complains.
    FailuresUncounted = "failures-uncounted",
    /// Devices are told the newest release, whatever is published for them.
    RingsUntold = "rings-untold",
    /// Devices are not told of freezes.
    FreezesUntold = "freezes-untold",
    /// Devices are not told of windows.
    WindowsUntold = "windows-untold",
    /// Agents do not see that people are busy.
    BusyHidden = "busy-hidden",
    /// Devices are told what they were told before a release was halted.
    HaltsUntold = "halts-untold",
    /// The package manager undoes changes that came.
    ChangesUndone = "changes-undone",
    /// Whoever asks for a lease is the first: others that have one are forgotten.
    LeasesForgotten = "leases-forgotten",
    /// A session is over when its changes are installed, whatever waits for a restart.
    RestartsUnheeded = "restarts-unheeded",
    /// A batch is acknowledged before it is durable.
    AcknowledgedTooEarly = "acknowledged-too-early",
}

fn version(directive: &Directive) -> Option<&str> {
    match &directive.action {
        Action::Upgrade(package) | Action::Install(package) => Some(&package.version),
        _ => None,
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(name: &str) -> Result<Plant, String> {
        Plant::ALL
            .iter()
            .copied()
            .find(|plant| plant.name() == name)
            .ok_or_else(|| format!("no mistake is called `{name}`"))
    }
}

impl Plant {
    /// Tampers with the state that an input is handled on.
    pub(crate) fn before_input(self, state: &mut State, input: &Input) {
        match (self, input) {
            (Plant::BrakeIgnored, Input::Evaluated { .. }) => state.brake = None,
            (Plant::ReceiptsForgotten, Input::Receipt { device, .. }) => {
                if let Some(record) = state.devices.get_mut(device) {
                    let record = Arc::make_mut(record);
                    record.receipts.clear();
                    record.counted.clear();
                }
            }
            (Plant::ClonesUnnoticed, Input::Observe(said)) => {
                if let Some(record) = state.devices.get_mut(&said.device) {
                    Arc::make_mut(record).history = None;
                }
            }
            (Plant::QuarantineIgnored, Input::Evaluated { devices, .. }) => {
                for evaluation in devices {
                    let Some(record) = state.devices.get_mut(&evaluation.device) else { continue };
                    Arc::make_mut(record).quarantined = None;
                }
            }
            (Plant::PermitsUnlimited, Input::Evaluated { .. }) => {
                let ids: Vec<_> = state.plans.keys().cloned().collect();
                for id in ids {
                    let Some(plan) = state.plans.get_mut(&id) else { continue };
                    Arc::make_mut(plan).permits.values_mut().for_each(|left| *left += 1_000);
                }
            }
            (Plant::BudgetForgotten, Input::Evaluated { .. }) => state.ledger.clear(),
            (Plant::LeasesForgotten, Input::Leases(LeaseInput::Device { step: LeaseStep::Take(_), .. })) => {
                state.leases = LeaseBook::default();
            }
            (Plant::RestartsUnheeded, Input::Leases(LeaseInput::Device { device, .. })) => {
                self.before_lease(state, device);
            }
            _ => {}
        }
    }

    /// Tampers with the state on which the door looks at a lease.
    pub(crate) fn before_lease(self, state: &mut State, device: &DeviceId) {
        if let (Plant::RestartsUnheeded, Some(record)) = (self, state.devices.get_mut(device)) {
            let pending = |receipt: &mut Receipt| {
                if receipt.result == ReceiptResult::RestartPending {
                    receipt.result = ReceiptResult::Succeeded;
                }
            };
            Arc::make_mut(record).receipts.values_mut().for_each(pending);
        }
    }

    /// Tampers with the state that a batch leaves.
    pub(crate) fn after_batch(self, state: &mut State) {
        match self {
            Plant::StateBesideLog if state.revision() > 0 => state.went_on = 1,
            Plant::PhaseInSkipped => {
                let applied = Arc::make_mut(&mut state.applied);
                for (policy, since) in &mut applied.policies {
                    *since = since.checked_sub(SignedDuration::from_hours(24)).unwrap_or(*since);
                    for entry in applied.entries.get_mut(policy).into_iter().flat_map(|texts| texts.values_mut()) {
                        *entry = entry.checked_sub(SignedDuration::from_hours(24)).unwrap_or(*entry);
                    }
                }
            }
            _ => {}
        }
    }

    /// Tampers with the state on which devices are decided, and rollouts go on.
    pub(crate) fn before_deciding(self, state: &mut State) {
        match self {
            Plant::GatesSkipped => {
                let begun: Vec<_> =
                    state.rollouts.under_way.iter().map(|(title, list)| (title.clone(), list.clone())).collect();
                for (title, record) in begun.iter().flat_map(|(title, list)| list.iter().map(move |it| (title, it))) {
                    let of = state.rollouts.expedited.entry(title.clone()).or_default();
                    let hurry = Expedited { at: state.clock, why: "planted".into() };
                    of.insert((record.version.clone(), None), hurry);
                }
            }
            Plant::SoakSkipped => {
                let titles: Vec<_> = state.rollouts.under_way.keys().cloned().collect();
                for title in titles {
                    let Some(records) = state.rollouts.under_way.get_mut(&title) else { continue };
                    let open = Arc::make_mut(records).iter_mut().flat_map(|record| &mut record.open);
                    for ring in open {
                        let week = SignedDuration::from_hours(168);
                        ring.first_result = ring.first_result.and_then(|at| at.checked_sub(week).ok());
                    }
                }
            }
            Plant::FailuresUncounted => {
                let titles: Vec<_> = state.rollouts.trials.keys().cloned().collect();
                for title in titles {
                    let Some(trials) = state.rollouts.trials.get_mut(&title) else { continue };
                    for trial in Arc::make_mut(trials).values_mut() {
                        let failed = std::mem::take(&mut trial.failed);
                        trial.fine.0 |= failed.0;
                        trial.complained = Default::default();
                    }
                }
            }
            Plant::RingsIgnored => {
                state.rollouts.gates.clear();
                let titles: Vec<_> = state.rollouts.under_way.keys().cloned().collect();
                for title in titles {
                    let Some(records) = state.rollouts.under_way.get_mut(&title) else { continue };
                    for record in Arc::make_mut(records) {
                        let open = |ring: &str| RingRecord {
                            ring: ring.into(),
                            at: state.clock,
                            members: None,
                            first_result: None,
                        };
                        record.open = RINGS.iter().map(|ring| open(ring)).collect();
                    }
                }
            }
            _ => {}
        }
    }

    /// Tampers with what a device is told; `before` is what it was told last.
    pub(crate) fn before_telling(self, state: &State, document: &mut Document, before: Option<&Document>) {
        match self {
            Plant::FreezesUntold => document.terms.iter_mut().for_each(|terms| terms.freezes.clear()),
            Plant::WindowsUntold => document.terms.iter_mut().for_each(|terms| terms.window = None),
            Plant::HaltsUntold => {
                let halted = |directive: &Directive| {
                    let on = platform(&document.device);
                    let halt = |version| state.rollouts.halt(&directive.title, version, Some(&on));
                    version(directive).is_some_and(|version| halt(version).is_some())
                };
                let Some(before) = before.filter(|before| before.directives.iter().any(halted)) else { return };
                (document.directives, document.terms) = (before.directives.clone(), before.terms.clone());
            }
            Plant::RingsUntold => {
                for directive in &mut document.directives {
                    let newest = state.releases.get(&directive.title).and_then(|list| list.last());
                    let Some(newest) = newest.map(|release| release.version.clone()) else { continue };
                    if let Action::Upgrade(package) | Action::Install(package) = &mut directive.action {
                        directive.id = format!("upgrade {} {newest}", directive.title).into();
                        package.version = newest;
                    }
                }
            }
            _ => {}
        }
    }

    /// Tampers with what was decided.
    pub(crate) fn after_deciding(self, devices: &mut [Evaluation]) {
        let later = |due: &mut Option<jiff::Timestamp>| {
            *due = due.and_then(|due| due.checked_add(SignedDuration::from_hours(100)).ok());
        };
        for evaluation in devices {
            match self {
                Plant::WakesLate => {
                    let month = SignedDuration::from_hours(720);
                    evaluation.next_change = evaluation.next_change.and_then(|at| at.checked_add(month).ok());
                }
                Plant::DueTimeSlides if evaluation.basis.is_multiple_of(3) => {
                    for slot in &mut evaluation.slots {
                        let mut slid: SlotOutcome = slot.as_ref().clone();
                        later(&mut slid.due);
                        *slot = Arc::new(slid);
                    }
                }
                Plant::ObligationsSlide if evaluation.basis.is_multiple_of(3) => {
                    for slot in &mut evaluation.slots {
                        let mut slid: SlotOutcome = slot.as_ref().clone();
                        slid.obligations.iter_mut().for_each(|(_, due)| later(due));
                        *slot = Arc::new(slid);
                    }
                }
                _ => {}
            }
        }
    }
}
