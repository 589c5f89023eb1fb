//! Recurrence rules (RFC 5545, section 3.3.10), expanded in wall time: when something that repeats happens.

use chrono::{DateTime, Datelike, Days, Months, TimeZone as _, Timelike, Utc};
use jiff::civil;
use rrule::{Frequency, RRule, Tz, Unvalidated};
use smol_str::SmolStr;

/// Something that repeats from a beginning on, in the wall time of wherever it happens.
#[derive(Clone, Debug)]
pub struct Recurrence {
    rule: RRule<Unvalidated>,
    start: civil::DateTime,
}

/// Why a rule is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no recurrence rule: {why}")]
pub struct RecurrenceError {
    /// What is wrong with it.
    pub why: SmolStr,
}

impl Recurrence {
    /// Reads a rule (`FREQ=WEEKLY;BYDAY=TU`) of something that happened first at `start`, and not after `until`, both in wall
    /// time. An `UNTIL` in the rule itself is overruled by it.
    ///
    /// What happens more often than hourly is refused: nobody means it, and to count it takes for ever.
    pub fn parse(
        rule: &str,
        start: civil::DateTime,
        until: Option<civil::DateTime>,
    ) -> Result<Recurrence, RecurrenceError> {
        let wrong = |why: String| RecurrenceError { why: why.into() };
        let mut rule: RRule<Unvalidated> = rule.parse().map_err(|error: rrule::RRuleError| wrong(error.to_string()))?;
        if matches!(rule.get_freq(), Frequency::Secondly | Frequency::Minutely) {
            return Err(wrong("it repeats more often than hourly".into()));
        }
        if rule.get_interval() == 0 {
            return Err(wrong("INTERVAL is 1 at the least".into()));
        }
        if let Some(until) = until {
            let until = utc(until).ok_or_else(|| wrong("its end is no time".into()))?;
            rule = rule.until(until.with_timezone(&Tz::UTC));
        }
        let begins = utc(start).ok_or_else(|| wrong("its beginning is no time".into()))?;
        rule.clone().validate(begins.with_timezone(&Tz::UTC)).map_err(|error| wrong(error.to_string()))?;
        Ok(Recurrence { rule, start })
    }

    /// When it happens from `from` on and not after `to`, in wall time: the first `most` times at the most.
    pub fn between(&self, from: civil::DateTime, to: civil::DateTime, most: u16) -> Vec<civil::DateTime> {
        let moments = utc(self.start).zip(utc(from)).zip(utc(to));
        let Some(((start, from), to)) = moments else { return Vec::new() };
        let start = start_near(&self.rule, start, from);
        // It fails where the rule has come to its end before.
        let Ok(set) = self.rule.clone().build(start.with_timezone(&Tz::UTC)) else { return Vec::new() };
        let set = set.after(from.with_timezone(&Tz::UTC)).before(to.with_timezone(&Tz::UTC));
        set.all(most).dates.into_iter().filter_map(|at| wall(&at)).collect()
    }
}

/// Where counting may begin to find when a rule of something that first happened at `start` happens from `from` on: a moment of its
/// own rhythm that is one whole period before `from` and less than two, so that years need not be counted day by day. `start` itself
/// where that is no earlier, where the rule counts how often it happens, and where it is monthly or yearly and begins on a day that
/// not every month has.
///
/// One period has to lie between: the first week that is counted is half a week, whose first day (`BYSETPOS`) is another one.
pub(crate) fn start_near(rule: &RRule<Unvalidated>, start: DateTime<Utc>, from: DateTime<Utc>) -> DateTime<Utc> {
    let interval = u32::from(rule.get_interval()).max(1);
    let whole = |since: i64, period: u32| {
        u32::try_from(since).map_or(0, |since| since.saturating_sub(period) / period * period)
    };
    let days = |period: u32| start.checked_add_days(Days::new(whole((from - start).num_days(), period).into()));
    let months = |period: u32| {
        let since = (from.year() - start.year()) * 12 + from.month0().cast_signed() - start.month0().cast_signed();
        start.checked_add_months(Months::new(whole(since.into(), period)))
    };
    let near = match rule.get_freq() {
        _ if rule.get_count().is_some() => None,
        // `interval` days have 24 times `interval` hours: both rhythms come round in them.
        Frequency::Hourly | Frequency::Daily => days(interval),
        Frequency::Weekly => days(interval * 7),
        Frequency::Monthly | Frequency::Yearly if start.day() > 28 => None,
        Frequency::Monthly => months(interval),
        Frequency::Yearly => months(interval * 12),
        Frequency::Secondly | Frequency::Minutely => None,
    };
    near.unwrap_or(start)
}

/// Wall time as if it were UTC: rules are expanded without a zone.
pub(crate) fn utc(local: civil::DateTime) -> Option<DateTime<Utc>> {
    Utc.with_ymd_and_hms(
        local.year().into(),
        local.month().unsigned_abs().into(),
        local.day().unsigned_abs().into(),
        local.hour().unsigned_abs().into(),
        local.minute().unsigned_abs().into(),
        local.second().unsigned_abs().into(),
    )
    .single()
}

/// And back.
pub(crate) fn wall(at: &DateTime<Tz>) -> Option<civil::DateTime> {
    let part = |number: u32| i8::try_from(number).ok();
    civil::DateTime::new(
        i16::try_from(at.year()).ok()?,
        part(at.month())?,
        part(at.day())?,
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
        0,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use jiff::SignedDuration;

    fn at(text: &str) -> civil::DateTime {
        text.parse().unwrap()
    }

    fn days(rule: &str, start: &str, until: Option<&str>, from: &str, to: &str) -> Vec<String> {
        let recurrence = Recurrence::parse(rule, at(start), until.map(at)).unwrap();
        recurrence.between(at(from), at(to), 100).iter().map(|at| at.strftime("%d %H:%M").to_string()).collect()
    }

    #[test]
    fn what_repeats_happens_in_its_own_rhythm_years_later() {
        let fortnight = days(
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH",
            "2019-01-01T10:00",
            None,
            "2026-11-01T00:00",
            "2026-11-30T00:00",
        );
        // Counted from 1 January 2019, a Tuesday: 409 weeks and 2 days before 5 November 2026.
        let weeks = |day: i8| (civil::date(2026, 11, day) - civil::date(2018, 12, 31)).get_days() / 7;
        let expected: Vec<String> = [3, 5, 10, 12, 17, 19, 24, 26]
            .into_iter()
            .filter(|day| weeks(*day) % 2 == 0)
            .map(|day| format!("{day:02} 10:00"))
            .collect();
        assert_eq!(fortnight, expected);
        assert_eq!(fortnight.len(), 4);

        let every_five_hours =
            days("FREQ=HOURLY;INTERVAL=5", "2020-01-01T00:00", None, "2026-11-26T00:00", "2026-11-26T12:00");
        let hours = (civil::date(2026, 11, 26) - civil::date(2020, 1, 1)).get_days() * 24;
        let first = (5 - hours % 5) % 5;
        assert_eq!(every_five_hours[0], format!("26 {first:02}:00"));
    }

    /// How long a rule's rhythm takes to come round.
    enum Period {
        Days(i64),
        Months(i32),
    }

    #[test]
    fn counting_begins_a_period_before_and_no_two_and_in_the_rules_own_rhythm() {
        let rules = [
            ("FREQ=HOURLY;BYDAY=MO", Period::Days(1)),
            ("FREQ=HOURLY;INTERVAL=5", Period::Days(5)),
            ("FREQ=DAILY;INTERVAL=3;BYHOUR=4,22", Period::Days(3)),
            ("FREQ=WEEKLY;BYDAY=MO,TH", Period::Days(7)),
            ("FREQ=WEEKLY;INTERVAL=2;UNTIL=20201231T000000Z", Period::Days(14)),
            ("FREQ=MONTHLY;BYDAY=2TU", Period::Months(1)),
            ("FREQ=MONTHLY;INTERVAL=5", Period::Months(5)),
            ("FREQ=YEARLY;BYWEEKNO=20", Period::Months(12)),
            ("FREQ=YEARLY;INTERVAL=2", Period::Months(24)),
        ];
        for start in ["2020-01-01T00:00", "2019-06-28T10:30", "2018-12-16T23:59:59"] {
            let start = utc(at(start)).unwrap();
            for (text, period) in &rules {
                let rule: RRule<Unvalidated> = text.parse().unwrap();
                for hours in (-1_000..80_000).step_by(307) {
                    let from = start + TimeDelta::hours(hours);
                    let near = start_near(&rule, start, from);
                    let month = |at: DateTime<Utc>| at.year() * 12 + at.month0().cast_signed();
                    // How long it is before, and how far from where the rule begins, in days or months; and how long a period is.
                    let (before, moved, whole) = match *period {
                        Period::Days(days) => {
                            assert_eq!(near.time(), start.time());
                            ((from - near).num_days(), (near - start).num_days(), days)
                        }
                        Period::Months(months) => {
                            assert_eq!((near.day(), near.time()), (start.day(), start.time()));
                            ((month(from) - month(near)).into(), (month(near) - month(start)).into(), months.into())
                        }
                    };
                    let said = format!("{text} from {start}: {near} for {from}");
                    assert!(moved >= 0 && moved % whole == 0, "{said}");
                    assert!(before < 2 * whole && (before >= whole || near == start), "{said}");
                }
            }
        }
    }

    #[test]
    fn what_can_not_begin_later_is_counted_from_its_beginning() {
        let far = utc(at("2026-11-26T00:00")).unwrap();
        let near = |rule: &str, start: &str| {
            let start = utc(at(start)).unwrap();
            start_near(&rule.parse().unwrap(), start, far) != start
        };
        // What is counted by number; and a day that not every month has, though the rule may name others.
        assert!(!near("FREQ=DAILY;COUNT=3000", "2020-01-01T09:00"));
        for (day, moves) in [("28", true), ("29", false), ("31", false)] {
            for rule in ["FREQ=MONTHLY", "FREQ=MONTHLY;BYDAY=1MO", "FREQ=YEARLY"] {
                assert_eq!(near(rule, &format!("2020-01-{day}T09:00")), moves, "{rule} from the {day}th");
            }
            assert!(near("FREQ=DAILY", &format!("2020-01-{day}T09:00")));
        }
    }

    #[test]
    fn what_repeats_happens_then_as_it_does_when_it_is_counted_from_its_beginning() {
        let rules = [
            "FREQ=HOURLY;INTERVAL=5",
            "FREQ=HOURLY;INTERVAL=7;BYMINUTE=0,45;BYDAY=SA",
            "FREQ=DAILY",
            "FREQ=DAILY;INTERVAL=3;BYHOUR=9,17;BYSETPOS=-1",
            "FREQ=DAILY;INTERVAL=2;UNTIL=20200310T090000Z",
            "FREQ=DAILY;COUNT=700",
            "FREQ=WEEKLY",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU;COUNT=70",
            "FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1",
            "FREQ=MONTHLY",
            "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=-1",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "FREQ=YEARLY",
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=3,11;BYDAY=1SU",
            "FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=TH",
        ];
        // A Wednesday, a Sunday at the end of its year, and days that few months or years have.
        for start in ["2019-01-02T10:00", "2018-12-30T23:30", "2019-01-31T08:15", "2016-02-29T09:00"] {
            for rule in rules {
                let recurrence = Recurrence::parse(rule, at(start), None).unwrap();
                let set = recurrence.rule.clone().build(utc(at(start)).unwrap().with_timezone(&Tz::UTC)).unwrap();
                let all = (&set).into_iter().filter_map(|at| wall(&at)).take_while(|at| at.year() < 2026);
                let all: Vec<civil::DateTime> = all.collect();
                for hours in (0..24 * 1_200).step_by(24 * 5 + 7) {
                    let from = at(start).checked_add(SignedDuration::from_hours(hours)).unwrap();
                    let next = recurrence.between(from, at("2025-12-31T23:59:59"), 3);
                    let expected: Vec<_> = all.iter().copied().filter(|at| *at >= from).take(3).collect();
                    assert_eq!(next, expected, "{rule} from {start}, at {from}");
                }
            }
        }
    }

    #[test]
    fn an_end_is_an_end() {
        let from = ("2026-11-01T00:00", "2026-11-30T00:00");
        assert_eq!(
            days("FREQ=DAILY", "2020-01-01T09:00", Some("2026-11-02T09:00"), from.0, from.1),
            ["01 09:00", "02 09:00"]
        );
        assert_eq!(
            days("FREQ=DAILY", "2020-01-01T09:00", Some("2020-11-02T09:00"), from.0, from.1),
            Vec::<String>::new()
        );
        // 2,497 days, the last of which is 1 November 2026.
        let count = (civil::date(2026, 11, 1) - civil::date(2020, 1, 1)).get_days() + 1;
        let counted = days(&format!("FREQ=DAILY;COUNT={count}"), "2020-01-01T09:00", None, from.0, from.1);
        assert_eq!(counted, ["01 09:00"]);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for rule in ["", "DAILY", "FREQ=SECONDLY", "FREQ=MINUTELY", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;BYHOUR=25"] {
            assert!(Recurrence::parse(rule, at("2026-01-01T00:00"), None).is_err(), "{rule}");
        }
    }
}
