//! One call of a process: what is sent, and what is read from the answer.

use super::text::{NAMES, Text, Tree, value};
use crate::facts::mapping::{
    Json,
    document::PagingDocument,
    expr::{Expr, Fault, Item, Scope},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// How something is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Verb {
    /// As HTTP writes it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

/// A call that is to be made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// How.
    pub verb: Verb,
    /// The path, after the process's address.
    pub path: String,
    /// Parameters, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, String)>,
    /// What is sent, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Whether it does no harm to send it twice.
    #[serde(skip)]
    pub repeatable: bool,
    /// How further pages of the list are asked for, where the answer is one; they are looked through until the entry is found.
    #[serde(skip)]
    pub paging: Option<PagingDocument>,
    /// Whether it is an error that the list has no such entry.
    #[serde(skip)]
    pub required: bool,
    /// Statuses that are as good as yes.
    #[serde(skip)]
    pub fine: Vec<u16>,
}

/// What is read from an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// What is to be remembered.
    Says(Map<String, Value>),
    /// The list has no such entry; on the next page there may be one.
    NotHere {
        /// How many entries it has.
        entries: usize,
    },
    /// It is a refusal, with what the system says.
    Refuses(String),
}

/// What expressions are about.
pub(super) struct About<'a> {
    pub subject: &'a Value,
    pub object: &'a Map<String, Value>,
    pub settings: &'a Value,
}

/// A call, compiled.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub verb: Verb,
    pub path: Text,
    pub query: Vec<(String, Text)>,
    pub body: Option<Tree>,
    pub when: Option<Expr>,
    pub list: Option<String>,
    pub is: Option<Expr>,
    pub required: bool,
    pub paging: Option<PagingDocument>,
    pub fails: Option<Expr>,
    pub why: Option<Expr>,
    pub fine: Vec<u16>,
    pub repeatable: bool,
    pub remember: Vec<(String, Expr)>,
}

/// Values as expressions read them; they borrow from these texts.
pub(super) struct Read {
    texts: [String; 4],
}

impl Read {
    pub fn new(about: &About<'_>, answer: &Value) -> Read {
        let object = Value::Object(about.object.clone());
        Read { texts: [about.subject.to_string(), object.to_string(), answer.to_string(), about.settings.to_string()] }
    }

    /// Does something with the scope of expressions.
    pub fn with<T>(&self, work: impl FnOnce(&Scope<'_>) -> Result<T, Fault>) -> Result<T, String> {
        let parsed: Vec<Json<'_>> = self.texts.iter().map(|text| Json::parse(text).unwrap_or(Json::Null)).collect();
        let at = |index: usize| parsed.get(index).map_or(Item::Missing, Item::of);
        let scope: Scope<'_> = [at(0), at(1), at(2), at(3)];
        work(&scope).map_err(|fault| said(&fault))
    }
}

/// Why an expression has no value, with the place that it is about.
fn said(fault: &Fault) -> String {
    match &fault.path {
        Some((name, pointer)) => {
            let name = NAMES.get(*name).copied().unwrap_or_default();
            format!("`{name}{}`: {}", pointer.replace('/', "."), fault.why)
        }
        None => fault.why.clone(),
    }
}

impl Step {
    /// The call in a situation; `None` where it is not to be made there.
    pub fn call(&self, about: &About<'_>) -> Result<Option<Call>, String> {
        Read::new(about, &Value::Null).with(|scope| {
            if let Some(when) = &self.when
                && !when.holds(scope)?
            {
                return Ok(None);
            }
            let mut query = Vec::new();
            for (name, text) in &self.query {
                let filled = text.filled(scope, str::to_owned)?;
                query.extend((!filled.is_empty()).then(|| (name.clone(), filled)));
            }
            let body = match &self.body {
                Some(body) => Some(body.filled(scope)?.unwrap_or(Value::Null)),
                None => None,
            };
            Ok(Some(Call {
                verb: self.verb,
                path: self.path.filled(scope, encoded)?,
                query,
                body,
                repeatable: self.repeatable,
                paging: self.paging.clone(),
                required: self.required,
                fine: self.fine.clone(),
            }))
        })
    }

    /// What an answer says.
    pub fn answer(&self, about: &About<'_>, answer: &Value) -> Result<Answer, String> {
        let read = Read::new(about, answer);
        if let Some(fails) = &self.fails
            && read.with(|scope| fails.holds(scope))?
        {
            let why = self.why.as_ref().map(|why| read.with(|scope| Ok(value(&why.value(scope)?)))).transpose()?;
            let why = why.flatten().map(|why| why.as_str().map_or_else(|| why.to_string(), str::to_owned));
            return Ok(Answer::Refuses(why.unwrap_or_else(|| "it does not say why".to_owned())));
        }
        let Some(pointer) = &self.list else { return self.remembered(about, answer) };
        let entries = match answer.pointer(pointer) {
            Some(Value::Array(entries)) => entries.as_slice(),
            None | Some(Value::Null) => &[],
            Some(_) => return Err(format!("the answer has no list at `{pointer}`")),
        };
        for entry in entries {
            let is = match &self.is {
                Some(is) => Read::new(about, entry).with(|scope| is.holds(scope))?,
                None => true,
            };
            if is {
                return self.remembered(about, entry);
            }
        }
        Ok(Answer::NotHere { entries: entries.len() })
    }

    fn remembered(&self, about: &About<'_>, answer: &Value) -> Result<Answer, String> {
        let read = Read::new(about, answer);
        let mut remembered = Map::new();
        for (name, expr) in &self.remember {
            if let Some(value) = read.with(|scope| Ok(value(&expr.value(scope)?)))? {
                remembered.insert(name.clone(), value);
            }
        }
        Ok(Answer::Says(remembered))
    }
}

/// A value as a part of a path may have it.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// For tests and for people: a call as one line and its body.
impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb.name(), self.path)?;
        for (index, (name, value)) in self.query.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        match &self.body {
            Some(body) => write!(f, "\n{}", serde_json::to_string_pretty(body).unwrap_or_default()),
            None => Ok(()),
        }
    }
}

/// Settings as expressions read them.
pub(super) fn settings(settings: &std::collections::BTreeMap<String, String>) -> Value {
    json!(settings)
}
