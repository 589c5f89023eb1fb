#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is meant to panic")]

mod documents;
mod hostile;
mod maps;
mod sensitive;

use super::{Connector, load};
use crate::facts::Fields;
use crate::policy::diagnostic::{Files, SourceFile, render};
use crate::policy::syntax::Limits;

/// A connector, with what is said of its document.
fn loaded(text: &str) -> (Option<Connector>, String) {
    let files = Files(vec![SourceFile { path: "connectors/acme/connector.yaml".to_owned(), text: text.to_owned() }]);
    let (connector, found) = load(&files, 0, &Fields::builtin(), &Limits::default());
    (connector, found.iter().map(|found| render(found, &files)).collect())
}

/// A connector whose document is in order.
fn connector(text: &str) -> Connector {
    let (connector, said) = loaded(text);
    assert_eq!(said, "");
    connector.unwrap()
}

/// Devices in a list, with everything that a record can say.
const DEVICES: &str = r#"
connector: acme
name: Acme
records:
  - records: devices
    of: device
    from: [/devices, ""]
    when: has(record.id)
    id: record.id
    observed: { from: record.at, time: unix }
    keys:
      serial: record.serial
      hostname: record.name
    fields:
      device.hostname: record.name
      device.os_version: record.version
      device.site: { from: record.site, never: [none] }
      device.kind: { from: record.kind, values: { NB: laptop, ODD: ~ } }
      device.tags: record.tags
      device.seen: record.seen
    installs:
      - each: record.apps
        title: { name: item.name, package: item.package }
        version: item.version
        complete: true
    relations:
      - relation: assigned
        each: record.users
        assignment: { from: item.how, otherwise: shared }
        keys: { email: item.email, id: item.id }
"#;
