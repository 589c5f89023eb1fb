//! Whether expressions can hold together.

use super::*;
use crate::policy::expr::{Satisfiability, satisfiable};

/// Whether all of them can hold; those with `!!` in front have to be surely false. An example is evaluated.
fn together(texts: &[&str]) -> Satisfiability {
    let fields = fields();
    let exprs = texts
        .iter()
        .map(|text| match text.strip_prefix("!!") {
            Some(text) => (compiled(text), false),
            None => (compiled(text), true),
        })
        .collect::<Vec<_>>();
    let conditions = exprs.iter().map(|(expr, wanted)| (expr, *wanted)).collect::<Vec<_>>();
    let result = satisfiable(&conditions, &fields);
    if let Satisfiability::Yes { example, now } = &result {
        for (expr, wanted) in &exprs {
            assert_eq!(expr.truth(example, *now), Truth::from(*wanted), "{} with {example:?}", expr.text());
        }
        assert_eq!(satisfiable(&conditions, &fields), result, "the same example each time");
    }
    result
}

fn example(texts: &[&str]) -> String {
    match together(texts) {
        Satisfiability::Yes { example, .. } => {
            example.iter().map(|(field, value)| format!("{field}={value}")).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn examples_look_like_a_device_somebody_has() {
    let rows: [(&[&str], &str); 16] = [
        (&[r#"device.platform == "macos""#], r#"device.platform="macos""#),
        (&[r#"device.platform != "macos""#], r#"device.platform="windows""#),
        (&[r#"device.os != "debian""#], r#"device.os="macos""#),
        (
            &[r#"device.platform in ["macos", "linux"]"#, r#"device.platform in ["linux", "windows"]"#],
            r#"device.platform="linux""#,
        ),
        (
            &[r#"person.department == "IT""#, r#""canary" in device.tags"#],
            r#"device.tags=["canary"] person.department="IT""#,
        ),
        (&[r#"person.department == "IT""#, r#"!!"canary" in device.tags"#], r#"device.tags=[] person.department="IT""#),
        (&[r#"person.department != "IT""#], r#"person.department="other""#),
        (&["exposure.kev && exposure.cvss >= 9.0"], "exposure.cvss=9.0 exposure.kev=true"),
        (&["exposure.cvss > 7.0", "exposure.cvss < 9.0"], "exposure.cvss=8.0"),
        (&["exposure.cvss > 9.0"], "exposure.cvss=9.5"),
        (&[r#"device.os_version >= "14.0""#, r#"device.os_version < "15""#], "device.os_version=14.0"),
        (&[r#"device.os_version > "14.0""#, r#"device.os_version < "15""#], "device.os_version=14.0.1"),
        (&[r#"device.os_version < "14.0""#], "device.os_version=13.9"),
        (&[r#"since(person.first_day) < duration("14d")"#], "person.first_day=2025-12-31T12:00:00Z"),
        (
            &[r#"device.hostname.startsWith("web")"#, r#"device.hostname.endsWith(".acme")"#],
            r#"device.hostname="web.acme""#,
        ),
        (&["has(person.department)", "!!has(device.site)"], r#"person.department="other""#),
    ];
    for (texts, expected) in rows {
        assert_eq!(example(texts), expected, "{texts:?}");
    }
}

#[test]
fn contradictions_are_found() {
    let rows: [&[&str]; 27] = [
        &["false"],
        &[r#"device.platform == "macos" && device.platform == "linux""#],
        &[r#"device.platform == "macos""#, r#"device.platform == "linux""#],
        &[r#"device.platform == "solaris""#],
        &[r#"!(device.platform in ["macos", "windows", "linux", "ios", "ipados", "android", "chromeos"])"#],
        &["person.vip", "!!person.vip"],
        &["person.vip && !person.vip"],
        &["exposure.cvss > 10.0"],
        &["exposure.epss > 0.5", "exposure.epss < 0.5"],
        &["exposure.cvss >= 9.0", "exposure.cvss < 9"],
        &["device.cores > 3", "device.cores < 4"],
        &["device.cores > 3.2", "device.cores < 3.8"],
        &[r#"device.os_version >= "15""#, r#"device.os_version < "14""#],
        &[r#"person.department == "IT""#, r#"person.department != "IT""#],
        &[r#"person.department in ["IT", "HR"]"#, r#"!(person.department in ["HR", "IT", "Legal"])"#],
        &[r#""canary" in device.tags"#, "size(device.tags) == 0"],
        &[r#""canary" in device.tags"#, r#"device.tags.all(t, t != "canary")"#],
        &[r#"device.tags.exists(t, t.startsWith("site-"))"#, r#"!device.tags.exists(t, t.startsWith("s"))"#],
        &[r#"device.hostname.startsWith("web")"#, r#"device.hostname.startsWith("db")"#],
        &[r#"device.hostname == "db1""#, r#"device.hostname.startsWith("web")"#],
        &[r#"since(person.first_day) < duration("7d")"#, r#"since(person.first_day) > duration("14d")"#],
        &[r#"since(device.seen) > duration("0s")"#, r#"until(device.seen) > duration("0s")"#],
        &[r#"device.seen > "2026-02-01""#, r#"device.seen < "2026-01-01""#],
        &["has(device.site)", "!!has(device.site)"],
        &[r#"device.site == "x""#, "!has(device.site)"],
        &[r#"["a", "b"].exists(x, x in device.tags)"#, r#"!("a" in device.tags)"#, r#"!("b" in device.tags)"#],
        &[r#"since("2026-01-01") > duration("1d")"#, r#"until("2026-01-01") > duration("1d")"#],
    ];
    for texts in rows {
        assert_eq!(together(texts), Satisfiability::No, "{texts:?}");
    }
}

#[test]
fn what_can_hold_is_found() {
    let rows: [&[&str]; 19] = [
        &["true"],
        &[r#"device.hostname > "a""#, r#"device.hostname < "b""#],
        &["!!false"],
        &[r#"device.site == person.site"#, r#"device.site != "Rome""#],
        &[r#"device.site != person.site"#],
        &[r#"person.last_day - person.first_day < duration("100d")"#],
        &[r#"device.seen > "2026-02-01""#, r#"since(device.seen) < duration("1d")"#],
        &[
            r#"device.seen > "2020-02-01" && device.seen < "2020-02-02""#,
            r#"since(device.seen) > duration("900d") && since(device.seen) < duration("901d")"#,
        ],
        &[r#"size(device.tags) >= 3"#, r#""a" in device.tags"#],
        &[r#"size(device.hostname) > 12"#],
        &[r#"device.tags.exists_one(t, t.startsWith("a"))"#],
        &[r#"device.tags.all(t, t.endsWith("x"))"#, "size(device.tags) > 0"],
        &[r#"device.hostname.matches("^web[0-9]+$")"#],
        &[r#"device.hostname.contains("lab")"#, r#"device.hostname.startsWith("ber-")"#],
        &[r#"device.hostname.lowerAscii() == "web""#, r#"device.hostname != "web""#],
        &[r#"device.cores * 2 > 1"#],
        &[r#"(person.vip ? device.site : person.site) == "Rome""#, "!!person.vip"],
        &["device.cores == 4", "!(device.cores in [1, 2, 3])"],
        &[r#"device.tags.exists(t, t in person.groups)"#, r#"!("x" in device.tags)"#, r#""x" in person.groups"#],
    ];
    for texts in rows {
        assert!(matches!(together(texts), Satisfiability::Yes { .. }), "{texts:?}: {:?}", together(texts));
    }
}

#[test]
fn what_can_not_be_enumerated_is_not_called_impossible() {
    let rows: [&[&str]; 4] = [
        &[r#"device.hostname > "a""#, r#"device.hostname < "a1""#],
        &[r#"device.hostname.matches("^([a-f]{3}[0-9]{2}){7}$")"#],
        &["device.cores * device.cores == 1369"],
        &[r#"device.tags.exists_one(t, size(t) > 40)"#],
    ];
    for texts in rows {
        assert_eq!(together(texts), Satisfiability::Unknown, "{texts:?}");
    }
}

#[test]
fn a_contradiction_is_found_beside_what_can_not_be_enumerated() {
    let odd = r#"device.hostname.matches("^([a-f]{3}[0-9]{2}){7}$")"#;
    assert_eq!(together(&[odd, "person.vip", "!person.vip"]), Satisfiability::No);
}

#[test]
fn a_search_gives_up_in_bounded_time() {
    // Every pair of departments differs: a pigeonhole problem that has no solution and no short proof.
    let pigeons = (0..9).map(|i| format!("device.p{i}")).collect::<Vec<_>>();
    let mut fields = fields();
    for pigeon in &pigeons {
        fields.add(pigeon, Kind::Text).unwrap();
    }
    let holes = pigeons.iter().map(|p| format!("{p} in [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\"]"));
    let mut parts = holes.collect::<Vec<_>>();
    for (i, one) in pigeons.iter().enumerate() {
        parts.extend(pigeons.iter().skip(i + 1).map(|other| format!("{one} != {other}")));
    }
    let expr = compile(&parts.join(" && "), &Scope::device(&fields)).unwrap();
    assert_eq!(satisfiable(&[(&expr, true)], &fields), Satisfiability::Unknown);
}
