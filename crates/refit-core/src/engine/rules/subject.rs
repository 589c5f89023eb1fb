//! Who is judged, and by what: the devices of one cell share all of a subject that counts.

use crate::{
    facts::Lookup,
    policy::{
        expr::{Expr, Truth},
        repository::{Policy, Repository, Selector},
    },
    rollout::{snapshot_policy, snapshot_title},
    world::{GateState, RememberedOffer, RolloutState, World},
};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::{Advisory, BranchName, DeviceId, Offer, Release, TitleId, Version};
use smol_str::SmolStr;
use std::{collections::BTreeSet, sync::Arc};

/// One title: everything about it that is not a device's.
pub(crate) struct Shelf<'w> {
    /// The title.
    pub title: &'w TitleId,
    /// The policies and what belongs to them.
    pub repository: &'w Repository,
    /// What is so.
    pub world: &'w World,
    /// The time.
    pub now: Timestamp,
    /// Its releases, oldest version first.
    pub releases: &'w [Release],
    /// Its advisories.
    pub advisories: &'w [Advisory],
    /// How far its releases have come.
    pub rollouts: &'w [RolloutState],
    /// What gates said of them.
    pub gates: &'w [GateState],
    /// How far snapshots have come, of whatever policy, by their titles.
    pub snapshots: Vec<(&'w TitleId, &'w [RolloutState])>,
    /// The policies that include it, by name.
    pub policies: Vec<Candidate<'w>>,
}

/// A policy that includes a title.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'w> {
    /// The policy.
    pub policy: &'w Policy,
    /// Whether it speaks only of what the security archive offers.
    pub security_only: bool,
}

/// One slot of the devices of a cell.
pub(crate) struct Subject<'a> {
    /// What conditions on the device and its person say.
    pub ask: &'a dyn Fn(&Arc<Expr>) -> Truth,
    /// The facts that conditions on exposures ask besides.
    pub facts: &'a dyn Lookup,
    /// The platform.
    pub platform: Option<&'a str>,
    /// Whether it may be a server.
    pub may_be_server: bool,
    /// Whether it is being set up.
    pub provisioning: bool,
    /// The zone.
    pub zone: &'a TimeZone,
    /// Whether two histories claim its identity.
    pub doubt: bool,
    /// Where it stands in the shares of a policy, of 65,536.
    pub point: &'a dyn Fn(&str) -> u32,
    /// Whether it is one of those.
    pub member: &'a dyn Fn(&BTreeSet<DeviceId>) -> bool,
    /// Whether a policy requires the title here, by this name.
    pub required: &'a dyn Fn(&Policy) -> bool,
    /// When it was first known.
    pub enrolled: Option<Timestamp>,
    /// What is installed.
    pub installed: Option<Installed<'a>>,
    /// What its universe offers otherwise than published.
    pub offers: &'a [(Version, Offer)],
    /// When a spell began, where that was noted.
    pub spell: Option<Timestamp>,
    /// Offers that were noted.
    pub first_offers: &'a [RememberedOffer],
    /// What was admitted before.
    pub admitted_before: Option<&'a Version>,
    /// The policy that decided before.
    pub decided_before: Option<&'a SmolStr>,
}

/// What is installed in a slot.
#[derive(Clone, Copy)]
pub(crate) struct Installed<'a> {
    /// The branch.
    pub branch: &'a Option<BranchName>,
    /// The version.
    pub version: &'a Version,
    /// Since when.
    pub since: Option<Timestamp>,
}

impl<'w> Shelf<'w> {
    /// What the world and the repository say of a title.
    pub fn new(repository: &'w Repository, world: &'w World, title: &'w TitleId, now: Timestamp) -> Self {
        let releases = world.releases(title);
        let secure = || releases.iter().any(|release| release.security && release.published <= now);
        let candidate = |policy: &'w Policy| {
            let selects = |selector: &Selector| selector.selects(title, secure);
            let security_only =
                !policy.software.iter().any(|selector| *selector != Selector::OsSecurity && selects(selector));
            policy.software.iter().any(selects).then_some(Candidate { policy, security_only })
        };
        let snapshots = world.rollouts.range(snapshot_title("")..);
        let snapshots = snapshots.take_while(|(title, _)| snapshot_policy(title).is_some());
        Shelf {
            title,
            repository,
            world,
            now,
            releases,
            advisories: world.advisories(title),
            rollouts: world.rollouts.get(title).map(Vec::as_slice).unwrap_or_default(),
            gates: world.gates.get(title).map(Vec::as_slice).unwrap_or_default(),
            snapshots: snapshots.map(|(title, states)| (title, states.as_slice())).collect(),
            policies: repository.policies.iter().filter_map(candidate).collect(),
        }
    }

    /// Whether one of the selectors means the title.
    pub fn selected(&self, selectors: &[Selector]) -> bool {
        let secure = || self.releases.iter().any(|release| release.security && release.published <= self.now);
        selectors.iter().any(|selector| selector.selects(self.title, secure))
    }
}

impl Subject<'_> {
    /// Whether, and since when, its universe offers a release.
    pub fn offer(&self, release: &Release) -> Offer {
        let told = self.offers.iter().find(|(version, _)| *version == release.version);
        told.map_or(Offer::Since(release.published), |(_, offer)| *offer)
    }

    /// What a condition says; without one, that it holds.
    pub fn holds(&self, condition: Option<&Arc<Expr>>) -> Truth {
        condition.map_or(Truth::True, |condition| (self.ask)(condition))
    }
}
