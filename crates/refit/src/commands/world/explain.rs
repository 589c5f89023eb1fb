//! `refit explain --world FILE DEVICE TITLE`: the plain decision for one device of a fleet in a file.

use crate::{
    Exit, Refused,
    cli::{Cli, ExplainArgs},
    commands::explain::painted,
    repository, terminal,
    worlds::{named, one},
};
use anyhow::Result;
use refit_core::{
    decide::{self, View},
    policy::diagnostic::did_you_mean,
    world::{Applied, Device, World},
};
use refit_model::{DeviceId, TitleId};
use std::path::Path;

/// So many ids are compared with one that is not known: more take too long, and some of them would be near anything.
const NEAR_MOST: usize = 20_000;

pub fn run(cli: &Cli, args: &ExplainArgs, world: &Path) -> Result<Exit> {
    if args.at.is_some() || !args.facts.is_empty() {
        return Err(Refused::usage(
            "`--at` asks a server and `--fact` speaks of this machine; what is so in `--world` is in the file",
        ));
    }
    let read = repository::read_in_order(&repository::given_or_here(args.policy.as_deref())?)?;
    let id = DeviceId::new(&args.device);
    let (device, mut what_is_so, now, others) = one(world, &read.repository.fields, &id)?;
    let Some(device) = device else {
        let near = (others.len() <= NEAR_MOST).then(|| did_you_mean(&args.device, others.iter().map(|id| id.as_str())));
        let near = near.flatten().map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return Err(Refused::usage(format!("there is no device `{}` in {}{near}", args.device, named(world))));
    };
    let title = title(args, &device, &what_is_so, &read.repository)?;
    what_is_so.applied = Applied { all: Some(args.applied.unwrap_or(now)), ..Applied::default() };
    let decisions = decide::decide_title(&read.repository, &what_is_so, &device, &title, now);
    if cli.json {
        terminal::json(&decisions)?;
        return Ok(Exit::Done);
    }
    let view = View { now, zone: device.zone() };
    for decision in &decisions {
        terminal::print(&painted(&decide::explain(decision, &view)))?;
    }
    Ok(Exit::Done)
}

/// The title that is meant: `openssl` is what people say; the package is `deb/openssl`.
fn title(
    args: &ExplainArgs,
    device: &Device,
    world: &World,
    repository: &refit_core::policy::repository::Repository,
) -> Result<TitleId> {
    let has = |title: &TitleId| device.installs.iter().any(|install| install.title == *title);
    let title = TitleId::new(&args.title);
    if has(&title) {
        return Ok(title);
    }
    let as_package = ["deb", "rpm"].map(|namespace| TitleId::new(format!("{namespace}/{}", args.title)));
    if let Some(package) = as_package.into_iter().find(|package| has(package)) {
        return Ok(package);
    }
    if !world.releases(&title).is_empty() || repository.titles.contains_key(&title) {
        return Ok(title);
    }
    let known = world.titles().chain(repository.titles.keys()).map(|title| title.as_str());
    let near = did_you_mean(title.as_str(), known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    Err(Refused::usage(format!(
        "`{title}` is a title of no release in the file, and no policy or catalog knows it{near}"
    )))
}
