//! Of what is sensitive the answer alone is kept, with a purpose.

use super::super::{Maps, Reading, Said, read, try_out};
use super::{connector, loaded};
use crate::facts::{FieldRef, Value};

/// People with kinds of leave, read in every way in which something can be read.
const LEAVE: &str = r#"
connector: hr
name: HR
records:
  - records: workers
    of: person
    from: [/workers]
    when: lower(record.leave.kind) != "test"
    id: record.id
    deleted: lower(record.leave.kind) == "for good"
    sensitive:
      record.leave: Whoever is away is not forced.
    keys:
      employee_id: record.id
      email: { from: record.email, strong_if: lower(record.leave.kind) != "for good" }
    fields:
      person.on_leave: known(record.leave.kind)
      person.last_day: record.leave.until
      person.employment: { from: record.leave.kind, values: { Parental: leave, Medical: leave } }
      person.title: { from: record.leave.kind, values: { Sabbatical: scholar } }
      person.site: { from: 'record.leave.kind == "Abroad" ? "away" : "here"' }
      person.vip: { from: record.flag, purpose: Somebody has to be asked first. }
    relations:
      - relation: manager
        each: record.leave.covers
        when: lower(item.why) != "none"
        keys: { employee_id: record.boss }
"#;

/// Words that a payload below has in what is sensitive, and that are to be found nowhere.
const SECRETS: [&str; 5] = ["oncology", "Ward 7", "Burnout", "surgery", "wheelchair"];

const PAYLOAD: &str = r#"{"workers": [
    {"id": 1, "email": "a@acme.example", "leave": {"kind": "Medical", "until": "2026-12-01"}, "flag": true},
    {"id": 2, "email": "b@acme.example", "leave": {"kind": "Burnout", "until": "after surgery"}, "flag": "wheelchair"},
    {"id": 3, "leave": {"kind": {"oncology": "Ward 7"}}},
    {"id": 4, "leave": {"kind": ["oncology"], "covers": "surgery"}},
    {"id": 5, "leave": {"covers": [{"why": {"oncology": 1}}]}},
    {"id": 6, "leave": null}
]}"#;

fn fact<'r>(reading: &'r Reading, id: &str, field: &str) -> Option<&'r Said> {
    let record = reading.records.iter().find(|record| record.id == id).unwrap();
    record.facts.get(&field.parse::<FieldRef>().unwrap())
}

#[test]
fn only_the_answer_is_in_a_reading() {
    let connector = connector(LEAVE);
    let reading = read(&connector, PAYLOAD, &Maps::new()).unwrap();
    let whole = serde_json::to_string(&reading).unwrap() + &format!("{reading:?}");
    for secret in SECRETS {
        assert!(!whole.contains(secret), "{secret} is in {whole}");
    }
    let text = |text: &str| Some(Said::Value(Value::text(text)));
    let truth = |truth: bool| Some(Said::Value(Value::Bool(truth)));
    assert_eq!(fact(&reading, "1", "person.on_leave").cloned(), truth(true));
    assert_eq!(fact(&reading, "1", "person.employment").cloned(), text("leave"));
    assert_eq!(fact(&reading, "1", "person.vip").cloned(), truth(true));
    assert!(matches!(fact(&reading, "1", "person.last_day"), Some(Said::Value(Value::Time(_)))));
    assert_eq!(fact(&reading, "2", "person.on_leave").cloned(), truth(true));
    // An open field has no value that no map covers, where it is read from something sensitive; what the mapping writes itself it has.
    assert_eq!(fact(&reading, "2", "person.title"), None);
    assert_eq!(fact(&reading, "2", "person.site").cloned(), text("here"));
    assert_eq!(fact(&reading, "6", "person.on_leave").cloned(), truth(false));
    // What does not fit is counted, with its place and without what it is.
    let places: Vec<&str> = reading.quarantined.iter().map(|it| it.at.as_str()).collect();
    for place in [
        "/workers/1/leave/until",
        "/workers/1/flag",
        "/workers/2/leave/kind",
        "/workers/3/leave/kind",
        "/workers/4/leave/covers/0/why",
    ] {
        assert!(places.contains(&place), "{place}: {places:?}");
    }
    assert!(reading.quarantined.iter().all(|it| it.sensitive && it.why.contains("sensitive")), "{reading:#?}");
    let uncovered: Vec<_> =
        reading.uncovered.iter().map(|it| (it.field.to_string(), it.value.clone(), it.records)).collect();
    assert_eq!(
        uncovered,
        [("person.employment".to_owned(), None, 1), ("person.title".to_owned(), None, 2)],
        "that there are such values is told, and not which"
    );
}

#[test]
fn whoever_tries_a_payload_out_sees_what_does_not_fit_marked_as_sensitive() {
    let reading = try_out(&connector(LEAVE), PAYLOAD, &Maps::new()).unwrap();
    let kept = read(&connector(LEAVE), PAYLOAD, &Maps::new()).unwrap();
    assert_eq!(reading.records, kept.records, "what is kept is the same");
    let said = |value: &str| {
        let of = |it: &&super::super::Uncovered| it.value.as_deref() == Some(value);
        reading.uncovered.iter().find(of).map(|it| (it.field.to_string(), it.sensitive))
    };
    assert_eq!(said("Burnout"), Some(("person.employment".to_owned(), true)));
    let until = reading.quarantined.iter().find(|it| it.at == "/workers/1/leave/until").unwrap();
    assert_eq!((until.why.as_str(), until.sensitive), ("a time is needed, and this is \"after surgery\"", true));
}

#[test]
fn what_the_answers_are_for_is_known_by_field() {
    let purposes = connector(LEAVE).purposes();
    let said: Vec<String> = purposes.iter().map(|(field, purpose)| format!("{field}: {purpose}")).collect();
    let away = ["employment", "last_day", "on_leave", "site", "title"];
    let mut expected: Vec<String> =
        away.iter().map(|field| format!("person.{field}: Whoever is away is not forced.")).collect();
    expected.push("person.vip: Somebody has to be asked first.".to_owned());
    assert_eq!(said, expected);
}

#[test]
fn a_mark_without_a_purpose_and_what_would_be_kept_are_refused_with_a_way_out() {
    let text = r#"
connector: hr
name: HR
records:
  - records: workers
    of: person
    from: [/workers]
    id: record.leave.id
    sensitive:
      record.leave: ~
      record.health: "  "
      lower(record.team): Nobody knows what for.
      record.kind: Whoever is away is not forced.
    keys:
      employee_id: record.number
      name: { from: 'record.kind + " of " + record.name' }
    fields:
      person.on_leave: { from: known(record.absence), purpose: ~ }
      person.vip: { from: record.vip, purpose: "" }
      person.title: record.kind
      person.groups: split(record.kind, ",")
      person.site: { from: record.site, purpose: Somebody has to be asked first. }
      person.department: record.department
    relations:
      - relation: department
        each: record.leave.covers
        keys: { name: item.team }
  - records: devices
    of: device
    from: [/devices]
    each: record.items
    id: parent.items[0].id
    sensitive:
      record.app: Nobody knows what for.
    installs:
      - title: { name: item.app }
        version: item.version
    fields:
      device.model: payload.devices[0].model
"#;
    let (connector, said) = loaded(text);
    assert!(connector.is_none());
    insta::assert_snapshot!(said);
}

#[test]
fn an_absence_of_marks_changes_nothing() {
    let text = "connector: a\nname: A\nreads: json\nrecords:\n  - { records: a, of: person, from: [/a], id: record.id, fields: { person.title: record.kind, person.vip: record.vip } }\n";
    let reading = read(&connector(text), r#"{"a": [{"id": 1, "kind": "Medical", "vip": "x"}]}"#, &Maps::new()).unwrap();
    assert_eq!(fact(&reading, "1", "person.title"), Some(&Said::Value(Value::text("Medical"))));
    assert_eq!(reading.quarantined[0].why, "true or false is needed, and this is \"x\"");
    assert!(connector(text).purposes().is_empty());
}
