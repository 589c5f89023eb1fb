//! What came of runs.

use super::{
    config::Config,
    faults::{Fault, FaultCounts},
    store::Store,
    watch::{Invariant, Transition, Violation},
};
use refit_core::control::Event;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// How often events of each kind were written in a step in which a fault had just happened.
pub type Coverage = BTreeMap<(&'static str, Fault), u64>;

/// What happened to releases on their way, and after which faults of the hour before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transitions {
    /// How often.
    pub counts: BTreeMap<Transition, u64>,
    /// How often with a fault of the hour before.
    pub after: BTreeMap<(Transition, Fault), u64>,
}

impl Transitions {
    /// Notes one.
    pub fn happened(&mut self, transition: Transition, faults: &BTreeSet<Fault>) {
        *self.counts.entry(transition).or_default() += 1;
        for fault in faults {
            *self.after.entry((transition, *fault)).or_default() += 1;
        }
    }

    /// A line for each fault, a column for each transition by its number, with how often both came together.
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:24}", "")?;
        (1..=Transition::ALL.len()).try_for_each(|number| write!(f, " {number:>4}"))?;
        writeln!(f)?;
        for fault in Fault::ALL {
            write!(f, "  {fault:24}")?;
            for transition in Transition::ALL {
                write!(f, " {:>4}", short(self.after.get(&(*transition, *fault)).copied().unwrap_or(0)))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn add(&mut self, other: &Transitions) {
        other.counts.iter().for_each(|(key, count)| *self.counts.entry(*key).or_default() += count);
        other.after.iter().for_each(|(key, count)| *self.after.entry(*key).or_default() += count);
    }
}

/// What came of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What was run.
    pub config: Config,
    /// The log, as one text, for comparing runs.
    pub log: String,
    /// What is durable at its end.
    pub store: Store,
    /// Steps that were taken.
    pub steps: u64,
    /// Simulated days, times devices.
    pub device_days: f64,
    /// Faults that happened.
    pub faults: FaultCounts,
    /// Events by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// Events by kind and fault.
    pub coverage: Coverage,
    /// What happened to releases on their way.
    pub transitions: Transitions,
    /// How often each invariant was looked at.
    pub looked: BTreeMap<Invariant, u64>,
    /// What did not hold.
    pub failure: Option<Failure>,
}

/// What did not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The step.
    pub step: u64,
    /// What was found.
    pub violation: Violation,
}

/// The sum of many runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Runs.
    pub runs: u64,
    /// Steps.
    pub steps: u64,
    /// Simulated days, times devices.
    pub device_days: f64,
    /// Faults that happened.
    pub faults: FaultCounts,
    /// Events by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// Events by kind and fault.
    pub coverage: Coverage,
    /// What happened to releases on their way.
    pub transitions: Transitions,
    /// How often each invariant was looked at.
    pub looked: BTreeMap<Invariant, u64>,
}

/// Events of a server that reads sources by itself. The simulated fleet is told everything; who is one with whom is tried out in
/// `refit-core/tests/control/sources.rs`.
const OF_SOURCES: [&str; 7] = [
    "device.merged",
    "device.split",
    "group.observed",
    "person.merged",
    "person.split",
    "source.read",
    "target.observed",
];

/// Who is sent business events changes nothing of what devices are told.
const OF_SUBSCRIPTIONS: [&str; 2] = ["subscription.removed", "subscription.set"];

/// What people say through the API, and agree to in other systems. Nobody here does yet; rules and answers are tried out in
/// `refit-core/tests/control` (`exceptions.rs`, `rollouts/answered_reports.rs`) and, for approvals, in `refit/tests/server/processes.rs`.
const OF_PEOPLE: [&str; 12] = [
    "approval.answered",
    "exception.approved",
    "exception.expired",
    "exception.expiring",
    "exception.granted",
    "exception.refused",
    "exception.requested",
    "exception.withdrawn",
    "report.acknowledged",
    "report.closed",
    "report.opened",
    "report.shown",
];

/// What takes the days that small runs do not have: it is looked for among what happens to releases in fleets.
const OF_FLEETS: [&str; 1] = ["gate.asked"];

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.steps += report.steps;
        self.device_days += report.device_days;
        report.faults.iter().for_each(|(fault, count)| *self.faults.entry(*fault).or_default() += count);
        report.events.iter().for_each(|(kind, count)| *self.events.entry(kind).or_default() += count);
        report.coverage.iter().for_each(|(key, count)| *self.coverage.entry(*key).or_default() += count);
        self.transitions.add(&report.transitions);
        report.looked.iter().for_each(|(invariant, count)| *self.looked.entry(*invariant).or_default() += count);
    }

    /// Kinds of events that never occurred, of those that a simulation drives.
    pub fn missing_events(&self) -> Vec<&'static str> {
        let others: [&[&str]; 4] = [&OF_SOURCES, &OF_FLEETS, &OF_SUBSCRIPTIONS, &OF_PEOPLE];
        let elsewhere = |kind: &&str| others.iter().any(|list| list.contains(kind));
        let driven = Event::KINDS.iter().map(|(kind, _)| *kind).filter(|kind| !elsewhere(kind));
        driven.filter(|kind| !self.events.contains_key(kind)).collect()
    }

    /// What never happened to any release on its way.
    pub fn missing_transitions(&self) -> Vec<Transition> {
        Transition::ALL.iter().copied().filter(|it| !self.transitions.counts.contains_key(it)).collect()
    }

    /// Faults that happened, per device and day.
    pub fn faults_per_device_day(&self) -> f64 {
        self.faults.values().sum::<u64>() as f64 / self.device_days.max(1.0)
    }

    /// Faults that never happened.
    pub fn missing_faults(&self) -> Vec<Fault> {
        Fault::ALL.iter().copied().filter(|fault| !self.faults.contains_key(fault)).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} runs, {} steps, {:.0} device-days, {:.2} faults per device-day",
            self.runs,
            self.steps,
            self.device_days,
            self.faults_per_device_day()
        )?;
        writeln!(f, "\ninvariants, and how often each was looked at:")?;
        for invariant in Invariant::ALL {
            writeln!(f, "  {invariant:28} {:>10}", self.looked.get(invariant).copied().unwrap_or(0))?;
        }
        writeln!(f, "\nfaults:")?;
        for fault in Fault::ALL {
            writeln!(f, "  {fault:28} {:>10}", self.faults.get(fault).copied().unwrap_or(0))?;
        }
        writeln!(f, "\nevents, and after how many of the {} kinds of faults each was written:", Fault::ALL.len())?;
        for (kind, _) in Event::KINDS {
            let count = self.events.get(kind).copied().unwrap_or(0);
            let after: Vec<Fault> =
                Fault::ALL.iter().copied().filter(|it| self.coverage.contains_key(&(kind, *it))).collect();
            write!(f, "  {kind:28} {count:>10} {:>4}", after.len())?;
            let never: Vec<_> = Fault::ALL.iter().filter(|fault| !after.contains(fault)).map(|it| it.name()).collect();
            match never.len() {
                0 => writeln!(f)?,
                1..=6 => writeln!(f, "  never after: {}", never.join(", "))?,
                many => writeln!(f, "  never after {many} kinds")?,
            }
        }
        writeln!(f, "\nwhat happened to releases:")?;
        for (number, transition) in (1..).zip(Transition::ALL) {
            let count = self.transitions.counts.get(transition).copied().unwrap_or(0);
            writeln!(f, "  {number:>2} {transition:34} {count:>10}")?;
        }
        writeln!(f, "\nhow often, by its number, with a fault of the hour before:")?;
        self.transitions.table(f)?;
        Ok(())
    }
}

/// A count in four characters at the most: 0 as `.`, thousands as `12k`, millions as `3M`.
fn short(count: u64) -> String {
    match count {
        0 => ".".to_owned(),
        1..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{}k", count / 1_000),
        _ => format!("{}M", count / 1_000_000),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            None => writeln!(f, "seed {}: everything held in {} steps", self.config.seed, self.steps),
            Some(failure) => {
                writeln!(f, "seed {}: `{}` does not hold", self.config.seed, failure.violation.invariant)?;
                writeln!(f, "  in step {}: {}", failure.step, failure.violation.found)?;
                writeln!(f, "  again: {}", self.config.command())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_has_four_characters_at_the_most() {
        let counts = [0, 7, 9_999, 10_000, 999_999, 1_000_000, 123_456_789];
        assert_eq!(counts.map(short), [".", "7", "9999", "10k", "999k", "1M", "123M"]);
    }

    #[test]
    fn every_pair_of_a_transition_and_a_fault_has_its_place_in_the_table() {
        let mut summary = Summary::default();
        let (last, fault) = (*Transition::ALL.last().unwrap(), Fault::MessageLost);
        for _ in 0..12 {
            summary.transitions.happened(last, &[fault, Fault::Restore].into());
        }
        let shown = summary.to_string();
        let of = |fault: Fault| {
            let mut lines = shown.lines().rev();
            let line = lines.find(|line| line.trim_start().starts_with(fault.name())).unwrap();
            line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut expected = vec![".".to_owned(); Transition::ALL.len()];
        assert_eq!(of(Fault::AckLost), expected);
        *expected.last_mut().unwrap() = "12".to_owned();
        assert_eq!((of(fault), of(Fault::Restore)), (expected.clone(), expected));
        let widths: BTreeSet<_> = shown.lines().rev().take(Fault::ALL.len() + 1).map(str::len).collect();
        assert_eq!(widths.len(), 1, "{shown}");
    }
}
