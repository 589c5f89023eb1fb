//! The type checker: CEL's tree in, our own out, and every mistake on the way.

mod comparisons;
mod names;

use super::compiled::Expr;
use super::compiler::Scope;
use super::error::*;
use super::node::{Comparison, Days, Node, Operation};
use super::parse::Parsed;
use super::types::{Scalar, Type};
use crate::facts::{FieldRef, Kind, Value};
use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, LiteralValue, operators};
use smol_str::SmolStr;
use std::ops::Range;

/// Types a parsed text.
pub(super) fn check(text: &str, parsed: &Parsed<'_>, scope: &Scope<'_>) -> Result<Expr, Vec<ExprError>> {
    let mut checker =
        Checker { parsed, scope, findings: Vec::new(), fields: Vec::new(), kinds: Vec::new(), variables: Vec::new() };
    let root = checker.condition(&parsed.root);
    let Checker { mut findings, mut fields, mut kinds, .. } = checker;
    findings.sort_by_key(|finding| (finding.range.start, finding.range.end));
    match root {
        Some(root) if !findings.iter().any(ExprError::is_error) => {
            let named = fields.len();
            let days = days(&root, &mut fields, &mut kinds);
            Ok(Expr { text: text.into(), root, fields, kinds, named, days, warnings: findings })
        }
        _ => Err(findings),
    }
}

/// What it takes to count from midnight where the person is, where the expression counts from or to a day. The zone is then one of its fields.
fn days(root: &Node, fields: &mut Vec<FieldRef>, kinds: &mut Vec<Kind>) -> Option<Days> {
    let days: Vec<usize> = (0..fields.len()).filter(|index| fields.get(*index).is_some_and(FieldRef::is_day)).collect();
    if !root.counts_days(&|index| days.contains(&index)) {
        return None;
    }
    let zone = FieldRef::person("timezone");
    let place = fields.iter().position(|field| *field == zone).unwrap_or_else(|| {
        fields.push(zone);
        kinds.push(Kind::Text);
        fields.len() - 1
    });
    Some(Days { fields: days, zone: place })
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
