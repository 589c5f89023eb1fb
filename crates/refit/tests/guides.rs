//! The guides of the departments, done as they stand there: their scripts are run on the seeded month, against `refit serve`, and have to print
//! what the page says they print; and the decision is another one when the one fact is.
//!
//! `UPDATE_TRANSCRIPTS=1` writes what the scripts print now into the pages; read it afterwards as somebody of that department would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

/// The program under test.
const REFIT: &str = env!("CARGO_BIN_EXE_refit");
/// How scripts are started, as the pages write it.
const STARTS: &str = "$ python3 docs/guides/scripts/";

/// The month, made once; scripts work on copies.
static MONTH: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let made = history(&folder.path().join("data"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
});

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn history(out: &Path) -> Output {
    let mut command = Command::new(REFIT);
    command.args(["fleet", "history"]).arg(root().join("examples/acme")).arg("--out").arg(out);
    command.output().unwrap()
}

/// Whether there is a Python; without one the test says so, or fails where nothing may be skipped.
fn has_python() -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        assert!(std::env::var_os("REFIT_NO_SKIP").is_none(), "there is no python3");
        eprintln!("skipped: there is no python3");
    }
    there
}

fn typed(command: &str) -> String {
    let mut words = command.strip_prefix("$ ").unwrap().split(' ');
    python(Command::new(words.next().unwrap()).args(words))
}

/// What a script prints that is well.
fn python(command: &mut Command) -> String {
    let output = command
        .current_dir(root())
        .env("REFIT", REFIT)
        .env("REFIT_HISTORY", MONTH.path().join("data"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Runs what a page shows, and compares.
fn page(name: &str) {
    if !has_python() {
        return;
    }
    let file = root().join(format!("docs/guides/{name}.md"));
    let page = fs::read_to_string(&file).unwrap();
    let (mut now, mut decisions) = (String::new(), Vec::new());
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        now += &format!("{line}\n");
        if !line.starts_with(STARTS) {
            continue;
        }
        let printed = typed(line);
        decisions.extend(printed.lines().rfind(|line| line.starts_with("Decision: ")).map(ToOwned::to_owned));
        now += &printed;
        // What was printed last time: up to the next command, or the end of the block.
        while lines.next_if(|line| !line.starts_with("```") && !line.starts_with("$ ")).is_some() {}
    }
    let [one, other] = &decisions[..] else { panic!("{name}: two decisions belong there: {decisions:?}") };
    assert_ne!(one, other, "{name}: one fact is another, and the decision is the same");
    if now != page && std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        fs::write(&file, &now).unwrap();
        return;
    }
    assert_eq!(page, now, "{} is not what the scripts print now (UPDATE_TRANSCRIPTS=1 rewrites it)", file.display());
}

macro_rules! pages {
    ($($name:ident $page:literal)*) => {
        $(#[test] fn $name() { page($page); })*
    };
}

pages! {
    security "for-security"
    identity "for-identity"
    people_operations "for-people-operations"
    finance "for-finance"
    compliance "for-compliance"
    support "for-support"
    engineering "for-engineering"
}

/// Reads the stream event by event, goes on from each position that the server said, and holds all of it against the file in the repository.
const READS: &str = r#"
import json
from acme import Acme

with Acme() as acme, open("examples/history/stream.ndjson") as file:
    known = [json.loads(line) for line in file]
    read, positions, after = [], [("0", 0)], "0"
    while len(read) < len(known):
        page = acme.get("/api/v1/stream", after=after, limit=1)
        after = page["next"]
        read += page["items"]
        positions.append((after, len(read)))
    assert read == known, next((one, other) for one, other in zip(read, known) if one != other)
    for number, (after, count) in enumerate(positions):
        # From every position the next ones, and from some of them all that is left.
        limit = 1000 if number % 50 == 0 else 20
        rest = acme.get("/api/v1/stream", after=after, limit=limit)["items"][: len(known) - count]
        assert rest == known[count : count + len(rest)] and len(rest) == min(limit, len(known) - count), after
    print(len(known))
"#;

#[test]
fn a_server_streams_the_month_as_it_stands_in_the_repository_from_every_position() {
    if !has_python() {
        return;
    }
    let output = python(Command::new("python3").args(["-c", READS]).env("PYTHONPATH", "docs/guides/scripts"));
    let lines = fs::read_to_string(root().join("examples/history/stream.ndjson")).unwrap().lines().count();
    assert_eq!(output.trim(), lines.to_string());
}

#[test]
fn a_month_is_never_written_over_and_is_served_on_this_machine_alone() {
    let data = MONTH.path().join("data");
    let again = history(&data);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"));
    let served = Command::new(REFIT).args(["serve", "--listen", "0.0.0.0:0", "--data"]).arg(&data).output().unwrap();
    assert!(!served.status.success());
    assert!(String::from_utf8_lossy(&served.stderr).contains("for this machine alone"));
    let up = Command::new(REFIT).args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(&data).output().unwrap();
    assert_eq!(up.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&up.stderr).contains("a made-up history"));
}

#[test]
fn finance_s_calendar_comes_to_the_freezes_of_the_month() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("finance.ics"), refit_worlds::history::FINANCE_CALENDAR).unwrap();
    let imported = Command::new(REFIT)
        .args([
            "import",
            "calendar",
            "finance.ics",
            "--from",
            "2026-06-05",
            "--to",
            "2026-12-31",
            "--only",
            "change freeze",
        ])
        .args(["--where", "device.kind != \"server\" && person.department == \"Finance\"", "--unless", "exposure.kev"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(imported.stdout).unwrap(), refit_worlds::history::FINANCE_FREEZES);
}
