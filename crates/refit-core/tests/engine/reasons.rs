//! Which reasons a derivation gives: agreement is worth something only about what occurs.

use serde_json::Value;
use std::collections::BTreeSet;

/// What has to occur, as often as [`OFTEN`] says: every reason of a derivation but those that only an answer to "why not this release" gives.
pub const REASONS: [&str; 44] = [
    "policy decides",
    "policy decides_likewise",
    "policy contradicts",
    "policy outranked",
    "policy does_not_apply",
    "policy unknown",
    "cause exposure",
    "cause stale",
    "cause missing",
    "cause forbidden",
    "clock always",
    "clock holds",
    "clock latched",
    "clock provisional",
    "clock no",
    "started_by offer",
    "started_by condition",
    "started_by arose",
    "started_by spell",
    "open_exposure goal_does_not_close",
    "open_exposure unmanaged",
    "release admitted",
    "release superseded",
    "release not_offered",
    "release never_offered",
    "release too_young",
    "release next_snapshot",
    "release blocked",
    "release held_at",
    "release undetermined",
    "release halted",
    "release ring_not_open",
    "ring holds",
    "ring member",
    "ring unknown",
    "ring identity_in_doubt",
    "ring undetermined",
    "ring on_halted_release",
    "ring last",
    "exception acts",
    "exception run_out",
    "exception does_not_apply",
    "exception unknown",
    "freeze yields",
];

/// What has to meet in one decision, each with each.
pub const MEET: [&str; 7] = ["exception", "block", "freeze", "gate", "grace", "unknown", "phase_in"];

/// How often each has to occur among so many worlds. The usual number is a fraction of that, and has to have the same fraction of each.
pub const OFTEN: (u64, usize) = (1_000, 60_000);

/// All reasons that a decision gives, and which of [`MEET`] do so in it.
pub fn reasons(decision: &Value) -> Vec<String> {
    let derivation = &decision["derivation"];
    let mut found: Vec<String> = Vec::new();
    let mut add = |what: &str, reason: Option<&str>| found.extend(reason.map(|reason| format!("{what} {reason}")));
    let list = |name: &str| derivation[name].as_array().map(Vec::as_slice).unwrap_or_default();
    for policy in list("policies") {
        add("policy", variant(&policy["verdict"]));
    }
    for obligation in list("obligations") {
        add("cause", variant(&obligation["cause"]));
        for clock in obligation["clocks"].as_array().into_iter().flatten() {
            add("clock", variant(&clock["counts"]));
            add("started_by", variant(&clock["started_by"]));
        }
    }
    for exposure in list("open_exposures") {
        add("open_exposure", variant(&exposure["because"]));
    }
    for release in list("releases") {
        let verdict = &release["verdict"];
        match verdict["passed_over"].as_array() {
            Some(reasons) => reasons.iter().for_each(|reason| add("release", variant(reason))),
            None => add("release", variant(verdict)),
        }
    }
    add("ring", variant(&derivation["rings"]["because"]));
    for exception in list("exceptions") {
        add("exception", variant(&exception["verdict"]));
    }
    if !list("yielding").is_empty() {
        add("freeze", Some("yields"));
    }
    let meeting = meeting(decision, &found);
    for (place, one) in meeting.iter().enumerate() {
        found.extend(meeting.iter().skip(place + 1).map(|other| pair(one, other)));
    }
    found
}

/// The name of a pair.
pub fn pair(one: &str, other: &str) -> String {
    format!("{one} meets {other}")
}

fn meeting(decision: &Value, reasons: &[String]) -> Vec<&'static str> {
    let gives = |reason: &str| reasons.iter().any(|given| given == reason);
    let holds: BTreeSet<&str> = decision["holds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let clocks = decision["derivation"]["obligations"].as_array().into_iter().flatten();
    let mut clocks = clocks.flat_map(|obligation| obligation["clocks"].as_array().into_iter().flatten());
    let phased_in = clocks.any(|clock| !clock["phase_in_until"].is_null());
    let acts = |what: &str| match what {
        "exception" => gives("exception acts"),
        "block" => gives("release blocked") || holds.contains("block"),
        "freeze" => holds.contains("freeze"),
        "gate" => !decision["gate"].is_null(),
        "grace" => holds.contains("grace"),
        "unknown" => reasons.iter().any(|given| given.ends_with(" unknown") || given == "clock provisional"),
        _ => phased_in,
    };
    MEET.into_iter().filter(|what| acts(what)).collect()
}

/// The name of a variant, with or without what it carries.
fn variant(value: &Value) -> Option<&str> {
    match value {
        Value::String(name) => Some(name),
        Value::Object(fields) => fields.keys().next().map(String::as_str),
        _ => None,
    }
}
