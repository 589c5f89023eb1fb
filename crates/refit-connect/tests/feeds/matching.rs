//! Matching: the distribution's own word, under the source's name, with what all feeds know of each CVE.

use crate::store::{fixtures, from, now, synced};
use refit_connect::feeds::{
    Build, EcosystemName, FeedKind, FeedStore, InstalledPackage, MatchReport, Note, Origin, SyncOptions, TitleQuery,
    Universe, WhyOpen, WhyUnknown, sync,
};
use refit_model::{Scheme, TitleId, Version};
use std::{fs, path::Path};

/// A store of the fixtures, in which `tracker` is the Debian security tracker.
fn store_with(data: &Path, tracker: &str) -> FeedStore {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("osv")).unwrap();
    fs::write(folder.path().join("osv/debian_security_tracker.json"), tracker).unwrap();
    synced(data, &fixtures());
    let options = SyncOptions { force: true, ..from(folder.path()) };
    sync(&FeedStore::open(data), &[FeedKind::DebianTracker], &options, &mut |_| {}).pop().unwrap().result.unwrap();
    FeedStore::open(data)
}

const TRACKER: &str = r#"{
    "openssl": {
        "CVE-2023-5363": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.11-1~deb12u2"}}},
        "CVE-2024-0727": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "0"}}},
        "CVE-2024-9143": {"releases": {"bookworm": {"status": "open"}}},
        "CVE-2025-0001": {"releases": {"bookworm": {"status": "open", "nodsa": "Minor", "nodsa_reason": "postponed"}}},
        "CVE-2025-0002": {"releases": {"bookworm": {"status": "undetermined"}}},
        "CVE-2025-0003": {"releases": {"bookworm": {"status": "open", "urgency": "unimportant"}}}
    },
    "gcc-defaults": {"CVE-2025-0004": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "1.204"}}}},
    "linux": {"CVE-2025-0005": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "6.1.90-1"}}}},
    "sudo": {"CVE-2021-3156": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "1.9.5p2-1"}}}}
}"#;

fn said(report: &MatchReport) -> String {
    let mut lines = Vec::new();
    for advisory in &report.advisories {
        let affected: Vec<_> = advisory.affected.iter().map(ToString::to_string).collect();
        lines.push(format!("{} {} affected {}", advisory.title, advisory.id, affected.join(" | ")));
    }
    for open in &report.open_without_fix {
        lines.push(format!("{} {} open, {:?}", open.advisory.title, open.advisory.id, open.why));
    }
    lines.extend(report.undetermined.iter().map(|item| format!("{} {} undetermined", item.title, item.id)));
    lines.extend(report.unimportant.iter().map(|item| format!("{} {} unimportant", item.title, item.id)));
    lines.extend(report.unknown_packages.iter().map(|item| format!("{} unknown, {:?}", item.title, item.why)));
    lines.join("\n")
}

#[test]
fn the_distributions_own_word_counts() {
    let data = tempfile::tempdir().unwrap();
    let store = store_with(data.path(), TRACKER);
    let libssl =
        InstalledPackage::new("libssl3", "3.0.11-1~deb12u1", "amd64").built_from("openssl", "3.0.11-1~deb12u1");
    let report = store.match_packages(&Universe::debian("bookworm"), &[libssl], now());
    // CVE-2024-0727 never affected bookworm, by the tracker, whatever a changelog says; CVE-2024-9143 is open by the
    // tracker, but a changelog names the version that fixes it.
    let until_2025: Vec<_> =
        said(&report).lines().map(str::to_owned).filter(|line| !line.contains("CVE-2026-")).collect();
    insta::assert_snapshot!(until_2025.join("\n"), @r#"
    deb/libssl3 CVE-2023-5363 affected <3.0.11-1~deb12u2
    deb/libssl3 CVE-2023-5678 affected <3.0.13-1~deb12u1
    deb/libssl3 CVE-2023-6129 affected <3.0.13-1~deb12u1
    deb/libssl3 CVE-2023-6237 affected <3.0.13-1~deb12u1
    deb/libssl3 CVE-2024-13176 affected <3.0.16-1~deb12u1
    deb/libssl3 CVE-2024-2511 affected <3.0.14-1~deb12u1
    deb/libssl3 CVE-2024-4603 affected <3.0.14-1~deb12u1
    deb/libssl3 CVE-2024-4741 affected <3.0.14-1~deb12u1
    deb/libssl3 CVE-2024-5535 affected <3.0.15-1~deb12u1
    deb/libssl3 CVE-2024-6119 affected <3.0.14-1~deb12u2
    deb/libssl3 CVE-2024-9143 affected <3.0.15-1~deb12u1
    deb/libssl3 CVE-2025-15467 affected <3.0.18-1~deb12u2
    deb/libssl3 CVE-2025-68160 affected <3.0.18-1~deb12u2
    deb/libssl3 CVE-2025-69418 affected <3.0.18-1~deb12u2
    deb/libssl3 CVE-2025-69419 affected <3.0.18-1~deb12u2
    deb/libssl3 CVE-2025-69420 affected <3.0.18-1~deb12u2
    deb/libssl3 CVE-2025-69421 affected <3.0.18-1~deb12u2
    deb/libssl3 CVE-2025-9230 affected <3.0.17-1~deb12u3
    deb/libssl3 CVE-2025-9232 affected <3.0.17-1~deb12u3
    deb/libssl3 CVE-2025-0001 open, Postponed
    deb/libssl3 CVE-2025-0002 undetermined
    deb/libssl3 CVE-2025-0003 unimportant
    "#);
}

#[test]
fn a_package_with_the_fix_backported_is_not_exposed() {
    let data = tempfile::tempdir().unwrap();
    let store = store_with(data.path(), TRACKER);
    // Upstream fixed it in 3.0.12; bookworm's 3.0.11-1~deb12u2 has the fix.
    for (version, exposed) in [("3.0.11-1~deb12u1", true), ("3.0.11-1~deb12u2", false), ("3.0.11-1~deb12u2+b1", false)]
    {
        let package =
            InstalledPackage::new("openssl", version, "amd64").built_from("openssl", version.trim_end_matches("+b1"));
        let report = store.match_packages(&Universe::debian("bookworm"), &[package], now());
        assert_eq!(report.advisories.iter().any(|a| a.id.as_str() == "CVE-2023-5363"), exposed, "{version}");
    }
}

#[test]
fn the_facts_of_a_cve_are_joined_by_its_id() {
    let data = tempfile::tempdir().unwrap();
    let store = store_with(data.path(), TRACKER);
    let sudo = InstalledPackage::new("sudo", "1.8.27-1", "amd64");
    let report = store.match_packages(&Universe::debian("bookworm"), &[sudo], now());
    let advisory = report.advisories.iter().find(|a| a.id.as_str() == "CVE-2021-3156").unwrap();
    insta::assert_json_snapshot!(advisory, @r#"
    {
      "id": "CVE-2021-3156",
      "title": "deb/sudo",
      "affected": [
        "<1.9.5p2-1"
      ],
      "known_at": "2021-01-20T00:00:00Z",
      "cvss": 7.8,
      "epss": 0.99295,
      "kev": "2022-04-06T00:00:00Z",
      "ransomware": false,
      "said_by": [
        "debian-changelogs",
        "debian-tracker",
        "epss",
        "kev"
      ]
    }
    "#);
    assert_eq!(store.facts("CVE-2021-3156").kev_due.unwrap().to_string(), "2022-04-27T00:00:00Z");
}

#[test]
fn a_vulnerability_without_any_date_is_known_since_the_first_sync_that_saw_it() {
    let data = tempfile::tempdir().unwrap();
    store_with(data.path(), TRACKER);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("osv")).unwrap();
    let more = TRACKER.replacen("\"CVE-2025-0005\"", "\"CVE-2025-0006\": {\"releases\": {\"bookworm\": {\"status\": \"resolved\", \"fixed_version\": \"6.1.91-1\"}}}, \"CVE-2025-0005\"", 1);
    fs::write(folder.path().join("osv/debian_security_tracker.json"), more).unwrap();
    let mut later = from(folder.path());
    later.now = "2026-12-01T00:00:00Z".parse().unwrap();
    sync(&FeedStore::open(data.path()), &[FeedKind::DebianTracker], &later, &mut |_| {});
    let store = FeedStore::open(data.path());
    let kernel = InstalledPackage::new("linux-libc-dev", "6.1.76-1", "amd64").built_from("linux", "6.1.76-1");
    let report = store.match_packages(&Universe::debian("bookworm"), &[kernel], later.now);
    let known: Vec<_> = report.advisories.iter().map(|a| format!("{} {}", a.id, a.known_at)).collect();
    assert_eq!(known, ["CVE-2025-0005 2026-11-23T10:00:00Z", "CVE-2025-0006 2026-12-01T00:00:00Z"]);
}

#[test]
fn binaries_whose_versions_are_not_their_sources_are_matched_by_their_source() {
    let data = tempfile::tempdir().unwrap();
    let store = store_with(data.path(), TRACKER);
    let mut gcc = InstalledPackage::new("gcc", "4:12.2.0-3", "amd64").built_from("gcc-defaults", "1.203");
    gcc.offered = vec![Build { version: "4:12.2.0-4".into(), source_version: "1.204".into() }];
    let kernel = InstalledPackage::new("linux-image-6.1.0-18-amd64", "6.1.76-1", "amd64")
        .built_from("linux-signed-amd64", "6.1.76+1");
    let rebuilt = InstalledPackage::new("linux-libc-dev", "6.1.76-1+b2", "amd64").built_from("linux", "6.1.76-1");
    let report = store.match_packages(&Universe::debian("bookworm"), &[gcc, kernel, rebuilt], now());
    insta::assert_snapshot!(said(&report), @r#"
    deb/gcc CVE-2025-0004 affected <4:12.2.0-4
    deb/linux-image-6.1.0-18-amd64 CVE-2025-0005 affected <6.1.90-1
    deb/linux-libc-dev CVE-2025-0005 affected <6.1.90-1
    "#);
    for advisory in &report.advisories {
        let installed = match advisory.title.as_str() {
            "deb/gcc" => "4:12.2.0-3",
            "deb/linux-libc-dev" => "6.1.76-1+b2",
            _ => "6.1.76-1",
        };
        assert_eq!(advisory.affects(&Version::parse(Scheme::Dpkg, installed).unwrap()), Some(true));
    }
}

#[test]
fn what_is_not_known_is_said() {
    let data = tempfile::tempdir().unwrap();
    let store = store_with(data.path(), TRACKER);
    let mut docker = InstalledPackage::new("docker-ce", "5:24.0.7-1", "amd64");
    docker.origin = Origin::ThirdParty("download.docker.com".into());
    let mut local = InstalledPackage::new("openssl", "3.0.9-1", "amd64");
    local.origin = Origin::Unknown;
    let broken = InstalledPackage::new("sudo", "", "amd64");
    let packages = [docker, local, broken, InstalledPackage::new("bash", "5.2.15-2", "amd64")];
    let report = store.match_packages(&Universe::debian("bookworm"), &packages, now());
    insta::assert_snapshot!(said(&report), @r#"
    deb/docker-ce unknown, ThirdParty("download.docker.com")
    deb/openssl unknown, UnknownOrigin
    deb/sudo unknown, NoVersion
    "#);
    let mint = Universe { distribution: "linuxmint".into(), codename: "faye".into(), version: "6".into() };
    let report = store.match_packages(&mint, &packages, now());
    assert_eq!(report.unknown_packages.len(), 4);
    assert!(report.unknown_packages.iter().all(|package| package.why == WhyUnknown::Distribution));
    assert!(report.notes.contains(&Note::UnknownDistribution { universe: "linuxmint faye".into() }));
}

#[test]
fn missing_and_old_feeds_are_noted() {
    let empty = tempfile::tempdir().unwrap();
    let report = FeedStore::open(empty.path()).match_packages(
        &Universe::debian("bookworm"),
        &[InstalledPackage::new("bash", "5.2.15-2", "amd64")],
        now(),
    );
    let notes: Vec<_> = report.notes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(notes.join("\n"), @r#"
    no feed for debian bookworm has been synced: run `refit feeds sync`
    debian-dsa has not been synced: run `refit feeds sync`
    debian-tracker has not been synced: run `refit feeds sync`
    epss has not been synced: run `refit feeds sync`
    kev has not been synced: run `refit feeds sync`
    "#);
    let data = tempfile::tempdir().unwrap();
    let store = synced(data.path(), &fixtures());
    let report = store.match_packages(&Universe::debian("bookworm"), &[], now());
    let notes: Vec<_> = report.notes.iter().map(ToString::to_string).filter(|n| n.starts_with("kev")).collect();
    assert_eq!(notes, ["kev is 93 days old (2026-08-21): run `refit feeds sync`"]);
}

#[test]
fn without_the_tracker_silence_means_nothing() {
    let data = tempfile::tempdir().unwrap();
    let store = synced(data.path(), &Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshot"));
    let packages = [
        InstalledPackage::new("bash", "5.2.15-2", "amd64"),
        InstalledPackage::new("sudo", "1.9.13p3-1+deb12u1", "amd64"),
    ];
    let report = store.match_packages(&Universe::debian("bookworm"), &packages, now());
    let unknown: Vec<_> = report.unknown_packages.iter().map(|p| (p.title.as_str(), &p.why)).collect();
    assert_eq!(unknown, [("deb/bash", &WhyUnknown::NoFeedCoversIt)]);
    assert!(report.notes.iter().any(|note| matches!(note, Note::PartialCoverage { packages: 1, .. })));
}

#[test]
fn a_module_stream_is_not_an_old_version_of_another() {
    let data = tempfile::tempdir().unwrap();
    let store = synced(data.path(), &fixtures());
    let universe = Universe { distribution: "almalinux".into(), codename: "".into(), version: "9.4".into() };
    let node = |version: &str, module: Option<&str>| InstalledPackage {
        module: module.map(Into::into),
        ..InstalledPackage::new("nodejs", version, "x86_64")
    };
    let report = |package| {
        let report = store.match_packages(&universe, &[package], now());
        let ids = |advisories: &[refit_model::Advisory]| advisories.len();
        (ids(&report.advisories), report.undetermined.len())
    };
    // Stream 18 with its fix: the erratum of stream 20 says nothing of it.
    assert_eq!(report(node("1:18.20.8-1.module_el9.5.0+100+x", Some("nodejs:18"))), (0, 0));
    assert!(report(node("1:18.18.0-1.module_el9.2.0+59+x", Some("nodejs:18"))).0 > 0);
    assert!(report(node("1:20.1.0-1.module_el9.2.0+59+x", Some("nodejs:20"))).0 > 0);
    // Not knowing the stream, we do not know.
    let (affected, undetermined) = report(node("1:18.20.8-1.module_el9.5.0+100+x", None));
    assert!(affected == 0 && undetermined > 0);
    // The package outside of modules is another one.
    assert_eq!(report(node("1:16.20.2-8.el9_4", None)), (0, 0));
}

#[test]
fn an_erratum_that_is_repeated_counts_once() {
    let data = tempfile::tempdir().unwrap();
    let store = synced(data.path(), &fixtures());
    let universe = Universe { distribution: "almalinux".into(), codename: "".into(), version: "10".into() };
    let java = InstalledPackage::new("java-21-openjdk", "1:21.0.7.0.6-1.el10", "x86_64");
    let twice = [java.clone(), InstalledPackage { architecture: "i686".into(), ..java }];
    let report = store.match_packages(&universe, &twice, now());
    let mut ids: Vec<_> = report.advisories.iter().map(|advisory| advisory.id.as_str()).collect();
    assert!(!ids.is_empty());
    ids.dedup();
    assert_eq!(ids.len(), report.advisories.len());
    assert!(report.advisories.iter().all(|a| a.title.as_str() == "rpm/java-21-openjdk" && a.affected.len() == 1));
}

#[test]
fn titles_are_matched_by_the_names_that_ecosystems_give_them() {
    let data = tempfile::tempdir().unwrap();
    let store = synced(data.path(), &fixtures());
    let query = |version: Option<&str>| TitleQuery {
        title: TitleId::new("apache-httpd"),
        scheme: Scheme::Generic,
        names: vec![EcosystemName::from_purl("pkg:bitnami/apache").unwrap()],
        installed: version.map(|version| Version::parse(Scheme::Generic, version).unwrap()),
    };
    let report = store.match_titles(&[query(Some("2.4.49"))], now());
    insta::assert_snapshot!(said(&report), @r#"
    apache-httpd CVE-2021-41773 affected >=2.4.49, <2.4.50
    "#);
    let advisory = &report.advisories[0];
    assert!(advisory.kev.is_some() && advisory.cvss == Some(9.8) || advisory.cvss.is_some());
    assert!(store.match_titles(&[query(Some("2.4.62"))], now()).advisories.is_empty());
    assert_eq!(store.match_titles(&[query(None)], now()).advisories.len(), 2);
    // What has no end yet is open, and a repository of commits can't be compared.
    let gitlab = TitleQuery {
        title: TitleId::new("gitlab"),
        scheme: Scheme::Generic,
        names: vec![(EcosystemName::from_osv("Bitnami"), "gitlab".into())],
        installed: Some(Version::parse(Scheme::Generic, "18.1.0").unwrap()),
    };
    let report = store.match_titles(&[gitlab], now());
    assert_eq!(report.open_without_fix.iter().map(|open| open.why).collect::<Vec<_>>(), [WhyOpen::NoFixYet]);
    let python = TitleQuery {
        title: TitleId::new("python"),
        scheme: Scheme::Generic,
        names: vec![(EcosystemName::from_osv("GIT"), "https://github.com/python/cpython".into())],
        installed: Some(Version::parse(Scheme::Generic, "3.11.2").unwrap()),
    };
    assert!(!store.match_titles(&[python], now()).undetermined.is_empty());
}

#[test]
fn an_upstream_advisory_says_nothing_of_a_distributions_package() {
    let data = tempfile::tempdir().unwrap();
    let store = store_with(data.path(), TRACKER);
    // Bitnami holds 2.4.49 to be affected by two KEV vulnerabilities; no feed of Debian here says so of bookworm.
    let apache = InstalledPackage::new("apache", "2.4.49", "amd64");
    let report = store.match_packages(&Universe::debian("bookworm"), &[apache], now());
    assert_eq!((report.advisories.len(), report.open_without_fix.len()), (0, 0));
}

#[test]
fn the_order_of_packages_does_not_matter() {
    let data = tempfile::tempdir().unwrap();
    let store = store_with(data.path(), TRACKER);
    let mut packages = vec![
        InstalledPackage::new("openssl", "3.0.9-1", "amd64"),
        InstalledPackage::new("libssl3", "3.0.10-1~deb12u1", "i386").built_from("openssl", "3.0.10-1~deb12u1"),
        InstalledPackage::new("libssl3", "3.0.9-1", "amd64").built_from("openssl", "3.0.9-1"),
        InstalledPackage::new("sudo", "1.8.27-1", "amd64"),
    ];
    let there = store.match_packages(&Universe::debian("bookworm"), &packages, now());
    packages.reverse();
    assert_eq!(store.match_packages(&Universe::debian("bookworm"), &packages, now()), there);
}
