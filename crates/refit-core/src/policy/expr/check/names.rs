//! What names mean: fields, and the variables of quantifiers.

use super::{super::error::*, super::node::Node, super::types::Type, Checker, Typed};
use crate::facts::{FieldRef, Kind, Root};
use cel::common::ast::{Expr as Cel, IdedExpr};
use std::ops::Range;

impl Checker<'_> {
    /// A name that stands by itself: the variable of a quantifier, or a mistake.
    pub fn name(&mut self, name: &str, range: Range<usize>) -> Option<Typed> {
        if let Some(index) = self.variables.iter().rposition(|(variable, _)| variable == name) {
            let ty = self.variables[index].1.into();
            return Some(Typed { node: Node::Element(index), ty, range });
        }
        if Root::from_name(name).is_some() {
            let error = ExprError::error(TYPE, range, format!("`{name}` is not a value; its fields are"));
            let field = match name {
                "exposure" => "kev",
                "event" => "type",
                _ => "site",
            };
            return self.fail(error.help(format!("name a field: `{name}.{field}`")));
        }
        let same_name =
            self.scope.fields.iter().find(|field| field.name.name == name && self.in_scope(field.name.root));
        let help = if let Some(field) = same_name {
            format!("did you mean `{}`?", field.name)
        } else if let Some(root) = closest(name, self.scope.roots.iter().map(|root| root.name())) {
            format!("did you mean `{root}`?")
        } else {
            format!("write fields as `device.platform`, and texts in quotes: \"{name}\"")
        };
        self.fail(ExprError::error(UNKNOWN_NAME, range, format!("nothing is called `{name}`")).help(help))
    }

    fn in_scope(&self, root: Root) -> bool {
        self.scope.roots.contains(&root)
    }

    pub fn select(&mut self, expr: &IdedExpr, operand: &IdedExpr, field: &str) -> Option<Typed> {
        let (reference, kind) = self.field(expr, operand, field)?;
        let node = Node::Field(self.index(reference, kind));
        Some(Typed { node, ty: kind.into(), range: self.parsed.range(expr) })
    }

    /// The field that `operand.field` names.
    pub fn field(&mut self, expr: &IdedExpr, operand: &IdedExpr, field: &str) -> Option<(FieldRef, Kind)> {
        let Cel::Ident(name) = &operand.expr else {
            let range = self.parsed.selected(expr);
            let operand = self.typed(operand)?;
            let label = format!("`{}` is {}, and has no fields", self.slice(&operand.range), operand.ty.described());
            let flat = self.slice(&self.parsed.range(expr)).replacen('.', "\0", 1).replace('.', "_").replace('\0', ".");
            let help = match operand.ty {
                Type::Version => Some("compare versions: `device.os_version >= \"14.0\"`".to_owned()),
                _ => self.field_like(&flat),
            };
            return self.fail(ExprError::error(UNKNOWN_FIELD, range, label).help_if(help));
        };
        let Some(root) = Root::from_name(name) else {
            let range = self.parsed.range(operand);
            if self.variables.iter().any(|(variable, _)| variable == name) {
                return self.fail(ExprError::error(
                    UNKNOWN_FIELD,
                    range,
                    format!("`{name}` is a text, and has no fields"),
                ));
            }
            let help = did_you_mean(name, self.scope.roots.iter().map(|root| root.name()));
            let known = self.scope.roots.iter().map(|root| format!("`{}`", root.name())).collect::<Vec<_>>().join(", ");
            let error = ExprError::error(UNKNOWN_NAME, range, format!("nothing is called `{name}`"));
            return self.fail(error.help(help.unwrap_or_else(|| format!("fields belong to {known}"))));
        };
        if !self.in_scope(root) {
            let range = self.parsed.range(expr);
            let error = ExprError::error(OUT_OF_SCOPE, range, format!("there is no `{name}` here"));
            let events = "events can be asked in filters of the event stream, and nothing else can be asked there";
            let help = match root == Root::Event || self.in_scope(Root::Event) {
                true => events,
                false => "exposures can be asked in `if` and `unless`; a `where` selects devices",
            };
            return self.fail(error.help(help));
        }
        let reference = FieldRef::new(root, field);
        if let Some(known) = self.scope.fields.get(&reference) {
            return Some((reference, known.kind));
        }
        let range = self.parsed.selected(expr);
        let help = self.field_help(root, field);
        self.fail(ExprError::error(UNKNOWN_FIELD, range, format!("`{name}` has no field `{field}`")).help_if(help))
    }

    /// The field that `root.field` probably means, there or under another root.
    fn field_help(&self, root: Root, field: &str) -> Option<String> {
        let names = self.scope.fields.of(root).map(|known| known.name.name.as_str());
        if let Some(close) = closest(field, names) {
            return Some(format!("did you mean `{close}`?"));
        }
        let elsewhere =
            self.scope.fields.iter().find(|known| known.name.name == field && self.in_scope(known.name.root));
        elsewhere.map(|known| format!("did you mean `{}`?", known.name)).or_else(|| {
            matches!(root, Root::Device | Root::Person).then(|| {
                format!("fields of your own are declared in refit.yaml: `fields: {{ {}.{field}: text }}`", root.name())
            })
        })
    }

    fn field_like(&self, text: &str) -> Option<String> {
        let names = self.scope.fields.iter().map(|field| field.name.to_string()).collect::<Vec<_>>();
        did_you_mean(text, names.iter().map(String::as_str))
    }

    /// The number of a field in this expression.
    pub fn index(&mut self, reference: FieldRef, kind: Kind) -> usize {
        if let Some(index) = self.fields.iter().position(|field| *field == reference) {
            return index;
        }
        self.fields.push(reference);
        self.kinds.push(kind);
        self.fields.len() - 1
    }
}
