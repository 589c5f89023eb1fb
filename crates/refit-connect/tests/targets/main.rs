//! Folders that configuration is written to, on real file systems: what is seen, what is written, and what is left where it fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use refit_connect::targets::{ApplyError, FileStep, Folder, ObserveError};
use std::{
    env, fs,
    io::ErrorKind,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

fn write<'s>(path: &'s str, text: &'s str) -> FileStep<'s> {
    FileStep { path, text: Some(text), emptied: &[] }
}

fn apply(folder: &Folder, steps: &[FileStep<'_>]) -> Result<(), ApplyError> {
    folder.apply(&folder.lock()?, steps, &[], "begun", "done")
}

/// All files of a folder but those that remember, with their texts.
fn files(folder: &Path) -> Vec<(String, String)> {
    let seen = Folder::new(folder, "x").walk(&[], &|_| true).unwrap();
    seen.texts.into_iter().filter_map(|(path, text)| Some((path, text.ok()?))).collect()
}

fn some(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn files_are_written_and_taken_away_with_their_folders() {
    let here = tempfile::tempdir().unwrap();
    let folder = Folder::new(here.path(), "macs");
    fs::write(here.path().join("theirs"), "left").unwrap();
    apply(&folder, &[write("refit-a/etc/one", "1"), write("refit-a/etc/two", "2")]).unwrap();
    assert_eq!(files(here.path()), some(&[("refit-a/etc/one", "1"), ("refit-a/etc/two", "2"), ("theirs", "left")]));
    assert_eq!(folder.remembered().unwrap().as_deref(), Some("done"));
    let emptied = ["refit-a/etc".to_owned(), "refit-a".to_owned()];
    let gone = |path| FileStep { path, text: None, emptied: &emptied };
    apply(&folder, &[gone("refit-a/etc/one")]).unwrap();
    assert_eq!(files(here.path()), some(&[("refit-a/etc/two", "2"), ("theirs", "left")]), "a folder in use stays");
    apply(&folder, &[gone("refit-a/etc/two"), gone("refit-a/etc/one")]).unwrap();
    assert_eq!(files(here.path()), some(&[("theirs", "left")]));
    assert!(!here.path().join("refit-a").exists());
}

#[test]
fn a_file_keeps_its_mode() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("automatic.conf");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    apply(&Folder::new(here.path(), "x"), &[write("automatic.conf", "new")]).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_fails_half_way_is_remembered_as_begun() {
    let here = tempfile::tempdir().unwrap();
    let folder = Folder::new(here.path(), "x");
    fs::create_dir_all(here.path().join("b/in-the-way")).unwrap();
    let steps = [write("a", "1"), write("b", "2"), write("c", "3")];
    let error = apply(&folder, &steps).unwrap_err();
    assert!(matches!(&error, ApplyError::File { done: 1, of: 3, .. }), "{error:?}");
    assert!(
        error.to_string().contains("1 of 3 files were changed before") && error.to_string().contains("move it away"),
        "{error}"
    );
    assert_eq!(folder.remembered().unwrap().as_deref(), Some("begun"));
    assert_eq!(files(here.path()), some(&[("a", "1")]));
    fs::remove_dir_all(here.path().join("b")).unwrap();
    apply(&folder, &steps).unwrap();
    assert_eq!(files(here.path()), some(&[("a", "1"), ("b", "2"), ("c", "3")]));
    assert_eq!(folder.remembered().unwrap().as_deref(), Some("done"));
}

#[test]
fn a_full_disk_says_what_to_do_and_leaves_whole_files() {
    let disk = tempfile::tempdir().unwrap();
    let Some(_mounted) = mounted(disk.path(), "size=256k") else { return };
    let folder = Folder::new(disk.path(), "x");
    apply(&folder, &[write("a", "old")]).unwrap();
    let large = "x".repeat(100_000);
    let error =
        apply(&folder, &[write("a", "new"), write("b", &large), write("c", &large), write("d", &large)]).unwrap_err();
    let ApplyError::File { source, done, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), ErrorKind::StorageFull);
    assert!((1..4).contains(done), "{error}");
    assert!(error.to_string().contains("make room there, and run the same command again"), "{error}");
    for (path, text) in files(disk.path()) {
        assert!(text == "new" || text == large, "{path} is half written");
    }
    assert_eq!(folder.remembered().unwrap().as_deref(), Some("begun"));
}

#[test]
fn a_folder_for_reading_only_says_what_to_do() {
    let disk = tempfile::tempdir().unwrap();
    let Some(_mounted) = mounted(disk.path(), "size=256k") else { return };
    let folder = Folder::new(disk.path(), "x");
    apply(&folder, &[write("a", "old")]).unwrap();
    let again = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status().unwrap();
    assert!(again.success());
    let error = apply(&folder, &[write("a", "new")]).unwrap_err();
    assert!(
        error.to_string().contains("mount it for writing") && error.to_string().contains("Nothing was changed"),
        "{error}"
    );
    assert_eq!(files(disk.path()), some(&[("a", "old")]));
}

/// A small file system; `None` where none can be mounted.
fn mounted(at: &Path, options: &str) -> Option<Unmount> {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
    if mounted.is_ok_and(|output| output.status.success()) {
        return Some(Unmount(at.to_owned()));
    }
    refit_testbed::skip("mounting a small file system needs root");
    None
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// What the child is told by.
const CHILD: &str = "REFIT_TEST_FOLDER";

/// So many files that nobody is done before somebody kills them.
const MANY: usize = 20_000;

#[test]
fn a_run_that_is_killed_leaves_whole_files_and_can_be_carried_on() {
    let texts: Vec<(String, String)> = (0..MANY).map(|n| (format!("f{n:05}"), format!("{n}\n").repeat(50))).collect();
    let steps: Vec<FileStep<'_>> = texts.iter().map(|(path, text)| write(path, text)).collect();
    if let Some(folder) = env::var_os(CHILD) {
        return apply(&Folder::new(Path::new(&folder), "x"), &steps).unwrap();
    }
    let here = tempfile::tempdir().unwrap();
    let name = "a_run_that_is_killed_leaves_whole_files_and_can_be_carried_on";
    let mut child =
        Command::new(env::current_exe().unwrap()).args(["--exact", name]).env(CHILD, here.path()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while !here.path().join("f00100").exists() {
        assert!(Instant::now() < until && child.try_wait().unwrap().is_none(), "it did not come so far");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = Folder::new(here.path(), "x");
    let there = files(here.path());
    assert!(there.len() > 100 && there.len() < MANY, "{} files", there.len());
    assert_eq!(there, texts[..there.len()], "in their order, and each whole");
    assert_eq!(folder.remembered().unwrap().as_deref(), Some("begun"));
    let unfinished: Vec<&str> = texts.iter().map(|(path, _)| path.as_str()).collect();
    let rest = &steps[there.len()..];
    folder.apply(&folder.lock().unwrap(), &rest[..10], &unfinished, "begun", "done").unwrap();
    assert_eq!(files(here.path()), texts[..there.len() + 10]);
    let left = fs::read_dir(here.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".refit-unfinished"));
    assert_eq!(left.count(), 0);
}

#[test]
fn one_at_a_time() {
    let here = tempfile::tempdir().unwrap();
    let folder = Folder::new(here.path(), "x");
    let lock = folder.lock().unwrap();
    assert!(matches!(folder.lock(), Err(ApplyError::Busy(_))));
    Folder::new(here.path(), "another target").lock().unwrap();
    drop(lock);
    folder.lock().unwrap();
}

#[test]
fn nothing_is_written_through_links_or_out_of_the_folder() {
    let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = Folder::new(here.path(), "x");
    symlink(elsewhere.path(), here.path().join("manifests")).unwrap();
    for path in ["manifests/refit/a", "../a", "/tmp/a"] {
        // What comes before is not done either.
        let error = apply(&folder, &[write("first", "1"), write(path, "2")]).unwrap_err();
        assert!(matches!(error, ApplyError::Outside { .. }), "{path}: {error:?}");
    }
    assert!(files(here.path()).is_empty() && files(elsewhere.path()).is_empty());
    let other = Folder::new(&here.path().join("other"), "x");
    fs::create_dir(other.path()).unwrap();
    symlink(elsewhere.path(), other.path().join(".refit")).unwrap();
    assert!(matches!(other.lock(), Err(ApplyError::Outside { .. })), "nor is what is remembered");
    // A link in the place of a file is replaced, and what it leads to stays.
    let theirs = elsewhere.path().join("theirs");
    fs::write(&theirs, "left").unwrap();
    symlink(&theirs, here.path().join("a")).unwrap();
    symlink(&theirs, here.path().join(".refit-unfinished-a")).unwrap();
    apply(&folder, &[write("a", "new")]).unwrap();
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "left");
    assert_eq!(fs::read_to_string(here.path().join("a")).unwrap(), "new");
    assert!(!here.path().join("a").is_symlink());
}

#[test]
fn what_is_no_text_is_seen_and_said() {
    let here = tempfile::tempdir().unwrap();
    let folder = Folder::new(here.path(), "x");
    fs::write(here.path().join("bytes"), [0xff, 0xfe]).unwrap();
    symlink("bytes", here.path().join("link")).unwrap();
    fs::create_dir_all(here.path().join(".git")).unwrap();
    fs::write(here.path().join(".git/refit"), "").unwrap();
    fs::write(here.path().join("theirs"), "").unwrap();
    let seen = folder.walk(&[], &|path| path != "theirs").unwrap();
    assert_eq!(seen.others, 1);
    assert_eq!(seen.texts["bytes"], Err("it is no text in UTF-8".to_owned()));
    assert_eq!(seen.texts["link"], Err("it is a symbolic link".to_owned()));
    assert_eq!(seen.texts.len(), 2);
    assert_eq!(folder.read(["theirs", "nowhere"]).unwrap().len(), 1);
    assert!(matches!(folder.read(["../theirs"]), Err(ObserveError::Outside(_))));
}
