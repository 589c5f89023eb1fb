//! What an identity provider says of an account, as far as it matters for who it is.
//!
//! The whole of what it says lies beside the facts of the person, as one personal value. An address is no more somebody's own once the account is
//! off: it may be given to somebody else, and then it does not make the two one
//! ([why so](../../../../docs/decisions/0178-an-address-that-was-given-up-joins-nobody.md)).

use super::{
    entry::Plain,
    state::{PersonRecord, State},
};
use refit_model::PersonId;
use serde::Deserialize;
use smol_str::SmolStr;

/// What a provider's own record of a person is kept under, beside the facts that are read from it.
pub const RECORD: &str = "scim";
/// What is kept of the last event that a provider's hook told of a person's account: its id there, and the event's.
pub const CONTACT: &str = "account";

/// An account, as its provider tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Whether it is switched off.
    pub off: bool,
    /// The number of the employee.
    pub number: Option<SmolStr>,
    /// What its person is called.
    pub name: Option<SmolStr>,
}

/// A user of SCIM (RFC 7643), of which this is read.
#[derive(Deserialize)]
struct User {
    active: Option<bool>,
    #[serde(rename = "displayName")]
    display_name: Option<SmolStr>,
    name: Option<Name>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    enterprise: Option<Enterprise>,
}

#[derive(Deserialize)]
struct Name {
    formatted: Option<SmolStr>,
    #[serde(rename = "givenName")]
    given: Option<SmolStr>,
    #[serde(rename = "familyName")]
    family: Option<SmolStr>,
}

#[derive(Deserialize)]
struct Enterprise {
    #[serde(rename = "employeeNumber")]
    number: Option<SmolStr>,
}

impl Account {
    /// What a provider's record says, in the names of the schema; nothing is said by what is none.
    pub fn of(record: &str) -> Account {
        let Ok(user) = serde_json::from_str::<User>(record) else { return Account::default() };
        let whole = |name: Name| {
            let parts = name.given.into_iter().chain(name.family).collect::<Vec<_>>().join(" ");
            name.formatted.or_else(|| Some(parts).filter(|parts| !parts.is_empty()).map(SmolStr::from))
        };
        let number = user.enterprise.and_then(|said| said.number);
        Account {
            off: user.active == Some(false),
            number: number.map(|number| number.trim().into()).filter(|number: &SmolStr| !number.is_empty()),
            name: user.name.and_then(whole).or(user.display_name),
        }
    }
}

impl State {
    /// The account that a source tells of; `None` where what it says is no account.
    pub fn account(&self, person: &PersonRecord, source: &str) -> Option<Account> {
        match self.personal.get(person.facts.get(RECORD)?.get(source)?)? {
            Plain::Text(record) => Some(Account::of(record)),
            _ => None,
        }
    }

    /// Whether a source says that somebody's account is off, or that they have left: then it does not vouch for their address.
    pub fn is_off(&self, person: &PersonRecord, source: &str) -> bool {
        self.has_left(person, source) || self.account(person, source).is_some_and(|account| account.off)
    }

    /// Whether a source says that somebody has left.
    pub fn has_left(&self, person: &PersonRecord, source: &str) -> bool {
        let employment = person.facts.get("employment").and_then(|said| self.personal.get(said.get(source)?));
        matches!(employment, Some(Plain::Text(text)) if text == "left")
    }

    /// Of people who have an address the one who has an account that is new, with that address; `None` where that is nobody, or several. A number
    /// of an employee decides; else the address does, while it is theirs and the account is on.
    pub fn whose(
        &self,
        people: impl IntoIterator<Item = PersonId>,
        address: &str,
        account: &Account,
    ) -> Option<PersonId> {
        let (mut by_number, mut by_address) = (Vec::new(), Vec::new());
        for id in people {
            let Some(person) = self.people.get(&id) else { continue };
            let numbers = self.numbers(person);
            match account.number.as_ref().filter(|_| !numbers.is_empty()) {
                Some(number) if numbers.contains(number) => by_number.push(id),
                Some(_) => {}
                None if !account.off && self.vouches(person, address) => by_address.push(id),
                None => {}
            }
        }
        let found = if by_number.is_empty() { by_address } else { by_number };
        found.first().filter(|_| found.len() == 1).cloned()
    }

    /// The numbers under which providers know an employee.
    fn numbers(&self, person: &PersonRecord) -> Vec<SmolStr> {
        let sources = person.facts.get(RECORD).into_iter().flat_map(|said| said.keys());
        sources.filter_map(|source| self.account(person, source)?.number).collect()
    }

    /// Whether any source says that an address is somebody's now.
    pub fn vouches(&self, person: &PersonRecord, address: &str) -> bool {
        let says = |reference: &SmolStr| match self.personal.get(reference) {
            Some(Plain::Text(said)) => said.eq_ignore_ascii_case(address),
            _ => false,
        };
        let mut said = person.facts.get("email").into_iter().flatten();
        said.any(|(source, reference)| says(reference) && !self.is_off(person, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_what_providers_send() {
        let of = |text: &str| Account::of(text);
        let number = r#"{"userName": "ada", "active": false, "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": " 7 ", "department": "IT"}}"#;
        let ada = Account { off: true, number: Some("7".into()), name: Some("Ada Lovelace".into()) };
        assert_eq!(of(number), ada);
        let bare = Account { name: Some("Ada".into()), ..Account::default() };
        assert_eq!(of(r#"{"userName": "ada", "displayName": "Ada", "name": {}}"#), bare);
        assert_eq!(of("no record"), Account::default());
    }
}
