//! Titles of one branch: when the first release came out that ends an obligation is read from tables, by release.
//!
//! Where the target is the newest release, everything newer than what is installed has been on the way since it came out. The first of that
//! which ends an obligation is a minimum over all that come after a place on the shelf: one table for a title, and one for each advisory.

use super::{subject::Shelf, track::Track};
use crate::policy::repository::{WantedBranch, WantedRelease};
use jiff::Timestamp;
use refit_model::{BranchName, Release};
use std::cell::OnceCell;

/// First publications in a title of one branch, by place: of what was out from there on.
pub(super) struct Straight {
    branch: Option<BranchName>,
    security_only: bool,
    any: Box<[Option<Timestamp>]>,
    /// Of what an advisory does not affect, by place of the advisory.
    unaffected: Vec<OnceCell<Box<[Option<Timestamp>]>>>,
}

impl Straight {
    /// The tables of a title; `None` where it has several branches, or one that ends.
    pub fn new(shelf: &Shelf<'_>, security_only: bool) -> Option<Straight> {
        let branch = shelf.releases.first()?.branch.clone();
        if !shelf.branches.is_empty() || shelf.releases.iter().any(|release| release.branch != branch) {
            return None;
        }
        let any = minima(shelf, security_only, |_| true);
        let unaffected = shelf.advisories.iter().map(|_| OnceCell::new()).collect();
        Some(Straight { branch, security_only, any, unaffected })
    }

    /// The first publication of anything from a place on.
    pub fn first(&self, from: usize) -> Option<Timestamp> {
        self.any.get(from).copied().flatten()
    }

    /// The first publication, from a place on, of anything that an advisory does not affect.
    pub fn first_unaffected(&self, shelf: &Shelf<'_>, advisory: usize, from: usize) -> Option<Timestamp> {
        let table = self.unaffected.get(advisory)?;
        let ends = |place: usize| shelf.affects(advisory, place) == Some(false);
        table.get_or_init(|| minima(shelf, self.security_only, ends)).get(from).copied().flatten()
    }
}

/// For each place, the first publication of what counts from there on and was out.
fn minima(shelf: &Shelf<'_>, security_only: bool, counts: impl Fn(usize) -> bool) -> Box<[Option<Timestamp>]> {
    let mut first = None;
    let out = |release: &Release| release.published <= shelf.now && (!security_only || release.security);
    let mut minima: Vec<Option<Timestamp>> = Vec::with_capacity(shelf.releases.len());
    for (place, release) in shelf.releases.iter().enumerate().rev() {
        if out(release) && counts(place) {
            first = Some(first.map_or(release.published, |known: Timestamp| known.min(release.published)));
        }
        minima.push(first);
    }
    minima.reverse();
    minima.into()
}

impl<'a> Track<'a> {
    /// The tables, and the place from which on releases are newer than what is installed, where they say all that the track does.
    pub(super) fn straight(&self) -> Option<(&'a Straight, usize)> {
        let policy = self.candidate.policy;
        let newest = matches!(
            (&policy.target.branch, &policy.target.release),
            (WantedBranch::Installed | WantedBranch::Any, WantedRelease::Latest(0))
        );
        if !newest || !policy.accept.is_empty() || policy.allow_downgrade {
            return None;
        }
        let shelf: &'a Shelf<'a> = self.shelf;
        let straight = shelf.straight(self.candidate.security_only)?;
        match self.installed {
            Some((branch, version)) if *branch == straight.branch => Some((straight, shelf.newer_than(version))),
            Some(_) => None,
            None => Some((straight, 0)),
        }
    }
}
