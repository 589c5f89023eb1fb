//! Which resources a filter means (RFC 7644, section 3.4.2.2).

use super::schema::{self, Attribute, ENTERPRISE, GROUP, Kind, USER};
use jiff::Timestamp;
use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter, ValuePath};
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// Whether a resource, as answers have it, is meant.
pub(super) fn means(filter: &Filter, resource: &Map<String, Value>) -> bool {
    match filter {
        Filter::Attr(said) => holds(said, resource),
        Filter::ValuePath(ValuePath { attr, filter }) => {
            values(resource, attr).iter().any(|value| value.as_object().is_some_and(|value| means_value(filter, value)))
        }
        Filter::Not(inner) => !means(inner, resource),
        Filter::And(all) => all.iter().all(|one| means(one, resource)),
        Filter::Or(any) => any.iter().any(|one| means(one, resource)),
    }
}

/// Whether one value of a list is meant.
pub(super) fn means_value(filter: &ValFilter, value: &Map<String, Value>) -> bool {
    match filter {
        ValFilter::Attr(said) => holds(said, value),
        ValFilter::Not(inner) => !means_value(inner, value),
        ValFilter::And(all) => all.iter().all(|one| means_value(one, value)),
        ValFilter::Or(any) => any.iter().any(|one| means_value(one, value)),
    }
}

/// What a filter says that only compares an attribute with one value: most are such.
pub(super) fn equals<'f>(filter: &'f Filter, name: &str) -> Option<&'f str> {
    match filter {
        Filter::Attr(AttrExp::Comparison(path, CompareOp::Eq, CompValue::Str(value)))
            if path.name.eq_ignore_ascii_case(name) && path.sub_attr.is_none() =>
        {
            Some(value)
        }
        _ => None,
    }
}

fn holds(said: &AttrExp, within: &Map<String, Value>) -> bool {
    match said {
        AttrExp::Present(path) => values(within, path).iter().any(|value| is_there(value)),
        AttrExp::Comparison(path, CompareOp::Eq, CompValue::Null) => values(within, path).is_empty(),
        AttrExp::Comparison(path, CompareOp::Ne, CompValue::Null) => !values(within, path).is_empty(),
        AttrExp::Comparison(path, CompareOp::Ne, value) => {
            !values(within, path).iter().any(|found| compare(path, found, &CompareOp::Eq, value))
        }
        AttrExp::Comparison(path, how, value) => {
            values(within, path).iter().any(|found| compare(path, found, how, value))
        }
    }
}

fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(parts) => !parts.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The values that a path leads to: those of a list are each one.
fn values<'r>(within: &'r Map<String, Value>, path: &AttrPath) -> Vec<&'r Value> {
    let extension = path.uri.as_ref().is_some_and(|uri| uri.eq_ignore_ascii_case(ENTERPRISE));
    let within = match extension {
        true => within.get(ENTERPRISE).and_then(Value::as_object),
        false => Some(within),
    };
    let found = within.and_then(|within| member(within, &path.name));
    let found = found.into_iter().flat_map(|value| match value {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    });
    match &path.sub_attr {
        Some(part) => found.filter_map(|value| member(value.as_object()?, part)).collect(),
        None => found.collect(),
    }
}

fn member<'m>(within: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    within.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn compare(path: &AttrPath, found: &Value, how: &CompareOp, value: &CompValue) -> bool {
    match (found, value) {
        // What has parts is compared by its value.
        (Value::Object(parts), value) => parts.get("value").is_some_and(|found| compare(path, found, how, value)),
        (Value::Bool(found), CompValue::True | CompValue::False) => {
            *how == CompareOp::Eq && *found == matches!(value, CompValue::True)
        }
        // Entra ID asks for `active eq "true"`, too.
        (Value::Bool(found), CompValue::Str(text)) => {
            *how == CompareOp::Eq && text.eq_ignore_ascii_case(if *found { "true" } else { "false" })
        }
        (Value::String(found), CompValue::Str(text)) => {
            let times = found.parse::<Timestamp>().ok().zip(text.parse::<Timestamp>().ok());
            if let Some((found, text)) = times {
                return ordered(found.cmp(&text), how);
            }
            let fold = |text: &str| if case_exact(path) { text.to_owned() } else { text.to_lowercase() };
            let (found, text) = (fold(found), fold(text));
            match how {
                CompareOp::Co => found.contains(&text),
                CompareOp::Sw => found.starts_with(&text),
                CompareOp::Ew => found.ends_with(&text),
                how => ordered(found.cmp(&text), how),
            }
        }
        _ => false,
    }
}

fn ordered(order: Ordering, how: &CompareOp) -> bool {
    match how {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}

/// Whether small and capital letters differ in what a path leads to.
fn case_exact(path: &AttrPath) -> bool {
    if path.name.eq_ignore_ascii_case("id") || path.name.eq_ignore_ascii_case("meta") {
        return true;
    }
    let named = attribute(path).or_else(|| attribute_of_groups(path));
    named.is_some_and(|(attribute, part)| match (part, attribute.kind) {
        (Some(part), _) => part.case_exact,
        // What has parts is compared by its value.
        (None, Kind::Complex(parts)) => schema::find(parts, "value").is_some_and(|value| value.case_exact),
        (None, _) => attribute.case_exact,
    })
}

/// The attribute of users that a path names, and the part of it.
pub(super) fn attribute(path: &AttrPath) -> Option<(&'static Attribute, Option<&'static Attribute>)> {
    match path.uri.as_deref() {
        None => among(schema::CORE, path),
        Some(uri) if uri.eq_ignore_ascii_case(USER) => among(schema::CORE, path),
        Some(uri) if uri.eq_ignore_ascii_case(ENTERPRISE) => among(schema::EXTENSION, path),
        Some(_) => None,
    }
}

/// The attribute of groups that a path names, and the part of it.
pub(super) fn attribute_of_groups(path: &AttrPath) -> Option<(&'static Attribute, Option<&'static Attribute>)> {
    let of_groups = path.uri.as_ref().is_none_or(|uri| uri.eq_ignore_ascii_case(GROUP));
    if of_groups { among(schema::OF_GROUPS, path) } else { None }
}

fn among(
    attributes: &'static [Attribute],
    path: &AttrPath,
) -> Option<(&'static Attribute, Option<&'static Attribute>)> {
    let attribute = schema::find(attributes, &path.name)?;
    match (&path.sub_attr, attribute.kind) {
        (None, _) => Some((attribute, None)),
        (Some(part), Kind::Complex(parts)) => Some((attribute, Some(schema::find(parts, part)?))),
        (Some(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_filter_means_what_the_standard_says() {
        let user = json!({
            "id": "AbC", "userName": "BJensen@example.com", "active": true, "title": "Tour Guide",
            "name": { "familyName": "O'Malley" },
            "emails": [{ "value": "bjensen@example.com", "type": "work" }, { "value": "babs@jensen.org", "type": "home" }],
            "meta": { "lastModified": "2026-11-13T04:42:34Z" },
            ENTERPRISE: { "department": "Tours" },
        });
        let cases = [
            (r#"userName eq "bjensen@EXAMPLE.com""#, true),
            (r#"id eq "abc""#, false),
            (r#"name.familyName co "o'm""#, true),
            (r#"userName sw "J""#, false),
            (r#"title pr and active eq true"#, true),
            (r#"active eq "True""#, true),
            (r#"nickName pr"#, false),
            (r#"nickName eq null"#, true),
            (r#"title ne "x""#, true),
            (r#"meta.lastModified gt "2026-11-13T05:42:34+02:00""#, true),
            (r#"meta.lastModified lt "2026-11-13T04:42:34Z""#, false),
            (r#"emails eq "babs@jensen.org""#, true),
            (r#"emails[type eq "work" and value co "@jensen"]"#, false),
            (r#"emails[type eq "work"] and not (title eq "x")"#, true),
            (r#"emails.type eq "home""#, true),
            (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "tours""#, true),
            (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName ew "COM""#, true),
            (r#"title eq "x" or (title ew "guide" and active ne false)"#, true),
        ];
        for (text, expected) in cases {
            let filter: Filter = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(means(&filter, user.as_object().unwrap()), expected, "{text}");
        }
    }
}
