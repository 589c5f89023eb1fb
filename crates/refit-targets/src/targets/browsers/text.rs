//! Objects as the files that device management takes.

use serde_json::Value;
use std::fmt::Write as _;

/// A file for `reg import`, of fields as `in_registry` writes them.
pub fn registry(fields: &crate::object::Fields) -> String {
    let mut keys: std::collections::BTreeMap<&str, Vec<(&str, &Value)>> = std::collections::BTreeMap::new();
    for (path, value) in fields {
        let (key, name) = path.rsplit_once('\\').unwrap_or(("", path));
        keys.entry(key).or_default().push((name, value));
    }
    let mut text = "Windows Registry Editor Version 5.00\r\n".to_owned();
    for (key, values) in keys {
        let _ = write!(text, "\r\n[HKEY_LOCAL_MACHINE\\{key}]\r\n");
        for (name, value) in values {
            let written = match (value.get("REG_DWORD"), value.get("REG_SZ")) {
                (Some(number), _) => format!("dword:{:08x}", number.as_u64().unwrap_or(0)),
                (None, Some(text)) => format!("\"{}\"", escaped(text.as_str().unwrap_or_default())),
                (None, None) => continue,
            };
            let _ = write!(text, "\"{}\"={written}\r\n", escaped(name));
        }
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn registry_files_quote_what_has_to_be() {
        let fields: crate::object::Fields =
            [(r"SOFTWARE\X\Window".to_owned(), json!({ "REG_SZ": "{\"a\":\"b\\\\c\"}" }))].into();
        let text = registry(&fields);
        assert!(text.contains(r#""Window"="{\"a\":\"b\\\\c\"}""#), "{text}");
    }
}
