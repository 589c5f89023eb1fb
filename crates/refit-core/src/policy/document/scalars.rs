//! The scalars of policy documents: durations, shares, days, times, expressions.
//!
//! Each deserialises from text, prints back as it would be written, and names its `format` in the JSON Schema; the same
//! parse function serves the schema check and serde, so that the two can't disagree.

use crate::policy::syntax::Format;
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Cow, fmt};

/// A length of time: `90m`, `8h`, `2d`, `1h30m`; a day has 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub SignedDuration);

impl Duration {
    /// Reads numbers with units `s`, `m`, `h`, `d`, `w`, largest unit first; the result is never negative.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let wrong = || format!("`{text}` is no duration");
        if text.is_empty() || text.len() > 32 {
            return Err(wrong());
        }
        let (mut seconds, mut rest, mut last_unit) = (0i64, text, i64::MAX);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
            let mut chars = rest[digits..].chars();
            let unit = match chars.next() {
                Some('s') => 1,
                Some('m') => 60,
                Some('h') => 3_600,
                Some('d') => 86_400,
                Some('w') => 604_800,
                _ => return Err(wrong()),
            };
            if unit >= last_unit {
                return Err(format!("`{text}` is no duration: units go from the largest to the smallest, each once"));
            }
            last_unit = unit;
            rest = chars.as_str();
            seconds = number.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(wrong)?;
        }
        if seconds > LONGEST_SECONDS {
            return Err(format!("`{text}` is longer than 100 years"));
        }
        Ok(Duration(SignedDuration::from_secs(seconds)))
    }
}

/// A hundred years: no policy means more, and sums with a time stay far inside what a timestamp can hold.
const LONGEST_SECONDS: i64 = 100 * 366 * 86_400;

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut seconds = self.0.as_secs();
        if seconds == 0 {
            return f.write_str("0h");
        }
        for (unit, name) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
            if seconds / unit != 0 {
                write!(f, "{}{name}", seconds / unit)?;
                seconds %= unit;
            }
        }
        Ok(())
    }
}

/// A share of a whole, written `10%`; 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(pub f64);

impl Share {
    /// Reads a percentage from `0%` to `100%`.
    pub fn parse(text: &str) -> Result<Share, String> {
        let wrong = || format!("`{text}` is no share");
        let number = text.strip_suffix('%').ok_or_else(wrong)?.trim_end();
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(wrong());
        }
        match number.parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Share(percent / 100.0)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Six digits keep what a person wrote and hide the binary remainder of the division by 100.
        write!(f, "{}%", (self.0 * 1e8).round() / 1e6)
    }
}

/// A whole day of the device's calendar: `2026-12-28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub civil::Date);

impl Day {
    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Result<Day, String> {
        let wrong = || format!("`{text}` is no date");
        if text.len() != 10 {
            return Err(wrong());
        }
        text.parse().map(Day).map_err(|_| wrong())
    }

    /// The first moment of this day in a zone.
    pub fn start_in(self, zone: &TimeZone) -> Timestamp {
        zone.to_ambiguous_timestamp(self.0.at(0, 0, 0, 0)).compatible().unwrap_or(Timestamp::MAX)
    }

    /// The first moment that is after this day in a zone: the following local midnight.
    pub fn end_in(self, zone: &TimeZone) -> Timestamp {
        self.0.tomorrow().map_or(Timestamp::MAX, |next| Day(next).start_in(zone))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in time with its zone: `2026-12-31T17:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub Timestamp);

impl Instant {
    /// Reads RFC 3339 with an offset.
    pub fn parse(text: &str) -> Result<Instant, String> {
        text.parse().map(Instant).map_err(|_| format!("`{text}` is no point in time"))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in time: with a zone everywhere the same, without one in the device's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// The same moment everywhere.
    Instant(Timestamp),
    /// The wall clock where the device is.
    Local(civil::DateTime),
}

impl When {
    /// Reads `2026-12-31T17:00:00Z`, or `2026-12-31T17:00:00` for the device's own time.
    pub fn parse(text: &str) -> Result<When, String> {
        if let Ok(instant) = text.parse() {
            return Ok(When::Instant(instant));
        }
        if text.len() >= 16
            && !text.ends_with(['Z', 'z'])
            && let Ok(local) = text.parse()
        {
            return Ok(When::Local(local));
        }
        Err(format!("`{text}` is no point in time"))
    }

    /// The moment that is meant for a device in `zone`.
    pub fn in_zone(self, zone: &TimeZone) -> Timestamp {
        match self {
            When::Instant(instant) => instant,
            When::Local(local) => zone.to_ambiguous_timestamp(local).compatible().unwrap_or(Timestamp::MAX),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Instant(instant) => instant.fmt(f),
            When::Local(local) => write!(f, "{local} (the device's own time)"),
        }
    }
}

/// An expression in CEL's syntax, as it is written; `policy::expr` types and compiles it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expression(pub String);

impl Expression {
    /// Takes any text: what is wrong with it is for the compiler to say.
    pub fn parse(text: &str) -> Result<Expression, String> {
        Ok(Expression(text.to_owned()))
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fingerprint of an OpenPGP key: 40 hexadecimal digits (64 of newer keys), in upper case without blanks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub String);

impl Fingerprint {
    /// Reads it in either case, with blanks as GnuPG prints them.
    pub fn parse(text: &str) -> Result<Fingerprint, String> {
        let digits: String = text.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect();
        let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        match digits.len() {
            40 | 64 if hexadecimal => Ok(Fingerprint(digits)),
            8 | 16 if hexadecimal => {
                Err(format!("`{text}` is the short id of a key: another key can be made that has it too"))
            }
            _ => Err(format!("`{text}` is no fingerprint")),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the `format`s of the JSON Schemas mean.
pub const FORMATS: &[Format] = &[
    Format {
        name: "duration",
        noun: "a duration",
        help: "write a number and a unit, such as `90m`, `8h` or `2d`",
        check: |text| Duration::parse(text).map(drop),
    },
    Format {
        name: "share",
        noun: "a share",
        help: "write a percentage from `0%` to `100%`, such as `10%`",
        check: |text| Share::parse(text).map(drop),
    },
    Format {
        name: "day",
        noun: "a date",
        help: "write year, month and day, such as `2026-12-28`",
        check: |text| Day::parse(text).map(drop),
    },
    Format {
        name: "instant",
        noun: "a point in time",
        help: "write date, time and zone, such as `2026-12-31T17:00:00Z`",
        check: |text| Instant::parse(text).map(drop),
    },
    Format {
        name: "when",
        noun: "a point in time",
        help: "write `2026-12-31T17:00:00Z`, or without the `Z` for the device's own time",
        check: |text| When::parse(text).map(drop),
    },
    Format {
        name: "fingerprint",
        noun: "a fingerprint",
        help: "write all 40 hexadecimal digits, as `gpg --show-keys FILE` prints them",
        check: |text| Fingerprint::parse(text).map(drop),
    },
    // What is wrong with an expression is for its compiler to say.
    Format { name: "expression", noun: "a condition", help: "", check: |_| Ok(()) },
];

macro_rules! text_scalar {
    ($name:ident, $format:literal, $description:literal, $example:literal) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                $name::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "format": $format,
                    "description": $description,
                    "examples": [$example],
                })
            }
        }
    };
}

text_scalar!(Duration, "duration", "A length of time: a number and a unit of s, m, h, d (24 hours) or w.", "14d");
text_scalar!(Share, "share", "A percentage.", "10%");
text_scalar!(Day, "day", "A whole day where the device is.", "2026-12-28");
text_scalar!(Instant, "instant", "A point in time, with its zone.", "2026-12-31T17:00:00Z");
text_scalar!(When, "when", "A point in time; without a zone it is the device's own time.", "2026-12-31T17:00:00");
text_scalar!(
    Fingerprint,
    "fingerprint",
    "The fingerprint of an OpenPGP primary key: 40 hexadecimal digits, with or without blanks.",
    "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"
);
text_scalar!(
    Expression,
    "expression",
    "A condition in the Common Expression Language.",
    "device.platform == \"macos\""
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_as_people_write_them() {
        for text in ["90m", "8h", "2d", "1d12h", "45s", "0h"] {
            let read = Duration::parse(text).unwrap();
            assert_eq!(Duration::parse(&read.to_string()).unwrap(), read, "{text}");
        }
        assert_eq!(Duration::parse("90m").unwrap().to_string(), "1h30m");
        assert_eq!(Duration::parse("2w").unwrap().to_string(), "14d");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "d", "14", "14 d", "-1d", "1h1d", "1d1d", "1.5d", "99999999999999999999d", "40000d", "1é"] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(Share::parse("10%").unwrap().to_string(), "10%");
        assert_eq!(Share::parse("0.1%").unwrap().to_string(), "0.1%");
        for text in ["10", "101%", "-1%", "%", "NaN%", "inf%", "1e1000%"] {
            assert!(Share::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fingerprints_are_read_as_people_copy_them() {
        let debian = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8";
        for text in [debian, "B8B8 0B5B 623E AB6A D877  5C45 B7C5 D7D6 3509 47F8", &debian.to_lowercase()] {
            assert_eq!(Fingerprint::parse(text).unwrap().0, debian, "{text}");
        }
        for text in ["", "0x", "B7C5D7D6350947F8", &debian[1..], &debian.replace('B', "G"), "é"] {
            assert!(Fingerprint::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_ends_at_the_following_local_midnight() {
        let day = Day::parse("2026-11-15").unwrap();
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        assert_eq!(day.end_in(&tokyo).to_string(), "2026-11-15T15:00:00Z");
        assert_eq!(day.end_in(&TimeZone::UTC).to_string(), "2026-11-16T00:00:00Z");
    }

    #[test]
    fn a_time_without_a_zone_is_the_devices() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(When::parse("2026-12-31T17:00:00").unwrap().in_zone(&berlin).to_string(), "2026-12-31T16:00:00Z");
        assert_eq!(When::parse("2026-12-31T17:00:00Z").unwrap().in_zone(&berlin).to_string(), "2026-12-31T17:00:00Z");
        assert!(When::parse("2026-12-31").is_err());
    }
}
