//! Conditions on business events (docs/decisions/0161-filters-of-events-are-conditions.md).

use super::{
    cloud::CloudEvent,
    kinds::{Department, Kind},
};
use crate::{
    facts::{FieldRef, Fields, Lookup, Value},
    policy::expr::{Expr, Scope, compile},
};
use smol_str::SmolStr;
use std::{borrow::Cow, fmt};

/// How long a filter may be, in bytes: each event is held against it.
const BYTES_MOST: usize = 8_192;

/// A condition on business events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter(Passes);

/// What passes.
#[derive(Clone, Debug, Default, PartialEq)]
enum Passes {
    #[default]
    All,
    Where(Box<Expr>),
}

/// All that is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    /// What, where and what to do, one line for each mistake.
    pub mistakes: Vec<String>,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mistakes.join("; "))
    }
}

impl Filter {
    /// Reads a filter; an empty text lets everything pass. What is probably not meant as it is written (a type that there is not) is a mistake
    /// too: nobody reads warnings of a filter.
    pub fn read(text: &str) -> Result<Filter, FilterError> {
        if text.trim().is_empty() {
            return Ok(Filter::default());
        }
        if text.len() > BYTES_MOST {
            return Err(FilterError { mistakes: vec![format!("a filter has at most {BYTES_MOST} bytes")] });
        }
        let departments: Vec<&'static str> = Department::ALL.iter().map(|department| department.name()).collect();
        let fields = Fields::of_events(Kind::NAMES, &departments);
        let (expr, findings) = match compile(text, &Scope::event(&fields)) {
            Ok(expr) => {
                let warnings = expr.warnings().to_vec();
                (Some(expr), warnings)
            }
            Err(findings) => (None, findings),
        };
        if let Some(expr) = expr
            && findings.is_empty()
        {
            return Ok(Filter(Passes::Where(Box::new(expr))));
        }
        let said = findings.iter().map(|finding| {
            let column = text.get(..finding.range.start).map_or(0, |before| before.chars().count()) + 1;
            let help = finding.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
            format!("column {column}: {}: {}{help}", finding.message, finding.label)
        });
        Err(FilterError { mistakes: said.collect() })
    }

    /// Whether an event passes: whether the condition surely holds. `since` and `until` count from when the event was written down, so that the
    /// answer is always the same.
    pub fn passes(&self, event: &CloudEvent) -> bool {
        match &self.0 {
            Passes::All => true,
            Passes::Where(expr) => expr.truth(&Asked(event), event.time).is_true(),
        }
    }
}

/// An event that is asked for its fields.
struct Asked<'e>(&'e CloudEvent);

impl Lookup for Asked<'_> {
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        let event = self.0;
        let value = match field.name.as_str() {
            "type" => Value::text(&event.r#type),
            "department" => Value::text(event.department.name()),
            "subject" => Value::text(event.subject.as_ref()?),
            "time" => Value::Time(event.time),
            "devices" => Value::List(event.devices().into_iter().map(SmolStr::new).collect()),
            name => said(event.data.get(name)?)?,
        };
        Some(Cow::Owned(value))
    }
}

/// A value of the data; a text that is a time is read as one where the field is one ([`Value::into_kind`]).
fn said(value: &serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => Value::Int(number.as_i64()?),
        serde_json::Value::String(text) => Value::text(text),
        serde_json::Value::Array(list) => {
            Value::List(list.iter().filter_map(serde_json::Value::as_str).map(SmolStr::new).collect())
        }
        serde_json::Value::Null | serde_json::Value::Object(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::business::{Data, Derived, StandingData};
    use crate::decide::Compliance;
    use jiff::Timestamp;

    fn event(kind: Kind, kev: bool, due: &str) -> CloudEvent {
        let data = StandingData {
            title: "firefox".to_owned(),
            branch: None,
            profile: None,
            was: Compliance::Due,
            compliance: Compliance::Overdue,
            due: Some(due.parse().unwrap()),
            was_due: Some(due.parse().unwrap()),
            obligations: vec!["CVE-2026-1111".to_owned()],
            kev,
            count: 2,
            devices: vec!["d1".to_owned(), "d2".to_owned()],
        };
        let at: Timestamp = "2026-11-27T08:00:00Z".parse().unwrap();
        CloudEvent::new(7, 0, at, &Derived { kind, subject: None, data: Data::Standing(data) }).unwrap()
    }

    #[test]
    fn a_filter_asks_attributes_and_data() {
        let event = event(Kind::DeviceOverdue, true, "2026-11-26T08:00:00Z");
        for (text, passes) in [
            ("", true),
            ("false", false),
            (r#"event.type == "device.overdue""#, true),
            (r#"event.type == "device.due""#, false),
            (r#"event.department in ["compliance", "security"] && event.kev"#, true),
            (r#""d2" in event.devices && event.count < 3"#, true),
            (r#"event.title == "firefox" && !event.kev"#, false),
            (r#"since(event.due) > duration("12h")"#, true),
            (r#"since(event.due) > duration("2d")"#, false),
            // What it does not say is unknown, and not known to hold.
            (r#"event.version == "1""#, false),
            (r#"event.version != "1""#, false),
            ("has(event.version)", false),
            (r#""CVE-2026-1111" in event.obligations"#, true),
        ] {
            assert_eq!(Filter::read(text).unwrap().passes(&event), passes, "{text}");
        }
    }

    #[test]
    fn a_filter_that_can_never_be_meant_is_refused_with_a_way_out() {
        for (text, said) in [
            (r#"event.type == "device.overdeu""#, "did you mean `device.overdue`?"),
            (r#"event.titel == "firefox""#, "did you mean `title`?"),
            (r#"device.platform == "macos""#, "events can be asked"),
            ("event.kev &&", "column"),
        ] {
            let error = Filter::read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let long = format!("event.kev{}", " || event.kev".repeat(1_000));
        assert!(Filter::read(&long).unwrap_err().to_string().contains("at most 8192 bytes"));
    }
}
