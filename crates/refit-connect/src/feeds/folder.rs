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
        let entries = match fs::read_dir(folder.join(parent)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?.file_name();
            let Some(text) = entry.to_str() else { continue };
            if fits(text, name) {
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

/// Whether a file's name, packed with gzip or not, is the one of a pattern.
fn fits(name: &str, pattern: &str) -> bool {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    match pattern.split_once('*') {
        Some((prefix, suffix)) => plain.strip_prefix(prefix).is_some_and(|rest| rest.ends_with(suffix)),
        None => plain == pattern,
    }
}

/// What lies in a folder and is the file of no feed, sorted: files, and folders with a `/` at their end. Only the folders in
/// which feeds can be are looked into.
pub fn passed_over(folder: &Path) -> io::Result<Vec<String>> {
    let patterns: Vec<(&str, &str)> = FeedKind::ALL
        .iter()
        .flat_map(|kind| kind.files())
        .map(|pattern| pattern.rsplit_once('/').unwrap_or(("", pattern)))
        .collect();
    let mut passed = Vec::new();
    let mut open = vec![String::new()];
    while let Some(below) = open.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            let leads_on = |parent: &str| parent == path || parent.starts_with(&format!("{path}/"));
            if name.starts_with('.') {
                continue;
            }
            if entry.path().is_dir() {
                match patterns.iter().any(|(parent, _)| leads_on(parent)) {
                    true => open.push(path),
                    false => passed.push(format!("{path}/")),
                }
            } else if !patterns.iter().any(|(parent, pattern)| *parent == below && fits(&name, pattern)) {
                passed.push(path);
            }
        }
    }
    passed.sort();
    Ok(passed)
}

/// The last ISO date in a name.
fn date(name: &str) -> Option<Timestamp> {
    (0..name.len()).rev().find_map(|start| super::statement::instant(name.get(start..start + 10)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_feed_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["kev/known_exploited_vulnerabilities.json", "osv/Debian/all.zip", "osv/samples/a.json", "README"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(passed_over(folder.path()).unwrap(), ["README", "osv/samples/"]);
    }

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
