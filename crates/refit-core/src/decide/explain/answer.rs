//! The answer in a sentence, and what happens next.

use super::{
    Entry, Tone, View,
    cited::hold_text,
    duties::since_always,
    releases::reasons,
    words::{count, for_want_of, list, rough, utc},
};
use crate::{
    decide::decision::{Compliance, Decision, Goal, Mark, PolicyVerdict, ReleaseConsidered, ReleaseVerdict},
    policy::document::policy::Mode,
};

/// How the slot stands, in a sentence.
pub(super) fn headline(decision: &Decision, view: &View) -> Entry {
    let subject = format!("{} on {}", decision.slot, decision.device);
    let policy = decision.policy.as_deref().unwrap_or_default();
    let (tone, text) = match decision.compliance {
        Compliance::Compliant => (Tone::Good, format!("is compliant: {}", complies(decision))),
        Compliance::Due => (Tone::Waiting, format!("is due: {}", outstanding(decision, view))),
        Compliance::Overdue => (Tone::Bad, format!("is overdue: {}", outstanding(decision, view))),
        Compliance::Unsupported => (Tone::Bad, format!("is unsupported: {}", unsupported(decision, view))),
        Compliance::Unseen => (Tone::Bad, format!("is unseen: {}", unseen(decision, view))),
        Compliance::Undetermined => (Tone::Waiting, format!("is undetermined: {}", undetermined(decision))),
        Compliance::NotApplicable => (
            Tone::Plain,
            format!("is not applicable: policy `{policy}` speaks of it where it is installed, and here it is not"),
        ),
        Compliance::Unmanaged => (Tone::Plain, format!("is unmanaged: {}", unmanaged(decision))),
    };
    Entry::new(tone, format!("{subject} {text}."))
}

fn complies(decision: &Decision) -> String {
    let Some(installed) = &decision.installed else {
        return "it is forbidden, and it is not there".to_owned();
    };
    let above = decision.marks.contains(&Mark::AboveTarget);
    match decision.goal.as_ref().and_then(Goal::version) {
        Some(goal) if goal == installed && above => format!("{installed} is newer than every release that is known"),
        Some(goal) if above => format!("{installed} is above what the policy asks for, which is {goal}"),
        Some(goal) if goal == installed => format!("{installed} is installed, as the policy wants"),
        Some(goal) => {
            format!("{installed} is accepted; the policy's goal is {goal}, and nothing obliges it to go there")
        }
        None => format!("{installed} is installed, and nothing obliges it to change"),
    }
}

/// What has to be done and by when: `130.0 has to become 131.0; it was due on …`.
fn outstanding(decision: &Decision, view: &View) -> String {
    format!("{}{}", has_to(decision), by(decision, view))
}

fn has_to(decision: &Decision) -> String {
    let version = decision.goal.as_ref().and_then(Goal::version);
    match (&decision.installed, &decision.goal, version) {
        (Some(installed), Some(Goal::Absent), _) => format!("{installed} has to be removed"),
        (Some(installed), _, Some(goal)) if goal == installed => format!("{installed} has to change"),
        (Some(installed), _, Some(goal)) => format!("{installed} has to become {goal}"),
        (Some(installed), _, None) => {
            format!("{installed} does not satisfy the policy, and no release that would is known")
        }
        (None, _, Some(goal)) => format!("{goal} has to be installed"),
        (None, _, None) => "it has to be installed, and no release that would satisfy the policy is known".to_owned(),
    }
}

fn by(decision: &Decision, view: &View) -> String {
    match decision.due {
        Some(_) if since_always(decision) => ", and has had to for as long as Refit has known it".to_owned(),
        Some(due) if due <= view.now => format!("; it was due on {}", view.when(due)),
        Some(due) => format!(" by {}", view.when(due)),
        None => "; there is no due time yet".to_owned(),
    }
}

fn unsupported(decision: &Decision, view: &View) -> String {
    let replaced = match decision.due {
        Some(due) if due <= view.now => format!("it had to be replaced by {}", view.when(due)),
        Some(due) => format!("it has to be replaced by {}", view.when(due)),
        None => "it has to be replaced".to_owned(),
    };
    let goal = decision.goal.as_ref().and_then(Goal::version);
    let goal = goal.map_or_else(String::new, |goal| format!(" ({goal})"));
    format!("no release that satisfies the policy{goal} will ever be offered to this device; {replaced}")
}

fn unseen(decision: &Decision, view: &View) -> String {
    let mut text = match &decision.derivation.seen {
        Some(seen) => format!(
            "the device was last seen on {}, by {}; after {} nobody can say how it stands",
            view.when(seen.at),
            seen.by,
            rough(seen.stale_after)
        ),
        None => "the device was seen too long ago to say how it stands".to_owned(),
    };
    if !decision.derivation.obligations.is_empty() {
        text.push_str(&format!(". As far as is known, {}", outstanding(decision, view)));
    }
    text
}

fn undetermined(decision: &Decision) -> String {
    let unknown: Vec<String> = decision
        .derivation
        .policies
        .iter()
        .filter_map(|considered| match &considered.verdict {
            PolicyVerdict::Unknown { wanting } => {
                Some(format!("whether policy `{}` applies is unknown, {}", considered.policy, for_want_of(wanting)))
            }
            _ => None,
        })
        .collect();
    unknown.join("; ")
}

fn unmanaged(decision: &Decision) -> String {
    let policies = &decision.derivation.policies;
    let exposed = match decision.derivation.open_exposures.len() {
        0 => String::new(),
        exposures => format!("; it has {}", count(exposures, "open exposure", "open exposures")),
    };
    let policies = match policies.as_slice() {
        [] => "no policy names it".to_owned(),
        [only] => format!("policy `{}` names it, but does not apply here", only.policy),
        several => format!("{} policies name it, but none applies here", several.len()),
    };
    format!("{policies}{exposed}")
}

/// What happens next, or why nothing does.
pub(super) fn next(decision: &Decision, view: &View) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let outstanding = !decision.derivation.obligations.is_empty();
    // What never comes is not waited for.
    let comes = decision.compliance != Compliance::Unsupported;
    if (outstanding && comes) || decision.admitted.is_some() {
        entries.push(movement(decision, view));
    }
    if outstanding {
        match decision.mode {
            Mode::Enforce => {}
            Mode::Notify => {
                entries.push(Entry::plain("The policy's mode is notify: Refit tells people, and changes nothing."))
            }
            Mode::Observe => {
                entries.push(Entry::plain("The policy's mode is observe: Refit reports this, and changes nothing."))
            }
        }
    }
    entries.extend(marks(decision));
    entries
}

fn movement(decision: &Decision, view: &View) -> Entry {
    let removal = decision.goal == Some(Goal::Absent);
    let held: Vec<String> = decision.derivation.holds.iter().map(|held| hold_text(held, decision, view)).collect();
    let action = match &decision.admitted {
        Some(version) => format!("{version} may be installed"),
        None if removal => "It may be removed".to_owned(),
        None => return waits(decision, view),
    };
    let step = match (&decision.admitted, decision.goal.as_ref().and_then(Goal::version)) {
        (Some(admitted), Some(goal)) if admitted != goal => {
            let why = decision.derivation.releases.iter().find(|release| release.version == *goal);
            let why = why.map(|release| reasons(decision, &release.verdict, view)).unwrap_or_default();
            if why.is_empty() { String::new() } else { format!(" The goal, {goal}, not yet: {}.", why.join("; ")) }
        }
        _ => String::new(),
    };
    if let Some(mark) = decision.unsure() {
        let held = if held.is_empty() { String::new() } else { format!(" Also held by {}.", list(&held)) };
        let what = match &decision.admitted {
            Some(version) => format!("{version} is admitted, but is not installed"),
            None => "It is not removed".to_owned(),
        };
        let why = match mark {
            Mark::Conflict => "while two policies contradict each other",
            _ => "while it is unknown whether another policy applies",
        };
        return Entry::new(Tone::Waiting, format!("{what} {why}.{held}{step}"));
    }
    if held.is_empty() {
        let when = if decision.compliance == Compliance::Unseen { "as soon as the device is back" } else { "now" };
        Entry::new(Tone::Good, format!("{action} {when}.{step}"))
    } else {
        Entry::new(Tone::Waiting, format!("{action}, but not now. Held by {}.{step}", list(&held)))
    }
}

/// Why nothing may be installed, in the words of the release that is nearest to it: the one with the fewest reasons.
fn waits(decision: &Decision, view: &View) -> Entry {
    let releases = &decision.derivation.releases;
    let reasons_of = |release: &ReleaseConsidered| reasons(decision, &release.verdict, view);
    // Of several the newest, which comes first.
    let nearest = releases.iter().min_by_key(|release| reasons_of(release).len());
    let Some(release) = nearest.filter(|release| matches!(release.verdict, ReleaseVerdict::PassedOver(_))) else {
        return Entry::new(Tone::Waiting, "There is no release to install.");
    };
    let why = reasons_of(release).join("; ");
    let version = &release.version;
    let text = match releases.as_slice() {
        [_] => format!("{version} may not be installed yet: {why}."),
        _ => format!("Nothing may be installed yet. The nearest is {version}: {why}."),
    };
    Entry::new(Tone::Waiting, text)
}

fn marks(decision: &Decision) -> Vec<Entry> {
    let mut entries = Vec::new();
    if decision.marks.contains(&Mark::Conflict) {
        entries.push(Entry::new(
            Tone::Bad,
            "Two policies of the same priority contradict each other here: what was admitted stays, and nothing is forced.",
        ));
    }
    if decision.marks.contains(&Mark::Undetermined) && decision.compliance != Compliance::Undetermined {
        entries.push(Entry::new(
            Tone::Waiting,
            "It is unknown whether another policy applies: what was admitted stays, and nothing is forced.",
        ));
    }
    if let Some(due) = decision.due.filter(|_| decision.marks.contains(&Mark::Provisional)) {
        entries.push(Entry::new(
            Tone::Waiting,
            format!("The due time, {}, is provisional: it may move when a fact arrives (see below).", utc(due)),
        ));
    }
    let exposures = decision.derivation.open_exposures.len();
    if exposures > 0 && decision.policy.is_some() {
        let text = match exposures {
            1 => "1 open exposure remains, which no release that the policy asks for closes.".to_owned(),
            _ => format!("{exposures} open exposures remain, which no release that the policy asks for closes."),
        };
        entries.push(Entry::new(Tone::Waiting, text));
    }
    entries
}
