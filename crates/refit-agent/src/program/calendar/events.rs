//! From the text of a calendar (iCalendar, RFC 5545) to the times in which its owner is busy.
//!
//! An appointment is an event with a time of day that is neither cancelled nor marked as free. Days as a whole are none: holidays
//! and birthdays keep nobody from anything. Who takes part is not looked at, since a file does not say whose it is.

use super::zones::{Occasion, When, Zones, duration, moment};
use calcard::{
    Entry, Parser,
    icalendar::{
        ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarParameterName, ICalendarProperty,
        ICalendarRecurrenceRule, ICalendarStatus, ICalendarTransparency, ICalendarValue,
    },
};
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use refit_model::Recurrence;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A time in which somebody is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Appointment {
    /// From then on,
    pub from: Timestamp,
    /// until before then.
    pub to: Timestamp,
}

/// What a calendar says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Times in which its owner is busy, that reach into the span that was asked for.
    pub busy: Vec<Appointment>,
    /// How many events it has.
    pub events: usize,
    /// How many of them are not understood, at least in part.
    pub not_understood: usize,
}

/// There was no time to go through all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfTime;

/// How often one event is counted in one span.
const OCCURRENCES_MOST: u16 = 1_000;

/// The appointments of a calendar that reach into `span`. Times without a zone are those of `local`; `has_time` is asked before
/// each event.
///
/// What can't be read of an event is left out and counted; the others are read all the same.
pub fn appointments(
    text: &str,
    local: &TimeZone,
    span: Appointment,
    has_time: impl Fn() -> bool,
) -> Result<Found, OutOfTime> {
    let mut found = Found::default();
    let mut series: BTreeMap<String, Series> = BTreeMap::new();
    let mut parser = Parser::new(text);
    loop {
        if !has_time() {
            return Err(OutOfTime);
        }
        match parser.entry() {
            Entry::Eof => break,
            Entry::ICalendar(calendar) => gather(&calendar, local, &mut series, &mut found),
            _ => {}
        }
    }
    for series in series.into_values() {
        if !has_time() {
            return Err(OutOfTime);
        }
        series.expand(span, &mut found.busy);
    }
    Ok(found)
}

/// The events of one calendar object.
fn gather(calendar: &ICalendar, local: &TimeZone, series: &mut BTreeMap<String, Series>, found: &mut Found) {
    let zones = Zones::of(calendar, local);
    let events = calendar.components.iter().filter(|part| part.component_type == ICalendarComponentType::VEvent);
    for component in events {
        found.events += 1;
        let (event, is_whole) = Event::read(component, &zones);
        found.not_understood += usize::from(!is_whole);
        let Some(event) = event else { continue };
        let of = series.entry(event.uid.clone().unwrap_or_else(|| format!("\n{}", found.events))).or_default();
        if event.replaces.is_some() { of.exceptions.push(event) } else { of.masters.push(event) }
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
    /// `None` is: a day as a whole.
    begins: Option<(civil::DateTime, TimeZone)>,
    lasts: SignedDuration,
    /// Whether it makes its owner busy.
    counts: bool,
    rules: Vec<Recurrence>,
    /// Further times, which may last otherwise.
    dates: Vec<(Timestamp, Option<SignedDuration>)>,
    /// Times at which it does not happen.
    without: Vec<Occasion>,
    /// Which time of its series it stands for,
    replaces: Option<Occasion>,
    /// and whether for all later ones as well.
    and_following: bool,
}

impl Series {
    fn expand(&self, span: Appointment, busy: &mut Vec<Appointment>) {
        let mut add = |at: Timestamp, lasts: SignedDuration| {
            let Ok(to) = at.checked_add(lasts) else { return };
            if at < to && at < span.to && span.from < to {
                busy.push(Appointment { from: at, to });
            }
        };
        for exception in self.exceptions.iter().filter(|exception| exception.counts) {
            if let Some(at) = exception.first() {
                add(at, exception.lasts);
            }
        }
        // Which time of the series another rhythm begins with, by how much it is moved, and the event that says so.
        let mut following: Vec<(Timestamp, SignedDuration, &Event)> = Vec::new();
        for exception in self.exceptions.iter().filter(|exception| exception.and_following) {
            let (Some(Occasion::At(of)), Some(at)) = (exception.replaces, exception.first()) else { continue };
            following.push((of, at.duration_since(of), exception));
        }
        following.sort_by_key(|(of, ..)| *of);
        for master in &self.masters {
            let replaced = self.exceptions.iter().filter_map(|exception| exception.replaces);
            let not: BTreeSet<Occasion> = master.without.iter().copied().chain(replaced).collect();
            let others = following.iter().map(|(_, moved, event)| event.lasts + moved.abs());
            let longest = others.chain([master.lasts]).max().unwrap_or_default();
            let Some((_, zone)) = &master.begins else { continue };
            for (at, lasts) in master.times(span, longest) {
                if not.contains(&Occasion::At(at)) || not.contains(&Occasion::On(zone.to_datetime(at).date())) {
                    continue;
                }
                match following.iter().rfind(|(of, ..)| *of <= at) {
                    Some((_, moved, event)) if event.counts => {
                        if let Ok(at) = at.checked_add(*moved) {
                            add(at, event.lasts);
                        }
                    }
                    Some(_) => {}
                    None if master.counts => add(at, lasts),
                    None => {}
                }
            }
        }
    }
}

impl Event {
    /// When it happens first.
    fn first(&self) -> Option<Timestamp> {
        self.begins.as_ref().and_then(|(at, zone)| moment(*at, zone))
    }

    /// When it happens, as far as it can reach into `span` if it lasts no longer than `longest`; with how long it lasts.
    fn times(&self, span: Appointment, longest: SignedDuration) -> BTreeMap<Timestamp, SignedDuration> {
        let Some((_, zone)) = &self.begins else { return BTreeMap::new() };
        // A day more on either side: daylight saving moves wall time by less.
        let day = SignedDuration::from_hours(24);
        let from = zone.to_datetime(span.from).checked_sub(longest.saturating_add(day));
        let to = zone.to_datetime(span.to).checked_add(longest.min(day * 31).saturating_add(day));
        let (from, to) = (from.unwrap_or(civil::DateTime::MIN), to.unwrap_or(civil::DateTime::MAX));
        let repeated = self.rules.iter().flat_map(|rule| rule.between(from, to, OCCURRENCES_MOST));
        let repeated = repeated.filter_map(|at| moment(at, zone)).chain(self.first()).map(|at| (at, self.lasts));
        let dates = self.dates.iter().map(|(at, lasts)| (*at, lasts.unwrap_or(self.lasts)));
        repeated.chain(dates).collect()
    }

    /// An event, if there is anything to it, and whether all of it that matters was understood.
    fn read(component: &ICalendarComponent, zones: &Zones<'_>) -> (Option<Event>, bool) {
        let (mut uid, mut start, mut end, mut lasts, mut replaces) = (None, None, None, None, None);
        let (mut counts, mut is_whole, mut and_following) = (true, true, false);
        let (mut rules, mut dates, mut without) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &component.entries {
            let first = entry.values.first();
            match &entry.name {
                ICalendarProperty::Uid => uid = text(first).map(str::to_owned),
                ICalendarProperty::Dtstart => start = first.and_then(|value| zones.when(entry, value)),
                ICalendarProperty::Dtend => end = first.and_then(|value| zones.when(entry, value)),
                ICalendarProperty::Duration => match first {
                    Some(ICalendarValue::Duration(length)) => lasts = duration(length),
                    _ => is_whole = false,
                },
                ICalendarProperty::RecurrenceId => {
                    replaces = first.and_then(|value| zones.when(entry, value)).and_then(When::occasion);
                    and_following = entry.params.iter().any(|param| param.name == ICalendarParameterName::Range);
                    is_whole &= replaces.is_some();
                }
                ICalendarProperty::Rrule => match first {
                    Some(ICalendarValue::RecurrenceRule(rule)) => rules.push(rule.as_ref().clone()),
                    _ => is_whole = false,
                },
                ICalendarProperty::Rdate => {
                    dates.extend(entry.values.iter().flat_map(|value| zones.date(entry, value)))
                }
                ICalendarProperty::Exdate => {
                    let times = entry.values.iter().filter_map(|value| zones.when(entry, value));
                    without.extend(times.filter_map(When::occasion));
                }
                ICalendarProperty::Status => {
                    counts &= first != Some(&ICalendarValue::Status(ICalendarStatus::Cancelled));
                }
                ICalendarProperty::Transp => {
                    counts &= first != Some(&ICalendarValue::Transparency(ICalendarTransparency::Transparent));
                }
                // Outlook and Exchange write what TRANSP has no word for.
                ICalendarProperty::Other(name) if name.eq_ignore_ascii_case("X-MICROSOFT-CDO-BUSYSTATUS") => {
                    counts &= !matches!(text(first), Some("FREE" | "WORKINGELSEWHERE"));
                }
                _ => {}
            }
        }
        let Some(start) = start else { return (None, false) };
        let lasts = match (end.and_then(When::moment), start.clone().moment()) {
            (Some(end), Some(start)) => end.duration_since(start),
            _ => lasts.unwrap_or_default(),
        };
        let begins = match start {
            When::Day(_) => None,
            When::Moment(at, zone) => Some((at, zone)),
        };
        let mut read = Vec::new();
        for rule in rules {
            let Some((at, zone)) = &begins else { break };
            match recurrence(rule, *at, zone, zones) {
                Some(rule) => read.push(rule),
                None => is_whole = false,
            }
        }
        let event = Event { uid, begins, lasts, counts, rules: read, dates, without, replaces, and_following };
        (Some(event), is_whole)
    }
}

/// A rule whose end is in wall time, as its beginning is: in files it is in UTC, or a day.
fn recurrence(
    mut rule: ICalendarRecurrenceRule,
    start: civil::DateTime,
    zone: &TimeZone,
    zones: &Zones<'_>,
) -> Option<Recurrence> {
    let until = match rule.until.take() {
        None => None,
        Some(until) => Some(match zones.point(&until, None)? {
            When::Day(day) => day.at(23, 59, 59, 0),
            When::Moment(at, _) if until.tz_hour.is_none() => at,
            until => zone.to_datetime(until.moment()?),
        }),
    };
    // What ended before it began happens once.
    if until.is_some_and(|until| until < start) {
        return Recurrence::parse("FREQ=DAILY;COUNT=1", start, None).ok();
    }
    Recurrence::parse(&rule.to_string(), start, until).ok()
}

fn text(value: Option<&ICalendarValue>) -> Option<&str> {
    match value {
        Some(ICalendarValue::Text(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
