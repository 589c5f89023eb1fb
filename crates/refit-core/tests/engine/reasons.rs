//! Which reasons a derivation gives: agreement is worth something only about what occurs.

use serde_json::Value;
use std::{collections::BTreeSet, iter::once};

/// What has to occur, as often as [`OFTEN`] says: every reason of a derivation but [`ONLY_ASKED`].
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

/// Reasons that only an answer to "why not this release" gives: decisions consider no releases of which they hold.
pub const ONLY_ASKED: [&str; 4] =
    ["release installed", "release not_wanted", "release newer_than_goal", "release older_than_installed"];

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

/// The enums of a derivation that say why, each by the name under which [`reasons`] counts its variants.
const ENUMS: [(&str, &str); 9] = [
    ("PolicyVerdict", "policy"),
    ("Cause", "cause"),
    ("ClockCounts", "clock"),
    ("StartedBy", "started_by"),
    ("NoObligation", "open_exposure"),
    ("ReleaseVerdict", "release"),
    ("PassedOver", "release"),
    ("RingReason", "ring"),
    ("ExceptionVerdict", "exception"),
];

/// The variants of an enum, as they are written in JSON: what begins with a capital, one level deep.
fn variants(source: &str, name: &str) -> Vec<String> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).unwrap();
    let lines = body.lines().take_while(|line| *line != "}").filter_map(|line| line.strip_prefix("    "));
    let variants = lines.filter(|line| line.starts_with(|sign: char| sign.is_ascii_uppercase()));
    let word = |line: &str| line.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    let in_json = |word: String| {
        let parts = word.char_indices().map(|(at, sign)| match sign.is_ascii_uppercase() && at > 0 {
            true => format!("_{}", sign.to_ascii_lowercase()),
            false => sign.to_ascii_lowercase().to_string(),
        });
        parts.collect::<String>()
    };
    variants.map(word).map(in_json).collect()
}

#[test]
fn every_reason_that_a_derivation_can_give_is_among_those_that_have_to_occur() {
    let sources =
        [include_str!("../../src/decide/derivation.rs"), include_str!("../../src/decide/derivation/rings.rs")].concat();
    let reasons = ENUMS.iter().flat_map(|(name, what)| {
        let variants = variants(&sources, name);
        assert!(variants.len() > 1, "{name}: {variants:?}");
        variants.into_iter().map(move |variant| format!("{what} {variant}"))
    });
    // That a release was passed over is no reason: each of its reasons is.
    let reasons = reasons.filter(|reason| reason != "release passed_over").chain(once("freeze yields".to_owned()));
    let reasons: BTreeSet<String> = reasons.collect();
    let known: BTreeSet<String> = REASONS.iter().chain(&ONLY_ASKED).map(|reason| (*reason).to_owned()).collect();
    assert_eq!(reasons, known, "the generator of fleets has to give each, or it has to be said why it can't");
}
