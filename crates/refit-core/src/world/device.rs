//! One device as it is known: facts, installs, and what is truly its own.

use crate::facts::FactSet;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_model::{BranchName, DeviceId, Offer, Release, TitleId, Version};
use smol_str::SmolStr;
use std::{collections::BTreeMap, fmt};

/// One device as it is known.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Facts of the device and of its person.
    pub facts: FactSet,
    /// Its time zone; UTC until it is known.
    pub timezone: Option<TimeZone>,
    /// When it was first known; `None` is long ago.
    pub enrolled: Option<Timestamp>,
    /// When its installs were last observed.
    pub seen: Timestamp,
    /// How much of the time since then nobody listened: nobody is silent meanwhile.
    pub unheard: SignedDuration,
    /// The source that observes its installs.
    pub seen_by: SmolStr,
    /// Whether two histories claim its identity.
    pub identity_in_doubt: bool,
    /// What is installed.
    pub installs: Vec<Install>,
    /// Since when its universe offers a release, where that is not its publication.
    pub offers: BTreeMap<TitleId, Vec<(Version, Offer)>>,
    /// Absences, oldest first.
    pub absences: Vec<Absence>,
    /// When spells in progress began.
    pub spells: BTreeMap<SlotKey, Timestamp>,
    /// What clocks in progress began with: what was offered once has been, whatever is offered now.
    pub first_offers: BTreeMap<SlotKey, Vec<RememberedOffer>>,
    /// Deferrals that were used.
    pub deferrals_used: BTreeMap<TitleId, u32>,
    /// What was admitted by the last decision.
    pub admitted_before: BTreeMap<SlotKey, Version>,
    /// The policy that decided last, for the day on which two contradict each other.
    pub decided_before: BTreeMap<SlotKey, SmolStr>,
}

/// A release that is present in a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Install {
    /// The title.
    pub title: TitleId,
    /// Its branch; `None` where the title has one.
    pub branch: Option<BranchName>,
    /// The profile that it is installed in; `None` is the machine.
    pub profile: Option<SmolStr>,
    /// Its version.
    pub version: Version,
    /// When it was first observed; `None` is long ago.
    pub since: Option<Timestamp>,
}

/// A slot of a device: where a title is present, or could be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotKey {
    /// The title.
    pub title: TitleId,
    /// Its branch; `None` where the title has one.
    pub branch: Option<BranchName>,
    /// The profile; `None` is the machine.
    pub profile: Option<SmolStr>,
}

/// A release that was offered and would have ended an obligation, as it was noted then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RememberedOffer {
    /// The policy that obliged.
    pub policy: SmolStr,
    /// The obligation: an advisory, or `stale`, `missing`.
    pub obligation: SmolStr,
    /// The release.
    pub version: Version,
    /// When it was first offered.
    pub at: Timestamp,
    /// When the obligation arose, as it was seen then; `None` is: always.
    pub arose: Option<Timestamp>,
}

/// A time in which a device was not seen, or its person on leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Since when.
    pub away: Timestamp,
    /// Until when.
    pub back: Timestamp,
    /// The time of use between its end and the next absence or now.
    pub used: SignedDuration,
}

impl Device {
    /// A device of which nothing is known but its id and that it was seen.
    pub fn new(id: DeviceId, seen: Timestamp) -> Device {
        Device {
            id,
            facts: FactSet::default(),
            timezone: None,
            enrolled: None,
            seen,
            unheard: SignedDuration::ZERO,
            seen_by: SmolStr::new_static("agent"),
            identity_in_doubt: false,
            installs: Vec::new(),
            offers: BTreeMap::new(),
            absences: Vec::new(),
            spells: BTreeMap::new(),
            first_offers: BTreeMap::new(),
            deferrals_used: BTreeMap::new(),
            admitted_before: BTreeMap::new(),
            decided_before: BTreeMap::new(),
        }
    }

    /// The device's zone; UTC until it is known.
    pub fn zone(&self) -> TimeZone {
        self.timezone.clone().unwrap_or(TimeZone::UTC)
    }

    /// Its package manager, by the namespace of the packages that it has; `None` where it has none, or of several.
    pub fn manager(&self) -> Option<&str> {
        let mut spaces = self.installs.iter().filter_map(|install| Some(install.title.package()?.0));
        let first = spaces.next()?;
        spaces.all(|space| space == first).then_some(first)
    }

    /// Whether, and since when, its universe offers a release: since its publication, where nothing else is known.
    pub fn offer(&self, release: &Release) -> Offer {
        self.offers
            .get(&release.title)
            .and_then(|list| list.iter().find(|(version, _)| *version == release.version))
            .map_or(Offer::Since(release.published), |(_, offer)| *offer)
    }
}

impl Install {
    /// The slot that it is in.
    pub fn slot(&self) -> SlotKey {
        SlotKey { title: self.title.clone(), branch: self.branch.clone(), profile: self.profile.clone() }
    }
}

impl SlotKey {
    /// The slot of a title that has one branch, on the machine.
    pub fn of(title: TitleId) -> SlotKey {
        SlotKey { title, branch: None, profile: None }
    }
}

impl fmt::Display for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::control::SlotName::from(self).fmt(f)
    }
}
