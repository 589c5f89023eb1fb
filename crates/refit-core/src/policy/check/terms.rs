//! In which terms two policies differ, as far as a device would notice.

use super::subject::length;
use crate::policy::repository::{
    Accepted, Deadline, Policy, Repository, UsedWindow, Wanted, WantedBranch, WantedRelease,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// One term in which two policies differ.
pub(super) struct Difference {
    /// The key in the document.
    pub term: &'static str,
    /// What the first says.
    pub one: String,
    /// What the second says.
    pub other: String,
}

/// The terms in which two policies differ; none means that every device gets the same decision from both.
pub(super) fn differences(one: &Policy, other: &Policy, repository: &Repository) -> Vec<Difference> {
    let of = |policy: &Policy| {
        [
            ("mode", word(&policy.mode)),
            ("presence", word(&policy.presence)),
            ("target", wanted(&policy.target)),
            ("accept", accepted(&policy.accept)),
            ("allow_downgrade", policy.allow_downgrade.to_string()),
            ("min_age", length(policy.min_age)),
            ("deadline", deadline(&policy.deadline)),
            ("phase_in", policy.phase_in.map_or_else(none, length)),
            ("rollout", rollout(policy)),
            ("window", policy.window.as_ref().map_or_else(none, window)),
            ("experience", json(&policy.experience)),
            ("disruption", policy.disruption.as_ref().map_or_else(none, json)),
            ("packages", json(&policy.packages)),
            ("provisioning", policy.provisioning.to_string()),
        ]
    };
    let mut differences: Vec<Difference> = of(one)
        .into_iter()
        .zip(of(other))
        .filter(|((_, one), (_, other))| one != other)
        .map(|((term, one), (_, other))| Difference { term, one, other })
        .collect();
    if differences.is_empty() && cuts_shares(one, repository) {
        let says = |policy: &Policy| format!("cut by the name `{}`", policy.name);
        differences.push(Difference { term: "shares of the rings", one: says(one), other: says(other) });
    }
    differences
}

/// Whether the rings of a policy depend on its name, by which positions are permuted (docs/reference/rules.md, rule 8).
fn cuts_shares(policy: &Policy, repository: &Repository) -> bool {
    let named = policy.rollout.iter().chain(policy.deadline.iter().filter_map(|entry| entry.rollout.as_ref()));
    named
        .filter_map(|name| repository.rollouts.get(name))
        .any(|rollout| rollout.rings.iter().any(|ring| ring.share.is_some()))
}

fn none() -> String {
    "none".to_owned()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// An enum's variant as it is written in a document.
fn word(value: &impl Serialize) -> String {
    json(value).trim_matches('"').to_owned()
}

fn wanted(wanted: &Wanted) -> String {
    let release = match &wanted.release {
        WantedRelease::Latest(0) => "latest".to_owned(),
        WantedRelease::Latest(back) => format!("latest-{back}"),
        WantedRelease::Range(range) => range.text.to_string(),
    };
    match &wanted.branch {
        WantedBranch::Installed | WantedBranch::Any => release,
        WantedBranch::Latest(0) => format!("{release} of the latest branch"),
        WantedBranch::Latest(back) => format!("{release} of branch latest-{back}"),
        WantedBranch::Named(name) => format!("{release} of branch {name}"),
    }
}

fn accepted(list: &[Accepted]) -> String {
    if list.is_empty() {
        return "the target".to_owned();
    }
    let one = |accepted: &Accepted| match accepted.until {
        Some(until) => format!("{} until {until}", wanted(&accepted.wanted)),
        None => wanted(&accepted.wanted),
    };
    list.iter().map(one).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("; ")
}

/// The order of the entries does not matter, nor whether one is there twice.
fn deadline(entries: &[Deadline]) -> String {
    if entries.is_empty() {
        return none();
    }
    entries.iter().map(entry).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("; ")
}

/// An entry of a deadline in few words: `14d`, `2d if exposure.kev`.
pub(super) fn entry(entry: &Deadline) -> String {
    let mut text = length(entry.within);
    if let Some(condition) = &entry.condition {
        text += &format!(" if {}", condition.text());
    }
    if let Some(min_age) = entry.min_age {
        text += &format!(", min_age {}", length(min_age));
    }
    if let Some(rollout) = &entry.rollout {
        text += &format!(", rollout {rollout}");
    }
    if entry.at_due != Default::default() {
        text += &format!(", at_due {}", word(&entry.at_due));
    }
    text
}

fn rollout(policy: &Policy) -> String {
    match (&policy.rollout, policy.snapshot_every) {
        (Some(name), Some(every)) => format!("{name}, every {}", length(every)),
        (Some(name), None) => name.to_string(),
        (None, _) => none(),
    }
}

fn window(window: &UsedWindow) -> String {
    match window.after_due {
        Some(after_due) => format!("{}, after_due {}", window.name, word(&after_due)),
        None => window.name.to_string(),
    }
}
