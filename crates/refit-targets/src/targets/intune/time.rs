//! Times as Windows Update for Business wants them, in the one place where they are made.
//!
//! Deferrals are whole days after Microsoft has published an update, 0 to 30. Deadlines are whole days after a device is offered it, 0 to
//! 30, and the grace after it came back 0 to 7. An expedited update is named by the day on which it came out, and restarts after 0 to 2 days. Active hours are full hours of the device's own clock, 8 to 18 of them.

use crate::{
    targets::browsers::time::{Daily, daily},
    time::Time,
};
use jiff::{SignedDuration, tz::TimeZone};
use refit_core::policy::repository::UsedWindow;

/// The most days of a deferral and of a deadline.
const DAYS_MOST: i64 = 30;

/// The most days until an expedited update restarts a device (Intune, *Expedite policies*).
const RESTART_MOST: i64 = 2;

/// How long who returns has before a deadline counts (rule 11).
pub const GRACE_DAYS: i64 = 1;

/// Days of deferral, never shorter than the wait.
pub fn deferral(wait: SignedDuration) -> i64 {
    crate::time::days_up(wait).clamp(0, DAYS_MOST)
}

/// Days until a deadline, never longer than the time; `None` for what is not counted from an offer.
pub fn deadline(time: Time) -> Option<i64> {
    match time {
        Time::AfterOffer(length) => Some((length.as_hours() / 24).clamp(0, DAYS_MOST)),
        Time::Instant(_) | Time::Wall(_) => None,
    }
}

/// Days until an expedited update restarts a device: 0, 1 or 2, never longer than the time. `None` for what is not counted from an offer.
pub fn days_until_restart(time: Time) -> Option<i64> {
    deadline(time).map(|days| days.min(RESTART_MOST))
}

/// The day of a release, as expedited updates name it.
pub fn release(time: Time) -> String {
    match time {
        Time::Instant(at) => format!("{}T00:00:00Z", TimeZone::UTC.to_datetime(at).date()),
        Time::Wall(at) => format!("{}T00:00:00Z", at.date()),
        Time::AfterOffer(_) => String::new(),
    }
}

/// The hours in which a device does not restart: those outside a window that is open once every day. `None` where they are too few or too
/// many, or the window is another.
pub fn active_hours(window: &UsedWindow) -> Option<(String, String)> {
    let Daily { hour, minute, minutes } = daily(window)?;
    let (opens, shuts) = (hour * 60 + minute, hour * 60 + minute + minutes);
    let active = 24 * 60 - minutes;
    if minute != 0 || active % 60 != 0 || !(8 * 60..=18 * 60).contains(&active) {
        return None;
    }
    let written = |at: i64| format!("{:02}:00:00.0000000", at / 60 % 24);
    Some((written(shuts), written(opens)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_core::calendar::Window;

    fn hours(rule: &str, lasts: i64) -> Option<(String, String)> {
        let window = Window::parse(rule, SignedDuration::from_hours(lasts)).unwrap();
        active_hours(&UsedWindow { name: "w".into(), window, after_due: None })
    }

    #[test]
    fn active_hours_are_what_a_window_leaves() {
        let day = Some(("06:00:00.0000000".to_owned(), "19:00:00.0000000".to_owned()));
        assert_eq!(hours("FREQ=DAILY;BYHOUR=19", 11), day);
        assert_eq!(hours("FREQ=DAILY;BYHOUR=1", 4), None, "20 hours are more than 18");
        assert_eq!(hours("FREQ=DAILY;BYHOUR=1", 20), None, "4 hours are less than 8");
        assert_eq!(hours("FREQ=WEEKLY;BYDAY=SA;BYHOUR=1", 8), None);
    }

    #[test]
    fn days_are_whole_and_on_the_safe_side() {
        let day = |hours| SignedDuration::from_hours(hours);
        assert_eq!([deferral(day(0)), deferral(day(25)), deferral(day(9_000))], [0, 2, 30]);
        assert_eq!(deferral(SignedDuration::from_mins(24 * 60 + 30)), 2);
        assert_eq!(deadline(Time::AfterOffer(day(47))), Some(1));
        assert_eq!(days_until_restart(Time::AfterOffer(day(200))), Some(2));
        assert_eq!(release(Time::Instant("2026-11-10T18:00:00Z".parse().unwrap())), "2026-11-10T00:00:00Z");
        assert_eq!(deadline(Time::Wall(jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0))), None);
    }
}
