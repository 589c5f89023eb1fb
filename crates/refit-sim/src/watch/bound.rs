//! How many devices a bad release may reach at the most, worked out from the configuration before it begins.
//!
//! A release that breaks every device, in a way that the gate asks for, never leaves its first ring: no result of it is good, or
//! every device of it is silent, or everybody complains, and nothing of that passes. In the first ring are those whose position
//! is in its share, and those that are on a halted release of the title, however that came to them. Any other reaches, in so many hours after its first
//! ring, the rings before which the others have had the time to soak. People who expedite a release, let a gate pass, open a
//! ring, or let a halted release go on, and policies without rollouts, take the bound away: they are meant to. Whom a due time carries
//! past a gate, because the policy says so, does not count. And where many of those that the release has not reached complain of that
//! title, or crash, one that is fine on some is no worse than what they have: a gate that holds it against them lets it pass.

use super::{
    Truth,
    fold::Fold,
    rollouts::{in_force, may_go_ahead, newly_given},
};
use crate::{
    policies::{PolicySpec, RolloutSpec, SOFTWARE},
    quality::{Breaks, PLATFORMS, Quality},
    store::Entry,
};
use jiff::Timestamp;
use refit_core::{
    control::{CohortKey, Event, MovesPublished, Wanted},
    policy::document::test::GateAnswer,
};
use refit_model::{DeviceId, TitleId};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Bad releases, whom they were given, and how far they may come.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    begun: BTreeMap<(TitleId, SmolStr), Begun>,
    /// Whom each release was given.
    given: BTreeMap<(TitleId, SmolStr), BTreeSet<u32>>,
    /// Whom a policy without rings gave it, of those.
    freely: BTreeMap<(TitleId, SmolStr), BTreeSet<u32>>,
    /// Whom a due time carried past a gate, of those.
    ahead: BTreeMap<(TitleId, SmolStr), BTreeSet<u32>>,
    /// Who complained of each title, and when last.
    complaints: BTreeMap<TitleId, BTreeMap<u32, Timestamp>>,
    /// Of whom monitoring says that something crashes.
    crashing: BTreeSet<u32>,
    /// Where each release was seen.
    seen: BTreeMap<(TitleId, SmolStr), BTreeSet<u32>>,
    /// How many devices there are.
    devices: usize,
}

/// A release whose first ring has opened.
#[derive(Clone, Debug)]
struct Begun {
    at: Timestamp,
    /// How many devices there were.
    devices: usize,
    /// Policies that have been in force since, each with how many devices each ring of its own would have had.
    specs: BTreeMap<SmolStr, Vec<u64>>,
    /// People have taken the bound away.
    lifted: bool,
}

/// How many devices a release may have reached so many hours after its first ring opened.
pub fn bound(spec: &RolloutSpec, sizes: &[u64], quality: Quality, hours: i64) -> u64 {
    let asked = match quality.breaks {
        Breaks::Installing => true,
        Breaks::Silently => spec.asks.silence,
        Breaks::Complaints => spec.asks.reports,
        Breaks::Crashes => spec.asks.signal,
    };
    if spec.gated && asked && quality.breaks_all() {
        return sizes.first().copied().unwrap_or(0);
    }
    let mut soaked = 0;
    let mut reached = 0;
    for (size, (_, soak)) in sizes.iter().zip(&spec.rings) {
        if soaked > hours {
            break;
        }
        reached += size;
        soaked += soak;
    }
    reached
}

/// How many devices a release may have reached under policies that followed one another, each with the sizes of its rings.
///
/// Where all have the same rings it is the most that one of them permits. Where rings were added, removed or renamed, a ring that
/// was not the one before the last may have become it: once the first could have soaked, all may be open. And a first ring of
/// another name opens once more, with the devices that have come since.
fn bound_of_all(since: &[(&RolloutSpec, Vec<u64>)], came: u64, quality: Quality, hours: i64) -> u64 {
    let each = since.iter().map(|(rollout, sizes)| bound(rollout, sizes, quality, hours)).max().unwrap_or(0);
    let mut names = since.iter().map(|(rollout, _)| &rollout.names);
    let first = names.next();
    if names.all(|names| Some(names) == first) {
        return each;
    }
    let contained = since.iter().all(|(rollout, sizes)| {
        quality.breaks_all() && bound(rollout, sizes, quality, i64::MAX) == sizes.first().copied().unwrap_or(0)
    });
    let soaks = since.iter().filter_map(|(rollout, _)| rollout.rings.first());
    let soaked = soaks.map(|(_, soak)| *soak).min().is_some_and(|soak| soak <= hours);
    let all = since.iter().map(|(_, sizes)| sizes.iter().sum()).max().unwrap_or(0);
    if !contained && soaked { all } else { each + came }
}

/// The position of a device in the shares of a policy: the first 16 bits of the SHA-256 of its id, permuted by that of the policy's name.
fn position(device: &DeviceId, policy: &str) -> f64 {
    let (id, name) = (Sha256::digest(device.as_str()), Sha256::digest(policy));
    let of = |bytes: &[u8]| bytes.iter().take(2).fold(0_u32, |sum, byte| sum * 256 + u32::from(*byte));
    let permuted = of(&id) * (of(&name) | 1) % 65_536 + of(&name[2..]);
    f64::from(permuted % 65_536) / 65_536.0
}

/// How many devices each ring of a title has.
fn sizes(spec: &PolicySpec, fold: &Fold, title: &TitleId) -> Vec<u64> {
    let policy = SOFTWARE.iter().find(|(known, _)| title.as_str() == *known).map_or("", |(_, policy)| policy);
    let Some(rollout) = spec.rollout_of(title.as_str()).or_else(|| spec.rollouts.values().next()) else {
        return Vec::new();
    };
    let mut sizes = vec![0; rollout.rings.len()];
    for device in &fold.devices {
        let at = position(&device.id, policy);
        let mut from = 0.0;
        let ring = rollout.rings.iter().position(|(share, _)| {
            from += share.unwrap_or(1.0);
            at < from
        });
        let ring = ring.unwrap_or(rollout.rings.len().saturating_sub(1));
        if let Some(size) = sizes.get_mut(ring) {
            *size += 1;
        }
    }
    sizes
}

impl Bounds {
    /// Takes one event, before the fold does.
    pub fn apply(&mut self, fold: &Fold, truth: &Truth, entry: &Entry, event: &Event) {
        self.devices = fold.devices.len();
        let files = fold.policy.as_ref().map(|(_, _, files)| files.clone()).unwrap_or_default();
        let lifted = match event {
            Event::RingOpened(opened) => {
                let set = (opened.title.clone(), opened.version.clone());
                for release in opened.releases.iter().chain([&set]) {
                    if let Some(spec) = in_force(fold, truth)
                        && truth.qualities.contains_key(release)
                    {
                        self.begun.entry(release.clone()).or_insert_with(|| Begun {
                            at: entry.at,
                            devices: fold.devices.len(),
                            specs: [(files.clone(), sizes(spec, fold, &release.0))].into(),
                            lifted: false,
                        });
                    }
                }
                (entry.actor != "server").then_some(set)
            }
            Event::GateAnswered(it) => {
                let passes = it.answer == Some(GateAnswer::Pass);
                let lets = passes && it.verdict.is_none();
                let resumed = it.answer.is_none() && it.why.is_some();
                let no_worse = passes && self.is_no_worse(truth, entry.at, &it.title, &it.version);
                (lets || resumed || no_worse).then(|| (it.title.clone(), it.version.clone()))
            }
            Event::ReleaseExpedited(it) => Some((it.title.clone(), it.version.clone())),
            Event::PolicyApplied(applied) => {
                for ((title, _), begun) in self.begun.iter_mut().filter(|(_, begun)| !begun.lifted) {
                    let sizes = truth.specs.get(&applied.files).map(|spec| sizes(spec, fold, title));
                    begun.specs.insert(applied.files.clone(), sizes.unwrap_or_default());
                }
                None
            }
            Event::MovesPublished(moves) => {
                self.published(fold, truth, entry.at, moves);
                None
            }
            Event::ComplaintReceived(complaint) => {
                let index = fold.by_id.get(&complaint.device).and_then(|index| u32::try_from(*index).ok());
                if let (Some(index), Some(title)) = (index, &complaint.title) {
                    self.complaints.entry(TitleId::new(title)).or_default().insert(index, entry.at);
                }
                None
            }
            Event::SignalRead(read) => {
                if read.whole {
                    self.crashing.clear();
                }
                self.crashing.retain(|index| !read.fine.contains(*index));
                self.crashing.extend(read.bad.iter());
                None
            }
            Event::DeviceObserved(observed) => {
                let index = fold.by_id.get(&observed.device).and_then(|index| u32::try_from(*index).ok());
                for install in &observed.present {
                    let release = (install.title.clone(), install.version.clone());
                    self.seen.entry(release).or_default().extend(index);
                }
                None
            }
            _ => None,
        };
        let lifted = lifted.into_iter().flat_map(|(title, version)| fold.releases.moves_with(&title, &version));
        for release in lifted {
            let begun = self.begun.entry(release);
            begun.and_modify(|begun| begun.lifted = true).or_insert_with(|| Begun {
                at: entry.at,
                devices: 0,
                specs: BTreeMap::new(),
                lifted: true,
            });
        }
    }

    /// A device that got a release while everything was calm is not silenced by it: the release is not as bad as it is said to be.
    pub fn spares(&mut self, release: (TitleId, SmolStr)) {
        self.begun.entry(release).and_modify(|begun| begun.lifted = true);
    }

    /// Whether at least a fifth of the devices that a release has not reached show what it does, by what they have. A release that is bad
    /// on all devices passes nothing for that.
    fn is_no_worse(&self, truth: &Truth, at: Timestamp, title: &TitleId, version: &SmolStr) -> bool {
        let release = (title.clone(), version.clone());
        if truth.qualities.get(&release).is_some_and(|quality| quality.breaks_all()) {
            return false;
        }
        let given = self.given.get(&release);
        let other = |index: &u32| given.is_none_or(|given| !given.contains(index));
        let bad = match truth.qualities.get(&release).map(|quality| quality.breaks) {
            Some(Breaks::Complaints) => {
                let complaints = self.complaints.get(title).into_iter().flatten();
                let lately = complaints.filter(|(_, when)| at.duration_since(**when).as_hours() <= 72);
                lately.filter(|(index, _)| other(index)).count()
            }
            Some(Breaks::Crashes) => self.crashing.iter().filter(|index| other(index)).count(),
            _ => 0,
        };
        let others = self.devices.saturating_sub(given.map_or(0, BTreeSet::len));
        bad > 0 && bad * 5 >= others
    }

    /// Whether a device was ever on a release: it was given it, or was seen with it.
    pub fn was_on(&self, title: &TitleId, version: &SmolStr, index: u32) -> bool {
        self.on(title, version).any(|on| *on == index)
    }

    /// Whether a device was given a release by a policy without rings. Where it is unknown since whether another policy applies, it
    /// keeps what it was given.
    pub fn was_given_freely(&self, title: &TitleId, version: &SmolStr, index: u32) -> bool {
        self.freely.get(&(title.clone(), version.clone())).is_some_and(|given| given.contains(&index))
    }

    fn on<'r>(&'r self, title: &TitleId, version: &SmolStr) -> impl Iterator<Item = &'r u32> + use<'r> {
        let release = (title.clone(), version.clone());
        self.given.get(&release).into_iter().chain(self.seen.get(&release)).flatten()
    }

    fn published(&mut self, fold: &Fold, truth: &Truth, at: Timestamp, moves: &MovesPublished) {
        for cohort in &moves.cohorts {
            let Some(release) = release(&cohort.key) else { continue };
            if cohort.key.rollout.is_none() {
                // A policy without a rollout has no rings.
                let nothing = || Begun { at, devices: 0, specs: BTreeMap::new(), lifted: true };
                self.begun.entry(release.clone()).or_insert_with(nothing).lifted = true;
                self.freely.entry(release.clone()).or_default().extend(newly_given(fold, cohort));
            }
            if may_go_ahead(fold, truth, at, cohort) {
                self.ahead.entry(release.clone()).or_default().extend(newly_given(fold, cohort));
            }
            self.given.entry(release).or_default().extend(newly_given(fold, cohort));
        }
    }

    /// A bad release reaches no more devices than was to be expected. Whether any was looked at, and what was found.
    pub fn bad_release_stays_bounded(
        &self,
        fold: &Fold,
        truth: &Truth,
        at: Timestamp,
        moves: &MovesPublished,
    ) -> (bool, Option<String>) {
        let mut looked = false;
        let given: BTreeSet<_> = moves.cohorts.iter().filter_map(|cohort| release(&cohort.key)).collect();
        for (release, quality) in given.iter().filter_map(|release| truth.qualities.get_key_value(release)) {
            let Some(begun) = self.begun.get(release).filter(|begun| !begun.lifted) else { continue };
            let Some(given) = self.given.get(release) else { continue };
            let given = given.len() - self.ahead.get(release).map_or(0, BTreeSet::len);
            looked = true;
            let (title, version) = release;
            let hours = at.duration_since(begun.at).as_hours();
            // Who is on a halted release is in the first ring of what follows it; who came later is in none that had opened.
            let halted: BTreeSet<u32> = fold
                .releases
                .ever_halted(title)
                .filter(|halted| *halted != version)
                .flat_map(|halted| self.on(title, halted))
                .copied()
                .collect();
            let came = (self.devices - begun.devices) as u64;
            let since = begun.specs.iter().filter_map(|(files, sizes)| {
                let rollout = truth.specs.get(files)?.rollout_of(title.as_str())?;
                let mut sizes = sizes.clone();
                sizes.first_mut().into_iter().for_each(|first| *first += halted.len() as u64);
                sizes.iter_mut().skip(1).for_each(|size| *size += came);
                Some((rollout, sizes))
            });
            let since: Vec<_> = since.collect();
            let most = bound_of_all(&since, came, *quality, hours);
            if given as u64 > most {
                let open = PLATFORMS.iter().flat_map(|platform| {
                    fold.releases.open(title, version, &SmolStr::new_static(platform)).map(|open| open.ring.clone())
                });
                let open: Vec<_> = open.collect();
                return (
                    looked,
                    Some(format!(
                        "{title} {version}, {quality:?}, was given {} devices {hours} hours after its first ring, and {most} were the most; open are {open:?}, rings have {:?}",
                        given,
                        since.iter().map(|(rollout, sizes)| (&rollout.names, sizes)).collect::<Vec<_>>()
                    )),
                );
            }
        }
        (looked, None)
    }
}

fn release(key: &CohortKey) -> Option<(TitleId, SmolStr)> {
    match &key.admitted {
        Wanted::Release(version) => Some((key.slot.title.clone(), version.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::Asks;

    fn spec() -> RolloutSpec {
        let asks = Asks { silence: true, ..Asks::default() };
        let rings = vec![(Some(0.02), 24), (Some(0.25), 36), (None, 0)];
        RolloutSpec { gated: true, asks, rings, ..RolloutSpec::default() }
    }

    #[test]
    fn where_rings_change_everything_may_be_open_once_the_first_could_have_soaked() {
        let named = |names: &[&'static str], rings: &[i64]| RolloutSpec {
            names: names.to_vec(),
            rings: rings.iter().map(|soak| (None, *soak)).collect(),
            ..spec()
        };
        let (long, short) = (named(&["canary", "early", "rest"], &[24, 36, 0]), named(&["canary", "rest"], &[12, 0]));
        let sizes = || [(&long, vec![10, 125, 365]), (&short, vec![10, 490])];
        let some = Quality { breaks: Breaks::Installing, permille: 200, model: None };
        assert_eq!([11, 12].map(|hours| bound_of_all(&sizes(), 0, some, hours)), [10, 500]);
        // What breaks everything still stays in the first ring, with those who have come since.
        let all = Quality { permille: 1_000, ..some };
        assert_eq!(bound_of_all(&sizes(), 3, all, 900), 13);
        // Rings of the same names are those of one policy or of the other.
        let slow = named(&["canary", "early", "rest"], &[36, 36, 0]);
        let alike = [(&long, vec![10, 125, 365]), (&slow, vec![10, 125, 365])];
        assert_eq!([23, 24, 60].map(|hours| bound_of_all(&alike, 3, some, hours)), [10, 135, 500]);
    }

    #[test]
    fn what_breaks_everything_stays_in_the_first_ring_where_the_gate_asks_for_it() {
        let bad = |breaks, permille| Quality { breaks, permille, model: None };
        let of = |quality, hours| bound(&spec(), &[10, 125, 365], quality, hours);
        assert_eq!(of(bad(Breaks::Installing, 1_000), 900), 10);
        assert_eq!(of(bad(Breaks::Silently, 1_000), 900), 10);
        // Nobody asks what people say, and one in five may be missed.
        assert_eq!(of(bad(Breaks::Complaints, 1_000), 900), 500);
        assert_eq!(of(bad(Breaks::Installing, 200), 900), 500);
        assert_eq!(of(bad(Breaks::Installing, 200), 24), 135);
        assert_eq!(of(bad(Breaks::Installing, 200), 23), 10);
        assert_eq!(of(bad(Breaks::Installing, 200), 60), 500);
    }

    #[test]
    fn positions_are_those_of_the_rules() {
        let inside = (0..20_000).filter(|n| position(&DeviceId::new(format!("device-{n}")), "browsers") < 0.1).count();
        assert!((1_800..2_200).contains(&inside), "{inside}");
        let id = DeviceId::new("d7");
        assert_eq!(position(&id, "editors"), refit_model::position(&id, "editors"));
    }
}
