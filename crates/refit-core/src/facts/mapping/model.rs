//! What each system calls the fields of Refit's model, as pages for people: from the annotations of connectors. `docs/model/` holds
//! them; `cargo xtask generate` writes them.

use super::compile::Connector;
use super::document::{
    AssignmentDocument, ChangesDocument, ConnectorDocument, DetailedSourceDocument, KeySourceDocument, RecordsDocument,
    Subject,
};
use crate::facts::{Field, Fields, Kind, Root};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Said at the top of each page.
const GENERATED: &str =
    "<!-- Written by `cargo xtask generate` from connectors/*/connector.yaml: change these. -->\n\n";

/// The pages by their file names, for connectors in the order in which they are to be listed.
pub fn model_pages(connectors: &[&Connector], fields: &Fields) -> BTreeMap<String, String> {
    let documents: Vec<&ConnectorDocument> = connectors.iter().map(|connector| &connector.document).collect();
    let mut pages = BTreeMap::new();
    pages.insert("README.md".to_owned(), overview(&documents, fields));
    pages.insert("device.md".to_owned(), of_root(connectors, fields, Root::Device));
    pages.insert("person.md".to_owned(), of_root(connectors, fields, Root::Person));
    for connector in connectors {
        pages.insert(format!("{}.md", connector.document.connector), system(connector, fields));
    }
    pages
}

/// Fields that no system says: Refit works them out.
const OWN: [&str; 4] = ["device.id", "device.phase", "person.departments", "person.id"];

fn said_by_systems(fields: &Fields, root: Root) -> impl Iterator<Item = &Field> {
    fields.of(root).filter(|field| !OWN.contains(&field.name.to_string().as_str()))
}

fn overview(documents: &[&ConnectorDocument], fields: &Fields) -> String {
    let mut text = "# The model, and what other systems call it\n\n".to_owned() + GENERATED;
    text += "One field of Refit's model has another name in each system, another freshness, and often another meaning. These pages say so,\n\
             field by field ([device](device.md), [person](person.md)) and system by system. *Whom to believe* is for an organisation to say,\n\
             in `authority:` of its `refit.yaml`; who is named as owner there is whom a conflict is for.\n\n";
    text +=
        "`●` it says the field. `–` it has nothing of the kind, and its page says why. An empty place: not read.\n\n";
    let names: Vec<String> =
        documents.iter().map(|document| format!("[{}]({}.md)", cell(&document.name), document.connector)).collect();
    let _ = writeln!(text, "| | {} |\n| --- |{}", names.join(" | "), " --- |".repeat(names.len()));
    let mut row = |name: String, of: &dyn Fn(&ConnectorDocument) -> &'static str| {
        let marks: Vec<&str> = documents.iter().map(|document| of(document)).collect();
        let _ = writeln!(text, "| {name} | {} |", marks.join(" | "));
    };
    for root in [Root::Device, Root::Person] {
        for field in said_by_systems(fields, root) {
            let name = field.name.to_string();
            row(format!("[`{name}`]({}.md#{})", root.name(), anchor(&name)), &|document| {
                if document.records.iter().any(|records| records.fields.contains_key(&name)) {
                    "●"
                } else if document.none.contains_key(&name) {
                    "–"
                } else {
                    ""
                }
            });
        }
    }
    let mark = |there: bool| if there { "●" } else { "" };
    row("what is installed".to_owned(), &|document| mark(document.records.iter().any(|it| !it.installs.is_empty())));
    row("whose a device is".to_owned(), &|document| {
        let assigned = |it: &RecordsDocument| it.relations.iter().any(|it| it.relation.name() == "assigned");
        mark(document.records.iter().any(assigned))
    });
    row("who manages whom".to_owned(), &|document| {
        let manager = |it: &RecordsDocument| it.relations.iter().any(|it| it.relation.name() == "manager");
        mark(document.records.iter().any(manager))
    });
    row("only what has changed".to_owned(), &|document| mark(document.lists.values().any(|it| it.changes.is_some())));
    row("that something is gone".to_owned(), &|document| mark(document.records.iter().any(|it| it.deleted.is_some())));
    text += "\nWhat is gone without a word is found where all of a list is read: once a day at least.\n\n\
             Besides these, calendars (iCalendar) say days on which nothing may be changed, and no fact of a device or person: `refit import calendar` makes\n\
             freezes of them ([policy](../reference/policy.md)). Identity providers that tell by themselves (SCIM 2.0) say the facts that\n\
             [their guide](../guides/scim.md#what-becomes-of-it) lists; they tell what changes, and what is gone, when it happens.\n";
    text
}

/// The page of devices or of people.
fn of_root(connectors: &[&Connector], fields: &Fields, root: Root) -> String {
    let mut text = format!("# What systems call the fields of a {}\n\n", root.name()) + GENERATED;
    for field in said_by_systems(fields, root) {
        let name = field.name.to_string();
        let _ = writeln!(text, "## {name}\n\n{} It is {}{}.\n", field.doc, field.kind.described(), values(field));
        let mut rows = String::new();
        for connector in connectors {
            let document = &connector.document;
            for records in &document.records {
                let Some(source) = records.fields.get(&name) else { continue };
                let source = source.detailed();
                let _ = writeln!(
                    rows,
                    "| [{}]({}.md), {} | {} | {} | {} | {} | {} |",
                    cell(&document.name),
                    document.connector,
                    cell(&records.records),
                    code(&source.from.0),
                    cell(&written(&source, field)),
                    cell(source.fresh.as_deref().or(records.fresh.as_deref()).unwrap_or_default()),
                    cell(source.owner.as_deref().or(records.owner.as_deref()).unwrap_or_default()),
                    cell(&differs(&source, connector.purpose(&records.records, &name))),
                );
            }
        }
        if rows.is_empty() {
            text += "No system says it.\n\n";
        } else {
            text += "| system | its name there | how it is read | how fresh | owner | what differs |\n| --- | --- | --- | --- | --- | --- |\n";
            text += &rows;
            text.push('\n');
        }
        let without: Vec<String> = connectors
            .iter()
            .map(|connector| &connector.document)
            .filter_map(|document| Some(format!("- {}: {}", document.name, document.none.get(&name)?)))
            .collect();
        if !without.is_empty() {
            let _ = writeln!(text, "Without it:\n\n{}\n", without.join("\n"));
        }
    }
    text.trim_end().to_owned() + "\n"
}

/// The page of one system.
fn system(connector: &Connector, fields: &Fields) -> String {
    let document = &connector.document;
    let mut text = format!("# {}\n\n", document.name) + GENERATED;
    if let Some(about) = &document.about {
        let _ = writeln!(text, "{}\n", one_line(about));
    }
    for page in &document.docs {
        let _ = writeln!(text, "- <{page}>");
    }
    if !document.docs.is_empty() {
        text.push('\n');
    }
    if !document.lists.is_empty() {
        text += "| list | asked at | gives | only what has changed | not more often than |\n| --- | --- | --- | --- | --- |\n";
        for (name, list) in &document.lists {
            let at = list.sql.as_ref().unwrap_or(&list.get);
            let changes = match &list.changes {
                None => "no: all of it each time",
                Some(ChangesDocument::Since(it)) if it.tells_deletions => "since a time, with deletions",
                Some(ChangesDocument::Since(_)) => "since a time; deletions once a day",
                Some(ChangesDocument::Listed(_)) => "since a time, by a list of ids; deletions once a day",
                Some(ChangesDocument::Delta(it)) if it.tells_deletions => "by a token, with deletions",
                Some(ChangesDocument::Delta(_)) => "by a token; deletions once a day",
            };
            let name = if list.optional { format!("{name}, where there is one") } else { name.clone() };
            let every = list.every.as_ref().map(|every| duration(every.0.as_secs())).unwrap_or_default();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {changes} | {every} |",
                cell(&name),
                code(at),
                cell(&list.gives.join(", "))
            );
        }
        text.push('\n');
    }
    for records in &document.records {
        text += &self::records(connector, records, fields);
    }
    if !document.none.is_empty() {
        text += "## What it has nothing of\n\n| field | why |\n| --- | --- |\n";
        for (field, why) in &document.none {
            let _ = writeln!(text, "| `{field}` | {} |", cell(why));
        }
        text.push('\n');
    }
    if !document.unused.is_empty() {
        text += "## What of it is not read\n\n| there | why |\n| --- | --- |\n";
        for (field, why) in &document.unused {
            let _ = writeln!(text, "| {} | {} |", code(field), cell(why));
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

fn records(connector: &Connector, records: &RecordsDocument, fields: &Fields) -> String {
    let of = if records.of == Subject::Device { "a device" } else { "a person" };
    let mut text = format!("## {}: {of}\n\n", records.records);
    if let Some(meaning) = &records.meaning {
        let _ = writeln!(text, "{}\n", one_line(meaning));
    }
    let owner = records.owner.as_deref().map(|owner| format!("Owner: {owner}."));
    let fresh = records.fresh.as_deref().map(|fresh| format!("How fresh: {}", one_line(fresh)));
    let said: Vec<String> = owner.into_iter().chain(fresh).collect();
    if !said.is_empty() {
        let _ = writeln!(text, "{}\n", said.join(" "));
    }
    text += "| | there | how it is read | what differs |\n| --- | --- | --- | --- |\n";
    let mut row = |what: &str, there: &str, read: &str, differs: &str| {
        let _ = writeln!(text, "| {what} | {} | {} | {} |", code(there), cell(read), cell(differs));
    };
    row("id", &records.id.0, "", "");
    if let Some(when) = &records.when {
        row("which records", &when.0, "a condition", "");
    }
    if let Some(observed) = &records.observed {
        let observed = observed.detailed();
        row(
            "observed",
            &observed.from.0,
            observed.time.as_deref().unwrap_or_default(),
            observed.meaning.as_deref().unwrap_or_default(),
        );
    }
    if let Some(deleted) = &records.deleted {
        row("gone", &deleted.0, "a condition", "");
    }
    for (kind, key) in &records.keys {
        let (from, strong_if, meaning) = key_parts(key);
        let read = strong_if.map(|condition| format!("identifies where {condition}")).unwrap_or_default();
        row(&format!("key `{kind}`"), from, &read, meaning);
    }
    for (name, source) in &records.fields {
        let source = source.detailed();
        let field = fields.iter().find(|field| field.name.to_string() == *name);
        let read = field.map(|field| written(&source, field)).unwrap_or_default();
        row(&format!("`{name}`"), &source.from.0, &read, &differs(&source, connector.purpose(&records.records, name)));
    }
    for (name, value) in &records.unlisted {
        row(&format!("`{name}` of whom it does not name"), "", &value.to_string(), "");
    }
    for installs in &records.installs {
        let there = installs.each.as_ref().map_or("record", |each| each.0.as_str());
        let read = match (installs.complete, &installs.complete_if) {
            (true, _) => "all that is installed".to_owned(),
            (false, Some(all)) => format!("all that is installed where {}", all.0),
            (false, None) => "some of what is installed".to_owned(),
        };
        row("installs", there, &read, installs.meaning.as_deref().unwrap_or_default());
    }
    for relation in &records.relations {
        let keys: Vec<String> =
            relation.keys.iter().map(|(kind, key)| format!("{kind}: {}", key_parts(key).0)).collect();
        let how = match &relation.assignment {
            None => String::new(),
            Some(AssignmentDocument::Always(kind)) => kind.name().to_owned(),
            Some(AssignmentDocument::Detailed(source)) => source.from.0.clone(),
        };
        row(relation.relation.name(), &keys.join(", "), &how, relation.meaning.as_deref().unwrap_or_default());
    }
    if !records.sensitive.is_empty() {
        text += "\nSensitive: what it is itself is neither kept nor shown.\n\n| there | what the answer is for |\n| --- | --- |\n";
        for (place, purpose) in &records.sensitive {
            let _ = writeln!(text, "| {} | {} |", code(place), cell(purpose.as_deref().unwrap_or_default()));
        }
    }
    text + "\n"
}

fn key_parts(key: &KeySourceDocument) -> (&str, Option<&str>, &str) {
    match key {
        KeySourceDocument::From(from) => (&from.0, None, ""),
        KeySourceDocument::Detailed(key) => {
            (&key.from.0, key.strong_if.as_ref().map(|it| it.0.as_str()), key.meaning.as_deref().unwrap_or_default())
        }
    }
}

/// What the system means by a value, and of a sensitive one what its answer is kept for.
fn differs(source: &DetailedSourceDocument, purpose: Option<&SmolStr>) -> String {
    let kept = purpose.map(|purpose| format!("Sensitive: this answer alone is kept. What for: {purpose}"));
    source.meaning.clone().into_iter().chain(kept).collect::<Vec<_>>().join(" ")
}

/// How a value becomes one of the field.
fn written(source: &DetailedSourceDocument, field: &Field) -> String {
    let mut parts = Vec::new();
    if let Some(time) = &source.time {
        parts.push(format!("a time as {time}"));
    } else if field.kind == Kind::Time {
        parts.push("a time as RFC 3339, or a date".to_owned());
    }
    if !source.values.is_empty() {
        let values: Vec<String> = source
            .values
            .iter()
            .map(|(theirs, ours)| format!("{theirs} → {}", ours.as_deref().unwrap_or("nothing")))
            .collect();
        parts.push(values.join(", "));
    }
    if let Some(otherwise) = &source.otherwise {
        parts.push(format!("anything else → {otherwise}"));
    }
    if !source.never.is_empty() {
        parts.push(format!("nothing where it is {}", source.never.join(", ")));
    }
    parts.join("; ")
}

fn values(field: &Field) -> String {
    match (field.values.is_empty(), field.closed) {
        (true, _) => String::new(),
        (false, true) => format!(", one of {}", field.values.join(", ")),
        (false, false) => format!(", such as {}", field.values.iter().take(5).cloned().collect::<Vec<_>>().join(", ")),
    }
}

fn duration(seconds: i64) -> String {
    match seconds {
        seconds if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    one_line(text).replace('|', "\\|").replace('<', "&lt;")
}

/// A text as code in a cell of a table.
fn code(text: &str) -> String {
    let text = one_line(text).replace('|', "\\|");
    match (text.is_empty(), text.contains('`')) {
        (true, _) => String::new(),
        (false, false) => format!("`{text}`"),
        (false, true) => format!("`` {text} ``"),
    }
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    heading.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-').collect()
}
