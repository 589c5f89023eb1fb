//! Tables of ordered versions, one per scheme, and the laws that every scheme's order keeps.

use super::*;
use proptest::prelude::*;
use std::{
    cmp::Ordering,
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
};

/// Checks lines such as `1.0 < 1.0.1 = 1.0.1.0 < 2`, each version against all that follow it in the line.
fn check(scheme: Scheme, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let steps: Vec<Vec<Version>> = line
            .split(" < ")
            .map(|equal| equal.split(" = ").map(|text| Version::parse(scheme, text).unwrap()).collect())
            .collect();
        for (i, step) in steps.iter().enumerate() {
            for a in step {
                for b in step {
                    assert_eq!(a.compare(b), Some(Ordering::Equal), "{a} = {b} in {}", scheme.name());
                }
                for b in steps.iter().skip(i + 1).flatten() {
                    assert_eq!(a.compare(b), Some(Ordering::Less), "{a} < {b} in {}", scheme.name());
                    assert_eq!(b.compare(a), Some(Ordering::Greater), "{b} > {a} in {}", scheme.name());
                }
            }
        }
    }
}

/// What is said of texts that are no versions, one per line.
fn refusals(scheme: Scheme, texts: &[&str]) -> String {
    let refusal = |text: &&str| Version::parse(scheme, text).expect_err(text).to_string();
    texts.iter().map(refusal).collect::<Vec<_>>().join("\n")
}

#[test]
fn dpkg_versions_order_as_policy_says() {
    check(
        Scheme::Dpkg,
        "1.0~~ < 1.0~~a < 1.0~ < 1.0~rc1-1 < 1.0-0~1 < 1.0 = 1.0-0 = 0:1.0 = 01.00 < 1.0-1 < 1.0-1+b1 < 1.0a < 1.0+dfsg-1 < 1.0.1
         1:1.0-1 < 1:1.0-1+deb12u1 < 1:1.0-1+deb12u2 < 1:1.0-1+deb12u10 < 1:1.0-1.1 < 2:0
         9999 < 1:0 = +1:0 < 2147483647:0
         1.99999999999999999999999 < 1.100000000000000000000000 = 1.0100000000000000000000000
         1.0-2 < 1.0-1-1 < 1.0-1-2",
    );
    assert_eq!(Version::parse(Scheme::Dpkg, " 1.0\t").unwrap().as_str(), "1.0");
}

#[test]
fn rpm_versions_order_as_rpm_says() {
    check(
        Scheme::Rpm,
        "1.0~rc1 < 1.0~rc1-1 < 1.0~rc2-1 < 1.0 < 1.0-~1 < 1.0-1 < 1.0-1.el9 < 1.0-1.el9_4 < 1.0-1.el9_10 < 1.0^git1-1 < 1.0.a-1 < 1.0.1-1
         1.0 = 0:1.0 = 1_0 = 1.00 = 1.0. < 1:0
         a < ab < b < 1
         1.99999999999999999999999 < 1.100000000000000000000000",
    );
    let long = |digit: &str, count| Version::parse(Scheme::Rpm, &digit.repeat(count)).unwrap();
    assert!(long("9", 254) < long("1", 255) && long("9", 255) < long("1", 256) && long("1", 512) > long("9", 511));
}

#[test]
fn semantic_versions_order_as_their_specification_says() {
    check(
        Scheme::Semver,
        "1.0.0-0 < 1.0.0-9 < 1.0.0-10 < 1.0.0-alpha < 1.0.0-alpha.1 < 1.0.0-alpha.beta < 1.0.0-beta < 1.0.0-beta.2 < 1.0.0-beta.11 < 1.0.0-rc.1 < 1.0.0 = 1.0.0+a = 1.0.0+b < 1.0.1 < 1.1.0 < 2.0.0 < 10.0.0
         1.0.0-a < 1.0.0-a.0 < 1.0.0-a- < 1.0.0-aa",
    );
}

#[test]
fn apple_versions_order_as_released() {
    check(
        Scheme::Apple,
        "14 = 14.0 = 14.0.0 < 14.2 < 14.2.1 < 14.2.1 (a) = 14.2.1(a) < 14.2.1 (b) < 14.2.2 < 14.10 < 15
         23A344 < 23B74 < 23C64 < 23C71 < 23C71a < 23C72 < 24A335
         24B83 = 24B2083 < 24B91 = 24B2091
         23D5087f < 23D5103d < 23D5114d < 23D127 = 23D6127 < 23D8133 < 23D771330a
         22F66 < 22F82 < 22F770820b < 22F770820d < 22F83 < 22G74
         17G65 < 17G2112 < 17G3025 < 17G10021 < 17G14042
         18G5023c < 18G69
         19H422 = 19H6422
         19H15 < 19H114 < 19H1030 < 19H2026
         20G918 < 20G1020 < 20G1427",
    );
}

#[test]
fn a_build_and_a_product_version_have_no_order() {
    let parse = |text| Version::parse(Scheme::Apple, text).unwrap();
    assert_eq!(parse("14.2.1").compare(&parse("23C71")), None);
    assert_ne!(parse("14.2.1"), parse("23C71"));
    assert_eq!(VersionRange::parse(Scheme::Apple, ">=14, <15").unwrap().contains(&parse("23C71")), None);
    assert_eq!(
        compare_text(Scheme::Apple, "14.2.1", "23C71").unwrap_err().to_string(),
        "`23C71` is not an apple version: it has no order with `14.2.1`: one is a build, the other a product version"
    );
}

#[test]
fn windows_builds_order_by_number_in_both_forms() {
    check(
        Scheme::Windows,
        "6.1.7601.24214 < 6.3.9600.22221 < 10.0.10240 = 10240 < 10.0.19045.5131 < 26100.1 < 10.0.26100.2314 = 26100.2314 < 26200.1",
    );
}

#[test]
fn chrome_versions_are_four_numbers() {
    check(Scheme::Chrome, "9.0.597.107 < 130.0.6723.9 < 130.0.6723.58 < 130.0.6723.116 < 131.0.0.0");
}

#[test]
fn generic_versions_order_as_people_read_them() {
    check(
        Scheme::Generic,
        "1.0~1 < 1.0-dev = 1.0-SNAPSHOT < 1.0-alpha = 1.0.0-alpha < 1.0-alpha.2 = 1.0a2 < 1.0b1 = 1.0 Beta 1 < 1.0-M2 < 1.0-preview.3 < 1.0rc1 = 1.0-RC.1 < 1.0-rc2 < 1.0-rc10 < 1 = 1.0 = 1.0.0 = v1.0 = 1.0.Final = 1.0-0 < 1.0 (12) < 1.0+7 < 1.0-1 < 1.0-1.1 < 1.0-2 < 1.0p1 < 1.0p9 < 1.0p10 < 1.0.1
         3.0 = 3.0.0 < 3.0.1 < 3.0.10 < 3.1 < 10
         9.2 < 9.2p1 < 9.3p1 < 9.3p2 < 10.0p1
         0.9.8 < 0.9.8a < 0.9.8z < 0.9.8za < 0.9.8zh < 1.0.0 < 1.0.2 < 1.0.2u < 1.0.2v < 1.0.2w < 1.1.1-pre1 < 1.1.1
         24.1.2 < 24.1.2 (4567) < 24.1.2 (4568) < 24.1.2 (10000) < 24.1.3 (1)
         1.0-beta (7) < 1.0-beta 2
         17.0.12 < 17.0.12+7 = 17.0.12+7-LTS < 17.0.12+10 < 17.0.12.1+1 < 17.0.13 < 21-ea < 21+35 < 21.0.1
         8u392 < 8u392-b07 < 8u392-b08 < 8u392-b08.1 < 8u402 < 11
         1.8.0 < 1.8.0_9 < 1.8.0_392 < 1.8.1
         1.9.3p0 < 1.9.3p551 < 2.0.0p0
         3.13.0a1 < 3.13.0b1 < 3.13.0rc1 < 3.13.0 < 3.13.0.post1 < 3.13.1
         2024-01-15 < 2024-02-01 < 2024-10-01 < 2025-01-01
         20240115 < 20240201
         2024.1 < 2024.1.1 < 2024.2
         10.50.1815.0 < 10.50.1815.0 CU9 < 10.50.1815.0 CU13 < 10.50.1816.0
         6.5 < 6.5 U3 < 6.5 U3w < 6.7
         7.6.20.v20160902 < 7.6.21.v20160908
         10.4.19 < 10.4.19+security-01 < 10.4.20
         1.2.3 < 1.2.3-4-gabc1234 < 1.2.3-14-g0123456 < 1.2.4
         jdk-17.0.1 < jdk-17.0.2
         1.99999999999999999999999 < 1.100000000000000000000000",
    );
}

#[test]
fn what_is_no_version_is_refused_with_a_reason() {
    let texts = [
        (
            Scheme::Dpkg,
            &["", "a1", "1:", ":1", "-1:1", "2147483648:1", "1.0-", "1.0-1_1", "1_0", "1 0", "x:1", "1\u{1b}[31m"][..],
        ),
        (Scheme::Rpm, &["", "a:1", "4294967296:1", "1:", "1-", "1-2-3", "1 0", "1.0-é"][..]),
        (Scheme::Semver, &["1", "1.2", "01.2.3", "1.2.3-01", "v1.2.3", "1.2.3 ", "18446744073709551616.0.0"][..]),
        (
            Scheme::Apple,
            &[
                "Sonoma",
                "14.2.1 (aa)",
                "14.2.1 (a",
                "14..1",
                "1.2.3.4.5",
                "23C",
                "23C71aa",
                "26.1 beta 2",
                "4294967296",
            ][..],
        ),
        (Scheme::Windows, &["24H2", "10.0", "10", "10.0.26100.", "9600.1", "10.0.26100.1.amd64fre", "26100.1.1"][..]),
        (
            Scheme::Chrome,
            &["130", "130.0.6723", "130.0.6723.58.1", "130.0.6723.x", "130.0.6723.058", "130.0.6723.4294967296"][..],
        ),
        (Scheme::Generic, &["latest", "3.7.x", "1.0, 2.0", "5.0 β", "1.0\n"][..]),
    ];
    let said: Vec<String> = texts.iter().map(|(scheme, texts)| refusals(*scheme, texts)).collect();
    assert_eq!(said.join("\n"), include_str!("refusals.txt").trim_end());
}

#[test]
fn a_text_longer_than_any_version_is_refused_and_not_repeated() {
    for scheme in Scheme::ALL {
        let error = Version::parse(scheme, &"1".repeat(100_000)).unwrap_err();
        assert!(error.to_string().len() < 400, "{error}");
        assert!(error.text.len() < 400, "{}", error.text);
    }
}

#[test]
fn versions_of_two_schemes_have_no_order_but_sort() {
    let (a, b) = (Version::parse(Scheme::Dpkg, "1.0").unwrap(), Version::parse(Scheme::Rpm, "1.0").unwrap());
    assert_eq!(a.compare(&b), None);
    assert!(a < b);
}

#[test]
fn names_of_schemes_are_those_of_their_json() {
    for scheme in Scheme::ALL {
        assert_eq!(Scheme::from_name(scheme.name()), Some(scheme));
        assert_eq!(serde_json::to_value(scheme).unwrap(), scheme.name());
    }
    assert_eq!(Scheme::from_name("pacman"), None);
}

#[test]
fn a_range_holds_what_its_comparisons_say() {
    let holds = |range: &str, version: &str| {
        let range = VersionRange::parse(Scheme::Generic, range).unwrap();
        range.contains(&Version::parse(Scheme::Generic, version).unwrap()).unwrap()
    };
    assert!(holds("<3.0.21", "3.0.20") && !holds("<3.0.21", "3.0.21"));
    assert!(holds("<=3.0.21", "3.0.21") && !holds("<=3.0.21", "3.0.22"));
    assert!(holds(">=128, <130", "128.0") && holds(">=128,<130", "129.9") && !holds(">=128, <130", "130"));
    assert!(holds("=3.0", "3.0.0") && !holds("=3.0", "3.0.1"));
    assert!(holds("> 1", "1.0.1") && !holds(">1", "1.0"));
    assert!(holds(">=0", "0~1") && holds(">=0, <2", "1") && !holds(">=0, <2", "2"));
}

#[test]
fn a_range_says_what_is_wrong_with_it() {
    let said = |text: &str| VersionRange::parse(Scheme::Semver, text).unwrap_err().to_string();
    assert_eq!(said(""), "a comparison is missing: a range is written as `>=1.2, <2`, and `>=0` holds every version");
    assert_eq!(
        said(">=1.0.0,"),
        "a comparison is missing in `>=1.0.0,`: a range is written as `>=1.2, <2`, and `>=0` holds every version"
    );
    assert_eq!(said("1.0.0"), "`1.0.0` is no comparison: write `<`, `<=`, `=`, `>=` or `>` before a version");
    assert_eq!(said("==1.0.0"), "`==1.0.0` is no comparison here: write `=`");
    assert_eq!(said("!=1.0.0"), "`!=1.0.0` is no comparison here: there is no `not`; write two ranges");
    assert_eq!(said("^1.0.0"), "`^1.0.0` is no comparison here: write both bounds, such as `>=1.2, <2`");
    assert_eq!(
        said("<2"),
        "`2` is not a semver version: unexpected end of input while parsing major version number (it is written as 1.2.3)"
    );
    assert_eq!(said("<"), "`` is not a semver version: it is empty");
}

#[test]
fn a_range_between_starts_at_the_first_version_where_none_or_zero_is_given() {
    let parse = |text| Some(Version::parse(Scheme::Rpm, text).unwrap());
    assert_eq!(VersionRange::between(Scheme::Rpm, None, None).to_string(), ">=0");
    assert_eq!(VersionRange::between(Scheme::Rpm, parse("0"), parse("2-1")).to_string(), "<2-1");
    assert_eq!(VersionRange::between(Scheme::Rpm, parse("1-1"), parse("2-1")).to_string(), ">=1-1, <2-1");
}

/// Texts as they occur, small enough that many are close to each other or equal.
fn realistic(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Dpkg => r"([0-2]:)?[0-9]{1,2}([.+~][0-2a-c]{0,2}){0,2}(-[0-2][+~.]?[ab0-2]{0,2})?",
        Scheme::Rpm => r"([0-2]:)?[0-9a]{1,2}([._~^][0-2a-c]{0,2}){0,2}(-[0-2~^]([.]el[89])?)?",
        Scheme::Semver => r"[0-2]\.[0-2]\.[0-2](-(0|1|a|rc|a-)(\.(0|2|10|b)){0,2})?(\+[a-c])?",
        Scheme::Apple => {
            r"1[45](\.[0-2]){0,2}( ?\([ab]\))?|2[0-3][A-C][1-9][0-2]{1,3}[ab]?|22F7708[12]0[ab]|19H[256]?[0-9]{3}"
        }
        Scheme::Windows => r"(10\.0\.)?(19045|26100)(\.[0-3]{1,2})?|6\.[13]\.9600(\.[0-3])?",
        Scheme::Chrome => r"(0|1|13[01])(\.(0|[12][0-2]?)){3}",
        Scheme::Generic => {
            r"v?[0-2]([.][0-2]){0,2}([-+_ .~]?(a|b|rc|p|u|SP|beta|final)?[.-]?[0-2]){0,2}( \([0-2]\)|-lts)?"
        }
    }
}

/// Three versions of one scheme.
fn three() -> impl Strategy<Value = [Version; 3]> {
    prop::sample::select(&Scheme::ALL[..]).prop_flat_map(|scheme| {
        let version = move || {
            let texts = proptest::string::string_regex(realistic(scheme)).unwrap();
            texts.prop_filter_map("no version", move |text| Version::parse(scheme, &text).ok())
        };
        [version(), version(), version()]
    })
}

fn hash(version: &Version) -> u64 {
    let mut hasher = DefaultHasher::new();
    version.hash(&mut hasher);
    hasher.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_order_is_total_and_transitive([a, b, c] in three()) {
        prop_assert_eq!(a.cmp(&a), Ordering::Equal);
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
        prop_assert!(a != b || hash(&a) == hash(&b));
        prop_assert!(a > b || b > c || a <= c);
        prop_assert!(a != b || a.cmp(&c) == b.cmp(&c));
        prop_assert!(a.compare(&b).is_none_or(|order| order == a.cmp(&b)));
        prop_assert_eq!(a.compare(&b).is_none(), b.compare(&a).is_none());
    }

    #[test]
    fn a_version_is_read_again_as_it_was_written([a, ..] in three()) {
        let again = Version::parse(a.scheme(), &a.to_string()).unwrap();
        prop_assert_eq!(again.as_str(), a.as_str());
        prop_assert_eq!(again, a);
    }

    #[test]
    fn a_range_is_read_again_as_it_was_written([a, b, c] in three(), signs in "[<>]=?") {
        let scheme = a.scheme();
        let range = VersionRange::parse(scheme, &format!("{signs}{a},={b}")).unwrap();
        let again = VersionRange::parse(scheme, &range.to_string()).unwrap();
        prop_assert_eq!(&again, &range);
        prop_assert_eq!(again.contains(&c), range.contains(&c));
        let between = VersionRange::between(scheme, Some(a), Some(b));
        prop_assert_eq!(VersionRange::parse(scheme, &between.to_string()).unwrap(), between);
    }

    #[test]
    fn an_unfinished_install_is_just_below_its_version([a, b, _] in three()) {
        match a.unfinished() {
            Some(unfinished) => {
                prop_assert!(unfinished < a);
                // Nobody publishes what has several tildes there, or a tilde before anything but a word or a number.
                let odd = b.as_str().contains("~~") || b.as_str().contains("~.") || b.as_str().contains("~+");
                prop_assert!(odd || b >= a || b < unfinished, "{} {}", a, b);
            }
            None => prop_assert!(!matches!(a.scheme(), Scheme::Dpkg | Scheme::Rpm)),
        }
    }

    #[test]
    fn no_text_makes_reading_panic(text in r"\PC{0,40}|[0-9a-zA-Z.:~^+()\[\] _-]{0,30}|[0-9.]{0,20}") {
        for scheme in Scheme::ALL {
            match Version::parse(scheme, &text) {
                Ok(version) => prop_assert_eq!(version.cmp(&version.clone()), Ordering::Equal),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
            let _ = VersionRange::parse(scheme, &text);
        }
    }
}
