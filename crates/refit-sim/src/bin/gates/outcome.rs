//! What became of many releases of a kind, counted.

use super::PATIENCE;
use refit_core::{
    policy::document::test::GateAnswer,
    rollout::{HaltedBy, Measure, Verdict},
};

/// What became of one release.
#[derive(Clone, Copy)]
pub struct Ended {
    /// What the gate answered.
    pub answer: GateAnswer,
    /// The measure by which it halted.
    pub by: Option<By>,
    /// When, in minutes after the ring opened.
    pub at: i64,
}

/// What halted a release.
#[derive(Clone, Copy, PartialEq)]
pub enum By {
    /// Silence.
    Silence,
    /// What people report.
    Reports,
    /// A signal.
    Signal,
}

/// Until when a release is looked at.
#[derive(Clone, Copy, PartialEq)]
pub enum Until {
    /// Until it passes or is halted.
    Answered,
    /// Until it is halted: in later rings what an earlier one passed is heard still.
    Halted,
}

impl Until {
    /// Whether an answer ends it.
    pub fn is_over(self, ended: &Ended) -> bool {
        self == Until::Answered || ended.answer == GateAnswer::Halt
    }
}

impl Ended {
    /// A person is asked.
    pub const ASKS: Ended = Ended { answer: GateAnswer::Inconclusive, by: None, at: PATIENCE };

    /// What a verdict means at a time; `None` while it waits.
    pub fn of(verdict: &Verdict, at: i64) -> Option<Ended> {
        let by = match verdict {
            Verdict::Halts(HaltedBy::Measure(Measure::Silence)) => Some(By::Silence),
            Verdict::Halts(HaltedBy::Measure(Measure::Reports)) => Some(By::Reports),
            Verdict::Halts(HaltedBy::Measure(Measure::Signal(_))) => Some(By::Signal),
            _ => None,
        };
        let answer = verdict.answer();
        (answer != GateAnswer::Inconclusive).then_some(Ended { answer, by, at })
    }
}

/// Of a hundred releases, how many do what.
pub fn percent(all: &[Ended], which: impl Fn(&Ended) -> bool) -> f64 {
    all.iter().filter(|it| which(it)).count() as f64 / all.len() as f64 * 100.0
}

/// When half of them have ended, in hours.
pub fn median_hours(all: &[Ended]) -> f64 {
    let mut times: Vec<i64> = all.iter().map(|it| it.at).collect();
    times.sort_unstable();
    times[times.len() / 2] as f64 / 60.0
}
