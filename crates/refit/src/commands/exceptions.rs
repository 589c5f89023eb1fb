//! `refit exceptions`: what is asked for, agreed to, and written back.

use crate::{
    Exit,
    cli::{Cli, ExceptionsArgs, ExceptionsCommand},
    remote::{self, connect},
    repository::counted,
    terminal,
};
use anyhow::Result;
use refit_api::{ExceptionChanged, NewException, Written};

pub fn run(cli: &Cli, args: &ExceptionsArgs) -> Result<Exit> {
    let client = connect(cli)?;
    match &args.command {
        None => {
            let exceptions = client.exceptions()?;
            match cli.json {
                true => terminal::json(&serde_json::json!({ "exceptions": exceptions }))?,
                false => terminal::print(&remote::exceptions(&exceptions))?,
            }
        }
        Some(ExceptionsCommand::Show { exception }) => {
            let exception = client.exception(exception)?;
            match cli.json {
                true => terminal::json(&exception)?,
                false => terminal::print(&remote::exception(&exception))?,
            }
        }
        Some(ExceptionsCommand::Request(asked)) => {
            let request = NewException {
                exception: asked.exception.clone(),
                devices: asked.devices.clone(),
                condition: asked.condition.clone(),
                software: asked.titles.clone(),
                policy: asked.of_policy.clone(),
                due: asked.due.clone(),
                hold_at: asked.hold_at.clone(),
                restart: None,
                until: asked.until.clone(),
                exploited_too: asked.exploited_too,
                why: asked.why.clone(),
            };
            changed(cli, &client.request_exception(&request)?, "is asked for")?;
        }
        Some(ExceptionsCommand::Approve { exception }) => {
            changed(cli, &client.approve_exception(exception)?, "has your agreement; somebody else has to agree too")?;
        }
        Some(ExceptionsCommand::Refuse { exception, why }) => {
            said(cli, &client.refuse_exception(exception, why)?, &format!("{exception} is refused"))?;
        }
        Some(ExceptionsCommand::Withdraw { exception, why }) => {
            said(cli, &client.withdraw_exception(exception, why)?, &format!("{exception} is withdrawn"))?;
        }
        Some(ExceptionsCommand::Patch { exception }) => {
            let patch = client.exception_patch(exception)?;
            match cli.json {
                true => terminal::json(&patch)?,
                false => terminal::print(&patch.diff)?,
            }
        }
    }
    Ok(Exit::Done)
}

fn changed(cli: &Cli, changed: &ExceptionChanged, what: &str) -> Result<()> {
    if cli.json {
        return terminal::json(changed);
    }
    let what = if changed.granted { "is granted" } else { what };
    let concerned = counted(usize::try_from(changed.devices).unwrap_or(usize::MAX), "device");
    terminal::print(&format!("{} {what}: {concerned}\n", changed.exception))?;
    if !changed.exploited.is_empty() {
        let open = changed.exploited.join(", ");
        terminal::print(&format!("Known to be exploited and open there: {open}; two people have to agree\n"))?;
    }
    if changed.granted {
        let name = &changed.exception;
        terminal::print(&format!("Write it back:  refit exceptions patch {name} | git apply\n"))?;
    }
    Ok(())
}

fn said(cli: &Cli, written: &Written, what: &str) -> Result<()> {
    if cli.json {
        return terminal::json(written);
    }
    terminal::print(&format!("{what}\n"))
}
