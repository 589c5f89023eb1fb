//! `refit settings`: what a server goes by that is no policy.

use crate::{
    Exit,
    cli::{Cli, SettingsCommand},
    remote::connect,
    terminal,
};
use anyhow::Result;

pub fn run(cli: &Cli, command: &SettingsCommand) -> Result<Exit> {
    let client = connect(cli)?;
    let people = match command {
        SettingsCommand::Approvals { people } => people,
        SettingsCommand::Webhooks => {
            let webhooks = client.webhooks()?;
            match cli.json {
                true => terminal::json(&webhooks)?,
                false => webhooks.iter().try_for_each(|it| terminal::print(&format!("{}  {}\n", it.name, it.url)))?,
            }
            return Ok(Exit::Done);
        }
        SettingsCommand::Webhook { name, url, .. } => {
            let written = client.set_webhook(name, url.as_deref())?;
            match (cli.json, url) {
                (true, _) => terminal::json(&written)?,
                (false, Some(url)) => terminal::print(&format!("the webhook {name} is at {url}\n"))?,
                (false, None) => terminal::print(&format!("the webhook {name} has no address any more\n"))?,
            }
            return Ok(Exit::Done);
        }
    };
    let written = client.set_approvals(*people)?;
    if cli.json {
        terminal::json(&written)?;
        return Ok(Exit::Done);
    }
    terminal::print(&match people {
        0 => "a plan needs nobody's approval\n".to_owned(),
        1 => "a plan needs the approval of one person who did not make it\n".to_owned(),
        people => format!("a plan needs the approval of {people} people who did not make it\n"),
    })?;
    Ok(Exit::Done)
}
