//! Connections to the database file, and what its errors mean.

use super::folder::Folder;
use crate::error::StoreError;
use sqlx::{
    ConnectOptions as _, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{path::Path, time::Duration};

/// How long one connection waits for another: for a checkpoint or a reader to end. The process that writes is alone, so
/// more means that something hangs.
const BUSY: Duration = Duration::from_secs(10);

/// To what size the `-wal` file is cut back after it was needed to be larger: at 4 MiB SQLite moves it into the main file.
const WAL_BYTES_KEPT: u32 = 16 * 1024 * 1024;

/// The connection that writes: every commit is on the disk before it returns (`synchronous = FULL`, see
/// <https://sqlite.org/pragma.html#pragma_synchronous>), and what is deleted is overwritten (`secure_delete`).
pub async fn writer(folder: &Folder) -> Result<SqliteConnection, StoreError> {
    let path = folder.database();
    let options = options(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .pragma("journal_size_limit", WAL_BYTES_KEPT.to_string());
    options.connect().await.map_err(database(&path))
}

/// Options of a connection that only reads, beside a writer.
pub fn reader(path: &Path) -> SqliteConnectOptions {
    options(path).read_only(true).row_buffer_size(1_000)
}

/// A connection to a file that nobody writes, and beside which nothing is to be written.
pub async fn still(path: &Path) -> Result<SqliteConnection, StoreError> {
    reader(path).immutable(true).connect().await.map_err(database(path))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).foreign_keys(true).busy_timeout(BUSY).disable_statement_logging()
}

/// Brings the tables to what this version knows.
pub async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let place = path.display().to_string();
    migrations().run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => {
            StoreError::Newer { place, what: format!("step {version} of its tables") }
        }
        MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) => {
            StoreError::Damaged { place, what: format!("its tables are not Refit's: {error}") }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => database(path)(error),
        error => StoreError::Database { place, what: error.to_string() },
    })
}

fn migrations() -> Migrator {
    let log = sqlx::SqlSafeStr::into_sql_str(include_str!("../../migrations/sqlite/0001_log.sql"));
    Migrator::with_migrations(vec![Migration::new(1, "log".into(), MigrationType::Simple, log, false)])
}

/// What an error of SQLite means; codes are in <https://sqlite.org/rescode.html>.
pub fn database(path: &Path) -> impl FnOnce(sqlx::Error) -> StoreError + use<> {
    let place = path.display().to_string();
    move |error| {
        let code = error.as_database_error().and_then(|error| error.code());
        let code: Option<i32> = code.and_then(|code| code.parse().ok());
        let what = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        match (code, code.map(|code| code & 0xff)) {
            // SQLITE_FULL, and SQLITE_IOERR_SHMSIZE: the file of the shared memory can't grow.
            (_, Some(13)) | (Some(4874), _) => StoreError::Full { place },
            // SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_IOERR_SHORT_READ.
            (_, Some(11 | 26)) | (Some(522), _) => StoreError::Damaged { place, what },
            // SQLITE_ERROR: the tables are not those that were made.
            (_, Some(1)) => StoreError::Damaged { place, what },
            _ if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                StoreError::Damaged { place, what }
            }
            _ => StoreError::Database { place, what },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_writer_waits_for_the_disk_and_overwrites_what_it_deletes() {
        let data = tempfile::TempDir::new().unwrap();
        let mut writer = writer(&Folder::new(data.path())).await.unwrap();
        for (setting, expected) in [
            ("SELECT synchronous || '' FROM pragma_synchronous", "2"),
            ("SELECT journal_mode FROM pragma_journal_mode", "wal"),
            ("SELECT secure_delete || '' FROM pragma_secure_delete", "1"),
            ("SELECT foreign_keys || '' FROM pragma_foreign_keys", "1"),
        ] {
            let value: String = sqlx::query_scalar(setting).fetch_one(&mut writer).await.unwrap();
            assert_eq!(value, expected, "{setting}");
        }
    }

    #[tokio::test]
    async fn a_log_of_a_newer_version_is_left_alone() {
        let data = tempfile::TempDir::new().unwrap();
        let (store, _) = crate::open_sqlite(data.path()).await.unwrap();
        store.close().await.unwrap();
        let mut writer = writer(&Folder::new(data.path())).await.unwrap();
        let newer = "INSERT INTO _sqlx_migrations SELECT 999, 'newer', installed_on, success, checksum, execution_time \
                     FROM _sqlx_migrations";
        sqlx::query(newer).execute(&mut writer).await.unwrap();
        drop(writer);
        let error = crate::open_sqlite(data.path()).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
        assert!(error.to_string().contains("use that version"), "{error}");
    }
}
