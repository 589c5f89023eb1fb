//! `refit backup`

use super::serve::runtime;
use crate::{
    Exit, Refused,
    cli::{BackupArgs, Cli},
    local::data_folder,
    terminal,
};
use anyhow::Result;

pub fn run(cli: &Cli, args: &BackupArgs) -> Result<Exit> {
    let data = data_folder(cli.data.as_deref())?;
    if !data.join("log.db").exists() {
        return Err(Refused::usage(format!(
            "there is no log of a server in {}: name its data folder with `--data DIR`",
            data.display()
        )));
    }
    if args.to.exists() {
        return Err(Refused::no(format!("{} is there already, and a backup is never overwritten", args.to.display())));
    }
    let bar = terminal::spinner("copying the log");
    let head = runtime()?.block_on(refit_store::backup(&data, &args.to))?;
    bar.finish_and_clear();
    if cli.json {
        terminal::json(&serde_json::json!({ "to": args.to, "head": head }))?;
    } else {
        terminal::print(&format!(
            "The log up to event {head} is in {}. It holds personal values: keep it as long as you may.\n",
            args.to.display()
        ))?;
    }
    Ok(Exit::Done)
}
