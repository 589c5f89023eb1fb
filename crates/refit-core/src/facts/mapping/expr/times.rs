//! Times as other systems write them, and what of it means never.

use super::item::Item;
use crate::facts::parse_time;
use jiff::{Timestamp, fmt::strtime, tz::TimeZone};
use smol_str::SmolStr;

/// How a time is written.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum TimeFormat {
    /// RFC 3339, or a date.
    Plain,
    /// Seconds since 1970.
    Unix,
    /// Thousandths of a second since 1970.
    UnixMs,
    /// Tenths of a microsecond since 1601: Windows, Active Directory.
    Windows,
    /// As `strftime` has it.
    Custom(SmolStr),
}

/// So many seconds after 1970 it is the year 5138.
const TOO_MANY_SECONDS: i128 = 100_000_000_000;
/// So many thousandths of a second after 1970 it is April of that year; as seconds it is 2286.
const TOO_FEW_THOUSANDTHS: i128 = 10_000_000_000;
/// Seconds from 1601 to 1970.
const WINDOWS_EPOCH_SECONDS: i128 = 11_644_473_600;

impl TimeFormat {
    /// Reads the name of a format, or a format of `strftime`.
    pub fn parse(text: &str) -> Result<TimeFormat, String> {
        match text {
            "unix" => return Ok(TimeFormat::Unix),
            "unix_ms" => return Ok(TimeFormat::UnixMs),
            "windows" => return Ok(TimeFormat::Windows),
            _ => {}
        }
        if !text.contains('%') {
            return Err("this is no format of times".to_owned());
        }
        let sample = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        strtime::format(text, &sample).map_err(|error| error.to_string())?;
        Ok(TimeFormat::Custom(text.into()))
    }

    /// The time that a value says; null where it means never, `None` where it is no time.
    pub fn read<'a>(&self, item: &Item<'a>) -> Option<Item<'a>> {
        let time = match (self, item) {
            (_, Item::Missing) => return Some(Item::Missing),
            (_, Item::Null) => return Some(Item::Null),
            (_, Item::Time(time)) => *time,
            (_, Item::Text(text)) if never(text) => return Some(Item::Null),
            (TimeFormat::Plain, Item::Text(text)) => parse_time(text.trim()).or_else(|| day(text.trim()))?,
            (TimeFormat::Custom(format), Item::Text(text)) => custom(format, text.trim())?,
            (TimeFormat::Plain | TimeFormat::Custom(_), _) => return None,
            (_, number) => return self.count(number),
        };
        Some(Item::Time(time))
    }

    fn count<'a>(&self, item: &Item<'a>) -> Option<Item<'a>> {
        let number = match item {
            Item::Int(number) => *number,
            Item::Text(text) => text.trim().parse().ok()?,
            // Seconds with a fraction; its digits after the third are nobody's.
            Item::Float(number) if *self == TimeFormat::Unix && number.abs() < 1e14 => {
                let are_seconds = number.abs() < TOO_MANY_SECONDS as f64;
                let thousandths = (if are_seconds { number * 1000.0 } else { *number }) as i128;
                return match thousandths {
                    0 => Some(Item::Null),
                    _ => Timestamp::from_nanosecond(thousandths * 1_000_000).ok().map(Item::Time),
                };
            }
            _ => return None,
        };
        if number == 0 || number == i64::MAX.into() {
            return Some(Item::Null);
        }
        // Some systems write seconds on one page and thousandths on another. No device was seen in the first days of 1970, nor will one be in
        // the year 5000.
        let nanos = match self {
            TimeFormat::Unix if number.abs() >= TOO_MANY_SECONDS => number.checked_mul(1_000_000)?,
            TimeFormat::UnixMs if number.abs() < TOO_FEW_THOUSANDTHS => number.checked_mul(1_000_000_000)?,
            TimeFormat::UnixMs => number.checked_mul(1_000_000)?,
            TimeFormat::Windows => number.checked_mul(100)? - WINDOWS_EPOCH_SECONDS * 1_000_000_000,
            _ => number.checked_mul(1_000_000_000)?,
        };
        Timestamp::from_nanosecond(nanos).ok().map(Item::Time)
    }
}

/// A day with an offset behind it, as XML has it (`2026-11-23-08:00`, `2026-11-23Z`): it is that day, wherever it was written.
fn day(text: &str) -> Option<Timestamp> {
    let (day, offset) = text.split_at_checked(10)?;
    let digits = offset.strip_prefix(['+', '-']).map(|rest| rest.bytes().filter(u8::is_ascii_digit).count());
    let is_offset = offset.eq_ignore_ascii_case("z")
        || digits == Some(4)
            && offset.get(1..).is_some_and(|rest| rest.len() == 5 && rest.as_bytes().get(2) == Some(&b':'));
    parse_time(day).filter(|_| is_offset)
}

fn custom(format: &str, text: &str) -> Option<Timestamp> {
    let broken = strtime::parse(format, text).ok()?;
    if broken.offset().is_some() || broken.iana_time_zone().is_some() {
        return broken.to_timestamp().ok();
    }
    let local = broken.to_datetime().or_else(|_| broken.to_date().map(|date| date.at(0, 0, 0, 0))).ok()?;
    local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Whether a text that stands for a time means never: nothing, `Never`, and the ends of other systems' calendars.
pub(in super::super) fn never(text: &str) -> bool {
    let text = text.trim();
    let begins = |day: &str| text.starts_with(day);
    text.is_empty()
        || ["never", "none", "null", "n/a", "-", "0"].iter().any(|word| text.eq_ignore_ascii_case(word))
        || ["0000-", "0001-01-01", "9999-12-31", "1601-01-01"].into_iter().any(begins)
        || (begins("1970-01-01T00:00:00") || begins("1970-01-01 00:00:00"))
}
