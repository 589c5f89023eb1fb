//! Asking databases: the rows of a query, as JSON, in batches that stand for pages. PostgreSQL makes JSON of a row itself, so that
//! all of its types are there; of SQLite's values there are five.
//!
//! A query is one statement that is put in parentheses, in a transaction that can't write. What it may read is for the database
//! to say: who asks has a role of its own.

use super::{
    AskError, Secret,
    address::host,
    client::{Answered, PageReader},
    question::patience,
};
use crate::feeds::NetworkOptions;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Row as _, TypeInfo as _, ValueRef as _,
    postgres::{PgConnectOptions, PgSslMode},
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use std::{
    future::Future,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

/// So many rows are handed over at once.
const ROWS_AT_ONCE: usize = 1000;
/// What may stand in an address besides where the server is: how the connection is protected. Others lead elsewhere (`host`) or say
/// who asks (`user`).
const PARAMETERS: [&str; 2] = ["sslmode", "sslrootcert"];

/// A database.
#[derive(Clone, Debug)]
pub struct Database {
    /// Where it is.
    pub place: Place,
    /// How patiently it is asked.
    pub network: NetworkOptions,
}

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file of SQLite's.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres {
        /// Its address, such as `postgres://db.example/inventory`. Unless it says something else (`?sslmode=require`), a server that
        /// is not on this machine has to have a certificate that is trusted.
        address: String,
        /// Who asks.
        user: Option<String>,
        /// Its password.
        password: Option<Secret>,
        /// The addresses of hosts that may be told that, with the parameters that the address may have; none is: whatever it names.
        hosts: Vec<String>,
    },
}

impl Database {
    /// A database that is asked as patiently as other systems are.
    pub fn new(place: Place) -> Database {
        Database { place, network: patience() }
    }

    /// Reads the rows of a query. `since` stands for `:since` in it. `page` is as in [`super::Client::read`].
    pub fn read(&self, sql: &str, since: Timestamp, page: PageReader<'_>) -> Result<Answered, AskError> {
        let query = self.query(sql)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| self.error(error.to_string()))?;
        let limit = self.network.total_timeout;
        let rows = async {
            match &self.place {
                Place::Sqlite(path) => self.sqlite(path, query, since, page).await,
                Place::Postgres { .. } => self.postgres(query, since, page).await,
            }
        };
        runtime.block_on(async {
            match tokio::time::timeout(limit, rows).await {
                Ok(answered) => answered,
                Err(_) => Err(AskError::TooSlow { url: self.shown(), limit }),
            }
        })
    }

    /// The query in its parentheses.
    fn query(&self, sql: &str) -> Result<String, AskError> {
        let sql = sql.trim().trim_end_matches(';');
        if sql.contains(';') {
            return Err(self.error("the query has to be one statement, without `;`".to_owned()));
        }
        // A line of its own for the end: the query's last may be a comment.
        Ok(match &self.place {
            Place::Sqlite(_) => format!("select * from ({}\n) as refit_rows", bound(sql, "?1")),
            Place::Postgres { .. } => {
                let sql = bound(sql, "cast(cast($1 as text) as timestamptz)");
                // Named once where the query does not, so that it is always there to be bound.
                format!(
                    "select row_to_json(refit_rows)::text from ({sql}\n) as refit_rows where cast($1 as text) is not null"
                )
            }
        })
    }

    async fn sqlite(
        &self,
        path: &Path,
        query: String,
        since: Timestamp,
        page: PageReader<'_>,
    ) -> Result<Answered, AskError> {
        if !path.is_file() {
            return Err(self.error("there is no such file".to_owned()));
        }
        let options = SqliteConnectOptions::new().filename(path).read_only(true).create_if_missing(false);
        let mut connection = options.connect().await.map_err(|error| self.failed(&error))?;
        let mut batch = Batch::new(page, self.shown());
        {
            let mut rows =
                sqlx::query::<sqlx::Sqlite>(AssertSqlSafe(query)).bind(since.to_string()).fetch(&mut connection);
            while let Some(row) = rows.try_next().await.map_err(|error| self.failed(&error))? {
                let row = object(&row).map_err(|error| self.failed(&error))?;
                batch.add(&Value::Object(row).to_string())?;
            }
        }
        let _ = connection.close().await;
        batch.finish()
    }

    async fn postgres(&self, query: String, since: Timestamp, page: PageReader<'_>) -> Result<Answered, AskError> {
        let options = self.options()?;
        let connecting = within(Duration::from_secs(60), options.connect());
        let mut connection = match connecting.await {
            Some(connected) => connected.map_err(|error| self.failed(&error))?,
            None => return Err(self.error("it does not answer".to_owned())),
        };
        let mut batch = Batch::new(page, self.shown());
        let limit = self.network.total_timeout.as_millis();
        let begin = format!(
            "begin transaction isolation level repeatable read, read only; set local statement_timeout = {limit}"
        );
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await.map_err(|error| self.failed(&error))?;
        {
            let query = sqlx::query_scalar::<sqlx::Postgres, String>(AssertSqlSafe(query)).persistent(false);
            let mut rows = query.bind(since.to_string()).fetch(&mut connection);
            while let Some(row) = rows.try_next().await.map_err(|error| self.failed(&error))? {
                batch.add(&row)?;
            }
        }
        let _ = connection.close().await;
        batch.finish()
    }

    fn options(&self) -> Result<PgConnectOptions, AskError> {
        let Place::Postgres { address, user, password, hosts } = &self.place else {
            return Err(self.error("it is no PostgreSQL server".to_owned()));
        };
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
        let Some(at) = host(address).filter(|_| is_postgres) else {
            let why =
                "an address such as postgres://db.example/inventory is needed, without a user and a password in it";
            return Err(self.error(why.to_owned()));
        };
        let (_, parameters) = address.split_once('?').unwrap_or((address, ""));
        let mut names = parameters.split('&').filter_map(|parameter| parameter.split('=').next());
        let known = |name: &str| name.is_empty() || PARAMETERS.contains(&name);
        // Whoever writes the connector must not say that anybody may listen: whoever knows the password says that.
        let said = |allowed: &String| allowed.split_once('?').is_some_and(|(_, theirs)| theirs == parameters);
        if !names.all(known) || !(parameters.is_empty() || hosts.is_empty() || hosts.iter().any(said)) {
            let why = "of parameters an address may have `sslmode` and `sslrootcert`, and only where whoever runs this says them";
            return Err(self.error(why.to_owned()));
        }
        let same = |a: &str, b: &str| a.split("://").nth(1) == b.split("://").nth(1);
        if !hosts.is_empty() && !hosts.iter().filter_map(|known| host(known)).any(|known| same(&known, &at)) {
            return Err(AskError::Elsewhere { url: "the connector".to_owned(), next: self.shown() });
        }
        let mut options = PgConnectOptions::from_str(address).map_err(|error| self.failed(&error))?;
        // Whoever reads the address for the connection has to find the same host in it.
        let there =
            at.split("://").nth(1).and_then(|at| at.rsplit_once(':')).map(|(name, _)| name.trim_matches(['[', ']']));
        let found = options.get_host().trim_matches(['[', ']']).to_lowercase();
        if there != Some(found.as_str()) || options.get_socket().is_some() {
            return Err(AskError::Elsewhere { url: "the connector".to_owned(), next: self.shown() });
        }
        let is_here = ["localhost", "127.0.0.1", "[::1]", "::1"].contains(&options.get_host());
        if !address.contains("sslmode=") && !is_here {
            options = options.ssl_mode(PgSslMode::VerifyFull);
        }
        if let Some(user) = user {
            options = options.username(user);
        }
        if let Some(password) = password {
            options = options.password(password.reveal());
        }
        Ok(options.application_name("refit"))
    }

    fn failed(&self, error: &sqlx::Error) -> AskError {
        let why = match error {
            sqlx::Error::Database(error) => {
                let hint = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|error| error.hint());
                hint.map_or_else(|| error.message().to_owned(), |hint| format!("{} ({hint})", error.message()))
            }
            sqlx::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        self.error(why)
    }

    fn error(&self, why: String) -> AskError {
        AskError::Database { database: self.shown(), why }
    }

    /// The database as messages name it.
    fn shown(&self) -> String {
        match &self.place {
            Place::Sqlite(path) => path.display().to_string(),
            Place::Postgres { address, .. } => match address.split_once('@') {
                Some(_) => "the database".to_owned(),
                None => super::error::shown(address),
            },
        }
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}

/// The query with what stands for `:since`. `::since` would be a type, and `:sincere` another name.
fn bound(sql: &str, stands_for: &str) -> String {
    const NAME: &str = ":since";
    let (mut text, mut rest) = (String::new(), sql);
    while let Some((before, after)) = rest.split_once(NAME) {
        let is_name = !before.ends_with(':') && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        text += before;
        text += if is_name { stands_for } else { NAME };
        rest = after;
    }
    text + rest
}

/// A row of SQLite's, by the types that its values have: columns promise none.
fn object(row: &SqliteRow) -> Result<Map<String, Value>, sqlx::Error> {
    let mut object = Map::new();
    for (index, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(index)?;
        let value = if raw.is_null() {
            Value::Null
        } else {
            match raw.type_info().name() {
                "INTEGER" | "BOOLEAN" | "INT4" => Value::from(row.try_get_unchecked::<i64, _>(index)?),
                "REAL" | "NUMERIC" => Value::from(row.try_get_unchecked::<f64, _>(index)?),
                "BLOB" => {
                    let bytes: Vec<u8> = row.try_get_unchecked(index)?;
                    Value::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
                }
                _ => Value::from(row.try_get_unchecked::<String, _>(index)?),
            }
        };
        object.insert(column.name().to_owned(), value);
    }
    Ok(object)
}

/// Rows on their way to whoever asked.
struct Batch<'p> {
    page: PageReader<'p>,
    database: String,
    text: String,
    rows: usize,
    answered: Answered,
}

impl<'p> Batch<'p> {
    fn new(page: PageReader<'p>, database: String) -> Batch<'p> {
        Batch {
            page,
            database,
            text: String::new(),
            rows: 0,
            answered: Answered { requests: 1, ..Answered::default() },
        }
    }

    fn add(&mut self, row: &str) -> Result<(), AskError> {
        self.text.push(if self.rows == 0 { '[' } else { ',' });
        self.text += row;
        self.rows += 1;
        if self.rows == ROWS_AT_ONCE { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), AskError> {
        let text = if self.rows == 0 { "[]".to_owned() } else { std::mem::take(&mut self.text) + "]" };
        self.rows = 0;
        self.answered.pages += 1;
        let stopped = |why| AskError::Stopped { url: self.database.clone(), why };
        (self.page)(&text).map(|_| ()).map_err(stopped)
    }

    fn finish(mut self) -> Result<Answered, AskError> {
        // Also of no rows there is one page, so that it is read that there are none.
        if self.rows > 0 || self.answered.pages == 0 {
            self.hand_over()?;
        }
        Ok(self.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_stands_for_the_time() {
        assert_eq!(
            bound("a >= :since and b = ':sincere' and c::since", "?1"),
            "a >= ?1 and b = ':sincere' and c::since"
        );
    }
}
