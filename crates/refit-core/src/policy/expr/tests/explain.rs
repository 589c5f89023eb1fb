//! Reasons, and the passing of time.

use super::*;
use Truth::{False, True, Unknown};

fn wanting(expression: &str, known: &str) -> Vec<String> {
    let explanation = compiled(expression).explain(&facts(known), now());
    assert_eq!(explanation.truth, truth(expression, known), "{expression}");
    explanation.wanting.iter().map(FieldRef::to_string).collect()
}

#[test]
fn an_explanation_names_what_was_looked_at_until_the_answer_was_clear() {
    let expr = compiled(r#"person.department == "IT" || "canary" in device.tags || person.vip"#);
    let explanation = expr.explain(&facts("device.tags=[canary]"), now());
    assert_eq!(explanation.truth, True);
    let expected =
        vec![(FieldRef::person("department"), None), (FieldRef::device("tags"), Some(Value::list(["canary"])))];
    assert_eq!(explanation.seen, expected);
    assert_eq!(explanation.wanting, []);
}

#[test]
fn an_unknown_answer_names_only_the_facts_that_matter() {
    let rows: [(&str, &str, &[&str]); 19] = [
        (r#"person.department == "IT""#, "", &["person.department"]),
        (r#"person.vip && device.site == "a""#, "", &["person.vip", "device.site"]),
        (r#"person.vip && device.site == "a""#, "person.vip=true", &["device.site"]),
        (r#"(person.vip && device.site == "a") || person.on_call"#, "device.site=b", &["person.on_call"]),
        (r#"!(person.vip || person.on_call)"#, "person.vip=false", &["person.on_call"]),
        (r#"person.vip ? person.on_call : person.on_leave"#, "person.vip=true", &["person.on_call"]),
        (r#"person.vip ? person.on_call : person.on_leave"#, "person.vip=false", &["person.on_leave"]),
        (r#"person.vip ? true : false"#, "", &["person.vip"]),
        (r#"person.vip ? true : person.on_leave"#, "", &["person.vip", "person.on_leave"]),
        (r#"device.site in ["a", person.site]"#, "device.site=b", &["person.site"]),
        (r#"device.site in ["a", person.site]"#, "", &["device.site", "person.site"]),
        (r#""a" in device.tags"#, "", &["device.tags"]),
        (r#"device.tags.exists(t, t == device.site)"#, "", &["device.tags"]),
        (r#"device.tags.exists(t, t == device.site)"#, "device.tags=[x]", &["device.site"]),
        (r#"device.tags.all(t, t != "x" || person.vip)"#, "device.tags=[x,y]", &["person.vip"]),
        (r#"size(device.tags) > 0"#, "", &["device.tags"]),
        (r#"since(person.first_day) < duration("1d")"#, "", &["person.first_day"]),
        (r#"has(device.site) && device.hostname.matches("a")"#, "device.site=a", &["device.hostname"]),
        (r#"device.cores / (device.cores - device.cores) == 1"#, "device.cores=3", &[]),
    ];
    for (expression, known, expected) in rows {
        assert_eq!(truth(expression, known), Unknown, "{expression} with {known:?}");
        assert_eq!(wanting(expression, known), expected, "{expression} with {known:?}");
    }
}

#[test]
fn a_clear_answer_wants_nothing() {
    assert_eq!(truth("person.vip && false", ""), False);
    assert!(wanting("person.vip && false", "").is_empty());
}

fn change(expression: &str, known: &str) -> Option<String> {
    compiled(expression).next_change(&facts(known), now()).map(|time| time.to_string())
}

#[test]
fn time_changes_what_is_asked_of_it() {
    // It is 2026-11-23T12:00:00Z.
    let rows = [
        (r#"since(person.first_day) < duration("14d")"#, "person.first_day=2026-11-20", Some("2026-12-04T00:00:00Z")),
        (
            r#"since(person.first_day) <= duration("14d")"#,
            "person.first_day=2026-11-20",
            Some("2026-12-04T00:00:00.000000001Z"),
        ),
        (r#"since(person.first_day) < duration("14d")"#, "person.first_day=2026-11-01", None),
        (r#"since(person.first_day) < duration("14d")"#, "", None),
        (r#"until(person.last_day) <= duration("7d")"#, "person.last_day=2026-12-31", Some("2026-12-24T00:00:00Z")),
        (
            r#"until(person.last_day) < duration("7d")"#,
            "person.last_day=2026-12-31",
            Some("2026-12-24T00:00:00.000000001Z"),
        ),
        (r#"duration("7d") >= until(person.last_day)"#, "person.last_day=2026-12-31", Some("2026-12-24T00:00:00Z")),
        (r#"since(device.seen) == duration("12h30m")"#, "device.seen=2026-11-23", Some("2026-11-23T12:30:00Z")),
        (r#"since(device.seen) == duration("12h")"#, "device.seen=2026-11-23", Some("2026-11-23T12:00:00.000000001Z")),
        (r#"device.seen > "2027-01-01""#, "device.seen=2026-11-23", None),
        // The other part decides: time changes nothing.
        (r#"person.vip || since(device.seen) > duration("14d")"#, "person.vip=true device.seen=2026-11-23", None),
        (
            r#"person.vip || since(device.seen) > duration("14d")"#,
            "person.vip=false device.seen=2026-11-23",
            Some("2026-12-07T00:00:00.000000001Z"),
        ),
        (
            r#"person.vip || since(device.seen) >= duration("14d")"#,
            "device.seen=2026-11-23",
            Some("2026-12-07T00:00:00Z"),
        ),
        // The first of several that matters.
        (
            r#"since(device.seen) >= duration("2d") && until(person.last_day) <= duration("1d")"#,
            "device.seen=2026-11-23 person.last_day=2026-12-31",
            Some("2026-12-30T00:00:00Z"),
        ),
        (
            r#"since(person.first_day) + duration("1d") >= duration("14d")"#,
            "person.first_day=2026-11-20",
            Some("2026-12-03T00:00:00Z"),
        ),
        (r#"-until(person.last_day) >= duration("0s")"#, "person.last_day=2026-12-31", Some("2026-12-31T00:00:00Z")),
        (
            r#"since(person.first_day) > until(person.last_day)"#,
            "person.first_day=2026-11-20 person.last_day=2026-12-20",
            Some("2026-12-05T00:00:00.000000001Z"),
        ),
        (
            r#"(person.vip ? duration("1d") : duration("2d")) <= since(device.seen)"#,
            "person.vip=false device.seen=2026-11-23",
            Some("2026-11-25T00:00:00Z"),
        ),
        (
            r#"[person.first_day, device.enrolled].exists(t, since(t) >= duration("30d"))"#,
            "person.first_day=2026-11-20 device.enrolled=2026-11-10",
            Some("2026-12-10T00:00:00Z"),
        ),
    ];
    for (expression, known, expected) in rows {
        assert_eq!(change(expression, known).as_deref(), expected, "{expression} with {known}");
    }
}

#[test]
fn what_would_change_beyond_all_time_never_does() {
    assert_eq!(change(r#"since(device.seen) > duration("9999999d")"#, "device.seen=2026-11-23"), None);
}
