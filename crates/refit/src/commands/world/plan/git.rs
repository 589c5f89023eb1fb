//! A policy repository as it was in a revision, as git tells it.

use crate::Refused;
use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// What git calls files with text in them; links and other repositories are not read.
const REGULAR: [&str; 2] = ["100644", "100755"];

/// How names of files end that a policy repository is read from.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A file of a revision: its name in the folder, and the name that git has for its content.
struct Tracked {
    path: PathBuf,
    object: String,
}

/// Copies the documents that a folder had in a revision into a folder that goes with the value.
pub fn revision(folder: &Path, revision: &str) -> Result<TempDir> {
    let files = list(folder, revision)?;
    let copy = tempfile::tempdir().context("there is no room for the policies of that revision")?;
    let mut cat = git(folder)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("git can't be run")?;
    let (Some(mut ask), Some(told)) = (cat.stdin.take(), cat.stdout.take()) else { bail!("git can't be asked") };
    let mut told = BufReader::new(told);
    for file in &files {
        writeln!(ask, "{}", file.object).and_then(|()| ask.flush()).context("git can't be asked")?;
        let mut head = String::new();
        told.read_line(&mut head).context("git does not answer")?;
        // `OBJECT blob SIZE`, then the content and a line end.
        let size: Option<u64> = head.split_whitespace().nth(2).and_then(|size| size.parse().ok());
        let Some(size) = size else { bail!("git does not have {}: {}", file.path.display(), head.trim_end()) };
        let mut content = Vec::new();
        told.by_ref().take(size + 1).read_to_end(&mut content).context("git does not answer")?;
        content.pop();
        let to = copy.path().join(&file.path);
        let folder = to.parent().unwrap_or(copy.path());
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&to, content))
            .context("the copy can't be written")?;
    }
    drop(ask);
    cat.wait().context("git does not end")?;
    Ok(copy)
}

fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    // A file is a repository of one document; git wants the folder.
    git.arg("-C").arg(if folder.is_file() { folder.parent().unwrap_or(folder) } else { folder });
    git.stderr(Stdio::piped());
    git
}

fn list(folder: &Path, revision: &str) -> Result<Vec<Tracked>> {
    let no_such = |why: &str| {
        Refused::usage(format!(
            "`--against {revision}` is neither a folder nor a revision in git of {}{why}",
            folder.display()
        ))
    };
    if revision.starts_with('-') {
        return Err(no_such(""));
    }
    let known = git(folder)
        .args(["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")])
        .output()
        .map_err(|error| no_such(&format!(" (git can't be run: {error})")))?;
    if !known.status.success() {
        let why = String::from_utf8_lossy(&known.stderr);
        let why = why.trim().trim_start_matches("fatal: ");
        return Err(no_such(&if why.is_empty() { String::new() } else { format!(": {why}") }));
    }
    let commit = String::from_utf8_lossy(&known.stdout).trim().to_owned();
    let listed =
        git(folder).args(["ls-tree", "-r", "-z", &format!("{commit}:./")]).output().context("git can't be run")?;
    if !listed.status.success() {
        return Err(Refused::usage(format!("{} was not there in revision {revision}", folder.display())));
    }
    let text = String::from_utf8(listed.stdout).context("a name of a file is not UTF-8")?;
    // `MODE blob OBJECT<tab>PATH`.
    let files = text.split('\0').filter_map(|line| {
        let (kind, path) = line.split_once('\t')?;
        let mut words = kind.split_whitespace();
        let (mode, object) = (words.next()?, words.nth(1)?);
        let path = PathBuf::from(path);
        let plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(name) if !name.to_string_lossy().starts_with('.')));
        let read = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
        (plain && read && REGULAR.contains(&mode)).then(|| Tracked { path, object: object.to_owned() })
    });
    let files: Vec<Tracked> = files.collect();
    if files.is_empty() {
        return Err(Refused::usage(format!("{} had no documents in revision {revision}", folder.display())));
    }
    Ok(files)
}
