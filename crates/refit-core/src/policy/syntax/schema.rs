//! What may stand at a place, sorted by what was written there.
//!
//! A JSON Schema says it as alternatives of alternatives; here they are flattened, so that a mapping is only ever compared
//! with mappings, and a message speaks about what its author meant to write.

use super::format::Format;
use regex::Regex;
use std::fmt::Write as _;

/// Index of an [`Expected`] in a [`Schema`].
pub(super) type Id = usize;

/// All that a type expects; recursive types refer back.
#[derive(Clone, Debug, Default)]
pub(super) struct Schema {
    pub(super) all: Vec<Expected>,
}

/// What may stand at one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    /// Everything may.
    pub(super) any: bool,
    pub(super) null: bool,
    pub(super) boolean: bool,
    pub(super) numbers: Vec<Number>,
    pub(super) texts: Vec<Text>,
    pub(super) lists: Vec<List>,
    pub(super) maps: Vec<Map>,
    /// How to tell the alternatives of `maps` apart.
    pub(super) choice: Choice,
}

/// How to tell which of several mappings was meant.
#[derive(Clone, Debug, Default)]
pub(super) enum Choice {
    /// By how well the fields fit.
    #[default]
    Fit,
    /// By the text of a field that they all have; the texts, and the mapping that each stands for.
    Tag { field: String, values: Vec<(String, usize)> },
    /// By the only field that each of them has.
    OnlyField,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Number {
    pub(super) whole: bool,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) above: Option<f64>,
    pub(super) below: Option<f64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub(super) allowed: Option<Vec<String>>,
    pub(super) format: Option<Format>,
    pub(super) pattern: Option<Regex>,
    /// In characters.
    pub(super) min: usize,
    pub(super) max: Option<usize>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct List {
    /// What the first entries are, one by one.
    pub(super) first: Vec<Id>,
    /// What all others are; `None` where there are no others.
    pub(super) rest: Option<Id>,
    pub(super) min: usize,
    pub(super) max: Option<usize>,
    pub(super) unique: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    pub(super) fields: Vec<(String, Id)>,
    pub(super) required: Vec<String>,
    /// What fields are whose name matches.
    pub(super) patterns: Vec<(Regex, Id)>,
    /// What all other fields are; `None` where there are no others.
    pub(super) rest: Option<Id>,
    pub(super) min: usize,
}

impl Map {
    pub(super) fn field(&self, name: &str) -> Option<Id> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, id)| *id)
    }

    /// What stands under a key; `None` where no such key may be.
    pub(super) fn value(&self, name: &str) -> Option<Id> {
        let by_pattern = || self.patterns.iter().find(|(pattern, _)| pattern.is_match(name)).map(|(_, id)| *id);
        self.field(name).or_else(by_pattern).or(self.rest)
    }
}

impl Schema {
    pub(super) fn get(&self, id: Id) -> &Expected {
        const NOTHING: &Expected = &Expected {
            any: false,
            null: false,
            boolean: false,
            numbers: Vec::new(),
            texts: Vec::new(),
            lists: Vec::new(),
            maps: Vec::new(),
            choice: Choice::Fit,
        };
        self.all.get(id).unwrap_or(NOTHING)
    }

    /// What is expected, in words: "a duration or a mapping".
    pub(super) fn describe(&self, expected: &Expected) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut add = |word: String| {
            if !words.contains(&word) {
                words.push(word);
            }
        };
        let allowed: Vec<&str> =
            expected.texts.iter().filter_map(|t| t.allowed.as_ref()).flatten().map(String::as_str).collect();
        if !allowed.is_empty() {
            add(if allowed.len() <= 8 { one_of(&allowed) } else { "a known name".to_owned() });
        }
        for text in expected.texts.iter().filter(|text| text.allowed.is_none()) {
            add(text.format.map_or("a text", |format| format.noun).to_owned());
        }
        for number in &expected.numbers {
            add(if number.whole { "a whole number" } else { "a number" }.to_owned());
        }
        if expected.boolean {
            add("`true` or `false`".to_owned());
        }
        for list in &expected.lists {
            add(match list.rest {
                Some(rest) if list.first.is_empty() => {
                    self.plural(self.get(rest)).map_or("a list".to_owned(), |of| format!("a list of {of}"))
                }
                _ => "a list".to_owned(),
            });
        }
        if !expected.maps.is_empty() {
            add("a mapping".to_owned());
        }
        if expected.null && words.is_empty() {
            return "nothing".to_owned();
        }
        either(&words)
    }

    fn plural(&self, expected: &Expected) -> Option<String> {
        let kinds = [
            !expected.texts.is_empty(),
            !expected.numbers.is_empty(),
            !expected.lists.is_empty(),
            !expected.maps.is_empty(),
            expected.boolean,
        ];
        if expected.any || kinds.iter().filter(|kind| **kind).count() != 1 {
            return None;
        }
        Some(if expected.texts.iter().any(|text| text.allowed.is_some()) {
            "names".to_owned()
        } else if let [Text { format: Some(format), .. }] = expected.texts.as_slice() {
            let noun = format.noun.split_once(' ').map_or(format.noun, |(_, noun)| noun);
            format!("{noun}s")
        } else if !expected.texts.is_empty() {
            "texts".to_owned()
        } else if !expected.numbers.is_empty() {
            "numbers".to_owned()
        } else if !expected.lists.is_empty() {
            "lists".to_owned()
        } else if !expected.maps.is_empty() {
            "mappings".to_owned()
        } else {
            return None;
        })
    }
}

impl Number {
    /// The numbers that are allowed, in words: "a whole number from 1 to 10".
    pub(super) fn describe(&self) -> String {
        let mut words = if self.whole { "a whole number" } else { "a number" }.to_owned();
        let _ = match (self.min, self.max) {
            (Some(min), Some(max)) => write!(words, " from {min} to {max}"),
            (Some(min), None) => write!(words, ", at least {min}"),
            (None, Some(max)) => write!(words, ", at most {max}"),
            (None, None) => Ok(()),
        };
        if let Some(above) = self.above {
            let _ = write!(words, ", above {above}");
        }
        if let Some(below) = self.below {
            let _ = write!(words, ", below {below}");
        }
        words
    }

    pub(super) fn holds(&self, number: f64) -> bool {
        self.min.is_none_or(|min| number >= min)
            && self.max.is_none_or(|max| number <= max)
            && self.above.is_none_or(|above| number > above)
            && self.below.is_none_or(|below| number < below)
    }
}

/// "`a`, `b` or `c`".
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    either(&quoted)
}

/// "`a`, `b`, `c`".
pub(super) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn either(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [word] => word.clone(),
        [words @ .., last] => format!("{} or {last}", words.join(", ")),
    }
}
