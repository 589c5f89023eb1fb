//! Asking a source and reading what it answers.

use super::asking::{self, Asking, Listed};
use super::data::{ListState, Mark, Stored};
use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use refit_connect::systems::{AskError, Client};
use refit_core::facts::{
    FieldRef,
    estate::Unfit,
    mapping::{
        self, Connector, Maps, Quarantined, Record, Uncovered, Unlisted,
        document::{ListDocument, PayloadKind},
    },
};
use serde_json::Value;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// After so long everything is read again where a system does not tell what was deleted.
const WHOLE_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// What of a source is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What has changed, of lists that were not asked so lately that they rest.
    WhatIsTime,
    /// What has changed, of all lists.
    Changes,
    /// Everything.
    Everything,
}

/// What a source answered.
#[derive(Default)]
pub struct Answer {
    pub records: Vec<Record>,
    pub quarantined: Vec<Quarantined>,
    /// By field and value how many records have it; without the value where that is sensitive.
    pub uncovered: BTreeMap<(String, Option<String>), usize>,
    /// What of each list did not fit.
    pub unfit: BTreeMap<SmolStr, Unfit>,
    /// Fields of which an answer alone is kept, and what for.
    pub purposes: BTreeMap<FieldRef, SmolStr>,
    /// What holds of whom a list does not name, by field.
    pub unlisted: BTreeMap<FieldRef, Unlisted>,
    /// The kinds of records that were read as a whole.
    pub whole: BTreeSet<SmolStr>,
    /// The kinds of which records say only what has changed of them.
    pub partial: BTreeSet<SmolStr>,
    /// The kinds of records that a list gives which was not asked.
    pub resting: BTreeSet<SmolStr>,
    /// The kinds of records of which nothing was ever read, since the system does not give them.
    pub refused: BTreeSet<SmolStr>,
    /// Where the next reading of changes begins, by list.
    pub marks: BTreeMap<SmolStr, Mark>,
    /// Lists of which that is not known any more.
    pub unmarked: BTreeSet<SmolStr>,
    /// Whether it is a file, which has no lists.
    pub is_file: bool,
    /// Lists that were asked for, and whether for all that there is.
    pub asked: BTreeMap<SmolStr, bool>,
    /// What whoever runs this should know of how it was read.
    pub notes: Vec<String>,
    pub requests: u32,
    pub pages: u32,
}

impl Answer {
    /// Which kinds of records were read whole, and which not at all, of the lists that were asked for.
    fn sum_up(&mut self, lists: &BTreeMap<String, ListDocument>) {
        self.whole = whole_kinds(lists, &self.asked);
        let resting = lists.iter().filter(|(name, _)| !self.asked.contains_key(name.as_str()));
        self.resting = resting.flat_map(|(_, list)| &list.gives).map(|kind| kind.as_str().into()).collect();
    }

    /// Takes in a page of a list; a file has none.
    fn take(
        &mut self,
        list: &str,
        connector: &Connector,
        payload: impl AsRef<[u8]>,
        maps: &Maps,
    ) -> Result<usize, String> {
        let reading = match connector.document.lists.get(list) {
            Some(of) => mapping::read_page(connector, &of.gives, payload, maps),
            None => mapping::read(connector, payload, maps),
        };
        let reading = reading.map_err(|unreadable| {
            let mut said = format!("{}: {}", unreadable.message, unreadable.label);
            // Of what there is to expect the documentation tells; that the answer is none of it at all is told here.
            if let Some(help) = unreadable.help.filter(|help| help.starts_with("it looks like")) {
                said += &format!("; {help}");
            }
            said
        })?;
        let count = reading.records.len() + reading.quarantined.len();
        self.unfit.entry(list.into()).or_default().note(&reading.quarantined, &reading.uncovered);
        self.records.extend(reading.records);
        self.quarantined.extend(reading.quarantined);
        for Uncovered { field, value, records, .. } in reading.uncovered {
            *self.uncovered.entry((field.to_string(), value)).or_default() += records;
        }
        Ok(count)
    }
}

/// Reads a source that is a file.
pub fn file(connector: &Connector, path: &Path, maps: &Maps) -> Result<Answer> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut answer = Answer { pages: 1, is_file: true, ..Answer::default() };
    // As they are: a property list may be binary.
    answer.take("", connector, &bytes, maps).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?;
    answer.whole = connector.document.records.iter().map(|records| records.records.as_str().into()).collect();
    Ok(answer)
}

/// Whether a connector reads a file. A query may read one too, of SQLite's.
pub fn is_file(connector: &Connector) -> bool {
    !matches!(connector.document.reads, PayloadKind::HttpJson | PayloadKind::Graphql | PayloadKind::Sql)
}

/// Asks a database for the rows of each query: for those that have changed where that is possible, and now and then for all.
pub fn database(
    connector: &Connector,
    asking: &Asking<'_>,
    file: Option<PathBuf>,
    maps: &Maps,
    stored: &Stored,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Answer> {
    let database = asking.database(file)?;
    let mut answer = Answer::default();
    for (name, list) in &connector.document.lists {
        let state = stored.lists.get(name.as_str());
        if wanted == Wanted::WhatIsTime && rests(stored, list, state, now) {
            continue;
        }
        let full = wanted == Wanted::Everything || due(stored, state, now);
        let began = Timestamp::now();
        let sql = list.sql.as_deref().unwrap_or_default();
        let (since, whole) = asking.since(list, stored.marks.get(name.as_str()), full);
        let answered = database.read(sql, since, &mut |text: &str| answer.take(name, connector, text, maps))?;
        answer.requests += answered.requests;
        answer.pages += answered.pages;
        if list.changes.is_some() {
            answer.marks.insert(name.as_str().into(), Mark::Since(began));
        }
        answer.asked.insert(name.as_str().into(), whole);
    }
    answer.sum_up(&connector.document.lists);
    Ok(answer)
}

/// Asks a system: for what has changed where that is possible, and now and then for everything.
pub fn system(
    connector: &Connector,
    asking: &Asking<'_>,
    maps: &Maps,
    stored: &Stored,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Answer> {
    let mut reader =
        Reader { connector, asking, maps, stored, client: Client::new(asking.system()?), answer: Answer::default() };
    let lists = &connector.document.lists;
    // Lists that are asked for each record of another come after that.
    let (inner, outer): (Vec<_>, Vec<_>) = lists.iter().partition(|(_, list)| list.for_each.is_some());
    // The ids of the records of each list that were found now, and whether these are all that there are.
    let mut ids: BTreeMap<&str, (BTreeSet<SmolStr>, bool)> = BTreeMap::new();
    // Why a list was not read that the system need not have.
    let mut without = None;
    for (name, list) in outer.into_iter().chain(inner) {
        let state = stored.lists.get(name.as_str());
        if wanted == Wanted::WhatIsTime && rests(stored, list, state, now) {
            ids.insert(name, (BTreeSet::new(), false));
            continue;
        }
        let full = wanted == Wanted::Everything || due(stored, state, now);
        let (of_whom, all): (Vec<Option<SmolStr>>, bool) = match &list.for_each {
            None => (vec![None], true),
            Some(of) => {
                let (found, all) = match (ids.get(of.as_str()), lists.get(of.as_str())) {
                    (Some((found, true)), _) => (found.clone(), true),
                    // All of it is wanted, and of the other list only what changed was: the rest is as it was known.
                    (Some((found, false)), Some(other)) if full => (&known(stored, other) | found, true),
                    (Some((found, false)), _) => (found.clone(), false),
                    (None, _) => {
                        bail!("the list `{name}` is asked for each record of `{of}`, and there is no such list")
                    }
                };
                (found.into_iter().map(Some).collect(), all)
            }
        };
        let (first, pages) = (reader.answer.records.len(), reader.answer.pages);
        let whole = match reader.list(name, list, &of_whom, full) {
            Err(error) if list.optional && state.is_none() && reader.answer.pages == pages && is_refusal(&error) => {
                reader.answer.notes.push(format!("{name}: nothing of it is read: {error}"));
                reader.answer.refused.extend(list.gives.iter().map(|kind| SmolStr::from(kind.as_str())));
                ids.insert(name, (BTreeSet::new(), false));
                without = Some(error);
                continue;
            }
            whole => whole?,
        };
        let found = reader.answer.records.get(first..).unwrap_or_default();
        let found = found.iter().filter(|record| !record.deleted).map(|record| record.id.clone()).collect();
        // Of a list that was asked for some records only, the others are not gone.
        ids.insert(name, (found, whole && all));
        reader.answer.asked.insert(name.as_str().into(), whole && all);
    }
    let mut answer = reader.answer;
    if let Some(error) = without.filter(|_| answer.asked.is_empty()) {
        return Err(error);
    }
    answer.sum_up(lists);
    Ok(answer)
}

/// Whether a system refuses to give a list, or does not have it.
fn is_refusal(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<AskError>();
    matches!(error, Some(AskError::NotAllowed { status: 403, .. } | AskError::Refused { status: 404, .. }))
}

/// Whether a list was asked so lately that it is not asked again yet. Of a source that is not believed none rests.
fn rests(stored: &Stored, list: &ListDocument, state: Option<&ListState>, now: Timestamp) -> bool {
    let every = list.every.map(|every| every.0).filter(|_| stored.source.alarm.is_none());
    every.zip(state).is_some_and(|(every, state)| now.duration_since(state.asked) < every)
}

/// Whether all of a list is to be read again: it was not for a day, or the source is not believed.
fn due(stored: &Stored, state: Option<&ListState>, now: Timestamp) -> bool {
    let whole = state.and_then(|state| state.whole);
    stored.source.alarm.is_some() || whole.is_none_or(|whole| now.duration_since(whole) >= WHOLE_EVERY)
}

/// The ids of what is known of a list's kinds of records.
fn known(stored: &Stored, list: &ListDocument) -> BTreeSet<SmolStr> {
    let records = stored.source.records.values().filter(|kept| !kept.deleted);
    records.filter(|kept| list.gives.iter().any(|kind| *kind == kept.records)).map(|kept| kept.id.clone()).collect()
}

/// The kinds of records of which all was read: each list that gives them was, also where there are several.
fn whole_kinds(lists: &BTreeMap<String, ListDocument>, asked: &BTreeMap<SmolStr, bool>) -> BTreeSet<SmolStr> {
    let whole = |name: &str| asked.get(name).copied().unwrap_or_default();
    let mut kinds: BTreeMap<&str, bool> = BTreeMap::new();
    for (name, list) in lists {
        for kind in &list.gives {
            *kinds.entry(kind).or_insert(true) &= whole(name);
        }
    }
    kinds.into_iter().filter(|(_, whole)| *whole).map(|(kind, _)| kind.into()).collect()
}

struct Reader<'r> {
    connector: &'r Connector,
    asking: &'r Asking<'r>,
    maps: &'r Maps,
    stored: &'r Stored,
    client: Client,
    answer: Answer,
}

impl Reader<'_> {
    /// Reads a list, once for each id that is wanted. Whether it was asked for all that there is.
    fn list(&mut self, name: &str, list: &ListDocument, wanted: &[Option<SmolStr>], full: bool) -> Result<bool> {
        let mark = self.stored.marks.get(name);
        let mut whole = true;
        let mut gone = Vec::new();
        for id in wanted {
            let before = (self.answer.records.len(), self.answer.quarantined.len(), self.answer.uncovered.clone());
            let unfit = self.answer.unfit.get(name).cloned();
            match self.once(name, list, mark, id.as_deref(), full) {
                Ok(all) => whole &= all,
                // Whoever left since they were listed has nothing. If all have, it is the question that is wrong.
                Err(error @ AskError::Refused { status: 404 | 410, .. }) if id.is_some() => gone.push(error),
                // What says where the changes begin may be damaged, or too old for the system: then all of it is read.
                Err(error) if mark.is_some() && !full && worn(&error) => {
                    self.answer.records.truncate(before.0);
                    self.answer.quarantined.truncate(before.1);
                    self.answer.uncovered = before.2;
                    self.answer.unfit.insert(name.into(), unfit.unwrap_or_default());
                    self.answer.partial.retain(|kind| !list.gives.iter().any(|given| given == kind));
                    let what = "only what changed can't be had, so everything is read";
                    self.answer.notes.push(format!("{name}: {what}: {error}"));
                    whole &= self.once(name, list, None, id.as_deref(), true)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if gone.len() == wanted.len()
            && let Some(error) = gone.into_iter().next()
        {
            return Err(error.into());
        }
        Ok(whole)
    }

    /// Asks one question. Whether it was for all that there is.
    fn once(
        &mut self,
        name: &str,
        list: &ListDocument,
        mark: Option<&Mark>,
        id: Option<&str>,
        full: bool,
    ) -> Result<bool, AskError> {
        let began = Timestamp::now();
        let asked = self.asking.list(list, mark, full, id, began);
        let begun = match &asked.begins {
            // Its pages count as full ones: where the next is, they say themselves.
            Some(question) => Some(self.client.read(question, &mut |_| Ok(1))?),
            None => None,
        };
        let (answer, connector, maps) = (&mut self.answer, self.connector, self.maps);
        let mut questions = vec![asked.question.clone()];
        if let Some(listed) = &asked.listed {
            let (changed, requests) = ids(&mut self.client, listed)?;
            answer.requests += requests;
            let some_of = |ids: &[String]| {
                let mut question = asked.question.clone();
                question.query.push((listed.by.clone(), ids.join(",")));
                question
            };
            questions = changed.chunks(listed.at_once).map(some_of).collect();
        }
        let mut last = String::new();
        for question in &questions {
            let answered = self.client.read(question, &mut |text: &str| answer.take(name, connector, text, maps))?;
            answer.requests += answered.requests;
            answer.pages += answered.pages;
            last = answered.last;
        }
        answer.requests += begun.as_ref().map_or(0, |begun| begun.requests);
        if asked.partial {
            answer.partial.extend(list.gives.iter().map(|kind| SmolStr::from(kind.as_str())));
        }
        match asking::mark(list, &asked, begun.as_ref().map_or(&last, |begun| &begun.last), began) {
            Some(mark) => {
                answer.marks.insert(name.into(), mark);
            }
            None if list.changes.is_some() => {
                let why = "the last page does not say where the changes begin, so everything is read the next time";
                answer.notes.push(format!("{name}: {why}"));
                answer.unmarked.insert(name.into());
            }
            None => {}
        }
        Ok(asked.whole)
    }
}

/// The ids of what has changed, and how many requests it took to know them.
fn ids(client: &mut Client, listed: &Listed) -> Result<(Vec<String>, u32), AskError> {
    let mut ids = BTreeSet::new();
    let answered = client.read(&listed.question, &mut |text: &str| {
        let json: Value = serde_json::from_str(text).map_err(|error| format!("the answer is no JSON: {error}"))?;
        let id = |value: &Value| match value {
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        };
        let before = ids.len();
        match json.pointer(&listed.ids) {
            Some(Value::Object(entries)) => ids.extend(entries.keys().cloned()),
            Some(Value::Array(entries)) => ids.extend(entries.iter().filter_map(id)),
            Some(Value::Null) => {}
            _ => return Err(format!("the answer has no ids of what has changed at `{}`", listed.ids)),
        }
        Ok(ids.len() - before)
    })?;
    Ok((ids.into_iter().collect(), answered.requests))
}

/// Whether an error may come from where the changes begin.
fn worn(error: &AskError) -> bool {
    match error {
        AskError::Refused { status, .. } => (400..500).contains(status) && *status != 429,
        AskError::Elsewhere { .. }
        | AskError::NotUnderstood { .. }
        | AskError::NotAnswered { .. }
        | AskError::Stopped { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_two_lists_give_is_whole_when_both_are() {
        let list = |gives: &[&str]| {
            let gives: Vec<String> = gives.iter().map(|kind| (*kind).to_owned()).collect();
            serde_json::from_value::<ListDocument>(serde_json::json!({ "get": "/", "gives": gives })).unwrap()
        };
        let lists = BTreeMap::from([
            ("active".to_owned(), list(&["users", "teams"])),
            ("retired".to_owned(), list(&["users"])),
            ("rest".to_owned(), list(&["sites"])),
        ]);
        let whole = |asked: &[(&str, bool)]| {
            let asked = asked.iter().map(|(name, whole)| (SmolStr::from(*name), *whole)).collect();
            whole_kinds(&lists, &asked).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(whole(&[("active", true), ("retired", true)]), ["teams", "users"]);
        assert_eq!(whole(&[("active", true), ("retired", false), ("rest", true)]), ["sites", "teams"]);
        assert_eq!(whole(&[("retired", true)]), [""; 0]);
    }
}
