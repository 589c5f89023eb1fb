//! What expressions tell apart: the constants, tests and sizes that they ask of each field.
//!
//! From that, [`domain`](super::domain) makes witnesses: a few values that stand for all.

use super::compiled::Expr;
use super::domain::{Asked, Domain, around};
use super::node::{Comparison, Node, Quantifier, TextTest};
use crate::facts::{FieldRef, Fields, Kind, Value};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The time of examples in which no other is asked for: a working day.
const EXAMPLE_NOW: Timestamp = Timestamp::constant(1_768_305_600, 0); // 2026-01-13T12:00:00Z

/// Most instants at which the search is made.
const INSTANTS_MAX: usize = 32;

/// What all expressions ask of all their fields.
pub(super) struct Witnesses<'f> {
    names: Vec<FieldRef>,
    asked: Vec<Asked<'f>>,
    /// Constant times less durations: where `since` of a constant changes.
    instants: BTreeSet<Timestamp>,
    instants_complete: bool,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
enum Operand {
    Constant(Value),
    /// A field, or the elements of a list.
    Field(usize),
    Lower(usize),
    Size(usize),
    Since(usize),
    Until(usize),
    SinceConstant(Timestamp),
    UntilConstant(Timestamp),
    /// Something computed from these fields.
    Other(Vec<usize>),
}

impl<'f> Witnesses<'f> {
    pub fn collect<'e>(expressions: impl Iterator<Item = &'e Expr>, fields: &'f Fields) -> Self {
        let mut witnesses =
            Self { names: Vec::new(), asked: Vec::new(), instants: BTreeSet::new(), instants_complete: true };
        for expr in expressions {
            let numbers = expr.fields.iter().zip(&expr.kinds).map(|(name, kind)| witnesses.number(name, *kind, fields));
            let numbers = numbers.collect::<Vec<_>>();
            Collector { witnesses: &mut witnesses, numbers, variables: Vec::new() }.ask(&expr.root);
        }
        witnesses.share();
        witnesses
    }

    fn number(&mut self, name: &FieldRef, kind: Kind, fields: &'f Fields) -> usize {
        if let Some(number) = self.names.iter().position(|known| known == name) {
            return number;
        }
        self.names.push(name.clone());
        self.asked.push(Asked::new(fields.get(name), kind));
        self.names.len() - 1
    }

    /// The fields; their position is their number.
    pub fn names(&self) -> &[FieldRef] {
        &self.names
    }

    /// Gives fields that are compared with one another the same constants, so that they can be equal or not.
    fn share(&mut self) {
        for _ in 0..self.asked.len() {
            let mut changed = false;
            for one in 0..self.asked.len() {
                for other in self.asked[one].beside.clone() {
                    for constant in self.asked[other].constants.clone() {
                        if !self.asked[one].constants.contains(&constant) {
                            self.asked[one].constants.push(constant);
                            changed = true;
                        }
                    }
                }
            }
            if !changed {
                break;
            }
        }
    }

    /// The instants at which to search, and whether they stand for all.
    pub fn instants(&mut self) -> (Vec<Timestamp>, bool) {
        let mut thresholds = self.instants.clone();
        for asked in &self.asked {
            for constant in &asked.constants {
                let Value::Time(time) = constant else { continue };
                thresholds.extend(asked.distances.iter().filter_map(|distance| time.checked_sub(*distance).ok()));
            }
        }
        let mut instants = vec![EXAMPLE_NOW];
        if !thresholds.is_empty() {
            instants.extend(around(&thresholds));
        }
        let complete = self.instants_complete && instants.len() <= INSTANTS_MAX;
        instants.truncate(INSTANTS_MAX);
        (instants, complete)
    }

    /// The witnesses of each field, where it is `now`.
    pub fn domains(&self, now: Timestamp) -> Vec<Domain> {
        self.asked.iter().map(|asked| asked.domain(now)).collect()
    }
}

/// Walks one expression.
struct Collector<'w, 'f> {
    witnesses: &'w mut Witnesses<'f>,
    numbers: Vec<usize>,
    /// What the variables of the quantifiers around stand for.
    variables: Vec<Vec<Operand>>,
}

impl<'f> Collector<'_, 'f> {
    fn ask(&mut self, node: &Node) {
        match node {
            Node::Compare(comparison, sides) => {
                let [left, right] = sides.as_ref();
                for one in self.operands(left) {
                    for other in self.operands(right) {
                        self.relate(*comparison, &one, &other);
                    }
                }
            }
            Node::In(sides) => {
                let [needle, list] = sides.as_ref();
                // Of a list's field, the operand stands for its elements.
                for one in self.operands(needle) {
                    for other in self.items(list) {
                        self.relate(Comparison::Equal, &one, &other);
                    }
                }
            }
            Node::TextTest(test, sides) => {
                let [text, part] = sides.as_ref();
                for one in self.operands(text) {
                    for other in self.operands(part) {
                        self.test(*test, &one, &other);
                    }
                }
            }
            Node::Matches(text, pattern) => {
                for operand in self.operands(text) {
                    if let Operand::Field(number) = operand {
                        self.asked(number).patterns.push(pattern.as_str().to_owned());
                    }
                    self.more(&operand);
                }
            }
            Node::Has(index) => {
                let number = self.numbers[*index];
                self.asked(number).has = true;
            }
            Node::Quantified(quantifier, parts) => {
                let [list, condition] = parts.as_ref();
                let items = self.items(list);
                if *quantifier == Quantifier::ExistsOne {
                    items.iter().for_each(|item| self.more(item));
                }
                self.ask(list);
                self.variables.push(items);
                self.ask(condition);
                self.variables.pop();
                return;
            }
            _ => {}
        }
        node.children().into_iter().for_each(|child| self.ask(child));
    }

    fn asked(&mut self, number: usize) -> &mut Asked<'f> {
        &mut self.witnesses.asked[number]
    }

    /// The elements of a list.
    fn items(&self, list: &Node) -> Vec<Operand> {
        match list {
            Node::List(items) => items.iter().flat_map(|item| self.operands(item)).collect(),
            _ => self.operands(list),
        }
    }

    fn operands(&self, node: &Node) -> Vec<Operand> {
        match node {
            Node::Constant(value) => vec![Operand::Constant(value.clone())],
            Node::Field(index) => vec![Operand::Field(self.numbers[*index])],
            Node::Element(depth) => self.variables.get(*depth).cloned().unwrap_or_default(),
            Node::If(parts) => {
                let [_, then, other] = parts.as_ref();
                [self.operands(then), self.operands(other)].concat()
            }
            Node::Lower(text) => self.wrapped(text, |operand| match operand {
                Operand::Field(number) => Some(Operand::Lower(*number)),
                _ => None,
            }),
            // The size of an element is not the size of its list.
            Node::Size(sized) => match sized.as_ref() {
                Node::Field(index) => vec![Operand::Size(self.numbers[*index])],
                _ => vec![Operand::Other(self.all_fields(sized))],
            },
            Node::Since(time) => self.wrapped(time, |operand| match operand {
                Operand::Field(number) => Some(Operand::Since(*number)),
                Operand::Constant(Value::Time(time)) => Some(Operand::SinceConstant(*time)),
                _ => None,
            }),
            Node::Until(time) => self.wrapped(time, |operand| match operand {
                Operand::Field(number) => Some(Operand::Until(*number)),
                Operand::Constant(Value::Time(time)) => Some(Operand::UntilConstant(*time)),
                _ => None,
            }),
            _ => vec![Operand::Other(self.all_fields(node))],
        }
    }

    fn wrapped(&self, inner: &Node, wrap: impl Fn(&Operand) -> Option<Operand>) -> Vec<Operand> {
        let other = || Operand::Other(self.all_fields(inner));
        self.operands(inner).iter().map(|operand| wrap(operand).unwrap_or_else(other)).collect()
    }

    fn all_fields(&self, node: &Node) -> Vec<usize> {
        let mut fields = Vec::new();
        node.walk(&mut |node| match node {
            Node::Field(index) | Node::Has(index) => fields.push(self.numbers[*index]),
            Node::Element(depth) => {
                fields.extend(self.variables.get(*depth).into_iter().flatten().flat_map(Operand::fields));
            }
            _ => {}
        });
        fields
    }

    fn more(&mut self, operand: &Operand) {
        for number in operand.fields() {
            self.asked(number).more = true;
        }
        if operand.depends_on_now() {
            self.witnesses.instants_complete = false;
        }
    }

    fn relate(&mut self, comparison: Comparison, one: &Operand, other: &Operand) {
        use Operand::*;
        match (one, other) {
            (Constant(_), Constant(_)) => {}
            (Field(number), Constant(value)) => {
                let asked = self.asked(*number);
                asked.constants.push(value.clone());
                if let Value::Text(text) = value
                    && !comparison.is_equality()
                {
                    // Between two texts there are more than can be named.
                    asked.constants.push(Value::text(format!("{text}1")));
                    asked.more = true;
                }
            }
            (Lower(number), Constant(Value::Text(text))) => {
                let asked = self.asked(*number);
                asked.constants.push(Value::Text(text.clone()));
                asked.constants.push(Value::text(text.to_ascii_uppercase()));
                asked.more = true;
            }
            (Size(number), Constant(Value::Int(size))) => self.asked(*number).sizes.push((comparison, *size)),
            // since(f) is d where f is now - d; until(f) is d where f is now + d.
            (Since(number), Constant(Value::Duration(duration))) => {
                let distance = duration.checked_neg();
                self.asked(*number).distances.extend(distance);
                self.of_a_day(comparison, *number, one);
            }
            (Until(number), Constant(Value::Duration(duration))) => {
                self.asked(*number).distances.insert(*duration);
                self.of_a_day(comparison, *number, one);
            }
            (SinceConstant(time), Constant(Value::Duration(duration))) => {
                self.witnesses.instants.extend(time.checked_add(*duration));
            }
            (UntilConstant(time), Constant(Value::Duration(duration))) => {
                self.witnesses.instants.extend(time.checked_sub(*duration));
            }
            (Constant(_), _) => self.relate(comparison.mirrored(), other, one),
            (Field(a), Field(b)) => {
                let (a, b) = (*a, *b);
                self.asked(a).beside.insert(b);
                self.asked(b).beside.insert(a);
                self.more(one);
                self.more(other);
            }
            _ => {
                self.more(one);
                self.more(other);
            }
        }
    }

    /// Where a day is midnight in UTC, how far away it is depends on a zone as well; only a comparison that holds at one instant notices.
    fn of_a_day(&mut self, comparison: Comparison, number: usize, operand: &Operand) {
        if comparison.is_equality() && self.witnesses.names[number].is_day() {
            self.more(operand);
        }
    }

    fn test(&mut self, test: TextTest, text: &Operand, part: &Operand) {
        match (text, part) {
            (Operand::Constant(_), Operand::Constant(_)) => {}
            (Operand::Field(number), Operand::Constant(Value::Text(part))) => {
                let asked = self.asked(*number);
                match test {
                    TextTest::StartsWith => asked.starts.push(part.clone()),
                    TextTest::EndsWith => asked.ends.push(part.clone()),
                    TextTest::Contains => asked.parts.push(part.clone()),
                }
            }
            _ => {
                self.more(text);
                self.more(part);
            }
        }
    }
}

impl Operand {
    fn fields(&self) -> Vec<usize> {
        match self {
            Operand::Field(n) | Operand::Lower(n) | Operand::Size(n) | Operand::Since(n) | Operand::Until(n) => {
                vec![*n]
            }
            Operand::Other(fields) => fields.clone(),
            Operand::Constant(_) | Operand::SinceConstant(_) | Operand::UntilConstant(_) => Vec::new(),
        }
    }

    fn depends_on_now(&self) -> bool {
        // What is computed may be computed from `since`; it is then marked by its fields, or here.
        matches!(self, Operand::SinceConstant(_) | Operand::UntilConstant(_) | Operand::Since(_) | Operand::Until(_))
            || matches!(self, Operand::Other(fields) if fields.is_empty())
    }
}
