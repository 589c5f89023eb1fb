//! A compiled expression, and what it can be asked.

use super::error::ExprError;
use super::evaluate::{Found, Run, Source};
use super::node::{Days, Node};
use super::{Text, Truth};
use crate::facts::{FieldRef, Kind, Lookup, Value};
use jiff::Timestamp;
use std::borrow::Cow;

/// A condition that has been read and typed. It never fails: what can't be computed is unknown.
#[derive(Clone, Debug)]
pub struct Expr {
    pub(super) text: Text,
    pub(super) root: Node,
    /// The fields that it asks: those that it names, in the order of the text, each once, and the zone in which the days of these begin.
    pub(super) fields: Vec<FieldRef>,
    /// Their kinds.
    pub(super) kinds: Vec<Kind>,
    /// How many of them it names.
    pub(super) named: usize,
    /// What it takes to count from or to a day, where it does.
    pub(super) days: Option<Days>,
    pub(super) warnings: Vec<ExprError>,
}

impl Expr {
    /// The text as it was written.
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// The fields that it names, in the order of the text, each once.
    pub fn fields(&self) -> &[FieldRef] {
        self.fields.get(..self.named).unwrap_or(&self.fields)
    }

    /// The fields that its answer hangs on: those that it names, and `person.timezone` where it asks how far away a day is.
    pub fn asked(&self) -> &[FieldRef] {
        &self.fields
    }

    /// The texts that its fields are held against, as equal to them or as among them, in the order of the text.
    pub fn compared_texts(&self) -> Vec<(&FieldRef, &str)> {
        let mut found = Vec::new();
        self.root.walk(&mut |node| {
            let nodes = match node {
                Node::Compare(comparison, nodes) if comparison.is_equality() => nodes,
                Node::In(nodes) => nodes,
                _ => return,
            };
            let [one, other] = &**nodes;
            let ((Node::Field(field), other) | (other, Node::Field(field))) = (one, other) else { return };
            let Some(field) = self.fields.get(*field) else { return };
            match other {
                Node::Constant(Value::List(items)) => found.extend(items.iter().map(|item| (field, item.as_str()))),
                Node::List(nodes) => found.extend(nodes.iter().filter_map(|node| Some((field, text_of(node)?)))),
                other => found.extend(text_of(other).map(|text| (field, text))),
            }
        });
        found
    }

    /// What is probably not meant as it is written.
    pub fn warnings(&self) -> &[ExprError] {
        &self.warnings
    }

    /// Whether it holds for these facts. `now` matters where it says `since` or `until`; these count from and to days (`person.first_day`) as
    /// they begin in `person.timezone`, and in UTC where that is unknown.
    ///
    /// Logic is Kleene's: what is unknown makes a part unknown, and the whole only where the rest does not decide it. Whole
    /// numbers that overflow, divisions by zero and times out of range are unknown, as is what would take more than
    /// [`STEPS_MAX`](super::STEPS_MAX) steps.
    pub fn truth(&self, facts: &dyn Lookup, now: Timestamp) -> Truth {
        self.truth_of(&Facts { expr: self, facts }, now)
    }

    pub(super) fn truth_of(&self, source: &dyn Source, now: Timestamp) -> Truth {
        Run::new(source, now).truth(&self.root)
    }

    /// What it says whatever the facts are: `Some(true)` for `true` or `1 < 2`. `None` where it names a field or a time.
    pub fn constant(&self) -> Option<bool> {
        if !self.fields.is_empty() || self.root.depends_on_now() {
            return None;
        }
        self.truth_of(&NoFacts, Timestamp::UNIX_EPOCH).known()
    }
}

fn text_of(node: &Node) -> Option<&str> {
    match node {
        Node::Constant(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    }
}

/// The text decides: two expressions with one text mean the same (under the same fields).
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expr {}

/// Facts under the numbers that an expression has for its fields.
pub(super) struct Facts<'f> {
    pub expr: &'f Expr,
    pub facts: &'f dyn Lookup,
}

impl Source for Facts<'_> {
    fn field(&self, index: usize) -> Found<'_> {
        let (Some(field), Some(&kind)) = (self.expr.fields.get(index), self.expr.kinds.get(index)) else {
            return Found::Absent;
        };
        match self.facts.get(field) {
            Some(value) => of_kind(value, kind).map_or(Found::Absent, Found::Value),
            None => Found::Absent,
        }
    }

    fn days(&self) -> Option<&Days> {
        self.expr.days.as_ref()
    }
}

fn of_kind(value: Cow<'_, Value>, kind: Kind) -> Option<Cow<'_, Value>> {
    let fits = match value.as_ref() {
        Value::Float(_) | Value::Version(_) => false,
        value => value.kind() == Some(kind),
    };
    match &value {
        _ if fits => Some(value),
        Cow::Borrowed(Value::Float(number)) if kind == Kind::Float && !number.is_nan() => Some(value),
        Cow::Borrowed(Value::Version(version))
            if kind == Kind::Version && version.scheme() == refit_model::Scheme::Generic =>
        {
            Some(value)
        }
        _ => value.into_owned().into_kind(kind).map(Cow::Owned),
    }
}

struct NoFacts;

impl Source for NoFacts {
    fn field(&self, _index: usize) -> Found<'_> {
        Found::Absent
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::Fields;
    use crate::policy::expr::{Scope, compile};

    #[test]
    fn the_texts_that_fields_are_held_against_are_known() {
        let fields = Fields::builtin();
        let text = r#"device.site == "Rome" || "x" in device.tags && !(person.department in ["IT", "Sales"])
            || device.hostname.startsWith("web") || "Berlin" != device.site"#;
        let expr = compile(text, &Scope::device(&fields)).unwrap();
        let found = expr.compared_texts().into_iter().map(|(field, text)| format!("{field} {text}"));
        let expected = [
            "device.site Rome",
            "device.tags x",
            "person.department IT",
            "person.department Sales",
            "device.site Berlin",
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
