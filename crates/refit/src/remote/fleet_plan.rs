//! The plan of a fleet as people read it.

use super::{Names, word};
use crate::{
    repository::counted,
    terminal::{ADD, CHANGE, FAINT, HEADING, REMOVE, URGENT, paint},
};
use refit_api::{HeldMoves, Plan, PlanPreview};
use refit_core::{
    control::{CohortKey, FleetPlan, PlanStatus, PlannedChange, Wanted},
    policy::document::policy::Mode,
};
use std::fmt::Write as _;

/// How many changes are listed without `--all`.
const SHOWN: usize = 40;

/// The devices that [`fleet_plan`] names.
pub fn devices_of(plan: &Plan, all: bool) -> impl Iterator<Item = &str> {
    let held = plan.held.iter().flat_map(|held| &held.examples).map(String::as_str);
    plan.content.iter().flat_map(move |content| devices_in(content, all)).chain(held)
}

/// The devices that [`preview`] names.
pub fn devices_in(content: &FleetPlan, all: bool) -> impl Iterator<Item = &str> {
    // Each of the two lists shows so many.
    let shown = content.changes.iter().take(if all { usize::MAX } else { 2 * SHOWN });
    shown.flat_map(|change| change.examples.iter().map(|id| id.as_str()))
}

/// What a revision would change, where no plan is kept.
pub fn preview(preview: &PlanPreview, names: &Names, all: bool) -> String {
    let content = &preview.content;
    let mut text =
        format!("{} for {}: {}\n", paint(HEADING, "Plan"), counted(content.devices as usize, "device"), would(content));
    changes(&mut text, content, names, all);
    summary(&mut text, content);
    if preview.approvals_needed > 0 {
        let _ = writeln!(
            text,
            "To be applied it needs {} by somebody else",
            counted(preview.approvals_needed as usize, "approval")
        );
    }
    text
}

/// What changes in a fleet that no server keeps, under the ids of its devices: the same lists and figures as in a server's plan.
pub fn fleet_changes(content: &FleetPlan, all: bool) -> String {
    let (mut text, names) = (String::new(), Names::default());
    changes(&mut text, content, &names, all);
    summary(&mut text, content);
    text
}

/// A plan with what it would change, the most devices first.
pub fn fleet_plan(plan: &Plan, names: &Names, all: bool) -> String {
    let mut text = String::new();
    let Some(content) = &plan.content else { return held(plan, names) };
    let replaces = match (plan.summary.status, content.replaces) {
        (PlanStatus::Applied, before) => format!("it became policy revision {}", before + 1),
        (PlanStatus::Rejected | PlanStatus::Superseded, 0) => "it was made before any policy was in force".to_owned(),
        (PlanStatus::Rejected | PlanStatus::Superseded, before) => {
            format!("it was made to replace policy revision {before}")
        }
        (PlanStatus::Open | PlanStatus::Approved, _) => would(content),
    };
    let _ = writeln!(
        text,
        "{} for {}: {replaces}",
        paint(HEADING, format!("Plan {}", plan.summary.id)),
        counted(content.devices as usize, "device")
    );
    how_far(&mut text, plan);
    changes(&mut text, content, names, all);
    summary(&mut text, content);
    approvals(&mut text, plan);
    text
}

/// What a revision would be to the one in force.
fn would(content: &FleetPlan) -> String {
    match content.replaces {
        0 => "no policy is in force yet".to_owned(),
        before if content.changes.is_empty() => {
            format!("no device would be told anything else than by policy revision {before}")
        }
        before => format!("it would replace policy revision {before}"),
    }
}

/// What changes, for whom, and what the budgets say.
fn changes(text: &mut String, content: &FleetPlan, names: &Names, all: bool) {
    let (moving, still): (Vec<&PlannedChange>, Vec<&PlannedChange>) =
        content.changes.iter().partition(|change| change.moves);
    let limit = if all { usize::MAX } else { SHOWN };
    if !moving.is_empty() {
        let _ = writeln!(text, "\n{}", paint(HEADING, "Moves devices"));
        moving.iter().take(limit).for_each(|change| line(text, change, names));
    }
    if !still.is_empty() {
        let _ = writeln!(text, "\n{}", paint(HEADING, "Changes what is published, and moves nobody"));
        still.iter().take(limit).for_each(|change| line(text, change, names));
    }
    let hidden = moving.len().saturating_sub(limit) + still.len().saturating_sub(limit);
    if hidden > 0 {
        let _ = writeln!(text, "  … and {} more; `--all` lists them", counted(hidden, "change"));
    }
    radius(text, content);
    unread(text, content);
    budgets(text, content);
}

fn line(text: &mut String, change: &PlannedChange, names: &Names) {
    let (sign, what) = match (&change.before, &change.after) {
        (_, Some(after)) if matches!(after.admitted, Wanted::Absent) => (paint(REMOVE, "-"), described(after)),
        (None, Some(after)) => (paint(ADD, "+"), described(after)),
        (Some(before), Some(after)) if before == after => {
            (paint(CHANGE, "~"), format!("{}  {}", after.slot, by(after)))
        }
        (Some(before), Some(after)) => (paint(CHANGE, "~"), changed(before, after)),
        (Some(before), None) => (paint(REMOVE, "-"), format!("{}: no policy speaks of it any more", before.slot)),
        (None, None) => return,
    };
    let due = match change.earliest_due {
        Some(due) if change.overdue > 0 => {
            paint(URGENT, format!("  overdue since {due:.0} on {}", counted(change.overdue as usize, "device")))
        }
        Some(due) => format!("  due from {due:.0}"),
        None => String::new(),
    };
    let _ = writeln!(text, "  {sign} {what}  on {}{due}", counted(change.devices as usize, "device"));
    let examples: Vec<String> = change.examples.iter().map(|id| names.named(id.as_str())).collect();
    let more = if change.devices as usize > examples.len() { ", …" } else { "" };
    let mut notes = vec![format!("{}{more}", examples.join(", "))];
    notes.extend((change.sooner > 0).then(|| format!("due sooner on {}", change.sooner)));
    notes.extend((change.later > 0).then(|| format!("due later on {}", change.later)));
    notes.extend(change.holds.iter().map(|(hold, count)| format!("held by {} on {count}", word(hold))));
    notes.extend(change.marks.iter().map(|(mark, count)| format!("{} on {count}", word(mark))));
    let _ = writeln!(text, "      {}", paint(FAINT, notes.join("; ")));
}

/// What a cohort would be given.
fn described(key: &CohortKey) -> String {
    let what = match (&key.admitted, &key.goal) {
        (Wanted::Release(version), _) => format!("→ {version}"),
        (Wanted::Absent, _) | (_, Wanted::Absent) => "goes".to_owned(),
        (Wanted::Nothing, Wanted::Release(goal)) => format!("nothing now, goal {goal}"),
        (Wanted::Nothing, Wanted::Nothing) => "nothing".to_owned(),
    };
    format!("{}  {what}  {}", key.slot, by(key))
}

fn changed(before: &CohortKey, after: &CohortKey) -> String {
    let mut parts = Vec::new();
    if before.policy != after.policy {
        parts.push(format!("policy {} → {}", before.policy, after.policy));
    }
    if before.mode != after.mode {
        parts.push(format!("mode {} → {}", word(&before.mode), word(&after.mode)));
    }
    if (&before.rollout, &before.ring) != (&after.rollout, &after.ring) {
        parts.push(format!("ring {} → {}", ring(before), ring(after)));
    }
    if before.goal != after.goal {
        parts.push(format!("goal {} → {}", wanted(&before.goal), wanted(&after.goal)));
    }
    if before.admitted != after.admitted {
        parts.push(format!("now {} → {}", wanted(&before.admitted), wanted(&after.admitted)));
    }
    format!("{}  {}  {}", after.slot, parts.join(", "), by(after))
}

fn by(key: &CohortKey) -> String {
    let mode = if key.mode == Mode::Enforce { String::new() } else { format!(", only {}", word(&key.mode)) };
    let ring = key.ring.as_ref().map_or_else(String::new, |_| format!(", ring {}", ring(key)));
    paint(FAINT, format!("({}{ring}{mode})", key.policy))
}

fn ring(key: &CohortKey) -> String {
    match (&key.rollout, &key.ring) {
        (Some(rollout), Some(ring)) => format!("{rollout}/{ring}"),
        _ => "none".to_owned(),
    }
}

fn wanted(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Nothing => "nothing".to_owned(),
        Wanted::Absent => "absent".to_owned(),
        Wanted::Release(version) => version.to_string(),
    }
}

/// How the moved devices divide.
fn radius(text: &mut String, content: &FleetPlan) {
    let shown = content.blast_radius.iter().filter(|(_, values)| values.keys().any(|value| value != "unknown"));
    let mut lines = shown
        .map(|(field, values)| {
            let values: Vec<String> = values.iter().map(|(value, count)| format!("{value} {count}")).collect();
            format!("  {field}: {}", values.join(", "))
        })
        .peekable();
    if lines.peek().is_some() {
        let _ = writeln!(text, "\n{}", paint(HEADING, "Who"));
        lines.for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
    }
}

/// Facts that the revision can't read.
fn unread(text: &mut String, content: &FleetPlan) {
    if content.unread.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", paint(HEADING, "What sources say is of another kind than the policy declares"));
    for (field, devices) in &content.unread {
        let _ = writeln!(text, "  {field} on {}: unknown there", counted(*devices as usize, "device"));
    }
}

fn budgets(text: &mut String, content: &FleetPlan) {
    if content.budgets.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", paint(HEADING, "Budgets"));
    for budget in &content.budgets {
        let whose = budget.by.as_ref().map_or_else(String::new, |(field, value)| format!(" of {field} {value}"));
        let _ = writeln!(
            text,
            "  {} of {} devices{whose} in {}, {} spent",
            budget.limit, budget.of, budget.per, budget.spent
        );
    }
}

fn summary(text: &mut String, content: &FleetPlan) {
    let figures = &content.summary;
    let _ = write!(
        text,
        "\nPlan: {} to move, {} touched; {} overdue at once",
        counted(figures.moved as usize, "device"),
        figures.touched,
        figures.overdue_devices
    );
    if figures.beyond_budgets > 0 {
        let _ = write!(
            text,
            "; {} beyond the budgets, which wait for a person",
            counted(figures.beyond_budgets as usize, "device")
        );
    }
    text.push('\n');
}

/// Who has to approve it.
fn approvals(text: &mut String, plan: &Plan) {
    let needed = plan.summary.approvals_needed as usize;
    if needed > plan.summary.approvals.len() {
        let _ = writeln!(
            text,
            "It needs {} by somebody other than {}: refit plans approve {}",
            counted(needed - plan.summary.approvals.len(), "approval"),
            plan.summary.author,
            plan.summary.id
        );
    }
}

/// What people have said to a plan, where it is no longer as it was made.
fn how_far(text: &mut String, plan: &Plan) {
    if plan.summary.status == PlanStatus::Open && plan.summary.approvals.is_empty() {
        return;
    }
    let people: Vec<&str> = plan.summary.approvals.keys().map(String::as_str).collect();
    let by = if people.is_empty() { String::new() } else { format!("; approved by {}", people.join(", ")) };
    let _ = writeln!(text, "  it is {}{by}", word(&plan.summary.status));
}

/// What waits for a person.
fn held(plan: &Plan, names: &Names) -> String {
    let open = plan.summary.status == PlanStatus::Open;
    let mut text = format!(
        "{} {}\n",
        paint(HEADING, format!("Plan {}", plan.summary.id)),
        if open { "waits for a person" } else { "held moves for a person" }
    );
    how_far(&mut text, plan);
    for HeldMoves { cohort, cause, because, devices, examples, .. } in &plan.held {
        let _ = writeln!(text, "  {} on {}", described(cohort), counted(*devices as usize, "device"));
        let _ = writeln!(text, "      moved by {}; {because}", word(cause));
        let _ = writeln!(
            text,
            "      {}",
            paint(FAINT, examples.iter().map(|id| names.named(id)).collect::<Vec<_>>().join(", "))
        );
    }
    if !open {
        return text;
    }
    let _ = writeln!(
        text,
        "\nLet it go with `refit plans approve {0}`, or keep things as they are with `refit plans reject {0} --why …`",
        plan.summary.id
    );
    text
}
