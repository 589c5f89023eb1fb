//! What the server is told, what it answers, and why it refuses.

use super::{
    agents::EnrolmentRecord,
    device_set::DeviceSet,
    entry::{AdvisoryEntry, InstallEntry, Plain, ReceiptResult, ReleaseEntry, SlotName},
    evaluate::Evaluation,
    event::{
        ApprovalAnswered, ComplaintReceived, DeviceStands, Event, MandatePublished, RootPublished, SourceRead,
        TargetObserved,
    },
    exceptions::ExceptionInput,
    groups::GroupInput,
    history::CheckIn,
    publication::CohortKey,
    reports::ReportInput,
    rollouts::AskedFor,
    subscription::SubscriptionInput,
    token::{Scope, TokenRecord},
};
use crate::{
    policy::document::test::GateAnswer,
    rollout::{
        Evidence, Verdict,
        disruption::{Holder, Place, Question},
    },
};
use jiff::{SignedDuration, Timestamp};
use refit_model::{DeviceId, PersonId, PlanId, TitleId, TokenId};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Something that the server is told. Ids that have to be minted are minted by whoever asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The server begins to listen.
    Start {
        /// The program's version.
        program: SmolStr,
        /// When it was last known to listen, by the renewals of its lease.
        alive_until: Option<Timestamp>,
    },
    /// Time has passed.
    Tick,
    /// The server is about to end.
    End,
    /// How many people have to approve a plan.
    SetApprovals(u32),
    /// A monitoring system says something of devices.
    Signal {
        /// The source, as gates name it.
        source: SmolStr,
        /// The signal, as gates name it.
        signal: SmolStr,
        /// When it was so.
        at: Timestamp,
        /// Whether these are all devices that the signal knows.
        whole: bool,
        /// What it says, by device; `true` is bad.
        devices: BTreeMap<DeviceId, bool>,
    },
    /// A device is first known.
    Enrol {
        /// Its id.
        device: DeviceId,
        /// What people call it.
        name: Option<SmolStr>,
    },
    /// What a source says of a device.
    Observe(Observation),
    /// A device is no longer managed.
    Retire {
        /// The device.
        device: DeviceId,
    },
    /// A person says that a device of which there were two is one again.
    LiftQuarantine {
        /// The device.
        device: DeviceId,
        /// Why.
        why: SmolStr,
    },
    /// What a source says of a person.
    ObservePerson {
        /// The person.
        person: PersonId,
        /// The source.
        source: SmolStr,
        /// When it was observed.
        observed: Timestamp,
        /// Values by field (`department`), each with the reference that it gets if it is new; null is: no longer said.
        values: BTreeMap<SmolStr, Option<(SmolStr, Plain)>>,
    },
    /// What a source says of a group of people, and of who is in it.
    Group(GroupInput),
    /// A device is given to a person, or to nobody.
    Assign {
        /// The device.
        device: DeviceId,
        /// The person.
        person: Option<PersonId>,
    },
    /// Who is one with whom, and who is not after all.
    Identity(IdentityInput),
    /// How a source was read.
    SourceRead(SourceRead),
    /// How a system that configuration is written to was found.
    TargetObserved(TargetObserved),
    /// All personal values of a person are to be erased.
    ErasePerson {
        /// The person.
        person: PersonId,
    },
    /// Releases are known.
    Releases {
        /// Who says so.
        source: SmolStr,
        /// The releases.
        releases: Vec<ReleaseEntry>,
    },
    /// Advisories are known.
    Advisories {
        /// Who says so.
        source: SmolStr,
        /// The advisories.
        advisories: Vec<AdvisoryEntry>,
    },
    /// The advisories of a distribution's packages have been matched.
    Matched {
        /// The distribution.
        distribution: SmolStr,
        /// SHA-256 of the content that lists them.
        content: SmolStr,
        /// How many there are.
        advisories: u64,
    },
    /// Somebody asks what a policy revision would change; what it would change has been worked out.
    MakePlan {
        /// The plan's id.
        plan: PlanId,
        /// SHA-256 of the policy repository.
        policy_hash: SmolStr,
        /// SHA-256 of the content that holds its files.
        files: SmolStr,
        /// The revision that it would replace.
        replaces: u64,
        /// SHA-256 of the content that holds what was worked out.
        content: SmolStr,
        /// The time at which the fleet was looked at.
        as_of: Timestamp,
    },
    /// A person approves a plan.
    Approve {
        /// The plan.
        plan: PlanId,
    },
    /// A person rejects a plan.
    Reject {
        /// The plan.
        plan: PlanId,
        /// Why.
        why: SmolStr,
    },
    /// A plan is to be carried out.
    Apply {
        /// The plan.
        plan: PlanId,
        /// What it permits, read from its content.
        envelope: Vec<(CohortKey, u64)>,
    },
    /// Devices have been decided anew.
    Evaluated {
        /// The id of the plan that is made where a person is needed.
        plan: PlanId,
        /// The devices.
        devices: Vec<Evaluation>,
    },
    /// A ring is to open.
    OpenRing {
        /// The title.
        title: TitleId,
        /// The release.
        version: SmolStr,
        /// The rollout.
        rollout: SmolStr,
        /// The ring.
        ring: SmolStr,
        /// The platform; `None` is every platform.
        platform: Option<SmolStr>,
        /// Who is in it; `None` where that has to be looked up.
        members: Option<DeviceSet>,
        /// The releases that move as one, where it is a snapshot that begins.
        releases: Vec<(TitleId, SmolStr)>,
    },
    /// A gate answers.
    AnswerGate {
        /// The title.
        title: TitleId,
        /// The release.
        version: SmolStr,
        /// The rollout in which the gate stands; `None` is every rollout with such a ring.
        rollout: Option<SmolStr>,
        /// The ring before the gate.
        after: SmolStr,
        /// The platform; `None` is every platform.
        platform: Option<SmolStr>,
        /// The answer; `None` takes back what was answered.
        answer: Option<GateAnswer>,
        /// Until when it counts; `None` is: until it is taken back.
        until: Option<Timestamp>,
        /// Why, where a person answers.
        why: Option<SmolStr>,
        /// What was found, and by what, where the evidence answers.
        found: Option<Box<(Verdict, Evidence)>>,
    },
    /// A person is to say whether a release goes on. Only the director asks.
    AskPerson {
        /// The title.
        title: TitleId,
        /// The release.
        version: SmolStr,
        /// The rollout in which the gate stands.
        rollout: SmolStr,
        /// The ring before the gate.
        after: SmolStr,
        /// The platform; `None` is every platform.
        platform: Option<SmolStr>,
        /// Why.
        because: AskedFor,
        /// What the gate is in want of, and by what; `None` where the rollout has none.
        found: Option<Box<(Verdict, Evidence)>>,
    },
    /// People answered, in another system, whether the rings of a release may open that wait for that.
    AnswerApproval(ApprovalAnswered),
    /// A release is to go no further, for three days: a block in the policy repository stops it for good.
    HaltRelease {
        /// The title.
        title: TitleId,
        /// The release.
        version: SmolStr,
        /// The platform; `None` is every platform.
        platform: Option<SmolStr>,
        /// Why.
        why: SmolStr,
    },
    /// A halted release is to go on. What came of it until now no longer speaks against it.
    ResumeRelease {
        /// The title.
        title: TitleId,
        /// The release.
        version: SmolStr,
        /// The platform; `None` is every platform.
        platform: Option<SmolStr>,
        /// Why.
        why: SmolStr,
    },
    /// A release is to wait for no gate. It is halted all the same if it breaks something.
    ExpediteRelease {
        /// The title.
        title: TitleId,
        /// The release.
        version: SmolStr,
        /// The platform; `None` is every platform.
        platform: Option<SmolStr>,
        /// Why.
        why: SmolStr,
    },
    /// A device reports what came of a directive.
    Receipt {
        /// The device.
        device: DeviceId,
        /// The report's own id.
        receipt: SmolStr,
        /// The slot.
        slot: SlotName,
        /// The version that was to come; `None` where whoever reports does not say: then it is what the device is given now.
        wanted: Option<SmolStr>,
        /// What came of it.
        result: ReceiptResult,
        /// The version before.
        before: Option<SmolStr>,
        /// The version afterwards.
        after: Option<SmolStr>,
        /// When it ended.
        at: Timestamp,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// SHA-256 of the content that holds its output.
        output: Option<SmolStr>,
    },
    /// Everything is to stop.
    Stop {
        /// Why.
        why: SmolStr,
    },
    /// What was stopped is to go on.
    GoOn {
        /// Why.
        why: SmolStr,
    },
    /// A token is made.
    CreateToken {
        /// Its id.
        token: TokenId,
        /// What is kept of it.
        record: TokenRecord,
    },
    /// A token is revoked.
    RevokeToken {
        /// Its id.
        token: TokenId,
    },
    /// What agents are told and tell.
    Agents(AgentInput),
    /// Leases of disruption groups.
    Leases(LeaseInput),
    /// Subscriptions to business events.
    Subscriptions(SubscriptionInput),
    /// What people say is broken.
    Reports(ReportInput),
    /// Exceptions that are asked for.
    Exceptions(ExceptionInput),
}

/// What the server is told of who is who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityInput {
    /// Two devices are one.
    MergeDevices {
        /// The one that was known later.
        from: DeviceId,
        /// The one that stays.
        into: DeviceId,
    },
    /// A device that was merged into another is one by itself.
    SplitDevice {
        /// It.
        device: DeviceId,
    },
    /// Two people are one.
    MergePeople {
        /// The one who was known later.
        from: PersonId,
        /// The one who stays.
        into: PersonId,
    },
    /// Somebody who was merged into another is somebody else.
    SplitPerson {
        /// They.
        person: PersonId,
    },
}

/// What the server is told of leases.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseInput {
    /// A device has checked in, and its lease goes a step on.
    Device {
        /// The device.
        device: DeviceId,
        /// The step.
        step: LeaseStep,
    },
    /// Somebody who is no device wants a lease.
    Take {
        /// The name that it gives itself.
        client: SmolStr,
        /// The group, as it is asked for: a value of the only field that policies group by, or `FIELD.VALUE`.
        group: SmolStr,
    },
    /// Somebody who is no device is through.
    Through {
        /// The name that it gives itself.
        client: SmolStr,
    },
    /// A hook answers, or somebody in its place.
    Answer {
        /// Who has the lease.
        holder: Holder,
        /// What was asked.
        question: Question,
        /// The hook.
        hook: SmolStr,
        /// Whether it agrees.
        agrees: bool,
        /// What it said.
        said: SmolStr,
    },
    /// A person gives a lease back.
    GiveBack {
        /// Who has it.
        holder: Holder,
        /// Why.
        why: SmolStr,
    },
    /// A name is bound to an address, or to none any more.
    SetWebhook {
        /// The name.
        name: SmolStr,
        /// The address.
        url: Option<SmolStr>,
    },
}

/// A step of a device's lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseStep {
    /// It has something to do now, and wants these.
    Take(Vec<Wish>),
    /// Nothing has to be done any more.
    End {
        /// Until when it need not ask again, where it could do nothing.
        rests: Option<Timestamp>,
    },
    /// It was not over after all.
    Resume,
    /// It has settled, and has not been told of anything to do since.
    GiveBack,
}

/// A place that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wish {
    /// The place.
    pub place: Place,
    /// After how long without a sign of it a member counts as away.
    pub silent_after: SignedDuration,
}

/// What the server is told of agents.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentInput {
    /// The log came from a backup: its epoch is to be at least this.
    Epoch(u64),
    /// An enrolment token is made.
    CreateEnrolment {
        /// Its id.
        enrolment: TokenId,
        /// What is kept of it.
        record: EnrolmentRecord,
    },
    /// An enrolment token is revoked.
    RevokeEnrolment {
        /// Its id.
        enrolment: TokenId,
    },
    /// A device's agent enrols.
    Join {
        /// The enrolment token, by the secret that was shown.
        enrolment: TokenId,
        /// The device that the machine is, or is to become.
        device: DeviceId,
        /// SHA-256 of the machine's own id and the organisation.
        machine: SmolStr,
        /// What people call it.
        name: Option<SmolStr>,
        /// The agent's version.
        agent: SmolStr,
        /// The serial number of the certificate that it gets.
        serial: SmolStr,
        /// When that ends.
        until: Timestamp,
    },
    /// A device gets its next certificate.
    Issue {
        /// The device.
        device: DeviceId,
        /// The certificate with which it asks.
        beside: SmolStr,
        /// The serial number.
        serial: SmolStr,
        /// When it ends.
        until: Timestamp,
    },
    /// No certificate of a device is to count any more.
    Revoke {
        /// The device.
        device: DeviceId,
        /// Why.
        why: SmolStr,
    },
    /// A root is published; it follows the newest by its signatures.
    PublishRoot(RootPublished),
    /// A mandate is published; it is signed as the newest root asks.
    PublishMandate(MandatePublished),
    /// Devices checked in, and nothing has changed.
    Seen(DeviceSet),
    /// What a device says of its directives.
    Stands(DeviceStands),
    /// A person said that something is broken.
    Complaint(ComplaintReceived),
    /// A device has shown what was answered to what a person said there.
    Answered {
        /// The device.
        device: DeviceId,
        /// Which, by the names that its agent drew.
        complaints: Vec<SmolStr>,
    },
    /// Devices honour the brake that was pulled then.
    Braked {
        /// When it was pulled.
        since: Timestamp,
        /// By how many seconds it took.
        after: Vec<(u64, DeviceSet)>,
    },
}

/// What a source says of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The device.
    pub device: DeviceId,
    /// The source.
    pub source: SmolStr,
    /// When it was observed.
    pub observed: Timestamp,
    /// Facts by field (`device.platform`); null is: no longer said; what is not named is as before.
    pub facts: BTreeMap<SmolStr, Option<Plain>>,
    /// What is installed; `None` where this source does not say.
    pub installs: Option<Installs>,
    /// What the device can get from; `None` where it is as before.
    pub universe: Option<UniverseReport>,
    /// Which check-in this is, where the source counts them: what tells a device from its copy.
    pub check_in: Option<CheckIn>,
}

/// What is installed on a device.
#[derive(Clone, Debug, PartialEq)]
pub enum Installs {
    /// All of it.
    All(Vec<InstallEntry>),
    /// All of it, by a system that is not on the device and tells what it last heard: no sign of the device now, and nothing where an agent speaks for
    /// itself.
    Told(Vec<InstallEntry>),
    /// The operating system alone, by itself: what else is installed is for others to say, and nothing where an agent speaks for itself.
    System(InstallEntry),
    /// What changed since the last report.
    Changes {
        /// What is new or has another version.
        present: Vec<InstallEntry>,
        /// What is gone.
        gone: Vec<SlotName>,
    },
}

/// What a device can get from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UniverseReport {
    /// Its key: what decides on the offers, hashed by whoever observes it.
    pub key: SmolStr,
    /// The distribution whose advisories concern it.
    pub distribution: SmolStr,
    /// What it offers; more than what is known is added to it.
    pub offers: Vec<ReleaseEntry>,
}

/// What comes of an input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What is to be logged, in this order, all or nothing.
    pub events: Vec<Event>,
    /// Personal values that have to be kept before the events count.
    pub personal: Vec<Personal>,
    /// A device that checked in ([`super::State::note_seen`]).
    pub seen: Option<u32>,
    /// More devices that checked in ([`super::State::note_all_seen`]).
    pub present: DeviceSet,
    /// What has to be done besides.
    pub effects: Vec<Effect>,
    /// Of the ids of devices and people that were named, those that lead to others, each with the id that has it now.
    pub led: BTreeMap<SmolStr, SmolStr>,
}

/// A personal value.
#[derive(Clone, Debug, PartialEq)]
pub struct Personal {
    /// Its reference.
    pub reference: SmolStr,
    /// Whose it is.
    pub person: PersonId,
    /// The value.
    pub value: Plain,
}

/// What the shell has to do once the events are durable. Each may be done more than once, and counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Erase a person's values beside the log.
    EraseValues(PersonId),
    /// Match the advisories of a distribution's packages anew: packages are new to it.
    Match(SmolStr),
}

/// Why an input is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The token does not permit it.
    #[error("this needs the scope `{}`, which the token does not have", scope_name(*.0))]
    Scope(Scope),
    /// It speaks of something that there is not.
    #[error("there is no {what} `{id}`")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Its id.
        id: SmolStr,
    },
    /// There is one already.
    #[error("there is a {what} `{id}` already")]
    Exists {
        /// What it is.
        what: &'static str,
        /// Its id.
        id: SmolStr,
    },
    /// It is not as it has to be.
    #[error("{0}")]
    Invalid(String),
    /// It does not fit to what is so by now.
    #[error("{0}")]
    Conflict(String),
    /// The rules of approval forbid it.
    #[error("{0}")]
    Forbidden(String),
    /// Two histories claim the device.
    #[error(
        "two devices have reported as `{device}` ({because}): nothing is taken from either until a person has lifted the quarantine (`refit quarantine lift`)"
    )]
    Quarantined {
        /// The device.
        device: DeviceId,
        /// What showed it.
        because: SmolStr,
    },
    /// Others come first.
    #[error("{0}")]
    Busy(String),
    /// Everything is stopped.
    #[error("everything is stopped: {why}; go on with `refit resume --everything --why TEXT`")]
    Stopped {
        /// Why.
        why: SmolStr,
    },
}

impl Refusal {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Scope(_) => "scope-missing",
            Refusal::Missing { .. } => "not-found",
            Refusal::Exists { .. } => "exists",
            Refusal::Invalid(_) => "invalid",
            Refusal::Conflict(_) => "conflict",
            Refusal::Forbidden(_) => "forbidden",
            Refusal::Quarantined { .. } => "quarantined",
            Refusal::Busy(_) => "busy",
            Refusal::Stopped { .. } => "stopped",
        }
    }
}

fn scope_name(scope: Scope) -> String {
    serde_json::to_value(scope).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
