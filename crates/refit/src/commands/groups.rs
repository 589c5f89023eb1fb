//! `refit groups`: disruption groups, and leases that are given back by hand.

use crate::{
    Exit,
    cli::{Cli, GroupsArgs, GroupsCommand},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use refit_api::{GiveBack, WebhookAnswer, Written};

pub fn run(cli: &Cli, args: &GroupsArgs) -> Result<Exit> {
    let client = connect(cli)?;
    match &args.command {
        None => {
            let groups = client.groups()?;
            match cli.json {
                true => terminal::json(&groups)?,
                false => terminal::print(&remote::groups(&groups))?,
            }
            Ok(Exit::Done)
        }
        Some(GroupsCommand::GiveBack { device, client: is_client, why }) => {
            let (device_id, client_id) = named(device, *is_client);
            let back = GiveBack { device: device_id, client: client_id, why: why.clone() };
            written(cli, &client.give_back(&back)?, &format!("the lease of {device} is given back"))
        }
        Some(GroupsCommand::Answer { device, client: is_client, question, webhook, no }) => {
            let (device_id, client_id) = named(device, *is_client);
            let answer = WebhookAnswer {
                device: device_id,
                client: client_id,
                question: (*question).into(),
                webhook: webhook.clone(),
                agrees: no.is_none(),
                said: no.clone().unwrap_or_default(),
            };
            let what = if no.is_none() { "agrees" } else { "does not agree" };
            written(cli, &client.answer_webhook(&answer)?, &format!("{webhook} {what} about {device}"))
        }
    }
}

/// Whose lease it is: a device's, or somebody's who is none.
fn named(name: &str, is_client: bool) -> (Option<String>, Option<String>) {
    let name = name.to_owned();
    if is_client { (None, Some(name)) } else { (Some(name), None) }
}

fn written(cli: &Cli, written: &Written, what: &str) -> Result<Exit> {
    if cli.json {
        terminal::json(written)?;
        return Ok(Exit::Done);
    }
    let already = if written.changed { "" } else { " (it was so before)" };
    terminal::print(&format!("{what}{already}\n"))?;
    for (named, now) in &written.merged {
        terminal::print(&format!("{named} was merged into {now}: it is the lease of that\n"))?;
    }
    Ok(Exit::Done)
}
