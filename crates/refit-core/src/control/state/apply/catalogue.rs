//! Releases that are offered, advisories that no longer count, rings and gates.

use super::super::State;
use crate::control::{
    device_set::DeviceSet,
    entry::{AdvisoryEntry, SlotName},
    event::{GateAnswered, RingOpened, UniverseOffered},
};
use crate::rollout::snapshot_policy;
use jiff::Timestamp;
use refit_model::{AdvisoryId, TitleId};
use std::sync::Arc;

impl State {
    /// Withdrawing an advisory removes its latches (rule 4), where no other title still has it.
    pub(super) fn unlatch(&mut self, seq: u64, at: Timestamp, id: &AdvisoryId) {
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

    pub(super) fn universe_offered(&mut self, seq: u64, at: Timestamp, offered: &UniverseOffered) {
        let record = self.universes.entry(offered.universe.clone()).or_default();
        let universe = Arc::make_mut(record);
        universe.distribution = offered.distribution.clone();
        universe.revised = seq;
        let mut revised = Vec::new();
        for offer in &offered.offers {
            let first = self.first_offered.entry(offer.title.clone()).or_default();
            let known = first.contains_key(&offer.version);
            let first = first.entry(offer.version.clone()).or_insert(offer.published.min(at));
            // Decisions in other universes that offer it read this too.
            if known && offer.published < *first {
                *first = offer.published;
                revised.push(&offer.title);
            }
            let list = universe.offers.entry(offer.title.clone()).or_default();
            list.retain(|known| known.version != offer.version);
            list.push(offer.clone());
        }
        revised.into_iter().for_each(|title| self.revise_title(title, seq));
    }

    pub(super) fn ring_opened(&mut self, seq: u64, at: Timestamp, opened: &RingOpened) {
        let set = (opened.title.clone(), opened.version.clone());
        let is_snapshot = snapshot_policy(&opened.title).is_some();
        let parts = if is_snapshot { opened.releases.clone() } else { vec![set.clone()] };
        for part in &parts {
            let (title, version) = part;
            let from = SlotName::of(title.clone());
            let has = |index: &u32| {
                let Some(device) = self.at_index(*index) else { return false };
                let mut installs = device.installs.all_from(&from).take_while(|(slot, _)| slot.title == *title);
                installs.any(|(_, it)| it.version == *version && it.state.is_none())
            };
            let already = match self.rollouts.trial(title, version).is_some() {
                true => DeviceSet::default(),
                false => self.found.with_title(title).iter().filter(has).collect(),
            };
            self.rollouts.begins(part, is_snapshot.then(|| set.clone()), already);
        }
        self.rollouts.goes_on(opened);
        self.rollouts.ring_opened(seq, at, opened);
        self.revise_set(&opened.title, &opened.version, seq);
    }

    pub(super) fn gate_answered(&mut self, seq: u64, at: Timestamp, answered: &GateAnswered) {
        self.rollouts.heard(answered);
        let here = answered.platform.as_ref().map(|platform| self.found.on_platform(platform));
        self.rollouts.gate_answered(seq, at, answered, here.as_ref());
        self.revise_set(&answered.title, &answered.version, seq);
    }

    /// All that moves as one is to be decided anew.
    fn revise_set(&mut self, title: &TitleId, version: &str, seq: u64) {
        let parts = self.rollouts.parts(title, version);
        parts.iter().for_each(|(title, _)| self.revise_title(title, seq));
        self.revise_title(title, seq);
    }
}
