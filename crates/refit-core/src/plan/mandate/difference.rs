//! What a new mandate changes, in words for whoever is to sign it.

use crate::policy::document::scalars::Duration;
use jiff::SignedDuration;
use refit_wire::{
    Mandate,
    mandate::{Beyond, DistributionPermit, Limits, PolicyPermit, Ring, Source, TitlePermit, check::Word},
    state::System,
};
use serde::Serialize;
use smol_str::SmolStr;
use std::{collections::BTreeMap, fmt::Display};

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// It is new.
    Added,
    /// It is another.
    Changed,
    /// It is gone.
    Removed,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How.
    pub sign: Sign,
    /// What it is: `title`, `source`, `policy`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// What it says now, or how it has changed.
    pub text: String,
}

/// What `after` says that `before` does not, and the other way round. Numbers and times of the documents themselves are left out.
pub fn difference(before: Option<&Mandate>, after: &Mandate) -> Vec<Difference> {
    let mut found = Vec::new();
    macro_rules! compare {
        ($what:literal, $field:ident, $words:expr) => {
            by_name(&mut found, $what, before.map(|before| &before.$field), &after.$field, $words)
        };
    }
    compare!("source", sources, |_, source| source_in_words(source));
    compare!("title", titles, |_, title| title_in_words(title));
    let parts = |mandate: &Mandate| -> BTreeMap<String, DistributionPermit> {
        mandate.distributions.iter().map(|permit| (distribution_name(permit), permit.clone())).collect()
    };
    let (had, has) = (before.map(parts), parts(after));
    by_name(&mut found, "packages", had.as_ref(), &has, |_, permit| format!("from {}", list(&permit.sources)));
    compare!("policy", policies, |_, policy| policy_in_words(policy));
    compare!("rollout", rollouts, |_, rings| rings.iter().map(ring_in_words).collect::<Vec<_>>().join("; "));
    limits(&mut found, before.map(|before| &before.limits), &after.limits);
    known(&mut found, before, after);
    let hurried = |mandate: &Mandate| -> BTreeMap<String, String> {
        let name = |title: &dyn Display, version: &Option<SmolStr>| match version {
            Some(version) => format!("{title} {version}"),
            None => format!("{title}, every version"),
        };
        let entries = mandate.expedited.iter();
        entries
            .map(|entry| (name(&entry.title, &entry.version), format!("until {}: {}", entry.until, entry.why)))
            .collect()
    };
    let (had, has) = (before.map(hurried), hurried(after));
    by_name(&mut found, "expedited", had.as_ref(), &has, |_, text| text.clone());
    found
}

fn by_name<K: Ord + Display, V: PartialEq>(
    found: &mut Vec<Difference>,
    what: &'static str,
    before: Option<&BTreeMap<K, V>>,
    after: &BTreeMap<K, V>,
    words: impl Fn(&K, &V) -> String,
) {
    for (name, value) in after {
        let had = before.and_then(|before| before.get(name));
        let (sign, text) = match had {
            None => (Sign::Added, words(name, value)),
            Some(had) if had != value => (Sign::Changed, change(&words(name, had), &words(name, value))),
            Some(_) => continue,
        };
        found.push(Difference { sign, what, name: name.to_string(), text });
    }
    for (name, value) in before.into_iter().flatten().filter(|(name, _)| !after.contains_key(*name)) {
        let text = words(name, value);
        found.push(Difference { sign: Sign::Removed, what, name: name.to_string(), text });
    }
}

/// The parts of two texts that differ: they are lists with `; ` between.
fn change(before: &str, after: &str) -> String {
    let (had, has): (Vec<&str>, Vec<&str>) = (before.split("; ").collect(), after.split("; ").collect());
    let only = |one: &[&str], other: &[&str]| {
        one.iter().filter(|part| !other.contains(part)).copied().collect::<Vec<_>>().join("; ")
    };
    match (only(&had, &has), only(&has, &had)) {
        // Only rings say less than they hold: their members are counted.
        (gone, new) if gone.is_empty() && new.is_empty() => "other devices in its rings".to_owned(),
        (gone, new) if gone.is_empty() => format!("new: {new}"),
        (gone, new) if new.is_empty() => format!("gone: {gone}"),
        (gone, new) => format!("{gone} → {new}"),
    }
}

fn source_in_words(source: &Source) -> String {
    let keys: Vec<String> = source.keys.iter().map(|key| format!("key {key}")).collect();
    format!("{}; {}", system(source.system), keys.join("; "))
}

fn title_in_words(title: &TitlePermit) -> String {
    let mut parts: Vec<String> = title.verbs.iter().map(|verb| Word(*verb).to_string()).collect();
    let packages = title.packages.iter().map(|package| format!("{}/{}", package.system.namespace(), package.name));
    parts.extend(packages);
    parts.extend(title.sources.iter().map(|source| format!("from {source}")));
    parts.extend(title.policies.iter().map(|policy| format!("for `{policy}`")));
    let floors = title.floors.iter().map(|(system, version)| format!("no {} below {version}", system.namespace()));
    parts.extend(floors);
    parts.join("; ")
}

fn distribution_name(permit: &DistributionPermit) -> String {
    let namespace = permit.system.namespace();
    let names = match permit.prefixes.is_empty() {
        true => format!("{namespace}/*"),
        false => permit.prefixes.iter().map(|prefix| format!("{namespace}/{prefix}*")).collect::<Vec<_>>().join(", "),
    };
    let policies: Vec<String> = permit.policies.iter().map(|policy| format!("`{policy}`")).collect();
    format!("{names} for {}", policies.join(", "))
}

fn policy_in_words(policy: &PolicyPermit) -> String {
    let mut parts = vec![match &policy.rollout {
        Some(rollout) => format!("by `{rollout}`"),
        None => "without rings".to_owned(),
    }];
    parts.extend(policy.urgent.iter().map(|rollout| format!("the server may choose `{rollout}` by itself")));
    parts.extend((policy.min_age_seconds > 0).then(|| format!("out for {}", length(policy.min_age_seconds))));
    let Beyond { upgrade_others, install_new, remove } = policy.beyond;
    let beyond = [
        (upgrade_others, "may upgrade other packages"),
        (install_new, "may install new packages"),
        (remove, "may remove packages"),
    ];
    parts.extend(beyond.iter().filter(|(may, _)| *may).map(|(_, text)| (*text).to_owned()));
    parts.join("; ")
}

fn ring_in_words(ring: &Ring) -> String {
    let who = match (&ring.members, ring.share) {
        (Some(members), _) if members.len() == 1 => "1 device".to_owned(),
        (Some(members), _) => format!("{} devices", members.len()),
        (None, Some(share)) => crate::policy::document::scalars::Share(share).to_string(),
        (None, None) => "everybody else".to_owned(),
    };
    match ring.soak_seconds {
        0 => format!("{} ({who})", ring.name),
        soak => format!("{} ({who}, soaks {})", ring.name, length(soak)),
    }
}

fn limits(found: &mut Vec<Difference>, before: Option<&Limits>, after: &Limits) {
    let all = |limits: &Limits| -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("lease", length(limits.lease_seconds)),
            ("silence", length(limits.silence_seconds)),
            ("hold", length(limits.hold_seconds)),
            ("restarts per day", limits.restarts_per_day.to_string()),
        ])
    };
    let (had, has) = (before.map(all), all(after));
    by_name(found, "limit", had.as_ref(), &has, |_, text| text.clone());
}

/// Versions that count as known from now on. What is no longer offered matters to nobody.
fn known(found: &mut Vec<Difference>, before: Option<&Mandate>, after: &Mandate) {
    for (title, versions) in &after.known {
        let had = before.and_then(|before| before.known.get(title));
        let new: Vec<&str> = versions
            .keys()
            .filter(|version| had.is_none_or(|had| !had.contains_key(*version)))
            .map(SmolStr::as_str)
            .collect();
        if !new.is_empty() {
            let text = new.join(", ");
            found.push(Difference { sign: Sign::Added, what: "known", name: title.to_string(), text });
        }
    }
}

fn system(system: System) -> &'static str {
    match system {
        System::Deb => "apt",
        System::Rpm => "dnf",
    }
}

fn list(names: &std::collections::BTreeSet<SmolStr>) -> String {
    names.iter().map(SmolStr::as_str).collect::<Vec<_>>().join("; from ")
}

fn length(seconds: u64) -> String {
    Duration(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))).to_string()
}
