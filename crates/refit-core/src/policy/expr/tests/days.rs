//! Days, which begin at midnight where the person is.

use super::*;
use Truth::{False, True, Unknown};

/// Whether a condition holds for a person of that first and last day and zone (`-`: unknown), at a time.
fn at(expression: &str, day: &str, zone: &str, now: &str) -> Truth {
    let zone = if zone == "-" { String::new() } else { format!("person.timezone={zone}") };
    let known = facts(&format!("person.first_day={day} person.last_day={day} {zone}"));
    compiled(expression).truth(&known, now.parse().unwrap())
}

#[test]
fn a_first_day_begins_at_midnight_where_the_person_is() {
    let begun = r#"since(person.first_day) >= duration("0s")"#;
    for (zone, before, from) in [
        ("Pacific/Auckland", "2026-11-26T10:59:59Z", "2026-11-26T11:00:00Z"),
        ("Europe/Berlin", "2026-11-26T22:59:59Z", "2026-11-26T23:00:00Z"),
        ("America/Los_Angeles", "2026-11-27T07:59:59Z", "2026-11-27T08:00:00Z"),
        // In UTC where the zone is unknown, or none.
        ("-", "2026-11-26T23:59:59Z", "2026-11-27T00:00:00Z"),
        ("Middle/Earth", "2026-11-26T23:59:59Z", "2026-11-27T00:00:00Z"),
    ] {
        assert_eq!(at(begun, "2026-11-27", zone, before), False, "{zone}");
        assert_eq!(at(begun, "2026-11-27", zone, from), True, "{zone}");
    }
}

#[test]
fn a_last_day_is_as_far_away_as_midnight_where_the_person_is() {
    let last = r#"until(person.last_day) <= duration("7d")"#;
    assert_eq!(at(last, "2026-12-31", "Europe/Berlin", "2026-12-23T22:59:59Z"), False);
    assert_eq!(at(last, "2026-12-31", "Europe/Berlin", "2026-12-23T23:00:00Z"), True);
    // Between lie 7 days and 23 hours of clocks: a duration is one of hours, and the day still begins at midnight.
    assert_eq!(at(last, "2026-03-30", "Europe/Berlin", "2026-03-22T21:59:59Z"), False);
    assert_eq!(at(last, "2026-03-30", "Europe/Berlin", "2026-03-22T22:00:00Z"), True);
}

#[test]
fn where_clocks_skip_midnight_the_day_begins_when_they_have() {
    let begun = r#"since(person.first_day) >= duration("0s")"#;
    assert_eq!(at(begun, "2026-04-24", "Africa/Cairo", "2026-04-23T21:59:59Z"), False);
    assert_eq!(at(begun, "2026-04-24", "Africa/Cairo", "2026-04-23T22:00:00Z"), True);
}

#[test]
fn an_instant_and_what_days_are_compared_with_are_in_no_zone() {
    let begun = r#"since(person.first_day) >= duration("0s")"#;
    assert_eq!(at(begun, "2026-11-27T09:00:00Z", "Pacific/Auckland", "2026-11-27T08:59:59Z"), False);
    let day = r#"person.last_day == "2026-11-27" && person.first_day + duration("1d") == "2026-11-28""#;
    assert_eq!(at(day, "2026-11-27", "Pacific/Auckland", "2026-11-27T00:00:00Z"), True);
    // Nobody is asked for a zone: what is unknown without one is known to be in UTC.
    assert_eq!(truth(r#"since(person.first_day) < duration("3d")"#, "person.timezone=Europe/Berlin"), Unknown);
}

#[test]
fn days_are_counted_alike_in_sums_choices_and_lists() {
    let (zone, before, from) = ("Pacific/Auckland", "2026-11-26T10:59:59Z", "2026-11-26T11:00:00Z");
    for expression in [
        r#"since(person.first_day + duration("0s")) >= duration("0s")"#,
        r#"since(person.vip ? person.first_day : person.last_day) >= duration("0s")"#,
        r#"[person.first_day, device.enrolled].exists(t, since(t) >= duration("0s"))"#,
        r#"[person.last_day].all(t, t == "2026-11-27" && until(t) <= duration("0s"))"#,
    ] {
        assert_ne!(at(expression, "2026-11-27", zone, before), True, "{expression}");
        assert_eq!(at(expression, "2026-11-27", zone, from), True, "{expression}");
    }
}

#[test]
fn the_zone_is_asked_where_days_are_counted_and_named_where_it_made_a_difference() {
    let zone = FieldRef::person("timezone");
    let asks = |expression: &str| compiled(expression).asked().contains(&zone);
    assert!(asks(r#"since(person.first_day) < duration("14d")"#));
    assert!(asks(r#"[person.first_day].exists(t, since(t) < duration("14d"))"#));
    assert!(!asks(r#"since(device.enrolled) < duration("14d") && person.first_day > "2026-01-01""#));
    let expr = compiled(r#"person.vip || since(person.first_day) < duration("14d")"#);
    assert!(!expr.fields().contains(&zone), "it is not named");
    let parts = expr.formula();
    let asking: Vec<bool> = parts.parts().iter().map(|part| part.fields.contains(&zone)).collect();
    assert_eq!(asking, [false, true]);
    let seen = |zone: &str| {
        let known = facts(&format!("person.vip=false person.first_day=2026-11-20 {zone}"));
        let seen = expr.explain(&known, now()).seen.into_iter();
        seen.map(|(field, _)| field.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(seen("person.timezone=Asia/Tokyo"), ["person.vip", "person.first_day", "person.timezone"]);
    assert_eq!(seen(""), ["person.vip", "person.first_day"]);
}

#[test]
fn it_is_known_when_a_day_will_begin_somewhere() {
    let change = |expression: &str, known: &str| {
        compiled(expression).next_change(&facts(known), now()).map(|time| time.to_string())
    };
    let known = "person.first_day=2026-11-20 person.last_day=2026-12-31 person.timezone=Asia/Tokyo";
    let rows = [
        (r#"since(person.first_day) < duration("14d")"#, "2026-12-03T15:00:00Z"),
        (r#"until(person.last_day) <= duration("7d")"#, "2026-12-23T15:00:00Z"),
        (r#"-until(person.last_day + duration("1d")) >= duration("0s")"#, "2026-12-31T15:00:00Z"),
        (r#"[person.last_day].exists(t, until(t) <= duration("1d"))"#, "2026-12-29T15:00:00Z"),
    ];
    for (expression, expected) in rows {
        assert_eq!(change(expression, known).as_deref(), Some(expected), "{expression}");
    }
}
