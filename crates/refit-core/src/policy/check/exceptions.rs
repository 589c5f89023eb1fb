//! Exceptions that have run out, reach too far, change nothing, or contradict each other.

use super::{
    blocks::concerns_nothing,
    freezes::is_over,
    meetings::Item,
    ranges,
    subject::{Subject, enumeration, example_device, length, written_at},
};
use crate::{
    policy::{
        diagnostic::Diagnostic,
        document::policy::ExceptionDocument,
        expr::Satisfiability,
        load::Written,
        repository::{Exception, Selector},
    },
    steps,
};
use jiff::{
    SignedDuration,
    tz::{TimeZone, offset},
};
use refit_model::Scheme;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let limits = subject.organization.and_then(|organization| organization.document.exceptions.as_ref());
    let longest = limits.map(|limits| limits.longest.0);
    for (index, exception) in subject.repository.exceptions.iter().enumerate() {
        let Some(written) = subject.exception(&exception.name) else { continue };
        if is_over(exception.until, subject.now) {
            found.push(
                Diagnostic::warning("policy/exception-over", "exception that has run out")
                    .at(written.place(steps!["until"]))
                    .label("its devices have the terms of their policies again")
                    .with_help("remove it, or agree on a later day"),
            );
            continue;
        }
        found.extend(longest.and_then(|longest| too_long(subject, exception, written, longest)));
        found.extend(due(subject, exception, written));
        let place = written.place(steps!["software"]);
        found.extend(concerns_nothing(
            subject,
            "exception",
            Item::Exception(index),
            &exception.software,
            exception.condition.as_deref(),
            place,
        ));
    }
    contradictions(subject, found);
}

fn too_long(
    subject: &Subject<'_>,
    exception: &Exception,
    written: &Written<ExceptionDocument>,
    longest: SignedDuration,
) -> Option<Diagnostic> {
    let limit = subject.now.checked_add(longest).ok()?;
    let last = TimeZone::UTC.to_datetime(limit).date();
    if exception.until.0 <= last {
        return None;
    }
    let ahead = exception.until.end_in(&TimeZone::UTC).duration_since(subject.now);
    let days = ahead.as_hours().div_euclid(24);
    Some(
        Diagnostic::error("policy/exception-too-long", "exception beyond the limit")
            .at(written.place(steps!["until"]))
            .label(format!("{days} days ahead; the organization allows {}", length(longest)))
            .with_note("`exceptions: { longest: … }` is the limit, counted from today")
            .with_help(format!("the latest day is {last}; when that comes, somebody looks again")),
    )
}

fn due(subject: &Subject<'_>, exception: &Exception, written: &Written<ExceptionDocument>) -> Option<Diagnostic> {
    let due = exception.due?;
    let place = written.place(steps!["due"]);
    if due.in_zone(&TimeZone::fixed(offset(-12))) <= subject.now {
        return Some(
            Diagnostic::warning("policy/exception-due-passed", "due time that has passed")
                .at(place)
                .label("everything under this exception is overdue")
                .with_help("remove the exception, or agree on a later time"),
        );
    }
    (due.in_zone(&TimeZone::UTC) > exception.until.end_in(&TimeZone::UTC)).then(|| {
        Diagnostic::note("policy/exception-due-later", "due time after the end of the exception").at(place).label(
            format!(
                "it stands until {}; from the next day on the policies' own due times count again",
                exception.until
            ),
        )
    })
}

/// Exceptions that change the same term of the same obligation to something else.
fn contradictions(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let exceptions = &subject.repository.exceptions;
    for (pair, shared) in &subject.meetings().pairs {
        let (Item::Exception(one), Item::Exception(other)) = pair else { continue };
        let (Some(a), Some(b)) = (exceptions.get(*one), exceptions.get(*other)) else { continue };
        let terms = common_terms(subject, a, b, shared);
        if terms.is_empty() {
            continue;
        }
        let (first, second) = if a.origin <= b.origin { (a, b) } else { (b, a) };
        let Satisfiability::Yes { example, .. } =
            subject.all_hold([first.condition.as_deref(), second.condition.as_deref()])
        else {
            continue;
        };
        let Some(written) = subject.exception(&second.name) else { continue };
        found.push(
            Diagnostic::error("policy/exceptions-conflict", "exceptions that contradict each other")
                .at(written.place(steps!["exception"]))
                .label(format!(
                    "this and `{}` both change {} of {}",
                    first.name,
                    enumeration(&terms),
                    enumeration(shared)
                ))
                .with_note(format!("`{}` is in {}", first.name, written_at(&first.origin)))
                .with_note(format!("both concern {}", example_device(&example)))
                .with_help("make them one, or narrow the `where` of one of them"),
        );
    }
}

fn common_terms(subject: &Subject<'_>, one: &Exception, other: &Exception, shared: &[Selector]) -> Vec<&'static str> {
    let mut terms = Vec::new();
    if let (Some(a), Some(b)) = (one.due, other.due)
        && a != b
    {
        terms.push("`due`");
    }
    if let (Some(a), Some(b)) = (&one.hold_at, &other.hold_at) {
        // Both ranges hold together, which is fine where something is in both.
        let both = format!("{}, {}", a.text, b.text);
        let schemes = shared.iter().map(|selector| match selector {
            Selector::Title(title) => subject.repository.scheme(title),
            Selector::Packages { namespace, .. } if namespace == "rpm" => Scheme::Rpm,
            _ => Scheme::Dpkg,
        });
        if schemes.into_iter().any(|scheme| ranges::contradiction(scheme, &both).is_some()) {
            terms.push("`hold_at`");
        }
    }
    if let (Some(a), Some(b)) = (&one.window, &other.window)
        && (&a.name, a.after_due) != (&b.name, b.after_due)
    {
        terms.push("`window`");
    }
    if let (Some(a), Some(b)) = (one.restart, other.restart)
        && a != b
    {
        terms.push("`restart`");
    }
    terms
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &[
        "policy/exception-over",
        "policy/exception-too-long",
        "policy/exception-due-passed",
        "policy/exception-due-later",
        "policy/exceptions-conflict",
        "policy/changes-nothing",
    ];

    #[test]
    fn exceptions_end() {
        assert_snapshot!(found(CODES, r#"
organization: acme
exceptions: { longest: 90d }
---
policy: meetings
software: [zoom]
---
exception: over
software: [zoom]
due: 2026-11-10T00:00:00Z
until: 2026-11-10
---
exception: for ever
software: [zoom]
where: device.site == "Rome"
hold_at: "<6"
until: 2027-06-30
---
exception: stands longer
software: [zoom]
where: device.site == "Oslo"
due: 2027-02-01T00:00:00Z
until: 2026-12-31
---
exception: too late
software: [zoom]
where: device.site == "Bonn"
due: 2026-11-20T00:00:00Z
until: 2026-12-31
---
exception: of nothing
software: [firefox]
due: 2026-12-20T00:00:00Z
until: 2026-12-31
"#), @r#"
warning[policy/exception-over]: exception that has run out
  policy.yaml:11:8
    until: 2026-11-10
           ^^^^^^^^^^ its devices have the terms of their policies again
  help: remove it, or agree on a later day

error[policy/exception-too-long]: exception beyond the limit
  policy.yaml:17:8
    until: 2027-06-30
           ^^^^^^^^^^ 219 days ahead; the organization allows 90d
  note: `exceptions: { longest: … }` is the limit, counted from today
  help: the latest day is 2027-02-21; when that comes, somebody looks again

note[policy/exception-due-later]: due time after the end of the exception
  policy.yaml:22:6
    due: 2027-02-01T00:00:00Z
         ^^^^^^^^^^^^^^^^^^^^ it stands until 2026-12-31; from the next day on the policies' own due times count again

warning[policy/exception-due-passed]: due time that has passed
  policy.yaml:28:6
    due: 2026-11-20T00:00:00Z
         ^^^^^^^^^^^^^^^^^^^^ everything under this exception is overdue
  help: remove the exception, or agree on a later time

warning[policy/changes-nothing]: exception that changes nothing
  policy.yaml:32:11
    software: [firefox]
              ^^^^^^^^^ no policy names this, so nothing moves it anyway
"#);
    }

    #[test]
    fn two_exceptions_may_not_change_one_term_in_different_ways() {
        assert_snapshot!(found(CODES, r#"
policy: browsers
software: [firefox, zoom]
---
exception: trade fair
software: [firefox]
where: person.department == "Sales"
due: 2026-12-10T00:00:00Z
hold_at: "<131"
until: 2026-12-10
---
exception: slow office
software: [firefox, zoom]
where: device.site == "Oslo"
due: 2026-12-20T00:00:00Z
hold_at: ">=132"
restart: never
until: 2026-12-20
"#), @r#"
error[policy/exceptions-conflict]: exceptions that contradict each other
  policy.yaml:12:12
    exception: slow office
               ^^^^^^^^^^^ this and `trade fair` both change `due` and `hold_at` of firefox
  note: `trade fair` is in policy.yaml:5
  note: both concern a device with device.site = "Oslo", person.department = "Sales"
  help: make them one, or narrow the `where` of one of them
"#);
    }

    #[test]
    fn exceptions_that_change_different_terms_or_devices_go_together() {
        assert_eq!(
            found(
                CODES,
                r#"
policy: browsers
software: [firefox]
---
exception: trade fair
software: [firefox]
where: person.department == "Sales"
due: 2026-12-10T00:00:00Z
hold_at: ">=130"
until: 2026-12-10
---
exception: slow office
software: [firefox]
where: device.site == "Oslo"
hold_at: "<133"
restart: never
until: 2026-12-20
---
exception: support
software: [firefox]
where: person.department == "Support"
due: 2026-12-20T00:00:00Z
until: 2026-12-20
"#
            ),
            ""
        );
    }
}
