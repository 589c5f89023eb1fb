//! `refit devices`

use crate::{
    Exit, Refused,
    cli::{Cli, DevicesArgs},
    remote::{self, connect, device_id},
    terminal,
};
use anyhow::Result;
use jiff::Timestamp;
use refit_api::client::DeviceFilter;
use refit_core::decide::Compliance;

pub fn run(cli: &Cli, args: &DevicesArgs) -> Result<Exit> {
    let client = connect(cli)?;
    let now = Timestamp::now();
    if let Some(named) = &args.device {
        let id = &device_id(&client, named)?;
        let (device, decisions) = (client.device(id)?, client.decisions(id)?);
        if cli.json {
            terminal::json(&serde_json::json!({ "device": device, "decisions": decisions }))?;
        } else {
            terminal::print(&remote::device(&device, &decisions, args.all, now))?;
        }
        return Ok(Exit::Done);
    }
    let compliance = match &args.compliance {
        None => None,
        Some(name) => match serde_json::from_value::<Compliance>(serde_json::Value::String(name.clone())) {
            Ok(compliance) => Some(compliance),
            Err(_) => {
                return Err(Refused::usage(format!(
                    "nothing stands `{name}`: write overdue, due, unsupported, unseen, undetermined or compliant"
                )));
            }
        },
    };
    let filter = DeviceFilter { platform: args.platform.clone(), compliance, title: args.title.clone(), name: None };
    let devices = client.devices(&filter)?;
    if cli.json {
        terminal::json(&serde_json::json!({ "devices": devices }))?;
    } else {
        terminal::print(&remote::devices(&devices, now))?;
    }
    Ok(Exit::Done)
}
