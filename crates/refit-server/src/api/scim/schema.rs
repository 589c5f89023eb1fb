//! The attributes that there are (RFC 7643, sections 4.1 to 4.3), and how what is sent becomes them.
//!
//! Only what Refit uses, or what a provider finds its own record by, is kept: telephone numbers, photos, street addresses and passwords
//! that a provider sends are not (RFC 7644, section 3.3, lets a server ignore attributes).

use super::error::Refused;
use serde_json::{Map, Value, json};

/// The schema of users.
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The schema of groups.
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// What enterprises add to users.
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What an attribute holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// Yes or no.
    Bool,
    /// The address of a user.
    Reference,
    /// Several values of their own names.
    Complex(&'static [Attribute]),
}

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it has a list of values.
    pub many: bool,
    /// Whether small and capital letters differ.
    pub case_exact: bool,
    /// Whether it has to be there, and no two resources of a source have the same.
    pub key: bool,
    /// Whether it follows from other resources: what is sent of it is passed over.
    pub read_only: bool,
    /// The values that are meant, where they are few (`canonicalValues`); others are kept as well.
    pub usual: &'static [&'static str],
    /// What it is.
    pub what: &'static str,
}

const fn text(name: &'static str, what: &'static str) -> Attribute {
    complex(name, false, &[], what).of(Kind::Text)
}

const fn complex(name: &'static str, many: bool, parts: &'static [Attribute], what: &'static str) -> Attribute {
    let kind = Kind::Complex(parts);
    Attribute { name, kind, many, case_exact: false, key: false, read_only: false, usual: &[], what }
}

impl Attribute {
    const fn of(self, kind: Kind) -> Attribute {
        Attribute { kind, ..self }
    }
}

const PRIMARY: Attribute = Attribute { kind: Kind::Bool, ..text("primary", "Whether it is the preferred one.") };
const TYPE: Attribute =
    Attribute { usual: &["work", "home", "other"], ..text("type", "What it is for: `work`, `home` or `other`.") };

/// The attributes of users that are kept.
pub(super) const CORE: &[Attribute] = &[
    Attribute { case_exact: true, ..text("externalId", "The provider's own id of the user.") },
    Attribute {
        key: true,
        ..text("userName", "The name by which the provider knows the user, unique in this source.")
    },
    complex(
        "name",
        false,
        &[
            text("formatted", "The whole name."),
            text("familyName", "The family name."),
            text("givenName", "The given name."),
        ],
        "The name.",
    ),
    text("displayName", "The name as it is shown."),
    text("title", "The job title: `person.title`."),
    text("userType", "How the person belongs to the organisation, such as `Employee` or `Contractor`."),
    text("preferredLanguage", "The preferred language."),
    text("locale", "The language and place for dates and numbers."),
    text("timezone", "The time zone, by its name in the IANA database: `person.timezone`."),
    Attribute { kind: Kind::Bool, ..text("active", "Whether the account is in use.") },
    complex(
        "emails",
        true,
        &[text("value", "The address."), TYPE, PRIMARY],
        "Addresses; the one for work, or the preferred one, is `person.email`.",
    ),
    complex(
        "addresses",
        true,
        &[
            text("locality", "The town."),
            text("region", "The region."),
            text("country", "The country, as two letters (ISO 3166-1): `person.country`."),
            TYPE,
            PRIMARY,
        ],
        "Where the person works; streets are not kept.",
    ),
    Attribute {
        read_only: true,
        ..complex(
            "groups",
            true,
            &[
                Attribute { case_exact: true, ..text("value", "The group's id.") },
                text("display", "What the group is called."),
                Attribute { usual: &["direct"], ..text("type", "How the user is in it: always `direct`.") },
            ],
            "The groups that the user is in, as `/Groups` says: what they are called is `person.groups`.",
        )
    },
];

/// The attributes of groups that are kept.
pub(super) const OF_GROUPS: &[Attribute] = &[
    Attribute { case_exact: true, ..text("externalId", "The provider's own id of the group.") },
    Attribute {
        key: true,
        ..text("displayName", "What the group is called, unique in this source: `person.groups` of who is in it.")
    },
    complex(
        "members",
        true,
        &[
            Attribute { case_exact: true, ..text("value", "The id of the member's resource.") },
            text("$ref", "Where that resource is.").of(Kind::Reference),
            Attribute { usual: &["User"], ..text("type", "What it is: always `User`.") },
        ],
        "Who is in the group: users, and no groups.",
    ),
];

/// The attributes of enterprises that are kept.
pub(super) const EXTENSION: &[Attribute] = &[
    text("employeeNumber", "The number of the employee."),
    text("costCenter", "The cost centre: `person.cost_centre`."),
    text("organization", "The organisation."),
    text("division", "What the department is part of: `person.division`."),
    text("department", "The department: `person.department`."),
    complex(
        "manager",
        false,
        &[
            Attribute { case_exact: true, ..text("value", "The id of the manager's own resource, or an address.") },
            text("displayName", "The manager's name."),
        ],
        "The manager: `person.manager`.",
    ),
];

/// The attribute of a name among others; small and capital letters are the same.
pub(super) fn find(among: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    among.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// What is kept of a resource that was sent, in the names of the schema.
pub(super) fn canonical(sent: &Map<String, Value>) -> Result<Map<String, Value>, Refused> {
    let mut kept = kept(CORE, sent)?;
    let extension = sent.iter().find(|(name, _)| name.eq_ignore_ascii_case(ENTERPRISE)).map(|(_, value)| value);
    match extension {
        None | Some(Value::Null) => {}
        Some(Value::Object(sent)) => {
            let extension = parts(EXTENSION, sent, ENTERPRISE)?;
            if !extension.is_empty() {
                kept.insert(ENTERPRISE.into(), extension.into());
            }
        }
        Some(_) => return Err(Refused::invalid("invalidValue", format!("{ENTERPRISE}: this has to be an object"))),
    }
    if kept.get("userName").and_then(Value::as_str).is_none_or(|name| name.trim().is_empty()) {
        return Err(Refused::invalid("invalidValue", "userName: this has to be there, and not empty"));
    }
    Ok(kept)
}

/// What is kept of attributes that were sent.
pub(super) fn kept(attributes: &'static [Attribute], sent: &Map<String, Value>) -> Result<Map<String, Value>, Refused> {
    parts(attributes, sent, "")
}

fn parts(
    attributes: &'static [Attribute],
    sent: &Map<String, Value>,
    above: &str,
) -> Result<Map<String, Value>, Refused> {
    let mut kept = Map::new();
    for (name, value) in sent {
        let Some(attribute) = find(attributes, name).filter(|attribute| !attribute.read_only) else { continue };
        let path = if above.is_empty() { attribute.name.to_owned() } else { format!("{above}:{}", attribute.name) };
        if let Some(value) = whole(attribute, value, &path)? {
            kept.insert(attribute.name.into(), value);
        }
    }
    Ok(kept)
}

/// The value of an attribute; `None` where nothing is said: null and an empty list are the same as nothing (RFC 7643, section 2.5).
pub(super) fn whole(attribute: &Attribute, value: &Value, path: &str) -> Result<Option<Value>, Refused> {
    if value.is_null() {
        return Ok(None);
    }
    if !attribute.many {
        return one(attribute, value, path);
    }
    // A list of one is often sent without the list.
    let sent = match value {
        Value::Array(list) => list.as_slice(),
        alone => std::slice::from_ref(alone),
    };
    let mut list = Vec::new();
    for (place, value) in sent.iter().enumerate() {
        list.extend(one(attribute, value, &format!("{path}[{place}]"))?);
    }
    only_one_is_primary(&mut list);
    Ok(if list.is_empty() { None } else { Some(list.into()) })
}

/// One value of an attribute.
pub(super) fn one(attribute: &Attribute, value: &Value, path: &str) -> Result<Option<Value>, Refused> {
    let wrong = |what: &str| {
        Refused::invalid("invalidValue", format!("{path}: this has to be {what}, and is `{}`", shown(value)))
    };
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Kind::Text | Kind::Reference, Value::String(text)) => {
            Ok(if text.is_empty() { None } else { Some(text.as_str().into()) })
        }
        // Numbers of employees are sent as numbers, too.
        (Kind::Text, Value::Number(number)) => Ok(Some(number.to_string().into())),
        (Kind::Text | Kind::Reference, _) => Err(wrong("a text")),
        (Kind::Bool, Value::Bool(said)) => Ok(Some((*said).into())),
        // Entra ID says `"True"`.
        (Kind::Bool, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true.into())),
        (Kind::Bool, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false.into())),
        (Kind::Bool, _) => Err(wrong("true or false")),
        (Kind::Complex(parts), Value::Object(sent)) => {
            let mut kept = Map::new();
            for (name, value) in sent {
                let Some(part) = find(parts, name) else { continue };
                if let Some(value) = whole(part, value, &format!("{path}.{}", part.name))? {
                    kept.insert(part.name.into(), value);
                }
            }
            Ok(if kept.is_empty() { None } else { Some(kept.into()) })
        }
        // A text in place of an object is its value, as with Entra ID's manager.
        (Kind::Complex(parts), Value::String(text)) if find(parts, "value").is_some() => {
            Ok(if text.is_empty() { None } else { Some(json!({ "value": text })) })
        }
        (Kind::Complex(_), _) => Err(wrong("an object")),
    }
}

/// At most one value is the preferred one (RFC 7643, section 2.4): the last that says so.
pub(super) fn only_one_is_primary(list: &mut [Value]) {
    let is_primary = |value: &Value| value["primary"] == Value::Bool(true);
    let Some(last) = list.iter().rposition(is_primary) else { return };
    for value in list.iter_mut().take(last).filter(|value| is_primary(value)) {
        value["primary"] = false.into();
    }
}

/// A value, fit to be shown.
fn shown(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

/// The description of an attribute (RFC 7643, section 7).
pub(super) fn described(attribute: &Attribute) -> Value {
    let (kind, parts) = match attribute.kind {
        Kind::Text => ("string", None),
        Kind::Bool => ("boolean", None),
        Kind::Reference => ("reference", None),
        Kind::Complex(parts) => ("complex", Some(parts.iter().map(described).collect::<Vec<_>>())),
    };
    let unique = if attribute.key { "server" } else { "none" };
    let mutability = if attribute.read_only { "readOnly" } else { "readWrite" };
    let mut said = json!({
        "name": attribute.name, "type": kind, "multiValued": attribute.many, "description": attribute.what,
        "required": attribute.key, "mutability": mutability, "returned": "default",
    });
    if let Kind::Reference = attribute.kind {
        said["referenceTypes"] = json!(["User"]);
    }
    if !attribute.usual.is_empty() {
        said["canonicalValues"] = json!(attribute.usual);
    }
    match parts {
        Some(parts) => said["subAttributes"] = parts.into(),
        None => {
            said["caseExact"] = attribute.case_exact.into();
            said["uniqueness"] = unique.into();
        }
    }
    said
}
