//! Files that mean harm, or make no sense at all.

use super::report;
use crate::policy::diagnostic::{Files, Renderer, did_you_mean, render};
use crate::policy::syntax::{Kind, Limits, Node, Shape, parse};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The first error of a file that is too long to show as a whole.
fn refusal(text: &str) -> String {
    let (documents, mut found) = parse(0, text, &Limits::default());
    assert_eq!(documents, [], "nothing of it is used");
    assert!(found.len() <= Limits::default().mistakes);
    let mut files = Files::default();
    files.0.push(crate::policy::diagnostic::SourceFile { path: "refit.yaml".to_owned(), text: text.to_owned() });
    render(&found.remove(0), &files)
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for n in 1..10 {
        let alias = format!("*a{}", n - 1);
        text += &format!("a{n}: &a{n} [{}]\n", [alias.as_str(); 9].join(", "));
    }
    let (documents, found) = parse(0, &text, &Limits::default());
    assert!((10..=Limits::default().mistakes).contains(&found.len()));
    assert!(documents.len() <= 1);
    insta::assert_snapshot!(report("a: &a [lol, lol]\nb: [*a, *a]\n"));
}

#[test]
fn deep_nesting_is_refused() {
    insta::assert_snapshot!(
        [
            refusal(&"[".repeat(10_000)),
            refusal(&format!("a: {}1{}", "{a: ".repeat(10_000), "}".repeat(10_000))),
            refusal(&"- ".repeat(10_000)),
            refusal(&(0..10_000).map(|n| format!("{}a:\n", " ".repeat(n % 1000))).collect::<String>()),
            refusal(&format!("a:\n{}", (1..70).map(|n| format!("{}{}\n", " ".repeat(n), "a:")).collect::<String>())),
            refusal(&"? ".repeat(10_000)),
        ]
        .join("\n")
    );
}

#[test]
fn a_file_of_a_hundred_megabytes_is_not_even_looked_at() {
    let text = "a".repeat(100 << 20);
    let (documents, found) = parse(0, &text, &Limits::default());
    assert_eq!(documents, []);
    let mut files = Files::default();
    let from_bytes = files.add("large.yaml", text.as_bytes(), &Limits::default()).unwrap_err();
    assert_eq!(files.0[0].text, "");
    assert_eq!(found, std::slice::from_ref(&*from_bytes));
    insta::assert_snapshot!(render(&from_bytes, &files));
}

#[test]
fn one_huge_line_is_cut_around_the_mistake() {
    let line = format!("a: {{ b: \"{}\" c, d: \"{}\" }}\n", "x".repeat(60_000), "y".repeat(60_000));
    insta::assert_snapshot!(report(&line));
}

#[test]
fn a_huge_text_is_refused() {
    insta::assert_snapshot!(refusal(&format!("a: {}\n", "x".repeat(1 << 20))));
}

#[test]
fn too_many_values_are_refused() {
    let text: String = (0..200_000).map(|n| format!("k{n}: 1\n")).collect();
    insta::assert_snapshot!(refusal(&text));
}

#[test]
fn many_mistakes_end_somewhere() {
    let duplicates = "k: 1\n".repeat(90_000);
    let (_, found) = parse(0, &duplicates, &Limits::default());
    assert_eq!(found.len(), Limits::default().mistakes);
    assert_eq!(found[99].notes[1], "only the first 100 mistakes are looked for; there may be more");

    let unknown: String = (0..90_000).map(|n| format!("k{n}: 1\n")).collect();
    let (documents, found) = parse(0, &unknown, &Limits::default());
    assert_eq!(found, []);
    let (value, found) = Shape::<Small>::new(&[]).decode(&documents[0], 0);
    assert!(value.is_none());
    assert_eq!(found.len(), Limits::default().mistakes);
}

#[test]
fn quotes_that_never_close_end_in_one_message() {
    let text = format!("a: \"{}", "b: \"c\n".repeat(100_000));
    assert!(refusal(&text).contains("policy/"));
    assert!(refusal(&format!("a: '{}", "b\n".repeat(100_000))).contains("this quote is never closed"));
}

#[test]
fn bytes_that_are_no_text_are_shown_where_they_stand() {
    let refused = |bytes: &[u8]| {
        let mut files = Files::default();
        let found = files.add("patch/browsers.yaml", bytes, &Limits::default()).unwrap_err();
        render(&found, &files)
    };
    insta::assert_snapshot!(
        [
            refused(b"policy: a\nwhy: caf\xe9 au lait\nmode: x\n"),
            refused(b"policy: a\0b\n"),
            refused(b"\xff\xfep\0o\0l\0"),
            refused(b"policy: \xc3"),
            refused(b"\x7fELF\x02\x01\x01\0\0\0"),
        ]
        .join("\n")
    );
    let mut files = Files::default();
    assert_eq!(files.add("a.yaml", b"\xef\xbb\xbfpolicy: a\n", &Limits::default()), Ok(0));
    assert_eq!(files.0[0].text, "policy: a\n");
}

#[test]
fn what_a_file_holds_can_not_write_to_the_terminal() {
    let shown = report("\"a\\e[2J\": 1\n\"a\\e[2J\": 2\nb: \u{202e}x\n---\na\u{1b}[2J\u{7}: 1\n");
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
    insta::assert_snapshot!(shown);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Small {
    a: Option<String>,
    b: Option<BTreeMap<String, Vec<f64>>>,
    c: Option<Box<Small>>,
    d: Option<Vec<Small>>,
    any: Option<serde_json::Value>,
}

/// All spans lie inside the text, between characters, and parts inside of wholes.
fn assert_places(node: &Node, text: &str) {
    assert!(text.get(node.span.clone()).is_some(), "{:?}", node.span);
    match &node.kind {
        Kind::Invalid => {}
        Kind::Scalar(scalar) => {
            assert!(text.get(scalar.text_span.clone()).is_some(), "{:?}", scalar.text_span);
            for (at, c) in scalar.text.char_indices() {
                let place = node.place_within(0, text, at..at + c.len_utf8());
                assert!(text.get(place.span.clone()).is_some(), "{place:?}");
                assert!(place.span.start >= node.span.start && place.span.end <= node.span.end, "{place:?} {node:?}");
            }
        }
        Kind::Sequence(items) => items.iter().for_each(|item| assert_places(item, text)),
        Kind::Mapping(entries) => entries.iter().for_each(|(key, value)| {
            assert_places(key, text);
            assert_places(value, text);
        }),
    }
}

fn assert_harmless(text: &str) {
    let mut files = Files::default();
    let Ok(file) = files.add("a.yaml", text.as_bytes(), &Limits::default()) else { return };
    let text = files.0[file].text.clone();
    let (documents, mut found) = parse(file, &text, &Limits::default());
    let shape = Shape::<Small>::new(&[]);
    for document in &documents {
        assert_places(document, &text);
        let (value, more) = shape.decode(document, file);
        assert!(value.is_some() || !more.is_empty() || !found.is_empty());
        found.extend(more);
    }
    let renderer = Renderer::new(&files);
    for diagnostic in &found {
        let place = diagnostic.place.as_ref().unwrap();
        assert!(text.get(place.span.clone()).is_some(), "{diagnostic:?}");
        let shown = renderer.render(diagnostic).to_string();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        renderer.record(diagnostic);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_explained(text in any::<String>()) {
        assert_harmless(&text);
    }

    #[test]
    fn text_that_looks_like_yaml_is_read_or_explained(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "a", "b: ", "c:", "d", ": ", "\n", "\n  ", "\n    ", "- ", "---\n", "...\n", "{", "}", "[", "]", ", ", "\"", "'", "|", ">-", "\n\t",
                " #x", "&x ", "*x", "!t ", "!", "\\", "\\u00e9", "é", "\u{1F600}", "\r\n", "? ", "1.5", "true", "~", "%", "@", "`", "<<: ", "\u{feff}", "\u{85}", "\u{2028}",
            ]),
            0..40,
        ),
    ) {
        assert_harmless(&parts.concat());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut files = Files::default();
        match files.add("a.yaml", &bytes, &Limits::default()) {
            Ok(file) => { parse(file, &files.0[file].text, &Limits::default()); }
            Err(found) => { render(&found, &files); }
        }
    }

    #[test]
    fn a_suggestion_is_one_of_the_candidates(name in ".{0,80}", candidates in prop::collection::vec("[a-z_]{0,12}", 0..8)) {
        if let Some(near) = did_you_mean(&name, candidates.iter().map(String::as_str)) {
            prop_assert!(candidates.iter().any(|candidate| candidate == near));
        }
    }
}
