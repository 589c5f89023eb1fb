//! What expressions say for given facts.

use super::*;
use Truth::{False, True, Unknown};

fn table(rows: &[(&str, &str, Truth)]) {
    for (expression, known, expected) in rows {
        assert_eq!(truth(expression, known), *expected, "{expression} with {known:?}");
    }
}

#[test]
fn the_expressions_of_the_design_say_what_it_says() {
    table(&[
        (r#"device.platform in ["macos", "windows", "linux"]"#, "device.platform=macos", True),
        (r#"device.platform in ["macos", "windows", "linux"]"#, "device.platform=ios", False),
        (r#"device.platform in ["macos", "windows", "linux"]"#, "", Unknown),
        (r#"person.department == "IT" || "canary" in device.tags"#, "person.department=HR device.tags=[canary]", True),
        (r#"person.department == "IT" || "canary" in device.tags"#, "person.department=HR device.tags=[]", False),
        (r#"person.department == "IT" || "canary" in device.tags"#, "person.department=HR", Unknown),
        (r#"person.department == "IT" || "canary" in device.tags"#, "person.department=IT", True),
        ("exposure.kev && exposure.cvss >= 9.0", "exposure.kev=false", False),
        ("exposure.kev && exposure.cvss >= 9.0", "exposure.kev=true", Unknown),
        ("exposure.kev && exposure.cvss >= 9.0", "exposure.kev=true exposure.cvss=9", True),
        (r#"!device.tags.exists(t, t == "kiosk")"#, "device.tags=[a,kiosk]", False),
        (r#"!device.tags.exists(t, t == "kiosk")"#, "device.tags=[]", True),
        (r#"!device.tags.exists(t, t == "kiosk")"#, "", Unknown),
        (r#"since(person.first_day) < duration("14d")"#, "person.first_day=2026-11-20", True),
        (r#"since(person.first_day) < duration("14d")"#, "person.first_day=2026-11-09", False),
        (r#"device.os_version >= "14.0""#, "device.os_version=14.7.1", True),
        (r#"device.os_version >= "9.0""#, "device.os_version=14.7.1", True),
        (r#"device.os_version >= "14.0""#, "device.os_version=9.3", False),
    ]);
}

#[test]
fn logic_is_kleenes() {
    let values = [("true", True), ("false", False), ("person.vip", Unknown)];
    for (a, a_is) in values {
        assert_eq!(truth(&format!("!({a})"), ""), !a_is);
        for (b, b_is) in values {
            let and = match (a_is, b_is) {
                (False, _) | (_, False) => False,
                (True, True) => True,
                _ => Unknown,
            };
            assert_eq!(truth(&format!("{a} && {b}"), ""), and, "{a} && {b}");
            let or = match (a_is, b_is) {
                (True, _) | (_, True) => True,
                (False, False) => False,
                _ => Unknown,
            };
            assert_eq!(truth(&format!("{a} || {b}"), ""), or, "{a} || {b}");
        }
    }
}

#[test]
fn a_choice_with_an_unknown_condition_is_known_where_both_branches_agree() {
    table(&[
        ("person.vip ? true : true", "", True),
        ("person.vip ? true : false", "", Unknown),
        ("person.vip ? person.on_call : false", "person.on_call=false", False),
        (r#"(person.vip ? "a" : "a") == "a""#, "", True),
        (r#"(person.vip ? "a" : "b") == "a""#, "", Unknown),
        (r#"(person.vip ? "a" : "b") == "a""#, "person.vip=true", True),
        (r#"(person.vip ? "a" : device.site) == "b""#, "person.vip=false device.site=b", True),
    ]);
}

#[test]
fn comparisons_with_the_unknown_are_unknown() {
    for sign in ["==", "!=", "<", "<=", ">", ">="] {
        assert_eq!(truth(&format!("device.cores {sign} 4"), ""), Unknown);
        assert_eq!(truth(&format!("device.cores {sign} device.cores"), ""), Unknown);
    }
}

#[test]
fn lists_are_asked_with_unknown_elements() {
    table(&[
        (r#"person.department in []"#, "", False),
        (r#"person.department in ["HR", device.site]"#, "person.department=HR", True),
        (r#"person.department in ["HR", device.site]"#, "person.department=IT", Unknown),
        (r#"person.department in ["HR", device.site]"#, "person.department=IT device.site=Rome", False),
        (r#""x" in device.tags"#, "device.tags=[]", False),
        (r#"device.site in device.tags"#, "device.tags=[a]", Unknown),
        (r#"device.site in device.tags"#, "device.tags=[]", False),
        (r#"device.tags.exists(t, t == device.site)"#, "device.tags=[a]", Unknown),
        (r#"device.tags.exists(t, t == device.site || t == "a")"#, "device.tags=[b,a]", True),
        (r#"device.tags.all(t, t != device.site)"#, "device.tags=[]", True),
        (r#"device.tags.all(t, t != device.site && t != "a")"#, "device.tags=[a]", False),
        (r#"device.tags.exists_one(t, t.startsWith("a"))"#, "device.tags=[ab,ac]", False),
        (r#"device.tags.exists_one(t, t.startsWith("a"))"#, "device.tags=[ab,b]", True),
        (r#"device.tags.existsOne(t, t.startsWith("a"))"#, "device.tags=[b]", False),
        (r#"device.tags.exists_one(t, t == device.site)"#, "device.tags=[b]", Unknown),
        (r#"device.tags.exists_one(t, t.startsWith("a") || t == device.site)"#, "device.tags=[ab,ac,x]", False),
        (r#"["canary", "beta"].exists(t, t in device.tags)"#, "device.tags=[beta]", True),
        (r#"device.tags.exists(t, person.groups.exists(g, g == t))"#, "device.tags=[a,b] person.groups=[c,b]", True),
        (r#"size(device.tags) == 0"#, "device.tags=[]", True),
        (r#"device.tags.size() > 1"#, "device.tags=[a,b]", True),
        (r#"size([1, 2]) == 2"#, "", True),
    ]);
}

#[test]
fn numbers_compare_exactly_whole_or_not() {
    table(&[
        ("exposure.cvss >= 9", "exposure.cvss=9.0", True),
        ("exposure.cvss == 9", "exposure.cvss=9.1", False),
        ("device.cores > 3.5", "device.cores=4", True),
        ("device.cores < 3.5", "device.cores=4", False),
        ("device.cores == 9007199254740993", "device.cores=9007199254740992", False),
        ("9007199254740993 == 9007199254740992.0", "", False),
        ("9007199254740993 > 9007199254740992.0", "", True),
        ("-3 < -2.5", "", True),
        ("1 < 1e300 && -1 > -1e300", "", True),
        ("exposure.cvss in [9, 9.5]", "exposure.cvss=9.0", True),
        ("device.cores in [2, 4]", "device.cores=4", True),
        ("device.cores + 1 == 5 && device.cores - 1 == 3 && device.cores * 2 == 8", "device.cores=4", True),
        ("device.cores / 3 == 1 && device.cores % 3 == 1 && -device.cores == -4", "device.cores=4", True),
        ("exposure.cvss * 2.0 == 18.0 && exposure.cvss / 2.0 == 4.5", "exposure.cvss=9.0", True),
    ]);
}

#[test]
fn what_can_not_be_computed_is_unknown() {
    table(&[
        ("device.cores / (device.cores - device.cores) == 1", "device.cores=4", Unknown),
        ("device.cores % (device.cores - device.cores) == 1", "device.cores=4", Unknown),
        ("device.cores * 9223372036854775807 > 0", "device.cores=4", Unknown),
        ("device.cores + 9223372036854775807 > 0 || true", "device.cores=4", True),
        ("-(device.cores) > 0", "device.cores=-9223372036854775808", Unknown),
        ("1e308 * 10.0 - 1e308 * 10.0 == 1.0", "", Unknown),
        (r#"device.seen + duration("999999999d") > device.seen"#, "device.seen=2026-01-01", Unknown),
    ]);
    let nan = BTreeMap::from([(FieldRef::exposure("cvss"), Value::Float(f64::NAN))]);
    assert_eq!(compiled("exposure.cvss >= 9.0").truth(&nan, now()), Unknown);
    assert_eq!(compiled("has(exposure.cvss)").truth(&nan, now()), False);
}

#[test]
fn texts_are_asked_for_their_parts() {
    table(&[
        (r#"device.hostname.startsWith("web")"#, "device.hostname=web01", True),
        (r#"device.hostname.endsWith("01")"#, "device.hostname=web01", True),
        (r#"device.hostname.contains("b0")"#, "device.hostname=web01", True),
        (r#"device.hostname.contains("db")"#, "device.hostname=web01", False),
        (r#"device.hostname.contains(device.site)"#, "device.hostname=web01", Unknown),
        (r#"device.hostname.matches("^web[0-9]+$")"#, "device.hostname=web01", True),
        (r#"matches(device.hostname, "^db")"#, "device.hostname=web01", False),
        (r#"device.hostname.matches("^db")"#, "", Unknown),
        (r#"device.hostname.lowerAscii() == "web01""#, "device.hostname=WEB01", True),
        (r#"size(device.hostname) == 5 && device.hostname.size() == 5"#, "device.hostname=wéb01", True),
        (r#"device.hostname + "." + device.site == "web01.rome""#, "device.hostname=web01 device.site=rome", True),
        (r#"device.hostname < "x""#, "device.hostname=web01", True),
    ]);
}

#[test]
fn has_asks_whether_a_field_is_known() {
    table(&[
        ("has(person.department)", "", False),
        ("has(person.department)", "person.department=IT", True),
        (r#"has(person.department) && person.department == "IT""#, "", False),
    ]);
}

#[test]
fn versions_are_compared_as_versions() {
    table(&[
        (r#"device.os_version == "14.2""#, "device.os_version=14.2", True),
        (r#""14.10" > device.os_version"#, "device.os_version=14.9", True),
        (r#"device.os_version in ["14.1", "14.2"]"#, "device.os_version=14.2", True),
        (r#"device.os_version >= device.firmware"#, "device.os_version=10.1 device.firmware=9.9", True),
    ]);
    let apple = refit_model::Version::parse(refit_model::Scheme::Apple, "14.7").unwrap();
    let facts = BTreeMap::from([(FieldRef::device("os_version"), Value::Version(apple))]);
    assert_eq!(compiled(r#"device.os_version >= "14.0""#).truth(&facts, now()), True, "whatever its own scheme is");
}

#[test]
fn times_and_durations_compute() {
    table(&[
        (r#"device.seen >= timestamp("2026-11-01T00:00:00Z")"#, "device.seen=2026-11-02", True),
        (r#"device.seen >= "2026-11-01""#, "device.seen=2026-10-31", False),
        (r#"person.last_day in ["2026-11-30", "2026-12-31"]"#, "person.last_day=2026-11-30", True),
        (r#"until(person.last_day) <= duration("7d")"#, "person.last_day=2026-11-30", True),
        (r#"until(person.last_day) <= duration("6d")"#, "person.last_day=2026-11-30", False),
        (r#"since(person.last_day) < duration("0s")"#, "person.last_day=2026-11-30", True),
        (
            r#"person.last_day - person.first_day > duration("365d")"#,
            "person.first_day=2025-01-01 person.last_day=2026-11-30",
            True,
        ),
        (r#"person.first_day + duration("14d") == "2026-11-15""#, "person.first_day=2026-11-01", True),
        (
            r#"duration("1h") + person.first_day - duration("60m") == person.first_day"#,
            "person.first_day=2026-11-01",
            True,
        ),
        (r#"duration("1h30m") - duration("30m") == -duration("-60m")"#, "", True),
        (r#"since("2026-11-22T12:00:00Z") == duration("1d")"#, "", True),
    ]);
}

#[test]
fn an_expression_names_its_fields_once_in_the_order_of_the_text() {
    let expr = compiled(r#"person.vip || device.site == "a" || person.vip && has(device.cluster)"#);
    let expected = [FieldRef::person("vip"), FieldRef::device("site"), FieldRef::device("cluster")];
    assert_eq!(expr.fields(), expected);
    assert_eq!(expr.text(), r#"person.vip || device.site == "a" || person.vip && has(device.cluster)"#);
}

#[test]
fn constants_are_known_for_what_they_are() {
    assert_eq!(compiled("true").constant(), Some(true));
    assert_eq!(compiled("1 > 2").constant(), Some(false));
    assert_eq!(compiled("person.vip || true").constant(), None);
    assert_eq!(compiled(r#"since("2026-01-01") > duration("1d")"#).constant(), None);
}

#[test]
fn a_lookup_can_be_anything_that_answers() {
    struct Everywhere;
    impl Lookup for Everywhere {
        fn get(&self, field: &FieldRef) -> Option<std::borrow::Cow<'_, Value>> {
            (field.name == "site").then(|| std::borrow::Cow::Owned(Value::text("Rome")))
        }
    }
    assert_eq!(compiled(r#"device.site == "Rome" && person.site == "Rome""#).truth(&Everywhere, now()), True);
}

#[test]
fn a_compiler_reads_each_text_once_for_each_scope() {
    let fields = fields();
    let mut compiler = Compiler::new(&fields);
    let (one, two) = (compiler.device("person.vip").unwrap(), compiler.device("person.vip").unwrap());
    assert!(std::sync::Arc::ptr_eq(&one, &two));
    assert!(compiler.exposure("exposure.kev").is_ok());
    assert!(compiler.device("exposure.kev").is_err());
}
