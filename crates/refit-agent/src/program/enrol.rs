//! Enrolment: from a token to a device that knows whom to believe.

use super::{
    disk,
    folders::{Config, Folders, is_root, least_interval, most_interval, user_ids, yes},
    frame::WireFailure,
    network::{Client, certificates, signing_request},
};
use crate::{
    machine::Journal,
    providers::{Provider, of_this_machine},
};
use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rcgen::KeyPair;
use refit_wire::{
    Digest, EnrolmentToken, Envelope, Root, limits,
    protocol::{EnrolRequest, Enrolled, path},
};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// Enrols the device; `again` puts a new enrolment in the place of an old one.
pub fn enrol(folders: &Folders, token: &str, proxy: Option<&str>, again: bool, now: Timestamp) -> Result<Config> {
    let token: EnrolmentToken = token.parse()?;
    let _alone = disk::lock(folders)?;
    if folders.journal().exists() && !again {
        bail!("this device is enrolled already; `refit-agent enroll --again TOKEN` enrols it anew");
    }
    let Some(fingerprint) = token.root else {
        bail!(
            "the token names no root: without one nothing that the server says can be believed. Make the organisation's root \
             first (`refit key root`), then a new token"
        );
    };
    let authority = token.authority.map(|pinned| authority(&token.address, proxy, pinned)).transpose()?;
    let client = Client::new(&token.address, authority.as_deref(), proxy, None)?;
    // The root comes first: a token whose root nobody has leaves nothing behind.
    let (root, envelope) = root(&client, fingerprint)?;
    let provider = of_this_machine();
    let machine = provider.as_deref().map(Provider::machine).transpose().context("the machine can't be read")?;
    let id = machine.as_ref().and_then(|machine| machine.id.clone()).context("there is no /etc/machine-id")?;
    let name = machine.map(|machine| machine.hostname).unwrap_or_default();

    let key = KeyPair::generate()?;
    let request = EnrolRequest {
        secret: token.secret.clone(),
        request: signing_request(&key)?,
        machine: Digest::of(format!("{id}\n{}", root.organization).as_bytes()),
        name: name.into(),
        agent: env!("CARGO_PKG_VERSION").into(),
    };
    let answer = client
        .post(path::ENROL, &serde_json::to_vec(&request)?, limits::ANSWER)
        .map_err(|failure| anyhow::anyhow!("the server does not enrol this device: {}", in_words(&failure)))?;
    let enrolled: Enrolled = serde_json::from_slice(&answer).context("the server's answer can't be read")?;
    certificates(enrolled.certificate.as_bytes()).context("the server sent no certificate")?;

    give_to_network(folders, &key.serialize_pem(), &enrolled.certificate)?;
    disk::keep(folders, &envelope)?;
    let journal = Journal::enrolled(enrolled.device.clone(), &root, &envelope, now);
    // What can't be read any more is why somebody enrols again; then there is nothing to go on from.
    let journal = match disk::journal(folders) {
        Ok(old) => journal.after(old),
        Err(_) => journal,
    };
    disk::save(folders, &journal)?;
    // What was set on this machine by hand stays; where that can't be read, it begins anew like the rest.
    let before = Config::read(&folders.config_file()).ok();
    let usual = || (least_interval(), most_interval(), yes(), Vec::new());
    let (least_interval_seconds, most_interval_seconds, fetch_lists, calendars) = before
        .map_or_else(usual, |it| (it.least_interval_seconds, it.most_interval_seconds, it.fetch_lists, it.calendars));
    let config = Config {
        address: token.address,
        authority,
        device: enrolled.device,
        proxy: proxy.map(str::to_owned),
        least_interval_seconds,
        most_interval_seconds,
        fetch_lists,
        calendars,
    };
    fs::create_dir_all(&folders.config)?;
    disk::replace(&folders.config_file(), &serde_json::to_vec_pretty(&config)?, 0o644)?;
    Ok(config)
}

/// The server's authority, which the token names by its fingerprint. The connection itself need not be believed.
fn authority(address: &str, proxy: Option<&str>, pinned: Digest) -> Result<String> {
    let client = Client::unchecked(address, proxy)?;
    let pem = client
        .get(path::AUTHORITY, limits::ANSWER)
        .map_err(|failure| anyhow::anyhow!("{address} can't be reached: {}", in_words(&failure)))?;
    let found = certificates(&pem)?;
    let Some(certificate) = found.iter().find(|certificate| Digest::of(certificate.der()) == pinned) else {
        bail!(
            "the server at {address} has another authority than the token names ({pinned}): it is another server, or somebody \
             is in between. Nothing was sent to it"
        );
    };
    // Only this one is kept, whatever else came.
    Ok(pem_of(certificate.der()))
}

/// In lines of 64 characters (RFC 7468).
fn pem_of(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The root of the fingerprint: roots are numbered, and the token does not say which one it means.
fn root(client: &Client, fingerprint: Digest) -> Result<(Root, Envelope)> {
    for version in 1..=u64::try_from(limits::ROOTS).unwrap_or(u64::MAX) {
        let path = path::ROOTS.replace("{version}", &version.to_string());
        let bytes = match client.get(&path, limits::ROOT) {
            Ok(bytes) => bytes,
            Err(WireFailure::NotFound) => break,
            Err(failure) => bail!("the roots can't be fetched: {}", in_words(&failure)),
        };
        let envelope = Envelope::parse::<Root>(&bytes)?;
        if envelope.digest() == fingerprint {
            return Ok((Root::pinned(&envelope, fingerprint)?, envelope));
        }
    }
    bail!(
        "the server has no root with the fingerprint {fingerprint}, which the token names: it is another organisation's token"
    )
}

/// Key and certificate are the network process's, and nobody else's.
///
/// They are written into a new folder, which becomes the network process's only when it is complete: where that process may
/// write, root follows no path.
fn give_to_network(folders: &Folders, key: &str, certificate: &str) -> Result<()> {
    let folder = folders.network();
    let next = folder.with_extension("new");
    for old in [&next, &folder] {
        match fs::remove_dir_all(old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{} can't be removed", old.display()));
            }
            _ => {}
        }
    }
    fs::create_dir_all(&next).with_context(|| format!("{} can't be made", next.display()))?;
    fs::set_permissions(&next, fs::Permissions::from_mode(0o700))?;
    let files = [(folders.key(), key), (folders.certificate(), certificate)];
    let ids = user_ids(&folders.user).filter(|_| is_root());
    for (path, content) in &files {
        let path = next.join(path.file_name().unwrap_or_default());
        disk::replace(&path, content.as_bytes(), 0o600)?;
        if let Some((uid, gid)) = ids {
            own(&path, uid, gid)?;
        }
    }
    if let Some((uid, gid)) = ids {
        own(&next, uid, gid)?;
    }
    fs::rename(&next, &folder).with_context(|| format!("{} can't be made", folder.display()))
}

fn own(path: &Path, uid: u32, gid: u32) -> Result<()> {
    std::os::unix::fs::chown(path, Some(uid), Some(gid))
        .with_context(|| format!("{} can't be given to the network process's user", path.display()))
}

/// Why a call has no answer.
pub fn in_words(failure: &WireFailure) -> String {
    match failure {
        WireFailure::NotFound => "there is no such thing (404)".into(),
        WireFailure::TooLarge => "its answer is larger than it may be".into(),
        WireFailure::Refused { status, code, detail } if detail.is_empty() => format!("it refuses ({status} {code})"),
        WireFailure::Refused { detail, .. } => detail.chars().take(300).collect(),
        WireFailure::Unreachable(why) => why.clone(),
    }
}
