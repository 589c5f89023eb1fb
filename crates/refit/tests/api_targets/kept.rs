//! What doubles of systems with an API have in common: lists of records that are kept, refusals that name their page, and bad days.

use super::server::{Answer, Asked};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Records by the list that they are in, in the order in which they were made.
#[derive(Default)]
pub struct Kept {
    lists: BTreeMap<String, BTreeMap<String, Value>>,
    numbers: u32,
    /// What was written, as method and path.
    pub writes: Vec<String>,
    /// What goes wrong, the next first.
    pub troubles: VecDeque<Trouble>,
}

/// Something that goes wrong once.
pub struct Trouble {
    /// With which requests.
    pub method: &'static str,
    /// On paths that begin so.
    pub path: &'static str,
    /// What happens.
    pub then: Do,
}

/// What goes wrong.
pub enum Do {
    /// It is refused with this status, and the word to come back after so many seconds.
    Refuse(u16, Option<u64>),
    /// It is done, and nothing is answered.
    LoseAnswer,
    /// It is done, and the answer has this status.
    AnswerWith(u16),
    /// Somebody else is quicker.
    ChangeFirst(fn(&mut Kept)),
}

/// Why something is refused: the status, the vendor's page that says so, and why.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub page: String,
    pub why: String,
}

pub fn no(status: u16, page: &str, why: &str) -> Refusal {
    Refusal { status, page: page.to_owned(), why: why.to_owned() }
}

impl Refusal {
    pub fn into_answer(self) -> Answer {
        let Refusal { status, page, why } = self;
        let body = json!({ "error": { "code": "BadRequest", "message": format!("{why} ({page})") } });
        Answer::Whole(status, vec![("content-type", "application/json".into())], body.to_string())
    }
}

pub fn answered(status: u16, wait: Option<u64>) -> Answer {
    let wait = wait.map(|seconds| ("retry-after", seconds.to_string()));
    let body = json!({ "error": { "code": "Bad day", "message": "as the test wants it" } });
    Answer::Whole(status, wait.into_iter().collect(), body.to_string())
}

impl Kept {
    pub fn all(&self, list: &str) -> impl Iterator<Item = &Value> {
        self.lists.get(list).into_iter().flat_map(BTreeMap::values)
    }

    pub fn count(&self, list: &str) -> usize {
        self.all(list).count()
    }

    /// Adds a record; gives it with its id.
    pub fn add(&mut self, list: &str, mut fields: Map<String, Value>) -> Value {
        self.numbers += 1;
        let id = format!("{:08}-0000-4000-8000-{:012}", self.numbers, self.numbers);
        fields.insert("id".to_owned(), id.clone().into());
        fields.insert("@odata.etag".to_owned(), "W/\"1\"".into());
        let record = Value::Object(fields);
        self.lists.entry(list.to_owned()).or_default().insert(id, record.clone());
        record
    }

    pub fn find(&mut self, list: &str, id: &str) -> Result<&mut Value, Refusal> {
        let found = self.lists.get_mut(list).and_then(|list| list.get_mut(id));
        found.ok_or_else(|| no(404, "/graph/errors", "the resource is not found"))
    }

    /// Changes fields of a record, as whoever it is.
    pub fn change(&mut self, list: &str, id: &str, fields: impl IntoIterator<Item = (String, Value)>) {
        let record = self.find(list, id).unwrap().as_object_mut().unwrap();
        record.extend(fields);
        let version = record["@odata.etag"]
            .as_str()
            .and_then(|it| it.trim_start_matches("W/\"").trim_end_matches('"').parse::<u32>().ok());
        record.insert("@odata.etag".to_owned(), format!("W/\"{}\"", version.unwrap_or(0) + 1).into());
    }

    /// Changes the record whose name begins so, by hand.
    pub fn by_hand(&mut self, list: &str, name: &str, field: &str, value: Value) {
        let called = |record: &&Value| {
            ["displayName", "name"].iter().any(|key| record[*key].as_str().is_some_and(|it| it.starts_with(name)))
        };
        let ids: Vec<String> =
            self.all(list).filter(called).map(|record| record["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 1, "{name}: {ids:?}");
        self.change(list, &ids[0], [(field.to_owned(), value)]);
    }

    pub fn gone(&mut self, list: &str, id: &str) -> Result<Answer, Refusal> {
        self.find(list, id)?;
        self.lists.get_mut(list).unwrap().remove(id);
        Ok(Answer::Whole(204, Vec::new(), String::new()))
    }

    /// Refuses what was meant for another version.
    pub fn versioned(&mut self, list: &str, id: &str, asked: &Asked) -> Result<(), Refusal> {
        let record = self.find(list, id)?;
        match asked.headers.get("if-match") {
            Some(version) if record["@odata.etag"] != version.as_str() => {
                Err(no(412, "/graph/errors", "the version is another by now"))
            }
            _ => Ok(()),
        }
    }

    /// What goes wrong with this request.
    pub fn trouble(&mut self, asked: &Asked) -> Option<Trouble> {
        let is_it = |trouble: &Trouble| trouble.method == asked.method && asked.path.starts_with(trouble.path);
        if self.troubles.front().is_some_and(is_it) { self.troubles.pop_front() } else { None }
    }

    pub fn bad_day(&mut self, method: &'static str, path: &'static str, then: Do) {
        self.troubles.push_back(Trouble { method, path, then });
    }
}

/// A page of records, with the address of the next one where there are more.
pub fn page_of(asked: &Asked, records: &[Value], size: usize) -> Answer {
    let from: usize = asked.query.get("$skiptoken").map_or(0, |from| from.parse().unwrap());
    let to = records.len().min(from + size);
    let mut page = json!({ "value": records[from..to] });
    if to < records.len() {
        // What was asked is in the address of the next page, encoded.
        let encoded = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let query: String = asked
            .query
            .iter()
            .filter(|(name, _)| *name != "$skiptoken")
            .map(|(name, value)| format!("{}={}&", encoded(name), encoded(value)))
            .collect();
        let next = format!("http://{}{}?{query}$skiptoken={to}", asked.headers["host"], asked.path);
        page["@odata.nextLink"] = next.into();
    }
    super::server::json(page)
}
