//! Lists of those of whom something holds just now, and several records of one.

use super::*;
use crate::facts::estate::REFIT;
use crate::facts::identity::{RecordId, Sighting};
use crate::facts::mapping::{Install, Unlisted};

fn person(kind: &str, id: &str, keys: &[(KeyKind, &str)]) -> Record {
    Record { records: kind.into(), ..record(Subject::Person, id, keys, &[]) }
}

/// Somebody of whom a pager says whether they are called first; `None` where the row speaks of something else.
fn on_call(id: &str, first: Option<bool>) -> Record {
    let said = first.map(|first| (FieldRef::person("on_call"), Said::Value(Value::Bool(first))));
    Record { facts: said.into_iter().collect(), ..person("oncalls", id, &[(KeyKind::Email, &address(id))]) }
}

fn address(id: &str) -> String {
    format!("{id}@a.example")
}

/// Takes in a reading in which these kinds were read as a whole.
fn reads(
    estate: &mut Estate,
    source: &str,
    hours: i64,
    whole: &[&str],
    records: Vec<Record>,
) -> Result<Vec<Change>, Alarm> {
    let incoming = Incoming {
        source,
        records,
        whole: whole.iter().map(SmolStr::new).collect(),
        partial: [].into(),
        resting: [].into(),
        at: time(hours),
        unread: 0,
        shrink_limit: Some(SHRINK_LIMIT),
    };
    estate.take(incoming, |record, generation| SmolStr::new(format!("{record}+{generation}")))
}

/// A source whose list names who is on call, so that all others are not.
fn names_who_is_on_call(estate: &mut Estate, source: &str) {
    let unlisted = Unlisted { records: "oncalls".into(), value: false };
    let state = estate.sources.entry(source.into()).or_default();
    state.unlisted = [(FieldRef::person("on_call"), unlisted)].into();
}

/// Whether somebody is believed to be on call, and by whom that is said.
fn is_on_call(estate: &Estate, id: &str, hours: i64) -> (Option<Plain>, Vec<String>) {
    let (value, said) = believed(estate, id, "person.on_call", &[], hours);
    (value, said.into_iter().map(|(source, _)| source).collect())
}

#[test]
fn who_is_in_a_second_list_of_a_system_keeps_the_keys_that_the_first_one_names() {
    let ada = || person("people", "1", &[(KeyKind::EmployeeId, "E1"), (KeyKind::Email, "ada@a.example")]);
    let away = || person("absences", "1", &[(KeyKind::EmployeeId, "E1")]);
    let account = || person("people", "u1", &[(KeyKind::Email, "ada@a.example")]);
    let readings = [
        vec![(vec!["people", "absences"], vec![ada(), away()])],
        // The list of people rests while that of absences is asked for.
        vec![(vec!["people"], vec![ada()]), (vec!["absences"], vec![away()]), (vec!["absences"], vec![away()])],
    ];
    for readings in readings {
        let mut estate = Estate::default();
        for (hours, (whole, records)) in (0..).zip(readings) {
            reads(&mut estate, "hr", hours, &whole, records).unwrap();
        }
        take(&mut estate, "idp", 9, vec![account()]).unwrap();
        assert_eq!(estate.registry.entities(Subject::Person), ["hr/1+0"]);
        assert_eq!(estate.registry.conflicts().len(), 0);
        assert_eq!(estate.find(Subject::Person, "ada@a.example").len(), 1);
    }
}

#[test]
fn whoever_is_called_first_for_one_team_is_on_call_whatever_they_are_for_another() {
    for rows in [[Some(true), None], [None, Some(true)]] {
        let mut estate = Estate::default();
        let rows: Vec<Record> = rows.into_iter().map(|first| on_call("ada", first)).collect();
        reads(&mut estate, "pager", 0, &["oncalls"], rows).unwrap();
        assert_eq!(is_on_call(&estate, "pager/ada+0", 1).0, Some(Plain::Bool(true)));
        // The next reading says what holds then.
        reads(&mut estate, "pager", 2, &["oncalls"], vec![on_call("ada", None)]).unwrap();
        assert_eq!(is_on_call(&estate, "pager/ada+0", 3).0, None);
    }
}

#[test]
fn rows_of_one_device_add_up_and_a_list_of_all_that_there_is_does_not() {
    let row = |name: &str| Record {
        installs: vec![Install { name: Some(name.into()), ..Install::default() }],
        ..record(Subject::Device, "7", &[], &[])
    };
    let mut estate = Estate::default();
    let installed = |estate: &Estate| -> Vec<String> {
        let kept = estate.sources["mdm"].records.values().next().unwrap();
        kept.installs.iter().filter_map(|install| Some(install.name.as_ref()?.to_string())).collect()
    };
    take(&mut estate, "mdm", 0, vec![row("Editor"), row("Browser"), row("Editor")]).unwrap();
    assert_eq!(installed(&estate), ["Editor", "Browser"]);
    take(&mut estate, "mdm", 1, vec![row("Browser")]).unwrap();
    assert_eq!(installed(&estate), ["Browser"], "the next reading begins anew");
    // A record that two pages have.
    let all = |name: &str| Record { installs_complete: true, ..row(name) };
    take(&mut estate, "mdm", 2, vec![all("Editor"), all("Browser")]).unwrap();
    assert_eq!(installed(&estate), ["Browser"]);
    // Where each row is one install of a device, all of them together are what is there.
    let complete = |estate: &Estate| estate.sources["mdm"].records.values().next().unwrap().installs_complete;
    let one = |name: &str| Record { installs_by_row: true, ..all(name) };
    let bare = || Record { installs: Vec::new(), ..row("") };
    take(&mut estate, "mdm", 3, vec![bare(), one("Editor"), bare(), one("Browser")]).unwrap();
    assert_eq!((installed(&estate), complete(&estate)), (vec!["Editor".to_owned(), "Browser".to_owned()], true));
    take(&mut estate, "mdm", 4, vec![one("Editor"), row("Browser"), one("Viewer")]).unwrap();
    assert!(!complete(&estate), "one row that is only a part says so of all of them");
}

#[test]
fn who_is_in_no_list_of_those_on_call_is_not_on_call() {
    let mut estate = Estate::default();
    names_who_is_on_call(&mut estate, "pager");
    take(&mut estate, "hr", 0, ada("Engineering")).unwrap();
    // Whoever is known to no system that is read is on call no more than others.
    let told = RecordId { of: Subject::Person, source: "okta".into(), id: "u1".into() };
    let keys = vec![key(KeyKind::Email, "u1@a.example")];
    let (partial, platform, began, alive, gone) = (false, None, None, None, false);
    let told = Sighting { record: told, at: time(0), keys, partial, platform, began, alive, gone };
    estate.registry.observe_own([(told, time(0))]);
    assert_eq!(is_on_call(&estate, "hr/1+0", 1), (None, Vec::new()), "the list was never read");
    reads(&mut estate, "pager", 2, &["oncalls"], vec![on_call("bob", Some(true)), on_call("cyd", None)]).unwrap();
    let is_not = (Some(Plain::Bool(false)), vec![REFIT.to_owned()]);
    for id in ["hr/1+0", "u1", "pager/cyd+0"] {
        assert_eq!(is_on_call(&estate, id, 3), is_not, "{id}");
    }
    assert_eq!(is_on_call(&estate, "pager/bob+0", 3), (Some(Plain::Bool(true)), vec!["pager".into()]));
    let (fields, authority, staleness) = (Fields::builtin(), Authority::default(), Staleness::default());
    let rules =
        Rules { fields: &fields, authority: &authority, staleness: &staleness, zones: &Zones::default(), now: time(3) };
    let entities: Vec<_> = estate.entities(Subject::Person, &rules).collect();
    let told = entities.iter().find(|entity| entity.id == "u1").unwrap();
    assert_eq!(told.told[REFIT].facts, BTreeMap::from([(FieldRef::person("on_call"), Plain::Bool(false))]));
    // What was read is old by now, and so nobody knows.
    estate.fail("pager", time(40), "it does not answer".into());
    assert_eq!(is_on_call(&estate, "hr/1+0", 49), is_not);
    assert_eq!(is_on_call(&estate, "hr/1+0", 51), (None, Vec::new()));
}

#[test]
fn who_is_in_one_of_two_lists_may_be_in_the_other_that_can_not_be_read() {
    let mut estate = Estate::default();
    names_who_is_on_call(&mut estate, "pager");
    names_who_is_on_call(&mut estate, "second-pager");
    take(&mut estate, "hr", 0, ada("Engineering")).unwrap();
    reads(&mut estate, "pager", 0, &["oncalls"], Vec::new()).unwrap();
    assert_eq!(is_on_call(&estate, "hr/1+0", 1).0, None);
    reads(&mut estate, "second-pager", 0, &["oncalls"], Vec::new()).unwrap();
    assert_eq!(is_on_call(&estate, "hr/1+0", 1).0, Some(Plain::Bool(false)));
}

#[test]
fn a_list_of_those_on_call_may_be_another_one_each_time() {
    let mut estate = Estate::default();
    names_who_is_on_call(&mut estate, "pager");
    let crew = |names: &str| names.split(' ').map(|id| on_call(id, Some(true))).collect::<Vec<_>>();
    reads(&mut estate, "pager", 0, &["oncalls"], crew("a b c d e f g h")).unwrap();
    reads(&mut estate, "pager", 1, &["oncalls"], crew("i j")).unwrap();
    reads(&mut estate, "pager", 2, &["oncalls"], Vec::new()).unwrap();
    // Who has an account is no such list.
    let users = |names: &str| names.split(' ').map(|id| person("users", id, &[])).collect::<Vec<_>>();
    reads(&mut estate, "pager", 3, &["users"], users("a b c d e f g h")).unwrap();
    assert!(reads(&mut estate, "pager", 4, &["users"], users("a b")).is_err());
}
