use super::super::{Maps, Reading, read};
use super::{DEVICES, connector};
use proptest::prelude::*;

fn json() -> impl Strategy<Value = serde_json::Value> {
    let key = prop::sample::select(vec![
        "id", "serial", "name", "version", "site", "kind", "tags", "seen", "apps", "users", "email", "how", "devices",
        "at", "a~/b",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>()
            .prop_map(|number| serde_json::Number::from_f64(number).map_or(serde_json::Value::Null, Into::into)),
        ".{0,12}".prop_map(Into::into),
        Just("0001-01-01T00:00:00Z".into()),
        Just("ada@acme.example".into()),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((key.clone(), inner), 0..10).prop_map(|entries| {
                entries
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_payload_makes_it_panic_and_every_record_is_read_or_set_aside(records in prop::collection::vec(json(), 0..6)) {
        let connector = connector(DEVICES);
        let payload = serde_json::json!({ "devices": records }).to_string();
        let reading = read(&connector, &payload, &Maps::new()).unwrap();
        for index in 0..records.len() {
            let at = format!("/devices/{index}");
            let begins = |place: &str| place == at || place.starts_with(&format!("{at}/"));
            let spoken_of = reading.records.iter().any(|record| record.at == at)
                || reading.quarantined.iter().any(|set_aside| begins(&set_aside.at));
            prop_assert!(spoken_of, "{at} of {payload}");
        }
        serde_json::to_string(&reading).unwrap();
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = read(&connector(DEVICES), &text, &Maps::new());
    }

    #[test]
    fn no_table_makes_it_panic(text in "[a-c;,\"\n\r 0-9]{0,200}") {
        let table = DEVICES.replace("name: Acme\n", "name: Acme\nreads: csv\n").replace("/devices, ", "");
        let _ = read(&connector(&table), &text, &Maps::new());
        let lines = DEVICES.replace("name: Acme\n", "name: Acme\nreads: ndjson\n").replace("/devices, ", "");
        let _ = read(&connector(&lines), &text, &Maps::new());
    }
}

#[test]
fn large_and_deep_payloads_end() {
    let connector = connector(DEVICES);
    assert!(read(&connector, "{\"devices\":".repeat(10_000), &Maps::new()).is_err());
    let keys: String = (0..20_000).map(|n| format!("\"k{n}\": 1,")).collect();
    let payload = format!("{{\"devices\": [{{{keys} \"id\": 1}}]}}");
    assert_eq!(read(&connector, &payload, &Maps::new()).unwrap().records.len(), 1);
}

fn said(reading: &Reading) -> (Vec<&str>, Vec<String>) {
    let ids = reading.records.iter().map(|record| record.id.as_str()).collect();
    (ids, reading.quarantined.iter().map(|aside| format!("{} {}", aside.at, aside.why)).collect())
}

#[test]
fn signs_that_nobody_writes_are_in_no_fact() {
    let connector = connector(DEVICES);
    let payload = r#"{"devices": [
        {"id": "1", "serial": "PF3K\u0000X2M1", "name": "ada\u001b[2J", "site": "Kiel\u0007", "version": "1\u00002", "tags": ["a\u0000"],
         "apps": [{"name": "Editor\u0000", "version": "1"}, {"name": "Viewer\tof\nme", "version": "1"}]},
        {"id": "2\u0000", "serial": "PF3KX2M2"},
        {"id": "3", "serial": "PF3KX2M3", "serial": "PF3KX2M4"}
    ]}"#;
    let reading = read(&connector, payload, &Maps::new()).unwrap();
    let (ids, aside) = said(&reading);
    assert_eq!(ids, ["1", "3"], "{aside:#?}");
    let first = &reading.records[0];
    assert!(first.keys.is_empty() && first.facts.is_empty(), "{first:#?}");
    assert_eq!(first.installs.len(), 1);
    assert_eq!(reading.records[1].keys[0].value, "PF3KX2M4", "of a key that is written twice the last counts");
    assert_eq!(aside.len(), 8, "{aside:#?}");
    assert!(aside.iter().all(|aside| !aside.contains(|c: char| c.is_control())), "{aside:#?}");
}

#[test]
fn a_table_is_read_however_a_spreadsheet_writes_it() {
    let table = DEVICES.replace("name: Acme\n", "name: Acme\nreads: csv\n").replace("/devices, ", "");
    let connector = connector(&table);
    let text = "Id;Name;Site;;\r\n1;ada-pc;Büro;;\r\n\r\n2;\"ben;pc\";\"Kiel\r\nAltbau\";x;y\r\n3;too;few\r\n";
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let windows: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for bytes in [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        utf16(&format!("\u{feff}{text}")),
        windows,
        format!("sep=;\r\n{text}").into_bytes(),
    ] {
        let reading = read(&connector, &bytes, &Maps::new()).unwrap();
        let (ids, aside) = said(&reading);
        assert_eq!(ids, ["1", "2"], "{aside:?}");
        let site = &reading.records[0].facts[&crate::facts::FieldRef::device("site")];
        assert_eq!(serde_json::to_string(site).unwrap(), "\"Büro\"");
        assert_eq!(aside.len(), 1, "{aside:?}");
        assert!(aside[0].contains("has 3 values, and the table 5 columns"), "{aside:?}");
        let before = usize::from(bytes.starts_with(b"sep="));
        let lines = [2, 4].map(|line| format!("line {}", line + before));
        assert_eq!([&reading.records[0].at, &reading.records[1].at], [&lines[0], &lines[1]]);
        assert!(aside[0].starts_with(&format!("line {} ", 6 + before)), "{aside:?}");
    }
    for empty in ["", "\r\n", "\u{feff}", "sep=;\r\n"] {
        assert!(read(&connector, empty, &Maps::new()).is_err(), "{empty:?}");
    }
    let twice = read(&connector, "sep=,\nId,Name,id\n1,a,2\n", &Maps::new()).unwrap_err();
    assert_eq!((twice.message.as_str(), twice.span), ("a column twice", Some(6..16)));
}

#[test]
fn a_value_that_no_reader_takes_costs_no_record() {
    let connector = connector(DEVICES);
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let payload = format!(
        "{{\"devices\": [{{\"id\": 1, \"name\": \"a\", \"extra\": {deep}}}, {{\"id\": 2, \"at\": 1e999}}, {{\"id\": 3, \"name\": \"x\u{0}y\"}}, \
         {{\"id\": 4, \"name\": \"half \\ud83d\", \"at\": NaN}}]}}\u{0}"
    );
    let reading = read(&connector, &payload, &Maps::new()).unwrap();
    let (ids, aside) = said(&reading);
    assert_eq!(ids, ["1", "2", "3", "4"], "{aside:#?}");
    assert_eq!(
        aside,
        [
            "/devices/0/extra/0/0/0/… it is nested too deep",
            "/devices/1/at the number is too large",
            "/devices/3/at it is no number",
            "/devices/2/name \"x\\0y\" identifies nothing: it has signs in it that nobody writes",
            "/devices/2/name a text is needed, and this has signs in it that nobody writes: \"x\\0y\"",
        ]
    );
    assert!(read(&connector, "{\"devices\": [{\"id\": 1e999}, nonsense]}", &Maps::new()).is_err());
}

#[test]
fn a_table_that_is_half_of_one_says_which_lines_are_none() {
    let text = "connector: t\nname: T\nreads: csv\nsettings: { path: { about: Where. } }\nrecords:\n  - records: devices\n    of: device\n    \
        id: record.serial\n    fields: { device.hostname: record.host_name }\n";
    let table = connector(text);
    let why = |payload: &str| -> Vec<String> {
        let reading = read(&table, payload, &Maps::new()).unwrap();
        let aside = reading.quarantined.iter().map(|aside| format!("{} {}", aside.at, aside.why));
        std::iter::once(format!("{} records", reading.records.len())).chain(aside).collect()
    };
    assert_eq!(
        why("Serial,Host Name\nA1,ada\nserial, HOST-NAME\nA2,bob\n"),
        ["2 records", "line 3 the line has the names of the columns once more"]
    );
    assert_eq!(
        why("serial,host name\nA1\n\"A2,bob\nA3,eve\n"),
        [
            "0 records",
            "line 2 the line has 1 value, and the table 2 columns",
            "line 3 the line has 1 value, and the table 2 columns; it goes on over several lines: a `\"` may be open"
        ]
    );
}

#[test]
fn a_program_is_no_table_and_lines_of_which_one_is_broken_are_lines() {
    let table = connector(&DEVICES.replace("name: Acme\n", "name: Acme\nreads: csv\n").replace("/devices, ", ""));
    let why = read(&table, b"\x7fELF\x02\x01\x01\0\0\0\0\n1,2\n", &Maps::new()).unwrap_err();
    assert_eq!(why.message, "the payload is no table");
    use super::super::{document::PayloadKind, form};
    assert_eq!(form(b"{\"id\":1}\n{\"id\":2,"), PayloadKind::Ndjson);
    assert_eq!(form(b"{\"id\":1}\n"), PayloadKind::HttpJson);
}

#[test]
fn a_whole_number_with_a_point_is_an_id_and_a_broken_one_is_none() {
    let text = "connector: t\nname: T\nreads: ndjson\nsettings: { path: { about: Where. } }\nrecords:\n  - records: devices\n    of: device\n    \
        id: record.id\n    keys: { serial: record.serial }\n";
    let lines = connector(text);
    let payload =
        "{\"id\":1001.0,\"serial\":7731.0}\n{\"id\":1.5}\n{\"id\":\n{\"id\":123456789012345678901234567890}\n";
    let reading = read(&lines, payload, &Maps::new()).unwrap();
    assert_eq!(reading.records.len(), 1);
    assert_eq!(reading.records[0].id, "1001");
    assert_eq!(reading.records[0].keys[0].value, "7731");
    assert_eq!(reading.quarantined.len(), 3);
}
