//! What would change the answer: first what has a time, in its order, then what has none.

use super::{
    Entry, View,
    cited::is_exception,
    words::{list, utc},
};
use crate::{
    decide::decision::{
        Compliance, Decision, ExceptionVerdict, Goal, Held, Hold, PassedOver, ReleaseConsidered, ReleaseVerdict,
        WouldChange,
    },
    rollout::commands::about_release,
};
use jiff::Timestamp;

/// What would change the answer.
pub(super) fn would_change(decision: &Decision, view: &View) -> Vec<Entry> {
    let mut changes: Vec<(Option<Timestamp>, String)> =
        decision.derivation.would_change.iter().filter_map(|change| say(decision, change)).collect();
    changes.extend(halts_end(decision).map(|text| (None, text)));
    changes.extend(all_of(decision, view).map(|text| (None, text)));
    // The sort is stable: what has no time keeps its order, at the end.
    changes.sort_by_key(|(at, _)| (at.is_none(), *at));
    let mut entries: Vec<Entry> = Vec::new();
    for (at, text) in changes {
        let text = at.map_or_else(|| text.clone(), |at| format!("{}: {text}", view.when(at)));
        if entries.iter().all(|entry| entry.text != text) {
            entries.push(Entry::plain(text));
        }
    }
    entries
}

fn say(decision: &Decision, change: &WouldChange) -> Option<(Option<Timestamp>, String)> {
    let said = match change {
        WouldChange::DueTime { at } => {
            let becomes = match decision.compliance {
                Compliance::Unsupported => "it should have been replaced",
                Compliance::Unseen => "it would be overdue",
                _ => "it becomes overdue",
            };
            (Some(*at), becomes.to_owned())
        }
        WouldChange::Snapshot { version, at } => {
            (Some(*at), format!("the snapshot that {version} moves with is taken, and its first ring can open"))
        }
        WouldChange::Age { version, at } => (Some(*at), format!("{version} is old enough, and is admitted")),
        WouldChange::RingOpens { rollout, ring, version } => {
            (None, format!("when ring {ring} of rollout `{rollout}` opens for {version}, it is admitted"))
        }
        WouldChange::Offered { version } => match offered_from(decision, version) {
            Some(at) => (Some(at), format!("{version} is offered to this device, and is admitted")),
            None => (None, format!("when {version} is offered to this device, it is admitted")),
        },
        WouldChange::HoldEnds { hold, name, at } => (*at, hold_ends(decision, *hold, name, at.is_some())?),
        WouldChange::Fact { field } => (None, format!("when {field} is known")),
        WouldChange::Seen => (None, "when the device is seen again".to_owned()),
        WouldChange::ExceptionEnds { exception, at } => {
            let without = decision.derivation.exceptions.iter().find_map(|considered| match considered.verdict {
                ExceptionVerdict::Acts { due_without, .. } if considered.exception == *exception => due_without,
                _ => None,
            });
            let moved = decision.derivation.obligations.iter().any(|obligation| obligation.exception.is_some());
            let then = without.filter(|_| moved);
            let then = then.map_or_else(String::new, |due| format!(", and the due time is {} again", utc(due)));
            (Some(*at), format!("exception `{exception}` ends{then}"))
        }
    };
    Some(said)
}

fn offered_from(decision: &Decision, version: &refit_model::Version) -> Option<Timestamp> {
    let release = decision.derivation.releases.iter().find(|release| release.version == *version)?;
    reasons(release).iter().find_map(|reason| match reason {
        PassedOver::NotOffered { until } => *until,
        _ => None,
    })
}

fn reasons(release: &ReleaseConsidered) -> &[PassedOver] {
    match &release.verdict {
        ReleaseVerdict::PassedOver(reasons) => reasons,
        _ => &[],
    }
}

fn hold_ends(decision: &Decision, hold: Hold, name: &str, timed: bool) -> Option<String> {
    Some(match (hold, timed) {
        (Hold::Block, _) if exception_holds(decision, name) => return None,
        (Hold::Block, true) => format!("block `{name}` ends"),
        (Hold::Block, false) => format!("when block `{name}` is removed"),
        (Hold::FailedGate, true) => format!("the halt of {name} ends by itself"),
        (Hold::FailedGate, false) => newer(name),
        (Hold::KillSwitch, _) => {
            "when somebody lets everything go on: `refit resume --everything --why TEXT`".to_owned()
        }
        (Hold::Mandate, _) => {
            "when a mandate permits it: `refit mandate sign POLICY --sign-with KEY`, or `refit key expedite` where only time is \
             missing"
                .to_owned()
        }
        (Hold::Disruption, _) => "when those of its group are back that are away".to_owned(),
        (Hold::Budget | Hold::Envelope, _) => format!("when a person lets it go: `refit plans approve {name}`"),
        (Hold::Freeze, true) => format!("freeze `{name}` ends"),
        (Hold::Freeze, false) => format!("when freeze `{name}` ends"),
        (Hold::Provisioning, _) => {
            "when the device has been set up (device.phase is no longer provisioning)".to_owned()
        }
        (Hold::Grace, _) => {
            "when the grace after the absence is used up: a day of use, 4 hours for what is known to be exploited"
                .to_owned()
        }
        (Hold::Window, true) => format!("window `{name}` opens"),
        (Hold::Window, false) => format!("when window `{name}` opens"),
    })
}

fn newer(name: &str) -> String {
    format!("when a release comes that is newer than {name}, which was halted")
}

/// What ends halts besides a time: a newer release, and a person.
fn halts_end(decision: &Decision) -> impl Iterator<Item = String> {
    let held = decision.derivation.holds.iter().filter(|held| held.hold == Hold::FailedGate);
    held.flat_map(|held| {
        let release = decision.derivation.releases.iter().find(|release| release.version.as_str() == held.name);
        let halt = release.and_then(|release| {
            reasons(release).iter().find_map(|reason| match reason {
                PassedOver::Halted(halt) => Some(halt),
                _ => None,
            })
        });
        // Where there is no log, nobody can be told.
        let resumed = halt.filter(|halt| halt.at.is_some()).map(|halt| {
            let resume = about_release("resume", halt.title.as_str(), &halt.version, halt.platform.as_deref());
            format!("when somebody lets {} go on: `{resume}`", held.name)
        });
        [Some(newer(&held.name)), resumed].into_iter().flatten()
    })
}

/// Whether it is an exception, whose end is named by itself.
fn exception_holds(decision: &Decision, name: &str) -> bool {
    let held: Option<&Held> =
        decision.derivation.holds.iter().find(|held| held.hold == Hold::Block && held.name == name);
    held.is_some_and(|held| is_exception(decision, held))
}

/// What the goal waits for, where it is several things at once and nothing else is admitted.
fn all_of(decision: &Decision, view: &View) -> Option<String> {
    let goal = decision.goal.as_ref().and_then(Goal::version)?;
    let release = decision.derivation.releases.iter().find(|release| release.version == *goal)?;
    let reasons = reasons(release);
    if decision.admitted.is_some() || reasons.len() < 2 {
        return None;
    }
    let mut steps: Vec<String> = Vec::new();
    for reason in reasons {
        steps.push(match reason {
            PassedOver::NotOffered { until: Some(until) } => format!("it is offered ({})", view.relative(*until)),
            PassedOver::NotOffered { until: None } => "it is offered".to_owned(),
            PassedOver::TooYoung { until } => format!("it is old enough ({})", view.relative(*until)),
            PassedOver::NextSnapshot { until } => {
                format!("the snapshot that it moves with is taken ({})", view.relative(*until))
            }
            PassedOver::Blocked { block, .. } => format!("block `{block}` ends"),
            PassedOver::HeldAt { exception } => format!("exception `{exception}` ends"),
            PassedOver::RingNotOpen { ring, .. } => format!("ring {ring} opens for it"),
            PassedOver::Undetermined => "it is clear which policy applies".to_owned(),
            // These do not pass.
            PassedOver::Installed
            | PassedOver::NotWanted
            | PassedOver::NewerThanGoal
            | PassedOver::OlderThanInstalled
            | PassedOver::NeverOffered
            | PassedOver::Halted(_) => return None,
        });
    }
    Some(format!("{goal} is admitted when all of this has happened: {}", list(&steps)))
}
