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
fn a_file_with_two_documents_is_refused() {
    let (connector, said) = loaded("connector: a\nname: A\nrecords: []\n---\nconnector: b\n");
    assert!(connector.is_none());
    assert!(said.contains("a connector is one document"), "{said}");
    assert!(loaded("").0.is_none());
}
