//! Mistakes in YAML itself.

use super::{report, reports};

#[test]
fn empty_documents_comments_and_a_byte_order_mark_are_no_mistakes() {
    assert_eq!(report(""), "0 documents\n");
    assert_eq!(report("# nothing yet\n---\n---\n\n# still nothing\n"), "0 documents\n");
    assert_eq!(report("\u{feff}policy: a\n"), "1 document\n");
    assert_eq!(report("policy: a\n---\n\n---\npolicy: b\n...\npolicy: c\n"), "3 documents\n");
    assert_eq!(report("policy: a\r\nwhere: b\r\n"), "1 document\n");
}

#[test]
fn texts_that_need_quotes() {
    insta::assert_snapshot!(reports(
        report,
        &[
            "where: \"kiosk\" in device.tags\n",
            "where: 'kiosk' in device.tags\n",
            "where: \"it's\" == 'b'\n",
            "rings:\n  - { name: canary, where: \"kiosk\" in device.tags, soak: 1d }\n",
            "rings:\n  - { name: canary, where: device.os in [\"a\"] && x, soak: 1d }\n",
            "where: !exposure.kev\n",
            "where: !exposure.kev && !exposure.known\n",
            "where: [device.os].exists(x, x == \"a\")\n",
            "where: {\"a\": 1}.a == 1\n",
            "where: a ? b : c\n",
            "owner: @endpoint\n",
            "owner: `whoami`\n",
            "why: 5 % of all\nshare: %5\n",
            "target: >=128, <130\n",
            "software: *\n",
            "software: [*]\n",
            "software: [\"os/*\" x, b]\n",
            "target: >=128, <130 # as approved\n",
            "where: device.name == \"a: b\" || x: y\n",
            "why: see\n  ticket: 5\n",
            "why: because # of\n  this\n",
            "why: 'it's urgent'\n",
            "where: \"device.name.matches('\\d+')\"\n",
            "name: {{ cookiecutter.name }}\n",
        ],
    ));
}

#[test]
fn layout_that_is_wrong() {
    insta::assert_snapshot!(reports(
        report,
        &[
            "experience:\n\tnotify: 24h\n",
            "policy: a\n\tsoftware: [b]\n",
            "software:\n  - firefox\n\t- slack\n",
            "policy:browsers\nmode: enforce\n",
            "policy: a\nexperience:\n  notify:24h\n  defer: 3\n",
            "policy:browsers\n",
            "policy: a\n  mode: enforce\n",
            "software:\n  - firefox\n - chrome\n",
            "rings:\n  - name: canary\n    soak: 1d\n   where: x\n",
            "- a\nmode: x\n",
            "  policy: a\nmode: b\n",
            "policy: a\nenforce\nmode: b\n",
            "enforce\nmode: b\n",
            "just some words\n",
            "software: - firefox\n",
            "software: [- firefox]\n",
            "deadline: ? x\n",
            "%foo\npolicy: a\n",
        ],
    ));
}

#[test]
fn quotes_and_brackets_that_do_not_match() {
    insta::assert_snapshot!(reports(
        report,
        &[
            "why: \"because\nmode: enforce\n",
            "software: [firefox, chrome\nmode: enforce\n",
            "deadline: { within: 5d\n",
            "deadline: { within: 5d ]\n",
            "deadline: ]\n",
            "deadline: { within: 5d }}\n",
            "{\"policy\": \"a\" \"mode\": \"b\"}\n",
        ],
    ));
}

#[test]
fn parts_of_yaml_that_are_refused() {
    insta::assert_snapshot!(reports(
        report,
        &[
            "deadline: &standard\n  - within: 5d\n",
            "deadline: *standard\n",
            "<<: *base\npolicy: a\n",
            "where: !!str 5\n",
            "? [a, b]\n: 3\n",
        ],
    ));
}

#[test]
fn a_key_that_is_given_twice_is_reported_at_the_second() {
    insta::assert_snapshot!(report("policy: a\nmode: observe\n\"mode\": enforce\n"));
}

#[test]
fn the_document_after_a_broken_one_is_read() {
    for broken in ["why: \"because\n", "a: [1\n", "a: b: c\n", "a:\n\tb: 1\n", "a: @\n", "a: |x\n", "a: \"x\" y\n"] {
        let text = format!("policy: first\n---\n{broken}---\npolicy: last\nmode: x: y\n---\npolicy: end\n");
        let shown = report(&text);
        assert!(shown.starts_with("2 documents\n"), "{broken:?}: {shown}");
        assert_eq!(shown.matches("error[").count(), 2, "{broken:?}: {shown}");
    }
}

#[test]
fn a_document_that_breaks_late_counts_as_a_whole() {
    let shown = report("policy: a\nmode: enforce\n  where: x\n");
    assert!(shown.starts_with("0 documents\n"), "{shown}");
}
