//! Invariants of identity: two devices that report under one id.

use super::{Truth, fold::Fold};
use refit_core::control::{Event, MovesPublished};

/// What is taken of a device is one history: once another device has been heard under its id, the first is not heard again until a
/// person has looked. And nobody is stopped of whom there is one.
pub fn clones_are_quarantined(fold: &Fold, truth: &Truth, event: &Event) -> Option<String> {
    match event {
        Event::DeviceObserved(observed) => {
            let agent = truth.links.get(&(observed.device.clone(), observed.check_in?.link))?;
            let device = fold.devices.get(*fold.by_id.get(&observed.device)?)?;
            let again = device.heard.last() != Some(agent) && device.heard.contains(agent);
            again.then(|| format!("{}: agent {agent} was heard again after {:?}", device.id, device.heard))
        }
        Event::DeviceQuarantined(quarantined) => {
            let agents = truth.agents.get(&quarantined.device).map_or(0, |agents| agents.len());
            (agents < 2).then(|| format!("there is one {}, and it is quarantined: {quarantined:?}", quarantined.device))
        }
        _ => None,
    }
}

/// A quarantined device keeps what is published for it, and nothing is taken from it.
pub fn quarantine_holds(fold: &Fold, event: &Event) -> Option<String> {
    let quarantined = |index: u32| fold.devices.get(index as usize).is_some_and(|device| device.quarantined);
    let given = |moves: &MovesPublished| {
        let cohorts = moves.cohorts.iter().flat_map(|cohort| cohort.devices.iter());
        cohorts.chain(moves.withdrawn.iter().flat_map(|(_, devices)| devices.iter())).find(|index| quarantined(*index))
    };
    match event {
        Event::MovesPublished(moves) => {
            given(moves).map(|index| format!("device {index} is quarantined, and something else is published for it"))
        }
        Event::DeviceObserved(observed) if observed.check_in.is_some() => {
            let index = *fold.by_id.get(&observed.device)?;
            quarantined(index as u32).then(|| format!("{} is quarantined, and was believed", observed.device))
        }
        Event::ReceiptReceived(receipt) => {
            let index = *fold.by_id.get(&receipt.device)?;
            quarantined(index as u32).then(|| format!("{} is quarantined, and its receipt counted", receipt.device))
        }
        _ => None,
    }
}
