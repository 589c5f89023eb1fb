//! Feeds from a folder, for machines without a network: laid out like the public data of which Refit ships a snapshot.

use super::kind::FeedKind;
use jiff::Timestamp;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A feed's file in a folder.
pub(crate) struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// The date in its name, `kev_epss_2026-08-22.csv`; `None` where it has none.
    pub dated: Option<Timestamp>,
}

/// The best file for `kind` in `folder`, packed with gzip or not; `None` where there is none.
pub(crate) fn find(folder: &Path, kind: FeedKind) -> io::Result<Option<Found>> {
    for pattern in kind.files() {
        let (parent, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let (prefix, suffix) = match name.split_once('*') {
            Some((prefix, suffix)) => (prefix, suffix),
            None => (name, ""),
        };
        let entries = match fs::read_dir(folder.join(parent)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?.file_name();
            let Some(text) = entry.to_str() else { continue };
            let plain = text.strip_suffix(".gz").unwrap_or(text);
            let fits = if name.contains('*') {
                plain.strip_prefix(prefix).is_some_and(|rest| rest.ends_with(suffix))
            } else {
                plain == name
            };
            if fits {
                names.push(text.to_owned());
            }
        }
        if let Some(newest) = names.into_iter().max() {
            let dated = date(&newest);
            return Ok(Some(Found { path: folder.join(parent).join(newest), dated }));
        }
    }
    Ok(None)
}

/// The last ISO date in a name.
fn date(name: &str) -> Option<Timestamp> {
    (0..name.len()).rev().find_map(|start| super::statement::instant(name.get(start..start + 10)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_several_snapshots_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("epss")).unwrap();
        for name in ["kev_epss_2026-08-01.csv.gz", "kev_epss_2026-08-22.csv", "kev_epss_weekly_2022-10_2026-08.csv.gz"]
        {
            fs::write(folder.path().join("epss").join(name), "").unwrap();
        }
        let found = find(folder.path(), FeedKind::Epss).unwrap().unwrap();
        assert!(found.path.ends_with("epss/kev_epss_2026-08-22.csv"));
        assert_eq!(found.dated.map(|date| date.to_string()), Some("2026-08-22T00:00:00Z".into()));
        assert!(find(folder.path(), FeedKind::Kev).unwrap().is_none());
    }
}
