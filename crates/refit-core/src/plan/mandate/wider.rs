//! Whether a mandate permits what another does not.
//!
//! Somebody who signs what others have prepared compares it with what the repository at hand says. This knows what a mandate
//! means and not how one is made.

use jiff::Timestamp;
use refit_wire::{
    Mandate,
    mandate::{DistributionPermit, PolicyPermit, Ring, TitlePermit},
};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Everything that `proposed` permits and `permitted` does not, in words; nothing where it is as narrow.
pub fn wider(proposed: &Mandate, permitted: &Mandate) -> Vec<String> {
    let mut found = Vec::new();
    if proposed.organization != permitted.organization {
        found.push(format!("it is of the organisation `{}`", proposed.organization));
    }
    if proposed.policy != permitted.policy {
        found.push("it was made from another state of the policy repository".to_owned());
    }
    if lasting(proposed) > lasting(permitted) {
        found.push(format!("it counts until {}, and the repository says {}", proposed.expires, permitted.expires));
    }
    for (name, source) in &proposed.sources {
        let same = permitted.sources.get(name).filter(|same| same.system == source.system);
        let more: Vec<&str> = source
            .keys
            .iter()
            .filter(|key| same.is_none_or(|same| !same.keys.contains(*key)))
            .map(SmolStr::as_str)
            .collect();
        if !more.is_empty() {
            found.push(format!("the source `{name}` would trust {}", more.join(", ")));
        }
    }
    for (name, policy) in &proposed.policies {
        match permitted.policies.get(name) {
            None => found.push(format!("the policy `{name}` is not in the repository, or changes nothing there")),
            Some(same) => policy_wider(name, (policy, proposed), (same, permitted), &mut found),
        }
    }
    for (title, permit) in &proposed.titles {
        match permitted.titles.get(title) {
            None => found.push(format!("the title `{title}` is not permitted")),
            Some(same) => title_wider(title.as_str(), permit, same, &mut found),
        }
    }
    for permit in &proposed.distributions {
        distribution_wider(permit, &permitted.distributions, &mut found);
    }
    // What the other knew from its signature on may have been signed later here.
    for (title, versions) in &proposed.known {
        for (version, since) in versions {
            let same = permitted.known.get(title).and_then(|versions| versions.get(version));
            if same.is_none_or(|same| since < same) && *since < proposed.issued {
                found.push(format!("{title} {version} would count as known since {since}"));
            } else if same.is_none() {
                found.push(format!("{title} {version} would count as known, and is not offered"));
            }
        }
    }
    for entry in &proposed.expedited {
        let same = |other: &&refit_wire::mandate::Expedited| {
            other.title == entry.title && other.version == entry.version && other.until >= entry.until
        };
        if permitted.expedited.iter().find(same).is_none() {
            let version = entry.version.as_deref().unwrap_or("of every version");
            found.push(format!("{} {version} would not wait for its rings until {}", entry.title, entry.until));
        }
    }
    let (new, old) = (&proposed.limits, &permitted.limits);
    let limits = [
        ("a lease would last", new.lease_seconds, old.lease_seconds),
        ("silence would be told after", new.silence_seconds, old.silence_seconds),
        ("a hold would last", new.hold_seconds, old.hold_seconds),
    ];
    for (what, new, old) in limits.into_iter().filter(|(_, new, old)| new > old) {
        found.push(format!("{what} {new} seconds, and the repository says {old}"));
    }
    if new.restarts_per_day > old.restarts_per_day {
        found
            .push(format!("{} restarts a day, and the repository says {}", new.restarts_per_day, old.restarts_per_day));
    }
    found
}

/// For how long it counts from its signature on.
fn lasting(mandate: &Mandate) -> i64 {
    let second = |time: Timestamp| time.as_second();
    second(mandate.expires).saturating_sub(second(mandate.issued))
}

fn policy_wider(
    name: &str,
    (new, proposed): (&PolicyPermit, &Mandate),
    (old, permitted): (&PolicyPermit, &Mandate),
    found: &mut Vec<String>,
) {
    for rollout in new.urgent.difference(&old.urgent) {
        found.push(format!("the server could choose `{rollout}` for `{name}`"));
    }
    if new.min_age_seconds < old.min_age_seconds {
        found.push(format!("`{name}` would take younger releases"));
    }
    let beyond = [
        (new.beyond.upgrade_others, old.beyond.upgrade_others, "upgrade"),
        (new.beyond.install_new, old.beyond.install_new, "install"),
        (new.beyond.remove, old.beyond.remove, "remove"),
    ];
    for (_, _, verb) in beyond.into_iter().filter(|(new, old, _)| *new && !*old) {
        found.push(format!("`{name}` could {verb} packages that nobody asked for"));
    }
    let rings = |mandate: &Mandate, name: &SmolStr| mandate.rollouts.get(name).cloned().unwrap_or_default();
    let used = |policy: &PolicyPermit, mandate: &Mandate| policy.rollout.as_ref().map(|name| rings(mandate, name));
    let mut pairs = vec![(used(new, proposed), used(old, permitted), new.rollout.as_deref())];
    pairs.extend(
        new.urgent.iter().map(|name| (Some(rings(proposed, name)), Some(rings(permitted, name)), Some(name.as_str()))),
    );
    for (new, old, rollout) in pairs {
        if sooner(new.as_deref().unwrap_or_default(), old.as_deref().unwrap_or_default()) {
            let by = rollout.map_or_else(|| "without rings".to_owned(), |rollout| format!("by `{rollout}`"));
            found.push(format!("`{name}` would reach some devices sooner {by}"));
        }
    }
}

/// Whether some device could be earlier with the first rings than with the others. Only rings of the same form are compared.
fn sooner(new: &[Ring], old: &[Ring]) -> bool {
    if old.is_empty() {
        return false;
    }
    let no_members = BTreeSet::new();
    new.len() != old.len()
        || new.iter().zip(old).any(|(new, old)| {
            let more =
                new.members.as_ref().unwrap_or(&no_members).is_subset(old.members.as_ref().unwrap_or(&no_members));
            new.soak_seconds < old.soak_seconds
                || new.share != old.share
                || new.members.is_some() != old.members.is_some()
                || !more
        })
}

fn title_wider(title: &str, new: &TitlePermit, old: &TitlePermit, found: &mut Vec<String>) {
    let packages = new.packages.iter().filter(|package| !old.packages.contains(package));
    found.extend(packages.map(|package| format!("`{title}` would also be the package `{}`", package.name)));
    found.extend(new.sources.difference(&old.sources).map(|source| format!("`{title}` could come from `{source}`")));
    found.extend(new.policies.difference(&old.policies).map(|policy| format!("`{policy}` could ask for `{title}`")));
    let verbs = new.verbs.difference(&old.verbs);
    found.extend(verbs.map(|verb| format!("the server could {} `{title}`", refit_wire::mandate::check::Word(*verb))));
    // A floor of the repository that is missing, or another: which of two is lower need not be known to refuse.
    for (system, floor) in &old.floors {
        if new.floors.get(system) != Some(floor) {
            found.push(format!("`{title}` has not the floor {floor} of {}", system.namespace()));
        }
    }
}

fn distribution_wider(new: &DistributionPermit, permitted: &[DistributionPermit], found: &mut Vec<String>) {
    let all = BTreeSet::from([SmolStr::default()]);
    let prefixes = if new.prefixes.is_empty() { &all } else { &new.prefixes };
    for policy in &new.policies {
        for prefix in prefixes {
            let covering = |old: &&DistributionPermit| old.covers(new.system, policy, prefix);
            let sources: BTreeSet<&SmolStr> = permitted.iter().filter(covering).flat_map(|old| &old.sources).collect();
            for source in new.sources.iter().filter(|source| !sources.contains(source)) {
                let namespace = new.system.namespace();
                found.push(format!("`{policy}` could upgrade {namespace}/{prefix}* from `{source}`"));
            }
        }
    }
}
