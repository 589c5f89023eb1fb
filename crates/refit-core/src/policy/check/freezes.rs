//! Freezes that are over.

use super::subject::Subject;
use crate::{policy::diagnostic::Diagnostic, policy::document::scalars::Day, steps};
use jiff::{
    Timestamp,
    tz::{TimeZone, offset},
};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(organization) = subject.organization else { return };
    for (index, freeze) in organization.document.freezes.iter().enumerate() {
        if is_over(freeze.to, subject.now) {
            found.push(
                Diagnostic::note("policy/freeze-over", "freeze that is over")
                    .at(organization.place(steps!["freezes", index, "to"]))
                    .label("it holds nothing any more")
                    .with_help("remove it, or write the next one"),
            );
        }
    }
}

/// Whether a day has ended everywhere: west of the date line it does so last, twelve hours after UTC.
pub(super) fn is_over(day: Day, now: Timestamp) -> bool {
    day.end_in(&TimeZone::fixed(offset(-12))) <= now
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/freeze-over"];

    #[test]
    fn a_freeze_that_is_over_everywhere_is_worth_a_note() {
        assert_snapshot!(found(CODES, r#"
organization: acme
freezes:
  - { name: last quarter, from: 2026-09-28, to: 2026-10-05 }
  - { name: yesterday, from: 2026-11-20, to: 2026-11-22 }
  - { name: year end, from: 2026-12-20, to: 2027-01-05 }
"#), @r#"
note[policy/freeze-over]: freeze that is over
  policy.yaml:4:49
      - { name: last quarter, from: 2026-09-28, to: 2026-10-05 }
                                                    ^^^^^^^^^^ it holds nothing any more
  help: remove it, or write the next one

note[policy/freeze-over]: freeze that is over
  policy.yaml:5:46
      - { name: yesterday, from: 2026-11-20, to: 2026-11-22 }
                                                 ^^^^^^^^^^ it holds nothing any more
  help: remove it, or write the next one
"#);
    }
}
