//! What is in a folder.

use super::Folder;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// The longest text that is read, in bytes. What Refit writes is a thousandth of it; a manifest of Munki may have thousands of lines.
const TEXT_MOST: u64 = 4 << 20;

/// How many files are looked at. A repository of Munki with 20,000 items has no more than 50,000 in the folders that concern Refit.
const FILES_MOST: usize = 200_000;

/// The texts of files, by their paths; an error says why one can't be read as text.
pub type Texts = BTreeMap<String, Result<String, String>>;

/// What was seen in a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The files that were asked for.
    pub texts: Texts,
    /// How many others there are, which nobody reads.
    pub others: usize,
}

/// Why a folder can't be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// It can't be read.
    #[error("{} can't be read: {source}. Run it as a user who may read everything there: what is not seen can't be planned for", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It has too many files.
    #[error("{} has more than {} files: is it the right folder?", .0.display(), FILES_MOST)]
    TooMany(PathBuf),
    /// A path that is asked for leads elsewhere.
    #[error("`{0}` is no path in a folder: what is remembered there was changed by hand")]
    Outside(String),
}

impl Folder {
    /// Reads some files; those that are not there are left out.
    pub fn read<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> Result<Texts, ObserveError> {
        let mut texts = Texts::new();
        for path in paths {
            let file = self.inside(path).ok_or_else(|| ObserveError::Outside(path.to_owned()))?;
            if let Some(text) = text(&file)? {
                texts.insert(path.to_owned(), text);
            }
        }
        Ok(texts)
    }

    /// Goes through everything below some folders, all of it where none is named, and reads the files for which somebody says so. Links are
    /// not followed, and what begins with a dot is passed over. A folder that is not there is empty.
    pub fn walk(&self, below: &[&str], is_read: &dyn Fn(&str) -> bool) -> Result<Seen, ObserveError> {
        let mut seen = Seen::default();
        let mut open: Vec<String> = below.iter().map(|folder| (*folder).to_owned()).collect();
        if below.is_empty() {
            open.push(String::new());
        }
        while let Some(folder) = open.pop() {
            let at = self.path.join(&folder);
            let failed = |source| ObserveError::Read { path: at.clone(), source };
            let entries = match fs::read_dir(&at) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name();
                // No name of Refit's is of other letters.
                let Some(name) = name.to_str() else {
                    seen.others += 1;
                    continue;
                };
                if name.starts_with('.') {
                    continue;
                }
                let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                if entry.file_type().map_err(failed)?.is_dir() {
                    open.push(path);
                    continue;
                }
                if seen.texts.len() + seen.others >= FILES_MOST {
                    return Err(ObserveError::TooMany(self.path.clone()));
                }
                match is_read(&path).then(|| text(&entry.path())).transpose()?.flatten() {
                    Some(text) => drop(seen.texts.insert(path, text)),
                    None => seen.others += 1,
                }
            }
        }
        Ok(seen)
    }

    /// What is remembered of earlier runs; `None` where nothing is.
    pub fn remembered(&self) -> Result<Option<String>, ObserveError> {
        match fs::read_to_string(&self.record) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ObserveError::Read { path: self.record.clone(), source }),
        }
    }
}

/// The text of a file; `None` where it is not there.
fn text(path: &Path) -> Result<Option<Result<String, String>>, ObserveError> {
    let failed = |source| ObserveError::Read { path: path.to_owned(), source };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if metadata.is_symlink() {
        return Ok(Some(Err("it is a symbolic link".to_owned())));
    }
    if !metadata.is_file() {
        return Ok(Some(Err("it is no file".to_owned())));
    }
    if metadata.len() > TEXT_MOST {
        return Ok(Some(Err(format!("it has {} bytes, and {TEXT_MOST} at the most are read", metadata.len()))));
    }
    let bytes = fs::read(path).map_err(failed)?;
    Ok(Some(String::from_utf8(bytes).map_err(|_| "it is no text in UTF-8".to_owned())))
}
