//! The mandate against the policies: agents refuse what it does not permit, however right the policies are.

use super::subject::{Subject, enumeration, length, quoted};
use crate::{
    policy::{
        diagnostic::Diagnostic,
        document::policy::{Mode, Presence},
        expr::Satisfiability,
        repository::{Deadline, MandateTerms, Policy, Rollout, Selector},
    },
    steps,
};
use jiff::SignedDuration;
use refit_model::TitleId;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(terms) = &subject.repository.mandate else { return };
    for policy in subject.repository.policies.iter().filter(|policy| policy.mode == Mode::Enforce) {
        without_source(subject, terms, policy, found);
        if policy.presence != Presence::Forbidden {
            for (index, entry) in policy.deadline.iter().enumerate() {
                not_in_time(subject, terms, policy, (index, entry), found);
            }
        }
    }
}

/// Titles that no package source may bring.
fn without_source(subject: &Subject<'_>, terms: &MandateTerms, policy: &Policy, found: &mut Vec<Diagnostic>) {
    if policy.presence == Presence::Forbidden || !on_linux(subject, policy) {
        return;
    }
    let brought = |selector: &Selector| {
        terms.sources.values().any(|source| {
            source.titles.iter().any(|offered| offered.common(selector, source.system.namespace()).is_some())
        })
    };
    // Of the packages that a title means, a source of one system has one.
    let is_meant = |selector: &&Selector| matches!(selector, Selector::Title(title) if policy.meant.contains(title));
    let named = policy.software.iter().filter(|selector| !is_meant(selector));
    let missing: Vec<&Selector> =
        named.filter(|selector| is_moved_by_agents(subject, selector) && !brought(selector)).collect();
    if missing.is_empty() {
        return;
    }
    let Some(place) = subject.term_place(policy, steps!["software"]) else { return };
    let names = missing.iter().map(|selector| quoted(&selector.to_string().into()));
    found.push(
        Diagnostic::warning("policy/no-package-source", "titles that no package source may bring")
            .at(place)
            .label(format!("no source of the mandate has {}", enumeration(names)))
            .with_note("agents refuse a package whose source the mandate does not name for its title")
            .with_help(format!(
                "name them under `titles:` of a source in {}, with the fingerprints of the keys that sign it",
                terms.origin.file
            )),
    );
}

/// Whether agents carry out a title on some system.
fn is_moved_by_agents(subject: &Subject<'_>, selector: &Selector) -> bool {
    use crate::policy::document::title::{Mover, System};
    let Selector::Title(title) = selector else { return true };
    if TitleId::package(title).is_some() {
        return true;
    }
    subject.repository.titles.get(title).is_some_and(|title| {
        let document = &title.document;
        let named = [System::Deb, System::Rpm].iter().any(|system| document.identifiers.contains_key(system));
        named && document.moved_by.get("linux").is_none_or(|mover| *mover == Mover::Refit)
    })
}

/// Whether a policy may concern a device that has packages.
fn on_linux(subject: &Subject<'_>, policy: &Policy) -> bool {
    ["deb", "rpm"].into_iter().any(|namespace| {
        let all = Selector::Packages { namespace: namespace.into(), prefix: "".into() };
        subject.all_hold([policy.condition.as_deref(), subject.implied_by(&all)]) != Satisfiability::No
    })
}

/// An entry that hurries, where devices do not hurry on the server's word alone.
fn not_in_time(
    subject: &Subject<'_>,
    terms: &MandateTerms,
    policy: &Policy,
    (index, entry): (usize, &Deadline),
    found: &mut Vec<Diagnostic>,
) {
    let rollout =
        |name: &Option<smol_str::SmolStr>| name.as_ref().and_then(|name| subject.repository.rollouts.get(name));
    let own = rollout(&policy.rollout);
    // Without rings of its own, a policy waits for nothing that an entry could shorten.
    let hurried = entry.rollout.as_ref().filter(|name| own.is_some() && !terms.urgent.contains(*name));
    let younger = entry.min_age.filter(|age| *age < policy.min_age && !terms.urgent_min_age);
    let younger = younger
        .filter(|_| hurried.is_some() || !entry.rollout.as_ref().is_some_and(|name| terms.urgent.contains(name)));
    if hurried.is_none() && younger.is_none() {
        return;
    }
    let soaks = own.map_or(SignedDuration::ZERO, soaks);
    // Rings soak while a release gets older: a device waits for the longer of the two.
    let needed = soaks.max(policy.min_age);
    if needed < entry.within {
        return;
    }
    let (path, what) = match hurried {
        Some(name) => ("rollout", format!("the mandate does not let the server choose `{name}`")),
        None => ("min_age", "the mandate does not let the server shorten `min_age`".to_owned()),
    };
    let Some(place) = subject.term_place(policy, steps!["deadline", index, path]) else { return };
    let arithmetic = match own {
        Some(own) if soaks >= policy.min_age => {
            let parts: Vec<String> = own.rings[..own.rings.len().saturating_sub(1)]
                .iter()
                .filter(|ring| !ring.soak.is_zero())
                .map(|ring| format!("{} soaks {}", ring.name, length(ring.soak)))
                .collect();
            format!("{} = {} by `{}`", parts.join(" + "), length(soaks), own.name)
        }
        _ => format!("min_age {}", length(policy.min_age)),
    };
    let help = match hurried {
        Some(name) => format!("write `urgent: {{ rollouts: [{name}] }}` in {}", terms.origin.file),
        None => format!("write `urgent: {{ min_age: true }}` in {}", terms.origin.file),
    };
    found.push(
        Diagnostic::warning("policy/not-urgent", "deadline that agents meet only if somebody signs")
            .at(place)
            .label(format!(
                "{what}, so the last devices wait for {} and are due after {}",
                length(needed),
                length(entry.within)
            ))
            .with_note(format!("{arithmetic}, from when a device has seen the release"))
            .with_help(format!(
                "{help}, which a stolen server can use as well, or be ready to sign (`refit key expedite`)"
            )),
    );
}

/// How long the rings before the last soak.
fn soaks(rollout: &Rollout) -> SignedDuration {
    let before = rollout.rings.split_last().map_or(&[][..], |(_, before)| before);
    before.iter().map(|ring| ring.soak).sum()
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/no-package-source", "policy/not-urgent"];

    const POLICIES: &str = r#"
organization: acme
defaults: { mode: enforce }
rollouts:
  standard: { rings: [{ name: canary, share: 5%, soak: 1d }, { name: early, share: 10%, soak: 2d }, { name: rest }] }
  fast: { rings: [{ name: canary, share: 5%, soak: 2h }, { name: rest }] }
---
policy: browsers
software: [google-chrome, firefox]
rollout: standard
min_age: 1d
deadline: [{ if: exposure.kev, within: 2d, rollout: fast, min_age: 0h }, { within: 14d }]
---
policy: everything
where: device.os == "debian"
software: ["os/*"]
min_age: 7d
deadline: [{ if: exposure.kev, within: 4d, min_age: 0h }, { within: 30d }]
---
policy: macs
where: device.platform == "macos"
software: [firefox]
---
policy: gone
software: [firefox]
presence: forbidden
priority: 5
---
"#;

    fn with(mandate: &str) -> String {
        found(CODES, &format!("{POLICIES}{mandate}"))
    }

    const DEBIAN: &str = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8";

    #[test]
    fn what_agents_would_refuse_or_do_late_is_said() {
        assert_snapshot!(with(&format!(
            r#"mandate: acme
sources:
  google: {{ system: deb, keys: [{DEBIAN}], titles: [google-chrome] }}
"#
        )));
    }

    #[test]
    fn what_the_mandate_permits_is_not_mentioned() {
        let mandate = format!(
            r#"mandate: acme
sources:
  debian: {{ system: deb, keys: [{DEBIAN}], titles: ["os/*", google-chrome, firefox] }}
urgent: {{ rollouts: [fast], min_age: true }}
"#
        );
        assert_eq!(with(&mandate), "");
        // Without a mandate there is nothing to hold the policies against.
        assert_eq!(found(CODES, POLICIES.trim_end().trim_end_matches("---")), "");
    }

    #[test]
    fn mistakes_of_a_mandate_are_found_where_they_are() {
        assert_snapshot!(crate::policy::check::trial::mistakes(
            r#"
organization: acme
rollouts: { fast: { rings: [{ name: rest }] } }
---
mandate: acme
lasts: 0h
sources:
  debian: { system: deb, keys: [B7C5D7D6350947F8], titles: [rpm/bash, firefix, "os/all"] }
  other: { system: apt, keys: [], titles: [firefox] }
urgent: { rollouts: [fasd] }
floors: { firefox: { deb: "1_0" }, zooom: { rpm: 1-1 } }
limits: { lease: 0h, restarts: 2 }
---
mandate: second
"#
        ));
    }
}
