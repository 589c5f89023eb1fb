//! Syncing: fetch, parse, check, and only then replace.
//!
//! What is replaced is replaced whole: the new index is written beside the old one and flushed to disk, then the manifest is
//! renamed over the old manifest. A crash, a full disk or a bad download at any point before that leaves the old copy.

use super::{
    fetch::{self, FetchError, Fetched, NetworkOptions},
    folder,
    index::{self, Index},
    kind::{FeedKind, Limits},
    parse::{ParseError, parse_file},
    statement::{Gathered, package_key, vulnerability_key},
    store::{self, FeedStore, MANIFEST_FORMAT, Manifest, Stored},
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// How to sync.
#[derive(Clone, Debug)]
pub struct SyncOptions {
    /// Where feeds come from.
    pub from: SyncFrom,
    /// The time that is written down.
    pub now: Timestamp,
    /// Replaces a feed even by one with less than half as many records.
    pub force: bool,
    /// Sizes instead of those that [`FeedKind::limits`] gives.
    pub limits: BTreeMap<FeedKind, Limits>,
}

/// Where feeds come from.
#[derive(Clone, Debug)]
pub enum SyncFrom {
    /// Their publishers, or mirrors of them.
    Network {
        /// Addresses instead of those that [`FeedKind::default_url`] gives.
        urls: BTreeMap<FeedKind, String>,
        /// How patiently to ask.
        network: NetworkOptions,
    },
    /// A folder with one subfolder per publisher: `kev/`, `epss/`, `osv/`, `releases/`.
    Folder(PathBuf),
}

/// What happens during a sync.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A feed's turn has come.
    Started(FeedKind),
    /// More of it has arrived.
    Received {
        /// The feed.
        feed: FeedKind,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, where the server says so.
        of: Option<u64>,
    },
    /// An attempt failed and another follows.
    Again {
        /// The feed.
        feed: FeedKind,
        /// After this time.
        wait: Duration,
        /// What went wrong.
        why: &'a FetchError,
    },
    /// It is complete and is being read.
    Reading(FeedKind),
    /// It is done, well or badly.
    Done(&'a FeedOutcome),
}

/// What became of one feed.
#[derive(Debug)]
pub struct FeedOutcome {
    /// The feed.
    pub feed: FeedKind,
    /// What changed, or why nothing could.
    pub result: Result<Change, FeedError>,
}

/// What a sync changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The publisher has nothing newer.
    UpToDate {
        /// Its records.
        records: u64,
    },
    /// It was read again and says what it said before.
    Same {
        /// Its records.
        records: u64,
    },
    /// It was replaced, or is there for the first time.
    Replaced {
        /// Records of the copy before; `None` if there was none.
        before: Option<u64>,
        /// Its records now.
        records: u64,
        /// Records that made no sense and were left out.
        skipped: u64,
        /// What was wrong with the first of them.
        first_skipped: Option<String>,
    },
}

/// Why a feed was not replaced. The copy that was there, if any, is still there.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Another sync runs in the same data folder.
    #[error("another sync is running in {}: wait for it to end", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// Nobody publishes it: it comes from a folder, or needs an address.
    #[error("nobody publishes {0} as one file: give it an address, or read it from a folder with --from")]
    NoUrl(FeedKind),
    /// It is not in the folder.
    #[error("{} has none of: {}", folder.display(), files.join(", "))]
    NotInFolder {
        /// The folder.
        folder: PathBuf,
        /// What was looked for; each may end in `.gz`.
        files: Vec<&'static str>,
    },
    /// It could not be downloaded.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What came is not the feed.
    #[error("{source_name}: {source}")]
    Parse {
        /// URL or path.
        source_name: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// What came is far smaller than what is there.
    #[error(
        "{source_name}: it has {now} records, the copy before has {before}; that looks broken, so it is not replaced \
         (use --force if it is right)"
    )]
    Shrunk {
        /// URL or path.
        source_name: String,
        /// Records of the copy that is there.
        before: u64,
        /// Records of what came.
        now: u64,
    },
    /// A file is larger than it may be.
    #[error("{}: it is larger than the {limit} bytes that this feed may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// How file names of unfinished work begin; what a killed sync left of it is removed by the next.
const UNFINISHED: &str = ".unfinished-";

/// Syncs feeds one after the other into the folder of `store`; one that fails keeps none of the others away.
///
/// Open the store again to read what is new.
pub fn sync(
    store: &FeedStore,
    kinds: &[FeedKind],
    options: &SyncOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Vec<FeedOutcome> {
    let folder = store.folder();
    let lock = lock(folder);
    let mut outcomes = Vec::new();
    for kind in kinds {
        progress(Progress::Started(*kind));
        let result = match &lock {
            Ok(Some(_)) => one(folder, *kind, options, progress),
            Ok(None) => Err(FeedError::Busy { folder: folder.to_owned() }),
            Err(error) => Err(io_error(folder)(io::Error::new(error.kind(), error.to_string()))),
        };
        let outcome = FeedOutcome { feed: *kind, result };
        progress(Progress::Done(&outcome));
        outcomes.push(outcome);
    }
    outcomes
}

/// What a feed's content came with.
struct Arrived {
    file: File,
    source: String,
    etag: Option<String>,
    last_modified: Option<String>,
    /// The date of a file in a folder, by its name or else its modification time; `None` for what a server sent.
    dated: Option<Timestamp>,
}

fn one(
    folder: &Path,
    kind: FeedKind,
    options: &SyncOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Change, FeedError> {
    // A manifest that can't be read is replaced like one that is not there.
    let before = store::read_manifest(folder, kind).ok().flatten();
    let whole = before.as_ref().filter(|manifest| {
        let files = [Some(&manifest.index), manifest.seen.as_ref()];
        files.into_iter().flatten().all(|stored| store::verify(folder, stored).is_ok())
    });
    let limits = options.limits.get(&kind).copied().unwrap_or_else(|| kind.limits());
    let arrived = match &options.from {
        SyncFrom::Folder(from) => from_folder(from, kind, limits)?,
        SyncFrom::Network { urls, network } => {
            let url = urls.get(&kind).map(String::as_str).or(kind.default_url()).ok_or(FeedError::NoUrl(kind))?;
            let mut download = unfinished(folder)?;
            // A copy from elsewhere, or one that is damaged, is no reason for the server to send nothing.
            let known = whole.filter(|manifest| manifest.source == url);
            let request = fetch::Request {
                url,
                etag: known.and_then(|manifest| manifest.etag.as_deref()),
                last_modified: known.and_then(|manifest| manifest.last_modified.as_deref()),
                limit: limits.downloaded,
            };
            let restart = |file: &mut File| file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)).map(drop));
            let fetched = fetch::fetch(&request, network, options.now, download.as_file_mut(), restart, &mut |step| {
                progress(match step {
                    fetch::Step::Received { bytes, of } => Progress::Received { feed: kind, bytes, of },
                    fetch::Step::Again { wait, why } => Progress::Again { feed: kind, wait, why },
                });
            })?;
            match (fetched, known) {
                (Fetched::NotModified, Some(known)) => {
                    let manifest = Manifest { current_at: options.now, ..known.clone() };
                    write_manifest(folder, kind, &manifest)?;
                    return Ok(Change::UpToDate { records: manifest.records });
                }
                (Fetched::NotModified, None) => {
                    return Err(FetchError::Status { url: url.to_owned(), status: 304 }.into());
                }
                (Fetched::New { etag, last_modified }, _) => {
                    let file = download.reopen().map_err(io_error(folder))?;
                    Arrived { file, source: url.to_owned(), etag, last_modified, dated: None }
                }
            }
        }
    };
    progress(Progress::Reading(kind));
    replace(folder, kind, options, limits, arrived, before.as_ref())
}

/// Parses and checks what arrived, and puts it in the place of what was `before`.
fn replace(
    folder: &Path,
    kind: FeedKind,
    options: &SyncOptions,
    limits: Limits,
    arrived: Arrived,
    before: Option<&Manifest>,
) -> Result<Change, FeedError> {
    let Arrived { file, source, etag, last_modified, dated } = arrived;
    let gathered = parse_file(kind, file, limits)
        .map_err(|error| FeedError::Parse { source_name: source.clone(), source: error })?;
    let count = before.map(|manifest| manifest.records);
    if let Some(before) = count.filter(|before| gathered.records.saturating_mul(2) < *before && !options.force) {
        return Err(FeedError::Shrunk { source_name: source, before, now: gathered.records });
    }
    let index = store_index(folder, kind, "idx", entries(&gathered))?;
    let seen = store_seen(folder, kind, &gathered, before, options.now)?;
    let snapshot = gathered.snapshot.or(dated);
    // What a server sends is the newest there is; a file is as new as it says. Neither is newer than now.
    let current_at = dated.map_or(options.now, |dated| gathered.snapshot.unwrap_or(dated).min(options.now));
    let manifest = Manifest {
        format: MANIFEST_FORMAT,
        source,
        etag,
        last_modified,
        fetched_at: options.now,
        current_at,
        snapshot,
        records: gathered.records,
        skipped: gathered.skipped,
        index,
        seen,
    };
    write_manifest(folder, kind, &manifest)?;
    remove_old(folder, kind, &manifest);
    let records = gathered.records;
    let same = before.is_some_and(|before| before.index == manifest.index);
    Ok(if same {
        Change::Same { records }
    } else {
        Change::Replaced { before: count, records, skipped: gathered.skipped, first_skipped: gathered.first_skipped }
    })
}

fn from_folder(from: &Path, kind: FeedKind, limits: Limits) -> Result<Arrived, FeedError> {
    let found = folder::find(from, kind).map_err(io_error(from))?;
    let not_there = || FeedError::NotInFolder { folder: from.to_owned(), files: kind.files().to_vec() };
    let folder::Found { path, dated } = found.ok_or_else(not_there)?;
    let file = File::open(&path).map_err(io_error(&path))?;
    let metadata = file.metadata().map_err(io_error(&path))?;
    if metadata.len() > limits.downloaded {
        return Err(FeedError::TooLarge { path, limit: limits.downloaded });
    }
    let modified = || metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    let dated = dated.or_else(modified).or(Some(Timestamp::UNIX_EPOCH));
    Ok(Arrived { file, source: path.display().to_string(), etag: None, last_modified: None, dated })
}

/// What goes into the index, in the order of its keys.
fn entries(gathered: &Gathered) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut entries = BTreeMap::new();
    for ((ecosystem, package), statements) in &gathered.statements {
        entries.insert(package_key(ecosystem, package), statements.iter().flatten().copied().collect());
    }
    for (id, facts) in &gathered.facts {
        // Writing into a vector fails for no facts.
        if let Ok(bytes) = postcard::to_stdvec(facts) {
            entries.insert(vulnerability_key(id), bytes);
        }
    }
    entries
}

/// Writes down since when vulnerabilities without a date have been known here: what was known stays, what is new is new now.
fn store_seen(
    folder: &Path,
    kind: FeedKind,
    gathered: &Gathered,
    before: Option<&Manifest>,
    now: Timestamp,
) -> Result<Option<Stored>, FeedError> {
    let mut seen: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    if let Some(stored) = before.and_then(|manifest| manifest.seen.as_ref()) {
        // What can't be read is known since today: a later time than the truth, but the feed itself is of more worth.
        if let Ok(index) = Index::open(&folder.join(&stored.file)) {
            let _ = index.each(|key, value| _ = seen.insert(key.to_vec(), value.to_vec()));
        }
    }
    let first = postcard::to_stdvec(&now.as_second()).unwrap_or_default();
    for id in gathered.undated.iter().filter(|id| gathered.facts.get(*id).is_none_or(|facts| facts.known.is_none())) {
        seen.entry(vulnerability_key(id)).or_insert_with(|| first.clone());
    }
    if seen.is_empty() { Ok(None) } else { store_index(folder, kind, "seen", seen).map(Some) }
}

/// Writes an index under the name of its content. One that is already there, and whole, is left alone.
fn store_index(
    folder: &Path,
    kind: FeedKind,
    ending: &str,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<Stored, FeedError> {
    let mut file = unfinished(folder)?;
    let error = || io_error(folder);
    let mut out = BufWriter::with_capacity(1 << 16, file.as_file_mut());
    index::write(&mut out, entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))).map_err(error())?;
    out.flush().map_err(error())?;
    drop(out);
    file.as_file().sync_all().map_err(error())?;
    file.as_file_mut().seek(SeekFrom::Start(0)).map_err(error())?;
    let sha256 = store::sha256(file.as_file_mut()).map_err(error())?;
    let bytes = file.as_file().metadata().map_err(error())?.len();
    let name = format!("{kind}-{}.{ending}", sha256.get(..16).unwrap_or(&sha256));
    let stored = Stored { file: name, bytes, sha256 };
    if store::verify(folder, &stored).is_err() {
        let path = folder.join(&stored.file);
        file.persist(&path).map_err(|failed| io_error(&path)(failed.error))?;
        sync_folder(folder)?;
    }
    Ok(stored)
}

/// Replaces the manifest: the moment in which a sync takes effect.
fn write_manifest(folder: &Path, kind: FeedKind, manifest: &Manifest) -> Result<(), FeedError> {
    let path = store::manifest_path(folder, kind);
    let mut file = unfinished(folder)?;
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| io_error(&path)(error.into()))?;
    text.push(b'\n');
    file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(io_error(&path))?;
    file.persist(&path).map_err(|failed| io_error(&path)(failed.error))?;
    sync_folder(folder)
}

/// Removes indexes of `kind` that the manifest no longer names. Those who have one open keep it.
fn remove_old(folder: &Path, kind: FeedKind, manifest: &Manifest) {
    let current = [Some(&manifest.index), manifest.seen.as_ref()];
    let Ok(files) = fs::read_dir(folder) else { return };
    for name in files.flatten().filter_map(|file| file.file_name().into_string().ok()) {
        let ours = name.strip_prefix(kind.name()).and_then(|rest| rest.strip_prefix('-')).and_then(|rest| {
            let hash = rest.strip_suffix(".idx").or_else(|| rest.strip_suffix(".seen"))?;
            Some(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
        });
        if ours == Some(true) && !current.iter().flatten().any(|stored| stored.file == name) {
            // What can't be removed now is removed by a later sync.
            let _ = fs::remove_file(folder.join(name));
        }
    }
}

/// Takes the folder's lock, `None` if another process has it, and clears away what a killed sync left.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(folder)?;
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join("sync.lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(Some(lock))
}

fn unfinished(folder: &Path) -> Result<tempfile::NamedTempFile, FeedError> {
    tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder).map_err(io_error(folder))
}

/// Makes renames in a folder last through a power cut, where the system can.
fn sync_folder(folder: &Path) -> Result<(), FeedError> {
    if cfg!(unix) { File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder)) } else { Ok(()) }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FeedError + use<> {
    let path = path.to_owned();
    move |source| FeedError::Io { path, source }
}
