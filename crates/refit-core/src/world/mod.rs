//! What is so: releases, advisories, rollouts, devices. The input of every decision.
//!
//! A world is plain data that somebody else has gathered: a test document, this machine, the server's log. Everything that
//! takes time to compute about a title is ordered once, when the world is built.

mod device;
mod exposure;

pub use device::{Absence, Device, Install, RememberedOffer, SlotKey};
pub use exposure::ExposureView;

use crate::policy::document::test::GateAnswer;
pub use crate::rollout::Evidence;
use crate::rollout::Verdict;
use jiff::Timestamp;
use refit_model::{Advisory, AdvisoryId, DeviceId, Release, TitleId, Version};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What is so, apart from the devices.
#[derive(Clone, Debug, Default)]
pub struct World {
    releases: BTreeMap<TitleId, Vec<Release>>,
    advisories: BTreeMap<TitleId, Vec<Advisory>>,
    /// What has opened, by title; snapshots by [`snapshot_title`](crate::rollout::snapshot_title).
    pub rollouts: BTreeMap<TitleId, Vec<RolloutState>>,
    /// What gates said, or the evidence for it, by title, snapshots likewise.
    pub gates: BTreeMap<TitleId, Vec<GateState>>,
    /// When a condition on an advisory first became true.
    pub latches: BTreeMap<(AdvisoryId, SmolStr), Timestamp>,
    /// When policies first applied.
    pub applied: Applied,
}

/// When policies, and the entries of their deadlines, first applied. What is not named has applied for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What holds for every policy that is not named.
    pub all: Option<Timestamp>,
    /// By policy.
    pub policies: BTreeMap<SmolStr, Timestamp>,
    /// By policy and text of the entry.
    pub entries: BTreeMap<(SmolStr, SmolStr), Timestamp>,
}

/// How far one release, or one snapshot of a policy, has come in one rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutState {
    /// The rollout's name.
    pub rollout: SmolStr,
    /// The release, or the snapshot's name.
    pub version: Version,
    /// The releases of a snapshot, as it began; `None` is whatever was published before it was taken.
    pub releases: Option<BTreeSet<(TitleId, SmolStr)>>,
    /// The platform; `None` is every platform.
    pub platform: Option<SmolStr>,
    /// The rings that have opened.
    pub open: Vec<SmolStr>,
    /// Who was in a ring when it opened; a ring that is not named took all who match.
    pub members: BTreeMap<SmolStr, BTreeSet<DeviceId>>,
}

/// What is known of the gate after one ring, for one release.
#[derive(Clone, Debug, PartialEq)]
pub struct GateState {
    /// The release.
    pub version: Version,
    /// The rollout in which the gate stands; `None` is every rollout with such a ring. A halt counts in all of them.
    pub rollout: Option<SmolStr>,
    /// The ring before the gate.
    pub after: SmolStr,
    /// The platform that it speaks of; `None` is every platform.
    pub platform: Option<SmolStr>,
    /// What it said, or what it has to go by.
    pub finding: GateFinding,
    /// What the log says besides; `None` where there is no log, or it says nothing.
    pub notes: Option<Box<GateNotes>>,
}

/// What the log says of a gate besides its answer. Explanations tell it; no decision depends on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GateNotes {
    /// When it answered.
    pub at: Option<Timestamp>,
    /// Until when the answer counts; `None` is: until somebody takes it back.
    pub until: Option<Timestamp>,
    /// Why, where the evidence answered.
    pub verdict: Option<Verdict>,
    /// What it went by when it answered.
    pub evidence: Option<Evidence>,
    /// Why, where a person answered.
    pub why: Option<SmolStr>,
    /// Since when a person is asked, where the gate has not answered.
    pub asked: Option<Timestamp>,
}

/// What a gate said, or what it has to go by.
#[derive(Clone, Debug, PartialEq)]
pub enum GateFinding {
    /// Its answer, as the log has it.
    Answered(GateAnswer),
    /// The evidence so far.
    Evidence(Evidence),
}

impl World {
    /// Orders releases and advisories by title.
    pub fn new(releases: Vec<Release>, advisories: Vec<Advisory>) -> World {
        let mut world = World::default();
        for release in releases {
            world.releases.entry(release.title.clone()).or_default().push(release);
        }
        for list in world.releases.values_mut() {
            list.sort_by(order);
        }
        for advisory in advisories {
            world.advisories.entry(advisory.title.clone()).or_default().push(advisory);
        }
        for list in world.advisories.values_mut() {
            list.sort_by(|a, b| a.id.cmp(&b.id));
        }
        world
    }

    /// Adds a release; it takes the place of the one of that version and branch.
    pub fn publish(&mut self, release: Release) {
        let list = self.releases.entry(release.title.clone()).or_default();
        list.retain(|known| known.version != release.version || known.branch != release.branch);
        let place = list.partition_point(|known| order(known, &release).is_lt());
        list.insert(place, release);
    }

    /// Adds an advisory; it takes the place of the one of that id for that title.
    pub fn advise(&mut self, advisory: Advisory) {
        let list = self.advisories.entry(advisory.title.clone()).or_default();
        match list.binary_search_by(|known| known.id.cmp(&advisory.id)) {
            Ok(place) => list.splice(place..=place, [advisory]).for_each(drop),
            Err(place) => list.insert(place, advisory),
        }
    }

    /// The releases of a title, oldest version first.
    pub fn releases(&self, title: &TitleId) -> &[Release] {
        self.releases.get(title).map_or(&[], Vec::as_slice)
    }

    /// The advisories that concern a title, by id.
    pub fn advisories(&self, title: &TitleId) -> &[Advisory] {
        self.advisories.get(title).map_or(&[], Vec::as_slice)
    }

    /// All titles that have releases.
    pub fn titles(&self) -> impl Iterator<Item = &TitleId> {
        self.releases.keys()
    }
}

/// Releases of a title: by version, then by branch.
fn order(a: &Release, b: &Release) -> std::cmp::Ordering {
    a.version.cmp(&b.version).then(a.branch.cmp(&b.branch)).then(a.published.cmp(&b.published))
}
