//! Rings that nobody can be in, because the rings before take everybody (docs/reference/rules.md, rule 8). An empty ring never passes.

use super::subject::Subject;
use crate::{
    policy::{
        diagnostic::{Diagnostic, Place},
        document::scalars::Share,
        expr::{Expr, Satisfiability},
        repository::{Ring, Rollout},
    },
    steps,
};
use std::ops::ControlFlow;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, rollout) in &subject.repository.rollouts {
        for index in 0..rollout.rings.len() {
            if let ControlFlow::Break(diagnostic) = ring(subject, name, rollout, index) {
                found.push(diagnostic);
            }
        }
    }
}

/// The first thing that is wrong with one ring.
fn ring(subject: &Subject<'_>, name: &str, rollout: &Rollout, index: usize) -> ControlFlow<Diagnostic> {
    let (Some(ring), Some(before)) = (rollout.rings.get(index), rollout.rings.get(..index)) else {
        return ControlFlow::Continue(());
    };
    let last = index + 1 == rollout.rings.len();
    let place = |key: Option<&str>| place(subject, name, ring, key);
    let (Some(at_name), at_where, at_share) = (place(None), place(Some("where")), place(Some("share"))) else {
        return ControlFlow::Continue(());
    };
    let own = ring.condition.as_deref();
    if own.is_some_and(|own| subject.together(&[(own, true)]) == Satisfiability::No) {
        // Said already, by the check of conditions.
        return ControlFlow::Continue(());
    }
    let empty = |reason: String| {
        if last {
            Diagnostic::warning("policy/hidden-ring", "ring that only doubtful devices reach")
                .at(at_name.clone())
                .label(reason)
                .with_note("what remains is devices of which it is not known whether they belong to an earlier ring")
        } else {
            Diagnostic::error("policy/hidden-ring", "ring that is always empty")
                .at(at_name.clone())
                .label(reason)
                .with_note("an empty ring gives no results: the rings after it never open")
                .with_help("put it before the ring that takes its devices, or remove it")
        }
    };
    if let Some(taker) = taker(subject, own, before) {
        return ControlFlow::Break(empty(format!("every device that could be in it is in `{}` before", taker.name)));
    }
    let cut: f64 = before.iter().filter_map(|ring| ring.share).map(|share| share.0).sum();
    let unconditional = before.iter().all(|ring| ring.share.is_none() || ring.condition.is_none());
    if cut >= 1.0 - TINY && (ring.share.is_some() || unconditional) {
        return ControlFlow::Break(empty("the shares before it are 100% already".to_owned()));
    }
    if ring.share.is_some_and(|share| share.0 <= 0.0) && !last {
        return ControlFlow::Break(empty("0% of the devices is nobody".to_owned()));
    }
    if let Some(share) = ring.share.filter(|share| cut + share.0 > 1.0 + TINY) {
        return ControlFlow::Break(
            Diagnostic::warning("policy/shares-over-100", "shares above 100%")
                .at(at_share.unwrap_or(at_name))
                .label(format!("{share} after {}: only {} are left", Share(cut), Share(1.0 - cut))),
        );
    }
    if last && rollout.rings.len() > 1 && (ring.condition.is_some() || ring.share.is_some()) {
        return ControlFlow::Break(
            Diagnostic::warning("policy/last-ring", "last ring that does not say what it does")
                .at(at_where.or(at_share).unwrap_or(at_name))
                .label(format!("`{}` takes every device that no ring before it takes, whatever stands here", ring.name))
                .with_help("leave this out; devices that should get nothing belong into the `where` of the policy"),
        );
    }
    ControlFlow::Continue(())
}

/// Sums of shares such as 10% and 90% are not exact in binary.
const TINY: f64 = 1e-9;

/// The ring after which nobody is left for one with this condition.
fn taker<'r>(subject: &Subject<'_>, own: Option<&Expr>, before: &'r [Ring]) -> Option<&'r Ring> {
    let mut conditions: Vec<(&Expr, bool)> = own.into_iter().map(|own| (own, true)).collect();
    for ring in before.iter().filter(|ring| ring.share.is_none()) {
        let Some(condition) = ring.condition.as_deref() else { return Some(ring) };
        conditions.push((condition, false));
        if subject.together(&conditions) == Satisfiability::No {
            return Some(ring);
        }
    }
    None
}

/// The place of a ring of a rollout, or of one of its keys; `None` where it has none of that name.
pub(super) fn place(subject: &Subject<'_>, rollout: &str, ring: &Ring, key: Option<&str>) -> Option<Place> {
    let organization = subject.organization?;
    let rings = &organization.document.rollouts.get(rollout)?.rings;
    let index = rings.iter().position(|known| known.name == ring.name.as_str())?;
    let path = steps!["rollouts", rollout, "rings", index, key.unwrap_or("name")];
    organization.node.at(path).map(|node| node.place(organization.file))
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/hidden-ring", "policy/shares-over-100", "policy/last-ring"];

    fn rings(rings: &str) -> String {
        found(CODES, &format!("organization: acme\nrollouts:\n  standard:\n    rings:\n{rings}"))
    }

    #[test]
    fn a_ring_after_one_that_takes_everybody_is_empty() {
        assert_snapshot!(rings(r#"
      - { name: canary, where: person.department == "IT" }
      - { name: all }
      - { name: early, share: 10% }
      - { name: rest }
"#), @r#"
error[policy/hidden-ring]: ring that is always empty
  policy.yaml:8:17
          - { name: early, share: 10% }
                    ^^^^^ every device that could be in it is in `all` before
  note: an empty ring gives no results: the rings after it never open
  help: put it before the ring that takes its devices, or remove it

warning[policy/hidden-ring]: ring that only doubtful devices reach
  policy.yaml:9:17
          - { name: rest }
                    ^^^^ every device that could be in it is in `all` before
  note: what remains is devices of which it is not known whether they belong to an earlier ring
"#);
    }

    #[test]
    fn a_ring_whose_devices_are_all_taken_before_is_empty() {
        assert_snapshot!(rings(r#"
      - { name: canary, where: 'person.department in ["IT", "Security"]' }
      - { name: security, where: person.department == "Security" && person.vip }
      - { name: rest }
"#), @r#"
error[policy/hidden-ring]: ring that is always empty
  policy.yaml:7:17
          - { name: security, where: person.department == "Security" && person.vip }
                    ^^^^^^^^ every device that could be in it is in `canary` before
  note: an empty ring gives no results: the rings after it never open
  help: put it before the ring that takes its devices, or remove it
"#);
    }

    #[test]
    fn shares_add_up_to_the_whole_at_most() {
        assert_snapshot!(rings(r#"
      - { name: early, share: 60% }
      - { name: broad, share: 50% }
      - { name: late, share: 10% }
      - { name: rest }
"#), @r#"
warning[policy/shares-over-100]: shares above 100%
  policy.yaml:7:31
          - { name: broad, share: 50% }
                                  ^^^ 50% after 60%: only 40% are left

error[policy/hidden-ring]: ring that is always empty
  policy.yaml:8:17
          - { name: late, share: 10% }
                    ^^^^ the shares before it are 100% already
  note: an empty ring gives no results: the rings after it never open
  help: put it before the ring that takes its devices, or remove it

warning[policy/hidden-ring]: ring that only doubtful devices reach
  policy.yaml:9:17
          - { name: rest }
                    ^^^^ the shares before it are 100% already
  note: what remains is devices of which it is not known whether they belong to an earlier ring
"#);
    }

    #[test]
    fn the_last_ring_takes_whoever_is_left() {
        assert_snapshot!(rings(r#"
      - { name: canary, where: person.department == "IT" }
      - { name: finance, where: person.department == "Finance" }
"#), @r#"
warning[policy/last-ring]: last ring that does not say what it does
  policy.yaml:7:33
          - { name: finance, where: person.department == "Finance" }
                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `finance` takes every device that no ring before it takes, whatever stands here
  help: leave this out; devices that should get nothing belong into the `where` of the policy
"#);
    }

    #[test]
    fn usual_rings_are_silent() {
        assert_eq!(
            rings(
                r#"
      - { name: canary, where: person.department == "IT" || "canary" in device.tags, soak: 1d }
      - { name: early, share: 10%, soak: 2d }
      - { name: broad, share: 90%, soak: 2d, where: '!person.vip' }
      - { name: rest }
"#
            ),
            ""
        );
    }
}
