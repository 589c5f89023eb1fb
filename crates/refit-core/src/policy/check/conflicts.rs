//! Policies that overlap with different outcomes at equal priority (docs/reference/rules.md, rule 1).

use super::{
    subject::{Subject, enumeration, example_device, quoted, written_at},
    terms::differences,
};
use crate::policy::{
    diagnostic::Diagnostic,
    expr::Satisfiability,
    repository::{Policy, Selector},
};
use std::collections::BTreeMap;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let policies = &subject.repository.policies;
    let mut by_later: BTreeMap<usize, Vec<Conflict<'_>>> = BTreeMap::new();
    for (one, other, shared) in subject.policy_meetings() {
        let (Some(a), Some(b)) = (policies.get(one), policies.get(other)) else { continue };
        if a.priority != b.priority || differences(a, b, subject.repository).is_empty() {
            continue;
        }
        // The one that is written later is where the mistake was made.
        let (earlier, later) = if a.origin <= b.origin { (a, b) } else { (b, a) };
        let index = if a.origin <= b.origin { other } else { one };
        let conflicts = by_later.entry(index).or_default();
        if conflicts.len() < EXAMINED_MOST
            && let Some(conflict) = conflict(subject, earlier, later, shared)
        {
            conflicts.push(conflict);
        }
    }
    for (index, conflicts) in by_later {
        let Some(policy) = policies.get(index) else { continue };
        let sure: Vec<&Conflict<'_>> = conflicts.iter().filter(|conflict| conflict.example.is_some()).collect();
        if sure.is_empty() {
            found.extend(conflicts.first().and_then(|conflict| perhaps(subject, policy, conflict)));
        } else {
            found.extend(report(subject, policy, &sure));
        }
    }
    if subject.meetings().cut {
        found.push(
            Diagnostic::warning("policy/too-many-overlaps", "not all policies were compared")
                .label("too many policies name the same titles for devices that may be the same")
                .with_help("tell policies for one title apart by a field: `where: person.department == \"IT\"`"),
        );
    }
}

/// Most policies that one policy is held against, so that a hundred rules for everybody do not give thousands of messages.
const EXAMINED_MOST: usize = 20;

struct Conflict<'a> {
    with: &'a Policy,
    shared: Vec<&'a Selector>,
    /// A device that both concern; `None` where it could not be told whether there is one.
    example: Option<String>,
}

fn conflict<'a>(
    subject: &Subject<'_>,
    earlier: &'a Policy,
    later: &Policy,
    shared: &'a [Selector],
) -> Option<Conflict<'a>> {
    let mut example = None;
    let mut titles = Vec::new();
    // Who names a package's title decides before who means it among all packages.
    let outranked = |selector: &&Selector| match selector {
        Selector::Title(title) => earlier.rank(title) != later.rank(title),
        _ => false,
    };
    for selector in shared.iter().filter(|selector| !outranked(selector)) {
        let conditions = [earlier.condition.as_deref(), later.condition.as_deref(), subject.implied_by(selector)];
        match subject.all_hold(conditions) {
            Satisfiability::No => {}
            Satisfiability::Yes { example: device, .. } => {
                // What only says that it could have such packages is no part of the example.
                let plain = subject.all_hold([earlier.condition.as_deref(), later.condition.as_deref()]);
                let device = match plain {
                    Satisfiability::Yes { example, .. } if subject.implied_by(selector).is_none() => example,
                    _ => device,
                };
                example.get_or_insert_with(|| example_device(&device));
                titles.push(selector);
            }
            Satisfiability::Unknown => titles.push(selector),
        }
    }
    (!titles.is_empty()).then_some(Conflict { with: earlier, shared: titles, example })
}

fn report(subject: &Subject<'_>, policy: &Policy, conflicts: &[&Conflict<'_>]) -> Option<Diagnostic> {
    let (first, others) = conflicts.split_first()?;
    let titles = enumeration(&first.shared);
    let mut diagnostic = Diagnostic::error("policy/conflict", "policies that contradict each other")
        .at(subject.policy_place(policy)?)
        .label(format!("this and `{}` both decide about {titles}, at priority {}", first.with.name, policy.priority))
        .with_note(format!("`{}` is in {}", first.with.name, written_at(&first.with.origin)));
    for difference in differences(policy, first.with, subject.repository).iter().take(DIFFERENCES_SHOWN) {
        let (term, one, other) = (difference.term, &difference.one, &difference.other);
        diagnostic = diagnostic.with_note(format!("{term}: {one} here, {other} there"));
    }
    if let Some(device) = &first.example {
        diagnostic = diagnostic.with_note(format!("both concern {device}"));
    }
    if !others.is_empty() {
        let names = enumeration(others.iter().map(|other| quoted(&other.with.name)));
        diagnostic = diagnostic.with_note(format!("it contradicts {names} too"));
    }
    Some(diagnostic.with_help(format!(
        "say which one decides, such as `priority: {}` in `{}`, or narrow the `where` of one of them",
        policy.priority.saturating_add(10),
        policy.name
    )))
}

/// Terms that are shown; the rest follows from looking at the two policies.
const DIFFERENCES_SHOWN: usize = 3;

fn perhaps(subject: &Subject<'_>, policy: &Policy, conflict: &Conflict<'_>) -> Option<Diagnostic> {
    Some(
        Diagnostic::warning("policy/perhaps-conflict", "policies that may contradict each other")
            .at(subject.policy_place(policy)?)
            .label(format!(
                "this and `{}` both name {}; whether one device can meet both conditions can't be told",
                conflict.with.name,
                enumeration(&conflict.shared)
            ))
            .with_note(format!("`{}` is in {}", conflict.with.name, written_at(&conflict.with.origin)))
            .with_help(
                "give one of them a higher `priority`, or tell them apart by a field that both compare with a text",
            ),
    )
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/conflict", "policy/perhaps-conflict", "policy/too-many-overlaps"];

    #[test]
    fn two_policies_for_one_title_and_device_are_an_error_with_an_example() {
        assert_snapshot!(found(CODES, r#"
policy: browsers
where: device.platform in ["macos", "windows"]
software: [google-chrome, firefox]
deadline: [{ within: 14d }]
---
policy: it browsers
where: person.department == "IT"
software: [firefox, google-chrome]
min_age: 1d
deadline: [{ if: exposure.kev, within: 2d, at_due: proceed }, { within: 7d }]
"#), @r#"
error[policy/conflict]: policies that contradict each other
  policy.yaml:7:9
    policy: it browsers
            ^^^^^^^^^^^ this and `browsers` both decide about firefox and google-chrome, at priority 0
  note: `browsers` is in policy.yaml:2
  note: min_age: 1d here, 0h there
  note: deadline: 2d if exposure.kev, at_due proceed; 7d here, 14d there
  note: both concern a device with device.platform = "macos", person.department = "IT"
  help: say which one decides, such as `priority: 10` in `it browsers`, or narrow the `where` of one of them
"#);
    }

    #[test]
    fn priority_or_a_narrower_where_settles_it() {
        for way in ["priority: 10", r#"where: device.platform == "linux""#] {
            let text = format!(
                r#"
policy: browsers
where: device.platform in ["macos", "windows"]
software: [firefox]
deadline: [{{ within: 14d }}]
---
policy: other browsers
{way}
software: [firefox]
deadline: [{{ within: 7d }}]
"#
            );
            assert_eq!(found(CODES, &text), "", "{way}");
        }
    }

    #[test]
    fn policies_with_the_same_terms_do_not_contradict_each_other() {
        assert_eq!(
            found(
                CODES,
                r#"
policy: one
software: [firefox]
deadline: [{ within: 24h }, { if: exposure.kev, within: 1h }]
---
policy: two
software: [firefox]
deadline: [{ if: exposure.kev, within: 1h }, { within: 1d }]
"#
            ),
            ""
        );
    }

    #[test]
    fn the_same_terms_still_differ_where_shares_are_cut_by_the_name_of_the_policy() {
        assert_snapshot!(found(CODES, r#"
organization: acme
rollouts: { standard: { rings: [{ name: early, share: 10% }, { name: rest }] } }
---
policy: one
software: [firefox]
rollout: standard
---
policy: two
software: [firefox]
rollout: standard
"#), @r#"
error[policy/conflict]: policies that contradict each other
  policy.yaml:9:9
    policy: two
            ^^^ this and `one` both decide about firefox, at priority 0
  note: `one` is in policy.yaml:5
  note: shares of the rings: cut by the name `two` here, cut by the name `one` there
  note: both concern every device
  help: say which one decides, such as `priority: 10` in `two`, or narrow the `where` of one of them
"#);
    }

    #[test]
    fn packages_meet_with_wildcards_and_with_the_security_archive() {
        assert_snapshot!(found(CODES, r#"
policy: security updates
where: device.os in ["debian", "rhel"]
software: ["os/security"]
deadline: [{ within: 7d }]
---
policy: web servers
software: [deb/nginx, rpm/nginx]
deadline: [{ within: 14d }]
---
policy: kernels
where: device.os == "ubuntu"
software: ["deb/linux-image-*"]
deadline: [{ within: 30d }]
"#), @r#"
error[policy/conflict]: policies that contradict each other
  policy.yaml:7:9
    policy: web servers
            ^^^^^^^^^^^ this and `security updates` both decide about deb/nginx and rpm/nginx, at priority 0
  note: `security updates` is in policy.yaml:2
  note: deadline: 14d here, 7d there
  note: both concern a device with device.os = "debian", device.platform = "linux"
  help: say which one decides, such as `priority: 10` in `web servers`, or narrow the `where` of one of them
"#);
    }

    #[test]
    fn a_distribution_that_has_no_such_packages_is_no_example() {
        assert_eq!(
            found(
                CODES,
                r#"
policy: red hats
where: device.os == "rhel"
software: ["os/*"]
deadline: [{ within: 7d }]
---
policy: web servers
software: [deb/nginx]
deadline: [{ within: 14d }]
"#
            ),
            ""
        );
    }

    #[test]
    fn what_can_not_be_told_is_said_to_be_so() {
        assert_snapshot!(found(CODES, r#"
policy: odd
where: device.hostname.matches("^([a-f]{3}[0-9]{2}){7}$")
software: [zoom]
mode: enforce
---
policy: all
software: [zoom]
mode: notify
"#), @r#"
warning[policy/perhaps-conflict]: policies that may contradict each other
  policy.yaml:7:9
    policy: all
            ^^^ this and `odd` both name zoom; whether one device can meet both conditions can't be told
  note: `odd` is in policy.yaml:2
  help: give one of them a higher `priority`, or tell them apart by a field that both compare with a text
"#);
    }

    #[test]
    fn one_policy_against_many_gives_one_message() {
        let mut text = String::new();
        for (index, within) in (1..=6).enumerate() {
            text += &format!("policy: p{index}\nsoftware: [zoom]\ndeadline: [{{ within: {within}d }}]\n---\n");
        }
        let shown = found(CODES, text.trim_end_matches("---\n"));
        assert_eq!(shown.matches("error[").count(), 5);
        assert!(shown.contains("it contradicts `p1`, `p2`, `p3` and `p4` too"), "{shown}");
    }
}
