//! What an expression is for one record.

use super::calls;
use super::item::Item;
use super::node::{Call, Comparison, Node, Operation, Quantifier};
use std::cmp::Ordering;

/// Most steps of one evaluation: quantifiers inside each other on long lists end here.
pub const STEPS_MAX: u32 = 100_000;

/// What the names stand for: `record`, `parent`, `item`, `payload`.
pub type Scope<'a> = [Item<'a>; 4];

/// Why an expression has no value for a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In words.
    pub why: String,
    /// What it is about, if that is a place of the scope: index of the name, and JSON pointer from there.
    pub path: Option<(usize, String)>,
    /// Whether the words may tell what is sensitive.
    pub sensitive: bool,
}

impl Fault {
    pub(super) fn new(why: impl Into<String>, about: &Node) -> Self {
        Self { why: why.into(), path: about.first_path(), sensitive: false }
    }
}

type Found<'a> = Result<Item<'a>, Fault>;

/// One evaluation.
pub(super) struct Run<'a, 's> {
    pub scope: &'s Scope<'a>,
    pub elements: Vec<Item<'a>>,
    pub steps: u32,
}

impl<'a> Run<'a, '_> {
    pub fn value(&mut self, node: &'a Node) -> Found<'a> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(Fault::new("it takes too many steps", node));
        }
        Ok(match node {
            Node::Missing => Item::Missing,
            Node::Null => Item::Null,
            Node::Bool(truth) => Item::Bool(*truth),
            Node::Int(number) => Item::Int((*number).into()),
            Node::Float(number) => Item::Float(*number),
            Node::Text(text) => Item::Text(text.as_str().into()),
            Node::Name(name) => self.scope.get(*name).cloned().unwrap_or(Item::Missing),
            Node::Element(index) => self.elements.get(*index).cloned().unwrap_or(Item::Missing),
            Node::Select(operand, key) => self.value(operand)?.get(key),
            Node::Index(nodes) => self.index(&nodes[0], &nodes[1])?,
            Node::Has(operand, key) => Item::Bool(self.value(operand)?.get(key) != Item::Missing),
            Node::List(nodes) => Item::List(nodes.iter().map(|node| self.value(node)).collect::<Result<_, _>>()?),
            Node::Not(node) => Item::Bool(!self.truth(node)?),
            Node::And(nodes) => Item::Bool(self.either(nodes, false)?),
            Node::Or(nodes) => Item::Bool(self.either(nodes, true)?),
            Node::Compare(comparison, nodes) => Item::Bool(self.compare(*comparison, nodes)?),
            Node::In(nodes) => Item::Bool(self.is_in(nodes)?),
            Node::If(nodes) => {
                let chosen = if self.truth(&nodes[0])? { &nodes[1] } else { &nodes[2] };
                self.value(chosen)?
            }
            Node::Arithmetic(operation, nodes) => self.arithmetic(*operation, nodes)?,
            Node::Negate(operand) => match self.value(operand)? {
                Item::Int(number) => Item::Int(-number),
                Item::Float(number) => Item::Float(-number),
                item @ (Item::Missing | Item::Null) => item,
                other => {
                    return Err(Fault::new(format!("`-` needs a number, and this is {}", other.described()), operand));
                }
            },
            Node::Quantified(quantifier, nodes) => self.quantified(*quantifier, &nodes[0], &nodes[1])?,
            Node::Call(call) => self.call(call)?,
        })
    }

    /// Whether a condition holds; what is missing or null does not.
    pub fn truth(&mut self, node: &'a Node) -> Result<bool, Fault> {
        match self.value(node)? {
            Item::Bool(truth) => Ok(truth),
            Item::Missing | Item::Null => Ok(false),
            other => {
                let why = format!("a condition is true or false, and this is {}", other.described());
                Err(Fault::new(why, node))
            }
        }
    }

    /// `&&` and `||`: one side that decides is enough, whatever is wrong with the other.
    fn either(&mut self, nodes: &'a [Node; 2], decides: bool) -> Result<bool, Fault> {
        let first = self.truth(&nodes[0]);
        if first == Ok(decides) {
            return Ok(decides);
        }
        let second = self.truth(&nodes[1])?;
        if second == decides { Ok(decides) } else { first }
    }

    fn index(&mut self, operand: &'a Node, at: &'a Node) -> Found<'a> {
        let operand = self.value(operand)?;
        Ok(match self.value(at)? {
            Item::Text(key) => operand.get(&key),
            Item::Int(place) => {
                let Ok(place) = usize::try_from(place) else { return Ok(Item::Missing) };
                match operand {
                    Item::List(items) => items.into_iter().nth(place).unwrap_or(Item::Missing),
                    Item::Json(super::super::json::Json::List(items)) => Item::of_option(items.get(place)),
                    _ => Item::Missing,
                }
            }
            _ => Item::Missing,
        })
    }

    fn compare(&mut self, comparison: Comparison, nodes: &'a [Node; 2]) -> Result<bool, Fault> {
        let (a, b) = (self.value(&nodes[0])?, self.value(&nodes[1])?);
        Ok(match comparison {
            Comparison::Equal => self.equal(&a, &b),
            Comparison::NotEqual => !self.equal(&a, &b),
            _ => {
                let order = match (&a, &b) {
                    (Item::Missing | Item::Null, _) | (_, Item::Missing | Item::Null) => return Ok(false),
                    (Item::Int(a), Item::Int(b)) => Some(a.cmp(b)),
                    (Item::Text(a), Item::Text(b)) => Some(a.cmp(b)),
                    (Item::Time(a), Item::Time(b)) => Some(a.cmp(b)),
                    (Item::Bool(a), Item::Bool(b)) => Some(a.cmp(b)),
                    _ => number(&a).zip(number(&b)).map(|(a, b)| a.partial_cmp(&b).unwrap_or(Ordering::Equal)),
                };
                let Some(order) = order else {
                    let why = format!("{} can't be compared with {}", a.described(), b.described());
                    return Err(Fault::new(why, &nodes[0]));
                };
                match comparison {
                    Comparison::Less => order.is_lt(),
                    Comparison::LessOrEqual => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }
            }
        })
    }

    /// What has parts is compared part by part, each of which is a step.
    fn equal(&mut self, a: &Item<'a>, b: &Item<'a>) -> bool {
        self.steps = self.steps.saturating_add(1);
        if let (Item::Int(a), Item::Int(b)) = (a, b) {
            return a == b;
        }
        if let (Some(a), Some(b)) = (number(a), number(b)) {
            return a == b;
        }
        match (a, b) {
            (Item::Json(a), Item::Json(b)) => a == b,
            _ => match (a.items(), b.items()) {
                (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| self.equal(a, b)),
                _ => a == b,
            },
        }
    }

    fn is_in(&mut self, nodes: &'a [Node; 2]) -> Result<bool, Fault> {
        let (part, whole) = (self.value(&nodes[0])?, self.value(&nodes[1])?);
        if let (Item::Text(key), Item::Json(json)) = (&part, &whole)
            && json.get(key).is_some()
        {
            return Ok(true);
        }
        match whole.items() {
            Some(items) => {
                self.steps = self.steps.saturating_add(items.len().try_into().unwrap_or(u32::MAX));
                Ok(items.iter().any(|item| self.equal(item, &part)))
            }
            None if matches!(whole, Item::Missing | Item::Null | Item::Json(_)) => Ok(false),
            None => Err(Fault::new(format!("`in` needs a list, and this is {}", whole.described()), &nodes[1])),
        }
    }

    fn arithmetic(&mut self, operation: Operation, nodes: &'a [Node; 2]) -> Found<'a> {
        let (a, b) = (self.value(&nodes[0])?, self.value(&nodes[1])?);
        // Of what is not there nothing can be made: the text that is put together is missing as a whole.
        match (&a, &b) {
            (Item::Missing, _) | (_, Item::Missing) => return Ok(Item::Missing),
            (Item::Null, _) | (_, Item::Null) => return Ok(Item::Null),
            _ => {}
        }
        if let (Item::Int(a), Item::Int(b)) = (&a, &b) {
            let result = match operation {
                Operation::Add => a.checked_add(*b),
                Operation::Subtract => a.checked_sub(*b),
                Operation::Multiply => a.checked_mul(*b),
                Operation::Divide => a.checked_div(*b),
                Operation::Remainder => a.checked_rem(*b),
            };
            // As wide as CEL's numbers.
            let result = result.filter(|number| i64::try_from(*number).is_ok());
            return result.map(Item::Int).ok_or_else(|| {
                let path = nodes[0].first_path().or_else(|| nodes[1].first_path());
                Fault { why: "the result is no number".to_owned(), path, sensitive: false }
            });
        }
        if let (Some(a), Some(b)) = (number(&a), number(&b)) {
            let result = match operation {
                Operation::Add => a + b,
                Operation::Subtract => a - b,
                Operation::Multiply => a * b,
                Operation::Divide => a / b,
                Operation::Remainder => return Err(Fault::new("`%` needs whole numbers", &nodes[0])),
            };
            return Ok(Item::Float(result));
        }
        let wrong = format!("{} and {} can't be put together", a.described(), b.described());
        if operation == Operation::Add {
            if let (Some(mut list), Some(more)) = (a.items(), b.items()) {
                list.extend(more);
                return Ok(Item::List(list));
            }
            if let (Ok(a), Ok(b)) = (a.into_text(), b.into_text()) {
                return Ok(Item::Text((a.into_owned() + &b).into()));
            }
        }
        Err(Fault::new(wrong, &nodes[0]))
    }

    fn quantified(&mut self, quantifier: Quantifier, list: &'a Node, part: &'a Node) -> Found<'a> {
        let whole = self.value(list)?;
        let items = match whole.items() {
            Some(items) => items,
            // Of no list there is no part, and nothing is made of it.
            None if matches!(whole, Item::Missing | Item::Null) => match quantifier {
                Quantifier::Filter | Quantifier::Map => return Ok(whole),
                _ => Vec::new(),
            },
            None => return Err(Fault::new(format!("a list is needed, and this is {}", whole.described()), list)),
        };
        let (mut kept, mut held) = (Vec::new(), 0usize);
        let count = items.len();
        for item in items {
            self.elements.push(item.clone());
            let found = if quantifier == Quantifier::Map {
                self.value(part).map(|value| (true, value))
            } else {
                self.truth(part).map(|holds| (holds, item))
            };
            self.elements.pop();
            let (holds, value) = found?;
            held += usize::from(holds);
            match (quantifier, holds) {
                (Quantifier::Exists, true) => return Ok(Item::Bool(true)),
                (Quantifier::All, false) => return Ok(Item::Bool(false)),
                (Quantifier::Filter | Quantifier::Map, true) => kept.push(value),
                _ => {}
            }
        }
        Ok(match quantifier {
            Quantifier::Exists => Item::Bool(held > 0),
            Quantifier::All => Item::Bool(held == count),
            Quantifier::ExistsOne => Item::Bool(held == 1),
            Quantifier::Filter | Quantifier::Map => Item::List(kept),
        })
    }

    fn call(&mut self, call: &'a Call) -> Found<'a> {
        calls::call(self, call)
    }
}

/// A number as such.
pub(super) fn number(item: &Item<'_>) -> Option<f64> {
    match item {
        Item::Int(number) => Some(*number as f64),
        Item::Float(number) => Some(*number),
        _ => None,
    }
}
