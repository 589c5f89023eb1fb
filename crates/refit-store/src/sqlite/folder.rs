//! The files of a log in its folder, who may read them, and the lock that keeps a second writer out.
//!
//! - `log.db`, `log.db-wal`, `log.db-shm` The database: <https://sqlite.org/wal.html> says what the last two are.
//! - `log.head` How far the log had come when an append was last acknowledged. It is written without waiting for the
//!   disk. It is there to say what is lost if the `-wal` file has gone.
//! - `log.lock` Locked by the process that writes; holds its number.
//! - `snapshots/` One file for each snapshot.
//! - `aside-1/`… What `restore` has replaced.

use crate::{
    batch::Seq,
    error::{Result, StoreError},
};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The folder of a log.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Held by the one process that may write. It ends with the process, however that ends.
#[derive(Debug)]
pub struct WriterLock {
    _file: File,
}

/// `log.head`, open for writing.
#[derive(Debug)]
pub struct HeadFile(File);

impl Folder {
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("log.db")
    }

    pub fn wal(&self) -> PathBuf {
        self.0.join("log.db-wal")
    }

    pub fn shm(&self) -> PathBuf {
        self.0.join("log.db-shm")
    }

    pub fn snapshots(&self) -> PathBuf {
        self.0.join("snapshots")
    }

    pub fn head(&self) -> PathBuf {
        self.0.join("log.head")
    }

    /// A name that is not taken, for what has to be kept.
    pub fn aside(&self) -> PathBuf {
        let names = (1_u32..).map(|n| self.0.join(format!("aside-{n}")));
        names.into_iter().find(|path| !path.exists()).unwrap_or_else(|| self.0.join("aside"))
    }

    /// Makes the folder, readable for nobody else, unless there is one.
    pub fn create(&self) -> Result<()> {
        create_folder(&self.0)
    }

    /// Keeps other writers out, until the lock is dropped.
    pub fn lock(&self) -> Result<WriterLock> {
        let path = self.0.join("log.lock");
        let mut options = private();
        options.read(true);
        let mut file = options.open(&path).map_err(failed("write", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
                return Err(StoreError::InUse { folder: self.0.clone(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        // The number only helps people; a full disk does not keep the log shut.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(WriterLock { _file: file })
    }

    /// How far the log had come when an append was last acknowledged, as far as that is known.
    pub fn acknowledged(&self) -> Option<Seq> {
        fs::read_to_string(self.head()).ok()?.trim().parse().ok()
    }

    pub fn open_head(&self) -> Result<HeadFile> {
        let path = self.head();
        private().open(&path).map(HeadFile).map_err(failed("write", &path))
    }
}

impl HeadFile {
    /// Notes how far the log has come. Failing is no failure of the append: the event is in the log.
    pub fn note(&mut self, head: Seq) {
        use std::io::Seek as _;
        let text = format!("{head:020}\n");
        let _ = self.0.rewind().and_then(|()| self.0.write_all(text.as_bytes()));
    }
}

/// Options for writing a file that only its owner may read.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

pub fn create_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed("make", path))
}

/// Takes a file's content to the disk.
pub fn sync_file(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(failed("flush", path))
}

/// Takes a folder's names to the disk: after new files and renames.
pub fn sync_folder(path: &Path) -> Result<()> {
    if cfg!(unix) { sync_file(path) } else { Ok(()) }
}

/// Writes a file that is there as a whole or not at all.
pub fn write_whole(path: &Path, parts: &[&[u8]]) -> Result<()> {
    let beside = path.with_extension("partial");
    let write = || -> io::Result<()> {
        let mut file = private().truncate(true).open(&beside)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed("write", path)(error)
    })?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// An IO error with the place where it happened.
pub fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::Full { place: path.display().to_string() }
        }
        _ => StoreError::File { action, path, source },
    }
}
