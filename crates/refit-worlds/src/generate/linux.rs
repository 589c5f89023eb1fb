//! Linux machines: 600 to 1,000 packages of an image, brought up to date on one day of the week.

use super::{Draft, Synthetic, newest, said::Shape};
use crate::{
    rng::Rng,
    titles::{Title, Titles},
};
use jiff::{SignedDuration, Timestamp};
use refit_core::world::{Device, Install};
use refit_model::Version;
use std::collections::BTreeSet;

/// How many images there are of each distribution.
const IMAGES: usize = 24;
/// Packages that are in every image.
const BASE: usize = 420;
/// Of a thousand machines so many are exactly as their image.
const AS_IMAGE: usize = 600;
/// Of a thousand machines so many run Debian, the others a distribution like Red Hat's.
const DEBIAN: usize = 650;
/// Half of the machines were brought up to date within so many days.
const LAG: f64 = 9.0;
const SPREAD: f64 = 1.0;

/// The packages of images, as ranks, sorted: those of Debian, then the others.
#[derive(Debug)]
pub(super) struct Images(Vec<Vec<usize>>);

impl Images {
    pub fn new(titles: &Titles, seed: u64) -> Images {
        let image = |number: usize| {
            let mut rng = Rng::stream(seed, "image", number as u64);
            // Machines add up to forty to what their image has.
            let wanted = rng.between(600, 960);
            let mut packages: BTreeSet<usize> = (0..BASE).collect();
            while packages.len() < wanted {
                packages.insert(titles.of_distribution.draw(&mut rng));
            }
            packages.into_iter().collect()
        };
        Images((0..2 * IMAGES).map(image).collect())
    }
}

impl Synthetic {
    pub(super) fn linux(&self, draft: &mut Draft, device: &mut Device) -> Shape {
        let debian = draft.rng.permille(DEBIAN);
        let image = draft.rng.below(IMAGES) + if debian { 0 } else { IMAGES };
        let packages = if debian { &self.titles.deb } else { &self.titles.rpm };
        let mut has: BTreeSet<usize> = self.images.0.get(image).into_iter().flatten().copied().collect();
        if !draft.rng.permille(AS_IMAGE) {
            for _ in 0..draft.rng.between(1, 40) {
                has.insert(self.titles.of_distribution.draw(&mut draft.rng));
            }
        }
        let patched = self.patched(draft);
        for rank in has {
            let installed = packages.get(rank).and_then(|title| self.package(draft, title, patched));
            device.installs.extend(installed);
        }
        // A mirror of three is on time.
        let mirror = draft.rng.below(3);
        if let Some(universe) =
            mirror.checked_sub(1).and_then(|late| self.universes.get(late + if debian { 0 } else { 2 }))
        {
            device.offers.clone_from(universe);
        }
        let version = Version::parse(refit_model::Scheme::Generic, if debian { "12" } else { "9.4" });
        Shape::linux(debian, version.ok(), &mut draft.rng)
    }

    /// When it was brought up to date last: at an hour of one day of the week that it shares with many.
    fn patched(&self, draft: &mut Draft) -> Timestamp {
        let lag = draft.rng.around(LAG, SPREAD);
        let weekday = draft.rng.below(5) as i64;
        let week = 7 * 86_400;
        let own = weekday * 86_400 + 2 * 3_600;
        let at = self.ago(lag).as_second();
        let at = Timestamp::from_second((at - own).div_euclid(week) * week + own).unwrap_or(self.spec.now);
        at.min(draft.seen)
    }

    fn package(&self, draft: &Draft, title: &Title, patched: Timestamp) -> Option<Install> {
        let release = newest(&title.releases, patched.max(draft.enrolled)).or_else(|| title.releases.first())?;
        // The first day of its own after the release came out.
        let week = 7 * 86_400;
        let weeks = (patched.as_second() - release.published.as_second()).max(0) / week;
        let at = patched.checked_sub(SignedDuration::from_secs(weeks * week)).unwrap_or(patched);
        Some(Install {
            title: release.title.clone(),
            branch: None,
            profile: None,
            version: release.version.clone(),
            since: Some(at.max(draft.enrolled)),
        })
    }
}
