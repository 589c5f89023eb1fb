//! `refit fleet`

mod history;

use crate::{
    Exit,
    cli::{Cli, FleetCommand, GenerateArgs},
    terminal,
};
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use refit_worlds::{Figures, Spec, Statistics, Synthetic, WorldWriter, Written};
use serde_json::json;
use std::{
    io::{BufWriter, Write},
    path::Path,
};

/// How many devices are made between two words about it.
const STEP: u32 = 1_000;

pub fn run(cli: &Cli, command: &FleetCommand) -> Result<Exit> {
    let args = match command {
        FleetCommand::Generate(args) => args,
        FleetCommand::History(args) => return history::run(cli, args),
    };
    // Whole seconds: a file that is made again for the time in its first line is the same file.
    let now = args.now.unwrap_or_else(Timestamp::now);
    let now = Timestamp::from_second(now.as_second())?;
    let synthetic = Synthetic::new(Spec { devices: args.devices, seed: args.seed, now });
    if args.out == Path::new("-") {
        let (written, figures) = write(&synthetic, std::io::stdout().lock())?;
        terminal::note(words(args, &written, &figures, "standard output"));
        return Ok(Exit::Done);
    }
    let place = || args.out.display().to_string();
    let folder = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!("there is no folder `{}`: make it, or give another file", folder.display());
    }
    // Whole or not at all.
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(place)?;
    let (written, figures) = write(&synthetic, file.as_file_mut()).with_context(place)?;
    let bytes = file.as_file().metadata().with_context(place)?.len();
    let file = file.persist(&args.out).with_context(place)?;
    readable(&file).with_context(place)?;
    if cli.json {
        terminal::json(&json!({
            "out": args.out, "now": now, "seed": args.seed, "bytes": bytes, "titles": written.titles,
            "releases": written.releases, "advisories": written.advisories, "figures": figures,
        }))?;
    } else {
        let bytes = format!("{} ({:.1} MB)", args.out.display(), bytes as f64 / 1e6);
        terminal::print(&(words(args, &written, &figures, &bytes) + "\n"))?;
    }
    Ok(Exit::Done)
}

/// Like other files that somebody makes: what is made up is no secret.
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

fn write(synthetic: &Synthetic, out: impl Write) -> Result<(Written, Figures)> {
    let bar = terminal::spinner("making devices");
    let spec = synthetic.spec();
    let mut statistics = Statistics::new(synthetic.world(), spec.now);
    let mut writer = WorldWriter::new(BufWriter::with_capacity(1 << 20, out), synthetic.world(), spec.now)?;
    for (number, device) in (1..).zip(synthetic.devices()) {
        writer.device(&device)?;
        statistics.count(&device);
        if number % STEP == 0 {
            bar.set_message(format!("{number} of {} devices", spec.devices));
        }
    }
    let written = writer.finish()?;
    bar.finish_and_clear();
    Ok((written, statistics.figures()))
}

fn words(args: &GenerateArgs, written: &Written, figures: &Figures, place: &str) -> String {
    format!(
        "{figures}\n{} titles with {} releases, {} advisories\nseed {}, written to {place}",
        written.titles, written.releases, written.advisories, args.seed
    )
}
