//! The store: what has been synced, in the folder `feeds` of the data folder.
//!
//! For each feed a manifest, `kev.json`, and the index that it names, `kev-1f2e….idx` (by the beginning of its SHA-256).
//! An index never changes; a sync writes a new one and then, last, replaces the manifest. So there is a whole old copy or a
//! whole new one at any time, and those who read the old one go on doing so.

use super::{
    index::{Index, IndexError},
    kind::FeedKind,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Write as _,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// How old a feed may be before matching says so, unless somebody sets another limit: all of them appear daily.
const STALE_AFTER: SignedDuration = SignedDuration::from_hours(3 * 24);

/// The feeds of a data folder, opened as they were at one moment.
#[derive(Debug)]
pub struct FeedStore {
    folder: PathBuf,
    stale_after: SignedDuration,
    pub(crate) feeds: Vec<Feed>,
}

/// One feed and what there is of it.
#[derive(Debug)]
pub(crate) struct Feed {
    pub kind: FeedKind,
    pub content: FeedContent,
}

#[derive(Debug)]
pub(crate) enum FeedContent {
    Missing,
    Damaged(StoreError),
    Ready(Box<Ready>),
}

#[derive(Debug)]
pub(crate) struct Ready {
    pub manifest: Manifest,
    pub index: Index,
    /// Since when vulnerabilities have been known here for which the feed gives no date.
    pub seen: Option<Index>,
}

/// What is written beside an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: u32,
    /// URL or path that it came from.
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// When the content was fetched.
    pub fetched_at: Timestamp,
    /// Up to when the content is known to be the newest: the last answer of its publisher, or its own date if it came from
    /// a folder.
    pub current_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Timestamp>,
    pub records: u64,
    #[serde(default)]
    pub skipped: u64,
    pub index: Stored,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Stored>,
}

/// A file of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
}

/// Raised when the manifest changes its meaning.
pub(crate) const MANIFEST_FORMAT: u32 = 1;

/// Why a feed's files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The manifest can't be read.
    #[error("can't read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The manifest is no manifest.
    #[error("{} is damaged ({what}): run `refit feeds sync` to fetch it again", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The index can't be used.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// One line of `refit feeds list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedStatus {
    /// The feed's name.
    pub feed: &'static str,
    /// Whether it can be used.
    pub state: FeedState,
    /// URL or path that it came from.
    pub source: Option<String>,
    /// When its content was fetched.
    pub fetched_at: Option<Timestamp>,
    /// Up to when it is known to be the newest: its age counts from here.
    pub current_at: Option<Timestamp>,
    /// The date that it gives for itself.
    pub snapshot: Option<Timestamp>,
    /// Its records, without repetitions.
    pub records: u64,
    /// Records that made no sense and were left out.
    pub skipped: u64,
    /// Size of its index in bytes.
    pub bytes: u64,
    /// SHA-256 of its index.
    pub sha256: Option<String>,
}

/// Whether a feed can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedState {
    /// It has never been synced.
    Missing,
    /// It can be read.
    Ready,
    /// Its files are damaged: which, and what to do.
    Damaged(String),
}

impl FeedStore {
    /// Opens the feeds below the data folder `data`. A feed that is missing or damaged is so for itself: see [`Self::status`].
    pub fn open(data: &Path) -> FeedStore {
        let folder = data.join("feeds");
        let feeds = FeedKind::ALL.map(|kind| Feed { kind, content: open(&folder, kind) }).into();
        FeedStore { folder, stale_after: STALE_AFTER, feeds }
    }

    /// Says of feeds older than `age` that they are; 3 days unless set.
    #[must_use]
    pub fn stale_after(self, age: SignedDuration) -> FeedStore {
        FeedStore { stale_after: age, ..self }
    }

    /// What there is of every feed, in the order of [`FeedKind::ALL`].
    pub fn status(&self) -> Vec<FeedStatus> {
        self.feeds.iter().map(Feed::status).collect()
    }

    /// Reads every byte of every feed and compares it with its checksum; returns the feeds that are damaged, with the error.
    pub fn verify(&self) -> Vec<(FeedKind, StoreError)> {
        let mut damaged = Vec::new();
        for feed in &self.feeds {
            let FeedContent::Ready(ready) = &feed.content else { continue };
            for stored in [Some(&ready.manifest.index), ready.manifest.seen.as_ref()].into_iter().flatten() {
                if let Err(error) = verify(&self.folder, stored) {
                    damaged.push((feed.kind, error));
                }
            }
        }
        damaged
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn age_limit(&self) -> SignedDuration {
        self.stale_after
    }

    pub(crate) fn feed(&self, kind: FeedKind) -> Option<&Feed> {
        self.feeds.iter().find(|feed| feed.kind == kind)
    }
}

impl Feed {
    pub fn ready(&self) -> Option<&Ready> {
        match &self.content {
            FeedContent::Ready(ready) => Some(ready),
            FeedContent::Missing | FeedContent::Damaged(_) => None,
        }
    }

    fn status(&self) -> FeedStatus {
        let mut status = FeedStatus {
            feed: self.kind.name(),
            state: FeedState::Missing,
            source: None,
            fetched_at: None,
            current_at: None,
            snapshot: None,
            records: 0,
            skipped: 0,
            bytes: 0,
            sha256: None,
        };
        match &self.content {
            FeedContent::Missing => {}
            FeedContent::Damaged(error) => status.state = FeedState::Damaged(error.to_string()),
            FeedContent::Ready(ready) => {
                let manifest = &ready.manifest;
                status.state = FeedState::Ready;
                status.source = Some(manifest.source.clone());
                status.fetched_at = Some(manifest.fetched_at);
                status.current_at = Some(manifest.current_at);
                status.snapshot = manifest.snapshot;
                status.records = manifest.records;
                status.skipped = manifest.skipped;
                status.bytes = manifest.index.bytes;
                status.sha256 = Some(manifest.index.sha256.clone());
            }
        }
        status
    }
}

/// Opens a feed. A sync may replace it between reading the manifest and opening the index: then the next manifest tells.
fn open(folder: &Path, kind: FeedKind) -> FeedContent {
    let mut content = open_once(folder, kind);
    for _ in 0..3 {
        match &content {
            FeedContent::Damaged(StoreError::Index(IndexError::Io { source, .. }))
                if source.kind() == io::ErrorKind::NotFound =>
            {
                content = open_once(folder, kind);
            }
            _ => break,
        }
    }
    content
}

fn open_once(folder: &Path, kind: FeedKind) -> FeedContent {
    let manifest = match read_manifest(folder, kind) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return FeedContent::Missing,
        Err(error) => return FeedContent::Damaged(error),
    };
    let opened = Index::open(&folder.join(&manifest.index.file)).and_then(|index| {
        let seen = manifest.seen.as_ref().map(|seen| Index::open(&folder.join(&seen.file))).transpose()?;
        Ok((index, seen))
    });
    match opened {
        Ok((index, seen)) => FeedContent::Ready(Box::new(Ready { manifest, index, seen })),
        Err(error) => FeedContent::Damaged(error.into()),
    }
}

/// Where a feed's manifest is.
pub(crate) fn manifest_path(folder: &Path, kind: FeedKind) -> PathBuf {
    folder.join(format!("{kind}.json"))
}

/// The manifest of a feed; `None` where there is none.
pub(crate) fn read_manifest(folder: &Path, kind: FeedKind) -> Result<Option<Manifest>, StoreError> {
    /// Ours have less than a kilobyte; a path or an ETag may be long.
    const LARGEST: u64 = 1 << 16;
    let path = manifest_path(folder, kind);
    let mut text = Vec::new();
    match fs::File::open(&path).and_then(|file| file.take(LARGEST).read_to_end(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::Io { path, source }),
    }
    let damaged = |what: String| StoreError::Manifest { path: path.clone(), what };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if manifest.format != MANIFEST_FORMAT {
        return Err(damaged(format!("it has format {}, not {MANIFEST_FORMAT}", manifest.format)));
    }
    for stored in [Some(&manifest.index), manifest.seen.as_ref()].into_iter().flatten() {
        if Path::new(&stored.file).file_name().is_none_or(|name| name != stored.file.as_str()) {
            return Err(damaged(format!("`{}` is no file name", stored.file)));
        }
    }
    Ok(Some(manifest))
}

/// Compares a file with its checksum.
pub(crate) fn verify(folder: &Path, stored: &Stored) -> Result<(), StoreError> {
    let path = folder.join(&stored.file);
    match fs::File::open(&path).and_then(sha256) {
        Ok(found) if found == stored.sha256 => Ok(()),
        Ok(_) => Err(IndexError::Damaged { path, what: "its checksum differs" }.into()),
        Err(source) => Err(StoreError::Io { path, source }),
    }
}

/// The SHA-256 of what is left to read, in hexadecimal.
pub(crate) fn sha256(mut file: impl Read) -> io::Result<String> {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing into a string never fails.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
