//! From the text of a `connector.yaml` to a connector, or to all that is wrong with it.

use super::compile::{Connector, compile};
use super::document::{ConnectorDocument, FORMATS};
use crate::facts::Fields;
use crate::policy::diagnostic::{Diagnostic, Files, Severity, sort};
use crate::policy::load::Alone;
use crate::policy::syntax::{Limits, Shape};
use std::sync::LazyLock;

static SHAPE: LazyLock<Shape<ConnectorDocument>> = LazyLock::new(|| Shape::new(&FORMATS));

/// Reads the connector in a file. `fields` are those that it may say something of. What is only worth a warning does not hinder it.
pub fn load(files: &Files, file: usize, fields: &Fields, limits: &Limits) -> (Option<Connector>, Vec<Diagnostic>) {
    let alone = Alone { code: "connector/one-document", what: "connector" };
    let (written, mut found) = alone.read(files, file, limits, &SHAPE);
    let Some(written) = written else { return (None, found) };
    let (connector, more) = compile(&written, files, fields);
    found.extend(more);
    sort(&mut found, files);
    let right = found.iter().all(|found| found.severity != Severity::Error);
    (Some(connector).filter(|_| right), found)
}

#[cfg(test)]
pub(super) fn unknown_formats() -> usize {
    SHAPE.unknown_formats().len()
}
