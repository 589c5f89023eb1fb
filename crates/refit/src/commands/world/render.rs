//! A plan for a fleet in a file as people read it.

use super::table::Table;
use crate::{
    remote,
    repository::counted,
    terminal::{CHANGE, FAINT, HEADING, paint},
};
use refit_core::{
    decide::Compliance,
    plan::world::{Row, Tables, Waiting, WorldPlan},
};
use std::fmt::Write as _;

/// How many rows of a table are shown without `--all`.
const SHOWN: usize = 25;

/// The plan: what it is about, tables of devices, what changes, who is moved, and the figures at the end.
pub fn plan(plan: &WorldPlan, tables: &Tables, all: bool) -> String {
    let mut text = String::new();
    let content = &plan.plan;
    let of = match &plan.against {
        None => format!("{} where no policy is in force", plan.policy),
        Some(against) => format!("{} in place of {}", plan.policy, against.given),
    };
    let _ = writeln!(
        text,
        "{} for {} in {}, as at {:.0}: {of}",
        paint(HEADING, "Plan"),
        counted(content.devices as usize, "device"),
        plan.world,
        content.made_at
    );
    for note in notes(plan) {
        let _ = writeln!(text, "  {} {note}", paint(CHANGE, "note:"));
    }
    if content.changes.is_empty() {
        let _ = writeln!(text, "\n{}", paint(HEADING, "No device would be told anything else."));
    }
    let limit = if all { usize::MAX } else { SHOWN };
    figures(&mut text, "By policy", &tables.policies, plan.against.is_some(), limit);
    if tables.rings.iter().any(|row| !row.name.is_empty()) {
        figures(&mut text, "By ring", &tables.rings, plan.against.is_some(), limit);
    }
    reasons(&mut text, plan, tables);
    text += &remote::fleet_changes(content, all);
    text
}

/// What has to be known to read the figures.
fn notes(plan: &WorldPlan) -> Vec<String> {
    let since = match (&plan.against, plan.applied) {
        (None, None) => {
            "the policies apply from that time on, so that their phase-ins begin (`--applied` says otherwise)"
                .to_owned()
        }
        (None, Some(applied)) => format!("the policies have applied since {applied:.0}"),
        (Some(_), None) => "what is in both has applied for ever, and what is new applies from that time on".to_owned(),
        (Some(_), Some(applied)) => {
            format!("what is in both has applied since {applied:.0}, and what is new applies from that time on")
        }
    };
    vec![since, "no ring has opened: who is in one waits, and what each ring holds is shown".to_owned()]
}

fn figures(text: &mut String, heading: &str, rows: &[Row], compares: bool, limit: usize) {
    if rows.is_empty() {
        return;
    }
    let mut table = if compares {
        Table::new(["touched", "to move", "sooner", "later", "open", "now", "wait", "held", "overdue", "unsure"])
    } else {
        Table::new(["open", "now", "wait", "held", "overdue", "unsure"])
    };
    for row in rows.iter().take(limit) {
        let name = if row.name.is_empty() { "(no ring)" } else { row.name.as_str() };
        let common = [row.open, row.now, row.waiting, row.held, row.overdue, row.unsure];
        let compared = [row.touched, row.moved, row.sooner, row.later];
        table.row(name, compared.into_iter().filter(|_| compares).chain(common));
    }
    let _ = write!(text, "\n{}", table.text(heading));
    if let Some(more) = rows.len().checked_sub(limit).filter(|more| *more > 0) {
        let _ = writeln!(text, "  {}", paint(FAINT, format!("… and {more} more; `--all` lists them")));
    }
}

/// What waits and is held, for what reason, and what is not sure.
fn reasons(text: &mut String, plan: &WorldPlan, tables: &Tables) {
    let mut lines = Vec::new();
    for Waiting { rollout, ring, devices } in &tables.waiting {
        let what = match (rollout, ring) {
            (Some(rollout), Some(ring)) => format!("wait for ring {rollout}/{ring}, or for a release to be old enough"),
            _ => "wait for a release to be old enough".to_owned(),
        };
        lines.push(format!("{what}: {}", counted(*devices as usize, "device")));
    }
    for (hold, devices) in &tables.holds {
        lines.push(format!("held by {}: {}", remote::word(hold), counted(*devices as usize, "device")));
    }
    for (mark, devices) in &tables.marks {
        lines.push(format!("{}: {}", remote::word(mark), counted(*devices as usize, "device")));
    }
    let undetermined = plan.plan.summary.compliance.get(&Compliance::Undetermined).copied().unwrap_or(0);
    if undetermined > 0 {
        let slots = counted(undetermined as usize, "slot");
        lines.push(format!("whether any policy applies is unknown, for want of a fact: {slots}"));
    }
    let unseen = plan.plan.summary.compliance.get(&Compliance::Unseen).copied().unwrap_or(0);
    if unseen > 0 {
        lines.push(format!("seen too long ago to say: {}", counted(unseen as usize, "slot")));
    }
    if !lines.is_empty() {
        let _ = writeln!(text, "\n{}", paint(HEADING, "What waits, is held or is not sure"));
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
    }
}
