//! Changing files in a folder.
//!
//! Before anything is done it is written down what is to be done, and afterwards what was. Where a run is broken off, by whatever, the first
//! of the two stays; since a file is written whole or not at all, the folder itself says how far the run came.

use super::{Folder, unfinished};
use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

/// One file to be written or taken away.
#[derive(Clone, Copy, Debug)]
pub struct FileStep<'s> {
    /// Its path in the folder.
    pub path: &'s str,
    /// Its text; `None` takes it away.
    pub text: Option<&'s str>,
    /// Folders that go with it where nothing else is in them, the inner ones first.
    pub emptied: &'s [String],
}

/// Keeps others from changing a folder meanwhile, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a file, which is made where it is not there; `None` where somebody else has it.
    pub(super) fn of(path: &Path) -> io::Result<Option<Lock>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(source),
        }
    }
}

/// Why a folder was not changed, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody else is at it.
    #[error("another run is changing {}: try again when it has ended", .0.display())]
    Busy(PathBuf),
    /// What is remembered can't be written.
    #[error("{} can't be written: {source}. Nothing was changed. {}", path.display(), Advice(source))]
    Record {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// All was done, and that can't be written down.
    #[error("all files are as they should be, and {} can't be written: {source}. {}", path.display(), Advice(source))]
    Ending {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A path leads out of the folder.
    #[error("{} would lead out of the folder ({why}): nothing was changed", path.display())]
    Outside {
        /// The path.
        path: PathBuf,
        /// How.
        why: &'static str,
    },
    /// A file can't be changed.
    #[error(
        "{} can't be {}: {source}. {done} of {of} files were changed before, and what is to be done is remembered. {}",
        path.display(), if *is_removal { "taken away" } else { "written" }, Advice(source)
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Whether it should go.
        is_removal: bool,
        /// So many files were changed before.
        done: usize,
        /// Of so many.
        of: usize,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What to do about an error of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct Advice<'e>(pub &'e io::Error);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "The disk is full: make room there, and run the same command again; it goes on from here"
            }
            ErrorKind::ReadOnlyFilesystem => {
                "The file system is mounted for reading only: mount it for writing, and run the same command again"
            }
            ErrorKind::PermissionDenied => "Run the same command as a user who may write there",
            ErrorKind::IsADirectory | ErrorKind::NotADirectory => {
                "A folder stands where a file should be, or a file where a folder should be: move it away, and run the same command again"
            }
            _ => "When that is mended, run the same command again: it goes on from here",
        })
    }
}

impl Folder {
    /// Keeps others from changing the folder for the same target: another target's files are others. It is made where it is not there.
    pub fn lock(&self) -> Result<Lock, ApplyError> {
        let own = self.record.parent().unwrap_or(&self.path);
        let path = self.record.with_extension("lock");
        let failed = |source| ApplyError::Record { path: path.clone(), source };
        if self.is_through_a_link(&path) {
            return Err(ApplyError::Outside { path, why: "a folder in it is a symbolic link" });
        }
        fs::create_dir_all(own).map_err(failed)?;
        Lock::of(&path).map_err(failed)?.ok_or_else(|| ApplyError::Busy(self.path.clone()))
    }

    /// Does the steps, in their order. `begun` is what is remembered meanwhile, `done` what is remembered when all of them are done.
    /// `unfinished_before` are files that an earlier run may have been at when it was broken off.
    pub fn apply(
        &self,
        _lock: &Lock,
        steps: &[FileStep<'_>],
        unfinished_before: &[&str],
        begun: &str,
        done: &str,
    ) -> Result<(), ApplyError> {
        let of = steps.len();
        // All paths are looked at before anything is done.
        let mut files = Vec::with_capacity(of);
        for step in steps {
            files.push(self.place(step.path)?);
        }
        for path in unfinished_before {
            // What can't be removed now is in nobody's way.
            let _ = fs::remove_file(unfinished(&self.place(path)?));
        }
        let record = |text: &str| replace(&self.record, text.as_bytes());
        if !steps.is_empty() {
            record(begun).map_err(|source| ApplyError::Record { path: self.record.clone(), source })?;
        }
        for (number, (step, file)) in steps.iter().zip(&files).enumerate() {
            let changed = match step.text {
                Some(text) => {
                    file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| replace(file, text.as_bytes()))
                }
                None => self.take_away(file, step.emptied),
            };
            changed.map_err(|source| ApplyError::File {
                path: file.clone(),
                is_removal: step.text.is_none(),
                done: number,
                of,
                source,
            })?;
        }
        if fs::read(&self.record).is_ok_and(|known| known == done.as_bytes()) {
            return Ok(());
        }
        record(done).map_err(|source| ApplyError::Ending { path: self.record.clone(), source })
    }

    fn place(&self, path: &str) -> Result<PathBuf, ApplyError> {
        let outside = |why| ApplyError::Outside { path: path.into(), why };
        let file = self.inside(path).ok_or_else(|| outside("it is no path in a folder"))?;
        if self.is_through_a_link(&file) { Err(outside("a folder in it is a symbolic link")) } else { Ok(file) }
    }

    /// Whether a folder above a file is a link: whoever put it there says where Refit writes.
    fn is_through_a_link(&self, file: &Path) -> bool {
        let is_link = |folder: &Path| fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_symlink());
        file.ancestors().skip(1).take_while(|folder| *folder != self.path).any(is_link)
    }

    fn take_away(&self, file: &Path, emptied: &[String]) -> io::Result<()> {
        match fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(folder) = file.parent().filter(|folder| folder.is_dir()) {
            File::open(folder)?.sync_all()?;
        }
        // One in which something else is stays, and so do those around it.
        let _ = emptied.iter().filter_map(|folder| self.inside(folder)).try_for_each(fs::remove_dir);
        Ok(())
    }
}

/// Puts a text in the place of a file: after a loss of power there is the old one or the new one. A file that is there keeps its mode.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = unfinished(path);
    // One that was left lying may be a link by now: a new file is made, and none is written through.
    match fs::remove_file(&next) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let known = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&next)?;
        file.write_all(bytes)?;
        if let Some(known) = known {
            file.set_permissions(known.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&next, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    if written.is_err() {
        // The error that counts is the first one.
        let _ = fs::remove_file(&next);
    }
    written
}
