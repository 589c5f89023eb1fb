//! An organisation with its keys, a server that may be stolen, and one device that the real machine runs on.

use jiff::{SignedDuration, Timestamp};
use refit_agent::machine::{
    Ask, CannotDo, Change, Clock, Documents, Effect, Failure, Input, Journal, Machine, Observed, OfferedPackage,
    Presence, Reading, RestartNeeds, Settings, Telling,
};
use refit_model::{DeviceId, TitleId, entry::Plain};
use refit_wire::{
    Digest, Envelope, Lease, Mandate, Root, SigningKey, State,
    lease::Brake,
    mandate::{Beyond, DistributionPermit, Limits, PolicyPermit, Ring, Source, TitlePermit, Verb, check::Step},
    protocol::{CheckIn, CheckInAnswer, Inventory, Universe, Want},
    root::RoleKeys,
    state::{Action, Directive, Package, PackageName, System, Terms},
};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

mod signed;

pub use signed::*;

/// A device, its package manager, and its server.
pub struct Rig {
    pub machine: Machine,
    pub wall: Timestamp,
    pub monotonic: Duration,
    pub boot: u64,
    pub presence: Presence,
    // What the server has.
    pub mandate: Mandate,
    pub state: State,
    pub brake: Option<Brake>,
    pub epoch: u64,
    pub server: Server,
    // What the device has.
    pub packages: BTreeMap<SmolStr, SmolStr>,
    /// Packages that are unpacked in the version that the device has, and not configured.
    pub unfinished: BTreeSet<SmolStr>,
    /// Offers: package, version, key of the source.
    pub offers: Vec<(SmolStr, SmolStr, SmolStr)>,
    /// What the server is told of the offers.
    pub universe: Vec<refit_model::entry::ReleaseEntry>,
    /// Steps that the package manager would make besides, whenever a package is changed: which, and the step.
    pub besides: Vec<(SmolStr, Step)>,
    /// Packages whose change does not come to what was asked for.
    pub failing: BTreeSet<SmolStr>,
    /// Packages that can't be simulated, and whether that passes.
    pub refusing: BTreeMap<SmolStr, bool>,
    /// What is wrong with package sources.
    pub faults: Vec<String>,
    /// Packages that need a restart after a change.
    pub restarting: BTreeSet<SmolStr>,
    pub restart: RestartNeeds,
    /// Whether somebody asks for a check-in while packages are changed the next time.
    pub asked_meanwhile: bool,
    /// What has to wait until they are.
    waiting: Vec<Effect>,
    // What is on disk.
    pub disk: BTreeMap<Digest, Envelope>,
    pub saved: Option<Journal>,
    /// How many more effects are carried out before the agent dies.
    pub dies_after: Option<usize>,
    pub dead: bool,
    // What was seen.
    pub check_ins: Vec<CheckIn>,
    pub applied: Vec<Vec<Step>>,
    pub told: Vec<Telling>,
    pub logged: Vec<String>,
    pub restarts: usize,
    pub wake: Duration,
}

/// How the server behaves; a `None` is: as it should.
#[derive(Default)]
pub struct Server {
    pub unreachable: bool,
    pub lease: Option<Envelope>,
    pub lease_issued: Option<Timestamp>,
    pub root: Option<u64>,
    pub roots: BTreeMap<u64, Vec<u8>>,
    pub mandate: Option<Vec<u8>>,
    pub mandate_digest: Option<Digest>,
    pub state: Option<Result<Vec<u8>, Failure>>,
    pub state_digest: Option<Digest>,
    pub keep_receipts: bool,
    /// Why check-ins are refused.
    pub refusal: Option<Failure>,
    /// Whether check-ins are said to be written down.
    pub records: bool,
    /// What is answered to what people said.
    pub answers: Vec<refit_wire::protocol::ReportAnswer>,
    pub want: Option<Want>,
}

impl Rig {
    pub fn new() -> Rig {
        let mandate = mandate();
        let wall = at("2026-11-25T12:00:00Z");
        let envelope = signed(&root(1), &[1, 2]);
        let machine =
            Machine::enrolled(Settings::default(), DeviceId::new("d1"), &envelope, envelope.digest(), wall).unwrap();
        let state = State {
            organization: "acme".into(),
            device: DeviceId::new("d1"),
            epoch: 1,
            sequence: 1,
            policy: "0".repeat(64).into(),
            mandate: Some(signed(&mandate, &[4]).digest()),
            expires: at("2026-12-25T00:00:00Z"),
            timezone: "UTC".into(),
            terms: vec![
                Terms { policy: "browsers".into(), rollout: Some("standard".into()), ..Terms::default() },
                Terms { policy: "linux".into(), ..Terms::default() },
            ],
            directives: Vec::new(),
            withheld: Vec::new(),
        };
        let packages =
            [("google-chrome-stable", "130.0-1"), ("curl", "8.0-1"), ("openssl", "3.0-1"), ("libc6", "2.36-1")];
        let offers =
            [("google-chrome-stable", "131.0-1", GOOGLE), ("curl", "8.1-1", DEBIAN), ("openssl", "3.1-1", DEBIAN)];
        let mut rig = Rig {
            machine,
            wall,
            monotonic: Duration::from_secs(100),
            boot: 1,
            presence: Presence { in_use: true, ..Presence::default() },
            mandate,
            state,
            brake: None,
            epoch: 1,
            server: Server::default(),
            packages: packages.map(|(name, version)| (name.into(), version.into())).into(),
            unfinished: BTreeSet::new(),
            offers: offers.map(|(name, version, key)| (name.into(), version.into(), key.into())).into(),
            universe: Vec::new(),
            besides: Vec::new(),
            failing: BTreeSet::new(),
            refusing: BTreeMap::new(),
            faults: Vec::new(),
            restarting: BTreeSet::new(),
            restart: RestartNeeds::default(),
            asked_meanwhile: false,
            waiting: Vec::new(),
            disk: BTreeMap::new(),
            saved: None,
            dies_after: None,
            dead: false,
            check_ins: Vec::new(),
            applied: Vec::new(),
            told: Vec::new(),
            logged: Vec::new(),
            restarts: 0,
            wake: Duration::ZERO,
        };
        rig.start();
        rig
    }

    /// A rig whose state has these directives from the start of the test on.
    pub fn with(directives: impl Into<Vec<Directive>>) -> Rig {
        let mut rig = Rig::new();
        rig.publish(directives);
        rig
    }

    /// The server has another state.
    pub fn publish(&mut self, directives: impl Into<Vec<Directive>>) {
        self.state.directives = directives.into();
        self.state.sequence += 1;
    }

    /// Another mandate is signed, and the state is made under it.
    pub fn sign_mandate(&mut self, change: impl FnOnce(&mut Mandate)) {
        self.mandate.number += 1;
        change(&mut self.mandate);
        self.state.mandate = Some(signed(&self.mandate, &[4]).digest());
        self.state.sequence += 1;
    }

    pub fn clock(&self) -> Clock {
        Clock { wall: self.wall, monotonic: self.monotonic }
    }

    pub fn start(&mut self) {
        let random = [u8::try_from(self.check_ins.len() % 250).unwrap(); 16];
        let boot = self.boot.to_string().into();
        self.step(Input::Started { random, boot });
        self.step(Input::Presence(self.presence.clone()));
    }

    /// The agent starts anew from what is on disk.
    pub fn restart_agent(&mut self) {
        let journal = self.saved.clone().expect("a journal");
        // What is on disk is what can be read back.
        let journal: Journal = serde_json::from_slice(&serde_json::to_vec(&journal).unwrap()).unwrap();
        let of = |digest: Option<Digest>| digest.and_then(|digest| self.disk.get(&digest).cloned());
        let documents = Documents {
            root: of(Some(journal.root.digest)).expect("the root"),
            mandate: of(journal.mandate.as_ref().map(|held| held.digest)),
            state: of(journal.state.as_ref().map(|held| held.digest)),
        };
        self.machine = Machine::new(Settings::default(), journal, documents).unwrap();
        (self.dead, self.dies_after) = (false, None);
        self.start();
    }

    /// What the agent remembers is gone, and the device has enrolled again: it is the same one to the server.
    pub fn lose_journal(&mut self) {
        let root = signed(&root(1), &[1, 2]);
        self.machine =
            Machine::enrolled(Settings::default(), DeviceId::new("d1"), &root, root.digest(), self.wall).unwrap();
        self.start();
    }

    /// Time passes, on both clocks, and the machine is woken.
    pub fn pass(&mut self, duration: Duration) {
        self.wall = self.wall.checked_add(SignedDuration::try_from(duration).unwrap()).unwrap();
        self.monotonic += duration;
        self.step(Input::Presence(self.presence.clone()));
        self.step(Input::Woken);
    }

    pub fn hours(&mut self, hours: u64) {
        for _ in 0..hours * 12 {
            self.pass(Duration::from_secs(300));
        }
    }

    pub fn check_in(&mut self) {
        self.pass(Duration::from_secs(1));
        self.step(Input::CheckInNow);
    }

    /// Steps the machine, and carries out what it wants until it wants nothing more.
    pub fn step(&mut self, input: Input) {
        if self.dead {
            return;
        }
        let mut effects: std::collections::VecDeque<Effect> = self.machine.step(input, self.clock()).into();
        while let Some(effect) = effects.pop_front() {
            if self.dies_after == Some(0) {
                self.dead = true;
                return;
            }
            self.dies_after = self.dies_after.map(|left| left - 1);
            if let Some(answer) = self.carry_out(effect) {
                effects.extend(self.machine.step(answer, self.clock()));
                effects.extend(std::mem::take(&mut self.waiting));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Keep(_, envelope) => {
                self.disk.insert(envelope.digest(), envelope);
            }
            Effect::Save => self.saved = Some(self.machine.journal().clone()),
            Effect::Ask { call, ask } => return Some(Input::Answered { call, result: self.answer(ask) }),
            Effect::ReadInventory { restarting, .. } => return Some(Input::Inventory(Ok(self.reading(&restarting)))),
            Effect::Simulate { session, changes } => {
                return Some(Input::Simulated { session, result: self.simulate(&changes) });
            }
            Effect::Apply { session, changes, steps } => {
                let observed = self.apply(&changes, &steps);
                self.applied.push(steps);
                if std::mem::take(&mut self.asked_meanwhile) {
                    let clock = self.clock();
                    self.waiting.extend(self.machine.step(Input::CheckInNow, clock));
                }
                return Some(Input::Observed { session, result: Ok(observed) });
            }
            Effect::Observe { session, packages } => {
                let versions = packages.into_iter().map(|package| {
                    let version = self.packages.get(&package.name).cloned();
                    let version = version.filter(|_| !self.unfinished.contains(&package.name));
                    (package, version)
                });
                let observed =
                    Observed { versions: versions.collect(), restart: self.restart.clone(), ..Observed::default() };
                return Some(Input::Observed { session, result: Ok(observed) });
            }
            Effect::Tell(telling) => self.told.push(telling),
            Effect::Log(_, line) => self.logged.push(line),
            Effect::Restart => {
                self.restarts += 1;
                self.boot += 1;
                self.restart = RestartNeeds::default();
            }
            Effect::Wake(after) => self.wake = after,
        }
        None
    }

    pub fn lease(&self) -> Lease {
        let issued = self.server.lease_issued.unwrap_or(self.wall);
        Lease {
            organization: "acme".into(),
            epoch: self.epoch,
            issued,
            until: issued.checked_add(SignedDuration::from_hours(1)).unwrap(),
            brake: self.brake.clone(),
        }
    }

    fn answer(&mut self, ask: Ask) -> Result<Vec<u8>, Failure> {
        if self.server.unreachable {
            return Err(Failure::Unreachable("nobody answers".into()));
        }
        let state = signed(&self.state, &[5]);
        match ask {
            Ask::CheckIn(check_in) if self.server.refusal.is_some() => {
                self.check_ins.push(*check_in);
                Err(self.server.refusal.clone().unwrap())
            }
            Ask::CheckIn(check_in) => {
                let receipts = check_in.receipts.iter().map(|receipt| receipt.id.clone());
                let answer = CheckInAnswer {
                    lease: self.server.lease.clone().unwrap_or_else(|| signed(&self.lease(), &[5])),
                    root: self.server.root.unwrap_or(1),
                    mandate: self.server.mandate_digest.or_else(|| {
                        Some(
                            self.server
                                .mandate
                                .as_ref()
                                .map_or_else(
                                    || signed(&self.mandate, &[4]),
                                    |bytes| serde_json::from_slice(bytes).unwrap(),
                                )
                                .digest(),
                        )
                    }),
                    state: self.server.state_digest.unwrap_or_else(|| state.digest()),
                    want: self.server.want.unwrap_or(Want::Nothing),
                    receipts: if self.server.keep_receipts { Vec::new() } else { receipts.collect() },
                    complaints: check_in.complaints.iter().map(|complaint| complaint.id.clone()).collect(),
                    answers: self.server.answers.clone(),
                    next_seconds: 300,
                    renew: false,
                    recorded: self.server.records,
                };
                self.check_ins.push(*check_in);
                Ok(serde_json::to_vec(&answer).unwrap())
            }
            Ask::Root(version) => self.server.roots.get(&version).cloned().ok_or(Failure::NotFound),
            Ask::Mandate(_) => {
                Ok(self.server.mandate.clone().unwrap_or_else(|| signed(&self.mandate, &[4]).to_bytes()))
            }
            Ask::State => self.server.state.clone().unwrap_or_else(|| Ok(state.to_bytes())),
            Ask::Certificate => Ok(Vec::new()),
        }
    }

    /// It is looked for whether some packages wait for a restart, and for no others.
    fn reading(&self, restarting: &[PackageName]) -> Reading {
        let install = |(name, version): (&SmolStr, &SmolStr)| {
            let entry: refit_model::entry::InstallEntry = serde_json::from_value(serde_json::json!({
                "title": format!("deb/{name}"), "version": version,
                "state": self.unfinished.contains(name).then_some("unpacked"),
            }))
            .unwrap();
            (entry.slot(), entry)
        };
        Reading {
            inventory: Some(Inventory {
                facts: [
                    ("device.os".into(), Plain::Text("debian".into())),
                    ("device.os_version".into(), Plain::Text("12".into())),
                ]
                .into(),
                installs: self.packages.iter().map(install).collect(),
                universe: Universe {
                    key: "k".into(),
                    distribution: "debian/bookworm".into(),
                    offers: self.universe.clone(),
                },
            }),
            offered: self
                .offers
                .iter()
                .map(|(package, version, key)| OfferedPackage {
                    package: name(package),
                    version: version.clone(),
                    keys: [key.clone()].into(),
                })
                .collect(),
            restart: RestartNeeds {
                machine: self.restart.machine.clone(),
                packages: self.restart.packages.iter().filter(|it| restarting.contains(it)).cloned().collect(),
            },
            refreshed: true,
            faults: self.faults.clone(),
        }
    }

    fn simulate(&self, changes: &[Change]) -> Result<Vec<Step>, CannotDo> {
        let mut steps = Vec::new();
        for change in changes {
            let (package, after) = match change {
                Change::To(package) => (package.name.clone(), Some(package.version.clone())),
                Change::Gone(package) => (package.name.clone(), None),
            };
            if let Some(passing) = self.refusing.get(&package) {
                return Err(CannotDo { passing: *passing, held: false, why: format!("{package} can't be changed") });
            }
            // To configure what is unpacked is no step: it brings nothing new.
            if self.unfinished.contains(&package) && self.packages.get(&package) == after.as_ref() {
                continue;
            }
            let offered =
                self.offers.iter().filter(|(name, version, _)| *name == package && Some(version) == after.as_ref());
            let keys = offered.map(|(_, _, key)| key.clone()).collect();
            steps.push(Step { package: name(&package), before: self.packages.get(&package).cloned(), after, keys });
            steps.extend(self.besides.iter().filter(|(of, _)| *of == package).map(|(_, step)| step.clone()));
        }
        Ok(steps)
    }

    fn apply(&mut self, changes: &[Change], steps: &[Step]) -> Observed {
        let mut observed = Observed { duration_ms: 1_000, ..Observed::default() };
        for change in changes {
            if let Change::To(package) = change
                && self.unfinished.remove(&package.name)
            {
                observed.versions.insert(name(&package.name), self.packages.get(&package.name).cloned());
            }
        }
        for step in steps {
            if self.failing.contains(&step.package.name) {
                let there = self.packages.get(&step.package.name).cloned();
                observed.broken.extend(there.map(|version| (step.package.clone(), version)));
                observed.output.insert(step.package.clone(), "the script failed".into());
            } else {
                match &step.after {
                    Some(after) => self.packages.insert(step.package.name.clone(), after.clone()),
                    None => self.packages.remove(&step.package.name),
                };
            }
            if self.restarting.contains(&step.package.name) {
                self.restart.machine.push("a new kernel".into());
                self.restart.packages.insert(step.package.clone());
            }
            let version =
                self.packages.get(&step.package.name).cloned().filter(|_| !self.failing.contains(&step.package.name));
            observed.versions.insert(step.package.clone(), version);
        }
        observed.restart = self.restart.clone();
        observed
    }

    /// The installed version of a package.
    pub fn version(&self, package: &str) -> &str {
        self.packages.get(package).map(SmolStr::as_str).unwrap_or_default()
    }

    /// Every problem that the server was told.
    pub fn reported(&self) -> Vec<String> {
        let problems = self.check_ins.iter().flat_map(|check_in| &check_in.problems);
        let mut problems: Vec<String> = problems.map(|problem| format!("{}: {}", problem.code, problem.what)).collect();
        problems.sort();
        problems.dedup();
        problems
    }

    /// What directives wait for, as the last check-in said.
    pub fn standing(&self) -> Vec<String> {
        let standing = self.machine.standing(self.clock());
        standing.iter().map(|standing| format!("{}: {:?}", standing.directive, standing.waits_for)).collect()
    }

    /// All receipts that the server was sent, each once.
    pub fn receipts(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let receipts = self.check_ins.iter().flat_map(|check_in| &check_in.receipts);
        receipts
            .filter(|receipt| seen.insert(receipt.id.clone()))
            .map(|receipt| format!("{}: {:?}", receipt.directive, receipt.result))
            .collect()
    }
}

/// Asserts that something was reported.
#[track_caller]
pub fn assert_reported(rig: &Rig, code: &str, words: &str) {
    let reported = rig.reported();
    let found = reported.iter().any(|line| line.starts_with(&format!("{code}: ")) && line.contains(words));
    assert!(found, "`{code}: …{words}…` is not among what was reported: {reported:#?}");
}

/// Nothing was changed, and it was reported.
#[track_caller]
pub fn assert_refused(rig: &mut Rig, code: &str, words: &str) {
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.applied, Vec::<Vec<Step>>::new(), "something was changed");
    assert_reported(rig, code, words);
    assert!(rig.logged.iter().any(|line| line.starts_with(code)), "{:?}", rig.logged);
}
