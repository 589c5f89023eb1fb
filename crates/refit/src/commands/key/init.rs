//! `refit key init`: an organisation's first root and its keys, all of it or nothing.

use crate::{
    Exit, Refused,
    cli::{Cli, KeyInitArgs},
    keys::{self, words},
    terminal,
};
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use refit_wire::{Envelope, PublicKey, Root, SigningKey, root::RoleKeys};
use std::{fs, path::Path};

pub fn run(cli: &Cli, args: &KeyInitArgs) -> Result<Exit> {
    let folder = &args.folder;
    if folder.symlink_metadata().is_ok() {
        return Err(Refused::no(format!("{} is there already: an organisation has one first root", folder.display())));
    }
    if args.threshold == 0 || args.threshold > args.root_keys {
        return Err(Refused::usage(format!(
            "{} of {} root keys can't have to sign: write 1 to {}",
            args.threshold, args.root_keys, args.root_keys
        )));
    }
    if args.organization.trim().is_empty() {
        return Err(Refused::usage("an organisation needs a name, as `organization:` of refit.yaml gives it"));
    }
    let server = super::server_key(cli, args.server_key.as_deref())?;
    let phrase = keys::new_passphrase(args.passphrase.passphrase_file.as_deref(), args.passphrase.no_passphrase)?;
    // Everything is made in a folder beside, which takes its name when it is whole.
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(Refused::no(format!("there is no folder `{}` to make it in", parent.display())));
    }
    let making = tempfile::Builder::new()
        .prefix(".refit-keys-")
        .tempdir_in(parent)
        .with_context(|| format!("no folder can be made in {}", parent.display()))?;
    let create = |name: String| keys::create(&making.path().join(name), phrase.as_ref());
    let roots: Vec<SigningKey> =
        (1..=args.root_keys).map(|number| create(format!("root-{number}.key"))).collect::<Result<_>>()?;
    let policy = create("policy-1.key".into())?;
    let root = first(args, &roots, &policy, &server, Timestamp::now())?;
    let envelope = Envelope::sign(&root, &roots.iter().collect::<Vec<_>>())?;
    keys::write(&making.path().join("root.json"), &envelope)?;
    fs::File::open(making.path())?.sync_all()?;
    // What is renamed is no longer temporary; until then, dropping it removes it with all keys.
    fs::rename(making.path(), folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let _ = making.keep();
    if cli.json {
        terminal::json(&serde_json::json!({ "folder": folder, "fingerprint": envelope.digest(), "root": root }))?;
        return Ok(Exit::Done);
    }
    let files: Vec<String> = (1..=args.root_keys).map(|number| format!("root-{number}.key")).collect();
    let mut text = words::root(&root, &envelope);
    text.push_str(&format!(
        "\n{}/ holds root.json, {} and policy-1.key.\n\
         Move each root key to a place of its own that is not online, and keep root.json and policy-1.key for signing.\n\
         Publish the root with:  refit key publish {}/root.json --server\n",
        folder.display(),
        files.join(", "),
        folder.display()
    ));
    terminal::print(&text)?;
    Ok(Exit::Done)
}

fn first(
    args: &KeyInitArgs,
    roots: &[SigningKey],
    policy: &SigningKey,
    server: &PublicKey,
    now: Timestamp,
) -> Result<Root> {
    let issued = Timestamp::from_second(now.as_second())?;
    let after = |days: u16| {
        issued.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).context("that is too far ahead")
    };
    let public: Vec<PublicKey> = roots.iter().chain([policy]).map(SigningKey::public).collect();
    let root = Root {
        organization: args.organization.trim().into(),
        version: 1,
        issued,
        expires: after(args.days)?,
        keys: public.iter().chain([server]).map(|key| (key.id(), key.clone())).collect(),
        root: RoleKeys { threshold: args.threshold, keys: roots.iter().map(|key| (key.public().id(), None)).collect() },
        policy: RoleKeys { threshold: 1, keys: [(policy.public().id(), Some(after(args.policy_days)?))].into() },
        server: RoleKeys { threshold: 1, keys: [(server.id(), None)].into() },
    };
    root.consistent()?;
    Ok(root)
}
