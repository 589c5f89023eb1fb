//! The commands as people meet them: each file in `transcripts/` is a session at a terminal, run again and compared.
//!
//! A line that begins with `$ ` is typed, with what follows it after `> `; `# ` is prose. What the commands wrote follows:
//! standard output as it is, standard error behind `! `, and the exit status where it is not 0. A session starts in a copy of
//! the folder `policies/`, which is also its home, with nothing else in the environment than what a login has.
//!
//! To write new transcripts, add the `$ ` lines and run with `UPDATE_TRANSCRIPTS=1`; then read what came out as somebody
//! would who never saw Refit before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// One test for each file.
macro_rules! transcripts {
    ($($name:ident)*) => {
        $(#[test] fn $name() { transcript(stringify!($name)); })*

        #[test]
        fn every_transcript_is_run() {
            let mut files: Vec<String> = fs::read_dir(tests().join("transcripts"))
                .unwrap()
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().replace('-', "_"))
                .collect();
            files.sort();
            assert_eq!(files, [$(stringify!($name)),*], "name the files of transcripts/ in cli.rs, sorted");
        }
    };
}

transcripts! {
    check
    completions
    feeds
    fleet
    folders
    help
    import
    keys
    plan
    schema
    shadow
    source
    sources
    terminal
    test
    usage
    versions
    world
}

/// Runs a transcript's commands again, and compares.
fn transcript(name: &str) {
    let file = tests().join(format!("transcripts/{}.txt", name.replace('_', "-")));
    let expected = fs::read_to_string(&file).unwrap();
    let home = tempfile::tempdir().unwrap();
    copy(&tests().join("policies"), home.path());
    let actual = run(&expected, &home.path().canonicalize().unwrap());
    if actual == expected {
        return;
    }
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        fs::write(&file, actual).unwrap();
        return;
    }
    panic!(
        "{} is not what the commands print now (- expected, + printed; UPDATE_TRANSCRIPTS=1 rewrites it):\n{}",
        file.display(),
        difference(&expected, &actual)
    );
}

/// A transcript with what its commands print now.
fn run(transcript: &str, home: &Path) -> String {
    let mut text = String::new();
    let mut lines = transcript.lines().peekable();
    let mut blank = "";
    while let Some(line) = lines.next() {
        if line.starts_with('#') {
            text += &format!("{blank}{line}\n");
            blank = "";
        } else if let Some(command) = line.strip_prefix("$ ") {
            let mut command = command.to_owned();
            text += &format!("{blank}{line}\n");
            while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
                text += &format!("{more}\n");
                command += &format!("\n{}", more.strip_prefix("> ").unwrap_or_default());
            }
            text += &typed(&command, home);
            blank = "\n";
        }
        // Everything else is what the commands printed last time, or stands between prose.
        if line.is_empty() && lines.peek().is_some_and(|next| next.starts_with('#')) {
            blank = "\n";
        }
    }
    text
}

/// What a terminal shows of a command.
fn typed(command: &str, home: &Path) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_refit")).parent().unwrap();
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-o", "pipefail", "-c", command])
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("PATH", format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", programs.display()))
        .env("LANG", "C.UTF-8")
        // Root's data would be the machine's own.
        .env("REFIT_DATA", home.join(".local/share/refit"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut text = String::new();
    for (mark, bytes) in [("", output.stdout), ("! ", output.stderr)] {
        let shown =
            String::from_utf8(bytes).expect("commands print UTF-8").replace(home.to_str().unwrap(), "/home/you");
        for line in shown.lines().map(timeless) {
            assert!(
                !line.starts_with("$ ") && (!line.starts_with('#') || !mark.is_empty()),
                "{line}: can't be told from what is typed"
            );
            // What can't be seen has to be seen: escape codes.
            let _ = writeln!(text, "{}", format!("{mark}{}", line.replace('\u{1b}', "␛")).trim_end());
        }
    }
    match output.status.code() {
        Some(0) => {}
        Some(status) => text += &format!("exit status {status}\n"),
        None => text += &format!("{}\n", output.status),
    }
    text
}

/// A line without what changes from day to day: the age of a feed.
fn timeless(line: &str) -> String {
    let Some((before, after)) = line.split_once(" days old") else { return line.to_owned() };
    format!("{}N days old{after}", before.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// Lines of both texts, in order: `-` only in the first, `+` only in the second.
fn difference(before: &str, after: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    // The length of the longest common sequence of what is left of both.
    let mut common = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < a.len() || j < b.len() {
        let (sign, line) = if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
            (' ', a[i - 1])
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', a[i - 1])
        } else {
            j += 1;
            ('+', b[j - 1])
        };
        let _ = writeln!(text, "{sign} {line}");
    }
    text
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}
