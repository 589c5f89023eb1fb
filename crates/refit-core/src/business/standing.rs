//! What it means that slots stand otherwise than before.

use super::{
    data::{Data, ExposureData, StandingData},
    derive::{Found, only},
    kinds::Kind,
};
use crate::{
    control::{DeviceSet, ObligationsNoted, SlotStanding, StandingChange},
    decide::Compliance,
};
use std::collections::{BTreeMap, BTreeSet};

/// All that follows from what was noted, in the order in which it stands there; that devices are seen again comes first, that they are
/// not comes last.
pub(super) fn noted(found: &mut Found<'_>, noted: &ObligationsNoted) {
    found.devices(Kind::DeviceSeen, &noted.seen);
    for change in &noted.stands {
        if !change.goes_on {
            stands(found, change);
        }
        exposures(found, change);
    }
    found.devices(Kind::DeviceUnseen, &noted.unseen);
}

fn compliance(standing: Option<&SlotStanding>) -> Compliance {
    standing.map_or(Compliance::Compliant, |standing| standing.compliance)
}

/// The type that says how a slot stands; `None` where nobody waits for the news.
fn kind(was: Compliance, is: Compliance, moved: bool) -> Option<Kind> {
    let kind = match is {
        Compliance::Due => Kind::DeviceDue,
        Compliance::Overdue => Kind::DeviceOverdue,
        Compliance::Unsupported => Kind::DeviceUnsupported,
        Compliance::Undetermined => Kind::DeviceUndetermined,
        // What no policy speaks of is asked for no longer.
        Compliance::Compliant | Compliance::NotApplicable | Compliance::Unmanaged | Compliance::Unseen => {
            let open = matches!(
                was,
                Compliance::Due | Compliance::Overdue | Compliance::Unsupported | Compliance::Undetermined
            );
            return open.then_some(Kind::DeviceCompliant);
        }
    };
    match (was == is, moved) {
        (false, _) => Some(kind),
        (true, true) => Some(Kind::DeviceDueMoved),
        (true, false) => None,
    }
}

fn stands(found: &mut Found<'_>, change: &StandingChange) {
    let (was, is) = (change.was.as_ref(), change.is.as_ref());
    let due = |standing: Option<&SlotStanding>| standing.and_then(|standing| standing.due);
    let Some(kind) = kind(compliance(was), compliance(is), due(was) != due(is)) else { return };
    let exposures = is.map(|is| is.exposures.as_slice()).unwrap_or_default();
    let ids: BTreeSet<String> = exposures.iter().map(|(advisory, _)| advisory.to_string()).collect();
    let others = is.map(|is| is.obligations.as_slice()).unwrap_or_default();
    let obligations: Vec<String> = ids.into_iter().chain(others.iter().map(ToString::to_string)).collect();
    for devices in found.lists(&change.devices) {
        let data = StandingData {
            title: change.slot.title.to_string(),
            branch: change.slot.branch.as_ref().map(ToString::to_string),
            profile: change.slot.profile.as_ref().map(ToString::to_string),
            was: compliance(was),
            compliance: compliance(is),
            due: due(is),
            was_due: due(was),
            obligations: obligations.clone(),
            kev: exposures.iter().any(|(_, exploited)| *exploited),
            count: devices.len() as u64,
            devices,
        };
        found.push(kind, only(&data.devices), Data::Standing(data));
    }
}

fn exposures(found: &mut Found<'_>, change: &StandingChange) {
    let open = |standing: Option<&SlotStanding>| {
        let mut open: BTreeMap<String, bool> = BTreeMap::new();
        for (advisory, exploited) in standing.map(|standing| standing.exposures.as_slice()).unwrap_or_default() {
            *open.entry(advisory.to_string()).or_default() |= exploited;
        }
        open
    };
    let (was, is) = (open(change.was.as_ref()), open(change.is.as_ref()));
    let due = change.is.as_ref().and_then(|is| is.due);
    let opened = is.iter().filter(|(id, _)| !was.contains_key(*id));
    let exploited = is.iter().filter(|(id, exploited)| **exploited && was.get(*id) == Some(&false));
    let closed = was.iter().filter(|(id, _)| !is.contains_key(*id));
    type Ids = Vec<(String, bool)>;
    let owned = |(id, exploited): (&String, &bool)| (id.clone(), *exploited);
    let found_of: [(Kind, Ids); 3] = [
        (Kind::ExposureClosed, closed.map(owned).collect()),
        (Kind::ExposureOpened, opened.map(owned).collect()),
        (Kind::ExposureExploited, exploited.map(owned).collect()),
    ];
    for (kind, ids) in found_of {
        if ids.is_empty() {
            continue;
        }
        exposure(found, kind, change, &ids, due);
    }
}

fn exposure(
    found: &mut Found<'_>,
    kind: Kind,
    change: &StandingChange,
    ids: &[(String, bool)],
    due: Option<jiff::Timestamp>,
) {
    let devices: &DeviceSet = &change.devices;
    for devices in found.lists(devices) {
        let data = ExposureData {
            title: change.slot.title.to_string(),
            branch: change.slot.branch.as_ref().map(ToString::to_string),
            profile: change.slot.profile.as_ref().map(ToString::to_string),
            advisories: ids.iter().map(|(id, _)| id.clone()).collect(),
            kev: ids.iter().any(|(_, exploited)| *exploited),
            due: due.filter(|_| kind != Kind::ExposureClosed),
            count: devices.len() as u64,
            devices,
        };
        found.push(kind, only(&data.devices), Data::Exposure(data));
    }
}
