//! `refit enrolment`: how devices' agents come to a server.

use crate::{
    Exit,
    cli::{Cli, EnrolmentCommand},
    remote::{self, connect},
    terminal,
};
use anyhow::{Context, Result};
use jiff::{Timestamp, ToSpan};
use refit_api::NewEnrolment;

pub fn run(cli: &Cli, command: &EnrolmentCommand) -> Result<Exit> {
    let client = connect(cli)?;
    let written = match command {
        EnrolmentCommand::List => {
            let enrolments = client.enrolments()?;
            if cli.json {
                terminal::json(&serde_json::json!({ "enrolments": enrolments }))?;
            } else {
                terminal::print(&remote::enrolments(&enrolments, Timestamp::now()))?;
            }
            return Ok(Exit::Done);
        }
        EnrolmentCommand::Create { name, days, uses, address } => {
            let hours = i64::from(*days) * 24;
            let expires = Timestamp::now().checked_add(hours.hours()).context("that is too far ahead")?;
            let new = NewEnrolment { name: name.clone(), expires, uses: *uses, address: address.clone() };
            let made = client.create_enrolment(&new)?;
            if cli.json {
                terminal::json(&made)?;
            } else {
                terminal::note(format_args!(
                    "enrolment token {}; it is shown this once. On the device: refit-agent enroll TOKEN",
                    made.enrolment.id
                ));
                terminal::print(&format!("{}\n", made.token.unwrap_or_default()))?;
            }
            return Ok(Exit::Done);
        }
        EnrolmentCommand::Revoke { enrolment } => {
            (client.revoke_enrolment(enrolment)?, format!("enrolment token {enrolment} no longer counts\n"))
        }
        EnrolmentCommand::LockOut { device, why } => {
            let id = remote::device(&client, device)?.id;
            let said = format!("no certificate of {device} counts any more; it has to enrol again\n");
            (client.revoke_certificates(&id, why)?, said)
        }
    };
    let (written, said) = written;
    if cli.json {
        terminal::json(&written)?
    } else {
        terminal::print(&said)?
    }
    Ok(Exit::Done)
}
