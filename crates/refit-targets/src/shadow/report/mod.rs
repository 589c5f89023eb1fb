//! What another tool reports of itself, as rows: a device, a title, a version, and whether it is there, was brought, or waits.

mod apt;
mod munki;
mod table;

use jiff::{civil::DateTime, tz::TimeZone};
use refit_core::policy::{document::scalars::When, repository::Repository};
use refit_model::TitleId;
use serde::Serialize;

/// One thing that a report says.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The device, by any of its names.
    pub device: String,
    /// The title, as the other tool calls it.
    pub title: String,
    /// The version; `None` is that it was taken away.
    pub version: Option<String>,
    /// The version before it.
    pub from: Option<String>,
    /// What is said of it.
    pub state: State,
    /// Where that stands.
    pub place: String,
}

/// What a report says of a version on a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    /// It is there, and nothing is under way.
    Current,
    /// It was installed.
    Installed {
        /// When.
        at: When,
    },
    /// It is to be installed.
    Pending {
        /// When it is forced.
        due: Option<When>,
    },
}

/// A report, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Its rows.
    pub rows: Vec<Row>,
    /// What could not be read of it.
    pub unread: Vec<Unread>,
}

/// A part of a report that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unread {
    /// Where it stands.
    pub place: String,
    /// Why it is not.
    pub why: String,
}

/// What a report does not say itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Besides<'t> {
    /// The device that the whole report is of.
    pub device: Option<&'t str>,
    /// The title that the whole report is of.
    pub title: Option<&'t str>,
}

/// Reads a report of any kind that is known: a table (CSV), Munki's `ManagedInstallReport.plist`, apt's `history.log`.
pub fn read(path: &str, text: &str, besides: Besides<'_>) -> Result<Report, String> {
    let text = text.trim_start_matches('\u{feff}');
    let start = text.trim_start();
    if start.starts_with("<?xml") || start.starts_with("<plist") {
        munki::read(path, text, besides)
    } else if start.starts_with("Start-Date:") {
        apt::read(path, text, besides)
    } else {
        table::read(path, text, besides)
    }
}

/// The title of a repository that another tool calls so: by its id, by an identifier in any system, or by its name.
pub fn title(repository: &Repository, name: &str) -> Option<TitleId> {
    let id = TitleId::new(name);
    if id.package().is_some() || repository.titles.contains_key(&id) {
        return Some(id);
    }
    let mut found = repository.titles.iter().filter(|(_, title)| {
        let document = &title.document;
        let called = document.identifiers.values().flatten().any(|known| known == name);
        called || document.name.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name))
    });
    // Where several are called so, nobody knows which is meant.
    let first = found.next()?;
    found.next().is_none().then(|| first.0.clone())
}

/// A time as reports write it: with a zone, or as the device's own clock shows it.
fn when(text: &str) -> Option<When> {
    let text = text.trim();
    if let Ok(when) = When::parse(text) {
        return Some(when);
    }
    // `2026-11-20  06:12:33`, `11/20/2026 6:12 AM`, `2026-11-20`
    for format in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p"] {
        let words: Vec<&str> = text.split_whitespace().collect();
        if let Ok(at) = DateTime::strptime(format, words.join(" ")) {
            return Some(When::Local(at));
        }
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    Some(When::Local(date.at(0, 0, 0, 0)))
}

/// A time in UTC that is written without its zone.
fn utc(text: &str) -> Option<When> {
    match when(text)? {
        When::Local(at) => TimeZone::UTC.to_timestamp(at).ok().map(When::Instant),
        instant => Some(instant),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_reports_write_them() {
        for (text, read) in [
            ("2026-11-20T06:12:33Z", "2026-11-20T06:12:33Z"),
            ("2026-11-20  06:12:33", "2026-11-20T06:12:33 (the device's own time)"),
            ("11/20/2026 6:12 PM", "2026-11-20T18:12:00 (the device's own time)"),
            ("2026-11-20", "2026-11-20T00:00:00 (the device's own time)"),
        ] {
            assert_eq!(when(text).unwrap().to_string(), read);
        }
        assert_eq!(utc("2026-11-20 06:12:33").unwrap().to_string(), "2026-11-20T06:12:33Z");
        for text in ["", "yesterday", "2026-13-01"] {
            assert!(when(text).is_none(), "{text}");
        }
    }
}
