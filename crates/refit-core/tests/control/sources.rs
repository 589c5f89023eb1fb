//! What sources say of a fleet with agents: one device of many records, also while a release moves through the rings.

use super::shell::{Shell, entry, person, time};
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::{
        Actor, AgentInput, CheckIn, ComplaintReceived, Director, EnrolmentRecord, Event, IdentityInput, Input,
        Installs, LeaseInput, Observation, PersonId, Plain, Refusal, Scope, SlotName, SourceRead, State, TokenId,
        Wanted, disruption,
        document::{Frame, document},
        handle,
        sources::{own, same_keys, steps},
    },
    facts::{
        FieldRef, Value,
        estate::{Estate, Incoming, Rules},
        identity::Settled,
        mapping::{
            Key, KeyKind, Record, Relation, Said, Unlisted,
            document::{RelationKind, Subject},
        },
    },
    policy::document::outside::IdentitiesDocument,
    rollout::disruption::Holder,
};
use refit_model::{DeviceId, TitleId};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

mod accounts;
mod installs;
mod people;
mod zones;

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
authority: { device.site: [cmdb, mdm] }
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: '\"canary\" in device.tags', soak: 1d }
      - { name: rest }
gates:
  default: { failure_rate: 2%, confidence: 95%, enough: 90%, patience: 7d }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
rollout: standard
deadline: [{ within: 14d }]
";

/// A server that reads two sources.
struct Company {
    shell: Shell,
    estate: Estate,
    references: u32,
}

fn key(kind: KeyKind, value: &str) -> Key {
    Key { kind, value: value.into(), strength: kind.strength() }
}

fn record(of: Subject, id: &str, keys: &[(KeyKind, &str)], facts: &[(&str, &str)]) -> Record {
    let fact = |(field, value): &(&str, &str)| (field.parse::<FieldRef>().unwrap(), Said::Value(Value::text(value)));
    Record {
        records: "all".into(),
        of,
        at: String::new(),
        id: id.into(),
        observed: None,
        deleted: false,
        keys: keys.iter().map(|(kind, value)| key(*kind, value)).collect(),
        facts: facts.iter().map(fact).collect(),
        installs: Vec::new(),
        installs_complete: false,
        installs_by_row: false,
        relations: Vec::new(),
    }
}

fn laptop(id: &str, serial: &str, facts: &[(&str, &str)]) -> Record {
    record(Subject::Device, id, &[(KeyKind::Serial, serial)], facts)
}

fn owned_by(mut laptop: Record, address: &str) -> Record {
    laptop.relations.push(Relation {
        relation: RelationKind::Assigned,
        assignment: Some("primary".into()),
        keys: vec![key(KeyKind::Email, address)],
    });
    laptop
}

impl Company {
    fn new() -> Company {
        let mut shell = Shell::new("2026-11-01T00:00:00Z");
        shell.tell(Input::Start { program: "1".into(), alive_until: None });
        let record = EnrolmentRecord {
            hash: "0".repeat(64).into(),
            name: "all".into(),
            made: shell.now,
            expires: time("2026-12-20T00:00:00Z"),
            uses: 100,
            used: 0,
            revoked: None,
        };
        shell.tell(Input::Agents(AgentInput::CreateEnrolment { enrolment: TokenId::new("e"), record }));
        shell.release("editor", "1.0.0");
        shell.apply(POLICY);
        Company { shell, estate: Estate::default(), references: 0 }
    }

    /// A machine gets an agent, which says its serial number and that it has the editor.
    fn joins(&mut self, device: &str, serial: &str) {
        self.shell.tell(Input::Agents(AgentInput::Join {
            enrolment: TokenId::new("e"),
            device: DeviceId::new(device),
            machine: format!("machine of {device}").into(),
            name: None,
            agent: "0".into(),
            serial: "1".into(),
            until: time("2027-01-01T00:00:00Z"),
        }));
        self.reports(device, serial, "1.0.0");
    }

    fn reports(&mut self, device: &str, serial: &str, version: &str) {
        let text = |field: &str, value: &str| (SmolStr::from(field), Some(Plain::Text(value.into())));
        self.shell.tell(Input::Observe(Observation {
            device: DeviceId::new(device),
            source: "agent".into(),
            observed: self.shell.now,
            facts: BTreeMap::from([text("device.platform", "linux"), text("device.serial", serial)]),
            installs: Some(Installs::All(vec![entry("editor", version)])),
            universe: None,
            check_in: None,
        }));
    }

    /// A source is read, and what all of them say is told to the server. The kinds of the events.
    fn reads(&mut self, source: &str, records: Vec<Record>) -> Vec<String> {
        let count = records.len() as u64;
        let incoming = Incoming {
            source,
            records,
            whole: ["all".into()].into(),
            partial: [].into(),
            resting: [].into(),
            at: self.shell.now,
            unread: 0,
            shrink_limit: None,
        };
        let taken =
            self.estate.take(incoming, |record, generation| SmolStr::new(format!("{}-{generation}", record.id)));
        taken.unwrap();
        let read = SourceRead {
            source: source.into(),
            read: Some(self.shell.now),
            records: count,
            alarm: None,
            was: None,
            set_aside: 0,
            uncovered: 0,
            purposes: BTreeMap::new(),
        };
        // As a server does it: that it is read at all is known first.
        if !self.shell.state.is_read(source) {
            self.shell.tell(Input::SourceRead(read.clone()));
        }
        let told = self.follow();
        self.shell.tell(Input::SourceRead(read));
        told
    }

    /// An identity provider tells the server somebody's address by itself. The kinds of the events that follow from it.
    fn tells(&mut self, source: &str, id: &str, address: &str) -> Vec<String> {
        self.hours(1);
        self.references += 1;
        let value = (SmolStr::new(format!("ref-{}", self.references)), Plain::Text(address.into()));
        self.shell.tell(Input::ObservePerson {
            person: PersonId::new(id),
            source: source.into(),
            observed: self.shell.now,
            values: BTreeMap::from([("email".into(), Some(value))]),
        });
        self.follow()
    }

    /// The sources that say an address of a person.
    fn who_says(&self, id: &str) -> Vec<String> {
        let record = self.shell.state.people.get(id).unwrap();
        record.facts.get("email").into_iter().flat_map(|said| said.keys()).map(ToString::to_string).collect()
    }

    fn follow(&mut self) -> Vec<String> {
        let read: BTreeSet<SmolStr> = self.estate.sources.keys().cloned().collect();
        let own = own(&self.shell.state, &self.estate.registry, &read, self.shell.now);
        self.estate.registry.observe_own(own.sightings);
        self.estate.registry.gone(&own.gone);
        let mut told = Vec::new();
        for step in self.steps() {
            for input in step {
                told.extend(self.shell.tell(input).into_iter().map(|event| event.kind().to_owned()));
            }
        }
        // All of it is known by now.
        assert_eq!(self.steps(), Vec::<Vec<Input>>::new());
        assert_eq!(self.shell.replayed().devices, self.shell.state.devices);
        assert_eq!(self.shell.replayed().identity, self.shell.state.identity);
        told
    }

    fn steps(&mut self) -> Vec<Vec<Input>> {
        let policy = self.shell.state.policy.clone().unwrap();
        let repository = &policy.repository;
        let rules = Rules {
            fields: &repository.fields,
            authority: &repository.authority,
            staleness: &repository.staleness,
            zones: &repository.zones,
            now: self.shell.now,
        };
        let references = &mut self.references;
        steps(&self.shell.state, &self.estate, &rules, || {
            *references += 1;
            SmolStr::new(format!("ref-{references}"))
        })
    }

    /// Lets rings open and devices be decided until nothing is left.
    fn goes_on(&mut self) {
        for _ in 0..20 {
            self.shell.settle();
            let look = Director.look(&self.shell.state, &self.shell.board, self.shell.now);
            if look.inputs.is_empty() {
                return;
            }
            look.inputs.into_iter().for_each(|input| drop(self.shell.tell(input)));
        }
        panic!("it never comes to rest");
    }

    fn hours(&mut self, hours: i64) {
        self.shell.now = self.shell.now.checked_add(SignedDuration::from_hours(hours)).unwrap();
    }

    fn managed(&self) -> Vec<String> {
        self.shell.state.managed().map(|device| device.id.to_string()).collect()
    }

    /// `field by source: value` of a device.
    fn facts(&self, device: &str) -> Vec<String> {
        let record = self.shell.state.device(&DeviceId::new(device)).unwrap();
        let said = record.facts.iter().flat_map(|(field, said)| {
            said.iter()
                .map(move |(source, value)| format!("{} by {source}: {value}", field.trim_start_matches("device.")))
        });
        said.collect()
    }

    /// What is published for a device's editor, and by when it is due.
    fn published(&self, device: &str) -> Option<(Wanted, String, Option<Timestamp>)> {
        let record = self.shell.state.device(&DeviceId::new(device)).unwrap();
        let published = record.published.get(&SlotName::of(TitleId::new("editor")))?;
        let ring = published.key.ring.as_ref().map(ToString::to_string).unwrap_or_default();
        Some((published.key.admitted.clone(), ring, published.due))
    }

    fn settle_by_hand(&mut self, different: &[&str]) {
        let names = different.iter().map(|name| (*name).to_owned()).collect();
        let document = IdentitiesDocument { identities: "by hand".into(), same: Vec::new(), different: vec![names] };
        self.estate.registry.settle(Settled::of([&document]));
    }
}

const SERIAL: &str = "C02XK1AA";

#[test]
fn an_agent_and_two_systems_name_one_laptop_and_its_person() {
    let mut company = Company::new();
    company.reads("mdm", vec![owned_by(laptop("m-1", SERIAL, &[("device.site", "Kiel")]), "ada@acme.example")]);
    assert_eq!(company.managed(), ["m-1-0"]);
    company.hours(1);
    company.joins("a1", SERIAL);
    let events = company.reads(
        "cmdb",
        vec![
            laptop("c-9", SERIAL, &[("device.site", "Bonn"), ("device.model", "X1")]),
            record(Subject::Person, "p-ada", &[(KeyKind::Email, "ada@acme.example")], &[("person.department", "IT")]),
        ],
    );
    assert_eq!(events, ["person.observed", "device.merged", "device.observed", "device.observed", "person.assigned"]);
    assert_eq!(company.managed(), ["m-1-0"]);
    assert_eq!(
        company.facts("m-1-0"),
        [
            "model by cmdb: X1",
            "phase by refit: active",
            "platform by agent: linux",
            "serial by agent: C02XK1AA",
            "site by cmdb: Bonn",
            "site by mdm: Kiel",
        ]
    );
    let record = company.shell.state.device(&"m-1-0".into()).unwrap();
    assert_eq!(record.person, Some(PersonId::new("p-ada-0")));
    assert_eq!(record.installs.len(), 1);
    // The agent goes on under the id that it has, and is told what is meant for that.
    let state = &company.shell.state;
    assert_eq!(document(state, record, None, &Frame { organization: "acme", sequence: 1 }).device, DeviceId::new("a1"));
    assert!(state.agents.certificate(state.identity.device(&"a1".into()), "1", company.shell.now).is_some());
    company.hours(1);
    company.reports("a1", SERIAL, "1.1.0");
    let record = company.shell.state.device(&"m-1-0".into()).unwrap();
    assert_eq!((record.installs.values().next().unwrap().version.as_str(), record.seen), ("1.1.0", company.shell.now));
    // A record that is gone says nothing any more.
    company.reads("cmdb", vec![laptop("c-10", "OTHER123", &[])]);
    assert!(!company.facts("m-1-0").iter().any(|fact| fact.contains("cmdb")), "{:?}", company.facts("m-1-0"));
    assert_eq!(company.managed(), ["c-10-0", "m-1-0"]);
}

#[test]
fn a_source_that_could_never_be_read_takes_nothing_back_of_what_is_told_under_its_name() {
    let mut company = Company::new();
    company.joins("a1", SERIAL);
    // A policy says of `source: agent` how long that counts, and there is no connector of this name.
    company.estate.fail("agent", company.shell.now, "there is no connector `agent`".into());
    assert_eq!(company.follow(), [""; 0]);
    assert_eq!(company.facts("a1"), ["platform by agent: linux", "serial by agent: C02XK1AA"]);
}

#[test]
fn a_merge_in_the_middle_of_a_rollout_keeps_ring_and_due_time_of_the_device_that_was_there_first() {
    let mut company = Company::new();
    for index in 0..5 {
        company.joins(&format!("other-{index}"), &format!("SERIAL{index}X"));
    }
    company.joins("old", SERIAL);
    company.hours(1);
    company.reads("mdm", vec![laptop("m-1", SERIAL, &[])]);
    assert_eq!(company.managed().last().map(String::as_str), Some("other-4"));
    company.shell.tags("old", &["canary"]);
    company.hours(24);
    company.shell.release("editor", "2.0.0");
    company.goes_on();
    let due = time("2026-11-16T01:00:00Z");
    let wanted = Wanted::Release("2.0.0".into());
    assert_eq!(company.published("old"), Some((wanted.clone(), "canary".into(), Some(due))));
    // The laptop is set up anew and does not know that it was one.
    company.hours(12);
    company.joins("new", SERIAL);
    company.goes_on();
    let (admitted, ring, later) = company.published("new").unwrap();
    assert_eq!((admitted, ring.as_str()), (Wanted::Nothing, "rest"));
    assert!(later.unwrap() >= due);
    let events = company.follow();
    assert_eq!(events.first().map(String::as_str), Some("device.merged"));
    company.goes_on();
    assert!(company.shell.state.device(&"new".into()).is_none());
    assert_eq!(company.published("old"), Some((wanted, "canary".into(), Some(due))));
    // What its agent says counts for the device that it is, and gates hear of it once.
    company.hours(1);
    company.reports("new", SERIAL, "2.0.0");
    company.goes_on();
    let old = company.shell.state.device(&"old".into()).unwrap().index;
    let trial = company.shell.state.rollouts.trial(&TitleId::new("editor"), "2.0.0").unwrap();
    assert_eq!(trial.fine.iter().collect::<Vec<_>>(), [old]);
    assert_eq!(company.shell.state.device_called("new").map(|device| device.id.to_string()), Some("old".into()));
    // Enrolled once more, the machine finds the device that it is.
    let state = &company.shell.state;
    assert_eq!(state.agents.machines.get("machine of new"), Some(&DeviceId::new("old")));
}

#[test]
fn a_merge_that_was_wrong_is_undone_by_what_people_settle() {
    let mut company = Company::new();
    company.reads("mdm", vec![laptop("m-1", SERIAL, &[("device.site", "Kiel")])]);
    company.hours(1);
    company.joins("a1", SERIAL);
    company.follow();
    company.goes_on();
    assert_eq!(company.managed(), ["m-1-0"]);
    company.settle_by_hand(&["id:agent/a1", "id:mdm/m-1"]);
    let events = company.follow();
    assert_eq!(events.first().map(String::as_str), Some("device.split"), "{events:?}");
    company.goes_on();
    assert_eq!(company.managed(), ["a1", "m-1-0"]);
    assert_eq!(company.facts("m-1-0"), ["site by mdm: Kiel"]);
    assert_eq!(company.facts("a1"), ["platform by agent: linux", "serial by agent: C02XK1AA"]);
    let installs = |id: &str| company.shell.state.device(&id.into()).unwrap().installs.len();
    assert_eq!((installs("a1"), installs("m-1-0")), (1, 0));
    let state = &company.shell.state;
    assert!(state.agents.certificate(&"a1".into(), "1", company.shell.now).is_some());
    assert_eq!(state.agents.machines.get("machine of a1"), Some(&DeviceId::new("a1")));
    // And it is settled again.
    company.estate.registry.settle(Settled::default());
    let events = company.follow();
    assert_eq!(events.first().map(String::as_str), Some("device.merged"), "{events:?}");
    assert_eq!(company.managed(), ["m-1-0"]);
}

const SERVERS: &str = "
organization: acme
defaults: { mode: enforce }
---
policy: servers
software: [deb/server]
deadline: [{ within: 14d }]
disruption: { group_by: device.cluster, max_unavailable: 1 }
";

#[test]
fn the_place_in_a_group_stays_taken_when_the_device_that_has_it_turns_out_to_be_another() {
    let mut company = Company::new();
    company.reads("mdm", vec![laptop("m-1", SERIAL, &[("device.cluster", "db")])]);
    company.hours(1);
    company.joins("a1", SERIAL);
    company.shell.tell(Input::Observe(Observation {
        device: "a1".into(),
        source: "agent".into(),
        observed: company.shell.now,
        facts: BTreeMap::from([("device.cluster".into(), Some(Plain::Text("db".into())))]),
        installs: Some(Installs::All(vec![entry("deb/server", "1.0")])),
        universe: None,
        check_in: None,
    }));
    company.shell.release("deb/server", "2.0");
    company.shell.apply(SERVERS);
    company.shell.settle();
    let holders = |state: &State| state.leases.all().map(|(holder, _)| holder.clone()).collect::<Vec<_>>();
    let step = {
        let state = &company.shell.state;
        let (record, said) =
            (state.device(&"a1".into()).unwrap(), disruption::Said { standing: &[], holds_told: true });
        disruption::consider(
            state,
            record,
            company.shell.board.row(&record.id).map(|row| &**row),
            said,
            company.shell.now,
        )
    };
    company.shell.tell(Input::Leases(LeaseInput::Device { device: "a1".into(), step: step.unwrap() }));
    assert_eq!(holders(&company.shell.state), [Holder::Device("a1".into())]);
    company.follow();
    assert_eq!(holders(&company.shell.state), [Holder::Device("m-1-0".into())]);
    assert_eq!(holders(&company.shell.replayed()), [Holder::Device("m-1-0".into())]);
    company.settle_by_hand(&["id:agent/a1", "id:mdm/m-1"]);
    company.follow();
    assert_eq!(holders(&company.shell.state), [Holder::Device("a1".into())]);
}

#[test]
fn what_was_merged_leads_on_and_nothing_leads_in_a_circle() {
    let mut company = Company::new();
    for device in ["a", "b", "c"] {
        company.shell.enrol(device);
    }
    let merge =
        |from: &str, into: &str| Input::Identity(IdentityInput::MergeDevices { from: from.into(), into: into.into() });
    company.shell.tell(merge("c", "b"));
    company.shell.tell(merge("b", "a"));
    assert_eq!(company.shell.tell(merge("b", "a")), []);
    assert_eq!(company.shell.state.identity.device(&"c".into()), &DeviceId::new("a"));
    assert_eq!(company.shell.state.identity.former_ids(&"a".into()), ["b", "c"].map(DeviceId::new).into());
    let refused = company.shell.try_as(&refit_core::control::Actor::server(), merge("a", "c"));
    assert!(matches!(refused, Err(Refusal::Missing { .. })), "{refused:?}");
    let split = |device: &str| Input::Identity(IdentityInput::SplitDevice { device: device.into() });
    company.shell.tell(split("b"));
    assert_eq!(company.shell.state.identity.device(&"c".into()), &DeviceId::new("b"));
    assert_eq!(company.managed(), ["a", "b"]);
    assert_eq!(company.shell.tell(split("b")), []);
}

#[test]
fn what_is_said_under_an_id_that_was_merged_reaches_the_device_that_has_it() {
    let mut company = Company::new();
    let listening = POLICY.replace(
        "patience: 7d }",
        "patience: 7d, signals: [{ name: crashes, from: sentry, no_worse_than: control }] }",
    );
    company.shell.apply(&listening);
    company.joins("old", SERIAL);
    company.hours(1);
    company.joins("new", SERIAL);
    company.follow();
    assert_eq!(company.managed(), ["old"]);
    let complaint = AgentInput::Complaint(ComplaintReceived {
        device: "new".into(),
        complaint: "c1".into(),
        at: company.shell.now,
        title: None,
        text: "0".repeat(64).into(),
    });
    let heard = company.shell.tell(Input::Agents(complaint.clone()));
    assert!(matches!(heard.as_slice(), [Event::ComplaintReceived(said)] if said.device.as_str() == "old"), "{heard:?}");
    assert_eq!(company.shell.tell(Input::Agents(complaint)), [], "the same one counts once");
    // Of one device under two ids the worse word counts.
    let signal = Input::Signal {
        source: "sentry".into(),
        signal: "crashes".into(),
        at: company.shell.now,
        whole: true,
        devices: BTreeMap::from([("new".into(), true), ("old".into(), false)]),
    };
    let read = company.shell.tell(signal);
    let index = company.shell.state.device(&"old".into()).unwrap().index;
    assert!(
        matches!(read.as_slice(), [Event::SignalRead(said)] if said.bad.contains(index) && said.fine.is_empty()),
        "{read:?}"
    );
    // A copy that reports under the former id puts the device into quarantine, and under that id it is lifted.
    let report = |company: &Company, sequence: u64, links: &[u32]| {
        Input::Observe(Observation {
            device: "new".into(),
            source: "agent".into(),
            observed: company.shell.now,
            facts: BTreeMap::new(),
            installs: Some(Installs::All(vec![entry("editor", "1.0.0")])),
            universe: None,
            check_in: Some(CheckIn { sequence, links: links.to_vec(), recorded: None }),
        })
    };
    for (sequence, links) in [(1, &[11][..]), (2, &[12, 11]), (2, &[99, 11])] {
        let said = report(&company, sequence, links);
        company.shell.tell(said);
    }
    assert!(company.shell.state.device(&"old".into()).unwrap().quarantined.is_some());
    let lift = Input::LiftQuarantine { device: "new".into(), why: "the copy is off".into() };
    let lifted = company.shell.try_as(&person("ada", &[Scope::Approve]), lift).unwrap();
    assert!(
        matches!(lifted.as_slice(), [Event::QuarantineLifted(said)] if said.device.as_str() == "old"),
        "{lifted:?}"
    );
    // Whoever asked is told where it went, also where nothing changed.
    let retire = Input::Retire { device: "new".into() };
    let outcome = handle(&company.shell.state, &Actor::server(), retire.clone(), company.shell.now).unwrap();
    assert_eq!(outcome.led, BTreeMap::from([("new".into(), "old".into())]));
    let retired = company.shell.tell(retire.clone());
    assert!(matches!(retired.as_slice(), [Event::DeviceRetired(said)] if said.device.as_str() == "old"), "{retired:?}");
    assert!(company.managed().is_empty());
    // And it is not made known again, nor retired twice.
    assert_eq!(company.follow(), Vec::<String>::new());
    let again = company.shell.try_as(&Actor::server(), retire);
    assert!(matches!(again, Err(Refusal::Missing { .. })), "{again:?}");
}
