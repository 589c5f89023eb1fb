//! What a change makes of a resource (RFC 7644, section 3.5.2), with the ways in which Okta and Entra ID write changes.

use super::{
    error::Refused,
    filter::{self, means_value},
    schema::{self, Attribute, ENTERPRISE, EXTENSION, Kind, USER},
};
use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, PatchPath, PatchValuePath, ValFilter};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The schema of changes.
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// How many operations a request may have.
const MOST: usize = 1_000;

/// A change.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    schemas: Vec<String>,
    #[serde(rename = "Operations", alias = "operations")]
    operations: Vec<Operation>,
}

#[derive(Debug, Deserialize)]
struct Operation {
    op: String,
    path: Option<String>,
    value: Option<Value>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Values come to those that there are, or take the place of the one that there is.
    Add,
    /// Values take the place of those that there are.
    Replace,
    /// Values go.
    Remove,
}

/// One operation of a change, which says what the standard wants of it.
#[derive(Debug)]
pub(super) struct Step<'c> {
    /// What it does.
    pub op: Op,
    /// To what; where that is not said, the value is an object that says it.
    pub path: Option<&'c str>,
    /// With what.
    pub value: Option<&'c Value>,
    /// Where it stands in the change, for messages.
    pub place: String,
}

impl Change {
    /// What it makes of a resource, which is in the names of the schema: all of it, or nothing.
    pub(super) fn apply(&self, resource: &Map<String, Value>) -> Result<Map<String, Value>, Refused> {
        let mut changed = resource.clone();
        for Step { op, path, value, place } in self.steps()? {
            match (path, value) {
                (Some(path), value) => set(&mut changed, op, path, value, &place)?,
                (None, value) => {
                    for (path, value) in named(value, &place)? {
                        set(&mut changed, op, path, Some(value), &place)?;
                    }
                }
            }
        }
        schema::canonical(&changed)
    }

    /// Its operations, in their order.
    pub(super) fn steps(&self) -> Result<Vec<Step<'_>>, Refused> {
        if !self.schemas.iter().any(|schema| schema.eq_ignore_ascii_case(PATCH)) {
            return Err(Refused::invalid("invalidSyntax", format!("schemas: a change has `{PATCH}`")));
        }
        if self.operations.len() > MOST {
            return Err(Refused::invalid("tooMany", format!("Operations: {MOST} at the most")));
        }
        let operations = self.operations.iter().enumerate();
        operations.map(|(number, operation)| operation.read(format!("Operations[{number}]"))).collect()
    }
}

impl Operation {
    fn read(&self, place: String) -> Result<Step<'_>, Refused> {
        // Entra ID writes `Add`, `Replace`, `Remove`.
        let op = match self.op.to_ascii_lowercase().as_str() {
            "add" => Op::Add,
            "replace" => Op::Replace,
            "remove" => Op::Remove,
            other => {
                let detail = format!("{place}.op: `{other}` is none of `add`, `replace`, `remove`");
                return Err(Refused::invalid("invalidSyntax", detail));
            }
        };
        let path = self.path.as_deref().filter(|path| !path.is_empty());
        let value = self.value.as_ref();
        if op == Op::Remove && path.is_none() {
            return Err(Refused::invalid("noTarget", format!("{place}: what is removed has to be named by `path`")));
        }
        if op != Op::Remove && value.is_none() {
            return Err(Refused::invalid("invalidValue", format!("{place}: there is no `value`")));
        }
        Ok(Step { op, path, value, place })
    }
}

/// The attributes that the value of an operation without a path names.
pub(super) fn named<'v>(value: Option<&'v Value>, place: &str) -> Result<&'v Map<String, Value>, Refused> {
    value.and_then(Value::as_object).ok_or_else(|| {
        Refused::invalid("invalidValue", format!("{place}: without a `path` the value has to be an object"))
    })
}

/// Does one operation to what a path names. Attributes that are not kept are passed over.
fn set(
    resource: &mut Map<String, Value>,
    op: Op,
    text: &str,
    value: Option<&Value>,
    place: &str,
) -> Result<(), Refused> {
    if let Some(schema) = [USER, ENTERPRISE].into_iter().find(|schema| schema.eq_ignore_ascii_case(text)) {
        return set_all(resource, op, schema, value, place);
    }
    let path: PatchPath = text.parse().map_err(|error| {
        Refused::invalid("invalidPath", format!("{place}: the path `{}` can't be read: {error}", shown(text)))
    })?;
    let attr = match &path {
        PatchPath::Attr(attr) => attr,
        PatchPath::Value(path) => &path.attr,
    };
    let kept_by_us = attr.uri.is_none() && ["id", "meta", "groups"].iter().any(|it| attr.name.eq_ignore_ascii_case(it));
    if kept_by_us {
        return Err(Refused::invalid("mutability", format!("{place}: `{}` can't be changed", attr.name)));
    }
    let Some((attribute, part)) = filter::attribute(attr) else { return Ok(()) };
    let holder = holder(resource, attr);
    match &path {
        PatchPath::Attr(_) => match part {
            None => set_attribute(holder, attribute, op, value, place),
            Some(part) => set_part(holder, attribute, part, op, value, place),
        },
        PatchPath::Value(path) => set_chosen(holder, attribute, path, op, value, place),
    }?;
    resource.retain(|name, value| name != ENTERPRISE || value.as_object().is_none_or(|parts| !parts.is_empty()));
    Ok(())
}

/// Does an operation to a whole schema's attributes.
fn set_all(
    resource: &mut Map<String, Value>,
    op: Op,
    schema: &str,
    value: Option<&Value>,
    place: &str,
) -> Result<(), Refused> {
    match value {
        None => {
            let among = if schema == ENTERPRISE { EXTENSION } else { schema::CORE };
            let holder = if schema == ENTERPRISE { extension(resource) } else { resource };
            holder.retain(|name, _| schema::find(among, name).is_none());
            Ok(())
        }
        Some(Value::Object(values)) => {
            for (name, value) in values {
                set(resource, op, &format!("{schema}:{name}"), Some(value), place)?;
            }
            Ok(())
        }
        Some(_) => Err(Refused::invalid("invalidValue", format!("{place}: the value of a schema has to be an object"))),
    }
}

/// Where an attribute is.
fn holder<'r>(resource: &'r mut Map<String, Value>, attr: &AttrPath) -> &'r mut Map<String, Value> {
    match attr.uri.as_deref() {
        Some(uri) if uri.eq_ignore_ascii_case(ENTERPRISE) => extension(resource),
        _ => resource,
    }
}

fn extension(resource: &mut Map<String, Value>) -> &mut Map<String, Value> {
    object(resource.entry(ENTERPRISE).or_insert_with(|| Value::Object(Map::new())))
}

/// The parts of a value, which has none yet where it was something else.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(parts) => parts,
        _ => unreachable!("it is an object by now"),
    }
}

fn set_attribute(
    holder: &mut Map<String, Value>,
    attribute: &Attribute,
    op: Op,
    value: Option<&Value>,
    place: &str,
) -> Result<(), Refused> {
    let path = format!("{place}.{}", attribute.name);
    let sent = value.map_or(Ok(None), |value| schema::whole(attribute, value, &path))?;
    let name = attribute.name;
    match (op, sent) {
        // Entra ID names the values that are to go.
        (Op::Remove, Some(Value::Array(gone))) if attribute.many => {
            if let Some(Value::Array(list)) = holder.get_mut(name) {
                list.retain(|known| !gone.iter().any(|gone| known["value"] == gone["value"]));
            }
        }
        (Op::Remove, _) | (Op::Replace, None) => drop(holder.remove(name)),
        (Op::Add, None) => {}
        (Op::Add, Some(Value::Array(new))) => {
            let list = holder.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                let new: Vec<Value> = new.into_iter().filter(|new| !list.contains(new)).collect();
                for new in new {
                    // One value of one kind is there once (RFC 7643, section 2.4).
                    let same = |known: &&mut Value| known["value"] == new["value"] && known["type"] == new["type"];
                    match (list.iter_mut().find(same).filter(|_| new.get("value").is_some()), new) {
                        (Some(known), Value::Object(parts)) => object(known).extend(parts),
                        (_, new) => list.push(new),
                    }
                }
                schema::only_one_is_primary(list);
            }
        }
        // Parts that are not named stay.
        (_, Some(Value::Object(parts))) => {
            object(holder.entry(name).or_insert_with(|| Value::Object(Map::new()))).extend(parts);
        }
        (_, Some(value)) => drop(holder.insert(name.into(), value)),
    }
    Ok(())
}

fn set_part(
    holder: &mut Map<String, Value>,
    attribute: &Attribute,
    part: &Attribute,
    op: Op,
    value: Option<&Value>,
    place: &str,
) -> Result<(), Refused> {
    let path = format!("{place}.{}.{}", attribute.name, part.name);
    let sent = value.filter(|_| op != Op::Remove).map_or(Ok(None), |value| schema::whole(part, value, &path))?;
    let set = |value: &mut Value| match &sent {
        Some(sent) => drop(object(value).insert(part.name.into(), sent.clone())),
        None => drop(object(value).remove(part.name)),
    };
    match holder.get_mut(attribute.name) {
        Some(Value::Array(list)) => list.iter_mut().for_each(set),
        Some(value) => set(value),
        None if sent.is_some() => {
            let mut value = Value::Object(Map::new());
            set(&mut value);
            holder.insert(attribute.name.into(), if attribute.many { vec![value].into() } else { value });
        }
        None => {}
    }
    Ok(())
}

/// Does an operation to those values of a list that a filter chooses.
fn set_chosen(
    holder: &mut Map<String, Value>,
    attribute: &Attribute,
    path: &PatchValuePath,
    op: Op,
    value: Option<&Value>,
    place: &str,
) -> Result<(), Refused> {
    let Kind::Complex(parts) = attribute.kind else {
        return Err(Refused::invalid(
            "invalidPath",
            format!("{place}: `{}` has no values to choose from", attribute.name),
        ));
    };
    let part = match &path.sub_attr {
        None => None,
        // A part that is not kept is passed over.
        Some(name) => match schema::find(parts, name) {
            Some(part) => Some(part),
            None => return Ok(()),
        },
    };
    let at = format!("{place}.{}", attribute.name);
    let sent = match (value.filter(|_| op != Op::Remove), part) {
        (None, _) => None,
        (Some(value), Some(part)) => schema::whole(part, value, &format!("{at}.{}", part.name))?,
        (Some(value), None) => schema::one(attribute, value, &at)?,
    };
    let list = holder.entry(attribute.name).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(list) = list else {
        return Err(Refused::invalid("invalidPath", format!("{place}: `{}` is no list", attribute.name)));
    };
    let is_chosen = |value: &Value| value.as_object().is_some_and(|value| means_value(&path.filter, value));
    if op == Op::Remove && part.is_none() {
        list.retain(|value| !is_chosen(value));
    } else {
        let mut chosen = false;
        for value in list.iter_mut().filter(|value| is_chosen(value)) {
            chosen = true;
            match (part, &sent) {
                (Some(part), Some(sent)) => drop(object(value).insert(part.name.into(), sent.clone())),
                (Some(part), None) => drop(object(value).remove(part.name)),
                (None, Some(Value::Object(sent))) => object(value).extend(sent.clone()),
                (None, _) => {}
            }
        }
        // Entra ID changes `emails[type eq "work"].value` where there is no such address yet, and wants it made.
        if !chosen && let Some(sent) = sent {
            let mut made = alike(&path.filter).ok_or_else(|| {
                Refused::invalid("noTarget", format!("{place}: no value of `{}` is chosen", attribute.name))
            })?;
            match (part, sent) {
                (Some(part), sent) => drop(made.insert(part.name.into(), sent)),
                (None, Value::Object(sent)) => made.extend(sent),
                (None, _) => {}
            }
            list.push(made.into());
        }
        schema::only_one_is_primary(list);
    }
    if list.is_empty() {
        holder.remove(attribute.name);
    }
    Ok(())
}

/// A value that a filter would choose, where it only says what parts are equal to.
fn alike(filter: &ValFilter) -> Option<Map<String, Value>> {
    match filter {
        ValFilter::Attr(AttrExp::Comparison(path, CompareOp::Eq, value)) if path.sub_attr.is_none() => {
            let value = match value {
                CompValue::Str(text) => text.as_str().into(),
                CompValue::True => true.into(),
                CompValue::False => false.into(),
                CompValue::Null | CompValue::Number(_) => return None,
            };
            Some(Map::from_iter([(path.name.clone(), value)]))
        }
        ValFilter::And(all) => all.iter().map(alike).try_fold(Map::new(), |mut made, one| {
            made.extend(one?);
            Some(made)
        }),
        _ => None,
    }
}

/// A path, fit to be shown.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user() -> Value {
        json!({
            "userName": "ada@acme.example", "externalId": "00u1", "active": true,
            "name": { "givenName": "Ada", "familyName": "Byron" },
            "emails": [{ "value": "ada@acme.example", "type": "work", "primary": true }],
            ENTERPRISE: { "department": "Engineering", "manager": { "value": "m1" } },
        })
    }

    fn changed(operations: Value) -> Result<Value, String> {
        let change = json!({ "schemas": [PATCH], "Operations": operations });
        let change: Change = serde_json::from_value(change).unwrap();
        change.apply(user().as_object().unwrap()).map(Value::Object).map_err(|refused| format!("{refused:?}"))
    }

    fn with(change: impl Fn(&mut Value)) -> Value {
        let mut user = user();
        change(&mut user);
        user
    }

    #[test]
    fn okta_deactivates_and_renames_with_values_and_no_path() {
        let off = changed(json!([{ "op": "replace", "value": { "active": false } }])).unwrap();
        assert_eq!(off, with(|user| user["active"] = json!(false)));
        let renamed = changed(json!([{ "op": "replace", "value": { "name": { "familyName": "Lovelace" } } }])).unwrap();
        assert_eq!(renamed, with(|user| user["name"]["familyName"] = json!("Lovelace")));
    }

    #[test]
    fn entra_writes_words_for_truth_capital_operations_and_paths_with_filters() {
        let said = changed(json!([
            { "op": "Replace", "path": "active", "value": "False" },
            { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "ada.l@acme.example" },
            { "op": "Add", "path": "addresses[type eq \"work\"].country", "value": "GB" },
            { "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "value": "m2" },
            { "op": "Add", "path": "name.givenName", "value": "Augusta" },
            { "op": "Add", "path": "phoneNumbers[type eq \"work\"].value", "value": "1" },
        ]));
        let expected = with(|user| {
            user["active"] = json!(false);
            user["emails"][0]["value"] = json!("ada.l@acme.example");
            user["addresses"] = json!([{ "type": "work", "country": "GB" }]);
            user[ENTERPRISE]["manager"] = json!({ "value": "m2" });
            user["name"]["givenName"] = json!("Augusta");
        });
        assert_eq!(said.unwrap(), expected);
        let at_once = changed(json!([{ "op": "Replace", "value": {
            "displayName": "Ada L",
            "name.familyName": "Lovelace",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "Research",
        } }]));
        let expected = with(|user| {
            user["displayName"] = json!("Ada L");
            user["name"]["familyName"] = json!("Lovelace");
            user[ENTERPRISE]["department"] = json!("Research");
        });
        assert_eq!(at_once.unwrap(), expected);
    }

    #[test]
    fn lists_grow_shrink_and_have_one_preferred_value() {
        let grown = changed(json!([{ "op": "add", "path": "emails", "value": [
            { "value": "ada@acme.example", "type": "work", "primary": true },
            { "value": "ada@home.example", "type": "home", "primary": true },
        ] }]));
        let emails = grown.unwrap()["emails"].clone();
        assert_eq!(emails[0], json!({ "value": "ada@acme.example", "type": "work", "primary": false }));
        assert_eq!((&emails[1]["primary"], emails.as_array().unwrap().len()), (&json!(true), 2));
        let gone = changed(json!([{ "op": "remove", "path": "emails[type eq \"work\"]" }])).unwrap();
        assert_eq!(gone.get("emails"), None);
        let named = changed(json!([{ "op": "Remove", "path": "emails", "value": [{ "value": "ada@acme.example" }] }]));
        assert_eq!(named.unwrap().get("emails"), None);
        let department = changed(json!([{ "op": "remove", "path": format!("{ENTERPRISE}:department") }])).unwrap();
        assert_eq!(department[ENTERPRISE], json!({ "manager": { "value": "m1" } }));
        let all = changed(json!([{ "op": "remove", "path": ENTERPRISE }])).unwrap();
        assert_eq!(all.get(ENTERPRISE), None);
    }

    #[test]
    fn what_is_wrong_is_refused_and_nothing_of_it_is_done() {
        let cases = [
            (json!([{ "op": "move", "path": "title", "value": "x" }]), "invalidSyntax"),
            (json!([{ "op": "remove" }]), "noTarget"),
            (json!([{ "op": "replace", "path": "title" }]), "invalidValue"),
            (json!([{ "op": "replace", "value": "x" }]), "invalidValue"),
            (json!([{ "op": "replace", "path": "emails[type eq", "value": "x" }]), "invalidPath"),
            (json!([{ "op": "replace", "path": "id", "value": "x" }]), "mutability"),
            (json!([{ "op": "replace", "path": "active", "value": "perhaps" }]), "invalidValue"),
            (json!([{ "op": "remove", "path": "userName" }]), "invalidValue"),
            (json!([{ "op": "replace", "path": "emails[type ne \"work\"].value", "value": "x" }]), "noTarget"),
        ];
        for (operations, expected) in cases {
            let refused = changed(operations.clone()).unwrap_err();
            assert!(refused.contains(expected), "{operations}: {refused}");
        }
    }
}
