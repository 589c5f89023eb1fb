//! When what the rules say changes by itself: the earliest of the times that they compare with the present one.

use super::{duty::Judge, subject::Shelf};
use crate::world::{ExposureView, GateFinding, GateState};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::Offer;
use std::collections::BTreeSet;

/// Where days end of devices whose zone is not known.
static UTC: TimeZone = TimeZone::UTC;

impl Shelf<'_> {
    /// The first time after now at which something about the title is otherwise, whoever has it, where days end as in those zones; it may
    /// be early, never late.
    pub fn next<'z>(&self, zones: impl IntoIterator<Item = &'z TimeZone>) -> Option<Timestamp> {
        let mut times: Vec<Timestamp> = Vec::new();
        let policies = || self.policies.iter().map(|candidate| candidate.policy);
        let entries = policies().flat_map(|policy| &policy.deadline).filter_map(|entry| entry.min_age);
        let ages: BTreeSet<_> = policies().map(|policy| policy.min_age).chain(entries).collect();
        for release in self.releases {
            times.push(release.published);
            times.extend(ages.iter().filter_map(|age| release.published.checked_add(*age).ok()));
        }
        for advisory in self.advisories {
            times.push(advisory.known_at);
            times.extend(advisory.withdrawn.into_iter().chain(advisory.kev));
            let latches = self.world.latches.range((advisory.id.clone(), "".into())..);
            let latches = latches.take_while(|((id, _), _)| *id == advisory.id);
            times.extend(latches.map(|(_, since)| *since));
        }
        let snapshots = self.policies.iter().filter(|candidate| candidate.policy.snapshot_every.is_some());
        let snapshots: Vec<&GateState> = match snapshots.count() {
            0 => Vec::new(),
            _ => self.world.gates.values().flatten().collect(),
        };
        for gate in self.trail.gates.iter().chain(snapshots) {
            let GateFinding::Evidence(evidence) = &gate.finding else { continue };
            let rings = self.repository.rollouts.values().flat_map(|rollout| &rollout.rings);
            let soaks = rings.filter(|ring| ring.name == gate.after).map(|ring| ring.soak);
            let first = evidence.first_result;
            times.extend(soaks.filter_map(|soak| first.and_then(|first| first.checked_add(soak).ok())));
        }
        let exceptions = self.exceptions.iter().map(|(_, exception)| exception);
        let branches = self.branches.iter();
        let days = (exceptions.map(|exception| exception.until))
            .chain(branches.filter_map(|branch| branch.supported_until))
            .chain(policies().flat_map(|policy| &policy.accept).filter_map(|accepted| accepted.until))
            .chain(self.blocks.iter().filter_map(|block| block.until));
        let days: Vec<_> = days.collect();
        for zone in zones.into_iter().chain([&UTC]) {
            times.extend(days.iter().map(|day| day.end_in(zone)));
        }
        times.into_iter().filter(|time| *time > self.now).min()
    }
}

impl Judge<'_, '_> {
    /// The first time after now at which something is otherwise for these devices alone: an offer, what a condition says of an exposure.
    pub fn until(&self) -> Option<Timestamp> {
        let now = self.now;
        let offers = self.subject.offers.iter().filter_map(|(_, offer)| match offer {
            Offer::Since(since) => Some(*since),
            Offer::Never => None,
        });
        let timed =
            self.track.shelf.terms(self.track.candidate).map(|terms| terms.timed.as_slice()).unwrap_or_default();
        let exposures = self.exposures().filter(|_| !timed.is_empty());
        let crossings = exposures.flat_map(|(_, advisory)| {
            let view = ExposureView { known: self.subject.facts, advisory, at: now };
            let changes = timed.iter().map(move |condition| condition.next_change(&view, now));
            changes.flatten().collect::<Vec<_>>()
        });
        let remembered = self.subject.first_offers.iter().map(|offer| offer.at);
        offers.chain(remembered).chain(crossings).filter(|time| *time > now).min()
    }
}
