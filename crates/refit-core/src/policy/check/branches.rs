//! Branches that a title does not have, and those whose time is over.

use super::{freezes::is_over, subject::Subject, subject::quoted};
use crate::{
    policy::{
        diagnostic::{Diagnostic, Place, did_you_mean},
        repository::{Branch, Policy, Selector, Title, WantedBranch},
    },
    steps,
};
use smol_str::SmolStr;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for policy in &subject.repository.policies {
        if subject.says_itself(policy, "target") {
            let place = subject.term_place(policy, steps!["target", "branch"]);
            found.extend(branch(subject, policy, &policy.target.branch, place, "target"));
        }
        if !subject.says_itself(policy, "accept") {
            continue;
        }
        for (index, accepted) in policy.accept.iter().enumerate() {
            let place = subject.term_place(policy, steps!["accept", index, "branch"]);
            let over = accepted.until.is_some_and(|until| is_over(until, subject.now));
            if over && let Some(place) = subject.term_place(policy, steps!["accept", index, "until"]) {
                found.push(
                    Diagnostic::note("policy/accept-over", "branch that is no longer accepted")
                        .at(place)
                        .label("the day is over: devices on this branch have to leave it")
                        .with_help("remove the entry"),
                );
            } else {
                found.extend(branch(subject, policy, &accepted.wanted.branch, place, "accepted"));
            }
        }
    }
}

fn branch(
    subject: &Subject<'_>,
    policy: &Policy,
    wanted: &WantedBranch,
    place: Option<Place>,
    what: &str,
) -> Option<Diagnostic> {
    let WantedBranch::Named(name) = wanted else { return None };
    // A title without a list of branches may have any.
    let titles: Vec<&Title> = policy
        .software
        .iter()
        .map(|selector| match selector {
            Selector::Title(title) => subject.repository.titles.get(title).filter(|title| !title.branches.is_empty()),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let branches: Vec<&Branch> = titles.iter().flat_map(|title| &title.branches).collect();
    let Some(known) = branches.iter().find(|branch| branch.name == *name) else {
        let names: Vec<&str> = branches.iter().map(|branch| branch.name.as_str()).collect();
        let diagnostic = Diagnostic::error("policy/unknown-name", "unknown branch")
            .at(place?)
            .label(format!("there is no branch `{name}`"));
        return Some(match did_you_mean(name.as_str(), names.iter().copied()) {
            Some(near) => diagnostic.with_help(format!("did you mean `{near}`?")),
            None => diagnostic.with_help(format!(
                "known: {}",
                names.iter().map(|name| quoted(&SmolStr::new(name))).collect::<Vec<_>>().join(", ")
            )),
        });
    };
    let until = known.supported_until.filter(|until| is_over(*until, subject.now))?;
    Some(
        Diagnostic::warning("policy/unsupported-branch", "branch that is no longer supported")
            .at(place?)
            .label(format!("support of `{name}` ended on {until}: it gets no fixes, and is never {what}"))
            .with_help("name a branch that is supported, or correct the date in a `title:` document"),
    )
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/unknown-name", "policy/unsupported-branch", "policy/accept-over"];

    #[test]
    fn branches_have_to_be_there_and_to_live() {
        assert_snapshot!(found(CODES, r#"
title: editor
branches:
  - { name: "1", versions: ">=1, <2", supported_until: 2025-01-31 }
  - { name: "2", versions: ">=2, <3" }
---
policy: java
software: [temurin-jdk]
target: { branch: "18" }
accept: [{ branch: "17", until: 2026-06-30 }, { branch: "8" }, { branch: latest }]
---
policy: editors
software: [editor]
target: { branch: "1" }
"#), @r#"
error[policy/unknown-name]: unknown branch
  policy.yaml:9:19
    target: { branch: "18" }
                      ^^^^ there is no branch `18`
  help: known: `17`, `21`

note[policy/accept-over]: branch that is no longer accepted
  policy.yaml:10:33
    accept: [{ branch: "17", until: 2026-06-30 }, { branch: "8" }, { branch: latest }]
                                    ^^^^^^^^^^ the day is over: devices on this branch have to leave it
  help: remove the entry

error[policy/unknown-name]: unknown branch
  policy.yaml:10:57
    accept: [{ branch: "17", until: 2026-06-30 }, { branch: "8" }, { branch: latest }]
                                                            ^^^ there is no branch `8`
  help: known: `17`, `21`

warning[policy/unsupported-branch]: branch that is no longer supported
  policy.yaml:14:19
    target: { branch: "1" }
                      ^^^ support of `1` ended on 2025-01-31: it gets no fixes, and is never target
  help: name a branch that is supported, or correct the date in a `title:` document
"#);
    }

    #[test]
    fn a_title_without_a_list_may_have_any_branch() {
        assert_eq!(found(CODES, "policy: p\nsoftware: [zoom, temurin-jdk]\ntarget: { branch: \"18\" }\n"), "");
        assert_eq!(found(CODES, "policy: p\nsoftware: [temurin-jdk]\ntarget: { branch: \"21\" }\n"), "");
    }
}
