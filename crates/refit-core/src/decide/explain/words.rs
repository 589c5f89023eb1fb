//! Times, lengths of time, numbers and names, always in the same words.

use super::View;
use crate::{facts::FieldRef, policy::document::test::GateAnswer, policy::repository::Origin};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

impl View {
    /// A time as it is read: in UTC, in the device's zone where that differs, and from now.
    ///
    /// `2026-11-26 20:00 UTC (21:00 in Europe/Berlin), in 2 days 4 h`
    pub(super) fn when(&self, at: Timestamp) -> String {
        format!("{}{}, {}", utc(at), self.local(at), self.relative(at))
    }

    /// A time where the line is long already, or the whole has been said before: `2026-11-26 20:00 UTC, in 2 days 4 h`
    pub(super) fn soon(&self, at: Timestamp) -> String {
        format!("{}, {}", utc(at), self.relative(at))
    }

    /// The same in the device's zone, in brackets; empty where that is UTC.
    fn local(&self, at: Timestamp) -> String {
        if self.zone.to_offset(at).is_zero() {
            return String::new();
        }
        let (local, there) = (self.zone.to_datetime(at), TimeZone::UTC.to_datetime(at));
        let clock =
            if local.date() == there.date() { clock(local) } else { format!("{} {}", local.date(), clock(local)) };
        match self.zone.iana_name() {
            Some(name) => format!(" ({clock} in {name})"),
            None => format!(" ({clock} at UTC{})", self.zone.to_offset(at)),
        }
    }

    /// How far off a time is: `in 2 days 4 h`, `3 h ago`, `now`.
    pub(super) fn relative(&self, at: Timestamp) -> String {
        let distance = at.duration_since(self.now);
        match distance.as_secs() {
            0 => "now".to_owned(),
            1.. => format!("in {}", rough(distance)),
            _ => format!("{} ago", rough(-distance)),
        }
    }
}

/// `2026-11-26 20:00 UTC`
pub(super) fn utc(at: Timestamp) -> String {
    format!("{} UTC", bare(at))
}

/// `2026-11-26 20:00`, in UTC: where the line says so once.
pub(super) fn bare(at: Timestamp) -> String {
    let at = TimeZone::UTC.to_datetime(at);
    format!("{} {}", at.date(), clock(at))
}

/// Seconds are shown where there are any, so that sums add up.
fn clock(at: jiff::civil::DateTime) -> String {
    match at.second() {
        0 => format!("{:02}:{:02}", at.hour(), at.minute()),
        second => format!("{:02}:{:02}:{second:02}", at.hour(), at.minute()),
    }
}

/// A length of time in its two largest units, rounded down: `2 days 4 h`, `3 h`, `40 min`.
pub(crate) fn rough(length: SignedDuration) -> String {
    let minutes = length.as_mins();
    let (days, hours, minutes) = (minutes / (24 * 60), minutes / 60 % 24, minutes % 60);
    let days_text = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    match (days, hours, minutes) {
        (0, 0, 0) => "less than a minute".to_owned(),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        // After a week the hours matter to nobody.
        (1..=6, hours, _) if hours > 0 => format!("{days_text} {hours} h"),
        _ => days_text,
    }
}

/// A length of time as policies write it: `14d`, `1h30m`.
pub(super) fn exact(length: SignedDuration) -> String {
    crate::policy::document::scalars::Duration(length).to_string()
}

/// `1 device`, `2 devices`: `many` is the plural.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// `10%`, `2.5%`, `0.04%`.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// Why something is unknown: the facts that are wanting. Empty is: a condition that can't be computed.
pub(super) fn for_want_of(wanting: &[FieldRef]) -> String {
    match wanting {
        [] => "because its condition can't be computed".to_owned(),
        _ => format!("for want of {}", fields(wanting)),
    }
}

fn fields(fields: &[FieldRef]) -> String {
    let names: Vec<String> = fields.iter().map(ToString::to_string).collect();
    list(&names)
}

/// ` (patch/browsers.yaml:3)`; empty where it is not known.
pub(super) fn place(origin: &Origin) -> String {
    if origin.file.is_empty() { String::new() } else { format!(" ({}:{})", origin.file, origin.line) }
}

/// `has passed`, as in: the gate after canary has passed.
pub(super) fn gate_says(answer: GateAnswer) -> &'static str {
    match answer {
        GateAnswer::Pass => "has passed",
        GateAnswer::Halt => "has halted it",
        GateAnswer::Inconclusive => "is inconclusive",
    }
}

/// A reason that somebody wrote down, as the end of a line: `: 133.0 loses the smart card reader.`
pub(super) fn because(why: Option<&smol_str::SmolStr>) -> String {
    why.map_or_else(String::new, |why| format!(": {}", sentence(why)))
}

/// A text that somebody wrote, as a part of a line: without the full stop at its end, and on one line.
pub(super) fn sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}
