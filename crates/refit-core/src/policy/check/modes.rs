//! Policies that change nothing because nobody has said that they should.

use super::subject::{Subject, enumeration, quoted};
use crate::{
    policy::{diagnostic::Diagnostic, document::policy::Mode, repository::Policy},
    steps,
};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let organization = subject.organization;
    let said = organization.and_then(|written| written.document.defaults.as_ref()?.mode).is_some();
    if said {
        return;
    }
    let silent = |policy: &&Policy| {
        // `term_place` leads to the mode, where it is written, here or in a policy that this one extends.
        policy.mode == Mode::Observe && subject.term_place(policy, steps!["mode"]) == subject.policy_place(policy)
    };
    let policies: Vec<&Policy> = subject.repository.policies.iter().filter(silent).collect();
    let Some(first) = policies.first() else { return };
    let count = if policies.len() == 1 {
        "1 policy only observes".into()
    } else {
        format!("{} policies only observe", policies.len())
    };
    let mut note = Diagnostic::note("policy/only-observes", "policies that only observe")
        .label(format!("{count}: {}", enumeration(policies.iter().map(|policy| quoted(&policy.name)))))
        .with_help("when their plans look right, write `defaults: { mode: enforce }` in refit.yaml, or `mode: enforce` in each");
    note.place = match organization {
        Some(written) => Some(written.place(steps!["organization"])),
        None => subject.policy_place(first),
    };
    found.push(note);
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/only-observes"];

    #[test]
    fn policies_that_only_observe_by_default_are_counted_once() {
        assert_snapshot!(found(CODES, r#"
organization: acme
---
policy: one
software: [firefox]
---
policy: two
extends: three
software: [zoom]
---
policy: three
mode: observe
software: [google-chrome]
---
policy: four
software: [temurin-jdk]
"#), @r#"
note[policy/only-observes]: policies that only observe
  policy.yaml:2:15
    organization: acme
                  ^^^^ 2 policies only observe: `four` and `one`
  help: when their plans look right, write `defaults: { mode: enforce }` in refit.yaml, or `mode: enforce` in each
"#);
    }

    #[test]
    fn whoever_says_observe_means_it() {
        assert_eq!(
            found(CODES, "organization: acme\ndefaults: { mode: observe }\n---\npolicy: one\nsoftware: [zoom]\n"),
            ""
        );
    }
}
