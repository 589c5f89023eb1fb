//! Releases that are offered, advisories that no longer count, rings and gates.

use super::super::State;
use crate::control::{
    device_set::DeviceSet,
    entry::AdvisoryEntry,
    event::{GateAnswered, RingOpened, UniverseOffered},
};
use jiff::Timestamp;
use refit_model::AdvisoryId;
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
        let has = |index: &u32| {
            let device = self.at_index(*index);
            let mut installs = device.iter().flat_map(|device| device.installs.iter());
            installs.any(|(slot, it)| slot.title == opened.title && it.version == opened.version && it.state.is_none())
        };
        let begun = self.rollouts.trial(&opened.title, &opened.version).is_some();
        let already = match begun {
            true => DeviceSet::default(),
            false => self.found.with_title(&opened.title).iter().filter(has).collect(),
        };
        self.rollouts.ring_opened(seq, at, opened, already);
        self.revise_title(&opened.title, seq);
    }

    pub(super) fn gate_answered(&mut self, seq: u64, at: Timestamp, answered: &GateAnswered) {
        self.rollouts.gate_answered(seq, at, answered);
        self.revise_title(&answered.title, seq);
    }
}
