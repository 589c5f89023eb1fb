//! `refit key`: the organisation's keys, from the first root on.

mod expedite;
mod init;
mod root;
mod sign;

use crate::{
    Exit, Refused,
    cli::{Cli, KeyCommand},
    keys::{self, words},
    remote::{connect, is_meant},
    terminal,
};
use anyhow::Result;
use refit_api::RootEnvelope;
use refit_wire::{PublicKey, Root};
use std::path::Path;

pub fn run(cli: &Cli, command: &KeyCommand) -> Result<Exit> {
    match command {
        KeyCommand::Init(args) => init::run(cli, args),
        KeyCommand::New { file, passphrase } => {
            let phrase = keys::new_passphrase(passphrase.passphrase_file.as_deref(), passphrase.no_passphrase)?;
            let key = keys::create(file, phrase.as_ref())?.public();
            if cli.json {
                terminal::json(&serde_json::json!({ "public": key, "id": key.id() }))?;
            } else {
                terminal::note(format_args!("the secret key is in {}; this is the public one:", file.display()));
                terminal::print(&format!("{key}\n"))?;
            }
            Ok(Exit::Done)
        }
        KeyCommand::Root(args) => root::run(cli, args),
        KeyCommand::Sign(args) => sign::run(cli, args),
        KeyCommand::Show { file } => show(cli, file.as_deref()),
        KeyCommand::Publish { root } => publish(cli, root),
        KeyCommand::Expedite(args) => expedite::run(cli, args),
    }
}

/// Shows a key or root of a file, or what a server knows.
fn show(cli: &Cli, file: Option<&Path>) -> Result<Exit> {
    let Some(file) = file else { return show_server(cli) };
    if let Some((key, encrypted)) = keys::public(file) {
        if cli.json {
            terminal::json(&serde_json::json!({ "public": key, "id": key.id(), "encrypted": encrypted }))?;
        } else {
            let how = if encrypted { "under a passphrase" } else { "without a passphrase" };
            terminal::print(&format!("{key}\n  a secret key, {how}\n  id {}\n", key.id()))?;
        }
        return Ok(Exit::Done);
    }
    let envelope = keys::read::<Root>(file)?;
    let root = peek(&envelope)?;
    if cli.json {
        let signed: Vec<&PublicKey> = words::signers(&root, &envelope).collect();
        terminal::json(&serde_json::json!({ "root": root, "fingerprint": envelope.digest(), "signed": signed }))?;
    } else {
        let mut text = words::root(&root, &envelope);
        if let Some(missing) = words::missing(&root, &envelope) {
            text.push_str(&format!("  not valid yet: it has {missing}\n"));
        }
        terminal::print(&text)?;
    }
    Ok(Exit::Done)
}

fn show_server(cli: &Cli) -> Result<Exit> {
    let trust = connect(cli)?.trust()?;
    if cli.json {
        terminal::json(&trust)?;
        return Ok(Exit::Done);
    }
    let root = trust.root.as_ref().map_or_else(
        || "none is published; make one with `refit key init`".to_owned(),
        |root| format!("root {}, until {}\n              fingerprint {}", root.version, root.expires, root.fingerprint),
    );
    let mandate = trust.mandate.as_ref().map_or_else(
        || "none is published; sign one with `refit mandate sign`".to_owned(),
        |mandate| format!("mandate {}, until {}", mandate.number, mandate.expires),
    );
    let organization = if trust.organization.is_empty() { "(no policy names it)" } else { &trust.organization };
    terminal::print(&format!(
        "organisation  {organization}\nserver key    {}\nroot          {root}\nmandate       {mandate}\n",
        trust.server_key
    ))?;
    Ok(Exit::Done)
}

fn publish(cli: &Cli, file: &Path) -> Result<Exit> {
    let envelope = keys::read::<Root>(file)?;
    let root = peek(&envelope)?;
    if let Some(missing) = words::missing(&root, &envelope) {
        return Err(Refused::no(format!("{} has {missing}: `refit key sign` adds one", file.display())));
    }
    let written = connect(cli)?.publish_root(&RootEnvelope { envelope: envelope.clone() })?;
    if cli.json {
        terminal::json(&written)?;
    } else {
        let already = if written.changed { "is" } else { "was already" };
        terminal::print(&format!("root {} {already} published\n  fingerprint {}\n", root.version, envelope.digest()))?;
    }
    Ok(Exit::Done)
}

/// What a root says that nobody may have signed yet.
fn peek(envelope: &refit_wire::Envelope) -> Result<Root> {
    let root: Root = serde_json::from_slice(&envelope.payload)?;
    root.consistent()?;
    Ok(root)
}

/// A public key: as it is written, or that of a file with a secret key.
fn public_key(text: &str) -> Result<PublicKey> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let file = Path::new(text);
    keys::public(file).map(|(key, _)| key).ok_or_else(|| {
        Refused::usage(format!("`{text}` is no public key (`ed25519:…`) and no file of a key of this machine"))
    })
}

/// The key with which the server signs, as it says itself, unless somebody gives it.
fn server_key(cli: &Cli, given: Option<&str>) -> Result<PublicKey> {
    match given {
        Some(text) => public_key(text),
        None if is_meant(cli) => Ok(connect(cli)?.trust()?.server_key),
        None => Err(Refused::usage(
            "name the server whose key is to count: `--server=URL`, or `--server-key KEY` as `refit key show --server` prints it",
        )),
    }
}
