//! One event after the other.

use super::{
    AbsenceRecord, DeviceRecord, Distribution, GateRecord, Ground, InForce, Installed, PlanKind, PlanRecord,
    PlanStatus, Published, Receipt, RolloutRecord, Spent, State, Universe, found::platforms, repository,
};
use crate::control::{
    device_set::DeviceSet,
    entry::{AdvisoryEntry, ReceiptResult, SlotName},
    event::{
        DeviceObserved, Event, GateAnswered, MovesHeld, MovesPublished, ObligationsNoted, PersonObserved, PlanMade,
        PolicyApplied, PresenceSeen, ReceiptReceived, RingOpened, UniverseOffered,
    },
    ids::{PersonId, PlanId},
    publication::CohortKey,
};
use jiff::{SignedDuration, Timestamp};
use refit_model::{AdvisoryId, DeviceId};
use std::{collections::BTreeMap, sync::Arc};

/// Why an event can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Content that it names is missing or damaged.
    #[error("content {0} is missing or damaged: restore the data folder from a backup")]
    Content(String),
}

/// The shortest time without a sign of a device that counts as an absence (rule 11).
const ABSENCE: SignedDuration = SignedDuration::from_hours(3 * 24);
/// The lengths of a grace, in seconds of use (rule 11).
const GRACES: [i64; 2] = [4 * 3600, 24 * 3600];
/// How long what was spent is remembered at least: the next policy may look back further than this one.
const LEDGER_SHORTEST: SignedDuration = SignedDuration::from_hours(32 * 24);
/// How many absences are kept: earlier ones have no grace left.
const ABSENCES_MOST: usize = 8;
/// How many ids of receipts are kept of one device. A report that comes again after so many others would count twice; an agent
/// sends those that nobody has acknowledged, which are few.
const COUNTED_MOST: usize = 64;

impl State {
    /// Takes the event at position `seq` of the log, written at `at`.
    pub fn apply(&mut self, seq: u64, at: Timestamp, event: &Event, ground: &Ground<'_>) -> Result<(), ApplyError> {
        match event {
            Event::ServerStarted(started) => {
                self.started = Some(at);
                if let Some(since) = started.down_since {
                    self.downtimes.push_back((since, at));
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
            Event::DeviceRetired(retired) => {
                self.change(&retired.device, |device| {
                    device.retired = Some(at);
                    device.revised = seq;
                    device.published.clear();
                    device.held.clear();
                });
                if let Some(index) = self.devices.get(&retired.device).map(|device| device.index) {
                    self.found.retired(index);
                }
                self.no_longer_held(&retired.device);
            }
            Event::PresenceSeen(seen) => self.presence_seen(seq, seen),
            Event::PersonObserved(observed) => self.person_observed(seq, observed),
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
                    self.title_revised.insert(release.title.clone(), seq);
                }
            }
            Event::AdvisoriesPublished(published) => {
                for advisory in &published.advisories {
                    let known = self.advisories.entry(advisory.title.clone()).or_default();
                    Arc::make_mut(known).insert(advisory.id.clone(), advisory.clone());
                    self.title_revised.insert(advisory.title.clone(), seq);
                    if advisory.withdrawn.is_some_and(|withdrawn| withdrawn <= at) {
                        self.unlatch(seq, at, &advisory.id);
                    }
                }
            }
            Event::UniverseOffered(offered) => self.universe_offered(seq, at, offered),
            Event::DistributionMatched(matched) => {
                let advisories = advisories(&matched.content, ground)?;
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
            Event::ReceiptReceived(receipt) => self.receipt_received(seq, receipt),
            Event::RingOpened(opened) => self.ring_opened(seq, opened),
            Event::GateAnswered(answered) => self.gate_answered(seq, answered),
            Event::BrakePulled(pulled) => {
                self.brake = Some((pulled.why.clone(), at));
                self.agents.honour.clear();
            }
            Event::BrakeReleased(_) => {
                self.brake = None;
                self.went_on = seq;
            }
            Event::TokenCreated(created) => {
                self.tokens.insert(created.token.clone(), Arc::new(created.record.clone()));
            }
            Event::TokenRevoked(revoked) => {
                self.tokens.remove(&revoked.token);
            }
            Event::EpochRaised(_)
            | Event::EnrolmentCreated(_)
            | Event::EnrolmentRevoked(_)
            | Event::DeviceJoined(_)
            | Event::CertificateIssued(_)
            | Event::CertificateRevoked(_)
            | Event::RootPublished(_)
            | Event::MandatePublished(_)
            | Event::DeviceStands(_)
            | Event::ComplaintReceived(_)
            | Event::BrakeReached(_) => self.agents.apply(seq, at, event),
        }
        self.seq = seq;
        self.clock = self.clock.max(at);
        Ok(())
    }

    fn change(&mut self, device: &DeviceId, change: impl FnOnce(&mut DeviceRecord)) {
        if let Some(record) = self.devices.get_mut(device) {
            change(Arc::make_mut(record));
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

    /// Withdrawing an advisory removes its latches (rule 4), where no other title still has it.
    fn unlatch(&mut self, seq: u64, at: Timestamp, id: &AdvisoryId) {
        let counts = |advisory: &AdvisoryEntry| advisory.withdrawn.is_none_or(|withdrawn| withdrawn > at);
        if self.advisories.values().any(|list| list.get(id).is_some_and(counts)) {
            return;
        }
        let gone: Vec<_> = self.latches.keys().filter(|(latched, _)| latched == id).cloned().collect();
        for key in &gone {
            self.latches.remove(key);
        }
        self.latches_revised = seq;
    }

    /// The longest rolling time of a budget: what was spent before that counts for nothing.
    fn longest_budget(&self) -> SignedDuration {
        let budgets = self.policy.iter().flat_map(|policy| &policy.repository.budgets);
        budgets.map(|budget| budget.per.0).max().unwrap_or_default().max(LEDGER_SHORTEST)
    }

    fn device_observed(&mut self, seq: u64, at: Timestamp, observed: &DeviceObserved) {
        let observer = self.devices.get(&observed.device).filter(|device| {
            let installs = !observed.present.is_empty() || !observed.gone.is_empty() || observed.universe.is_some();
            installs || device.seen_by == observed.source
        });
        if let Some(index) = observer.map(|device| device.index) {
            self.returned(seq, index, at);
        }
        let before = self.devices.get(&observed.device).map(|device| platforms(device)).unwrap_or_default();
        self.change(&observed.device, |device| {
            for (field, value) in &observed.facts {
                let said = device.facts.entry(field.clone()).or_default();
                match value {
                    Some(value) => said.insert(observed.source.clone(), value.clone()),
                    None => said.remove(&observed.source),
                };
                if said.is_empty() {
                    device.facts.remove(field);
                }
            }
            let reported = device.reported.entry(observed.source.clone()).or_insert(observed.observed);
            *reported = (*reported).max(observed.observed);
            let said = device.said.entry(observed.source.clone()).or_insert(observed.observed);
            *said = (*said).max(observed.observed);
            let changed = !observed.present.is_empty() || !observed.gone.is_empty();
            if changed {
                let installs = Arc::make_mut(&mut device.installs);
                for slot in &observed.gone {
                    let obliged = device.spells.contains_key(slot)
                        || device.published.get(slot).is_some_and(|published| published.due.is_some());
                    if let Some(installed) = installs.remove(slot).filter(|_| obliged) {
                        device.departed.insert(slot.clone(), installed);
                    }
                }
                for entry in &observed.present {
                    let slot = entry.slot();
                    // The same release in another state, or one that comes back, is there since it was first seen.
                    let known = [device.departed.remove(&slot), installs.get(&slot).cloned()];
                    let same = known.into_iter().flatten().filter(|known| known.version == entry.version);
                    let since = same.map(|known| known.since).min().unwrap_or(observed.observed);
                    let (version, state) = (entry.version.clone(), entry.state.clone());
                    installs.insert(slot, Installed { version, state, since });
                }
            }
            if let Some(universe) = &observed.universe {
                device.universe = Some(universe.clone());
            }
            if changed || observed.universe.is_some() || device.installs.is_empty() {
                device.seen_by = observed.source.clone();
            }
            if observed.source == device.seen_by {
                device.seen = device.seen.max(observed.observed);
            }
            device.revised = seq;
        });
        let Some(device) = self.devices.get(&observed.device) else { return };
        self.found.said_platforms(device.index, &before, &platforms(device));
        for title in observed.gone.iter().map(|slot| &slot.title).chain(observed.present.iter().map(|it| &it.title)) {
            // Another slot may still have the title.
            let from = SlotName::of(title.clone());
            let has = device.installs.range(from..).next().is_some_and(|(slot, _)| slot.title == *title);
            self.found.has_title(device.index, title, has);
        }
    }

    fn presence_seen(&mut self, seq: u64, seen: &PresenceSeen) {
        for index in seen.devices.iter() {
            self.returned(seq, index, seen.from);
            self.change_at(index, |device| {
                if let Some(absence) = device.absences.last_mut() {
                    let before = absence.used_seconds;
                    absence.used_seconds = before.saturating_add(seen.to.duration_since(seen.from).as_secs());
                    // A grace that has run out changes what holds.
                    if GRACES.iter().any(|grace| before < *grace && absence.used_seconds >= *grace) {
                        device.revised = seq;
                    }
                }
                device.seen = device.seen.max(seen.to);
                let by = device.seen_by.clone();
                if let Some(reported) = device.reported.get_mut(&by) {
                    *reported = (*reported).max(seen.to);
                }
            });
        }
        self.seen_since.0 -= &seen.devices.0;
        self.presence_from = None;
    }

    /// A device gave a sign of itself at `back`: whether it had been absent.
    fn returned(&mut self, seq: u64, index: u32, back: Timestamp) {
        let Some(before) = self.at_index(index).map(|device| device.seen) else { return };
        // Nobody is silent while nobody listens.
        let not_listening = self.downtimes.iter().map(|(from, to)| {
            let (from, to) = ((*from).max(before), (*to).min(back));
            if to > from { to.duration_since(from) } else { SignedDuration::ZERO }
        });
        let not_listening = not_listening.fold(SignedDuration::ZERO, SignedDuration::saturating_add);
        if back.duration_since(before).saturating_sub(not_listening) < ABSENCE {
            return;
        }
        self.change_at(index, |device| {
            // A return is told twice: by what the device says, and by the quarter of an hour in which it says it.
            if device.absences.last().is_some_and(|absence| absence.away == before) {
                return;
            }
            device.absences.push(AbsenceRecord { away: before, back, used_seconds: 0 });
            let surplus = device.absences.len().saturating_sub(ABSENCES_MOST);
            device.absences.drain(..surplus);
            device.revised = seq;
        });
    }

    fn person_observed(&mut self, seq: u64, observed: &PersonObserved) {
        let record = self.people.entry(observed.person.clone()).or_default();
        let person = Arc::make_mut(record);
        let mut replaced = Vec::new();
        for (field, reference) in &observed.values {
            let said = person.facts.entry(field.clone()).or_default();
            let before = match reference {
                Some(reference) => said.insert(observed.source.clone(), reference.clone()),
                None => said.remove(&observed.source),
            };
            replaced.extend(before);
            if said.is_empty() {
                person.facts.remove(field);
            }
        }
        let reported = person.reported.entry(observed.source.clone()).or_insert(observed.observed);
        *reported = (*reported).max(observed.observed);
        person.erased = None;
        person.revised = seq;
        for reference in replaced {
            self.personal.remove(&reference);
        }
    }

    fn person_erased(&mut self, seq: u64, at: Timestamp, id: &PersonId) {
        let Some(record) = self.people.get_mut(id) else { return };
        let person = Arc::make_mut(record);
        let references: Vec<_> = person.facts.values().flat_map(|said| said.values().cloned()).collect();
        person.facts.clear();
        person.reported.clear();
        person.erased = Some(at);
        person.revised = seq;
        for reference in references {
            self.personal.remove(&reference);
        }
    }

    fn universe_offered(&mut self, seq: u64, at: Timestamp, offered: &UniverseOffered) {
        let record = self.universes.entry(offered.universe.clone()).or_default();
        let universe = Arc::make_mut(record);
        universe.distribution = offered.distribution.clone();
        universe.revised = seq;
        for offer in &offered.offers {
            let first = self.first_offered.entry(offer.title.clone()).or_default();
            let known = first.contains_key(&offer.version);
            let first = first.entry(offer.version.clone()).or_insert(offer.published.min(at));
            // Decisions in other universes that offer it read this too.
            if known && offer.published < *first {
                *first = offer.published;
                self.title_revised.insert(offer.title.clone(), seq);
            }
            let list = universe.offers.entry(offer.title.clone()).or_default();
            list.retain(|known| known.version != offer.version);
            list.push(offer.clone());
        }
    }

    fn plan_made(&mut self, at: Timestamp, made: &PlanMade) {
        let kind = PlanKind::Policy {
            policy_hash: made.policy_hash.clone(),
            files: made.files.clone(),
            replaces: made.replaces,
            content: made.content.clone(),
        };
        let record = PlanRecord {
            made: at,
            author: made.author.clone(),
            kind,
            status: PlanStatus::Open,
            approvals: Default::default(),
            permits: Default::default(),
        };
        self.plans.insert(made.plan.clone(), Arc::new(record));
    }

    /// What a plan holds is decided again, now that it is permitted.
    fn revise_held(&mut self, plan: &PlanId, seq: u64) {
        let Some(PlanKind::Held { held }) = self.plans.get(plan).map(|plan| plan.kind.clone()) else { return };
        for index in held.iter().flat_map(|held| held.devices.iter()) {
            self.change_at(index, |device| device.revised = seq);
        }
    }

    fn policy_applied(
        &mut self,
        seq: u64,
        at: Timestamp,
        applied: &PolicyApplied,
        ground: &Ground<'_>,
    ) -> Result<(), ApplyError> {
        let repository = repository(&applied.files, ground)?;
        // What applied before keeps its time; what is new, or has another text, begins now.
        let before = std::mem::take(&mut self.applied);
        for policy in &repository.policies {
            let since = before.policies.get(&policy.name).copied().unwrap_or(at);
            self.applied.policies.insert(policy.name.clone(), since);
            let known = before.entries.get(&policy.name);
            let entries = policy.deadline.iter().map(|entry| {
                let since = known.and_then(|known| known.get(&entry.text)).copied().unwrap_or(at);
                (entry.text.clone(), since)
            });
            self.applied.entries.insert(policy.name.clone(), entries.collect());
        }
        self.policy = Some(Arc::new(InForce {
            revision: applied.revision,
            since: at,
            by_event: seq,
            policy_hash: applied.policy_hash.clone(),
            files: applied.files.clone(),
            plan: applied.plan.clone(),
            repository: Arc::new(repository),
        }));
        let others: Vec<PlanId> = self.plans.keys().filter(|id| **id != applied.plan).cloned().collect();
        for id in others {
            self.change_plan(&id, |plan| {
                let waiting = matches!(plan.status, PlanStatus::Open | PlanStatus::Approved);
                if waiting && matches!(plan.kind, PlanKind::Policy { .. }) {
                    plan.status = PlanStatus::Superseded;
                }
                // What another revision permitted is not permitted under this one.
                plan.permits.clear();
            });
        }
        self.change_plan(&applied.plan, |plan| {
            plan.status = PlanStatus::Applied;
            plan.permits = applied.envelope.iter().cloned().collect();
        });
        Ok(())
    }

    fn moves_published(&mut self, seq: u64, at: Timestamp, moves: &MovesPublished) {
        for cohort in &moves.cohorts {
            let key = Arc::new(cohort.key.clone());
            for index in cohort.devices.iter() {
                self.change_at(index, |device| {
                    let published = Published {
                        key: key.clone(),
                        due: cohort.due,
                        due_by: cohort.due_by.clone(),
                        revision: moves.revision,
                        by_event: seq,
                    };
                    device.published.insert(cohort.key.slot.clone(), published);
                });
            }
        }
        for (slot, devices) in &moves.withdrawn {
            for index in devices.iter() {
                self.change_at(index, |device| {
                    device.published.remove(slot);
                });
            }
        }
        for index in moves.settled.iter() {
            self.change_at(index, |device| device.settled = moves.revision);
        }
        let devices: DeviceSet = moves.spent.values().flat_map(|devices| devices.iter()).collect();
        if !devices.is_empty() {
            self.ledger.push_back(Arc::new(Spent { at, devices, groups: moves.groups.clone() }));
            let oldest = at.checked_sub(self.longest_budget()).unwrap_or(Timestamp::MIN);
            self.ledger.retain(|spent| spent.at >= oldest);
        }
        for (plan, key, count) in &moves.permitted {
            self.change_plan(plan, |plan| {
                if let Some(left) = plan.permits.get_mut(key) {
                    *left = left.saturating_sub(*count);
                }
            });
        }
    }

    fn moves_held(&mut self, at: Timestamp, held: &MovesHeld) {
        // Freed devices leave whatever plan holds them.
        for index in held.freed.iter() {
            self.change_at(index, |device| device.held.clear());
        }
        for cohort in &held.held {
            let key = Arc::new(cohort.key.clone());
            for index in cohort.devices.iter() {
                self.change_at(index, |device| {
                    device.held.insert(cohort.key.slot.clone(), (held.plan.clone(), key.clone()));
                });
            }
        }
        if !self.plans.contains_key(&held.plan) && !held.held.is_empty() {
            let record = PlanRecord {
                made: at,
                author: "server".into(),
                kind: PlanKind::Held { held: Vec::new() },
                status: PlanStatus::Open,
                approvals: Default::default(),
                permits: Default::default(),
            };
            self.plans.insert(held.plan.clone(), Arc::new(record));
        }
        let ids: Vec<PlanId> = self.plans.keys().cloned().collect();
        for id in ids {
            let is_target = id == held.plan;
            self.change_plan(&id, |plan| {
                let PlanKind::Held { held: known } = &mut plan.kind else { return };
                if plan.status != PlanStatus::Open {
                    return;
                }
                for cohort in known.iter_mut() {
                    cohort.devices.0 -= &held.freed.0;
                }
                if is_target {
                    for cohort in &held.held {
                        match known.iter_mut().find(|known| known.key == cohort.key && known.cause == cohort.cause) {
                            Some(known) => known.devices.0 |= &cohort.devices.0,
                            None => known.push(cohort.clone()),
                        }
                    }
                }
                known.retain(|cohort| !cohort.devices.is_empty());
                if known.is_empty() {
                    plan.status = PlanStatus::Superseded;
                }
            });
        }
    }

    /// A device that is gone waits for nobody.
    fn no_longer_held(&mut self, device: &DeviceId) {
        let Some(index) = self.devices.get(device).map(|device| device.index) else { return };
        let ids: Vec<PlanId> = self.plans.keys().cloned().collect();
        for id in ids {
            self.change_plan(&id, |plan| {
                let PlanKind::Held { held } = &mut plan.kind else { return };
                if plan.status != PlanStatus::Open {
                    return;
                }
                held.iter_mut().for_each(|cohort| cohort.devices.remove(index));
                held.retain(|cohort| !cohort.devices.is_empty());
                if held.is_empty() {
                    plan.status = PlanStatus::Superseded;
                }
            });
        }
    }

    fn obligations_noted(&mut self, seq: u64, noted: &ObligationsNoted) {
        for (advisory, condition, since) in &noted.latches {
            self.latches.insert((advisory.clone(), condition.clone()), *since);
            self.latches_revised = seq;
        }
        for (slot, since, devices) in &noted.began {
            for index in devices.iter() {
                self.change_at(index, |device| {
                    device.spells.insert(slot.clone(), *since);
                });
            }
        }
        for (slot, devices) in &noted.ended {
            for index in devices.iter() {
                self.change_at(index, |device| {
                    device.spells.remove(slot);
                    device.departed.remove(slot);
                });
            }
        }
    }

    fn receipt_received(&mut self, seq: u64, receipt: &ReceiptReceived) {
        self.change(&receipt.device, |device| {
            let kept = Receipt {
                id: receipt.receipt.clone(),
                seq,
                result: receipt.result,
                before: receipt.before.clone(),
                after: receipt.after.clone(),
                at: receipt.at,
            };
            // What is older than what is known of the slot counts, and replaces nothing.
            if device.receipts.get(&receipt.slot).is_none_or(|known| known.at <= kept.at) {
                device.receipts.insert(receipt.slot.clone(), kept);
            }
            device.counted.push(receipt.receipt.clone());
            let surplus = device.counted.len().saturating_sub(COUNTED_MOST);
            device.counted.drain(..surplus);
            device.revised = seq;
        });
    }

    fn ring_opened(&mut self, seq: u64, opened: &RingOpened) {
        let list = self.rollouts.entry(opened.title.clone()).or_default();
        let list = Arc::make_mut(list);
        let ring = (opened.ring.clone(), opened.members.clone());
        match list.iter_mut().find(|known| known.rollout == opened.rollout && known.version == opened.version) {
            Some(known) => known.open.push(ring),
            None => list.push(RolloutRecord {
                rollout: opened.rollout.clone(),
                version: opened.version.clone(),
                open: vec![ring],
            }),
        }
        self.title_revised.insert(opened.title.clone(), seq);
    }

    fn gate_answered(&mut self, seq: u64, answered: &GateAnswered) {
        let list = self.gates.entry(answered.title.clone()).or_default();
        let list = Arc::make_mut(list);
        list.retain(|known| {
            (&known.version, &known.after, &known.platform) != (&answered.version, &answered.after, &answered.platform)
        });
        if let Some(answer) = answered.answer {
            list.push(GateRecord {
                version: answered.version.clone(),
                after: answered.after.clone(),
                platform: answered.platform.clone(),
                answer,
            });
        }
        self.title_revised.insert(answered.title.clone(), seq);
    }
}

/// The advisories that a content lists, a JSON array.
pub(super) fn advisories(content: &str, ground: &Ground<'_>) -> Result<Arc<Vec<AdvisoryEntry>>, ApplyError> {
    let bytes = ground.contents.content(content).ok_or_else(|| ApplyError::Content(content.to_owned()))?;
    serde_json::from_slice(&bytes).map(Arc::new).map_err(|_| ApplyError::Content(content.to_owned()))
}

impl Receipt {
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
