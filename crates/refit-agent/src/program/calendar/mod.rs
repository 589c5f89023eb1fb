//! What a person's calendars say of when they are busy: `refit-agent calendar`.
//!
//! The executor runs it as the person whose calendars they are, and reads what it prints; the person runs it to see what is read of
//! them. It reads files and prints times. What appointments are about, where, and with whom stays where it is.

mod events;
mod places;
mod zones;

pub use events::Appointment;

use events::{Found, OutOfTime, appointments};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use places::{ALL_LONGEST, FILES_MOST, Home, Kind, Unread, read};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::{Duration, Instant},
};

/// How far ahead it is said when somebody is busy.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// How long all calendars may take together.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// The most times that are told; more of them are no appointments.
const TIMES_MOST: usize = 500;
/// The memory that it may have, in bytes, and the processor's time, in seconds: a calendar that was made to take more ends this
/// process and nothing else.
const MEMORY: u64 = 1 << 30;
const PROCESSOR_SECONDS: u64 = 3;

/// What the executor is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When the person is busy, from now on and for a day, in order and apart from each other.
    pub busy: Vec<Appointment>,
    /// How many calendars were read.
    pub calendars: usize,
    /// How many were not, or not all of it.
    pub unread: usize,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    answer: Answer,
    calendars: Vec<(PathBuf, Result<Found, Unread>)>,
}

/// Reads the calendars of whoever runs this, and prints what they say.
pub fn run(also: &[PathBuf], as_json: bool) -> anyhow::Result<()> {
    for (what, most) in [(Resource::As, MEMORY), (Resource::Cpu, PROCESSOR_SECONDS), (Resource::Core, 0)] {
        // Where a lower bound is set already, that one stays.
        let _ = setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) });
    }
    // What a calendar can do to a parser is told as a calendar that can't be read, and not on the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    let home = Home::of_this_person().ok_or_else(|| anyhow::anyhow!("this user has no folder of their own"))?;
    let (zone, now) = (TimeZone::try_system().unwrap_or(TimeZone::UTC), Timestamp::now());
    let report = look(&home, also, &zone, now, Instant::now() + PATIENCE);
    if as_json {
        println!("{}", serde_json::to_string(&report.answer)?);
    } else {
        report.lines(&zone).iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}

/// One calendar after the other; what is wrong with one is told, and changes nothing for the others.
fn look(home: &Home, also: &[PathBuf], zone: &TimeZone, now: Timestamp, until: Instant) -> Report {
    let span = Appointment { from: now, to: now.checked_add(AHEAD).unwrap_or(Timestamp::MAX) };
    let (mut left, mut calendars) = (ALL_LONGEST, Vec::new());
    for (number, place) in home.calendars(also).into_iter().enumerate() {
        let found = match place.kind {
            Kind::Database => Err(Unread::Database),
            Kind::Full => Err(Unread::TooMany),
            Kind::File if number >= FILES_MOST => Err(Unread::TooMany),
            Kind::File if Instant::now() >= until => Err(Unread::NoTime),
            Kind::File => read(&place.path, left).and_then(|text| {
                left -= text.len() as u64;
                let has_time = || Instant::now() < until;
                match catch_unwind(AssertUnwindSafe(|| appointments(&text, zone, span, has_time))) {
                    Ok(Ok(found)) if found.events == 0 && !is_calendar(&text) => Err(Unread::NoCalendar),
                    Ok(found) => found.map_err(|OutOfTime| Unread::NoTime),
                    Err(_) => Err(Unread::Broken),
                }
            }),
        };
        calendars.push((place.path, found));
    }
    let read = calendars.iter().filter_map(|(_, found)| found.as_ref().ok());
    let answer = Answer {
        busy: apart(read.clone().flat_map(|found| found.busy.iter().copied()).collect()),
        calendars: read.clone().count(),
        unread: calendars.len() - read.filter(|found| found.not_understood == 0).count(),
    };
    Report { answer, calendars }
}

/// Whether a text without events may be a calendar: an empty file is one in which nothing stands yet.
fn is_calendar(text: &str) -> bool {
    text.trim().is_empty() || text.lines().any(|line| line.trim().eq_ignore_ascii_case("BEGIN:VCALENDAR"))
}

/// Times in their order, those that touch as one.
fn apart(mut times: Vec<Appointment>) -> Vec<Appointment> {
    times.sort_unstable();
    let mut apart: Vec<Appointment> = Vec::new();
    for time in times {
        match apart.last_mut() {
            Some(last) if time.from <= last.to => last.to = last.to.max(time.to),
            _ => apart.push(time),
        }
    }
    apart.truncate(TIMES_MOST);
    apart
}

impl Report {
    /// For people.
    fn lines(&self, zone: &TimeZone) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, found) in &self.calendars {
            let path = super::cli::one_line(&path.display().to_string());
            lines.push(match found {
                Ok(found) => {
                    let not = match found.not_understood {
                        0 => String::new(),
                        number => format!(", {number} of them not understood"),
                    };
                    let events = if found.events == 1 { "event" } else { "events" };
                    format!("read          {path}: {} {events}{not}", found.events)
                }
                Err(why) => format!("not read      {path}: {why}"),
            });
        }
        if self.calendars.is_empty() {
            lines.push("not read      no calendar was found where desktops keep them as files".into());
        }
        let time = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%A %H:%M").to_string();
        for time_of in &self.answer.busy {
            lines.push(format!("busy          {} until {}", time(time_of.from), time(time_of.to)));
        }
        if self.answer.busy.is_empty() {
            lines.push("busy          not within a day".into());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    const NOW: &str = "2026-11-26T09:00:00Z";

    fn calendar(folder: &Path, name: &str, events: &str) -> PathBuf {
        let path = folder.join(".calendars").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("BEGIN:VCALENDAR\nVERSION:2.0\n{events}END:VCALENDAR\n")).unwrap();
        path
    }

    fn look_at(folder: &Path, patience: Duration) -> Report {
        let home = Home { home: folder.into(), data: folder.join("data"), cache: folder.join("cache") };
        look(&home, &[], &TimeZone::UTC, NOW.parse().unwrap(), Instant::now() + patience)
    }

    fn event(from: &str, to: &str) -> String {
        format!("BEGIN:VEVENT\nUID:{from}\nSUMMARY:Salary of Ada\nDTSTART:{from}\nDTEND:{to}\nEND:VEVENT\n")
    }

    #[test]
    fn a_broken_calendar_never_stops_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        calendar(folder.path(), "a.ics", &event("20261126T100000Z", "20261126T110000Z"));
        let broken = calendar(folder.path(), "b.ics", "");
        fs::write(&broken, [&[0xff, 0xfe, 0][..], &b"BEGIN:VEVENT\n".repeat(10_000)].concat()).unwrap();
        let rule =
            event("00010101T000000Z", "00010101T010000Z").replace("END:VEVENT", "RRULE:FREQ=SECONDLY\nEND:VEVENT");
        calendar(folder.path(), "c.ics", &rule);
        fs::create_dir_all(folder.path().join(".calendars/d.ics")).unwrap();
        calendar(folder.path(), "e.ics", &event("20261126T103000Z", "20261126T120000Z"));
        fs::write(folder.path().join(".calendars/f.ics"), "\x7fELF").unwrap();
        let report = look_at(folder.path(), Duration::from_secs(60));
        let busy: Vec<String> = report.answer.busy.iter().map(|time| format!("{} {}", time.from, time.to)).collect();
        assert_eq!(busy, ["2026-11-26T10:00:00Z 2026-11-26T12:00:00Z"]);
        assert_eq!((report.answer.calendars, report.answer.unread), (4, 3));
        let lines = report.lines(&TimeZone::UTC).join("\n");
        assert!(lines.contains("busy          Thursday 10:00 until Thursday 12:00"), "{lines}");
        assert!(lines.contains("c.ics: 1 event, 1 of them not understood"), "{lines}");
        assert!(lines.contains("f.ics: it has no calendar in it"), "{lines}");
        // What it is about stays where it is.
        assert!(!format!("{lines}{}", serde_json::to_string(&report.answer).unwrap()).contains("Ada"));
    }

    #[test]
    fn there_is_an_end_to_reading() {
        let folder = tempfile::tempdir().unwrap();
        calendar(folder.path(), "a.ics", &event("20261126T100000Z", "20261126T110000Z"));
        let report = look_at(folder.path(), Duration::ZERO);
        assert_eq!(report.answer, Answer { unread: 1, ..Answer::default() });
        assert!(report.lines(&TimeZone::UTC)[0].ends_with("a.ics: there was no time left for it"));
        assert_eq!(look_at(&folder.path().join("nobody"), Duration::ZERO).answer, Answer::default());
    }
}
