//! Templates of processes: those that are compiled into the program, and others in folders or in the policy repository.

use crate::Refused;
use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use refit_core::{
    policy::{
        diagnostic::{Diagnostic, Files, did_you_mean},
        syntax::Limits,
    },
    process::{self, Process},
};
use std::path::Path;

static PROCESSES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../processes");

/// The file of a template in its folder.
const FILE: &str = "template.yaml";

/// A template as it was read.
pub struct Read {
    /// It, unless something is wrong with it.
    pub process: Option<Process>,
    /// Its file.
    pub files: Files,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether it comes with Refit.
    pub built_in: bool,
}

/// The names of those that are compiled in, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = PROCESSES.dirs().filter_map(|folder| folder.path().to_str()).collect();
    names.sort_unstable();
    names
}

/// Reads a template by its name, or by the folder or file that it is in.
pub fn read(name: &str) -> Result<Read> {
    if let Some(file) = PROCESSES.get_file(format!("{name}/{FILE}")) {
        return Ok(Read { built_in: true, ..parsed(format!("{name}/{FILE}"), file.contents()) });
    }
    let path = Path::new(name);
    let path = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
    if path.exists() {
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        return Ok(parsed(path.display().to_string(), &bytes));
    }
    Err(unknown(name))
}

/// Reads the template that a `process:` document names: one that comes with Refit, or a folder of the policy repository.
pub fn of_policy(name: &str, files: &Files) -> Result<Read> {
    if PROCESSES.get_file(format!("{name}/{FILE}")).is_some() {
        return read(name);
    }
    let folder = name.trim_start_matches("./").trim_end_matches('/');
    let wanted = [format!("{folder}/{FILE}"), folder.to_owned()];
    let found = files
        .0
        .iter()
        .find(|file| wanted.iter().any(|path| *path == file.path || file.path.ends_with(&format!("/{path}"))));
    found.map(|file| parsed(file.path.clone(), file.text.as_bytes())).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> anyhow::Error {
    let known = names();
    let help = match did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}; or give a folder with a {FILE}", known.join(", ")),
    };
    Refused::usage(format!("there is no process template `{name}`; {help}"))
}

fn parsed(path: String, bytes: &[u8]) -> Read {
    let (mut files, limits) = (Files::default(), Limits::default());
    let file = match files.add(path, bytes, &limits) {
        Ok(file) => file,
        Err(found) => return Read { process: None, files, diagnostics: vec![*found], built_in: false },
    };
    let (process, diagnostics) = process::load(&files, file, &limits);
    Read { process, files, diagnostics, built_in: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_core::policy::diagnostic::Renderer;

    #[test]
    fn every_template_that_comes_with_refit_is_right() {
        assert!(names().len() >= 2);
        for name in names() {
            let read = read(name).unwrap();
            let wrong = Renderer::new(&read.files).render_all(&read.diagnostics);
            assert!(wrong.is_empty(), "{name}: {wrong}");
            assert_eq!(read.process.unwrap().document.template, name);
        }
    }

    #[test]
    fn a_template_that_there_is_not_is_told_with_what_was_meant() {
        let error = read("jira-ticket").err().unwrap().to_string();
        assert!(error.contains("did you mean `jira-tickets`?"), "{error}");
    }
}
