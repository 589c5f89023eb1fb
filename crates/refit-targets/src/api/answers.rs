//! What is asked of a system, and what it answered.

use serde_json::Value;
use std::collections::BTreeMap;

/// A list, or one thing, that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    /// Its path on the system.
    pub path: String,
    /// Parameters of the address.
    pub query: Vec<(String, String)>,
    /// How the next page is asked for.
    pub pages: Pages,
    /// Whether there may be none: the status 404 is an empty answer then.
    pub optional: bool,
}

/// How the next page of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pages {
    /// There is one.
    #[default]
    One,
    /// By an address in the answer, at this JSON pointer.
    NextLink(&'static str),
    /// By a header `Link` with `rel="next"`.
    LinkHeader,
    /// By its number.
    Numbered {
        /// The parameter that holds the number.
        parameter: &'static str,
        /// The number of the first page.
        first: u32,
        /// The parameter that says how many records a page has.
        size_parameter: &'static str,
        /// How many.
        size: u32,
        /// Where it says how many records there are, as a JSON pointer.
        total: &'static str,
        /// Where the records of the page are, as a JSON pointer.
        records: &'static str,
    },
}

/// What a system answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pages: BTreeMap<Ask, Vec<String>>,
}

/// Why an answer is none that can be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct NotUnderstood {
    /// What was asked.
    pub path: String,
    /// What is wrong with the answer.
    pub why: String,
}

impl Ask {
    /// One thing.
    pub fn one(path: impl Into<String>) -> Ask {
        Ask { path: path.into(), ..Ask::default() }
    }

    /// A list with pages.
    pub fn list(path: impl Into<String>, pages: Pages) -> Ask {
        Ask { path: path.into(), pages, ..Ask::default() }
    }

    /// With a parameter.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Ask {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// There may be none.
    pub fn optional(self) -> Ask {
        Ask { optional: true, ..self }
    }

    fn wrong(&self, why: impl Into<String>) -> NotUnderstood {
        NotUnderstood { path: self.path.clone(), why: why.into() }
    }
}

impl Answers {
    /// The pages that were answered.
    pub fn put(&mut self, ask: Ask, pages: Vec<String>) {
        self.pages.insert(ask, pages);
    }

    /// Whether it was asked.
    pub fn has(&self, ask: &Ask) -> bool {
        self.pages.contains_key(ask)
    }

    /// The pages as texts; none where it was not asked, or where there was nothing.
    pub fn texts(&self, ask: &Ask) -> &[String] {
        self.pages.get(ask).map_or(&[], Vec::as_slice)
    }

    /// The records of all pages, which each has at a JSON pointer. A page without them is no answer: half a list is never taken for a whole
    /// one.
    pub fn records(&self, ask: &Ask, pointer: &str) -> Result<Vec<Value>, NotUnderstood> {
        let mut records = Vec::new();
        for text in self.texts(ask) {
            let mut page = json(ask, text)?;
            match page.pointer_mut(pointer).map(Value::take) {
                Some(Value::Array(page)) => records.extend(page),
                _ => return Err(ask.wrong(format!("the answer has no list at `{pointer}`"))),
            }
        }
        Ok(records)
    }

    /// The one thing that was asked for; `None` where there is none.
    pub fn one(&self, ask: &Ask) -> Result<Option<Value>, NotUnderstood> {
        self.texts(ask).first().map(|text| json(ask, text)).transpose()
    }
}

fn json(ask: &Ask, text: &str) -> Result<Value, NotUnderstood> {
    serde_json::from_str(text).map_err(|error| ask.wrong(format!("the answer is no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_those_of_all_pages_or_there_is_an_error() {
        let ask = Ask::list("/v1.0/groups", Pages::NextLink("/@odata.nextLink"));
        let mut answers = Answers::default();
        assert!(answers.records(&ask, "/value").unwrap().is_empty());
        answers.put(ask.clone(), vec![r#"{"value":[1,2]}"#.to_owned(), r#"{"value":[3]}"#.to_owned()]);
        assert_eq!(answers.records(&ask, "/value").unwrap(), [1, 2, 3]);
        for bad in ["{}", "<html>", r#"{"value":{}}"#] {
            answers.put(ask.clone(), vec![r#"{"value":[1]}"#.to_owned(), bad.to_owned()]);
            assert!(answers.records(&ask, "/value").is_err(), "{bad}");
        }
    }
}
