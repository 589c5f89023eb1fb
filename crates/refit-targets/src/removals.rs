//! How much one run may take away of what Refit wrote before.
//!
//! A list of devices that was cut off, or a policy that was deleted by mistake, looks like an organisation that wants less. What goes is
//! bounded, for folders and for systems with an API alike; who means it says so.

use crate::object::Identity;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// So many may always go, as long as something stays: a policy has a handful of objects, and policies come and go.
pub const HANDFUL: usize = 5;

/// Of what was written before, one in so many may go.
pub const SHARE: usize = 10;

/// The kind of what goes where it is a device that leaves the groups of a system.
pub(crate) const DEVICE: &str = "device";

/// What would go of what Refit wrote before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removals {
    /// How many objects there were.
    pub before: usize,
    /// Those that go.
    pub going: BTreeSet<Identity>,
    /// How many go without another of their sort coming: a release that follows another has objects of other names.
    pub lost: usize,
}

/// More would go than may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// What would go.
    pub removals: Removals,
    /// So many may.
    pub allowed: usize,
}

/// Whether something goes because all policies that asked for it are held or halted: a stop never has to be permitted.
pub(crate) fn is_stopped(policies: &BTreeSet<SmolStr>, stopped: &BTreeSet<SmolStr>) -> bool {
    !policies.is_empty() && policies.is_subset(stopped)
}

impl Removals {
    /// What of `before` is not in `after`.
    pub fn between<'i>(
        before: impl IntoIterator<Item = &'i Identity>,
        after: impl IntoIterator<Item = &'i Identity>,
    ) -> Removals {
        let before: BTreeSet<&Identity> = before.into_iter().collect();
        let after: BTreeSet<&Identity> = after.into_iter().collect();
        let gone = sorts(before.difference(&after).copied());
        let come = sorts(after.difference(&before).copied());
        let lost = gone.iter().map(|(sort, gone)| gone.saturating_sub(come.get(sort).copied().unwrap_or_default()));
        Removals {
            before: before.len(),
            lost: lost.sum(),
            going: before.difference(&after).map(|id| (*id).clone()).collect(),
        }
    }

    /// Whether so much may go. Without `may_remove`, which somebody has said, it is a handful or a tenth, whichever is more, and never
    /// everything.
    pub fn check(self, may_remove: Option<usize>) -> Result<(), TooMany> {
        let allowed = match may_remove {
            Some(allowed) => allowed,
            None if self.lost == self.before => 0,
            None => (self.before / SHARE).max(HANDFUL),
        };
        if self.lost <= allowed { Ok(()) } else { Err(TooMany { removals: self, allowed }) }
    }
}

/// How many there are of each sort.
fn sorts<'i>(ids: impl Iterator<Item = &'i Identity>) -> BTreeMap<&'i str, usize> {
    let mut sorts = BTreeMap::new();
    for id in ids {
        *sorts.entry(id.kind.as_str()).or_default() += 1;
    }
    sorts
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooMany { removals: Removals { before, going, lost }, allowed } = self;
        let are_devices = going.iter().all(|id| id.kind == DEVICE);
        let what = if are_devices { "devices in groups" } else { "objects" };
        let of = if (*lost, *before, are_devices) == (1, 1, false) {
            "the only object that Refit wrote there".to_owned()
        } else if lost == before {
            format!("all {before} {what} that Refit wrote there")
        } else {
            format!("{lost} of {before} {what} that Refit wrote there")
        };
        write!(f, "{of} would go, and nothing of their sort would come for them; {allowed} may")?;
        for id in going.iter().take(HANDFUL) {
            write!(f, "\n  - {id}")?;
        }
        match going.len().saturating_sub(HANDFUL) {
            0 => Ok(()),
            more => write!(f, "\n  … and {more} more"),
        }
    }
}

impl std::error::Error for TooMany {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(kind: &str, numbers: std::ops::Range<usize>) -> Vec<Identity> {
        numbers.map(|number| Identity::new(kind, format!("refit-{number:03}"))).collect()
    }

    fn removals(before: &[Identity], after: &[Identity]) -> Removals {
        Removals::between(before, after)
    }

    #[test]
    fn a_tenth_may_go_and_not_one_more() {
        let before = ids("group", 0..100);
        assert_eq!(removals(&before, &ids("group", 10..100)).check(None), Ok(()));
        let refused = removals(&before, &ids("group", 11..100)).check(None).unwrap_err();
        assert_eq!((refused.removals.lost, refused.removals.before, refused.allowed), (11, 100, 10));
    }

    #[test]
    fn a_handful_may_go_where_something_stays() {
        let before = ids("group", 0..6);
        assert_eq!(removals(&before, &ids("group", 5..6)).check(None), Ok(()));
        for (all, said) in [(&before[..], "all 6 objects"), (&before[..1], "the only object")] {
            let refused = removals(all, &[]).check(None).unwrap_err();
            assert!(refused.to_string().starts_with(said), "{refused}");
        }
        assert_eq!(removals(&[], &[]).check(None), Ok(()));
        assert_eq!(removals(&[], &before).check(None), Ok(()));
    }

    #[test]
    fn what_another_of_its_sort_comes_for_is_not_lost() {
        let before = ids("pkginfo", 0..40);
        let next = ids("pkginfo", 100..140);
        let replaced = removals(&before, &next);
        assert_eq!((replaced.lost, replaced.going.len()), (0, 40));
        assert_eq!(replaced.check(None), Ok(()));
        // Manifests are nothing for items.
        assert!(removals(&before, &ids("manifest", 0..40)).check(None).is_err());
    }

    #[test]
    fn somebody_may_say_how_many_may_go() {
        let before = ids("group", 0..30);
        let gone = || removals(&before, &[]);
        assert!(gone().check(Some(29)).is_err());
        assert_eq!(gone().check(Some(30)), Ok(()));
        assert!(removals(&before, &ids("group", 1..30)).check(Some(0)).is_err());
    }

    #[test]
    fn what_would_go_is_named() {
        let refused = removals(&ids("group", 0..7), &[]).check(None).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "all 7 objects that Refit wrote there would go, and nothing of their sort would come for them; 0 may\n  - group refit-000\n  \
             - group refit-001\n  - group refit-002\n  - group refit-003\n  - group refit-004\n  … and 2 more"
        );
    }
}
