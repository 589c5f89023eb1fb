//! What Refit remembers of this machine between two commands: since when policies apply, when releases were first offered, when
//! spells of not complying began.

use crate::Refused;
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

/// The version of the file's format.
const FORMAT: u32 = 1;

/// What is remembered of this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    format: u32,
    /// When this machine was first looked at.
    pub enrolled: Timestamp,
    /// When policies first applied, by name.
    #[serde(default)]
    pub policies: BTreeMap<String, Timestamp>,
    /// When entries of deadlines first applied, by policy and text.
    #[serde(default)]
    pub entries: BTreeMap<String, BTreeMap<String, Timestamp>>,
    /// When releases were published as far as was known when they were first seen, by title and version.
    #[serde(default)]
    pub published: BTreeMap<String, BTreeMap<String, Timestamp>>,
    /// When spells of not complying began, by title.
    #[serde(default)]
    pub spells: BTreeMap<String, Timestamp>,
    /// When conditions on advisories first held, by advisory and text.
    #[serde(default)]
    pub latches: BTreeMap<String, BTreeMap<String, Timestamp>>,
}

impl Memory {
    /// What was remembered in the data folder; a fresh memory where there is none.
    pub fn read(data: &Path, now: Timestamp) -> Result<Memory> {
        let path = path(data);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Memory::fresh(now)),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let memory: Memory = serde_json::from_str(&text).with_context(|| {
            format!("{} is damaged. Due times were counted from it; move it away to begin anew", path.display())
        })?;
        if memory.format != FORMAT {
            bail!("{} has format {}, and this program reads {FORMAT}", path.display(), memory.format);
        }
        Ok(memory)
    }

    fn fresh(now: Timestamp) -> Memory {
        Memory {
            format: FORMAT,
            enrolled: now,
            policies: BTreeMap::new(),
            entries: BTreeMap::new(),
            published: BTreeMap::new(),
            spells: BTreeMap::new(),
            latches: BTreeMap::new(),
        }
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, data: &Path) -> Result<()> {
        let path = path(data);
        let folder = path.parent().unwrap_or(data);
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let unfinished = path.with_extension(format!("json.{}", std::process::id()));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&unfinished)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&unfinished);
            anyhow::Error::new(error).context(format!("{} can't be written", path.display()))
        })
    }
}

fn path(data: &Path) -> PathBuf {
    data.join("local").join("memory.json")
}

/// The data folder: as it is given, or the usual place. What is no folder is refused.
pub fn data_folder(given: Option<&Path>) -> Result<PathBuf> {
    let folder = given.map_or_else(usual_folder, Path::to_owned);
    // A part of the path that is a file is found as soon as something in it is asked for.
    match std::fs::metadata(folder.join(".")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(Refused::usage(format!("the data folder {} can't be used: it is no folder", folder.display())))
        }
        _ => Ok(folder),
    }
}

fn usual_folder() -> PathBuf {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    // Root's data is the machine's, whoever became root and however.
    let (false, Some(home)) = (rustix::process::geteuid().is_root(), home) else {
        return PathBuf::from("/var/lib/refit");
    };
    match std::env::var_os("XDG_DATA_HOME") {
        Some(share) if !share.is_empty() => PathBuf::from(share).join("refit"),
        _ => Path::new(&home).join(".local/share/refit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let data = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let mut memory = Memory::read(data.path(), now).unwrap();
        memory.policies.insert("browsers".into(), now);
        memory.write(data.path()).unwrap();
        let later = "2027-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(Memory::read(data.path(), later).unwrap(), memory);
        assert_eq!(std::fs::read_dir(data.path().join("local")).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_memory_is_no_fresh_one() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(data.path().join("local")).unwrap();
        for text in ["", "{", "[]", r#"{"format": 99, "enrolled": "2026-11-23T09:00:00Z"}"#] {
            std::fs::write(path(data.path()), text).unwrap();
            assert!(Memory::read(data.path(), Timestamp::UNIX_EPOCH).is_err(), "{text}");
        }
    }
}
