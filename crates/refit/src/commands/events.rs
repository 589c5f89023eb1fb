//! `refit events`

use crate::{
    Exit,
    cli::{Cli, EventsArgs},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use refit_api::EventPage;

/// How many events are asked for at once.
const PAGE: u64 = 1_000;
/// How long the server holds an answer back until there is something to say, in seconds.
const WAIT: u64 = 30;

pub fn run(cli: &Cli, args: &EventsArgs) -> Result<Exit> {
    let client = connect(cli)?;
    let page = |after: u64, wait: u64| -> Result<EventPage> {
        let mut query = vec![("after", after.to_string()), ("limit", PAGE.to_string())];
        if wait > 0 {
            query.push(("wait", wait.to_string()));
        }
        query.extend(args.kind.clone().map(|kind| ("kind", kind)));
        client.get("events", &query)
    };
    let mut after = match args.after {
        Some(after) => after,
        // The end of the log is what people look for first.
        None => page(u64::MAX >> 1, 0).map_or(0, |page| page.head).saturating_sub(args.last),
    };
    loop {
        let found = page(after, if args.follow { WAIT } else { 0 })?;
        for event in &found.items {
            if cli.json {
                terminal::json_line(event)?;
            } else {
                terminal::print(&remote::event(event))?;
            }
        }
        let reached = found.next.max(after);
        if !args.follow && (found.items.is_empty() || reached >= found.head || reached == after) {
            return Ok(Exit::Done);
        }
        after = reached;
    }
}
