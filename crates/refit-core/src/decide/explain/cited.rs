//! The documents and facts that a decision goes by: policies, holds, exceptions, facts.

use super::{
    Entry, Tone, View,
    words::{because, for_want_of, place, sentence, utc},
};
use crate::{
    decide::decision::{
        Compliance, Decision, ExceptionVerdict, FactUsed, Held, Hold, PolicyConsidered, PolicyVerdict, Yielding,
    },
    facts::{Absent, Value},
    policy::document::policy::{Mode, Presence},
};

/// The policy that decides, and why the others do not.
pub(super) fn policies(decision: &Decision) -> Vec<Entry> {
    let mut considered: Vec<&PolicyConsidered> = decision.derivation.policies.iter().collect();
    considered.sort_by_key(|considered| considered.verdict != PolicyVerdict::Decides);
    considered.into_iter().map(|considered| policy(decision, considered)).collect()
}

fn policy(decision: &Decision, considered: &PolicyConsidered) -> Entry {
    let name = format!("`{}`{}", considered.policy, place(&considered.origin));
    let condition = considered.condition.as_deref();
    match &considered.verdict {
        PolicyVerdict::Decides => {
            let mut details = vec![asks(considered)];
            details.extend(condition.map(|condition| format!("where {condition}")));
            details.extend(considered.why.as_ref().map(|why| format!("why: {}", sentence(why))));
            details.extend(considered.owner.as_ref().map(|owner| format!("owner: {owner}")));
            let mode = match decision.mode {
                Mode::Observe => "observe",
                Mode::Notify => "notify",
                Mode::Enforce => "enforce",
            };
            Entry::plain(format!("{name} decides; mode {mode}")).with(details)
        }
        PolicyVerdict::DecidesLikewise => Entry::plain(format!("{name} decides likewise")),
        PolicyVerdict::Contradicts => {
            Entry::new(Tone::Bad, format!("{name} contradicts it, at the same priority, {}", considered.priority))
                .with([asks(considered)])
        }
        PolicyVerdict::Outranked { by } => {
            let decides = decision.derivation.policies.iter().find(|other| other.policy == *by);
            let priorities = decides.map_or_else(String::new, |decides| {
                format!(" ({}; `{by}` has {})", considered.priority, decides.priority)
            });
            Entry::plain(format!("{name} applies, but has a lower priority{priorities}"))
        }
        PolicyVerdict::DoesNotApply => {
            let condition = condition.map_or_else(String::new, |condition| format!(": where {condition}"));
            Entry::plain(format!("{name} does not apply{condition}"))
        }
        PolicyVerdict::Unknown { wanting } => {
            let condition = condition.map_or_else(String::new, |condition| format!("where {condition}"));
            let name = format!("{name} may apply: that is unknown, {}", for_want_of(wanting));
            Entry::new(Tone::Waiting, name).with([condition])
        }
    }
}

fn asks(considered: &PolicyConsidered) -> String {
    match considered.presence {
        Presence::Forbidden => "asks for its absence".to_owned(),
        Presence::Required => format!("requires it; asks for {}", considered.target),
        Presence::IfPresent => format!("asks for {}", considered.target),
    }
}

/// What keeps the change from being made now.
pub(super) fn holds(decision: &Decision, view: &View) -> Vec<Entry> {
    let holds = decision.derivation.holds.iter().map(|held| {
        let origin = held.origin.as_ref().map(place).unwrap_or_default();
        let unknown = if held.unknown { "; it is unknown whether it applies here, so it holds" } else { "" };
        let why = decision.derivation.blocks.iter().find(|cited| held.hold == Hold::Block && cited.block == held.name);
        let why = because(why.and_then(|cited| cited.why.as_ref()));
        Entry::new(Tone::Waiting, format!("{}{origin}{why}{unknown}", hold_text(held, decision, view)))
    });
    let yielding = decision.derivation.yielding.iter().map(|yielding| {
        let Yielding { freeze, unless, advisory, .. } = yielding;
        let place = place(&yielding.origin);
        Entry::new(
            Tone::Good,
            format!("not by freeze `{freeze}`{place}: it yields, because {unless} holds for {advisory}"),
        )
    });
    holds.chain(yielding).collect()
}

/// A hold with its name, and until when.
pub(super) fn hold_text(held: &Held, decision: &Decision, view: &View) -> String {
    let name = &held.name;
    let until = held.until.map_or_else(String::new, |until| format!(" until {}", view.when(until)));
    match held.hold {
        Hold::Block if is_exception(decision, held) => format!("exception `{name}`{until}"),
        Hold::Block => format!("block `{name}`{until}"),
        Hold::FailedGate => format!("the halt of {name}{until}"),
        Hold::Freeze => format!("freeze `{name}`{until}"),
        Hold::KillSwitch => format!("the stop of everything: {name}"),
        Hold::Mandate => format!("the mandate: {name}"),
        Hold::Budget => format!("a budget that is spent (plan {name})"),
        Hold::Disruption => format!("others of its group, which come first ({name})"),
        Hold::Envelope => format!("the plan that was applied, which did not show this (plan {name})"),
        Hold::Provisioning => "the setting up of the device".to_owned(),
        Hold::Grace => "the grace after an absence".to_owned(),
        Hold::Window => match held.until {
            Some(opens) => format!("window `{name}`, which opens {}", view.when(opens)),
            None => format!("window `{name}`, which never opens again"),
        },
    }
}

/// Whether what is named under [`Hold::Block`] is an exception, which keeps the device where it is.
pub(super) fn is_exception(decision: &Decision, held: &Held) -> bool {
    decision.derivation.blocks.iter().all(|cited| cited.block != held.name)
}

/// The exceptions that concern the title.
pub(super) fn exceptions(decision: &Decision, view: &View) -> Vec<Entry> {
    let considered = decision.derivation.exceptions.iter();
    considered
        .map(|considered| {
            let name = format!("`{}`{}", considered.exception, place(&considered.origin));
            let text = match &considered.verdict {
                ExceptionVerdict::Acts { until, .. } => format!("{name} acts until {}", view.when(*until)),
                ExceptionVerdict::RunOut { since } => {
                    return Entry::plain(format!("{name} has run out: it ended {}", view.when(*since)));
                }
                ExceptionVerdict::DoesNotApply => return Entry::plain(format!("{name} does not apply here")),
                ExceptionVerdict::Unknown { wanting } => {
                    format!("{name} may apply: that is unknown, {}", for_want_of(wanting))
                }
            };
            let terms = [
                considered.due.map(|due| format!("due {}", utc(due))),
                considered.hold_at.as_ref().map(|range| format!("stays at {range}")),
                considered.window.as_ref().map(|window| format!("window `{window}`")),
                Some(format!("not for exposures for which {} holds", considered.unless)),
                considered.why.as_ref().map(|why| format!("why: {}", sentence(why))),
            ];
            Entry::plain(text).with(terms.into_iter().flatten())
        })
        .collect()
}

/// The facts that the conditions look at.
pub(super) fn facts(decision: &Decision, view: &View) -> Vec<Entry> {
    // Where no policy speaks of a title there is nothing that facts could change.
    if decision.compliance == Compliance::NotApplicable {
        return Vec::new();
    }
    decision.derivation.facts.iter().map(|used| fact(used, view)).collect()
}

fn fact(used: &FactUsed, view: &View) -> Entry {
    let field = &used.field;
    let said = match (&used.source, used.observed) {
        (Some(source), Some(observed)) => format!("{source}, {}", view.soon(observed)),
        (Some(source), None) => source.to_string(),
        (None, Some(observed)) => view.soon(observed),
        (None, None) => String::new(),
    };
    let said_in_brackets = if said.is_empty() { String::new() } else { format!(" ({said})") };
    match (&used.value, &used.unknown_because) {
        (Some(Value::Time(at)), _) => Entry::plain(format!("{field} is {}{said_in_brackets}", view.soon(*at))),
        (Some(Value::List(items)), _) if items.is_empty() => {
            Entry::plain(format!("{field} is empty{said_in_brackets}"))
        }
        (Some(value), _) => Entry::plain(format!("{field} is {value}{said_in_brackets}")),
        (None, Some(Absent::TooOldSince(since))) => Entry::new(
            Tone::Waiting,
            format!("{field} is unknown: what was said of it ({said}) has been too old since {}", utc(*since)),
        ),
        (None, _) => Entry::new(Tone::Waiting, format!("{field} is unknown: no source has said it")),
    }
}
