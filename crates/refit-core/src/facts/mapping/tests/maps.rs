use super::super::{Maps, Said, read};
use super::{DEVICES, connector};
use crate::facts::{FieldRef, Value};
use std::collections::BTreeMap;

#[test]
fn the_organisations_names_come_first_and_what_no_map_covers_is_reported() {
    let connector = connector(DEVICES);
    let site = FieldRef::device("site");
    let maps: Maps = BTreeMap::from([(site.clone(), BTreeMap::from([("HQ 1".to_owned(), "Berlin".to_owned())]))]);
    let payload = r#"{"devices": [
        {"id": 1, "site": "hq 1", "kind": "nb"},
        {"id": 2, "site": "HQ 2", "kind": "odd"},
        {"id": 3, "site": "HQ 2", "kind": "toaster"},
        {"id": 4, "site": "None"},
        {"id": 5}
    ]}"#;
    let reading = read(&connector, payload, &maps).unwrap();
    let sites: Vec<_> = reading.records.iter().map(|record| record.facts.get(&site)).collect();
    let said = |text: &str| Said::Value(Value::text(text));
    assert_eq!(sites, [Some(&said("Berlin")), Some(&said("HQ 2")), Some(&said("HQ 2")), Some(&Said::Nothing), None]);
    let kind = FieldRef::device("kind");
    let kinds: Vec<_> = reading.records.iter().map(|record| record.facts.get(&kind)).collect();
    assert_eq!(kinds, [Some(&said("laptop")), None, None, None, None]);
    let uncovered: Vec<_> =
        reading.uncovered.iter().map(|it| (it.field.to_string(), it.value.as_deref(), it.records)).collect();
    assert_eq!(
        uncovered,
        [("device.kind".to_owned(), Some("toaster"), 1), ("device.site".to_owned(), Some("HQ 2"), 2)]
    );
}

#[test]
fn a_part_that_does_not_fit_is_set_aside_and_the_rest_is_read() {
    let connector = connector(DEVICES);
    let payload = r#"{"devices": [
        {"id": 1, "version": {"major": 1}, "tags": "canary", "seen": "Never", "at": 1763888400, "apps": [
            {"name": "A", "version": 1.5}, {"version": "2"}, {"name": "C", "version": 3}, 7, null
        ], "users": [{"email": "ada@acme.example", "how": "loaner"}, {"id": {}}, {"id": 9, "how": "borrowed"}]},
        {"id": 2, "serial": {"no": 1}, "name": "gone"},
        {"id": 3, "apps": {"name": "A"}}
    ]}"#;
    let reading = read(&connector, payload, &Maps::new()).unwrap();
    insta::assert_json_snapshot!(reading);
}

#[test]
fn what_is_no_payload_of_the_system_is_said_to_people() {
    let connector = connector(DEVICES);
    let said = |payload: &str| {
        let why = read(&connector, payload, &Maps::new()).unwrap_err();
        format!("{} / {} / {} / {:?}", why.message, why.label, why.help.unwrap_or_default(), why.span)
    };
    insta::assert_snapshot!(
        ["", "{\"error\": \"token expired\"}", "<html>Sign in</html>", "[1, 2]", "{\"devices\": [{]}", "3",]
            .map(said)
            .join("\n")
    );
    // A list without records is one.
    for empty in ["{\"devices\": []}", "[]"] {
        assert!(read(&connector, empty, &Maps::new()).unwrap().records.is_empty());
    }
}
