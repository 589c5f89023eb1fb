//! From a policy repository to the mandate that carries it out, and no more.

use super::Members;
use crate::policy::{
    document::policy::{Mode, Presence},
    repository::{MandateTerms, Policy, Repository, Rollout, Selector},
};
use jiff::{SignedDuration, Timestamp};
use refit_model::TitleId;
use refit_wire::{
    Mandate,
    mandate::{Beyond, DistributionPermit, Expedited, PolicyPermit, Ring, Source, TitlePermit, Verb},
    state::{PackageName, System},
};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What a mandate is made from.
#[derive(Clone, Debug)]
pub struct Signing<'a> {
    /// The policy repository, without mistakes.
    pub repository: &'a Repository,
    /// SHA-256 of it.
    pub policy_hash: &'a str,
    /// Who is in rings that a condition chooses.
    pub members: &'a Members,
    /// The versions of titles that are offered somewhere now.
    pub offered: &'a BTreeMap<TitleId, BTreeSet<SmolStr>>,
    /// The mandate in force.
    pub previous: Option<&'a Mandate>,
    /// Its number.
    pub number: u64,
    /// When it is signed.
    pub issued: Timestamp,
    /// Releases that need not wait, besides those of the previous mandate that last.
    pub expedited: &'a [Expedited],
}

/// Why no mandate can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CantSign {
    /// The repository does not say what is to be signed.
    #[error("the policy repository has no `mandate:` document, which names the package sources")]
    NoMandate,
    /// The repository does not say whose it is.
    #[error("the policy repository has no `organization:` document, and a mandate is an organisation's")]
    NoOrganization,
    /// Its number would not be larger than that of the one in force.
    #[error("mandate {number} does not come after mandate {previous}, which is in force")]
    OtherNumber {
        /// The number of the mandate in force.
        previous: u64,
        /// The number that was asked for.
        number: u64,
    },
    /// A release is expedited of a title that no policy carries out.
    #[error("no policy in mode `enforce` speaks of `{0}`, so it can't be expedited")]
    NotManaged(TitleId),
}

/// The mandate that permits what the policies in mode `enforce` ask for.
pub fn mandate(signing: &Signing<'_>) -> Result<Mandate, CantSign> {
    let repository = signing.repository;
    let terms = repository.mandate.as_ref().ok_or(CantSign::NoMandate)?;
    if repository.organization.is_empty() {
        return Err(CantSign::NoOrganization);
    }
    if let Some(previous) = signing.previous.filter(|previous| signing.number <= previous.number) {
        return Err(CantSign::OtherNumber { previous: previous.number, number: signing.number });
    }
    let acting = || repository.policies.iter().filter(|policy| policy.mode == Mode::Enforce);
    let (mut titles, mut parts) = (BTreeMap::new(), Parts::new());
    for policy in acting() {
        permit(repository, terms, policy, &mut titles, &mut parts);
    }
    // A title's packages have its floors; what is said of a package itself comes last, and counts.
    let packaged =
        |(title, floors)| repository.vendor_packages(title).into_iter().map(move |package| (package, floors));
    let floors = terms.floors.iter().flat_map(packaged);
    for (title, floors) in floors.chain(terms.floors.iter().map(|(title, floors)| (title.clone(), floors))) {
        if let Some(permit) = titles.get_mut(&title) {
            permit.floors.clone_from(floors);
        }
    }
    let distributions = distributions(parts);
    let is_carried_out = |title: &TitleId| {
        let by_distribution = title.package().is_some_and(|(namespace, name)| {
            let covers = |permit: &DistributionPermit| {
                permit.system.namespace() == namespace
                    && permit.policies.iter().any(|policy| permit.covers(permit.system, policy, name))
            };
            distributions.iter().any(covers)
        });
        titles.contains_key(title) || by_distribution
    };
    if let Some(unknown) = signing.expedited.iter().find(|expedited| !is_carried_out(&expedited.title)) {
        return Err(CantSign::NotManaged(unknown.title.clone()));
    }
    let policies: BTreeMap<SmolStr, PolicyPermit> = repository
        .policies
        .iter()
        // A policy that only tells people may do that, and change nothing.
        .filter(|policy| policy.mode != Mode::Observe)
        .map(|policy| (policy.name.clone(), policy_permit(terms, policy)))
        .collect();
    let used = |name: &SmolStr| {
        policies.values().any(|policy| policy.rollout.as_ref() == Some(name) || policy.urgent.contains(name))
    };
    let rollouts = repository
        .rollouts
        .iter()
        .filter(|(name, _)| used(name))
        .map(|(name, rollout)| (name.clone(), rings(rollout, signing.members)))
        .collect();
    Ok(Mandate {
        organization: repository.organization.clone(),
        number: signing.number,
        issued: signing.issued,
        expires: signing.issued.checked_add(terms.lasts).unwrap_or(Timestamp::MAX),
        policy: signing.policy_hash.into(),
        sources: terms
            .sources
            .iter()
            .map(|(name, source)| (name.clone(), Source { system: source.system, keys: source.keys.clone() }))
            .collect(),
        known: known(signing, &titles),
        expedited: expedited(signing, is_carried_out),
        policies,
        titles,
        distributions,
        rollouts,
        limits: terms.limits.clone(),
    })
}

/// Parts of distributions by package manager, sources and policies: how the names begin.
type Parts = BTreeMap<(System, SmolStr), BTreeMap<SmolStr, BTreeSet<SmolStr>>>;

fn permit(
    repository: &Repository,
    terms: &MandateTerms,
    policy: &Policy,
    titles: &mut BTreeMap<TitleId, TitlePermit>,
    parts: &mut Parts,
) {
    for selector in &policy.software {
        if let Selector::Title(title) = selector {
            permit_title(repository, terms, policy, title, titles);
            continue;
        }
        for (name, source) in &terms.sources {
            for line in &source.titles {
                match line.common(selector, source.system.namespace()) {
                    Some(Selector::Title(title)) => permit_title(repository, terms, policy, &title, titles),
                    Some(Selector::Packages { prefix, .. }) => {
                        let of_policy = parts.entry((source.system, policy.name.clone())).or_default();
                        of_policy.entry(prefix).or_default().insert(name.clone());
                    }
                    Some(Selector::OsAll | Selector::OsSecurity) | None => {}
                }
            }
        }
    }
}

/// Permits a policy to ask for a title by its name.
fn permit_title(
    repository: &Repository,
    terms: &MandateTerms,
    policy: &Policy,
    title: &TitleId,
    titles: &mut BTreeMap<TitleId, TitlePermit>,
) {
    let mut packages = packages(repository, title);
    let named = Selector::Title(title.clone());
    let brings = |system: System, lines: &[Selector]| {
        packages.iter().any(|package| package.system == system)
            && lines.iter().any(|line| line.common(&named, system.namespace()).is_some())
    };
    let sources: BTreeSet<SmolStr> = terms
        .sources
        .iter()
        .filter(|(_, source)| brings(source.system, &source.titles))
        .map(|(name, _)| name.clone())
        .collect();
    let verbs = match policy.presence {
        Presence::Forbidden => BTreeSet::from([Verb::Remove]),
        Presence::IfPresent => BTreeSet::from([Verb::Upgrade]),
        Presence::Required => BTreeSet::from([Verb::Upgrade, Verb::Install]),
    };
    let down = (policy.allow_downgrade && policy.presence != Presence::Forbidden).then_some(Verb::Downgrade);
    // What has no package here is for other systems; what no source brings can still be removed.
    if policy.presence != Presence::Forbidden {
        packages.retain(|package| sources.iter().any(|name| terms.sources[name].system == package.system));
    }
    if packages.is_empty() {
        return;
    }
    let permit = titles.entry(title.clone()).or_insert_with(|| TitlePermit {
        policies: BTreeSet::new(),
        packages: Vec::new(),
        sources,
        verbs: BTreeSet::new(),
        floors: BTreeMap::new(),
    });
    permit.packages.extend(packages);
    permit.packages.sort();
    permit.packages.dedup();
    permit.policies.insert(policy.name.clone());
    permit.verbs.extend(verbs.into_iter().chain(down));
}

/// What a title is to the package managers.
fn packages(repository: &Repository, title: &TitleId) -> Vec<PackageName> {
    let carriers = repository.carriers(title).into_iter();
    let package = |title: TitleId| {
        let (namespace, name) = title.package()?;
        Some(PackageName { system: System::from_namespace(namespace)?, name: name.into() })
    };
    carriers.filter_map(package).collect()
}

/// Permits for parts of distributions: one for all parts that the same policies get from the same sources.
fn distributions(parts: Parts) -> Vec<DistributionPermit> {
    let mut by_part: BTreeMap<(System, SmolStr, BTreeSet<SmolStr>), BTreeSet<SmolStr>> = BTreeMap::new();
    for ((system, policy), prefixes) in parts {
        for (prefix, sources) in prefixes {
            by_part.entry((system, prefix, sources)).or_default().insert(policy.clone());
        }
    }
    let mut merged: BTreeMap<(System, BTreeSet<SmolStr>, BTreeSet<SmolStr>), BTreeSet<SmolStr>> = BTreeMap::new();
    for ((system, prefix, sources), policies) in by_part {
        merged.entry((system, policies, sources)).or_default().insert(prefix);
    }
    merged
        .into_iter()
        .map(|((system, policies, sources), prefixes)| {
            let all = prefixes.contains("");
            DistributionPermit { policies, system, sources, prefixes: if all { BTreeSet::new() } else { prefixes } }
        })
        .collect()
}

fn policy_permit(terms: &MandateTerms, policy: &Policy) -> PolicyPermit {
    let named = policy.deadline.iter().filter_map(|entry| entry.rollout.as_ref());
    let urgent = named.filter(|name| terms.urgent.contains(*name)).cloned().collect();
    let ages = policy.deadline.iter().filter_map(|entry| entry.min_age).filter(|_| terms.urgent_min_age);
    let age = ages.fold(policy.min_age, SignedDuration::min);
    PolicyPermit {
        rollout: policy.rollout.clone(),
        urgent,
        min_age_seconds: seconds(age),
        beyond: Beyond {
            upgrade_others: policy.packages.upgrade_others,
            install_new: policy.packages.install_new,
            remove: policy.packages.remove,
        },
    }
}

fn rings(rollout: &Rollout, members: &Members) -> Vec<Ring> {
    let ring = |ring: &crate::policy::repository::Ring| Ring {
        name: ring.name.clone(),
        members: ring
            .condition
            .as_ref()
            .map(|_| members.get(&(rollout.name.clone(), ring.name.clone())).cloned().unwrap_or_default()),
        share: ring.share.map(|share| share.0),
        soak_seconds: seconds(ring.soak),
    };
    rollout.rings.iter().map(ring).collect()
}

/// Since when versions are known: what is still offered keeps its time, what is newly offered is known from now on.
fn known(
    signing: &Signing<'_>,
    titles: &BTreeMap<TitleId, TitlePermit>,
) -> BTreeMap<TitleId, BTreeMap<SmolStr, Timestamp>> {
    let before = |title: &TitleId, version: &SmolStr| signing.previous?.known.get(title)?.get(version).copied();
    let of_title = |title: &TitleId| {
        let versions = signing.offered.get(title)?;
        let dated = versions.iter().map(|version| {
            (version.clone(), before(title, version).map_or(signing.issued, |known| known.min(signing.issued)))
        });
        Some((title.clone(), dated.collect::<BTreeMap<_, _>>())).filter(|(_, dated)| !dated.is_empty())
    };
    titles.keys().filter_map(of_title).collect()
}

/// What need not wait: what the previous mandate said and still lasts, and what is new; the newer of two for one release.
fn expedited(signing: &Signing<'_>, is_carried_out: impl Fn(&TitleId) -> bool) -> Vec<Expedited> {
    let before = signing.previous.iter().flat_map(|previous| &previous.expedited);
    let mut last: BTreeMap<(TitleId, Option<SmolStr>), Expedited> = BTreeMap::new();
    for expedited in before.chain(signing.expedited) {
        // Whoever hurries a title hurries the packages that it means.
        let packages = signing.repository.vendor_packages(&expedited.title);
        for title in std::iter::once(expedited.title.clone()).chain(packages) {
            if expedited.until > signing.issued && is_carried_out(&title) {
                let entry = Expedited { title: title.clone(), ..expedited.clone() };
                last.insert((title, expedited.version.clone()), entry);
            }
        }
    }
    last.into_values().collect()
}

fn seconds(length: SignedDuration) -> u64 {
    u64::try_from(length.as_secs()).unwrap_or(0)
}
