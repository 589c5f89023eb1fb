//! The device or person whom a receiver means by a subject identifier (RFC 9493, and complex subjects of the framework).

use super::wrong;
use crate::api::{
    Api,
    extract::Caller,
    problem::{Code, Problem},
};
use refit_core::control::{PersonId, Scope, State};
use refit_model::DeviceId;
use serde_json::Value;
use smol_str::SmolStr;

/// The id of the one device or person that is meant. Of a complex subject the device counts, where it names one, else the user.
pub(super) async fn meant(api: &Api, caller: &Caller, subject: &Value) -> Result<SmolStr, Problem> {
    let simple = match ["device", "user"].iter().find_map(|part| subject.get(part)) {
        Some(part) => part,
        None => subject,
    };
    let text = |name: &str| simple.get(name).and_then(Value::as_str).filter(|text| (1..=256).contains(&text.len()));
    let unknown = || Problem::new(Code::NotFound, "nobody and nothing is known by this subject");
    match text("format") {
        Some("opaque") => {
            let id = text("id").ok_or_else(|| wrong("an opaque subject has an `id`"))?;
            by_id(&api.shell().view().state, id).ok_or_else(unknown)
        }
        Some("iss_sub") => {
            let (issuer, id) = (text("iss"), text("sub"));
            let id = id.ok_or_else(|| wrong("this subject has a `sub`"))?;
            // What another issuer calls somebody is known to nobody here.
            if issuer != Some(api.agents().options().address.as_str()) {
                return Err(unknown());
            }
            by_id(&api.shell().view().state, id).ok_or_else(unknown)
        }
        Some("email") => {
            // Whether an address is somebody's is personal.
            caller.needs(Scope::ReadPeople)?;
            let address = text("email").ok_or_else(|| wrong("this subject has an `email`"))?.to_owned();
            let (there, view) = (api.clone(), api.shell().view());
            let look = move || there.inner.directory.called(&view.state, &address);
            let people = api.beside(look).await?;
            let only = people.first().filter(|_| people.len() == 1);
            only.map(|person| person.as_str().into()).ok_or_else(unknown)
        }
        _ => Err(wrong(
            "a subject has the format `opaque`, `iss_sub` or `email`, or is complex with a `device` or `user` of these",
        )),
    }
}

fn by_id(state: &State, id: &str) -> Option<SmolStr> {
    let device = state.device_now(&DeviceId::new(id)).map(|device| device.id.as_str().into());
    device.or_else(|| {
        let person = PersonId::new(id);
        let person = state.identity.person(&person);
        state.people.contains_key(person).then(|| person.as_str().into())
    })
}
