//! `refit key root`: proposes the root that follows.

use super::{peek, public_key};
use crate::{
    Exit, Refused,
    cli::{Cli, KeyRootArgs},
    keys::{self, Trusted, words},
    remote::{connect, is_meant},
    terminal,
};
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use refit_wire::{Envelope, KeyId, PublicKey, Root, root::RoleKeys};

pub fn run(cli: &Cli, args: &KeyRootArgs) -> Result<Exit> {
    let client = if is_meant(cli) { Some(connect(cli)?) } else { None };
    let before = Trusted::read(&args.root, client.as_ref())?.root;
    let after = next(&before, args, Timestamp::now())?;
    if args.out.exists() {
        return Err(Refused::no(format!("{} is there already; signatures in it would be lost", args.out.display())));
    }
    let envelope = Envelope::sign(&after, &[])?;
    peek(&envelope)?;
    keys::write(&args.out, &envelope)?;
    if cli.json {
        terminal::json(&serde_json::json!({ "root": after, "fingerprint": envelope.digest() }))?;
        return Ok(Exit::Done);
    }
    terminal::print(&format!(
        "root {} of {}, and what it changes:\n{}\n{} is not signed yet. It takes {} signatures by root keys of root {} and {} by its own:\n  \
         refit key sign {} --after {} --key FILE\n",
        after.version,
        after.organization,
        words::changes(&before, &after),
        args.out.display(),
        before.root.threshold,
        before.version,
        after.root.threshold,
        args.out.display(),
        args.root.display(),
    ))?;
    Ok(Exit::Done)
}

/// The root that follows, with what was asked for.
fn next(before: &Root, args: &KeyRootArgs, now: Timestamp) -> Result<Root> {
    let issued = Timestamp::from_second(now.as_second())?;
    let after = |days: u16| {
        issued.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).context("that is too far ahead")
    };
    let mut root = before.clone();
    root.version = before.version.checked_add(1).context("there is no next root")?;
    root.issued = issued;
    root.expires = after(args.days)?;
    let until = after(args.policy_days)?;
    for text in &args.remove {
        let id = named(&root, text)?;
        for role in [&mut root.root, &mut root.policy, &mut root.server] {
            role.keys.remove(&id);
        }
    }
    // A delegation whose time is over is nothing to carry along.
    root.policy.keys.retain(|_, until| until.is_none_or(|until| until > issued));
    let mut added = Vec::new();
    add(&mut root.root, &args.add_root, None, &mut added)?;
    add(&mut root.policy, &args.add_policy, Some(until), &mut added)?;
    add(&mut root.server, &args.add_server, None, &mut added)?;
    root.keys.extend(added.into_iter().map(|key| (key.id(), key)));
    root.root.threshold = args.threshold.unwrap_or(root.root.threshold);
    root.policy.threshold = args.policy_threshold.unwrap_or(root.policy.threshold);
    let used = |id: &KeyId| [&root.root, &root.policy, &root.server].iter().any(|role| role.keys.contains_key(id));
    let keys = root.keys.iter().filter(|(id, _)| used(id)).map(|(id, key)| (*id, key.clone())).collect();
    root.keys = keys;
    root.consistent().map_err(|error| Refused::no(error.to_string()))?;
    Ok(root)
}

fn add(role: &mut RoleKeys, texts: &[String], until: Option<Timestamp>, added: &mut Vec<PublicKey>) -> Result<()> {
    for text in texts {
        let key = public_key(text)?;
        role.keys.insert(key.id(), until);
        added.push(key);
    }
    Ok(())
}

/// A key of a root that is named by itself, by a file, or by the start of its id.
fn named(root: &Root, text: &str) -> Result<KeyId> {
    if let Ok(key) = public_key(text) {
        return Ok(key.id());
    }
    let found: Vec<&KeyId> =
        root.keys.keys().filter(|id| text.len() >= 8 && id.to_string().starts_with(text)).collect();
    match found.as_slice() {
        [id] => Ok(**id),
        _ => Err(Refused::usage(format!("`{text}` names no key of root {}", root.version))),
    }
}
