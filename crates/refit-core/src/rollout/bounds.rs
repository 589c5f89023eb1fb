//! How sure one may be of a rate, however often one looks.
//!
//! Results are taken as draws with an unknown rate p. For each p, the mixture martingale
//!
//! ```text
//! M(p) = B(a + bad, a + good) / (B(a, a) p^bad (1 - p)^good),   a = 1/2
//! ```
//!
//! exceeds 1/alpha with a probability of at most alpha if p is the true rate, over all looks together (Ville's inequality;
//! Robbins 1970, "Statistical methods related to the law of the iterated logarithm"; the Beta(1/2, 1/2) mixture is that of
//! Krichevsky and Trofimov). The rates p at which it does not exceed are the confidence sequence. M is convex in p around the
//! observed rate, so that the sequence is an interval. `docs/concepts/gates.md` says what follows from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many results there are, and how many of them are bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// All of them.
    pub of: u64,
    /// The bad ones.
    pub bad: u64,
}

impl Tally {
    /// So many bad ones of so many; never more than all.
    pub fn new(bad: u64, of: u64) -> Tally {
        Tally { of, bad: bad.min(of) }
    }

    /// The observed rate, 0 to 1; 0 where there are no results.
    pub fn rate(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.bad as f64 / self.of as f64 }
    }

    /// Both together.
    pub fn and(self, other: Tally) -> Tally {
        Tally { of: self.of + other.of, bad: self.bad + other.bad }
    }

    /// Whether the true rate is surely not `rate`: what is observed then would be rarer than `alpha`, at any look.
    pub fn excludes(self, rate: f64, alpha: f64) -> bool {
        self.of > 0 && log_martingale(rate, self.bad, self.of.saturating_sub(self.bad)) >= -alpha.ln()
    }

    /// The least rate that is not excluded.
    pub fn lower_bound(self, alpha: f64) -> f64 {
        if self.bad == 0 {
            return 0.0;
        }
        // One bad result excludes 0 for certain.
        bisect(0.0, self.rate(), |rate| self.excludes(rate, alpha))
    }

    /// The greatest rate that is not excluded.
    pub fn upper_bound(self, alpha: f64) -> f64 {
        if self.bad == self.of {
            return 1.0;
        }
        bisect(1.0, self.rate(), |rate| self.excludes(rate, alpha))
    }
}

/// How many results without a bad one exclude `rate`; `None` where no number does.
pub fn results_to_exclude(rate: f64, alpha: f64) -> Option<u64> {
    let sure = |n: u64| Tally::new(0, n).excludes(rate, alpha);
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

/// Where `excluded` ends on the way from `far`, where it holds, to `near`, where it does not. Sixty halvings are as exact as
/// the numbers are.
fn bisect(mut far: f64, mut near: f64, excluded: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(far, near);
        if excluded(middle) { far = middle } else { near = middle }
    }
    far
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
    use proptest::prelude::*;

    #[test]
    fn the_gamma_function_is_that_of_the_tables() {
        assert!((log_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-10);
        assert!((log_beta(0.5, 0.5) - LOG_BETA_HALVES).abs() < 1e-10);
        assert!((log_gamma(5.0) - 24f64.ln()).abs() < 1e-10);
        assert!((log_gamma(101.0) - 363.739_375_555_563_5).abs() < 1e-8);
    }

    #[test]
    fn nothing_is_known_before_the_first_result() {
        let none = Tally::default();
        assert_eq!((none.lower_bound(0.05), none.upper_bound(0.05)), (0.0, 1.0));
        assert!(!none.excludes(0.5, 0.05));
    }

    #[test]
    fn all_of_eight_are_surely_more_than_a_third() {
        let all = Tally::new(8, 8);
        assert!(all.lower_bound(0.05) > 0.33, "{}", all.lower_bound(0.05));
        assert_eq!(all.upper_bound(0.05), 1.0);
        let none = Tally::new(0, 8);
        assert!((none.upper_bound(0.05) + all.lower_bound(0.05) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn so_many_results_exclude_a_rate_and_one_less_does_not() {
        for (rate, alpha) in [(0.02, 0.05), (0.5, 0.05), (0.3, 0.01), (0.001, 0.2)] {
            let needed = results_to_exclude(rate, alpha).unwrap();
            assert!(Tally::new(0, needed).excludes(rate, alpha), "{rate} {alpha}: {needed}");
            assert!(!Tally::new(0, needed - 1).excludes(rate, alpha), "{rate} {alpha}: {needed}");
        }
        for (rate, alpha) in [(0.0, 0.05), (-0.1, 0.05), (0.5, 0.0), (1e-15, 0.05)] {
            assert_eq!(results_to_exclude(rate, alpha), None, "{rate} {alpha}");
        }
    }

    proptest! {
        #[test]
        fn bounds_hold_the_observed_rate_and_narrow_with_less_confidence(of in 1_u64..3_000, share in 0.0..=1.0_f64) {
            let tally = Tally::new((of as f64 * share) as u64, of);
            let sure = (tally.lower_bound(0.01), tally.upper_bound(0.01));
            let less = (tally.lower_bound(0.1), tally.upper_bound(0.1));
            prop_assert!(sure.0 <= less.0 && less.0 <= tally.rate() && tally.rate() <= less.1 && less.1 <= sure.1);
            // What was observed is never excluded: at a gate's very threshold nothing is certain.
            prop_assert!(!tally.excludes(tally.rate(), 0.1) && !tally.excludes(tally.rate(), 0.999));
            // What lies a little outside is excluded, and a little inside is not.
            prop_assert!(sure.0 <= 1e-9 || tally.excludes(sure.0 - sure.0 * 1e-6, 0.01));
            prop_assert!(sure.1 >= 1.0 - 1e-9 || tally.excludes(sure.1 + (1.0 - sure.1) * 1e-6, 0.01));
        }
    }
}
