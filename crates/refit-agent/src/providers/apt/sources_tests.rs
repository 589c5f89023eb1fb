use super::*;

const STORED: &str = include_str!("testdata/indextargets-faults.txt");
const CONFIGURED: &str = include_str!("testdata/indextargets-configured.txt");

fn read(path: &Path) -> Option<String> {
    let text = match path.to_str()? {
        "/var/lib/apt/lists/deb.debian.example_debian-security_dists_bookworm-security_InRelease" => {
            "Origin: Debian\nDate: Sat, 21 Nov 2026 00:53:02 UTC\nValid-Until: Sat, 28 Nov 2026 00:53:02 UTC\n"
        }
        "/var/lib/apt/lists/deb.debian.example_debian_dists_bookworm_InRelease" => {
            "Date: Sat, 11 Jul 2026 10:16:37 UTC\n"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn at(now: &str) -> Vec<Source> {
    parse(STORED, CONFIGURED, now.parse().unwrap(), &read).unwrap()
}

fn find<'a>(sources: &'a [Source], part: &str) -> &'a Source {
    sources.iter().find(|source| source.description.contains(part)).unwrap()
}

#[test]
fn the_security_archive_is_known_by_its_label_and_dated_by_its_release_file() {
    let sources = at("2026-11-23T12:00:00Z");
    let security = find(&sources, "bookworm-security");
    assert!(security.security && !find(&sources, "debian bookworm/main").security);
    assert_eq!(security.label.as_deref(), Some("Debian-Security"));
    assert_eq!(security.codename.as_deref(), Some("bookworm-security"));
    assert_eq!(security.date, Some("2026-11-21T00:53:02Z".parse().unwrap()));
    assert_eq!((security.health, security.valid_until.is_some()), (SourceHealth::Good, true));
}

#[test]
fn what_is_stored_expires() {
    let sources = at("2026-11-28T00:53:03Z");
    assert_eq!(find(&sources, "bookworm-security").health, SourceHealth::Expired);
    assert_eq!(find(&sources, "debian bookworm/main").health, SourceHealth::Good, "no limit is set there");
}

#[test]
fn a_configured_source_of_which_nothing_is_stored_is_missing() {
    let sources = at("2026-11-23T12:00:00Z");
    assert_eq!(find(&sources, "repo/gone").health, SourceHealth::Missing);
    let all = sources.iter().filter(|source| source.description.contains(" all ")).count();
    assert_eq!(all, 0, "the list for all architectures is not missing where the suite has none");
}

#[test]
fn what_apt_does_not_trust_is_unsigned() {
    let stored = STORED.replace("Trusted: yes", "Trusted: no");
    let sources = parse(&stored, "", "2026-11-23T12:00:00Z".parse().unwrap(), &read).unwrap();
    assert!(sources.iter().all(|source| source.health == SourceHealth::Unsigned));
}

#[test]
fn ubuntu_names_its_security_archive_by_suite() {
    assert!(is_security(Some("Ubuntu"), Some("noble-security"), Some("noble")));
    assert!(!is_security(Some("Ubuntu"), Some("noble-updates"), Some("noble")));
    assert!(is_security(Some("Debian-Security"), Some("oldstable-security"), None));
    assert!(!is_security(Some("Acme"), Some("acme-security"), None));
}

#[test]
fn a_list_that_is_empty_is_not_missing() {
    let announcing = |_: &Path| Some("Origin: Acme\nComponents: main contrib\n".to_owned());
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    assert_eq!(parse("", CONFIGURED, now, &announcing).unwrap(), []);
    let silent = |_: &Path| Some("Origin: Acme\nComponents: other\n".to_owned());
    assert!(!parse("", CONFIGURED, now, &silent).unwrap().is_empty(), "a component that its suite does not have");
}
