//! Disruption groups, as people read them.

use crate::{
    repository::counted,
    terminal::{CHANGE, FAINT, HEADING, URGENT, paint},
};
use refit_api::{AwaySaid, GroupSaid};
use std::fmt::Write as _;

/// Each group with those who are away; those of which nobody is last.
pub fn groups(groups: &[GroupSaid]) -> String {
    let mut sorted: Vec<&GroupSaid> = groups.iter().collect();
    sorted.sort_by_key(|group| group.away.is_empty());
    let mut text = String::new();
    for group in sorted {
        let name = paint(HEADING, format!("{} {}", group.field, group.value));
        let most = group.most.map_or_else(|| "all but one".to_owned(), |most| format!("{most}"));
        let _ = writeln!(text, "{name}: {}, {most} at a time", counted(group.devices as usize, "device"));
        for away in &group.away {
            let _ = writeln!(text, "  {}", said(away));
        }
        if group.away.is_empty() {
            let _ = writeln!(text, "  {}", paint(FAINT, "nobody is away".to_owned()));
        }
    }
    let _ = writeln!(text, "{}", counted(groups.len(), "group"));
    text
}

fn said(away: &AwaySaid) -> String {
    let is = match away.is.as_str() {
        "silent" => return paint(URGENT, format!("{} has been silent since {:.0}", away.name, away.since)),
        "draining" => "waits to begin".to_owned(),
        "session" => "is in its session".to_owned(),
        "settling" => "has ended its session".to_owned(),
        "checking" => "has settled".to_owned(),
        "withdrawn" => "may still act on what it was told".to_owned(),
        other => other.to_owned(),
    };
    let until = away.until.map(|until| format!(", until {until:.0} at least")).unwrap_or_default();
    let hooks = match away.webhooks.is_empty() {
        true => String::new(),
        false => format!(", and {} has to agree", away.webhooks.join(", ")),
    };
    let line = format!("{} {is}, lease since {:.0}{until}{hooks}", away.name, away.since);
    match &away.because {
        Some(because) => format!("{}: {}", paint(CHANGE, line), paint(URGENT, because.clone())),
        None => paint(CHANGE, line),
    }
}
