//! Texts and bodies with expressions in them: `Roll out ${subject.title}`.

use crate::facts::mapping::{
    Json,
    expr::{Expr, Fault, Item, Names, Scope},
};
use crate::policy::expr::ExprError;
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

/// The key of what stands for a part.
const PART: &str = "part";

/// The names that expressions of processes may use, by their place in a [`Scope`].
pub(super) const NAMES: [&str; 4] = ["subject", "object", "answer", "settings"];

/// A text with expressions in it.
#[derive(Clone, Debug)]
pub(super) struct Text(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Plain(String),
    Expr(Expr),
}

/// A body, with expressions in its texts.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// As it is written.
    Value(Value),
    /// A text.
    Text(Text),
    /// A text that is one expression, and so a value of any kind.
    Expr(Expr),
    /// A list.
    List(Vec<Tree>),
    /// An object.
    Object(Vec<(String, Tree)>),
}

/// A mistake in a text, with its place there in bytes.
pub(super) struct Mistake {
    pub at: usize,
    pub error: Option<ExprError>,
}

/// What is wrong within a body.
pub(super) enum Wrong {
    /// A text can't be read.
    Text(Vec<Mistake>),
    /// There is no such part.
    Part(String),
}

impl Text {
    /// Reads a text; on failure all mistakes.
    pub fn compile(text: &str) -> Result<Text, Vec<Mistake>> {
        let (mut parts, mut mistakes) = (Vec::new(), Vec::new());
        let mut from = 0;
        while let Some(begin) = text.get(from..).and_then(|rest| rest.find("${")).map(|at| from + at) {
            parts.extend(text.get(from..begin).filter(|plain| !plain.is_empty()).map(|it| Part::Plain(it.to_owned())));
            let inside = begin + 2;
            let Some(length) = text.get(inside..).and_then(end) else {
                mistakes.push(Mistake { at: begin, error: None });
                return Err(mistakes);
            };
            let source = text.get(inside..inside + length).unwrap_or_default();
            match Expr::compile(source, Names::PROCESS) {
                Ok(expr) => parts.push(Part::Expr(expr)),
                Err(errors) => {
                    mistakes.extend(errors.into_iter().map(|error| Mistake { at: inside, error: Some(error) }))
                }
            }
            from = inside + length + 1;
        }
        parts.extend(text.get(from..).filter(|plain| !plain.is_empty()).map(|plain| Part::Plain(plain.to_owned())));
        if mistakes.is_empty() { Ok(Text(parts)) } else { Err(mistakes) }
    }

    /// It for a situation; what is missing is nothing. `each` is what becomes of the value of an expression.
    pub fn filled(&self, scope: &Scope<'_>, each: impl Fn(&str) -> String) -> Result<String, Fault> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(plain) => filled += plain,
                Part::Expr(expr) => filled += &each(&plain(&value(&expr.value(scope)?))),
            }
        }
        Ok(filled)
    }

    /// Whether it is one expression and nothing else.
    fn alone(&self) -> Option<&Expr> {
        match self.0.as_slice() {
            [Part::Expr(expr)] => Some(expr),
            _ => None,
        }
    }

    fn is_plain(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Plain(_)))
    }
}

/// Where the expression ends that begins here: at the first `}` that is in no text of it.
fn end(rest: &str) -> Option<usize> {
    let (mut within, mut escaped) = (None, false);
    for (at, c) in rest.char_indices() {
        match (within, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(quote), c) if c == quote => within = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => within = Some(c),
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}

impl Tree {
    /// Reads a body; every mistake is given to `wrong` with the steps that lead to it.
    pub fn compile(
        value: &Value,
        parts: &BTreeMap<String, Tree>,
        path: &mut Vec<Place>,
        wrong: &mut dyn FnMut(&[Place], Wrong),
    ) -> Tree {
        match value {
            Value::String(text) => match Text::compile(text) {
                Ok(text) if text.is_plain() => Tree::Value(value.clone()),
                Ok(text) => match text.alone() {
                    Some(expr) => Tree::Expr(expr.clone()),
                    None => Tree::Text(text),
                },
                Err(mistakes) => {
                    wrong(path, Wrong::Text(mistakes));
                    Tree::Value(Value::Null)
                }
            },
            Value::Array(items) => {
                let mut list = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    path.push(Place::Index(index));
                    list.push(Tree::compile(item, parts, path, wrong));
                    path.pop();
                }
                Tree::List(list)
            }
            Value::Object(entries) => {
                if let (1, Some(Value::String(name))) = (entries.len(), entries.get(PART)) {
                    let part = parts.get(name).cloned();
                    return part.unwrap_or_else(|| {
                        wrong(path, Wrong::Part(name.clone()));
                        Tree::Value(Value::Null)
                    });
                }
                let mut object = Vec::new();
                for (key, item) in entries {
                    path.push(Place::Key(key.clone()));
                    object.push((key.clone(), Tree::compile(item, parts, path, wrong)));
                    path.pop();
                }
                Tree::Object(object)
            }
            plain => Tree::Value(plain.clone()),
        }
    }

    /// It for a situation; `None` is missing: its key is left out.
    pub fn filled(&self, scope: &Scope<'_>) -> Result<Option<Value>, Fault> {
        Ok(match self {
            Tree::Value(value) => Some(value.clone()),
            Tree::Text(text) => Some(Value::String(text.filled(scope, str::to_owned)?)),
            Tree::Expr(expr) => value(&expr.value(scope)?),
            Tree::List(items) => {
                let mut list = Vec::new();
                for item in items {
                    list.extend(item.filled(scope)?);
                }
                Some(Value::Array(list))
            }
            Tree::Object(entries) => {
                let mut object = Map::new();
                for (key, tree) in entries {
                    if let Some(value) = tree.filled(scope)? {
                        object.insert(key.clone(), value);
                    }
                }
                // An object of which nothing is known says nothing.
                if object.is_empty() && !entries.is_empty() { None } else { Some(Value::Object(object)) }
            }
        })
    }
}

/// A step into a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The value of a key.
    Key(String),
    /// The entry of a list.
    Index(usize),
}

/// A value as JSON; `None` is missing.
pub(super) fn value(item: &Item<'_>) -> Option<Value> {
    Some(match item {
        Item::Missing => return None,
        Item::Null => Value::Null,
        Item::Bool(truth) => Value::Bool(*truth),
        Item::Int(number) => i64::try_from(*number).map_or_else(|_| Value::String(number.to_string()), Value::from),
        Item::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Item::Text(text) => Value::String(text.to_string()),
        Item::Time(time) => Value::String(time.to_string()),
        Item::Json(json) => of_json(json),
        Item::List(items) => Value::Array(items.iter().filter_map(value).collect()),
    })
}

fn of_json(json: &Json<'_>) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Int(number) => Value::from(*number),
        Json::Big(number) => Value::from(*number),
        Json::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Json::Text(text) => Value::String(text.to_string()),
        Json::List(items) => Value::Array(items.iter().map(of_json).collect()),
        Json::Object(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.to_string(), of_json(value))).collect())
        }
    }
}

/// A value within a text.
fn plain(value: &Option<Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| plain(&Some(item.clone()))).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}
