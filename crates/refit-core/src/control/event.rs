//! What has happened: the entries of the log.
//!
//! Events hold inputs and outcomes, never anything that newer code would have to work out again. Each kind has a name that
//! never changes and a version that grows with its fields; [`super::codec`] writes them and reads all versions that were
//! ever written. Bulk is one event: devices are a bitmap of their indexes. Personal values are not here: an event names
//! them by a reference, and the values lie beside the log, from where they can be erased.

mod values;

pub use values::*;

use super::{
    device_set::DeviceSet,
    entry::{AdvisoryEntry, InstallEntry, Plain, ReleaseEntry, SlotName},
    exceptions::ExceptionTerms,
    history::Head,
    publication::{CohortKey, MoveCause},
    reports::ReportOutcome,
    rollouts::AskedFor,
    subscription::SubscriptionRecord,
    token::TokenRecord,
};
use crate::{
    policy::document::test::GateAnswer,
    rollout::{
        Evidence, Verdict,
        disruption::{Holder, Place, Question},
    },
};
use jiff::Timestamp;
use refit_model::{AdvisoryId, DeviceId, PersonId, PlanId, TitleId, TokenId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Declares the events: payload types, and their names and versions in the log.
macro_rules! events {
    ($($name:literal, $version:literal => $(#[$doc:meta])* $variant:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        /// One thing that has happened.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event {
            $($(#[$doc])* $variant($variant),)*
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            pub struct $variant { $($(#[$field_doc])* pub $field: $type,)* }

            impl From<$variant> for Event {
                fn from(payload: $variant) -> Event {
                    Event::$variant(payload)
                }
            }
        )*

        impl Event {
            /// Every kind of event with the version that is written today, sorted as declared.
            pub const KINDS: &'static [(&'static str, u16)] = &[$(($name, $version)),*];

            /// The kind, as the log names it.
            pub fn kind(&self) -> &'static str {
                match self { $(Event::$variant(_) => $name,)* }
            }

            /// The version of its payload.
            pub fn version(&self) -> u16 {
                match self { $(Event::$variant(_) => $version,)* }
            }

            pub(super) fn body(&self, origin: &str) -> serde_json::Result<Vec<u8>> {
                match self { $(Event::$variant(payload) => serde_json::to_vec(&Body { origin, payload }),)* }
            }

            /// Reads a payload of the version that is written today; `None` for a kind that there is not.
            pub(super) fn from_current(kind: &str, body: serde_json::Value) -> Option<serde_json::Result<Event>> {
                match kind {
                    $($name => Some(serde_json::from_value(body).map(Event::$variant)),)*
                    _ => None,
                }
            }

            /// As [`Event::from_current`], from the bytes.
            pub(super) fn read(kind: &str, body: &[u8]) -> Option<serde_json::Result<Event>> {
                match kind {
                    $($name => Some(serde_json::from_slice(body).map(Event::$variant)),)*
                    _ => None,
                }
            }
        }
    };
}

events! {
    "server.started", 2 =>
    /// The server began to listen.
    ServerStarted {
        /// The program's version.
        program: SmolStr,
        /// Since when it had not listened; `None` for the first start. Nobody was silent in that time.
        down_since: Option<Timestamp>,
        /// Since when check-ins may have been heard and not been written down; nobody counts as silent since then.
        unsure_since: Option<Timestamp>,
    }

    "settings.changed", 2 =>
    /// Settings of the server that are no policy.
    SettingsChanged {
        /// How many people, other than the author, have to approve a plan before it is applied.
        approvals: u32,
    }

    "device.enrolled", 2 =>
    /// A device was first known.
    DeviceEnrolled {
        /// Its id.
        device: DeviceId,
        /// Its place in bitmaps; never given to another.
        index: u32,
        /// What people call it.
        name: Option<SmolStr>,
    }

    "device.observed", 2 =>
    /// What a source said of a device, as far as it differs from what it said before.
    DeviceObserved {
        /// The device.
        device: DeviceId,
        /// The source.
        source: SmolStr,
        /// When it was observed.
        observed: Timestamp,
        /// Facts that differ, by field (`device.platform`); null is: no longer said.
        facts: BTreeMap<SmolStr, Option<Plain>>,
        /// Whether the source has said again all that it said before, so that its facts are as fresh as this.
        confirmed: bool,
        /// Installs that are new or have another version, or whose source was not known.
        present: Vec<InstallEntry>,
        /// Slots that are empty now.
        gone: Vec<SlotName>,
        /// What the device can get from; `None` where it is as before.
        universe: Option<SmolStr>,
        /// Which check-in this is, where the source counts them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        check_in: Option<Head>,
        /// Whether it speaks of no install but the operating system: what else is there is for others to say.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        system: bool,
    }

    "device.quarantined", 1 =>
    /// Two histories claim one device. What is published for it stays, and it is given nothing new until a person has looked.
    DeviceQuarantined {
        /// The device.
        device: DeviceId,
        /// The source of the report that showed it.
        source: SmolStr,
        /// Which check-in that report was, by its own count.
        check_in: Option<Head>,
        /// What showed it, in words.
        because: SmolStr,
    }

    "quarantine.lifted", 1 =>
    /// A person says that a device is one again. Its history begins with its next check-in.
    QuarantineLifted {
        /// The device.
        device: DeviceId,
        /// Why.
        why: SmolStr,
    }

    "device.retired", 2 =>
    /// A device is no longer managed.
    DeviceRetired {
        /// The device.
        device: DeviceId,
    }

    "device.merged", 1 =>
    /// Two devices are one. The one that was known first stays as it is; the id of the other leads to it.
    DeviceMerged {
        /// The one that is no more.
        from: DeviceId,
        /// The one that it is.
        into: DeviceId,
    }

    "device.split", 1 =>
    /// A device that was merged into another is by itself after all, under the id that it had.
    DeviceSplit {
        /// The one that it had been merged into.
        from: DeviceId,
        /// The one that is by itself again.
        device: DeviceId,
    }

    "presence.seen", 2 =>
    /// Devices that checked in during a quarter of an hour.
    PresenceSeen {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
        /// The devices.
        devices: DeviceSet,
    }

    "person.observed", 2 =>
    /// What a source said of a person. The values are personal, and named by reference.
    PersonObserved {
        /// The person.
        person: PersonId,
        /// The source.
        source: SmolStr,
        /// When it was observed.
        observed: Timestamp,
        /// References by field (`department`); null is: no longer said.
        values: BTreeMap<SmolStr, Option<SmolStr>>,
    }

    "person.assigned", 2 =>
    /// A device was given to a person, or to nobody.
    PersonAssigned {
        /// The device.
        device: DeviceId,
        /// Its primary person; `None` is nobody.
        person: Option<PersonId>,
    }

    "person.changed", 1 =>
    /// Somebody has joined, moved or left, by what the most trusted sources say. The values are personal, and not here.
    PersonChanged {
        /// The person.
        person: PersonId,
        /// What has changed.
        change: PersonChange,
    }

    "person.merged", 1 =>
    /// Two people are one. The one who was known first stays; the id of the other leads there.
    PersonMerged {
        /// The one who is no more.
        from: PersonId,
        /// Who that is.
        into: PersonId,
    }

    "person.split", 1 =>
    /// Somebody who was merged into another is somebody else after all, under the id that they had.
    PersonSplit {
        /// Whom they had been merged into.
        from: PersonId,
        /// Who is somebody else again.
        person: PersonId,
    }

    "group.observed", 1 =>
    /// What a source said of a group of people. Who is in it is personal: those are values of the people.
    GroupObserved {
        /// The source.
        source: SmolStr,
        /// The group's id, as the source was given it.
        group: SmolStr,
        /// What it is called; `None` where the source speaks of it no longer.
        name: Option<SmolStr>,
        /// The source's own id of it.
        external: Option<SmolStr>,
    }

    "source.read", 1 =>
    /// A source was read, or could not be: how much it has, and why it is not believed now. What it said of devices and people are
    /// events of their own.
    SourceRead {
        /// The source.
        source: SmolStr,
        /// When it was last read and believed; `None` is never.
        read: Option<Timestamp>,
        /// How many records it has.
        records: u64,
        /// Why it keeps its last good state; `None` where it is believed.
        alarm: Option<SourceAlarm>,
        /// What was wrong with it when it was written down before; the server says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<SourceTrouble>,
        /// How much of it was set aside when it was last read: records, and parts of them.
        #[serde(default, skip_serializing_if = "is_zero")]
        set_aside: u64,
        /// How many of its values no map covers.
        #[serde(default, skip_serializing_if = "is_zero")]
        uncovered: u64,
        /// Of which fields it keeps an answer alone, since what they are read from is sensitive, and what for (`person.on_leave`).
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        purposes: BTreeMap<SmolStr, SmolStr>,
    }

    "person.erased", 2 =>
    /// All personal values of a person were erased.
    PersonErased {
        /// The person.
        person: PersonId,
    }

    "releases.published", 2 =>
    /// Releases became known.
    ReleasesPublished {
        /// Who said so.
        source: SmolStr,
        /// The releases.
        releases: Vec<ReleaseEntry>,
    }

    "advisories.published", 2 =>
    /// Advisories became known, or what is known of them changed.
    AdvisoriesPublished {
        /// Who said so.
        source: SmolStr,
        /// The advisories; each replaces what was known of the same id and title.
        advisories: Vec<AdvisoryEntry>,
    }

    "universe.offered", 2 =>
    /// A universe offers releases that it was not known to offer.
    UniverseOffered {
        /// The universe.
        universe: SmolStr,
        /// The distribution whose advisories concern it: `debian/bookworm`.
        distribution: SmolStr,
        /// What it offers besides what was known.
        offers: Vec<ReleaseEntry>,
    }

    "distribution.matched", 2 =>
    /// The advisories of a distribution's packages were matched anew; what was known before is replaced.
    DistributionMatched {
        /// The distribution: `debian/bookworm`.
        distribution: SmolStr,
        /// SHA-256 of the content that lists them.
        content: SmolStr,
        /// How many there are.
        advisories: u64,
    }

    "plan.made", 2 =>
    /// Somebody asked what a policy revision would change.
    PlanMade {
        /// The plan.
        plan: PlanId,
        /// SHA-256 of the policy repository.
        policy_hash: SmolStr,
        /// SHA-256 of the content that holds its files.
        files: SmolStr,
        /// The revision that it would replace; 0 is none.
        replaces: u64,
        /// SHA-256 of the content that holds the plan as it was shown.
        content: SmolStr,
        /// Who owns the token that asked.
        author: SmolStr,
        /// The time of which it speaks: what has happened since it does not show. Older entries do not say; then it is when they were made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_of: Option<Timestamp>,
    }

    "plan.approved", 2 =>
    /// A person approved a plan.
    PlanApproved {
        /// The plan.
        plan: PlanId,
        /// The person.
        by: SmolStr,
    }

    "plan.rejected", 2 =>
    /// A person rejected a plan.
    PlanRejected {
        /// The plan.
        plan: PlanId,
        /// Why.
        why: SmolStr,
    }

    "policy.applied", 2 =>
    /// A plan was applied: its policy is in force from now on.
    PolicyApplied {
        /// The plan.
        plan: PlanId,
        /// The number of the revision, from 1.
        revision: u64,
        /// SHA-256 of the policy repository.
        policy_hash: SmolStr,
        /// SHA-256 of the content that holds its files.
        files: SmolStr,
        /// What the plan permits, and for how many devices.
        envelope: Vec<(CohortKey, u64)>,
    }

    "moves.published", 2 =>
    /// Devices were given other directives.
    MovesPublished {
        /// The policy revision under which they were decided.
        revision: u64,
        /// Devices that have now been looked at under that revision.
        settled: DeviceSet,
        /// What was published, by cohort.
        cohorts: Vec<PublishedCohort>,
        /// Slots for which nothing is published any more.
        withdrawn: Vec<(SlotName, DeviceSet)>,
        /// Devices that spent a budget, by what moved them.
        spent: BTreeMap<MoveCause, DeviceSet>,
        /// The groups of the fields that budgets divide by, for the devices that spent one; personal values are digests.
        groups: BTreeMap<SmolStr, BTreeMap<SmolStr, DeviceSet>>,
        /// Moves that a plan's envelope paid for: plan, what, how many devices.
        permitted: Vec<(PlanId, CohortKey, u64)>,
    }

    "moves.held", 2 =>
    /// Moves that a budget or an envelope does not permit wait for a person.
    MovesHeld {
        /// The plan that a person has to approve or reject.
        plan: PlanId,
        /// Moves that are held from now on.
        held: Vec<HeldCohort>,
        /// Devices with moves that are no longer wanted, or are published by now.
        freed: DeviceSet,
    }

    "obligations.noted", 2 =>
    /// Conditions that have held, spells that began or ended, offers that clocks began with, and how slots stand.
    ObligationsNoted {
        /// Advisory, text of the condition, since when.
        latches: Vec<(AdvisoryId, SmolStr, Timestamp)>,
        /// Slot, since when, devices.
        began: Vec<(SlotName, Timestamp, DeviceSet)>,
        /// Slot, devices.
        ended: Vec<(SlotName, DeviceSet)>,
        /// Slot, the first offer that an obligation's clock began with, devices.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        offered: Vec<(SlotName, FirstOffered, DeviceSet)>,
        /// Slots that stand otherwise than was noted before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stands: Vec<StandingChange>,
        /// Devices that were not seen for so long that nothing can be said of them.
        #[serde(default, skip_serializing_if = "DeviceSet::is_empty")]
        unseen: DeviceSet,
        /// Devices of which that was noted, and that are seen again.
        #[serde(default, skip_serializing_if = "DeviceSet::is_empty")]
        seen: DeviceSet,
    }

    "receipt.received", 3 =>
    /// A device reported what came of a directive.
    ReceiptReceived {
        /// The device.
        device: DeviceId,
        /// The report's own id: the same one counts once.
        receipt: SmolStr,
        /// The slot.
        slot: SlotName,
        /// The version that was to come; `None` where it was to go, or nobody knows.
        wanted: Option<SmolStr>,
        /// What came of it.
        result: super::entry::ReceiptResult,
        /// The version before, as observed.
        before: Option<SmolStr>,
        /// The version afterwards, as observed.
        after: Option<SmolStr>,
        /// When it ended.
        at: Timestamp,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// SHA-256 of the content that holds its output, which has a retention of its own.
        output: Option<SmolStr>,
    }

    "ring.opened", 3 =>
    /// A ring of a rollout opened for a release.
    RingOpened {
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
        /// Who was in it, where that was fixed.
        members: Option<DeviceSet>,
        /// The releases that move as one, where it is a snapshot.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        releases: Vec<(TitleId, SmolStr)>,
    }

    "gate.answered", 3 =>
    /// A gate answered for a release.
    GateAnswered {
        /// The title.
        title: TitleId,
        /// The release.
        version: SmolStr,
        /// The rollout in which the gate stands; `None` is every rollout with such a ring.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<SmolStr>,
        /// The ring before the gate.
        after: SmolStr,
        /// The platform that it speaks of; `None` is every platform.
        platform: Option<SmolStr>,
        /// The answer; `None` takes back what was answered.
        answer: Option<GateAnswer>,
        /// Until when it counts; `None` is: until it is taken back.
        until: Option<Timestamp>,
        /// Why, where the evidence answered.
        verdict: Option<Verdict>,
        /// What it went by.
        evidence: Option<Evidence>,
        /// Why, where a person answered.
        why: Option<SmolStr>,
    }

    "gate.asked", 1 =>
    /// A person was asked whether a release goes on, because its gate does not say.
    GateAsked {
        /// The title.
        title: TitleId,
        /// The release.
        version: SmolStr,
        /// The rollout in which the gate stands.
        rollout: SmolStr,
        /// The ring before the gate.
        after: SmolStr,
        /// The platform that it speaks of; `None` is every platform.
        platform: Option<SmolStr>,
        /// Why.
        because: AskedFor,
        /// What the gate is in want of; `None` where the rollout has none.
        verdict: Option<Verdict>,
        /// What it goes by.
        evidence: Option<Evidence>,
    }

    "release.expedited", 1 =>
    /// Somebody asked that a release waits for no gate.
    ReleaseExpedited {
        /// The title.
        title: TitleId,
        /// The release.
        version: SmolStr,
        /// The platform; `None` is every platform.
        platform: Option<SmolStr>,
        /// Why.
        why: SmolStr,
    }

    "brake.pulled", 2 =>
    /// Everything was stopped.
    BrakePulled {
        /// Why.
        why: SmolStr,
    }

    "brake.released", 2 =>
    /// What was stopped goes on.
    BrakeReleased {
        /// Why.
        why: SmolStr,
    }

    "token.created", 2 =>
    /// A token was made.
    TokenCreated {
        /// Its id.
        token: TokenId,
        /// What is kept of it; never the secret.
        record: TokenRecord,
    }

    "token.revoked", 2 =>
    /// A token no longer counts.
    TokenRevoked {
        /// Its id.
        token: TokenId,
    }

    "server.epoch", 1 =>
    /// The server counts anew: its log came from a backup, so devices may have seen what it does not know.
    EpochRaised {
        /// The epoch from now on.
        epoch: u64,
    }

    "enrolment.created", 1 =>
    /// An enrolment token was made.
    EnrolmentCreated {
        /// Its id.
        enrolment: TokenId,
        /// What is kept of it; never the secret.
        record: super::agents::EnrolmentRecord,
    }

    "enrolment.revoked", 1 =>
    /// An enrolment token no longer counts.
    EnrolmentRevoked {
        /// Its id.
        enrolment: TokenId,
    }

    "device.joined", 1 =>
    /// A device's agent enrolled, for the first time or again. Certificates that it had do not count any more.
    DeviceJoined {
        /// The device.
        device: DeviceId,
        /// The enrolment token.
        enrolment: TokenId,
        /// SHA-256 of the machine's own id and the organisation.
        machine: SmolStr,
        /// The agent's version.
        agent: SmolStr,
    }

    "certificate.issued", 1 =>
    /// A device got a certificate.
    CertificateIssued {
        /// The device.
        device: DeviceId,
        /// Its serial number, in hexadecimal.
        serial: SmolStr,
        /// When it ends.
        until: Timestamp,
        /// The one that goes on counting beside it until that ends: the device asked with it. No other does.
        beside: Option<SmolStr>,
    }

    "certificate.revoked", 1 =>
    /// No certificate of a device counts any more.
    CertificateRevoked {
        /// The device.
        device: DeviceId,
        /// Why.
        why: SmolStr,
    }

    "root.published", 1 =>
    /// The organisation published a root.
    RootPublished {
        /// Its number.
        version: u64,
        /// The organisation.
        organization: SmolStr,
        /// SHA-256 of its payload.
        fingerprint: SmolStr,
        /// SHA-256 of the content that holds it in its envelope.
        content: SmolStr,
        /// When it expires.
        expires: Timestamp,
    }

    "mandate.published", 1 =>
    /// The organisation published a mandate.
    MandatePublished {
        /// Its number.
        number: u64,
        /// SHA-256 of its payload.
        digest: SmolStr,
        /// SHA-256 of the content that holds it in its envelope.
        content: SmolStr,
        /// SHA-256 of the policy repository that it was made from.
        policy: SmolStr,
        /// When it expires.
        expires: Timestamp,
        /// The longest lease that it permits, in seconds.
        lease_seconds: u64,
    }

    "lease.taken", 1 =>
    /// Somebody got a lease of disruption groups, or of more of them for the session that goes on.
    LeaseTaken {
        /// Who.
        holder: Holder,
        /// The groups that it is of, with the terms that count until it is given back.
        places: BTreeSet<Place>,
    }

    "lease.answered", 1 =>
    /// A hook said whether a session may begin, or whether its holder is well. The same answer is written down once.
    LeaseAnswered {
        /// Who has the lease.
        holder: Holder,
        /// What it was asked.
        question: Question,
        /// The hook.
        hook: SmolStr,
        /// Whether it agrees.
        agrees: bool,
        /// What it said, where it does not.
        said: SmolStr,
    }

    "lease.ended", 1 =>
    /// The session of a lease is over: all was seen that was to be done. It settles.
    LeaseEnded {
        /// Who has the lease.
        holder: Holder,
        /// Whether anything was changed.
        changed: bool,
        /// Until when the holder does not ask again, where it could do nothing.
        rests: Option<Timestamp>,
    }

    "lease.resumed", 1 =>
    /// The session was not over after all: something failed, or waits for a restart.
    LeaseResumed {
        /// Who has the lease.
        holder: Holder,
        /// Whether the hooks have to agree again that it begins; they had not in logs from before this was written down.
        #[serde(default)]
        drains: bool,
    }

    "lease.settled", 1 =>
    /// It has settled, and hooks are asked whether its holder is well.
    LeaseSettled {
        /// Who has the lease.
        holder: Holder,
    }

    "lease.withdrawn", 1 =>
    /// A person gave a lease back. The device may act on what it was told until then, and the place stays taken.
    LeaseWithdrawn {
        /// Who has the lease.
        holder: Holder,
        /// Until when.
        until: Timestamp,
        /// Why.
        why: SmolStr,
    }

    "lease.returned", 1 =>
    /// A lease was given back: its place is free.
    LeaseReturned {
        /// Who had it.
        holder: Holder,
    }

    "webhook.set", 1 =>
    /// A name that policies may use was bound to an address, or is bound to none any more.
    WebhookSet {
        /// The name.
        name: SmolStr,
        /// The address.
        url: Option<SmolStr>,
    }

    "device.stands", 1 =>
    /// What a device says of its directives has changed: what they wait for, and what it refused.
    DeviceStands {
        /// The device.
        device: DeviceId,
        /// The agent's version.
        agent: SmolStr,
        /// Where directives stand.
        standing: Vec<refit_wire::protocol::Standing>,
        /// What it refused or could not do.
        problems: Vec<refit_wire::protocol::Problem>,
    }

    "complaint.received", 1 =>
    /// A person said that something is broken on a device. The words are content, with a retention of its own.
    ComplaintReceived {
        /// The device.
        device: DeviceId,
        /// The complaint's own id: the same one counts once.
        complaint: SmolStr,
        /// When.
        at: Timestamp,
        /// What is broken, where the person named it.
        title: Option<SmolStr>,
        /// SHA-256 of the content that holds the words.
        text: SmolStr,
    }

    "signal.read", 1 =>
    /// A monitoring system said something of devices.
    SignalRead {
        /// The source.
        source: SmolStr,
        /// The signal.
        signal: SmolStr,
        /// When it was so.
        at: Timestamp,
        /// Whether these are all devices that the signal knows: of others nothing is said any more.
        whole: bool,
        /// Devices of which it says something bad.
        bad: DeviceSet,
        /// Devices of which it says nothing bad.
        fine: DeviceSet,
    }

    "subscription.set", 1 =>
    /// Somebody is sent business events, or is sent them elsewhere, others, or under a new secret.
    SubscriptionSet {
        /// The subscription's id.
        subscription: SmolStr,
        /// What it is; never the secret.
        record: SubscriptionRecord,
    }

    "subscription.removed", 1 =>
    /// Nothing more is sent.
    SubscriptionRemoved {
        /// The subscription's id.
        subscription: SmolStr,
    }

    "brake.reached", 1 =>
    /// Devices said that they honour the brake.
    BrakeReached {
        /// By how many seconds it took since the brake was pulled.
        after: Vec<(u64, DeviceSet)>,
    }

    "target.observed", 1 =>
    /// A system that configuration is written to was looked at, or could not be: what is not as Refit left it there.
    TargetObserved {
        /// The target.
        target: SmolStr,
        /// What kind of system it is.
        kind: SmolStr,
        /// When it was last looked at; `None` is never.
        observed: Option<Timestamp>,
        /// What was changed there by hand, and is still so.
        drifted: Vec<DriftedObject>,
        /// What was changed there by hand, and undone when it was looked at, as the target's document asks.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        undone: Vec<DriftedObject>,
        /// Why it could not be looked at, or not be brought back; `None` where it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trouble: Option<SmolStr>,
        /// What had been changed when it was written down before; the server says it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        was: Vec<DriftedObject>,
    }

    "report.opened", 1 =>
    /// Somebody said through the API that something is broken on a device. The words are content, with a retention of its own.
    ReportOpened {
        /// The report's id.
        report: SmolStr,
        /// The device.
        device: DeviceId,
        /// Whose words these are; `None` is: the device's person's.
        person: Option<PersonId>,
        /// Who passed them on: the owner of the token.
        by: SmolStr,
        /// Since when it is so.
        at: Timestamp,
        /// What is broken, where somebody named it.
        title: Option<SmolStr>,
        /// SHA-256 of the content that holds the words.
        text: SmolStr,
    }

    "report.acknowledged", 1 =>
    /// Somebody looks at a report.
    ReportAcknowledged {
        /// The report.
        report: SmolStr,
        /// The device.
        device: DeviceId,
        /// Who.
        by: SmolStr,
    }

    "report.closed", 1 =>
    /// A report was answered.
    ReportClosed {
        /// The report.
        report: SmolStr,
        /// The device.
        device: DeviceId,
        /// What came of it.
        outcome: ReportOutcome,
        /// The title that it turned out to be about.
        title: Option<TitleId>,
        /// The release: that is to be blocked, or that mends it.
        version: Option<SmolStr>,
        /// Why.
        why: SmolStr,
        /// Who answered.
        by: SmolStr,
    }

    "report.shown", 1 =>
    /// The answers to reports were shown on the device.
    ReportShown {
        /// The device.
        device: DeviceId,
        /// The reports.
        reports: Vec<SmolStr>,
    }

    "exception.requested", 1 =>
    /// Somebody asked for an exception.
    ExceptionRequested {
        /// Its name.
        exception: SmolStr,
        /// What is asked for.
        terms: ExceptionTerms,
        /// Who asks: the owner of the token.
        by: SmolStr,
        /// The rule that permits to ask, and says who decides.
        rule: SmolStr,
    }

    "exception.approved", 1 =>
    /// A person agreed to an exception.
    ExceptionApproved {
        /// Its name.
        exception: SmolStr,
        /// Who.
        by: SmolStr,
    }

    "exception.granted", 1 =>
    /// An exception acts from now on.
    ExceptionGranted {
        /// Its name.
        exception: SmolStr,
        /// The document, as decisions read it.
        document: SmolStr,
        /// Whether something that is known to be exploited was open, so that two people had to agree.
        kev: bool,
    }

    "exception.refused", 1 =>
    /// A person refused an exception.
    ExceptionRefused {
        /// Its name.
        exception: SmolStr,
        /// Who.
        by: SmolStr,
        /// Why.
        why: SmolStr,
    }

    "exception.withdrawn", 1 =>
    /// An exception acts no more, or is asked for no more.
    ExceptionWithdrawn {
        /// Its name.
        exception: SmolStr,
        /// Who withdrew it.
        by: SmolStr,
        /// Why.
        why: SmolStr,
    }

    "exception.expiring", 1 =>
    /// An exception ends soon.
    ExceptionExpiring {
        /// Its name.
        exception: SmolStr,
        /// Its last day.
        until: SmolStr,
    }

    "exception.expired", 1 =>
    /// An exception has ended, wherever a device is; or nobody has decided before it would have.
    ExceptionExpired {
        /// Its name.
        exception: SmolStr,
    }

    "approval.answered", 1 =>
    /// People answered, in another system, whether the rings of a release may open that wait for that.
    ApprovalAnswered {
        /// The title.
        title: TitleId,
        /// The release.
        version: SmolStr,
        /// The rollout.
        rollout: SmolStr,
        /// The platform; `None` is every platform.
        platform: Option<SmolStr>,
        /// The process in which they answered.
        process: SmolStr,
        /// Whether they agree.
        agrees: bool,
        /// What is written down of it there.
        why: SmolStr,
    }
}

/// What the log has of an event: from where it came, and what there is to say.
#[derive(Serialize)]
struct Body<'b, P> {
    origin: &'b str,
    #[serde(flatten)]
    payload: &'b P,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
