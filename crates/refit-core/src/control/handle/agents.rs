//! Agents: their enrolment and certificates, roots and mandates, what devices say of their directives.

use super::{
    super::{
        agents::EnrolmentRecord,
        device_set::DeviceSet,
        event::{
            BrakeReached, CertificateIssued, CertificateRevoked, ComplaintReceived, DeviceJoined, DeviceStands,
            EnrolmentCreated, EnrolmentRevoked, EpochRaised, Event, MandatePublished, RootPublished,
        },
        input::{AgentInput, Outcome, Refusal},
        reports::report_id,
        state::State,
        token::Scope,
    },
    devices::{enrol, managed},
    operations::one,
    reports,
};
use jiff::{SignedDuration, Timestamp};
use refit_model::{DeviceId, TokenId};
use smol_str::SmolStr;

/// The longest that an enrolment token may last.
const ENROLMENT_LONGEST: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The most enrolments that one permits.
const USES_MOST: u32 = 1_000_000;
/// The most that a device may say of its directives or of problems.
const SAID_MOST: usize = 1_024;
/// The longest word of a problem, in bytes.
const TEXT_LONGEST: usize = 1_024;

/// What is needed for it. Devices themselves are known by their certificates; the server asks for them.
pub(super) fn scope(input: &AgentInput) -> Scope {
    match input {
        AgentInput::Epoch(_)
        | AgentInput::CreateEnrolment { .. }
        | AgentInput::RevokeEnrolment { .. }
        | AgentInput::Revoke { .. }
        | AgentInput::PublishRoot(_) => Scope::Admin,
        AgentInput::PublishMandate(_) => Scope::Apply,
        AgentInput::Join { .. }
        | AgentInput::Issue { .. }
        | AgentInput::Seen(_)
        | AgentInput::Stands(_)
        | AgentInput::Complaint(_)
        | AgentInput::Answered { .. }
        | AgentInput::Braked { .. } => Scope::Facts,
    }
}

pub(super) fn handle(state: &State, input: AgentInput, now: Timestamp) -> Result<Outcome, Refusal> {
    match input {
        AgentInput::Epoch(epoch) if epoch > state.agents.epoch => Ok(one(EpochRaised { epoch })),
        AgentInput::Epoch(_) => Ok(Outcome::default()),
        AgentInput::CreateEnrolment { enrolment, record } => create_enrolment(state, enrolment, record, now),
        AgentInput::RevokeEnrolment { enrolment } => revoke_enrolment(state, enrolment),
        AgentInput::Join { enrolment, device, machine, name, agent, serial, until } => {
            let spent = match state.agents.enrolments.get(&enrolment) {
                None => Some("the enrolment token is unknown"),
                Some(record) => record.spent(now),
            };
            if let Some(why) = spent {
                return Err(Refusal::Forbidden(why.into()));
            }
            let mut outcome = join(state, &device, &machine, name)?;
            outcome.events.push(DeviceJoined { device: device.clone(), enrolment, machine, agent }.into());
            outcome.events.push(CertificateIssued { device, serial, until, beside: None }.into());
            Ok(outcome)
        }
        AgentInput::Issue { device, beside, serial, until } => {
            managed(state, &device)?;
            agent_of(state, &device)?;
            Ok(one(CertificateIssued { device, serial, until, beside: Some(beside) }))
        }
        AgentInput::Revoke { device, why } => {
            managed(state, &device)?;
            let none = agent_of(state, &device)?.certificates.is_empty();
            Ok(if none { Outcome::default() } else { one(CertificateRevoked { device, why }) })
        }
        AgentInput::PublishRoot(root) => publish_root(state, root),
        AgentInput::PublishMandate(mandate) => publish_mandate(state, mandate),
        AgentInput::Seen(devices) => Ok(Outcome { present: known(state, devices), ..Outcome::default() }),
        AgentInput::Stands(said) => stands(state, said),
        AgentInput::Complaint(complaint) => complain(state, complaint, now),
        AgentInput::Answered { device, complaints } => reports::shown(state, device, &complaints),
        AgentInput::Braked { since, after } => Ok(braked(state, since, after)),
    }
}

fn create_enrolment(
    state: &State,
    enrolment: TokenId,
    record: EnrolmentRecord,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    if state.agents.enrolments.contains_key(&enrolment) {
        return Err(Refusal::Exists { what: "enrolment token", id: enrolment.as_str().into() });
    }
    if record.name.trim().is_empty() || record.name.len() > TEXT_LONGEST {
        return Err(Refusal::Invalid("an enrolment token needs a name".into()));
    }
    if record.uses == 0 || record.uses > USES_MOST {
        return Err(Refusal::Invalid(format!("an enrolment token permits 1 to {USES_MOST} enrolments")));
    }
    if record.expires <= now {
        return Err(Refusal::Invalid("the enrolment token would have expired already".into()));
    }
    if record.expires.duration_since(now) > ENROLMENT_LONGEST {
        return Err(Refusal::Invalid("an enrolment token lasts 90 days at most".into()));
    }
    let record = EnrolmentRecord { made: now, used: 0, revoked: None, ..record };
    Ok(one(EnrolmentCreated { enrolment, record }))
}

fn revoke_enrolment(state: &State, enrolment: TokenId) -> Result<Outcome, Refusal> {
    match state.agents.enrolments.get(&enrolment) {
        None => Err(Refusal::Missing { what: "enrolment token", id: enrolment.as_str().into() }),
        Some(record) if record.revoked.is_some() => Ok(Outcome::default()),
        Some(_) => Ok(one(EnrolmentRevoked { enrolment })),
    }
}

/// The device of a machine: the one that it was, unless that is no longer managed.
fn join(state: &State, device: &DeviceId, machine: &SmolStr, name: Option<SmolStr>) -> Result<Outcome, Refusal> {
    let before = state.agents.machines.get(machine).filter(|known| state.device(known).is_some());
    match before {
        Some(known) if known == device => Ok(Outcome::default()),
        Some(_) => Err(Refusal::Conflict("this machine has enrolled meanwhile: try again".into())),
        None => enrol(state, device.clone(), name),
    }
}

fn publish_root(state: &State, root: RootPublished) -> Result<Outcome, Refusal> {
    if let Some(known) = state.agents.roots.get(&root.version)
        && known.fingerprint == root.fingerprint
    {
        return Ok(Outcome::default());
    }
    let newest = state.agents.root().map(|(version, _)| version);
    if newest.is_some_and(|newest| root.version != newest + 1) {
        let next = newest.unwrap_or(0) + 1;
        return Err(Refusal::Conflict(format!("the next root is number {next}, not {}", root.version)));
    }
    Ok(one(root))
}

fn publish_mandate(state: &State, mandate: MandatePublished) -> Result<Outcome, Refusal> {
    if let Some((number, newest)) = state.agents.mandate() {
        if number == mandate.number && newest.digest == mandate.digest {
            return Ok(Outcome::default());
        }
        if mandate.number <= number {
            return Err(Refusal::Conflict(format!(
                "mandate {number} is in force: the next one has a larger number than {}",
                mandate.number
            )));
        }
    }
    Ok(one(mandate))
}

/// Those that are managed.
fn known(state: &State, devices: DeviceSet) -> DeviceSet {
    let managed = |index: &u32| state.at_index(*index).is_some_and(|device| device.retired.is_none());
    devices.iter().filter(managed).collect()
}

fn stands(state: &State, mut said: DeviceStands) -> Result<Outcome, Refusal> {
    managed(state, &said.device)?;
    let agent = agent_of(state, &said.device)?;
    said.standing.truncate(SAID_MOST);
    said.problems.truncate(SAID_MOST);
    for problem in &mut said.problems {
        let cut = problem.what.floor_char_boundary(TEXT_LONGEST);
        problem.what.truncate(cut);
    }
    // Moments move with each look of the device; what it waits for does not.
    let waits = |standing: &[refit_wire::protocol::Standing]| {
        standing.iter().map(|one| (one.directive.clone(), one.waits_for)).collect::<Vec<_>>()
    };
    let same =
        waits(&agent.standing) == waits(&said.standing) && agent.problems == said.problems && agent.agent == said.agent;
    Ok(if same { Outcome::default() } else { one(said) })
}

fn complain(state: &State, mut complaint: ComplaintReceived, now: Timestamp) -> Result<Outcome, Refusal> {
    managed(state, &complaint.device)?;
    let agent = agent_of(state, &complaint.device)?;
    // A device that enrolled again may say what it said before.
    let known = state.reports.get(&report_id(&complaint.device, &complaint.complaint)).is_some();
    if known || agent.complaints.iter().any(|it| it.id == complaint.complaint) {
        return Ok(Outcome::default());
    }
    complaint.at = complaint.at.min(now);
    Ok(one(complaint))
}

/// Devices that had not said so before.
fn braked(state: &State, since: Timestamp, after: Vec<(u64, DeviceSet)>) -> Outcome {
    if state.brake.as_ref().is_none_or(|(_, pulled)| *pulled != since) {
        return Outcome::default();
    }
    let before = DeviceSet::union(state.agents.honour.values());
    let mut fresh = Vec::new();
    for (seconds, devices) in after {
        let mut devices = known(state, devices);
        devices.0 -= &before.0;
        if !devices.is_empty() {
            fresh.push((seconds, devices));
        }
    }
    if fresh.is_empty() { Outcome::default() } else { one(Event::from(BrakeReached { after: fresh })) }
}

fn agent_of<'s>(
    state: &'s State,
    device: &DeviceId,
) -> Result<&'s std::sync::Arc<super::super::agents::AgentRecord>, Refusal> {
    let missing = || Refusal::Missing { what: "agent of the device", id: device.as_str().into() };
    state.agents.devices.get(device).ok_or_else(missing)
}
