//! Every feed as it really is, cut down, and as it should not be.

use super::*;
use crate::feeds::{
    space::EcosystemName,
    statement::{Statement, Verdict, statements},
};
use std::io::Write as _;

fn parse(kind: FeedKind, content: &[u8]) -> Result<Gathered, ParseError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    parse_file(kind, file, Limits { downloaded: 1 << 20, unpacked: 1 << 20 })
}

fn said(gathered: &Gathered, ecosystem: &str, package: &str) -> Vec<String> {
    let key = (EcosystemName::from_osv(ecosystem), package.into());
    let Some(found) = gathered.statements.get(&key) else { return Vec::new() };
    let bytes: Vec<u8> = found.iter().flatten().copied().collect();
    let text = |statement: Statement<&str>| {
        let verdict = match statement.verdict {
            Verdict::Affected(bounds) => bounds
                .iter()
                .map(|bounds| format!("{:?}..{:?}", bounds.introduced.unwrap_or("0"), bounds.end))
                .collect::<Vec<_>>()
                .join(" "),
            other => format!("{other:?}"),
        };
        format!("{} {verdict}", statement.ids.join(","))
    };
    statements(&bytes).unwrap().into_iter().map(text).collect()
}

const DSA: &str = "\
[29 Mar 2023] DSA-5380-1 xorg-server - security update
\t{CVE-2023-1393}
\t[bullseye] - xorg-server 2:1.20.11-1+deb11u6
[17 Mar 2023] DSA-5356-2 sox - regression update
\t[bullseye] - sox 14.4.2+git20190427-2+deb11u2
[13 Mar 2021] DSA-4000-1 two sources - several vulnerabilities
        {CVE-2021-0001 CVE-2021-0002}
\tNOTE: a remark
        [buster] - one 1.0-1 (remark)
\t[buster] - two <not-affected> (Vulnerable code not present)
\t[stretch] - two <end-of-life>
[14 Mar 2021] DSA-4000-2 one - incomplete fix
\t{CVE-2021-0001}
\t[buster] - one 1.0-2
";

#[test]
fn a_dsa_with_cves_stands_for_each_of_them_and_one_without_for_itself() {
    let gathered = parse(FeedKind::DebianDsa, DSA.as_bytes()).unwrap();
    assert_eq!(gathered.records, 4);
    assert_eq!(gathered.snapshot.unwrap().to_string(), "2023-03-29T00:00:00Z");
    assert_eq!(said(&gathered, "Debian:11", "xorg-server"), [r#"CVE-2023-1393 "0"..Fixed("2:1.20.11-1+deb11u6")"#]);
    assert_eq!(said(&gathered, "Debian:11", "sox"), [r#"DSA-5356-2 "0"..Fixed("14.4.2+git20190427-2+deb11u2")"#]);
}

#[test]
fn a_later_dsa_completes_an_incomplete_fix() {
    let gathered = parse(FeedKind::DebianDsa, DSA.as_bytes()).unwrap();
    assert_eq!(
        said(&gathered, "Debian:10", "one"),
        [r#"CVE-2021-0001 "0"..Fixed("1.0-2")"#, r#"CVE-2021-0002 "0"..Fixed("1.0-1")"#]
    );
    assert_eq!(said(&gathered, "Debian:10", "two"), ["CVE-2021-0001 NotAffected", "CVE-2021-0002 NotAffected"]);
    assert_eq!(said(&gathered, "Debian:9", "two"), ["CVE-2021-0001 Open(EndOfLife)", "CVE-2021-0002 Open(EndOfLife)"]);
    assert_eq!(gathered.facts["CVE-2021-0001"].known, Some(1_615_593_600));
}

#[test]
fn the_rebuild_for_bookworm_has_the_fix_that_the_upload_for_trixie_names() {
    let table = "source,version,distribution,urgency,date,cves,kev_cves\n\
        thunderbird,1:140.17.0esr-1~deb12u1,bookworm-security,medium,2026-09-30,,\n\
        thunderbird,1:140.17.0esr-1~deb13u1,trixie-security,medium,2026-09-30,CVE-2026-100756,\n\
        openssl,3.0.8-1,unstable,medium,2023-02-07,CVE-2022-4304,\n\
        openssl,3.0.9-1,unstable,medium,2023-05-30,CVE-2022-4304 CVE-2023-0464,\n\
        openssl,3.0.22-1~deb12u1,bookworm-security,medium,2026-09-23,CVE-2026-42767,\n\
        openssl,3.0.22-1~deb12u2,bookworm-security,high,2026-10-21,CVE-2026-35189,\n";
    let gathered = parse(FeedKind::DebianChangelogs, table.as_bytes()).unwrap();
    assert_eq!(gathered.records, 6);
    assert_eq!(
        said(&gathered, "Debian:12", "thunderbird"),
        [r#"CVE-2026-100756 "0"..Fixed("1:140.17.0esr-1~deb12u1")"#]
    );
    // An upload to bookworm that names it is not its own predecessor's rebuild; the first upload that names it has the fix.
    assert_eq!(
        said(&gathered, "Debian:12", "openssl"),
        [
            r#"CVE-2022-4304 "0"..Fixed("3.0.8-1")"#,
            r#"CVE-2023-0464 "0"..Fixed("3.0.9-1")"#,
            r#"CVE-2026-35189 "0"..Fixed("3.0.22-1~deb12u2")"#,
            r#"CVE-2026-42767 "0"..Fixed("3.0.22-1~deb12u1")"#,
        ]
    );
}

#[test]
fn the_trackers_words_are_read_as_the_tracker_means_them() {
    let json = r#"{"curl": {
        "CVE-2024-0001": {"scope": "remote", "description": "d", "releases": {
            "bookworm": {"status": "resolved", "fixed_version": "7.88.1-10+deb12u5", "urgency": "not yet assigned", "repositories": {}},
            "bullseye": {"status": "resolved", "fixed_version": "0", "urgency": "not yet assigned"},
            "sid": {"status": "open", "urgency": "medium"}}},
        "CVE-2024-0002": {"releases": {
            "bookworm": {"status": "open", "urgency": "low", "nodsa": "Minor issue", "nodsa_reason": ""},
            "bullseye": {"status": "open", "urgency": "end-of-life"},
            "sid": {"status": "undetermined", "urgency": "not yet assigned"}}},
        "CVE-2024-0003": {"releases": {
            "bookworm": {"status": "open", "urgency": "low", "nodsa": "x", "nodsa_reason": "ignored"},
            "bullseye": {"status": "open", "urgency": "low", "nodsa": "x", "nodsa_reason": "postponed"}}},
        "TEMP-0000001-ABCDEF": {"releases": {"bookworm": {"status": "open", "urgency": "unimportant"}}}
    }}"#;
    let gathered = parse(FeedKind::DebianTracker, json.as_bytes()).unwrap();
    assert_eq!(gathered.records, 4);
    assert_eq!(
        said(&gathered, "Debian:12", "curl"),
        [
            r#"CVE-2024-0001 "0"..Fixed("7.88.1-10+deb12u5")"#,
            "CVE-2024-0002 Open(Minor)",
            "CVE-2024-0003 Open(Ignored)",
            "TEMP-0000001-ABCDEF Open(NoFixYet)",
        ]
    );
    assert_eq!(
        said(&gathered, "Debian:11", "curl"),
        ["CVE-2024-0001 NotAffected", "CVE-2024-0002 Open(EndOfLife)", "CVE-2024-0003 Open(Postponed)"]
    );
    assert_eq!(said(&gathered, "Debian:sid", "curl"), ["CVE-2024-0001 Open(NoFixYet)", "CVE-2024-0002 Undetermined"]);
    assert_eq!(gathered.undated.len(), 4);
}

#[test]
fn epss_is_read_with_its_comment_and_without() {
    let first = "#model_version:v2025.03.14,score_date:2026-08-22T00:00:00+0000\n\
        cve,epss,percentile\nCVE-1999-0001,0.01297,0.78\nCVE-1999-0002,0.5,0.99\n";
    let gathered = parse(FeedKind::Epss, first.as_bytes()).unwrap();
    assert_eq!((gathered.records, gathered.snapshot.unwrap().to_string()), (2, "2026-08-22T00:00:00Z".into()));
    assert_eq!(gathered.facts["CVE-1999-0002"].epss, Some(0.5));
    let weekly = "observed_date,cve,epss,percentile\n2026-01-02,CVE-1999-0001,0.3,\n2025-01-02,CVE-1999-0001,0.1,\n";
    let gathered = parse(FeedKind::Epss, weekly.as_bytes()).unwrap();
    assert_eq!((gathered.records, gathered.facts["CVE-1999-0001"].epss), (1, Some(0.3)));
    let scored = "cve,epss,percentile,cvss3\nCVE-1999-0001,0.3,0.4,7.8\nCVE-1999-0002,0.3,0.4,\n";
    let gathered = parse(FeedKind::Epss, scored.as_bytes()).unwrap();
    assert_eq!(gathered.facts["CVE-1999-0001"].cvss, Some(7.8));
    assert_eq!(gathered.facts["CVE-1999-0002"].cvss, None);
}

#[test]
fn kev_is_refused_where_its_count_is_wrong() {
    let entry = r#"{"cveID":"CVE-2021-44228","dateAdded":"2021-12-10","dueDate":"2021-12-24","knownRansomwareCampaignUse":"Known"}"#;
    let gathered = parse(FeedKind::Kev, format!(r#"{{"count":1,"vulnerabilities":[{entry}]}}"#).as_bytes()).unwrap();
    let kev = gathered.facts["CVE-2021-44228"].kev.unwrap();
    assert_eq!((kev.added, kev.due, kev.ransomware), (1_639_094_400, Some(1_640_304_000), true));
    let wrong = parse(FeedKind::Kev, format!(r#"{{"count":2,"vulnerabilities":[{entry}]}}"#).as_bytes());
    assert!(matches!(wrong, Err(ParseError::Count { announced: 2, found: 1 })));
}

#[test]
fn osv_events_become_intervals_whatever_their_order() {
    let record = r#"{"id":"BIT-x-2020-1","modified":"2024-01-01T00:00:00Z","published":"2023-01-01T00:00:00Z","aliases":["CVE-2020-1000"],
        "affected":[{"package":{"ecosystem":"Bitnami","name":"x"},
            "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            "ranges":[{"type":"SEMVER","events":[{"introduced":"2.0.0"},{"introduced":"0"},{"fixed":"1.5.0"},{"last_affected":"2.3.0"},{"introduced":"3.0.0"}]}]}]}"#
        .replace('\n', "");
    let gathered = parse(FeedKind::OsvBitnami, format!("{record}\n{record}\n").as_bytes()).unwrap();
    assert_eq!(gathered.records, 1);
    assert_eq!(
        said(&gathered, "Bitnami", "x"),
        [r#"CVE-2020-1000 "0"..Fixed("1.5.0") "2.0.0"..Last("2.3.0") "3.0.0"..Never"#]
    );
    assert_eq!(gathered.facts["CVE-2020-1000"].cvss, Some(9.8));
}

#[test]
fn what_is_cut_off_or_something_else_is_refused() {
    assert!(matches!(parse(FeedKind::Kev, b"<!DOCTYPE html><p>Sign in"), Err(ParseError::WebPage)));
    assert!(matches!(parse(FeedKind::Kev, b"{\"vulnerabilities\":[{\"cveID\""), Err(ParseError::Json(_))));
    assert!(matches!(parse(FeedKind::Kev, b"{\"vulnerabilities\":[]}"), Err(ParseError::Empty)));
    assert!(matches!(parse(FeedKind::Epss, b"cve,epss\nCVE-1999-0001,0.1\nCVE-1999-00"), Err(ParseError::Csv(_))));
    assert!(matches!(
        parse(FeedKind::Epss, b"cve,epss\nCVE-1999-0001,0.1\nCVE-1999-0002,0.1"),
        Err(ParseError::CutOff { line: 3 })
    ));
    assert!(matches!(parse(FeedKind::Epss, b"a,b\n1,2\n"), Err(ParseError::NoColumn("cve"))));
    let cut = &DSA.as_bytes()[..DSA.len() - 3];
    assert!(matches!(parse(FeedKind::DebianDsa, cut), Err(ParseError::CutOff { .. })));
    assert!(matches!(parse(FeedKind::OsvPsf, b"{\"id\":3}\n"), Err(ParseError::Broken { skipped: 1, records: 1, .. })));
    assert!(matches!(parse(FeedKind::OsvPsf, b""), Err(ParseError::Empty)));
}

#[test]
fn what_unpacks_without_end_is_refused() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 100_000);
    for kind in FeedKind::ALL {
        let refused = parse(kind, &bomb);
        assert!(matches!(refused, Err(ParseError::TooLarge(_))), "{kind}: {refused:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn random_bytes_are_no_feed_and_no_panic(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600),
        start in 0usize..6,
    ) {
        let start: &[u8] = [b"".as_slice(), b"\x1f\x8b\x08", b"PK\x03\x04", b"{\"", b"cve,epss\n", b"[29 Mar 2023] DSA-1-1 x\n\t"][start];
        let bytes = [start, &bytes].concat();
        for kind in FeedKind::ALL {
            let _ = parse(kind, &bytes);
        }
    }

    #[test]
    fn a_feed_with_flipped_bits_is_no_panic(at in 0usize..10_000, mask in 1u8..=255) {
        let mut bytes = DSA.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= mask;
        let _ = parse(FeedKind::DebianDsa, &bytes);
    }
}
