//! From the text of a `connector.yaml` to a connector, or to all that is wrong with it.

use super::compile::{Connector, compile};
use super::document::{ConnectorDocument, FORMATS};
use crate::facts::Fields;
use crate::policy::diagnostic::{Diagnostic, Files, Place, Severity, sort};
use crate::policy::load::Written;
use crate::policy::syntax::{self, Decoded, Limits, Shape};
use std::sync::LazyLock;

static SHAPE: LazyLock<Shape<ConnectorDocument>> = LazyLock::new(|| Shape::new(&FORMATS));

/// Reads the connector in a file. `fields` are those that it may say something of. What is only worth a warning does not hinder it.
pub fn load(files: &Files, file: usize, fields: &Fields, limits: &Limits) -> (Option<Connector>, Vec<Diagnostic>) {
    let Some(source) = files.0.get(file) else { return (None, Vec::new()) };
    let (mut nodes, mut found) = syntax::parse(file, &source.text, limits);
    if nodes.len() != 1 {
        if found.is_empty() {
            let span = nodes.get(1).map_or(0..source.text.len().min(1), |node| node.span.clone());
            found.push(
                Diagnostic::error("connector/one-document", "a connector is one document")
                    .at(Place { file, span })
                    .label(if nodes.is_empty() { "there is none in this file" } else { "this is a second one" })
                    .with_help("write each connector into a folder of its own"),
            );
        }
        return (None, found);
    }
    let Some(node) = nodes.pop() else { return (None, found) };
    let Decoded { value, found: wrong, mistakes, node: of_value } = SHAPE.decode_what_is_right(&node, file);
    found.extend(wrong);
    let node = of_value.unwrap_or(node);
    let Some(document) = value else { return (None, found) };
    let written = Written { document, file, node, line: None, mistakes };
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
