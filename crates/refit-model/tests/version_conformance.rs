//! Versions in the order of the tools that define it: dpkg, rpm, and the dates of real releases.
//!
//! The fixtures hold real versions as the tools themselves sorted them, so most of this runs without the tools. Where dpkg
//! or rpm is installed it is asked as well, and where the big set of public data is at hand, so is that: its folder is
//! `$REFIT_SHARED_DATA`, or `../shared/data` beside the repository.

#![allow(clippy::disallowed_methods, reason = "a test reads files")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests; clippy only knows their outermost functions")]

use flate2::read::GzDecoder;
use refit_model::versions::{Scheme, Version, compare_text, sign};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Texts that are close to the edges of dpkg's and rpm's grammars, or behind them.
const ODD: [&str; 40] = [
    "1",
    "01",
    "1.",
    "1..",
    "1.0",
    "1.0-",
    "1.0--1",
    "1.0-1-1",
    "-1",
    "1.0-0",
    ":1",
    "1:",
    "1:1",
    "1:1:1",
    "a:1",
    "-1:1",
    "+1:1",
    "-0:1",
    "2147483647:1",
    "2147483648:1",
    "4294967295:1",
    "4294967296:1",
    "99999999999999999999:1",
    "a",
    "a1",
    "~1",
    "1~",
    "1~~",
    "^1",
    "1^",
    "1^~",
    "1_0",
    "1 0",
    "1.0+",
    "1.0-~",
    "1.0-1~",
    "1.0-^",
    "1é",
    "1.0-1_1",
    "1/2",
];

#[test]
fn dpkg_versions_sort_as_dpkg_sorted_them() {
    assert_sorted(Scheme::Dpkg, &fixture("dpkg_sorted.txt"));
}

#[test]
fn rpm_versions_sort_as_rpm_sorted_them() {
    assert_sorted(Scheme::Rpm, &fixture("rpm_sorted.txt"));
}

#[test]
fn dpkg_agrees() {
    if Command::new("dpkg").arg("--version").stdout(Stdio::null()).status().is_err() {
        return println!("skipped: dpkg is not installed");
    }
    let fixture = fixture("dpkg_sorted.txt");
    let mut pairs = neighbours(&words(&fixture), 1);
    pairs.extend(ODD.iter().map(|odd| ((*odd).to_owned(), "1".to_owned())));
    if let Some(data) = shared_data() {
        let mut versions = BTreeSet::new();
        for name in ["debian_bookworm_main_packages.csv.gz", "debian_bookworm_security_packages.csv.gz"] {
            let text = gunzip(&data.join("repos").join(name));
            versions.extend(text.lines().skip(1).filter_map(|line| line.split(',').nth(1)).map(str::to_owned));
        }
        assert!(versions.len() > 20_000, "the package lists of Debian hold {} versions", versions.len());
        pairs.extend(neighbours(&versions.into_iter().collect::<Vec<_>>(), 19));
    }
    // One shell asks for all pairs; dpkg itself takes a millisecond each.
    let script = r#"
        while IFS='	' read -r a b; do
            if ! dpkg --validate-version -- "$a" 2>/dev/null || ! dpkg --validate-version -- "$b" 2>/dev/null; then echo '?'
            elif dpkg --compare-versions -- "$a" lt "$b"; then echo '<'
            elif dpkg --compare-versions -- "$a" eq "$b"; then echo '='
            else echo '>'; fi
        done"#;
    assert_agree(Scheme::Dpkg, &pairs, &ask("sh", &["-c", script], &pairs));
}

#[test]
fn rpm_agrees() {
    if Command::new("rpm").arg("--version").stdout(Stdio::null()).status().is_err() {
        return println!("skipped: rpm is not installed");
    }
    let fixture = fixture("rpm_sorted.txt");
    let mut pairs = neighbours(&words(&fixture), 1);
    // rpm compares what it would refuse to build; only what both read can agree.
    let readable = ODD.iter().filter(|odd| Version::parse(Scheme::Rpm, odd).is_ok());
    pairs.extend(readable.flat_map(|a| ["1", "1.0-1", "1^", "1~"].map(|b| ((*a).to_owned(), b.to_owned()))));
    if let Some(data) = shared_data() {
        let text = gunzip(&data.join("osv/almalinux.jsonl.gz"));
        let quoted = |key: &'static str| text.split(key).skip(1).filter_map(|rest| rest.split('"').next());
        let versions: BTreeSet<String> =
            quoted("\"fixed\":\"").chain(quoted("\"fixed\": \"")).map(str::to_owned).collect();
        assert!(versions.len() > 4_000, "the advisories of AlmaLinux hold {} versions", versions.len());
        pairs.extend(neighbours(&versions.into_iter().collect::<Vec<_>>(), 1));
    }
    let lua = r#"%{lua:
        for line in io.lines() do
            local a, b = string.match(line, "^(.*)\t(.*)$")
            local order = rpm.vercmp(a, b)
            io.write(order < 0 and "<" or (order > 0 and ">" or "="), "\n")
        end}"#;
    assert_agree(Scheme::Rpm, &pairs, &ask("rpm", &["--eval", lua], &pairs));
}

/// Builds that Apple published later than their count says: for new hardware, and a patch while seeds of the next minor
/// release counted on in the same train.
const APPLE_EXCEPTIONS: [&str; 4] = ["23M8340", "23M9340", "23S314", "23S6314"];

#[test]
fn apple_builds_and_versions_order_as_their_dates() {
    let fixture = fixture("apple_releases.tsv");
    let mut trains: BTreeMap<(&str, &str), Vec<AppleRelease>> = BTreeMap::new();
    let mut majors: BTreeMap<(&str, &str), Vec<AppleRelease>> = BTreeMap::new();
    for line in fixture.lines().filter(|line| !line.starts_with('#')) {
        let [system, date, name, build] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let candidate = name.contains("RC");
        let release = |text| AppleRelease { date, candidate, version: Version::parse(Scheme::Apple, text).unwrap() };
        if !APPLE_EXCEPTIONS.contains(&build) {
            trains.entry((system, &build[..3])).or_default().push(release(build));
        }
        if !candidate && !name.contains("beta") {
            majors.entry((system, name.split('.').next().unwrap())).or_default().push(release(name));
        }
    }
    let mut compared = 0;
    for (releases, builds) in
        trains.values().map(|train| (train, true)).chain(majors.values().map(|major| (major, false)))
    {
        for a in releases {
            for b in releases.iter().filter(|b| a.date < b.date) {
                // The last candidate becomes the release, and one version may come out in several builds.
                let less = a.version < b.version || (a.version == b.version && (a.candidate || !builds));
                assert!(less, "{} of {} against {} of {}", a.version, a.date, b.version, b.date);
                compared += 1;
            }
        }
    }
    assert!(compared > 5_000, "only {compared} pairs were compared");
}

struct AppleRelease<'a> {
    date: &'a str,
    /// A release candidate, which may come out unchanged.
    candidate: bool,
    version: Version,
}

/// How many pairs of versions in one branch do not order as their dates in the public data, per product, and why.
const DATE_EXCEPTIONS: [(&str, usize, &str); 11] = [
    ("alpine-linux", 23, "old versions carry the date when they were copied, years later"),
    ("deno", 1, "1.10.1 was published the day before 1.10.0"),
    ("dotnet", 78, "1.1.0 and 1.1.1 are dated to 2022"),
    ("linux-kernel", 1, "2.6.35.13 is dated to 2012"),
    ("nextcloud", 20, "ownCloud's 9.0.x went on beside Nextcloud's 9.0.50"),
    ("oracle-jdk", 15, "1.1.8_006 and 1.1.8_11, 1.2.2_005 and 1.2.2_05a are different ways of counting"),
    ("ruby", 472, "1.8.7p228 is a misdated tag among p21 to p72"),
    ("salt", 8, "2019.2 is the branch point of 2019.2.0, which is equal"),
    ("virtualbox", 31, "6.1.38 and others are dated to 2025"),
    ("wireshark", 11, "1.8.10 and 1.0.2 are misdated"),
    ("wordpress", 1, "4.4.3 is dated after 4.4.4"),
];

#[test]
fn generic_versions_order_as_their_dates() {
    let Some(data) = shared_data() else { return println!("skipped: the public data is not at hand") };
    let mut files: Vec<PathBuf> = std::fs::read_dir(data.join("releases/release-data"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let mut compared = 0;
    for file in &files {
        let product = file.file_stem().unwrap().to_str().unwrap();
        let json: serde_json::Value = serde_json::from_reader(File::open(file).unwrap()).unwrap();
        let mut branches: BTreeMap<String, Vec<(&str, Version)>> = BTreeMap::new();
        for release in json["versions"].as_object().unwrap().values() {
            let (name, date) = (release["name"].as_str().unwrap(), release["date"].as_str().unwrap());
            let version = Version::parse(Scheme::Generic, name).unwrap();
            branches.entry(branch(name)).or_default().push((date, version));
        }
        let mut wrong = 0;
        for releases in branches.values() {
            for (date_a, a) in releases {
                for (date_b, b) in releases.iter().filter(|(date_b, _)| date_a < date_b) {
                    compared += 1;
                    if a >= b {
                        wrong += 1;
                        println!("{product}: {a} of {date_a} against {b} of {date_b}");
                    }
                }
            }
        }
        let expected = DATE_EXCEPTIONS.iter().find(|(name, ..)| *name == product).map_or(0, |(_, count, _)| *count);
        assert_eq!(wrong, expected, "pairs of {product} that do not order as their dates");
    }
    assert!(compared > 500_000, "only {compared} pairs were compared");
}

/// The first numbers and words of a version, those that its patch releases share.
fn branch(version: &str) -> String {
    let mut parts = Vec::new();
    let mut last_digit = None;
    for c in version.chars() {
        let digit = c.is_ascii_digit();
        if !c.is_ascii_alphanumeric() {
            last_digit = None;
            continue;
        }
        if last_digit != Some(digit) {
            parts.push(String::new());
        }
        parts.last_mut().unwrap().push(c);
        last_digit = Some(digit);
    }
    let length = if parts.len() < 4 { 2 } else { 3 };
    parts.truncate(length);
    parts.join(".")
}

fn assert_sorted(scheme: Scheme, fixture: &str) {
    let lines: Vec<Vec<Version>> = fixture
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').map(|text| Version::parse(scheme, text).unwrap()).collect())
        .collect();
    assert!(lines.len() > 250, "the fixture has only {} lines", lines.len());
    for (i, line) in lines.iter().enumerate() {
        for a in line {
            assert!(line.iter().all(|b| a == b), "{line:?} are equal");
            for b in lines.iter().skip(i + 1).flatten() {
                assert!(a < b, "{a} comes before {b}");
            }
        }
    }
}

fn assert_agree(scheme: Scheme, pairs: &[(String, String)], tool: &str) {
    let answers: Vec<&str> = tool.split_whitespace().collect();
    assert_eq!(answers.len(), pairs.len(), "one answer of the tool for each pair");
    for ((a, b), answer) in pairs.iter().zip(answers) {
        let ours = sign(compare_text(scheme, a, b).ok()).to_string();
        assert_eq!(ours, answer, "{a} against {b} in {}: ours, and the tool's", scheme.name());
    }
    println!("{} pairs agree", pairs.len());
}

/// What `program` prints when it reads `pairs`, a tab within each.
fn ask(program: &str, arguments: &[&str], pairs: &[(String, String)]) -> String {
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let input: String = pairs.iter().map(|(a, b)| format!("{a}\t{b}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program} failed");
    String::from_utf8(output.stdout).unwrap()
}

/// Every `step`th version beside the next, beside one further on, and the other way round.
fn neighbours(versions: &[String], step: usize) -> Vec<(String, String)> {
    let near = versions.iter().zip(versions.iter().skip(1)).step_by(step);
    let far = versions.iter().skip(7).zip(versions).step_by(2 * step);
    near.chain(far).map(|(a, b)| (a.clone(), b.clone())).collect()
}

fn words(fixture: &str) -> Vec<String> {
    fixture.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split(' ')).map(str::to_owned).collect()
}

fn fixture(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn gunzip(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn shared_data() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("REFIT_SHARED_DATA") {
        return Some(folder.into());
    }
    let ancestors = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    ancestors.map(|folder| folder.join("../shared/data")).find(|folder| folder.is_dir())
}
