//! Functions, and the macros over lists.

use super::check::{Checker, Typed};
use super::error::*;
use super::node::{Node, Quantifier, TextTest};
use super::types::{Scalar, Type};
use crate::facts::{Root, Value, parse_duration, parse_time};
use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr};
use regex::RegexBuilder;
use std::ops::Range;

/// Quantifiers in one another: two already ask for every pair of two lists.
const QUANTIFIERS_MAX: usize = 2;

/// Memory of one compiled pattern, in bytes: room for some hundred characters of pattern, not for `(x{1000}){1000}`.
const PATTERN_BYTES_MAX: usize = 512 * 1024;

const FUNCTIONS: [&str; 14] = [
    "has",
    "size",
    "duration",
    "timestamp",
    "since",
    "until",
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "exists",
    "all",
    "exists_one",
    "lowerAscii",
];

/// Functions of CEL that no condition on a device needs, each with what to write instead.
const UNSUPPORTED_FUNCTIONS: [(&str, &str); 13] = [
    ("map", "ask for elements with `exists`, `all` or `exists_one`"),
    ("filter", "ask for elements with `exists`, `all` or `exists_one`"),
    ("int", "fields have their types; nothing has to be converted"),
    ("uint", "fields have their types; nothing has to be converted"),
    ("double", "write the number with a point: `9.0`"),
    ("string", "fields have their types; nothing has to be converted"),
    ("bool", "fields have their types; nothing has to be converted"),
    ("bytes", "fields have their types; nothing has to be converted"),
    ("dyn", "fields have their types; nothing has to be converted"),
    ("type", "fields have their types; nothing has to be converted"),
    ("now", "ask `since(device.seen) < duration(\"14d\")` or `until(person.last_day)`"),
    ("lower", "write `.lowerAscii()`"),
    ("upperAscii", "compare in small letters: `.lowerAscii()`"),
];

impl Checker<'_> {
    pub(super) fn function(&mut self, expr: &IdedExpr, call: &CallExpr, range: Range<usize>) -> Option<Typed> {
        let name = call.func_name.as_str();
        // CEL lets some functions be called either way: `size(x)` and `x.size()`, `x.matches(p)` and `matches(x, p)`.
        let parts = call.target.as_deref().into_iter().chain(&call.args).collect::<Vec<_>>();
        let method = call.target.is_some();
        match (name, method, parts.as_slice()) {
            ("has", false, [field]) => self.has(field, range),
            ("size", _, [operand]) => self.size(operand, range),
            ("duration", false, [text]) => self.duration(text, range),
            ("timestamp", false, [text]) => self.timestamp(text, range),
            ("since" | "until", false, [time]) => self.distance(name, time, range),
            ("startsWith", true, [text, part]) => self.text_test(TextTest::StartsWith, name, text, part, range),
            ("endsWith", true, [text, part]) => self.text_test(TextTest::EndsWith, name, text, part, range),
            ("contains", true, [text, part]) => self.text_test(TextTest::Contains, name, text, part, range),
            ("matches", _, [text, pattern]) => self.matches(text, pattern, range),
            ("lowerAscii", true, [text]) => {
                let text = self.text(name, text)?;
                Some(Typed { node: Node::Lower(Box::new(text.node)), ty: Type::Text, range })
            }
            ("exists", true, [list, variable, condition]) => {
                self.quantified(Quantifier::Exists, list, variable, condition, range)
            }
            ("all", true, [list, variable, condition]) => {
                self.quantified(Quantifier::All, list, variable, condition, range)
            }
            ("exists_one" | "existsOne", true, [list, variable, condition]) => {
                self.quantified(Quantifier::ExistsOne, list, variable, condition, range)
            }
            _ => {
                let error = self.no_such_call(expr, name, method);
                self.fail(error)
            }
        }
    }

    fn no_such_call(&self, expr: &IdedExpr, name: &str, method: bool) -> ExprError {
        let range = self.parsed.call_name(expr);
        if let Some(usage) = usage(name) {
            return ExprError::error(ARGUMENTS, range, format!("`{name}` is not called like this"))
                .help(format!("write `{usage}`"));
        }
        if let Some((_, instead)) = UNSUPPORTED_FUNCTIONS.into_iter().find(|(known, _)| *known == name) {
            return ExprError::error(UNSUPPORTED, range, format!("expressions have no `{name}`")).help(instead);
        }
        let help = if let Some(close) = closest(name, FUNCTIONS) {
            format!("did you mean `{close}`?")
        } else if method && matches!(name, "includes" | "has" | "any" | "some") {
            "ask `\"canary\" in device.tags`, or `device.tags.exists(t, t.startsWith(\"c\"))`".to_owned()
        } else {
            format!("there are `{}`", FUNCTIONS.join("`, `"))
        };
        ExprError::error(UNKNOWN_FUNCTION, range, format!("there is no function `{name}`")).help(help)
    }

    fn has(&mut self, field: &IdedExpr, range: Range<usize>) -> Option<Typed> {
        let Cel::Select(select) = &field.expr else {
            let range = self.parsed.range(field);
            let error = ExprError::error(ARGUMENTS, range, "`has` asks whether a field is known");
            return self.fail(error.help("write `has(person.department)`"));
        };
        let (reference, kind) = self.field(field, &select.operand, &select.field)?;
        Some(Typed { node: Node::Has(self.index(reference, kind)), ty: Type::Bool, range })
    }

    fn size(&mut self, operand: &IdedExpr, range: Range<usize>) -> Option<Typed> {
        let operand = self.typed(operand)?;
        if operand.ty != Type::Text && !operand.ty.is_list() {
            let label = format!("`size` is of a text or a list, and this is {}", operand.ty.described());
            return self.fail(ExprError::error(TYPE, operand.range, label));
        }
        Some(Typed { node: Node::Size(Box::new(operand.node)), ty: Type::Int, range })
    }

    fn duration(&mut self, text: &IdedExpr, range: Range<usize>) -> Option<Typed> {
        let (text, at) = self.constant("duration", text, "duration(\"14d\")")?;
        let Some(duration) = parse_duration(&text) else {
            let help = match text.trim().strip_suffix('w').and_then(|weeks| weeks.parse::<u32>().ok()) {
                Some(weeks) => format!("write weeks in days: \"{}d\"", u64::from(weeks) * 7),
                None => "write numbers with `d` (24 hours), `h`, `m`, `s` or `ms`: \"14d\", \"1h30m\"".to_owned(),
            };
            return self.fail(ExprError::error(BAD_CONSTANT, at, "this is no duration").help(help));
        };
        Some(Typed { node: Node::Constant(Value::Duration(duration)), ty: Type::Duration, range })
    }

    fn timestamp(&mut self, text: &IdedExpr, range: Range<usize>) -> Option<Typed> {
        let (text, at) = self.constant("timestamp", text, "timestamp(\"2026-11-23T09:00:00Z\")")?;
        let Some(time) = parse_time(&text) else {
            let error = ExprError::error(BAD_CONSTANT, at, "this is no time");
            return self.fail(error.help("write \"2026-11-23T09:00:00Z\", or a date, which begins at 00:00 UTC"));
        };
        Some(Typed { node: Node::Constant(Value::Time(time)), ty: Type::Time, range })
    }

    fn distance(&mut self, name: &str, time: &IdedExpr, range: Range<usize>) -> Option<Typed> {
        let mut time = self.typed(time)?;
        let mut model = Typed { node: Node::Constant(Value::Int(0)), ty: Type::Time, range: time.range.clone() };
        self.adjust(&mut time, &mut model)?;
        if time.ty != Type::Time {
            let label = format!("`{name}` is of a time, and this is {}", time.ty.described());
            return self.fail(ExprError::error(TYPE, time.range, label));
        }
        let time = Box::new(time.node);
        let node = if name == "since" { Node::Since(time) } else { Node::Until(time) };
        Some(Typed { node, ty: Type::Duration, range })
    }

    fn text_test(
        &mut self,
        test: TextTest,
        name: &str,
        text: &IdedExpr,
        part: &IdedExpr,
        range: Range<usize>,
    ) -> Option<Typed> {
        let (text, part) = (self.typed(text), self.text(name, part));
        let (text, part) = (text?, part?);
        if test == TextTest::Contains && text.ty.is_list() {
            let error = ExprError::error(TYPE, text.range.clone(), "`contains` is of a text, and this is a list");
            let help = format!("write `{} in {}`", self.slice(&part.range), self.slice(&text.range));
            return self.fail(error.help(help));
        }
        let text = self.must_be_text(name, text)?;
        Some(Typed { node: Node::TextTest(test, Box::new([text.node, part.node])), ty: Type::Bool, range })
    }

    fn matches(&mut self, text: &IdedExpr, pattern: &IdedExpr, range: Range<usize>) -> Option<Typed> {
        let (text, pattern) =
            (self.text("matches", text), self.constant("matches", pattern, "device.hostname.matches(\"^web[0-9]+$\")"));
        let (text, (pattern, at)) = (text?, pattern?);
        let regex = match RegexBuilder::new(&pattern).size_limit(PATTERN_BYTES_MAX).build() {
            Ok(regex) => regex,
            Err(error) => {
                if let regex::Error::CompiledTooBig(_) = error {
                    return self.fail(ExprError::error(BAD_CONSTANT, at, "this pattern is too large"));
                }
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                return self.fail(ExprError::error(BAD_CONSTANT, at, format!("this is no pattern: {reason}")));
            }
        };
        Some(Typed { node: Node::Matches(Box::new(text.node), regex), ty: Type::Bool, range })
    }

    fn quantified(
        &mut self,
        quantifier: Quantifier,
        list: &IdedExpr,
        variable: &IdedExpr,
        condition: &IdedExpr,
        range: Range<usize>,
    ) -> Option<Typed> {
        let list = self.typed(list)?;
        let Type::List(element) = list.ty else {
            let label = format!("this is {}, not a list", list.ty.described());
            return self.fail(ExprError::error(TYPE, list.range, label));
        };
        let at = self.parsed.range(variable);
        let Cel::Ident(name) = &variable.expr else {
            let error = ExprError::error(ARGUMENTS, at, "a name for the element stands here");
            return self.fail(error.help("write `device.tags.exists(t, t == \"kiosk\")`"));
        };
        if Root::from_name(name).is_some()
            || self.variables.iter().any(|(known, _)| known == name)
            || name.starts_with('.')
        {
            let label = format!("`{name}` means something already");
            return self.fail(ExprError::error(ARGUMENTS, at, label).help("choose another name, such as `t`"));
        }
        if self.variables.len() >= QUANTIFIERS_MAX {
            let label = format!("more than {QUANTIFIERS_MAX} of `exists`, `all` and `exists_one` in one another");
            return self.fail(ExprError::error(TOO_COMPLEX, range, label));
        }
        self.variables.push((name.clone(), element.unwrap_or(Scalar::Text)));
        let condition = self.condition(condition);
        self.variables.pop();
        Some(Typed { node: Node::Quantified(quantifier, Box::new([list.node, condition?])), ty: Type::Bool, range })
    }

    /// An operand that has to be a text.
    fn text(&mut self, function: &str, expr: &IdedExpr) -> Option<Typed> {
        let typed = self.typed(expr)?;
        self.must_be_text(function, typed)
    }

    fn must_be_text(&mut self, function: &str, typed: Typed) -> Option<Typed> {
        if typed.ty == Type::Text {
            return Some(typed);
        }
        let label = format!("`{function}` is of texts, and this is {}", typed.ty.described());
        let help = match typed.ty {
            Type::Version => {
                Some("compare versions: `device.os_version >= \"14.0\" && device.os_version < \"15\"`".to_owned())
            }
            Type::List(_) => {
                Some(format!("ask for elements: `{}.exists(t, t.{function}(...))`", self.slice(&typed.range)))
            }
            _ => None,
        };
        self.fail(ExprError::error(TYPE, typed.range, label).help_if(help))
    }

    /// An argument that has to be a text written out.
    fn constant(&mut self, function: &str, expr: &IdedExpr, usage: &str) -> Option<(String, Range<usize>)> {
        let typed = self.typed(expr)?;
        if let Some(text) = typed.constant_text() {
            return Some((text.to_string(), typed.range));
        }
        let error = ExprError::error(ARGUMENTS, typed.range, format!("`{function}` needs a text in quotes"));
        self.fail(error.help(format!("write `{usage}`")))
    }
}

/// How a function is called; `None` where there is no such function.
fn usage(name: &str) -> Option<&'static str> {
    Some(match name {
        "has" => "has(person.department)",
        "size" => "size(device.tags)",
        "duration" => "duration(\"14d\")",
        "timestamp" => "timestamp(\"2026-11-23T09:00:00Z\")",
        "since" => "since(person.first_day)",
        "until" => "until(person.last_day)",
        "startsWith" => "device.hostname.startsWith(\"web\")",
        "endsWith" => "person.email.endsWith(\"@acme.example\")",
        "contains" => "device.model.contains(\"Pro\")",
        "matches" => "device.hostname.matches(\"^web[0-9]+$\")",
        "lowerAscii" => "person.department.lowerAscii()",
        "exists" => "device.tags.exists(t, t == \"kiosk\")",
        "all" => "device.tags.all(t, t != \"kiosk\")",
        "exists_one" | "existsOne" => "device.tags.exists_one(t, t.startsWith(\"site-\"))",
        _ => return None,
    })
}
