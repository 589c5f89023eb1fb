//! From the text of a calendar (iCalendar, RFC 5545) to whole days: holidays, closed quarters, days on which nothing may be changed.
//!
//! A freeze is of whole days in each device's own zone, as a holiday is. An event with times of day takes each day that it touches,
//! as it is written: too much of a freeze is on the safe side.

use calcard::{
    Entry, Parser,
    common::PartialDateTime,
    icalendar::{
        ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarParameterName, ICalendarPeriod,
        ICalendarProperty, ICalendarRecurrenceRule, ICalendarStatus, ICalendarValue,
    },
};
use jiff::{
    SignedDuration, ToSpan as _,
    civil::{Date, DateTime, Time},
};
use refit_model::Recurrence;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How often one event is counted.
const OCCURRENCES_MOST: u16 = 1_000;
/// So long an event may last: what is longer is no freeze but a mistake, mostly of a year.
const DAYS_MOST: i32 = 366;

/// Days that a calendar gives a name to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Days {
    /// The first.
    pub from: Date,
    /// The last.
    pub to: Date,
    /// What the calendar calls them.
    pub name: String,
    /// The categories that it puts them in.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub categories: BTreeSet<String>,
}

/// What can't be read of a calendar.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftOut {
    /// The event, by its name or its id.
    pub event: String,
    /// What is wrong with it.
    pub why: String,
}

/// What a calendar says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The days, in their order.
    pub days: Vec<Days>,
    /// What can't be read.
    pub left_out: Vec<LeftOut>,
    /// How many events it has.
    pub events: usize,
}

/// The days of a calendar from the one date to the other, both included. `None` where the text is no calendar.
pub fn days(text: &str, from: Date, to: Date) -> Option<Found> {
    let (mut found, mut calendars) = (Found::default(), 0);
    let mut series: BTreeMap<String, Series> = BTreeMap::new();
    let mut parser = Parser::new(text);
    loop {
        match parser.entry() {
            Entry::Eof => break,
            Entry::ICalendar(calendar) => {
                calendars += 1;
                gather(&calendar, &mut series, &mut found);
            }
            _ => {}
        }
    }
    for series in series.values() {
        series.expand(from, to, &mut found.days);
    }
    found.days.sort();
    found.days.dedup();
    found.left_out.sort();
    (calendars > 0).then_some(found)
}

/// The events of one calendar object.
fn gather(calendar: &ICalendar, series: &mut BTreeMap<String, Series>, found: &mut Found) {
    let events = calendar.components.iter().filter(|part| part.component_type == ICalendarComponentType::VEvent);
    for component in events {
        found.events += 1;
        match Event::read(component) {
            Ok(event) => {
                let uid = event.uid.clone().unwrap_or_else(|| format!("\n{}", found.events));
                let series = series.entry(uid).or_default();
                if event.replaces.is_some() { series.exceptions.push(event) } else { series.masters.push(event) }
            }
            Err(left_out) => found.left_out.push(left_out),
        }
    }
}

/// An event and what is different on some of its days.
#[derive(Debug, Default)]
struct Series {
    masters: Vec<Event>,
    exceptions: Vec<Event>,
}

/// One event as it is written.
#[derive(Debug)]
struct Event {
    uid: Option<String>,
    name: String,
    categories: BTreeSet<String>,
    cancelled: bool,
    start: DateTime,
    /// How many days it touches beyond the first.
    more: i32,
    rule: Option<Recurrence>,
    /// Further days on which it begins, and on which it does not.
    dates: Vec<Date>,
    without: BTreeSet<Date>,
    /// Which day of its series it stands for.
    replaces: Option<Date>,
}

impl Series {
    fn expand(&self, from: Date, to: Date, days: &mut Vec<Days>) {
        let mut add = |event: &Event, first: Date| {
            let last = first.checked_add(event.more.days()).unwrap_or(first);
            if !event.cancelled && first <= to && from <= last {
                let (name, categories) = (event.name.clone(), event.categories.clone());
                days.push(Days { from: first, to: last, name, categories });
            }
        };
        let replaced: BTreeSet<Date> = self.exceptions.iter().filter_map(|event| event.replaces).collect();
        for master in &self.masters {
            let firsts = master.firsts(from, to);
            let firsts = firsts.iter().filter(|day| !master.without.contains(day) && !replaced.contains(day));
            firsts.for_each(|first| add(master, *first));
        }
        self.exceptions.iter().for_each(|event| add(event, event.start.date()));
    }
}

impl Event {
    /// The days on which it begins, as far as it can reach into those from `from` to `to`.
    fn firsts(&self, from: Date, to: Date) -> BTreeSet<Date> {
        let begin = from.checked_sub(self.more.days()).unwrap_or(Date::MIN).at(0, 0, 0, 0);
        let end = to.at(23, 59, 59, 0);
        let repeated = self.rule.iter().flat_map(|rule| rule.between(begin, end, OCCURRENCES_MOST));
        repeated.map(DateTime::date).chain(self.dates.iter().copied()).chain([self.start.date()]).collect()
    }

    fn read(component: &ICalendarComponent) -> Result<Event, LeftOut> {
        let (mut uid, mut name, mut start, mut end, mut lasts) = (None, None, None, None, None);
        let (mut rule, mut replaces, mut cancelled) = (None, None, false);
        let (mut categories, mut dates, mut without) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        let mut wrong: Option<&str> = None;
        for entry in &component.entries {
            let first = entry.values.first();
            let points = || entry.values.iter().filter_map(point);
            match &entry.name {
                ICalendarProperty::Uid => uid = text(first).map(str::to_owned),
                ICalendarProperty::Summary => name = text(first).map(|text| text.trim().to_owned()),
                ICalendarProperty::Categories => {
                    categories.extend(entry.values.iter().filter_map(|value| text(Some(value))).map(str::to_owned));
                }
                ICalendarProperty::Dtstart => start = points().next(),
                ICalendarProperty::Dtend => end = points().next(),
                ICalendarProperty::Duration => match first {
                    Some(ICalendarValue::Duration(length)) if !length.neg => {
                        let days = i64::from(length.weeks) * 7 + i64::from(length.days);
                        let seconds = i64::from(length.hours) * 3600 + i64::from(length.minutes) * 60;
                        lasts = Some(days * 86_400 + seconds + i64::from(length.seconds));
                    }
                    _ => wrong = Some("its duration is none"),
                },
                ICalendarProperty::Rrule => match first {
                    Some(ICalendarValue::RecurrenceRule(found)) => rule = Some(found.as_ref().clone()),
                    _ => wrong = Some("how it repeats is not understood"),
                },
                ICalendarProperty::RecurrenceId => {
                    replaces = points().next().map(DateTime::date);
                    if replaces.is_none() || entry.params.iter().any(|it| it.name == ICalendarParameterName::Range) {
                        wrong = Some("which of its days it stands for is not understood");
                    }
                }
                ICalendarProperty::Rdate => dates.extend(points().map(DateTime::date)),
                ICalendarProperty::Exdate => without.extend(points().map(DateTime::date)),
                ICalendarProperty::Status => {
                    cancelled = first == Some(&ICalendarValue::Status(ICalendarStatus::Cancelled));
                }
                _ => {}
            }
        }
        let name = name.filter(|name| !name.is_empty()).or_else(|| uid.clone()).unwrap_or_else(|| "no name".to_owned());
        let left_out = |why: &str| LeftOut { event: name.clone(), why: why.to_owned() };
        if let Some(why) = wrong {
            return Err(left_out(why));
        }
        let Some(start) = start else { return Err(left_out("it has no first day")) };
        let end = match (end, lasts) {
            // The last moment is not a part of it: a day as a whole ends with the next, and midnight is of the day before.
            (Some(end), _) => end.checked_sub(SignedDuration::from_secs(1)).unwrap_or(end),
            (None, Some(seconds)) => {
                let last = SignedDuration::from_secs((seconds - 1).max(0));
                start.checked_add(last).map_err(|_| left_out("it lasts longer than a year"))?
            }
            (None, None) => start,
        };
        let more = start.date().until(end.date()).map_or(0, |span| span.get_days()).max(0);
        if more >= DAYS_MOST {
            return Err(left_out("it lasts longer than a year"));
        }
        let rule = match rule {
            Some(rule) => Some(recurrence(rule, start).ok_or_else(|| left_out("how it repeats is not understood"))?),
            None => None,
        };
        Ok(Event { uid, name, categories, cancelled, start, more, rule, dates, without, replaces })
    }
}

/// A rule whose end is in wall time, as its beginning is: in files it is in UTC, or a day.
fn recurrence(mut rule: ICalendarRecurrenceRule, start: DateTime) -> Option<Recurrence> {
    let until = match rule.until.take() {
        None => None,
        // The whole of its last day, wherever that is.
        Some(until) => Some(wall(&until)?.date().at(23, 59, 59, 0)),
    };
    // What ended before it began happens once.
    if until.is_some_and(|until| until < start) {
        return Recurrence::parse("FREQ=DAILY;COUNT=1", start, None).ok();
    }
    Recurrence::parse(&rule.to_string(), start, until).ok()
}

/// A point in time as it is written; the beginning of a day as a whole.
fn point(value: &ICalendarValue) -> Option<DateTime> {
    match value {
        ICalendarValue::PartialDateTime(at) => wall(at),
        ICalendarValue::Period(ICalendarPeriod::Range { start, .. } | ICalendarPeriod::Duration { start, .. }) => {
            wall(start)
        }
        _ => None,
    }
}

fn wall(at: &PartialDateTime) -> Option<DateTime> {
    let part = |part: Option<u8>| i8::try_from(part?).ok();
    let date = Date::new(i16::try_from(at.year?).ok()?, part(at.month)?, part(at.day)?).ok()?;
    let Some(hour) = at.hour else { return Some(date.to_datetime(Time::midnight())) };
    // A leap second is the second before it.
    let (minute, second) = (at.minute.unwrap_or_default(), at.second.unwrap_or_default().min(59));
    let time = Time::new(part(Some(hour))?, part(Some(minute))?, part(Some(second))?, 0).ok()?;
    Some(date.to_datetime(time))
}

fn text(value: Option<&ICalendarValue>) -> Option<&str> {
    match value {
        Some(ICalendarValue::Text(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
#[path = "calendar_days_tests.rs"]
mod tests;
