//! The type checker: CEL's tree in, our own out, and every mistake on the way.

use super::compiled::Expr;
use super::compiler::Scope;
use super::error::*;
use super::node::{Comparison, Node, Operation};
use super::parse::Parsed;
use super::types::{Scalar, Type};
use crate::facts::{FieldRef, Kind, Root, Value};
use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, LiteralValue, operators};
use refit_model::{Scheme, Version};
use smol_str::SmolStr;
use std::ops::Range;

/// Types a parsed text.
pub(super) fn check(text: &str, parsed: &Parsed<'_>, scope: &Scope<'_>) -> Result<Expr, Vec<ExprError>> {
    let mut checker =
        Checker { parsed, scope, findings: Vec::new(), fields: Vec::new(), kinds: Vec::new(), variables: Vec::new() };
    let root = checker.condition(&parsed.root);
    let Checker { mut findings, fields, kinds, .. } = checker;
    findings.sort_by_key(|finding| (finding.range.start, finding.range.end));
    match root {
        Some(root) if !findings.iter().any(ExprError::is_error) => {
            Ok(Expr { text: text.into(), root, fields, kinds, warnings: findings })
        }
        _ => Err(findings),
    }
}

/// The state of checking one expression. A part that is wrong is `None`, and has been reported.
pub(super) struct Checker<'c> {
    pub parsed: &'c Parsed<'c>,
    pub scope: &'c Scope<'c>,
    findings: Vec<ExprError>,
    fields: Vec<FieldRef>,
    kinds: Vec<Kind>,
    /// The variables of the quantifiers around, outermost first.
    pub variables: Vec<(String, Scalar)>,
}

/// A part that is right.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub node: Node,
    pub ty: Type,
    pub range: Range<usize>,
}

impl Typed {
    /// The text, where it is a constant text.
    pub fn constant_text(&self) -> Option<&SmolStr> {
        match &self.node {
            Node::Constant(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl<'c> Checker<'c> {
    pub fn report(&mut self, finding: ExprError) {
        self.findings.push(finding);
    }

    /// Reports and gives up on the part.
    pub fn fail<T>(&mut self, finding: ExprError) -> Option<T> {
        self.report(finding);
        None
    }

    pub fn slice(&self, range: &Range<usize>) -> &'c str {
        self.parsed.slice(range.clone())
    }

    /// A part that has to be true or false.
    pub fn condition(&mut self, expr: &IdedExpr) -> Option<Node> {
        let typed = self.typed(expr)?;
        if typed.ty == Type::Bool {
            return Some(typed.node);
        }
        let label = format!("this is {}; a condition is true or false", typed.ty.described());
        let help = match (&typed.node, typed.ty) {
            (Node::Field(_), Type::Text | Type::Int | Type::Float | Type::Version | Type::Time) => Some(format!(
                "compare it: `{} {} ...`; or `has({0})` for whether it is known",
                self.slice(&typed.range),
                if typed.ty == Type::Text { "==" } else { ">=" }
            )),
            (Node::Field(_), Type::List(_)) => Some(format!("ask `\"...\" in {}`", self.slice(&typed.range))),
            _ => None,
        };
        self.fail(ExprError::error(TYPE, typed.range, label).help_if(help))
    }

    pub fn typed(&mut self, expr: &IdedExpr) -> Option<Typed> {
        let range = self.parsed.range(expr);
        match &expr.expr {
            Cel::Literal(literal) => self.literal(literal, range),
            Cel::Ident(name) => self.name(name, range),
            Cel::Select(select) => self.select(expr, &select.operand, &select.field),
            Cel::List(list) => self.list(&list.elements, range),
            Cel::Call(call) => self.call(expr, call, range),
            Cel::Map(_) | Cel::Struct(_) => {
                self.fail(ExprError::error(UNSUPPORTED, range, "expressions have no maps and messages"))
            }
            Cel::Comprehension(_) | Cel::Unspecified => {
                self.fail(ExprError::error(SYNTAX, range, "this can't be read"))
            }
        }
    }

    fn literal(&mut self, literal: &LiteralValue, range: Range<usize>) -> Option<Typed> {
        let (value, ty) = match literal {
            LiteralValue::Boolean(truth) => (Value::Bool(*truth.inner()), Type::Bool),
            LiteralValue::Int(number) => (Value::Int(*number.inner()), Type::Int),
            LiteralValue::Double(number) => (Value::Float(*number.inner()), Type::Float),
            LiteralValue::String(text) => (Value::text(text.inner()), Type::Text),
            LiteralValue::UInt(_) => {
                let number = self.slice(&range).trim_end_matches(['u', 'U']).to_owned();
                let error = ExprError::error(UNSUPPORTED, range, "expressions have no unsigned numbers");
                return self.fail(error.help(format!("write `{number}`")));
            }
            LiteralValue::Bytes(_) => {
                let error = ExprError::error(UNSUPPORTED, range, "expressions have no bytes");
                return self.fail(error.help("write a text, without the `b`"));
            }
            LiteralValue::Null => {
                let error =
                    ExprError::error(UNSUPPORTED, range, "expressions have no null: what nobody has said is unknown");
                return self.fail(error.help("ask `has(device.site)` for whether a field is known"));
            }
        };
        Some(Typed { node: Node::Constant(value), ty, range })
    }

    /// A name that stands by itself: the variable of a quantifier, or a mistake.
    fn name(&mut self, name: &str, range: Range<usize>) -> Option<Typed> {
        if let Some(index) = self.variables.iter().rposition(|(variable, _)| variable == name) {
            let ty = self.variables[index].1.into();
            return Some(Typed { node: Node::Element(index), ty, range });
        }
        if Root::from_name(name).is_some() {
            let error = ExprError::error(TYPE, range, format!("`{name}` is not a value; its fields are"));
            return self.fail(
                error.help(format!("name a field: `{name}.{}`", if name == "exposure" { "kev" } else { "site" })),
            );
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

    fn select(&mut self, expr: &IdedExpr, operand: &IdedExpr, field: &str) -> Option<Typed> {
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
            return self.fail(error.help("exposures can be asked in `if` and `unless`; a `where` selects devices"));
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
            (root != Root::Exposure).then(|| {
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

    fn list(&mut self, elements: &[IdedExpr], range: Range<usize>) -> Option<Typed> {
        // All of them, so that every mistake is reported.
        let typed = elements.iter().map(|element| self.typed(element)).collect::<Vec<_>>();
        let mut typed = typed.into_iter().collect::<Option<Vec<_>>>()?;
        let all_numbers = typed.iter().all(|element| element.ty.is_number());
        if all_numbers && typed.iter().any(|element| element.ty == Type::Float) {
            typed.iter_mut().for_each(as_float);
        }
        let mut scalar = None;
        for element in &typed {
            if element.ty == Type::Time && element.node.depends_on_now() {
                return self.fail(ExprError::error(
                    UNSUPPORTED,
                    element.range.clone(),
                    "a list can't hold times that depend on now",
                ));
            }
            let Some(one) = element.ty.scalar() else {
                let label = format!("a list can't hold {}", element.ty.described());
                return self.fail(ExprError::error(TYPE, element.range.clone(), label));
            };
            if *scalar.get_or_insert(one) != one {
                let first = typed.first().map_or("", |first| first.ty.described());
                let label = format!("this is {}, the first element is {first}", element.ty.described());
                return self.fail(ExprError::error(TYPE, element.range.clone(), label));
            }
        }
        let node = Node::List(typed.into_iter().map(|element| element.node).collect());
        Some(Typed { node, ty: Type::List(scalar), range })
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr, range: Range<usize>) -> Option<Typed> {
        if let Some(comparison) = comparison(&call.func_name) {
            return self.compare(comparison, call, range);
        }
        if let Some(operation) = operation(&call.func_name) {
            return self.arithmetic(operation, expr, call, range);
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, _) => {
                let mut parts = Vec::new();
                flatten(expr, &call.func_name, &mut parts);
                let nodes = parts.into_iter().map(|part| self.condition(part)).collect::<Vec<_>>();
                let nodes = nodes.into_iter().collect::<Option<Vec<_>>>()?;
                let node = if call.func_name == operators::LOGICAL_AND { Node::And(nodes) } else { Node::Or(nodes) };
                Some(Typed { node, ty: Type::Bool, range })
            }
            (operators::LOGICAL_NOT, [operand]) => {
                let node = Node::Not(Box::new(self.condition(operand)?));
                Some(Typed { node, ty: Type::Bool, range })
            }
            (operators::NEGATE, [operand]) => {
                let operand = self.typed(operand)?;
                if !operand.ty.is_number() && operand.ty != Type::Duration {
                    let label = format!("`-` of {} has no meaning", operand.ty.described());
                    return self.fail(ExprError::error(TYPE, operand.range, label));
                }
                Some(Typed { ty: operand.ty, node: Node::Negate(Box::new(operand.node)), range })
            }
            (operators::CONDITIONAL, [condition, then, other]) => self.choice(condition, then, other, range),
            (operators::IN, [needle, list]) => self.is_in(needle, list, range),
            (operators::OPT_SELECT, _) => {
                let error = ExprError::error(UNSUPPORTED, self.parsed.token(expr), "`.?` is not needed");
                self.fail(error.help("write `.`: what nobody has said is unknown, not an error"))
            }
            (operators::INDEX | operators::OPT_INDEX, _) => {
                let error = ExprError::error(UNSUPPORTED, range, "elements of lists have no numbers");
                self.fail(error.help("ask `\"canary\" in device.tags`, or `device.tags.exists(t, ...)`"))
            }
            _ => self.function(expr, call, range),
        }
    }

    fn choice(
        &mut self,
        condition: &IdedExpr,
        then: &IdedExpr,
        other: &IdedExpr,
        range: Range<usize>,
    ) -> Option<Typed> {
        let condition = self.condition(condition);
        let (then, other) = (self.typed(then), self.typed(other));
        let (condition, mut then, mut other) = (condition?, then?, other?);
        self.adjust(&mut then, &mut other)?;
        if then.ty != other.ty {
            let label =
                format!("`?:` gives {} or {}; both have to be the same", then.ty.described(), other.ty.described());
            return self.fail(ExprError::error(TYPE, range, label));
        }
        if then.ty.is_list() {
            return self.fail(ExprError::error(UNSUPPORTED, range, "`?:` can't give lists"));
        }
        let timed = condition.depends_on_now() || then.node.depends_on_now() || other.node.depends_on_now();
        if timed && matches!(then.ty, Type::Time | Type::Duration) {
            let error = ExprError::error(UNSUPPORTED, range, "`?:` can't give times and durations that depend on now");
            return self.fail(error.help("write `condition ? comparison : other_comparison`"));
        }
        let ty = then.ty;
        Some(Typed { node: Node::If(Box::new([condition, then.node, other.node])), ty, range })
    }

    fn arithmetic(
        &mut self,
        operation: Operation,
        expr: &IdedExpr,
        call: &CallExpr,
        range: Range<usize>,
    ) -> Option<Typed> {
        let [left, right] = call.args.as_slice() else { return None };
        let (left, right) = (self.typed(left), self.typed(right));
        let (left, right) = (left?, right?);
        let Some(ty) = operation.result(left.ty, right.ty) else {
            let label = format!(
                "`{}` of {} and {} has no meaning",
                operation.sign(),
                left.ty.described(),
                right.ty.described()
            );
            let help = match (left.ty, right.ty) {
                (Type::Int, Type::Float) | (Type::Float, Type::Int) => Some("write whole numbers with a point: `1.0`"),
                (Type::Time, _) | (_, Type::Time) => Some("add durations to times: `device.seen + duration(\"14d\")`"),
                _ => None,
            };
            let operator = self.parsed.token(expr);
            return self.fail(ExprError::error(TYPE, operator, label).help_if(help.map(str::to_owned)));
        };
        let by_zero = match &right.node {
            Node::Constant(Value::Int(by)) => *by == 0,
            Node::Constant(Value::Float(by)) => *by == 0.0,
            _ => false,
        };
        if by_zero && matches!(operation, Operation::Divide | Operation::Remainder) {
            let error = ExprError::error(DIVISION, right.range, "nothing can be divided by zero");
            return self.fail(error.help("what can't be computed is unknown: the condition would never be known"));
        }
        Some(Typed { node: Node::Arithmetic(operation, Box::new([left.node, right.node])), ty, range })
    }

    fn compare(&mut self, comparison: Comparison, call: &CallExpr, range: Range<usize>) -> Option<Typed> {
        let [left, right] = call.args.as_slice() else { return None };
        let (left, right) = (self.typed(left), self.typed(right));
        let (mut left, mut right) = (left?, right?);
        self.adjust(&mut left, &mut right)?;
        let comparable = left.ty == right.ty || (left.ty.is_number() && right.ty.is_number());
        if !comparable || left.ty.is_list() {
            let error = self.incomparable(comparison, &left, &right, range);
            return self.fail(error);
        }
        if left.ty == Type::Bool && !comparison.is_equality() {
            return self.fail(ExprError::error(TYPE, range, "true and false have no order"));
        }
        if left.ty == Type::Text {
            self.known_value(&left, &right);
            self.known_value(&right, &left);
            if !comparison.is_equality() {
                self.text_order(&left, &right);
            }
        }
        Some(Typed { node: Node::Compare(comparison, Box::new([left.node, right.node])), ty: Type::Bool, range })
    }

    fn incomparable(&self, comparison: Comparison, left: &Typed, right: &Typed, range: Range<usize>) -> ExprError {
        let (a, b) = (self.slice(&left.range), self.slice(&right.range));
        let sign = comparison.sign();
        let both_lists = left.ty.is_list() && right.ty.is_list();
        let label = if both_lists {
            "lists can't be compared".to_owned()
        } else {
            format!("`{}` is {}, `{}` is {}", short(a), left.ty.described(), short(b), right.ty.described())
        };
        let help = match (left.ty, right.ty) {
            (Type::List(_), Type::List(None)) => Some(format!("write `size({a}) {sign} 0`")),
            (Type::List(None), Type::List(_)) => Some(format!("write `size({b}) {sign} 0`")),
            (Type::List(_), Type::Text) => Some(format!("write `{b} in {a}`")),
            (Type::Text, Type::List(_)) => Some(format!("write `{a} in {b}`")),
            (Type::Version, Type::Int | Type::Float) => Some(format!("write versions in quotes: `\"{b}\"`")),
            (Type::Int | Type::Float, Type::Version) => Some(format!("write versions in quotes: `\"{a}\"`")),
            (Type::Version, Type::Text) | (Type::Text, Type::Version) => {
                Some("versions compare with constants, such as `\"14.2\"`, and with other versions".to_owned())
            }
            (Type::Duration, _) | (_, Type::Duration) => Some("write durations as `duration(\"14d\")`".to_owned()),
            (Type::Time, _) | (_, Type::Time) => {
                Some("write times as `timestamp(\"2026-11-23T09:00:00Z\")`".to_owned())
            }
            (Type::Bool, Type::Text)
                if matches!(right.constant_text().map(SmolStr::as_str), Some("true" | "false")) =>
            {
                Some(format!("write it without quotes: `{a} {sign} {}`", b.trim_matches(['"', '\''])))
            }
            _ => None,
        };
        ExprError::error(TYPE, range, label).help_if(help)
    }

    fn is_in(&mut self, needle: &IdedExpr, list: &IdedExpr, range: Range<usize>) -> Option<Typed> {
        let (needle, list) = (self.typed(needle), self.typed(list));
        let (mut needle, mut list) = (needle?, list?);
        let Type::List(element) = list.ty else {
            let label = format!("`in` asks a list, and this is {}", list.ty.described());
            let help = (list.ty == Type::Text && needle.ty == Type::Text).then(|| {
                format!(
                    "write `{}.contains({})`, or a list in `[ ]`",
                    self.slice(&list.range),
                    self.slice(&needle.range)
                )
            });
            return self.fail(ExprError::error(TYPE, list.range, label).help_if(help));
        };
        let Some(element) = element.map(Type::from) else {
            return Some(Typed { node: Node::In(Box::new([needle.node, list.node])), ty: Type::Bool, range });
        };
        if let Node::List(items) = &mut list.node {
            let mut adjusted = Vec::new();
            for item in std::mem::take(items) {
                let mut item = Typed { node: item, ty: element, range: list.range.clone() };
                self.adjust(&mut needle, &mut item)?;
                self.known_value(&needle, &item);
                adjusted.push(item);
            }
            list.ty = Type::List(adjusted.first().and_then(|item| item.ty.scalar()));
            *items = adjusted.into_iter().map(|item| item.node).collect();
        } else {
            self.known_value(&list, &needle);
        }
        let element = match list.ty {
            Type::List(Some(scalar)) => Type::from(scalar),
            _ => element,
        };
        if needle.ty != element && !(needle.ty.is_number() && element.is_number()) {
            let label = format!(
                "`{}` is {}, the list holds {}",
                short(self.slice(&needle.range)),
                needle.ty.described(),
                plural(element)
            );
            return self.fail(ExprError::error(TYPE, range, label));
        }
        Some(Typed { node: Node::In(Box::new([needle.node, list.node])), ty: Type::Bool, range })
    }

    /// Reads a constant text as what it stands beside: a version or a time. `None`: it is none, and that has been reported.
    pub fn adjust(&mut self, one: &mut Typed, other: &mut Typed) -> Option<()> {
        self.adjust_to(one, other.ty)?;
        self.adjust_to(other, one.ty)
    }

    fn adjust_to(&mut self, constant: &mut Typed, ty: Type) -> Option<()> {
        let Some(text) = constant.constant_text().cloned() else { return Some(()) };
        let value = match ty {
            Type::Version => match Version::parse(Scheme::Generic, &text) {
                Ok(version) => Value::Version(version),
                Err(error) => {
                    let label = format!("it stands for a version, but {}", error.why);
                    return self.fail(ExprError::error(BAD_CONSTANT, constant.range.clone(), label));
                }
            },
            Type::Time => match crate::facts::parse_time(&text) {
                Some(time) => Value::Time(time),
                None => {
                    let error =
                        ExprError::error(BAD_CONSTANT, constant.range.clone(), "it stands for a time, and is none");
                    return self.fail(error.help("write `\"2026-11-23\"` or `\"2026-11-23T09:00:00Z\"`"));
                }
            },
            _ => return Some(()),
        };
        *constant = Typed { node: Node::Constant(value), ty, range: constant.range.clone() };
        Some(())
    }

    /// Warns of a constant that `field` is not known to have.
    fn known_value(&mut self, field: &Typed, constant: &Typed) {
        let (Node::Field(index), Some(text)) = (&field.node, constant.constant_text()) else { return };
        let Some(known) = self.fields.get(*index).and_then(|name| self.scope.fields.get(name)) else { return };
        if known.values.is_empty() || known.values.contains(text) {
            return;
        }
        let meant = did_you_mean(text, known.values.iter().map(SmolStr::as_str));
        if meant.is_none() && !known.closed {
            return;
        }
        let label = format!("{text:?} is no known value of `{}`", known.name);
        let all = known.values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
        // An element of a list has the list's range: find the very text in it.
        let range = self.within(&constant.range, text);
        let warning = ExprError::warning(UNKNOWN_VALUE, range, label);
        self.report(warning.help(meant.unwrap_or_else(|| format!("known are {all}"))));
    }

    fn within(&self, range: &Range<usize>, text: &str) -> Range<usize> {
        for quote in ['"', '\''] {
            let quoted = format!("{quote}{text}{quote}");
            if let Some(start) = self.slice(range).find(&quoted) {
                return range.start + start..range.start + start + quoted.len();
            }
        }
        range.clone()
    }

    /// Warns of versions that are compared as texts.
    fn text_order(&mut self, left: &Typed, right: &Typed) {
        let looks_like_a_version = |text: &SmolStr| text.starts_with(|c: char| c.is_ascii_digit());
        let constant = [left, right].into_iter().find(|side| side.constant_text().is_some_and(looks_like_a_version));
        if let Some(constant) = constant {
            let warning = ExprError::warning(TEXT_ORDER, constant.range.clone(), "as texts, \"10\" comes before \"9\"");
            self.report(warning.help("declare the field as a `version` or an `int`"));
        }
    }
}

/// The operands of a tree of the same operator, in the order of the text: the parser balances `a && b && c`.
fn flatten<'e>(expr: &'e IdedExpr, operator: &str, parts: &mut Vec<&'e IdedExpr>) {
    match &expr.expr {
        Cel::Call(call) if call.func_name == operator => {
            call.args.iter().for_each(|arg| flatten(arg, operator, parts));
        }
        _ => parts.push(expr),
    }
}

fn as_float(typed: &mut Typed) {
    if let Node::Constant(Value::Int(number)) = typed.node {
        typed.node = Node::Constant(Value::Float(number as f64));
        typed.ty = Type::Float;
    }
}

fn comparison(operator: &str) -> Option<Comparison> {
    Some(match operator {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn operation(operator: &str) -> Option<Operation> {
    Some(match operator {
        operators::ADD => Operation::Add,
        operators::SUBSTRACT => Operation::Subtract,
        operators::MULTIPLY => Operation::Multiply,
        operators::DIVIDE => Operation::Divide,
        operators::MODULO => Operation::Remainder,
        _ => return None,
    })
}

fn plural(ty: Type) -> &'static str {
    match ty {
        Type::Text => "texts",
        Type::Int => "whole numbers",
        Type::Float => "numbers",
        Type::Version => "versions",
        Type::Time => "times",
        _ => "other things",
    }
}

/// A part of the text that fits into a line of a message.
fn short(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(CHARS_MAX - 1).chain(['…']).collect()
}
