//! `refit plan --out FILE`: where the plan is written; `-` is standard output.

use crate::{Refused, cli::Cli, terminal};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::{io::Write, path::Path};

/// Whether standard output is meant.
pub fn is_standard(file: &Path) -> bool {
    file == Path::new("-")
}

/// Refuses to write two things to standard output.
pub fn refuse_twice(cli: &Cli, out: Option<&Path>) -> Result<()> {
    if cli.json && out.is_some_and(is_standard) {
        return Err(Refused::usage("`--json` and `--out -` both write to standard output: leave one of them out"));
    }
    Ok(())
}

/// Where people read the plan: on standard output, or on standard error where that has the plan for `refit apply`.
pub fn beside(out: Option<&Path>) -> impl Fn(&str) -> Result<()> {
    let is_taken = out.is_some_and(is_standard);
    move |text| {
        if is_taken {
            terminal::note(text.trim_end_matches('\n'));
            return Ok(());
        }
        terminal::print(text)
    }
}

/// Writes the plan. In a regular file it is whole or not there at all; through a device, a pipe or a socket it is written.
pub fn write(file: &Path, plan: &impl Serialize) -> Result<()> {
    if is_standard(file) {
        return terminal::json(plan);
    }
    let mut text = serde_json::to_vec_pretty(plan)?;
    text.push(b'\n');
    let cannot = || format!("the plan can't be written to {}", file.display());
    // A link stays, and what it leads to is written.
    let target = match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_dir() => bail!("{}: it is a folder", cannot()),
        Ok(metadata) if metadata.is_file() => file.canonicalize().with_context(cannot)?,
        Ok(_) => {
            let through = std::fs::File::options().write(true).open(file).and_then(|mut out| out.write_all(&text));
            return through.with_context(cannot);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if file.is_symlink() {
                bail!("{}: it is a link to a file that is not there", cannot());
            }
            file.to_owned()
        }
        Err(error) => return Err(error).with_context(cannot),
    };
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = target.file_name().context("`--out` needs a file name")?.to_string_lossy();
    let unfinished = folder.join(format!(".{name}.{}", std::process::id()));
    let written = (|| -> std::io::Result<()> {
        let mut out = std::fs::File::create(&unfinished)?;
        out.write_all(&text)?;
        out.sync_all()?;
        std::fs::rename(&unfinished, &target)
    })();
    written.map_err(|error| {
        let _ = std::fs::remove_file(&unfinished);
        anyhow::Error::new(error).context(cannot())
    })
}
