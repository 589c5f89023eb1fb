//! The facts that a resource says of a person, by the names of Refit's model.

use super::schema::ENTERPRISE;
use refit_core::{
    control::{Plain, account::RECORD},
    facts::zone_name,
};
use serde_json::{Map, Value};
use smol_str::SmolStr;

/// The facts of a person, with the record itself; `None` where nothing is said of a fact. `address_of` knows the address of another
/// person by the id of its resource.
pub(super) fn facts(
    resource: &Map<String, Value>,
    address_of: impl Fn(&str) -> Option<SmolStr>,
) -> [(&'static str, Option<Plain>); 10] {
    let extension = resource.get(ENTERPRISE).and_then(Value::as_object);
    let text = |of: Option<&Map<String, Value>>, name: &str| of?.get(name)?.as_str().map(SmolStr::from);
    let country = preferred(resource, "addresses").and_then(|address| address.get("country")?.as_str());
    let country = country.filter(|country| country.len() == 2).map(|country| country.to_ascii_uppercase().into());
    let manager = extension.and_then(|extension| extension.get("manager")?.get("value")?.as_str());
    // A provider names the manager by the id that it was given, or by an address.
    let manager = manager.and_then(|named| address_of(named).or_else(|| named.contains('@').then(|| named.into())));
    let contractor = text(Some(resource), "userType").is_some_and(|kind| kind.to_lowercase().contains("contractor"));
    // An account that is switched off may be of somebody who has left, or who was only taken off the provider's list: it says nothing.
    let employment = match resource.get("active") {
        Some(Value::Bool(false)) => None,
        _ if contractor => Some("contractor"),
        Some(_) => Some("active"),
        None => None,
    };
    let record = Value::Object(resource.clone()).to_string();
    [
        (RECORD, Some(SmolStr::from(record))),
        ("email", email(resource)),
        ("department", text(extension, "department")),
        ("division", text(extension, "division")),
        ("title", text(Some(resource), "title")),
        ("cost_centre", text(extension, "costCenter")),
        ("country", country),
        ("timezone", text(Some(resource), "timezone").and_then(|zone| zone_name(&zone))),
        ("manager", manager),
        ("employment", employment.map(SmolStr::new_static)),
    ]
    .map(|(name, said)| (name, said.map(Plain::Text)))
}

/// The address at work: the one for work, or the preferred one, or the first; or the name, where that is an address.
pub(super) fn email(resource: &Map<String, Value>) -> Option<SmolStr> {
    let address = preferred(resource, "emails").and_then(|email| email.get("value")?.as_str());
    let name = resource.get("userName").and_then(Value::as_str).filter(|name| name.contains('@'));
    address.or(name).map(SmolStr::from)
}

/// Of several values the one for work, else the preferred one, else the first.
fn preferred<'r>(resource: &'r Map<String, Value>, name: &str) -> Option<&'r Value> {
    let list = resource.get(name)?.as_array()?;
    let work = |value: &&Value| value["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("work"));
    let primary = |value: &&Value| value["primary"] == Value::Bool(true);
    list.iter().find(work).or_else(|| list.iter().find(primary)).or_else(|| list.first())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(resource: &Value) -> Vec<String> {
        let facts = facts(resource.as_object().unwrap(), |id| (id == "m1").then(|| "eve@acme.example".into()));
        let told = facts.iter().filter(|(name, _)| *name != RECORD).filter_map(|(name, value)| {
            let Some(Plain::Text(text)) = value else { return None };
            Some(format!("{name}: {text}"))
        });
        told.collect()
    }

    #[test]
    fn facts_are_read_from_what_providers_send() {
        let resource = json!({
            "userName": "ada", "title": "Analyst", "active": true, "userType": "External contractor",
            "emails": [{ "value": "ada@home.example", "primary": true }, { "value": "ada@acme.example", "type": "Work" }],
            "addresses": [{ "type": "work", "country": "gb" }], "timezone": "europe/london",
            ENTERPRISE: { "department": "Engineering", "division": "R&D", "costCenter": "4711", "manager": { "value": "m1" } },
        });
        let all = [
            "email: ada@acme.example",
            "department: Engineering",
            "division: R&D",
            "title: Analyst",
            "cost_centre: 4711",
            "country: GB",
            "timezone: Europe/London",
            "manager: eve@acme.example",
            "employment: contractor",
        ];
        assert_eq!(said(&resource), all);
        let bare = json!({
            "userName": "bob@acme.example", "active": false, "addresses": [{ "country": "USA" }], "timezone": "Pacific Standard Time",
            ENTERPRISE: { "manager": { "value": "nobody" } },
        });
        assert_eq!(said(&bare), ["email: bob@acme.example"]);
    }
}
