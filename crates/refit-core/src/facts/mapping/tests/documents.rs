use super::{DEVICES, connector, loaded};

#[test]
fn a_document_in_order_says_nothing() {
    assert_eq!(connector(DEVICES).document.connector, "acme");
    assert_eq!(super::super::load::unknown_formats(), 0);
}

#[test]
fn every_mistake_is_shown_in_its_line_with_what_was_meant() {
    let text = r#"
connector: acme
name: Acme
lists:
  all: { get: /all, gives: [device], for_each: nobody }
records:
  - records: devices
    of: device
    from: [devices]
    id: recrod.id
    keys:
      serail: record.serial
      email: record.email
      hostname: { from: record.name, strong_if: record.good }
    fields:
      device.hostnam: record.name
      person.email: record.email
      device.kind: { from: record.kind, values: { NB: lapptop } }
      device.seen: { from: record.seen, time: DD.MM }
      device.site: lower(record.site
      device.model: { form: record.model }
    installs:
      - title: { publisher: item.vendor }
        version: items.version
    relations:
      - relation: manager
        keys: { email: record.boss }
  - records: devices
    of: person
    id: record.id
none: { device.colour: none }
"#;
    let (connector, said) = loaded(text);
    assert!(connector.is_none());
    insta::assert_snapshot!(said);
}

#[test]
fn every_mistake_in_how_a_system_is_asked_is_shown_too() {
    let text = r#"
connector: acme
name: Acme
reads: graphql
settings: { url: { about: Where it is. }, team: { about: Whose. } }
secrets: { key: A key. }
address: "{ulr}/api"
authentication: { api_key: { key: kee, header: X-Key } }
headers: { X-Team: "{team}", X-Trace: "{trace}" }
lists:
  hosts:
    get: /graphql/{id}
    sql: select 1
    paging: { cursor: { next: data/next, more: /data/more, parameter: after } }
    changes: { delta: { next: /delta, start: "/delta?for={team}" } }
    gives: [hosts]
  teams:
    graphql: { query: "{ teams { id } }" }
    query: { filter: "{\"a\": 1} {tema}" }
    paging: { next_link: { next: /next } }
    changes: { since: { parameter: since, value: today } }
    gives: [hosts]
  members: { get: /members, graphql: { query: "{ a }" }, for_each: hosts_of_teams, gives: [hosts] }
  hosts_of_teams: { get: /hosts, graphql: { query: "{ a }" }, for_each: teams, gives: [hosts] }
records:
  - { records: hosts, of: device, id: record.id }
"#;
    let (connector, said) = loaded(text);
    assert!(connector.is_none());
    insta::assert_snapshot!(said);
    let of_file = "connector: a\nname: A\nreads: csv\nlists: { all: { get: /all, gives: [a] } }\n";
    let of_database = "connector: a\nname: A\nreads: sql\nlists: { all: { sql: select 1, changes: { since: { parameter: since } }, gives: [a] } }\n";
    let records = "records:\n  - { records: a, of: device, id: record.id }\n";
    insta::assert_snapshot!(loaded(&format!("{of_file}{records}")).1 + &loaded(&format!("{of_database}{records}")).1);
}

#[test]
fn a_file_with_two_documents_is_refused() {
    let (connector, said) = loaded("connector: a\nname: A\nrecords: []\n---\nconnector: b\n");
    assert!(connector.is_none());
    assert!(said.contains("a connector is one document"), "{said}");
    assert!(loaded("").0.is_none());
}

#[test]
fn what_holds_of_whom_a_list_does_not_name_is_true_or_false_of_a_field_that_its_records_say() {
    let text = |unlisted: &str| {
        format!(
            "connector: acme\nname: Acme\nrecords:\n  - records: oncalls\n    of: person\n    id: record.id\n    \
            fields: {{ person.on_call: \"true\", person.title: record.title }}\n    unlisted: {{ {unlisted} }}\n"
        )
    };
    let unlisted = connector(&text("person.on_call: false")).unlisted();
    let said: Vec<String> = unlisted.iter().map(|(field, it)| format!("{field} {} {}", it.records, it.value)).collect();
    assert_eq!(said, ["person.on_call oncalls false"]);
    for (wrong, why) in [
        ("person.title: false", "the field is a text"),
        ("person.vip: true", "no record says it of whom the list names"),
        ("device.seen: false", "these records are about a person"),
        ("person.on_call: never", "never"),
    ] {
        let (connector, said) = loaded(&text(wrong));
        assert!(connector.is_none() && said.contains(why), "{said}");
    }
}
