//! Points in time as calendars write them, and the zones in which they are.

use calcard::{
    common::{PartialDateTime, timezone::Tz},
    icalendar::{
        ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarDuration, ICalendarEntry, ICalendarFrequency,
        ICalendarPeriod, ICalendarProperty, ICalendarRecurrenceRule, ICalendarValue, ICalendarWeekday,
        timezone::TzResolver,
    },
};
use jiff::{
    SignedDuration, Timestamp, civil,
    tz::{Offset, TimeZone},
};
use std::collections::BTreeMap;

/// One of the times of something that repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    At(Timestamp),
    /// Whenever it is on that day.
    On(civil::Date),
}

/// A point in time as it is written.
#[derive(Clone, Debug)]
pub enum When {
    Day(civil::Date),
    Moment(civil::DateTime, TimeZone),
}

impl When {
    pub fn moment(self) -> Option<Timestamp> {
        match self {
            When::Day(_) => None,
            When::Moment(at, zone) => moment(at, &zone),
        }
    }

    pub fn occasion(self) -> Option<Occasion> {
        match self {
            When::Day(day) => Some(Occasion::On(day)),
            When::Moment(at, zone) => moment(at, &zone).map(Occasion::At),
        }
    }
}

/// What the names of zones mean in one calendar.
pub struct Zones<'a> {
    named: TzResolver<&'a str>,
    defined: BTreeMap<&'a str, TimeZone>,
    local: &'a TimeZone,
}

impl<'a> Zones<'a> {
    /// The zones of a calendar in which times without one are those of `local`.
    pub fn of(calendar: &'a ICalendar, local: &'a TimeZone) -> Zones<'a> {
        let defined = calendar.timezones().filter_map(|zone| Some((name(zone)?, defined(calendar, zone)?)));
        Zones { named: calendar.build_tz_resolver(), defined: defined.collect(), local }
    }

    pub fn when(&self, entry: &ICalendarEntry, value: &ICalendarValue) -> Option<When> {
        match value {
            ICalendarValue::PartialDateTime(at) => self.point(at, entry.tz_id()),
            _ => None,
        }
    }

    /// A further time of something that repeats.
    pub fn date(&self, entry: &ICalendarEntry, value: &ICalendarValue) -> Option<(Timestamp, Option<SignedDuration>)> {
        let at = |at: &PartialDateTime| self.point(at, entry.tz_id())?.moment();
        match value {
            ICalendarValue::PartialDateTime(start) => Some((at(start)?, None)),
            ICalendarValue::Period(ICalendarPeriod::Range { start, end }) => {
                let start = at(start)?;
                Some((start, Some(at(end)?.duration_since(start))))
            }
            ICalendarValue::Period(ICalendarPeriod::Duration { start, duration: length }) => {
                Some((at(start)?, duration(length)))
            }
            _ => None,
        }
    }

    pub fn point(&self, at: &PartialDateTime, zone: Option<&str>) -> Option<When> {
        if at.hour.is_none() {
            let part = |part: Option<u8>| i8::try_from(part?).ok();
            let date = civil::Date::new(i16::try_from(at.year?).ok()?, part(at.month)?, part(at.day)?).ok()?;
            return Some(When::Day(date));
        }
        let wall = wall(at)?;
        let zone = match at.tz_hour {
            None => self.zone(zone),
            Some(hours) => {
                let seconds = i32::from(hours) * 3_600 + i32::from(at.tz_minute.unwrap_or_default()) * 60;
                TimeZone::fixed(Offset::from_seconds(if at.tz_minus { -seconds } else { seconds }).ok()?)
            }
        };
        Some(When::Moment(wall, zone))
    }

    /// A zone by its name: one of the time zone database, also behind a prefix of the program that wrote it, or one of Windows; else as
    /// the calendar defines it. One that nobody knows is the machine's own.
    fn zone(&self, name: Option<&str>) -> TimeZone {
        let Some(name) = name else { return self.local.clone() };
        let known = match self.named.resolve(name) {
            Some(Tz::Tz(zone)) => TimeZone::get(zone.name()).ok(),
            Some(Tz::Fixed(offset)) => Offset::from_seconds(offset.local_minus_utc()).ok().map(TimeZone::fixed),
            Some(Tz::Floating) => None,
            // `/freeassociation.sourceforge.net/Europe/Berlin`
            None => name.match_indices('/').find_map(|(at, _)| TimeZone::get(name.get(at + 1..)?).ok()),
        };
        known.or_else(|| self.defined.get(name).cloned()).unwrap_or_else(|| self.local.clone())
    }
}

fn name(zone: &ICalendarComponent) -> Option<&str> {
    let name = zone.entries.iter().find(|entry| entry.name == ICalendarProperty::Tzid)?;
    match name.values.first() {
        Some(ICalendarValue::Text(name)) => Some(name),
        _ => None,
    }
}

/// A zone as a calendar defines it, where that can be said as POSIX does: an offset, or two that change on a weekday of a month each
/// year (<https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html>, section 8.3). What was so in earlier years
/// is left out.
fn defined(calendar: &ICalendar, zone: &ICalendarComponent) -> Option<TimeZone> {
    let parts = zone.component_ids.iter().filter_map(|id| calendar.components.get(usize::try_from(*id).ok()?));
    let parts: Vec<Observance> = parts.filter_map(Observance::read).collect();
    let newest =
        |daylight: bool| parts.iter().filter(|part| part.is_daylight == daylight).max_by_key(|part| part.since);
    let standard = newest(false)?;
    let text = match newest(true) {
        None => format!("<STD>{}", standard.offset),
        Some(daylight) => {
            let (begins, ends) = (daylight.change.as_ref()?, standard.change.as_ref()?);
            format!("<STD>{}<DST>{},{begins},{ends}", standard.offset, daylight.offset)
        }
    };
    TimeZone::posix(&text).ok()
}

/// Standard time or daylight saving of a zone.
struct Observance {
    is_daylight: bool,
    since: civil::DateTime,
    /// As POSIX writes it: west of Greenwich.
    offset: String,
    /// When it begins each year (`M3.5.0/02:00:00`).
    change: Option<String>,
}

impl Observance {
    fn read(part: &ICalendarComponent) -> Option<Observance> {
        let is_daylight = match part.component_type {
            ICalendarComponentType::Standard => false,
            ICalendarComponentType::Daylight => true,
            _ => return None,
        };
        let (mut since, mut offset, mut rule) = (None, None, None);
        for entry in &part.entries {
            match (&entry.name, entry.values.first()) {
                (ICalendarProperty::Dtstart, Some(ICalendarValue::PartialDateTime(at))) => since = wall(at),
                (ICalendarProperty::Tzoffsetto, Some(ICalendarValue::PartialDateTime(at))) => {
                    let sign = if at.tz_minus { '+' } else { '-' };
                    offset = Some(format!("{sign}{:02}:{:02}", at.tz_hour?, at.tz_minute.unwrap_or_default()));
                }
                (ICalendarProperty::Rrule, Some(ICalendarValue::RecurrenceRule(is))) => rule = Some(is),
                _ => {}
            }
        }
        let (since, offset) = (since?, offset?);
        Some(Observance { is_daylight, since, offset, change: rule.and_then(|rule| change(rule, since)) })
    }
}

/// A rule for each year, as POSIX writes it: on the last Sunday of March, for instance.
fn change(rule: &ICalendarRecurrenceRule, since: civil::DateTime) -> Option<String> {
    let ([month], [day]) = (&rule.bymonth[..], &rule.byday[..]) else { return None };
    if rule.freq != ICalendarFrequency::Yearly || rule.until.is_some() || !rule.bymonthday.is_empty() {
        return None;
    }
    let week = match day.ordwk? {
        -1 => 5,
        week @ 1..=4 => week,
        _ => return None,
    };
    let weekday = match day.weekday {
        ICalendarWeekday::Sunday => 0,
        ICalendarWeekday::Monday => 1,
        ICalendarWeekday::Tuesday => 2,
        ICalendarWeekday::Wednesday => 3,
        ICalendarWeekday::Thursday => 4,
        ICalendarWeekday::Friday => 5,
        ICalendarWeekday::Saturday => 6,
    };
    Some(format!("M{}.{week}.{weekday}/{}", month.month(), since.strftime("%H:%M:%S")))
}

/// A date with a time, without its zone.
fn wall(at: &PartialDateTime) -> Option<civil::DateTime> {
    let part = |part: u8| i8::try_from(part).ok();
    let date = civil::Date::new(i16::try_from(at.year?).ok()?, part(at.month?)?, part(at.day?)?).ok()?;
    // A leap second is the second before it.
    let second = at.second.unwrap_or_default().min(59);
    let time = civil::Time::new(part(at.hour?)?, part(at.minute.unwrap_or_default())?, part(second)?, 0).ok()?;
    Some(date.to_datetime(time))
}

/// A moment that daylight saving skips is the one an hour later; of one that comes twice the first counts.
pub fn moment(at: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(at).compatible().ok()
}

/// A length of time; none where it is negative.
pub fn duration(length: &ICalendarDuration) -> Option<SignedDuration> {
    let days = i64::from(length.weeks).checked_mul(7)?.checked_add(i64::from(length.days))?;
    let minutes = i64::from(length.hours).checked_mul(60)?.checked_add(i64::from(length.minutes))?;
    let seconds =
        days.checked_mul(86_400)?.checked_add(minutes.checked_mul(60)?)?.checked_add(length.seconds.into())?;
    (!length.neg).then(|| SignedDuration::from_secs(seconds))
}
