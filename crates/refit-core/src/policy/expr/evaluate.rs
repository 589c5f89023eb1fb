//! Three-valued evaluation.

use super::Truth;
use super::node::{Comparison, Days, Node, Operation, Quantifier, TextTest};
use crate::facts::{Value, begins};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Most operations of one evaluation. Only quantifiers over long lists come near it; what takes more is unknown.
pub const STEPS_MAX: u32 = 200_000;

/// What a field is, by its number.
pub(super) trait Source {
    fn field(&self, index: usize) -> Found<'_>;

    /// Which fields say days, where the expression counts from or to one.
    fn days(&self) -> Option<&Days> {
        None
    }
}

/// The answer for a field.
pub(super) enum Found<'s> {
    /// It is known.
    Value(Cow<'s, Value>),
    /// Nobody knows it; `has` is false.
    Absent,
    /// It has not been chosen yet (in a search for an example); `has` is unknown too.
    Undecided,
}

/// One evaluation.
pub(super) struct Run<'s> {
    source: &'s dyn Source,
    now: Timestamp,
    /// Values of the variables of the quantifiers around, outermost first.
    elements: Vec<Element>,
    steps: u32,
    /// The fields that were looked at, where somebody wants to know.
    pub seen: Option<BTreeSet<usize>>,
}

/// What the variable of a quantifier stands for; `None` is unknown.
#[derive(Clone)]
pub(super) struct Element {
    value: Option<Value>,
    /// The same with days as they begin where the person is.
    begun: Option<Value>,
}

/// How days are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    /// As they are written, as their beginning in UTC: what they are compared with is written in the same way.
    Written,
    /// As they begin where the person is.
    Begun,
}

/// A value, or `None` for unknown.
type Known<'s> = Option<Cow<'s, Value>>;

impl<'s> Run<'s> {
    pub fn new(source: &'s dyn Source, now: Timestamp) -> Self {
        Self { source, now, elements: Vec::new(), steps: 0, seen: None }
    }

    /// Whether the condition `node` holds.
    pub fn truth(&mut self, node: &'s Node) -> Truth {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Truth::Unknown;
        }
        match node {
            Node::Not(node) => !self.truth(node),
            Node::And(nodes) => self.fold(nodes, Truth::False, Truth::True),
            Node::Or(nodes) => self.fold(nodes, Truth::True, Truth::False),
            Node::Compare(comparison, sides) => self.compare(*comparison, sides),
            Node::In(sides) => self.is_in(sides),
            Node::If(parts) => {
                let [condition, then, other] = parts.as_ref();
                match self.truth(condition) {
                    Truth::True => self.truth(then),
                    Truth::False => self.truth(other),
                    Truth::Unknown => match (self.truth(then), self.truth(other)) {
                        (one, two) if one == two => one,
                        _ => Truth::Unknown,
                    },
                }
            }
            Node::Has(index) => match self.field(*index) {
                Found::Value(_) => Truth::True,
                Found::Absent => Truth::False,
                Found::Undecided => Truth::Unknown,
            },
            Node::TextTest(test, sides) => {
                let [text, part] = sides.as_ref();
                let (Some(text), Some(part)) = (self.text(text), self.text(part)) else { return Truth::Unknown };
                Truth::from(match test {
                    TextTest::StartsWith => text.starts_with(part.as_str()),
                    TextTest::EndsWith => text.ends_with(part.as_str()),
                    TextTest::Contains => text.contains(part.as_str()),
                })
            }
            Node::Matches(text, pattern) => {
                self.text(text).map_or(Truth::Unknown, |text| Truth::from(pattern.is_match(&text)))
            }
            Node::Quantified(quantifier, parts) => self.quantified(*quantifier, parts),
            Node::Constant(_) | Node::Field(_) | Node::Element(_) => match self.value(node).as_deref() {
                Some(Value::Bool(truth)) => Truth::from(*truth),
                _ => Truth::Unknown,
            },
            Node::List(_)
            | Node::Arithmetic(..)
            | Node::Negate(_)
            | Node::Size(_)
            | Node::Lower(_)
            | Node::Since(_)
            | Node::Until(_) => Truth::Unknown,
        }
    }

    /// The value of `node`; for a list written out, use [`Run::elements_of`].
    pub fn value(&mut self, node: &'s Node) -> Known<'s> {
        self.read(node, Read::Written)
    }

    /// The value of `node` as `since` and `until` count from it: a day begins at midnight where the person is.
    pub fn begun(&mut self, node: &'s Node) -> Known<'s> {
        self.read(node, Read::Begun)
    }

    fn read(&mut self, node: &'s Node, how: Read) -> Known<'s> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return None;
        }
        match node {
            Node::Constant(value) => Some(Cow::Borrowed(value)),
            Node::Field(index) => match self.field(*index) {
                Found::Value(value) if how == Read::Begun => Some(self.in_zone(*index, value)),
                Found::Value(value) => Some(value),
                Found::Absent | Found::Undecided => None,
            },
            Node::Element(depth) => {
                let Element { value, begun } = self.elements.get(*depth)?;
                if how == Read::Begun { begun } else { value }.clone().map(Cow::Owned)
            }
            Node::If(parts) => {
                let [condition, then, other] = parts.as_ref();
                match self.truth(condition) {
                    Truth::True => self.read(then, how),
                    Truth::False => self.read(other, how),
                    Truth::Unknown => {
                        let value = self.read(then, how)?;
                        (value == self.read(other, how)?).then_some(value)
                    }
                }
            }
            Node::Arithmetic(operation, sides) => {
                let [left, right] = sides.as_ref();
                let left = self.read(left, how)?;
                let right = self.read(right, how)?;
                arithmetic(*operation, &left, &right).map(Cow::Owned)
            }
            Node::Negate(node) => match self.value(node)?.as_ref() {
                Value::Int(number) => number.checked_neg().map(Value::Int),
                Value::Float(number) => Some(Value::Float(-number)),
                Value::Duration(duration) => duration.checked_neg().map(Value::Duration),
                _ => None,
            }
            .map(Cow::Owned),
            Node::Size(node) => {
                self.size(node).and_then(|size| i64::try_from(size).ok()).map(Value::Int).map(Cow::Owned)
            }
            Node::Lower(node) => self.text(node).map(|text| Cow::Owned(Value::text(text.to_ascii_lowercase()))),
            Node::Since(node) => match self.begun(node)?.as_ref() {
                Value::Time(time) => Some(Cow::Owned(Value::Duration(self.now.duration_since(*time)))),
                _ => None,
            },
            Node::Until(node) => match self.begun(node)?.as_ref() {
                Value::Time(time) => Some(Cow::Owned(Value::Duration(time.duration_since(self.now)))),
                _ => None,
            },
            Node::List(_) => None,
            Node::Has(_)
            | Node::Not(_)
            | Node::And(_)
            | Node::Or(_)
            | Node::Compare(..)
            | Node::In(_)
            | Node::TextTest(..)
            | Node::Matches(..)
            | Node::Quantified(..) => self.truth(node).known().map(|truth| Cow::Owned(Value::Bool(truth))),
        }
    }

    fn field(&mut self, index: usize) -> Found<'s> {
        if let Some(seen) = &mut self.seen {
            seen.insert(index);
        }
        self.source.field(index)
    }

    /// Where a field says a day, when that begins in the person's zone: in UTC where nobody knows which that is.
    fn in_zone(&mut self, index: usize, value: Cow<'s, Value>) -> Cow<'s, Value> {
        let source = self.source;
        let (Some(days), Value::Time(day)) = (source.days(), value.as_ref()) else { return value };
        if !days.fields.contains(&index) {
            return value;
        }
        let Found::Value(zone) = source.field(days.zone) else { return value };
        let Value::Text(name) = zone.as_ref() else { return value };
        let Ok(zone) = TimeZone::get(name) else { return value };
        let begun = begins(*day, &zone);
        if let Some(seen) = self.seen.as_mut().filter(|_| begun != *day) {
            seen.insert(days.zone);
        }
        Cow::Owned(Value::Time(begun))
    }

    fn text(&mut self, node: &'s Node) -> Option<SmolStr> {
        match self.value(node)?.as_ref() {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// `decisive` as soon as one node is it, `otherwise` if all are that, else unknown.
    fn fold(&mut self, nodes: &'s [Node], decisive: Truth, otherwise: Truth) -> Truth {
        let mut result = otherwise;
        for node in nodes {
            let truth = self.truth(node);
            if truth == decisive {
                return decisive;
            }
            if truth == Truth::Unknown {
                result = Truth::Unknown;
            }
        }
        result
    }

    fn compare(&mut self, comparison: Comparison, sides: &'s [Node; 2]) -> Truth {
        let [left, right] = sides;
        // Both sides are looked at even if the first is unknown, so that an explanation names both.
        let (left, right) = (self.value(left), self.value(right));
        match (left, right) {
            (Some(left), Some(right)) => {
                order(&left, &right).map_or(Truth::Unknown, |o| Truth::from(comparison.holds(o)))
            }
            _ => Truth::Unknown,
        }
    }

    fn is_in(&mut self, sides: &'s [Node; 2]) -> Truth {
        let [needle, list] = sides;
        let needle = self.value(needle);
        if let Node::List(items) = list {
            let mut result = Truth::False;
            for item in items {
                let equal = match (&needle, self.value(item)) {
                    (Some(needle), Some(item)) => order(needle, &item).map(Ordering::is_eq),
                    _ => None,
                };
                match equal {
                    Some(true) => return Truth::True,
                    Some(false) => {}
                    None => result = Truth::Unknown,
                }
            }
            return result;
        }
        match (needle.as_deref(), self.value(list).as_deref()) {
            (_, Some(Value::List(items))) if items.is_empty() => Truth::False,
            (Some(Value::Text(needle)), Some(Value::List(items))) => Truth::from(items.contains(needle)),
            _ => Truth::Unknown,
        }
    }

    fn size(&mut self, node: &'s Node) -> Option<usize> {
        if let Node::List(items) = node {
            return Some(items.len());
        }
        match self.value(node)?.as_ref() {
            Value::Text(text) => Some(text.chars().count()),
            Value::List(items) => Some(items.len()),
            _ => None,
        }
    }

    /// The elements of a list, each known or not; `None` where the list itself is unknown.
    pub fn elements_of(&mut self, list: &'s Node) -> Option<Vec<Element>> {
        if let Node::List(items) = list {
            let mut elements = Vec::with_capacity(items.len());
            for item in items {
                let value = self.value(item).map(Cow::into_owned);
                let begun = match (&value, self.source.days()) {
                    (Some(Value::Time(_)), Some(_)) => self.begun(item).map(Cow::into_owned),
                    _ => value.clone(),
                };
                elements.push(Element { value, begun });
            }
            return Some(elements);
        }
        match self.value(list)?.as_ref() {
            Value::List(items) => {
                let element = |text: &SmolStr| Some(Value::Text(text.clone()));
                Some(items.iter().map(|text| Element { value: element(text), begun: element(text) }).collect())
            }
            _ => None,
        }
    }

    fn quantified(&mut self, quantifier: Quantifier, parts: &'s [Node; 2]) -> Truth {
        let [list, condition] = parts;
        let Some(elements) = self.elements_of(list) else { return Truth::Unknown };
        let (mut holds, mut unknown) = (0usize, false);
        for element in elements {
            self.push_element(element);
            let truth = self.truth(condition);
            self.pop_element();
            match (quantifier, truth) {
                (Quantifier::Exists, Truth::True) => return Truth::True,
                (Quantifier::All, Truth::False) => return Truth::False,
                (Quantifier::ExistsOne, Truth::True) if holds == 1 => return Truth::False,
                (_, Truth::True) => holds += 1,
                (_, Truth::Unknown) => unknown = true,
                (_, Truth::False) => {}
            }
            if self.steps > STEPS_MAX {
                return Truth::Unknown;
            }
        }
        match quantifier {
            _ if unknown => Truth::Unknown,
            Quantifier::Exists => Truth::False,
            Quantifier::All => Truth::True,
            Quantifier::ExistsOne => Truth::from(holds == 1),
        }
    }

    /// Binds the variable of one more quantifier.
    pub fn push_element(&mut self, element: Element) {
        self.elements.push(element);
    }

    /// Forgets the variable of the innermost quantifier.
    pub fn pop_element(&mut self) {
        self.elements.pop();
    }
}

/// The order of two values of one type, whole numbers and numbers being one; `None` where they have none.
pub(super) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Float(b)) => order_mixed(*a, *b),
        (Value::Float(a), Value::Int(b)) => order_mixed(*b, *a).map(Ordering::reverse),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (Value::Version(a), Value::Version(b)) => a.compare(b),
        _ => None,
    }
}

/// The exact order of a whole number and a number: neither is rounded to the other.
fn order_mixed(whole: i64, number: f64) -> Option<Ordering> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if number.is_nan() {
        None
    } else if number >= TWO_TO_63 {
        Some(Ordering::Less)
    } else if number < -TWO_TO_63 {
        Some(Ordering::Greater)
    } else {
        let floor = number.floor();
        let fraction = number > floor;
        Some(whole.cmp(&(floor as i64)).then(if fraction { Ordering::Less } else { Ordering::Equal }))
    }
}

fn arithmetic(operation: Operation, left: &Value, right: &Value) -> Option<Value> {
    use Operation::*;
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => match operation {
            Add => a.checked_add(*b),
            Subtract => a.checked_sub(*b),
            Multiply => a.checked_mul(*b),
            Divide => a.checked_div(*b),
            Remainder => a.checked_rem(*b),
        }
        .map(Value::Int),
        (Value::Float(a), Value::Float(b)) => {
            let result = match operation {
                Add => a + b,
                Subtract => a - b,
                Multiply => a * b,
                Divide => a / b,
                Remainder => return None,
            };
            (!result.is_nan()).then_some(Value::Float(result))
        }
        (Value::Duration(a), Value::Duration(b)) => match operation {
            Add => a.checked_add(*b),
            Subtract => a.checked_sub(*b),
            _ => None,
        }
        .map(Value::Duration),
        (Value::Time(time), Value::Duration(by)) => moved(*time, *by, operation),
        (Value::Duration(by), Value::Time(time)) if operation == Add => moved(*time, *by, Add),
        (Value::Time(a), Value::Time(b)) if operation == Subtract => Some(Value::Duration(a.duration_since(*b))),
        (Value::Text(a), Value::Text(b)) if operation == Add => Some(Value::text(format!("{a}{b}"))),
        _ => None,
    }
}

fn moved(time: Timestamp, by: SignedDuration, operation: Operation) -> Option<Value> {
    let by = if operation == Operation::Subtract { by.checked_neg()? } else { by };
    time.checked_add(by).ok().map(Value::Time)
}
