//! The agents' door: what the server does of what agents ask, as `refit-server` does it, on the same logic.

use super::{
    agent::settings,
    config::Form,
    keys::{self, ORGANIZATION, Signer},
    plant::Plant,
    run::{Run, Stop, begins},
    server::Told,
    watch::Confirmed,
};
use jiff::{SignedDuration, Timestamp};
use refit_agent::machine::{Ask, Failure, Machine};
use refit_core::control::{
    Actor, AgentInput, Bearer, ComplaintReceived, Continuation, DeviceSet, DeviceStands, EnrolmentRecord, Input,
    LeaseInput, MandatePublished, RootPublished, Scope, TokenId, disruption,
    document::{self, Frame},
    report,
};
use refit_model::DeviceId;
use refit_wire::{
    Digest, Envelope, Lease, Root,
    lease::Brake,
    protocol::{CheckIn, CheckInAnswer, Want},
};
use smol_str::{SmolStr, format_smolstr};
use std::sync::Arc;

/// How long a lease lasts, in hours.
const LEASE_HOURS: i64 = 1;

/// What the server answered.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub bytes: Vec<u8>,
    /// Of a check-in: what it confirms.
    pub confirmed: Option<Confirmed>,
    /// Of a check-in: the receipts that it says are durable.
    pub receipts: Vec<SmolStr>,
    /// The next certificate.
    pub serial: Option<SmolStr>,
}

fn refused(status: u16, code: &str) -> Failure {
    Failure::Refused { status, code: code.into(), detail: code.into() }
}

fn unavailable() -> Failure {
    refused(503, "unavailable")
}

fn device_actor(device: &DeviceId) -> Actor {
    Actor {
        name: format!("device:{device}").into(),
        owner: format!("device:{device}").into(),
        bearer: Bearer::Program,
        scopes: [Scope::Facts].into_iter().collect(),
        origin: "198.51.100.1".into(),
    }
}

fn by_server(input: AgentInput) -> (Actor, Input) {
    (Actor::server(), Input::Agents(input))
}

impl Run {
    /// What has to be in the log before any device comes: an epoch, a token, a root and a mandate. After a backup another epoch.
    pub(super) fn open_door(&mut self, elsewhere: bool) -> Result<(), Stop> {
        let now = self.server_now();
        let Some(server) = &self.server else { return Ok(()) };
        let state = &server.state;
        let mut inputs = Vec::new();
        if state.agents.epoch == 0 {
            inputs.push(by_server(AgentInput::Epoch(1)));
        } else if elsewhere && self.config.plant != Some(Plant::EpochForgotten) {
            let seconds = u64::try_from(now.as_second()).unwrap_or(0);
            inputs.push(by_server(AgentInput::Epoch(seconds.max(state.agents.epoch + 1))));
        }
        // What the organisation has signed it publishes again where the log has lost it: devices take nothing older.
        let (root, mandate) = (state.agents.root(), state.agents.mandate());
        let (root, mandate) = (root.map_or(0, |(version, _)| version), mandate.map_or(0, |(number, _)| number));
        for version in root + 1..=self.signed_roots.max(1) {
            inputs.push(self.publish_root(version)?);
        }
        if mandate < self.signed_mandates.max(1) {
            inputs.push(self.publish_mandate(self.signed_mandates.max(1))?);
        }
        if !inputs.is_empty() && self.give(inputs)?.is_none() {
            // It is done before anybody is answered.
            self.door_due = Some(elsewhere);
        }
        Ok(())
    }

    pub(super) fn publish_root(&mut self, version: u64) -> Result<(Actor, Input), Stop> {
        let first = begins(self.config.seed);
        let root = keys::root(version, first);
        self.signed_roots = self.signed_roots.max(version);
        let bytes = keys::signed(&root, Signer::Root)?;
        let fingerprint = fingerprint(&bytes)?.to_string().into();
        let content = self.store.put(bytes.to_vec());
        let organization = ORGANIZATION.into();
        let published = RootPublished { version, organization, fingerprint, content, expires: root.expires };
        Ok(by_server(AgentInput::PublishRoot(published)))
    }

    pub(super) fn publish_mandate(&mut self, number: u64) -> Result<(Actor, Input), Stop> {
        let first = begins(self.config.seed);
        let mandate = match self.config.form {
            Form::Everything => keys::mandate(number, first),
            Form::Rollouts => keys::mandate_of_fleet(number, first, self.config.devices),
        };
        self.signed_mandates = self.signed_mandates.max(number);
        let bytes = keys::signed(&mandate, Signer::Policy)?;
        let digest = fingerprint(&bytes)?.to_string().into();
        Ok(by_server(AgentInput::PublishMandate(MandatePublished {
            number,
            digest,
            content: self.store.put(bytes.to_vec()),
            policy: mandate.policy,
            expires: mandate.expires,
            lease_seconds: mandate.limits.lease_seconds,
        })))
    }

    /// A device is enrolled with a token, and begins to live.
    pub(super) fn enrol(&mut self, index: usize) -> Result<(), Stop> {
        let (now, serial) = (self.server_now(), format_smolstr!("s{}", self.number()));
        let Some(device) = self.agents.get(index).map(|agent| agent.device.clone()) else { return Ok(()) };
        let again = if self.calm { 0 } else { self.network.between(60, 4_000) };
        let retired = self
            .server
            .as_ref()
            .is_some_and(|server| server.state.devices.contains_key(&device) && server.state.device(&device).is_none());
        if retired {
            return Ok(());
        }
        let enrolment = self.enrolment(now);
        if self.server.is_none() {
            self.after(again, super::run::Task::Boot(index));
            return Ok(());
        }
        let enrolment = match enrolment {
            (id, None) => id,
            (id, Some(record)) => {
                let input = AgentInput::CreateEnrolment { enrolment: id.clone(), record };
                if !matches!(self.give(vec![by_server(input)])?.as_deref(), Some([Ok(_)])) {
                    self.after(again, super::run::Task::Boot(index));
                    return Ok(());
                }
                id
            }
        };
        let join = AgentInput::Join {
            enrolment,
            device: device.clone(),
            machine: digest(device.as_str()),
            name: None,
            agent: "0".into(),
            serial: serial.clone(),
            until: later(now, 24 * 30),
        };
        let answers = self.give(vec![(device_actor(&device), Input::Agents(join))])?;
        let root = self.server.as_ref().and_then(|server| server.state.agents.root().map(|(_, root)| root.clone()));
        let (Some([Ok(_)]), Some(root)) = (answers.as_deref(), root) else {
            self.after(again, super::run::Task::Boot(index));
            return Ok(());
        };
        let bytes = self.store.contents.get(&root.content).cloned().ok_or_else(|| "the root is not kept".to_owned())?;
        let envelope = Envelope::parse::<Root>(&bytes).map_err(|error| error.to_string())?;
        let real = self.now;
        let Some(agent) = self.agents.get_mut(index) else { return Ok(()) };
        agent.image.documents.clear();
        agent.image.serial = serial;
        agent.image.ledger.enrolled();
        let wall = agent.wall(real);
        let pin = envelope.digest();
        let machine = Machine::enrolled(settings(), device, &envelope, pin, wall).map_err(|error| error.to_string())?;
        // Enrolling writes the journal before the agent starts.
        agent.image.documents.insert(pin, envelope);
        agent.image.save(machine.journal());
        self.begin(index, machine)
    }

    /// A token that counts, or one that has to be made.
    fn enrolment(&self, now: Timestamp) -> (TokenId, Option<EnrolmentRecord>) {
        let known = self.server.as_ref().and_then(|server| {
            let enrolments = server.state.agents.enrolments.iter();
            enrolments.rev().find(|(_, record)| record.spent(now).is_none()).map(|(id, _)| id.clone())
        });
        if let Some(id) = known {
            return (id, None);
        }
        let count = self.server.as_ref().map_or(0, |server| server.state.agents.enrolments.len());
        let record = EnrolmentRecord {
            hash: digest("secret"),
            name: "simulated".into(),
            made: now,
            expires: later(now, 24 * 30),
            uses: 30.max(u32::try_from(self.config.devices).unwrap_or(30)),
            used: 0,
            revoked: None,
        };
        (TokenId::new(format!("enrolment-{count:05}")), Some(record))
    }

    /// What the server answers to an agent.
    pub(super) fn answer(
        &mut self,
        device: &DeviceId,
        serial: &SmolStr,
        ask: &Ask,
    ) -> Result<Result<Answered, Failure>, Stop> {
        let now = self.server_now();
        if self.server.is_some()
            && let Some(elsewhere) = self.door_due.take()
        {
            self.open_door(elsewhere)?;
        }
        let Some(server) = &self.server else { return Ok(Err(Failure::Unreachable("nobody is there".into()))) };
        if self.door_due.is_some() {
            return Ok(Err(unavailable()));
        }
        let state = &server.state;
        let content = |sha256: &SmolStr| self.store.contents.get(sha256).map(|bytes| bytes.to_vec());
        let found = |bytes: Option<Vec<u8>>| {
            bytes.map(|bytes| Answered { bytes, ..Answered::default() }).ok_or(Failure::NotFound)
        };
        if let Ask::Root(version) = ask {
            return Ok(found(state.agents.roots.get(version).and_then(|root| content(&root.content))));
        }
        let Some(record) = state.device(device) else {
            let known = state.devices.contains_key(device);
            return Ok(Err(if known { refused(403, "retired") } else { refused(401, "certificate") }));
        };
        let Some(certificate) = state.agents.certificate(device, serial, now) else {
            return Ok(Err(refused(401, "certificate")));
        };
        let third = certificate.until.duration_since(certificate.issued) / 3;
        let renew = certificate.until.duration_since(now) < third;
        match ask {
            Ask::Root(_) => Ok(Err(Failure::NotFound)),
            Ask::Mandate(digest) => {
                let digest = digest.to_string();
                let mandate = state.agents.mandates.values().rev().find(|mandate| mandate.digest == digest);
                Ok(found(mandate.and_then(|mandate| content(&mandate.content))))
            }
            Ask::State => {
                let record = record.clone();
                let Some(told) = self.told(&record.id)? else { return Ok(Err(unavailable())) };
                Ok(found(Some(keys::signed(&told.document, Signer::Server)?.to_vec())))
            }
            Ask::Certificate => {
                let next = format_smolstr!("s{}", self.number());
                let input = AgentInput::Issue {
                    device: device.clone(),
                    beside: serial.clone(),
                    serial: next.clone(),
                    until: later(now, 24 * 30),
                };
                let answers = self.give(vec![(device_actor(device), Input::Agents(input))])?;
                let issued = matches!(answers.as_deref(), Some([Ok(_)]));
                Ok(if issued { Ok(Answered { serial: Some(next), ..Answered::default() }) } else { Err(unavailable()) })
            }
            Ask::CheckIn(said) => self.check_in(device, said, renew, now),
        }
    }

    fn check_in(
        &mut self,
        device: &DeviceId,
        said: &CheckIn,
        renew: bool,
        now: Timestamp,
    ) -> Result<Result<Answered, Failure>, Stop> {
        let Some(server) = &self.server else { return Ok(Err(unavailable())) };
        let state = &server.state;
        let Some(record) = state.device(device).cloned() else { return Ok(Err(refused(403, "retired"))) };
        let actor = device_actor(device);
        let history = said.history.as_ref().map(Into::into);
        let known = report::digest(state, &record);
        let heard = report::hear(state, &record, said.report.clone(), history.as_ref(), known, now);
        if heard.continues == Continuation::Earlier {
            return Ok(Err(refused(409, "replayed")));
        }
        let mut want = heard.want;
        let mut inputs: Vec<(Actor, Input)> = heard.input.into_iter().map(|input| (actor.clone(), input)).collect();
        let reports = inputs.len();
        let early = self.config.plant == Some(Plant::ReceiptsAcknowledgedEarly);
        for receipt in said.receipts.iter().filter(|_| !early) {
            inputs.push((
                actor.clone(),
                Input::Receipt {
                    device: device.clone(),
                    receipt: receipt.id.clone(),
                    slot: receipt.slot.clone(),
                    wanted: document::version(&receipt.directive).map(Into::into),
                    result: receipt.result,
                    before: receipt.before.clone(),
                    after: receipt.after.clone(),
                    at: receipt.at,
                    duration_ms: receipt.duration_ms,
                    output: None,
                },
            ));
        }
        let first_complaint = inputs.len();
        for complaint in &said.complaints {
            let event = ComplaintReceived {
                device: device.clone(),
                complaint: complaint.id.clone(),
                at: complaint.at,
                title: complaint.title.clone(),
                text: digest(&complaint.text),
            };
            inputs.push((actor.clone(), Input::Agents(AgentInput::Complaint(event))));
        }
        let complaints_end = inputs.len();
        let stands = DeviceStands {
            device: device.clone(),
            agent: said.agent.clone(),
            standing: said.standing.clone(),
            problems: said.problems.clone(),
        };
        if report::differs(state, &stands) {
            inputs.push((actor.clone(), Input::Agents(AgentInput::Stands(stands))));
        }
        let this: DeviceSet = [record.index].into_iter().collect();
        if said.holds.stopped
            && let Some((_, since)) = &state.brake
        {
            let seconds = u64::try_from(now.duration_since(*since).as_secs()).unwrap_or(0);
            let after = vec![(seconds, this.clone())];
            inputs.push((actor.clone(), Input::Agents(AgentInput::Braked { since: *since, after })));
        }
        let answers = match inputs.is_empty() {
            true => Vec::new(),
            false => match self.give(inputs)? {
                Some(answers) => answers,
                None => return Ok(Err(unavailable())),
            },
        };
        if let Some(Err(refusal)) = answers.iter().take(reports).find(|answer| answer.is_err()) {
            let quarantined = matches!(refusal, refit_core::control::Refusal::Quarantined { .. });
            return Ok(Err(if quarantined { refused(403, "quarantined") } else { refused(422, "invalid") }));
        }
        let counted = |from: usize, to: usize, ids: Vec<SmolStr>| -> Vec<SmolStr> {
            let answers = answers.get(from..to).unwrap_or_default();
            ids.into_iter().zip(answers).filter(|(_, answer)| answer.is_ok()).map(|(id, _)| id).collect()
        };
        let ids: Vec<SmolStr> = said.receipts.iter().map(|receipt| receipt.id.clone()).collect();
        let receipts = if early { ids } else { counted(reports, first_complaint, ids) };
        let complaints = counted(
            first_complaint,
            complaints_end,
            said.complaints.iter().map(|complaint| complaint.id.clone()).collect(),
        );
        let Some(record) = self.server.as_ref().and_then(|server| server.state.device(device)).cloned() else {
            return Ok(Err(refused(403, "retired")));
        };
        if record.quarantined.is_some() {
            return Ok(Err(refused(403, "quarantined")));
        }
        // Whoever comes without news is noted all the same.
        let noted = self.give(vec![(actor.clone(), Input::Agents(AgentInput::Seen(this)))])?;
        if noted.is_some() {
            let heard_at = self.server_now();
            self.watch.heard.heard(device, heard_at);
        }
        let Some(mut told) = self.told(device)? else { return Ok(Err(unavailable())) };
        if self.step_of_lease(&actor, device, said, told.digest, now)? {
            let Some(again) = self.told(device)? else { return Ok(Err(unavailable())) };
            told = again;
        }
        let next_seconds = match self.config.form {
            Form::Everything => self.devices.between(3_600, 40_000),
            // Four times a day.
            Form::Rollouts => self.devices.between(18_000, 25_000),
        };
        let next_seconds = next_seconds.unsigned_abs();
        let Some(server) = &self.server else { return Ok(Err(unavailable())) };
        let state = &server.state;
        if want == Want::Nothing && report::wants_offers(state, &record) {
            want = Want::Offers;
        }
        let row = server.board.row(device).map(|row| &**row);
        let by_lease = state.device(device).and_then(|it| disruption::again(state, it, row, now));
        let by_lease = by_lease.map(|soon| soon.as_secs());
        let issued = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let brake = state.brake.as_ref().filter(|_| self.config.plant != Some(Plant::BrakeUnsaid));
        let lease = Lease {
            organization: ORGANIZATION.into(),
            epoch: state.agents.epoch,
            issued,
            until: later(issued, LEASE_HOURS),
            brake: brake.map(|(why, since)| Brake { since: *since, why: why.clone() }),
        };
        let envelope = keys::signed(&lease, Signer::Server)?;
        let answer = CheckInAnswer {
            lease: Envelope::parse::<Lease>(&envelope).map_err(|error| error.to_string())?,
            root: state.agents.root().map_or(0, |(version, _)| version),
            mandate: state.agents.mandate().and_then(|(_, mandate)| mandate.digest.parse().ok()),
            state: told.digest,
            want,
            receipts: receipts.clone(),
            complaints,
            answers: Vec::new(),
            next_seconds: by_lease.map_or(next_seconds, |soon| soon.min(next_seconds)),
            renew,
            recorded: report::recorded(&record, history.as_ref()),
        };
        let confirmed = Confirmed { state: told.digest, issued, until: lease.until, stopped: state.brake.is_some() };
        let bytes = serde_json::to_vec(&answer).map_err(|error| error.to_string())?;
        Ok(Ok(Answered { bytes, confirmed: Some(confirmed), receipts, serial: None }))
    }

    /// The device's lease of disruption groups goes on, where it does; whether the writer was told.
    fn step_of_lease(
        &mut self,
        actor: &Actor,
        device: &DeviceId,
        said: &CheckIn,
        told: Digest,
        now: Timestamp,
    ) -> Result<bool, Stop> {
        let Some(server) = &self.server else { return Ok(false) };
        let mut state = server.state.clone();
        let mut standing = said.standing.as_slice();
        if let Some(plant) = self.config.plant {
            plant.before_lease(&mut state, device);
            standing = if plant == Plant::RestartsUnheeded { &[] } else { standing };
        }
        let Some(record) = state.device(device) else { return Ok(false) };
        let row = server.board.row(device).map(|row| &**row);
        let of_lease = disruption::Said { standing, holds_told: said.holds.state == Some(told) };
        let Some(step) = disruption::consider(&state, record, row, of_lease, now) else { return Ok(false) };
        let input = Input::Leases(LeaseInput::Device { device: device.clone(), step });
        self.give(vec![(actor.clone(), input)])?;
        Ok(true)
    }

    /// The state that a device is told, numbered as the server does it.
    fn told(&mut self, device: &DeviceId) -> Result<Option<Arc<Told>>, Stop> {
        let Some(server) = &mut self.server else { return Ok(None) };
        let Some(record) = server.state.device(device).cloned() else { return Ok(None) };
        let row = server.board.row(device).map(|row| &**row);
        if !document::ready(&server.state, &record, row) {
            return Ok(None);
        }
        let mut made =
            document::document(&server.state, &record, row, &Frame { organization: ORGANIZATION, sequence: 0 });
        if let Some(plant) = self.config.plant {
            plant.before_telling(&server.state, &mut made, server.told.get(device).map(|told| &told.document));
        }
        let content = Digest::of(&serde_json::to_vec(&made).map_err(|error| error.to_string())?);
        let before = server.told.get(device).cloned();
        if let Some(told) = before.clone().filter(|told| told.content == content) {
            return Ok(Some(told));
        }
        // Another content has another number, also where no event says why it differs.
        made.sequence = document::sequence(server.state.seq, before.map(|before| before.document.sequence));
        let digest = Digest::of(&serde_json::to_vec(&made).map_err(|error| error.to_string())?);
        self.watch.truth.states.insert(digest, made.clone());
        let told = Arc::new(Told { content, digest, document: made });
        server.told.insert(device.clone(), told.clone());
        Ok(Some(told))
    }
}

fn later(at: Timestamp, hours: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(hours)).unwrap_or(at)
}

fn digest(text: &str) -> SmolStr {
    Digest::of(text.as_bytes()).to_string().into()
}

fn fingerprint(bytes: &[u8]) -> Result<Digest, String> {
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(envelope.digest())
}
