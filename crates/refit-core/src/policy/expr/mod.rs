//! Expressions: CEL's syntax, our own types, three-valued evaluation.
//!
//! A text becomes tokens (`lexical`), CEL's tree (`parse`), and, typed, our own (`check`, `calls`): an [`Expr`]. It is
//! asked for its truth (`evaluate`), for the reason (`explain`), for when time alone will change it (`change`), and
//! whether it can hold together with others (`satisfy`), and taken apart for those who ask many devices at once (`formula`).
//!
//! What differs from CEL: fields may be unknown; versions and times compare with text constants; whole numbers compare with
//! numbers; durations know days; there are `since`, `until` and `lowerAscii`; there are no maps, bytes, unsigned numbers, `map`
//! and `filter`, since no condition on a device needs them.
//!
//! A new fact never turns a clear answer into its opposite, unless the expression asks `has`, whose very question that is.

mod calls;
mod change;
mod check;
mod compiled;
mod compiler;
mod confine;
mod domain;
mod error;
mod evaluate;
mod explain;
mod formula;
mod lexical;
mod node;
mod parse;
mod satisfy;
mod types;
mod witness;

pub use compiled::Expr;
pub use compiler::{Compiled, Compiler, Scope, compile};
pub use confine::Confinement;
pub use error::ExprError;
pub(crate) use error::finding;
pub use evaluate::STEPS_MAX;
pub use explain::Explanation;
pub use formula::{Formula, Part};
pub use lexical::TEXT_BYTES_MAX;
pub(crate) use node::{Comparison, Operation};
pub(crate) use parse::{Parsed, parse};
pub use satisfy::{EVALUATIONS_MAX, Satisfiability, satisfiable};

use smol_str::SmolStr;

/// A truth value; what is not known is an answer of its own (docs/reference/rules.md, rule 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It depends on something that nobody has said.
    Unknown,
}

impl Truth {
    /// `None` for unknown.
    pub fn known(self) -> Option<bool> {
        match self {
            Truth::True => Some(true),
            Truth::False => Some(false),
            Truth::Unknown => None,
        }
    }

    /// Whether it surely holds.
    pub fn is_true(self) -> bool {
        self == Truth::True
    }

    /// Whether it surely does not hold.
    pub fn is_false(self) -> bool {
        self == Truth::False
    }

    /// Whether it depends on something that nobody has said.
    pub fn is_unknown(self) -> bool {
        self == Truth::Unknown
    }

    /// Whether both hold: false as soon as one surely does not.
    pub fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::False, _) | (_, Truth::False) => Truth::False,
            (Truth::True, Truth::True) => Truth::True,
            _ => Truth::Unknown,
        }
    }
}

/// Unknown stays unknown.
impl std::ops::Not for Truth {
    type Output = Truth;

    fn not(self) -> Truth {
        match self {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Truth::True } else { Truth::False }
    }
}

/// The text of an expression as it was written; [`SmolStr`] because the same text is met for many devices.
pub type Text = SmolStr;

#[cfg(test)]
mod tests;
