//! Entries of a deadline that change nothing, because another entry is always due before.

use super::{subject::Subject, terms};
use crate::{
    policy::{
        diagnostic::Diagnostic,
        document::policy::AtDue,
        expr::Satisfiability,
        repository::{Deadline, Policy},
    },
    steps,
};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for policy in &subject.repository.policies {
        // What a policy inherits is said once, where it is written.
        if !subject.says_itself(policy, "deadline") {
            continue;
        }
        for (index, entry) in policy.deadline.iter().enumerate() {
            if let Some(first) = always_before(subject, policy, index, entry)
                && let Some(place) = subject.term_place(policy, steps!["deadline", index])
            {
                found.push(
                    Diagnostic::warning("policy/never-earliest", "deadline entry that changes nothing")
                        .at(place)
                        .label(format!("whenever it counts, `{}` is due no later", terms::entry(first)))
                        .with_note("every entry that holds counts, and the earliest due time wins")
                        .with_help("remove it, or give it a shorter `within` than the other"),
                );
            }
        }
    }
}

/// The entry that is always due before the one with this index, or with it, where that one brings nothing else.
fn always_before<'p>(
    subject: &Subject<'_>,
    policy: &'p Policy,
    index: usize,
    entry: &Deadline,
) -> Option<&'p Deadline> {
    if entry.rollout.is_some() || entry.min_age.is_some() || entry.at_due == AtDue::Proceed {
        return None;
    }
    if entry.condition.as_deref().is_some_and(|own| subject.together(&[(own, true)]) == Satisfiability::No) {
        return None;
    }
    policy
        .deadline
        .iter()
        .enumerate()
        .filter(|(other, rival)| *other != index && rival.within <= entry.within && implies(subject, entry, rival))
        .find(|(other, rival)| rival.within < entry.within || !implies(subject, rival, entry) || *other < index)
        .map(|(_, rival)| rival)
}

/// Whether `other` counts whenever `one` does.
pub(super) fn implies(subject: &Subject<'_>, one: &Deadline, other: &Deadline) -> bool {
    match (&one.condition, &other.condition) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(one), Some(other)) => {
            one.text() == other.text() || subject.together(&[(one, true), (other, false)]) == Satisfiability::No
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/never-earliest"];

    #[test]
    fn an_entry_that_is_never_due_first_is_found() {
        assert_snapshot!(found(CODES, r#"
policy: browsers
software: [firefox]
deadline:
  - { if: exposure.kev, within: 14d }
  - { within: 7d }
"#), @r#"
warning[policy/never-earliest]: deadline entry that changes nothing
  policy.yaml:5:5
      - { if: exposure.kev, within: 14d }
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ whenever it counts, `7d` is due no later
  note: every entry that holds counts, and the earliest due time wins
  help: remove it, or give it a shorter `within` than the other
"#);
    }

    #[test]
    fn conditions_that_follow_from_each_other_are_seen_through() {
        assert_snapshot!(found(CODES, r#"
policy: browsers
software: [firefox]
deadline:
  - { if: exposure.cvss >= 9.0, within: 7d }
  - { if: exposure.cvss >= 7.0, within: 5d }
  - { within: 30d }
"#), @r#"
warning[policy/never-earliest]: deadline entry that changes nothing
  policy.yaml:5:5
      - { if: exposure.cvss >= 9.0, within: 7d }
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ whenever it counts, `5d if exposure.cvss >= 7.0` is due no later
  note: every entry that holds counts, and the earliest due time wins
  help: remove it, or give it a shorter `within` than the other
"#);
    }

    #[test]
    fn of_two_equal_entries_the_second_is_superfluous() {
        let shown = found(CODES, "policy: p\nsoftware: [firefox]\ndeadline: [{ within: 7d }, { within: 1w }]\n");
        assert_eq!(shown.matches("warning[").count(), 1, "{shown}");
        assert!(shown.contains("policy.yaml:3:28"), "{shown}");
    }

    #[test]
    fn an_entry_that_names_a_rollout_or_waives_the_age_is_worth_having() {
        assert_eq!(
            found(
                CODES,
                r#"
organization: acme
rollouts: { fast: { rings: [{ name: all }] } }
---
policy: browsers
software: [firefox]
deadline:
  - { if: exposure.kev, within: 14d, rollout: fast }
  - { if: exposure.ransomware, within: 14d, min_age: 0h }
  - { if: exposure.cvss >= 9.0, within: 14d, at_due: proceed }
  - { if: exposure.epss >= 0.5, within: 7d }
  - { within: 14d }
"#
            ),
            ""
        );
    }
}
