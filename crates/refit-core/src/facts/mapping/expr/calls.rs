//! What the functions do. What is missing or null goes through as it is, unless the question is about that.

use super::evaluate::{Fault, Run, number};
use super::functions::Function;
use super::item::Item;
use super::node::{Call, Constant, Node};
use super::times::TimeFormat;
use crate::facts::mapping::json::{Json, shortened};
use std::borrow::Cow;

pub(super) fn call<'a>(run: &mut Run<'a, '_>, call: &'a Call) -> Result<Item<'a>, Fault> {
    let [about, rest @ ..] = call.args.as_slice() else { return Ok(Item::Missing) };
    match call.function {
        Function::Known => return Ok(Item::Bool(run.value(about)?.is_known())),
        Function::Coalesce => {
            let mut last = Item::Missing;
            for arg in &call.args {
                let item = run.value(arg)?;
                if item.is_known() {
                    return Ok(item);
                }
                // That there is none is more than nothing.
                last = if last == Item::Missing { item } else { last };
            }
            return Ok(last);
        }
        _ => {}
    }
    let value = run.value(about)?;
    if matches!(value, Item::Missing | Item::Null) {
        let asks =
            matches!(call.function, Function::Contains | Function::StartsWith | Function::EndsWith | Function::Matches);
        return Ok(if asks { Item::Bool(false) } else { value });
    }
    let reads = matches!(call.function, Function::Int | Function::Double | Function::Bool | Function::Bytes);
    if reads && !value.is_known() {
        // An empty cell of a table says that there is nothing.
        return Ok(Item::Null);
    }
    match call.function {
        Function::Size => size(&value, about),
        Function::Join => join(run, value, about, rest),
        Function::First => list(&value, about).map(|items| items.into_iter().next().unwrap_or(Item::Missing)),
        Function::Last => list(&value, about).map(|items| items.into_iter().next_back().unwrap_or(Item::Missing)),
        Function::Int => int(&value).ok_or_else(|| no(&value, "a whole number", about)),
        Function::Double => match (&value, number(&value)) {
            (_, Some(number)) => Ok(Item::Float(number)),
            (Item::Text(text), _) => {
                let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
                number.map(Item::Float).ok_or_else(|| no(&value, "a number", about))
            }
            _ => Err(no(&value, "a number", about)),
        },
        Function::Bool => truth(&value).map(Item::Bool).ok_or_else(|| no(&value, "true or false", about)),
        Function::Time => {
            let plain = TimeFormat::Plain;
            let format = if let Constant::Time(format) = &call.constant { format } else { &plain };
            format.read(&value).ok_or_else(|| no(&value, "a time", about))
        }
        Function::Bytes => {
            let unit = if let Constant::Unit(unit) = &call.constant { *unit } else { 1 };
            let item = int(&value).or_else(|| number(&value).map(Item::Float));
            match item {
                Some(Item::Int(number)) => number
                    .checked_mul(unit.into())
                    .filter(|bytes| i64::try_from(*bytes).is_ok())
                    .map(Item::Int)
                    .ok_or_else(|| no(&value, "a number of bytes", about)),
                Some(Item::Float(number)) => Ok(Item::Int((number * unit as f64) as i64 as i128)),
                _ => Err(no(&value, "a number", about)),
            }
        }
        Function::Known | Function::Coalesce => Ok(value),
        _ => of_text(run, call, value, about, rest),
    }
}

/// The functions of texts.
fn of_text<'a>(
    run: &mut Run<'a, '_>,
    call: &'a Call,
    value: Item<'a>,
    about: &'a Node,
    rest: &'a [Node],
) -> Result<Item<'a>, Fault> {
    let text = match value {
        Item::Bool(truth) if call.function == Function::Text => truth.to_string().into(),
        Item::Float(number) if call.function == Function::Text => number.to_string().into(),
        Item::Time(time) if call.function == Function::Text => time.to_string().into(),
        value => value.into_text().map_err(|value| no(&value, "a text", about))?,
    };
    let mut argument = |place: usize| -> Result<Cow<'a, str>, Fault> {
        let Some(node) = rest.get(place) else { return Ok(Cow::Borrowed("")) };
        run.value(node)?.into_text().map_err(|value| no(&value, "a text", node))
    };
    Ok(match call.function {
        Function::Lower if text.chars().any(char::is_uppercase) => Item::Text(text.to_lowercase().into()),
        Function::Upper if text.chars().any(char::is_lowercase) => Item::Text(text.to_uppercase().into()),
        Function::Trim => Item::Text(trimmed(text)),
        Function::Split => {
            let separator = argument(0)?;
            let parts = parts(&text, &separator);
            Item::List(parts.into_iter().map(|part| Item::Text(part.to_owned().into())).collect())
        }
        Function::Replace => {
            let (from, to) = (argument(0)?, argument(1)?);
            // What grows without bounds is nobody's text.
            if to.len() > 64 || from.is_empty() || !text.contains(&*from) {
                Item::Text(text)
            } else {
                Item::Text(text.replace(&*from, &to).into())
            }
        }
        Function::Contains => Item::Bool(text.contains(&*argument(0)?)),
        Function::StartsWith => Item::Bool(text.starts_with(&*argument(0)?)),
        Function::EndsWith => Item::Bool(text.ends_with(&*argument(0)?)),
        Function::Before => {
            let separator = argument(0)?;
            match text.find(&*separator).filter(|_| !separator.is_empty()) {
                Some(at) => Item::Text(part(text, 0, at)),
                None => Item::Text(text),
            }
        }
        Function::After => {
            let separator = argument(0)?;
            match text.find(&*separator).filter(|_| !separator.is_empty()) {
                Some(at) => {
                    let end = text.len();
                    Item::Text(part(text, at + separator.len(), end))
                }
                None => Item::Missing,
            }
        }
        Function::Matches => match &call.constant {
            Constant::Regex(regex) => Item::Bool(regex.is_match(&text)),
            _ => Item::Bool(false),
        },
        Function::Extract => match &call.constant {
            Constant::Regex(regex) => {
                let found = regex.captures(&text).and_then(|groups| groups.get(1).or_else(|| groups.get(0)));
                match found.map(|found| found.range()) {
                    Some(range) => Item::Text(part(text, range.start, range.end)),
                    None => Item::Missing,
                }
            }
            _ => Item::Missing,
        },
        _ => Item::Text(text),
    })
}

/// A part of a text, borrowed where the whole is.
fn part(text: Cow<'_, str>, start: usize, end: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(start..end).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(start..end).unwrap_or_default().to_owned()),
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len().max(start);
    part(text, start, end)
}

fn parts<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    if separator.is_empty() { vec![text] } else { text.split(separator).collect() }
}

fn size<'a>(value: &Item<'a>, about: &Node) -> Result<Item<'a>, Fault> {
    let size = match value {
        Item::Text(text) => text.chars().count(),
        Item::List(items) => items.len(),
        Item::Json(Json::List(items)) => items.len(),
        Item::Json(Json::Object(entries)) => entries.len(),
        other => return Err(no(other, "a text or a list", about)),
    };
    Ok(Item::Int(size as i128))
}

fn list<'a>(value: &Item<'a>, about: &Node) -> Result<Vec<Item<'a>>, Fault> {
    value.items().ok_or_else(|| no(value, "a list", about))
}

fn join<'a>(run: &mut Run<'a, '_>, value: Item<'a>, about: &Node, rest: &'a [Node]) -> Result<Item<'a>, Fault> {
    let items = list(&value, about)?;
    let separator = match rest.first() {
        Some(node) => run.value(node)?.into_text().map_err(|value| no(&value, "a text", node))?,
        None => Cow::Borrowed(""),
    };
    let mut texts = Vec::new();
    for item in items.into_iter().filter(Item::is_known) {
        texts.push(item.into_text().map_err(|item| no(&item, "a text", about))?);
    }
    Ok(Item::Text(texts.join(&*separator).into()))
}

/// A whole number: also one that is written as a text, or as a number without a fraction.
fn int<'a>(value: &Item<'_>) -> Option<Item<'a>> {
    match value {
        Item::Int(number) => Some(Item::Int(*number)),
        Item::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(Item::Int(*number as i128)),
        Item::Text(text) => text.trim().parse::<i64>().ok().map(|number| Item::Int(number.into())),
        _ => None,
    }
}

/// True or false, as people and tables write it.
fn truth(value: &Item<'_>) -> Option<bool> {
    let is = |text: &str, words: &[&str]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    match value {
        Item::Bool(truth) => Some(*truth),
        Item::Int(0) => Some(false),
        Item::Int(1) => Some(true),
        Item::Text(text) if is(text, &["true", "yes", "y", "on", "1"]) => Some(true),
        Item::Text(text) if is(text, &["false", "no", "n", "off", "0"]) => Some(false),
        _ => None,
    }
}

fn no(value: &Item<'_>, wanted: &str, about: &Node) -> Fault {
    let shown = match value {
        Item::Text(text) => format!("\"{}\"", shortened(text)),
        other => other.described().to_owned(),
    };
    Fault::new(format!("{wanted} is needed, and this is {shown}"), about)
}
