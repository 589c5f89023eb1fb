//! What is sent of a group, and what a change makes of it (RFC 7644, section 3.5.2), with the ways in which Okta and Entra ID write changes.
//!
//! Who is in a large group is never read to add or remove one: a change says who comes and who goes, and nothing of the others.

use super::{
    error::Refused,
    filter::{attribute_of_groups, means_value},
    patch::{Change, Op, Step, named, shown},
    schema::{self, Attribute, GROUP, OF_GROUPS},
};
use refit_core::control::groups::GroupRecord;
use refit_model::PersonId;
use scim_v2::filter::{AttrExp, CompValue, CompareOp, PatchPath, ValFilter};
use serde_json::{Map, Value, json};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// A group that was sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// What it is called.
    pub name: SmolStr,
    /// The provider's own id of it.
    pub external: Option<SmolStr>,
    /// Who is in it.
    pub members: Vec<PersonId>,
}

impl Sent {
    /// Reads a group.
    pub(super) fn read(sent: &Map<String, Value>) -> Result<Sent, Refused> {
        let kept = schema::kept(OF_GROUPS, sent)?;
        let text = |name: &str| kept.get(name).and_then(Value::as_str).map(SmolStr::from);
        let name = text("displayName").filter(|name| !name.trim().is_empty());
        let name =
            name.ok_or_else(|| Refused::invalid("invalidValue", "displayName: this has to be there, and not empty"))?;
        let members = kept.get("members").map_or(Ok(Vec::new()), |value| members(value, "members"))?;
        Ok(Sent { name, external: text("externalId"), members })
    }
}

/// What a group becomes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GroupChange {
    /// What it is called by then.
    pub name: SmolStr,
    /// The provider's own id of it.
    pub external: Option<SmolStr>,
    /// Whether only those are in it that `members` has; else everybody of whom that says nothing stays.
    pub anew: bool,
    /// Who comes (`true`), and who goes.
    pub members: BTreeMap<PersonId, bool>,
}

/// What a step is done with.
struct Of<'o, M> {
    /// The group's id.
    id: Option<&'o str>,
    /// Who was in the group, where a filter asks for it.
    members: &'o M,
    place: &'o str,
}

impl GroupChange {
    /// A group anew.
    pub(super) fn to(name: SmolStr, external: Option<SmolStr>, members: impl Iterator<Item = PersonId>) -> GroupChange {
        GroupChange { name, external, anew: true, members: members.map(|person| (person, true)).collect() }
    }

    /// Reads a change of a group; `members` says who is in it.
    pub(super) fn read<M: Fn() -> Vec<PersonId>>(
        change: &Change,
        id: Option<&str>,
        record: &GroupRecord,
        members: &M,
    ) -> Result<GroupChange, Refused> {
        let (name, external) = (record.name.clone(), record.external.clone());
        let mut becomes = GroupChange { name, external, anew: false, members: BTreeMap::new() };
        for Step { op, path, value, place } in change.steps()? {
            let of = Of { id, members, place: &place };
            match path {
                Some(path) => becomes.set(op, path, value, &of)?,
                None => {
                    for (path, value) in named(value, &place)? {
                        becomes.set(op, path, Some(value), &of)?;
                    }
                }
            }
        }
        Ok(becomes)
    }

    /// Does one operation to what a path names. Attributes that are not kept are passed over.
    fn set<M: Fn() -> Vec<PersonId>>(
        &mut self,
        op: Op,
        text: &str,
        value: Option<&Value>,
        of: &Of<'_, M>,
    ) -> Result<(), Refused> {
        let place = of.place;
        if text.eq_ignore_ascii_case(GROUP) {
            for (name, value) in named(value, place)? {
                self.set(op, name, Some(value), of)?;
            }
            return Ok(());
        }
        if text.eq_ignore_ascii_case("schemas") {
            return Ok(());
        }
        let path: PatchPath = text.parse().map_err(|error| {
            Refused::invalid("invalidPath", format!("{place}: the path `{}` can't be read: {error}", shown(text)))
        })?;
        let (attr, filter) = match &path {
            PatchPath::Attr(attr) => (attr, None),
            PatchPath::Value(path) => (&path.attr, Some(path)),
        };
        if attr.uri.is_none() && ["id", "meta"].iter().any(|it| attr.name.eq_ignore_ascii_case(it)) {
            // Okta names the group once more in the value with its new name.
            let its_own = value.and_then(Value::as_str).is_some_and(|said| Some(said) == of.id);
            return match its_own && attr.name.eq_ignore_ascii_case("id") {
                true => Ok(()),
                false => Err(Refused::invalid("mutability", format!("{place}: `{}` can't be changed", attr.name))),
            };
        }
        let Some((attribute, part)) = attribute_of_groups(attr) else { return Ok(()) };
        match (attribute.name, filter) {
            ("members", None) if part.is_none() => self.set_members(op, value, of),
            ("members", Some(path)) if op == Op::Remove && path.sub_attr.is_none() => {
                for person in self.chosen(&path.filter, of) {
                    self.members.insert(person, false);
                }
                Ok(())
            }
            ("members", _) => Err(Refused::invalid(
                "invalidPath",
                format!("{place}: `{}`: members are added and removed as they are, and not changed", shown(text)),
            )),
            (name, Some(_)) => {
                Err(Refused::invalid("invalidPath", format!("{place}: `{name}` has no values to choose from")))
            }
            ("displayName", None) => {
                let name = self::text(attribute, op, value, place)?.filter(|name| !name.trim().is_empty());
                self.name = name.ok_or_else(|| {
                    Refused::invalid(
                        "invalidValue",
                        format!("{place}.displayName: this has to be there, and not empty"),
                    )
                })?;
                Ok(())
            }
            (_, None) => {
                self.external = self::text(attribute, op, value, place)?;
                Ok(())
            }
        }
    }

    fn set_members<M>(&mut self, op: Op, value: Option<&Value>, of: &Of<'_, M>) -> Result<(), Refused> {
        let said = value.map_or(Ok(Vec::new()), |value| members(value, &format!("{}.members", of.place)))?;
        // That nobody is named of those who are to go is not that all are.
        if op == Op::Replace || (op == Op::Remove && value.is_none()) {
            self.anew = true;
            self.members.clear();
        }
        self.members.extend(said.into_iter().map(|person| (person, op != Op::Remove)));
        Ok(())
    }

    /// Whom a filter means of those who are in the group by now.
    fn chosen<M: Fn() -> Vec<PersonId>>(&self, filter: &ValFilter, of: &Of<'_, M>) -> Vec<PersonId> {
        if let Some(ids) = ids(filter) {
            return ids;
        }
        let mut now: BTreeSet<PersonId> =
            if self.anew { BTreeSet::new() } else { (of.members)().into_iter().collect() };
        for (person, is_member) in &self.members {
            if *is_member {
                now.insert(person.clone())
            } else {
                now.remove(person)
            };
        }
        let means = |person: &PersonId| {
            let member = json!({ "value": person.as_str(), "type": "User" });
            member.as_object().is_some_and(|member| means_value(filter, member))
        };
        now.retain(means);
        now.into_iter().collect()
    }
}

/// Those whom a filter names by their ids, as providers write it.
fn ids(filter: &ValFilter) -> Option<Vec<PersonId>> {
    match filter {
        ValFilter::Attr(AttrExp::Comparison(path, CompareOp::Eq, CompValue::Str(id)))
            if path.name.eq_ignore_ascii_case("value") && path.sub_attr.is_none() =>
        {
            Some(vec![PersonId::new(id)])
        }
        ValFilter::Or(any) => any.iter().map(ids).try_fold(Vec::new(), |mut all, one| {
            all.extend(one?);
            Some(all)
        }),
        _ => None,
    }
}

/// The people whom a list of members names.
fn members(value: &Value, place: &str) -> Result<Vec<PersonId>, Refused> {
    let Some(attribute) = schema::find(OF_GROUPS, "members") else { return Ok(Vec::new()) };
    // One alone is often sent without the list.
    let sent = match value {
        Value::Array(list) => list.as_slice(),
        alone => std::slice::from_ref(alone),
    };
    let mut members = Vec::new();
    for (number, value) in sent.iter().enumerate().filter(|(_, value)| !value.is_null()) {
        let place = format!("{place}[{number}]");
        let member = schema::one(attribute, value, &place)?;
        let says = |name: &str| member.as_ref()?.get(name)?.as_str();
        if says("type").is_some_and(|kind| kind.eq_ignore_ascii_case("Group")) {
            let detail = format!("{place}: users are in a group here, and no groups");
            return Err(Refused::invalid("invalidValue", detail));
        }
        let missing = || Refused::invalid("invalidValue", format!("{place}.value: this has to be there"));
        members.push(says("value").map(PersonId::new).ok_or_else(missing)?);
    }
    Ok(members)
}

fn text(attribute: &'static Attribute, op: Op, value: Option<&Value>, place: &str) -> Result<Option<SmolStr>, Refused> {
    let path = format!("{place}.{}", attribute.name);
    let sent = value.filter(|_| op != Op::Remove).map_or(Ok(None), |value| schema::whole(attribute, value, &path))?;
    Ok(sent.as_ref().and_then(Value::as_str).map(SmolStr::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

    fn changed(operations: Value) -> Result<GroupChange, String> {
        let change: Change = serde_json::from_value(json!({ "schemas": [PATCH], "Operations": operations })).unwrap();
        let record =
            GroupRecord { name: "admins".into(), external: Some("g-7".into()), told: jiff::Timestamp::UNIX_EPOCH };
        let members = || ["p1", "p2", "p3"].map(PersonId::new).into();
        GroupChange::read(&change, Some("g1"), &record, &members).map_err(|refused| format!("{refused:?}"))
    }

    /// The changes of a group, as `name external anew +who -whom`.
    fn said(operations: Value) -> String {
        let GroupChange { name, external, anew, members } = changed(operations).unwrap();
        let who = members.iter().map(|(person, is)| format!(" {}{person}", if *is { '+' } else { '-' }));
        let anew = if anew { " anew" } else { "" };
        format!("{name} {}{anew}{}", external.as_deref().unwrap_or("-"), who.collect::<String>())
    }

    #[test]
    fn okta_renames_adds_removes_and_says_all_anew() {
        let renamed = json!([{ "op": "replace", "value": { "id": "g1", "displayName": "Admins EU" } }]);
        assert_eq!(said(renamed), "Admins EU g-7");
        let membership = json!([
            { "op": "remove", "path": "members[value eq \"p1\"]" },
            { "op": "add", "path": "members", "value": [{ "value": "p9", "display": "ada@acme.example" }] },
        ]);
        assert_eq!(said(membership), "admins g-7 -p1 +p9");
        let all = json!([{ "op": "replace", "path": "members", "value": [{ "value": "p2" }, { "value": "p4" }] }]);
        assert_eq!(said(all), "admins g-7 anew +p2 +p4");
    }

    #[test]
    fn entra_writes_capital_operations_and_names_who_goes_in_the_value() {
        let added = json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": "p9" }] }]);
        assert_eq!(said(added), "admins g-7 +p9");
        let removed = json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": "p1" }] }]);
        assert_eq!(said(removed), "admins g-7 -p1");
        let without_path = json!([{ "op": "add", "value": { "members": [{ "value": "p9" }], "externalId": "g-8" } }]);
        assert_eq!(said(without_path), "admins g-8 +p9");
        let renamed = json!([
            { "op": "Replace", "path": "displayName", "value": "Admins" },
            { "op": "Replace", "path": format!("{GROUP}:externalId"), "value": "g-9" },
        ]);
        assert_eq!(said(renamed), "Admins g-9");
    }

    #[test]
    fn whoever_says_last_is_heard_and_an_empty_list_removes_nobody() {
        let back = json!([
            { "op": "remove", "path": "members" },
            { "op": "add", "path": "members", "value": { "value": "p3" } },
            { "op": "add", "path": "members", "value": "p4" },
            { "op": "remove", "path": "members[value eq \"p4\" or value eq \"p5\"]" },
        ]);
        assert_eq!(said(back), "admins g-7 anew +p3 -p4 -p5");
        assert_eq!(said(json!([{ "op": "Remove", "path": "members", "value": [] }])), "admins g-7");
        let others = json!([
            { "op": "add", "path": "members", "value": "q7" },
            { "op": "remove", "path": "members[value sw \"p\" and not (value eq \"p2\")]" },
        ]);
        assert_eq!(said(others), "admins g-7 -p1 -p3 +q7");
        assert_eq!(said(json!([{ "op": "remove", "path": "externalId" }])), "admins -");
        // What is not kept is passed over.
        assert_eq!(said(json!([{ "op": "add", "path": "description", "value": "x" }])), "admins g-7");
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let cases = [
            (json!([{ "op": "remove" }]), "noTarget"),
            (json!([{ "op": "remove", "path": "displayName" }]), "invalidValue"),
            (json!([{ "op": "replace", "path": "displayName", "value": " " }]), "invalidValue"),
            (json!([{ "op": "replace", "path": "id", "value": "g2" }]), "mutability"),
            (json!([{ "op": "replace", "value": { "id": "g2" } }]), "mutability"),
            (json!([{ "op": "add", "path": "members", "value": [{ "display": "x" }] }]), "invalidValue"),
            (
                json!([{ "op": "add", "path": "members", "value": [{ "value": "g2", "type": "Group" }] }]),
                "invalidValue",
            ),
            (json!([{ "op": "add", "path": "members[value eq \"p1\"]", "value": "p2" }]), "invalidPath"),
            (json!([{ "op": "replace", "path": "members.value", "value": "p2" }]), "invalidPath"),
            (json!([{ "op": "remove", "path": "members[value eq" }]), "invalidPath"),
            (json!([{ "op": "remove", "path": "displayName[value eq \"x\"]" }]), "invalidPath"),
        ];
        for (operations, expected) in cases {
            let refused = changed(operations.clone()).unwrap_err();
            assert!(refused.contains(expected), "{operations}: {refused}");
        }
    }
}
