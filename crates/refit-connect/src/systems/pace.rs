//! How often a system may be asked.

use jiff::Timestamp;
use std::time::Duration;

/// How much may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a minute; `None` is: as many as it answers.
    pub per_minute: Option<u32>,
    /// The header that says how many requests are left.
    pub remaining_header: Option<String>,
    /// The header that says when there are more again.
    pub reset_header: Option<String>,
    /// What that header counts.
    pub reset: Reset,
}

/// What the header that says when there are more requests counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// Seconds since 1970.
    #[default]
    UnixTime,
    /// Seconds from now.
    Seconds,
}

/// Where no header says when there are more requests.
const UNSAID: Duration = Duration::from_secs(60);

impl Limits {
    /// How long to wait between two requests.
    pub(super) fn between(&self) -> Duration {
        match self.per_minute {
            Some(count) if count > 0 => Duration::from_secs(60) / count,
            _ => Duration::ZERO,
        }
    }

    /// How long to wait before the next request, by what the system says of those that are left: nothing where some are left, or where
    /// it says nothing.
    pub(super) fn wait(&self, header: impl Fn(&str) -> Option<String>, now: Timestamp) -> Option<Duration> {
        let left: f64 = header(self.remaining_header.as_ref()?)?.trim().parse().ok()?;
        if left >= 1.0 {
            return None;
        }
        self.until_reset(&header, now).or(Some(UNSAID))
    }

    /// How long it is until there are more requests.
    pub(super) fn until_reset(&self, header: impl Fn(&str) -> Option<String>, now: Timestamp) -> Option<Duration> {
        let said: f64 = header(self.reset_header.as_ref()?)?.trim().parse().ok()?;
        let seconds = match self.reset {
            Reset::Seconds => said,
            Reset::UnixTime => said - now.as_millisecond() as f64 / 1000.0,
        };
        Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(limits: &Limits, headers: &[(&str, &str)]) -> Option<Duration> {
        let header =
            |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        limits.wait(header, Timestamp::from_second(1_800_000_000).unwrap())
    }

    #[test]
    fn a_system_that_has_no_requests_left_is_asked_when_it_has_more() {
        let limits =
            Limits { remaining_header: Some("left".into()), reset_header: Some("reset".into()), ..Limits::default() };
        assert_eq!(waits(&limits, &[("left", "3"), ("reset", "1800000010")]), None);
        assert_eq!(waits(&limits, &[("left", "0"), ("reset", "1800000010")]), Some(Duration::from_secs(10)));
        assert_eq!(waits(&limits, &[("left", "0"), ("reset", "1700000000")]), Some(Duration::ZERO));
        assert_eq!(waits(&limits, &[("left", "0")]), Some(UNSAID));
        assert_eq!(waits(&limits, &[("left", "none")]), None);
        assert_eq!(waits(&limits, &[]), None);
        let seconds = Limits { reset: Reset::Seconds, ..limits };
        assert_eq!(waits(&seconds, &[("left", "0"), ("reset", "2")]), Some(Duration::from_secs(2)));
        assert_eq!(Limits { per_minute: Some(120), ..Limits::default() }.between(), Duration::from_millis(500));
    }
}
