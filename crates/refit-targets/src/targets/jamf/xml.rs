//! XML as the Classic API takes it: a list has an element for each item, which is called by the singular.

use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _};

/// A document with one outermost element.
pub(super) fn document(name: &str, value: &Value) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    element(name, value, 0, &mut text);
    text
}

fn element(name: &str, value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let _ = match value {
        Value::Object(fields) => {
            let _ = writeln!(text, "{indent}<{name}>");
            // In one order, whatever the map keeps.
            for (inner, value) in fields.iter().collect::<BTreeMap<_, _>>() {
                element(inner, value, depth + 1, text);
            }
            writeln!(text, "{indent}</{name}>")
        }
        Value::Array(items) if items.is_empty() => writeln!(text, "{indent}<{name}/>"),
        Value::Array(items) => {
            let _ = writeln!(text, "{indent}<{name}>");
            // `computer_groups` holds elements that are called `computer_group`.
            let singular = name.strip_suffix('s').unwrap_or(name);
            for item in items {
                element(singular, item, depth + 1, text);
            }
            writeln!(text, "{indent}</{name}>")
        }
        Value::String(it) => writeln!(text, "{indent}<{name}>{}</{name}>", escaped(it)),
        Value::Null => Ok(()),
        other => writeln!(text, "{indent}<{name}>{other}</{name}>"),
    };
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            // What XML 1.0 has no way to say.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_have_an_element_for_each_item() {
        let value = json!({
            "general": { "name": "Tom & <Jerry>\u{7}", "enabled": true }, "gone": null,
            "scope": { "computer_groups": [{ "id": "7" }], "buildings": [] }
        });
        assert_eq!(
            document("patch_policy", &value),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<patch_policy>\n  <general>\n    <enabled>true</enabled>\n    \
             <name>Tom &amp; &lt;Jerry&gt; </name>\n  </general>\n  <scope>\n    <buildings/>\n    <computer_groups>\n      \
             <computer_group>\n        <id>7</id>\n      </computer_group>\n    </computer_groups>\n  </scope>\n</patch_policy>\n"
        );
    }
}
