use super::*;

fn files(text: &str) -> Files {
    Files(vec![SourceFile { path: "patch/browsers.yaml".to_owned(), text: text.to_owned() }])
}

fn place(text: &str, part: &str) -> Place {
    let start = text.find(part).unwrap();
    Place { file: 0, span: start..start + part.len() }
}

/// What is shown where `part` of a text is marked.
fn shown(text: &str, part: &str) -> String {
    render(&Diagnostic::error("policy/test", "something").at(place(text, part)).label("here"), &files(text))
}

#[test]
fn the_layout_is_that_of_the_style_guide() {
    let text = "policy: browsers\nowner: a\nwhy: b\nwhere: device.platfrom in [\"macos\"]\n";
    let diagnostic = Diagnostic::error("policy/unknown-field", "unknown field")
        .at(place(text, "device.platfrom"))
        .label("`device` has no field `platfrom`")
        .with_help("did you mean `platform`?");
    insta::assert_snapshot!(render(&diagnostic, &files(text)), @r#"
    error[policy/unknown-field]: unknown field
      patch/browsers.yaml:4:8
        where: device.platfrom in ["macos"]
               ^^^^^^^^^^^^^^^ `device` has no field `platfrom`
      help: did you mean `platform`?
    "#);
}

#[test]
fn notes_come_before_the_help_and_may_have_several_lines() {
    let diagnostic = Diagnostic::warning("policy/late", "deadline can't be met")
        .at(Place { file: 0, span: 0..6 })
        .with_note("canary  1d\nearly   2d")
        .with_note("together 3d")
        .with_help("soak less");
    insta::assert_snapshot!(render(&diagnostic, &files("within: 2d\n")), @r"
    warning[policy/late]: deadline can't be met
      patch/browsers.yaml:1:1
        within: 2d
        ^^^^^^
      note: canary  1d
            early   2d
      note: together 3d
      help: soak less
    ");
}

#[test]
fn what_concerns_the_whole_repository_has_no_place() {
    let diagnostic = Diagnostic::note("policy/empty", "no policy").label("the folder has no policy document");
    insta::assert_snapshot!(render(&diagnostic, &files("")), @r"
    note[policy/empty]: no policy
        the folder has no policy document
    ");
}

#[test]
fn carets_stand_below_the_text_whatever_its_width() {
    insta::assert_snapshot!(
        [
            shown("\twhy:\tx  # tabs\n", "x"),
            shown("why: 日本語 kiosk\n", "kiosk"),
            shown("why: 日本語 kiosk\n", "本語"),
            shown("why: cafe\u{301} kiosk\n", "kiosk"),
            shown("why: \u{1b}[31m kiosk\r\n", "kiosk"),
            shown("why: kiosk", "kiosk"),
        ]
        .join("\n"),
        @r"
    error[policy/test]: something
      patch/browsers.yaml:1:7
            why:    x  # tabs
                    ^ here

    error[policy/test]: something
      patch/browsers.yaml:1:10
        why: 日本語 kiosk
                    ^^^^^ here

    error[policy/test]: something
      patch/browsers.yaml:1:7
        why: 日本語 kiosk
               ^^^^ here

    error[policy/test]: something
      patch/browsers.yaml:1:12
        why: café kiosk
                  ^^^^^ here

    error[policy/test]: something
      patch/browsers.yaml:1:12
        why: \u{1b}[31m kiosk
                        ^^^^^ here

    error[policy/test]: something
      patch/browsers.yaml:1:6
        why: kiosk
             ^^^^^ here
    "
    );
}

#[test]
fn of_several_marked_lines_the_first_is_shown() {
    insta::assert_snapshot!(shown("deadline:\n  - within: 2d  \n  - within: 5d\n", "within: 2d  \n  - within: 5d"), @r"
    error[policy/test]: something
      patch/browsers.yaml:2:5
          - within: 2d
            ^^^^^^^^^^ here
    ");
}

#[test]
fn a_place_without_width_has_one_caret() {
    let text = "why:\nmode: x";
    let at = |at: usize| {
        render(&Diagnostic::error("policy/test", "something").at(Place { file: 0, span: at..at }), &files(text))
    };
    assert!(at(4).contains("patch/browsers.yaml:1:5\n    why:\n        ^\n"), "{}", at(4));
    assert!(at(12).contains("patch/browsers.yaml:2:8\n    mode: x\n           ^\n"), "{}", at(12));
    assert!(at(500).contains("patch/browsers.yaml:2:8\n"), "{}", at(500));
}

#[test]
fn a_long_line_is_cut_around_the_mark() {
    let line = |before: usize, after: usize| format!("{}kiosk{}", "ab ".repeat(before), " cd".repeat(after));
    for (before, after) in [(0, 500), (10, 500), (51, 0), (51, 500), (52, 0), (500, 0), (500, 500), (20_000, 20_000)] {
        let shown = shown(&line(before, after), "kiosk");
        let lines: Vec<&str> = shown.lines().collect();
        let (source, carets) = (lines[2], lines[3]);
        assert!(source.chars().count() <= 4 + 160 + 2, "{source}");
        let mark = carets.find('^').unwrap();
        let marked: String = source.chars().skip(mark).take(carets.matches('^').count()).collect();
        assert_eq!(marked, "kiosk", "{shown}");
        assert_eq!(source.trim_start().starts_with('…'), before > 51, "{shown}");
        assert_eq!(source.ends_with('…'), after > 0, "{shown}");
    }
}

#[test]
fn messages_can_not_write_to_the_terminal_either() {
    let hostile = "\u{1b}]0;x\u{7}\u{202e}";
    let diagnostic = Diagnostic::error("policy/test", hostile)
        .at(Place { file: 0, span: 0..1 })
        .label(hostile)
        .with_note(hostile)
        .with_help(hostile);
    let mut files = files(hostile);
    files.0[0].path = hostile.to_owned();
    let shown = render(&diagnostic, &files);
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
}

#[test]
fn the_parts_can_be_painted() {
    let text = "mode: x\n";
    let files = files(text);
    let diagnostic =
        Diagnostic::error("policy/test", "something").at(place(text, "x")).label("here").with_help("there");
    let Rendered(parts) = Renderer::new(&files).render(&diagnostic);
    let painted: Vec<_> =
        parts.iter().filter(|(part, _)| *part != Part::Layout).map(|(part, text)| (*part, text.as_str())).collect();
    let error = Severity::Error;
    assert_eq!(
        painted,
        [
            (Part::Severity(error), "error[policy/test]"),
            (Part::Message, "something"),
            (Part::Place, "patch/browsers.yaml:1:7"),
            (Part::Source, "mode: x"),
            (Part::Mark(error), "^"),
            (Part::Label(error), "here"),
            (Part::Keyword, "help: "),
            (Part::Text, "there"),
        ]
    );
}

#[test]
fn as_json_lines_and_columns_count_from_one() {
    let text = "why: é\nwhere: |\n  é a\n  b\n";
    let diagnostic = Diagnostic::error("policy/test", "something")
        .at(place(text, "a\n  b"))
        .label("here")
        .with_note("n")
        .with_help("h");
    let repository = Diagnostic::note("policy/empty", "no policy");
    insta::assert_json_snapshot!(records(&[diagnostic, repository], &files(text)), @r#"
    [
      {
        "severity": "error",
        "code": "policy/test",
        "message": "something",
        "label": "here",
        "file": "patch/browsers.yaml",
        "line": 3,
        "column": 5,
        "end_line": 4,
        "end_column": 4,
        "line_text": "  é a",
        "notes": [
          "n"
        ],
        "help": "h"
      },
      {
        "severity": "note",
        "code": "policy/empty",
        "message": "no policy",
        "label": "",
        "notes": []
      }
    ]
    "#);
}

#[test]
fn diagnostics_are_sorted_by_path_and_position_and_said_once() {
    let files =
        Files(["b.yaml", "a.yaml"].map(|path| SourceFile { path: path.to_owned(), text: "x\ny\n".to_owned() }).into());
    let at = |file, start, code| Diagnostic::error(code, "m").at(Place { file, span: start..start + 1 });
    let mut found = vec![
        at(0, 0, "policy/b"),
        at(1, 2, "policy/a"),
        at(0, 0, "policy/a"),
        at(1, 0, "policy/z"),
        Diagnostic::error("policy/whole", "m"),
        at(0, 0, "policy/b"),
    ];
    sort(&mut found, &files);
    let renderer = Renderer::new(&files);
    let order: Vec<_> =
        found.iter().map(|d| (d.code, d.place.as_ref().map(|place| renderer.position(place)))).collect();
    assert_eq!(
        order,
        [
            ("policy/whole", None),
            ("policy/z", Some("a.yaml:1:1".to_owned())),
            ("policy/a", Some("a.yaml:2:1".to_owned())),
            ("policy/a", Some("b.yaml:1:1".to_owned())),
            ("policy/b", Some("b.yaml:1:1".to_owned())),
        ]
    );
}
