//! An expression as logic over parts that can be asked one by one, for whoever asks many devices at once.

use super::compiled::Expr;
use super::node::Node;
use super::{Text, Truth};
use crate::facts::FieldRef;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An expression, taken apart at `!`, `&&` and `||`. Its truth is Kleene's over the truths of its parts, and the same as
/// [`Expr::truth`] gives for the whole.
#[derive(Clone, Debug)]
pub enum Formula {
    /// The opposite.
    Not(Box<Formula>),
    /// All hold.
    All(Vec<Formula>),
    /// One holds.
    Any(Vec<Formula>),
    /// What is asked of the facts.
    Part(Part),
}

/// A part of an expression that logic does not divide any further.
#[derive(Clone, Debug)]
pub struct Part {
    /// The part as an expression of its own.
    pub expr: Arc<Expr>,
    /// The fields that it asks, sorted.
    pub fields: Vec<FieldRef>,
    /// The same for parts that ask the same.
    pub key: Text,
}

impl Expr {
    /// The expression, taken apart.
    pub fn formula(&self) -> Formula {
        self.formula_of(&self.root)
    }

    /// Whether the passing of time alone can change what it says.
    pub fn depends_on_now(&self) -> bool {
        self.root.depends_on_now()
    }

    fn formula_of(&self, node: &Node) -> Formula {
        match node {
            Node::Not(inner) => Formula::Not(Box::new(self.formula_of(inner))),
            Node::And(nodes) => Formula::All(nodes.iter().map(|node| self.formula_of(node)).collect()),
            Node::Or(nodes) => Formula::Any(nodes.iter().map(|node| self.formula_of(node)).collect()),
            _ => Formula::Part(self.part(node)),
        }
    }

    fn part(&self, node: &Node) -> Part {
        let mut indices = BTreeSet::new();
        node.walk(&mut |node| match node {
            Node::Field(index) | Node::Has(index) => {
                indices.insert(*index);
            }
            _ => {}
        });
        let days = self.days.as_ref().filter(|days| node.counts_days(&|index| days.fields.contains(&index)));
        indices.extend(days.map(|days| days.zone));
        let named: Vec<(usize, &FieldRef)> =
            indices.iter().filter_map(|index| Some((*index, self.fields.get(*index)?))).collect();
        let key = Text::new(format!("{node:?} {named:?}"));
        let mut fields: Vec<FieldRef> = named.into_iter().map(|(_, field)| field.clone()).collect();
        fields.sort();
        let expr = Expr {
            text: key.clone(),
            root: node.clone(),
            fields: self.fields.clone(),
            kinds: self.kinds.clone(),
            named: self.named,
            days: days.cloned(),
            warnings: Vec::new(),
        };
        Part { expr: Arc::new(expr), fields, key }
    }
}

impl Formula {
    /// Its truth, where `ask` tells those of its parts.
    pub fn truth(&self, ask: &mut impl FnMut(&Part) -> Truth) -> Truth {
        match self {
            Formula::Not(inner) => !inner.truth(ask),
            Formula::All(parts) => parts.iter().fold(Truth::True, |truth, part| truth.and(part.truth(ask))),
            Formula::Any(parts) => !parts.iter().fold(Truth::True, |truth, part| truth.and(!part.truth(ask))),
            Formula::Part(part) => ask(part),
        }
    }

    /// All parts, in the order of the text.
    pub fn parts(&self) -> Vec<&Part> {
        match self {
            Formula::Not(inner) => inner.parts(),
            Formula::All(parts) | Formula::Any(parts) => parts.iter().flat_map(Formula::parts).collect(),
            Formula::Part(part) => vec![part],
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::{FieldRef, Fields, Value};
    use crate::policy::expr::{Scope, compile};
    use std::collections::BTreeMap;

    #[test]
    fn taken_apart_an_expression_says_the_same() {
        let fields = Fields::builtin();
        let text = r#"device.os == "debian" && !("kiosk" in device.tags || person.vip) || has(person.department)"#;
        let expr = compile(text, &Scope::device(&fields)).unwrap();
        let formula = expr.formula();
        assert_eq!(formula.parts().len(), 4);
        let now = "2026-11-23T09:00:00Z".parse().unwrap();
        let mut facts = BTreeMap::new();
        let all = [
            (FieldRef::device("os"), Value::text("debian")),
            (FieldRef::device("tags"), Value::list(["kiosk"])),
            (FieldRef::person("vip"), Value::Bool(false)),
            (FieldRef::person("department"), Value::text("IT")),
        ];
        for (field, value) in all {
            let asked = formula.truth(&mut |part| part.expr.truth(&facts, now));
            assert_eq!(asked, expr.truth(&facts, now), "{facts:?}");
            facts.insert(field, value);
        }
    }
}
