#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is meant to panic")]

use super::super::json::Json;
use super::{Expr, Item, Names, Scope, TABLE};
use proptest::prelude::*;

const RECORD: &str = r#"{
    "id": 7, "text": " Ab C ", "empty": "", "nothing": null, "yes": true, "half": 1.5,
    "list": [1, 2, 3], "words": ["b", "a", ""], "inner": {"name": "x/y", "Email_-_Work": "A@b.c"},
    "time": "2026-11-23T09:00:00Z", "never": "0001-01-01T00:00:00Z", "unix": 1763888400, "big": 18446744073709551615
}"#;

/// The value of an expression as it is shown, or what is wrong with it.
fn shown(text: &str) -> String {
    let json = Json::parse(RECORD).unwrap();
    let expr = match Expr::compile(text, Names::RECORD) {
        Ok(expr) => expr,
        Err(errors) => return format!("{}: {}", errors[0].code, errors[0].label),
    };
    let scope: Scope<'_> = [Item::of(&json), Item::Missing, Item::Missing, Item::of(&json)];
    let result = expr.value(&scope);
    match result {
        Ok(item) => text_of(&item),
        Err(fault) => format!("fault: {} at {:?}", fault.why, fault.path),
    }
}

fn text_of(item: &Item<'_>) -> String {
    match item {
        Item::Text(text) => format!("{text:?}"),
        Item::Int(number) => number.to_string(),
        Item::Float(number) => format!("{number:?}"),
        Item::Bool(truth) => truth.to_string(),
        Item::Time(time) => time.to_string(),
        Item::Json(json) => json.kind().to_owned(),
        Item::List(items) => format!("[{}]", items.iter().map(text_of).collect::<Vec<_>>().join(", ")),
        other => other.described().to_owned(),
    }
}

#[test]
fn null_empty_and_missing_are_told_apart() {
    for (text, value) in [
        ("record.no", "missing"),
        ("record.no.more[3]", "missing"),
        ("record.nothing", "null"),
        ("record.empty", "\"\""),
        ("has(record.no)", "false"),
        ("has(record.nothing)", "true"),
        ("known(record.nothing) || known(record.empty) || known(record.no)", "false"),
        ("record.no == null", "false"),
        ("record.nothing == null", "true"),
        ("record.no < 3 || !record.no", "true"),
        ("lower(record.no)", "missing"),
        ("lower(record.nothing)", "null"),
        ("coalesce(record.no, record.empty, record.id)", "7"),
        ("coalesce(record.no, record.nothing)", "null"),
        ("record.no + \"x\"", "missing"),
        ("record.no.map(x, x)", "missing"),
        ("missing", "missing"),
    ] {
        assert_eq!(shown(text), value, "{text}");
    }
}

#[test]
fn functions_do_what_the_reference_says() {
    for (text, value) in [
        ("trim(record.text).lower()", "\"ab c\""),
        ("text(record.id) + \"-\" + record.id", "\"7-7\""),
        ("record.inner[\"Email_-_Work\"].before(\"@\")", "\"A\""),
        ("after(record.inner.name, \"/\")", "\"y\""),
        ("after(record.inner.name, \"#\")", "missing"),
        ("split(\"a,b\", \",\").map(x, x.upper())", "[\"A\", \"B\"]"),
        ("join(record.words, \" \")", "\"b a\""),
        ("extract(\"v1.2 (x)\", \"v([0-9.]+)\")", "\"1.2\""),
        ("extract(\"none\", \"v([0-9.]+)\")", "missing"),
        ("record.inner.name.matches(\"^x.y$\") && record.text.contains(\"b\")", "true"),
        ("replace(\"a.b\", \".\", \"-\")", "\"a-b\""),
        ("int(\"12\") + 1", "13"),
        ("int(\"\")", "null"),
        ("bool(\"Yes\")", "true"),
        ("bytes(1.5, \"kB\")", "1500"),
        ("bytes(\"2\", \"GiB\")", "2147483648"),
        ("size(record.list) + size(record.inner) + size(\"äö\")", "7"),
        ("first(record.list) + last(record.list)", "4"),
        ("record.list.filter(x, x > 1)", "[2, 3]"),
        ("record.list.exists_one(x, x == 2)", "true"),
        ("2 in record.list && \"name\" in record.inner && !(\"x\" in record.inner)", "true"),
        ("time(record.time)", "2026-11-23T09:00:00Z"),
        ("time(record.never)", "null"),
        ("time(\"2026-11-23-08:00\")", "2026-11-23T00:00:00Z"),
        ("time(\"2026-11-23+14:00\")", "2026-11-23T00:00:00Z"),
        ("time(\"2026-11-23Z\")", "2026-11-23T00:00:00Z"),
        ("time(\"2026-11-23 09:00:00\")", "2026-11-23T09:00:00Z"),
        ("time(\"2026-11-23T09:00:00.123+0100\")", "2026-11-23T08:00:00.123Z"),
        ("time(record.unix, \"unix\")", "2025-11-23T09:00:00Z"),
        ("time(\"23/11/2026\", \"%d/%m/%Y\")", "2026-11-23T00:00:00Z"),
        ("time(133772904000000000, \"windows\")", "2024-11-28T18:00:00Z"),
        ("time(0, \"unix_ms\")", "null"),
        // Seconds and thousandths of one are told apart, whichever a page has.
        ("time(1795161600000, \"unix\")", "2026-11-20T08:00:00Z"),
        ("time(1795161600, \"unix_ms\")", "2026-11-20T08:00:00Z"),
        ("time(\"1795161600000\", \"unix\")", "2026-11-20T08:00:00Z"),
        ("time(1795161600.5, \"unix\")", "2026-11-20T08:00:00.5Z"),
        ("time(86400.5, \"unix\")", "1970-01-02T00:00:00.5Z"),
        ("time(1795161600000.5, \"unix\")", "2026-11-20T08:00:00Z"),
        ("time(\"23/11/2026\")", "fault: a time is needed, and this is \"23/11/2026\" at None"),
        ("record.big", "18446744073709551615"),
        ("lower(record.list)", "fault: a text is needed, and this is a list at Some((0, \"/list\"))"),
        ("record.list < 3", "fault: a list can't be compared with a number at Some((0, \"/list\"))"),
        ("9223372036854775807 + record.id", "fault: the result is no number at Some((0, \"/id\"))"),
        ("1 / 0", "fault: the result is no number at None"),
    ] {
        assert_eq!(shown(text), value, "{text}");
    }
}

#[test]
fn mistakes_are_said_with_what_was_meant() {
    let said = |text: &str| {
        let errors = Expr::compile(text, Names::RECORD).unwrap_err();
        let error = &errors[0];
        format!("{} {} / {}", &text[error.range.clone()], error.label, error.help.clone().unwrap_or_default())
    };
    for (text, expected) in [
        ("recrod.a", "recrod there is no `recrod`; there are `record`, `parent`, `payload` / did you mean `record`?"),
        (
            "serial",
            "serial there is no `serial`; there are `record`, `parent`, `payload` / the keys of a record are written `record.serial`",
        ),
        ("lowr(record.a)", "lowr there is no function `lowr` / did you mean `lower`?"),
        ("split(record.a)", "split(record.a) it is written `split(x, \",\")` / "),
        ("matches(record.a, record.b)", "record.b a regular expression is written out, as a text in quotes / "),
        ("bytes(record.a, \"XB\")", "\"XB\" the units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB / "),
    ] {
        assert_eq!(said(text), expected);
    }
    for text in
        ["time(record.a, \"%!\")", "matches(record.a, \"(\")", "{\"a\": 1}", "b\"x\"", "record.a = 1", "has(record)"]
    {
        assert!(Expr::compile(text, Names::RECORD).is_err(), "{text}");
    }
}

#[test]
fn what_would_take_too_long_ends() {
    let long = format!("[{}]", vec!["1"; 2000].join(","));
    let json = Json::parse(&long).unwrap();
    let expr = Expr::compile("record.all(a, record.all(b, record.all(c, a == b || b == c)))", Names::RECORD).unwrap();
    let scope: Scope<'_> = [Item::of(&json), Item::Missing, Item::Missing, Item::Missing];
    let fault = expr.value(&scope).unwrap_err();
    assert_eq!(fault.why, "it takes too many steps");
}

#[test]
fn the_reference_lists_every_function() {
    let reference = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/connectors.md"));
    for row in TABLE {
        let line = format!("| `{}` | {} |", row.usage, row.doc);
        assert!(reference.contains(&line), "docs/reference/connectors.md lacks\n{line}");
    }
}

/// Expressions that CEL has too, over the record of the oracle.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("record.id".to_owned()),
        Just("record.text".to_owned()),
        Just("record.empty".to_owned()),
        Just("record.half".to_owned()),
        Just("record.yes".to_owned()),
        Just("record.list".to_owned()),
        Just("record.words".to_owned()),
        Just("record.inner.name".to_owned()),
        Just("record.nothing".to_owned()),
        Just("has(record.id)".to_owned()),
        Just("has(record.inner.no)".to_owned()),
        (-3i64..4).prop_map(|number| number.to_string()),
        Just("\"b\"".to_owned()),
        Just("true".to_owned()),
        Just("1.5".to_owned()),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (two.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", "&&", "||"]))
                .prop_map(|((a, b), sign)| format!("({a} {sign} {b})")),
            (two.clone(), prop::sample::select(vec!["contains", "startsWith", "endsWith"]))
                .prop_map(|((a, b), name)| format!("{a}.{name}({b})")),
            (two.clone(), prop::sample::select(vec!["exists", "all", "exists_one", "filter", "map"]))
                .prop_map(|((a, b), name)| format!("{a}.{name}(x, {b} == x)")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            two.clone().prop_map(|(a, b)| format!("({a} in {b})")),
            two.prop_map(|(a, b)| format!("[{a}, {b}]")),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.prop_map(|a| format!("size({a})")),
        ]
    })
}

/// What CEL's own interpreter says; `None` where it has no value.
fn oracle(text: &str) -> Option<String> {
    let mut context = cel::Context::default();
    let record: serde_json::Value = serde_json::from_str(RECORD).unwrap();
    context.add_variable("record", &record).unwrap();
    let value = cel::Program::compile(text).ok()?.execute(&context).ok()?;
    of_cel(&value)
}

fn of_cel(value: &cel::Value) -> Option<String> {
    Some(match value {
        cel::Value::Int(number) => number.to_string(),
        cel::Value::UInt(number) => number.to_string(),
        cel::Value::Float(number) => format!("{number:?}"),
        cel::Value::Bool(truth) => truth.to_string(),
        cel::Value::String(text) => format!("{:?}", text.as_str()),
        cel::Value::Null => "null".to_owned(),
        cel::Value::List(items) => {
            format!("[{}]", items.iter().map(of_cel).collect::<Option<Vec<_>>>()?.join(", "))
        }
        _ => return None,
    })
}

/// The same with lists of the record written out.
fn ours(text: &str) -> String {
    let json = Json::parse(RECORD).unwrap();
    let expr = Expr::compile(text, Names::RECORD).unwrap();
    let scope: Scope<'_> = [Item::of(&json), Item::Missing, Item::Missing, Item::of(&json)];
    fn deep(item: &Item<'_>) -> String {
        match item.items() {
            Some(items) => format!("[{}]", items.iter().map(deep).collect::<Vec<_>>().join(", ")),
            None => text_of(item),
        }
    }
    expr.value(&scope).map_or_else(|fault| format!("fault: {}", fault.why), |item| deep(&item))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn where_cel_has_a_value_it_is_ours(text in expression()) {
        if let Some(expected) = oracle(&text) {
            prop_assert_eq!(ours(&text), expected, "{}", text);
        }
    }
}
