//! The person whose account Okta means.

use super::{super::scim::resource, text};
use crate::{api::Api, shell::View};
use refit_core::{
    control::{
        PersonId, Plain,
        account::{Account, CONTACT},
    },
    facts::{identity::RecordId, mapping::document::Subject},
};
use serde_json::{Value, json};
use smol_str::SmolStr;

/// An account, as Okta names it.
pub(super) struct Named {
    /// Okta's own id of it.
    pub id: SmolStr,
    /// The name with which its person signs in: an address, mostly.
    pub login: SmolStr,
}

impl Named {
    /// The account of whoever signs in, as `data.context` of an inline hook has it; `None` where it is a program.
    pub fn of_context(said: &Value) -> Option<Named> {
        let id = text(said, "/data/context/user/id").or_else(|| text(said, "/data/context/session/userId"))?;
        let login =
            text(said, "/data/context/user/profile/login").or_else(|| text(said, "/data/context/session/login"));
        Some(Named { id: id.into(), login: login.unwrap_or_default().into() })
    }

    /// The id that its person has where nobody else knew them first: the one that a reading of the source gives them too.
    pub fn own_id(&self, source: &SmolStr) -> PersonId {
        own_id(source, &self.id)
    }

    /// Its person, where they are known: under the id of the account, by the name under which providers tell of them by SCIM, or by an address that is theirs.
    pub fn person(&self, api: &Api, view: &View, source: &SmolStr) -> Option<PersonId> {
        let state = &view.state;
        let own = self.own_id(source);
        let own = state.identity.person(&own);
        if state.people.contains_key(own) {
            return Some(own.clone());
        }
        let directory = &api.inner.directory;
        directory
            .only_named(state, &self.login)
            .or_else(|| state.whose(directory.with_address(state, &self.login), &self.login, &Account::default()))
            .map(|person| state.identity.person(&person).clone())
    }
}

fn own_id(source: &SmolStr, id: &SmolStr) -> PersonId {
    PersonId::new(RecordId { of: Subject::Person, source: source.clone(), id: id.clone() }.mint(0))
}

/// What is kept of the last event of an account, beside the facts of its person: it is another with each event.
pub(super) fn contact(account: &Named, event: &str) -> Plain {
    Plain::Text(json!({ "id": account.id, "event": event }).to_string().into())
}

/// Okta's id of a person's account, where it is known: among these candidates, or as Okta itself gave it, by SCIM or by its last event.
pub(super) fn account_of(view: &View, source: &SmolStr, person: &PersonId, among: &[SmolStr]) -> Option<SmolStr> {
    let state = &view.state;
    let is_theirs = |id: &&SmolStr| state.identity.person(&own_id(source, id)) == person;
    if let Some(id) = among.iter().find(is_theirs) {
        return Some(id.clone());
    }
    let by_scim =
        resource(state, source, person).and_then(|told| told.said.get("externalId")?.as_str().map(SmolStr::from));
    let by_event = || {
        let reference = state.people.get(person)?.facts.get(CONTACT)?.get(source)?;
        let Plain::Text(said) = state.personal.get(reference)? else { return None };
        let said: Value = serde_json::from_str(said).ok()?;
        said["id"].as_str().map(SmolStr::from)
    };
    by_scim.or_else(by_event)
}
