//! Folders of documents, as the programs of these tests read them.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test reads files and may fail")]

use refit_core::policy::{diagnostic::Files, syntax::Limits};
use std::path::{Path, PathBuf};

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All YAML files of a folder, in the order of their names.
pub fn read(folder: &Path) -> Files {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|ending| ending == "yaml") => paths.push(path),
                false => {}
            }
        }
    }
    paths.sort();
    let mut files = Files::default();
    for path in paths {
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        files.add(name, &std::fs::read(&path).unwrap(), &Limits::default()).unwrap();
    }
    files
}
