//! Property lists in XML, from values and back: dates and data are objects with one key.

use crate::object::Fields;
use base64::Engine as _;
use serde_json::{Map, Number, Value, json};
use std::fmt::Write as _;

/// The key of a date, as XML has it: `{ "$date": "2026-11-30T12:00:00Z" }`.
pub const DATE: &str = "$date";

/// The key of data, in base64.
pub const DATA: &str = "$data";

/// A property list in XML.
pub fn write(fields: &Fields) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                    <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
                    <plist version=\"1.0\">\n<dict>\n"
        .to_owned();
    for (name, value) in fields {
        entry(&mut text, 1, name, value);
    }
    text + "</dict>\n</plist>\n"
}

fn entry(text: &mut String, depth: usize, name: &str, value: &Value) {
    let _ = writeln!(text, "{}<key>{}</key>", "  ".repeat(depth), entities(name));
    element(text, depth, value);
}

fn element(text: &mut String, depth: usize, value: &Value) {
    let indent = "  ".repeat(depth);
    let _ = match value {
        Value::Bool(true) => writeln!(text, "{indent}<true/>"),
        Value::Bool(false) => writeln!(text, "{indent}<false/>"),
        Value::Number(number) if number.is_f64() => writeln!(text, "{indent}<real>{number}</real>"),
        Value::Number(number) => writeln!(text, "{indent}<integer>{number}</integer>"),
        Value::String(string) => writeln!(text, "{indent}<string>{}</string>", entities(string)),
        // Property lists know no null; nothing here writes one.
        Value::Null => Ok(()),
        Value::Array(items) => {
            let _ = writeln!(text, "{indent}<array>");
            items.iter().for_each(|item| element(text, depth + 1, item));
            writeln!(text, "{indent}</array>")
        }
        Value::Object(inner) => match (inner.get(DATE), inner.get(DATA)) {
            (Some(Value::String(date)), _) => writeln!(text, "{indent}<date>{}</date>", entities(date)),
            (_, Some(Value::String(data))) => writeln!(text, "{indent}<data>{}</data>", entities(data)),
            _ => {
                let _ = writeln!(text, "{indent}<dict>");
                inner.iter().for_each(|(name, value)| entry(text, depth + 1, name, value));
                writeln!(text, "{indent}</dict>")
            }
        },
    };
}

fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A property list in XML, read.
pub fn read(text: &str) -> Result<Value, plist::Error> {
    plist::Value::from_reader_xml(text.as_bytes()).map(|value| of(&value))
}

fn of(value: &plist::Value) -> Value {
    match value {
        plist::Value::Array(items) => Value::Array(items.iter().map(of).collect()),
        plist::Value::Dictionary(entries) => {
            let mut map = Map::new();
            for (name, value) in entries {
                map.insert(name.clone(), of(value));
            }
            Value::Object(map)
        }
        plist::Value::Boolean(truth) => Value::Bool(*truth),
        plist::Value::Data(data) => json!({ (DATA): base64::engine::general_purpose::STANDARD.encode(data) }),
        plist::Value::Date(date) => json!({ (DATE): date.to_xml_format() }),
        plist::Value::Real(real) => Number::from_f64(*real).map_or(Value::Null, Value::Number),
        plist::Value::Integer(integer) => match (integer.as_signed(), integer.as_unsigned()) {
            (Some(number), _) => json!(number),
            (None, Some(number)) => json!(number),
            (None, None) => Value::Null,
        },
        plist::Value::String(text) => Value::String(text.clone()),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_list_is_read_back_as_it_was() {
        let fields: Fields = [
            ("A & B".to_owned(), json!("x < y")),
            ("Date".to_owned(), json!({ (DATE): "2026-11-30T12:00:00Z" })),
            ("Numbers".to_owned(), json!([1, -2, 0.5])),
            ("Parts".to_owned(), json!({ "Empty": {}, "Off": false, "On": true })),
            ("Raw".to_owned(), json!({ (DATA): "AAEC" })),
        ]
        .into();
        assert_eq!(read(&write(&fields)).unwrap(), json!(fields));
    }
}
