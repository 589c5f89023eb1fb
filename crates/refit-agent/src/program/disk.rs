//! What the agent remembers, on disk: written whole or not at all.

use super::folders::Folders;
use crate::machine::{Documents, Journal};
use anyhow::{Context, Result, bail};
use refit_wire::{Digest, Envelope};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Puts `bytes` in the place of a file: after a loss of power there is the old content or the new one.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    let next = path.with_extension("new");
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&next)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        File::open(folder)?.sync_all()
    })();
    written.with_context(|| format!("{} can't be written", path.display()))
}

/// What keeps two agents from working on one device: held until it is dropped.
pub fn lock(folders: &Folders) -> Result<File> {
    fs::create_dir_all(&folders.state).with_context(|| format!("{} can't be made", folders.state.display()))?;
    let path = folders.state.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.with_context(|| format!("{} can't be opened", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another refit-agent is at work on this device: try again when it has ended")
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} can't be locked", path.display())),
    }
}

/// Writes the journal, and forgets documents that it does not name.
pub fn save(folders: &Folders, journal: &Journal) -> Result<()> {
    replace(&folders.journal(), &serde_json::to_vec(journal)?, 0o600)?;
    let named: Vec<String> = journal.documents().iter().map(Digest::to_string).collect();
    for entry in fs::read_dir(folders.documents()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.to_str().is_some_and(|name| named.iter().any(|known| known == name)) {
            // What can't be removed now is removed next time.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Keeps a document under its digest.
pub fn keep(folders: &Folders, envelope: &Envelope) -> Result<()> {
    let folder = folders.documents();
    fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    replace(&folder.join(envelope.digest().to_string()), &envelope.to_bytes(), 0o600)
}

/// What the agent remembers, and the documents that it names.
pub fn load(folders: &Folders) -> Result<(Journal, Documents)> {
    let journal = journal(folders)?;
    let document = |digest: Digest| -> Option<Envelope> {
        let bytes = fs::read(folders.documents().join(digest.to_string())).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    let root = document(journal.root.digest).with_context(|| {
        format!(
            "the trusted root ({}) is missing or damaged in {}. Enrol the device again with a new token \
             (`refit-agent enroll --again TOKEN`)",
            journal.root.digest,
            folders.documents().display()
        )
    })?;
    let mandate = journal.mandate.as_ref().and_then(|held| document(held.digest));
    let state = journal.state.as_ref().and_then(|held| document(held.digest));
    Ok((journal, Documents { root, mandate, state }))
}

/// What the agent remembers.
pub fn journal(folders: &Folders) -> Result<Journal> {
    let path = folders.journal();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("this device is not enrolled: there is no {}. `refit-agent enroll TOKEN` does that", path.display())
        }
        Err(error) => return Err(error).with_context(|| format!("{} can't be read", path.display())),
    };
    // It holds which versions may not come back and which numbers have been seen, so that it is not simply begun anew.
    serde_json::from_slice(&bytes).with_context(|| {
        format!(
            "{} is damaged, and nothing is changed without it (or a newer refit-agent has written it). Restore it from a \
             backup of this device, or move it away and enrol the device again with a new token \
             (`refit-agent enroll --again TOKEN`)",
            path.display()
        )
    })
}
