//! One file per command.

mod apply;
mod at_server;
mod backup;
mod check;
mod compile;
mod completions;
mod conflicts;
mod devices;
mod enrolment;
mod entity;
mod events;
mod exceptions;
mod explain;
mod exposures;
mod feeds;
mod fleet;
mod groups;
mod halt;
mod import;
mod inventory;
mod key;
mod mandate;
mod people;
mod plan;
mod plans;
mod process;
mod quarantine;
mod reports;
mod restore;
mod rollouts;
mod schema;
mod serve;
mod settings;
mod shadow;
mod sign_in;
mod source;
mod sources;
mod target;
mod test;
mod tokens;
mod up;
mod versions;
mod world;

use crate::{
    Exit, Refused,
    cli::{
        Cli, Command, FeedsCommand, ImportCommand, ProcessCommand, SourceCommand, SourcesCommand, TargetCommand,
        VersionsCommand,
    },
    remote::is_meant,
};
use anyhow::Result;

/// Runs the command that was asked for.
pub fn run(cli: &Cli) -> Result<Exit> {
    refuse_two_fleets(cli)?;
    if is_meant(cli) && !cli.command.can_ask_a_server() {
        return Err(Refused::usage(
            "`--server` has no meaning here: this command asks no server (`refit devices DEVICE --all` shows what one knows of a device)",
        ));
    }
    match &cli.command {
        Command::Plan(args) if let Some(file) = &args.world => world::plan::run(cli, args, file),
        Command::Plan(args) if is_meant(cli) => at_server::plan(cli, args),
        Command::Apply(args) if let Some(plan) = at_server::named(cli, &args.plan) => {
            at_server::apply(cli, args, &plan)
        }
        Command::Explain(args) if let Some(file) = &args.world => world::explain::run(cli, args, file),
        Command::Explain(args) if is_meant(cli) => at_server::explain(cli, args),
        Command::Exposures(args) if is_meant(cli) => at_server::exposures(cli, args),
        Command::Devices(args) => devices::run(cli, args),
        Command::Plans(command) => plans::run(cli, command),
        Command::Events(args) => events::run(cli, args),
        Command::Rollouts(args) => rollouts::run(cli, args),
        Command::Groups(args) => groups::run(cli, args),
        Command::Reports(args) => reports::run(cli, args),
        Command::Exceptions(args) => exceptions::run(cli, args),
        Command::Halt(args) => halt::halt(cli, args),
        Command::Resume(args) => halt::resume(cli, args),
        Command::Gate(args) => rollouts::gate(cli, args),
        Command::Expedite(args) => rollouts::expedite(cli, args),
        Command::Settings(command) => settings::run(cli, command),
        Command::Tokens(command) => tokens::run(cli, command),
        Command::Login(args) => sign_in::login(cli, args),
        Command::Logout => sign_in::logout(cli),
        Command::Whoami => sign_in::whoami(cli),
        Command::Quarantine(command) => quarantine::run(cli, command),
        Command::Enrolment(command) => enrolment::run(cli, command),
        Command::Key(command) => key::run(cli, command),
        Command::Mandate(command) => mandate::run(cli, command),
        Command::People(command) => people::run(cli, command),
        Command::Check(args) => check::run(cli, args),
        Command::Test(args) => test::run(cli, args),
        Command::Plan(args) => plan::run(cli, args),
        Command::Compile(args) => compile::run(cli, args),
        Command::Apply(args) => {
            at_server::refuse_local_plan(cli, &args.plan)?;
            apply::run(cli, args)
        }
        Command::Explain(args) => explain::run(cli, args),
        Command::Exposures(args) => exposures::run(cli, args),
        Command::Query(args) => world::query::run(cli, args),
        Command::Inventory(args) => inventory::run(cli, args),
        Command::Import(ImportCommand::Calendar(args)) => import::calendar(cli, args),
        Command::Import(ImportCommand::Munki(args)) => import::munki(cli, args),
        Command::Import(ImportCommand::Intune(args)) => import::intune(cli, args),
        Command::Import(ImportCommand::Jamf(args)) => import::jamf(cli, args),
        Command::Import(ImportCommand::UnattendedUpgrades(args)) => import::unattended_upgrades(cli, args),
        Command::Target(TargetCommand::Verify(args)) => target::verify(cli, args),
        Command::Shadow(args) => shadow::run(cli, args),
        Command::Schema(args) => schema::run(cli, args),
        Command::Source(SourceCommand::Test(args)) => source::test(cli, args),
        Command::Source(SourceCommand::New(args)) => source::new(cli, args),
        Command::Sources(SourcesCommand::Sync(args)) => sources::sync(cli, args),
        Command::Sources(SourcesCommand::Status(args)) => sources::status(cli, args),
        Command::Process(ProcessCommand::Test(args)) => process::test(cli, args),
        Command::Process(ProcessCommand::Run(args)) => process::run(cli, args),
        Command::Device(args) => entity::device(cli, args),
        Command::Person(args) => entity::person(cli, args),
        Command::Conflicts(args) => conflicts::run(cli, args),
        Command::Feeds(FeedsCommand::Sync(args)) => feeds::sync(cli, args),
        Command::Feeds(FeedsCommand::List { verify }) => feeds::list(cli, *verify),
        Command::Fleet(command) => fleet::run(cli, command),
        Command::Up(args) => up::run(cli, args),
        Command::Serve(args) => serve::run(cli, args),
        Command::Backup(args) => backup::run(cli, args),
        Command::Restore(args) => restore::run(cli, args),
        Command::Versions(VersionsCommand::Compare(args)) => versions::compare(cli, args),
        Command::Completions { shell } => completions::completions(*shell),
        Command::Man { folder } => completions::man(folder),
    }
}

/// A fleet is in a file or on a server.
fn refuse_two_fleets(cli: &Cli) -> Result<()> {
    let world = match &cli.command {
        Command::Plan(args) => args.world.is_some(),
        Command::Explain(args) => args.world.is_some(),
        _ => false,
    };
    match world && is_meant(cli) {
        true => Err(Refused::usage(
            "`--world` asks a fleet in a file and `--server` one of a server: leave one of them out",
        )),
        false => Ok(()),
    }
}
