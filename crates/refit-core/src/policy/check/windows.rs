//! Windows that are shorter than a session, that never open, or that never shut.

use super::subject::{Subject, length};
use crate::{calendar::Window, policy::diagnostic::Diagnostic, steps};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use smol_str::SmolStr;

/// The shortest window in which a session is sure to end.
///
/// A session gives notice, installs everything that is due, and restarts at most once. Installing takes minutes; the restart
/// into a feature update of Windows or macOS takes up to half an hour, and what has begun in a window is not stopped at its end.
const SESSION: SignedDuration = SignedDuration::from_mins(30);

/// How many openings are looked at, at the least: enough for a year of a monthly window.
const OPENINGS: usize = 16;
/// For how long they are looked at, at the least: every weekday of a window that opens many times a day.
const WEEK: SignedDuration = SignedDuration::from_hours(8 * 24);

/// How a window opens and shuts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    /// When it opens next; `None` where it never does.
    pub next: Option<Timestamp>,
    /// The longest time that it stays shut; `None` where it opens once more at most.
    pub shut: Option<SignedDuration>,
}

/// The rhythm of a window of that name, in UTC: daylight saving moves it by an hour, which no check depends on.
pub(super) fn rhythm(subject: &Subject<'_>, name: &SmolStr, window: &Window) -> Rhythm {
    if let Some(known) = subject.rhythms.borrow().get(name) {
        return *known;
    }
    let mut openings = window.openings(&TimeZone::UTC, subject.now).peekable();
    let next = openings.peek().copied();
    let (mut shut, mut before) = (None, None);
    for (index, opening) in openings.enumerate() {
        if let Some(before) = before {
            let closed = opening.duration_since(before) - window.lasts();
            shut = Some(shut.map_or(closed, |longest: SignedDuration| longest.max(closed)));
        }
        if index >= OPENINGS && next.is_some_and(|next| opening.duration_since(next) >= WEEK) {
            break;
        }
        before = Some(opening);
    }
    let rhythm = Rhythm { next, shut: shut.map(|shut| shut.max(SignedDuration::ZERO)) };
    subject.rhythms.borrow_mut().insert(name.clone(), rhythm);
    rhythm
}

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(organization) = subject.organization else { return };
    for (name, document) in &organization.document.windows {
        let Ok(window) = Window::parse(&document.rrule, document.lasts.0) else { continue };
        let rhythm = rhythm(subject, &SmolStr::new(name), &window);
        if rhythm.next.is_none() {
            found.push(
                Diagnostic::error("policy/window-never-opens", "window that never opens")
                    .at(organization.place(steps!["windows", name, "rrule"]))
                    .label("no day to come matches")
                    .with_help("look at UNTIL, and at days that no month has"),
            );
        } else if rhythm.shut.is_some_and(|shut| shut.is_zero()) {
            found.push(
                Diagnostic::note("policy/window-always-open", "window that never shuts")
                    .at(organization.place(steps!["windows", name, "lasts"]))
                    .label("it opens again before it has shut"),
            );
        } else if window.lasts() < SESSION {
            found.push(
                Diagnostic::error("policy/window-too-short", "window shorter than a session")
                    .at(organization.place(steps!["windows", name, "lasts"]))
                    .label(format!("{}; a session with a restart takes up to {}", document.lasts, length(SESSION)))
                    .with_help(format!("let it last {} or longer", length(SESSION))),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &["policy/window-never-opens", "policy/window-always-open", "policy/window-too-short"];

    #[test]
    fn a_window_has_to_open_for_long_enough_and_to_shut() {
        assert_snapshot!(found(CODES, r#"
organization: acme
windows:
  always: { rrule: "FREQ=DAILY;BYHOUR=8,20", lasts: 12h }
  blink: { rrule: "FREQ=DAILY;BYHOUR=19", lasts: 10m }
  gone: { rrule: "FREQ=DAILY;BYHOUR=19;UNTIL=20260101T000000Z", lasts: 4h }
"#), @r#"
note[policy/window-always-open]: window that never shuts
  policy.yaml:4:53
      always: { rrule: "FREQ=DAILY;BYHOUR=8,20", lasts: 12h }
                                                        ^^^ it opens again before it has shut

error[policy/window-too-short]: window shorter than a session
  policy.yaml:5:50
      blink: { rrule: "FREQ=DAILY;BYHOUR=19", lasts: 10m }
                                                     ^^^ 10m; a session with a restart takes up to 30m
  help: let it last 30m or longer

error[policy/window-never-opens]: window that never opens
  policy.yaml:6:18
      gone: { rrule: "FREQ=DAILY;BYHOUR=19;UNTIL=20260101T000000Z", lasts: 4h }
                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ no day to come matches
  help: look at UNTIL, and at days that no month has
"#);
    }

    #[test]
    fn a_window_that_opens_many_times_a_day_is_looked_at_for_a_week() {
        let of = |rule: &str, lasts: &str| {
            found(CODES, &format!("organization: acme\nwindows:\n  often: {{ rrule: \"{rule}\", lasts: {lasts} }}\n"))
        };
        let always = of("FREQ=HOURLY;BYMINUTE=0,10,20,30,40,50", "30m");
        assert!(always.contains("it opens again before it has shut"), "{always}");
        // By night, and at the weekend, it is shut.
        assert_eq!(of("FREQ=HOURLY;BYHOUR=8,9,10,11,12,13,14,15,16;BYMINUTE=0,10,20,30,40,50", "30m"), "");
        assert_eq!(of("FREQ=HOURLY;BYDAY=MO,TU,WE,TH,FR;BYMINUTE=0,30", "30m"), "");
    }

    #[test]
    fn usual_windows_are_silent() {
        assert_eq!(
            found(
                CODES,
                r#"
organization: acme
windows:
  overnight: { rrule: "FREQ=DAILY;BYHOUR=19", lasts: 10h }
  patch-tuesday: { rrule: "FREQ=MONTHLY;BYDAY=2TU;BYHOUR=2", lasts: 4h }
  weekend: { rrule: "FREQ=WEEKLY;BYDAY=SA;BYHOUR=0", lasts: 2d }
"#
            ),
            ""
        );
    }
}
