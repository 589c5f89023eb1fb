//! What is published for one device. All that an event publishes for a cohort lies in memory once, whoever has it.

use super::Published;
use crate::control::{entry::SlotName, publication::CohortKey, sorted::Sorted};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Borrow, cmp::Ordering, fmt, sync::Arc};

/// What is published, by slot.
#[derive(Clone, Default, PartialEq)]
pub struct PublishedSlots(Sorted<Slot, Arc<Published>>);

/// The slot of what is published: it is in the cohort's key already.
#[derive(Clone)]
struct Slot(Arc<CohortKey>);

impl PublishedSlots {
    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is published.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is published for a slot.
    pub fn get(&self, slot: &SlotName) -> Option<&Published> {
        self.0.get(slot).map(Arc::as_ref)
    }

    /// Whether anything is published for a slot.
    pub fn contains_key(&self, slot: &SlotName) -> bool {
        self.0.contains_key(slot)
    }

    /// Publishes something for the slot that it is for, in place of what was.
    pub fn insert(&mut self, published: Arc<Published>) {
        self.0.remove(published.slot());
        self.0.insert(Slot(published.key.clone()), published);
    }

    /// Changes what is published for a slot, for this device alone. It stays what is published for that slot.
    pub(super) fn change(&mut self, slot: &SlotName, change: impl FnOnce(&mut Published)) {
        if let Some(published) = self.0.get_mut(slot) {
            change(Arc::make_mut(published));
        }
    }

    /// Takes away what is published for a slot.
    pub fn remove(&mut self, slot: &SlotName) {
        self.0.remove(slot);
    }

    /// Takes everything away.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All of it, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (&SlotName, &Published)> {
        self.0.values().map(|published| (published.slot(), published.as_ref()))
    }

    /// The slots, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &SlotName> {
        self.iter().map(|(slot, _)| slot)
    }

    /// What is published, by slot.
    pub fn values(&self) -> impl Iterator<Item = &Published> {
        self.iter().map(|(_, published)| published)
    }

    /// What is published, by slot, as it lies in memory once.
    pub(super) fn shared(&self) -> impl Iterator<Item = &Arc<Published>> {
        self.0.values()
    }

    /// Lets others say what is the same as each.
    pub(super) fn share(&mut self, share: &mut impl FnMut(Arc<Published>) -> Arc<Published>) {
        self.0 = self.0.values().map(|published| share(published.clone())).map(entry).collect();
    }
}

fn entry(published: Arc<Published>) -> (Slot, Arc<Published>) {
    (Slot(published.key.clone()), published)
}

impl fmt::Debug for PublishedSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for PublishedSlots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for PublishedSlots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublishedSlots, D::Error> {
        let slots = Sorted::<SlotName, Arc<Published>>::deserialize(deserializer)?;
        Ok(PublishedSlots(slots.values().cloned().map(entry).collect()))
    }
}

impl Borrow<SlotName> for Slot {
    fn borrow(&self) -> &SlotName {
        &self.0.slot
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Slot) -> bool {
        self.0.slot == other.0.slot
    }
}

impl Eq for Slot {}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Slot) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slot {
    fn cmp(&self, other: &Slot) -> Ordering {
        self.0.slot.cmp(&other.0.slot)
    }
}
