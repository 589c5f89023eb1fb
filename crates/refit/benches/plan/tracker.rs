//! Feeds of the size of the real ones: the snapshot's, and a made-up Debian tracker of 60,000 vulnerabilities and EPSS of
//! 300,000, since those can't be kept in a repository. The tracker speaks of the packages that are really installed.

use std::{
    error::Error,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// How many source packages the tracker speaks of, as the real one does.
const SOURCES: usize = 3_800;

/// Writes the feeds, and returns their folder. `installed` are the source packages of the machine and the root.
pub fn write(work: &Path, installed: Vec<String>) -> Result<PathBuf, Box<dyn Error>> {
    let feeds = work.join("feeds");
    for folder in ["kev", "epss", "osv", "releases"] {
        fs::create_dir_all(feeds.join(folder))?;
    }
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("../refit-connect/snapshot");
    for file in ["kev/known_exploited_vulnerabilities.json.gz", "releases/debian_changelog_security_uploads.csv.gz"] {
        fs::copy(snapshot.join(file), feeds.join(file))?;
    }
    let mut sources: Vec<String> = vec!["linux".to_owned()];
    sources.extend(installed.into_iter().filter(|source| source != "linux" && !source.is_empty()));
    sources.extend((sources.len()..SOURCES).map(|n| format!("source{n}")));
    let tracker = tracker(&sources);
    println!("tracker: {} MB, {} sources", tracker.len() / 1_000_000, sources.len());
    fs::write(feeds.join("osv/debian_security_tracker.json"), tracker)?;
    let scores: String = (0..300_000).fold("cve,epss,percentile\n".to_owned(), |mut text, n| {
        let _ = writeln!(text, "CVE-{}-{},0.{:05},0.5", 2000 + n / 12_000, 1000 + n % 12_000, n % 99_999);
        text
    });
    fs::write(feeds.join("epss/epss_scores-2026-11-23.csv"), scores)?;
    Ok(feeds)
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

/// Most are fixed in every version that is about; some are open, some do not concern Debian, some wait for a far version.
fn state(source: usize, number: usize) -> (&'static str, Option<&'static str>) {
    match (source * 7 + number) % 20 {
        0 => ("resolved", Some("99:1.0-9")),
        1 => ("open", None),
        2 => ("resolved", Some("0")),
        _ => ("resolved", Some("0~~1-3")),
    }
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
            let cve = format!("CVE-{}-{}", 2000 + (source * 31 + number) % 25, 1000 + (source * 131 + number) % 12_000);
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
