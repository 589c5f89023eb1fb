//! `refit plan --world FILE`: what the policies ask of a fleet in a file, or what changes between two states of them.

use super::render;
use crate::{
    Exit, Refused,
    cli::{Cli, PlanArgs},
    commands::plan::out,
    repository::{self, Read},
    terminal,
    worlds::{Kept, Loaded, load},
};
use anyhow::Result;
use refit_core::plan::world::{Against, FORMAT, Revision, Sources, WorldPlan, check, make, tables};
use std::{ops::ControlFlow, path::Path};

mod git;

pub fn run(cli: &Cli, args: &PlanArgs, world: &Path) -> Result<Exit> {
    if args.local.local || args.refresh || !args.local.facts.is_empty() {
        return Err(Refused::usage(
            "`--local`, `--fact` and `--refresh` speak of this machine; the devices of `--world` are in the file",
        ));
    }
    out::refuse_twice(cli, args.out.as_deref())?;
    let folder = repository::given_or_here(args.policy.as_deref())?;
    let read = repository::read_in_order(&folder)?;
    let against = args.against.as_deref().map(|given| before(&folder, given)).transpose()?;
    if read.repository.policies.is_empty() && against.is_none() {
        return Err(Refused::usage(format!(
            "{} has no policies: there is nothing to plan. `refit check {0}` says what is there",
            folder.display()
        )));
    }
    let Loaded { fleet, world: what_is_so, now } = load(world, &read.repository.fields, Kept::Everything)?;
    let bar = terminal::spinner("deciding for everybody");
    let sources = Sources {
        fleet: &fleet,
        world: &what_is_so,
        before: against.as_ref().map(|(read, _)| &read.repository),
        after: Revision { repository: &read.repository, hash: &read.hash },
        applied: args.applied,
        now,
    };
    let made = make(&sources, |done, of| {
        bar.set_message(format!("{done} of {of} titles counted"));
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let Some((plan, members)) = made else {
        return Err(Refused::no("nobody stops the work, and still there is no plan"));
    };
    let against = against.map(|(read, given)| Against { given, policy_hash: read.hash });
    let plan = WorldPlan {
        world_plan: FORMAT,
        world: crate::worlds::named(world),
        policy: folder.display().to_string(),
        against,
        applied: args.applied,
        plan,
        members,
    };
    // Whoever keeps or shows a plan that does not add up is told a lie by it.
    let wrong = check(&plan);
    if !wrong.is_empty() {
        anyhow::bail!("this plan does not add up, which is a mistake in Refit: {}", wrong.join("; "));
    }
    if cli.json {
        args.out.as_ref().map_or(Ok(()), |file| out::write(file, &plan))?;
        terminal::json(&as_json(&plan))?;
    } else {
        let say = out::beside(args.out.as_deref());
        say(&render::plan(&plan, &tables(&plan), args.all))?;
        if let Some(file) = &args.out {
            out::write(file, &plan)?;
            if !out::is_standard(file) {
                terminal::print(&format!(
                    "\nWritten to {0}. Show it again with:  refit plans show {0}\n",
                    file.display()
                ))?;
            }
        }
    }
    Ok(if args.detailed_exitcode && !plan.plan.changes.is_empty() { Exit::Changes } else { Exit::Done })
}

/// A plan for programs: with its tables in place of the devices behind them.
pub fn as_json(plan: &WorldPlan) -> serde_json::Value {
    serde_json::json!({
        "world": plan.world, "policy": plan.policy, "against": plan.against, "applied": plan.applied, "plan": plan.plan,
        "tables": tables(plan),
    })
}

/// The policies that are compared with: a folder, or else a revision of the repository that the policies are in. And how people are told
/// of them.
fn before(folder: &Path, given: &str) -> Result<(Read, String)> {
    if Path::new(given).exists() {
        return Ok((repository::read_in_order(Path::new(given))?, given.to_owned()));
    }
    let copy = git::revision(folder, given)?;
    Ok((repository::read_in_order(copy.path())?, given.to_owned()))
}
