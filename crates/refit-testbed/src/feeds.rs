//! Feeds in the amount of the real ones, for benches: the snapshot's, and made-up ones in the place of those that can't be
//! kept in a repository. They are the same on every run.

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

/// How many source packages the tracker speaks of, as the real one does.
pub const SOURCES: usize = 3_800;

/// How many scores there are, as in the real EPSS.
const SCORES: usize = 300_000;

/// How many security advisories Debian has published, about.
const ADVISORIES: usize = 6_000;

/// Writes KEV, EPSS, and Debian's tracker, security advisories and changelogs into `folder`, laid out as `refit feeds sync
/// --from` reads it. The tracker speaks of `installed`, most of the first of them, and of made-up sources. Feeds of OSV are added where the
/// shared data is (`$REFIT_SHARED_DATA`, or `../shared/data` beside the repository).
pub fn write(folder: &Path, installed: Vec<String>) -> io::Result<()> {
    for part in ["kev", "epss", "osv", "releases"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("../refit-connect/snapshot");
    for file in ["kev/known_exploited_vulnerabilities.json.gz", "releases/debian_changelog_security_uploads.csv.gz"] {
        fs::copy(snapshot.join(file), folder.join(file))?;
    }
    let shared = shared_data();
    for file in ["osv/almalinux.jsonl.gz", "osv/bitnami.jsonl.gz", "osv/psf.jsonl.gz"] {
        if let Some(shared) = shared.as_deref().filter(|shared| shared.join(file).is_file()) {
            fs::copy(shared.join(file), folder.join(file))?;
        }
    }
    let mut sources = installed;
    sources.extend((sources.len()..SOURCES).map(source));
    let scores: String = (0..SCORES).fold("cve,epss,percentile\n".to_owned(), |mut text, n| {
        let _ = writeln!(text, "CVE-{}-{},0.{:05},0.5", 2000 + n / 12_000, 1000 + n % 12_000, n % 99_999);
        text
    });
    fs::write(folder.join("osv/debian_security_tracker.json"), tracker(&sources))?;
    fs::write(folder.join("osv/debian_DSA_list_2026-11-23.txt"), advisories(&sources))?;
    fs::write(folder.join("epss/epss_scores-2026-11-23.csv"), scores)
}

fn shared_data() -> Option<PathBuf> {
    let beside = || {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        above.map(|folder| folder.join("../shared/data")).find(|folder| folder.is_dir())
    };
    std::env::var_os("REFIT_SHARED_DATA").map(PathBuf::from).or_else(beside)
}

/// The name of a made-up source package.
pub fn source(number: usize) -> String {
    format!("source{number}")
}

/// How many vulnerabilities a source has: the first stands for the kernel and has many, the others share the rest unevenly.
pub fn vulnerabilities(source: usize) -> usize {
    match source {
        0 => 12_000,
        1..100 => 200,
        100..1000 => 20,
        _ => 4,
    }
}

/// The version in which most vulnerabilities were fixed: older than any that is about.
const FIXED: &str = "0~~1-3";

/// What the tracker says of a vulnerability, and the version that fixes it. Most are fixed in every version that is about;
/// some are open, some do not concern Debian, some wait for a far version.
pub fn state(source: usize, number: usize) -> (&'static str, Option<&'static str>) {
    match (source * 7 + number) % 20 {
        0 => ("resolved", Some("99:1.0-9")),
        1 => ("open", None),
        2 => ("resolved", Some("0")),
        _ => ("resolved", Some(FIXED)),
    }
}

/// The name of a vulnerability.
pub fn cve(source: usize, number: usize) -> String {
    format!("CVE-{}-{}", 2000 + (source * 31 + number) % 25, 1000 + (source * 131 + number) % 12_000)
}

fn tracker(sources: &[String]) -> String {
    let description =
        "A vulnerability was found in a component of this package, described at about the usual length. ".repeat(4);
    let mut json = String::from("{");
    for (source, name) in sources.iter().enumerate() {
        let _ = write!(json, "{}\"{name}\":{{", if source > 0 { "," } else { "" });
        for number in 0..vulnerabilities(source) {
            let comma = if number > 0 { "," } else { "" };
            let (status, fixed) = state(source, number);
            let fixed = fixed.map(|fixed| format!(",\"fixed_version\":\"{fixed}\"")).unwrap_or_default();
            let cve = cve(source, number);
            let _ = write!(
                json,
                "{comma}\"{cve}\":{{\"scope\":\"remote\",\"description\":\"{description}\",\"releases\":{{"
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

/// Debian's list of security advisories, newest first: of one source each, and of what the tracker says is fixed.
fn advisories(sources: &[String]) -> String {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct"];
    (0..ADVISORIES).rev().fold(String::new(), |mut text, n| {
        let (source, year) = (n % sources.len(), 2006 + n * 20 / ADVISORIES);
        let name = &sources[source];
        let fixed = (0..vulnerabilities(source)).filter(|number| state(source, *number).1 == Some(FIXED));
        let cves: Vec<String> = fixed.take(3).map(|number| cve(source, number)).collect();
        let _ = writeln!(text, "[{:02} {} {year}] DSA-{n}-1 {name} - security update", 1 + n % 28, months[n % 10]);
        let _ = writeln!(text, "\t{{{}}}\n\t[bookworm] - {name} {FIXED}", cves.join(" "));
        text
    })
}
