//! What people see of mistakes in policy files, and what hostile files come to.

mod decoding;
mod hostile;
mod places;
mod yaml;

use super::{Limits, parse};
use crate::policy::diagnostic::{Diagnostic, Files, Renderer, SourceFile, sort};

/// What `refit check` would say about one file of YAML.
fn report(text: &str) -> String {
    let (documents, found) = parse(0, text, &Limits::default());
    show(text, documents.len(), found)
}

fn show(text: &str, documents: usize, mut found: Vec<Diagnostic>) -> String {
    let files = Files(vec![SourceFile { path: "refit.yaml".to_owned(), text: text.to_owned() }]);
    sort(&mut found, &files);
    let found = Renderer::new(&files).render_all(&found);
    let read = if documents == 1 { "1 document".to_owned() } else { format!("{documents} documents") };
    format!("{read}\n{}{found}", if found.is_empty() { "" } else { "\n" })
}

/// Several files and what is said about each, for one snapshot.
fn reports(report: impl Fn(&str) -> String, texts: &[&str]) -> String {
    let one = |text: &&str| format!("════ {}\n──── {}", text.trim_end().replace('\n', "\n     "), report(text));
    texts.iter().map(one).collect::<Vec<_>>().join("\n")
}
