//! Conditions that can never hold.

use super::subject::Subject;
use crate::{
    policy::{
        diagnostic::{Diagnostic, Place},
        expr::{Compiler, Expr, Satisfiability},
        load::Written,
    },
    steps,
};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let repository = subject.repository;
    for policy in &repository.policies {
        let own = policy.condition.as_deref();
        if never(subject, own, None) {
            let place = subject.term_place(policy, steps!["where"]);
            found.extend(report(own, place, "the policy concerns no device", None));
            continue;
        }
        let entries = subject.document(policy).map_or(0, |written| written.document.deadline.iter().flatten().count());
        for (index, entry) in policy.deadline.iter().enumerate() {
            let place = match entries == policy.deadline.len() || !subject.says_itself(policy, "deadline") {
                true => subject.term_place(policy, steps!["deadline", index, "if"]),
                false => subject.term_place(policy, steps!["deadline"]),
            };
            let condition = entry.condition.as_deref();
            if never(subject, condition, None) {
                found.extend(report(condition, place, "the entry never counts", None));
            } else if never(subject, condition, own) {
                found.extend(report(condition, place, "the entry never counts", own));
            }
        }
    }
    rollouts(subject, found);
    others(subject, found);
    documents(subject, found);
}

fn rollouts(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(organization) = subject.organization else { return };
    for (name, rollout) in &organization.document.rollouts {
        let Some(resolved) = subject.repository.rollouts.get(name.as_str()) else { continue };
        for (index, ring) in rollout.rings.iter().enumerate() {
            let resolved = resolved.rings.iter().find(|known| known.name == ring.name);
            let condition = resolved.and_then(|ring| ring.condition.as_deref());
            if never(subject, condition, None) {
                let place = organization.place(steps!["rollouts", name, "rings", index, "where"]);
                found.extend(report(
                    condition,
                    Some(place),
                    "the ring is always empty, and its gate never passes",
                    None,
                ));
            }
        }
    }
}

fn others(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let repository = subject.repository;
    for freeze in &repository.freezes {
        let Some(organization) = subject.organization else { continue };
        let Some(index) = organization.document.freezes.iter().position(|known| known.name == freeze.name.as_str())
        else {
            continue;
        };
        let own = freeze.condition.as_deref();
        if never(subject, own, None) {
            let place = organization.place(steps!["freezes", index, "where"]);
            found.extend(report(own, Some(place), "the freeze concerns no device", None));
        } else if never(subject, freeze.unless.as_deref(), own) {
            let place = organization.place(steps!["freezes", index, "unless"]);
            let alone = never(subject, freeze.unless.as_deref(), None);
            found.extend(report(
                freeze.unless.as_deref(),
                Some(place),
                "the freeze never yields",
                own.filter(|_| !alone),
            ));
        }
    }
    for block in &repository.blocks {
        let own = block.condition.as_deref();
        if never(subject, own, None) {
            let place = subject.block(&block.name).map(|written| written.place(steps!["where"]));
            found.extend(report(own, place, "the block concerns no device", None));
        }
    }
    for exception in &repository.exceptions {
        let own = exception.condition.as_deref();
        let written = subject.exception(&exception.name);
        if never(subject, own, None) {
            let place = written.map(|written| written.place(steps!["where"]));
            found.extend(report(own, place, "the exception concerns no device", None));
        } else if !is_off(&exception.unless) && never(subject, Some(&exception.unless), own) {
            let place = written.map(|written| written.place(steps!["unless"]));
            let alone = never(subject, Some(&exception.unless), None);
            let reason = "no obligation keeps its terms; if that is meant, write `unless: \"false\"`";
            found.extend(report(Some(&exception.unless), place, reason, own.filter(|_| !alone)));
        }
    }
}

/// Conditions of documents that other parts of Refit give their meaning: they are compiled here once more.
fn documents(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut compiler = Compiler::new(&subject.repository.fields);
    for target in &subject.documents.targets {
        let condition = target.document.condition.as_ref().and_then(|text| compiler.device(&text.0).ok());
        device_condition(subject, condition.as_deref(), target, "the target is written for no device", found);
    }
    for goal in &subject.documents.goals {
        let condition = goal.document.condition.as_ref().and_then(|text| compiler.device(&text.0).ok());
        device_condition(subject, condition.as_deref(), goal, "the goal concerns no device", found);
    }
    for guarantee in &subject.documents.guarantees {
        let document = &guarantee.document;
        let condition = document.condition.as_ref().and_then(|text| compiler.device(&text.0).ok());
        let exposure = document.exposure.as_ref().and_then(|text| compiler.exposure(&text.0).ok());
        device_condition(subject, condition.as_deref(), guarantee, "the guarantee concerns no device", found);
        if never(subject, exposure.as_deref(), None) {
            let place = guarantee.place(steps!["if"]);
            found.extend(report(exposure.as_deref(), Some(place), "the guarantee concerns no exposure", None));
        }
    }
}

fn device_condition<T>(
    subject: &Subject<'_>,
    condition: Option<&Expr>,
    written: &Written<T>,
    consequence: &str,
    found: &mut Vec<Diagnostic>,
) {
    if never(subject, condition, None) {
        found.extend(report(condition, Some(written.place(steps!["where"])), consequence, None));
    }
}

/// Whether a condition can't hold, or not together with another.
fn never(subject: &Subject<'_>, condition: Option<&Expr>, with: Option<&Expr>) -> bool {
    condition.is_some() && subject.all_hold([condition, with]) == Satisfiability::No
}

/// `false` is how people switch something off on purpose.
fn is_off(condition: &Expr) -> bool {
    condition.constant() == Some(false)
}

fn report(
    condition: Option<&Expr>,
    place: Option<Place>,
    consequence: &str,
    with: Option<&Expr>,
) -> Option<Diagnostic> {
    let (condition, place) = (condition?, place?);
    if is_off(condition) {
        return Some(
            Diagnostic::warning("policy/switched-off", "condition that is switched off").at(place).label(consequence),
        );
    }
    let diagnostic = Diagnostic::error("policy/never-holds", "condition that can never hold").at(place);
    Some(match with {
        Some(with) => diagnostic
            .label(format!("{consequence}: no device can meet it together with the `where`"))
            .with_note(format!("where: {}", with.text())),
        None => {
            let diagnostic = diagnostic.label(format!("{consequence}: no values of its fields make it true"));
            match condition.text().contains("&&") {
                true => diagnostic.with_help("`&&` needs both sides at once; alternatives are joined with `||`"),
                false => diagnostic,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/never-holds", "policy/switched-off"];

    #[test]
    fn conditions_that_contradict_themselves_are_found_wherever_they_stand() {
        assert_snapshot!(found(CODES, r#"
organization: acme
rollouts:
  standard:
    rings:
      - { name: canary, where: 'person.department == "IT" && person.department == "HR"' }
      - { name: rest }
freezes:
  - { name: year end, from: 2026-12-20, to: 2027-01-05, where: person.vip && !person.vip }
  - { name: audit, from: 2026-12-20, to: 2027-01-05, unless: exposure.cvss > 10.0 }
---
policy: browsers
where: device.platform == "macos" && device.os == "debian" && device.os == "ubuntu"
software: [firefox]
rollout: standard
---
policy: meetings
where: device.platform == "macos"
software: [zoom]
deadline:
  - { if: 'exposure.kev && device.platform == "linux"', within: 2d }
  - { within: 14d }
---
block: bad zoom
title: zoom
releases: "=6.1"
where: device.platform == "ios" && device.platform == "android"
---
exception: slow people
software: [zoom]
where: device.cluster == "a" && device.cluster == "b"
due: 2027-01-10T00:00:00Z
until: 2027-01-10
---
goal: all well
where: person.on_leave && !person.on_leave
---
guarantee: fast
if: exposure.epss > 0.5 && exposure.epss < 0.1
within: 7d
"#), @r#"
error[policy/never-holds]: condition that can never hold
  policy.yaml:6:32
          - { name: canary, where: 'person.department == "IT" && person.department == "HR"' }
                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the ring is always empty, and its gate never passes: no values of its fields make it true
  help: `&&` needs both sides at once; alternatives are joined with `||`

error[policy/never-holds]: condition that can never hold
  policy.yaml:9:64
      - { name: year end, from: 2026-12-20, to: 2027-01-05, where: person.vip && !person.vip }
                                                                   ^^^^^^^^^^^^^^^^^^^^^^^^^ the freeze concerns no device: no values of its fields make it true
  help: `&&` needs both sides at once; alternatives are joined with `||`

error[policy/never-holds]: condition that can never hold
  policy.yaml:10:62
      - { name: audit, from: 2026-12-20, to: 2027-01-05, unless: exposure.cvss > 10.0 }
                                                                 ^^^^^^^^^^^^^^^^^^^^ the freeze never yields: no values of its fields make it true

error[policy/never-holds]: condition that can never hold
  policy.yaml:13:8
    where: device.platform == "macos" && device.os == "debian" && device.os == "ubuntu"
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the policy concerns no device: no values of its fields make it true
  help: `&&` needs both sides at once; alternatives are joined with `||`

error[policy/never-holds]: condition that can never hold
  policy.yaml:21:11
      - { if: 'exposure.kev && device.platform == "linux"', within: 2d }
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the entry never counts: no device can meet it together with the `where`
  note: where: device.platform == "macos"

error[policy/never-holds]: condition that can never hold
  policy.yaml:27:8
    where: device.platform == "ios" && device.platform == "android"
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the block concerns no device: no values of its fields make it true
  help: `&&` needs both sides at once; alternatives are joined with `||`

error[policy/never-holds]: condition that can never hold
  policy.yaml:31:8
    where: device.cluster == "a" && device.cluster == "b"
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the exception concerns no device: no values of its fields make it true
  help: `&&` needs both sides at once; alternatives are joined with `||`

error[policy/never-holds]: condition that can never hold
  policy.yaml:36:8
    where: person.on_leave && !person.on_leave
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the goal concerns no device: no values of its fields make it true
  help: `&&` needs both sides at once; alternatives are joined with `||`

error[policy/never-holds]: condition that can never hold
  policy.yaml:39:5
    if: exposure.epss > 0.5 && exposure.epss < 0.1
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the guarantee concerns no exposure: no values of its fields make it true
  help: `&&` needs both sides at once; alternatives are joined with `||`
"#);
    }

    #[test]
    fn what_is_switched_off_on_purpose_is_a_warning() {
        assert_snapshot!(found(CODES, r#"
policy: browsers
where: "false"
software: [firefox]
"#), @r#"
warning[policy/switched-off]: condition that is switched off
  policy.yaml:3:8
    where: "false"
           ^^^^^^^ the policy concerns no device
"#);
    }

    #[test]
    fn conditions_that_hold_for_somebody_are_silent() {
        assert_eq!(
            found(
                CODES,
                r#"
organization: acme
rollouts: { standard: { rings: [{ name: canary, where: person.department == "IT" }, { name: rest }] } }
freezes: [{ name: year end, from: 2026-12-20, to: 2027-01-05, where: person.vip, unless: exposure.kev }]
---
policy: browsers
where: device.platform == "macos" || device.platform == "linux"
software: [firefox]
rollout: standard
deadline: [{ if: exposure.kev && person.vip, within: 2d }, { within: 14d }]
---
exception: for good reasons
software: [firefox]
restart: never
until: 2026-12-10
unless: "false"
"#
            ),
            ""
        );
    }
}
