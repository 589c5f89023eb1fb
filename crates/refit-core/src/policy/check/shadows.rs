//! Policies that never decide, because one with a higher priority always does.

use super::{
    meetings::covers,
    subject::{Subject, enumeration, quoted, written_at},
};
use crate::policy::{
    diagnostic::Diagnostic,
    expr::{Expr, Satisfiability},
    repository::{Policy, Selector},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let policies = &subject.repository.policies;
    let mut higher: BTreeMap<usize, Vec<&Policy>> = BTreeMap::new();
    for (one, other, _) in subject.policy_meetings() {
        let (Some(a), Some(b)) = (policies.get(one), policies.get(other)) else { continue };
        match a.priority.cmp(&b.priority) {
            std::cmp::Ordering::Less => higher.entry(one).or_default().push(b),
            std::cmp::Ordering::Greater => higher.entry(other).or_default().push(a),
            std::cmp::Ordering::Equal => {}
        }
    }
    for (index, rivals) in higher {
        let Some(policy) = policies.get(index) else { continue };
        let mut by: BTreeSet<usize> = BTreeSet::new();
        let all = !policy.software.is_empty()
            && policy.software.iter().all(|selector| match hidden_by(subject, policy, selector, &rivals) {
                Some(names) => {
                    by.extend(names);
                    true
                }
                None => false,
            });
        if all {
            found.extend(report(subject, policy, by.into_iter().filter_map(|rival| rivals.get(rival).copied())));
        }
    }
}

/// Most policies that together hide one line of another: beyond that, nobody would see it either.
const TOGETHER_MOST: usize = 12;

/// The policies, as indices of `rivals`, one of which decides wherever `policy` would about a line of its software.
fn hidden_by(subject: &Subject<'_>, policy: &Policy, selector: &Selector, rivals: &[&Policy]) -> Option<Vec<usize>> {
    let cover: Vec<usize> = rivals
        .iter()
        .enumerate()
        .filter(|(_, rival)| rival.software.iter().any(|line| covers(line, selector)))
        .map(|(index, _)| index)
        .take(TOGETHER_MOST)
        .collect();
    let own = policy.condition.as_deref().map(|condition| (condition, true));
    if own.is_some_and(|own| subject.together(&[own]) == Satisfiability::No) {
        // It concerns nobody to begin with, which another check says.
        return None;
    }
    let alone = cover.iter().find(|index| match rivals.get(**index).map(|rival| rival.condition.as_deref()) {
        Some(Some(condition)) => never(subject, own, &[condition]),
        Some(None) => true,
        None => false,
    });
    if let Some(alone) = alone {
        return Some(vec![*alone]);
    }
    let conditions: Vec<&Expr> = cover.iter().filter_map(|index| rivals.get(*index)?.condition.as_deref()).collect();
    (!conditions.is_empty() && never(subject, own, &conditions)).then_some(cover)
}

/// Whether `own` never holds where all of `others` surely fail to.
fn never(subject: &Subject<'_>, own: Option<(&Expr, bool)>, others: &[&Expr]) -> bool {
    let conditions: Vec<_> = own.into_iter().chain(others.iter().map(|other| (*other, false))).collect();
    subject.together(&conditions) == Satisfiability::No
}

fn report<'a>(subject: &Subject<'_>, policy: &Policy, by: impl Iterator<Item = &'a Policy>) -> Option<Diagnostic> {
    let by: Vec<&Policy> = by.collect();
    let names = enumeration(by.iter().map(|rival| quoted(&rival.name)));
    let come = if by.len() == 1 { "comes" } else { "come" };
    let mut diagnostic = Diagnostic::error("policy/never-decides", "policy that never decides")
        .at(subject.policy_place(policy)?)
        .label(format!("wherever it applies, {names} {come} first, for all of its titles"));
    for rival in by.iter().take(3) {
        let (name, priority) = (&rival.name, rival.priority);
        diagnostic =
            diagnostic.with_note(format!("`{name}` has priority {priority}, in {}", written_at(&rival.origin)));
    }
    Some(diagnostic.with_help(format!(
        "remove it, or give it a `priority` above {}",
        by.iter().map(|rival| rival.priority).max().unwrap_or_default()
    )))
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/never-decides"];

    #[test]
    fn a_policy_that_is_always_outranked_is_found() {
        assert_snapshot!(found(CODES, r#"
policy: browsers of the finance department
where: person.department == "Finance" && device.platform == "macos"
software: [firefox, google-chrome]
---
policy: browsers
priority: 10
where: device.platform in ["macos", "windows"]
software: [google-chrome, firefox, zoom]
"#), @r#"
error[policy/never-decides]: policy that never decides
  policy.yaml:2:9
    policy: browsers of the finance department
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ wherever it applies, `browsers` comes first, for all of its titles
  note: `browsers` has priority 10, in policy.yaml:6
  help: remove it, or give it a `priority` above 10
"#);
    }

    #[test]
    fn several_together_may_outrank_one() {
        assert_snapshot!(found(CODES, r#"
policy: packages
where: device.os == "debian"
software: ["os/security", deb/nginx]
---
policy: servers
priority: 5
where: device.os == "debian" && device.kind == "server"
software: ["os/*"]
---
policy: others
priority: 7
where: device.os == "debian" && device.kind != "server"
software: ["os/*"]
"#), @r#"
error[policy/never-decides]: policy that never decides
  policy.yaml:2:9
    policy: packages
            ^^^^^^^^ wherever it applies, `others` and `servers` come first, for all of its titles
  note: `others` has priority 7, in policy.yaml:11
  note: `servers` has priority 5, in policy.yaml:6
  help: remove it, or give it a `priority` above 7
"#);
    }

    #[test]
    fn a_policy_with_a_title_or_a_device_of_its_own_decides() {
        assert_eq!(
            found(
                CODES,
                r#"
policy: browsers of mobile people
where: device.platform == "ios"
software: [firefox]
---
policy: meetings
software: [firefox, zoom]
---
policy: browsers
priority: 10
where: device.platform in ["macos", "windows"]
software: [google-chrome, firefox]
"#
            ),
            ""
        );
    }
}
