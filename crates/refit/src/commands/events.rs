//! `refit events`

use crate::{
    Exit,
    cli::{Cli, EventsArgs},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use refit_api::Event;
use std::time::Duration;

pub fn run(cli: &Cli, args: &EventsArgs) -> Result<Exit> {
    let client = connect(cli)?;
    let kind = args.kind.as_deref();
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

fn show(cli: &Cli, event: &Event) -> Result<()> {
    if cli.json { terminal::json_line(event) } else { terminal::print(&remote::event(event)) }
}
