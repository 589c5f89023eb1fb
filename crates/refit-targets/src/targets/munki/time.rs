//! Times as Munki wants them, in the one place where they are made.
//!
//! `force_install_after_date` is a date of a property list, which is always written with a `Z`, and is read as what the clock on the wall
//! shows (munki wiki, *Supported Pkginfo Keys*).

use crate::{targets::plist::DATE, time::Time};
use jiff::{civil, tz::TimeZone};
use serde_json::{Value, json};

/// A time on the device's own clock; `None` for what is no point in time.
pub fn local(time: Time, zone: &TimeZone) -> Option<civil::DateTime> {
    time.wall(zone)
}

/// As `force_install_after_date` has it.
pub fn written(at: civil::DateTime) -> Value {
    json!({ (DATE): format!("{at}Z") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_z_means_the_clock_on_the_wall() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let at = local(Time::Instant("2026-11-30T17:00:00.5Z".parse().unwrap()), &zone).unwrap();
        assert_eq!(written(at), json!({ "$date": "2026-11-30T12:00:00Z" }));
    }
}
