//! Documents as people would write them: one line for each term, with where it comes from behind it.

use jiff::civil::Date;
use refit_core::policy::document::scalars::{Day, Duration};
use serde::Serialize;
use serde_json::Value;

/// A document of the policy language, line by line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    /// Its lines; the first is its kind with its name.
    pub lines: Vec<Entry>,
}

/// A line: a term, and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The term.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// The object and field of the old configuration; empty where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
}

impl Document {
    pub(super) fn new(kind: &'static str, name: &str, from: &str) -> Document {
        Document { lines: Vec::new() }.with(kind, Value::from(visible(name)), from)
    }

    pub(super) fn with(mut self, key: &'static str, value: Value, from: impl Into<String>) -> Document {
        self.lines.push(Entry { key, value, from: visible(&from.into()) });
        self
    }

    /// With a term, where there is one.
    pub(super) fn with_some(self, key: &'static str, value: Option<Value>, from: impl Into<String>) -> Document {
        match value {
            Some(value) => self.with(key, value, from),
            None => self,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.lines.first().and_then(|line| line.value.as_str()).unwrap_or_default()
    }

    /// As YAML, without a line before or after it.
    pub(super) fn yaml(&self) -> String {
        let mut text = String::new();
        for Entry { key, value, from } in &self.lines {
            text += &format!("{key}: {}", flow(value));
            text += &if from.is_empty() { "\n".to_owned() } else { format!("  # {from}\n") };
        }
        text
    }
}

/// A value in one line.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", flow(&Value::from(key.as_str())), flow(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// A text that YAML reads as one without quotes, inside of lists as well.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_word = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-/.".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    let is_date = || Day::parse(text).is_ok();
    is_word || Duration::parse(text).is_ok() || is_date()
}

/// A text in quotes, as YAML reads them and CEL too.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if is_visible(c) => quoted.push(c),
            c if u32::from(c) > 0xffff => quoted += &format!("\\U{:08x}", u32::from(c)),
            c => quoted += &format!("\\u{:04x}", u32::from(c)),
        }
    }
    quoted.push('"');
    quoted
}

/// A text as it may stand in a comment and in a name: what can't be seen, and could hide or end something, is a question mark.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if is_visible(c) {
                c
            } else if c.is_whitespace() {
                ' '
            } else {
                '?'
            }
        })
        .collect()
}

fn is_visible(c: char) -> bool {
    c.is_alphanumeric() || (' '..='~').contains(&c)
}

/// A day, as documents have it.
pub(super) fn day(date: Date) -> Value {
    Value::from(date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_as_people_write_them() {
        for (value, written) in [
            (json!("google-chrome"), "google-chrome"),
            (json!("14d"), "14d"),
            (json!("2026-12-28"), "2026-12-28"),
            (json!("os/*"), "\"os/*\""),
            (json!("=1.0"), "\"=1.0\""),
            (json!("1.0"), "\"1.0\""),
            (json!("No"), "\"No\""),
            (json!(["a", 1, true]), "[a, 1, true]"),
            (json!({ "use": "nightly" }), "{ use: nightly }"),
            (json!("device.os == \"debian\""), "\"device.os == \\\"debian\\\"\""),
        ] {
            assert_eq!(flow(&value), written);
        }
    }

    #[test]
    fn names_from_outside_end_no_line() {
        let document =
            Document::new("policy", "a\n---\nexception: b", "x\u{202e}\n# y").with("mode", json!("a\nb"), "");
        assert_eq!(document.yaml(), "policy: \"a --- exception: b\"  # x? # y\nmode: \"a\\u000ab\"\n");
    }
}
