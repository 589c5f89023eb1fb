//! Times as assignments of apps want them, in the one place where they are made.
//!
//! `deadlineDateTime` is written with a `Z`; where `useLocalTime` is true it is read as what the clock on the wall shows
//! (*winGetAppInstallTimeSettings*).

use crate::time::Time;
use jiff::{civil, tz::TimeZone};

/// A time on the device's own clock; `None` for what is no point in time.
pub fn local(time: Time, zone: &TimeZone) -> Option<civil::DateTime> {
    time.wall(zone)
}

/// As `deadlineDateTime` has it.
pub fn written(at: civil::DateTime) -> String {
    format!("{at}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_z_means_the_clock_on_the_wall() {
        let at = |at: &str, zone: &str| {
            let zone = TimeZone::get(zone).unwrap();
            written(local(Time::Instant(at.parse().unwrap()), &zone).unwrap())
        };
        assert_eq!(at("2026-11-30T17:00:00.5Z", "America/New_York"), "2026-11-30T12:00:00Z");
        // Across the date line, and when clocks go back: never later than the moment.
        assert_eq!(at("2026-12-31T10:00:00Z", "Pacific/Kiritimati"), "2027-01-01T00:00:00Z");
        assert_eq!(at("2026-10-25T01:30:00Z", "Europe/Berlin"), "2026-10-25T01:59:59Z");
        assert_eq!(local(Time::AfterOffer(jiff::SignedDuration::ZERO), &TimeZone::UTC), None);
    }
}
