//! The compiled form.

pub(super) use crate::policy::expr::{Comparison, Operation};

use super::functions::Function;
use super::times::TimeFormat;
use regex::Regex;
use smol_str::SmolStr;

/// One operation.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// The word `missing`: nothing is said.
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(SmolStr),
    /// One of the names of the scope.
    Name(usize),
    /// The variable of an enclosing quantifier, the outermost first.
    Element(usize),
    /// The value of a key.
    Select(Box<Node>, SmolStr),
    /// The value of a computed key or place.
    Index(Box<[Node; 2]>),
    /// Whether there is such a key, whatever its value.
    Has(Box<Node>, SmolStr),
    List(Vec<Node>),
    Not(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Compare(Comparison, Box<[Node; 2]>),
    In(Box<[Node; 2]>),
    If(Box<[Node; 3]>),
    Arithmetic(Operation, Box<[Node; 2]>),
    Negate(Box<Node>),
    Quantified(Quantifier, Box<[Node; 2]>),
    Call(Box<Call>),
}

/// A call of a function.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub function: Function,
    pub args: Vec<Node>,
    /// What a constant argument was compiled to.
    pub constant: Constant,
}

/// A constant argument.
#[derive(Clone, Debug)]
pub(super) enum Constant {
    None,
    Regex(Regex),
    Time(TimeFormat),
    /// What a number is multiplied by.
    Unit(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    Exists,
    All,
    ExistsOne,
    Filter,
    Map,
}

impl Node {
    /// The place in the record that a plain path such as `record.general.name` leads to, as name and JSON pointer.
    pub fn path(&self) -> Option<(usize, String)> {
        match self {
            Node::Name(name) => Some((*name, String::new())),
            Node::Select(operand, key) => {
                let (name, path) = operand.path()?;
                Some((name, format!("{path}/{}", crate::facts::mapping::json::step(key))))
            }
            Node::Index(nodes) => {
                let (name, path) = nodes[0].path()?;
                match &nodes[1] {
                    Node::Int(place) => Some((name, format!("{path}/{place}"))),
                    Node::Text(key) => Some((name, format!("{path}/{}", crate::facts::mapping::json::step(key)))),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Every place that it asks for anything, as name and JSON pointer; what is below a place that it names whole is asked for with it.
    pub fn reads(&self, found: &mut Vec<(usize, String)>) {
        match self.asked() {
            Some(place) => found.push(place),
            None => self.children().into_iter().for_each(|node| node.reads(found)),
        }
    }

    /// The one place that it asks for: a path, or whether there is such a key.
    fn asked(&self) -> Option<(usize, String)> {
        let (whole, key) = match self {
            Node::Has(operand, key) => (&**operand, key),
            Node::In(nodes) => match &**nodes {
                [Node::Text(key), whole] => (whole, key),
                _ => return None,
            },
            _ => return self.path(),
        };
        let (name, path) = whole.path()?;
        Some((name, format!("{path}/{}", crate::facts::mapping::json::step(key))))
    }

    /// Whether what is in one of these places, or a part of it, may be its value: not where it only answers a question about it.
    pub fn hands_on(&self, places: &dyn Fn(&(usize, String)) -> bool) -> bool {
        if let Some(place) = self.path() {
            return places(&place);
        }
        match self {
            Node::Not(_) | Node::And(_) | Node::Or(_) | Node::Compare(..) | Node::In(_) | Node::Has(..) => false,
            Node::Quantified(Quantifier::Exists | Quantifier::All | Quantifier::ExistsOne, _) => false,
            Node::Call(call) if call.function.only_answers() => false,
            Node::If(nodes) => nodes.iter().skip(1).any(|node| node.hands_on(places)),
            // An element is a part of the list that is looked through, which is looked at by itself.
            _ => self.children().into_iter().any(|node| node.hands_on(places)),
        }
    }

    /// Where the first path in it leads to: what a message about the whole can point at.
    pub fn first_path(&self) -> Option<(usize, String)> {
        self.path().or_else(|| self.children().into_iter().find_map(Node::first_path))
    }

    fn children(&self) -> Vec<&Node> {
        match self {
            Node::Select(node, _) | Node::Has(node, _) | Node::Not(node) | Node::Negate(node) => vec![node],
            Node::Index(nodes)
            | Node::And(nodes)
            | Node::Or(nodes)
            | Node::Compare(_, nodes)
            | Node::In(nodes)
            | Node::Arithmetic(_, nodes)
            | Node::Quantified(_, nodes) => nodes.iter().collect(),
            Node::If(nodes) => nodes.iter().collect(),
            Node::List(nodes) => nodes.iter().collect(),
            Node::Call(call) => call.args.iter().collect(),
            _ => Vec::new(),
        }
    }
}
