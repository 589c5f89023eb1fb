//! Connectors: those that are compiled into the program, and others in folders.

use crate::Refused;
use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use refit_core::{
    facts::{
        Fields,
        mapping::{Connector, load},
    },
    policy::{
        diagnostic::{Diagnostic, Files, did_you_mean},
        syntax::Limits,
    },
};
use std::path::Path;

static CONNECTORS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../connectors");

/// A connector as it was read.
pub struct Read {
    /// It, unless something is wrong with it.
    pub connector: Option<Connector>,
    /// Its file.
    pub files: Files,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a connector by its name, or by the folder or file that it is in.
pub fn read(name: &str, fields: &Fields) -> Result<Read> {
    let (path, bytes) = text(name)?;
    Ok(parsed(path, &bytes, fields))
}

/// Reads a connector of this text.
pub fn parsed(path: String, bytes: &[u8], fields: &Fields) -> Read {
    let (mut files, limits) = (Files::default(), Limits::default());
    let file = match files.add(path, bytes, &limits) {
        Ok(file) => file,
        Err(found) => return Read { connector: None, files, diagnostics: vec![*found] },
    };
    let (connector, diagnostics) = load(&files, file, fields, &limits);
    Read { connector, files, diagnostics }
}

/// The names of those that are compiled in, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = CONNECTORS.dirs().filter_map(|folder| folder.path().to_str()).collect();
    names.sort_unstable();
    names
}

fn text(name: &str) -> Result<(String, Vec<u8>)> {
    if let Some(file) = CONNECTORS.get_file(format!("{name}/connector.yaml")) {
        return Ok((format!("{name}/connector.yaml"), file.contents().to_vec()));
    }
    let path = Path::new(name);
    let path = if path.is_dir() { path.join("connector.yaml") } else { path.to_owned() };
    if path.exists() {
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        return Ok((path.display().to_string(), bytes));
    }
    if Path::new(name).is_dir() {
        return Err(Refused::usage(format!("{name}: there is no connector.yaml in this folder")));
    }
    let known = names();
    let help = match did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}; or give a folder with a connector.yaml", known.join(", ")),
    };
    Err(Refused::usage(format!("there is no connector `{name}`; {help}")))
}
