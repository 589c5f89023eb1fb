//! Bringing a log back from a backup.

use super::{
    backup::{Manifest, backup_error, copy_file},
    connect::{self, database},
    folder::{Folder, create_folder, failed, sync_folder},
    off_thread,
    verify::{self, verify},
};
use crate::{
    batch::Seq,
    error::{Result, StoreError},
};
use sqlx::Connection as _;
use std::{
    fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

/// What to do with a log that is there and good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse. A damaged log is replaced.
    KeepGood,
    /// Replace it as well.
    ReplaceGood,
}

/// What restoring has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// Where the log ends now.
    pub head: Seq,
    /// Where the files are that were here before.
    pub aside: Option<PathBuf>,
    /// Events that had been acknowledged here and that the backup does not have.
    pub lost: Option<RangeInclusive<Seq>>,
}

/// Puts the log of a backup into a data folder. Everything about the backup is checked before anything is replaced, and
/// the old files are kept aside. No server may have the folder open.
pub async fn restore(from: &Path, to: &Path, existing: Existing) -> Result<Restored> {
    let backup = from.to_owned();
    let manifest = off_thread(move || Manifest::check(&backup)).await?;
    check_log(from, &manifest).await?;

    let folder = Folder::new(to);
    folder.create()?;
    let lock = folder.lock()?;
    let there = folder.database().exists() || folder.wal().exists() || folder.head().exists();
    if existing == Existing::KeepGood
        && folder.database().exists()
        && let Ok(report) = verify(to).await
        && report.is_good()
    {
        return Err(StoreError::WouldReplace { folder: to.to_owned(), head: report.head });
    }
    let acknowledged = folder.acknowledged().unwrap_or(0);
    let head = manifest.head;
    let from = from.to_owned();
    let aside = off_thread(move || {
        let aside = there.then(|| folder.aside());
        replace(&from, &folder, &manifest, aside.as_deref())?;
        Ok(aside)
    })
    .await?;
    drop(lock);
    Ok(Restored { head, aside, lost: (acknowledged > head).then(|| head + 1..=acknowledged) })
}

async fn check_log(from: &Path, manifest: &Manifest) -> Result<()> {
    let path = from.join("log.db");
    let mut connection = connect::still(&path).await?;
    let report = verify::check(&mut connection, &path).await?;
    connection.close().await.map_err(database(&path))?;
    if let Some(problem) = report.problems.first() {
        return Err(backup_error(from, problem));
    }
    if (report.head, &report.chain) != (manifest.head, &manifest.chain) {
        return Err(backup_error(from, "its log is not the one that its manifest describes"));
    }
    Ok(())
}

/// The order matters: whenever this is stopped, what is in the folder is the old log, the new one, or a log whose main file
/// is missing, which nobody can mistake for a new one as long as `log.head` is there.
fn replace(from: &Path, folder: &Folder, manifest: &Manifest, aside: Option<&Path>) -> Result<()> {
    let incoming = folder.path().join("restoring");
    let _ = fs::remove_dir_all(&incoming);
    create_folder(&incoming.join("snapshots"))?;
    for name in manifest.files.keys() {
        copy_file(&from.join(name), &incoming.join(name))?;
    }
    sync_folder(&incoming.join("snapshots"))?;
    if let Some(aside) = aside {
        create_folder(aside)?;
        if folder.head().exists() {
            copy_file(&folder.head(), &aside.join("log.head"))?;
        }
        for old in [folder.database(), folder.wal(), folder.shm(), folder.snapshots()] {
            if let Some(name) = old.file_name() {
                rename(&old, &aside.join(name))?;
            }
        }
        sync_folder(aside)?;
        sync_folder(folder.path())?;
    }
    rename(&incoming.join("snapshots"), &folder.snapshots())?;
    rename(&incoming.join("log.db"), &folder.database())?;
    folder.open_head()?.note(manifest.head);
    fs::remove_dir(&incoming).map_err(failed("remove", &incoming))?;
    sync_folder(folder.path())
}

/// Moves what is there.
fn rename(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("move", from)(error)),
        _ => Ok(()),
    }
}
