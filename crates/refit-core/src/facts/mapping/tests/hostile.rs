use super::super::{Maps, read};
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
