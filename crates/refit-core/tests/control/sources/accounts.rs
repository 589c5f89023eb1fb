//! Accounts that identity providers tell of by themselves, and addresses that go from one person to another.

use super::*;
use refit_core::{
    control::account::{Account, RECORD},
    facts::identity::Contradiction,
};

/// An account as a provider tells of it.
#[derive(Clone, Copy)]
struct Told {
    source: &'static str,
    id: &'static str,
    on: bool,
    number: Option<&'static str>,
    name: &'static str,
}

const JANE: Told = Told { source: "okta", id: "p1", on: true, number: None, name: "Jane Smith" };
const JOHN: Told = Told { source: "entra", id: "p2", on: true, number: None, name: "John Smith" };
const ADDRESS: &str = "j.smith@acme.example";

impl Told {
    fn record(self) -> String {
        let number = self.number.map(|number| {
            format!(
                r#", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {{"employeeNumber": "{number}"}}"#
            )
        });
        let Told { on, name, .. } = self;
        format!(r#"{{"userName": "{ADDRESS}", "active": {on}, "displayName": "{name}"{}}}"#, number.unwrap_or_default())
    }

    fn off(self) -> Told {
        Told { on: false, ..self }
    }

    fn numbered(self, number: &'static str) -> Told {
        Told { number: Some(number), ..self }
    }
}

impl Company {
    /// A provider tells of an account. The kinds of the events that follow from it.
    fn tells_account(&mut self, told: Told) -> Vec<String> {
        self.hours(1);
        let record = told.record();
        let mut said = |value: &str| {
            self.references += 1;
            Some((SmolStr::new(format!("ref-{}", self.references)), Plain::Text(value.into())))
        };
        let values = BTreeMap::from([("email".into(), said(ADDRESS)), (RECORD.into(), said(&record))]);
        self.shell.tell(Input::ObservePerson {
            person: PersonId::new(told.id),
            source: told.source.into(),
            observed: self.shell.now,
            values,
        });
        self.follow()
    }

    /// A provider takes back what it said of somebody.
    fn takes_back(&mut self, told: Told) -> Vec<String> {
        self.hours(1);
        self.shell.tell(Input::ObservePerson {
            person: PersonId::new(told.id),
            source: told.source.into(),
            observed: self.shell.now,
            values: BTreeMap::from([("email".into(), None), (RECORD.into(), None)]),
        });
        self.follow()
    }

    fn people(&self) -> Vec<String> {
        self.estate.registry.entities(Subject::Person).into_iter().map(ToString::to_string).collect()
    }
}

#[test]
fn the_address_of_an_account_that_is_off_makes_nobody_the_leaver() {
    for (jane, john) in [(JANE, JOHN), (JANE.numbered("E1"), JOHN), (JANE.numbered("E1"), JOHN.numbered("E2"))] {
        for gone in [false, true] {
            let mut company = Company::new();
            company.tells_account(jane);
            if gone {
                company.takes_back(jane)
            } else {
                company.tells_account(jane.off())
            };
            assert_eq!(company.tells_account(john), [""; 0]);
            assert_eq!(company.people(), ["p1", "p2"]);
            let [conflict] = company.estate.registry.conflicts()[..] else { panic!("nobody is told of it") };
            assert!(!conflict.suggestion.same);
            assert_eq!(conflict.suggestion.settle, "different: [[\"id:entra/p2\", \"id:okta/p1\"]]");
            let numbers = jane.number.is_some() && john.number.is_some();
            assert_eq!(matches!(conflict.because, Contradiction::HandedOn { .. }), !numbers, "{conflict}");
            company.settle_by_hand(&["id:okta/p1", "id:entra/p2"]);
            assert_eq!(company.follow(), [""; 0]);
            assert!(company.estate.registry.conflicts().is_empty());
        }
    }
}

#[test]
fn who_has_the_same_number_in_both_is_one_whichever_account_is_off() {
    let mut company = Company::new();
    company.tells_account(JANE.numbered("E1"));
    company.tells_account(JANE.numbered("E1").off());
    let again = Told { source: "entra", id: "p2", ..JANE }.numbered("E1");
    assert_eq!(company.tells_account(again), ["person.merged"]);
    assert_eq!(company.people(), ["p1"]);
}

#[test]
fn accounts_of_one_person_that_are_switched_off_one_after_the_other_stay_one() {
    let mut company = Company::new();
    let other = Told { source: "entra", id: "p2", ..JANE };
    company.tells_account(JANE);
    assert_eq!(company.tells_account(other), ["person.merged"]);
    for told in [JANE.off(), other.off(), JANE, JANE.off()] {
        assert_eq!(company.tells_account(told), [""; 0]);
        assert_eq!(company.people(), ["p1"]);
    }
    assert_eq!(company.takes_back(JANE), [""; 0]);
    assert!(company.estate.registry.conflicts().is_empty());
}

#[test]
fn what_two_providers_tell_under_one_id_is_one_person_with_what_others_say() {
    let mut company = Company::new();
    company.tells_account(JANE);
    company.tells_account(Told { id: "p1", ..JOHN });
    let hr = record(Subject::Person, "7", &[(KeyKind::Email, ADDRESS)], &[("person.department", "IT")]);
    company.reads("hr", vec![hr]);
    assert_eq!(company.people(), ["p1"]);
    let known = company.shell.state.people.get("p1").unwrap();
    assert!(known.facts.contains_key("department"), "{known:?}");
}

#[test]
fn a_new_account_is_of_whoever_has_its_address_now() {
    let mut company = Company::new();
    company.tells_account(JANE.numbered("E1"));
    let is_janes = |company: &Company, told: Told| {
        let people = ["p1", "nobody"].map(PersonId::new);
        let whose = company.shell.state.whose(people, "J.Smith@acme.example", &Account::of(&told.record()));
        assert!(whose.as_ref().is_none_or(|id| id.as_str() == "p1"));
        whose.is_some()
    };
    assert!(is_janes(&company, JOHN));
    assert!(!is_janes(&company, JOHN.off()));
    assert!(!is_janes(&company, JOHN.numbered("E2")));
    company.tells_account(JANE.numbered("E1").off());
    assert!(!is_janes(&company, JOHN));
    assert!(is_janes(&company, JOHN.numbered("E1")));
    // Another system that still vouches for the address is enough.
    company.tells("directory", "p1", ADDRESS);
    assert!(is_janes(&company, JOHN));
}

#[test]
fn who_is_who_is_looked_at_anew_where_a_key_has_changed_and_nowhere_else() {
    let read = BTreeSet::from([SmolStr::new_static("hr")]);
    let mut company = Company::new();
    let mut before = company.shell.state.clone();
    let mut differs = |company: &Company| {
        let now = &company.shell.state;
        let keys = |state: &State| -> BTreeSet<_> {
            let own = own(state, &Default::default(), &read, company.shell.now);
            own.sightings.into_iter().map(|(said, _)| (said.record, said.keys)).collect()
        };
        let same = same_keys(&before, now, &read);
        assert_eq!(same, keys(&before) == keys(now));
        before = now.clone();
        !same
    };
    company.joins("a1", SERIAL);
    assert!(differs(&company));
    company.reports("a1", SERIAL, "1.1.0");
    assert!(!differs(&company));
    company.tells_account(JANE);
    assert!(differs(&company));
    // Another title is no other person.
    let text = JANE.record().replace("\"active\"", "\"title\": \"Analyst\", \"active\"");
    company.shell.tell(Input::ObservePerson {
        person: PersonId::new(JANE.id),
        source: JANE.source.into(),
        observed: company.shell.now,
        values: BTreeMap::from([(RECORD.into(), Some(("another title".into(), Plain::Text(text.into()))))]),
    });
    assert!(!differs(&company));
    company.tells_account(JANE.off());
    assert!(differs(&company));
    company.tells_account(JANE.off().numbered("E1"));
    assert!(differs(&company));
    company.takes_back(JANE);
    assert!(differs(&company));
    let address = "ben@acme.example";
    let ben = record(Subject::Person, "7", &[(KeyKind::Email, address)], &[("person.email", address)]);
    company.reads("hr", vec![ben]);
    assert!(!differs(&company), "what a source says that is read is read there");
    company.shell.tell(Input::Retire { device: "a1".into() });
    assert!(differs(&company));
}
