//! `refit halt` and `refit resume`: a release, or the brake, and how far it has come.

use super::rollouts;
use crate::{
    Exit,
    cli::{Cli, HaltArgs, ReleaseArgs, ResumeArgs},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use refit_api::{ReleaseAndWhy, client::Client};

pub fn halt(cli: &Cli, args: &HaltArgs) -> Result<Exit> {
    let client = connect(cli)?;
    match (named(&args.release, args.why.as_ref()), &args.why) {
        (Some(release), _) => {
            let written = client.halt(&release)?;
            return rollouts::written(cli, &written, &release, "is halted for three days: a block in the policy lasts");
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
