//! `cargo xtask generate`: the JSON Schemas, the description of the API and the agent protocol's in `schemas/`, from the types; what
//! other systems call the fields of the model in `docs/model/`, from the connectors; business events in `schemas/events/`,
//! `schemas/asyncapi.json` and `docs/events/`, from their catalogue; what other systems make of policies in `docs/targets/`, from the targets;
//! what Okta Workflows makes a connector of in `examples/okta-workflows/connector/`, from the description of the API.

use super::process::{self, cargo, program, target, workspace};
use anyhow::{Context, Result, ensure};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The folders that are generated, whole; one that is in another comes after it.
const FOLDERS: [&str; 6] =
    ["schemas", "schemas/events", "docs/model", "docs/events", "docs/targets", "examples/okta-workflows/connector"];

/// Writes generated files, or with `check` says which are not up to date.
pub fn run(check: bool) -> Result<()> {
    process::run(cargo().args(["build", "--quiet", "--package", "refit"]))?;
    let fresh = target().join("generated");
    let _ = fs::remove_dir_all(&fresh);
    let schemas = fresh.join("schemas");
    process::run(program(&target().join("debug/refit").display().to_string()).args(["schema", "--out"]).arg(&schemas))?;
    let openapi = ["run", "--quiet", "--package", "refit-server", "--example", "openapi", "--"];
    let connector = fresh.join("examples/okta-workflows/connector");
    fs::create_dir_all(&connector)?;
    process::run(cargo().args(openapi).arg(schemas.join("openapi.json")).arg(connector.join("openapi.json")))?;
    let protocol = ["run", "--quiet", "--package", "refit-wire", "--example", "schemas", "--"];
    process::run(cargo().args(protocol).arg(schemas.join("agent-protocol.json")))?;
    let model = ["run", "--quiet", "--package", "refit-core", "--example", "model", "--"];
    process::run(cargo().args(model).arg(workspace().join("connectors")).arg(fresh.join("docs/model")))?;
    let events = ["run", "--quiet", "--package", "refit-core", "--example", "events", "--"];
    process::run(cargo().args(events).arg(&schemas).arg(fresh.join("docs/events")))?;
    let targets = ["run", "--quiet", "--package", "refit-targets", "--example", "pages", "--"];
    process::run(cargo().args(targets).arg(fresh.join("docs/targets")))?;
    let mut stale = Vec::new();
    for folder in FOLDERS {
        let committed = workspace().join(folder);
        let (wanted, found) = (read(&fresh.join(folder))?, read(&committed).unwrap_or_default());
        let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
        let differ = names.into_iter().filter(|name| wanted.get(*name) != found.get(*name));
        stale.extend(differ.map(|name| format!("{folder}/{name}")));
        if !check {
            let _ = fs::remove_dir_all(&committed);
            fs::create_dir_all(&committed)?;
            for (name, text) in wanted {
                fs::write(committed.join(name), text)?;
            }
        }
    }
    if check {
        ensure!(stale.is_empty(), "not up to date: {}: run `cargo xtask generate`", stale.join(", "));
        println!("generated files are up to date");
    }
    Ok(())
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            continue;
        }
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?);
    }
    Ok(files)
}
