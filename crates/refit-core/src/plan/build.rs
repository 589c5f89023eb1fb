//! From decisions, and what the package manager says of them, to a plan.

use super::{Action, Closed, FORMAT, Group, Item, Plan, Summary};
use crate::{
    decide::{Cause, Compliance, Decision, Goal, Held, Mark, PassedOver, PolicyVerdict, ReleaseVerdict},
    facts::FieldRef,
    policy::{document::policy::Mode, repository::Repository},
    world::World,
};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::{AdvisoryId, Scheme, TitleId, Version};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// A change that no policy asks for and that the package manager makes along with others.
#[derive(Clone, Debug, PartialEq)]
pub struct Extra {
    /// The title.
    pub title: TitleId,
    /// What is done with it.
    pub action: Action,
    /// The version before.
    pub from: Option<String>,
    /// The version afterwards.
    pub to: Option<String>,
    /// The title that needs it; `None` where that can't be told.
    pub needed_by: Option<TitleId>,
}

/// Why the package manager would not make a change that policies ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The title.
    pub title: TitleId,
    /// Why, in words.
    pub why: String,
}

/// A title that is there and not in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The version whose files are there.
    pub version: String,
    /// The package manager's word for its state: `half-configured`.
    pub state: String,
}

/// What the package manager says of the decisions.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What it would change besides.
    pub extras: Vec<Extra>,
    /// What it would not change, and why.
    pub obstacles: Vec<Obstacle>,
    /// What is not in order.
    pub unfinished: BTreeMap<TitleId, Unfinished>,
    /// What limits the answer.
    pub notes: Vec<String>,
}

/// What a plan is made for.
pub struct Subject {
    /// The device's id.
    pub device: String,
    /// The device's name.
    pub hostname: String,
    /// The device's zone.
    pub zone: TimeZone,
    /// SHA-256 of the policy repository.
    pub policy_hash: String,
    /// The folder of the policy repository.
    pub policy_folder: String,
}

/// Puts a plan together.
pub fn build(
    subject: Subject,
    repository: &Repository,
    world: &World,
    decisions: &[Decision],
    findings: Findings,
    now: Timestamp,
) -> Plan {
    let mut groups: BTreeMap<SmolStr, Group> = BTreeMap::new();
    let mut summary = Summary::default();
    for decision in decisions {
        count(&mut summary, decision);
        let Some(policy) = decision.policy.as_ref().and_then(|name| repository.policy(name)) else { continue };
        if decision.derivation.obligations.is_empty() {
            continue;
        }
        let mut item = item(decision, world, &findings, &subject.zone);
        if item.not_now.is_empty() && item.action == Action::None {
            item.not_now.push("nothing that may be installed ends this".to_owned());
        }
        if decision.mode != Mode::Enforce && item.not_now.is_empty() {
            item.not_now.push(match decision.mode {
                Mode::Observe => "the policy only observes".to_owned(),
                _ => "the policy only notifies".to_owned(),
            });
        }
        let group = groups.entry(policy.name.clone()).or_insert_with(|| Group {
            policy: policy.name.clone(),
            origin: policy.origin.clone(),
            mode: policy.mode,
            changes: Vec::new(),
            later: Vec::new(),
        });
        if item.not_now.is_empty() { group.changes.push(item) } else { group.later.push(item) }
    }
    add_extras(&mut groups, &findings.extras);
    let mut groups: Vec<Group> = groups.into_values().collect();
    for group in &mut groups {
        group.changes.sort_by_key(urgency);
        group.later.sort_by_key(urgency);
    }
    groups.sort_by_key(|group| {
        let first = group.changes.iter().chain(&group.later).map(urgency).min();
        (first.is_none(), first, group.policy.clone())
    });
    summarise(&mut summary, &groups);
    Plan {
        format: FORMAT,
        made_at: now,
        policy_hash: subject.policy_hash,
        policy_folder: subject.policy_folder,
        facts: Vec::new(),
        device: subject.device,
        hostname: subject.hostname,
        groups,
        notes: findings.notes.into_iter().chain(undetermined(decisions)).collect(),
        summary,
    }
}

/// A note for each policy of which it is unknown whether it applies and that leaves titles undetermined, with the facts that are
/// missing.
fn undetermined(decisions: &[Decision]) -> Vec<String> {
    let mut policies: BTreeMap<&SmolStr, (usize, &[FieldRef])> = BTreeMap::new();
    for decision in decisions.iter().filter(|decision| decision.compliance == Compliance::Undetermined) {
        for considered in &decision.derivation.policies {
            if let PolicyVerdict::Unknown { wanting } = &considered.verdict {
                policies.entry(&considered.policy).or_insert((0, wanting)).0 += 1;
            }
        }
    }
    let note = |(policy, (titles, wanting)): (&SmolStr, (usize, &[FieldRef]))| {
        let facts: Vec<String> = wanting.iter().map(|field| format!("`{field}`")).collect();
        let titles = if titles == 1 { "1 title".to_owned() } else { format!("{titles} titles") };
        let facts = if facts.is_empty() { "a fact".to_owned() } else { facts.join(", ") };
        format!("whether policy `{policy}` applies is unknown, for want of {facts}: {titles} undetermined")
    };
    policies.into_iter().map(note).collect()
}

fn count(summary: &mut Summary, decision: &Decision) {
    match decision.compliance {
        Compliance::Compliant => summary.compliant += 1,
        Compliance::Overdue => summary.overdue += 1,
        Compliance::Unmanaged if decision.installed.is_some() => summary.unmanaged += 1,
        Compliance::Undetermined => summary.undetermined += 1,
        _ => {}
    }
}

/// What is urgent first: known to be exploited, then by due time, then by name.
fn urgency(item: &Item) -> (bool, bool, Option<Timestamp>, bool, TitleId) {
    let exploited = item.closes.iter().any(|closed| closed.kev);
    (is_extra(item), !exploited, item.due.or(Some(Timestamp::MAX)), item.closes.is_empty(), item.title.clone())
}

/// Whether no policy asks for a change.
fn is_extra(item: &Item) -> bool {
    item.compliance == Compliance::Unmanaged
}

fn item(decision: &Decision, world: &World, findings: &Findings, zone: &TimeZone) -> Item {
    let unfinished = findings.unfinished.get(&decision.slot.title).filter(|_| decision.installed.is_some());
    let files = unfinished.and_then(|found| Version::parse(Scheme::Dpkg, &found.version).ok());
    let from = files.as_ref().or(decision.installed.as_ref());
    let to = decision.admitted.as_ref();
    let obstacles: Vec<String> = findings
        .obstacles
        .iter()
        .filter(|found| found.title == decision.slot.title)
        .map(|found| found.why.clone())
        .collect();
    let action = match (from, to, &decision.goal) {
        (Some(_), _, Some(Goal::Absent)) => Action::Remove,
        (None, Some(_), _) => Action::Install,
        (Some(from), Some(to), _) if to == from && unfinished.is_some() => Action::Repair,
        (Some(from), Some(to), _) if to < from => Action::Downgrade,
        (Some(_), Some(_), _) => Action::Upgrade,
        _ => Action::None,
    };
    Item {
        title: decision.slot.title.clone(),
        action,
        from: from.map(ToString::to_string),
        state: unfinished.map(|found| found.state.clone()),
        to: to.map(ToString::to_string),
        compliance: decision.compliance,
        due: decision.due,
        progress: decision.progress,
        holds: decision.holds.iter().copied().collect(),
        marks: decision.marks.iter().copied().collect(),
        closes: closes(decision, world),
        because: match action {
            Action::Repair => Some("begun and not finished".to_owned()),
            _ => because(decision),
        },
        needed_by: None,
        not_now: not_now(decision, obstacles, zone),
    }
}

/// The exposures that what is admitted closes (or, where nothing is, that the goal would).
fn closes(decision: &Decision, world: &World) -> Vec<Closed> {
    let after = decision.admitted.as_ref().or(decision.goal.as_ref().and_then(Goal::version));
    let mut closes: Vec<Closed> = decision
        .derivation
        .obligations
        .iter()
        .filter_map(|obligation| match &obligation.cause {
            Cause::Exposure { advisory, kev } => Some((advisory, *kev)),
            _ => None,
        })
        .filter_map(|(id, kev)| {
            let advisory = world.advisories(&decision.slot.title).iter().find(|known| known.id == *id)?;
            let closed = after.is_none_or(|version| advisory.affects(version) == Some(false));
            closed.then(|| Closed { id: id.clone(), kev, cvss: advisory.cvss, epss: advisory.epss })
        })
        .collect();
    let worst = |closed: &Closed| (closed.cvss.unwrap_or(0.0), closed.epss.unwrap_or(0.0));
    closes.sort_by(|a, b| {
        let (a_worst, b_worst) = (worst(a), worst(b));
        b.kev
            .cmp(&a.kev)
            .then(b_worst.0.total_cmp(&a_worst.0))
            .then(b_worst.1.total_cmp(&a_worst.1))
            .then(a.id.cmp(&b.id))
    });
    closes
}

/// Whether the goal is older than what is installed: a pin, with leave to go back to it.
fn goes_back(decision: &Decision) -> bool {
    let goal = decision.goal.as_ref().and_then(Goal::version);
    goal.zip(decision.installed.as_ref()).is_some_and(|(goal, installed)| goal < installed)
}

fn because(decision: &Decision) -> Option<String> {
    let causes = decision.derivation.obligations.iter().map(|obligation| &obligation.cause);
    let words: BTreeSet<&str> = causes
        .filter_map(|cause| match cause {
            Cause::Exposure { .. } => None,
            Cause::Stale => {
                Some(if goes_back(decision) { "newer than what is wanted" } else { "a newer release is out" })
            }
            Cause::Missing => Some("required"),
            Cause::Forbidden => Some("forbidden"),
        })
        .collect();
    (!words.is_empty()).then(|| words.into_iter().collect::<Vec<_>>().join(", "))
}

/// Why a decision makes no change now, in words.
fn not_now(decision: &Decision, obstacles: Vec<String>, zone: &TimeZone) -> Vec<String> {
    let mut words: Vec<String> = decision.derivation.holds.iter().map(|held| held_in_words(held, zone)).collect();
    if decision.admitted.is_none() && decision.goal != Some(Goal::Absent) && obstacles.is_empty() {
        words.extend(waiting(decision, zone));
    }
    words.extend(obstacles);
    words.extend(match decision.unsure() {
        Some(Mark::Conflict) => {
            let names: Vec<String> = decision.contradicting().iter().map(|name| format!("`{name}`")).collect();
            Some(format!("policies of the same priority contradict each other here: {}", names.join(", ")))
        }
        Some(_) => Some("whether another policy applies is unknown".to_owned()),
        None => None,
    });
    words
}

/// What holds a title, and until when, in words.
pub fn held_in_words(held: &Held, zone: &TimeZone) -> String {
    use crate::decide::Hold;
    let what = match held.hold {
        Hold::Block => format!("held by `{}`", held.name),
        Hold::FailedGate => format!("{} was halted", held.name),
        Hold::Freeze => format!("freeze `{}`", held.name),
        Hold::KillSwitch => format!("everything is stopped: {}", held.name),
        Hold::Mandate => format!("the device does not do it: {}", held.name),
        Hold::Disruption => format!("others of its group come first: {}", held.name),
        Hold::Budget => format!("a budget is spent (plan {})", held.name),
        Hold::Envelope => format!("the plan that was applied did not show it (plan {})", held.name),
        Hold::Provisioning => "the device is being set up".to_owned(),
        Hold::Grace => "grace after an absence".to_owned(),
        Hold::Window => format!("outside window `{}`", held.name),
    };
    let until = match (held.until, held.hold) {
        (Some(at), Hold::Window) => format!(", which opens {}", moment(at, zone)),
        (Some(at), _) => format!(" until {}", moment(at, zone)),
        (None, _) => String::new(),
    };
    let unknown = if held.unknown { " (whether it applies is unknown)" } else { "" };
    format!("{what}{until}{unknown}")
}

/// What the newest release that would help is waiting for.
fn waiting(decision: &Decision, zone: &TimeZone) -> Option<String> {
    let newest = decision.derivation.releases.first()?;
    let ReleaseVerdict::PassedOver(reasons) = &newest.verdict else { return None };
    let words: Vec<String> = reasons
        .iter()
        .filter_map(|reason| match reason {
            PassedOver::TooYoung { until } => Some(format!("old enough {}", moment(*until, zone))),
            PassedOver::NextSnapshot { until } => Some(format!("moves with the snapshot of {}", moment(*until, zone))),
            PassedOver::NotOffered { until: Some(until) } if *until < Timestamp::MAX => {
                Some(format!("offered {}", moment(*until, zone)))
            }
            PassedOver::NotOffered { .. } => Some("not offered here yet".to_owned()),
            PassedOver::NeverOffered => Some("never offered here".to_owned()),
            PassedOver::RingNotOpen { rollout, ring, .. } => {
                Some(format!("ring `{ring}` of rollout `{rollout}` has not opened"))
            }
            _ => None,
        })
        .collect();
    (!words.is_empty()).then(|| format!("{}: {}", newest.version, words.join(", ")))
}

/// A time as people read it, where the device is.
pub fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// Puts changes that others need into the group of the change that needs them.
fn add_extras(groups: &mut BTreeMap<SmolStr, Group>, extras: &[Extra]) {
    for extra in extras {
        let home = groups
            .iter()
            .find(|(_, group)| group.changes.iter().any(|item| Some(&item.title) == extra.needed_by.as_ref()))
            .map(|(name, _)| name.clone());
        let group = match home {
            Some(name) => groups.get_mut(&name),
            None => groups.values_mut().next(),
        };
        let Some(group) = group else { continue };
        let change = Item {
            title: extra.title.clone(),
            action: extra.action,
            from: extra.from.clone(),
            state: None,
            to: extra.to.clone(),
            compliance: Compliance::Unmanaged,
            due: None,
            progress: crate::decide::Progress::Scheduled,
            holds: Vec::new(),
            marks: Vec::new(),
            closes: Vec::new(),
            because: extra.needed_by.is_none().then(|| "brought along by the package manager".to_owned()),
            needed_by: extra.needed_by.clone(),
            not_now: Vec::new(),
        };
        group.changes.push(change);
    }
}

fn summarise(summary: &mut Summary, groups: &[Group]) {
    let mut closed: BTreeSet<&AdvisoryId> = BTreeSet::new();
    let mut exploited: BTreeSet<&AdvisoryId> = BTreeSet::new();
    for item in groups.iter().flat_map(|group| &group.changes) {
        match item.action {
            Action::Install => summary.install += 1,
            Action::Upgrade | Action::Downgrade | Action::Repair => summary.upgrade += 1,
            Action::Remove => summary.remove += 1,
            Action::None => {}
        }
        summary.needed_by_others += usize::from(is_extra(item));
        closed.extend(item.closes.iter().map(|closed| &closed.id));
        exploited.extend(item.closes.iter().filter(|closed| closed.kev).map(|closed| &closed.id));
    }
    summary.closes = closed.len();
    summary.closes_kev = exploited.len();
    summary.later = groups.iter().map(|group| group.later.len()).sum();
}
