//! `refit devices`

use crate::{
    Exit,
    cli::{Cli, DevicesArgs},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use jiff::Timestamp;
use refit_api::{Device, DeviceDecisions, DeviceSummary};

/// How many devices are listed.
const MOST: usize = 100_000;

pub fn run(cli: &Cli, args: &DevicesArgs) -> Result<Exit> {
    let client = connect(cli)?;
    let now = Timestamp::now();
    if let Some(id) = &args.device {
        let device: Device = client.get(&format!("devices/{id}"), &[])?;
        let decisions: DeviceDecisions = client.get(&format!("devices/{id}/decisions"), &[])?;
        if cli.json {
            terminal::json(&serde_json::json!({ "device": device, "decisions": decisions }))?;
        } else {
            terminal::print(&remote::device(&device, &decisions, args.all, now))?;
        }
        return Ok(Exit::Done);
    }
    let mut query = Vec::new();
    query.extend(args.title.clone().map(|title| ("title", title)));
    query.extend(args.compliance.clone().map(|compliance| ("compliance", compliance)));
    query.extend(args.platform.clone().map(|platform| ("platform", platform)));
    let devices: Vec<DeviceSummary> = client.list("devices", &query, MOST)?;
    if cli.json {
        terminal::json(&serde_json::json!({ "devices": devices }))?;
    } else {
        terminal::print(&remote::devices(&devices, now))?;
    }
    Ok(Exit::Done)
}
