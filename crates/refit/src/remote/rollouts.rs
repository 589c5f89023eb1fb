//! Releases on their way through the rings, as people read them.

use super::lists::ago;
use crate::{
    repository::counted,
    terminal::{CHANGE, FAINT, HEADING, URGENT, paint},
};
use jiff::Timestamp;
use refit_api::{Brake, MomentSaid, ReleaseMoved, RolloutSaid, SignalSaid};
use refit_core::control::Stage;
use std::fmt::Write as _;

/// How many releases of a snapshot are named.
const NAMED: usize = 6;

/// That nothing goes on, while everything is stopped; else nothing.
pub fn stopped(brake: &Brake) -> String {
    if !brake.stopped {
        return String::new();
    }
    let since = brake.since.map_or_else(String::new, |since| format!(" since {since:.0}"));
    let why = brake.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    let stopped = paint(URGENT, "everything is stopped");
    format!("{stopped}{since}{why}\nno ring opens and no gate passes until `refit resume --everything --why TEXT`\n")
}

/// Each release with its rings and what it waits for; those that need somebody first.
pub fn rollouts(rollouts: &[RolloutSaid]) -> String {
    let mut sorted: Vec<&RolloutSaid> = rollouts.iter().collect();
    let urgency = |stage| match stage {
        Stage::Halted => 0,
        Stage::Asks => 1,
        Stage::UnderWay => 2,
        Stage::Gone => 3,
        Stage::Complete => 4,
    };
    sorted.sort_by_key(|rollout| urgency(rollout.stage));
    let mut text = String::new();
    for rollout in sorted {
        let platform = rollout.platform.as_ref().map_or_else(String::new, |platform| format!(" on {platform}"));
        let stage = match rollout.stage {
            Stage::Halted => paint(URGENT, "halted".to_owned()),
            Stage::Asks => paint(URGENT, "asks".to_owned()),
            Stage::UnderWay => paint(CHANGE, "under way".to_owned()),
            Stage::Gone => "no longer in the policy".to_owned(),
            Stage::Complete => "complete".to_owned(),
        };
        let name = paint(HEADING, format!("{} {}", rollout.title, rollout.version));
        let expedited = if rollout.expedited { ", expedited" } else { "" };
        let _ = writeln!(text, "{name}{platform}: {stage}{expedited}");
        let open = rollout.open.iter().map(|open| match open.devices {
            Some(devices) => format!("{} ({})", open.ring, counted(devices as usize, "device")),
            None => open.ring.clone(),
        });
        let waiting = rollout.waiting.iter().map(|ring| paint(FAINT, ring.clone()));
        let rings: Vec<String> = open.chain(waiting).collect();
        let _ = writeln!(text, "  {}: {}", rollout.rollout, rings.join(" > "));
        let _ = writeln!(text, "  {}", rollout.says);
        text += &releases(&rollout.releases);
    }
    let _ = writeln!(text, "{}", counted(rollouts.len(), "rollout"));
    text
}

/// What moves as one: what failed by name, the rest in one line.
fn releases(releases: &[ReleaseMoved]) -> String {
    let mut text = String::new();
    for release in releases.iter().filter(|release| release.failed > 0) {
        let failed = paint(URGENT, format!("{} failed", release.failed));
        let _ = writeln!(text, "  {} {}: {failed}, {} fine", release.title, release.version, release.fine);
    }
    let others: Vec<String> = (releases.iter().filter(|release| release.failed == 0))
        .map(|release| format!("{} {}", release.title, release.version))
        .collect();
    let named = others.get(..NAMED).unwrap_or(&others).join(", ");
    match others.len().saturating_sub(NAMED) {
        _ if others.is_empty() => {}
        0 => text += &format!("  with {named}\n"),
        more => text += &format!("  with {named} and {}\n", counted(more, "other")),
    }
    text
}

/// What monitoring systems say, a signal a line.
pub fn signals(signals: &[SignalSaid], now: Timestamp) -> String {
    let mut text = String::new();
    for signal in signals {
        let said = match signal.newest {
            Some(newest) => format!("{} bad, {} fine, last said {}", signal.bad, signal.fine, ago(newest, now)),
            None => "nothing yet".to_owned(),
        };
        let trouble =
            signal.trouble.as_ref().map_or_else(String::new, |why| format!("; {}", paint(URGENT, why.clone())));
        let _ = writeln!(text, "signal {} from {}: {said}{trouble}", signal.signal, signal.source);
    }
    text
}

/// What has happened, a moment a line.
pub fn timeline(moments: &[MomentSaid]) -> String {
    let mut text = String::new();
    for moment in moments {
        let platform = moment.platform.as_ref().map_or_else(String::new, |platform| format!(" on {platform}"));
        let _ = writeln!(text, "{:.0}  {}{platform}: {}", moment.at, moment.version, moment.says);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_everything_is_stopped_is_said_with_what_ends_it() {
        let mut brake = Brake {
            stopped: true,
            why: Some("the new release breaks printing".to_owned()),
            since: Some("2026-11-26T10:00:00Z".parse().unwrap()),
            reach: None,
        };
        let said = anstream::adapter::strip_str(&stopped(&brake)).to_string();
        assert_eq!(
            said,
            "everything is stopped since 2026-11-26T10:00:00Z: the new release breaks printing\n\
             no ring opens and no gate passes until `refit resume --everything --why TEXT`\n"
        );
        brake.stopped = false;
        assert_eq!(stopped(&brake), "");
    }
}
