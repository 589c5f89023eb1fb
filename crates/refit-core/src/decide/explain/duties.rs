//! What a slot has to do, and the arithmetic of its due times.

use super::{
    Entry, Tone, View,
    words::{bare, count, exact, for_want_of, list, percent, utc},
};
use crate::decide::decision::{
    Cause, Clock, ClockCounts, Compliance, Decision, NoObligation, Obligation, OpenExposure, Scores, StartedBy,
};
use jiff::Timestamp;
use std::cmp::Reverse;

/// How many obligations or exposures are shown; the rest is counted.
const SHOWN: usize = 5;

/// The obligations, the one that gives the due time first, then what is known to be exploited, then by due time.
pub(super) fn obligations(decision: &Decision, view: &View) -> Vec<Entry> {
    let mut ordered: Vec<&Obligation> = decision.derivation.obligations.iter().collect();
    ordered.sort_by_cached_key(|obligation| {
        let (kev, cvss) = urgency(obligation.scores.as_ref());
        (!kev, obligation.due.is_none(), obligation.due, cvss, name(&obligation.cause))
    });
    if let Some(at) = ordered.iter().position(|obligation| decision.due.is_some() && obligation.due == decision.due) {
        ordered[..=at].rotate_right(1);
    }
    let mut entries: Vec<Entry> = Vec::new();
    for (index, obligation) in ordered.iter().take(SHOWN).enumerate() {
        let details = if index == 0 { whole(decision, obligation) } else { brief(decision, obligation) };
        entries.push(entry(decision, obligation, view).with(details));
    }
    let rest = ordered.get(SHOWN..).unwrap_or_default();
    if !rest.is_empty() {
        entries.push(Entry::plain(the_rest(rest)));
    }
    entries
}

/// The exposures that oblige nothing.
pub(super) fn open_exposures(decision: &Decision) -> Vec<Entry> {
    let mut ordered: Vec<&OpenExposure> = decision.derivation.open_exposures.iter().collect();
    ordered.sort_by_cached_key(|open| {
        let (kev, cvss) = urgency(Some(&open.scores));
        (!kev, cvss, open.advisory.to_string())
    });
    let why = |because| match because {
        NoObligation::GoalDoesNotClose => "no release that the policy asks for closes it",
        NoObligation::Unmanaged => "no policy that applies here speaks of it",
    };
    let mut entries: Vec<Entry> = ordered
        .iter()
        .take(SHOWN)
        .map(|open| {
            let tone = if open.scores.kev.is_some() { Tone::Bad } else { Tone::Waiting };
            let scores = scores(&open.scores);
            Entry::new(tone, format!("{}{scores}: {}", open.advisory, why(open.because)))
        })
        .collect();
    if let Some(rest) = ordered.len().checked_sub(SHOWN).filter(|rest| *rest > 0) {
        entries.push(Entry::plain(format!("and {rest} more")));
    }
    entries
}

/// Whether the due time stands for "always": nothing ever started its clock.
pub(super) fn since_always(decision: &Decision) -> bool {
    decision.derivation.obligations.iter().filter(|obligation| obligation.due == decision.due).any(|obligation| {
        giving(obligation).is_some_and(|clock| clock.start.is_none() && clock.phase_in_until < clock.due)
    })
}

/// The entry of the deadline that gives the due time, where no exception does.
fn giving(obligation: &Obligation) -> Option<&Clock> {
    obligation.clocks.get(obligation.due_by?)
}

fn urgency(scores: Option<&Scores>) -> (bool, Reverse<i64>) {
    let kev = scores.is_some_and(|scores| scores.kev.is_some());
    let cvss = scores.and_then(|scores| scores.cvss).unwrap_or(-1.0);
    (kev, Reverse((cvss * 10.0) as i64))
}

fn name(cause: &Cause) -> String {
    match cause {
        Cause::Exposure { advisory, .. } => advisory.to_string(),
        Cause::Stale | Cause::Missing | Cause::Forbidden => String::new(),
    }
}

fn entry(decision: &Decision, obligation: &Obligation, view: &View) -> Entry {
    let installed = decision.installed.as_ref().map_or("it", |version| version.as_str());
    let what = match &obligation.cause {
        Cause::Exposure { advisory, .. } => {
            format!("close {advisory}{}", obligation.scores.as_ref().map(scores).unwrap_or_default())
        }
        Cause::Stale => match obligation.arose {
            Some(since) => format!("leave {installed}, which ceased to satisfy the policy on {}", utc(since)),
            None => format!("leave {installed}, which does not satisfy the policy"),
        },
        Cause::Missing => "install it, because the policy requires it".to_owned(),
        Cause::Forbidden => "remove it, because the policy forbids it".to_owned(),
    };
    let (tone, by) = match obligation.due {
        Some(_) if giving(obligation).is_some_and(always) => (Tone::Bad, "overdue".to_owned()),
        Some(due) if due <= view.now => (Tone::Bad, format!("overdue since {}", view.soon(due))),
        Some(due) => (Tone::Waiting, format!("due by {}", view.soon(due))),
        None => (Tone::Waiting, format!("no due time, because {}", no_due_time(decision, obligation))),
    };
    Entry::new(tone, format!("{what}: {by}"))
}

fn always(clock: &Clock) -> bool {
    clock.start.is_none() && clock.phase_in_until < clock.due
}

fn no_due_time(decision: &Decision, obligation: &Obligation) -> &'static str {
    if obligation.clocks.is_empty() {
        "the policy has no deadline"
    } else if obligation.clocks.iter().all(|clock| clock.counts == ClockCounts::No) {
        "no entry of the deadline counts for it"
    } else if decision.goal.is_none() {
        "no release that ends it is known"
    } else {
        "no release that ends it has been offered to this device"
    }
}

/// ` (known to be exploited since 2026-11-20, CVSS 8.8, EPSS 10%)`
fn scores(scores: &Scores) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(kev) = scores.kev {
        parts.push(format!("known to be exploited since {}", utc(kev)));
        if scores.ransomware {
            parts.push("used by ransomware".to_owned());
        }
    }
    parts.extend(scores.cvss.map(|cvss| format!("CVSS {cvss:.1}")));
    parts.extend(scores.epss.map(|epss| format!("EPSS {}", percent(epss))));
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Every entry of the deadline, and what its clock waited for.
fn whole(decision: &Decision, obligation: &Obligation) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let several = obligation.clocks.iter().filter(|clock| clock.due.is_some()).count() > 1;
    for (index, clock) in obligation.clocks.iter().enumerate() {
        let earliest = several && obligation.due_by == Some(index);
        lines.extend(clock_lines(
            decision,
            obligation,
            clock,
            if earliest { ", the earliest, which counts" } else { "" },
        ));
    }
    if obligation.clocks.iter().any(|clock| clock.start.is_some()) {
        lines.extend(starts(decision, obligation));
    }
    lines.extend(excepted(obligation));
    lines
}

/// Only the entry that gives the due time.
fn brief(decision: &Decision, obligation: &Obligation) -> Vec<String> {
    let clock = giving(obligation).map(|clock| clock_lines(decision, obligation, clock, "")).unwrap_or_default();
    clock.into_iter().chain(excepted(obligation)).collect()
}

fn excepted(obligation: &Obligation) -> Option<String> {
    let exception = obligation.exception.as_ref()?;
    let without = obligation.clocks.iter().filter_map(|clock| clock.due).min();
    let without = without.map_or_else(|| "there is none".to_owned(), utc);
    Some(format!("exception `{exception}` gives this due time; without it: {without}"))
}

/// `entry 2 (within 14d): 131.0 offered 2026-11-12 20:00 + 14d = 2026-11-26 20:00 UTC`, and below it what has to be known of it.
fn clock_lines(decision: &Decision, obligation: &Obligation, clock: &Clock, remark: &str) -> Vec<String> {
    let condition = clock.condition.as_ref().map_or_else(String::new, |condition| format!("if {condition}, "));
    let label = format!("entry {} ({condition}within {})", clock.entry + 1, exact(clock.within));
    if clock.counts == ClockCounts::No {
        return vec![match obligation.cause {
            Cause::Exposure { .. } => format!("{label} does not count: its condition does not hold"),
            _ => format!("{label} does not count: it speaks of exposures"),
        }];
    }
    let mut lines = vec![format!("{label}: {}{remark}", sum(decision, obligation, clock))];
    if let Some(floor) = clock.phase_in_until.filter(|floor| Some(*floor) == clock.due && plain_sum(clock) < *floor) {
        lines.push(format!("  but nothing is due before {}, because the policy is still being phased in", utc(floor)));
    }
    match &clock.counts {
        ClockCounts::Latched { since } => {
            lines.push(format!("  its condition held on {}, and counts although it holds no longer", utc(*since)));
        }
        ClockCounts::Provisional { wanting } => lines.push(format!(
            "  whether its condition holds is unknown, {}; until that is known it counts",
            for_want_of(wanting)
        )),
        ClockCounts::Always | ClockCounts::Holds { .. } | ClockCounts::No => {}
    }
    lines
}

/// The due time before the phasing in of the policy.
fn plain_sum(clock: &Clock) -> Timestamp {
    let start = clock.start.unwrap_or(Timestamp::UNIX_EPOCH);
    start.checked_add(clock.within).unwrap_or(Timestamp::MAX)
}

fn sum(decision: &Decision, obligation: &Obligation, clock: &Clock) -> String {
    if clock.due.is_none() {
        return "its clock has not started".to_owned();
    }
    let Some(start) = clock.start else {
        return "nobody saw it begin, so its time has passed".to_owned();
    };
    let from = match clock.started_by {
        Some(StartedBy::Offer) => match &obligation.first_offer {
            Some(offer) => format!("{} {}", offer.version, offered(decision)),
            None => offered(decision).to_owned(),
        },
        Some(StartedBy::Condition) => "condition true since".to_owned(),
        Some(StartedBy::Arose) => arose(obligation).to_owned(),
        Some(StartedBy::Spell) => spell(obligation).to_owned(),
        None => "since".to_owned(),
    };
    format!("{from} {} + {} = {}", bare(start), exact(clock.within), utc(plain_sum(clock)))
}

/// What started the clock of a release: where none will ever be offered, the publication stands for the offer.
fn offered(decision: &Decision) -> &'static str {
    if decision.compliance == Compliance::Unsupported { "published" } else { "offered" }
}

/// What the spell is called.
fn spell(obligation: &Obligation) -> &'static str {
    match obligation.cause {
        Cause::Exposure { .. } | Cause::Stale => "not complying since",
        Cause::Missing => "missing since",
        Cause::Forbidden => "present since",
    }
}

fn arose(obligation: &Obligation) -> &'static str {
    match obligation.cause {
        Cause::Exposure { .. } => "known since",
        Cause::Stale => "out of policy since",
        Cause::Missing | Cause::Forbidden => "since",
    }
}

/// What the clocks waited for: all of them, where they differ.
fn starts(decision: &Decision, obligation: &Obligation) -> Option<String> {
    let offer = obligation.first_offer.as_ref();
    let mut starts: Vec<(Timestamp, String)> = Vec::new();
    starts.extend(obligation.arose.map(|at| (at, format!("{} {}", arose(obligation), bare(at)))));
    starts.extend(offer.map(|offer| (offer.at, format!("{} {} {}", offer.version, offered(decision), bare(offer.at)))));
    starts.extend(obligation.spell.map(|at| (at, format!("{} {}", spell(obligation), bare(at)))));
    if starts.len() < 2 {
        return None;
    }
    let differ = starts.iter().any(|(at, _)| Some(at) != starts.first().map(|(first, _)| first));
    let texts: Vec<String> = starts.into_iter().map(|(_, text)| text).collect();
    differ.then(|| format!("a clock starts with the last of: {}", list(&texts)))
}

/// `and 37 more, 3 of them known to be exploited; the last is due by …`
fn the_rest(rest: &[&Obligation]) -> String {
    let exposures = rest.iter().filter(|obligation| obligation.scores.is_some()).count();
    let kev = rest.iter().filter(|obligation| urgency(obligation.scores.as_ref()).0).count();
    let mut text = format!("and {} more", rest.len());
    if exposures == rest.len() {
        text = format!("and {}", count(exposures, "more exposure", "more exposures"));
    }
    if kev > 0 {
        text.push_str(&format!(", {kev} of them known to be exploited"));
    }
    let last = rest.iter().filter_map(|obligation| obligation.due).max();
    if let Some(last) = last {
        let by = if rest.len() == 1 { "due by" } else { "the last due by" };
        text.push_str(&format!(", {by} {}", utc(last)));
    }
    text
}
