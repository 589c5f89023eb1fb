//! What measures and verdicts are called, and their figures, in the words that all who speak of a release share.

use super::gate::{Evidence, HaltedBy, Measure, Verdict};
use smol_str::SmolStr;

/// What a measure counts: `devices that fell silent`.
pub fn measured(measure: &Measure) -> String {
    match measure {
        Measure::Silence => "devices that fell silent".to_owned(),
        Measure::Reports => "reports of people".to_owned(),
        Measure::Signal(name) => format!("devices of which signal {name} says something bad"),
    }
}

/// The figures of a measure: `2 of 20 devices that it reached, 0 of 200 others`. What the evidence does not have is none of none.
pub fn figures(measure: &Measure, evidence: &Evidence) -> String {
    let compared = evidence.compared.iter().find(|compared| compared.measure == *measure);
    let (reached, control) = compared.map(|it| (it.reached, it.control)).unwrap_or_default();
    format!("{} of {} devices that it reached, {} of {} others", reached.bad, reached.of, control.bad, control.of)
}

/// Of how many devices a measure would have shown something bad by now.
pub fn watched(measure: &Measure, evidence: &Evidence) -> u64 {
    let compared = evidence.compared.iter().find(|compared| compared.measure == *measure);
    compared.and_then(|compared| compared.watched).unwrap_or(0)
}

/// By what a gate halted, with its figures: `5 of 70 failed`.
pub fn halted_by(by: &HaltedBy, evidence: &Evidence) -> String {
    match by {
        HaltedBy::Failures => {
            let results = evidence.results();
            format!("{} of {} failed", results.bad, results.of)
        }
        HaltedBy::Measure(measure) => format!("{}: {}", measured(measure), figures(measure, evidence)),
    }
}

/// Why a release is halted: what a person wrote, or else the figures by which its gate answered; `None` where nobody knows.
pub fn halted_because(why: Option<&SmolStr>, verdict: Option<&Verdict>, evidence: Option<&Evidence>) -> Option<String> {
    match (why, verdict, evidence) {
        (Some(why), ..) => Some(why.to_string()),
        (None, Some(Verdict::Halts(by)), Some(evidence)) => Some(halted_by(by, evidence)),
        _ => None,
    }
}
