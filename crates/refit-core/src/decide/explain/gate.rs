//! What a gate says and by what, what it is in want of, and how a release came to be halted.

use super::{
    Entry, Tone, View,
    words::{count, gate_says, list, percent, rough, sentence},
};
use crate::{
    decide::decision::{Decision, GateDerivation, Halt},
    policy::document::test::GateAnswer,
    rollout::{
        HaltedBy, Measure, Verdict, Wants,
        commands::{NamedGate, about_release},
        words::{figures, halted_because, halted_by, looks, outstanding, watched},
    },
    world::Evidence,
};

/// The halt of a release: after which ring, why, and until when.
pub(super) fn halted(decision: &Decision, halt: &Halt, view: &View) -> String {
    let with = match halt.title == decision.slot.title {
        true => String::new(),
        false => format!(" with `{}` {}", halt.title, halt.version),
    };
    let because = halted_because(halt.why.as_ref(), halt.verdict.as_ref(), halt.evidence.as_ref());
    let because = because.map_or_else(String::new, |because| format!(": {}", sentence(&because)));
    let until = halt.until.map_or_else(String::new, |until| format!(", until {}", view.soon(until)));
    format!("halted{with} after ring {}{because}{until}", halt.after)
}

/// What a gate says, by what evidence, and what it waits for.
pub(super) fn gate(gate: &GateDerivation, view: &View) -> Entry {
    let tone = match gate.answer {
        GateAnswer::Pass => Tone::Good,
        GateAnswer::Halt => Tone::Bad,
        GateAnswer::Inconclusive => Tone::Waiting,
    };
    let version = gate.snapshot.as_ref().map_or_else(|| gate.version.to_string(), |it| format!("snapshot {it}"));
    let subject = format!("{version}: the gate after ring {}", gate.after);
    let says = match (gate.answer, gate.at) {
        (GateAnswer::Inconclusive, Some(_)) => "is kept waiting by a person",
        (answer, _) => gate_says(answer),
    };
    let at = gate.at.map_or_else(String::new, |at| format!(" ({})", view.soon(at)));
    let until = gate.until.map_or_else(String::new, |until| format!(", until {}", view.soon(until)));
    let text = format!("{subject} {says}{at}{until}");
    let by = match (&gate.why, &gate.evidence) {
        (Some(why), _) => sentence(why),
        (None, Some(evidence)) => results(gate, evidence, view),
        (None, None) if gate.answer == GateAnswer::Inconclusive && gate.at.is_none() => {
            return Entry::new(tone, format!("{subject} has not answered yet"));
        }
        (None, None) => String::new(),
    };
    let by = if by.is_empty() { by } else { format!(": {by}") };
    let entry = Entry::new(tone, format!("{text}{by}"));
    match (gate.answer, gate.at, &gate.evidence) {
        (GateAnswer::Inconclusive, None, Some(evidence)) => entry.with(wants(gate, evidence, view)),
        (GateAnswer::Inconclusive, Some(_), _) => entry.with([format!("`{}` takes that back", named(gate).back())]),
        _ => entry,
    }
}

/// The gate as people name it, where it was found.
fn named(gate: &GateDerivation) -> NamedGate<'_> {
    NamedGate {
        title: gate.title.as_str(),
        version: gate.snapshot.as_deref().unwrap_or(gate.version.as_str()),
        after: &gate.after,
        rollout: gate.rollout.as_deref(),
        platform: gate.platform.as_deref(),
    }
}

/// What has come of the release in the ring.
fn results(gate: &GateDerivation, evidence: &Evidence, view: &View) -> String {
    let failed = match evidence.failed {
        0 => "none failed".to_owned(),
        failed => format!("{failed} failed"),
    };
    let reported = match evidence.devices {
        0 => "the ring has no devices".to_owned(),
        devices => format!("{} of {} reported, {failed}", evidence.reported, devices_text(devices)),
    };
    // What was said once was said of then.
    let soaked = evidence.first_result.map(|first| gate.at.unwrap_or(view.now).duration_since(first));
    let soaked = match soaked {
        None => format!("it has not begun to soak, for {}", rough(gate.soak)),
        Some(soaked) if soaked >= gate.soak => format!("it has soaked for {}", rough(soaked)),
        Some(soaked) => format!("it has soaked for {} of {}", rough(soaked), rough(gate.soak)),
    };
    let soaked = if gate.soak.is_zero() { String::new() } else { format!("; {soaked}") };
    let worse = match &gate.verdict {
        Some(Verdict::Halts(by @ HaltedBy::Measure(_))) => format!("; {}", halted_by(by, evidence)),
        _ => String::new(),
    };
    format!("{reported}{}{soaked}{worse}", outstanding(evidence))
}

fn devices_text(devices: u64) -> String {
    count(usize::try_from(devices).unwrap_or(usize::MAX), "device has", "devices have")
}

/// What a gate that is inconclusive waits for.
fn wants(gate: &GateDerivation, evidence: &Evidence, view: &View) -> Vec<String> {
    let wanted = match &gate.verdict {
        Some(Verdict::Waits(Wants::Soak(until))) => Some(format!("it soaks until {}", view.when(*until))),
        Some(Verdict::Waits(Wants::Measure(measure))) => {
            Some(format!("it waits because {}: {}", looks(measure, evidence), figures(measure, evidence)))
        }
        Some(Verdict::Waits(Wants::Watching(measure))) => Some(watches(gate, evidence, measure)),
        _ => None,
    };
    let watching = matches!(gate.verdict, Some(Verdict::Waits(Wants::Watching(_))));
    // Whoever is watched has reported: nothing else is wanting.
    let passes = gate.failure_rate.filter(|_| !watching).map(|rate| passes(gate, evidence, rate));
    let asked = gate.asked.map(|since| {
        let named = named(gate);
        format!(
            "a person has been asked since {}: `{}` lets it pass this gate, `{}` stops it",
            view.when(since),
            named.pass(),
            about_release("halt", named.title, named.version, None)
        )
    });
    wanted.into_iter().chain(passes).chain(asked).collect()
}

/// That a measure can't have shown yet.
fn watches(gate: &GateDerivation, evidence: &Evidence, measure: &Measure) -> String {
    let watched = watched(measure, evidence);
    let needed = gate.watched_needed.map_or_else(String::new, |needed| format!(" of the {needed} that it takes"));
    match measure {
        Measure::Signal(name) => {
            format!("it waits for signal {name}, which speaks of {watched}{needed} since the change")
        }
        _ => {
            format!("it waits for silence to show: {watched}{needed} have been watched for long enough to fall silent")
        }
    }
}

/// When it passes.
fn passes(gate: &GateDerivation, evidence: &Evidence, rate: f64) -> String {
    let soak = if gate.soak.is_zero() { String::new() } else { format!(" after {} of soaking,", rough(gate.soak)) };
    let surely = format!("when it is sure that less than {} fail", percent(rate));
    let measures: Vec<String> = (evidence.compared.iter())
        .map(|compared| match &compared.measure {
            Measure::Silence => "silence".to_owned(),
            Measure::Reports => "reports of people".to_owned(),
            Measure::Signal(name) => format!("signal {name}"),
        })
        .collect();
    let measures = match measures.as_slice() {
        [] => String::new(),
        some => format!(", with {} no worse than elsewhere", list(some)),
    };
    // Where some have failed, reports without a failure no longer suffice.
    match gate.enough.filter(|_| evidence.devices > 0 && evidence.failed == 0) {
        Some(enough) => {
            let (devices, needed) = (evidence.devices, (enough * evidence.devices as f64).ceil());
            let share = percent(enough);
            format!(
                "it passes{soak} when {needed} of {devices} ({share}) have reported and none failed, or {surely}{measures}"
            )
        }
        None => format!("it passes{soak} {surely}{measures}"),
    }
}
