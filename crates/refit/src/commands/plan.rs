//! `refit plan`

pub mod out;
mod render;

pub use render::render;

use crate::{
    Exit, Refused,
    cli::{Cli, PlanArgs},
    local::{Draft, Memory, data_folder, draft, gather, provider, read_facts, required},
    repository::{self, Read},
    terminal,
};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_agent::providers::{Manager, locks::LockHolder};
use refit_core::rollout::commands::shell_word;
use std::{path::Path, time::Duration};

pub fn run(cli: &Cli, args: &PlanArgs) -> Result<Exit> {
    if !args.local.local {
        return Err(Refused::usage(
            "for which devices? Write `--local` for this machine, `--server` for those of a server, or `--world FILE` for a fleet in a file",
        ));
    }
    out::refuse_twice(cli, args.out.as_deref())?;
    let read = repository::read_in_order(&repository::given_or_here(args.policy.as_deref())?)?;
    let faults = if args.refresh { refresh()? } else { Vec::new() };
    let stale = !faults.is_empty();
    let made = make_noting(cli, &read, &args.local.facts, faults)?;
    if cli.json {
        // Where it can't be written, the error is all that is printed.
        args.out.as_ref().map_or(Ok(()), |file| out::write(file, &made.plan))?;
        terminal::json(&made.plan)?;
    } else {
        let say = out::beside(args.out.as_deref());
        say(&render(&made.plan, &made.situation.device.zone(), args.all))?;
        if let Some(file) = &args.out {
            out::write(file, &made.plan)?;
            if !out::is_standard(file) {
                let next = match made.plan.is_empty() {
                    true => String::new(),
                    false => format!(" Carry it out with:  {}", apply_line(cli, file)?),
                };
                terminal::print(&format!("\nWritten to {}.{next}\n", file.display()))?;
            }
        }
    }
    if stale {
        terminal::note(format_args!(
            "{} package lists could not be fetched, and what is newer than those that are there is not in this plan: see its notes",
            terminal::paint(terminal::URGENT, "warning:")
        ));
    }
    Ok(if args.detailed_exitcode && !made.plan.is_empty() { Exit::Changes } else { Exit::Done })
}

/// The line that carries a plan out, as a shell takes it: with the data that it was made with, and as root.
fn apply_line(cli: &Cli, file: &Path) -> Result<String> {
    let is_root = rustix::process::geteuid().is_root();
    let mut words = Vec::new();
    if !is_root {
        words.push("sudo".to_owned());
    }
    words.push("refit".to_owned());
    // Root has other feeds and another memory, unless told otherwise.
    if cli.data.is_some() || !is_root {
        words.extend(["--data".to_owned(), quoted(&data_folder(cli.data.as_deref())?)]);
    }
    words.extend(["apply".to_owned(), quoted(file)]);
    Ok(words.join(" "))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    shell_word(&text).into_owned()
}

/// Makes the plan for this machine as it is now.
pub fn make(cli: &Cli, read: &Read, facts: &[String]) -> Result<Draft> {
    make_noting(cli, read, facts, Vec::new())
}

/// [`make`], with notes that come before all others.
fn make_noting(cli: &Cli, read: &Read, facts: &[String], mut notes: Vec<String>) -> Result<Draft> {
    let data = data_folder(cli.data.as_deref())?;
    let now = Timestamp::now();
    let mut memory = Memory::read(&data, now)?;
    // Before anything that takes time.
    read_facts(&read.repository, facts)?;
    let mut gathered = gather(&data, &required(&read.repository), now)?;
    notes.append(&mut gathered.notes);
    gathered.notes = notes;
    let made = draft(read, &gathered, &mut memory, facts, now)?;
    // What was seen for the first time is worth keeping, and no reason to fail.
    if let Err(error) = memory.write(&data) {
        terminal::note(format_args!(
            "{} {error:#}. Due times that count from what is seen first begin anew with every command",
            terminal::paint(terminal::CHANGE, "warning:")
        ));
    }
    Ok(made)
}

/// Fetches the lists of the package sources; tells what could not be fetched, in words.
fn refresh() -> Result<Vec<String>> {
    let bar = terminal::spinner("fetching package lists");
    let mut waiting = |holder: &LockHolder| bar.suspend(|| terminal::note(format_args!("waiting: {holder}")));
    let provider = provider()?;
    let refreshed = provider.refresh(Duration::from_secs(120), &mut waiting).context(match provider.manager() {
        Manager::Apt => "apt-get update",
        Manager::Dnf => "dnf makecache",
    })?;
    bar.finish_and_clear();
    Ok(refreshed.faults.iter().map(|fault| format!("not refreshed: {fault}")).collect())
}

#[cfg(test)]
mod tests {
    use super::quoted;
    use std::path::Path;

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        for (path, shown) in [
            ("plan.json", "plan.json"),
            ("/srv/my plans/a.json", "'/srv/my plans/a.json'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
            ("-x", "./-x"),
            ("~x", "'~x'"),
        ] {
            assert_eq!(quoted(Path::new(path)), shown);
        }
    }
}
