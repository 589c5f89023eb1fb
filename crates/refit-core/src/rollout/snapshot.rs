//! Dated snapshots of an archive, which move through the rings as one.
//!
//! What is published moves with the first snapshot that is taken afterwards. Snapshots belong to a policy, and are taken at
//! times that follow from its `every` alone: whole multiples of it since a Monday, at midnight UTC. So a snapshot is nobody's
//! to take, and the same on every machine.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_model::TitleId;
use smol_str::{SmolStr, format_smolstr};

/// The first Monday of the epoch: snapshots that are taken weekly are taken on Mondays.
const MONDAY: SignedDuration = SignedDuration::from_hours(4 * 24);

/// What the snapshots of a policy are named by in rollouts, gates and halts, where other releases have their title.
pub fn snapshot_title(policy: &str) -> TitleId {
    TitleId::new(format_smolstr!("snapshot/{policy}"))
}

/// The policy whose snapshots those are; `None` where it is a title of software.
pub fn snapshot_policy(title: &TitleId) -> Option<&str> {
    title.package().filter(|(namespace, _)| *namespace == "snapshot").map(|(_, policy)| policy)
}

/// When the first snapshot is taken that holds what was published at that time.
pub fn snapshot_after(every: SignedDuration, published: Timestamp) -> Timestamp {
    let every = every.as_secs().max(1);
    let since = published.as_duration() - MONDAY;
    let whole = since.as_secs().div_euclid(every);
    let exact = since.as_secs().rem_euclid(every) == 0 && since.subsec_nanos() == 0;
    let periods = if exact { whole } else { whole.saturating_add(1) };
    let seconds = periods.checked_mul(every).and_then(|seconds| seconds.checked_add(MONDAY.as_secs()));
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX)
}

/// The name of the snapshot that is taken at a time: its day, with the time of day where that is not midnight UTC.
pub fn snapshot_name(taken: Timestamp) -> SmolStr {
    let taken = taken.to_zoned(TimeZone::UTC);
    let format = if taken.time() == jiff::civil::Time::midnight() { "%Y-%m-%d" } else { "%Y-%m-%d.%H%M" };
    format_smolstr!("{}", taken.strftime(format))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(every: &str, published: &str) -> String {
        let every: SignedDuration = every.parse().unwrap();
        snapshot_name(snapshot_after(every, published.parse().unwrap())).into()
    }

    #[test]
    fn weekly_ones_are_taken_on_mondays() {
        assert_eq!(after("168h", "2026-11-24T10:00:00Z"), "2026-11-30");
        assert_eq!(after("168h", "2026-11-29T23:59:59.5Z"), "2026-11-30");
        assert_eq!(after("168h", "2026-11-30T00:00:00Z"), "2026-11-30");
        assert_eq!(after("168h", "2026-11-30T00:00:00.001Z"), "2026-12-07");
        assert_eq!(after("168h", "1969-12-30T00:00:00Z"), "1970-01-05");
    }

    #[test]
    fn others_have_their_time_of_day() {
        assert_eq!(after("24h", "2026-11-24T10:00:00Z"), "2026-11-25");
        assert_eq!(after("6h", "2026-11-24T10:00:00Z"), "2026-11-24.1200");
        assert_eq!(after("6h", "2026-11-24T20:00:00Z"), "2026-11-25");
    }

    #[test]
    fn names_are_versions_in_the_order_of_time() {
        use refit_model::{Scheme, Version};
        let read = |text: &str| Version::parse(Scheme::Generic, text).unwrap();
        assert!(read("2026-11-24.1200") < read("2026-11-25"));
        assert!(read("2026-11-24") < read("2026-11-24.0600"));
        assert!(read("2026-11-24.0600") < read("2026-11-24.1200"));
    }

    #[test]
    fn the_policy_is_told_by_the_name() {
        let title = snapshot_title("linux security updates");
        assert_eq!(snapshot_policy(&title), Some("linux security updates"));
        assert_eq!(snapshot_policy(&TitleId::new("deb/openssl")), None);
        assert_eq!(snapshot_policy(&TitleId::new("firefox")), None);
    }
}
