//! Systems that configuration is written to.
//!
//! A [`Folder`] is one whose configuration is files: a repository, what configuration management carries, the root of a machine. What a file is and
//! what should be in it others know (`refit-targets`); here folders are read and files are written, each whole or not at all. What was done
//! is remembered in the folder itself, under [`Folder::record`], so that it goes where the folder goes.
//!
//! A system with an API is asked and called by [`crate::systems::Client`]; what was done there is remembered in a [`Record`] in Refit's data folder.

mod apply;
mod observe;
mod record;

pub use apply::{Advice, ApplyError, FileStep, Lock};
pub use observe::{ObserveError, Seen, Texts};
pub use record::{Record, RecordError};

use std::path::{Component, Path, PathBuf};

/// The folder in the folder in which Refit remembers what it did.
const OWN: &str = ".refit";

/// The same in the root of a machine.
const OWN_IN_ROOT: &str = "var/lib/refit/targets";

/// A folder that configuration is written to.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    record: PathBuf,
}

impl Folder {
    /// A folder, for a target of some name: several may write to one folder, and each remembers what it did.
    pub fn new(path: &Path, target: &str) -> Folder {
        Folder::remembering(path, OWN, target)
    }

    /// The root of a machine, for a target of some name.
    pub fn root(path: &Path, target: &str) -> Folder {
        Folder::remembering(path, OWN_IN_ROOT, target)
    }

    fn remembering(path: &Path, own: &str, target: &str) -> Folder {
        Folder { path: path.to_owned(), record: path.join(own).join(file_of(target)) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that remembers what was done.
    pub fn record(&self) -> &Path {
        &self.record
    }

    /// Where a file of it is; `None` for a path that leads elsewhere.
    fn inside(&self, path: &str) -> Option<PathBuf> {
        let is_inside =
            !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        is_inside.then(|| self.path.join(path))
    }
}

/// The file that is a target's. Its name is a part of a path here, whatever it holds.
fn file_of(target: &str) -> String {
    let name: String = target.chars().map(|c| if matches!(c, '/' | '\\' | '\0') { '_' } else { c }).collect();
    format!("{name}.json")
}

/// A file that is being written has this before its name, until it takes the place of the other one. apt, systemd and Munki pass over names
/// that begin with a dot.
fn unfinished(path: &Path) -> PathBuf {
    path.with_file_name(format!(".refit-unfinished-{}", path.file_name().unwrap_or_default().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_a_folder() {
        let folder = Folder::new(Path::new("/srv/repo"), "../munki");
        assert_eq!(folder.record(), Path::new("/srv/repo/.refit/.._munki.json"));
        assert_eq!(folder.inside("manifests/refit/a"), Some(PathBuf::from("/srv/repo/manifests/refit/a")));
        for path in ["", "../a", "/etc/passwd", "a/../../b"] {
            assert_eq!(folder.inside(path), None, "{path}");
        }
    }
}
