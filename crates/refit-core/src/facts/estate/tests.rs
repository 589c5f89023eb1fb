//! What sources say, whom to believe, and what happens to sources that fail or shrink.

mod departments;
mod lists;
mod told;
mod zones;

use super::{Alarm, Estate, Incoming, Rules, SHRINK_LIMIT, Standing};
use crate::facts::identity::{Change, Settled};
use crate::facts::mapping::{
    Key, KeyKind, Record, Relation, Said, Strength,
    document::{RelationKind, Subject},
};
use crate::facts::{Authority, FieldRef, Fields, Place, Staleness, Value, Zones};
use jiff::{SignedDuration, Timestamp};
use refit_model::entry::Plain;
use smol_str::SmolStr;
use std::collections::BTreeMap;

fn time(hours: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + hours * 3600).unwrap()
}

fn key(kind: KeyKind, value: &str) -> Key {
    Key { kind, value: value.into(), strength: kind.strength() }
}

fn record(of: Subject, id: &str, keys: &[(KeyKind, &str)], facts: &[(&str, Option<&str>)]) -> Record {
    let fact = |(field, value): &(&str, Option<&str>)| {
        let said = value.map_or(Said::Nothing, |value| Said::Value(Value::text(value)));
        (field.parse::<FieldRef>().unwrap(), said)
    };
    Record {
        records: if of == Subject::Device { "devices".into() } else { "people".into() },
        of,
        at: String::new(),
        id: id.into(),
        observed: None,
        deleted: false,
        keys: keys.iter().map(|(kind, value)| key(*kind, value)).collect(),
        facts: facts.iter().map(fact).collect(),
        installs: Vec::new(),
        installs_complete: false,
        installs_by_row: false,
        relations: Vec::new(),
    }
}

fn take(estate: &mut Estate, source: &str, hours: i64, records: Vec<Record>) -> Result<Vec<Change>, Alarm> {
    let whole = ["devices".into(), "people".into()].into();
    let incoming = Incoming {
        source,
        records,
        whole,
        partial: [].into(),
        resting: [].into(),
        at: time(hours),
        unread: 0,
        shrink_limit: Some(SHRINK_LIMIT),
    };
    estate.take(incoming, |record, generation| SmolStr::new(format!("{record}+{generation}")))
}

/// What is believed at a time, under an order of sources for the field.
fn believed(
    estate: &Estate,
    id: &str,
    field: &str,
    order: &[&str],
    hours: i64,
) -> (Option<Plain>, Vec<(String, Standing)>) {
    let (fields, name) = (Fields::builtin(), field.parse::<FieldRef>().unwrap());
    let authority = Authority { order: BTreeMap::from([(name.clone(), order.iter().map(SmolStr::new).collect())]) };
    let staleness = Staleness { stale_after: BTreeMap::from([("hr".into(), SignedDuration::from_hours(24))]) };
    let rules = Rules {
        fields: &fields,
        authority: &authority,
        staleness: &staleness,
        zones: &Zones::default(),
        now: time(hours),
    };
    let profile = estate.device(id, &rules).or_else(|| estate.person(id, &rules)).unwrap();
    let Some(said) = profile.fields.into_iter().find(|said| said.field == name) else { return (None, Vec::new()) };
    (said.value, said.said.into_iter().map(|by| (by.source.to_string(), by.standing)).collect())
}

fn ada(department: &str) -> Vec<Record> {
    vec![record(Subject::Person, "1", &[(KeyKind::EmployeeId, "E1")], &[("person.department", Some(department))])]
}

fn text(text: &str) -> Option<Plain> {
    Some(Plain::Text(text.into()))
}

#[test]
fn the_most_trusted_source_that_is_fresh_wins_and_the_others_are_kept() {
    let mut estate = Estate::default();
    take(&mut estate, "hr", 0, ada("Engineering")).unwrap();
    take(&mut estate, "idp", 20, ada("eng")).unwrap();
    let (value, said) = believed(&estate, "hr/1+0", "person.department", &["hr", "idp"], 22);
    assert_eq!(value, text("Engineering"));
    assert_eq!(said, [("hr".into(), Standing::Believed), ("idp".into(), Standing::Outranked)]);
    // HR was last read a day ago: what it says is too old, and is shown all the same.
    let (value, said) = believed(&estate, "hr/1+0", "person.department", &["hr", "idp"], 25);
    assert_eq!(value, text("eng"));
    assert_eq!(said, [("idp".into(), Standing::Believed), ("hr".into(), Standing::TooOld)]);
    let (value, said) = believed(&estate, "hr/1+0", "person.department", &[], 100);
    assert_eq!((value, said.len()), (None, 2));
}

#[test]
fn a_source_that_says_again_what_it_said_is_fresh() {
    let mut estate = Estate::default();
    take(&mut estate, "hr", 0, ada("Engineering")).unwrap();
    // Only what has changed was read: nothing has.
    nothing_new(&mut estate, &[], 30);
    assert_eq!(believed(&estate, "hr/1+0", "person.department", &[], 50).0, text("Engineering"));
    estate.fail("hr", time(60), "it does not answer".into());
    assert_eq!(
        believed(&estate, "hr/1+0", "person.department", &[], 53).0,
        text("Engineering"),
        "the last good state stays"
    );
    assert_eq!(believed(&estate, "hr/1+0", "person.department", &[], 61).0, None, "and grows old");
}

/// A reading of what has changed, without these kinds: nothing has.
fn nothing_new(estate: &mut Estate, resting: &[&str], hours: i64) {
    let incoming = Incoming {
        source: "hr",
        records: Vec::new(),
        whole: [].into(),
        partial: [].into(),
        resting: resting.iter().map(SmolStr::new).collect(),
        at: time(hours),
        unread: 0,
        shrink_limit: Some(SHRINK_LIMIT),
    };
    estate.take(incoming, |_, _| unreachable!()).unwrap();
}

#[test]
fn what_was_not_asked_for_grows_old_while_the_rest_is_read() {
    let mut estate = Estate::default();
    let department = |estate: &Estate, hours| believed(estate, "hr/1+0", "person.department", &[], hours).0;
    take(&mut estate, "hr", 0, ada("Engineering")).unwrap();
    nothing_new(&mut estate, &["people"], 12);
    nothing_new(&mut estate, &["people"], 20);
    assert_eq!(department(&estate, 23), text("Engineering"));
    assert_eq!(department(&estate, 25), None, "it was last said at the beginning");
    nothing_new(&mut estate, &["devices"], 30);
    assert_eq!(department(&estate, 50), text("Engineering"), "it was asked for again");
}

#[test]
fn that_there_is_no_value_is_said_too() {
    let mut estate = Estate::default();
    take(&mut estate, "hr", 0, ada("Engineering")).unwrap();
    let empty = record(Subject::Person, "1", &[(KeyKind::EmployeeId, "E1")], &[("person.department", None)]);
    take(&mut estate, "hr", 1, vec![empty]).unwrap();
    assert_eq!(believed(&estate, "hr/1+0", "person.department", &[], 2), (None, Vec::new()));
}

fn fleet(count: usize) -> Vec<Record> {
    (0..count).map(|n| record(Subject::Device, &n.to_string(), &[(KeyKind::Serial, &format!("S{n}X"))], &[])).collect()
}

#[test]
fn a_reading_with_far_fewer_records_is_not_believed() {
    let mut estate = Estate::default();
    take(&mut estate, "mdm", 0, fleet(100)).unwrap();
    assert!(take(&mut estate, "mdm", 1, fleet(90)).is_ok(), "a tenth is within the limit");
    let alarm = take(&mut estate, "mdm", 2, fleet(60)).unwrap_err();
    assert_eq!(alarm.to_string(), "30 of 90 devices are missing, which is too many at once to be believed");
    assert!(take(&mut estate, "mdm", 3, Vec::new()).is_err());
    let source = &estate.sources["mdm"];
    assert_eq!((source.records.len(), source.read), (90, Some(time(1))));
    assert_eq!(source.alarm.as_ref().map(Alarm::since), Some(time(2)));
    assert!(estate.registry.nodes().iter().filter(|node| node.gone).count() == 10);
    // Somebody says that it is so.
    let whole = ["devices".into()].into();
    let incoming = Incoming {
        source: "mdm",
        records: fleet(60),
        whole,
        partial: [].into(),
        resting: [].into(),
        at: time(4),
        unread: 0,
        shrink_limit: None,
    };
    estate.take(incoming, |_, _| unreachable!()).unwrap();
    let source = &estate.sources["mdm"];
    assert_eq!((source.records.len(), source.alarm.clone()), (60, None));
}

#[test]
fn in_a_small_company_a_few_may_leave_but_not_all() {
    let mut estate = Estate::default();
    take(&mut estate, "mdm", 0, fleet(6)).unwrap();
    assert!(take(&mut estate, "mdm", 1, fleet(3)).is_ok());
    assert!(take(&mut estate, "mdm", 2, Vec::new()).is_err());
}

#[test]
fn a_device_shows_its_person_and_who_says_so() {
    let mut estate = Estate::default();
    let mut mac = record(
        Subject::Device,
        "7",
        &[(KeyKind::Serial, "C02X"), (KeyKind::Hostname, "ada-mac")],
        &[("device.hostname", Some("ada-mac"))],
    );
    let assigned = |assignment: &str, keys: Vec<Key>| Relation {
        relation: RelationKind::Assigned,
        assignment: Some(assignment.into()),
        keys,
    };
    let weak = Key { strength: Strength::Weak, ..key(KeyKind::Email, "ada@a.example") };
    mac.relations.push(assigned("primary", vec![weak, key(KeyKind::Username, "ada")]));
    take(&mut estate, "mdm", 0, vec![mac]).unwrap();
    let people = [("1", "E1", "ada@a.example"), ("2", "E2", "ben@a.example")].map(|(id, number, email)| {
        record(
            Subject::Person,
            id,
            &[(KeyKind::EmployeeId, number), (KeyKind::Email, email)],
            &[("person.email", Some(email))],
        )
    });
    take(&mut estate, "hr", 0, people.to_vec()).unwrap();
    let mut row = record(Subject::Device, "row", &[(KeyKind::Serial, "C02X")], &[]);
    row.relations.push(assigned("primary", vec![key(KeyKind::EmployeeId, "E2")]));
    take(&mut estate, "inventory", 1, vec![row]).unwrap();

    let (fields, staleness) = (Fields::builtin(), Staleness::default());
    let person = |order: &[&str]| {
        let order = order.iter().map(SmolStr::new).collect();
        let authority = Authority { order: BTreeMap::from([(FieldRef::device("assignment"), order)]) };
        let rules = Rules {
            fields: &fields,
            authority: &authority,
            staleness: &staleness,
            zones: &Zones::default(),
            now: time(2),
        };
        let profile = estate.device("mdm/7+0", &rules).unwrap();
        assert_eq!(profile.assigned.len(), 2);
        let person = profile.person.unwrap();
        let theirs = estate.person(&person.id, &rules).unwrap();
        assert_eq!(theirs.devices.first().map(|device| device.id.as_str()), Some("mdm/7+0"));
        (person.name.unwrap().to_string(), person.source.to_string())
    };
    assert_eq!(person(&["mdm"]), ("ada@a.example".into(), "mdm".into()));
    assert_eq!(person(&["inventory", "mdm"]), ("ben@a.example".into(), "inventory".into()));
    for text in ["C02X", "c02x", "ada-mac", "inventory/row", "mdm/7+0"] {
        assert_eq!(estate.find(Subject::Device, text).into_iter().collect::<Vec<_>>(), ["mdm/7+0"], "{text}");
    }
    assert_eq!(estate.find(Subject::Person, "Ben@a.example").len(), 1);
    assert!(estate.find(Subject::Person, "C02X").is_empty());
}

#[test]
fn an_estate_is_restored_as_it_was() {
    let mut estate = Estate::default();
    take(&mut estate, "hr", 0, ada("Engineering")).unwrap();
    take(&mut estate, "mdm", 0, fleet(3)).unwrap();
    let sources = serde_json::to_string(&estate.sources).unwrap();
    let restored =
        Estate::restore(estate.registry.nodes().to_vec(), serde_json::from_str(&sources).unwrap(), Settled::default());
    assert_eq!(restored.sources, estate.sources);
    assert_eq!(
        believed(&restored, "hr/1+0", "person.department", &[], 1),
        believed(&estate, "hr/1+0", "person.department", &[], 1)
    );
}

#[test]
fn a_record_that_could_not_be_read_is_not_gone() {
    let mut estate = Estate::default();
    let laptops = |count: usize| -> Vec<Record> {
        (0..count)
            .map(|n| record(Subject::Device, &n.to_string(), &[(KeyKind::Serial, &format!("SN-{n}A"))], &[]))
            .collect()
    };
    let read = |estate: &mut Estate, records: Vec<Record>, unread: usize, believe: bool| {
        let incoming = Incoming {
            source: "csv",
            records,
            whole: ["devices".into()].into(),
            partial: [].into(),
            resting: [].into(),
            at: time(1),
            unread,
            shrink_limit: (!believe).then_some(SHRINK_LIMIT),
        };
        estate.take(incoming, |record, generation| SmolStr::new(format!("{record}+{generation}")))
    };
    let known = |estate: &Estate| estate.sources.get("csv").unwrap().records.len();
    read(&mut estate, laptops(40), 0, false).unwrap();
    // Two lines are broken, and two are missing: these may be the ones.
    read(&mut estate, laptops(38), 2, false).unwrap();
    assert_eq!(known(&estate), 40);
    // They are there until somebody mends the lines, or for ever.
    read(&mut estate, laptops(38), 2, false).unwrap();
    assert_eq!(known(&estate), 40);
    read(&mut estate, laptops(40), 0, false).unwrap();
    read(&mut estate, laptops(38), 2, false).unwrap();
    // Three are missing: something is gone, and nobody can tell what.
    read(&mut estate, laptops(37), 2, false).unwrap();
    assert_eq!(known(&estate), 37);
    // Lines that were broken before hide nobody who leaves now.
    read(&mut estate, laptops(36), 2, false).unwrap();
    assert_eq!(known(&estate), 36);
    read(&mut estate, laptops(37), 2, false).unwrap();
    // As many as that are not believed, whatever the reason, and that is said.
    let alarm = read(&mut estate, Vec::new(), 37, false).unwrap_err().to_string();
    assert_eq!(
        alarm,
        "37 of 37 devices are missing, which is too many at once to be believed; 37 records that it has could not be read"
    );
    let alarm = read(&mut estate, Vec::new(), 0, false).unwrap_err().to_string();
    assert!(alarm.ends_with("to be believed: it can be read, and has none any more"), "{alarm}");
    assert_eq!(known(&estate), 37);
    // Whoever believes it has it as it is.
    read(&mut estate, laptops(36), 1, true).unwrap();
    assert_eq!(known(&estate), 36);
}
