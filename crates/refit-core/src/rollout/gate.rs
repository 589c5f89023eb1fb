//! What a gate says of a release after one ring.
//!
//! The question is about the release, not about the ring: would more than `failure_rate` of all devices fail? Results are
//! taken as draws with an unknown failure rate p. For each p, the mixture martingale
//!
//! ```text
//! M(p) = B(a + failed, a + fine) / (B(a, a) p^failed (1 - p)^fine),   a = 1/2
//! ```
//!
//! exceeds 1/(1 - confidence) with a probability of at most 1 - confidence if p is the true rate, over all looks together
//! (Ville's inequality; Robbins 1970, "Statistical methods related to the law of the iterated logarithm"; the Beta(1/2, 1/2)
//! mixture is that of Krichevsky and Trofimov). The rates p at which it does not exceed are the confidence sequence. M is
//! convex in p around the observed rate, so both bounds compare with the threshold by one look at M(threshold): the lower
//! bound is above it exactly if M(threshold) is large and the observed rate is above, and likewise below.

use crate::{
    policy::{document::test::GateAnswer, repository::Gate},
    world::Evidence,
};
use jiff::{SignedDuration, Timestamp};

/// What `gate` says of `evidence` at `now`, for a ring that has to soak for `soak`.
///
/// Halts at once where the lower bound of the failure rate is above the threshold. Passes, never before the ring has soaked
/// from its first result, where the upper bound is below, or where enough of the ring have reported and none failed. A ring
/// without devices says nothing.
pub fn judge(gate: &Gate, soak: SignedDuration, evidence: &Evidence, now: Timestamp) -> GateAnswer {
    let Evidence { first_result, devices, reported, failed } = *evidence;
    if reported == 0 || devices == 0 {
        return GateAnswer::Inconclusive;
    }
    let failed = failed.min(reported);
    let observed = failed as f64 / reported as f64;
    let certain = log_martingale(gate.failure_rate, failed, reported - failed) >= -(1.0 - gate.confidence).ln();
    if certain && observed > gate.failure_rate {
        return GateAnswer::Halt;
    }
    let soaked = first_result.is_some_and(|first| now.duration_since(first) >= soak);
    // A product such as 55 % of 100 is not exact in binary.
    let enough = gate.enough.is_some_and(|share| failed == 0 && reported as f64 + 1e-6 >= share * devices as f64);
    if soaked && (enough || (certain && observed < gate.failure_rate)) {
        return GateAnswer::Pass;
    }
    GateAnswer::Inconclusive
}

/// How many results without a failure a gate needs to be sure; `None` where no number suffices.
pub fn results_needed(gate: &Gate) -> Option<u64> {
    let sure = |n: u64| log_martingale(gate.failure_rate, 0, n) >= -(1.0 - gate.confidence).ln();
    if gate.failure_rate <= 0.0 || gate.confidence >= 1.0 {
        return None;
    }
    let mut enough = 1;
    while !sure(enough) {
        enough *= 2;
        if enough > 1 << 40 {
            return None;
        }
    }
    let mut too_few = enough / 2;
    while too_few + 1 < enough {
        let middle = too_few + (enough - too_few) / 2;
        if sure(middle) { enough = middle } else { too_few = middle }
    }
    Some(enough)
}

/// The logarithm of M(p).
fn log_martingale(p: f64, failed: u64, fine: u64) -> f64 {
    let (failed, fine) = (failed as f64, fine as f64);
    let likelihood = |count: f64, rate: f64| if count == 0.0 { 0.0 } else { count * rate.ln() };
    log_beta(0.5 + failed, 0.5 + fine) - LOG_BETA_HALVES - likelihood(failed, p) - likelihood(fine, 1.0 - p)
}

/// The logarithm of B(1/2, 1/2), which is π.
const LOG_BETA_HALVES: f64 = 1.144_729_885_849_400_2;

fn log_beta(a: f64, b: f64) -> f64 {
    log_gamma(a) + log_gamma(b) - log_gamma(a + b)
}

/// The logarithm of the gamma function for x > 0: recurrence up to 10, then Stirling's series (Abramowitz and Stegun 6.1.41),
/// with an error below 1e-10.
fn log_gamma(mut x: f64) -> f64 {
    let mut shift = 1.0;
    while x < 10.0 {
        shift *= x;
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - shift.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate { name: "default".into(), failure_rate: 0.02, confidence: 0.95, enough: Some(0.9), patience: None }
    }

    fn says(devices: u64, reported: u64, failed: u64, hours: i64) -> GateAnswer {
        let first: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let evidence = Evidence { first_result: Some(first), devices, reported, failed };
        judge(&gate(), SignedDuration::from_hours(24), &evidence, first + SignedDuration::from_hours(hours))
    }

    #[test]
    fn few_without_a_failure_pass_once_enough_have_reported_and_soaked() {
        assert_eq!(says(3, 3, 0, 24), GateAnswer::Pass);
        assert_eq!(says(3, 3, 0, 23), GateAnswer::Inconclusive);
        assert_eq!(says(3, 2, 0, 48), GateAnswer::Inconclusive);
        assert_eq!(says(3, 3, 1, 48), GateAnswer::Inconclusive);
    }

    #[test]
    fn many_failures_halt_at_once() {
        assert_eq!(says(200, 100, 50, 1), GateAnswer::Halt);
        assert_eq!(says(200, 5, 5, 0), GateAnswer::Halt);
        assert_eq!(says(200, 1, 1, 0), GateAnswer::Halt);
    }

    #[test]
    fn one_failure_in_fifty_is_no_proof_of_more_than_two_percent() {
        assert_eq!(says(200, 50, 1, 1), GateAnswer::Inconclusive);
    }

    #[test]
    fn many_results_pass_without_waiting_for_the_whole_ring() {
        let needed = results_needed(&gate()).unwrap();
        assert_eq!(says(8_000, needed, 0, 24), GateAnswer::Pass);
        assert_eq!(says(8_000, needed - 1, 0, 24), GateAnswer::Inconclusive);
        assert_eq!(says(8_000, needed, 0, 23), GateAnswer::Inconclusive);
    }

    #[test]
    fn an_empty_ring_says_nothing() {
        assert_eq!(says(0, 0, 0, 99), GateAnswer::Inconclusive);
    }

    #[test]
    fn the_gamma_function_is_that_of_the_tables() {
        assert!((log_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-10);
        assert!((log_beta(0.5, 0.5) - LOG_BETA_HALVES).abs() < 1e-10);
        assert!((log_gamma(5.0) - 24f64.ln()).abs() < 1e-10);
        assert!((log_gamma(101.0) - 363.739_375_555_563_5).abs() < 1e-8);
    }
}
