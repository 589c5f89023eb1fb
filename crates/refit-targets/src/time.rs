//! Times with their meaning.
//!
//! Refit's due times are moments. Other systems want what a clock on the wall shows where the device is, or a number of days after
//! something happened. Which of these a time is stands in its type; each target has one place that turns it into its system's own
//! notation (`targets/*/time.rs`), and no other code there makes times.

use crate::terms::Terms;
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use refit_core::{
    calendar::Window,
    policy::{
        document::policy::AfterDue,
        repository::{Freeze, Policy, Repository},
    },
};
use smol_str::SmolStr;

/// A time, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// A moment: the same everywhere.
    Instant(Timestamp),
    /// What the clock on the wall shows where the device is: another moment in every zone.
    Wall(civil::DateTime),
    /// So long after the other system offers the release to the device.
    AfterOffer(SignedDuration),
}

impl Time {
    /// What the clock on the wall shows in `zone` at this time, in whole seconds, and never a wall time that would be read as a later
    /// moment. `None` for what is no point in time.
    ///
    /// A wall time that comes twice, when clocks go back, may be read as its second coming, which is late: then it is the last second
    /// before the first of them.
    pub fn wall(self, zone: &TimeZone) -> Option<civil::DateTime> {
        let at = match self {
            Time::Wall(at) => return at.with().subsec_nanosecond(0).build().ok(),
            Time::Instant(at) => at,
            Time::AfterOffer(_) => return None,
        };
        let whole = Timestamp::from_second(at.as_second()).ok()?;
        let wall = zone.to_datetime(whole);
        if !zone.to_ambiguous_timestamp(wall).is_ambiguous() {
            return Some(wall);
        }
        // The clocks go back within these hours: no zone has ever set them back by more than a day.
        let before = zone.preceding(whole.checked_add(SignedDuration::from_hours(24)).ok()?);
        let change = before.map(|change| change.timestamp()).find(|change| {
            let (sooner, later) = (change.checked_sub(SignedDuration::from_nanos(1)), *change);
            sooner.is_ok_and(|sooner| zone.to_datetime(later) <= zone.to_datetime(sooner))
        })?;
        // The first wall time that comes twice is what the clock shows right after it was set back.
        zone.to_datetime(change).checked_sub(SignedDuration::from_secs(1)).ok()
    }
}

/// A length of time as whole days, never shorter than it is.
pub fn days_up(length: SignedDuration) -> i64 {
    const DAY: i64 = 24 * 3_600;
    length.as_secs().saturating_add(DAY - 1).div_euclid(DAY)
}

/// When a change may be forced where policies say that it is due at `due`, and why it is later than that.
///
/// What stands above a due time (rule 10) moves it: a freeze, to its end; a window that waits, to its next opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forced {
    /// When.
    pub at: Timestamp,
    /// What moved it.
    pub moved_by: Vec<SmolStr>,
}

/// When a change may be forced in `zone`. `freezes` are those that concern the device; those that are on at `now` and do not hold it now
/// yield to what is open.
pub fn forced<'f>(
    due: Timestamp,
    zone: &TimeZone,
    now: Timestamp,
    terms: &Terms<'_>,
    freezes: impl Iterator<Item = &'f Freeze> + Clone,
    held_by_freeze: bool,
) -> Forced {
    let mut forced = Forced { at: due, moved_by: Vec::new() };
    let waits = terms.window.filter(|_| terms.after_due == AfterDue::Wait);
    // Each round moves it behind a freeze or into a window; a freeze moves it once.
    for _ in 0..64 {
        let before = forced.at;
        for freeze in freezes.clone() {
            let (from, to) = (freeze.from.start_in(zone), freeze.to.end_in(zone));
            let yields = from <= now && now < to && !held_by_freeze;
            if !yields && from <= forced.at && forced.at < to {
                forced.at = to;
                forced.moved_by.push(format!("freeze {}", freeze.name).into());
            }
        }
        if let Some(window) = waits
            && let Some(opens) = opening(&window.window, zone, forced.at, now)
        {
            forced.at = opens;
            forced.moved_by.push(format!("window {}", window.name).into());
        }
        if forced.at == before {
            break;
        }
    }
    forced.moved_by.dedup();
    forced
}

/// The opening that something waits for which would be forced at `at`; `None` where it may be then. What should have been forced by `now`
/// waits as well: a moment in the past is forced at once by other systems. It is for the opening that lasts now, or for the next one.
fn opening(window: &Window, zone: &TimeZone, at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if at >= now {
        return if window.open_until(zone, at).is_some() { None } else { window.next_opening(zone, at) };
    }
    let opens = match window.open_until(zone, now) {
        Some(end) => end.checked_sub(window.lasts()).ok(),
        None => window.next_opening(zone, now),
    };
    opens.filter(|opens| *opens > at)
}

/// How long after its publication a release reaches a ring at the earliest: the age that it must have, and what the rings before soak.
pub fn earliest(
    repository: &Repository,
    age: SignedDuration,
    rollout: Option<&str>,
    ring: Option<&str>,
) -> SignedDuration {
    let rings = rollout.and_then(|name| repository.rollouts.get(name)).map(|rollout| rollout.rings.as_slice());
    let before = rings.unwrap_or_default().iter().take_while(|of| Some(of.name.as_str()) != ring);
    before.fold(age, |wait, ring| wait.saturating_add(ring.soak))
}

/// What a policy leaves between the earliest moment at which a release can reach a ring of a rollout, and the shortest deadline of that
/// rollout; nothing at the least. `None` where nothing is due.
///
/// It is made of the policy's terms alone, so that it stays the same from day to day: systems that count from when they have an update are
/// told it. A ring that opens late makes it late by as much; a deadline that is longer than the shortest one makes it early.
pub fn left(
    repository: &Repository,
    policy: &Policy,
    rollout: Option<&str>,
    ring: Option<&str>,
) -> Option<SignedDuration> {
    let default = policy.rollout.as_deref();
    let entries = policy.deadline.iter().filter(|entry| entry.rollout.as_deref().or(default) == rollout);
    // Where no entry names this rollout, the ones that hold for everybody count.
    let shortest = entries.min_by_key(|entry| entry.within);
    let shortest = shortest.or_else(|| policy.deadline.iter().min_by_key(|entry| entry.within))?;
    let age = shortest.min_age.unwrap_or(policy.min_age);
    let left = shortest.within.saturating_sub(earliest(repository, age, rollout, ring));
    Some(left.max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_core::policy::{document::scalars::Day, repository::UsedWindow};

    fn at_any_time() -> Terms<'static> {
        Terms {
            window: None,
            after_due: AfterDue::Run,
            reboot: None,
            excepted: None,
            excepted_window: None,
            exceptions: Vec::new(),
        }
    }

    fn wall(at: &str, zone: &str) -> String {
        Time::Instant(at.parse().unwrap()).wall(&TimeZone::get(zone).unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_moment_is_what_the_clock_shows_there() {
        assert_eq!(wall("2026-12-14T17:00:00Z", "Europe/Berlin"), "2026-12-14T18:00:00");
        assert_eq!(wall("2026-07-14T17:00:00Z", "Europe/Berlin"), "2026-07-14T19:00:00");
        assert_eq!(wall("2026-12-14T17:00:00.9Z", "Asia/Kolkata"), "2026-12-14T22:30:00");
    }

    #[test]
    fn across_the_date_line_the_day_is_another() {
        assert_eq!(wall("2026-12-31T10:00:00Z", "Pacific/Kiritimati"), "2027-01-01T00:00:00");
        assert_eq!(wall("2027-01-01T10:30:00Z", "Pacific/Pago_Pago"), "2026-12-31T23:30:00");
        // Samoa had no 30 December 2011: the last moment before it and the first after it are a day apart on the wall.
        assert_eq!(wall("2011-12-30T09:59:59Z", "Pacific/Apia"), "2011-12-29T23:59:59");
        assert_eq!(wall("2011-12-30T10:00:00Z", "Pacific/Apia"), "2011-12-31T00:00:00");
    }

    #[test]
    fn at_midnight_the_new_day_has_begun() {
        assert_eq!(wall("2026-12-14T23:00:00Z", "Europe/Berlin"), "2026-12-15T00:00:00");
    }

    #[test]
    fn when_clocks_go_forward_no_wall_time_is_missing() {
        // 02:00 to 03:00 does not exist in Berlin on 29 March 2026.
        assert_eq!(wall("2026-03-29T00:59:59Z", "Europe/Berlin"), "2026-03-29T01:59:59");
        assert_eq!(wall("2026-03-29T01:00:00Z", "Europe/Berlin"), "2026-03-29T03:00:00");
    }

    #[test]
    fn when_clocks_go_back_nothing_is_read_as_later_than_it_is_due() {
        // 02:00 to 03:00 comes twice in Berlin on 25 October 2026.
        for at in ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T01:59:59Z"] {
            assert_eq!(wall(at, "Europe/Berlin"), "2026-10-25T01:59:59", "{at}");
        }
        assert_eq!(wall("2026-10-24T23:59:59Z", "Europe/Berlin"), "2026-10-25T01:59:59");
        assert_eq!(wall("2026-10-25T02:00:00Z", "Europe/Berlin"), "2026-10-25T03:00:00");
    }

    #[test]
    fn no_wall_time_is_ever_read_as_later_than_the_moment() {
        for zone in ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "America/Havana"]
        {
            let zone = TimeZone::get(zone).unwrap();
            let mut at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
            for _ in 0..(365 * 24 * 2) {
                let wall = Time::Instant(at).wall(&zone).unwrap();
                let latest = zone.to_ambiguous_timestamp(wall).later().unwrap();
                let early = at.duration_since(latest);
                assert!(!early.is_negative() && early <= SignedDuration::from_hours(3), "{at} {wall} {latest}");
                at = at.checked_add(SignedDuration::from_mins(30)).unwrap();
            }
        }
    }

    #[test]
    fn days_after_an_offer_are_no_point_in_time() {
        assert_eq!(Time::AfterOffer(SignedDuration::from_hours(24)).wall(&TimeZone::UTC), None);
    }

    fn freeze(from: &str, to: &str) -> Freeze {
        Freeze {
            name: "quarter close".into(),
            from: Day::parse(from).unwrap(),
            to: Day::parse(to).unwrap(),
            condition: None,
            unless: None,
            origin: Default::default(),
        }
    }

    #[test]
    fn a_freeze_moves_what_would_be_forced_in_it_to_its_end_where_the_device_is() {
        let freezes = [freeze("2026-12-28", "2027-01-05")];
        let now = "2026-12-20T00:00:00Z".parse().unwrap();
        let at = |due: &str, zone: &str| {
            let zone = TimeZone::get(zone).unwrap();
            forced(due.parse().unwrap(), &zone, now, &at_any_time(), freezes.iter(), false)
        };
        let moved = at("2026-12-30T12:00:00Z", "Europe/Berlin");
        assert_eq!(moved.at.to_string(), "2027-01-05T23:00:00Z");
        assert_eq!(moved.moved_by, ["freeze quarter close"]);
        // In Kiritimati the 28th has begun, in Pago Pago it has not.
        assert_eq!(at("2026-12-27T10:30:00Z", "Pacific/Kiritimati").at.to_string(), "2027-01-05T10:00:00Z");
        assert_eq!(at("2026-12-27T10:30:00Z", "Pacific/Pago_Pago").at.to_string(), "2026-12-27T10:30:00Z");
    }

    #[test]
    fn a_freeze_that_is_on_and_does_not_hold_has_yielded() {
        let freezes = [freeze("2026-12-28", "2027-01-05")];
        let (due, now) = ("2026-12-30T12:00:00Z".parse().unwrap(), "2026-12-29T00:00:00Z".parse().unwrap());
        let forced_at = |held| forced(due, &TimeZone::UTC, now, &at_any_time(), freezes.iter(), held).at;
        assert_eq!(forced_at(false), due);
        assert_eq!(forced_at(true).to_string(), "2027-01-06T00:00:00Z");
    }

    #[test]
    fn what_is_overdue_waits_for_a_window_too_where_the_policy_waits() {
        let window = UsedWindow {
            name: "overnight".into(),
            window: Window::parse("FREQ=DAILY;BYHOUR=19", SignedDuration::from_hours(10)).unwrap(),
            after_due: None,
        };
        let terms = Terms { window: Some(&window), after_due: AfterDue::Wait, ..at_any_time() };
        let at = |due: &str, now: &str| {
            let (due, now) = (due.parse().unwrap(), now.parse().unwrap());
            forced(due, &TimeZone::UTC, now, &terms, [].iter(), false).at.to_string()
        };
        let noon = "2026-11-20T12:00:00Z";
        assert_eq!(at(noon, "2026-11-19T00:00:00Z"), "2026-11-20T19:00:00Z");
        // Its time has passed, and the window is shut: not at once.
        assert_eq!(at(noon, "2026-11-23T12:00:00Z"), "2026-11-23T19:00:00Z");
        assert_eq!(at("2026-11-23T04:30:00Z", "2026-11-23T06:00:00Z"), "2026-11-23T19:00:00Z");
        // While it is open the moment stays the same.
        assert_eq!(at(noon, "2026-11-23T19:00:00Z"), "2026-11-23T19:00:00Z");
        assert_eq!(at(noon, "2026-11-24T04:59:00Z"), "2026-11-23T19:00:00Z");
        assert_eq!(at("2026-11-23T20:00:00Z", "2026-11-23T22:00:00Z"), "2026-11-23T20:00:00Z");
    }
}
