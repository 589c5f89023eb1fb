//! Laptops: an operating system and 50 to 200 applications, each behind by some days.

use super::{Draft, Synthetic, newest, said::Shape};
use crate::titles::Title;
use jiff::{SignedDuration, Timestamp};
use refit_core::world::{Device, Install};
use refit_model::Release;

/// Of a thousand laptops so many run Windows.
const WINDOWS: usize = 580;
/// Half of the titles that keep themselves up to date are installed within so many days of a release.
const LAG_BY_ITSELF: f64 = 8.0;
/// Half of the others.
const LAG: f64 = 70.0;
/// How much that is spread.
const SPREAD: f64 = 1.1;
/// Whoever updates does so within so many days of a release, half of the time.
const UPDATED: f64 = 2.0;
/// Of a thousand laptops with Windows so many have Chrome in a person's profile besides.
const IN_PROFILE: usize = 40;

impl Synthetic {
    pub(super) fn laptop(&self, draft: &mut Draft, device: &mut Device) -> Shape {
        let windows = draft.rng.permille(WINDOWS);
        let system = if windows { &self.titles.windows } else { &self.titles.macos };
        // A third of them are cared for worse than the others.
        let care = if draft.rng.permille(330) { 2.0 } else { 1.0 };
        let hour = draft.rng.unit();
        let branch = draft.rng.below(10);
        let branch = match (windows, branch) {
            (true, 0..4) => "24H2",
            (true, _) => "25H2",
            (false, 0) => "14",
            (false, 1..4) => "15",
            (false, _) => "26",
        };
        let of_branch: Vec<Release> = system
            .releases
            .iter()
            .filter(|release| release.branch.as_ref().is_some_and(|own| own.as_str() == branch))
            .cloned()
            .collect();
        let lag = draft.rng.around(LAG_BY_ITSELF * 3.0 * care, SPREAD);
        let installed = self.installed(draft, &of_branch, lag, hour);
        let os_version = installed.as_ref().map(|install| install.version.clone());
        device.installs.extend(installed);

        let wanted = draft.rng.between(50, 200);
        let draw = if windows { &self.titles.of_windows } else { &self.titles.of_mac };
        // Whoever draws what is there already draws again; who draws for very long has enough.
        let mut has = std::collections::BTreeSet::new();
        for _ in 0..40 * wanted {
            if has.len() + 1 >= wanted {
                break;
            }
            has.insert(draw.draw(&mut draft.rng));
        }
        for rank in has {
            let Some(title) = self.titles.applications.get(rank) else { continue };
            let lag = if title.updates_itself { LAG_BY_ITSELF } else { LAG };
            let lag = draft.rng.around(lag * care, SPREAD);
            let installed = self.installed(draft, &title.releases, lag, hour);
            device.installs.extend(installed);
            if rank == 0 && windows && draft.rng.permille(IN_PROFILE) {
                device.installs.extend(self.in_profile(draft, title, hour));
            }
        }
        Shape::laptop(windows, os_version)
    }

    /// What is installed of a title that has not been updated for so many days. Whoever updates moves to the newest release, so that
    /// it was the newest when it was installed.
    fn installed(&self, draft: &mut Draft, releases: &[Release], lag: f64, hour: f64) -> Option<Install> {
        let last = self.ago(lag);
        let release = newest(releases, last).or_else(|| releases.first())?;
        let late = SignedDuration::from_secs((draft.rng.around(UPDATED, SPREAD) * 86_400.0) as i64);
        let at = release.published.checked_add(late).unwrap_or(last).min(last).max(release.published);
        let since = checked(at, hour).max(draft.enrolled).min(draft.seen);
        Some(Install {
            title: release.title.clone(),
            branch: release.branch.clone(),
            profile: None,
            version: release.version.clone(),
            since: Some(since),
        })
    }

    fn in_profile(&self, draft: &mut Draft, title: &Title, hour: f64) -> Option<Install> {
        let lag = draft.rng.around(LAG, SPREAD);
        let installed = self.installed(draft, &title.releases, lag, hour)?;
        Some(Install { profile: Some("person".into()), ..installed })
    }
}

/// To the day, at an hour of the device's own: management looks once a day.
fn checked(at: Timestamp, hour: f64) -> Timestamp {
    let day = 86_400;
    let own = (hour * 86_400.0) as i64;
    let seconds = (at.as_second() - own).div_euclid(day) * day + own;
    Timestamp::from_second(seconds).unwrap_or(at)
}
