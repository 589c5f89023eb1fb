//! What Apple offers, from a file that somebody keeps up to date (`--apple-versions`).

use jiff::Timestamp;
use refit_targets::{Offered, targets::apple::Versions};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

/// The file. It is read again where it has changed.
pub(super) struct Offers {
    path: Option<PathBuf>,
    read: Mutex<Read>,
}

/// What was read last.
#[derive(Clone, Default)]
pub(super) struct Read {
    /// When the file was written, and how long it was, when it was looked at last.
    stamp: Option<(SystemTime, u64)>,
    /// The last good reading.
    pub offered: Arc<Offered>,
    /// Since when that counts.
    pub since: Option<Timestamp>,
    /// Why the file is not believed now.
    pub trouble: Option<String>,
}

impl Offers {
    pub fn new(path: Option<PathBuf>) -> Offers {
        Offers { path, read: Mutex::default() }
    }

    /// What Apple offers by now. A file that can't be read leaves what was read before.
    pub fn look(&self, now: Timestamp) -> Read {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.path else { return read.clone() };
        let stamp = fs::metadata(path).and_then(|file| Ok((file.modified()?, file.len())));
        if stamp.as_ref().ok() == read.stamp.as_ref() && read.stamp.is_some() {
            read.trouble = None;
            return read.clone();
        }
        match stamp.and_then(|stamp| Ok((stamp, versions(path)?))) {
            Ok((stamp, versions)) => {
                let offered = Arc::new(Offered { apple: Some(versions), ..Offered::default() });
                *read = Read { stamp: Some(stamp), offered, since: Some(now), trouble: None };
            }
            Err(error) => {
                let trouble = format!("{}: {error}", path.display());
                if read.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(%trouble, "what Apple offers can't be read; what was read before counts");
                }
                read.trouble = Some(trouble);
            }
        }
        read.clone()
    }
}

fn versions(path: &Path) -> io::Result<Versions> {
    Versions::parse(&fs::read_to_string(path)?).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_breaks_leaves_what_was_read_and_is_read_again_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pmv.json");
        let offers = Offers::new(Some(path.clone()));
        let look = || offers.look(Timestamp::UNIX_EPOCH);
        let missing = look();
        assert!(missing.offered.apple.is_none() && missing.trouble.is_some());
        fs::write(&path, r#"{"AssetSets": {"macOS": [{"ProductVersion": "26.1", "PostingDate": "2026-11-16"}]}}"#)
            .unwrap();
        let read = look();
        assert!(read.offered.apple.is_some() && read.trouble.is_none());
        assert!(Arc::ptr_eq(&look().offered, &read.offered), "what has not changed is not read again");
        fs::write(&path, "half of ").unwrap();
        let broken = look();
        assert!(Arc::ptr_eq(&broken.offered, &read.offered) && broken.trouble.is_some());
        fs::write(&path, r#"{"AssetSets": {"macOS": [{"ProductVersion": "26.1.1", "PostingDate": "2026-11-20"}]}}"#)
            .unwrap();
        let read = look();
        assert!(!Arc::ptr_eq(&broken.offered, &read.offered) && read.trouble.is_none());
    }

    #[test]
    fn where_nobody_names_a_file_nobody_has_said_what_is_offered() {
        let read = Offers::new(None).look(Timestamp::UNIX_EPOCH);
        assert!(read.offered.apple.is_none() && read.trouble.is_none());
    }
}
