//! To which texts an expression confines a field, read off its form: quick enough to sort thousands of conditions by it.

use super::compiled::Expr;
use super::node::{Comparison, Node};
use crate::facts::{FieldRef, Value};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// The texts that fields are confined to; a field that is not named may be anything.
pub type Confinement = BTreeMap<FieldRef, BTreeSet<SmolStr>>;

impl Expr {
    /// The texts to which it confines fields: wherever it holds, each field named here has one of these texts.
    ///
    /// What it finds is true; it does not find everything ([`satisfiable`](super::satisfiable) looks closer).
    pub fn confinement(&self) -> Confinement {
        self.confined_by(&self.root)
    }

    fn confined_by(&self, node: &Node) -> Confinement {
        match node {
            Node::And(parts) => parts.iter().map(|part| self.confined_by(part)).fold(Confinement::new(), both),
            Node::Or(parts) => parts.iter().map(|part| self.confined_by(part)).reduce(either).unwrap_or_default(),
            Node::Compare(Comparison::Equal, sides) => match sides.as_ref() {
                [Node::Field(field), Node::Constant(Value::Text(text))]
                | [Node::Constant(Value::Text(text)), Node::Field(field)] => self.one(*field, [text.clone()]),
                _ => Confinement::new(),
            },
            Node::In(sides) => match sides.as_ref() {
                [Node::Field(field), Node::Constant(Value::List(texts))] => self.one(*field, texts.iter().cloned()),
                [Node::Field(field), Node::List(items)] => {
                    let text = |item: &Node| match item {
                        Node::Constant(Value::Text(text)) => Some(text.clone()),
                        _ => None,
                    };
                    match items.iter().map(text).collect::<Option<Vec<_>>>() {
                        Some(texts) => self.one(*field, texts),
                        None => Confinement::new(),
                    }
                }
                _ => Confinement::new(),
            },
            _ => Confinement::new(),
        }
    }

    fn one(&self, field: usize, texts: impl IntoIterator<Item = SmolStr>) -> Confinement {
        let name = self.fields.get(field).cloned();
        name.map(|name| (name, texts.into_iter().collect())).into_iter().collect()
    }
}

/// Where both hold.
fn both(mut one: Confinement, other: Confinement) -> Confinement {
    for (field, texts) in other {
        match one.get_mut(&field) {
            Some(known) => known.retain(|text| texts.contains(text)),
            None => {
                one.insert(field, texts);
            }
        }
    }
    one
}

/// Where one of them holds.
fn either(mut one: Confinement, mut other: Confinement) -> Confinement {
    one.retain(|field, _| other.contains_key(field));
    for (field, texts) in &mut one {
        texts.extend(other.remove(field).unwrap_or_default());
    }
    one
}

#[cfg(test)]
mod tests {
    use crate::facts::Fields;
    use crate::policy::expr::{Scope, compile};

    fn confined(text: &str) -> String {
        let fields = Fields::builtin();
        let found = compile(text, &Scope::device(&fields)).unwrap().confinement();
        found.iter().map(|(field, texts)| format!("{field} {texts:?}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn equalities_and_lists_confine() {
        assert_eq!(confined(r#"device.os == "debian""#), r#"device.os {"debian"}"#);
        assert_eq!(confined(r#""debian" == device.os"#), r#"device.os {"debian"}"#);
        assert_eq!(confined(r#"device.os in ["ubuntu", "debian"]"#), r#"device.os {"debian", "ubuntu"}"#);
        assert_eq!(
            confined(r#"device.os == "debian" && person.department == "IT" && person.vip"#),
            r#"device.os {"debian"}, person.department {"IT"}"#
        );
        assert_eq!(
            confined(r#"device.os in ["ubuntu", "debian"] && device.os == "debian""#),
            r#"device.os {"debian"}"#
        );
    }

    #[test]
    fn alternatives_confine_only_what_all_of_them_do() {
        assert_eq!(confined(r#"device.os == "debian" || device.os == "ubuntu""#), r#"device.os {"debian", "ubuntu"}"#);
        assert_eq!(confined(r#"device.os == "debian" || person.vip"#), "");
        assert_eq!(confined(r#"!(device.os == "debian")"#), "");
    }
}
