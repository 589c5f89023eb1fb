//! Windows: when changes may be made, as recurrence rules in the device's own time.

use crate::recurrence::{start_near, utc, wall};
use chrono::Utc;
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use rrule::{Frequency, RRule, Tz, Unvalidated};
use smol_str::SmolStr;
use std::{collections::BTreeSet, fmt};

/// When changes may be made: from each occurrence of a rule, for a length of time.
///
/// The rule (RFC 5545) is read in the device's wall time, counted from Wednesday, 1 January 2020, 00:00; a moment that daylight
/// saving skips is taken as the one an hour later, and of a moment that comes twice the first counts.
#[derive(Clone)]
pub struct Window {
    text: SmolStr,
    rule: RRule<Unvalidated>,
    lasts: SignedDuration,
}

/// Why a rule is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no recurrence rule: {why}")]
pub struct WindowError {
    /// The rule as given.
    pub text: SmolStr,
    /// What is wrong with it.
    pub why: SmolStr,
}

/// How often a window may open in a day: every five minutes. Whatever is asked of a window looks through the occurrences of two
/// days or so, and is asked for every device at every check-in; nobody means more, since a session takes half an hour.
const OPENINGS_A_DAY: usize = 288;

/// By how much a change of zone moves wall time at the most: a date line crosses a country now and then.
const SHIFT: SignedDuration = SignedDuration::from_hours(24);

impl Window {
    /// Reads a recurrence rule.
    pub fn parse(text: &str, lasts: SignedDuration) -> Result<Window, WindowError> {
        let wrong = |why: String| WindowError { text: text.into(), why: why.into() };
        if text.len() > 512 {
            return Err(wrong("it is longer than 512 characters".into()));
        }
        let rule: RRule<Unvalidated> = text.parse().map_err(|error: rrule::RRuleError| wrong(error.to_string()))?;
        if matches!(rule.get_freq(), Frequency::Secondly | Frequency::Minutely) {
            return Err(wrong("a window opens hourly at the most often".into()));
        }
        if rule.get_count().is_some() {
            return Err(wrong("COUNT is counted from a day that nobody wrote down; write UNTIL".into()));
        }
        if lasts <= SignedDuration::ZERO {
            return Err(wrong("it has to last longer than nothing".into()));
        }
        let a_day = openings_a_day(&rule);
        if a_day > OPENINGS_A_DAY {
            return Err(wrong(format!(
                "it opens {a_day} times a day, and a window opens every five minutes at the most often ({OPENINGS_A_DAY} times)"
            )));
        }
        let origin = utc(ORIGIN).ok_or_else(|| wrong("it has no beginning".into()))?;
        rule.clone().validate(origin.with_timezone(&Tz::UTC)).map_err(|error| wrong(error.to_string()))?;
        Ok(Window { text: text.into(), rule, lasts })
    }

    /// The rule as it was written.
    pub fn text(&self) -> &SmolStr {
        &self.text
    }

    /// How long it stays open.
    pub fn lasts(&self) -> SignedDuration {
        self.lasts
    }

    /// Until when it is open at `now` in a zone; `None` while it is shut.
    pub fn open_until(&self, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        let local = zone.to_datetime(now);
        let to = local.checked_add(SHIFT).ok()?;
        // All openings last as long, so that the last before now decides. It is looked for near first, since a window that lasts
        // for weeks may open every hour; what is further back than a change of zone can move it is not the last.
        let mut back = SHIFT + SHIFT;
        loop {
            let from = local.checked_sub(back).ok()?;
            let starts = self.occurrences(from)?.take_while(|start| *start <= to);
            let last = starts.filter_map(|start| moment(zone, start)).filter(|start| *start <= now).max();
            if last.is_some() || back > self.lasts + SHIFT {
                return last?.checked_add(self.lasts).ok().filter(|end| now < *end);
            }
            back += back;
        }
    }

    /// When it opens next after `now` in a zone; `None` where it never does.
    pub fn next_opening(&self, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        self.openings(zone, now).next()
    }

    /// When it opens after `now` in a zone, time after time, each worked out when it is asked for.
    pub fn openings(&self, zone: &TimeZone, now: Timestamp) -> impl Iterator<Item = Timestamp> + use<> {
        let zone = zone.clone();
        let from = zone.to_datetime(now).checked_sub(SHIFT).ok();
        let occurrences = from.and_then(|from| self.occurrences(from));
        occurrences
            .into_iter()
            .flatten()
            .filter_map(move |start| moment(&zone, start))
            .filter(move |start| *start > now)
    }

    /// Occurrences from `from` on, in wall time, each worked out when it is asked for.
    fn occurrences(&self, from: civil::DateTime) -> Option<impl Iterator<Item = civil::DateTime> + use<>> {
        let from = utc(from)?;
        // A rule that has come to its end still has a beginning: a window that lasts long may be open after its last opening.
        let near = self.rule.get_until().map_or(from, |until| from.min(until.with_timezone(&Utc)));
        let start = start_near(&self.rule, utc(ORIGIN)?, near);
        let set = self.rule.clone().build(start.with_timezone(&Tz::UTC)).ok()?.limit();
        Some((&set).into_iter().skip_while(move |at| *at < from).filter_map(|at| wall(&at)))
    }
}

/// How often a rule happens on a day on which it does, at the most.
fn openings_a_day(rule: &RRule<Unvalidated>) -> usize {
    let different = |by: &[u8]| by.iter().collect::<BTreeSet<_>>().len();
    let hours = match (different(rule.get_by_hour()), rule.get_freq()) {
        (0, Frequency::Hourly) => 24_usize.div_ceil(usize::from(rule.get_interval()).max(1)),
        (hours, _) => hours.max(1),
    };
    hours * different(rule.get_by_minute()).max(1) * different(rule.get_by_second()).max(1)
}

/// Wednesday, 1 January 2020, 00:00: what rules without a start of their own are counted from.
const ORIGIN: civil::DateTime = civil::datetime(2020, 1, 1, 0, 0, 0, 0);

fn moment(zone: &TimeZone, local: civil::DateTime) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(local).compatible().ok()
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window({}, {})", self.text, self.lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(rule: &str, hours: i64) -> Window {
        Window::parse(rule, SignedDuration::from_hours(hours)).unwrap()
    }

    fn open(window: &Window, zone: &str, now: &str) -> Option<String> {
        let zone = TimeZone::get(zone).unwrap();
        window.open_until(&zone, now.parse().unwrap()).map(|until| until.to_string())
    }

    #[test]
    fn a_window_is_open_in_the_devices_own_time() {
        let overnight = window("FREQ=DAILY;BYHOUR=19", 10);
        assert_eq!(open(&overnight, "Europe/Berlin", "2026-11-27T12:00:00Z"), None);
        assert_eq!(open(&overnight, "Europe/Berlin", "2026-11-27T18:00:00Z").unwrap(), "2026-11-28T04:00:00Z");
        assert_eq!(open(&overnight, "Europe/Berlin", "2026-11-28T03:59:59Z").unwrap(), "2026-11-28T04:00:00Z");
        assert_eq!(open(&overnight, "Europe/Berlin", "2026-11-28T04:00:00Z"), None);
        assert_eq!(open(&overnight, "Asia/Tokyo", "2026-11-27T12:00:00Z").unwrap(), "2026-11-27T20:00:00Z");
    }

    #[test]
    fn weekly_and_monthly_rules_keep_their_day() {
        let weekend = window("FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=8", 4);
        assert!(open(&weekend, "UTC", "2026-11-28T09:00:00Z").is_some());
        assert!(open(&weekend, "UTC", "2026-11-27T09:00:00Z").is_none());
        let patch_tuesday = window("FREQ=MONTHLY;BYDAY=2TU;BYHOUR=2", 4);
        assert!(open(&patch_tuesday, "UTC", "2026-11-10T03:00:00Z").is_some());
        assert!(open(&patch_tuesday, "UTC", "2026-11-17T03:00:00Z").is_none());
        let fortnight = window("FREQ=WEEKLY;INTERVAL=2;BYDAY=WE;BYHOUR=1", 2);
        let opened = |day: &str| open(&fortnight, "UTC", &format!("{day}T01:30:00Z")).is_some();
        assert_ne!(opened("2026-11-18"), opened("2026-11-25"));
    }

    #[test]
    fn daylight_saving_moves_a_skipped_opening_an_hour_on() {
        let night = window("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", 1);
        // On 29 March 2026 clocks in Berlin go from 02:00 to 03:00.
        assert_eq!(open(&night, "Europe/Berlin", "2026-03-29T01:45:00Z").unwrap(), "2026-03-29T02:30:00Z");
        assert_eq!(open(&night, "Europe/Berlin", "2026-03-29T01:15:00Z"), None);
    }

    #[test]
    fn the_next_opening_is_after_now() {
        let overnight = window("FREQ=DAILY;BYHOUR=19", 10);
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let next = overnight.next_opening(&berlin, "2026-11-27T18:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(next.to_string(), "2026-11-28T18:00:00Z");
    }

    #[test]
    fn a_window_that_opens_every_few_minutes_is_open_and_opens_again() {
        let often = window("FREQ=HOURLY;BYMINUTE=0,10,20,30,40,50", 1);
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-11-27T12:34:00Z".parse().unwrap();
        assert_eq!(open(&often, "Europe/Berlin", "2026-11-27T12:34:00Z").unwrap(), "2026-11-27T13:30:00Z");
        assert_eq!(often.next_opening(&berlin, now).unwrap().to_string(), "2026-11-27T12:40:00Z");
        // Two weeks of openings every five minutes are four thousand.
        let minutes: Vec<String> = (0..60).step_by(5).map(|minute| minute.to_string()).collect();
        let rule = format!("FREQ=HOURLY;BYMINUTE={}", minutes.join(","));
        assert_eq!(open(&window(&rule, 24 * 14), "UTC", "2026-11-27T12:34:00Z").unwrap(), "2026-12-11T12:30:00Z");
        // The last openings were on Friday, and each lasts for three weeks.
        let fridays = window(&format!("FREQ=WEEKLY;BYDAY=FR;BYHOUR=9,10;BYMINUTE={}", minutes.join(",")), 24 * 21);
        assert_eq!(open(&fridays, "UTC", "2026-12-03T12:00:00Z").unwrap(), "2026-12-18T10:55:00Z");
        let opening = fridays.next_opening(&TimeZone::UTC, "2026-12-03T12:00:00Z".parse().unwrap());
        assert_eq!(opening.unwrap().to_string(), "2026-12-04T09:00:00Z");
    }

    #[test]
    fn openings_follow_one_another() {
        let often = window("FREQ=DAILY;BYHOUR=8,9;BYMINUTE=0,30", 1);
        let openings = often.openings(&TimeZone::UTC, "2026-11-27T08:30:00Z".parse().unwrap());
        let openings: Vec<String> = openings.take(4).map(|at| at.strftime("%d %H:%M").to_string()).collect();
        assert_eq!(openings, ["27 09:00", "27 09:30", "28 08:00", "28 08:30"]);
    }

    #[test]
    fn what_opens_more_often_than_every_five_minutes_is_refused() {
        let of = |rule: &str| Window::parse(rule, SignedDuration::from_hours(1)).map(|_| ());
        let minutes = |step: usize| {
            let minutes: Vec<String> = (0..60).step_by(step).map(|minute| minute.to_string()).collect();
            minutes.join(",")
        };
        assert_eq!(of(&format!("FREQ=HOURLY;BYMINUTE={}", minutes(5))), Ok(()));
        let refused = of(&format!("FREQ=HOURLY;BYMINUTE={}", minutes(4))).unwrap_err().to_string();
        assert!(refused.contains("it opens 360 times a day"), "{refused}");
        assert_eq!(of(&format!("FREQ=HOURLY;INTERVAL=2;BYMINUTE={}", minutes(4))), Ok(()));
        assert_eq!(of(&format!("FREQ=DAILY;BYHOUR=1,2,2,1;BYMINUTE={}", minutes(1))), Ok(()));
        assert!(of(&format!("FREQ=DAILY;BYMINUTE={0};BYSECOND={0}", minutes(1))).is_err());
    }

    /// Occurrences as the rule has them when it is counted from its beginning, one after the other.
    fn counted_from_the_beginning(window: &Window) -> Vec<civil::DateTime> {
        let start = utc(ORIGIN).unwrap().with_timezone(&Tz::UTC);
        let set = window.rule.clone().build(start).unwrap();
        (&set).into_iter().filter_map(|at| wall(&at)).take_while(|at| at.year() < 2024).collect()
    }

    #[test]
    fn a_rhythm_is_the_same_wherever_counting_begins() {
        let rules = [
            "FREQ=DAILY;INTERVAL=3",
            "FREQ=DAILY;INTERVAL=5;BYHOUR=4,22",
            "FREQ=WEEKLY;BYDAY=MO,TU",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=WE",
            "FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,FR;BYHOUR=1",
            "FREQ=WEEKLY;INTERVAL=5",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH,SA;BYSETPOS=1",
            "FREQ=HOURLY;INTERVAL=5",
            "FREQ=HOURLY;INTERVAL=6",
            "FREQ=HOURLY;INTERVAL=9",
            "FREQ=MONTHLY;INTERVAL=2;BYDAY=2TU",
            "FREQ=MONTHLY;INTERVAL=5",
            "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=3",
            "FREQ=YEARLY",
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=3,11;BYDAY=SU",
            "FREQ=YEARLY;BYWEEKNO=1,20,52;BYDAY=TH",
        ];
        for rule in rules {
            let window = window(rule, 1);
            let all = counted_from_the_beginning(&window);
            for day in (0..1_000).step_by(17) {
                let from = ORIGIN.checked_add(SignedDuration::from_hours(24 * day + 13)).unwrap();
                let near = window.occurrences(from).unwrap().take(3);
                let near: Vec<_> = near.take_while(|at| at.year() < 2024).collect();
                let expected: Vec<_> = all.iter().copied().filter(|at| *at >= from).take(3).collect();
                assert_eq!(near, expected, "{rule} from {from}");
            }
        }
    }

    #[test]
    fn a_window_that_lasts_for_long_is_open_after_the_end_of_its_rule() {
        let fortnight = window("FREQ=DAILY;BYHOUR=9;UNTIL=20261120T120000Z", 24 * 14);
        // The last opening is that of the 20th.
        for now in ["2026-11-20T13:00:00Z", "2026-11-26T09:00:00Z", "2026-12-04T08:59:59Z"] {
            assert_eq!(open(&fortnight, "UTC", now).unwrap(), "2026-12-04T09:00:00Z", "{now}");
        }
        assert_eq!(open(&fortnight, "UTC", "2026-12-04T09:00:00Z"), None);
        assert_eq!(open(&fortnight, "UTC", "2029-01-01T00:00:00Z"), None);
        let next = fortnight.next_opening(&TimeZone::UTC, "2026-11-26T09:00:00Z".parse().unwrap());
        assert_eq!(next, None, "it opens no more");
        // The rule ended on the very day from which it is counted.
        let once = window("FREQ=DAILY;UNTIL=20200101T000000Z", 24 * 30);
        assert_eq!(open(&once, "UTC", "2020-01-30T00:00:00Z").unwrap(), "2020-01-31T00:00:00Z");
    }

    const RULES: &[&str] = &[
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=3;BYHOUR=4,22",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;BYHOUR=1",
        "FREQ=WEEKLY;BYDAY=SU",
        "FREQ=WEEKLY;BYDAY=MO,TU,SA;BYSETPOS=-2",
        "FREQ=HOURLY;INTERVAL=5",
        "FREQ=HOURLY;INTERVAL=24;BYMINUTE=0,30",
        "FREQ=MONTHLY;BYDAY=2TU;BYHOUR=2",
        "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=-1",
        "FREQ=YEARLY;BYMONTH=3,11;BYDAY=SU",
    ];

    const ZONES: &[&str] = &["UTC", "Europe/Berlin", "Asia/Tokyo", "America/Sao_Paulo"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Also where the rule has come to its end, a little or long ago.
        #[test]
        fn a_window_is_open_where_counting_all_its_openings_says_so(
            rule in proptest::sample::select(RULES),
            zone in proptest::sample::select(ZONES),
            lasts in 1_i64..60 * 24,
            end in proptest::option::of(0_i64..400 * 24),
            now in 0_i64..500 * 24 * 60,
        ) {
            let at = |hours: i64| ORIGIN.checked_add(SignedDuration::from_hours(hours)).unwrap();
            let until = end.map_or_else(String::new, |end| format!(";UNTIL={}Z", at(end).strftime("%Y%m%dT%H%M%S")));
            let window = window(&format!("{rule}{until}"), lasts);
            let zone = TimeZone::get(zone).unwrap();
            // Half of the time it is soon after the rule has ended.
            let from = end.filter(|_| now % 2 == 0).map_or(ORIGIN, at);
            let now = moment(&zone, from).unwrap() + SignedDuration::from_mins(if from == ORIGIN { now } else { now / 8 });
            let begun = counted_from_the_beginning(&window).into_iter().filter_map(|start| moment(&zone, start));
            let last = begun.filter(|start| *start <= now).max();
            let expected = last.map(|start| start + window.lasts()).filter(|end| now < *end);
            prop_assert_eq!(window.open_until(&zone, now), expected, "{} at {}", window.text(), now);
        }
    }

    #[test]
    fn a_window_says_what_it_is() {
        let overnight = window("FREQ=DAILY;BYHOUR=19", 10);
        assert_eq!(
            (overnight.text().as_str(), overnight.lasts()),
            ("FREQ=DAILY;BYHOUR=19", SignedDuration::from_hours(10))
        );
        assert_eq!(format!("{overnight:?}"), "Window(FREQ=DAILY;BYHOUR=19, PT10H)");
    }

    #[test]
    fn a_rule_has_512_characters_at_most() {
        let of = |length: usize| {
            let mut rule = "FREQ=DAILY;BYHOUR=1".to_owned();
            while rule.len() + 2 <= length {
                rule += ",1";
            }
            rule.replace("BYHOUR=1", if rule.len() < length { "BYHOUR=01" } else { "BYHOUR=1" })
        };
        let read = |length: usize| {
            assert_eq!(of(length).len(), length);
            Window::parse(&of(length), SignedDuration::from_hours(1)).map(|_| ())
        };
        assert_eq!(read(511), Ok(()));
        assert_eq!(read(512), Ok(()));
        assert!(read(513).unwrap_err().to_string().contains("512 characters"));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["", "DAILY", "FREQ=SOMETIMES", "FREQ=SECONDLY", "FREQ=DAILY;COUNT=3", "FREQ=DAILY;BYHOUR=25"] {
            assert!(Window::parse(text, SignedDuration::from_hours(1)).is_err(), "{text}");
        }
    }
}
