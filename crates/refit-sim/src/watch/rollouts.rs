//! Invariants of releases on their way: rings open in their order, and what is halted or not open is given to nobody.

use super::{Truth, fold::Fold};
use crate::{policies::RINGS, store::Entry};
use refit_core::{
    control::{Event, GateAnswered, MovesPublished, RingOpened, Wanted},
    policy::document::test::GateAnswer,
};
use refit_model::TitleId;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What the log says of releases on their way.
#[derive(Clone, Debug, Default)]
pub struct Releases {
    /// The rings that have opened.
    open: BTreeMap<Release, Vec<SmolStr>>,
    /// What gates said, by the ring before them.
    answers: BTreeMap<(Release, SmolStr), GateAnswer>,
    /// What waits for no gate.
    expedited: BTreeSet<Release>,
}

/// A title, a version and a platform; without one it is every platform.
type Release = (TitleId, SmolStr, Option<SmolStr>);

impl Releases {
    /// Takes one event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::RingOpened(opened) => {
                let release = (opened.title.clone(), opened.version.clone(), opened.platform.clone());
                self.open.entry(release).or_default().push(opened.ring.clone());
            }
            Event::GateAnswered(GateAnswered { title, version, platform, after, answer, .. }) => {
                let key = ((title.clone(), version.clone(), platform.clone()), after.clone());
                match answer {
                    Some(answer) => drop(self.answers.insert(key, *answer)),
                    None => drop(self.answers.remove(&key)),
                }
            }
            Event::ReleaseExpedited(it) => {
                self.expedited.insert((it.title.clone(), it.version.clone(), it.platform.clone()));
            }
            _ => {}
        }
    }

    /// On the platform, or on every one.
    fn both(title: &TitleId, version: &SmolStr, platform: Option<&SmolStr>) -> [Release; 2] {
        [(title.clone(), version.clone(), platform.cloned()), (title.clone(), version.clone(), None)]
    }

    fn is_halted(&self, title: &TitleId, version: &SmolStr, platform: Option<&SmolStr>) -> bool {
        let both = Releases::both(title, version, platform);
        self.answers.iter().any(|((release, _), answer)| both.contains(release) && *answer == GateAnswer::Halt)
    }
}

/// By itself a ring opens after the one before has passed, or if nobody waits for gates; never what is halted, and never while
/// everything is stopped. Whoever opens a ring, those before it are open.
pub fn rings_open_in_order(fold: &Fold, truth: &Truth, entry: &Entry, opened: &RingOpened) -> Option<String> {
    let RingOpened { title, version, ring, platform, .. } = opened;
    let what = format!("ring {ring} of {title} {version}");
    if fold.releases.is_halted(title, version, platform.as_ref()) {
        return Some(format!("{what} opened though it is halted"));
    }
    let place = RINGS.iter().position(|known| ring == known)?;
    let before = place.checked_sub(1).map(|before| SmolStr::new_static(RINGS[before]))?;
    let release = (title.clone(), version.clone(), platform.clone());
    if !fold.releases.open.get(&release).is_some_and(|open| open.contains(&before)) {
        return Some(format!("{what} opened before {before}"));
    }
    if entry.actor != "server" {
        return None;
    }
    if fold.stopped {
        return Some(format!("{what} opened though everything is stopped"));
    }
    let both = Releases::both(title, version, platform.as_ref());
    let passed = both.iter().any(|release| {
        fold.releases.answers.get(&(release.clone(), before.clone())) == Some(&GateAnswer::Pass)
            || fold.releases.expedited.contains(release)
    });
    let gated = fold.policy.as_ref().and_then(|(_, _, files)| truth.specs.get(files)).is_some_and(|spec| spec.gated);
    (gated && !passed).then(|| format!("{what} opened though {before} has not passed"))
}

/// Nobody is newly given a release that is halted, or whose ring has not opened.
pub fn unopened_reaches_nobody(fold: &Fold, moves: &MovesPublished) -> Option<String> {
    let linux = SmolStr::new_static("linux");
    moves.cohorts.iter().find_map(|cohort| {
        let (Wanted::Release(version), Some(ring)) = (&cohort.key.admitted, &cohort.key.ring) else { return None };
        let title = &cohort.key.slot.title;
        let newly = cohort.devices.iter().find(|index| {
            let device = fold.devices.get(*index as usize);
            let before = device.and_then(|device| device.published.get(&cohort.key.slot));
            before.is_none_or(|before| before.key.admitted != cohort.key.admitted)
        })?;
        let device = fold.devices.get(newly as usize).map(|device| device.id.to_string()).unwrap_or_default();
        if fold.releases.is_halted(title, version, Some(&linux)) {
            return Some(format!("{device} was given {title} {version}, which is halted"));
        }
        let both = Releases::both(title, version, Some(&linux));
        let open = both.iter().filter_map(|release| fold.releases.open.get(release)).flatten();
        let mut open = open.filter(|open| *open == ring);
        open.next().is_none().then(|| format!("{device} was given {title} {version} before ring {ring} had opened"))
    })
}
