//! `cargo xtask generate`: the JSON Schemas, the description of the API and the agent protocol's in `schemas/`, from the types.

use super::process::{self, cargo, program, target, workspace};
use anyhow::{Context, Result, ensure};
use std::{collections::BTreeMap, fs, path::Path};

const FOLDER: &str = "schemas";

/// Writes generated files, or with `check` says which are not up to date.
pub fn run(check: bool) -> Result<()> {
    process::run(cargo().args(["build", "--quiet", "--package", "refit"]))?;
    let fresh = target().join("generated/schemas");
    let _ = fs::remove_dir_all(&fresh);
    process::run(program(&target().join("debug/refit").display().to_string()).args(["schema", "--out"]).arg(&fresh))?;
    let openapi = ["run", "--quiet", "--package", "refit-server", "--example", "openapi", "--"];
    process::run(cargo().args(openapi).arg(fresh.join("openapi.json")))?;
    let protocol = ["run", "--quiet", "--package", "refit-wire", "--example", "schemas", "--"];
    process::run(cargo().args(protocol).arg(fresh.join("agent-protocol.json")))?;
    let committed = workspace().join(FOLDER);
    let (wanted, found) = (read(&fresh)?, read(&committed).unwrap_or_default());
    if check {
        let stale: Vec<&String> =
            wanted.keys().chain(found.keys()).filter(|name| wanted.get(*name) != found.get(*name)).collect();
        ensure!(stale.is_empty(), "{FOLDER}/ is not up to date ({stale:?}): run `cargo xtask generate`");
        println!("generated files are up to date");
        return Ok(());
    }
    let _ = fs::remove_dir_all(&committed);
    fs::create_dir_all(&committed)?;
    for (name, text) in wanted {
        fs::write(committed.join(name), text)?;
    }
    Ok(())
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?);
    }
    Ok(files)
}
