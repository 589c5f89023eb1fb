//! Where expressions are compiled: a scope, and a memory of what has been compiled before.

use super::compiled::Expr;
use super::error::ExprError;
use super::{Text, check, parse};
use crate::facts::{Fields, Root};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an expression may name.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'f> {
    /// The roots that have a meaning where it stands.
    pub roots: &'static [Root],
    /// Their fields.
    pub fields: &'f Fields,
}

impl<'f> Scope<'f> {
    /// For the `where` of policies, rings, blocks and freezes: a device and its person.
    pub fn device(fields: &'f Fields) -> Self {
        Self { roots: &[Root::Device, Root::Person], fields }
    }

    /// For `if` and `unless`: one exposure, its device and the device's person.
    pub fn exposure(fields: &'f Fields) -> Self {
        Self { roots: &Root::ALL, fields }
    }

    /// For filters of the event stream: one business event. The fields are [`Fields::of_events`].
    pub fn event(fields: &'f Fields) -> Self {
        Self { roots: &[Root::Event], fields }
    }
}

/// Reads and types a condition. On failure all errors are returned at once, with the warnings, in the order of the text.
pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Expr, Vec<ExprError>> {
    let parsed = parse::parse(text)?;
    check::check(text, &parsed, scope)
}

/// An expression, or all that is wrong with it.
pub type Compiled = Result<Arc<Expr>, Arc<[ExprError]>>;

/// Compiles each text once: policies say the same thing many times.
#[derive(Debug)]
pub struct Compiler<'f> {
    fields: &'f Fields,
    known: BTreeMap<(&'static [Root], Text), Compiled>,
}

impl<'f> Compiler<'f> {
    /// A compiler that knows no text yet.
    pub fn new(fields: &'f Fields) -> Self {
        Self { fields, known: BTreeMap::new() }
    }

    /// As [`compile`], in [`Scope::device`].
    pub fn device(&mut self, text: &str) -> Compiled {
        self.compile(text, Scope::device(self.fields))
    }

    /// As [`compile`], in [`Scope::exposure`].
    pub fn exposure(&mut self, text: &str) -> Compiled {
        self.compile(text, Scope::exposure(self.fields))
    }

    fn compile(&mut self, text: &str, scope: Scope<'f>) -> Compiled {
        let key = (scope.roots, Text::new(text));
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let result = compile(text, &scope).map(Arc::new).map_err(Arc::from);
        self.known.insert(key, result.clone());
        result
    }
}
