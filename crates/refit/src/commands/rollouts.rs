//! `refit rollouts`, `refit gate` and `refit expedite`: releases on their way through the rings.

use crate::{
    Exit, Refused,
    cli::{Cli, ExpediteArgs, GateArgs, RolloutsArgs, Said},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use jiff::Timestamp;
use refit_api::{GateAnswered, MomentSaid, ReleaseAndWhy, RolloutSaid, Written, client::Client};
use refit_core::{
    policy::diagnostic::did_you_mean,
    rollout::{commands::NamedGate, snapshot_policy},
};
use refit_model::TitleId;
use std::collections::BTreeSet;

pub fn run(cli: &Cli, args: &RolloutsArgs) -> Result<Exit> {
    let client = connect(cli)?;
    let (rollouts, timeline) = match &args.title {
        Some(title) => of_title(&client, title, args.version.as_deref())?,
        None => (client.rollouts()?, Vec::new()),
    };
    let signals: Vec<_> = client.signals()?.into_iter().filter(|signal| signal.listened).collect();
    let brake = client.brake()?;
    if cli.json {
        let said = serde_json::json!({
            "brake": brake, "rollouts": rollouts, "timeline": timeline, "signals": signals,
        });
        terminal::json(&said)?;
    } else {
        terminal::print(&remote::stopped(&brake))?;
        terminal::print(&remote::rollouts(&rollouts))?;
        terminal::print(&remote::signals(&signals, Timestamp::now()))?;
        if !timeline.is_empty() {
            terminal::print(&remote::timeline(&timeline))?;
        }
    }
    Ok(Exit::Done)
}

/// The rollouts that move releases of a title, by themselves or with others, and what has happened to them.
fn of_title(client: &Client, title: &str, version: Option<&str>) -> Result<(Vec<RolloutSaid>, Vec<MomentSaid>)> {
    let mut rollouts = client.rollouts_of(title)?;
    let mut moments = client.timeline(title, version)?;
    if rollouts.is_empty() && moments.is_empty() {
        refuse_unknown(client, title)?;
    }
    if let Some(version) = version {
        rollouts.retain(|rollout| moves(rollout, title, version));
    }
    let others = rollouts.iter().filter(|rollout| rollout.title != title);
    let snapshots: BTreeSet<(&str, &str)> =
        others.map(|rollout| (rollout.title.as_str(), rollout.version.as_str())).collect();
    for (title, version) in snapshots {
        moments.extend(client.timeline(title, Some(version))?);
    }
    moments.sort_by_key(|moment| moment.seq);
    Ok((rollouts, moments))
}

/// Whether a release moves in a rollout, by itself or with others.
fn moves(rollout: &RolloutSaid, title: &str, version: &str) -> bool {
    let with = rollout.releases.iter().any(|release| release.title == title && release.version == version);
    with || (rollout.title == title && rollout.version == version)
}

/// Nothing under way is no answer to a slip.
fn refuse_unknown(client: &Client, title: &str) -> Result<()> {
    if let Some(policy) = snapshot_policy(&TitleId::new(title)) {
        let all = client.rollouts()?;
        let near = did_you_mean(title, all.iter().map(|rollout| rollout.title.as_str()));
        let help = near.map_or_else(
            || "`refit rollouts` shows those that are".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(Refused::usage(format!("no snapshot of `{policy}` is under way; {help}")));
    }
    match client.titles()?.iter().any(|known| known.title == title) {
        true => Ok(()),
        false => Err(remote::no_title(client, title)),
    }
}

pub fn gate(cli: &Cli, args: &GateArgs) -> Result<Exit> {
    if args.answer == Said::Back && args.why.is_some() {
        return Err(Refused::usage("what is taken back needs no reason: leave `--why` out"));
    }
    let gate = GateAnswered {
        title: args.title.clone(),
        version: args.version.clone(),
        rollout: args.rollout.clone(),
        after: args.ring.clone(),
        platform: args.platform.clone(),
        answer: args.answer.answer(),
        why: args.why.clone(),
    };
    let written = connect(cli)?.answer_gate(&gate)?;
    if cli.json {
        terminal::json(&written)?;
        return Ok(Exit::Done);
    }
    let on = args.platform.as_ref().map_or_else(String::new, |platform| format!(" on {platform}"));
    let of = args.rollout.as_ref().map_or_else(String::new, |rollout| format!(" of {rollout}"));
    let named = NamedGate {
        title: &args.title,
        version: &args.version,
        after: &args.ring,
        rollout: args.rollout.as_deref(),
        platform: args.platform.as_deref(),
    };
    let what = match args.answer {
        Said::Pass => " passes".to_owned(),
        Said::Inconclusive => format!(" does not pass until `{}`", named.back()),
        Said::Back if written.changed => " goes by what it knows again".to_owned(),
        Said::Back => ": nobody has answered for it".to_owned(),
    };
    let (title, version, ring) = (&args.title, &args.version, &args.ring);
    terminal::print(&format!("{title} {version}{on}: the gate after ring {ring}{of}{what}\n"))?;
    Ok(Exit::Done)
}

pub fn expedite(cli: &Cli, args: &ExpediteArgs) -> Result<Exit> {
    let release = ReleaseAndWhy {
        title: args.title.clone(),
        version: args.version.clone(),
        platform: args.platform.clone(),
        why: args.why.clone(),
    };
    let answer = connect(cli)?.expedite(&release)?;
    written(cli, &answer, &release, "waits for no gate")
}

/// Says what has become of a release.
pub fn written(cli: &Cli, written: &Written, release: &ReleaseAndWhy, what: &str) -> Result<Exit> {
    if cli.json {
        terminal::json(written)?;
        return Ok(Exit::Done);
    }
    let platform = release.platform.as_ref().map_or_else(String::new, |platform| format!(" on {platform}"));
    let already = if written.changed { "" } else { " (it was so before)" };
    terminal::print(&format!("{} {}{platform} {what}{already}\n", release.title, release.version))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_found_by_itself_and_in_the_snapshot_that_it_moves_with() {
        let snapshot: RolloutSaid = serde_json::from_value(serde_json::json!({
            "title": "snapshot/linux", "version": "2026-11-23", "rollout": "standard", "platform": "linux", "stage": "halted",
            "says": "halted", "open": [], "waiting": [], "gates": [],
            "releases": [{ "title": "deb/curl", "version": "8.1", "fine": 0, "failed": 3 }],
        }))
        .unwrap();
        assert!(moves(&snapshot, "deb/curl", "8.1") && moves(&snapshot, "snapshot/linux", "2026-11-23"));
        for (title, version) in [("deb/curl", "8.0"), ("deb/curl", "2026-11-23"), ("deb/bash", "8.1")] {
            assert!(!moves(&snapshot, title, version), "{title} {version}");
        }
    }
}
