//! The mandate: what an organisation permits on its devices, signed with a key that the server never holds.
//!
//! A device carries out a state only as far as the mandate goes. The mandate binds each title to package managers, exact
//! names and the keys of package sources; it gives floors that versions may not go below; and it gives rings with their
//! soaking times, from which a device works out by itself how early it may change something ([`timing`]). What a package
//! manager would really do is held against it before it happens ([`check`]).

pub mod check;
pub mod timing;

use crate::{
    envelope::Document,
    limits,
    state::{PackageName, System},
};
use jiff::Timestamp;
use refit_model::{DeviceId, TitleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What an organisation permits on its devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mandate {
    /// The organisation.
    #[schemars(with = "String")]
    pub organization: SmolStr,
    /// Its number. A device takes only larger ones than it has seen.
    pub number: u64,
    /// When it was signed.
    #[schemars(with = "String")]
    pub issued: Timestamp,
    /// From when on nothing is changed on its word.
    #[schemars(with = "String")]
    pub expires: Timestamp,
    /// SHA-256 of the policy repository that it was made from.
    #[schemars(with = "String")]
    pub policy: SmolStr,
    /// Package sources, by the organisation's names for them.
    #[schemars(with = "BTreeMap<String, Source>")]
    pub sources: BTreeMap<SmolStr, Source>,
    /// What each policy permits.
    #[schemars(with = "BTreeMap<String, PolicyPermit>")]
    pub policies: BTreeMap<SmolStr, PolicyPermit>,
    /// Titles that may be changed, and what they are on a device.
    #[schemars(with = "BTreeMap<String, TitlePermit>")]
    pub titles: BTreeMap<TitleId, TitlePermit>,
    /// Distributions whose installed packages may be upgraded without being named (`os/*`, `os/security`).
    pub distributions: Vec<DistributionPermit>,
    /// Rollouts, by name: their rings in order.
    #[schemars(with = "BTreeMap<String, Vec<Ring>>")]
    pub rollouts: BTreeMap<SmolStr, Vec<Ring>>,
    /// Since when versions are known to whoever signs: a device that has not seen them itself counts from there.
    #[schemars(with = "BTreeMap<String, BTreeMap<String, String>>")]
    pub known: BTreeMap<TitleId, BTreeMap<SmolStr, Timestamp>>,
    /// Releases that need not wait for their rings.
    pub expedited: Vec<Expedited>,
    /// Limits on what is no package.
    pub limits: Limits,
}

impl Document for Mandate {
    const TYPE: &'static str = "application/vnd.refit.mandate+json";
    const NAME: &'static str = "mandate";
    const LIMIT: usize = limits::MANDATE;
}

/// A package source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The package manager that reads it.
    pub system: System,
    /// The fingerprints of the OpenPGP keys that sign it, in upper case without blanks; any of them will do.
    #[schemars(with = "BTreeSet<String>")]
    pub keys: BTreeSet<SmolStr>,
}

/// What a policy permits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyPermit {
    /// Its rollout; null is: no rings.
    #[schemars(with = "Option<String>")]
    pub rollout: Option<SmolStr>,
    /// Rollouts that the server may choose by itself for what is urgent. Any other needs an expedited release.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<String>")]
    pub urgent: BTreeSet<SmolStr>,
    /// How long a release must have been out, in seconds; 0 where an urgent one has another age.
    #[serde(default)]
    pub min_age_seconds: u64,
    /// What may happen to packages that are not named.
    #[serde(default)]
    pub beyond: Beyond,
}

/// What may happen to packages that a state does not name, because those that it names need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Beyond {
    /// Installed packages may be upgraded.
    #[serde(default)]
    pub upgrade_others: bool,
    /// Packages that are not there may be installed.
    #[serde(default)]
    pub install_new: bool,
    /// Packages may be removed.
    #[serde(default)]
    pub remove: bool,
}

/// What may be done with a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TitlePermit {
    /// The policies that may ask for it.
    #[schemars(with = "BTreeSet<String>")]
    pub policies: BTreeSet<SmolStr>,
    /// The packages that it is.
    pub packages: Vec<PackageName>,
    /// The sources that it may come from.
    #[schemars(with = "BTreeSet<String>")]
    pub sources: BTreeSet<SmolStr>,
    /// What may be done.
    pub verbs: BTreeSet<Verb>,
    /// No version below this one, by package manager.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub floors: BTreeMap<System, SmolStr>,
}

/// What can be done with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Bring an installed one to a later version.
    Upgrade,
    /// Install it where it is not.
    Install,
    /// Remove it.
    Remove,
    /// Bring it to an earlier version.
    Downgrade,
}

/// Upgrades of a distribution's installed packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistributionPermit {
    /// The policies that may ask for it.
    #[schemars(with = "BTreeSet<String>")]
    pub policies: BTreeSet<SmolStr>,
    /// The package manager.
    pub system: System,
    /// The sources that packages may come from.
    #[schemars(with = "BTreeSet<String>")]
    pub sources: BTreeSet<SmolStr>,
    /// How the names of packages begin that are meant; empty is all of the distribution.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<String>")]
    pub prefixes: BTreeSet<SmolStr>,
}

impl DistributionPermit {
    /// Whether it speaks of a policy's package of that name.
    pub fn covers(&self, system: System, policy: &str, name: &str) -> bool {
        let begins = || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
        self.system == system && self.policies.contains(policy) && (self.prefixes.is_empty() || begins())
    }
}

/// A ring of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Its name.
    #[schemars(with = "String")]
    pub name: SmolStr,
    /// Its members, where a condition chose them; they were listed when the mandate was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BTreeSet<String>>")]
    pub members: Option<BTreeSet<DeviceId>>,
    /// The share of positions that it takes, from 0 to 1; null without members is: everybody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// How long it soaks before the next one may follow, in seconds.
    pub soak_seconds: u64,
}

/// A release that need not wait for its rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expedited {
    /// The title.
    #[schemars(with = "String")]
    pub title: TitleId,
    /// The exact version; null is every version above the floors, which is for a distribution's snapshot.
    #[schemars(with = "Option<String>")]
    pub version: Option<SmolStr>,
    /// Until when it is.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// Why, for whoever reads the log.
    #[schemars(with = "String")]
    pub why: SmolStr,
}

/// Limits on what is no package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The longest that a lease may last, in seconds.
    pub lease_seconds: u64,
    /// After how long without a fresh state the device tells its user and the system log, in seconds.
    pub silence_seconds: u64,
    /// The longest that a hold may last from when the device first sees it, in seconds.
    pub hold_seconds: u64,
    /// How many restarts of the machine in a day.
    pub restarts_per_day: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { lease_seconds: 3_600, silence_seconds: 7 * 86_400, hold_seconds: 30 * 86_400, restarts_per_day: 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const DEBIAN: &str = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8";
    pub(super) const GOOGLE: &str = "EB4C1BFD4F042F6DDDCCEC917721F63BD38B4796";
    pub(super) const EVIL: &str = "0000000000000000000000000000000000000666";

    fn set<T: Ord, const N: usize>(items: [T; N]) -> BTreeSet<T> {
        BTreeSet::from(items)
    }

    /// One browser and a distribution, in three rings.
    pub(super) fn mandate() -> Mandate {
        let source = |key: &str| Source { system: System::Deb, keys: set([SmolStr::new(key)]) };
        let ring = |name: &str, members: Option<&str>, share, hours: u64| Ring {
            name: name.into(),
            members: members.map(|id| set([DeviceId::new(id)])),
            share,
            soak_seconds: hours * 3_600,
        };
        let chrome = TitlePermit {
            policies: set(["browsers".into()]),
            packages: vec![PackageName { system: System::Deb, name: "google-chrome-stable".into() }],
            sources: set(["google".into()]),
            verbs: set([Verb::Upgrade, Verb::Install]),
            floors: [(System::Deb, "120.0-1".into())].into(),
        };
        let policy = || PolicyPermit { rollout: Some("standard".into()), ..PolicyPermit::default() };
        Mandate {
            organization: "acme".into(),
            number: 1,
            issued: "2026-11-01T00:00:00Z".parse().unwrap(),
            expires: "2027-02-01T00:00:00Z".parse().unwrap(),
            policy: "0".repeat(64).into(),
            sources: [("debian".into(), source(DEBIAN)), ("google".into(), source(GOOGLE))].into(),
            policies: [("browsers".into(), policy()), ("linux".into(), policy())].into(),
            titles: [(TitleId::new("google-chrome"), chrome)].into(),
            distributions: vec![DistributionPermit {
                policies: set(["linux".into()]),
                system: System::Deb,
                sources: set(["debian".into()]),
                prefixes: BTreeSet::new(),
            }],
            rollouts: [
                (
                    "standard".into(),
                    vec![
                        ring("canary", Some("canary-1"), None, 24),
                        ring("early", None, Some(0.1), 48),
                        ring("rest", None, None, 0),
                    ],
                ),
                ("fast".into(), vec![ring("canary", Some("canary-1"), None, 2), ring("rest", None, None, 0)]),
            ]
            .into(),
            known: BTreeMap::new(),
            expedited: Vec::new(),
            limits: Limits::default(),
        }
    }
}
