//! The state at one position of the log, as bytes: MessagePack with named fields
//! (<https://github.com/msgpack/msgpack/blob/master/spec.md>), so that fields can be added.

use super::state::{ApplyError, Ground, State};

/// The version of the format.
pub const FORMAT: u32 = 5;

/// Why a snapshot can't be read. Nothing is lost by it: the log has everything.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is of another format.
    #[error("the snapshot has format {0}, and this program reads {FORMAT}")]
    Format(u32),
    /// It is damaged.
    #[error("the snapshot is damaged: {0}")]
    Damaged(#[from] rmp_serde::decode::Error),
    /// Content that it names is missing.
    #[error(transparent)]
    Content(#[from] ApplyError),
}

/// The state as bytes, with their format.
pub fn write_snapshot(state: &State) -> Result<(u32, Vec<u8>), rmp_serde::encode::Error> {
    rmp_serde::to_vec_named(state).map(|bytes| (FORMAT, bytes))
}

/// Reads what [`write_snapshot`] wrote. Personal values are not in it: the caller puts them back.
pub fn read_snapshot(format: u32, bytes: &[u8], ground: &Ground<'_>) -> Result<State, SnapshotError> {
    if format != FORMAT {
        return Err(SnapshotError::Format(format));
    }
    let mut state: State = rmp_serde::from_slice(bytes)?;
    state.restore(ground)?;
    Ok(state)
}
