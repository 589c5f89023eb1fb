//! Reading a policy repository from a folder.

use crate::{catalog, terminal};
use anyhow::{Context, Result, bail};
use refit_core::policy::{
    diagnostic::{self, Diagnostic, Files, Renderer, Severity},
    load::{Documents, load_readable},
    repository::Repository,
    resolve::{Titles, resolve},
    syntax::Limits,
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// A policy repository as it was read.
pub struct Read {
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// Its files.
    pub files: Files,
    /// Its documents.
    pub documents: Documents,
    /// What decisions read.
    pub repository: Repository,
    /// The titles of the catalog.
    pub catalog: Titles,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// SHA-256 over the paths and texts of its files.
    pub hash: String,
}

/// How many files are read at most: a repository of 10,000 documents is a large one.
const FILES_MOST: usize = 100_000;

/// Reads all `.yaml`, `.yml` and `.json` files of a folder and what is below it; what begins with a dot is passed over.
pub fn read(folder: &Path) -> Result<Read> {
    let absolute = folder.canonicalize().with_context(|| {
        format!("{}: no such policy repository. Give the folder that holds refit.yaml", folder.display())
    })?;
    let limits = Limits::default();
    let (mut files, mut diagnostics, mut unreadable) = (Files::default(), Vec::new(), BTreeSet::new());
    let root = if absolute.is_file() { absolute.parent().unwrap_or(&absolute).to_owned() } else { absolute.clone() };
    for path in paths(&absolute)? {
        let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let size = path.metadata().with_context(|| path.display().to_string())?.len();
        // A file that is too large is not even read.
        if size > limits.file_bytes as u64 {
            diagnostics.push(files.add_too_large(name, size, &limits));
            continue;
        }
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        if let Err(found) = files.add(name, &bytes, &limits) {
            // What is no text is shown, and not read.
            diagnostics.push(*found);
            unreadable.insert(files.0.len().saturating_sub(1));
        }
    }
    if files.0.is_empty() {
        bail!("{}: there is no .yaml or .json file in it", folder.display());
    }
    let catalog = catalog::titles()?;
    let (documents, found) = load_readable(&files, &unreadable, &limits);
    diagnostics.extend(found);
    let (repository, found) = resolve(&documents, &files, &catalog);
    diagnostics.extend(found);
    diagnostic::sort(&mut diagnostics, &files);
    let hash = hash(&files);
    Ok(Read { folder: absolute, files, documents, repository, catalog, diagnostics, hash })
}

/// Reads a repository that has to be in order: errors are shown, and end the command.
pub fn read_in_order(folder: &Path) -> Result<Option<Read>> {
    let read = read(folder)?;
    let errors: Vec<&Diagnostic> = read.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    if errors.is_empty() {
        return Ok(Some(read));
    }
    let renderer = Renderer::new(&read.files);
    for found in &errors {
        terminal::note(paint(&renderer, found));
    }
    terminal::note(format_args!(
        "{} has {}; `refit check {}` lists everything",
        folder.display(),
        counted(errors.len(), "error"),
        folder.display()
    ));
    Ok(None)
}

/// A diagnostic with its colours.
pub fn paint(renderer: &Renderer<'_>, found: &Diagnostic) -> String {
    let style = match found.severity {
        Severity::Error => terminal::URGENT,
        Severity::Warning => terminal::CHANGE,
        Severity::Note => terminal::HEADING,
    };
    let text = renderer.render(found).to_string();
    match text.split_once(':') {
        Some((head, rest)) => format!("{}:{rest}", terminal::paint(style, head)),
        None => text,
    }
}

/// `1 error`, `2 errors`.
pub fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The files of a repository, sorted by path.
fn paths(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry.with_context(|| folder.display().to_string())?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            // Links to folders are not followed: they could lead in a circle, or out of the repository.
            if kind.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
            {
                paths.push(path);
            }
            if paths.len() > FILES_MOST {
                bail!("{}: more than {FILES_MOST} files; is this a policy repository?", folder.display());
            }
        }
    }
    paths.sort();
    Ok(paths)
}

fn hash(files: &Files) -> String {
    let mut hasher = Sha256::new();
    for file in &files.0 {
        // Lengths keep a file's name and text apart.
        hasher.update((file.path.len() as u64).to_be_bytes());
        hasher.update(file.path.as_bytes());
        hasher.update((file.text.len() as u64).to_be_bytes());
        hasher.update(file.text.as_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
