//! Reading a policy repository from a folder.

use crate::{Refused, catalog, terminal};
use anyhow::{Context, Result, bail, ensure};
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
    fs::File,
    io::{ErrorKind, Read as _},
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

/// How names of files end that are read.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// How many files are read at most: a repository of 10,000 documents is a large one.
const FILES_MOST: usize = 100_000;

/// How much text is read at most, in bytes: as much as 10,000 documents of 3 kB.
const TEXT_MOST: u64 = 32 << 20;

/// Reads all `.yaml`, `.yml` and `.json` files of a folder and what is below it; what begins with a dot is passed over.
pub fn read(folder: &Path) -> Result<Read> {
    let absolute = match folder.canonicalize() {
        Ok(absolute) => absolute,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!(
                "there is no folder `{}`; give the policy repository, the folder that holds refit.yaml",
                folder.display()
            )
        }
        Err(error) => {
            return Err(error).with_context(|| format!("the policy repository `{}` can't be read", folder.display()));
        }
    };
    let limits = Limits::default();
    let (mut files, mut diagnostics, mut unreadable) = (Files::default(), Vec::new(), BTreeSet::new());
    let alone = absolute.is_file();
    let root = if alone { absolute.parent().unwrap_or(&absolute).to_owned() } else { absolute.clone() };
    let mut text: u64 = 0;
    let mut passed_over = Vec::new();
    for path in paths(&absolute, &mut passed_over)? {
        let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let found = match content(&path, &root, &limits) {
            Ok(bytes) => {
                text += bytes.len() as u64;
                // What is no text is shown, and not read.
                files.add(name, &bytes, &limits).err().map(|found| *found)
            }
            Err(Unread::TooLarge { size }) => Some(files.add_too_large(name, size, &limits)),
            Err(Unread::Unreadable { why }) => Some(files.add_unreadable(name, why)),
        };
        if let Some(found) = found {
            diagnostics.push(found);
            unreadable.insert(files.0.len().saturating_sub(1));
        }
        if text > TEXT_MOST {
            bail!("{}: more than {} MiB of documents; is this a policy repository?", folder.display(), TEXT_MOST >> 20);
        }
    }
    passed_over.sort();
    for path in &passed_over {
        let name = path.strip_prefix(&root).unwrap_or(path).display().to_string();
        let why = "the letters of .yaml, .yml and .json have to be small ones";
        diagnostics.push(Diagnostic::warning("policy/file-name", format!("`{name}` is not read")).label(why));
    }
    if files.0.is_empty() {
        let large = passed_over.first().and_then(|path| path.file_name()).map_or_else(String::new, |name| {
            format!(" (`{}` is not read: the letters of its ending have to be small ones)", name.display())
        });
        bail!(
            "{}: there is no .yaml, .yml or .json file in it{large}; a policy repository begins with a refit.yaml",
            folder.display()
        );
    }
    let catalog = catalog::titles()?;
    let (documents, found) = load_readable(&files, &unreadable, &limits);
    diagnostics.extend(found);
    let (repository, found) = resolve(&documents, &files, &catalog);
    diagnostics.extend(found);
    if alone {
        diagnostics.push(
            Diagnostic::note("policy/one-file", "only this file was read")
                .label("what other files define is unknown here; give their folder to read them all"),
        );
    }
    diagnostic::sort(&mut diagnostics, &files);
    let hash = hash(&files);
    Ok(Read { folder: absolute, files, documents, repository, catalog, diagnostics, hash })
}

/// Why a file is not read.
enum Unread {
    /// It is larger than allowed, in bytes.
    TooLarge { size: u64 },
    /// It can't be read, or must not be.
    Unreadable { why: String },
}

/// The bytes of a file below `root`.
fn content(path: &Path, root: &Path, limits: &Limits) -> Result<Vec<u8>, Unread> {
    let unreadable = |why: String| Unread::Unreadable { why };
    let refused = |error: std::io::Error| unreadable(error.to_string());
    // A link may lead anywhere, also to what only this program may read; what it finds would be printed.
    let real = path.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => unreadable("a link to a file that is not there".to_owned()),
        _ => refused(error),
    })?;
    if !real.starts_with(root) {
        return Err(unreadable("a link to a file outside of the policy repository".to_owned()));
    }
    let metadata = real.metadata().map_err(refused)?;
    // Reading from a pipe would wait for ever.
    if !metadata.is_file() {
        return Err(unreadable("not a regular file".to_owned()));
    }
    let most = limits.file_bytes as u64;
    if metadata.len() > most {
        return Err(Unread::TooLarge { size: metadata.len() });
    }
    let mut bytes = Vec::new();
    // It may grow while it is read: one byte above the limit is enough to refuse it.
    File::open(&real).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(refused)?;
    if bytes.len() as u64 > most {
        return Err(Unread::TooLarge { size: bytes.len() as u64 });
    }
    Ok(bytes)
}

/// The policy repository that was given, or else this folder, where it is one by the look of it: what merely lies below some
/// folder is nobody's policy.
pub fn given_or_here(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let here = PathBuf::from(".");
    let begins = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        ["organization:", "policy:", "\"organization\"", "\"policy\""]
            .iter()
            .any(|key| text.lines().any(|line| line.trim_start_matches(['{', ' ']).starts_with(key)))
    };
    let files = std::fs::read_dir(&here).map(|entries| entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>());
    let files = files.unwrap_or_default();
    let is_one =
        files.iter().any(|path| path.is_file() && (path.ends_with("refit.yaml") || (is_read(path) && begins(path))));
    match is_one {
        true => Ok(here),
        false => Err(Refused::usage(
            "there is no policy repository in this folder: give one with `--policy DIR`, or ask a server with `--server`",
        )),
    }
}

/// Whether a file of this name is read.
fn is_read(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

/// Whether a file would be read if its ending had small letters.
fn has_large_ending(path: &Path) -> bool {
    !is_read(path)
        && path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Reads a repository that has to be in order: errors are shown, and end the command.
pub fn read_in_order(folder: &Path) -> Result<Read> {
    let read = read(folder)?;
    let errors: Vec<&Diagnostic> = read.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    if errors.is_empty() {
        return Ok(read);
    }
    let renderer = Renderer::new(&read.files);
    for found in &errors {
        terminal::note(paint(&renderer, found));
    }
    Err(Refused::no(format!(
        "{} has {}; `refit check {}` lists everything",
        folder.display(),
        counted(errors.len(), "error"),
        folder.display()
    )))
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

/// The files of a repository, sorted by path. What is not read because its ending has capital letters is put into `passed_over`.
fn paths(folder: &Path, passed_over: &mut Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    ensure!(folder.is_dir(), "{}: neither a folder nor a file", folder.display());
    let unreadable = |folder: &Path| format!("the folder {} can't be read", folder.display());
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| unreadable(&folder))? {
            let entry = entry.with_context(|| unreadable(&folder))?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            // Links to folders are not followed: they could lead in a circle, or out of the repository.
            if kind.is_dir() {
                folders.push(path);
            } else if is_read(&path) {
                paths.push(path);
            } else if has_large_ending(&path) {
                passed_over.push(path);
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
