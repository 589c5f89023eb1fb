//! Which snapshots are made and kept.
//!
//! The log keeps everything, so a snapshot only saves time: at the start, and when somebody asks how things stood at a time in
//! the past. One is made after every 10,000 events, every day, and at the end. Kept are the newest three; for a week the first
//! of every day; for 400 days, and beyond that the newest one before, the first of every month.

use super::{Shell, TellError};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::control::write_snapshot;
use refit_store::{Snapshot, SnapshotInfo};
use std::collections::BTreeSet;

/// After how many events a snapshot is made.
const EVENTS: u64 = 10_000;
/// After what time a snapshot is made, if anything has happened.
const EVERY: SignedDuration = SignedDuration::from_hours(24);
/// How many of the newest are kept.
const NEWEST: usize = 3;
/// How long one of every day is kept.
const DAILY: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long one of every month is kept.
const MONTHLY: SignedDuration = SignedDuration::from_hours(400 * 24);

impl Shell {
    /// Makes a snapshot if enough has happened since the last one; says whether one was made.
    pub async fn snapshot_if_due(&self) -> Result<bool, TellError> {
        let view = self.view();
        let last = self.store().snapshots().await?.into_iter().next_back();
        let (seq, at) = last.map_or((0, Timestamp::MIN), |last| (last.seq, last.at));
        let many = view.state.seq.saturating_sub(seq) >= EVENTS;
        let long = view.state.seq > seq && self.now().duration_since(at) >= EVERY;
        // The first day's events are few: the log alone is read quickly.
        let long = long && (seq > 0 || view.state.seq >= EVENTS / 10);
        if many || long {
            self.snapshot().await?;
        }
        Ok(many || long)
    }

    /// Makes a snapshot of what readers see now, and drops those that are no longer needed.
    pub async fn snapshot(&self) -> Result<(), TellError> {
        let view = self.view();
        if view.state.seq == 0 {
            return Ok(());
        }
        let write = move || {
            crate::background::yield_to_others();
            write_snapshot(&view.state).map(|(format, body)| (view.state.seq, view.state.clock, format, body))
        };
        // A thread of its own: its lowered priority ends with it.
        let (reply, written) = tokio::sync::oneshot::channel();
        let started = std::thread::Builder::new().name("snapshot".into()).spawn(move || reply.send(write()).is_ok());
        let broken = |error: &dyn std::fmt::Display| TellError::Other(format!("no snapshot could be made: {error}"));
        started.map_err(|error| broken(&error))?;
        let written = written.await.map_err(|error| broken(&error))?;
        let (seq, at, format, body) = written.map_err(|error| broken(&error))?;
        let bytes = body.len();
        self.store().save_snapshot(Snapshot { seq, at, format, body }).await?;
        tracing::debug!(seq, bytes, "a snapshot was made");
        for seq in superfluous(&self.store().snapshots().await?, self.now()) {
            self.store().drop_snapshot(seq).await?;
        }
        Ok(())
    }
}

/// The snapshots (oldest first) that are no longer needed.
fn superfluous(snapshots: &[SnapshotInfo], now: Timestamp) -> Vec<u64> {
    let newest = snapshots.len().saturating_sub(NEWEST);
    let (mut days, mut months) = (BTreeSet::new(), BTreeSet::new());
    // What was so 400 days ago is replayed from the snapshot before that.
    let before = snapshots.iter().rposition(|info| now.duration_since(info.at) >= MONTHLY);
    let mut drop = Vec::new();
    for (n, info) in snapshots.iter().enumerate() {
        let (age, day) = (now.duration_since(info.at), info.at.to_zoned(TimeZone::UTC).date());
        let first_of_day = days.insert(day);
        let first_of_month = months.insert((day.year(), day.month()));
        let keep =
            n >= newest || Some(n) == before || (first_of_day && age < DAILY) || (first_of_month && age < MONTHLY);
        if !keep {
            drop.push(info.seq);
        }
    }
    drop
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_month_is_kept_for_400_days() {
        let start: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
        let mut kept: Vec<SnapshotInfo> = Vec::new();
        let mut now = start;
        for n in 0..600 * 4 {
            now = start.checked_add(SignedDuration::from_hours(6 * n)).unwrap();
            kept.push(SnapshotInfo { seq: u64::try_from(n).unwrap() + 1, at: now, format: 1, bytes: 1 });
            let drop = superfluous(&kept, now);
            kept.retain(|info| !drop.contains(&info.seq));
        }
        assert!(kept.len() < 30, "{}", kept.len());
        let limit = now.checked_sub(MONTHLY).unwrap();
        assert!(kept[0].at <= limit && kept[1].at > limit);
        let gaps = kept.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at).as_hours());
        assert!(gaps.max().unwrap() <= 31 * 24);
        assert_eq!(kept.iter().rev().take_while(|info| now.duration_since(info.at).as_hours() < 7 * 24).count(), 10);
    }
}
