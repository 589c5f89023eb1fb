//! Times as Apple's declarations want them, in the one place where they are made.
//!
//! `TargetLocalDateTime` is `yyyy-mm-ddThh:mm:ss` on the device's own clock, without a zone
//! (`com.apple.configuration.softwareupdate.enforcement.specific`). Deferrals are whole days from 1 to 90 after a release came out
//! (`com.apple.configuration.softwareupdate.settings`).

use crate::time::{Time, days_up};
use jiff::{SignedDuration, civil, tz::TimeZone};

/// The most days by which Apple's systems defer an update.
pub const DEFERRED_MOST: i64 = 90;

/// A time on the device's own clock; `None` for what is no point in time.
pub fn local(time: Time, zone: &TimeZone) -> Option<civil::DateTime> {
    time.wall(zone)
}

/// As `TargetLocalDateTime` has it.
pub fn written(at: civil::DateTime) -> String {
    // Civil times print so by themselves, and with a fraction where they have one, which `local` has taken away.
    at.to_string()
}

/// In a name: `20261214T180000`.
pub fn in_a_name(at: civil::DateTime) -> String {
    at.to_string().chars().filter(char::is_ascii_alphanumeric).collect()
}

/// A length of time as days of deferral, never shorter than it is; `None` where nothing is deferred.
pub fn deferral(length: SignedDuration) -> Option<i64> {
    let days = days_up(length);
    (days > 0).then(|| days.min(DEFERRED_MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_without_zone_and_fraction() {
        let zone = TimeZone::get("America/Los_Angeles").unwrap();
        let at = local(Time::Instant("2026-12-15T02:00:00.25Z".parse().unwrap()), &zone).unwrap();
        assert_eq!(written(at), "2026-12-14T18:00:00");
        assert_eq!(in_a_name(at), "20261214T180000");
    }

    #[test]
    fn deferrals_are_whole_days_up_to_ninety() {
        let days = |hours| deferral(SignedDuration::from_hours(hours));
        assert_eq!([days(0), days(1), days(24), days(25), days(5_000)], [None, Some(1), Some(1), Some(2), Some(90)]);
        let minutes = |minutes| deferral(SignedDuration::from_mins(minutes));
        assert_eq!([minutes(30), minutes(24 * 60 + 30)], [Some(1), Some(2)]);
    }
}
