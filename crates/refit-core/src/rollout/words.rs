//! What measures and verdicts are called, and their figures, in the words that all who speak of a release share.

use super::gate::{Evidence, HaltedBy, Measure, Verdict};
use refit_wire::protocol::WaitsFor;
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

/// Why a measure lets nothing pass: `reports of people look worse than elsewhere`, or that they tell nothing, where elsewhere
/// everybody is bad too.
pub fn looks(measure: &Measure, evidence: &Evidence) -> String {
    let compared = evidence.compared.iter().find(|compared| compared.measure == *measure);
    let everybody = compared.is_some_and(|it| it.control.of > 0 && it.control.bad == it.control.of);
    match everybody {
        false => format!("{} look worse than elsewhere", measured(measure)),
        true => format!("{} tell nothing, since elsewhere it is everybody too", measured(measure)),
    }
}

/// Of how many devices a measure would have shown something bad by now.
pub fn watched(measure: &Measure, evidence: &Evidence) -> u64 {
    let compared = evidence.compared.iter().find(|compared| compared.measure == *measure);
    compared.and_then(|compared| compared.watched).unwrap_or(0)
}

/// Why devices of the ring have not reported, to stand behind how many have: `; 2 are silent, 3 wait for a window`. Empty
/// where nobody knows.
pub fn outstanding(evidence: &Evidence) -> String {
    let silent = (evidence.silent > 0).then(|| match evidence.silent {
        1 => "1 is silent".to_owned(),
        silent => format!("{silent} are silent"),
    });
    let held = evidence.held.iter().map(|(waits_for, devices)| match (waits_for, devices) {
        (WaitsFor::Mandate, 1) => "1 is refused by its mandate".to_owned(),
        (WaitsFor::Mandate, devices) => format!("{devices} are refused by their mandate"),
        (_, 1) => format!("1 waits for {}", awaited(*waits_for)),
        (_, devices) => format!("{devices} wait for {}", awaited(*waits_for)),
    });
    let said: Vec<String> = silent.into_iter().chain(held).collect();
    if said.is_empty() { String::new() } else { format!("; {}", said.join(", ")) }
}

/// What a device waits for.
fn awaited(waits_for: WaitsFor) -> &'static str {
    match waits_for {
        WaitsFor::KillSwitch => "the kill switch",
        WaitsFor::Mandate => "another mandate",
        WaitsFor::MandateTime => "the time that the mandate sets",
        WaitsFor::Lease => "a lease",
        WaitsFor::Freeze => "the end of a freeze",
        WaitsFor::Grace => "grace after an absence",
        WaitsFor::Window => "a window",
        WaitsFor::Notice => "a person who was told",
        WaitsFor::Deferral => "a person who put it off",
        WaitsFor::Busy => "a person who is busy",
        WaitsFor::Held => "a hold on the device",
        WaitsFor::PackageManager => "the package manager",
        WaitsFor::Restart => "a restart",
        WaitsFor::Nothing => "nothing",
    }
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

#[cfg(test)]
mod tests {
    use super::{super::bounds::Tally, super::gate::Compared, *};

    #[test]
    fn what_looks_worse_and_what_tells_nothing_are_two_things() {
        let said = |measure: Measure, bad| {
            let (reached, control) = (Tally::new(3, 3), Tally::new(bad, 95));
            let compared = Compared { measure: measure.clone(), reached, control, watched: None };
            looks(&measure, &Evidence { compared: vec![compared], ..Evidence::default() })
        };
        assert_eq!(said(Measure::Reports, 94), "reports of people look worse than elsewhere");
        assert_eq!(said(Measure::Reports, 95), "reports of people tell nothing, since elsewhere it is everybody too");
        assert_eq!(
            said(Measure::Signal("crashes".into()), 95),
            "devices of which signal crashes says something bad tell nothing, since elsewhere it is everybody too"
        );
    }

    #[test]
    fn who_has_not_reported_is_told_apart() {
        let evidence = |silent, held: &[(WaitsFor, u64)]| Evidence {
            silent,
            held: held.iter().copied().collect(),
            ..Evidence::default()
        };
        assert_eq!(outstanding(&evidence(0, &[])), "");
        assert_eq!(
            outstanding(&evidence(1, &[(WaitsFor::Freeze, 12), (WaitsFor::Mandate, 1)])),
            "; 1 is silent, 1 is refused by its mandate, 12 wait for the end of a freeze"
        );
        let more = evidence(2, &[(WaitsFor::Mandate, 2), (WaitsFor::Window, 1)]);
        assert_eq!(outstanding(&more), "; 2 are silent, 2 are refused by their mandate, 1 waits for a window");
    }
}
