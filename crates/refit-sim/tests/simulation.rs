//! Hundreds of runs, the same log for the same seed, deliberate mistakes that have to be found, and nothing that never happens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use refit_sim::{
    Config, Fault, Plant, Summary, shrink, simulate,
    watch::{Invariant, Transition},
};

/// How many seeds run in every test run; the binary runs more.
const SEEDS: u64 = 300;

#[test]
fn everything_holds_in_hundreds_of_runs_and_nothing_never_happens() {
    let mut summary = Summary::default();
    for seed in 0..SEEDS {
        let report = simulate(Config { steps: 350, ..Config::new(seed) });
        summary.add(&report);
        if report.failure.is_some() {
            panic!("{report}the smallest that fails alike:\n{}", shrink(report.clone()));
        }
    }
    assert_eq!(summary.missing_events(), Vec::<&str>::new(), "\n{summary}");
    assert_eq!(summary.missing_faults(), Vec::<Fault>::new(), "\n{summary}");
    assert_eq!(never_looked_at(&summary, |it| !is_of_rollouts(it)), [], "never looked at");
}

fn never_looked_at(summary: &Summary, which: impl Fn(Invariant) -> bool) -> Vec<Invariant> {
    Invariant::ALL.iter().copied().filter(|it| which(*it) && !summary.looked.contains_key(it)).collect()
}

/// A small fleet with releases on their way; the binary runs larger ones.
fn small_fleet(seed: u64) -> Config {
    Config { devices: 40, days: Some(10), ..Config::rollouts(seed) }
}

/// Fleets in which everything has happened, together; what a change of the program does away with there is looked for in others.
const FLEETS: [u64; 4] = [24, 31, 1, 44];
/// So many others at the most.
const OTHERS: u64 = 120;

#[test]
fn releases_move_through_rings_and_no_transition_never_happens() {
    let mut summary = Summary::default();
    let others = (0..OTHERS).filter(|seed| !FLEETS.contains(seed));
    for (number, seed) in FLEETS.into_iter().chain(others).enumerate() {
        if number >= FLEETS.len()
            && summary.missing_transitions().is_empty()
            && never_looked_at(&summary, is_of_rollouts).is_empty()
        {
            break;
        }
        let report = simulate(small_fleet(seed));
        summary.add(&report);
        assert!(report.failure.is_none(), "{report}");
    }
    assert_eq!(summary.missing_transitions(), Vec::<Transition>::new(), "\n{summary}");
    assert_eq!(never_looked_at(&summary, is_of_rollouts), [], "never looked at");
    assert!(summary.faults_per_device_day() > 0.1, "\n{summary}");
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    for seed in [1, 7, 4_711] {
        let config = Config { steps: 500, ..Config::new(seed) };
        let (first, second) = (simulate(config.clone()), simulate(config));
        assert!(first.log == second.log, "seed {seed} gave two logs");
        assert_eq!(first, second);
        assert!(first.log.lines().count() > 20);
    }
}

/// Which invariant has to find each mistake.
fn finds(plant: Plant) -> Invariant {
    match plant {
        Plant::StateBesideLog => Invariant::ReplaysAlike,
        Plant::EnvelopeInflated | Plant::PermitsUnlimited => Invariant::InsideEnvelope,
        Plant::BudgetForgotten => Invariant::InsideBudget,
        Plant::AuthorApproves => Invariant::ApprovedByOthers,
        Plant::DueTimeSlides => Invariant::DueTimesDoNotSlide,
        Plant::ObligationsSlide => Invariant::ObligationsDoNotSlide,
        Plant::ReceiptsForgotten => Invariant::ReceiptsCountOnce,
        Plant::ReportsDropped => Invariant::ChangesAreTold,
        Plant::ReceiptsAcknowledgedEarly => Invariant::ReceiptsArrive,
        Plant::SavesLost => Invariant::OrderNeverGoesDown,
        Plant::RestartsForgotten => Invariant::RestartsWithinLimit,
        Plant::ClockHidden => Invariant::NoChangeWithoutTime,
        Plant::StepsHidden => Invariant::MandateHolds,
        Plant::OlderInstalled => Invariant::NeverBelowFloors,
        Plant::OthersChanged | Plant::ChangedLate => Invariant::OnlyWhatWasNamed,
        Plant::BrakeUnsaid => Invariant::BrakeIsHonoured,
        Plant::EpochForgotten => Invariant::AgentsFollow,
        Plant::DowntimeHidden => Invariant::DowntimeIsNoAbsence,
        Plant::DecisionsDropped => Invariant::SettledIsDecided,
        Plant::WakesLate => Invariant::NothingChangesEarly,
        Plant::BrakeIgnored => Invariant::BrakeStopsEverything,
        Plant::ValuesInReferences => Invariant::NothingPersonal,
        Plant::ErasureForgotten => Invariant::ErasedStaysErased,
        Plant::ClockTrusted => Invariant::TimeNeverGoesBack,
        Plant::PhaseInSkipped => Invariant::PhaseInForcesNobody,
        Plant::ClonesUnnoticed => Invariant::ClonesAreQuarantined,
        Plant::QuarantineIgnored => Invariant::QuarantineHolds,
        Plant::GatesSkipped => Invariant::RingsOpenInOrder,
        Plant::RingsIgnored => Invariant::UnopenedReachesNobody,
        Plant::LeasesForgotten => Invariant::GroupsHold,
        Plant::RestartsUnheeded => Invariant::LeaseOutlivesSession,
        Plant::AcknowledgedTooEarly => Invariant::AcknowledgedIsDurable,
        Plant::SoakSkipped => Invariant::RingsSoak,
        Plant::FailuresUncounted => Invariant::BadReleaseStaysBounded,
        Plant::RingsUntold => Invariant::InsideOpenRing,
        Plant::FreezesUntold => Invariant::FreezesHold,
        Plant::WindowsUntold => Invariant::WindowsHold,
        Plant::BusyHidden => Invariant::BusyPeopleAreLeftAlone,
        Plant::HaltsUntold => Invariant::HaltedTouchesNobody,
        Plant::ChangesUndone => Invariant::NobodyIsForcedTwice,
    }
}

/// Whether an invariant is looked for in a fleet.
fn is_of_rollouts(invariant: Invariant) -> bool {
    matches!(
        invariant,
        Invariant::RingsSoak
            | Invariant::BadReleaseStaysBounded
            | Invariant::InsideOpenRing
            | Invariant::FreezesHold
            | Invariant::WindowsHold
            | Invariant::BusyPeopleAreLeftAlone
            | Invariant::HaltedTouchesNobody
            | Invariant::NobodyIsForcedTwice
    )
}

#[test]
fn every_deliberate_mistake_is_found_by_its_invariant() {
    let mut missed = Vec::new();
    for plant in Plant::ALL {
        let only = finds(*plant);
        let found = (0..300).any(|seed| {
            // Changes are frequent where releases move.
            let usual = match is_of_rollouts(only) {
                true => small_fleet(seed),
                false => Config { steps: 600, ..Config::new(seed) },
            };
            let config = Config { plant: Some(*plant), only: Some(only), ..usual };
            simulate(config).failure.is_some_and(|failure| failure.violation.invariant == only)
        });
        if !found {
            missed.push(plant.name());
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
    let all: std::collections::BTreeSet<_> = Plant::ALL.iter().map(|plant| finds(*plant)).collect();
    assert_eq!(all.len(), Invariant::ALL.len(), "each invariant has a mistake that it finds");
}

#[test]
#[ignore = "a part of the one above, for who works on it"]
fn mistakes_about_leases_are_found() {
    for plant in [Plant::LeasesForgotten, Plant::RestartsUnheeded] {
        let only = finds(plant);
        let found = (0..300).find(|seed| {
            let config = Config { plant: Some(plant), only: Some(only), steps: 600, ..Config::new(*seed) };
            simulate(config).failure.is_some_and(|failure| failure.violation.invariant == only)
        });
        println!("{}: {found:?}", plant.name());
        assert!(found.is_some(), "{}", plant.name());
    }
}

#[test]
fn a_failure_becomes_smaller_and_says_how_to_run_it_again() {
    let only = Some(Invariant::NothingPersonal);
    let failed = (0..20)
        .map(|seed| simulate(Config { plant: Some(Plant::ValuesInReferences), only, steps: 600, ..Config::new(seed) }));
    let failed = failed.into_iter().find(|report| report.failure.is_some()).unwrap();
    let small = shrink(failed.clone());
    assert!(small.config.steps < failed.config.steps && small.config.faults.len() < failed.config.faults.len());
    let text = small.to_string();
    assert!(text.contains("again: cargo run --release -p refit-sim -- --seed"), "{text}");
    assert_eq!(simulate(small.config.clone()), small);
}
