//! A shell in memory: the log is a list, content is a map, time is set by the test.

use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::{
        Actor, AtOnce, Bearer, Board, Encoded, Evaluator, Event, FleetPlan, Ground, Input, Installs, Lookout,
        Observation, Outcome, PersonId, Plain, PlanId, PolicyFiles, Refusal, Scope, State, Terms, decode,
        encode_within, fleet_plan_by, handle,
    },
    policy::{
        load::load,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use refit_model::{DeviceId, TitleId};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

pub struct Shell {
    pub state: State,
    pub board: Board,
    pub lookout: Lookout,
    pub evaluator: Evaluator,
    pub log: Vec<(u64, Timestamp, &'static str, u16, Vec<u8>)>,
    pub contents: BTreeMap<SmolStr, Arc<[u8]>>,
    pub now: Timestamp,
    /// How large an entry of the log may be.
    pub bytes_most: usize,
    plans: u32,
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Shell {
    pub fn new(now: &str) -> Shell {
        Shell {
            state: State::default(),
            board: Board::default(),
            lookout: Lookout::default(),
            evaluator: Evaluator::default(),
            log: Vec::new(),
            contents: BTreeMap::new(),
            now: time(now),
            bytes_most: usize::MAX,
            plans: 0,
        }
    }

    pub fn wait(&mut self, hours: i64) {
        self.now = self.now.checked_add(SignedDuration::from_hours(hours)).unwrap();
    }

    pub fn put(&mut self, bytes: Vec<u8>) -> SmolStr {
        let hash: SmolStr = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
        self.contents.insert(hash.clone(), bytes.into());
        hash
    }

    pub fn try_as(&mut self, actor: &Actor, input: Input) -> Result<Vec<Event>, Refusal> {
        let Outcome { events, personal, seen, present, .. } = handle(&self.state, actor, input, self.now)?;
        for value in personal {
            self.state.personal.insert(value.reference, value.value);
        }
        let within = |event: Event| encode_within(event, &actor.origin, self.bytes_most).unwrap();
        let encoded: Vec<Encoded> = events.into_iter().flat_map(within).collect();
        let mut events = Vec::new();
        for Encoded { event, kind, version, body } in encoded {
            // What is applied is what the log will say.
            let read = decode(kind, version, &body).unwrap();
            assert_eq!(read, event);
            events.push(event);
            let seq = self.state.seq + 1;
            self.log.push((seq, self.now, kind, version, body));
            let titles = Titles::default();
            let ground = Ground { catalog: &titles, contents: &self.contents };
            self.state.apply(seq, self.now, &read, &ground).unwrap();
        }
        if let Some(index) = seen {
            self.state.note_seen(index, self.now);
        }
        self.state.note_all_seen(&present, self.now);
        Ok(events)
    }

    pub fn tell(&mut self, input: Input) -> Vec<Event> {
        self.try_as(&Actor::server(), input).unwrap()
    }

    pub fn enrol(&mut self, device: &str) {
        self.tell(Input::Enrol { device: DeviceId::new(device), name: None });
    }

    pub fn installs(&mut self, device: &str, installs: &[(&str, &str)]) -> Vec<Event> {
        self.installs_on(device, "linux", installs)
    }

    pub fn installs_on(&mut self, device: &str, platform: &str, installs: &[(&str, &str)]) -> Vec<Event> {
        let entries = installs.iter().map(|(title, version)| entry(title, version)).collect();
        self.observe(device, "agent", "device.platform", Plain::Text(platform.into()), Some(Installs::All(entries)))
    }

    pub fn platform(&mut self, device: &str, platform: &str) {
        self.observe(device, "agent", "device.platform", Plain::Text(platform.into()), None);
    }

    pub fn tags(&mut self, device: &str, tags: &[&str]) {
        let tags = tags.iter().map(|tag| (*tag).into()).collect();
        self.observe(device, "cmdb", "device.tags", Plain::List(tags), None);
    }

    fn observe(
        &mut self,
        device: &str,
        source: &str,
        field: &str,
        value: Plain,
        installs: Option<Installs>,
    ) -> Vec<Event> {
        self.tell(Input::Observe(Observation {
            device: DeviceId::new(device),
            source: source.into(),
            observed: self.now,
            facts: BTreeMap::from([(field.into(), Some(value))]),
            installs,
            universe: None,
            check_in: None,
        }))
    }

    pub fn department(&mut self, person: &str, department: &str) -> Vec<Event> {
        let reference = format!("{person}-{}", self.log.len());
        let value = (reference.into(), Plain::Text(department.into()));
        self.tell(Input::ObservePerson {
            person: PersonId::new(person),
            source: "hr".into(),
            observed: self.now,
            values: BTreeMap::from([("department".into(), Some(value))]),
        })
    }

    pub fn release(&mut self, title: &str, version: &str) {
        let release = refit_core::control::ReleaseEntry {
            title: TitleId::new(title),
            branch: None,
            version: version.into(),
            published: self.now,
            security: false,
            withheld: false,
        };
        self.tell(Input::Releases { source: "vendor".into(), releases: vec![release] });
    }

    /// Makes a plan of these documents; the plan as it is shown.
    pub fn plan_as(&mut self, actor: &Actor, yaml: &str) -> (PlanId, FleetPlan) {
        let files = PolicyFiles(BTreeMap::from([("refit.yaml".to_owned(), yaml.to_owned())]));
        let read = files.files();
        let (documents, found) = load(&read, &Limits::default());
        assert!(found.is_empty(), "{found:?}");
        let (repository, found) = resolve(&documents, &read, &Titles::default());
        let errors: Vec<_> =
            found.iter().filter(|found| found.severity == refit_core::policy::diagnostic::Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let hash = self.put(serde_json::to_vec(&files).unwrap());
        let repository = Arc::new(repository);
        let plan_by = |at_once| {
            let go_on = |_, _| ControlFlow::Continue(());
            fleet_plan_by(at_once, &self.state, repository.clone(), &hash, self.now, go_on).unwrap()
        };
        // Whoever is decided at once, and with whom: the plan is the one that the plain decision makes device by device.
        let plan = plan_by(AtOnce::NOBODY);
        assert_eq!(plan_by(AtOnce { from: 1, most: 3 }), plan);
        assert_eq!(plan_by(AtOnce { from: 2, most: 1_000 }), plan);
        let content = self.put(serde_json::to_vec(&plan).unwrap());
        self.plans += 1;
        let id = PlanId::new(format!("plan-{}", self.plans));
        let input = Input::MakePlan {
            plan: id.clone(),
            policy_hash: hash.clone(),
            files: hash,
            replaces: self.state.revision(),
            content,
            as_of: plan.made_at,
        };
        self.try_as(actor, input).unwrap();
        (id, plan)
    }

    pub fn apply(&mut self, yaml: &str) -> FleetPlan {
        let (id, plan) = self.plan_as(&Actor::server(), yaml);
        let envelope = plan.envelope.iter().map(|permit| (permit.cohort.clone(), permit.devices)).collect();
        self.tell(Input::Apply { plan: id, envelope });
        plan
    }

    /// Decides what has to be decided until nothing is left.
    pub fn settle(&mut self) -> Vec<Event> {
        let mut all = Vec::new();
        for _ in 0..100 {
            // What has changed leads to the very devices that looking at all of them finds.
            let due: BTreeSet<_> = self.board.due(&self.state, self.now, usize::MAX).into_iter().collect();
            let found = self.lookout.clone().due(&mut self.board, &self.state, self.now, usize::MAX);
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), due);
            let due = self.lookout.due(&mut self.board, &self.state, self.now, 64);
            if due.is_empty() {
                return all;
            }
            let terms = Terms::in_force(&self.state).unwrap();
            let records: Vec<_> = due.iter().filter_map(|id| self.state.device(id).cloned()).collect();
            let devices: Vec<_> =
                records.iter().map(|record| self.evaluator.evaluate(&self.state, &terms, record, self.now)).collect();
            self.board.update(&devices);
            self.plans += 1;
            let plan = PlanId::new(format!("held-{}", self.plans));
            all.extend(self.tell(Input::Evaluated { plan, devices }));
        }
        panic!("it never settles");
    }

    pub fn moved(&self, title: &str) -> Vec<String> {
        let published = |device: &refit_core::control::DeviceRecord| {
            device.published.values().any(|published| {
                published.key.slot.title.as_str() == title
                    && published.key.admitted != refit_core::control::Wanted::Nothing
            })
        };
        self.state.managed().filter(|device| published(device)).map(|device| device.id.to_string()).collect()
    }

    /// The state that the log adds up to, from nothing.
    pub fn replayed(&self) -> State {
        let mut state = State { personal: self.state.personal.clone(), ..State::default() };
        for (seq, at, kind, version, body) in &self.log {
            let event = decode(kind, *version, body).unwrap();
            let titles = Titles::default();
            let ground = Ground { catalog: &titles, contents: &self.contents };
            state.apply(*seq, *at, &event, &ground).unwrap();
        }
        state
    }
}

pub fn entry(title: &str, version: &str) -> refit_core::control::InstallEntry {
    refit_core::control::InstallEntry {
        title: TitleId::new(title),
        branch: None,
        profile: None,
        version: version.into(),
        state: None,
        source: None,
    }
}

pub fn person(owner: &str, scopes: &[Scope]) -> Actor {
    Actor {
        name: format!("token:{owner}").into(),
        owner: owner.into(),
        bearer: Bearer::Person,
        scopes: scopes.iter().copied().collect(),
        origin: "192.0.2.7".into(),
    }
}
