//! The files of apt, read back.

use crate::{files::NoFields, object::Fields};
use serde_json::Value;

/// Options, as far as Refit writes them: `NAME "VALUE";`, and lists of values in braces.
pub fn configuration(text: &str) -> Result<Fields, NoFields> {
    let mut fields = Fields::new();
    let mut list: Option<(String, Vec<Value>)> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with("//") || line.starts_with('#') {
            continue;
        }
        let unknown = || NoFields(format!("line {} is no option: `{line}`", number + 1));
        match list.take() {
            Some((name, items)) if line == "};" => drop(fields.insert(name, Value::Array(items))),
            Some((name, mut items)) => {
                items.push(Value::from(quoted(line).ok_or_else(unknown)?));
                list = Some((name, items));
            }
            None => match line.strip_suffix(" {") {
                Some(name) => list = Some((name.to_owned(), Vec::new())),
                None => {
                    let (name, value) = line.split_once(' ').ok_or_else(unknown)?;
                    fields.insert(name.to_owned(), Value::from(quoted(value).ok_or_else(unknown)?));
                }
            },
        }
    }
    match list {
        None => Ok(fields),
        Some((name, _)) => Err(NoFields(format!("the list of {name} has no end"))),
    }
}

/// Versions that are kept away, by package.
pub fn preferences(text: &str) -> Result<Fields, NoFields> {
    let mut versions: std::collections::BTreeMap<String, Vec<Value>> = std::collections::BTreeMap::new();
    let mut package = None;
    for (number, line) in text.lines().enumerate() {
        let unknown = || NoFields(format!("line {} is none that Refit writes: `{line}`", number + 1));
        let (name, value) = match line.split_once(": ") {
            Some(parts) => parts,
            None if line.trim().is_empty() => continue,
            None => return Err(unknown()),
        };
        match (name, &package) {
            ("Explanation", _) => {}
            ("Package", _) => package = Some(value.to_owned()),
            ("Pin", Some(package)) => {
                let version = value.strip_prefix("version ").ok_or_else(unknown)?;
                versions.entry(package.clone()).or_default().push(Value::from(version));
            }
            ("Pin-Priority", Some(_)) if value == "-1" => {}
            _ => return Err(unknown()),
        }
    }
    Ok(versions.into_iter().map(|(name, versions)| (name, Value::Array(versions))).collect())
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix("\";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_read_otherwise_is_said() {
        for (text, why) in [
            ("A::B 1;\n", "line 1 is no option: `A::B 1;`"),
            ("A::B {\n    \"x\";\n", "the list of A::B has no end"),
            ("#clear A::B;\nA::B {\n x\n};\n", "line 3 is no option: `x`"),
        ] {
            assert_eq!(configuration(text).unwrap_err().0, why);
        }
        let raised = "Package: openssl\nPin: version 3.0.2-1\nPin-Priority: 990\n";
        assert_eq!(preferences(raised).unwrap_err().0, "line 3 is none that Refit writes: `Pin-Priority: 990`");
    }
}
