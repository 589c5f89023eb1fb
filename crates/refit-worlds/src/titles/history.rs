//! Releases: when they came out, and what they are called.

use super::Style;
use crate::rng::Rng;
use jiff::{SignedDuration, Timestamp};
use refit_model::{BranchName, Release, Scheme, TitleId, Version};

/// How far back histories go.
const DAYS: f64 = 730.0;
/// The most releases of a title.
const RELEASES_MAX: usize = 70;
/// How long the distributions have been out, in days: their first releases are as old.
const DISTRIBUTION_DAYS: f64 = 1_200.0;

impl Style {
    fn scheme(self) -> Scheme {
        match self {
            Style::Chrome => Scheme::Chrome,
            Style::Semver => Scheme::Semver,
            Style::Numbers => Scheme::Generic,
            Style::Apple => Scheme::Apple,
            Style::Windows => Scheme::Windows,
            Style::Dpkg => Scheme::Dpkg,
            Style::Rpm => Scheme::Rpm,
        }
    }

    /// The name of the release of that number; a higher number is a newer version.
    fn version(self, major: usize, number: usize) -> String {
        match self {
            Style::Chrome => format!("{}.0.{}.{}", major + number / 4, 6_000 + 80 * (number / 4), 40 + number % 4 * 20),
            Style::Semver => format!("{}.{}.{}", major + number / 30, number % 30 / 3, number % 3),
            Style::Numbers => format!("{}.{}.{}", major + number / 24, number % 24 / 2, number % 2),
            Style::Apple => format!("{major}.{number}"),
            Style::Windows => format!("10.0.{major}.{}", 1_000 + 150 * number),
            Style::Dpkg => match number {
                0 => format!("{major}.2.1-3"),
                _ => format!("{major}.2.1-3+deb12u{number}"),
            },
            Style::Rpm => format!("{major}.2.1-{}.el9", 3 + number),
        }
    }
}

fn ago(now: Timestamp, days: f64) -> Timestamp {
    let seconds = (days * 86_400.0) as i64;
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn release(title: &TitleId, style: Style, version: &str, published: Timestamp, security: bool) -> Option<Release> {
    let version = Version::parse(style.scheme(), version).ok()?;
    Some(Release { title: title.clone(), branch: None, version, published, security })
}

/// Days ago, the longest ago first.
fn days(rng: &mut Rng, pace: f64, back: f64) -> Vec<f64> {
    let mut days = Vec::new();
    let mut at = pace * rng.unit();
    while at < back && days.len() < RELEASES_MAX {
        days.push(at);
        at += (pace * (0.5 + rng.unit())).max(0.5);
    }
    days.reverse();
    days
}

/// Releases of an application that come out every so many days.
pub(super) fn paced(rng: &mut Rng, title: &TitleId, style: Style, pace: f64, now: Timestamp) -> Vec<Release> {
    let mut days = days(rng, pace, DAYS);
    if days.is_empty() {
        days.push(DAYS);
    }
    let major = rng.between(1, 40);
    let named = days.into_iter().enumerate();
    named
        .filter_map(|(number, days)| release(title, style, &style.version(major, number), ago(now, days), false))
        .collect()
}

/// Releases of a package of a stable distribution: the one with which the distribution came out, and updates, of which most come through
/// the security archive.
pub(super) fn distributed(rng: &mut Rng, title: &TitleId, style: Style, pace: f64, now: Timestamp) -> Vec<Release> {
    let major = rng.between(1, 9);
    let mut all = vec![DISTRIBUTION_DAYS];
    if pace.is_finite() {
        all.extend(days(rng, pace, DAYS));
    }
    let named = all.into_iter().enumerate();
    named
        .filter_map(|(number, days)| {
            let security = number > 0 && !rng.permille(200);
            release(title, style, &style.version(major, number), ago(now, days), security)
        })
        .collect()
}

/// Three branches of macOS, of which each gets a release every seven weeks or so.
pub(super) fn macos(now: Timestamp) -> Vec<Release> {
    let title = TitleId::new("macos");
    let mut releases = Vec::new();
    for (major, first, count, pace) in [(14, 790.0, 8, 55.0), (15, 650.0, 11, 55.0), (26, 400.0, 8, 48.0)] {
        for number in 0..count {
            let days = first - number as f64 * pace;
            let named = release(&title, Style::Apple, &Style::Apple.version(major, number), ago(now, days), false);
            releases.extend(
                named
                    .filter(|_| days > 1.0)
                    .map(|release| Release { branch: Some(BranchName::new(major.to_string())), ..release }),
            );
        }
    }
    // Apple publishes them on one day, some hours apart.
    releases.sort_by_key(|release| release.published);
    releases
}

/// Windows 11: one release a month for each of two builds.
pub(super) fn windows(now: Timestamp) -> Vec<Release> {
    let title = TitleId::new("windows-11");
    let mut releases = Vec::new();
    for (build, later, branch) in [(26_100usize, 0.0, "24H2"), (26_200, 0.1, "25H2")] {
        for number in 0..24 {
            let days = 13.0 - later + 30.4 * (23 - number) as f64;
            let named = release(&title, Style::Windows, &Style::Windows.version(build, number), ago(now, days), false);
            releases.extend(named.map(|release| Release { branch: Some(BranchName::new(branch)), ..release }));
        }
    }
    releases.sort_by_key(|release| release.published);
    releases
}
