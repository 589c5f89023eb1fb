//! Operators: people and programs that make plans, approve, reject and apply them, stop everything and go on, open rings,
//! answer gates, erase people, retire devices and hand out tokens.

use super::{
    agent::Agent,
    config::Form,
    plant::Plant,
    policies::{RINGS, ROLLOUTS, TITLES, policy, rollouts},
    quality::{Breaks, PLATFORMS},
    run::{Run, Stop, Task},
    watch::Truth,
};
use jiff::{SignedDuration, tz::TimeZone};
use refit_core::{
    control::{
        Actor, AgentInput, AtOnce, Bearer, Contents, FleetPlan, Input, LeaseInput, PlanId, PlanKind, PlanStatus,
        PolicyFiles, Scope, TokenId, TokenRecord, disruption, fleet_plan_by,
    },
    policy::{diagnostic::Severity, document::test::GateAnswer, load::load, resolve::resolve, syntax::Limits},
};
use refit_model::{DeviceId, TitleId};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

/// Who there is, and whether they are people.
const OPERATORS: [(&str, Bearer); 4] =
    [("ada", Bearer::Person), ("bob", Bearer::Person), ("cleo", Bearer::Person), ("robot", Bearer::Program)];

/// Tells who stands behind the names in the log.
pub(crate) fn introduce(truth: &mut Truth) {
    for (owner, bearer) in OPERATORS {
        truth.owners.insert(format!("token:{owner}").into(), (owner.into(), bearer));
    }
    truth.owners.insert("server".into(), ("server".into(), Bearer::Program));
}

fn actor(owner: &str, bearer: Bearer) -> Actor {
    Actor {
        name: format!("token:{owner}").into(),
        owner: owner.into(),
        bearer,
        scopes: Scope::ALL.into_iter().collect(),
        origin: "192.0.2.1".into(),
    }
}

impl Run {
    fn somebody(&mut self) -> Actor {
        let (owner, bearer) = self.people.pick(&OPERATORS).copied().unwrap_or(("ada", Bearer::Person));
        actor(owner, bearer)
    }

    /// An operator does something.
    pub fn operate(&mut self) -> Result<(), Stop> {
        if self.config.form == Form::Rollouts {
            return self.operate_rollouts();
        }
        let again = self.people.between(600, 16_000);
        self.after(again, Task::Operate);
        let who = self.somebody();
        if let Some(input) = self.monitor() {
            self.give(vec![(who.clone(), input)])?;
        }
        if self.people.permille(150)
            && let Some(input) = self.lift_quarantine()
        {
            self.give(vec![(who, input)])?;
            return Ok(());
        }
        if self.people.permille(150)
            && let Some(input) = self.answer_hook()
        {
            self.give(vec![(who, input)])?;
            return Ok(());
        }
        if self.people.permille(60) {
            let inputs = self.fleet_lock().into_iter().map(|input| (who.clone(), Input::Leases(input))).collect();
            self.give(inputs)?;
            return Ok(());
        }
        let in_force = self.server.as_ref().is_some_and(|server| server.state.policy.is_some());
        let what = if in_force { self.people.below(100) } else { self.people.below(30) };
        let input = match what {
            0..10 => return self.make_plan(who),
            10..30 => return self.look_at_plans(who),
            30..36 => self.open_ring(),
            36..42 => self.answer_gate(),
            42..46 => self.named_release().map(|(title, version, platform, why)| Input::HaltRelease {
                title,
                version,
                platform,
                why,
            }),
            46..50 => self.halted_release().map(|(title, version, platform, why)| Input::ResumeRelease {
                title,
                version,
                platform,
                why,
            }),
            50..56 => self.named_release().map(|(title, version, platform, why)| Input::ExpediteRelease {
                title,
                version,
                platform,
                why,
            }),
            56..60 => Some(Input::Stop { why: "it burns".into() }),
            60..70 => Some(Input::GoOn { why: "it is out".into() }),
            70..73 => Some(Input::SetApprovals(self.people.below(3) as u32)),
            73..82 => self.assign(),
            82..86 => self.people.pick(&self.sources.people()).cloned().map(|person| Input::ErasePerson { person }),
            86..88 => self.some_device().map(|device| Input::Retire { device }),
            88..90 => {
                let number = self.number() as usize + 100;
                self.new_agent(number);
                None
            }
            90 => Some(self.create_token()),
            91 => {
                let url = self.people.permille(700).then(|| "https://lb.acme.example/".into());
                Some(Input::Leases(LeaseInput::SetWebhook { name: "lb".into(), url }))
            }
            92 => self.lift_quarantine(),
            93 => self.give_back(),
            94..96 => self.revoke_token(),
            96 => return self.sign_something(),
            97 => {
                self.after(0, Task::Calm);
                None
            }
            _ => {
                // The server is restarted: a deploy.
                self.crash();
                None
            }
        };
        if let Some(input) = input {
            self.give(vec![(who, input)])?;
        }
        Ok(())
    }

    /// An operator of a fleet does something: mostly nothing but to look at plans that wait.
    fn operate_rollouts(&mut self) -> Result<(), Stop> {
        let state = self.server.as_ref().map(|server| &server.state);
        let in_force = state.is_some_and(|state| state.policy.is_some());
        let stopped = state.is_some_and(|state| state.brake.is_some());
        let again = if in_force { self.people.between(900, 14_400) } else { self.people.between(60, 900) };
        self.after(again, Task::Operate);
        let who = self.somebody();
        if let Some(input) = self.monitor() {
            self.give(vec![(who.clone(), input)])?;
        }
        let what = self.people.below(1_000);
        let halts = self.release_on_its_way();
        let input = match what {
            0..400 if !in_force => return self.make_plan(who),
            _ if !in_force => return self.look_at_plans(who),
            _ if stopped && self.people.permille(600) => Some(Input::GoOn { why: "it is out".into() }),
            0..15 => return self.make_plan(who),
            15..450 => return self.look_at_plans(who),
            450..480 => {
                halts.map(|(title, version, platform, why)| Input::HaltRelease { title, version, platform, why })
            }
            480..540 => self.halted_release().map(|(title, version, platform, why)| Input::ResumeRelease {
                title,
                version,
                platform,
                why,
            }),
            540..560 => {
                halts.map(|(title, version, platform, why)| Input::ExpediteRelease { title, version, platform, why })
            }
            560..570 => Some(Input::Stop { why: "it burns".into() }),
            570..590 => self.let_pass(),
            590..600 => self.open_ring(),
            600..604 => self.some_device().map(|device| Input::Retire { device }),
            604..612 => {
                let number = self.number() as usize + 10_000;
                self.new_agent(number);
                None
            }
            612..620 => {
                self.crash();
                None
            }
            620..720 => self.lift_quarantine(),
            720..780 => self.assign(),
            780..785 => return self.sign_something(),
            _ => None,
        };
        if let Some(input) = input {
            self.give(vec![(who, input)])?;
        }
        Ok(())
    }

    /// A release on its way that is not halted, with its platform, and what is said of it.
    fn release_on_its_way(&mut self) -> Option<(TitleId, SmolStr, Option<SmolStr>, SmolStr)> {
        let state = &self.server.as_ref()?.state;
        let on_its_way = state.rollouts.under_way.iter().flat_map(|(title, records)| {
            let newest = records.iter().rev().take(3);
            newest.map(move |record| (title.clone(), record.version.clone(), record.platform.clone()))
        });
        let open =
            on_its_way.filter(|(title, version, on)| state.rollouts.halt(title, version, on.as_deref()).is_none());
        let open: Vec<_> = open.collect();
        let (title, version, platform) = self.people.pick(&open).cloned()?;
        Some((title, version, platform, "somebody says so".into()))
    }

    /// A person lets the gate pass that a release waits for.
    fn let_pass(&mut self) -> Option<Input> {
        let (title, version, platform, why) = self.release_on_its_way()?;
        let state = &self.server.as_ref()?.state;
        let mut records = state.rollouts.of(&title).iter();
        let record = records.find(|record| record.version == version && record.platform == platform)?;
        let after = record.open.last()?.ring.clone();
        let answer = Some(GateAnswer::Pass);
        let (rollout, why) = (Some(record.rollout.clone()), Some(why));
        Some(Input::AnswerGate { title, version, rollout, after, platform, answer, until: None, why, found: None })
    }

    /// Somebody gives a lease back by hand.
    fn give_back(&mut self) -> Option<Input> {
        let server = self.server.as_ref()?;
        let holders: Vec<_> = server.state.leases.all().map(|(holder, _)| holder.clone()).collect();
        let holder = self.people.pick(&holders).cloned()?;
        Some(Input::Leases(LeaseInput::GiveBack { holder, why: "it is being repaired".into() }))
    }

    /// A machine without an agent restarts, or is through with it, or restarts once more at once.
    fn fleet_lock(&mut self) -> Vec<LeaseInput> {
        let client: SmolStr = format!("node-{}", self.people.below(2)).into();
        let through = LeaseInput::Through { client: client.clone() };
        let take = LeaseInput::Take { client, group: "cluster-a".into() };
        match self.people.below(3) {
            0 => vec![take],
            1 => vec![through],
            _ => vec![through, take],
        }
    }

    /// What monitoring says of devices, where a gate listens to it: of all, or of one.
    fn monitor(&mut self) -> Option<Input> {
        let state = &self.server.as_ref()?.state;
        let rollouts = &state.policy.as_ref()?.repository.rollouts;
        let signal = rollouts.values().find_map(|rollout| rollout.gate.as_ref()?.signals.first())?.clone();
        let devices: Vec<_> = state.managed().map(|device| device.id.clone()).collect();
        let crashing = self.crashing();
        // On a few devices something crashes whatever is installed.
        let usual = if self.config.form == Form::Rollouts { 5 } else { 30 };
        let whole = self.monitoring.permille(700);
        let some = if whole { devices } else { self.monitoring.pick(&devices).cloned().into_iter().collect() };
        let devices = some.into_iter().map(|device| {
            let bad = self.monitoring.permille(usual) || crashing.contains(&device);
            (device, bad)
        });
        let devices = devices.collect();
        Some(Input::Signal { source: signal.source, signal: signal.name, at: self.now, whole, devices })
    }

    /// The devices that have a release on which something crashes there.
    fn crashing(&self) -> BTreeSet<DeviceId> {
        let bad = self.watch.truth.qualities.iter().filter(|(_, quality)| quality.breaks == Breaks::Crashes);
        let bad: Vec<_> = bad.collect();
        let crashes = |agent: &&Agent| {
            bad.iter().any(|((title, version), quality)| {
                agent.image.packages.get(title.as_str()) == Some(version)
                    && quality.breaks_on(&agent.device, title, version)
            })
        };
        self.agents.iter().filter(crashes).map(|agent| agent.device.clone()).collect()
    }

    /// A hook that is asked answers.
    fn answer_hook(&mut self) -> Option<Input> {
        let asked = disruption::questions(&self.server.as_ref()?.state);
        let disruption::Asked { holder, question, hook, .. } = self.people.pick(&asked).cloned()?;
        let agrees = self.people.permille(800);
        let said = if agrees { "" } else { "503" }.into();
        Some(Input::Leases(LeaseInput::Answer { holder, question, hook, agrees, said }))
    }

    fn some_device(&mut self) -> Option<DeviceId> {
        let server = self.server.as_ref()?;
        let managed: Vec<_> = server.state.managed().map(|device| device.id.clone()).collect();
        self.people.pick(&managed).cloned()
    }

    fn assign(&mut self) -> Option<Input> {
        let device = self.some_device()?;
        let nobody = self.people.permille(80);
        let person = self.people.pick(&self.sources.people()).cloned().filter(|_| !nobody);
        Some(Input::Assign { device, person })
    }

    fn some_release(&mut self) -> Option<(TitleId, SmolStr)> {
        let title = TitleId::new(self.people.pick(&TITLES).copied().unwrap_or("editor"));
        let server = self.server.as_ref()?;
        let releases = server.state.releases.get(&title)?;
        let newest = releases.len().saturating_sub(3);
        let version = self.people.pick(releases.get(newest..).unwrap_or_default())?.version.clone();
        Some((title, version))
    }

    /// Mostly all.
    fn some_platform(&mut self) -> Option<SmolStr> {
        let one = self.people.permille(300);
        let platform = self.people.pick(&PLATFORMS).map(|platform| SmolStr::new_static(platform));
        platform.filter(|_| one)
    }

    fn named_release(&mut self) -> Option<(TitleId, SmolStr, Option<SmolStr>, SmolStr)> {
        let (title, version) = self.some_release()?;
        let platform = self.some_platform();
        Some((title, version, platform, "somebody says so".into()))
    }

    fn halted_release(&mut self) -> Option<(TitleId, SmolStr, Option<SmolStr>, SmolStr)> {
        let gates = &self.server.as_ref()?.state.rollouts.gates;
        let answers = gates.iter().flat_map(|(title, list)| list.iter().map(move |gate| (title, gate)));
        let halted: Vec<_> = answers
            .filter(|(_, gate)| gate.answer == GateAnswer::Halt)
            .map(|(title, gate)| (title.clone(), gate.version.clone()))
            .collect();
        let (title, version) = self.people.pick(&halted).cloned()?;
        Some((title, version, None, "it was the network".into()))
    }

    fn open_ring(&mut self) -> Option<Input> {
        let (title, version) = self.some_release()?;
        let server = self.server.as_ref()?;
        let rollout = self.people.pick(&ROLLOUTS).copied()?;
        let records = server.state.rollouts.of(&title).iter();
        let ours = records.filter(|it| it.version == version && it.rollout == rollout);
        let open = ours.map(|it| it.open.len()).min().unwrap_or(0);
        let known = server.state.policy.as_ref().and_then(|policy| policy.repository.rollouts.get(rollout));
        let ring = known.map_or(RINGS.get(open).map(|ring| (*ring).into()), |rollout| {
            rollout.rings.get(open).map(|ring| ring.name.clone())
        })?;
        Some(Input::OpenRing {
            releases: Vec::new(),
            title,
            version,
            rollout: rollout.into(),
            ring,
            platform: None,
            members: None,
        })
    }

    fn answer_gate(&mut self) -> Option<Input> {
        let (title, version) = self.some_release()?;
        let answers = [Some(GateAnswer::Pass), Some(GateAnswer::Halt), Some(GateAnswer::Inconclusive), None];
        let answer = *self.people.pick(&answers)?;
        let after = SmolStr::from(*self.people.pick(&RINGS)?);
        let platform = self.some_platform();
        let rollout = self.people.permille(300).then(|| self.people.pick(&ROLLOUTS).copied().map(Into::into)).flatten();
        Some(Input::AnswerGate {
            title,
            version,
            rollout,
            after,
            platform,
            answer,
            until: None,
            why: None,
            found: None,
        })
    }

    fn lift_quarantine(&mut self) -> Option<Input> {
        let state = &self.server.as_ref()?.state;
        let quarantined = state.managed().filter(|device| device.quarantined.is_some());
        let devices: Vec<_> = quarantined.map(|device| device.id.clone()).collect();
        let device = self.people.pick(&devices).cloned()?;
        Some(Input::LiftQuarantine { device, why: "the copy was switched off".into() })
    }

    /// The organisation signs the next root or mandate, a certificate or an enrolment token is revoked.
    fn sign_something(&mut self) -> Result<(), Stop> {
        let what = self.people.below(8);
        let device = self.some_device();
        let Some(server) = &self.server else { return Ok(()) };
        let trust = &server.state.agents;
        let (root, mandate) = (trust.root().map(|(version, _)| version), trust.mandate().map(|(number, _)| number));
        let token = trust.enrolments.keys().next_back().cloned();
        let by_server = |input| Some((Actor::server(), Input::Agents(input)));
        let input = match (what, root, mandate, device, token) {
            (0..3, Some(version), ..) => Some(self.publish_root(version + 1)?),
            (3..6, _, Some(number), ..) => Some(self.publish_mandate(number + 1)?),
            (6, _, _, Some(device), _) => by_server(AgentInput::Revoke { device, why: "lost".into() }),
            (7, _, _, _, Some(enrolment)) => by_server(AgentInput::RevokeEnrolment { enrolment }),
            _ => None,
        };
        if let Some(input) = input {
            self.give(vec![input])?;
        }
        Ok(())
    }

    fn create_token(&mut self) -> Input {
        let number = self.number();
        // Those that there were from the beginning: what a seed gives does not change with every scope that is added.
        let scopes = Scope::ALL.get(..16).unwrap_or(&Scope::ALL);
        let scope = *self.people.pick(scopes).unwrap_or(&Scope::Read);
        let record = TokenRecord {
            hash: format!("{:016x}", self.minted.next()).into(),
            name: "a token".into(),
            owner: "ada".into(),
            bearer: Bearer::Program,
            scopes: [scope].into_iter().collect(),
            expires: self.now.checked_add(SignedDuration::from_hours(24 * 90)).unwrap_or(self.now),
            roles: BTreeSet::new(),
            requests_per_minute: None,
        };
        Input::CreateToken { token: TokenId::new(format!("t{number}")), record }
    }

    fn revoke_token(&mut self) -> Option<Input> {
        let server = self.server.as_ref()?;
        let tokens: Vec<TokenId> = server.state.tokens.keys().cloned().collect();
        self.people.pick(&tokens).cloned().map(|token| Input::RevokeToken { token })
    }

    fn make_plan(&mut self, who: Actor) -> Result<(), Stop> {
        let today = self.now.to_zoned(TimeZone::UTC).date();
        let spec = match self.config.form {
            Form::Everything => policy(&mut self.people, today),
            Form::Rollouts => {
                let blocks = self.people.permille(600);
                let halted = self.halted_release().filter(|_| blocks).and_then(|(title, version, ..)| {
                    // Of a snapshot it is one of the releases that somebody blocks.
                    let rollouts = &self.server.as_ref()?.state.rollouts;
                    rollouts.parts(&title, &version).into_iter().next()
                });
                rollouts(&mut self.people, today, self.config.devices, halted)
            }
        };
        let id = self.plan_id();
        let now = self.server_now();
        let Some(server) = &self.server else { return Ok(()) };
        let files = PolicyFiles(BTreeMap::from([("refit.yaml".to_owned(), spec.yaml.clone())]));
        let read = files.files();
        let (documents, unread) = load(&read, &Limits::default());
        let (repository, unresolved) = resolve(&documents, &read, &super::store::TITLES);
        let wrong = unread.iter().chain(&unresolved).find(|found| found.severity == Severity::Error);
        if let Some(wrong) = wrong {
            return Err(format!("the simulator writes policies that can't be read: {wrong:?}\n{}", spec.yaml).into());
        }
        let hash = self.store.put(serde_json::to_vec(&files).map_err(|error| error.to_string())?);
        let repository = Arc::new(repository);
        let plan = |at_once| {
            let go_on = |_, _| ControlFlow::Continue(());
            fleet_plan_by(at_once, &server.state, repository.clone(), &hash, now, go_on)
        };
        let Some(shown) = plan(AtOnce { from: 2, most: 1_000 }) else { return Ok(()) };
        let plainly = plan(AtOnce::NOBODY);
        if plainly.as_ref() != Some(&shown) {
            return Err(format!("the plan of the fleet engine is not the plain one:\n{shown:?}\n{plainly:?}").into());
        }
        let replaces = server.state.revision();
        let content = self.store.put(serde_json::to_vec(&shown).map_err(|error| error.to_string())?);
        self.watch.truth.specs.insert(hash.clone(), spec);
        let input = Input::MakePlan {
            plan: id,
            policy_hash: hash.clone(),
            files: hash,
            replaces,
            content,
            as_of: shown.made_at,
        };
        self.give(vec![(who, input)])?;
        Ok(())
    }

    /// Somebody looks at a plan, and approves, rejects or applies it.
    fn look_at_plans(&mut self, mut who: Actor) -> Result<(), Stop> {
        let Some(server) = &self.server else { return Ok(()) };
        let waiting = |status| matches!(status, PlanStatus::Open | PlanStatus::Approved);
        let plans: Vec<PlanId> =
            server.state.plans.iter().filter(|(_, plan)| waiting(plan.status)).map(|(id, _)| id.clone()).collect();
        let Some(id) = self.people.pick(&plans).cloned() else { return Ok(()) };
        let Some(plan) = server.state.plans.get(&id).cloned() else { return Ok(()) };
        let what = self.people.below(10);
        if self.config.plant == Some(Plant::AuthorApproves) && what < 5 {
            let author = OPERATORS.iter().find(|(owner, _)| *owner == plan.author);
            who =
                Actor { owner: "somebody else".into(), ..author.map_or(who, |(owner, bearer)| actor(owner, *bearer)) };
        }
        let input = match (what, &plan.kind) {
            (0..5, _) => Input::Approve { plan: id },
            (5, _) => Input::Reject { plan: id, why: "no".into() },
            (_, PlanKind::Policy { content, .. }) => {
                let bytes = self.store.contents.content(content);
                let shown: Option<FleetPlan> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                let inflate = u64::from(self.config.plant == Some(Plant::EnvelopeInflated));
                let envelope = shown.into_iter().flat_map(|shown| shown.envelope);
                let envelope = envelope.map(|permit| (permit.cohort, permit.devices + inflate)).collect();
                Input::Apply { plan: id, envelope }
            }
            (_, PlanKind::Held { .. }) => Input::Approve { plan: id },
        };
        self.give(vec![(who, input)])?;
        Ok(())
    }
}
