//! Rollouts, gates and windows that nothing uses.

use super::subject::Subject;
use crate::{policy::diagnostic::Diagnostic, steps};
use std::collections::BTreeSet;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let (Some(organization), repository) = (subject.organization, subject.repository) else { return };
    let policies = &repository.policies;
    let rollouts: BTreeSet<&str> = policies
        .iter()
        .flat_map(|policy| {
            policy.rollout.iter().chain(policy.deadline.iter().filter_map(|entry| entry.rollout.as_ref()))
        })
        .map(|name| name.as_str())
        .collect();
    let gates: BTreeSet<&str> =
        organization.document.rollouts.values().filter_map(|rollout| rollout.gate.as_deref()).collect();
    let windows: BTreeSet<&str> = policies
        .iter()
        .filter_map(|policy| policy.window.as_ref())
        .chain(repository.exceptions.iter().filter_map(|exception| exception.window.as_ref()))
        .map(|window| window.name.as_str())
        .chain(subject.documents.guarantees.iter().filter_map(|written| written.document.only_in.as_deref()))
        .collect();
    let document = &organization.document;
    let mut report = |kind: &str, what: &str, names: Vec<&String>, used: &BTreeSet<&str>| {
        for name in names.into_iter().filter(|name| !used.contains(name.as_str())) {
            found.push(
                Diagnostic::note("policy/unused", format!("unused {what}"))
                    .at(organization.key_place(steps![kind, name]))
                    .label(format!("nothing names `{name}`")),
            );
        }
    };
    report("rollouts", "rollout", document.rollouts.keys().collect(), &rollouts);
    report("gates", "gate", document.gates.keys().collect(), &gates);
    report("windows", "window", document.windows.keys().collect(), &windows);
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/unused"];

    #[test]
    fn what_nothing_names_is_noted() {
        assert_snapshot!(found(CODES, r#"
organization: acme
rollouts:
  standard: { gate: default, rings: [{ name: all }] }
  slow: { rings: [{ name: all }] }
gates: { default: {}, strict: {} }
windows:
  overnight: { rrule: "FREQ=DAILY;BYHOUR=19", lasts: 10h }
  weekend: { rrule: "FREQ=WEEKLY;BYDAY=SA", lasts: 10h }
---
policy: browsers
software: [firefox]
window: overnight
deadline: [{ within: 14d, rollout: standard }]
"#), @r#"
note[policy/unused]: unused rollout
  policy.yaml:5:3
      slow: { rings: [{ name: all }] }
      ^^^^ nothing names `slow`

note[policy/unused]: unused gate
  policy.yaml:6:23
    gates: { default: {}, strict: {} }
                          ^^^^^^ nothing names `strict`

note[policy/unused]: unused window
  policy.yaml:9:3
      weekend: { rrule: "FREQ=WEEKLY;BYDAY=SA", lasts: 10h }
      ^^^^^^^ nothing names `weekend`
"#);
    }
}
