//! The one connection that writes, and what it knows of the log without asking.
//!
//! Nobody else writes (the lock of the folder sees to that), so the log's end, its chain and its lease are kept in memory, and an append costs
//! SQLite no more than the inserts themselves. Whatever goes wrong half-way, including a dropped future, the connection is thrown away
//! with its transaction, and the next write starts from what the file says.

use super::{
    chain::{Chain, sum_of_answer, sum_of_value},
    connect,
    connect::database,
    folder::{Folder, HeadFile},
    rows::{self, number},
};
use crate::{
    batch::{Answered, Batch, Blob, NewEvent, PersonalValue, Seq, nanoseconds},
    error::{AppendError, Result},
    lease::{Fence, Lease},
};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::path::Path;
use tokio::sync::{Mutex, MutexGuard};

/// Rows of one `INSERT`. SQLite takes 32,766 values in a statement; beyond a hundred rows nothing is gained.
const ROWS: usize = 100;

#[derive(Debug)]
pub struct Writer {
    folder: Folder,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ready: Option<Ready>,
    head_file: HeadFile,
}

#[derive(Debug)]
struct Ready {
    connection: SqliteConnection,
    known: Known,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub head: Seq,
    pub chain: Chain,
    pub lease: Lease,
}

/// The writer while one write goes on. Dropping it without [`Self::keep`] throws the connection away.
pub struct Writing<'a> {
    path: std::path::PathBuf,
    state: MutexGuard<'a, State>,
    pub connection: SqliteConnection,
    pub known: Known,
}

impl Writer {
    pub fn new(folder: &Folder, connection: SqliteConnection, known: Known) -> Result<Self> {
        let state = State { ready: Some(Ready { connection, known }), head_file: folder.open_head()? };
        Ok(Self { folder: folder.clone(), state: Mutex::new(state) })
    }

    /// Waits for its turn.
    pub async fn begin(&self) -> Result<Writing<'_>> {
        let mut state = self.state.lock().await;
        let path = self.folder.database();
        let Ready { connection, known } = match state.ready.take() {
            Some(ready) => ready,
            None => {
                let mut connection = connect::writer(&self.folder).await?;
                // With the lock on writing, so that nothing of the lost connection is still on its way.
                execute(&mut connection, &path, "BEGIN IMMEDIATE").await?;
                let known = Known::read(&mut connection, &path).await?;
                execute(&mut connection, &path, "ROLLBACK").await?;
                Ready { connection, known }
            }
        };
        Ok(Writing { path, state, connection, known })
    }

    /// Closes the file, so that nothing is left to recover.
    pub async fn close(&self) -> Result<()> {
        let ready = self.state.lock().await.ready.take();
        match ready {
            Some(ready) => sqlx::Connection::close(ready.connection).await.map_err(database(&self.folder.database())),
            None => Ok(()),
        }
    }
}

impl Known {
    pub async fn read(connection: &mut SqliteConnection, path: &Path) -> Result<Self> {
        let (head, chain) = rows::end(connection, path).await?;
        Ok(Self { head, chain, lease: rows::lease(connection, path).await? })
    }
}

impl Writing<'_> {
    /// The connection is as it was, or everything has been committed.
    pub fn keep(mut self) {
        self.state.ready = Some(Ready { connection: self.connection, known: self.known });
    }

    pub async fn execute(&mut self, statement: &'static str) -> Result<()> {
        execute(&mut self.connection, &self.path, statement).await
    }

    /// Appends, as [`crate::Store::append`] says.
    pub async fn append(mut self, fence: Fence, expected: Seq, batch: &Batch) -> Result<Seq, AppendError> {
        let head = self.known.head;
        let refused = if !self.known.lease.permits(fence) {
            Err(AppendError::Fenced)
        } else if head != expected {
            Err(AppendError::Moved { expected, head })
        } else {
            Ok(())
        };
        if refused.is_err() || batch.is_empty() {
            self.keep();
            return refused.map(|()| head);
        }
        self.execute("BEGIN IMMEDIATE").await?;
        let chain = self.insert_events(&batch.events).await?;
        if let Some(refused) = self.insert_beside(batch).await? {
            self.execute("ROLLBACK").await?;
            self.keep();
            return Err(refused);
        }
        self.execute("COMMIT").await?;
        let head = head + batch.events.len() as Seq;
        self.known.head = head;
        self.known.chain = chain;
        self.state.head_file.note(head);
        self.keep();
        Ok(head)
    }

    async fn insert_events(&mut self, events: &[NewEvent]) -> Result<Chain> {
        let mut chain = self.known.chain;
        let mut numbered = (self.known.head + 1..).zip(events);
        for _ in events.chunks(ROWS) {
            let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO events ");
            query.push_values(numbered.by_ref().take(ROWS), |mut row, (seq, event)| {
                chain = chain.then_new(seq, event);
                row.push_bind(number(seq)).push_bind(nanoseconds(event.at)).push_bind(&event.kind);
                row.push_bind(event.version).push_bind(&event.actor).push_bind(&event.body[..]);
                row.push_bind(chain.0.to_vec());
            });
            query.build().execute(&mut self.connection).await.map_err(database(&self.path))?;
        }
        Ok(chain)
    }

    async fn insert_beside(&mut self, batch: &Batch) -> Result<Option<AppendError>> {
        for answers in batch.answers.chunks(ROWS) {
            let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO answers ");
            query.push_values(answers, |mut row, answer| {
                row.push_bind(&answer.key).push_bind(&answer.fingerprint).push_bind(answer.status);
                row.push_bind(&answer.body[..]).push_bind(nanoseconds(answer.at));
                row.push_bind(sum_of_answer(answer).to_vec());
            });
            if self.insert_new(query).await? < answers.len() {
                return self.answered(answers).await;
            }
        }
        for personal in batch.personal.chunks(ROWS) {
            let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO personal ");
            query.push_values(personal, |mut row, value| {
                row.push_bind(&value.reference).push_bind(&value.person).push_bind(&value.value[..]);
                row.push_bind(sum_of_value(value).to_vec());
            });
            if self.insert_new(query).await? < personal.len() {
                return self.taken(personal).await;
            }
        }
        for blob in &batch.blobs {
            self.insert_blob(blob).await?;
        }
        Ok(None)
    }

    pub async fn insert_blob(&mut self, blob: &Blob) -> Result<()> {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO blobs ");
        query.push_values([blob], |mut row, blob| {
            row.push_bind(blob.digest()).push_bind(blob.body());
        });
        self.insert_new(query).await.map(drop)
    }

    /// Inserts what is not there yet, and says how many rows that were.
    async fn insert_new(&mut self, mut query: QueryBuilder<Sqlite>) -> Result<usize> {
        let query = query.push(" ON CONFLICT DO NOTHING").build();
        let done = query.execute(&mut self.connection).await.map_err(database(&self.path))?;
        Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
    }

    /// Which of the answers was there before this batch. Some of them are in the transaction already, so it is undone first.
    async fn answered(&mut self, answers: &[Answered]) -> Result<Option<AppendError>> {
        self.execute("ROLLBACK; BEGIN").await?;
        for answer in answers {
            if let Some(earlier) = read_answer(&mut self.connection, &self.path, &answer.key).await? {
                return Ok(Some(AppendError::answered(&earlier, answer)));
            }
        }
        Err(rows::damaged(&self.path, "the table of answers contradicts its index"))
    }

    async fn taken(&mut self, personal: &[PersonalValue]) -> Result<Option<AppendError>> {
        self.execute("ROLLBACK; BEGIN").await?;
        for PersonalValue { reference, .. } in personal {
            let query = sqlx::query("SELECT 1 FROM personal WHERE reference = ?").bind(reference);
            if query.fetch_optional(&mut self.connection).await.map_err(database(&self.path))?.is_some() {
                return Ok(Some(AppendError::ReferenceTaken { reference: reference.clone() }));
            }
        }
        Err(rows::damaged(&self.path, "the table of personal values contradicts its index"))
    }

    /// Stores a lease.
    pub async fn set_lease(mut self, lease: Lease) -> Result<()> {
        let holder = lease.holder.as_ref();
        let query = sqlx::query("UPDATE lease SET fence = ?, holder = ?, until = ?")
            .bind(number(lease.fence))
            .bind(holder.map(|holder| holder.name.clone()))
            .bind(holder.and_then(|holder| nanoseconds(holder.until)));
        query.execute(&mut self.connection).await.map_err(database(&self.path))?;
        self.known.lease = lease;
        self.keep();
        Ok(())
    }
}

pub async fn read_answer(connection: &mut SqliteConnection, path: &Path, key: &str) -> Result<Option<Answered>> {
    let query = sqlx::query_as("SELECT key, fingerprint, status, body, at, sum FROM answers WHERE key = ?").bind(key);
    let row: Option<rows::AnswerRow> = query.fetch_optional(connection).await.map_err(database(path))?;
    let altered = || rows::damaged(path, &format!("the answer under the key {key:?} is not as it was written"));
    row.map(|row| rows::answer(row).ok_or_else(altered)).transpose()
}

async fn execute(connection: &mut SqliteConnection, path: &Path, statement: &'static str) -> Result<()> {
    sqlx::query(statement).execute(connection).await.map(drop).map_err(database(path))
}
