//! Mistakes in documents that are good YAML.

use super::{reports, show};
use crate::policy::syntax::{Format, Limits, Shape, parse};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Policy {
    #[schemars(length(min = 1))]
    policy: String,
    owner: Option<String>,
    #[serde(default)]
    mode: Mode,
    #[serde(rename = "where")]
    condition: Option<String>,
    #[serde(default)]
    software: Vec<String>,
    target: Option<Target>,
    min_age: Option<Span>,
    #[serde(default)]
    deadline: Vec<Deadline>,
    #[schemars(range(min = 0, max = 1000))]
    priority: Option<i32>,
    score: Option<f64>,
    #[serde(default)]
    downgrade: bool,
    experience: Option<Experience>,
    #[serde(default)]
    windows: BTreeMap<String, Window>,
    action: Option<Action>,
    gate: Option<Gate>,
    #[serde(default)]
    extra: serde_json::Value,
}

#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Observe,
    Notify,
    Enforce,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(untagged)]
#[allow(dead_code)]
enum Target {
    Short(String),
    Long(LongTarget),
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct LongTarget {
    branch: String,
    release: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Deadline {
    #[serde(rename = "if")]
    condition: Option<String>,
    within: Span,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Experience {
    notify: Option<Span>,
    #[serde(default)]
    not_while: std::collections::BTreeSet<String>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Window {
    lasts: Span,
    next: Option<Box<Window>>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Action {
    Pause,
    Hold(String),
    Ask { person: String },
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Gate {
    Share { share: u8 },
    Person { name: String },
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(try_from = "String")]
struct Span(u32);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        check_duration(&text)?;
        match text.trim_end_matches(['d', 'h']).parse() {
            Ok(13) => Err("thirteen brings bad luck".to_owned()),
            Ok(number) => Ok(Self(number)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "duration" })
    }
}

fn check_duration(text: &str) -> Result<(), String> {
    match text.strip_suffix(['d', 'h']) {
        Some(number) if number.parse::<u32>().is_ok() => Ok(()),
        _ => Err(format!("`{text}` has no unit")),
    }
}

const FORMATS: &[Format] =
    &[Format { name: "duration", noun: "a duration", help: "write it like `8h` or `2d`", check: check_duration }];

fn decoded(text: &str) -> String {
    let (documents, mut found) = parse(0, text, &Limits::default());
    let shape = Shape::<Policy>::new(FORMATS);
    for document in &documents {
        let (value, more) = shape.decode(document, 0);
        assert_eq!(value.is_none(), !more.is_empty() || !found.is_empty(), "{more:?}");
        found.extend(more);
    }
    show(text, documents.len(), found)
}

fn read(text: &str) -> Policy {
    let (documents, found) = parse(0, text, &Limits::default());
    assert_eq!(found, []);
    let (value, found) = Shape::<Policy>::new(FORMATS).decode(&documents[0], 0);
    assert_eq!(found, []);
    value.unwrap()
}

const GOOD: &str = "
policy: a
mode: enforce
software: [a, 15.10]
target: 128.0
min_age: 5d
deadline: [{ if: x, within: 5d }]
priority: 5
score: 3
downgrade: true
experience: { notify: ~, not_while: [call, focus] }
windows: { a: { lasts: 5h, next: { lasts: 4h } } }
action: pause
gate: { kind: share, share: 50 }
extra: { x: [1, y, null, 1.5, 0x10] }
";

#[test]
fn a_good_document_is_read_in_silence() {
    insta::assert_debug_snapshot!(read(GOOD));
}

#[test]
fn a_key_without_a_value_is_not_a_key_that_was_left_out() {
    insta::assert_snapshot!(reports(
        decoded,
        &[
            "policy: a\nmode:\n  # observe\n",
            "policy: a\nsoftware:\n",
            "policy: a\nmin_age:\ntarget: x\n",
            "policy: a\nexperience: { notify: }\n"
        ],
    ));
}

#[test]
fn json_and_yaml_give_the_same_value() {
    let json = r#"{
	"policy": "a", "mode": "enforce", "software": ["a", "15.10"], "target": "128.0", "min_age": "5d",
	"deadline": [{"if": "x", "within": "5d"}], "priority": 5, "score": 3, "downgrade": true,
	"experience": {"notify": null, "not_while": ["call", "focus"]},
	"windows": {"a": {"lasts": "5h", "next": {"lasts": "4h"}}}, "action": "pause",
	"gate": {"kind": "share", "share": 50}, "extra": {"x": [1, "y", null, 1.5, 16]}
}"#;
    assert_eq!(read(json), read(GOOD));
}

#[test]
fn a_json_array_holds_several_documents() {
    let (documents, found) = parse(0, r#"[{"policy": "a"}, {"policy": "b"}]"#, &Limits::default());
    assert_eq!(found, []);
    let names: Vec<_> = documents.iter().map(|document| document.get("policy").and_then(|name| name.text())).collect();
    assert_eq!(names, [Some("a"), Some("b")]);
}

#[test]
fn the_long_and_the_short_form_are_told_apart_by_how_they_are_written() {
    assert_eq!(read("policy: a\ntarget: latest").target, Some(Target::Short("latest".to_owned())));
    let long = LongTarget { branch: "installed".to_owned(), release: None };
    assert_eq!(read("policy: a\ntarget: { branch: installed }").target, Some(Target::Long(long)));
}

#[test]
fn variants_are_found_by_their_key() {
    assert_eq!(read("policy: a\naction: { hold: x }").action, Some(Action::Hold("x".to_owned())));
    assert_eq!(read("policy: a\naction: { ask: { person: x } }").action, Some(Action::Ask { person: "x".to_owned() }));
}

#[test]
fn numbers_and_dates_are_texts_as_they_were_written_where_a_text_belongs() {
    let policy = read("policy: 1.0\nsoftware: [15.10, 0x1F, 2026-12-28, 1e3, 007]");
    assert_eq!(policy.policy, "1.0");
    assert_eq!(policy.software, ["15.10", "0x1F", "2026-12-28", "1e3", "007"]);
}

#[test]
fn formats_that_nobody_registered_are_named() {
    assert_eq!(Shape::<Policy>::new(&[]).unknown_formats().iter().collect::<Vec<_>>(), ["duration"]);
    assert!(Shape::<Policy>::new(FORMATS).unknown_formats().is_empty());
}

#[test]
fn names_that_are_wrong() {
    insta::assert_snapshot!(reports(
        decoded,
        &[
            "polcy: browsers\n",
            "policy: a\nwithin: 5d\n",
            "policy: a\nnotify: 3d\n",
            "policy: a\nexperience:\n  notify: 3d\n  deadline: []\n",
            "policy: a\ntarget: { branh: x }\n",
            "policy: a\ndeadline:\n  - fi: exposure.kev\n    within: 2d\n",
            "policy: a\nwindows:\n  night: { lasts: 5h, nxt: { lasts: 4h } }\n",
            "policy: a\nmode: enforc\n",
            "policy: a\nmode: shout\n",
            "policy: a\naction: paus\n",
            "policy: a\naction: hold\n",
            "policy: a\naction: { hld: x }\n",
            "policy: a\naction: { hold: x, ask: { person: a } }\n",
            "policy: a\naction: { ask: { persn: a } }\n",
            "policy: a\ngate: { kind: shar, share: 5 }\n",
        ],
    ));
}

#[test]
fn fields_that_are_missing() {
    insta::assert_snapshot!(reports(
        decoded,
        &[
            "mode: enforce\n",
            "policy: a\ndeadline:\n  - if: exposure.kev\n",
            "policy: a\ngate: { share: 5 }\n",
            "policy: a\ntarget: {}\n",
            "policy: a\naction: {}\n",
        ],
    ));
}

#[test]
fn values_of_another_type() {
    insta::assert_snapshot!(reports(
        decoded,
        &[
            "policy: true\n",
            "policy:\nmode: enforce\n",
            "policy: ~\n",
            "policy: [a]\n",
            "policy: a\nsoftware: firefox\n",
            "policy: a\nsoftware: \"os/*\"\n",
            "policy: a\nsoftware:\n  firefox: 128\n",
            "policy: a\ndeadline: { within: 5d }\n",
            "policy: a\ndeadline:\n  - 5d\n  - ~\n",
            "policy: a\ntarget: [x]\n",
            "policy: a\nscore: \"3\"\n",
            "policy: a\nscore: high\n",
            "policy: a\ndowngrade: yes\n",
            "policy: a\ndowngrade: maybe\n",
            "policy: a\nexperience: 5\n",
            "policy: a\nwindows: { night: , day: 5 }\n",
        ],
    ));
}

#[test]
fn values_that_can_not_be() {
    insta::assert_snapshot!(reports(
        decoded,
        &[
            "policy: \"\"\n",
            "policy: a\nmin_age: 5\n",
            "policy: a\nmin_age: 2 days\n",
            "policy: a\npriority: 5000\n",
            "policy: a\npriority: 1.5\n",
            "policy: a\npriority: 99999999999999999999999999999999999999999999\n",
            "policy: a\nscore: .nan\n",
            "policy: a\ngate: { kind: share, share: 256 }\n",
            "policy: a\nexperience: { not_while: [call, focus, call] }\n",
            "policy: a\nwhere: \"\\e[2J\\u202ex\"\nmode: \"\\e[2J\"\n",
            // Only the type itself knows that 13 can't be.
            "policy: a\ndeadline: [{ within: 12d }, { within: 13d }]\n",
        ],
    ));
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once() {
    insta::assert_snapshot!(decoded(
        "policy: a\nmode: enforc\nwhere: !exposure.kev\nmode: x\ndeadline:\n  - within: 5\n  - { wthin: 5d }\n---\npolcy: b\nscore: x\n"
    ));
}

#[test]
fn a_part_that_was_reported_is_not_reported_again() {
    let (documents, found) = parse(0, "policy: *name\n", &Limits::default());
    assert_eq!(found.len(), 1);
    let (value, found) = Shape::<Policy>::new(FORMATS).decode(&documents[0], 0);
    assert_eq!((value, found), (None, Vec::new()));
}
