//! `refit key sign`: one person's signature under a proposed root.

use super::peek;
use crate::{
    Exit, Refused,
    cli::{Cli, KeySignArgs},
    keys::{self, Trusted, words},
    terminal,
};
use anyhow::Result;
use refit_wire::Root;

pub fn run(cli: &Cli, args: &KeySignArgs) -> Result<Exit> {
    let mut envelope = keys::read::<Root>(&args.file)?;
    let root = peek(&envelope)?;
    let before = args.after.as_ref().map(|file| Trusted::read(file, None)).transpose()?.map(|trusted| trusted.root);
    if let Some(before) = &before {
        if before.organization != root.organization || before.version.checked_add(1) != Some(root.version) {
            return Err(Refused::no(format!(
                "root {} of {} does not follow root {} of {}",
                root.version, root.organization, before.version, before.organization
            )));
        }
        terminal::note(format_args!("root {} changes:\n{}", root.version, words::changes(before, &root)));
    } else {
        terminal::note(words::root(&root, &envelope));
    }
    let key = keys::open(&args.key, args.passphrase_file.as_deref())?;
    let id = key.public().id();
    let counts =
        root.root.keys.contains_key(&id) || before.as_ref().is_some_and(|before| before.root.keys.contains_key(&id));
    if !counts {
        let hint = if before.is_none() { "; for a key of the root before, name that with `--after FILE`" } else { "" };
        return Err(Refused::no(format!("{} is no root key of root {}{hint}", key.public(), root.version)));
    }
    if !keys::agreed(&format!("sign root {} with {}?", root.version, args.key.display()), args.yes)? {
        return Err(Refused::no("nothing was signed"));
    }
    envelope.add_signature(&key);
    keys::write(&args.file, &envelope)?;
    let missing: Vec<String> =
        before.iter().chain([&root]).filter_map(|root| words::missing(root, &envelope)).collect();
    if cli.json {
        terminal::json(&serde_json::json!({ "signed": key.public(), "missing": missing }))?;
        return Ok(Exit::Done);
    }
    let mut text = format!("{} is signed with {}\n", args.file.display(), key.public());
    match missing.is_empty() {
        true => text.push_str(&format!("it has all signatures: refit key publish {} --server\n", args.file.display())),
        false => text.push_str(&format!("it has {}; the next one signs the same file\n", missing.join(", and "))),
    }
    terminal::print(&text)?;
    Ok(Exit::Done)
}
