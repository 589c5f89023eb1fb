//! The compiled form: a tree whose fields are numbers and whose constants have been read.

use super::types::Type;
use crate::facts::Value;
use regex::Regex;

/// One operation. The checker has made sure that types fit; what can't be computed is unknown.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Constant(Value),
    /// Index into the expression's fields.
    Field(usize),
    /// Whether the field with that index is known.
    Has(usize),
    /// The variable of an enclosing quantifier, the outermost first.
    Element(usize),
    /// A list written out.
    List(Vec<Node>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Compare(Comparison, Box<[Node; 2]>),
    /// Whether the first is in the second, a list.
    In(Box<[Node; 2]>),
    /// Condition, then, else.
    If(Box<[Node; 3]>),
    Arithmetic(Operation, Box<[Node; 2]>),
    Negate(Box<Node>),
    /// Length of a text in characters, or of a list.
    Size(Box<Node>),
    Lower(Box<Node>),
    TextTest(TextTest, Box<[Node; 2]>),
    Matches(Box<Node>, Regex),
    /// A list, and a condition on its elements.
    Quantified(Quantifier, Box<[Node; 2]>),
    /// From a time to now. A day begins at midnight where the person is.
    Since(Box<Node>),
    /// From now to a time. A day begins at midnight where the person is.
    Until(Box<Node>),
}

/// Which of an expression's fields say days, and which one in which zone these begin; by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days {
    pub fields: Vec<usize>,
    pub zone: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    Exists,
    All,
    ExistsOne,
}

impl Node {
    /// Calls `visit` for this node and all below it.
    pub fn walk<'n>(&'n self, visit: &mut impl FnMut(&'n Node)) {
        visit(self);
        self.children().into_iter().for_each(|child| child.walk(visit));
    }

    /// The nodes directly below, in the order of the text.
    pub fn children(&self) -> Vec<&Node> {
        match self {
            Node::Constant(_) | Node::Field(_) | Node::Has(_) | Node::Element(_) => Vec::new(),
            Node::List(nodes) | Node::And(nodes) | Node::Or(nodes) => nodes.iter().collect(),
            Node::Not(node)
            | Node::Negate(node)
            | Node::Size(node)
            | Node::Lower(node)
            | Node::Matches(node, _)
            | Node::Since(node)
            | Node::Until(node) => vec![node],
            Node::Compare(_, nodes)
            | Node::In(nodes)
            | Node::Arithmetic(_, nodes)
            | Node::TextTest(_, nodes)
            | Node::Quantified(_, nodes) => nodes.iter().collect(),
            Node::If(nodes) => nodes.iter().collect(),
        }
    }

    /// Whether it asks how far away a day is, where `is_day` tells the fields that say days.
    pub fn counts_days(&self, is_day: &dyn Fn(usize) -> bool) -> bool {
        let day = |node: &Node| matches!(node, Node::Field(index) if is_day(*index));
        let (mut named, mut counts) = (false, false);
        self.walk(&mut |node| {
            named |= day(node);
            if let Node::Since(inner) | Node::Until(inner) = node {
                // The variable of a quantifier may stand for a day.
                inner.walk(&mut |node| counts |= day(node) || matches!(node, Node::Element(_)));
            }
        });
        named && counts
    }

    /// Whether its value can change by the passing of time alone.
    pub fn depends_on_now(&self) -> bool {
        let mut depends = false;
        self.walk(&mut |node| depends |= matches!(node, Node::Since(_) | Node::Until(_)));
        depends
    }
}

impl Comparison {
    /// The same with its sides exchanged: `1 < x` is `x > 1`.
    pub fn mirrored(self) -> Self {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            same => same,
        }
    }

    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }

    pub fn is_equality(self) -> bool {
        matches!(self, Comparison::Equal | Comparison::NotEqual)
    }

    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

impl Operation {
    pub fn sign(self) -> &'static str {
        match self {
            Operation::Add => "+",
            Operation::Subtract => "-",
            Operation::Multiply => "*",
            Operation::Divide => "/",
            Operation::Remainder => "%",
        }
    }

    /// The type of the result; `None` where the operation has no meaning for these types.
    pub(super) fn result(self, left: Type, right: Type) -> Option<Type> {
        use Operation::*;
        use Type::*;
        match (self, left, right) {
            (_, Int, Int) => Some(Int),
            (Add | Subtract | Multiply | Divide, Float, Float) => Some(Float),
            (Add | Subtract, Duration, Duration) => Some(Duration),
            (Add | Subtract, Time, Duration) | (Add, Duration, Time) => Some(Time),
            (Subtract, Time, Time) => Some(Duration),
            (Add, Text, Text) => Some(Text),
            _ => None,
        }
    }
}
