//! From the text of a `template.yaml` to a process, or to all that is wrong with it.

use super::{
    compile::{Process, compile},
    document::TemplateDocument,
};
use crate::{
    facts::mapping::document::FORMATS,
    policy::{
        diagnostic::{Diagnostic, Files, Place, Severity, sort},
        load::Written,
        syntax::{self, Decoded, Limits, Shape},
    },
};
use std::sync::LazyLock;

static SHAPE: LazyLock<Shape<TemplateDocument>> = LazyLock::new(|| Shape::new(&FORMATS));

/// Reads the template in a file.
pub fn load(files: &Files, file: usize, limits: &Limits) -> (Option<Process>, Vec<Diagnostic>) {
    let Some(source) = files.0.get(file) else { return (None, Vec::new()) };
    let (mut nodes, mut found) = syntax::parse(file, &source.text, limits);
    if nodes.len() != 1 {
        if found.is_empty() {
            let span = nodes.get(1).map_or(0..source.text.len().min(1), |node| node.span.clone());
            found.push(
                Diagnostic::error("process/one-document", "a template is one document")
                    .at(Place { file, span })
                    .label(if nodes.is_empty() { "there is none in this file" } else { "this is a second one" })
                    .with_help("write each template into a folder of its own"),
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
    let (process, more) = compile(&written, files);
    found.extend(more);
    sort(&mut found, files);
    let right = found.iter().all(|found| found.severity != Severity::Error);
    (Some(process).filter(|_| right), found)
}
