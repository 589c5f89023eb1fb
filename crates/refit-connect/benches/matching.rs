//! Matching a device with 2,000 packages against all feeds, debsecan beside it on the same vulnerabilities.
//!
//! `cargo bench -p refit-connect --bench matching` prints how long the sync took; then what it costs to open the store and
//! match, in a fresh process each time, and what debsecan costs; and how many open vulnerabilities each of them found. The
//! feeds are made up in the amount of the real ones, see `refit_testbed::feeds`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and one that can't be set up is meant to panic"
)]

use flate2::{Compression, write::ZlibEncoder};
use jiff::Timestamp;
use refit_connect::feeds::{FeedKind, FeedStore, InstalledPackage, SyncFrom, SyncOptions, Universe, sync};
use refit_testbed::{
    cost::{head, least, line, run},
    feeds::{self, SOURCES, cve, source, state, vulnerabilities},
};
use std::{
    collections::BTreeMap,
    error::Error,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const PACKAGES: usize = 2_000;
const RUNS: usize = 7;
const LIMIT: Duration = Duration::from_secs(120);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, verb, data, ..] = arguments.as_slice()
        && verb == "match"
    {
        return one_match(Path::new(data));
    }
    let work = tempfile::tempdir()?;
    let from = work.path().join("from");
    feeds::write(&from, Vec::new())?;
    let started = Instant::now();
    let options = SyncOptions { from: SyncFrom::Folder(from), now: now()?, force: false, limits: BTreeMap::new() };
    let store = FeedStore::open(work.path());
    let outcomes = sync(&store, &FeedKind::ALL, &options, &mut |_| {});
    let missing: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.result.is_err()).map(|outcome| outcome.feed.name()).collect();
    println!("sync from a folder: {} ms; not there: {}", started.elapsed().as_millis(), missing.join(", "));
    for status in store.status().iter().filter(|status| status.records > 0) {
        println!("  {}: {} records, index of {} kB", status.feed, status.records, status.bytes / 1000);
    }
    let matching = || -> Result<Command, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("match").arg(work.path());
        Ok(command)
    };
    print!("refit: {}", String::from_utf8_lossy(&matching()?.output()?.stdout));
    let mut rows = vec![("match 2,000 packages", matching()?)];
    if Path::new("/usr/bin/debsecan").exists() {
        let mut debsecan = debsecan(work.path())?;
        let found = debsecan.output()?.stdout.iter().filter(|byte| **byte == b'\n').count();
        println!("debsecan: {found} open vulnerabilities");
        rows.push(("debsecan", debsecan));
    } else {
        println!("debsecan: skipped, `apt-get install --no-install-recommends debsecan` brings it");
    }
    // One run of each in turn: what else the machine does falls on all of them.
    let mut costs = vec![Vec::new(); rows.len()];
    for _ in 0..RUNS {
        for ((_, command), costs) in rows.iter_mut().zip(&mut costs) {
            costs.push(run(command, LIMIT)?);
        }
    }
    println!("{}", head());
    for ((name, _), costs) in rows.iter().zip(&costs) {
        println!("{}", least(costs).map(|cost| line(name, &cost)).unwrap_or_default());
    }
    Ok(())
}

fn now() -> Result<Timestamp, jiff::Error> {
    "2026-11-23T10:00:00Z".parse()
}

/// Opens the store and matches, in a process of its own.
fn one_match(data: &Path) -> Result<(), Box<dyn Error>> {
    let report = FeedStore::open(data).match_packages(&Universe::debian("bookworm"), &packages(), now()?);
    let (fixed, open) = (report.advisories.len(), report.open_without_fix.len());
    println!("{} open vulnerabilities, {fixed} with a fix and {open} without", fixed + open);
    Ok(())
}

fn packages() -> Vec<InstalledPackage> {
    let package = |n: usize| {
        InstalledPackage::new(&format!("package{n}"), "1.0-5", "amd64").built_from(&source(n % 1_200), "1.0-5")
    };
    (0..PACKAGES).map(package).collect()
}

/// The peer, on the same vulnerabilities and packages.
fn debsecan(work: &Path) -> Result<Command, Box<dyn Error>> {
    let mut names = BTreeMap::new();
    let mut lines = String::new();
    for index in 0..SOURCES {
        for number in 0..vulnerabilities(index) {
            let count = names.len();
            let id = *names.entry(cve(index, number)).or_insert(count);
            match state(index, number) {
                (_, Some("0")) => {}
                (_, fixed) => _ = writeln!(lines, "{},{id},S   ,{},", source(index), fixed.unwrap_or_default()),
            }
        }
    }
    let mut ordered: Vec<_> = names.into_iter().map(|(name, id)| (id, name)).collect();
    ordered.sort();
    let names: String = ordered.into_iter().map(|(_, name)| format!("{name},,description\n")).collect();
    let mut packed = ZlibEncoder::new(fs::File::create(work.join("GENERIC"))?, Compression::default());
    packed.write_all(format!("VERSION 1\n{names}\n{lines}\n\n").as_bytes())?;
    packed.finish()?;
    let mut status = String::new();
    for package in packages() {
        let (version, source) = (&package.build.version, &package.source);
        let _ = write!(
            status,
            "Package: {}\nStatus: install ok installed\nSource: {source}\nVersion: {version}\n\n",
            package.name
        );
    }
    fs::write(work.join("status"), status)?;
    fs::write(work.join("config"), "")?;
    let mut command = Command::new("/usr/bin/debsecan");
    command.args(["--format", "simple"]).arg("--config").arg(work.join("config"));
    command.arg("--status").arg(work.join("status")).arg("--source").arg(format!("file://{}/", work.display()));
    Ok(command)
}
