//! Beside debsecan: the same tracker data and the same machine, and every difference has a reason with a name.
//!
//! The data is written in debsecan's own format (`VERSION 1`, as the tracker's generator writes its `GENERIC` list), so that
//! debsecan itself reads it, offline, with a dpkg status file of our making.

use crate::{conformance::shared_data, store};
use flate2::{Compression, read::GzDecoder, write::ZlibEncoder};
use refit_connect::feeds::{FeedKind, FeedStore, InstalledPackage, MatchReport, Origin, Universe, sync};
use refit_model::{Scheme, Version};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    path::Path,
    process::Command,
};

/// Debian's test data: for each source and CVE, what each release says.
type Tracker = BTreeMap<String, BTreeMap<String, Value>>;
type Pairs = BTreeSet<(String, String)>;

const RELEASE: &str = "bookworm";

#[test]
fn every_difference_from_debsecan_has_a_reason() {
    if !Path::new("/usr/bin/debsecan").exists() {
        println!("skipped: debsecan is not installed");
        return;
    }
    let tracker = tracker();
    let packages = packages(&tracker);
    let work = tempfile::tempdir().unwrap();
    let theirs = debsecan(work.path(), &tracker, &packages);
    let report = refit(work.path(), &tracker, &packages);
    let ours: Pairs = report
        .advisories
        .iter()
        .chain(report.open_without_fix.iter().map(|open| &open.advisory))
        .map(|advisory| (advisory.title.as_str().trim_start_matches("deb/").to_owned(), advisory.id.to_string()))
        .collect();
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let installed: BTreeMap<&str, &InstalledPackage> = packages.iter().map(|p| (p.name.as_str(), p)).collect();
    for (package, id) in theirs.symmetric_difference(&ours) {
        let only_theirs = theirs.contains(&(package.clone(), id.clone()));
        let reason = reason(&tracker, installed[package.as_str()], id, only_theirs);
        reasons
            .entry(reason)
            .or_default()
            .push(format!("{package} {id} {}", if only_theirs { "theirs" } else { "ours" }));
    }
    let both = theirs.intersection(&ours).count();
    println!("both: {both}, theirs alone or ours alone:");
    for (reason, differences) in &reasons {
        println!("  {:5} {reason}, such as {}", differences.len(), differences[0]);
    }
    assert!(both > 20, "the comparison compares nothing");
    assert_eq!(reasons.get(UNEXPLAINED), None);
    // Each planted quirk shows as the difference that it should be.
    let planted: BTreeSet<&str> = reasons
        .iter()
        .filter(|(_, differences)| differences.iter().any(|difference| difference.starts_with("planted-")))
        .map(|(reason, _)| *reason)
        .collect();
    assert_eq!(planted, BTreeSet::from(PLANTED));
}

const UNEXPLAINED: &str = "unexplained";
const UNKNOWN_VERSION: &str = "debsecan knows fixed versions one by one, and not this later one";
const NOT_AFFECTED: &str = "the release was never affected; debsecan knows only versions that were in its archive";
const UNIMPORTANT: &str = "unimportant in this release, of weight in another: debsecan takes the heaviest";
const UNDETERMINED: &str = "undetermined: Refit says so apart, debsecan takes it as vulnerable or leaves it out";
const NOT_MENTIONED: &str = "the tracker does not say that the release has it: debsecan judges by unstable";
const THIRD_PARTY: &str = "not the distribution's package: Refit says that it does not know";
const SIGNED: &str = "built from a signed copy of the source: debsecan does not know that source";
const END_OF_LIFE: &str = "end of life: debsecan leaves it out, Refit says that there will be no fix";
const UNSTABLE_NOT_AFFECTED: &str = "unstable is not affected: debsecan then leaves out all releases";
const NEWER_THAN_UNSTABLE: &str = "not below unstable's fixed version, yet below the release's: debsecan asks unstable";
const OTHER_RELEASE: &str =
    "the same version counts as fixed in another release: debsecan does not keep releases apart";

const PLANTED: [&str; 11] = [
    UNKNOWN_VERSION,
    NOT_AFFECTED,
    UNIMPORTANT,
    UNDETERMINED,
    NOT_MENTIONED,
    THIRD_PARTY,
    SIGNED,
    END_OF_LIFE,
    UNSTABLE_NOT_AFFECTED,
    NEWER_THAN_UNSTABLE,
    OTHER_RELEASE,
];

/// Why the two differ, from the data alone.
fn reason(tracker: &Tracker, package: &InstalledPackage, id: &str, only_theirs: bool) -> &'static str {
    if package.origin != Origin::Distribution {
        return if only_theirs { THIRD_PARTY } else { UNEXPLAINED };
    }
    if package.source.starts_with("linux-signed-") {
        return if only_theirs { UNEXPLAINED } else { SIGNED };
    }
    let releases = &tracker[package.source.as_str()][id]["releases"];
    let here = &releases[RELEASE];
    let installed = version(&package.build.source_version);
    let fixed = here["fixed_version"].as_str();
    let unstable = releases["sid"]["fixed_version"].as_str();
    let undetermined = here["status"] == "undetermined";
    let not_fixed_here = fixed.is_none_or(|fixed| fixed != "0" && installed < version(fixed));
    match only_theirs {
        true if here.is_null() => NOT_MENTIONED,
        true if undetermined => UNDETERMINED,
        true if here["urgency"] == "unimportant" => UNIMPORTANT,
        true if fixed == Some("0") => NOT_AFFECTED,
        true if fixed.is_some_and(|fixed| installed >= version(fixed)) => UNKNOWN_VERSION,
        false if here["urgency"] == "end-of-life" => END_OF_LIFE,
        false if not_fixed_here && unstable == Some("0") => UNSTABLE_NOT_AFFECTED,
        false if not_fixed_here && unstable.is_some_and(|unstable| installed >= version(unstable)) => {
            NEWER_THAN_UNSTABLE
        }
        false if not_fixed_here && counts_elsewhere(releases, &package.build.source_version) => OTHER_RELEASE,
        _ => UNEXPLAINED,
    }
}

/// Whether a release other than ours has exactly this version, or names it as fixed.
fn counts_elsewhere(releases: &Value, installed: &str) -> bool {
    let mut others = releases.as_object().unwrap().iter().filter(|(name, _)| *name != RELEASE && *name != "sid");
    others.any(|(_, release)| {
        release["fixed_version"] == installed
            || release["repositories"].as_object().is_some_and(|versions| versions.values().any(|v| v == installed))
    })
}

/// The mock of the tracker, the changelogs of Debian 12 in the tracker's form, and planted quirks.
fn tracker() -> Tracker {
    let mock = fs::read(store::fixtures().join("osv/debian_security_tracker.json")).unwrap();
    let mut tracker: Tracker = serde_json::from_slice(&mock).unwrap();
    let table = match shared_data() {
        Some(folder) => {
            let packed = fs::File::open(folder.join("releases/debian_changelog_security_uploads.csv.gz")).unwrap();
            let mut table = String::new();
            GzDecoder::new(packed).read_to_string(&mut table).unwrap();
            table
        }
        None => fs::read_to_string(store::fixtures().join("releases/debian_changelog_security_uploads.csv")).unwrap(),
    };
    for row in csv::Reader::from_reader(table.as_bytes()).records() {
        let row = row.unwrap();
        let (source, version, unstable) = (&row[0], &row[1], &row[2] == "unstable");
        for cve in row[5].split_whitespace() {
            let entry = tracker.entry(source.to_owned()).or_default().entry(cve.to_owned());
            entry.or_insert_with(|| {
                let here = json!({"status": "resolved", "fixed_version": version, "urgency": "not yet assigned"});
                let sid =
                    if unstable { here.clone() } else { json!({"status": "open", "urgency": "not yet assigned"}) };
                json!({"releases": {RELEASE: here, "sid": sid}})
            });
        }
    }
    let fixed = |version: &str| json!({"status": "resolved", "fixed_version": version, "urgency": "low"});
    let open = |urgency: &str| json!({"status": "open", "urgency": urgency});
    let undetermined = json!({"status": "undetermined", "urgency": "not yet assigned"});
    let quirks = json!({
        "CVE-2026-0001": {"releases": {RELEASE: fixed("1.0-1+deb12u1"), "sid": fixed("2.0-1")}},
        "CVE-2026-0002": {"releases": {RELEASE: fixed("0"), "sid": fixed("2.0-1")}},
        "CVE-2026-0003": {"releases": {RELEASE: open("unimportant"), "sid": open("high")}},
        "CVE-2026-0004": {"releases": {RELEASE: undetermined, "sid": open("low")}},
        "CVE-2026-0005": {"releases": {"sid": fixed("2.0-1")}},
        "CVE-2026-0006": {"releases": {RELEASE: open("end-of-life"), "sid": open("end-of-life")}},
        "CVE-2026-0007": {"releases": {RELEASE: fixed("1.0-1+deb12u9"), "sid": fixed("0")}},
        "CVE-2026-0008": {"releases": {RELEASE: fixed("1.0-1+deb12u9"), "sid": fixed("1.0-1")}},
        "CVE-2026-0009": {"releases": {RELEASE: open("low"), "bullseye": fixed("1.0-1+deb12u2"), "sid": open("low")}},
        "CVE-2026-0010": {"releases": {RELEASE: open("unimportant"), "sid": open("unimportant")}},
        "CVE-2026-0011": {"releases": {RELEASE: {"status": "open", "urgency": "low", "nodsa": "Minor", "nodsa_reason": ""}, "sid": fixed("2.0-1")}},
        "CVE-2026-0012": {"releases": {RELEASE: open("medium"), "sid": open("medium")}},
    });
    let kernel = json!({"releases": {RELEASE: fixed("6.1.90-1"), "sid": fixed("6.8-1")}});
    tracker.entry("linux".into()).or_default().insert("CVE-2026-0013".into(), kernel);
    tracker.insert("planted".into(), serde_json::from_value(quirks).unwrap());
    tracker
}

/// A machine: of every source the versions between two fixes, and binaries for the planted quirks.
fn packages(tracker: &Tracker) -> Vec<InstalledPackage> {
    let mut packages = Vec::new();
    for (source, vulnerabilities) in tracker {
        let fixed = vulnerabilities.values().filter_map(|v| v["releases"][RELEASE]["fixed_version"].as_str());
        let mut versions: Vec<Version> = fixed.filter(|text| *text != "0").map(version).collect();
        versions.sort();
        versions.dedup();
        let picked = [versions.first(), versions.get(versions.len() / 2), versions.last()];
        for (number, picked) in picked.into_iter().flatten().enumerate() {
            let name = format!("lib{source}{number}");
            // Every second one is rebuilt, so that its version is not its source's.
            let binary = if number % 2 == 0 { picked.to_string() } else { format!("{picked}+b1") };
            packages.push(InstalledPackage::new(&name, &binary, "amd64").built_from(source, picked.as_str()));
        }
    }
    packages
        .push(InstalledPackage::new("planted-plain", "1.0-1+deb12u2", "amd64").built_from("planted", "1.0-1+deb12u2"));
    packages.push(InstalledPackage::new("planted-own", "3:7.7-1", "amd64").built_from("planted", "1.0-1"));
    let mut foreign = InstalledPackage::new("planted-foreign", "1.0-1", "amd64").built_from("planted", "1.0-1");
    foreign.origin = Origin::ThirdParty("example.org".into());
    packages.push(foreign);
    packages
        .push(InstalledPackage::new("planted-linux-image", "5.0-1", "amd64").built_from("linux-signed-amd64", "5.0+1"));
    packages
}

fn refit(work: &Path, tracker: &Tracker, packages: &[InstalledPackage]) -> MatchReport {
    let folder = work.join("from");
    fs::create_dir_all(folder.join("osv")).unwrap();
    fs::write(folder.join("osv/debian_security_tracker.json"), serde_json::to_vec(tracker).unwrap()).unwrap();
    let store = FeedStore::open(work);
    let outcomes = sync(&store, &[FeedKind::DebianTracker], &store::from(&folder), &mut |_| {});
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    FeedStore::open(work).match_packages(&Universe::debian(RELEASE), packages, store::now())
}

fn debsecan(work: &Path, tracker: &Tracker, packages: &[InstalledPackage]) -> Pairs {
    let mut packed = ZlibEncoder::new(fs::File::create(work.join("GENERIC")).unwrap(), Compression::default());
    packed.write_all(debsecan_data(tracker).as_bytes()).unwrap();
    packed.finish().unwrap();
    let mut status = String::new();
    for package in packages {
        status += &format!(
            "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nSource: {} ({})\nVersion: {}\n\n",
            package.name, package.source, package.build.source_version, package.build.version
        );
    }
    fs::write(work.join("status"), status).unwrap();
    fs::write(work.join("config"), "").unwrap();
    let output = Command::new("/usr/bin/debsecan")
        .args(["--format", "simple", "--config"])
        .arg(work.join("config"))
        .arg("--status")
        .arg(work.join("status"))
        .arg("--whitelist")
        .arg(work.join("whitelist"))
        .arg("--source")
        .arg(format!("file://{}/", work.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(id, package)| (package.trim().to_owned(), id.to_owned()))
        .collect()
}

/// What the tracker's generator makes of its data: for each vulnerability the version that unstable fixed, and all
/// versions of other releases that are not below their own fix.
fn debsecan_data(tracker: &Tracker) -> String {
    let ids: BTreeSet<&String> = tracker.values().flat_map(BTreeMap::keys).collect();
    let numbers: BTreeMap<&String, usize> = ids.iter().enumerate().map(|(number, id)| (*id, number)).collect();
    let mut text = String::from("VERSION 1\n");
    for id in &ids {
        text += &format!("{id},,description\n");
    }
    text += "\n";
    for (source, vulnerabilities) in tracker {
        let mut known: BTreeMap<&str, BTreeMap<&str, Version>> = BTreeMap::new();
        for vulnerability in vulnerabilities.values() {
            for (name, release) in vulnerability["releases"].as_object().unwrap() {
                let archive = release["repositories"].as_object().into_iter().flat_map(|versions| versions.values());
                let versions = archive.chain([&release["fixed_version"]]).filter_map(Value::as_str);
                let versions = versions.filter(|text| *text != "0").map(|text| (text, version(text)));
                known.entry(name).or_default().extend(versions);
            }
        }
        for (id, vulnerability) in vulnerabilities {
            let releases = vulnerability["releases"].as_object().unwrap();
            let counted: Vec<_> = releases.iter().filter(|(_, release)| release["status"] != "undetermined").collect();
            let light = |urgency: &str| counted.iter().all(|(_, release)| release["urgency"] == urgency);
            let unstable = releases.get("sid").and_then(|sid| sid["fixed_version"].as_str()).unwrap_or_default();
            if counted.is_empty() || light("unimportant") || light("end-of-life") || unstable == "0" {
                continue;
            }
            let mut others = BTreeSet::new();
            for (name, release) in counted.iter().filter(|(name, _)| *name != "sid") {
                let Some(fixed) = release["fixed_version"].as_str() else { continue };
                let never = fixed == "0";
                let fixed = version(fixed);
                let later = known[name.as_str()].iter().filter(|(_, known)| never || **known >= fixed);
                others.extend(later.map(|(text, _)| *text));
            }
            let others: Vec<_> = others.into_iter().collect();
            text += &format!("{source},{},S   ,{unstable},{}\n", numbers[id], others.join(" "));
        }
    }
    text + "\n\n"
}

fn version(text: &str) -> Version {
    Version::parse(Scheme::Dpkg, text).unwrap()
}
