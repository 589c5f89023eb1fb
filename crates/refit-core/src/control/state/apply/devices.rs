//! Devices: what sources say of them, presence and absences, receipts.

use super::super::{AbsenceRecord, DeviceRecord, InForce, Installed, Receipt, State, Tried, found};
use crate::control::{
    entry::{InstallEntry, ReceiptResult, SlotName},
    event::{DeviceObserved, PresenceSeen, ReceiptReceived},
    history::History,
    sorted::Sorted,
};
use crate::facts::DEVICE_STALE_AFTER;
use jiff::{SignedDuration, Timestamp};
use refit_model::{TitleId, Version};
use std::sync::Arc;

/// The shortest time without a sign of a device that counts as an absence (rule 11).
const ABSENCE: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How long a change counts as what people complain of.
pub(super) const BLAMED: SignedDuration = SignedDuration::from_hours(72);
/// The lengths of a grace, in seconds of use (rule 11).
const GRACES: [i64; 2] = [4 * 3600, 24 * 3600];
/// How many absences are kept: earlier ones have no grace left.
const ABSENCES_MOST: usize = 8;
/// How many ids of receipts are kept of one device. A report that comes again after so many others would count twice; an agent
/// sends those that nobody has acknowledged, which are few.
const COUNTED_MOST: usize = 64;

impl State {
    pub(super) fn device_observed(&mut self, seq: u64, at: Timestamp, observed: &DeviceObserved) {
        // A system that is read may have heard of the device long ago, and can't say for how long it was in use since: an absence that this ended
        // would give a grace that never runs out.
        let is_hearsay = self.is_read(&observed.source);
        let observer = self.devices.get(&observed.device).filter(|device| {
            let installs = !observed.present.is_empty() || !observed.gone.is_empty() || observed.universe.is_some();
            !is_hearsay && (installs && speaks(device, observed) || device.seen_by == observed.source)
        });
        if let Some(index) = observer.map(|device| device.index) {
            self.returned(seq, index, at);
        }
        let known = self.devices.get(&observed.device);
        let before = known.map(|device| (found::platforms(device), found::keys(device))).unwrap_or_default();
        self.change(&observed.device, |device| {
            for (field, value) in &observed.facts {
                let said = device.facts.entry_or_insert(field.clone(), Sorted::default);
                match value {
                    Some(value) => said.insert(observed.source.clone(), value.clone()),
                    None => said.remove(&observed.source),
                };
                if said.is_empty() {
                    device.facts.remove(field);
                }
            }
            let reported = device.reported.entry_or_insert(observed.source.clone(), || observed.observed);
            *reported = (*reported).max(observed.observed);
            let said = device.said.entry_or_insert(observed.source.clone(), || observed.observed);
            *said = (*said).max(observed.observed);
            let changed = !observed.present.is_empty() || !observed.gone.is_empty();
            let speaks = speaks(device, observed);
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
            if let Some(head) = observed.check_in {
                let source = observed.source.clone();
                let history = device.history.get_or_insert_with(|| History { source, heads: Vec::new() });
                history.push(&observed.source, head);
            }
            if let Some(universe) = &observed.universe {
                device.universe = Some(universe.clone());
            }
            if changed && speaks || observed.universe.is_some() || device.installs.is_empty() {
                device.seen_by = observed.source.clone();
            }
            if observed.source == device.seen_by {
                device.seen = device.seen.max(observed.observed);
            }
            device.revised = seq;
        });
        if !observed.facts.is_empty() {
            self.group_one(&observed.device);
        }
        observed.present.iter().for_each(|entry| self.built_from(entry));
        let Some(device) = self.devices.get(&observed.device) else { return };
        for entry in &observed.present {
            // What waits for a restart does not run yet.
            let slot = entry.slot();
            let pending = device.receipts.get(&slot).is_some_and(|receipt| {
                receipt.result == ReceiptResult::RestartPending && receipt.after.as_ref() == Some(&entry.version)
            });
            let failed = (!pending).then_some(entry.state.is_some());
            let seen = observed.observed.min(at);
            self.rollouts.result(&entry.title, &entry.version, device.index, seen, failed);
        }
        for title in observed.present.iter().map(|entry| &entry.title) {
            let newest = || newest_install(self.policy.as_deref(), device, title);
            self.rollouts.put_back(title, device.index, newest);
        }
        self.found.said_platforms(device.index, &before.0, &found::platforms(device));
        self.found.said_keys(device.index, &before.1, &found::keys(device));
        for title in observed.gone.iter().map(|slot| &slot.title).chain(observed.present.iter().map(|it| &it.title)) {
            // Another slot may still have the title.
            let from = SlotName::of(title.clone());
            let has = device.installs.first_from(&from).is_some_and(|(slot, _)| slot.title == *title);
            self.found.has_title(device.index, title, has);
        }
    }

    fn built_from(&mut self, entry: &InstallEntry) {
        let Some(source) = entry.source.as_ref().filter(|_| !self.knows_source(entry)) else { return };
        let versions = self.sources.entry(entry.title.clone()).or_default();
        Arc::make_mut(versions).entry(entry.version.clone()).or_default().insert(source.clone());
    }

    pub(super) fn presence_seen(&mut self, seq: u64, seen: &PresenceSeen) {
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
        match self.unwritten.iter().position(|(from, _)| *from == seen.from) {
            Some(at) => drop(self.unwritten.remove(at)),
            None => {
                self.seen_since.0 -= &seen.devices.0;
                self.presence_from = None;
            }
        }
    }

    /// A device gave a sign of itself at `back`: whether it had been absent.
    pub(super) fn returned(&mut self, seq: u64, index: u32, back: Timestamp) {
        let Some(device) = self.at_index(index) else { return };
        let before = device.seen;
        let policy = self.policy.as_ref().map(|policy| &policy.repository.staleness);
        let stale = policy.map_or(DEVICE_STALE_AFTER, |staleness| staleness.device(&device.seen_by));
        if back.duration_since(before) >= stale {
            // What was too old to count counts again.
            self.change_at(index, |device| device.revised = seq);
        }
        // Nobody is silent while nobody listens.
        if back.duration_since(before).saturating_sub(self.not_listening(before, back)) < ABSENCE {
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

    pub(super) fn receipt_received(&mut self, seq: u64, at: Timestamp, receipt: &ReceiptReceived) {
        self.change(&receipt.device, |device| {
            let published = device.published.get(&receipt.slot).filter(|published| !published.over);
            let waits = receipt.result == ReceiptResult::RestartPending;
            let kept = Receipt {
                id: receipt.receipt.clone(),
                seq,
                wanted: receipt.wanted.clone(),
                result: receipt.result,
                before: receipt.before.clone(),
                after: receipt.after.clone(),
                at: receipt.at,
                due: published.and_then(|published| published.due).filter(|_| waits),
            };
            // What is older than what is known of the slot counts, and replaces nothing.
            let replaces = device.receipts.get(&receipt.slot).is_none_or(|known| known.at <= kept.at);
            let other = match replaces {
                true => device.receipts.insert(receipt.slot.clone(), kept),
                false => Some(kept),
            };
            // People may still complain of it.
            let newest = device.receipts.get(&receipt.slot).map_or(receipt.at, |newest| newest.at);
            let from = newest.checked_sub(BLAMED).unwrap_or(Timestamp::MIN);
            let title = receipt.slot.title.clone();
            let other = other.and_then(|other| Some(Tried { version: other.tried()?.clone(), at: other.at, title }));
            device.tried.extend(other);
            device.tried.retain(|tried| tried.title != receipt.slot.title || tried.at >= from);
            device.counted.push(receipt.receipt.clone());
            let surplus = device.counted.len().saturating_sub(COUNTED_MOST);
            device.counted.drain(..surplus);
            device.revised = seq;
        });
        // A device that is sent back is a failure of what it was sent to.
        let version = receipt.wanted.as_ref().or(receipt.after.as_ref());
        if let (Some(version), Some(device)) = (version, self.devices.get(&receipt.device)) {
            let title = &receipt.slot.title;
            let newest = newest_install(self.policy.as_deref(), device, title);
            let is_gone =
                newest.is_some_and(|newest| Version::parse(newest.scheme(), version).is_ok_and(|it| newest < it));
            let failed = match receipt.result {
                // Somebody has put it back before it could say so: done is what is seen.
                ReceiptResult::Succeeded if is_gone => None,
                ReceiptResult::Succeeded => Some(false),
                ReceiptResult::Failed => Some(true),
                ReceiptResult::RestartPending => None,
            };
            let at = receipt.at.min(self.clock.max(at));
            self.rollouts.result(&receipt.slot.title, version, device.index, at, failed);
        }
    }
}

/// Whether an observation says what is installed on a device, or leaves that to others: of the operating system alone it speaks only where
/// nothing else is known to be there.
fn speaks(device: &DeviceRecord, observed: &DeviceObserved) -> bool {
    let of_it =
        |slot: &SlotName| observed.gone.contains(slot) || observed.present.iter().any(|entry| entry.slot() == *slot);
    !observed.system || device.installs.keys().all(of_it)
}

/// The newest release of a title that is installed on a device; `None` where there is none, or one that nobody can compare.
fn newest_install(policy: Option<&InForce>, device: &DeviceRecord, title: &TitleId) -> Option<Version> {
    let scheme = policy?.repository.scheme(title);
    let ours = device.installs.iter().filter(|(slot, _)| slot.title == *title);
    let versions: Option<Vec<Version>> = ours.map(|(_, it)| Version::parse(scheme, &it.version).ok()).collect();
    versions?.into_iter().max()
}
