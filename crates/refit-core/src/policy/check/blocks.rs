//! Blocks that have run out, or that block nothing.

use super::{freezes::is_over, meetings::Item, subject::Subject};
use crate::{
    policy::{
        diagnostic::{Diagnostic, Place},
        expr::{Expr, Satisfiability},
        repository::Selector,
    },
    steps,
};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (index, block) in subject.repository.blocks.iter().enumerate() {
        let Some(written) = subject.block(&block.name) else { continue };
        // The same document once more, for a package that the title means too.
        if index.checked_sub(1).is_some_and(|before| subject.repository.blocks[before].name == block.name) {
            continue;
        }
        if block.until.is_some_and(|until| is_over(until, subject.now)) {
            found.push(
                Diagnostic::warning("policy/block-over", "block that has run out")
                    .at(written.place(steps!["until"]))
                    .label("the releases are no longer blocked")
                    .with_help("remove it, or name a later day"),
            );
            continue;
        }
        let software = [Selector::Title(block.title.clone())];
        let place = written.place(steps!["title"]);
        found.extend(concerns_nothing(
            subject,
            "block",
            Item::Block(index),
            &software,
            block.condition.as_deref(),
            place,
        ));
    }
}

/// What to say of a document that changes nothing: no policy names its titles, or none for its devices.
pub(super) fn concerns_nothing(
    subject: &Subject<'_>,
    kind: &str,
    item: Item,
    software: &[Selector],
    condition: Option<&Expr>,
    place: Place,
) -> Option<Diagnostic> {
    if condition.is_some() && subject.all_hold([condition]) == Satisfiability::No {
        // Said already, by the check of conditions.
        return None;
    }
    let meetings = subject.meetings();
    if software.is_empty() || meetings.cut {
        return None;
    }
    for other in meetings.with(item) {
        let Item::Policy(index) = other else { continue };
        let Some(policy) = subject.repository.policies.get(*index) else { continue };
        if subject.all_hold([policy.condition.as_deref(), condition]) != Satisfiability::No {
            return None;
        }
    }
    let named = software.iter().any(|selector| meetings.named_by_a_policy(selector));
    let label = if named {
        "no policy that names this concerns a device that meets the `where`"
    } else {
        "no policy names this, so nothing moves it anyway"
    };
    Some(Diagnostic::warning("policy/changes-nothing", format!("{kind} that changes nothing")).at(place).label(label))
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/block-over", "policy/changes-nothing"];

    #[test]
    fn a_block_that_blocks_nothing_is_found() {
        assert_snapshot!(found(CODES, r#"
policy: browsers
where: device.platform == "macos"
software: [firefox]
---
block: past
title: firefox
releases: "=131.0"
until: 2026-11-01
---
block: elsewhere
title: firefox
releases: "=131.0"
where: device.platform == "windows"
---
block: nobody has it
title: zoom
releases: "=6.1"
"#), @r#"
warning[policy/block-over]: block that has run out
  policy.yaml:9:8
    until: 2026-11-01
           ^^^^^^^^^^ the releases are no longer blocked
  help: remove it, or name a later day

warning[policy/changes-nothing]: block that changes nothing
  policy.yaml:12:8
    title: firefox
           ^^^^^^^ no policy that names this concerns a device that meets the `where`

warning[policy/changes-nothing]: block that changes nothing
  policy.yaml:17:8
    title: zoom
           ^^^^ no policy names this, so nothing moves it anyway
"#);
    }

    #[test]
    fn a_block_that_may_meet_a_device_is_silent() {
        assert_eq!(
            found(
                CODES,
                r#"
policy: browsers
where: device.platform == "macos"
software: [firefox]
---
policy: packages
software: ["deb/*"]
---
block: bad firefox
title: firefox
releases: "=131.0"
where: device.os_version < "15"
until: 2026-12-31
---
block: bad nginx
title: deb/nginx
releases: "=1.22.1-9"
"#
            ),
            ""
        );
    }
}
