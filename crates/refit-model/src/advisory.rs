//! Advisories: what a feed says of a vulnerability, in one shape for all feeds.

use crate::{AdvisoryId, TitleId, Version, VersionRange};
use jiff::Timestamp;
use serde::Serialize;
use smol_str::SmolStr;

/// A published vulnerability, as far as it concerns one title.
///
/// One CVE that concerns three titles is three values. `None` means that no feed has said so: a CVSS that nobody gave is
/// unknown, whereas a vulnerability that is not listed in KEV is known not to be (docs/reference/rules.md, rule 2).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advisory {
    /// Its id, the CVE where there is one.
    pub id: AdvisoryId,
    /// The title that it concerns; `deb/…` and `rpm/…` titles carry the distribution's own fixed versions.
    pub title: TitleId,
    /// The title of which it speaks, where that is another: `title` is a package that only its vendor builds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<TitleId>,
    /// Affected versions: any of these ranges.
    pub affected: Vec<VersionRange>,
    /// When it became known.
    pub known_at: Timestamp,
    /// CVSS base score, 0 to 10; `None` where nobody has given one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvss: Option<f64>,
    /// EPSS probability, 0 to 1; `None` where nobody has given one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss: Option<f64>,
    /// When CISA listed it as known to be exploited; `None` is: not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kev: Option<Timestamp>,
    /// Whether ransomware campaigns are known to use it; false where it is not listed.
    pub ransomware: bool,
    /// Since when it no longer counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Timestamp>,
    /// Which feeds said so, sorted: `debian-tracker`, `kev`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said_by: Vec<SmolStr>,
}

impl Advisory {
    /// Whether `version` is affected; `None` where a range is written in another scheme than the version.
    pub fn affects(&self, version: &Version) -> Option<bool> {
        // Upstream knows no epoch: that of a package says nothing of it.
        let bare = self.upstream.as_ref().and_then(|_| version.without_epoch());
        let version = bare.as_ref().unwrap_or(version);
        let mut answer = Some(false);
        for range in &self.affected {
            match range.contains(version) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => answer = None,
            }
        }
        answer
    }
}
