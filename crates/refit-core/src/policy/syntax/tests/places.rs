//! Places of parts of trees, and of parts of texts.

use crate::policy::syntax::{Limits, Node, Step, parse};
use crate::steps;

fn tree(text: &str) -> Node {
    let (documents, found) = parse(0, text, &Limits::default());
    assert_eq!(found, []);
    documents.into_iter().next().unwrap()
}

const POLICY: &str = "policy: browsers\ndeadline:\n  - if: kev\n    within: 2d\n  - { within: 14d }\n\nmode: enforce\n";

#[test]
fn a_path_leads_to_a_part() {
    let tree = tree(POLICY);
    let written = |path: &[Step<'_>]| tree.at(path).map(|node| &POLICY[node.span.clone()]);
    assert_eq!(written(steps!["deadline", 0, "within"]), Some("2d"));
    assert_eq!(written(steps!["deadline", 1]), Some("{ within: 14d }"));
    assert_eq!(written(steps!["deadline", 0]), Some("if: kev\n    within: 2d"));
    assert_eq!(written(steps!["deadline"]), Some("- if: kev\n    within: 2d\n  - { within: 14d }"));
    assert_eq!(written(steps!["deadline", 2]), None);
    assert_eq!(written(steps![]), Some(POLICY.trim_end()));
    assert_eq!(tree.first_key(), Some("policy"));
}

#[test]
fn a_path_that_goes_too_far_leads_to_the_nearest_part() {
    let tree = tree(POLICY);
    let written = |path: &[Step<'_>]| &POLICY[tree.nearest(path).span.clone()];
    assert_eq!(written(steps!["deadline", 1, "if"]), "{ within: 14d }");
    assert_eq!(written(steps!["deadline", "short_form", 0, "within"]), "2d");
    let key = tree.key_at(steps!["deadline", 0, "within"]).unwrap();
    assert_eq!(key.span, POLICY.find("within").unwrap().."if: kev\n    within".len() + POLICY.find("if").unwrap());
}

/// What is marked where `part` of the decoded text of `where` is meant.
fn marked<'a>(text: &'a str, part: &str) -> &'a str {
    let tree = tree(text);
    let node = tree.get("where").unwrap();
    let decoded = node.text().unwrap();
    let start = decoded.find(part).unwrap_or_else(|| panic!("{part:?} in {decoded:?}"));
    &text[node.place_within(0, text, start..start + part.len()).span]
}

#[test]
fn a_part_of_a_text_is_found_in_the_file_however_it_is_written() {
    assert_eq!(marked("where: a.b == c\n", "b =="), "b ==");
    assert_eq!(marked("where: 'a.b == c'\n", "a.b"), "a.b");
    assert_eq!(marked("where: 'a == \"it''s\" && c.d'\n", "c.d"), "c.d");
    assert_eq!(marked("where: 'a == \"it''s\" && c.d'\n", "it's"), "it''s");
    assert_eq!(marked(r#"where: "a == \"\u00e9\" && c.d""#, "c.d"), "c.d");
    assert_eq!(marked(r#"where: "a == \"\u00e9\" && c.d""#, "é"), r"\u00e9");
    assert_eq!(marked("where: a &&\n  b.c &&\n  d\n", "b.c"), "b.c");
    assert_eq!(marked("where: a &&\n\n  b.c &&\n  d\n", "d"), "d");
    assert_eq!(marked("where: 'a &&\n  b.c &&\n  d'\n", "b.c && d"), "b.c &&\n  d");
    assert_eq!(marked("where: \"a &&\\\n  b.c\"\n", "b.c"), "b.c");
    assert_eq!(marked("where: |\n  a &&\n  b.c &&\n  d\n", "b.c"), "b.c");
    assert_eq!(marked("where: >-\n  a &&\n  b.c &&\n  d\n", "b.c"), "b.c");
    assert_eq!(marked("where: >-\n\n  a &&\n\n  b.c &&\n    d\n  e\n", "d"), "d");
    assert_eq!(marked("where: >\n  a\n  é.b\n\nmode: x\n", "é.b"), "é.b");
    assert_eq!(marked("where: >\r\n  a\r\n  b.c\r\nmode: x\r\n", "b.c"), "b.c");
}

#[test]
fn a_range_outside_the_text_leads_to_the_whole() {
    let tree = tree("where: abc\n");
    let node = tree.get("where").unwrap();
    assert_eq!(node.place_within(0, "where: abc\n", 1..9).span, 7..10);
    assert_eq!(node.place_within(0, "where: abc\n", 3..3).span, 10..10);
}
