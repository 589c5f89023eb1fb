//! What many devices have alike lies in memory once. An event that publishes something for a cohort makes it so; a snapshot has
//! it once for each device, so that it is done again when one is read.

use super::{Published, State};
use crate::control::event::{FirstOffered, SlotStanding};
use std::{collections::BTreeSet, sync::Arc};

/// Things that are equal, once each.
struct Shared<T>(BTreeSet<Arc<T>>);

impl<T: Ord> Shared<T> {
    fn share(&mut self, one: Arc<T>) -> Arc<T> {
        if let Some(shared) = self.0.get(&one) {
            return shared.clone();
        }
        self.0.insert(one.clone());
        one
    }
}

impl State {
    /// Makes devices share what is published, held or noted for them alike.
    pub(super) fn share_again(&mut self) {
        let (mut keys, mut all) = (Shared(BTreeSet::new()), Shared::<Published>(BTreeSet::new()));
        let mut offers = Shared::<FirstOffered>(BTreeSet::new());
        let mut stands = Shared::<SlotStanding>(BTreeSet::new());
        let devices = std::mem::take(&mut self.devices).into_iter().map(|(id, mut record)| {
            let device = Arc::make_mut(&mut record);
            device.published.share(&mut |published| all.share(published));
            device.held.values_mut().for_each(|(_, key)| *key = keys.share(key.clone()));
            let noted = device.offered.values_mut().flat_map(|noted| noted.values_mut());
            noted.for_each(|first| *first = offers.share(first.clone()));
            device.stands.values_mut().for_each(|standing| *standing = stands.share(standing.clone()));
            (id, record)
        });
        self.devices = devices.collect();
    }
}
