//! A data folder that holds a made-up history: `refit fleet history` says so in `history.json`, and a server on such a folder is a server of
//! that month. Its clock stands still where the history ends, it listens on this machine alone, and by itself it asks nobody and sends nobody
//! anything. What it is told counts, so that somebody can see what one more fact would change.

use crate::shell::Clock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The mark of a made-up history; `DATA/history.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeUp {
    /// What it is, for whoever finds the folder.
    pub about: String,
    /// What it was made from.
    pub seed: u64,
    /// When it ends: the time at which the server's clock stands.
    pub ends: Timestamp,
}

impl MadeUp {
    /// The mark of a folder; `None` where its log is a real one.
    ///
    /// # Errors
    ///
    /// There is one that can't be read: whether the log is a real one is not known then.
    pub fn read(data: &Path) -> io::Result<Option<MadeUp>> {
        match std::fs::read(file(data)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Marks a folder.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        std::fs::write(file(data), text)
    }
}

/// The file of the mark.
pub(crate) fn file(data: &Path) -> PathBuf {
    data.join("history.json")
}

/// A clock that stands still.
pub(crate) struct StandingClock(pub Timestamp);

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_a_damaged_one_is_no_real_log() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(MadeUp::read(data.path()).unwrap(), None);
        let mark = MadeUp { about: "a test".into(), seed: 3, ends: "2026-07-01T00:00:00Z".parse().unwrap() };
        mark.write(data.path()).unwrap();
        assert_eq!(MadeUp::read(data.path()).unwrap(), Some(mark));
        std::fs::write(file(data.path()), "{").unwrap();
        assert!(MadeUp::read(data.path()).is_err());
    }
}
