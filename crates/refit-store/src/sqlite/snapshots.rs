//! Snapshots as files beside the log: however large they are, writing one keeps no append waiting, and dropping one gives
//! its space back at once.
//!
//! `snapshots/00000000000000001234.snapshot` is a line of JSON (a [`Header`]), a newline, and the body. The header holds
//! the log's chain at that event: so a snapshot of events that were lost since is not taken for one of those that
//! followed.

use super::{
    chain::Chain,
    folder::{Folder, create_folder, failed, sync_folder, write_whole},
};
use crate::{
    batch::{Seq, digest_of},
    error::Result,
    snapshot::{Snapshot, SnapshotInfo},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, ErrorKind, Read as _},
    path::{Path, PathBuf},
};

/// More than any header has. What is longer is none.
const HEADER_BYTES_MAX: u64 = 4096;

/// What stands before the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub seq: Seq,
    pub at: Timestamp,
    pub format: u32,
    /// The log's chain after this event.
    pub chain: String,
    /// Of the body.
    pub bytes: u64,
    pub sha256: String,
}

impl Header {
    pub fn info(&self) -> SnapshotInfo {
        SnapshotInfo { seq: self.seq, at: self.at, format: self.format, bytes: self.bytes }
    }
}

pub fn save(folder: &Folder, snapshot: &Snapshot, chain: Chain) -> Result<()> {
    let path = path(folder, snapshot.seq);
    let header = Header {
        seq: snapshot.seq,
        at: snapshot.at,
        format: snapshot.format,
        chain: chain.to_string(),
        bytes: snapshot.body.len() as u64,
        sha256: digest_of(&snapshot.body),
    };
    let line = serde_json::to_vec(&header).map_err(|error| failed("write", &path)(error.into()))?;
    create_folder(&folder.snapshots())?;
    write_whole(&path, &[&line, b"\n", &snapshot.body])
}

/// The headers of all snapshots, oldest first. A file whose header can't be read is none.
pub fn list(folder: &Folder) -> Result<Vec<Header>> {
    let mut headers: Vec<Header> = Vec::new();
    for path in files(&folder.snapshots())? {
        headers.extend(open(&path)?.and_then(|(header, _)| (self::path(folder, header.seq) == path).then_some(header)));
    }
    headers.sort_by_key(|header| header.seq);
    Ok(headers)
}

/// A snapshot, unless it has gone or is damaged.
pub fn load(folder: &Folder, header: &Header) -> Result<Option<Snapshot>> {
    let path = path(folder, header.seq);
    let Some((found, mut file)) = open(&path)? else { return Ok(None) };
    let mut body = Vec::new();
    file.read_to_end(&mut body).map_err(failed("read", &path))?;
    let Header { seq, at, format, .. } = *header;
    let whole = found == *header && digest_of(&body) == header.sha256;
    Ok(whole.then_some(Snapshot { seq, at, format, body }))
}

pub fn remove(folder: &Folder, seq: Seq) -> Result<()> {
    let path = path(folder, seq);
    match fs::remove_file(&path) {
        Ok(()) => sync_folder(&folder.snapshots()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", &path)(error)),
    }
}

/// All files of a folder of snapshots, sorted; none if there is no folder.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", folder)(error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = paths.map_err(failed("read", folder))?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "snapshot"));
    paths.sort();
    Ok(paths)
}

fn open(path: &Path) -> Result<Option<(Header, BufReader<File>)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    file.by_ref().take(HEADER_BYTES_MAX).read_until(b'\n', &mut line).map_err(failed("read", path))?;
    Ok(serde_json::from_slice(&line).ok().map(|header| (header, file)))
}

fn path(folder: &Folder, seq: Seq) -> PathBuf {
    folder.snapshots().join(format!("{seq:020}.snapshot"))
}
