use super::*;
use crate::policy::diagnostic::{Files, Renderer, SourceFile, sort};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

fn report(text: &str) -> String {
    let (documents, found) = parse(0, text, &Limits::default());
    show(text, documents.len(), found)
}

fn show(text: &str, documents: usize, mut found: Vec<crate::policy::diagnostic::Diagnostic>) -> String {
    let files = Files(vec![SourceFile { path: "refit.yaml".to_owned(), text: text.to_owned() }]);
    sort(&mut found, &files);
    format!("{documents} read\n{}", Renderer::new(&files).render_all(&found))
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Policy {
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

#[test]
fn tmp() {
    for s in [
        "policy: a\nmode: enforce\nsoftware: [a, 15.10]\ntarget: 128.0\nmin_age: 5d\ndeadline: [{ within: 5d }]\npriority: 5\nscore: 3\nwindows: {a: {lasts: 5h, next: {lasts: 4h}}}\naction: pause\ngate: {kind: share, share: 50}\nextra: {x: [1, y, null, 1.5]}\n",
        "polcy: a\nmode: enforc\nsoftware: a\ntarget: {branh: x, release: 15.10}\nmin_age: 5\ndeadline: { within: 5d }\npriority: 5000\nscore: \"3\"\ndowngrade: yes\nexperience: {not_while: [call, call], deadline: 5}\nwindows: {a: {lasts: 5h, nxt: {lasts: 4h}}, b: 5, c:}\naction: paus\ngate: {kind: shar, share: 500}\nowner:\n",
        "policy: true\ndeadline:\n  - if: x\n  - within: 5d\n    fi: y\n  - null\naction: {hld: x}\ngate: {share: 5}\nwithin: 5d\ntarget: [x]\nsoftware:\n  a: b\n",
        "policy:\ngate: {kind: share, share: 500}\naction: {hold: x, ask: {person: a}}\npriority: 1.5\nowner: ~\nwhere: no\nnotify: 3d\nexperience: 5\n",
        "policy: x\naction: {ask: {persn: a}}\ndowngrade: maybe\nmin_age: 13d\n",
        "policy: x\ndeadline: [{ within: 12d }, { within: 13d }]\n",
        "policy: x\nwhere: !a\nmin_age: 5\n",
        "{\"policy\": \"x\", \"where\": 5, \"foo\": {\"bar\":\n [1]}}",
    ] {
        println!("=== {s}\n{}", decoded(s));
    }
}
