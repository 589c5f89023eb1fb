//! Reading a log that was put aside, without changing it.

use super::{
    connect::{self, database},
    folder::Folder,
    rows::{self, EventRow, number},
};
use crate::{
    batch::{Seq, StoredEvent},
    error::Result,
};
use sqlx::{ConnectOptions as _, Connection as _};
use std::path::Path;

/// The events of a kind that come after a position, in a log that nobody has open. What can be read is told: whether all of it
/// is as it was written is for [`super::verify`] to say.
pub async fn events_of(folder: &Path, kind: &str, after: Seq) -> Result<Vec<StoredEvent>> {
    let path = Folder::new(folder).database();
    let mut connection = connect::reader(&path).connect().await.map_err(database(&path))?;
    let query = "SELECT seq, at, kind, version, actor, body, chain FROM events WHERE kind = ? AND seq > ? ORDER BY seq";
    let found = sqlx::query_as::<_, EventRow>(query).bind(kind).bind(number(after)).fetch_all(&mut connection).await;
    let found = found.map_err(database(&path))?;
    connection.close().await.map_err(database(&path))?;
    Ok(found.into_iter().filter_map(rows::event).map(|(event, _)| event).collect())
}
