//! Witnesses: for each field a few values that stand for all that expressions tell apart.

use super::node::Comparison;
use super::satisfy::Chosen;
use crate::facts::{Field, Kind, Value};
use jiff::{SignedDuration, Timestamp};
use refit_model::{Scheme, Version};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Most values of list elements of which every combination is tried (2^7 lists).
const ELEMENTS_MAX: usize = 7;

/// Longest list or text that is made up to reach a size.
const SIZE_MAX: i64 = 32;

/// Most texts that are put together from beginnings, parts and ends.
const COMBINATIONS_MAX: usize = 200;

/// The values that are tried for one field.
#[derive(Debug)]
pub(super) struct Domain {
    pub candidates: Vec<Chosen>,
    /// Whether they stand for all values that the field can have.
    pub complete: bool,
}

/// What is asked of one field (of a list: of its elements, but for the sizes).
pub(super) struct Asked<'f> {
    pub field: Option<&'f Field>,
    pub kind: Kind,
    pub constants: Vec<Value>,
    pub starts: Vec<SmolStr>,
    pub ends: Vec<SmolStr>,
    pub parts: Vec<SmolStr>,
    pub patterns: Vec<String>,
    pub sizes: Vec<(Comparison, i64)>,
    /// Distances to now at which something changes: the field at `now + distance`.
    pub distances: BTreeSet<SignedDuration>,
    /// Whether `has` asks for it.
    pub has: bool,
    /// Whether anything else is asked, for which the witnesses are no more than a try.
    pub more: bool,
    /// Fields that it is compared with.
    pub beside: BTreeSet<usize>,
}

impl<'f> Asked<'f> {
    pub fn new(field: Option<&'f Field>, kind: Kind) -> Self {
        Self {
            field,
            kind,
            constants: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
            parts: Vec::new(),
            patterns: Vec::new(),
            sizes: Vec::new(),
            distances: BTreeSet::new(),
            has: false,
            more: false,
            beside: BTreeSet::new(),
        }
    }

    pub fn domain(&self, now: Timestamp) -> Domain {
        let (values, complete) = match self.kind {
            Kind::Bool => (vec![Value::Bool(true), Value::Bool(false)], true),
            Kind::Int => (self.whole_numbers(), !self.more),
            Kind::Float => (self.numbers(), !self.more),
            Kind::Version => (self.versions(), !self.more),
            Kind::Time => (self.times(now), !self.more),
            Kind::Text => {
                let (texts, complete) = self.texts();
                (texts.into_iter().map(Value::Text).collect(), complete)
            }
            Kind::List => self.lists(),
        };
        let mut candidates = Vec::new();
        for value in values {
            let chosen = Chosen::Value(value);
            if !candidates.contains(&chosen) {
                candidates.push(chosen);
            }
        }
        if self.has {
            candidates.push(Chosen::Absent);
        }
        Domain { candidates, complete }
    }

    fn whole_numbers(&self) -> Vec<Value> {
        let mut numbers = Vec::new();
        let mut near = BTreeSet::new();
        for constant in &self.constants {
            match constant {
                Value::Int(number) => {
                    numbers.push(*number);
                    near.extend([number.checked_sub(1), number.checked_add(1)].into_iter().flatten());
                }
                Value::Float(number) => near.extend(
                    [number.floor() as i64, number.ceil() as i64]
                        .into_iter()
                        .flat_map(|number| [number.checked_sub(1), Some(number), number.checked_add(1)])
                        .flatten(),
                ),
                _ => {}
            }
        }
        numbers.extend(near);
        if numbers.is_empty() {
            numbers.push(1);
        }
        if self.more {
            numbers.extend([0, 1, 2, -1]);
        }
        numbers.into_iter().map(Value::Int).collect()
    }

    fn numbers(&self) -> Vec<Value> {
        let (least, greatest) = self.field.and_then(|field| field.range).unwrap_or((f64::MIN, f64::MAX));
        let mut constants = self.constants.iter().filter_map(|constant| match constant {
            Value::Float(number) => Some(*number),
            Value::Int(number) => Some(*number as f64),
            _ => None,
        });
        let mut ordered = constants.by_ref().filter(|number| (least..=greatest).contains(number)).collect::<Vec<_>>();
        let mut numbers = ordered.clone();
        ordered.sort_by(f64::total_cmp);
        let limit = |number: f64| number.clamp(least, greatest);
        let above =
            ordered.last().map_or(1.0, |last| if greatest < f64::MAX { (last + greatest) / 2.0 } else { last + 1.0 });
        let below =
            ordered.first().map_or(0.0, |first| if least > f64::MIN { (least + first) / 2.0 } else { first - 1.0 });
        numbers.extend([limit(above), limit(below)]);
        numbers.extend(ordered.windows(2).filter_map(|pair| match pair {
            [one, two] if one < two => Some(one + (two - one) / 2.0),
            _ => None,
        }));
        numbers.extend([least, greatest].into_iter().filter(|limit| limit.abs() < f64::MAX));
        numbers.into_iter().map(Value::Float).collect()
    }

    fn versions(&self) -> Vec<Value> {
        let mut ordered = self
            .constants
            .iter()
            .filter_map(|constant| match constant {
                Value::Version(version) => Some(version.clone()),
                _ => None,
            })
            .collect::<Vec<_>>();
        let mut versions = ordered.clone();
        ordered.sort();
        let parse = |text: String| Version::parse(Scheme::Generic, &text).ok();
        let after = |version: &Version, tail: &str| parse(format!("{version}{tail}"));
        match ordered.last() {
            Some(last) => versions.extend(
                [next_whole(last.as_str()).and_then(parse), after(last, ".1")]
                    .into_iter()
                    .flatten()
                    .find(|version| version > last),
            ),
            None => versions.extend(parse("1.0".to_owned())),
        }
        for pair in ordered.windows(2) {
            let [one, two] = pair else { continue };
            let between = [".1", ".0.1", ".0.0.1"].into_iter().filter_map(|tail| after(one, tail));
            versions.extend(between.into_iter().find(|version| one < version && version < two));
        }
        if let Some(first) = ordered.first() {
            let lower = [
                previous_whole(first.as_str()),
                Some("0.1".to_owned()),
                Some("0.0.0.1".to_owned()),
                Some("0".to_owned()),
            ];
            versions.extend(lower.into_iter().flatten().filter_map(parse).find(|version| version < first));
        }
        versions.into_iter().map(Value::Version).collect()
    }

    fn times(&self, now: Timestamp) -> Vec<Value> {
        let constants = self.constants.iter().filter_map(|constant| match constant {
            Value::Time(time) => Some(*time),
            _ => None,
        });
        let mut thresholds = constants.collect::<BTreeSet<_>>();
        thresholds.extend(self.distances.iter().filter_map(|distance| now.checked_add(*distance).ok()));
        if thresholds.is_empty() || self.more {
            thresholds.insert(now);
        }
        around(&thresholds).into_iter().map(Value::Time).collect()
    }

    /// Texts, and whether they stand for all.
    fn texts(&self) -> (Vec<SmolStr>, bool) {
        let known = self.field.map(|field| field.values.as_slice()).unwrap_or_default();
        let closed = self.field.is_some_and(|field| field.closed);
        let constants = self.constants.iter().filter_map(|constant| match constant {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        });
        let mut texts = constants.collect::<Vec<_>>();
        if closed {
            // First those that are asked for: they make the better example.
            texts.retain(|text| known.contains(text));
            texts.extend(known.iter().cloned());
            return (texts, true);
        }
        let kinds_of_tests =
            [&self.starts, &self.ends, &self.parts].into_iter().filter(|tests| !tests.is_empty()).count();
        let mut complete = !self.more && self.sizes.is_empty() && kinds_of_tests <= 1 && self.parts.is_empty();
        let tested = |text: &str| {
            let starts = self.starts.iter().filter(|start| text.starts_with(start.as_str())).count();
            let ends = self.ends.iter().filter(|end| text.ends_with(end.as_str())).count();
            let parts = self.parts.iter().filter(|part| text.contains(part.as_str())).count();
            (starts, ends, parts)
        };
        let is_constant = |text: &str| self.constants.iter().any(|constant| *constant == Value::text(text));
        // For each test a text that passes it and those that it implies, and is no constant.
        for start in &self.starts {
            let like = ["1", "-other", "~"].into_iter().map(|tail| format!("{start}{tail}"));
            let found = like.into_iter().find(|text| !is_constant(text) && tested(text).0 == tested(start).0);
            complete &= found.is_some();
            texts.extend(found.map(SmolStr::from));
        }
        for end in &self.ends {
            let like = ["a", "other-", "~"].into_iter().map(|head| format!("{head}{end}"));
            let found = like.into_iter().find(|text| !is_constant(text) && tested(text).1 == tested(end).1);
            complete &= found.is_some();
            texts.extend(found.map(SmolStr::from));
        }
        let any = [SmolStr::default()];
        for start in self.starts.iter().chain(&any) {
            for part in self.parts.iter().chain(&any) {
                for end in self.ends.iter().chain(&any) {
                    if kinds_of_tests > 0 && texts.len() < COMBINATIONS_MAX {
                        texts.push(format!("{start}{part}{end}").into());
                    }
                }
            }
        }
        texts.extend(self.patterns.iter().map(|pattern| likely_match(pattern).into()));
        // Any other: a known one if there is, else one that passes no test.
        texts.extend(known.iter().find(|value| !is_constant(value) && tested(value) == (0, 0, 0)).cloned());
        let fresh =
            ["other", "another", "~", "0"].into_iter().filter(|text| !is_constant(text) && tested(text) == (0, 0, 0));
        let fresh = fresh.take(if self.more { 3 } else { 1 }).map(SmolStr::new_static).collect::<Vec<_>>();
        complete &= !fresh.is_empty();
        texts.extend(fresh);
        let reachable = self
            .sizes
            .iter()
            .flat_map(|(_, size)| [size - 1, *size, size + 1])
            .filter(|size| (0..=SIZE_MAX).contains(size));
        if self.kind == Kind::Text {
            texts.extend(reachable.map(|size| SmolStr::from("x".repeat(size as usize))));
        }
        (texts, complete)
    }

    /// Lists of the texts that elements can be, and whether they stand for all.
    fn lists(&self) -> (Vec<Value>, bool) {
        let elements = Asked { sizes: Vec::new(), ..self.elements() };
        let (mut texts, mut complete) = elements.texts();
        let mut unique = BTreeSet::new();
        texts.retain(|text| unique.insert(text.clone()));
        let mut lists: Vec<Vec<SmolStr>> = Vec::new();
        if texts.len() <= ELEMENTS_MAX {
            let all = 1u32 << texts.len();
            let subset = |bits: u32| {
                let chosen = texts.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0);
                chosen.map(|(_, text)| text.clone()).collect::<Vec<_>>()
            };
            lists.extend((0..all).map(subset));
            lists.sort_by_key(Vec::len);
        } else {
            complete = false;
            lists.push(Vec::new());
            lists.extend(texts.iter().map(|text| vec![text.clone()]));
            for (i, one) in texts.iter().enumerate().take(32) {
                lists.extend(texts.iter().take(i).map(|other| vec![other.clone(), one.clone()]));
            }
            lists.push(texts.clone());
        }
        let empty_or_not = |(comparison, size): &(Comparison, i64)| match comparison {
            Comparison::Equal | Comparison::NotEqual | Comparison::Greater | Comparison::LessOrEqual => *size == 0,
            Comparison::Less | Comparison::GreaterOrEqual => *size == 1,
        };
        if !self.sizes.iter().all(empty_or_not) {
            complete = false;
            for size in self.sizes.iter().flat_map(|(_, size)| [size - 1, *size, size + 1]) {
                if let Ok(size) = usize::try_from(size.min(SIZE_MAX)) {
                    let longer = lists.iter().filter(|list| list.len() < size).map(|list| {
                        let more = (list.len()..size).map(|i| SmolStr::from(format!("tag-{}", i + 1)));
                        list.iter().cloned().chain(more).collect::<Vec<_>>()
                    });
                    let longer = longer.collect::<Vec<_>>();
                    lists.extend(longer);
                }
            }
        }
        (lists.into_iter().map(Value::List).collect(), complete)
    }

    /// What is asked of the elements of a list.
    fn elements(&self) -> Asked<'f> {
        Asked {
            field: self.field,
            kind: Kind::List,
            constants: self.constants.clone(),
            starts: self.starts.clone(),
            ends: self.ends.clone(),
            parts: self.parts.clone(),
            patterns: self.patterns.clone(),
            sizes: Vec::new(),
            distances: BTreeSet::new(),
            has: false,
            more: self.more,
            beside: BTreeSet::new(),
        }
    }
}

/// `15` for `14.2`.
fn next_whole(version: &str) -> Option<String> {
    leading_number(version)?.checked_add(1).map(|number| number.to_string())
}

/// `13.9` for `14.2`.
fn previous_whole(version: &str) -> Option<String> {
    leading_number(version)?.checked_sub(1).map(|number| format!("{number}.9"))
}

fn leading_number(version: &str) -> Option<u64> {
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A text that a simple pattern matches; whether it does is seen when it is tried.
fn likely_match(pattern: &str) -> String {
    let mut text = pattern.trim_start_matches("(?i)").trim_start_matches('^').trim_end_matches('$').to_owned();
    for (sign, letters) in [("[0-9]", "1"), ("\\d", "1"), ("[a-z]", "a"), ("[A-Z]", "A"), ("\\w", "a"), ("\\.", "\0")] {
        text = text.replace(sign, letters);
    }
    let first = |text: &str| text.split('|').next().unwrap_or_default().trim_matches(['(', ')', '^', '$']).to_owned();
    let text = if text.contains('|') { first(&text) } else { text };
    text.replace(".*", "")
        .replace(".+", "x")
        .replace(['+', '*', '?', '(', ')'], "")
        .replace('.', "x")
        .replace('\0', ".")
}

/// Each of the instants, one between each two, one before and one after.
pub(super) fn around(thresholds: &BTreeSet<Timestamp>) -> Vec<Timestamp> {
    let day = SignedDuration::from_hours(24);
    let mut instants = thresholds.iter().copied().collect::<Vec<_>>();
    let ordered = instants.clone();
    instants.extend(ordered.last().and_then(|last| last.checked_add(day).ok()));
    instants.extend(ordered.first().and_then(|first| first.checked_sub(day).ok()));
    for pair in ordered.windows(2) {
        if let [one, two] = pair
            && let Ok(between) = one.checked_add(two.duration_since(*one) / 2)
            && between > *one
        {
            instants.push(between);
        }
    }
    instants
}
