//! Recurrence rules (RFC 5545, section 3.3.10), expanded in wall time: when something that repeats happens.

use chrono::{DateTime, Datelike, Days, TimeZone as _, Timelike, Utc};
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
        let start = self.start_near(start, from).unwrap_or(start);
        // It fails where the rule has come to its end before.
        let Ok(set) = self.rule.clone().build(start.with_timezone(&Tz::UTC)) else { return Vec::new() };
        let set = set.after(from.with_timezone(&Tz::UTC)).before(to.with_timezone(&Tz::UTC));
        set.all(most).dates.into_iter().filter_map(|at| wall(&at)).collect()
    }

    /// A moment of the rule's own rhythm before `from`, so that years need not be counted day by day. With COUNT they have to be.
    fn start_near(&self, start: DateTime<Utc>, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let interval = u64::from(self.rule.get_interval());
        // `interval` days have 24 times `interval` hours: both rhythms come round in them.
        let step = match self.rule.get_freq() {
            Frequency::Hourly | Frequency::Daily => interval,
            Frequency::Weekly => interval * 7,
            _ => return None,
        };
        if self.rule.get_count().is_some() {
            return None;
        }
        let days = u64::try_from((from - start).num_days()).ok()?.saturating_sub(2 * step);
        start.checked_add_days(Days::new(days / step * step))
    }
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
