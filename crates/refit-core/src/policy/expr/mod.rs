//! Expressions: CEL's syntax, our own types, three-valued evaluation.

use smol_str::SmolStr;

/// A truth value; what is not known is an answer of its own (design.md, rule 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It depends on something that nobody has said.
    Unknown,
}

/// The text of an expression as it was written; [`SmolStr`] because the same text is met for many devices.
pub type Text = SmolStr;
