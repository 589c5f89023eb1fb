//! Times as Jamf Pro wants them, in the one place where they are made.
//!
//! The deadline of a patch policy is whole days after the update is offered to a Mac, that of an App Installer whole hours. An update plan
//! is forced at what the clock on the wall shows where the Mac is (`forceInstallLocalDateTime`, "the local date and time of the device").

use crate::time::Time;
use jiff::{civil::DateTime, tz::TimeZone};

/// How long what is open may stay open after a deadline, before it is closed, in minutes: what Jamf Pro suggests.
pub const QUIT_MINUTES: i64 = 15;

/// How often people are told of an App Installer's update, in hours.
pub const TOLD_EVERY_HOURS: i64 = 24;

/// How often people are told of a patch policy's update, in days: no more often than once a day.
pub const TOLD_EVERY_DAYS: i64 = 1;

/// Days until the deadline of a patch policy, never longer than the time; `None` for what is not counted from an offer.
pub fn days(time: Time) -> Option<i64> {
    whole_hours(time).map(|hours| hours / 24)
}

/// Hours until the deadline of an App Installer, never longer than the time, but one: no hours at all are refused. `None` for what is not
/// counted from an offer.
pub fn hours(time: Time) -> Option<i64> {
    whole_hours(time).map(|hours| hours.max(1))
}

fn whole_hours(time: Time) -> Option<i64> {
    match time {
        Time::AfterOffer(length) => Some(length.as_hours().max(0)),
        Time::Instant(_) | Time::Wall(_) => None,
    }
}

/// A time on the Mac's own clock; `None` for what is no point in time.
pub fn local(time: Time, zone: &TimeZone) -> Option<DateTime> {
    time.wall(zone)
}

/// As `forceInstallLocalDateTime` has it.
pub fn written(at: DateTime) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn deadlines_are_whole_and_never_late() {
        let after = |minutes| Time::AfterOffer(SignedDuration::from_mins(minutes));
        assert_eq!([days(after(47 * 60 + 59)), days(after(23 * 60)), days(after(-5))], [Some(1), Some(0), Some(0)]);
        assert_eq!([hours(after(119)), hours(after(59)), hours(after(-120))], [Some(1), Some(1), Some(1)]);
        assert_eq!(days(Time::Wall(jiff::civil::date(2026, 12, 1).at(0, 0, 0, 0))), None);
    }

    #[test]
    fn a_plan_is_forced_by_the_clock_on_the_wall() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let at = local(Time::Instant("2026-11-30T17:00:00.5Z".parse().unwrap()), &zone).unwrap();
        assert_eq!(written(at), "2026-11-30T12:00:00");
    }
}
