//! Releases and what a universe offers of them.

use crate::{BranchName, TitleId, Version};
use jiff::Timestamp;
use serde::Serialize;

/// One version of a title in a branch, with the time of its publication.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Release {
    /// What it is a release of.
    pub title: TitleId,
    /// Its branch; `None` where the title has a single one.
    pub branch: Option<BranchName>,
    /// Its version, in the title's scheme.
    pub version: Version,
    /// When the vendor published it.
    pub published: Timestamp,
    /// Whether a distribution's security archive carries it (`os/security` selects by this).
    pub security: bool,
}

/// Whether, and since when, a device's universe offers a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// Offered from this time on; a time in the future means not yet.
    Since(Timestamp),
    /// Will never be offered here: the hardware is too old, the distribution has ended.
    Never,
}
