//! What there is to be installed, and when it came out.

mod history;
mod table;

use crate::rng::{Alias, Rng};
use jiff::Timestamp;
use refit_model::{Release, TitleId};

/// How many applications there are on laptops.
pub(crate) const APPLICATIONS: usize = 3_000;
/// How many packages a distribution has that anybody installs.
const PACKAGES: usize = 2_500;
/// The title of rank r is drawn with a weight of 1 / r to this power.
pub(crate) const POPULARITY: f64 = 1.0;

/// What a title is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An operating system.
    System,
    /// An application on laptops.
    Application,
    /// A package of Debian 12.
    Deb,
    /// A package of a distribution like Red Hat's.
    Rpm,
}

/// Where an application runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platforms {
    Windows,
    Mac,
    Both,
}

/// How the versions of a title look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Chrome,
    Semver,
    Numbers,
    Apple,
    Windows,
    Dpkg,
    Rpm,
}

/// A title with its releases.
#[derive(Clone, Debug)]
pub struct Title {
    /// Its id.
    pub id: TitleId,
    /// What it is.
    pub kind: Kind,
    /// Its releases, in the order of their publication, all of them published.
    pub releases: Vec<Release>,
    pub(crate) platforms: Platforms,
    /// Whether it keeps itself up to date, more or less.
    pub(crate) updates_itself: bool,
}

/// All titles, the most common of each kind first.
#[derive(Clone, Debug)]
pub(crate) struct Titles {
    pub macos: Title,
    pub windows: Title,
    pub applications: Vec<Title>,
    pub deb: Vec<Title>,
    pub rpm: Vec<Title>,
    /// Draw applications of a platform.
    pub of_windows: Alias,
    pub of_mac: Alias,
    /// Draw packages.
    pub of_distribution: Alias,
}

impl Titles {
    /// The titles of a seed, with what had been released at a time.
    pub fn new(seed: u64, now: Timestamp) -> Titles {
        let applications: Vec<Title> = (0..APPLICATIONS).map(|rank| application(seed, rank, now)).collect();
        let packages = |kind| (0..PACKAGES).map(|rank| package(seed, kind, rank, now)).collect();
        let weight = |rank: usize| ((rank + 1) as f64).powf(-POPULARITY);
        let runs_on = |other: Platforms| {
            let weights = applications.iter().enumerate();
            Alias::new(
                &weights
                    .map(|(rank, title)| if title.platforms == other { 0.0 } else { weight(rank) })
                    .collect::<Vec<_>>(),
            )
        };
        Titles {
            macos: system(history::macos(now), "macos", Platforms::Mac),
            windows: system(history::windows(now), "windows-11", Platforms::Windows),
            of_windows: runs_on(Platforms::Mac),
            of_mac: runs_on(Platforms::Windows),
            of_distribution: Alias::new(&(0..PACKAGES).map(weight).collect::<Vec<_>>()),
            deb: packages(Kind::Deb),
            rpm: packages(Kind::Rpm),
            applications,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Title> {
        let systems = [&self.macos, &self.windows];
        systems.into_iter().chain(&self.applications).chain(&self.deb).chain(&self.rpm)
    }
}

fn system(releases: Vec<Release>, id: &str, platforms: Platforms) -> Title {
    Title { id: TitleId::new(id), kind: Kind::System, releases, platforms, updates_itself: false }
}

fn application(seed: u64, rank: usize, now: Timestamp) -> Title {
    let mut rng = Rng::stream(seed, "application", rank as u64);
    let (id, platforms, style, pace) = match table::APPLICATIONS.get(rank) {
        Some(row) => (TitleId::new(row.title), row.platforms, row.style, row.pace),
        None => {
            let platforms = match rng.below(10) {
                0..5 => Platforms::Windows,
                5..8 => Platforms::Mac,
                _ => Platforms::Both,
            };
            // The rarer, the less often anybody releases it.
            let pace = rng.around(30.0 + rank as f64 / 15.0, 0.6).clamp(5.0, 600.0);
            (TitleId::new(format!("app-{rank:04}")), platforms, Style::Numbers, pace)
        }
    };
    let updates_itself = rank < table::APPLICATIONS.len() || rng.permille(300);
    let releases = history::paced(&mut rng, &id, style, pace, now);
    Title { id, kind: Kind::Application, releases, platforms, updates_itself }
}

fn package(seed: u64, kind: Kind, rank: usize, now: Timestamp) -> Title {
    let (namespace, style) = if kind == Kind::Deb { ("deb", Style::Dpkg) } else { ("rpm", Style::Rpm) };
    let mut rng = Rng::stream(seed, namespace, rank as u64);
    let (name, pace) = match table::PACKAGES.get(rank) {
        Some((name, pace)) => ((*name).to_owned(), *pace),
        None => {
            // Most packages of a stable distribution never move.
            let pace = match rng.below(20) {
                0 => rng.around(60.0, 0.4),
                1..5 => rng.around(250.0, 0.5),
                _ => f64::INFINITY,
            };
            let name = if rank.is_multiple_of(3) { format!("lib{rank}") } else { format!("tool{rank}") };
            (name, pace)
        }
    };
    let id = TitleId::new(format!("{namespace}/{name}"));
    let releases = history::distributed(&mut rng, &id, style, pace, now);
    Title { id, kind, releases, platforms: Platforms::Both, updates_itself: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_title_is_there_once_and_its_releases_come_in_order() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let titles = Titles::new(1, now);
        let ids: BTreeSet<&TitleId> = titles.iter().map(|title| &title.id).collect();
        assert_eq!(ids.len(), titles.iter().count());
        for title in titles.iter() {
            assert!(!title.releases.is_empty(), "{}", title.id);
            for pair in title.releases.windows(2) {
                assert!(pair[0].published < pair[1].published, "{pair:?}");
                assert!(pair[0].branch != pair[1].branch || pair[0].version < pair[1].version, "{pair:?}");
            }
            assert!(title.releases.iter().all(|release| release.published <= now));
        }
        assert!(titles.deb.iter().any(|title| title.releases.iter().any(|release| release.security)));
        assert!(titles.macos.releases.iter().all(|release| release.branch.is_some()));
    }
}
