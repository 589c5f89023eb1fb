//! Opening a log, whatever happened to it.
//!
//! After a kill or a loss of power SQLite takes what it committed from the `-wal` file by itself
//! (<https://sqlite.org/wal.html>, <https://sqlite.org/walformat.html#recovery>). What it can't know is whether that file
//! was cut, or taken away: that is what `log.head` is for. Where it says that something acknowledged is missing, nothing
//! is believed before everything has been checked, and nothing is written before that.

use super::{
    SqliteStore,
    connect::{self, database},
    folder::{Folder, create_folder},
    rows::{self, damaged},
    verify::{self, Report},
    writer::{Known, Writer},
};
use crate::{batch::Seq, error::Result};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqlitePoolOptions};
use std::{
    fmt, fs,
    io::Read as _,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

/// How many events at the end of the log are compared with the chain when it is opened. All others are compared when they
/// are read.
const TAIL: u64 = 1_000;

/// Up to what size of the file SQLite's own check of all pages is made when a log is opened; it reads the whole file.
const QUICK_CHECK_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Connections that read. Each is a thread; reads are short.
const READERS: u32 = 4;

/// What was found when a log was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// Where the log ends.
    pub head: Seq,
    /// Whether there was no log, and one was made.
    pub new: bool,
    /// Whether an earlier process left a `-wal` file behind, because it was killed or lost its power. What it had committed
    /// there is in the log.
    pub recovered: bool,
    /// Events that had been acknowledged and are gone, because somebody or something cut the `-wal` file or took it away.
    /// The log is whole without them, but others may have seen them.
    pub lost: Option<RangeInclusive<Seq>>,
    /// A `-wal` file that no longer fitted the log. It was renamed to this.
    pub set_aside: Option<PathBuf>,
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.new {
            return f.write_str("a new log");
        }
        write!(f, "the log ends at event {}", self.head)?;
        if self.recovered {
            f.write_str("; it was not closed, and was recovered from its -wal file")?;
        }
        if let Some(aside) = &self.set_aside {
            write!(f, "; its -wal file was damaged and is now {}", aside.display())?;
        }
        if let Some(lost) = &self.lost {
            let (first, last) = (lost.start(), lost.end());
            write!(f, "; LOST: events {first} to {last} were acknowledged and are gone, a backup may have them")?;
        }
        Ok(())
    }
}

/// Opens the log in a folder for writing; makes both if they are not there. Only one process can have it open like this.
///
/// The end of the log is checked, and all of a small file; a large one is checked by [`verify`](super::verify()), which can
/// run while the log is in use.
pub async fn open_sqlite(folder: &Path) -> Result<(SqliteStore, Opened)> {
    let folder = Folder::new(folder);
    folder.create()?;
    let lock = folder.lock()?;
    let mut opened = Opened { head: 0, new: false, recovered: false, lost: None, set_aside: None };
    let path = folder.database();
    opened.new = !is_there(&folder)?;
    opened.recovered = size(&folder.wal()) > 0;
    let acknowledged = folder.acknowledged().unwrap_or(0);
    if !opened.new && read_head(&path).await.is_none_or(|head| head < acknowledged) {
        opened.set_aside = mend(&folder, acknowledged).await?;
    }

    let mut connection = connect::writer(&folder).await?;
    connect::migrate(&mut connection, &path).await?;
    if opened.new {
        super::folder::sync_folder(folder.path())?;
    }
    check_size(&mut connection, &path).await?;
    let known = Known::read(&mut connection, &path).await?;
    rows::events(&mut connection, &path, known.head.saturating_sub(TAIL), usize::MAX).await?;
    opened.head = known.head;
    opened.lost = (known.head < acknowledged).then(|| known.head + 1..=acknowledged);

    let readers = SqlitePoolOptions::new().max_connections(READERS).test_before_acquire(false);
    let store = SqliteStore {
        readers: readers.idle_timeout(None).max_lifetime(None).connect_lazy_with(connect::reader(&path)),
        writer: Writer::new(&folder, connection, known)?,
        long_work: tokio::sync::Mutex::default(),
        folder,
        _lock: lock,
    };
    Ok((store, opened))
}

/// Whether there is a log; an empty file, from a start that was killed, is none. Makes its file, for its owner only, if there is none.
fn is_there(folder: &Folder) -> Result<bool> {
    let path = folder.database();
    let mut file = super::folder::private().read(true).open(&path).map_err(super::folder::failed("write", &path))?;
    let mut beginning = Vec::new();
    file.by_ref().take(16).read_to_end(&mut beginning).map_err(super::folder::failed("read", &path))?;
    match &beginning[..] {
        // The first sixteen bytes of the format: https://sqlite.org/fileformat.html#the_database_header
        b"SQLite format 3\0" => Ok(true),
        [] if folder.acknowledged().is_none_or(|head| head == 0) => Ok(size(&folder.wal()) > 0),
        [] => Err(damaged(&path, "the file is empty or missing, but a log was here")),
        _ => Err(damaged(&path, "it does not begin as a SQLite file does")),
    }
}

/// Where the log ends, if that can be said without writing anything.
async fn read_head(path: &Path) -> Option<Seq> {
    let mut connection = connect::reader(path).connect().await.ok()?;
    let end = rows::end(&mut connection, path).await;
    let _ = connection.close().await;
    end.ok().map(|(head, _)| head)
}

/// Something is missing. Whether the main file with what there is of the `-wal` file is a whole log, or the main file alone;
/// the `-wal` file is set aside in the second case. A main file alone is whole if the other had been moved into it and was
/// then cut.
async fn mend(folder: &Folder, acknowledged: Seq) -> Result<Option<PathBuf>> {
    let path = folder.database();
    let with_wal = check(&path, connect::reader(&path)).await;
    let there = size(&folder.wal()) > 0;
    let alone =
        if there { check(&path, connect::reader(&path).immutable(true)).await } else { Err(damaged(&path, "")) };
    match (with_wal, alone) {
        (Ok(with), Ok(alone)) if alone.is_good() && (!with.is_good() || alone.head > with.head) => {
            set_aside(folder).map(Some)
        }
        (Err(_), Ok(alone)) if alone.is_good() => set_aside(folder).map(Some),
        (Ok(with), _) if with.is_good() => Ok(None),
        (Ok(with), _) => {
            let what = with.problems.first().cloned().unwrap_or_default();
            Err(damaged(&path, &format!("{what}; it should reach event {acknowledged}")))
        }
        (Err(error), _) => Err(error),
    }
}

async fn check(path: &Path, options: sqlx::sqlite::SqliteConnectOptions) -> Result<Report> {
    let mut connection = options.connect().await.map_err(database(path))?;
    let report = verify::check(&mut connection, path).await;
    let _ = connection.close().await;
    report
}

fn set_aside(folder: &Folder) -> Result<PathBuf> {
    let aside = folder.aside();
    create_folder(&aside)?;
    let to = aside.join("log.db-wal");
    fs::rename(folder.wal(), &to).map_err(super::folder::failed("move", &folder.wal()))?;
    let _ = fs::remove_file(folder.shm());
    super::folder::sync_folder(folder.path())?;
    Ok(to)
}

/// Takes what is in the `-wal` file into the main file, and looks whether that has all its pages; and of a small one,
/// whether they fit together.
async fn check_size(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let query = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
    query.execute(&mut *connection).await.map_err(database(path))?;
    let query = sqlx::query_as("SELECT page_count, page_size FROM pragma_page_count, pragma_page_size");
    let (pages, page_bytes): (i64, i64) = query.fetch_one(&mut *connection).await.map_err(database(path))?;
    let (should, is) = (pages.saturating_mul(page_bytes), rows::number(size(path)));
    if is < should {
        return Err(damaged(path, &format!("the file has {is} bytes and should have {should}")));
    }
    if is <= rows::number(QUICK_CHECK_BYTES_MAX) {
        let query = sqlx::query_scalar("PRAGMA quick_check(1)");
        let line: String = query.fetch_one(connection).await.map_err(database(path))?;
        if line != "ok" {
            return Err(damaged(path, &line));
        }
    }
    Ok(())
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
