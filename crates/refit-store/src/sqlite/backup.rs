//! Backups while the log is in use.
//!
//! A backup is a folder: `log.db`, `snapshots/` and, written last, `manifest.json`. The database is copied with `VACUUM
//! INTO` (<https://sqlite.org/lang_vacuum.html>); why so, and not through SQLite's backup interface, is in decision 0022.

use super::{
    SqliteStore,
    connect::{self, database},
    folder::{Folder, create_folder, failed, private, sync_file, sync_folder, write_whole},
    off_thread,
    rows::damaged,
    snapshots, verify,
};
use crate::{
    batch::{Seq, hex},
    error::{Result, StoreError},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::{ConnectOptions as _, Connection as _};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// The version of the manifest.
const FORMAT: u32 = 1;

/// What a backup holds. A folder without it is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Where the log ends.
    pub head: Seq,
    /// The log's chain there.
    pub chain: String,
    /// SHA-256 of each file.
    pub files: BTreeMap<String, String>,
}

impl SqliteStore {
    /// Copies the log, as it is at one moment, into a new folder `to`, while appends go on; says up to which event. The copy is
    /// checked, and it is there as a whole or not at all.
    ///
    /// A backup holds the personal values of its time. Whoever keeps backups has to let them expire.
    pub async fn backup(&self, to: &Path) -> Result<Seq> {
        let _alone = self.long_work.lock().await;
        backup_of(&self.folder, to).await
    }
}

/// As [`SqliteStore::backup`], for a log that another process may have open.
pub async fn backup(folder: &Path, to: &Path) -> Result<Seq> {
    backup_of(&Folder::new(folder), to).await
}

async fn backup_of(folder: &Folder, to: &Path) -> Result<Seq> {
    if to.exists() {
        return Err(backup_error(to, "there is something at this path; choose a new one"));
    }
    let Some(name) = to.file_name() else { return Err(backup_error(to, "it needs a name")) };
    let partial = to.with_file_name(format!(".{}.refit-partial", name.display()));
    let _ = fs::remove_dir_all(&partial);
    let result = backup_into(folder, &partial).await;
    let renamed = result.and_then(|head| {
        fs::rename(&partial, to).map_err(failed("rename", &partial))?;
        Ok(head)
    });
    match renamed {
        Ok(head) => {
            sync_folder(to.parent().filter(|parent| parent != &Path::new("")).unwrap_or(Path::new(".")))?;
            Ok(head)
        }
        Err(error) => {
            let _ = fs::remove_dir_all(&partial);
            Err(error)
        }
    }
}

async fn backup_into(folder: &Folder, partial: &Path) -> Result<Seq> {
    create_folder(&partial.join("snapshots"))?;
    let copy = partial.join("log.db");
    private().open(&copy).map_err(failed("write", &copy))?;
    let source = folder.database();
    let mut connection = connect::reader(&source).connect().await.map_err(database(&source))?;
    let query = sqlx::query("VACUUM INTO ?").bind(copy.display().to_string());
    query.execute(&mut connection).await.map_err(|error| match database(&copy)(error) {
        StoreError::Damaged { what, .. } => damaged(&source, &what),
        other => other,
    })?;
    connection.close().await.map_err(database(&source))?;

    let mut connection = connect::still(&copy).await?;
    let report = verify::check(&mut connection, &copy).await?;
    connection.close().await.map_err(database(&copy))?;
    if let Some(problem) = report.problems.first() {
        return Err(damaged(&source, problem));
    }
    let (partial, from, head) = (partial.to_owned(), folder.snapshots(), report.head);
    off_thread(move || {
        let mut files = BTreeMap::from([("log.db".to_owned(), digest(&copy)?)]);
        sync_file(&copy)?;
        for path in snapshots::files(&from)? {
            let Some(name) = path.file_name() else { continue };
            let name = Path::new("snapshots").join(name);
            // One that was dropped meanwhile is not missed.
            if path.exists() {
                copy_file(&path, &partial.join(&name))?;
                files.insert(name.display().to_string(), digest(&partial.join(&name))?);
            }
        }
        sync_folder(&partial.join("snapshots"))?;
        let manifest = Manifest { format: FORMAT, head, chain: report.chain, files };
        let path = partial.join("manifest.json");
        let text = serde_json::to_vec_pretty(&manifest).map_err(|error| failed("write", &path)(error.into()))?;
        write_whole(&path, &[&text, b"\n"])
    })
    .await?;
    Ok(head)
}

impl Manifest {
    /// Reads the manifest of a backup, and checks all its files.
    pub fn check(backup: &Path) -> Result<Self> {
        let text = fs::read(backup.join("manifest.json"))
            .map_err(|error| backup_error(backup, &format!("its manifest.json can't be read ({error})")))?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| backup_error(backup, &format!("its manifest.json is not a manifest ({error})")))?;
        if manifest.format != FORMAT {
            let what = format!("a backup of format {}", manifest.format);
            return Err(StoreError::Newer { place: backup.display().to_string(), what });
        }
        for (name, sha256) in &manifest.files {
            if digest(&backup.join(name))? != *sha256 {
                return Err(backup_error(backup, &format!("{name} is not as it was written")));
            }
        }
        Ok(manifest)
    }
}

pub fn backup_error(path: &Path, what: &str) -> StoreError {
    StoreError::Backup { path: path.to_owned(), what: what.to_owned() }
}

/// Copies a file and takes the copy to the disk.
pub fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let mut source = File::open(from).map_err(failed("read", from))?;
    let mut copy = || -> io::Result<()> {
        let mut target = private().truncate(true).open(to)?;
        io::copy(&mut source, &mut target)?;
        target.sync_all()
    };
    copy().map_err(failed("write", to))
}

fn digest(path: &Path) -> Result<String> {
    let mut sum = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    let mut file = File::open(path).map_err(failed("read", path))?;
    loop {
        match file.read(&mut piece).map_err(failed("read", path))? {
            0 => return Ok(hex(&sum.finalize())),
            bytes => sum.update(&piece[..bytes]),
        }
    }
}
