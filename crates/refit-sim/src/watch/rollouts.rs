//! Invariants of releases on their way: rings open in their order and when they have soaked, and what is halted or not open is given
//! to nobody.

use super::{Truth, fold::Fold};
use crate::{
    policies::{PolicySpec, RINGS},
    quality::platform,
    store::Entry,
};
use jiff::Timestamp;
use refit_core::{
    control::{DeviceSet, Event, GateAnswered, MovesPublished, PublishedCohort, RingOpened, Wanted},
    policy::document::test::GateAnswer,
};
use refit_model::TitleId;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What the log says of releases on their way.
#[derive(Clone, Debug, Default)]
pub struct Releases {
    /// The rings that have opened.
    open: BTreeMap<Release, Vec<OpenRing>>,
    /// What gates said, by the ring before them and its rollout, and when that was known; without a rollout it is said in all of them.
    answers: BTreeMap<(Release, Option<SmolStr>, SmolStr), (GateAnswer, Timestamp)>,
    /// What waits for no gate.
    expedited: BTreeSet<Release>,
    /// When a halt of a release last ended.
    went_on: BTreeMap<Release, Timestamp>,
    /// What was ever halted.
    halted: BTreeSet<(TitleId, SmolStr)>,
    /// The releases that move as one in a snapshot.
    snapshots: BTreeMap<(TitleId, SmolStr), BTreeSet<(TitleId, SmolStr)>>,
}

/// A ring that has opened.
#[derive(Clone, Debug)]
pub struct OpenRing {
    /// The rollout.
    pub rollout: SmolStr,
    /// Its name.
    pub ring: SmolStr,
    /// When.
    pub at: Timestamp,
    /// Who is in it, where that was fixed.
    pub members: Option<DeviceSet>,
    /// Its place among the rings of the policy that was in force, and how many those were.
    place: (usize, usize),
}

/// A title, a version and a platform; without one it is every platform.
type Release = (TitleId, SmolStr, Option<SmolStr>);

impl OpenRing {
    /// Whether it is the last of its rollout.
    pub fn is_last(&self) -> bool {
        self.place.0 + 1 == self.place.1
    }

    /// Whether it is the first of its rollout.
    pub fn is_first(&self) -> bool {
        self.place.0 == 0
    }
}

/// On the platform, or on every one.
pub(super) fn both(title: &TitleId, version: &SmolStr, platform: Option<&SmolStr>) -> [Release; 2] {
    [(title.clone(), version.clone(), platform.cloned()), (title.clone(), version.clone(), None)]
}

impl Releases {
    /// Takes one event, which is known `now`, under the policy in force.
    pub fn apply(&mut self, spec: Option<&PolicySpec>, event: &Event, at: Timestamp, now: Timestamp) {
        match event {
            Event::RingOpened(opened) => {
                let set = (opened.title.clone(), opened.version.clone());
                if !opened.releases.is_empty() {
                    self.snapshots.entry(set.clone()).or_default().extend(opened.releases.iter().cloned());
                }
                let (rollout, ring) = (opened.rollout.clone(), opened.ring.clone());
                let names = rings(spec, &rollout);
                let place = (place(names, &ring).unwrap_or(names.len()), names.len());
                let ring = OpenRing { rollout, ring, at, members: opened.members.clone(), place };
                for (title, version) in opened.releases.iter().cloned().chain([set]) {
                    let release = (title, version, opened.platform.clone());
                    self.open.entry(release).or_default().push(ring.clone());
                }
            }
            Event::GateAnswered(GateAnswered { title, version, platform, rollout, after, answer, .. }) => {
                let key = ((title.clone(), version.clone(), platform.clone()), rollout.clone(), after.clone());
                // What is said of all rollouts takes the place of what was said of each.
                let mut was_halted = false;
                self.answers.retain(|(release, of, ring), (known, _)| {
                    let stays = *release != key.0 || ring != after || (rollout.is_some() && of != rollout);
                    was_halted |= !stays && *known == GateAnswer::Halt;
                    stays
                });
                if was_halted && *answer != Some(GateAnswer::Halt) {
                    self.went_on.insert(key.0.clone(), at);
                }
                if *answer == Some(GateAnswer::Halt) {
                    self.halted.extend(self.moves_with(title, version));
                    self.halted.insert((title.clone(), version.clone()));
                }
                if let Some(answer) = answer {
                    self.answers.insert(key, (*answer, now));
                }
            }
            Event::ReleaseExpedited(it) => {
                self.expedited.insert((it.title.clone(), it.version.clone(), it.platform.clone()));
            }
            _ => {}
        }
    }

    /// The rings of a release that have opened for the devices of a platform.
    pub fn open<'r>(
        &'r self,
        title: &TitleId,
        version: &SmolStr,
        platform: &SmolStr,
    ) -> impl Iterator<Item = &'r OpenRing> + use<'r> {
        let both = both(title, version, Some(platform));
        both.into_iter().filter_map(|release| self.open.get(&release)).flatten()
    }

    /// The releases that move with a snapshot, or the release itself.
    pub fn moves_with(&self, title: &TitleId, version: &SmolStr) -> BTreeSet<(TitleId, SmolStr)> {
        let alone = (title.clone(), version.clone());
        self.snapshots.get(&alone).cloned().unwrap_or_else(|| [alone].into())
    }

    /// A release, and the snapshots that it moves with.
    fn sets(&self, title: &TitleId, version: &SmolStr, platform: Option<&SmolStr>) -> Vec<Release> {
        let alone = (title.clone(), version.clone());
        let snapshots = self.snapshots.iter().filter(|(_, releases)| releases.contains(&alone)).map(|(set, _)| set);
        snapshots.chain([&alone]).flat_map(|(title, version)| both(title, version, platform)).collect()
    }

    /// Whether a release is halted on a platform, by itself or with a snapshot.
    pub fn is_halted(&self, title: &TitleId, version: &SmolStr, platform: Option<&SmolStr>) -> bool {
        let both = self.sets(title, version, platform);
        self.answers.iter().any(|((release, ..), (answer, _))| both.contains(release) && *answer == GateAnswer::Halt)
    }

    /// Since when it is known that a release is halted for the devices of a platform.
    pub fn halted_since(&self, title: &TitleId, version: &SmolStr, platform: &SmolStr) -> Option<Timestamp> {
        let both = self.sets(title, version, Some(platform));
        let halts = self
            .answers
            .iter()
            .filter(|((release, ..), (answer, _))| both.contains(release) && *answer == GateAnswer::Halt);
        halts.map(|(_, (_, since))| *since).min()
    }

    /// Whether a halt of a release ended after `since`, for the devices of a platform.
    pub fn went_on_since(&self, title: &TitleId, version: &SmolStr, platform: &SmolStr, since: Timestamp) -> bool {
        let sets = self.sets(title, version, Some(platform));
        sets.iter().any(|release| self.went_on.get(release).is_some_and(|at| *at > since))
    }

    /// Whether any release has begun.
    pub fn any(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether a release was ever halted.
    pub fn was_halted(&self, title: &TitleId, version: &SmolStr) -> bool {
        self.halted.contains(&(title.clone(), version.clone()))
    }

    /// What was ever halted of a title.
    pub fn ever_halted<'r>(&'r self, title: &'r TitleId) -> impl Iterator<Item = &'r SmolStr> {
        self.halted.iter().filter(move |(of, _)| of == title).map(|(_, version)| version)
    }

    /// Whether a release waits for no gate.
    pub fn is_expedited(&self, title: &TitleId, version: &SmolStr, platform: Option<&SmolStr>) -> bool {
        both(title, version, platform).iter().any(|release| self.expedited.contains(release))
    }

    /// Whether the gate after a ring of a rollout lets a release pass.
    pub fn lets_pass(
        &self,
        title: &TitleId,
        version: &SmolStr,
        platform: Option<&SmolStr>,
        (rollout, after): (&SmolStr, &SmolStr),
    ) -> bool {
        let both = both(title, version, platform);
        self.answers.iter().any(|((release, of, ring), (answer, _))| {
            let here = of.as_ref().is_none_or(|of| of == rollout);
            here && ring == after && both.contains(release) && *answer == GateAnswer::Pass
        })
    }
}

impl Releases {
    /// Whether a ring behind a place among those of these names is open.
    fn is_open_behind(&self, release: &Release, rollout: &SmolStr, names: &[&str], place: usize) -> bool {
        let behind = names.get(place + 1..).unwrap_or_default();
        let open = self.open.get(release).into_iter().flatten();
        open.filter(|open| open.rollout == *rollout).any(|open| behind.iter().any(|name| open.ring == *name))
    }
}

/// The policy in force, as the simulation wrote it.
pub(super) fn in_force<'t>(fold: &Fold, truth: &'t Truth) -> Option<&'t PolicySpec> {
    fold.policy.as_ref().and_then(|(_, _, files)| truth.specs.get(files))
}

/// The rings of a rollout under a policy; a rollout that it does not have had those that nobody has changed.
pub(super) fn rings<'s>(spec: Option<&'s PolicySpec>, rollout: &SmolStr) -> &'s [&'static str] {
    spec.and_then(|spec| spec.rollouts.get(rollout)).map_or(&RINGS[..], |rollout| rollout.names.as_slice())
}

/// The place of a ring among those of these names.
pub(super) fn place(names: &[&str], ring: &SmolStr) -> Option<usize> {
    names.iter().position(|name| ring == name)
}

/// By itself a ring opens after the one before has passed, or if nobody waits for gates, or if one behind it is open already because
/// the policy had other rings when that opened; never what is halted, and never while
/// everything is stopped. Whoever opens a ring, those before it are open.
pub fn rings_open_in_order(fold: &Fold, truth: &Truth, entry: &Entry, opened: &RingOpened) -> Option<String> {
    let RingOpened { title, version, rollout, ring, platform, .. } = opened;
    let what = format!("ring {ring} of {title} {version}");
    if fold.releases.is_halted(title, version, platform.as_ref()) {
        return Some(format!("{what} opened though it is halted"));
    }
    let names = rings(in_force(fold, truth), rollout);
    let Some(place) = place(names, ring) else {
        return Some(format!("{what} opened in {rollout}, whose rings are {names:?}"));
    };
    let before = place.checked_sub(1).map(|before| SmolStr::new_static(names[before]))?;
    let release = (title.clone(), version.clone(), platform.clone());
    let is_before = |open: &OpenRing| open.rollout == *rollout && open.ring == before;
    if !fold.releases.open.get(&release).is_some_and(|open| open.iter().any(is_before)) {
        return Some(format!("{what} opened before {before}"));
    }
    if fold.stopped {
        return Some(format!("{what} opened though everything is stopped"));
    }
    if entry.actor != "server" {
        return None;
    }
    let passed = fold.releases.lets_pass(title, version, platform.as_ref(), (rollout, &before))
        || fold.releases.is_expedited(title, version, platform.as_ref());
    let gated = in_force(fold, truth).and_then(|spec| spec.rollouts.get(rollout)).is_some_and(|rollout| rollout.gated);
    let passed = passed || fold.releases.is_open_behind(&release, rollout, names, place);
    (gated && !passed).then(|| format!("{what} opened in {rollout} though {before} has not passed"))
}

/// No gate passes by evidence, and without a gate no ring opens, before the ring before it has been open for as long as it soaks,
/// unless one behind it is open already.
pub fn rings_soak(fold: &Fold, truth: &Truth, entry: &Entry, event: &Event) -> Option<String> {
    if entry.actor != "server" {
        return None;
    }
    let names = |rollout: &SmolStr| rings(in_force(fold, truth), rollout);
    let (title, version, platform, rollout, place) = match event {
        Event::GateAnswered(it) if it.answer == Some(GateAnswer::Pass) => {
            let rollout = it.rollout.as_ref()?;
            (&it.title, &it.version, &it.platform, rollout, place(names(rollout), &it.after)?)
        }
        Event::RingOpened(it) => {
            let before = place(names(&it.rollout), &it.ring)?.checked_sub(1)?;
            (&it.title, &it.version, &it.platform, &it.rollout, before)
        }
        _ => return None,
    };
    let spec = in_force(fold, truth)?.rollouts.get(rollout)?;
    if spec.gated && matches!(event, Event::RingOpened(_)) {
        return None;
    }
    let ring = SmolStr::new_static(spec.names.get(place)?);
    let lets = fold.releases.lets_pass(title, version, platform.as_ref(), (rollout, &ring));
    if lets || fold.releases.is_expedited(title, version, platform.as_ref()) {
        return None;
    }
    let release = (title.clone(), version.clone(), platform.clone());
    let opens = matches!(event, Event::RingOpened(_));
    if opens && fold.releases.is_open_behind(&release, rollout, &spec.names, place + 1) {
        return None;
    }
    let open = fold.releases.open.get(&release)?;
    let since = open.iter().find(|open| open.rollout == *rollout && open.ring == ring)?.at;
    let (_, hours) = spec.rings.get(place)?;
    let soaked = entry.at.duration_since(since).as_secs();
    (soaked < hours * 3_600).then(|| {
        format!("{title} {version} went on after {soaked} seconds of ring {ring}, which soaks for {hours} hours")
    })
}

/// Nobody is newly given a release that is halted, or whose ring has not opened; a due time carries a device past a gate that is
/// inconclusive, where the policy says so, once the first ring has opened.
pub fn unopened_reaches_nobody(fold: &Fold, truth: &Truth, at: Timestamp, moves: &MovesPublished) -> Option<String> {
    moves.cohorts.iter().find_map(|cohort| {
        let Wanted::Release(version) = &cohort.key.admitted else { return None };
        let ring = cohort.key.ring.as_ref()?;
        let title = &cohort.key.slot.title;
        newly_given(fold, cohort).find_map(|index| {
            let device = &fold.devices.get(index as usize)?.id;
            let platform = platform(device);
            if fold.releases.is_halted(title, version, Some(&platform)) {
                return Some(format!("{device} was given {title} {version}, which is halted"));
            }
            let open = fold.releases.open(title, version, &platform);
            let open: Vec<_> = open.filter(|open| cohort.key.rollout.as_ref() == Some(&open.rollout)).collect();
            let inside = open.iter().any(|open| open.ring == *ring);
            let ahead = may_go_ahead(fold, truth, at, cohort) && open.iter().any(|open| open.is_first());
            (!inside && !ahead).then(|| format!("{device} was given {title} {version} before ring {ring} had opened"))
        })
    })
}

/// The devices of a cohort that were given something else until now.
pub(super) fn newly_given<'a>(fold: &'a Fold, cohort: &'a PublishedCohort) -> impl Iterator<Item = u32> + 'a {
    cohort.devices.iter().filter(|index| {
        let device = fold.devices.get(*index as usize);
        let before = device.and_then(|device| device.published.get(&cohort.key.slot));
        before.is_none_or(|before| before.key.admitted != cohort.key.admitted)
    })
}

/// Whether devices of a cohort are newly given a release whose ring has not opened: one of them.
pub(super) fn ahead(fold: &Fold, cohort: &PublishedCohort) -> Option<u32> {
    let (Wanted::Release(version), Some(ring)) = (&cohort.key.admitted, &cohort.key.ring) else { return None };
    newly_given(fold, cohort).find(|index| {
        let Some(device) = fold.devices.get(*index as usize) else { return false };
        let mut open = fold.releases.open(&cohort.key.slot.title, version, &platform(&device.id));
        !open.any(|open| cohort.key.rollout.as_ref() == Some(&open.rollout) && open.ring == *ring)
    })
}

/// Whether the policy lets a due time carry a cohort past a gate that is inconclusive, and that time has come.
pub(super) fn may_go_ahead(fold: &Fold, truth: &Truth, at: Timestamp, cohort: &PublishedCohort) -> bool {
    let terms = in_force(fold, truth).and_then(|spec| spec.terms.get(cohort.key.policy.as_str()));
    terms.is_some_and(|terms| terms.proceeds) && cohort.due.is_some_and(|due| due <= at)
}
