//! The types of expressions.

use crate::facts::Kind;

/// What an expression, or a part of one, computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int,
    Float,
    Text,
    Time,
    Duration,
    Version,
    /// A list of such elements; `None` is the empty list, which fits every type.
    List(Option<Scalar>),
}

/// What a list can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int,
    Float,
    Text,
    Time,
    Version,
}

impl Type {
    /// For messages: `a text`.
    pub fn described(self) -> &'static str {
        match self {
            Type::Bool => "true or false",
            Type::Int => "a whole number",
            Type::Float => "a number",
            Type::Text => "a text",
            Type::Time => "a time",
            Type::Duration => "a duration",
            Type::Version => "a version",
            Type::List(None) => "an empty list",
            Type::List(Some(Scalar::Text)) => "a list of texts",
            Type::List(Some(_)) => "a list",
        }
    }

    pub fn is_number(self) -> bool {
        matches!(self, Type::Int | Type::Float)
    }

    pub fn is_list(self) -> bool {
        matches!(self, Type::List(_))
    }

    /// As an element of a list; `None` for lists and durations.
    pub fn scalar(self) -> Option<Scalar> {
        match self {
            Type::Bool => Some(Scalar::Bool),
            Type::Int => Some(Scalar::Int),
            Type::Float => Some(Scalar::Float),
            Type::Text => Some(Scalar::Text),
            Type::Time => Some(Scalar::Time),
            Type::Version => Some(Scalar::Version),
            Type::Duration | Type::List(_) => None,
        }
    }
}

impl From<Kind> for Type {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Type::Bool,
            Kind::Int => Type::Int,
            Kind::Float => Type::Float,
            Kind::Text => Type::Text,
            Kind::Time => Type::Time,
            Kind::Version => Type::Version,
            Kind::List => Type::List(Some(Scalar::Text)),
        }
    }
}

impl From<Scalar> for Type {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Bool => Type::Bool,
            Scalar::Int => Type::Int,
            Scalar::Float => Type::Float,
            Scalar::Text => Type::Text,
            Scalar::Time => Type::Time,
            Scalar::Version => Type::Version,
        }
    }
}
