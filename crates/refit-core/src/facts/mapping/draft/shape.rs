//! What a payload looks like: where its records are, and what they have.

use super::super::json::{Json, step};

/// The records of a payload.
pub struct Found<'j> {
    /// Where they are, as a JSON pointer.
    pub pointer: String,
    /// How many there are.
    pub count: usize,
    /// What they have, in the order in which it comes.
    pub leaves: Vec<Leaf<'j>>,
    /// Lists of objects in them.
    pub lists: Vec<Leaf<'j>>,
}

/// A part of a record that is no object.
pub struct Leaf<'j> {
    /// The keys that lead to it.
    pub path: Vec<&'j str>,
    /// The first value of it that is not null, or null.
    pub value: &'j Json<'j>,
}

/// So many records are looked at.
const RECORDS_MOST: usize = 50;
/// So deep: what lies deeper is mostly about something else.
const DEPTH_MOST: usize = 4;
/// So many parts of a record are listed.
const LEAVES_MOST: usize = 200;

/// The records of a payload: the first list of objects, in the outermost object that has one; else the payload itself.
pub fn records<'j>(json: &'j Json<'j>) -> Option<Found<'j>> {
    let mut level: Vec<(String, &Json<'_>)> = vec![(String::new(), json)];
    for _ in 0..DEPTH_MOST {
        let lists = level.iter().filter_map(|(pointer, json)| Some((pointer, objects(json)?)));
        // The one with the most records: beside it are mostly lists of errors and of links.
        if let Some((pointer, records)) = lists.rev().max_by_key(|(_, records)| records.len()) {
            return Some(found(pointer.clone(), records));
        }
        let inner = level.iter().filter_map(|(pointer, json)| Some((pointer, entries(json)?)));
        level = inner
            .flat_map(|(pointer, entries)| {
                entries.iter().map(move |(key, value)| (format!("{pointer}/{}", step(key)), value))
            })
            .collect();
    }
    matches!(json, Json::Object(entries) if !entries.is_empty()).then(|| found(String::new(), vec![json]))
}

fn entries<'j>(json: &'j Json<'j>) -> Option<&'j [(std::borrow::Cow<'j, str>, Json<'j>)]> {
    match json {
        Json::Object(entries) => Some(entries),
        _ => None,
    }
}

/// The objects of a list that has nothing else.
pub fn objects<'j>(json: &'j Json<'j>) -> Option<Vec<&'j Json<'j>>> {
    let Json::List(items) = json else { return None };
    let objects: Vec<&Json<'_>> = items.iter().filter(|item| matches!(item, Json::Object(_))).collect();
    (!objects.is_empty() && objects.len() == items.len()).then_some(objects)
}

fn found<'j>(pointer: String, all: Vec<&'j Json<'j>>) -> Found<'j> {
    let count = all.len();
    let records: Vec<&Json<'_>> = all.into_iter().take(RECORDS_MOST).collect();
    let (leaves, lists) = parts(&records);
    Found { pointer, count, leaves, lists }
}

/// What objects have, and the lists of objects in them.
pub fn parts<'j>(records: &[&'j Json<'j>]) -> (Vec<Leaf<'j>>, Vec<Leaf<'j>>) {
    let (mut leaves, mut lists) = (Vec::new(), Vec::new());
    for record in records {
        collect(record, &mut Vec::new(), &mut leaves, &mut lists);
    }
    // An object that is null in some records is no part of its own.
    let paths: Vec<Vec<&str>> = leaves.iter().chain(&lists).map(|leaf| leaf.path.clone()).collect();
    let is_around = |path: &[&str]| paths.iter().any(|other| other.len() > path.len() && other.starts_with(path));
    leaves.retain(|leaf| *leaf.value != Json::Null || !is_around(&leaf.path));
    (leaves, lists)
}

fn collect<'j>(json: &'j Json<'j>, path: &mut Vec<&'j str>, leaves: &mut Vec<Leaf<'j>>, lists: &mut Vec<Leaf<'j>>) {
    let Some(entries) = entries(json) else { return };
    for (key, value) in entries {
        path.push(key);
        if matches!(value, Json::Object(_)) && path.len() < DEPTH_MOST {
            collect(value, path, leaves, lists);
        } else {
            let into = if objects(value).is_some() { &mut *lists } else { &mut *leaves };
            let known = into.iter().position(|leaf| leaf.path == *path);
            match known {
                Some(index) => {
                    let unsaid = into.get_mut(index).filter(|leaf| *leaf.value == Json::Null);
                    unsaid.into_iter().for_each(|leaf| leaf.value = value);
                }
                None if into.len() < LEAVES_MOST => into.push(Leaf { path: path.clone(), value }),
                None => {}
            }
        }
        path.pop();
    }
}

/// Words that CEL keeps for itself.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

impl Leaf<'_> {
    /// As an expression over what `name` stands for; `None` where a key can't be written in one.
    pub fn expression(&self, name: &str) -> Option<String> {
        let mut text = name.to_owned();
        for key in &self.path {
            let mut letters = key.chars();
            let plain = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !RESERVED.contains(key);
            if plain {
                text.push('.');
                text.push_str(key);
            } else if key.chars().all(|c| !c.is_control() && c != '"' && c != '\\') {
                text.push_str(&format!("[\"{key}\"]"));
            } else {
                return None;
            }
        }
        Some(text)
    }
}
