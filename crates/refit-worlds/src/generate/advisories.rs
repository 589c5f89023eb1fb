//! Advisories: what was wrong with releases that are not the newest.

use crate::{
    rng::Rng,
    titles::{Kind, Titles},
};
use jiff::{SignedDuration, Timestamp};
use refit_model::{Advisory, AdvisoryId, VersionRange};

/// How far back advisories go, in days.
const DAYS: i64 = 365;
/// Of a thousand releases of an application so many close something.
const CLOSE: usize = 300;
/// Of a thousand advisories so many are known to be exploited.
const EXPLOITED: usize = 25;

/// The advisories of all titles.
pub(super) fn advisories(titles: &Titles, seed: u64, now: Timestamp) -> Vec<Advisory> {
    let mut advisories = Vec::new();
    for (number, title) in titles.iter().enumerate() {
        let mut rng = Rng::stream(seed, "advisories", number as u64);
        // Somebody has to look for a vulnerability: in what is rare few do.
        if title.kind == Kind::Application && number > 300 && !rng.permille(100) {
            continue;
        }
        for fixed in title.releases.iter().skip(1) {
            let recent = now.duration_since(fixed.published) < SignedDuration::from_hours(24 * DAYS);
            let closes = match title.kind {
                Kind::Deb | Kind::Rpm => fixed.security,
                _ => rng.permille(CLOSE),
            };
            if !recent || !closes {
                continue;
            }
            for _ in 0..rng.between(1, 3) {
                let Ok(range) = VersionRange::parse(fixed.version.scheme(), &format!("<{}", fixed.version)) else {
                    continue;
                };
                // It is told with the release, some days before, or some days after.
                let told = SignedDuration::from_secs((rng.unit() * 10.0 * 86_400.0) as i64 - 3 * 86_400);
                let known_at = fixed.published.checked_add(told).unwrap_or(fixed.published).min(now);
                let listed = SignedDuration::from_secs((rng.unit() * 20.0 * 86_400.0) as i64);
                let kev = rng.permille(EXPLOITED).then(|| known_at.checked_add(listed).ok()).flatten();
                let kev = kev.filter(|kev| *kev <= now);
                let cvss = rng.permille(850).then(|| (40.0 + rng.unit() * 60.0).round() / 10.0);
                let epss = rng.permille(900).then(|| (rng.unit().powi(6) * 1e4).round() / 1e4);
                let ransomware = kev.is_some() && rng.permille(300);
                advisories.push(Advisory {
                    id: AdvisoryId::new(format!("CVE-2026-{:06}", advisories.len())),
                    title: title.id.clone(),
                    upstream: None,
                    affected: vec![range],
                    known_at,
                    cvss,
                    epss,
                    kev,
                    ransomware,
                    withdrawn: None,
                    said_by: Vec::new(),
                });
            }
        }
    }
    advisories
}
