//! What a payload says, for people.

use crate::{
    repository::counted,
    terminal::{self, CHANGE, FAINT, HEADING, URGENT, paint},
};
use refit_core::facts::{
    FieldRef, Value,
    mapping::{Install, Key, Reading, Record, Said, SetAside, Strength},
};
use smol_str::SmolStr;
use std::{collections::BTreeMap, fmt::Write as _};

/// Behind what is shown of something sensitive to whoever has the payload before them.
const KEPT_NOWHERE: &str = "  sensitive: kept nowhere, and shown nowhere else";

/// The records, at most so many, with what was set aside and what no map covers. `purposes` are those of the fields of which an answer alone is
/// kept.
pub fn reading(reading: &Reading, purposes: &BTreeMap<FieldRef, SmolStr>, most: usize) -> String {
    let mut text = String::new();
    for record in reading.records.iter().take(most) {
        text += &self::record(record);
        text.push('\n');
    }
    if !reading.quarantined.is_empty() {
        let _ = writeln!(text, "{}", paint(URGENT, "set aside"));
        for set_aside in &reading.quarantined {
            let at = if set_aside.at.is_empty() { "the payload" } else { &set_aside.at };
            let what = match &set_aside.what {
                SetAside::Record => "the record".to_owned(),
                SetAside::Key(kind) => format!("the key {kind}"),
                SetAside::Field(field) => field.to_string(),
                SetAside::Install => "an install".to_owned(),
                SetAside::Relation => "a relation".to_owned(),
                SetAside::Value => "a value".to_owned(),
            };
            let kept = if set_aside.sensitive { paint(FAINT, KEPT_NOWHERE) } else { String::new() };
            let _ = writeln!(text, "  {at}  {}  {}{kept}", paint(HEADING, what), set_aside.why);
        }
        text.push('\n');
    }
    if !reading.uncovered.is_empty() {
        let _ = writeln!(text, "{}", paint(CHANGE, "values that no map covers"));
        for value in &reading.uncovered {
            let said = value.value.as_deref().unwrap_or_default();
            let kept = if value.sensitive { paint(FAINT, KEPT_NOWHERE) } else { String::new() };
            let _ = writeln!(text, "  {}  {said:?}  in {}{kept}", value.field, counted(value.records, "record"));
        }
        text.push('\n');
    }
    let said: Vec<_> =
        purposes.iter().filter(|(field, _)| reading.records.iter().any(|it| it.facts.contains_key(field))).collect();
    if !said.is_empty() {
        let _ = writeln!(
            text,
            "{}",
            paint(HEADING, "sensitive: of what it is read from this answer alone is kept, and what for")
        );
        for (field, purpose) in said {
            let _ = writeln!(text, "  {field}  {purpose}");
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{}, {} set aside, {} that no map covers",
        counted(reading.records.len(), "record"),
        reading.quarantined.len(),
        counted(reading.uncovered.len(), "value"),
    );
    text
}

fn record(record: &Record) -> String {
    let mut text = String::new();
    let gone = if record.deleted { paint(URGENT, "  gone") } else { String::new() };
    let at = if record.at.is_empty() { "the payload itself" } else { &record.at };
    let head = paint(HEADING, format!("{} {}", record.records, record.id));
    let _ = writeln!(text, "{head}{gone}  {}", paint(FAINT, at));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<22} {value}");
    };
    if let Some(observed) = record.observed {
        line("observed", &observed.to_string());
    }
    for key in &record.keys {
        line(&format!("key {}", key.kind.name()), &self::key(key));
    }
    for (field, said) in &record.facts {
        let value = match said {
            Said::Nothing => paint(FAINT, "says that there is none"),
            Said::Value(Value::Text(text)) => text.to_string(),
            Said::Value(Value::List(items)) if items.is_empty() => paint(FAINT, "an empty list"),
            Said::Value(Value::List(items)) => items.join(", "),
            Said::Value(value) => value.to_string(),
        };
        line(&field.to_string(), &value);
    }
    for relation in &record.relations {
        let keys: Vec<String> =
            relation.keys.iter().map(|key| format!("{} {}", key.kind.name(), self::key(key))).collect();
        let kind = relation.assignment.as_ref().map_or_else(String::new, |kind| format!("{kind}: "));
        line(relation.relation.name(), &format!("{kind}{}", keys.join(", ")));
    }
    if !record.installs.is_empty() {
        let all = match (record.installs_complete, record.installs_by_row) {
            (true, true) => ", which is all with the other rows of it",
            (true, false) => ", which is all",
            (false, _) => "",
        };
        line("installed", &format!("{}{all}", counted(record.installs.len(), "title")));
        for install in &record.installs {
            let _ = writeln!(text, "    {}", self::install(install));
        }
    }
    text
}

fn key(key: &Key) -> String {
    match key.strength {
        Strength::Strong => key.value.to_string(),
        Strength::Weak => format!("{} {}", key.value, terminal::paint(FAINT, "(weak)")),
    }
}

fn install(install: &Install) -> String {
    let names = [&install.bundle_id, &install.package, &install.product_code].into_iter().flatten();
    let names: Vec<&str> = install.name.iter().chain(names).map(|name| name.as_str()).collect();
    let version = install.version.as_ref().map_or_else(|| paint(FAINT, "no version told"), ToString::to_string);
    format!("{}  {version}", names.join("  "))
}
