//! `refit devices`

use crate::{
    Exit, Refused,
    cli::{Cli, DevicesArgs},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use jiff::Timestamp;
use refit_api::client::{ClientError, DeviceFilter};
use refit_core::{
    decide::{Compliance, Hold},
    facts::{FieldRef, Fields},
    policy::diagnostic::did_you_mean,
};

pub fn run(cli: &Cli, args: &DevicesArgs) -> Result<Exit> {
    let client = connect(cli)?;
    let now = Timestamp::now();
    if let Some(named) = &args.device {
        let device = remote::device(&client, named)?;
        let decisions = client.decisions(&device.id)?;
        if cli.json {
            terminal::json(&serde_json::json!({ "device": device, "decisions": decisions }))?;
        } else {
            terminal::print(&remote::device_text(&device, &decisions, args.all, now))?;
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
    let hold = match &args.hold {
        None => None,
        Some(name) => match serde_json::from_value::<Hold>(serde_json::Value::String(name.clone())) {
            Ok(hold) => Some(hold),
            Err(_) => {
                return Err(Refused::usage(format!(
                    "nothing is held by `{name}`: write budget, envelope, mandate, kill_switch, block, failed_gate, freeze, \
                     provisioning, grace or window"
                )));
            }
        },
    };
    let filter = DeviceFilter {
        platform: args.platform.clone(),
        compliance,
        hold,
        title: args.title.clone(),
        ..Default::default()
    };
    let devices = match (client.devices(&filter), &args.platform) {
        // The server refuses a platform that there is not; that is a mistake of whoever asks for it.
        (Err(refused @ ClientError::Refused(_)), Some(platform)) => {
            known_platform(platform)?;
            return Err(refused.into());
        }
        (devices, _) => devices?,
    };
    if let (true, Some(title)) = (devices.is_empty(), &args.title)
        && client.titles()?.iter().all(|known| known.title != *title)
    {
        return Err(remote::no_title(&client, title));
    }
    if cli.json {
        terminal::json(&serde_json::json!({ "devices": devices }))?;
    } else {
        terminal::print(&remote::devices(&devices, now))?;
    }
    Ok(Exit::Done)
}

/// Refuses what is no platform: an empty list would say that no device is one.
fn known_platform(name: &str) -> Result<()> {
    let platforms = Fields::builtin().get(&FieldRef::device("platform")).map(|field| field.values.clone());
    let platforms: Vec<&str> = platforms.iter().flatten().map(|name| name.as_str()).collect();
    if platforms.contains(&name) {
        return Ok(());
    }
    let near = did_you_mean(name, platforms.iter().copied());
    let help =
        near.map_or_else(|| format!("there are {}", platforms.join(", ")), |near| format!("did you mean `{near}`?"));
    Err(Refused::usage(format!("there is no platform `{name}`; {help}")))
}
