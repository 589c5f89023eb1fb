//! `refit halt` and `refit resume`: a release, or the brake, and how far it has come.

use super::rollouts;
use crate::{
    Exit,
    cli::{Cli, HaltArgs, ReleaseArgs, ResumeArgs},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use refit_api::{GateSaid, ReleaseAndWhy, RolloutSaid, client::Client};
use refit_core::{policy::document::test::GateAnswer, rollout::commands::about_release};
use std::collections::BTreeSet;

pub fn halt(cli: &Cli, args: &HaltArgs) -> Result<Exit> {
    let client = connect(cli)?;
    match (named(&args.release, args.why.as_ref()), &args.why) {
        (Some(release), _) => {
            let written = client.halt(&release)?;
            // It is halted, whatever can be read of that afterwards.
            let all = client.rollouts_of(&release.title);
            let what = all.map_or_else(|_| "is halted".to_owned(), |rollouts| halted(&rollouts, &release));
            return rollouts::written(cli, &written, &release, &what);
        }
        (None, Some(why)) => drop(client.stop(why)?),
        (None, None) => {}
    }
    say(cli, &client)
}

pub fn resume(cli: &Cli, args: &ResumeArgs) -> Result<Exit> {
    let client = connect(cli)?;
    match (named(&args.release, args.why.as_ref()), &args.why) {
        (Some(release), _) => {
            let written = client.resume(&release)?;
            return rollouts::written(cli, &written, &release, "goes on");
        }
        (None, Some(why)) => drop(client.go_on(why)?),
        (None, None) => {}
    }
    say(cli, &client)
}

/// How long what was just halted stays so: what its gate has halted has no end, and a person's word adds none.
fn halted(rollouts: &[RolloutSaid], release: &ReleaseAndWhy) -> String {
    let ours = rollouts.iter().filter(|it| it.title == release.title && it.version == release.version);
    let lasts = |gate: &&GateSaid| gate.answer == GateAnswer::Halt && gate.until.is_none();
    let lasting: Vec<&GateSaid> = ours.flat_map(|rollout| &rollout.gates).filter(lasts).collect();
    if lasting.iter().any(|gate| gate.platform.is_none() || gate.platform == release.platform) {
        let resume = about_release("resume", &release.title, &release.version, release.platform.as_deref());
        return format!("is halted until somebody lets it go on: `{resume}`");
    }
    let elsewhere = lasting.iter().filter(|_| release.platform.is_none()).filter_map(|gate| gate.platform.as_deref());
    let platforms: Vec<&str> = elsewhere.collect::<BTreeSet<&str>>().into_iter().collect();
    let longer = match platforms.as_slice() {
        [] => String::new(),
        some => format!(", on {} until somebody lets it go on", some.join(", ")),
    };
    format!("is halted for three days{longer}: a block in the policy lasts")
}

/// The release that is meant, where it is one.
fn named(release: &ReleaseArgs, why: Option<&String>) -> Option<ReleaseAndWhy> {
    let (title, version) = release.title.clone().zip(release.version.clone())?;
    Some(ReleaseAndWhy { title, version, platform: release.platform.clone(), why: why?.clone() })
}

/// How it stands now.
fn say(cli: &Cli, client: &Client) -> Result<Exit> {
    let brake = client.brake()?;
    if cli.json {
        terminal::json(&brake)?;
        return Ok(Exit::Done);
    }
    let since = brake.since.map_or_else(String::new, |since| format!(" since {since:.0}"));
    let why = brake.why.map_or_else(String::new, |why| format!(": {why}"));
    let mut text =
        if brake.stopped { format!("everything is stopped{since}{why}\n") } else { "nothing is stopped\n".to_owned() };
    if let Some(reach) = brake.reach.filter(|reach| reach.agents > 0) {
        text += &remote::reach(&reach);
    }
    terminal::print(&text)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(platform: &str, gates: serde_json::Value) -> RolloutSaid {
        let said = serde_json::json!({
            "title": "editor", "version": "1.1", "rollout": "standard", "platform": platform, "stage": "halted", "says": "halted",
            "open": [], "waiting": [], "gates": gates,
        });
        serde_json::from_value(said).unwrap()
    }

    fn gate(platform: Option<&str>, until: Option<&str>) -> serde_json::Value {
        serde_json::json!({
            "after": "canary", "platform": platform, "answer": "halt", "at": "2026-11-26T10:00:00Z", "until": until,
        })
    }

    fn release(platform: Option<&str>) -> ReleaseAndWhy {
        let platform = platform.map(str::to_owned);
        ReleaseAndWhy { title: "editor".into(), version: "1.1".into(), platform, why: "it burns".into() }
    }

    #[test]
    fn a_halt_is_said_to_last_as_long_as_it_does() {
        let until = Some("2026-11-29T10:00:00Z");
        let three_days = "is halted for three days: a block in the policy lasts";
        assert_eq!(halted(&[], &release(None)), three_days, "nothing has begun");
        let everywhere = gate(None, until);
        assert_eq!(halted(&[rollout("linux", serde_json::json!([everywhere]))], &release(None)), three_days);
        // Its gate has halted it on one platform.
        let linux = rollout("linux", serde_json::json!([gate(Some("linux"), None), everywhere]));
        let mac = rollout("macos", serde_json::json!([everywhere]));
        let both = "is halted for three days, on linux until somebody lets it go on: a block in the policy lasts";
        assert_eq!(halted(&[linux.clone(), mac.clone()], &release(None)), both);
        let for_good = "is halted until somebody lets it go on: `refit resume editor 1.1 --platform linux --why TEXT`";
        assert_eq!(halted(&[linux.clone(), mac.clone()], &release(Some("linux"))), for_good);
        assert_eq!(halted(&[linux, mac], &release(Some("macos"))), three_days);
        let other = RolloutSaid { version: "1.0".into(), ..rollout("linux", serde_json::json!([gate(None, None)])) };
        assert_eq!(halted(&[other], &release(None)), three_days, "another release is none of its business");
    }
}
