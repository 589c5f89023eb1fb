//! One file per command.

mod apply;
mod check;
mod completions;
mod explain;
mod exposures;
mod feeds;
mod inventory;
mod plan;
mod schema;
mod test;
mod versions;

use crate::{
    Exit,
    cli::{Cli, Command, FeedsCommand, VersionsCommand},
};
use anyhow::Result;

/// Runs the command that was asked for.
pub fn run(cli: &Cli) -> Result<Exit> {
    match &cli.command {
        Command::Check(args) => check::run(cli, args),
        Command::Test(args) => test::run(cli, args),
        Command::Plan(args) => plan::run(cli, args),
        Command::Apply(args) => apply::run(cli, args),
        Command::Explain(args) => explain::run(cli, args),
        Command::Exposures(args) => exposures::run(cli, args),
        Command::Inventory(args) => inventory::run(cli, args),
        Command::Schema(args) => schema::run(cli, args),
        Command::Feeds(FeedsCommand::Sync(args)) => feeds::sync(cli, args),
        Command::Feeds(FeedsCommand::List { verify }) => feeds::list(cli, *verify),
        Command::Versions(VersionsCommand::Compare(args)) => versions::compare(cli, args),
        Command::Completions { shell } => completions::completions(*shell),
        Command::Man { folder } => completions::man(folder),
    }
}
