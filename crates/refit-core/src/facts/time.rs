//! Times and durations as people write them in facts and expressions.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use std::fmt;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// The units of a duration, longest first, with their length in nanoseconds. A day is 24 hours.
const UNITS: [(&str, i128); 5] = [
    ("d", 86_400 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("s", NANOS_PER_SECOND),
    ("ms", 1_000_000),
];

/// Reads an instant (`2026-11-23T09:00:00Z`), or a date or local time, which are then in UTC.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // A zone that is a name (`[Europe/Berlin]`) belongs to calendars; a fact is an instant.
    if text.contains('[') {
        return None;
    }
    let local = text
        .parse::<civil::DateTime>()
        .ok()
        .or_else(|| text.parse::<civil::Date>().ok().map(|date| date.at(0, 0, 0, 0)))?;
    local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Reads a duration: numbers with units one after the other, `14d`, `1h30m`, `1.5h`, `-90s`. The units are `d` (24 hours),
/// `h`, `m`, `s` and `ms`. `None` where it is none, or where it is longer than can be counted.
pub fn parse_duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, nanos) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, nanos)?)?;
        rest = after;
    }
    let total = if negative { -total } else { total };
    let seconds = i64::try_from(total / NANOS_PER_SECOND).ok()?;
    Some(SignedDuration::new(seconds, (total % NANOS_PER_SECOND) as i32))
}

/// `number` (digits, perhaps with a point) times `nanos`.
fn scaled(number: &str, nanos: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || whole.len() > 18 || fraction.len() > 9 || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let mut total = whole.parse::<i128>().ok()?.checked_mul(nanos)?;
    if !fraction.is_empty() {
        total += fraction.parse::<i128>().ok()? * nanos / 10i128.pow(fraction.len() as u32);
    }
    Some(total)
}

/// Writes a duration as [`parse_duration`] reads it: `14d`, `1h30m`.
pub fn write_duration(f: &mut impl fmt::Write, duration: SignedDuration) -> fmt::Result {
    let mut rest = duration.as_nanos();
    if rest == 0 {
        return f.write_str("0s");
    }
    if rest < 0 {
        f.write_char('-')?;
        rest = -rest;
    }
    for (unit, nanos) in UNITS {
        let count = rest / nanos;
        rest %= nanos;
        if count > 0 {
            write!(f, "{count}{unit}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<f64> {
        parse_duration(text).map(|duration| duration.as_secs_f64())
    }

    #[test]
    fn durations_add_up_their_parts() {
        let cases = [
            ("14d", 14.0 * 86400.0),
            ("1h30m", 5400.0),
            ("1.5h", 5400.0),
            ("90s", 90.0),
            ("250ms", 0.25),
            ("-2d", -2.0 * 86400.0),
            ("0s", 0.0),
            ("1d1h1m1s1ms", 90061.001),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "-", "14", "d", "2w", "1 d", "1y", "--1d", "1.d", ".5h", "1..5h", "99999999999999999999d", "1d2"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_duration("999999999999999999d"), None, "longer than can be counted");
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["14d", "1h30m", "-2d", "0s", "1s250ms", "1d1h1m1s1ms"] {
            let mut written = String::new();
            write_duration(&mut written, parse_duration(text).unwrap()).unwrap();
            assert_eq!(written, text);
        }
    }

    #[test]
    fn times_are_instants_or_in_utc() {
        let expected = "2026-11-23T00:00:00Z".parse::<Timestamp>().unwrap();
        for text in ["2026-11-23", "2026-11-23T00:00:00", "2026-11-23T00:00:00Z", "2026-11-23T01:00:00+01:00"] {
            assert_eq!(parse_time(text), Some(expected), "{text}");
        }
        for text in ["", "23.11.2026", "2026-13-01", "2026-02-30", "today", "2026-11-23T00:00:00[Europe/Berlin]"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
