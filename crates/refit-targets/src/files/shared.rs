//! Files that others write into as well: some values in them are Refit's, and the rest stays as it is.

use super::NoFields;
use crate::{object::Fields, targets::ini};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How such a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shared {
    /// Sections with values: `commands.reboot`.
    Ini,
    /// JSON, with values by two names: `policies.RelaunchRequired`.
    Json,
}

impl Shared {
    /// All values of a file.
    pub fn read(self, text: &str) -> Result<Fields, NoFields> {
        match self {
            Shared::Ini => ini::read(text),
            Shared::Json => {
                let mut fields = Fields::new();
                for (outer, value) in json(text)? {
                    let Value::Object(inner) = value else {
                        fields.insert(outer, value);
                        continue;
                    };
                    fields.extend(inner.into_iter().map(|(name, value)| (format!("{outer}.{name}"), value)));
                }
                Ok(fields)
            }
        }
    }

    /// A file with some values in it and others gone; the rest of it is as it was.
    pub fn merged(self, text: &str, set: &Fields, unset: &BTreeSet<String>) -> Result<String, NoFields> {
        match self {
            Shared::Ini => Ok(ini::merged(text, set, unset)),
            Shared::Json => {
                let mut file = json(text)?;
                for path in unset {
                    let (outer, name) = parted(path);
                    let inner = file.get_mut(outer).and_then(Value::as_object_mut);
                    let is_empty = inner.is_some_and(|inner| {
                        inner.remove(name);
                        inner.is_empty()
                    });
                    if is_empty {
                        file.remove(outer);
                    }
                }
                for (path, value) in set {
                    let (outer, name) = parted(path);
                    let inner = file.entry(outer).or_insert_with(|| Value::Object(Map::new()));
                    let Value::Object(inner) = inner else {
                        return Err(NoFields(format!("`{outer}` is no object")));
                    };
                    inner.insert(name.to_owned(), value.clone());
                }
                Ok(serde_json::to_string_pretty(&file).unwrap_or_default() + "\n")
            }
        }
    }
}

fn json(text: &str) -> Result<Map<String, Value>, NoFields> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(file)) => Ok(file),
        Ok(_) => Err(NoFields("it is no JSON object".to_owned())),
        Err(error) => Err(NoFields(format!("it is no JSON: {error}"))),
    }
}

fn parted(path: &str) -> (&str, &str) {
    path.split_once('.').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_wrote_into_json_stays() {
        let theirs = r#"{ "policies": { "DisableTelemetry": true, "Homepage": { "URL": "https://acme.example" } } }"#;
        let set = [("policies.RelaunchRequired".to_owned(), json!({ "NotificationPeriodHours": 48 }))].into();
        let merged = Shared::Json.merged(theirs, &set, &BTreeSet::new()).unwrap();
        let fields = Shared::Json.read(&merged).unwrap();
        assert_eq!(fields["policies.DisableTelemetry"], json!(true));
        assert_eq!(fields["policies.RelaunchRequired"], json!({ "NotificationPeriodHours": 48 }));
        let gone = Shared::Json.merged(&merged, &Fields::new(), &set.into_keys().collect()).unwrap();
        assert_eq!(Shared::Json.read(&gone).unwrap(), Shared::Json.read(theirs).unwrap());
    }

    #[test]
    fn a_file_that_is_no_json_is_not_written_over() {
        for text in ["{ not json", "[1]"] {
            assert!(Shared::Json.merged(text, &Fields::new(), &BTreeSet::new()).is_err(), "{text}");
        }
    }
}
