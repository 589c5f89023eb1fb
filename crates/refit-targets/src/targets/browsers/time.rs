//! Times as browsers want them, in the one place where they are made.
//!
//! Browsers know no due times. They count from when an update is there and waits for a new start: Chrome and Edge in milliseconds
//! (`RelaunchNotificationPeriod`, an hour at least), Firefox in whole hours (`RelaunchRequired.NotificationPeriodHours`). Windows are an
//! hour and a minute of the device's own clock, and a number of minutes (`RelaunchWindow`, a day at the most).

use jiff::SignedDuration;
use refit_core::policy::repository::UsedWindow;

/// The shortest period that Chrome and Edge take.
const PERIOD_LEAST: SignedDuration = SignedDuration::from_hours(1);

/// The longest that fits a `REG_DWORD` of milliseconds, in whole days.
const PERIOD_MOST: SignedDuration = SignedDuration::from_hours(49 * 24);

/// As `RelaunchNotificationPeriod` has it.
pub fn milliseconds(period: SignedDuration) -> u64 {
    u64::try_from(period.clamp(PERIOD_LEAST, PERIOD_MOST).as_millis()).unwrap_or(u64::MAX)
}

/// As `NotificationPeriodHours` has it, never longer than the period is.
pub fn whole_hours(period: SignedDuration) -> i64 {
    period.as_hours().max(1)
}

/// A window that is open once every day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daily {
    /// The hour at which it opens, on the device's clock.
    pub hour: i64,
    /// The minute.
    pub minute: i64,
    /// For how many minutes: a day at the most.
    pub minutes: i64,
}

/// A window as browsers know them; `None` where it is not open once every day at one time.
pub fn daily(window: &UsedWindow) -> Option<Daily> {
    let rule = window.window.text();
    let (mut hour, mut minute, mut every_day) = (None, Some(0), false);
    for part in rule.split(';') {
        match part.split_once('=')? {
            ("FREQ", "DAILY") => every_day = true,
            ("INTERVAL", "1") => {}
            ("BYHOUR", text) => hour = text.parse::<i64>().ok(),
            ("BYMINUTE", text) => minute = text.parse::<i64>().ok(),
            ("BYSECOND", "0") => {}
            _ => return None,
        }
    }
    let minutes = window.window.lasts().as_mins().min(24 * 60);
    every_day.then_some(Daily { hour: hour?, minute: minute?, minutes }).filter(|daily| daily.minutes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_core::calendar::Window;

    fn window(rule: &str, hours: i64) -> UsedWindow {
        let window = Window::parse(rule, SignedDuration::from_hours(hours)).unwrap();
        UsedWindow { name: "overnight".into(), window, after_due: None }
    }

    #[test]
    fn a_window_of_every_day_is_an_hour_and_minutes() {
        assert_eq!(daily(&window("FREQ=DAILY;BYHOUR=19", 11)), Some(Daily { hour: 19, minute: 0, minutes: 660 }));
        let long = daily(&window("FREQ=DAILY;BYHOUR=1;BYMINUTE=30", 30));
        assert_eq!(long, Some(Daily { hour: 1, minute: 30, minutes: 1_440 }));
    }

    #[test]
    fn other_windows_are_none() {
        for rule in
            ["FREQ=WEEKLY;BYDAY=TU;BYHOUR=2", "FREQ=DAILY;BYHOUR=1,13", "FREQ=DAILY;INTERVAL=2;BYHOUR=1", "FREQ=HOURLY"]
        {
            assert_eq!(daily(&window(rule, 1)), None, "{rule}");
        }
    }

    #[test]
    fn periods_stay_within_what_browsers_take() {
        assert_eq!(milliseconds(SignedDuration::ZERO), 3_600_000);
        assert_eq!(milliseconds(SignedDuration::from_hours(24)), 86_400_000);
        assert!(milliseconds(SignedDuration::from_hours(24 * 365)) < u64::from(u32::MAX));
        assert_eq!([whole_hours(SignedDuration::from_mins(30)), whole_hours(SignedDuration::from_mins(150))], [1, 2]);
    }
}
