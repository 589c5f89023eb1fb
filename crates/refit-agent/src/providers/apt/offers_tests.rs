use super::*;
use crate::providers::available::SourceHealth;

/// A root with a pin that forbids openssl's security archive, and one that keeps libbrotli1 where it is.
const POLICY: &str = include_str!("testdata/policy.txt");

fn source(description: &str, security: bool) -> Source {
    Source {
        description: description.into(),
        site: String::new(),
        origin: None,
        label: None,
        suite: None,
        codename: None,
        component: None,
        security,
        date: None,
        valid_until: None,
        configured_in: String::new(),
        signed_file: None,
        health: SourceHealth::Good,
    }
}

fn read(text: &str) -> Result<BTreeMap<TitleId, PackageOffers>, CommandError> {
    let inventory = Inventory { architecture: "amd64".into(), packages: BTreeMap::new(), unreadable: Vec::new() };
    let sources = [
        source("http://deb.debian.example/debian bookworm/main amd64 Packages", false),
        source("http://deb.debian.example/debian-security bookworm-security/main amd64 Packages", true),
    ];
    parse(&inventory, &sources, text)
}

fn of(title: &str) -> PackageOffers {
    read(POLICY).unwrap().get(&TitleId::from(title)).unwrap().clone()
}

#[test]
fn versions_come_with_their_priorities_and_sources() {
    let bash = of("deb/bash");
    assert_eq!(bash.installed, bash.candidate);
    assert_eq!(bash.versions.len(), 1);
    assert_eq!((bash.versions[0].priority, bash.versions[0].sources.as_slice()), (500, [0].as_slice()));
    assert_eq!(bash.passed_over(), None);
    let kernel = of("deb/linux-image-6.1.0-56-cloud-amd64");
    assert_eq!((kernel.installed, kernel.versions[0].security), (None, true));
}

#[test]
fn a_forbidden_version_is_passed_over_with_the_reason() {
    let passed = of("deb/openssl").passed_over().unwrap();
    assert_eq!(passed.to_string(), "3.0.22-1~deb12u2 is forbidden by an apt preference (priority -1)");
}

#[test]
fn a_pinned_package_is_passed_over_with_the_reason() {
    let passed = of("deb/libbrotli1").passed_over().unwrap();
    assert_eq!(passed.to_string(), "1.0.9-2+deb12u1 has priority 500, and apt prefers the candidate's priority 990");
}

#[test]
fn a_phased_update_says_how_far_it_has_come() {
    let text = "x:\n  Installed: 1\n  Candidate: 1\n  Version table:\n     2 1 (phased 20%)\n        500 http://deb.debian.example/debian bookworm/main amd64 Packages\n *** 1 100\n        100 /var/lib/dpkg/status\n";
    let all = read(text).unwrap();
    let x = all.get(&TitleId::from("deb/x")).unwrap();
    assert_eq!(
        x.passed_over().unwrap().to_string(),
        "2 is being phased in (20% of machines), and this machine's turn has not come"
    );
}

#[test]
fn a_package_that_apt_does_not_know_is_left_out() {
    assert!(!read(POLICY).unwrap().contains_key(&TitleId::from("deb/nothing")));
}

#[test]
fn a_line_of_another_shape_is_an_error() {
    assert!(read("bash:\n  Weather: fine\n").unwrap_err().to_string().contains("unknown line: `  Weather: fine`"));
    assert!(read("  Installed: 1\n").is_err());
}
