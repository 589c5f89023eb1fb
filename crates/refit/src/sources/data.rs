//! What sources said, in the data folder: `sources/NAME.json` for each, `identity/records.json` for who is who, and
//! `identity/history.ndjson`, to which every change of that is added.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use refit_core::facts::{
    estate::{Estate, Source},
    identity::{Change, Node, Settled},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The version of these files.
const VERSION: u32 = 1;

/// One source as it is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stored {
    version: u32,
    /// Its name.
    pub name: SmolStr,
    /// Where the next reading of changes begins, by list.
    pub marks: BTreeMap<SmolStr, Mark>,
    /// When each list was asked.
    #[serde(default)]
    pub lists: BTreeMap<SmolStr, ListState>,
    /// When all of it was last read.
    pub whole: Option<Timestamp>,
    /// What it says.
    pub source: Source,
}

/// Where the next reading of changes of a list begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// At this time.
    Since(Timestamp),
    /// At this address.
    Delta(String),
}

/// When a list was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListState {
    /// When it was last asked.
    pub asked: Timestamp,
    /// When it was last asked for all that there is.
    pub whole: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Identity {
    version: u32,
    records: Vec<Node>,
}

/// One line of the history.
#[derive(Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    #[serde(flatten)]
    change: Change,
}

impl Stored {
    /// A source that was never read.
    pub fn new(name: &str) -> Stored {
        Stored { version: VERSION, name: name.into(), ..Stored::default() }
    }

    /// Notes that lists were asked at this time, each for all that there is or only for what has changed.
    pub fn asked(&mut self, lists: impl IntoIterator<Item = (SmolStr, bool)>, at: Timestamp) {
        for (name, whole) in lists {
            let before = self.lists.get(&name).and_then(|state| state.whole);
            self.lists.insert(name, ListState { asked: at, whole: if whole { Some(at) } else { before } });
        }
        // All of it is as old as the list that is oldest.
        self.whole = self.lists.values().map(|state| state.whole).min().flatten();
    }
}

/// All that is kept, with what people have settled by now.
pub fn read(data: &Path, settled: Settled) -> Result<(Estate, BTreeMap<SmolStr, Stored>)> {
    let mut stored = BTreeMap::new();
    for path in files(data)? {
        let source: Stored = parsed(&path)?;
        known_version(source.version, &path)?;
        stored.insert(source.name.clone(), source);
    }
    let path = records(data);
    let nodes = if path.exists() {
        let identity: Identity = parsed(&path)?;
        known_version(identity.version, &path)?;
        identity.records
    } else {
        Vec::new()
    };
    let sources = stored.iter().map(|(name, stored)| (name.clone(), stored.source.clone())).collect();
    Ok((Estate::restore(nodes, sources, settled), stored))
}

/// The files of all sources.
fn files(data: &Path) -> Result<Vec<PathBuf>> {
    let folder = data.join("sources");
    let mut paths = Vec::new();
    match fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry.with_context(|| folder.display().to_string())?.path());
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| folder.display().to_string()),
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    Ok(paths)
}

/// How the files of sources and of who is who are: whoever writes one of them leaves another trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces(BTreeMap<PathBuf, (u64, SystemTime, u64)>);

impl Traces {
    /// As they are now.
    pub fn of(data: &Path) -> Result<Traces> {
        let mut traces = BTreeMap::new();
        for path in files(data)?.into_iter().chain([records(data)]) {
            match fs::metadata(&path) {
                Ok(found) => {
                    let written = found.modified().with_context(|| path.display().to_string())?;
                    traces.insert(path, (found.len(), written, number(&found)));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
        Ok(Traces(traces))
    }

    /// How many bytes there are in all of them.
    pub fn bytes(&self) -> u64 {
        self.0.values().map(|(length, ..)| length).sum()
    }
}

/// Each file that is written is a new one.
#[cfg(unix)]
fn number(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> u64 {
    0
}

/// Keeps others from reading and writing it until the file is dropped; `None` where somebody does just now.
pub fn lock(data: &Path) -> Result<Option<File>> {
    let path = data.join("sources").join("lock");
    make_folder(&path)?;
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Writes a source, who is who, and what has changed of that.
pub fn write(data: &Path, stored: &Stored, estate: &Estate, changes: &[Change], at: Timestamp) -> Result<()> {
    write_identity(data, estate, changes, at)?;
    whole(&data.join("sources").join(format!("{}.json", file_name(&stored.name))), stored)
}

/// Writes who is who, and what has changed of that.
pub fn write_identity(data: &Path, estate: &Estate, changes: &[Change], at: Timestamp) -> Result<()> {
    // The history first: what is in it twice is harmless, and what is missing is lost.
    if !changes.is_empty() {
        let path = data.join("identity").join("history.ndjson");
        let mut text = String::new();
        for change in changes {
            text += &serde_json::to_string(&Line { at, change: change.clone() })?;
            text.push('\n');
        }
        make_folder(&path)?;
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().with_context(|| format!("{} can't be written", path.display()))?;
    }
    let identity = Identity { version: VERSION, records: estate.registry.nodes().to_vec() };
    whole(&records(data), &identity)
}

fn records(data: &Path) -> PathBuf {
    data.join("identity").join("records.json")
}

/// A source's name as a file may be called: letters and digits, and others by their number.
fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.chars().map(|c| if plain(c) { c.to_string() } else { format!("%{:x}", u32::from(c)) }).collect()
}

fn parsed<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| {
        format!("{}: the file is damaged; `refit sources sync --full` without it reads the source anew", path.display())
    })
}

fn known_version(version: u32, path: &Path) -> Result<()> {
    if version != VERSION {
        bail!(
            "{}: it was written by another version of Refit ({version}, and this one writes {VERSION})",
            path.display()
        );
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    // What sources say of people is nobody else's.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

/// Writes a file whole or not at all.
fn whole(path: &Path, value: &impl Serialize) -> Result<()> {
    make_folder(path)?;
    let unfinished = path.with_extension(format!("json.{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(File::create(&unfinished)?);
        serde_json::to_writer(&mut file, value)?;
        file.write_all(b"\n")?;
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&unfinished);
        anyhow::Error::new(error).context(format!("{} can't be written", path.display()))
    })
}
