//! `docs/targets/`: what each system makes of each intent, for people. `cargo xtask generate` writes them.

use crate::{
    intent::Intent,
    target::{Answer, Target, registry},
};
use std::{collections::BTreeMap, fmt::Write as _};

/// Said at the top of each page.
const GENERATED: &str =
    "<!-- Written by `cargo xtask generate` from crates/refit-targets/src/targets/*: change these. -->\n\n";

/// The pages by their file names.
pub fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::from([("README.md".to_owned(), overview())]);
    pages.extend(registry().iter().map(|target| (format!("{}.md", target.kind()), page(*target))));
    pages
}

fn overview() -> String {
    let mut text = "# What other systems make of a policy\n\n".to_owned() + GENERATED;
    text += "A policy is compiled into the configuration of systems that an organisation runs. Not all of them can do all that a policy says;\n\
             this table and the page of each system say so before anything is written, and `refit compile` says it beside the object.\n\n";
    text += "`●` it is said there, or Refit carries it by what it writes, when, and for whom. `◐` something is lost: the page says what becomes\n\
             of it. `–` a policy that says it is not compiled for this system.\n\n";
    let names: Vec<String> =
        registry().iter().map(|target| format!("[{}]({}.md)", target.name(), target.kind())).collect();
    let _ = writeln!(text, "| | {} |\n| --- |{}", names.join(" | "), " --- |".repeat(names.len()));
    for intent in Intent::ALL {
        let marks: Vec<&str> = registry().iter().map(|target| mark(target.answer(*intent))).collect();
        let _ = writeln!(text, "| `{intent}` | {} |", marks.join(" | "));
    }
    text
}

fn mark(answer: Answer) -> &'static str {
    match answer {
        Answer::Emitted(_) => "●",
        Answer::Lossy(_) => "◐",
        Answer::Refused(_) => "–",
    }
}

fn page(target: &dyn Target) -> String {
    let mut text = format!("# {}\n\n{GENERATED}", target.name());
    let _ = writeln!(text, "`kind: {}`\n\n{}\n", target.kind(), target.about());
    let _ = writeln!(text, "**How long a change takes.** {}\n", target.reach());
    let _ = writeln!(text, "**How it was tried.** {}\n", target.tried());
    text += "| a policy says | that is | here | |\n| --- | --- | --- | --- |\n";
    for intent in Intent::ALL {
        let answer = target.answer(*intent);
        let _ = writeln!(
            text,
            "| `{intent}` | {} | {} {} | {} |",
            intent.words(),
            mark(answer),
            answer.word(),
            answer.text()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_empty_and_none_breaks_its_table() {
        for target in registry() {
            for intent in Intent::ALL {
                let text = target.answer(*intent).text();
                assert!(
                    text.len() > 10 && text.ends_with(['.', ')']) && !text.contains('|'),
                    "{}: {intent}",
                    target.kind()
                );
            }
        }
    }

    #[test]
    fn kinds_are_sorted_and_each_there_once() {
        let kinds: Vec<&str> = registry().iter().map(|target| target.kind()).collect();
        assert!(kinds.is_sorted_by(|a, b| a < b), "{kinds:?}");
    }

    #[test]
    fn there_is_a_page_for_each_target() {
        let pages = pages();
        assert_eq!(pages.len(), registry().len() + 1);
        assert!(pages["apple-declarative.md"].contains("`TargetLocalDateTime`"));
    }
}
