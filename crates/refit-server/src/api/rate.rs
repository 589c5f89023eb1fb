//! How often a token may ask: a bucket for each, which fills with time.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// How many buckets are kept; full ones are dropped first.
const BUCKETS_MOST: usize = 10_000;

/// The buckets.
pub struct Rates {
    usual: Pace,
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// How often somebody may ask.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pace {
    per_second: f64,
    burst: f64,
}

struct Bucket {
    left: f64,
    at: Instant,
    pace: Pace,
}

impl Bucket {
    /// How many requests are left at a time.
    fn filled(&self, now: Instant) -> f64 {
        (self.left + now.saturating_duration_since(self.at).as_secs_f64() * self.pace.per_second).min(self.pace.burst)
    }
}

impl Pace {
    /// So many in a minute, of which a sixth (ten seconds' worth) may come at once.
    fn of_a_minute(requests: u32) -> Pace {
        let requests = f64::from(requests.max(1));
        Pace { per_second: requests / 60.0, burst: (requests / 6.0).max(1.0) }
    }
}

impl Rates {
    /// Buckets that hold `burst` requests, and get `per_second` of them back.
    pub fn new(per_second: f64, burst: f64) -> Rates {
        Rates { usual: Pace { per_second, burst }, buckets: Mutex::default() }
    }

    /// Takes one request, of somebody who may make so many in a minute, or as many as any; where there is none left, says in how many seconds
    /// there will be.
    pub fn take(&self, who: &str, per_minute: Option<u32>) -> Result<(), u64> {
        self.take_at(who, per_minute, Instant::now())
    }

    fn take_at(&self, who: &str, per_minute: Option<u32>, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MOST {
            buckets.retain(|_, bucket| bucket.filled(now) < bucket.pace.burst);
        }
        let pace = per_minute.map_or(self.usual, Pace::of_a_minute);
        let left = buckets.get(who).map_or(pace.burst, |bucket| bucket.filled(now));
        let enough = left >= 1.0;
        buckets.insert(who.to_owned(), Bucket { left: if enough { left - 1.0 } else { left }, at: now, pace });
        if enough { Ok(()) } else { Err(((1.0 - left) / pace.per_second).ceil().clamp(1.0, 3_600.0) as u64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_empties_and_fills_by_itself() {
        let rates = Rates::new(2.0, 3.0);
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(rates.take_at("a", None, now), Ok(()));
        }
        assert_eq!(rates.take_at("a", None, now), Err(1));
        assert_eq!(rates.take_at("b", None, now), Ok(()));
        assert_eq!(rates.take_at("a", None, now + Duration::from_millis(500)), Ok(()));
        assert_eq!(rates.take_at("a", None, now + Duration::from_millis(500)), Err(1));
    }

    #[test]
    fn a_limit_of_ones_own_is_in_place_of_that_of_all() {
        let rates = Rates::new(2.0, 3.0);
        let now = Instant::now();
        let take = |after: u64| rates.take_at("slow", Some(12), now + Duration::from_secs(after));
        assert_eq!((take(0), take(0)), (Ok(()), Ok(())));
        // Twelve in a minute is one in five seconds.
        assert_eq!((take(0), take(1)), (Err(5), Err(4)));
        assert_eq!((take(5), take(5)), (Ok(()), Err(5)));
        for _ in 0..100 {
            assert_eq!(rates.take_at("quick", Some(6_000), now), Ok(()));
        }
    }
}
