//! What is remembered of a system with an API: a file in Refit's data folder, whole or as it was before, and only one run at a time.

use super::{
    apply::{Advice, Lock, replace},
    file_of,
};
use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// The folder in the data folder.
const FOLDER: &str = "targets";

/// What is remembered of a target.
#[derive(Clone, Debug)]
pub struct Record {
    path: PathBuf,
}

/// Why it can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Somebody else is at it.
    #[error("another run is changing this target ({} is locked): try again when it has ended", .0.display())]
    Busy(PathBuf),
    /// It can't be read.
    #[error("{} can't be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It can't be written.
    #[error("{} can't be written: {source}. {}", path.display(), Advice(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Record {
    /// That of a target of some name, in a data folder.
    pub fn new(data: &Path, target: &str) -> Record {
        Record { path: data.join(FOLDER).join(file_of(target)) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps other runs from changing the same target meanwhile.
    pub fn lock(&self) -> Result<Lock, RecordError> {
        let path = self.path.with_extension("lock");
        let failed = |source| RecordError::Write { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        Lock::of(&path).map_err(failed)?.ok_or_else(|| RecordError::Busy(path.clone()))
    }

    /// What is remembered; `None` where nothing is.
    pub fn read(&self) -> Result<Option<String>, RecordError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RecordError::Read { path: self.path.clone(), source }),
        }
    }

    /// Remembers something in the place of what was remembered before.
    pub fn write(&self, _lock: &Lock, text: &str) -> Result<(), RecordError> {
        replace(&self.path, text.as_bytes()).map_err(|source| RecordError::Write { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_remembers_what_it_did() {
        let data = tempfile::tempdir().unwrap();
        let record = Record::new(data.path(), "a/b");
        assert_eq!(record.read().unwrap(), None);
        let lock = record.lock().unwrap();
        assert!(matches!(record.lock(), Err(RecordError::Busy(_))));
        record.write(&lock, "1").unwrap();
        record.write(&lock, "2").unwrap();
        assert_eq!(record.read().unwrap().as_deref(), Some("2"));
        drop(lock);
        assert!(record.lock().is_ok());
        assert_eq!(record.path(), data.path().join("targets/a_b.json"));
    }
}
