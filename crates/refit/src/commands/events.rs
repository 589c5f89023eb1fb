//! `refit events`

use crate::{
    Exit, Refused,
    cli::{Cli, EventsArgs},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use refit_api::Event;
use refit_core::{control::Event as LogEvent, policy::diagnostic::did_you_mean};
use std::time::Duration;

pub fn run(cli: &Cli, args: &EventsArgs) -> Result<Exit> {
    let kind = args.kind.as_deref();
    kind.map_or(Ok(()), known_kinds)?;
    let client = connect(cli)?;
    let mut after = match args.after {
        Some(after) => after,
        // The end of the log is what people look for first.
        None => client.health()?.head.saturating_sub(args.last),
    };
    loop {
        let page = client.events(after, kind, Duration::ZERO)?;
        for event in &page.items {
            show(cli, event)?;
        }
        let reached = page.next.max(after);
        if reached >= page.head || reached == after {
            break;
        }
        after = reached;
    }
    if args.follow {
        for event in client.follow(after, kind) {
            show(cli, &event?)?;
        }
    }
    Ok(Exit::Done)
}

/// Refuses a kind that no entry has: to wait for one would be to wait for ever.
fn known_kinds(given: &str) -> Result<()> {
    let known = || LogEvent::KINDS.iter().map(|(kind, _)| *kind);
    for kind in given.split(',').map(str::trim) {
        let is_known = known().any(|known| known == kind || (kind.ends_with('.') && known.starts_with(kind)));
        if is_known {
            continue;
        }
        let near = did_you_mean(kind, known()).or_else(|| known().find(|known| known.starts_with(&format!("{kind}."))));
        let help = near.map_or_else(
            || format!("there are {}", known().collect::<Vec<_>>().join(", ")),
            |near| {
                format!("did you mean `{near}`? (`{}.` is all that begin so)", near.split('.').next().unwrap_or(near))
            },
        );
        return Err(Refused::usage(format!("no entry of a log is of the kind `{kind}`; {help}")));
    }
    Ok(())
}

fn show(cli: &Cli, event: &Event) -> Result<()> {
    if cli.json { terminal::json_line(event) } else { terminal::print(&remote::event(event)) }
}
