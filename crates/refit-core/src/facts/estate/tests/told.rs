//! What a server is to know: each source's own words, with what has an agent among them.

use super::*;
use crate::facts::estate::{Entity, REFIT};
use crate::facts::identity::{RecordId, Sighting};
use crate::facts::mapping::Install;

fn laptop(source_id: &str, facts: &[(&str, Option<&str>)]) -> Record {
    record(Subject::Device, source_id, &[(KeyKind::Serial, "C02XK1")], facts)
}

/// A device with an agent, known since an hour.
fn agent(id: &str, since: i64) -> (Sighting, Timestamp) {
    let sighting = Sighting {
        record: RecordId { of: Subject::Device, source: "agent".into(), id: id.into() },
        at: time(since),
        keys: vec![key(KeyKind::Serial, "C02XK1")],
        partial: false,
        platform: None,
        began: Some(time(since)),
        alive: Some(time(since)),
        gone: false,
    };
    (sighting, time(since))
}

fn entities(estate: &Estate, hours: i64) -> Vec<Entity<'_>> {
    let (fields, authority, staleness) = (Fields::builtin(), Authority::default(), Staleness::default());
    let rules = Rules {
        fields: &fields,
        authority: &authority,
        staleness: &staleness,
        zones: &Zones::default(),
        now: time(hours),
    };
    estate.entities(Subject::Device, &rules).collect()
}

#[test]
fn what_was_known_first_names_the_device_and_each_source_keeps_its_words() {
    let mut estate = Estate::default();
    take(&mut estate, "jamf", 0, vec![laptop("7", &[("device.hostname", Some("ada-mac"))])]).unwrap();
    let changes = estate.registry.observe_own([agent("a1", 1)]);
    assert!(matches!(changes.as_slice(), [Change::Joined { entity, .. }] if entity == "jamf/7+0"), "{changes:?}");
    take(&mut estate, "csv", 2, vec![laptop("row-3", &[("device.site", Some("Kiel")), ("device.tags", None)])])
        .unwrap();
    let [device] = entities(&estate, 2).try_into().unwrap();
    assert_eq!((device.id.as_str(), device.name.as_deref(), device.is_there), ("jamf/7+0", Some("ada-mac"), true));
    assert_eq!(device.ids, ["jamf/7+0", "a1", "csv/row-3+0"]);
    let said = |source: &str| {
        let told = &device.told[source];
        let facts = told.facts.iter().map(|(field, value)| format!("{field}={value}")).collect::<Vec<_>>().join(" ");
        (told.observed, facts)
    };
    assert_eq!(said("jamf"), (Some(time(0)), "device.hostname=ada-mac".into()));
    assert_eq!(said("csv"), (Some(time(2)), "device.site=Kiel".into()));
    // Its agent was heard an hour ago, and nobody has it.
    assert_eq!(said(REFIT), (Some(time(1)), "device.phase=active".into()));
    assert_eq!(device.told.len(), 3);
}

#[test]
fn an_agent_that_was_there_first_gives_the_id_and_a_device_that_lives_is_not_retired() {
    let mut estate = Estate::default();
    estate.registry.observe_own([agent("a1", 0)]);
    take(&mut estate, "jamf", 1, vec![laptop("7", &[])]).unwrap();
    assert_eq!(entities(&estate, 1)[0].ids, ["a1", "jamf/7+0"]);
    let mut reading = vec![record(Subject::Device, "8", &[(KeyKind::Serial, "C02XK2")], &[])];
    let incoming = |records| Incoming {
        source: "jamf",
        records,
        whole: ["devices".into()].into(),
        partial: [].into(),
        resting: [].into(),
        at: time(2),
        unread: 0,
        shrink_limit: None,
    };
    estate.take(incoming(std::mem::take(&mut reading)), |record, _| format!("{record}").into()).unwrap();
    let device = entities(&estate, 2).into_iter().find(|device| device.id == "a1").unwrap();
    assert!(!device.is_there);
    assert_eq!(device.told[REFIT].facts.values().map(ToString::to_string).collect::<Vec<_>>(), ["active"]);
    // The same again is no news, and what is older changes nothing.
    assert_eq!(estate.registry.observe_own([agent("a1", 0)]), []);
}

/// A record of the laptop that lists the editor, as device management last heard of it.
fn lists(id: &str, version: &str, heard: i64, enrolled: i64) -> Record {
    let moment = |name: &str, at: i64| (FieldRef::device(name), Said::Value(Value::Time(time(at))));
    Record {
        observed: Some(time(heard)),
        facts: [moment("seen", heard), moment("enrolled", enrolled)].into(),
        installs: vec![Install { name: Some("Editor".into()), version: Some(version.into()), ..Install::default() }],
        installs_complete: true,
        ..laptop(id, &[])
    }
}

#[test]
fn of_two_records_of_one_device_the_one_that_was_told_last_says_what_is_installed() {
    let versions = |estate: &Estate| -> Vec<String> {
        let [device] = entities(estate, 100).try_into().unwrap();
        assert!(device.ids.len() >= 2, "it is one device");
        device.installs["mdm"].iter().filter_map(|install| Some(install.version.as_ref()?.to_string())).collect()
    };
    let (old, new) = (lists("9", "1.0.0", 10, 0), lists("10", "2.0.0", 40, 20));
    let again = lists("9", "1.5.0", 60, 45);
    // Neither the order in which they are read nor that of their ids matters.
    for orders in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
        let mut estate = Estate::default();
        take(&mut estate, "mdm", 50, orders.to_vec()).unwrap();
        assert_eq!(versions(&estate), ["2.0.0"]);
        let mut one_by_one = Estate::default();
        for record in orders {
            let incoming = Incoming {
                source: "mdm",
                records: vec![record],
                whole: [].into(),
                partial: [].into(),
                resting: [].into(),
                at: time(50),
                unread: 0,
                shrink_limit: None,
            };
            one_by_one.take(incoming, |record, _| format!("{record}").into()).unwrap();
        }
        assert_eq!(versions(&one_by_one), ["2.0.0"]);
        let (fields, authority, staleness) = (Fields::builtin(), Authority::default(), Staleness::default());
        let rules = Rules {
            fields: &fields,
            authority: &authority,
            staleness: &staleness,
            zones: &Zones::default(),
            now: time(100),
        };
        let id = entities(&estate, 100)[0].id.clone();
        assert_eq!(estate.device(&id, &rules).unwrap().installs, BTreeMap::from([("mdm".into(), 1)]));
    }
    // What the system says later counts, whichever of its records says so; one that does not list anything takes nothing away.
    let mut estate = Estate::default();
    take(&mut estate, "mdm", 70, vec![new.clone(), again]).unwrap();
    assert_eq!(versions(&estate), ["1.5.0"]);
    let silent = Record { installs: Vec::new(), installs_complete: false, ..lists("9", "", 60, 45) };
    take(&mut estate, "mdm", 80, vec![new.clone(), silent]).unwrap();
    assert_eq!(versions(&estate), ["2.0.0"]);
    // That nothing is installed any more is said by an empty list.
    let erased = Record { installs: Vec::new(), ..lists("11", "", 90, 85) };
    take(&mut estate, "mdm", 90, vec![new, erased]).unwrap();
    assert_eq!(versions(&estate), [""; 0]);
}
