//! Who manages whom, who has begun or left, and where devices are in their life.

use super::super::{Chain, ChainEnd, Profile, REFIT};
use super::*;

fn rules_at<R>(hours: i64, order: &[(&str, &[&str])], with: impl FnOnce(&Rules<'_>) -> R) -> R {
    let (fields, staleness) = (Fields::builtin(), Staleness::default());
    let order = order.iter().map(|(field, order)| (field.parse().unwrap(), order.iter().map(SmolStr::new).collect()));
    let authority = Authority { order: order.collect() };
    with(&Rules {
        fields: &fields,
        authority: &authority,
        staleness: &staleness,
        zones: &Zones::default(),
        now: time(hours),
    })
}

/// A person with a number and an address, who reports to those with these keys.
fn person(number: usize, managers: &[(KeyKind, &str)]) -> Record {
    let (id, email) = (number.to_string(), format!("p{number}@a.example"));
    let keys = [(KeyKind::EmployeeId, format!("E{number}")), (KeyKind::Email, email.clone())];
    let keys: Vec<(KeyKind, &str)> = keys.iter().map(|(kind, value)| (*kind, value.as_str())).collect();
    let mut person = record(Subject::Person, &id, &keys, &[("person.email", Some(&email))]);
    for (kind, value) in managers {
        let keys = vec![key(*kind, value)];
        person.relations.push(Relation { relation: RelationKind::Manager, assignment: None, keys });
    }
    person
}

fn profile(estate: &Estate, source: &str, number: usize, order: &[(&str, &[&str])]) -> Profile {
    rules_at(1, order, |rules| estate.person(&format!("{source}/{number}+0"), rules).unwrap())
}

fn names(chain: &Chain) -> Vec<&str> {
    chain.managers.iter().map(|manager| manager.name.as_deref().unwrap()).collect()
}

fn value<'p>(profile: &'p Profile, field: &str) -> Option<(&'p str, &'p str)> {
    let field = profile.fields.iter().find(|it| it.field.to_string() == field)?;
    match field.value.as_ref()? {
        Plain::Text(text) => Some((text, field.source.as_deref()?)),
        _ => None,
    }
}

#[test]
fn a_chain_of_managers_goes_to_the_top_and_gives_the_address_that_nobody_said() {
    let mut estate = Estate::default();
    let number = |number| [(KeyKind::EmployeeId, number)];
    let people = vec![person(1, &number("E2")), person(2, &number("E3")), person(3, &[]), person(4, &number("E2"))];
    take(&mut estate, "hr", 0, people).unwrap();
    let ada = profile(&estate, "hr", 1, &[]);
    let chain = ada.managers.as_ref().unwrap();
    assert_eq!((names(chain), &chain.ends), (vec!["p2@a.example", "p3@a.example"], &ChainEnd::Top));
    assert_eq!(value(&ada, "person.manager"), Some(("p2@a.example", REFIT)));
    assert_eq!((ada.reports, profile(&estate, "hr", 2, &[]).reports), (0, 2));
    let top = profile(&estate, "hr", 3, &[]);
    assert_eq!((top.managers.as_ref(), value(&top, "person.manager"), top.reports), (None, None, 1));
}

#[test]
fn a_chain_ends_in_a_circle_and_at_somebody_whom_nobody_knows() {
    let mut estate = Estate::default();
    let email = |address| [(KeyKind::Email, address)];
    let people = vec![
        person(1, &email("p2@a.example")),
        person(2, &email("p3@a.example")),
        person(3, &email("p2@a.example")),
        person(4, &email("gone@a.example")),
        person(5, &email("p5@a.example")),
    ];
    take(&mut estate, "hr", 0, people).unwrap();
    let ends = |number| profile(&estate, "hr", number, &[]).managers.unwrap();
    let circle = ends(1);
    assert_eq!(names(&circle), ["p2@a.example", "p3@a.example"]);
    assert_eq!(circle.ends, ChainEnd::Circle { person: "hr/2+0".into() });
    let unknown = ends(4);
    assert_eq!(unknown.ends, ChainEnd::Unknown { named: "email gone@a.example".into(), source: "hr".into() });
    assert_eq!((names(&ends(5)).len(), ends(5).ends), (0, ChainEnd::Circle { person: "hr/5+0".into() }));
}

#[test]
fn of_two_managers_the_more_trusted_source_names_the_one() {
    let mut estate = Estate::default();
    let people = vec![person(1, &[(KeyKind::EmployeeId, "E2")]), person(2, &[]), person(3, &[])];
    take(&mut estate, "hr", 0, people).unwrap();
    let people = vec![person(1, &[(KeyKind::Email, "p3@a.example")]), person(9, &[(KeyKind::Email, "who@a.example")])];
    take(&mut estate, "idp", 0, people).unwrap();
    let manager = |order: &[&str]| {
        let chain = profile(&estate, "hr", 1, &[("person.manager", order)]).managers.unwrap();
        let first = chain.managers.first().unwrap();
        (first.name.clone().unwrap().to_string(), first.source.to_string())
    };
    assert_eq!(manager(&["hr", "idp"]), ("p2@a.example".into(), "hr".into()));
    assert_eq!(manager(&["idp", "hr"]), ("p3@a.example".into(), "idp".into()));
}

#[test]
fn who_has_not_begun_is_starting_and_who_is_past_the_last_day_has_left() {
    let employment = |first: Option<i64>, last: Option<i64>, said: Option<&str>| {
        let mut estate = Estate::default();
        let mut ada = person(1, &[]);
        for (field, at) in [("first_day", first), ("last_day", last)] {
            let said = at.map(|hours| Said::Value(Value::Time(time(hours))));
            ada.facts.extend(said.map(|said| (FieldRef::person(field), said)));
        }
        ada.facts.extend(said.map(|said| (FieldRef::person("employment"), Said::Value(Value::text(said)))));
        take(&mut estate, "hr", 0, vec![ada]).unwrap();
        let profile = profile(&estate, "hr", 1, &[]);
        value(&profile, "person.employment").map(|(value, source)| format!("{value} {source}"))
    };
    assert_eq!(employment(Some(2), None, None).as_deref(), Some("starting refit"));
    assert_eq!(employment(Some(1), None, None), None, "what somebody is who is there nobody said");
    assert_eq!(employment(Some(-900), Some(-36), None).as_deref(), Some("left refit"));
    assert_eq!(employment(Some(-900), Some(-34), None), None, "the last day is not over everywhere");
    assert_eq!(
        employment(Some(2), None, Some("contractor")).as_deref(),
        Some("contractor hr"),
        "who says it is believed"
    );
}

/// A person of a department that is said to be part of a division.
fn member(number: usize, department: &str, division: Option<&str>) -> Record {
    let mut member = person(number, &[]);
    let said = [("department", Some(department)), ("division", division)];
    let said = said.into_iter().filter_map(|(field, value)| Some((FieldRef::person(field), value?)));
    member.facts.extend(said.map(|(field, value)| (field, Said::Value(Value::text(value)))));
    member
}

/// All that the department of a person is part of, and who says so.
fn departments(estate: &Estate, number: usize) -> Option<(String, String)> {
    let profile = profile(estate, "hr", number, &[]);
    let field = profile.fields.iter().find(|it| it.field == FieldRef::person("departments"))?;
    let Some(Plain::List(list)) = &field.value else { return None };
    let list: Vec<&str> = list.iter().map(SmolStr::as_str).collect();
    Some((list.join(" < "), field.source.clone()?.to_string()))
}

#[test]
fn a_department_is_part_of_what_most_of_its_people_say() {
    let mut estate = Estate::default();
    let mut consultant = member(9, "Platform", None);
    consultant.facts.insert(FieldRef::person("departments"), Said::Value(Value::list(["Platform", "Outside"])));
    let people = vec![
        member(1, "Platform", Some("Engineering")),
        member(2, "Platform", Some("Sales")),
        member(3, "Platform", Some("Engineering")),
        member(4, "Engineering", Some("R&D")),
        member(5, "R&D", None),
        member(6, "Sales", Some("Sales")),
        member(7, "Legal", Some("Finance")),
        member(8, "Finance", Some("Legal")),
        consultant,
    ];
    take(&mut estate, "hr", 0, people).unwrap();
    let refit = |list: &str| Some((list.to_owned(), REFIT.to_owned()));
    for number in 1..=3 {
        assert_eq!(
            departments(&estate, number),
            refit("Platform < Engineering < R&D"),
            "one who says otherwise is one"
        );
    }
    assert_eq!(departments(&estate, 5), refit("R&D"), "the top is part of nothing");
    assert_eq!(departments(&estate, 6), refit("Sales"));
    assert_eq!(departments(&estate, 7), refit("Legal < Finance"), "it does not go round");
    assert_eq!(departments(&estate, 9), Some(("Platform < Outside".into(), "hr".into())), "who says it is believed");
    // What a server is told is the same.
    let told = rules_at(1, &[], |rules| {
        let ada = estate.entities(Subject::Person, rules).find(|person| person.id == "hr/1+0").unwrap();
        ada.told[REFIT].facts[&FieldRef::person("departments")].to_string()
    });
    assert!(told.contains("Engineering") && told.contains("R&D"), "{told}");
}

#[test]
fn where_nobody_says_what_departments_are_part_of_nothing_follows() {
    let mut estate = Estate::default();
    take(&mut estate, "hr", 0, vec![member(1, "Platform", None)]).unwrap();
    assert_eq!(departments(&estate, 1), None);
}

/// A device that was seen and enrolled so many hours before it was read.
fn device(seen: Option<i64>, enrolled: Option<i64>, owner: Option<&str>) -> Record {
    let mut device = record(Subject::Device, "7", &[(KeyKind::Serial, "C02XK1")], &[]);
    for (field, at) in [("seen", seen), ("enrolled", enrolled)] {
        let said = at.map(|hours| Said::Value(Value::Time(time(-hours))));
        device.facts.extend(said.map(|said| (FieldRef::device(field), said)));
    }
    if let Some(owner) = owner {
        let keys = vec![key(KeyKind::Email, owner)];
        device.relations.push(Relation { relation: RelationKind::Assigned, assignment: Some("primary".into()), keys });
    }
    device
}

fn phase(estate: &Estate, hours: i64) -> Option<String> {
    let profile = rules_at(hours, &[], |rules| estate.device("mdm/7+0", rules).unwrap());
    value(&profile, "device.phase").map(|(value, source)| format!("{value} {source}"))
}

#[test]
fn a_device_is_set_up_then_new_then_active() {
    let of = |seen: Option<i64>, enrolled: Option<i64>, owner: Option<&str>| {
        let mut estate = Estate::default();
        take(&mut estate, "hr", 0, vec![person(1, &[])]).unwrap();
        take(&mut estate, "mdm", 0, vec![device(seen, enrolled, owner)]).unwrap();
        phase(&estate, 0)
    };
    assert_eq!(of(Some(1), Some(2), None).as_deref(), Some("provisioning refit"));
    assert_eq!(of(Some(1), Some(2), Some("p1@a.example")).as_deref(), Some("new refit"));
    assert_eq!(of(Some(1), Some(30), None).as_deref(), Some("new refit"));
    assert_eq!(of(Some(1), Some(24 * 7), None).as_deref(), Some("active refit"));
    assert_eq!(of(Some(1), None, None).as_deref(), Some("active refit"));
    assert_eq!(of(None, Some(2), None), None, "nobody says when it was seen");
}

#[test]
fn a_device_is_absent_when_it_or_its_person_is_and_not_when_its_source_is() {
    let mut estate = Estate::default();
    take(&mut estate, "mdm", 0, vec![device(Some(71), None, Some("p1@a.example"))]).unwrap();
    assert_eq!(phase(&estate, 0).as_deref(), Some("active refit"));
    assert_eq!(phase(&estate, 200).as_deref(), Some("active refit"), "nobody has looked since");
    assert_eq!(phase(&estate, 15 * 24), None, "for too long");
    take(&mut estate, "mdm", 1, vec![device(Some(71), None, Some("p1@a.example"))]).unwrap();
    assert_eq!(phase(&estate, 1).as_deref(), Some("absent refit"));

    take(&mut estate, "mdm", 2, vec![device(Some(1), None, Some("p1@a.example"))]).unwrap();
    let mut ada = person(1, &[]);
    ada.facts.insert(FieldRef::person("on_leave"), Said::Value(Value::Bool(true)));
    take(&mut estate, "hr", 2, vec![ada]).unwrap();
    assert_eq!(phase(&estate, 3).as_deref(), Some("absent refit"));
    assert_eq!(phase(&estate, 60).as_deref(), Some("active refit"), "that somebody is on leave grows old");
    take(&mut estate, "hr", 3, vec![person(1, &[])]).unwrap();
    assert_eq!(phase(&estate, 3).as_deref(), Some("active refit"));
}

#[test]
fn a_device_that_no_source_has_any_more_is_retired() {
    let mut estate = Estate::default();
    take(&mut estate, "mdm", 0, [fleet(5), vec![device(Some(1), None, None)]].concat()).unwrap();
    take(&mut estate, "mdm", 1, fleet(5)).unwrap();
    assert_eq!(phase(&estate, 2).as_deref(), Some("retired refit"));
    let mut said = device(Some(1), None, None);
    said.deleted = true;
    take(&mut estate, "mdm", 3, [fleet(5), vec![said]].concat()).unwrap();
    assert_eq!(phase(&estate, 4).as_deref(), Some("retired refit"));
}
