//! `docs/targets/`: what each system makes of each intent, for people. `cargo xtask generate` writes them.

use crate::{
    api::verify::Record,
    intent::Intent,
    target::{Answer, Target, registry},
};
use std::{collections::BTreeMap, fmt::Write as _};

/// Said at the top of each page.
const GENERATED: &str =
    "<!-- Written by `cargo xtask generate` from crates/refit-targets/src/targets/*: change these. -->\n\n";

/// The pages by their file names. `records` are those of targets that were tried on live systems (`docs/verified/`).
pub fn pages(records: &[Record]) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::from([("README.md".to_owned(), overview())]);
    pages.extend(registry().iter().map(|target| (format!("{}.md", target.kind()), page(*target, records))));
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

fn page(target: &dyn Target, records: &[Record]) -> String {
    let mut text = format!("# {}\n\n{GENERATED}", target.name());
    let _ = writeln!(text, "`kind: {}`\n\n{}\n", target.kind(), target.about());
    let _ = writeln!(text, "**How long a change takes.** {}\n", target.reach());
    let _ = writeln!(text, "**How it was tried.** {}\n", target.tried());
    if let Some(api) = target.api() {
        text += &live(target.kind(), records);
        let _ = writeln!(text, "**What the secret needs.** It needs {}.\n", api.permissions());
    }
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

/// What is known of it on live systems, the newest first.
fn live(kind: &str, records: &[Record]) -> String {
    let mut own: Vec<&Record> = records.iter().filter(|record| record.kind == kind).collect();
    if own.is_empty() {
        return "**On a live tenant.** Never tried. `refit target verify` tries it, and writes a \
                [record](../verified/README.md) that would stand here.\n\n"
            .to_owned();
    }
    own.sort_by_key(|record| std::cmp::Reverse(record.at));
    let mut text = "**On a live tenant.**\n\n".to_owned();
    for record in own {
        let _ = writeln!(text, "- {}.", record.line());
        for it in &record.not_tried {
            let _ = writeln!(text, "  Not tried: {}: {}.", it.what, it.because);
        }
    }
    text.push('\n');
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
        let pages = pages(&[]);
        assert_eq!(pages.len(), registry().len() + 1);
        assert!(pages["apple-declarative.md"].contains("`TargetLocalDateTime`"));
    }

    #[test]
    fn who_was_never_tried_on_a_live_tenant_is_marked_so_until_there_is_a_record() {
        let never = "Never tried.";
        for target in registry().iter().filter(|target| target.api().is_some()) {
            assert!(pages(&[])[&format!("{}.md", target.kind())].contains(never), "{}", target.kind());
        }
        assert!(!pages(&[])["munki.md"].contains("On a live tenant"));
        let record = serde_json::json!({
            "format": 1, "kind": "intune", "host": "graph.microsoft.com", "at": "2026-11-27T10:00:00Z", "refit": "0.1.0",
            "verdict": "differs", "steps": [], "not_tried": [{ "what": "devices in groups", "because": "so" }], "left": [],
        });
        let pages = pages(&[serde_json::from_value(record).unwrap()]);
        let page = &pages["intune.md"];
        assert!(!page.contains(never) && pages["intune-apps.md"].contains(never));
        assert!(page.contains(
            "- 2026-11-27, graph.microsoft.com, Refit 0.1.0: everything was taken, and some of it came back"
        ));
    }
}
