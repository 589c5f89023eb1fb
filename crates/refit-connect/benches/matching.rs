//! Matching a device with 2,000 packages against all feeds, debsecan beside it on data of the same size.
//!
//! `cargo bench -p refit-connect` prints: how long the sync took; then, for a fresh process that opens the store and
//! matches, its time on the clock, its CPU time and its largest memory. The tracker's file is synthetic, in the size of the
//! real one: 3,800 sources, 60,000 vulnerabilities, five releases, 70 MB; EPSS has 300,000 lines; the rest is the snapshot.

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
use std::{
    collections::BTreeMap, error::Error, fmt::Write as _, fs, io::Write as _, path::Path, process::Command,
    time::Instant,
};

const SOURCES: usize = 3_800;
const PACKAGES: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, verb, data, ..] = arguments.as_slice()
        && verb == "match"
    {
        return one_match(Path::new(data));
    }
    let work = tempfile::tempdir()?;
    let from = work.path().join("from");
    for folder in ["kev", "epss", "osv", "releases"] {
        fs::create_dir_all(from.join(folder))?;
    }
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshot");
    for file in ["kev/known_exploited_vulnerabilities.json.gz", "releases/debian_changelog_security_uploads.csv.gz"] {
        fs::copy(snapshot.join(file), from.join(file))?;
    }
    let json = tracker();
    println!("tracker: {} MB", json.len() / 1_000_000);
    fs::write(from.join("osv/debian_security_tracker.json"), json)?;
    let scores: String = (0..300_000).fold("cve,epss,percentile\n".to_owned(), |mut text, n| {
        let _ = writeln!(text, "CVE-{}-{},0.{:05},0.5", 2000 + n / 12_000, 1000 + n % 12_000, n % 99_999);
        text
    });
    fs::write(from.join("epss/epss_scores-2026-11-23.csv"), scores)?;
    let started = Instant::now();
    let options = SyncOptions { from: SyncFrom::Folder(from), now: now()?, force: false, limits: BTreeMap::new() };
    let kinds = [FeedKind::Kev, FeedKind::Epss, FeedKind::DebianTracker, FeedKind::DebianChangelogs];
    for outcome in sync(&FeedStore::open(work.path()), &kinds, &options, &mut |_| {}) {
        outcome.result?;
    }
    println!("sync from a folder: {} ms", started.elapsed().as_millis());
    for status in FeedStore::open(work.path()).status().iter().filter(|status| status.records > 0) {
        println!("  {}: {} records, index of {} kB", status.feed, status.records, status.bytes / 1000);
    }
    for _ in 0..5 {
        let output = Command::new(std::env::current_exe()?).arg("match").arg(work.path()).output()?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
    debsecan(work.path())
}

fn now() -> Result<Timestamp, jiff::Error> {
    "2026-11-23T10:00:00Z".parse()
}

/// Opens the store and matches, in a process of its own.
fn one_match(data: &Path) -> Result<(), Box<dyn Error>> {
    let packages = packages();
    let before = cpu_ms();
    let started = Instant::now();
    let store = FeedStore::open(data);
    let report = store.match_packages(&Universe::debian("bookworm"), &packages, now()?);
    let (wall, cpu) = (started.elapsed(), cpu_ms() - before);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!(
        "match {} packages: {:.1} ms, CPU {cpu} ms, {}; {} advisories, {} open, {} notes",
        packages.len(),
        wall.as_secs_f64() * 1000.0,
        memory.split_whitespace().skip(1).collect::<Vec<_>>().join(" "),
        report.advisories.len(),
        report.open_without_fix.len(),
        report.notes.len(),
    );
    Ok(())
}

/// CPU time of this process in milliseconds, to the 10 ms that Linux counts in.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(11..13).unwrap_or_default().iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10
}

/// Vulnerabilities of a source: the first is the kernel, which has many, the others share the rest unevenly.
fn vulnerabilities(source: usize) -> usize {
    match source {
        0 => 12_000,
        1..100 => 200,
        100..1000 => 20,
        _ => 4,
    }
}

fn state(source: usize, number: usize) -> (&'static str, Option<&'static str>) {
    match (source * 7 + number) % 20 {
        0 => ("resolved", Some("1.0-9")),
        1 => ("open", None),
        2 => ("resolved", Some("0")),
        _ => ("resolved", Some("1.0-3")),
    }
}

fn cve(source: usize, number: usize) -> String {
    format!("CVE-{}-{}", 2000 + (source * 31 + number) % 25, 1000 + (source * 131 + number) % 12_000)
}

fn tracker() -> String {
    let description =
        "A vulnerability was found in a component of this package, described at about the usual length. ".repeat(4);
    let mut json = String::from("{");
    for source in 0..SOURCES {
        let _ = write!(json, "{}\"source{source}\":{{", if source > 0 { "," } else { "" });
        for number in 0..vulnerabilities(source) {
            let comma = if number > 0 { "," } else { "" };
            let (status, fixed) = state(source, number);
            let fixed = fixed.map(|fixed| format!(",\"fixed_version\":\"{fixed}\"")).unwrap_or_default();
            let _ = write!(
                json,
                "{comma}\"{}\":{{\"scope\":\"remote\",\"description\":\"{description}\",\"releases\":{{",
                cve(source, number)
            );
            for (n, release) in ["bullseye", "bookworm", "trixie", "forky", "sid"].into_iter().enumerate() {
                let comma = if n > 0 { "," } else { "" };
                let _ = write!(
                    json,
                    "{comma}\"{release}\":{{\"status\":\"{status}\",\"repositories\":{{\"{release}\":\"1.0-5\"}}{fixed},\"urgency\":\"not yet assigned\"}}"
                );
            }
            json.push_str("}}");
        }
        json.push('}');
    }
    json.push('}');
    json
}

fn packages() -> Vec<InstalledPackage> {
    let package = |n: usize| {
        InstalledPackage::new(&format!("package{n}"), "1.0-5", "amd64")
            .built_from(&format!("source{}", n % 1_200), "1.0-5")
    };
    (0..PACKAGES).map(package).collect()
}

/// The peer, on the same vulnerabilities and packages.
fn debsecan(work: &Path) -> Result<(), Box<dyn Error>> {
    if !Path::new("/usr/bin/debsecan").exists() {
        println!("debsecan: skipped, it is not installed");
        return Ok(());
    }
    let mut names = BTreeMap::new();
    let mut lines = String::new();
    for source in 0..SOURCES {
        for number in 0..vulnerabilities(source) {
            let count = names.len();
            let id = *names.entry(cve(source, number)).or_insert(count);
            match state(source, number) {
                (_, Some("0")) => {}
                (_, fixed) => _ = writeln!(lines, "source{source},{id},S   ,{},", fixed.unwrap_or_default()),
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
    for _ in 0..3 {
        let started = Instant::now();
        let output = Command::new("/usr/bin/debsecan")
            .args(["--format", "simple"])
            .arg("--config")
            .arg(work.join("config"))
            .arg("--status")
            .arg(work.join("status"))
            .arg("--source")
            .arg(format!("file://{}/", work.display()))
            .output()?;
        let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
        println!("debsecan: {} ms, {lines} lines", started.elapsed().as_millis());
    }
    Ok(())
}
