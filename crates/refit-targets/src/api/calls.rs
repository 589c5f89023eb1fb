//! What is called to change something, with ids in their places.

use crate::object::Identity;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// In a path or a body: the id of the object itself.
pub const OWN: &str = "[id]";

/// In a body: where the system is, where its own addresses are sent.
pub const BASE: &str = "[base]";

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Where, on the system.
    pub path: String,
    /// With what.
    pub body: Body,
    /// Whether it makes the object. Such a call is never repeated before somebody has looked whether it was made; all others may be.
    pub makes: bool,
    /// The version that is meant: who changed it since is not overwritten.
    pub version: Option<String>,
    /// What has to be so before it goes on: it is asked again and again until it is.
    pub until: Option<Until>,
    /// Whether it is as good as done where there is nothing there (404).
    pub gone: bool,
}

/// How something is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// To look whether something has come to be so.
    Get,
    /// To make something, or to do something with it.
    Post,
    /// To replace it.
    Put,
    /// To change parts of it.
    Patch,
    /// To take it away.
    Delete,
}

/// What a call sends.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Nothing.
    Nothing,
    /// JSON.
    Json(Value),
    /// XML, as text.
    Xml(String),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Until {
    /// Where in the answer it stands, as a JSON pointer.
    pub pointer: String,
    /// What has to stand there.
    pub value: Value,
}

impl Call {
    fn new(method: Method, path: impl Into<String>, body: Body) -> Call {
        Call { method, path: path.into(), body, makes: false, version: None, until: None, gone: false }
    }

    /// A POST of JSON.
    pub fn post(path: impl Into<String>, body: Value) -> Call {
        Call::new(Method::Post, path, Body::Json(body))
    }

    /// A PUT of JSON.
    pub fn put(path: impl Into<String>, body: Value) -> Call {
        Call::new(Method::Put, path, Body::Json(body))
    }

    /// A PATCH of JSON.
    pub fn patch(path: impl Into<String>, body: Value) -> Call {
        Call::new(Method::Patch, path, Body::Json(body))
    }

    /// A POST that says all by its path.
    pub fn act(path: impl Into<String>) -> Call {
        Call::new(Method::Post, path, Body::Nothing)
    }

    /// Something with XML.
    pub fn xml(method: Method, path: impl Into<String>, text: String) -> Call {
        Call::new(method, path, Body::Xml(text))
    }

    /// A DELETE; what is not there any more is gone.
    pub fn delete(path: impl Into<String>) -> Call {
        Call { gone: true, ..Call::new(Method::Delete, path, Body::Nothing) }
    }

    /// Waits until something stands in the answer.
    pub fn wait(path: impl Into<String>, pointer: &str, value: impl Into<Value>) -> Call {
        let until = Some(Until { pointer: pointer.to_owned(), value: value.into() });
        Call { until, ..Call::new(Method::Get, path, Body::Nothing) }
    }

    /// It makes the object, whose id is in the answer.
    pub fn makes(self) -> Call {
        Call { makes: true, ..self }
    }

    /// Meant for a version.
    pub fn to(self, version: Option<&str>) -> Call {
        Call { version: version.map(str::to_owned), ..self }
    }

    /// The same with ids in the places of what refers to them. `base` is where the system is, `own` the object's id, `known` those of the
    /// others, `secrets` the texts of secrets by their names: what comes back is to be sent, and to be shown to nobody.
    pub fn resolved(
        &self,
        base: &str,
        own: Option<&str>,
        known: &BTreeMap<Identity, String>,
        secrets: &BTreeMap<String, String>,
    ) -> Result<Call, Unknown> {
        let mut ids: BTreeMap<String, &str> =
            known.iter().map(|(id, remote)| (reference(id), remote.as_str())).collect();
        ids.extend(secrets.iter().map(|(name, text)| (secret(name), text.as_str())));
        ids.insert(BASE.to_owned(), base);
        ids.extend(own.map(|own| (OWN.to_owned(), own)));
        let body = match &self.body {
            Body::Nothing => Body::Nothing,
            Body::Json(value) => Body::Json(within(value, &ids)?),
            Body::Xml(text) => Body::Xml(filled(text, &ids)?),
        };
        Ok(Call { path: filled(&self.path, &ids)?, body, ..self.clone() })
    }
}

/// Something is named that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not there: what names it can't be written before it is")]
pub struct Unknown(pub String);

/// What stands in fields and calls in place of the id of another object, which is known when it is there.
pub fn reference(id: &Identity) -> String {
    format!("[id of {id}]")
}

/// What stands in calls in place of a secret, until they are sent.
pub fn secret(name: &str) -> String {
    format!("[secret of {name}]")
}

/// A value with ids in its texts.
fn within(value: &Value, ids: &BTreeMap<String, &str>) -> Result<Value, Unknown> {
    Ok(match value {
        Value::String(text) => Value::String(filled(text, ids)?),
        Value::Array(items) => Value::Array(items.iter().map(|item| within(item, ids)).collect::<Result<_, _>>()?),
        Value::Object(fields) => {
            let mut filled = Map::new();
            for (name, value) in fields {
                filled.insert(name.clone(), within(value, ids)?);
            }
            Value::Object(filled)
        }
        other => other.clone(),
    })
}

/// A text with ids in it. Brackets around anything else stay.
fn filled(text: &str, ids: &BTreeMap<String, &str>) -> Result<String, Unknown> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('[') {
        filled += before;
        let is_named = |inner: &str| {
            ["id", "base"].contains(&inner) || inner.starts_with("id of ") || inner.starts_with("secret of ")
        };
        match after.split_once(']').filter(|(inner, _)| is_named(inner)) {
            Some((inner, after)) => {
                let named = format!("[{inner}]");
                filled += ids.get(&named).ok_or(Unknown(named))?;
                rest = after;
            }
            None => {
                filled.push('[');
                rest = after;
            }
        }
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_put_into_their_places() {
        let group = Identity::new("group", "refit-a".to_owned());
        let longer = Identity::new("group", "refit-a-b".to_owned());
        let known = [(group.clone(), "7".to_owned()), (longer.clone(), "8".to_owned())].into();
        let body =
            json!({ "to": [reference(&group), reference(&longer)], "about": "[idle] [id", "at": format!("{BASE}/x") });
        let call = Call::post(format!("/things/{OWN}/assign"), body);
        let none = BTreeMap::new();
        let resolved = call.resolved("https://a", Some("1"), &known, &none).unwrap();
        assert_eq!(resolved.path, "/things/1/assign");
        assert_eq!(resolved.body, Body::Json(json!({ "to": ["7", "8"], "about": "[idle] [id", "at": "https://a/x" })));
        assert_eq!(call.resolved("https://a", None, &known, &none), Err(Unknown("[id]".to_owned())));
        let missing = Call::xml(Method::Put, "/x", format!("<id>{}</id>", reference(&group)));
        let unknown = Err(Unknown("[id of group refit-a]".to_owned()));
        assert_eq!(missing.resolved("", Some("1"), &BTreeMap::new(), &none), unknown);
        assert_eq!(missing.resolved("", None, &known, &none).unwrap().body, Body::Xml("<id>7</id>".to_owned()));
    }

    #[test]
    fn a_secret_is_in_a_call_by_its_name_until_it_is_sent() {
        let call = Call::post("/hooks", json!({ "value": format!("Bearer {}", secret("token")) }));
        let nobody = BTreeMap::new();
        assert!(format!("{call:?}").contains("Bearer [secret of token]"));
        let secrets = [("token".to_owned(), "hush [id]".to_owned())].into();
        let resolved = call.resolved("", None, &nobody, &secrets).unwrap();
        // What stands in a secret is nobody's place.
        assert_eq!(resolved.body, Body::Json(json!({ "value": "Bearer hush [id]" })));
        let unknown = Err(Unknown("[secret of token]".to_owned()));
        assert_eq!(call.resolved("", None, &nobody, &BTreeMap::new()), unknown);
    }
}
