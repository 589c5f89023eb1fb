//! Objects as the files that device management takes.

use crate::{files::NoFields, object::Fields};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A file for `reg import`, of fields as `in_registry` writes them.
pub fn registry(fields: &Fields) -> String {
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

/// Such a file read back. Keys outside of `HKEY_LOCAL_MACHINE` and values of other types are none that Refit writes.
pub fn read_registry(text: &str) -> Result<Fields, NoFields> {
    let mut fields = Fields::new();
    let mut key = None;
    for (number, line) in text.lines().enumerate().skip(1) {
        let unknown = || NoFields(format!("line {} is none that Refit writes: `{line}`", number + 1));
        if line.trim().is_empty() || line.starts_with(';') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            let section = section.strip_prefix(r"HKEY_LOCAL_MACHINE\").and_then(|rest| rest.strip_suffix(']'));
            key = Some(section.ok_or_else(unknown)?);
            continue;
        }
        let (name, rest) = quoted(line).ok_or_else(unknown)?;
        let (key, rest) = key.zip(rest.strip_prefix('=')).ok_or_else(unknown)?;
        let value = match rest.strip_prefix("dword:") {
            Some(digits) => json!({ "REG_DWORD": u32::from_str_radix(digits, 16).map_err(|_| unknown())? }),
            None => match quoted(rest) {
                Some((text, "")) => json!({ "REG_SZ": text }),
                _ => return Err(unknown()),
            },
        };
        fields.insert(format!(r"{key}\{name}"), value);
    }
    Ok(fields)
}

/// What stands in quotes at the beginning, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let (mut inner, mut is_escaped) = (String::new(), false);
    for (place, letter) in text.char_indices() {
        match letter {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => return Some((inner, text.get(place + 1..)?)),
            _ => {
                inner.push(letter);
                is_escaped = false;
            }
        }
    }
    None
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_files_quote_what_has_to_be() {
        let fields: Fields = [(r"SOFTWARE\X\Window".to_owned(), json!({ "REG_SZ": "{\"a\":\"b\\\\c\"}" }))].into();
        let text = registry(&fields);
        assert!(text.contains(r#""Window"="{\"a\":\"b\\\\c\"}""#), "{text}");
        assert_eq!(read_registry(&text), Ok(fields));
    }
}
