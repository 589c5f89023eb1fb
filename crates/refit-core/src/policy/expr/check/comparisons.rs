//! What can be compared with what, and constants that stand for versions and times.

use super::{
    super::error::*,
    super::node::{Comparison, Node},
    super::types::Type,
    Checker, Typed,
};
use crate::facts::Value;
use cel::common::ast::{CallExpr, IdedExpr};
use refit_model::{Scheme, Version};
use smol_str::SmolStr;
use std::ops::Range;

impl Checker<'_> {
    pub fn compare(&mut self, comparison: Comparison, call: &CallExpr, range: Range<usize>) -> Option<Typed> {
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

    pub fn is_in(&mut self, needle: &IdedExpr, list: &IdedExpr, range: Range<usize>) -> Option<Typed> {
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
