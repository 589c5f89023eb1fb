//! The command line of Refit.
//!
//! Commands are thin: they read files and systems, call the core, and print. Data goes to standard output, everything else to
//! standard error. Exit status: 0 done, 1 the answer is no, 2 usage, 3 something broke (all of them: docs/reference/exit-status.md).

mod calendar_days;
mod catalog;
mod cli;
mod commands;
mod connectors;
mod keys;
mod local;
mod processes;
mod remote;
mod repository;
mod signals;
mod sources;
mod targets;
mod terminal;
mod worlds;

use clap::Parser;
use refit_api::client::ClientError;
use std::{fmt, process::ExitCode};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// It did what was asked.
    Done,
    /// The answer is no: a check failed, a plan was refused.
    No,
    /// It was asked for something that there is not, or not for enough.
    Usage,
    /// There are changes, and `--detailed-exitcode` asks to say so.
    Changes,
    /// A signal asked to end; what was begun was finished first.
    Interrupted(u8),
}

/// Why a command does not do what was asked, where nothing broke.
#[derive(Debug)]
struct Refused {
    exit: Exit,
    why: String,
}

impl Refused {
    /// The answer is no.
    fn no(why: impl Into<String>) -> anyhow::Error {
        Refused { exit: Exit::No, why: why.into() }.into()
    }

    /// It was asked for something that there is not, or not for enough.
    fn usage(why: impl Into<String>) -> anyhow::Error {
        Refused { exit: Exit::Usage, why: why.into() }.into()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Refused {}

impl Exit {
    fn code(self) -> ExitCode {
        match self {
            Exit::Done => ExitCode::SUCCESS,
            Exit::No => ExitCode::from(1),
            Exit::Usage => ExitCode::from(2),
            Exit::Changes => ExitCode::from(4),
            // As shells say it of a program that a signal ended.
            Exit::Interrupted(signal) => ExitCode::from(128_u8.saturating_add(signal)),
        }
    }
}

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli.with_environment(),
        Err(error) => {
            if error.exit_code() != 0 && std::env::args_os().any(|word| word == "--json") {
                terminal::usage_as_json(&error);
            }
            // Help and version that are asked for are no mistake; not to be able to print them is one.
            return match (error.exit_code(), error.print()) {
                (0, Err(broken)) if broken.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(3),
                (0, _) => ExitCode::SUCCESS,
                _ => ExitCode::from(2),
            };
        }
    };
    match commands::run(&cli) {
        Ok(exit) => exit.code(),
        Err(error) if terminal::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::report(&cli, &error);
            status(&error)
        }
    }
}

/// How a command ends that does not do what was asked.
fn status(error: &anyhow::Error) -> ExitCode {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return refused.exit.code();
    }
    match error.downcast_ref::<ClientError>() {
        // What a server does not know is a mistake of whoever asks for it, as it is without a server.
        Some(refused) if refused.code() == Some("not-found") => Exit::Usage.code(),
        // The server understood, and its answer is no; else something broke there.
        Some(ClientError::Refused(problem)) if problem.status < 500 => Exit::No.code(),
        _ => ExitCode::from(3),
    }
}
