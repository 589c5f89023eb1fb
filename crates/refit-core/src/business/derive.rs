//! What an entry of the log means to the business.
//!
//! Nothing is read but the entry and which device has which index, which never changes: the same entry always gives the same events.

use super::{data::*, kinds::Kind, standing};
use crate::{
    control::{
        DeviceSet, Event, GateAnswered, GateAsked, HeldCohort, MovesHeld, PersonChange, ReceiptReceived, ReceiptResult,
        SourceRead, SourceTrouble, report_id,
    },
    policy::document::test::GateAnswer,
};
use imbl::Vector;
use refit_model::{DeviceId, TitleId};
use std::collections::BTreeMap;

/// A business event without its envelope.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// Its type.
    pub kind: Kind,
    /// What it is about; `None` where that is more than one thing.
    pub subject: Option<String>,
    /// What there is to say.
    pub data: Data,
}

/// Whether an entry of this kind may mean anything; others need not be read.
pub fn concerns(kind: &str) -> bool {
    const NOTHING: [&str; 19] = [
        "server.started",
        "settings.changed",
        "device.observed",
        "presence.seen",
        "person.observed",
        "person.merged",
        "person.split",
        "group.observed",
        "universe.offered",
        "distribution.matched",
        "moves.published",
        "server.epoch",
        "certificate.issued",
        "webhook.set",
        "device.stands",
        "signal.read",
        "brake.reached",
        "report.shown",
        "exception.approved",
    ];
    !NOTHING.contains(&kind) && !kind.starts_with("lease.") && !kind.starts_with("subscription.")
}

/// What an entry means, in an order that is always the same. `by_index` are the ids of devices by index, as of this entry or of any later one.
pub fn derive(event: &Event, by_index: &Vector<DeviceId>) -> Vec<Derived> {
    let mut found = Found { by_index, events: Vec::new() };
    found.event(event);
    found.events
}

/// What has been derived.
pub(super) struct Found<'i> {
    by_index: &'i Vector<DeviceId>,
    events: Vec<Derived>,
}

impl Found<'_> {
    pub(super) fn push(&mut self, kind: Kind, subject: Option<String>, data: Data) {
        self.events.push(Derived { kind, subject, data });
    }

    /// The ids of devices, in as many lists as there have to be.
    pub(super) fn lists(&self, devices: &DeviceSet) -> Vec<Vec<String>> {
        let ids = devices.iter().filter_map(|index| self.by_index.get(index as usize));
        let ids: Vec<String> = ids.map(ToString::to_string).collect();
        ids.chunks(DEVICES_MOST).map(<[String]>::to_vec).collect()
    }

    /// Events about devices and nothing else.
    pub(super) fn devices(&mut self, kind: Kind, devices: &DeviceSet) {
        for devices in self.lists(devices) {
            let subject = only(&devices);
            self.push(kind, subject, Data::Devices(DevicesData { count: devices.len() as u64, devices }));
        }
    }

    fn device(&mut self, kind: Kind, device: &DeviceId) {
        let device = device.to_string();
        self.push(kind, Some(device.clone()), Data::Device(DeviceData { device }));
    }

    fn device_reason(&mut self, kind: Kind, device: &DeviceId, why: &str) {
        let device = device.to_string();
        let data = DeviceReasonData { device: device.clone(), why: why.to_owned() };
        self.push(kind, Some(device), Data::DeviceReason(data));
    }

    fn merged(&mut self, kind: Kind, device: &DeviceId, other: &DeviceId) {
        let data = DeviceMergedData { device: device.to_string(), other: other.to_string() };
        self.push(kind, Some(other.to_string()), Data::DeviceMerged(data));
    }

    fn plan(&mut self, kind: Kind, plan: &refit_model::PlanId, replaces: Option<u64>, why: Option<&str>) {
        let plan = plan.to_string();
        let data = PlanData { plan: plan.clone(), replaces, why: why.map(str::to_owned) };
        self.push(kind, Some(plan), Data::Plan(data));
    }

    fn access(&mut self, kind: Kind, token: &refit_model::TokenId, expires: Option<jiff::Timestamp>) {
        let token = token.to_string();
        self.push(kind, Some(token.clone()), Data::Access(AccessData { token, expires }));
    }

    fn opened(&mut self, report: &str, device: &DeviceId, title: Option<&str>) {
        let data = ReportData {
            report: report.to_owned(),
            device: device.to_string(),
            title: title.map(str::to_owned),
            outcome: None,
            version: None,
        };
        self.push(Kind::ReportOpened, Some(report.to_owned()), Data::Report(data));
    }

    fn exception(&mut self, kind: Kind, name: &str) {
        self.push(kind, Some(name.to_owned()), Data::Exception(exception(name)));
    }

    fn reason(&mut self, kind: Kind, why: &str) {
        self.push(kind, None, Data::Reason(ReasonData { why: why.to_owned() }));
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::DeviceEnrolled(enrolled) => self.device(Kind::DeviceEnrolled, &enrolled.device),
            Event::DeviceRetired(retired) => self.device(Kind::DeviceRetired, &retired.device),
            Event::DeviceMerged(merged) => self.merged(Kind::DeviceMerged, &merged.into, &merged.from),
            Event::DeviceSplit(split) => self.merged(Kind::DeviceSplit, &split.from, &split.device),
            Event::DeviceJoined(joined) => {
                let device = joined.device.to_string();
                let data = DeviceJoinedData {
                    device: device.clone(),
                    agent: joined.agent.to_string(),
                    enrolment: joined.enrolment.to_string(),
                };
                self.push(Kind::DeviceJoined, Some(device), Data::DeviceJoined(data));
            }
            Event::DeviceQuarantined(quarantined) => {
                self.device_reason(Kind::DeviceQuarantined, &quarantined.device, &quarantined.because);
            }
            Event::QuarantineLifted(lifted) => {
                self.device_reason(Kind::DeviceQuarantineLifted, &lifted.device, &lifted.why);
            }
            Event::CertificateRevoked(revoked) => {
                self.device_reason(Kind::CertificateRevoked, &revoked.device, &revoked.why);
            }
            Event::PersonAssigned(assigned) => {
                let device = assigned.device.to_string();
                let person = assigned.person.as_ref().map(ToString::to_string);
                let data = DeviceAssignedData { device: device.clone(), person };
                self.push(Kind::DeviceAssigned, Some(device), Data::DeviceAssigned(data));
            }
            Event::PersonChanged(changed) => {
                let kind = match changed.change {
                    PersonChange::Began => Kind::PersonJoined,
                    PersonChange::Ended => Kind::PersonLeft,
                    PersonChange::Department | PersonChange::Site => Kind::PersonMoved,
                };
                let person = changed.person.to_string();
                let data = PersonData { person: person.clone(), change: Some(changed.change) };
                self.push(kind, Some(person), Data::Person(data));
            }
            Event::PersonErased(erased) => {
                let person = erased.person.to_string();
                let data = PersonData { person: person.clone(), change: None };
                self.push(Kind::PersonErased, Some(person), Data::Person(data));
            }
            Event::SourceRead(read) => self.source(read),
            Event::ReleasesPublished(published) => {
                for release in &published.releases {
                    let (title, version) = (release.title.to_string(), release.version.to_string());
                    let data = ReleaseData {
                        title,
                        branch: release.branch.as_ref().map(ToString::to_string),
                        version,
                        published: release.published,
                        source: published.source.to_string(),
                    };
                    let subject = about(&release.title, &release.version);
                    self.push(Kind::ReleasePublished, Some(subject), Data::Release(data));
                }
            }
            Event::AdvisoriesPublished(published) => self.advisories(&published.source, &published.advisories),
            Event::PlanMade(made) => self.plan(Kind::PlanProposed, &made.plan, Some(made.replaces), None),
            Event::PlanApproved(approved) => self.plan(Kind::PlanApproved, &approved.plan, None, None),
            Event::PlanRejected(rejected) => self.plan(Kind::PlanRejected, &rejected.plan, None, Some(&rejected.why)),
            Event::PolicyApplied(applied) => {
                let plan = applied.plan.to_string();
                let policy_hash = applied.policy_hash.to_string();
                let data = PolicyData { plan, revision: applied.revision, policy_hash };
                self.push(Kind::PolicyApplied, None, Data::Policy(data));
            }
            Event::MovesHeld(held) => self.held(held),
            Event::ObligationsNoted(noted) => standing::noted(self, noted),
            Event::ReceiptReceived(receipt) => self.receipt(receipt),
            Event::RingOpened(opened) => {
                let data = RolloutData {
                    title: opened.title.to_string(),
                    version: opened.version.to_string(),
                    platform: opened.platform.as_ref().map(ToString::to_string),
                    rollout: Some(opened.rollout.to_string()),
                    ring: Some(opened.ring.to_string()),
                    answer: None,
                    until: None,
                    count: opened.members.as_ref().map(DeviceSet::len),
                    reported: None,
                    failed: None,
                    why: None,
                };
                let subject = about(&opened.title, &opened.version);
                self.push(Kind::RolloutRingOpened, Some(subject), Data::Rollout(data));
            }
            Event::GateAnswered(answered) => self.answered(answered),
            Event::GateAsked(asked) => self.asked(asked),
            Event::ReleaseExpedited(expedited) => {
                let data = RolloutData {
                    title: expedited.title.to_string(),
                    version: expedited.version.to_string(),
                    platform: expedited.platform.as_ref().map(ToString::to_string),
                    rollout: None,
                    ring: None,
                    answer: None,
                    until: None,
                    count: None,
                    reported: None,
                    failed: None,
                    why: Some(expedited.why.to_string()),
                };
                let subject = about(&expedited.title, &expedited.version);
                self.push(Kind::RolloutExpedited, Some(subject), Data::Rollout(data));
            }
            Event::BrakePulled(pulled) => self.reason(Kind::FleetStopped, &pulled.why),
            Event::BrakeReleased(released) => self.reason(Kind::FleetResumed, &released.why),
            Event::TokenCreated(created) => {
                self.access(Kind::TokenCreated, &created.token, Some(created.record.expires));
            }
            Event::TokenRevoked(revoked) => self.access(Kind::TokenRevoked, &revoked.token, None),
            Event::EnrolmentCreated(created) => {
                self.access(Kind::EnrolmentCreated, &created.enrolment, Some(created.record.expires));
            }
            Event::EnrolmentRevoked(revoked) => self.access(Kind::EnrolmentRevoked, &revoked.enrolment, None),
            Event::RootPublished(root) => {
                let digest = root.fingerprint.to_string();
                let data = SignedData { number: root.version, digest, expires: root.expires };
                self.push(Kind::RootPublished, None, Data::Signed(data));
            }
            Event::MandatePublished(mandate) => {
                let digest = mandate.digest.to_string();
                let data = SignedData { number: mandate.number, digest, expires: mandate.expires };
                self.push(Kind::MandatePublished, None, Data::Signed(data));
            }
            Event::ComplaintReceived(complaint) => {
                let device = complaint.device.to_string();
                let data = ComplaintData {
                    device: device.clone(),
                    complaint: complaint.complaint.to_string(),
                    title: complaint.title.as_ref().map(ToString::to_string),
                };
                self.push(Kind::ComplaintReceived, Some(device), Data::Complaint(data));
                let report = report_id(&complaint.device, &complaint.complaint);
                self.opened(&report, &complaint.device, complaint.title.as_deref());
            }
            Event::ReportOpened(opened) => self.opened(&opened.report, &opened.device, opened.title.as_deref()),
            Event::ReportAcknowledged(taken) => {
                let data = ReportData {
                    report: taken.report.to_string(),
                    device: taken.device.to_string(),
                    title: None,
                    outcome: None,
                    version: None,
                };
                self.push(Kind::ReportAnswered, Some(data.report.clone()), Data::Report(data));
            }
            Event::ReportClosed(closed) => {
                let data = ReportData {
                    report: closed.report.to_string(),
                    device: closed.device.to_string(),
                    title: closed.title.as_ref().map(ToString::to_string),
                    outcome: Some(closed.outcome),
                    version: closed.version.as_ref().map(ToString::to_string),
                };
                self.push(Kind::ReportClosed, Some(data.report.clone()), Data::Report(data));
            }
            Event::ExceptionRequested(asked) => {
                let data = ExceptionData {
                    titles: asked.terms.software.clone(),
                    last_day: Some(asked.terms.until.to_string()),
                    rule: Some(asked.rule.to_string()),
                    ..exception(&asked.exception)
                };
                self.push(Kind::ExceptionRequested, Some(data.exception.clone()), Data::Exception(data));
            }
            Event::ExceptionGranted(granted) => {
                let data = ExceptionData { kev: Some(granted.kev), ..exception(&granted.exception) };
                self.push(Kind::ExceptionGranted, Some(data.exception.clone()), Data::Exception(data));
            }
            Event::ExceptionExpiring(expiring) => {
                let data =
                    ExceptionData { last_day: Some(expiring.until.to_string()), ..exception(&expiring.exception) };
                self.push(Kind::ExceptionExpiring, Some(data.exception.clone()), Data::Exception(data));
            }
            Event::ExceptionRefused(refused) => self.exception(Kind::ExceptionRefused, &refused.exception),
            Event::ExceptionWithdrawn(over) => self.exception(Kind::ExceptionWithdrawn, &over.exception),
            Event::ExceptionExpired(over) => self.exception(Kind::ExceptionExpired, &over.exception),
            Event::ServerStarted(_)
            | Event::SettingsChanged(_)
            | Event::DeviceObserved(_)
            | Event::PresenceSeen(_)
            | Event::PersonObserved(_)
            | Event::PersonMerged(_)
            | Event::PersonSplit(_)
            | Event::GroupObserved(_)
            | Event::UniverseOffered(_)
            | Event::DistributionMatched(_)
            | Event::MovesPublished(_)
            | Event::EpochRaised(_)
            | Event::CertificateIssued(_)
            | Event::LeaseTaken(_)
            | Event::LeaseAnswered(_)
            | Event::LeaseEnded(_)
            | Event::LeaseResumed(_)
            | Event::LeaseSettled(_)
            | Event::LeaseWithdrawn(_)
            | Event::LeaseReturned(_)
            | Event::WebhookSet(_)
            | Event::SubscriptionSet(_)
            | Event::SubscriptionRemoved(_)
            | Event::DeviceStands(_)
            | Event::SignalRead(_)
            | Event::BrakeReached(_)
            | Event::ReportShown(_)
            | Event::ExceptionApproved(_) => {}
        }
    }

    /// A source is news when it stands otherwise than before; how many records it has is not.
    fn source(&mut self, read: &SourceRead) {
        let now = read.alarm.as_ref();
        let kind = match (read.was, now.map(|alarm| alarm.kind)) {
            (was, now) if was == now => return,
            (_, None) => Kind::SourceRecovered,
            (_, Some(SourceTrouble::Failed)) => Kind::SourceFailed,
            (_, Some(SourceTrouble::Shrunk)) => Kind::SourceShrank,
        };
        let source = read.source.to_string();
        let data = SourceData {
            source: source.clone(),
            records: read.records,
            trouble: now.map(|alarm| alarm.kind),
            since: now.map(|alarm| alarm.since),
            why: now.map(|alarm| alarm.why.to_string()),
        };
        self.push(kind, Some(source), Data::Source(data));
    }

    fn advisories(&mut self, source: &str, advisories: &[crate::control::AdvisoryEntry]) {
        let mut by_title: BTreeMap<(&TitleId, bool), Vec<&crate::control::AdvisoryEntry>> = BTreeMap::new();
        for advisory in advisories {
            by_title.entry((&advisory.title, advisory.withdrawn.is_some())).or_default().push(advisory);
        }
        for ((title, withdrawn), advisories) in by_title {
            let kind = if withdrawn { Kind::AdvisoryWithdrawn } else { Kind::AdvisoryPublished };
            for some in advisories.chunks(DEVICES_MOST) {
                let data = AdvisoriesData {
                    title: title.to_string(),
                    advisories: some.iter().map(|advisory| advisory.id.to_string()).collect(),
                    kev: some.iter().any(|advisory| advisory.kev.is_some()),
                    source: source.to_owned(),
                };
                self.push(kind, Some(title.to_string()), Data::Advisories(data));
            }
        }
    }

    fn held(&mut self, moves: &MovesHeld) {
        let plan = moves.plan.to_string();
        // What is held anew was freed in the same step.
        let held = DeviceSet::union(moves.held.iter().map(|held| &held.devices));
        let mut freed = moves.freed.clone();
        freed.take_out(Some(&held));
        if !freed.is_empty() {
            let data = MovesHeldData { plan: plan.clone(), by: None, why: None, count: freed.len() };
            self.push(Kind::MovesFreed, Some(plan.clone()), Data::MovesHeld(data));
        }
        let mut by_cause: BTreeMap<(_, &str), Vec<&HeldCohort>> = BTreeMap::new();
        for held in &moves.held {
            by_cause.entry((held.by, held.because.as_str())).or_default().push(held);
        }
        for ((by, why), cohorts) in by_cause {
            let count = DeviceSet::union(cohorts.iter().map(|cohort| &cohort.devices)).len();
            let data = MovesHeldData { plan: plan.clone(), by: Some(by), why: Some(why.to_owned()), count };
            self.push(Kind::MovesHeld, Some(plan.clone()), Data::MovesHeld(data));
        }
    }

    fn receipt(&mut self, receipt: &ReceiptReceived) {
        let kind = match receipt.result {
            ReceiptResult::Succeeded => Kind::UpdateSucceeded,
            ReceiptResult::Failed => Kind::UpdateFailed,
            ReceiptResult::RestartPending => Kind::UpdateRestartPending,
        };
        let device = receipt.device.to_string();
        let data = UpdateData {
            device: device.clone(),
            title: receipt.slot.title.to_string(),
            branch: receipt.slot.branch.as_ref().map(ToString::to_string),
            result: receipt.result,
            version: receipt.wanted.as_ref().map(ToString::to_string),
            before: receipt.before.as_ref().map(ToString::to_string),
            after: receipt.after.as_ref().map(ToString::to_string),
            ended: receipt.at,
            duration_ms: receipt.duration_ms,
        };
        self.push(kind, Some(device), Data::Update(data));
    }

    fn answered(&mut self, answered: &GateAnswered) {
        let kind = match answered.answer {
            Some(GateAnswer::Halt) => Kind::RolloutHalted,
            Some(GateAnswer::Pass) => Kind::RolloutPassed,
            Some(GateAnswer::Inconclusive) => return,
            None => Kind::RolloutResumed,
        };
        let evidence = answered.evidence.as_ref();
        let data = RolloutData {
            title: answered.title.to_string(),
            version: answered.version.to_string(),
            platform: answered.platform.as_ref().map(ToString::to_string),
            rollout: answered.rollout.as_ref().map(ToString::to_string),
            ring: Some(answered.after.to_string()),
            answer: answered.answer,
            until: answered.until,
            count: evidence.map(|evidence| evidence.devices),
            reported: evidence.map(|evidence| evidence.reported),
            failed: evidence.map(|evidence| evidence.failed),
            why: answered.why.as_ref().map(ToString::to_string),
        };
        self.push(kind, Some(about(&answered.title, &answered.version)), Data::Rollout(data));
    }

    fn asked(&mut self, asked: &GateAsked) {
        let evidence = asked.evidence.as_ref();
        let data = RolloutData {
            title: asked.title.to_string(),
            version: asked.version.to_string(),
            platform: asked.platform.as_ref().map(ToString::to_string),
            rollout: Some(asked.rollout.to_string()),
            ring: Some(asked.after.to_string()),
            answer: None,
            until: None,
            count: evidence.map(|evidence| evidence.devices),
            reported: evidence.map(|evidence| evidence.reported),
            failed: evidence.map(|evidence| evidence.failed),
            why: None,
        };
        self.push(Kind::RolloutAsks, Some(about(&asked.title, &asked.version)), Data::Rollout(data));
    }
}

/// What there is to say of an exception at the least.
fn exception(name: &str) -> ExceptionData {
    ExceptionData { exception: name.to_owned(), titles: Vec::new(), last_day: None, rule: None, kev: None }
}

/// The one device of a list; `None` where there are more.
pub(super) fn only(devices: &[String]) -> Option<String> {
    match devices {
        [device] => Some(device.clone()),
        _ => None,
    }
}

/// A release as a subject: `firefox@128.0`.
fn about(title: &TitleId, version: &str) -> String {
    format!("{title}@{version}")
}
