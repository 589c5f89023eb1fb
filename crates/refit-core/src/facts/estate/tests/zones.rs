//! What time it is where somebody works, and when their days begin and end.

use super::*;
use crate::facts::estate::REFIT;

/// The value of a field and who says it, at an instant and where it is known in which zone Auckland and Germany are.
fn said(estate: &Estate, of: Subject, id: &str, field: &str, at: &str) -> Option<String> {
    let (fields, authority, staleness) = (Fields::builtin(), Authority::default(), Staleness::default());
    let mut zones = Zones::default();
    zones.add(Place::Site, "Auckland", "Pacific/Auckland".into());
    zones.add(Place::Country, "DE", "Europe/Berlin".into());
    let now = at.parse().unwrap();
    let rules = Rules { fields: &fields, authority: &authority, staleness: &staleness, zones: &zones, now };
    let profile = match of {
        Subject::Device => estate.device(id, &rules),
        Subject::Person => estate.person(id, &rules),
    };
    let field = profile.unwrap().fields.into_iter().find(|it| it.field.to_string() == field)?;
    match field.value? {
        Plain::Text(value) => Some(format!("{value} by {}", field.source.unwrap())),
        _ => None,
    }
}

const NOW: &str = "2026-09-21T15:00:00Z";

#[test]
fn a_device_is_in_the_zone_of_its_site_else_of_its_country_else_of_whoever_has_it() {
    let laptop = |facts: &[(&str, &str)], person: &[(&str, &str)]| {
        let mut estate = Estate::default();
        let facts: Vec<(&str, Option<&str>)> = facts.iter().map(|(name, value)| (*name, Some(*value))).collect();
        let person: Vec<(&str, Option<&str>)> = person.iter().map(|(name, value)| (*name, Some(*value))).collect();
        let mut laptop = record(Subject::Device, "d", &[(KeyKind::Serial, "PF3KX2M1")], &facts);
        let keys = vec![key(KeyKind::EmployeeId, "E1")];
        laptop.relations.push(Relation { relation: RelationKind::Assigned, assignment: Some("primary".into()), keys });
        let ada = record(Subject::Person, "1", &[(KeyKind::EmployeeId, "E1")], &person);
        take(&mut estate, "mdm", 0, vec![laptop, ada]).unwrap();
        said(&estate, Subject::Device, "mdm/d+0", "device.timezone", NOW)
    };
    let derived = |zone: &str| Some(format!("{zone} by {REFIT}"));
    assert_eq!(laptop(&[("device.site", "auckland"), ("device.country", "DE")], &[]), derived("Pacific/Auckland"));
    assert_eq!(laptop(&[("device.site", "Kiel"), ("device.country", "DE")], &[]), derived("Europe/Berlin"));
    assert_eq!(laptop(&[], &[("person.site", "Auckland"), ("person.country", "DE")]), derived("Pacific/Auckland"));
    assert_eq!(laptop(&[], &[("person.timezone", "Asia/Tokyo"), ("person.country", "DE")]), derived("Asia/Tokyo"));
    assert_eq!(
        laptop(&[("device.country", "DE"), ("device.timezone", "Asia/Tokyo")], &[]).as_deref(),
        Some("Asia/Tokyo by mdm")
    );
    assert_eq!(laptop(&[("device.site", "Kiel")], &[("person.country", "FR")]), None);
}

#[test]
fn where_nothing_else_is_known_it_is_the_time_of_the_organisation() {
    let (fields, authority, staleness) = (Fields::builtin(), Authority::default(), Staleness::default());
    let mut zones = Zones::default();
    zones.add(Place::Country, "DE", "Europe/Berlin".into());
    zones.set_otherwise("America/Los_Angeles".into());
    let mut estate = Estate::default();
    let laptop = |id: &str, country: Option<&str>| {
        record(Subject::Device, id, &[(KeyKind::Serial, id)], &[("device.country", country)])
    };
    let person = |id: &str, zone: Option<&str>, day: &str| {
        let mut person = record(Subject::Person, id, &[(KeyKind::EmployeeId, id)], &[("person.timezone", zone)]);
        let day = Said::Value(Value::Time(crate::facts::parse_time(day).unwrap()));
        person.facts.insert(FieldRef::person("first_day"), day);
        person
    };
    let records = vec![
        laptop("D1", Some("DE")),
        laptop("D2", None),
        person("E1", Some("Asia/Tokyo"), "2026-09-22"),
        person("E2", None, "2026-09-22"),
    ];
    take(&mut estate, "hr", 0, records).unwrap();
    let said = |of: Subject, id: &str, field: &str, at: &str| {
        let now = at.parse().unwrap();
        let rules = Rules { fields: &fields, authority: &authority, staleness: &staleness, zones: &zones, now };
        let profile =
            if of == Subject::Device { estate.device(id, &rules) } else { estate.person(id, &rules) }.unwrap();
        let field = profile.fields.into_iter().find(|it| it.field.to_string() == field)?;
        field.value.map(|value| format!("{value} by {}", field.source.unwrap()))
    };
    let zone = |of, id: &str, field: &str| said(of, id, field, NOW).unwrap();
    assert_eq!(zone(Subject::Device, "hr/D1+0", "device.timezone"), "Europe/Berlin by refit");
    assert_eq!(zone(Subject::Device, "hr/D2+0", "device.timezone"), "America/Los_Angeles by refit");
    assert_eq!(zone(Subject::Person, "hr/E1+0", "person.timezone"), "Asia/Tokyo by hr");
    assert_eq!(zone(Subject::Person, "hr/E2+0", "person.timezone"), "America/Los_Angeles by refit");
    let employment = |at: &str| said(Subject::Person, "hr/E2+0", "person.employment", at);
    assert_eq!(employment("2026-09-22T06:59:59Z").as_deref(), Some("starting by refit"));
    assert_eq!(employment("2026-09-22T07:00:00Z"), None);
}

#[test]
fn a_day_begins_and_ends_where_somebody_works() {
    let employment = |field: &str, day: &str, country: &str, at: &str| {
        let mut estate = Estate::default();
        let mut ada =
            record(Subject::Person, "1", &[(KeyKind::EmployeeId, "E1")], &[("person.country", Some(country))]);
        ada.facts.insert(field.parse().unwrap(), Said::Value(Value::Time(crate::facts::parse_time(day).unwrap())));
        take(&mut estate, "hr", 0, vec![ada]).unwrap();
        said(&estate, Subject::Person, "hr/1+0", "person.employment", at)
    };
    let is = |text: &str| Some(format!("{text} by {REFIT}"));
    // In Berlin the 22nd begins at 22:00 UTC of the day before.
    let first = |country: &str, at: &str| employment("person.first_day", "2026-09-22", country, at);
    assert_eq!(first("DE", "2026-09-21T21:59:59Z"), is("starting"));
    assert_eq!(first("DE", "2026-09-21T22:00:00Z"), None);
    assert_eq!(first("FR", "2026-09-21T23:59:59Z"), is("starting"));
    assert_eq!(first("FR", "2026-09-22T00:00:00Z"), None);
    let last = |country: &str, at: &str| employment("person.last_day", "2026-09-22", country, at);
    assert_eq!(last("DE", "2026-09-22T21:59:59Z"), None);
    assert_eq!(last("DE", "2026-09-22T22:00:00Z"), is("left"));
    assert_eq!(last("FR", "2026-09-23T11:59:59Z"), None, "nobody knows where the day ends last");
    assert_eq!(last("FR", "2026-09-23T12:00:00Z"), is("left"));
    // An instant is on a day as well.
    let until_six = |at: &str| employment("person.last_day", "2026-09-22T16:00:00Z", "DE", at);
    assert_eq!(until_six("2026-09-22T20:00:00Z"), None);
    assert_eq!(until_six("2026-09-22T22:00:00Z"), is("left"));
    // An instant begins when it does.
    assert_eq!(employment("person.first_day", "2026-09-22T07:00:00Z", "DE", "2026-09-22T06:59:59Z"), is("starting"));
}
