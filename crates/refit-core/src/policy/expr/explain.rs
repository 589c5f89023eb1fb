//! Why an expression says what it says: what it looked at, and for want of what it is unknown.

use super::Truth;
use super::compiled::{Expr, Facts};
use super::evaluate::{Found, Run, Source};
use super::node::Node;
use crate::facts::{FieldRef, Lookup, Value};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// An answer with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The answer.
    pub truth: Truth,
    /// The fields that were looked at before the answer was clear, in the order of the text; `None` is unknown.
    pub seen: Vec<(FieldRef, Option<Value>)>,
    /// Where the answer is unknown: the unknown fields that it is for want of, in the order of the text. Unknown fields that
    /// can't matter (`person.vip && false`) are left out. Empty where something can't be computed.
    pub wanting: Vec<FieldRef>,
}

impl Expr {
    /// As [`Expr::truth`], with its reason.
    pub fn explain(&self, facts: &dyn Lookup, now: Timestamp) -> Explanation {
        let source = Facts { expr: self, facts };
        let mut run = Run::new(&source, now);
        run.seen = Some(BTreeSet::new());
        let truth = run.truth(&self.root);
        let seen = run.seen.take().unwrap_or_default();
        let value = |index: usize| match source.field(index) {
            Found::Value(value) => Some(value.into_owned()),
            Found::Absent | Found::Undecided => None,
        };
        let seen = seen.into_iter().filter_map(|index| Some((self.fields.get(index)?.clone(), value(index)))).collect();
        let wanting = match truth {
            Truth::Unknown => {
                self.wanting(&source, now).into_iter().filter_map(|index| self.fields.get(index).cloned()).collect()
            }
            _ => Vec::new(),
        };
        Explanation { truth, seen, wanting }
    }

    /// The fields without a value that keep the expression unknown.
    pub(super) fn wanting(&self, source: &dyn Source, now: Timestamp) -> BTreeSet<usize> {
        let mut wanting = BTreeSet::new();
        Wanting { source, run: Run::new(source, now), into: &mut wanting }.of(&self.root);
        wanting
    }
}

/// Follows the unknown down to the fields that make it so.
struct Wanting<'s, 'w> {
    source: &'s dyn Source,
    run: Run<'s>,
    into: &'w mut BTreeSet<usize>,
}

impl<'s> Wanting<'s, '_> {
    /// Collects for `node` if it is unknown.
    fn of(&mut self, node: &'s Node) {
        match node {
            Node::Field(index) | Node::Has(index) => {
                let missing = match self.source.field(*index) {
                    Found::Value(_) => false,
                    Found::Absent => matches!(node, Node::Field(_)),
                    Found::Undecided => true,
                };
                if missing {
                    self.into.insert(*index);
                }
            }
            Node::Quantified(_, parts) => {
                let [list, condition] = parts.as_ref();
                match self.run.elements_of(list) {
                    None => self.of(list),
                    Some(elements) => {
                        for element in elements {
                            // The run has the element while its condition is followed.
                            self.run.push_element(element);
                            if self.run.truth(condition).is_unknown() {
                                self.of(condition);
                            }
                            self.run.pop_element();
                        }
                        self.of_items(list);
                    }
                }
            }
            Node::In(parts) => {
                let [needle, list] = parts.as_ref();
                if self.run.truth(node).is_unknown() {
                    self.of_value(needle);
                    self.of_items(list);
                    self.of_value(list);
                }
            }
            Node::If(parts) => {
                let [condition, then, other] = parts.as_ref();
                match self.run.truth(condition) {
                    Truth::True => self.of_value(then),
                    Truth::False => self.of_value(other),
                    Truth::Unknown => node.children().into_iter().for_each(|child| self.of_value(child)),
                }
            }
            _ => node.children().into_iter().for_each(|child| self.of_value(child)),
        }
    }

    fn of_value(&mut self, node: &'s Node) {
        if !matches!(node, Node::List(_)) && self.is_unknown(node) {
            self.of(node);
        }
    }

    fn of_items(&mut self, list: &'s Node) {
        if let Node::List(items) = list {
            items.iter().for_each(|item| self.of_value(item));
        }
    }

    fn is_unknown(&mut self, node: &'s Node) -> bool {
        self.run.value(node).is_none()
    }
}
