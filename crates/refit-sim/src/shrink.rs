//! Makes a failure small: fewer steps, fewer devices, fewer kinds of faults, as long as the same invariant fails.

use super::{config::Config, report::Report, run::simulate};

/// The smallest run that was found in which the same invariant fails; `report` itself where it did not fail.
pub fn shrink(report: Report) -> Report {
    let Some(failure) = report.failure.clone() else { return report };
    let wanted = failure.violation.invariant;
    let mut best = report;
    let attempt = |config: Config, best: &mut Report| {
        let again = simulate(config);
        let same = again.failure.as_ref().is_some_and(|failure| failure.violation.invariant == wanted);
        if same {
            *best = again;
        }
        same
    };
    loop {
        let before = best.config.clone();
        // No step after the one that failed matters.
        let failed_in = best.failure.as_ref().map_or(best.config.steps, |failure| failure.step);
        attempt(Config { steps: failed_in, ..best.config.clone() }, &mut best);
        while best.config.steps > 1 {
            let steps = best.config.steps / 2;
            if !attempt(Config { steps, ..best.config.clone() }, &mut best) {
                break;
            }
        }
        while best.config.devices > 1 {
            let devices = best.config.devices - 1;
            if !attempt(Config { devices, ..best.config.clone() }, &mut best) {
                break;
            }
        }
        for fault in before.faults.iter() {
            let mut faults = best.config.faults.clone();
            faults.remove(fault);
            attempt(Config { faults, ..best.config.clone() }, &mut best);
        }
        if best.config == before {
            return best;
        }
    }
}
