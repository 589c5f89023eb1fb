//! People of whom several sources tell: who is one, and under which id.

use super::*;

#[test]
fn two_people_of_one_address_are_one_and_erased_as_one() {
    let mut company = Company::new();
    company.joins("a1", SERIAL);
    let ada = |id: &str, keys: &[(KeyKind, &str)], facts: &[(&str, &str)]| record(Subject::Person, id, keys, facts);
    let address = (KeyKind::Email, "ada@acme.example");
    company.reads("hr", vec![ada("7", &[(KeyKind::EmployeeId, "7")], &[("person.department", "IT")])]);
    company.hours(1);
    let laptop = owned_by(laptop("m-1", SERIAL, &[]), "ada@acme.example");
    company.reads("mdm", vec![laptop, ada("u-1", &[address], &[("person.email", "ada@acme.example")])]);
    let person = |company: &Company| company.shell.state.device(&"a1".into()).unwrap().person.clone();
    assert_eq!(person(&company), Some(PersonId::new("u-1-0")));
    company.hours(1);
    let events =
        company.reads("hr", vec![ada("7", &[(KeyKind::EmployeeId, "7"), address], &[("person.department", "IT")])]);
    assert!(events.contains(&"person.merged".to_owned()), "{events:?}");
    assert_eq!(person(&company), Some(PersonId::new("7-0")));
    let known = |company: &Company, id: &str| {
        company.shell.state.people.get(id).unwrap().facts.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(known(&company, "7-0"), ["department", "email"]);
    assert!(known(&company, "u-1-0").is_empty());
    let erased = company.shell.tell(Input::ErasePerson { person: "u-1-0".into() });
    assert!(matches!(erased.as_slice(), [Event::PersonErased(erased)] if erased.person.as_str() == "7-0"));
    assert!(known(&company, "7-0").is_empty());
}

#[test]
fn somebody_of_whom_two_providers_tell_is_one_and_each_goes_on_under_its_own_id() {
    let mut company = Company::new();
    company.tells("okta", "p1", "ada@acme.example");
    assert_eq!(company.tells("entra", "p2", "a.lovelace@acme.example"), [""; 0], "two addresses are two people");
    let events = company.tells("entra", "p2", "Ada@acme.example");
    assert_eq!(events, ["person.merged"]);
    assert_eq!((company.who_says("p1"), company.who_says("p2")), (vec!["entra".into(), "okta".into()], vec![]));
    let (p1, p2) = (PersonId::new("p1"), PersonId::new("p2"));
    let book = &company.shell.state.identity;
    assert_eq!((book.told_as("entra", &p1), book.told_as("okta", &p1)), (&p2, &p1));
    assert_eq!(book.told_otherwise("entra"), BTreeMap::from([(&p1, &p2)]));
    // What it says under its id reaches the one person, and changes nothing of who is who.
    assert_eq!(company.tells("entra", "p2", "ada.lovelace@acme.example"), [""; 0]);
    assert_eq!(company.who_says("p1"), ["entra", "okta"]);
    // What people settle gives back what was told under each id.
    company.settle_by_hand(&["id:entra/p2", "id:okta/p1"]);
    let events = company.follow();
    assert!(events.contains(&"person.split".to_owned()), "{events:?}");
    assert_eq!((company.who_says("p1"), company.who_says("p2")), (vec!["okta".into()], vec!["entra".into()]));
    assert_eq!(company.shell.state.identity.told_as("entra", &p1), &p1);
    assert_eq!(company.shell.replayed().people, company.shell.state.people);
    // Two of whom one provider tells are two.
    let events = company.tells("okta", "p3", "ada@acme.example");
    assert!(!events.contains(&"person.merged".to_owned()), "{events:?}");
}

#[test]
fn what_a_provider_says_of_two_is_kept_whoever_settles_that_they_are_one_with_a_third() {
    let mut company = Company::new();
    for (source, id) in [("okta", "p1"), ("entra", "p2"), ("entra", "p3")] {
        assert_eq!(company.tells(source, id, &format!("{id}@acme.example")), [""; 0]);
    }
    let same = ["id:okta/p1", "id:entra/p2", "id:entra/p3"].map(str::to_owned).to_vec();
    let document = IdentitiesDocument { identities: "by hand".into(), same: vec![same], different: Vec::new() };
    company.estate.registry.settle(Settled::of([&document]));
    assert_eq!(company.follow(), ["person.merged"]);
    assert_eq!(company.who_says("p1"), ["entra", "okta"]);
    assert_eq!((company.who_says("p2"), company.who_says("p3")), (vec![], vec!["entra".into()]));
}

#[test]
fn who_is_in_no_list_of_those_on_call_is_known_not_to_be_on_call() {
    let mut company = Company::new();
    let unlisted = Unlisted { records: "all".into(), value: false };
    let pager = company.estate.sources.entry("pager".into()).or_default();
    pager.unlisted = [(FieldRef::person("on_call"), unlisted)].into();
    let on_call = |id: &str| {
        let mut row = record(Subject::Person, id, &[(KeyKind::Email, &format!("{id}@acme.example"))], &[]);
        row.facts.insert(FieldRef::person("on_call"), Said::Value(Value::Bool(true)));
        row
    };
    let said = |company: &Company, id: &str| -> Vec<String> {
        let record = company.shell.state.people.get(id).unwrap();
        let said = record.facts.get("on_call").into_iter().flatten();
        said.map(|(source, value)| format!("{source}: {}", company.shell.state.personal.get(value).unwrap())).collect()
    };
    // No system that is read knows Ada but for the pager, and that only while it calls her.
    company.tells("okta", "p1", "ada@acme.example");
    company.reads("pager", vec![on_call("ben"), on_call("cyd")]);
    assert_eq!(
        (said(&company, "p1"), said(&company, "ben-0")),
        (vec!["refit: false".into()], vec!["pager: true".into()])
    );
    company.hours(1);
    company.reads("pager", vec![on_call("ada")]);
    assert_eq!(
        (said(&company, "p1"), said(&company, "ben-0")),
        (vec!["pager: true".into()], vec!["refit: false".into()])
    );
}

#[test]
fn what_a_source_told_by_an_event_counts_more_than_an_older_reading_and_less_than_a_newer_one() {
    let mut company = Company::new();
    let ada = |employment: &str| {
        let keys = [(KeyKind::Email, "ada@acme.example")];
        record(Subject::Person, "1", &keys, &[("person.employment", employment), ("person.email", "ada@acme.example")])
    };
    company.reads("okta", vec![ada("active")]);
    let employment = |company: &Company| {
        let said = company.shell.state.people.get(&PersonId::new("1-0"))?.facts.get("employment")?.get("okta")?;
        company.shell.state.personal.get(said).map(ToString::to_string)
    };
    assert_eq!(employment(&company).as_deref(), Some("active"));
    // The provider's hook tells that the account was switched off.
    company.hours(1);
    company.references += 1;
    let left = (SmolStr::new(format!("ref-{}", company.references)), Plain::Text("left".into()));
    company.shell.tell(Input::ObservePerson {
        person: PersonId::new("1-0"),
        source: "okta".into(),
        observed: company.shell.now,
        values: BTreeMap::from([("employment".into(), Some(left))]),
    });
    // Something else is read, and what was read of the provider before is held against the log: it takes nothing back.
    company.hours(1);
    company.reads("hr", Vec::new());
    assert_eq!(employment(&company).as_deref(), Some("left"));
    // It is read again, and says what is so by now.
    company.hours(1);
    company.reads("okta", vec![ada("active")]);
    assert_eq!(employment(&company).as_deref(), Some("active"));
}
