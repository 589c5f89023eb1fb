//! Asking a source and reading what it answers.

use super::asking::{Asking, mark};
use super::data::{Mark, Stored};
use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use refit_connect::systems::Client;
use refit_core::facts::mapping::{self, Connector, Maps, Quarantined, Record, Uncovered, document::PayloadKind};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// After so long everything is read again where a system does not tell what was deleted.
const WHOLE_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// What a source answered.
#[derive(Default)]
pub struct Answer {
    pub records: Vec<Record>,
    pub quarantined: Vec<Quarantined>,
    pub uncovered: BTreeMap<(String, String), usize>,
    /// The kinds of records that were read as a whole.
    pub whole: BTreeSet<SmolStr>,
    /// The kinds of which records say only what has changed of them.
    pub partial: BTreeSet<SmolStr>,
    pub marks: BTreeMap<SmolStr, Mark>,
    pub requests: u32,
    pub pages: u32,
}

impl Answer {
    fn take(&mut self, connector: &Connector, text: &str, maps: &Maps) -> Result<usize, String> {
        let reading = mapping::read(connector, text, maps).map_err(|unreadable| {
            let said = unreadable.label;
            format!("{}: {said}", unreadable.message)
        })?;
        let count = reading.records.len() + reading.quarantined.len();
        self.records.extend(reading.records);
        self.quarantined.extend(reading.quarantined);
        for Uncovered { field, value, records } in reading.uncovered {
            *self.uncovered.entry((field.to_string(), value)).or_default() += records;
        }
        Ok(count)
    }
}

/// Reads a source that is a file.
pub fn file(connector: &Connector, path: &Path, maps: &Maps) -> Result<Answer> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut answer = Answer { pages: 1, ..Answer::default() };
    let text = String::from_utf8_lossy(&bytes);
    answer.take(connector, &text, maps).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?;
    answer.whole = connector.document.records.iter().map(|records| records.records.as_str().into()).collect();
    Ok(answer)
}

/// Whether a connector reads a file.
pub fn is_file(connector: &Connector) -> bool {
    !matches!(connector.document.reads, PayloadKind::HttpJson | PayloadKind::Graphql)
}

/// Asks a system: for what has changed where that is possible, and now and then for everything.
pub fn system(
    connector: &Connector,
    asking: &Asking<'_>,
    maps: &Maps,
    stored: &Stored,
    full: bool,
    now: Timestamp,
) -> Result<Answer> {
    let mut client = Client::new(asking.system()?);
    let mut answer = Answer::default();
    let due = stored.whole.is_none_or(|whole| now.duration_since(whole) >= WHOLE_EVERY);
    let full = full || due || stored.source.alarm.is_some();
    let lists = &connector.document.lists;
    // Lists that are asked for each record of another come after that.
    let (inner, outer): (Vec<_>, Vec<_>) = lists.iter().partition(|(_, list)| list.for_each.is_some());
    let mut ids: BTreeMap<&str, Vec<SmolStr>> = BTreeMap::new();
    for (name, list) in outer.into_iter().chain(inner) {
        let began = Timestamp::now();
        let wanted: Vec<Option<SmolStr>> = match &list.for_each {
            None => vec![None],
            Some(of) => match ids.get(of.as_str()) {
                Some(ids) => ids.iter().cloned().map(Some).collect(),
                None => bail!("the list `{name}` is asked for each record of `{of}`, and there is no such list"),
            },
        };
        let first = answer.records.len();
        let mut whole = true;
        for id in wanted {
            let asked = asking.list(list, stored.marks.get(name.as_str()), full, id.as_deref());
            let begun = match &asked.begins {
                // Its pages count as full ones: where the next is, they say themselves.
                Some(question) => Some(client.read(question, &mut |_| Ok(1))?),
                None => None,
            };
            let mut page = |text: &str| answer.take(connector, text, maps);
            let answered = client.read(&asked.question, &mut page)?;
            answer.requests += answered.requests + begun.as_ref().map_or(0, |begun| begun.requests);
            answer.pages += answered.pages;
            if asked.partial {
                answer.partial.extend(list.gives.iter().map(|kind| SmolStr::from(kind.as_str())));
            }
            whole &= asked.whole;
            if let Some(mark) = mark(list, &asked, &begun.unwrap_or(answered).last, began) {
                answer.marks.insert(name.as_str().into(), mark);
            }
        }
        let found = answer.records.get(first..).unwrap_or_default();
        ids.insert(name, found.iter().map(|record| record.id.clone()).collect::<BTreeSet<_>>().into_iter().collect());
        if whole {
            answer.whole.extend(list.gives.iter().map(|kind| SmolStr::from(kind.as_str())));
        }
    }
    Ok(answer)
}
