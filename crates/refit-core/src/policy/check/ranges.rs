//! Ranges of versions that no version is in, and targets that `accept` never accepts.

use super::subject::Subject;
use crate::{
    policy::{
        diagnostic::{Diagnostic, Place},
        repository::{Policy, Selector, WantedRelease},
    },
    steps,
};
use refit_model::{Scheme, TitleId, Version};
use std::{cmp::Ordering, collections::BTreeSet};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for policy in &subject.repository.policies {
        let schemes = schemes(subject, &policy.software);
        let target = text(&policy.target.release);
        if subject.says_itself(policy, "target") {
            let place = subject.term_place(policy, steps!["target", "release"]);
            found.extend(report(&schemes, target, place));
        }
        if subject.says_itself(policy, "accept") {
            for (index, accepted) in policy.accept.iter().enumerate() {
                let place = subject.term_place(policy, steps!["accept", index, "release"]);
                // Without a release of its own, the entry has the target's.
                if text(&accepted.wanted.release) != target {
                    found.extend(report(&schemes, text(&accepted.wanted.release), place));
                }
            }
        }
        if subject.says_itself(policy, "accept") || subject.says_itself(policy, "target") {
            found.extend(target_not_accepted(subject, policy, &schemes));
        }
    }
    for block in &subject.repository.blocks {
        let place = subject.block(&block.name).map(|written| written.place(steps!["releases"]));
        found.extend(report(&scheme_of(subject, &block.title), Some(&block.releases.text), place));
    }
    for exception in &subject.repository.exceptions {
        let place = subject.exception(&exception.name).map(|written| written.place(steps!["hold_at"]));
        let range = exception.hold_at.as_ref().map(|range| range.text.as_str());
        found.extend(report(&schemes(subject, &exception.software), range, place));
    }
}

fn text(release: &WantedRelease) -> Option<&str> {
    match release {
        WantedRelease::Range(range) => Some(&range.text),
        WantedRelease::Latest(_) => None,
    }
}

fn scheme_of(subject: &Subject<'_>, title: &TitleId) -> BTreeSet<Scheme> {
    BTreeSet::from([subject.repository.scheme(title)])
}

fn schemes(subject: &Subject<'_>, software: &[Selector]) -> BTreeSet<Scheme> {
    let scheme = |selector: &Selector| match selector {
        Selector::Title(title) => subject.repository.scheme(title),
        Selector::Packages { namespace, .. } if namespace == "rpm" => Scheme::Rpm,
        Selector::Packages { .. } | Selector::OsAll | Selector::OsSecurity => Scheme::Dpkg,
    };
    software.iter().map(scheme).collect()
}

fn report(schemes: &BTreeSet<Scheme>, text: Option<&str>, place: Option<Place>) -> Option<Diagnostic> {
    let text = text?;
    let (one, other) = schemes.iter().find_map(|scheme| contradiction(*scheme, text))?;
    Some(
        Diagnostic::error("policy/empty-range", "range that no version is in")
            .at(place?)
            .label(format!("nothing is both `{one}` and `{other}`"))
            .with_help("every comparison of a range has to hold"),
    )
}

/// A target none of which is accepted: what is installed could be nothing but wrong.
fn target_not_accepted(subject: &Subject<'_>, policy: &Policy, schemes: &BTreeSet<Scheme>) -> Option<Diagnostic> {
    let target = text(&policy.target.release)?;
    let rejects = |accepted: &crate::policy::repository::Accepted| {
        let Some(range) = text(&accepted.wanted.release) else { return false };
        let both = format!("{target}, {range}");
        schemes.iter().all(|scheme| contradiction(*scheme, &both).is_some())
    };
    if policy.accept.is_empty() || !policy.accept.iter().all(rejects) {
        return None;
    }
    Some(
        Diagnostic::error("policy/target-not-accepted", "target that is not accepted")
            .at(subject.term_place(policy, steps!["accept"])?)
            .label(format!("no release of the target, `{target}`, is accepted: a device could never comply"))
            .with_help("accept what the target moves to, or leave `accept` out"),
    )
}

/// Two comparisons of a range that exclude each other; `None` where there are none, or where the text is no range.
pub(super) fn contradiction(scheme: Scheme, text: &str) -> Option<(String, String)> {
    let (mut lower, mut upper) = (Vec::new(), Vec::new());
    for part in text.split(',').map(str::trim) {
        let sign = part.find(|c: char| !matches!(c, '<' | '>' | '=')).unwrap_or(part.len());
        let (sign, bound) = part.split_at(sign);
        let version = Version::parse(scheme, bound.trim()).ok()?;
        let inclusive = sign.ends_with('=');
        if sign.starts_with('>') || sign == "=" {
            lower.push((part, version.clone(), inclusive));
        }
        if sign.starts_with('<') || sign == "=" {
            upper.push((part, version, inclusive));
        }
    }
    for (low, from, from_inclusive) in &lower {
        for (high, to, to_inclusive) in &upper {
            let empty = match from.compare(to)? {
                Ordering::Greater => true,
                Ordering::Equal => !(*from_inclusive && *to_inclusive),
                Ordering::Less => false,
            };
            if empty {
                return Some(((*low).to_owned(), (*high).to_owned()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/empty-range", "policy/target-not-accepted"];

    #[test]
    fn comparisons_that_exclude_each_other_are_found() {
        let empty = |text: &str| contradiction(Scheme::Generic, text).is_some();
        for text in [">=5, <4", ">5, <5", ">5, <=5", "=5, =6", "=5, <5", ">=1.10, <1.9"] {
            assert!(empty(text), "{text}");
        }
        for text in [">=5, <6", ">=5, <=5", "=5, >=5", "<4", ">=1.9, <1.10", "=5.0, =5.0"] {
            assert!(!empty(text), "{text}");
        }
    }

    #[test]
    fn an_empty_range_is_an_error_wherever_it_stands() {
        assert_snapshot!(found(CODES, r#"
policy: browsers
software: [firefox]
target: ">=130, <128"
---
policy: java
software: [temurin-jdk]
target: { branch: "17", release: ">=17.0.12, <17.0.11" }
---
block: bad zoom
title: zoom
releases: "=6.1, =6.2"
---
exception: slow
software: [google-chrome]
hold_at: ">=130.0.0.0, <129.0.0.0"
until: 2026-12-20
"#), @r#"
error[policy/empty-range]: range that no version is in
  policy.yaml:4:9
    target: ">=130, <128"
            ^^^^^^^^^^^^^ nothing is both `>=130` and `<128`
  help: every comparison of a range has to hold

error[policy/empty-range]: range that no version is in
  policy.yaml:8:34
    target: { branch: "17", release: ">=17.0.12, <17.0.11" }
                                     ^^^^^^^^^^^^^^^^^^^^^ nothing is both `>=17.0.12` and `<17.0.11`
  help: every comparison of a range has to hold

error[policy/empty-range]: range that no version is in
  policy.yaml:12:11
    releases: "=6.1, =6.2"
              ^^^^^^^^^^^^ nothing is both `=6.2` and `=6.1`
  help: every comparison of a range has to hold

error[policy/empty-range]: range that no version is in
  policy.yaml:16:10
    hold_at: ">=130.0.0.0, <129.0.0.0"
             ^^^^^^^^^^^^^^^^^^^^^^^^^ nothing is both `>=130.0.0.0` and `<129.0.0.0`
  help: every comparison of a range has to hold
"#);
    }

    #[test]
    fn what_a_policy_moves_to_has_to_be_accepted() {
        assert_snapshot!(found(CODES, r#"
policy: browsers
software: [firefox]
target: "=128.0"
accept: [">=129", ">=200"]
"#), @r#"
error[policy/target-not-accepted]: target that is not accepted
  policy.yaml:5:9
    accept: [">=129", ">=200"]
            ^^^^^^^^^^^^^^^^^^ no release of the target, `=128.0`, is accepted: a device could never comply
  help: accept what the target moves to, or leave `accept` out
"#);
        let other = "policy: browsers\nsoftware: [firefox]\ntarget: \">=128\"\naccept: [\">=129\"]\n";
        assert_eq!(found(CODES, other), "");
    }
}
