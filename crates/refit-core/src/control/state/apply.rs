//! One event after the other. What a kind of event changes is in the file of its subject.

mod catalogue;
mod devices;
mod identity;
mod moves;
mod people;
mod plans;
mod reports;

use super::{
    DeviceRecord, Distribution, Ground, PlanKind, PlanRecord, PlanStatus, Published, Quarantine, Receipt, State,
    Universe,
};
use crate::control::{
    entry::{ReceiptResult, SlotName},
    event::Event,
    publication::CohortKey,
    token::TokenRecord,
};
use jiff::{SignedDuration, Timestamp};
use refit_model::{DeviceId, PlanId, TokenId};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// Why an event can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Content that it names is missing or damaged.
    #[error("content {0} is missing or damaged: restore the data folder from a backup")]
    Content(String),
}

impl State {
    /// Takes the event at position `seq` of the log, written at `at`.
    pub fn apply(&mut self, seq: u64, at: Timestamp, event: &Event, ground: &Ground<'_>) -> Result<(), ApplyError> {
        match event {
            Event::ServerStarted(started) => {
                self.started = Some(at);
                if let Some(since) = started.unsure_since.or(started.down_since) {
                    // No time counts twice.
                    let counted = self.downtimes.last().map_or(Timestamp::MIN, |(_, to)| *to);
                    self.downtimes.push_back((since.max(counted).min(at), at));
                }
                let oldest = at.checked_sub(SignedDuration::from_hours(60 * 24)).unwrap_or(Timestamp::MIN);
                self.downtimes.retain(|(_, to)| *to >= oldest);
            }
            Event::SettingsChanged(settings) => self.approvals_needed = settings.approvals,
            Event::DeviceEnrolled(enrolled) => {
                let record = DeviceRecord::new(enrolled.device.clone(), enrolled.index, enrolled.name.clone(), at, seq);
                self.add(record);
            }
            Event::DeviceObserved(observed) => self.device_observed(seq, at, observed),
            Event::DeviceQuarantined(quarantined) => self.change(&quarantined.device, |device| {
                device.quarantined = Some(Quarantine { since: at, because: quarantined.because.clone() });
                device.revised = seq;
            }),
            Event::QuarantineLifted(lifted) => self.change(&lifted.device, |device| {
                device.quarantined = None;
                device.history = None;
                device.revised = seq;
            }),
            Event::DeviceRetired(retired) => {
                self.change(&retired.device, |device| {
                    device.retired = Some(at);
                    device.revised = seq;
                    device.published.clear();
                    device.held.clear();
                    device.no_longer_stands();
                });
                if let Some(index) = self.devices.get(&retired.device).map(|device| device.index) {
                    self.found.retired(index);
                    self.leases.retired(&retired.device, index);
                }
                self.no_longer_held(&retired.device);
            }
            Event::DeviceMerged(merged) => self.device_merged(seq, at, merged),
            Event::DeviceSplit(split) => self.device_split(seq, split),
            Event::PersonMerged(merged) => self.person_merged(seq, merged),
            Event::PersonSplit(split) => self.person_split(seq, &split.person),
            // What it speaks of is in the facts already: it is there to be read.
            Event::PersonChanged(_) => {}
            Event::SourceRead(read) => {
                self.readings.insert(read.source.clone(), Arc::new(read.clone()));
            }
            Event::TargetObserved(observed) => {
                self.targets.insert(observed.target.clone(), Arc::new(observed.clone()));
            }
            Event::PresenceSeen(seen) => self.presence_seen(seq, seen),
            Event::PersonObserved(observed) => self.person_observed(seq, observed),
            Event::GroupObserved(observed) => self.group_observed(seq, at, observed),
            Event::PersonAssigned(assigned) => {
                if let Some(device) = self.devices.get(&assigned.device) {
                    self.found.assigned(device.index, device.person.as_ref(), assigned.person.as_ref());
                }
                self.change(&assigned.device, |device| {
                    device.person = assigned.person.clone();
                    device.revised = seq;
                });
            }
            Event::PersonErased(erased) => self.person_erased(seq, at, &erased.person),
            Event::ReleasesPublished(published) => {
                for release in &published.releases {
                    let mut list = self.releases.get(&release.title).map(|list| list.to_vec()).unwrap_or_default();
                    list.retain(|known| (&known.version, &known.branch) != (&release.version, &release.branch));
                    list.push(release.clone());
                    list.sort_by(|a, b| {
                        (a.published, &a.version, &a.branch).cmp(&(b.published, &b.version, &b.branch))
                    });
                    self.releases.insert(release.title.clone(), Arc::new(list));
                    self.revise_title(&release.title, seq);
                }
            }
            Event::AdvisoriesPublished(published) => {
                for advisory in &published.advisories {
                    let known = self.advisories.entry(advisory.title.clone()).or_default();
                    Arc::make_mut(known).insert(advisory.id.clone(), advisory.clone());
                    self.revise_title(&advisory.title, seq);
                    let repository = self.policy.as_ref().map(|policy| policy.repository.clone());
                    let packages = repository.map(|known| known.vendor_packages(&advisory.title));
                    packages.into_iter().flatten().for_each(|package| self.revise_title(&package, seq));
                    if advisory.withdrawn.is_some_and(|withdrawn| withdrawn <= at) {
                        self.unlatch(seq, at, &advisory.id);
                    }
                }
            }
            Event::UniverseOffered(offered) => self.universe_offered(seq, at, offered),
            Event::DistributionMatched(matched) => {
                let advisories = ground.advisories(&matched.content)?;
                let distribution = Distribution { content: matched.content.clone(), revised: seq, advisories };
                self.distributions.insert(matched.distribution.clone(), Arc::new(distribution));
            }
            Event::PlanMade(made) => self.plan_made(at, made),
            Event::PlanApproved(approved) => {
                let needed = self.approvals_needed;
                self.change_plan(&approved.plan, |plan| {
                    plan.approvals.insert(approved.by.clone(), at);
                    let enough = match plan.kind {
                        PlanKind::Policy { .. } => plan.approvals.len() >= needed.max(1) as usize,
                        PlanKind::Held { .. } => true,
                    };
                    if !enough {
                        return;
                    }
                    plan.status = PlanStatus::Approved;
                    if let PlanKind::Held { held } = &plan.kind {
                        // One cohort may be held for several causes.
                        let mut permits: BTreeMap<CohortKey, u64> = BTreeMap::new();
                        held.iter().for_each(|it| *permits.entry(it.key.clone()).or_default() += it.devices.len());
                        plan.permits = permits;
                    }
                });
                self.revise_held(&approved.plan, seq);
            }
            Event::PlanRejected(rejected) => {
                self.change_plan(&rejected.plan, |plan| plan.status = PlanStatus::Rejected);
            }
            Event::PolicyApplied(applied) => self.policy_applied(seq, at, applied, ground)?,
            Event::MovesPublished(moves) => self.moves_published(seq, at, moves),
            Event::MovesHeld(held) => self.moves_held(at, held),
            Event::ObligationsNoted(noted) => self.obligations_noted(seq, noted),
            Event::ReceiptReceived(receipt) => self.receipt_received(seq, at, receipt),
            Event::RingOpened(opened) => self.ring_opened(seq, at, opened),
            Event::GateAnswered(answered) => self.gate_answered(seq, at, answered),
            Event::ApprovalAnswered(answered) => self.rollouts.approval_answered(seq, at, answered),
            Event::GateAsked(asked) => self.rollouts.gate_asked(seq, at, asked),
            Event::SignalRead(read) => self.rollouts.signals.read(read),
            Event::ReleaseExpedited(expedited) => self.rollouts.release_expedited(seq, at, expedited),
            Event::BrakePulled(pulled) => {
                self.brake = Some((pulled.why.clone(), at));
                self.agents.honour.clear();
            }
            Event::BrakeReleased(_) => {
                self.brake = None;
                self.went_on = seq;
            }
            Event::TokenCreated(created) => {
                // People sign in every day, and nobody revokes what is over by itself.
                let over = |record: &TokenRecord| !record.roles.is_empty() && record.expires <= at;
                let over: Vec<TokenId> =
                    self.tokens.iter().filter(|(_, record)| over(record)).map(|(id, _)| id.clone()).collect();
                for id in &over {
                    self.tokens.remove(id);
                }
                self.tokens.insert(created.token.clone(), Arc::new(created.record.clone()));
            }
            Event::TokenRevoked(revoked) => {
                self.tokens.remove(&revoked.token);
            }
            Event::ComplaintReceived(complaint) => {
                self.complained(at, complaint);
                self.agents.apply(seq, at, event);
            }
            Event::ReportOpened(opened) => self.report_opened(at, opened),
            Event::ReportAcknowledged(_) | Event::ReportShown(_) => self.reports.apply(at, event),
            Event::ReportClosed(closed) => {
                self.reports.apply(at, event);
                self.counts_no_more(closed);
            }
            Event::ExceptionRequested(_)
            | Event::ExceptionApproved(_)
            | Event::ExceptionGranted(_)
            | Event::ExceptionRefused(_)
            | Event::ExceptionWithdrawn(_)
            | Event::ExceptionExpiring(_)
            | Event::ExceptionExpired(_) => self.exception_event(seq, at, event),
            Event::DeviceJoined(joined) => {
                // A device that is enrolled again counts its check-ins anew.
                if let Some(record) = self.devices.get_mut(&joined.device).filter(|record| record.history.is_some()) {
                    Arc::make_mut(record).history = None;
                }
                self.identity.agent_joins(&joined.device);
                self.agents.apply(seq, at, event);
            }
            Event::SubscriptionSet(set) => {
                self.subscriptions.insert(set.subscription.clone(), Arc::new(set.record.clone()));
            }
            Event::SubscriptionRemoved(removed) => {
                self.subscriptions.remove(&removed.subscription);
            }
            Event::LeaseTaken(_)
            | Event::LeaseAnswered(_)
            | Event::LeaseEnded(_)
            | Event::LeaseResumed(_)
            | Event::LeaseSettled(_)
            | Event::LeaseWithdrawn(_)
            | Event::LeaseReturned(_)
            | Event::WebhookSet(_) => self.leases.apply(seq, at, event),
            Event::EpochRaised(_)
            | Event::EnrolmentCreated(_)
            | Event::EnrolmentRevoked(_)
            | Event::CertificateIssued(_)
            | Event::CertificateRevoked(_)
            | Event::RootPublished(_)
            | Event::MandatePublished(_)
            | Event::DeviceStands(_)
            | Event::BrakeReached(_) => self.agents.apply(seq, at, event),
        }
        self.pass_over(seq, at);
        Ok(())
    }

    /// Passes over an event whose effects nobody asks for; the state is then good for what does not read them alone.
    pub fn pass_over(&mut self, seq: u64, at: Timestamp) {
        self.seq = seq;
        self.clock = self.clock.max(at);
    }

    fn change(&mut self, device: &DeviceId, change: impl FnOnce(&mut DeviceRecord)) {
        if let Some(record) = self.devices.get_mut(device) {
            let record = Arc::make_mut(record);
            let before = (record.revised, record.universe.clone());
            change(record);
            self.changes.device(before, record);
        }
    }

    fn change_at(&mut self, index: u32, change: impl FnOnce(&mut DeviceRecord)) {
        if let Some(id) = self.by_index.get(index as usize).cloned() {
            self.change(&id, change);
        }
    }

    fn change_plan(&mut self, plan: &PlanId, change: impl FnOnce(&mut PlanRecord)) {
        if let Some(record) = self.plans.get_mut(plan) {
            change(Arc::make_mut(record));
        }
    }
}

impl Receipt {
    /// The release that was tried: what is there now, or what was to come where that failed. What has failed and does not say what was to
    /// come tried whatever it left there; `None` where it left what was there before, or nothing.
    pub fn tried(&self) -> Option<&SmolStr> {
        match self.result {
            ReceiptResult::Failed => {
                self.wanted.as_ref().or_else(|| self.after.as_ref().filter(|_| self.after != self.before))
            }
            ReceiptResult::Succeeded | ReceiptResult::RestartPending => self.after.as_ref(),
        }
    }

    /// Whether it succeeded, by observation.
    pub fn succeeded(&self) -> bool {
        self.result == ReceiptResult::Succeeded
    }
}

impl Universe {
    /// Whether it is known to offer just this.
    pub fn knows(&self, offer: &crate::control::entry::ReleaseEntry) -> bool {
        self.offers.get(&offer.title).is_some_and(|list| {
            list.iter().any(|known| {
                known.version == offer.version && known.security == offer.security && known.withheld == offer.withheld
            })
        })
    }
}

impl Published {
    /// The slot that it is for.
    pub fn slot(&self) -> &SlotName {
        &self.key.slot
    }
}
