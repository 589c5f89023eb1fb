//! From the text of a `template.yaml` to a process, or to all that is wrong with it.

use super::{
    compile::{Process, compile},
    document::TemplateDocument,
};
use crate::{
    facts::mapping::document::FORMATS,
    policy::{
        diagnostic::{Diagnostic, Files, Severity, sort},
        load::Alone,
        syntax::{Limits, Shape},
    },
};
use std::sync::LazyLock;

static SHAPE: LazyLock<Shape<TemplateDocument>> = LazyLock::new(|| Shape::new(&FORMATS));

/// Reads the template in a file.
pub fn load(files: &Files, file: usize, limits: &Limits) -> (Option<Process>, Vec<Diagnostic>) {
    let alone = Alone { code: "process/one-document", what: "template" };
    let (written, mut found) = alone.read(files, file, limits, &SHAPE);
    let Some(written) = written else { return (None, found) };
    let (process, more) = compile(&written, files);
    found.extend(more);
    sort(&mut found, files);
    let right = found.iter().all(|found| found.severity != Severity::Error);
    (Some(process).filter(|_| right), found)
}
